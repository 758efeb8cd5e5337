use crate::error::{Error, Result};
use crate::traits::{Prior, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};

/// The uniform distribution over a box, every coordinate in `[low, high)`.
///
/// Outside the box its log-density is minus infinity, so a VAE, whose posteriors reach everywhere, cannot be
/// trained with it; adversarial models can.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::Uniform;
///
/// let device = Device::default();
/// let z = Uniform::new(3, -1.0, 1.0)?.sample(5, &device);
/// assert_eq!(z.dims(), [5, 3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Uniform {
    latent_dim: usize,
    low: f64,
    high: f64,
}

impl Uniform {
    /// The uniform distribution over `[low, high)` in each of `latent_dim` coordinates.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the interval is empty or infinite.
    pub fn new(latent_dim: usize, low: f64, high: f64) -> Result<Self> {
        match low < high && (high - low).is_finite() {
            true => Ok(Self {
                latent_dim,
                low,
                high,
            }),
            false => Err(Error::Config(format!(
                "Uniform: the interval from {low} to {high} is empty or infinite"
            ))),
        }
    }
}

impl Sampler for Uniform {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let interval = Distribution::Uniform(self.low, self.high);
        Tensor::random([n, self.latent_dim], interval, device)
    }
}

impl Prior for Uniform {
    /// # Panics
    ///
    /// If `z` has another number of coordinates.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [batch, latent] = z.dims();
        assert!(
            latent == self.latent_dim,
            "Uniform: it is over {} coordinates, but the latents have {latent}",
            self.latent_dim,
        );
        let inside = -(latent as f64) * (self.high - self.low).ln();
        // What is no number lies nowhere.
        let within = z.clone().greater_equal_elem(self.low);
        let within = within.bool_and(z.clone().lower_elem(self.high));
        let outside = within.all_dim(1).squeeze_dim::<1>(1).bool_not();
        Tensor::full([batch], inside, (&z.device(), z.dtype()))
            .mask_fill(outside, f64::NEG_INFINITY)
    }
}
