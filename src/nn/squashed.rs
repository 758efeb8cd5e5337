use super::linear::activate;
use crate::traits::Decoder;
use burn::module::Module;
use burn::nn::activation::Activation;
use burn::nn::{Sigmoid, Tanh};
use burn::tensor::Tensor;

/// A decoder with an activation at its end, for a model that shows its output to a critic: beside data in
/// `[0, 1]`, anything outside gives a fake away.
///
/// Not for a model with a likelihood, which takes logits or means as they come.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::Squashed;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let generator = Squashed::sigmoid(MlpDecoderConfig::new(2, vec![1, 8, 8]).init(&device)?);
/// let images: Tensor<4> = generator.decode(Tensor::zeros([3, 2], &device));
/// Support::UnitInterval.check(&images, "images")?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Squashed<D> {
    /// The decoder.
    pub decoder: D,
    activation: Activation,
}

impl<D> Squashed<D> {
    /// To `[0, 1]`.
    pub fn sigmoid(decoder: D) -> Self {
        let activation = Activation::Sigmoid(Sigmoid::new());
        Self {
            decoder,
            activation,
        }
    }

    /// To `[-1, 1]`.
    pub fn tanh(decoder: D) -> Self {
        let activation = Activation::Tanh(Tanh::new());
        Self {
            decoder,
            activation,
        }
    }
}

impl<D, const N: usize> Decoder for Squashed<D>
where
    D: Decoder<Output = Tensor<N>>,
{
    type Latent = D::Latent;
    type Output = Tensor<N>;

    fn decode(&self, latent: D::Latent) -> Tensor<N> {
        activate(&self.activation, self.decoder.decode(latent))
    }
}
