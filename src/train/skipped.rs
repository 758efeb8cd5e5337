use crate::losses::Losses;
use burn::tensor::TensorReadError;
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use std::sync::Arc;

/// How many steps of an epoch were skipped, as a metric of training: see
/// [`Fit::skip_steps_above`](super::Fit::skip_steps_above), which registers it.
#[derive(Clone, Default)]
pub struct SkippedSteps {
    count: usize,
}

impl SkippedSteps {
    /// The name among the metrics of an epoch.
    pub const NAME: &'static str = "skipped steps";

    /// A metric named [`SkippedSteps::NAME`].
    pub fn new() -> Self {
        Self::default()
    }
}

impl Metric for SkippedSteps {
    type Input = Losses;

    fn update(
        &mut self,
        losses: &Losses,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        if losses.watched(Self::NAME).is_some() {
            self.count += 1;
        }
        self.compute()
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let value = self.final_value();
        let text = self.count.to_string();
        Ok(SerializedEntry::new(text, value.serialize()))
    }

    fn clear(&mut self) {
        self.count = 0;
    }

    fn name(&self) -> MetricName {
        Arc::new(Self::NAME.to_string())
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: false,
        }
        .into()
    }
}

impl Numeric for SkippedSteps {
    fn value(&self) -> Option<NumericEntry> {
        None
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.final_value())
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.count as f64)
    }
}
