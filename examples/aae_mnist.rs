//! Trains an adversarial autoencoder on MNIST: codes that a critic cannot tell from a prior.
//!
//!     cargo run --example aae_mnist
//!     cargo run --example aae_mnist -- --prior mixture --labels 10000 --adversarial-weight 50
//!     cargo run --example aae_mnist -- --prior swiss-roll
//!     cargo run --example aae_mnist -- --help

mod common;

use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use burn_generative::loss::{NonSaturating, SquaredError};
use burn_generative::metric::{Estimate, MmdKernel, mmd_test};
use burn_generative::model;
use burn_generative::nn::{MlpCriticConfig, initialize};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, AnyPrior, SwissRollConfig, Uniform};
use burn_generative::train::{Epoch, FusedAdamConfig};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::training::{Measured, RunArgs, Session, TrainingArgs, critics, named};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train an adversarial autoencoder on MNIST.
///
/// Leaves pictures (reconstructions, samples, loss curves), a report, metrics, checkpoints and weights in a folder, and
/// says how far the test codes are from the prior.
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
    /// What the codes are to look like.
    #[arg(long, default_value = "normal")]
    prior: Kind,

    /// Tell the model the digits of the first N training images: each gets a component of the mixture. Needs
    /// `--prior mixture`.
    #[arg(long, value_name = "N")]
    labels: Option<usize>,

    /// Number of latent coordinates. [default: 8; 2 for mixture and swiss-roll, which lie in the plane]
    #[arg(long, value_name = "N")]
    latent_dim: Option<usize>,

    /// Width of the two hidden layers of every network.
    #[arg(long, default_value_t = 512, value_name = "N")]
    hidden: usize,

    /// Weight of the adversarial term of the encoder; with 0 it is a plain autoencoder.
    #[arg(long, default_value_t = 10.0, value_name = "X")]
    adversarial_weight: f64,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A standard normal.
    Normal,
    /// Ten Gaussians on a circle.
    Mixture,
    /// A spiral.
    SwissRoll,
    /// A box from -2 to 2.
    Uniform,
}

impl Config {
    fn latent_dim(&self) -> Result<usize> {
        let plane = matches!(self.prior, Kind::Mixture | Kind::SwissRoll);
        match (plane, self.latent_dim) {
            (true, None | Some(2)) => Ok(2),
            (true, Some(other)) => Err(Error::Config(format!(
                "--prior {} lies in the plane, so that --latent-dim {other} does not fit; leave it out",
                self.prior
                    .to_possible_value()
                    .expect("no value is hidden")
                    .get_name()
            ))),
            (false, asked) => Ok(asked.unwrap_or(8)),
        }
    }
}

/// Digits.
const CLASSES: usize = 10;

