//! Classifies digits by a hundred labels and sixty thousand images: the semi-supervised VAEs of Kingma et al. 2014.
//!
//!     cargo run --example semi_supervised_mnist
//!     cargo run --example semi_supervised_mnist -- --model m2 --out out/m2
//!
//! The default, M1+M2, trains a VAE of the images first, without a label, and then a semi-supervised one of its codes; each in a folder
//! of its own, and each goes on where it was stopped.

mod common;

use burn::prelude::*;
use burn_generative::data::mnist::Mnist;
use burn_generative::device::Devices;
use burn_generative::metric::Estimate;
use burn_generative::nn::{LabeledDecoder, LabeledRowEncoder, initialize};
use burn_generative::plot::RunReport;
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, Fit, FusedAdamConfig, Run, Trainable};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::{TrainingArgs, percent, plain};
use common::{DataArgs, in_batches, positive, share};
use rand::{SeedableRng, seq::SliceRandom};
use rand_pcg::Pcg64;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train a semi-supervised VAE on MNIST with few labels, and print the share of test images that it gets wrong.
///
/// Leaves a run of each stage in a folder: report.html, samples of every class, metrics, checkpoints and weights. The same command goes
/// on with what is there.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    data: DataArgs,

    /// Backend to train on, one of those built in. [default: the first that is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Folder of the runs.
    #[arg(long, default_value = "out/semi_supervised_mnist", value_name = "DIR")]
    out: PathBuf,
}

/// What defines a run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// M2 of the images, or M1+M2.
    #[arg(long, default_value = "m1-m2")]
    model: Kind,

    /// Labels, the same number of every class; the seed says of which images.
    #[arg(long, default_value_t = 100, value_name = "N")]
    labels: usize,

    /// Epochs of the first stage, the VAE of the images.
    #[arg(long, default_value_t = 12, value_name = "N")]
    first_epochs: usize,

    /// Epochs of the semi-supervised VAE.
    #[arg(long, default_value_t = 40, value_name = "N")]
    epochs: usize,

    /// Coordinates of the latent that stands beside the class: what they can say, the class need not.
    #[arg(long, default_value_t = 10, value_name = "N")]
    latent: usize,

    /// What share of a step's samples has a label: the labelled ones are repeated so often.
    #[arg(long, default_value_t = 0.1, value_name = "X")]
    share: f64,

    /// The weight of the classifier's cross-entropy. [default: 0.1 / share, as in the paper]
    #[arg(long, value_name = "X")]
    weight: Option<f64>,

    /// Epochs over which what images without a label teach the classifier rises from nothing.
    #[arg(long, default_value_t = 3, value_name = "N")]
    warmup_epochs: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

/// What defines the first stage, which several second ones may stand on.
#[derive(Serialize)]
struct First<'a> {
    first_epochs: usize,
    #[serde(flatten)]
    training: &'a TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A semi-supervised VAE of the images.
    M2,
    /// One of the codes of a VAE.
    #[value(name = "m1-m2")]
    M1M2,
}

/// Coordinates of a code of the first stage.
const CODE: usize = 50;
const CLASSES: usize = 10;
/// The hidden layers of every network of a stage, as the paper has them.
const FIRST: [usize; 2] = [600, 600];
const SECOND: [usize; 1] = [500];

