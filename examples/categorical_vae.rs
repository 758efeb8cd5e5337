//! A variational autoencoder of digits whose latents are classes: Gumbel-softmax.
//!
//!     cargo run --example categorical_vae -- --epochs 100 --least-temperature 0.3 --annealing 5e-5
//!     cargo run --example categorical_vae -- --straight-through --nll 200
//!     cargo run --example categorical_vae -- --help
//!
//! Images are binarised at random in every epoch, and the test images once. Test losses are those of one-hot latents, never of
//! relaxed ones.

mod common;

use burn_generative::Result;
use burn_generative::model::Augmented;
use burn_generative::nn::{Binarization, GumbelHead, Temperature, initialize};
use burn_generative::prelude::*;
use burn_generative::prior::UniformCategorical;
use burn_generative::train::{Cosine, FusedAdamConfig};
use clap::Parser;
use common::binarized;
use common::session::{NllArgs, RunArgs, Session, TrainingArgs, named};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a variational autoencoder with categorical latents on MNIST.
///
/// Leaves pictures (reconstructions, samples, loss curves), a report.html that shows them, metrics, checkpoints and weights in
/// a folder, and prints the test loss last. The learning rate falls to 0 along half a cosine, the temperature exponentially.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    nll: NllArgs,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// Categorical variables of the latent.
    #[arg(long, default_value_t = 30, value_name = "N")]
    variables: usize,

    /// Classes of each.
    #[arg(long, default_value_t = 10, value_name = "N")]
    classes: usize,

    /// Train with one-hot draws that have the gradient of relaxed ones.
    #[arg(long)]
    straight_through: bool,

    /// Temperature of the first step.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    temperature: f64,

    /// Temperature that it falls to.
    #[arg(long, default_value_t = 0.5, value_name = "X")]
    least_temperature: f64,

    /// Share of itself by which it falls in a step.
    #[arg(long, default_value_t = 1e-4, value_name = "X")]
    annealing: f64,

    /// Training steps over which the KL weight rises to 1: without, most variables say nothing for good.
    #[arg(long, default_value_t = 5000, value_name = "N")]
    warmup_steps: usize,

    /// Widths of the encoder's hidden layers; the decoder has them the other way round.
    #[arg(long, value_delimiter = ',', default_values_t = [512, 256], value_name = "N,N,...")]
    hidden: Vec<usize>,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    args.nll.check()?;
    let summary =
        |terms: &BTreeMap<String, f64>| named(terms, [Losses::TOTAL, "reconstruction", "kl"]);
    let prior = UniformCategorical::new(config.variables, config.classes)?;
    let session = Session::open(
        "categorical_vae",
        args.run,
        &config.training,
        &config,
        summary,
    )?;
    let device = session.devices.training();
    let shape = session.data.train.shape().to_vec();
    let first = config.temperature;
    let temperature =
        Temperature::annealed(first, config.least_temperature, config.annealing, &device)?;
    let head = |features| {
        let variables = [config.variables, config.classes];
        let head = GumbelHead::new(features, variables, temperature, &device);
        if config.straight_through {
            head.straight_through()
        } else {
            head
        }
    };
    let latent = config.variables * config.classes;
    let backwards = config.hidden.iter().rev().copied().collect();
    let encoder = MlpEncoderConfig::new(shape.clone(), latent).with_hidden(config.hidden.clone());
    let decoder = MlpDecoderConfig::new(latent, shape).with_hidden(backwards);
    let vae = VaeConfig::new().with_warmup_steps(config.warmup_steps);
    let vae = vae.init(
        encoder.init_with_head(&device, head)?,
        decoder.init(&device)?,
        prior,
        BernoulliNll,
    )?;
    initialize(&vae);
    let [train, test] = session.images(|images, what| vae.likelihood.check(images, what))?;
    let test = binarized(test, &session.device(), session.seed());
    let model = Augmented::new(vae, Binarization);
    let adam = FusedAdamConfig::new().init()?;
    let rate = Cosine::new(config.training.lr);
    let (trained, epochs) = session.train(&session.fit(), model, adam, rate, [&train, &test])?;
    let vae = trained.model;

    session.save_reconstructions(&test, |images| vae.reconstruct(images))?;
    session.save_samples(&vae)?;
    session.measure_nll(&vae, test, &args.nll)?;
    session.finish(&epochs)
}
