//! `FusedAdam` against burn's own Adam and AdamW.
#![cfg(feature = "train")]

mod common;

use burn::module::ParamGroup;
use burn::nn::{Linear, LinearConfig};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::Tolerance;
use burn_generative::train::FusedAdamConfig;
use common::devices;

/// Weights after some steps down a bowl that moves, each gradient some thousand times the one before or after.
fn train(
    mut model: Linear,
    optimizer: &mut ModuleOptimizer,
    steps: std::ops::Range<usize>,
) -> Linear {
    let device = model.weight.val().device();
    for step in steps {
        let input = Tensor::<2>::ones([3, 7], &device).mul_scalar(1.0 + step as f64);
        let scale = [1e-3, 1.0, 30.0][step % 3];
        let loss = model.forward(input).sub_scalar(step as f64).square().mean() * scale;
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.01 / (1.0 + step as f64), model, gradients);
    }
    model
}

fn assert_same(name: &str, ours: &Linear, burns: &Linear) {
    let tolerance = Tolerance::<f32>::rel_abs(2e-5, 1e-6);
    let close =
        |ours: TensorData, burns: TensorData| ours.assert_approx_eq::<f32>(&burns, tolerance);
    println!("{name}");
    close(
        ours.weight.val().into_data(),
        burns.weight.val().into_data(),
    );
    let bias = |model: &Linear| model.bias.as_ref().unwrap().val().into_data();
    close(bias(ours), bias(burns));
}

fn fused() -> FusedAdamConfig {
    FusedAdamConfig::new()
}

/// Every pair of configurations that should come to the same.
fn pairs() -> Vec<(&'static str, ModuleOptimizer, ModuleOptimizer)> {
    let (l2, decay) = (0.3, 0.7);
    vec![
        (
            "Adam",
            fused().init().unwrap(),
            AdamConfig::new().with_epsilon(1e-8).init(),
        ),
        (
            "other betas, a large epsilon",
            fused()
                .with_beta_1(0.5)
                .with_beta_2(0.9)
                .with_epsilon(0.1)
                .init()
                .unwrap(),
            AdamConfig::new()
                .with_beta_1(0.5)
                .with_beta_2(0.9)
                .with_epsilon(0.1)
                .init(),
        ),
        (
            "L2",
            fused().with_l2(l2).init().unwrap(),
            AdamConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(Some(WeightDecayConfig::new(l2)))
                .init(),
        ),
        (
            "AdamW",
            fused().with_weight_decay(decay).init().unwrap(),
            AdamWConfig::new()
                .with_epsilon(1e-8)
                .with_weight_decay(decay)
                .init(),
        ),
    ]
}

#[test]
fn is_burns_adam() {
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for (name, mut ours, mut burns) in pairs() {
            let model = LinearConfig::new(7, 5).init(&device);
            let _ = model.weight.val(); // drawn before it is shared
            let _ = model.bias.as_ref().map(|bias| bias.val());
            let start = model.weight.val().into_data();
            let a = train(model.clone(), &mut ours, 0..12);
            let b = train(model, &mut burns, 0..12);
            assert_same(&format!("{name} on {device_name}"), &a, &b);
            assert_ne!(start, a.weight.val().into_data(), "nothing moved");
        }
    }
}

/// A record of either is a record of the other, and nothing is lost on the way.
#[test]
fn goes_on_from_a_record() {
    // The same on every backend: what is recorded is numbers.
    let device = common::cpu().autodiff();
    let burns = || AdamConfig::new().with_epsilon(1e-8).init();
    let ours = || fused().init().unwrap();
    let burns_w = || {
        let config = AdamWConfig::new().with_epsilon(1e-8);
        config.with_weight_decay(0.7).init()
    };
    let ours_w = || fused().with_weight_decay(0.7).init().unwrap();
    type Make<'a> = &'a dyn Fn() -> ModuleOptimizer;
    let cases: [(&str, Make, Make, Make); 5] = [
        ("ours, ours", &ours, &ours, &ours),
        ("burn's, then ours", &burns, &ours, &ours),
        ("ours, then burn's", &ours, &burns, &ours),
        ("burn's AdamW, then ours", &burns_w, &ours_w, &ours_w),
        ("ours, then burn's AdamW", &ours_w, &burns_w, &ours_w),
    ];
    for (name, first, second, throughout) in cases {
        let model = LinearConfig::new(7, 5).init(&device);
        let _ = (
            model.weight.val(),
            model.bias.as_ref().map(|bias| bias.val()),
        );
        let whole = train(model.clone(), &mut throughout(), 0..9);

        let mut before = first();
        let half = train(model, &mut before, 0..4);
        let bytes = before.into_bytes().unwrap();
        let mut after = second().from_bytes(bytes).unwrap();
        assert_same(name, &train(half, &mut after, 4..9), &whole);
    }
}

/// A group of its own, as an adversarial model's critic has it.
#[test]
fn is_an_optimizer_of_a_group() {
    let device = Device::default().autodiff();
    let bias = ParamGroup::from_regex("^bias$").unwrap();
    let model = LinearConfig::new(7, 5).init(&device);
    let _ = (
        model.weight.val(),
        model.bias.as_ref().map(|bias| bias.val()),
    );
    let slow = fused().with_beta_1(0.5);
    let mut ours = fused()
        .init()
        .unwrap()
        .with_group(bias.clone(), slow.build().unwrap(), None);
    let adam = AdamConfig::new().with_epsilon(1e-8);
    let mut burns = adam
        .init()
        .with_group(bias, adam.with_beta_1(0.5).build(), None);
    let a = train(model.clone(), &mut ours, 0..6);
    assert_same("groups", &a, &train(model, &mut burns, 0..6));
}

#[test]
fn refuses_what_cannot_work() {
    for (config, named) in [
        (fused().with_beta_1(1.0), "beta_1"),
        (fused().with_beta_2(-0.1), "beta_2"),
        (fused().with_beta_2(f32::NAN), "beta_2"),
        (fused().with_epsilon(-1.0), "epsilon"),
        (fused().with_epsilon(0.0), "epsilon"),
        (fused().with_weight_decay(f32::INFINITY), "weight_decay"),
        (fused().with_l2(f32::NAN), "l2"),
    ] {
        let message = config.init().err().expect("refused").to_string();
        assert!(message.contains(named), "{message}");
    }
}
