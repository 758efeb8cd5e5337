//! The networks, with diffusers' names of parameters: `encoder.down_blocks.0.resnets.1.conv1.weight`.

use super::AutoencoderKlConfig;
use crate::distribution::DiagonalGaussian;
use crate::error::Result;
use crate::kernel::{group_norm, group_norm_silu};
use crate::nn::{Conv2d, Conv2dConfig};
use crate::traits::{Decoder, Encoder};
use burn::module::{Module, Param};
use burn::nn::{Initializer, PaddingConfig2d};
use burn::tensor::module::attention;
use burn::tensor::{Device, Tensor};

/// What is added to a variance that is divided by.
const EPSILON: f64 = 1e-6;

/// The encoder of an [`AutoencoderKl`](super::AutoencoderKl): images `[batch, channels, height, width]` to posteriors over
/// `[batch, latent channels, height / stride, width / stride]`. An [`Encoder`] of any model, a [`Vae`](crate::model::Vae) say.
#[derive(Module, Debug)]
pub struct KlEncoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    conv_norm_out: Norm,
    conv_out: Conv2d,
    quant_conv: Option<Conv2d>,
}

impl KlEncoder {
    pub(super) fn new(config: &AutoencoderKlConfig, device: &Device) -> Result<Self> {
        let channels = &config.block_out_channels;
        let groups = config.norm_num_groups;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let inputs = [first].into_iter().chain(channels.iter().copied());
        let down_blocks = inputs
            .zip(channels)
            .enumerate()
            .map(|(level, (inputs, &outputs))| {
                Ok(DownBlock {
                    resnets: resnets(config.layers_per_block, [inputs, outputs], groups, device)?,
                    downsamplers: Resampler::down(level + 1 < channels.len(), outputs, device)?,
                })
            });
        let moments = 2 * config.latent_channels;
        Ok(Self {
            conv_in: three([config.in_channels, first], device)?,
            down_blocks: down_blocks.collect::<Result<_>>()?,
            mid_block: MidBlock::new(last, config, device)?,
            conv_norm_out: Norm::new(last, groups, device),
            conv_out: three([last, moments], device)?,
            quant_conv: one_if(config.use_quant_conv, [moments; 2], device)?,
        })
    }

    /// Means and, behind them, log-variances, `[batch, 2 latent channels, ..]`.
    pub(super) fn moments(&self, images: Tensor<4>) -> Tensor<4> {
        let x = self.conv_in.forward(images);
        let x = self.down_blocks.iter().fold(x, |x, block| block.forward(x));
        let x = self.mid_block.forward(x);
        let x = self.conv_out.forward(self.conv_norm_out.then_silu(x));
        match &self.quant_conv {
            Some(conv) => conv.forward(x),
            None => x,
        }
    }
}

/// The posterior of such moments.
pub(super) fn posterior(moments: Tensor<4>) -> DiagonalGaussian<4> {
    let channels = moments.dims()[1] / 2;
    let [mean, log_var] = [0, channels].map(|from| moments.clone().narrow(1, from, channels));
    DiagonalGaussian::new(mean, log_var)
}

impl Encoder for KlEncoder {
    type Input = Tensor<4>;
    type Code = DiagonalGaussian<4>;

    /// # Panics
    ///
    /// If the images have other channels than the configuration says.
    fn encode(&self, images: Tensor<4>) -> DiagonalGaussian<4> {
        posterior(self.moments(images))
    }
}

/// The decoder of an [`AutoencoderKl`](super::AutoencoderKl): latents `[batch, latent channels, height, width]`, as they were
/// encoded, to images `[batch, channels, height * stride, width * stride]`. A [`Decoder`] of any model.
#[derive(Module, Debug)]
pub struct KlDecoder {
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: Norm,
    conv_out: Conv2d,
    post_quant_conv: Option<Conv2d>,
}

