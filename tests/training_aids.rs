//! What helps a training: a moving average of the weights, steps that are skipped, a rate that falls in steps; and that a run
//! with them is resumed to the bit.
#![cfg(all(feature = "data", feature = "flex", feature = "train"))]

mod common;

use burn::grad_clipping::GradientClipping;
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::optim::{ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use burn_generative::Result;
use burn_generative::device::Devices;
use burn_generative::prelude::*;
use burn_generative::prior::PseudoInputs;
use burn_generative::train::{
    Checkpoints, Epoch, Fit, FusedAdamConfig, Rates, Run, SkippedSteps, StepDecay,
};
use common::{alone, assert_all_close, assert_close, cpu, values, weights};
use std::path::Path;

/// The distance to a point, of rows and the same normalised by their batch: trained weights, running statistics, and a count.
#[derive(Module, Debug)]
struct Point {
    norm: BatchNorm,
    at: Param<Tensor<1>>,
    steps: Param<Tensor<1>>,
}

impl Point {
    fn new(devices: &Devices) -> Self {
        let device = devices.training();
        let steps = Param::from_tensor(Tensor::zeros([1], &devices.device()));
        Self {
            norm: BatchNormConfig::new(2).init(&device),
            at: Param::from_tensor(Tensor::from_floats([4.0, -3.0], &device)),
            steps: steps.set_require_grad(false),
        }
    }
}

impl Model for Point {
    type Input = Tensor<2>;

    fn terms(&self) -> Vec<&'static str> {
        vec!["distance"]
    }
    fn losses(&self, rows: Tensor<2>) -> Losses {
        let apart = self.norm.forward(rows.clone()) + rows - self.at.val().unsqueeze::<2>();
        Losses::of("distance", apart.square().sum_dim(1).squeeze_dim(1))
    }
    fn advance(self) -> Self {
        let steps = self.steps.map(|steps| steps.add_scalar(1.0));
        Self { steps, ..self }
    }
}
burn_generative::learner!(Point);

fn rows() -> Tensor<2> {
    common::tensor([12, 2], &cpu(), common::noise(1, 1.0))
}

fn sgd() -> ModuleOptimizer {
    SgdConfig::new().init()
}

/// Trains in a folder, new or begun.
fn train(fit: Fit, folder: &Path, rates: impl Rates) -> Result<(Point, Vec<Epoch>)> {
    let devices = Devices::named(Some("flex"))?;
    let run = Run::open(folder, &"point")?;
    let fit = fit.seed(1).devices(&devices).quiet();
    let point = Point::new(&devices);
    fit.run(
        &run,
        point,
        FusedAdamConfig::new().init()?,
        rates,
        &rows(),
        &rows(),
    )
}

fn without_time(epochs: Vec<Epoch>) -> Vec<Epoch> {
    let without = |epoch| Epoch {
        seconds: 0.0,
        ..epoch
    };
    epochs.into_iter().map(without).collect()
}

/// Data, and what is made of them, are on the device without autodiff.
#[test]
fn what_came_from_data_is_trained() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    devices.seed(1);
    let device = devices.training();
    let encoder = MlpEncoderConfig::new(vec![2], 1).with_hidden(Vec::new());
    let decoder = MlpDecoderConfig::new(1, vec![2]).with_hidden(Vec::new());
    let decoder = decoder.init(&device).unwrap();
    let vae = VampVae::new(
        encoder.init_gaussian(&device).unwrap(),
        decoder.with_output_bias(rows().mean_dim(0)),
        PseudoInputs::of_data(&rows(), 3, 1).unwrap(),
        GaussianNll::default(),
    );
    let before = weights(&vae);
    let run = Run::open(folder.path(), &"vamp").unwrap();
    let fit = Fit::new(2, 12).seed(1).devices(&devices).quiet();
    let adam = FusedAdamConfig::new().init().unwrap();
    let (trained, _) = fit.run(&run, vae, adam, 1e-2, &rows(), &rows()).unwrap();
    let after = weights(&trained);
    assert_eq!(after.len(), before.len());
    for (at, (before, after)) in before.iter().zip(after).enumerate() {
        assert!(
            (after - before).abs() > 1e-3,
            "number {at} stayed {before}: {after}"
        );
    }
}

