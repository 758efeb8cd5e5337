//! Trains a variational autoencoder with a latent plane on Fashion-MNIST, or any other IDX data set, and looks around in
//! its latent space.
//!
//!     cargo run --example fashion_vae -- --data-dir path/to/fashion-mnist
//!     cargo run --example fashion_vae -- --help

mod common;

use burn_generative::Result;
use burn_generative::latent;
use burn_generative::nn::initialize;
use burn_generative::plot;
use burn_generative::prelude::*;
use burn_generative::train::{FusedAdamConfig, PosteriorWatch};
use clap::Parser;
use common::session::{RunArgs, Session, TrainingArgs, named};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a variational autoencoder with two latent coordinates on any IDX data set.
///
/// The folder of --data-dir holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
/// t10k-labels-idx1-ubyte, raw or gzip: Fashion-MNIST, KMNIST, EMNIST, or your own of any image size. Leaves pictures
/// (originals beside reconstructions, samples around one code with a growing radius, the latent plane), a report.html
/// that shows them, metrics, checkpoints and weights in a folder, and prints the test loss last.
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
    #[arg(long, default_value_t = 2, value_name = "N")]
    latent_dim: usize,

    /// Width of the hidden layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 512, value_name = "N")]
    hidden: usize,

    /// Which test image to look around, from 0.
    #[arg(long, default_value_t = 0, value_name = "N")]
    around: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

const TERMS: [&str; 2] = ["reconstruction", "kl"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, ["loss", TERMS[0], TERMS[1]]);
    let session = Session::open("fashion_vae", args.run, &config.training, &config, summary)?;
    let count = session.data.test.len();
    if config.around >= count {
        return Err(burn_generative::Error::Config(format!(
            "--around {}: there are only {count} test images, from 0",
            config.around
        )));
    }
    let shape = session.data.train.shape().to_vec();
    let device = session.devices.training();
    let hidden = vec![config.hidden];
    let encoder = MlpEncoderConfig::new(shape.clone(), config.latent_dim);
    let decoder = MlpDecoderConfig::new(config.latent_dim, shape);
    let vae = Vae::new(
        encoder.with_hidden(hidden.clone()).init_gaussian(&device)?,
        decoder.with_hidden(hidden).init(&device)?,
        StandardNormal::new(config.latent_dim),
        BernoulliNll,
    );
    initialize(&vae);
    let [train, test] = session.images(|images, what| vae.likelihood.check(images, what))?;
    let fit = session.fit().watch(PosteriorWatch::new(config.latent_dim));
    let optimizer = FusedAdamConfig::new().init()?;
    let rate = config.training.lr;
    let (vae, epochs) = session.train(&fit, vae, optimizer, rate, [&train, &test])?;

    let decode = |latent| vae.likelihood.point(vae.decode(latent));
    session.save_reconstructions(&test, |images| vae.reconstruct(images))?;
    session.save_samples(&vae)?;

    // A row a radius, the first of them the code itself.
    let radii = [0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0];
    let columns = 12;
    let original = test.clone().narrow(0, config.around, 1);
    session.device().seed(session.seed());
    let around = latent::around(vae.encode(original).mean(), &radii, columns);
    let picture = plot::grid(decode(around), columns, 2)?;
    let text = format!(
        "Test image {}: what lies around its code, a row a distance: {radii:?}.",
        config.around
    );
    session.save_pixels("around.png", ["Around one code", &text], picture, 2)?;
    if config.latent_dim == 2 {
        let side = 15;
        let picture = plot::grid(decode(latent::plane(3.0, side, &session.device())), side, 1)?;
        let text = "The latent plane from -3 to 3: the first coordinate runs to the right, the second upwards.";
        session.save_pixels("manifold.png", ["Latent plane", text], picture, 1)?;
    }
    session.save_latent_map(test, |images| vae.encode(images).mean())?;
    session.finish(&epochs)
}
