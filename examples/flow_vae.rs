//! Flows in a variational autoencoder: as its prior, and as its posterior. What do they gain?
//!
//!     cargo run --example flow_vae
//!     cargo run --example flow_vae -- --prior flow
//!     cargo run --example flow_vae -- --posterior iaf
//!
//! Encoder, decoder and epochs are the same; the bound on the likelihood of test images, by 200 draws each, is compared.

use burn::prelude::*;
use burn_generative::data::mnist::Mnist;
use burn_generative::flow::{Flow, FlowHead, IafConfig, RealNvpConfig};
use burn_generative::metric::{Estimate, importance_weighted_bound};
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use std::f64::consts::PI;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Train a variational autoencoder on MNIST, with flows where they are asked for, and print a bound on its likelihood.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    /// Folder with the four files of MNIST. [default: as the other examples find them]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// The prior.
    #[arg(long, default_value = "normal")]
    prior: PriorKind,

    /// The posterior.
    #[arg(long, default_value = "gaussian")]
    posterior: PosteriorKind,

    /// Latent coordinates.
    #[arg(long, default_value_t = 20, value_name = "N")]
    latent_dim: usize,

    /// Epochs.
    #[arg(long, default_value_t = 10, value_name = "N")]
    epochs: usize,

    /// Test images that are measured.
    #[arg(long, default_value_t = 2000, value_name = "N")]
    measured: usize,

    /// Draws of the posterior for each of them.
    #[arg(long, default_value_t = 200, value_name = "N")]
    draws: usize,

    /// Learning rate, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Seed of the weights, the order and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorKind {
    /// Standard normal.
    Normal,
    /// A RealNVP, trained with the rest.
    Flow,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PosteriorKind {
    /// Independent coordinates.
    Gaussian,
    /// An inverse autoregressive flow behind them.
    Iaf,
}

/// The allocator matters for large temporaries on the CPU; a binary chooses it, a library must not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: usize = 128;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let device = Device::default().autodiff();
    device.seed(args.seed);
    let (latent, context) = (args.latent_dim, 64);
    let config = MlpEncoderConfig::new(vec![1, 28, 28], latent);
    match args.posterior {
        PosteriorKind::Gaussian => with_prior(config.init_gaussian(&device)?, args, &device),
        PosteriorKind::Iaf => {
            let iaf = IafConfig::new(latent).with_context(context).init(&device)?;
            let head = |features| FlowHead::new(features, latent, context, iaf, &device);
            with_prior(config.init_with_head(&device, head)?, args, &device)
        }
    }
}

fn with_prior<E>(encoder: E, args: Args, device: &Device) -> Result<()>
where
    E: Encoder<Input = Tensor<4>>,
    E::Code: Posterior<Latent = Tensor<2>>,
{
    let base = StandardNormal::new(args.latent_dim);
    match args.prior {
        PriorKind::Normal => fit(encoder, base, args, device),
        PriorKind::Flow => {
            let flow = RealNvpConfig::new(args.latent_dim).with_couplings(6);
            fit(encoder, Flow::new(flow.init(device)?, base), args, device)
        }
    }
}

fn fit<E, P>(encoder: E, prior: P, args: Args, device: &Device) -> Result<()>
where
    E: Encoder<Input = Tensor<4>>,
    E::Code: Posterior<Latent = Tensor<2>>,
    P: Prior<Value = Tensor<2>>,
{
    let data = Mnist::load(args.data_dir.as_deref())?;
    let train = data.train.images(&device.clone().inner());
    let decoder = MlpDecoderConfig::new(args.latent_dim, vec![1, 28, 28]).init(device)?;
    let mut vae = Vae::new(encoder, decoder, prior, BernoulliNll);
    initialize(&vae);
    let mut adam = FusedAdamConfig::new().init()?;
    let mut rng = Pcg64::seed_from_u64(args.seed);
    let mut order: Vec<i64> = (0..train.len() as i64).collect();
    let (started, steps) = (Instant::now(), order.len() / BATCH);
    for epoch in 0..args.epochs {
        order.shuffle(&mut rng);
        let (mut sum, mut count) = (0.0, 0);
        for (step, chosen) in order.chunks_exact(BATCH).enumerate() {
            let indices = TensorData::new(chosen.to_vec(), [BATCH]);
            let indices = Tensor::from_data(indices, &train.device());
            let images = train.clone().select(0, indices).autodiff();
            let progress = (epoch * steps + step) as f64 / (args.epochs * steps) as f64;
            let losses;
            (vae, losses) = vae.learn(
                &mut adam,
                args.lr * 0.5 * (1.0 + (PI * progress).cos()),
                images,
            );
            if step % 50 == 0 {
                sum += losses.mean().try_into_scalar::<f64>()?;
                count += 1;
            }
        }
        let (loss, seconds) = (sum / f64::from(count), started.elapsed().as_secs_f64());
        if !loss.is_finite() {
            return Err(Error::Training(format!(
                "the loss became {loss}; a smaller --lr is the usual remedy"
            )));
        }
        println!("epoch {}: loss {loss:.2}; {seconds:.0} s", epoch + 1);
    }
    let vae = vae.valid();
    let test = data
        .test
        .take(args.measured)
        .images(&device.clone().inner());
    let bounds = test.split(500, 0).into_iter();
    let bounds =
        bounds.map(|images| Ok(importance_weighted_bound(&vae, images, args.draws)?.log_prob));
    let bound = Estimate::of_batch(Tensor::cat(bounds.collect::<Result<Vec<_>>>()?, 0))?;
    println!(
        "prior {:?}, posterior {:?}: log p(x) is at least {bound} nats (k = {})",
        args.prior, args.posterior, args.draws
    );
    Ok(())
}
