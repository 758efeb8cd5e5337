//! A run of an example on images: its flags, and what is drawn and measured after the training. The training itself is the
//! library's: `train::Run` and `train::Fit`.

use super::judge::{self, Judge};
use super::{DataArgs, DataIdentity, Settings, in_batches, positive, rate, split_pictures};
use burn::data::dataloader::DataLoader;
use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::prelude::*;
use burn_generative::data::mnist::{Mnist, Origin};
use burn_generative::data::{Channels, ImageFolderConfig, TensorLoader};
use burn_generative::device::Devices;
use burn_generative::metric::{Estimate, importance_weighted_bound};
use burn_generative::plot::{self, Measured, RgbImage, RunReport};
use burn_generative::prelude::*;
use burn_generative::prior::MixtureFit;
use burn_generative::train::{Checkpoints, Epoch, Fit, FusedAdamConfig, Rates, Run, Trainable};
use burn_generative::{Error, Result};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

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

/// Flags of the likelihood that papers report: a bound by many draws.
#[derive(clap::Args, Clone, Debug)]
pub struct NllArgs {
    /// Estimate log p(x) of the test images by so many draws of the posterior: 200 take some seconds.
    #[arg(long, value_name = "K")]
    nll: Option<usize>,

    /// Of the first N test images only.
    #[arg(long, value_name = "N", requires = "nll")]
    nll_images: Option<usize>,
}

impl NllArgs {
    /// Whether there is something to estimate.
    pub fn is_asked(&self) -> bool {
        self.nll.is_some()
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        positive("--nll", self.nll.unwrap_or(1))?;
        positive("--nll-images", self.nll_images.unwrap_or(1))
    }

    /// Measures a model, and leaves the nats of each image in nll.json: image by image two models differ by less than images do.
    pub fn measure<M>(
        &self,
        model: &M,
        test: Tensor<4>,
        seed: u64,
        report: &mut RunReport,
    ) -> Result<()>
    where
        M: LatentVariableModel<Input = Tensor<4>>,
    {
        let Some(draws) = self.nll else {
            return Ok(());
        };
        let count = self.nll_images.unwrap_or(usize::MAX).min(test.dims()[0]);
        let test = test.narrow(0, 0, count);
        test.device().seed(seed);
        let started = Instant::now();
        let mut cost = Vec::new();
        for images in test.split(500, 0) {
            let bound = importance_weighted_bound(model, images, draws)?.log_prob;
            cost.extend(bound.neg().try_into_data_as::<f64>()?.iter::<f64>());
        }
        let seconds = started.elapsed().as_secs_f64();
        let measured = nats(&format!("test NLL, k = {draws}"), Estimate::of(&cost)?);
        println!("{measured}\n({count} images in {seconds:.1} s)");
        report.measured(measured);
        report.run().write("nll.json", &cost)
    }
}

/// A folder of pictures, in the place of IDX files.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct PictureArgs {
    /// A folder of PNG and JPEG pictures, in the place of IDX files; a tenth of them is tested on.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Height and width that these pictures are brought to.
    #[arg(long, default_value_t = 64, value_name = "N")]
    size: usize,
}

impl PictureArgs {
    /// The pictures in colour, if there is a folder, or else the data of the run; says where they come from.
    pub fn load(&self, data: &DataArgs, training: &TrainingArgs) -> Result<Mnist> {
        let Some(folder) = &self.pictures else {
            return data.load(training.limit);
        };
        let read = ImageFolderConfig::new([self.size; 2]).with_channels(Channels::Rgb);
        let pictures = read.open(folder)?;
        let [train, test] = split_pictures(&pictures, 0.1, training.seed, training.limit)?;
        Ok(Mnist {
            train,
            test,
            origin: Origin::Mnist(folder.clone()),
        })
    }
}

/// How a model is trained by an example that trains several and resumes none.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct FitArgs {
    /// How often to go through the training images.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub epochs: usize,

    #[command(flatten)]
    #[serde(flatten)]
    pub training: TrainingArgs,
}

impl FitArgs {
    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        positive("--epochs", self.epochs)?;
        self.training.check()
    }

    /// A model after its epochs, as in evaluation.
    pub fn train<M: Model>(&self, mut model: M, data: &M::Input, device: &Device) -> Result<M> {
        let loader = TensorLoader::new(data.clone(), self.training.batch_size);
        let loader = loader.seed(self.training.seed).shuffle();
        let mut optimizer = FusedAdamConfig::new().init()?;
        for _epoch in 0..self.epochs {
            for batch in loader.iter() {
                let batch = batch.map_err(|error| Error::Training(error.to_string()))?;
                let batch = batch.to_device(&device.clone().autodiff());
                (model, _) = model.learn(&mut optimizer, self.training.lr, batch);
            }
        }
        Ok(model.valid())
    }
}

