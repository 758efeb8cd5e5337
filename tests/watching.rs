//! The metrics that watch a training: active units, KL per coordinate, gradient norms, each against a plain
//! computation of the same.
#![cfg(all(feature = "data", feature = "train"))]

mod common;

use burn::data::dataloader::Progress;
use burn::nn::LinearConfig;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::train::metric::{Metric, MetricMetadata, Numeric};
use burn_generative::prelude::*;
use burn_generative::train::{ActiveUnits, FusedAdamConfig, GradientNorm, KlPerCoordinate};
use common::{devices, noise, tensor, values};

fn metadata() -> MetricMetadata {
    MetricMetadata {
        progress: Progress::new(1, 1, None),
        iteration: Some(1),
        lr: None,
    }
}

/// Losses of a batch with this posterior.
fn losses(posterior: &DiagonalGaussian) -> Losses {
    let prior = StandardNormal::new(posterior.mean().dims()[1]);
    Kl::default().losses(posterior, &posterior.draw(), &prior)
}

#[test]
fn coordinates_add_up_to_the_kl() {
    for (_, device) in devices() {
        let mean = tensor::<2>([5, 3], &device, noise(1, 2.0));
        let q = DiagonalGaussian::new(mean, tensor([5, 3], &device, noise(2, 1.0)));
        let sums = values(
            losses(&q)
                .watched(Losses::COORDINATE_KL)
                .unwrap()
                .sum_dim(1)
                .reshape([5]),
        );
        for (sum, kl) in sums.iter().zip(values(q.kl_to_standard_normal())) {
            assert!((sum - kl).abs() < 1e-5 * (1.0 + kl), "{sum}, not {kl}");
        }
    }
}

/// Coordinates of standard deviation 0, 0.05, 0.15 and 1, wherever they are: the last two have a variance above
/// 0.01. In batches of several sizes.
#[test]
fn active_units_are_those_whose_mean_varies() {
    for (_, device) in devices() {
        for offset in [0.0, 1000.0] {
            let scales = [0.0, 0.05, 0.15, 1.0];
            let mut metric = ActiveUnits::new();
            for (batch, seed) in [(100, 1), (37, 2), (1, 3)] {
                let mean = tensor::<2>([batch, 4], &device, |i| {
                    offset + scales[i % 4] * noise(seed, 1.0)(i)
                });
                let q = DiagonalGaussian::new(mean, Tensor::zeros([batch, 4], &device));
                metric.update(&losses(&q), &metadata()).unwrap();
            }
            let entry = metric.compute().unwrap();
            assert_eq!(entry.formatted, "2 of 4", "at {offset}");
            assert_eq!(metric.final_value().current(), 2.0);
            metric.clear();
            assert!(metric.final_value().current().is_nan(), "nothing was seen");
        }
    }
}

#[test]
fn kl_per_coordinate_is_its_mean_over_the_samples() {
    for (_, device) in devices() {
        // A coordinate of mean m and variance 1 costs m^2 / 2.
        let mut metric = KlPerCoordinate::new();
        for batch in [3, 1] {
            let mean = tensor::<2>([batch, 3], &device, |i| [0.0, 4.0, 1.0][i % 3]);
            let q = DiagonalGaussian::new(mean, Tensor::zeros([batch, 3], &device));
            metric.update(&losses(&q), &metadata()).unwrap();
        }
        assert_eq!(metric.compute().unwrap().formatted, "8.00 0.50 0.00");
    }
}

#[test]
fn the_gradient_norm_is_that_of_all_parameters() {
    for (_, device) in devices() {
        let device = device.autodiff();
        let mut model = LinearConfig::new(4, 3).init(&device);
        let mut norm = GradientNorm::new("gradient norm", 2);
        let adam = FusedAdamConfig::new().build().unwrap().watched_by(&norm);
        let mut optimizer = ModuleOptimizer::from(adam);
        let mut expected = Vec::new();
        for step in 0..5 {
            let input = tensor::<2>([6, 4], &device, noise(step, 1.0));
            let gradients = model.forward(input).square().sum().backward();
            let square = |gradient: f64| gradient * gradient;
            let weight = values(model.weight.grad(&gradients).unwrap().flatten::<1>(0, 1));
            let bias = values(model.bias.as_ref().unwrap().grad(&gradients).unwrap());
            if step % 2 == 0 {
                let squares = weight.into_iter().chain(bias).map(square);
                expected.push(squares.sum::<f64>().sqrt());
            }
            let gradients = GradientsParams::from_grads(gradients, &model);
            model = optimizer.step(0.01, model, gradients);
        }
        norm.compute().unwrap();
        let (got, want) = (
            norm.final_value().current(),
            expected.iter().sum::<f64>() / expected.len() as f64,
        );
        assert!((got - want).abs() < 1e-4 * want, "{got}, not {want}");
    }
}
