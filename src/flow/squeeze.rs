use super::{Bijection, no_change};
use burn::module::Module;
use burn::tensor::Tensor;

/// Patches of 2x2 pixels as four channels: `[batch, channels, height, width]` to `[batch, 4 channels, height / 2, width / 2]`.
/// The four pixels of a channel lie side by side.
///
/// [Dinh et al. 2017](https://arxiv.org/abs/1605.08803), section 3.6.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Bijection, Squeeze};
///
/// let images = Tensor::zeros([2, 3, 8, 6], &Device::default());
/// assert_eq!(Squeeze.forward(images).0.dims(), [2, 12, 4, 3]);
/// ```
#[derive(Module, Debug)]
pub struct Squeeze;

impl Bijection for Squeeze {
    type Input = Tensor<4>;
    type Output = Tensor<4>;

    /// # Panics
    ///
    /// If a side is odd.
    fn forward(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        let [batch, channels, height, width] = x.dims();
        assert!(
            height % 2 == 0 && width % 2 == 0,
            "Squeeze: the sides of an image must be even, not {height} and {width}"
        );
        let log_det = no_change(&x);
        let z = x
            .reshape([batch, channels, height / 2, 2, width / 2, 2])
            .permute([0, 1, 3, 5, 2, 4])
            .reshape([batch, 4 * channels, height / 2, width / 2]);
        (z, log_det)
    }

    fn inverse(&self, z: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        let [batch, channels, height, width] = z.dims();
        assert!(
            channels % 4 == 0,
            "Squeeze: {channels} channels are no patches of 2x2 pixels"
        );
        let log_det = no_change(&z);
        let x = z
            .reshape([batch, channels / 4, 2, 2, height, width])
            .permute([0, 1, 4, 2, 5, 3])
            .reshape([batch, channels / 4, 2 * height, 2 * width]);
        (x, log_det)
    }
}
