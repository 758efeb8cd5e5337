use super::density::log_density;
use crate::error::{Error, Result};
use crate::traits::{LabeledSampler, Prior, Sampler};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use std::f64::consts::TAU;

/// Configuration of a [`SwissRoll`].
#[derive(Config, Debug)]
pub struct SwissRollConfig {
    /// How often the spiral goes round.
    #[config(default = "2.0")]
    pub turns: f64,
    /// The distance of its end from the origin.
    #[config(default = "4.0")]
    pub radius: f64,
    /// The standard deviation of the noise around it.
    #[config(default = "0.1")]
    pub sigma: f64,
    /// How many classes it is cut into, from the origin outwards, for a [`LabeledSampler`].
    #[config(default = "10")]
    pub classes: usize,
}

impl SwissRollConfig {
    /// The prior.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a length is not a positive number, the noise is too small for the spiral (under a ten-thousandth
    /// of its length), or there are no classes.
    pub fn init(&self) -> Result<SwissRoll> {
        let Self {
            turns,
            radius,
            sigma,
            classes,
        } = *self;
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !(positive(turns) && positive(radius) && positive(sigma)) || classes == 0 {
            return Err(Error::Config(format!(
                "SwissRoll: turns, radius, sigma and classes must be positive, not {turns}, {radius}, {sigma} and \
                 {classes}"
            )));
        }
        let length = radius * (1.0 + TAU * turns);
        if sigma < 1e-4 * length {
            return Err(Error::Config(format!(
                "SwissRoll: noise of {sigma} is too small for a spiral of about {length}; its density could not \
                 be computed"
            )));
        }
        Ok(SwissRoll {
            turns,
            radius,
            sigma,
            classes,
            // Closer together than the noise is wide, so that the sum is the integral to many digits.
            nodes: (2.0 * length / sigma).ceil() as usize,
        })
    }
}

/// A spiral in the plane with a little noise around it: `radius sqrt(u) (cos a, sin a)` with
/// `a = 2 pi turns sqrt(u)` and `u` from `U[0, 1]`, plus `N(0, sigma^2 I)`. No density of an encoder has such a shape: a show-piece
/// for adversarial autoencoders.
///
/// Its density is that of as many Gaussians along the spiral as make the sum equal to the integral.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::SwissRollConfig;
///
/// let device = Device::default();
/// let roll = SwissRollConfig::new().init()?;
/// assert_eq!(roll.sample(5, &device).dims(), [5, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SwissRoll {
    turns: f64,
    radius: f64,
    sigma: f64,
    classes: usize,
    nodes: usize,
}

impl SwissRoll {
    /// The points at these places of the spiral, between 0 and 1, with noise.
    fn at(&self, u: Tensor<1>) -> Tensor<2> {
        let root = u.sqrt();
        let angle = root.clone().mul_scalar(TAU * self.turns);
        let radius = root.mul_scalar(self.radius);
        let point = Tensor::stack(
            vec![radius.clone() * angle.clone().cos(), radius * angle.sin()],
            1,
        );
        let noise = point.random_like(Distribution::Normal(0.0, self.sigma));
        point + noise
    }
}

impl Sampler for SwissRoll {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        self.at(Tensor::random([n], Distribution::Default, device))
    }
}

impl Prior for SwissRoll {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        // Even in sqrt(u), along which the spiral goes at no more than its speed at the end; u itself then has
        // the density 2 sqrt(u).
        let n = self.nodes;
        let root = |i: usize| (i as f64 + 0.5) / n as f64;
        let node = |i: usize| {
            let root = root(i);
            let angle = TAU * self.turns * root;
            [angle.cos(), angle.sin()].map(|side| self.radius * root * side)
        };
        let means: Vec<f64> = (0..n).flat_map(node).collect();
        let log_weights: Vec<f64> = (0..n).map(|i| (2.0 * root(i) / n as f64).ln()).collect();
        let device = z.device();
        log_density(
            z,
            Tensor::from_data(TensorData::new(log_weights, [n]), &device),
            Tensor::from_data(TensorData::new(means, [n, 2]), &device),
            Tensor::full([n, 2], 2.0 * self.sigma.ln(), &device),
        )
    }
}

impl LabeledSampler for SwissRoll {
    fn num_classes(&self) -> usize {
        self.classes
    }

    fn sample_labeled(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        let any = labels.clone().equal_elem(self.classes as i64);
        let place = Tensor::<1>::random(labels.dims(), Distribution::Default, &labels.device());
        let within = (labels.float() + place.clone()) / self.classes as f64;
        self.at(within.mask_where(any, place))
    }
}
