//! Activations that burn composes of several operations, or computes number by number: where the processor's memory holds the
//! tensor, one pass forward and one backward. Elsewhere burn's run.

use super::convolution::is_here;
use super::{from_rows, rows};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Tensor, activation};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// `x` where it is positive, and `e^x - 1` elsewhere.
///
/// [Clevert et al. 2016](https://arxiv.org/abs/1511.07289), equation 16.
pub(crate) fn elu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(&x, Activation::Elu).unwrap_or_else(|| activation::elu(x, 1.0))
}

/// `bound tanh(x / bound)`: numbers near 0 as they are, and none beyond the bound.
pub(crate) fn soft_clamp<const D: usize>(x: Tensor<D>, bound: f64) -> Tensor<D> {
    let activation = Activation::SoftClamp(bound as f32);
    activate(&x, activation).unwrap_or_else(|| (x / bound).tanh() * bound)
}

/// Hyperbolic tangent: a bound of 1.
pub(crate) fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(&x, Activation::SoftClamp(1.0)).unwrap_or_else(|| x.tanh())
}

/// `1 / (1 + e^-x)`.
pub(crate) fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activate(&x, Activation::Sigmoid).unwrap_or_else(|| activation::sigmoid(x))
}

/// What the kernel makes of a tensor, where there is one for it.
fn activate<const D: usize>(x: &Tensor<D>, activation: Activation) -> Option<Tensor<D>> {
    let shape = x.shape();
    if D < 2 || shape.num_elements() == 0 || !is_here(x) {
        return None;
    }
    let x = rows(x.clone()).into_dispatch();
    Some(from_rows(Dispatch::activate(x, activation), shape))
}

/// A function of one number.
#[derive(Clone, Copy, Debug)]
pub enum Activation {
    /// See [`elu`].
    Elu,
    /// See [`sigmoid`].
    Sigmoid,
    /// See [`soft_clamp`], with its bound.
    SoftClamp(f32),
}

/// The activations on backend tensors, as rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Activations: Backend {
    /// The function of each number.
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
}

/// The gradients of [`Activations`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait ActivationGradients: Backend {
    /// That of `x`, from that of the output.
    fn activate_grad(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// An activation as a node of the graph.
#[derive(Debug)]
struct Activated;

impl<B: Activations + ActivationGradients> Backward<B, 1> for Activated {
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let (x, activation) = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            tape.register::<B>(parent.id, B::activate_grad(gradient, x, activation));
        }
    }
}

impl<B: Activations + ActivationGradients, C: CheckpointStrategy> Activations for Autodiff<B, C> {
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = x.into_primitive();
        let output = B::activate(x.clone(), activation);
        match Activated.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, activation), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    /// Values and gradients are the composition's, of several threads too, near 0, far from it, and of what is no number.
    #[test]
    fn values_and_gradients_are_the_compositions() {
        type Function = fn(Tensor<2>) -> Tensor<2>;
        type Error = fn(f32) -> f32;
        // The composition's `e^x - 1` is off by some units in the last place of 1 at any scale, both `1 - tanh^2` where that is small.
        let pairs: [([Function; 2], Error); 4] = [
            ([elu, |x| activation::elu(x, 1.0)], |_scale| 1e-6),
            ([sigmoid, activation::sigmoid], |_scale| 1e-6),
            (
                [|x| soft_clamp(x, 5.0), |x| (x / 5.0).tanh() * 5.0],
                |scale| 1e-6 * scale.min(1.0),
            ),
            ([tanh, Tensor::tanh], |scale| 1e-6 * scale.min(1.0)),
        ];
        let device = Device::default().autodiff();
        for scale in [1e-3, 1.0, 40.0] {
            let number = |index: usize| scale * ((index * 7919 % 1009) as f32 / 504.5 - 1.0);
            let mut numbers: Vec<f32> = (0..70 * 2000).map(number).collect();
            numbers[5] = f32::NAN;
            numbers[6] = 0.0;
            for (pair, error) in pairs {
                let [ours, composed] = pair.map(|function| {
                    let x = TensorData::new(numbers.clone(), [2000, 70]);
                    let x = Tensor::<2>::from_data(x, &device).require_grad();
                    let y = function(x.clone().transpose());
                    let gradients = y.clone().sum().backward();
                    [y.into_data(), x.grad(&gradients).unwrap().into_data()]
                });
                let tolerance = Tolerance::rel_abs(1e-5, error(scale));
                for (ours, composed) in ours.iter().zip(&composed) {
                    ours.assert_approx_eq::<f32>(composed, tolerance);
                }
            }
        }
    }
}
