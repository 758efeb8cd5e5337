use crate::distribution::DiagonalGaussian;
use crate::error::Result;
use crate::hierarchy::{Descent, Take, TopDown, TopDownPosterior, Visit, generate};
use crate::loss::{BernoulliNll, Kl, Losses};
use crate::prior::StandardNormal;
use crate::traits::{
    Batch, Code, Draw, Evidence, LatentLoss, LatentVariableModel, Likelihood, Model,
    ReconstructionLoss, Sampler,
};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::sync::{Mutex, PoisonError};

/// The latent of one level.
type LevelLatent<T> = <<T as TopDown>::Level as Code>::Latent;

/// A variational autoencoder whose latents have several levels, each given those above it:
/// `losses = -log p(x | z) + sum of beta KL(q(z_l | z_1, .., z_(l-1), x) || p(z_l | z_1, .., z_(l-1)))`.
///
/// | term | network | trains |
/// |---|---|---|
/// | `reconstruction` | the way up, the way down, the output | through the draws |
/// | `kl` | the way up, the way down | both, as the prior is learned |
///
/// `kl` is the sum of the terms `kl_1`, of the top, `kl_2` and so on, each in closed form given the latents above it. The
/// weight of each is what [`Kl`] says: beta, a warm-up; free bits and a capacity are those of each level by itself.
///
/// Rather than a [`Vae`](super::Vae), where the data have structure of several scales and one level of independent coordinates
/// is a poor prior.
///
/// [Sønderby et al. 2016](https://arxiv.org/abs/1602.02282) for the [`Ladder`](crate::hierarchy::Ladder);
/// [`TopDown`] shows a network of one's own.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::hierarchy::{LadderConfig, Take};
/// use burn_generative::model::HierarchicalVae;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let decoder = MlpDecoderConfig::new(4, vec![16]).init(&device)?;
/// let ladder = LadderConfig::new(vec![16], vec![2, 4], vec![8, 16]).init(decoder, &device)?;
/// let mut model = HierarchicalVae::new(ladder, BernoulliNll);
/// let rows = Tensor::<2>::zeros([8, 16], &device);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (model, _) = model.learn(&mut optimizer, 1e-3, rows.clone());
/// }
/// // What the top level knows: its latents from data, the level below drawn at half the spread.
/// let codes = model.encode(rows).point();
/// let levels = [Take::Given(codes[0].clone().inner()), Take::Prior(0.5)];
/// assert_eq!(model.sample_levels(8, &device, &levels)?.dims(), [8, 16]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct HierarchicalVae<T, L = BernoulliNll> {
    /// The way up and the way down.
    pub network: T,
    /// What a reconstruction costs.
    pub likelihood: L,
    /// How the KL of each level is weighed.
    pub kl: Kl,
    is_balanced: bool,
}

