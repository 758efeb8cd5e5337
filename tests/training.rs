//! Training with burn's `Learner`: the same result as a loop by hand, the same result twice, a resumed
//! run that equals one that never stopped, and an end when a loss is no number.
#![cfg(all(feature = "data", feature = "train"))]

mod common;

use burn::data::dataloader::{DataLoader, Progress};
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::store::ModuleRecord;
use burn::train::checkpoint::KeepLastNCheckpoints;
use burn::train::metric::{Metric, MetricMetadata};
use burn::train::{Learner, LearningResult, SupervisedTraining};
use burn_generative::data::{ImageLoader, TensorLoader, digits};
use burn_generative::nn::{MlpDecoder, MlpEncoder, initialize};
use burn_generative::prelude::*;
use burn_generative::train::{Checkpoints, Epoch, Guard, History, ProgressLines, TermMetric};
use common::{alone, cpu, values, weights};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

type DigitVae = Vae<MlpEncoder<GaussianHead, 4>, MlpDecoder<burn::nn::Linear, 4>>;

const SEED: u64 = 5;
const BATCH: usize = 32;
const RATE: f64 = 1e-3;

fn model() -> DigitVae {
    let device = cpu().autodiff();
    device.seed(SEED);
    let vae = VaeConfig::new()
        .with_warmup_steps(6)
        .init(
            MlpEncoderConfig::new(vec![1, 28, 28], 4)
                .with_hidden(vec![24])
                .init_gaussian(&device)
                .unwrap(),
            MlpDecoderConfig::new(4, vec![1, 28, 28])
                .with_hidden(vec![24])
                .init(&device)
                .unwrap(),
            StandardNormal::new(4),
            BernoulliNll,
        )
        .unwrap();
    initialize(&vae);
    vae
}

fn images() -> Tensor<4> {
    digits::generate(100, 3).images(&cpu())
}

fn loader(first_epoch: usize) -> TensorLoader<Tensor<4>> {
    TensorLoader::new(images(), BATCH)
        .seed(SEED)
        .first_epoch(first_epoch)
}

/// Trains epochs `done + 1` to `epochs` in `folder`.
fn learn(
    model: DigitVae,
    data: [Arc<dyn DataLoader<Tensor<4>>>; 2],
    folder: &Path,
    done: usize,
    epochs: usize,
) -> (LearningResult<DigitVae>, Vec<Epoch>) {
    let history = History::new(Vec::new());
    let guard = Guard::new();
    let metric = |term| TermMetric::new(term, &guard);
    let [train, test] = data;
    let mut training = SupervisedTraining::new(folder, train, test)
        .metrics((metric("loss"), metric("reconstruction"), metric("kl")))
        .with_metric_logger(history.clone())
        .with_checkpointing_strategy(KeepLastNCheckpoints::new(2))
        .with_interrupter(guard.interrupter())
        .with_application_logger(None)
        .renderer(Box::new(ProgressLines::new(Duration::from_secs(60))))
        .num_epochs(epochs);
    training = Checkpoints::new(folder).register(training, &guard);
    if done > 0 {
        training = training.checkpoint(done);
    }
    let result = training.launch(Learner::new(model, AdamConfig::new().init(), RATE));
    (result, history.epochs())
}

fn both(first_epoch: usize) -> [Arc<dyn DataLoader<Tensor<4>>>; 2] {
    [
        Arc::new(loader(first_epoch).shuffle()),
        Arc::new(loader(first_epoch)),
    ]
}

fn without_time(epochs: Vec<Epoch>) -> Vec<Epoch> {
    epochs
        .into_iter()
        .map(|epoch| Epoch {
            seconds: 0.0,
            ..epoch
        })
        .collect()
}

#[test]
fn the_learner_equals_a_loop_by_hand() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (result, epochs) = learn(model(), both(1), folder.path(), 0, 2);
    assert!(result.error.is_none() && result.interrupted.is_none());

    let mut by_hand = model();
    let mut optimizer = AdamConfig::new().init();
    let (train, test) = (loader(1).shuffle(), loader(1));
    for epoch in &epochs {
        for batch in train.iter() {
            let losses = by_hand.losses(batch.unwrap());
            let gradients = GradientsParams::from_grads(losses.mean().backward(), &by_hand);
            by_hand = optimizer.step(RATE, by_hand, gradients).advance();
        }
        let model = by_hand.valid();
        let total: f64 = test
            .iter()
            .map(|batch| {
                values(model.losses(batch.unwrap()).total)
                    .iter()
                    .sum::<f64>()
            })
            .sum();
        assert!(
            (total / 100.0 - epoch.test["loss"]).abs() < 1e-3,
            "epoch {}",
            epoch.epoch
        );
    }
    assert_eq!(weights(&by_hand.valid()), weights(&result.model));
    assert!(epochs[1].train["loss"] < epochs[0].train["loss"]);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let _alone = alone();
    let run = || {
        let folder = tempfile::tempdir().unwrap();
        let (result, epochs) = learn(model(), both(1), folder.path(), 0, 2);
        (weights(&result.model), without_time(epochs))
    };
    assert_eq!(run(), run());
}

