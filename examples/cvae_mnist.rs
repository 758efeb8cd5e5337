//! Trains a conditional variational autoencoder on MNIST: digits to order.
//!
//!     cargo run --example cvae_mnist
//!     cargo run --example cvae_mnist -- --help

mod common;

use burn::prelude::*;
use burn_generative::Result;
use burn_generative::nn::{LabeledDecoder, LabeledEncoder, initialize};
use burn_generative::plot;
use burn_generative::prelude::*;
use burn_generative::train::{FusedAdamConfig, PosteriorWatch};
use clap::Parser;
use common::session::{RunArgs, Session, TrainingArgs, named};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a conditional variational autoencoder on MNIST.
///
/// Leaves pictures (each digit in the same twelve hands, reconstructions, loss curves), a report.html that shows them,
/// metrics, checkpoints and weights in a folder, and prints the test loss last.
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

    /// Width of the hidden layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 400, value_name = "N")]
    hidden: usize,

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
    let session = Session::open("cvae_mnist", args.run, &config.training, &config, summary)?;
    let [channels, height, width] = session.data.train.shape();
    let most = session
        .data
        .train
        .labels()
        .iter()
        .chain(session.data.test.labels())
        .max();
    let classes = most.map_or(1, |&label| usize::from(label) + 1);
    let device = session.devices.training();
    let hidden = vec![config.hidden];
    let encoder = MlpEncoderConfig::new(vec![channels + 1, height, width], config.latent_dim);
    let decoder = MlpDecoderConfig::new(config.latent_dim + classes, vec![channels, height, width]);
    let vae = ConditionalVae::new(
        LabeledEncoder::new(
            encoder.with_hidden(hidden.clone()).init_gaussian(&device)?,
            classes,
            [height, width],
            &device,
        ),
        LabeledDecoder::new(decoder.with_hidden(hidden).init(&device)?, classes),
        StandardNormal::new(config.latent_dim),
        BernoulliNll,
    );
    initialize(&vae);

    let likelihood = |images: &Tensor<4>, what: &str| vae.vae.likelihood.check(images, what);
    let [train, test] = session.images(likelihood)?;
    let device = session.device();
    let labels = |labels: Vec<i64>| {
        let count = labels.len();
        Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), &device)
    };
    let of = |bytes: &[u8]| labels(bytes.iter().map(|&label| label.into()).collect());
    let of_test = of(session.data.test.labels());
    let data = [
        &(train, of(session.data.train.labels())),
        &(test.clone(), of_test.clone()),
    ];
    let optimizer = FusedAdamConfig::new().init()?;
    let fit = session.fit().watch(PosteriorWatch::new(config.latent_dim));
    let (vae, epochs) = session.train(&fit, vae, optimizer, config.training.lr, data)?;

    session.save_reconstructions(&test, |images| {
        let own = of_test.clone().narrow(0, 0, images.dims()[0]);
        vae.reconstruct(images, own)
    })?;
    // A row a class, a column a latent: what the label says, and what it leaves to the latent.
    session.device().seed(session.seed());
    let columns = 12;
    let z = vae
        .vae
        .prior
        .sample(columns, &device)
        .repeat_dim(0, classes);
    let rows = (0..classes as i64).flat_map(|class| [class; 12]).collect();
    let images = vae.vae.likelihood.point(vae.decode(z, labels(rows)));
    let picture = plot::grid(images, columns, 2)?;
    let text = "A row a label, a column a draw of the prior: the same hand writes each digit.";
    session.save_pixels("classes.png", ["Digits to order", text], picture, 2)?;
    session.save_samples_by(&vae, |vae, n| {
        vae.sample(labels((0..n).map(|i| (i % classes) as i64).collect()))
    })?;
    session.finish(&epochs)
}
