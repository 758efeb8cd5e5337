//! What several modules ask of points, the rows of a tensor.

use crate::error::Result;
use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};

/// Numbers to sum up and to compare: in `f32` if they come in 16 bits, which hold three digits or two.
pub(crate) fn at_least_single<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => tensor.cast(DType::F32),
        _ => tensor,
    }
}

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

/// Rows of at most so many coordinates are subtracted in about the time of a matrix product.
const NARROW: usize = 8;

/// The share of the largest squared row down to which [`squared_products`] has three digits of a squared distance.
pub(crate) const RESOLVED: f64 = 1e-3;

/// Squared distances of every row of `a` to every row of `b`, `[a, b]`: exact for narrow rows, and for wide ones to some
/// 1e-7 of the squares of the rows themselves. Centre them.
pub(crate) fn squared_distances(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    if a.dims()[1] <= NARROW {
        squared_differences(a, b)
    } else {
        squared_products(a, b)
    }
}

/// Squared distances of all rows to each other, wherever they are, where it matters how far apart those are that are about
/// `finest` (a squared distance) from each other.
pub(crate) fn squared_distances_down_to(finest: f64, rows: &Tensor<2>) -> Result<Tensor<2>> {
    let centred = about_mean(rows, rows);
    if products_resolve(finest, &centred)? {
        return Ok(squared_products(&centred, &centred));
    }
    Ok(squared_differences(rows, rows))
}

/// Whether [`squared_products`] of centred rows have three digits of a squared distance, and are the shorter way.
pub(crate) fn products_resolve(finest: f64, centred: &Tensor<2>) -> Result<bool> {
    if centred.dims()[1] <= NARROW {
        return Ok(false);
    }
    let largest = centred.clone().square().sum_dim(1).max();
    Ok(largest.try_into_scalar::<f64>()? * RESOLVED <= finest)
}

/// Rows less the mean of others. First less one of them: what lies far from 0 keeps its digits.
pub(crate) fn about_mean(rows: &Tensor<2>, others: &Tensor<2>) -> Tensor<2> {
    let first = others.clone().narrow(0, 0, 1);
    let mean = (others.clone() - first.clone()).mean_dim(0);
    rows.clone() - first - mean
}

/// Squared distances as sums over the coordinates, exact wherever the rows are: a pass over the result for each
/// coordinate.
pub(crate) fn squared_differences(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let b = b.clone().transpose();
    let along = |k: usize| (a.clone().narrow(1, k, 1) - b.clone().narrow(0, k, 1)).square();
    let [rows, width] = a.dims();
    let nothing = || Tensor::zeros([rows, b.dims()[1]], (&a.device(), a.dtype()));
    (0..width)
        .map(along)
        .reduce(|sum, more| sum + more)
        .unwrap_or_else(nothing)
}

/// Squared distances by one matrix product: what it subtracts cancels where two rows are near each other and far from the
/// origin.
pub(crate) fn squared_products(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
    let squares = |x: &Tensor<2>| x.clone().square().sum_dim(1);
    let product = a.clone().matmul(b.clone().transpose());
    (squares(a) + squares(b).transpose() - product.mul_scalar(2.0)).clamp_min(0.0)
}

/// How many distances are held at a time.
const HELD: usize = 1 << 22;

/// Which of `centres`, `[centres, width]`, is nearest to each of the rows, `[rows]`.
pub(crate) fn nearest(rows: &Tensor<2>, centres: &Tensor<2>) -> Tensor<1, Int> {
    let of_origin = about_mean(centres, centres);
    let part = |part: Tensor<2>| {
        let distances = squared_distances(&about_mean(&part, centres), &of_origin);
        distances.argmin(1).squeeze_dim(1)
    };
    let at_once = HELD / centres.dims()[0] + 1;
    if rows.dims()[0] <= at_once {
        return part(rows.clone());
    }
    let parts = rows.clone().split(at_once, 0).into_iter();
    Tensor::cat(parts.map(part).collect(), 0)
}

/// The sum of the rows of each group, `[groups, width]`, and their number, `[groups, 1]`; `group` is that of each row.
pub(crate) fn sums(
    rows: &Tensor<2>,
    group: Tensor<1, Int>,
    groups: usize,
) -> (Tensor<2>, Tensor<2>) {
    let [count, width] = rows.dims();
    let (device, dtype) = (rows.device(), rows.dtype());
    let ones = Tensor::ones([count, 1], (&device, dtype));
    let counted = Tensor::cat(vec![rows.clone(), ones], 1);
    let nothing = Tensor::<2>::zeros([groups, width + 1], (&device, dtype));
    let summed = nothing.select_assign(0, group, counted, IndexingUpdateOp::Add);
    (
        summed.clone().narrow(1, 0, width),
        summed.narrow(1, width, 1),
    )
}
