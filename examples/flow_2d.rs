//! Normalizing flows in the plane, on data whose entropy is known: how near does a flow come?
//!
//!     cargo run --example flow_2d
//!     cargo run --example flow_2d -- --data checkerboard --model maf
//!     cargo run --example flow_2d -- --help
//!
//! The entropy is the least that the negative log-likelihood of any model can be. What a flow has above it, its excess, is
//! measured on fresh points.

mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::flow::{
    Bijection, Flow, MafConfig, RealNvpConfig, SplineFlowConfig, SplineMap,
};
use burn_generative::metric::Estimate;
use burn_generative::nn::initialize;
use burn_generative::plot::{self, Report, RgbImage};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, SwissRoll, SwissRollConfig};
use burn_generative::train::{FusedAdamConfig, Run};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::OutArgs;
use common::{positive, rate};
use serde::Serialize;
use std::f64::consts::{PI, TAU};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Train a normalizing flow on points of the plane.
///
/// Leaves a report.html, pictures of the samples, the density and the way from noise to data, and metrics.json in a folder,
/// and prints the negative log-likelihood beside the entropy last.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    out: OutArgs,
}

#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// The points.
    #[arg(long, default_value = "moons")]
    data: Points,

    /// The flow.
    #[arg(long, default_value = "spline")]
    model: Kind,

    /// Training steps.
    #[arg(long, default_value_t = 3000, value_name = "N")]
    steps: usize,

    /// Points in a training step, drawn anew for each.
    #[arg(long, default_value_t = 512, value_name = "N")]
    batch_size: usize,

    /// Couplings, or autoregressive maps. [default: 8 for realnvp, 4 for the others]
    #[arg(long, value_name = "N")]
    layers: Option<usize>,

    /// Width of the two hidden layers of every network.
    #[arg(long, default_value_t = 64, value_name = "N")]
    hidden: usize,

    /// Bins of a spline.
    #[arg(long, default_value_t = 16, value_name = "N")]
    bins: usize,

    /// Learning rate, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 3e-3, value_name = "X")]
    lr: f64,

    /// Seed of the weights and the points.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Points {
    /// Two half circles that reach into one another, noise 0.1.
    Moons,
    /// A circle within a circle, noise 0.08.
    Circles,
    /// Eight Gaussians on a circle.
    Gaussians,
    /// Eight squares of a board of sixteen.
    Checkerboard,
    /// Four circles around one another, noise 0.1.
    Rings,
    /// A spiral, noise 0.1.
    Spiral,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Affine couplings.
    Realnvp,
    /// An autoregressive flow by splines.
    Maf,
    /// Couplings by splines.
    Spline,
}

/// Points that are drawn in pictures.
const SHOWN: usize = 5_000;
/// Points that the likelihood is measured on.
const MEASURED: usize = 100_000;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    positive("--steps", config.steps)?;
    positive("--batch-size", config.batch_size)?;
    rate("--lr", config.lr)?;
    // Before the training: a folder that cannot be written is known at once.
    let (device, run) = args.out.open("flow_2d", config)?;
    device.seed(config.seed);
    let truth = Truth::new(config.data, &device)?;
    let training = device.clone().autodiff();
    let hidden = vec![config.hidden; 2];
    let layers = config.layers.unwrap_or(match config.model {
        Kind::Realnvp => 8,
        Kind::Maf | Kind::Spline => 4,
    });
    match config.model {
        Kind::Realnvp => {
            let flow = RealNvpConfig::new(2)
                .with_couplings(layers)
                .with_hidden(hidden);
            fit(flow.init(&training)?, config, &truth, &device, &run)
        }
        Kind::Maf => {
            let map = SplineMap::new(config.bins, 4.0)?;
            let flow = MafConfig::new(2).with_layers(layers).with_hidden(hidden);
            let flow = flow.init_with_map(map, &training)?;
            fit(flow, config, &truth, &device, &run)
        }
        Kind::Spline => {
            let flow = SplineFlowConfig::new(2).with_couplings(2 * layers);
            let flow = flow.with_hidden(hidden).with_bins(config.bins);
            let flow = flow.with_seed(config.seed).init(&training)?;
            fit(flow, config, &truth, &device, &run)
        }
    }
}

