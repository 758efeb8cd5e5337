use super::{Bijection, for_each};
use crate::error::{Error, Result};
use crate::kernel::points::{is_finite, read};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// `z = (x - shift) / scale` in each coordinate of a vector, `[batch, features]`, with numbers that are not learned: what
/// brings data to a mean of 0 and a standard deviation of 1 inside a density, so that its Jacobian is counted.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Affine, Bijection};
///
/// let rows = Tensor::<2>::from_floats([[150.0, 0.1], [190.0, 0.3]], &Device::default());
/// let (z, _) = Affine::standardizing(&rows)?.forward(rows);
/// z.into_data().assert_approx_eq::<f32>(&TensorData::from([[-1.0f32, -1.0], [1.0, 1.0]]), Default::default());
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Affine {
    /// `[features]`, as the scale.
    shift: Param<Tensor<1>>,
    scale: Param<Tensor<1>>,
}

impl Affine {
    /// The map of these shifts and scales, `[features]` both.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if they are not as many, a scale is not positive, or a value is no number; [`Error::Device`] if the
    /// device cannot be read.
    pub fn new(shift: Tensor<1>, scale: Tensor<1>) -> Result<Self> {
        let scales = read(scale.clone())?;
        let is_positive = |scale: &f64| *scale > 0.0 && scale.is_finite();
        if shift.dims() != scale.dims() || !is_finite(&shift)? || !scales.iter().all(is_positive) {
            return Err(Error::Config(format!(
                "Affine: {:?} shifts and {:?} scales make no map: as many of both are needed, finite, and positive scales",
                shift.dims(),
                scale.dims()
            )));
        }
        let fixed = |values| Param::from_tensor(values).set_require_grad(false);
        Ok(Self {
            shift: fixed(shift),
            scale: fixed(scale),
        })
    }

    /// The map that brings each coordinate of these rows to a mean of 0 and a standard deviation of 1.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there is no row, a value is no number, or a coordinate is the same in all rows: there its
    /// density would be infinite, and the error names it; [`Error::Device`] if the device cannot be read.
    pub fn standardizing(rows: &Tensor<2>) -> Result<Self> {
        let [count, features] = rows.dims();
        if count * features == 0 || !is_finite(rows)? {
            return Err(Error::Samples(format!(
                "Affine: {count} rows of {features} values have no mean and deviation, or hold NaN or infinite values"
            )));
        }
        let rows = rows.clone().without_autodiff();
        let spread = read(rows.clone().max_dim(0) - rows.clone().min_dim(0))?;
        if let Some(constant) = spread.iter().position(|&spread| spread == 0.0) {
            return Err(Error::Samples(format!(
                "coordinate {constant} is the same in all {count} rows, so that a density would be infinite there: leave \
                 the column out"
            )));
        }
        let mean = rows.clone().mean_dim(0);
        let std = (rows - mean.clone()).square().mean_dim(0).sqrt();
        Self::new(mean.squeeze_dim(0), std.squeeze_dim(0))
    }

    fn check(&self, features: usize) {
        let [expected] = self.shift.dims();
        assert!(
            features == expected,
            "Affine: it is over {expected} coordinates, but the data has {features}"
        );
    }
}

impl Bijection for Affine {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let [batch, features] = x.dims();
        self.check(features);
        let log_det = self.scale.val().log().sum().neg();
        let z = (x - self.shift.val().unsqueeze()) / self.scale.val().unsqueeze();
        (z, for_each(log_det, batch))
    }

    fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let [batch, features] = z.dims();
        self.check(features);
        let log_det = self.scale.val().log().sum();
        let x = z * self.scale.val().unsqueeze() + self.shift.val().unsqueeze();
        (x, for_each(log_det, batch))
    }
}
