use super::Vae;
use crate::error::Result;
use crate::traits::{Batch, Block, Code, Decoder, Encoder, Likelihood, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// How many samples are encoded at a time.
const ENCODED_AT_ONCE: usize = 1000;

impl<E, D, P, L, R> Vae<E, D, P, L, R>
where
    E: Encoder<Code: Code<Latent = Tensor<2>>>,
    D: Decoder<Latent = Tensor<2>>,
    P: Block,
    L: Block,
    R: Block,
{
    /// The same autoencoder, trained as it is, with a prior that is fitted to its codes: a draw of the posterior of each of
    /// the data, in the order of the data, without gradients and as in evaluation. A VAE samples better from it than from the
    /// prior that it was trained with, and an autoencoder without one can be sampled at all.
    ///
    /// The fit is any function of the codes: a mixture
    /// ([Ghosh et al. 2020](https://arxiv.org/abs/1903.12436), "ex-post density estimation"), a flow, or a second VAE
    /// ([Dai & Wipf 2019](https://arxiv.org/abs/1903.05789); [`SecondStage`] has that example).
    ///
    /// # Errors
    ///
    /// What the fit returns.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::prelude::*;
    /// use burn_generative::prior::MixtureFit;
    ///
    /// let device = Device::default();
    /// let vae = Vae::new(
    ///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
    ///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
    ///     StandardNormal::new(2),
    ///     GaussianNll::default(),
    /// );
    /// let rows = Tensor::<2>::random([100, 13], burn::tensor::Distribution::Default, &device);
    /// let vae = vae.with_fitted_prior(rows, |codes| MixtureFit::new(3).fit_full(codes))?;
    /// assert_eq!(vae.sample(4, &device).dims(), [4, 13]);
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn with_fitted_prior<Q>(
        &self,
        data: E::Input,
        fit: impl FnOnce(Tensor<2>) -> Result<Q>,
    ) -> Result<Vae<E, D, Q, L, R>>
    where
        Q: Sampler<Value = Tensor<2>>,
    {
        let encoder = self.encoder.valid();
        let prior = fit(encoded(data, |batch| encoder.encode(batch).rsample()))?;
        Ok(Vae {
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            prior,
            likelihood: self.likelihood.clone(),
            latent_loss: self.latent_loss.clone(),
        })
    }
}

/// The codes of all data, a thousand samples at a time, without autodiff.
pub(super) fn encoded<B: Batch, const D: usize>(
    data: B,
    encode: impl Fn(B) -> Tensor<D>,
) -> Tensor<D> {
    let data = data.to_device(&data.device().without_autodiff());
    let codes = (0..data.len()).step_by(ENCODED_AT_ONCE).map(|start| {
        let length = ENCODED_AT_ONCE.min(data.len() - start);
        encode(data.narrow(start, length))
    });
    Tensor::cat(codes.collect(), 0)
}

/// A VAE of codes as the prior of another: the second of two stages. Its samples are draws of its likelihood, where those of
/// the VAE itself are without noise: codes fill the latent space, and their means would leave holes in it.
///
/// [Dai & Wipf 2019](https://arxiv.org/abs/1903.05789), section 4.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::model::SecondStage;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let training = device.clone().autodiff();
/// let first = Vae::new(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     GaussianNll::default(),
/// );
/// let rows = Tensor::<2>::random([100, 13], burn::tensor::Distribution::Default, &device);
/// let both = first.with_fitted_prior(rows, |codes| {
///     let mut second = Vae::new(
///         MlpEncoderConfig::new(vec![2], 2).init_gaussian(&training)?,
///         MlpDecoderConfig::new(2, vec![2]).init_gaussian(&training)?,
///         StandardNormal::new(2),
///         Nll,
///     );
///     let mut optimizer = AdamConfig::new().init();
///     for _step in 0..3 {
///         (second, _) = second.learn(&mut optimizer, 1e-3, codes.clone().autodiff());
///     }
///     Ok(SecondStage::new(second.valid()))
/// })?;
/// assert_eq!(both.sample(4, &device).dims(), [4, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SecondStage<V> {
    /// The VAE of codes.
    pub vae: V,
}

impl<E, D, P, L, R> SecondStage<Vae<E, D, P, L, R>> {
    /// The prior that this VAE of codes is.
    pub fn new(vae: Vae<E, D, P, L, R>) -> Self {
        Self { vae }
    }
}

impl<E, D, P, L, R> Sampler for SecondStage<Vae<E, D, P, L, R>>
where
    E: Encoder,
    D: Decoder,
    P: Sampler<Value = D::Latent>,
    L: Likelihood<D::Output, E::Input>,
    R: Block,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        let output = super::sample(&self.vae.prior, &self.vae.decoder, n, device);
        self.vae.likelihood.valid().sample(output)
    }
}
