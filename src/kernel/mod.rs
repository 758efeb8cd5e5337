//! The operations every model spends its time in, as functions on burn tensors.
//!
//! Axis 0 is the batch, all other axes are one event; what returns a `Tensor<1>` returns one number
//! per sample, summed over the event, in nats. Every function is differentiable in all its tensor
//! arguments.
//!
//! On flex, ndarray and every CubeCL backend (wgpu, Vulkan, CUDA, ...) an operation is one kernel, and its
//! backward pass another: what a composition of tensor operations does in four to seven passes over memory
//! is done in one, and nothing is kept for the backward pass but the arguments (and a sample). Numbers are
//! kept as `f32`, `f16` or `bf16`, and computed in `f32`.
//!
//! [`reference`](mod@reference) holds the same operations in plain tensor operations: what runs on every
//! other backend and in `f64`, and what the tests and benches compare with.
//!
//! All arguments must be on one device, of one float type, and an event must have at least one element; a
//! batch may be empty. A function panics otherwise, before anything runs, with a message that names what
//! differs. A target of integers does not compile:
//!
//! ```compile_fail
//! use burn::prelude::*;
//! # let device = Device::default();
//! let logits = Tensor::<2>::zeros([2, 3], &device);
//! let target = Tensor::<2, Int>::zeros([2, 3], &device); // `.float()` is the way out
//! burn_generative::kernel::bernoulli_nll(logits, target);
//! ```

pub mod reference;

#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
pub(crate) mod activation;
#[cfg_attr(not(feature = "train"), allow(dead_code))]
pub(crate) mod adam;
mod autodiff;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod categorical;
pub(crate) mod convolution;
#[cfg(feature = "_gpu")]
mod cube;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
pub(crate) mod excitation;
#[cfg(feature = "flex")]
mod flex;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod gate;
#[cfg(feature = "_host")]
mod host;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod interval;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod linear;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod log_sum_exp;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod maps;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
pub(crate) mod mixture;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod nade;
#[cfg(feature = "ndarray")]
#[allow(deprecated)] // burn deprecates the backend, and ships it.
mod ndarray;
#[allow(deprecated)]
#[cfg_attr(not(feature = "_host"), allow(unused))]
mod norm;
#[allow(deprecated)]
#[cfg_attr(not(any(feature = "_gpu", feature = "_host")), allow(unused))] // without any backend
mod ops;
mod philox;
pub(crate) mod points;
#[cfg_attr(not(any(feature = "_gpu", feature = "_host")), allow(unused))]
mod series;
#[allow(deprecated)]
#[cfg(feature = "_host")]
mod windows;

pub use categorical::categorical_nll;
pub use gate::gated;
pub(crate) use interval::log_interval;
pub use linear::linear;
pub(crate) use log_sum_exp::{log_mixture, log_sum_exp};
pub use maps::{affine_map, affine_map_inverse, spline_map, spline_map_inverse};
pub use nade::nade;
pub use norm::{batch_norm, batch_norm_silu, group_norm, group_norm_silu};

use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::{Shape, Tensor};
use ops::Operations;

/// The columns of a matrix that [`add_product`] takes are a multiple of this.
pub(crate) const COLUMNS: usize = 16;

/// Adds a product to a matrix on the host, by one thread. `left_rows` and `right_rows` say where in the numbers each row of the
/// left and of the right matrix begins; the right one, and the sum, whose rows follow each other, have so many columns,
/// a multiple of [`COLUMNS`].
pub(crate) fn add_product(
    [left, right]: [&[f32]; 2],
    [left_rows, right_rows]: [&[usize]; 2],
    columns: usize,
    sum: &mut [f32],
) {
    debug_assert!(columns.is_multiple_of(COLUMNS));
    if left_rows.is_empty() {
        return;
    }
    #[cfg(feature = "_host")]
    host::add_product([left, right], [left_rows, right_rows], columns, sum);
    #[cfg(not(feature = "_host"))]
    for (sum, &left_row) in sum.chunks_exact_mut(columns).zip(left_rows) {
        let factors = &left[left_row..][..right_rows.len()];
        for (factor, &right_row) in factors.iter().zip(right_rows) {
            for (sum, number) in sum.iter_mut().zip(&right[right_row..]) {
                *sum += factor * number;
            }
        }
    }
}

