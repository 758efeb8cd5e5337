//! The elementwise maps of flows: sixteen numbers at a time, with all their parameters beside them.

use super::{
    Shared,
    math::{exp, ln, tanh},
    share,
    simd::{self, Job, Vector},
};
use crate::kernel::maps::{Kind, Map};
use crate::kernel::reference::maps::{LEAST_BIN, LOG_SLOPE_BOUND};
use std::ops::Range;

/// Numbers at a time: loops over so many become vector code.
const LANES: usize = 16;

type Lanes = [f32; LANES];

/// Values, and behind them logarithms of slopes, `[batch, 2 coordinates]`.
pub(super) fn apply(map: Map, shape: [usize; 2], numbers: &[f32], parameters: &[f32]) -> Vec<f32> {
    let plan = Plan::new(map, shape, parameters);
    let len = 2 * plan.elements();
    let mut both: Vec<f32> = Vec::with_capacity(len);
    let output = Shared(both.as_mut_ptr());
    share(plan.units(), plan.work(), |units| match map.kind {
        Kind::Affine => simd::dispatch(Apply {
            function: Affine::new(map),
            plan,
            units,
            numbers,
            parameters,
            output,
        }),
        Kind::Spline => simd::dispatch(Apply {
            function: Spline::new(map),
            plan,
            units,
            numbers,
            parameters,
            output,
        }),
    });
    // SAFETY: the blocks cover the numbers, and each wrote a value and a slope for each of its own.
    unsafe { both.set_len(len) };
    both
}

/// The gradients of the numbers, `[batch, coordinates]`, and of the parameters, as they are laid out, from those of values and
/// slopes, `[batch, 2 coordinates]`. `x` is rows that begin with the numbers on the side of the data.
pub(super) fn gradients(
    map: Map,
    shape: [usize; 2],
    gradient: &[f32],
    x: &[f32],
    parameters: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let plan = Plan::new(map, shape, parameters);
    let mut of_numbers: Vec<f32> = Vec::with_capacity(plan.elements());
    let mut of_parameters: Vec<f32> = Vec::with_capacity(parameters.len());
    let outputs = [&mut of_numbers, &mut of_parameters].map(|output| Shared(output.as_mut_ptr()));
    share(plan.units(), 2 * plan.work(), |units| match map.kind {
        Kind::Affine => simd::dispatch(Differentiate {
            function: Affine::new(map),
            plan,
            units,
            gradient,
            x,
            parameters,
            outputs,
        }),
        Kind::Spline => simd::dispatch(Differentiate {
            function: Spline::new(map),
            plan,
            units,
            gradient,
            x,
            parameters,
            outputs,
        }),
    });
    // SAFETY: the blocks cover the numbers, and each wrote the gradients of its own and of all their parameters.
    unsafe {
        of_numbers.set_len(plan.elements());
        of_parameters.set_len(parameters.len());
    }
    (of_numbers, of_parameters)
}

/// How `[batch, coordinates]` numbers are cut into blocks of sixteen, none of which is cut short: the last block of a long row
/// begins so that it ends with it, and the last of all short rows names its last number several times.
#[derive(Clone, Copy)]
struct Plan {
    batch: usize,
    coordinates: usize,
    /// Of a coordinate.
    parameters: usize,
}

impl Plan {
    fn new(map: Map, [batch, coordinates]: [usize; 2], parameters: &[f32]) -> Self {
        assert_eq!(
            parameters.len(),
            batch * map.parameters * coordinates,
            "the parameters of a map of {batch} x {coordinates} numbers"
        );
        Self {
            batch,
            coordinates,
            parameters: map.parameters,
        }
    }

    fn elements(&self) -> usize {
        self.batch * self.coordinates
    }

    fn has_long_rows(&self) -> bool {
        self.coordinates >= LANES
    }

    /// What threads share: rows, or blocks of several. No two units have a number in common.
    fn units(&self) -> usize {
        if self.has_long_rows() {
            self.batch
        } else {
            self.elements().div_ceil(LANES)
        }
    }

    /// In passes over an element, for [`share`].
    fn work(&self) -> usize {
        self.elements() * (self.parameters + 8)
    }

    fn blocks_of_unit(&self) -> usize {
        if self.has_long_rows() {
            self.coordinates.div_ceil(LANES)
        } else {
            1
        }
    }

