use super::assert_fits;
use crate::error::{Result, check_not_negative, check_positive};
use crate::kernel;
use crate::loss::{Losses, NonSaturating};
use crate::nn::{frozen_copy, is_trained, scale_gradient};
use crate::prior::StandardNormal;
use crate::traits::{AdversarialLoss, Decoder, Encoder, FeatureCritic, Posterior, Prior};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

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

/// The policy of the authors' code that keeps decoder and critic in step.
///
/// It looks at what the critic pays on a batch, in nats per sample: for data, and for fakes. If one of the two
/// is below `equilibrium - margin`, the critic does not train in this step; if one is above
/// `equilibrium + margin`, the decoder does not. If neither would, both do. The encoder always trains.
///
/// As in that code, each of the two kinds of fakes then weighs a half, for the critic and for the decoder, so
/// that a critic that is right to be undecided pays ln 2 for data and for fakes. (In the paper, where each
/// weighs 1, it would pay ln 3 and ln 1.5.) It is made for [`NonSaturating`] and
/// [`Minimax`](crate::loss::Minimax).
///
/// Every training step then makes the fakes once more to look at them, and reads three numbers back from the
/// device, which stalls a GPU. A decoder that sits out
/// still counts the statistics of its batch normalisation.
#[derive(Config, Debug)]
pub struct Balance {
    /// What the critic should pay for each kind, near ln 2.
    #[config(default = "0.68")]
    pub equilibrium: f64,
    /// How far from that is still in step.
    #[config(default = "0.4")]
    pub margin: f64,
}

impl Balance {
    /// Whether decoder and critic train, given what the critic pays for data and for fakes.
    fn admits(&self, costs: [f64; 2]) -> [bool; 2] {
        let [low, high] = [-self.margin, self.margin].map(|side| self.equilibrium + side);
        let decoder = costs.iter().all(|&cost| cost <= high);
        let critic = costs.iter().all(|&cost| cost >= low);
        match decoder || critic {
            true => [decoder, critic],
            false => [true, true],
        }
    }
}

