//! Trains a variational autoencoder on MNIST and shows what it learned.
//!
//!     cargo run --example vae_mnist
//!     cargo run --example vae_mnist -- --arch conv --latent-dim 2
//!     cargo run --example vae_mnist -- --help
//!
//! With its defaults it is the VAE of the PyTorch examples, which ends near 105.6 nats per test image.

mod common;

use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::{InferenceStep, Learner, LearnerModel, SupervisedTraining, TrainStep};
use burn_generative::data::{TensorLoader, mnist::Mnist};
use burn_generative::loss::{
    ContinuousBernoulliNll, L1Loss, LearnedGaussianNll, Likelihood, Losses,
};
use burn_generative::nn::initialize;
use burn_generative::plot::{self, Series};
use burn_generative::prelude::*;
use burn_generative::train::{Checkpoints, Epoch, Guard, History, ProgressLines, TermMetric};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::{DataArgs, DataIdentity, Out, positive};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Train a variational autoencoder on MNIST.
///
/// Leaves pictures (reconstructions, samples, the latent space, loss curves), metrics, checkpoints
/// and weights in a folder, and prints the test loss last.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    /// How often to go through the training images.
    #[arg(long, default_value_t = 10, value_name = "N")]
    epochs: usize,

    #[command(flatten)]
    data: DataArgs,

    /// Backend to train on, one of those built in (`--features wgpu` adds wgpu): flex, ndarray,
    /// wgpu, vulkan, metal, cuda, ... [default: the first that is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Folder for everything that the run leaves behind, new or empty. [default: out/vae_mnist, or the
    /// first of out/vae_mnist-2, -3, ... that is not there]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Continue the run in --out (or the last of the default folders) after its last finished epoch.
    #[arg(long)]
    resume: bool,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// Networks: a multi-layer perceptron, or convolutions (slower on a CPU).
    #[arg(long, default_value = "mlp")]
    arch: Arch,

    /// Number of latent coordinates; with 2, the latent plane itself is drawn.
    #[arg(long, default_value_t = 20, value_name = "N")]
    latent_dim: usize,

    /// Width of the hidden dense layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 400, value_name = "N")]
    hidden: usize,

    /// How a pixel is distributed around the decoder's output.
    #[arg(long, default_value = "bernoulli")]
    likelihood: LikelihoodKind,

    /// Weight of the KL term: 1 is the evidence lower bound, more is a beta-VAE.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    beta: f64,

    /// Training steps over which the KL weight rises to --beta.
    #[arg(long, default_value_t = 0, value_name = "N")]
    warmup_steps: usize,

    /// KL in nats per image below which it is not pushed further down.
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    free_bits: f64,

    /// Images in a training step.
    #[arg(long, default_value_t = 128, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Use only the first N training and the first N test images.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Seed of the weights, the order of the images, and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Arch {
    Mlp,
    Conv,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LikelihoodKind {
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    LearnedGaussian,
    SquaredError,
    L1,
}

impl LikelihoodKind {
    fn init(self, device: &Device) -> Likelihood {
        match self {
            Self::Bernoulli => Likelihood::Bernoulli(BernoulliNll),
            Self::ContinuousBernoulli => Likelihood::ContinuousBernoulli(ContinuousBernoulliNll),
            Self::Gaussian => Likelihood::Gaussian(GaussianNll::default()),
            Self::LearnedGaussian => Likelihood::LearnedGaussian(LearnedGaussianNll::new(device)),
            Self::SquaredError => Likelihood::SquaredError(SquaredError),
            Self::L1 => Likelihood::L1(L1Loss),
        }
    }
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    positive("--epochs", args.epochs)?;
    positive("--batch-size", config.batch_size)?;
    if !(config.lr > 0.0 && config.lr.is_finite()) {
        return Err(Error::Config(format!(
            "--lr must be a positive number, not {}",
            config.lr
        )));
    }
    let (device, device_name) = common::device(args.device.as_deref())?;
    let data = args.data.load(config.limit)?;
    println!("device: {device_name}");
    let settings = Settings {
        config: config.clone(),
        data: DataIdentity::of(&data),
    };
    let out = Out::check(args.out.as_deref(), "vae_mnist", &settings, args.resume)?;

