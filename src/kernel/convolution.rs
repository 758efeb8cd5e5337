//! Convolutions of every kind, and transposed ones, with burn's shapes and options.
//!
//! Where the processor's memory holds the tensors, they are matrix products of this crate: [`Convolutions`] on
//! [`Windows`], of which each is the gradient of the other for its map. Elsewhere burn's own run: the GPU backends have
//! kernels for them.

use super::{assert_compatible, from_rows, rows};
use burn::backend::{
    Autodiff, Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn::tensor::{Shape, Tensor, module};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
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

/// Whether this crate has a kernel for the convolutions of a tensor.
fn is_here<const D: usize>(tensor: &Tensor<D>) -> bool {
    #[allow(unused_imports)] // without any backend
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

/// burn's `conv2d`: `[batch, channels, height, width]` to `[batch, filters, ..]`, with weights
/// `[filters, channels / groups, ..kernel]`.
///
/// # Panics
///
/// If the channels of the map and of the weights differ, or a window is larger than the map with its padding.
pub(crate) fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<2>,
) -> Tensor<4> {
    let [batch, channels, sides @ ..] = x.dims();
    let [filters, group_channels, kernel @ ..] = weight.dims();
    let groups = options.groups;
    assert_channels(&x, &weight, group_channels * groups);
    if !is_here(&x) {
        return module::conv2d(x, weight, bias, options);
    }
    let positions = [0, 1].map(|axis| {
        let (before, after) = options.padding[axis];
        let window = (kernel[axis] - 1) * options.dilation[axis] + 1;
        let room = (sides[axis] + before + after).checked_sub(window);
        let Some(room) = room else {
            panic!(
                "convolution: a window of {window} elements (weights of shape {:?}) is larger than a map of shape \
                 {:?} with a padding of {before} and {after}",
                weight.dims(),
                x.dims(),
            );
        };
        room / options.stride[axis] + 1
    });
    let windows = Windows {
        batch,
        channels,
        filters,
        groups,
        sides,
        positions,
        kernel,
        stride: options.stride,
        padding: options.padding_begin(),
        dilation: options.dilation,
    };
    let [height, width] = positions;
    let bias = bias_or_zeros(bias, filters, &x);
    let [x, weight] = [rows(x), rows(weight)].map(Tensor::into_dispatch);
    let output = Dispatch::convolve(x, weight, bias.into_dispatch(), windows);
    from_rows(output, Shape::from([batch, filters, height, width]))
}

/// burn's `conv_transpose2d`: `[batch, channels, height, width]` to `[batch, filters, ..]`, with weights
/// `[channels, filters / groups, ..kernel]`.
///
/// # Panics
///
/// If the channels of the map and of the weights differ, or nothing is left of the result within its padding.
pub(crate) fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvTransposeOptions<2>,
) -> Tensor<4> {
    let [batch, channels, positions @ ..] = x.dims();
    let [weight_channels, group_filters, kernel @ ..] = weight.dims();
    assert_channels(&x, &weight, weight_channels);
    if !is_here(&x) {
        return module::conv_transpose2d(x, weight, bias, options);
    }
    let sides = [0, 1].map(|axis| {
        let windows = (positions[axis] - 1) * options.stride[axis];
        let whole = windows + (kernel[axis] - 1) * options.dilation[axis] + 1;
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
    let filters = group_filters * options.groups;
    let windows = Windows {
        batch,
        channels: filters,
        filters: channels,
        groups: options.groups,
        sides,
        positions,
        kernel,
        stride: options.stride,
        padding: options.padding,
        dilation: options.dilation,
    };
    let [height, width] = sides;
    let bias = bias_or_zeros(bias, filters, &x);
    let [x, weight] = [rows(x), rows(weight)].map(Tensor::into_dispatch);
    let map = Dispatch::convolve_transposed(x, weight, bias.into_dispatch(), windows);
    from_rows(map, Shape::from([batch, filters, height, width]))
}

/// burn's `conv1d`: `[batch, channels, length]` to `[batch, filters, ..]`, with weights
/// `[filters, channels / groups, kernel]`.
///
/// # Panics
///
/// As [`conv2d`].
pub(crate) fn conv1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    options: ConvOptions<1>,
) -> Tensor<3> {
    if !is_here(&x) {
        return module::conv1d(x, weight, bias, options);
    }
    let ([stride], [padding], [dilation]) = (options.stride, options.padding, options.dilation);
    let options = ConvOptions::new_with_padding(
        [1, stride],
        [(0, 0), padding],
        [1, dilation],
        options.groups,
    );
    of_one_row(conv2d(one_row(x), one_row(weight), bias, options))
}

/// burn's `conv_transpose1d`: `[batch, channels, length]` to `[batch, filters, ..]`, with weights
/// `[channels, filters / groups, kernel]`.
///
/// # Panics
///
/// As [`conv_transpose2d`].
pub(crate) fn conv_transpose1d(
    x: Tensor<3>,
    weight: Tensor<3>,
    bias: Option<Tensor<1>>,
    options: ConvTransposeOptions<1>,
) -> Tensor<3> {
    if !is_here(&x) {
        return module::conv_transpose1d(x, weight, bias, options);
    }
    let ([stride], [padding], [extra]) = (options.stride, options.padding, options.padding_out);
    let [dilation] = options.dilation;
    let options = ConvTransposeOptions::new(
        [1, stride],
        [0, padding],
        [0, extra],
        [1, dilation],
        options.groups,
    );
    of_one_row(conv_transpose2d(one_row(x), one_row(weight), bias, options))
}

/// A line as an image of one row, and back.
fn one_row(line: Tensor<3>) -> Tensor<4> {
    let [batch, channels, length] = line.dims();
    line.reshape([batch, channels, 1, length])
}
fn of_one_row(image: Tensor<4>) -> Tensor<3> {
    let [batch, channels, _, length] = image.dims();
    image.reshape([batch, channels, length])
}

/// The check of a map against the weights of its convolution.
fn assert_channels(x: &Tensor<4>, weight: &Tensor<4>, channels: usize) {
    assert!(
        x.dims()[1] == channels,
        "convolution: a map of shape {:?} has {} channels, weights of shape {:?} take {channels}",
        x.dims(),
        x.dims()[1],
        weight.dims(),
    );
    assert_compatible("convolution", ("the weights", weight), ("the map", x));
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
