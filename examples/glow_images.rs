//! A Glow of pictures: an exact density of MNIST, or of any folder of pictures, in bits a number.
//!
//!     cargo run --example glow_images
//!     cargo run --example glow_images -- --pictures path/to/pictures --size 32 --out out/glow-32
//!     cargo run --example glow_images -- --levels 3 --steps 32 --hidden 256 --epochs 200 --out out/glow-full    # for a GPU
//!     cargo run --example glow_images -- --help
//!
//! Bytes have no density: uniform noise in [0, 1) is added to them, so that the bits are a bound on those of the bytes. A model
//! that knows nothing takes exactly 8.

mod common;

use burn::prelude::*;
use burn_generative::data::LabeledImages;
use burn_generative::device::Devices;
use burn_generative::flow::{Dequantize, Flow, GlowConfig, Tempered, bits_per_dimension};
use burn_generative::metric::Estimate;
use burn_generative::plot::{Measured, RunReport};
use burn_generative::prelude::*;
use burn_generative::train::{Fit, FusedAdamConfig, Run};
use burn_generative::{Error, Result};
use clap::Parser;
use common::{DataArgs, Settings, positive, rate};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Train a Glow on MNIST or on a folder of pictures.
///
/// Leaves samples at a temperature and a report.html in a folder, with metrics, checkpoints and weights, and goes on with what
/// is in that folder.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    data: DataArgs,

    /// How often to go through the pictures.
    #[arg(long, default_value_t = 5, value_name = "N")]
    epochs: usize,

    /// What the noise of the samples is multiplied by.
    #[arg(long, default_value_t = 0.7, value_name = "X")]
    temperature: f64,

    /// Devices to train on: flex, wgpu, cuda:0,cuda:1, ... [default: the first that is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Folder for what the run leaves behind; one that holds this run is gone on with.
    #[arg(long, default_value = "out/glow_images", value_name = "DIR")]
    out: PathBuf,
}

/// What defines a run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// A folder of PNG and JPEG pictures, in the place of MNIST.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Height and width that the pictures of a folder are brought to.
    #[arg(long, default_value_t = 32, value_name = "N")]
    size: usize,

    /// Share of the pictures of a folder that are kept to test on.
    #[arg(long, default_value_t = 0.1, value_name = "X")]
    test_share: f64,

    /// Use only the first N pictures to train on, and the first N to test on.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Scales; each halves the sides.
    #[arg(long, default_value_t = 2, value_name = "N")]
    levels: usize,

    /// Steps of a scale.
    #[arg(long, default_value_t = 8, value_name = "N")]
    steps: usize,

    /// Hidden channels of each network.
    #[arg(long, default_value_t = 32, value_name = "N")]
    hidden: usize,

    /// Pictures in a training step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Seed of the weights, the order of the pictures, and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    positive("--epochs", args.epochs)?;
    positive("--batch-size", config.batch_size)?;
    let lr = rate("--lr", config.lr)?;
    if !(args.temperature >= 0.0 && args.temperature.is_finite()) {
        return Err(Error::Config(format!(
            "--temperature must be 0 or a positive number, not {}",
            args.temperature
        )));
    }
    let devices = Devices::named(args.device.as_deref())?;
    devices.seed(config.seed);
    println!("device: {}", devices.name());
    let device = devices.device();
    let source = (config.pictures.as_deref(), config.size, config.test_share);
    let ([train, test], data) = args
        .data
        .pictures_or_mnist(source, config.seed, config.limit)?;
    let shape = train.shape();
    let numbers = shape.iter().product();
    let [train, test] = [train, test].map(|images| bytes(&images, &device));

    let glow = GlowConfig::new(shape)
        .with_levels(config.levels)
        .with_steps(config.steps)
        .with_hidden(config.hidden)
        .with_seed(config.seed)
        .init(&devices.training())?;
    let flow = Flow::new(glow, StandardNormal::new(numbers));
    let model = MaximumLikelihood::new(Dequantize::new(flow, 256)?);

    let run = Run::open(
        &args.out,
        &Settings {
            config: config.clone(),
            data,
        },
    )?;
    let bits = move |nats: f64| nats / (numbers as f64 * std::f64::consts::LN_2);
    let fit = Fit::new(args.epochs, config.batch_size)
        .seed(config.seed)
        .devices(&devices)
        .clip_gradients(50.0)
        .summary(move |terms| format!("{:.3} bits a number", bits(terms["nll"])));
    let adam = FusedAdamConfig::new().init()?;
    let (model, _) = fit.run(&run, model, adam, lr, &train, &test)?;

    device.seed(config.seed);
    let mut report = RunReport::new(&run, "glow_images", "nats/picture");
    let of_batch = |batch| bits_per_dimension(model.log_prob(batch), numbers);
    let spent = Estimate::of_batch(common::in_batches(test, of_batch))?;
    let measured = Measured {
        name: "bits a number, at most".to_string(),
        value: spent.mean,
        standard_error: Some(spent.standard_error),
        unit: "bits".to_string(),
    };
    println!("{measured}");
    report.measured(measured);
    let samples = model.density.sample_at(72, args.temperature, &device)?;
    let text = format!(
        "Draws at a temperature of {}, none chosen.",
        args.temperature
    );
    report.images("samples.png", "Samples", &text, samples / 255.0)?;
    report.save()?;
    println!(
        "wrote report.html, pictures, metrics and weights to {}",
        args.out.display()
    );
    Ok(())
}

/// Images as the bytes that they were, `0, 1, .., 255`.
fn bytes(images: &LabeledImages, device: &Device) -> Tensor<4> {
    (images.images(device) * 255.0).round()
}
