use super::{Bijection, Squeeze, no_change};
use crate::error::{Error, Result};
use burn::module::Module;
use burn::tensor::Tensor;

/// A bijection of images at several scales: each level is a [`Squeeze`] and a bijection; after each but the last the second
/// half of the channels leaves, and the next level goes on with the first. What has left, and the rest, are one vector of
/// noise, `[batch, numbers of an image]`: so every number is counted once, `log p(x) = log p(a) + log p(b | a)`, and a
/// temperature of the base reaches all scales.
///
/// If a level ends with a coupling that keeps the first half, the half that leaves is given what stays: the learned prior
/// of Glow.
///
/// [Dinh et al. 2017](https://arxiv.org/abs/1605.08803), section 3.6.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{ActNorm, Bijection, MultiScale};
///
/// let device = Device::default();
/// let levels = vec![ActNorm::<4>::new(4, &device)?, ActNorm::new(8, &device)?];
/// let flow = MultiScale::new([1, 8, 8], levels)?;
/// let (z, _) = flow.forward(Tensor::zeros([2, 1, 8, 8], &device));
/// assert_eq!(z.dims(), [2, 64]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct MultiScale<B> {
    levels: Vec<B>,
    #[module(skip)]
    shape: [usize; 3],
}

impl<B> MultiScale<B> {
    /// The flow of these levels, the first nearest to the data, over images of this shape, `[channels, height, width]`. A
    /// level sees four times the channels of the image or of the half that stayed, at half the sides, and keeps the shape.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no level, or there are more than the sides can be halved.
    pub fn new(shape: [usize; 3], levels: Vec<B>) -> Result<Self> {
        level_shapes(shape, levels.len())?;
        Ok(Self { levels, shape })
    }

    /// The shape that each level ends with, before half of it leaves.
    fn shapes(&self) -> Vec<[usize; 3]> {
        level_shapes(self.shape, self.levels.len()).unwrap_or_default()
    }
}

/// The shape that each of so many levels ends with.
///
/// # Errors
///
/// [`Error::Config`] if there is no level, a size is 0, or there are more levels than the sides can be halved.
pub(super) fn level_shapes(shape: [usize; 3], levels: usize) -> Result<Vec<[usize; 3]>> {
    let [mut channels, mut height, mut width] = shape;
    if levels == 0 || channels * height * width == 0 {
        return Err(Error::Config(format!(
            "MultiScale: {levels} levels over images of shape {shape:?} make no flow; it needs at least one, and sizes of 1 \
             or more"
        )));
    }
    (0..levels)
        .map(|level| {
            if height % 2 + width % 2 > 0 {
                return Err(Error::Config(format!(
                    "MultiScale: images of shape {shape:?} cannot be halved {levels} times, only {level}: take fewer levels, \
                     or pad the images"
                )));
            }
            // Half of the channels of the level before have left.
            let incoming = if level == 0 { channels } else { channels / 2 };
            (channels, height, width) = (4 * incoming, height / 2, width / 2);
            Ok([channels, height, width])
        })
        .collect()
}

impl<B: Bijection<Input = Tensor<4>, Output = Tensor<4>>> MultiScale<B> {
    fn to_noise(
        &self,
        x: Tensor<4>,
        step: impl Fn(&B, Tensor<4>) -> (Tensor<4>, Tensor<1>),
    ) -> (Tensor<2>, Tensor<1>) {
        let [batch, channels, height, width] = x.dims();
        assert!(
            [channels, height, width] == self.shape,
            "MultiScale: it is over images of shape {:?}, but the data has {:?}",
            self.shape,
            [channels, height, width]
        );
        let mut log_det = no_change(&x);
        let (mut rest, mut noise) = (x, Vec::new());
        for (level, bijection) in self.levels.iter().enumerate() {
            let (squeezed, _) = Squeeze.forward(rest);
            let (z, own) = step(bijection, squeezed);
            log_det = log_det + own;
            let half = z.dims()[1] / 2;
            rest = z.clone().narrow(1, 0, half);
            let is_last = level + 1 == self.levels.len();
            let leaves = if is_last { z } else { z.narrow(1, half, half) };
            noise.push(leaves.reshape([batch as i64, -1]));
        }
        (Tensor::cat(noise, 1), log_det)
    }

    fn to_data(
        &self,
        z: Tensor<2>,
        step: impl Fn(&B, Tensor<4>) -> (Tensor<4>, Tensor<1>),
    ) -> (Tensor<4>, Tensor<1>) {
        let [batch, numbers] = z.dims();
        assert!(
            numbers == self.shape.iter().product::<usize>(),
            "MultiScale: it is over images of shape {:?}, but the noise has {numbers} numbers",
            self.shape
        );
        let mut log_det = no_change(&z);
        let (mut end, mut image) = (numbers, None);
        for (bijection, [channels, height, width]) in self.levels.iter().zip(self.shapes()).rev() {
            let left = if image.is_some() {
                channels / 2
            } else {
                channels
            };
            let length = left * height * width;
            end -= length;
            let leaves = z.clone().narrow(1, end, length);
            let leaves = leaves.reshape([batch, left, height, width]);
            let whole = match image {
                Some(rest) => Tensor::cat(vec![rest, leaves], 1),
                None => leaves,
            };
            let (squeezed, own) = step(bijection, whole);
            log_det = log_det + own;
            image = Some(Squeeze.inverse(squeezed).0);
        }
        let [channels, height, width] = self.shape;
        // There is a level at least: `new` has looked.
        let image = image.unwrap_or_else(|| z.reshape([batch, channels, height, width]));
        (image, log_det)
    }
}

impl<B: Bijection<Input = Tensor<4>, Output = Tensor<4>>> Bijection for MultiScale<B> {
    type Input = Tensor<4>;
    type Output = Tensor<2>;

    fn forward(&self, x: Tensor<4>) -> (Tensor<2>, Tensor<1>) {
        self.to_noise(x, |level, x| level.forward(x))
    }

    fn inverse(&self, z: Tensor<2>) -> (Tensor<4>, Tensor<1>) {
        self.to_data(z, |level, z| level.inverse(z))
    }

    fn forward_given(&self, x: Tensor<4>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.to_noise(x, |level, x| level.forward_given(x, context))
    }

    fn inverse_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<4>, Tensor<1>) {
        self.to_data(z, |level, z| level.inverse_given(z, context))
    }
}