/// The reparameterized sample `z = mean + exp(log_var / 2) * noise`.
///
/// `mean` and `log_var` have the shape of the result; `noise` has it too, or broadcasts to it.
/// [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114), section 2.4.
///
/// The gradient of the log-variance is `(z - mean) / 2` times that of `z`, so the noise is not kept; its
/// error is that of `z`, half a unit in the last place of `z` whatever the variance.
///
/// # Panics
///
/// If the shapes do not match, and as [every kernel](self) does. (For an empty batch, noise that is broadcast
/// to it has no gradient, not even zero.)
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
    const NAME: &str = "reparameterize";
    assert_match(NAME, ("mean", &mean), ("log_var", &log_var));
    assert_broadcasts(NAME, ("noise", &noise), ("mean", &mean));
    if !has_kernel(&mean) {
        return reference::reparameterize(mean, log_var, noise);
    }
    let shape = mean.shape();
    let noise = broadcast_rows(noise, &shape);
    let [mean, log_var, noise] = [rows(mean), rows(log_var), noise].map(Tensor::into_dispatch);
    from_rows(Dispatch::reparameterize(mean, log_var, noise), shape)
}

/// [`reparameterize`] with standard normal noise that is drawn where it is used: no tensor of it exists,
/// neither in the forward nor in the backward pass.
///
/// The noise of an element depends on `seed` and on the element's index (in row-major order) alone, so it is
/// the same on every backend, to float tolerance. It comes from Philox4x32-10 by the Box-Muller transform.
/// Take another seed for another draw; no two seeds overlap.
///
/// # Panics
///
/// If the shapes differ, and as [every kernel](self) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::reparameterize_seeded;
///
/// let device = Device::default();
/// let (mean, log_var) = (Tensor::<2>::zeros([2, 3], &device), Tensor::zeros([2, 3], &device));
/// let z = reparameterize_seeded(mean.clone(), log_var.clone(), 42);
/// let again = reparameterize_seeded(mean, log_var, 42);
/// again.into_data().assert_eq(&z.into_data(), true);
/// ```
pub fn reparameterize_seeded<const D: usize>(
    mean: Tensor<D>,
    log_var: Tensor<D>,
    seed: u64,
) -> Tensor<D> {
    assert_match(
        "reparameterize_seeded",
        ("mean", &mean),
        ("log_var", &log_var),
    );
    if !has_kernel(&mean) {
        return reference::reparameterize_seeded(mean, log_var, seed);
    }
    let shape = mean.shape();
    let [mean, log_var] = [mean, log_var].map(|tensor| rows(tensor).into_dispatch());
    from_rows(Dispatch::reparameterize_seeded(mean, log_var, seed), shape)
}

/// `KL(N(mean, exp(log_var)) || N(0, I))` per sample: `1/2 sum(mean^2 + e^log_var - 1 - log_var)`.
///
/// [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114), appendix B.
///
/// # Panics
///
/// If the shapes differ, and as [every kernel](self) does.
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
    assert_match("gaussian_kl", ("mean", &mean), ("log_var", &log_var));
    if !has_kernel(&mean) {
        return reference::gaussian_kl(mean, log_var);
    }
    let [mean, log_var] = [mean, log_var].map(|tensor| rows(tensor).into_dispatch());
    Tensor::from_dispatch(Dispatch::gaussian_kl(mean, log_var))
}

