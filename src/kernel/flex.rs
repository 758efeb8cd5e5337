//! The kernels of the flex backend: its tensors as rows in memory.

use super::host::{
    self, Pointwise, Source, Storage,
    backend::{Argument, HostBackend},
};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, TensorData, bf16, f16};
use burn_flex::FlexTensor;
use std::borrow::Cow;

/// Runs `$body` with `$E` as the type that numbers of `$dtype` are kept in.
macro_rules! with_storage {
    ($dtype:expr, $E:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $E = f32;
                $body
            }
            DType::F16 => {
                type $E = f16;
                $body
            }
            DType::BF16 => {
                type $E = bf16;
                $body
            }
            other => unreachable!("{other:?} has no kernel, and is sent to the reference"),
        }
    };
}

impl HostBackend for Flex {
    fn fold<const IN: usize>(op: impl Pointwise<IN, 1>, inputs: [&FlexTensor; IN]) -> FlexTensor {
        with_storage!(inputs[0].dtype(), E => {
            let shape = matrix(inputs[0]);
            let sources = inputs.map(|input| source(input.storage::<E>(), input));
            let sums = host::fold(op, shape, sources);
            FlexTensor::from_data(TensorData::new(sums, [shape[0]]))
        })
    }

    fn map<const IN: usize, const OUT: usize>(
        op: impl Pointwise<IN, OUT>,
        gradient: Option<&FlexTensor>,
        inputs: [Argument<FlexTensor>; IN],
    ) -> [FlexTensor; OUT] {
        let Argument::Tensor(first) = inputs[0] else {
            unreachable!("the first input is a tensor");
        };
        with_storage!(first.dtype(), E => {
            let shape = matrix(first);
            let gradient = gradient.map(|rows| source(rows.storage::<E>(), rows));
            let sources = inputs.map(|input| match input {
                Argument::Tensor(tensor) => source(tensor.storage::<E>(), tensor),
                Argument::Noise(seed) => Source::Noise(seed),
            });
            host::map(op, shape, gradient, sources)
                .map(|numbers| FlexTensor::from_data(TensorData::new(numbers, shape)))
        })
    }

    fn numbers(tensor: &FlexTensor) -> Cow<'_, [f32]> {
        match tensor.layout().contiguous_offsets() {
            Some((start, end)) => Cow::Borrowed(&tensor.storage()[start..end]),
            None => Cow::Owned(tensor.to_contiguous().storage().to_vec()),
        }
    }

    fn from_numbers(numbers: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(numbers, shape))
    }
}

fn matrix(tensor: &FlexTensor) -> [usize; 2] {
    tensor.shape().dims()
}

/// The view of a `[rows, columns]` tensor, or of a `[rows]` one.
fn source<'a, E: Storage>(buffer: &'a [E], tensor: &FlexTensor) -> Source<'a, E> {
    let layout = tensor.layout();
    let strides = layout.strides();
    Source::Strided {
        buffer,
        start: layout.start_offset(),
        strides: [strides[0], strides.get(1).copied().unwrap_or(1)],
    }
}
