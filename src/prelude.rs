//! The names that an application imports.
//!
//! ```
//! use burn_generative::prelude::*;
//! ```

pub use crate::distribution::DiagonalGaussian;
pub use crate::error::Error;
pub use crate::kernel::sum_event;
pub use crate::loss::{BernoulliNll, GaussianNll, Losses, SquaredError};
pub use crate::model::{
    Aae, AaeConfig, Ali, Autoencoder, ConditionalVae, DenoisingAutoencoder, Gan, GanConfig, Vae,
    VaeConfig, VaeGan, VaeGanConfig,
};
pub use crate::nn::{
    ConvDecoderConfig, ConvEncoderConfig, GaussianHead, Head, MlpDecoderConfig, MlpEncoderConfig,
};
pub use crate::prior::StandardNormal;
pub use crate::traits::{
    AdversarialLoss, Code, Corruption, Critic, CriticRegularizer, Decoder, Encoder, FeatureCritic,
    InputGradient, LabeledPrior, LatentVariableModel, Posterior, Prior, ReconstructionLoss,
    Support,
};
