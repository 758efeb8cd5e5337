use crate::kernel;
use crate::kernel::reference::LN_2PI;
use crate::traits::{Code, Family, Posterior};
use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{DType, Distribution, Tensor};

/// The smallest log-variance a [`DiagonalGaussian`] holds.
pub const LOG_VAR_MIN: f64 = -30.0;
/// The largest log-variance a [`DiagonalGaussian`] holds: `e^20` is far beyond any useful variance
/// and far below the overflow of `f32`.
pub const LOG_VAR_MAX: f64 = 20.0;

/// The largest and, with its sign turned, the smallest log-variance of what may have any unit, data or codes: `f32` holds
/// the variance, and one over it. A standard deviation from 3e-19 to 3e18.
const ANY_LOG_VAR: f64 = 85.0;

/// The log-variance of data or of codes, bounded to what `f32` can hold; see [`bound`].
pub(crate) fn bound_any_log_var<const D: usize>(log_var: Tensor<D>) -> Tensor<D> {
    bound(log_var, [-ANY_LOG_VAR, ANY_LOG_VAR])
}

/// `log_var`, or a parameter like it, bounded to a range, with the gradient of the identity: a value that has left the
/// bounds still feels what pulls it back, unless it is infinite.
pub(super) fn bound<const D: usize>(log_var: Tensor<D>, [low, high]: [f64; 2]) -> Tensor<D> {
    if !log_var.is_autodiff() {
        return log_var.clamp(low, high);
    }
    // What is infinite has no difference with itself.
    let largest = match log_var.dtype() {
        DType::F16 => 6e4,
        _ => 1e38,
    };
    let log_var = log_var.clamp(-largest, largest);
    let value = log_var.clone().detach();
    let gradient = log_var - value.clone(); // zero
    value.clamp(low, high) + gradient
}

/// A Gaussian with independent coordinates, one for each sample of a batch.
///
/// Its log-variance is bounded to `[LOG_VAR_MIN, LOG_VAR_MAX]` where it is made, so that a sample,
/// a density and a divergence all see the same, finite variance; those are bounds for latents, and
/// [`over_data`](Self::over_data) has wider ones. Axis 0 is the batch and the other
/// axes are one event, of any rank: `DiagonalGaussian` is over `[batch, latent]`,
/// `DiagonalGaussian<4>` over feature maps or images.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let q = DiagonalGaussian::new(Tensor::<2>::zeros([3, 20], &device), Tensor::zeros([3, 20], &device));
/// assert_eq!(q.rsample().dims(), [3, 20]);
/// let kl = q.kl_to_standard_normal();
/// kl.into_data().assert_eq(&TensorData::from([0.0f32; 3]), true);
/// ```
#[derive(Clone, Debug)]
pub struct DiagonalGaussian<const D: usize = 2> {
    mean: Tensor<D>,
    log_var: Tensor<D>,
}