    let shape = data.train.shape();
    let (latent_dim, hidden) = (config.latent_dim, config.hidden);
    let run = Run {
        args,
        settings,
        out,
        data,
        device,
        device_name,
    };

    let device = run.device.clone().autodiff();
    device.seed(run.args.config.seed);
    match run.args.config.arch {
        Arch::Mlp => {
            let encoder =
                MlpEncoderConfig::new(shape.to_vec(), latent_dim).with_hidden(vec![hidden]);
            let decoder =
                MlpDecoderConfig::new(latent_dim, shape.to_vec()).with_hidden(vec![hidden]);
            run.train(encoder.init_gaussian(&device)?, decoder.init(&device)?)
        }
        Arch::Conv => {
            let encoder = ConvEncoderConfig::new(shape, latent_dim).with_hidden(hidden);
            let decoder = ConvDecoderConfig::new(latent_dim, shape).with_hidden(hidden);
            run.train(encoder.init_gaussian(&device)?, decoder.init(&device)?)
        }
    }
}

/// What `config.json` holds: enough to build the model again, and to know its data.
#[derive(Clone, Serialize)]
struct Settings {
    #[serde(flatten)]
    config: Config,
    data: DataIdentity,
}

struct Run {
    args: Args,
    settings: Settings,
    out: Out,
    data: Mnist,
    device: Device,
    device_name: String,
}

type ImageVae<E, D> = Vae<E, D, StandardNormal, Likelihood>;

impl Run {
    fn train<E, D>(self, encoder: E, decoder: D) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian> + Module + 'static,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>> + Module + 'static,
        ImageVae<E, D>: Module + Display,
    {
        let config = &self.args.config;
        let vae = VaeConfig::new()
            .with_beta(config.beta)
            .with_warmup_steps(config.warmup_steps)
            .with_free_bits(config.free_bits)
            .init(
                encoder,
                decoder,
                StandardNormal::new(config.latent_dim),
                config.likelihood.init(&self.device.clone().autodiff()),
            )?;
        initialize(&vae);
        let train = self.data.train.images(&self.device);
        let test = self.data.test.images(&self.device);
        vae.support().check(&train, "training images")?;
        vae.support().check(&test, "test images")?;

        // Nothing is written before everything is known to work.
        let checkpoints = Checkpoints::new(self.out.path("checkpoint"));
        let finished = match self.args.resume {
            true => self.finished(&checkpoints, &vae)?,
            false => Vec::new(),
        };
        let done = finished.len();
        self.out.begin(&self.settings)?;

        let history = History::new(finished);
        let vae = match done < self.args.epochs {
            true => self.fit(vae, &train, &test, &checkpoints, done, &history)?,
            false => {
                println!("the run has finished its {done} epochs; drawing its pictures");
                checkpoints.load_model(done, vae)?.valid()
            }
        };
        let epochs = history.epochs();
        self.draw(&vae, test, &epochs)?;
        self.save(vae)?;
        let Some(last) = epochs.last() else {
            return Err(Error::Training("no epoch was finished".to_string()));
        };
        println!(
            "wrote pictures, metrics and weights to {}",
            self.out.folder().display()
        );
        println!("test: {} nats/image", sum(&last.test, config.beta));
        Ok(())
    }

    /// The epochs to resume after: the last that has both its metrics and its checkpoint. (A run may be
    /// killed between the two.)
    fn finished<M: Module>(&self, checkpoints: &Checkpoints, model: &M) -> Result<Vec<Epoch>> {
        let mut epochs = self.out.epochs()?;
        let saved = checkpoints.epochs();
        let Some(&epoch) = saved.iter().rfind(|&&epoch| epoch <= epochs.len()) else {
            let reason = "holds no checkpoint to resume from; start anew in another --out";
            return Err(Error::record(self.out.path("checkpoint"), reason));
        };
        checkpoints.verify(epoch, model)?;
        println!("resuming after epoch {epoch}");
        epochs.truncate(epoch);
        Ok(epochs)
    }

