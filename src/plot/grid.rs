use crate::error::{Error, Result};
use burn::tensor::Tensor;
use image::{Rgb, RgbImage, imageops};

/// Pixels between two images of a grid.
const GAP: u32 = 2;
/// The colour between the images, so that dark images have an edge.
const PAPER: Rgb<u8> = Rgb([110, 110, 110]);

/// Images side by side, `columns` in a row, each pixel drawn `zoom` by `zoom`.
///
/// `images` is `[count, channels, height, width]`, or `[count, height, width]` for grey ones, with values in `[0, 1]`
/// (others are clipped, NaN is drawn red); one channel is grey, three are red, green and blue.
///
/// # Errors
///
/// [`Error::Plot`] if there is nothing to draw, or what a model made are no images (rows of a table, another number of
/// channels); [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::{data::digits, plot};
///
/// let images = digits::generate(12, 1).images(&Device::default());
/// let picture = plot::grid(images, 4, 2)?;
/// assert_eq!(picture.dimensions(), (4 * 56 + 5 * 2, 3 * 56 + 4 * 2));
///
/// let table = Tensor::<2>::zeros([12, 13], &Device::default());
/// assert!(plot::grid(table, 4, 2).unwrap_err().to_string().contains("[12, 13] are no images"));
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn grid<const D: usize>(images: Tensor<D>, columns: usize, zoom: usize) -> Result<RgbImage> {
    let [count, channels, height, width] = image_dims(&images)?;
    if [count, height, width, columns, zoom].contains(&0) {
        return Err(Error::Plot(format!(
            "cannot draw images of shape {:?} in {columns} columns at zoom {zoom}: at least one of everything is \
             needed",
            images.dims()
        )));
    }
    let data = images.try_into_data_as::<f32>()?;
    let values: Vec<f32> = data.iter::<f32>().collect();

    let columns = columns.min(count);
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

/// Images above what was made of them: a row of `columns` from each of `images` in turn, then the next row of each.
/// With two, originals above reconstructions; with three, say, clean above noisy above repaired ones. Whole rows only: a
/// row cut short would mix with the next.
///
/// # Errors
///
/// As [`grid`]; and [`Error::Plot`] if they differ in shape.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::{data::digits, plot};
///
/// let images = digits::generate(6, 1).images(&Device::default());
/// let picture = plot::rows([images.clone(), images], 3, 1)?; // a, a', b, b'
/// assert_eq!(picture.dimensions(), (3 * 30 + 2, 4 * 30 + 2));
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn rows<const D: usize, const K: usize>(
    images: [Tensor<D>; K],
    columns: usize,
    zoom: usize,
) -> Result<RgbImage> {
    let Some(first) = images.first() else {
        return Err(Error::Plot("there are no images to draw".to_string()));
    };
    if let Some(other) = images.iter().find(|other| other.dims() != first.dims()) {
        return Err(Error::Plot(format!(
            "images of shape {:?} cannot stand beside images of {:?}",
            other.dims(),
            first.dims()
        )));
    }
    let count = first.dims()[0];
    if count * columns == 0 {
        return grid(first.clone(), columns, zoom); // which says what is missing
    }
    let columns = columns.min(count);
    let whole = (0..count / columns).flat_map(|row| {
        images
            .each_ref()
            .map(|images| images.clone().narrow(0, row * columns, columns))
    });
    grid(Tensor::cat(whole.collect(), 0), columns, zoom)
}

fn image_dims<const D: usize>(images: &Tensor<D>) -> Result<[usize; 4]> {
    match images.dims()[..] {
        [count, height, width] => Ok([count, 1, height, width]),
        [count, channels @ (1 | 3), height, width] => Ok([count, channels, height, width]),
        _ => Err(Error::Plot(format!(
            "values of shape {:?} are no images: [count, channels, height, width] with one or three channels, or \
             [count, height, width], can be drawn",
            images.dims()
        ))),
    }
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
