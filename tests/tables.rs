//! Tables as data of a model: the likelihood of mixed columns, and the variational autoencoder of a table.
#![cfg(feature = "data")]

mod common;

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::{Distribution, Tensor};
use burn_generative::data::table::{Kind, Table, TableConfig, TableNll, TableVae, TableVaeConfig};
use burn_generative::metric::{Estimate, auroc, nearest_distances, quantile};
use burn_generative::model::DensityFit;
use burn_generative::prelude::*;
use common::values;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::f64::consts::PI;
use tempfile::TempPath;

/// A file of its own for each test, which goes with it.
fn written(name: &str, text: &str) -> TempPath {
    let mut file = tempfile::Builder::new();
    let file = file.prefix(name).suffix(".csv").tempfile().unwrap();
    let path = file.into_temp_path();
    std::fs::write(&path, text).unwrap();
    path
}

fn opened(name: &str, text: &str) -> Table {
    Table::open(written(name, text)).unwrap()
}

/// The text of a table.
fn text(table: &Table) -> Vec<Vec<String>> {
    let rows = table.tensor(&common::cpu());
    table.schema().rows(rows).unwrap()
}

fn quick(steps: usize) -> TableVaeConfig {
    let training = DensityFit::new()
        .with_steps(steps)
        .with_batch_size(128)
        .with_rate(3e-3);
    TableVaeConfig::new()
        .with_latent_dim(2)
        .with_hidden(vec![32])
        .with_modes(4)
        .with_beta(1.0)
        .with_training(training)
}

const MIXED: &str = "size,colour\n1.5,red\n3.5,blue\n?,red\n3.5,?\n1.5,green\n";

/// The value of `log p` of the second mode and colour, written out.
#[test]
fn likelihood_is_the_formula() {
    let device = common::cpu();
    let table = opened("formula", MIXED);
    let rows = table.tensor(&device);
    let nll = TableNll::fit(table.schema(), 2, rows.clone()).unwrap();
    // Two modes (logits, shifts), three colours, two indicators.
    assert_eq!(nll.output_width(), 2 + 2 + 3 + 2);
    let output = [0.3, -0.2, 0.5, -1.0, 0.1, 0.7, -0.4, -1.5, 0.2];
    let batch = Tensor::<2>::from_floats([output], &device).repeat_dim(0, 5);
    let losses = values(nll.loss(batch, rows));

    // Of 1.5, 3.5, 3.5, 1.5: a mean of 2.5 and a deviation of 1, so that the modes are at -1 and 1, a quarter of 2 wide.
    let (width, deviation) = (0.5, 0.5 * 1.01);
    let softmax =
        |logits: &[f64], at: usize| logits[at].exp() / logits.iter().map(|l| l.exp()).sum::<f64>();
    let number = |x: f64| {
        let density = |mode: usize, center: f64| {
            let d: f64 = (x - center - width * output[2 + mode]) / deviation;
            softmax(&output[..2], mode) * (-0.5 * d * d).exp() / (deviation * (2.0 * PI).sqrt())
        };
        (density(0, -1.0) + density(1, 1.0)).ln()
    };
    let colour = |at: usize| softmax(&output[4..7], at).ln(); // blue, green, red
    let missing = |at: usize, is: bool| {
        let p = 1.0 / (1.0 + f64::exp(-output[7 + at]));
        if is { p.ln() } else { (1.0 - p).ln() }
    };
    let both_there = missing(0, false) + missing(1, false);
    let expected = [
        number(-1.0) + colour(2) + both_there,
        number(1.0) + colour(0) + both_there,
        colour(2) + missing(0, true) + missing(1, false),
        number(1.0) + missing(0, false) + missing(1, true),
        number(-1.0) + colour(1) + both_there,
    ];
    for (loss, log_prob) in losses.iter().zip(expected) {
        assert!((loss + log_prob).abs() < 1e-4, "{loss} {log_prob}");
    }
}

