use crate::error::{Error, Result};
use crate::loss::{Losses, NonSaturating, SquaredError};
use crate::nn::frozen_copy;
use crate::prior::StandardNormal;
use crate::traits::{
    AdversarialLoss, Code, Critic, Decoder, Encoder, Prior, ReconstructionLoss, Support,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

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
    /// [`Error::Config`] if the weight is negative or not finite.
    pub fn init<E, D, C, P, L, A>(
        &self,
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        reconstruction: L,
        objective: A,
    ) -> Result<Aae<E, D, C, P, L, A>> {
        let adversarial_weight = self.adversarial_weight;
        if !(adversarial_weight >= 0.0 && adversarial_weight.is_finite()) {
            return Err(Error::Config(format!(
                "Aae: adversarial_weight must be finite and not negative, not {adversarial_weight}"
            )));
        }
        Ok(Aae {
            encoder,
            decoder,
            critic,
            prior,
            reconstruction,
            objective,
            adversarial_weight,
        })
    }
}

/// An adversarial autoencoder: an autoencoder whose codes a critic cannot tell from samples of a prior. So any
/// prior will do that can be sampled, and no posterior needs a density.
///
/// | term | encoder | decoder | critic |
/// |---|---|---|---|
/// | `reconstruction` | trains | trains | - |
/// | `critic` | - | - | trains |
/// | `encoder` | trains | - | - |
///
/// The critic sees samples of the prior as real and (detached) codes as fake; the encoder minimises the
/// generator's objective on its codes. The total is `reconstruction + adversarial_weight encoder + critic`.
/// The encoder returns a point, or a posterior, of which a sample is used ([`Code`]). No normalisation over
/// the batch in the critic: it would see which batch is which.
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
/// let aae = AaeConfig::new().init(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     MlpCriticConfig::new(vec![2]).init::<2>(&device)?,
///     StandardNormal::new(2),
///     SquaredError,
///     NonSaturating,
/// )?;
/// let rows = Tensor::<2>::zeros([8, 13], &device);
/// let gradients = aae.losses(rows.clone()).mean().backward();
/// assert_eq!(aae.reconstruct(rows).dims(), [8, 13]);
/// assert_eq!(aae.sample(5, &device).dims(), [5, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Aae<E, D, C, P = StandardNormal, L = SquaredError, A = NonSaturating> {
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
    pub objective: A,
    adversarial_weight: f64,
}

/// What the encoder's codes are drawn as.
type LatentOf<E> = <<E as Encoder>::Code as Code>::Latent;

impl<E, D, C, P, L, A> Aae<E, D, C, P, L, A>
where
    E: Encoder<Input: Clone, Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = LatentOf<E>> + Module,
    P: Prior<Latent = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
    A: AdversarialLoss,
{
    /// The terms `reconstruction`, `critic` and `encoder`, per sample, and the total.
    pub fn losses(&self, input: E::Input) -> Losses {
        let code = self.encoder.encode(input.clone());
        let latent = code.draw();
        let (batch, device) = E::Code::batch(&latent);
        let prior = self.prior.sample(batch, &device);
        self.losses_of(input, latent, prior)
    }

    /// The deterministic twin of [`losses`](Self::losses): with this noise for a posterior (a point ignores
    /// it), and these samples of the prior.
    pub fn losses_with(&self, input: E::Input, noise: LatentOf<E>, prior: LatentOf<E>) -> Losses {
        let latent = self.encoder.encode(input.clone()).draw_with(noise);
        self.losses_of(input, latent, prior)
    }

    fn losses_of(&self, input: E::Input, latent: LatentOf<E>, prior: LatentOf<E>) -> Losses {
        let reconstruction = self.reconstruction.loss(self.decode(latent.clone()), input);
        let critic = self.objective.critic(
            self.critic.score(prior),
            self.critic.score(E::Code::detach(latent.clone())),
        );
        let judged = frozen_copy(&self.critic).score(latent);
        let encoder = self.objective.generator(judged);
        let weighed = encoder.clone().mul_scalar(self.adversarial_weight);
        Losses::new(reconstruction.clone() + weighed + critic.clone())
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

    /// The decoder's output (logits or means) for the code of each sample, or for its mode.
    pub fn reconstruct(&self, input: E::Input) -> D::Output {
        self.decode(self.encode(input).point())
    }

    /// The decoder's output (logits or means) for `n` samples of the prior, without gradients and as in
    /// evaluation.
    pub fn sample(&self, n: usize, device: &Device) -> D::Output
    where
        D: Module,
        P: Module,
    {
        let latent = self.prior.valid().sample(n, &device.clone().inner());
        self.decoder.valid().decode(latent)
    }

    /// The values that its reconstruction loss allows in the data.
    pub fn support(&self) -> Support {
        self.reconstruction.support()
    }
}

#[cfg(feature = "train")]
mod steps {
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, C, P, L, A> TrainStep for Aae<E, D, C, P, L, A>
    where
        Self: Module,
        E: Encoder<Input: Clone + Send + 'static, Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = LatentOf<E>> + Module,
        P: Prior<Latent = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, E::Input>,
        A: AdversarialLoss,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> TrainOutput<Losses> {
            let losses = self.losses(input);
            let gradients = losses.mean().backward();
            TrainOutput::new(self, gradients, losses.without_graph())
        }
    }

    impl<E, D, C, P, L, A> InferenceStep for Aae<E, D, C, P, L, A>
    where
        E: Encoder<Input: Clone + Send + 'static, Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = LatentOf<E>> + Module,
        P: Prior<Latent = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, E::Input>,
        A: AdversarialLoss,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> Losses {
            self.losses(input)
        }
    }
}
