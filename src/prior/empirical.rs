use crate::error::{Error, Result};
use crate::traits::{Batch, Sampler};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};

/// The points of a data set, each as likely as any other: another set of data in the place of noise, for models that ask for
/// samples and no density ([`Gan`](crate::model::Gan), [`Aae`](crate::model::Aae)). A generator that is fed with it translates.
///
/// It learns nothing. A sample may have a point twice.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::Empirical;
///
/// let device = Device::default();
/// let points = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], &device);
/// let prior = Empirical::new(points)?;
/// assert_eq!(prior.sample(5, &device).dims(), [5, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Empirical<const D: usize = 2> {
    points: Param<Tensor<D>>,
}

impl<const D: usize> Empirical<D> {
    /// The distribution of these points, `[points, ...]`.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there is none.
    pub fn new(points: Tensor<D>) -> Result<Self> {
        if points.shape().num_elements() == 0 {
            return Err(Error::Samples(format!(
                "Empirical: points of shape {:?} hold none to draw",
                points.dims()
            )));
        }
        let points = Param::from_tensor(points.without_autodiff());
        Ok(Self {
            points: points.set_require_grad(false),
        })
    }
}

impl<const D: usize> Sampler for Empirical<D> {
    type Value = Tensor<D>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<D> {
        let points = Batch::to_device(&self.points.val(), device);
        let count = points.dims()[0];
        let place = Tensor::<1>::random([n], Distribution::Uniform(0.0, count as f64), device);
        // Rounding may make the end of the interval of a number within.
        let chosen = place.int().clamp(0, count as i64 - 1);
        points.select(0, chosen)
    }
}