impl KlDecoder {
    pub(super) fn new(config: &AutoencoderKlConfig, device: &Device) -> Result<Self> {
        let channels = &config.block_out_channels;
        let groups = config.norm_num_groups;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let inputs = [last].into_iter().chain(channels.iter().rev().copied());
        let outputs = channels.iter().rev().enumerate();
        let up_blocks = inputs.zip(outputs).map(|(inputs, (level, &outputs))| {
            Ok(UpBlock {
                resnets: resnets(
                    config.layers_per_block + 1,
                    [inputs, outputs],
                    groups,
                    device,
                )?,
                upsamplers: Resampler::up(level + 1 < channels.len(), outputs, device)?,
            })
        });
        let latent = config.latent_channels;
        Ok(Self {
            conv_in: three([latent, last], device)?,
            mid_block: MidBlock::new(last, config, device)?,
            up_blocks: up_blocks.collect::<Result<_>>()?,
            conv_norm_out: Norm::new(first, groups, device),
            conv_out: three([first, config.out_channels], device)?,
            post_quant_conv: one_if(config.use_post_quant_conv, [latent; 2], device)?,
        })
    }
}

impl Decoder for KlDecoder {
    type Latent = Tensor<4>;
    type Output = Tensor<4>;

    /// # Panics
    ///
    /// If the latents have other channels than the configuration says.
    fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        let x = match &self.post_quant_conv {
            Some(conv) => conv.forward(latent),
            None => latent,
        };
        let x = self.mid_block.forward(self.conv_in.forward(x));
        let x = self.up_blocks.iter().fold(x, |x, block| block.forward(x));
        self.conv_out.forward(self.conv_norm_out.then_silu(x))
    }
}

/// The encoder at one size, and the step to half of it.
#[derive(Module, Debug)]
struct DownBlock {
    resnets: Vec<ResnetBlock>,
    /// One, or none at the smallest size.
    downsamplers: Vec<Resampler>,
}

impl DownBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.resnets.iter().fold(x, |x, block| block.forward(x));
        let halve = |x, step: &Resampler| step.conv.forward(x);
        self.downsamplers.iter().fold(x, halve)
    }
}

/// The decoder at one size, and the step to twice that.
#[derive(Module, Debug)]
struct UpBlock {
    resnets: Vec<ResnetBlock>,
    /// One, or none at the size of the image.
    upsamplers: Vec<Resampler>,
}

impl UpBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.resnets.iter().fold(x, |x, block| block.forward(x));
        let double = |x, step: &Resampler| step.conv.forward(doubled(x));
        self.upsamplers.iter().fold(x, double)
    }
}

/// The convolution of a step from a size to another.
#[derive(Module, Debug)]
struct Resampler {
    conv: Conv2d,
}

impl Resampler {
    /// To half the size, where it is wanted: the zeros lie at the bottom and on the right alone.
    fn down(wanted: bool, channels: usize, device: &Device) -> Result<Vec<Self>> {
        let conv = Conv2dConfig::new([channels; 2], [3, 3])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(0, 0, 1, 1));
        let conv = wanted.then(|| conv.init(device)).transpose()?;
        Ok(conv.into_iter().map(|conv| Self { conv }).collect())
    }

    /// Behind a [doubling](doubled), where it is wanted.
    fn up(wanted: bool, channels: usize, device: &Device) -> Result<Vec<Self>> {
        let conv = wanted.then(|| three([channels; 2], device)).transpose()?;
        Ok(conv.into_iter().map(|conv| Self { conv }).collect())
    }
}

/// Each pixel as two by two.
fn doubled(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let rows = x.reshape([batch * channels, height, 1, width, 1]);
    let twice = rows.expand([batch * channels, height, 2, width, 2]);
    twice.reshape([batch, channels, 2 * height, 2 * width])
}

/// The smallest maps: two residual blocks, and attention between them.
#[derive(Module, Debug)]
struct MidBlock {
    /// One, or none.
    attentions: Vec<Attention>,
    resnets: Vec<ResnetBlock>,
}

impl MidBlock {
    fn new(channels: usize, config: &AutoencoderKlConfig, device: &Device) -> Result<Self> {
        let groups = config.norm_num_groups;
        let attentions = usize::from(config.mid_block_add_attention);
        Ok(Self {
            attentions: (0..attentions)
                .map(|_| Attention::new(channels, groups, device))
                .collect(),
            resnets: resnets(2, [channels; 2], groups, device)?,
        })
    }

    fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for (place, block) in self.resnets.iter().enumerate() {
            if place > 0 {
                x = self.attentions.iter().fold(x, |x, layer| layer.forward(x));
            }
            x = block.forward(x);
        }
        x
    }
}

/// Two convolutions around the identity: `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))))))`.
#[derive(Module, Debug)]
struct ResnetBlock {
    norm1: Norm,
    conv1: Conv2d,
    norm2: Norm,
    conv2: Conv2d,
    /// Where the number of channels changes.
    conv_shortcut: Option<Conv2d>,
}

