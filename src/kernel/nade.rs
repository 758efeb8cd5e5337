//! The hidden layers of a NADE: where the processor's memory holds the tensors, no unit of theirs is written to memory, neither
//! forward nor backward. Elsewhere the [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::{assert_compatible, broadcast_rows, reference, rows};
use crate::error::check_order;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Int, Shape, Tensor};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};
use std::sync::Arc;

/// What the hidden units of a [`Nade`](crate::autoregressive::Nade) give, of each variable those of the variables before it:
/// `V_i relu(s + sum over j before i of x_j W_j)`, `[batch, variables, outputs]`.
///
/// `x` is `[batch, variables]`, `weight` (`W`) `[variables, hidden]`, `start` (`s`) `[batch, hidden]` or `[1, hidden]`, `readout`
/// (`V`) `[variables, outputs, hidden]`; `order` names the variables from the first to the last. Where this processor's memory holds
/// tensors of `f32`, nothing is kept for the backward pass but the arguments: the composition, which runs elsewhere, keeps
/// `batch * variables * hidden` numbers several times over.
///
/// [Larochelle & Murray 2011](https://proceedings.mlr.press/v15/larochelle11a.html), algorithm 1.
///
/// # Panics
///
/// If the shapes do not fit each other, and as [every kernel](super) does; the kernel also if the order is no permutation.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::nade;
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0, 5.0]], &device);
/// let weight = Tensor::<2>::from_floats([[3.0], [7.0]], &device);
/// let readout = Tensor::<3>::ones([2, 1, 1], &device);
/// let order = Tensor::<1, Int>::from_ints([0, 1], &device);
/// let sums = nade(x, weight, Tensor::zeros([1, 1], &device), readout, order);
/// sums.into_data().assert_eq(&TensorData::from([[[0f32], [3.0]]]), true);
/// ```
pub fn nade(
    x: Tensor<2>,
    weight: Tensor<2>,
    start: Tensor<2>,
    readout: Tensor<3>,
    order: Tensor<1, Int>,
) -> Tensor<3> {
    let [batch, variables] = x.dims();
    let [_, hidden] = weight.dims();
    let [_, outputs, _] = readout.dims();
    let shapes = [
        ("weight", weight.dims().to_vec(), vec![variables, hidden]),
        (
            "start",
            start.dims().to_vec(),
            vec![start_rows(&start, batch), hidden],
        ),
        (
            "readout",
            readout.dims().to_vec(),
            vec![variables, outputs, hidden],
        ),
        ("order", order.dims().to_vec(), vec![variables]),
    ];
    for (name, given, wanted) in shapes {
        assert!(
            given == wanted,
            "nade: for x of shape {:?} the {name} has shape {given:?} in the place of {wanted:?}",
            x.dims()
        );
    }
    let readout_rows = rows(readout.clone());
    let all = [
        ("weight", &weight),
        ("start", &start),
        ("readout", &readout_rows),
    ];
    for (name, tensor) in all {
        assert_compatible("nade", (name, tensor), ("x", &x));
    }
    if batch == 0 {
        // (burn multiplies no empty batch of matrices on every backend.)
        return Tensor::empty([0, variables, outputs], (&x.device(), x.dtype()));
    }
    if outputs == 0 || hidden == 0 || !is_here(&x) {
        return reference::nade(x, weight, start, readout, order);
    }
    let order = order.into_data();
    let order = order.iter::<i64>().map(|variable| {
        usize::try_from(variable)
            .unwrap_or_else(|_| panic!("nade: there is no variable {variable}"))
    });
    let order: Arc<[usize]> = order.collect();
    if let Err(error) = check_order("nade", &order, variables) {
        panic!("{error}");
    }
    let start = broadcast_rows(start, &Shape::new([batch, hidden]));
    let [x, weight, start, readout] = [x, weight, start, readout_rows].map(Tensor::into_dispatch);
    let sums = Tensor::<2>::from_dispatch(Dispatch::nade(x, weight, start, readout, order));
    sums.reshape([batch, variables, outputs])
}

/// The rows that a start may have: one for all of a batch, or one for each.
fn start_rows(start: &Tensor<2>, batch: usize) -> usize {
    match start.dims() {
        [1, _] => 1,
        _ => batch,
    }
}

/// The layers on backend tensors, all as rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait RunningUnits: Backend {
    /// `[batch, variables x outputs]`; the readout is `[variables, outputs x hidden]`.
    fn nade(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        start: FloatTensor<Self>,
        readout: FloatTensor<Self>,
        order: Arc<[usize]>,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`RunningUnits`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait RunningUnitsGradients: Backend {
    /// Those of `x`, where it `asks` for one, of the weight, the start and the readout.
    #[allow(clippy::type_complexity)]
    fn nade_grad(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        start: FloatTensor<Self>,
        readout: FloatTensor<Self>,
        order: Arc<[usize]>,
        asks: bool,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );
}

/// The layers as a node of the graph.
#[derive(Debug)]
struct Node;

impl<B: RunningUnits + RunningUnitsGradients> Backward<B, 4> for Node {
    type State = ([FloatTensor<B>; 4], Arc<[usize]>);

    fn backward(self, ops: Ops<Self::State, 4>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let ([x, weight, start, readout], order) = ops.state;
        // `x` is mostly data.
        let asks = ops.parents[0].is_some();
        let (x, weight, start, readout) =
            B::nade_grad(gradient, x, weight, start, readout, order, asks);
        for (parent, gradient) in ops.parents.into_iter().zip([x, weight, start, readout]) {
            if let Some(parent) = parent {
                tape.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: RunningUnits + RunningUnitsGradients, C: CheckpointStrategy> RunningUnits
    for Autodiff<B, C>
{
    fn nade(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        start: FloatTensor<Self>,
        readout: FloatTensor<Self>,
        order: Arc<[usize]>,
    ) -> FloatTensor<Self> {
        let arguments = [x, weight, start, readout];
        let nodes = arguments.each_ref().map(|tensor| tensor.node());
        let arguments = arguments.map(|tensor| tensor.into_primitive());
        let [x, weight, start, readout] = arguments.clone();
        let output = B::nade(x, weight, start, readout, order.clone());
        match Node.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((arguments, order), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
