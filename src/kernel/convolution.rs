//! Convolutions of every kind, and transposed ones, with burn's shapes and options.
//!
//! Where the processor's memory holds the tensors, they are matrix products of this crate ([`super::windows`]). Elsewhere
//! burn's own run: the GPU backends have kernels for them.

use super::assert_compatible;
#[cfg(feature = "_host")]
use super::windows::{self, Windows};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, module};

/// Whether a tensor's numbers lie in this processor's memory, as those of a kernel that is not for every backend must.
pub(super) fn is_here<const D: usize>(tensor: &Tensor<D>) -> bool {
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
    assert_channels(&x, &weight, weight.dims()[1] * options.groups);
    #[cfg(feature = "_host")]
    if is_here(&x) {
        let windows = Windows::of_convolution(&x, &weight, &options);
        return windows::convolve(x, weight, bias, windows);
    }
    module::conv2d(x, weight, bias, options)
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
    assert_channels(&x, &weight, weight.dims()[0]);
    #[cfg(feature = "_host")]
    if is_here(&x) {
        let windows = Windows::of_transposed(&x, &weight, &options);
        return windows::convolve_transposed(x, weight, bias, windows);
    }
    module::conv_transpose2d(x, weight, bias, options)
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
