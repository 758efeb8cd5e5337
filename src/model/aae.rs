use super::{assert_fits, latent_variable_model};
use crate::error::{Error, Result, check_not_negative};
use crate::loss::{Losses, NonSaturating, SquaredError};
use crate::nn::{frozen_copy, one_hot};
use crate::prior::StandardNormal;
use crate::traits::{
    AdversarialLoss, Code, Critic, Decoder, Encoder, LabeledPrior, LatentVariableModel, Posterior,
    Prior, ReconstructionLoss, Support,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

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
        Ok(Aae {
            encoder,
            decoder,
            critic,
            prior,
            reconstruction,
            objective,
            adversarial_weight: self.weight()?,
        })
    }

    /// The semi-supervised adversarial autoencoder of these parts. The critic judges pairs of a latent and a
    /// label, one-hot with one class more than the prior has.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_semi_supervised<E, D, C, P, L, A>(
        &self,
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        reconstruction: L,
        objective: A,
    ) -> Result<SemiSupervisedAae<E, D, C, P, L, A>> {
        Ok(SemiSupervisedAae {
            encoder,
            decoder,
            critic,
            prior,
            reconstruction,
            objective,
            adversarial_weight: self.weight()?,
        })
    }

    fn weight(&self) -> Result<f64> {
        check_not_negative("Aae: adversarial_weight", self.adversarial_weight)
    }
}

/// An adversarial autoencoder: an autoencoder whose codes a critic cannot tell from samples of a prior. So any
/// prior will do that can be sampled, and no posterior needs a density.
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
/// [`SemiSupervisedAae`].
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

/// The total of these terms, and the terms.
fn total(reconstruction: Tensor<1>, critic: Tensor<1>, encoder: Tensor<1>, weight: f64) -> Losses {
    let total = reconstruction.clone() + critic.clone() + encoder.clone().mul_scalar(weight);
    Losses::new(total)
        .with_term("reconstruction", reconstruction)
        .with_term("critic", critic)
        .with_term("encoder", encoder)
}

/// What the encoder's codes are drawn as.
type LatentOf<E> = <<E as Encoder>::Code as Code>::Latent;

impl<E, D, C, P, L, A> Aae<E, D, C, P, L, A>
where
    E: Encoder<Input: Clone, Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = LatentOf<E>> + Module,
    P: Prior<Latent = LatentOf<E>> + Module,
    L: ReconstructionLoss<D::Output, E::Input>,
    A: AdversarialLoss,
{
    /// The terms `reconstruction`, `critic` and `encoder`, per sample, and the total.
    ///
    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes.
    pub fn losses(&self, input: E::Input) -> Losses {
        let code = self.encoder.encode(input.clone());
        let latent = code.draw();
        let batch = E::Code::shape(&latent)[0];
        // Frozen, not only detached: what nobody ever trains would keep the graphs of all its samples.
        let prior = frozen_copy(&self.prior).sample(batch, &E::Code::device(&latent));
        self.losses_of(input, latent, prior)
    }

    /// The deterministic twin of [`losses`](Self::losses): with this noise for a posterior (a point ignores
    /// it), and these samples of the prior.
    pub fn losses_with(&self, input: E::Input, noise: LatentOf<E>, prior: LatentOf<E>) -> Losses {
        let latent = self.encoder.encode(input.clone()).draw_with(noise);
        self.losses_of(input, latent, prior)
    }

    fn losses_of(&self, input: E::Input, latent: LatentOf<E>, prior: LatentOf<E>) -> Losses {
        let shapes = [&latent, &prior].map(E::Code::shape);
        assert_fits("Aae", &shapes[0], &shapes[1]);
        let reconstruction = self.reconstruction.loss(self.decode(latent.clone()), input);
        let critic = self.objective.critic(
            self.critic.score(E::Code::detach(prior)),
            self.critic.score(E::Code::detach(latent.clone())),
        );
        let encoder = self
            .objective
            .generator(frozen_copy(&self.critic).score(latent));
        total(reconstruction, critic, encoder, self.adversarial_weight)
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
    {
        super::sample(&self.prior, &self.decoder, n, device)
    }

    /// The values that its reconstruction loss allows in the data.
    pub fn support(&self) -> Support {
        self.reconstruction.support()
    }
}

/// An adversarial autoencoder that is told some labels: it puts each class where the prior has it. Its critic
/// sees a latent with its label, so that a code of a seven is compared with samples of the prior's class 7; where the label
/// is unknown, with samples of the whole prior.
///
/// | term | encoder | decoder | critic |
/// |---|---|---|---|
/// | `reconstruction` | trains | trains | - |
/// | `critic` | - | - | trains |
/// | `encoder` | trains, times `adversarial_weight` | - | - |
///
/// The prior learns nothing. The terms are those of [`Aae`]. A label is a class of the [`LabeledPrior`], `0..K`, or K for "unknown"; the critic
/// reads it one-hot, `[batch, K + 1]`. It reads no label at encoding.
///
/// [Makhzani et al. 2015](https://arxiv.org/abs/1511.05644), section 2.3.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::NonSaturating;
/// use burn_generative::nn::MlpCriticConfig;
/// use burn_generative::prior::GaussianMixture;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let classes = 10;
/// let aae = AaeConfig::new().init_semi_supervised(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     MlpCriticConfig::new(vec![2]).init_joint::<2>(classes + 1, &device)?,
///     GaussianMixture::ring(classes, 4.0, 0.5, &device)?,
///     SquaredError,
///     NonSaturating,
/// )?;
/// let rows = Tensor::<2>::zeros([3, 13], &device);
/// let labels = Tensor::from_ints([7, 0, 10], &device); // the third is unknown
/// aae.check_labels(&labels)?;
/// let gradients = aae.losses(rows, labels).mean().backward();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SemiSupervisedAae<E, D, C, P, L = SquaredError, A = NonSaturating> {
    /// Maps data to codes.
    pub encoder: E,
    /// Maps codes to data.
    pub decoder: D,
    /// Judges latents with their labels.
    pub critic: C,
    /// What codes are to look like, class by class.
    pub prior: P,
    /// What a reconstruction costs.
    pub reconstruction: L,
    /// What encoder and critic play for.
    pub objective: A,
    adversarial_weight: f64,
}

