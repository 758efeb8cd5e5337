//! Discrete codes of latents.

mod common;

use burn::prelude::*;
use burn_generative::metric::CodeUsage;
use burn_generative::nn::Fsq;
use common::{assert_all_close, assert_close, noise, tensor, values};

fn integers(indices: Tensor<1, Int>) -> Vec<i64> {
    indices.into_data().iter::<i64>().collect()
}

#[test]
fn index_and_code_are_a_bijection() {
    let device = Device::default();
    for levels in [vec![8, 6, 5], vec![2], vec![3, 2, 7], vec![256, 255]] {
        let quantizer = Fsq::new(levels.clone()).unwrap();
        let codes = quantizer.codes() as i64;
        assert_eq!(codes as usize, levels.iter().product::<usize>());
        let all = quantizer.lookup(Tensor::arange(0..codes, &device));
        let want: Vec<i64> = (0..codes).collect();
        assert_eq!(integers(quantizer.indices(all.clone())), want, "{levels:?}");
        // Where values are stored in 16 bits, an index is still the same, and never the number of codes.
        let stored = all.cast(burn::tensor::DType::BF16);
        assert_eq!(
            integers(quantizer.indices(stored)),
            want,
            "{levels:?} in bf16"
        );
    }
}

#[test]
fn every_code_is_reached_and_none_beyond() {
    let device = Device::default();
    for count in [2, 3, 5, 8] {
        let quantizer = Fsq::new([count]).unwrap();
        let latents = tensor([4001, 1], &device, |i| (i as f64 - 2000.0) / 100.0);
        let mut reached = integers(quantizer.indices(quantizer.quantize(latents)));
        assert!(reached.is_sorted());
        reached.dedup();
        assert_eq!(reached, (0..count as i64).collect::<Vec<_>>());
    }
    let quantizer = Fsq::new([8, 5, 2]).unwrap();
    let origin = quantizer.quantize(Tensor::zeros([1, 3], &device));
    assert_all_close(&values(origin), &[0.0; 3], 1e-6, "zero stays zero");
}

#[test]
fn the_gradient_is_that_of_the_bound() {
    let device = Device::default().autodiff();
    let quantizer = Fsq::new([8, 5]).unwrap();
    let latents = tensor([6, 2], &device, noise(1, 1.0)).require_grad();
    let gradients = quantizer.quantize(latents.clone()).sum().backward();
    let got = values(latents.grad(&gradients).unwrap());
    // d/dz of h tanh(z + s) / floor(L / 2), in closed form.
    for (i, z) in values(latents).into_iter().enumerate() {
        let (reach, offset, half) = [(3.5035, 0.5, 4.0), (2.002, 0.0, 2.0)][i % 2];
        let bound = (z + f64::atanh(offset / reach)).tanh();
        assert_close(
            got[i],
            reach * (1.0 - bound * bound) / half,
            1e-4,
            "gradient",
        );
    }
}

#[test]
fn levels_that_cannot_work_are_named() {
    for (levels, word) in [
        (vec![], "at least one"),
        (vec![8, 1], "coordinate 1 has 1 levels"),
        (vec![0], "coordinate 0 has 0 levels"),
        (vec![257], "257 levels"),
        (vec![256; 4], "more codes"),
    ] {
        let error = Fsq::new(levels).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn usage_is_that_of_known_frequencies() {
    let device = Device::default();
    let usage = |indices: &[i32], codes| CodeUsage::of(Tensor::from_ints(indices, &device), codes);

    let even = usage(&[4, 1, 0, 3, 2, 2, 3, 0, 4, 1], 7).unwrap();
    assert_eq!(even.counts(), [2, 2, 2, 2, 2, 0, 0]);
    assert_eq!(even.in_use(), 5);
    assert_close(even.perplexity(), 5.0, 1e-12, "five codes, evenly");

    // Frequencies 1/2, 1/4, 1/4 have an entropy of 1.5 bits.
    let uneven = usage(&[0, 1, 0, 2], 3).unwrap();
    let bits = uneven.entropy() / std::f64::consts::LN_2;
    assert_close(bits, 1.5, 1e-12, "entropy");

    assert_eq!(usage(&[0, 0], 1).unwrap().perplexity(), 1.0);
    for (indices, word) in [
        (&[0, 5][..], "index 1 is 5"),
        (&[-1][..], "index 0 is -1"),
        (&[][..], "at least one index"),
    ] {
        let error = usage(indices, 5).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
