use crate::distribution::bound_log_var;
use crate::error::{Error, Result};
use crate::kernel::reference::LN_2PI;
use crate::traits::{LabeledPrior, Prior};
use burn::module::{Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use std::f64::consts::TAU;

/// A mixture of Gaussians with diagonal covariances, `sum of w_k N(mean_k, exp(log_var_k))`.
///
/// Its parameters are learned where a loss reaches them (a VAE's KL does); `no_grad` fixes them. Its components are
/// the classes of a [`LabeledPrior`].
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

    fn log_vars(&self) -> Tensor<2> {
        bound_log_var(self.log_vars.val())
    }

    /// A component for each of `n` samples, by its weight.
    fn draw(&self, n: usize, device: &Device) -> Tensor<1, Int> {
        let [components] = self.logits.dims();
        // The largest of logits with Gumbel noise is distributed as their softmax.
        let uniform = Tensor::<2>::random([n, components], Distribution::Default, device);
        let gumbel = uniform.log().neg().log().neg();
        let logits = self.logits.val().detach().unsqueeze::<2>();
        (gumbel + logits).argmax(1).squeeze_dim(1)
    }

    fn sample_of(&self, components: Tensor<1, Int>) -> Tensor<2> {
        let means = self.means.val().select(0, components.clone());
        let log_vars = self.log_vars().select(0, components);
        let noise = means.random_like(Distribution::Normal(0.0, 1.0));
        means + log_vars.mul_scalar(0.5).exp() * noise
    }
}

impl Prior for GaussianMixture {
    type Latent = Tensor<2>;

    /// Differentiable in means and variances, not in the weights.
    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        self.sample_of(self.draw(n, device))
    }

    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let log_weights = log_softmax(self.logits.val(), 0);
        log_density(z, log_weights, self.means.val(), self.log_vars())
    }
}

impl LabeledPrior for GaussianMixture {
    fn num_classes(&self) -> usize {
        self.logits.dims()[0]
    }

    fn sample_labeled(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        let any = labels.clone().equal_elem(self.num_classes() as i64);
        let drawn = self.draw(labels.dims()[0], &labels.device());
        self.sample_of(labels.mask_where(any, drawn))
    }
}

/// The log-density of a mixture of diagonal Gaussians at each of `z`: from log-weights `[components]`, means and
/// log-variances `[components, latent]`.
pub(super) fn log_density(
    z: Tensor<2>,
    log_weights: Tensor<1>,
    means: Tensor<2>,
    log_vars: Tensor<2>,
) -> Tensor<1> {
    assert!(
        z.dims()[1] == means.dims()[1],
        "mixture: its components have {} coordinates, but the latents have {}",
        means.dims()[1],
        z.dims()[1],
    );
    let (means, log_vars) = (means.unsqueeze_dim::<3>(0), log_vars.unsqueeze_dim::<3>(0));
    let distance = z.unsqueeze_dim::<3>(1) - means;
    let exponent = distance.square() * log_vars.clone().neg().exp() + log_vars;
    let log_normal = (exponent + LN_2PI).sum_dim(2).mul_scalar(-0.5);
    let joint = log_normal.squeeze_dim::<2>(2) + log_weights.unsqueeze();
    // A point so far away that all densities are 0 has a log-density nevertheless.
    let largest = joint.clone().detach().max_dim(1);
    let sum = (joint - largest.clone()).exp().sum_dim(1);
    (sum.log() + largest).squeeze_dim(1)
}
