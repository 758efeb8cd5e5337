use super::{Aae, LatentOf};
use crate::error::Result;
use crate::loss::{Losses, SquaredError};
use crate::nn::{check_labels, frozen_copy, one_hot};
use crate::traits::{
    AdversarialLoss, Batch, Code, Critic, Decoder, Encoder, LabeledSampler, Model,
    ReconstructionLoss,
};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

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
/// The prior learns nothing. The terms are those of [`Aae`]. A label is a class of the [`LabeledSampler`], `0..K`, or [`UNKNOWN`](crate::nn::UNKNOWN); the critic
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
/// let aae = SemiSupervisedAae::new(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     MlpCriticConfig::new(vec![2]).init_joint::<2>(classes + 1, &device)?,
///     GaussianMixture::ring(classes, 4.0, 0.5, &device)?,
///     SquaredError,
///     NonSaturating,
/// );
/// let rows = Tensor::<2>::zeros([3, 13], &device);
/// let labels = Tensor::from_ints([7, 0, -1], &device); // the third is unknown
/// aae.check_labels(&labels)?;
/// let gradients = aae.losses((rows, labels)).mean().backward();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SemiSupervisedAae<E, D, C, P, L = SquaredError> {
    /// The parts, of which the critic judges pairs of a latent and a label, one-hot with one class more than the prior
    /// has.
    pub aae: Aae<E, D, C, P, L>,
}

impl<E, D, C, P, L> SemiSupervisedAae<E, D, C, P, L>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = (LatentOf<E>, Tensor<2>)>,
    P: LabeledSampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The semi-supervised adversarial autoencoder of these parts, with a weight of 1.
    pub fn new(
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        reconstruction: L,
        objective: impl AdversarialLoss + 'static,
    ) -> Self {
        Self {
            aae: Aae::of(encoder, decoder, critic, prior, reconstruction, objective),
        }
    }

    /// Sets the weight of the encoder's adversarial term.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is negative or not finite.
    pub fn with_adversarial_weight(self, weight: f64) -> Result<Self> {
        let aae = self.aae.with_adversarial_weight(weight)?;
        Ok(Self { aae })
    }

    /// The deterministic twin of [`losses`](Model::losses): with this noise for the code, as [`Code::noise`] draws it,
    /// and these samples of the prior.
    pub fn losses_with(
        &self,
        input: E::Input,
        labels: Tensor<1, Int>,
        noise: <E::Code as Code>::Noise,
        prior: LatentOf<E>,
    ) -> Losses {
        let latent = self.encode(input.clone()).rsample_with(noise);
        self.losses_of(input, labels, latent, prior)
    }

    fn losses_of(
        &self,
        input: E::Input,
        labels: Tensor<1, Int>,
        latent: LatentOf<E>,
        prior: LatentOf<E>,
    ) -> Losses {
        assert!(
            labels.len() == latent.len(),
            "SemiSupervisedAae: {} labels for {} samples",
            labels.len(),
            latent.len(),
        );
        let classes = self.aae.prior.num_classes();
        // The last column stands for "unknown".
        let unknown = labels.clone().lower_elem(0);
        let labels = one_hot(labels.mask_fill(unknown, classes as i64), classes + 1);
        let score = |critic: &C, latent| critic.score((latent, labels.clone()));
        self.aae
            .losses_of("SemiSupervisedAae", input, latent, prior, score)
    }

    /// Refuses labels that are neither classes of the prior nor [`UNKNOWN`](crate::nn::UNKNOWN): once, on a data set, as it
    /// reads back from the device.
    ///
    /// # Errors
    ///
    /// As [`check_labels`].
    pub fn check_labels(&self, labels: &Tensor<1, Int>) -> Result<()> {
        check_labels(labels, self.aae.prior.num_classes(), true)
    }

    /// The code of each sample: a point, or a posterior.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.aae.encode(input)
    }

    /// The decoder's output (logits or means) for each latent.
    pub fn decode(&self, latent: LatentOf<E>) -> D::Output {
        self.aae.decode(latent)
    }

    /// What the model makes of each sample: data, from the [point](Code::point) of its code.
    pub fn reconstruct(&self, input: E::Input) -> E::Input {
        self.aae.reconstruct(input)
    }

    /// Data made of a sample of the class of each label, on the labels' device; without gradients and as in evaluation.
    pub fn sample_labeled(&self, labels: Tensor<1, Int>) -> E::Input {
        let labels = labels.without_autodiff();
        let latent = self.aae.prior.valid().sample_labeled(labels);
        let output = self.aae.decoder.valid().decode(latent);
        self.aae.reconstruction.valid().point(output)
    }
}

/// The input is the pair of data and its labels, `[batch]`.
impl<E, D, C, P, L> Model for SemiSupervisedAae<E, D, C, P, L>
where
    E: Encoder<Code: Code>,
    D: Decoder<Latent = LatentOf<E>>,
    C: Critic<Input = (LatentOf<E>, Tensor<2>)>,
    P: LabeledSampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Input = (E::Input, Tensor<1, Int>);

    fn terms(&self) -> Vec<&'static str> {
        Aae::<E, D, C, P, L>::TERMS.to_vec()
    }

    /// # Panics
    ///
    /// If the prior's samples have not the shape of the codes, there are not as many labels as samples, or the
    /// critic reads another number of label columns than the prior has classes, and one.
    fn losses(&self, (input, labels): Self::Input) -> Losses {
        let latent = self.encode(input.clone()).rsample();
        let prior = frozen_copy(&self.aae.prior).sample_labeled(labels.clone());
        self.losses_of(input, labels, latent, prior)
    }
}
crate::learner!(SemiSupervisedAae<E, D, C, P, L>);
