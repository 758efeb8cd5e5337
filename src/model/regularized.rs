use crate::error::{Result, check_not_negative};
use crate::loss::Losses;
use crate::nn::{SpectralPenalty, is_trained};
use crate::traits::{Code, Draw, Evidence, LatentVariableModel, Model, Sampler};
use burn::module::Module;
use burn::tensor::Device;

/// A model in whose training the steepness of its networks costs something: `losses + weight spectral`.
///
/// | term | network | trains |
/// |---|---|---|
/// | the model's own | | |
/// | `spectral` | all convolutions and normalisations | them |
///
/// `spectral` is the [`SpectralPenalty`], the same for each sample. In evaluation it is a term, and no part of the total.
///
/// [Vahdat & Kautz 2020](https://arxiv.org/abs/2007.03898), section 3.2.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::model::{Autoencoder, Regularized};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let encoder = ConvEncoderConfig::new([1, 8, 8], 2).init(&device)?;
/// let decoder = ConvDecoderConfig::new(2, [1, 8, 8]).init(&device)?;
/// let model = Regularized::new(Autoencoder::new(encoder, decoder, BernoulliNll), 0.01)?;
/// let losses = model.losses(Tensor::<4>::zeros([3, 1, 8, 8], &device));
/// assert_eq!(losses.term("spectral").unwrap().dims(), [3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Regularized<M> {
    /// What is trained.
    pub model: M,
    penalty: SpectralPenalty,
    weight: f64,
}

impl<M: Model> Regularized<M> {
    /// This model with the penalty times a weight: 0.01 to 0.1 in the paper.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the weight is negative or not finite.
    pub fn new(model: M, weight: f64) -> Result<Self> {
        Ok(Self {
            weight: check_not_negative("Regularized: the weight", weight)?,
            penalty: SpectralPenalty::new(&model),
            model,
        })
    }
}

impl<M: Model> Model for Regularized<M> {
    type Input = M::Input;

    /// The model's own, and `spectral`.
    fn terms(&self) -> Vec<&'static str> {
        let mut terms = self.model.terms();
        terms.push("spectral");
        terms
    }

    fn losses(&self, input: M::Input) -> Losses {
        let mut losses = self.model.losses(input);
        let spectral = self.penalty.of(&self.model).expand(losses.total.dims());
        if is_trained(&self.model) {
            losses.total = losses.total + spectral.clone() * self.weight;
        }
        losses.with_term("spectral", spectral)
    }

    fn advance(self) -> Self {
        Self {
            model: self.model.advance(),
            ..self
        }
    }
}
crate::learner!(Regularized<M>);

/// Samples are the model's.
impl<M: Sampler> Sampler for Regularized<M> {
    type Value = M::Value;

    fn sample(&self, n: usize, device: &Device) -> M::Value {
        self.model.sample(n, device)
    }
}

/// Evidence is the model's.
impl<M: LatentVariableModel> LatentVariableModel for Regularized<M> {
    type Input = M::Input;
    type Posterior = M::Posterior;

    fn posterior(&self, input: M::Input) -> M::Posterior {
        self.model.posterior(input)
    }

    fn evidence_of(
        &self,
        input: M::Input,
        posterior: &M::Posterior,
        draw: Draw<<M::Posterior as Code>::Latent>,
    ) -> Evidence {
        self.model.evidence_of(input, posterior, draw)
    }

    fn evidence(&self, input: M::Input, posterior: &M::Posterior) -> Evidence {
        self.model.evidence(input, posterior)
    }
}
