//! Every density and likelihood with a variance of its own, in whatever unit data or codes come: its value is the
//! Gaussian's, less the logarithm of the unit.

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn_generative::loss::{LearnedGaussianNll, Nll};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, SwissRollConfig};
use common::{assert_all_close, assert_close, devices, noise, tensor, values};

const SCALES: [f64; 9] = [1e-12, 1e-8, 1e-3, 1.0, 3e4, 1e5, 1e6, 1e9, 1e12];

#[test]
fn densities() {
    for (name, device) in devices() {
        for scale in SCALES {
            let what = format!("scale {scale:.0e} on {name}");
            let points = noise(1, 2.0);
            let z = tensor([20, 2], &device, |i| points(i) * scale);
            let back = |log_prob: Tensor<1>| -> Vec<f64> {
                let all = values(log_prob);
                all.into_iter().map(|one| one + 2.0 * scale.ln()).collect()
            };
            let mixture = |scale: f64| {
                GaussianMixture::new(
                    tensor([2], &device, |i| [0.0, 0.7][i]),
                    tensor([2, 2], &device, |i| [1.0, 0.0, -1.0, 0.5][i] * scale),
                    tensor([2, 2], &device, |i| {
                        [0.3, -0.2, 0.8, 0.1][i] + 2.0 * scale.ln()
                    }),
                )
            };
            let unit = tensor([20, 2], &device, &points);
            let want = values(mixture(1.0).log_prob(unit.clone()));
            assert_all_close(
                &back(mixture(scale).log_prob(z.clone())),
                &want,
                1e-4,
                &what,
            );
            let ring =
                |scale: f64| GaussianMixture::ring(3, 1.5 * scale, 0.4 * scale, &device).unwrap();
            let want = values(ring(1.0).log_prob(unit.clone()));
            assert_all_close(&back(ring(scale).log_prob(z.clone())), &want, 1e-4, &what);
            let drawn = values(ring(scale).sample(2000, &device));
            let square = drawn.iter().map(|x| (x / scale).powi(2)).sum::<f64>() / 2000.0;
            assert_close(square, 1.5 * 1.5 + 2.0 * 0.16, 0.06, &what);
            let roll = |scale: f64| {
                let config = SwissRollConfig::new().with_radius(2.0 * scale);
                config.with_sigma(0.3 * scale).init().unwrap()
            };
            let want = values(roll(1.0).log_prob(unit));
            assert_all_close(&back(roll(scale).log_prob(z)), &want, 1e-4, &what);
        }
    }
}

/// Sets every parameter to a number.
struct SetTo(f64);

impl ModuleMapper for SetTo {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| old.full_like(self.0))
    }
}

#[test]
fn likelihoods() {
    let ln_2pi = std::f64::consts::TAU.ln();
    for (name, device) in devices() {
        for scale in SCALES {
            let what = format!("scale {scale:.0e} on {name}");
            let residuals = noise(2, 1.7);
            let zeros = Tensor::<2>::zeros([30, 4], &device);
            let data = tensor([30, 4], &device, |i| residuals(i) * scale);
            let mean_square = (0..120).map(|i| residuals(i).powi(2)).sum::<f64>() / 120.0;
            // Of four elements, with the variance at its best.
            let want = 2.0 * (ln_2pi + mean_square.ln() + 1.0) + 4.0 * scale.ln();
            let mean = |loss: Tensor<1>| values(loss.mean())[0];

            let fixed = GaussianNll::new(mean_square * scale * scale).unwrap();
            assert_close(
                mean(fixed.loss(zeros.clone(), data.clone())),
                want,
                1e-5,
                &what,
            );

            let log_var = zeros.full_like(mean_square.ln() + 2.0 * scale.ln());
            let output = DiagonalGaussian::over_data(zeros.clone(), log_var);
            let each = Nll.loss(output, data.clone());
            assert_close(mean(each), want, 1e-5, &what);

            let best = SetTo(mean_square.ln() + 2.0 * scale.ln());
            let shared = LearnedGaussianNll::new(&device).map(&mut { best });
            assert_close(
                mean(shared.loss(zeros.clone(), data.clone())),
                want,
                1e-5,
                &what,
            );

            // Learned from a variance of 1 on, as far as the square of its gradient is an `f32`. (Not on wgpu, which here
            // is a slow CPU.)
            if name == "wgpu" || scale > 1e9 {
                continue;
            }
            let training = device.clone().autodiff();
            let mut learned = LearnedGaussianNll::new(&training);
            // Without a memory, as the gradients differ by many orders of magnitude.
            let mut optimizer = AdamConfig::new().with_beta_1(0.0).with_beta_2(0.0).init();
            for step in 0..600 {
                let (zeros, data) = (zeros.clone().autodiff(), data.clone().autodiff());
                let loss = learned.loss(zeros, data).mean();
                let gradients = GradientsParams::from_grads(loss.backward(), &learned);
                let rate = 0.3 * 0.97f64.powi((step - 400).max(0));
                learned = optimizer.step(rate, learned, gradients);
            }
            let learned = learned.valid();
            let deviation = (0.5 * values(learned.log_var())[0]).exp() / scale;
            assert_close(deviation / mean_square.sqrt(), 1.0, 0.02, &what);
            assert_close(mean(learned.loss(zeros, data)), want, 1e-3, &what);
        }
    }
}
