use crate::unoptimized;
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
    started: Instant,
    first: usize,
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
            started: Instant::now(),
            first: 1,
        }
    }

    /// What is left to do, at the pace so far: the time of the training split stands for that of its epoch.
    fn left(&self, elapsed: Duration, processed: usize) -> Duration {
        let share = match self.split == "train" {
            true => processed as f64 / self.items.max(1) as f64,
            false => 1.0,
        };
        let done = (self.epoch - self.first) as f64 + share.min(1.0);
        let left = (self.epochs + 1 - self.first) as f64 - done;
        elapsed.mul_f64(left.max(0.0) / done.max(1e-3))
    }
}

/// Minutes and seconds, or hours, minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
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
        self.first = starting_epoch;
        (self.started, self.last) = (Instant::now(), Instant::now());
        if let Some(advice) = unoptimized::ADVICE {
            println!("{advice}");
        }
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        (self.split, self.items) = (split.to_string(), total_items);
    }

    fn update_split(&mut self, items_processed: usize) {
        if self.last.elapsed() >= self.every {
            self.last = Instant::now();
            println!(
                "epoch {}/{}: {} {items_processed}/{}, about {} left",
                self.epoch,
                self.epochs,
                self.split,
                self.items,
                clock(self.left(self.started.elapsed(), items_processed)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_was_done_times_the_rest() {
        let mut lines = ProgressLines::new(Duration::from_secs(1));
        lines.start(10, 3, None, None); // epochs 3 to 10 of a resumed run
        lines.start_split("train", 100);
        let near = |processed, seconds: f64| {
            let left = lines.left(Duration::from_secs(30), processed).as_secs_f64();
            assert!((left - seconds).abs() < 1e-6, "{left}, not {seconds}");
        };
        near(50, 450.0); // half an epoch of eight took 30 s
        near(100, 210.0);
    }

    #[test]
    fn a_clock_shows_hours_when_there_are_some() {
        assert_eq!(clock(Duration::from_secs(7)), "0:07");
        assert_eq!(clock(Duration::from_secs(754)), "12:34");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}