#[test]
fn a_resumed_run_equals_one_that_never_stopped() {
    let _alone = alone();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (result, epochs) = learn(model(), both(1), whole.path(), 0, 3);

    learn(model(), both(1), parts.path(), 0, 1);
    assert_eq!(Checkpoints::new(parts.path()).epochs(), [1]);
    let (resumed, rest) = learn(model(), both(2), parts.path(), 1, 3);

    assert_eq!(without_time(epochs[1..].to_vec()), without_time(rest));
    assert_eq!(weights(&result.model), weights(&resumed.model));
}

#[test]
fn a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    learn(model(), both(1), folder.path(), 0, 1);

    // The third batch of the second epoch is poisoned.
    let order = digits::generate(100, 3).images(&cpu());
    let poison = Tensor::full([1, 1, 28, 28], f64::NAN, &cpu());
    let poisoned = order.slice_assign([70..71, 0..1, 0..28, 0..28], poison);
    let data: [Arc<dyn DataLoader<Tensor<4>>>; 2] = [
        Arc::new(TensorLoader::new(poisoned, BATCH).seed(SEED).first_epoch(2)),
        Arc::new(loader(2)),
    ];
    let (result, epochs) = learn(model(), data, folder.path(), 1, 3);

    let reason = result
        .interrupted
        .expect("it stops")
        .reason
        .expect("and says why");
    assert_eq!(
        reason,
        "the loss term 'reconstruction' became NaN at training step 3; a smaller learning rate is the usual remedy"
    );
    assert!(
        epochs.is_empty(),
        "an epoch with a NaN was counted as finished"
    );
    let checkpoints = Checkpoints::new(folder.path());
    assert_eq!(checkpoints.epochs(), [1]);
    let kept = checkpoints.load_model(1, model()).unwrap();
    assert!(weights(&kept).iter().all(|weight| weight.is_finite()));
}

/// The total is not finite whenever a term is; the term is what helps.
#[test]
fn a_total_that_is_no_number_names_the_term_behind_it() {
    let term = |value: f32| Tensor::<1>::from_floats([value, value], &cpu());
    let metadata = |step, lr: Option<f64>| MetricMetadata {
        progress: Progress::new(1, 1, None),
        iteration: Some(step),
        lr: lr.map(Into::into),
    };
    for (lr, split) in [(Some(1e-3), "training"), (None, "test")] {
        let guard = Guard::new();
        let mut metric = TermMetric::new("loss", &guard);
        for (step, kl) in [(7, 1.0), (8, f32::NAN), (9, f32::INFINITY)] {
            let losses = Losses::new(term(2.0 + kl))
                .with_term("reconstruction", term(2.0))
                .with_term("kl", term(kl));
            metric.update(&losses, &metadata(step, lr)).unwrap();
        }
        assert_eq!(guard.reason(), None, "nothing is read back on a step");
        metric.compute().unwrap();
        let want = format!(
            "the loss term 'kl' became NaN at {split} step 8; a smaller learning rate is the usual remedy"
        );
        assert_eq!(guard.reason(), Some(want));
        assert!(guard.interrupter().should_stop());
    }
}

/// No learning rate is to blame for what is there before the first step; for what is tested after it, it may be.
#[test]
fn a_first_loss_that_is_no_number_blames_no_learning_rate() {
    for (lr, want) in [
        (
            Some(1e-3),
            "the loss term 'loss' became inf at training step 1; it is the first of this run: it comes of the data, or of what the \
             model starts with",
        ),
        (
            None,
            "the loss term 'loss' became inf at test step 1; a smaller learning rate is the usual remedy",
        ),
    ] {
        let guard = Guard::new();
        let mut metric = TermMetric::new("loss", &guard);
        let losses = Losses::new(Tensor::<1>::from_floats([f32::INFINITY, 1.0], &cpu()));
        let metadata = MetricMetadata {
            progress: Progress::new(0, 1, None),
            iteration: Some(1),
            lr: lr.map(Into::into),
        };
        metric.update(&losses, &metadata).unwrap();
        metric.compute().unwrap();
        assert_eq!(guard.reason().as_deref(), Some(want));
    }
}

