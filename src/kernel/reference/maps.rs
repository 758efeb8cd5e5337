//! The elementwise maps of flows.

use crate::kernel::maps::assert_parameters;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor};

/// The least share of the box that a bin of a spline has of it, on either side.
pub(crate) const LEAST_BIN: f64 = 1e-3;
/// The logarithm of the steepest slope at a knot; minus it is that of the flattest.
pub(crate) const LOG_SLOPE_BOUND: f64 = 6.907755278982137;

/// See [`kernel::affine_map`](crate::kernel::affine_map).
pub fn affine_map(x: Tensor<2>, parameters: Tensor<3>, bound: f64) -> (Tensor<2>, Tensor<2>) {
    let (shift, log_scale) = shift_and_log_scale(&x, parameters, bound);
    let log_slope = log_scale.clone().expand(x.dims());
    (x * log_scale.exp() + shift, log_slope)
}

/// See [`kernel::affine_map_inverse`](crate::kernel::affine_map_inverse).
pub fn affine_map_inverse(
    y: Tensor<2>,
    parameters: Tensor<3>,
    bound: f64,
) -> (Tensor<2>, Tensor<2>) {
    let (shift, log_scale) = shift_and_log_scale(&y, parameters, bound);
    let log_slope = log_scale.clone().neg().expand(y.dims());
    ((y - shift) * log_scale.neg().exp(), log_slope)
}

/// Shifts and bounded logarithms of scales, `[batch, coordinates]`.
fn shift_and_log_scale(
    numbers: &Tensor<2>,
    parameters: Tensor<3>,
    bound: f64,
) -> (Tensor<2>, Tensor<2>) {
    assert_parameters("affine_map", numbers, &parameters, 2);
    let part = |index| parameters.clone().narrow(1, index, 1).squeeze_dim::<2>(1);
    (part(0), (part(1) / bound).tanh() * bound)
}

/// See [`kernel::spline_map`](crate::kernel::spline_map).
pub fn spline_map(x: Tensor<2>, parameters: Tensor<3>, bound: f64) -> (Tensor<2>, Tensor<2>) {
    let (within, outside) = clamp(x.clone(), bound);
    let knots = Knots::new(&x, parameters, bound);
    let (y, log_slope) = knots.bin(&within, &knots.left).forward(within);
    let y = y.mask_where(outside.clone(), x);
    (y, log_slope.mask_fill(outside, 0.0))
}

/// See [`kernel::spline_map_inverse`](crate::kernel::spline_map_inverse).
pub fn spline_map_inverse(
    y: Tensor<2>,
    parameters: Tensor<3>,
    bound: f64,
) -> (Tensor<2>, Tensor<2>) {
    let (within, outside) = clamp(y.clone(), bound);
    let knots = Knots::new(&y, parameters, bound);
    let bin = knots.bin(&within, &knots.bottom);
    let near = bin.detach().root(within.clone().detach());
    let (value, log_slope) = bin.forward(near.clone());
    let x = near + (within - value) * log_slope.detach().neg().exp();
    let (_, log_slope) = bin.forward(x.clone());
    let x = x.mask_where(outside.clone(), y);
    (x, log_slope.neg().mask_fill(outside, 0.0))
}

/// The numbers drawn into the box, and which were outside: those, and what they would make of a spline, are left out of both
/// passes.
fn clamp(numbers: Tensor<2>, bound: f64) -> (Tensor<2>, Tensor<2, Bool>) {
    let outside = numbers.clone().abs().greater_elem(bound);
    (numbers.clamp(-bound, bound), outside)
}

/// The splines of a batch, by bin.
struct Knots {
    /// `[batch, bins, coordinates]`, as all but the slopes, of which there is one more.
    left: Tensor<3>,
    bottom: Tensor<3>,
    widths: Tensor<3>,
    heights: Tensor<3>,
    slopes: Tensor<3>,
}

/// The bin that a number lies in, `[batch, coordinates]` each.
struct Bin {
    left: Tensor<2>,
    bottom: Tensor<2>,
    width: Tensor<2>,
    height: Tensor<2>,
    slope_left: Tensor<2>,
    slope_right: Tensor<2>,
}