/// Trains a flow of these steps, measures it and draws it.
fn fit<S>(steps: Vec<S>, config: &Config, truth: &Truth, device: &Device, run: &Run) -> Result<()>
where
    S: Bijection<Input = Tensor<2>, Output = Tensor<2>>,
{
    let model = MaximumLikelihood::new(Flow::new(steps, StandardNormal::new(2)));
    initialize(&model);
    let (flow, seconds) = train(model, config, truth, device)?;
    let result = measure(&flow, truth, seconds, device)?;
    run.write("metrics.json", &result)?;

    let samples = points(flow.sample(SHOWN, device))?;
    let data = points(truth.sample(SHOWN, device))?;
    let groups = [("data".to_string(), data), ("flow".to_string(), samples)];
    let picture = plot::scatter_groups("Samples on top of the data", ["x", "y"], &groups)?;
    plot::save(&picture, run.path("samples.png"))?;
    let densities = Tensor::cat(
        vec![truth.picture(device), density_picture(&flow, truth, device)],
        0,
    );
    let densities = plot::grid(densities, 2, 2)?;
    plot::save(&densities, run.path("density.png"))?;
    let frames = way_to_data(&flow, truth, device)?;
    plot::save_gif(&frames, Duration::from_millis(80), run.path("flow.gif"))?;

    let lead =
        "A normalizing flow in the plane, and how far it is from the best that any model can be.";
    let mut report = Report::new("flow_2d", lead);
    report.number(
        "negative log-likelihood",
        &format!("{:.4}", result.nll),
        "nats",
    );
    report.number(
        "entropy of the data",
        &format!("{:.4}", result.entropy),
        "nats",
    );
    let excess = format!("{:.4} ± {:.4}", result.excess, result.standard_error);
    report.number("excess", &excess, "nats");
    report.section("Pictures");
    report.chart("Samples", "", &picture)?;
    report.pixels(
        "Density",
        "The data's on the left, the flow's on the right.",
        &densities,
        2,
    )?;
    let text = "The grid of the noise, carried to the data step by step.";
    report.animation("From noise to data", text, run.path("flow.gif"))?;
    report.save(run.path("report.html"))?;
    println!(
        "wrote report.html, pictures and metrics to {}",
        run.folder().display()
    );
    println!(
        "nll {:.4}, entropy {:.4}: excess {excess} nats",
        result.nll, result.entropy
    );
    Ok(())
}

/// The flow after training, and the seconds it took.
fn train<S>(
    mut model: MaximumLikelihood<Flow<Vec<S>, StandardNormal>>,
    config: &Config,
    truth: &Truth,
    device: &Device,
) -> Result<(Flow<Vec<S>, StandardNormal>, f64)>
where
    S: Bijection<Input = Tensor<2>, Output = Tensor<2>>,
{
    let mut adam = FusedAdamConfig::new().init()?;
    let (started, mut shown) = (Instant::now(), Instant::now());
    for step in 1..=config.steps {
        let batch = truth.sample(config.batch_size, device).autodiff();
        let progress = (step - 1) as f64 / config.steps as f64;
        let rate = config.lr * 0.5 * (1.0 + (PI * progress).cos());
        let losses;
        (model, losses) = model.learn(&mut adam, rate, batch);
        if shown.elapsed() > Duration::from_secs(5) || step == config.steps {
            shown = Instant::now();
            let nll: f64 = losses.mean().try_into_scalar()?;
            if !nll.is_finite() {
                return Err(Error::Training(format!(
                    "the negative log-likelihood became {nll} by step {step}; a smaller --lr is the usual remedy"
                )));
            }
            let seconds = started.elapsed().as_secs_f64();
            println!("step {step}/{}: nll {nll:.3}; {seconds:.0} s", config.steps);
        }
    }
    Ok((model.valid().density, started.elapsed().as_secs_f64()))
}

/// What `metrics.json` holds, in nats.
#[derive(Serialize)]
struct Measured {
    /// Of the flow, on fresh points.
    nll: f64,
    /// Of the data, by quadrature.
    entropy: f64,
    /// How much less likely the flow thinks a point than the data's own density does.
    excess: f64,
    /// Of the excess.
    standard_error: f64,
    /// Of the training.
    seconds: f64,
}

fn measure<P>(flow: &P, truth: &Truth, seconds: f64, device: &Device) -> Result<Measured>
where
    P: Prior<Value = Tensor<2>>,
{
    let data = truth.sample(MEASURED, device);
    let log_prob = flow.log_prob(data.clone());
    // Point by point: so the noise of the points is in neither.
    let excess = Estimate::of_batch(truth.log_prob(data) - log_prob)?;
    let entropy = truth.entropy(device)?;
    Ok(Measured {
        nll: entropy + excess.mean,
        entropy,
        excess: excess.mean,
        standard_error: excess.standard_error,
        seconds,
    })
}

