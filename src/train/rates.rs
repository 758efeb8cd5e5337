use crate::error::{Error, Result, check_at_least_one, check_positive};
use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::optim::lr_scheduler::step::StepLrSchedulerConfig;

/// What a [`Fit`](super::Fit) takes for a learning rate: a number, a [`Cosine`] over the whole run, a [`StepDecay`], or any of
/// burn's schedulers as a `ModuleLrScheduler`, also one with a rate for each group of parameters. (burn's schedulers know
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

/// A learning rate that is multiplied by a factor after every so many steps.
///
/// ```
/// use burn_generative::train::{Rates, StepDecay};
///
/// let mut rates = StepDecay::new(1e-3, 2).with_factor(0.5).scheduler(None)?;
/// let of_steps: Vec<f64> = (0..5).map(|_step| rates.step().base()).collect();
/// assert_eq!(of_steps, [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]);
/// assert!(StepDecay::new(1e-3, 0).scheduler(None).is_err());
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StepDecay {
    start: f64,
    every: usize,
    factor: f64,
}

impl StepDecay {
    /// A rate that falls to a tenth after every `every` steps.
    pub fn new(start: f64, every: usize) -> Self {
        Self {
            start,
            every,
            factor: 0.1,
        }
    }

    /// Sets what the rate is multiplied by, at most 1.
    pub fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }
}

impl Rates for StepDecay {
    fn scheduler(self, _steps: Option<usize>) -> Result<ModuleLrScheduler> {
        let start = check_positive("the learning rate", self.start)?;
        let factor = check_positive("StepDecay: the factor", self.factor)?;
        check_at_least_one(
            "StepDecay",
            "the number of steps between two falls",
            self.every,
        )?;
        if factor > 1.0 {
            return Err(Error::Config(format!(
                "StepDecay: with a factor of {factor} the learning rate would rise; take one below 1"
            )));
        }
        let scheduler = StepLrSchedulerConfig::new(start, self.every)
            .with_gamma(factor)
            .init();
        scheduler.map_err(|reason| Error::Config(format!("StepDecay: {reason}")))
    }
}
