use super::aided::{Aided, has_half};
use super::interrupt::StopOnCtrlC;
use super::run::{Run, Shapes};
use super::{
    ActiveUnits, Checkpoints, Epoch, GradientNorm, Guard, History, KlPerCoordinate, ProgressLines,
    Rates, SkippedSteps, TermMetric, Trainable, Watch,
};
use crate::data::{Cut, Source};
use crate::device::Devices;
use crate::error::{Error, Result, check_at_least_one, check_positive};
use crate::losses::Losses;
use crate::nn::initialize;
use crate::traits::Model;
use burn::grad_clipping::GradientClipping;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy, KeepLastNCheckpoints};
use burn::train::metric::store::{Aggregate, EventStoreClient, Split};
use burn::train::{
    EarlyStoppingStrategy, ExecutionStrategy, Learner, MultiDeviceOptim, SupervisedTraining,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{Debug, Formatter};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

/// A training in a folder, by burn's `Learner`: epochs over data, with checkpoints, metrics and a line an epoch; what was
/// stopped, killed or interrupted goes on where it was, and ends as if it never had been, to the bit.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn_generative::data::digits;
/// use burn_generative::device::Devices;
/// use burn_generative::prelude::*;
/// use burn_generative::train::{Fit, FusedAdamConfig, PosteriorWatch, Run};
///
/// let devices = Devices::named(Some("flex"))?;
/// devices.seed(1);
/// let [train, test] = [1, 2].map(|seed| digits::generate(64, seed).images(&devices.device()));
/// let config = VaeConfig::new();
/// let vae = config.init(
///     MlpEncoderConfig::new(vec![1, 28, 28], 4).init_gaussian(&devices.training())?,
///     MlpDecoderConfig::new(4, vec![1, 28, 28]).init(&devices.training())?,
///     StandardNormal::new(4),
///     BernoulliNll,
/// )?;
///
/// let folder = std::env::temp_dir().join(format!("fit-{}", std::process::id()));
/// let run = Run::open(&folder, &config)?; // new, or whatever is left of it
/// let (vae, epochs) = Fit::new(2, 32)
///     .seed(1)
///     .devices(&devices)
///     .watch(PosteriorWatch::new(4))
///     .run(&run, vae, FusedAdamConfig::new().init()?, 1e-3, &train, &test)?;
/// assert_eq!(epochs.len(), 2);
/// assert!(epochs[1].test["loss"] < epochs[0].test["loss"]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # }
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone)]
pub struct Fit {
    epochs: usize,
    batch_size: usize,
    seed: u64,
    devices: Option<Devices>,
    watches: Vec<Arc<dyn Watch>>,
    early_stopping: Option<EarlyStopping>,
    clip_gradients: Option<f64>,
    average: Option<f64>,
    skip_above: Option<f64>,
    gradient_norm: Option<GradientNorm>,
    every_checkpoint: bool,
    quiet: bool,
    summary: Option<Arc<Summary>>,
}

/// What an epoch's terms amount to, in words.
type Summary = dyn Fn(&BTreeMap<String, f64>) -> String + Send + Sync;

/// The checkpoints that are kept, unless there are reasons for more.
const CHECKPOINTS: usize = 3;

impl Fit {
    /// So many epochs, in batches of this size.
    pub fn new(epochs: usize, batch_size: usize) -> Self {
        Self {
            epochs,
            batch_size,
            seed: 0,
            devices: None,
            watches: Vec::new(),
            early_stopping: None,
            clip_gradients: None,
            average: None,
            skip_above: None,
            gradient_norm: None,
            every_checkpoint: false,
            quiet: false,
            summary: None,
        }
    }

    /// Sets the seed that the order of the data and all noise derive from; 0 by default. (The weights are drawn when the model
    /// is made: [`Devices::seed`] before that.)
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Computes on these devices, by default where the model is. Of several each takes a batch of every step, and their
    /// gradients are added up, not averaged. A run ends the same to the bit on one device only.
    pub fn devices(mut self, devices: &Devices) -> Self {
        self.devices = Some(devices.clone());
        self
    }

    /// Lets this look at every epoch; its warnings go to stderr.
    pub fn watch(mut self, watch: impl Watch + 'static) -> Self {
        self.watches.push(Arc::new(watch));
        self
    }

