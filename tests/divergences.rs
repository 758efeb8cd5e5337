//! Distributions and divergences against quadrature, Monte Carlo, and the inequalities they satisfy.

mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::distribution::divergence::{categorical, gaussian};
use burn_generative::distribution::{LOG_VAR_MAX, LOG_VAR_MIN};
use burn_generative::loss::ContinuousBernoulliNll;
use burn_generative::prelude::*;
use common::{assert_all_close, assert_close, cpu, devices, integrate, noise, tensor, values};
use proptest::prelude::*;

/// One Gaussian for each pair of mean and log-variance: shape `[pairs, 1]`.
fn gaussians(pairs: &[[f64; 2]], device: &Device) -> DiagonalGaussian {
    let column = |k: usize| tensor([pairs.len(), 1], device, |i| pairs[i][k]);
    DiagonalGaussian::new(column(0), column(1))
}

fn density([mean, log_var]: [f64; 2], x: f64) -> f64 {
    (-0.5 * ((x - mean).powi(2) * (-log_var).exp() + log_var + (2.0 * std::f64::consts::PI).ln()))
        .exp()
}

/// `integral of f(x) dx` over everything that matters for Gaussians of moderate size.
fn quadrature(f: impl Fn(f64) -> f64) -> f64 {
    integrate(f, -60.0, 60.0)
}

/// `p ln(p / q)`, with `0 ln 0 = 0`.
fn relative(p: f64, q: f64) -> f64 {
    if p == 0.0 {
        0.0
    } else {
        p * (p.ln() - q.max(f64::MIN_POSITIVE).ln())
    }
}

const PAIRS: [[[f64; 2]; 2]; 4] = [
    [[0.0, 0.0], [0.0, 0.0]],
    [[1.5, -0.8], [-0.5, 0.6]],
    [[-2.0, 1.2], [2.0, 0.9]],
    [[0.3, -1.5], [0.1, 1.5]],
];

#[test]
fn gaussian_closed_forms_equal_quadrature() {
    for (name, device) in devices() {
        let p = gaussians(&PAIRS.map(|pair| pair[0]), &device);
        let q = gaussians(&PAIRS.map(|pair| pair[1]), &device);
        let against = |got: Tensor<1>, f: &dyn Fn(f64, f64) -> f64, what: &str| {
            let want = PAIRS.map(|[p, q]| quadrature(|x| f(density(p, x), density(q, x))));
            assert_all_close(&values(got), &want, 2e-5, &format!("{what} on {name}"));
        };
        against(gaussian::entropy(&p), &|p, _| -relative(p, 1.0), "entropy");
        against(gaussian::kl(&p, &q), &relative, "kl");
        let cross = |p: f64, q: f64| -p * q.max(f64::MIN_POSITIVE).ln();
        against(gaussian::cross_entropy(&p, &q), &cross, "cross-entropy");

        let normal = p.kl_to_standard_normal();
        let want =
            PAIRS.map(|[p, _]| quadrature(|x| relative(density(p, x), density([0.0; 2], x))));
        assert_all_close(
            &values(normal),
            &want,
            2e-5,
            &format!("kl to normal on {name}"),
        );
    }
}