#[test]
fn a_term_that_the_model_has_not_ends_the_training_by_name() {
    let guard = Guard::new();
    let mut metric = TermMetric::new("kll", &guard);
    let ones = || Tensor::<1>::ones([2], &cpu());
    let losses = Losses::new(ones()).with_term("kl", ones());
    let metadata = MetricMetadata {
        progress: Progress::new(1, 1, None),
        iteration: Some(1),
        lr: None,
    };
    metric.update(&losses, &metadata).unwrap();
    let want = "the model has no loss term 'kll'; it has loss, kl";
    assert_eq!(guard.reason().as_deref(), Some(want));
}

#[test]
fn a_broken_checkpoint_is_named() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    learn(model(), both(1), folder.path(), 0, 2);
    let checkpoints = Checkpoints::new(folder.path());
    checkpoints.verify(2, &model()).unwrap();

    // Of another model.
    let device = cpu();
    let other = MlpEncoderConfig::new(vec![7], 2)
        .init::<2>(&device)
        .unwrap();
    let error = checkpoints.verify(2, &other).unwrap_err().to_string();
    assert!(
        error.contains("model-2.bpk") && error.contains("does not fit"),
        "{error}"
    );

    for file in ["model-2.bpk", "optim-2.bpk"] {
        let path = folder.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        for broken in [
            &[][..],
            &whole[..40],
            &whole[..whole.len() / 2],
            b"not a record at all, but long enough",
        ] {
            std::fs::write(&path, broken).unwrap();
            let error = checkpoints.verify(2, &model()).unwrap_err().to_string();
            assert!(error.contains(file), "{error}");
            assert!(error.contains("resume from the epoch before"), "{error}");
        }
        std::fs::write(&path, whole).unwrap();
    }

    // What a run goes on from is its last.
    let copy = tempfile::tempdir().unwrap();
    learn(model(), both(1), copy.path(), 0, 2);
    let later = Checkpoints::new(copy.path());
    later.remove_after(1).unwrap();
    assert_eq!(later.epochs(), [1]);

    // A file that is missing makes the checkpoint incomplete: the one before counts.
    std::fs::remove_file(folder.path().join("scheduler-2.bpk")).unwrap();
    assert_eq!(checkpoints.epochs(), [1]);
}

/// Every part of every file, at random: whatever is flipped, cut or put there, nothing but the whole and true
/// file is read.
#[test]
fn a_checkpoint_changed_anywhere_is_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    learn(model(), both(1), folder.path(), 0, 2);
    let checkpoints = Checkpoints::new(folder.path());
    let model = model();
    let files = ["model-2.bpk", "optim-2.bpk", "scheduler-2.bpk"];
    let mut generator = Pcg64::seed_from_u64(7);
    for round in 0..200 {
        let file = files[round % files.len()];
        let path = folder.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut broken = whole.clone();
        // The start and the end of a file, where all but the numbers stands, as often as the rest.
        let place = match round % 4 {
            0 => generator.random_range(0..whole.len().min(2000)),
            1 => whole.len() - 1 - generator.random_range(0..whole.len().min(200)),
            _ => generator.random_range(0..whole.len()),
        };
        let change = match generator.random_range(0..4) {
            0 => {
                broken[place] ^= 1 << generator.random_range(0..8);
                "a bit"
            }
            1 => {
                broken[place..].fill(0);
                "zeros from"
            }
            2 => {
                broken.truncate(place);
                "a cut"
            }
            _ => {
                broken.insert(place, 0x55);
                "a byte more"
            }
        };
        std::fs::write(&path, &broken).unwrap();
        let verdict = checkpoints.verify(2, &model);
        assert_eq!(
            verdict.is_ok(),
            broken == whole,
            "{change} at {place} of {file}"
        );
        if let Err(error) = verdict {
            assert!(error.to_string().contains(file), "{error}");
        }
        std::fs::write(&path, &whole).unwrap();
        checkpoints.verify(2, &model).unwrap();
    }

    // Whole and true, but of another epoch.
    let [one, two] = [1, 2].map(|epoch| folder.path().join(format!("model-{epoch}.bpk")));
    std::fs::copy(&one, &two).unwrap();
    let error = checkpoints.verify(2, &model).unwrap_err().to_string();
    assert!(error.contains("belongs elsewhere"), "{error}");

    // burn's own reader takes the file as it is.
    ModuleRecord::load(&one).unwrap();
}

