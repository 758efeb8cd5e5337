//! What the examples share: devices by name, data and its flags, the folder of a run.
#![allow(dead_code)] // each example uses its own part

#[cfg(all(feature = "data", feature = "plot", feature = "train"))]
pub mod fit;
#[cfg(all(feature = "data", feature = "plot", feature = "train"))]
pub mod judge;
#[cfg(all(feature = "data", feature = "plot", feature = "train"))]
pub mod training;

use burn::prelude::*;
use burn_generative::data::mnist::{Mnist, Origin};
use burn_generative::loss::SquaredError;
use burn_generative::train::{Epoch, Guard};
use burn_generative::traits::ReconstructionLoss;
use burn_generative::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// The allocator matters for large temporaries on the CPU; a binary chooses it, a library must not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs an example: an error becomes one line on stderr and a non-zero exit.
pub fn report(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match INTERRUPTED.load(Ordering::Relaxed) {
                true => ExitCode::from(130), // as a shell reports a SIGINT
                false => ExitCode::FAILURE,
            }
        }
    }
}

/// Whether Ctrl-C was pressed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C end the training after its batch, and a second one the process.
pub fn stop_on_ctrl_c(guard: &Guard) {
    let guard = guard.clone();
    let handler = move || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping after this batch; press Ctrl-C again to stop at once");
        guard.stop("by Ctrl-C");
    };
    // Where the system has no such signal, the process just ends, and resumes from its last checkpoint.
    if let Err(error) = ctrlc::set_handler(handler) {
        log::debug!("Ctrl-C is not handled: {error}");
    }
}

/// The backends that this binary was built with, in burn's own order of preference.
pub const BACKENDS: &[&str] = &[
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "metal")]
    "metal",
    #[cfg(feature = "rocm")]
    "rocm",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "webgpu")]
    "webgpu",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "cpu")]
    "cpu",
    #[cfg(feature = "tch")]
    "tch",
    #[cfg(feature = "flex")]
    "flex",
    #[cfg(feature = "ndarray")]
    "ndarray",
];

/// The devices that `names` names, separated by commas, or `BURN_DEVICE`, or the first backend that was built
/// in; and their names.
pub fn devices(names: Option<&str>) -> Result<(Vec<Device>, String)> {
    let variable = std::env::var("BURN_DEVICE")
        .ok()
        .filter(|name| !name.is_empty());
    let first = BACKENDS.first().copied();
    let Some(names) = names.or(variable.as_deref()).or(first) else {
        return Err(Error::Config(
            "no backend was built in: add `--features flex`".to_string(),
        ));
    };
    let devices = names.split(',').map(|name| open(name.trim()));
    Ok((devices.collect::<Result<_>>()?, names.to_string()))
}

/// The one device of this name, as [`devices`].
pub fn device(name: Option<&str>) -> Result<(Device, String)> {
    let (devices, name) = devices(name)?;
    match <[Device; 1]>::try_from(devices) {
        Ok([device]) => Ok((device, name)),
        Err(devices) => Err(Error::Config(format!(
            "'{name}' names {} devices; this takes one",
            devices.len()
        ))),
    }
}

/// A device by its name: a backend's, with or without `:INDEX`, an index alone (of the first backend built in), or
/// the address of a server, `ws://HOST:PORT`.
fn open(name: &str) -> Result<Device> {
    if name.starts_with("ws://") {
        return remote(name);
    }
    let (backend, index) = match (name.parse(), name.split_once(':')) {
        (Ok(index), _) => (BACKENDS.first().copied().unwrap_or_default(), index),
        (_, Some((backend, index))) => match index.parse() {
            Ok(index) => (backend, index),
            Err(_) => {
                return Err(Error::Config(format!(
                    "'{name}' names no device: '{index}' is no index, as in `cuda:1`"
                )));
            }
        },
        (_, None) => (name, 0),
    };
    // A backend may still find no hardware (wgpu without a driver): its start then panics.
    let open = || {
        by_name(&backend.to_lowercase(), index)
            .inspect(|device| drop(Tensor::<1>::zeros([1], device).into_data()))
    };
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = std::panic::catch_unwind(open);
    std::panic::set_hook(quiet);
    match opened {
        Ok(Some(device)) => Ok(device),
        Ok(None) => Err(Error::Config(format!(
            "the device '{name}' is unknown or was not built in; built in: {}; for another, run with \
             `--features {backend}`",
            BACKENDS.join(", ")
        ))),
        Err(_) => Err(Error::Config(format!(
            "the device '{name}' does not exist on this machine, or its driver does not start; try \
             `--device flex`"
        ))),
    }
}

