//! What a step computes with, on the host.

use crate::kernel::{COLUMNS, add_product};
use burn::tensor::Tensor;

/// The numbers of a tensor, row by row.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A matrix of weights, `[inputs, outputs]`, whose rows are filled up with zeros to whole vectors.
#[derive(Debug)]
pub(super) struct Matrix {
    numbers: Vec<f32>,
    /// Where each row begins.
    starts: Vec<usize>,
    outputs: usize,
    /// From a row to the next.
    pitch: usize,
}

impl Matrix {
    pub(super) fn new(weight: Tensor<2>) -> Self {
        let [inputs, outputs] = weight.dims();
        let pitch = outputs.next_multiple_of(COLUMNS);
        let rows = numbers(weight);
        let mut padded = vec![0.0; inputs * pitch];
        for (row, line) in rows
            .chunks_exact(outputs.max(1))
            .zip(padded.chunks_exact_mut(pitch))
        {
            line[..outputs].copy_from_slice(row);
        }
        Self {
            numbers: padded,
            starts: (0..inputs).map(|row| row * pitch).collect(),
            outputs,
            pitch,
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.starts.len()
    }

    /// From a row of a product to the next.
    pub(super) fn pitch(&self) -> usize {
        self.pitch
    }

    /// Adds `left * self` to a sum, of which row `i` gets that of the row of `left` which begins at `starts[i]`.
    pub(super) fn add(&self, left: &[f32], starts: &[usize], sum: &mut [f32]) {
        self.add_rows(left, starts, &self.starts, sum);
    }

    /// [`add`](Self::add) with some rows of the matrix alone, by the numbers of those in `left`.
    pub(super) fn add_of(&self, rows: &[usize], left: &[f32], sum: &mut [f32]) {
        if rows.is_empty() {
            return;
        }
        let right: Vec<usize> = rows.iter().map(|&row| self.starts[row]).collect();
        let count = left.len() / rows.len();
        let left_rows: Vec<usize> = (0..count).map(|row| row * rows.len()).collect();
        self.add_rows(left, &left_rows, &right, sum);
    }

    fn add_rows(&self, left: &[f32], left_rows: &[usize], right_rows: &[usize], sum: &mut [f32]) {
        let rows = [left_rows, right_rows];
        add_product([left, &self.numbers], rows, self.pitch, sum);
    }

    /// A row.
    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.numbers[self.starts[index]..][..self.outputs]
    }

    /// All rows, one after the other, [`pitch`](Self::pitch) apart.
    pub(super) fn into_rows(self) -> Vec<f32> {
        self.numbers
    }

    /// `rows` copies of a bias as the start of a sum.
    pub(super) fn biases(&self, bias: &[f32], rows: usize) -> Vec<f32> {
        let mut sum = vec![0.0; rows * self.pitch];
        for line in sum.chunks_exact_mut(self.pitch) {
            line[..self.outputs].copy_from_slice(bias);
        }
        sum
    }
}

/// A convolution: a matrix, `[inputs, outputs]`, for each element of its window, row by row.
#[derive(Debug)]
pub(super) struct HostConv {
    pub(super) taps: Vec<Matrix>,
    pub(super) bias: Vec<f32>,
}

impl HostConv {
    /// From weights `[outputs, inputs, elements of a window]`.
    pub(super) fn new(weight: Tensor<3>, bias: Option<Tensor<1>>) -> Self {
        let [outputs, _, elements] = weight.dims();
        let tap = |at| {
            Matrix::new(
                weight
                    .clone()
                    .narrow(2, at, 1)
                    .squeeze_dim::<2>(2)
                    .transpose(),
            )
        };
        Self {
            taps: (0..elements).map(tap).collect(),
            bias: bias.map_or_else(|| vec![0.0; outputs], numbers),
        }
    }

    /// From a row of its sums to the next.
    pub(super) fn pitch(&self) -> usize {
        self.taps[0].pitch()
    }

    /// What so many rows of sums start from.
    pub(super) fn start(&self, rows: usize) -> Vec<f32> {
        self.taps[0].biases(&self.bias, rows)
    }

    /// Of a window of one element: the sums of rows that begin `pitch` after each other.
    pub(super) fn pointwise(&self, x: &[f32], pitch: usize, rows: usize) -> Vec<f32> {
        let mut sums = self.start(rows);
        let starts: Vec<usize> = (0..rows).map(|row| row * pitch).collect();
        self.taps[0].add(x, &starts, &mut sums);
        sums
    }
}

/// Adds what a context gives a stream to all its rows.
pub(super) fn add_to_streams(sums: &mut [f32], shift: &[f32], pitch: usize, streams: usize) {
    if shift.is_empty() || streams == 0 {
        return;
    }
    let width = shift.len() / streams;
    let of_stream = sums.len() / streams;
    for (sums, shift) in sums
        .chunks_exact_mut(of_stream)
        .zip(shift.chunks_exact(width))
    {
        for row in sums.chunks_exact_mut(pitch) {
            for (sum, shift) in row.iter_mut().zip(shift) {
                *sum += shift;
            }
        }
    }
}

/// The gated units of rows that begin `pitch` after each other, of which the first `2 * units` numbers count:
/// `[rows, units]`.
pub(super) fn gated_rows(sums: &[f32], pitch: usize, units: usize) -> Vec<f32> {
    let mut gates = vec![0.0; sums.len() / pitch * units];
    let rows = gates.chunks_exact_mut(units).zip(sums.chunks_exact(pitch));
    for (gates, sums) in rows {
        gated(&sums[..2 * units], gates);
    }
    gates
}

/// `tanh(a) * sigmoid(b)` of the halves of a row.
pub(super) fn gated(row: &[f32], result: &mut [f32]) {
    let (value, gate) = row.split_at(row.len() / 2);
    for ((result, value), gate) in result.iter_mut().zip(value).zip(gate) {
        *result = value.tanh() / (1.0 + (-gate).exp());
    }
}

/// Where `count` pixels begin in the rows of each stream, of which each is `line` pixels of `features` long, from `first` on.
pub(super) fn rows_of(
    streams: usize,
    count: usize,
    line: usize,
    first: usize,
    features: usize,
) -> Vec<usize> {
    let start = |pixel| (pixel / count * line + pixel % count + first) * features;
    (0..streams * count).map(start).collect()
}
