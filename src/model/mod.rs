//! Models: one file a paper, each composed from an encoder, a decoder, a prior and a loss.
//!
//! Every one is a [`Model`](crate::traits::Model): `losses` returns each named term per sample and knows no optimizer,
//! `learn` takes one step, and with the feature `train` burn's `Learner` trains it as it is. Those that generate are
//! [`Sampler`]s.
//!
//! | to | take |
//! |---|---|
//! | compress, find features | [`Autoencoder`] |
//! | repair noisy or incomplete data | [`DenoisingAutoencoder`] |
//! | generate and encode, with a likelihood | [`Vae`] |
//! | the same, with a tighter bound; with a prior that follows the codes | [`Iwae`]; [`VampVae`] |
//! | the same, with latents of several levels | [`HierarchicalVae`] |
//! | encode in discrete codes, and generate by a density of these | [`VqVae`] |
//! | find independent factors | [`FactorVae`]; a [`Vae`] with [`TotalCorrelation`](crate::loss::TotalCorrelation) |
//! | generate what a label asks for | [`ConditionalVae`] |
//! | the same, and classify, from few labels | [`SemiSupervisedVae`], [`StackedSemiSupervisedVae`] |
//! | shape the codes as any prior, or by labels | [`Aae`], [`SemiSupervisedAae`] |
//! | generate and encode, sharp to the eye | [`VaeGan`] |
//! | make the reconstructions of any autoencoder look real, patch by patch | [`ReconstructionGan`] |
//! | generate, sharp to the eye | [`Gan`] |
//! | encode what a GAN generates, without a reconstruction loss | [`Ali`] |
//! | encode images for a diffusion model, with weights of diffusers or trained here | [`AutoencoderKl`] |
//! | train any of them on data that is changed at random | [`Augmented`] |
//! | keep the networks of any of them from growing steep | [`Regularized`] |
//! | fit any density to data: a [flow](crate::flow), a mixture | [`MaximumLikelihood`], or in one call [`DensityFit`] |
//! | fit a density of data given a condition | [`ConditionalLikelihood`] |
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
mod augmented;
mod autoencoder;
mod autoencoder_kl;
mod balance;
mod conditional_likelihood;
mod conditional_vae;
mod denoising;
mod density_fit;
mod factor_vae;
mod fitted_prior;
mod gan;
mod hierarchical_vae;
mod iwae;
mod maximum_likelihood;
mod reconstruction_gan;
mod regularized;
mod semi_supervised_aae;
mod semi_supervised_vae;
mod stacked_vae;
mod vae;
mod vae_gan;
mod vamp_vae;
mod vq_vae;

use crate::traits::{Batch, Code, Decoder, Encoder, Sampler};
use burn::tensor::Device;

pub use aae::{Aae, AaeConfig};
pub use ali::Ali;
pub use augmented::Augmented;
pub use autoencoder::Autoencoder;
pub use autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig, KlDecoder, KlEncoder};
pub use balance::Balance;
pub use conditional_likelihood::ConditionalLikelihood;
pub use conditional_vae::ConditionalVae;
pub use denoising::DenoisingAutoencoder;
pub use density_fit::DensityFit;
pub use factor_vae::{FactorVae, FactorVaeConfig};
pub use fitted_prior::SecondStage;
pub use gan::{Gan, GanConfig};
pub use hierarchical_vae::HierarchicalVae;
pub use iwae::{Iwae, IwaeConfig};
pub use maximum_likelihood::MaximumLikelihood;
pub use reconstruction_gan::{ReconstructionGan, ReconstructionGanConfig};
pub use regularized::Regularized;
pub use semi_supervised_aae::SemiSupervisedAae;
pub use semi_supervised_vae::{SemiSupervisedVae, SemiSupervisedVaeConfig};
pub use stacked_vae::StackedSemiSupervisedVae;
pub use vae::{Vae, VaeConfig};
pub use vae_gan::{VaeGan, VaeGanConfig};
pub use vamp_vae::VampVae;
pub use vq_vae::{Unfitted, VqVae};

/// What a decoder makes of `n` samples of a prior, without gradients and as in evaluation: how every model of this
/// crate samples, and how one without a prior does, or with another than its own.
///
/// [`MixtureFit`](crate::prior::MixtureFit) has an example.
pub fn sample<P, D>(prior: &P, decoder: &D, n: usize, device: &Device) -> D::Output
where
    P: Sampler,
    D: Decoder<Latent = P::Value>,
{
    let latent = prior.valid().sample(n, &device.clone().inner());
    decoder.valid().decode(latent)
}

/// What a model takes as the latent of an encoder's code.
type LatentOf<E> = <<E as Encoder>::Code as Code>::Latent;

/// Refuses a prior whose samples are not shaped as codes are: before a network does, in words of its own.
fn assert_fits<Z: Batch>(model: &str, codes: &Z, samples: &Z) {
    let [codes, samples] = [codes, samples].map(Z::shapes);
    assert!(
        codes == samples,
        "{model}: the encoder's codes have shape {}, but the prior's samples {}; give both the same number of latent \
         coordinates",
        in_words(&codes),
        in_words(&samples),
    );
}

/// The shape of a tensor, or those of several.
fn in_words(shapes: &[Vec<usize>]) -> String {
    match shapes {
        [shape] => format!("{shape:?}"),
        shapes => format!("{shapes:?}"),
    }
}
