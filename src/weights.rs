//! Weights as files: SafeTensors, with the configuration beside them, and what PyTorch saved.
//!
//! | | writes | reads |
//! |---|---|---|
//! | [`save`], [`load`] | a SafeTensors file | what `save` or burn wrote |
//! | [`save_dir`], [`load_dir`] | the same and a `config.json`, in a folder | the configuration and its model |
//! | [`load_pytorch`] | | a state dict of PyTorch: `.safetensors`, or `.pt` with the feature `pytorch` |
//!
//! A tensor's name is the path of its parameter: the names of the fields on the way, joined by dots
//! (`encoder.body.layers.0.weight`). They are stable: to rename a field is a breaking change.
//!
//! What is saved carries a checksum. What is loaded must be all that the model has and nothing else; a file that
//! is corrupt, cut, or another model's is refused by name, and then nothing has been loaded. A file is replaced
//! only by a whole one.
//!
//! A model is loaded into one that was just made, and taken by value for that. Save what you would evaluate,
//! `model.valid()`: running statistics are complete only there.

use crate::error::{Error, Result};
use crate::file;
use burn::module::Module;
use burn::store::burn_pack::Tensor as Packed;
use burn::store::{
    FloatCastAdapter, KeyRemapper, ModuleAdapter, ModuleSnapshot, ModuleStore,
    PyTorchToBurnAdapter, SafetensorsStore,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::path::Path;

/// Saves the weights of a model as SafeTensors.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Record`] if the file cannot be written.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::weights;
///
/// let device = Device::default();
/// let init = || MlpDecoderConfig::new(2, vec![1, 28, 28]).init::<4>(&device);
/// let path = std::env::temp_dir().join(format!("decoder-{}.safetensors", std::process::id()));
///
/// let decoder = init()?;
/// weights::save(&decoder, &path)?;
/// let copy = weights::load(init()?, &path)?;
///
/// let z = Tensor::<2>::ones([1, 2], &device);
/// copy.decode(z.clone()).into_data().assert_eq(&decoder.decode(z).into_data(), true);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn save<M: Module>(model: &M, path: impl AsRef<Path>) -> Result<()> {
    write(model, path.as_ref(), None)
}

/// A new model with the weights of a SafeTensors file that [`save`], [`save_dir`] or burn wrote.
///
/// Numbers of another float type are converted to the one of the model's device.
///
/// # Errors
///
/// [`Error::Record`] if the file is missing, corrupt, or does not hold exactly this model's tensors; and if
/// PyTorch wrote it, whose matrices lie the other way round: that takes [`load_pytorch`].
pub fn load<M: Module>(model: M, path: impl AsRef<Path>) -> Result<M> {
    read(model, path.as_ref()).map(|(model, _)| model)
}

/// Saves a configuration and the weights of the model made from it: `config.json` and `model.safetensors`, in a
/// folder that is made if it is not there.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::Record`] if a file cannot be written, [`Error::Config`] if the configuration
/// cannot be put into JSON.
///
/// ```
/// use burn::config::Config;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::weights;
///
/// type DigitVae = Vae<MlpEncoder<GaussianHead, 4>, MlpDecoder<burn::nn::Linear, 4>>;
/// # use burn_generative::nn::{MlpEncoder, MlpDecoder};
///
/// #[derive(Config, Debug)]
/// struct Recipe {
///     encoder: MlpEncoderConfig,
///     decoder: MlpDecoderConfig,
///     vae: VaeConfig,
/// }
///
/// impl Recipe {
///     fn init(&self, device: &Device) -> burn_generative::Result<DigitVae> {
///         let (encoder, decoder) = (self.encoder.init_gaussian(device)?, self.decoder.init(device)?);
///         self.vae.init(encoder, decoder, StandardNormal::new(20), BernoulliNll)
///     }
/// }
///
/// let pixels = vec![1, 28, 28];
/// let recipe = Recipe::new(
///     MlpEncoderConfig::new(pixels.clone(), 20),
///     MlpDecoderConfig::new(20, pixels),
///     VaeConfig::new(),
/// );
/// let folder = std::env::temp_dir().join(format!("vae-{}", std::process::id()));
/// let device = Device::default();
/// weights::save_dir(&folder, &recipe, &recipe.init(&device)?)?;
///
/// let (recipe, vae) = weights::load_dir(&folder, |recipe: &Recipe| recipe.init(&device))?;
/// assert_eq!(vae.sample(3, &device).dims(), [3, 1, 28, 28]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn save_dir<C: Serialize, M: Module>(
    folder: impl AsRef<Path>,
    config: &C,
    model: &M,
) -> Result<()> {
    let folder = folder.as_ref();
    let text = serde_json::to_string_pretty(config)
        .map_err(|error| Error::Config(format!("the configuration is no JSON: {error}")))?;
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    file::write(&folder.join(CONFIG), &[text.as_bytes(), b"\n"])?;
    write(model, &folder.join(WEIGHTS), Some(config_digest(&text)))
}

