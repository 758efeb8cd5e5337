//! Convolutions as matrix products: [`im2col`] and its adjoint [`col2im`], each the other's gradient.
//!
//! Only where the processor's memory holds the tensors ([`is_here`]): the GPU backends have convolutions of
//! their own. Maps are rows, `[batch height width, channels]`, so that a row of a window is one piece of memory.

use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// How windows lie in a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// Images in the map.
    pub batch: usize,
    /// Channels of the map.
    pub channels: usize,
    /// Height and width of the map.
    pub sides: [usize; 2],
    /// How many windows there are from top to bottom, and from left to right.
    pub positions: [usize; 2],
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// The step from a window to the next.
    pub stride: [usize; 2],
    /// How far the first window lies outside of the map.
    pub padding: [usize; 2],
}

impl Windows {
    /// The shape of the map.
    pub(crate) fn map_shape(&self) -> [usize; 2] {
        [self.batch * self.sides[0] * self.sides[1], self.channels]
    }

    /// The shape of the windows' matrix.
    pub(crate) fn columns_shape(&self) -> [usize; 2] {
        [
            self.batch * self.positions[0] * self.positions[1],
            self.kernel[0] * self.kernel[1] * self.channels,
        ]
    }
}

/// Whether the map or the windows of this tensor can be had here.
pub(crate) fn is_here<const D: usize>(tensor: &Tensor<D>) -> bool {
    use burn::{backend::DispatchDevice, tensor::DType};

    let device = tensor.device().inner();
    match (device.as_dispatch(), tensor.dtype()) {
        #[cfg(feature = "flex")]
        (DispatchDevice::Flex(_), DType::F32) => true,
        #[cfg(feature = "ndarray")]
        (DispatchDevice::NdArray(_), DType::F32) => true,
        _ => false,
    }
}

/// Every window of a map as a row, `[batch positions, kernel channels]`.
pub(crate) fn im2col(map: Tensor<2>, windows: Windows) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::im2col(map.into_dispatch(), windows))
}

/// The map that has in each element the sum of what the windows have for it.
pub(crate) fn col2im(columns: Tensor<2>, windows: Windows) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::col2im(columns.into_dispatch(), windows))
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Patches: Backend {
    fn im2col(map: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self>;
    fn col2im(columns: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self>;
}

macro_rules! adjoints {
    ($name:ident: $forward:ident, $adjoint:ident) => {
        #[derive(Debug)]
        struct $name;

        impl<B: Patches> Backward<B, 1> for $name {
            type State = Windows;

            fn backward(
                self,
                ops: Ops<Windows, 1>,
                tape: &mut Tape,
                _checkpointer: &mut Checkpointer,
            ) {
                let gradient = tape.consume::<B>(&ops.node);
                let [parent] = ops.parents;
                if let Some(parent) = parent {
                    tape.register::<B>(parent.id, B::$adjoint(gradient, ops.state));
                }
            }
        }

        impl $name {
            fn apply<B: Patches, C: CheckpointStrategy>(
                input: FloatTensor<Autodiff<B, C>>,
                windows: Windows,
            ) -> FloatTensor<Autodiff<B, C>> {
                let node = input.node();
                let output = B::$forward(input.into_primitive(), windows);
                match $name.prepare::<C>([node]).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(windows, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
        }
    };
}

adjoints!(Im2Col: im2col, col2im);
adjoints!(Col2Im: col2im, im2col);

impl<B: Patches, C: CheckpointStrategy> Patches for Autodiff<B, C> {
    fn im2col(map: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self> {
        Im2Col::apply::<B, C>(map, windows)
    }
    fn col2im(columns: FloatTensor<Self>, windows: Windows) -> FloatTensor<Self> {
        Col2Im::apply::<B, C>(columns, windows)
    }
}
