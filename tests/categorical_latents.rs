//! Categorical latents: one-hot vectors whose draws have a gradient in training.

mod common;

use burn::prelude::*;
use burn::tensor::DType;
use burn::tensor::activation::softmax;
use burn_generative::distribution::{Categorical, GumbelSoftmax};
use burn_generative::metric::importance_weighted_bound;
use burn_generative::nn::{GumbelHead, Temperature};
use burn_generative::prelude::*;
use burn_generative::prior::UniformCategorical;
use common::{assert_all_close, assert_close, derivative, noise, seeded, tensor, values};

/// Two variables of three classes.
const SHAPE: [usize; 3] = [4, 2, 3];

fn logits(device: &Device) -> Tensor<3> {
    tensor(SHAPE, device, noise(1, 2.0))
}

/// Uniform numbers in (0, 1).
fn uniform(device: &Device) -> Tensor<3> {
    tensor(SHAPE, device, |i| 0.5 + noise(5, 0.49)(i))
}

fn relaxed(logits: Tensor<3>, temperature: f64) -> GumbelSoftmax {
    let temperature = Tensor::full([1], temperature, &logits.device());
    GumbelSoftmax::new(logits, temperature)
}

/// All nine one-hot latents of two variables of three classes, for each of `batch` samples in turn.
fn all_latents(batch: usize, device: &Device) -> impl Iterator<Item = Tensor<2>> {
    (0..9).map(move |pair| {
        let hot = move |i: usize| f64::from(i % 6 == pair / 3 || i % 6 == 3 + pair % 3);
        tensor([batch, 6], device, hot)
    })
}

/// The divergence is that of the categorical distribution: a sum over all that it can draw.
#[test]
fn kl_and_log_probability_are_those_of_an_enumeration() {
    let device = common::cpu();
    let posterior = relaxed(logits(&device), 0.7);
    let prior = UniformCategorical::new(2, 3).unwrap();
    let (mut total, mut kl) = ([0.0; 4], [0.0; 4]);
    for z in all_latents(4, &device) {
        let log_q = values(posterior.log_prob(z.clone()));
        let log_p = values(prior.log_prob(z));
        for sample in 0..4 {
            total[sample] += log_q[sample].exp();
            kl[sample] += log_q[sample].exp() * (log_q[sample] - log_p[sample]);
        }
    }
    assert_all_close(&total, &[1.0; 4], 1e-5, "all of them");
    let exact = values(prior.exact_kl(&posterior).unwrap());
    assert_all_close(&exact, &kl, 1e-5, "kl");
    assert!(exact.iter().all(|&kl| kl > 0.01), "{exact:?}");
    // Whatever the temperature, and whatever was drawn.
    let training = device.autodiff();
    let cold = relaxed(logits(&training), 0.05);
    let drawn = values(prior.kl(&cold, &cold.draw()));
    assert_all_close(&drawn, &kl, 1e-5, "at another temperature");
    assert!(StandardNormal::new(6).exact_kl(&cold).is_none());
}

