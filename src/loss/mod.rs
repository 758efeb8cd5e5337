//! What a model minimises, one number per sample.
//!
//! What holds the codes of a [`Vae`](crate::model::Vae) to its prior:
//!
//! | to | take |
//! |---|---|
//! | maximise the evidence lower bound; weigh its KL, warm it up, give it a capacity | [`Kl`] |
//! | match the codes as a whole to any prior, by samples | [`Mmd`] |
//! | the same, and say how much a code is to know of its data | [`InfoVae`] |
//! | make the coordinates independent | [`TotalCorrelation`]; with a critic [`FactorVae`](crate::model::FactorVae) |
//! | make them uncorrelated | [`DipVae`] |

mod adversarial;
mod dip;
mod info;
mod latent;
mod logistic_mixture;
mod mmd;
mod reconstruction;
mod regularizer;
mod total_correlation;

pub use crate::losses::Losses;
pub use adversarial::{Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein};
pub use dip::DipVae;
pub use info::InfoVae;
pub use latent::Kl;
pub(crate) use latent::{watch, weigh};
pub use logistic_mixture::LogisticMixtureNll;
pub use mmd::{Mmd, MmdKernel};
pub use reconstruction::{
    AnyLikelihood, BernoulliNll, ContinuousBernoulliNll, GaussianNll, L1Loss, LaplaceNll,
    LearnedGaussianNll, Nll, SquaredError,
};
pub use regularizer::{AnyRegularizer, GradientPenalty, Unregularized, WeightClipping};
pub use total_correlation::TotalCorrelation;
