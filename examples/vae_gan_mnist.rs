//! Trains a VAE-GAN on MNIST: a variational autoencoder whose reconstruction loss is learned by a critic.
//!
//!     cargo run --example vae_gan_mnist
//!     cargo run --example vae_gan_mnist -- --gamma 0.01 --balance
//!     cargo run --example vae_gan_mnist -- --help

mod common;

use burn_generative::Result;
use burn_generative::model::Balance;
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::train::{CriticWatch, FusedAdamConfig};
use clap::Parser;
use common::session::{RunArgs, Session, TrainingArgs, named, print_sharpness, unit_interval};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a VAE-GAN on MNIST.
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

    /// Weight of the feature reconstruction for the decoder, beside the adversarial term.
    #[arg(long, default_value_t = 0.1, value_name = "X")]
    gamma: f64,

    /// Learning rate of the critic.
    #[arg(long, default_value_t = 2e-4, value_name = "X")]
    critic_lr: f64,

    /// Let decoder or critic sit a step out when the other is too far behind, as the authors' code does.
    #[arg(long)]
    balance: bool,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

const TERMS: [&str; 4] = ["kl", "features", "decoder", "critic"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, TERMS);
    let session = Session::open(
        "vae_gan_mnist",
        args.run,
        &config.training,
        &config,
        summary,
    )?
    .without_unit();
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
    let critic = ConvCriticConfig::new(shape).with_channels(channels);
    let vae_gan = VaeGanConfig::new()
        .with_gamma(config.gamma)
        .with_balance(config.balance.then(Balance::new))
        .init(
            encoder.init_gaussian(&device)?,
            Squashed::sigmoid(decoder.init(&device)?),
            critic.init(&device)?,
            StandardNormal::new(config.latent_dim),
            NonSaturating,
        )?;
    initialize(&vae_gan);
    let [train, test] = session.images(unit_interval)?;
    let watch = CriticWatch::new(&vae_gan.objective, &session.device());
    let fit = session.fit().watch(watch);
    let adam = FusedAdamConfig::new().with_beta_1(0.5);
    let (vae_gan, epochs) = session.train(&fit, vae_gan, adam.init()?, rates, [&train, &test])?;

    session.save_reconstructions(&test, |images| vae_gan.reconstruct(images))?;
    session.save_samples(&vae_gan)?;
    let samples = vae_gan.sample(1000, &session.device());
    session.finish(&epochs)?;
    print_sharpness(samples, test)
}
