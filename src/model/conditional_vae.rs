use super::VaeConfig;
use super::kl_weight::{KlWeight, warmup};
use crate::error::Result;
use crate::loss::{BernoulliNll, Losses};
use crate::nn::Warmup;
use crate::prior::StandardNormal;
use crate::traits::{
    Decoder, Encoder, LatentVariableModel, Posterior, Prior, ReconstructionLoss, Support,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

impl VaeConfig {
    /// The conditional VAE of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `beta` or `free_bits` is negative or no number.
    pub fn init_conditional<E: Module, D, P, L>(
        &self,
        encoder: E,
        decoder: D,
        prior: P,
        likelihood: L,
    ) -> Result<ConditionalVae<E, D, P, L>> {
        Ok(ConditionalVae {
            kl_weight: KlWeight::new("ConditionalVae", self)?,
            warmup: warmup(self, &encoder),
            encoder,
            decoder,
            prior,
            likelihood,
        })
    }
}

/// The conditional VAE: a [`Vae`](super::Vae) whose encoder and decoder are both told a condition `y`, a class label
/// say, `losses = -log p(x | z, y) + beta KL(q(z | x, y) || p(z))`. So the latent need not carry the condition, and
/// the decoder makes a sample of any condition that is asked for.
///
/// | term | encoder | decoder | prior |
/// |---|---|---|---|
/// | `reconstruction` | trains, through the sample | trains | - |
/// | `kl` | trains | - | trains, if it has parameters |
///
/// The encoder's input is the pair of data and condition, the decoder's the pair of latent and condition:
/// [`LabeledEncoder`](crate::nn::LabeledEncoder) and [`LabeledDecoder`](crate::nn::LabeledDecoder) make such of those
/// that know no labels. Made by [`VaeConfig::init_conditional`].
///
/// Rather than a [`SemiSupervisedAae`](super::SemiSupervisedAae), where every sample has its label.
///
/// [Sohn et al. 2015](https://papers.nips.cc/paper/5775), with a prior that does not depend on the condition.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{LabeledDecoder, LabeledEncoder};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let (classes, latent) = (10, 8);
/// // An image and a plane that its label is written on; a latent and its label, one-hot.
/// let encoder = MlpEncoderConfig::new(vec![2, 28, 28], latent).init_gaussian(&device)?;
/// let decoder = MlpDecoderConfig::new(latent + classes, vec![1, 28, 28]).init(&device)?;
/// let vae = VaeConfig::new().init_conditional(
///     LabeledEncoder::new(encoder, classes, [28, 28], &device),
///     LabeledDecoder::new(decoder, classes),
///     StandardNormal::new(latent),
///     BernoulliNll,
/// )?;
/// let (images, labels) = (Tensor::<4>::zeros([3, 1, 28, 28], &device), Tensor::from_ints([7, 0, 1], &device));
/// let gradients = vae.losses(images, labels).mean().backward();
/// let sevens = vae.sample(Tensor::from_ints([7; 5], &Device::default()), 5, &device);
/// assert_eq!(sevens.dims(), [5, 1, 28, 28]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ConditionalVae<E, D, P = StandardNormal, L = BernoulliNll> {
    /// Maps data and condition to a posterior.
    pub encoder: E,
    /// Maps latents and conditions to logits or means.
    pub decoder: D,
    /// The distribution that latents come from.
    pub prior: P,
    /// What a reconstruction costs.
    pub likelihood: L,
    warmup: Option<Warmup>,
    kl_weight: KlWeight,
}

/// The latent of a VAE with the encoder `E`.
type LatentOf<E> = <<E as Encoder>::Code as Posterior>::Latent;

