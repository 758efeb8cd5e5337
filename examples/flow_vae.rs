//! Flows in a variational autoencoder: as its prior, and as its posterior. What do they gain?
//!
//!     cargo run --example flow_vae -- --nll 200
//!     cargo run --example flow_vae -- --nll 200 --prior flow
//!     cargo run --example flow_vae -- --nll 200 --prior flow --posterior iaf --judge
//!
//! Encoder, decoder and epochs are the same, so what differs is the flow's.

mod common;

use burn::prelude::*;
use burn_generative::Result;
use burn_generative::flow::{Flow, FlowHead, IafConfig, RealNvpConfig};
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, FusedAdamConfig, PosteriorWatch};
use clap::{Parser, ValueEnum};
use common::session::{NllArgs, RunArgs, Session, TrainingArgs, named};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train a variational autoencoder on MNIST, with a flow where one is asked for.
///
/// Leaves pictures (reconstructions, samples, loss curves), a report.html that shows them, metrics, checkpoints and weights
/// in a folder, and prints the test loss last. The learning rate falls to 0 along half a cosine.
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
    /// The prior.
    #[arg(long, default_value = "normal")]
    prior: PriorKind,

    /// The posterior.
    #[arg(long, default_value = "gaussian")]
    posterior: PosteriorKind,

    /// Latent coordinates.
    #[arg(long, default_value_t = 20, value_name = "N")]
    latent_dim: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PriorKind {
    /// Standard normal.
    Normal,
    /// A RealNVP, trained with the rest.
    Flow,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PosteriorKind {
    /// Independent coordinates.
    Gaussian,
    /// An inverse autoregressive flow behind them.
    Iaf,
}

/// What the encoder tells the posterior's flow.
const CONTEXT: usize = 64;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    args.nll.check()?;
    let summary =
        |terms: &BTreeMap<String, f64>| named(terms, [Losses::TOTAL, "reconstruction", "kl"]);
    let session = Session::open("flow_vae", args.run, &config.training, &config, summary)?;
    let device = session.devices.training();
    let latent = config.latent_dim;
    let encoder = MlpEncoderConfig::new(session.data.train.shape().to_vec(), latent);
    let run = Run {
        config,
        session,
        nll: args.nll,
    };
    match run.config.posterior {
        PosteriorKind::Gaussian => run.with_prior(encoder.init_gaussian(&device)?),
        PosteriorKind::Iaf => {
            let iaf = IafConfig::new(latent).with_context(CONTEXT).init(&device)?;
            let head = |features| FlowHead::new(features, latent, CONTEXT, iaf, &device);
            run.with_prior(encoder.init_with_head(&device, head)?)
        }
    }
}

struct Run {
    config: Config,
    session: Session<Config>,
    nll: NllArgs,
}

impl Run {
    fn with_prior<E>(self, encoder: E) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code: Posterior<Latent = Tensor<2>>> + 'static,
    {
        let base = StandardNormal::new(self.config.latent_dim);
        match self.config.prior {
            PriorKind::Normal => self.train(encoder, base),
            PriorKind::Flow => {
                let flow = RealNvpConfig::new(self.config.latent_dim).with_couplings(6);
                let flow = flow.init(&self.session.devices.training())?;
                self.train(encoder, Flow::new(flow, base))
            }
        }
    }

    fn train<E, P>(self, encoder: E, prior: P) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code: Posterior<Latent = Tensor<2>>> + 'static,
        P: Prior<Value = Tensor<2>> + 'static,
    {
        let (config, session) = (&self.config, &self.session);
        let shape = session.data.train.shape().to_vec();
        let decoder = MlpDecoderConfig::new(config.latent_dim, shape);
        let decoder = decoder.init(&session.devices.training())?;
        let vae = Vae::new(encoder, decoder, prior, BernoulliNll);
        initialize(&vae);
        let [train, test] = session.images(|images, what| vae.likelihood.check(images, what))?;
        let fit = session.fit().watch(PosteriorWatch::new(config.latent_dim));
        let adam = FusedAdamConfig::new().init()?;
        let rate = Cosine::new(config.training.lr);
        let (vae, epochs) = session.train(&fit, vae, adam, rate, [&train, &test])?;

        session.save_reconstructions(&test, |images| vae.reconstruct(images))?;
        session.save_samples(&vae)?;
        let decode = |latent| vae.likelihood.point(vae.decode(latent));
        session.judge_mixture(train, |images| vae.encode(images).point(), decode)?;
        session.measure_nll(&vae, test, &self.nll)?;
        session.finish(&epochs)
    }
}
