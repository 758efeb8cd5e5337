use crate::error::{Error, Result};
use burn::tensor::Tensor;
use image::{Rgb, RgbImage, imageops};

/// Pixels between two images of a grid.
const GAP: u32 = 2;
/// The colour between the images, so that dark images have an edge.
const PAPER: Rgb<u8> = Rgb([110, 110, 110]);

/// Images side by side, `columns` in a row, each pixel drawn `zoom` by `zoom`.
///
/// `images` is `[count, channels, height, width]` with values in `[0, 1]` (others are clipped, NaN is
/// drawn red); one channel is grey, three are red, green and blue.
///
/// # Errors
///
/// [`Error::Plot`] if there is nothing to draw, or another number of channels; [`Error::Device`] if
/// the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::{data::digits, plot};
///
/// let images = digits::generate(12, 1).images(&Device::default());
/// let picture = plot::grid(images, 4, 2)?;
/// assert_eq!(picture.dimensions(), (4 * 56 + 5 * 2, 3 * 56 + 4 * 2));
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn grid(images: Tensor<4>, columns: usize, zoom: usize) -> Result<RgbImage> {
    let [count, channels, height, width] = images.dims();
    if count * height * width * columns * zoom == 0 || ![1, 3].contains(&channels) {
        return Err(Error::Plot(format!(
            "cannot draw images of shape {:?} in {columns} columns at zoom {zoom}: one or three \
             channels, and at least one of everything else, are needed",
            images.dims()
        )));
    }
    let data = images.try_into_data_as::<f32>()?;
    let values: Vec<f32> = data.iter::<f32>().collect();

    let cell = [width * zoom, height * zoom].map(|side| side as u32 + GAP);
    let rows = count.div_ceil(columns) as u32;
    let columns = columns as u32;
    let mut picture = RgbImage::from_pixel(columns * cell[0] + GAP, rows * cell[1] + GAP, PAPER);
    for (index, image) in values.chunks(channels * height * width).enumerate() {
        let tile = tile(image, channels, [height, width], zoom);
        let (column, row) = (index as u32 % columns, index as u32 / columns);
        let (x, y) = (GAP + column * cell[0], GAP + row * cell[1]);
        imageops::replace(&mut picture, &tile, x.into(), y.into());
    }
    Ok(picture)
}

fn tile(image: &[f32], channels: usize, [height, width]: [usize; 2], zoom: usize) -> RgbImage {
    let plane = height * width;
    RgbImage::from_fn((width * zoom) as u32, (height * zoom) as u32, |x, y| {
        let pixel = (y as usize / zoom) * width + x as usize / zoom;
        let value = |channel: usize| image[(channel % channels) * plane + pixel];
        let colour = [0, 1, 2].map(value);
        match colour.iter().any(|value| value.is_nan()) {
            true => Rgb([255, 0, 0]),
            false => Rgb(colour.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)),
        }
    })
}