/// `KL(N(mean_q, exp(log_var_q)) || N(mean_p, exp(log_var_p)))` per sample:
/// `1/2 sum(lp - lq + e^(lq - lp) + (mean_q - mean_p)^2 e^-lp - 1)`.
///
/// # Panics
///
/// If the shapes differ, and as [every kernel](self) does.
pub fn gaussian_kl_between<const D: usize>(
    mean_q: Tensor<D>,
    log_var_q: Tensor<D>,
    mean_p: Tensor<D>,
    log_var_p: Tensor<D>,
) -> Tensor<1> {
    const NAME: &str = "gaussian_kl_between";
    assert_match(NAME, ("mean_q", &mean_q), ("log_var_q", &log_var_q));
    assert_match(NAME, ("mean_q", &mean_q), ("mean_p", &mean_p));
    assert_match(NAME, ("mean_p", &mean_p), ("log_var_p", &log_var_p));
    if !has_kernel(&mean_q) {
        return reference::gaussian_kl_between(mean_q, log_var_q, mean_p, log_var_p);
    }
    let inputs = [mean_q, log_var_q, mean_p, log_var_p];
    let [mean_q, log_var_q, mean_p, log_var_p] = inputs.map(|tensor| rows(tensor).into_dispatch());
    Tensor::from_dispatch(Dispatch::gaussian_kl_between(
        mean_q, log_var_q, mean_p, log_var_p,
    ))
}

/// Bernoulli negative log-likelihood of `target` in `[0, 1]` under `logits`, per sample:
/// `sum(softplus(logits) - logits * target)`.
///
/// Exact at large logits (finite ones), also where the target agrees with them and next to nothing is left;
/// and its gradient `sigmoid(logits) - target` is exact at 0 too.
///
/// # Panics
///
/// If the shapes differ, and as [every kernel](self) does.
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
    assert_match("bernoulli_nll", ("logits", &logits), ("target", &target));
    if !has_kernel(&logits) {
        return reference::bernoulli_nll(logits, target);
    }
    let [logits, target] = [logits, target].map(|tensor| rows(tensor).into_dispatch());
    Tensor::from_dispatch(Dispatch::bernoulli_nll(logits, target))
}

/// Gaussian negative log-likelihood of `target`, per sample:
/// `1/2 sum(ln(2 pi) + log_var + (target - mean)^2 e^-log_var)`.
///
/// `log_var` has the shape of `mean`, or broadcasts to it (all ones: one shared variance).
///
/// # Panics
///
/// If the shapes do not match, and as [every kernel](self) does.
pub fn gaussian_nll<const D: usize>(
    mean: Tensor<D>,
    target: Tensor<D>,
    log_var: Tensor<D>,
) -> Tensor<1> {
    const NAME: &str = "gaussian_nll";
    assert_match(NAME, ("mean", &mean), ("target", &target));
    assert_broadcasts(NAME, ("log_var", &log_var), ("mean", &mean));
    if !has_kernel(&mean) {
        return reference::gaussian_nll(mean, target, log_var);
    }
    let shape = mean.shape();
    if log_var.shape().num_elements() == 1 && !is_half(&mean) {
        // One shared variance: what it scales is the squared error of each sample, so that its gradient
        // passes through [batch] numbers and not through a tensor of the mean's size.
        let log_var = log_var.reshape([1]);
        // By the root of the precision twice: where it overflows itself, an error of 0 is still an error of 0.
        let root = log_var.clone().mul_scalar(-0.5).exp();
        let error = squared_error(mean, target) * root.clone() * root;
        let normalizer = log_var
            .add_scalar(reference::LN_2PI)
            .mul_scalar(event_len(&shape) as f64);
        return (error + normalizer).mul_scalar(0.5);
    }
    let log_var = broadcast_rows(log_var, &shape);
    let [mean, target, log_var] = [rows(mean), rows(target), log_var].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::gaussian_nll(mean, target, log_var))
}

