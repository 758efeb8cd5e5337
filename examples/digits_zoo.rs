//! Every family of the crate on one scale: nats that it needs for an 8x8 digit of 17 levels of grey.
//!
//!     cargo run --example digits_zoo -- --data digits.csv.gz
//!     cargo run --example digits_zoo -- --data digits.csv.gz --only made,vae
//!     cargo run --example digits_zoo -- --help
//!
//! The file is that of scikit-learn's `load_digits`. Of its 1,797 rows the first 1,000 are trained on, the next 350 say when to
//! stop, and the last 447 are measured. Autoregressive models give the probability of the levels themselves; a flow, a
//! mixture and whatever has latents give a bound of it by so many draws.

mod common;

use burn::module::Module;
use burn::nn::Linear;
use burn::prelude::*;
use burn_generative::autoregressive::{
    MadeConfig, NadeConfig, Output, PixelCnnConfig, WaveNetConfig,
};
use burn_generative::distribution::{Categorical, Levels};
use burn_generative::flow::{
    Dequantize, Flow, GlowConfig, MafConfig, RealNvpConfig, SplineFlowConfig, SplineMap,
};
use burn_generative::hierarchy::LadderConfig;
use burn_generative::loss::LogisticMixtureNll;
use burn_generative::metric::{Estimate, importance_weighted_bound};
use burn_generative::model::{HierarchicalVae, VampVae};
use burn_generative::nn::{GaussianHead, MlpDecoder, MlpEncoder, initialize};
use burn_generative::prelude::*;
use burn_generative::prior::{MixtureFit, PseudoInputs};
use burn_generative::train::{Cosine, Fit, FusedAdamConfig, Run, Trainable};
use burn_generative::traits::LatentVariableModel;
use burn_generative::{Result, plot};
use clap::{Parser, ValueEnum};
use common::session::OutArgs;
use common::{LEVELS, PIXELS, positive, rate};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Fit one model of every family to the same digits; print the nats of each, and leave a picture with a row of samples of each.
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
    /// The rows, raw or gzip-compressed: 64 levels from 0 to 16 and a label.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// Only these of the models. [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Option<Vec<Kind>>,

    /// Epochs at most.
    #[arg(long, default_value_t = 80, value_name = "N")]
    epochs: usize,

    /// Stop after so many epochs without a better likelihood of the validation rows.
    #[arg(long, default_value_t = 12, value_name = "N")]
    patience: usize,

    /// Rows in a training step.
    #[arg(long, default_value_t = 32, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Draws of a bound, for each image.
    #[arg(long, default_value_t = 50, value_name = "N")]
    draws: usize,

    /// Seed of the weights, the order of the rows and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Each pixel as if it knew of no other.
    Independent,
    /// Gaussians with full covariances.
    Mixture,
    /// Regression of each pixel on those before it.
    Fvsbn,
    /// A masked perceptron.
    Made,
    /// A hidden layer that all pixels share.
    Nade,
    /// Gated masked convolutions.
    Pixelcnn,
    /// Dilated causal convolutions over the rows, one after the other.
    Wavenet,
    /// Affine couplings.
    Realnvp,
    /// Couplings by splines.
    Spline,
    /// An autoregressive flow by splines.
    Maf,
    /// Convolutional couplings at two scales.
    Glow,
    /// Independent latents.
    Vae,
    /// A mixture of posteriors of learned inputs as its prior.
    VampVae,
    /// A flow as its prior.
    FlowVae,
    /// Two levels of latents.
    Ladder,
    /// A PixelCNN as its decoder.
    PixelVae,
}

impl Kind {
    /// As the command line has it.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or(String::new(), |value| value.get_name().to_string())
    }
}

/// One line of the table, and of `metrics.json`.
#[derive(Serialize)]
struct Line {
    model: Kind,
    test_nats: f64,
    standard_error: f64,
    valid_nats: f64,
    is_exact: bool,
    parameters: usize,
    seconds: f64,
}

/// Latents of every model that has some.
const LATENTS: usize = 16;

