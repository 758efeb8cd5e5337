//! Trains an adversarial autoencoder on MNIST: codes that a critic cannot tell from a prior.
//!
//!     cargo run --example aae_mnist
//!     cargo run --example aae_mnist -- --latent-dim 2
//!     cargo run --example aae_mnist -- --help

mod common;

use burn::module::ParamGroup;
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use burn_generative::Result;
use burn_generative::loss::{Losses, NonSaturating, SquaredError};
use burn_generative::nn::{MlpCriticConfig, initialize};
use burn_generative::plot;
use burn_generative::prelude::*;
use clap::Parser;
use common::training::{RunArgs, Session, TrainingArgs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train an adversarial autoencoder on MNIST.
///
/// Leaves pictures (reconstructions, samples, loss curves), metrics, checkpoints and weights in a folder, and
/// prints last how far the test codes are from the prior.
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
    /// Number of latent coordinates.
    #[arg(long, default_value_t = 8, value_name = "N")]
    latent_dim: usize,

    /// Width of the two hidden layers of every network.
    #[arg(long, default_value_t = 512, value_name = "N")]
    hidden: usize,

    /// Weight of the adversarial term of the encoder; with 0 it is a plain autoencoder.
    #[arg(long, default_value_t = 10.0, value_name = "X")]
    adversarial_weight: f64,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

const TERMS: [&str; 3] = ["reconstruction", "critic", "encoder"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| {
        let term = |name: &str| terms.get(name).copied().unwrap_or(f64::NAN);
        TERMS
            .map(|name| format!("{name} {:.3}", term(name)))
            .join(", ")
    };
    let session = Session::open("aae_mnist", &args.run, &config.training, &config, summary)?;
    let shape = session.data.train.shape().to_vec();
    let device = session.device.clone().autodiff();
    let hidden = vec![config.hidden; 2];
    let encoder = MlpEncoderConfig::new(shape.clone(), config.latent_dim);
    let decoder = MlpDecoderConfig::new(config.latent_dim, shape);
    let critic = MlpCriticConfig::new(vec![config.latent_dim]);
    let aae = AaeConfig::new()
        .with_adversarial_weight(config.adversarial_weight)
        .init(
            encoder.with_hidden(hidden.clone()).init(&device)?,
            decoder.with_hidden(hidden.clone()).init(&device)?,
            critic.with_hidden(hidden).init::<2>(&device)?,
            StandardNormal::new(config.latent_dim),
            BernoulliNll,
            NonSaturating,
        )?;
    initialize(&aae);
    let [train, test] = session.images(aae.support())?;
    // The critic has no momentum: what it was asked yesterday is no longer asked.
    let adam = |beta_1| AdamConfig::new().with_beta_1(beta_1).with_epsilon(1e-8);
    let critics = ParamGroup::from_regex("^critic\\.").expect("a valid pattern");
    let optimizer = adam(0.9)
        .init()
        .with_group(critics, adam(0.0).build(), None);
    let (aae, epochs) = session.train(aae, optimizer, &TERMS, [&train, &test])?;

    let originals = test.clone().narrow(0, 0, 24.min(test.dims()[0]));
    let reconstructed = sigmoid(aae.reconstruct(originals.clone()));
    session.save_pairs([originals, reconstructed], "reconstructions.png")?;
    session.device.seed(config.training.seed);
    let samples = sigmoid(aae.sample(144, &session.device));
    plot::save(
        &plot::grid(samples, 12, 2)?,
        session.out.path("samples.png"),
    )?;
    session.save_curves(
        &[Losses::TOTAL, "reconstruction", "critic", "encoder"],
        &epochs,
    )?;

    let shown = test.dims()[0].min(1000);
    let images = test.narrow(0, 0, shown);
    let codes = aae.encode(images.clone());
    let draw = || aae.prior.sample(shown, &session.device);
    let (distance, chance) = (mmd(codes, draw())?, mmd(draw(), draw())?);
    let error: f64 = SquaredError
        .loss(sigmoid(aae.reconstruct(images.clone())), images)
        .mean()
        .try_into_scalar()?;
    session.finish(aae, &epochs)?;
    println!("squared error of {shown} test reconstructions: {error:.2} an image");
    println!(
        "MMD of their codes to the prior: {distance:.4}, of two draws of the prior: {chance:.4}; ratio {:.2}",
        distance / chance
    );
    Ok(())
}

/// The maximum mean discrepancy of two samples of one size, with a Gaussian kernel whose variance is the
/// number of coordinates (Gretton et al. 2012, the biased estimate, which is never negative).
fn mmd(a: Tensor<2>, b: Tensor<2>) -> Result<f64> {
    let width = a.dims()[1] as f64;
    let kernel = |a: &Tensor<2>, b: &Tensor<2>| -> Result<f64> {
        let squares = |x: &Tensor<2>| x.clone().square().sum_dim(1);
        let distance = squares(a) + squares(b).transpose()
            - a.clone().matmul(b.clone().transpose()).mul_scalar(2.0);
        let similarity = distance.div_scalar(-2.0 * width).exp().mean();
        Ok(similarity.try_into_scalar()?)
    };
    let squared = kernel(&a, &a)? + kernel(&b, &b)? - 2.0 * kernel(&a, &b)?;
    Ok(squared.max(0.0).sqrt())
}
