use super::Head;
use super::linear::linear;
use crate::distribution::GumbelSoftmax;
use crate::error::{Error, Result, check_not_negative, check_positive};
use crate::traits::Batch;
use burn::module::{Module, RunningState};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

/// A temperature that falls as training goes on: `max(least, first e^(-rate t))` after `t` batches.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::Temperature;
///
/// // From 1 to 1/2 in 23,105 steps.
/// let falling = Temperature::annealed(1.0, 0.5, 3e-5, &Device::default())?;
/// assert_eq!(falling.value().into_scalar::<f32>(), 1.0);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Temperature {
    /// Batches that were seen in training, `[1]`.
    taken: RunningState<Tensor<1>>,
    first: f64,
    least: f64,
    rate: f64,
}

impl Temperature {
    /// A temperature that stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is not a positive number.
    pub fn constant(value: f64, device: &Device) -> Result<Self> {
        Self::annealed(value, value, 0.0, device)
    }

    /// A temperature that falls from `first` to `least`, by the share `rate` of itself a step.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a temperature is not a positive number, the first is below the least, or the rate is negative.
    pub fn annealed(first: f64, least: f64, rate: f64, device: &Device) -> Result<Self> {
        check_positive("Temperature: the least", least)?;
        check_positive("Temperature: the first", first)?;
        check_not_negative("Temperature: the rate", rate)?;
        if first < least {
            return Err(Error::Config(format!(
                "Temperature: it falls, and cannot do so from {first} to {least}; exchange them"
            )));
        }
        let device = device.clone().without_autodiff();
        Ok(Self {
            taken: RunningState::new(Tensor::zeros([1], (&device, DType::F32))),
            first,
            least,
            rate,
        })
    }

    /// The temperature at the batch that is about to be seen, `[1]`, in `f32`.
    pub fn value(&self) -> Tensor<1> {
        let taken = self.taken.value_sync().without_autodiff();
        let falling = (taken * -self.rate).exp() * self.first;
        falling.clamp_min(self.least)
    }

    /// Counts a batch.
    fn count(&self) {
        let taken = self.taken.value_sync().without_autodiff();
        self.taken.update(taken + 1.0);
        // A record is written of what was synced.
        self.taken.value_sync();
    }
}

/// A linear layer for the logits of categorical variables, whose draws are relaxed in training: a [`GumbelSoftmax`].
///
/// The temperature falls with each batch that the head sees in training, and is saved with the weights.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{GumbelHead, Temperature};
/// use burn_generative::prelude::*;
/// use burn_generative::prior::UniformCategorical;
///
/// let device = Device::default().autodiff();
/// let temperature = Temperature::annealed(1.0, 0.5, 3e-5, &device)?;
/// let vae = Vae::new(
///     MlpEncoderConfig::new(vec![1, 8, 8], 3 * 10)
///         .init_with_head(&device, |features| GumbelHead::new(features, [3, 10], temperature, &device))?,
///     MlpDecoderConfig::new(3 * 10, vec![1, 8, 8]).init(&device)?,
///     UniformCategorical::new(3, 10)?,
///     BernoulliNll,
/// );
/// let losses = vae.losses(Tensor::<4>::zeros([5, 1, 8, 8], &device));
/// assert_eq!(losses.term("kl").unwrap().dims(), [5]); // in closed form
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct GumbelHead {
    logits: Linear,
    temperature: Temperature,
    variables: usize,
    is_straight_through: bool,
}

impl GumbelHead {
    /// A head from `features` to so many variables of so many classes each.
    ///
    /// # Panics
    ///
    /// Without a variable or a class.
    pub fn new(
        features: usize,
        [variables, classes]: [usize; 2],
        temperature: Temperature,
        device: &Device,
    ) -> Self {
        assert!(
            variables > 0 && classes > 0,
            "GumbelHead: {variables} variables of {classes} classes hold nothing"
        );
        Self {
            logits: LinearConfig::new(features, variables * classes).init(device),
            temperature,
            variables,
            is_straight_through: false,
        }
    }

    /// The same, whose draws in training are one-hot, with the gradient of relaxed ones.
    pub fn straight_through(self) -> Self {
        Self {
            is_straight_through: true,
            ..self
        }
    }

    /// The temperature that training has come to.
    pub fn temperature(&self) -> &Temperature {
        &self.temperature
    }
}

impl Head for GumbelHead {
    type Code = GumbelSoftmax;

    fn forward(&self, features: Tensor<2>) -> GumbelSoftmax {
        let trains = features.is_autodiff() && self.logits.weight.val().is_require_grad();
        let logits = linear(&self.logits, features);
        let [batch, coordinates] = logits.dims();
        let classes = coordinates / self.variables;
        // On several devices the count may be where another copy of the module is.
        let temperature = Batch::to_device(&self.temperature.value(), &logits.device());
        if trains {
            self.temperature.count();
        }
        let logits = logits.reshape([batch, self.variables, classes]);
        let code = GumbelSoftmax::new(logits, temperature);
        if self.is_straight_through {
            code.straight_through()
        } else {
            code
        }
    }
}
