//! A WaveNet of one voice: the bits that it needs for a sample of speech it has not heard, beside a linear predictor's, and
//! what it says itself.
//!
//!     cargo run --example wavenet_speech --features sound
//!     cargo run --example wavenet_speech --features sound -- --data-dir FOLDER --epochs 40
//!     cargo run --example wavenet_speech --features sound -- --help
//!
//! Without a folder of WAV files it makes some minutes of speech with espeak-ng, where that is installed.

mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::Result;
use burn_generative::autoregressive::{Output, Sampling, Stepwise, WaveNet, WaveNetConfig};
use burn_generative::data::sound::{LinearPredictorConfig, MuLaw, Sound, Sounds, Spectrogram};
use burn_generative::metric::Estimate;
use burn_generative::plot::{self, Report};
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, Fit, FusedAdamConfig, Run};
use clap::Parser;
use common::session::OutArgs;
use common::{positive, rate, speech};
use serde::Serialize;
use std::f64::consts::LN_2;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Train a WaveNet on speech; leave samples and continuations as WAV files, their spectrograms, and the bits a sample.
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
    /// Folder with WAV files. [default: speech made by espeak-ng]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Sentences to make, each some three seconds.
    #[arg(long, default_value_t = 80, value_name = "N")]
    sentences: usize,

    /// Voice of espeak-ng that speaks them.
    #[arg(long, default_value = "en", value_name = "NAME")]
    voice: String,

    /// Samples a second; files of another rate are resampled.
    #[arg(long, default_value_t = 8_000, value_name = "N")]
    rate: u32,

    /// Levels of the mu-law.
    #[arg(long, default_value_t = 256, value_name = "N")]
    levels: usize,

    /// Samples of a piece.
    #[arg(long, default_value_t = 4_000, value_name = "N")]
    piece: usize,

    /// Channels that run through the layers.
    #[arg(long, default_value_t = 32, value_name = "N")]
    channels: usize,

    /// Layers of a stack, whose dilation doubles from each to the next.
    #[arg(long, default_value_t = 9, value_name = "N")]
    layers: usize,

    /// Stacks.
    #[arg(long, default_value_t = 2, value_name = "N")]
    stacks: usize,

    /// Epochs.
    #[arg(long, default_value_t = 20, value_name = "N")]
    epochs: usize,

    /// Pieces in a training step: of little speech, many small steps learn more than few large ones.
    #[arg(long, default_value_t = 2, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 2e-3, value_name = "X")]
    lr: f64,

    /// Order of the linear predictor.
    #[arg(long, default_value_t = 32, value_name = "N")]
    order: usize,

    /// Temperature of what is sampled.
    #[arg(long, default_value_t = 0.9, value_name = "X")]
    temperature: f64,

    /// Seed of the held-out files, the weights, the order of the pieces and the samples.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// What `metrics.json` holds, of files held out.
#[derive(Serialize)]
struct Measured {
    wavenet_bits: f64,
    wavenet_standard_error: f64,
    predictor_bits: f64,
    /// Of WaveNet's bits less the predictor's, piece by piece.
    difference_standard_error: f64,
    samples_a_second: f64,
    real_time_factor: f64,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    positive("--sentences", config.sentences)?;
    rate("--lr", config.lr)?;
    let law = MuLaw::new(config.levels)?;
    let sampling = Sampling::default().with_temperature(config.temperature)?;
    let (device, run) = args.out.open("wavenet_speech", &config)?;
    let folder = config
        .data_dir
        .clone()
        .unwrap_or_else(|| run.path("speech"));
    if config.data_dir.is_none() {
        speech::speak(&folder, config.sentences, &config.voice)?;
    }
    let sounds = Sounds::open(&folder, config.rate)?;
    println!(
        "{}: {} files, {:.0} s",
        folder.display(),
        sounds.len(),
        sounds.seconds()
    );
    let (train, test) = sounds.split(0.1, config.seed)?;
    let levels = |sounds: &Sounds| -> Result<Tensor<2, Int>> {
        Ok(law.encode(sounds.pieces(config.piece, &device)?))
    };
    let (train, test) = (levels(&train)?, levels(&test)?);

