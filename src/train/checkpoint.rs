use super::Guard;
use super::aided::{Aided, num_tensors};
use crate::error::{Error, Result};
use crate::file;
use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use burn::train::{LearnerModel, SupervisedTraining};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The folder of a run's checkpoints: for each of the last epochs, the weights, the optimizer and
/// the scheduler.
///
/// A file is written under another name, synced, and renamed when it is whole, and an epoch counts when it has
/// all three. So a run that is killed in the middle of a checkpoint, or finds the disk full, resumes from the
/// one before. Each file ends in a SHA-256 checksum of its content and its name: one that was cut, changed or
/// renamed is refused. (It is burn's own file but for that end, and burn can
/// read it.)
///
/// The state of the random streams needs no file: a [`TensorLoader`](crate::data::TensorLoader) derives them
/// from the seed and the number of the epoch.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

const MODEL: &str = "model";
const OPTIMIZER: &str = "optim";
const SCHEDULER: &str = "scheduler";

/// What an epoch has a file of each of.
const PARTS: [&str; 3] = [MODEL, OPTIMIZER, SCHEDULER];

impl Checkpoints {
    /// The checkpoints in this folder, which need not exist yet.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_path_buf(),
        }
    }

    /// Makes a training save its checkpoints here, and load them from here when it resumes. One that cannot be
    /// saved stops the training through the guard, which names the file and the reason; those before it are
    /// left as they are.
    pub fn register<M: LearnerModel>(
        &self,
        training: SupervisedTraining<M>,
        guard: &Guard,
    ) -> SupervisedTraining<M> {
        self.sweep();
        let failed = Arc::new(AtomicBool::new(false));
        let part = |part| Part {
            folder: self.folder.clone(),
            part,
            guard: guard.clone(),
            failed: failed.clone(),
        };
        training.with_custom_checkpointers(part(MODEL), part(OPTIMIZER), part(SCHEDULER))
    }

    /// The epochs whose checkpoints are complete, in rising order.
    pub fn epochs(&self) -> Vec<usize> {
        let mut epochs: Vec<usize> = names(&self.folder)
            .filter_map(|name| epoch_of(MODEL, &name))
            .filter(|&epoch| {
                PARTS
                    .iter()
                    .all(|part| self.folder.join(name(part, epoch)).is_file())
            })
            .collect();
        epochs.sort_unstable();
        epochs
    }

    /// Checks that the checkpoint of an epoch can be read and fits `model`. burn-train panics on one
    /// that cannot or does not, so ask before it loads one.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] naming the file that is missing, corrupt, or of another model.
    pub fn verify<M: Module>(&self, epoch: usize, model: &M) -> Result<()> {
        self.load_model(epoch, model.clone())?;
        read::<OptimizerRecord>(&self.folder, OPTIMIZER, epoch)?;
        read::<LrSchedulerRecord>(&self.folder, SCHEDULER, epoch)?;
        Ok(())
    }

    /// The model with the weights of an epoch; with their [moving average](super::Fit::average_weights) and as in evaluation,
    /// where the run has one.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn load_model<M: Module>(&self, epoch: usize, model: M) -> Result<M> {
        let weights = read::<ModuleRecord>(&self.folder, MODEL, epoch)?;
        let refuse = |error| {
            let reason = format!("does not fit this model: {error}");
            Error::record(self.folder.join(name(MODEL, epoch)), reason)
        };
        if weights.len() == 2 * num_tensors(&model) {
            let both = Aided::new(model, Some(0.0), None);
            let both = both.try_load_record(weights).map_err(refuse)?;
            return Ok(both.valid().into_evaluated());
        }
        model.try_load_record(weights).map_err(refuse)
    }

    /// Removes the checkpoints after an epoch: what a run that goes on from there must not find.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the file that cannot be removed.
    pub fn remove_after(&self, epoch: usize) -> Result<()> {
        let is_later = |name: &String| {
            let mut of_part = PARTS.iter().filter_map(|part| epoch_of(part, name));
            of_part.any(|later| later > epoch)
        };
        for name in names(&self.folder).filter(is_later) {
            let path = self.folder.join(name);
            std::fs::remove_file(&path).map_err(Error::io(&path))?;
        }
        Ok(())
    }

    /// Removes what a process that was killed left half written.
    fn sweep(&self) {
        for unfinished in names(&self.folder).filter(|name| {
            let ours = PARTS.iter().any(|part| name.starts_with(part));
            ours && name.contains(".bpk.") && name.ends_with(".tmp")
        }) {
            // One that cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(self.folder.join(unfinished));
        }
    }
}

