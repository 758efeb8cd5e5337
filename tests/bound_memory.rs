//! The importance-weighted bound takes the memory of one draw, however many there are.

#![cfg(feature = "flex")]

mod common;
mod counting;

use burn::prelude::*;
use burn_generative::metric::{elbo, importance_weighted_bound};
use burn_generative::prelude::*;
use counting::{NOW, PEAK};
use std::sync::atomic::Ordering::Relaxed;

/// One test, since others in the same process would be counted too.
#[test]
fn a_bound_takes_the_memory_of_one_draw() {
    let device = Device::flex();
    let (encoder, decoder) = common::mlp(&device);
    let vae = VaeConfig::new()
        .init(encoder, decoder, StandardNormal::new(3), BernoulliNll)
        .unwrap();
    let images = || common::tensor::<4>([256, 1, 12, 10], &device, |i| (i % 7) as f64 / 7.0);
    let peak = |draws: usize| {
        let before = NOW.load(Relaxed);
        PEAK.store(before, Relaxed);
        let bound = importance_weighted_bound(&vae, images(), draws).unwrap();
        let terms = elbo(&vae, images(), draws).unwrap();
        drop((bound, terms));
        (PEAK.load(Relaxed) - before) as f64
    };
    peak(3); // what is allocated once
    let (few, many) = (peak(3), peak(300));
    assert!(many < 1.2 * few, "{few} bytes for 3 draws, {many} for 300");
}
