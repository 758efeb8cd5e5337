use super::categorical::{assert_shape, class_at, variables};
use super::diagonal_gaussian::bound;
use super::levels::Levels;
use crate::kernel::{assert_match, log_interval, log_mixture, sum_event};
use crate::traits::{Code, Posterior};
use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Int, Tensor, TensorData};

/// The bounds of a log-scale, where the levels lie in [-1, 1]: at the lower one a bin of 256 levels is as wide as nine scales.
pub(crate) const LOG_SCALE: [f64; 2] = [-7.0, 20.0];

/// Standard logistic noise from numbers uniform in [0, 1), by the inverse of the distribution function.
pub(crate) fn logistic<const D: usize>(uniform: Tensor<D>) -> Tensor<D> {
    let uniform = uniform.clamp(1e-6, 1.0 - 1e-6); // logarithms of no zero
    uniform.clone().log() - uniform.neg().log1p()
}

/// The logarithm of the probability that each component, an element of `mean` and `log_scale`, gives to the level of this index,
/// which has one element along the axis of the components.
pub(super) fn log_probabilities(
    index: Tensor<3, Int>,
    mean: Tensor<3>,
    log_scale: Tensor<3>,
    levels: Levels,
) -> Tensor<3> {
    let last = levels.count() as i64 - 1;
    let is_first = index.clone().lower_equal_elem(0);
    let is_last = index.clone().greater_equal_elem(last);
    let x = index.float().cast(mean.dtype()) * (2.0 * half_bin(levels)) - 1.0;
    let half = x.full_like(half_bin(levels));
    log_interval(x - mean, half, log_scale.neg().exp(), [is_first, is_last])
}

/// Draws of logistic distributions, `m + s ln(u / (1 - u))`, with uniform noise in [0, 1).
pub(super) fn draw(mean: Tensor<3>, log_scale: Tensor<3>, uniform: Tensor<3>) -> Tensor<3> {
    mean + log_scale.exp() * logistic(uniform)
}

/// Half the distance of two levels, where they lie in [-1, 1].
fn half_bin(levels: Levels) -> f64 {
    1.0 / (levels.count() - 1) as f64
}

/// The index of the level that is nearest to each number, where levels lie in [-1, 1].
pub(super) fn nearest(x: Tensor<3>, levels: Levels) -> Tensor<3> {
    let last = (levels.count() - 1) as f64;
    ((x + 1.0) * (last / 2.0)).round().clamp(0.0, last)
}

/// Where the components of a mixture begin that a network gives by numbers near 0: in the middles of equal parts of [-1, 1], of
/// that width each, as from one point they could not part. The means, `[1, 1, components]`, and the log-scale.
pub(crate) fn spread(components: usize, like: &Tensor<3>) -> (Tensor<3>, f64) {
    let means = TensorData::new(middles(components), [1, 1, components]);
    let means = Tensor::from_data(means, (&like.device(), like.dtype()));
    (means, -(components as f64).ln())
}

/// The middles of equal parts of [-1, 1].
pub(crate) fn middles(parts: usize) -> Vec<f32> {
    let middle = |part| (2 * part + 1) as f32 / parts as f32 - 1.0;
    (0..parts).map(middle).collect()
}

/// Independent variables with ordered [`Levels`], each a mixture of logistic distributions that are rounded to the nearest
/// level; what lies beyond the first or the last one counts to it, so that the probabilities sum to 1.
///
/// With the levels moved to [-1, 1] and called `x`, half a bin `h`, `a = (x + h - m) / s` and `b = (x - h - m) / s`, a
/// component gives
///
/// `ln P = ln sigmoid(a) + ln sigmoid(-b) + ln(1 - e^(b - a))`,
///
/// which is `ln(sigmoid(a) - sigmoid(b))` without a difference of nearly equal numbers, and finite, with its gradients, at every
/// distance and scale; the first level has `ln sigmoid(a)` alone, the last `ln sigmoid(-b)`. Log-scales are bounded to [-7, 20].
/// A draw has no gradient.
///
/// [Salimans et al. 2017](https://arxiv.org/abs/1701.05517) (PixelCNN++), section 2.1.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::{DiscretizedLogisticMixture, Levels};
/// use burn_generative::prelude::*;
///
/// let zeros = || Tensor::<3>::zeros([2, 7, 5], &Device::default()); // seven bytes, five components
/// let bytes = DiscretizedLogisticMixture::<2>::new(zeros(), zeros(), zeros(), Levels::unit(256)?);
/// let pixels: Tensor<2> = bytes.rsample(); // in [0, 1]
/// assert_eq!(bytes.log_prob(pixels).dims(), [2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DiscretizedLogisticMixture<const D: usize = 2> {
    /// All three are `[batch, variables, components]`.
    logits: Tensor<3>,
    mean: Tensor<3>,
    log_scale: Tensor<3>,
    shape: [usize; D],
    levels: Levels,
}

