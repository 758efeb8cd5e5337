//! Finds the digit that a variational autoencoder has never seen: four scores, and how well each tells it.
//!
//!     cargo run --example anomaly_mnist                 # the digit 7
//!     cargo run --example anomaly_mnist -- --digit 0
//!     cargo run --example anomaly_mnist -- --all        # each digit in turn: ten trainings

mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::metric::{Estimate, auroc, elbo, importance_weighted_bound, quantile};
use burn_generative::plot::{self, Report, RgbImage};
use burn_generative::prelude::*;
use burn_generative::prior::MixtureFit;
use burn_generative::{Error, Result};
use clap::Parser;
use common::session::{FitArgs, PlaceArgs};
use common::{in_batches, positive};
use serde::Serialize;
use std::process::ExitCode;

/// Train a variational autoencoder on nine digits of MNIST, and find the tenth among the test images.
///
/// Prints the AUROC of each score (1 is perfect, 0.5 is chance) and the share of anomalies above the threshold that
/// one in twenty normal training images exceeds; leaves a report.html, a histogram of the best score and metrics in
/// a folder.
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
    /// The label that is held out.
    #[arg(long, default_value_t = 7, value_name = "N")]
    digit: u8,

    /// Hold out each label in turn.
    #[arg(long, conflicts_with = "digit")]
    all: bool,

    /// Number of latent coordinates.
    #[arg(long, default_value_t = 20, value_name = "N")]
    latent_dim: usize,

    /// Width of the hidden layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 400, value_name = "N")]
    hidden: usize,

    /// Draws of the posterior for the importance-weighted score.
    #[arg(long, default_value_t = 50, value_name = "K")]
    draws: usize,

    /// Gaussians of the mixture that the normal codes are described by.
    #[arg(long, default_value_t = 50, value_name = "N")]
    components: usize,

    #[command(flatten)]
    #[serde(flatten)]
    fit: FitArgs,
}

/// The scores, each the larger the stranger.
const SCORES: [&str; 4] = [
    "reconstruction",
    "latent distance",
    "ELBO",
    "importance-weighted",
];