impl<E, D, P, L, X, Y> ConditionalVae<E, D, P, L>
where
    X: Clone,
    Y: Clone,
    E: Encoder<Input = (X, Y), Code: Posterior<Latent: Clone>>,
    D: Decoder<Latent = (LatentOf<E>, Y)>,
    P: Prior<Latent = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
{
    /// The terms `reconstruction` and `kl`, per sample, and the total, as [`Vae::losses`](super::Vae::losses).
    pub fn losses(&self, input: X, condition: Y) -> Losses {
        let posterior = self.encode(input.clone(), condition.clone());
        let z = posterior.rsample();
        self.losses_at(input, condition, &posterior, z)
    }

    /// [`losses`](Self::losses) with the noise given, in the shape of the latent.
    pub fn losses_with(&self, input: X, condition: Y, noise: LatentOf<E>) -> Losses {
        let posterior = self.encode(input.clone(), condition.clone());
        let z = posterior.rsample_with(noise);
        self.losses_at(input, condition, &posterior, z)
    }

    fn losses_at(&self, input: X, condition: Y, posterior: &E::Code, z: LatentOf<E>) -> Losses {
        let output = self.decode(z.clone(), condition);
        let reconstruction = self.likelihood.loss(output, input);
        let kl = self.prior.kl(posterior, z);
        self.kl_weight
            .losses(reconstruction, kl, posterior, self.warmup.as_ref())
    }

    /// The posterior of each sample.
    pub fn encode(&self, input: X, condition: Y) -> E::Code {
        self.encoder.encode((input, condition))
    }

    /// The decoder's output (logits or means) for each latent with its condition.
    pub fn decode(&self, latent: LatentOf<E>, condition: Y) -> D::Output {
        self.decoder.decode((latent, condition))
    }

    /// The decoder's output (logits or means) for the mode of each sample's posterior.
    pub fn reconstruct(&self, input: X, condition: Y) -> D::Output {
        let code = self.encode(input, condition.clone()).mode();
        self.decode(code, condition)
    }

    /// The decoder's output (logits or means) for `n` samples of the prior, each with its condition; without gradients
    /// and as in evaluation. The condition is on `device` without gradients.
    ///
    /// # Panics
    ///
    /// If the decoder does, where there are not `n` conditions.
    pub fn sample(&self, condition: Y, n: usize, device: &Device) -> D::Output
    where
        D: Module,
        P: Module,
    {
        let latent = self.prior.valid().sample(n, &device.clone().inner());
        self.decoder.valid().decode((latent, condition))
    }

    /// The values that its likelihood explains.
    pub fn support(&self) -> Support {
        self.likelihood.support()
    }

    /// Counts one training step, as [`Vae::advance`](super::Vae::advance).
    pub fn advance(self) -> Self {
        Self {
            warmup: self.warmup.map(Warmup::advance),
            ..self
        }
    }
}

/// `log p(x | y)`: the pair of data and condition is the input.
impl<E, D, P, L, X, Y> LatentVariableModel for ConditionalVae<E, D, P, L>
where
    X: Clone,
    Y: Clone,
    E: Encoder<Input = (X, Y), Code: Posterior<Latent: Clone>>,
    D: Decoder<Latent = (LatentOf<E>, Y)>,
    P: Prior<Latent = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
{
    type Input = (X, Y);
    type Posterior = E::Code;

    fn posterior(&self, (input, condition): (X, Y)) -> E::Code {
        self.encode(input, condition)
    }

    fn log_prior(&self, z: LatentOf<E>) -> Tensor<1> {
        self.prior.log_prob(z)
    }

    fn log_likelihood(&self, (input, condition): (X, Y), z: LatentOf<E>) -> Tensor<1> {
        self.likelihood.loss(self.decode(z, condition), input).neg()
    }

    fn kl(&self, posterior: &E::Code, z: LatentOf<E>) -> Tensor<1> {
        self.prior.kl(posterior, z)
    }
}

#[cfg(feature = "train")]
mod steps {
    use super::super::{advance_after_each_step, backward};
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, P, L, X, Y> TrainStep for ConditionalVae<E, D, P, L>
    where
        Self: Module,
        X: Clone + Send + 'static,
        Y: Clone + Send + 'static,
        E: Encoder<Input = (X, Y), Code: Posterior<Latent: Clone>>,
        D: Decoder<Latent = (LatentOf<E>, Y)>,
        P: Prior<Latent = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, X>,
    {
        type Input = (X, Y);
        type Output = Losses;

        fn step(&self, (input, condition): (X, Y)) -> TrainOutput<Losses> {
            backward(self, self.losses(input, condition))
        }

        advance_after_each_step!();
    }

    impl<E, D, P, L, X, Y> InferenceStep for ConditionalVae<E, D, P, L>
    where
        X: Clone + Send + 'static,
        Y: Clone + Send + 'static,
        E: Encoder<Input = (X, Y), Code: Posterior<Latent: Clone>>,
        D: Decoder<Latent = (LatentOf<E>, Y)>,
        P: Prior<Latent = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, X>,
    {
        type Input = (X, Y);
        type Output = Losses;

        fn step(&self, (input, condition): (X, Y)) -> Losses {
            self.losses(input, condition)
        }
    }
}