/// Images and labels; those that are not to be known are `CLASSES`.
type Labeled = (Tensor<4>, Tensor<1, Int>);

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    config.training.check()?;
    positive("--epochs", config.epochs)?;
    positive("--first-epochs", config.first_epochs)?;
    positive("--latent", config.latent)?;
    if config.labels == 0 || !config.labels.is_multiple_of(CLASSES) {
        return Err(Error::Config(format!(
            "--labels must be a multiple of {CLASSES}, the same number of every class, not {}",
            config.labels
        )));
    }
    share("--share", config.share)?;
    let devices = Devices::named(args.device.as_deref())?;
    println!("device: {}", devices.name());
    let data = args.data.load(config.training.limit)?;
    let training = devices.training();
    training.seed(config.training.seed);
    let stage = Stage {
        config,
        devices: &devices,
        data: &data,
    };
    let labeled = [stage.labeled()?, stage.tested()];
    let steps = devices.steps(labeled[0].len(), config.training.batch_size);
    let m2 = SemiSupervisedVaeConfig::new(CLASSES)
        .with_classification_weight(config.weight.unwrap_or(0.1 / config.share))
        .with_warmup_steps(config.warmup_epochs.saturating_mul(steps));
    let latent = config.latent;
    let shape = data.train.shape();
    match config.model {
        Kind::M2 => {
            let pixels: usize = shape.iter().product();
            let of_images = encoder(vec![pixels + CLASSES], latent, &SECOND);
            let of_images = of_images.init_gaussian(&training)?;
            let to_images = decoder(latent + CLASSES, shape.to_vec(), &SECOND).init(&training)?;
            let model = m2.init(
                LabeledRowEncoder::new(of_images, CLASSES),
                LabeledDecoder::new(to_images, CLASSES),
                encoder(shape.to_vec(), CLASSES, &SECOND).init(&training)?,
                StandardNormal::new(latent),
                BernoulliNll,
            )?;
            stage.classify(
                model,
                &labeled,
                &stage.open(&args.out.join("second"), config)?,
                |model, x| model.classify(x),
                |model, y| model.sample_labeled(y),
            )
        }
        Kind::M1M2 => {
            let first = Vae::new(
                encoder(shape.to_vec(), CODE, &FIRST).init_gaussian(&training)?,
                decoder(CODE, shape.to_vec(), &FIRST).init(&training)?,
                StandardNormal::new(CODE),
                BernoulliNll,
            );
            let [train, test] =
                [&data.train, &data.test].map(|part| part.images(&devices.device()));
            let epochs = config.first_epochs;
            let settings = First {
                first_epochs: epochs,
                training: &config.training,
            };
            let run = stage.open(&args.out.join("first"), &settings)?;
            let (first, report) = stage.fit(&run, epochs, first, [&train, &test])?;
            report.save()?;

            let encoder_of_codes = encoder(vec![CODE + CLASSES], latent, &SECOND);
            let decoder_to_codes = decoder(latent + CLASSES, vec![CODE], &SECOND);
            let second = m2.init(
                LabeledRowEncoder::new(encoder_of_codes.init_gaussian(&training)?, CLASSES),
                LabeledDecoder::new(decoder_to_codes.init_gaussian(&training)?, CLASSES),
                encoder(vec![CODE], CLASSES, &SECOND).init(&training)?,
                StandardNormal::new(latent),
                Nll,
            )?;
            let first = first.train();
            let model = StackedSemiSupervisedVae::new(first, second);
            stage.classify(
                model,
                &labeled,
                &stage.open(&args.out.join("second"), config)?,
                |model, x| model.classify(x),
                |model, y| model.sample_labeled(y),
            )
        }
    }
}

fn encoder(shape: Vec<usize>, latent: usize, hidden: &[usize]) -> MlpEncoderConfig {
    MlpEncoderConfig::new(shape, latent).with_hidden(hidden.to_vec())
}

fn decoder(latent: usize, shape: Vec<usize>, hidden: &[usize]) -> MlpDecoderConfig {
    MlpDecoderConfig::new(latent, shape).with_hidden(hidden.to_vec())
}

struct Stage<'a> {
    config: &'a Config,
    devices: &'a Devices,
    data: &'a Mnist,
}

