//! Reconstruction losses: negative log-likelihoods, and two distances that are often used in their
//! place.

use crate::distribution::bound_any_log_var;
use crate::error::{Result, check_positive};
use crate::kernel::{self, activation::sigmoid, assert_match, rows, sum_event};
use crate::traits::{Batch, Likelihood, Posterior, ReconstructionLoss, Support};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};

/// Bernoulli likelihood on logits, with targets anywhere in `[0, 1]` (grey values too):
/// `sum(softplus(l) - l x)`.
///
/// The loss of the original VAE on MNIST, and of most code since.
/// [Kingma & Welling 2014](https://arxiv.org/abs/1312.6114), appendix C.1.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let unsure = Tensor::<4>::zeros([2, 1, 28, 28], &device);
/// let nll = BernoulliNll.loss(unsure.clone(), unsure).mean().into_scalar::<f32>();
/// assert!((nll - 784.0 * 2f32.ln()).abs() < 1e-2); // one bit a pixel
/// ```
#[derive(Module, Debug, Default)]
pub struct BernoulliNll;

impl<const D: usize> ReconstructionLoss<Tensor<D>> for BernoulliNll {
    fn loss(&self, logits: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        kernel::bernoulli_nll(logits, target)
    }

    fn point(&self, logits: Tensor<D>) -> Tensor<D> {
        sigmoid(logits)
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        Support::UnitInterval.check(target, what)
    }
}

/// Draws are 0 or 1, also where the data is grey.
impl<const D: usize> Likelihood<Tensor<D>> for BernoulliNll {
    fn sample(&self, logits: Tensor<D>) -> Tensor<D> {
        let uniform = logits.random_like(Distribution::Default);
        uniform.lower(sigmoid(logits)).float()
    }
}

/// Continuous Bernoulli likelihood on logits: a true density on `[0, 1]`, where [`BernoulliNll`] on
/// grey values is not one. `sum(softplus(l) - l x - ln C(l))`, with `C(l) = l / tanh(l / 2)`.
///
/// Its mean is not `sigmoid(l)`, but lies between that and 1/2:
/// `sigmoid(l) / (2 sigmoid(l) - 1) + 1 / (2 atanh(1 - 2 sigmoid(l)))`.
/// [Loaiza-Ganem & Cunningham 2019](https://arxiv.org/abs/1907.06845).
#[derive(Module, Debug, Default)]
pub struct ContinuousBernoulliNll;

impl ContinuousBernoulliNll {
    /// Below this `|logit|` the series of `ln C` is exact to float precision, and its closed form
    /// is `0 / 0`.
    const SERIES: f64 = 0.2;

    /// `ln C(l) = ln(l / tanh(l / 2))`, elementwise; even in `l`, and `ln 2` at 0.
    fn log_normalizer<const D: usize>(logits: Tensor<D>) -> Tensor<D> {
        let near = logits.clone().abs().lower_elem(Self::SERIES);

        let square = logits.clone().square();
        let series = (square.clone().mul_scalar(-7.0 / 1440.0) + 1.0 / 12.0) * square
            + core::f64::consts::LN_2;

        // The elements that the series serves are replaced before the closed form, not after: the
        // gradient of a masked-out infinity would be NaN.
        let size = logits.mask_fill(near.clone(), 1.0).abs();
        let decay = size.clone().neg().exp();
        let log_tanh = decay.clone().neg().log1p() - decay.log1p();
        let closed = size.log() - log_tanh;

        closed.mask_where(near, series)
    }
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for ContinuousBernoulliNll {
    fn loss(&self, logits: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        let log_normalizer = sum_event(Self::log_normalizer(rows(logits.clone())));
        kernel::bernoulli_nll(logits, target) - log_normalizer
    }

    /// The mean: the derivative of the log-partition function, `1 + 1 / (e^l - 1) - 1 / l`, and `1/2 + l / 12` near 0,
    /// where that is `inf - inf`.
    fn point(&self, logits: Tensor<D>) -> Tensor<D> {
        let near = logits.clone().abs().lower_elem(Self::SERIES);
        let cube = logits.clone().powi_scalar(3);
        let series = logits.clone().div_scalar(12.0) - cube.div_scalar(720.0) + 0.5;
        // With e^-|l| the quotient cannot overflow; the mean of -l is one minus the mean of l.
        let size = logits.clone().mask_fill(near.clone(), 1.0).abs();
        let upper = (size.clone().neg().exp().neg() + 1.0).recip() - size.recip();
        let negative = logits.lower_elem(0.0);
        let closed = upper.clone().mask_where(negative, upper.neg() + 1.0);
        closed.mask_where(near, series)
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        Support::UnitInterval.check(target, what)
    }
}

/// Draws by the inverse of the distribution function, `ln(1 + u (e^l - 1)) / l`.
impl<const D: usize> Likelihood<Tensor<D>> for ContinuousBernoulliNll {
    fn sample(&self, logits: Tensor<D>) -> Tensor<D> {
        // Of -|l|, where nothing overflows; a draw of -l is one minus a draw of l.
        let uniform = logits.random_like(Distribution::Default);
        let near = logits.clone().abs().lower_elem(1e-3); // the distribution is uniform, nearly
        let below = logits.clone().abs().neg().mask_fill(near.clone(), -1.0);
        let draw = (below.clone().exp().sub_scalar(1.0) * uniform.clone()).log1p() / below;
        let draw = draw.mask_where(near, uniform);
        let positive = logits.greater_elem(0.0);
        draw.clone().mask_where(positive, draw.neg() + 1.0)
    }
}

/// Gaussian likelihood around the decoder's means with one fixed variance:
/// `1/2 sum(ln(2 pi v) + (x - mean)^2 / v)`.
#[derive(Module, Debug)]
pub struct GaussianNll {
    variance: f64,
}

impl GaussianNll {
    /// The likelihood with this variance.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the variance is not a positive number.
    pub fn new(variance: f64) -> Result<Self> {
        let variance = check_positive("GaussianNll: the variance", variance)?;
        Ok(Self { variance })
    }

