use super::MuLaw;
use crate::error::{Error, Result, check_at_least_one, check_not_negative};
use burn::config::Config;
use burn::tensor::{Int, Tensor};
use std::f64::consts::PI;

/// Configuration of a [`LinearPredictor`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::sound::{LinearPredictorConfig, MuLaw};
///
/// let law = MuLaw::new(256)?;
/// let tone = Tensor::<1, Int>::arange(0..4_000, &Device::default()).float() * 0.3;
/// let levels = law.encode((tone.sin() * 0.5).reshape([4, 1_000]));
/// let predictor = LinearPredictorConfig::new(32).fit(law, levels.clone())?;
/// let bits = predictor.bits(levels)?; // a sample, of each row
/// assert!(bits.iter().all(|&bits| bits < 4.0));
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct LinearPredictorConfig {
    /// How many samples before it a sample is predicted from; 32 reach over the resonances of a voice at 8 kHz.
    pub order: usize,
    /// How many samples of the past the coefficients are fitted to; 0 for those of the data to fit alone.
    #[config(default = 240)]
    pub window: usize,
    /// The samples from a fit to the past to the next.
    #[config(default = 16)]
    pub hop: usize,
    /// What the autocorrelation of the data to fit weighs, beside 1 for that of the past.
    #[config(default = 0.001)]
    pub weight: f64,
    /// Over how many residuals their size is averaged, about.
    #[config(default = 8)]
    pub memory: usize,
}

impl LinearPredictorConfig {
    /// Fits to pieces of sound, `[pieces, length]`, as levels of the law.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if order, hop or memory is 0, the window is not longer than the order, or the weight is negative;
    /// [`Error::Support`] if there is no level, or one is none of the law's; [`Error::Device`] if the device cannot be read.
    pub fn fit(&self, law: MuLaw, levels: Tensor<2, Int>) -> Result<LinearPredictor> {
        const PART: &str = "LinearPredictor";
        check_at_least_one(PART, "order", self.order)?;
        check_at_least_one(PART, "hop", self.hop)?;
        check_at_least_one(PART, "memory", self.memory)?;
        check_not_negative("the weight of a LinearPredictor", self.weight)?;
        if self.window > 0 && self.window <= self.order {
            return Err(Error::Config(format!(
                "{PART}: order {} cannot be fitted to {} samples; take a longer window, or 0 for none",
                self.order, self.window
            )));
        }
        let count = law.levels().count();
        let samples = (0..count).map(|level| law.unbent(level as f64)).collect();
        let between = (1..count).map(|level| law.unbent(level as f64 - 0.5));
        let edges = std::iter::once(f64::NEG_INFINITY).chain(between);
        let mut predictor = LinearPredictor {
            config: self.clone(),
            samples,
            edges: edges.chain([f64::INFINITY]).collect(),
            taper: (0..self.window)
                .map(|age| {
                    let place = 1.0 - (age as f64 + 0.5) / self.window as f64;
                    (PI * place.powi(4)).sin()
                })
                .collect(),
            correlation: vec![0.0; self.order + 1],
            scale: 0.0,
        };
        let mut total = 0;
        for row in predictor.rows(levels)? {
            let sound: Vec<f64> = row.iter().map(|&level| predictor.samples[level]).collect();
            add_correlation(&mut predictor.correlation, &sound);
            total += row.len();
        }
        let (_, left) = levinson(&predictor.correlation);
        // The variance of a Laplace density is twice the square of its scale.
        predictor.scale = (left / total as f64 / 2.0).sqrt();
        let power = predictor.correlation[0].max(f64::MIN_POSITIVE);
        predictor
            .correlation
            .iter_mut()
            .for_each(|sum| *sum /= power);
        Ok(predictor)
    }
}

