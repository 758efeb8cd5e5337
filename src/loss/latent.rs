use crate::distribution::coordinate_kl;
use crate::error::{Result, check_not_negative};
use crate::losses::Losses;
use crate::nn::Warmup;
use crate::traits::{Draw, Family, LatentLoss, Posterior, Prior};
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};

/// The Kullback-Leibler divergence of the posterior to the prior, `KL(q(z | x) || p(z))` in nats per sample, times a
/// weight: what makes a [`Vae`](crate::model::Vae) of an autoencoder.
///
/// The term `kl` is the divergence itself; only the total is weighed. In evaluation (on a device without autodiff) the
/// weight is `beta` alone, and the means and the KL of the coordinates can be [watched](Losses::watched) where the
/// posterior is Gaussian.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::Kl;
///
/// // Twice the divergence, from nothing on over the first thousand steps; half a nat is free.
/// let kl = Kl::new(2.0)?.with_warmup(1000, &Device::default()).with_free_bits(0.5)?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Kl {
    warmup: Option<Warmup>,
    beta: f64,
    free_bits: f64,
    /// How far the capacity has risen.
    capacity: Option<Warmup>,
    capacity_nats: f64,
}

impl Kl {
    /// The divergence times `beta`. 1 makes the total the negative evidence lower bound; more is a beta-VAE
    /// ([Higgins et al. 2017](https://openreview.net/forum?id=Sy2fzU9gl)).
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `beta` is negative or not finite.
    pub fn new(beta: f64) -> Result<Self> {
        Ok(Self {
            warmup: None,
            beta: check_not_negative("Kl: beta", beta)?,
            ..Self::default()
        })
    }

    /// Lets the weight rise in a straight line from 0 to `beta` over so many training steps; 0 for none.
    pub fn with_warmup(mut self, steps: usize, device: &Device) -> Self {
        self.warmup = (steps > 0).then(|| Warmup::new(steps, &device.clone().without_autodiff()));
        self
    }

    /// Sets the divergence, in nats per sample and on the batch's mean, below which it is not pushed further down. The
    /// whole latent is one group of [Kingma et al. 2016](https://arxiv.org/abs/1606.04934), appendix C.8.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is negative or not finite.
    pub fn with_free_bits(mut self, nats: f64) -> Result<Self> {
        self.free_bits = check_not_negative("Kl: free_bits", nats)?;
        Ok(self)
    }

    /// Lets the weight go as any schedule says: in cycles ([`Warmup::cyclical`]), say.
    pub fn with_schedule(mut self, schedule: Warmup) -> Self {
        self.warmup = Some(schedule);
        self
    }

    /// Draws the divergence, on the batch's mean, to a capacity in place of 0: the total has `beta |KL - C|`, and `C` rises
    /// in a straight line from 0 to so many nats per sample over so many training steps.
    /// [Burgess et al. 2018](https://arxiv.org/abs/1804.03599), equation 8, whose gamma is `beta`; there it goes to 25 nats.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the capacity is negative or not finite.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::loss::Kl;
    ///
    /// let kl = Kl::new(100.0)?.with_capacity(25.0, 10_000, &Device::default())?;
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn with_capacity(mut self, nats: f64, steps: usize, device: &Device) -> Result<Self> {
        self.capacity_nats = check_not_negative("Kl: capacity", nats)?;
        self.capacity = Some(Warmup::new(steps, &device.clone().without_autodiff()));
        Ok(self)
    }

    /// Whether the weight has not yet risen to `beta`, `[1]`; `None` without a warm-up.
    pub(crate) fn is_rising(&self) -> Option<Tensor<1, Bool>> {
        let warmup = self.warmup.as_ref()?;
        Some(warmup.weight().lower_elem(1.0))
    }

    /// The KL's share of the total, `[batch]`.
    pub(crate) fn weigh(&self, kl: Tensor<1>) -> Tensor<1> {
        if !kl.device().is_autodiff() {
            return weigh(kl, self.beta, &None);
        }
        let kl = if self.free_bits > 0.0 {
            floor_mean(kl, self.free_bits)
        } else {
            kl
        };
        let kl = match &self.capacity {
            Some(risen) => distance_of_mean(kl, risen.weight().mul_scalar(self.capacity_nats)),
            None => kl,
        };
        weigh(kl, self.beta, &self.warmup)
    }
}

/// A term's share of the total, `[batch]`: times its weight, and in training times that of its schedule.
pub(crate) fn weigh(term: Tensor<1>, weight: f64, schedule: &Option<Warmup>) -> Tensor<1> {
    match schedule {
        // What does not count must not poison what does: 0 times infinity is no number.
        _ if weight == 0.0 => term.zeros_like(),
        Some(schedule) if term.device().is_autodiff() => {
            let share = schedule.weight();
            let ignored = share.clone().equal_elem(0.0).expand(term.dims());
            term.mask_fill(ignored, 0.0) * share.mul_scalar(weight)
        }
        _ => term.mul_scalar(weight),
    }
}

/// Adds to losses in evaluation what can be [watched](Losses::watched) of a Gaussian posterior: its means, and the KL of
/// each coordinate.
pub(crate) fn watch<Q: Posterior>(losses: Losses, posterior: &Q) -> Losses {
    let training = losses.total.device().is_autodiff();
    match posterior.family() {
        Some(Family::Gaussian { mean, log_var }) if !training => {
            let kl = coordinate_kl(mean.clone(), log_var);
            losses
                .with_watched(Losses::POSTERIOR_MEAN, mean)
                .with_watched(Losses::COORDINATE_KL, kl)
        }
        _ => losses,
    }
}

impl Default for Kl {
    /// The divergence itself.
    fn default() -> Self {
        Self {
            warmup: None,
            beta: 1.0,
            free_bits: 0.0,
            capacity: None,
            capacity_nats: 0.0,
        }
    }
}

impl<Q, P> LatentLoss<Q, P> for Kl
where
    Q: Posterior,
    P: Prior<Value = Q::Latent>,
{
    fn terms(&self) -> Vec<&'static str> {
        vec!["kl"]
    }

    fn losses(&self, posterior: &Q, draw: &Draw<Q::Latent>, prior: &P) -> Losses {
        let kl = prior.kl(posterior, draw);
        watch(
            Losses::new(self.weigh(kl.clone())).with_term("kl", kl),
            posterior,
        )
    }

    fn advance(self) -> Self {
        Self {
            warmup: self.warmup.map(Warmup::advance),
            capacity: self.capacity.map(Warmup::advance),
            ..self
        }
    }
}

/// `kl`, or where its mean over the batch is below `floor` that floor, without a gradient.
fn floor_mean(kl: Tensor<1>, floor: f64) -> Tensor<1> {
    let above = kl.clone().detach().mean().greater_elem(floor).float();
    let below = above.clone().neg().add_scalar(1.0);
    kl * above + below.mul_scalar(floor)
}

/// The distance of the mean over the batch from `target`, `[1]`, as `[batch]` numbers whose mean it is.
fn distance_of_mean(kl: Tensor<1>, target: Tensor<1>) -> Tensor<1> {
    let side = (kl.clone().detach().mean() - target.clone()).sign();
    (kl - target) * side
}