/// The files of one kind, one for each epoch.
struct Part {
    folder: PathBuf,
    part: &'static str,
    guard: Guard,
    /// Whether any of the parts could not be saved: from then on nothing is saved or removed, so that the last
    /// whole checkpoint stays.
    failed: Arc<AtomicBool>,
}

impl<R: Checkpoint> Checkpointer<R> for Part {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        if self.failed.load(Ordering::SeqCst) {
            return Ok(());
        }
        if let Err(error) = write(&self.folder, self.part, epoch, record) {
            self.failed.store(true, Ordering::SeqCst);
            let reason = format!("the checkpoint of epoch {epoch} cannot be saved: {error}");
            self.guard.stop(&reason);
        }
        Ok(())
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        if self.failed.load(Ordering::SeqCst) {
            return Ok(());
        }
        match std::fs::remove_file(self.folder.join(name(self.part, epoch))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(CheckpointerError::IOError(error))
            }
            _ => Ok(()),
        }
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        read(&self.folder, self.part, epoch)
            .map_err(|error| CheckpointerError::Unknown(error.to_string()))
    }
}

fn name(part: &str, epoch: usize) -> String {
    format!("{part}-{epoch}.bpk")
}

/// The epoch that a file of a part is of.
fn epoch_of(part: &str, name: &str) -> Option<usize> {
    let epoch = name.strip_prefix(part)?.strip_prefix('-')?;
    epoch.strip_suffix(".bpk")?.parse().ok()
}

/// The names of the files in a folder; none of one that cannot be read.
fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// What comes before the checksum.
const TAG: &[u8; 8] = b"\0sha256\0";
const SEAL: usize = TAG.len() + 32;

/// The end of a file of this name with this content.
fn seal(name: &str, content: &[u8]) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal[..TAG.len()].copy_from_slice(TAG);
    seal[TAG.len()..].copy_from_slice(&file::sha256([name.as_bytes(), content]));
    seal
}

fn write(folder: &Path, part: &str, epoch: usize, record: impl Checkpoint) -> Result<()> {
    let name = name(part, epoch);
    let path = folder.join(&name);
    let content = record
        .checkpoint_into_bytes()
        .map_err(|error| Error::record(&path, error.to_string()))?;
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    file::write(&path, &[&content, &seal(&name, &content)])
}

fn read<R: Checkpoint>(folder: &Path, part: &str, epoch: usize) -> Result<R> {
    let name = name(part, epoch);
    let path = folder.join(&name);
    let refuse = |reason: String| {
        let hint = "remove it to resume from the epoch before, or start anew in another folder";
        Error::record(&path, format!("cannot be read ({reason}); {hint}"))
    };
    // Into memory, not mapped: what is checked is what is loaded, whatever becomes of the file.
    let mut content = std::fs::read(&path).map_err(|error| refuse(error.to_string()))?;
    let end = content.len().saturating_sub(SEAL);
    if !content[end..].starts_with(TAG) {
        return Err(refuse("it is cut short, or no checkpoint".to_string()));
    }
    if content[end..] != seal(&name, &content[..end]) {
        return Err(refuse(
            "its checksum is wrong: it was changed, or belongs elsewhere".to_string(),
        ));
    }
    content.truncate(end);
    R::checkpoint_from_bytes(Bytes::from_bytes_vec(content))
        .map_err(|error| refuse(error.to_string()))
}
