//! Models: one file a paper, each composed from an encoder, a decoder, a prior and a loss.
//!
//! Every model has `losses`, which returns each named term per sample and knows no optimizer; with
//! the feature `train` it also implements burn-train's `TrainStep` and `InferenceStep`, so that
//! burn's `Learner` trains it as it is.
//!
//! | to | take |
//! |---|---|
//! | compress, find features | [`Autoencoder`] |
//! | repair noisy or incomplete data | [`DenoisingAutoencoder`] |
//! | generate and encode, with a likelihood | [`Vae`] |
//! | generate what a label asks for | [`ConditionalVae`] |
//! | shape the codes as any prior, or by labels | [`Aae`], [`SemiSupervisedAae`] |
//! | generate and encode, sharp to the eye | [`VaeGan`] |
//! | generate, sharp to the eye | [`Gan`] |
//! | encode what a GAN generates, without a reconstruction loss | [`Ali`] |
//!
//! A model with several players is one module and takes one backward pass. For a learning rate or an optimizer
//! of its own a player is a parameter group:
//!
//! ```
//! use burn::module::ParamGroup;
//! use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
//! use burn::optim::{AdamConfig, ModuleOptimizer};
//!
//! let critics = || ParamGroup::from_regex("^critic\\.").expect("a valid pattern");
//! let adam = |beta_1| AdamConfig::new().with_beta_1(beta_1);
//! let optimizer: ModuleOptimizer = adam(0.5).init().with_group(critics(), adam(0.0).build(), None);
//! let rates = ModuleLrScheduler::new(1e-4).with_group(critics(), 4e-4); // for burn's `Learner`
//! ```

mod aae;
mod ali;
mod autoencoder;
mod conditional_vae;
mod denoising;
mod gan;
mod kl_weight;
mod vae;
mod vae_gan;

use crate::traits::{Decoder, Prior};
use burn::module::Module;
use burn::tensor::Device;
#[cfg(feature = "train")]
use {crate::loss::Losses, burn::train::TrainOutput};

pub use aae::{Aae, AaeConfig, SemiSupervisedAae};
pub use ali::Ali;
pub use autoencoder::Autoencoder;
pub use conditional_vae::ConditionalVae;
pub use denoising::DenoisingAutoencoder;
pub use gan::{Gan, GanConfig};
pub use vae::{Vae, VaeConfig};
pub use vae_gan::{Balance, VaeGan, VaeGanConfig};

/// What a decoder makes of `n` samples of a prior, without gradients and as in evaluation: how every model of this
/// crate samples, and how one without a prior does, or with another than its own.
///
/// [`MixtureFit`](crate::prior::MixtureFit) has an example.
pub fn sample<P, D>(prior: &P, decoder: &D, n: usize, device: &Device) -> D::Output
where
    P: Prior + Module,
    D: Decoder<Latent = P::Latent> + Module,
{
    let latent = prior.valid().sample(n, &device.clone().inner());
    decoder.valid().decode(latent)
}

/// The likelihood of a model of an encoder `E`, a decoder `D` and a prior `P`: `log p(x | z)` is minus the loss `L`, in
/// the field that is named.
macro_rules! latent_variable_model {
    ($(#[$doc:meta])* $model:ident<$($part:ident),*>, $loss:ident) => {
        $(#[$doc])*
        impl<$($part),*> LatentVariableModel for $model<$($part),*>
        where
            E: Encoder<Input: Clone, Code: Posterior<Latent: Clone>>,
            D: Decoder<Latent = <E::Code as Posterior>::Latent>,
            P: Prior<Latent = <E::Code as Posterior>::Latent>,
            L: ReconstructionLoss<D::Output, E::Input>,
        {
            type Input = E::Input;
            type Posterior = E::Code;

            fn posterior(&self, input: E::Input) -> E::Code {
                self.encoder.encode(input)
            }

            fn log_prior(&self, z: <E::Code as Posterior>::Latent) -> Tensor<1> {
                self.prior.log_prob(z)
            }

            fn log_likelihood(
                &self,
                input: E::Input,
                z: <E::Code as Posterior>::Latent,
            ) -> Tensor<1> {
                self.$loss.loss(self.decoder.decode(z), input).neg()
            }

            fn kl(&self, posterior: &E::Code, z: <E::Code as Posterior>::Latent) -> Tensor<1> {
                self.prior.kl(posterior, z)
            }
        }
    };
}
use latent_variable_model;

/// A training step of every model: one backward pass through the total.
#[cfg(feature = "train")]
fn backward<M: Module>(model: &M, losses: Losses) -> TrainOutput<Losses> {
    let gradients = losses.mean().backward();
    TrainOutput::new(model, gradients, losses.without_graph())
}

/// The methods of a `TrainStep` that count each step of the optimizer, by the model's `advance`.
#[cfg(feature = "train")]
macro_rules! advance_after_each_step {
    () => {
        fn optimize(
            self,
            optimizer: &mut burn::optim::ModuleOptimizer,
            rate: burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate,
            gradients: burn::optim::GradientsParams,
        ) -> Self {
            optimizer.step(rate, self, gradients).advance()
        }

        fn optimize_multi(
            self,
            optimizer: &mut burn::optim::ModuleOptimizer,
            rate: burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate,
            gradients: burn::optim::MultiGradientsParams,
        ) -> Self {
            optimizer.step_multi(rate, self, gradients).advance()
        }
    };
}
#[cfg(feature = "train")]
use advance_after_each_step;

/// Refuses a prior whose samples are not shaped as codes are: before a network does, in words of its own.
fn assert_fits(model: &str, codes: &[usize], samples: &[usize]) {
    assert!(
        codes == samples,
        "{model}: the encoder's codes have shape {codes:?}, but the prior's samples {samples:?}; give both the \
         same number of latent coordinates"
    );
}