/// [`gaussian_nll`] with one fixed `variance` for every element.
///
/// # Panics
///
/// If the variance is not a positive number, the shapes differ, and as [every kernel](self) does.
pub fn gaussian_nll_fixed<const D: usize>(
    mean: Tensor<D>,
    target: Tensor<D>,
    variance: f64,
) -> Tensor<1> {
    assert_variance(variance);
    assert_match("gaussian_nll_fixed", ("mean", &mean), ("target", &target));
    let event = event_len(&mean.shape());
    if is_half(&mean) {
        // A sum of squares may overflow where the likelihood does not.
        let log_var = Tensor::full([1; D], variance.ln(), (&mean.device(), mean.dtype()));
        return gaussian_nll(mean, target, log_var);
    }
    fixed_nll(squared_error(mean, target), event, variance)
}

/// The likelihood of so many elements with one variance, from their squared error.
fn fixed_nll(squared_error: Tensor<1>, elements: usize, variance: f64) -> Tensor<1> {
    // By the root of the precision twice: it may leave the range of floats where what it scales does not.
    let root = variance.powf(-0.5);
    let constant = 0.5 * elements as f64 * (reference::LN_2PI + variance.ln());
    squared_error
        .mul_scalar(root)
        .mul_scalar(0.5 * root)
        .add_scalar(constant)
}

/// `ln(1 + e^x)`, exact at both ends: what the likelihood of a label costs.
pub(crate) fn softplus(x: Tensor<1>) -> Tensor<1> {
    let logits = x.unsqueeze_dim::<2>(1);
    let label = logits.zeros_like();
    bernoulli_nll(logits, label)
}

/// Refuses a variance that is none.
fn assert_variance(variance: f64) {
    assert!(
        variance > 0.0 && variance.is_finite(),
        "gaussian_nll_fixed: the variance must be a positive number, not {variance}"
    );
}

/// `sum((mean - target)^2)` per sample.
///
/// # Panics
///
/// If the shapes differ, and as [every kernel](self) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::squared_error;
///
/// let device = Device::default();
/// let mean = Tensor::<2>::from_floats([[1.0, 2.0], [0.0, 0.0]], &device);
/// let target = Tensor::from_floats([[1.0, 4.0], [1.0, 2.0]], &device);
/// squared_error(mean, target).into_data().assert_eq(&TensorData::from([4.0f32, 5.0]), true);
/// ```
pub fn squared_error<const D: usize>(mean: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    assert_match("squared_error", ("mean", &mean), ("target", &target));
    if !has_kernel(&mean) {
        return reference::squared_error(mean, target);
    }
    let [mean, target] = [mean, target].map(|tensor| rows(tensor).into_dispatch());
    Tensor::from_dispatch(Dispatch::squared_error(mean, target))
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
    if D == 2 {
        // Not even a node in the graph.
        return Tensor::from_dispatch(tensor.into_dispatch());
    }
    let dims = tensor.dims();
    tensor.reshape([dims[0], dims[1..].iter().product()])
}

/// The same tensor, laid out anew: what burn's Fusion needs of a convolution's output that has one channel, as
/// docs/architecture.md says.
pub(crate) fn laid_out<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let dims = tensor.dims();
    rows(tensor).reshape(dims)
}

/// The values of `hard`, to the bit, with the gradient of `soft`: `hard + (soft - sg(soft))`, where `sg` stops a gradient. What
/// is rounded or chosen, and has no gradient of its own, passes it on as if it had not been.
///
/// [Bengio et al. 2013](https://arxiv.org/abs/1308.3432).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::straight_through;
///
/// let device = Device::default().autodiff();
/// let x = Tensor::<1>::from_floats([0.2, 1.7], &device).require_grad();
/// let rounded = straight_through(x.clone(), x.clone().round());
/// rounded.clone().into_data().assert_eq(&TensorData::from([0.0f32, 2.0]), true);
/// let gradients = rounded.sum().backward();
/// x.grad(&gradients).unwrap().into_data().assert_eq(&TensorData::from([1.0f32, 1.0]), true);
/// ```
pub fn straight_through<const D: usize>(soft: Tensor<D>, hard: Tensor<D>) -> Tensor<D> {
    let value = soft.clone().detach();
    hard.detach() + (soft - value)
}

