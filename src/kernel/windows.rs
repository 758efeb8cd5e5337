//! Convolutions as matrix products, where the processor's memory holds the tensors: [`Convolutions`], of which each is
//! the gradient of the other for what it reads.

use super::{from_rows, rows};
use burn::backend::{
    Autodiff, Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Shape, Tensor};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// How the windows of a convolution lie in a map, which is what it reads; what it writes is its output. (A transposed
/// convolution reads the output, and writes the map.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// Images in the map.
    pub batch: usize,
    /// Channels of the map.
    pub channels: usize,
    /// Channels of the output.
    pub filters: usize,
    /// The parts into which both are divided, each of which meets its own alone.
    pub groups: usize,
    /// Height and width of the map.
    pub sides: [usize; 2],
    /// Height and width of the output: how many windows there are from top to bottom, and from left to right.
    pub positions: [usize; 2],
    /// Height and width of a window, in elements of the kernel.
    pub kernel: [usize; 2],
    /// The step from a window to the next.
    pub stride: [usize; 2],
    /// How far the first window lies outside of the map.
    pub padding: [usize; 2],
    /// The step from an element of a window to the next.
    pub dilation: [usize; 2],
}

impl Windows {
    /// Those of burn's `conv2d`.
    ///
    /// # Panics
    ///
    /// If a window is larger than the map with its padding.
    pub(super) fn of_convolution(
        x: &Tensor<4>,
        weight: &Tensor<4>,
        options: &ConvOptions<2>,
    ) -> Self {
        let [batch, channels, sides @ ..] = x.dims();
        let [filters, _, kernel @ ..] = weight.dims();
        let positions = [0, 1].map(|axis| {
            let (before, after) = options.padding[axis];
            let window = (kernel[axis] - 1) * options.dilation[axis] + 1;
            let Some(room) = (sides[axis] + before + after).checked_sub(window) else {
                panic!(
                    "convolution: a window of {window} elements (weights of shape {:?}) is larger than a map of shape \
                     {:?} with a padding of {before} and {after}",
                    weight.dims(),
                    x.dims(),
                );
            };
            room / options.stride[axis] + 1
        });
        Self {
            batch,
            channels,
            filters,
            groups: options.groups,
            sides,
            positions,
            kernel,
            stride: options.stride,
            padding: options.padding_begin(),
            dilation: options.dilation,
        }
    }

    /// Those of burn's `conv_transpose2d`, whose input is the output of the convolution that it transposes.
    ///
    /// # Panics
    ///
    /// If the padding leaves nothing of the map.
    pub(super) fn of_transposed(
        x: &Tensor<4>,
        weight: &Tensor<4>,
        options: &ConvTransposeOptions<2>,
    ) -> Self {
        let [batch, filters, positions @ ..] = x.dims();
        let [_, group_channels, kernel @ ..] = weight.dims();
        let sides = [0, 1].map(|axis| {
            let first = positions[axis].saturating_sub(1) * options.stride[axis];
            let whole = first + (kernel[axis] - 1) * options.dilation[axis] + 1;
            let side = (whole + options.padding_out[axis]).checked_sub(2 * options.padding[axis]);
            side.filter(|&side| side > 0).unwrap_or_else(|| {
                panic!(
                    "transposed convolution: a padding of {} leaves nothing of what a map of shape {:?} becomes with \
                     weights of shape {:?}",
                    options.padding[axis],
                    x.dims(),
                    weight.dims(),
                )
            })
        });
        Self {
            batch,
            channels: group_channels * options.groups,
            filters,
            groups: options.groups,
            sides,
            positions,
            kernel,
            stride: options.stride,
            padding: options.padding,
            dilation: options.dilation,
        }
    }

    /// Map, output and weights as the rows that the kernels know.
    pub(crate) fn map_shape(&self) -> [usize; 2] {
        [self.batch, self.channels * self.sides[0] * self.sides[1]]
    }
    pub(crate) fn output_shape(&self) -> [usize; 2] {
        let [height, width] = self.positions;
        [self.batch, self.filters * height * width]
    }
    pub(crate) fn weight_shape(&self) -> [usize; 2] {
        let [height, width] = self.kernel;
        [self.filters, self.channels / self.groups * height * width]
    }

    /// Elements of each.
    pub(crate) fn map_len(&self) -> usize {
        self.map_shape().iter().product()
    }
    pub(crate) fn output_len(&self) -> usize {
        self.output_shape().iter().product()
    }
    pub(crate) fn weight_len(&self) -> usize {
        self.weight_shape().iter().product()
    }
}

/// The output of a map, with burn's shapes.
pub(super) fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    windows: Windows,
) -> Tensor<4> {
    let bias = bias_or_zeros(bias, windows.filters, &x).into_dispatch();
    let [x, weight] = [rows(x), rows(weight)].map(Tensor::into_dispatch);
    let [height, width] = windows.positions;
    let shape = Shape::from([windows.batch, windows.filters, height, width]);
    from_rows(Dispatch::convolve(x, weight, bias, windows), shape)
}