    /// Trains with burn's own `Learner`, from the epoch after `done`.
    fn fit<M>(
        &self,
        model: M,
        train: &Tensor<4>,
        test: &Tensor<4>,
        checkpoints: &Checkpoints,
        done: usize,
        history: &History,
    ) -> Result<M>
    where
        M: LearnerModel,
        M: TrainStep<Input = Tensor<4>, Output = Losses>,
        M: InferenceStep<Input = Tensor<4>, Output = Losses>,
    {
        let Config {
            batch_size,
            seed,
            lr,
            ..
        } = self.args.config;
        let loader = |images: &Tensor<4>| {
            TensorLoader::new(images.clone(), batch_size)
                .seed(seed)
                .first_epoch(done + 1)
        };
        let guard = Guard::new();
        let metric = |term| TermMetric::new(term, &guard);
        let dashboard = std::io::stdout().is_terminal();

        let mut training = SupervisedTraining::new(
            self.out.path(""),
            Arc::new(loader(train).shuffle()),
            Arc::new(loader(test)),
        )
        .metrics((
            metric(Losses::TOTAL),
            metric("reconstruction"),
            metric("kl"),
        ))
        .with_metric_logger(self.recorder(history, guard.clone(), dashboard))
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .with_interrupter(guard.interrupter())
        .with_application_logger(None)
        .num_epochs(self.args.epochs);
        training = checkpoints.register(training);
        if done > 0 {
            training = training.checkpoint(done);
        }
        if !dashboard {
            training = training.renderer(Box::new(ProgressLines::new(Duration::from_secs(10))));
        }

        let optimizer = AdamConfig::new().with_epsilon(1e-8).init();
        let result = training.launch(Learner::new(model, optimizer, lr));
        drop(result.renderer);
        let finished = checkpoints.epochs().last().copied().unwrap_or(0);
        if finished == self.args.epochs {
            return Ok(result.model);
        }
        let reason = match (guard.reason(), result.error) {
            (Some(reason), _) => reason,
            (None, Some(error)) => error.to_string(),
            (None, None) => "by request; continue with --resume".to_string(),
        };
        let out = self.out.folder().display();
        let kept = match finished {
            0 => "no epoch was finished".to_string(),
            epoch => format!("{out} keeps the checkpoint of epoch {epoch}"),
        };
        let epoch = finished + 1;
        Err(Error::Training(format!(
            "in epoch {epoch}: {reason}; {kept}"
        )))
    }

    /// Writes `metrics.json` after every epoch, and prints a line where there is no dashboard.
    fn recorder(&self, history: &History, guard: Guard, dashboard: bool) -> History {
        let (settings, out) = (self.settings.clone(), self.out.clone());
        let beta = self.args.config.beta;
        let (origin, device) = (self.data.origin.clone(), self.device_name.clone());
        let total = self.args.epochs;
        history.clone().on_epoch(move |epochs| {
            if let Err(error) = out.metrics(&settings, &origin, &device, epochs) {
                guard.stop(&error.to_string());
            }
            if let (Some(epoch), false) = (epochs.last(), dashboard) {
                println!(
                    "epoch {}/{total}: train {}; test {}; {:.1} s",
                    epoch.epoch,
                    sum(&epoch.train, beta),
                    sum(&epoch.test, beta),
                    epoch.seconds
                );
            }
        })
    }

