use crate::error::Result;
use crate::kernel::activation::sigmoid;
use crate::kernel::excitation::{add_scaled, channel_means};
use crate::nn::{Conv2d, Conv2dConfig, batch_norm, batch_norm_silu};
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{gelu, relu, silu};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What the networks of an [`Nvae`](super::Nvae) are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cells {
    /// Those of the paper, with batch normalisation, swish and squeeze-and-excitation: on the way up two 3x3 convolutions; on the
    /// way down a 1x1 to `expansion` times the channels, a depthwise 5x5, and a 1x1 back. A tenth of what a cell says is added.
    Residual {
        /// How many times the channels the depthwise convolution has: 6 in the paper.
        expansion: usize,
    },
    /// On both ways a 1x1 convolution to a quarter of the channels, two of 3x3 and a 1x1 back, with GELU before each, and no
    /// normalisation; the last is drawn the smaller the more levels there are.
    /// [Child 2021](https://arxiv.org/abs/2011.10650), section 3.2.
    Bottleneck,
}

/// What is added to maps, of their own shape: `x + share body(x)`.
#[derive(Module, Debug)]
pub(super) struct Cell {
    layers: Vec<Layer>,
    norm: Option<BatchNorm>,
    excitation: Option<SqueezeExcitation>,
    share: f64,
}

/// The share of a cell of the paper's in its sum.
const SHARE: f64 = 0.1;
/// The share of a batch in the running statistics.
const MOMENTUM: f64 = 0.05;

impl Cell {
    /// A cell of the way up.
    pub(super) fn up(
        cells: Cells,
        channels: usize,
        levels: usize,
        device: &Device,
    ) -> Result<Self> {
        let Cells::Residual { .. } = cells else {
            return Self::bottleneck(channels, levels, device);
        };
        let convolution = || Layer::residual(Act::Swish, [channels; 2], 3, 1, device);
        Ok(Self {
            layers: vec![convolution()?, convolution()?],
            norm: None,
            excitation: Some(SqueezeExcitation::new(channels, device)),
            share: SHARE,
        })
    }

    /// A cell of the way down.
    pub(super) fn down(
        cells: Cells,
        channels: usize,
        levels: usize,
        device: &Device,
    ) -> Result<Self> {
        let Cells::Residual { expansion } = cells else {
            return Self::bottleneck(channels, levels, device);
        };
        let wide = expansion * channels;
        let layer = |act, io, kernel, groups| Layer::residual(act, io, kernel, groups, device);
        Ok(Self {
            layers: vec![
                layer(Act::Identity, [channels, wide], 1, 1)?,
                layer(Act::Swish, [wide; 2], 5, wide)?,
                layer(Act::Swish, [wide, channels], 1, 1)?,
            ],
            norm: Some(norm(channels, device)),
            excitation: Some(SqueezeExcitation::new(channels, device)),
            share: SHARE,
        })
    }

    fn bottleneck(channels: usize, levels: usize, device: &Device) -> Result<Self> {
        let narrow = channels.div_ceil(4);
        let layer = |io, kernel, share: f64| {
            let gain = share / 3f64.sqrt();
            let config = convolution(io, kernel).with_initializer(Initializer::KaimingUniform {
                gain,
                fan_out_only: false,
            });
            Ok(Layer {
                norm: None,
                act: Act::Gelu,
                conv: config.init(device)?,
            })
        };
        let last = 1.0 / (levels as f64).sqrt();
        let layers = [
            layer([channels, narrow], 1, 1.0),
            layer([narrow; 2], 3, 1.0),
            layer([narrow; 2], 3, 1.0),
            layer([narrow, channels], 1, last),
        ];
        Ok(Self {
            layers: layers.into_iter().collect::<Result<_>>()?,
            norm: None,
            excitation: None,
            share: 1.0,
        })
    }

    /// Shapes: `[batch, channels, height, width]` to the same.
    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let layers = self.layers.iter();
        let mut body = layers.fold(x.clone(), |maps, layer| layer.forward(maps));
        if let Some(norm) = &self.norm {
            body = batch_norm(norm, body);
        }
        match &self.excitation {
            Some(excitation) => {
                let scale = excitation.scale(body.clone());
                add_scaled(x, body, scale, self.share)
            }
            None => x + body * self.share,
        }
    }
}

/// A convolution that keeps height and width.
pub(super) fn convolution(channels: [usize; 2], kernel: usize) -> Conv2dConfig {
    Conv2dConfig::new(channels, [kernel; 2]).with_padding(PaddingConfig2d::Same)
}

fn norm(channels: usize, device: &Device) -> BatchNorm {
    let config = BatchNormConfig::new(channels).with_momentum(MOMENTUM);
    config.init(device)
}

/// The activation before a convolution.
#[derive(Clone, Copy, Debug)]
enum Act {
    Identity,
    Swish,
    Gelu,
}

/// A normalisation, an activation and a convolution.
#[derive(Module, Debug)]
struct Layer {
    norm: Option<BatchNorm>,
    #[module(skip)]
    act: Act,
    conv: Conv2d,
}

impl Layer {
    fn residual(
        act: Act,
        channels: [usize; 2],
        kernel: usize,
        groups: usize,
        device: &Device,
    ) -> Result<Self> {
        let config = convolution(channels, kernel).with_groups(groups);
        Ok(Self {
            norm: Some(norm(channels[0], device)),
            act,
            conv: config.init(device)?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if let (Some(norm), Act::Swish) = (&self.norm, self.act) {
            return self.conv.forward(batch_norm_silu(norm, x));
        }
        let x = match &self.norm {
            Some(norm) => batch_norm(norm, x),
            None => x,
        };
        self.conv.forward(match self.act {
            Act::Identity => x,
            Act::Swish => silu(x),
            Act::Gelu => gelu(x),
        })
    }
}

/// Scales each channel by a number in [0, 1] that the means of all channels say.
/// [Hu et al. 2018](https://arxiv.org/abs/1709.01507).
#[derive(Module, Debug)]
struct SqueezeExcitation {
    squeeze: Linear,
    excite: Linear,
}

impl SqueezeExcitation {
    fn new(channels: usize, device: &Device) -> Self {
        let narrow = (channels / 16).max(4);
        let layer = |from, to| LinearConfig::new(from, to).init(device);
        Self {
            squeeze: layer(channels, narrow),
            excite: layer(narrow, channels),
        }
    }

    /// The numbers of the channels of maps, `[batch, channels]`.
    fn scale(&self, maps: Tensor<4>) -> Tensor<2> {
        let means = channel_means(maps);
        sigmoid(self.excite.forward(relu(self.squeeze.forward(means))))
    }
}
