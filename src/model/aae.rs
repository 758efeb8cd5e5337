use super::{LatentOf, Vae, assert_fits};
use crate::error::{Result, check_not_negative};
use crate::loss::{Losses, SquaredError};
use crate::nn::frozen_copy;
use crate::prior::StandardNormal;
use crate::traits::{
    AdversarialLoss, Batch, Block, Code, Critic, Decoder, Encoder, Model,
    Posterior, Prior, ReconstructionLoss, Sampler,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Configuration of an [`Aae`].
#[derive(Config, Debug)]
pub struct AaeConfig {
    /// The weight of the encoder's adversarial term in the total, beside the reconstruction in nats per
    /// sample. The paper has no such number: there the two terms take turns, with an optimizer each.
    #[config(default = "1.0")]
    pub adversarial_weight: f64,
}

impl AaeConfig {
    /// The adversarial autoencoder of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the weight is negative or not finite.
    pub fn init<E, D, C, P, L>(
        &self,
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        reconstruction: L,
        objective: impl AdversarialLoss + 'static,
    ) -> Result<Aae<E, D, C, P, L>>
    where
        E: Encoder<Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = LatentOf<E>>,
        P: Sampler<Value = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        Aae::new(encoder, decoder, critic, prior, reconstruction, objective)
            .with_adversarial_weight(self.adversarial_weight)
    }
}

/// An adversarial autoencoder: an autoencoder whose codes a critic cannot tell from samples of a prior. So any
/// [`Sampler`] will do as a prior, and no posterior needs a density.
///
/// | term | encoder | decoder | critic | prior |
/// |---|---|---|---|---|
/// | `reconstruction` | trains | trains | - | - |
/// | `critic` | - | - | trains | - |
/// | `encoder` | trains, times `adversarial_weight` | - | - | - |
///
/// The critic sees samples of the prior as real and (detached) codes as fake; the encoder minimises the
/// generator's objective on its codes. The total is `reconstruction + adversarial_weight encoder + critic`.
/// The encoder returns a point, or a posterior, of which a sample is used ([`Code`]). No normalisation over
/// the batch in the critic: it would see which batch is which.
///
/// Rather than a [`Vae`](super::Vae), where the prior has a shape that no closed form knows (a ring, a spiral), or the
/// encoder is to be deterministic; at the price of a game that can be lost. With some labels:
/// [`SemiSupervisedAae`](super::SemiSupervisedAae).
///
/// [Makhzani et al. 2015](https://arxiv.org/abs/1511.05644), section 2.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::NonSaturating;
/// use burn_generative::nn::MlpCriticConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let aae = Aae::new(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     MlpCriticConfig::new(vec![2]).init::<2>(&device)?,
///     StandardNormal::new(2),
///     SquaredError,
///     NonSaturating,
/// );
/// let rows = Tensor::<2>::zeros([8, 13], &device);
/// let gradients = aae.losses(rows.clone()).mean().backward();
/// assert_eq!(aae.reconstruct(rows).dims(), [8, 13]);
/// assert_eq!(aae.sample(5, &device).dims(), [5, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Aae<E, D, C, P = StandardNormal, L = SquaredError> {
    /// Maps data to codes.
    pub encoder: E,
    /// Maps codes to data.
    pub decoder: D,
    /// Judges latents.
    pub critic: C,
    /// What codes are to look like.
    pub prior: P,
    /// What a reconstruction costs.
    pub reconstruction: L,
    /// What encoder and critic play for.
    #[module(skip)]
    pub objective: Arc<dyn AdversarialLoss>,
    adversarial_weight: f64,
}