/// A device that a server lends (the example `remote_server`), the first or that behind a `#`. The token is in BURN_REMOTE_TOKEN.
#[cfg(feature = "remote")]
fn remote(address: &str) -> Result<Device> {
    println!("connecting to {address}");
    let (server, index) = address.split_once('#').unwrap_or((address, "0"));
    let Ok(index) = index.parse::<usize>() else {
        return Err(Error::Config(format!(
            "{address} names no device: '{index}' is no index, as in `ws://HOST:PORT#1`"
        )));
    };
    let host = burn::remote::RemoteHost::websocket(server);
    let host = match std::env::var("BURN_REMOTE_TOKEN") {
        Ok(token) => host.with_credential(token),
        Err(_) => host,
    };
    let device = Device::remote_options(&host).device_index(index).init();
    device.map_err(|error| Error::Config(format!("no device at {address}: {error}")))
}

#[cfg(not(feature = "remote"))]
fn remote(address: &str) -> Result<Device> {
    Err(Error::Config(format!(
        "for the device at {address}, run with `--features remote`"
    )))
}

#[allow(deprecated)] // NdArray and LibTorch, which burn keeps for now
#[allow(unused_variables)] // a CPU has no index
fn by_name(name: &str, index: usize) -> Option<Device> {
    #[cfg(feature = "wgpu")]
    let gpu = || match index {
        0 => Default::default(),
        index => burn::tensor::DeviceKind::DiscreteGpu(index),
    };
    match name {
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(index)),
        #[cfg(feature = "rocm")]
        "rocm" => Some(Device::rocm(index)),
        #[cfg(feature = "metal")]
        "metal" => Some(Device::metal(gpu())),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(gpu())),
        #[cfg(feature = "webgpu")]
        "webgpu" => Some(Device::webgpu(gpu())),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(gpu())),
        #[cfg(feature = "cpu")]
        "cpu" => Some(Device::cpu()),
        #[cfg(feature = "tch")]
        "tch" => Some(Device::libtorch()),
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Some(Device::ndarray()),
        _ => None,
    }
}

/// What tells one data set from another: a run is resumed on the data that it was started on.
#[derive(Clone, Debug, Serialize)]
pub struct DataIdentity {
    kind: &'static str,
    shape: [usize; 3],
    train: usize,
    test: usize,
    labels: String,
}

impl DataIdentity {
    /// The identity of a data set; its labels stand for its content.
    pub fn of(data: &Mnist) -> Self {
        // FNV-1a: the same on every machine.
        let hash = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let labels = data.train.labels().iter().chain(data.test.labels());
        Self {
            kind: data.origin.name(),
            shape: data.train.shape(),
            train: data.train.len(),
            test: data.test.len(),
            labels: format!("{:016x}", labels.fold(0xcbf2_9ce4_8422_2325, hash)),
        }
    }
}

/// Flags that choose the data.
#[derive(clap::Args, Debug)]
pub struct DataArgs {
    /// Folder with the four IDX files of MNIST (or of a data set in its format), raw or gzip.
    /// Without it: the folder in MNIST_DIR, burn-dataset's cache, a download into that cache.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Train on generated digits, and look for no MNIST.
    #[arg(long, conflicts_with = "data_dir")]
    generated: bool,
}

