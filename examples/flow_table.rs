//! Densities of a table: how likely does a flow find rows that it has not seen, beside a Gaussian and a mixture?
//!
//!     cargo run --example flow_table -- --data rows.csv
//!     cargo run --example flow_table -- --data rows.csv --label kind --normal good
//!     cargo run --example flow_table -- --help
//!
//! Rows are split into folds; each is measured by densities that were fitted to the others. With a label, the densities are
//! fitted to one class of it, and the others are to be told apart from it as anomalies.

mod common;

use burn::prelude::*;
use burn_generative::data::table::{Kind, Table, TableConfig};
use burn_generative::flow::{
    Affine, Bijection, Chain, Flow, MafConfig, RealNvpConfig, SplineFlowConfig, SplineMap,
};
use burn_generative::metric::{Estimate, auroc};
use burn_generative::model::DensityFit;
use burn_generative::nn::initialize;
use burn_generative::prelude::*;
use burn_generative::prior::{FullGaussianMixture, MixtureFit};
use burn_generative::{Error, Result};
use clap::{Parser, ValueEnum};
use common::session::OutArgs;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fit a Gaussian, a mixture and a normalizing flow to the rows of a table, and compare them on rows they have not seen.
///
/// Prints log-likelihoods in nats a row, in units of each column's standard deviation, and leaves metrics.json in a folder.
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
    data: PathBuf,

    /// Columns to leave out, separated by commas: row numbers, categories.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    ignore: Vec<String>,

    /// A column with the class of each row, which is no part of the density.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,

    /// The class that is normal: the densities are fitted to it, and anomalies are all others. [default: the most frequent]
    #[arg(long, requires = "label", value_name = "CLASS")]
    normal: Option<String>,

    /// Folds.
    #[arg(long, default_value_t = 5, value_name = "N")]
    folds: usize,

    /// The flow.
    #[arg(long, default_value = "maf")]
    model: Bijections,

    /// Training steps of the flow, of which the best on a tenth of its rows is kept.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    steps: usize,

    /// Width of the hidden layers of the flow's networks.
    #[arg(long, default_value_t = 64, value_name = "N")]
    hidden: usize,

    /// Couplings or autoregressive maps of the flow.
    #[arg(long, default_value_t = 2, value_name = "N")]
    layers: usize,

    /// Learning rate of the flow, falling to 0 along half a cosine.
    #[arg(long, default_value_t = 2e-3, value_name = "X")]
    lr: f64,

    /// L2 regularization of the flow.
    #[arg(long, default_value_t = 1e-4, value_name = "X")]
    weight_decay: f64,

    /// Seed of the folds, the weights and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Bijections {
    /// Affine couplings.
    Realnvp,
    /// An autoregressive flow by splines.
    Maf,
    /// Couplings by splines.
    Spline,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

/// What `metrics.json` holds.
#[derive(Serialize)]
struct Measured {
    rows: usize,
    columns: usize,
    /// Columns of few numbers, to which noise as wide as the gap between two of them was added.
    dequantized: Vec<String>,
    models: Vec<Of>,
    /// Of the flow's log-likelihood less that of the better of the others, row by row.
    gain: Number,
}

#[derive(Serialize)]
struct Of {
    model: &'static str,
    /// Nats a row.
    log_likelihood: Number,
    /// Of anomalies against normal rows: a mean over the folds.
    #[serde(skip_serializing_if = "Option::is_none")]
    auroc: Option<Number>,
}

#[derive(Serialize)]
struct Number {
    mean: f64,
    standard_error: f64,
}

impl From<Estimate> for Number {
    fn from(estimate: Estimate) -> Self {
        Self {
            mean: estimate.mean,
            standard_error: estimate.standard_error,
        }
    }
}

