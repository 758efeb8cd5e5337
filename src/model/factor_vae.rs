use super::Vae;
use crate::error::{Result, check_not_negative};
use crate::loss::{BernoulliNll, Losses, NonSaturating, weigh};
use crate::nn::{Warmup, frozen_copy};
use crate::prior::StandardNormal;
use crate::traits::{
    AdversarialLoss, Code, Critic, Decoder, Draw, Encoder, Evidence, LatentVariableModel,
    Likelihood, Model, Posterior, Prior, ReconstructionLoss, Sampler,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};

/// Configuration of a [`FactorVae`].
#[derive(Config, Debug)]
pub struct FactorVaeConfig {
    /// The weight of the total correlation. The paper's best for sprites is 35.
    #[config(default = "35.0")]
    pub gamma: f64,
}

impl FactorVaeConfig {
    /// The FactorVAE of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `gamma` is negative or not finite.
    pub fn init<E, D, C, P, L>(
        &self,
        encoder: E,
        decoder: D,
        critic: C,
        prior: P,
        likelihood: L,
    ) -> Result<FactorVae<E, D, C, P, L>>
    where
        E: Encoder<Code: Posterior<Latent = Tensor<2>>>,
        D: Decoder<Latent = Tensor<2>>,
        C: Critic<Input = Tensor<2>>,
        P: Prior<Value = Tensor<2>>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        Ok(FactorVae {
            vae: Vae::new(encoder, decoder, prior, likelihood),
            critic,
            schedule: None,
            gamma: check_not_negative("FactorVae: gamma", self.gamma)?,
        })
    }
}

/// A FactorVAE: a [`Vae`] that also minimises the total correlation of its codes, `KL(q(z) || prod_d q(z_d))`, which a critic
/// estimates. So the coordinates become independent of each other.
///
/// | term | encoder | decoder | critic | prior |
/// |---|---|---|---|---|
/// | `reconstruction` | trains, through the sample | trains | - | - |
/// | `kl` | trains | - | - | trains, if it has parameters |
/// | `total_correlation` | trains, times `gamma` | - | - | - |
/// | `critic` | - | - | trains | - |
///
/// The critic tells codes from such whose coordinates come from different samples: each coordinate of the batch in an order of
/// its own. Its logit is then `log q(z) - sum_d log q(z_d)`, and the term `total_correlation` its value at the code that was
/// drawn (and decoded). The paper takes the shuffled codes from a batch of their own; here they are this batch's.
///
/// Rather than [`TotalCorrelation`](crate::loss::TotalCorrelation), which needs no critic: its estimate asks for large batches,
/// and for posteriors that are Gaussian.
///
/// [Kim & Mnih 2018](https://arxiv.org/abs/1802.05983), algorithm 2.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let model = FactorVaeConfig::new().with_gamma(10.0).init(
///     MlpEncoderConfig::new(vec![13], 4).init_gaussian(&device)?,
///     MlpDecoderConfig::new(4, vec![13]).init(&device)?,
///     MlpCriticConfig::new(vec![4]).init::<2>(&device)?,
///     StandardNormal::new(4),
///     GaussianNll::default(),
/// )?;
/// let losses = model.losses(Tensor::<2>::zeros([64, 13], &device));
/// assert_eq!(losses.term("total_correlation").unwrap().dims(), [64]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct FactorVae<E, D, C, P = StandardNormal, L = BernoulliNll> {
    /// The parts of the autoencoder.
    pub vae: Vae<E, D, P, L>,
    /// Tells codes from shuffled ones.
    pub critic: C,
    schedule: Option<Warmup>,
    gamma: f64,
}

impl<E, D, C, P, L> FactorVae<E, D, C, P, L>
where
    E: Encoder<Code: Posterior<Latent = Tensor<2>>>,
    D: Decoder<Latent = Tensor<2>>,
    C: Critic<Input = Tensor<2>>,
    P: Prior<Value = Tensor<2>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// Multiplies `gamma`, in training, with the weight of a schedule.
    pub fn with_schedule(mut self, schedule: Warmup) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// The deterministic twin of [`losses`](Model::losses): with this noise for the code, as [`Code::noise`] draws it, and each
    /// coordinate of the shuffled codes in the order of its column of `ranks`, `[batch, latent]`.
    pub fn losses_with(
        &self,
        input: E::Input,
        noise: <E::Code as Code>::Noise,
        ranks: Tensor<2>,
    ) -> Losses {
        let posterior = self.vae.encode(input.clone());
        let draw = posterior.draw_with(noise);
        self.losses_of(input, &posterior, draw, ranks)
    }

    fn losses_of(
        &self,
        input: E::Input,
        posterior: &E::Code,
        draw: Draw<Tensor<2>>,
        ranks: Tensor<2>,
    ) -> Losses {
        let output = self.vae.decode(draw.z.clone());
        let losses = self.vae.losses_of(posterior, &draw, output, input);
        let code = draw.z.clone().detach();
        let shuffled = code.clone().gather(0, ranks.argsort(0));
        let [of_code, of_shuffled] = [code, shuffled].map(|z| self.critic.score(z));
        let critic = NonSaturating.critic(of_code, of_shuffled);
        let correlation = frozen_copy(&self.critic).score(draw.z);
        let weighed = weigh(correlation.clone(), self.gamma, &self.schedule);
        let own = Losses::new(weighed + critic.clone())
            .with_term("total_correlation", correlation)
            .with_term("critic", critic);
        losses.plus(own)
    }
}

impl<E, D, C, P, L> Model for FactorVae<E, D, C, P, L>
where
    E: Encoder<Code: Posterior<Latent = Tensor<2>>>,
    D: Decoder<Latent = Tensor<2>>,
    C: Critic<Input = Tensor<2>>,
    P: Prior<Value = Tensor<2>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        [self.vae.terms(), vec!["total_correlation", "critic"]].concat()
    }

    fn losses(&self, input: E::Input) -> Losses {
        let posterior = self.vae.encode(input.clone());
        let draw = posterior.draw();
        let ranks = Tensor::random(draw.z.dims(), Distribution::Default, &draw.z.device());
        self.losses_of(input, &posterior, draw, ranks)
    }

    fn advance(self) -> Self {
        Self {
            schedule: self.schedule.map(Warmup::advance),
            ..self
        }
    }
}
crate::learner!(FactorVae<E, D, C, P, L>);

/// Samples are those of the [`Vae`].
impl<E, D, C, P, L> Sampler for FactorVae<E, D, C, P, L>
where
    E: Encoder<Code: Posterior<Latent = Tensor<2>>>,
    D: Decoder<Latent = Tensor<2>>,
    C: Critic<Input = Tensor<2>>,
    P: Prior<Value = Tensor<2>>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        self.vae.sample(n, device)
    }
}

/// That of the [`Vae`]: the critic is no part of the likelihood.
impl<E, D, C, P, L> LatentVariableModel for FactorVae<E, D, C, P, L>
where
    E: Encoder<Code: Posterior<Latent = Tensor<2>>>,
    D: Decoder<Latent = Tensor<2>>,
    P: Prior<Value = Tensor<2>>,
    L: Likelihood<D::Output, E::Input>,
{
    type Input = E::Input;
    type Posterior = E::Code;

    fn posterior(&self, input: E::Input) -> E::Code {
        self.vae.posterior(input)
    }

    fn evidence_of(&self, input: E::Input, posterior: &E::Code, draw: Draw<Tensor<2>>) -> Evidence {
        self.vae.evidence_of(input, posterior, draw)
    }
}
