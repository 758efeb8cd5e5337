//! The kernels in plain tensor operations: the fallback of every backend and the oracle of the tests.
//!
//! Every one starts by laying its arguments out as rows, `[batch, event]`. That is free, and it steps
//! around a fault of burn 0.22.1: under Fusion, a chain of elementwise operations on the output of a
//! convolution with one channel reads the wrong elements (docs/architecture.md has the reproduction).

pub(crate) mod maps;

pub use maps::{affine_map, affine_map_inverse, spline_map, spline_map_inverse};

use super::{
    adam::AdamStep, assert_variance, broadcast_rows, event_len, fixed_nll, philox, rows, sum_event,
};
use burn::tensor::activation::{log_softmax, relu, sigmoid, silu, tanh};
use burn::tensor::module::{BatchNormTrainOutput, batch_norm_train};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};

/// `ln(2 pi)`.
pub(crate) const LN_2PI: f64 = 1.837_877_066_409_345_3;

/// See [`kernel::gated`](super::gated).
pub fn gated<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let half = x.dims()[1] / 2;
    let [value, gate] = [0, half].map(|from| x.clone().narrow(1, from, half));
    tanh(value) * sigmoid(gate)
}

/// See [`kernel::group_norm`](super::group_norm).
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<D> {
    let shape = x.shape();
    let dtype = FloatDType::from(x.dtype());
    // A sum over a group leaves the range of 16 bits.
    let wide = match dtype {
        FloatDType::F64 => FloatDType::F64,
        _ => FloatDType::F32,
    };
    let elements = event_len(&shape) / groups;
    let x = x.reshape([shape[0], groups, elements]).cast(wide);
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    let scale = variance.add_scalar(epsilon).sqrt();
    let normalised = (centred / scale).cast(dtype).reshape(shape.clone());
    let mut of_channels = [1; D];
    of_channels[1] = shape[1];
    normalised * weight.reshape(of_channels) + bias.reshape(of_channels)
}

/// See [`kernel::group_norm_silu`](super::group_norm_silu).
pub fn group_norm_silu<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<D> {
    silu(group_norm(x, weight, bias, groups, epsilon))
}

/// See [`kernel::batch_norm`](super::batch_norm).
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrainOutput<D> {
    batch_norm_train(x, weight, bias, epsilon)
}

/// See [`kernel::batch_norm_silu`](super::batch_norm_silu).
pub fn batch_norm_silu<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrainOutput<D> {
    let mut normalised = batch_norm(x, weight, bias, epsilon);
    normalised.output = silu(normalised.output);
    normalised
}

/// See [`kernel::categorical_nll`](super::categorical_nll).
pub fn categorical_nll(logits: Tensor<2>, class: Tensor<1, Int>) -> Tensor<1> {
    let log_p = log_softmax(logits, 1).gather(1, class.unsqueeze_dim(1));
    log_p.squeeze_dim::<1>(1).neg()
}

/// See [`kernel::linear`](super::linear). The bias stands on the left of the sum: so burn-flex adds it in vectors even where
/// crates are compiled without link-time optimisation between their units, as in this crate's own profile.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let output = x.matmul(weight);
    match bias {
        Some(bias) => bias.unsqueeze::<2>() + output,
        None => output,
    }
}

/// See [`kernel::nade`](super::nade).
pub fn nade(
    x: Tensor<2>,
    weight: Tensor<2>,
    start: Tensor<2>,
    readout: Tensor<3>,
    order: Tensor<1, Int>,
) -> Tensor<3> {
    let [batch, variables] = x.dims();
    let [_, hidden] = weight.dims();
    // What the variables before each add up to; the last one adds to none.
    let mut sums = Tensor::zeros([batch, 1, hidden], (&x.device(), x.dtype()));
    if variables > 1 {
        let before = order.clone().narrow(0, 0, variables - 1);
        let added = x.select(1, before.clone()).unsqueeze_dim::<3>(2)
            * weight.select(0, before).unsqueeze_dim::<3>(0);
        sums = Tensor::cat(vec![sums, added.cumsum(1)], 1);
    }
    let units = relu(sums + start.unsqueeze_dim::<3>(1));
    let units = units.select(1, order.argsort(0)); // of each variable where it stands in the event
    let outputs = units.swap_dims(0, 1).matmul(readout.swap_dims(1, 2));
    outputs.swap_dims(0, 1)
}

/// See [`kernel::reparameterize`](super::reparameterize).
pub fn reparameterize<const D: usize>(
    mean: Tensor<D>,
    log_var: Tensor<D>,
    noise: Tensor<D>,
) -> Tensor<D> {
    let shape = mean.shape();
    let noise = broadcast_rows(noise, &shape);
    let z = rows(mean) + rows(log_var).mul_scalar(0.5).exp() * noise;
    z.reshape(shape)
}

