use crate::error::{Result, check_at_least_one};
use crate::loss::{Losses, NonSaturating, Unregularized};
use crate::nn::{frozen_copy, is_trained};
use crate::prior::StandardNormal;
use crate::traits::{AdversarialLoss, Critic, CriticRegularizer, Decoder, Prior};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

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
    pub fn init<G, C: Module, P, A, R>(
        &self,
        generator: G,
        critic: C,
        prior: P,
        objective: A,
        regularizer: R,
    ) -> Result<Gan<G, C, P, A, R>> {
        check_at_least_one("Gan", "critic_steps", self.critic_steps)?;
        let device = critic.devices().into_iter().next().unwrap_or_default();
        let taken = Tensor::zeros([1], &device);
        Ok(Gan {
            generator,
            critic,
            prior,
            objective,
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
/// | [GAN](https://arxiv.org/abs/1406.2661) | [`NonSaturating`], [`Minimax`](crate::loss::Minimax) | [`Unregularized`] | 1 |
/// | [LSGAN](https://arxiv.org/abs/1611.04076) | [`LeastSquares`](crate::loss::LeastSquares) | [`Unregularized`] | 1 |
/// | [WGAN](https://arxiv.org/abs/1701.07875) | [`Wasserstein`](crate::loss::Wasserstein) | [`WeightClipping`](crate::loss::WeightClipping) 0.01 | 5 |
/// | [WGAN-GP](https://arxiv.org/abs/1704.00028) | [`Wasserstein`](crate::loss::Wasserstein) | [`GradientPenalty`](crate::loss::GradientPenalty) 10 | 5 |
///
/// Both players step at once: the generator is judged by the critic as it was before that step, on the same
/// noise. (The papers take turns, with fresh noise for each; the last of `critic_steps` is shared here.)
///
/// With `critic_steps > 1` the generator trains at every `critic_steps`-th step only, and has no gradient at
/// the others, so that an optimizer leaves it alone. burn's `Learner` counts by itself; a loop of your own
/// calls [`advance`](Self::advance) after each step. The count is part of a record. In evaluation the total
/// is always that of all terms.
///
/// Rather than a [`Vae`](super::Vae), where samples are to be sharp and nothing need be encoded or have a likelihood.
/// Images want [`ConvCritic`](crate::nn::ConvCritic) with spectral normalisation or the penalty, and a generator with
/// `normalize_code` and [`Squashed`](crate::nn::Squashed).
///
/// ```
/// use burn::optim::{AdamConfig, GradientsParams};
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
///     let gradients = gan.losses(real.clone()).mean().backward();
///     let gradients = GradientsParams::from_grads(gradients, &gan);
///     gan = optimizer.step(1e-4, gan, gradients).advance();
/// }
/// assert_eq!(gan.sample(8, &device).dims(), [8, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Gan<G, C, P = StandardNormal, A = NonSaturating, R = Unregularized> {
    /// Makes data from noise.
    pub generator: G,
    /// Tells real from made.
    pub critic: C,
    /// Where the noise comes from.
    pub prior: P,
    /// What the two play for.
    pub objective: A,
    /// What keeps the critic smooth.
    pub regularizer: R,
    critic_steps: usize,
    /// The steps since the generator's last, for a record: a parameter without a gradient, as in `nn::Warmup`.
    taken: Param<Tensor<1>>,
    /// The same, where it has been read or counted: no step waits for the device.
    #[module(skip)]
    known: Option<usize>,
}

impl<G, C, P, A, R, const D: usize> Gan<G, C, P, A, R>
where
    P: Prior + Module,
    G: Decoder<Latent = P::Latent, Output = Tensor<D>> + Module,
    C: Critic<Input = Tensor<D>> + Module,
    A: AdversarialLoss,
    R: CriticRegularizer<C, Tensor<D>>,
{
    /// The terms `critic`, `penalty` and `generator`, per sample, and the total: their sum, without the
    /// generator's where it is not its turn.
    ///
    /// # Panics
    ///
    /// If the generator's data has another shape than the real.
    pub fn losses(&self, real: Tensor<D>) -> Losses {
        let trains = self.generator_trains();
        let (n, device) = (real.dims()[0], real.device());
        let latent = match trains {
            true => self.prior.sample(n, &device),
            false => frozen_copy(&self.prior).sample(n, &device),
        };
        let fake = self.make(latent, &real, trains);
        let penalty = self
            .regularizer
            .penalty(&self.critic, real.clone(), fake.clone().detach());
        self.losses_of(real, fake, penalty, trains)
    }

    /// The deterministic twin of [`losses`](Self::losses): with these latents, and `mix` for the penalty
    /// (`[batch, 1, ...]`, in `[0, 1]`).
    pub fn losses_with(&self, real: Tensor<D>, latent: P::Latent, mix: Tensor<D>) -> Losses {
        let trains = self.generator_trains();
        let fake = self.make(latent, &real, trains);
        let penalty =
            self.regularizer
                .penalty_with(&self.critic, real.clone(), fake.clone().detach(), mix);
        self.losses_of(real, fake, penalty, trains)
    }

    /// Whether the generator's term counts: in training only at its turn.
    fn generator_trains(&self) -> bool {
        self.is_generators_turn() || !is_trained(&self.critic)
    }

    fn make(&self, latent: P::Latent, real: &Tensor<D>, trains: bool) -> Tensor<D> {
        // Out of turn it leaves no graph behind that nobody would go back through.
        let fake = match trains {
            true => self.generator.decode(latent),
            false => frozen_copy(&self.generator).decode(latent),
        };
        assert!(
            fake.dims() == real.dims(),
            "Gan: the generator makes {:?}, but the real data is {:?}",
            fake.dims(),
            real.dims(),
        );
        fake
    }

    fn losses_of(
        &self,
        real: Tensor<D>,
        fake: Tensor<D>,
        penalty: Option<Tensor<1>>,
        trains: bool,
    ) -> Losses {
        let fake_score = self.critic.score(fake.clone().detach());
        let generator = match trains {
            true => self
                .objective
                .generator(frozen_copy(&self.critic).score(fake)),
            // Of no use to an optimizer, but to be watched.
            false => self.objective.generator(fake_score.clone().detach()),
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

    /// What the generator makes of `n` samples of the prior, without gradients and as in evaluation.
    pub fn sample(&self, n: usize, device: &Device) -> Tensor<D> {
        super::sample(&self.prior, &self.generator, n, device)
    }

    /// Counts one training step, and holds the critic to what its regularizer allows. After every step of an
    /// optimizer: burn's `Learner` does it by itself.
    pub fn advance(mut self) -> Self {
        let taken = (self.taken() + 1) % self.critic_steps;
        self.known = Some(taken);
        self.taken = self.taken.map(|old| old.full_like(taken as f64));
        self.critic = self.regularizer.constrain(self.critic);
        self
    }
}

impl<G, C, P, A, R> Gan<G, C, P, A, R> {
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

#[cfg(feature = "train")]
mod steps {
    use super::super::{advance_after_each_step, backward};
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<G, C, P, A, R, const D: usize> TrainStep for Gan<G, C, P, A, R>
    where
        Self: Module,
        P: Prior + Module,
        G: Decoder<Latent = P::Latent, Output = Tensor<D>> + Module,
        C: Critic<Input = Tensor<D>> + Module,
        A: AdversarialLoss,
        R: CriticRegularizer<C, Tensor<D>>,
    {
        type Input = Tensor<D>;
        type Output = Losses;

        fn step(&self, input: Tensor<D>) -> TrainOutput<Losses> {
            backward(self, self.losses(input))
        }

        advance_after_each_step!();
    }

    impl<G, C, P, A, R, const D: usize> InferenceStep for Gan<G, C, P, A, R>
    where
        P: Prior + Module,
        G: Decoder<Latent = P::Latent, Output = Tensor<D>> + Module,
        C: Critic<Input = Tensor<D>> + Module,
        A: AdversarialLoss,
        R: CriticRegularizer<C, Tensor<D>>,
    {
        type Input = Tensor<D>;
        type Output = Losses;

        fn step(&self, input: Tensor<D>) -> Losses {
            self.losses(input)
        }
    }
}