    #[inline(always)]
    fn block(&self, unit: usize, index: usize) -> Block {
        let (mut rows, mut columns) = ([0; LANES], [0; LANES]);
        let is_run = self.has_long_rows();
        let first = (index * LANES).min(self.coordinates.saturating_sub(LANES));
        for lane in 0..LANES {
            if is_run {
                (rows[lane], columns[lane]) = (unit, first + lane);
            } else {
                let element = (unit * LANES + lane).min(self.elements() - 1);
                rows[lane] = element / self.coordinates;
                columns[lane] = element % self.coordinates;
            }
        }
        Block {
            rows,
            columns,
            coordinates: self.coordinates,
            is_run,
        }
    }
}

/// Where sixteen numbers are.
struct Block {
    rows: [usize; LANES],
    columns: [usize; LANES],
    coordinates: usize,
    /// Whether they lie side by side.
    is_run: bool,
}

impl Block {
    /// The place of a number in rows of `width`, in the part `part` of a row.
    #[inline(always)]
    fn place(&self, lane: usize, width: usize, part: usize) -> usize {
        self.rows[lane] * width + part * self.coordinates + self.columns[lane]
    }

    #[inline(always)]
    fn load(&self, numbers: &[f32], width: usize, part: usize) -> Lanes {
        let mut lanes = [0.0; LANES];
        if self.is_run {
            let first = self.place(0, width, part);
            lanes.copy_from_slice(&numbers[first..first + LANES]);
        } else {
            for (lane, number) in lanes.iter_mut().enumerate() {
                *number = numbers[self.place(lane, width, part)];
            }
        }
        lanes
    }

    /// # Safety
    ///
    /// The output must have rows of `width` for all of the plan, and no other thread may touch this block.
    #[inline(always)]
    unsafe fn store(&self, lanes: &Lanes, output: Shared<f32>, width: usize, part: usize) {
        if self.is_run {
            // SAFETY: as the caller says.
            let places = unsafe { output.slice(self.place(0, width, part), LANES) };
            for (place, number) in places.iter_mut().zip(lanes) {
                place.write(*number);
            }
        } else {
            for (lane, number) in lanes.iter().enumerate() {
                // SAFETY: as the caller says.
                let place = unsafe { output.slice(self.place(lane, width, part), 1) };
                place[0].write(*number);
            }
        }
    }
}

/// An increasing map, of sixteen numbers with parameters of their own.
trait Function: Copy + Sync {
    /// Values and logarithms of slopes. What is left of the parameters is of no use.
    fn apply<const FMA: bool>(self, numbers: &Lanes, parameters: &mut [Lanes]) -> [Lanes; 2];

    /// The gradient of the numbers, from those of values and logarithms of slopes, at numbers on the side of the data; in the
    /// place of the parameters, theirs.
    fn differentiate<const FMA: bool>(
        self,
        x: &Lanes,
        gradients: [&Lanes; 2],
        parameters: &mut [Lanes],
    ) -> Lanes;
}

struct Apply<'a, F> {
    function: F,
    plan: Plan,
    units: Range<usize>,
    numbers: &'a [f32],
    parameters: &'a [f32],
    output: Shared<f32>,
}

impl<F: Function> Job for Apply<'_, F> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let [one, two, all] = [1, 2, plan.parameters].map(|parts| parts * plan.coordinates);
        let mut parameters = vec![[0.0; LANES]; plan.parameters];
        for unit in self.units {
            for index in 0..plan.blocks_of_unit() {
                let block = plan.block(unit, index);
                let numbers = block.load(self.numbers, one, 0);
                for (part, lanes) in parameters.iter_mut().enumerate() {
                    *lanes = block.load(self.parameters, all, part);
                }
                let [values, log_slopes] = self.function.apply::<FMA>(&numbers, &mut parameters);
                // SAFETY: the output has two parts a row, and units have no number in common.
                unsafe {
                    block.store(&values, self.output, two, 0);
                    block.store(&log_slopes, self.output, two, 1);
                }
            }
        }
    }
}

struct Differentiate<'a, F> {
    function: F,
    plan: Plan,
    units: Range<usize>,
    gradient: &'a [f32],
    x: &'a [f32],
    parameters: &'a [f32],
    outputs: [Shared<f32>; 2],
}

