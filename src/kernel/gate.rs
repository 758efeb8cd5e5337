//! The gated activation: where the processor's memory holds the tensor, one pass forward and one backward. Elsewhere the
//! [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::{from_rows, reference, rows};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// `tanh(a) sigmoid(b)` of the halves `a` and `b` of the channels (axis 1):
/// `[batch, 2 channels, ..]` to `[batch, channels, ..]`. It keeps nothing for the backward pass but its argument.
///
/// [van den Oord et al. 2016](https://arxiv.org/abs/1606.05328), equation 2.
///
/// # Panics
///
/// If the number of channels is odd, and as [every kernel](super) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::gated;
///
/// let x = Tensor::<2>::from_floats([[0.5, 0.0]], &Device::default());
/// let half = 0.5f32.tanh() / 2.0;
/// gated(x).into_data().assert_approx_eq::<f32>(&TensorData::from([[half]]), Default::default());
/// ```
pub fn gated<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    assert!(D >= 2, "gated: a tensor of one axis has no channels");
    let mut shape = x.shape();
    assert!(
        shape[1].is_multiple_of(2),
        "gated: an odd number of channels, {}, has no two halves",
        shape[1]
    );
    if shape.num_elements() == 0 || !is_here(&x) {
        return reference::gated(x);
    }
    shape[1] /= 2;
    from_rows(Dispatch::gate(rows(x).into_dispatch()), shape)
}

/// The activation on backend tensors, as rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Gate: Backend {
    /// Of rows of two halves, rows of one.
    fn gate(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The gradient of [`Gate`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait GateGradient: Backend {
    /// That of `x`, from that of the output.
    fn gate_grad(gradient: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The activation as a node of the graph.
#[derive(Debug)]
struct Gated;

impl<B: Gate + GateGradient> Backward<B, 1> for Gated {
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            tape.register::<B>(parent.id, B::gate_grad(gradient, ops.state));
        }
    }
}

impl<B: Gate + GateGradient, C: CheckpointStrategy> Gate for Autodiff<B, C> {
    fn gate(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = x.into_primitive();
        let output = B::gate(x.clone());
        match Gated.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
