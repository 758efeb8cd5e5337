//! Trains a convolutional variational autoencoder on any folder of pictures.
//!
//!     cargo run --example vae_images -- --data-dir path/to/pictures --size 64
//!     cargo run --example vae_images -- --help

mod common;

use burn_generative::data::{Channels, ImageFolderConfig, Unreadable};
use burn_generative::device::Devices;
use burn_generative::latent;
use burn_generative::loss::{AnyLikelihood, LearnedGaussianNll};
use burn_generative::plot::{self, RunReport};
use burn_generative::prelude::*;
use burn_generative::train::{Fit, FusedAdamConfig, PosteriorWatch, Run};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Train a convolutional variational autoencoder on a folder of pictures.
///
/// PNG and JPEG files of any size and colour, in folders within as well. Leaves reconstructions, samples, interpolations
/// and a report.html in a folder, with metrics, checkpoints and weights, and goes on with what is in that folder.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    /// How often to go through the pictures.
    #[arg(long, default_value_t = 20, value_name = "N")]
    epochs: usize,

    /// Decode the pictures anew in every epoch, where memory has no room for them.
    #[arg(long)]
    stream: bool,

    /// Pass over files that cannot be read, in the place of ending with their name.
    #[arg(long)]
    skip_unreadable: bool,

    /// Devices to train on: flex, wgpu, cuda:0,cuda:1, ... [default: the first that is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Folder for what the run leaves behind; one that holds this run is gone on with.
    #[arg(long, default_value = "out/vae_images", value_name = "DIR")]
    out: PathBuf,
}

/// What defines a run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// The folder of pictures.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// Height and width that the pictures are brought to.
    #[arg(long, default_value_t = 64, value_name = "N")]
    size: usize,

    /// Colours that are kept.
    #[arg(long, default_value = "rgb")]
    colour: Colour,

    /// Number of latent coordinates.
    #[arg(long, default_value_t = 64, value_name = "N")]
    latent_dim: usize,

    /// Filters of each convolution; each halves the size.
    #[arg(long, value_delimiter = ',', default_values_t = [32, 64, 128], value_name = "N,N,...")]
    filters: Vec<usize>,

    /// How a colour is distributed around the decoder's output.
    #[arg(long, default_value = "learned-gaussian")]
    likelihood: Kind,

    /// Training steps over which the KL weight rises to 1.
    #[arg(long, default_value_t = 0, value_name = "N")]
    warmup_steps: usize,

    /// Pictures in a training step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Share of the pictures that are kept to test on.
    #[arg(long, default_value_t = 0.1, value_name = "X")]
    test_share: f64,

    /// Seed of the weights, the order of the pictures, and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Colour {
    Grey,
    Rgb,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Bernoulli,
    LearnedGaussian,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    let devices = Devices::named(args.device.as_deref())?;
    devices.seed(config.seed);
    println!("device: {}", devices.name());
    let pictures = ImageFolderConfig::new([config.size; 2])
        .with_channels(match config.colour {
            Colour::Grey => Channels::Grey,
            Colour::Rgb => Channels::Rgb,
        })
        .with_unreadable(if args.skip_unreadable {
            Unreadable::Skip
        } else {
            Unreadable::Refuse
        })
        .open(&config.data_dir)?;
    for (path, reason) in pictures.skipped() {
        eprintln!("warning: {} {reason}", path.display());
    }
    let shape = pictures.shape();
    let (train, test) = pictures.split(config.test_share, config.seed)?;
    println!("data: {} pictures, {} to test on", train.len(), test.len());
    if test.is_empty() {
        return Err(Error::Config(format!(
            "--test-share {} of {} pictures leaves none to test on",
            config.test_share,
            train.len()
        )));
    }

    let training = devices.training();
    let encoder = ConvEncoderConfig::new(shape, config.latent_dim)
        .with_channels(config.filters.clone())
        .with_hidden(256);
    let decoder = ConvDecoderConfig::new(config.latent_dim, shape)
        .with_channels(config.filters.clone())
        .with_hidden(256);
    let vae = VaeConfig::new()
        .with_warmup_steps(config.warmup_steps)
        .init(
            encoder.init_gaussian(&training)?,
            decoder.init(&training)?,
            StandardNormal::new(config.latent_dim),
            match config.likelihood {
                Kind::Bernoulli => AnyLikelihood::Bernoulli(BernoulliNll),
                Kind::LearnedGaussian => {
                    AnyLikelihood::LearnedGaussian(LearnedGaussianNll::new(&training))
                }
            },
        )?;

    let run = Run::open(&args.out, config)?;
    let watch = PosteriorWatch::new(config.latent_dim).after_warmup(config.warmup_steps);
    let fit = Fit::new(args.epochs, config.batch_size)
        .seed(config.seed)
        .devices(&devices)
        .watch(watch);
    let adam = FusedAdamConfig::new().init()?;
    let (vae, _) = if args.stream {
        fit.run(&run, vae, adam, config.lr, &train, &test)?
    } else {
        let (train, test) = (train.decode()?, test.decode()?);
        fit.run(&run, vae, adam, config.lr, &train, &test)?
    };

    let device = devices.device();
    let shown = test.decode()?.take(24).images(&device);
    let mut report = RunReport::new(&run, "vae_images", "nats/picture");
    let pairs = [
        shown.clone(),
        vae.reconstruct(shown.clone()).clamp(0.0, 1.0),
    ];
    let text = "Test pictures, each above its reconstruction.";
    report.pixels(
        "reconstructions.png",
        "Reconstructions",
        text,
        plot::rows(pairs, 8, 2)?,
        2,
    )?;
    device.seed(config.seed);
    let samples = vae.sample(64, &device).clamp(0.0, 1.0);
    let text = "What the decoder makes of draws of the prior, none chosen.";
    report.pixels(
        "samples.png",
        "Samples",
        text,
        plot::grid(samples, 8, 2)?,
        2,
    )?;
    let pairs = shown.dims()[0] / 2;
    if pairs > 0 {
        let codes = vae.encode(shown).mean();
        let [from, to] = [0, pairs].map(|start| codes.clone().narrow(0, start, pairs.min(6)));
        let walk = vae
            .likelihood
            .point(vae.decode(latent::linear(from, to, 8)));
        let text =
            "From one test picture to another, along a straight line through the latent space.";
        let picture = plot::grid(walk.clamp(0.0, 1.0), 8, 2)?;
        report.pixels("interpolations.png", "Interpolation", text, picture, 2)?;
    }
    report.save()?;
    println!(
        "wrote report.html, pictures, metrics and weights to {}",
        args.out.display()
    );
    Ok(())
}