const TERMS: [&str; 3] = ["reconstruction", "critic", "encoder"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, TERMS);
    let mut session = Session::open("aae_mnist", &args.run, &config.training, &config, summary)?;
    let latent_dim = config.latent_dim()?;
    if config.labels.is_some() && config.prior != Kind::Mixture {
        return Err(Error::Config(
            "--labels needs a prior with classes: add --prior mixture".to_string(),
        ));
    }
    let shape = session.data.train.shape().to_vec();
    let device = session.device.clone().autodiff();
    let hidden = vec![config.hidden; 2];
    let encoder = MlpEncoderConfig::new(shape.clone(), latent_dim)
        .with_hidden(hidden.clone())
        .init(&device)?;
    let decoder = MlpDecoderConfig::new(latent_dim, shape)
        .with_hidden(hidden.clone())
        .init(&device)?;
    let critic = MlpCriticConfig::new(vec![latent_dim]).with_hidden(hidden);
    let ring = || GaussianMixture::ring(CLASSES, 4.0, 0.5, &device);
    let prior = match config.prior {
        Kind::Normal => AnyPrior::StandardNormal(StandardNormal::new(latent_dim)),
        Kind::Mixture => AnyPrior::GaussianMixture(ring()?),
        Kind::SwissRoll => AnyPrior::SwissRoll(SwissRollConfig::new().init()?),
        Kind::Uniform => AnyPrior::Uniform(Uniform::new(latent_dim, -2.0, 2.0)?),
    };
    let recipe = AaeConfig::new().with_adversarial_weight(config.adversarial_weight);
    session.watch_critic(&NonSaturating);

    // The critic has no momentum: what it was asked yesterday is no longer asked.
    let adam = |beta_1| FusedAdamConfig::new().with_beta_1(beta_1);
    let optimizer = adam(0.9)
        .init()?
        .with_group(critics(), adam(0.0).build()?, None);
    let [train, test] = session.images(Support::UnitInterval)?;
    let rate = config.training.lr;
    match config.labels {
        None => {
            let critic = critic.init::<2>(&device)?;
            let aae = recipe.init(encoder, decoder, critic, prior, BernoulliNll, NonSaturating)?;
            initialize(&aae);
            let (aae, epochs) = session.train(aae, optimizer, rate, &TERMS, [&train, &test])?;
            let outcome = Outcome {
                session: &session,
                encode: &|images| aae.encode(images),
                decode: &|codes| sigmoid(aae.decode(codes)),
                prior: &aae.prior,
            };
            outcome.draw(test, &epochs)?;
            session.save_samples(&aae, |aae, n| sigmoid(aae.sample(n, &session.device)))?;
            session.finish(&epochs)
        }
        Some(known) => {
            let critic = critic.init_joint::<2>(CLASSES + 1, &device)?;
            let aae = recipe.init_semi_supervised(
                encoder,
                decoder,
                critic,
                ring()?,
                BernoulliNll,
                NonSaturating,
            )?;
            initialize(&aae);
            let labels = |labels: &[u8], known: usize| {
                // One more than the last class stands for "unknown".
                let label = |(i, &digit): (usize, &u8)| match i < known {
                    true => i64::from(digit),
                    false => CLASSES as i64,
                };
                let labels: Vec<i64> = labels.iter().enumerate().map(label).collect();
                let length = labels.len();
                Tensor::<1, Int>::from_data(TensorData::new(labels, [length]), &session.device)
            };
            let of_train = labels(session.data.train.labels(), known);
            let of_test = labels(session.data.test.labels(), usize::MAX);
            aae.check_labels(&of_train)?;
            aae.check_labels(&of_test)?;
            let data = [&(train, of_train), &(test.clone(), of_test)];
            let (aae, epochs) = session.train(aae, optimizer, rate, &TERMS, data)?;
            let outcome = Outcome {
                session: &session,
                encode: &|images| aae.encode(images),
                decode: &|codes| sigmoid(aae.decode(codes)),
                prior: &aae.prior,
            };
            outcome.draw(test, &epochs)?;
            session.save_samples(&aae, |aae, n| {
                sigmoid(model::sample(&aae.prior, &aae.decoder, n, &session.device))
            })?;
            // A row a class.
            let classes = (0..CLASSES as i64).flat_map(|class| [class; 12]).collect();
            let classes = TensorData::new::<i64, _>(classes, [12 * CLASSES]);
            let samples = aae.sample_labeled(Tensor::from_data(classes, &session.device));
            let words = [
                "Classes",
                "Samples of each class of the prior, a row a class.",
            ];
            session.save_grid("classes.png", words, sigmoid(samples))?;
            session.finish(&epochs)
        }
    }
}

/// What was trained, by its functions.
struct Outcome<'a, P> {
    session: &'a Session<Config>,
    encode: &'a dyn Fn(Tensor<4>) -> Tensor<2>,
    decode: &'a dyn Fn(Tensor<2>) -> Tensor<4>,
    prior: &'a P,
}

impl<P: Prior<Latent = Tensor<2>>> Outcome<'_, P> {
    /// Draws the pictures, and prints how good codes and reconstructions are.
    fn draw(&self, test: Tensor<4>, epochs: &[Epoch]) -> Result<()> {
        let session = self.session;
        let reconstruct = |images| (self.decode)((self.encode)(images));
        session.save_reconstructions(&test, reconstruct)?;
        session.save_latent_map(test.clone(), self.encode)?;
        session.device.seed(session.seed());
        let draw = |n| self.prior.sample(n, &session.device);
        session.save_curves(&TERMS, epochs)?;

        // A thousand from all over the test set: its first half is not like its second.
        let total = test.dims()[0];
        let shown = total.min(1000);
        let chosen: Vec<i64> = (0..shown).map(|i| (i * total / shown) as i64).collect();
        let chosen = Tensor::from_data(TensorData::new(chosen, [shown]), &session.device);
        let images = test.select(0, chosen);
        let codes = (self.encode)(images.clone());
        let kernel = MmdKernel::InverseMultiquadric {
            scale: 2.0 * codes.dims()[1] as f64,
        };
        let test = mmd_test(codes, draw(shown), kernel, 200, session.seed())?;
        let error = SquaredError.loss(reconstruct(images.clone()), images);
        let error = Estimate::of_batch(error)?;
        session.measured(Measured {
            standard_error: Some(error.standard_error),
            ..Measured::plain("squared error of test reconstructions", error.mean)
        });
        session.measured(Measured::plain(
            "1000 x squared MMD of codes and prior",
            1000.0 * test.squared_mmd,
        ));
        session.measured(Measured::plain(
            "p-value of codes being the prior's",
            test.p_value,
        ));
        Ok(())
    }
}
