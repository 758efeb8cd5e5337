use super::Sound;
use crate::error::{Error, Result, check_positive};
use burn::tensor::{Device, Tensor, TensorData};
use realfft::RealFftPlanner;
use std::f64::consts::TAU;

/// How loud each frequency is in each moment: short-time Fourier transform under Hann windows.
///
/// A bin is in decibels of full scale: `20 log10(2 |sum_t w_t x_t e^(-2 pi i k t / window)| / sum_t w_t)`, so that a sine of
/// amplitude 1 at the frequency of a bin has 0 there. Silence has -200.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::sound::{Sound, Spectrogram};
///
/// let tone = (0..8_000).map(|i| (i as f32 * 1_000.0 / 8_000.0 * std::f32::consts::TAU).sin()).collect();
/// let spectrogram = Spectrogram::new(&Sound::new(tone, 8_000)?, 256, 64)?;
/// assert_eq!((spectrogram.frames(), spectrogram.bins()), (122, 129));
/// assert_eq!(spectrogram.frequency(32), 1_000.0);
/// assert!(spectrogram.frame(60)[32].abs() < 1e-3); // decibels
/// let image = spectrogram.image(80.0, &Device::default())?; // for plot::grid
/// assert_eq!(image.dims(), [1, 129, 122]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spectrogram {
    /// Frame after frame.
    decibels: Vec<f32>,
    bins: usize,
    /// From the frequency of a bin to the next, in hertz.
    spacing: f64,
}

/// Decibels of silence.
const SILENCE: f64 = -200.0;

impl Spectrogram {
    /// The spectrogram of a sound, by windows of so many samples, each `hop` samples after the one before it. The last
    /// window is the last that the sound fills.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the window has fewer than two samples, or the hop none; [`Error::Samples`] if the sound is shorter
    /// than a window.
    pub fn new(sound: &Sound, window: usize, hop: usize) -> Result<Self> {
        if window < 2 || hop == 0 {
            return Err(Error::Config(format!(
                "Spectrogram: windows of {window} samples, {hop} apart; at least 2 and 1 are needed"
            )));
        }
        let samples = sound.samples();
        if samples.len() < window {
            return Err(Error::Samples(format!(
                "a sound of {} samples is shorter than a window of {window}; take a shorter one",
                samples.len()
            )));
        }
        let hann: Vec<f64> = (0..window)
            .map(|t| 0.5 - 0.5 * (TAU * t as f64 / window as f64).cos())
            .collect();
        let scale = 2.0 / hann.iter().sum::<f64>();
        let transform = RealFftPlanner::<f64>::new().plan_fft_forward(window);
        let mut spectrum = transform.make_output_vec();
        let mut decibels = Vec::new();
        for piece in samples.windows(window).step_by(hop) {
            let weigh = |(&sample, weight): (&f32, &f64)| f64::from(sample) * weight;
            let mut weighed: Vec<f64> = piece.iter().zip(&hann).map(weigh).collect();
            transform
                .process(&mut weighed, &mut spectrum)
                .map_err(|error| Error::Samples(format!("Spectrogram: {error}")))?;
            let loudness = spectrum
                .iter()
                .map(|bin| 20.0 * (scale * bin.norm()).log10());
            decibels.extend(loudness.map(|loudness| loudness.max(SILENCE) as f32));
        }
        Ok(Self {
            decibels,
            bins: spectrum.len(),
            spacing: f64::from(sound.rate()) / window as f64,
        })
    }

    /// The number of windows.
    pub fn frames(&self) -> usize {
        self.decibels.len() / self.bins
    }

    /// The number of frequencies, from 0 to half the rate.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The frequency of a bin, in hertz.
    pub fn frequency(&self, bin: usize) -> f64 {
        bin as f64 * self.spacing
    }

    /// The decibels of all frequencies in one window.
    ///
    /// # Panics
    ///
    /// If there is no such window.
    pub fn frame(&self, frame: usize) -> &[f32] {
        &self.decibels[frame * self.bins..][..self.bins]
    }

    /// A grey image, `[1, bins, frames]`, for `plot::grid`: time to the right, frequency upward. The loudest is 1, and what is
    /// `range` decibels softer is 0.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the range is no positive number.
    pub fn image(&self, range: f64, device: &Device) -> Result<Tensor<3>> {
        check_positive("the range of a spectrogram", range)?;
        let data = TensorData::new(self.decibels.clone(), [1, self.frames(), self.bins]);
        let decibels = Tensor::<3>::from_data(data, device);
        let loudest = decibels.clone().max().expand(decibels.dims());
        let image = (decibels - loudest) / range + 1.0;
        Ok(image.clamp(0.0, 1.0).swap_dims(1, 2).flip([1]))
    }
}
