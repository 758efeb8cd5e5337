//! The log-density of a mixture of Gaussians, beside its composition: what a step of a VAE with a VampPrior asks for twice.
//!
//!     cargo bench --profile dev --bench mixture

#[allow(dead_code)] // the benches of the kernels use the rest
mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::prelude::*;
use burn_generative::prior::GaussianMixture;
use divan::Bencher;
use std::f64::consts::TAU;

fn main() {
    common::run();
}

/// Points, components, coordinates.
const SIZES: [[usize; 3]; 3] = [[128, 10, 2], [128, 500, 50], [4096, 500, 50]];

#[divan::bench(args = SIZES)]
fn forward(bencher: Bencher, size: [usize; 3]) {
    measure(bencher, size, false, |mixture, z| mixture.log_prob(z));
}

#[divan::bench(args = SIZES)]
fn forward_composed(bencher: Bencher, size: [usize; 3]) {
    measure(bencher, size, false, composed);
}

#[divan::bench(args = SIZES)]
fn forward_backward(bencher: Bencher, size: [usize; 3]) {
    measure(bencher, size, true, |mixture, z| mixture.log_prob(z));
}

#[divan::bench(args = SIZES)]
fn forward_backward_composed(bencher: Bencher, size: [usize; 3]) {
    measure(bencher, size, true, composed);
}

/// In operations of burn, all pairs at once.
fn composed(mixture: &GaussianMixture, z: Tensor<2>) -> Tensor<1> {
    let log_vars = mixture.log_vars().unsqueeze_dim::<3>(0);
    let distance = z.unsqueeze_dim::<3>(1) - mixture.means().unsqueeze_dim(0);
    let distance = distance * log_vars.clone().mul_scalar(-0.5).exp();
    let exponent = (distance.square() + log_vars + TAU.ln()).sum_dim(2);
    let joint = exponent.mul_scalar(-0.5).squeeze_dim::<2>(2) + mixture.weights().log().unsqueeze();
    let greatest = joint.clone().detach().max_dim(1);
    let sums = (joint - greatest.clone()).exp().sum_dim(1).log() + greatest;
    sums.squeeze_dim(1)
}

fn measure(
    bencher: Bencher,
    [points, components, latent]: [usize; 3],
    with_gradients: bool,
    log_density: impl Fn(&GaussianMixture, Tensor<2>) -> Tensor<1>,
) {
    let inner = common::device();
    inner.seed(1);
    let device = if with_gradients {
        inner.clone().autodiff()
    } else {
        inner.clone()
    };
    let normal = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let [means, log_vars] = [(); 2].map(|()| normal([components, latent]));
    let mixture = GaussianMixture::new(Tensor::zeros([components], &device), means, log_vars);
    let z = normal([points, latent]);
    let z = if with_gradients { z.require_grad() } else { z };
    bencher.bench_local(|| {
        let density = log_density(&mixture, z.clone());
        let gradients = with_gradients.then(|| density.clone().sum().backward());
        inner.sync().expect("the work is done");
        (density, gradients.is_some())
    });
}
