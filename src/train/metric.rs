use super::Guard;
use crate::kernel::points::at_least_single;
use crate::loss::Losses;
use burn::tensor::{Tensor, TensorReadError};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The mean of one named term of a model's [`Losses`] over an epoch, in nats per sample.
///
/// The terms of a step stay on the device; they are read back in one piece, at the end of the epoch
/// and no more often than twice a second before that, for the display. So no step waits for one.
///
/// A term that is not finite stops the training, before the next checkpoint is written;
/// [`Guard::reason`] then names the term and the step.
/// [`train`](crate::train) has an example.
#[derive(Clone)]
pub struct TermMetric {
    name: MetricName,
    term: &'static str,
    guard: Guard,
    /// Whether it has seen no step yet.
    is_new: bool,
    pending: Vec<Pending>,
    sum: f64,
    count: usize,
    last: Option<NumericEntry>,
    read_at: Instant,
}

/// One step's mean, still on its device.
#[derive(Clone)]
struct Pending {
    mean: Tensor<1>,
    losses: Losses,
    step: usize,
    split: &'static str,
    /// Whether it is the first step of a training.
    is_first: bool,
}

impl Pending {
    fn batch(&self) -> usize {
        self.losses.total.dims()[0]
    }

    /// The term to blame for a total that is not finite: the first that is not, or the total itself.
    fn culprit(&self, term: &'static str) -> Result<&'static str, TensorReadError> {
        if term == Losses::TOTAL {
            for (name, value) in self.losses.iter().skip(1) {
                let mean: f64 = at_least_single(value.clone()).mean().try_into_scalar()?;
                if !mean.is_finite() {
                    return Ok(name);
                }
            }
        }
        Ok(term)
    }
}

/// How often the display may ask the device.
const REFRESH: Duration = Duration::from_millis(500);

impl TermMetric {
    /// The metric of the term `term`; [`Losses::TOTAL`] is the total. The guard stops the
    /// training that it watches.
    pub fn new(term: &'static str, guard: &Guard) -> Self {
        Self {
            name: Arc::new(term.to_string()),
            term,
            guard: guard.clone(),
            is_new: true,
            pending: Vec::new(),
            sum: 0.0,
            count: 0,
            last: None,
            read_at: Instant::now(),
        }
    }

    /// Reads what is pending: one transfer, however many steps.
    fn read(&mut self) -> Result<(), TensorReadError> {
        self.read_at = Instant::now();
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return Ok(());
        }
        // Several devices may have taken part.
        let device = pending[0].mean.device();
        let means = pending
            .iter()
            .map(|step| step.mean.clone().to_device(&device))
            .collect();
        let means = Tensor::cat(means, 0).try_into_data_as::<f64>()?;
        for (mean, step) in means.iter::<f64>().zip(&pending) {
            if !mean.is_finite() && self.guard.reason().is_none() {
                let remedy = if step.is_first {
                    "it is the first of this run: it comes of the data, or of what the model starts with"
                } else {
                    "a smaller learning rate is the usual remedy"
                };
                self.guard.stop(&format!(
                    "the loss term '{}' became {mean} at {} step {}; {remedy}",
                    step.culprit(self.term)?,
                    step.split,
                    step.step
                ));
            }
            self.sum += mean * step.batch() as f64;
            self.count += step.batch();
            self.last = Some(NumericEntry::Aggregated {
                aggregated_value: mean,
                count: step.batch(),
            });
        }
        Ok(())
    }

    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn entry(&self, value: NumericEntry) -> SerializedEntry {
        let formatted = format!("epoch {:.2} - batch {:.2}", self.mean(), value.current());
        SerializedEntry::new(formatted, value.serialize())
    }
}

impl Metric for TermMetric {
    type Input = Losses;

    fn update(
        &mut self,
        losses: &Losses,
        metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        match losses.term(self.term) {
            Some(term) => self.pending.push(Pending {
                is_first: std::mem::replace(&mut self.is_new, false) && metadata.lr.is_some(),
                mean: at_least_single(term).mean(),
                losses: losses.clone(),
                step: metadata.iteration.unwrap_or(0),
                // Only a training step has a learning rate.
                split: match metadata.lr {
                    Some(_) => "training",
                    None => "test",
                },
            }),
            None => {
                let names: Vec<_> = losses.iter().map(|(name, _)| name).collect();
                self.guard.stop(&format!(
                    "the model has no loss term '{}'; it has {}",
                    self.term,
                    names.join(", ")
                ));
            }
        }
        self.last = None;
        if self.read_at.elapsed() >= REFRESH {
            self.read()?;
        }
        Ok(match self.last.clone() {
            Some(value) => self.entry(value),
            None => SerializedEntry::not_available(Some("nats")),
        })
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        self.read()?;
        Ok(self.entry(self.final_value()))
    }

    fn clear(&mut self) {
        self.pending.clear();
        (self.sum, self.count, self.last) = (0.0, 0, None);
    }

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: Some("nats".to_string()),
            higher_is_better: false,
        }
        .into()
    }
}

impl Numeric for TermMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.last.clone()
    }

    fn running_value(&self) -> Option<NumericEntry> {
        (self.count > 0).then(|| NumericEntry::Aggregated {
            aggregated_value: self.mean(),
            count: self.count,
        })
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.mean())
    }
}
