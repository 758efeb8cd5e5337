use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::MetricDefinition;
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use std::time::{Duration, Instant};

/// A renderer for logs and pipes: a short line when a split has gone on for a while, and none
/// otherwise. Print the epochs themselves from a [`History`](crate::train::History).
///
/// burn-train's own fallback outside a terminal prints a line for every batch.
#[derive(Debug)]
pub struct ProgressLines {
    every: Duration,
    last: Instant,
    epoch: usize,
    epochs: usize,
    split: String,
    items: usize,
}

impl ProgressLines {
    /// Lines that are at least this far apart.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            last: Instant::now(),
            epoch: 1,
            epochs: 0,
            split: String::new(),
            items: 0,
        }
    }
}

impl TrainingProgressLogger for ProgressLines {
    fn start(
        &mut self,
        total_epochs: usize,
        starting_epoch: usize,
        _total_items: Option<usize>,
        _label: Option<&str>,
    ) {
        (self.epoch, self.epochs) = (starting_epoch, total_epochs);
        self.last = Instant::now();
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        (self.split, self.items) = (split.to_string(), total_items);
    }

    fn update_split(&mut self, items_processed: usize) {
        if self.last.elapsed() >= self.every {
            self.last = Instant::now();
            println!(
                "epoch {}/{}: {} {items_processed}/{}",
                self.epoch, self.epochs, self.split, self.items
            );
        }
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.epoch = epoch + 1;
        self.last = Instant::now();
    }

    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _event: String) {}
}

impl EvaluationProgressLogger for ProgressLines {
    fn start_global_progress(&mut self, _total_tests: usize) {}
    fn start_test(&mut self, _name: &str, _total_items: usize) {}
    fn update_test_progress(&mut self, _items_processed: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _event: String) {}
}

impl MetricsRendererTraining for ProgressLines {
    fn update_train(&mut self, _state: MetricState) {}
    fn update_valid(&mut self, _state: MetricState) {}
}

impl MetricsRendererEvaluation for ProgressLines {
    fn update_test(&mut self, _name: EvaluationName, _state: MetricState) {}
}

impl MetricsRenderer for ProgressLines {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _definition: MetricDefinition) {}
}
