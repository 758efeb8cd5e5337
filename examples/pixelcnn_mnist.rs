//! Exact likelihoods of digits, pixel by pixel: a gated PixelCNN, and the models before it.
//!
//!     cargo run --example pixelcnn_mnist
//!     cargo run --example pixelcnn_mnist -- --levels 256
//!     cargo run --example pixelcnn_mnist -- --features 24 --first-kernel 15 --batch-size 16 --lr 0.003 --epochs 12
//!     cargo run --example pixelcnn_mnist -- --model made --hidden 2000 --epochs 60
//!     cargo run --example pixelcnn_mnist -- --help
//!
//! With two levels the images are binarised at random in every epoch, and the test images once. Published
//! numbers of such networks, 81 nats, are of hundreds of epochs: `--epochs 457 --features 64 --layers 15`, to be resumed as often
//! as need be.

mod common;

use burn::prelude::*;
use burn_generative::autoregressive::{MadeConfig, NadeConfig, Output, PixelCnnConfig, Stepwise};
use burn_generative::distribution::Levels;
use burn_generative::flow::bits_per_dimension;
use burn_generative::metric::Estimate;
use burn_generative::model::Augmented;
use burn_generative::nn::{Binarization, initialize};
use burn_generative::plot::Measured;
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, FusedAdamConfig, Trainable};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::binarized;
use common::session::{RunArgs, Session, TrainingArgs, named, unit_interval};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

/// Train an autoregressive model on MNIST, draw images, and complete halves of test images.
///
/// Leaves pictures, loss curves, a report.html, metrics, checkpoints and weights in a folder, and prints the test loss last. The
/// learning rate falls to 0 along half a cosine.
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
    /// The model.
    #[arg(long, default_value = "pixelcnn")]
    model: Kind,

    /// Levels of grey: 2, or of a pixelcnn also 256.
    #[arg(long, default_value_t = 2, value_name = "N")]
    levels: usize,

    /// Features of each stack of a pixelcnn.
    #[arg(long, default_value_t = 32, value_name = "N")]
    features: usize,

    /// Gated layers of a pixelcnn.
    #[arg(long, default_value_t = 6, value_name = "N")]
    layers: usize,

    /// Side of the first window of a pixelcnn, odd: over one channel a large one costs little, and it sees where in the image
    /// it is.
    #[arg(long, default_value_t = 7, value_name = "N")]
    first_kernel: usize,

    /// Hidden units of made and nade.
    #[arg(long, default_value_t = 500, value_name = "N")]
    hidden: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Gated convolutions.
    Pixelcnn,
    /// A masked perceptron.
    Made,
    /// A hidden layer that all pixels share.
    Nade,
    /// Logistic regression of each pixel on those before it.
    Fvsbn,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let is_binary = match (config.levels, config.model) {
        (2, _) => true,
        (256, Kind::Pixelcnn) => false,
        _ => {
            return Err(Error::Config(format!(
                "--levels must be 2, or 256 with --model pixelcnn, not {} with {:?}",
                config.levels, config.model
            )));
        }
    };
    let summary = |terms: &BTreeMap<String, f64>| named(terms, [Losses::TOTAL]);
    let training = config.training.clone();
    let session = Session::open("pixelcnn_mnist", args.run, &training, &config, summary)?;
    let [train, test] = session.images(unit_interval)?;
    let device = session.devices.training();
    let shape = session.data.train.shape();
    if !is_binary {
        let output = Output::logistic_mixture(Levels::unit(256)?, 10)?;
        let pixel_cnn = PixelCnnConfig::new(shape)
            .with_features(config.features)
            .with_layers(config.layers)
            .with_first_kernel(config.first_kernel);
        let model = MaximumLikelihood::new(pixel_cnn.init_with(output, &device)?);
        return fit(&session, model, [&train, &test], |model| &model.density);
    }
    let test = binarized(test, &session.device(), session.seed());
    let data = [&train, &test];
    match config.model {
        Kind::Pixelcnn => {
            let pixel_cnn = PixelCnnConfig::new(shape)
                .with_features(config.features)
                .with_layers(config.layers)
                .with_first_kernel(config.first_kernel);
            binary(&session, pixel_cnn.init(&device)?, data)
        }
        Kind::Made => {
            let made = MadeConfig::new(shape.to_vec()).with_hidden(vec![config.hidden]);
            binary(&session, made.init::<4>(&device)?, data)
        }
        Kind::Nade => {
            let nade = NadeConfig::new(shape.to_vec()).with_hidden(config.hidden);
            binary(&session, nade.init::<4>(&device)?, data)
        }
        Kind::Fvsbn => {
            let fvsbn = MadeConfig::fvsbn(shape.to_vec());
            binary(&session, fvsbn.init::<4>(&device)?, data)
        }
    }
}

/// Trains on images that are binarised anew in every epoch.
fn binary<A: Stepwise<4> + 'static>(
    session: &Session<Config>,
    density: A,
    data: [&Tensor<4>; 2],
) -> Result<()> {
    let model = Augmented::new(MaximumLikelihood::new(density), Binarization);
    fit(session, model, data, |model| &model.model.density)
}

/// Trains, and says what the density thinks of the test images, draws, and completes.
fn fit<M, A>(
    session: &Session<Config>,
    model: M,
    data: [&Tensor<4>; 2],
    density: impl Fn(&M) -> &A,
) -> Result<()>
where
    M: Trainable + Model<Input = Tensor<4>>,
    A: Stepwise<4>,
{
    initialize(&model);
    let adam = FusedAdamConfig::new().init()?;
    let rate = Cosine::new(session.lr());
    let (trained, epochs) = session.train(&session.fit(), model, adam, rate, data)?;
    let (model, test) = (density(&trained), data[1].clone());
    let numbers = test.dims()[1..].iter().product();
    let bits = |batch| bits_per_dimension(model.log_prob(batch), numbers);
    let spent = Estimate::of_batch(common::in_batches(test.clone(), bits))?;
    session.measured(Measured {
        name: "bits a pixel".to_string(),
        value: spent.mean,
        standard_error: Some(spent.standard_error),
        unit: "bits".to_string(),
    })?;
    let started = Instant::now();
    session.save_samples(model)?;
    println!("samples: {:.1} s", started.elapsed().as_secs_f64());

    // The upper half of test images is known.
    let images = test.clone().narrow(0, 0, 24.min(test.dims()[0]));
    let [count, channels, height, width] = images.dims();
    let known = Tensor::<4>::ones([count, channels, height / 2, width], &images.device());
    let unknown = Tensor::zeros(
        [count, channels, height - height / 2, width],
        &images.device(),
    );
    let known = Tensor::cat(vec![known, unknown], 2);
    let seen = images.clone() * known.clone();
    let complete =
        |partial: &Tensor<4>| model.sample_given(partial.clone(), known.clone().greater_elem(0.5));
    let [first, second] = [complete(&seen), complete(&seen)];
    let words = [
        "Completions",
        "Test images, their upper halves, and two completions of these.",
    ];
    session.save_pairs("completions.png", words, [images, seen, first, second])?;
    session.finish(&epochs)
}