/// The map that an output is transposed to.
pub(super) fn convolve_transposed(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    windows: Windows,
) -> Tensor<4> {
    let bias = bias_or_zeros(bias, windows.channels, &x).into_dispatch();
    let [x, weight] = [rows(x), rows(weight)].map(Tensor::into_dispatch);
    let [height, width] = windows.sides;
    let shape = Shape::from([windows.batch, windows.channels, height, width]);
    from_rows(
        Dispatch::convolve_transposed(x, weight, bias, windows),
        shape,
    )
}

fn bias_or_zeros(bias: Option<Tensor<1>>, filters: usize, x: &Tensor<4>) -> Tensor<2> {
    let options = (&x.device(), x.dtype());
    let bias = bias.unwrap_or_else(|| Tensor::zeros([filters], options));
    bias.reshape([1, filters])
}

/// The convolutions on backend tensors, all as rows; see [`Windows`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Convolutions: Backend {
    /// The output of a map.
    fn convolve(
        map: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        windows: Windows,
    ) -> FloatTensor<Self>;

    /// The map that has in each element the sum of what the windows write there.
    fn convolve_transposed(
        output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        windows: Windows,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`Convolutions`] that are not one of them.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait ConvolutionGradients: Backend {
    /// Of the weights: one of `map` and `output` is a gradient, the other what was read.
    fn weight_gradient(
        map: FloatTensor<Self>,
        output: FloatTensor<Self>,
        windows: Windows,
    ) -> FloatTensor<Self>;

    /// Of a bias, `[1, channels]`.
    fn bias_gradient(gradient: FloatTensor<Self>, channels: usize) -> FloatTensor<Self>;
}

/// A convolution as a node of the graph: `$adjoint` gives the gradient of what it read, and `$weight` that of the
/// weights, from the input, the gradient, and the windows.
macro_rules! node {
    ($name:ident: $forward:ident, $adjoint:ident, |$windows:ident| [$read:ident, $written:ident], |$input:ident, $gradient:ident| $weight:expr) => {
        #[derive(Debug)]
        struct $name;

        impl<B: Convolutions + ConvolutionGradients> Backward<B, 3> for $name {
            type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>, Windows);

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                tape: &mut Tape,
                _checkpointer: &mut Checkpointer,
            ) {
                let $gradient = tape.consume::<B>(&ops.node);
                let (input, weight, $windows) = ops.state;
                let [input_parent, weight_parent, bias_parent] = ops.parents;
                if let Some(parent) = bias_parent {
                    let bias = B::bias_gradient($gradient.clone(), $windows.$written);
                    tape.register::<B>(parent.id, bias);
                }
                if let (Some(parent), Some($input)) = (weight_parent, input) {
                    let $gradient = $gradient.clone();
                    tape.register::<B>(parent.id, $weight);
                }
                if let (Some(parent), Some(weight)) = (input_parent, weight) {
                    let shape = Shape::from([1, $windows.$read]);
                    let none = B::float_zeros(shape, &$gradient.device(), $gradient.dtype().into());
                    tape.register::<B>(parent.id, B::$adjoint($gradient, weight, none, $windows));
                }
            }
        }

        impl $name {
            fn apply<B: Convolutions + ConvolutionGradients, C: CheckpointStrategy>(
                input: FloatTensor<Autodiff<B, C>>,
                weight: FloatTensor<Autodiff<B, C>>,
                bias: FloatTensor<Autodiff<B, C>>,
                windows: Windows,
            ) -> FloatTensor<Autodiff<B, C>> {
                let nodes = [input.node(), weight.node(), bias.node()];
                let tracked = [input.is_tracked(), weight.is_tracked()];
                let (input, weight) = (input.into_primitive(), weight.into_primitive());
                // Each is kept for the gradient of the other.
                let kept = (
                    tracked[1].then(|| input.clone()),
                    tracked[0].then(|| weight.clone()),
                    windows,
                );
                let output = B::$forward(input, weight, bias.into_primitive(), windows);
                match $name.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(kept, output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                }
            }
        }
    };
}

node!(Convolve: convolve, convolve_transposed, |windows| [channels, filters], |map, gradient| {
    B::weight_gradient(map, gradient, windows)
});
node!(ConvolveTransposed: convolve_transposed, convolve, |windows| [filters, channels], |output, gradient| {
    B::weight_gradient(gradient, output, windows)
});

impl<B: Convolutions + ConvolutionGradients, C: CheckpointStrategy> Convolutions
    for Autodiff<B, C>
{
    fn convolve(
        map: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        windows: Windows,
    ) -> FloatTensor<Self> {
        Convolve::apply::<B, C>(map, weight, bias, windows)
    }

    fn convolve_transposed(
        output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        windows: Windows,
    ) -> FloatTensor<Self> {
        ConvolveTransposed::apply::<B, C>(output, weight, bias, windows)
    }
}
