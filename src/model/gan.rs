use crate::error::{Result, check_at_least_one};
use crate::loss::{Losses, Unregularized};
use crate::nn::{frozen_copy, is_trained};
use crate::prior::StandardNormal;
use crate::traits::{
    AdversarialLoss, Batch, Block, Critic, CriticRegularizer, Decoder, Model, Sampler,
};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};
use std::sync::Arc;

/// Configuration of a [`Gan`].
#[derive(Config, Debug)]
pub struct GanConfig {
    /// Steps of the critic for each step of the generator; the generator takes the last of them.
    #[config(default = "1")]
    pub critic_steps: usize,
}

impl GanConfig {
    /// The GAN of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `critic_steps` is 0.
    pub fn init<G, C, P, R>(
        &self,
        generator: G,
        critic: C,
        prior: P,
        objective: impl AdversarialLoss + 'static,
        regularizer: R,
    ) -> Result<Gan<G, C, P, R>>
    where
        P: Sampler,
        G: Decoder<Latent = P::Value, Output: Batch>,
        C: Critic<Input = G::Output>,
        R: CriticRegularizer<C, G::Output>,
    {
        check_at_least_one("Gan", "critic_steps", self.critic_steps)?;
        let device = critic.devices().into_iter().next().unwrap_or_default();
        let taken = Tensor::zeros([1], (&device, DType::F32));
        Ok(Gan {
            generator,
            critic,
            prior,
            objective: Arc::new(objective),
            regularizer,
            critic_steps: self.critic_steps,
            taken: Param::from_tensor(taken).set_require_grad(false),
            known: None,
        })
    }
}

/// A generative adversarial network: a generator that makes data from noise, and a critic that learns to tell
/// it from real data.
///
/// | term | generator | critic | prior |
/// |---|---|---|---|
/// | `critic` | - | trains | - |
/// | `penalty` | - | trains | - |
/// | `generator` | trains | - | trains, if it can learn |
///
/// The total is their sum. Its terms touch disjoint parameters: the critic sees the fakes detached, and the
/// generator a frozen copy of the critic. The [`AdversarialLoss`] and the [`CriticRegularizer`] make it the
/// GAN of a paper:
///
/// | | objective | regularizer | `critic_steps` |
/// |---|---|---|---|
/// | [GAN](https://arxiv.org/abs/1406.2661) | [`NonSaturating`](crate::loss::NonSaturating), [`Minimax`](crate::loss::Minimax) | [`Unregularized`] | 1 |
/// | [LSGAN](https://arxiv.org/abs/1611.04076) | [`LeastSquares`](crate::loss::LeastSquares) | [`Unregularized`] | 1 |
/// | [WGAN](https://arxiv.org/abs/1701.07875) | [`Wasserstein`](crate::loss::Wasserstein) | [`WeightClipping`](crate::loss::WeightClipping) 0.01 | 5 |
/// | [WGAN-GP](https://arxiv.org/abs/1704.00028) | [`Wasserstein`](crate::loss::Wasserstein) | [`GradientPenalty`](crate::loss::GradientPenalty) 10 | 5 |
///
/// Both players step at once: the generator is judged by the critic as it was before that step, on the same
/// noise. (The papers take turns, with fresh noise for each; the last of `critic_steps` is shared here.)
///
/// With `critic_steps > 1` the generator trains at every `critic_steps`-th step only, and has no gradient at
/// the others, so that an optimizer leaves it alone: [`learn`](Model::learn) and burn's `Learner` count the steps, and
/// the count is part of a record. In evaluation the total
/// is always that of all terms.
///
/// Rather than a [`Vae`](super::Vae), where samples are to be sharp and nothing need be encoded or have a likelihood.
/// Images want [`ConvCritic`](crate::nn::ConvCritic) with spectral normalisation or the penalty, and a generator with
/// `normalize_code` and [`Squashed`](crate::nn::Squashed).
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::loss::{GradientPenalty, Wasserstein};
/// use burn_generative::model::GanConfig;
/// use burn_generative::nn::MlpCriticConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let mut gan = GanConfig::new().with_critic_steps(5).init(
///     MlpDecoderConfig::new(2, vec![2]).init::<2>(&device)?,
///     MlpCriticConfig::new(vec![2]).init::<2>(&device)?,
///     StandardNormal::new(2),
///     Wasserstein,
///     GradientPenalty::new(10.0)?,
/// )?;
/// let mut optimizer = AdamConfig::new().with_beta_1(0.0).with_beta_2(0.9).init();
/// let real = Tensor::<2>::ones([16, 2], &device);
/// for _step in 0..10 {
///     (gan, _) = gan.learn(&mut optimizer, 1e-4, real.clone());
/// }
/// assert_eq!(gan.sample(8, &device).dims(), [8, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Gan<G, C, P = StandardNormal, R = Unregularized> {
    /// Makes data from noise.
    pub generator: G,
    /// Tells real from made.
    pub critic: C,
    /// Where the noise comes from.
    pub prior: P,
    /// What the two play for.
    #[module(skip)]
    pub objective: Arc<dyn AdversarialLoss>,
    /// What keeps the critic smooth.
    pub regularizer: R,
    critic_steps: usize,
    /// The steps since the generator's last, for a record: a parameter without a gradient, as in `nn::Warmup`.
    taken: Param<Tensor<1>>,
    /// Host copy of `taken`, where it has been read or counted: no step waits for the device.
    #[module(skip)]
    known: Option<usize>,
}

