use super::spectral::SpectralNorm;
use super::{bias, check_layers, event_size};
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::{linear, rows};
use crate::traits::{Critic, FeatureCritic, InputGradient};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Configuration of an [`MlpCritic`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::MlpCriticConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let critic = MlpCriticConfig::new(vec![1, 28, 28]).init(&device)?;
/// let images = Tensor::<4>::zeros([3, 1, 28, 28], &device);
/// assert_eq!(critic.score(images.clone()).dims(), [3]);
/// let (_, gradient) = critic.score_and_input_gradient(images);
/// assert_eq!(gradient.dims(), [3, 1, 28, 28]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MlpCriticConfig {
    /// The shape of one sample, the batch axis left out: `[1, 28, 28]`, or `[latent]`.
    pub shape: Vec<usize>,
    /// The widths of the hidden layers; at least one.
    #[config(default = "vec![256, 256]")]
    pub hidden: Vec<usize>,
    /// The slope of the leaky ReLU below 0; with 0 it is a ReLU.
    #[config(default = "0.2")]
    pub negative_slope: f64,
    /// Which hidden layer's activations are the critic's features, counted from 0; the last one by default.
    #[config(default = "None")]
    pub feature_layer: Option<usize>,
    /// Whether every layer is divided by its largest singular value
    /// ([Miyato et al. 2018](https://arxiv.org/abs/1802.05957)). The critic is then 1-Lipschitz, up to one step of the power
    /// iteration that each training step takes.
    #[config(default = "false")]
    pub spectral_norm: bool,
}

impl MlpCriticConfig {
    /// A critic of tensors of rank `D`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, there is no hidden layer or none that is to give the
    /// features, or the shape has not `D - 1` axes.
    pub fn init<const D: usize>(&self, device: &Device) -> Result<MlpCritic<D>> {
        const PART: &str = "MlpCritic";
        super::mlp::check_rank::<D>(PART, &self.shape)?;
        for &width in &self.hidden {
            check_at_least_one(PART, "a hidden width", width)?;
        }
        let Some(&last) = self.hidden.last() else {
            return Err(Error::Config(format!("{PART}: it needs a hidden layer")));
        };
        let feature_layer = check_feature_layer(PART, self.feature_layer, self.hidden.len())?;
        let features = event_size(PART, &self.shape)?;
        let widths: Vec<usize> = [features].iter().chain(&self.hidden).copied().collect();
        check_layers(PART, &widths)?;
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        let norm = |&outputs: &usize| SpectralNorm::new(outputs, device);
        let outputs = self.hidden.iter().chain(&[1]);
        Ok(MlpCritic {
            layers: widths.windows(2).map(layer).collect(),
            score: LinearConfig::new(last, 1).init(device),
            norms: outputs.filter(|_| self.spectral_norm).map(norm).collect(),
            negative_slope: self.negative_slope,
            feature_layer,
        })
    }
}

/// The hidden layer that gives the features: the last, or the one that was asked for.
pub(super) fn check_feature_layer(
    part: &str,
    asked: Option<usize>,
    layers: usize,
) -> Result<usize> {
    match asked {
        None => Ok(layers - 1),
        Some(layer) if layer < layers => Ok(layer),
        Some(layer) => Err(Error::Config(format!(
            "{part}: feature_layer {layer} does not exist; there are {layers} hidden layers, counted from 0"
        ))),
    }
}

/// A critic of pairs shows no features.
pub(super) fn refuse_feature_layer(part: &str, asked: Option<usize>) -> Result<()> {
    match asked {
        None => Ok(()),
        Some(layer) => Err(Error::Config(format!(
            "{part}: it has no features, so that feature_layer {layer} has no meaning; leave it out"
        ))),
    }
}

/// A leaky ReLU, and its slope at each element: a constant, as that of a piecewise linear function does not
/// change with its input.
pub(super) fn leaky_relu<const D: usize>(x: Tensor<D>, negative: f64) -> (Tensor<D>, Tensor<D>) {
    let below = x.clone().detach().lower_elem(0.0);
    let slope = x.ones_like().mask_fill(below, negative);
    (x * slope.clone(), slope)
}

/// A multi-layer perceptron from data of any shape to one logit, with leaky ReLUs and no normalisation over
/// the batch: a sample's score does not depend on its batch mates.
///
/// Shapes: `[batch, ...shape]` to `[batch]`; its features are a hidden layer's, `[batch, width]`. Built by
/// [`MlpCriticConfig`].
#[derive(Module, Debug)]
pub struct MlpCritic<const D: usize> {
    layers: Vec<Linear>,
    score: Linear,
    /// One for each layer and one for the score, or none.
    norms: Vec<SpectralNorm>,
    negative_slope: f64,
    feature_layer: usize,
}

