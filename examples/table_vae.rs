//! New rows of a table, by a variational autoencoder of its columns, whatever they hold.
//!
//!     cargo run --example table_vae -- --csv rows.csv --label kind
//!     cargo run --example table_vae -- --csv rows.csv --label kind --test others.csv
//!     cargo run --example table_vae -- --help

mod common;

use burn_generative::Result;
use burn_generative::data::table::{Table, TableConfig, TableVaeConfig};
use burn_generative::metric::Estimate;
use burn_generative::model::DensityFit;
use clap::Parser;
use common::session::OutArgs;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Fit a variational autoencoder to a table, and draw another.
///
/// Leaves samples.csv with the columns of the table, imputed.csv if values are missing, scores.json of the rows of --test,
/// the model and metrics.json in a folder.
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
    /// The table: a CSV file with a header, raw or gzip-compressed.
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,

    /// A column of classes, which may be numbers: they are drawn as categories.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,

    /// Columns to leave out, separated by commas: row numbers, texts.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    ignore: Vec<String>,

    /// Another table of the same columns, whose rows are scored.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,

    /// Rows to draw. [default: as many as the table has]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,

    /// Training steps, of which the best on a tenth of the rows is kept.
    #[arg(long, default_value_t = 3000, value_name = "N")]
    steps: usize,

    /// Samples of a step.
    #[arg(long, default_value_t = 256, value_name = "N")]
    batch_size: usize,

    /// Learning rate, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 2e-3, value_name = "X")]
    lr: f64,

    /// Latent coordinates.
    #[arg(long, default_value_t = 16, value_name = "N")]
    latent: usize,

    /// Width of the two hidden layers of either network.
    #[arg(long, default_value_t = 128, value_name = "N")]
    hidden: usize,

    /// Gaussian modes of a column of numbers.
    #[arg(long, default_value_t = 10, value_name = "N")]
    modes: usize,

    /// Weight of the KL term.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    beta: f64,

    /// Seed of the weights and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// What `metrics.json` holds.
#[derive(Serialize)]
struct Measured {
    rows: usize,
    columns: usize,
    /// Of training, with the modes of the columns.
    seconds: f64,
    /// Nats a row of the training table, and of the other.
    score: f64,
    test_score: Option<f64>,
}

/// Draws of the posterior that a score takes.
const DRAWS: usize = 16;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    common::rate("--lr", config.lr)?;
    let read = TableConfig::new().with_ignored(config.ignore.clone());
    let table = read
        .with_categories(config.label.iter().cloned().collect())
        .open(&config.csv)?;
    let test = config.test.as_ref();
    let test = test
        .map(|path| Table::open_with(path, table.schema()))
        .transpose()?;
    let samples = config.samples.unwrap_or(table.len());
    common::positive("--samples", samples)?;
    let (device, run) = args.out.open("table_vae", config)?;
    device.seed(config.seed);
    let columns = table.schema().columns();
    println!("{} rows of {} columns", table.len(), columns.len());

    let training = DensityFit::new()
        .with_steps(config.steps)
        .with_batch_size(config.batch_size)
        .with_rate(config.lr)
        .with_seed(config.seed);
    let begin = Instant::now();
    let vae = TableVaeConfig::new()
        .with_latent_dim(config.latent)
        .with_hidden(vec![config.hidden; 2])
        .with_modes(config.modes)
        .with_beta(config.beta)
        .with_training(training)
        .fit(&table, &device)?;
    let seconds = begin.elapsed().as_secs_f64();
    vae.save(run.path("model"))?;

    let write = |name: &str, table: &Table| {
        let rows = table.tensor(&device);
        table.schema().write(run.path(name), rows)
    };
    write("samples.csv", &vae.sample(samples, &device)?)?;
    if columns.iter().any(|column| column.missing.is_some()) {
        write("imputed.csv", &vae.impute(&table, &device)?)?;
    }
    let score = Estimate::of(&vae.scores(&table, DRAWS, &device)?)?;
    println!("trained in {seconds:.1} s: {score} nats a row");
    let mut test_score = None;
    if let Some(test) = &test {
        let scores = vae.scores(test, DRAWS, &device)?;
        let of_test = Estimate::of(&scores)?;
        println!("rows of --test: {of_test} nats");
        run.write("scores.json", &scores)?;
        test_score = Some(of_test.mean);
    }
    run.write(
        "metrics.json",
        &Measured {
            rows: table.len(),
            columns: columns.len(),
            seconds,
            score: score.mean,
            test_score,
        },
    )
}
