//! Trains ALI (BiGAN) on MNIST: an encoder and a generator that meet in a critic of pairs, without any
//! reconstruction loss.
//!
//!     cargo run --example ali_mnist
//!     cargo run --example ali_mnist -- --latent-dim 8
//!     cargo run --example ali_mnist -- --help

mod common;

use burn_generative::Result;
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::train::{CriticWatch, FusedAdamConfig};
use clap::Parser;
use common::session::{RunArgs, Session, TrainingArgs, named, print_sharpness, unit_interval};
use common::squared_error;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train ALI on MNIST.
///
/// Leaves pictures (reconstructions, samples, loss curves), metrics, checkpoints and weights in a folder, and
/// prints last how sharp its samples are.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
#[command(mut_arg("lr", |lr| lr.default_value("5e-4")))]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    run: RunArgs,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// Number of latent coordinates.
    #[arg(long, default_value_t = 20, value_name = "N")]
    latent_dim: usize,

    /// Filters of the larger convolutions; the smaller have half as many.
    #[arg(long, default_value_t = 32, value_name = "N")]
    filters: usize,

    /// Learning rate of the critic.
    #[arg(long, default_value_t = 5e-4, value_name = "X")]
    critic_lr: f64,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

const TERMS: [&str; 3] = ["encoder", "decoder", "critic"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, TERMS);
    let session = Session::open("ali_mnist", args.run, &config.training, &config, summary)?;
    let session = session.without_unit();
    let rates = session.rates(config.critic_lr)?;
    let shape = session.data.train.shape();
    let device = session.devices.training();
    let channels = vec![config.filters.div_ceil(2), config.filters];
    let encoder = ConvEncoderConfig::new(shape, config.latent_dim)
        .with_channels(channels.clone())
        .with_hidden(128);
    let decoder = ConvDecoderConfig::new(config.latent_dim, shape)
        .with_channels(channels.clone())
        .with_hidden(0)
        .with_normalize_code(true);
    let critic = ConvCriticConfig::new(shape)
        .with_channels(channels)
        .with_spectral_norm(true);
    let ali = Ali::new(
        encoder.init_gaussian(&device)?,
        Squashed::sigmoid(decoder.init(&device)?),
        critic.init_joint(config.latent_dim, 256, &device)?,
        StandardNormal::new(config.latent_dim),
        NonSaturating,
    );
    initialize(&ali);
    let [train, test] = session.images(unit_interval)?;
    let watch = CriticWatch::new(&ali.objective, &session.device());
    let fit = session.fit().watch(watch);
    let adam = FusedAdamConfig::new().with_beta_1(0.5);
    let (ali, epochs) = session.train(&fit, ali, adam.init()?, rates, [&train, &test])?;

    session.save_reconstructions(&test, |images| ali.reconstruct(images))?;
    session.save_samples(&ali)?;
    let samples = ali.sample(1000, &session.device());
    let error = squared_error(&test, |images| ali.reconstruct(images))?;
    session.finish(&epochs)?;
    println!("squared error of test reconstructions: {error:.2} an image");
    print_sharpness(samples, test)
}