/// Where it is computed on, and where the results go.
#[derive(clap::Args, Clone, Debug)]
pub struct OutArgs {
    /// Backend to train on, one of those built in: flex, ndarray, wgpu, cuda, cuda:1, ... [default: the first that
    /// is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,

    /// Folder for everything that the run leaves behind, new or empty. [default: the example's name under out, or
    /// the first with -2, -3, ... that is not there]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl OutArgs {
    /// The device, and the folder of a new run with its configuration in it.
    pub fn open<C: Serialize>(&self, name: &str, config: &C) -> Result<(Device, Run)> {
        self.open_run(name, config, false)
    }

    /// As [`open`](Self::open), or with the folder of a run to go on with.
    pub fn open_run<C: Serialize>(
        &self,
        name: &str,
        config: &C,
        resume: bool,
    ) -> Result<(Device, Run)> {
        let devices = Devices::named(self.device.as_deref())?;
        println!("device: {}", devices.name());
        let numbered = || Run::numbered(PathBuf::from("out").join(name), resume);
        let folder = self.out.clone().unwrap_or_else(numbered);
        let run = if resume {
            Run::resume(folder, config)?
        } else {
            Run::begin(folder, config)?
        };
        Ok((devices.device(), run))
    }
}

/// Where data comes from, where it is computed on, and where the results go.
#[derive(clap::Args, Debug)]
pub struct PlaceArgs {
    #[command(flatten)]
    pub data: DataArgs,

    #[command(flatten)]
    pub out: OutArgs,
}

/// What an epoch's terms amount to, in words.
type Summary = dyn Fn(&BTreeMap<String, f64>) -> String + Send + Sync;

/// One run of an example.
pub struct Session<C> {
    /// Of the example.
    name: &'static str,
    pub data: Mnist,
    pub devices: Devices,
    settings: Settings<C>,
    training: TrainingArgs,
    args: RunArgs,
    summary: Arc<Summary>,
    /// What the losses are measured in, as it is printed.
    unit: &'static str,
    /// What judges, once it was asked to.
    judge: RefCell<Option<Judge>>,
    /// Once it is trained.
    report: RefCell<Option<RunReport>>,
}

impl<C: Serialize + Clone> Session<C> {
    /// Checks the flags, loads the data and seeds the device; `config` is what defines the run, and `summary`
    /// says what an epoch's terms amount to. Nothing is written yet.
    pub fn open(
        name: &'static str,
        args: RunArgs,
        training: &TrainingArgs,
        config: &C,
        summary: impl Fn(&BTreeMap<String, f64>) -> String + Send + Sync + 'static,
    ) -> Result<Self> {
        let data = |args: &RunArgs| args.data.load(training.limit);
        Self::open_on(data, name, args, training, config, summary)
    }

    /// As [`open`](Self::open), on other data.
    pub fn open_on(
        data: impl FnOnce(&RunArgs) -> Result<Mnist>,
        name: &'static str,
        args: RunArgs,
        training: &TrainingArgs,
        config: &C,
        summary: impl Fn(&BTreeMap<String, f64>) -> String + Send + Sync + 'static,
    ) -> Result<Self> {
        positive("--epochs", args.epochs)?;
        training.check()?;
        let devices = Devices::named(args.device.as_deref())?;
        let data = data(&args)?;
        println!("device: {}", devices.name());
        if args.judge && data.test.len() <= judge::FEATURES {
            return Err(Error::Config(format!(
                "--judge needs more than {} test images, not {}",
                judge::FEATURES,
                data.test.len()
            )));
        }
        devices.training().seed(training.seed);
        Ok(Self {
            name,
            settings: Settings {
                config: config.clone(),
                data: Some(DataIdentity::of(&data)),
            },
            data,
            devices,
            training: training.clone(),
            args,
            summary: Arc::new(summary),
            unit: " nats/image",
            judge: RefCell::default(),
            report: RefCell::default(),
        })
    }

    /// Says that the losses have no unit: a critic's scores are among them.
    pub fn without_unit(mut self) -> Self {
        self.unit = "";
        self
    }

    /// The device that holds the model.
    pub fn device(&self) -> Device {
        self.devices.device()
    }