impl<F: Function> Job for Differentiate<'_, F> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let [one, two, all] = [1, 2, plan.parameters].map(|parts| parts * plan.coordinates);
        let width_of_x = self.x.len() / plan.batch;
        let mut parameters = vec![[0.0; LANES]; plan.parameters];
        for unit in self.units {
            for index in 0..plan.blocks_of_unit() {
                let block = plan.block(unit, index);
                let x = block.load(self.x, width_of_x, 0);
                let of_values = block.load(self.gradient, two, 0);
                let of_slopes = block.load(self.gradient, two, 1);
                for (part, lanes) in parameters.iter_mut().enumerate() {
                    *lanes = block.load(self.parameters, all, part);
                }
                let gradients = [&of_values, &of_slopes];
                let of_numbers = self
                    .function
                    .differentiate::<FMA>(&x, gradients, &mut parameters);
                // SAFETY: the outputs have as many parts a row, and units have no number in common.
                unsafe {
                    block.store(&of_numbers, self.outputs[0], one, 0);
                    for (part, lanes) in parameters.iter().enumerate() {
                        block.store(lanes, self.outputs[1], all, part);
                    }
                }
            }
        }
    }
}

/// Where gradients go: to the value of the forward map, to the logarithm of its slope, and to the number that came in.
///
/// Of an inverse `x(y)`, the implicit function theorem: `dx/dp = -(df/dp) / f'`, and through `x` also the slope moves, by
/// `bend`, the derivative of its logarithm.
#[inline(always)]
fn route(is_inverse: bool, [of_value, of_slope]: [f32; 2], slope: f32, bend: f32) -> [f32; 3] {
    let through = (of_value - of_slope * bend) / slope;
    if is_inverse {
        [-through, -of_slope, through]
    } else {
        [of_value, of_slope, of_value * slope + of_slope * bend]
    }
}

/// A number within `[-bound, bound]`, as smooth as a hyperbolic tangent, and its derivative.
#[inline(always)]
fn bounded<const FMA: bool>(raw: f32, bound: f32) -> [f32; 2] {
    let share = tanh::<FMA>(raw / bound);
    [bound * share, 1.0 - share * share]
}

/// `x e^s + t`.
#[derive(Clone, Copy)]
struct Affine {
    bound: f32,
    is_inverse: bool,
}

impl Affine {
    fn new(map: Map) -> Self {
        Self {
            bound: map.bound,
            is_inverse: map.is_inverse,
        }
    }
}

impl Function for Affine {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // a lane of several arrays
    fn apply<const FMA: bool>(self, numbers: &Lanes, parameters: &mut [Lanes]) -> [Lanes; 2] {
        let (shifts, raw) = (parameters[0], parameters[1]);
        let (mut values, mut log_slopes) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let [log_scale, _] = bounded::<FMA>(raw[lane], self.bound);
            let log_slope = if self.is_inverse {
                -log_scale
            } else {
                log_scale
            };
            let slope = exp::<FMA>(log_slope);
            values[lane] = if self.is_inverse {
                (numbers[lane] - shifts[lane]) * slope
            } else {
                numbers[lane] * slope + shifts[lane]
            };
            log_slopes[lane] = log_slope;
        }
        [values, log_slopes]
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn differentiate<const FMA: bool>(
        self,
        x: &Lanes,
        [of_values, of_slopes]: [&Lanes; 2],
        parameters: &mut [Lanes],
    ) -> Lanes {
        let raw = parameters[1];
        let (mut of_numbers, mut of_shifts, mut of_raw) =
            ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let [log_scale, derivative] = bounded::<FMA>(raw[lane], self.bound);
            let slope = exp::<FMA>(log_scale);
            let gradients = [of_values[lane], of_slopes[lane]];
            let [value, log_slope, number] = route(self.is_inverse, gradients, slope, 0.0);
            of_numbers[lane] = number;
            of_shifts[lane] = value;
            of_raw[lane] = (value * x[lane] * slope + log_slope) * derivative;
        }
        parameters[0] = of_shifts;
        parameters[1] = of_raw;
        of_numbers
    }
}

/// A rational-quadratic spline.
#[derive(Clone, Copy)]
struct Spline {
    bins: usize,
    bound: f32,
    /// What the bins share beyond the least that each has, and this least.
    free: f32,
    least: f32,
    is_inverse: bool,
}