impl<T, L> HierarchicalVae<T, L>
where
    T: TopDown,
    L: ReconstructionLoss<T::Output, T::Input>,
{
    /// The model of these parts, with the KL as it is.
    pub fn new(network: T, likelihood: L) -> Self {
        Self::with_kl(network, likelihood, Kl::default())
    }

    /// The model of these parts, with the KL of each level weighed so.
    pub fn with_kl(network: T, likelihood: L, kl: Kl) -> Self {
        Self {
            network,
            likelihood,
            kl,
            is_balanced: false,
        }
    }

    /// Balances the levels for as long as the weight of the KL [rises](Kl::with_warmup): that of a level is then multiplied by
    /// `L r_l / sum of r`, where `r_l` is its KL, on the batch's mean, for each of its coordinates (and a hundredth of a nat, divided by
    /// their number). So what a level takes more than its share of is held down, and none is given up before it has begun. After the
    /// warm-up the levels weigh the same.
    ///
    /// [Vahdat & Kautz 2020](https://arxiv.org/abs/2007.03898), appendix A.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::hierarchy::LadderConfig;
    /// use burn_generative::model::HierarchicalVae;
    /// use burn_generative::prelude::*;
    ///
    /// let device = Device::default();
    /// let decoder = MlpDecoderConfig::new(4, vec![16]).init(&device)?;
    /// let ladder = LadderConfig::new(vec![16], vec![2, 4], vec![8, 16]).init::<_, 2>(decoder, &device)?;
    /// let kl = Kl::default().with_warmup(1000, &device);
    /// let model = HierarchicalVae::with_kl(ladder, BernoulliNll, kl).balanced_in_warmup();
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn balanced_in_warmup(self) -> Self {
        Self {
            is_balanced: true,
            ..self
        }
    }

    /// The posterior of each sample, over all levels.
    pub fn encode(&self, input: T::Input) -> TopDownPosterior<T> {
        TopDownPosterior::new(&self.network, input)
    }

    /// What the model makes of each sample: data, from the [point](Code::point) of each level's posterior.
    pub fn reconstruct(&self, input: T::Input) -> T::Input {
        let descent = self.encode(input).descend_points();
        self.likelihood.point(descent.output)
    }

    /// `n` samples whose latents come from where `levels` says, the top first: all from the prior at a temperature, or some
    /// of them given and the rest drawn. As [`sample`](Sampler::sample), without gradients.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are not as many as levels, a temperature is not positive, or a given
    /// latent has another shape than its level.
    pub fn sample_levels(
        &self,
        n: usize,
        device: &Device,
        levels: &[Take<LevelLatent<T>>],
    ) -> Result<T::Input> {
        let device = device.clone().inner();
        let output = generate(&self.network.valid(), (n, &device), levels)?;
        Ok(self.likelihood.valid().point(output))
    }

    /// [`losses`](Model::losses) with the noise given, as [`Code::noise`] of the posterior draws it.
    ///
    /// # Panics
    ///
    /// If there is not as much as levels.
    pub fn losses_with(
        &self,
        input: T::Input,
        noise: <TopDownPosterior<T> as Code>::Noise,
    ) -> Losses {
        let descent = self.encode(input.clone()).descend_with(noise);
        self.losses_of(descent, input)
    }

    fn losses_of(&self, descent: Descent<T>, target: T::Input) -> Losses {
        let kls: Vec<Tensor<1>> = descent.levels.iter().map(Visit::kl).collect();
        let reconstruction = self.likelihood.loss(descent.output, target);
        let sum = |parts: Vec<Tensor<1>>| {
            let none = reconstruction.zeros_like();
            parts.into_iter().fold(none, |sum, part| sum + part)
        };
        let weighed = kls.iter().map(|kl| self.kl.weigh(kl.clone()));
        let weighed = match self.shares(&descent.levels, &kls) {
            Some(shares) => weighed.zip(shares).map(|(kl, share)| kl * share).collect(),
            None => weighed.collect(),
        };
        let losses = Losses::new(reconstruction.clone() + sum(weighed))
            .with_term("reconstruction", reconstruction.clone())
            .with_term("kl", sum(kls.clone()));
        let levels = kls.into_iter().enumerate();
        levels.fold(losses, |losses, (level, kl)| {
            losses.with_term(term_of(level), kl)
        })
    }
}

impl<T: TopDown, L> HierarchicalVae<T, L> {
    /// What the KL of each level is multiplied by, `[1]`, while its weight rises; `None` where levels are not balanced.
    fn shares(&self, levels: &[Visit<T::Level>], kls: &[Tensor<1>]) -> Option<Vec<Tensor<1>>> {
        let is_training = kls.iter().all(|kl| kl.device().is_autodiff());
        if !(self.is_balanced && is_training) {
            return None;
        }
        let is_rising = self.kl.is_rising()?;
        let rate = |(kl, visit): (&Tensor<1>, &Visit<T::Level>)| {
            let shapes = visit.draw.z.shapes();
            let coordinates: usize = shapes
                .iter()
                .map(|shape| shape[1..].iter().product::<usize>())
                .sum();
            let mean = kl.clone().detach().without_autodiff().mean();
            (mean + 0.01) / coordinates as f64
        };
        let rates: Vec<Tensor<1>> = kls.iter().zip(levels).map(rate).collect();
        let total = Tensor::cat(rates.clone(), 0).sum() / rates.len() as f64;
        let share = |rate: Tensor<1>| {
            let share = rate / total.clone();
            let is_over = is_rising.clone().bool_not();
            share.mask_fill(is_over, 1.0).autodiff()
        };
        Some(rates.into_iter().map(share).collect())
    }
}