#[test]
fn gaussian_kl_equals_its_monte_carlo_estimate() {
    let device = cpu();
    let (samples, latent) = (200_000, 3);
    let row = |values: [f64; 3]| tensor([samples, latent], &device, |i| values[i % 3]);
    let q = DiagonalGaussian::new(row([0.5, -1.0, 2.0]), row([-1.0, 0.5, 0.1]));
    let noise = Tensor::random([samples, latent], Distribution::Normal(0.0, 1.0), &device);
    let z = q.rsample_with(noise);
    let estimates = values(q.log_prob(z.clone()) - StandardNormal::new(latent).log_prob(z));
    let n = samples as f64;
    let mean = estimates.iter().sum::<f64>() / n;
    let deviation = (estimates.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let exact = values(q.kl_to_standard_normal())[0];
    assert!(
        (mean - exact).abs() < 5.0 * deviation / n.sqrt(),
        "Monte Carlo {mean} against {exact}, standard error {}",
        deviation / n.sqrt()
    );
}

#[test]
fn gaussian_js_equals_quadrature() {
    let device = cpu();
    let samples = 40_000;
    for [p, q] in PAIRS {
        let batch = |pair: [f64; 2]| gaussians(&vec![pair; samples], &device);
        let got = values(gaussian::js(&batch(p), &batch(q), 1));
        let n = samples as f64;
        let mean = got.iter().sum::<f64>() / n;
        let error = (got.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        let want = quadrature(|x| {
            let (p, q) = (density(p, x), density(q, x));
            0.5 * relative(p, 0.5 * (p + q)) + 0.5 * relative(q, 0.5 * (p + q))
        });
        assert!(
            (mean - want).abs() <= 5.0 * error + 1e-6,
            "js {mean} against {want} +- {error}"
        );
        assert!(
            got.iter()
                .all(|&js| js <= f64::from(std::f32::consts::LN_2))
        );
    }
}

#[test]
fn a_posterior_sample_has_its_moments_and_its_density() {
    for (name, device) in devices() {
        let n = 20_000;
        let q = gaussians(&vec![[1.0, -1.0]; n], &device);
        let z = values(q.rsample());
        let mean = z.iter().sum::<f64>() / n as f64;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / n as f64;
        let want = (-1f64).exp();
        assert!(
            (mean - 1.0).abs() < 5.0 * (want / n as f64).sqrt(),
            "mean {mean} on {name}"
        );
        assert!(
            (variance / want - 1.0).abs() < 0.06,
            "variance {variance} on {name}"
        );
        assert_eq!(values(q.point()), vec![1.0; n]);
        let at = values(q.log_prob(Tensor::full([n, 1], 0.3, &device)))[0];
        assert_close(at, density([1.0, -1.0], 0.3).ln(), 1e-5, name);
    }
}

#[test]
fn log_variance_is_bounded_where_it_is_made() {
    for (name, device) in devices() {
        let q = gaussians(&[[0.0, 1e4], [0.0, -1e4], [0.0, 3.0]], &device);
        assert_eq!(
            values(q.log_var()),
            [LOG_VAR_MAX, LOG_VAR_MIN, 3.0],
            "{name}"
        );
        let all = [
            q.kl_to_standard_normal(),
            q.log_prob(q.rsample()),
            q.entropy(),
        ];
        assert!(
            all.into_iter().flat_map(values).all(f64::is_finite),
            "{name}"
        );
    }
}

/// What is infinite is the bound, in training too; and a variance of data is bounded only by what `f32` can hold.
#[test]
fn an_infinite_log_variance_is_the_bound() {
    for (name, device) in devices() {
        for device in [device.clone(), device.autodiff()] {
            let infinite = || tensor([2, 1], &device, |i| [f64::INFINITY, f64::NEG_INFINITY][i]);
            let q = DiagonalGaussian::new(Tensor::zeros([2, 1], &device), infinite());
            assert_eq!(values(q.log_var()), [LOG_VAR_MAX, LOG_VAR_MIN], "{name}");
            let data = DiagonalGaussian::over_data(Tensor::zeros([2, 1], &device), infinite());
            assert_eq!(values(data.log_var()), [85.0, -85.0], "{name}");
            let all = [data.log_prob(data.rsample()), data.entropy()];
            assert!(
                all.into_iter().flat_map(values).all(f64::is_finite),
                "{name}"
            );
            let no_number = tensor([1, 1], &device, |_| f64::NAN);
            let q = DiagonalGaussian::new(no_number.clone(), no_number);
            assert!(values(q.log_var())[0].is_nan(), "{name}");
        }
    }
}

#[test]
fn a_log_variance_out_of_bounds_is_pulled_back() {
    for (name, device) in devices() {
        let log_var = tensor([2, 1], &device.autodiff(), |i| [50.0, -50.0][i]).require_grad();
        let q = DiagonalGaussian::new(log_var.zeros_like(), log_var.clone());
        let kl = q.kl_to_standard_normal().sum();
        let gradient = values(log_var.grad(&kl.backward()).unwrap());
        // 1/2 (e^lv - 1) at the bounds 20 and -30.
        assert_close(gradient[0], 0.5 * (20f64.exp() - 1.0), 1e-5, name);
        assert_close(gradient[1], -0.5, 1e-5, name);
    }
}

#[test]
fn jensen_shannon_has_the_right_gradient_where_its_arguments_are_equal() {
    for (name, device) in devices() {
        let device = device.autodiff();
        for gap in [0.0, 0.7] {
            let logits = |p: f64| [0.3, p, -1.0];
            let p = tensor([1, 3], &device, |i| logits(0.2 + gap)[i]).require_grad();
            let q = tensor([1, 3], &device, |i| logits(0.2)[i]);
            let gradients = categorical::js(p.clone(), q).sum().backward();
            let got = values(p.grad(&gradients).unwrap())[1];
            let js = |x: f64| {
                let (p, q) = (probabilities(&logits(x)), probabilities(&logits(0.2)));
                let pairs = p.iter().zip(&q);
                let terms = pairs.map(|(&p, &q)| {
                    let m = 0.5 * (p + q);
                    0.5 * (relative(p, m) + relative(q, m))
                });
                terms.sum::<f64>()
            };
            let want = common::derivative(js, 0.2 + gap);
            assert!((got - want).abs() < 1e-5, "{got} against {want} on {name}");
        }
    }
}

/// Softmax in f64.
fn probabilities(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| (l - max).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn categorical_divergences_equal_their_sums_and_obey_their_bounds(
        logits_p in prop::collection::vec(-12.0..12.0f64, 5),
        logits_q in prop::collection::vec(-12.0..12.0f64, 5),
    ) {
        let row = |logits: &[f64]| tensor([1, 5], &cpu(), |i| logits[i]);
        let (p, q) = (probabilities(&logits_p), probabilities(&logits_q));
        let m: Vec<f64> = p.iter().zip(&q).map(|(p, q)| 0.5 * (p + q)).collect();
        let sum = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(&a, &b)| relative(a, b)).sum() };
        let (tp, tq) = (row(&logits_p), row(&logits_q));
        let one = |t: Tensor<1>| values(t)[0];

        let entropy = one(categorical::entropy(tp.clone()));
        assert_close(entropy, -sum(&p, &[1.0; 5]), 1e-5, "entropy");
        prop_assert!((-1e-6..=5f64.ln() + 1e-6).contains(&entropy));

        let kl = one(categorical::kl(tp.clone(), tq.clone()));
        assert_close(kl, sum(&p, &q), 1e-5, "kl");
        prop_assert!(kl >= 0.0);

        let cross = one(categorical::cross_entropy(tp.clone(), tq.clone()));
        assert_close(cross, entropy + kl, 1e-5, "cross-entropy");

        let js = one(categorical::js(tp.clone(), tq.clone()));
        assert_close(js, 0.5 * sum(&p, &m) + 0.5 * sum(&q, &m), 1e-5, "js");
        prop_assert!((0.0..=f64::from(std::f32::consts::LN_2)).contains(&js));
        prop_assert_eq!(one(categorical::kl(tp.clone(), tp.clone())), 0.0);
        prop_assert!(one(categorical::js(tp.clone(), tp.clone())) < 1e-12);
        prop_assert!(js <= 0.25 * (kl + one(categorical::kl(tq.clone(), tp.clone()))) + 1e-5);
        assert_close(one(categorical::js(tq, tp)), js, 1e-5, "js is symmetric");
    }

    #[test]
    fn gaussian_divergences_obey_their_bounds(
        mp in -3.0..3.0f64, lp in -4.0..4.0f64, mq in -3.0..3.0f64, lq in -4.0..4.0f64,
    ) {
        let (p, q) = (gaussians(&[[mp, lp]], &cpu()), gaussians(&[[mq, lq]], &cpu()));
        let one = |t: Tensor<1>| values(t)[0];
        prop_assert!(one(gaussian::kl(&p, &q)) >= 0.0);
        prop_assert_eq!(one(gaussian::kl(&p, &p)), 0.0);
        let cross = one(gaussian::cross_entropy(&p, &q));
        prop_assert!(cross >= one(gaussian::entropy(&p)) - 1e-5);
    }
}

