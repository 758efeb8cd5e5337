//! Log-densities of mixtures beside their compositions: of Gaussians, what a step of a VAE with a VampPrior asks for twice; and of
//! logistic distributions over levels, the likelihood of a table's whole numbers, of sound and of colours.
//!
//!     cargo bench --profile dev --bench mixture

#[allow(dead_code)] // the benches of the kernels use the rest
mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn_generative::distribution::{DiscretizedLogisticMixture, Levels};
use burn_generative::prelude::*;
use burn_generative::prior::GaussianMixture;
use divan::Bencher;
use std::f64::consts::TAU;

fn main() {
    common::run();
}

/// Samples, variables of 256 levels, components: a table's, and a sound's.
const LOGISTIC: [[usize; 3]; 2] = [[256, 36, 5], [2, 8000, 10]];

/// Logits, means and log-scales of each component.
type Logistic = [Tensor<3>; 3];

fn density([logits, mean, log_scale]: Logistic, values: Tensor<2>) -> Tensor<1> {
    let levels = Levels::unit(256).expect("levels");
    DiscretizedLogisticMixture::<2>::new(logits, mean, log_scale, levels).log_prob(values)
}

/// In operations of burn.
fn density_composed([logits, mean, log_scale]: Logistic, values: Tensor<2>) -> Tensor<1> {
    let half = 1.0 / 255.0;
    let index = (values.unsqueeze_dim::<3>(2) * 255.0).round();
    let dims = mean.dims();
    let is_first = index.clone().lower_equal_elem(0.0).expand(dims);
    let is_last = index.clone().greater_equal_elem(255.0).expand(dims);
    let distance = index * (2.0 * half) - 1.0 - mean;
    let log_scale = log_scale.clamp(-7.0, 20.0);
    let inverse = log_scale.neg().exp();
    let upper = log_sigmoid((distance.clone() + half) * inverse.clone());
    let lower = log_sigmoid((distance.neg() + half) * inverse.clone());
    let tanh = (inverse * half).tanh();
    let width = tanh.clone().log() - tanh.log1p() + 2f64.ln();
    let is_edge = is_first.clone().bool_or(is_last.clone());
    let log_p = upper.mask_fill(is_last, 0.0)
        + lower.mask_fill(is_first, 0.0)
        + width.mask_fill(is_edge, 0.0);
    let joint = log_softmax(logits, 2) + log_p;
    let greatest = joint.clone().detach().max_dim(2);
    let sums = (joint - greatest.clone()).exp().sum_dim(2).log() + greatest;
    sums.squeeze_dim::<2>(2).sum_dim(1).squeeze_dim(1)
}

#[divan::bench(args = LOGISTIC)]
fn logistic_forward_backward(bencher: Bencher, size: [usize; 3]) {
    measure_logistic(bencher, size, density);
}

#[divan::bench(args = LOGISTIC)]
fn logistic_forward_backward_composed(bencher: Bencher, size: [usize; 3]) {
    measure_logistic(bencher, size, density_composed);
}

fn measure_logistic(
    bencher: Bencher,
    size: [usize; 3],
    log_density: impl Fn(Logistic, Tensor<2>) -> Tensor<1>,
) {
    let inner = common::device();
    inner.seed(1);
    let device = inner.clone().autodiff();
    let normal = |scale| Tensor::<3>::random(size, Distribution::Normal(0.0, scale), &device);
    let parameters = [1.0, 0.5, 1.0].map(|scale| normal(scale).require_grad());
    let values = Tensor::<2>::random([size[0], size[1]], Distribution::Default, &device);
    bencher.bench_local(|| {
        let density = log_density(parameters.clone(), values.clone());
        let gradients = density.clone().sum().backward();
        inner.sync().expect("the work is done");
        (density, gradients)
    });
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