impl Knots {
    fn new(numbers: &Tensor<2>, parameters: Tensor<3>, bound: f64) -> Self {
        let bins = (parameters.dims()[1] + 1) / 3;
        assert_parameters("spline_map", numbers, &parameters, 3 * bins - 1);
        let part = |start, length| parameters.clone().narrow(1, start, length);
        // The widths or heights of the bins, which sum to that of the box.
        let side = 2.0 * bound;
        let free = 1.0 - LEAST_BIN * bins as f64;
        let sizes = |raw| softmax(raw, 1) * (free * side) + LEAST_BIN * side;
        let (widths, heights) = (sizes(part(0, bins)), sizes(part(bins, bins)));
        let inner = (part(2 * bins, bins - 1) / LOG_SLOPE_BOUND).tanh() * LOG_SLOPE_BOUND;
        let outer = inner.clone().narrow(1, 0, 1).ones_like();
        let slopes = Tensor::cat(vec![outer.clone(), inner.exp(), outer], 1);
        let start = |sizes: &Tensor<3>| sizes.clone().cumsum(1) - sizes.clone() - bound;
        Self {
            left: start(&widths),
            bottom: start(&heights),
            widths,
            heights,
            slopes,
        }
    }

    /// The bin of each number among those that begin at `starts`.
    fn bin(&self, numbers: &Tensor<2>, starts: &Tensor<3>) -> Bin {
        let [batch, coordinates] = numbers.dims();
        let [_, bins, _] = starts.dims();
        let numbers = numbers.clone().detach().unsqueeze_dim::<3>(1);
        let inner = starts.clone().detach().narrow(1, 1, bins - 1);
        let index: Tensor<3, Int> = numbers.greater_equal(inner).int().sum_dim(1);
        let at = |values: &Tensor<3>, index: Tensor<3, Int>| {
            let [_, knots, _] = values.dims();
            let values = values.clone().expand([batch, knots, coordinates]);
            values.gather(1, index).squeeze_dim::<2>(1)
        };
        Bin {
            left: at(&self.left, index.clone()),
            bottom: at(&self.bottom, index.clone()),
            width: at(&self.widths, index.clone()),
            height: at(&self.heights, index.clone()),
            slope_left: at(&self.slopes, index.clone()),
            slope_right: at(&self.slopes, index + 1),
        }
    }
}

impl Bin {
    /// The values at `x`, and the logarithms of the slopes.
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let share = ((x - self.left.clone()) / self.width.clone()).clamp(0.0, 1.0);
        let rest = share.clone().neg() + 1.0;
        let between = share.clone() * rest.clone();
        let slope = self.height.clone() / self.width.clone();
        let excess = self.slope_right.clone() + self.slope_left.clone() - slope.clone() * 2.0;
        let denominator = slope.clone() + excess * between.clone();
        let square = share.square();
        let numerator = slope.clone() * square.clone() + self.slope_left.clone() * between.clone();
        let y = self.bottom.clone() + self.height.clone() * numerator / denominator.clone();
        let derivative = self.slope_right.clone() * square
            + slope.clone() * between * 2.0
            + self.slope_left.clone() * rest.square();
        let log_slope = derivative.log() + (slope / denominator).log() * 2.0;
        (y, log_slope)
    }

    /// The number whose value is `y`, to some digits: a root of a quadratic equation.
    fn root(&self, y: Tensor<2>) -> Tensor<2> {
        let rise = (y - self.bottom.clone()).clamp_min(0.0);
        let slope = self.height.clone() / self.width.clone();
        let excess = self.slope_right.clone() + self.slope_left.clone() - slope.clone() * 2.0;
        let bent = rise.clone() * excess;
        let a = self.height.clone() * (slope.clone() - self.slope_left.clone()) + bent.clone();
        let b = self.height.clone() * self.slope_left.clone() - bent;
        let c = (slope * rise).neg();
        let discriminant = b.clone().square() - a.clone() * c.clone() * 4.0;
        let root = discriminant.clamp_min(0.0).sqrt();
        // Of the two forms of the root, the one without a difference of like numbers.
        let negative = b.clone().lower_elem(0.0);
        let above = c.mul_scalar(2.0) / (b.clone() + root.clone()).neg();
        let below = (root - b) / (a * 2.0);
        let share = above.mask_where(negative, below).clamp(0.0, 1.0);
        self.left.clone() + share * self.width.clone()
    }

    fn detach(&self) -> Self {
        let detach = |values: &Tensor<2>| values.clone().detach();
        Self {
            left: detach(&self.left),
            bottom: detach(&self.bottom),
            width: detach(&self.width),
            height: detach(&self.height),
            slope_left: detach(&self.slope_left),
            slope_right: detach(&self.slope_right),
        }
    }
}
