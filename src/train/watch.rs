use super::{ActiveUnits, Epoch};
use crate::traits::AdversarialLoss;
use burn::tensor::{Device, Tensor};
use std::fmt::Debug;

/// Looks at every epoch of a training, and says what is going wrong: [`Fit::watch`](super::Fit::watch) takes any number of
/// them.
///
/// ```
/// use burn_generative::train::{Epoch, Watch};
///
/// /// Notices that the test loss is far above that of training.
/// #[derive(Debug)]
/// struct Overfitting;
///
/// impl Watch for Overfitting {
///     fn look(&self, epoch: &Epoch, _steps: usize) -> Option<String> {
///         let [train, test] = [epoch.train.get("loss")?, epoch.test.get("loss")?];
///         (*test > 1.5 * train).then(|| format!("the test loss {test:.1} is far above {train:.1}"))
///     }
/// }
/// ```
pub trait Watch: Debug + Send + Sync {
    /// What to tell the user of an epoch, before which so many training steps were taken; `None` if all is well.
    fn look(&self, epoch: &Epoch, steps: usize) -> Option<String>;
}

/// Notices that a critic wins outright: its loss falls to next to nothing, and what it tells its opponent with
/// it. The losses of such a run look calm, and nothing is learned any more.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::{NonSaturating, Wasserstein};
/// use burn_generative::train::CriticWatch;
///
/// let device = Device::default();
/// let watch = CriticWatch::new(&NonSaturating, &device);
/// assert!(watch.warning(0.9).is_none());
/// assert!(watch.warning(0.001).unwrap().contains("learning rate"));
/// // A Wasserstein critic cannot win: its loss is a distance.
/// assert!(CriticWatch::new(&Wasserstein, &device).warning(-5.0).is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CriticWatch {
    undecided: f64,
}

/// Below this share of what an undecided critic pays, a critic has won.
const WON: f64 = 0.01;

impl CriticWatch {
    /// A watch on the critic of a model with this objective.
    pub fn new(objective: &impl AdversarialLoss, device: &Device) -> Self {
        let undecided = || Tensor::<1>::zeros([1], device);
        let loss = objective.critic(undecided(), undecided());
        Self {
            undecided: loss.into_scalar::<f64>(),
        }
    }

    /// What to tell the user if the critic's loss, its mean over an epoch or so, is under 1% of that of an
    /// undecided critic; `None` if it is not, and for an objective that knows no winning.
    pub fn warning(&self, critic_loss: f64) -> Option<String> {
        (self.undecided > 0.0 && critic_loss < WON * self.undecided).then(|| {
            format!(
                "the critic wins outright: its loss of {critic_loss:.1e} is under 1% of that of an undecided \
                 critic, and its opponent may learn nothing from it any more; lower the critic's learning rate, \
                 make it smaller, or regularise it (a gradient penalty, spectral normalisation)"
            )
        })
    }
}

/// Notices that a posterior has collapsed: next to no latent coordinate carries information any more, and the
/// decoder does without. The losses of such a run go down like any other's.
///
/// ```
/// use burn_generative::train::PosteriorWatch;
///
/// let watch = PosteriorWatch::new(20);
/// assert!(watch.warning(12.0).is_none());
/// assert!(watch.warning(1.0).unwrap().contains("beta"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PosteriorWatch {
    latent_dim: usize,
    patience: usize,
}

/// Steps that a posterior takes to leave where it was drawn.
const BEGINNING: usize = 100;

/// Below this share of active units, a posterior has collapsed.
const COLLAPSED: f64 = 0.1;

impl PosteriorWatch {
    /// A watch on a posterior of so many coordinates.
    pub fn new(latent_dim: usize) -> Self {
        Self {
            latent_dim,
            patience: BEGINNING,
        }
    }

    /// The same for a model whose KL warms up over so many steps, before which nothing is said.
    pub fn after_warmup(mut self, steps: usize) -> Self {
        self.patience = BEGINNING + steps;
        self
    }

    /// What to tell the user if less than 10% of the coordinates are [active](crate::train::ActiveUnits); `None` if
    /// they are not that few. Ask after a warm-up: before it, they have not begun.
    pub fn warning(&self, active_units: f64) -> Option<String> {
        (active_units < COLLAPSED * self.latent_dim as f64).then(|| {
            format!(
                "the posterior has collapsed: {active_units} of {} latent coordinates carry information; lower \
                 beta, let the KL's weight warm up, grant it free bits, or make the decoder weaker",
                self.latent_dim
            )
        })
    }
}

impl Watch for CriticWatch {
    /// Looks at the training loss `critic`.
    fn look(&self, epoch: &Epoch, _steps: usize) -> Option<String> {
        self.warning(*epoch.train.get("critic")?)
    }
}

impl Watch for PosteriorWatch {
    /// Looks at the [`ActiveUnits`] of the test data.
    fn look(&self, epoch: &Epoch, steps: usize) -> Option<String> {
        let active = *epoch.test.get(ActiveUnits::NAME)?;
        if steps >= self.patience {
            self.warning(active)
        } else {
            None
        }
    }
}
