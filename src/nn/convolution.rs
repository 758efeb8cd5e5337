use super::{MAX_WEIGHTS, bias};
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::convolution;
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv as burns;
use burn::nn::{Initializer, PaddingConfig1d, PaddingConfig2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Conv2d`], with the fields and defaults of burn's.
///
/// ```
/// use burn::prelude::*;
/// use burn::nn::PaddingConfig2d;
/// use burn_generative::nn::Conv2dConfig;
///
/// let device = Device::default();
/// let conv = Conv2dConfig::new([3, 16], [5, 5])
///     .with_stride([2, 2])
///     .with_padding(PaddingConfig2d::Same)
///     .init(&device)?;
/// assert_eq!(conv.forward(Tensor::zeros([2, 3, 28, 28], &device)).dims(), [2, 16, 14, 14]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct Conv2dConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// The step from a window to the next.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The step from an element of a window to the next.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// The parts into which both channels are divided, each of which meets its own alone; as many as there are
    /// channels for a depthwise convolution.
    #[config(default = "1")]
    pub groups: usize,
    /// The zeros around the input. `Same` gives an output of the input's size, or of that divided by the stride and
    /// rounded up; it takes the dilation into account, which burn's layer does not.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// Whether a number for each channel is added to the output.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights are drawn.
    #[config(default = "uniform()")]
    pub initializer: Initializer,
}

impl Conv2dConfig {
    /// A convolution with random weights.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, or the channels cannot be divided into the groups.
    pub fn init(&self, device: &Device) -> Result<Conv2d> {
        check(
            "Conv2d",
            self.channels,
            self.groups,
            &[self.kernel_size, self.stride, self.dilation].concat(),
        )?;
        let layer = burns::Conv2dConfig::new(self.channels, self.kernel_size)
            .with_groups(self.groups)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Ok(Conv2d {
            weight: layer.weight,
            bias: layer.bias,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        })
    }
}

/// A convolution of images, or the cross-correlation that is called so: any kernel, stride, padding, dilation and
/// groups.
///
/// On the CPU backends its values and gradients are matrix products, several times as fast as burn's own layer there;
/// elsewhere burn's convolution runs. Parameters have burn's names and shapes, so that weights can be exchanged. Built
/// by [`Conv2dConfig`].
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in / groups, kernel_height, kernel_width]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    #[module(skip)]
    padding: PaddingConfig2d,
}

impl Conv2d {
    /// Shapes: `[batch, channels_in, height, width]` to `[batch, channels_out, height, width]`.
    ///
    /// # Panics
    ///
    /// If the input has other channels, or is smaller than the kernel with its padding.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.convolve(input, self.weight.val())
    }

    /// [`forward`](Self::forward) with these weights.
    pub(super) fn convolve(&self, input: Tensor<4>, weight: Tensor<4>) -> Tensor<4> {
        let [_, _, sides @ ..] = input.dims();
        let [_, _, kernel @ ..] = weight.dims();
        let padding = match self.padding {
            PaddingConfig2d::Valid => [(0, 0); 2],
            PaddingConfig2d::Same => {
                let [stride, dilation] = [self.stride, self.dilation];
                [0, 1].map(|axis| same(sides[axis], kernel[axis], stride[axis], dilation[axis]))
            }
            PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
        };
        let options =
            ConvOptions::new_with_padding(self.stride, padding, self.dilation, self.groups);
        convolution::conv2d(input, weight, bias(&self.bias), options)
    }
}

/// Configuration of a [`Conv1d`], with the fields and defaults of burn's.
///
/// ```
/// use burn::prelude::*;
/// use burn::nn::PaddingConfig1d;
/// use burn_generative::nn::Conv1dConfig;
///
/// let device = Device::default();
/// // Causal: what lies 64 steps back, and what is now.
/// let conv = Conv1dConfig::new(8, 16, 2)
///     .with_dilation(64)
///     .with_padding(PaddingConfig1d::Explicit(64, 0))
///     .init(&device)?;
/// assert_eq!(conv.forward(Tensor::zeros([2, 8, 1000], &device)).dims(), [2, 16, 1000]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct Conv1dConfig {
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Elements of the kernel.
    pub kernel_size: usize,
    /// The step from a window to the next.
    #[config(default = "1")]
    pub stride: usize,
    /// The step from an element of a window to the next.
    #[config(default = "1")]
    pub dilation: usize,
    /// The parts into which both channels are divided, as for [`Conv2dConfig`].
    #[config(default = "1")]
    pub groups: usize,
    /// The zeros around the input, as for [`Conv2dConfig`].
    #[config(default = "PaddingConfig1d::Valid")]
    pub padding: PaddingConfig1d,
    /// Whether a number for each channel is added to the output.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights are drawn.
    #[config(default = "uniform()")]
    pub initializer: Initializer,
}

