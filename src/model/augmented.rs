use crate::loss::Losses;
use crate::nn::is_trained;
use crate::traits::{Block, Code, Corruption, Draw, Evidence, LatentVariableModel, Model, Sampler};
use burn::module::Module;
use burn::tensor::Device;

/// A model whose training data is changed at random, anew at every step: binarised, noisy, shifted. In evaluation it sees data
/// as they are.
///
/// All terms are the model's own, of the changed data. Rather than a
/// [`DenoisingAutoencoder`](super::DenoisingAutoencoder), whose target is the clean data.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::model::Augmented;
/// use burn_generative::nn::Binarization;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let vae = Vae::new(
///     MlpEncoderConfig::new(vec![1, 28, 28], 20).init_gaussian(&device)?,
///     MlpDecoderConfig::new(20, vec![1, 28, 28]).init(&device)?,
///     StandardNormal::new(20),
///     BernoulliNll,
/// );
/// let model = Augmented::new(vae, Binarization);
/// let grey = Tensor::<4>::full([8, 1, 28, 28], 0.3, &device);
/// let gradients = model.losses(grey).mean().backward();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Augmented<M, C> {
    /// What is trained.
    pub model: M,
    /// What is done to its training data.
    pub augmentation: C,
}

impl<M: Model, C: Corruption<M::Input>> Augmented<M, C> {
    /// This model on data that is changed so.
    pub fn new(model: M, augmentation: C) -> Self {
        Self {
            model,
            augmentation,
        }
    }
}

impl<M: Model, C: Corruption<M::Input>> Model for Augmented<M, C> {
    type Input = M::Input;

    fn terms(&self) -> Vec<&'static str> {
        self.model.terms()
    }

    fn losses(&self, input: M::Input) -> Losses {
        if is_trained(&self.model) {
            self.model.losses(self.augmentation.corrupt(input))
        } else {
            self.model.losses(input)
        }
    }

    fn advance(self) -> Self {
        Self {
            model: self.model.advance(),
            ..self
        }
    }
}
crate::learner!(Augmented<M, C>);

/// Samples are the model's.
impl<M: Sampler, C: Block> Sampler for Augmented<M, C> {
    type Value = M::Value;

    fn sample(&self, n: usize, device: &Device) -> M::Value {
        self.model.sample(n, device)
    }
}

/// Evidence is the model's, of data as they are.
impl<M: LatentVariableModel, C> LatentVariableModel for Augmented<M, C> {
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
