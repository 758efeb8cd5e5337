//! Building blocks for generative models on [burn](https://burn.dev): contracts for encoders,
//! decoders, priors and losses, ready-made parts that keep them, and models composed from both. The
//! same code runs on every backend that burn has.
//!
//! A variational autoencoder, from nothing to samples:
//!
//! ```
//! use burn::optim::{AdamConfig, GradientsParams};
//! use burn::prelude::*;
//! use burn_generative::prelude::*;
//!
//! let device = Device::default().autodiff();
//! let mut vae = VaeConfig::new().init(
//!     MlpEncoderConfig::new(vec![1, 28, 28], 20).init_gaussian(&device)?,
//!     MlpDecoderConfig::new(20, vec![1, 28, 28]).init(&device)?,
//!     StandardNormal::new(20),
//!     BernoulliNll,
//! )?;
//! let images = Tensor::<4>::zeros([32, 1, 28, 28], &device); // yours, in [0, 1]
//! let mut optimizer = AdamConfig::new().init();
//! for _step in 0..3 {
//!     let losses = vae.losses(images.clone()); // reconstruction, kl: nats per sample
//!     let gradients = GradientsParams::from_grads(losses.mean().backward(), &vae);
//!     vae = optimizer.step(1e-3, vae, gradients);
//! }
//! assert_eq!(vae.sample(8, &device).dims(), [8, 1, 28, 28]);
//! # Ok::<(), burn_generative::Error>(())
//! ```
//!
//! # Map
//!
//! A module uses only what stands above it.
//!
//! | module | what is in it |
//! |---|---|
//! | [`error`] | one error type, which names the thing and the way out |
//! | [`kernel`] | reparameterization, KL and negative log-likelihoods as differentiable functions |
//! | [`traits`] | all contracts, on one page: **start here to write a part of your own** |
//! | [`distribution`] | [`DiagonalGaussian`](distribution::DiagonalGaussian), and [divergences](distribution::divergence) |
//! | [`prior`] | [`StandardNormal`](prior::StandardNormal) and others, also fitted to codes |
//! | [`nn`] | ready-made encoders, decoders and critics: multi-layer perceptrons and convolutions; corruptions |
//! | [`loss`] | reconstruction and adversarial losses, what keeps a critic smooth, and [`Losses`](loss::Losses), what every model returns |
//! | [`model`] | [`Autoencoder`](model::Autoencoder), [`DenoisingAutoencoder`](model::DenoisingAutoencoder), [`Vae`](model::Vae), [`Aae`](model::Aae), [`ConditionalVae`](model::ConditionalVae), [`VaeGan`](model::VaeGan), [`Gan`](model::Gan), [`Ali`](model::Ali) |
//! | [`weights`] | SafeTensors, a folder with the configuration beside them, state dicts of PyTorch |
//! | [`latent`] | interpolation, traversals and arithmetic of codes |
//! | [`metric`] | how good a model is: bounds on log p(x), information in the latent, distances of samples to data, AUROC |
#![cfg_attr(
    feature = "train",
    doc = "| [`train`] | metrics, history and checkpoints for burn's `Learner` |"
)]
#![cfg_attr(
    feature = "data",
    doc = "| [`data`] | IDX files, MNIST, generated digits, a loader that stays on the device |"
)]
#![cfg_attr(
    feature = "plot",
    doc = "| [`plot`] | image grids, latent maps, curves, histograms, animations, a report of a run |"
)]
//! | [`prelude`] | the names that an application imports |
//!
//! # Features
//!
//! | feature | on by default | adds |
//! |---|---|---|
//! | `flex` | yes | burn's pure-Rust CPU backend |
//! | `train` | yes | `TrainStep` and `InferenceStep` on every model, the module `train` |
//! | `data` | yes | the module `data` |
//! | `plot` | yes | the module `plot` |
//! | `vision` | no | PSNR and SSIM of burn-train in [`metric`], and its Inception network for the FID |
//! | `pytorch` | no | reading `.pt` files in [`weights`] |
//! | `remote` | no | devices of other hosts |
//! | `ndarray`, `wgpu`, `webgpu`, `vulkan`, `metal`, `cuda`, `rocm`, `cpu`, `tch` | no | that backend of burn |
//!
//! With `default-features = false` the building blocks remain, and no backend: for an application
//! that picks its own.

#![warn(missing_docs)]

pub mod error;
mod file;
pub mod kernel;
pub mod traits;
mod unoptimized;

pub mod distribution;
pub mod prior;

pub mod nn;

pub mod loss;

pub mod model;
pub mod weights;

pub mod latent;
pub mod metric;

#[cfg(feature = "train")]
pub mod train;

#[cfg(feature = "data")]
pub mod data;
#[cfg(feature = "plot")]
pub mod plot;

pub mod prelude;

pub use error::{Error, Result};

/// The code in the README runs as it stands there.
#[cfg(all(doctest, feature = "data", feature = "flex", feature = "train"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