impl<E, D, C, P, L, A> SemiSupervisedAae<E, D, C, P, L, A>
where
    E: Encoder<Input: Clone, Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = (LatentOf<E>, Tensor<2>)> + Module,
    P: LabeledPrior<Latent = LatentOf<E>> + Module,
    L: ReconstructionLoss<D::Output, E::Input>,
    A: AdversarialLoss,
{
    /// The terms `reconstruction`, `critic` and `encoder`, per sample, and the total; from data and its labels,
    /// `[batch]`.
    ///
    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes, there are not as many labels as samples, or the
    /// critic reads another number of label columns than the prior has classes, and one.
    pub fn losses(&self, input: E::Input, labels: Tensor<1, Int>) -> Losses {
        let latent = self.encoder.encode(input.clone()).draw();
        let prior = frozen_copy(&self.prior).sample_labeled(labels.clone());
        self.losses_of(input, labels, latent, prior)
    }

    /// The deterministic twin of [`losses`](Self::losses): with this noise for a posterior (a point ignores
    /// it), and these samples of the prior.
    pub fn losses_with(
        &self,
        input: E::Input,
        labels: Tensor<1, Int>,
        noise: LatentOf<E>,
        prior: LatentOf<E>,
    ) -> Losses {
        let latent = self.encoder.encode(input.clone()).draw_with(noise);
        self.losses_of(input, labels, latent, prior)
    }

    fn losses_of(
        &self,
        input: E::Input,
        labels: Tensor<1, Int>,
        latent: LatentOf<E>,
        prior: LatentOf<E>,
    ) -> Losses {
        let shapes = [&latent, &prior].map(E::Code::shape);
        assert!(
            labels.dims()[0] == shapes[0][0],
            "SemiSupervisedAae: {} labels for {} samples",
            labels.dims()[0],
            shapes[0][0],
        );
        assert_fits("SemiSupervisedAae", &shapes[0], &shapes[1]);
        let reconstruction = self.reconstruction.loss(self.decode(latent.clone()), input);
        let labels = one_hot(labels, self.prior.num_classes() + 1);
        let score = |critic: &C, latent| critic.score((latent, labels.clone()));
        let critic = self.objective.critic(
            score(&self.critic, E::Code::detach(prior)),
            score(&self.critic, E::Code::detach(latent.clone())),
        );
        let encoder = self
            .objective
            .generator(score(&frozen_copy(&self.critic), latent));
        total(reconstruction, critic, encoder, self.adversarial_weight)
    }

    /// Checks that all labels are classes of the prior, or K for "unknown".
    ///
    /// Reads back from the device, so call it once on a data set, not on every batch.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if one is not; [`Error::Device`] if the device cannot be read.
    pub fn check_labels(&self, labels: &Tensor<1, Int>) -> Result<()> {
        let classes = self.prior.num_classes() as i64;
        if labels.dims()[0] == 0 {
            return Err(Error::Support {
                what: "labels".to_string(),
                reason: "hold no values".to_string(),
            });
        }
        let least: i64 = labels.clone().min().try_into_scalar()?;
        let greatest: i64 = labels.clone().max().try_into_scalar()?;
        match least < 0 || greatest > classes {
            true => Err(Error::Support {
                what: "labels".to_string(),
                reason: format!(
                    "lie in [{least}, {greatest}], but the prior has {classes} classes, from 0 on ({classes} stands \
                     for an unknown label)"
                ),
            }),
            false => Ok(()),
        }
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

    /// The decoder's output (logits or means) for a sample of the class of each label, without gradients and
    /// as in evaluation.
    pub fn sample_labeled(&self, labels: Tensor<1, Int>) -> D::Output
    where
        D: Module,
    {
        let latent = self.prior.valid().sample_labeled(labels);
        self.decoder.valid().decode(latent)
    }

    /// The values that its reconstruction loss allows in the data.
    pub fn support(&self) -> Support {
        self.reconstruction.support()
    }
}

latent_variable_model!(
    /// With a stochastic encoder: `log p(x | z)` is minus the reconstruction loss, which is to be a likelihood.
    Aae<E, D, C, P, L, A>, reconstruction
);
latent_variable_model!(
    /// As [`Aae`]: of data alone, without labels.
    SemiSupervisedAae<E, D, C, P, L, A>, reconstruction
);

#[cfg(feature = "train")]
mod steps {
    use super::super::backward;
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, C, P, L, A> TrainStep for Aae<E, D, C, P, L, A>
    where
        Self: Module,
        E: Encoder<Input: Clone + Send + 'static, Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = LatentOf<E>> + Module,
        P: Prior<Latent = LatentOf<E>> + Module,
        L: ReconstructionLoss<D::Output, E::Input>,
        A: AdversarialLoss,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> TrainOutput<Losses> {
            backward(self, self.losses(input))
        }
    }

    impl<E, D, C, P, L, A> InferenceStep for Aae<E, D, C, P, L, A>
    where
        E: Encoder<Input: Clone + Send + 'static, Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = LatentOf<E>> + Module,
        P: Prior<Latent = LatentOf<E>> + Module,
        L: ReconstructionLoss<D::Output, E::Input>,
        A: AdversarialLoss,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> Losses {
            self.losses(input)
        }
    }

    impl<E, D, C, P, L, A> TrainStep for SemiSupervisedAae<E, D, C, P, L, A>
    where
        Self: Module,
        E: Encoder<Input: Clone + Send + 'static, Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = (LatentOf<E>, Tensor<2>)> + Module,
        P: LabeledPrior<Latent = LatentOf<E>> + Module,
        L: ReconstructionLoss<D::Output, E::Input>,
        A: AdversarialLoss,
    {
        type Input = (E::Input, Tensor<1, Int>);
        type Output = Losses;

        fn step(&self, (input, labels): Self::Input) -> TrainOutput<Losses> {
            backward(self, self.losses(input, labels))
        }
    }

    impl<E, D, C, P, L, A> InferenceStep for SemiSupervisedAae<E, D, C, P, L, A>
    where
        E: Encoder<Input: Clone + Send + 'static, Code: Code>,
        D: Decoder<Latent = LatentOf<E>>,
        C: Critic<Input = (LatentOf<E>, Tensor<2>)> + Module,
        P: LabeledPrior<Latent = LatentOf<E>> + Module,
        L: ReconstructionLoss<D::Output, E::Input>,
        A: AdversarialLoss,
    {
        type Input = (E::Input, Tensor<1, Int>);
        type Output = Losses;

        fn step(&self, (input, labels): Self::Input) -> Losses {
            self.losses(input, labels)
        }
    }
}
