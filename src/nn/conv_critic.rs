use super::bias;
use super::conv::{Plan, halving};
use super::critic::{
    MlpJointCritic, MlpCriticConfig, check_feature_layer, leaky_relu, refuse_feature_layer, score_of,
};
use super::maps::{KERNEL, double, halve};
use super::spectral::SpectralNorm;
use crate::error::{Result, check_at_least_one};
use crate::kernel::laid_out;
use crate::traits::{Critic, FeatureCritic, InputGradient};
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Configuration of a [`ConvCritic`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::ConvCriticConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let critic = ConvCriticConfig::new([3, 32, 32]).init(&device)?;
/// let images = Tensor::<4>::zeros([2, 3, 32, 32], &device);
/// assert_eq!(critic.score(images.clone()).dims(), [2]);
/// assert_eq!(critic.features(images.clone()).dims(), [2, 128, 4, 4]);
/// let (_, gradient) = critic.score_and_input_gradient(images);
/// assert_eq!(gradient.dims(), [2, 3, 32, 32]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ConvCriticConfig {
    /// Channels, height and width of one image.
    pub shape: [usize; 3],
    /// The filters of each convolution; each halves height and width.
    #[config(default = "vec![32, 64, 128]")]
    pub channels: Vec<usize>,
    /// The slope of the leaky ReLU below 0; with 0 it is a ReLU.
    #[config(default = "0.2")]
    pub negative_slope: f64,
    /// Which convolution's activations are the critic's features, counted from 0; the last one by default.
    #[config(default = "None")]
    pub feature_layer: Option<usize>,
    /// Whether every layer is divided by its largest singular value, that of a convolution's weights as a
    /// matrix `[outputs, inputs * 9]` ([Miyato et al. 2018](https://arxiv.org/abs/1802.05957)).
    #[config(default = "false")]
    pub spectral_norm: bool,
}

impl ConvCriticConfig {
    /// A critic of images.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if a size is zero or absurd, the image is too small for so many
    /// convolutions, or the convolution that is to give the features does not exist.
    pub fn init(&self, device: &Device) -> Result<ConvCritic> {
        const PART: &str = "ConvCritic";
        let plan = Plan::new(PART, self.shape, &self.channels)?;
        let feature_layer = check_feature_layer(PART, self.feature_layer, self.channels.len())?;
        Ok(ConvCritic {
            body: self.body(&plan, device),
            score: LinearConfig::new(plan.code_size(), 1).init(device),
            score_norm: self.spectral_norm.then(|| SpectralNorm::new(1, device)),
            feature_layer,
        })
    }

    /// A critic of pairs: images, and latents of `latent_dim` coordinates. The latent joins behind the
    /// convolutions, before a dense layer of `hidden` units.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init), and if `latent_dim` or `hidden` is zero, or a `feature_layer` is given: a critic of
    /// pairs has none.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::nn::ConvCriticConfig;
    /// use burn_generative::prelude::*;
    ///
    /// let device = Device::default();
    /// let critic = ConvCriticConfig::new([1, 28, 28]).init_joint(5, 64, &device)?;
    /// let pair = (Tensor::zeros([3, 1, 28, 28], &device), Tensor::zeros([3, 5], &device));
    /// assert_eq!(critic.score(pair).dims(), [3]);
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn init_joint(
        &self,
        latent_dim: usize,
        hidden: usize,
        device: &Device,
    ) -> Result<ConvJointCritic> {
        const PART: &str = "ConvJointCritic";
        let plan = Plan::new(PART, self.shape, &self.channels)?;
        check_at_least_one(PART, "latent_dim", latent_dim)?;
        refuse_feature_layer(PART, self.feature_layer)?;
        check_at_least_one(PART, "hidden", hidden)?;
        let head = MlpCriticConfig::new(plan.code_shape().to_vec())
            .with_hidden(vec![hidden])
            .with_negative_slope(self.negative_slope)
            .with_spectral_norm(self.spectral_norm);
        Ok(ConvJointCritic {
            body: self.body(&plan, device),
            head: head.init_joint(latent_dim, device)?,
        })
    }

    fn body(&self, plan: &Plan, device: &Device) -> ConvBody {
        let layers = || plan.channels.windows(2);
        let norm =
            |io: &[usize]| SpectralNorm::new(io[0] * KERNEL.iter().product::<usize>(), device);
        ConvBody {
            convs: layers().map(|io| halving(io[0], io[1], device)).collect(),
            norms: layers().filter(|_| self.spectral_norm).map(norm).collect(),
            negative_slope: self.negative_slope,
        }
    }
}

