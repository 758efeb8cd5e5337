//! Trains an adversarial autoencoder on MNIST: codes that a critic cannot tell from a prior.
//!
//!     cargo run --example aae_mnist
//!     cargo run --example aae_mnist -- --prior mixture --labels 10000 --share 0.5 --encoder gaussian --adversarial-weight 300 --decay
//!     cargo run --example aae_mnist -- --prior swiss-roll
//!     cargo run --example aae_mnist -- --help

mod common;

use burn::nn::Linear;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::prelude::*;
use burn_generative::metric::{Estimate, MmdKernel, mmd_test, quantile, squared_mmd};
use burn_generative::nn::{MlpCritic, MlpDecoder, MlpJointCritic, UNKNOWN, initialize};
use burn_generative::plot::Measured;
use burn_generative::prelude::*;
use burn_generative::prior::{AnyPrior, GaussianMixture, SwissRollConfig, Uniform};
use burn_generative::train::{Cosine, CriticWatch, FusedAdamConfig, Rates, Trainable};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::{
    RunArgs, Session, TrainingArgs, critics, named, percent, plain, unit_interval,
};
use common::{in_batches, positive, share};
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

    /// What share of the images has a label, with `--labels`: the labelled ones are repeated so often. [default: as they come]
    #[arg(long, value_name = "X")]
    share: Option<f64>,

    /// What the encoder makes of an image.
    #[arg(long, default_value = "point")]
    encoder: CodeKind,

    /// Let the learning rate fall to 0 along half a cosine.
    #[arg(long)]
    decay: bool,

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

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum CodeKind {
    /// A point.
    Point,
    /// A Gaussian, of which a draw is decoded and judged.
    Gaussian,
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

/// How many neighbours of a code are asked for their class.
const NEIGHBOURS: usize = 10;

const TERMS: [&str; 3] = ["reconstruction", "critic", "encoder"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, TERMS);
    let session = Session::open("aae_mnist", args.run, &config.training, &config, summary)?;
    let session = session.without_unit();
    if config.labels.is_some() && config.prior != Kind::Mixture {
        return Err(Error::Config(
            "--labels needs a prior with classes: add --prior mixture".to_string(),
        ));
    }
    if let Some(known) = config.labels {
        positive("--labels", known)?;
    }
    match (config.labels, config.share) {
        (None, Some(_)) => {
            return Err(Error::Config("--share is that of --labels N".to_string()));
        }
        // Repeated so often, the labelled images make ten times the others, in memory.
        (_, Some(value)) if value > 0.9 => {
            return Err(Error::Config(format!(
                "--share must be at most 0.9, not {value}"
            )));
        }
        (_, Some(value)) => share("--share", value)?,
        (_, None) => {}
    }
    let shape = session.data.train.shape().to_vec();
    let device = session.devices.training();
    let encoder =
        MlpEncoderConfig::new(shape, config.latent_dim()?).with_hidden(vec![config.hidden; 2]);
    let game = Game { config, session };
    match game.config.encoder {
        CodeKind::Point => game.play(encoder.init(&device)?),
        CodeKind::Gaussian => game.play(encoder.init_gaussian(&device)?),
    }
}

type ImageDecoder = MlpDecoder<Linear, 4>;
type Unlabeled<E> = Aae<E, ImageDecoder, MlpCritic<2>, AnyPrior, BernoulliNll>;
type Labeled<E> =
    SemiSupervisedAae<E, ImageDecoder, MlpJointCritic<2>, GaussianMixture, BernoulliNll>;

/// A learning rate that stays, or falls.
struct Rate {
    lr: f64,
    decays: bool,
}

impl Rates for Rate {
    fn scheduler(self, steps: Option<usize>) -> Result<ModuleLrScheduler> {
        if self.decays {
            Cosine::new(self.lr).scheduler(steps)
        } else {
            self.lr.scheduler(steps)
        }
    }
}

struct Game {
    config: Config,
    session: Session<Config>,
}

