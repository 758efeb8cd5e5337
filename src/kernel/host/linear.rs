//! Products of matrices in memory, for dense layers. The right matrix is laid out anew first, as strips of few columns whose rows
//! follow each other; it is read and written in the order of memory there, which strips read out of the matrix would not be.

#![allow(clippy::needless_range_loop)] // what iterators call is not always inlined; see super::write!

use super::product::{Factors, add_product};
use super::simd::{self, Job, Vector};
use super::{Scratch, Shared, share};
use std::{mem::MaybeUninit, ops::Range};

/// Columns of a unit of work: whole strips of every kind of processor, and so many that a row of them is worth going to.
const PANEL: usize = 96;

/// The most rows of a unit of work, which stay in the second-level cache meanwhile, and the fewest.
const ROWS: usize = 128;
const FEWEST: usize = 16;

/// The side of a square that is transposed at a time.
const SQUARE: usize = 8;

/// Products that take as long as one of the elements that [`share`] counts.
const PRODUCTS: usize = 16;

/// The right matrix of a product, row by row, or column by column.
#[derive(Clone, Copy)]
pub(super) enum Right<'a> {
    Rows(&'a [f32]),
    Columns(&'a [f32]),
}

/// `left [m, k]` times `right [k, n]`; to each row `bias` is added.
pub(super) fn product(
    left: &[f32],
    right: Right,
    bias: Option<&[f32]>,
    [m, k, n]: [usize; 3],
) -> Vec<f32> {
    let (Right::Rows(numbers) | Right::Columns(numbers)) = right;
    assert!(left.len() == m * k && numbers.len() == k * n);
    assert!(bias.is_none_or(|bias| bias.len() == n));
    let panels = n.div_ceil(PANEL);
    // An element's sum is the same in every unit, so there may be as many as there are threads to do them.
    let mut rows = ROWS;
    while rows > FEWEST && m.div_ceil(rows) * panels < 4 * rayon::current_num_threads() {
        rows /= 2;
    }
    let mut strips = Scratch::new(k * n.next_multiple_of(PANEL));
    let shared = Shared(strips.as_mut_ptr());
    let units = match right {
        Right::Rows(_) => k,
        Right::Columns(_) => panels,
    };
    share(units, k * n, |units| {
        simd::dispatch(Lay {
            right,
            shape: [k, n],
            units,
            strips: shared,
        });
    });
    let mut output = Vec::with_capacity(m * n);
    let shared = Shared(output.as_mut_ptr());
    let products = m.saturating_mul(k).saturating_mul(n);
    share(m.div_ceil(rows) * panels, products / PRODUCTS, |units| {
        simd::dispatch(Multiply {
            left,
            rows,
            strips: &strips,
            bias,
            shape: [m, k, n],
            units,
            output: shared,
        });
    });
    // SAFETY: each unit wrote its rows and columns, and together they are all.
    unsafe { output.set_len(m * n) };
    output
}

/// `matrix`, `[rows, columns]`, as `[columns, rows]`.
pub(super) fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    assert_eq!(matrix.len(), rows * columns);
    let mut output: Vec<f32> = Vec::with_capacity(rows * columns);
    let shared = Shared(output.as_mut_ptr());
    share(columns.div_ceil(SQUARE), rows * columns, |units| {
        let columns_of = units.start * SQUARE..(units.end * SQUARE).min(columns);
        // SAFETY: these rows of the output belong to these units alone.
        let output = unsafe { shared.slice(columns_of.start * rows, columns_of.len() * rows) };
        simd::dispatch(Transpose {
            matrix,
            pitch: columns,
            columns: columns_of,
            output,
            output_pitch: rows,
        });
    });
    // SAFETY: the units are all rows.
    unsafe { output.set_len(rows * columns) };
    output
}

/// The sum of each column of a matrix of so many.
pub(super) fn column_sums(matrix: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0; columns];
    simd::dispatch(ColumnSums {
        matrix,
        sums: &mut sums,
    });
    sums
}

/// Columns of a strip: as many as the widest block of [`add_product`] takes, so that its rows follow each other without a gap.
const fn strip<V: Vector>() -> usize {
    V::LANES * if V::LANES == 16 { 3 } else { 2 }
}

/// The strips of the right matrix, one after the other, with anything behind the last column.
struct Lay<'a> {
    right: Right<'a>,
    shape: [usize; 2],
    /// Rows, or panels where the matrix lies column by column.
    units: Range<usize>,
    strips: Shared<f32>,
}

impl Job for Lay<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let [k, n] = self.shape;
        let strip = strip::<V>();
        match self.right {
            Right::Columns(columns) => {
                let panels = self.units.start * PANEL..(self.units.end * PANEL).min(n);
                for start in panels.step_by(strip) {
                    // SAFETY: no other unit has this strip.
                    let numbers = unsafe { self.strips.slice(start * k, strip * k) };
                    let columns = &columns[start * k..(start + strip).min(n) * k];
                    transpose_columns(columns, k, 0..k, numbers, strip);
                }
            }
            Right::Rows(rows) => {
                for row in self.units {
                    let numbers = &rows[row * n..][..n];
                    let mut start = 0;
                    while start < n {
                        // SAFETY: no other unit has this row.
                        let line = unsafe { self.strips.slice(start * k + row * strip, strip) };
                        for column in 0..strip.min(n - start) {
                            line[column].write(numbers[start + column]);
                        }
                        start += strip;
                    }
                }
            }
        }
    }
}

