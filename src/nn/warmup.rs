use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

/// A weight that rises from 0 to 1 in a straight line over the first steps of training: KL annealing.
///
/// The step count is a parameter without a gradient: it is saved and loaded with the weights, so a
/// resumed run continues where it was, and it stays on the device, so no step reads it back. It is kept in `f32` on a
/// device of 16 bits too, which cannot count beyond 256 (or 2,048).
///
/// [Bowman et al. 2016](https://arxiv.org/abs/1511.06349), section 3.1.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::Warmup;
///
/// let warmup = Warmup::new(4, &Device::default());
/// assert_eq!(warmup.weight().into_scalar::<f32>(), 0.0);
/// let warmup = warmup.advance().advance();
/// assert_eq!(warmup.weight().into_scalar::<f32>(), 0.5);
/// ```
#[derive(Module, Debug)]
pub struct Warmup {
    taken: Param<Tensor<1>>,
    steps: usize,
}

impl Warmup {
    /// A weight that reaches 1 after `steps` steps; with 0 it is 1 from the start.
    pub fn new(steps: usize, device: &Device) -> Self {
        Self {
            taken: Param::from_tensor(Tensor::zeros([1], (device, DType::F32)))
                .set_require_grad(false),
            steps,
        }
    }

    /// The weight at the step that is about to be taken: `min(taken / steps, 1)`, `[1]`, in the float type of the device.
    pub fn weight(&self) -> Tensor<1> {
        let taken = self.taken.val();
        let weight = match self.steps {
            0 => taken.ones_like(),
            steps => taken.div_scalar(steps as f64).clamp_max(1.0),
        };
        // A model that was cast as a whole has the count in its own type.
        match weight.dtype() {
            DType::F32 => weight.clone().cast(weight.device().settings().float_dtype),
            _ => weight,
        }
    }

    /// Counts one step.
    pub fn advance(self) -> Self {
        Self {
            taken: self.taken.map(|taken| taken.add_scalar(1.0)),
            ..self
        }
    }
}
