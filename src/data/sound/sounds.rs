use super::Sound;
use crate::data::{generator, reading};
use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;
use std::path::{Path, PathBuf};

/// The sound of a file, or of all files of a folder, at one rate.
///
/// ```no_run
/// use burn::prelude::*;
/// use burn_generative::data::sound::{MuLaw, Sounds};
///
/// let (train, test) = Sounds::open("speech", 8_000)?.split(0.1, 1)?;
/// let law = MuLaw::new(256)?;
/// let levels = law.encode(train.pieces(8_000, &Device::default())?); // a second each
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sounds {
    /// What its errors name.
    path: PathBuf,
    files: Vec<(PathBuf, Sound)>,
}

impl Sounds {
    /// Reads a WAV file, or all files in a folder that end in `.wav`, however deep, in the order of their paths, and
    /// resamples what has another rate. Hidden files are left alone.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the rate is not between 1,000 and 768,000. [`Error::Data`] naming the folder if it cannot be read or
    /// holds no such file, or naming a file as [`Sound::open`] does.
    pub fn open(path: impl AsRef<Path>, rate: u32) -> Result<Self> {
        let path = path.as_ref();
        let mut paths = vec![path.to_path_buf()];
        if path.is_dir() {
            paths.clear();
            reading::walk(path, &["wav"], &mut Vec::new(), &mut paths)?;
            paths.sort();
        }
        if paths.is_empty() {
            let reason = "holds no sound: no file in it, or in a folder in it, ends in .wav";
            return Err(Error::data(path, reason));
        }
        let read = |path: PathBuf| {
            let sound = Sound::open(&path)?.resampled(rate)?;
            Ok((path, sound))
        };
        Ok(Self {
            path: path.to_path_buf(),
            files: paths.into_iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Each file and its sound.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Sound)> {
        self.files.iter().map(|(path, sound)| (&**path, sound))
    }

    /// How long all of it is, in seconds.
    pub fn seconds(&self) -> f64 {
        self.iter().map(|(_, sound)| sound.seconds()).sum()
    }

    /// Files to train on, and the share of them to test on, drawn by the seed: whole files, so that no sentence is on both
    /// sides.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the share is not between 0 and 1, or leaves one of them without a file.
    pub fn split(&self, test_share: f64, seed: u64) -> Result<(Self, Self)> {
        let test_count = (test_share * self.len() as f64).round() as usize;
        if !(0.0..1.0).contains(&test_share) || !(1..self.len()).contains(&test_count) {
            return Err(Error::Config(format!(
                "Sounds: a share of {test_share} of {} files for testing; both parts need a file",
                self.len()
            )));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut generator(seed, 0));
        let (test, train) = order.split_at_mut(test_count);
        test.sort_unstable();
        train.sort_unstable();
        let subset = |files: &[usize]| Self {
            path: self.path.clone(),
            files: files.iter().map(|&file| self.files[file].clone()).collect(),
        };
        Ok((subset(train), subset(test)))
    }

    /// Pieces of so many samples, `[pieces, length]`, file after file. No piece is of two files; what is left at the end of a
    /// file, less than a piece, is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the length is 0; [`Error::Data`] naming the folder if no file is as long as a piece.
    pub fn pieces(&self, length: usize, device: &Device) -> Result<Tensor<2>> {
        crate::error::check_at_least_one("Sounds", "the length of a piece", length)?;
        let sounds = self.files.iter().map(|(_, sound)| sound.samples());
        let pieces: Vec<&[f32]> = sounds
            .clone()
            .flat_map(|samples| samples.chunks_exact(length))
            .collect();
        if pieces.is_empty() {
            let longest = sounds.map(<[f32]>::len).max().unwrap_or(0);
            let reason = format!(
                "holds no piece of {length} samples: its longest file has {longest}; ask for shorter pieces"
            );
            return Err(Error::data(&self.path, reason));
        }
        let data = TensorData::new(pieces.concat(), [pieces.len(), length]);
        Ok(Tensor::from_data(data, device))
    }
}
