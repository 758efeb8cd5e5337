//! Weights as files: SafeTensors, with the configuration beside them, and what PyTorch saved.
//!
//! | | writes | reads |
//! |---|---|---|
//! | [`save`], [`load`] | a SafeTensors file | what `save` or burn wrote |
//! | [`load_renamed`] | | a part of such a file, or one with other names |
//! | [`save_dir`], [`load_dir`] | the same and a `config.json`, in a folder | the configuration and its model |
//! | [`load_dir_with_defaults`] | | such a folder of an older configuration |
//! | [`save_autoencoder_kl`], [`load_autoencoder_kl`] | what diffusers reads | what diffusers, or latent diffusion, wrote |
//! | [`load_pytorch`] | | a state dict of PyTorch: `.safetensors`, or `.pt` with the feature `pytorch` |
//!
//! A tensor's name is the path of its parameter: the names of the fields on the way, joined by dots
//! (`encoder.body.layers.0.weight`). They are stable: to rename a field is a breaking change.
//!
//! Parameters of floats, of integers and of booleans are saved and loaded alike, each in the type that the model has it in.
//!
//! What is saved carries a checksum. What is loaded must be all that the model has and nothing else; a file that
//! is corrupt, cut, or another model's is refused by name, and then nothing has been loaded. A file is replaced
//! only by a whole one.
//!
//! A model is loaded into one that was just made, and taken by value for that. Save what you would evaluate,
//! `model.valid()`: running statistics are complete only there.

mod diffusers;

pub use diffusers::{load_autoencoder_kl, save_autoencoder_kl};

use crate::error::{Error, Result};
use crate::file;
use burn::module::Module;
use burn::store::burn_pack::Tensor as Packed;
use burn::store::{
    FloatCastAdapter, KeyRemapper, ModuleAdapter, ModuleContext, ModuleSnapshot, ModuleStore,
    PyTorchToBurnAdapter, SafetensorsStore,
};
use burn::tensor::{BoolStore, DType, TensorData};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
/// Numbers of another type of floats, or of integers, are converted to the type of the model's parameter.
///
/// # Errors
///
/// [`Error::Record`] if the file is missing, corrupt, or does not hold exactly this model's tensors; and if
/// PyTorch wrote it, whose matrices lie the other way round: that takes [`load_pytorch`].
pub fn load<M: Module>(model: M, path: impl AsRef<Path>) -> Result<M> {
    load_renamed(model, path, &[])
}

/// As [`load`], with other names in the file: `names` are pairs of a regular expression and what it is replaced by,
/// applied one after the other. A tensor of whose name nothing is left is left out.
///
/// # Errors
///
/// As [`load`], and if a pattern is no regular expression, or leads two tensors to one name.
///
/// The encoder out of the file of a whole model:
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::weights;
///
/// let device = Device::default();
/// let encoder = || MlpEncoderConfig::new(vec![6], 2).init::<2>(&device);
/// let decoder = MlpDecoderConfig::new(2, vec![6]).init::<2>(&device)?;
/// let path = std::env::temp_dir().join(format!("whole-{}.safetensors", std::process::id()));
/// weights::save(&Autoencoder::new(encoder()?, decoder, SquaredError), &path)?;
///
/// let names = [(r"^encoder\.", ""), (r"^decoder\..*", "")];
/// let encoder = weights::load_renamed(encoder()?, &path, &names)?;
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn load_renamed<M: Module>(
    model: M,
    path: impl AsRef<Path>,
    names: &[(&str, &str)],
) -> Result<M> {
    read(model, path.as_ref(), names).map(|(model, _)| model)
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
    let value = serde_json::from_str(&text)
        .map_err(|error| Error::Config(format!("the configuration is no JSON: {error}")))?;
    file::write(&folder.join(CONFIG), &[text.as_bytes(), b"\n"])?;
    write(model, &folder.join(WEIGHTS), Some(value))
}

/// The configuration in a folder of [`save_dir`], and its model: `init` makes it from the configuration.
///
/// Fields that this configuration does not know are passed over, and an `Option` that the file lacks is `None`; where it
/// lacks another field, take [`load_dir_with_defaults`].
///
/// # Errors
///
/// [`Error::Record`] if a file is missing or corrupt, or a field of the configuration is not what it was when the weights
/// were saved; and what `init` refuses.
pub fn load_dir<C: DeserializeOwned, M: Module>(
    folder: impl AsRef<Path>,
    init: impl FnOnce(&C) -> Result<M>,
) -> Result<(C, M)> {
    read_dir(folder.as_ref(), Value::Null, init)
}

