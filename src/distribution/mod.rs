//! Distributions as values: a posterior, a decoder's output, and the divergences between them.

pub mod divergence;

mod diagonal_gaussian;

pub(crate) use diagonal_gaussian::{bound_log_var, coordinate_kl};
pub use diagonal_gaussian::{DiagonalGaussian, LOG_VAR_MAX, LOG_VAR_MIN};
