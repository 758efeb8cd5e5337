//! Building blocks for generative models on [burn](https://burn.dev): contracts for encoders,
//! decoders, priors and losses, ready-made parts that keep them, and models composed from both. The
//! same code runs on every backend that burn has.
//!
//! | to | take |
//! |---|---|
//! | compress, find features | [`Autoencoder`](model::Autoencoder) |
//! | repair noisy or incomplete data | [`DenoisingAutoencoder`](model::DenoisingAutoencoder) |
//! | generate and encode, with a likelihood | [`Vae`](model::Vae) |
//! | generate what a label asks for | [`ConditionalVae`](model::ConditionalVae) |
//! | shape the codes as any prior, or by labels | [`Aae`](model::Aae), [`SemiSupervisedAae`](model::SemiSupervisedAae) |
//! | generate and encode, sharp to the eye | [`VaeGan`](model::VaeGan) |
//! | generate, sharp to the eye | [`Gan`](model::Gan) |
//! | encode what a GAN generates, without a reconstruction loss | [`Ali`](model::Ali) |
//! | generate and encode sentences | [`sequence::SequenceVae`] |
//! | stack latents on latents | [`HierarchicalVae`](model::HierarchicalVae) |
//! | fit any density to data: a normalizing flow ([`flow`]), a mixture | [`MaximumLikelihood`](model::MaximumLikelihood) |
//! | know the exact likelihood of discrete data, and complete it | [`autoregressive`] |
//! | write a part of your own | a contract of [`traits`] |
#![cfg_attr(
    feature = "data",
    doc = "| draw, complete and judge rows of a table | [`data::table::TableVae`] |"
)]
//! | sample a model better after it was trained | [`prior::MixtureFit`], [`prior::KernelDensity`] |
//! | say how good a model is, or what does not belong to the data | [`metric`] |
//! | walk through the latent space | [`latent`] |
//! | encode images for a diffusion model, with weights of diffusers | [`AutoencoderKl`](model::AutoencoderKl) |
//! | save weights, load PyTorch's | [`weights`] |
//!
//! A variational autoencoder, from nothing to samples:
//!
//! ```
//! use burn::optim::AdamConfig;
//! use burn::prelude::*;
//! use burn_generative::prelude::*;
//!
//! let device = Device::default().autodiff();
//! let mut vae = Vae::new(
//!     MlpEncoderConfig::new(vec![1, 28, 28], 20).init_gaussian(&device)?,
//!     MlpDecoderConfig::new(20, vec![1, 28, 28]).init(&device)?,
//!     StandardNormal::new(20),
//!     BernoulliNll,
//! );
//! let images = Tensor::<4>::zeros([32, 1, 28, 28], &device); // yours, in [0, 1]
//! let mut optimizer = AdamConfig::new().init();
//! for _step in 0..3 {
//!     let losses; // reconstruction, kl: nats per sample
//!     (vae, losses) = vae.learn(&mut optimizer, 1e-3, images.clone());
//!     println!("{:.2}", losses.mean().into_scalar::<f32>());
//! }
//! assert_eq!(vae.sample(8, &device).dims(), [8, 1, 28, 28]); // images, not logits
//! # Ok::<(), burn_generative::Error>(())
//! ```
//!
//! Cargo's dev profile compiles burn without optimisation, and a step of such a program takes fifty to two hundred times
//! as long. So put this into the Cargo.toml of your workspace (the README has what it was measured to gain), or use
//! `--release`:
//!
//! ```toml
//! [profile.dev]
//! opt-level = 3
//! debug-assertions = false
//! overflow-checks = false
//! ```
//!
//! # The parts of a model
//!
//! | module | what is in it |
//! |---|---|
//! | [`traits`] | the contracts of models and their parts: **start here to write a part of your own** |
//! | [`nn`] | ready-made encoders, decoders and critics: multi-layer perceptrons and convolutions; corruptions |
//! | [`flow`] | normalizing flows: exact densities of data, as priors, as posteriors |
//! | [`autoregressive`] | exact likelihoods of discrete data, variable by variable: MADE, NADE, PixelCNN, WaveNet |
//! | [`hierarchy`] | latents of several levels, each given those above it: the top-down pass, a ladder, NVAE |
//! | [`prior`] | [`StandardNormal`](prior::StandardNormal) and others, also fitted to codes |
//! | [`distribution`] | [`DiagonalGaussian`](distribution::DiagonalGaussian), discrete distributions, and [divergences](distribution::divergence) |
//! | [`loss`] | reconstruction and adversarial losses, what keeps a critic smooth, and [`Losses`](loss::Losses), what every model returns |
//! | [`model`] | the models of the table above |
//! | [`sequence`] | sentences: vocabularies, recurrent and convolutional networks, their variational autoencoder |
//! | [`kernel`] | reparameterization, KL and negative log-likelihoods as differentiable functions |
//! | [`prelude`] | the names that an application imports |
//!
//! # Judging
//!
//! | module | what is in it |
//! |---|---|
//! | [`metric`] | bounds on log p(x), information in the latent, distances of samples to data, AUROC |
//! | [`latent`] | interpolation, traversals and arithmetic of codes |
#![cfg_attr(
    feature = "plot",
    doc = "| [`plot`] | image grids, latent maps, curves, histograms, animations, a report of a run |"
)]
//!
//! # Plumbing
//!
//! | module | what is in it |
//! |---|---|
#![cfg_attr(
    feature = "train",
    doc = "| [`train`] | metrics, history and checkpoints for burn's `Learner` |"
)]
#![cfg_attr(
    feature = "data",
    doc = "| [`data`] | MNIST, generated digits, folders of pictures, tables, texts, NumPy's arrays, and loaders of them |"
)]
//! | [`weights`] | SafeTensors, a folder with the configuration beside them, state dicts of PyTorch |
//! | [`error`] | one error type, which names the thing and the way out |
//!
//! # Features
//!
//! | feature | on by default | adds |
//! |---|---|---|
//! | `flex` | yes | burn's pure-Rust CPU backend |
//! | `train` | yes | `TrainStep` and `InferenceStep` on every model, the module `train` |
//! | `data` | yes | the module `data` |
//! | `plot` | yes | the module `plot` |
//! | `autotune` | yes | a GPU's kernels, chosen by measurement for each size |
//! | `tui` | no | burn-train's dashboard in a terminal, in the place of plain lines |
//! | `vision` | no | PSNR and SSIM of burn-train in [`metric`], and its Inception network for the FID |
//! | `sound` | no | WAV files, resampling, spectrograms, in `data::sound` |
//! | `pytorch` | no | reading `.pt` files in [`weights`] |
//! | `remote` | no | devices of other hosts |
//! | `ndarray`, `wgpu`, `webgpu`, `vulkan`, `metal`, `cuda`, `rocm`, `cpu`, `tch` | no | that backend of burn |
//!
//! With `default-features = false` the building blocks remain, and no backend: for an application
//! that picks its own, and for a GPU `autotune`.

#![warn(missing_docs)]

pub mod device;
pub mod error;
mod file;
pub mod kernel;
mod losses;
pub mod traits;
mod unoptimized;

pub mod distribution;

pub mod nn;

pub mod flow;

pub mod autoregressive;

pub mod hierarchy;

pub mod prior;

pub mod loss;

pub mod model;

pub mod sequence;

pub mod weights;

pub mod latent;
pub mod metric;

#[cfg(feature = "data")]
pub mod data;

#[cfg(feature = "train")]
pub mod train;

#[cfg(feature = "plot")]
pub mod plot;

pub mod prelude;

pub use error::{Error, Result};

/// The code in the README runs as it stands there.
#[cfg(all(
    doctest,
    feature = "data",
    feature = "flex",
    feature = "plot",
    feature = "train"
))]
#[doc = include_str!("../README.md")]
pub struct Readme;
