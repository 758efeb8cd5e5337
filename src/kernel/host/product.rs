//! The matrix product that the convolutions are made of.

use super::simd::{Job, Vector};

/// Rows of the right matrix that are worked through at a time: so many of them, as wide as a block, stay in the
/// first-level cache.
const DEPTH: usize = 192;

/// Two matrices whose rows lie anywhere in memory, also one over the other.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub(super) left: &'a [f32],
    /// Where each row of the left matrix begins.
    pub(super) left_rows: &'a [usize],
    pub(super) right: &'a [f32],
    /// Where each row of the right matrix begins; there are as many as the left one has columns.
    pub(super) right_rows: &'a [usize],
    /// The columns of the right matrix, a multiple of the vectors' lanes.
    pub(super) columns: usize,
}

/// Adds a product to a matrix whose rows begin `pitch` elements after each other.
///
/// # Safety
///
/// The processor must have these vectors: it is for jobs, which know that.
#[inline(always)]
pub(super) unsafe fn add_product<V: Vector>(factors: Factors, sum: &mut [f32], pitch: usize) {
    let mut depth = 0;
    while depth < factors.right_rows.len() {
        let end = (depth + DEPTH).min(factors.right_rows.len());
        let mut column = 0;
        while column < factors.columns {
            let strip = Strip {
                left: &factors.left[depth..],
                left_rows: factors.left_rows,
                right: &factors.right[column..],
                right_rows: &factors.right_rows[depth..end],
                sum: &mut sum[column..],
                pitch,
            };
            let vectors = (factors.columns - column) / V::LANES;
            // SAFETY: as the caller says.
            column += unsafe {
                match (factors.left_rows.len(), vectors) {
                    // One row alone needs more columns to keep the processor busy.
                    (1, 8..) => strip.add::<V, 8>(),
                    (_, 1) => strip.add::<V, 1>(),
                    // Nor do two or three rows of two vectors.
                    (rows, 3 | 5..) if V::LANES == 16 || rows < 4 => strip.add::<V, 3>(),
                    _ => strip.add::<V, 2>(),
                }
            };
        }
        depth = end;
    }
}

/// Some columns of a product, and some of what each of its elements sums.
struct Strip<'a> {
    left: &'a [f32],
    left_rows: &'a [usize],
    right: &'a [f32],
    right_rows: &'a [usize],
    sum: &'a mut [f32],
    pitch: usize,
}

impl Strip<'_> {
    /// Adds the first `VECTORS` vectors of columns, and says how many columns those are.
    ///
    /// # Safety
    ///
    /// As [`add_product`].
    #[inline(always)]
    unsafe fn add<V: Vector, const VECTORS: usize>(self) -> usize {
        let mut row = 0;
        while row < self.left_rows.len() {
            let left_rows = &self.left_rows[row..];
            let sum = &mut self.sum[row * self.pitch..];
            let (left, right, right_rows) = (self.left, self.right, self.right_rows);
            macro_rules! block {
                ($rows:literal) => {{
                    // SAFETY: as the caller says.
                    unsafe {
                        V::run(Block::<VECTORS, $rows> {
                            left,
                            left_rows,
                            right,
                            right_rows,
                            sum,
                            pitch: self.pitch,
                        })
                    };
                    $rows
                }};
            }
            row += match left_rows.len() {
                1 => block!(1),
                2 | 3 => block!(2),
                // AVX-512 has 32 registers, what came before it 16: one more than twelve sums, the numbers that they
                // multiply and a factor take. With none to spare the compiler keeps a sum in memory.
                8.. if V::LANES == 16 && VECTORS <= 3 => block!(8),
                6 | 7 | 10.. if VECTORS <= 2 => block!(6),
                _ => block!(4),
            };
        }
        VECTORS * V::LANES
    }
}

/// The first `ROWS` rows and `VECTORS` vectors of columns of a product, whose sums stay in registers.
struct Block<'a, const VECTORS: usize, const ROWS: usize> {
    left: &'a [f32],
    left_rows: &'a [usize],
    right: &'a [f32],
    right_rows: &'a [usize],
    sum: &'a mut [f32],
    pitch: usize,
}

impl<const VECTORS: usize, const ROWS: usize> Job for Block<'_, VECTORS, ROWS> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // what iterators call is not always inlined; see super::write!
    fn run<const FMA: bool, V: Vector>(self) {
        let width = VECTORS * V::LANES;
        let depth = self.right_rows.len();
        // All of one length, so that no access to them needs a check.
        let mut lines = [&self.left[..0]; ROWS];
        for row in 0..ROWS {
            lines[row] = &self.left[self.left_rows[row]..][..depth];
        }
        let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
        for column in 0..depth {
            let right = &self.right[self.right_rows[column]..][..width];
            let mut numbers = [V::splat(0.0); VECTORS];
            for vector in 0..VECTORS {
                numbers[vector] = V::load(&right[vector * V::LANES..]);
            }
            for row in 0..ROWS {
                let factor = V::splat(lines[row][column]);
                for vector in 0..VECTORS {
                    sums[row][vector] = factor.mul_add(numbers[vector], sums[row][vector]);
                }
            }
        }
        for row in 0..ROWS {
            let line = &mut self.sum[row * self.pitch..][..width];
            for vector in 0..VECTORS {
                let line = &mut line[vector * V::LANES..];
                V::load(line).add(sums[row][vector]).store(line);
            }
        }
    }
}

/// The scalar products of `row`, whose length is a multiple of the vectors' lanes, with the rows that begin in `numbers`
/// at `starts`, added to `sums`.
pub(super) struct Dots<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) starts: &'a [usize],
    pub(super) row: &'a [f32],
    pub(super) sums: &'a mut [f32],
}

impl Job for Dots<'_> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // as above
    fn run<const FMA: bool, V: Vector>(self) {
        const ROWS: usize = 8;
        let mut first = 0;
        while first < self.starts.len() {
            let count = ROWS.min(self.starts.len() - first);
            let mut lines = [self.row; ROWS];
            for k in 0..ROWS {
                // The last block repeats its last row, and throws the copies' sums away.
                lines[k] = &self.numbers[self.starts[first + k.min(count - 1)]..][..self.row.len()];
            }
            let mut sums = [V::splat(0.0); ROWS];
            let mut column = 0;
            while column < self.row.len() {
                let factor = V::load(&self.row[column..]);
                for k in 0..ROWS {
                    sums[k] = V::load(&lines[k][column..]).mul_add(factor, sums[k]);
                }
                column += V::LANES;
            }
            for k in 0..count {
                let mut lanes = [0.0; 16];
                sums[k].store(&mut lanes);
                self.sums[first + k] += super::total(&lanes);
            }
            first += count;
        }
    }
}