/// Digits of the picture, of each model.
const SAMPLES: usize = 20;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    for (flag, count) in [("--draws", config.draws), ("--epochs", config.epochs)] {
        positive(flag, count)?;
    }
    rate("--lr", config.lr)?;
    let (device, run) = args.out.open("digits_zoo", &config)?;
    let rows = common::digits(&config.data, &device)? / (LEVELS - 1) as f64;
    let count = rows.dims()[0];
    let part = |start: usize, length: usize| rows.clone().narrow(0, start, length);
    let parts = [part(0, 1000), part(1000, 350), part(1350, count - 1350)];
    let rows = parts[2].clone().narrow(0, 0, SAMPLES);
    let mut zoo = Zoo {
        training: device.clone().autodiff(),
        pictures: vec![rows.reshape([-1, 1, 8, 8])],
        lines: Vec::new(),
        device,
        config,
        run,
        parts,
    };
    for kind in Kind::value_variants() {
        let only = zoo.config.only.as_ref();
        if only.is_none_or(|only| only.contains(kind)) {
            zoo.visit(*kind)?;
        }
    }
    let picture = plot::grid(Tensor::cat(zoo.pictures, 0), SAMPLES, 4)?;
    plot::save(&picture, zoo.run.path("samples.png"))?;
    zoo.run.write("metrics.json", &zoo.lines)
}

/// How a model wants its digits: in this shape, their levels from 0 to this number.
#[derive(Clone, Copy)]
struct View<const D: usize> {
    shape: [i32; D],
    largest: f64,
}

const ROWS: View<2> = View {
    shape: [-1, PIXELS as i32],
    largest: 1.0,
};
const IMAGES: View<4> = View {
    shape: [-1, 1, 8, 8],
    largest: 1.0,
};
/// Whole numbers, which a flow is told to be dequantised.
const COUNTS: View<2> = View {
    largest: (LEVELS - 1) as f64,
    ..ROWS
};

impl<const D: usize> View<D> {
    fn data(self, rows: &Tensor<2>) -> Tensor<D> {
        (rows.clone() * self.largest).reshape(self.shape)
    }

    fn images(self, data: Tensor<D>) -> Tensor<4> {
        (data / self.largest).reshape(IMAGES.shape)
    }
}

struct Zoo {
    config: Config,
    run: Run,
    device: Device,
    training: Device,
    /// To train on, to stop by, and to measure; levels in [0, 1].
    parts: [Tensor<2>; 3],
    lines: Vec<Line>,
    pictures: Vec<Tensor<4>>,
}

impl Zoo {
    fn visit(&mut self, kind: Kind) -> Result<()> {
        self.device.seed(self.config.seed);
        let training = self.training.clone();
        let device = &training;
        let levels = Levels::unit(LEVELS)?;
        let output = Output::logistic_mixture(levels, 5)?;
        let normal = |size: usize| StandardNormal::new(size);
        let hidden = || vec![256];
        let grey = self.grey()?;
        match kind {
            Kind::Independent => self.independent(levels),
            Kind::Mixture => self.mixture(),
            Kind::Fvsbn => {
                let config = MadeConfig::fvsbn(vec![PIXELS]);
                let model = config.init_with::<2>(output, &Default::default(), device)?;
                self.exact(kind, ROWS, model)
            }
            Kind::Made => {
                let config = MadeConfig::new(vec![PIXELS]).with_hidden(vec![500]);
                let model = config.init_with::<2>(output, &Default::default(), device)?;
                self.exact(kind, ROWS, model)
            }
            Kind::Nade => {
                let config = NadeConfig::new(vec![PIXELS]).with_hidden(200);
                let model = config.init_with::<2>(output, &Default::default(), device)?;
                self.exact(kind, ROWS, model)
            }
            Kind::Pixelcnn => {
                let config = PixelCnnConfig::new([1, 8, 8]).with_features(32);
                let model = config.with_layers(4).init_with(output, device)?;
                self.exact(kind, IMAGES, model)
            }
            Kind::Wavenet => {
                let config = WaveNetConfig::new(PIXELS).with_channels(32);
                let model = config.with_layers(5).init_with(output, device)?;
                self.exact(kind, ROWS, model)
            }
            Kind::Realnvp => {
                let config = RealNvpConfig::new(PIXELS).with_couplings(6);
                let flow = config.with_hidden(hidden()).init(device)?;
                self.flow(kind, COUNTS, Flow::new(flow, normal(PIXELS)))
            }
            Kind::Spline => {
                let config = SplineFlowConfig::new(PIXELS).with_couplings(4);
                let flow = config.with_hidden(hidden()).init(device)?;
                self.flow(kind, COUNTS, Flow::new(flow, normal(PIXELS)))
            }
            Kind::Maf => {
                let config = MafConfig::new(PIXELS).with_layers(2).with_hidden(hidden());
                let flow = config.init_with_map(SplineMap::new(12, 4.0)?, device)?;
                self.flow(kind, COUNTS, Flow::new(flow, normal(PIXELS)))
            }
            Kind::Glow => {
                let config = GlowConfig::new([1, 8, 8]).with_steps(3).with_hidden(64);
                let images = View {
                    largest: COUNTS.largest,
                    ..IMAGES
                };
                self.flow(
                    kind,
                    images,
                    Flow::new(config.init(device)?, normal(PIXELS)),
                )
            }
            Kind::Vae => {
                let (encoder, decoder) = self.networks()?;
                self.bound(
                    kind,
                    IMAGES,
                    Vae::new(encoder, decoder, normal(LATENTS), grey),
                )
            }
            Kind::VampVae => {
                let (encoder, decoder) = self.networks()?;
                let train = IMAGES.data(&self.parts[0]);
                let inputs = PseudoInputs::of_data(&train, 50, self.config.seed)?;
                let kl = Kl::default().with_warmup(200, device);
                let model = VampVae::with_latent_loss(encoder, decoder, inputs, grey, kl);
                self.bound(kind, IMAGES, model)
            }
            Kind::FlowVae => {
                let (encoder, decoder) = self.networks()?;
                let flow = RealNvpConfig::new(LATENTS).with_couplings(4).init(device)?;
                let prior = Flow::new(flow, normal(LATENTS));
                self.bound(kind, IMAGES, Vae::new(encoder, decoder, prior, grey))
            }
            Kind::Ladder => {
                let (_, decoder) = self.networks()?;
                let config = LadderConfig::new(vec![1, 8, 8], vec![8, LATENTS], vec![128, 256]);
                // A nat of each level is free: without, the top stays empty.
                let kl = Kl::default().with_warmup(400, device).with_free_bits(1.0)?;
                let ladder = config.init(decoder, device)?;
                self.bound(kind, IMAGES, HierarchicalVae::with_kl(ladder, grey, kl))
            }
            Kind::PixelVae => {
                let encoder = MlpEncoderConfig::new(vec![1, 8, 8], LATENTS).with_hidden(hidden());
                let config = PixelCnnConfig::new([1, 8, 8]).with_features(32);
                let config = config.with_layers(2).with_context(LATENTS);
                let decoder = config.init_with(output, device)?;
                let encoder = encoder.init_gaussian(device)?;
                let model = Vae::new(encoder, decoder, normal(LATENTS), Nll);
                self.bound(kind, IMAGES, model)
            }
        }
    }

