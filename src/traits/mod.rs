//! The contracts of models and their parts. (Those of flows, hierarchies, autoregressive models and sequences stand in the
//! modules of these.)
//!
//! Three rules hold for every one of them:
//!
//! 1. **Axis 0 is the batch; all other axes are one event.**
//! 2. **Every loss, log-density and divergence is per sample**: a `Tensor<1>` of shape `[batch]`,
//!    summed over the event, in nats. A model takes one mean over the batch, at the very end. So a
//!    mean over pixels cannot meet a sum over latents. (A statistic of the whole batch, as a maximum mean
//!    discrepancy is one, is `[batch]` numbers whose mean it is.)
//! 3. **Networks end in logits or means**, never in a squashed or sampled value; the loss knows what
//!    they are. (A generator whose samples a critic judges is the exception: `nn::Squashed`.)
//!
//! | to write your own | implement | methods |
//! |---|---|---|
//! | encoder | [`Encoder`] | `encode` |
//! | decoder, generator | [`Decoder`] | `decode` |
//! | noise source, generator of any kind | [`Sampler`] | `sample` |
//! | prior, density of data | [`Sampler`], [`Prior`] | `sample`, `log_prob`; `exact_kl` where one is known |
//! | sampler with classes | [`LabeledSampler`] | `num_classes`, `sample_labeled` |
//! | approximate posterior, distribution that a decoder returns | [`Code`], [`Posterior`] | `noise`, `rsample_with`, `point`, `log_prob` |
//! | reconstruction loss | [`ReconstructionLoss`] | `loss`, `point` |
//! | likelihood | the same, and [`Likelihood`] | `sample` |
//! | what holds codes to the prior | [`LatentLoss`] | `terms`, `losses` |
//! | quantiser of latents | [`Quantizer`] | `width`, `codes`, `quantize`, `lookup` |
//! | corruption of a denoising model | [`Corruption`] | `noise`, `corrupt_with` |
//! | critic, discriminator | [`Critic`], [`FeatureCritic`] | `score`, `features`; `patch_scores` where it judges patches |
//! | critic under a gradient penalty | [`InputGradient`] | `score_and_input_gradient` |
//! | what keeps a critic smooth | [`CriticRegularizer`] | `noise`, `penalty_with`, `constrain` |
//! | adversarial objective | [`AdversarialLoss`] | `real`, `fake`, `generator` |
//! | model | [`Model`], and [`learner!`](crate::learner) | `terms`, `losses`; `advance` where it counts steps |
//! | model whose reconstructions a critic may see | [`AutoencodingModel`] | `losses_and_reconstruction` |
//! | model that can be judged by its likelihood | [`LatentVariableModel`] | `posterior`, `evidence_of` |
//! | kind of data | [`Batch`] | `len`, `device`, `shapes`, `detach`, `select`, `narrow`, .. |
//!
//! Every part derives burn's [`Module`](burn::module::Module) ([`Block`]), so that optimizers, records and devices find
//! what it holds.
//!
//! Randomness has one form: `noise()` draws, `x_with(noise)` computes, and `x()` is both.

mod batch;
mod distribution;
mod learner;
mod loss;
mod model;
mod network;
mod quantizer;

pub use batch::{Batch, Block};
pub use distribution::{Code, Draw, Family, LabeledSampler, Posterior, Prior, Sampler};
#[cfg(feature = "train")]
#[doc(hidden)]
pub use learner::steps;
pub use loss::{
    AdversarialLoss, CriticRegularizer, LatentLoss, Likelihood, ReconstructionLoss, Support,
};
pub use model::{AutoencodingModel, Evidence, LatentVariableModel, Model};
pub use network::{Corruption, Critic, Decoder, Encoder, FeatureCritic, InputGradient};
pub use quantizer::{Quantized, Quantizer};