    /// The variance.
    pub fn variance(&self) -> f64 {
        self.variance
    }
}

impl Default for GaussianNll {
    /// Unit variance.
    fn default() -> Self {
        Self { variance: 1.0 }
    }
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for GaussianNll {
    fn loss(&self, mean: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        kernel::gaussian_nll_fixed(mean, target, self.variance)
    }

    fn point(&self, mean: Tensor<D>) -> Tensor<D> {
        mean
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

impl<const D: usize> Likelihood<Tensor<D>> for GaussianNll {
    fn sample(&self, mean: Tensor<D>) -> Tensor<D> {
        let noise = mean.random_like(Distribution::Normal(0.0, self.variance.sqrt()));
        mean + noise
    }
}

/// Gaussian likelihood around the decoder's means with one variance that is learned with the model
/// and shared by all elements. It finds the balance of reconstruction and KL that a fixed variance
/// (or a hand-tuned beta) only guesses.
///
/// [Rybkin et al. 2021](https://arxiv.org/abs/2006.13202) (sigma-VAE).
#[derive(Module, Debug)]
pub struct LearnedGaussianNll {
    log_var: Param<Tensor<1>>,
}

impl LearnedGaussianNll {
    /// The likelihood whose variance starts at 1.
    pub fn new(device: &Device) -> Self {
        Self {
            log_var: Param::from_tensor(Tensor::zeros([1], device)),
        }
    }

    /// The log-variance as it stands, bounded to what `f32` can hold: data may be of any scale; `[1]`.
    pub fn log_var(&self) -> Tensor<1> {
        bound_any_log_var(self.log_var.val())
    }
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for LearnedGaussianNll {
    fn loss(&self, mean: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        kernel::gaussian_nll(mean, target, self.log_var().reshape([1; D]))
    }

    fn point(&self, mean: Tensor<D>) -> Tensor<D> {
        mean
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

impl<const D: usize> Likelihood<Tensor<D>> for LearnedGaussianNll {
    fn sample(&self, mean: Tensor<D>) -> Tensor<D> {
        let deviation = self.log_var().mul_scalar(0.5).exp().reshape([1; D]);
        let noise = mean.random_like(Distribution::Normal(0.0, 1.0));
        mean + noise * deviation
    }
}

/// The likelihood of a decoder that returns a distribution over the data, a [`Posterior`]: a Gaussian with a variance for
/// every element, or one that holds a network of its own.
#[derive(Module, Debug, Default)]
pub struct Nll;

impl<Q: Posterior> ReconstructionLoss<Q, Q::Latent> for Nll {
    fn loss(&self, output: Q, target: Q::Latent) -> Tensor<1> {
        output.log_prob(target).neg()
    }

    fn point(&self, output: Q) -> Q::Latent {
        output.point()
    }

    fn check(&self, target: &Q::Latent, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

impl<Q: Posterior> Likelihood<Q, Q::Latent> for Nll {
    fn sample(&self, output: Q) -> Q::Latent {
        output.rsample()
    }
}

/// The squared error `sum((x - mean)^2)`: no likelihood, but twice a unit Gaussian's up to a constant.
#[derive(Module, Debug, Default)]
pub struct SquaredError;

impl<const D: usize> ReconstructionLoss<Tensor<D>> for SquaredError {
    fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        kernel::squared_error(output, target)
    }

    fn point(&self, mean: Tensor<D>) -> Tensor<D> {
        mean
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

/// The absolute error `sum(|x - mean|)`: a unit Laplace likelihood up to a constant.
#[derive(Module, Debug, Default)]
pub struct L1Loss;

impl<const D: usize> ReconstructionLoss<Tensor<D>> for L1Loss {
    fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        absolute_error("L1Loss", output, target)
    }

    fn point(&self, mean: Tensor<D>) -> Tensor<D> {
        mean
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

/// `sum(|target - output|)`, `[batch]`, for the loss of this name.
fn absolute_error<const D: usize>(name: &str, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
    assert_match(name, ("output", &output), ("target", &target));
    sum_event((rows(target) - rows(output)).abs())
}

/// Laplace likelihood around the decoder's medians with one fixed scale: `sum(ln(2 s) + |x - median| / s)`, which is
/// [`L1Loss`] as a density.
#[derive(Module, Debug)]
pub struct LaplaceNll {
    scale: f64,
}

impl LaplaceNll {
    /// The likelihood with this scale, the mean distance from the median.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the scale is not a positive number.
    pub fn new(scale: f64) -> Result<Self> {
        let scale = check_positive("LaplaceNll: the scale", scale)?;
        Ok(Self { scale })
    }
}

impl Default for LaplaceNll {
    /// Unit scale.
    fn default() -> Self {
        Self { scale: 1.0 }
    }
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for LaplaceNll {
    fn loss(&self, median: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        let elements: usize = median.dims()[1..].iter().product();
        let distance = absolute_error("LaplaceNll", median, target);
        distance.div_scalar(self.scale) + elements as f64 * (2.0 * self.scale).ln()
    }

    fn point(&self, median: Tensor<D>) -> Tensor<D> {
        median
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

impl<const D: usize> Likelihood<Tensor<D>> for LaplaceNll {
    fn sample(&self, median: Tensor<D>) -> Tensor<D> {
        // The sign and the size of a uniform number in (-1, 1) are independent.
        let uniform = median.random_like(Distribution::Uniform(-1.0, 1.0));
        let size = uniform
            .clone()
            .abs()
            .neg()
            .clamp_min(-0.999_999_9)
            .log1p()
            .neg();
        median + uniform.sign() * size.mul_scalar(self.scale)
    }
}

/// The likelihoods on one tensor, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum AnyLikelihood {
    /// [`BernoulliNll`].
    Bernoulli(BernoulliNll),
    /// [`ContinuousBernoulliNll`].
    ContinuousBernoulli(ContinuousBernoulliNll),
    /// [`GaussianNll`].
    Gaussian(GaussianNll),
    /// [`LearnedGaussianNll`].
    LearnedGaussian(LearnedGaussianNll),
    /// [`LaplaceNll`].
    Laplace(LaplaceNll),
}

/// An expression of whichever likelihood it is.
macro_rules! each {
    ($any:expr, $nll:ident => $value:expr) => {
        match $any {
            AnyLikelihood::Bernoulli($nll) => $value,
            AnyLikelihood::ContinuousBernoulli($nll) => $value,
            AnyLikelihood::Gaussian($nll) => $value,
            AnyLikelihood::LearnedGaussian($nll) => $value,
            AnyLikelihood::Laplace($nll) => $value,
        }
    };
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for AnyLikelihood {
    fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        each!(self, nll => nll.loss(output, target))
    }

    fn point(&self, output: Tensor<D>) -> Tensor<D> {
        each!(self, nll => nll.point(output))
    }

    fn check(&self, target: &Tensor<D>, what: &str) -> Result<()> {
        each!(self, nll => nll.check(target, what))
    }
}

impl<const D: usize> Likelihood<Tensor<D>> for AnyLikelihood {
    fn sample(&self, output: Tensor<D>) -> Tensor<D> {
        each!(self, nll => nll.sample(output))
    }
}
