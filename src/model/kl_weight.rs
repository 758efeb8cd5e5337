use super::VaeConfig;
use crate::error::{Result, check_not_negative};
use crate::loss::Losses;
use crate::nn::Warmup;
use crate::traits::Posterior;
use burn::module::Module;
use burn::tensor::Tensor;

/// The KL's share of the total of a VAE: beta and free bits. The warm-up, which has a state, is the model's.
#[derive(Module, Debug)]
pub(super) struct KlWeight {
    beta: f64,
    free_bits: f64,
}

impl KlWeight {
    /// What the configuration of a model asks for.
    pub fn new(model: &str, config: &VaeConfig) -> Result<Self> {
        Ok(Self {
            beta: check_not_negative(&format!("{model}: beta"), config.beta)?,
            free_bits: check_not_negative(&format!("{model}: free_bits"), config.free_bits)?,
        })
    }

    /// The total, and its terms `reconstruction` and `kl`; in evaluation with the posterior's coordinates.
    pub fn losses<Q: Posterior>(
        &self,
        reconstruction: Tensor<1>,
        kl: Tensor<1>,
        posterior: &Q,
        warmup: Option<&Warmup>,
    ) -> Losses {
        let coordinates = match kl.device().is_autodiff() {
            true => None,
            false => posterior.coordinates(),
        };
        Losses::new(reconstruction.clone() + self.weigh(kl.clone(), warmup))
            .with_term("reconstruction", reconstruction)
            .with_term("kl", kl)
            .with_coordinates(coordinates)
    }

    /// The KL's share, `[batch]`.
    fn weigh(&self, kl: Tensor<1>, warmup: Option<&Warmup>) -> Tensor<1> {
        let training = kl.device().is_autodiff();
        let kl = match training && self.free_bits > 0.0 {
            true => floor_mean(kl, self.free_bits),
            false => kl,
        };
        match warmup {
            Some(warmup) if training => kl * warmup.weight().mul_scalar(self.beta),
            _ => kl.mul_scalar(self.beta),
        }
    }
}

/// The warm-up that a configuration asks for, if it does, on the device of this part of the model.
pub(super) fn warmup(config: &VaeConfig, part: &impl Module) -> Option<Warmup> {
    (config.warmup_steps > 0).then(|| {
        let device = part.devices().first().cloned().unwrap_or_default();
        Warmup::new(config.warmup_steps, &device.without_autodiff())
    })
}

/// `kl`, or where its mean over the batch is below `floor` that floor, without a gradient.
fn floor_mean(kl: Tensor<1>, floor: f64) -> Tensor<1> {
    let above = kl.clone().detach().mean().greater_elem(floor).float();
    let below = above.clone().neg().add_scalar(1.0);
    kl * above + below.mul_scalar(floor)
}
