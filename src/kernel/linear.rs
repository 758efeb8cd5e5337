//! Dense layers: where the processor's memory holds the tensors, products of this crate. Elsewhere the
//! [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::{assert_compatible, reference};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{DType, Tensor};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// From so many rows on it is worth to lay the weight out anew.
const FEW: usize = 4;

/// A dense layer: `x W + b`, `[batch, outputs]`, of `x` `[batch, inputs]`, the weight `[inputs, outputs]` and the bias
/// `[outputs]`, which is 0 where there is none.
///
/// On flex and ndarray, in `f32` and of four rows or more, an element's sum is the same to the last digit whatever the other rows
/// are, and the number of threads; on x86-64 also with and without AVX-512.
///
/// # Panics
///
/// If the shapes do not fit each other, and as [every kernel](super) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::linear;
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0, 2.0]], &device);
/// let weight = Tensor::<2>::from_floats([[3.0], [5.0]], &device);
/// let bias = Tensor::<1>::from_floats([0.5], &device);
/// assert_eq!(linear(x, weight, Some(bias)).into_scalar::<f32>(), 13.5);
/// ```
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let [inputs, outputs] = weight.dims();
    let bias_shape = bias.as_ref().map(Tensor::dims);
    assert!(
        x.dims()[1] == inputs && bias_shape.is_none_or(|[len]| len == outputs),
        "linear: x of shape {:?}, a weight of shape {:?} and a bias of shape {bias_shape:?} do not fit each other",
        x.dims(),
        weight.dims(),
    );
    // burn multiplies numbers with quantised ones.
    let is_quantised = |dtype| matches!(dtype, DType::QFloat(_));
    if is_quantised(weight.dtype()) || bias.as_ref().is_some_and(|bias| is_quantised(bias.dtype()))
    {
        return reference::linear(x, weight, bias);
    }
    assert_compatible("linear", ("the weight", &weight), ("x", &x));
    if let Some(bias) = &bias {
        assert_compatible("linear", ("the bias", bias), ("x", &x));
    }
    let [batch, _] = x.dims();
    if batch == 0 || outputs == 0 {
        // (burn multiplies no empty matrices on every backend.)
        return Tensor::empty([batch, outputs], (&x.device(), x.dtype()));
    }
    if batch < FEW || !is_here(&x) {
        return reference::linear(x, weight, bias);
    }
    let options = (&x.device(), x.dtype());
    let bias = bias.unwrap_or_else(|| Tensor::zeros([outputs], options));
    let [x, weight, bias] = [x, weight, bias.unsqueeze()].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::dense(x, weight, bias))
}

/// The layer on backend tensors; the bias is `[1, outputs]`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Dense: Backend {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`Dense`], from that of its output.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait DenseGradients: Backend {
    /// Of `x`.
    fn dense_grad(gradient: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Of the weight.
    fn dense_weight_grad(gradient: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Of the bias, `[1, outputs]`.
    fn dense_bias_grad(gradient: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The layer as a node of the graph.
#[derive(Debug)]
struct Node;

impl<B: Dense + DenseGradients> Backward<B, 3> for Node {
    type State = [Option<FloatTensor<B>>; 2];

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let [x, weight] = ops.state;
        let [of_x, of_weight, of_bias] = ops.parents;
        if let Some(parent) = of_bias {
            tape.register::<B>(parent.id, B::dense_bias_grad(gradient.clone()));
        }
        if let (Some(parent), Some(x)) = (of_weight, x) {
            tape.register::<B>(parent.id, B::dense_weight_grad(gradient.clone(), x));
        }
        if let (Some(parent), Some(weight)) = (of_x, weight) {
            tape.register::<B>(parent.id, B::dense_grad(gradient, weight));
        }
    }
}

impl<B: Dense + DenseGradients, C: CheckpointStrategy> Dense for Autodiff<B, C> {
    fn dense(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let tracked = [x.is_tracked(), weight.is_tracked()];
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.into_primitive());
        // Each is kept for the gradient of the other.
        let kept = [
            tracked[1].then(|| x.clone()),
            tracked[0].then(|| weight.clone()),
        ];
        let output = B::dense(x, weight, bias);
        match Node.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
