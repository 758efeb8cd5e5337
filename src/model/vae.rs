use super::LatentOf;
use crate::error::Result;
use crate::loss::{BernoulliNll, Kl, Losses};
use crate::prior::StandardNormal;
use crate::traits::{
    AutoencodingModel, Block, Code, Decoder, Draw, Encoder, Evidence, LatentLoss,
    LatentVariableModel, Likelihood, Model, Posterior, Prior, ReconstructionLoss, Sampler,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

/// Configuration of a [`Vae`]: what is not a network.
#[derive(Config, Debug)]
pub struct VaeConfig {
    /// The weight of the KL term, in training and in evaluation: [`Kl::new`].
    #[config(default = 1.0)]
    pub beta: f64,
    /// Training steps over which the KL weight rises from 0 to `beta`; 0 for none: [`Kl::with_warmup`].
    #[config(default = 0)]
    pub warmup_steps: usize,
    /// The KL, in nats per sample, below which it is not pushed further down; 0 for none: [`Kl::with_free_bits`].
    #[config(default = 0.0)]
    pub free_bits: f64,
}

impl VaeConfig {
    /// The VAE of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `beta` or `free_bits` is negative or no number.
    pub fn init<E, D, P, L>(
        &self,
        encoder: E,
        decoder: D,
        prior: P,
        likelihood: L,
    ) -> Result<Vae<E, D, P, L>>
    where
        E: Encoder<Code: Posterior>,
        D: Decoder<Latent = LatentOf<E>>,
        P: Prior<Value = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        let device = encoder.devices().first().cloned().unwrap_or_default();
        let kl = Kl::new(self.beta)?.with_warmup(self.warmup_steps, &device);
        let kl = kl.with_free_bits(self.free_bits)?;
        Ok(Vae::with_latent_loss(
            encoder, decoder, prior, likelihood, kl,
        ))
    }
}

/// The variational autoencoder: `losses = -log p(x | z) + beta KL(q(z | x) || p(z))`, with
/// `z = mean + exp(log_var / 2) noise` from the encoder's posterior.
///
/// | term | encoder | decoder | prior |
/// |---|---|---|---|
/// | `reconstruction` | trains, through the sample | trains | - |
/// | `kl` | trains | - | trains, if it has parameters |
///
/// The second term is a slot: [`Kl`] makes the model of the paper, and [`Vae::with_latent_loss`] takes any other
/// [`LatentLoss`]. The encoder's code is a posterior, or for a loss that asks for no more a point. With `beta = 1` the total is the negative evidence lower bound, an upper bound of `-log p(x)` in
/// nats per sample. [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114).
///
/// Rather than a [`Gan`](super::Gan), where data is to be encoded, compared by a likelihood, or covered in full; rather than an
/// [`Autoencoder`](super::Autoencoder), where new data is to be drawn.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let mut vae = VaeConfig::new().with_beta(4.0).init(
///     MlpEncoderConfig::new(vec![1, 28, 28], 10).init_gaussian(&device)?,
///     MlpDecoderConfig::new(10, vec![1, 28, 28]).init(&device)?,
///     StandardNormal::new(10),
///     BernoulliNll,
/// )?;
/// let images = Tensor::<4>::zeros([16, 1, 28, 28], &device);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     let losses;
///     (vae, losses) = vae.learn(&mut optimizer, 1e-3, images.clone());
///     println!("{} nats an image", losses.mean().into_scalar::<f32>());
/// }
/// assert_eq!(vae.sample(4, &device).dims(), [4, 1, 28, 28]); // images, not logits
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Vae<E, D, P = StandardNormal, L = BernoulliNll, R = Kl> {
    /// Maps data to a posterior.
    pub encoder: E,
    /// Maps latents to logits or means.
    pub decoder: D,
    /// The distribution that latents come from.
    pub prior: P,
    /// What a reconstruction costs.
    pub likelihood: L,
    /// What holds the codes to the prior.
    pub latent_loss: R,
}

impl<E, D, P, L> Vae<E, D, P, L>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The VAE of these parts, with the KL as it is; [`VaeConfig`] weighs it.
    pub fn new(encoder: E, decoder: D, prior: P, likelihood: L) -> Self {
        Self::with_latent_loss(encoder, decoder, prior, likelihood, Kl::default())
    }
}

impl<E, D, P, L, R> Vae<E, D, P, L, R>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
    R: LatentLoss<E::Code, P>,
{
    /// The autoencoder of these parts whose codes are held to the prior by this loss.
    pub fn with_latent_loss(
        encoder: E,
        decoder: D,
        prior: P,
        likelihood: L,
        latent_loss: R,
    ) -> Self {
        Self {
            encoder,
            decoder,
            prior,
            likelihood,
            latent_loss,
        }
    }

    /// [`losses`](Model::losses) with the noise given, as [`Code::noise`] draws it.
    pub fn losses_with(&self, input: E::Input, noise: <E::Code as Code>::Noise) -> Losses {
        let code = self.encode(input.clone());
        let draw = code.draw_with(noise);
        let output = self.decode(draw.z.clone());
        self.losses_of(&code, &draw, output, input)
    }
}

