use super::linear::{activate, linear};
use super::maps::{KERNEL, PADDING, STRIDE, double, extra, finish, halve};
use super::{GaussianHead, Head, bias, check_layers, event_size};
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::laid_out;
use crate::traits::{Decoder, Encoder};
use burn::config::Config;
use burn::module::Module;
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::norm::{Normalization, NormalizationConfig};
use burn::nn::{BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`ConvEncoder`].
///
/// The defaults are the convolutional VAE of the Keras examples: 8 and 16 filters with batch
/// normalisation, and a dense layer of 20.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let encoder = ConvEncoderConfig::new([3, 32, 48], 16).init_gaussian(&device)?;
/// let posterior = encoder.encode(Tensor::zeros([2, 3, 32, 48], &device));
/// assert_eq!(posterior.mean().dims(), [2, 16]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ConvEncoderConfig {
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
    /// The number of latent coordinates.
    pub latent_dim: usize,
    /// The filters of each convolution, from the image to the code; each halves height and width.
    #[config(default = "vec![8, 16]")]
    pub channels: Vec<usize>,
    /// The width of the dense layer after the convolutions.
    #[config(default = "20")]
    pub hidden: usize,
    /// The activation after every layer.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
    /// The normalisation after every convolution; its number of features is filled in.
    #[config(default = "NormalizationConfig::Batch(BatchNormConfig::new(0))")]
    pub normalization: NormalizationConfig,
}

impl ConvEncoderConfig {
    /// An encoder to points, `[batch, latent_dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, or the image is too small for so many
    /// convolutions.
    pub fn init(&self, device: &Device) -> Result<ConvEncoder<Linear>> {
        self.init_with_head(device, |features| {
            LinearConfig::new(features, self.latent_dim).init(device)
        })
    }

    /// An encoder to posteriors:
    /// a [`DiagonalGaussian`](crate::distribution::DiagonalGaussian) over `[batch, latent_dim]`.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_gaussian(&self, device: &Device) -> Result<ConvEncoder<GaussianHead>> {
        self.init_with_head(device, |features| {
            GaussianHead::new(features, self.latent_dim, device)
        })
    }

    /// An encoder that ends in a head of your own, made from the number of features it reads.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_with_head<H>(
        &self,
        device: &Device,
        head: impl FnOnce(usize) -> H,
    ) -> Result<ConvEncoder<H>> {
        let plan = Plan::new("ConvEncoder", self.shape, &self.channels)?;
        check_at_least_one("ConvEncoder", "latent_dim", self.latent_dim)?;
        check_at_least_one("ConvEncoder", "hidden", self.hidden)?;
        let dense = [plan.code_size(), self.hidden, self.latent_dim];
        check_layers("ConvEncoder", &dense)?;

        let norm = |&features: &usize| {
            let config = self.normalization.clone();
            config.with_num_features(features).init(device)
        };
        Ok(ConvEncoder {
            convs: plan
                .channels
                .windows(2)
                .map(|io| halving(io[0], io[1], device))
                .collect(),
            norms: self.channels.iter().map(norm).collect(),
            activation: self.activation.init(device),
            dense: LinearConfig::new(plan.code_size(), self.hidden).init(device),
            head: head(self.hidden),
        })
    }
}

/// Strided convolutions and a dense layer, from images to a code, which its head `H` makes.
///
/// Shapes: `[batch, channels, height, width]` to `[batch, latent_dim]`. Built by
/// [`ConvEncoderConfig`].
///
/// (burn's batch normalisation keeps running statistics for each thread: a program whose every step runs on a new thread,
/// an asynchronous server say, ends with statistics that are off. Train on one thread, or normalise by groups.)
#[derive(Module, Debug)]
pub struct ConvEncoder<H> {
    convs: Vec<Conv2d>,
    norms: Vec<Normalization>,
    activation: Activation,
    dense: Linear,
    head: H,
}

impl<H: Head> Encoder for ConvEncoder<H> {
    type Input = Tensor<4>;
    type Code = H::Code;

    fn encode(&self, input: Tensor<4>) -> H::Code {
        let layer = |x, (conv, norm): (&Conv2d, &Normalization)| {
            let x = halve(x, conv.weight.val(), bias(&conv.bias));
            finish(x, Some(norm), &self.activation)
        };
        let maps = self.convs.iter().zip(&self.norms).fold(input, layer);
        let features = linear(&self.dense, maps.flatten(1, 3));
        self.head.forward(activate(&self.activation, features))
    }
}

/// A convolution that halves height and width.
pub(super) fn halving(inputs: usize, outputs: usize, device: &Device) -> Conv2d {
    let [vertical, horizontal] = PADDING;
    Conv2dConfig::new([inputs, outputs], KERNEL)
        .with_stride(STRIDE)
        .with_padding(PaddingConfig2d::Explicit(
            vertical, horizontal, vertical, horizontal,
        ))
        .init(device)
}

/// Configuration of a [`ConvDecoder`]: the mirror image of [`ConvEncoderConfig`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let decoder = ConvDecoderConfig::new(16, [3, 33, 50]).init(&device)?;
/// assert_eq!(decoder.decode(Tensor::zeros([2, 16], &device)).dims(), [2, 3, 33, 50]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ConvDecoderConfig {
    /// The number of latent coordinates.
    pub latent_dim: usize,
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
    /// The filters at each size, from the image to the code, as in the encoder that it mirrors.
    #[config(default = "vec![8, 16]")]
    pub channels: Vec<usize>,
    /// The width of the dense layer before the one that makes the first map; 0 for none, as a GAN's generator
    /// has it.
    #[config(default = "20")]
    pub hidden: usize,
    /// The activation after every layer but the last.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
    /// The normalisation after every transposed convolution but the last; its number of features is
    /// filled in.
    #[config(default = "NormalizationConfig::Batch(BatchNormConfig::new(0))")]
    pub normalization: NormalizationConfig,
    /// Whether the first map, which the dense layers make, is normalised too. The generator of
    /// [DCGAN](https://arxiv.org/abs/1511.06434) needs it: without it all its samples come out the same.
    #[config(default = "false")]
    pub normalize_code: bool,
}