impl Conv1dConfig {
    /// A convolution with random weights.
    ///
    /// # Errors
    ///
    /// As [`Conv2dConfig::init`].
    pub fn init(&self, device: &Device) -> Result<Conv1d> {
        check(
            "Conv1d",
            [self.channels_in, self.channels_out],
            self.groups,
            &[self.kernel_size, self.stride, self.dilation],
        )?;
        let channels = (self.channels_in, self.channels_out);
        let layer = burns::Conv1dConfig::new(channels.0, channels.1, self.kernel_size)
            .with_groups(self.groups)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Ok(Conv1d {
            weight: layer.weight,
            bias: layer.bias,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        })
    }
}

/// A convolution of series; see [`Conv2d`]. Built by [`Conv1dConfig`].
#[derive(Module, Debug)]
pub struct Conv1d {
    /// `[channels_out, channels_in / groups, kernel]`.
    pub weight: Param<Tensor<3>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    dilation: usize,
    groups: usize,
    #[module(skip)]
    padding: PaddingConfig1d,
}

impl Conv1d {
    /// Shapes: `[batch, channels_in, length]` to `[batch, channels_out, length]`.
    ///
    /// # Panics
    ///
    /// As [`Conv2d::forward`].
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [_, _, length] = input.dims();
        let weight = self.weight.val();
        let [_, _, kernel] = weight.dims();
        let padding = match self.padding {
            PaddingConfig1d::Valid => (0, 0),
            PaddingConfig1d::Same => same(length, kernel, self.stride, self.dilation),
            PaddingConfig1d::Explicit(left, right) => (left, right),
        };
        let options =
            ConvOptions::new_with_padding([self.stride], [padding], [self.dilation], self.groups);
        convolution::conv1d(input, weight, bias(&self.bias), options)
    }
}

/// Configuration of a [`ConvTranspose2d`], with the fields and defaults of burn's.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::ConvTranspose2dConfig;
///
/// let device = Device::default();
/// let conv = ConvTranspose2dConfig::new([16, 3], [4, 4])
///     .with_stride([2, 2])
///     .with_padding([1, 1])
///     .init(&device)?;
/// assert_eq!(conv.forward(Tensor::zeros([2, 16, 7, 7], &device)).dims(), [2, 3, 14, 14]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ConvTranspose2dConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel_size: [usize; 2],
    /// The step in the output from what one pixel of the input writes to the next.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The step from an element of what a pixel writes to the next.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// The parts into which both channels are divided, as for [`Conv2dConfig`].
    #[config(default = "1")]
    pub groups: usize,
    /// What is cut from each side of the output.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// What is added to the output at the bottom and on the right.
    #[config(default = "[0, 0]")]
    pub padding_out: [usize; 2],
    /// Whether a number for each channel is added to the output.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights are drawn.
    #[config(default = "uniform()")]
    pub initializer: Initializer,
}

impl ConvTranspose2dConfig {
    /// A transposed convolution with random weights.
    ///
    /// # Errors
    ///
    /// As [`Conv2dConfig::init`].
    pub fn init(&self, device: &Device) -> Result<ConvTranspose2d> {
        check(
            "ConvTranspose2d",
            self.channels,
            self.groups,
            &[self.kernel_size, self.stride, self.dilation].concat(),
        )?;
        let layer = burns::ConvTranspose2dConfig::new(self.channels, self.kernel_size)
            .with_groups(self.groups)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Ok(ConvTranspose2d {
            weight: layer.weight,
            bias: layer.bias,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            padding_out: self.padding_out,
        })
    }
}

/// A transposed convolution of images: what the gradient of a [`Conv2d`] does with the gradient of its output. Built
/// by [`ConvTranspose2dConfig`].
#[derive(Module, Debug)]
pub struct ConvTranspose2d {
    /// `[channels_in, channels_out / groups, kernel_height, kernel_width]`.
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    padding: [usize; 2],
    padding_out: [usize; 2],
}

impl ConvTranspose2d {
    /// Shapes: `[batch, channels_in, height, width]` to `[batch, channels_out, height, width]`, a side of `n` to
    /// `(n - 1) stride + dilation (kernel - 1) + 1 - 2 padding + padding_out`.
    ///
    /// # Panics
    ///
    /// If the input has other channels, or the padding leaves nothing of the output.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let options = ConvTransposeOptions::new(
            self.stride,
            self.padding,
            self.padding_out,
            self.dilation,
            self.groups,
        );
        convolution::conv_transpose2d(input, self.weight.val(), bias(&self.bias), options)
    }
}