/// As [`load_dir`], of a folder that was saved before the configuration got a field more: what the file lacks is taken
/// from `defaults`.
///
/// # Errors
///
/// As [`load_dir`], and [`Error::Config`] if the defaults cannot be put into JSON.
///
/// ```
/// use burn::config::Config;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::weights;
///
/// /// With `hidden` since its second version.
/// #[derive(Config, Debug)]
/// struct Recipe {
///     width: usize,
///     #[config(default = 64)]
///     hidden: usize,
/// }
///
/// let device = Device::default();
/// let init = |recipe: &Recipe| {
///     let config = MlpDecoderConfig::new(2, vec![recipe.width]).with_hidden(vec![recipe.hidden]);
///     config.init::<2>(&device)
/// };
/// let folder = std::env::temp_dir().join(format!("older-{}", std::process::id()));
/// let decoder = init(&Recipe::new(6))?;
/// weights::save_dir(&folder, &serde_json::json!({ "width": 6 }), &decoder)?; // the first version
///
/// let (recipe, decoder) = weights::load_dir_with_defaults(&folder, &Recipe::new(1), init)?;
/// assert_eq!((recipe.width, recipe.hidden), (6, 64));
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn load_dir_with_defaults<C: Serialize + DeserializeOwned, M: Module>(
    folder: impl AsRef<Path>,
    defaults: &C,
    init: impl FnOnce(&C) -> Result<M>,
) -> Result<(C, M)> {
    let defaults = serde_json::to_value(defaults)
        .map_err(|error| Error::Config(format!("the defaults are no JSON: {error}")))?;
    read_dir(folder.as_ref(), defaults, init)
}

fn read_dir<C: DeserializeOwned, M: Module>(
    folder: &Path,
    defaults: Value,
    init: impl FnOnce(&C) -> Result<M>,
) -> Result<(C, M)> {
    let [config_path, weights_path] = [CONFIG, WEIGHTS].map(|name| folder.join(name));
    let other = |error: serde_json::Error| {
        Error::record(&config_path, format!("is not this configuration: {error}"))
    };
    let text = std::fs::read_to_string(&config_path)
        .map_err(|error| Error::record(&config_path, format!("cannot be read: {error}")))?;
    let value: Value = serde_json::from_str(&text).map_err(other)?;
    let config: C = serde_json::from_value(completed(value.clone(), defaults)).map_err(other)?;
    let (model, origin) = read(init(&config)?, &weights_path, &[])?;
    // Before it was the configuration itself, it was the checksum of its text.
    let saved = origin.and_then(|origin| origin.config);
    let saved = saved.filter(|saved| !(saved.is_string() && value.is_object()));
    match saved.and_then(|saved| difference(&saved, &value, "")) {
        Some(difference) => {
            let reason = format!(
                "is not the configuration that model.safetensors beside it was saved with: {difference}"
            );
            Err(Error::record(config_path, reason))
        }
        None => Ok((config, model)),
    }
}

/// A configuration with the fields that it lacks, wherever it has no others than the defaults (another variant of an enum
/// is not completed).
fn completed(value: Value, defaults: Value) -> Value {
    match (value, defaults) {
        (Value::Object(mut fields), Value::Object(defaults))
            if fields.keys().all(|name| defaults.contains_key(name)) =>
        {
            for (name, default) in defaults {
                let field = match fields.remove(&name) {
                    Some(field) => completed(field, default),
                    None => default,
                };
                fields.insert(name, field);
            }
            Value::Object(fields)
        }
        (value, _) => value,
    }
}

/// Where two configurations are not the same, if they are not, but for fields that one of them has beyond the other.
fn difference(saved: &Value, now: &Value, at: &str) -> Option<String> {
    match (saved, now) {
        (Value::Object(saved), Value::Object(now)) => {
            let more = |these: &serde_json::Map<_, _>, those: &serde_json::Map<_, _>| {
                these.keys().any(|name| !those.contains_key(name))
            };
            if more(saved, now) && more(now, saved) {
                return Some(format!("'{at}' has other fields"));
            }
            let both = saved
                .iter()
                .filter_map(|(name, value)| Some((name, value, now.get(name)?)));
            both.map(|(name, saved, now)| {
                let inner = format!("{at}{}{name}", if at.is_empty() { "" } else { "." });
                difference(saved, now, &inner)
            })
            .find_map(|difference| difference)
        }
        (Value::Array(saved), Value::Array(now)) if saved.len() == now.len() => saved
            .iter()
            .zip(now)
            .find_map(|(saved, now)| difference(saved, now, at)),
        // 5 and 5.0 are one number.
        (Value::Number(saved), Value::Number(now)) if saved.as_f64() == now.as_f64() => None,
        _ if saved == now => None,
        _ => Some(format!("'{at}' is {now}, and was {saved}")),
    }
}