    let predictor = LinearPredictorConfig::new(config.order).fit(law, train.clone())?;
    let predictor_bits = predictor.bits(test.clone())?;
    let of_predictor = Estimate::of(&predictor_bits)?;
    println!(
        "linear predictor of order {}: {of_predictor} bits a sample",
        config.order
    );

    let [train, test] = [train, test].map(|levels| law.levels().values(levels));
    let model = trained(&config, &run, law, [&train, &test])?;
    let nats = test.clone().split(config.batch_size, 0).into_iter();
    let nats = nats.map(|pieces| model.log_prob(pieces)).collect();
    let bits = Tensor::cat(nats, 0) / (-LN_2 * config.piece as f64);
    let bits: Vec<f64> = bits.try_into_data_as::<f64>()?.iter::<f64>().collect();
    let of_wavenet = Estimate::of(&bits)?;
    let differences = bits.iter().zip(&predictor_bits).map(|(a, b)| a - b);
    let difference = Estimate::of(&differences.collect::<Vec<_>>())?;
    println!("WaveNet: {of_wavenet} bits a sample, {difference} more");

    device.seed(config.seed);
    let started = Instant::now();
    let samples = model.sample_as(1, &sampling, &device);
    let a_second = config.piece as f64 / started.elapsed().as_secs_f64();
    let count = test.dims()[0].min(4);
    let originals = test.narrow(0, 0, count);
    let half = config.piece / 2;
    let known = Tensor::<2>::ones([count, half], &device);
    let unknown = Tensor::zeros([count, config.piece - half], &device);
    let known = Tensor::cat(vec![known, unknown], 1).greater_elem(0.5);
    let noise = Tensor::random([count, config.piece], Distribution::Default, &device);
    let continued = model.sample_with(noise, &sampling.with_known(originals.clone(), known));

    let measured = Measured {
        wavenet_bits: of_wavenet.mean,
        wavenet_standard_error: of_wavenet.standard_error,
        predictor_bits: of_predictor.mean,
        difference_standard_error: difference.standard_error,
        samples_a_second: a_second,
        real_time_factor: a_second / f64::from(config.rate),
    };
    let lead = format!(
        "{of_wavenet} bits a sample, {of_predictor} by a linear predictor, on files held out"
    );
    let mut report = Report::new("wavenet_speech", &lead);
    report.configuration(&config)?;
    report.section("Spectrograms");
    for (name, pieces) in [
        ("sample", samples),
        ("original", originals),
        ("continued", continued),
    ] {
        let pieces = law.decode(law.levels().index(pieces));
        for (index, piece) in pieces.split(1, 0).into_iter().enumerate() {
            let samples = piece.try_into_data_as::<f32>()?.iter::<f32>().collect();
            let sound = Sound::new(samples, config.rate)?;
            sound.save(run.path(&format!("{name}-{}.wav", index + 1)))?;
            let image =
                Spectrogram::new(&sound, 256.min(config.piece), 32, &device)?.image(70.0)?;
            let picture = plot::grid(image, 1, 2)?;
            plot::save(&picture, run.path(&format!("{name}-{}.png", index + 1)))?;
            report.pixels(&format!("{name} {}", index + 1), "", &picture, 2)?;
        }
    }
    report.save(run.path("report.html"))?;
    run.write("metrics.json", &measured)
}

fn trained(
    config: &Config,
    run: &Run,
    law: MuLaw,
    [train, test]: [&Tensor<2>; 2],
) -> Result<WaveNet> {
    let training = train.device().autodiff();
    training.seed(config.seed);
    let model = WaveNetConfig::new(config.piece)
        .with_channels(config.channels)
        .with_layers(config.layers)
        .with_stacks(config.stacks)
        .init_with(Output::Categorical(law.levels()), &training)?;
    let own = Run::begin(run.path("training"), config)?;
    let per_sample = 1.0 / (LN_2 * config.piece as f64);
    let (model, _) = Fit::new(config.epochs, config.batch_size)
        .seed(config.seed)
        .summary(move |terms| format!("{:.3} bits a sample", terms["nll"] * per_sample))
        .run(
            &own,
            MaximumLikelihood::new(model),
            FusedAdamConfig::new().init()?,
            Cosine::new(config.lr),
            train,
            test,
        )?;
    Ok(model.density)
}
