//! `ln sum e^x`: where the processor's memory holds the tensor, one pass forward and one backward. Elsewhere the composition runs.

use super::convolution::is_here;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// `ln sum e^x` along an axis, which is kept with one element; a number also where all the terms are too small for their type.
pub(crate) fn log_sum_exp<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let mut dims = x.dims();
    if axis + 1 != D || x.shape().num_elements() == 0 || !is_here(&x) {
        return composed(x, axis);
    }
    let terms = dims[axis];
    let of_rows = x.reshape([-1, terms as i64]).into_dispatch();
    dims[axis] = 1;
    Tensor::<2>::from_dispatch(Dispatch::row_log_sum_exp(of_rows)).reshape(dims)
}

/// `ln sum_k w_k p_k` over the last axis, which is kept with one element: of components with such logits `ln w_k + c` and log-densities.
pub(crate) fn log_mixture<const D: usize>(logits: Tensor<D>, log_p: Tensor<D>) -> Tensor<D> {
    // No gradient says how large all of them are together, and the difference of two large sums would have no digits. What is taken
    // off need not be their sum to the last digit, since that of what is left is.
    let logits = logits.clone() - log_sum_exp(logits.detach(), D - 1);
    log_sum_exp(logits.clone() + log_p, D - 1) - log_sum_exp(logits, D - 1)
}

fn composed<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let largest = x.clone().detach().max_dim(axis);
    (x - largest.clone()).exp().sum_dim(axis).log() + largest
}

/// The sums on backend tensors, as rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait LogSums: Backend {
    /// `[rows, 1]`.
    fn row_log_sum_exp(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The gradient of [`LogSums`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait LogSumGradients: Backend {
    /// That of `x`, from that of each row.
    fn row_log_sum_exp_grad(gradient: FloatTensor<Self>, x: FloatTensor<Self>)
    -> FloatTensor<Self>;
}

/// The sum as a node of the graph.
#[derive(Debug)]
struct Node;

impl<B: LogSums + LogSumGradients> Backward<B, 1> for Node {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            tape.register::<B>(parent.id, B::row_log_sum_exp_grad(gradient, ops.state));
        }
    }
}

impl<B: LogSums + LogSumGradients, C: CheckpointStrategy> LogSums for Autodiff<B, C> {
    fn row_log_sum_exp(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = x.into_primitive();
        let output = B::row_log_sum_exp(x.clone());
        match Node.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    /// Values and gradients are the composition's: of few terms and of several vectors of them, of several threads too, of a term
    /// that is nothing, far from 0, and of rows of what is no number; rows in whole blocks and in what is left of them.
    #[test]
    fn sums_and_gradients_are_the_compositions() {
        let device = Device::default().autodiff();
        for [batch, rows, terms] in [
            [1, 1, 1],
            [3, 5, 5],
            [5, 8, 16],
            [5, 8, 17],
            [2, 3, 37],
            [60, 40, 64],
            [701, 21, 5],
        ] {
            for offset in [0.0, 200.0, -1e4] {
                let number = |i: usize| offset + ((i * 7919 % 1009) as f32 / 100.9);
                let mut numbers: Vec<f32> = (0..batch * rows * terms).map(number).collect();
                if terms > 1 {
                    numbers[0] = f32::NEG_INFINITY;
                }
                if rows > 1 {
                    numbers[terms] = f32::NAN;
                }
                let of = |function: fn(Tensor<3>, usize) -> Tensor<3>| {
                    let x = TensorData::new(numbers.clone(), [batch, rows, terms]);
                    let x = Tensor::<3>::from_data(x, &device).require_grad();
                    let output = function(x.clone(), 2);
                    assert_eq!(output.dims(), [batch, rows, 1]);
                    let slope = output.clone().detach().mul_scalar(0.0) + 0.7;
                    let gradients = (output.clone() * slope).sum().backward();
                    [output.into_data(), x.grad(&gradients).unwrap().into_data()]
                };
                let (ours, theirs) = (of(log_sum_exp), of(composed));
                for (ours, theirs) in ours.iter().zip(&theirs) {
                    ours.assert_approx_eq::<f32>(theirs, Tolerance::rel_abs(1e-5, 1e-6));
                }
            }
        }
    }

    /// The mean of equal densities is that density, whatever is added to all logits.
    #[test]
    fn a_mixture_does_not_ask_how_large_logits_are_together() {
        let device = Device::default();
        let logits = Tensor::<2>::from_floats([[0.0, 1.0, -2.0]], &device);
        let log_p = Tensor::<2>::full([1, 3], -1.25, &device);
        for offset in [0.0, 1e5, -1e6] {
            let log_p = log_mixture(logits.clone() + offset, log_p.clone());
            let log_p: f32 = log_p.into_scalar();
            assert!((log_p + 1.25).abs() < 1e-6, "{offset}: {log_p}");
        }
    }
}