/// The configuration in a folder of [`save_dir`], and its model: `init` makes it from the configuration.
///
/// # Errors
///
/// [`Error::Record`] if a file is missing or corrupt, or the configuration is not the one that the weights were
/// saved with; and what `init` refuses.
pub fn load_dir<C: DeserializeOwned, M: Module>(
    folder: impl AsRef<Path>,
    init: impl FnOnce(&C) -> Result<M>,
) -> Result<(C, M)> {
    let [config_path, weights_path] = [CONFIG, WEIGHTS].map(|name| folder.as_ref().join(name));
    let text = std::fs::read_to_string(&config_path)
        .map_err(|error| Error::record(&config_path, format!("cannot be read: {error}")))?;
    let config: C = serde_json::from_str(&text).map_err(|error| {
        Error::record(&config_path, format!("is not this configuration: {error}"))
    })?;
    let (model, origin) = read(init(&config)?, &weights_path)?;
    match origin.and_then(|origin| origin.config) {
        Some(digest) if digest != config_digest(text.trim_end_matches('\n')) => {
            let reason = "is not the configuration that model.safetensors beside it was saved with";
            Err(Error::record(config_path, reason))
        }
        _ => Ok((config, model)),
    }
}

/// A new model with the weights of a PyTorch state dict, of the same architecture.
///
/// `names` leads from PyTorch's names to this crate's: pairs of a regular expression and what it is replaced by,
/// applied one after the other. `.pt` files need the feature `pytorch`; `.safetensors` files do not. Matrices of
/// linear layers are transposed, and the names of normalisation layers (`weight` for `gamma`, ...) are known.
/// Variants of an enum are no part of a name here (`norms.0.gamma`, not `norms.0.Batch.gamma`).
/// `num_batches_tracked` is left out, and a counter of steps may be missing; everything else must be there, and
/// nothing more.
///
/// # Errors
///
/// As [`load`], and if a pattern is no regular expression, or leads two tensors to one name.
///
/// The VAE of the PyTorch examples:
///
/// ```no_run
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::weights;
///
/// let device = Device::default();
/// let vae = VaeConfig::new().init(
///     MlpEncoderConfig::new(vec![784], 20).init_gaussian::<2>(&device)?,
///     MlpDecoderConfig::new(20, vec![784]).init::<2>(&device)?,
///     StandardNormal::new(20),
///     BernoulliNll,
/// )?;
/// let names = [
///     (r"^fc1\.", "encoder.body.layers.0."),
///     (r"^fc21\.", "encoder.head.mean."),
///     (r"^fc22\.", "encoder.head.log_var."),
///     (r"^fc3\.", "decoder.body.layers.0."),
///     (r"^fc4\.", "decoder.head."),
/// ];
/// let vae = weights::load_pytorch(vae, "vae.safetensors", &names)?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn load_pytorch<M: Module>(
    model: M,
    path: impl AsRef<Path>,
    names: &[(&str, &str)],
) -> Result<M> {
    let path = path.as_ref();
    let remapper = KeyRemapper::from_patterns(names.to_vec())
        .map_err(|error| Error::Config(format!("load_pytorch: {error}")))?;
    let content = read_file(path)?;
    let tensors = match header(&content) {
        Some(_) => safetensors(content, path)?,
        None => pickled(path)?,
    };
    let tensors = tensors
        .into_iter()
        .filter(|tensor| !tensor.name.ends_with("num_batches_tracked"))
        .collect();
    let (tensors, renamed) = remapper.remap(tensors);
    let mut taken = BTreeSet::new();
    for (new, old) in &renamed {
        if !taken.insert(new) {
            let reason =
                format!("`names` leads '{old}' to '{new}', where another tensor is already");
            return Err(Error::record(path, reason));
        }
    }
    fill(model, tensors, path, true)
}

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";

/// The key of [`Origin`] in the file's metadata. One key alone, so that equal weights make equal files.
const ORIGIN: &str = "burn-generative";

/// What a file of this crate says about itself.
#[derive(Serialize, Deserialize)]
struct Origin {
    /// The checksum of the tensors.
    sha256: String,
    /// The checksum of the configuration beside it.
    config: Option<String>,
}

fn config_digest(text: &str) -> String {
    file::hex(file::sha256([text.as_bytes()]))
}

/// The checksum of tensors: of their names, types, shapes and numbers.
fn tensors_digest(mut tensors: Vec<Packed>, path: &Path) -> Result<String> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut pieces = Vec::with_capacity(tensors.len());
    for tensor in &tensors {
        let head = format!("{} {:?} {:?}", tensor.name, tensor.dtype, tensor.shape);
        let numbers = tensor
            .to_bytes()
            .map_err(|error| Error::record(path, error.to_string()))?;
        pieces.push((head, numbers));
    }
    let slices = pieces
        .iter()
        .flat_map(|(head, numbers)| [head.as_bytes(), &numbers[..]]);
    Ok(file::hex(file::sha256(slices)))
}

