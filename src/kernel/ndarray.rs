//! The kernels of the ndarray backend: its arrays as rows in memory.

use super::host::{
    self, Pointwise, Source,
    backend::{Argument, HostBackend},
};
use burn::backend::{NdArray, TensorMetadata};
use burn::tensor::TensorData;
use burn_ndarray::NdArrayTensor;
use std::borrow::Cow;

impl HostBackend for NdArray {
    fn fold<const IN: usize>(
        op: impl Pointwise<IN, 1>,
        inputs: [&NdArrayTensor; IN],
    ) -> NdArrayTensor {
        let shape = inputs[0].shape().dims();
        let arrays = inputs.map(Array::new);
        let sums = host::fold(op, shape, arrays.each_ref().map(Array::source));
        NdArrayTensor::from_data(TensorData::new(sums, [shape[0]]))
    }

    fn map<const IN: usize, const OUT: usize>(
        op: impl Pointwise<IN, OUT>,
        gradient: Option<&NdArrayTensor>,
        inputs: [Argument<NdArrayTensor>; IN],
    ) -> [NdArrayTensor; OUT] {
        let Argument::Tensor(first) = inputs[0] else {
            unreachable!("the first input is a tensor");
        };
        let shape: [usize; 2] = first.shape().dims();
        let gradient = gradient.map(Array::new);
        let arrays = inputs.map(|input| match input {
            Argument::Tensor(tensor) => Ok(Array::new(tensor)),
            Argument::Noise(seed) => Err(seed),
        });
        let sources = arrays.each_ref().map(|array| match array {
            Ok(array) => array.source(),
            Err(seed) => Source::Noise(*seed),
        });
        host::map(op, shape, gradient.as_ref().map(Array::source), sources)
            .map(|numbers| NdArrayTensor::from_data(TensorData::new(numbers, shape)))
    }

    fn numbers(tensor: &NdArrayTensor) -> Cow<'_, [f32]> {
        let array = Array::new(tensor);
        let [rows, columns]: [usize; 2] = tensor.shape().dims();
        let [down, right] = array.strides;
        if [down, right] == [columns as isize, 1] {
            return array.numbers;
        }
        let at = |row, column| array.numbers[row * down as usize + column * right as usize];
        let row = |row| (0..columns).map(move |column| at(row, column));
        (0..rows).flat_map(row).collect()
    }

    fn from_numbers(numbers: Vec<f32>, shape: [usize; 2]) -> NdArrayTensor {
        NdArrayTensor::from_data(TensorData::new(numbers, shape))
    }
}

/// The numbers of an array and how they lie.
struct Array<'a> {
    numbers: Cow<'a, [f32]>,
    strides: [isize; 2],
}

impl<'a> Array<'a> {
    fn new(tensor: &'a NdArrayTensor) -> Self {
        let NdArrayTensor::F32(storage) = tensor else {
            unreachable!(
                "{:?} has no kernel, and is sent to the reference",
                tensor.dtype()
            );
        };
        let array = storage.view();
        // A transposed array is read as it lies. One that repeats, skips or runs backwards has no slice
        // that ndarray would hand out, and is copied.
        let strides = [0, 1].map(|axis| array.strides().get(axis).copied().unwrap_or(1));
        let forward = strides.iter().all(|&stride| stride > 0);
        match array.to_slice_memory_order() {
            Some(numbers) if forward => Self {
                numbers: Cow::Borrowed(numbers),
                strides,
            },
            _ => {
                let columns = array.shape().get(1).copied().unwrap_or(1);
                Self {
                    numbers: array.iter().copied().collect(),
                    strides: [columns as isize, 1],
                }
            }
        }
    }

    fn source(&self) -> Source<'_, f32> {
        Source::Strided {
            buffer: &self.numbers,
            start: 0,
            strides: self.strides,
        }
    }
}