impl<E, D, C, P, L> Aae<E, D, C, P, L> {
    pub(super) const TERMS: [&'static str; 3] = ["reconstruction", "critic", "encoder"];

    /// The parts, whatever the critic is to judge.
    pub(super) fn of(
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        reconstruction: L,
        objective: impl AdversarialLoss + 'static,
    ) -> Self {
        Self {
            encoder,
            decoder,
            critic,
            prior,
            reconstruction,
            objective: Arc::new(objective),
            adversarial_weight: 1.0,
        }
    }

    /// Sets the weight of the encoder's adversarial term, as [`AaeConfig`] has it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is negative or not finite.
    pub fn with_adversarial_weight(mut self, weight: f64) -> Result<Self> {
        self.adversarial_weight = check_not_negative("Aae: adversarial_weight", weight)?;
        Ok(self)
    }
}

impl<E, D, C, P, L> Aae<E, D, C, P, L>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = LatentOf<E>>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The adversarial autoencoder of these parts, with a weight of 1.
    pub fn new(
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        reconstruction: L,
        objective: impl AdversarialLoss + 'static,
    ) -> Self {
        Self::of(encoder, decoder, critic, prior, reconstruction, objective)
    }

    /// The deterministic twin of [`losses`](Model::losses): with this noise for the code, as [`Code::noise`] draws it,
    /// and these samples of the prior.
    pub fn losses_with(
        &self,
        input: E::Input,
        noise: <E::Code as Code>::Noise,
        prior: LatentOf<E>,
    ) -> Losses {
        let latent = self.encode(input.clone()).rsample_with(noise);
        self.losses_of("Aae", input, latent, prior, C::score)
    }
}

impl<E, D, C, P, L> Aae<E, D, C, P, L>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Block,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The losses of a model of this name, whose critic scores latents so.
    ///
    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    pub(super) fn losses_of(
        &self,
        model: &str,
        input: E::Input,
        latent: LatentOf<E>,
        prior: LatentOf<E>,
        score: impl Fn(&C, LatentOf<E>) -> Tensor<1>,
    ) -> Losses {
        assert_fits(model, &latent, &prior);
        let reconstruction = self.reconstruction.loss(self.decode(latent.clone()), input);
        let critic = self.objective.critic(
            score(&self.critic, prior.detach()),
            score(&self.critic, latent.clone().detach()),
        );
        let frozen_critic = frozen_copy(&self.critic);
        let encoder = self.objective.generator(score(&frozen_critic, latent));
        let weighed = encoder.clone().mul_scalar(self.adversarial_weight);
        Losses::new(reconstruction.clone() + critic.clone() + weighed)
            .with_term("reconstruction", reconstruction)
            .with_term("critic", critic)
            .with_term("encoder", encoder)
    }

    /// The code of each sample: a point, or a posterior.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.encoder.encode(input)
    }

    /// The decoder's output (logits or means) for each latent.
    pub fn decode(&self, latent: LatentOf<E>) -> D::Output {
        self.decoder.decode(latent)
    }

    /// What the model makes of each sample: data, from the [point](Code::point) of its code.
    pub fn reconstruct(&self, input: E::Input) -> E::Input {
        let output = self.decode(self.encode(input).point());
        self.reconstruction.point(output)
    }

    /// A VAE of its encoder, decoder, prior and reconstruction loss: with a stochastic encoder and a
    /// [`Likelihood`](crate::traits::Likelihood), what [`metric`](crate::metric) judges it by.
    pub fn as_vae(&self) -> Vae<E, D, P, L>
    where
        E: Encoder<Code: Posterior>,
        P: Prior<Value = LatentOf<E>>,
    {
        Vae::new(
            self.encoder.clone(),
            self.decoder.clone(),
            self.prior.clone(),
            self.reconstruction.clone(),
        )
    }
}

impl<E, D, C, P, L> Model for Aae<E, D, C, P, L>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = LatentOf<E>>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        Self::TERMS.to_vec()
    }

    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    fn losses(&self, input: E::Input) -> Losses {
        let latent = self.encode(input.clone()).rsample();
        // Frozen, not only detached: what nobody ever trains would keep the graphs of all its samples.
        let prior = frozen_copy(&self.prior).sample(latent.len(), &latent.device());
        self.losses_of("Aae", input, latent, prior, C::score)
    }
}
crate::learner!(Aae<E, D, C, P, L>);

/// Samples are data, made of draws of the prior; without gradients and as in evaluation.
impl<E, D, C, P, L> Sampler for Aae<E, D, C, P, L>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Block,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        let output = super::sample(&self.prior, &self.decoder, n, device);
        self.reconstruction.valid().point(output)
    }
}
