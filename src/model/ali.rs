use super::assert_fits;
use crate::loss::{Losses, NonSaturating};
use crate::nn::frozen_copy;
use crate::prior::StandardNormal;
use crate::traits::{AdversarialLoss, Critic, Decoder, Encoder, Posterior, Prior};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Adversarially learned inference: an encoder and a decoder that a critic of pairs cannot tell apart. It
/// sees data with its code as real, and what is made of noise with that noise as fake.
///
/// | term | encoder | decoder | critic | prior |
/// |---|---|---|---|---|
/// | `critic` | - | - | trains | - |
/// | `encoder` | trains | - | - | - |
/// | `decoder` | - | trains | - | - |
///
/// The total is their sum, whose terms touch disjoint parameters. Both labels flip: the decoder minimises
/// the generator's objective on its pairs, and the encoder the same with the sign of the score turned
/// ([`AdversarialLoss::encoder`]; `sp(D(x, enc(x)))` with [`NonSaturating`]). With only the first the encoder
/// would never learn.
///
/// Rather than a [`VaeGan`](super::VaeGan), where no reconstruction loss is to be chosen; codes then agree with the
/// data in kind more than in detail. Rather than a [`Gan`](super::Gan), where data is to be encoded too.
///
/// [Dumoulin et al. 2017](https://arxiv.org/abs/1606.00704);
/// [Donahue et al. 2017](https://arxiv.org/abs/1605.09782) (BiGAN).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::NonSaturating;
/// use burn_generative::nn::MlpCriticConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let ali = Ali::new(
///     MlpEncoderConfig::new(vec![2], 3).init_gaussian(&device)?,
///     MlpDecoderConfig::new(3, vec![2]).init(&device)?,
///     MlpCriticConfig::new(vec![2]).init_joint::<2>(3, &device)?,
///     StandardNormal::new(3),
///     NonSaturating,
/// );
/// let rows = Tensor::<2>::zeros([8, 2], &device);
/// let gradients = ali.losses(rows.clone()).mean().backward();
/// assert_eq!(ali.reconstruct(rows).dims(), [8, 2]);
/// assert_eq!(ali.sample(5, &device).dims(), [5, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Ali<E, D, C, P = StandardNormal, A = NonSaturating> {
    /// Maps data to posteriors.
    pub encoder: E,
    /// Maps latents to data.
    pub decoder: D,
    /// Judges pairs of data and latent.
    pub critic: C,
    /// Where latents come from.
    pub prior: P,
    /// What they play for.
    pub objective: A,
}

impl<E, D, C, P, A> Ali<E, D, C, P, A> {
    /// The model of these parts.
    pub fn new(encoder: E, decoder: D, critic: C, prior: P, objective: A) -> Self {
        Self {
            encoder,
            decoder,
            critic,
            prior,
            objective,
        }
    }
}

impl<E, D, C, P, A, const N: usize, const K: usize> Ali<E, D, C, P, A>
where
    E: Encoder<Input = Tensor<N>, Code: Posterior<Latent = Tensor<K>>>,
    D: Decoder<Latent = Tensor<K>, Output = Tensor<N>>,
    C: Critic<Input = (Tensor<N>, Tensor<K>)> + Module,
    P: Prior<Latent = Tensor<K>> + Module,
    A: AdversarialLoss,
{
    /// The terms `critic`, `encoder` and `decoder`, per sample, and their sum.
    ///
    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    pub fn losses(&self, data: Tensor<N>) -> Losses {
        // Frozen, not only detached: what nobody ever trains would keep the graphs of all its samples.
        let latent = frozen_copy(&self.prior).sample(data.dims()[0], &data.device());
        let code = self.encoder.encode(data.clone()).rsample();
        self.losses_of(data, code, latent)
    }

    /// The deterministic twin of [`losses`](Self::losses): with this noise for the posterior, and these
    /// latents for the decoder.
    pub fn losses_with(&self, data: Tensor<N>, noise: Tensor<K>, latent: Tensor<K>) -> Losses {
        let code = self.encoder.encode(data.clone()).rsample_with(noise);
        self.losses_of(data, code, latent)
    }

    fn losses_of(&self, data: Tensor<N>, code: Tensor<K>, latent: Tensor<K>) -> Losses {
        assert_fits("Ali", &code.dims(), &latent.dims());
        let latent = latent.detach(); // a prior that could learn would play along
        let made = self.decoder.decode(latent.clone());
        let critic = self.objective.critic(
            self.critic.score((data.clone(), code.clone().detach())),
            self.critic.score((made.clone().detach(), latent.clone())),
        );
        let judge = frozen_copy(&self.critic);
        let encoder = self.objective.encoder(judge.score((data, code)));
        let decoder = self.objective.generator(judge.score((made, latent)));
        Losses::new(critic.clone() + encoder.clone() + decoder.clone())
            .with_term("critic", critic)
            .with_term("encoder", encoder)
            .with_term("decoder", decoder)
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
    pub fn sample(&self, n: usize, device: &Device) -> Tensor<N>
    where
        D: Module,
    {
        super::sample(&self.prior, &self.decoder, n, device)
    }
}

#[cfg(feature = "train")]
mod steps {
    use super::super::backward;
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, C, P, A, const N: usize, const K: usize> TrainStep for Ali<E, D, C, P, A>
    where
        Self: Module,
        E: Encoder<Input = Tensor<N>, Code: Posterior<Latent = Tensor<K>>>,
        D: Decoder<Latent = Tensor<K>, Output = Tensor<N>>,
        C: Critic<Input = (Tensor<N>, Tensor<K>)> + Module,
        P: Prior<Latent = Tensor<K>> + Module,
        A: AdversarialLoss,
    {
        type Input = Tensor<N>;
        type Output = Losses;

        fn step(&self, input: Tensor<N>) -> TrainOutput<Losses> {
            backward(self, self.losses(input))
        }
    }

    impl<E, D, C, P, A, const N: usize, const K: usize> InferenceStep for Ali<E, D, C, P, A>
    where
        E: Encoder<Input = Tensor<N>, Code: Posterior<Latent = Tensor<K>>>,
        D: Decoder<Latent = Tensor<K>, Output = Tensor<N>>,
        C: Critic<Input = (Tensor<N>, Tensor<K>)> + Module,
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