impl<E, D, P, L, R> Vae<E, D, P, L, R>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The posterior of each sample.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.encoder.encode(input)
    }

    /// The decoder's output (logits or means) for each latent.
    pub fn decode(&self, latent: LatentOf<E>) -> D::Output {
        self.decoder.decode(latent)
    }

    /// What the model makes of each sample: data, from the [point](Code::point) of its posterior.
    pub fn reconstruct(&self, input: E::Input) -> E::Input {
        let output = self.decode(self.encode(input).point());
        self.likelihood.point(output)
    }
}

impl<E, D, P, L, R> Vae<E, D, P, L, R> {
    /// The losses of a code, the draw that was taken of it, and what the decoder made of that.
    pub(super) fn losses_of<Q, O, T>(
        &self,
        code: &Q,
        draw: &Draw<Q::Latent>,
        output: O,
        target: T,
    ) -> Losses
    where
        Q: Code,
        L: ReconstructionLoss<O, T>,
        R: LatentLoss<Q, P>,
    {
        let reconstruction = Losses::of("reconstruction", self.likelihood.loss(output, target));
        reconstruction.plus(self.latent_loss.losses(code, draw, &self.prior))
    }

    /// What a draw of a posterior, and what the decoder made of it, say of the data.
    pub(super) fn evidence_of_draw<Q, O, T>(
        &self,
        posterior: &Q,
        draw: Draw<Q::Latent>,
        output: O,
        target: T,
    ) -> Evidence
    where
        Q: Posterior,
        P: Prior<Value = Q::Latent>,
        L: Likelihood<O, T>,
    {
        let log_likelihood = self.likelihood.loss(output, target).neg();
        let log_posterior = posterior.log_prob_of(&draw);
        let log_prior = self.prior.log_prob(draw.z);
        let kl = self
            .prior
            .exact_kl(posterior)
            .unwrap_or_else(|| log_posterior.clone() - log_prior.clone());
        Evidence {
            log_weight: log_likelihood.clone() + log_prior - log_posterior,
            log_likelihood,
            kl,
        }
    }
}

impl<E, D, P, L, R> Model for Vae<E, D, P, L, R>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
    R: LatentLoss<E::Code, P>,
{
    type Input = E::Input;

    /// `reconstruction`, and those of the latent loss: `kl`.
    fn terms(&self) -> Vec<&'static str> {
        [vec!["reconstruction"], self.latent_loss.terms()].concat()
    }

    fn losses(&self, input: E::Input) -> Losses {
        let code = self.encode(input.clone());
        let draw = code.draw();
        let output = self.decode(draw.z.clone());
        self.losses_of(&code, &draw, output, input)
    }

    fn advance(self) -> Self {
        Self {
            latent_loss: self.latent_loss.advance(),
            ..self
        }
    }
}
crate::learner!(Vae<E, D, P, L, R>);

/// Reconstructions are of the draws that the losses are of.
impl<E, D, P, L, R> AutoencodingModel for Vae<E, D, P, L, R>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>, Output: Clone>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
    R: LatentLoss<E::Code, P>,
{
    fn losses_and_reconstruction(&self, input: E::Input) -> (Losses, E::Input) {
        let code = self.encode(input.clone());
        let draw = code.draw();
        let output = self.decode(draw.z.clone());
        let reconstruction = self.likelihood.point(output.clone());
        (self.losses_of(&code, &draw, output, input), reconstruction)
    }
}

/// Samples are data, the [point](ReconstructionLoss::point) of what the decoder makes of draws of the prior; without
/// gradients and as in evaluation, so that none depends on the others.
impl<E, D, P, L, R> Sampler for Vae<E, D, P, L, R>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
    R: Block,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        let output = super::sample(&self.prior, &self.decoder, n, device);
        self.likelihood.valid().point(output)
    }
}

impl<E, D, P, L, R> LatentVariableModel for Vae<E, D, P, L, R>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Value = LatentOf<E>>,
    L: Likelihood<D::Output, E::Input>,
{
    type Input = E::Input;
    type Posterior = E::Code;

    fn posterior(&self, input: E::Input) -> E::Code {
        self.encode(input)
    }

    fn evidence_of(
        &self,
        input: E::Input,
        posterior: &E::Code,
        draw: Draw<LatentOf<E>>,
    ) -> Evidence {
        let output = self.decode(draw.z.clone());
        self.evidence_of_draw(posterior, draw, output, input)
    }
}
