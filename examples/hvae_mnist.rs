//! Latents of several levels: a ladder variational autoencoder of binarised digits, beside a flat one.
//!
//!     cargo run --example hvae_mnist
//!     cargo run --example hvae_mnist -- --latents 8,16,32 --hidden 64,128,256 --nll 1000
//!     cargo run --example hvae_mnist -- --latents 50 --hidden 256 --nll 1000
//!
//! The long run has the sizes of Sønderby et al. 2016 (of whose networks `Ladder` differs as it says), and is resumed by `--resume` as often
//! as need be: `--latents 4,8,16,32,64 --hidden 64,64,128,256,512 --epochs 2000 --warmup 200 --free-bits 0.5 --nll 1000`.

mod common;

use burn_generative::hierarchy::LadderConfig;
use burn_generative::model::{Augmented, HierarchicalVae};
use burn_generative::nn::{Binarization, initialize};
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, FusedAdamConfig};
use burn_generative::{Error, Result};
use clap::Parser;
use common::session::{NllArgs, RunArgs, Session, TrainingArgs, named, unit_interval};
use common::{binarized, levels};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a ladder variational autoencoder on MNIST, binarised at random in every epoch.
///
/// Leaves samples by temperature, what each level knows of test images, loss curves, a report.html, metrics, checkpoints and
/// weights in a folder, and prints the test loss last. One level is a flat variational autoencoder.
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
    /// Latent coordinates of each level, the top first.
    #[arg(long, value_delimiter = ',', default_value = "16,32", value_name = "N")]
    latents: Vec<usize>,

    /// Width of the hidden layers of each level, the top first.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "128,256",
        value_name = "N"
    )]
    hidden: Vec<usize>,

    /// Epochs in which the weight of the KL rises to 1.
    #[arg(long, default_value_t = 3, value_name = "N")]
    warmup: usize,

    /// KL of each level, in nats per image, below which it is not pushed further down: without, the top stays empty.
    #[arg(long, default_value_t = 2.0, value_name = "X")]
    free_bits: f64,

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
    let summary = |terms: &BTreeMap<String, f64>| named(terms, [Losses::TOTAL, "kl_1", "kl"]);
    let session = Session::open("hvae_mnist", args.run, &config.training, &config, summary)?;
    let [train, test] = session.images(unit_interval)?;
    let test = binarized(test, &session.device(), session.seed());

    let device = session.devices.training();
    let shape = session.data.train.shape().to_vec();
    let (Some(&lowest), Some(&width)) = (config.latents.last(), config.hidden.last()) else {
        return Err(Error::Config(
            "--latents and --hidden need a number for each level".to_string(),
        ));
    };
    // The decoder starts at the mean image.
    let mean = train.clone().mean_dim(0).clamp(1e-3, 1.0 - 1e-3);
    let logits = mean.clone().log() - (mean.neg() + 1.0).log();
    let decoder = MlpDecoderConfig::new(lowest, shape.clone()).with_hidden(vec![width, width]);
    let decoder = decoder.init(&device)?.with_output_bias(logits);
    let ladder = LadderConfig::new(shape, config.latents.clone(), config.hidden.clone());
    let ladder = ladder.init::<_, 4>(decoder, &device)?;
    let steps = session
        .devices
        .steps(train.dims()[0], config.training.batch_size);
    let kl = Kl::default().with_warmup(config.warmup.saturating_mul(steps), &device);
    let kl = kl.with_free_bits(config.free_bits)?;
    let model = HierarchicalVae::with_kl(ladder, BernoulliNll, kl);
    let model = Augmented::new(model, Binarization);
    initialize(&model);

    let adam = FusedAdamConfig::new().init()?;
    let rate = Cosine::new(config.training.lr);
    let (model, epochs) = session.train(&session.fit(), model, adam, rate, [&train, &test])?;
    let model = model.model;
    session.save_samples(&model)?;
    let text = "The same noise, times 0.4, 0.6, 0.8 and 1.";
    let words = ["Samples by temperature", text];
    let picture = levels::temperatures(&model, &session.device(), session.seed())?;
    session.save_pixels("temperatures.png", words, picture, 2)?;
    let text = "Test images; below, the latents of the top level are kept and the rest drawn, then one level more a row.";
    let words = ["What each level knows", text];
    let picture = levels::known(&model, &test)?;
    session.save_pixels("levels.png", words, picture, 2)?;
    session.measure_nll(&model, test, &args.nll)?;
    session.finish(&epochs)
}
