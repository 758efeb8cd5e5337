//! A training step of a small NVAE: 64 images of 28x28 pixels, two scales of two and three groups.
//!
//!     cargo bench --profile dev --bench nvae
//!
//! `python benches/nvae.py` runs it in turn with the same network on PyTorch.

#[allow(dead_code)] // the benches of the kernels use the rest
mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::hierarchy::{Cells, NvaeConfig};
use burn_generative::model::HierarchicalVae;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use divan::Bencher;

fn main() {
    common::run();
}

#[divan::bench(max_time = 30, sample_count = 20, sample_size = 1)]
fn training_step(bencher: Bencher) {
    let device = common::device().autodiff();
    device.seed(1);
    let images = Tensor::random([64, 1, 28, 28], Distribution::Bernoulli(0.3), &device);
    let network = NvaeConfig::new([1, 28, 28], vec![2, 3])
        .with_channels(12)
        .with_latents(8)
        .with_cells(1)
        .with_kind(Cells::Residual { expansion: 3 });
    let network = network.init(1, &device).expect("sizes");
    let mut adam = FusedAdamConfig::new().init().expect("betas");
    let mut model = Some(HierarchicalVae::new(network, BernoulliNll));
    bencher.bench_local(|| {
        let before = model.take().expect("put back below");
        let (after, losses) = before.learn(&mut adam, 1e-4, images.clone());
        device.sync().expect("the work is done");
        model = Some(after);
        losses
    });
}
