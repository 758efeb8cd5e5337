use super::{check_layers, check_width, event_size};
use crate::error::{Error, Result};
use crate::kernel::rows;
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
}

impl MlpCriticConfig {
    /// A critic of tensors of rank `D`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, there is no hidden layer, or the shape has not `D - 1`
    /// axes.
    pub fn init<const D: usize>(&self, device: &Device) -> Result<MlpCritic<D>> {
        const PART: &str = "MlpCritic";
        super::mlp::check_rank::<D>(PART, &self.shape)?;
        for &width in &self.hidden {
            check_width(PART, "a hidden width", width)?;
        }
        let Some(&last) = self.hidden.last() else {
            return Err(Error::Config(format!("{PART}: it needs a hidden layer")));
        };
        let features = event_size(PART, &self.shape)?;
        let widths: Vec<usize> = [features].iter().chain(&self.hidden).copied().collect();
        check_layers(PART, &widths)?;
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        Ok(MlpCritic {
            layers: widths.windows(2).map(layer).collect(),
            score: LinearConfig::new(last, 1).init(device),
            negative_slope: self.negative_slope,
        })
    }
}

/// A multi-layer perceptron from data of any shape to one logit, with leaky ReLUs and no normalisation: a
/// sample's score does not depend on its batch mates.
///
/// Shapes: `[batch, ...shape]` to `[batch]`; its features are the last hidden layer's. Built by
/// [`MlpCriticConfig`].
#[derive(Module, Debug)]
pub struct MlpCritic<const D: usize> {
    layers: Vec<Linear>,
    score: Linear,
    negative_slope: f64,
}

impl<const D: usize> MlpCritic<D> {
    /// The last hidden layer, and the slope of every activation on the way: 1 where it let through.
    fn hidden(&self, input: Tensor<D>) -> (Tensor<2>, Vec<Tensor<2>>) {
        let mut slopes = Vec::with_capacity(self.layers.len());
        let hidden = self.layers.iter().fold(rows(input), |x, layer| {
            let x = layer.forward(x);
            // A constant: the slope of a piecewise linear function does not change with its input.
            let below = x.clone().detach().lower_elem(0.0);
            let slope = x.ones_like().mask_fill(below, self.negative_slope);
            slopes.push(slope.clone());
            x * slope
        });
        (hidden, slopes)
    }
}

impl<const D: usize> Critic for MlpCritic<D> {
    type Input = Tensor<D>;

    fn score(&self, input: Tensor<D>) -> Tensor<1> {
        self.score.forward(self.hidden(input).0).squeeze_dim(1)
    }
}

impl<const D: usize> FeatureCritic for MlpCritic<D> {
    type Features = Tensor<2>;

    fn features(&self, input: Tensor<D>) -> Tensor<2> {
        self.hidden(input).0
    }
}

impl<const D: usize> InputGradient for MlpCritic<D> {
    /// The chain rule in forward operations: from the score's weights back through each layer's transposed
    /// weights, times its slopes.
    fn score_and_input_gradient(&self, input: Tensor<D>) -> (Tensor<1>, Tensor<D>) {
        let shape = input.dims();
        let (hidden, slopes) = self.hidden(input);
        let score = self.score.forward(hidden).squeeze_dim(1);
        let gradient = self.score.weight.val().transpose();
        let gradient = self
            .layers
            .iter()
            .zip(slopes)
            .rev()
            .fold(gradient, |gradient, (layer, slope)| {
                (gradient * slope).matmul(layer.weight.val().transpose())
            });
        (score, gradient.reshape(shape))
    }
}

/// A critic of pairs of data and latents: an [`MlpCritic`] of both, side by side in one row.
///
/// Shapes: `([batch, ...shape], [batch, latent])` to `[batch]`. Built by
/// [`MlpCriticConfig::init_joint`].
#[derive(Module, Debug)]
pub struct JointCritic<const D: usize> {
    body: MlpCritic<2>,
}

impl MlpCriticConfig {
    /// A critic of pairs: data of `shape`, and latents of `latent_dim` coordinates.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
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
    ) -> Result<JointCritic<D>> {
        const PART: &str = "JointCritic";
        super::mlp::check_rank::<D>(PART, &self.shape)?;
        check_width(PART, "latent_dim", latent_dim)?;
        let features = event_size(PART, &self.shape)?.saturating_add(latent_dim);
        let rows = Self {
            shape: vec![features],
            ..self.clone()
        };
        Ok(JointCritic {
            body: rows.init(device)?,
        })
    }
}

impl<const D: usize> Critic for JointCritic<D> {
    type Input = (Tensor<D>, Tensor<2>);

    fn score(&self, (data, latent): Self::Input) -> Tensor<1> {
        self.body.score(Tensor::cat(vec![rows(data), latent], 1))
    }
}