    fn draw<E, D>(&self, vae: &ImageVae<E, D>, test: Tensor<4>, epochs: &[Epoch]) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>> + Module,
    {
        let save = |picture, name| plot::save(&picture, self.out.path(name));
        let image = |output| vae.likelihood.mean(output);

        // Two rows of originals, each with its reconstructions below.
        let (columns, shown) = (12, 24.min(test.dims()[0]));
        let originals = test.clone().narrow(0, 0, shown);
        let reconstructed = image(vae.reconstruct(originals.clone()));
        let rows = (0..shown).step_by(columns).flat_map(|start| {
            let length = columns.min(shown - start);
            [&originals, &reconstructed].map(|images| images.clone().narrow(0, start, length))
        });
        save(
            plot::grid(Tensor::cat(rows.collect(), 0), columns.min(shown), 2)?,
            "reconstructions.png",
        )?;

        self.device.seed(self.args.config.seed);
        save(
            plot::grid(image(vae.sample(144, &self.device)), 12, 2)?,
            "samples.png",
        )?;

        let means = latent_means(vae, test)?;
        let labels = self.data.test.labels();
        save(latent_map(&means, labels)?, "latent.png")?;

        if self.args.config.latent_dim == 2 {
            // The first coordinate runs to the right, the second upwards.
            let side = 15;
            let at = |step: usize| -4.0 + 8.0 * step as f32 / (side - 1) as f32;
            let walk: Vec<f32> = (0..side)
                .rev()
                .flat_map(|row| (0..side).flat_map(move |column| [at(column), at(row)]))
                .collect();
            let walk = Tensor::from_data(TensorData::new(walk, [side * side, 2]), &self.device);
            save(
                plot::grid(image(vae.decode(walk)), side, 1)?,
                "manifold.png",
            )?;
        }
        save(loss_curves(epochs)?, "curves.png")
    }

    /// The weights, in burn's own format and in SafeTensors.
    fn save<M: Module>(&self, model: M) -> Result<()> {
        let path = self.out.path("model.safetensors");
        let mut store = SafetensorsStore::from_file(&path).overwrite(true);
        model
            .save_into(&mut store)
            .map_err(|error| Error::record(&path, error.to_string()))?;
        let path = self.out.path("model.bpk");
        model
            .save_file(&path)
            .map_err(|error| Error::record(&path, error.to_string()))
    }
}

/// `loss L = reconstruction R + kl K`, with the weight of the KL where it is not 1.
fn sum(terms: &BTreeMap<String, f64>, beta: f64) -> String {
    let term = |name| terms.get(name).copied().unwrap_or(f64::NAN);
    let weight = match beta {
        1.0 => String::new(),
        beta => format!("{beta} * "),
    };
    format!(
        "loss {:.2} = reconstruction {:.2} + {weight}kl {:.2}",
        term(Losses::TOTAL),
        term("reconstruction"),
        term("kl")
    )
}

/// The posterior mean of every image, in batches that any machine has room for.
fn latent_means<E, D>(vae: &ImageVae<E, D>, images: Tensor<4>) -> Result<Vec<Vec<f64>>>
where
    E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
{
    let mut means = Vec::new();
    for batch in images.split(1000, 0) {
        let mean = vae.encode(batch).mean();
        let width = mean.dims()[1];
        let values: Vec<f64> = mean.try_into_data_as::<f64>()?.iter::<f64>().collect();
        means.extend(values.chunks(width).map(<[f64]>::to_vec));
    }
    Ok(means)
}

fn latent_map(means: &[Vec<f64>], labels: &[u8]) -> Result<plot::RgbImage> {
    if means.first().is_some_and(|mean| mean.len() == 2) {
        let points: Vec<[f64; 2]> = means.iter().map(|mean| [mean[0], mean[1]]).collect();
        return plot::scatter(
            "Test images in the latent plane",
            ["z1", "z2"],
            &points,
            labels,
        );
    }
    let (points, share) = plot::principal_components(means);
    let axis = |k: usize| {
        format!(
            "component {} ({:.0}% of the variance)",
            k + 1,
            100.0 * share[k]
        )
    };
    let title = "Test images, first two principal components of the latent means";
    plot::scatter(title, [&axis(0), &axis(1)], &points, labels)
}

fn loss_curves(epochs: &[Epoch]) -> Result<plot::RgbImage> {
    let values = |name: &str, terms: fn(&Epoch) -> &BTreeMap<String, f64>| {
        epochs
            .iter()
            .filter_map(|epoch| terms(epoch).get(name).copied())
            .collect()
    };
    let panel = |name: &str| {
        let series = |label: &str, values, dotted, colour| Series {
            name: label.to_string(),
            values,
            dotted,
            colour,
        };
        let train = series("train", values(name, |epoch| &epoch.train), false, 0);
        let test = series("test", values(name, |epoch| &epoch.test), true, 1);
        (format!("{name} (nats per image)"), vec![train, test])
    };
    plot::curves(&[Losses::TOTAL, "reconstruction", "kl"].map(panel))
}