/// Over all numbers, colours, and what may be missing of both, the probability is one.
#[test]
fn likelihood_sums_to_one() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(3);
    let table = opened("one", MIXED);
    let nll = TableNll::fit(table.schema(), 3, table.tensor(&device)).unwrap();
    let output = Tensor::<2>::random(
        [1, nll.output_width()],
        Distribution::Normal(0.0, 1.0),
        &device,
    );
    let step = 0.01;
    let mut rows: Vec<f32> = Vec::new();
    let mut weights: Vec<f64> = Vec::new();
    let mut number = |x: f32, is_missing: f32, weight: f64| {
        for colour in 0..4 {
            let hot = |at| if colour == at { 1.0 } else { 0.0 };
            rows.extend([x, is_missing, hot(0), hot(1), hot(2), hot(3)]);
            weights.push(weight);
        }
    };
    for cell in -1000..1000 {
        number(cell as f32 * step as f32, 0.0, step);
    }
    number(0.0, 1.0, 1.0);
    let count = weights.len();
    let rows = Tensor::from_data(TensorData::new(rows, [count, 6]), &device);
    let losses = values(nll.loss(output.repeat_dim(0, count), rows));
    let total: f64 = losses
        .iter()
        .zip(&weights)
        .map(|(l, w)| w * (-l).exp())
        .sum();
    assert!((total - 1.0).abs() < 1e-3, "{total}");
}

/// What stands in the place of a missing value changes neither loss nor gradient.
#[test]
fn missing_values_are_masked() {
    let device = common::cpu().autodiff();
    let table = opened("masked", MIXED);
    let rows = table.tensor(&device);
    let nll = TableNll::fit(table.schema(), 2, rows.clone()).unwrap();
    let gradient = |rows: Tensor<2>| {
        let output = Tensor::<2>::ones([5, nll.output_width()], &device).require_grad();
        let loss = nll.loss(output.clone(), rows);
        let gradients = loss.clone().sum().backward();
        (values(loss), values(output.grad(&gradients).unwrap()))
    };
    let elsewhere = Tensor::<2>::from_floats([[7.0, 0.0, 0.0, 0.0, 0.0, 0.0]], &device);
    let third = Tensor::<2>::from_floats([[0.0], [0.0], [1.0], [0.0], [0.0]], &device);
    let other = rows.clone() + third.matmul(elsewhere);
    let (loss, of_output) = gradient(rows);
    assert_eq!((loss, of_output.clone()), gradient(other));
    let width = nll.output_width();
    // Neither logits nor shifts of the third row's number, nor the colour of the fourth row, are trained.
    assert!(
        of_output[2 * width..2 * width + 4]
            .iter()
            .all(|&g| g == 0.0)
    );
    assert!(
        of_output[3 * width + 4..3 * width + 7]
            .iter()
            .all(|&g| g == 0.0)
    );
    assert!(of_output[..7].iter().all(|&g| g != 0.0));
}

/// Draws have the frequencies, the mean and the spread that the likelihood gives them.
#[test]
fn draws_follow_the_likelihood() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(1);
    let table = opened("draws", MIXED);
    let nll = TableNll::fit(table.schema(), 2, table.tensor(&device)).unwrap();
    let n = 20_000;
    let output = [0.0, 1.0, 0.0, 0.0, 0.0, 1.0, -1.0, -1.0, 0.5];
    let output = Tensor::<2>::from_floats([output], &device).repeat_dim(0, n);
    let mean = values(nll.sample(output).mean_dim(0));
    let missing = [-1.0, 0.5].map(|l: f64| 1.0 / (1.0 + (-l).exp()));
    let upper = 1.0 / (1.0 + f64::exp(-1.0));
    let colours = [0.0, 1.0, -1.0].map(f64::exp);
    let colour = |at: usize| colours[at] / colours.iter().sum::<f64>() * (1.0 - missing[1]);
    let expected = [
        (2.0 * upper - 1.0) * (1.0 - missing[0]),
        missing[0],
        colour(0),
        colour(1),
        colour(2),
        missing[1],
    ];
    for (mean, expected) in mean.iter().zip(expected) {
        assert!((mean - expected).abs() < 0.02, "{mean} {expected}");
    }
}

