use crate::error::{Error, Result};
use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::store::ModuleRecord;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};
use burn::train::{LearnerModel, SupervisedTraining};
use std::path::{Path, PathBuf};

/// The folder of a run's checkpoints: for each of the last epochs, the weights, the optimizer and
/// the scheduler.
///
/// Every file is written under another name and renamed when it is whole, so a run that is killed in
/// the middle of a checkpoint resumes from the one before.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

const MODEL: &str = "model";
const OPTIMIZER: &str = "optim";
const SCHEDULER: &str = "scheduler";

impl Checkpoints {
    /// The checkpoints in this folder, which need not exist yet.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_path_buf(),
        }
    }

    /// Makes a training save its checkpoints here, and load them from here when it resumes.
    pub fn register<M: LearnerModel>(
        &self,
        training: SupervisedTraining<M>,
    ) -> SupervisedTraining<M> {
        let file = |name| AtomicCheckpointer::new(&self.folder, name);
        training.with_custom_checkpointers(file(MODEL), file(OPTIMIZER), file(SCHEDULER))
    }

    /// The last epoch whose checkpoint is complete, if there is one.
    pub fn last_epoch(&self) -> Option<usize> {
        let entries = std::fs::read_dir(&self.folder).ok()?;
        entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let epoch = name.strip_prefix(MODEL)?.strip_prefix('-')?;
                epoch.strip_suffix(".bpk")?.parse().ok()
            })
            .filter(|&epoch| {
                let parts = [MODEL, OPTIMIZER, SCHEDULER];
                parts
                    .iter()
                    .all(|part| file(&self.folder, part, epoch).is_file())
            })
            .max()
    }

    /// Checks that the checkpoint of an epoch can be read and fits `model`. burn-train panics on one
    /// that cannot or does not, so ask before it loads one.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] naming the file that is missing, corrupt, or of another model.
    pub fn verify<M: Module>(&self, epoch: usize, model: &M) -> Result<()> {
        self.load_model(epoch, model.clone())?;
        self.load::<OptimizerRecord>(OPTIMIZER, epoch)?;
        self.load::<LrSchedulerRecord>(SCHEDULER, epoch)?;
        Ok(())
    }

    /// The model with the weights of an epoch.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn load_model<M: Module>(&self, epoch: usize, model: M) -> Result<M> {
        let weights = self.load::<ModuleRecord>(MODEL, epoch)?;
        model.try_load_record(weights).map_err(|error| {
            let reason = format!("does not fit this model: {error}");
            Error::record(file(&self.folder, MODEL, epoch), reason)
        })
    }

    fn load<R: Checkpoint>(&self, part: &str, epoch: usize) -> Result<R> {
        let path = file(&self.folder, part, epoch);
        let reason = match burnpack_error(&path) {
            Some(reason) => reason,
            None => match R::load(path.clone()) {
                Ok(record) => return Ok(record),
                Err(error) => error.to_string(),
            },
        };
        let hint = "remove it to resume from the epoch before, or start anew in another folder";
        Err(Error::record(
            path,
            format!("cannot be read ({reason}); {hint}"),
        ))
    }
}

/// What is wrong with a file before its content is looked at.
fn burnpack_error(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) => Some(error.to_string()),
        Ok(metadata) if metadata.len() == 0 => Some("it is empty".to_string()),
        Ok(_) => None,
    }
}

fn file(folder: &Path, part: &str, epoch: usize) -> PathBuf {
    folder.join(format!("{part}-{epoch}.bpk"))
}

/// A checkpointer for burn-train that replaces a file only by a whole one.
#[derive(Clone, Debug)]
pub struct AtomicCheckpointer {
    folder: PathBuf,
    part: String,
}

impl AtomicCheckpointer {
    /// Saves one part of the learner as `PART-EPOCH.bpk` in a folder, made when it is needed.
    pub fn new(folder: impl AsRef<Path>, part: &str) -> Self {
        Self {
            folder: folder.as_ref().to_path_buf(),
            part: part.to_string(),
        }
    }
}

impl<R: Checkpoint> Checkpointer<R> for AtomicCheckpointer {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        std::fs::create_dir_all(&self.folder).map_err(CheckpointerError::IOError)?;
        let target = file(&self.folder, &self.part, epoch);
        let unfinished = self.folder.join(format!("{}.unfinished.bpk", self.part));
        record.save(unfinished.clone())?;
        std::fs::rename(unfinished, target).map_err(CheckpointerError::IOError)
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        R::load(file(&self.folder, &self.part, epoch))
    }

    fn delete(&self, epoch: usize) -> Result<(), CheckpointerError> {
        match std::fs::remove_file(file(&self.folder, &self.part, epoch)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(CheckpointerError::IOError(error))
            }
            _ => Ok(()),
        }
    }
}