/// Near each other, where a difference of logarithms has no digits left, divergences are small and not negative; and
/// their gradients are those of the formulas.
#[test]
fn divergences_of_what_is_nearly_the_same() {
    for (name, device) in devices() {
        let n = 2000;
        let logits = noise(11, 2.0);
        let p = tensor([n, 5], &device, &logits);
        for apart in [1e-4, 1e-2] {
            let nudge = noise(12, apart);
            let q = tensor([n, 5], &device, |i| logits(i) + nudge(i));
            let (p_rows, q_rows) = (values(p.clone()), values(q.clone()));
            for (what, got) in [
                ("kl", categorical::kl(p.clone(), q.clone())),
                ("js", categorical::js(p.clone(), q)),
            ] {
                let got = values(got);
                assert!(got.iter().all(|&one| one >= 0.0), "{what} on {name}");
                let want: f64 = (0..n)
                    .map(|row| {
                        let of = |all: &[f64]| probabilities(&all[5 * row..5 * row + 5]);
                        let (p, q) = (of(&p_rows), of(&q_rows));
                        let pairs = p.iter().zip(&q);
                        match what {
                            "kl" => pairs.map(|(&p, &q)| relative(p, q)).sum::<f64>(),
                            _ => pairs
                                .map(|(&p, &q)| {
                                    let m = 0.5 * (p + q);
                                    0.5 * (relative(p, m) + relative(q, m))
                                })
                                .sum(),
                        }
                    })
                    .sum();
                let tolerance = if apart < 1e-3 { 0.05 } else { 1e-3 };
                assert_close(got.iter().sum::<f64>() / want, 1.0, tolerance, what);
            }
        }
        // Both branches, of near and of far ratios.
        let device = device.autodiff();
        let logits = |x: f64| [0.3, x, -1.0];
        for gap in [1e-3, 0.1, 0.7, 4.0] {
            let p = tensor([1, 3], &device, |i| logits(0.2 + gap)[i]).require_grad();
            let q = tensor([1, 3], &device, |i| logits(0.2)[i]);
            let gradients = categorical::kl(p.clone(), q).sum().backward();
            let got = values(p.grad(&gradients).unwrap())[1];
            let kl = |x: f64| {
                let (p, q) = (probabilities(&logits(x)), probabilities(&logits(0.2)));
                p.iter().zip(&q).map(|(&p, &q)| relative(p, q)).sum::<f64>()
            };
            let want = common::derivative(kl, 0.2 + gap);
            assert!((got - want).abs() < 2e-6, "{got} against {want} on {name}");
        }
    }
}