impl VaeGanConfig {
    /// The VAE-GAN of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if gamma is not a positive number, or a number of the balance is negative or not
    /// finite.
    pub fn init<E, D, C, P, A>(
        &self,
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        objective: A,
    ) -> Result<VaeGan<E, D, C, P, A>> {
        let gamma = check_positive("VaeGan: gamma", self.gamma)?;
        if let Some(balance) = &self.balance {
            check_not_negative("VaeGan: balance.equilibrium", balance.equilibrium)?;
            check_not_negative("VaeGan: balance.margin", balance.margin)?;
        }
        Ok(VaeGan {
            encoder,
            decoder,
            critic,
            prior,
            objective,
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
pub struct VaeGan<E, D, C, P = StandardNormal, A = NonSaturating> {
    /// Maps data to posteriors.
    pub encoder: E,
    /// Maps latents to data.
    pub decoder: D,
    /// Tells data from what is made, by features that make the reconstruction loss.
    pub critic: C,
    /// Where latents come from.
    pub prior: P,
    /// What decoder and critic play for.
    pub objective: A,
    gamma: f64,
    #[module(skip)]
    balance: Option<Balance>,
}

impl<E, D, C, P, A, const N: usize, const K: usize, const F: usize> VaeGan<E, D, C, P, A>
where
    E: Encoder<Input = Tensor<N>, Code: Posterior<Latent = Tensor<K>>>,
    D: Decoder<Latent = Tensor<K>, Output = Tensor<N>> + Module,
    C: FeatureCritic<Input = Tensor<N>, Features = Tensor<F>> + Module,
    P: Prior<Latent = Tensor<K>> + Module,
    A: AdversarialLoss,
{
    /// The terms `kl`, `features`, `decoder` and `critic`, per sample, and the total.
    ///
    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    pub fn losses(&self, data: Tensor<N>) -> Losses {
        let posterior = self.encoder.encode(data.clone());
        let code = posterior.rsample();
        let latent = frozen_copy(&self.prior).sample(data.dims()[0], &data.device());
        self.losses_of(data, posterior, code, latent)
    }

    /// The deterministic twin of [`losses`](Self::losses): with this noise for the posterior, and these
    /// samples of the prior.
    pub fn losses_with(&self, data: Tensor<N>, noise: Tensor<K>, latent: Tensor<K>) -> Losses {
        let posterior = self.encoder.encode(data.clone());
        let code = posterior.rsample_with(noise);
        self.losses_of(data, posterior, code, latent)
    }

    fn losses_of(
        &self,
        data: Tensor<N>,
        posterior: E::Code,
        code: Tensor<K>,
        latent: Tensor<K>,
    ) -> Losses {
        assert_fits("VaeGan", &code.dims(), &latent.dims());
        let judge = frozen_copy(&self.critic);
        let latents = [code.clone(), latent].map(Tensor::detach);
        let [decoder_trains, critic_trains] = match &self.balance {
            Some(balance) if is_trained(&self.critic) => {
                let painter = frozen_copy(&self.decoder);
                let real = self.objective.real(judge.score(data.clone()));
                let fakes = latents.clone().map(|z| judge.score(painter.decode(z)));
                let fakes = fakes.map(|score| mean_of(self.objective.fake(score)));
                balance.admits([mean_of(real), (fakes[0] + fakes[1]) / 2.0])
            }
            _ => [true, true],
        };
        // Who sits out is frozen, and leaves no graph behind that nobody would go back through.
        let still = (!decoder_trains).then(|| frozen_copy(&self.decoder));
        let decoder = still.as_ref().unwrap_or(&self.decoder);
        let critic = if critic_trains { &self.critic } else { &judge };

        let kl = self.prior.kl(&posterior, code.clone());
        let reconstruction = decoder.decode(scale_gradient(code, 1.0 / self.gamma));
        let features = kernel::gaussian_nll_fixed(
            judge.features(reconstruction),
            judge.features(data.clone()),
            1.0,
        );
        // With a balance the fakes weigh as much as the data does, together.
        let weight = if self.balance.is_some() { 0.5 } else { 1.0 };
        let both = |[a, b]: [Tensor<1>; 2]| (a + b).mul_scalar(weight);
        let fakes = latents.map(|z| decoder.decode(z));
        let seen = fakes.clone().map(|fake| critic.score(fake.detach()));
        let fooled = fakes.map(|fake| self.objective.generator(judge.score(fake)));
        let real = self.objective.real(critic.score(data));
        let critic = real + both(seen.map(|score| self.objective.fake(score)));
        let decoder = both(fooled);
        let total =
            kl.clone() + features.clone().mul_scalar(self.gamma) + decoder.clone() + critic.clone();
        Losses::new(total)
            .with_term("kl", kl)
            .with_term("features", features)
            .with_term("decoder", decoder)
            .with_term("critic", critic)
    }

    /// The posterior of each sample.
    pub fn encode(&self, data: Tensor<N>) -> E::Code {
        self.encoder.encode(data)
    }

    /// What the decoder makes of each latent.
    pub fn decode(&self, latent: Tensor<K>) -> Tensor<N> {
        self.decoder.decode(latent)
    }

    /// What the decoder makes of the mode of each sample's posterior.
    pub fn reconstruct(&self, data: Tensor<N>) -> Tensor<N> {
        self.decode(self.encode(data).mode())
    }

    /// What the decoder makes of `n` samples of the prior, without gradients and as in evaluation.
    pub fn sample(&self, n: usize, device: &Device) -> Tensor<N> {
        super::sample(&self.prior, &self.decoder, n, device)
    }
}

fn mean_of(costs: Tensor<1>) -> f64 {
    costs.mean().into_scalar()
}

#[cfg(feature = "train")]
mod steps {
    use super::super::backward;
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, C, P, A, const N: usize, const K: usize, const F: usize> TrainStep
        for VaeGan<E, D, C, P, A>
    where
        Self: Module,
        E: Encoder<Input = Tensor<N>, Code: Posterior<Latent = Tensor<K>>>,
        D: Decoder<Latent = Tensor<K>, Output = Tensor<N>> + Module,
        C: FeatureCritic<Input = Tensor<N>, Features = Tensor<F>> + Module,
        P: Prior<Latent = Tensor<K>> + Module,
        A: AdversarialLoss,
    {
        type Input = Tensor<N>;
        type Output = Losses;

        fn step(&self, input: Tensor<N>) -> TrainOutput<Losses> {
            backward(self, self.losses(input))
        }
    }

    impl<E, D, C, P, A, const N: usize, const K: usize, const F: usize> InferenceStep
        for VaeGan<E, D, C, P, A>
    where
        E: Encoder<Input = Tensor<N>, Code: Posterior<Latent = Tensor<K>>>,
        D: Decoder<Latent = Tensor<K>, Output = Tensor<N>> + Module,
        C: FeatureCritic<Input = Tensor<N>, Features = Tensor<F>> + Module,
        P: Prior<Latent = Tensor<K>> + Module,
        A: AdversarialLoss,
    {
        type Input = Tensor<N>;
        type Output = Losses;

        fn step(&self, input: Tensor<N>) -> Losses {
            self.losses(input)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Balance;

    #[test]
    fn who_is_ahead_waits() {
        let balance = Balance::new();
        let undecided = 2f64.ln();
        //         [decoder, critic]
        for (costs, want) in [
            ([undecided, undecided], [true, true]),
            ([0.2, undecided], [true, false]), // the critic knows data
            ([undecided, 0.2], [true, false]), // or fakes
            ([1.2, undecided], [false, true]), // the critic is behind
            ([0.2, 1.2], [true, true]),        // neither would
        ] {
            assert_eq!(balance.admits(costs), want, "{costs:?}");
        }
    }
}