    /// Stops when the mean of this term on the test data ([`Losses::TOTAL`] is the total) has not been lower for so many
    /// epochs, and gives back the weights of the epoch where it was lowest.
    pub fn stop_early(mut self, term: &str, patience: usize) -> Self {
        self.early_stopping = Some(EarlyStopping {
            term: term.to_string(),
            patience,
            history: History::default(),
        });
        self
    }

    /// Scales the gradient of each parameter down to this norm where it is larger. (That is burn's clipping, tensor by
    /// tensor; a group of the optimizer has its own.)
    pub fn clip_gradients(mut self, norm: f64) -> Self {
        self.clip_gradients = Some(norm);
        self
    }

    /// Follows the weights with a moving average, `decay average + (1 - decay) weights` after each step, from where they start:
    /// evaluation, early stopping and the model that is given back (and saved) are the average's, and checkpoints have both. What
    /// no gradient trains (running statistics, counts) is that of the model.
    ///
    /// The average is over some `1 / (1 - decay)` steps: few beside those of the run.
    ///
    /// ```
    /// use burn_generative::train::Fit;
    ///
    /// let fit = Fit::new(100, 32).average_weights(0.999);
    /// ```
    pub fn average_weights(mut self, decay: f64) -> Self {
        self.average = Some(decay);
        self
    }

    /// Takes no step along a gradient of a larger norm than this (that of all parameters together), or of one that is no number.
    /// The learning rate's schedule moves on, and so does what the pass itself writes, such as the running statistics of a batch
    /// norm. A *loss* that is no number ends the run all the same. How many they were is the metric [`SkippedSteps`]. Of several
    /// devices each judges its own batch.
    ///
    /// The norm is read from the device at every step.
    pub fn skip_steps_above(mut self, norm: f64) -> Self {
        self.skip_above = Some(norm);
        self
    }

    /// Records the norm that an optimizer was given to measure.
    pub fn gradient_norm(mut self, norm: &GradientNorm) -> Self {
        self.gradient_norm = Some(norm.clone());
        self
    }

    /// Keeps the checkpoints of all epochs, to look at them later; by default the last three.
    pub fn keep_checkpoints(mut self) -> Self {
        self.every_checkpoint = true;
        self
    }

    /// Says an epoch's terms in words of one's own; by default all of them, by name.
    pub fn summary(
        mut self,
        summary: impl Fn(&BTreeMap<String, f64>) -> String + Send + Sync + 'static,
    ) -> Self {
        self.summary = Some(Arc::new(summary));
        self
    }

