use super::{Autoregressive, host};
use crate::error::{Result, check_at_least_one, check_not_negative};
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// What may be asked of a sample: how bold it is, what of it is known, and what it is given.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::{MadeConfig, Sampling, Stepwise};
///
/// let device = Device::default();
/// let model = MadeConfig::new(vec![6]).init::<2>(&device)?;
/// let likely = Sampling::default().with_temperature(0.7)?;
/// assert_eq!(model.sample_as(3, &likely, &device).dims(), [3, 6]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampling<const D: usize> {
    temperature: f64,
    top_k: usize,
    context: Option<Tensor<2>>,
    known: Option<(Tensor<D>, Tensor<D, Bool>)>,
}

/// As the model has it: temperature 1, every level, no context, nothing known.
impl<const D: usize> Default for Sampling<D> {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: usize::MAX,
            context: None,
            known: None,
        }
    }
}

impl<const D: usize> Sampling<D> {
    /// The probabilities of a variable's levels to the power of `1 / temperature`: below 1 the likely ones are more so, and at 0
    /// the likeliest is taken.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the temperature is negative or no number.
    pub fn with_temperature(self, temperature: f64) -> Result<Self> {
        let temperature = check_not_negative("Sampling: the temperature", temperature)?;
        Ok(Self {
            temperature,
            ..self
        })
    }

    /// At temperature 0.
    pub(super) fn likeliest() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// Of a variable's levels the `k` likeliest alone; all of those that are as likely as the last of them.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if `k` is 0.
    pub fn with_top_k(self, k: usize) -> Result<Self> {
        check_at_least_one("Sampling", "top_k", k)?;
        Ok(Self { top_k: k, ..self })
    }

    /// Given a context, `[samples, context]`.
    pub fn with_context(self, context: Tensor<2>) -> Self {
        Self {
            context: Some(context),
            ..self
        }
    }

    /// With the values of `partial` where `known` is true; see [`Stepwise::sample_given`](super::Stepwise::sample_given).
    pub fn with_known(self, partial: Tensor<D>, known: Tensor<D, Bool>) -> Self {
        Self {
            known: Some((partial, known)),
            ..self
        }
    }

    pub(super) fn context(&self) -> Option<&Tensor<2>> {
        self.context.as_ref()
    }

    /// Draws a level by a number in [0, 1), given the logarithms of the levels' probabilities, which need not sum to 1.
    fn draw(&self, log_p: &mut [f64], uniform: f64) -> usize {
        let likeliest = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.temperature == 0.0 {
            return log_p.iter().position(|&p| p == likeliest).unwrap_or(0);
        }
        if self.top_k < log_p.len() {
            let mut sorted = log_p.to_vec();
            let (_, &mut least, _) =
                sorted.select_nth_unstable_by(self.top_k - 1, |a, b| b.total_cmp(a));
            for p in log_p.iter_mut().filter(|p| **p < least) {
                *p = f64::NEG_INFINITY;
            }
        }
        for p in log_p.iter_mut() {
            *p = ((*p - likeliest) / self.temperature).exp();
        }
        let mut rest = uniform * log_p.iter().sum::<f64>();
        let drawn = log_p.iter().position(|&p| {
            rest -= p;
            rest < 0.0
        });
        // Rounding may leave a little of the sum.
        let last = || log_p.iter().rposition(|&p| p > 0.0).unwrap_or(0);
        drawn.unwrap_or_else(last)
    }
}

/// The shape of some samples of so many variables. (A series may be of another length than the model's, which its last axis
/// shows.)
pub(super) fn shape<const D: usize>(
    model: &impl Autoregressive<D>,
    [samples, variables]: [usize; 2],
) -> [usize; D] {
    let event = model.shape();
    let mut shape = [samples; D];
    let mut rest = variables;
    for axis in 1..D - 1 {
        shape[axis] = event[axis - 1];
        rest /= event[axis - 1];
    }
    if D > 1 {
        shape[D - 1] = rest;
    }
    shape
}

pub(super) fn tensor(numbers: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Samples one variable after the other: `next` gives the numbers of the distributions of a variable, given its place in the
/// event, all values so far, `[samples, variables]`, and those of the variable before it.
pub(super) fn generate<const D: usize>(
    model: &impl Autoregressive<D>,
    noise: Tensor<2>,
    sampling: &Sampling<D>,
    mut next: impl FnMut(usize, &[f32], &[f32]) -> Vec<f32>,
) -> Tensor<D> {
    let output = model.output();
    let device = noise.device().inner();
    let [samples, variables] = noise.dims();
    let shape = shape(model, [samples, variables]);
    let order = model.order(variables);
    assert!(
        order.len() == variables,
        "sampling: noise for {variables} variables, but the model is over events of shape {:?}",
        model.shape()
    );
    let known = sampling.known.as_ref().map(|(partial, known)| {
        assert!(
            partial.dims() == shape && known.dims() == shape,
            "sampling: samples of shape {shape:?}, but what is known of them has shape {:?}, and its mask {:?}",
            partial.dims(),
            known.dims()
        );
        let mask: Vec<bool> = known.clone().into_data().iter::<bool>().collect();
        (host::numbers(partial.clone()), mask)
    });
    let noise = host::numbers(noise);
    let mut values = vec![0.0; samples * variables];
    let mut last = Vec::new();
    let mut log_p = Vec::new();
    for place in order {
        let parameters = next(place, &values, &last);
        let of_sample = parameters.chunks_exact(output.parameters());
        last.clear();
        last.extend(of_sample.enumerate().map(|(sample, parameters)| {
            let at = sample * variables + place;
            match &known {
                Some((partial, mask)) if mask[at] => partial[at],
                _ => {
                    output.log_probabilities(parameters, &mut log_p);
                    output.value(sampling.draw(&mut log_p, f64::from(noise[at])))
                }
            }
        }));
        for (sample, &value) in last.iter().enumerate() {
            values[sample * variables + place] = value;
        }
    }
    tensor(values, [samples, variables], &device).reshape(shape)
}