/// A code for sound that knows of lines only: what a model of levels is to be compared with.
///
/// Each sample is predicted from those before it, and has a Laplace density about the prediction, whose mass over the bin of
/// each level is the probability of the level:
///
/// ```text
/// p(level) = (1 - e) int_bin exp(-|x - sum_k a_k x_(t-k)| / b) / 2b dx + e / levels,    e = 1/1000
/// ```
///
/// The outer bins reach to infinity, so that the probabilities sum to 1. The coefficients `a` are those of the autocorrelation
/// method (Levinson and Durbin), for the samples just heard and, with a little weight, those of the data that it was fitted to;
/// the scale `b` is the mean size of the last residuals. So both follow the voice, without a bit spent to say so, as whoever
/// decodes has heard the past as well. One set of coefficients for all sound (a window of 0) is the
/// weaker rival: of speech by espeak-ng at 8 kHz in 256 levels it needs 5.98 bits a sample, and this 4.74. The last term caps the
/// price of a surprise.
///
/// [Makhoul 1975](https://doi.org/10.1109/PROC.1975.9792); adaptation to the decoded past as in
/// [Chen et al. 1992](https://doi.org/10.1109/49.138988). Built by [`LinearPredictorConfig`].
#[derive(Clone, Debug)]
pub struct LinearPredictor {
    config: LinearPredictorConfig,
    /// What each level is decoded to.
    samples: Vec<f64>,
    /// Between which of them the bin of each level lies.
    edges: Vec<f64>,
    /// What each sample of the past weighs, from the last one back: most some samples ago, and little at either end.
    taper: Vec<f64>,
    /// The autocorrelation of what it was fitted to, from lag 0 on, where it is 1.
    correlation: Vec<f64>,
    /// The scale of the residuals before any is known.
    scale: f64,
}

/// What is given to all levels alike.
const SURPRISE: f64 = 1e-3;
/// The least scale, far below any bin: of silence.
const LEAST_SCALE: f64 = 1e-7;

impl LinearPredictor {
    /// The mean bits a sample of each piece, `[pieces, length]`, all of whose samples are predicted, the first from nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if there is no level, or one is none of the law's; [`Error::Device`] if the device cannot be read.
    pub fn bits(&self, levels: Tensor<2, Int>) -> Result<Vec<f64>> {
        let bits = |row: Vec<usize>| {
            let mut listener = Listener::new(self);
            let spent = row.iter().map(|&level| {
                let density = listener.density();
                listener.hear(self.samples[level], density);
                -self.probability(level, density).log2()
            });
            spent.sum::<f64>() / row.len() as f64
        };
        Ok(self.rows(levels)?.into_iter().map(bits).collect())
    }

    /// The probability of each level after these.
    ///
    /// # Panics
    ///
    /// If one of them is none of the law's.
    pub fn probabilities(&self, past: &[usize]) -> Vec<f64> {
        let mut listener = Listener::new(self);
        for &level in past {
            let density = listener.density();
            listener.hear(self.samples[level], density);
        }
        let density = listener.density();
        let levels = 0..self.samples.len();
        levels
            .map(|level| self.probability(level, density))
            .collect()
    }

    fn probability(&self, level: usize, density: Laplace) -> f64 {
        let mass = density.mass(self.edges[level], self.edges[level + 1]);
        (1.0 - SURPRISE) * mass + SURPRISE / self.samples.len() as f64
    }

    /// The levels of each piece.
    fn rows(&self, levels: Tensor<2, Int>) -> Result<Vec<Vec<usize>>> {
        let [_, length] = levels.dims();
        let count = self.samples.len();
        let refuse = |reason: String| Error::Support {
            what: "levels of sound".to_string(),
            reason,
        };
        let data = levels.try_into_data_as::<i64>()?;
        let level = |level: i64| match usize::try_from(level) {
            Ok(level) if level < count => Ok(level),
            _ => Err(refuse(format!(
                "level {level}, where the law has {count}, 0 to {}; encode them by the same law",
                count - 1
            ))),
        };
        let levels = data.iter::<i64>().map(level).collect::<Result<Vec<_>>>()?;
        if levels.is_empty() {
            return Err(refuse("there is none".to_string()));
        }
        Ok(levels.chunks_exact(length).map(<[usize]>::to_vec).collect())
    }
}