/// The convolutions of a critic.
#[derive(Module, Debug)]
struct ConvBody {
    convs: Vec<Conv2d>,
    /// One for each convolution, or none.
    norms: Vec<SpectralNorm>,
    negative_slope: f64,
}

impl ConvBody {
    /// The weights of the convolutions, as they are applied.
    fn weights(&self) -> Vec<Tensor<4>> {
        let weights = self.convs.iter().map(|conv| conv.weight.val());
        if self.norms.is_empty() {
            return weights.collect();
        }
        weights
            .zip(&self.norms)
            .map(|(weight, norm)| {
                let shape = weight.dims();
                norm.forward(weight, |w| w.flatten(1, 3)).reshape(shape)
            })
            .collect()
    }

    /// The maps of the first convolutions, as many as there are weights, and the slope of each activation on
    /// the way.
    fn forward(&self, input: Tensor<4>, weights: &[Tensor<4>]) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut slopes = Vec::with_capacity(weights.len());
        let layers = self.convs.iter().zip(weights);
        let maps = layers.fold(input, |x, (conv, weight)| {
            let x = halve(x, weight.clone(), bias(&conv.bias));
            let (x, slope) = leaky_relu(x, self.negative_slope);
            slopes.push(slope);
            x
        });
        (maps, slopes)
    }
}

/// Strided convolutions from images to one logit, with leaky ReLUs and no normalisation over the batch: a
/// sample's score does not depend on its batch mates.
///
/// Shapes: `[batch, channels, height, width]` to `[batch]`; its features are a convolution's,
/// `[batch, filters, height, width]`. Built by [`ConvCriticConfig`].
///
/// The critic of [DCGAN](https://arxiv.org/abs/1511.06434), without its batch normalisation.
#[derive(Module, Debug)]
pub struct ConvCritic {
    body: ConvBody,
    score: Linear,
    score_norm: Option<SpectralNorm>,
    feature_layer: usize,
}

impl ConvCritic {
    /// The weights of the score, `[features, 1]`.
    fn score_weights(&self) -> Tensor<2> {
        let weight = self.score.weight.val();
        match &self.score_norm {
            Some(norm) => norm.forward(weight, |matrix| matrix),
            None => weight,
        }
    }
}

impl Critic for ConvCritic {
    type Input = Tensor<4>;

    fn score(&self, input: Tensor<4>) -> Tensor<1> {
        let maps = self.body.forward(input, &self.body.weights()).0;
        score_of(&self.score, maps.flatten(1, 3), self.score_weights())
    }
}

impl FeatureCritic for ConvCritic {
    type Features = Tensor<4>;

    fn features(&self, input: Tensor<4>) -> Tensor<4> {
        let weights = &self.body.weights()[..=self.feature_layer];
        self.body.forward(input, weights).0
    }
}

impl InputGradient for ConvCritic {
    /// The chain rule in forward operations: from the score's weights back through the transpose of each
    /// convolution, times its slopes.
    fn score_and_input_gradient(&self, input: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
        let [_, _, height, width] = input.dims();
        let (weights, last) = (self.body.weights(), self.score_weights());
        let (maps, slopes) = self.body.forward(input, &weights);
        let [_, filters, rows, columns] = maps.dims();
        let score = score_of(&self.score, maps.flatten(1, 3), last.clone());

        // The side of each layer's input: what the transpose has to lead back to.
        let outputs = slopes
            .iter()
            .map(|slope| [slope.dims()[2], slope.dims()[3]]);
        let sides: Vec<_> = [[height, width]].into_iter().chain(outputs).collect();
        let gradient = last.reshape([1, filters, rows, columns]);
        let back = weights.into_iter().zip(slopes).zip(sides).rev();
        let gradient = back.fold(gradient, |gradient, ((weight, slope), side)| {
            double(gradient * slope, weight, None, side)
        });
        (score, laid_out(gradient))
    }
}

/// A critic of pairs of images and latents: strided convolutions of the image, and a [`MlpJointCritic`] of what
/// they see and the latent.
///
/// Shapes: `([batch, channels, height, width], [batch, latent])` to `[batch]`. Built by
/// [`ConvCriticConfig::init_joint`].
#[derive(Module, Debug)]
pub struct ConvJointCritic {
    body: ConvBody,
    head: MlpJointCritic<4>,
}

impl Critic for ConvJointCritic {
    type Input = (Tensor<4>, Tensor<2>);

    fn score(&self, (images, latent): Self::Input) -> Tensor<1> {
        let maps = self.body.forward(images, &self.body.weights()).0;
        self.head.score((maps, latent))
    }
}