/// What one digit came to.
#[derive(Serialize)]
struct Outcome {
    digit: u8,
    /// For each score.
    auroc: Vec<f64>,
    standard_error: Vec<f64>,
    /// The share of anomalies above the threshold of each score.
    found: Vec<f64>,
    /// And that of normal test images: one in twenty, if they are like those of the training.
    false_alarms: Vec<f64>,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    config.fit.check()?;
    positive("--draws", config.draws)?;
    positive("--components", config.components)?;
    let data = args.place.data.load(config.fit.training.limit)?;
    let mut digits: Vec<u8> = if config.all {
        data.train.labels().to_vec()
    } else {
        vec![config.digit]
    };
    digits.sort_unstable();
    digits.dedup();
    for digit in &digits {
        let with = data
            .test
            .labels()
            .iter()
            .filter(|label| *label == digit)
            .count();
        let others = data.train.labels().iter().any(|label| label != digit);
        if with == 0 || with == data.test.len() || !others {
            return Err(Error::Config(format!(
                "--digit {digit} leaves nothing to compare: {with} of {} test images have this label",
                data.test.len()
            )));
        }
    }
    let (device, run) = args.place.out.open("anomaly_mnist", &config)?;
    println!("AUROC of    {}", SCORES.join(", "));
    let (mut outcomes, mut pictures, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for digit in digits {
        let (outcome, picture) = hold_out(digit, &config, &data, &device)?;
        plot::save(&picture, run.path(&format!("scores-{digit}.png")))?;
        pictures.push(picture);
        let scores = outcome.auroc.iter().zip(&outcome.standard_error);
        let scores = scores.map(|(auroc, error)| format!("{auroc:.3} ± {error:.3}"));
        let scores: Vec<String> = scores.collect();
        println!("digit {digit}:    {}", scores.join(", "));
        rows.push([vec![digit.to_string()], scores].concat());
        outcomes.push(outcome);
        run.write("metrics.json", &outcomes)?;
    }
    let mean = |of: &dyn Fn(&Outcome) -> f64| {
        let values: Vec<f64> = outcomes.iter().map(of).collect();
        Ok::<_, Error>(Estimate::of(&values)?.mean)
    };
    let lead = "How well each of four scores finds a digit that the training never saw.";
    let mut report = Report::new("anomaly_mnist", lead);
    for (k, score) in SCORES.iter().enumerate() {
        let (area, found) = (mean(&|one| one.auroc[k])?, mean(&|one| one.found[k])?);
        let alarms = mean(&|one| one.false_alarms[k])?;
        println!(
            "{score}: AUROC {area:.3}; above the threshold lie {:.0}% of the anomalies, and {:.1}% of the normal test images",
            100.0 * found,
            100.0 * alarms
        );
        report.number(score, &format!("{area:.3}"), "AUROC");
    }
    report.section("Areas under the ROC curve");
    report.table(
        "A digit held out in each row; with standard errors.",
        &[&["digit"], &SCORES[..]].concat(),
        &rows,
    );
    report.section("Pictures");
    for (outcome, picture) in outcomes.iter().zip(&pictures) {
        let title = format!("Digit {}", outcome.digit);
        let text = "The best score of test images; beyond the threshold lies one in twenty training images.";
        report.chart(&title, text, picture)?;
    }
    report.section("Configuration");
    report.configuration(&config)?;
    report.save(run.path("report.html"))?;
    println!(
        "wrote report.html, histograms and metrics to {}",
        run.folder().display()
    );
    Ok(())
}

/// Trains on all but one digit, and scores the test images; with a picture of the best score.
fn hold_out(
    digit: u8,
    config: &Config,
    data: &burn_generative::data::mnist::Mnist,
    device: &Device,
) -> Result<(Outcome, RgbImage)> {
    let training_device = device.clone().autodiff();
    training_device.seed(config.fit.training.seed);
    let normal = data.train.clone().with_labels(|label| label != digit);
    let shape = normal.shape().to_vec();
    let hidden = vec![config.hidden];
    let vae = VaeConfig::new().init(
        MlpEncoderConfig::new(shape.clone(), config.latent_dim)
            .with_hidden(hidden.clone())
            .init_gaussian(&training_device)?,
        MlpDecoderConfig::new(config.latent_dim, shape)
            .with_hidden(hidden)
            .init(&training_device)?,
        StandardNormal::new(config.latent_dim),
        BernoulliNll,
    )?;
    let normal = normal.images(device);
    vae.likelihood.check(&normal, "training images")?;
    let vae = config.fit.train(vae, &normal, device)?;

    // Where normal codes lie, from as many of them as tell.
    let encode = |images: Tensor<4>| vae.encode(images).mean();
    let some = chosen(&normal, 15_000);
    let codes = in_batches(some.clone(), encode);
    let fit = MixtureFit::new(config.components.min(codes.dims()[0]));
    let codes_of_normal = fit
        .with_restarts(1)
        .with_iterations(30)
        .with_regularization(0.01)
        .with_seed(config.fit.training.seed)
        .fit_full(codes)?;

    let score = |images: Tensor<4>| -> Result<[Vec<f64>; 4]> {
        let mut scores: [Vec<f64>; 4] = Default::default();
        for images in images.split(500, 0) {
            let code = encode(images.clone());
            let log_densities = [
                vae.likelihood
                    .loss(vae.decode(code.clone()), images.clone())
                    .neg(),
                codes_of_normal.log_prob(code),
                elbo(&vae, images.clone(), 5)?.total(),
                importance_weighted_bound(&vae, images, config.draws)?.log_prob,
            ];
            for (scores, log_density) in scores.iter_mut().zip(log_densities) {
                let values = log_density.neg().try_into_data_as::<f64>()?;
                scores.extend(values.iter::<f64>());
            }
        }
        Ok(scores)
    };
    let known = score(some.narrow(0, 0, normal.dims()[0].min(5000)))?;
    let tested = score(data.test.images(device))?;
    let mut outcome = Outcome {
        digit,
        auroc: Vec::new(),
        standard_error: Vec::new(),
        found: Vec::new(),
        false_alarms: Vec::new(),
    };
    let mut shown = Vec::new();
    for ((name, scores), known) in SCORES.iter().zip(tested).zip(known) {
        let labeled = || scores.iter().zip(data.test.labels());
        let of = |anomalous: bool| -> Vec<f64> {
            let own = labeled().filter(|(_, label)| (**label == digit) == anomalous);
            own.map(|(&score, _)| score).collect()
        };
        let (normal, anomalous) = (of(false), of(true));
        let area = auroc(&normal, &anomalous)?;
        let threshold = quantile(&known, 0.95)?;
        let above = |scores: &[f64]| {
            let count = scores.iter().filter(|&&score| score > threshold).count();
            count as f64 / scores.len() as f64
        };
        outcome.auroc.push(area.mean);
        outcome.standard_error.push(area.standard_error);
        outcome.found.push(above(&anomalous));
        outcome.false_alarms.push(above(&normal));
        let title = format!("{digit} was never seen: {name}, AUROC {:.3}", area.mean);
        let groups = [
            ("other digits".to_string(), normal),
            (format!("digit {digit}"), anomalous),
        ];
        shown.push((title, groups, threshold));
    }
    let areas = &outcome.auroc;
    let best = (0..areas.len()).max_by(|&a, &b| areas[a].total_cmp(&areas[b]));
    let (title, groups, threshold) = &shown[best.unwrap_or(0)];
    let picture = plot::histogram(title, "score (nats)", groups, Some(*threshold))?;
    Ok((outcome, picture))
}

/// At most so many of the images, by chance.
fn chosen(images: &Tensor<4>, count: usize) -> Tensor<4> {
    let total = images.dims()[0];
    let count = count.min(total);
    let order = Tensor::<1>::random([total], Distribution::Default, &images.device()).argsort(0);
    images.clone().select(0, order.narrow(0, 0, count))
}
