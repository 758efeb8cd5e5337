//! The noise that `reparameterize_seeded` draws: standard normal, independent, a function of the seed and of
//! the element's index alone.

mod common;

use burn::prelude::*;
use burn_generative::kernel::{reference, reparameterize_seeded};
use common::{assert_all_close, devices, values};

const N: usize = 1 << 20;

fn noise(seed: u64, shape: [usize; 2], device: &Device) -> Vec<f64> {
    let zeros = || Tensor::<2>::zeros(shape, device);
    values(reparameterize_seeded(zeros(), zeros(), seed))
}

/// A million numbers of one seed.
fn sample(seed: u64) -> Vec<f64> {
    noise(seed, [1024, N / 1024], &common::cpu())
}

fn mean_of(numbers: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = numbers.fold((0.0, 0.0), |(count, sum), x| (count + 1.0, sum + x));
    sum / count
}

/// Five standard errors of the mean of a million numbers with this variance: missed once in two million
/// tries, if at all.
fn bound(variance: f64) -> f64 {
    5.0 * (variance / N as f64).sqrt()
}

#[test]
fn moments_are_those_of_a_standard_normal() {
    let numbers = sample(1);
    // E x^k and the variance of x^k.
    for (power, want, variance) in [
        (1, 0.0, 1.0),
        (2, 1.0, 2.0),
        (3, 0.0, 15.0),
        (4, 3.0, 96.0),
        (6, 15.0, 10170.0),
    ] {
        let got = mean_of(numbers.iter().map(|x| x.powi(power)));
        assert!((got - want).abs() < bound(variance), "E x^{power} is {got}");
    }
    let largest = numbers.iter().copied().map(f64::abs).fold(0.0, f64::max);
    assert!(
        (4.0..6.7).contains(&largest),
        "the largest of a million is {largest}"
    );
}

#[test]
fn the_distribution_passes_kolmogorov_and_smirnov() {
    for seed in [2, u64::MAX, 1 << 40] {
        let mut numbers = sample(seed);
        numbers.sort_by(f64::total_cmp);
        let distance = numbers
            .iter()
            .enumerate()
            .map(|(i, &x)| {
                let exact = normal_cdf(x);
                let (below, above) = (i as f64 / N as f64, (i + 1) as f64 / N as f64);
                (exact - below).abs().max((above - exact).abs())
            })
            .fold(0.0, f64::max);
        // The 0.1% point of the Kolmogorov distribution.
        assert!(
            distance * (N as f64).sqrt() < 1.95,
            "seed {seed}: {distance}"
        );
    }
}

/// Of numbers and of their squares, at the distances that a generator of four words in a group might get
/// wrong.
#[test]
fn neighbours_are_independent() {
    let numbers = sample(3);
    for lag in [1, 2, 3, 4, 5, 8, 16, 64, 1024] {
        let pairs = || numbers.iter().zip(&numbers[lag..]);
        let linear = mean_of(pairs().map(|(x, y)| x * y));
        let square = mean_of(pairs().map(|(x, y)| (x * x - 1.0) * (y * y - 1.0)));
        assert!(linear.abs() < bound(1.0), "lag {lag}: {linear}");
        assert!(square.abs() < bound(4.0), "lag {lag}, squares: {square}");
    }
}

#[test]
fn seeds_are_uncorrelated() {
    let numbers = sample(4);
    // Neighbours, one that differs in its upper half alone, and none at all.
    for other in [5, 3, 4 + (1 << 32), 0, u64::MAX - 4] {
        let others = sample(other);
        let pairs = || numbers.iter().zip(&others);
        let linear = mean_of(pairs().map(|(x, y)| x * y));
        let square = mean_of(pairs().map(|(x, y)| (x * x - 1.0) * (y * y - 1.0)));
        assert!(linear.abs() < bound(1.0), "seed {other}: {linear}");
        assert!(square.abs() < bound(4.0), "seed {other}, squares: {square}");
        assert!(!pairs().any(|(x, y)| x == y && x.abs() > 1e-3 && {
            pairs().filter(|(a, b)| a == b).count() > 10
        }));
    }
}

/// On every backend, whatever the shape, and as the reference has it.
#[test]
fn noise_depends_on_the_seed_and_the_index_alone() {
    let want = noise(6, [1, 4620], &common::cpu());
    for (name, device) in devices() {
        for shape in [[1, 4620], [4620, 1], [66, 70], [1540, 3], [4, 1155]] {
            let got = noise(6, shape, &device);
            assert_all_close(&got, &want, 2e-6, &format!("{shape:?} on {name}"));
        }
        let zeros = || Tensor::<2>::zeros([4, 1155], &device);
        let plain = values(reference::reparameterize_seeded(zeros(), zeros(), 6));
        assert_all_close(&plain, &want, 2e-6, &format!("reference on {name}"));
    }
}

/// `P(X <= x)`, by the continued fraction of the tail (Abramowitz & Stegun 26.2.14) and the series of the
/// middle (26.2.10).
fn normal_cdf(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() > 3.0 {
        let fraction = (1..60)
            .rev()
            .fold(x.abs(), |rest, k| x.abs() + f64::from(k) / rest);
        let tail = density / fraction;
        return if x > 0.0 { 1.0 - tail } else { tail };
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        term *= x * x / f64::from(2 * k + 1);
        sum += term;
    }
    0.5 + density * sum
}