impl DataArgs {
    /// The images, at most `limit` to train and to test on; says where they come from.
    pub fn load(&self, limit: Option<usize>) -> Result<Mnist> {
        let limit = limit.unwrap_or(usize::MAX);
        positive("--limit", limit)?;
        let mut data = match self.generated {
            true => Mnist::generate(
                Mnist::SIZE.map(|n| n.min(limit)),
                0,
                "asked for".to_string(),
            ),
            false => Mnist::load(self.data_dir.as_deref())?,
        };
        data.train = data.train.take(limit);
        data.test = data.test.take(limit);
        match &data.origin {
            Origin::Mnist(folder) => println!("data: {}", folder.display()),
            Origin::Generated(reason) => {
                println!("data: training on generated digits, not on MNIST ({reason})");
            }
        }
        Ok(data)
    }
}

/// What `work` makes of all images, in batches that any machine has room for.
pub fn in_batches<const D: usize>(
    images: Tensor<4>,
    work: impl Fn(Tensor<4>) -> Tensor<D>,
) -> Tensor<D> {
    Tensor::cat(images.split(1000, 0).into_iter().map(work).collect(), 0)
}

/// The mean squared error of reconstructions, an image.
pub fn squared_error(
    images: &Tensor<4>,
    reconstruct: impl Fn(Tensor<4>) -> Tensor<4>,
) -> Result<f64> {
    let mut sum = 0.0;
    for batch in images.clone().split(1000, 0) {
        let cost = SquaredError.loss(reconstruct(batch.clone()), batch);
        sum += cost.sum().try_into_scalar::<f64>()?;
    }
    Ok(sum / images.dims()[0] as f64)
}

/// Refuses a zero.
pub fn positive(flag: &str, value: usize) -> Result<()> {
    match value {
        0 => Err(Error::Config(format!("{flag} must be at least 1"))),
        _ => Ok(()),
    }
}

/// A learning rate, or an error that names its flag.
pub fn rate(flag: &str, value: f64) -> Result<f64> {
    match value > 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(Error::Config(format!(
            "{flag} must be a positive number, not {value}"
        ))),
    }
}

/// Every value of a configuration with its name, those of an object within behind its own.
#[cfg(feature = "plot")]
fn plain_values(prefix: &str, settings: &serde_json::Value) -> Vec<(String, String)> {
    let fields = settings.as_object().into_iter().flatten();
    let values = fields.flat_map(|(name, value)| {
        let name = format!("{prefix}{name}");
        match value {
            serde_json::Value::Object(_) => plain_values(&format!("{name}."), value),
            serde_json::Value::String(text) => vec![(name, text.clone())],
            serde_json::Value::Null => vec![(name, "none".to_string())],
            value => vec![(name, value.to_string())],
        }
    });
    values.collect()
}

/// A run's folder: its configuration, metrics, checkpoints, weights and pictures.
#[derive(Clone)]
pub struct Out {
    folder: PathBuf,
}

const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.json";

/// The content of `metrics.json`.
#[derive(Serialize, serde::Deserialize)]
struct Metrics<C> {
    config: C,
    data: String,
    device: String,
    epochs: Vec<Epoch>,
}

impl Out {
    /// The folder of a run with this configuration, checked but not yet touched. A new run needs one
    /// that is empty or not there; `resume` needs one with a run of the same configuration. Nothing
    /// that is in a folder is ever removed.
    ///
    /// Without a folder given, a new run takes the first of `out/NAME`, `out/NAME-2`, ... that is not
    /// there, and `resume` the last that is. `resume` is `None` for an example whose runs cannot be resumed.
    pub fn check<C: Serialize>(
        folder: Option<&Path>,
        name: &str,
        config: &C,
        resume: Option<bool>,
    ) -> Result<Self> {
        let (resumable, resume) = (resume.is_some(), resume == Some(true));
        let out = match folder {
            Some(folder) => Self::at(folder),
            None => Self::numbered(name, resume),
        };
        let shown = out.folder.display();
        let refuse = |reason: String| Err(Error::Config(reason));
        match (out.read::<serde_json::Value>(CONFIG)?, resume) {
            (Some(theirs), true) if theirs == to_json(config) => Ok(out),
            (Some(theirs), true) => refuse(format!(
                "{shown} holds a run with another configuration ({}); resume it with the flags that it \
                 was started with",
                difference(&theirs, &to_json(config))
            )),
            (Some(_), false) if resumable => refuse(format!(
                "{shown} already holds a run; continue it with --resume, or choose another --out"
            )),
            (Some(_), false) => {
                refuse(format!("{shown} already holds a run; choose another --out"))
            }
            (None, true) => refuse(format!(
                "there is no run to resume in {shown}: it holds no {CONFIG}"
            )),
            (None, false) if out.holds_something() => refuse(format!(
                "{shown} is not an empty folder, and holds no run; choose another --out"
            )),
            (None, false) => Ok(out),
        }
    }

    fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
        }
    }

    fn numbered(name: &str, resume: bool) -> Self {
        let numbered = |k: usize| match k {
            1 => Self::at(&Path::new("out").join(name)),
            _ => Self::at(&Path::new("out").join(format!("{name}-{k}"))),
        };
        let taken = (1..).take_while(|&k| numbered(k).folder.exists()).count();
        numbered(if resume { taken.max(1) } else { taken + 1 })
    }

    /// Not counting what a process that was killed left half written.
    fn holds_something(&self) -> bool {
        let unfinished = |name: &std::ffi::OsStr| name.to_string_lossy().ends_with(".unfinished");
        match std::fs::read_dir(&self.folder) {
            Ok(mut entries) => {
                entries.any(|entry| !entry.is_ok_and(|entry| unfinished(&entry.file_name())))
            }
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the folder and writes the configuration.
    pub fn begin<C: Serialize>(&self, config: &C) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
        self.write(CONFIG, config)
    }

    /// The epochs that `metrics.json` holds.
    pub fn epochs(&self) -> Result<Vec<Epoch>> {
        let metrics = self.read::<Metrics<serde_json::Value>>(METRICS)?;
        Ok(metrics.map_or(Vec::new(), |metrics| metrics.epochs))
    }

    /// Writes `evaluation.json`: what was measured after the training.
    pub fn evaluation<T: Serialize>(&self, measured: &T) -> Result<()> {
        self.write("evaluation.json", measured)
    }

    /// Writes `metrics.json` of a run that has no epochs.
    pub fn result<T: Serialize>(&self, result: &T) -> Result<()> {
        self.write(METRICS, result)
    }

    /// Writes `report.html`, the configuration at its end.
    #[cfg(feature = "plot")]
    pub fn save_report<C: Serialize>(
        &self,
        mut report: burn_generative::plot::Report,
        config: &C,
        device: &str,
    ) -> Result<()> {
        report.section("Configuration");
        let device = ("device".to_string(), device.to_string());
        let settings = plain_values("", &to_json(config));
        report.settings(settings.into_iter().chain([device]));
        report.save(self.path("report.html"))
    }

    /// Writes `metrics.json`.
    pub fn metrics<C: Serialize>(
        &self,
        config: &C,
        data: &Origin,
        device: &str,
        epochs: &[Epoch],
    ) -> Result<()> {
        let metrics = Metrics {
            config,
            data: data.name().to_string(),
            device: device.to_string(),
            epochs: epochs.to_vec(),
        };
        self.write(METRICS, &metrics)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| Error::record(path, format!("is corrupt: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(path)(error)),
        }
    }

    /// A file is replaced only by a whole one.
    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let (path, unfinished) = (self.path(name), self.path(&format!("{name}.unfinished")));
        let text = format!("{:#}\n", to_json(value));
        std::fs::File::create(&unfinished)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
            })
            .map_err(Error::io(&unfinished))?;
        std::fs::rename(&unfinished, &path).map_err(Error::io(&path))
    }
}

fn to_json<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).expect("plain values with string keys")
}

/// The first setting in which two configurations differ, in words.
fn difference(theirs: &serde_json::Value, ours: &serde_json::Value) -> String {
    let fields = ours.as_object().into_iter().flatten();
    let differing = fields.filter(|(name, value)| theirs.get(name) != Some(*value));
    // A plain value says more than an object does.
    match differing.min_by_key(|(_, value)| value.is_object()) {
        Some((name, value)) => match theirs.get(name) {
            Some(other) => format!("{name} is {other} there, {value} here"),
            None => format!("it does not name {name}"),
        },
        None => "it names settings that this version does not know".to_string(),
    }
}
