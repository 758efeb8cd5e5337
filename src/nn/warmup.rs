use crate::error::{Error, Result};
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
    /// After how many steps it begins anew; 0 for never.
    period: usize,
}

impl Warmup {
    /// A weight that reaches 1 after `steps` steps; with 0 it is 1 from the start.
    pub fn new(steps: usize, device: &Device) -> Self {
        Self {
            taken: Param::from_tensor(Tensor::zeros([1], (device, DType::F32)))
                .set_require_grad(false),
            steps,
            period: 0,
        }
    }

    /// A weight that reaches 1 after `steps` steps, stays there, and begins anew at 0 after every `period` steps.
    ///
    /// [Fu et al. 2019](https://arxiv.org/abs/1903.10145), equation 6, take 4 periods a training, and half of each for
    /// the rise.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the period is 0 or shorter than the rise.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::nn::Warmup;
    ///
    /// let mut weight = Warmup::cyclical(2, 4, &Device::default())?;
    /// let mut weights = Vec::new();
    /// for _step in 0..6 {
    ///     weights.push(weight.weight().into_scalar::<f32>());
    ///     weight = weight.advance();
    /// }
    /// assert_eq!(weights, [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]);
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn cyclical(steps: usize, period: usize, device: &Device) -> Result<Self> {
        if period == 0 || period < steps {
            return Err(Error::Config(format!(
                "Warmup: a period of {period} steps has no room for a rise of {steps}; make it longer"
            )));
        }
        Ok(Self {
            period,
            ..Self::new(steps, device)
        })
    }

    /// The weight at the step that is about to be taken: `min(taken / steps, 1)`, `[1]`, with the steps of this period, in
    /// the float type of the device.
    pub fn weight(&self) -> Tensor<1> {
        let taken = self.taken.val();
        let taken = if self.period > 0 {
            taken.remainder_scalar(self.period as f64)
        } else {
            taken
        };
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
