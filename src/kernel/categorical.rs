//! The negative log-likelihood of classes: where the processor's memory holds the logits, no probability is written to memory, and
//! a backward pass writes its gradient once. Elsewhere the [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::reference;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Int, Tensor};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};
use std::sync::Arc;

/// Categorical negative log-likelihood of a class for each row of unnormalised logits, `[rows, classes]`, in nats, `[rows]`:
/// `ln sum e^l - l[class]`.
///
/// # Panics
///
/// If the number of classes that are given is not that of the rows, or one is none of them.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::categorical_nll;
///
/// let device = Device::default();
/// let logits = Tensor::<2>::from_floats([[5.0, 5.0, -100.0]], &device);
/// let nll = categorical_nll(logits, Tensor::from_ints([1], &device)).into_scalar::<f32>();
/// assert!((nll - 2f32.ln()).abs() < 1e-6);
/// ```
pub fn categorical_nll(logits: Tensor<2>, class: Tensor<1, Int>) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    let [given] = class.dims();
    assert!(
        given == rows,
        "categorical_nll: {given} classes are given for logits of shape {:?}",
        logits.dims()
    );
    if rows == 0 || !is_here(&logits) {
        return reference::categorical_nll(logits, class);
    }
    let class = class.into_data();
    let class = class.iter::<i64>().map(|class| {
        assert!(
            (0..classes as i64).contains(&class),
            "categorical_nll: class {class} is none of 0 to {}",
            classes.saturating_sub(1)
        );
        class as usize
    });
    let nll = Dispatch::class_nll(logits.into_dispatch(), class.collect());
    Tensor::<2>::from_dispatch(nll).reshape([rows])
}

/// The likelihood on backend tensors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait ClassNll: Backend {
    /// `[rows, 1]`.
    fn class_nll(logits: FloatTensor<Self>, class: Arc<[usize]>) -> FloatTensor<Self>;
}

/// The gradient of [`ClassNll`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait ClassNllGradient: Backend {
    /// That of the logits, from that of each row.
    fn class_nll_grad(
        gradient: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        class: Arc<[usize]>,
    ) -> FloatTensor<Self>;
}

/// The likelihood as a node of the graph.
#[derive(Debug)]
struct Node;

impl<B: ClassNll + ClassNllGradient> Backward<B, 1> for Node {
    type State = (FloatTensor<B>, Arc<[usize]>);

    fn backward(self, ops: Ops<Self::State, 1>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let (logits, class) = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            tape.register::<B>(parent.id, B::class_nll_grad(gradient, logits, class));
        }
    }
}

impl<B: ClassNll + ClassNllGradient, C: CheckpointStrategy> ClassNll for Autodiff<B, C> {
    fn class_nll(logits: FloatTensor<Self>, class: Arc<[usize]>) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        let logits = logits.into_primitive();
        let nll = B::class_nll(logits.clone(), class.clone());
        match Node.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((logits, class), nll),
            OpsKind::UnTracked(prep) => prep.finish(nll),
        }
    }
}