/// A draw in training is a softmax of logits and Gumbel noise, `-ln(-ln u)`; its gradient that of finite differences. The
/// straight-through draw has the same gradient, and is one-hot.
#[test]
fn straight_through_has_the_gradient_of_the_relaxed_draw() {
    let device = common::cpu().autodiff();
    let temperature = 0.6;
    let weights = || tensor([4, 6], &device, noise(3, 1.0));
    let gradient = |straight: bool| {
        let logits = logits(&device).require_grad();
        let posterior = relaxed(logits.clone(), temperature);
        let posterior = if straight {
            posterior.straight_through()
        } else {
            posterior
        };
        let z = posterior.rsample_with(uniform(&device));
        let gradients = (z.clone() * weights()).sum().backward();
        (values(z), values(logits.grad(&gradients).unwrap()))
    };
    let (soft, of_soft) = gradient(false);
    let (hard, of_hard) = gradient(true);
    assert_all_close(&of_hard, &of_soft, 1e-6, "gradient");
    assert!(of_soft.iter().any(|&slope| slope.abs() > 0.05));

    let gumbel: Vec<f64> = values(uniform(&device))
        .iter()
        .map(|u| -(-u.ln()).ln())
        .collect();
    let plain = values(logits(&device));
    let drawn = |plain: &[f64]| -> Vec<f64> {
        let noisy: Vec<f64> = plain
            .iter()
            .zip(&gumbel)
            .map(|(l, g)| (l + g) / temperature)
            .collect();
        let softmax = noisy.chunks(3).flat_map(|classes| {
            let sum: f64 = classes.iter().map(|x| x.exp()).sum();
            classes
                .iter()
                .map(move |x| x.exp() / sum)
                .collect::<Vec<_>>()
        });
        softmax.collect()
    };
    assert_all_close(&soft, &drawn(&plain), 1e-5, "draw");
    for (soft, hard) in soft.chunks(3).zip(hard.chunks(3)) {
        let largest = soft.iter().copied().fold(0.0, f64::max);
        let want: Vec<f64> = soft.iter().map(|&x| f64::from(x == largest)).collect();
        assert_eq!(hard, want, "to the bit");
    }
    let probe = values(weights());
    for at in 0..plain.len() {
        let objective = |logit: f64| {
            let mut moved = plain.clone();
            moved[at] = logit;
            drawn(&moved).iter().zip(&probe).map(|(z, w)| z * w).sum()
        };
        assert_close(of_soft[at], derivative(objective, plain[at]), 1e-4, "slope");
    }
}

/// In evaluation every draw is one-hot and comes as often as its class is probable; it is that which a temperature towards 0
/// leads to.
#[test]
fn draws_in_evaluation_are_those_of_the_categorical_distribution() {
    let (training, _turn) = seeded(1);
    let device = training.clone().inner();
    let one = Tensor::<3>::from_floats([[[0.0, 1.0, -1.0]]], &device);
    let many = relaxed(one.clone().repeat_dim(0, 20_000), 0.5);
    let z = many.rsample();
    assert_eq!(values(z.clone().max_dim(1)), vec![1.0; 20_000]);
    assert_eq!(values(z.clone().sum_dim(1)), vec![1.0; 20_000]);
    let shares = values(z.mean_dim(0));
    for (share, want) in shares.iter().zip(values(softmax(one, 2))) {
        let deviation = (want * (1.0 - want) / 20_000.0).sqrt();
        assert!((share - want).abs() < 5.0 * deviation, "{share} of {want}");
    }

    let hard = values(relaxed(logits(&device), 0.5).rsample_with(uniform(&device)));
    let cold = relaxed(logits(&training), 1e-4).rsample_with(uniform(&training));
    assert_all_close(&values(cold), &hard, 1e-3, "a low temperature");
    let point = relaxed(logits(&device), 0.5)
        .point()
        .reshape([4, 2, 3])
        .argmax(2);
    let want = Categorical::<2>::new(logits(&device)).point();
    let flat = |indices: Tensor<1, Int>| indices.into_data().iter::<i64>().collect::<Vec<_>>();
    assert_eq!(flat(point.flatten(0, 2)), flat(want.flatten(0, 1)));

    let prior = UniformCategorical::new(5, 4)
        .unwrap()
        .sample(4_000, &device);
    let classes = prior.reshape([20_000, 4]);
    assert_eq!(values(classes.clone().sum_dim(1)), vec![1.0; 20_000]);
    for share in values(classes.mean_dim(0)) {
        assert!((share - 0.25).abs() < 0.016, "{share}");
    }
}