/// A new model with the weights of a PyTorch state dict, of the same architecture.
///
/// `names` leads from PyTorch's names to this crate's: pairs of a regular expression and what it is replaced by,
/// applied one after the other. `.pt` files need the feature `pytorch`; `.safetensors` files do not. Matrices of
/// linear layers are transposed, and the names of normalisation layers (`weight` for `gamma`, ...) are known.
/// Variants of an enum are no part of a name here (`norms.0.gamma`, not `norms.0.Batch.gamma`).
/// `num_batches_tracked` is left out, and the counter of a warm-up or of a GAN's turns may be missing; everything else must
/// be there, and nothing more. A tensor of whose name nothing is left is left out: of a checkpoint that holds the
/// optimizer beside the weights, `(r"^optimizer_state_dict\..*", "")` leaves that out, and `(r"^model_state_dict\.", "")`
/// takes the others' prefix off.
///
/// # Errors
///
/// As [`load_renamed`]; and if this crate or burn wrote the file, whose matrices do not lie as PyTorch's do.
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
    let tensors = pytorchs(path)?;
    let tensors = tensors
        .into_iter()
        .filter(|tensor| !tensor.name.ends_with("num_batches_tracked"))
        .collect();
    fill(model, renamed(tensors, names, path)?, path, true)
}

/// The tensors of a file that PyTorch wrote.
fn pytorchs(path: &Path) -> Result<Vec<Packed>> {
    let content = read_file(path)?;
    match header(&content) {
        Some(header) if metadata(&header, ORIGIN).is_some() || is_burns(&header) => {
            let reason = "was not written by PyTorch but by burn, whose matrices lie the other way round: take `load`, or \
                          `load_renamed` for other names";
            Err(Error::record(path, reason))
        }
        Some(_) => safetensors(content, path),
        None if is_pytorchs(&content) => pickled(path),
        None => {
            let reason = format!("is no file of SafeTensors or PyTorch: {}", found(&content));
            Err(Error::record(path, reason))
        }
    }
}

/// The tensors by the names that patterns make of theirs, without those of whose names nothing is left.
fn renamed(tensors: Vec<Packed>, names: &[(&str, &str)], path: &Path) -> Result<Vec<Packed>> {
    let remapper = KeyRemapper::from_patterns(names.to_vec())
        .map_err(|error| Error::Config(format!("names of tensors: {error}")))?;
    let (tensors, renamed) = remapper.remap(tensors);
    let mut known = BTreeSet::new();
    for (new, old) in renamed.iter().filter(|(new, _)| !new.is_empty()) {
        if !known.insert(new) {
            let reason =
                format!("`names` leads '{old}' to '{new}', where another tensor is already");
            return Err(Error::record(path, reason));
        }
    }
    Ok(tensors
        .into_iter()
        .filter(|tensor| !tensor.name.is_empty())
        .collect())
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
    /// The configuration beside it.
    config: Option<Value>,
}

/// The checksum of tensors: of their names, types, shapes and numbers.
fn tensors_digest(mut tensors: Vec<Packed>, path: &Path) -> Result<String> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut pieces = Vec::with_capacity(tensors.len());
    for tensor in &tensors {
        // SafeTensors knows no booleans of more than a byte.
        let dtype = match tensor.dtype {
            DType::Bool(BoolStore::U8) => DType::U8,
            DType::Bool(BoolStore::U32) => DType::U32,
            dtype => dtype,
        };
        let head = format!("{} {dtype:?} {:?}", tensor.name, tensor.shape);
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

fn write<M: Module>(model: &M, path: &Path, config: Option<Value>) -> Result<()> {
    let origin = Origin {
        sha256: tensors_digest(model.collect(None, None, false), path)?,
        config,
    };
    let origin = serde_json::to_string(&origin)
        .map_err(|error| Error::Config(format!("the configuration is no JSON: {error}")))?;
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata(ORIGIN, origin);
    let content = model
        .save_into(&mut store)
        .and_then(|()| store.get_bytes())
        .map_err(|error| Error::record(path, error.to_string()))?;
    file::write(path, &[&content])
}

fn read<M: Module>(model: M, path: &Path, names: &[(&str, &str)]) -> Result<(M, Option<Origin>)> {
    let content = read_file(path)?;
    let Some(header) = header(&content) else {
        let reason = if is_pytorchs(&content) {
            "is no SafeTensors file; as PyTorch wrote it, take `load_pytorch`".to_string()
        } else {
            format!("is no SafeTensors file: {}", found(&content))
        };
        return Err(Error::record(path, reason));
    };
    let tensors = safetensors(content, path)?;
    let origin = match metadata(&header, ORIGIN) {
        None if is_burns(&header) => None,
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
    let tensors = renamed(tensors, names, path)?;
    Ok((fill(model, tensors, path, false)?, origin))
}

type Header = serde_json::Map<String, Value>;

/// A text in the metadata of a SafeTensors file.
fn metadata<'a>(header: &'a Header, key: &str) -> Option<&'a str> {
    header.get("__metadata__")?.get(key)?.as_str()
}

