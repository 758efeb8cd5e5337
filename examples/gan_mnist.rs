//! Trains a generative adversarial network on MNIST, with an objective and a penalty of choice.
//!
//!     cargo run --example gan_mnist
//!     cargo run --example gan_mnist -- --loss wasserstein --penalty gradient --critic-steps 5
//!     cargo run --example gan_mnist -- --help

mod common;

use burn_generative::Result;
use burn_generative::loss::{
    AnyRegularizer, GradientPenalty, Hinge, LeastSquares, Minimax, Unregularized, Wasserstein,
    WeightClipping,
};
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::train::{CriticWatch, FusedAdamConfig};
use clap::{Parser, ValueEnum};
use common::session::{RunArgs, Session, TrainingArgs, named, print_sharpness, unit_interval};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Train a generative adversarial network on MNIST.
///
/// Leaves pictures (samples, loss curves), metrics, checkpoints and weights in a folder.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
#[command(mut_arg("lr", |lr| lr.default_value("1e-3")))]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    run: RunArgs,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// What generator and critic play for.
    #[arg(long, default_value = "non-saturating", value_name = "LOSS")]
    loss: Loss,

    /// What keeps the critic smooth.
    #[arg(long, default_value = "spectral", value_name = "PENALTY")]
    penalty: Penalty,

    /// Steps of the critic for each step of the generator.
    #[arg(long, default_value_t = 1, value_name = "N")]
    critic_steps: usize,

    /// Number of coordinates of the noise.
    #[arg(long, default_value_t = 64, value_name = "N")]
    latent_dim: usize,

    /// Filters of the larger convolutions; the smaller have half as many.
    #[arg(long, default_value_t = 64, value_name = "N")]
    filters: usize,

    /// Learning rate of the critic.
    #[arg(long, default_value_t = 5e-4, value_name = "X")]
    critic_lr: f64,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Loss {
    NonSaturating,
    Minimax,
    LeastSquares,
    Hinge,
    Wasserstein,
}

impl Loss {
    fn init(self) -> Arc<dyn AdversarialLoss> {
        match self {
            Self::NonSaturating => Arc::new(NonSaturating),
            Self::Minimax => Arc::new(Minimax),
            Self::LeastSquares => Arc::new(LeastSquares),
            Self::Hinge => Arc::new(Hinge),
            Self::Wasserstein => Arc::new(Wasserstein),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Penalty {
    /// Nothing.
    None,
    /// Spectral normalisation of every layer.
    Spectral,
    /// The gradient penalty of WGAN-GP, of weight 10.
    Gradient,
    /// Weights clipped to 0.01.
    Clip,
}

impl Penalty {
    fn init(self) -> Result<AnyRegularizer> {
        Ok(match self {
            Self::None | Self::Spectral => AnyRegularizer::Unregularized(Unregularized),
            Self::Gradient => AnyRegularizer::GradientPenalty(GradientPenalty::new(10.0)?),
            Self::Clip => AnyRegularizer::WeightClipping(WeightClipping::new(0.01)?),
        })
    }
}

const TERMS: [&str; 3] = ["critic", "penalty", "generator"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, TERMS);
    let session = Session::open("gan_mnist", args.run, &config.training, &config, summary)?;
    let session = session.without_unit();
    let rates = session.rates(config.critic_lr)?;
    let shape = session.data.train.shape();
    let device = session.devices.training();
    let channels = vec![config.filters.div_ceil(2), config.filters];
    let generator = ConvDecoderConfig::new(config.latent_dim, shape)
        .with_channels(channels.clone())
        .with_hidden(0)
        .with_normalize_code(true);
    let critic = ConvCriticConfig::new(shape)
        .with_channels(channels)
        .with_spectral_norm(config.penalty == Penalty::Spectral);
    let gan = GanConfig::new()
        .with_critic_steps(config.critic_steps)
        .init(
            Squashed::sigmoid(generator.init(&device)?),
            critic.init(&device)?,
            StandardNormal::new(config.latent_dim),
            config.loss.init(),
            config.penalty.init()?,
        )?;
    initialize(&gan);
    let [images, test] = session.images(unit_interval)?;
    let watch = CriticWatch::new(&gan.objective, &session.device());
    let fit = session.fit().watch(watch);
    let adam = FusedAdamConfig::new().with_beta_1(0.5);
    let (gan, epochs) = session.train(&fit, gan, adam.init()?, rates, [&images, &test])?;

    session.save_samples(&gan)?;
    let samples = gan.sample(1000, &session.device());
    session.finish(&epochs)?;
    print_sharpness(samples, test)
}
