use super::Vae;
use crate::distribution::DiagonalGaussian;
use crate::loss::{BernoulliNll, Kl, Losses};
use crate::prior::{PseudoInputs, VampPrior};
use crate::traits::{
    Decoder, Draw, Encoder, Evidence, LatentLoss, LatentVariableModel, Likelihood, Model,
    ReconstructionLoss, Sampler,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A [`Vae`] whose prior is the mixture of its own posteriors of learned pseudo-inputs, [`VampPrior`]: the encoder that makes
/// posteriors makes the prior.
///
/// | term | encoder | decoder | pseudo-inputs |
/// |---|---|---|---|
/// | `reconstruction` | trains, through the sample | trains | - |
/// | `kl` | trains, as posterior and as prior | - | trains |
///
/// The KL is estimated from the draw. A normalisation over the batch in the encoder would see the pseudo-inputs as a batch of
/// their own.
///
/// Rather than a [`Vae`] with a learned [`GaussianMixture`](crate::prior::GaussianMixture), whose components have to find codes
/// by themselves.
///
/// [Tomczak & Welling 2018](https://arxiv.org/abs/1705.07120), section 2; with one level of latents.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::PseudoInputs;
///
/// let device = Device::default().autodiff();
/// let rows = Tensor::<2>::random([100, 13], burn::tensor::Distribution::Default, &device);
/// let mut vae = VampVae::new(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     PseudoInputs::of_data(&rows, 10, 1)?,
///     GaussianNll::default(),
/// );
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (vae, _) = vae.learn(&mut optimizer, 1e-3, rows.clone());
/// }
/// assert_eq!(vae.sample(4, &device).dims(), [4, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct VampVae<E, D, U, L = BernoulliNll, R = Kl> {
    /// Maps data to a posterior, and pseudo-inputs to components of the prior.
    pub encoder: E,
    /// Maps latents to logits or means.
    pub decoder: D,
    /// What the prior encodes.
    pub pseudo_inputs: U,
    /// What a reconstruction costs.
    pub likelihood: L,
    /// What holds the codes to the prior.
    pub latent_loss: R,
}

impl<E, D, L, const N: usize> VampVae<E, D, PseudoInputs<N>, L>
where
    E: Encoder<Input = Tensor<N>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>>,
    L: ReconstructionLoss<D::Output, Tensor<N>>,
{
    /// The VAE of these parts, with the KL as it is.
    pub fn new(encoder: E, decoder: D, pseudo_inputs: PseudoInputs<N>, likelihood: L) -> Self {
        Self::with_latent_loss(encoder, decoder, pseudo_inputs, likelihood, Kl::default())
    }
}

impl<E, D, L, R, const N: usize> VampVae<E, D, PseudoInputs<N>, L, R>
where
    E: Encoder<Input = Tensor<N>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>>,
    L: ReconstructionLoss<D::Output, Tensor<N>>,
    R: LatentLoss<DiagonalGaussian, VampPrior<E, N>>,
{
    /// The autoencoder of these parts whose codes are held to the prior by this loss: a [`Kl`] that warms up, say. The
    /// pseudo-inputs go where the encoder is.
    pub fn with_latent_loss(
        encoder: E,
        decoder: D,
        pseudo_inputs: PseudoInputs<N>,
        likelihood: L,
        latent_loss: R,
    ) -> Self {
        Self {
            pseudo_inputs: pseudo_inputs.beside(&encoder),
            encoder,
            decoder,
            likelihood,
            latent_loss,
        }
    }

    /// [`losses`](Model::losses) with standard normal noise given, `[batch, latent]`.
    pub fn losses_with(&self, input: Tensor<N>, noise: Tensor<2>) -> Losses {
        self.as_vae().losses_with(input, noise)
    }
}

impl<E, D, L, R, const N: usize> VampVae<E, D, PseudoInputs<N>, L, R>
where
    E: Encoder<Input = Tensor<N>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>>,
    L: ReconstructionLoss<D::Output, Tensor<N>>,
    R: Module,
{
    /// The prior as it is now.
    pub fn prior(&self) -> VampPrior<E, N> {
        VampPrior::new(self.encoder.clone(), self.pseudo_inputs.clone())
    }

    /// The VAE that this is now. Encoder and prior share their weights, and go apart when it is trained by itself.
    pub fn as_vae(&self) -> Vae<E, D, VampPrior<E, N>, L, R> {
        Vae {
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            prior: self.prior(),
            likelihood: self.likelihood.clone(),
            latent_loss: self.latent_loss.clone(),
        }
    }
}

impl<E, D, L, R, const N: usize> Model for VampVae<E, D, PseudoInputs<N>, L, R>
where
    E: Encoder<Input = Tensor<N>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>>,
    L: ReconstructionLoss<D::Output, Tensor<N>>,
    R: LatentLoss<DiagonalGaussian, VampPrior<E, N>>,
{
    type Input = Tensor<N>;

    /// `reconstruction`, and those of the latent loss: `kl`.
    fn terms(&self) -> Vec<&'static str> {
        [vec!["reconstruction"], self.latent_loss.terms()].concat()
    }

    fn losses(&self, input: Tensor<N>) -> Losses {
        self.as_vae().losses(input)
    }

    fn advance(self) -> Self {
        Self {
            latent_loss: self.latent_loss.advance(),
            ..self
        }
    }
}
crate::learner!(VampVae<E, D, U, L, R>);

/// Samples are data, the [point](ReconstructionLoss::point) of what the decoder makes of draws of the prior; without
/// gradients and as in evaluation.
impl<E, D, L, R, const N: usize> Sampler for VampVae<E, D, PseudoInputs<N>, L, R>
where
    E: Encoder<Input = Tensor<N>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>>,
    L: ReconstructionLoss<D::Output, Tensor<N>>,
    R: LatentLoss<DiagonalGaussian, VampPrior<E, N>>,
{
    type Value = Tensor<N>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<N> {
        self.as_vae().sample(n, device)
    }
}

/// Each draw encodes the pseudo-inputs anew.
impl<E, D, L, R, const N: usize> LatentVariableModel for VampVae<E, D, PseudoInputs<N>, L, R>
where
    E: Encoder<Input = Tensor<N>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>>,
    L: Likelihood<D::Output, Tensor<N>>,
    R: Module,
{
    type Input = Tensor<N>;
    type Posterior = DiagonalGaussian;

    fn posterior(&self, input: Tensor<N>) -> DiagonalGaussian {
        self.encoder.encode(input)
    }

    fn evidence_of(
        &self,
        input: Tensor<N>,
        posterior: &DiagonalGaussian,
        draw: Draw<Tensor<2>>,
    ) -> Evidence {
        self.as_vae().evidence_of(input, posterior, draw)
    }
}