impl ResnetBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = self.conv1.forward(self.norm1.then_silu(x.clone()));
        let hidden = self.conv2.forward(self.norm2.then_silu(hidden));
        let x = match &self.conv_shortcut {
            Some(conv) => conv.forward(x),
            None => x,
        };
        x + hidden
    }
}

/// So many residual blocks, of which the first changes the number of channels.
fn resnets(
    count: usize,
    [inputs, outputs]: [usize; 2],
    groups: usize,
    device: &Device,
) -> Result<Vec<ResnetBlock>> {
    let block = |inputs: usize| {
        Ok(ResnetBlock {
            norm1: Norm::new(inputs, groups, device),
            conv1: three([inputs, outputs], device)?,
            norm2: Norm::new(outputs, groups, device),
            conv2: three([outputs; 2], device)?,
            conv_shortcut: one_if(inputs != outputs, [inputs, outputs], device)?,
        })
    };
    (0..count)
        .map(|place| block(if place == 0 { inputs } else { outputs }))
        .collect()
}

/// A convolution of 3x3 pixels that keeps the size, and one of single pixels, where it is wanted.
fn three(channels: [usize; 2], device: &Device) -> Result<Conv2d> {
    Conv2dConfig::new(channels, [3, 3])
        .with_padding(PaddingConfig2d::Same)
        .init(device)
}
fn one_if(wanted: bool, channels: [usize; 2], device: &Device) -> Result<Option<Conv2d>> {
    let conv = || Conv2dConfig::new(channels, [1, 1]).init(device);
    wanted.then(conv).transpose()
}

/// Attention of every pixel to all, with one head, added to what it reads.
#[derive(Module, Debug)]
struct Attention {
    group_norm: Norm,
    to_q: Projection,
    to_k: Projection,
    to_v: Projection,
    /// One; the list is in the name.
    to_out: Vec<Projection>,
}

impl Attention {
    fn new(channels: usize, groups: usize, device: &Device) -> Self {
        let projection = || Projection::new(channels, device);
        Self {
            group_norm: Norm::new(channels, groups, device),
            to_q: projection(),
            to_k: projection(),
            to_v: projection(),
            to_out: vec![projection()],
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shape = x.dims();
        let [batch, channels, height, width] = shape;
        let pixels = self.group_norm.forward(x.clone());
        let pixels = pixels.reshape([batch, channels, height * width]);
        let of = |projection: &Projection| {
            let rows = projection.forward(pixels.clone()).swap_dims(1, 2);
            rows.unsqueeze_dim::<4>(1)
        };
        let [query, key, value] = [&self.to_q, &self.to_k, &self.to_v].map(of);
        let seen = attention(query, key, value, None, None, Default::default());
        let seen = seen.squeeze_dim::<3>(1).swap_dims(1, 2);
        let seen = self.to_out.iter().fold(seen, |seen, out| out.forward(seen));
        x + seen.reshape(shape)
    }
}

/// A linear map of the channels of each pixel, `W x + b`, with PyTorch's layout of the weights.
#[derive(Module, Debug)]
struct Projection {
    /// `[outputs, inputs]`.
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Projection {
    fn new(channels: usize, device: &Device) -> Self {
        let initializer = Initializer::KaimingUniform {
            gain: 1.0 / 3f64.sqrt(),
            fan_out_only: false,
        };
        let fans = (Some(channels), Some(channels));
        Self {
            weight: initializer.init_with([channels, channels], fans.0, fans.1, device),
            bias: initializer.init_with([channels], fans.0, fans.1, device),
        }
    }

    /// `[batch, channels, pixels]`, as it came.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let weight = self.weight.val().unsqueeze_dim::<3>(0);
        let bias = self.bias.val().reshape([1, -1, 1]);
        weight.matmul(x) + bias
    }
}

/// Normalisation by groups of channels, a scale and a shift for each channel.
#[derive(Module, Debug)]
struct Norm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    groups: usize,
}

impl Norm {
    fn new(channels: usize, groups: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            groups,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        group_norm(x, self.weight.val(), self.bias.val(), self.groups, EPSILON)
    }

    /// What stands before every convolution but the first.
    fn then_silu(&self, x: Tensor<4>) -> Tensor<4> {
        group_norm_silu(x, self.weight.val(), self.bias.val(), self.groups, EPSILON)
    }
}
