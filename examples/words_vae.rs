//! A variational autoencoder of sentences: words of a list, lines of a text, or a grammar whose entropy is known.
//!
//!     cargo run --example words_vae
//!     cargo run --example words_vae -- --text /usr/share/dict/words --characters --out out/english
//!     cargo run --example words_vae -- --help
//!
//! No model's bound on the grammar can be below its entropy, on average, and the example says how near it comes. The decoder
//! sees the words before the next and can do without the latent: the KL falls to 0 unless it is warmed up or has free bits, and
//! word dropout alone does not help (docs/gallery.md has the numbers).

mod common;

use burn::tensor::Tensor;
use burn_generative::data::{Text, grammar};
use burn_generative::device::Devices;
use burn_generative::metric::{Estimate, elbo};
use burn_generative::plot::{Measured, RunReport};
use burn_generative::prelude::*;
use burn_generative::sequence::{
    Causal, SequenceVae, SequenceVaeConfig, TokenSampling, Tokens, Unit, Vocabulary,
};
use burn_generative::train::{Cosine, Fit, FusedAdamConfig, PosteriorWatch, Run};
use burn_generative::{Error, Result, latent, weights};
use clap::{Parser, ValueEnum};
use common::{positive, rate};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Train a variational autoencoder on sentences, draw new ones, and go from one to another.
///
/// Leaves sentences.json (draws, the likeliest by a beam search, interpolations), a report.html, metrics, checkpoints and the
/// model with its vocabulary in a folder. A folder that holds a run is gone on with.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    /// How often to go through the sentences.
    #[arg(long, default_value_t = 5, value_name = "N")]
    epochs: usize,

    /// Temperature of the draws.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    temperature: f64,

    /// Draw of the likeliest K tokens alone.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,

    /// Beginnings that the beam search goes on with.
    #[arg(long, default_value_t = 8, value_name = "N")]
    beam: usize,

    /// Backend to train on, one of those built in. [default: the first, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Folder for everything that the run leaves behind.
    #[arg(long, default_value = "out/words_vae", value_name = "DIR")]
    out: PathBuf,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// A text in UTF-8, raw or gzip-compressed, a sentence a line; every tenth is tested on. [default: a grammar]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,

    /// Sentences of the grammar to train on.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    sentences: usize,

    /// Cut sentences into characters, not words.
    #[arg(long)]
    characters: bool,

    /// How often a unit of the text occurs at least that is not taken for unknown.
    #[arg(long, default_value_t = 1, value_name = "N")]
    least_count: usize,

    /// What reads and writes sentences.
    #[arg(long, default_value = "gru")]
    network: Network,

    /// Latent coordinates.
    #[arg(long, default_value_t = 8, value_name = "N")]
    latent_dim: usize,

    /// Width of either network.
    #[arg(long, default_value_t = 96, value_name = "N")]
    hidden: usize,

    /// Probability that the decoder does not read a unit in training.
    #[arg(long, default_value_t = 0.2, value_name = "X")]
    word_dropout: f64,

    /// KL in nats a sentence that costs nothing in training.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    free_bits: f64,

    /// Training steps over which the KL weight rises to 1.
    #[arg(long, default_value_t = 300, value_name = "N")]
    warmup_steps: usize,

    /// Sentences in a training step.
    #[arg(long, default_value_t = 128, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 4e-3, value_name = "X")]
    lr: f64,

    /// Seed of the weights, the order of the sentences, and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Network {
    /// Gated recurrent units.
    Gru,
    /// Long short-term memories.
    Lstm,
    /// Dilated causal convolutions.
    Convolutional,
}

/// Sentences of the grammar to test on.
const TEST: usize = 4_000;
/// Draws of the posterior that a bound takes.
const DRAWS: usize = 16;
/// Sentences that are drawn, and steps of an interpolation.
const SHOWN: usize = 12;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    for (flag, value) in [
        ("--epochs", args.epochs),
        ("--sentences", config.sentences),
        ("--batch-size", config.batch_size),
        ("--beam", args.beam),
    ] {
        positive(flag, value)?;
    }
    rate("--lr", config.lr)?;
    let devices = Devices::named(args.device.as_deref())?;
    devices.seed(config.seed);
    println!("device: {}", devices.name());
    let data = Data::load(config, &devices)?;
    let (units, longest) = (data.vocabulary.len(), data.train.places());
    println!(
        "data: {} sentences, {} to test on; {units} tokens, {longest} a sentence at most",
        data.train.len(),
        data.test.len()
    );
    let model = SequenceVaeConfig::new(units, longest)
        .with_latent_dim(config.latent_dim)
        .with_hidden(config.hidden)
        .with_word_dropout(config.word_dropout)
        .with_objective(
            VaeConfig::new()
                .with_free_bits(config.free_bits)
                .with_warmup_steps(config.warmup_steps),
        );
    let device = devices.training();
    match config.network {
        Network::Gru => train(model.init_gru(&device)?, &model, data, devices, &args),
        Network::Lstm => train(model.init_lstm(&device)?, &model, data, devices, &args),
        Network::Convolutional => {
            let vae = model.init_convolutional(&device)?;
            train(vae, &model, data, devices, &args)
        }
    }
}

struct Data {
    vocabulary: Vocabulary,
    train: Tokens,
    test: Tokens,
    /// Minus the logarithm of the probability of each test sentence, where it is known.
    exact: Option<Vec<f64>>,
}

