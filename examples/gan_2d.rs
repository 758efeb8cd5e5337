//! Adversarial models on 25 Gaussians in the plane: which of them finds all modes?
//!
//!     cargo run --example gan_2d
//!     cargo run --example gan_2d -- --model gan
//!     cargo run --example gan_2d -- --noise data --near-identity
//!     cargo run --example gan_2d -- --help
//!
//! The data is the grid {-4, -2, 0, 2, 4} x {-4, -2, 0, 2, 4} with sigma 0.05. The training loop is written
//! out: it is all there is to it. With `--noise` the generator is fed with data in the place of noise, and the picture says where
//! it carries them.

mod common;

use burn::nn::Linear;
use burn::optim::{ModuleOptimizer, RmsPropConfig};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::loss::{
    GradientPenalty, NonSaturating, Unregularized, Wasserstein, WeightClipping,
};
use burn_generative::nn::{MlpDecoder, initialize};
use burn_generative::plot::{self, Report};
use burn_generative::prelude::*;
use burn_generative::prior::{Empirical, SwissRollConfig};
use burn_generative::train::{CriticWatch, FusedAdamConfig};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::OutArgs;
use common::{positive, rate};
use serde::Serialize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Train an adversarial model on 25 Gaussians in the plane.
///
/// Leaves a report.html, a picture of data and samples and the counts of modes in a folder, and prints the counts last.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    out: OutArgs,
}

#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// The model.
    #[arg(long, default_value = "wgan-gp")]
    model: Kind,

    /// What the generator is fed with.
    #[arg(long, default_value = "normal")]
    noise: Noise,

    /// Let the generator say by how much it moves the point that it is fed with, and start near 0.
    #[arg(long)]
    near_identity: bool,

    /// Training steps: of the critic, and every fifth of the generator for wgan and wgan-gp; of all at once
    /// for gan and ali.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    steps: usize,

    /// Points in a training step.
    #[arg(long, default_value_t = 256, value_name = "N")]
    batch_size: usize,

    /// Width of the three hidden layers of every network.
    #[arg(long, default_value_t = 128, value_name = "N")]
    hidden: usize,

    /// Learning rate, falling to 0 over the second half. [default: 1e-3; for wgan 1e-4]
    #[arg(long, value_name = "X")]
    lr: Option<f64>,

    /// Seed of the weights, the data and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Gan,
    Wgan,
    WganGp,
    Ali,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Noise {
    /// Standard normal noise.
    Normal,
    /// Points of another set, a Swiss roll.
    Other,
    /// Points of the data.
    Data,
    /// Points of the data, and standard normal noise beside them.
    Both,
}

impl Noise {
    fn source(self, device: &Device) -> Result<Source> {
        let points = match self {
            Self::Normal => None,
            Self::Other => Some(SwissRollConfig::new().init()?.sample(FED, device) / SCALE),
            Self::Data | Self::Both => Some(data(FED, device)),
        };
        let has_noise = matches!(self, Self::Normal | Self::Both);
        Ok(Source {
            points: points.map(Empirical::new).transpose()?,
            normal: has_noise.then(|| StandardNormal::new(LATENT)),
        })
    }
}

/// Where what the generator is fed with comes from: points, noise, or both side by side.
#[derive(Module, Debug)]
struct Source {
    points: Option<Empirical>,
    normal: Option<StandardNormal>,
}

impl Source {
    fn latent_dim(&self) -> usize {
        LATENT * (usize::from(self.points.is_some()) + usize::from(self.normal.is_some()))
    }
}

impl Sampler for Source {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let points = self.points.iter().map(|points| points.sample(n, device));
        let normal = self.normal.iter().map(|normal| normal.sample(n, device));
        Tensor::cat(points.chain(normal).collect(), 1)
    }
}

/// A generator that says where a point is to go, or by how much it is to be moved.
#[derive(Module, Debug)]
struct Generator {
    network: MlpDecoder<Linear, 2>,
    is_residual: bool,
}

