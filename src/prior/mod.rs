//! Priors over latents. They are modules: a prior may be learned.

mod standard_normal;

pub use standard_normal::StandardNormal;