impl Spline {
    fn new(map: Map) -> Self {
        let bins = (map.parameters + 1) / 3;
        let side = 2.0 * f64::from(map.bound);
        Self {
            bins,
            bound: map.bound,
            free: ((1.0 - LEAST_BIN * bins as f64) * side) as f32,
            least: (LEAST_BIN * side) as f32,
            is_inverse: map.is_inverse,
        }
    }

    #[inline(always)]
    fn clamp(self, number: f32) -> f32 {
        // (A NaN stays one.)
        let number = if number > self.bound {
            self.bound
        } else {
            number
        };
        if number < -self.bound {
            -self.bound
        } else {
            number
        }
    }

    /// Finds the bins, by their heights or by their widths. The widths and heights among the parameters become shares.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn bins<const FMA: bool>(
        self,
        numbers: &Lanes,
        parameters: &mut [Lanes],
        by_height: bool,
    ) -> Bins {
        let (sizes, slopes) = parameters.split_at_mut(2 * self.bins);
        let (widths, heights) = sizes.split_at_mut(self.bins);
        softmax::<FMA>(widths);
        softmax::<FMA>(heights);
        let mut bins = Bins::default();
        let mut before = [[0.0; LANES]; 2];
        let mut raw_left = [0.0; LANES];
        for bin in 0..self.bins {
            let start = self.least * bin as f32 - self.bound;
            let raw_right = slopes.get(bin).copied().unwrap_or_default();
            for lane in 0..LANES {
                let left = start + self.free * before[0][lane];
                let bottom = start + self.free * before[1][lane];
                let edge = if by_height { bottom } else { left };
                let is_here = (bin == 0) | (numbers[lane] >= edge);
                let take = |new: f32, old: &mut f32| *old = if is_here { new } else { *old };
                take(bin as f32, &mut bins.index[lane]);
                take(left, &mut bins.left[lane]);
                take(bottom, &mut bins.bottom[lane]);
                take(widths[bin][lane], &mut bins.shares[0][lane]);
                take(heights[bin][lane], &mut bins.shares[1][lane]);
                take(before[0][lane], &mut bins.before[0][lane]);
                take(before[1][lane], &mut bins.before[1][lane]);
                take(raw_left[lane], &mut bins.raw_slopes[0][lane]);
                take(raw_right[lane], &mut bins.raw_slopes[1][lane]);
                before[0][lane] += widths[bin][lane];
                before[1][lane] += heights[bin][lane];
            }
            raw_left = raw_right;
        }
        bins
    }
}

/// Shares that sum to 1, in the place of their logarithms.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
fn softmax<const FMA: bool>(logits: &mut [Lanes]) {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for logits in &*logits {
        for lane in 0..LANES {
            largest[lane] = if logits[lane] > largest[lane] {
                logits[lane]
            } else {
                largest[lane]
            };
        }
    }
    let mut sum = [0.0; LANES];
    for logits in &mut *logits {
        for lane in 0..LANES {
            logits[lane] = exp::<FMA>(logits[lane] - largest[lane]);
            sum[lane] += logits[lane];
        }
    }
    for lane in 0..LANES {
        sum[lane] = 1.0 / sum[lane];
    }
    for shares in logits {
        for lane in 0..LANES {
            shares[lane] *= sum[lane];
        }
    }
}

/// The bins that numbers lie in, of widths and heights both.
#[derive(Default)]
struct Bins {
    index: Lanes,
    left: Lanes,
    bottom: Lanes,
    shares: [Lanes; 2],
    /// The shares of all bins before.
    before: [Lanes; 2],
    /// As the parameters have them; 0 at the ends, which is a slope of 1.
    raw_slopes: [Lanes; 2],
}

impl Bins {
    #[inline(always)]
    fn piece<const FMA: bool>(&self, spline: Spline, lane: usize) -> Piece {
        let bound = LOG_SLOPE_BOUND as f32;
        let [left, left_derivative] = bounded::<FMA>(self.raw_slopes[0][lane], bound);
        let [right, right_derivative] = bounded::<FMA>(self.raw_slopes[1][lane], bound);
        Piece {
            left: self.left[lane],
            bottom: self.bottom[lane],
            width: spline.least + spline.free * self.shares[0][lane],
            height: spline.least + spline.free * self.shares[1][lane],
            slopes: [exp::<FMA>(left), exp::<FMA>(right)],
            log_slope_derivatives: [left_derivative, right_derivative],
        }
    }
}