#[test]
fn rows_come_back_from_their_numbers() {
    let table = opened("back", MIXED);
    let rows = table.tensor(&common::cpu());
    let again = Table::from_tensor(table.schema(), rows).unwrap();
    assert_eq!(text(&again), text(&table));
    assert_eq!(text(&again)[2], ["?", "red"]);

    // Whole numbers to the last digit, where 32 bits of a number of 14 digits would have 7 of them.
    let mut rng = Pcg64::seed_from_u64(6);
    let far = |rng: &mut Pcg64| 20_000_000_000_000_i64 + rng.random_range(0..4_000_000);
    let rows: Vec<[String; 2]> = (0..500)
        .map(|_| {
            [
                far(&mut rng).to_string(),
                rng.random_range(-3..9).to_string(),
            ]
        })
        .collect();
    let lines = rows.iter().map(|row| row.join(",") + "\n");
    let table = opened(
        "far",
        &("when,count\n".to_string() + &lines.collect::<String>()),
    );
    assert_eq!(text(&table), rows);
}

const COUNTS: &str = "visits,size\n0,1.5\n3,2\n?,1\n1,1\n3,1\n0,1\n";

/// What kind a column of numbers is, is found, or said.
#[test]
fn whole_numbers_are_found() {
    let range_of = |table: &Table, column: usize| match &table.schema().columns()[column].kind {
        Kind::Number { range, .. } => *range,
        other => panic!("{other:?}"),
    };
    let table = opened("whole", COUNTS);
    assert_eq!([0, 1].map(|k| range_of(&table, k)), [Some([0, 3]), None]);
    let wide = opened("wide", "a,b,c\n0,\"7\",1e0\n4194305,8,-2.0\n");
    let ranges = [0, 1, 2].map(|k| range_of(&wide, k));
    assert_eq!(ranges, [None, Some([7, 8]), Some([-2, 1])]);

    let path = written("measured", COUNTS);
    let measured = TableConfig::new().with_measured(vec!["visits".to_string()]);
    let measured = measured.open(&path).unwrap();
    assert_eq!(range_of(&measured, 0), None);
    let unknown = TableConfig::new().with_measured(vec!["visit".to_string()]);
    let error = unknown.open(&path).unwrap_err().to_string();
    assert!(error.contains("no column `visit`"), "{error}");
    // What is between two whole numbers is none, and the way out is named.
    std::fs::write(&path, "visits,size\n1,2\n2.5,1\n").unwrap();
    let error = Table::open_with(&path, table.schema()).unwrap_err();
    let error = error.to_string();
    for part in ["row 2 (line 3), column `visits`", "2.5", "with_measured"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(Table::open_with(&path, measured.schema()).is_ok());

    let mut json = serde_json::to_value(table.schema()).unwrap();
    *json.pointer_mut("/columns/0/kind/Number/range").unwrap() = serde_json::json!([3, 0]);
    let schema = serde_json::from_value::<burn_generative::data::table::Schema>(json);
    let error = schema.unwrap_err().to_string();
    assert!(error.contains("from 3 to 0"), "{error}");
}

/// The probabilities of a column of whole numbers sum to 1, and are those that draws have.
#[test]
fn whole_numbers_have_probabilities() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(8);
    let numbers: Vec<i64> = (0..60).map(|row| row * row % 17 - 5).collect();
    let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
    let table = opened("probabilities", &("n\n".to_string() + &lines));
    let Kind::Number { mean, std, range } = table.schema().columns()[0].kind else {
        panic!("{:?}", table.schema());
    };
    assert_eq!(range, Some([-5, 11]));
    let nll = TableNll::fit(table.schema(), 3, table.tensor(&device)).unwrap();
    let log_prob = |output: [f64; 6], numbers: &[i64]| {
        let at: Vec<f64> = numbers.iter().map(|&n| (n as f64 - mean) / std).collect();
        let count = at.len();
        let rows = Tensor::from_data(TensorData::new(at, [count, 1]), &device);
        let output = Tensor::<2>::from_floats([output], &device);
        values(nll.loss(output.repeat_dim(0, count), rows).neg())
    };
    let all: Vec<i64> = (-5..=11).collect();
    let output = [0.3, -0.5, 1.0, 0.4, -2.0, 1.5];
    for scale in [0.0, 1.0, 30.0, 1e4] {
        let total: f64 = log_prob(output.map(|o| o * scale), &all)
            .iter()
            .map(|l| l.exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-4, "{total} at {scale}");
    }

    let probabilities: Vec<f64> = log_prob(output, &all).iter().map(|l| l.exp()).collect();
    let n = 40_000;
    let drawn = nll.sample(Tensor::<2>::from_floats([output], &device).repeat_dim(0, n));
    let drawn: Vec<i64> = values(drawn)
        .iter()
        .map(|x| {
            let number = mean + std * x;
            assert!((number - number.round()).abs() < 1e-3, "{number}");
            number.round() as i64
        })
        .collect();
    for (number, p) in all.iter().zip(&probabilities) {
        let found = drawn.iter().filter(|own| *own == number).count() as f64 / n as f64;
        let error = (p * (1.0 - p) / n as f64).sqrt();
        assert!(
            (found - p).abs() < 5.0 * error + 1e-4,
            "{number}: {found}, {p}"
        );
    }
    assert!(drawn.iter().all(|number| (-5..=11).contains(number)));

    // Beyond what was seen the probability falls, and is never none; a point is whole, too.
    let beyond = log_prob(output, &[11, 12, 40, 4000]);
    assert!(
        beyond.is_sorted_by(|a, b| a > b) && beyond[3].is_finite(),
        "{beyond:?}"
    );
    let point = values(nll.point(Tensor::<2>::from_floats([output], &device)))[0];
    let point = mean + std * point;
    assert!((point - point.round()).abs() < 1e-3, "{point}");
}

