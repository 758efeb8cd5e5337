use super::{CONFIG, Packed, fill, pytorchs, renamed};
use crate::error::{Error, Result};
use crate::file;
use crate::model::AutoencoderKl;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::Shape;
use std::path::Path;

/// The file of weights in a folder of diffusers.
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// A new [`AutoencoderKl`] with the weights of a file of diffusers' `AutoencoderKL`, or of the original checkpoints.
///
/// The layers of attention may have each of three dialects of names (`to_q`, `query`, `q`), the file as a whole those of diffusers
/// or those of latent diffusion, with or without `first_stage_model.` before them. Numbers of 16 bits become what the model
/// computes in. [`AutoencoderKlConfig::open`](crate::model::AutoencoderKlConfig::open) reads the configuration beside the file.
///
/// # Errors
///
/// [`Error::Record`] naming the file if it cannot be read, is another model's, or does not hold exactly what the
/// configuration asks for.
///
/// ```no_run
/// use burn::prelude::*;
/// use burn_generative::model::AutoencoderKlConfig;
/// use burn_generative::weights;
///
/// let config = AutoencoderKlConfig::open("vae/config.json")?;
/// let autoencoder = config.init(&Device::default())?;
/// let file = "vae/diffusion_pytorch_model.safetensors";
/// let autoencoder = weights::load_autoencoder_kl(autoencoder, file)?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn load_autoencoder_kl(model: AutoencoderKl, path: impl AsRef<Path>) -> Result<AutoencoderKl> {
    let path = path.as_ref();
    let names = names(model.config().block_out_channels.len());
    let names: Vec<_> = names
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    let mut tensors = pytorchs(path)?;
    // Of a whole latent diffusion the autoencoder alone, and of its own training not the loss.
    if tensors
        .iter()
        .any(|tensor| tensor.name.starts_with(FIRST_STAGE))
    {
        tensors.retain(|tensor| tensor.name.starts_with(FIRST_STAGE));
    }
    tensors.retain(|tensor| !tensor.name.starts_with("loss."));
    let tensors = renamed(tensors, &names, path)?;
    if !tensors
        .iter()
        .any(|tensor| tensor.name.starts_with("decoder.conv_in."))
    {
        let reason = "holds no AutoencoderKL: there is no decoder in it by the names of diffusers or of latent diffusion";
        return Err(Error::record(path, reason));
    }
    let tensors = tensors
        .into_iter()
        .map(|tensor| without_single_pixels(tensor, path))
        .collect::<Result<_>>()?;
    fill(model, tensors, path, true)
}

/// Saves an [`AutoencoderKl`] for diffusers: `config.json` and `diffusion_pytorch_model.safetensors`, in a folder that is made if
/// it is not there, and that `AutoencoderKL.from_pretrained` reads.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Record`] if a file cannot be written.
pub fn save_autoencoder_kl(folder: impl AsRef<Path>, model: &AutoencoderKl) -> Result<()> {
    let folder = folder.as_ref();
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    file::write(&folder.join(CONFIG), &[model.config().to_json().as_bytes()])?;
    let path = folder.join(WEIGHTS);
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata("format", "pt");
    for (here, there) in QUANT_CONVS {
        let from = format!(r"^{}\.", here.replace('.', r"\."));
        store = store.with_key_remapping(from, format!("{there}."));
    }
    let content = model
        .save_into(&mut store)
        .and_then(|()| store.get_bytes())
        .map_err(|error| Error::record(&path, error.to_string()))?;
    file::write(&path, &[&content])
}

/// What latent diffusion calls its autoencoder.
const FIRST_STAGE: &str = "first_stage_model.";

/// What stands inside of the networks here, and outside of them in diffusers.
const QUANT_CONVS: [(&str, &str); 2] = [
    ("encoder.quant_conv", "quant_conv"),
    ("decoder.post_quant_conv", "post_quant_conv"),
];

/// The names of this crate for those of every dialect: patterns of whole parts of a name, as one of them is part of another.
fn names(levels: usize) -> Vec<(String, String)> {
    const ATTENTION: &str = r"^(encoder|decoder)\.mid_block\.attentions\.0\.";
    let of_latent_diffusion = [
        (r"^first_stage_model\.", ""),
        (r"^(encoder|decoder)\.norm_out\.", "${1}.conv_norm_out."),
        (
            r"^(encoder|decoder)\.mid\.block_1\.",
            "${1}.mid_block.resnets.0.",
        ),
        (
            r"^(encoder|decoder)\.mid\.block_2\.",
            "${1}.mid_block.resnets.1.",
        ),
        (
            r"^(encoder|decoder)\.mid\.attn_1\.",
            "${1}.mid_block.attentions.0.",
        ),
        (
            r"^encoder\.down\.(\d+)\.block\.",
            "encoder.down_blocks.${1}.resnets.",
        ),
        (
            r"^encoder\.down\.(\d+)\.downsample\.",
            "encoder.down_blocks.${1}.downsamplers.0.",
        ),
        (r"\.nin_shortcut\.", ".conv_shortcut."),
    ];
    let owned = |(theirs, ours): (&str, &str)| (theirs.to_string(), ours.to_string());
    let mut names: Vec<_> = of_latent_diffusion.map(owned).into();
    // They count from the image to the latent, and diffusers on the way that is gone.
    for level in 0..levels {
        let block = levels - 1 - level;
        names.push((
            format!(r"^decoder\.up\.{level}\.block\."),
            format!("decoder.up_blocks.{block}.resnets."),
        ));
        names.push((
            format!(r"^decoder\.up\.{level}\.upsample\."),
            format!("decoder.up_blocks.{block}.upsamplers.0."),
        ));
    }
    // The three dialects of attention.
    for (theirs, ours) in [
        ("(q|query)", "to_q"),
        ("(k|key)", "to_k"),
        ("(v|value)", "to_v"),
        ("(proj_out|proj_attn)", "to_out.0"),
        ("norm", "group_norm"),
    ] {
        names.push((
            format!(r"{ATTENTION}{theirs}\."),
            format!("${{1}}.mid_block.attentions.0.{ours}."),
        ));
    }
    for (here, there) in QUANT_CONVS {
        names.push((format!(r"^{there}\."), format!("{here}.")));
    }
    names
}

/// A projection of attention, which latent diffusion has as a convolution of single pixels, as a matrix; any other tensor as
/// it is.
fn without_single_pixels(tensor: Packed, path: &Path) -> Result<Packed> {
    let is_projection = tensor.name.contains(".attentions.0.to_");
    let rank = if tensor.name.ends_with(".weight") {
        2
    } else {
        1
    };
    let sides = tensor.shape.get(rank..).unwrap_or_default();
    if !is_projection || sides.is_empty() || sides.iter().any(|&side| side != 1) {
        return Ok(tensor);
    }
    let numbers = tensor
        .to_bytes()
        .map_err(|error| Error::record(path, error.to_string()))?;
    let shape = Shape::from(tensor.shape[..rank].to_vec());
    let (name, id) = (tensor.name.clone(), tensor.param_id);
    Ok(Packed::new(name, tensor.dtype, shape, id, numbers))
}
