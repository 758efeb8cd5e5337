//! What a model minimises, one number per sample.

mod adversarial;
mod reconstruction;
mod regularizer;
mod terms;

pub use adversarial::{Adversarial, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein};
pub use reconstruction::{
    BernoulliNll, ContinuousBernoulliNll, GaussianNll, HeteroscedasticGaussianNll, L1Loss,
    LearnedGaussianNll, Likelihood, SquaredError,
};
pub use regularizer::{GradientPenalty, Regularizer, Unregularized, WeightClipping};
pub use terms::Losses;