impl<G, C, P, R> Gan<G, C, P, R>
where
    P: Sampler,
    G: Decoder<Latent = P::Value, Output: Batch>,
    C: Critic<Input = G::Output>,
    R: CriticRegularizer<C, G::Output>,
{
    /// The deterministic twin of [`losses`](Model::losses): with these latents, and this noise for the penalty, as
    /// [`CriticRegularizer::noise`] draws it.
    pub fn losses_with(&self, real: G::Output, latent: P::Value, noise: G::Output) -> Losses {
        let trains = self.generator_trains();
        let fake = self.make(latent, &real, trains);
        let detached = fake.clone().detach();
        let penalty = self
            .regularizer
            .penalty_with(&self.critic, real.clone(), detached, noise);
        self.losses_of(real, fake, penalty, trains)
    }

    /// Whether the generator's term counts: in training only at its turn.
    fn generator_trains(&self) -> bool {
        self.is_generators_turn() || !is_trained(&self.critic)
    }

    fn make(&self, latent: P::Value, real: &G::Output, trains: bool) -> G::Output {
        // Out of turn it leaves no graph behind that nobody would go back through.
        let fake = if trains {
            self.generator.decode(latent)
        } else {
            frozen_copy(&self.generator).decode(latent)
        };
        let [made, given] = [&fake, real].map(|data| super::in_words(&data.shapes()));
        assert!(
            made == given,
            "Gan: the generator makes {made}, but the real data is {given}",
        );
        fake
    }

    fn losses_of(
        &self,
        real: G::Output,
        fake: G::Output,
        penalty: Option<Tensor<1>>,
        trains: bool,
    ) -> Losses {
        let fake_score = self.critic.score(fake.clone().detach());
        let generator = if trains {
            let frozen_critic = frozen_copy(&self.critic);
            self.objective.generator(frozen_critic.score(fake))
        } else {
            // Of no use to an optimizer, but to be watched.
            self.objective.generator(fake_score.clone().detach())
        };
        let critic = self.objective.critic(self.critic.score(real), fake_score);
        let penalty = penalty.unwrap_or_else(|| critic.zeros_like());
        let mut total = critic.clone() + penalty.clone();
        if trains {
            total = total + generator.clone();
        }
        Losses::new(total)
            .with_term("critic", critic)
            .with_term("penalty", penalty)
            .with_term("generator", generator)
    }
}

impl<G, C, P, R> Gan<G, C, P, R> {
    /// Whether the step that comes next trains the generator too.
    pub fn is_generators_turn(&self) -> bool {
        self.critic_steps == 1 || self.taken() + 1 == self.critic_steps
    }

    /// The steps since the generator's last. After a record was loaded, they are read from the device, once.
    fn taken(&self) -> usize {
        self.known
            .unwrap_or_else(|| self.taken.val().into_scalar::<f32>() as usize)
    }
}

impl<G, C, P, R> Model for Gan<G, C, P, R>
where
    P: Sampler,
    G: Decoder<Latent = P::Value, Output: Batch>,
    C: Critic<Input = G::Output>,
    R: CriticRegularizer<C, G::Output>,
{
    type Input = G::Output;

    fn terms(&self) -> Vec<&'static str> {
        vec!["critic", "penalty", "generator"]
    }

    /// The total is the sum of the terms, without the generator's where it is not its turn.
    ///
    /// # Panics
    ///
    /// If the generator's data has another shape than the real.
    fn losses(&self, real: G::Output) -> Losses {
        let trains = self.generator_trains();
        let (n, device) = (real.len(), real.device());
        let latent = if trains {
            self.prior.sample(n, &device)
        } else {
            frozen_copy(&self.prior).sample(n, &device)
        };
        let fake = self.make(latent, &real, trains);
        let detached = fake.clone().detach();
        let penalty = self
            .regularizer
            .penalty(&self.critic, real.clone(), detached);
        self.losses_of(real, fake, penalty, trains)
    }

    /// Counts one training step, and holds the critic to what its regularizer allows.
    fn advance(mut self) -> Self {
        let taken = (self.taken() + 1) % self.critic_steps;
        self.known = Some(taken);
        self.taken = self.taken.map(|old| old.full_like(taken as f64));
        self.critic = self.regularizer.constrain(self.critic);
        self
    }
}
crate::learner!(Gan<G, C, P, R>);

/// Samples are what the generator makes of draws of the prior, without gradients and as in evaluation.
impl<G, C, P, R> Sampler for Gan<G, C, P, R>
where
    P: Sampler,
    G: Decoder<Latent = P::Value, Output: Batch>,
    C: Block,
    R: Block,
{
    type Value = G::Output;

    fn sample(&self, n: usize, device: &Device) -> G::Output {
        super::sample(&self.prior, &self.generator, n, device)
    }
}