    /// Prints nothing but warnings.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Trains a model, or what is left of its training, on data to train and to test on; writes the weights into the
    /// run's folder, and gives the model back as in evaluation, with all epochs.
    ///
    /// The rate is a number, a [`Cosine`](super::Cosine), a [`StepDecay`](super::StepDecay), or a scheduler of burn's: [`Rates`].
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number is 0, there is no data, the run was begun on other data or with another batch size, seed,
    /// number of devices, moving average or threshold of steps, the model is on another device or has not the term of the early stopping, or the schedule does not
    /// fit; [`Error::Record`] if the run's checkpoint or metrics are missing, corrupt or of another model; [`Error::Training`] if
    /// the training was stopped (Ctrl-C), met a loss that is no number, or could not save a checkpoint: the last whole one is
    /// named, and the run can be resumed from it.
    ///
    /// # Panics
    ///
    /// If the model is not on an autodiff device.
    pub fn run<M: Trainable>(
        &self,
        run: &Run,
        model: M,
        optimizer: ModuleOptimizer,
        rates: impl Rates,
        train: &impl Source<<M as Model>::Input>,
        test: &impl Source<<M as Model>::Input>,
    ) -> Result<(M, Vec<Epoch>)> {
        self.check(&model)?;
        for (data, what) in [(train.items(), "train on"), (test.items(), "test on")] {
            if data == 0 {
                return Err(Error::Config(format!("Fit: there is no data to {what}")));
            }
        }
        let shapes = Shapes {
            train: train.shapes(),
            test: test.shapes(),
        };
        let devices = match &self.devices {
            Some(devices) => devices.clone(),
            None => {
                let device = model.devices().into_iter().next().unwrap_or_default();
                let device = device.without_autodiff();
                let name = format!("{device:?}").to_lowercase();
                Devices::of(device, &name)
            }
        };
        if let Some(device) = on_another(&model, &devices.device()) {
            return Err(Error::Config(format!(
                "Fit: the model is on {device:?}, and the first of the devices is {:?}; make the model on \
                 `devices.training()`",
                devices.device()
            )));
        }
        let setup = json!({
            "batch_size": self.batch_size,
            "seed": self.seed,
            "number of devices": devices.all().len(),
            "moving average of the weights": self.average,
            "norm above which steps are skipped": self.skip_above,
        });
        run.check(&shapes, &setup)?;
        let steps = train
            .batches(self.batch_size)
            .map(|batches| match devices.all().len() {
                1 => batches,
                _ => devices.steps(train.items(), self.batch_size),
            });
        let rates = rates.scheduler(steps.map(|steps| steps.saturating_mul(self.epochs)))?;
        devices.training().seed(self.seed);
        initialize(&model);
        for name in Plain::of(&model) {
            eprintln!(
                "warning: the parameter '{name}' is not on the autodiff device, and will not be trained; make it from a tensor on \
                 the model's training device, or freeze it by `no_grad`"
            );
        }
        let model = Aided::new(model, self.average, self.skip_above);

        // Nothing is written before everything is known to work.
        let checkpoints = Checkpoints::new(run.path("checkpoint"));
        let finished = self.finished(run, &checkpoints, &model)?;
        let done = finished.len();
        let history = History::new(finished);
        let early = self.early_stopping.as_ref().map(|early| EarlyStopping {
            history: history.clone(),
            ..early.clone()
        });
        if let Some(best) = early.as_ref().and_then(EarlyStopping::best)
            && !checkpoints.epochs().contains(&best)
        {
            return Err(Error::Config(format!(
                "Fit: the run was best in epoch {best}, whose checkpoint was not kept, so that early stopping cannot give \
                 back its weights; resume it without"
            )));
        }
        let is_over = early.as_ref().is_some_and(EarlyStopping::is_over);
        let (model, epoch) = if done < self.epochs && !is_over {
            let fresh = early.is_some().then(|| model.clone());
            let training = Training {
                fit: self,
                run,
                checkpoints: &checkpoints,
                history: &history,
                early: early.clone(),
                devices: &devices,
                shapes,
                setup,
                steps: steps.unwrap_or_else(|| train.items().div_ceil(self.batch_size)),
            };
            let optimizer = match self.clip_gradients {
                Some(norm) => optimizer.with_grad_clipping(GradientClipping::Norm(norm as f32)),
                None => optimizer,
            };
            let learner = Learner::new(model, optimizer, rates);
            let trained = training.launch(learner, done, train, test)?;
            match (fresh, early.as_ref().and_then(EarlyStopping::best)) {
                (Some(fresh), Some(best)) if best < history.epochs().len() => {
                    (checkpoints.load_model(best, fresh)?.valid(), best)
                }
                _ => (trained, history.epochs().len()),
            }
        } else {
            self.say(|| format!("the run has finished its {done} epochs"));
            let best = early.as_ref().and_then(EarlyStopping::best);
            let epoch = best.unwrap_or(done);
            (checkpoints.load_model(epoch, model)?.valid(), epoch)
        };
        let model = model.into_evaluated();
        run.save(&model, epoch)?;
        Ok((model, history.epochs()))
    }

    /// Refuses what cannot work.
    fn check<M: Model>(&self, model: &M) -> Result<()> {
        check_at_least_one("Fit", "the number of epochs", self.epochs)?;
        check_at_least_one("Fit", "the batch size", self.batch_size)?;
        if let Some(norm) = self.clip_gradients {
            check_positive("Fit: the norm to clip gradients to", norm)?;
        }
        if let Some(norm) = self.skip_above {
            check_positive("Fit: the norm above which steps are skipped", norm)?;
        }
        if let Some(decay) = self.average.filter(|decay| !(0.0..1.0).contains(decay)) {
            return Err(Error::Config(format!(
                "Fit: the decay of the weights' moving average is {decay}; it must be at least 0 and below 1"
            )));
        }
        if self.average.is_some() && has_half(model) {
            return Err(Error::Config(
                "Fit: a moving average of weights of 16 bits would stay where it starts, as its steps are rounded away; train in \
                 32 bits, or without it"
                    .to_string(),
            ));
        }
        let Some(early) = &self.early_stopping else {
            return Ok(());
        };
        check_at_least_one("Fit", "the patience of the early stopping", early.patience)?;
        let terms = [vec![Losses::TOTAL], model.terms()].concat();
        if terms.contains(&early.term.as_str()) {
            return Ok(());
        }
        Err(Error::Config(format!(
            "Fit: the early stopping waits for the term '{}', which the model has not; it has {}",
            early.term,
            terms.join(", ")
        )))
    }

