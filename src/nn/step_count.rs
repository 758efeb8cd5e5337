use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

/// How many training steps were taken, for a model that does something else from some step on.
///
/// The count is kept twice: as a parameter without a gradient, as in [`Warmup`](super::Warmup), for the checkpoint, and as a
/// plain number, so that no step waits for the device.
#[derive(Module, Debug)]
pub(crate) struct StepCount {
    taken: Param<Tensor<1>>,
    /// Host copy of `taken`, where it has been counted.
    #[module(skip)]
    known: Option<usize>,
}

impl StepCount {
    /// No steps yet.
    pub(crate) fn new(device: &Device) -> Self {
        let taken = Tensor::zeros([1], (device, DType::F32));
        Self {
            taken: Param::from_tensor(taken).set_require_grad(false),
            known: None,
        }
    }

    /// The steps that were taken. After a record was loaded into a new model, they are read from the device, until the next is
    /// counted.
    pub(crate) fn taken(&self) -> usize {
        self.known
            .unwrap_or_else(|| self.taken.val().into_scalar::<f32>() as usize)
    }

    /// Counts one step.
    pub(crate) fn advance(self) -> Self {
        let taken = self.taken() + 1;
        Self {
            taken: self.taken.map(|old| old.full_like(taken as f64)),
            known: Some(taken),
        }
    }
}
