use super::ElementwiseMap;
use crate::error::{Error, Result, check_positive};
use crate::kernel::{spline_map, spline_map_inverse};
use burn::module::Module;
use burn::tensor::Tensor;

/// A monotonic rational-quadratic spline from the interval `[-bound, bound]` to itself, and the identity outside, where it
/// goes on with a slope of 1. Its parameters are the widths and heights of the bins and the slopes at the knots between
/// them: `3 bins - 1`.
///
/// [Durkan et al. 2019](https://arxiv.org/abs/1906.04032); the root of the inverse is chosen as in
/// [distrax](https://github.com/google-deepmind/distrax), so that nothing is lost to cancellation, and is then corrected by
/// one Newton step, which also carries the gradient (the implicit function theorem).
#[derive(Module, Debug)]
pub struct SplineMap {
    bins: usize,
    bound: f64,
}

impl SplineMap {
    /// A spline of so many bins over `[-bound, bound]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than two bins or more than 500, or the bound is not a positive number.
    pub fn new(bins: usize, bound: f64) -> Result<Self> {
        if !(2..=500).contains(&bins) {
            return Err(Error::Config(format!(
                "SplineMap: a spline has 2 to 500 bins, not {bins}"
            )));
        }
        let bound = check_positive("SplineMap: the bound", bound)?;
        Ok(Self { bins, bound })
    }
}

/// With 8 bins over [-5, 5].
impl Default for SplineMap {
    fn default() -> Self {
        Self {
            bins: 8,
            bound: 5.0,
        }
    }
}

impl ElementwiseMap for SplineMap {
    fn parameters(&self) -> usize {
        3 * self.bins - 1
    }

    fn forward(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        spline_map(x, parameters, self.bound)
    }

    fn inverse(&self, y: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        spline_map_inverse(y, parameters, self.bound)
    }
}
