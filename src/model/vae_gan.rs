use super::{Balance, assert_fits};
use crate::error::{Result, check_positive};
use crate::kernel;
use crate::loss::Losses;
use crate::nn::{frozen_copy, is_trained, scale_gradient};
use crate::prior::StandardNormal;
use crate::traits::{
    AdversarialLoss, Batch, Block, Code, Decoder, Draw, Encoder, FeatureCritic, Model, Posterior,
    Prior, Sampler,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Configuration of a [`VaeGan`].
#[derive(Config, Debug)]
pub struct VaeGanConfig {
    /// The weight of the feature reconstruction for the decoder, beside its adversarial term of weight 1; the
    /// encoder sees the reconstruction with weight 1 whatever it is. The larger, the more faithful the
    /// reconstructions; the smaller, the more the critic shapes them.
    ///
    /// The paper names no value. What fits depends on how many features there are, as their loss is a sum.
    #[config(default = "0.01")]
    pub gamma: f64,
    /// Whether decoder or critic sits a step out when the other is too far behind; off by default, as it is
    /// not in the paper.
    #[config(default = "None")]
    pub balance: Option<Balance>,
}

impl VaeGanConfig {
    /// The VAE-GAN of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if gamma is not a positive number, or a number of the balance is negative or not
    /// finite.
    pub fn init<E, D, C, P, const K: usize, const F: usize>(
        &self,
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        objective: impl AdversarialLoss + 'static,
    ) -> Result<VaeGan<E, D, C, P>>
    where
        E: Encoder<Code: Posterior<Latent = Tensor<K>>>,
        D: Decoder<Latent = Tensor<K>, Output = E::Input>,
        C: FeatureCritic<Input = E::Input, Features = Tensor<F>>,
        P: Prior<Value = Tensor<K>>,
    {
        let gamma = check_positive("VaeGan: gamma", self.gamma)?;
        if let Some(balance) = &self.balance {
            balance.check()?;
        }
        Ok(VaeGan {
            encoder,
            decoder,
            critic,
            prior,
            objective: Arc::new(objective),
            gamma,
            balance: self.balance.clone(),
        })
    }
}

/// A variational autoencoder that reconstructs what a critic sees instead of pixels, and whose decoder is the
/// generator of a GAN at the same time: sharper than a VAE, where the eye compares.
///
/// | term | encoder | decoder | critic | prior |
/// |---|---|---|---|---|
/// | `kl` | trains | - | - | trains |
/// | `features` | trains | trains, times gamma | - | - |
/// | `decoder` | - | trains | - | - |
/// | `critic` | - | - | trains | - |
///
/// - `kl`: `KL(q(z given x) || p(z))`.
/// - `features`: `-log N(Dis_l(x); Dis_l(dec(z)), I)`, the critic's features `Dis_l` ([`FeatureCritic`]) of data
///   and of its reconstruction, summed; `z` is a sample of `q`.
/// - `critic`: its objective on data as real, and on both the reconstructions `dec(z)` and `dec(z_p)`, with `z_p` from the prior, as
///   fakes.
/// - `decoder`: the generator's objective on both.
///
/// The total is `kl + gamma features + decoder + critic`, and one backward pass through it is the paper's
/// algorithm 1: the critic sees its fakes detached, everything else sees a frozen critic, and the code's
/// gradient is scaled by `1/gamma` before the encoder, which so pays for `features` in full. The adversarial
/// term does not reach the encoder.
///
/// The decoder's output must look like the data to the critic: an output activation belongs to it, such as
/// [`Squashed`](crate::nn::Squashed).
///
/// Rather than a [`Vae`](super::Vae), where samples and reconstructions should look real and no likelihood is
/// needed; rather than a [`Gan`](super::Gan), where data is to be encoded too.
///
/// [Larsen et al. 2016](https://arxiv.org/abs/1512.09300), algorithm 1.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::NonSaturating;
/// use burn_generative::nn::{MlpCriticConfig, Squashed};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let vae_gan = VaeGanConfig::new().with_gamma(0.1).init(
///     MlpEncoderConfig::new(vec![1, 8, 8], 3).init_gaussian(&device)?,
///     Squashed::sigmoid(MlpDecoderConfig::new(3, vec![1, 8, 8]).init::<4>(&device)?),
///     MlpCriticConfig::new(vec![1, 8, 8]).init(&device)?,
///     StandardNormal::new(3),
///     NonSaturating,
/// )?;
/// let images = Tensor::<4>::zeros([8, 1, 8, 8], &device);
/// let gradients = vae_gan.losses(images.clone()).mean().backward();
/// assert_eq!(vae_gan.reconstruct(images).dims(), [8, 1, 8, 8]);
/// assert_eq!(vae_gan.sample(5, &device).dims(), [5, 1, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct VaeGan<E, D, C, P = StandardNormal> {
    /// Maps data to posteriors.
    pub encoder: E,
    /// Maps latents to data.
    pub decoder: D,
    /// Tells data from what is made, by features that make the reconstruction loss.
    pub critic: C,
    /// Where latents come from.
    pub prior: P,
    /// What decoder and critic play for.
    #[module(skip)]
    pub objective: Arc<dyn AdversarialLoss>,
    gamma: f64,
    #[module(skip)]
    balance: Option<Balance>,
}