#[test]
fn an_average_is_the_recurrence_of_its_formula() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    let run = Run::open(folder.path(), &"point").unwrap();
    // One batch an epoch, of which only the order changes: plain gradient descent is known by hand.
    let fit = Fit::new(5, 12)
        .average_weights(0.75)
        .devices(&devices)
        .quiet();
    let trained = fit.run(&run, Point::new(&devices), sgd(), 0.1, &rows(), &rows());
    let (point, epochs) = trained.unwrap();
    let (mut weight, mut shift, mut average) = ([4.0, -3.0], [0.0; 2], [4.0, -3.0]);
    let mean = values(rows().mean_dim(0));
    for _step in 0..5 {
        for axis in 0..2 {
            // The mean of normalised rows is their shift.
            let gradient = 2.0 * (weight[axis] - shift[axis] - mean[axis]);
            weight[axis] -= 0.1 * gradient;
            shift[axis] += 0.1 * gradient;
            average[axis] = 0.75 * average[axis] + 0.25 * weight[axis];
        }
    }
    assert_all_close(&values(point.at.val()), &average, 1e-4, "average");
    // What has no gradient is the model's.
    assert_eq!(values(point.steps.val()), [5.0]);
    // All rows are a step: a running mean that moved five times by a tenth, and no average of that.
    let moved = values(rows().mean_dim(0) * (1.0 - 0.9_f64.powi(5)));
    let running = values(point.norm.running_mean.value_sync());
    assert_all_close(&running, &moved, 1e-5, "running mean");

    // Evaluation saw it, and a checkpoint has it.
    let loss = values(point.losses(rows()).total.mean())[0];
    assert_close(epochs[4].test["loss"], loss, 1e-5, "evaluation");
    let checkpoints = Checkpoints::new(run.path("checkpoint"));
    let kept = checkpoints.load_model(5, Point::new(&devices)).unwrap();
    assert_eq!(weights(&kept), weights(&point));
}

#[test]
fn the_average_of_a_constant_is_the_constant() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    // Steps that are taken, and move nothing.
    let fit = Fit::new(3, 4).average_weights(0.9);
    let (point, _) = train(fit, folder.path(), 1e-30).unwrap();
    assert_eq!(values(point.at.val()), [4.0, -3.0]);

    // And none that is small enough.
    let folder = tempfile::tempdir().unwrap();
    let fit = Fit::new(3, 4).average_weights(0.9).skip_steps_above(1e-9);
    let (point, epochs) = train(fit, folder.path(), 0.1).unwrap();
    assert_eq!(values(point.at.val()), [4.0, -3.0]);
    for epoch in epochs {
        assert_eq!(epoch.train[SkippedSteps::NAME], 3.0);
    }
}

#[test]
fn steps_are_skipped_by_the_norm_of_the_whole_gradient() {
    let _alone = alone();
    let norm = |point: &Point| {
        let gradients = point.losses(rows().autodiff()).mean().backward();
        let squares = common::gradients(point, &gradients);
        let square = squares.iter().flatten().map(|g| g * g);
        square.sum::<f64>().sqrt()
    };
    let devices = Devices::named(Some("flex")).unwrap();
    let at_first = norm(&Point::new(&devices));
    assert!(at_first > 10.0, "{at_first}");
    for (share, skipped) in [(0.99, 1.0), (1.01, 0.0)] {
        let folder = tempfile::tempdir().unwrap();
        let fit = Fit::new(1, 12).skip_steps_above(share * at_first);
        let (point, epochs) = train(fit, folder.path(), 0.1).unwrap();
        assert_eq!(epochs[0].train[SkippedSteps::NAME], skipped);
        let is_moved = values(point.at.val()) != [4.0, -3.0];
        assert_eq!(is_moved, skipped == 0.0);
        assert_eq!(values(point.steps.val()), [1.0 - skipped]);
    }
}

