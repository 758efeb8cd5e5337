use crate::flow::Tempered;
use crate::kernel;
use crate::traits::{Family, Posterior, Prior, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};

/// The standard normal prior `N(0, I)`: the prior of nearly every VAE.
///
/// Uses the posterior's closed-form KL where it has one, and a one-sample estimate otherwise.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// assert_eq!(StandardNormal::new(20).sample(3, &device).dims(), [3, 20]);
/// // Convolutional latents, `[batch, channels, height, width]`.
/// let maps = StandardNormal::<4>::with_event(&[8, 4, 4]);
/// assert_eq!(maps.sample(3, &device).dims(), [3, 8, 4, 4]);
/// ```
#[derive(Module, Debug)]
pub struct StandardNormal<const D: usize = 2> {
    #[module(skip)]
    event: Vec<usize>,
}

impl StandardNormal {
    /// The standard normal over vectors of length `latent_dim`.
    pub fn new(latent_dim: usize) -> Self {
        Self::with_event(&[latent_dim])
    }
}

impl<const D: usize> StandardNormal<D> {
    /// The standard normal over events of this shape, the batch axis left out.
    ///
    /// # Panics
    ///
    /// If the shape has not `D - 1` axes.
    pub fn with_event(event: &[usize]) -> Self {
        assert!(
            event.len() + 1 == D,
            "StandardNormal<{D}>: an event of a rank-{D} tensor has {} axes, but {event:?} has {}",
            D - 1,
            event.len(),
        );
        Self {
            event: event.to_vec(),
        }
    }
}

impl<const D: usize> StandardNormal<D> {
    /// Refuses latents of another shape.
    fn check(&self, z: &Tensor<D>) {
        let dims = z.dims();
        assert!(
            dims[1..] == self.event,
            "StandardNormal: it is over events of shape {:?}, but the latents have {:?}",
            self.event,
            &dims[1..],
        );
    }
}

impl<const D: usize> Sampler for StandardNormal<D> {
    type Value = Tensor<D>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<D> {
        let shape: Vec<usize> = [n].iter().chain(&self.event).copied().collect();
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
    }
}

impl<const D: usize> Tempered for StandardNormal<D> {
    fn sample_scaled(&self, n: usize, scale: f64, device: &Device) -> Tensor<D> {
        self.sample(n, device) * scale
    }
}

/// # Panics
///
/// If the latents have another shape than the prior's events.
impl<const D: usize> Prior for StandardNormal<D> {
    fn log_prob(&self, z: Tensor<D>) -> Tensor<1> {
        self.check(&z);
        let zeros = z.zeros_like();
        kernel::gaussian_nll_fixed(z, zeros, 1.0).neg()
    }

    fn exact_kl<Q>(&self, posterior: &Q) -> Option<Tensor<1>>
    where
        Q: Posterior<Latent = Tensor<D>>,
    {
        let Family::Gaussian { mean, log_var } = posterior.family()? else {
            return None;
        };
        // As the kernel would not notice.
        let coordinates = self.event.iter().product::<usize>();
        assert!(
            mean.dims()[1] == coordinates,
            "StandardNormal: it is over events of shape {:?}, but the posteriors have {} coordinates",
            self.event,
            mean.dims()[1],
        );
        Some(kernel::gaussian_kl(mean, log_var))
    }
}
