use crate::losses::Losses;
use burn::train::logger::MetricLogger;
use burn::train::metric::store::{EpochSummary, MetricsUpdate, Split};
use burn::train::metric::{MetricDefinition, MetricId, NumericEntry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What one epoch came to: the mean of each metric, by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The training metrics.
    pub train: BTreeMap<String, f64>,
    /// The test (or validation) metrics.
    pub test: BTreeMap<String, f64>,
    /// How long it took, training and testing.
    pub seconds: f64,
}

/// The epochs of a training, as burn's `Learner` finishes them.
///
/// Register a clone with `SupervisedTraining::with_metric_logger`, keep one, and read
/// [`epochs`](Self::epochs) from it. A callback sees each epoch as it ends, to write a file or print
/// a line, so that nothing is lost when the run is interrupted.
#[derive(Clone, Default)]
pub struct History {
    shared: Arc<Mutex<Shared>>,
}

type Callback = Box<dyn FnMut(&[Epoch]) + Send>;

#[derive(Default)]
struct Shared {
    epochs: Vec<Epoch>,
    current: Epoch,
    started: Option<Instant>,
    names: HashMap<MetricId, String>,
    callback: Option<Callback>,
}

impl History {
    /// A history that goes on from `epochs`: those of the run that is resumed, or none.
    pub fn new(epochs: Vec<Epoch>) -> Self {
        let history = Self::default();
        history.with(|shared| shared.epochs = epochs);
        history
    }

    /// Calls back with all epochs so far whenever one ends.
    pub fn on_epoch(self, callback: impl FnMut(&[Epoch]) + Send + 'static) -> Self {
        self.with(|shared| shared.callback = Some(Box::new(callback)));
        self
    }

    /// The epochs that have ended.
    pub fn epochs(&self) -> Vec<Epoch> {
        self.with(|shared| shared.epochs.clone())
    }

    fn with<R>(&self, work: impl FnOnce(&mut Shared) -> R) -> R {
        work(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MetricLogger for History {
    fn log_metric_definition(&mut self, definition: MetricDefinition) {
        self.with(|shared| {
            shared.started.get_or_insert_with(Instant::now);
            let name = definition.name.to_string();
            shared.names.insert(definition.metric_id, name);
        });
    }

    fn log(&mut self, update: MetricsUpdate, epoch: usize, split: &Split) {
        self.with(|shared| {
            shared.current.epoch = epoch;
            for metric in update.entries_numeric {
                let value = NumericEntry::deserialize(&metric.entry.serialized_entry.serialized);
                let (Ok(NumericEntry::Final(value)), Some(name)) =
                    (value, shared.names.get(&metric.entry.metric_id))
                else {
                    continue;
                };
                let values = match split {
                    Split::Train => &mut shared.current.train,
                    Split::Valid | Split::Test(_) => &mut shared.current.test,
                };
                values.insert(name.clone(), value);
            }
        });
    }

    fn log_epoch_summary(&mut self, summary: EpochSummary) {
        if summary.split == Split::Train {
            return;
        }
        self.with(|shared| {
            let mut epoch = std::mem::take(&mut shared.current);
            let now = Instant::now();
            let started = shared.started.replace(now).unwrap_or(now);
            epoch.seconds = (now - started).as_secs_f64();
            // A loss that is no number ends the training: its epoch never finished. Any other metric that is none is left
            // out, and takes no other with it.
            let losses = [&epoch.train, &epoch.test].map(|metrics| metrics.get(Losses::TOTAL));
            if losses.into_iter().flatten().any(|loss| !loss.is_finite()) {
                return;
            }
            for metrics in [&mut epoch.train, &mut epoch.test] {
                metrics.retain(|name, value| {
                    if !value.is_finite() {
                        log::warn!("epoch {}: the metric '{name}' is {value}", epoch.epoch);
                    }
                    value.is_finite()
                });
            }
            shared.epochs.push(epoch);
            if let Some(callback) = &mut shared.callback {
                callback(&shared.epochs);
            }
        });
    }

    fn read_numeric(
        &mut self,
        name: &str,
        epoch: usize,
        split: &Split,
    ) -> Result<Vec<NumericEntry>, String> {
        let found = self.with(|shared| {
            let epoch = shared.epochs.iter().find(|ended| ended.epoch == epoch)?;
            let values = if *split == Split::Train {
                &epoch.train
            } else {
                &epoch.test
            };
            values.get(name).copied()
        });
        Ok(found.map(NumericEntry::Final).into_iter().collect())
    }
}
