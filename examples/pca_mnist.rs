//! Dimension reduction: what an autoencoder keeps of MNIST in few numbers, beside principal component analysis.
//!
//!     cargo run --example pca_mnist
//!     cargo run --example pca_mnist -- --dims 2,8,32 --epochs 20

mod common;

use burn::prelude::*;
use burn_generative::Result;
use burn_generative::metric::Pca;
use burn_generative::plot::{self, Report};
use burn_generative::prelude::*;
use burn_generative::prior::MixtureFit;
use burn_generative::{Error, model};
use clap::Parser;
use common::session::{FitArgs, PlaceArgs};
use common::{in_batches, positive, squared_error};
use serde::Serialize;
use std::process::ExitCode;

/// Train autoencoders with latents of several sizes, and compare their test error with that of PCA.
///
/// Leaves a chart of both errors over the number of dimensions, test images above what both make of them, samples of
/// the last autoencoder (from a Gaussian mixture on its codes), a report.html that shows them, and metrics in a folder.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// The numbers of dimensions.
    #[arg(long, value_delimiter = ',', default_values_t = [2, 4, 8, 16, 32], value_name = "N,N,...")]
    dims: Vec<usize>,

    /// Width of the hidden layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 400, value_name = "N")]
    hidden: usize,

    #[command(flatten)]
    #[serde(flatten)]
    fit: FitArgs,
}

/// Squared error an image, on the test images.
#[derive(Serialize)]
struct Errors {
    dimensions: usize,
    pca: f64,
    autoencoder: f64,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    config.fit.check()?;
    for &dimensions in &config.dims {
        positive("--dims", dimensions)?;
    }
    let data = args.place.data.load(config.fit.training.limit)?;
    let shape = data.train.shape();
    let pixels = shape.iter().product();
    if let Some(most) = config.dims.iter().find(|&&dimensions| dimensions > pixels) {
        return Err(Error::Config(format!(
            "--dims {most} is more than the {pixels} pixels of an image"
        )));
    }
    let (device, run) = args.place.out.open("pca_mnist", &config)?;
    let [train, test] = [&data.train, &data.test].map(|images| images.images(&device));
    Support::UnitInterval.check(&train, "training images")?;
    let rows = |images: &Tensor<4>| images.clone().flatten::<2>(1, 3);
    let images = |rows: Tensor<2>| {
        let [channels, height, width] = shape;
        rows.reshape([-1, channels as i32, height as i32, width as i32])
    };
    let pca = Pca::fit(rows(&train))?;

    let (mut errors, mut last) = (Vec::new(), None);
    let mut shown = vec![test.clone().narrow(0, 0, 12.min(test.dims()[0]))];
    for &dimensions in &config.dims {
        let training = device.clone().autodiff();
        training.seed(config.fit.training.seed);
        let hidden = vec![config.hidden];
        let encoder = MlpEncoderConfig::new(shape.to_vec(), dimensions).with_hidden(hidden.clone());
        let decoder = MlpDecoderConfig::new(dimensions, shape.to_vec()).with_hidden(hidden);
        let autoencoder = Autoencoder::new(
            encoder.init(&training)?,
            Squashed::sigmoid(decoder.init(&training)?),
            SquaredError,
        );
        let autoencoder = config.fit.train(autoencoder, &train, &device)?;
        let by_pca = |x: Tensor<4>| images(pca.reconstruct(pca.project(rows(&x), dimensions)));
        let by_autoencoder = |x: Tensor<4>| autoencoder.reconstruct(x);
        let one = Errors {
            dimensions,
            pca: squared_error(&test, by_pca)?,
            autoencoder: squared_error(&test, by_autoencoder)?,
        };
        println!(
            "{dimensions} dimensions: squared error {:.2} an image, of PCA {:.2}",
            one.autoencoder, one.pca
        );
        errors.push(one);
        run.write("metrics.json", &errors)?;
        shown.push(by_pca(shown[0].clone()).clamp(0.0, 1.0));
        shown.push(by_autoencoder(shown[0].clone()));
        last = Some(autoencoder);
    }

    let curve = |name: &str, of: fn(&Errors) -> f64| {
        let points = errors.iter().map(|one| [one.dimensions as f64, of(one)]);
        (name.to_string(), points.collect())
    };
    let axes = ["dimensions", "squared error of a test image"];
    let curves = [
        curve("PCA", |one| one.pca),
        curve("autoencoder", |one| one.autoencoder),
    ];
    let lead = "What an autoencoder keeps of an image in a few numbers, and what PCA keeps.";
    let mut report = Report::new("pca_mnist", lead);
    for one in &errors {
        let name = format!("{} dimensions", one.dimensions);
        let unit = format!("squared error; PCA {:.2}", one.pca);
        report.number(&name, &format!("{:.2}", one.autoencoder), &unit);
    }
    report.section("Pictures");
    let picture = plot::lines("What few numbers keep of an image", axes, &curves)?;
    plot::save(&picture, run.path("errors.png"))?;
    let text = "The squared error of a test image over the number of dimensions.";
    report.chart("Errors", text, &picture)?;
    let columns = shown[0].dims()[0];
    let picture = plot::grid(Tensor::cat(shown, 0), columns, 2)?;
    plot::save(&picture, run.path("reconstructions.png"))?;
    let text =
        "Test images; below them PCA and autoencoder in turn, for each number of dimensions.";
    report.pixels("Reconstructions", text, &picture, 2)?;
    if let Some(autoencoder) = last {
        let codes = in_batches(train, |images| autoencoder.encode(images));
        let mixture = MixtureFit::new(20.min(codes.dims()[0]))
            .with_restarts(1)
            .with_iterations(30)
            .with_regularization(1e-3)
            .fit_full(codes)?;
        let samples = model::sample(&mixture, &autoencoder.decoder, 72, &device);
        let picture = plot::grid(samples, 12, 2)?;
        plot::save(&picture, run.path("samples.png"))?;
        let text = "The last autoencoder's, from a mixture of Gaussians on its codes.";
        report.pixels("Samples", text, &picture, 2)?;
    }
    report.section("Configuration");
    report.configuration(&config)?;
    report.save(run.path("report.html"))?;
    println!(
        "wrote report.html, pictures and metrics to {}",
        run.folder().display()
    );
    Ok(())
}