/// Of one mode with a known centre and width: the difference of two values of the distribution function.
#[test]
fn whole_numbers_follow_the_formula() {
    let device = common::cpu();
    let table = opened("two", "n\n2\n4\n2\n4\n");
    let nll = TableNll::fit(table.schema(), 2, table.tensor(&device)).unwrap();
    // A mean of 3 and a deviation of 1: modes at -1 and 1, a quarter of 2 wide.
    let (width, scale) = (0.5, 0.5 * 1.01);
    let output = [0.7, -0.3, 0.9, -1.2];
    let cdf = |x: f64, mode: usize| {
        let mean = [-1.0, 1.0][mode] + width * output[2 + mode];
        1.0 / (1.0 + (-(x - mean) / scale).exp())
    };
    let weight = 1.0 / (1.0 + f64::exp(-1.0));
    let both = |of: &dyn Fn(usize) -> f64| weight * of(0) + (1.0 - weight) * of(1);
    let expected = [
        both(&|mode| cdf(-0.5, mode)),
        both(&|mode| cdf(0.5, mode) - cdf(-0.5, mode)),
        both(&|mode| 1.0 - cdf(0.5, mode)),
        both(&|mode| cdf(2.5, mode) - cdf(1.5, mode)),
    ];
    let rows = Tensor::<2>::from_floats([[-1.0], [0.0], [1.0], [2.0]], &device);
    let output = Tensor::<2>::from_floats([output], &device).repeat_dim(0, 4);
    for (loss, p) in values(nll.loss(output, rows)).iter().zip(expected) {
        assert!((loss + p.ln()).abs() < 1e-4, "{loss} {}", -p.ln());
    }
}

/// Counts of which one gives the other but for a third: the bound stays above their entropy, and comes near.
#[test]
fn counts_come_down_to_their_entropy() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(9);
    let counts = |rows: usize, seed: u64| {
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut text = "a,b\n".to_string();
        for _ in 0..rows {
            let a = rng.random_range(0..6);
            text += &format!("{a},{}\n", 10 * a + rng.random_range(0..3));
        }
        text
    };
    let config = quick(1200).with_modes(6).with_hidden(vec![48]);
    let vae = config.fit(&opened("counts", &counts(3000, 0)), &device);
    let vae = vae.unwrap();
    let path = written("counted", &counts(2000, 1));
    let test = Table::open_with(&path, vae.schema()).unwrap();
    let score = Estimate::of(&vae.scores(&test, 64, &device).unwrap()).unwrap();
    let entropy = 6f64.ln() + 3f64.ln();
    assert!(score.mean > entropy - 3.0 * score.standard_error, "{score}");
    assert!(score.mean < 1.15 * entropy, "{score}, entropy {entropy}");
    for row in text(&vae.sample(500, &device).unwrap()) {
        let [a, b] = [&row[0], &row[1]].map(|number| number.parse::<i64>().unwrap());
        assert!((0..=5).contains(&a) && (0..=52).contains(&b), "{row:?}");
    }
}