impl Stage<'_> {
    /// All training images without their labels, and some of every class with theirs, as often as they are to be seen.
    fn labeled(&self) -> Result<Labeled> {
        let device = self.devices.device();
        let images = self.data.train.images(&device);
        let count = images.dims()[0];
        let of_class = self.config.labels / CLASSES;
        let mut left = [of_class; CLASSES];
        let (mut rows, mut known) = (Vec::new(), Vec::new());
        let labels = self.data.train.labels();
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut Pcg64::seed_from_u64(self.config.training.seed));
        for row in order {
            let label = usize::from(labels[row]);
            if left.get(label).is_some_and(|&left| left > 0) {
                left[label] -= 1;
                rows.push(row as i64);
                known.push(label as i64);
            }
        }
        if let Some(class) = left.iter().position(|&left| left > 0) {
            return Err(Error::Config(format!(
                "--labels {} asks for {of_class} of every class, and of class {class} there are only {}",
                self.config.labels,
                of_class - left[class],
            )));
        }
        let share = self.config.share;
        let wanted = (count as f64 * share / (1.0 - share) / rows.len() as f64).ceil();
        let times = (wanted as usize).max(1);
        let rows = Tensor::<1, Int>::from_data(TensorData::from(rows.as_slice()), &device);
        let known = Tensor::<1, Int>::from_data(TensorData::from(known.as_slice()), &device);
        let repeated = images.clone().select(0, rows).repeat_dim(0, times);
        let unknown = Tensor::full([count], CLASSES as i64, &device);
        Ok((
            Tensor::cat(vec![images, repeated], 0),
            Tensor::cat(vec![unknown, known.repeat_dim(0, times)], 0),
        ))
    }

    fn tested(&self) -> Labeled {
        let device = self.devices.device();
        let labels: Vec<i64> = self
            .data
            .test
            .labels()
            .iter()
            .map(|&label| label.into())
            .collect();
        let labels = Tensor::from_data(TensorData::from(labels.as_slice()), &device);
        (self.data.test.images(&device), labels)
    }

    /// The run in a folder, whose settings are these.
    fn open(&self, folder: &Path, settings: &impl Serialize) -> Result<Run> {
        println!("{}", folder.display());
        Run::open(folder, settings)?.with_data(&self.data.origin.name())
    }

    /// A model after its epochs, and the report of its run.
    fn fit<M: Trainable>(
        &self,
        run: &Run,
        epochs: usize,
        model: M,
        [train, test]: [&<M as Model>::Input; 2],
    ) -> Result<(M, RunReport)> {
        initialize(&model);
        let training = &self.config.training;
        let fit = Fit::new(epochs, training.batch_size)
            .seed(training.seed)
            .devices(self.devices);
        let adam = FusedAdamConfig::new().init()?;
        let (model, _epochs) = fit.run(run, model, adam, Cosine::new(training.lr), train, test)?;
        Ok((
            model,
            RunReport::new(run, "semi_supervised_mnist", "nats/image"),
        ))
    }

    /// Trains the semi-supervised stage, says how many test images it gets wrong, and draws some of every class.
    fn classify<M>(
        &self,
        model: M,
        [train, test]: &[Labeled; 2],
        run: &Run,
        classify: impl Fn(&M, Tensor<4>) -> Tensor<1, Int>,
        sample: impl Fn(&M, Tensor<1, Int>) -> Tensor<4>,
    ) -> Result<()>
    where
        M: Trainable + Model<Input = Labeled>,
    {
        let (model, mut report) = self.fit(run, self.config.epochs, model, [train, test])?;
        let (images, labels) = test;
        let found = in_batches(images.clone(), |images| classify(&model, images).float());
        let is_wrong = found.not_equal(labels.clone().float()).float();
        let is_wrong = is_wrong.mul_scalar(100.0);
        let measured = percent("test error", Estimate::of_batch(is_wrong)?);
        println!("{measured}");
        report.measured(measured);
        report.measured(plain("training images", self.data.train.len() as f64));
        let rows: Vec<i64> = (0..CLASSES * 12).map(|i| (i / 12) as i64).collect();
        let rows = Tensor::from_data(TensorData::from(rows.as_slice()), &images.device());
        let text = "A row a class, a column a draw.";
        report.images(
            "classes.png",
            "Samples of every class",
            text,
            sample(&model, rows),
        )?;
        report.save()
    }
}
