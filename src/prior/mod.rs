//! Priors over latents. They are modules: a prior may be learned.
//!
//! | prior | over | classes |
//! |---|---|---|
//! | [`StandardNormal`] | events of any shape | - |
//! | [`GaussianMixture`] | vectors; [`ring`](GaussianMixture::ring) in the plane | its components |
//! | [`SwissRoll`] | the plane | pieces of the spiral |
//! | [`Uniform`] | vectors in a box | - |
//!
//! [`PriorKind`] is one of them, chosen at run time.

mod gaussian_mixture;
mod kind;
mod standard_normal;
mod swiss_roll;
mod uniform;

pub use gaussian_mixture::GaussianMixture;
pub use kind::PriorKind;
pub use standard_normal::StandardNormal;
pub use swiss_roll::{SwissRoll, SwissRollConfig};
pub use uniform::Uniform;