/// The piece of one spline in one bin.
struct Piece {
    left: f32,
    bottom: f32,
    width: f32,
    height: f32,
    /// At its left and its right end.
    slopes: [f32; 2],
    /// Of the logarithms of the slopes by the parameters.
    log_slope_derivatives: [f32; 2],
}

/// What value and slope are made of, at a number whose share of the bin lies left of it.
struct Point {
    share: f32,
    between: f32,
    tilt: f32,
    excess: f32,
    numerator: f32,
    denominator: f32,
    derivative: f32,
    slope: f32,
}

impl Piece {
    #[inline(always)]
    fn share(&self, x: f32) -> f32 {
        let share = (x - self.left) / self.width;
        let share = if share > 1.0 { 1.0 } else { share };
        if share < 0.0 { 0.0 } else { share }
    }

    #[inline(always)]
    fn point(&self, share: f32) -> Point {
        let [slope_left, slope_right] = self.slopes;
        let rest = 1.0 - share;
        let between = share * rest;
        let tilt = self.height / self.width;
        let excess = slope_right + slope_left - 2.0 * tilt;
        let denominator = tilt + excess * between;
        let derivative =
            slope_right * share * share + 2.0 * tilt * between + slope_left * rest * rest;
        let ratio = tilt / denominator;
        Point {
            share,
            between,
            tilt,
            excess,
            numerator: tilt * share * share + slope_left * between,
            denominator,
            derivative,
            slope: derivative * ratio * ratio,
        }
    }

    #[inline(always)]
    fn value(&self, point: &Point) -> f32 {
        self.bottom + self.height * point.numerator / point.denominator
    }

    /// The share of the bin that lies left of the number with this value, to some digits: see
    /// [`reference`](crate::kernel::reference).
    #[inline(always)]
    fn root(&self, y: f32) -> f32 {
        let [slope_left, slope_right] = self.slopes;
        let rise = y - self.bottom;
        let rise = if rise < 0.0 { 0.0 } else { rise };
        let tilt = self.height / self.width;
        let bent = rise * (slope_right + slope_left - 2.0 * tilt);
        let a = self.height * (tilt - slope_left) + bent;
        let b = self.height * slope_left - bent;
        let c = -tilt * rise;
        let discriminant = b * b - 4.0 * a * c;
        let root = (if discriminant < 0.0 {
            0.0
        } else {
            discriminant
        })
        .sqrt();
        // Of the two forms of the root, the one without a difference of like numbers.
        let share = if b < 0.0 {
            (root - b) / (2.0 * a)
        } else {
            -2.0 * c / (b + root)
        };
        let share = if share > 1.0 { 1.0 } else { share };
        if share < 0.0 { 0.0 } else { share }
    }
}