/// A Laplace density.
#[derive(Clone, Copy)]
struct Laplace {
    mean: f64,
    scale: f64,
}

impl Laplace {
    /// Its mass from `low` to `high`; of both tails alike, so that neither cancels.
    fn mass(self, low: f64, high: f64) -> f64 {
        let [low, high] = [low, high].map(|edge| (edge - self.mean) / self.scale);
        if low >= 0.0 {
            ((-low).exp() - (-high).exp()) / 2.0
        } else if high <= 0.0 {
            (high.exp() - low.exp()) / 2.0
        } else {
            1.0 - (low.exp() + (-high).exp()) / 2.0
        }
    }
}

/// A predictor in the course of a piece.
struct Listener<'a> {
    predictor: &'a LinearPredictor,
    heard: Vec<f64>,
    coefficients: Vec<f64>,
    scale: f64,
}

impl<'a> Listener<'a> {
    fn new(predictor: &'a LinearPredictor) -> Self {
        Self {
            predictor,
            heard: Vec::new(),
            coefficients: levinson(&predictor.correlation).0,
            scale: predictor.scale,
        }
    }

    /// The density of the next sample.
    fn density(&self) -> Laplace {
        let past = self.heard.iter().rev();
        let products = self.coefficients.iter().zip(past).map(|(a, x)| a * x);
        Laplace {
            mean: products.sum(),
            scale: self.scale.max(LEAST_SCALE),
        }
    }

    /// Takes a sample in, of which this was the density.
    fn hear(&mut self, sample: f64, density: Laplace) {
        let LinearPredictorConfig {
            order,
            window,
            hop,
            weight,
            memory,
        } = self.predictor.config;
        self.scale += ((sample - density.mean).abs() - self.scale) / memory as f64;
        self.heard.push(sample);
        if window == 0 || !self.heard.len().is_multiple_of(hop) {
            return;
        }
        let recent = self.heard.iter().rev().zip(&self.predictor.taper);
        let tapered: Vec<f64> = recent.map(|(sample, weight)| sample * weight).collect();
        // Backward in time it is the same.
        let mut correlation = vec![0.0; order + 1];
        add_correlation(&mut correlation, &tapered);
        let share = weight * correlation[0];
        for (own, known) in correlation.iter_mut().zip(&self.predictor.correlation) {
            *own += share * known;
        }
        self.coefficients = levinson(&correlation).0;
    }
}

/// Adds the autocorrelation of samples, `sum_t x_t x_(t - lag)`, at each lag from 0 on.
fn add_correlation(correlation: &mut [f64], samples: &[f64]) {
    for (lag, sum) in correlation.iter_mut().enumerate() {
        let behind = samples.get(lag..).unwrap_or_default();
        *sum += samples.iter().zip(behind).map(|(a, b)| a * b).sum::<f64>();
    }
}

/// The coefficients that predict a sample from those before it with the least squared error, and that error, by the
/// recursion of Levinson and Durbin: from those of each order, those of the next.
fn levinson(correlation: &[f64]) -> (Vec<f64>, f64) {
    let mut coefficients: Vec<f64> = Vec::new();
    let mut left = correlation[0];
    for lag in 1..correlation.len() {
        // What is left of a pure tone is rounding error: there is nothing more to predict it by.
        if left <= 1e-9 * correlation[0] {
            break;
        }
        let known = coefficients.iter().zip(correlation[1..lag].iter().rev());
        let known: f64 = known.map(|(a, r)| a * r).sum();
        let reflection = (correlation[lag] - known) / left;
        let mirrored: Vec<f64> = coefficients.iter().rev().copied().collect();
        for (a, mirrored) in coefficients.iter_mut().zip(mirrored) {
            *a -= reflection * mirrored;
        }
        coefficients.push(reflection);
        left *= 1.0 - reflection * reflection;
    }
    (coefficients, left)
}
