//! A normalizing flow of 8x8 digits with 17 levels of grey, measured as what the data is: integers.
//!
//!     cargo run --example flow_digits -- --data digits.csv.gz
//!     cargo run --example flow_digits -- --help
//!
//! The file is that of scikit-learn's `load_digits`: 64 levels and a label a row, no header. Of its 1,797 rows the first 1,000
//! are trained on, the next 350 say when to stop, and the last 447 are measured. Noise in [0, 1) is added to the levels, so
//! what the flow says is a bound on the likelihood of the levels; a model that knows nothing needs 64 ln 17 = 181.3 nats.

mod common;

use burn::prelude::*;
use burn_generative::Result;
use burn_generative::flow::{
    Dequantize, Flow, GlowConfig, MafConfig, RealNvpConfig, SplineFlowConfig, SplineMap,
    bits_per_dimension,
};
use burn_generative::metric::Estimate;
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use clap::{Parser, ValueEnum};
use common::{LEVELS, PIXELS};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Fit a normalizing flow to digits of 17 levels, and print the bound on their likelihood.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    /// The rows, raw or gzip-compressed: 64 levels from 0 to 16 and a label.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// The flow.
    #[arg(long, default_value = "maf")]
    model: Kind,

    /// Epochs at most.
    #[arg(long, default_value_t = 100, value_name = "N")]
    epochs: usize,

    /// Stop after so many epochs without a better bound on the validation rows.
    #[arg(long, default_value_t = 15, value_name = "N")]
    patience: usize,

    /// Rows in a training step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch_size: usize,

    /// Couplings or autoregressive maps.
    #[arg(long, default_value_t = 2, value_name = "N")]
    layers: usize,

    /// Width of the hidden layer of every network.
    #[arg(long, default_value_t = 256, value_name = "N")]
    hidden: usize,

    /// Learning rate.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Decoupled weight decay.
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    weight_decay: f32,

    /// Seed of the weights, the order and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// An autoregressive flow by splines.
    Maf,
    /// Affine couplings.
    Realnvp,
    /// Couplings by splines.
    Spline,
    /// Convolutional couplings at two scales.
    Glow,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let device = Device::default();
    device.seed(args.seed);
    let rows = common::digits(&args.data, &device)?;
    let training = device.clone().autodiff();
    let hidden = vec![args.hidden];
    let (layers, base) = (args.layers, StandardNormal::new(PIXELS));
    match args.model {
        Kind::Maf => {
            let flow = MafConfig::new(PIXELS)
                .with_layers(layers)
                .with_hidden(hidden);
            let flow = flow.init_with_map(SplineMap::new(12, 4.0)?, &training)?;
            fit(Flow::new(flow, base), rows, &args)
        }
        Kind::Realnvp => {
            let flow = RealNvpConfig::new(PIXELS)
                .with_couplings(layers)
                .with_hidden(hidden);
            fit(Flow::new(flow.init(&training)?, base), rows, &args)
        }
        Kind::Spline => {
            let flow = SplineFlowConfig::new(PIXELS)
                .with_couplings(layers)
                .with_hidden(hidden);
            fit(Flow::new(flow.init(&training)?, base), rows, &args)
        }
        Kind::Glow => {
            let flow = GlowConfig::new([1, 8, 8])
                .with_steps(layers)
                .with_hidden(args.hidden);
            let images = rows.reshape([-1, 1, 8, 8]);
            fit(Flow::new(flow.init(&training)?, base), images, &args)
        }
    }
}

fn fit<F, const D: usize>(flow: F, rows: Tensor<D>, args: &Args) -> Result<()>
where
    F: Prior<Value = Tensor<D>>,
{
    let part = |start: usize, length: usize| rows.clone().narrow(0, start, length);
    let (train, valid, test) = (
        part(0, 1000),
        part(1000, 350),
        part(1350, rows.dims()[0] - 1350),
    );
    let mut model = MaximumLikelihood::new(Dequantize::new(flow, LEVELS)?);
    initialize(&model);
    let adam = FusedAdamConfig::new().with_weight_decay(args.weight_decay);
    let mut adam = adam.init()?;
    let started = Instant::now();
    let mut rng = Pcg64::seed_from_u64(args.seed);
    let mut order: Vec<i64> = (0..1000).collect();
    let (mut best, mut kept, mut since) = (f64::INFINITY, model.valid(), 0);
    for epoch in 1..=args.epochs {
        order.shuffle(&mut rng);
        let mut sum = 0.0;
        for chosen in order.chunks(args.batch_size) {
            let chosen = TensorData::new(chosen.to_vec(), [chosen.len()]);
            let chosen = Tensor::<1, Int>::from_data(chosen, &rows.device());
            let losses;
            (model, losses) = model.learn(
                &mut adam,
                args.lr,
                train.clone().select(0, chosen).autodiff(),
            );
            sum += losses.total.sum().try_into_scalar::<f64>()?;
        }
        let nll = bound(&model.valid(), valid.clone(), 4)?;
        println!(
            "epoch {epoch}: train {:.2}, valid {:.2}; {:.0} s",
            sum / 1000.0,
            nll.mean,
            started.elapsed().as_secs_f64()
        );
        since += 1;
        if nll.mean < best {
            (best, kept, since) = (nll.mean, model.valid(), 0);
        }
        if since >= args.patience {
            break;
        }
    }
    let nll = bound(&kept, test, 16)?;
    let bits = bits_per_dimension(
        Tensor::<1>::from_floats([-nll.mean as f32], &rows.device()),
        PIXELS,
    );
    println!(
        "test: at most {nll} nats an image, {:.3} bits a pixel",
        bits.into_scalar::<f32>()
    );
    Ok(())
}

/// The negative log-likelihood of rows, each by a mean of so many draws of the noise.
fn bound<F, const D: usize>(
    model: &MaximumLikelihood<Dequantize<F>>,
    rows: Tensor<D>,
    draws: usize,
) -> Result<Estimate>
where
    F: Prior<Value = Tensor<D>>,
{
    let sum = (1..draws).fold(model.log_prob(rows.clone()), |sum, _| {
        sum + model.log_prob(rows.clone())
    });
    Estimate::of_batch(sum / -(draws as f64))
}
