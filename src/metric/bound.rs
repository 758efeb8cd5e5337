use crate::error::{Error, Result, check_at_least_one};
use crate::traits::{Evidence, LatentVariableModel};
use burn::tensor::{DType, Tensor};
use std::iter;

/// What [`importance_weighted_bound`] finds, each of shape `[batch]`, in nats per sample.
#[derive(Clone, Debug)]
pub struct ImportanceWeighted {
    /// The bound: on average at most `log p(x)`, and nearer to it the larger k is.
    pub log_prob: Tensor<1>,
    /// Its standard error over the k draws, by the delta method; infinite for k = 1, NaN where all weights are 0. It
    /// cannot see what no draw has met: trust it where many draws are [effective](Self::effective_draws).
    pub standard_error: Tensor<1>,
    /// How many of the k draws carry weight, from 1 to k: `(sum w)^2 / sum w^2`. Near 1, the posterior is far from the
    /// true one and the bound is loose. NaN where all weights are 0.
    pub effective_draws: Tensor<1>,
}

/// The importance-weighted bound on the log-probability of each sample:
/// `log 1/k sum of p(x | z_i) p(z_i) / q(z_i | x)` with `z_i ~ q(z | x)`.
///
/// With k = 1 it is a draw of the evidence lower bound; it rises with k, to `log p(x)`. The draws are taken one after
/// the other and summed up as they come, so memory does not depend on k: 5000 are no problem. Noise comes from the
/// device's generator.
///
/// [Burda et al. 2016](https://arxiv.org/abs/1509.00519), equation 8.
///
/// # Errors
///
/// [`Error::Config`] if k is 0, the model or its input is on an autodiff device (take burn's `model.valid()`), or the
/// model computes in 16 bits, whose log-densities have too few digits.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::{Estimate, importance_weighted_bound};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let vae = VaeConfig::new().init(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     GaussianNll::default(),
/// )?;
/// let rows = Tensor::<2>::zeros([8, 13], &device);
/// let bound = importance_weighted_bound(&vae, rows, 50)?;
/// println!("{} nats", Estimate::of_batch(bound.log_prob)?);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn importance_weighted_bound<M: LatentVariableModel>(
    model: &M,
    input: M::Input,
    k: usize,
) -> Result<ImportanceWeighted> {
    check_draws("importance_weighted_bound", k)?;
    let posterior = model.posterior(input.clone());
    let log_weight = || model.evidence(input.clone(), &posterior).log_weight;
    let first = log_weight();
    check_evaluation("importance_weighted_bound", &first)?;
    let mut sum = LogSum::new(first);
    for _ in 1..k {
        sum.add(log_weight());
    }
    let effective_draws = sum.first.clone().square() / sum.second;
    // k times the relative variance of the mean weight.
    let variance = effective_draws.clone().recip() * k as f64 - 1.0;
    Ok(ImportanceWeighted {
        log_prob: sum.first.log() + sum.largest - (k as f64).ln(),
        standard_error: standard_error(variance, k),
        effective_draws,
    })
}

/// Sums of `exp(x)` and of `exp(2 x)` over the terms seen so far, relative to the largest of them.
struct LogSum {
    largest: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
}

impl LogSum {
    fn new(x: Tensor<1>) -> Self {
        // A weight may be 0, and its logarithm minus infinity: the largest stays finite.
        let largest = x.clone().clamp_min(f32::MIN);
        let weight = (x - largest.clone()).exp();
        Self {
            largest,
            first: weight.clone(),
            second: weight.square(),
        }
    }

    fn add(&mut self, x: Tensor<1>) {
        let largest = self.largest.clone().max_pair(x.clone());
        let scale = (self.largest.clone() - largest.clone()).exp();
        let weight = (x - largest.clone()).exp();
        self.first = self.first.clone() * scale.clone() + weight.clone();
        self.second = self.second.clone() * scale.square() + weight.square();
        self.largest = largest;
    }
}

