use super::{LatentOf, SemiSupervisedVae, Vae};
use crate::loss::Losses;
use crate::nn::frozen_copy;
use crate::traits::{
    Batch, Block, Code, Decoder, Encoder, Model, Posterior, Prior, ReconstructionLoss,
};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// The stacked semi-supervised VAE, "M1+M2": a [`SemiSupervisedVae`] whose data are the codes of a [`Vae`] that was trained
/// before, without labels.
///
/// | term | first | second |
/// |---|---|---|
/// | those of [`SemiSupervisedVae`], of a draw of the code | - | train |
///
/// [Kingma et al. 2014](https://arxiv.org/abs/1406.5298), section 2.3.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{LabeledDecoder, LabeledRowEncoder};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let (classes, code, latent) = (10, 50, 8);
/// let first = Vae::new(
///     MlpEncoderConfig::new(vec![1, 28, 28], code).init_gaussian(&device)?,
///     MlpDecoderConfig::new(code, vec![1, 28, 28]).init(&device)?,
///     StandardNormal::new(code),
///     BernoulliNll,
/// ); // to be trained here
/// let encoder = MlpEncoderConfig::new(vec![code + classes], latent).init_gaussian(&device)?;
/// let decoder = MlpDecoderConfig::new(latent + classes, vec![code]).init_gaussian(&device)?;
/// let second = SemiSupervisedVaeConfig::new(classes).init(
///     LabeledRowEncoder::new(encoder, classes),
///     LabeledDecoder::new(decoder, classes),
///     MlpEncoderConfig::new(vec![code], classes).init(&device)?,
///     StandardNormal::new(latent),
///     Nll,
/// )?;
/// let model = StackedSemiSupervisedVae::new(first, second);
/// let images = Tensor::<4>::zeros([3, 1, 28, 28], &device);
/// let labels = Tensor::from_ints([7, 0, 10], &device); // the third is unknown
/// let gradients = model.losses((images.clone(), labels)).mean().backward();
/// assert_eq!(model.classify(images).dims(), [3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct StackedSemiSupervisedVae<F, S> {
    /// Makes codes of data: a [`Vae`].
    pub first: F,
    /// Models codes and labels: a [`SemiSupervisedVae`].
    pub second: S,
}

impl<F, S> StackedSemiSupervisedVae<F, S> {
    /// The two, one on the other.
    pub fn new(first: F, second: S) -> Self {
        Self { first, second }
    }
}

impl<E1, D1, P1, L1, R1, E, D, C, P, L>
    StackedSemiSupervisedVae<Vae<E1, D1, P1, L1, R1>, SemiSupervisedVae<E, D, C, P, L>>
where
    E1: Encoder<Code: Code<Latent = Tensor<2>>>,
    D1: Decoder<Latent = Tensor<2>>,
    L1: ReconstructionLoss<D1::Output, E1::Input>,
    E: Encoder<Input = (Tensor<2>, Tensor<1, Int>), Code: Posterior<Noise: Batch>>,
    D: Decoder<Latent = (LatentOf<E>, Tensor<1, Int>)>,
    C: Encoder<Input = Tensor<2>, Code = Tensor<2>>,
    P: Prior<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, Tensor<2>>,
{
    /// The most probable class of each sample, `[batch]`, from the [point](Code::point) of its code. From a trained model, take
    /// `model.valid()`.
    pub fn classify(&self, input: E1::Input) -> Tensor<1, Int> {
        let code = self.first.encode(input).point();
        self.second.classify(code)
    }

    /// A sample of each label: data, by way of a code, on the labels' device; without gradients and as in evaluation. Labels
    /// beyond the classes are the caller's to avoid.
    pub fn sample_labeled(&self, labels: Tensor<1, Int>) -> E1::Input {
        let code = self.second.sample_labeled(labels);
        let output = self.first.decoder.valid().decode(code);
        self.first.likelihood.valid().point(output)
    }
}

/// The input is the pair of data and its labels, `[batch]`, as the second stage has them.
impl<E1, D1, P1, L1, R1, S> Model for StackedSemiSupervisedVae<Vae<E1, D1, P1, L1, R1>, S>
where
    E1: Encoder<Code: Code<Latent = Tensor<2>>>,
    D1: Block,
    P1: Block,
    L1: Block,
    R1: Block,
    S: Model<Input = (Tensor<2>, Tensor<1, Int>)>,
{
    type Input = (E1::Input, Tensor<1, Int>);

    fn terms(&self) -> Vec<&'static str> {
        self.second.terms()
    }

    fn losses(&self, (input, labels): Self::Input) -> Losses {
        let code = frozen_copy(&self.first.encoder).encode(input).rsample();
        self.second.losses((code, labels))
    }

    fn advance(self) -> Self {
        Self {
            second: self.second.advance(),
            ..self
        }
    }
}
crate::learner!(StackedSemiSupervisedVae<F, S>);
