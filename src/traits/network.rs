use super::{Batch, Block};
use burn::tensor::Tensor;

/// Maps data to a code: a point, or a posterior over latents.
///
/// With `Code = Tensor<2>` it fits an [`Autoencoder`](crate::model::Autoencoder); with
/// `Code = DiagonalGaussian` (or any other [`Posterior`](super::Posterior)) it fits a [`Vae`](crate::model::Vae).
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// Images `[batch, channels, height, width]` to points `[batch, latent]`.
/// #[derive(Module, Debug)]
/// struct Flat { linear: Linear }
///
/// impl Encoder for Flat {
///     type Input = Tensor<4>;
///     type Code = Tensor<2>;
///
///     fn encode(&self, input: Tensor<4>) -> Tensor<2> {
///         self.linear.forward(input.flatten(1, 3))
///     }
/// }
///
/// let device = Device::default();
/// let encoder = Flat { linear: LinearConfig::new(28 * 28, 8).init(&device) };
/// assert_eq!(encoder.encode(Tensor::zeros([2, 1, 28, 28], &device)).dims(), [2, 8]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no encoder",
    note = "implement `Encoder` for it (one method, `encode`), and derive burn's `Module`"
)]
pub trait Encoder: Block {
    /// What it reads, batch first; a tuple where a label or a condition belongs to the input.
    type Input: Batch;
    /// What it returns: a point `[batch, latent]`, or a [`Posterior`](super::Posterior).
    type Code;

    /// The codes of a batch.
    fn encode(&self, input: Self::Input) -> Self::Code;
}

/// Maps latents to the parameters of a distribution over data: a GAN's generator is one too.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// #[derive(Module, Debug)]
/// struct Unflat { linear: Linear }
///
/// impl Decoder for Unflat {
///     type Latent = Tensor<2>;
///     type Output = Tensor<4>; // logits, for a Bernoulli likelihood
///
///     fn decode(&self, latent: Tensor<2>) -> Tensor<4> {
///         self.linear.forward(latent).reshape([-1, 1, 28, 28])
///     }
/// }
///
/// let device = Device::default();
/// let decoder = Unflat { linear: LinearConfig::new(8, 28 * 28).init(&device) };
/// assert_eq!(decoder.decode(Tensor::zeros([2, 8], &device)).dims(), [2, 1, 28, 28]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no decoder",
    note = "implement `Decoder` for it (one method, `decode`), and derive burn's `Module`"
)]
pub trait Decoder: Block {
    /// What it reads, batch first: usually `Tensor<2>`, `[batch, latent]`.
    type Latent: Batch;
    /// Logits or means in the shape of the data, or a distribution over it. Squashed only for a critic.
    type Output;

    /// The outputs for a batch of latents.
    fn decode(&self, latent: Self::Latent) -> Self::Output;
}

/// Scores how real a sample looks: a GAN's discriminator, a Wasserstein critic, a latent critic.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// #[derive(Module, Debug)]
/// struct LatentCritic { hidden: Linear, score: Linear }
///
/// impl Critic for LatentCritic {
///     type Input = Tensor<2>;
///
///     fn score(&self, input: Tensor<2>) -> Tensor<1> {
///         self.score.forward(self.features(input)).squeeze_dim(1)
///     }
/// }
///
/// impl FeatureCritic for LatentCritic {
///     type Features = Tensor<2>;
///
///     fn features(&self, input: Tensor<2>) -> Tensor<2> {
///         burn::tensor::activation::relu(self.hidden.forward(input))
///     }
/// }
///
/// let device = Device::default();
/// let critic = LatentCritic {
///     hidden: LinearConfig::new(8, 16).init(&device),
///     score: LinearConfig::new(16, 1).init(&device),
/// };
/// assert_eq!(critic.score(Tensor::zeros([3, 8], &device)).dims(), [3]);
/// ```
pub trait Critic: Block {
    /// What it judges, batch first; a tuple for a joint critic.
    type Input: Batch;

    /// Raw logits, `[batch]`: the larger, the more real.
    fn score(&self, input: Self::Input) -> Tensor<1>;

    /// Raw logits of the parts of each sample that it judges apart, `[batch, patches]`: one, that of the whole, but for a critic of
    /// patches ([`PatchCritic`](crate::nn::PatchCritic)). An objective sees each on its own, and the mean over the patches of
    /// what it says is the sample's.
    fn patch_scores(&self, input: Self::Input) -> Tensor<2> {
        self.score(input).unsqueeze_dim(1)
    }
}

/// A critic that also shows what it sees: the learned similarity of VAE-GAN and feature matching.
/// [`Critic`] has an example.
pub trait FeatureCritic: Critic {
    /// The activations of one of its layers, batch first.
    type Features;

    /// The features of a batch.
    fn features(&self, input: Self::Input) -> Self::Features;
}

/// A critic that can tell how its score changes with its input: what a gradient penalty is made of.
///
/// burn's autodiff is of first order: a gradient that it computed has no gradient itself. So the critic
/// writes the derivative of its score down in ordinary operations (transposed weights, slopes of its
/// activations), through which autodiff then reaches the critic's parameters. The ready-made critics do so
/// ([`MlpCritic`](crate::nn::MlpCritic)); here is one of your own:
///
/// ```
/// use burn::module::Param;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// `D(x) = sum(w x^2)`.
/// #[derive(Module, Debug)]
/// struct Quadratic { w: Param<Tensor<2>> }
///
/// impl Critic for Quadratic {
///     type Input = Tensor<2>;
///     fn score(&self, input: Tensor<2>) -> Tensor<1> {
///         sum_event(input.square() * self.w.val())
///     }
/// }
///
/// impl InputGradient for Quadratic {
///     fn score_and_input_gradient(&self, input: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
///         let gradient = input.clone() * self.w.val() * 2.0;
///         (self.score(input), gradient)
///     }
/// }
/// ```
pub trait InputGradient: Critic {
    /// The scores, `[batch]`, and the derivative of each with respect to its own sample, in the shape of the
    /// input. Both are differentiable in the critic's parameters.
    fn score_and_input_gradient(&self, input: Self::Input) -> (Tensor<1>, Self::Input);
}

/// Damages data, for a [`DenoisingAutoencoder`](crate::model::DenoisingAutoencoder) to repair.
///
/// ```
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use burn_generative::prelude::*;
///
/// /// Multiplies every element with noise around 1.
/// #[derive(Module, Debug)]
/// struct Speckle;
///
/// impl<const D: usize> Corruption<Tensor<D>> for Speckle {
///     fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
///         clean.random_like(Distribution::Normal(1.0, 0.2))
///     }
///     fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
///         clean * noise
///     }
/// }
///
/// let ones = Tensor::<2>::ones([4, 6], &Device::default());
/// assert_eq!(Speckle.corrupt(ones).dims(), [4, 6]);
/// ```
pub trait Corruption<Data>: Block {
    /// Noise for a batch, from its device's generator.
    fn noise(&self, clean: &Data) -> Data;

    /// What this noise makes of a batch: the deterministic twin of [`corrupt`](Self::corrupt).
    fn corrupt_with(&self, clean: Data, noise: Data) -> Data;

    /// A batch with fresh noise on it.
    fn corrupt(&self, clean: Data) -> Data {
        let noise = self.noise(&clean);
        self.corrupt_with(clean, noise)
    }
}