impl<const D: usize> DiagonalGaussian<D> {
    /// The Gaussian with these means and log-variances (bounded), of one shape `[batch, ...]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn new(mean: Tensor<D>, log_var: Tensor<D>) -> Self {
        kernel::assert_match("DiagonalGaussian", ("mean", &mean), ("log_var", &log_var));
        let log_var = bound(log_var, [LOG_VAR_MIN, LOG_VAR_MAX]);
        Self { mean, log_var }
    }

    /// As [`new`](Self::new), for a distribution over data: its log-variance is bounded only to what `f32` can hold,
    /// `[-85, 85]` (a standard deviation from 3e-19 to 3e18), as data may have any unit.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::prelude::*;
    ///
    /// let far = Tensor::<2>::full([1, 1], 30.0, &Device::default()); // a standard deviation of e^15
    /// let output = DiagonalGaussian::over_data(far.clone(), far);
    /// assert_eq!(output.log_var().into_scalar::<f32>(), 30.0);
    /// ```
    pub fn over_data(mean: Tensor<D>, log_var: Tensor<D>) -> Self {
        kernel::assert_match("DiagonalGaussian", ("mean", &mean), ("log_var", &log_var));
        let log_var = bound_any_log_var(log_var);
        Self { mean, log_var }
    }

    /// The means, `[batch, ...]`.
    pub fn mean(&self) -> Tensor<D> {
        self.mean.clone()
    }

    /// The bounded log-variances, `[batch, ...]`.
    pub fn log_var(&self) -> Tensor<D> {
        self.log_var.clone()
    }

    /// The differential entropy in nats per sample: `1/2 sum(ln(2 pi) + 1 + log_var)`, `[batch]`.
    pub fn entropy(&self) -> Tensor<1> {
        let log_var = self.log_var.clone().add_scalar(LN_2PI + 1.0);
        kernel::sum_event(log_var).mul_scalar(0.5)
    }

    /// `KL(self || N(0, I))` in closed form, in nats per sample, `[batch]`; at least 0.
    pub fn kl_to_standard_normal(&self) -> Tensor<1> {
        kernel::gaussian_kl(self.mean(), self.log_var())
    }

    /// `KL(self || other)` in closed form, in nats per sample, `[batch]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn kl(&self, other: &Self) -> Tensor<1> {
        kernel::gaussian_kl_between(self.mean(), self.log_var(), other.mean(), other.log_var())
    }

    /// This Gaussian moved: its means by `mean`, its log-variances by `log_var`, of the same shape. A posterior that is given so
    /// relative to a prior starts as that prior, where both are 0, and follows it.
    ///
    /// [Vahdat & Kautz 2020](https://arxiv.org/abs/2007.03898), section 3.2.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::prelude::*;
    ///
    /// let zeros = Tensor::<2>::zeros([1, 3], &Device::default());
    /// let prior = DiagonalGaussian::new(zeros.clone() + 5.0, zeros.clone() + 1.0);
    /// let posterior = prior.moved_by(zeros.clone(), zeros);
    /// assert_eq!(posterior.kl(&prior).into_scalar::<f32>(), 0.0);
    /// ```
    pub fn moved_by(&self, mean: Tensor<D>, log_var: Tensor<D>) -> Self {
        kernel::assert_match("moved_by", ("mean", &mean), ("of the Gaussian", &self.mean));
        Self::new(self.mean() + mean, self.log_var() + log_var)
    }

    /// The normalised product of the densities of two Gaussians: what one says, and the other as well. Its precision is the
    /// sum of theirs, and its mean theirs weighted by precision.
    ///
    /// [Sønderby et al. 2016](https://arxiv.org/abs/1602.02282), equations 17 to 19.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::prelude::*;
    ///
    /// let at = |mean: f64| {
    ///     let mean = Tensor::<2>::full([1, 1], mean, &Device::default());
    ///     DiagonalGaussian::new(mean.clone(), mean.zeros_like())
    /// };
    /// let both = at(1.0).product(&at(3.0));
    /// assert_eq!(both.mean().into_scalar::<f32>(), 2.0);
    /// assert!((both.log_var().into_scalar::<f32>() - 0.5f32.ln()).abs() < 1e-6);
    /// ```
    pub fn product(&self, other: &Self) -> Self {
        kernel::assert_match("product", ("mean", &self.mean), ("other mean", &other.mean));
        let log_ratio = self.log_var() - other.log_var();
        let mean = self.mean() + (other.mean() - self.mean()) * sigmoid(log_ratio.clone());
        Self::new(mean, self.log_var() + log_sigmoid(log_ratio.neg()))
    }

    /// A reparameterized sample whose noise is a function of `seed` alone, the same on every backend, and
    /// exists nowhere in memory: [`kernel::reparameterize_seeded`]. Take another seed for another draw.
    pub fn rsample_seeded(&self, seed: u64) -> Tensor<D> {
        kernel::reparameterize_seeded(self.mean(), self.log_var(), seed)
    }

    /// The same distributions over an event of another shape: `[batch, ...]` to `shape`.
    pub fn reshape<const E: usize>(self, shape: [usize; E]) -> DiagonalGaussian<E> {
        DiagonalGaussian {
            mean: self.mean.reshape(shape),
            log_var: self.log_var.reshape(shape),
        }
    }
}

impl<const D: usize> Code for DiagonalGaussian<D> {
    type Latent = Tensor<D>;
    /// Standard normal.
    type Noise = Tensor<D>;

    fn noise(&self) -> Tensor<D> {
        self.mean.random_like(Distribution::Normal(0.0, 1.0))
    }

    /// `mean + exp(log_var / 2) * noise`.
    fn rsample_with(&self, noise: Tensor<D>) -> Tensor<D> {
        kernel::reparameterize(self.mean(), self.log_var(), noise)
    }

    /// The mean, which is the mode.
    fn point(&self) -> Tensor<D> {
        self.mean()
    }
}

impl<const D: usize> Posterior for DiagonalGaussian<D> {
    fn log_prob(&self, z: Tensor<D>) -> Tensor<1> {
        kernel::gaussian_nll(self.mean(), z, self.log_var()).neg()
    }

    fn family(&self) -> Option<Family> {
        let [mean, log_var] = [self.mean(), self.log_var()].map(kernel::rows);
        Some(Family::Gaussian { mean, log_var })
    }
}

/// `KL(q(z_i) || N(0, 1))` of each coordinate in nats, `[batch, coordinates]`.
pub(crate) fn coordinate_kl(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<2> {
    let shape = mean.dims();
    // Each coordinate an event of its own, for the kernel, which loses nothing where both are near 0.
    let [mean, log_var] = [mean, log_var].map(|rows| rows.reshape([-1, 1]));
    kernel::gaussian_kl(mean, log_var).reshape(shape)
}
