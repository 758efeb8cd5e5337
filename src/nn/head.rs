use super::linear::linear;
use crate::distribution::DiagonalGaussian;
use crate::traits::Block;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// The last layer of a network: from features `[batch, features]` to a code.
///
/// burn's [`Linear`] is the head of a point, [`GaussianHead`] that of a [`DiagonalGaussian`]. With a
/// head of your own the ready-made encoders return another distribution:
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// A Gaussian with unit variance, around a point that is learned.
/// #[derive(Module, Debug)]
/// struct UnitVariance { mean: Linear }
///
/// impl Head for UnitVariance {
///     type Code = DiagonalGaussian;
///
///     fn forward(&self, features: Tensor<2>) -> DiagonalGaussian {
///         let mean = self.mean.forward(features);
///         DiagonalGaussian::new(mean.clone(), mean.zeros_like())
///     }
/// }
///
/// let device = Device::default();
/// let encoder = MlpEncoderConfig::new(vec![1, 28, 28], 8).init_with_head(&device, |features| {
///     UnitVariance { mean: LinearConfig::new(features, 8).init(&device) }
/// })?;
/// let posterior = encoder.encode(Tensor::<4>::zeros([2, 1, 28, 28], &device));
/// assert_eq!(posterior.mean().dims(), [2, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub trait Head: Block {
    /// What the network returns.
    type Code;

    /// The codes of a batch of features, `[batch, features]`.
    fn forward(&self, features: Tensor<2>) -> Self::Code;
}

impl Head for Linear {
    type Code = Tensor<2>;

    fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        linear(self, features)
    }
}

/// Two linear layers, for the means and the log-variances of a [`DiagonalGaussian`].
///
/// Use it in an encoder of your own:
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let head = GaussianHead::new(400, 20, &device);
/// let posterior = head.forward(Tensor::zeros([3, 400], &device));
/// assert_eq!(posterior.rsample().dims(), [3, 20]);
/// ```
#[derive(Module, Debug)]
pub struct GaussianHead {
    mean: Linear,
    log_var: Linear,
}

impl GaussianHead {
    /// A head from `features` to a Gaussian over `latent_dim` coordinates.
    pub fn new(features: usize, latent_dim: usize, device: &Device) -> Self {
        let layer = || LinearConfig::new(features, latent_dim).init(device);
        Self {
            mean: layer(),
            log_var: layer(),
        }
    }

    /// As [`forward`](Head::forward), for a distribution over data.
    pub(super) fn over_data(&self, features: Tensor<2>) -> DiagonalGaussian {
        let log_var = linear(&self.log_var, features.clone());
        DiagonalGaussian::over_data(linear(&self.mean, features), log_var)
    }
}

impl Head for GaussianHead {
    type Code = DiagonalGaussian;

    fn forward(&self, features: Tensor<2>) -> DiagonalGaussian {
        let log_var = linear(&self.log_var, features.clone());
        DiagonalGaussian::new(linear(&self.mean, features), log_var)
    }
}