/// What a killed process leaves half written is swept away by the next, and nothing else is.
#[test]
fn what_was_left_half_written_is_removed() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let [left, other] = ["model-3.bpk.17-0.tmp", "notes.tmp"].map(|name| folder.path().join(name));
    std::fs::write(&left, "half").unwrap();
    std::fs::write(&other, "mine").unwrap();
    learn(model(), both(1), folder.path(), 0, 1);
    assert!(!left.exists() && other.exists());

    // A checkpoint of a later epoch goes even if it is not whole: beside newer parts it would be of two trainings.
    let partial = folder.path().join("optim-2.bpk");
    std::fs::write(&partial, "of another training").unwrap();
    Checkpoints::new(folder.path()).remove_after(1).unwrap();
    assert!(!partial.exists() && folder.path().join("model-1.bpk").exists());
}

#[test]
fn epochs_of_a_loader_depend_on_seed_and_number_alone() {
    let _alone = alone();
    let rows = Tensor::<1, Int>::arange(0..50, &cpu())
        .float()
        .reshape([50, 1]);
    let loader = |seed, epoch| {
        TensorLoader::new(rows.clone(), 8)
            .seed(seed)
            .shuffle()
            .first_epoch(epoch)
    };
    let order = |loader: &TensorLoader<Tensor<2>>| -> Vec<f64> {
        loader
            .iter()
            .flat_map(|batch| values(batch.unwrap()))
            .collect()
    };
    let from_start = loader(1, 1);
    let (first, second) = (order(&from_start), order(&from_start));
    assert_ne!(first, second);
    assert_eq!(order(&loader(1, 2)), second);
    assert_ne!(order(&loader(2, 1)), first);
    let mut sorted = first.clone();
    sorted.sort_by(f64::total_cmp);
    assert_eq!(sorted, (0..50).map(f64::from).collect::<Vec<_>>());

    let part = loader(1, 1).slice(10, 20);
    assert_eq!(part.num_items(), 10);
    let mut items: Vec<f64> = part
        .iter()
        .flat_map(|batch| values(batch.unwrap()))
        .collect();
    items.sort_by(f64::total_cmp);
    assert_eq!(items, (10..20).map(f64::from).collect::<Vec<_>>());

    // Images from host memory: the same batches, in the same order, and the same noise.
    let digits = digits::generate(50, 5);
    let host = ImageLoader::new(digits.clone(), 8, &cpu())
        .seed(1)
        .shuffle();
    let tensor = TensorLoader::new(digits.images(&cpu()), 8)
        .seed(1)
        .shuffle();
    let pixels = |loader: &dyn DataLoader<Tensor<4>>| -> Vec<Vec<f64>> {
        let batches = loader.iter().map(|batch| {
            let batch = batch.unwrap();
            let noise = batch.random_like(burn::tensor::Distribution::Default);
            values((batch + noise).flatten::<1>(0, 3))
        });
        batches.collect()
    };
    for _epoch in 0..2 {
        assert_eq!(pixels(&host), pixels(&tensor));
    }
    let [host, tensor] = [host.slice(10, 35), tensor.slice(10, 35)];
    assert_eq!(pixels(&*host), pixels(&*tensor));

    // The shards of two devices are not in the same order, or their noise would be the same too.
    let places = |start: usize| -> Vec<f64> {
        let shard = loader(1, 1).slice(start, start + 25);
        let batches = shard.iter().flat_map(|batch| values(batch.unwrap()));
        batches.map(|item| item - start as f64).collect()
    };
    assert_ne!(places(0), places(25));

    // No shard has in one epoch what another has in another: their order, and the seed of their noise.
    let rows = Tensor::<1, Int>::arange(0..80, &cpu())
        .float()
        .reshape([80, 1]);
    let mut seen = std::collections::BTreeMap::new();
    for start in (0..80).step_by(10) {
        for epoch in 1..40 {
            let whole = TensorLoader::new(rows.clone(), 10).seed(1).shuffle();
            let shard = whole.first_epoch(epoch).slice(start, start + 10);
            let batch = shard.iter().next().unwrap().unwrap();
            let noise = batch.random_like(burn::tensor::Distribution::Default);
            let drawn = format!("{:?}", values(noise));
            let before = seen.insert(drawn, (start, epoch));
            assert_eq!(before, None, "the shard at {start} in epoch {epoch}");
        }
    }
}
