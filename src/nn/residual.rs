use super::{
    Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, check_layers, event_size,
};
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::laid_out;
use crate::traits::{Decoder, Encoder};
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`ResidualEncoder`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::ResidualEncoderConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let encoder = ResidualEncoderConfig::new([1, 28, 28], 16).init(&device)?;
/// assert_eq!(encoder.encode(Tensor::zeros([2, 1, 28, 28], &device)).dims(), [2, 16, 7, 7]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ResidualEncoderConfig {
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
    /// The number of latent coordinates at each place of the map.
    pub width: usize,
    /// The channels of the smallest maps; those above have half of them, and so do the blocks inside.
    #[config(default = 64)]
    pub features: usize,
    /// How often height and width are halved.
    #[config(default = 2)]
    pub halvings: usize,
    /// The number of residual blocks.
    #[config(default = 2)]
    pub blocks: usize,
}

impl ResidualEncoderConfig {
    /// An encoder to maps of latents, `[batch, width, height, width]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, the features are odd, or the sides of an image are no multiples of what
    /// the halvings divide them by.
    pub fn init(&self, device: &Device) -> Result<ResidualEncoder> {
        const PART: &str = "ResidualEncoder";
        let sizes = [self.width, self.features, self.halvings];
        check(PART, self.shape, sizes)?;
        let channels = channels(self.shape[0], self.features, self.halvings);
        let halve = |io: &[usize]| {
            Conv2dConfig::new([io[0], io[1]], [4, 4])
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        Ok(ResidualEncoder {
            halvings: channels.windows(2).map(halve).collect::<Result<_>>()?,
            first: conv([self.features, self.features], 3, device)?,
            blocks: blocks(self.blocks, self.features, device)?,
            last: conv([self.features, self.width], 1, device)?,
        })
    }
}

/// Strided convolutions and residual blocks, from images to maps of latents: what a [`VqVae`](crate::model::VqVae) quantises.
///
/// Shapes: `[batch, channels, height, width]` to `[batch, latent, height / 2^halvings, width / 2^halvings]`. Built by
/// [`ResidualEncoderConfig`].
///
/// [van den Oord et al. 2017](https://arxiv.org/abs/1711.00937), section 4.1.
#[derive(Module, Debug)]
pub struct ResidualEncoder {
    halvings: Vec<Conv2d>,
    first: Conv2d,
    blocks: Vec<Block>,
    last: Conv2d,
}

impl Encoder for ResidualEncoder {
    type Input = Tensor<4>;
    type Code = Tensor<4>;

    fn encode(&self, input: Tensor<4>) -> Tensor<4> {
        let halvings = self.halvings.iter();
        let maps = halvings.fold(input, |maps, halve| relu(halve.forward(maps)));
        let maps = self.first.forward(maps);
        let maps = self
            .blocks
            .iter()
            .fold(maps, |maps, block| block.forward(maps));
        self.last.forward(relu(maps))
    }
}

/// Configuration of a [`ResidualDecoder`]: the mirror image of [`ResidualEncoderConfig`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::ResidualDecoderConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let decoder = ResidualDecoderConfig::new(16, [1, 28, 28]).init(&device)?;
/// assert_eq!(decoder.decode(Tensor::zeros([2, 16, 7, 7], &device)).dims(), [2, 1, 28, 28]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ResidualDecoderConfig {
    /// The number of latent coordinates at each place of the map.
    pub width: usize,
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
    /// The channels of the smallest maps, as in the encoder that it mirrors.
    #[config(default = 64)]
    pub features: usize,
    /// How often height and width are doubled.
    #[config(default = 2)]
    pub halvings: usize,
    /// The number of residual blocks.
    #[config(default = 2)]
    pub blocks: usize,
}

