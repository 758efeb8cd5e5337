//! How probable are binarised digits? Objectives and priors of variational autoencoders on one scale, by the bound of many
//! draws.
//!
//!     cargo run --example likelihood_mnist -- --nll 1000
//!     cargo run --example likelihood_mnist -- --nll 1000 --objective iwae --draws 50
//!     cargo run --example likelihood_mnist -- --nll 1000 --prior vamp
//!
//! The networks are those of Burda et al. 2016: two layers of 200, 50 latents. The published numbers of 84 to 87 nats are of
//! thousands of epochs: `--epochs 2000 --nll 5000`, to be resumed as often as need be.

mod common;

use burn::nn::Linear;
use burn::nn::activation::ActivationConfig;
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::distribution::DiagonalGaussian;
use burn_generative::flow::{Flow, RealNvpConfig};
use burn_generative::loss::{DipVae, InfoVae, Kl, Mmd, MmdKernel, TotalCorrelation};
use burn_generative::model::Augmented;
use burn_generative::nn::{Binarization, MlpCriticConfig, MlpDecoder, MlpEncoder, initialize};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, PseudoInputs};
use burn_generative::train::{Cosine, FusedAdamConfig, PosteriorWatch, Trainable};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::binarized;
use common::session::{NllArgs, RunArgs, Session, TrainingArgs, named, unit_interval};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a variational autoencoder on MNIST, binarised at random in every epoch, and judge it on test images that are binarised once.
///
/// Leaves samples, loss curves, a report.html, metrics, checkpoints and weights in a folder, and prints the test loss last. The
/// learning rate falls to 0 along half a cosine.
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
    /// What is trained by.
    #[arg(long, default_value = "vae")]
    objective: Objective,

    /// The prior; the objectives but vae and iwae take the normal one.
    #[arg(long, default_value = "normal")]
    prior: PriorKind,

    /// Draws of an iwae in training.
    #[arg(long, default_value_t = 5, value_name = "K")]
    draws: usize,

    /// The weight of what an objective has beyond a VAE's. [default: info 10, mmd 500, tc 4, dip 10, factor 10]
    #[arg(long, value_name = "X")]
    weight: Option<f64>,

    /// Epochs in which the weight of the KL rises to 1, of the objective vae: a prior that learns lets codes collapse without.
    /// [default: 10 with the priors vamp and mixture, else 0]
    #[arg(long, value_name = "N")]
    warmup: Option<usize>,

    /// Pseudo-inputs of the vamp prior, components of a mixture.
    #[arg(long, default_value_t = 500, value_name = "N")]
    components: usize,

    /// Latent coordinates.
    #[arg(long, default_value_t = 50, value_name = "N")]
    latent_dim: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Objective {
    /// The evidence lower bound.
    Vae,
    /// The importance-weighted bound of several draws.
    Iwae,
    /// InfoVAE.
    Info,
    /// A maximum mean discrepancy in the place of the KL.
    Mmd,
    /// beta-TCVAE.
    Tc,
    /// DIP-VAE, of type II.
    Dip,
    /// FactorVAE.
    Factor,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PriorKind {
    /// Standard normal.
    Normal,
    /// The posteriors of learned pseudo-inputs.
    Vamp,
    /// A learned mixture of Gaussians.
    Mixture,
    /// A RealNVP, trained with the rest.
    Flow,
}

type ImageEncoder = MlpEncoder<GaussianHead, 4>;
type ImageDecoder = MlpDecoder<Linear, 4>;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    args.nll.check()?;
    let is_plain = matches!(config.objective, Objective::Vae | Objective::Iwae);
    if !is_plain && config.prior != PriorKind::Normal {
        return Err(Error::Config(format!(
            "--prior {:?} goes with --objective vae or iwae, not with {:?}",
            config.prior, config.objective
        )));
    }
    if config.objective == Objective::Iwae && config.prior == PriorKind::Vamp {
        return Err(Error::Config(
            "--prior vamp goes with --objective vae: its encoder is prior and posterior"
                .to_string(),
        ));
    }
    let summary = |terms: &BTreeMap<String, f64>| named(terms, [Losses::TOTAL]);
    let session = Session::open(
        "likelihood_mnist",
        args.run,
        &config.training,
        &config,
        summary,
    )?;
    let [train, test] = session.images(unit_interval)?;
    let test = binarized(test, &session.device(), session.seed());
    Likelihood {
        config,
        session,
        train,
        test,
        nll: args.nll,
    }
    .run()
}

struct Likelihood {
    config: Config,
    session: Session<Config>,
    train: Tensor<4>,
    test: Tensor<4>,
    nll: NllArgs,
}

