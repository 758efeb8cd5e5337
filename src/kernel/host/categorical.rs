//! The negative log-likelihood of classes, row by row.

use super::{
    Shared,
    math::{exp, ln},
    share,
    simd::{self, Job, Vector},
};
use std::ops::Range;

/// Passes over an element that one of these is worth, for [`share`].
const WORK: usize = 4;

/// Numbers at a time: loops over so many become vector code.
const LANES: usize = 16;

/// `ln sum e^l - l[class]` of each row.
pub(super) fn apply(logits: &[f32], class: &[usize]) -> Vec<f32> {
    let rows = class.len();
    let mut nll: Vec<f32> = Vec::with_capacity(rows);
    let shared = Shared(nll.as_mut_ptr());
    share(rows, WORK * logits.len(), |units| {
        simd::dispatch(Apply {
            logits,
            class,
            units,
            nll: shared,
        });
    });
    // SAFETY: the ranges cover the rows, and each wrote its own.
    unsafe { nll.set_len(rows) };
    nll
}

/// The gradient of the logits, from that of each row.
pub(super) fn gradient(gradient: &[f32], logits: &[f32], class: &[usize]) -> Vec<f32> {
    let mut output: Vec<f32> = Vec::with_capacity(logits.len());
    let shared = Shared(output.as_mut_ptr());
    share(class.len(), 2 * WORK * logits.len(), |units| {
        simd::dispatch(Differentiate {
            gradient,
            logits,
            class,
            units,
            output: shared,
        });
    });
    // SAFETY: as above, with the logits of its rows.
    unsafe { output.set_len(logits.len()) };
    output
}

/// The largest logit, and the sum of `e^(l - largest)`: no number, if a logit is none or the largest is infinite.
#[inline(always)]
fn sum<const FMA: bool>(logits: &[f32]) -> (f32, f32) {
    let (blocks, rest) = logits.as_chunks::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    for block in blocks {
        for lane in 0..LANES {
            largest[lane] = largest[lane].max(block[lane]);
        }
    }
    let numbers = largest.into_iter().chain(rest.iter().copied());
    let largest = numbers.fold(f32::NEG_INFINITY, f32::max);
    let mut sums = [0.0; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] += exp_or_nan::<FMA>(block[lane] - largest);
        }
    }
    let rest = rest.iter().map(|logit| exp_or_nan::<FMA>(logit - largest));
    (largest, sums.into_iter().chain(rest).sum())
}

/// The maximum passes over a NaN, and the exponential makes 0 of it.
#[inline(always)]
fn exp_or_nan<const FMA: bool>(x: f32) -> f32 {
    if x.is_nan() { x } else { exp::<FMA>(x) }
}

struct Apply<'a> {
    logits: &'a [f32],
    class: &'a [usize],
    units: Range<usize>,
    nll: Shared<f32>,
}

impl Job for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let classes = self.logits.len() / self.class.len();
        // SAFETY: no two ranges have a row in common.
        let nll = unsafe { self.nll.slice(self.units.start, self.units.len()) };
        for (nll, row) in nll.iter_mut().zip(self.units) {
            let logits = &self.logits[row * classes..][..classes];
            let (largest, sum) = sum::<FMA>(logits);
            let log_sum = if sum.is_nan() { sum } else { ln::<FMA>(sum) };
            nll.write(log_sum + (largest - logits[self.class[row]]));
        }
    }
}

struct Differentiate<'a> {
    gradient: &'a [f32],
    logits: &'a [f32],
    class: &'a [usize],
    units: Range<usize>,
    output: Shared<f32>,
}

impl Job for Differentiate<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let classes = self.logits.len() / self.class.len();
        for row in self.units {
            let logits = &self.logits[row * classes..][..classes];
            let (largest, sum) = sum::<FMA>(logits);
            let gradient = self.gradient[row];
            let share = gradient / sum;
            // SAFETY: as above.
            let output = unsafe { self.output.slice(row * classes, classes) };
            for (output, logit) in output.iter_mut().zip(logits) {
                output.write(share * exp::<FMA>(logit - largest));
            }
            let class = self.class[row];
            output[class].write(share * exp::<FMA>(logits[class] - largest) - gradient);
        }
    }
}