    fn networks(&self) -> Result<(MlpEncoder<GaussianHead, 4>, MlpDecoder<Linear, 4>)> {
        let numbers = self.grey()?.parameters();
        let encoder = MlpEncoderConfig::new(vec![1, 8, 8], LATENTS).with_hidden(vec![256]);
        let decoder = MlpDecoderConfig::new(LATENTS, vec![numbers, 8, 8]).with_hidden(vec![256]);
        Ok((
            encoder.init_gaussian(&self.training)?,
            decoder.init(&self.training)?,
        ))
    }

    /// The likelihood of a decoder's numbers.
    fn grey(&self) -> Result<LogisticMixtureNll> {
        LogisticMixtureNll::new(1, Levels::unit(LEVELS)?, 3)
    }

    /// The rows to validate on and to test on.
    fn measured(&self) -> [Tensor<2>; 2] {
        let [_, valid, test] = self.parts.clone();
        [valid, test]
    }

    /// Counts of each pixel's levels, one more of each.
    fn independent(&mut self, levels: Levels) -> Result<()> {
        let started = Instant::now();
        let seen = levels.index(self.parts[0].clone());
        let counts = seen.one_hot::<3>(LEVELS).float().sum_dim(0) + 1.0;
        let of = |count| Categorical::<2>::new(counts.clone().log().repeat_dim(0, count));
        let log_prob = |rows: Tensor<2>| of(rows.dims()[0]).log_prob(levels.index(rows));
        let log_probs = self.measured().map(log_prob);
        let samples = levels.values(of(SAMPLES).rsample()).reshape(IMAGES.shape);
        let parameters = PIXELS * (LEVELS - 1);
        self.line(
            Kind::Independent,
            true,
            log_probs,
            samples,
            parameters,
            started,
        )
    }

    fn mixture(&mut self) -> Result<()> {
        let started = Instant::now();
        let counts = COUNTS.data(&self.parts[0]);
        let noise = counts.random_like(burn::tensor::Distribution::Default);
        let fit = MixtureFit::new(10).with_regularization(1e-2);
        let mixture = fit.fit_full((counts + noise) / LEVELS as f64)?;
        let parameters = mixture.num_params();
        let model = Dequantize::new(mixture, LEVELS)?;
        let log_probs = self.dequantized(COUNTS, &model);
        let samples = COUNTS.images(model.sample(SAMPLES, &self.device));
        self.line(
            Kind::Mixture,
            false,
            log_probs,
            samples,
            parameters,
            started,
        )
    }

