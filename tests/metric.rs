//! The metrics against closed forms, brute force and their own error bars.

mod common;

use burn::module::Module;
use burn::prelude::*;
use burn_generative::Error;
use burn_generative::metric::{
    Estimate, FeatureStatistics, MmdKernel, Pca, active_units, auroc, auroc_interval, elbo,
    extrapolated_frechet_distance, importance_weighted_bound, kl_per_coordinate,
    latent_information, mmd_test, precision_recall, quantile, squared_mmd,
};
use burn_generative::nn::MlpCriticConfig;
use burn_generative::prelude::*;
use common::{assert_all_close, assert_close, cpu, devices, noise, tensor, values};
use nalgebra::{DMatrix, DVector};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::sync::MutexGuard;

const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// Standard normal numbers of a generator that no other test shares.
struct Normal(Pcg64);

impl Normal {
    fn new(seed: u64) -> Self {
        Self(Pcg64::seed_from_u64(seed))
    }

    fn draw(&mut self) -> f64 {
        let (u, v): (f64, f64) = (1.0 - self.0.random::<f64>(), self.0.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    fn rows(&mut self, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let all: Vec<f64> = (0..shape[0] * shape[1]).map(|_| self.draw()).collect();
        tensor(shape, device, |i| all[i])
    }
}

/// Seeds a device's generator, which all tests of this file share: those that draw from it take turns.
fn seeded(device: &Device) -> MutexGuard<'static, ()> {
    let turn = common::alone();
    device.seed(7);
    turn
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

const WEIGHTS: [f64; 8] = [1.0, 0.2, -0.7, 0.4, -0.1, 0.9, 0.3, 0.8];
const BIAS: [f64; 4] = [0.3, -0.2, 0.1, 0.5];
const VARIANCE: f64 = 0.25;

/// `x = W z + b + noise / 2`, of which everything is known; with a posterior that is near the true one and too wide.
#[derive(Module, Debug)]
struct Linear;

impl Encoder for Linear {
    type Input = Tensor<2>;
    type Code = DiagonalGaussian;
    fn encode(&self, x: Tensor<2>) -> DiagonalGaussian {
        let means = x.narrow(1, 0, 2) * 0.5;
        let log_vars = means.full_like(-0.5);
        DiagonalGaussian::new(means, log_vars)
    }
}

impl Decoder for Linear {
    type Latent = Tensor<2>;
    type Output = Tensor<2>;
    fn decode(&self, z: Tensor<2>) -> Tensor<2> {
        let device = z.device();
        z.matmul(tensor([2, 4], &device, |i| WEIGHTS[i])) + tensor([1, 4], &device, |i| BIAS[i])
    }
}

type LinearVae = Vae<Linear, Linear, StandardNormal, GaussianNll>;

fn linear_vae() -> LinearVae {
    // A beta of which no bound may know.
    let config = VaeConfig::new().with_beta(4.0);
    let likelihood = GaussianNll::new(VARIANCE).unwrap();
    config
        .init(Linear, Linear, StandardNormal::new(2), likelihood)
        .unwrap()
}

/// Data of the model itself.
fn linear_data(n: usize, device: &Device) -> Tensor<2> {
    let mut normal = Normal::new(5);
    let z = normal.rows([n, 2], device);
    Linear.decode(z) + normal.rows([n, 4], device) * VARIANCE.sqrt()
}

/// `log p(x)` of the linear model: a Gaussian with the covariance `Wᵀ W + variance`.
fn exact(data: &Tensor<2>) -> Vec<f64> {
    let w = DMatrix::from_row_slice(2, 4, &WEIGHTS);
    let covariance = w.transpose() * &w + DMatrix::identity(4, 4) * VARIANCE;
    let log_determinant = covariance.determinant().ln();
    let inverse = covariance.try_inverse().unwrap();
    values(data.clone())
        .chunks(4)
        .map(|x| {
            let x = DVector::from_fn(4, |i, _| x[i] - BIAS[i]);
            -0.5 * ((x.transpose() * &inverse * &x)[0] + log_determinant + 4.0 * LN_2PI)
        })
        .collect()
}

#[test]
fn the_bound_of_a_linear_vae_rises_to_the_exact_log_probability() {
    let device = cpu();
    let _turn = seeded(&device);
    let (vae, data) = (linear_vae(), linear_data(200, &device));
    let exact = exact(&data);
    let bound = |k| importance_weighted_bound(&vae, data.clone(), k).unwrap();
    let means = [1, 5, 50].map(|k| mean(&values(bound(k).log_prob)));
    for pair in means.windows(2) {
        assert!(pair[0] < pair[1], "{means:?} does not rise");
    }
    let best = bound(5000);
    let (got, error) = (values(best.log_prob), values(best.standard_error));
    assert!(
        (mean(&got) - mean(&exact)).abs() < 0.02,
        "{} against {}",
        mean(&got),
        mean(&exact)
    );
    // Each sample within its own error bars, which are not wide either.
    for ((got, exact), error) in got.iter().zip(&exact).zip(&error) {
        assert!(*error < 0.2, "{error}");
        assert!(
            (got - exact).abs() < 6.0 * error,
            "{got} ± {error} against {exact}"
        );
    }
    let draws = values(best.effective_draws);
    assert!(draws.iter().all(|&n| n > 30.0 && n < 5000.0), "{draws:?}");
}

/// The standard error is the deviation of bounds that were drawn anew. (Not on wgpu, which here is a slow CPU: 6,000
/// draws.)
#[test]
fn the_bound_is_as_sure_as_it_says() {
    for (name, device) in devices().into_iter().filter(|(name, _)| *name != "wgpu") {
        let _turn = seeded(&device);
        let (vae, data) = (linear_vae(), linear_data(20, &device));
        let (times, k) = (60, 100);
        let draws: Vec<_> = (0..times)
            .map(|_| importance_weighted_bound(&vae, data.clone(), k).unwrap())
            .collect();
        let bounds: Vec<_> = draws
            .iter()
            .map(|draw| values(draw.log_prob.clone()))
            .collect();
        let errors: Vec<_> = draws
            .iter()
            .map(|draw| values(draw.standard_error.clone()))
            .collect();
        let of_sample =
            |all: &[Vec<f64>], i: usize| all.iter().map(|one| one[i]).collect::<Vec<_>>();
        let (mut said, mut seen) = (0.0, 0.0);
        for i in 0..20 {
            let bounds = of_sample(&bounds, i);
            let centre = mean(&bounds);
            seen += bounds.iter().map(|b| (b - centre).powi(2)).sum::<f64>() / (times - 1) as f64;
            said += mean(
                &of_sample(&errors, i)
                    .iter()
                    .map(|e| e * e)
                    .collect::<Vec<_>>(),
            );
        }
        let ratio = (said / seen).sqrt();
        assert!((0.75..1.33).contains(&ratio), "{ratio} on {name}");
    }
}

#[test]
fn a_single_draw_is_a_draw_of_the_elbo() {
    for (name, device) in devices() {
        let _turn = seeded(&device);
        let (vae, data) = (linear_vae(), linear_data(400, &device));
        let one = importance_weighted_bound(&vae, data.clone(), 1).unwrap();
        assert!(
            values(one.standard_error).iter().all(|e| e.is_infinite()),
            "{name}"
        );
        assert!(
            values(one.effective_draws).iter().all(|&n| n == 1.0),
            "{name}"
        );
        let many = elbo(&vae, data.clone(), 200).unwrap();
        let apart = Estimate::of_batch(one.log_prob - many.total()).unwrap();
        assert!(
            apart.mean.abs() < 5.0 * apart.standard_error,
            "{apart} on {name}"
        );

        // The KL is the closed form, whatever the draws.
        let kl = vae.encode(data.clone()).kl_to_standard_normal();
        assert_all_close(&values(many.kl.clone()), &values(kl), 1e-5, name);
        // `E_q |x - W z - b|^2` in closed form.
        let q = vae.encode(data.clone());
        let residual = values(data.clone() - vae.decode(q.mean()));
        let spread: f64 = WEIGHTS.iter().map(|w| w * w).sum::<f64>() * (-0.5f64).exp();
        let want: Vec<f64> = residual
            .chunks(4)
            .map(|x| {
                let square = x.iter().map(|x| x * x).sum::<f64>() + spread;
                -0.5 * (square / VARIANCE + 4.0 * (LN_2PI + VARIANCE.ln()))
            })
            .collect();
        let errors = values(many.standard_error.clone());
        let off = values(many.log_likelihood)
            .iter()
            .zip(&want)
            .zip(&errors)
            .map(|((got, want), error)| ((got - want) / error).powi(2))
            .sum::<f64>()
            / 400.0;
        assert!((0.7..1.4).contains(&off), "chi square {off} on {name}");
    }
}

/// A weight of 0 is a weight: a prior without mass where the posterior looks does not end in NaN.
#[test]
fn a_bound_survives_weights_of_zero() {
    let device = cpu();
    let _turn = seeded(&device);
    let vae = VaeConfig::new()
        .init(
            Linear,
            Linear,
            burn_generative::prior::Uniform::new(2, 0.0, 0.5).unwrap(),
            GaussianNll::new(VARIANCE).unwrap(),
        )
        .unwrap();
    let bound = importance_weighted_bound(&vae, linear_data(50, &device), 500).unwrap();
    let all = values(bound.log_prob);
    assert!(all.iter().all(|b| b.is_finite()), "{all:?}");
    // The bound is on the mean logarithm, which no draw outside leaves finite; whichever draw that was.
    let elbo = elbo(&vae, linear_data(50, &device), 500).unwrap();
    assert!(
        values(elbo.kl.clone())
            .iter()
            .all(|&kl| kl == f64::INFINITY)
    );
    assert!(
        values(elbo.log_likelihood.clone())
            .iter()
            .all(|l| l.is_finite())
    );
    assert!(values(elbo.total()).iter().all(|&b| b == f64::NEG_INFINITY));
}

#[test]
fn no_draws_and_a_model_in_training_are_refused() {
    let training = cpu().autodiff();
    let _turn = seeded(&training); // which draws weights
    let (encoder, decoder) = common::mlp(&training);
    let vae = VaeConfig::new()
        .init(encoder, decoder, StandardNormal::new(3), BernoulliNll)
        .unwrap();
    let images = |device: &Device| tensor([2, 1, 12, 10], device, |i| noise(1, 0.5)(i) + 0.5);
    for device in [&training, &cpu()] {
        let refused = message(importance_weighted_bound(&vae, images(device), 3));
        assert!(refused.contains("take `model.valid()`"), "{refused}");
        assert!(message(elbo(&vae, images(device), 3)).contains("elbo: the model or its input"));
    }
    let vae = vae.valid();
    assert!(importance_weighted_bound(&vae, images(&training), 3).is_err());
    assert!(importance_weighted_bound(&vae, images(&cpu()), 3).is_ok());
    let none = message(importance_weighted_bound(&vae, images(&cpu()), 0));
    assert!(
        none.contains("k, the number of draws, must be at least 1"),
        "{none}"
    );
    assert!(message(elbo(&vae, images(&cpu()), 0)).contains("elbo: k"));
}

/// An adversarial autoencoder with a stochastic encoder is judged as the VAE of the same parts.
#[test]
fn an_adversarial_autoencoder_has_a_likelihood_too() {
    let device = cpu();
    let _turn = seeded(&device);
    let aae = AaeConfig::new()
        .init(
            Linear,
            Linear,
            MlpCriticConfig::new(vec![2]).init::<2>(&device).unwrap(),
            StandardNormal::new(2),
            GaussianNll::new(VARIANCE).unwrap(),
            burn_generative::loss::NonSaturating,
        )
        .unwrap();
    let data = linear_data(50, &device);
    let bound = importance_weighted_bound(&aae.as_vae(), data.clone(), 2000).unwrap();
    let off = mean(&values(bound.log_prob)) - mean(&exact(&data));
    assert!(off.abs() < 0.05, "{off}");
    let semi_supervised = SemiSupervisedAae::new(
        Linear,
        Linear,
        MlpCriticConfig::new(vec![2])
            .init_joint::<2>(4, &device)
            .unwrap(),
        burn_generative::prior::GaussianMixture::ring(3, 1.0, 0.8, &device).unwrap(),
        GaussianNll::new(VARIANCE).unwrap(),
        burn_generative::loss::NonSaturating,
    );
    let vae = VaeConfig::new()
        .init(
            Linear,
            Linear,
            semi_supervised.aae.prior.clone(),
            GaussianNll::new(VARIANCE).unwrap(),
        )
        .unwrap();
    let of_aae =
        importance_weighted_bound(&semi_supervised.aae.as_vae(), data.clone(), 2000).unwrap();
    let of_vae = importance_weighted_bound(&vae, data.clone(), 2000).unwrap();
    let apart = mean(&values(of_aae.log_prob)) - mean(&values(of_vae.log_prob));
    assert!(apart.abs() < 0.05, "{apart}");
    let terms = elbo(&aae.as_vae(), data.clone(), 1).unwrap();
    let kl = Linear.encode(data).kl_to_standard_normal();
    assert_all_close(&values(terms.kl), &values(kl), 1e-5, "kl");
}

/// A conditional model has the bound of each condition, and it is the same whatever the others in the batch are. No beta
/// enters.
#[test]
fn a_conditional_model_has_a_bound_for_each_condition() {
    /// The linear model, shifted by its label.
    #[derive(Module, Debug)]
    struct Shifted;
    fn shift(labels: Tensor<1, Int>) -> Tensor<2> {
        labels.float().unsqueeze_dim::<2>(1) * 3.0
    }
    impl Encoder for Shifted {
        type Input = (Tensor<2>, Tensor<1, Int>);
        type Code = DiagonalGaussian;
        fn encode(&self, (x, labels): Self::Input) -> DiagonalGaussian {
            Linear.encode(x - shift(labels))
        }
    }
    impl Decoder for Shifted {
        type Latent = (Tensor<2>, Tensor<1, Int>);
        type Output = Tensor<2>;
        fn decode(&self, (z, labels): Self::Latent) -> Tensor<2> {
            Linear.decode(z) + shift(labels)
        }
    }
    let device = cpu();
    let _turn = seeded(&device);
    let vae = ConditionalVae::with_latent_loss(
        Shifted,
        Shifted,
        StandardNormal::new(2),
        GaussianNll::new(VARIANCE).unwrap(),
        Kl::new(4.0).unwrap(),
    );
    let data = linear_data(90, &device);
    let want = mean(&exact(&data));
    let labels = Tensor::<1, Int>::arange(0..90, &device).remainder_scalar(3);
    let shifted = data.clone() + shift(labels.clone());
    let bound = importance_weighted_bound(&vae, (shifted.clone(), labels.clone()), 2000).unwrap();
    let got = mean(&values(bound.log_prob));
    assert!((got - want).abs() < 0.05, "{got} against {want}");
    // Under the wrong labels the data is improbable, and the terms are those of the losses.
    let wrong =
        importance_weighted_bound(&vae, (shifted.clone(), labels.clone() + 1), 2000).unwrap();
    assert!(mean(&values(wrong.log_prob)) < want - 5.0);
    let terms = elbo(&vae, (shifted.clone(), labels.clone()), 1).unwrap();
    let kl = vae.losses((shifted, labels)).term("kl").unwrap();
    assert_all_close(&values(terms.kl), &values(kl), 1e-5, "kl");
}

#[test]
fn estimates_say_how_sure_they_are() {
    let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_close(estimate.mean, 2.5, 1e-12, "mean");
    assert_close(
        estimate.standard_error,
        (5f64 / 3.0 / 4.0).sqrt(),
        1e-12,
        "error",
    );
    assert_eq!(estimate.to_string(), "2.50 ± 0.65");
    assert_eq!(format!("{estimate:.1}"), "2.5 ± 0.6");
    let close = Estimate::of(&[0.5, 0.501, 0.5005, 0.5002]).unwrap();
    assert_eq!(close.to_string(), "0.50042 ± 0.00022");
    let small = Estimate::of(&[1e-8, 2e-8, 4e-8]).unwrap();
    assert_eq!(small.to_string(), "0.0000000233 ± 0.0000000088");
    assert!(Estimate::of(&[1.0]).unwrap().standard_error.is_infinite());
    assert!(message(Estimate::of(&[])).contains("no value"));
    assert!(message(Estimate::of(&[1.0, f64::NAN])).contains("is NaN"));
}

#[test]
fn units_that_are_active_and_what_each_costs() {
    for (name, device) in devices() {
        // Standard deviations of 1, 0.5, 0.11 and 0.05, far from 0.
        let scale = [1.0, 0.5, 0.11, 0.05];
        let mut normal = Normal::new(3);
        let rows = normal.rows([2000, 4], &device) * tensor([1, 4], &device, |i| scale[i]) + 7.0;
        assert_eq!(active_units(rows).unwrap(), 3, "{name}");
        assert!(message(active_units(Tensor::zeros([1, 4], &device))).contains("2 samples"));
        // A variance just below the bound, far from 0 beside its spread.
        let n = 60_000;
        let column = |i: usize| 3000.0 + [-0.0995, 0.0995][i % 2];
        assert_eq!(active_units(tensor([n, 1], &device, column)).unwrap(), 0);
        let poisoned = Tensor::<2>::full([5, 4], f64::NAN, &device);
        assert!(
            message(active_units(poisoned)).contains("the means hold NaN"),
            "{name}"
        );

        let q = DiagonalGaussian::new(
            tensor([2, 2], &device, |i| [1.0, 0.0, 3.0, 0.0][i]),
            tensor([2, 2], &device, |i| [0.0, 0.0, 0.0, 1.0][i]),
        );
        let cost = kl_per_coordinate(&q).unwrap();
        assert_close(cost[0].mean, (0.5 + 4.5) / 2.0, 1e-5, name);
        assert_close(cost[1].mean, 0.25 * (1f64.exp() - 2.0), 1e-5, name);
        assert_close(cost[0].standard_error, 2.0, 1e-5, name);
    }
}

/// Posteriors that are far apart tell their data from all others: the information is ln n. Their mean KL is the sum of
/// both parts, up to the draw.
#[test]
fn the_kl_is_information_and_a_gap() {
    for (name, device) in devices() {
        let _turn = seeded(&device);
        let n = 64;
        let apart = DiagonalGaussian::new(
            tensor([n, 2], &device, |i| [10.0 * (i / 2) as f64, 0.0][i % 2]),
            Tensor::zeros([n, 2], &device),
        );
        let parts = latent_information(&apart, &StandardNormal::new(2)).unwrap();
        assert_close(parts.mutual_information.mean, (n as f64).ln(), 1e-3, name);

        // Means with variance 1/2, variances of 1/2: together they are the prior.
        let n = 1500;
        let mut normal = Normal::new(8);
        let means = normal.rows([n, 2], &device) * 0.5f64.sqrt();
        let q = DiagonalGaussian::new(means.clone(), means.full_like(0.5f64.ln()));
        let parts = latent_information(&q, &StandardNormal::new(2)).unwrap();
        // I = h(z) - h(z | x) = 2 * 1/2 ln(1 / (1/2)).
        let [information, gap] = [parts.mutual_information, parts.marginal_kl];
        assert_close(information.mean, 2f64.ln(), 0.08, name);
        assert!(gap.mean.abs() < 0.05, "{gap} on {name}");
        let kl = mean(&values(q.kl_to_standard_normal()));
        let error = information.standard_error.hypot(gap.standard_error);
        assert!(
            (information.mean + gap.mean - kl).abs() < 4.0 * error,
            "{name}"
        );
    }
    let one = DiagonalGaussian::new(
        Tensor::<2>::zeros([1, 2], &cpu()),
        Tensor::zeros([1, 2], &cpu()),
    );
    assert!(message(latent_information(&one, &StandardNormal::new(2))).contains("not of 1"));
}

const KERNELS: [MmdKernel; 2] = [
    MmdKernel::Rbf { variance: 1.7 },
    MmdKernel::InverseMultiquadric { scale: 4.0 },
];

#[test]
fn the_discrepancy_is_the_mean_over_pairs() {
    let kernel = |kernel: MmdKernel, a: &[f64], b: &[f64]| {
        let d2: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        match kernel {
            MmdKernel::Rbf { variance } => (-d2 / (2.0 * variance)).exp(),
            MmdKernel::InverseMultiquadric { scale } => scale / (scale + d2),
            _ => unreachable!("the two above"),
        }
    };
    for (name, device) in devices() {
        let mut normal = Normal::new(1);
        // Far from the origin, where squares lose their digits.
        let a = normal.rows([17, 3], &device) + 100.0;
        let b = normal.rows([23, 3], &device) * 1.5 + 100.5;
        for of in KERNELS {
            let (x, y) = (values(a.clone()), values(b.clone()));
            let (x, y): (Vec<_>, Vec<_>) = (x.chunks(3).collect(), y.chunks(3).collect());
            let pairs = |u: &[&[f64]], v: &[&[f64]], same: bool| {
                let mut all = Vec::new();
                for (i, u) in u.iter().enumerate() {
                    for (j, v) in v.iter().enumerate() {
                        if !(same && i == j) {
                            all.push(kernel(of, u, v));
                        }
                    }
                }
                mean(&all)
            };
            let want = pairs(&x, &x, true) + pairs(&y, &y, true) - 2.0 * pairs(&x, &y, false);
            let got = squared_mmd(a.clone(), b.clone(), of).unwrap();
            assert!((got - want).abs() < 2e-5, "{got} against {want} on {name}");
        }
    }
}

/// Of Gaussians whose distance is 1 it is known: `E k(a, b) = (s / (s + 2))^(d/2) exp(-|shift|² / (2 (s + 2)))`.
#[test]
fn the_discrepancy_of_gaussians_is_the_known_one() {
    let device = cpu();
    let (n, s): (usize, f64) = (3000, 2.0);
    let mut normal = Normal::new(2);
    let a = normal.rows([n, 2], &device);
    let b = normal.rows([n, 2], &device) + tensor([1, 2], &device, |i| [1.0, 0.0][i]);
    let near = s / (s + 2.0);
    let want = 2.0 * near * (1.0 - (-1.0 / (2.0 * (s + 2.0))).exp());
    let got = squared_mmd(a, b, MmdKernel::Rbf { variance: s }).unwrap();
    assert!((got - want).abs() < 0.01, "{got} against {want}");
}

/// Under the null hypothesis the test errs as often as it says: 5% of the time, on small samples of odd sizes.
#[test]
fn the_test_keeps_its_size_and_has_power() {
    let device = cpu();
    for kernel in KERNELS {
        let mut normal = Normal::new(11);
        let trials = 1000;
        let rejected = (0..trials)
            .filter(|&trial| {
                let (a, b) = (normal.rows([25, 2], &device), normal.rows([35, 2], &device));
                mmd_test(a, b, kernel, 99, trial).unwrap().p_value <= 0.05
            })
            .count();
        let share = rejected as f64 / trials as f64;
        assert!((share - 0.05).abs() <= 0.02, "{kernel:?} rejects {share}");

        let (a, b) = (
            normal.rows([80, 2], &device),
            normal.rows([80, 2], &device) + 0.8,
        );
        let found = mmd_test(a, b, kernel, 499, 1).unwrap();
        assert!(
            found.p_value <= 0.01 && found.squared_mmd > 0.0,
            "{found:?}"
        );
        // The same width, another shape.
        let (a, b) = (
            normal.rows([300, 2], &device),
            normal.rows([300, 2], &device) * 0.4,
        );
        assert!(mmd_test(a, b, kernel, 199, 1).unwrap().p_value <= 0.01);
    }
}

/// A kernel of any width sees what there is to see: its discrepancy falls with its width squared, and what counts as a tie
/// falls with it.
#[test]
fn the_test_sees_through_wide_and_narrow_kernels() {
    let device = cpu();
    let mut normal = Normal::new(31);
    for (width, shift, points) in [
        (300.0, 0.3, 1000),
        (1e3, 0.5, 1000),
        (1e6, 0.5, 500),
        (1e12, 0.5, 500),
        // The same points with a kernel that only neighbours feel.
        (0.02, 0.5, 1000),
    ] {
        for kernel in [
            MmdKernel::Rbf {
                variance: width * width,
            },
            MmdKernel::InverseMultiquadric {
                scale: 2.0 * width * width,
            },
        ] {
            let a = normal.rows([points, 1], &device);
            let b = normal.rows([points, 1], &device) + shift;
            let found = mmd_test(a.clone(), b, kernel, 199, 1).unwrap();
            assert_eq!(found.p_value, 0.005, "{kernel:?}: {found:?}");
            let alike = normal.rows([points, 1], &device);
            let alike = mmd_test(a, alike, kernel, 199, 1).unwrap();
            assert!(alike.p_value > 0.005, "{kernel:?}: {alike:?}");
        }
    }
}

/// Two clusters that are narrow beside their distance: squared distances in them are the difference of numbers ten
/// million times as large.
#[test]
fn narrow_clusters_far_apart_are_seen() {
    for (name, device) in devices() {
        // In the plane, and in more coordinates than are subtracted one by one.
        for width in [2, 24] {
            let mut normal = Normal::new(32);
            let mut clusters = |deviation: f64| {
                let side = tensor([200, 1], &device, |i| [500.0, -500.0][i % 2]);
                side + normal.rows([200, width], &device) * deviation
            };
            let (data, samples) = (clusters(0.05), clusters(0.08));
            let (x, y) = (values(data.clone()), values(samples.clone()));
            let (x, y): (Vec<_>, Vec<_>) = (x.chunks(width).collect(), y.chunks(width).collect());
            let kernel = |a: &[f64], b: &[f64]| (-squared_distance(a, b) / (2.0 * 0.0025)).exp();
            let want = unbiased_discrepancy(&x, &y, kernel);
            let rbf = MmdKernel::Rbf { variance: 0.0025 };
            let got = squared_mmd(data.clone(), samples.clone(), rbf).unwrap();
            assert!(
                (got - want).abs() < 1e-4 * want.abs().max(0.01),
                "{got} against {want} in {width} on {name}"
            );
            let found = precision_recall(data, samples, 3).unwrap();
            assert_eq!(
                found.precision,
                share_within(&y, &x, 3),
                "{width} on {name}"
            );
            assert_eq!(found.recall, share_within(&x, &y, 3), "{width} on {name}");
        }
        // The median distance is one inside of a cluster, if most points are in one.
        let mut normal = Normal::new(33);
        let side = tensor([100, 1], &device, |i| if i < 90 { 500.0 } else { -500.0 });
        let points = side + normal.rows([100, 24], &device) * 0.05;
        let all = values(points.clone());
        let all: Vec<_> = all.chunks(24).collect();
        let pairs = |i: usize| (i + 1..100).map(move |j| (i, j));
        let mut between: Vec<f64> = (0..100)
            .flat_map(pairs)
            .map(|(i, j)| squared_distance(all[i], all[j]))
            .collect();
        between.sort_by(f64::total_cmp);
        let half = points.clone().split(50, 0);
        let MmdKernel::Rbf { variance } = MmdKernel::rbf_median(&half[0], &half[1]).unwrap() else {
            panic!("a Gaussian kernel");
        };
        assert_close(variance / between[between.len() / 2], 1.0, 1e-3, name);
    }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The definition, pair by pair.
fn unbiased_discrepancy(x: &[&[f64]], y: &[&[f64]], kernel: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    let within = |of: &[&[f64]]| {
        let n = of.len() as f64;
        let mut sum = 0.0;
        for (i, a) in of.iter().enumerate() {
            for (j, b) in of.iter().enumerate() {
                sum += if i == j { 0.0 } else { kernel(a, b) };
            }
        }
        sum / (n * (n - 1.0))
    };
    let across: f64 = x.iter().flat_map(|a| y.iter().map(|b| kernel(a, b))).sum();
    within(x) + within(y) - 2.0 * across / (x.len() * y.len()) as f64
}

/// The definition of precision: the share of points in some ball to the k-th neighbour.
fn share_within(points: &[&[f64]], others: &[&[f64]], k: usize) -> f64 {
    let radius = |of: &[f64]| {
        let mut all: Vec<f64> = others
            .iter()
            .map(|other| squared_distance(of, other))
            .collect();
        all.sort_by(f64::total_cmp);
        all[k] // the first is the point itself
    };
    let radii: Vec<f64> = others.iter().map(|other| radius(other)).collect();
    let is_within = |point: &&&[f64]| {
        let mut balls = others.iter().zip(&radii);
        balls.any(|(centre, radius)| squared_distance(point, centre) <= *radius)
    };
    points.iter().filter(is_within).count() as f64 / points.len() as f64
}

/// Where all permutations are alike, rounding must not tell them apart.
#[test]
fn the_test_counts_ties() {
    let device = cpu();
    for n in [20, 50, 100] {
        for kernel in KERNELS {
            // All points are the same but for one: every permutation has the observed discrepancy.
            let a = tensor([n, 1], &device, |i| f64::from(u8::from(i == 0)));
            let test = mmd_test(a, Tensor::zeros([n, 1], &device), kernel, 199, 3).unwrap();
            assert_eq!(test.p_value, 1.0, "{n}, {kernel:?}: {test:?}");
        }
    }
}

#[test]
fn the_median_sets_the_scale_where_there_is_one() {
    for (name, device) in devices() {
        let line = tensor([5, 1], &device, |i| i as f64 + 1000.0);
        let MmdKernel::Rbf { variance } =
            MmdKernel::rbf_median(&line.clone().narrow(0, 0, 3), &line.narrow(0, 3, 2)).unwrap()
        else {
            panic!("a Gaussian kernel");
        };
        // Distances 1 (4 times), 2 (3), 3 (2), 4 (1): the squared median is 4.
        assert_close(variance, 4.0, 1e-5, name);
    }
    let device = cpu();
    let same = Tensor::<2>::ones([9, 3], &device);
    let empty = message(MmdKernel::rbf_median(
        &same,
        &Tensor::zeros([0, 3], &device),
    ));
    assert!(empty.contains("has no points"), "{empty}");
    let none = message(MmdKernel::rbf_median(&same, &same));
    assert!(none.contains("the same point"), "{none}");
    let (two, three) = (
        Tensor::<2>::ones([4, 2], &device),
        Tensor::<2>::ones([4, 3], &device),
    );
    assert!(message(squared_mmd(two.clone(), three, KERNELS[0])).contains("2 and 3 coordinates"));
    let one = two.clone().narrow(0, 0, 1);
    assert!(message(squared_mmd(two.clone(), one, KERNELS[0])).contains("at least 2 points"));
    let flat = MmdKernel::Rbf { variance: 0.0 };
    assert!(message(squared_mmd(two.clone(), two.clone(), flat)).contains("variance must be"));
    assert!(message(mmd_test(two.clone(), two, KERNELS[0], 0, 1)).contains("1 permutation"));
}

fn gaussian(mean: &[f64], covariance: &[&[f64]]) -> FeatureStatistics {
    let covariance: Vec<Vec<f64>> = covariance.iter().map(|row| row.to_vec()).collect();
    FeatureStatistics::from_moments(1000, mean, &covariance).unwrap()
}

#[test]
fn the_frechet_distance_of_known_gaussians_is_exact() {
    // Diagonal: the distance of the means, and of the standard deviations.
    let a = gaussian(
        &[0.0, 1.0, 2.0],
        &[&[4.0, 0.0, 0.0], &[0.0, 9.0, 0.0], &[0.0, 0.0, 0.0]],
    );
    let b = gaussian(
        &[1.0, 1.0, 4.0],
        &[&[1.0, 0.0, 0.0], &[0.0, 16.0, 0.0], &[0.0, 0.0, 0.25]],
    );
    let want = 1.0 + 4.0 + 1.0 + 1.0 + 0.25;
    assert_close(a.frechet_distance(&b).unwrap(), want, 1e-12, "diagonal");
    assert_close(
        b.frechet_distance(&a).unwrap(),
        want,
        1e-12,
        "diagonal, turned",
    );
    assert_close(a.frechet_distance(&a).unwrap(), 0.0, 1e-12, "of itself");

    // In the plane `tr (A B)^(1/2) = (tr A B + 2 (det A B)^(1/2))^(1/2)`, also where A and B do not commute.
    let a = gaussian(&[0.0, 0.0], &[&[2.0, 0.7], &[0.7, 1.0]]);
    let b = gaussian(&[1.0, -2.0], &[&[0.5, -0.3], &[-0.3, 3.0]]);
    let trace_of_product = 2.0 * 0.5 + 2.0 * 0.7 * -0.3 + 1.0 * 3.0;
    let determinants: f64 = (2.0 - 0.49) * (1.5 - 0.09);
    let want = 5.0 + 3.0 + 3.5 - 2.0 * (trace_of_product + 2.0 * determinants.sqrt()).sqrt();
    assert_close(a.frechet_distance(&b).unwrap(), want, 1e-12, "in the plane");
}

/// The plain distance of two samples of one distribution is too large by the formula of its documentation; extrapolated
/// it is 0, and a distance that there is is found.
#[test]
fn the_frechet_distance_extrapolates_to_all_samples() {
    let device = cpu();
    let mut normal = Normal::new(14);
    let (n, width) = (640, 64);
    let mut draw = || normal.rows([n, width], &device);
    let shift = tensor([1, width], &device, |i| f64::from(u8::from(i == 0)));
    for true_distance in [0.0, 1.0] {
        let (data, samples) = (draw(), draw() + shift.clone() * true_distance);
        let of = |features: &Tensor<2>| FeatureStatistics::of(features.clone()).unwrap();
        let plain = of(&data).frechet_distance(&of(&samples)).unwrap();
        let bias = (0.5 * 64.0 * 64.0 + 2.5 * 64.0) / 640.0;
        assert!(
            (plain - true_distance - bias).abs() < 0.3,
            "{plain} beside {true_distance} and {bias}"
        );
        let found = extrapolated_frechet_distance(data, samples, 3).unwrap();
        assert!(
            (found - true_distance).abs() < 0.6,
            "{found}, where it is {true_distance}"
        );
    }
    let few = extrapolated_frechet_distance(draw().narrow(0, 0, 120), draw(), 3);
    assert!(message(few).contains("64 features needs at least 65 samples, not 60"));
}

/// Batches add up to the moments of the whole, far from the origin too; and the distance of samples is that of their
/// Gaussians, up to chance.
#[test]
fn features_are_gathered_batch_by_batch() {
    for (name, device) in devices() {
        let mut normal = Normal::new(4);
        let rows = normal
            .rows([500, 2], &device)
            .matmul(tensor([2, 2], &device, |i| [1.0, 0.5, 0.0, 0.3][i]))
            + 50.0;
        let mut gathered = FeatureStatistics::new();
        for batch in rows.clone().split(130, 0) {
            gathered.add(batch).unwrap();
        }
        assert_eq!((gathered.samples(), gathered.width()), (500, 2), "{name}");
        let all = values(rows.clone());
        for i in 0..2 {
            let column: Vec<f64> = all.iter().skip(i).step_by(2).copied().collect();
            let centre = mean(&column);
            assert_close(gathered.mean()[i], centre, 1e-9, name);
            let variance = column.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / 499.0;
            assert_close(gathered.covariance()[i][i], variance, 1e-9, name);
        }
        let shifted = FeatureStatistics::of(rows + 3.0).unwrap();
        let distance = gathered.frechet_distance(&shifted).unwrap();
        assert_close(distance, 18.0, 1e-4, name);
    }
}

#[test]
fn features_that_determine_no_distance_are_refused() {
    let device = cpu();
    let mut normal = Normal::new(6);
    let enough = FeatureStatistics::of(normal.rows([50, 8], &device)).unwrap();
    let few = FeatureStatistics::of(normal.rows([8, 8], &device)).unwrap();
    let refused = message(enough.frechet_distance(&few));
    assert!(
        refused.contains("8 features needs at least 9 samples, not 8"),
        "{refused}"
    );
    let constant = FeatureStatistics::of(Tensor::ones([50, 8], &device)).unwrap();
    let refused = message(constant.frechet_distance(&enough));
    assert!(refused.contains("have the same features"), "{refused}");
    let other = FeatureStatistics::of(normal.rows([50, 7], &device)).unwrap();
    assert!(message(enough.frechet_distance(&other)).contains("8 features on one side, 7"));
    assert!(message(FeatureStatistics::new().frechet_distance(&enough)).contains("not 0"));
    let poisoned = Tensor::<2>::full([3, 8], f64::NAN, &device);
    assert!(message(FeatureStatistics::of(poisoned)).contains("NaN"));
    let mut mixed = FeatureStatistics::of(normal.rows([5, 8], &device)).unwrap();
    let refused = message(mixed.add(normal.rows([5, 7], &device)).map(drop));
    assert!(
        refused.contains("7 features, those before had 8"),
        "{refused}"
    );
    assert!(message(FeatureStatistics::from_moments(9, &[0.0], &[])).contains("1 by 1"));
    let one = FeatureStatistics::from_moments(1, &[0.0], &[vec![1.0]]);
    assert!(message(one).contains("1 samples have no covariance"));
    let moments = |mean: f64, covariance: [f64; 4]| {
        let covariance: Vec<Vec<f64>> = covariance.chunks(2).map(<[f64]>::to_vec).collect();
        message(FeatureStatistics::from_moments(
            9,
            &[mean, 0.0],
            &covariance,
        ))
    };
    for refused in [
        moments(f64::NAN, [1.0, 0.0, 0.0, 1.0]),
        moments(0.0, [1.0, f64::NAN, f64::NAN, 1.0]),
        moments(0.0, [1.0, 0.5, 0.4, 1.0]),
    ] {
        assert!(
            refused.contains("must be symmetric, and all moments numbers"),
            "{refused}"
        );
    }
}

/// The definition, on points for which no other number of neighbours gives the same as the usual one.
#[test]
fn precision_and_recall_are_the_definition() {
    for (name, device) in devices() {
        for width in [3, 20] {
            let mut normal = Normal::new(17);
            let mut draw = || normal.rows([40, width], &device);
            let (data, samples) = (draw(), draw() * 0.9 + 0.15);
            let (x, y) = (values(data.clone()), values(samples.clone()));
            let (x, y): (Vec<_>, Vec<_>) = (x.chunks(width).collect(), y.chunks(width).collect());
            let of = |k| [share_within(&y, &x, k), share_within(&x, &y, k)];
            for k in 1..=6 {
                let got = precision_recall(data.clone(), samples.clone(), k).unwrap();
                assert_eq!(
                    [got.precision, got.recall],
                    of(k),
                    "{k} in {width} on {name}"
                );
                assert_eq!(of(k) == of(3), k == 3, "{k} is not told from 3");
            }
        }
    }
}

#[test]
fn precision_is_quality_and_recall_is_variety() {
    for (name, device) in devices() {
        let mut normal = Normal::new(7);
        let mut draw = |n| normal.rows([n, 3], &device);
        let same = precision_recall(draw(800), draw(800), 3).unwrap();
        assert!(
            same.precision > 0.85 && same.recall > 0.85,
            "{same:?} on {name}"
        );
        let far = precision_recall(draw(200), draw(200) + 40.0, 3).unwrap();
        assert_eq!((far.precision, far.recall), (0.0, 0.0), "{name}");
        // One of two modes, and both with as much rubbish.
        let modes = |one: Tensor<2>, other: Tensor<2>| Tensor::cat(vec![one, other], 0);
        let data = modes(draw(400), draw(400) + 40.0);
        let lost = precision_recall(data.clone(), draw(800), 3).unwrap();
        assert!(lost.precision > 0.85, "{lost:?} on {name}");
        assert!((lost.recall - 0.5).abs() < 0.07, "{lost:?} on {name}");
        let rubbish = modes(data.clone(), draw(800) - 40.0);
        let rubbish = precision_recall(data, rubbish, 3).unwrap();
        assert_eq!(rubbish.precision, 0.5, "{name}");
        assert_eq!(rubbish.recall, 1.0, "{name}");
    }
    let device = cpu();
    let rows = || Normal::new(1).rows([5, 2], &device);
    assert!(message(precision_recall(rows(), rows(), 0)).contains("k, the number of neighbours"));
    let few = message(precision_recall(rows(), rows().narrow(0, 0, 3), 3));
    assert!(
        few.contains("at least 4 samples are needed, not 3"),
        "{few}"
    );
    let constant = message(precision_recall(Tensor::ones([5, 2], &device), rows(), 3));
    assert!(
        constant.contains("all 5 data have the same features"),
        "{constant}"
    );
}

#[test]
fn auroc_is_the_share_of_pairs_in_order() {
    let mut normal = Normal::new(9);
    // Rounded, so that there are ties.
    let mut draw = |n: usize, shift: f64| -> Vec<f64> {
        (0..n)
            .map(|_| (4.0 * (normal.draw() + shift)).round() / 4.0)
            .collect()
    };
    let (negatives, positives) = (draw(300, 0.0), draw(200, 1.0));
    let mut won = 0.0;
    for positive in &positives {
        for negative in &negatives {
            won += f64::from(positive > negative) + 0.5 * f64::from(positive == negative);
        }
    }
    let area = auroc(&negatives, &positives).unwrap();
    assert_close(area.mean, won / 60_000.0, 1e-12, "area");
    let turned = auroc(&positives, &negatives).unwrap();
    assert_close(turned.mean, 1.0 - area.mean, 1e-12, "turned");
    // The error is the deviation of areas that were drawn anew.
    let areas: Vec<_> = (0..200)
        .map(|_| auroc(&draw(60, 0.0), &draw(40, 1.0)).unwrap())
        .collect();
    let said = mean(&areas.iter().map(|a| a.standard_error).collect::<Vec<_>>());
    let means: Vec<f64> = areas.iter().map(|a| a.mean).collect();
    let centre = mean(&means);
    let seen = mean(
        &means
            .iter()
            .map(|m| (m - centre).powi(2))
            .collect::<Vec<_>>(),
    )
    .sqrt();
    assert!(
        (0.8..1.25).contains(&(said / seen)),
        "{said} said, {seen} seen"
    );

    // The interval holds the true area as often as it says, where the error of so few scores is 0 too.
    for (shift, area) in [(1.987, 0.92), (2.998, 0.983), (4.008, 0.9977)] {
        let mut normal = Normal::new(19);
        let mut draw = |shift: f64| (0..20).map(|_| normal.draw() + shift).collect::<Vec<_>>();
        let held = (0..400)
            .filter(|_| {
                let [low, high] = auroc_interval(&draw(0.0), &draw(shift)).unwrap();
                (low..=high).contains(&area)
            })
            .count();
        assert!((372..=400).contains(&held), "{held} of 400 hold {area}");
    }
    let [low, high] = auroc_interval(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap();
    assert!(high == 1.0 && low > 0.2 && low < 0.6, "{low} to {high}");
    // Turned round, it is turned round; and it is near the usual one where there are many.
    let [low, high] = auroc_interval(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.5]).unwrap();
    let turned = auroc_interval(&[1.0, 2.0, 3.5], &[4.0, 5.0, 6.0]).unwrap();
    assert_close(low, 1.0 - turned[1], 1e-9, "low");
    assert_close(high, 1.0 - turned[0], 1e-9, "high");
    let [low, high] = auroc_interval(&negatives, &positives).unwrap();
    assert_close(high - low, 3.92 * area.standard_error, 0.01, "width");
    assert!(message(auroc_interval(&[], &[1.0])).contains("0 negatives"));

    assert_eq!(auroc(&[1.0, 2.0], &[3.0]).unwrap().mean, 1.0);
    assert_eq!(auroc(&[1.0, 1.0], &[1.0]).unwrap().mean, 0.5);
    assert!(message(auroc(&[], &[1.0])).contains("0 negatives and 1 positives"));
    assert!(message(auroc(&[1.0], &[])).contains("both classes"));
    assert!(message(auroc(&[f64::NAN], &[1.0])).contains("NaN"));
}

#[test]
fn quantiles() {
    let values = [4.0, 1.0, 3.0, 2.0, 5.0];
    for (share, want) in [(0.0, 1.0), (0.5, 3.0), (0.9, 4.6), (1.0, 5.0)] {
        assert_close(quantile(&values, share).unwrap(), want, 1e-12, "quantile");
    }
    let endless = [1.0, f64::INFINITY, f64::INFINITY];
    assert_eq!(quantile(&endless, 0.0).unwrap(), 1.0);
    for share in [0.3, 0.7, 1.0] {
        assert_eq!(quantile(&endless, share).unwrap(), f64::INFINITY, "{share}");
    }
    let bottomless = [f64::NEG_INFINITY, 1.0, 2.0];
    for (share, want) in [(0.3, f64::NEG_INFINITY), (0.5, 1.0), (0.75, 1.5)] {
        assert_eq!(quantile(&bottomless, share).unwrap(), want, "{share}");
    }
    assert!(message(quantile(&[], 0.5)).contains("at least one value"));
    assert!(message(quantile(&values, 1.5)).contains("between 0 and 1"));
}

/// What is left out is the variance of the components that are: the smallest error of any plane.
#[test]
fn principal_components_lose_what_they_leave_out() {
    for (name, device) in devices() {
        let mut normal = Normal::new(10);
        let mixing = tensor([5, 5], &device, noise(4, 1.0));
        let rows = normal.rows([400, 5], &device).matmul(mixing) + 20.0;
        let pca = Pca::fit(rows.clone()).unwrap();
        let total: f64 = pca.variances().iter().sum();
        for k in 0..=5 {
            let code = pca.project(rows.clone(), k.max(1));
            assert_eq!(code.dims(), [400, k.max(1)]);
            if k == 0 {
                continue;
            }
            let back = pca.reconstruct(code.clone());
            let error: f64 = values((rows.clone() - back).square().sum())[0] / 399.0;
            let left: f64 = pca.variances()[k..].iter().sum();
            assert!(
                (error - left).abs() < 1e-4 * total,
                "{error} against {left} on {name}"
            );
            assert_close(pca.explained(k), 1.0 - left / total, 1e-9, name);
            // Uncorrelated, with the variances that it says.
            let statistics = FeatureStatistics::of(code).unwrap();
            for (i, row) in statistics.covariance().iter().enumerate() {
                for (j, &value) in row.iter().enumerate() {
                    let want = if i == j { pca.variances()[i] } else { 0.0 };
                    assert!((value - want).abs() < 1e-4 * total, "{name}");
                }
            }
        }
    }
    assert!(message(Pca::fit(Tensor::zeros([1, 3], &cpu()))).contains("2 samples"));
    assert!(message(Pca::fit(Tensor::zeros([4, 0], &cpu()))).contains("no coordinates"));
}
