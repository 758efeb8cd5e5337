//! One step of Adam for one parameter, in one pass over memory.

use super::{assert_match, from_rows, has_kernel, is_half, ops::Updates, reference, rows};
use burn::backend::Dispatch;
use burn::tensor::{DType, Distribution, Tensor};
use std::f64::consts::LN_2;

/// The numbers of a step, the same for all elements:
///
/// ```text
/// g = gradient + l2 p
/// m = beta_1 m + (1 - beta_1) g
/// v = beta_2 v + (1 - beta_2) g^2
/// p = keep p - rate m / (sqrt(v) + epsilon)
/// ```
///
/// with the corrections of both moments' bias in `rate` and `epsilon`.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Decay of the first moment.
    pub beta_1: f32,
    /// Decay of the second moment.
    pub beta_2: f32,
    /// The learning rate, corrected.
    pub rate: f32,
    /// What keeps the division finite, corrected.
    pub epsilon: f32,
    /// Weight decay that goes through the moments.
    pub l2: f32,
    /// What a decoupled weight decay leaves of the parameter.
    pub keep: f32,
}

/// A parameter and its two moments after a step. The parameter and its gradient are those of a tensor
/// without a graph.
///
/// The moments are sums over steps: those of a parameter of 16 bits are kept in `f32`, as 16 bits hold no thousandth of
/// what is there already. The step is then computed in `f32`, and the parameter rounded once: to `bf16`, whose units are
/// larger than most steps, up or down at random.
///
/// # Panics
///
/// If a shape differs.
pub(crate) fn adam_step<const D: usize>(
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
    step: AdamStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    const NAME: &str = "adam_step";
    let dtype = parameter.dtype();
    if is_half(&parameter) {
        let [parameter, gradient] = [parameter, gradient].map(|tensor| tensor.cast(DType::F32));
        // Those of a record of another optimizer may have 16 bits.
        let moments = moments.map(|moment| moment.cast(DType::F32));
        let (parameter, moments) = adam_step(parameter, gradient, moments, step);
        let parameter = match dtype {
            DType::BF16 => rounded_at_random(parameter),
            _ => parameter.cast(dtype),
        };
        return (parameter, moments);
    }
    let [moment_1, moment_2] = &moments;
    assert_match(NAME, ("parameter", &parameter), ("gradient", &gradient));
    assert_match(NAME, ("parameter", &parameter), ("moment_1", moment_1));
    assert_match(NAME, ("parameter", &parameter), ("moment_2", moment_2));
    if !has_kernel(&parameter) {
        return reference::adam_step(parameter, gradient, moments, step);
    }
    let shape = parameter.shape();
    let [moment_1, moment_2] = moments.map(|moment| rows(moment).into_dispatch());
    let (parameter, moment_1, moment_2) = Dispatch::adam_step(
        rows(parameter).into_dispatch(),
        rows(gradient).into_dispatch(),
        moment_1,
        moment_2,
        step,
    );
    let [parameter, moment_1, moment_2] =
        [parameter, moment_1, moment_2].map(|tensor| from_rows(tensor, shape.clone()));
    (parameter, [moment_1, moment_2])
}

/// Numbers in `bf16` whose mean is the number in `f32`: up or down, the more often the nearer. To the nearest, a step of less than
/// half a unit would be lost every time, and most steps along a weight are that small.
///
/// [Gupta et al. 2015](https://arxiv.org/abs/1502.02551)
fn rounded_at_random<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let magnitude = tensor.clone().abs().clamp_min(f32::MIN_POSITIVE);
    let exponent = (magnitude.log() / LN_2).floor();
    // Seven digits follow the leading one.
    let unit = ((exponent - 7) * LN_2).exp();
    let options = (&tensor.device(), DType::F32);
    let place = Tensor::random(tensor.shape(), Distribution::Uniform(-0.5, 0.5), options);
    (tensor + place * unit).cast(DType::BF16)
}