/// See [`kernel::reparameterize_seeded`](super::reparameterize_seeded). The noise is drawn on the CPU.
pub fn reparameterize_seeded<const D: usize>(
    mean: Tensor<D>,
    log_var: Tensor<D>,
    seed: u64,
) -> Tensor<D> {
    let shape = mean.shape();
    let noise = TensorData::new(philox::normal(seed, shape.num_elements()), shape);
    let noise = Tensor::from_data(noise, (&mean.device(), mean.dtype()));
    reparameterize(mean, log_var, noise)
}

/// `e^x - 1 - x`, with all digits near 0 (to those of `f64`), and never negative.
pub(crate) fn exp_excess<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const NEAR: f64 = 0.3;
    const TERMS: i32 = 12;
    let far = x.clone().abs().greater_elem(NEAR);
    // What the series does not serve is replaced before it, not after: the gradient of a masked-out infinity would be NaN.
    let small = x.clone().mask_fill(far.clone(), 0.0);
    // 1/2 + x/6 + x^2/24 + ..., from its end.
    let series = (3..=TERMS).rev().fold(small.ones_like(), |sum, n| {
        (sum * small.clone())
            .div_scalar(f64::from(n))
            .add_scalar(1.0)
    });
    let near = series * small.square().mul_scalar(0.5);
    near.mask_where(far, x.clone().exp() - x - 1.0)
}

/// See [`kernel::gaussian_kl`](super::gaussian_kl).
pub fn gaussian_kl<const D: usize>(mean: Tensor<D>, log_var: Tensor<D>) -> Tensor<1> {
    let (mean, log_var) = (rows(mean), rows(log_var));
    sum_event(mean.square() + exp_excess(log_var)).mul_scalar(0.5)
}

/// See [`kernel::gaussian_kl_between`](super::gaussian_kl_between).
pub fn gaussian_kl_between<const D: usize>(
    mean_q: Tensor<D>,
    log_var_q: Tensor<D>,
    mean_p: Tensor<D>,
    log_var_p: Tensor<D>,
) -> Tensor<1> {
    let (mean_q, log_var_q) = (rows(mean_q), rows(log_var_q));
    let (mean_p, log_var_p) = (rows(mean_p), rows(log_var_p));
    let excess = exp_excess(log_var_q - log_var_p.clone());
    let distance = ((mean_q - mean_p) * log_var_p.mul_scalar(-0.5).exp()).square();
    sum_event(excess + distance).mul_scalar(0.5)
}

/// See [`kernel::bernoulli_nll`](super::bernoulli_nll).
///
/// `softplus(l)` as `l + log1p(e^-l)` where `l` is positive and as `log1p(e^l)` elsewhere: exact at both ends (a
/// backend's own `log_sigmoid` need not be), with an exact gradient everywhere, where the textbook
/// `max(l, 0) + log1p(exp(-|l|))` has the wrong one at `l = 0`.
pub fn bernoulli_nll<const D: usize>(logits: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    let (logits, target) = (rows(logits), rows(target));
    let positive = logits.clone().greater_elem(0.0);
    let positive = positive.cast(FloatDType::from(logits.dtype()));
    let sign = positive.clone().mul_scalar(-2.0).add_scalar(1.0);
    let tail = (logits.clone() * sign).exp().log1p();
    sum_event(logits * (positive - target) + tail)
}

/// See [`kernel::gaussian_nll`](super::gaussian_nll).
pub fn gaussian_nll<const D: usize>(
    mean: Tensor<D>,
    target: Tensor<D>,
    log_var: Tensor<D>,
) -> Tensor<1> {
    let log_var = match log_var.shape().num_elements() {
        1 => log_var.reshape([1, 1]),
        _ => broadcast_rows(log_var, &mean.shape()),
    };
    let squared = ((rows(target) - rows(mean)) * log_var.clone().mul_scalar(-0.5).exp()).square();
    sum_event(squared + log_var.add_scalar(LN_2PI)).mul_scalar(0.5)
}

/// See [`kernel::gaussian_nll_fixed`](super::gaussian_nll_fixed).
pub fn gaussian_nll_fixed<const D: usize>(
    mean: Tensor<D>,
    target: Tensor<D>,
    variance: f64,
) -> Tensor<1> {
    assert_variance(variance);
    let event = event_len(&mean.shape());
    fixed_nll(squared_error(mean, target), event, variance)
}

/// See [`kernel::squared_error`](super::squared_error).
pub fn squared_error<const D: usize>(mean: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    sum_event((rows(target) - rows(mean)).square())
}

/// See [`adam_step`](super::adam::adam_step).
pub(crate) fn adam_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    [moment_1, moment_2]: [Tensor<D>; 2],
    step: AdamStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let gradient = gradient + parameter.clone().mul_scalar(step.l2);
    let moment_1 =
        moment_1.mul_scalar(step.beta_1) + gradient.clone().mul_scalar(1.0 - step.beta_1);
    let moment_2 =
        moment_2.mul_scalar(step.beta_2) + gradient.square().mul_scalar(1.0 - step.beta_2);
    let scale = moment_2.clone().sqrt().add_scalar(step.epsilon);
    let parameter =
        parameter.mul_scalar(step.keep) - (moment_1.clone() / scale).mul_scalar(step.rate);
    (parameter, [moment_1, moment_2])
}
