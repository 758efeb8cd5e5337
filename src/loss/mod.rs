//! What a model minimises, one number per sample.

mod adversarial;
mod latent;
mod reconstruction;
mod regularizer;

pub use crate::losses::Losses;
pub use adversarial::{Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein};
pub use latent::Kl;
pub use reconstruction::{
    AnyLikelihood, BernoulliNll, ContinuousBernoulliNll, GaussianNll, L1Loss, LaplaceNll, LearnedGaussianNll, Nll, SquaredError,
};
pub use regularizer::{AnyRegularizer, GradientPenalty, Unregularized, WeightClipping};