impl ConvDecoderConfig {
    /// A decoder to logits or means, `[batch, channels, height, width]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, or the image is too small for so many
    /// convolutions.
    pub fn init(&self, device: &Device) -> Result<ConvDecoder> {
        let plan = Plan::new("ConvDecoder", self.shape, &self.channels)?;
        check_at_least_one("ConvDecoder", "latent_dim", self.latent_dim)?;
        let hidden = (self.hidden > 0).then_some(self.hidden);
        let dense: Vec<usize> = [self.latent_dim]
            .into_iter()
            .chain(hidden)
            .chain([plan.code_size()])
            .collect();
        check_layers("ConvDecoder", &dense)?;

        let conv = |level: usize| {
            let [height, width] = plan.sides[level];
            ConvTranspose2dConfig::new([plan.channels[level + 1], plan.channels[level]], KERNEL)
                .with_stride(STRIDE)
                .with_padding(PADDING)
                .with_padding_out([extra(height), extra(width)])
                .init(device)
        };
        let norm = |level: usize| {
            let config = self.normalization.clone();
            config.with_num_features(plan.channels[level]).init(device)
        };
        let levels = self.channels.len();
        Ok(ConvDecoder {
            dense: dense
                .windows(2)
                .map(|io| LinearConfig::new(io[0], io[1]).init(device))
                .collect(),
            code_norm: self.normalize_code.then(|| norm(levels)),
            convs: (0..levels).rev().map(conv).collect(),
            norms: (1..levels).rev().map(norm).collect(),
            activation: self.activation.init(device),
            code_shape: plan.code_shape(),
        })
    }
}

/// Dense layers and strided transposed convolutions, from latents to images.
///
/// Shapes: `[batch, latent_dim]` to `[batch, channels, height, width]`. Built by
/// [`ConvDecoderConfig`].
#[derive(Module, Debug)]
pub struct ConvDecoder {
    dense: Vec<Linear>,
    code_norm: Option<Normalization>,
    convs: Vec<ConvTranspose2d>,
    norms: Vec<Normalization>,
    activation: Activation,
    #[module(skip)]
    code_shape: [usize; 3],
}

impl Decoder for ConvDecoder {
    type Latent = Tensor<2>;
    type Output = Tensor<4>;

    fn decode(&self, latent: Tensor<2>) -> Tensor<4> {
        let [channels, height, width] = self.code_shape;
        let batch = latent.dims()[0];
        let mut dense = self.dense.iter();
        let last = dense.next_back().expect("the one that makes the map");
        let x = dense.fold(latent, |x, layer| {
            activate(&self.activation, linear(layer, x))
        });
        let x = linear(last, x).reshape([batch, channels, height, width]);
        let mut x = finish(x, self.code_norm.as_ref(), &self.activation);
        for (level, conv) in self.convs.iter().enumerate() {
            let [_, _, height, width] = x.dims();
            let [more_rows, more_columns] = conv.padding_out;
            let sides = [2 * height - 1 + more_rows, 2 * width - 1 + more_columns];
            x = double(x, conv.weight.val(), bias(&conv.bias), sides);
            if let Some(norm) = self.norms.get(level) {
                x = finish(x, Some(norm), &self.activation);
            }
        }
        laid_out(x)
    }
}

/// The sizes at every level, from the image (level 0) to the smallest map.
pub(super) struct Plan {
    /// `channels[level]`; one more than there are convolutions.
    pub(super) channels: Vec<usize>,
    /// `sides[level]`: height and width.
    sides: Vec<[usize; 2]>,
}

impl Plan {
    pub(super) fn new(part: &str, shape: [usize; 3], filters: &[usize]) -> Result<Self> {
        event_size(part, &shape)?;
        if filters.is_empty() {
            return Err(Error::Config(format!(
                "{part}: needs at least one convolution; use an MLP for none"
            )));
        }
        let [image_channels, height, width] = shape;
        let mut sides = vec![[height, width]];
        for (level, &count) in filters.iter().enumerate() {
            check_at_least_one(part, "a number of filters", count)?;
            let [height, width] = sides[level];
            if height < 2 || width < 2 {
                return Err(Error::Config(format!(
                    "{part}: an image of {}x{} is too small for {} halvings: convolution {} would \
                     work on {height}x{width} pixels; use fewer filters in `channels`",
                    shape[1],
                    shape[2],
                    filters.len(),
                    level + 1,
                )));
            }
            sides.push([height.div_ceil(2), width.div_ceil(2)]);
        }
        let channels: Vec<usize> = [image_channels].iter().chain(filters).copied().collect();
        check_layers(part, &channels)?;
        let plan = Self { channels, sides };
        event_size(part, &plan.code_shape())?;
        Ok(plan)
    }

    pub(super) fn code_shape(&self) -> [usize; 3] {
        let level = self.sides.len() - 1;
        let [height, width] = self.sides[level];
        [self.channels[level], height, width]
    }

    pub(super) fn code_size(&self) -> usize {
        self.code_shape().iter().product()
    }
}