/// In many dimensions the log-densities are thousands, and their difference is no more exact than they are.
#[test]
fn jensen_shannon_never_exceeds_ln_2() {
    for (name, device) in devices() {
        let shape = [200, 3072];
        let of = |seed| {
            let mean = tensor(shape, &device, noise(seed, 1.0));
            DiagonalGaussian::new(mean.clone(), mean * 0.1)
        };
        let js = values(gaussian::js(&of(3), &of(4), 1));
        let most = f64::from(std::f32::consts::LN_2);
        assert!(js.iter().all(|&js| js <= most && js > 0.69), "{name}");
    }
}

#[test]
#[should_panic(expected = "an axis for the batch and one for the classes")]
fn logits_without_a_batch_are_refused() {
    categorical::entropy(Tensor::<1>::zeros([2], &cpu()));
}

#[test]
fn categorical_variables_of_an_event_add_up() {
    let device = cpu();
    let logits = tensor([2, 3, 4], &device, noise(5, 2.0));
    let together = values(categorical::entropy(logits.clone()));
    let apart: Vec<f64> = (0..3)
        .map(|k| {
            values(categorical::entropy(
                logits.clone().narrow(1, k, 1).squeeze_dim::<2>(1),
            ))
        })
        .fold(vec![0.0; 2], |sum, one| {
            sum.iter().zip(one).map(|(a, b)| a + b).collect()
        });
    assert_all_close(&together, &apart, 1e-6, "entropy");
}

#[test]
fn impossible_classes_cost_nothing_and_break_nothing() {
    let device = cpu();
    let p = tensor([1, 3], &device, |i| [0.0, -2000.0, 0.0][i]);
    let q = tensor([1, 3], &device, |i| [0.0, 0.0, -2000.0][i]);
    assert_close(
        values(categorical::entropy(p.clone()))[0],
        2f64.ln(),
        1e-6,
        "entropy",
    );
    let js = values(categorical::js(p, q))[0];
    assert_close(js, 0.5 * 2f64.ln(), 1e-6, "half of the mass is shared");
}