impl Decoder for Generator {
    type Latent = Tensor<2>;
    type Output = Tensor<2>;

    fn decode(&self, latent: Tensor<2>) -> Tensor<2> {
        let output = self.network.decode(latent.clone());
        if self.is_residual {
            // A tenth: what the weights of the start say is of the order of 1.
            latent.narrow(1, 0, LATENT) + output * 0.1
        } else {
            output
        }
    }
}

const LATENT: usize = 2;
/// Points of a set that the generator is fed with.
const FED: usize = 100_000;
const SIGMA: f64 = 0.05;
/// The networks see the plane at a quarter of its size, so that its coordinates are around 1.
const SCALE: f64 = 4.0;
/// Points that are drawn, and counted.
const SHOWN: usize = 10_000;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    positive("--steps", config.steps)?;
    positive("--batch-size", config.batch_size)?;
    positive("--hidden", config.hidden)?;
    config.lr.map(|lr| rate("--lr", lr)).transpose()?;
    // Before the training: a folder that cannot be written is known at once.
    let (device, run) = args.out.open("gan_2d", config)?;

    device.seed(config.seed);
    let drawn = train(config, &device)?;
    let moved = (drawn.samples.clone() - drawn.fed.clone()).square();
    let moved = (moved.sum_dim(1).sqrt() * SCALE).mean();
    let moved = (config.noise != Noise::Normal).then(|| moved.into_scalar::<f32>());
    let samples = points(drawn.samples)?;
    let result = count(&samples, moved);
    run.write("metrics.json", &result)?;
    let groups = if moved.is_some() {
        by_quadrant(&points(drawn.fed)?, &samples)
    } else {
        let data = points(data(SHOWN, &device))?;
        let model = format!("{:?}", config.model);
        vec![("data".to_string(), data), (model, samples)]
    };
    let moved = moved.map_or(String::new(), |moved| format!(", moved by {moved:.2}"));
    let title = format!(
        "{} of 25 modes, {:.0}% within 3 sigma{moved}",
        result.modes,
        100.0 * result.high_quality
    );
    let picture = plot::scatter_groups(&title, ["x", "y"], &groups)?;
    plot::save(&picture, run.path("samples.png"))?;
    let mut report = Report::new(
        "gan_2d",
        "A generative adversarial network on 25 Gaussians.",
    );
    report.number("modes", &result.modes.to_string(), "of 25");
    let share = format!("{:.1}%", 100.0 * result.high_quality);
    report.number("samples", &share, "within 3 sigma of a mode");
    report.section("Pictures");
    report.chart("Samples", "Samples on top of the data.", &picture)?;
    report.section("Configuration");
    report.configuration(config)?;
    report.save(run.path("report.html"))?;
    println!(
        "wrote report.html, a picture and metrics to {}",
        run.folder().display()
    );
    println!(
        "{} of 25 modes; {:.1}% of samples within 3 sigma of one{moved}",
        result.modes,
        100.0 * result.high_quality
    );
    Ok(())
}

/// What a generator was fed with (of that, the point), and what it made of it.
struct Drawn {
    fed: Tensor<2>,
    samples: Tensor<2>,
}

fn draw(generator: Generator, prior: &Source, device: &Device) -> Drawn {
    let latent = prior.sample(SHOWN, device);
    Drawn {
        samples: generator.valid().decode(latent.clone()),
        fed: latent.narrow(1, 0, LATENT),
    }
}