impl<E, D, C, P, const K: usize, const F: usize> VaeGan<E, D, C, P>
where
    E: Encoder<Code: Posterior<Latent = Tensor<K>>>,
    D: Decoder<Latent = Tensor<K>, Output = E::Input>,
    C: FeatureCritic<Input = E::Input, Features = Tensor<F>>,
    P: Prior<Value = Tensor<K>>,
{
    /// The deterministic twin of [`losses`](Model::losses): with this noise for the posterior, as [`Code::noise`] draws
    /// it, and these samples of the prior.
    pub fn losses_with(
        &self,
        data: E::Input,
        noise: <E::Code as Code>::Noise,
        latent: Tensor<K>,
    ) -> Losses {
        let posterior = self.encode(data.clone());
        let draw = posterior.draw_with(noise);
        self.losses_of(data, posterior, draw, latent)
    }

    fn losses_of(
        &self,
        data: E::Input,
        posterior: E::Code,
        draw: Draw<Tensor<K>>,
        latent: Tensor<K>,
    ) -> Losses {
        assert_fits("VaeGan", &draw.z, &latent);
        let frozen_critic = frozen_copy(&self.critic);
        let latents = [draw.z.clone(), latent].map(Tensor::detach);
        let [decoder_trains, critic_trains] = self.who_trains(&data, &latents, &frozen_critic);
        // Who sits out is frozen, and leaves no graph behind that nobody would go back through.
        let frozen_decoder = (!decoder_trains).then(|| frozen_copy(&self.decoder));
        let decoder = frozen_decoder.as_ref().unwrap_or(&self.decoder);
        let critic = if critic_trains {
            &self.critic
        } else {
            &frozen_critic
        };

        let kl = self.prior.kl(&posterior, &draw);
        let reconstruction = decoder.decode(scale_gradient(draw.z, 1.0 / self.gamma));
        let features = kernel::gaussian_nll_fixed(
            frozen_critic.features(reconstruction),
            frozen_critic.features(data.clone()),
            1.0,
        );
        // With a balance the fakes weigh as much as the data does, together.
        let weight = if self.balance.is_some() { 0.5 } else { 1.0 };
        let weighed = |[a, b]: [Tensor<1>; 2]| (a + b).mul_scalar(weight);
        let fakes = latents.map(|z| decoder.decode(z));
        let critic_scores = fakes.clone().map(|fake| critic.score(fake.detach()));
        let decoder_losses = fakes.map(|fake| self.objective.generator(frozen_critic.score(fake)));
        let real = self.objective.real(critic.score(data));
        let critic = real + weighed(critic_scores.map(|score| self.objective.fake(score)));
        let decoder = weighed(decoder_losses);
        let total =
            kl.clone() + features.clone().mul_scalar(self.gamma) + decoder.clone() + critic.clone();
        Losses::new(total)
            .with_term("kl", kl)
            .with_term("features", features)
            .with_term("decoder", decoder)
            .with_term("critic", critic)
    }

    /// Whether decoder and critic train on this batch: both, but for a balance that finds one of them ahead.
    fn who_trains(
        &self,
        data: &E::Input,
        latents: &[Tensor<K>; 2],
        frozen_critic: &C,
    ) -> [bool; 2] {
        match &self.balance {
            Some(balance) if is_trained(&self.critic) => {
                let frozen_decoder = frozen_copy(&self.decoder);
                let real = self.objective.real(frozen_critic.score(data.clone()));
                let fakes = latents.clone().map(|z| {
                    let score = frozen_critic.score(frozen_decoder.decode(z));
                    mean_of(self.objective.fake(score))
                });
                balance.admits([mean_of(real), (fakes[0] + fakes[1]) / 2.0])
            }
            _ => [true, true],
        }
    }
}

impl<E, D, C, P> VaeGan<E, D, C, P>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = super::LatentOf<E>, Output = E::Input>,
{
    /// The posterior of each sample.
    pub fn encode(&self, data: E::Input) -> E::Code {
        self.encoder.encode(data)
    }

    /// What the decoder makes of each latent.
    pub fn decode(&self, latent: D::Latent) -> E::Input {
        self.decoder.decode(latent)
    }

    /// What the decoder makes of the [point](Code::point) of each sample's posterior.
    pub fn reconstruct(&self, data: E::Input) -> E::Input {
        self.decode(self.encode(data).point())
    }
}

impl<E, D, C, P, const K: usize, const F: usize> Model for VaeGan<E, D, C, P>
where
    E: Encoder<Code: Posterior<Latent = Tensor<K>>>,
    D: Decoder<Latent = Tensor<K>, Output = E::Input>,
    C: FeatureCritic<Input = E::Input, Features = Tensor<F>>,
    P: Prior<Value = Tensor<K>>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        vec!["kl", "features", "decoder", "critic"]
    }

    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    fn losses(&self, data: E::Input) -> Losses {
        let posterior = self.encode(data.clone());
        let draw = posterior.draw();
        let latent = frozen_copy(&self.prior).sample(data.len(), &data.device());
        self.losses_of(data, posterior, draw, latent)
    }
}
crate::learner!(VaeGan<E, D, C, P>);

/// Samples are what the decoder makes of draws of the prior, without gradients and as in evaluation.
impl<E, D, C, P> Sampler for VaeGan<E, D, C, P>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = super::LatentOf<E>, Output = E::Input>,
    C: Block,
    P: Sampler<Value = super::LatentOf<E>>,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        super::sample(&self.prior, &self.decoder, n, device)
    }
}

fn mean_of(costs: Tensor<1>) -> f64 {
    costs.mean().into_scalar()
}