impl Game {
    fn play<E>(self, encoder: E) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code: Code<Latent = Tensor<2>>>,
        Unlabeled<E>: Trainable + Model<Input = Tensor<4>>,
        Labeled<E>: Trainable + Model<Input = (Tensor<4>, Tensor<1, Int>)>,
    {
        let (config, session) = (&self.config, &self.session);
        let device = session.devices.training();
        let latent_dim = config.latent_dim()?;
        let shape = session.data.train.shape().to_vec();
        let hidden = vec![config.hidden; 2];
        let decoder = MlpDecoderConfig::new(latent_dim, shape).with_hidden(hidden.clone());
        let decoder = decoder.init(&device)?;
        let critic = MlpCriticConfig::new(vec![latent_dim]).with_hidden(hidden);
        let ring = || GaussianMixture::ring(CLASSES, 4.0, 0.5, &device);
        let weight = config.adversarial_weight;
        let watch = CriticWatch::new(&NonSaturating, &session.device());
        let fit = session.fit().watch(watch);

        // The critic has no momentum: what it was asked yesterday is no longer asked.
        let adam = |beta_1| FusedAdamConfig::new().with_beta_1(beta_1);
        let optimizer = adam(0.9)
            .init()?
            .with_group(critics(), adam(0.0).build()?, None);
        let [train, test] = session.images(unit_interval)?;
        let rate = Rate {
            lr: config.training.lr,
            decays: config.decay,
        };
        let Some(known) = config.labels else {
            let prior = match config.prior {
                Kind::Normal => AnyPrior::StandardNormal(StandardNormal::new(latent_dim)),
                Kind::Mixture => AnyPrior::GaussianMixture(ring()?),
                Kind::SwissRoll => AnyPrior::SwissRoll(SwissRollConfig::new().init()?),
                Kind::Uniform => AnyPrior::Uniform(Uniform::new(latent_dim, -2.0, 2.0)?),
            };
            let critic = critic.init(&device)?;
            let aae = Aae::new(encoder, decoder, critic, prior, BernoulliNll, NonSaturating)
                .with_adversarial_weight(weight)?;
            initialize(&aae);
            let (aae, epochs) = session.train(&fit, aae, optimizer, rate, [&train, &test])?;
            self.judge(&aae, test)?;
            session.save_samples(&aae)?;
            return session.finish(&epochs);
        };
        let critic = critic.init_joint(CLASSES + 1, &device)?;
        let objective = NonSaturating;
        let aae =
            SemiSupervisedAae::new(encoder, decoder, critic, ring()?, BernoulliNll, objective)
                .with_adversarial_weight(weight)?;
        initialize(&aae);
        let labels = |labels: &[u8], known: usize| {
            let label = |(i, &digit): (usize, &u8)| {
                if i < known { i64::from(digit) } else { UNKNOWN }
            };
            let labels: Vec<i64> = labels.iter().enumerate().map(label).collect();
            let length = labels.len();
            Tensor::<1, Int>::from_data(TensorData::new(labels, [length]), &session.device())
        };
        let of_train = labels(session.data.train.labels(), known);
        let of_test = labels(session.data.test.labels(), usize::MAX);
        aae.check_labels(&of_train)?;
        aae.check_labels(&of_test)?;
        let first = known.min(train.dims()[0]);
        let more = self.repeats(first, train.dims()[0])?;
        let train = if more > 0 {
            let again = train.clone().narrow(0, 0, first).repeat_dim(0, more);
            let labels = of_train.clone().narrow(0, 0, first).repeat_dim(0, more);
            (
                Tensor::cat(vec![train, again], 0),
                Tensor::cat(vec![of_train, labels], 0),
            )
        } else {
            (train, of_train)
        };
        let data = [&train, &(test.clone(), of_test)];
        let (aae, epochs) = session.train(&fit, aae, optimizer, rate, data)?;
        self.judge(&aae.aae, test.clone())?;
        self.judge_places(&aae, test)?;
        session.save_samples_by(&aae, |aae, n| {
            let anything = TensorData::new(vec![UNKNOWN; n], [n]);
            aae.sample_labeled(Tensor::from_data(anything, &session.device()))
        })?;
        // A row a class.
        let classes = (0..CLASSES as i64).flat_map(|class| [class; 12]).collect();
        let classes = TensorData::new::<i64, _>(classes, [12 * CLASSES]);
        let samples = aae.sample_labeled(Tensor::from_data(classes, &session.device()));
        let words = [
            "Classes",
            "Samples of each class of the prior, a row a class.",
        ];
        session.save_grid("classes.png", words, samples)?;
        session.finish(&epochs)
    }

    /// How many more times the labelled images are seen than the others, so that their share is the one asked for.
    fn repeats(&self, known: usize, images: usize) -> Result<usize> {
        let Some(share) = self.config.share else {
            return Ok(0);
        };
        if known as f64 >= share * images as f64 {
            return Err(Error::Config(format!(
                "--share {share}: {known} of {images} images have a label, which is that share or more; ask for a larger one, or \
                 leave it out"
            )));
        }
        let others = (images - known) as f64;
        let times = share / (1.0 - share) * others / known as f64;
        Ok((times.round() as usize).saturating_sub(1))
    }