/// Two columns of four categories, the second that of the first in nine rows of ten.
fn categories(rows: usize, seed: u64) -> String {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut text = "a,b\n".to_string();
    for _ in 0..rows {
        let a = rng.random_range(0..4);
        let other = (a + rng.random_range(1..4)) % 4;
        let b = if rng.random_bool(0.9) { a } else { other };
        text += &format!("k{a},k{b}\n");
    }
    text
}

/// The bound stays above the entropy, which is known, and comes near it; without the other column it would be 2 ln 4.
#[test]
fn bound_meets_a_known_entropy() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(2);
    let config = quick(2500).with_latent_dim(4).with_hidden(vec![64]);
    let vae = config.fit(&opened("train", &categories(4000, 0)), &device);
    let vae = vae.unwrap();
    let test = opened("test", &categories(4000, 1));
    let score = Estimate::of(&vae.scores(&test, 64, &device).unwrap()).unwrap();
    let entropy = 4f64.ln() - 0.9 * 0.9f64.ln() - 0.1 * (0.1f64 / 3.0).ln();
    assert!(score.mean > entropy - 3.0 * score.standard_error, "{score}");
    assert!(score.mean < 1.05 * entropy, "{score}, entropy {entropy}");

    // What it draws has the dependence too, and no category that the table has not.
    let drawn = text(&vae.sample(2000, &device).unwrap());
    let equal = drawn.iter().filter(|row| row[0] == row[1]).count();
    // A quarter without it; the gap of the bound takes some of the nine tenths.
    assert!((1300..1960).contains(&equal), "{equal}");

    // Given the first column, the second is drawn as it is beside it in whole rows.
    let given = vae.sample_given(&test, &["a"], 64, &device).unwrap();
    let (test, given) = (text(&test), text(&given));
    assert!(
        test.iter()
            .zip(&given)
            .all(|(row, other)| row[0] == other[0])
    );
    let among_given = given.iter().filter(|row| row[0] == row[1]).count();
    let (among_given, equal) = (among_given as f64 / 4000.0, equal as f64 / 2000.0);
    assert!((among_given - equal).abs() < 0.05, "{among_given} {equal}");
}

/// Two numbers of which one gives the other, and a kind that both give; every tenth second number is missing.
fn line(rows: usize, seed: u64) -> String {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut text = "x,y,kind\n".to_string();
    for row in 0..rows {
        let is_right: bool = rng.random();
        let x = rng.random::<f64>() + if is_right { 2.0 } else { -3.0 };
        let y = if row % 10 == 3 {
            "?".to_string()
        } else {
            format!("{:.4}", 5.0 * x + rng.random::<f64>())
        };
        text += &format!("{x:.4},{y},{}\n", if is_right { "right" } else { "left" });
    }
    text
}

