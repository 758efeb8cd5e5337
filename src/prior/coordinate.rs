//! What the priors that are fitted to codes ask of them first.

use crate::error::{Error, Result};
use crate::kernel::points::read;
use burn::tensor::Tensor;

/// One coordinate of codes.
pub(super) struct Coordinate {
    /// One of its numbers, in the middle of them.
    pub median: f64,
    /// How far it reaches: its standard deviation, unless that is of a few codes alone. 0 if it is the same in all.
    pub deviation: f64,
}

/// Shares of a normal distribution on either side that are left out, and the width of the rest in standard deviations.
const RESTS: [(f64, f64); 3] = [(0.25, 1.349), (0.05, 3.290), (0.01, 4.653)];

/// How often the standard deviation may exceed that of the bulk, before it says nothing of the bulk: more than a
/// distribution's shape makes it (1.4 for a Laplace's).
const SHARE_OF_FEW: f64 = 2.0;

impl Coordinate {
    /// Every coordinate of `codes`, `[codes, latent]`, of which there is at least one, and their numbers, code by code.
    pub fn of_each(what: &str, codes: &Tensor<2>) -> Result<(Vec<Self>, Vec<f64>)> {
        let latent = codes.dims()[1];
        let numbers = read(codes.clone())?;
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(Error::Samples(format!(
                "{what}: the codes hold NaN or infinite values: {} in coordinate {} of code {}",
                numbers[at],
                at % latent,
                at / latent
            )));
        }
        let of = |k| Self::of(numbers.iter().skip(k).step_by(latent).copied().collect());
        Ok(((0..latent).map(of).collect(), numbers))
    }

    fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let count = numbers.len();
        let (first, last) = (numbers[0], numbers[count - 1]);
        if first == last {
            return Self {
                median: first,
                deviation: 0.0,
            };
        }
        let mean = numbers.iter().sum::<f64>() / count as f64;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let deviation = (squares / (count - 1) as f64).sqrt();
        let at = |share: f64| numbers[(share * (count - 1) as f64).round() as usize];
        let bulk = RESTS
            .into_iter()
            .map(|(share, width)| (at(1.0 - share) - at(share)) / width)
            .find(|&bulk| bulk > 0.0);
        Self {
            median: at(0.5),
            deviation: match bulk {
                Some(bulk) if SHARE_OF_FEW * bulk < deviation => bulk,
                _ => deviation,
            },
        }
    }
}
