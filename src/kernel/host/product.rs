//! The matrix product that the convolutions are made of.

use super::math::fma;

/// Rows of the right matrix that are worked through at a time: so many of them, as wide as a block, stay in the
/// first-level cache.
const DEPTH: usize = 192;

/// Two matrices whose rows lie anywhere in memory, also overlapping each other.
pub(super) struct Factors<'a> {
    pub(super) left: &'a [f32],
    /// Where each row of the left matrix begins.
    pub(super) left_rows: &'a [usize],
    pub(super) right: &'a [f32],
    /// Where each row of the right matrix begins; there are as many as the left one has columns.
    pub(super) right_rows: &'a [usize],
    /// The columns of the right matrix, a multiple of `LANES`.
    pub(super) columns: usize,
}

/// Adds a product to a matrix whose rows begin `pitch` elements after each other.
///
/// `LANES` is the width of the processor's vectors, `FMA` as in [`super::math`].
#[inline(always)]
pub(super) fn add_product<const FMA: bool, const LANES: usize>(
    factors: &Factors,
    sum: &mut [f32],
    pitch: usize,
) {
    let Factors {
        left,
        left_rows,
        right,
        right_rows,
        columns,
    } = *factors;
    let (Some(lowest), Some(deepest)) = (left_rows.iter().max(), right_rows.iter().max()) else {
        return;
    };
    // What the raw pointers of `block` rely on.
    assert!(
        lowest + right_rows.len() <= left.len()
            && deepest + columns <= right.len()
            && (left_rows.len() - 1) * pitch + columns <= sum.len()
            && columns.is_multiple_of(LANES),
        "a product of {} x {} x {columns} elements lies outside of its matrices",
        left_rows.len(),
        right_rows.len(),
    );
    for (index, right_rows) in right_rows.chunks(DEPTH).enumerate() {
        let left = &left[index * DEPTH..];
        let mut column = 0;
        while column < columns {
            let vectors = (columns - column) / LANES;
            let strip = Strip {
                left,
                left_rows,
                right: &right[column..],
                right_rows,
                sum: &mut sum[column..],
                pitch,
            };
            // A block of many rows keeps its sums in all registers; a single row needs more columns for that.
            let width = match (left_rows.len(), vectors) {
                (1, 8..) => strip.add::<FMA, LANES, 8>(),
                (_, 1) => strip.add::<FMA, LANES, 1>(),
                (_, 2 | 4) => strip.add::<FMA, LANES, 2>(),
                _ => strip.add::<FMA, LANES, 3>(),
            };
            column += width;
        }
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
    /// Adds `VECTORS` vectors of columns, and says how many columns those are.
    #[inline(always)]
    fn add<const FMA: bool, const LANES: usize, const VECTORS: usize>(self) -> usize {
        // AVX-512 and NEON have 32 registers, the others 16.
        let tall = LANES == 16 || cfg!(target_arch = "aarch64");
        let mut row = 0;
        while row < self.left_rows.len() {
            let sum = self.sum[row * self.pitch..].as_mut_ptr();
            let rows = &self.left_rows[row..];
            // SAFETY: the rows of both matrices and of the sum have these elements, as `add_product` asserts.
            row += unsafe {
                match rows.len() {
                    1 => self.block::<FMA, LANES, VECTORS, 1>(rows, sum),
                    2 | 3 => self.block::<FMA, LANES, VECTORS, 2>(rows, sum),
                    8.. if tall && VECTORS <= 3 => self.block::<FMA, LANES, VECTORS, 8>(rows, sum),
                    _ => self.block::<FMA, LANES, VECTORS, 4>(rows, sum),
                }
            };
        }
        VECTORS * LANES
    }

    /// Adds `ROWS` rows of the product, and says how many those are.
    ///
    /// # Safety
    ///
    /// Every row of the left matrix must have as many elements as the right one has rows, and those of the right
    /// one and of the sum `VECTORS * LANES`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // what iterators call is not always inlined; see super::write!
    unsafe fn block<
        const FMA: bool,
        const LANES: usize,
        const VECTORS: usize,
        const ROWS: usize,
    >(
        &self,
        rows: &[usize],
        sum: *mut f32,
    ) -> usize {
        let mut lines = [self.left.as_ptr(); ROWS];
        for row in 0..ROWS {
            lines[row] = lines[row].wrapping_add(rows[row]);
        }
        let right = self.right.as_ptr();
        let mut sums = [[[0.0f32; LANES]; VECTORS]; ROWS];
        for (column, &start) in self.right_rows.iter().enumerate() {
            let numbers = unsafe { &*right.wrapping_add(start).cast::<[[f32; LANES]; VECTORS]>() };
            for row in 0..ROWS {
                let factor = unsafe { *lines[row].wrapping_add(column) };
                for vector in 0..VECTORS {
                    for lane in 0..LANES {
                        let sum = &mut sums[row][vector][lane];
                        *sum = fma::<FMA>(factor, numbers[vector][lane], *sum);
                    }
                }
            }
        }
        for row in 0..ROWS {
            let line = sum.wrapping_add(row.wrapping_mul(self.pitch));
            let line = unsafe { &mut *line.cast::<[[f32; LANES]; VECTORS]>() };
            for vector in 0..VECTORS {
                for lane in 0..LANES {
                    line[vector][lane] += sums[row][vector][lane];
                }
            }
        }
        ROWS
    }
}

/// The scalar products of one row with each of `sums.len()` others, which begin in `numbers` at `starts`, added to
/// `sums`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
pub(super) fn add_dots<const FMA: bool, const LANES: usize>(
    numbers: &[f32],
    starts: &[usize],
    row: &[f32],
    sums: &mut [f32],
) {
    const ROWS: usize = 8;
    assert!(row.len().is_multiple_of(LANES) && starts.len() <= sums.len());
    let mut first = 0;
    while first < starts.len() {
        let count = ROWS.min(starts.len() - first);
        let mut lines = [&row[..0]; ROWS];
        for k in 0..ROWS {
            // The last block repeats its last row, and throws the copies' sums away.
            lines[k] = &numbers[starts[first + k.min(count - 1)]..][..row.len()];
        }
        let mut lanes = [[0.0f32; LANES]; ROWS];
        let mut at = 0;
        while at < row.len() {
            for k in 0..ROWS {
                for lane in 0..LANES {
                    let sum = &mut lanes[k][lane];
                    // SAFETY: `at` is a multiple of `LANES` below that of the lengths.
                    let (a, b) = unsafe {
                        let at = at.wrapping_add(lane);
                        (*lines[k].get_unchecked(at), *row.get_unchecked(at))
                    };
                    *sum = fma::<FMA>(a, b, *sum);
                }
            }
            at = at.wrapping_add(LANES);
        }
        for k in 0..count {
            sums[first + k] += super::total(&lanes[k]);
        }
        first += count;
    }
}
