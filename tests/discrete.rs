//! Distributions over 0 and 1, classes and levels: total probability, enumeration, finite differences, what a draw is.

mod common;

use burn::prelude::*;
use burn_generative::distribution::{Bernoulli, Categorical, DiscretizedLogisticMixture, Levels};
use burn_generative::prelude::*;
use common::{assert_all_close, assert_close, cpu, derivative, noise, tensor, values};

/// A mixture for each of `batch` samples of one variable, with parameters up to `scale` times the usual.
fn mixture(
    [batch, components]: [usize; 2],
    scale: f64,
    levels: usize,
    device: &Device,
) -> DiscretizedLogisticMixture<1> {
    let parameters = |seed, scale| tensor([batch, components], device, noise(seed, scale));
    let log_scale = parameters(3, 4.0 * scale) - 3.0;
    DiscretizedLogisticMixture::new(
        parameters(1, scale),
        parameters(2, 1.5 * scale),
        log_scale,
        Levels::counting(levels).unwrap(),
    )
}

fn class(batch: usize, class: usize, device: &Device) -> Tensor<1, Int> {
    Tensor::full([batch], class as i64, device)
}

fn level(batch: usize, level: usize, device: &Device) -> Tensor<1> {
    Tensor::full([batch], level as f64, device)
}

#[test]
fn the_probabilities_of_all_levels_sum_to_one() {
    for (levels, scale) in [(2, 1.0), (17, 1.0), (256, 1.0), (256, 10.0)] {
        let mixture = mixture([2_500, 3], scale, levels, &cpu());
        let sum = (0..levels)
            .map(|at| mixture.log_prob(level(2_500, at, &cpu())).exp())
            .reduce(|sum, p| sum + p)
            .unwrap();
        for total in values(sum) {
            assert_close(total, 1.0, 2e-5, &format!("{levels} levels"));
        }
    }
}

#[test]
fn a_logistic_level_has_the_difference_of_the_distribution_function() {
    let device = cpu();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for (mean, log_scale) in [(0.1, -2.0), (-0.7, 1.0), (0.3, 6.0), (0.02, -7.0)] {
        let full = |value: f64| Tensor::<2>::full([1, 1], value, &device);
        let bytes = Levels::counting(256).unwrap();
        let one =
            DiscretizedLogisticMixture::<1>::new(full(0.0), full(mean), full(log_scale), bytes);
        for at in [0, 1, 100, 128, 254, 255] {
            let x = 2.0 * at as f64 / 255.0 - 1.0;
            let cdf = |x: f64| sigmoid((x - mean) / f64::exp(log_scale));
            let low = if at == 0 { 0.0 } else { cdf(x - 1.0 / 255.0) };
            let high = if at == 255 { 1.0 } else { cdf(x + 1.0 / 255.0) };
            if high - low < 1e-9 {
                continue; // the difference has no digits left, which is why it is not computed so
            }
            let got = values(one.log_prob(level(1, at, &device)))[0];
            assert_close(got, (high - low).ln(), 2e-5, &format!("level {at}"));
        }
    }
}

#[test]
fn a_logistic_mixture_has_finite_gradients_at_the_smallest_scales() {
    let device = cpu().autodiff();
    for log_scale in [-7.0, -30.0, 1e4, 30.0] {
        for at in [0, 1, 127, 254, 255] {
            let parameter = |value: f64| Tensor::<2>::full([1, 2], value, &device).require_grad();
            let (logits, mean, log_scale) = (parameter(0.0), parameter(0.9), parameter(log_scale));
            let mixture = DiscretizedLogisticMixture::<1>::new(
                logits.clone(),
                mean.clone(),
                log_scale.clone(),
                Levels::counting(256).unwrap(),
            );
            let log_prob = mixture.log_prob(level(1, at, &device));
            let gradients = log_prob.clone().sum().backward();
            let all = [logits, mean, log_scale].map(|p| values(p.grad(&gradients).unwrap()));
            let numbers = all.concat();
            assert!(
                numbers.iter().all(|number| number.is_finite()) && values(log_prob)[0].is_finite(),
                "level {at}: {numbers:?}"
            );
        }
    }
}

#[test]
fn the_gradients_of_a_logistic_mixture_are_finite_differences() {
    let device = cpu().autodiff();
    let point = [0.4, -0.3, 0.2, -0.5, -1.5, -0.8];
    let sixteen = Levels::counting(16).unwrap();
    let log_prob = |parameters: Tensor<2>, at: usize| {
        let [logits, mean, log_scale] = [0, 2, 4].map(|from| parameters.clone().narrow(1, from, 2));
        let mixture = DiscretizedLogisticMixture::<1>::new(logits, mean, log_scale, sixteen);
        mixture.log_prob(level(1, at, &device))
    };
    for at in [0, 6, 15] {
        let leaf = tensor([1, 6], &device, |i| point[i]).require_grad();
        let gradients = log_prob(leaf.clone(), at).sum().backward();
        let got = values(leaf.grad(&gradients).unwrap());
        for i in 0..6 {
            let moved = |x: f64| {
                let parameters = tensor([1, 6], &device, |k| if k == i { x } else { point[k] });
                values(log_prob(parameters, at))[0]
            };
            // Steps of f32 numbers.
            let want = (moved(point[i] + 0.01) - moved(point[i] - 0.01)) / 0.02;
            assert_close(got[i], want, 2e-3, &format!("level {at}, parameter {i}"));
        }
    }
}