/// Noise of 0 and next to 1, and logits far apart, in sixteen bits as well: every number and every slope is finite.
#[test]
fn nothing_is_infinite_at_the_ends_of_the_noise() {
    let device = common::cpu().autodiff();
    let ends = tensor(SHAPE, &device, |i| [0.0, 0.5, 1.0 - 6e-8][i % 3]);
    for dtype in [DType::F32, DType::F16, DType::BF16] {
        let logits = (logits(&device) * 30.0).cast(dtype).require_grad();
        let temperature = Tensor::full([1], 0.1, (&device, dtype));
        let z = GumbelSoftmax::new(logits.clone(), temperature).rsample_with(ends.clone());
        assert_eq!(z.dtype(), dtype);
        let weights = tensor([4, 6], &device, noise(3, 1.0)).cast(dtype);
        let gradients = (z.clone() * weights).sum().backward();
        let slopes = values(logits.grad(&gradients).unwrap());
        for number in values(z).into_iter().chain(slopes) {
            assert!(number.is_finite(), "{number} in {dtype:?}");
        }
    }
}

#[test]
fn a_temperature_falls_in_training_alone() {
    let (device, _turn) = seeded(2);
    let temperature = Temperature::annealed(1.0, 0.5, 0.1, &device).unwrap();
    let head = GumbelHead::new(5, [2, 3], temperature, &device);
    let features = tensor([4, 5], &device, noise(1, 1.0));
    let mut seen = Vec::new();
    for _batch in 0..9 {
        seen.push(values(head.forward(features.clone()).temperature())[0]);
    }
    let want: Vec<f64> = (0..9)
        .map(|t| (-0.1 * f64::from(t)).exp().max(0.5))
        .collect();
    assert_all_close(&seen, &want, 1e-6, "temperature");
    let count = values(head.temperature().value());
    burn::module::Module::valid(&head).forward(features.clone().without_autodiff());
    burn_generative::nn::frozen_copy(&head).forward(features);
    assert_eq!(values(head.temperature().value()), count);
}

/// A VAE of one variable of two classes whose evidence is a sum of two terms: the bound of many draws meets it.
#[test]
fn a_bound_of_hard_draws_meets_the_evidence() {
    let (device, _turn) = seeded(3);
    let temperature = Temperature::constant(0.7, &device).unwrap();
    let head = |features| GumbelHead::new(features, [1, 2], temperature, &device);
    let encoder = MlpEncoderConfig::new(vec![3], 2).with_hidden(vec![8]);
    let vae = Vae::new(
        encoder.init_with_head::<_, 2>(&device, head).unwrap(),
        MlpDecoderConfig::new(2, vec![3])
            .with_hidden(vec![8])
            .init(&device)
            .unwrap(),
        UniformCategorical::new(1, 2).unwrap(),
        BernoulliNll,
    );
    let vae = burn::module::Module::valid(&vae);
    let plain = device.clone().inner();
    let rows = tensor([5, 3], &plain, |i| f64::from(i % 2 == 0));
    let likelihood = |class: usize| {
        let z = tensor([5, 2], &plain, |i| f64::from(i % 2 == class));
        values(BernoulliNll.loss(vae.decode(z), rows.clone()).neg())
    };
    let [first, second] = [0, 1].map(likelihood);
    let pairs = first.iter().zip(&second);
    let exact: Vec<f64> = pairs
        .map(|(a, b)| (0.5 * (a.exp() + b.exp())).ln())
        .collect();
    let bound = importance_weighted_bound(&vae, rows.clone(), 500).unwrap();
    assert_all_close(&values(bound.log_prob), &exact, 2e-2, "log p(x)");
    let losses = vae.losses(rows);
    assert!(values(losses.total).iter().all(|x| x.is_finite()));
}

#[test]
fn what_cannot_work_is_named() {
    let device = Device::default();
    for (error, word) in [
        (Temperature::constant(0.0, &device).err(), "the least"),
        (
            Temperature::annealed(0.5, 1.0, 0.1, &device).err(),
            "exchange",
        ),
        (Temperature::annealed(1.0, 0.5, -0.1, &device).err(), "rate"),
        (UniformCategorical::new(3, 1).err(), "1 classes"),
        (UniformCategorical::new(0, 3).err(), "variables"),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.contains(word), "{error}");
    }
}
