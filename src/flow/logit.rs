use super::Bijection;
use crate::error::{Error, Result};
use crate::kernel::activation::sigmoid;
use crate::kernel::points::read;
use crate::kernel::{rows, sum_event};
use crate::traits::Batch;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

/// `z = logit(margin + (1 - 2 margin) x)`: from data in [0, 1] to all numbers, with the Jacobian counted.
///
/// [Dinh et al. 2017](https://arxiv.org/abs/1605.08803), section 4.1.
#[derive(Module, Debug)]
pub struct Logit<const D: usize = 2> {
    margin: f64,
}

impl<const D: usize> Logit<D> {
    /// The map that keeps this far away from 0 and 1, where the logit is infinite.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the margin is not between 0 and 1/2.
    pub fn new(margin: f64) -> Result<Self> {
        if margin > 0.0 && margin < 0.5 {
            return Ok(Self { margin });
        }
        Err(Error::Config(format!(
            "Logit: the margin must be between 0 and 0.5, not {margin}"
        )))
    }

    /// Refuses data outside [0, 1], of which the logarithm would be none; `what` names it. Reads back from the device, so
    /// call it once on a data set.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if a value is no number, or outside; [`Error::Device`] if the device cannot be read.
    pub fn check(&self, data: &Tensor<D>, what: &str) -> Result<()> {
        data.check_finite(what)?;
        let data = rows(data.clone());
        let range = read(Tensor::cat(vec![data.clone().min(), data.max()], 0))?;
        if range[0] >= 0.0 && range[1] <= 1.0 {
            return Ok(());
        }
        Err(Error::Support {
            what: what.to_string(),
            reason: format!(
                "holds values from {} to {}, and a logit takes those in [0, 1]: scale the data",
                range[0], range[1]
            ),
        })
    }

    fn width(&self) -> f64 {
        1.0 - 2.0 * self.margin
    }

    /// `log |dz/dx|` at `z`, summed.
    fn log_det(&self, z: Tensor<D>) -> Tensor<1> {
        let log_slope = log_sigmoid(z.clone()) + log_sigmoid(z.neg());
        sum_event(log_slope.neg() + self.width().ln())
    }
}

impl<const D: usize> Bijection for Logit<D> {
    type Input = Tensor<D>;
    type Output = Tensor<D>;

    fn forward(&self, x: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        let share = x * self.width() + self.margin;
        let z = share.clone().log() - share.neg().log1p();
        (z.clone(), self.log_det(z))
    }

    fn inverse(&self, z: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        let x = (sigmoid(z.clone()) - self.margin) / self.width();
        (x, self.log_det(z).neg())
    }
}