    /// The epochs to go on after, up to the last that has both its metrics and its checkpoint. (A run may be killed between
    /// the two.)
    fn finished<M: Module>(
        &self,
        run: &Run,
        checkpoints: &Checkpoints,
        model: &M,
    ) -> Result<Vec<Epoch>> {
        let mut epochs = run.epochs()?;
        let saved = checkpoints.epochs();
        let Some(&epoch) = saved.iter().rfind(|&&epoch| epoch <= epochs.len()) else {
            // What was stopped before its first checkpoint was whole, which takes up to two epochs more, has lost nothing.
            if epochs.len() < 3 && saved.iter().all(|&epoch| epoch == 1) {
                if run.is_resumed() {
                    self.say(|| "the run has no checkpoint yet; beginning it again".to_string());
                }
                return Ok(Vec::new());
            }
            return Err(if saved.is_empty() {
                let reason = "holds no checkpoint to resume from; start anew in another folder";
                Error::record(run.path("checkpoint"), reason)
            } else {
                let reason = "lacks the epochs of the checkpoints beside it; restore it, or start anew in another folder";
                Error::record(run.path("metrics.json"), reason)
            });
        };
        checkpoints.verify(epoch, model)?;
        self.say(|| format!("resuming after epoch {epoch}"));
        epochs.truncate(epoch);
        Ok(epochs)
    }

    fn say(&self, words: impl FnOnce() -> String) {
        if !self.quiet {
            println!("{}", words());
        }
    }

    /// What the means of these terms amount to, in words.
    fn in_words(&self, terms: &[&str], means: &BTreeMap<String, f64>) -> String {
        if let Some(summary) = &self.summary {
            return summary(means);
        }
        let mean = |term: &&str| Some(format!("{term} {:.3}", means.get(*term)?));
        terms.iter().filter_map(mean).collect::<Vec<_>>().join(", ")
    }

    /// Whether burn-train shows its dashboard: in a terminal, if the feature `tui` was built in.
    fn has_dashboard(&self) -> bool {
        cfg!(feature = "tui") && !self.quiet && std::io::stdout().is_terminal()
    }

    fn warn(&self, epoch: &Epoch, steps: usize) {
        // Of several devices each counts its own.
        let devices = self
            .devices
            .as_ref()
            .map_or(1, |devices| devices.all().len());
        let looks = self
            .watches
            .iter()
            .map(|watch| watch.look(epoch, steps * (epoch.epoch - 1)));
        for warning in looks
            .chain([too_many_skipped(epoch, steps * devices)])
            .flatten()
        {
            eprintln!("warning: epoch {}: {warning}", epoch.epoch);
        }
    }
}

impl Debug for Fit {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("seed", &self.seed)
            .field("watches", &self.watches)
            .finish_non_exhaustive()
    }
}

/// The device of a parameter that is elsewhere.
fn on_another<M: Module>(model: &M, device: &Device) -> Option<Device> {
    let mut devices = model.devices().into_iter().map(Device::without_autodiff);
    devices.find(|other| other != device)
}

/// The parameters of a model that nobody has frozen, but that are on the device without autodiff, where none is trained: made
/// from data, say. burn's `to_device` does not put them on the other.
#[derive(Default)]
struct Plain {
    path: Vec<String>,
    names: Vec<String>,
}

impl Plain {
    fn of<M: Module>(model: &M) -> Vec<String> {
        let mut plain = Self::default();
        model.visit(&mut plain);
        plain.names
    }
}

impl ModuleVisitor for Plain {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() && param.clone().train().is_require_grad() {
            self.names.push(self.path.join("."));
        }
    }
}

/// Stops when a term has not been lower for some epochs, of a history that somebody else fills.
#[derive(Clone)]
struct EarlyStopping {
    term: String,
    patience: usize,
    history: History,
}

impl EarlyStopping {
    /// The epoch where the term was lowest, the first of them.
    fn best(&self) -> Option<usize> {
        self.best_of(&self.history.epochs())
    }

    fn best_of(&self, epochs: &[Epoch]) -> Option<usize> {
        let of = |epoch: &Epoch| epoch.test.get(&self.term).copied();
        let lowest = epochs.iter().filter_map(of).reduce(f64::min)?;
        let best = epochs.iter().find(|epoch| of(epoch) == Some(lowest))?;
        Some(best.epoch)
    }

