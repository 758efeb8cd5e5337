use super::Epoch;
use crate::error::{Error, Result};
use crate::file;
use crate::weights;
use burn::module::Module;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of a run: its configuration, metrics, checkpoints and weights, so that a training which was stopped or killed
/// goes on where it was.
///
/// | file | what it is |
/// |---|---|
/// | `config.json`, `model.safetensors` | the configuration and the weights, as [`weights::load_dir`] reads them |
/// | `metrics.json` | every epoch's losses, the device, the data's shapes |
/// | `checkpoint/` | the last epochs, whole: [`Checkpoints`](super::Checkpoints) |
/// | `run.lock` | held while a process works in the folder |
///
/// The configuration is whatever defines the run (a burn `Config`, a struct of flags): two runs of the same
/// configuration are the same run. What is in a folder is never removed: a new run wants an empty folder, and one
/// that goes on wants its own configuration and data. A folder is open once at a time.
///
/// ```
/// use burn_generative::model::VaeConfig;
/// use burn_generative::train::Run;
///
/// let folder = std::env::temp_dir().join(format!("run-{}", std::process::id()));
/// let run = Run::begin(&folder, &VaeConfig::new())?;
/// drop(run); // which another would have to wait for
///
/// let other = VaeConfig::new().with_beta(4.0);
/// let refused = Run::resume(&folder, &other).unwrap_err().to_string();
/// assert!(refused.contains("beta is 1.0 there, 4.0 here"));
/// assert!(Run::begin(&folder, &VaeConfig::new()).is_err()); // it holds one
/// assert!(Run::open(&folder, &VaeConfig::new()).is_ok()); // whichever it is
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    config: Value,
    data: Value,
    resumed: bool,
    /// Held as long as any clone is there.
    _lock: Arc<Lock>,
}

const CONFIG: &str = "config.json";
const METRICS: &str = "metrics.json";
const LOCK: &str = "run.lock";

/// The content of `metrics.json`.
#[derive(Serialize, Deserialize)]
struct Metrics {
    config: Value,
    data: Value,
    shapes: Shapes,
    /// How it is trained, where that decides what comes of it.
    #[serde(default)]
    setup: Value,
    device: String,
    /// The epoch whose weights are in the folder, once they are.
    #[serde(default)]
    weights_of: Option<usize>,
    epochs: Vec<Epoch>,
}

/// The shapes of training and test data: of each tensor, all items in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Shapes {
    pub train: Vec<Vec<usize>>,
    pub test: Vec<Vec<usize>>,
}

impl Run {
    /// A new run, in a folder that is empty or not there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the folder holds a run or anything else, is open elsewhere, or the configuration is no JSON;
    /// [`Error::Io`] if it cannot be written.
    pub fn begin<C: Serialize>(folder: impl AsRef<Path>, config: &C) -> Result<Self> {
        Self::at(folder.as_ref(), config, Some(false))
    }

    /// The run in a folder, to go on with it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the folder holds no run, one with another configuration, or is open elsewhere;
    /// [`Error::Record`] if a file in it is corrupt; [`Error::Io`] if it cannot be read.
    pub fn resume<C: Serialize>(folder: impl AsRef<Path>, config: &C) -> Result<Self> {
        Self::at(folder.as_ref(), config, Some(true))
    }

    /// The run in a folder if there is one, or else a new one. A folder with nothing but the configuration of one
    /// that was refused or stopped before its first epoch is taken for a new one.
    ///
    /// # Errors
    ///
    /// As [`resume`](Self::resume) or [`begin`](Self::begin).
    pub fn open<C: Serialize>(folder: impl AsRef<Path>, config: &C) -> Result<Self> {
        Self::at(folder.as_ref(), config, None)
    }

    /// The first of `base`, `base-2`, `base-3`, .. that is not there, for a new run; or the last that is, to resume it.
    pub fn numbered(base: impl AsRef<Path>, resume: bool) -> PathBuf {
        let base = base.as_ref();
        let numbered = |k: usize| {
            let mut name = base.as_os_str().to_os_string();
            if k > 1 {
                name.push(format!("-{k}"));
            }
            PathBuf::from(name)
        };
        let taken = (1..).take_while(|&k| numbered(k).exists()).count();
        numbered(if resume { taken.max(1) } else { taken + 1 })
    }

