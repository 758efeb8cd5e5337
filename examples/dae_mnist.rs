//! Trains a denoising autoencoder on MNIST: noisy digits in, clean digits out.
//!
//!     cargo run --example dae_mnist
//!     cargo run --example dae_mnist -- --corruption masking --level 0.5
//!     cargo run --example dae_mnist -- --help

mod common;

use burn::prelude::*;
use burn_generative::loss::{Losses, SquaredError};
use burn_generative::nn::{
    AnyCorruption, GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption, initialize,
};
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::{RunArgs, Session, TrainingArgs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a denoising autoencoder on MNIST.
///
/// Leaves pictures (clean, noisy and repaired digits, loss curves), metrics, checkpoints and weights in a
/// folder, and prints last how much of the noise it removes.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    run: RunArgs,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// What is done to the images.
    #[arg(long, default_value = "gaussian")]
    corruption: Kind,

    /// How much of it: the noise's standard deviation, or the probability that a pixel is lost.
    #[arg(long, default_value_t = 0.5, value_name = "X")]
    level: f64,

    /// Number of latent coordinates.
    #[arg(long, default_value_t = 64, value_name = "N")]
    latent_dim: usize,

    /// Width of the hidden layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 512, value_name = "N")]
    hidden: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Gaussian,
    Masking,
    SaltAndPepper,
}

impl Kind {
    fn init(self, level: f64) -> Result<AnyCorruption> {
        Ok(match self {
            Self::Gaussian => AnyCorruption::Gaussian(GaussianCorruption::new(level)?),
            Self::Masking => AnyCorruption::Masking(MaskingCorruption::new(level)?),
            Self::SaltAndPepper => {
                AnyCorruption::SaltAndPepper(SaltAndPepperCorruption::new(level)?)
            }
        })
    }
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let corruption = config.corruption.init(config.level)?;
    if config.level == 0.0 {
        return Err(Error::Config(
            "--level 0 corrupts nothing, so that there is nothing to repair".to_string(),
        ));
    }
    let summary = |terms: &BTreeMap<String, f64>| {
        let loss = terms.get(Losses::TOTAL).copied().unwrap_or(f64::NAN);
        format!("Bernoulli loss {loss:.2}")
    };
    let session = Session::open("dae_mnist", args.run, &config.training, &config, summary)?;
    let shape = session.data.train.shape().to_vec();
    let device = session.devices.training();
    let encoder = MlpEncoderConfig::new(shape.clone(), config.latent_dim);
    let decoder = MlpDecoderConfig::new(config.latent_dim, shape);
    let model = DenoisingAutoencoder::new(
        encoder.with_hidden(vec![config.hidden]).init(&device)?,
        decoder.with_hidden(vec![config.hidden]).init(&device)?,
        corruption,
        BernoulliNll,
    );
    initialize(&model);
    let [train, test] = session.images(|images, what| model.reconstruction.check(images, what))?;
    let (optimizer, rate) = (FusedAdamConfig::new().init()?, config.training.lr);
    let data = [&train, &test];
    let (model, epochs) = session.train(&session.fit(), model, optimizer, rate, data)?;

    session.device().seed(config.training.seed);
    let (mut noise, mut left) = (0.0, 0.0);
    let total = |a: &Tensor<4>, b: Tensor<4>| -> Result<f64> {
        Ok(SquaredError.loss(b, a.clone()).sum().try_into_scalar()?)
    };
    let mut shown = None;
    for clean in test.split(1000, 0) {
        let noisy = model.corrupt(clean.clone());
        let repaired = model.reconstruct(noisy.clone());
        noise += total(&clean, noisy.clone())?;
        left += total(&clean, repaired.clone())?;
        shown.get_or_insert([clean, noisy.clamp(0.0, 1.0), repaired]);
    }
    if let Some(images) = shown {
        let text = "Test images: clean, noisy, repaired.";
        session.save_pairs("denoised.png", ["Denoising", text], images)?;
    }
    session.finish(&epochs)?;
    println!(
        "noise removed: {:.1}% of the squared error of the noisy images",
        100.0 * (1.0 - left / noise)
    );
    Ok(())
}