impl Data {
    fn load(config: &Config, devices: &Devices) -> Result<Self> {
        let device = devices.device();
        let unit = if config.characters {
            Unit::Character
        } else {
            Unit::Word
        };
        let Some(path) = &config.text else {
            let log_probs = grammar::log_probs();
            let all: Vec<&String> = log_probs.keys().collect();
            let vocabulary = Vocabulary::of(unit, &all, 1)?;
            let longest = all.iter().map(|sentence| unit.count(sentence)).max();
            let batch =
                |sentences: &[String]| vocabulary.batch(sentences, longest.unwrap_or(1), &device);
            let test = grammar::draw(TEST, 2);
            return Ok(Self {
                train: batch(&grammar::draw(config.sentences, 1))?,
                test: batch(&test)?,
                exact: Some(test.iter().map(|sentence| -log_probs[sentence]).collect()),
                vocabulary,
            });
        };
        let text = Text::open(path)?;
        let vocabulary = Vocabulary::of(unit, text.sentences(), config.least_count)?;
        let tokens = text.tokens(&vocabulary, text.longest(unit), &device)?;
        let (test, train): (Vec<i32>, Vec<i32>) =
            (0..tokens.len() as i32).partition(|line| line % 10 == 9);
        if test.len() < 2 {
            return Err(Error::data(path, "has fewer than 20 lines; give more"));
        }
        let [train, test] =
            [train, test].map(|lines| tokens.select(Tensor::from_ints(lines.as_slice(), &device)));
        Ok(Self {
            vocabulary,
            train,
            test,
            exact: None,
        })
    }
}

/// What `sentences.json` holds.
#[derive(Serialize)]
struct Drawn {
    draws: Vec<String>,
    likeliest: Vec<String>,
    /// From a test sentence to another, pair by pair.
    interpolations: Vec<Vec<String>>,
}

fn train<C: Causal + 'static>(
    vae: SequenceVae<C>,
    model: &SequenceVaeConfig,
    data: Data,
    devices: Devices,
    args: &Args,
) -> Result<()> {
    let (config, vocabulary) = (&args.config, &data.vocabulary);
    let mut sampling = TokenSampling::new().with_temperature(args.temperature)?;
    if let Some(k) = args.top_k {
        sampling = sampling.with_top_k(k)?;
    }
    let run = Run::open(&args.out, config)?;
    let watch = PosteriorWatch::new(config.latent_dim).after_warmup(config.warmup_steps);
    let fit = Fit::new(args.epochs, config.batch_size)
        .seed(config.seed)
        .devices(&devices)
        .clip_gradients(5.0)
        .watch(watch);
    let adam = FusedAdamConfig::new().init()?;
    let (vae, _) = fit.run(
        &run,
        vae,
        adam,
        Cosine::new(config.lr),
        &data.train,
        &data.test,
    )?;
    weights::save_dir(run.path("model"), &(model, vocabulary), &vae)?;

    let device = devices.device();
    device.seed(config.seed);
    let mut report = RunReport::new(&run, "words_vae", "nats/sentence");
    for measured in measure(&vae, &data)? {
        println!("{measured}");
        report.measured(measured);
    }
    report.save()?;

    let latents = vae.prior.sample(SHOWN, &device);
    let sentences = vae.decode(latents);
    let (likeliest, _) = sentences.beam(args.beam)?;
    let best = (0..SHOWN * args.beam).step_by(args.beam);
    let likeliest = vocabulary.sentences(&likeliest)?;
    let pairs = (data.test.len() / 2).min(4);
    let codes = vae.encode(data.test.narrow(0, 2 * pairs)).mean();
    let [from, to] = [0, pairs].map(|start| codes.clone().narrow(0, start, pairs));
    let between = vae.decode(latent::linear(from, to, SHOWN)).point();
    let between = vocabulary.sentences(&between)?;
    let drawn = Drawn {
        draws: vocabulary.sentences(&sentences.generate(&sampling))?,
        likeliest: best.map(|place| likeliest[place].clone()).collect(),
        interpolations: between.chunks(SHOWN).map(<[String]>::to_vec).collect(),
    };
    run.write("sentences.json", &drawn)?;
    println!("drawn:\n  {}", drawn.draws.join("\n  "));
    if let Some(first) = drawn.interpolations.first() {
        println!("from one to another:\n  {}", first.join("\n  "));
    }
    println!("wrote all to {}", args.out.display());
    Ok(())
}

/// The bound on test sentences, and how far it is above what is known.
fn measure<C: Causal>(vae: &SequenceVae<C>, data: &Data) -> Result<Vec<Measured>> {
    let (mut costs, mut kls) = (Vec::new(), Vec::new());
    for start in (0..data.test.len()).step_by(500) {
        let some = data.test.narrow(start, 500.min(data.test.len() - start));
        let bound = elbo(vae, some, DRAWS)?;
        costs.extend(bound.total().neg().try_into_data_as::<f64>()?.iter::<f64>());
        kls.extend(bound.kl.try_into_data_as::<f64>()?.iter::<f64>());
    }
    let nats = |name: &str, estimate: Estimate| Measured {
        name: name.to_string(),
        value: estimate.mean,
        standard_error: Some(estimate.standard_error),
        unit: "nats/sentence".to_string(),
    };
    let mut measured = vec![
        nats("minus the bound on log p(x)", Estimate::of(&costs)?),
        nats("of which KL", Estimate::of(&kls)?),
    ];
    if let Some(exact) = &data.exact {
        let above: Vec<f64> = costs
            .iter()
            .zip(exact)
            .map(|(cost, own)| cost - own)
            .collect();
        measured.push(nats("above the grammar's own", Estimate::of(&above)?));
        measured.push(Measured {
            name: "entropy of the grammar".to_string(),
            value: grammar::entropy(),
            standard_error: None,
            unit: "nats/sentence".to_string(),
        });
    }
    Ok(measured)
}