    /// Looks before it touches anything, so that a refusal leaves the folder as it was.
    fn at<C: Serialize>(folder: &Path, config: &C, resume: Option<bool>) -> Result<Self> {
        let config = serde_json::to_value(config)
            .map_err(|error| Error::Config(format!("the configuration is no JSON: {error}")))?;
        let shown = folder.display();
        let refuse = |reason: String| Err(Error::Config(reason));
        let theirs = read::<Value>(&folder.join(CONFIG))?;
        let is_blank = || !holds_something(folder, Some(CONFIG));
        let is_other = theirs.as_ref().is_some_and(|theirs| *theirs != config);
        let renew = resume.is_none() && is_other && is_blank();
        let resume = !renew && resume.unwrap_or(theirs.is_some());
        match theirs {
            Some(_) if renew => (),
            Some(theirs) if resume && theirs != config => {
                return refuse(format!(
                    "{shown} holds a run with another configuration ({}); resume it with the settings that it \
                     was started with, or choose another folder",
                    difference(&theirs, &config)
                ));
            }
            Some(_) if !resume => {
                return refuse(format!(
                    "{shown} already holds a run; resume it, or choose another folder"
                ));
            }
            None if resume => {
                return refuse(format!(
                    "there is no run to resume in {shown}: it holds no {CONFIG}"
                ));
            }
            None if holds_something(folder, None) => {
                return refuse(format!(
                    "{shown} is not an empty folder, and holds no run; choose another folder"
                ));
            }
            _ => (),
        }
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let lock = Lock::of(folder)?;
        let is_taken = match renew {
            true => !is_blank(),
            false => !resume && read::<Value>(&folder.join(CONFIG))?.is_some(),
        };
        if is_taken {
            return refuse(format!(
                "another run has just begun in {shown}; choose another folder"
            ));
        }
        let run = Self {
            folder: folder.to_path_buf(),
            config,
            data: Value::Null,
            resumed: resume,
            _lock: Arc::new(lock),
        };
        if !resume {
            run.write(CONFIG, &run.config)?;
        }
        Ok(run)
    }

