#![doc = "Generative-model building blocks for burn."]
#![warn(missing_docs)]

pub mod error;
pub mod kernel;
pub mod traits;
pub mod distribution;
pub mod prior;
pub mod nn;
pub mod loss;
pub mod model;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "data")]
pub mod data;
#[cfg(feature = "plot")]
pub mod plot;
pub mod prelude;

pub use error::{Error, Result};