const MODELS: [&str; 3] = ["Gaussian", "mixture", "flow"];

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    let rows = Rows::open(config)?;
    let (device, run) = args.out.open("flow_table", config)?;
    device.seed(config.seed);
    let (count, columns) = (rows.numbers.len(), rows.names.len());
    println!("{count} rows of {columns} columns");
    for name in &rows.dequantized {
        println!(
            "column `{name}` holds few different numbers: noise as wide as the gap between two is added"
        );
    }

    let mut log_likelihoods: [Vec<f64>; 3] = Default::default();
    let mut areas: [Vec<f64>; 3] = Default::default();
    let fold_of = |row: usize| row % config.folds;
    for fold in 0..config.folds {
        let choose = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..count).filter(|&row| wanted(row)).collect()
        };
        let is_normal = |row: usize| rows.normal[row];
        let train = rows.tensor(
            &choose(&|row| is_normal(row) && fold_of(row) != fold),
            &device,
        );
        let test = choose(&|row| is_normal(row) && fold_of(row) == fold);
        let other = choose(&|row| !is_normal(row) && fold_of(row) == fold);
        let densities = Densities::fit(train, config, &rows.names, &device)?;
        let normal = densities.log_probs(rows.tensor(&test, &device))?;
        for (all, own) in log_likelihoods.iter_mut().zip(&normal) {
            all.extend(own);
        }
        let means = normal
            .iter()
            .map(|own| Estimate::of(own).map(|own| format!("{:.3}", own.mean)));
        println!(
            "fold {}: {}",
            fold + 1,
            means.collect::<Result<Vec<_>>>()?.join(", ")
        );
        if !other.is_empty() {
            let anomalies = densities.log_probs(rows.tensor(&other, &device))?;
            for (index, area) in areas.iter_mut().enumerate() {
                let scores =
                    |of: &[Vec<f64>; 3]| of[index].iter().map(|x| -x).collect::<Vec<f64>>();
                area.push(auroc(&scores(&normal), &scores(&anomalies))?.mean);
            }
        }
    }

    let mut models = Vec::new();
    for (index, model) in MODELS.into_iter().enumerate() {
        let log_likelihood = Estimate::of(&log_likelihoods[index])?;
        let area = (!areas[index].is_empty())
            .then(|| Estimate::of(&areas[index]))
            .transpose()?;
        let shown = area
            .map(|area| format!(", AUROC {area}"))
            .unwrap_or_default();
        println!("{model}: {log_likelihood} nats a row{shown}");
        models.push(Of {
            model,
            log_likelihood: log_likelihood.into(),
            auroc: area.map(Number::from),
        });
    }
    let best = if models[0].log_likelihood.mean > models[1].log_likelihood.mean {
        0
    } else {
        1
    };
    let pairs = log_likelihoods[2].iter().zip(&log_likelihoods[best]);
    let gain = Estimate::of(
        &pairs
            .map(|(flow, other)| flow - other)
            .collect::<Vec<f64>>(),
    )?;
    println!("the flow gains {gain} nats a row over the {}", MODELS[best]);
    let measured = Measured {
        rows: count,
        columns,
        dequantized: rows.dequantized,
        models,
        gain: gain.into(),
    };
    run.write("metrics.json", &measured)
}

/// The table as numbers, in an order that the seed draws.
struct Rows {
    names: Vec<String>,
    numbers: Vec<Vec<f64>>,
    /// Whether a row is of the normal class: all are, if none was named.
    normal: Vec<bool>,
    dequantized: Vec<String>,
}