impl Likelihood {
    fn run(self) -> Result<()> {
        let device = self.session.devices.training();
        let latent = self.config.latent_dim;
        let normal = StandardNormal::new(latent);
        match self.config.prior {
            PriorKind::Normal => self.with_prior(normal),
            PriorKind::Vamp => {
                let (encoder, decoder) = self.networks()?;
                let seed = self.config.training.seed;
                let inputs = PseudoInputs::of_data(&self.train, self.config.components, seed)?;
                let kl = self.kl();
                let vae = VampVae::with_latent_loss(encoder, decoder, inputs, BernoulliNll, kl);
                self.train(vae)
            }
            PriorKind::Mixture => {
                let count = self.config.components;
                let means =
                    Tensor::random([count, latent], Distribution::Normal(0.0, 1.0), &device);
                let logits = Tensor::zeros([count], &device);
                let log_vars = Tensor::zeros([count, latent], &device);
                self.with_prior(GaussianMixture::new(logits, means, log_vars))
            }
            PriorKind::Flow => {
                let flow = RealNvpConfig::new(latent).with_couplings(6).init(&device)?;
                self.with_prior(Flow::new(flow, normal))
            }
        }
    }

    fn kl(&self) -> Kl {
        let usual = match self.config.prior {
            PriorKind::Vamp | PriorKind::Mixture => 10,
            PriorKind::Normal | PriorKind::Flow => 0,
        };
        let epochs = self.config.warmup.unwrap_or(usual);
        let images = self.train.dims()[0];
        let steps = self
            .session
            .devices
            .steps(images, self.config.training.batch_size)
            .saturating_mul(epochs);
        if steps == 0 {
            return Kl::default();
        }
        Kl::default().with_warmup(steps, &self.session.devices.training())
    }

    fn networks(&self) -> Result<(ImageEncoder, ImageDecoder)> {
        let device = self.session.devices.training();
        let shape = self.session.data.train.shape().to_vec();
        let (latent, hidden) = (self.config.latent_dim, vec![200, 200]);
        let encoder = MlpEncoderConfig::new(shape.clone(), latent)
            .with_hidden(hidden.clone())
            .with_activation(ActivationConfig::Tanh);
        let decoder = MlpDecoderConfig::new(latent, shape)
            .with_hidden(hidden)
            .with_activation(ActivationConfig::Tanh);
        // The decoder starts at the mean image, as that of the paper.
        let mean = self.train.clone().mean_dim(0).clamp(1e-3, 1.0 - 1e-3);
        let logits = mean.clone().log() - (mean.neg() + 1.0).log();
        let decoder = decoder.init(&device)?.with_output_bias(logits);
        Ok((encoder.init_gaussian(&device)?, decoder))
    }

    fn with_prior<P: Prior<Value = Tensor<2>> + 'static>(self, prior: P) -> Result<()> {
        let latent = self.config.latent_dim;
        let weight = |usual: f64| self.config.weight.unwrap_or(usual);
        let kernels = || MmdKernel::inverse_multiquadrics(latent);
        let normal = StandardNormal::new(latent);
        match self.config.objective {
            Objective::Vae => {
                let kl = self.kl();
                self.held_by(prior, kl)
            }
            Objective::Iwae => {
                let (encoder, decoder) = self.networks()?;
                let config = IwaeConfig::new(self.config.draws);
                self.train(config.init(encoder, decoder, prior, BernoulliNll)?)
            }
            Objective::Info => {
                let loss = InfoVae::new(0.0, weight(10.0), kernels())?;
                self.held_by(normal, loss)
            }
            Objective::Mmd => {
                let loss = Mmd::new(weight(500.0), kernels())?;
                self.held_by(normal, loss)
            }
            Objective::Tc => {
                let loss = TotalCorrelation::new(weight(4.0), self.train.dims()[0])?;
                self.held_by(normal, loss)
            }
            Objective::Dip => {
                let loss = DipVae::type_two(weight(10.0), weight(10.0))?;
                self.held_by(normal, loss)
            }
            Objective::Factor => {
                let (encoder, decoder) = self.networks()?;
                let critic = MlpCriticConfig::new(vec![latent]);
                let critic = critic.init::<2>(&self.session.devices.training())?;
                let config = FactorVaeConfig::new().with_gamma(weight(10.0));
                let model = config.init(encoder, decoder, critic, normal, BernoulliNll)?;
                self.train(model)
            }
        }
    }

    /// Trains a VAE whose codes are held to the prior by this loss.
    fn held_by<P, R>(self, prior: P, loss: R) -> Result<()>
    where
        P: Prior<Value = Tensor<2>> + 'static,
        R: LatentLoss<DiagonalGaussian, P> + 'static,
    {
        let (encoder, decoder) = self.networks()?;
        let vae = Vae::with_latent_loss(encoder, decoder, prior, BernoulliNll, loss);
        self.train(vae)
    }

    fn train<M>(self, model: M) -> Result<()>
    where
        M: Model<Input = Tensor<4>>
            + LatentVariableModel<Input = Tensor<4>>
            + Sampler<Value = Tensor<4>>,
        Augmented<M, Binarization>: Trainable + Model<Input = Tensor<4>>,
    {
        let (config, session) = (&self.config, &self.session);
        let model = Augmented::new(model, Binarization);
        initialize(&model);
        let fit = session.fit().watch(PosteriorWatch::new(config.latent_dim));
        let adam = FusedAdamConfig::new().init()?;
        let rate = Cosine::new(config.training.lr);
        let (model, epochs) = session.train(&fit, model, adam, rate, [&self.train, &self.test])?;

        session.save_samples(&model.model)?;
        session.measure_nll(&model.model, self.test.clone(), &self.nll)?;
        session.finish(&epochs)
    }
}
