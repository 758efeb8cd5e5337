//! Trainings: a run in a folder that can be stopped, killed and resumed, and the parts it is made of.
//!
//! | to | take |
//! |---|---|
//! | train a model in a folder | [`Run`], [`Fit`] |
//! | take single steps | [`Model::learn`](crate::traits::Model::learn) |
//! | see what goes wrong | [`PosteriorWatch`], [`CriticWatch`], a [`Watch`] of one's own |
//! | use burn's `Learner` with settings of one's own | the parts below: metrics that do not stall the device, a history of epochs, checkpoints that survive a crash |
//!
//! [`Fit`] has an example. burn's `Learner` trains every model of this crate as it is; none of this is needed for that, and
//! all of it helps:
//!
//! ```
//! # #[cfg(feature = "data")] {
//! use burn::optim::AdamConfig;
//! use burn::prelude::*;
//! use burn::train::{Learner, SupervisedTraining};
//! use burn_generative::data::{TensorLoader, digits};
//! use burn_generative::prelude::*;
//! use burn_generative::train::{Checkpoints, Guard, History, ProgressLines, TermMetric};
//! use std::{sync::Arc, time::Duration};
//!
//! let device = Device::default();
//! let [train, test] = [1, 2].map(|seed| {
//!     TensorLoader::new(digits::generate(64, seed).images(&device), 32).seed(seed)
//! });
//! let training_device = device.autodiff();
//! let vae = VaeConfig::new().init(
//!     MlpEncoderConfig::new(vec![1, 28, 28], 4).init_gaussian(&training_device)?,
//!     MlpDecoderConfig::new(4, vec![1, 28, 28]).init(&training_device)?,
//!     StandardNormal::new(4),
//!     BernoulliNll,
//! )?;
//!
//! let folder = std::env::temp_dir().join(format!("burn-generative-{}", std::process::id()));
//! let history = History::new(Vec::new());
//! let guard = Guard::new();
//! let metric = |term| TermMetric::new(term, &guard);
//! let training = SupervisedTraining::new(&folder, Arc::new(train.shuffle()), Arc::new(test))
//!     .metrics((metric("loss"), metric("reconstruction"), metric("kl")))
//!     .with_metric_logger(history.clone())
//!     .with_interrupter(guard.interrupter())
//!     .with_application_logger(None)
//!     .renderer(Box::new(ProgressLines::new(Duration::from_secs(10))))
//!     .num_epochs(2);
//! let training = Checkpoints::new(folder.join("checkpoint")).register(training, &guard);
//! let result = training.launch(Learner::new(vae, AdamConfig::new().init(), 1e-3));
//!
//! assert!(result.error.is_none() && guard.reason().is_none());
//! assert!(history.epochs()[1].test["loss"] < history.epochs()[0].test["loss"]);
//! # std::fs::remove_dir_all(folder).unwrap();
//! # }
//! # Ok::<(), burn_generative::Error>(())
//! ```

mod adam;
mod aided;
mod checkpoint;
#[cfg(feature = "data")]
mod fit;
mod gradient;
mod guard;
mod history;
#[cfg(feature = "data")]
mod interrupt;
mod latent;
mod metric;
mod progress;
mod rates;
#[cfg(feature = "data")]
mod run;
mod skipped;
mod trainable;
mod watch;

pub use adam::{FusedAdam, FusedAdamConfig};
pub use checkpoint::Checkpoints;
#[cfg(feature = "data")]
pub use fit::Fit;
pub use gradient::GradientNorm;
pub use guard::Guard;
pub use history::{Epoch, History};
#[cfg(feature = "data")]
pub use interrupt::interrupted;
pub use latent::{ActiveUnits, KlPerCoordinate};
pub use metric::TermMetric;
pub use progress::ProgressLines;
pub use rates::{Cosine, Rates, StepDecay};
#[cfg(feature = "data")]
pub use run::Run;
pub use skipped::SkippedSteps;
pub use trainable::Trainable;
pub use watch::{CriticWatch, PosteriorWatch, Watch};
