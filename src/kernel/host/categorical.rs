//! Sums of exponentials, row by row, and the negative log-likelihood of classes, which is made of them.

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
    let mut output = log_sums_gradient(gradient, logits);
    let classes = logits.len() / class.len();
    let rows = output.chunks_exact_mut(classes).zip(gradient);
    for ((row, gradient), &class) in rows.zip(class) {
        row[class] -= gradient;
    }
    output
}

/// `ln sum e^l` of each row of so many.
pub(super) fn log_sums(logits: &[f32], terms: usize) -> Vec<f32> {
    let mut sums = vec![0.0; logits.len() / terms];
    let shared = Shared(sums.as_mut_ptr());
    share(sums.len(), WORK * logits.len(), |units| {
        simd::dispatch(LogSums {
            logits,
            terms,
            units,
            sums: shared,
        });
    });
    sums
}

/// The gradient of the logits, from that of each row's sum.
pub(super) fn log_sums_gradient(gradient: &[f32], logits: &[f32]) -> Vec<f32> {
    let mut output = vec![0.0; logits.len()];
    let shared = Shared(output.as_mut_ptr());
    share(gradient.len(), 2 * WORK * logits.len(), |units| {
        simd::dispatch(Weigh {
            gradient,
            logits,
            units,
            output: shared,
        });
    });
    output
}

/// The largest logit, and the sum of `e^(l - largest)`: no number, if a logit is none or the largest is infinite.
#[inline(always)]
fn sum<const FMA: bool>(logits: &[f32]) -> (f32, f32) {
    let (blocks, rest) = logits.as_chunks::<LANES>();
    // What is left is a block of its own, filled up by what has no share: few terms are vector code too.
    let mut last = [f32::NEG_INFINITY; LANES];
    last[..rest.len()].copy_from_slice(rest);
    // The maximum passes over a NaN, and the exponential does not.
    let mut largest = last;
    for block in blocks {
        for lane in 0..LANES {
            largest[lane] = largest[lane].max(block[lane]);
        }
    }
    let mut most = f32::NEG_INFINITY;
    for number in largest {
        most = most.max(number);
    }
    let mut sums = [0.0; LANES];
    for block in blocks {
        for lane in 0..LANES {
            sums[lane] += exp::<FMA>(block[lane] - most);
        }
    }
    let mut sum = 0.0;
    for lane in 0..LANES {
        sum += sums[lane] + exp::<FMA>(last[lane] - most);
    }
    (most, sum)
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
            nll.write(ln::<FMA>(sum) + (largest - logits[self.class[row]]));
        }
    }
}

/// So many rows of at most as many terms, side by side: of each term first all rows.
type Block = [[f32; LANES]; LANES];

/// The rows of these numbers as a block. What fills it up is 0.
#[inline(always)]
fn side_by_side(numbers: &[f32], terms: usize) -> Block {
    let mut block = [[0.0; LANES]; LANES];
    for (lane, row) in numbers.chunks_exact(terms).enumerate() {
        for (column, number) in block.iter_mut().zip(row) {
            column[lane] = *number;
        }
    }
    block
}

/// [`sum`] of every row of a block.
#[inline(always)]
fn sums_of_rows<const FMA: bool>(columns: &[[f32; LANES]]) -> [[f32; LANES]; 2] {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for column in columns {
        for lane in 0..LANES {
            largest[lane] = largest[lane].max(column[lane]);
        }
    }
    let mut sums = [0.0; LANES];
    for column in columns {
        for lane in 0..LANES {
            sums[lane] += exp::<FMA>(column[lane] - largest[lane]);
        }
    }
    [largest, sums]
}

struct LogSums<'a> {
    logits: &'a [f32],
    terms: usize,
    units: Range<usize>,
    sums: Shared<f32>,
}

impl Job for LogSums<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let terms = self.terms;
        // SAFETY: no two ranges have a row in common.
        let output = unsafe { self.sums.slice(self.units.start, self.units.len()) };
        let logits = &self.logits[self.units.start * terms..self.units.end * terms];
        if terms > LANES {
            for (output, logits) in output.iter_mut().zip(logits.chunks_exact(terms)) {
                let (largest, sum) = sum::<FMA>(logits);
                output.write(largest + ln::<FMA>(sum));
            }
            return;
        }
        let blocks = output.chunks_mut(LANES);
        for (output, logits) in blocks.zip(logits.chunks(LANES * terms)) {
            let block = side_by_side(logits, terms);
            let [mut largest, sums] = sums_of_rows::<FMA>(&block[..terms]);
            for lane in 0..LANES {
                largest[lane] += ln::<FMA>(sums[lane]);
            }
            for (output, log_sum) in output.iter_mut().zip(largest) {
                output.write(log_sum);
            }
        }
    }
}

struct Weigh<'a> {
    gradient: &'a [f32],
    logits: &'a [f32],
    units: Range<usize>,
    output: Shared<f32>,
}

impl Job for Weigh<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let terms = self.logits.len() / self.gradient.len();
        let gradient = &self.gradient[self.units.clone()];
        let numbers = self.units.start * terms..self.units.end * terms;
        // SAFETY: as above, with the logits of its rows.
        let output = unsafe { self.output.slice(numbers.start, numbers.len()) };
        let logits = &self.logits[numbers];
        if terms > LANES {
            let rows = logits.chunks_exact(terms).zip(gradient);
            for (output, (logits, gradient)) in output.chunks_exact_mut(terms).zip(rows) {
                let (largest, sum) = sum::<FMA>(logits);
                let share = gradient / sum;
                for (output, logit) in output.iter_mut().zip(logits) {
                    output.write(share * exp::<FMA>(logit - largest));
                }
            }
            return;
        }
        let blocks = logits.chunks(LANES * terms).zip(gradient.chunks(LANES));
        for (output, (logits, gradient)) in output.chunks_mut(LANES * terms).zip(blocks) {
            let mut block = side_by_side(logits, terms);
            let [largest, sums] = sums_of_rows::<FMA>(&block[..terms]);
            let mut shares = [0.0; LANES];
            shares[..gradient.len()].copy_from_slice(gradient);
            for lane in 0..LANES {
                shares[lane] /= sums[lane];
            }
            for column in &mut block[..terms] {
                for lane in 0..LANES {
                    column[lane] = shares[lane] * exp::<FMA>(column[lane] - largest[lane]);
                }
            }
            for (lane, row) in output.chunks_exact_mut(terms).enumerate() {
                for (output, column) in row.iter_mut().zip(&block) {
                    output.write(column[lane]);
                }
            }
        }
    }
}