    fn is_over(&self) -> bool {
        let epochs = self.history.epochs();
        let best = self.best_of(&epochs).zip(epochs.last());
        best.is_some_and(|(best, last)| last.epoch - best >= self.patience)
    }
}

impl EarlyStoppingStrategy for EarlyStopping {
    fn should_stop(&mut self, _epoch: usize, _store: &EventStoreClient) -> bool {
        self.is_over()
    }
}

/// Keeps the last checkpoints, and saves none before the metrics of its epoch are in the history.
///
/// Metrics go through a thread of burn-train's own, which may be behind. It answers in turn: what it is asked now it answers
/// after them.
struct AfterMetrics(KeepLastNCheckpoints);

impl CheckpointingStrategy for AfterMetrics {
    fn checkpointing(
        &mut self,
        epoch: usize,
        store: &EventStoreClient,
    ) -> Vec<CheckpointingAction> {
        store.find_metric(Losses::TOTAL, epoch, Aggregate::Mean, &Split::Valid);
        self.0.checkpointing(epoch, store)
    }
}

/// What is left of a training, and where it goes.
struct Training<'a> {
    fit: &'a Fit,
    run: &'a Run,
    checkpoints: &'a Checkpoints,
    history: &'a History,
    early: Option<EarlyStopping>,
    devices: &'a Devices,
    shapes: Shapes,
    setup: Value,
    /// Of an epoch.
    steps: usize,
}

impl Training<'_> {
    /// Trains the epochs after `done`.
    fn launch<M: Trainable>(
        self,
        learner: Learner<Aided<M>>,
        done: usize,
        train: &impl Source<<M as Model>::Input>,
        test: &impl Source<<M as Model>::Input>,
    ) -> Result<Aided<M>> {
        let fit = self.fit;
        let terms = [vec![Losses::TOTAL], learner.model().model().terms()].concat();
        let cut = |shuffle| Cut {
            batch_size: fit.batch_size,
            seed: fit.seed,
            shuffle,
            first_epoch: done + 1,
            device: self.devices.device(),
        };
        let guard = Guard::new();
        let _ctrl_c = StopOnCtrlC::new(&guard);
        let keep = match (fit.every_checkpoint, &self.early) {
            (true, _) => usize::MAX,
            (false, Some(early)) => CHECKPOINTS.max(early.patience.saturating_add(1)),
            (false, None) => CHECKPOINTS,
        };

        let mut training = SupervisedTraining::new(
            self.run.folder(),
            train.loader(&cut(true)),
            test.loader(&cut(false)),
        )
        .with_metric_logger(self.recorder(&guard, &terms))
        .with_checkpointing_strategy(AfterMetrics(KeepLastNCheckpoints::new(keep)))
        .with_interrupter(guard.interrupter())
        .with_application_logger(None)
        .num_epochs(fit.epochs)
        .metric_valid_numeric(ActiveUnits::new())
        .metric_valid(KlPerCoordinate::new());
        for term in terms {
            training = training
                .metric_train_numeric(TermMetric::new(term, &guard))
                .metric_valid_numeric(TermMetric::new(term, &guard));
        }
        if let Some(norm) = &fit.gradient_norm {
            training = training.metric_train_numeric(norm.clone());
        }
        if fit.skip_above.is_some() {
            training = training.metric_train_numeric(SkippedSteps::new());
        }
        if let Some(early) = self.early.clone() {
            training = training.early_stopping(early);
        }
        self.checkpoints.remove_after(done)?;
        training = self.checkpoints.register(training, &guard);
        if done > 0 {
            training = training.checkpoint(done);
        }
        if self.devices.all().len() > 1 {
            let devices = self.devices.all().iter().cloned().map(Device::autodiff);
            let strategy =
                ExecutionStrategy::multi(devices.collect(), MultiDeviceOptim::OptimMainDevice);
            training = training.with_training_strategy(strategy.into());
        }
        if !fit.has_dashboard() {
            let every = if fit.quiet { u64::MAX } else { 10 };
            training = training.renderer(Box::new(ProgressLines::new(Duration::from_secs(every))));
        }

        let result = training.launch(learner);
        drop(result.renderer);
        let finished = self.checkpoints.epochs().last().copied().unwrap_or(0);
        let is_over = self.early.as_ref().is_some_and(EarlyStopping::is_over);
        let is_whole = finished == self.history.epochs().len();
        if guard.reason().is_none() && is_whole && (finished == fit.epochs || is_over) {
            // Said again where the dashboard has covered it.
            if fit.has_dashboard() {
                let epochs = self.history.epochs();
                epochs.iter().for_each(|epoch| fit.warn(epoch, self.steps));
            }
            return Ok(result.model);
        }
        let reason = match (guard.reason(), result.error) {
            (Some(reason), _) => reason,
            (None, Some(error)) => error.to_string(),
            (None, None) => "by request".to_string(),
        };
        let folder = self.run.folder().display();
        let kept = match finished {
            0 => format!("no epoch was finished; {folder} can be resumed all the same"),
            epoch => format!("{folder} keeps the checkpoint of epoch {epoch}; resume it to go on"),
        };
        Err(Error::Training(format!(
            "in epoch {}: {reason}; {kept}",
            finished + 1
        )))
    }

    /// Writes `metrics.json` after every epoch, and prints a line where there is no dashboard.
    fn recorder(&self, guard: &Guard, terms: &[&'static str]) -> History {
        let (fit, run, guard) = (self.fit.clone(), self.run.clone(), guard.clone());
        let terms = terms.to_vec();
        let (shapes, setup, steps) = (self.shapes.clone(), self.setup.clone(), self.steps);
        let device = self.devices.name().to_string();
        self.history.clone().on_epoch(move |epochs| {
            // One that was broken off is no epoch.
            if guard.reason().is_some() || guard.interrupter().should_stop() {
                return;
            }
            if let Err(error) = run.write_metrics(&shapes, &setup, &device, epochs) {
                guard.stop(&error.to_string());
            }
            let Some(epoch) = epochs.last().filter(|_| !fit.has_dashboard()) else {
                return;
            };
            fit.say(|| line(&fit, &terms, epoch));
            fit.warn(epoch, steps);
        })
    }
}

