//! Reconstruction losses: negative log-likelihoods, and two distances that are often used in their
//! place.

use crate::distribution::{DiagonalGaussian, bound_any_log_var};
use crate::kernel::{self, assert_match, rows, sum_event};
use crate::traits::{Posterior, ReconstructionLoss, Support};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

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

    fn support(&self) -> Support {
        Support::UnitInterval
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

    fn support(&self) -> Support {
        Support::UnitInterval
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
    /// # Panics
    ///
    /// If the variance is not a positive number.
    pub fn new(variance: f64) -> Self {
        assert!(
            variance > 0.0 && variance.is_finite(),
            "GaussianNll: the variance must be a positive number, not {variance}"
        );
        Self { variance }
    }
}

impl Default for GaussianNll {
    /// Unit variance.
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for GaussianNll {
    fn loss(&self, mean: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        kernel::gaussian_nll_fixed(mean, target, self.variance)
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
}

/// Gaussian likelihood with a variance for every element, from the decoder: its output is a
/// [`DiagonalGaussian`] over the data, best made by [`DiagonalGaussian::over_data`].
#[derive(Module, Debug, Default)]
pub struct HeteroscedasticGaussianNll;

impl<const D: usize> ReconstructionLoss<DiagonalGaussian<D>, Tensor<D>>
    for HeteroscedasticGaussianNll
{
    fn loss(&self, output: DiagonalGaussian<D>, target: Tensor<D>) -> Tensor<1> {
        output.log_prob(target).neg()
    }
}

/// The squared error `sum((x - mean)^2)`: no likelihood, but twice a unit Gaussian's up to a constant.
#[derive(Module, Debug, Default)]
pub struct SquaredError;

impl<const D: usize> ReconstructionLoss<Tensor<D>> for SquaredError {
    fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        kernel::squared_error(output, target)
    }
}

/// The absolute error `sum(|x - mean|)`: a unit Laplace likelihood up to a constant.
#[derive(Module, Debug, Default)]
pub struct L1Loss;

impl<const D: usize> ReconstructionLoss<Tensor<D>> for L1Loss {
    fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        assert_match("L1Loss", ("output", &output), ("target", &target));
        sum_event((rows(target) - rows(output)).abs())
    }
}

/// The reconstruction losses on one tensor, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum Likelihood {
    /// [`BernoulliNll`].
    Bernoulli(BernoulliNll),
    /// [`ContinuousBernoulliNll`].
    ContinuousBernoulli(ContinuousBernoulliNll),
    /// [`GaussianNll`].
    Gaussian(GaussianNll),
    /// [`LearnedGaussianNll`].
    LearnedGaussian(LearnedGaussianNll),
    /// [`SquaredError`].
    SquaredError(SquaredError),
    /// [`L1Loss`].
    L1(L1Loss),
}

impl<const D: usize> ReconstructionLoss<Tensor<D>> for Likelihood {
    fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
        match self {
            Self::Bernoulli(nll) => nll.loss(output, target),
            Self::ContinuousBernoulli(nll) => nll.loss(output, target),
            Self::Gaussian(nll) => nll.loss(output, target),
            Self::LearnedGaussian(nll) => nll.loss(output, target),
            Self::SquaredError(loss) => loss.loss(output, target),
            Self::L1(loss) => loss.loss(output, target),
        }
    }

    fn support(&self) -> Support {
        match self {
            Self::Bernoulli(_) | Self::ContinuousBernoulli(_) => Support::UnitInterval,
            _ => Support::Real,
        }
    }
}

impl Likelihood {
    /// The image that an output stands for: the likelihood's mean, elementwise.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::loss::{BernoulliNll, Likelihood};
    ///
    /// let logits = Tensor::<2>::zeros([1, 2], &Device::default());
    /// let image = Likelihood::Bernoulli(BernoulliNll).mean(logits);
    /// image.into_data().assert_eq(&TensorData::from([[0.5f32, 0.5]]), true);
    /// ```
    pub fn mean<const D: usize>(&self, output: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Bernoulli(_) => burn::tensor::activation::sigmoid(output),
            Self::ContinuousBernoulli(_) => continuous_bernoulli_mean(output),
            _ => output,
        }
    }
}

/// The mean of a continuous Bernoulli: the derivative of its log-partition function,
/// `1 + 1 / (e^l - 1) - 1 / l`, and `1/2 + l / 12` near 0, where that is `inf - inf`.
fn continuous_bernoulli_mean<const D: usize>(logits: Tensor<D>) -> Tensor<D> {
    let near = logits
        .clone()
        .abs()
        .lower_elem(ContinuousBernoulliNll::SERIES);
    let cube = logits.clone().powi_scalar(3);
    let series = logits.clone().div_scalar(12.0) - cube.div_scalar(720.0) + 0.5;
    // With e^-|l| the quotient cannot overflow; the mean of -l is one minus the mean of l.
    let size = logits.clone().mask_fill(near.clone(), 1.0).abs();
    let upper = (size.clone().neg().exp().neg() + 1.0).recip() - size.recip();
    let negative = logits.lower_elem(0.0);
    let closed = upper.clone().mask_where(negative, upper.neg() + 1.0);
    closed.mask_where(near, series)
}
