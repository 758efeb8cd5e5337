//! Trains a variational autoencoder on MNIST and shows what it learned.
//!
//!     cargo run --example vae_mnist
//!     cargo run --example vae_mnist -- --arch conv --latent-dim 2
//!     cargo run --example vae_mnist -- --help
//!
//! With its defaults it is the VAE of the PyTorch examples, which ends near 105.6 nats per test image.

mod common;

use burn::prelude::*;
use burn_generative::Result;
use burn_generative::loss::{
    ContinuousBernoulliNll, L1Loss, LearnedGaussianNll, Likelihood, Losses,
};
use burn_generative::nn::initialize;
use burn_generative::plot;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use clap::{Parser, ValueEnum};
use common::training::{RunArgs, Session, TrainingArgs};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::process::ExitCode;

/// Train a variational autoencoder on MNIST.
///
/// Leaves pictures (reconstructions, samples, the latent space, loss curves), metrics, checkpoints
/// and weights in a folder, and prints the test loss last.
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
    /// Networks: a multi-layer perceptron, or convolutions (slower on a CPU).
    #[arg(long, default_value = "mlp")]
    arch: Arch,

    /// Number of latent coordinates; with 2, the latent plane itself is drawn.
    #[arg(long, default_value_t = 20, value_name = "N")]
    latent_dim: usize,

    /// Width of the hidden dense layer of the encoder and of the decoder.
    #[arg(long, default_value_t = 400, value_name = "N")]
    hidden: usize,

    /// How a pixel is distributed around the decoder's output.
    #[arg(long, default_value = "bernoulli")]
    likelihood: LikelihoodKind,

    /// Weight of the KL term: 1 is the evidence lower bound, more is a beta-VAE.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    beta: f64,

    /// Training steps over which the KL weight rises to --beta.
    #[arg(long, default_value_t = 0, value_name = "N")]
    warmup_steps: usize,

    /// KL in nats per image below which it is not pushed further down.
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    free_bits: f64,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Arch {
    Mlp,
    Conv,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LikelihoodKind {
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    LearnedGaussian,
    SquaredError,
    L1,
}

impl LikelihoodKind {
    fn init(self, device: &Device) -> Likelihood {
        match self {
            Self::Bernoulli => Likelihood::Bernoulli(BernoulliNll),
            Self::ContinuousBernoulli => Likelihood::ContinuousBernoulli(ContinuousBernoulliNll),
            Self::Gaussian => Likelihood::Gaussian(GaussianNll::default()),
            Self::LearnedGaussian => Likelihood::LearnedGaussian(LearnedGaussianNll::new(device)),
            Self::SquaredError => Likelihood::SquaredError(SquaredError),
            Self::L1 => Likelihood::L1(L1Loss),
        }
    }
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let beta = config.beta;
    let summary = move |terms: &BTreeMap<String, f64>| sum(terms, beta);
    let session = Session::open("vae_mnist", &args.run, &config.training, &config, summary)?;
    let shape = session.data.train.shape();
    let (latent_dim, hidden) = (config.latent_dim, config.hidden);
    let device = session.device.clone().autodiff();
    let run = Run { config, session };
    match run.config.arch {
        Arch::Mlp => {
            let encoder =
                MlpEncoderConfig::new(shape.to_vec(), latent_dim).with_hidden(vec![hidden]);
            let decoder =
                MlpDecoderConfig::new(latent_dim, shape.to_vec()).with_hidden(vec![hidden]);
            run.train(encoder.init_gaussian(&device)?, decoder.init(&device)?)
        }
        Arch::Conv => {
            let encoder = ConvEncoderConfig::new(shape, latent_dim).with_hidden(hidden);
            let decoder = ConvDecoderConfig::new(latent_dim, shape).with_hidden(hidden);
            run.train(encoder.init_gaussian(&device)?, decoder.init(&device)?)
        }
    }
}

struct Run {
    config: Config,
    session: Session<Config>,
}

type ImageVae<E, D> = Vae<E, D, StandardNormal, Likelihood>;

impl Run {
    fn train<E, D>(mut self, encoder: E, decoder: D) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian> + Module + 'static,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>> + Module + 'static,
        ImageVae<E, D>: Module + Display,
    {
        let (config, session) = (&self.config, &mut self.session);
        session.watch_posterior(config.latent_dim, config.warmup_steps);
        let norm = session.watch_gradients();
        let vae = VaeConfig::new()
            .with_beta(config.beta)
            .with_warmup_steps(config.warmup_steps)
            .with_free_bits(config.free_bits)
            .init(
                encoder,
                decoder,
                StandardNormal::new(config.latent_dim),
                config.likelihood.init(&session.device.clone().autodiff()),
            )?;
        initialize(&vae);
        let [train, test] = session.images(vae.support())?;
        let optimizer = FusedAdamConfig::new().build()?.watched_by(&norm).into();
        let terms = ["reconstruction", "kl"];
        let (vae, epochs) = session.train(
            vae,
            optimizer,
            self.config.training.lr,
            &terms,
            [&train, &test],
        )?;
        self.draw(&vae, test)?;
        self.session.save_curves(&terms, &epochs)?;
        self.session.finish(&vae, &epochs)
    }

    fn draw<E, D>(&self, vae: &ImageVae<E, D>, test: Tensor<4>) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>> + Module,
    {
        let session = &self.session;
        let image = |output| vae.likelihood.mean(output);

        session.save_reconstructions(&test, |images| image(vae.reconstruct(images)))?;

        session.device.seed(self.config.training.seed);
        session.save_grid(image(vae.sample(144, &session.device)), "samples.png")?;

        session.save_latent_map(test, |images| vae.encode(images).mean())?;

        if self.config.latent_dim == 2 {
            // The first coordinate runs to the right, the second upwards.
            let side = 15;
            let at = |step: usize| -4.0 + 8.0 * step as f32 / (side - 1) as f32;
            let walk: Vec<f32> = (0..side)
                .rev()
                .flat_map(|row| (0..side).flat_map(move |column| [at(column), at(row)]))
                .collect();
            let walk = Tensor::from_data(TensorData::new(walk, [side * side, 2]), &session.device);
            let picture = plot::grid(image(vae.decode(walk)), side, 1)?;
            plot::save(&picture, session.out.path("manifold.png"))?;
        }
        Ok(())
    }
}

/// `loss L = reconstruction R + kl K`, with the weight of the KL where it is not 1.
fn sum(terms: &BTreeMap<String, f64>, beta: f64) -> String {
    let term = |name| terms.get(name).copied().unwrap_or(f64::NAN);
    let weight = match beta {
        1.0 => String::new(),
        beta => format!("{beta} * "),
    };
    format!(
        "loss {:.2} = reconstruction {:.2} + {weight}kl {:.2}",
        term(Losses::TOTAL),
        term("reconstruction"),
        term("kl")
    )
}
