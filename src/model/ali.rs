use super::{LatentOf, assert_fits};
use crate::loss::Losses;
use crate::nn::frozen_copy;
use crate::prior::StandardNormal;
use crate::traits::{AdversarialLoss, Batch, Block, Code, Critic, Decoder, Encoder, Model, Sampler};
use burn::module::Module;
use burn::tensor::Device;
use std::sync::Arc;

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
/// ([`AdversarialLoss::encoder`]; `sp(D(x, enc(x)))` with [`NonSaturating`](crate::loss::NonSaturating)). With only the first the encoder
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
pub struct Ali<E, D, C, P = StandardNormal> {
    /// Maps data to codes: posteriors, or points.
    pub encoder: E,
    /// Maps latents to data.
    pub decoder: D,
    /// Judges pairs of data and latent.
    pub critic: C,
    /// Where latents come from.
    pub prior: P,
    /// What they play for.
    #[module(skip)]
    pub objective: Arc<dyn AdversarialLoss>,
}

impl<E, D, C, P> Ali<E, D, C, P>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>, Output = E::Input>,
    C: Critic<Input = (E::Input, LatentOf<E>)>,
    P: Sampler<Value = LatentOf<E>>,
{
    /// The model of these parts.
    pub fn new(
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        objective: impl AdversarialLoss + 'static,
    ) -> Self {
        Self {
            encoder,
            decoder,
            critic,
            prior,
            objective: Arc::new(objective),
        }
    }

    /// The deterministic twin of [`losses`](Model::losses): with this noise for the code, as [`Code::noise`] draws it,
    /// and these latents for the decoder.
    pub fn losses_with(
        &self,
        data: E::Input,
        noise: <E::Code as Code>::Noise,
        latent: LatentOf<E>,
    ) -> Losses {
        let code = self.encode(data.clone()).rsample_with(noise);
        self.losses_of(data, code, latent)
    }

    fn losses_of(&self, data: E::Input, code: LatentOf<E>, latent: LatentOf<E>) -> Losses {
        assert_fits("Ali", &code, &latent);
        let latent = latent.detach(); // a prior that could learn would play along
        let fake = self.decode(latent.clone());
        let critic = self.objective.critic(
            self.critic.score((data.clone(), code.clone().detach())),
            self.critic.score((fake.clone().detach(), latent.clone())),
        );
        let frozen_critic = frozen_copy(&self.critic);
        let encoder = self.objective.encoder(frozen_critic.score((data, code)));
        let decoder = self.objective.generator(frozen_critic.score((fake, latent)));
        Losses::new(critic.clone() + encoder.clone() + decoder.clone())
            .with_term("critic", critic)
            .with_term("encoder", encoder)
            .with_term("decoder", decoder)
    }
}

impl<E, D, C, P> Ali<E, D, C, P>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>, Output = E::Input>,
{
    /// The code of each sample.
    pub fn encode(&self, data: E::Input) -> E::Code {
        self.encoder.encode(data)
    }

    /// What the decoder makes of each latent.
    pub fn decode(&self, latent: LatentOf<E>) -> E::Input {
        self.decoder.decode(latent)
    }

    /// What the decoder makes of the [point](Code::point) of each sample's code.
    pub fn reconstruct(&self, data: E::Input) -> E::Input {
        self.decode(self.encode(data).point())
    }
}

impl<E, D, C, P> Model for Ali<E, D, C, P>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>, Output = E::Input>,
    C: Critic<Input = (E::Input, LatentOf<E>)>,
    P: Sampler<Value = LatentOf<E>>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        vec!["critic", "encoder", "decoder"]
    }

    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    fn losses(&self, data: E::Input) -> Losses {
        // Frozen, not only detached: what nobody ever trains would keep the graphs of all its samples.
        let latent = frozen_copy(&self.prior).sample(data.len(), &data.device());
        let code = self.encode(data.clone()).rsample();
        self.losses_of(data, code, latent)
    }
}
crate::learner!(Ali<E, D, C, P>);

/// Samples are what the decoder makes of draws of the prior, without gradients and as in evaluation.
impl<E, D, C, P> Sampler for Ali<E, D, C, P>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>, Output = E::Input>,
    C: Block,
    P: Sampler<Value = LatentOf<E>>,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        super::sample(&self.prior, &self.decoder, n, device)
    }
}
