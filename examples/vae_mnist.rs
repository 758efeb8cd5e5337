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
use burn_generative::latent;
use burn_generative::loss::{
    AnyLikelihood, ContinuousBernoulliNll, LaplaceNll, LearnedGaussianNll, Losses,
};
use burn_generative::metric::latent_information;
use burn_generative::nn::initialize;
use burn_generative::plot;
use burn_generative::prelude::*;
use burn_generative::train::{FusedAdamConfig, GradientNorm, PosteriorWatch};
use clap::{Parser, ValueEnum};
use common::session::{NllArgs, RunArgs, Session, TrainingArgs, nats};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
#[cfg(feature = "vision")]
use {burn_generative::metric, common::session::plain};

/// Train a variational autoencoder on MNIST.
///
/// Leaves pictures (reconstructions, samples, walks through the latent space, loss curves), a report.html that shows
/// them, metrics, checkpoints and weights in a folder, and prints the test loss last.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    nll: NllArgs,
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
    Laplace,
}

impl LikelihoodKind {
    fn init(self, device: &Device) -> AnyLikelihood {
        match self {
            Self::Bernoulli => AnyLikelihood::Bernoulli(BernoulliNll),
            Self::ContinuousBernoulli => AnyLikelihood::ContinuousBernoulli(ContinuousBernoulliNll),
            Self::Gaussian => AnyLikelihood::Gaussian(GaussianNll::default()),
            Self::LearnedGaussian => {
                AnyLikelihood::LearnedGaussian(LearnedGaussianNll::new(device))
            }
            Self::Laplace => AnyLikelihood::Laplace(LaplaceNll::default()),
        }
    }
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    args.nll.check()?;
    let beta = config.beta;
    let summary = move |terms: &BTreeMap<String, f64>| sum(terms, beta);
    let session = Session::open("vae_mnist", args.run, &config.training, &config, summary)?;
    let shape = session.data.train.shape();
    let (latent_dim, hidden) = (config.latent_dim, config.hidden);
    let device = session.devices.training();
    let run = Run {
        config,
        session,
        nll: args.nll,
    };
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
    nll: NllArgs,
}

type ImageVae<E, D> = Vae<E, D, StandardNormal, AnyLikelihood>;

impl Run {
    fn train<E, D>(self, encoder: E, decoder: D) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian> + 'static,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>> + 'static,
    {
        let (config, session) = (&self.config, &self.session);
        let vae = VaeConfig::new()
            .with_beta(config.beta)
            .with_warmup_steps(config.warmup_steps)
            .with_free_bits(config.free_bits)
            .init(
                encoder,
                decoder,
                StandardNormal::new(config.latent_dim),
                config.likelihood.init(&session.devices.training()),
            )?;
        initialize(&vae);
        let [train, test] = session.images(|images, what| vae.likelihood.check(images, what))?;
        let norm = GradientNorm::new("gradient norm", 50);
        let optimizer = FusedAdamConfig::new().build()?.watched_by(&norm).into();
        let watch = PosteriorWatch::new(config.latent_dim).after_warmup(config.warmup_steps);
        let fit = session.fit().watch(watch).gradient_norm(&norm);
        let rate = config.training.lr;
        let (vae, epochs) = session.train(&fit, vae, optimizer, rate, [&train, &test])?;
        self.draw(&vae, [train, test.clone()])?;
        if self.nll.is_asked() {
            self.judge(&vae, test)?;
        }
        self.session.finish(&epochs)
    }

