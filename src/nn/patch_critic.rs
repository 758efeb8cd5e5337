use super::spectral::SpectralNorm;
use super::{Conv2d, Conv2dConfig, check_layers, event_size};
use crate::error::{Error, Result, check_at_least_one};
use crate::traits::Critic;
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`PatchCritic`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::PatchCriticConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let config = PatchCriticConfig::new([3, 64, 64]).with_features(8).with_halvings(2);
/// assert_eq!(config.patch(), 34);
/// let critic = config.init(&device)?;
/// let images = Tensor::<4>::zeros([2, 3, 64, 64], &device);
/// assert_eq!(critic.patch_scores(images.clone()).dims(), [2, 14 * 14]);
/// assert_eq!(critic.score(images).dims(), [2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct PatchCriticConfig {
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
    /// The channels of the first maps; each convolution doubles them, up to eight times as many.
    #[config(default = 64)]
    pub features: usize,
    /// How often height and width are halved, which makes the [patches](Self::patch): of 16x16 pixels with one, 34x34 with two,
    /// 70x70 with three.
    #[config(default = 3)]
    pub halvings: usize,
    /// Whether every convolution is divided by its largest singular value, that of its weights as a matrix
    /// `[outputs, inputs * 16]` ([Miyato et al. 2018](https://arxiv.org/abs/1802.05957)).
    #[config(default = true)]
    pub spectral_norm: bool,
}

/// The side of every convolution's kernel.
const KERNEL: usize = 4;
/// The slope of the leaky ReLUs below 0.
const NEGATIVE_SLOPE: f64 = 0.2;
/// How many times the first channels there may be, as a power of two.
const MOST_DOUBLINGS: usize = 3;

impl PatchCriticConfig {
    /// A critic of the patches of images.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, or an image is too small to have a patch.
    pub fn init(&self, device: &Device) -> Result<PatchCritic> {
        const PART: &str = "PatchCritic";
        event_size(PART, &self.shape)?;
        check_at_least_one(PART, "features", self.features)?;
        let [channels, height, width] = self.shape;
        // Both convolutions of stride 1 take a row and a column away.
        let halved = |side: usize| side >> self.halvings.min(usize::BITS as usize - 1);
        if [height, width].map(halved).iter().any(|&side| side < 3) {
            return Err(Error::Config(format!(
                "{PART}: an image of {height}x{width} is too small for {} halvings, which must leave sides of at least 3; \
                 halve it less often",
                self.halvings
            )));
        }
        let doubled = |times: usize| self.features.saturating_mul(1 << times.min(MOST_DOUBLINGS));
        let channels: Vec<usize> = [channels]
            .into_iter()
            .chain((0..=self.halvings).map(doubled))
            .chain([1])
            .collect();
        check_layers(PART, &channels)?;
        let layers = || channels.windows(2);
        let conv = |(place, io): (usize, &[usize])| {
            let stride = if place < self.halvings { 2 } else { 1 };
            Conv2dConfig::new([io[0], io[1]], [KERNEL; 2])
                .with_stride([stride; 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device)
        };
        let norm = |io: &[usize]| SpectralNorm::new(io[0] * KERNEL * KERNEL, device);
        Ok(PatchCritic {
            convs: layers().enumerate().map(conv).collect::<Result<_>>()?,
            norms: layers().filter(|_| self.spectral_norm).map(norm).collect(),
        })
    }

    /// The side of what a score sees, in pixels: `9 * 2^halvings - 2`. A patch lies `2^halvings` pixels from the next, and those at
    /// the border of an image see zeros beyond it.
    pub fn patch(&self) -> usize {
        2usize
            .saturating_pow(self.halvings as u32)
            .saturating_mul(9)
            - 2
    }
}

/// Strided convolutions from images to a logit for each of many overlapping patches, with leaky ReLUs: a PatchGAN.
///
/// Shapes: `[batch, channels, height, width]` to `[batch, patches]`, row after row; of a side of `n` pixels there are
/// `n / 2^halvings - 2`, rounded down. The score of the whole is the mean of its logits. Built by [`PatchCriticConfig`].
///
/// It is normalised by its weights alone. Statistics of a batch, which the paper has, would let a score depend on the other
/// images, and those of a map, which others take in their place, on what lies outside of the patch.
///
/// A model that asks for [`patch_scores`](Critic::patch_scores), as [`ReconstructionGan`](crate::model::ReconstructionGan) does, has its
/// objective see each patch; others have it see the mean of the logits.
///
/// [Isola et al. 2017](https://arxiv.org/abs/1611.07004), section 3.2.2; with spectral normalisation it is that of
/// [Yu et al. 2019](https://arxiv.org/abs/1806.03589).
#[derive(Module, Debug)]
pub struct PatchCritic {
    convs: Vec<Conv2d>,
    /// One for each convolution, or none.
    norms: Vec<SpectralNorm>,
}

impl PatchCritic {
    /// The weights of a convolution, as they are applied.
    fn weight(&self, place: usize) -> Tensor<4> {
        let weight = self.convs[place].weight.val();
        let shape = weight.dims();
        match self.norms.get(place) {
            Some(norm) => norm.forward(weight, |w| w.flatten(1, 3)).reshape(shape),
            None => weight,
        }
    }
}

impl Critic for PatchCritic {
    type Input = Tensor<4>;

    fn score(&self, input: Tensor<4>) -> Tensor<1> {
        self.patch_scores(input).mean_dim(1).squeeze_dim(1)
    }

    /// # Panics
    ///
    /// If the images have other channels than the configuration says, or are too small to have a patch.
    fn patch_scores(&self, input: Tensor<4>) -> Tensor<2> {
        let last = self.convs.len() - 1;
        let convs = self.convs.iter().enumerate();
        let logits = convs.fold(input, |maps, (place, conv)| {
            let maps = conv.convolve(maps, self.weight(place));
            if place < last {
                leaky_relu(maps, NEGATIVE_SLOPE)
            } else {
                maps
            }
        });
        logits.flatten(1, 3)
    }
}
