//! The names that an application imports.
//!
//! ```
//! use burn_generative::prelude::*;
//! ```

pub use crate::distribution::DiagonalGaussian;
pub use crate::error::Error;
pub use crate::kernel::sum_event;
pub use crate::loss::{BernoulliNll, GaussianNll, Losses, SquaredError};
pub use crate::model::{Autoencoder, Vae, VaeConfig};
pub use crate::nn::{
    ConvDecoderConfig, ConvEncoderConfig, GaussianHead, Head, MlpDecoderConfig, MlpEncoderConfig,
};
pub use crate::prior::StandardNormal;
pub use crate::traits::{
    AdversarialLoss, Critic, Decoder, Encoder, FeatureCritic, Posterior, Prior, ReconstructionLoss,
    Support,
};