    /// Draws the pictures, and prints how good codes and reconstructions are.
    fn judge<E, C, P>(
        &self,
        aae: &Aae<E, ImageDecoder, C, P, BernoulliNll>,
        test: Tensor<4>,
    ) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code: Code<Latent = Tensor<2>>>,
        C: Block,
        P: Sampler<Value = Tensor<2>>,
    {
        let session = &self.session;
        let reconstruct = |images: Tensor<4>| {
            let output = aae.decoder.decode(aae.encoder.encode(images).point());
            aae.reconstruction.point(output)
        };
        session.save_reconstructions(&test, reconstruct)?;
        session.save_latent_map(test.clone(), |images| aae.encoder.encode(images).point())?;
        session.device().seed(session.seed());
        let draw = |n| aae.prior.sample(n, &session.device());

        // A thousand from all over the test set: its first half is not like its second.
        let total = test.dims()[0];
        let shown = total.min(1000);
        let chosen: Vec<i64> = (0..shown).map(|i| (i * total / shown) as i64).collect();
        let chosen = Tensor::from_data(TensorData::new(chosen, [shown]), &session.device());
        let images = test.select(0, chosen);
        let codes = aae.encoder.encode(images.clone()).rsample();
        let kernel = MmdKernel::InverseMultiquadric {
            scale: 2.0 * codes.dims()[1] as f64,
        };
        let test = mmd_test(codes, draw(shown), kernel, 200, session.seed())?;
        let of_prior = || squared_mmd(draw(shown), draw(shown), kernel);
        let by_chance = (0..60).map(|_| of_prior()).collect::<Result<Vec<_>>>()?;
        let error = SquaredError.loss(reconstruct(images.clone()), images);
        let error = Estimate::of_batch(error)?;
        session.measured(Measured {
            standard_error: Some(error.standard_error),
            ..plain("squared error of test reconstructions", error.mean)
        })?;
        session.measured(plain(
            "1000 x squared MMD of codes and prior",
            1000.0 * test.squared_mmd,
        ))?;
        session.measured(plain(
            "as a share of what two draws of the prior stay below in 19 of 20 cases",
            test.squared_mmd / quantile(&by_chance, 0.95)?,
        ))?;
        session.measured(plain("p-value of codes being the prior's", test.p_value))
    }

    /// Prints how many test codes lie where the prior has their class, and among their like.
    fn judge_places<E>(&self, aae: &Labeled<E>, test: Tensor<4>) -> Result<()>
    where
        E: Encoder<Input = Tensor<4>, Code: Code<Latent = Tensor<2>>>,
    {
        let labels = self.session.data.test.labels();
        let codes = in_batches(test, |images| aae.encode(images).point());
        let points = |codes: Tensor<2>| -> Result<Vec<[f64; 2]>> {
            let numbers: Vec<f64> = codes.try_into_data_as::<f64>()?.iter::<f64>().collect();
            Ok(numbers.chunks_exact(2).map(|xy| [xy[0], xy[1]]).collect())
        };
        let (codes, places) = (points(codes)?, points(aae.aae.prior.means())?);
        let neighbours = NEIGHBOURS.min(codes.len() - 1);
        let (mut there, mut alike) = (Vec::new(), Vec::new());
        for (i, (code, label)) in codes.iter().zip(labels).enumerate() {
            let from =
                |point: &[f64; 2]| (point[0] - code[0]).powi(2) + (point[1] - code[1]).powi(2);
            let own = from(&places[usize::from(*label)]);
            let is_there = places.iter().all(|place| own <= from(place));
            there.push(if is_there { 100.0 } else { 0.0 });
            let mut others: Vec<(f64, u8)> =
                codes.iter().map(from).zip(labels.iter().copied()).collect();
            others.swap_remove(i);
            if neighbours < others.len() {
                others.select_nth_unstable_by(neighbours, |a, b| a.0.total_cmp(&b.0));
            }
            let like = others[..neighbours]
                .iter()
                .filter(|(_, other)| other == label);
            alike.push(100.0 * like.count() as f64 / neighbours as f64);
        }
        for (name, hits) in [
            ("test codes in the place of their class", there),
            (
                "the ten nearest of a test code that are of its class",
                alike,
            ),
        ] {
            self.session.measured(percent(name, Estimate::of(&hits)?))?;
        }
        Ok(())
    }
}
