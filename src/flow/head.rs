use super::{Bijection, FlowPosterior};
use crate::distribution::DiagonalGaussian;
use crate::nn::{GaussianHead, Head};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// The head of an encoder that returns a [`FlowPosterior`]: a Gaussian, and a flow that is given a context of the encoder's
/// features.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{FlowHead, IafConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let (latent, context) = (4, 16);
/// let iaf = IafConfig::new(latent).with_context(context).init(&device)?;
/// let vae = Vae::new(
///     MlpEncoderConfig::new(vec![1, 8, 8], latent)
///         .init_with_head(&device, |features| FlowHead::new(features, latent, context, iaf, &device))?,
///     MlpDecoderConfig::new(latent, vec![1, 8, 8]).init(&device)?,
///     StandardNormal::new(latent),
///     BernoulliNll,
/// );
/// let losses = vae.losses(Tensor::<4>::zeros([5, 1, 8, 8], &device));
/// assert_eq!(losses.term("kl").unwrap().dims(), [5]); // by one draw: it has no closed form
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct FlowHead<B> {
    gaussian: GaussianHead,
    context: Option<Linear>,
    bijection: B,
}

impl<B: Bijection<Input = Tensor<2>, Output = Tensor<2>>> FlowHead<B> {
    /// A head from `features` to `latent_dim` coordinates, by a bijection with a context of `context` numbers, 0 for none.
    pub fn new(
        features: usize,
        latent_dim: usize,
        context: usize,
        bijection: B,
        device: &Device,
    ) -> Self {
        let layer = |context| LinearConfig::new(features, context).init(device);
        Self {
            gaussian: GaussianHead::new(features, latent_dim, device),
            context: (context > 0).then(|| layer(context)),
            bijection,
        }
    }
}

impl<B: Bijection<Input = Tensor<2>, Output = Tensor<2>>> Head for FlowHead<B> {
    type Code = FlowPosterior<DiagonalGaussian, B>;

    fn forward(&self, features: Tensor<2>) -> Self::Code {
        let base = self.gaussian.forward(features.clone());
        let posterior = FlowPosterior::new(base, self.bijection.clone());
        match &self.context {
            Some(layer) => posterior.with_context(layer.forward(features)),
            None => posterior,
        }
    }
}