    /// A model whose likelihood is exact.
    fn exact<P, const D: usize>(&mut self, kind: Kind, view: View<D>, density: P) -> Result<()>
    where
        P: Prior<Value = Tensor<D>> + 'static,
    {
        let started = Instant::now();
        let model = self.fit(kind, view, "nll", MaximumLikelihood::new(density))?;
        let log_probs = self.measured().map(|rows| model.log_prob(view.data(&rows)));
        let samples = view.images(model.sample(SAMPLES, &self.device));
        self.line(kind, true, log_probs, samples, model.num_params(), started)
    }

    /// A density over real numbers, as one of levels.
    fn flow<P, const D: usize>(&mut self, kind: Kind, view: View<D>, density: P) -> Result<()>
    where
        P: Prior<Value = Tensor<D>> + 'static,
    {
        let started = Instant::now();
        let density = Dequantize::new(density, LEVELS)?;
        let model = self.fit(kind, view, "nll", MaximumLikelihood::new(density))?;
        let log_probs = self.dequantized(view, &model.density);
        let samples = view.images(model.sample(SAMPLES, &self.device));
        self.line(kind, false, log_probs, samples, model.num_params(), started)
    }

    /// The logarithm of the mean probability over draws of the noise.
    fn dequantized<P, const D: usize>(&self, view: View<D>, density: &P) -> [Tensor<1>; 2]
    where
        P: Prior<Value = Tensor<D>>,
    {
        self.measured().map(|rows| {
            let draw = |_draw| density.log_prob(view.data(&rows));
            let draws: Vec<Tensor<1>> = (0..self.config.draws).map(draw).collect();
            let draws: Tensor<2> = Tensor::stack(draws, 0);
            let most = draws.clone().max_dim(0);
            let mean = (draws - most.clone()).exp().mean_dim(0);
            (mean.log() + most).squeeze_dim(0)
        })
    }

    /// A model with latents.
    fn bound<M, const D: usize>(&mut self, kind: Kind, view: View<D>, model: M) -> Result<()>
    where
        M: Trainable + Sampler<Value = Tensor<D>> + LatentVariableModel<Input = Tensor<D>>,
        M: Model<Input = Tensor<D>> + Clone,
    {
        let started = Instant::now();
        let model = self.fit(kind, view, Losses::TOTAL, model)?;
        let draws = self.config.draws;
        let bound = |rows: Tensor<2>| importance_weighted_bound(&model, view.data(&rows), draws);
        let [valid, test] = self.measured().map(bound);
        let log_probs = [valid?.log_prob, test?.log_prob];
        let samples = view.images(model.sample(SAMPLES, &self.device));
        let parameters = Module::num_params(&model);
        self.line(kind, false, log_probs, samples, parameters, started)
    }

    /// Trains until the validation rows gain no more, in a folder of its own.
    fn fit<M, const D: usize>(&self, kind: Kind, view: View<D>, term: &str, model: M) -> Result<M>
    where
        M: Trainable + Model<Input = Tensor<D>>,
    {
        initialize(&model);
        let config = &self.config;
        let run = Run::begin(self.run.path(&kind.name()), config)?;
        let [train, valid, _] = &self.parts;
        let (model, _) = Fit::new(config.epochs, config.batch_size)
            .seed(config.seed)
            .stop_early(term, config.patience)
            .quiet()
            .run(
                &run,
                model,
                FusedAdamConfig::new().with_weight_decay(1e-4).init()?,
                Cosine::new(config.lr),
                &view.data(train),
                &view.data(valid),
            )?;
        Ok(model)
    }

    fn line(
        &mut self,
        model: Kind,
        is_exact: bool,
        [valid, test]: [Tensor<1>; 2],
        samples: Tensor<4>,
        parameters: usize,
        started: Instant,
    ) -> Result<()> {
        let nats = Estimate::of_batch(test.neg())?;
        let valid = Estimate::of_batch(valid.neg())?;
        let seconds = started.elapsed().as_secs_f64();
        let sign = if is_exact { "=" } else { "<" };
        println!(
            "{:<11} {sign} {nats} nats an image ({:.2} on validation), {parameters} numbers, {seconds:.0} s",
            model.name(),
            valid.mean
        );
        self.pictures.push(samples.clamp(0.0, 1.0));
        self.lines.push(Line {
            model,
            test_nats: nats.mean,
            standard_error: nats.standard_error,
            valid_nats: valid.mean,
            is_exact,
            parameters,
            seconds,
        });
        Ok(())
    }
}