/// The frequencies of draws by an even grid of noise are the probabilities.
#[test]
fn draws_have_the_probabilities_that_log_prob_says() {
    let device = cpu();
    let count = 2_000;
    let grid = |i: usize| (i as f64 + 0.5) / count as f64;
    let frequency =
        |draws: Tensor<1>, value: usize| values(draws.equal_elem(value as f64).float().mean())[0];

    let logits = [0.3, -1.0, 2.0, -40.0];
    let four = Categorical::<1>::new(tensor([count, 4], &device, |i| logits[i % 4]));
    let draws = four.rsample_with(tensor([count, 1, 1], &device, grid));
    for class in 0..4 {
        let p = values(four.log_prob(self::class(count, class, &device)).exp())[0];
        assert_close(frequency(draws.clone().float(), class), p, 1e-3, "a class");
    }

    let one = |value: f64| Tensor::<2>::full([count, 1], value, &device);
    let seven = Levels::counting(7).unwrap();
    let levels = DiscretizedLogisticMixture::<1>::new(one(0.0), one(0.3), one(-1.0), seven);
    let draws = levels.rsample_with(tensor([count, 1, 2], &device, |i| grid(i / 2)));
    for at in 0..7 {
        let p = values(levels.log_prob(level(count, at, &device)).exp())[0];
        assert_close(frequency(draws.clone(), at), p, 1e-3, "a level");
    }

    let coin = Bernoulli::new(Tensor::<2>::full([count, 1], -0.4, &device));
    let ones = coin.rsample_with(tensor([count, 1], &device, grid)).mean();
    let p = values(coin.log_prob(Tensor::ones([count, 1], &device)).exp())[0];
    assert_close(values(ones)[0], p, 1e-3, "a one");
}

#[test]
fn entropies_and_divergences_are_sums_over_all_values() {
    let device = cpu();
    let parameters = |seed| tensor([2, 3, 4], &device, noise(seed, 2.0));
    let (p, q) = (
        Categorical::<2>::new(parameters(1)),
        Categorical::<2>::new(parameters(2)),
    );
    let (mut entropy, mut kl) = (vec![0.0; 2], vec![0.0; 2]);
    for index in 0..64 {
        let digits = [index % 4, index / 4 % 4, index / 16];
        let both: Vec<i64> = [digits, digits].concat();
        let value = Tensor::<2, Int>::from_data(TensorData::new(both, [2, 3]), &device);
        let [log_p, log_q] = [&p, &q].map(|d| values(d.log_prob(value.clone())));
        for sample in 0..2 {
            let probability = log_p[sample].exp();
            entropy[sample] -= probability * log_p[sample];
            kl[sample] += probability * (log_p[sample] - log_q[sample]);
        }
    }
    assert_all_close(&values(p.entropy()), &entropy, 1e-5, "entropy");
    assert_all_close(&values(p.kl(&q)), &kl, 1e-5, "kl");

    let [a, b] = [0.7, -1.2];
    let of = |l: f64| 1.0 / (1.0 + (-l).exp());
    let [p, q] = [a, b].map(|l| Bernoulli::new(Tensor::<2>::full([1, 1], l, &device)));
    let want = of(a) * (of(a) / of(b)).ln() + of(-a) * (of(-a) / of(-b)).ln();
    assert_close(values(p.kl(&q))[0], want, 1e-5, "kl of bits");
    let want = -of(a) * of(a).ln() - of(-a) * of(-a).ln();
    assert_close(values(p.entropy())[0], want, 1e-5, "entropy of bits");
    // The cumulant of a bit: what its mean is.
    let mean = derivative(|l| (1.0 + l.exp()).ln(), a);
    assert_close(values(p.point())[0], mean, 1e-5, "mean of a bit");
}

#[test]
fn what_is_no_level_or_no_temperature_is_refused() {
    let device = cpu();
    let refused = |levels: Levels, values: [f32; 2]| {
        let values = Tensor::<1>::from_floats(values, &device);
        levels.check(&values, "pixels").unwrap_err().to_string()
    };
    let four = Levels::counting(4).unwrap();
    let below = refused(four, [0.0, -1.0]);
    assert!(
        below.contains("pixels") && below.contains("lies in [-1, 0]"),
        "{below}"
    );
    assert!(refused(four, [0.0, 4.0]).contains("lies in [0, 4]"));
    assert!(refused(four, [0.5, 1.0]).contains("between them"));
    assert!(refused(four, [0.5, f32::NAN]).contains("pixels"));
    let bytes = Levels::unit(256).unwrap();
    assert!(refused(bytes, [0.0, 255.0]).contains("unit"));
    let all = tensor([256], &device, |i| i as f64 / 255.0);
    bytes.check(&all, "pixels").unwrap();
    let again = bytes.values(bytes.index(all.clone()));
    assert_all_close(&values(again), &values(all), 1e-6, "levels");

    for count in [0, 1, 1 << 17] {
        assert!(Levels::counting(count).is_err() && Levels::unit(count).is_err());
    }
    let dice = || Categorical::<1>::new(Tensor::<2>::zeros([1, 6], &device));
    assert!(dice().tempered(0.0).is_err() && dice().tempered(f64::NAN).is_err());
}
