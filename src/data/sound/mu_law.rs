use crate::distribution::Levels;
use crate::error::Result;
use burn::tensor::{DType, Int, Tensor};

/// Companding by the mu-law: levels that are as much closer to each other as the sound is softer.
///
/// With `n` levels and `mu = n - 1`, a sample `x` of [-1, 1] is bent to `f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu)`, and
/// its level is the nearest of `n` evenly spaced ones. What a level is decoded to has that level again.
///
/// ITU-T G.711; its continuous form as in [van den Oord et al. 2016](https://arxiv.org/abs/1609.03499).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::sound::MuLaw;
///
/// let law = MuLaw::new(256)?;
/// let samples = Tensor::<1>::from_floats([-1.0, 0.0, 0.001, 0.5], &Device::default());
/// let levels = law.encode(samples);
/// assert_eq!(levels.to_data().convert::<i64>(), TensorData::from([0i64, 128, 133, 239]));
/// assert!((law.decode(levels).into_data().iter::<f64>().last().unwrap() - 0.5).abs() < 0.01);
/// // As the numbers that a model of these levels takes:
/// assert_eq!(law.levels().count(), 256);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuLaw {
    levels: Levels,
}

impl MuLaw {
    /// A law of so many levels; 256 are usual.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are fewer than two, or more than 2^16.
    pub fn new(levels: usize) -> Result<Self> {
        Ok(Self {
            levels: Levels::counting(levels)?,
        })
    }

    /// The levels, from 0 on, as a model of them wants to know them.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    fn mu(&self) -> f64 {
        (self.levels.count() - 1) as f64
    }

    /// The level of each sample; one beyond full scale has the last.
    pub fn encode<const D: usize>(&self, samples: Tensor<D>) -> Tensor<D, Int> {
        let mu = self.mu();
        // 16 bits would not tell neighbouring levels apart.
        let samples = samples.detach().cast(DType::F32);
        let bent = (samples.clone().abs() * mu).log1p() / mu.ln_1p() * samples.sign();
        self.levels.index((bent + 1.0) * (mu / 2.0))
    }

    /// The sample in the middle of each level, in 32 bits.
    pub fn decode<const D: usize>(&self, levels: Tensor<D, Int>) -> Tensor<D> {
        let mu = self.mu();
        let bent = levels.float().cast(DType::F32) * (2.0 / mu) - 1.0;
        let size = ((bent.clone().abs() * mu.ln_1p()).exp() - 1.0) / mu;
        size * bent.sign()
    }

    /// The sample that is bent to this place among the levels, of which the edge of two lies between them.
    pub(super) fn unbent(&self, place: f64) -> f64 {
        let mu = self.mu();
        let bent = 2.0 * place / mu - 1.0;
        (bent.abs() * mu.ln_1p()).exp_m1() / mu * bent.signum()
    }
}
