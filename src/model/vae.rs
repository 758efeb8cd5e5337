use super::kl_weight::{KlWeight, warmup};
use super::latent_variable_model;
use crate::error::Result;
use crate::loss::{BernoulliNll, Losses};
use crate::nn::Warmup;
use crate::prior::StandardNormal;
use crate::traits::{
    Decoder, Encoder, LatentVariableModel, Posterior, Prior, ReconstructionLoss, Support,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Vae`]: what is not a network.
#[derive(Config, Debug)]
pub struct VaeConfig {
    /// The weight of the KL term, in training and in evaluation. 1 is the evidence lower bound; more
    /// is a beta-VAE ([Higgins et al. 2017](https://openreview.net/forum?id=Sy2fzU9gl)).
    #[config(default = 1.0)]
    pub beta: f64,
    /// Training steps over which the KL weight rises from 0 to `beta`; 0 for none. Evaluation always
    /// weighs with `beta`. burn's `Learner` counts the steps; **a loop of your own calls
    /// [`Vae::advance`] after each**, or the weight stays 0.
    #[config(default = 0)]
    pub warmup_steps: usize,
    /// The KL, in nats per sample and on the batch's mean, below which it is not pushed further down;
    /// 0 for none. The whole latent is one group of
    /// [Kingma et al. 2016](https://arxiv.org/abs/1606.04934), appendix C.8.
    #[config(default = 0.0)]
    pub free_bits: f64,
}

impl VaeConfig {
    /// The VAE of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `beta` or `free_bits` is negative or no number.
    pub fn init<E: Module, D, P, L>(
        &self,
        encoder: E,
        decoder: D,
        prior: P,
        likelihood: L,
    ) -> Result<Vae<E, D, P, L>> {
        Ok(Vae {
            kl_weight: KlWeight::new("Vae", self)?,
            warmup: warmup(self, &encoder),
            encoder,
            decoder,
            prior,
            likelihood,
        })
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
/// With `beta = 1` the total is the negative evidence lower bound, an upper bound of `-log p(x)` in
/// nats per sample. [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114).
///
/// Rather than a [`Gan`](super::Gan), where data is to be encoded, compared by a likelihood, or covered in full; rather than an
/// [`Autoencoder`](super::Autoencoder), where new data is to be drawn.
///
/// ```
/// use burn::optim::{AdamConfig, GradientsParams};
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
/// for _ in 0..3 {
///     let losses = vae.losses(images.clone());
///     let gradients = GradientsParams::from_grads(losses.mean().backward(), &vae);
///     vae = optimizer.step(1e-3, vae, gradients);
/// }
/// assert_eq!(vae.sample(4, &device).dims(), [4, 1, 28, 28]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Vae<E, D, P = StandardNormal, L = BernoulliNll> {
    /// Maps data to a posterior.
    pub encoder: E,
    /// Maps latents to logits or means.
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

impl<E, D, P, L> Vae<E, D, P, L>
where
    E: Encoder<Input: Clone, Code: Posterior<Latent: Clone>>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Latent = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The terms `reconstruction` and `kl`, per sample, and the total.
    ///
    /// On an autodiff device the KL is weighed as training does (warm-up, free bits), otherwise by
    /// `beta` alone.
    pub fn losses(&self, input: E::Input) -> Losses {
        let posterior = self.encode(input.clone());
        let z = posterior.rsample();
        self.losses_at(input, &posterior, z)
    }

    /// [`losses`](Self::losses) with the noise given, in the shape of the latent.
    pub fn losses_with(&self, input: E::Input, noise: LatentOf<E>) -> Losses {
        let posterior = self.encode(input.clone());
        let z = posterior.rsample_with(noise);
        self.losses_at(input, &posterior, z)
    }

    fn losses_at(&self, input: E::Input, posterior: &E::Code, z: LatentOf<E>) -> Losses {
        let reconstruction = self.likelihood.loss(self.decode(z.clone()), input);
        let kl = self.prior.kl(posterior, z);
        self.kl_weight
            .losses(reconstruction, kl, posterior, self.warmup.as_ref())
    }

    /// The posterior of each sample.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.encoder.encode(input)
    }

    /// The decoder's output (logits or means) for each latent.
    pub fn decode(&self, latent: LatentOf<E>) -> D::Output {
        self.decoder.decode(latent)
    }

    /// The decoder's output (logits or means) for the mode of each sample's posterior.
    pub fn reconstruct(&self, input: E::Input) -> D::Output {
        self.decode(self.encode(input).mode())
    }

    /// The decoder's output (logits or means) for `n` samples of the prior.
    ///
    /// Evaluated without gradients and as in evaluation, so that no sample depends on the others,
    /// also with batch normalisation and while the model is trained. Its deterministic twin is
    /// [`decode`](Self::decode).
    pub fn sample(&self, n: usize, device: &Device) -> D::Output
    where
        D: Module,
        P: Module,
    {
        super::sample(&self.prior, &self.decoder, n, device)
    }

    /// The values that its likelihood explains.
    pub fn support(&self) -> Support {
        self.likelihood.support()
    }

    /// Counts one training step for the warm-up of the KL weight.
    ///
    /// burn's `Learner` does this by itself; a loop of your own calls it after each step.
    pub fn advance(self) -> Self {
        Self {
            warmup: self.warmup.map(Warmup::advance),
            ..self
        }
    }
}

latent_variable_model!(Vae<E, D, P, L>, likelihood);

#[cfg(feature = "train")]
mod steps {
    use super::super::{advance_after_each_step, backward};
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, P, L> TrainStep for Vae<E, D, P, L>
    where
        Self: Module,
        E: Encoder<Input: Clone + Send + 'static, Code: Posterior<Latent: Clone>>,
        D: Decoder<Latent = LatentOf<E>>,
        P: Prior<Latent = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> TrainOutput<Losses> {
            backward(self, self.losses(input))
        }

        advance_after_each_step!();
    }

    impl<E, D, P, L> InferenceStep for Vae<E, D, P, L>
    where
        E: Encoder<Input: Clone + Send + 'static, Code: Posterior<Latent: Clone>>,
        D: Decoder<Latent = LatentOf<E>>,
        P: Prior<Latent = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> Losses {
            self.losses(input)
        }
    }
}