/// Trains the model that was chosen, and samples it.
fn train(config: &Config, device: &Device) -> Result<Drawn> {
    let training = device.clone().autodiff();
    let hidden = vec![config.hidden; 3];
    let prior = config.noise.source(device)?;
    let network = MlpDecoderConfig::new(prior.latent_dim(), vec![2])
        .with_hidden(hidden.clone())
        .init::<2>(&training)?;
    let generator = Generator {
        network,
        is_residual: config.near_identity,
    };
    let critic_config = MlpCriticConfig::new(vec![2]).with_hidden(hidden.clone());
    let critic = critic_config.init::<2>(&training)?;
    let every_fifth = GanConfig::new().with_critic_steps(5);
    let adam = |beta_1, beta_2| {
        let config = FusedAdamConfig::new().with_beta_1(beta_1);
        config.with_beta_2(beta_2).init()
    };

    let drawn = match config.model {
        Kind::Gan => {
            let gan =
                GanConfig::new().init(generator, critic, prior, NonSaturating, Unregularized)?;
            let game = Game::new(config, device, 1e-3, adam(0.5, 0.999)?, &NonSaturating);
            let gan = game.play(gan)?;
            draw(gan.generator, &gan.prior, device)
        }
        Kind::Wgan => {
            let clipping = WeightClipping::new(0.1)?; // 0.01 in the paper, for deeper networks
            let gan = every_fifth.init(generator, critic, prior, Wasserstein, clipping)?;
            let game = Game::new(
                config,
                device,
                1e-4,
                RmsPropConfig::new().with_momentum(0.0).init(),
                &Wasserstein,
            );
            let gan = game.play(gan)?;
            draw(gan.generator, &gan.prior, device)
        }
        Kind::WganGp => {
            let penalty = GradientPenalty::new(0.1)?;
            let gan = every_fifth.init(generator, critic, prior, Wasserstein, penalty)?;
            let game = Game::new(config, device, 1e-3, adam(0.5, 0.9)?, &Wasserstein);
            let gan = game.play(gan)?;
            draw(gan.generator, &gan.prior, device)
        }
        Kind::Ali => {
            let latent_dim = prior.latent_dim();
            let encoder = MlpEncoderConfig::new(vec![2], latent_dim).with_hidden(hidden);
            let encoder = encoder.init_gaussian::<2>(&training)?;
            let critic = critic_config.init_joint::<2>(latent_dim, &training)?;
            let ali = Ali::new(encoder, generator, critic, prior, NonSaturating);
            let game = Game::new(config, device, 1e-3, adam(0.5, 0.999)?, &NonSaturating);
            let ali = game.play(ali)?;
            draw(ali.decoder, &ali.prior, device)
        }
    };
    Ok(drawn)
}

/// Samples in groups, by where the point came from that the generator was fed with.
fn by_quadrant(fed: &[[f64; 2]], samples: &[[f64; 2]]) -> Vec<(String, Vec<[f64; 2]>)> {
    let names = ["lower left", "lower right", "upper left", "upper right"];
    let mut groups = names.map(|name| (format!("from the {name}"), Vec::new()));
    for (&[x, y], &sample) in fed.iter().zip(samples) {
        let quadrant = usize::from(x > 0.0) + 2 * usize::from(y > 0.0);
        groups[quadrant].1.push(sample);
    }
    groups.into()
}

/// The training loop of all of them.
struct Game<'a> {
    config: &'a Config,
    device: &'a Device,
    rate: f64,
    optimizer: ModuleOptimizer,
    watch: CriticWatch,
}

impl<'a> Game<'a> {
    fn new(
        config: &'a Config,
        device: &'a Device,
        rate: f64,
        optimizer: ModuleOptimizer,
        objective: &impl AdversarialLoss,
    ) -> Self {
        Self {
            config,
            device,
            rate: config.lr.unwrap_or(rate),
            optimizer,
            watch: CriticWatch::new(objective, device),
        }
    }