/// The data's own distribution.
#[derive(Debug)]
enum Truth {
    Mixture(GaussianMixture),
    Spiral(SwissRoll),
    Board,
}

impl Truth {
    fn new(points: Points, device: &Device) -> Result<Self> {
        // Curves as so many Gaussians that their sum is the integral along the curve.
        let curves = |curves: &[&dyn Fn(f64) -> [f64; 2]], sigma: f64| {
            let nodes = 200;
            let along = |curve: &&dyn Fn(f64) -> [f64; 2]| -> Vec<f64> {
                (0..nodes)
                    .flat_map(|k| curve((k as f64 + 0.5) / nodes as f64))
                    .collect()
            };
            let means: Vec<f64> = curves.iter().flat_map(along).collect();
            let count = means.len() / 2;
            let means = Tensor::from_data(TensorData::new(means, [count, 2]), device);
            let log_vars = Tensor::full([count, 2], 2.0 * sigma.ln(), device);
            Self::Mixture(GaussianMixture::new(
                Tensor::zeros([count], device),
                means,
                log_vars,
            ))
        };
        let circle =
            |radius: f64| move |t: f64| [radius * (TAU * t).cos(), radius * (TAU * t).sin()];
        Ok(match points {
            Points::Moons => curves(
                &[&|t| [(PI * t).cos(), (PI * t).sin()], &|t| {
                    [1.0 - (PI * t).cos(), 0.5 - (PI * t).sin()]
                }],
                0.1,
            ),
            Points::Circles => curves(&[&circle(1.0), &circle(0.5)], 0.08),
            Points::Rings => curves(
                &[&circle(0.75), &circle(1.5), &circle(2.25), &circle(3.0)],
                0.1,
            ),
            Points::Gaussians => {
                let scale = 1.414; // as in the code that the data is from
                Self::Mixture(GaussianMixture::ring(8, 4.0 / scale, 0.5 / scale, device)?)
            }
            Points::Spiral => Self::Spiral(SwissRollConfig::new().init()?),
            Points::Checkerboard => Self::Board,
        })
    }

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        match self {
            Self::Mixture(mixture) => {
                // All are as likely, of which there are hundreds along a curve.
                let means = mixture.means();
                let count = means.dims()[0] as f64;
                let places = Distribution::Uniform(0.0, count);
                let places = Tensor::<1>::random([n], places, device)
                    .clamp(0.0, count - 1.0)
                    .int();
                let noise = Tensor::random([n, 2], Distribution::Normal(0.0, 1.0), device);
                let scales = (mixture.log_vars() / 2.0).exp();
                means.select(0, places.clone()) + scales.select(0, places) * noise
            }
            Self::Spiral(spiral) => spiral.sample(n, device),
            Self::Board => {
                let uniform = |low, high| {
                    Tensor::<2>::random([n, 1], Distribution::Uniform(low, high), device)
                };
                let x = uniform(-2.0, 2.0);
                let upper = uniform(0.0, 2.0).floor();
                // Odd columns lie one square higher.
                let column = x.clone().floor();
                let odd = column.clone() - (column / 2.0).floor() * 2.0;
                let y = uniform(0.0, 1.0) - upper * 2.0 + odd;
                Tensor::cat(vec![x, y], 1) * 2.0
            }
        }
    }

    fn log_prob(&self, at: Tensor<2>) -> Tensor<1> {
        match self {
            Self::Mixture(mixture) => mixture.log_prob(at),
            Self::Spiral(spiral) => spiral.log_prob(at),
            Self::Board => {
                let cell = (at.clone() / 2.0).floor();
                let within = at.abs().max_dim(1).lower_equal_elem(4.0);
                let sum = cell.sum_dim(1);
                let odd = sum.clone() - (sum / 2.0).floor() * 2.0;
                let is_on = odd.lower_elem(0.5).bool_and(within).squeeze_dim::<1>(1);
                let none = is_on.clone().float() * 0.0 + f64::NEG_INFINITY;
                none.mask_fill(is_on, -(32f64.ln()))
            }
        }
    }

    /// Half the side of a square that holds nearly all points.
    fn reach(&self) -> f64 {
        match self {
            Self::Mixture(mixture) => {
                let largest = mixture.means().abs().max().into_scalar::<f32>();
                f64::from(largest) * 1.1 + 1.0
            }
            Self::Spiral(_) => 5.0,
            Self::Board => 4.8,
        }
    }

    /// The midpoints of a grid of `cells` times `cells` squares over `[-reach, reach]`, row by row from above.
    fn grid(reach: f64, cells: usize, device: &Device) -> Tensor<2> {
        let at = |index: usize| ((index as f64 + 0.5) / cells as f64 * 2.0 - 1.0) * reach;
        let points = (0..cells * cells).flat_map(|i| [at(i % cells), -at(i / cells)]);
        let points = TensorData::new(points.collect::<Vec<f64>>(), [cells * cells, 2]);
        Tensor::from_data(points, device)
    }

    /// `-integral of p log p`, by the midpoint rule.
    fn entropy(&self, device: &Device) -> Result<f64> {
        if let Self::Board = self {
            return Ok(32f64.ln()); // the rule would cut through its squares
        }
        // Beyond which there is nothing but a rounding error.
        let (reach, cells) = (self.reach() * 1.5, 500);
        let log_prob = self.log_prob(Self::grid(reach, cells, device));
        let terms = (log_prob.clone().exp() * log_prob).try_into_data_as::<f64>()?;
        let area = (2.0 * reach / cells as f64).powi(2);
        let sum: f64 = terms.iter::<f64>().sum();
        Ok(-sum * area)
    }

    fn picture(&self, device: &Device) -> Tensor<4> {
        shades(self.log_prob(Self::grid(self.reach(), PIXELS, device)))
    }
}

