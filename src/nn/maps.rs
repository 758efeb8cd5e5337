//! The convolutions of this crate: 3x3, padding 1, and a stride of 2, down and up.

use super::batch_norm;
use super::linear::activate;
use crate::kernel::convolution::{conv_transpose2d, conv2d};
use burn::nn::activation::Activation;
use burn::nn::norm::Normalization;
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

pub(super) const KERNEL: [usize; 2] = [3, 3];
pub(super) const STRIDE: [usize; 2] = [2, 2];
pub(super) const PADDING: [usize; 2] = [1, 1];

/// How many pixels a transposed convolution adds, so that a side of `ceil(n / 2)` becomes `n` again:
/// (m - 1) * 2 - 2 + 3 + extra is 2m - 1 + extra.
pub(super) fn extra(side: usize) -> usize {
    1 - side % 2
}

/// A convolution to half the height and width, rounded up. `weight` is `[filters, channels, 3, 3]`.
pub(super) fn halve(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<4> {
    let options = ConvOptions::new(STRIDE, PADDING, [1, 1], 1);
    conv2d(x, weight, bias, options)
}

/// The transposed convolution that leads back to maps of this height and width. `weight` is
/// `[channels, filters, 3, 3]`.
pub(super) fn double(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    [height, width]: [usize; 2],
) -> Tensor<4> {
    let options =
        ConvTransposeOptions::new(STRIDE, PADDING, [extra(height), extra(width)], [1, 1], 1);
    conv_transpose2d(x, weight, bias, options)
}

/// What follows a convolution.
pub(super) fn finish(
    x: Tensor<4>,
    norm: Option<&Normalization>,
    activation: &Activation,
) -> Tensor<4> {
    let x = match norm {
        Some(Normalization::Batch(norm)) => batch_norm(norm, x),
        Some(norm) => norm.forward(x),
        None => x,
    };
    activate(activation, x)
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::module;
    use burn::tensor::{Device, Tolerance};

    /// Numbers without a pattern that a wrong index would keep.
    fn numbers<const D: usize>(shape: [usize; D], seed: f64, device: &Device) -> Tensor<D> {
        let count = shape.iter().product::<usize>() as i64;
        let index = Tensor::<1, burn::tensor::Int>::arange(0..count, device).float();
        index
            .mul_scalar(0.7)
            .add_scalar(seed)
            .sin()
            .mul_scalar(0.5)
            .reshape(shape)
    }

    /// The output of an operation of three arguments, and its gradients for them, as data.
    fn with_gradients(
        [x, weight]: [Tensor<4>; 2],
        bias: Tensor<1>,
        operation: impl Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>) -> Tensor<4>,
    ) -> Vec<burn::tensor::TensorData> {
        let [x, weight] = [x, weight].map(Tensor::require_grad);
        let bias = bias.require_grad();
        let output = operation(x.clone(), weight.clone(), Some(bias.clone()));
        let probe = numbers(output.dims(), 3.0, &output.device());
        let gradients = (output.clone() * probe).sum().backward();
        vec![
            output.into_data(),
            x.grad(&gradients).unwrap().into_data(),
            weight.grad(&gradients).unwrap().into_data(),
            bias.grad(&gradients).unwrap().into_data(),
        ]
    }

    fn assert_same(ours: &[burn::tensor::TensorData], burns: &[burn::tensor::TensorData]) {
        for (ours, burns) in ours.iter().zip(burns) {
            ours.assert_approx_eq::<f32>(burns, Tolerance::rel_abs(1e-4, 1e-5));
        }
    }

    /// Odd and even sides, one pixel, one channel and many, and a batch large enough for several threads.
    const SIZES: [[usize; 5]; 6] = [
        [2, 1, 3, 28, 28],
        [3, 4, 5, 7, 10],
        [1, 3, 2, 5, 3],
        [2, 2, 1, 1, 1],
        [2, 3, 3, 2, 1],
        [33, 8, 16, 14, 14],
    ];

    #[allow(deprecated)] // ndarray, which burn keeps for now
    fn devices() -> Vec<Device> {
        vec![
            #[cfg(feature = "flex")]
            Device::flex().autodiff(),
            #[cfg(feature = "ndarray")]
            Device::ndarray().autodiff(),
        ]
    }

    #[test]
    fn halving_is_burns_convolution() {
        for device in devices() {
            for [batch, channels, filters, height, width] in SIZES {
                let x = numbers([batch, channels, height, width], 1.0, &device);
                let weight = numbers([filters, channels, 3, 3], 2.0, &device);
                let bias = numbers([filters], 4.0, &device);
                let burns = with_gradients([x.clone(), weight.clone()], bias.clone(), |x, w, b| {
                    module::conv2d(x, w, b, ConvOptions::new(STRIDE, PADDING, [1, 1], 1))
                });
                assert_same(&with_gradients([x, weight], bias, halve), &burns);
            }
        }
    }

    #[test]
    fn doubling_is_burns_transposed_convolution() {
        for device in devices() {
            for [batch, filters, channels, height, width] in SIZES {
                let small = [height, width].map(|side| side.div_ceil(2));
                let x = numbers([batch, channels, small[0], small[1]], 1.0, &device);
                let weight = numbers([channels, filters, 3, 3], 2.0, &device);
                let bias = numbers([filters], 4.0, &device);
                let burns = with_gradients([x.clone(), weight.clone()], bias.clone(), |x, w, b| {
                    let extra = [extra(height), extra(width)];
                    let options = ConvTransposeOptions::new(STRIDE, PADDING, extra, [1, 1], 1);
                    module::conv_transpose2d(x, w, b, options)
                });
                let ours = with_gradients([x, weight], bias, |x, w, b| {
                    double(x, w, b, [height, width])
                });
                assert_same(&ours, &burns);
            }
        }
    }
}
