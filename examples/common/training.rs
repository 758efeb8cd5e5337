//! What the examples on images share: their flags, and a run of burn's `Learner` in a folder, from the data to
//! the weights, that can be stopped and resumed.

use super::{DataArgs, DataIdentity, Out, in_batches, judge, positive, rate};
use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::prelude::*;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, LearnerModel, MultiDeviceOptim, SupervisedTraining,
    TrainStep,
};
use burn_generative::data::{Items, TensorLoader, mnist::Mnist};
use burn_generative::loss::Losses;
use burn_generative::metric::Estimate;
use burn_generative::plot::{self, Report, RgbImage, Series};
use burn_generative::train::{
    ActiveUnits, Checkpoints, CriticWatch, Epoch, GradientNorm, Guard, History, KlPerCoordinate,
    PosteriorWatch, ProgressLines, TermMetric,
};
use burn_generative::traits::{AdversarialLoss, Support};
use burn_generative::{Error, Result, weights};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Flags of a run that do not change what it computes.
#[derive(clap::Args, Debug)]
pub struct RunArgs {
    /// How often to go through the training images.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub epochs: usize,

    #[command(flatten)]
    pub data: DataArgs,

    /// Backend to train on, one of those built in (`--features wgpu` adds wgpu): flex, ndarray,
    /// wgpu, vulkan, metal, cuda, cuda:1, ..., or a server's, ws://HOST:PORT; or several devices, separated
    /// by commas, each of which takes a batch of every step [default: the first that is built in, GPUs first]
    #[arg(long, alias = "devices", value_name = "NAME")]
    pub device: Option<String>,

    /// Folder for everything that the run leaves behind, new or empty. [default: the example's name under
    /// out, or the first with -2, -3, ... that is not there]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Continue the run in --out (or the last of the default folders) after its last finished epoch.
    #[arg(long)]
    pub resume: bool,

    /// Train a small classifier on the data, and say how its features of samples differ from those of test
    /// images: Fréchet distance, precision, recall. For models that generate.
    #[arg(long)]
    pub judge: bool,

    /// Keep the checkpoint of every epoch, and animate the samples over the epochs: samples.gif. For models
    /// that generate.
    #[arg(long)]
    pub gif: bool,
}

/// Flags of a training that belong to what defines it.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct TrainingArgs {
    /// Images in a training step.
    #[arg(long, default_value_t = 128, value_name = "N")]
    pub batch_size: usize,

    /// Learning rate of Adam.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    pub lr: f64,

    /// Use only the first N training and the first N test images.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Seed of the weights, the order of the images, and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

impl TrainingArgs {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        positive("--batch-size", self.batch_size)?;
        rate("--lr", self.lr).map(drop)
    }
}

/// What `config.json` holds: enough to build the model again, and to know its data.
#[derive(Clone, Serialize)]
struct Settings<C> {
    #[serde(flatten)]
    config: C,
    data: DataIdentity,
}

/// What an epoch's terms amount to, in words.
type Summary = dyn Fn(&BTreeMap<String, f64>) -> String + Send + Sync;

/// One run of an example: its data, its device and its folder.
pub struct Session<C> {
    /// Of the example.
    name: String,
    pub data: Mnist,
    /// The one that holds the model, the first of `devices`.
    pub device: Device,
    /// Where the steps are computed.
    devices: Vec<Device>,
    pub out: Out,
    /// What the terms are measured in, as it is printed.
    unit: &'static str,
    device_name: String,
    settings: Settings<C>,
    training: TrainingArgs,
    epochs: usize,
    resume: bool,
    summary: Arc<Summary>,
    watches: Watches,
    judge: bool,
    /// What judges, once it was asked to.
    classifier: RefCell<Option<judge::Judge>>,
    gif: bool,
    report: RefCell<Content>,
}

/// What the report of a run shows, as it comes.
#[derive(Default)]
struct Content {
    pictures: Vec<Picture>,
    animation: Option<PathBuf>,
    measured: Vec<Measured>,
}

