//! Pictures as discrete codes: a VQ-VAE, a PixelCNN over its codes, and what both make of nothing.
//!
//!     cargo run --example vq_images
//!     cargo run --example vq_images -- --data-dir path/to/fashion-mnist --quantizer vq --codes 256
//!     cargo run --example vq_images -- --pictures path/to/pictures --size 64 --halvings 3
//!     cargo run --example vq_images -- --help

mod common;

use burn_generative::autoregressive::{Output, PixelCnnConfig};
use burn_generative::data::mnist::{Mnist, Origin};
use burn_generative::data::{Channels, ImageFolderConfig};
use burn_generative::distribution::Levels;
use burn_generative::loss::L1Loss;
use burn_generative::metric::{CodeUsage, Estimate};
use burn_generative::model::DensityFit;
use burn_generative::nn::{
    Fsq, ResidualDecoderConfig, ResidualEncoderConfig, VqConfig, initialize,
};
use burn_generative::plot::Measured;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::{RunArgs, Session, TrainingArgs, named, plain};
use common::{in_batches, positive, split_pictures};
use serde::Serialize;
use std::collections::BTreeMap;
use std::f64::consts::LN_2;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train an autoencoder with quantised latents on MNIST, Fashion-MNIST or a folder of pictures, and a PixelCNN over its codes.
///
/// Leaves reconstructions, samples and a report.html in a folder, with metrics, checkpoints and weights, and says how far off
/// reconstructions are, how many of the codes are used, and how many bits a picture's codes take.
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
    /// What makes codes of latents.
    #[arg(long, default_value = "fsq")]
    quantizer: Kind,

    /// Levels of each coordinate of fsq.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 6, 5], value_name = "N,N,...")]
    levels: Vec<usize>,

    /// Vectors in a codebook of vq and residual.
    #[arg(long, default_value_t = 256, value_name = "N")]
    codes: usize,

    /// Coordinates of these vectors.
    #[arg(long, default_value_t = 16, value_name = "N")]
    width: usize,

    /// Stages of residual.
    #[arg(long, default_value_t = 2, value_name = "N")]
    stages: usize,

    /// Channels of the smallest maps.
    #[arg(long, default_value_t = 64, value_name = "N")]
    features: usize,

    /// How often height and width are halved.
    #[arg(long, default_value_t = 2, value_name = "N")]
    halvings: usize,

    /// Features of each stack of the density of codes.
    #[arg(long, default_value_t = 32, value_name = "N")]
    prior_features: usize,

    /// Steps of the density of codes.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    prior_steps: usize,

    /// A folder of pictures, in the place of IDX files; a tenth of them is tested on.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Height and width that these pictures are brought to.
    #[arg(long, default_value_t = 32, value_name = "N")]
    size: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Finite scalar quantisation: a codebook that is not learned.
    Fsq,
    /// A codebook that follows the latents.
    Vq,
    /// Several of them, each of what the others have left over.
    Residual,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    positive("--prior-steps", config.prior_steps)?;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, [Losses::TOTAL, "reconstruction"]);
    let data = |run: &RunArgs| match &config.pictures {
        Some(folder) => pictures(folder, &config, run.judge),
        None => run.data.load(config.training.limit),
    };
    let training = config.training.clone();
    let session = Session::open_on(data, "vq_images", args.run, &training, &config, summary)?;
    let session = session.without_unit();
    let device = session.devices.training();
    let vq = VqConfig::new(config.codes, config.width);
    match config.quantizer {
        Kind::Fsq => fit(&session, &config, Fsq::new(config.levels.clone())?),
        Kind::Vq => fit(&session, &config, vq.init(&device)?),
        Kind::Residual => fit(&session, &config, vq.init_residual(config.stages, &device)?),
    }
}

/// The pictures of a folder; those of folders within are classes.
fn pictures(folder: &Path, config: &Config, judge: bool) -> Result<Mnist> {
    let read = ImageFolderConfig::new([config.size; 2]).with_channels(Channels::Rgb);
    let pictures = read.open(folder)?;
    if judge && pictures.classes().len() < 2 {
        return Err(Error::Config(
            "--judge needs classes to tell apart: pictures in folders of their own".to_string(),
        ));
    }
    let training = &config.training;
    let [train, test] = split_pictures(&pictures, 0.1, training.seed, training.limit)?;
    Ok(Mnist {
        train,
        test,
        origin: Origin::Mnist(folder.to_path_buf()),
    })
}

/// Trains the autoencoder and then the density of its codes, and says how good both are.
fn fit<Q: Quantizer + 'static>(
    session: &Session<Config>,
    config: &Config,
    quantizer: Q,
) -> Result<()> {
    let device = session.devices.training();
    let shape = session.data.train.shape();
    let encoder = ResidualEncoderConfig::new(shape, quantizer.width())
        .with_features(config.features)
        .with_halvings(config.halvings);
    let decoder = ResidualDecoderConfig::new(quantizer.width(), shape)
        .with_features(config.features)
        .with_halvings(config.halvings);
    let (codes, depth) = (quantizer.codes(), quantizer.depth());
    let model = VqVae::new(
        encoder.init(&device)?,
        decoder.init(&device)?,
        quantizer,
        L1Loss,
    );
    let [height, width] = [shape[1], shape[2]].map(|side| side >> config.halvings);
    let prior = PixelCnnConfig::new([depth, height, width])
        .with_features(config.prior_features.next_multiple_of(depth))
        .with_first_kernel(5)
        .with_layers(4);
    let prior = prior.init_with(Output::Categorical(Levels::counting(codes)?), &device)?;
    initialize(&model);
    initialize(&prior);
    let [train, test] = session.images(|images, what| model.reconstruction.check(images, what))?;
    let adam = FusedAdamConfig::new().init()?;
    let (model, epochs) =
        session.train(&session.fit(), model, adam, session.lr(), [&train, &test])?;

    session.save_reconstructions(&test, |images| model.reconstruct(images))?;
    let reconstructed = in_batches(test.clone(), |images| model.reconstruct(images));
    let error = (reconstructed - test.clone()).abs().mean();
    session.measured(plain("absolute error a value", error.try_into_scalar()?))?;
    let indices = in_batches(test.clone(), |images| model.encode(images).float());
    let usage = CodeUsage::of(indices.int().flatten(0, 3), codes)?;
    let share = usage.in_use() as f64 / codes as f64;
    session.measured(plain("share of the codes in use", share))?;
    session.measured(plain("perplexity of the codes", usage.perplexity()))?;

    println!(
        "fitting the density of the codes: {} steps",
        config.prior_steps
    );
    let fit = DensityFit::new()
        .with_steps(config.prior_steps)
        .with_batch_size(128)
        .with_rate(3e-3)
        .with_held_out(0.02);
    let model = model.with_fitted_prior(train, |codes| fit.fit(prior, codes))?;
    let places = (depth * height * width) as f64;
    let rate = in_batches(test, |images| model.rate(images) / LN_2);
    let rate = Estimate::of_batch(rate)?;
    for (name, value, standard_error) in [
        ("rate by the density", rate.mean, Some(rate.standard_error)),
        (
            "rate by how often each code is used",
            places * usage.entropy() / LN_2,
            None,
        ),
        (
            "rate of codes as they are",
            places * (codes as f64).log2(),
            None,
        ),
    ] {
        session.measured(Measured {
            name: name.to_string(),
            value,
            standard_error,
            unit: "bits/picture".to_string(),
        })?;
    }
    session.save_samples(&model)?;
    session.finish(&epochs)
}