    /// Names the data in `metrics.json`: a word, or whatever tells it from other data. A run is resumed on data of the
    /// same shapes only; of the same content is the caller's to see to, by the configuration.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is no JSON.
    pub fn with_data<D: Serialize>(mut self, data: &D) -> Result<Self> {
        self.data = serde_json::to_value(data)
            .map_err(|error| Error::Config(format!("what names the data is no JSON: {error}")))?;
        Ok(self)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether it goes on with a run that was begun before.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The configuration, as it is in `config.json`.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The epochs that have ended, of `metrics.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] if the file is corrupt; [`Error::Io`] if it cannot be read.
    pub fn epochs(&self) -> Result<Vec<Epoch>> {
        let metrics = self.metrics()?;
        Ok(metrics.map_or(Vec::new(), |metrics| metrics.epochs))
    }

    /// The device that the last epochs were computed on, as it was named.
    ///
    /// # Errors
    ///
    /// As [`epochs`](Self::epochs).
    pub fn device(&self) -> Result<Option<String>> {
        Ok(self.metrics()?.map(|metrics| metrics.device))
    }

    /// The number of the epoch whose weights are in the folder: the last, or the best if the training was stopped early; `None`
    /// before there are any.
    ///
    /// # Errors
    ///
    /// As [`epochs`](Self::epochs).
    pub fn epoch_of_weights(&self) -> Result<Option<usize>> {
        Ok(self.metrics()?.and_then(|metrics| metrics.weights_of))
    }

    /// Writes a value as JSON, under this name in the folder: whole, or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is no JSON; [`Error::Record`] or [`Error::Io`] if it cannot be written.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Error::Config(format!("{name}: this is no JSON: {error}")))?;
        file::write(&self.path(name), &[text.as_bytes(), b"\n"])
    }

    fn metrics(&self) -> Result<Option<Metrics>> {
        read(&self.path(METRICS))
    }

    /// Writes `metrics.json`.
    pub(super) fn write_metrics(
        &self,
        shapes: &Shapes,
        setup: &Value,
        device: &str,
        epochs: &[Epoch],
    ) -> Result<()> {
        let metrics = Metrics {
            config: self.config.clone(),
            data: self.data.clone(),
            shapes: shapes.clone(),
            setup: setup.clone(),
            device: device.to_string(),
            weights_of: None,
            epochs: epochs.to_vec(),
        };
        self.write(METRICS, &metrics)
    }

    /// Refuses to go on with data of other shapes, or in another way.
    pub(super) fn check(&self, shapes: &Shapes, setup: &Value) -> Result<()> {
        let Some(metrics) = self.metrics()? else {
            return Ok(());
        };
        if let Some(change) = change(&metrics.setup, setup) {
            return Err(Error::Config(format!(
                "{} holds a run that is trained in another way ({change}); resume it as it was begun, or choose another folder",
                self.folder.display(),
            )));
        }
        if metrics.shapes != *shapes {
            return Err(Error::Config(format!(
                "{} holds a run on other data: of {:?} to train and {:?} to test on there, {:?} and {:?} here; resume \
                 it on its own data, or choose another folder",
                self.folder.display(),
                metrics.shapes.train,
                metrics.shapes.test,
                shapes.train,
                shapes.test,
            )));
        }
        Ok(())
    }

    /// Writes the weights, as [`weights::save_dir`] does, which are those of an epoch.
    pub(super) fn save<M: Module>(&self, model: &M, epoch: usize) -> Result<()> {
        weights::save_dir(&self.folder, &self.config, model)?;
        match self.metrics()? {
            Some(mut metrics) if metrics.weights_of != Some(epoch) => {
                metrics.weights_of = Some(epoch);
                self.write(METRICS, &metrics)
            }
            _ => Ok(()),
        }
    }
}

/// A JSON file, if it is there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| Error::record(path, format!("is corrupt: {error}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// Not counting this file, and what a process that was killed left: a lock, a file half written.
fn holds_something(folder: &Path, but: Option<&str>) -> bool {
    let left = |name: &str| name == LOCK || name.ends_with(".tmp") || but == Some(name);
    match std::fs::read_dir(folder) {
        Ok(mut entries) => entries
            .any(|entry| entry.map_or(true, |entry| !left(&entry.file_name().to_string_lossy()))),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// The lock of a folder, which the system gives back whatever becomes of the process.
#[derive(Debug)]
struct Lock(File);

impl Lock {
    fn of(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let file = File::create(&path).map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Config(format!(
                    "{} is open in another run; wait for its end, or choose another folder",
                    folder.display()
                )));
            }
            // Where a file system knows no locks, two runs in one folder are the user's to avoid.
            Err(TryLockError::Error(error)) => log::warn!("{}: no lock: {error}", path.display()),
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a process that is just being started holds a copy of it.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The first setting in which a training differs from what it was begun as, in words. What one of them does not name (a run of
/// an older version may not) is `null` there; a run that names none is asked nothing.
fn change(theirs: &Value, ours: &Value) -> Option<String> {
    let names = [theirs.as_object()?, ours.as_object()?].map(|settings| settings.keys());
    let mut names = names.into_iter().flatten();
    let name = names.find(|name| theirs[name.as_str()] != ours[name.as_str()])?;
    let [theirs, ours] = [theirs, ours].map(|settings| &settings[name.as_str()]);
    Some(format!("{name} is {theirs} there, {ours} here"))
}

/// The first setting in which two configurations differ, in words.
fn difference(theirs: &Value, ours: &Value) -> String {
    let fields = ours.as_object().into_iter().flatten();
    let differing = fields.filter(|(name, value)| theirs.get(name) != Some(*value));
    // A plain value says more than an object does.
    match differing.min_by_key(|(_, value)| value.is_object()) {
        Some((name, value)) => match theirs.get(name) {
            Some(other) if other.is_object() && value.is_object() => {
                format!("in {name}, {}", difference(other, value))
            }
            Some(other) => format!("{name} is {other} there, {value} here"),
            None => format!("it does not name {name}"),
        },
        None if theirs.is_object() && ours.is_object() => {
            "it names settings that this version does not know".to_string()
        }
        None => format!("{theirs} there, {ours} here"),
    }
}
