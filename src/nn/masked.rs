use super::{Conv1dConfig, Conv2d};
use burn::module::{Module, Param};
use burn::nn::PaddingConfig1d;
use burn::tensor::{Device, Tensor, TensorData};

/// A convolution some of whose weights are held at zero.
///
/// The mask is multiplied in at each use: an optimizer may move a weight that is masked, and it stays without effect and
/// without a gradient. The masked linear layers are those of [`MaskedPerceptron`](crate::flow::MaskedPerceptron).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{Conv2dConfig, MaskedConv2d};
///
/// let device = Device::default();
/// let conv = Conv2dConfig::new([1, 8], [1, 3]).init(&device)?;
/// // Of a window, its first two pixels.
/// let conv = MaskedConv2d::new(conv, |[_output, _input, _row, column]| column < 2);
/// assert_eq!(conv.forward(Tensor::ones([2, 1, 5, 5], &device)).dims(), [2, 8, 5, 3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct MaskedConv2d {
    /// The convolution without its mask.
    pub conv: Conv2d,
    /// 1 where a weight counts, else 0, in the shape of the weights.
    mask: Tensor<4>,
}

impl MaskedConv2d {
    /// This convolution, of which the weights count that `counts` says so of, given output channel, input channel, row and
    /// column.
    pub fn new(conv: Conv2d, counts: impl Fn([usize; 4]) -> bool) -> Self {
        let weight = conv.weight.val();
        let mask = mask(weight.dims(), &weight.device(), counts);
        Self { conv, mask }
    }

    /// The weights with the mask on them, `[channels_out, channels_in, kernel_height, kernel_width]`.
    pub fn weight(&self) -> Tensor<4> {
        masked(&self.conv.weight, &self.mask)
    }

    /// As [`Conv2d::forward`].
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.conv.convolve(input, self.weight())
    }
}

fn mask<const D: usize>(
    shape: [usize; D],
    device: &Device,
    counts: impl Fn([usize; D]) -> bool,
) -> Tensor<D> {
    let numbers: Vec<f32> = (0..shape.iter().product())
        .map(|flat: usize| {
            let mut rest = flat;
            let mut index = [0; D];
            for axis in (0..D).rev() {
                index[axis] = rest % shape[axis];
                rest /= shape[axis];
            }
            f32::from(counts(index))
        })
        .collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

fn masked<const D: usize>(weight: &Param<Tensor<D>>, mask: &Tensor<D>) -> Tensor<D> {
    let weight = weight.val();
    let dtype = weight.dtype();
    weight * mask.clone().cast(dtype)
}

impl Conv1dConfig {
    /// A convolution whose output at each place sees the input there and before, `dilation` apart.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::nn::Conv1dConfig;
    ///
    /// let device = Device::default();
    /// let conv = Conv1dConfig::causal([8, 16], 2, 64).init(&device)?;
    /// assert_eq!(conv.forward(Tensor::zeros([2, 8, 1000], &device)).dims(), [2, 16, 1000]);
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn causal([inputs, outputs]: [usize; 2], kernel_size: usize, dilation: usize) -> Self {
        let past = kernel_size.saturating_sub(1).saturating_mul(dilation);
        Self::new(inputs, outputs, kernel_size)
            .with_dilation(dilation)
            .with_padding(PaddingConfig1d::Explicit(past, 0))
    }
}