/// What to tell of an epoch of which half of the steps or more were skipped.
fn too_many_skipped(epoch: &Epoch, steps: usize) -> Option<String> {
    let &skipped = epoch.train.get(SkippedSteps::NAME)?;
    (2.0 * skipped >= steps as f64).then(|| {
        format!("{skipped} of {steps} steps were skipped for their gradient, and taught nothing; let a larger norm pass, or lower the learning rate if gradients are no numbers")
    })
}

/// An epoch in one line, with the time that is left.
fn line(fit: &Fit, terms: &[&str], epoch: &Epoch) -> String {
    let active = match epoch.test.get(ActiveUnits::NAME) {
        Some(count) => format!(", {count} active units"),
        None => String::new(),
    };
    let skipped = match epoch.train.get(SkippedSteps::NAME) {
        Some(&count) if count > 0.0 => format!(", {count} steps skipped"),
        _ => String::new(),
    };
    let left = match fit.epochs - epoch.epoch {
        0 => String::new(),
        more => format!(", {:.0} s left", epoch.seconds * more as f64),
    };
    format!(
        "epoch {}/{}: train {}{skipped}; test {}{active}; {:.1} s{left}",
        epoch.epoch,
        fit.epochs,
        fit.in_words(terms, &epoch.train),
        fit.in_words(terms, &epoch.test),
        epoch.seconds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};

    #[test]
    fn what_would_not_be_trained_is_named() {
        let device = Device::default();
        let training = device.clone().autodiff();
        let linear = || LinearConfig::new(2, 1).init(&training);
        let with_bias = |bias: Param<Tensor<1>>| Linear {
            bias: Some(bias),
            ..linear()
        };
        let of_data = || Param::from_tensor(Tensor::<1>::zeros([1], &device));
        assert!(Plain::of(&linear()).is_empty());
        assert_eq!(Plain::of(&with_bias(of_data())), ["bias"]);
        assert!(Plain::of(&with_bias(of_data().set_require_grad(false))).is_empty());
        assert!(Plain::of(&linear().no_grad()).is_empty());
    }

    #[test]
    fn half_of_the_steps_is_too_many_to_skip() {
        let words = |skipped: f64| {
            let train = BTreeMap::from([(SkippedSteps::NAME.to_string(), skipped)]);
            let epoch = Epoch {
                train,
                ..Epoch::default()
            };
            too_many_skipped(&epoch, 9)
        };
        assert_eq!(words(4.0), None);
        let said = words(5.0).unwrap();
        assert!(said.starts_with("5 of 9 steps were skipped"), "{said}");
        assert_eq!(too_many_skipped(&Epoch::default(), 9), None);
    }
}
