use crate::error::{Error, Result, check_positive};
use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;

/// What a [`Fit`](super::Fit) takes for a learning rate: a number, a [`Cosine`] over the whole run, or any of burn's
/// schedulers as a `ModuleLrScheduler`, also one with a rate for each group of parameters. (burn's schedulers know
/// nothing of the run's length: its cosine rises again after its last step, its line stays where it ended.)
pub trait Rates {
    /// The scheduler of a run of so many steps; `None` if nobody knows them, because the data is cut by a loader of the
    /// caller's.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a rate is not a positive number, or the schedule does not fit the run.
    fn scheduler(self, steps: Option<usize>) -> Result<ModuleLrScheduler>;
}

impl Rates for f64 {
    fn scheduler(self, _steps: Option<usize>) -> Result<ModuleLrScheduler> {
        check_positive("the learning rate", self).map(ModuleLrScheduler::new)
    }
}

impl Rates for ModuleLrScheduler {
    fn scheduler(self, _steps: Option<usize>) -> Result<ModuleLrScheduler> {
        Ok(self)
    }
}

/// A learning rate that rises in a straight line for some steps, and then falls along half a cosine, to 0 at the end of
/// the run. [Loshchilov & Hutter 2017](https://arxiv.org/abs/1608.03983), without restarts.
#[derive(Clone, Copy, Debug)]
pub struct Cosine {
    peak: f64,
    warmup_steps: usize,
}

impl Cosine {
    /// A rate that begins at its peak.
    pub fn new(peak: f64) -> Self {
        Self {
            peak,
            warmup_steps: 0,
        }
    }

    /// Lets the rate rise to its peak over so many steps first.
    pub fn with_warmup(mut self, steps: usize) -> Self {
        self.warmup_steps = steps;
        self
    }
}

impl Rates for Cosine {
    fn scheduler(self, steps: Option<usize>) -> Result<ModuleLrScheduler> {
        let peak = check_positive("the learning rate", self.peak)?;
        let Some(steps) = steps else {
            return Err(Error::Config(
                "Cosine: the data comes by a loader, which does not say how many steps the run has; give Fit the data \
                 itself, or a scheduler of burn's made for the number of steps"
                    .to_string(),
            ));
        };
        if self.warmup_steps >= steps {
            return Err(Error::Config(format!(
                "Cosine: the run has {steps} steps, and the learning rate would still be warming up at its end, for {} \
                 steps; give it fewer",
                self.warmup_steps
            )));
        }
        let fall = CosineAnnealingLrSchedulerConfig::new(peak, steps - self.warmup_steps);
        let scheduler = if self.warmup_steps == 0 {
            fall.init()
        } else {
            let start = peak / self.warmup_steps as f64;
            let rise = LinearLrSchedulerConfig::new(start, peak, self.warmup_steps);
            let both = vec![
                LrSchedulerConfig::Linear(rise),
                LrSchedulerConfig::Cosine(fall),
            ];
            SequentialLrSchedulerConfig::new(both, vec![self.warmup_steps]).init()
        };
        scheduler.map_err(|reason| Error::Config(format!("Cosine: {reason}")))
    }
}
