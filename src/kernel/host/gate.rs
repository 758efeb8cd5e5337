//! The gated activation, in pieces of rows that stay in the first-level cache.

use super::{
    Shared,
    math::{sigmoid, tanh},
    share,
    simd::{self, Job, Vector},
};
use std::ops::Range;

/// Outputs of a piece.
const PIECE: usize = 2048;

/// Passes over an element that one of these is worth, for [`share`].
const WORK: usize = 8;

/// `tanh(a) sigmoid(b)` of the halves of each of so many rows.
pub(super) fn apply(x: &[f32], rows: usize) -> Vec<f32> {
    let len = x.len() / 2;
    let mut output: Vec<f32> = Vec::with_capacity(len);
    let pieces = Pieces::new(rows, len);
    let shared = Shared(output.as_mut_ptr());
    share(pieces.count(), WORK * len, |units| {
        simd::dispatch(Apply {
            pieces,
            units,
            x,
            output: shared,
        });
    });
    // SAFETY: the pieces cover the rows, and each wrote its own.
    unsafe { output.set_len(len) };
    output
}

/// The gradient of `x`, in its shape, from that of the outputs.
pub(super) fn gradient(gradient: &[f32], x: &[f32], rows: usize) -> Vec<f32> {
    let mut output: Vec<f32> = Vec::with_capacity(x.len());
    let pieces = Pieces::new(rows, gradient.len());
    let shared = Shared(output.as_mut_ptr());
    share(pieces.count(), 2 * WORK * gradient.len(), |units| {
        simd::dispatch(Differentiate {
            pieces,
            units,
            gradient,
            x,
            output: shared,
        });
    });
    // SAFETY: as above, of both halves.
    unsafe { output.set_len(x.len()) };
    output
}

/// Rows of outputs, cut into pieces.
#[derive(Clone, Copy)]
struct Pieces {
    rows: usize,
    /// Outputs of a row.
    width: usize,
}

impl Pieces {
    fn new(rows: usize, len: usize) -> Self {
        Self {
            rows,
            width: len / rows.max(1),
        }
    }

    fn across(self) -> usize {
        self.width.div_ceil(PIECE)
    }

    fn count(self) -> usize {
        self.rows * self.across()
    }

    /// The row of a piece, where in it the piece begins, and how long it is.
    fn of(self, piece: usize) -> (usize, usize, usize) {
        let start = piece % self.across() * PIECE;
        (piece / self.across(), start, PIECE.min(self.width - start))
    }
}

struct Apply<'a> {
    pieces: Pieces,
    units: Range<usize>,
    x: &'a [f32],
    output: Shared<f32>,
}

impl Job for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let width = self.pieces.width;
        for unit in self.units {
            let (row, start, len) = self.pieces.of(unit);
            let value = &self.x[2 * row * width + start..][..len];
            let gate = &self.x[(2 * row + 1) * width + start..][..len];
            // SAFETY: no two pieces have an output in common.
            let output = unsafe { self.output.slice(row * width + start, len) };
            for i in 0..len {
                output[i].write(tanh::<FMA>(value[i]) * sigmoid::<FMA>(gate[i]));
            }
        }
    }
}

struct Differentiate<'a> {
    pieces: Pieces,
    units: Range<usize>,
    gradient: &'a [f32],
    x: &'a [f32],
    output: Shared<f32>,
}

impl Job for Differentiate<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let width = self.pieces.width;
        for unit in self.units {
            let (row, start, len) = self.pieces.of(unit);
            let gradient = &self.gradient[row * width + start..][..len];
            let [first, second] = [2 * row * width + start, (2 * row + 1) * width + start];
            let (value, gate) = (&self.x[first..][..len], &self.x[second..][..len]);
            // SAFETY: as above; the halves of a row are apart.
            let (of_value, of_gate) = unsafe {
                (
                    self.output.slice(first, len),
                    self.output.slice(second, len),
                )
            };
            for i in 0..len {
                let (value, gate) = (tanh::<FMA>(value[i]), sigmoid::<FMA>(gate[i]));
                let scaled = gradient[i] * gate;
                of_value[i].write(scaled * (1.0 - value * value));
                of_gate[i].write(scaled * (1.0 - gate) * value);
            }
        }
    }
}
