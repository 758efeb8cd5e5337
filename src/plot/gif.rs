use super::RgbImage;
use crate::error::{Error, Result};
use crate::file;
use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame};
use std::path::Path;
use std::time::Duration;

/// Writes pictures of one size as an animation without end; the last one stays four times as long.
///
/// # Errors
///
/// [`Error::Plot`] if there is no picture or they differ in size; [`Error::Io`] or [`Error::Record`] naming the file
/// if it cannot be written.
///
/// ```
/// use burn_generative::plot::{self, RgbImage};
/// use std::time::Duration;
///
/// let frames: Vec<_> = (0..4).map(|k| RgbImage::from_pixel(8, 8, image::Rgb([60 * k, 0, 0]))).collect();
/// let path = std::env::temp_dir().join(format!("fade-{}.gif", std::process::id()));
/// plot::save_gif(&frames, Duration::from_millis(200), &path)?;
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn save_gif(frames: &[RgbImage], each: Duration, path: impl AsRef<Path>) -> Result<()> {
    let Some(first) = frames.first() else {
        return Err(Error::Plot("an animation needs a picture".to_string()));
    };
    if let Some(other) = frames
        .iter()
        .find(|frame| frame.dimensions() != first.dimensions())
    {
        return Err(Error::Plot(format!(
            "the pictures of an animation are of one size, not of {:?} and {:?}",
            first.dimensions(),
            other.dimensions()
        )));
    }
    let mut bytes = Vec::new();
    encode(frames, each, &mut bytes).map_err(|error| Error::Plot(error.to_string()))?;
    file::write(path.as_ref(), &[&bytes])
}

fn encode(frames: &[RgbImage], each: Duration, bytes: &mut Vec<u8>) -> image::ImageResult<()> {
    let mut encoder = GifEncoder::new_with_speed(bytes, 10);
    encoder.set_repeat(Repeat::Infinite)?;
    for (index, frame) in frames.iter().enumerate() {
        let delay = match index + 1 == frames.len() {
            true => 4 * each,
            false => each,
        };
        let pixels = DynamicImage::from(frame.clone()).into_rgba8();
        let delay = Delay::from_saturating_duration(delay);
        encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay))?;
    }
    Ok(())
}
