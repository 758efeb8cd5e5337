//! What several modules ask of points, the rows of a tensor.

use crate::error::Result;
use burn::tensor::Tensor;

/// All values of a tensor, row by row, from its device.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>> {
    Ok(tensor.try_into_data_as::<f64>()?.iter::<f64>().collect())
}

/// Whether no value is NaN or infinite.
pub(crate) fn is_finite<const D: usize>(tensor: &Tensor<D>) -> Result<bool> {
    // What is no number survives the sum of zero times itself, on every backend.
    let poison: f32 = tensor.clone().mul_scalar(0.0).sum().try_into_scalar()?;
    Ok(poison == 0.0)
}

/// Whether all rows are the same point. (Their variance need not be 0: the mean of equal numbers is rounded.)
pub(crate) fn is_constant(rows: &Tensor<2>) -> Result<bool> {
    let spread = rows.clone().max_dim(0) - rows.clone().min_dim(0);
    Ok(spread.abs().max().try_into_scalar::<f64>()? == 0.0)
}

/// Squared distances of every row of `a` to every row of `b`, `[a, b]`. By one matrix product, so that rows near the
/// origin lose least to rounding: centre them.
pub(crate) fn squared_distances(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let squares = |x: &Tensor<2>| x.clone().square().sum_dim(1);
    let product = a.clone().matmul(b.clone().transpose());
    (squares(a) + squares(b).transpose() - product.mul_scalar(2.0)).clamp_min(0.0)
}