    /// The training and the test images, all of which are in `[0, 1]` or what else a loss explains.
    pub fn images(&self, check: impl Fn(&Tensor<4>, &str) -> Result<()>) -> Result<[Tensor<4>; 2]> {
        let train = self.data.train.images(&self.device());
        let test = self.data.test.images(&self.device());
        check(&train, "training images")?;
        check(&test, "test images")?;
        Ok([train, test])
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.training.seed
    }

    /// The learning rate of the run.
    pub fn lr(&self) -> f64 {
        self.training.lr
    }

    /// The learning rates of a model whose critic has one of its own.
    pub fn rates(&self, critic_lr: f64) -> Result<ModuleLrScheduler> {
        let critic_lr = rate("--critic-lr", critic_lr)?;
        Ok(ModuleLrScheduler::new(self.training.lr).with_group(critics(), critic_lr))
    }

    /// The training that the flags ask for.
    pub fn fit(&self) -> Fit {
        let summary = self.summary.clone();
        let fit = Fit::new(self.args.epochs, self.training.batch_size)
            .seed(self.training.seed)
            .devices(&self.devices)
            .summary(move |terms| summary(terms));
        if self.args.gif {
            fit.keep_checkpoints()
        } else {
            fit
        }
    }

    /// Trains a model, or what is left of its training, and gives it back as in evaluation.
    pub fn train<M: Trainable>(
        &self,
        fit: &Fit,
        model: M,
        optimizer: ModuleOptimizer,
        rates: impl Rates,
        [train, test]: [&<M as Model>::Input; 2],
    ) -> Result<(M, Vec<Epoch>)> {
        let resume = self.args.resume;
        let base = PathBuf::from("out").join(self.name);
        let folder = match &self.args.out {
            Some(folder) => folder.clone(),
            None => Run::numbered(base, resume),
        };
        let run = if resume {
            Run::resume(folder, &self.settings)?
        } else {
            Run::begin(folder, &self.settings)?
        };
        let run = run.with_data(&self.data.origin.name())?;
        let trained = fit.run(&run, model, optimizer, rates, train, test)?;
        self.report
            .replace(Some(RunReport::new(&run, self.name, self.unit.trim())));
        Ok(trained)
    }

    /// Adds to the report of the training.
    fn report(&self, add: impl FnOnce(&mut RunReport) -> Result<()>) -> Result<()> {
        self.report.borrow_mut().as_mut().map_or(Ok(()), add)
    }