/// Whether burn wrote the file by itself.
fn is_burns(header: &Header) -> bool {
    metadata(header, "producer") == Some("burn")
}

/// Whether a file begins as PyTorch's own do: with an archive, or a pickle.
fn is_pytorchs(content: &[u8]) -> bool {
    content.starts_with(b"PK") || content.starts_with(&[0x80])
}

/// What is in a file that is not what it should be.
fn found(content: &[u8]) -> String {
    match content {
        [] => "it is empty".to_string(),
        content => {
            let start = &content[..content.len().min(8)];
            format!(
                "it has {} bytes and begins with {start:02x?}",
                content.len()
            )
        }
    }
}

/// A whole file in memory: what is checked is what is loaded, whatever becomes of the file.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::record(path, format!("cannot be read: {error}")))
}

/// The header of a SafeTensors file, a length and that much JSON; `None` of anything else.
fn header(content: &[u8]) -> Option<Header> {
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

/// The most tensors that an error names of those that do not fit, that are missing, and that are too many.
const LISTED: usize = 8;

/// Puts the tensors into the model, all of them and for all of it.
fn fill<M: Module>(mut model: M, tensors: Vec<Packed>, path: &Path, pytorch: bool) -> Result<M> {
    let parameters = model.collect(None, None, pytorch).into_iter();
    let types = Types(parameters.map(|own| (own.name, own.dtype)).collect());
    let tensors = tensors
        .into_iter()
        .map(|tensor| types.as_integer(tensor, path))
        .collect::<Result<_>>()?;
    let adapter: Box<dyn ModuleAdapter> = if pytorch {
        Box::new(PyTorchToBurnAdapter.chain(types))
    } else {
        Box::new(types)
    };
    let result = model.apply(tensors, None, Some(adapter), pytorch);
    let missing: Vec<_> = result
        .missing
        .iter()
        .filter(|(name, containers)| !(pytorch && is_counter(name, containers)))
        .map(|(name, _)| name.as_str())
        .collect();
    let listed = |what: &str, items: Vec<&str>| {
        let others = match items.len().saturating_sub(LISTED) {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let named = &items[..items.len().min(LISTED)];
        (!named.is_empty()).then(|| format!("{what}{}{others}", named.join(", ")))
    };
    let errors: Vec<String> = result.errors.iter().map(ToString::to_string).collect();
    let unused = result.unused.iter().map(String::as_str).collect();
    let problems: Vec<String> = [
        listed("", errors.iter().map(String::as_str).collect()),
        listed("it lacks ", missing),
        listed("it has beyond the model ", unused),
    ]
    .into_iter()
    .flatten()
    .collect();
    match problems.is_empty() {
        true => Ok(model),
        false => {
            let reason = format!("does not fit this model: {}", problems.join("; "));
            Err(Error::record(path, reason))
        }
    }
}

/// Whether a parameter counts the steps of a training: PyTorch has no such thing.
fn is_counter(name: &str, containers: &str) -> bool {
    let own = name.rsplit('.').next() == Some("taken");
    let counts = ["Struct:Warmup", "Struct:StepCount", "Struct:Gan"];
    own && counts.iter().any(|kind| containers.ends_with(kind))
}

/// The type of each of a model's parameters, in which a file's tensors come to it.
#[derive(Clone)]
struct Types(BTreeMap<String, DType>);

impl Types {
    /// A tensor of integers in the type that the model has them in: a device need not know the file's.
    fn as_integer(&self, tensor: Packed, path: &Path) -> Result<Packed> {
        let is_integer = |dtype: DType| dtype.is_int() || dtype.is_uint();
        let own = self
            .0
            .get(&tensor.name)
            .copied()
            .filter(|&own| is_integer(own));
        match own {
            Some(own) if is_integer(tensor.dtype) && own != tensor.dtype => {
                let bytes = tensor
                    .to_bytes()
                    .map_err(|error| Error::record(path, error.to_string()))?;
                let data = TensorData::from_bytes(bytes, tensor.shape.clone(), tensor.dtype);
                let (name, id) = (tensor.name.clone(), tensor.param_id);
                let bytes = data.convert_dtype(own).into_bytes();
                Ok(Packed::new(name, own, tensor.shape, id, bytes))
            }
            _ => Ok(tensor),
        }
    }
}

impl ModuleAdapter for Types {
    fn adapt(&self, tensor: Packed, context: ModuleContext<'_>) -> Packed {
        match self.0.get(&tensor.name) {
            Some(&own) if own.is_float() => FloatCastAdapter::to(own).adapt(tensor, context),
            _ => tensor,
        }
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}
