//! Which autoencoder finds the factors that sprites are made of? A table of models and scores of disentanglement.
//!
//!     cargo run --example sprites
//!     cargo run --example sprites -- --models vae,tc --seeds 5 --steps 20000
//!
//! Every sprite has a shape, a size, an angle and a place, and each step draws new ones. Before the scores are computed, no model
//! is told of the factors. With `--seeds 5 --steps 2500 --batch-size 64`, under a minute each on two shared cores:
//!
//! | | reconstruction | MIG | FactorVAE's score | SAP |
//! |---|---|---|---|---|
//! | vae | 38.2 ± 1.2 | 0.055 ± 0.014 | 0.567 ± 0.069 | 0.149 ± 0.044 |
//! | tc | 44.2 ± 0.2 | 0.148 ± 0.016 | 0.584 ± 0.019 | 0.229 ± 0.022 |
//! | factor | 40.0 ± 0.6 | 0.068 ± 0.009 | 0.632 ± 0.027 | 0.130 ± 0.021 |
//!
//! So short a training tells the total correlation's gap from the VAE's, and not yet the rest.

mod common;

use burn::nn::Linear;
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn_generative::Result;
use burn_generative::data::sprites;
use burn_generative::latent;
use burn_generative::loss::{DipVae, TotalCorrelation};
use burn_generative::metric::{Disentanglement, Estimate};
use burn_generative::nn::{MlpDecoder, MlpEncoder, Warmup};
use burn_generative::plot;
use burn_generative::prelude::*;
use burn_generative::train::Run;
use clap::{Parser, ValueEnum};
use common::session::OutArgs;
use common::{positive, rate};
use serde::Serialize;
use std::process::ExitCode;
use std::time::Instant;

/// Train autoencoders on sprites, and compare how far each factor is in a coordinate of its own.
///
/// Prints the table, and leaves it (scores.json) and traversals of the latent coordinates as pictures in a folder.
#[derive(Parser, Debug, Serialize)]
#[command(version, args_override_self = true)]
struct Args {
    /// The models.
    #[arg(long, value_delimiter = ',', default_values = ["vae", "beta", "tc", "factor", "dip"], value_name = "NAME,...")]
    models: Vec<Kind>,

    /// The weight of what each model has beyond a VAE: of the KL (beta), of the total correlation (tc, factor), of the
    /// covariances (dip). [default: 4, 6, 10, 10]
    #[arg(long, value_name = "X")]
    weight: Option<f64>,

    /// How often each is trained, from other weights and by other sprites.
    #[arg(long, default_value_t = 3, value_name = "N")]
    seeds: u64,

    /// Training steps.
    #[arg(long, default_value_t = 4_000, value_name = "N")]
    steps: usize,

    /// Sprites in a step.
    #[arg(long, default_value_t = 128, value_name = "N")]
    batch_size: usize,

    /// Pixels along the side of a sprite's image.
    #[arg(long, default_value_t = 32, value_name = "N")]
    side: usize,

    /// Width of the two hidden layers of every network.
    #[arg(long, default_value_t = 256, value_name = "N")]
    hidden: usize,

    /// Number of latent coordinates.
    #[arg(long, default_value_t = 10, value_name = "N")]
    latent: usize,

    /// Learning rate.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    #[serde(skip)]
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A VAE.
    Vae,
    /// A beta-VAE.
    Beta,
    /// A beta-TCVAE.
    Tc,
    /// A FactorVAE.
    Factor,
    /// A DIP-VAE of type II.
    Dip,
}

/// What one training leads to.
#[derive(Clone, Copy, Serialize)]
struct Scores {
    reconstruction: f64,
    mig: f64,
    factor_vae: f64,
    sap: f64,
    seconds: f64,
}

/// Sprites that the scores are computed of.
const JUDGED: usize = 10_000;
/// The share of the steps in which what a model has beyond a VAE warms up.
const WARM_UP: f64 = 0.2;

type Autoencoder<R> =
    Vae<MlpEncoder<GaussianHead, 4>, MlpDecoder<Linear, 4>, StandardNormal, BernoulliNll, R>;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    for (flag, value) in [
        ("--steps", args.steps),
        ("--batch-size", args.batch_size),
        ("--hidden", args.hidden),
        ("--latent", args.latent),
        ("--seeds", args.seeds as usize),
    ] {
        positive(flag, value)?;
    }
    rate("--lr", args.lr)?;
    let (device, run) = args.out.open("sprites", &args)?;

    println!(
        "model   reconstruction        MIG              FactorVAE        SAP              seconds"
    );
    let mut table = Vec::new();
    for &kind in &args.models {
        let mut scores = Vec::new();
        for seed in 1..=args.seeds {
            device.seed(seed);
            scores.push(train(kind, seed, &args, &device, &run)?);
        }
        let column = |of: fn(&Scores) -> f64| {
            let values: Vec<f64> = scores.iter().map(of).collect();
            Estimate::of(&values).map(|estimate| format!("{estimate:.3}"))
        };
        let columns = [
            column(|one| one.reconstruction)?,
            column(|one| one.mig)?,
            column(|one| one.factor_vae)?,
            column(|one| one.sap)?,
            column(|one| one.seconds)?,
        ];
        let name = format!("{kind:?}").to_lowercase();
        println!(
            "{name:<8}{:<22}{:<17}{:<17}{:<17}{}",
            columns[0], columns[1], columns[2], columns[3], columns[4]
        );
        table.push((kind, scores));
        run.write("scores.json", &(&args, &table))?;
    }
    println!("wrote scores and traversals to {}", run.folder().display());
    Ok(())
}