/// Configuration of a [`ConvTranspose1d`], with the fields and defaults of burn's.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::ConvTranspose1dConfig;
///
/// let device = Device::default();
/// let conv = ConvTranspose1dConfig::new([16, 1], 4).with_stride(4).init(&device)?;
/// assert_eq!(conv.forward(Tensor::zeros([2, 16, 100], &device)).dims(), [2, 1, 400]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ConvTranspose1dConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Elements of the kernel.
    pub kernel_size: usize,
    /// The step in the output from what one element of the input writes to the next.
    #[config(default = "1")]
    pub stride: usize,
    /// The step from an element of what one writes to the next.
    #[config(default = "1")]
    pub dilation: usize,
    /// The parts into which both channels are divided, as for [`Conv2dConfig`].
    #[config(default = "1")]
    pub groups: usize,
    /// What is cut from each end of the output.
    #[config(default = "0")]
    pub padding: usize,
    /// What is added to the output at its end.
    #[config(default = "0")]
    pub padding_out: usize,
    /// Whether a number for each channel is added to the output.
    #[config(default = true)]
    pub bias: bool,
    /// How the weights are drawn.
    #[config(default = "uniform()")]
    pub initializer: Initializer,
}

impl ConvTranspose1dConfig {
    /// A transposed convolution with random weights.
    ///
    /// # Errors
    ///
    /// As [`Conv2dConfig::init`].
    pub fn init(&self, device: &Device) -> Result<ConvTranspose1d> {
        check(
            "ConvTranspose1d",
            self.channels,
            self.groups,
            &[self.kernel_size, self.stride, self.dilation],
        )?;
        let layer = burns::ConvTranspose1dConfig::new(self.channels, self.kernel_size)
            .with_groups(self.groups)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .init(device);
        Ok(ConvTranspose1d {
            weight: layer.weight,
            bias: layer.bias,
            stride: self.stride,
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding,
            padding_out: self.padding_out,
        })
    }
}

/// A transposed convolution of series; see [`ConvTranspose2d`]. Built by [`ConvTranspose1dConfig`].
#[derive(Module, Debug)]
pub struct ConvTranspose1d {
    /// `[channels_in, channels_out / groups, kernel]`.
    pub weight: Param<Tensor<3>>,
    /// `[channels_out]`.
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    dilation: usize,
    groups: usize,
    padding: usize,
    padding_out: usize,
}

impl ConvTranspose1d {
    /// Shapes: `[batch, channels_in, length]` to `[batch, channels_out, length]`, a length as a side of
    /// [`ConvTranspose2d::forward`].
    ///
    /// # Panics
    ///
    /// As [`ConvTranspose2d::forward`].
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let options = ConvTransposeOptions::new(
            [self.stride],
            [self.padding],
            [self.padding_out],
            [self.dilation],
            self.groups,
        );
        convolution::conv_transpose1d(input, self.weight.val(), bias(&self.bias), options)
    }
}

/// burn's default for convolutions.
fn uniform() -> Initializer {
    Initializer::KaimingUniform {
        gain: 1.0 / 3f64.sqrt(),
        fan_out_only: false,
    }
}

/// The zeros before and after a row that keep its length, or that divided by the stride and rounded up.
fn same(side: usize, kernel: usize, stride: usize, dilation: usize) -> (usize, usize) {
    let positions = side.div_ceil(stride);
    let needed = positions.saturating_sub(1) * stride + (kernel - 1) * dilation + 1;
    let zeros = needed.saturating_sub(side);
    (zeros / 2, zeros - zeros / 2)
}

/// Refuses what cannot be a convolution. `sizes` are those of kernel, stride and dilation, as many of each.
fn check(part: &str, channels: [usize; 2], groups: usize, sizes: &[usize]) -> Result<()> {
    check_at_least_one(part, "groups", groups)?;
    for count in channels {
        check_at_least_one(part, "channels", count)?;
        if count % groups != 0 {
            return Err(Error::Config(format!(
                "{part}: {count} channels cannot be divided into {groups} groups"
            )));
        }
    }
    for &size in sizes {
        check_at_least_one(part, "kernel_size, stride and dilation", size)?;
    }
    let kernel = &sizes[..sizes.len() / 3];
    let [inputs, outputs] = channels;
    let weights = [inputs / groups, outputs]
        .iter()
        .chain(kernel)
        .try_fold(1usize, |product, &size| product.checked_mul(size));
    if weights.is_none_or(|weights| weights > MAX_WEIGHTS) {
        return Err(Error::Config(format!(
            "{part}: a kernel of {kernel:?} from {inputs} to {outputs} channels has more than {MAX_WEIGHTS} weights"
        )));
    }
    Ok(())
}
