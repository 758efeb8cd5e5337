//! Exact likelihoods of binary tables by autoregressive models, beside independent columns and the best tree of pairs.
//!
//!     cargo run --example made_table -- --data-dir FOLDER --data nltcs --model fvsbn
//!     cargo run --example made_table -- --data-dir FOLDER --data plants --model made --members 4 --order drawn
//!     cargo run --example made_table -- --help
//!
//! The files are those of the density benchmarks, `NAME.train.data`, `NAME.valid.data` and `NAME.test.data`, rows of 0 and 1,
//! also with `.gz` behind. The rows to validate on say when to stop.

mod common;

use burn::prelude::*;
use burn_generative::autoregressive::{
    Autoregressive, Ensemble, MadeConfig, NadeConfig, Order, Output,
};
use burn_generative::distribution::Levels;
use burn_generative::metric::Estimate;
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, Fit, FusedAdamConfig, Run};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::OutArgs;
use common::{positive, rate};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fit an autoregressive model to a binary table, and print its exact log-likelihood beside simpler models'.
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
    /// Folder with the files.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,

    /// The table's name: nltcs, mushrooms, plants, dna, ...
    #[arg(long, value_name = "NAME")]
    data: String,

    /// The model.
    #[arg(long, default_value = "made")]
    model: Kind,

    /// Hidden units, of nade and of each layer of made.
    #[arg(long, default_value_t = 500, value_name = "N")]
    hidden: usize,

    /// Hidden layers of made.
    #[arg(long, default_value_t = 1, value_name = "N")]
    layers: usize,

    /// Models whose probabilities are averaged.
    #[arg(long, default_value_t = 1, value_name = "N")]
    members: usize,

    /// Order of the columns.
    #[arg(long, default_value = "raster")]
    order: Columns,

    /// Epochs at most.
    #[arg(long, default_value_t = 60, value_name = "N")]
    epochs: usize,

    /// Stop after so many epochs without a better likelihood of the validation rows.
    #[arg(long, default_value_t = 10, value_name = "N")]
    patience: usize,

    /// Rows in a training step.
    #[arg(long, default_value_t = 100, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Decoupled weight decay.
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    weight_decay: f32,

    /// Seed of the orders, the weights and the order of the rows.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Logistic regression of each column on those before it.
    Fvsbn,
    /// One hidden layer that all columns share.
    Nade,
    /// A masked perceptron.
    Made,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Columns {
    /// As they stand in the file, for every member.
    Raster,
    /// Drawn, another for each member.
    Drawn,
}

/// What `metrics.json` holds, in nats a row.
#[derive(Serialize)]
struct Measured {
    train_log_likelihood: f64,
    valid_log_likelihood: f64,
    test_log_likelihood: f64,
    test_standard_error: f64,
    /// Of the columns as if each knew of no other.
    independent: f64,
    /// Of the best tree in which each column knows of one other (Chow and Liu).
    chow_liu: f64,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    positive("--members", config.members)?;
    rate("--lr", config.lr)?;
    let (device, run) = args.out.open("made_table", &config)?;
    let [train, valid, test] = ["train", "valid", "test"].map(|part| rows(&config, part, &device));
    let data = [train?, valid?, test?];
    let [_, columns] = data[0].dims();
    if let Some(other) = data.iter().find(|rows| rows.dims()[1] != columns) {
        return Err(Error::Config(format!(
            "--data {}: {columns} columns to train on, but {} in another part",
            config.data,
            other.dims()[1]
        )));
    }
    let training = device.clone().autodiff();
    let shape = vec![columns];
    match config.model {
        Kind::Fvsbn => fit(&config, &run, &data, |order| {
            MadeConfig::fvsbn(shape.clone()).init_in_order::<2>(&order, &training)
        }),
        Kind::Made => fit(&config, &run, &data, |order| {
            let hidden = vec![config.hidden; config.layers];
            let made = MadeConfig::new(shape.clone()).with_hidden(hidden);
            made.init_in_order::<2>(&order, &training)
        }),
        Kind::Nade => fit(&config, &run, &data, |order| {
            let nade = NadeConfig::new(shape.clone()).with_hidden(config.hidden);
            nade.init_with::<2>(Output::Bernoulli, &order, &training)
        }),
    }
}

/// One of the three files.
fn rows(config: &Config, part: &str, device: &Device) -> Result<Tensor<2>> {
    let file = config.data_dir.join(format!("{}.{part}.data", config.data));
    let packed = file.with_extension("data.gz");
    let file = if file.exists() { file } else { packed };
    common::levels(&file, Levels::BINARY, &[], device)
}