impl Rows {
    fn open(config: &Config) -> Result<Self> {
        let refuse = |reason: String| Error::data(&config.data, reason);
        let read = TableConfig::new().with_ignored(config.ignore.clone());
        let table = read
            .with_categories(config.label.iter().cloned().collect())
            .open(&config.data)?;
        if config.folds < 2 || table.len() < config.folds {
            return Err(Error::Config(format!(
                "--folds must be from 2 to the number of rows, not {} of {} rows",
                config.folds,
                table.len()
            )));
        }
        let classes = Self::classes(&table, config)?;
        let mut names = Vec::new();
        let (mut place, mut places) = (0, Vec::new());
        for column in table.schema().columns() {
            let width = match &column.kind {
                Kind::Category { values } => values.len(),
                _ => 1,
            };
            let is_label = config.label.as_ref() == Some(&column.name);
            let is_number = matches!(column.kind, Kind::Number { .. });
            if !is_label && (!is_number || column.missing.is_some()) {
                let what = if is_number {
                    "has missing values"
                } else {
                    "holds categories"
                };
                return Err(refuse(format!(
                    "column `{}` {what}, which have no density: leave it out with --ignore {}",
                    column.name, column.name
                )));
            }
            if !is_label {
                names.push(column.name.clone());
                places.push(place);
            }
            place += width + usize::from(column.missing.is_some());
        }
        if table.len() < 2 * names.len() {
            return Err(refuse(format!(
                "{} rows of {} columns do not determine a density: it takes twice as many rows at least",
                table.len(),
                names.len()
            )));
        }
        let values = table.tensor(&Device::default()).try_into_data_as::<f64>()?;
        let values: Vec<f64> = values.iter::<f64>().collect();
        let row = |row: &[f64]| places.iter().map(|&place| row[place]).collect::<Vec<f64>>();
        let mut numbers: Vec<Vec<f64>> = values.chunks_exact(place).map(row).collect();
        let mut rng = Pcg64::seed_from_u64(config.seed);
        let mut dequantized = Vec::new();
        for (column, name) in names.iter().enumerate() {
            let mut sorted: Vec<f64> = numbers.iter().map(|row| row[column]).collect();
            sorted.sort_by(f64::total_cmp);
            sorted.dedup();
            if sorted.len() < 2 {
                return Err(refuse(format!(
                    "column `{name}` is the same in all rows, so that a density would be infinite: leave it out with \
                     --ignore {name}"
                )));
            }
            // The gap that most neighbours have at least.
            if sorted.len() * 5 < numbers.len() {
                let mut gaps: Vec<f64> = sorted.windows(2).map(|pair| pair[1] - pair[0]).collect();
                gaps.sort_by(f64::total_cmp);
                let gap = gaps[gaps.len() / 2];
                for row in &mut numbers {
                    row[column] += gap * (rng.random::<f64>() - 0.5);
                }
                dequantized.push(name.clone());
            }
        }
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.shuffle(&mut rng);
        Ok(Self {
            names,
            numbers: order.iter().map(|&row| numbers[row].clone()).collect(),
            normal: order.iter().map(|&row| classes[row]).collect(),
            dequantized,
        })
    }

    /// Whether each row of the file is of the normal class.
    fn classes(table: &Table, config: &Config) -> Result<Vec<bool>> {
        let Some(label) = &config.label else {
            return Ok(vec![true; table.len()]);
        };
        let text = table.schema().rows(table.tensor(&Device::default()))?;
        let names = table.schema().columns();
        let place = names.iter().position(|column| column.name == *label);
        let place =
            place.ok_or_else(|| Error::data(&config.data, format!("has no column `{label}`")))?;
        let mut counts = BTreeMap::new();
        for row in &text {
            *counts.entry(&row[place]).or_insert(0) += 1;
        }
        let frequent = counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(class, _)| class);
        let Some(normal) = config.normal.as_ref().or(frequent) else {
            return Ok(Vec::new());
        };
        let classes: Vec<bool> = text.iter().map(|row| row[place] == *normal).collect();
        let count = classes.iter().filter(|&&is_normal| is_normal).count();
        if count == 0 || count == classes.len() {
            return Err(Error::Config(format!(
                "class {normal} of column `{label}`: {count} of {} rows are of that class; some and not all must be",
                classes.len()
            )));
        }
        Ok(classes)
    }

    fn tensor(&self, rows: &[usize], device: &Device) -> Tensor<2> {
        let numbers: Vec<f64> = rows
            .iter()
            .flat_map(|&row| self.numbers[row].clone())
            .collect();
        Tensor::from_data(
            TensorData::new(numbers, [rows.len(), self.names.len()]),
            device,
        )
    }
}

/// The three of a fold.
struct Densities {
    gaussian: FullGaussianMixture,
    mixture: FullGaussianMixture,
    flow: Box<dyn Fn(Tensor<2>) -> Tensor<1>>,
}

