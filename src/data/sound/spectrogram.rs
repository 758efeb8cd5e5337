use super::Sound;
use crate::error::{Error, Result, check_positive};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::f64::consts::{LN_10, TAU};

/// How loud each frequency is in each moment: short-time Fourier transform under Hann windows.
///
/// A bin is in decibels of full scale: `20 log10(2 |sum_t w_t x_t e^(-2 pi i k t / window)| / sum_t w_t)`, so that a sine of
/// amplitude 1 at the frequency of a bin has 0 there. Silence has -200.
///
/// All windows are transformed at once, as a matrix product with the cosines and sines: `window^2` numbers, of which the windows
/// of speech (some hundred samples) need no fast transform.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::sound::{Sound, Spectrogram};
///
/// let tone = (0..8_000).map(|t| (t as f32 * 1_000.0 / 8_000.0 * std::f32::consts::TAU).sin()).collect();
/// let spectrogram = Spectrogram::new(&Sound::new(tone, 8_000)?, 256, 64, &Device::default())?;
/// assert_eq!(spectrogram.decibels().dims(), [122, 129]); // windows, frequencies
/// assert_eq!(spectrogram.frequency(32), 1_000.0);
/// let at_the_tone = spectrogram.decibels().narrow(1, 32, 1);
/// assert!(at_the_tone.abs().max().into_scalar::<f32>() < 1e-3);
/// let image = spectrogram.image(80.0)?; // for plot::grid
/// assert_eq!(image.dims(), [1, 129, 122]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spectrogram {
    decibels: Tensor<2>,
    /// From the frequency of a bin to the next, in hertz.
    spacing: f64,
}

/// Power of silence, which is nobody's.
const SILENCE: f64 = 1e-20;

impl Spectrogram {
    /// The spectrogram of a sound, by windows of so many samples, each `hop` samples after the one before it. The last
    /// window is the last that the sound fills.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the window has fewer than two samples or more than 16,384, or the hop none; [`Error::Samples`] if the
    /// sound is shorter than a window.
    pub fn new(sound: &Sound, window: usize, hop: usize, device: &Device) -> Result<Self> {
        if !(2..=1 << 14).contains(&window) || hop == 0 {
            return Err(Error::Config(format!(
                "Spectrogram: windows of {window} samples, {hop} apart; 2 to 16384, and at least 1, are needed"
            )));
        }
        let samples = sound.samples();
        if samples.len() < window {
            return Err(Error::Samples(format!(
                "a sound of {} samples is shorter than a window of {window}; take a shorter one",
                samples.len()
            )));
        }
        let angle = |t: usize| TAU * t as f64 / window as f64;
        let hann: Vec<f64> = (0..window).map(|t| 0.5 - 0.5 * angle(t).cos()).collect();
        let scale = 2.0 / hann.iter().sum::<f64>();
        let bins = window / 2 + 1;
        let waves = |wave: fn(f64) -> f64| {
            let weighed = (0..window).flat_map(|t| {
                // Whole turns are left out before the angle is rounded.
                let value = move |bin: usize| wave(angle(t * bin % window));
                let weight = scale * hann[t];
                (0..bins).map(move |bin| (weight * value(bin)) as f32)
            });
            let data = TensorData::new(weighed.collect::<Vec<f32>>(), [window, bins]);
            Tensor::<2>::from_data(data, (device, DType::F32))
        };
        let pieces: Vec<&[f32]> = samples.windows(window).step_by(hop).collect();
        let data = TensorData::new(pieces.concat(), [pieces.len(), window]);
        let pieces = Tensor::<2>::from_data(data, (device, DType::F32));
        let [real, imaginary] = [f64::cos, f64::sin].map(|wave| pieces.clone().matmul(waves(wave)));
        let power = real.square() + imaginary.square();
        Ok(Self {
            decibels: power.clamp_min(SILENCE).log() * (10.0 / LN_10),
            spacing: f64::from(sound.rate()) / window as f64,
        })
    }

    /// The decibels, `[windows, frequencies]`, with frequencies from 0 to half the rate.
    pub fn decibels(&self) -> Tensor<2> {
        self.decibels.clone()
    }

    /// The frequency of a bin, in hertz.
    pub fn frequency(&self, bin: usize) -> f64 {
        bin as f64 * self.spacing
    }

    /// A grey image, `[1, frequencies, windows]`, for `plot::grid`: time to the right, frequency upward. The loudest is 1, and
    /// what is `range` decibels softer is 0.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the range is no positive number.
    pub fn image(&self, range: f64) -> Result<Tensor<3>> {
        check_positive("the range of a spectrogram", range)?;
        let decibels = self.decibels();
        let loudest = decibels.clone().max().expand(decibels.dims());
        let image = (decibels - loudest) / range + 1.0;
        Ok(image.clamp(0.0, 1.0).transpose().flip([0]).unsqueeze())
    }
}
