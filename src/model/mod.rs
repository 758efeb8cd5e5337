//! Models: one file a paper, each composed from an encoder, a decoder, a prior and a loss.
//!
//! Every model has `losses`, which returns each named term per sample and knows no optimizer; with
//! the feature `train` it also implements burn-train's `TrainStep` and `InferenceStep`, so that
//! burn's `Learner` trains it as it is.

mod aae;
mod ali;
mod autoencoder;
mod denoising;
mod gan;
mod vae;

pub use aae::{Aae, AaeConfig};
pub use ali::Ali;
pub use autoencoder::Autoencoder;
pub use denoising::DenoisingAutoencoder;
pub use gan::{Gan, GanConfig};
pub use vae::{Vae, VaeConfig};