#[test]
fn a_table_is_imputed_scored_saved_and_drawn() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(4);
    let table = opened("line", &line(1000, 0));
    let vae = quick(1500).fit(&table, &device).unwrap();

    let (before, after) = (text(&table), vae.impute(&table, &device).unwrap());
    let after = text(&after);
    let mut near = 0;
    for (before, after) in before.iter().zip(&after) {
        if before[1] == "?" {
            let [x, y] = [&after[0], &after[1]].map(|number| number.parse::<f64>().unwrap());
            // The two kinds are 20 apart.
            near += usize::from((y - 5.0 * x).abs() < 8.0);
        } else {
            assert_eq!(before, after);
        }
    }
    // A half without what x and the kind say.
    assert!(near >= 80, "{near} of 100");

    let mut strange = "x,y,kind\n".to_string();
    for row in 0..100 {
        let x = 2.0 + f64::from(row) / 100.0;
        strange += &format!("{x},{},left\n", -5.0 * x);
    }
    let path = written("strange", &strange);
    let strange = Table::open_with(&path, vae.schema()).unwrap();
    let normal = vae.scores(&table, 8, &device).unwrap();
    let area = auroc(&normal, &vae.scores(&strange, 8, &device).unwrap()).unwrap();
    assert!(area.mean > 0.9, "{area}");

    let folder = tempfile::tempdir().unwrap();
    vae.save(&folder).unwrap();
    let again = TableVae::load(&folder, &device).unwrap();
    let drawn = [&vae, &again].map(|vae| {
        device.seed(5);
        text(&vae.sample(300, &device).unwrap())
    });
    assert_eq!(drawn[0], drawn[1]);
    let is_there = |row: &&Vec<String>| row[1] != "?";
    let fits = |row: &&Vec<String>| {
        let is_right = row[1].parse::<f64>().unwrap() > -2.5;
        is_right == (row[2] == "right")
    };
    let there = drawn[0].iter().filter(is_there).count();
    let fitting = drawn[0].iter().filter(is_there).filter(fits).count();
    assert!((230..295).contains(&there), "{there}");
    assert!(fitting * 10 > there * 8, "{fitting} of {there}");
    // None is a row of the table, nor nearer to one than rows that were not seen.
    assert!(drawn[0].iter().all(|row| !before.contains(row)));
    let unseen = opened("unseen", &line(300, 7));
    let drawn = vae.sample(300, &device).unwrap();
    let [of_drawn, of_unseen] = [&drawn, &unseen].map(|some| {
        let seen = table.tensor(&device);
        let nearest = nearest_distances(some.tensor(&device), seen).unwrap();
        quantile(&nearest, 0.5).unwrap()
    });
    assert!(of_drawn > 0.5 * of_unseen, "{of_drawn} {of_unseen}");
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let device = common::cpu();
    let table = opened("bad", MIXED);
    let config = quick(2);
    let refused = |config: TableVaeConfig, table: &Table| {
        let error = config.fit(table, &device).unwrap_err();
        error.to_string()
    };
    assert!(refused(config.clone().with_modes(0), &table).contains("modes"));
    assert!(refused(config.clone().with_latent_dim(0), &table).contains("latent_dim"));
    assert!(refused(config.clone().with_beta(f64::NAN), &table).contains("beta"));
    let init = config.init(&table, &device).unwrap();
    let error = init
        .clone()
        .trained(init.vae().clone(), &opened("else", COUNTS));
    assert!(error.unwrap_err().to_string().contains("another schema"));
    let single = opened("single", "size,colour\n1,red\n");
    assert!(refused(config.clone(), &single).contains("two samples at least, not 1"));

    let vae = config.fit(&table, &device).unwrap();
    assert!(
        vae.sample(0, &device)
            .unwrap_err()
            .to_string()
            .contains("n must be at least 1")
    );
    let error = vae.impute(&single, &device).unwrap_err().to_string();
    assert!(error.contains("another schema"), "{error}");
    assert!(vae.scores(&table, 0, &device).is_err());
    let error = vae.sample_given(&table, &["weight"], 4, &device);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no column `weight`"), "{error}");

    // A row of which everything is missing is drawn whole; an unknown category is named when it is read.
    let path = written("nothing", "size,colour\n?,?\n");
    let nothing = Table::open_with(&path, vae.schema()).unwrap();
    let filled = text(&vae.impute(&nothing, &device).unwrap());
    assert!(filled[0].iter().all(|value| value != "?"), "{filled:?}");
    // So is a column that has no value.
    std::fs::write(&path, "size,colour\n,red\nNA,blue\n").unwrap();
    let sizeless = Table::open_with(&path, vae.schema()).unwrap();
    let filled = text(&vae.impute(&sizeless, &device).unwrap());
    assert!(
        filled.iter().all(|row| row[0].parse::<f64>().is_ok()),
        "{filled:?}"
    );
    std::fs::write(&path, "size,colour\n1,mauve\n").unwrap();
    let error = Table::open_with(&path, vae.schema()).unwrap_err();
    assert!(error.to_string().contains("mauve"), "{error}");
}