    fn play<M: Model<Input = Tensor<2>>>(mut self, mut model: M) -> Result<M> {
        initialize(&model);
        let device = self.device.clone().autodiff();
        let (steps, started) = (self.config.steps, Instant::now());
        let (mut shown, mut since) = (started, Vec::new());
        for step in 1..=steps {
            let real = data(self.config.batch_size, &device);
            // The rate falls in a straight line over the second half.
            let rate = self.rate * (2.0 * (1.0 - (step - 1) as f64 / steps as f64)).min(1.0);
            let losses;
            (model, losses) = model.learn(&mut self.optimizer, rate, real);
            since.push(losses);
            if shown.elapsed() > Duration::from_secs(5) || step == steps {
                shown = Instant::now();
                let terms = self.means(step, std::mem::take(&mut since))?;
                let seconds = started.elapsed().as_secs_f64();
                println!("step {step}/{steps}: {terms}; {seconds:.0} s");
            }
        }
        Ok(model)
    }

    /// The terms since they were last shown, in words; an error if one is no number.
    fn means(&self, step: usize, since: Vec<Losses>) -> Result<String> {
        let names = since[0].iter().skip(1).map(|(name, _)| name);
        let mut words = Vec::new();
        for name in names {
            let terms = since.iter().filter_map(|losses| losses.term(name));
            let terms = terms.map(|term| term.mean()).collect();
            let mean: f64 = Tensor::cat(terms, 0).mean().try_into_scalar()?;
            if !mean.is_finite() {
                return Err(Error::Training(format!(
                    "the loss term '{name}' became {mean} before step {step}; a smaller --lr is the usual remedy"
                )));
            }
            words.push(format!("{name} {mean:.3}"));
            if let Some(warning) = self.watch.warning(mean).filter(|_| name == "critic") {
                eprintln!("warning: step {step}: {warning}");
            }
        }
        Ok(words.join(", "))
    }
}

/// The centres of the modes.
fn modes() -> impl Iterator<Item = [f64; 2]> {
    let side = || [-4.0, -2.0, 0.0, 2.0, 4.0].into_iter();
    side().flat_map(move |x| side().map(move |y| [x, y]))
}

/// `n` points of the data, as the networks see them.
fn data(n: usize, device: &Device) -> Tensor<2> {
    let uniform = Distribution::Uniform(0.0, 5.0);
    let cell = Tensor::<2>::random([n, 2], uniform, device)
        .floor()
        .clamp(0.0, 4.0);
    let noise = Tensor::random([n, 2], Distribution::Normal(0.0, SIGMA), device);
    ((cell - 2.0) * 2.0 + noise) / SCALE
}

/// Points of the plane, from what the networks see.
fn points(scaled: Tensor<2>) -> Result<Vec<[f64; 2]>> {
    let values = (scaled * SCALE).try_into_data_as::<f64>()?;
    let values: Vec<f64> = values.iter::<f64>().collect();
    Ok(values
        .chunks_exact(2)
        .map(|point| [point[0], point[1]])
        .collect())
}

/// What `metrics.json` holds.
#[derive(Serialize)]
struct Count {
    /// Modes with at least a tenth of their fair share of samples within 3 sigma.
    modes: usize,
    /// The share of samples within 3 sigma of a mode.
    high_quality: f64,
    /// Samples within 3 sigma of each mode, row by row.
    samples_of_modes: Vec<usize>,
    /// How far a sample is from the point that the generator was fed with, in the mean.
    moved: Option<f32>,
}

fn count(samples: &[[f64; 2]], moved: Option<f32>) -> Count {
    let near = |[x, y]: [f64; 2]| {
        let within = |point: &&[f64; 2]| (point[0] - x).hypot(point[1] - y) <= 3.0 * SIGMA;
        samples.iter().filter(within).count()
    };
    let samples_of_modes: Vec<usize> = modes().map(near).collect();
    let fair = samples.len() / samples_of_modes.len();
    let modes = samples_of_modes.iter().filter(|&&n| n >= fair / 10).count();
    let high_quality = samples_of_modes.iter().sum::<usize>() as f64 / samples.len() as f64;
    Count {
        modes,
        high_quality,
        samples_of_modes,
        moved,
    }
}