    fn draw<E, D>(&self, vae: &ImageVae<E, D>, [train, test]: [Tensor<4>; 2]) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
    {
        let session = &self.session;
        let device = session.device();
        let image = |output| vae.likelihood.point(output);
        let decode = |latent| image(vae.decode(latent));
        session.save_reconstructions(&test, |images| vae.reconstruct(images))?;
        session.save_samples(vae)?;

        session.judge_mixture(train, |images| vae.encode(images).mean(), decode)?;

        let codes = vae
            .encode(test.clone().narrow(0, 0, test.dims()[0].min(1000)))
            .mean();
        let first = |n: usize| codes.clone().narrow(0, 0, n);
        let pairs = 4.min(codes.dims()[0] / 2);
        if pairs > 0 {
            let to = codes.clone().narrow(0, pairs, pairs);
            let [straight, round] = [latent::linear, latent::spherical]
                .map(|walk| decode(walk(first(pairs), to.clone(), 12)));
            let text = "From one test image to another: along the straight line, and below it on the great circle.";
            let picture = plot::rows([straight, round], 12, 2)?;
            session.save_pixels("interpolations.png", ["Interpolation", text], picture, 2)?;
        }

        // The coordinates that matter most, one a row.
        let variances: Vec<f64> = codes
            .clone()
            .var_bias(0)
            .try_into_data_as::<f64>()?
            .iter::<f64>()
            .collect();
        let mut busiest: Vec<usize> = (0..variances.len()).collect();
        busiest.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
        busiest.truncate(8);
        let walk = latent::traversal(first(1), &busiest, [-3.0, 3.0], 12);
        let text = "The code of a test image, of which one coordinate a row goes from -3 to 3: those of the largest \
                    variance.";
        session.save_grid("traversals.png", ["Traversals", text], decode(walk))?;

        self.draw_arithmetic(&codes, &decode)?;
        session.save_latent_map(test, |images| vae.encode(images).mean())?;

        if self.config.latent_dim == 2 {
            let side = 15;
            let walk = latent::plane(4.0, side, &device);
            let picture = plot::grid(decode(walk), side, 1)?;
            let text = "The latent plane from -4 to 4: the first coordinate runs to the right, the second upwards.";
            session.save_pixels("manifold.png", ["Latent plane", text], picture, 1)?;
        }
        Ok(())
    }

    /// Images of the two most frequent labels, and what they become with the mean code of their own label taken from
    /// them and that of the other added: `arithmetic.png`.
    fn draw_arithmetic(
        &self,
        codes: &Tensor<2>,
        decode: &impl Fn(Tensor<2>) -> Tensor<4>,
    ) -> Result<()> {
        let labels = &self.session.data.test.labels()[..codes.dims()[0]];
        let of = |label: u8| {
            let own = labels
                .iter()
                .enumerate()
                .filter(|(_, other)| **other == label);
            let own: Vec<i64> = own.map(|(i, _)| i as i64).collect();
            let count = own.len();
            let own = Tensor::<1, Int>::from_data(TensorData::new(own, [count]), &codes.device());
            codes.clone().select(0, own)
        };
        let mut counts: Vec<(usize, u8)> = (0..=u8::MAX)
            .map(|label| {
                (
                    labels.iter().filter(|other| **other == label).count(),
                    label,
                )
            })
            .collect();
        counts.sort_by_key(|&(count, label)| (std::cmp::Reverse(count), label));
        let [(_, one), (count, other)] = [counts[0], counts[1]];
        if count == 0 {
            return Ok(()); // there is only one label
        }
        let shown = count.min(12);
        let from = of(one).narrow(0, 0, shown);
        let turned = from.clone() + latent::attribute(of(other), of(one));
        let text = format!(
            "Codes of test images of {one}, and below them with the mean code of {one} taken away and that of {other} added."
        );
        let picture = plot::rows([from, turned].map(decode), shown, 2)?;
        self.session
            .save_pixels("arithmetic.png", ["Latent arithmetic", &text], picture, 2)
    }

    /// How probable the test images are, and what the latent knows of them.
    fn judge<E, D>(&self, vae: &ImageVae<E, D>, test: Tensor<4>) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
        D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
    {
        let session = &self.session;
        session.measure_nll(vae, test.clone(), &self.nll)?;
        #[cfg(feature = "vision")]
        {
            let some = test.clone().narrow(0, 0, test.dims()[0].min(1000));
            let made = vae.reconstruct(some.clone());
            let decibels = metric::psnr(made.clone(), some.clone())?;
            session.measured(plain("PSNR of reconstructions (decibels)", decibels))?;
            let likeness = metric::ssim(made, some)?;
            session.measured(plain("SSIM of reconstructions", likeness))?;
        }
        let some = test.dims()[0].min(2000);
        if some > 1 {
            // It cannot say more than ln 2000 nats, and the rest of the KL counts as gap.
            let posterior = vae.encode(test.narrow(0, 0, some));
            let parts = latent_information(&posterior, &vae.prior)?;
            let information = parts.mutual_information;
            session.measured(nats("information in the code, at least", information))?;
            session.measured(nats(
                "KL of all codes to the prior, at most",
                parts.marginal_kl,
            ))?;
        }
        Ok(())
    }
}

/// `loss L = reconstruction R + kl K`, with the weight of the KL where it is not 1.
fn sum(terms: &BTreeMap<String, f64>, beta: f64) -> String {
    let term = |name| terms.get(name).copied().unwrap_or(f64::NAN);
    let weight = if beta == 1.0 {
        String::new()
    } else {
        format!("{beta} * ")
    };
    format!(
        "loss {:.2} = reconstruction {:.2} + {weight}kl {:.2}",
        term(Losses::TOTAL),
        term("reconstruction"),
        term("kl")
    )
}