struct Multiply<'a> {
    left: &'a [f32],
    /// Rows of a unit.
    rows: usize,
    strips: &'a [f32],
    bias: Option<&'a [f32]>,
    shape: [usize; 3],
    /// Pairs of a panel and some rows, the rows of a panel after each other.
    units: Range<usize>,
    output: Shared<f32>,
}

impl Job for Multiply<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        if self.units.is_empty() {
            return;
        }
        let [m, k, n] = self.shape;
        let strip = strip::<V>();
        let mut sums = Scratch::new(self.rows.min(m) * PANEL);
        let (mut left_rows, mut right_rows) =
            (Vec::with_capacity(self.rows), Vec::with_capacity(k));
        for row in 0..k {
            right_rows.push(row * strip);
        }
        let chunks = m.div_ceil(self.rows);
        for unit in self.units {
            let (panel, chunk) = (unit / chunks, unit % chunks);
            let columns = panel * PANEL..((panel + 1) * PANEL).min(n);
            let rows = chunk * self.rows..((chunk + 1) * self.rows).min(m);
            left_rows.clear();
            for row in rows.clone() {
                left_rows.push(row * k);
            }
            let pitch = columns.len().next_multiple_of(V::LANES);
            let sums = &mut sums[..rows.len() * pitch];
            sums.fill(0.0);
            let mut start = 0;
            while start < pitch {
                let factors = Factors {
                    left: self.left,
                    left_rows: &left_rows,
                    right: &self.strips[(columns.start + start) * k..],
                    right_rows: &right_rows,
                    columns: strip.min(pitch - start),
                };
                // SAFETY: a job runs where the processor has its vectors.
                unsafe { add_product::<V>(factors, &mut sums[start..], pitch) };
                start += strip;
            }
            for row in rows.clone() {
                let sums = &sums[(row - rows.start) * pitch..][..columns.len()];
                let start = row * n + columns.start;
                // SAFETY: no other unit has these rows and columns.
                let output = unsafe { self.output.slice(start, columns.len()) };
                match self.bias {
                    None => {
                        for column in 0..columns.len() {
                            output[column].write(sums[column]);
                        }
                    }
                    Some(bias) => {
                        let bias = &bias[columns.clone()];
                        for column in 0..columns.len() {
                            output[column].write(sums[column] + bias[column]);
                        }
                    }
                }
            }
        }
    }
}

struct Transpose<'a> {
    matrix: &'a [f32],
    pitch: usize,
    columns: Range<usize>,
    output: &'a mut [MaybeUninit<f32>],
    output_pitch: usize,
}

impl Job for Transpose<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let Self {
            matrix,
            pitch,
            columns,
            output,
            output_pitch,
        } = self;
        transpose_columns(matrix, pitch, columns, output, output_pitch);
    }
}

/// Writes `columns` of a matrix of rows of `pitch` as rows, each `output_pitch` after the one before; square by square, so that
/// neither reading nor writing leaves a line of the cache half used.
#[inline(always)]
fn transpose_columns(
    matrix: &[f32],
    pitch: usize,
    columns: Range<usize>,
    output: &mut [MaybeUninit<f32>],
    output_pitch: usize,
) {
    if pitch == 0 {
        return;
    }
    let rows = matrix.len() / pitch;
    let mut column = columns.start;
    while column < columns.end {
        let width = SQUARE.min(columns.end - column);
        let output = &mut output[(column - columns.start) * output_pitch..];
        let mut row = 0;
        while row < rows {
            let height = SQUARE.min(rows - row);
            let square = &matrix[row * pitch + column..];
            if width == SQUARE && height == SQUARE {
                let mut lines = [[0.0; SQUARE]; SQUARE];
                for down in 0..SQUARE {
                    let line = square[down * pitch..].first_chunk();
                    lines[down] = *line.expect("a whole square");
                }
                for right in 0..SQUARE {
                    let mut line = [MaybeUninit::uninit(); SQUARE];
                    for down in 0..SQUARE {
                        line[down] = MaybeUninit::new(lines[down][right]);
                    }
                    let place = output[right * output_pitch + row..].first_chunk_mut();
                    *place.expect("a whole square") = line;
                }
            } else {
                for right in 0..width {
                    for down in 0..height {
                        output[right * output_pitch + row + down]
                            .write(square[down * pitch + right]);
                    }
                }
            }
            row += height;
        }
        column += width;
    }
}

struct ColumnSums<'a> {
    matrix: &'a [f32],
    sums: &'a mut [f32],
}

impl Job for ColumnSums<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        if self.sums.is_empty() {
            return;
        }
        let columns = self.sums.len();
        let mut start = 0;
        while start < self.matrix.len() {
            let row = &self.matrix[start..][..columns];
            for column in 0..columns {
                self.sums[column] += row[column];
            }
            start += columns;
        }
    }
}
