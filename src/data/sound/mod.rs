//! Sound: WAV files of any rate and width, cut into pieces of companded levels; spectrograms; a linear predictor to compare
//! with.
//!
//! | to have | take |
//! |---|---|
//! | one file | [`Sound::open`], [`Sound::save`] |
//! | a folder of files, some held out | [`Sounds::open`], [`Sounds::split`], [`Sounds::pieces`] |
//! | levels, as a model of categories wants them | [`MuLaw`] |
//! | a picture | [`Spectrogram`], and `plot::grid` of its image |
//! | the bits that a linear model needs | [`LinearPredictorConfig`] |
//!
//! Sound is one channel of numbers from -1 to 1; several channels are averaged when a file is read.

mod linear_predictor;
mod mu_law;
mod sounds;
mod spectrogram;
mod wav;

pub use linear_predictor::{LinearPredictor, LinearPredictorConfig};
pub use mu_law::MuLaw;
pub use sounds::Sounds;
pub use spectrogram::Spectrogram;

use crate::error::{Error, Result};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction};
use std::ops::RangeInclusive;
use std::path::Path;

/// Samples a second that sound may have: from below a telephone's to four times a studio's.
const RATES: RangeInclusive<u32> = 1_000..=768_000;

/// One channel of sound.
///
/// ```
/// use burn_generative::data::sound::Sound;
///
/// let tone = (0..4_410).map(|i| (i as f32 * 0.1).sin()).collect();
/// let sound = Sound::new(tone, 44_100)?;
/// assert_eq!((sound.seconds(), sound.resampled(8_000)?.samples().len()), (0.1, 800));
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    samples: Vec<f32>,
    rate: u32,
}

impl Sound {
    /// Sound of samples, of which full scale is -1 to 1, at `rate` a second.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there is no sample, or one is NaN or infinite; [`Error::Config`] if the rate is not between 1,000
    /// and 768,000.
    pub fn new(samples: Vec<f32>, rate: u32) -> Result<Self> {
        check_rate(rate).map_err(|reason| Error::Config(format!("Sound: {reason}")))?;
        if samples.is_empty() {
            return Err(Error::Samples("sound of no sample".to_string()));
        }
        if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
            let sample = samples[at];
            return Err(Error::Samples(format!(
                "sample {at} of a sound is {sample}"
            )));
        }
        Ok(Self { samples, rate })
    }

    /// Reads a WAV file of 8, 16, 24 or 32 bits, or of floats, of any number of channels, which are averaged.
    ///
    /// Memory grows with what the file holds, never with what its header claims.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file if it is missing, no WAV file, of a format that is compressed, truncated, of no sample,
    /// of samples that are no numbers, or of a rate that is not between 1,000 and 768,000.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (samples, rate) = wav::read(path).map_err(|reason| Error::data(path, reason))?;
        Ok(Self { samples, rate })
    }

    /// Writes a WAV file of 16 bits; what lies beyond full scale is clipped. A file of 16 bits that was read is so written as
    /// it was.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] or [`Error::Io`] naming the file if it cannot be written; what was there before is then left.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        wav::write(&self.samples, self.rate, path.as_ref())
    }

    /// The same sound at another rate, shifted by less than a sample of the lower one. What a lower rate cannot carry is filtered
    /// out.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the rate is not between 1,000 and 768,000.
    pub fn resampled(&self, rate: u32) -> Result<Self> {
        check_rate(rate).map_err(|reason| Error::Config(format!("Sound: {reason}")))?;
        if rate == self.rate {
            return Ok(self.clone());
        }
        let ratio = f64::from(rate) / f64::from(self.rate);
        // A filter for a lower rate is as much longer, and so as much smoother, as the rate is lower.
        let stretch = ratio.recip().max(1.0);
        let length = (256.0 * stretch).ceil() as usize;
        let parameters = SincInterpolationParameters::new(length, WindowFunction::BlackmanHarris2)
            .oversampling_factor((128.0 / stretch).ceil() as usize);
        let failed = |error: &dyn std::error::Error| {
            let rates = format!("{} to {rate} samples a second", self.rate);
            Error::Samples(format!("sound cannot be resampled from {rates}: {error}"))
        };
        let chunk = FixedAsync::Input;
        let mut resampler = Async::<f32>::new_sinc(ratio, 1.0, &parameters, 1024, 1, chunk)
            .map_err(|error| failed(&error))?;
        let count = self.samples.len();
        let samples = InterleavedOwned::new_from(self.samples.clone(), 1, count)
            .map_err(|error| failed(&error))?;
        let resampled = resampler
            .process_all(&samples, count, None)
            .map_err(|error| failed(&error))?;
        Ok(Self {
            samples: resampled.take_data(),
            rate,
        })
    }

    /// The samples; full scale is -1 to 1.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How long it is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }
}

/// Refuses a rate that no sound has.
fn check_rate(rate: u32) -> Result<(), String> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    Err(format!(
        "a rate of {rate} samples a second; {} to {} can be read and made",
        RATES.start(),
        RATES.end()
    ))
}