impl Densities {
    fn fit(rows: Tensor<2>, config: &Config, names: &[String], device: &Device) -> Result<Self> {
        let gaussian = MixtureFit::new(1).fit_full(rows.clone())?;
        let flow = Self::flow(rows.clone(), config, names, device)?;
        Ok(Self {
            gaussian,
            mixture: Self::mixture(rows)?,
            flow,
        })
    }

    /// Of as many components as explain a tenth of the rows best, that the fit did not see.
    fn mixture(rows: Tensor<2>) -> Result<FullGaussianMixture> {
        let [count, columns] = rows.dims();
        let held_out = (count / 10).max(1);
        let (seen, unseen) = (
            rows.clone().narrow(0, held_out, count - held_out),
            rows.clone().narrow(0, 0, held_out),
        );
        let mut best = (f64::NEG_INFINITY, 1);
        for components in [1, 2, 3, 5, 8, 12, 20] {
            if components * columns > count / 2 {
                break;
            }
            let fit = MixtureFit::new(components).with_regularization(1e-2);
            let score = fit.fit_full(seen.clone())?.log_prob(unseen.clone()).mean();
            let score: f64 = score.try_into_scalar()?;
            if score > best.0 {
                best = (score, components);
            }
        }
        MixtureFit::new(best.1)
            .with_regularization(1e-2)
            .fit_full(rows)
    }

    fn flow(
        rows: Tensor<2>,
        config: &Config,
        names: &[String],
        device: &Device,
    ) -> Result<Box<dyn Fn(Tensor<2>) -> Tensor<1>>> {
        let columns = names.len();
        let (hidden, layers) = (vec![config.hidden; 2], config.layers);
        Ok(match config.model {
            Bijections::Realnvp => {
                let flow = RealNvpConfig::new(columns)
                    .with_couplings(layers)
                    .with_hidden(hidden);
                Self::fit_flow(flow.init(device)?, rows, config, names)?
            }
            Bijections::Maf => {
                let flow = MafConfig::new(columns)
                    .with_layers(layers)
                    .with_hidden(hidden);
                let flow = flow.init_with_map(SplineMap::default(), device)?;
                Self::fit_flow(flow, rows, config, names)?
            }
            Bijections::Spline => {
                let flow = SplineFlowConfig::new(columns)
                    .with_couplings(layers)
                    .with_hidden(hidden);
                Self::fit_flow(flow.init(device)?, rows, config, names)?
            }
        })
    }

    fn fit_flow<B>(
        bijection: B,
        rows: Tensor<2>,
        config: &Config,
        names: &[String],
    ) -> Result<Box<dyn Fn(Tensor<2>) -> Tensor<1>>>
    where
        B: Bijection<Input = Tensor<2>, Output = Tensor<2>> + 'static,
    {
        let affine = Affine::standardizing(&rows).map_err(|error| {
            Error::Samples(format!(
                "in the rows of a fold, of columns {}: {error}",
                names.join(", ")
            ))
        })?;
        let flow = Flow::new(
            Chain::new(affine, bijection),
            StandardNormal::new(names.len()),
        );
        initialize(&flow);
        let fit = DensityFit::new()
            .with_steps(config.steps)
            .with_rate(config.lr);
        let fit = fit
            .with_weight_decay(config.weight_decay)
            .with_seed(config.seed);
        let flow = fit.fit(flow, rows)?;
        Ok(Box::new(move |rows| flow.log_prob(rows)))
    }

    /// Of each row by each of the models.
    fn log_probs(&self, rows: Tensor<2>) -> Result<[Vec<f64>; 3]> {
        let read = |log_prob: Tensor<1>| -> Result<Vec<f64>> {
            Ok(log_prob.try_into_data_as::<f64>()?.iter::<f64>().collect())
        };
        Ok([
            read(self.gaussian.log_prob(rows.clone()))?,
            read(self.mixture.log_prob(rows.clone()))?,
            read((self.flow)(rows))?,
        ])
    }
}