/// A column of one number, and one of ten thousand categories.
#[test]
fn odd_columns_are_fitted() {
    let _turn = common::alone();
    let device = common::cpu();
    let mut text = "same,id\n".to_string();
    for row in 0..10_000 {
        text += &format!("7,n{row}\n");
    }
    let path = written("ids", &text);
    let config = TableConfig::new().with_categories(vec!["id".to_string()]);
    let table = config.open(&path).unwrap();
    let training = DensityFit::new()
        .with_steps(1)
        .with_batch_size(16)
        .with_held_out(0.001);
    let config = quick(1).with_hidden(vec![4]).with_training(training);
    let config = config.with_components(0);
    let drawn = config.fit(&table, &device).unwrap().sample(3, &device);
    assert_eq!(drawn.unwrap().len(), 3);
}

/// What a table holds is kept and written as it was read; what it lacks, and no more, is drawn.
#[test]
fn known_values_are_kept_to_the_last_digit() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(5);
    let row = |at: usize| {
        let time = 1_500_000_123.25 + 7_654_321.5 * at as f64;
        let kind = ["a", "?", "b"][at % 3];
        format!("{time},0.5,{kind}\n")
    };
    let lines: String = (0..30).map(row).collect();
    let table = opened("digits", &format!("time,level,kind\n{lines}"));
    let vae = quick(1).fit(&table, &device).unwrap();
    let path = written("digits-filled", "");
    vae.impute(&table, &device).unwrap().write(&path).unwrap();
    let filled = std::fs::read_to_string(&path).unwrap();
    for (line, filled) in lines.lines().zip(filled.lines().skip(1)) {
        let (known, kind) = line.rsplit_once(',').unwrap();
        assert!(filled.starts_with(known), "{filled}, not {known}");
        let filled = filled.rsplit_once(',').unwrap().1;
        assert!(filled == kind || kind == "?" && ["a", "b"].contains(&filled));
    }
    let given = vae.sample_given(&table, &["time"], 2, &device).unwrap();
    given.write(&path).unwrap();
    let given = std::fs::read_to_string(&path).unwrap();
    for (line, given) in lines.lines().zip(given.lines().skip(1)) {
        let [mut line, mut given] = [line, given].map(|line| line.split(','));
        assert_eq!(line.next(), given.next());
        // What is always the same is drawn so.
        assert_eq!(given.next(), Some("0.5"));
    }
}

/// Multiplies all numbers.
struct Times(f64);

impl ModuleMapper for Times {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor * self.0)
    }
}

/// Of a row of which nothing is known the encoder, which never saw one, is not asked.
#[test]
fn a_row_without_values_is_one_of_the_prior() {
    let _turn = common::alone();
    let device = common::cpu();
    device.seed(6);
    let rows = "1.5,?\n?,a\n2.5,b\n".repeat(10);
    let table = opened("some", &format!("x,kind\n{rows}"));
    let config = quick(1).with_components(0);
    let vae = config.fit(&table, &device).unwrap();
    let mut networks = vae.vae().clone();
    networks.encoder = networks.encoder.map(&mut Times(30.0));
    let other = vae.clone().trained(networks, &table).unwrap();
    let empty = written("none", &format!("x,kind\n{}", "?,?\n".repeat(10)));
    let empty = Table::open_with(&empty, table.schema()).unwrap();
    let imputed = |vae: &TableVae, table: &Table| {
        device.seed(7);
        text(&vae.impute(table, &device).unwrap())
    };
    assert_eq!(imputed(&vae, &empty), imputed(&other, &empty));
    assert_ne!(imputed(&vae, &table), imputed(&other, &table));
}

/// A few amounts among noughts, of which a sample of the rows has none; and a number that stands for none.
#[test]
fn rare_and_far_values() {
    let device = common::cpu();
    // The amounts are none of every third value, which the modes are fitted to.
    let amount = |at: usize| match at % 600 {
        1 => format!("{}.5\n", at),
        _ => "0\n".to_string(),
    };
    let rows: String = (0..4001).map(amount).collect();
    let table = opened("rare", &format!("amount\n{rows}"));
    TableNll::fit(table.schema(), 5, table.tensor(&device)).unwrap();
    let far = written("far", "amount\n-3.4e38\n");
    let error = Table::open_with(&far, table.schema())
        .unwrap_err()
        .to_string();
    for words in ["row 1", "amount", "standard deviations from the mean"] {
        assert!(error.contains(words), "{error}");
    }
}
