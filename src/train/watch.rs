use crate::traits::AdversarialLoss;
use burn::tensor::{Device, Tensor};

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