/// What [`elbo`] finds, each of shape `[batch]`, in nats per sample.
#[derive(Clone, Debug)]
pub struct Elbo {
    /// `E_q log p(x | z)`.
    pub log_likelihood: Tensor<1>,
    /// `KL(q(z | x) || p(z))`.
    pub kl: Tensor<1>,
    /// The standard error of the bound over the k draws; infinite for one, NaN where the bound is minus infinity.
    pub standard_error: Tensor<1>,
}

impl Elbo {
    /// The bound itself, `log_likelihood - kl`.
    pub fn total(&self) -> Tensor<1> {
        self.log_likelihood.clone() - self.kl.clone()
    }
}

/// The evidence lower bound of each sample and its two terms, from k draws of the posterior; its KL in closed form
/// where the model knows one.
///
/// # Errors
///
/// As [`importance_weighted_bound`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::{Estimate, elbo};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let vae = VaeConfig::new().init(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     GaussianNll::default(),
/// )?;
/// let bound = elbo(&vae, Tensor::<2>::zeros([8, 13], &device), 10)?;
/// println!("{} nats, the kl {}", Estimate::of_batch(bound.total())?, Estimate::of_batch(bound.kl)?);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn elbo<M: LatentVariableModel>(model: &M, input: M::Input, k: usize) -> Result<Elbo> {
    check_draws("elbo", k)?;
    let posterior = model.posterior(input.clone());
    let draw = || {
        let Evidence {
            log_likelihood, kl, ..
        } = model.evidence(input.clone(), &posterior);
        [log_likelihood, kl]
    };
    let first = draw();
    check_evaluation("elbo", &first[0])?;
    // Sums of what each has more than the first: numbers of the size of the spread, not of the terms. What is infinite
    // (outside of a prior that is a box) is no measure of others.
    let [origin_likelihood, origin_kl] = first
        .clone()
        .map(|term| term.clone().mask_fill(term.is_inf(), 0.0));
    let mut more = [origin_likelihood.zeros_like(), origin_kl.zeros_like()];
    let mut squares = origin_kl.zeros_like();
    for [likelihood, kl] in iter::once(first).chain((1..k).map(|_| draw())) {
        let likelihood = likelihood - origin_likelihood.clone();
        let kl = kl - origin_kl.clone();
        squares = squares + (likelihood.clone() - kl.clone()).square();
        let [more_likelihood, more_kl] = more;
        more = [more_likelihood + likelihood, more_kl + kl];
    }
    let [more_likelihood, more_kl] = more.map(|sum| sum / k as f64);
    let centre = more_likelihood.clone() - more_kl.clone();
    let variance = squares / k as f64 - centre.square();
    Ok(Elbo {
        log_likelihood: origin_likelihood + more_likelihood,
        kl: origin_kl + more_kl,
        standard_error: standard_error(variance, k),
    })
}

/// Of a mean of k draws, from the mean of their squared deviations. One draw does not tell.
fn standard_error(variance: Tensor<1>, k: usize) -> Tensor<1> {
    match k {
        1 => variance.full_like(f64::INFINITY),
        // Rounding makes what is 0 a little negative.
        _ => (variance.clamp_min(0.0) / (k - 1) as f64).sqrt(),
    }
}

/// Refuses a model as in training: dropout and batch statistics would be those of a training, and burn would keep the
/// graph of every draw as long as the model lives, detached or not. And one that computes in 16 bits: its log-densities
/// are rounded to steps of nats, which raises a mean of their exponentials above what it bounds.
fn check_evaluation(what: &str, log_density: &Tensor<1>) -> Result<()> {
    if log_density.device().is_autodiff() {
        return Err(Error::Config(format!(
            "{what}: the model or its input is on an autodiff device, as in training; take `model.valid()`, and the \
             input from the device without autodiff"
        )));
    }
    let dtype = log_density.dtype();
    if matches!(dtype, DType::F16 | DType::BF16) {
        return Err(Error::Config(format!(
            "{what}: the model's log-densities are of {dtype:?}, which holds hundreds of nats in steps of a nat or more; \
             save its weights, load them (`weights::load`) into a model on a device of F32, and take the bound of that"
        )));
    }
    Ok(())
}

fn check_draws(what: &str, k: usize) -> Result<()> {
    check_at_least_one(what, "k, the number of draws,", k)
}
