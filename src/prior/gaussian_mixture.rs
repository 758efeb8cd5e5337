use super::density::{log_density, log_joint};
use crate::distribution::bound_any_log_var;
use crate::distribution::gumbel;
use crate::error::{Error, Result};
use crate::kernel::points::at_least_single;
use crate::traits::{LabeledSampler, Prior, Sampler};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use std::f64::consts::TAU;

/// A mixture of Gaussians with diagonal covariances, `sum of w_k N(mean_k, exp(log_var_k))`.
///
/// Its parameters are learned where a loss reaches them (a VAE's KL does); `no_grad` fixes them. Its components are
/// the classes of a [`LabeledSampler`]. [`MixtureFit`](super::MixtureFit) fits one to codes.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prior::GaussianMixture;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let mixture = GaussianMixture::ring(10, 4.0, 0.5, &device)?;
/// let z = mixture.sample(100, &device);
/// assert_eq!(z.dims(), [100, 2]);
/// assert_eq!(mixture.log_prob(z).dims(), [100]);
/// // The first component is centred at (4, 0).
/// let first = mixture.sample_labeled(Tensor::from_ints([0; 50], &device));
/// assert!((first.mean_dim(0).into_data().iter::<f32>().next().unwrap() - 4.0).abs() < 0.5);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct GaussianMixture {
    /// Logarithms of the weights, up to a constant: `[components]`.
    logits: Param<Tensor<1>>,
    /// `[components, latent]`.
    means: Param<Tensor<2>>,
    /// `[components, latent]`.
    log_vars: Param<Tensor<2>>,
}

impl GaussianMixture {
    /// The mixture of these components: `logits` (the weights are their softmax) `[components]`, `means` and
    /// `log_vars` `[components, latent]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not agree.
    pub fn new(logits: Tensor<1>, means: Tensor<2>, log_vars: Tensor<2>) -> Self {
        assert!(
            means.dims() == log_vars.dims() && logits.dims()[0] == means.dims()[0],
            "GaussianMixture: logits of shape {:?}, means of {:?} and log-variances of {:?} do not make components",
            logits.dims(),
            means.dims(),
            log_vars.dims(),
        );
        Self {
            logits: Param::from_tensor(logits),
            means: Param::from_tensor(means),
            log_vars: Param::from_tensor(log_vars),
        }
    }

    /// Equally likely round Gaussians on a circle in the plane, the first at `(radius, 0)` and on against the
    /// clock: the prior that adversarial autoencoders are shown with.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no components, or radius or standard deviation are not positive numbers.
    pub fn ring(components: usize, radius: f64, sigma: f64, device: &Device) -> Result<Self> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if components == 0 || !positive(radius) || !positive(sigma) {
            return Err(Error::Config(format!(
                "GaussianMixture: a ring needs at least one component, and a positive radius and sigma; not \
                 {components}, {radius} and {sigma}"
            )));
        }
        let angle = |k: usize| TAU * k as f64 / components as f64;
        let means: Vec<f64> = (0..components)
            .flat_map(|k| [radius * angle(k).cos(), radius * angle(k).sin()])
            .collect();
        let means = Tensor::from_data(TensorData::new(means, [components, 2]), device);
        let log_vars = Tensor::full([components, 2], 2.0 * sigma.ln(), device);
        Ok(Self::new(
            Tensor::zeros([components], device),
            means,
            log_vars,
        ))
    }

    /// The weights, `[components]`, which sum to 1.
    pub fn weights(&self) -> Tensor<1> {
        softmax(self.logits.val(), 0)
    }

    /// The means, `[components, latent]`.
    pub fn means(&self) -> Tensor<2> {
        self.means.val()
    }

    /// The log-variances, `[components, latent]`, bounded to what `f32` can hold: codes may be of any scale.
    pub fn log_vars(&self) -> Tensor<2> {
        bound_any_log_var(self.log_vars.val())
    }

    /// The log-density of each of `z` under each component, weight included: `[batch, components]`. Its softmax is
    /// how probable it is that a point is of a component.
    ///
    /// # Panics
    ///
    /// If `z` has another number of coordinates.
    pub fn log_joint(&self, z: Tensor<2>) -> Tensor<2> {
        let log_weights = log_softmax(self.logits.val(), 0);
        log_joint(z, log_weights, self.means(), self.log_vars())
    }

    /// The mixture with each coordinate multiplied by its unit and moved by an offset, in a float type.
    pub(super) fn scaled(self, units: &[f64], offsets: &[f64], dtype: DType) -> Self {
        let (latent, means) = (units.len(), self.means.val());
        let row = |numbers: Vec<f64>| {
            let data = TensorData::new(numbers, [1, latent]);
            Tensor::<2>::from_data(data, (&means.device(), means.dtype()))
        };
        let widening = units.iter().map(|unit| 2.0 * unit.ln()).collect();
        Self::new(
            self.logits.val().cast(dtype),
            (means.clone() * row(units.to_vec()) + row(offsets.to_vec())).cast(dtype),
            (self.log_vars.val() + row(widening)).cast(dtype),
        )
    }

    fn sample_of(&self, components: Tensor<1, Int>) -> Tensor<2> {
        let means = self.means.val().select(0, components.clone());
        let log_vars = self.log_vars().select(0, components);
        let noise = means.random_like(Distribution::Normal(0.0, 1.0));
        means + log_vars.mul_scalar(0.5).exp() * noise
    }
}

impl Sampler for GaussianMixture {
    type Value = Tensor<2>;

    /// Differentiable in means and variances, not in the weights.
    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        self.sample_of(draw(self.logits.val(), n, device))
    }
}

impl Prior for GaussianMixture {
    /// # Panics
    ///
    /// If `z` has another number of coordinates.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let log_weights = log_softmax(self.logits.val(), 0);
        log_density(z, log_weights, self.means(), self.log_vars())
    }
}

/// A component for each of `n` samples, by its weight.
pub(super) fn draw(logits: Tensor<1>, n: usize, device: &Device) -> Tensor<1, Int> {
    let (components, logits) = (logits.dims()[0], at_least_single(logits.detach()));
    let options = (device, logits.dtype());
    let uniform = Tensor::<2>::random([n, components], Distribution::Default, options);
    (gumbel(uniform) + logits.unsqueeze::<2>())
        .argmax(1)
        .squeeze_dim(1)
}

/// The component of each label, or one by its weight where the label is below 0, and so unknown.
pub(super) fn known_or_drawn(labels: Tensor<1, Int>, logits: Tensor<1>) -> Tensor<1, Int> {
    let unknown = labels.clone().lower_elem(0);
    let drawn = draw(logits, labels.dims()[0], &labels.device());
    labels.mask_where(unknown, drawn)
}

impl LabeledSampler for GaussianMixture {
    fn num_classes(&self) -> usize {
        self.logits.dims()[0]
    }

    fn sample_labeled(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        self.sample_of(known_or_drawn(labels, self.logits.val()))
    }
}
