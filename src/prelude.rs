//! The names that an application imports.
//!
//! ```
//! use burn_generative::prelude::*;
//! ```

pub use crate::distribution::DiagonalGaussian;
pub use crate::flow::{Bijection, Flow};
pub use crate::kernel::sum_event;
pub use crate::loss::{BernoulliNll, GaussianNll, Kl, Losses, Nll, NonSaturating, SquaredError};
pub use crate::model::{
    Aae, AaeConfig, Ali, Autoencoder, ConditionalVae, DenoisingAutoencoder, FactorVae,
    FactorVaeConfig, Gan, GanConfig, Iwae, IwaeConfig, MaximumLikelihood, SemiSupervisedAae,
    SemiSupervisedVae, SemiSupervisedVaeConfig, StackedSemiSupervisedVae, Vae, VaeConfig, VaeGan,
    VaeGanConfig, VampVae, VqVae,
};
pub use crate::nn::{
    ConvCriticConfig, ConvDecoderConfig, ConvEncoderConfig, GaussianHead, Head, MlpCriticConfig,
    MlpDecoderConfig, MlpEncoderConfig, Squashed,
};
pub use crate::prior::StandardNormal;
pub use crate::traits::{
    AdversarialLoss, AutoencodingModel, Batch, Block, Code, Corruption, Critic, CriticRegularizer,
    Decoder, Draw, Encoder, Evidence, Family, FeatureCritic, InputGradient, LabeledSampler,
    LatentLoss, LatentVariableModel, Likelihood, Model, Posterior, Prior, Quantized, Quantizer,
    ReconstructionLoss, Sampler, Support,
};
