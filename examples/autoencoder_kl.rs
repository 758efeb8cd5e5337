//! Encodes a picture with diffusers' weights of an AutoencoderKL, and decodes it again.
//!
//!     cargo run --example autoencoder_kl -- --weights vae/diffusion_pytorch_model.safetensors picture.png
//!     cargo run --example autoencoder_kl -- --help

mod common;

use burn::tensor::Tensor;
use burn_generative::data::{self, Channels};
use burn_generative::device::Devices;
use burn_generative::loss::SquaredError;
use burn_generative::model::AutoencoderKlConfig;
use burn_generative::plot::{self, Report};
use burn_generative::prelude::*;
use burn_generative::{Error, Result, weights};
use clap::Parser;
use common::session::{OutArgs, plain};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Encode a picture with diffusers' weights of an AutoencoderKL, and decode it again.
///
/// Leaves reconstruction.png, the channels of the latent as latent.png, and a report.html in a folder, and prints the peak
/// signal-to-noise ratio of the reconstruction.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    out: OutArgs,
}

/// What defines a run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// The weights: a SafeTensors file of diffusers, or a checkpoint of latent diffusion.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Their configuration, diffusers' config.json. [default: the one beside the weights]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Work in tiles of so many pixels a side, where memory has no room for the whole.
    #[arg(long, value_name = "N")]
    tile: Option<usize>,

    /// Cut what is left over from the picture's right and bottom, where the model's stride does not divide its sides.
    #[arg(long)]
    crop: bool,

    /// A PNG or JPEG file; what is transparent in it is laid on white.
    #[arg(value_name = "PICTURE")]
    picture: PathBuf,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    let beside = config.weights.with_file_name("config.json");
    let architecture = AutoencoderKlConfig::open(config.config.as_ref().unwrap_or(&beside))?;
    let channels = match (architecture.in_channels, architecture.out_channels) {
        (1, 1) => Channels::Grey,
        (3, 3) => Channels::Rgb,
        (read, made) => {
            return Err(Error::Config(format!(
                "this example shows pictures of one or three channels; the model reads {read} and makes {made}"
            )));
        }
    };
    let device = Devices::named(args.out.device.as_deref())?.device();
    let mut picture = data::picture(&config.picture, channels, &device)?;
    if config.crop {
        let [_, _, height, width] = picture.dims();
        let stride = architecture.stride();
        let whole = |side: usize| match side / stride {
            0 => side, // and so refused
            times => times * stride,
        };
        let [height, width] = [height, width].map(whole);
        picture = picture.slice([0..1, 0..architecture.in_channels, 0..height, 0..width]);
    }
    let autoencoder = weights::load_autoencoder_kl(architecture.init(&device)?, &config.weights)?;

    let images = picture.clone() * 2.0 - 1.0;
    let started = Instant::now();
    let posterior = match config.tile {
        Some(tile) => autoencoder.encode_tiled(images, tile)?,
        None => autoencoder.encode(images)?,
    };
    let latent = posterior.mean();
    latent.clone().sum().try_into_scalar::<f64>()?; // until it is there
    let encoded = started.elapsed();
    let decoded = match config.tile {
        Some(tile) => autoencoder.decode_tiled(latent.clone(), tile)?,
        None => autoencoder.decode(latent.clone())?,
    };
    let reconstruction = ((decoded + 1.0) / 2.0).clamp(0.0, 1.0);
    let pixels = picture.shape().num_elements() as f64;
    let error = SquaredError.loss(reconstruction.clone(), picture.clone());
    let psnr = -10.0 * (error.try_into_scalar::<f64>()? / pixels).log10();
    let seconds = [encoded, started.elapsed() - encoded].map(|time| time.as_secs_f64());
    // Nothing is written before all of it has worked.
    let (_, run) = args.out.open("autoencoder_kl", config)?;
    let [_, _, height, width] = picture.dims();
    println!(
        "{} of {height}x{width} pixels as a latent of {:?}: encoded in {:.2} s, decoded in {:.2} s",
        config.picture.display(),
        &latent.dims()[1..],
        seconds[0],
        seconds[1],
    );

    let measured = plain("peak signal-to-noise ratio", psnr);
    println!("{measured} dB");
    run.write("metrics.json", &[&measured])?;
    let mut report = Report::new("autoencoder_kl", "What an autoencoder keeps of a picture.");
    report.number(&measured.name, &format!("{psnr:.2}"), "dB");
    report.section("Pictures");
    plot::save(
        &plot::grid(reconstruction.clone(), 1, 1)?,
        run.path("reconstruction.png"),
    )?;
    let both = plot::grid(Tensor::cat(vec![picture, reconstruction], 0), 2, 1)?;
    let text = "The picture, and what is decoded of its latent.";
    report.pixels("Picture and reconstruction", text, &both, 1)?;
    let [_, count, height, width] = latent.dims();
    let maps = latent.reshape([count, height * width]);
    let (least, most) = (maps.clone().min_dim(1), maps.clone().max_dim(1));
    let maps = (maps - least.clone()) / (most - least).clamp_min(1e-12);
    let maps = maps.reshape([count, 1, height, width]);
    let zoom = (architecture.stride() / 2).max(1);
    let channels = plot::grid(maps, 4, zoom)?;
    plot::save(&channels, run.path("latent.png"))?;
    let text = "The channels of the latent, each from its least to its greatest number.";
    report.pixels("Latent", text, &channels, zoom)?;
    report.section("Configuration");
    report.configuration(config)?;
    report.save(run.path("report.html"))?;
    println!(
        "wrote report.html and pictures to {}",
        run.folder().display()
    );
    Ok(())
}
