//! What logistic distributions have within intervals: where the processor's memory holds the tensors, one pass forward and one
//! backward. Elsewhere the composition runs.

use super::convolution::is_here;
use super::{broadcast_rows, from_rows, rows};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Bool, Tensor};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// The logarithm of what logistic distributions have within `half` of a place at a distance from their means, and beyond it
/// where the place is the first or the last (`is_edge`); of the shape of the distance, to which the others broadcast.
///
/// With `a = (d + h) r`, `b = (h - d) r` and the inverse scale `r` it is `ln sigmoid(a) + ln sigmoid(b) + ln(1 - e^(-2 h r))`, of
/// which the first place has the first term alone, and the last place the second. No gradient goes to `half`.
pub(crate) fn log_interval(
    distance: Tensor<3>,
    half: Tensor<3>,
    inverse_scale: Tensor<3>,
    is_edge: [Tensor<3, Bool>; 2],
) -> Tensor<3> {
    let shape = distance.shape();
    let fits = |tensor: &Tensor<3>| is_here(tensor) && tensor.device() == distance.device();
    if shape.num_elements() == 0 || ![&distance, &half, &inverse_scale].into_iter().all(fits) {
        return composed(distance, half, inverse_scale, is_edge);
    }
    let [first, last] = is_edge.map(|is| is.float());
    let edge = (first + last * 2.0).cast(distance.dtype());
    let [half, inverse_scale, edge] =
        [half.detach(), inverse_scale, edge].map(|tensor| broadcast_rows(tensor, &shape));
    let [distance, half, inverse_scale, edge] =
        [rows(distance), half, inverse_scale, edge].map(Tensor::into_dispatch);
    from_rows(
        Dispatch::log_interval(distance, half, inverse_scale, edge),
        shape,
    )
}

fn composed(
    distance: Tensor<3>,
    half: Tensor<3>,
    inverse_scale: Tensor<3>,
    is_edge: [Tensor<3, Bool>; 2],
) -> Tensor<3> {
    let dims = distance.dims();
    let [is_first, is_last] = is_edge.map(|is| is.expand(dims));
    let upper = log_sigmoid((distance.clone() + half.clone()) * inverse_scale.clone());
    let lower = log_sigmoid((distance - half.clone()).neg() * inverse_scale.clone());
    // `1 - e^-2w` is `2 t / (1 + t)` with `t = tanh(w)`, which has all its digits where w is small.
    let tanh = (inverse_scale * half).tanh();
    let width = tanh.clone().log() - tanh.log1p() + core::f64::consts::LN_2;
    let is_edge = is_first.clone().bool_or(is_last.clone());
    upper.mask_fill(is_last, 0.0)
        + lower.mask_fill(is_first, 0.0)
        + width.expand(dims).mask_fill(is_edge, 0.0)
}

/// The logarithms on backend tensors, all of one shape.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Intervals: Backend {
    /// The edge is 0, 1 at the first place, 2 at the last, and 3 at the only one.
    fn log_interval(
        distance: FloatTensor<Self>,
        half: FloatTensor<Self>,
        inverse_scale: FloatTensor<Self>,
        edge: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`Intervals`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait IntervalGradients: Backend {
    /// Those of the distance and of the inverse scale.
    fn log_interval_grad(
        gradient: FloatTensor<Self>,
        distance: FloatTensor<Self>,
        half: FloatTensor<Self>,
        inverse_scale: FloatTensor<Self>,
        edge: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The logarithms as a node of the graph.
#[derive(Debug)]
struct Node;

impl<B: Intervals + IntervalGradients> Backward<B, 2> for Node {
    type State = [FloatTensor<B>; 4];

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let [distance, half, inverse_scale, edge] = ops.state;
        let (distance, inverse_scale) =
            B::log_interval_grad(gradient, distance, half, inverse_scale, edge);
        for (parent, gradient) in ops.parents.into_iter().zip([distance, inverse_scale]) {
            if let Some(parent) = parent {
                tape.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: Intervals + IntervalGradients, C: CheckpointStrategy> Intervals for Autodiff<B, C> {
    fn log_interval(
        distance: FloatTensor<Self>,
        half: FloatTensor<Self>,
        inverse_scale: FloatTensor<Self>,
        edge: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [distance.node(), inverse_scale.node()];
        let arguments = [distance, half, inverse_scale, edge].map(|tensor| tensor.into_primitive());
        let [distance, half, inverse_scale, edge] = arguments.clone();
        let output = B::log_interval(distance, half, inverse_scale, edge);
        match Node.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(arguments, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    /// Values and gradients are the composition's: of every edge, of scales that are shared by the batch or not, in the tails and
    /// at the middle, of several threads too; and finite wherever the arguments are.
    #[test]
    fn intervals_and_gradients_are_the_compositions() {
        let numbers = |[a, b, c]: [usize; 3], scale: f32, offset: f32| {
            let number = |i: usize| scale * (((i * 7919 + a) % 1009) as f32 / 504.5 - 1.0) + offset;
            TensorData::new((0..a * b * c).map(number).collect(), [a, b, c])
        };
        let device = Device::default().autodiff();
        for ([batch, columns, modes], far, shared) in [
            ([1, 1, 1], 1.0, false),
            ([7, 4, 5], 3.0, true),
            ([7, 4, 5], 3.0, false),
            ([7, 5, 3], 300.0, true),
            ([400, 40, 9], 20.0, true),
        ] {
            let of = |function: fn(
                Tensor<3>,
                Tensor<3>,
                Tensor<3>,
                [Tensor<3, Bool>; 2],
            ) -> Tensor<3>| {
                let tensor = |data| Tensor::<3>::from_data(data, &device);
                let distance = tensor(numbers([batch, columns, modes], far, 0.1)).require_grad();
                let half = tensor(numbers([1, columns, 1], 0.2, 0.3));
                let rows = if shared { 1 } else { batch };
                let inverse = tensor(numbers([rows, columns, modes], 2.0, 2.5)).require_grad();
                // By turns: between, first, last, and both.
                let place = |i: usize, bit: usize| (i % 4) & bit != 0;
                let is_edge = [1, 2].map(|bit| {
                    let is: Vec<bool> = (0..batch * columns).map(|i| place(i, bit)).collect();
                    Tensor::<3, Bool>::from_data(TensorData::new(is, [batch, columns, 1]), &device)
                });
                let output = function(distance.clone(), half, inverse.clone(), is_edge);
                let slope = tensor(numbers([batch, columns, modes], 1.0, 0.2));
                let gradients = (output.clone() * slope).sum().backward();
                let of = |argument: &Tensor<3>| argument.grad(&gradients).unwrap().into_data();
                [output.into_data(), of(&distance), of(&inverse)]
            };
            let (ours, theirs) = (of(log_interval), of(composed));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!(ours.iter::<f32>().all(f32::is_finite));
                ours.assert_approx_eq::<f32>(theirs, Tolerance::rel_abs(1e-4, 1e-5 * far));
            }
        }
    }
}