/// Rows back in the shape that they come from.
fn from_rows<const D: usize>(rows: DispatchTensor, shape: Shape) -> Tensor<D> {
    match D {
        2 => Tensor::from_dispatch(rows),
        _ => Tensor::<2>::from_dispatch(rows).reshape(shape),
    }
}

/// `tensor` as rows of `shape`, broadcast to it without a copy where it repeats over the batch.
fn broadcast_rows<const D: usize>(tensor: Tensor<D>, shape: &Shape) -> Tensor<2> {
    if tensor.shape() == *shape {
        return rows(tensor);
    }
    let [batch, event] = [shape[0], event_len(shape)];
    if batch == 0 {
        // burn expands to no empty shape, nor slices to one with a graph.
        return Tensor::empty([0, event], (&tensor.device(), tensor.dtype()));
    }
    if tensor.shape()[1..] == shape[1..] {
        return rows(tensor).expand([batch, event]);
    }
    rows(tensor.expand::<D, _>(shape.clone()))
}

/// Whether a tensor keeps its numbers in 16 bits.
fn is_half<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(
        tensor.dtype(),
        burn::tensor::DType::F16 | burn::tensor::DType::BF16
    )
}

/// Elements of one event.
fn event_len(shape: &Shape) -> usize {
    shape[1..].iter().product()
}

/// Whether this crate has a kernel for the backend and the float type of a tensor.
fn has_kernel<const D: usize>(tensor: &Tensor<D>) -> bool {
    #[allow(unused_imports)] // without any backend
    use burn::{backend::DispatchDevice, tensor::DType};

    let device = tensor.device().inner();
    match (device.as_dispatch(), tensor.dtype()) {
        #[cfg(feature = "flex")]
        (DispatchDevice::Flex(_), DType::F32 | DType::F16 | DType::BF16) => true,
        #[cfg(feature = "ndarray")]
        (DispatchDevice::NdArray(_), DType::F32) => true,
        #[cfg(feature = "_gpu")]
        (DispatchDevice::Cube(_), DType::F32 | DType::F16 | DType::BF16) => true,
        _ => false,
    }
}

/// The check of two arguments that must have the same shape: a message that names both.
pub(crate) fn assert_match<const D: usize>(
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
    assert_compatible(operation, (name_a, a), (name_b, b));
}

/// The check of an argument that may broadcast to another.
fn assert_broadcasts<const D: usize>(
    operation: &str,
    (name_a, a): (&str, &Tensor<D>),
    (name_b, b): (&str, &Tensor<D>),
) {
    let fits = a
        .dims()
        .iter()
        .zip(b.dims())
        .all(|(&a, b)| a == b || a == 1);
    assert!(
        fits,
        "{operation}: {name_a} has shape {:?}, which does not broadcast to that of {name_b}, {:?}",
        a.dims(),
        b.dims(),
    );
    assert_compatible(operation, (name_a, a), (name_b, b));
}

/// What any two arguments must have in common.
fn assert_compatible<const D: usize, const E: usize>(
    operation: &str,
    (name_a, a): (&str, &Tensor<D>),
    (name_b, b): (&str, &Tensor<E>),
) {
    let (device_a, device_b) = (a.device().inner(), b.device().inner());
    assert!(
        device_a == device_b,
        "{operation}: {name_a} is on {device_a:?}, {name_b} is on {device_b:?}; move one with `to_device`",
    );
    assert!(
        a.dtype() == b.dtype(),
        "{operation}: {name_a} is of {:?}, {name_b} is of {:?}; convert one with `cast`",
        a.dtype(),
        b.dtype(),
    );
    assert!(
        event_len(&b.shape()) > 0,
        "{operation}: {name_b} has shape {:?}; axis 0 is the batch, and an event must have at least one \
         element",
        b.dims(),
    );
}