struct Picture {
    title: String,
    text: String,
    picture: RgbImage,
    /// How large its pixels were drawn; none for a chart.
    zoom: Option<usize>,
}

/// A number that a run is judged by, beside its losses.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub name: String,
    pub value: f64,
    pub standard_error: Option<f64>,
    pub unit: String,
}

impl Measured {
    /// Without an error or a unit.
    pub fn plain(name: &str, value: f64) -> Self {
        Self {
            name: name.to_string(),
            value,
            standard_error: None,
            unit: String::new(),
        }
    }

    /// A mean, in nats an image.
    pub fn nats(name: &str, estimate: Estimate) -> Self {
        Self {
            standard_error: Some(estimate.standard_error),
            unit: "nats/image".to_string(),
            ..Self::plain(name, estimate.mean)
        }
    }
}

impl Display for Measured {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        let Self {
            name, value, unit, ..
        } = self;
        match self.standard_error {
            Some(error) => write!(f, "{name}: {value:.3} ± {error:.3} {unit}"),
            None => write!(f, "{name}: {value:.3}"),
        }
    }
}

/// What a run is warned about, and what is measured beside its losses.
#[derive(Clone, Default)]
struct Watches {
    critic: Option<CriticWatch>,
    /// And the epoch after which it counts.
    posterior: Option<(PosteriorWatch, usize)>,
    gradients: Option<GradientNorm>,
}