    /// Writes a picture made of pixels, each drawn `zoom` by `zoom`, and shows it in the report.
    pub fn save_pixels(
        &self,
        file: &str,
        [title, text]: [&str; 2],
        picture: RgbImage,
        zoom: usize,
    ) -> Result<()> {
        self.report(|report| report.pixels(file, title, text, picture, zoom))
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
        self.report(|report| report.chart("latent.png", "Latent space", text, picture))
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
    pub fn save_grid(&self, file: &str, [title, text]: [&str; 2], images: Tensor<4>) -> Result<()> {
        self.report(|report| report.images(file, title, text, images))
    }

    /// The samples of a model, `samples.png`; over the epochs and judged, where that was asked for.
    pub fn save_samples<M>(&self, model: &M) -> Result<()>
    where
        M: Sampler<Value = Tensor<4>>,
    {
        let device = self.device();
        self.save_samples_by(model, |model, n| model.sample(n, &device))
    }

    /// The same of a model that is not sampled by itself: `sample` draws so many images from it.
    pub fn save_samples_by<M: Module>(
        &self,
        model: &M,
        sample: impl Fn(&M, usize) -> Tensor<4>,
    ) -> Result<()> {
        self.device().seed(self.seed());
        let words = [
            "Samples",
            "What the decoder makes of draws of the prior, none chosen.",
        ];
        self.save_grid("samples.png", words, sample(model, 144))?;
        if self.args.gif {
            self.animate(model, &sample)?;
        }
        self.judge_samples("", |n| sample(model, n))
    }

    /// Says how samples differ from test images, where that was asked for; `of` tells them from others of the run.
    pub fn judge_samples(&self, of: &str, sample: impl Fn(usize) -> Tensor<4>) -> Result<()> {
        if !self.args.judge {
            return Ok(());
        }
        let judge = match self.judge.take() {
            Some(judge) => judge,
            None => Judge::train(&self.data.train, &self.device())?,
        };
        self.device().seed(self.seed());
        for mut measured in judge.compare(&self.data.test, sample)? {
            measured.name += of;
            self.measured(measured)?;
        }
        self.judge.replace(Some(judge));
        Ok(())
    }

    /// Samples from where the codes are, `mixture.png`: of a mixture of Gaussians that is fitted to the codes of training images;
    /// and how they differ from test images. Where judging was asked for.
    pub fn judge_mixture(
        &self,
        train: Tensor<4>,
        encode: impl Fn(Tensor<4>) -> Tensor<2>,
        decode: impl Fn(Tensor<2>) -> Tensor<4>,
    ) -> Result<()> {
        if !self.args.judge {
            return Ok(());
        }
        let some = train.dims()[0].min(15_000);
        let codes = in_batches(train.narrow(0, 0, some), encode);
        let mixture = MixtureFit::new(50.min(codes.dims()[0]))
            .with_restarts(1)
            .with_iterations(30)
            .with_regularization(0.01)
            .fit_full(codes)?;
        let device = self.device();
        let sample = |n| decode(mixture.sample(n, &device));
        let text = "What the decoder makes of draws of a mixture of Gaussians that was fitted to the codes.";
        let words = ["Samples from where the codes are", text];
        self.save_grid("mixture.png", words, sample(144))?;
        self.judge_samples(", from a mixture on the codes", sample)
    }

    /// How probable the test images are, if that was asked for.
    pub fn measure_nll<M>(&self, model: &M, test: Tensor<4>, nll: &NllArgs) -> Result<()>
    where
        M: LatentVariableModel<Input = Tensor<4>>,
    {
        self.report(|report| nll.measure(model, test, self.seed(), report))
    }

    /// The same draws of the prior, decoded after each epoch: `samples.gif`.
    fn animate<M: Module>(
        &self,
        model: &M,
        sample: &impl Fn(&M, usize) -> Tensor<4>,
    ) -> Result<()> {
        self.report(|report| {
            let checkpoints = Checkpoints::new(report.run().path("checkpoint"));
            let frame = |epoch| {
                let model = checkpoints.load_model(epoch, model.clone())?.valid();
                self.device().seed(self.seed());
                plot::grid(sample(&model, 72), 12, 2)
            };
            let epochs = checkpoints.epochs().into_iter();
            let frames = epochs.map(frame).collect::<Result<Vec<_>>>()?;
            let text = "The same draws of the prior, decoded after each epoch.";
            report.animation("samples.gif", "Samples over the epochs", text, &frames)
        })
    }

    /// Writes what else a trained model leaves in the folder of its run.
    pub fn write(&self, write: impl FnOnce(&Run) -> Result<()>) -> Result<()> {
        self.report(|report| write(report.run()))
    }

    /// Prints a number that the run is judged by, and shows it in the report.
    pub fn measured(&self, measured: Measured) -> Result<()> {
        println!("{measured}");
        self.report(|report| {
            report.measured(measured);
            Ok(())
        })
    }

    /// Writes the report, and says what the last epoch came to.
    pub fn finish(&self, epochs: &[Epoch]) -> Result<()> {
        let Some(report) = self.report.take() else {
            return Ok(());
        };
        let folder = report.run().folder().display().to_string();
        report.save()?;
        println!("wrote report.html, pictures, metrics and weights to {folder}");
        if let Some(last) = epochs.last() {
            println!("test: {}{}", (self.summary)(&last.test), self.unit);
        }
        Ok(())
    }
}

/// A number without an error or a unit.
pub fn plain(name: &str, value: f64) -> Measured {
    Measured {
        name: name.to_string(),
        value,
        standard_error: None,
        unit: String::new(),
    }
}

/// A mean, in nats an image.
pub fn nats(name: &str, estimate: Estimate) -> Measured {
    Measured {
        standard_error: Some(estimate.standard_error),
        unit: "nats/image".to_string(),
        ..plain(name, estimate.mean)
    }
}

/// A share of a hundred, with its standard error.
pub fn percent(name: &str, estimate: Estimate) -> Measured {
    Measured {
        unit: "%".to_string(),
        ..nats(name, estimate)
    }
}

/// Every value in `[0, 1]`: what a critic compares squashed images with.
pub fn unit_interval(images: &Tensor<4>, what: &str) -> Result<()> {
    Support::UnitInterval.check(images, what)
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
    ParamGroup::from_regex("(^|\\.)critic\\.").expect("a valid pattern")
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
pub fn gradient_energy(images: Tensor<4>) -> Result<f64> {
    let [n, _, height, width] = images.dims();
    let difference = |axis: usize, side: usize| {
        let side = side - 1;
        images.clone().narrow(axis, 1, side) - images.clone().narrow(axis, 0, side)
    };
    let energy = difference(2, height).square().sum() + difference(3, width).square().sum();
    Ok(energy.try_into_scalar::<f64>()? / n as f64)
}
