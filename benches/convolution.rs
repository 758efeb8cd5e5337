//! Convolutions, forward and backward, beside burn's own: 32 images of 28x28 pixels, or 16 series of 8,000 steps, with
//! 64 channels.
//!
//!     cargo bench --profile dev --bench convolution
//!
//! `python benches/convolution.py` runs it in turn with PyTorch.

#[allow(dead_code)] // the benches of the kernels use the rest
mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use divan::Bencher;

const IMAGES: [usize; 4] = [32, 64, 28, 28];
const SERIES: [usize; 3] = [16, 64, 8000];

fn main() {
    common::run();
}

/// The output of a layer, and the gradients of its input and parameters for a gradient of ones.
fn forward_backward<const D: usize>(
    bencher: Bencher,
    device: &Device,
    shape: [usize; D],
    layer: impl Fn(Tensor<D>) -> Tensor<D>,
) {
    device.seed(1);
    let input = Tensor::<D>::random(shape, Distribution::Default, device).require_grad();
    bencher.bench_local(|| {
        let gradients = layer(input.clone()).backward();
        device.sync().expect("the work is done");
        gradients
    });
}

/// A layer of ours, and burn's of the same configuration.
macro_rules! layer_benches {
    ($name:ident, $shape:ident, $config:ident::new($($size:expr),*) $($with:tt)*) => {
        mod $name {
            use super::{$shape, common, forward_backward};
            #[allow(unused_imports)] // each layer its own
            use burn::nn::{PaddingConfig1d as Line, PaddingConfig2d as Plane};
            use divan::Bencher;

            #[divan::bench]
            fn ours(bencher: Bencher) {
                let device = common::device().autodiff();
                let config = burn_generative::nn::$config::new($($size),*) $($with)*;
                let layer = config.init(&device).expect("sizes");
                forward_backward(bencher, &device, $shape, |x| layer.forward(x));
            }

            #[divan::bench]
            fn burns(bencher: Bencher) {
                let device = common::device().autodiff();
                let layer = burn::nn::conv::$config::new($($size),*) $($with)*.init(&device);
                forward_backward(bencher, &device, $shape, |x| layer.forward(x));
            }
        }
    };
}

layer_benches!(
    conv_3x3,
    IMAGES,
    Conv2dConfig::new([64, 64], [3, 3]).with_padding(Plane::Explicit(1, 1, 1, 1))
);
layer_benches!(
    conv_5x5,
    IMAGES,
    Conv2dConfig::new([64, 64], [5, 5]).with_padding(Plane::Explicit(2, 2, 2, 2))
);
layer_benches!(
    conv_1x1,
    IMAGES,
    Conv2dConfig::new([64, 64], [1, 1]).with_padding(Plane::Valid)
);
layer_benches!(
    depthwise_3x3,
    IMAGES,
    Conv2dConfig::new([64, 64], [3, 3])
        .with_padding(Plane::Explicit(1, 1, 1, 1))
        .with_groups(64)
);
layer_benches!(
    transposed_4x4,
    IMAGES,
    ConvTranspose2dConfig::new([64, 64], [4, 4])
        .with_stride([2, 2])
        .with_padding([1, 1])
);
layer_benches!(
    dilated_1d,
    SERIES,
    Conv1dConfig::new(64, 64, 2)
        .with_padding(Line::Explicit(64, 0))
        .with_dilation(64)
);
