use crate::error::{Error, Result};
use crate::kernel::points::read;
use burn::tensor::Tensor;
use std::fmt;

/// A mean over samples, and how far it may be off.
///
/// ```
/// use burn_generative::metric::Estimate;
///
/// let loss = Estimate::of(&[104.0, 106.0, 105.0, 105.0])?;
/// assert_eq!(loss.mean, 105.0);
/// assert_eq!(loss.to_string(), "105.00 ± 0.41");
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error: the standard deviation of the mean, had other samples been drawn. Infinite for one sample.
    pub standard_error: f64,
    /// The number of samples.
    pub samples: usize,
}

impl Estimate {
    /// The mean of independent values.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there is no value, or one is NaN or infinite.
    pub fn of(values: &[f64]) -> Result<Self> {
        let samples = values.len();
        if samples == 0 {
            return Err(Error::Samples("there is no value to average".to_string()));
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            let reason = format!("one of {samples} values to average is {value}");
            return Err(Error::Samples(reason));
        }
        let n = samples as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = match samples {
            1 => f64::INFINITY,
            _ => (squares / (n - 1.0) / n).sqrt(),
        };
        Ok(Self {
            mean,
            standard_error,
            samples,
        })
    }

    /// The mean of a loss or a density over a batch, `[batch]`.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of); [`Error::Device`] if the device cannot be read.
    pub fn of_batch(values: Tensor<1>) -> Result<Self> {
        Self::of(&read(values)?)
    }
}

impl fmt::Display for Estimate {
    /// Two decimals, or as many as the standard error needs for two digits, up to 12; a given precision wins.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (mean, error) = (self.mean, self.standard_error);
        let needed = match error.is_finite() && error > 0.0 {
            true => (1.0 - error.log10().floor()).clamp(2.0, 12.0) as usize,
            false => 2,
        };
        let decimals = f.precision().unwrap_or(needed);
        write!(f, "{mean:.decimals$} ± {error:.decimals$}")
    }
}