#[test]
fn the_continuous_bernoulli_is_a_density_with_its_mean() {
    for (name, device) in devices() {
        for logit in [-40.0, -3.0, -0.21, -0.19, 0.0, 1e-3, 0.1, 0.5, 6.0, 40.0] {
            let n = 2001;
            let x = |i: usize| i as f64 / (n - 1) as f64;
            let grid = tensor([n, 1], &device, x);
            let nll = ContinuousBernoulliNll.loss(Tensor::full([n, 1], logit, &device), grid);
            let density: Vec<f64> = values(nll).iter().map(|nll| (-nll).exp()).collect();
            let simpson = |f: &dyn Fn(usize) -> f64| -> f64 {
                let weight = |i| {
                    if i == 0 || i == n - 1 {
                        1.0
                    } else if i % 2 == 1 {
                        4.0
                    } else {
                        2.0
                    }
                };
                (0..n).map(|i| weight(i) * f(i)).sum::<f64>() / 3.0 / (n - 1) as f64
            };
            let what = format!("logit {logit} on {name}");
            assert_close(simpson(&|i| density[i]), 1.0, 2e-4, &what);
            let logits = Tensor::<2>::full([1, 1], logit, &device);
            let mean = values(ContinuousBernoulliNll.point(logits))[0];
            assert_close(mean, simpson(&|i| density[i] * x(i)), 2e-4, &what);
        }
    }
}

/// The log-partition function `ln((e^l - 1) / l)` and its derivatives, from its series about 0 (whose coefficients are
/// Bernoulli numbers) or in closed form.
fn log_partition(l: f64) -> [f64; 2] {
    if l.abs() < 0.5 {
        let even = [
            1.0 / 24.0,
            -1.0 / 2880.0,
            1.0 / 181_440.0,
            -1.0 / 9_676_800.0,
            1.0 / 479_001_600.0,
        ];
        let powers = |n: i32| even.iter().zip(1..).map(move |(c, k)| (c, 2 * k - n));
        let value: f64 = powers(0).map(|(c, power)| c * l.powi(power)).sum();
        let slope: f64 = powers(1)
            .map(|(c, power)| c * f64::from(power + 1) * l.powi(power))
            .sum();
        return [0.5 * l + value, 0.5 + slope];
    }
    let (size, decay) = (l.abs(), (-l.abs()).exp());
    let value = size.max(0.0) + (-decay).ln_1p() - size.ln() - if l < 0.0 { size } else { 0.0 };
    let upper = 1.0 / (1.0 - decay) - 1.0 / size;
    [value, if l < 0.0 { 1.0 - upper } else { upper }]
}

/// To the digits of `f32`, on both sides of where its series ends, and with its gradient: the mean less the target.
#[test]
fn the_continuous_bernoulli_has_all_its_digits_and_its_gradient() {
    for (name, device) in devices() {
        let logits = [
            -1000.0, -88.0, -40.0, -3.0, -0.201, -0.199, -0.15, -1e-3, 0.0, 1e-3, 0.1, 0.18, 0.199,
            0.201, 0.5, 6.0, 40.0, 88.0,
        ];
        for target in [0.0, 0.3, 1.0] {
            let shape = [logits.len(), 1];
            let l = tensor(shape, &device.clone().autodiff(), |i| logits[i]).require_grad();
            let x = tensor(shape, &device.clone().autodiff(), |_| target);
            let nll = ContinuousBernoulliNll.loss(l.clone(), x);
            let gradient = values(l.grad(&nll.clone().sum().backward()).unwrap());
            let mean = ContinuousBernoulliNll.point(l.clone());
            let (nll, mean, l) = (values(nll), values(mean), values(l));
            for i in 0..l.len() {
                let what = format!("logit {}, target {target} on {name}", l[i]);
                let [log_partition, mean_of] = log_partition(l[i]);
                let want = log_partition - l[i] * target;
                let tolerance = 1e-6 * (1.0 + l[i].abs());
                assert!(
                    (nll[i] - want).abs() < tolerance,
                    "{} and {want}: {what}",
                    nll[i]
                );
                let unit = if name == "wgpu" { 1e-5 } else { 2e-6 };
                assert!((mean[i] - mean_of).abs() < unit, "mean {}: {what}", mean[i]);
                let want = mean_of - target;
                assert!(
                    (gradient[i] - want).abs() < unit,
                    "slope {}: {what}",
                    gradient[i]
                );
            }
        }
    }
}
