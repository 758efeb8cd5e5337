//! Distributions as values: a posterior, a decoder's output, and the divergences between them.
//!
//! | distribution | values |
//! |---|---|
//! | [`DiagonalGaussian`] | floats |
//! | [`Bernoulli`] | 0 and 1, as floats |
//! | [`Categorical`] | integers without an order, from 0 on |
//! | [`GumbelSoftmax`] | one-hot vectors of classes, relaxed in training so that they have a gradient |
//! | [`DiscretizedLogisticMixture`] | floats with an order of [`Levels`]: bytes of pictures, samples of sound |
//! | [`PixelLogisticMixture`] | the same, of pictures whose channels belong together |

pub mod divergence;

mod bernoulli;
mod categorical;
mod diagonal_gaussian;
mod discretized_logistic;
mod gumbel_softmax;
mod levels;
mod pixel_mixture;

pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use diagonal_gaussian::{DiagonalGaussian, LOG_VAR_MAX, LOG_VAR_MIN};
pub(crate) use diagonal_gaussian::{bound_any_log_var, coordinate_kl};
pub use discretized_logistic::DiscretizedLogisticMixture;
#[cfg(feature = "data")]
pub(crate) use discretized_logistic::logistic;
pub(crate) use discretized_logistic::{LOG_SCALE, middles, spread};
pub use gumbel_softmax::GumbelSoftmax;
pub(crate) use gumbel_softmax::{gumbel, one_hot_of_largest};
pub use levels::Levels;
pub use pixel_mixture::PixelLogisticMixture;