impl ResidualDecoderConfig {
    /// A decoder to logits or means, `[batch, channels, height, width]`.
    ///
    /// # Errors
    ///
    /// As [`ResidualEncoderConfig::init`].
    pub fn init(&self, device: &Device) -> Result<ResidualDecoder> {
        const PART: &str = "ResidualDecoder";
        let sizes = [self.width, self.features, self.halvings];
        check(PART, self.shape, sizes)?;
        let channels = channels(self.shape[0], self.features, self.halvings);
        let double = |io: &[usize]| {
            ConvTranspose2dConfig::new([io[1], io[0]], [4, 4])
                .with_stride([2, 2])
                .with_padding([1, 1])
                .init(device)
        };
        Ok(ResidualDecoder {
            first: conv([self.width, self.features], 3, device)?,
            blocks: blocks(self.blocks, self.features, device)?,
            doublings: channels
                .windows(2)
                .rev()
                .map(double)
                .collect::<Result<_>>()?,
        })
    }
}

/// Residual blocks and strided transposed convolutions, from maps of latents to images.
///
/// Shapes: `[batch, latent, height, width]` to `[batch, channels, 2^halvings height, 2^halvings width]`. Built by
/// [`ResidualDecoderConfig`].
#[derive(Module, Debug)]
pub struct ResidualDecoder {
    first: Conv2d,
    blocks: Vec<Block>,
    doublings: Vec<ConvTranspose2d>,
}

impl Decoder for ResidualDecoder {
    type Latent = Tensor<4>;
    type Output = Tensor<4>;

    fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        let maps = self.first.forward(latent);
        let maps = self
            .blocks
            .iter()
            .fold(maps, |maps, block| block.forward(maps));
        let doublings = self.doublings.iter();
        laid_out(doublings.fold(maps, |maps, double| double.forward(relu(maps))))
    }
}

/// `x + conv1(relu(conv3(relu(x))))`.
#[derive(Module, Debug)]
struct Block {
    inside: Conv2d,
    outside: Conv2d,
}

impl Block {
    fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let inside = self.inside.forward(relu(maps.clone()));
        maps + self.outside.forward(relu(inside))
    }
}

fn blocks(count: usize, features: usize, device: &Device) -> Result<Vec<Block>> {
    let block = |_| {
        Ok(Block {
            inside: conv([features, features / 2], 3, device)?,
            outside: conv([features / 2, features], 1, device)?,
        })
    };
    (0..count).map(block).collect()
}

/// A convolution that keeps the size of a map.
fn conv(channels: [usize; 2], side: usize, device: &Device) -> Result<Conv2d> {
    Conv2dConfig::new(channels, [side; 2])
        .with_padding(PaddingConfig2d::Same)
        .init(device)
}

/// The channels from the image to the smallest map.
fn channels(image: usize, features: usize, halvings: usize) -> Vec<usize> {
    let half = std::iter::repeat_n(features / 2, halvings - 1);
    [image].into_iter().chain(half).chain([features]).collect()
}

/// Refuses sizes that cannot be.
fn check(part: &str, shape: [usize; 3], [width, features, halvings]: [usize; 3]) -> Result<()> {
    event_size(part, &shape)?;
    check_at_least_one(part, "width", width)?;
    check_at_least_one(part, "features", features)?;
    check_at_least_one(part, "halvings", halvings)?;
    check_layers(part, &[shape[0], features, features, width])?;
    if !features.is_multiple_of(2) {
        return Err(Error::Config(format!(
            "{part}: {features} features cannot be halved; give it an even number"
        )));
    }
    let [_, height, image_width] = shape;
    let factor = 1usize.checked_shl(halvings as u32).unwrap_or(usize::MAX);
    if !(height.is_multiple_of(factor) && image_width.is_multiple_of(factor)) {
        return Err(Error::Config(format!(
            "{part}: an image of {height}x{image_width} cannot be halved {halvings} times: both sides must be multiples of \
             {factor}; scale or crop the images, or halve them less often"
        )));
    }
    Ok(())
}
