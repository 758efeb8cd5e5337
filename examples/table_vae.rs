//! New rows of a table, by a variational autoencoder of its columns, whatever they hold.
//!
//!     cargo run --example table_vae -- --csv rows.csv --label kind
//!     cargo run --example table_vae -- --csv rows.csv --label kind --test others.csv
//!     cargo run --example table_vae -- --help

mod common;

use burn::prelude::*;
use burn_generative::data::table::{Table, TableConfig, TableNetworks, TableVae, TableVaeConfig};
use burn_generative::loss::Losses;
use burn_generative::metric::{Estimate, nearest_distances, quantile};
use burn_generative::plot::{Measured, RunReport};
use burn_generative::train::{Cosine, Fit, FusedAdamConfig, Run};
use burn_generative::{Error, Result};
use clap::Parser;
use common::session::OutArgs;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fit a variational autoencoder to a table, and draw another.
///
/// Leaves samples.csv with the columns of the table, imputed.csv if values are missing, scores.json of the rows of --test, a
/// report.html, metrics, checkpoints and the model in a folder.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    out: OutArgs,

    /// Rows to draw. [default: as many as the table has]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,

    /// Another table of the same columns, whose rows are scored.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,

    /// Continue the run in --out (or the last of the default folders) after its last finished epoch.
    #[arg(long)]
    resume: bool,
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

    /// Columns of measurements that happen to be whole numbers, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    measured: Vec<String>,

    /// Training steps, about; they are kept as they were where they explained every tenth row best.
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
    #[arg(long, default_value_t = 256, value_name = "N")]
    hidden: usize,

    /// Modes of a column of numbers.
    #[arg(long, default_value_t = 5, value_name = "N")]
    modes: usize,

    /// Components of the mixture that is fitted to the codes after training; 0 draws from the prior of the training.
    #[arg(long, default_value_t = 20, value_name = "N")]
    components: usize,

    /// Weight of the KL term.
    #[arg(long, default_value_t = 0.5, value_name = "X")]
    beta: f64,

    /// Seed of the weights and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// Draws of the posterior that a score takes.
const DRAWS: usize = 16;

/// Epochs of a run, if an epoch takes the rows several times.
const EPOCHS: usize = 30;
/// How often the rows are repeated in an epoch, at most.
const REPEATED: usize = 100;

/// Rows whose nearest neighbours are looked for, at most.
const COMPARED: usize = 2000;

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    common::rate("--lr", config.lr)?;
    common::positive("--steps", config.steps)?;
    common::positive("--batch-size", config.batch_size)?;
    let table = TableConfig::new()
        .with_ignored(config.ignore.clone())
        .with_measured(config.measured.clone())
        .with_categories(config.label.iter().cloned().collect())
        .open(&config.csv)?;
    if table.len() < 20 {
        return Err(Error::data(
            &config.csv,
            "has fewer than 20 rows; give more",
        ));
    }
    let schema = table.schema();
    let test = args.test.as_ref();
    let test = test
        .map(|path| Table::open_with(path, schema))
        .transpose()?;
    let samples = args.samples.unwrap_or(table.len());
    common::positive("--samples", samples)?;
    let (device, run) = args.out.open_run("table_vae", config, args.resume)?;
    device.seed(config.seed);
    println!("{} rows of {} columns", table.len(), schema.columns().len());

    let model = TableVaeConfig::new()
        .with_latent_dim(config.latent)
        .with_hidden(vec![config.hidden; 2])
        .with_modes(config.modes)
        .with_beta(config.beta)
        .with_components(config.components)
        .init(&table, &device.clone().autodiff())?;
    let (of_test, of_train): (Vec<i32>, Vec<i32>) =
        (0..table.len() as i32).partition(|row| row % 10 == 9);
    let rows = table.tensor(&device);
    let [seen, held_out] = [of_train, of_test].map(|some| {
        let chosen = Tensor::<1, Int>::from_ints(some.as_slice(), &device);
        rows.clone().select(0, chosen)
    });
    let vae = train(&model, &run, config, &seen, &held_out)?;
    let model = model.trained(vae, &table)?;
    model.save(run.path("model"))?;

    device.seed(config.seed);
    let drawn = model.sample(samples, &device)?;
    drawn.write(run.path("samples.csv"))?;
    if schema
        .columns()
        .iter()
        .any(|column| column.missing.is_some())
    {
        let imputed = model.impute(&table, &device)?;
        imputed.write(run.path("imputed.csv"))?;
    }
    let mut report = RunReport::new(&run, "table_vae", "nats/row");
    let mut add = |name: &str, value: f64, standard_error: Option<f64>, unit: &str| {
        let measured = Measured {
            name: name.to_string(),
            value,
            standard_error,
            unit: unit.to_string(),
        };
        println!("{measured}");
        report.measured(measured);
    };
    let score = |name: &str, scores: &[f64]| -> Result<_> {
        let estimate = Estimate::of(scores)?;
        Ok((
            name.to_string(),
            estimate.mean,
            Some(estimate.standard_error),
        ))
    };
    let mut scored = vec![score(
        "rows of the table",
        &model.scores(&table, DRAWS, &device)?,
    )?];
    if let Some(test) = &test {
        let scores = model.scores(test, DRAWS, &device)?;
        run.write("scores.json", &scores)?;
        scored.push(score("rows of --test", &scores)?);
    }
    for (name, mean, error) in scored {
        add(
            &format!("minus the bound on log p(x), {name}"),
            mean,
            error,
            "nats/row",
        );
    }
    // Copies would be nearer to the rows of training than rows that were held out.
    for (name, some) in [("drawn", drawn.tensor(&device)), ("held out", held_out)] {
        let compared = COMPARED.min(some.dims()[0]);
        let nearest = nearest_distances(some.narrow(0, 0, compared), seen.clone())?;
        let median = quantile(&nearest, 0.5)?;
        add(
            &format!("median distance to the nearest row seen, {name}"),
            median,
            None,
            "",
        );
    }
    report.save()?;
    println!("wrote all to {}", run.folder().display());
    Ok(())
}

/// The networks after their steps. An epoch is a thirtieth of them, for which the rows are repeated, or once through many rows.
fn train(
    model: &TableVae,
    run: &Run,
    config: &Config,
    seen: &Tensor<2>,
    held_out: &Tensor<2>,
) -> Result<TableNetworks> {
    let shown = config.steps.saturating_mul(config.batch_size);
    let times = (shown / EPOCHS / seen.dims()[0]).clamp(1, REPEATED);
    let seen = seen.clone().repeat_dim(0, times);
    let epochs = shown.div_ceil(seen.dims()[0]);
    let fit = Fit::new(epochs, config.batch_size)
        .seed(config.seed)
        .clip_gradients(5.0)
        .stop_early(Losses::TOTAL, epochs);
    let adam = FusedAdamConfig::new().init()?;
    let vae = model.vae().clone();
    let (vae, _) = fit.run(run, vae, adam, Cosine::new(config.lr), &seen, held_out)?;
    Ok(vae)
}
