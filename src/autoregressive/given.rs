use super::{Sampling, Stepwise, noise};
use crate::traits::{Batch, Code, Posterior};
use burn::tensor::Tensor;

/// An autoregressive density given a context for each sample of a batch: what such a model returns as a decoder.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::PixelCnnConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// // A PixelVAE: the decoder is a density of images, given the latent.
/// let decoder = PixelCnnConfig::new([1, 8, 8]).with_layers(2).with_context(4).init(&device)?;
/// let vae = Vae::new(
///     MlpEncoderConfig::new(vec![1, 8, 8], 4).init_gaussian(&device)?,
///     decoder,
///     StandardNormal::new(4),
///     Nll,
/// );
/// let losses = vae.losses(Tensor::<4>::zeros([5, 1, 8, 8], &device));
/// assert_eq!(losses.total.dims(), [5]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Given<A, const D: usize> {
    density: A,
    context: Tensor<2>,
}

impl<A: Stepwise<D>, const D: usize> Given<A, D> {
    /// This density, given a context for each sample, `[batch, context]`.
    pub fn new(density: A, context: Tensor<2>) -> Self {
        Self { density, context }
    }

    /// A sample by this noise, on the device of the context.
    fn sample(&self, noise: Tensor<2>, sampling: Sampling<D>) -> Tensor<D> {
        let sampling = sampling.with_context(self.context.clone().detach());
        let sample = self.density.sample_with(noise, &sampling);
        Batch::to_device(&sample, &self.context.device())
    }
}

impl<A: Stepwise<D>, const D: usize> Code for Given<A, D> {
    type Latent = Tensor<D>;
    /// Uniform in [0, 1), `[batch, variables]`.
    type Noise = Tensor<2>;

    fn noise(&self) -> Tensor<2> {
        let [batch, _] = self.context.dims();
        let variables = self.density.shape().iter().product();
        noise([batch, variables], &self.context.device())
    }

    /// A draw, which has no gradient.
    fn rsample_with(&self, noise: Tensor<2>) -> Tensor<D> {
        self.sample(noise, Sampling::default())
    }

    /// The likeliest level of each variable, given those before it: at temperature 0, which is not the likeliest event.
    fn point(&self) -> Tensor<D> {
        let [batch, _] = self.context.dims();
        let variables = self.density.shape().iter().product();
        let none = Tensor::zeros([batch, variables], &self.context.device().inner());
        self.sample(none, Sampling::likeliest())
    }
}

impl<A: Stepwise<D>, const D: usize> Posterior for Given<A, D> {
    fn log_prob(&self, x: Tensor<D>) -> Tensor<1> {
        self.density.log_prob_given(x, Some(&self.context))
    }
}