fn write<M: Module>(model: &M, path: &Path, config: Option<String>) -> Result<()> {
    let origin = Origin {
        sha256: tensors_digest(model.collect(None, None, false), path)?,
        config,
    };
    let origin = serde_json::to_string(&origin).expect("plain strings");
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata(ORIGIN, origin);
    let content = model
        .save_into(&mut store)
        .and_then(|()| store.get_bytes())
        .map_err(|error| Error::record(path, error.to_string()))?;
    file::write(path, &[&content])
}

fn read<M: Module>(model: M, path: &Path) -> Result<(M, Option<Origin>)> {
    let content = read_file(path)?;
    let Some(header) = header(&content) else {
        let reason = "is no SafeTensors file; for one that PyTorch wrote, take `load_pytorch`";
        return Err(Error::record(path, reason));
    };
    let tensors = safetensors(content, path)?;
    let metadata = header.get("__metadata__");
    let text = |key: &str| metadata?.get(key)?.as_str();
    let origin = match text(ORIGIN) {
        None if text("producer") == Some("burn") => None,
        None => {
            let reason = "was not written by burn; if PyTorch wrote it, its matrices lie the other way round: \
                          take `load_pytorch`";
            return Err(Error::record(path, reason));
        }
        Some(origin) => {
            let origin: Origin = serde_json::from_str(origin)
                .map_err(|error| Error::record(path, format!("is corrupt: {error}")))?;
            if origin.sha256 != tensors_digest(tensors.clone(), path)? {
                return Err(Error::record(path, "is corrupt: its checksum is wrong"));
            }
            Some(origin)
        }
    };
    Ok((fill(model, tensors, path, false)?, origin))
}

/// A whole file in memory: what is checked is what is loaded, whatever becomes of the file.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::record(path, format!("cannot be read: {error}")))
}

/// The header of a SafeTensors file, a length and that much JSON; `None` of anything else.
fn header(content: &[u8]) -> Option<serde_json::Map<String, serde_json::Value>> {
    let (length, rest) = content.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    serde_json::from_slice(rest.get(..length)?).ok()
}

/// The tensors of a SafeTensors file.
fn safetensors(content: Vec<u8>, path: &Path) -> Result<Vec<Packed>> {
    let mut store = SafetensorsStore::from_bytes(Some(content));
    let tensors = store
        .get_all_tensors()
        .map_err(|error| Error::record(path, format!("is corrupt: {error}")))?;
    Ok(tensors.values().cloned().collect())
}

#[cfg(feature = "pytorch")]
fn pickled(path: &Path) -> Result<Vec<Packed>> {
    let mut store = burn::store::PytorchStore::from_file(path).map_indices_contiguous(false);
    let tensors = store
        .get_all_tensors()
        .map_err(|error| Error::record(path, format!("is no PyTorch file: {error}")))?;
    Ok(tensors.values().cloned().collect())
}

#[cfg(not(feature = "pytorch"))]
fn pickled(path: &Path) -> Result<Vec<Packed>> {
    let reason = "is no SafeTensors file; for PyTorch's own format, build with `--features pytorch`, or save it \
                  with `safetensors.torch.save_file`";
    Err(Error::record(path, reason))
}

/// Puts the tensors into the model, all of them and for all of it.
fn fill<M: Module>(mut model: M, tensors: Vec<Packed>, path: &Path, pytorch: bool) -> Result<M> {
    // burn aborts the process on a panic while it loads, and a type that is no float is one.
    for tensor in &tensors {
        if !tensor.dtype.is_float() {
            let reason = format!("'{}' is of {:?}, not of floats", tensor.name, tensor.dtype);
            return Err(Error::record(path, reason));
        }
    }
    let device = model.devices().into_iter().next().unwrap_or_default();
    let cast = FloatCastAdapter::to(device.settings().float_dtype.into());
    let adapter: Box<dyn ModuleAdapter> = match pytorch {
        true => Box::new(PyTorchToBurnAdapter.chain(cast)),
        false => Box::new(cast),
    };
    let result = model.apply(tensors, None, Some(adapter), pytorch);
    let missing: Vec<_> = result
        .missing
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !(pytorch && name.ends_with("taken")))
        .collect();
    let listed = |what: &str, names: Vec<&str>| {
        (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
    };
    let problems: Vec<String> = result
        .errors
        .iter()
        .map(ToString::to_string)
        .chain(listed("it lacks", missing))
        .chain(listed(
            "it has beyond the model",
            result.unused.iter().map(String::as_str).collect(),
        ))
        .collect();
    match problems.is_empty() {
        true => Ok(model),
        false => {
            let reason = format!("does not fit this model: {}", problems.join("; "));
            Err(Error::record(path, reason))
        }
    }
}