fn fit<A: Autoregressive<2> + 'static>(
    config: &Config,
    run: &Run,
    [train, valid, test]: &[Tensor<2>; 3],
    init: impl Fn(Order) -> Result<A>,
) -> Result<()> {
    let mut members = Vec::new();
    for member in 0..config.members as u64 {
        let seed = config.seed.wrapping_add(1000 * member);
        train.device().seed(seed);
        let order = match config.order {
            Columns::Raster => Order::Raster,
            Columns::Drawn => Order::Drawn { seed },
        };
        let own = Run::begin(run.path(&format!("member-{}", member + 1)), config)?;
        let (model, _) = Fit::new(config.epochs, config.batch_size)
            .seed(seed)
            .stop_early("nll", config.patience)
            .summary(|terms| format!("{:.4} nats a row", terms["nll"]))
            .run(
                &own,
                MaximumLikelihood::new(init(order)?),
                FusedAdamConfig::new()
                    .with_weight_decay(config.weight_decay)
                    .init()?,
                Cosine::new(config.lr),
                train,
                valid,
            )?;
        members.push(model.density);
    }
    let model = Ensemble::new(members)?;
    let mean = |rows: &Tensor<2>| -> Result<Estimate> {
        let parts = rows.clone().split(1000, 0).into_iter();
        let log_p = parts.map(|rows| model.log_prob(rows)).collect();
        Estimate::of_batch(Tensor::cat(log_p, 0))
    };
    let of_test = mean(test)?;
    let [independent, chow_liu] = baselines(train, test)?;
    let measured = Measured {
        train_log_likelihood: mean(train)?.mean,
        valid_log_likelihood: mean(valid)?.mean,
        test_log_likelihood: of_test.mean,
        test_standard_error: of_test.standard_error,
        independent,
        chow_liu,
    };
    println!(
        "train {:.4}, valid {:.4}, test {of_test} nats a row; independent columns {independent:.4}, the best tree \
         {chow_liu:.4}",
        measured.train_log_likelihood, measured.valid_log_likelihood
    );
    run.write("metrics.json", &measured)
}

/// The mean log-likelihood of rows to test on by independent columns, and by the tree that says most of the rows to train on:
/// both by counts, with one row more of each kind.
fn baselines(train: &Tensor<2>, test: &Tensor<2>) -> Result<[f64; 2]> {
    let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f64>().collect::<Vec<f64>>();
    let [rows, columns] = train.dims();
    let ones = numbers(train.clone().sum_dim(0));
    let both = numbers(train.clone().transpose().matmul(train.clone()));
    // How probable two columns are to have these values.
    let joint = |i: usize, j: usize, [a, b]: [bool; 2]| {
        let together = both[i * columns + j];
        let count = match (a, b) {
            (true, true) => together,
            (true, false) => ones[i] - together,
            (false, true) => ones[j] - together,
            (false, false) => rows as f64 - ones[i] - ones[j] + together,
        };
        (count + 1.0) / (rows as f64 + 4.0)
    };
    let single = |i: usize, a: bool| {
        let count = if a { ones[i] } else { rows as f64 - ones[i] };
        (count + 1.0) / (rows as f64 + 2.0)
    };
    let information = |i: usize, j: usize| -> f64 {
        let pairs = [[false, false], [false, true], [true, false], [true, true]];
        let of = |pair: [bool; 2]| {
            let p = joint(i, j, pair);
            p * (p / (single(i, pair[0]) * single(j, pair[1]))).ln()
        };
        pairs.into_iter().map(of).sum()
    };
    // Prim's algorithm, from the first column on: the best link of each that is not in the tree.
    let mut parents = vec![None; columns];
    let mut links: Vec<(f64, usize)> = (0..columns).map(|j| (information(0, j), 0)).collect();
    let mut outside: Vec<usize> = (1..columns).collect();
    while let Some(at) = (0..outside.len()).max_by(|&a, &b| {
        let of = |at: usize| links[outside[at]].0;
        of(a).total_cmp(&of(b))
    }) {
        let joined = outside.swap_remove(at);
        parents[joined] = Some(links[joined].1);
        for &other in &outside {
            let gained = information(joined, other);
            if gained > links[other].0 {
                links[other] = (gained, joined);
            }
        }
    }
    let test_rows = numbers(test.clone());
    let mut sums = [0.0; 2];
    for row in test_rows.chunks_exact(columns) {
        for (i, &value) in row.iter().enumerate() {
            let a = value > 0.5;
            sums[0] += single(i, a).ln();
            sums[1] += match parents[i] {
                None => single(i, a).ln(),
                Some(parent) => {
                    let b = row[parent] > 0.5;
                    let total = joint(i, parent, [true, b]) + joint(i, parent, [false, b]);
                    (joint(i, parent, [a, b]) / total).ln()
                }
            };
        }
    }
    Ok(sums.map(|sum| sum / test.dims()[0] as f64))
}