impl Function for Spline {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn apply<const FMA: bool>(self, numbers: &Lanes, parameters: &mut [Lanes]) -> [Lanes; 2] {
        let mut within = [0.0; LANES];
        for lane in 0..LANES {
            within[lane] = self.clamp(numbers[lane]);
        }
        let bins = self.bins::<FMA>(&within, parameters, self.is_inverse);
        let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let piece = bins.piece::<FMA>(self, lane);
            if self.is_inverse {
                let near = piece.point(piece.root(within[lane]));
                // One Newton step.
                let x = piece.left
                    + near.share * piece.width
                    + (within[lane] - piece.value(&near)) / near.slope;
                values[lane] = self.clamp(x);
                slopes[lane] = 1.0 / piece.point(piece.share(values[lane])).slope;
            } else {
                let point = piece.point(piece.share(within[lane]));
                values[lane] = piece.value(&point);
                slopes[lane] = point.slope;
            }
        }
        for lane in 0..LANES {
            let is_outside = numbers[lane].abs() > self.bound;
            values[lane] = if is_outside {
                numbers[lane]
            } else {
                values[lane]
            };
            slopes[lane] = if is_outside {
                0.0
            } else {
                ln::<FMA>(slopes[lane])
            };
        }
        [values, slopes]
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop)]
    fn differentiate<const FMA: bool>(
        self,
        x: &Lanes,
        [of_values, of_slopes]: [&Lanes; 2],
        parameters: &mut [Lanes],
    ) -> Lanes {
        let mut within = [0.0; LANES];
        for lane in 0..LANES {
            within[lane] = self.clamp(x[lane]);
        }
        let bins = self.bins::<FMA>(&within, parameters, false);
        let mut of_numbers = [0.0; LANES];
        // Of the edges of a bin, its sides, and its slopes as the parameters have them.
        let (mut of_edges, mut of_sides, mut of_raw) =
            ([[0.0; LANES]; 2], [[0.0; LANES]; 2], [[0.0; LANES]; 2]);
        for lane in 0..LANES {
            let piece = bins.piece::<FMA>(self, lane);
            let point = piece.point(piece.share(within[lane]));
            let [slope_left, slope_right] = piece.slopes;
            let (share, rest, between) = (point.share, 1.0 - point.share, point.between);
            let (tilt, lean) = (point.tilt, 1.0 - 2.0 * share);
            let by_derivative = 1.0 / point.derivative;
            let by_denominator = 1.0 / point.denominator;
            let by_width = 1.0 / piece.width;

            let log_slope_by_share = 2.0
                * ((slope_right * share + tilt * lean - slope_left * rest) * by_derivative
                    - point.excess * lean * by_denominator);
            let is_outside = x[lane].abs() > self.bound;
            let gradients = [of_values[lane], of_slopes[lane]];
            let bend = log_slope_by_share * by_width;
            let [value, log_slope, number] = route(self.is_inverse, gradients, point.slope, bend);
            of_numbers[lane] = if is_outside { gradients[0] } else { number };
            let value = if is_outside { 0.0 } else { value };
            let log_slope = if is_outside { 0.0 } else { log_slope };

            let scale = value * piece.height * by_denominator * by_denominator;
            let of_share = value * point.slope * piece.width + log_slope * log_slope_by_share;
            let of_tilt = scale
                * (share * share * point.denominator - point.numerator * (1.0 - 2.0 * between))
                + 2.0
                    * log_slope
                    * (1.0 / tilt + between * by_derivative
                        - (1.0 - 2.0 * between) * by_denominator);
            let bent = 2.0 * log_slope * between * by_denominator;
            let of_left = scale * between * (point.denominator - point.numerator)
                + log_slope * rest * rest * by_derivative
                - bent;
            let of_right = log_slope * share * share * by_derivative
                - scale * between * point.numerator
                - bent;
            of_edges[0][lane] = -of_share * by_width;
            of_edges[1][lane] = value;
            of_sides[0][lane] = -(of_share * share + of_tilt * tilt) * by_width;
            of_sides[1][lane] = of_tilt * by_width + value * point.numerator * by_denominator;
            let [left_derivative, right_derivative] = piece.log_slope_derivatives;
            of_raw[0][lane] = of_left * slope_left * left_derivative;
            of_raw[1][lane] = of_right * slope_right * right_derivative;
        }
        // Through the shares of the bins, which sum to 1.
        for side in 0..2 {
            let mut mean = [0.0; LANES];
            for lane in 0..LANES {
                mean[lane] = of_edges[side][lane] * bins.before[side][lane]
                    + of_sides[side][lane] * bins.shares[side][lane];
            }
            for bin in 0..self.bins {
                let shares = &mut parameters[side * self.bins + bin];
                for lane in 0..LANES {
                    let own = if bins.index[lane] == bin as f32 {
                        of_sides[side][lane]
                    } else {
                        0.0
                    };
                    let is_before = (bin as f32) < bins.index[lane];
                    let of_size = if is_before { of_edges[side][lane] } else { own };
                    shares[lane] *= self.free * (of_size - mean[lane]);
                }
            }
        }
        for knot in 1..self.bins {
            let of_slope = &mut parameters[2 * self.bins + knot - 1];
            for lane in 0..LANES {
                let right = if bins.index[lane] == (knot - 1) as f32 {
                    of_raw[1][lane]
                } else {
                    0.0
                };
                of_slope[lane] = if bins.index[lane] == knot as f32 {
                    of_raw[0][lane]
                } else {
                    right
                };
            }
        }
        of_numbers
    }
}
