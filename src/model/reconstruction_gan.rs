use crate::error::{Result, check_not_negative};
use crate::loss::Losses;
use crate::nn::{StepCount, frozen_copy};
use crate::traits::{AdversarialLoss, AutoencodingModel, Batch, Block, Critic, Model, Sampler};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Configuration of a [`ReconstructionGan`].
#[derive(Config, Debug)]
pub struct ReconstructionGanConfig {
    /// The weight of the generator's term beside the losses of the model.
    ///
    /// A reconstruction loss is a sum over all values of a sample, and the generator's term of order one whatever its size; so a
    /// weight in proportion to the number of values means the same at all sizes. The papers' code sets the weight anew at each
    /// step, by the norms of both gradients at the decoder's last layer; as a backward pass consumes its graph here, it is a number.
    pub weight: f64,
    /// Training steps of the model alone, before the critic joins in.
    #[config(default = 0)]
    pub start: usize,
}

impl ReconstructionGanConfig {
    /// This model with a critic of its reconstructions.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the weight is negative or not finite.
    pub fn init<M, C>(
        &self,
        model: M,
        critic: C,
        objective: impl AdversarialLoss + 'static,
    ) -> Result<ReconstructionGan<M, C>>
    where
        M: AutoencodingModel,
        C: Critic<Input = M::Input>,
    {
        let weight = check_not_negative("ReconstructionGan: the weight", self.weight)?;
        let device = critic.devices().into_iter().next().unwrap_or_default();
        Ok(ReconstructionGan {
            model,
            critic,
            objective: Arc::new(objective),
            steps: StepCount::new(&device.without_autodiff()),
            weight,
            start: self.start,
        })
    }
}

/// An autoencoding model whose reconstructions also have to look real: to a critic that learns to tell them from the data.
///
/// | term | model | critic |
/// |---|---|---|
/// | the model's own | trains, as they do there | - |
/// | `generator` | trains what the reconstruction is made by, times `weight`: decoder, and encoder | - |
/// | `critic` | - | trains |
///
/// - `generator`: the generator's objective on reconstructions, as a frozen copy of the critic judges them.
/// - `critic`: its objective on data as real and on reconstructions, detached, as fakes.
///
/// Of a critic of patches ([`PatchCritic`](crate::nn::PatchCritic)) the objective sees every patch; the terms are means over
/// those of a sample. Up to `start` steps the critic does not train, the model trains as it would alone, to the bit, and both terms
/// are 0: a critic of blurs would learn nothing that is of use later.
///
/// With a [`VqVae`](super::VqVae) it is VQGAN, with a [`Vae`](super::Vae) of the networks of an
/// [`AutoencoderKl`](super::AutoencoderKl) the first stage of latent diffusion; both without their perceptual loss, which is a
/// network with weights of its own, and with [`Hinge`](crate::loss::Hinge).
///
/// Rather than a [`VaeGan`](super::VaeGan), whose critic takes the place of a loss of pixels and judges samples of the prior too.
///
/// [Esser et al. 2021](https://arxiv.org/abs/2012.09841), section 3.1;
/// [Rombach et al. 2022](https://arxiv.org/abs/2112.10752), section 3.1.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::loss::{Hinge, L1Loss};
/// use burn_generative::model::ReconstructionGanConfig;
/// use burn_generative::nn::{Fsq, PatchCriticConfig, ResidualDecoderConfig, ResidualEncoderConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let shape = [1, 16, 16];
/// let vq_vae = VqVae::new(
///     ResidualEncoderConfig::new(shape, 2).with_features(4).init(&device)?,
///     ResidualDecoderConfig::new(2, shape).with_features(4).init(&device)?,
///     Fsq::new([5, 4])?,
///     L1Loss,
/// );
/// let critic = PatchCriticConfig::new(shape).with_features(4).with_halvings(1).init(&device)?;
/// let mut model = ReconstructionGanConfig::new(10.0).with_start(2).init(vq_vae, critic, Hinge)?;
/// let images = Tensor::<4>::zeros([8, 1, 16, 16], &device);
/// let mut optimizer = AdamConfig::new().with_beta_1(0.5).init();
/// for _step in 0..4 {
///     (model, _) = model.learn(&mut optimizer, 1e-4, images.clone());
/// }
/// assert_eq!(model.model.reconstruct(images).dims(), [8, 1, 16, 16]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ReconstructionGan<M, C> {
    /// What makes the reconstructions.
    pub model: M,
    /// Tells data from reconstructions.
    pub critic: C,
    /// What the two play for.
    #[module(skip)]
    pub objective: Arc<dyn AdversarialLoss>,
    steps: StepCount,
    weight: f64,
    start: usize,
}

impl<M, C> ReconstructionGan<M, C>
where
    M: AutoencodingModel,
    C: Critic<Input = M::Input>,
{
    /// The terms of the game, and as the total what they add to that of the model.
    fn game(&self, data: M::Input, reconstruction: M::Input) -> Losses {
        let frozen_critic = frozen_copy(&self.critic);
        let [generator_scores, real, fake] = [
            frozen_critic.patch_scores(reconstruction.clone()),
            self.critic.patch_scores(data),
            self.critic.patch_scores(reconstruction.detach()),
        ];
        let generator = by_patch([generator_scores], |[fake]| self.objective.generator(fake));
        let critic = by_patch([real, fake], |[real, fake]| {
            self.objective.critic(real, fake)
        });
        Losses::new(generator.clone().mul_scalar(self.weight) + critic.clone())
            .with_term("generator", generator)
            .with_term("critic", critic)
    }
}

/// What an objective says of every patch, its mean over those of a sample, `[batch]`; the scores are `[batch, patches]` each.
fn by_patch<const K: usize>(
    scores: [Tensor<2>; K],
    objective: impl FnOnce([Tensor<1>; K]) -> Tensor<1>,
) -> Tensor<1> {
    let [batch, patches] = scores[0].dims();
    let costs = objective(scores.map(|scores| scores.flatten(0, 1)));
    costs.reshape([batch, patches]).mean_dim(1).squeeze_dim(1)
}

impl<M, C> Model for ReconstructionGan<M, C>
where
    M: AutoencodingModel,
    C: Critic<Input = M::Input>,
{
    type Input = M::Input;

    /// The model's own, `generator` and `critic`.
    fn terms(&self) -> Vec<&'static str> {
        [self.model.terms(), vec!["generator", "critic"]].concat()
    }

    /// # Panics
    ///
    /// If the reconstructions have another shape than the data.
    fn losses(&self, data: M::Input) -> Losses {
        if self.steps.taken() < self.start {
            let losses = self.model.losses(data);
            let nothing = losses.total.zeros_like();
            return losses
                .with_term("generator", nothing.clone())
                .with_term("critic", nothing);
        }
        let (losses, reconstruction) = self.model.losses_and_reconstruction(data.clone());
        let [made, given] = [&reconstruction, &data].map(|data| super::in_words(&data.shapes()));
        assert!(
            made == given,
            "ReconstructionGan: the model makes {made} of data of {given}"
        );
        losses.plus(self.game(data, reconstruction))
    }

    fn advance(self) -> Self {
        Self {
            model: self.model.advance(),
            steps: self.steps.advance(),
            ..self
        }
    }
}
crate::learner!(ReconstructionGan<M, C>);

/// Samples are the model's.
impl<M: Sampler, C: Block> Sampler for ReconstructionGan<M, C> {
    type Value = M::Value;

    fn sample(&self, n: usize, device: &Device) -> M::Value {
        self.model.sample(n, device)
    }
}