/// The name of a level's KL among the terms, which has to live as long as the program: each is made once.
fn term_of(level: usize) -> &'static str {
    static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    while names.len() <= level {
        let name = format!("kl_{}", names.len() + 1);
        names.push(name.leak());
    }
    names[level]
}

impl<T, L> Model for HierarchicalVae<T, L>
where
    T: TopDown,
    L: ReconstructionLoss<T::Output, T::Input>,
{
    type Input = T::Input;

    /// `reconstruction`, `kl`, and of each level from the top `kl_1`, `kl_2` and so on.
    fn terms(&self) -> Vec<&'static str> {
        let levels = (0..self.network.num_levels()).map(term_of);
        ["reconstruction", "kl"].into_iter().chain(levels).collect()
    }

    fn losses(&self, input: T::Input) -> Losses {
        let descent = self.encode(input.clone()).descend();
        self.losses_of(descent, input)
    }

    fn advance(self) -> Self {
        Self {
            kl: LatentLoss::<DiagonalGaussian, StandardNormal>::advance(self.kl),
            ..self
        }
    }
}
crate::learner!(HierarchicalVae<T, L>);

/// Samples are data, the [point](ReconstructionLoss::point) of what the network makes of draws of every level's prior; without
/// gradients and as in evaluation.
impl<T, L> Sampler for HierarchicalVae<T, L>
where
    T: TopDown,
    L: ReconstructionLoss<T::Output, T::Input>,
{
    type Value = T::Input;

    fn sample(&self, n: usize, device: &Device) -> T::Input {
        let levels: Vec<_> = (0..self.network.num_levels())
            .map(|_level| Take::Prior(1.0))
            .collect();
        let samples = self.sample_levels(n, device, &levels);
        samples.expect("as many as levels, at a temperature of 1")
    }
}

impl<T, L> HierarchicalVae<T, L>
where
    T: TopDown,
    L: Likelihood<T::Output, T::Input>,
{
    fn evidence_of_descent(&self, descent: Descent<T>, target: T::Input) -> Evidence {
        let log_ratio = descent.sum(|visit| visit.log_prior() - visit.log_posterior());
        let kl = descent.sum(Visit::kl);
        let log_likelihood = self.likelihood.loss(descent.output, target).neg();
        Evidence {
            log_weight: log_likelihood.clone() + log_ratio,
            log_likelihood,
            kl,
        }
    }
}

/// The KL is in closed form at each level, given the draw of those above.
impl<T, L> LatentVariableModel for HierarchicalVae<T, L>
where
    T: TopDown,
    L: Likelihood<T::Output, T::Input>,
{
    type Input = T::Input;
    type Posterior = TopDownPosterior<T>;

    fn posterior(&self, input: T::Input) -> TopDownPosterior<T> {
        self.encode(input)
    }

    fn evidence_of(
        &self,
        input: T::Input,
        posterior: &TopDownPosterior<T>,
        draw: Draw<Vec<LevelLatent<T>>>,
    ) -> Evidence {
        self.evidence_of_descent(posterior.descend_given(draw.z), input)
    }

    /// One pass down, which draws and weighs.
    fn evidence(&self, input: T::Input, posterior: &TopDownPosterior<T>) -> Evidence {
        self.evidence_of_descent(posterior.descend(), input)
    }
}
