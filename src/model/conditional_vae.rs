use super::{LatentOf, Vae};
use crate::error::Result;
use crate::loss::{BernoulliNll, Kl, Losses};
use crate::nn::{LabeledDecoder, check_labels};
use crate::prior::StandardNormal;
use crate::traits::{
    Batch, Code, Decoder, Draw, Encoder, Evidence, LatentLoss, LatentVariableModel, Likelihood,
    Model, Posterior, Prior, ReconstructionLoss, Sampler,
};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

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
/// that know no labels.
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
/// let vae = ConditionalVae::new(
///     LabeledEncoder::new(encoder, classes, [28, 28], &device),
///     LabeledDecoder::new(decoder, classes),
///     StandardNormal::new(latent),
///     BernoulliNll,
/// );
/// let (images, labels) = (Tensor::<4>::zeros([3, 1, 28, 28], &device), Tensor::from_ints([7, 0, 1], &device));
/// vae.check_labels(&labels)?;
/// let gradients = vae.losses((images, labels)).mean().backward();
/// let sevens = vae.sample(Tensor::from_ints([7; 5], &Device::default()));
/// assert_eq!(sevens.dims(), [5, 1, 28, 28]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ConditionalVae<E, D, P = StandardNormal, L = BernoulliNll, R = Kl> {
    /// The parts, of which encoder and decoder read a pair.
    pub vae: Vae<E, D, P, L, R>,
}

impl<E, D, P, L, X, Y> ConditionalVae<E, D, P, L>
where
    X: Batch,
    Y: Batch,
    E: Encoder<Input = (X, Y), Code: Posterior>,
    D: Decoder<Latent = (LatentOf<E>, Y)>,
    P: Prior<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
{
    /// The conditional VAE of these parts, with the KL as it is.
    pub fn new(encoder: E, decoder: D, prior: P, likelihood: L) -> Self {
        Self::with_latent_loss(encoder, decoder, prior, likelihood, Kl::default())
    }
}

impl<E, D, P, L, R, X, Y> ConditionalVae<E, D, P, L, R>
where
    X: Batch,
    Y: Batch,
    E: Encoder<Input = (X, Y), Code: Code>,
    D: Decoder<Latent = (LatentOf<E>, Y)>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
    R: LatentLoss<E::Code, P>,
{
    /// The conditional autoencoder of these parts whose codes are held to the prior by this loss: a weighted [`Kl`], say.
    pub fn with_latent_loss(
        encoder: E,
        decoder: D,
        prior: P,
        likelihood: L,
        latent_loss: R,
    ) -> Self {
        Self {
            vae: Vae {
                encoder,
                decoder,
                prior,
                likelihood,
                latent_loss,
            },
        }
    }

    /// [`losses`](Model::losses) with the noise given, as [`Code::noise`] draws it.
    pub fn losses_with(&self, input: X, condition: Y, noise: <E::Code as Code>::Noise) -> Losses {
        let code = self.encode(input.clone(), condition.clone());
        let draw = code.draw_with(noise);
        self.losses_of_draw(input, condition, code, draw)
    }

    pub(super) fn losses_of_draw(
        &self,
        input: X,
        condition: Y,
        code: E::Code,
        draw: Draw<LatentOf<E>>,
    ) -> Losses {
        let output = self.decode(draw.z.clone(), condition);
        self.vae.losses_of(&code, &draw, output, input)
    }

    /// The posterior of each sample.
    pub fn encode(&self, input: X, condition: Y) -> E::Code {
        self.vae.encoder.encode((input, condition))
    }

    /// The decoder's output (logits or means) for each latent with its condition.
    pub fn decode(&self, latent: LatentOf<E>, condition: Y) -> D::Output {
        self.vae.decoder.decode((latent, condition))
    }

    /// What the model makes of each sample: data, from the [point](Code::point) of its posterior.
    pub fn reconstruct(&self, input: X, condition: Y) -> X {
        let code = self.encode(input, condition.clone()).point();
        self.vae.likelihood.point(self.decode(code, condition))
    }

    /// A sample of each condition: data, from a draw of the prior, on the condition's device; without gradients and as
    /// in evaluation.
    pub fn sample(&self, condition: Y) -> X {
        let device = condition.device().without_autodiff();
        let condition = condition.to_device(&device);
        let latent = self.vae.prior.valid().sample(condition.len(), &device);
        let output = self.vae.decoder.valid().decode((latent, condition));
        self.vae.likelihood.valid().point(output)
    }
}

impl<E, D, P, L, R> ConditionalVae<E, LabeledDecoder<D>, P, L, R> {
    /// Refuses labels that are no classes of the model: once, on a data set, as it reads back from the device.
    ///
    /// # Errors
    ///
    /// As [`check_labels`].
    pub fn check_labels(&self, labels: &Tensor<1, Int>) -> Result<()> {
        check_labels(labels, self.vae.decoder.classes(), false)
    }
}

/// The input is the pair of data and condition.
impl<E, D, P, L, R, X, Y> Model for ConditionalVae<E, D, P, L, R>
where
    X: Batch,
    Y: Batch,
    E: Encoder<Input = (X, Y), Code: Code>,
    D: Decoder<Latent = (LatentOf<E>, Y)>,
    P: Sampler<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
    R: LatentLoss<E::Code, P>,
{
    type Input = (X, Y);

    /// `reconstruction`, and those of the latent loss: `kl`.
    fn terms(&self) -> Vec<&'static str> {
        [vec!["reconstruction"], self.vae.latent_loss.terms()].concat()
    }

    fn losses(&self, (input, condition): (X, Y)) -> Losses {
        let code = self.encode(input.clone(), condition.clone());
        let draw = code.draw();
        self.losses_of_draw(input, condition, code, draw)
    }

    fn advance(mut self) -> Self {
        self.vae.latent_loss = self.vae.latent_loss.advance();
        self
    }
}
crate::learner!(ConditionalVae<E, D, P, L, R>);

/// `log p(x | y)`: the pair of data and condition is the input.
impl<E, D, P, L, R, X, Y> LatentVariableModel for ConditionalVae<E, D, P, L, R>
where
    X: Batch,
    Y: Batch,
    E: Encoder<Input = (X, Y), Code: Posterior>,
    D: Decoder<Latent = (LatentOf<E>, Y)>,
    P: Prior<Value = LatentOf<E>>,
    L: Likelihood<D::Output, X>,
{
    type Input = (X, Y);
    type Posterior = E::Code;

    fn posterior(&self, input: (X, Y)) -> E::Code {
        self.vae.encoder.encode(input)
    }

    fn evidence_of(
        &self,
        (input, condition): (X, Y),
        posterior: &E::Code,
        draw: Draw<LatentOf<E>>,
    ) -> Evidence {
        let output = self.vae.decoder.decode((draw.z.clone(), condition));
        self.vae.evidence_of_draw(posterior, draw, output, input)
    }
}