/// Trains a model of this kind, and judges it.
fn train(kind: Kind, seed: u64, args: &Args, device: &Device, run: &Run) -> Result<Scores> {
    let training = device.clone().autodiff();
    let data: usize = sprites::COUNTS.iter().product();
    let weight = |usual: f64| args.weight.unwrap_or(usual);
    let warm_up = || Warmup::new((args.steps as f64 * WARM_UP) as usize, device);
    let begun = Instant::now();
    match kind {
        Kind::Vae => {
            let vae = learn(
                autoencoder(args, &training, Kl::default())?,
                seed,
                args,
                &training,
            )?;
            judge(&vae.valid(), kind, seed, args, run, begun)
        }
        Kind::Beta => {
            let kl = Kl::new(weight(4.0))?.with_schedule(warm_up());
            let vae = learn(autoencoder(args, &training, kl)?, seed, args, &training)?;
            judge(&vae.valid(), kind, seed, args, run, begun)
        }
        Kind::Tc => {
            let loss = TotalCorrelation::new(weight(6.0), data)?.with_schedule(warm_up());
            let vae = learn(autoencoder(args, &training, loss)?, seed, args, &training)?;
            judge(&vae.valid(), kind, seed, args, run, begun)
        }
        Kind::Dip => {
            let loss = DipVae::type_two(weight(10.0), weight(10.0))?.with_schedule(warm_up());
            let vae = learn(autoencoder(args, &training, loss)?, seed, args, &training)?;
            judge(&vae.valid(), kind, seed, args, run, begun)
        }
        Kind::Factor => {
            let parts = autoencoder(args, &training, Kl::default())?;
            let critic = MlpCriticConfig::new(vec![args.latent]).init::<2>(&training)?;
            let model = FactorVaeConfig::new().with_gamma(weight(10.0)).init(
                parts.encoder,
                parts.decoder,
                critic,
                parts.prior,
                parts.likelihood,
            )?;
            let model = learn(model.with_schedule(warm_up()), seed, args, &training)?;
            judge(&model.vae.valid(), kind, seed, args, run, begun)
        }
    }
}

fn autoencoder<R>(args: &Args, device: &Device, loss: R) -> Result<Autoencoder<R>>
where
    R: LatentLoss<DiagonalGaussian, StandardNormal>,
{
    let shape = vec![1, args.side, args.side];
    let hidden = vec![args.hidden; 2];
    let encoder = MlpEncoderConfig::new(shape.clone(), args.latent).with_hidden(hidden.clone());
    let decoder = MlpDecoderConfig::new(args.latent, shape).with_hidden(hidden);
    Ok(Vae::with_latent_loss(
        encoder.init_gaussian(device)?,
        decoder.init(device)?,
        StandardNormal::new(args.latent),
        BernoulliNll,
        loss,
    ))
}

fn learn<M>(mut model: M, seed: u64, args: &Args, device: &Device) -> Result<M>
where
    M: Model<Input = Tensor<4>>,
{
    let mut optimizer = AdamConfig::new().init();
    for step in 0..args.steps {
        let factors = sprites::draw(args.batch_size, seed << 32 | step as u64);
        let images = sprites::images(&factors, args.side, device)?;
        (model, _) = model.learn(&mut optimizer, args.lr, images);
    }
    Ok(model)
}

/// The scores of a model as in evaluation; the first seed's is also drawn.
fn judge<R>(
    vae: &Autoencoder<R>,
    kind: Kind,
    seed: u64,
    args: &Args,
    run: &Run,
    begun: Instant,
) -> Result<Scores>
where
    R: LatentLoss<DiagonalGaussian, StandardNormal>,
{
    let device = vae.encoder.devices().swap_remove(0);
    // Sprites of no training's seed.
    let factors = sprites::draw(JUDGED, 0);
    let (mut means, mut losses) = (Vec::new(), Vec::new());
    for factors in factors.chunks(1000) {
        let images = sprites::images(factors, args.side, &device)?;
        let mean = vae.encode(images.clone()).point();
        losses.push(BernoulliNll.loss(vae.decode(mean.clone()), images));
        means.push(mean);
    }
    let known = Disentanglement::new(Tensor::cat(means, 0), &factors)?;
    if seed == 1 {
        let first = sprites::images(&factors[..1], args.side, &device)?;
        let z = vae.encode(first).point();
        let all: Vec<usize> = (0..args.latent).collect();
        let latents = latent::traversal(z, &all, [-2.0, 2.0], 9);
        let pictures = BernoulliNll.point(vae.decode(latents));
        let name = format!("{kind:?}.png").to_lowercase();
        plot::save(&plot::grid(pictures, 9, 2)?, run.path(&name))?;
    }
    Ok(Scores {
        reconstruction: Estimate::of_batch(Tensor::cat(losses, 0))?.mean,
        mig: known.mutual_information_gap(),
        factor_vae: known.factor_vae_score(800, 64, 1)?,
        sap: known.separated_predictability(&[sprites::SHAPE])?,
        seconds: begun.elapsed().as_secs_f64(),
    })
}