/// The side of a picture of a density.
const PIXELS: usize = 160;

fn density_picture<P>(flow: &P, truth: &Truth, device: &Device) -> Tensor<4>
where
    P: Prior<Value = Tensor<2>>,
{
    shades(flow.log_prob(Truth::grid(truth.reach(), PIXELS, device)))
}

/// Densities as shades of grey: the root, so that what is thin is seen as well.
fn shades(log_prob: Tensor<1>) -> Tensor<4> {
    let root = (log_prob / 2.0).exp();
    let largest = root.clone().max();
    (root / largest).reshape([1, 1, PIXELS, PIXELS])
}

/// Pictures of the noise's grid on its way to the data, some between one step and the next.
fn way_to_data<S>(
    flow: &Flow<Vec<S>, StandardNormal>,
    truth: &Truth,
    device: &Device,
) -> Result<Vec<RgbImage>>
where
    S: Bijection<Input = Tensor<2>, Output = Tensor<2>>,
{
    const LINES: usize = 25;
    const ALONG: usize = 400;
    const BETWEEN: usize = 6;
    let place = |k: usize, of: usize| (k as f64 / (of - 1) as f64 * 2.0 - 1.0) * 2.5;
    let lines = (0..LINES * ALONG).flat_map(|i| {
        let (line, along) = (place(i / ALONG, LINES), place(i % ALONG, ALONG));
        [line, along, along, line]
    });
    let lines = TensorData::new(lines.collect::<Vec<f64>>(), [2 * LINES * ALONG, 2]);
    let mut at = Tensor::<2>::from_data(lines, device);
    let reach = truth.reach().max(3.0);
    let mut frames = vec![dots(&points(at.clone())?, reach)];
    for step in flow.bijection.iter().rev() {
        let next = step.inverse(at.clone()).0;
        for part in 1..=BETWEEN {
            let share = part as f64 / BETWEEN as f64;
            let between = at.clone() * (1.0 - share) + next.clone() * share;
            frames.push(dots(&points(between)?, reach));
        }
        at = next;
    }
    Ok(frames)
}

/// Points as dots on white, in a square of half this side.
fn dots(points: &[[f64; 2]], reach: f64) -> RgbImage {
    const SIDE: u32 = 400;
    let mut picture = RgbImage::from_pixel(SIDE, SIDE, image::Rgb([255; 3]));
    for [x, y] in points {
        let [column, row] = [x, &-y].map(|at| (at / reach + 1.0) / 2.0 * f64::from(SIDE));
        let within = |place: f64| (0.0..f64::from(SIDE)).contains(&place);
        if within(column) && within(row) {
            picture.put_pixel(column as u32, row as u32, image::Rgb([40, 80, 160]));
        }
    }
    picture
}

/// Rows of two on the host.
fn points(tensor: Tensor<2>) -> Result<Vec<[f64; 2]>> {
    let values = tensor.try_into_data_as::<f64>()?;
    let values: Vec<f64> = values.iter::<f64>().collect();
    Ok(values
        .chunks_exact(2)
        .map(|point| [point[0], point[1]])
        .collect())
}