impl<const D: usize> MlpCritic<D> {
    /// The weights of the hidden layers and of the score, as they are applied.
    fn weights(&self) -> Vec<Tensor<2>> {
        let layers = self.layers.iter().chain([&self.score]);
        let weights: Vec<_> = layers.map(|layer| layer.weight.val()).collect();
        match self.norms.is_empty() {
            true => weights,
            false => weights
                .into_iter()
                .zip(&self.norms)
                .map(|(weight, norm)| norm.forward(weight, |matrix| matrix))
                .collect(),
        }
    }

    /// The activations of the first hidden layers, as many as there are weights, and the slope of each on the
    /// way: 1 where it let through.
    fn hidden(&self, input: Tensor<D>, weights: &[Tensor<2>]) -> (Tensor<2>, Vec<Tensor<2>>) {
        let mut slopes = Vec::with_capacity(weights.len());
        let layers = self.layers.iter().zip(weights);
        let hidden = layers.fold(rows(input), |x, (layer, weight)| {
            let x = linear(x, weight.clone(), bias(&layer.bias));
            let (x, slope) = leaky_relu(x, self.negative_slope);
            slopes.push(slope);
            x
        });
        (hidden, slopes)
    }
}

/// The logits of a last layer whose weights are applied as `weight`.
pub(super) fn score_of(layer: &Linear, hidden: Tensor<2>, weight: Tensor<2>) -> Tensor<1> {
    linear(hidden, weight, bias(&layer.bias)).squeeze_dim(1)
}

impl<const D: usize> Critic for MlpCritic<D> {
    type Input = Tensor<D>;

    fn score(&self, input: Tensor<D>) -> Tensor<1> {
        let mut weights = self.weights();
        let last = weights.pop().expect("the score's");
        score_of(&self.score, self.hidden(input, &weights).0, last)
    }
}

impl<const D: usize> FeatureCritic for MlpCritic<D> {
    type Features = Tensor<2>;

    fn features(&self, input: Tensor<D>) -> Tensor<2> {
        self.hidden(input, &self.weights()[..=self.feature_layer]).0
    }
}

impl<const D: usize> InputGradient for MlpCritic<D> {
    /// The chain rule in forward operations: from the score's weights back through each layer's transposed
    /// weights, times its slopes.
    fn score_and_input_gradient(&self, input: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let shape = input.dims();
        let mut weights = self.weights();
        let last = weights.pop().expect("the score's");
        let (hidden, slopes) = self.hidden(input, &weights);
        let score = score_of(&self.score, hidden, last.clone());
        let back = weights.into_iter().zip(slopes).rev();
        let gradient = back.fold(last.transpose(), |gradient, (weight, slope)| {
            (gradient * slope).matmul(weight.transpose())
        });
        (score, gradient.reshape(shape))
    }
}

/// A critic of pairs of data and latents: an [`MlpCritic`] of both, side by side in one row.
///
/// Shapes: `([batch, ...shape], [batch, latent])` to `[batch]`. Built by
/// [`MlpCriticConfig::init_joint`].
#[derive(Module, Debug)]
pub struct MlpJointCritic<const D: usize> {
    body: MlpCritic<2>,
}

impl MlpCriticConfig {
    /// A critic of pairs: data of `shape`, and latents of `latent_dim` coordinates.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init), and if a `feature_layer` is given: a critic of pairs has none.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::nn::MlpCriticConfig;
    /// use burn_generative::prelude::*;
    ///
    /// let device = Device::default();
    /// let critic = MlpCriticConfig::new(vec![1, 8, 8]).init_joint::<4>(5, &device)?;
    /// let pair = (Tensor::zeros([3, 1, 8, 8], &device), Tensor::zeros([3, 5], &device));
    /// assert_eq!(critic.score(pair).dims(), [3]);
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn init_joint<const D: usize>(
        &self,
        latent_dim: usize,
        device: &Device,
    ) -> Result<MlpJointCritic<D>> {
        const PART: &str = "MlpJointCritic";
        super::mlp::check_rank::<D>(PART, &self.shape)?;
        check_at_least_one(PART, "latent_dim", latent_dim)?;
        refuse_feature_layer(PART, self.feature_layer)?;
        let features = event_size(PART, &self.shape)?.saturating_add(latent_dim);
        let rows = Self {
            shape: vec![features],
            ..self.clone()
        };
        Ok(MlpJointCritic {
            body: rows.init(device)?,
        })
    }
}

impl<const D: usize> Critic for MlpJointCritic<D> {
    type Input = (Tensor<D>, Tensor<2>);

    fn score(&self, (data, latent): Self::Input) -> Tensor<1> {
        self.body.score(Tensor::cat(vec![rows(data), latent], 1))
    }
}
