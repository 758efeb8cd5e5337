//! What a model minimises, one number per sample.

mod reconstruction;
mod terms;

pub use reconstruction::{
    BernoulliNll, ContinuousBernoulliNll, GaussianNll, HeteroscedasticGaussianNll, L1Loss,
    LearnedGaussianNll, Likelihood, SquaredError,
};
pub use terms::Losses;
