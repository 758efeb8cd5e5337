//! The operations every model spends its time in, as functions on burn tensors.
//!
//! Axis 0 is the batch, all other axes are one event; what returns a `Tensor<1>` returns one number
//! per sample, summed over the event, in nats. Every function is differentiable in all its tensor
//! arguments.
//!
//! Distributions, priors and likelihoods call these functions, which check their arguments and choose
//! an implementation; so a backend gains a fused one here without a change anywhere else.
//! [`reference`](mod@reference) holds the same operations in plain tensor operations: what runs on a
//! backend that has no implementation of its own, and what the tests compare with.

pub mod reference;

use burn::tensor::Tensor;

/// The reparameterized sample `z = mean + exp(log_var / 2) * noise`.
///
/// `mean` and `log_var` have the shape of the result; `noise` has it too, or broadcasts to it.
/// [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114), section 2.4.
///
/// # Panics
///
/// If the shapes do not match.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::reparameterize;
///
/// let device = Device::default();
/// let mean = Tensor::<2>::from_floats([[1.0, 2.0]], &device);
/// let log_var = Tensor::zeros([1, 2], &device);
/// let noise = Tensor::from_floats([[0.5, -0.5]], &device);
/// let z = reparameterize(mean, log_var, noise);
/// z.into_data().assert_eq(&TensorData::from([[1.5f32, 1.5]]), true);
/// ```
pub fn reparameterize<const D: usize>(
    mean: Tensor<D>,
    log_var: Tensor<D>,
    noise: Tensor<D>,
) -> Tensor<D> {
    assert_same_shape("reparameterize", ("mean", &mean), ("log_var", &log_var));
    reference::reparameterize(mean, log_var, noise)
}

/// `KL(N(mean, exp(log_var)) || N(0, I))` per sample: `1/2 sum(mean^2 + e^log_var - 1 - log_var)`.
///
/// [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114), appendix B.
///
/// # Panics
///
/// If the shapes differ.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::gaussian_kl;
///
/// let device = Device::default();
/// let mean = Tensor::<2>::from_floats([[0.0, 0.0], [3.0, 4.0]], &device);
/// let kl = gaussian_kl(mean, Tensor::zeros([2, 2], &device));
/// kl.into_data().assert_eq(&TensorData::from([0.0f32, 12.5]), true);
/// ```
pub fn gaussian_kl<const D: usize>(mean: Tensor<D>, log_var: Tensor<D>) -> Tensor<1> {
    assert_same_shape("gaussian_kl", ("mean", &mean), ("log_var", &log_var));
    reference::gaussian_kl(mean, log_var)
}

/// `KL(N(mean_q, exp(log_var_q)) || N(mean_p, exp(log_var_p)))` per sample:
/// `1/2 sum(lp - lq + e^(lq - lp) + (mean_q - mean_p)^2 e^-lp - 1)`.
///
/// # Panics
///
/// If the shapes differ.
pub fn gaussian_kl_between<const D: usize>(
    mean_q: Tensor<D>,
    log_var_q: Tensor<D>,
    mean_p: Tensor<D>,
    log_var_p: Tensor<D>,
) -> Tensor<1> {
    const NAME: &str = "gaussian_kl_between";
    assert_same_shape(NAME, ("mean_q", &mean_q), ("log_var_q", &log_var_q));
    assert_same_shape(NAME, ("mean_q", &mean_q), ("mean_p", &mean_p));
    assert_same_shape(NAME, ("mean_p", &mean_p), ("log_var_p", &log_var_p));
    reference::gaussian_kl_between(mean_q, log_var_q, mean_p, log_var_p)
}

/// Bernoulli negative log-likelihood of `target` in `[0, 1]` under `logits`, per sample:
/// `sum(softplus(logits) - logits * target)`.
///
/// Exact at large logits, and its gradient `sigmoid(logits) - target` is exact at 0 too.
///
/// # Panics
///
/// If the shapes differ.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::bernoulli_nll;
///
/// let device = Device::default();
/// let logits = Tensor::<2>::from_floats([[0.0, 100.0]], &device);
/// let target = Tensor::from_floats([[1.0, 1.0]], &device);
/// let nll = bernoulli_nll(logits, target).into_scalar::<f32>();
/// assert!((nll - 2f32.ln()).abs() < 1e-6);
/// ```
pub fn bernoulli_nll<const D: usize>(logits: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    assert_same_shape("bernoulli_nll", ("logits", &logits), ("target", &target));
    reference::bernoulli_nll(logits, target)
}

/// Gaussian negative log-likelihood of `target`, per sample:
/// `1/2 sum(ln(2 pi) + log_var + (target - mean)^2 e^-log_var)`.
///
/// `log_var` has the shape of `mean`, or broadcasts to it (all ones: one shared variance).
///
/// # Panics
///
/// If the shapes do not match.
pub fn gaussian_nll<const D: usize>(
    mean: Tensor<D>,
    target: Tensor<D>,
    log_var: Tensor<D>,
) -> Tensor<1> {
    assert_same_shape("gaussian_nll", ("mean", &mean), ("target", &target));
    reference::gaussian_nll(mean, target, log_var)
}

/// [`gaussian_nll`] with one fixed `variance` for every element.
///
/// # Panics
///
/// If the shapes differ.
pub fn gaussian_nll_fixed<const D: usize>(
    mean: Tensor<D>,
    target: Tensor<D>,
    variance: f64,
) -> Tensor<1> {
    assert_same_shape("gaussian_nll_fixed", ("mean", &mean), ("target", &target));
    reference::gaussian_nll_fixed(mean, target, variance)
}

/// Sum over every axis but the first: the one reduction from an event to a number per sample.
///
/// Shapes: `[batch, ...]` to `[batch]`.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::sum_event;
///
/// let ones = Tensor::<4>::ones([2, 3, 4, 5], &Device::default());
/// sum_event(ones).into_data().assert_eq(&TensorData::from([60.0f32, 60.0]), true);
/// ```
pub fn sum_event<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let batch = tensor.dims()[0];
    rows(tensor).sum_dim(1).reshape([batch])
}

/// One row for each sample: `[batch, ...]` to `[batch, event]`.
pub(crate) fn rows<const D: usize>(tensor: Tensor<D>) -> Tensor<2> {
    let dims = tensor.dims();
    tensor.reshape([dims[0], dims[1..].iter().product()])
}

/// The shape check of every operation here: a message that names both shapes.
pub(crate) fn assert_same_shape<const D: usize>(
    operation: &str,
    (name_a, a): (&str, &Tensor<D>),
    (name_b, b): (&str, &Tensor<D>),
) {
    assert!(
        a.dims() == b.dims(),
        "{operation}: {name_a} has shape {:?}, {name_b} has shape {:?}; they must be equal",
        a.dims(),
        b.dims(),
    );
}
