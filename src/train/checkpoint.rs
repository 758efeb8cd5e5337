use crate::error::{Error, Result};
use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::optim::lr_scheduler::LrSchedulerRecord;
use burn::store::ModuleRecord;
use burn::train::checkpoint::{Checkpoint, FileCheckpointer};
use burn::train::{LearnerModel, SupervisedTraining};
use std::path::{Path, PathBuf};

/// The folder of a run's checkpoints: for each of the last epochs, the weights, the optimizer and
/// the scheduler.
///
/// burn writes every file under another name and renames it when it is whole, and an epoch counts
/// when it has all three, so a run that is killed in the middle of a checkpoint resumes from the one
/// before.
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
        let file = |name| FileCheckpointer::new(&self.folder, name);
        training.with_custom_checkpointers(file(MODEL), file(OPTIMIZER), file(SCHEDULER))
    }

    /// The epochs whose checkpoints are complete, in rising order.
    pub fn epochs(&self) -> Vec<usize> {
        let names = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut epochs: Vec<usize> = names
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
        let reason = match R::load(path.clone()) {
            Ok(record) => return Ok(record),
            Err(error) => error.to_string(),
        };
        let hint = "remove it to resume from the epoch before, or start anew in another folder";
        Err(Error::record(
            path,
            format!("cannot be read ({reason}); {hint}"),
        ))
    }
}

fn file(folder: &Path, part: &str, epoch: usize) -> PathBuf {
    folder.join(format!("{part}-{epoch}.bpk"))
}
