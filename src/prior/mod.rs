//! Priors over latents. They are modules: a prior may be learned.
//!
//! | prior | over | classes |
//! |---|---|---|
//! | [`StandardNormal`] | events of any shape | - |
//! | [`GaussianMixture`] | vectors; [`ring`](GaussianMixture::ring) in the plane | its components |
//! | [`SwissRoll`] | the plane | pieces of the spiral |
//! | [`Uniform`] | vectors in a box | - |
//! | [`UniformCategorical`] | one-hot vectors of independent variables | - |
//! | [`Empirical`], the points of another data set | events of any shape; it has no density | - |
//! | [`VampPrior`], posteriors of learned [`PseudoInputs`] | vectors | - |
//!
//! Fitted to codes after a training, so that an autoencoder of any kind can be sampled
//! ([`model::sample`](crate::model::sample)), and a VAE better than from its own prior
//! ([`Vae::with_fitted_prior`](crate::model::Vae::with_fitted_prior)):
//!
//! | prior | fitted by |
//! |---|---|
//! | [`FullGaussianMixture`], [`GaussianMixture`] | [`MixtureFit`]: expectation-maximisation |
//! | [`KernelDensity`] | nothing: it keeps the codes |
//!
//! [`AnyPrior`] is one of them, chosen at run time.

mod any;
mod coordinate;
mod density;
mod empirical;
mod fit;
mod full_gaussian_mixture;
mod gaussian_mixture;
mod kernel_density;
mod standard_normal;
mod swiss_roll;
mod uniform;
mod uniform_categorical;
mod vamp;

#[cfg(feature = "data")]
pub(crate) use crate::distribution::gumbel;
pub use any::AnyPrior;
pub(crate) use density::{log_density, log_sum_exp};
pub use empirical::Empirical;
pub use fit::MixtureFit;
pub use full_gaussian_mixture::FullGaussianMixture;
pub use gaussian_mixture::GaussianMixture;
pub use kernel_density::KernelDensity;
pub use standard_normal::StandardNormal;
pub use swiss_roll::{SwissRoll, SwissRollConfig};
pub use uniform::Uniform;
pub use uniform_categorical::UniformCategorical;
pub use vamp::{PseudoInputs, VampPrior};