impl<C: Serialize + Clone + Send + Sync + 'static> Session<C> {
    /// Checks the flags, loads the data and seeds the device; `config` is what defines the run, and `summary`
    /// says what an epoch's terms amount to. Nothing is written yet.
    pub fn open(
        name: &str,
        args: &RunArgs,
        training: &TrainingArgs,
        config: &C,
        summary: impl Fn(&BTreeMap<String, f64>) -> String + Send + Sync + 'static,
    ) -> Result<Self> {
        positive("--epochs", args.epochs)?;
        training.check()?;
        let (devices, device_name) = super::devices(args.device.as_deref())?;
        let device = devices[0].clone();
        let data = args.data.load(training.limit)?;
        println!("device: {device_name}");
        if args.judge && data.test.len() <= judge::FEATURES {
            return Err(Error::Config(format!(
                "--judge needs more than {} test images, not {}",
                judge::FEATURES,
                data.test.len()
            )));
        }
        let settings = Settings {
            config: config.clone(),
            data: DataIdentity::of(&data),
        };
        let out = Out::check(args.out.as_deref(), name, &settings, Some(args.resume))?;
        device.clone().autodiff().seed(training.seed);
        Ok(Self {
            name: name.to_string(),
            data,
            device,
            devices,
            out,
            unit: " nats/image",
            device_name,
            settings,
            training: training.clone(),
            epochs: args.epochs,
            resume: args.resume,
            summary: Arc::new(summary),
            watches: Watches::default(),
            judge: args.judge,
            classifier: RefCell::default(),
            gif: args.gif,
            report: RefCell::default(),
        })
    }

    /// The training and the test images, of which all values lie in `support`.
    pub fn images(&self, support: Support) -> Result<[Tensor<4>; 2]> {
        let train = self.data.train.images(&self.device);
        let test = self.data.test.images(&self.device);
        support.check(&train, "training images")?;
        support.check(&test, "test images")?;
        Ok([train, test])
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.training.seed
    }

    /// Warns when the critic of a model with this objective wins outright. Its scores have no unit.
    pub fn watch_critic(&mut self, objective: &impl AdversarialLoss) {
        self.unit = "";
        self.watches.critic = Some(CriticWatch::new(objective, &self.device));
    }

    /// Counts the active units of a posterior with so many coordinates, and warns when it has collapsed after
    /// so many steps of warm-up.
    pub fn watch_posterior(&mut self, latent_dim: usize, warmup_steps: usize) {
        let batch = self.training.batch_size * self.devices.len();
        let steps = self.data.train.len().div_ceil(batch);
        // A posterior also takes some steps to leave where it was drawn.
        let warm_from = (warmup_steps + 100).div_ceil(steps);
        self.watches.posterior = Some((PosteriorWatch::new(latent_dim), warm_from));
    }

    /// Measures the gradient's norm, of an optimizer that is given this.
    pub fn watch_gradients(&mut self) -> GradientNorm {
        let norm = GradientNorm::new("gradient norm", 50);
        self.watches.gradients = Some(norm.clone());
        norm
    }

    /// The learning rates of a model whose critic has one of its own.
    pub fn rates(&self, critic_lr: f64) -> Result<ModuleLrScheduler> {
        let critic_lr = rate("--critic-lr", critic_lr)?;
        Ok(ModuleLrScheduler::new(self.training.lr).with_group(critics(), critic_lr))
    }

    /// Trains a model (its parameters drawn already) with burn's own `Learner`, or what is left of its
    /// training, writes its weights in burn's own format and in SafeTensors, and gives it back with the history of its
    /// epochs.
    pub fn train<M, B>(
        &self,
        model: M,
        optimizer: ModuleOptimizer,
        rates: impl Into<ModuleLrScheduler>,
        terms: &[&'static str],
        [train, test]: [&B; 2],
    ) -> Result<(M, Vec<Epoch>)>
    where
        B: Items,
        M: LearnerModel,
        M: TrainStep<Input = B, Output = Losses>,
        M: InferenceStep<Input = B, Output = Losses>,
    {
        // Nothing is written before everything is known to work.
        let checkpoints = Checkpoints::new(self.out.path("checkpoint"));
        let finished = match self.resume {
            true => self.finished(&checkpoints, &model)?,
            false => Vec::new(),
        };
        let done = finished.len();
        self.out.begin(&self.settings)?;

        let history = History::new(finished);
        let model = match done < self.epochs {
            true => {
                let (data, learner) = ([train, test], Learner::new(model, optimizer, rates));
                self.fit(learner, terms, data, &checkpoints, done, &history)?
            }
            false => {
                println!("the run has finished its {done} epochs; drawing its pictures");
                checkpoints.load_model(done, model)?.valid()
            }
        };
        // Before anything is drawn, which may fail.
        weights::save(&model, self.out.path("model.safetensors"))?;
        let path = self.out.path("model.bpk");
        let saved = model.clone().save_file(&path);
        saved.map_err(|error| Error::record(&path, error.to_string()))?;
        let epochs = history.epochs();
        // Said again where the dashboard has covered it.
        if dashboard() {
            epochs.iter().for_each(|epoch| warn(&self.watches, epoch));
        }
        Ok((model, epochs))
    }

    /// The epochs to resume after: the last that has both its metrics and its checkpoint. (A run may be
    /// killed between the two.)
    fn finished<M: Module>(&self, checkpoints: &Checkpoints, model: &M) -> Result<Vec<Epoch>> {
        let mut epochs = self.out.epochs()?;
        let saved = checkpoints.epochs();
        let Some(&epoch) = saved.iter().rfind(|&&epoch| epoch <= epochs.len()) else {
            // It was stopped before its first checkpoint was whole, which takes up to two epochs more.
            if epochs.len() < 3 {
                println!("the run has no checkpoint yet; beginning it again");
                return Ok(Vec::new());
            }
            let reason = "holds no checkpoint to resume from; start anew in another --out";
            return Err(Error::record(self.out.path("checkpoint"), reason));
        };
        checkpoints.verify(epoch, model)?;
        println!("resuming after epoch {epoch}");
        epochs.truncate(epoch);
        Ok(epochs)
    }

    /// Trains the epochs after `done`.
    fn fit<M, B>(
        &self,
        learner: Learner<M>,
        terms: &[&'static str],
        [train, test]: [&B; 2],
        checkpoints: &Checkpoints,
        done: usize,
        history: &History,
    ) -> Result<M>
    where
        B: Items,
        M: LearnerModel,
        M: TrainStep<Input = B, Output = Losses>,
        M: InferenceStep<Input = B, Output = Losses>,
    {
        let TrainingArgs {
            batch_size, seed, ..
        } = self.training;
        let loader = |items: &B| {
            TensorLoader::new(items.clone(), batch_size)
                .seed(seed)
                .first_epoch(done + 1)
        };
        let guard = Guard::new();
        let dashboard = dashboard();
        super::stop_on_ctrl_c(&guard);

        let mut training = SupervisedTraining::new(
            self.out.path(""),
            Arc::new(loader(train).shuffle()),
            Arc::new(loader(test)),
        )
        .with_metric_logger(self.recorder(history, guard.clone(), dashboard))
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(match self.gif {
            true => usize::MAX,
            false => 3,
        }))
        .with_interrupter(guard.interrupter())
        .with_application_logger(None)
        .num_epochs(self.epochs);
        for term in [Losses::TOTAL].iter().chain(terms) {
            training = training
                .metric_train_numeric(TermMetric::new(term, &guard))
                .metric_valid_numeric(TermMetric::new(term, &guard));
        }
        if self.watches.posterior.is_some() {
            training = training
                .metric_valid_numeric(ActiveUnits::new())
                .metric_valid(KlPerCoordinate::new());
        }
        if let Some(norm) = &self.watches.gradients {
            training = training.metric_train_numeric(norm.clone());
        }
        checkpoints.remove_after(done)?;
        training = checkpoints.register(training, &guard);
        if done > 0 {
            training = training.checkpoint(done);
        }
        if self.devices.len() > 1 {
            let devices = self.devices.iter().cloned().map(Device::autodiff).collect();
            let strategy = ExecutionStrategy::multi(devices, MultiDeviceOptim::OptimMainDevice);
            training = training.with_training_strategy(strategy.into());
        }
        if !dashboard {
            training = training.renderer(Box::new(ProgressLines::new(Duration::from_secs(10))));
        }

        let result = training.launch(learner);
        drop(result.renderer);
        let finished = checkpoints.epochs().last().copied().unwrap_or(0);
        if finished == self.epochs && guard.reason().is_none() {
            return Ok(result.model);
        }
        let reason = match (guard.reason(), result.error) {
            (Some(reason), _) => reason,
            (None, Some(error)) => error.to_string(),
            (None, None) => "by request".to_string(),
        };
        let out = self.out.folder().display();
        let kept = match finished {
            0 => format!("no epoch was finished; {out} can be continued with --resume"),
            epoch => {
                format!("{out} keeps the checkpoint of epoch {epoch}; continue with --resume")
            }
        };
        let epoch = finished + 1;
        Err(Error::Training(format!(
            "in epoch {epoch}: {reason}; {kept}"
        )))
    }

    /// Writes `metrics.json` after every epoch, and prints a line where there is no dashboard.
    fn recorder(&self, history: &History, guard: Guard, dashboard: bool) -> History {
        let (settings, out) = (self.settings.clone(), self.out.clone());
        let (origin, device) = (self.data.origin.clone(), self.device_name.clone());
        let (total, summary, watches) = (self.epochs, self.summary.clone(), self.watches.clone());
        history.clone().on_epoch(move |epochs| {
            // One that was broken off is no epoch.
            if guard.reason().is_some() {
                return;
            }
            if let Err(error) = out.metrics(&settings, &origin, &device, epochs) {
                guard.stop(&error.to_string());
            }
            if let (Some(epoch), false) = (epochs.last(), dashboard) {
                let active = match epoch.test.get(ActiveUnits::NAME) {
                    Some(count) => format!(", {count} active units"),
                    None => String::new(),
                };
                let left = match total - epoch.epoch {
                    0 => String::new(),
                    more => format!(", {:.0} s left", epoch.seconds * more as f64),
                };
                println!(
                    "epoch {}/{total}: train {}; test {}{active}; {:.1} s{left}",
                    epoch.epoch,
                    summary(&epoch.train),
                    summary(&epoch.test),
                    epoch.seconds
                );
                warn(&watches, epoch);
            }
        })
    }

    /// Writes a picture made of pixels, each drawn `zoom` by `zoom`, and shows it in the report.
    pub fn save_pixels(
        &self,
        file: &str,
        [title, text]: [&str; 2],
        picture: RgbImage,
        zoom: usize,
    ) -> Result<()> {
        self.save_picture(file, [title, text], picture, Some(zoom))
    }

    /// Writes a chart, and shows it in the report.
    pub fn save_chart(&self, file: &str, words: [&str; 2], picture: RgbImage) -> Result<()> {
        self.save_picture(file, words, picture, None)
    }

    fn save_picture(
        &self,
        file: &str,
        words: [&str; 2],
        picture: RgbImage,
        zoom: Option<usize>,
    ) -> Result<()> {
        plot::save(&picture, self.out.path(file))?;
        let [title, text] = words.map(str::to_string);
        self.report.borrow_mut().pictures.push(Picture {
            title,
            text,
            picture,
            zoom,
        });
        Ok(())
    }

    /// The first images in rows of twelve, each row above its counterparts.
    pub fn save_pairs<const K: usize>(
        &self,
        file: &str,
        words: [&str; 2],
        images: [Tensor<4>; K],
    ) -> Result<()> {
        let images = images.map(|images| images.clone().narrow(0, 0, 24.min(images.dims()[0])));
        self.save_pixels(file, words, plot::rows(images, 12, 2)?, 2)
    }

    /// The test images as points of the latent plane (of its two principal components, where the latent has
    /// more), coloured by label: `latent.png`. Encodes in batches that any machine has room for.
    pub fn save_latent_map(
        &self,
        images: Tensor<4>,
        encode: impl Fn(Tensor<4>) -> Tensor<2>,
    ) -> Result<()> {
        let codes = in_batches(images, encode);
        let title = "Test images in the latent space";
        let picture = plot::latent_map(title, codes, self.data.test.labels())?;
        let text = "The code of each test image, coloured by its label.";
        self.save_chart("latent.png", ["Latent space", text], picture)
    }

    /// The first test images above what a model makes of them, `reconstructions.png`.
    pub fn save_reconstructions(
        &self,
        test: &Tensor<4>,
        reconstruct: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Result<()> {
        let originals = test.clone().narrow(0, 0, 24.min(test.dims()[0]));
        let made = reconstruct(originals.clone());
        let words = [
            "Reconstructions",
            "Test images, each above its reconstruction.",
        ];
        self.save_pairs("reconstructions.png", words, [originals, made])
    }

    /// A grid of the first 144 of these images, twelve in a row.
    pub fn save_grid(&self, file: &str, words: [&str; 2], images: Tensor<4>) -> Result<()> {
        let shown = 144.min(images.dims()[0]);
        let picture = plot::grid(images.narrow(0, 0, shown), 12, 2)?;
        self.save_pixels(file, words, picture, 2)
    }

    /// The samples of a model, `samples.png`; over the epochs and judged, where that was asked for. `sample` draws
    /// so many from the model, as images.
    pub fn save_samples<M: Module>(
        &self,
        model: &M,
        sample: impl Fn(&M, usize) -> Tensor<4>,
    ) -> Result<()> {
        self.device.seed(self.seed());
        let words = [
            "Samples",
            "What the decoder makes of draws of the prior, none chosen.",
        ];
        self.save_grid("samples.png", words, sample(model, 144))?;
        if self.gif {
            self.animate(model, &sample)?;
        }
        self.judge_samples("", |n| sample(model, n))
    }

    /// Whether samples are to be judged.
    pub fn judges(&self) -> bool {
        self.judge
    }

    /// Says how samples differ from test images, where that was asked for; `of` tells them from others of the run.
    pub fn judge_samples(&self, of: &str, sample: impl Fn(usize) -> Tensor<4>) -> Result<()> {
        if !self.judge {
            return Ok(());
        }
        let classifier = match self.classifier.take() {
            Some(classifier) => classifier,
            None => judge::Judge::train(&self.data.train, &self.device, self.seed())?,
        };
        self.device.seed(self.seed());
        for mut measured in classifier.compare(&self.data.test, sample)? {
            measured.name += of;
            self.measured(measured);
        }
        self.classifier.replace(Some(classifier));
        Ok(())
    }

    /// The same draws of the prior, decoded after each epoch: `samples.gif`.
    fn animate<M: Module>(
        &self,
        model: &M,
        sample: &impl Fn(&M, usize) -> Tensor<4>,
    ) -> Result<()> {
        let checkpoints = Checkpoints::new(self.out.path("checkpoint"));
        let frame = |epoch| {
            let model = checkpoints.load_model(epoch, model.clone())?.valid();
            self.device.seed(self.seed());
            plot::grid(sample(&model, 72), 12, 2)
        };
        let frames: Vec<_> = checkpoints
            .epochs()
            .into_iter()
            .map(frame)
            .collect::<Result<_>>()?;
        let path = self.out.path("samples.gif");
        plot::save_gif(&frames, Duration::from_millis(500), &path)?;
        self.report.borrow_mut().animation = Some(path);
        Ok(())
    }

    /// Prints a number that the run is judged by, and shows it in the report.
    pub fn measured(&self, measured: Measured) {
        println!("{measured}");
        self.report.borrow_mut().measured.push(measured);
    }

    /// The curves of the total and of the terms, `curves.png`.
    pub fn save_curves(&self, terms: &[&str], epochs: &[Epoch]) -> Result<()> {
        let values = |name: &str, terms: fn(&Epoch) -> &BTreeMap<String, f64>| {
            epochs
                .iter()
                .filter_map(|epoch| terms(epoch).get(name).copied())
                .collect()
        };
        let panel = |name: &&str| {
            let series = |label: &str, values, dotted, colour| Series {
                name: label.to_string(),
                values,
                dotted,
                colour,
            };
            let train = series("train", values(name, |epoch| &epoch.train), false, 0);
            let test = series("test", values(name, |epoch| &epoch.test), true, 1);
            let unit = match self.unit {
                "" => String::new(),
                unit => format!(" ({})", unit.trim()),
            };
            (format!("{name}{unit}"), vec![train, test])
        };
        let panels: Vec<_> = [Losses::TOTAL].iter().chain(terms).map(panel).collect();
        let words = [
            "Losses",
            "The total and its terms, on the training and on the test images.",
        ];
        self.save_chart("curves.png", words, plot::curves("epoch", &panels)?)
    }

    /// `report.html`: everything on one page.
    fn save_report(&self, last: &Epoch, epochs: &[Epoch]) -> Result<()> {
        let content = self.report.borrow();
        let lead = format!("test: {}{}", (self.summary)(&last.test), self.unit);
        let mut report = Report::new(&self.name, &lead);
        // The total before its terms.
        let (total, terms): (Vec<_>, Vec<_>) = last
            .test
            .iter()
            .partition(|(name, _)| *name == Losses::TOTAL);
        for (name, value) in total.into_iter().chain(terms) {
            let known = name == Losses::TOTAL || last.train.contains_key(name);
            let unit = if known { self.unit.trim() } else { "" };
            let value = match known {
                true => format!("{value:.2}"),
                false => value.to_string(), // a count
            };
            report.number(&format!("test {name}"), &value, unit);
        }
        for Measured {
            name,
            value,
            unit,
            standard_error,
        } in &content.measured
        {
            let (value, error) = match standard_error {
                Some(error) => (format!("{value:.2}"), format!("± {error:.2} {unit}")),
                None => (format!("{value:.3}"), unit.clone()),
            };
            report.number(name, &value, &error);
        }
        report.section("Pictures");
        for Picture {
            title,
            text,
            picture,
            zoom,
        } in &content.pictures
        {
            match zoom {
                Some(zoom) => report.pixels(title, text, picture, *zoom)?,
                None => report.chart(title, text, picture)?,
            }
        }
        if let Some(path) = &content.animation {
            let text = "The same draws of the prior, decoded after each epoch.";
            report.animation("Samples over the epochs", text, path)?;
        }
        report.section("Epochs");
        let columns = |split: &str, terms: &BTreeMap<String, f64>| -> Vec<String> {
            terms.keys().map(|name| format!("{split} {name}")).collect()
        };
        let head = [
            vec!["epoch".to_string()],
            columns("train", &last.train),
            columns("test", &last.test),
            vec!["seconds".to_string()],
        ]
        .concat();
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let row = |epoch: &Epoch| {
            let number = |value: &f64| format!("{value:.3}");
            let values = epoch.train.values().chain(epoch.test.values()).map(number);
            [
                vec![epoch.epoch.to_string()],
                values.collect(),
                vec![format!("{:.1}", epoch.seconds)],
            ]
            .concat()
        };
        let rows: Vec<_> = epochs.iter().map(row).collect();
        let unit = match self.unit {
            "" => String::new(),
            unit => format!(" Losses in{unit}."),
        };
        report.table(&format!("The mean of each metric.{unit}"), &head, &rows);
        self.out
            .save_report(report, &self.settings, &self.device_name)
    }

    /// Writes the report, and says what the last epoch came to.
    pub fn finish(&self, epochs: &[Epoch]) -> Result<()> {
        let Some(last) = epochs.last() else {
            return Err(Error::Training("no epoch was finished".to_string()));
        };
        let measured = &self.report.borrow().measured;
        if !measured.is_empty() {
            self.out.evaluation(measured)?;
        }
        self.save_report(last, epochs)?;
        println!(
            "wrote report.html, pictures, metrics and weights to {}",
            self.out.folder().display()
        );
        println!("test: {}{}", (self.summary)(&last.test), self.unit);
        Ok(())
    }
}

fn warn(watches: &Watches, epoch: &Epoch) {
    let critic = watches
        .critic
        .zip(epoch.train.get("critic"))
        .and_then(|(watch, &loss)| watch.warning(loss));
    let posterior = watches
        .posterior
        .filter(|(_, warm_from)| epoch.epoch > *warm_from)
        .zip(epoch.test.get(ActiveUnits::NAME))
        .and_then(|((watch, _), &active)| watch.warning(active));
    for warning in critic.into_iter().chain(posterior) {
        eprintln!("warning: epoch {}: {warning}", epoch.epoch);
    }
}

/// These terms of an epoch, in words.
pub fn named<const K: usize>(terms: &BTreeMap<String, f64>, names: [&str; K]) -> String {
    let term = |name: &str| terms.get(name).copied().unwrap_or(f64::NAN);
    names
        .map(|name| format!("{name} {:.3}", term(name)))
        .join(", ")
}

/// The parameters of the critic.
pub fn critics() -> ParamGroup {
    ParamGroup::from_regex("^critic\\.").expect("a valid pattern")
}

/// Says how sharp samples are beside the data.
pub fn print_sharpness(samples: Tensor<4>, data: Tensor<4>) -> Result<()> {
    println!(
        "gradient energy an image: samples {:.1}, data {:.1}",
        gradient_energy(samples)?,
        gradient_energy(data)?,
    );
    Ok(())
}

/// How sharp images are: the sum of squared differences of neighbouring pixels, an image.
fn gradient_energy(images: Tensor<4>) -> Result<f64> {
    let [n, _, height, width] = images.dims();
    let difference = |axis: usize, side: usize| {
        let side = side - 1;
        images.clone().narrow(axis, 1, side) - images.clone().narrow(axis, 0, side)
    };
    let energy = difference(2, height).square().sum() + difference(3, width).square().sum();
    Ok(energy.try_into_scalar::<f64>()? / n as f64)
}

/// Whether burn-train shows its dashboard: in a terminal, if the feature `tui` was built in.
fn dashboard() -> bool {
    cfg!(feature = "tui") && std::io::stdout().is_terminal()
}