impl<const D: usize> DiscretizedLogisticMixture<D> {
    /// The distribution over these levels, with the logits of the components, their means (of levels moved to [-1, 1]) and
    /// their log-scales (bounded), each `[batch, ..., components]`, of one axis more than values have.
    ///
    /// # Panics
    ///
    /// If the parameters have another number of axes, or differ in shape.
    pub fn new<const E: usize>(
        logits: Tensor<E>,
        mean: Tensor<E>,
        log_scale: Tensor<E>,
        levels: Levels,
    ) -> Self {
        const NAME: &str = "DiscretizedLogisticMixture";
        assert_match(NAME, ("logits", &logits), ("mean", &mean));
        assert_match(NAME, ("logits", &logits), ("log_scale", &log_scale));
        let (logits, shape) = variables::<E, D>(NAME, logits);
        let (mean, _) = variables::<E, D>(NAME, mean);
        let (log_scale, _) = variables::<E, D>(NAME, log_scale);
        Self {
            logits,
            mean,
            log_scale: bound(log_scale, LOG_SCALE),
            shape,
            levels,
        }
    }

    /// The level that is nearest to each number, where levels lie in [-1, 1].
    fn nearest(&self, x: Tensor<3>) -> Tensor<D> {
        (nearest(x, self.levels) * self.levels.step()).reshape(self.shape)
    }
}

impl<const D: usize> Code for DiscretizedLogisticMixture<D> {
    type Latent = Tensor<D>;
    /// Uniform in [0, 1), two numbers for each variable, `[batch, variables, 2]`: what chooses the component, and what the
    /// logistic distribution is drawn by.
    type Noise = Tensor<3>;

    fn noise(&self) -> Tensor<3> {
        let [batch, variables, _] = self.logits.dims();
        let of = self.logits.clone().detach().narrow(2, 0, 1);
        of.expand([batch, variables, 2])
            .random_like(Distribution::Default)
    }

    /// By the inverse of the distribution function, `m + s ln(u / (1 - u))`.
    fn rsample_with(&self, noise: Tensor<3>) -> Tensor<D> {
        let detached = |parameters: &Tensor<3>| parameters.clone().detach();
        let component = class_at(detached(&self.logits), noise.clone().narrow(2, 0, 1));
        let mean = detached(&self.mean).gather(2, component.clone());
        let log_scale = detached(&self.log_scale).gather(2, component);
        self.nearest(draw(mean, log_scale, noise.narrow(2, 1, 1)))
    }

    /// The level that is nearest to the mean of the components' means.
    fn point(&self) -> Tensor<D> {
        let mean = self.mean.clone().detach().clamp(-1.0, 1.0);
        let weight = softmax(self.logits.clone().detach(), 2);
        self.nearest((weight * mean).sum_dim(2))
    }
}

impl<const D: usize> Posterior for DiscretizedLogisticMixture<D> {
    /// In nats per sample, `[batch]`; a number between levels counts as the nearest of them.
    ///
    /// # Panics
    ///
    /// If the values have another shape.
    fn log_prob(&self, values: Tensor<D>) -> Tensor<1> {
        assert_shape("DiscretizedLogisticMixture", self.shape, values.dims());
        let [batch, variables, _] = self.logits.dims();
        let index = self.levels.index(values).reshape([batch, variables, 1]);
        let [mean, log_scale] = [&self.mean, &self.log_scale].map(Clone::clone);
        let log_p = log_probabilities(index, mean, log_scale, self.levels);
        sum_event(log_mixture(self.logits.clone(), log_p))
    }
}