#[test]
fn a_resumed_run_with_all_aids_ends_as_one_that_never_stopped() {
    let _alone = alone();
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let fit = |epochs| {
        let fit = Fit::new(epochs, 5).average_weights(0.8);
        fit.skip_steps_above(14.0).clip_gradients(3.0)
    };
    let rates = || StepDecay::new(0.3, 4).with_factor(0.5);
    let (expected, epochs) = train(fit(5), whole.path(), rates()).unwrap();
    let skipped = |epoch: &Epoch| epoch.train[SkippedSteps::NAME];
    let count: f64 = epochs.iter().map(skipped).sum();
    assert!((1.0..14.0).contains(&count), "{count} of 15 steps skipped");

    let mut last = None;
    for done in [1, 2, 5] {
        last = Some(train(fit(done), parts.path(), rates()).unwrap());
    }
    let (resumed, rest) = last.unwrap();
    assert_eq!(without_time(epochs), without_time(rest));
    assert_eq!(weights(&expected), weights(&resumed));
    // And what has ended is given back as it was.
    let (again, _) = train(fit(5), parts.path(), rates()).unwrap();
    assert_eq!(weights(&expected), weights(&again));
}

#[test]
fn aids_that_cannot_work_or_were_not_there_are_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let says = |name: &str, fit: Fit, words: &str| {
        let error = train(fit, &folder.path().join(name), 0.1).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    let fit = || Fit::new(2, 4);
    for decay in [-0.1, 1.0, f64::NAN] {
        let words = "must be at least 0 and below 1";
        says("new", fit().average_weights(decay), words);
    }
    for norm in [0.0, -1.0, f64::NAN] {
        let words = "the norm above which steps are skipped must be a positive number";
        says("new", fit().skip_steps_above(norm), words);
    }
    let plain = folder.path().join("plain");
    train(Fit::new(1, 4), &plain, 0.1).unwrap();
    let words = "moving average of the weights is null there, 0.9 here";
    says("plain", fit().average_weights(0.9), words);
    train(
        Fit::new(1, 4).average_weights(0.9),
        &folder.path().join("averaged"),
        0.1,
    )
    .unwrap();
    let words = "moving average of the weights is 0.9 there, null here";
    says("averaged", fit(), words);

    let rates = |rates: StepDecay, words: &str| {
        let error = rates.scheduler(None).map(drop).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    rates(StepDecay::new(0.0, 1), "the learning rate");
    rates(
        StepDecay::new(1.0, 0),
        "the number of steps between two falls",
    );
    rates(
        StepDecay::new(1.0, 1).with_factor(0.0),
        "the factor must be a positive",
    );
    rates(StepDecay::new(1.0, 1).with_factor(2.0), "would rise");
}

/// The groups of an optimizer are found by paths that a moving average does not change.
#[test]
fn a_group_of_parameters_is_found_beside_an_average() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    let run = Run::open(folder.path(), &"point").unwrap();
    let still = burn::module::ParamGroup::from_regex("^at$").unwrap();
    let clipping = Some(GradientClipping::Norm(1e-12));
    let optimizer = sgd().with_group(still, SgdConfig::new().build(), clipping);
    let fit = Fit::new(2, 12)
        .average_weights(0.5)
        .devices(&devices)
        .quiet();
    let trained = fit.run(&run, Point::new(&devices), optimizer, 0.1, &rows(), &rows());
    let (point, _) = trained.unwrap();
    assert_all_close(
        &values(point.at.val()),
        &[4.0, -3.0],
        1e-6,
        "clipped to nothing",
    );
    assert!(values(point.norm.beta.val()) != [0.0, 0.0]);
}
