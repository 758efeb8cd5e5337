//! Generated sprites whose factors of variation are known: one of three shapes, of some size, turned, somewhere in the image.
//! A stand-in for dSprites ([Matthey et al. 2017](https://github.com/google-deepmind/dsprites-dataset)) of any size, with
//! the same factors and as many values of each, that needs no file.

use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use std::f64::consts::TAU;

/// The factors: shape (square, ellipse, heart), size, angle, place from left to right and from top to bottom.
pub const NAMES: [&str; 5] = ["shape", "size", "angle", "x", "y"];

/// How many values each factor has: 737,280 sprites.
pub const COUNTS: [usize; 5] = [3, 6, 40, 32, 32];

/// The index of the one factor whose values have no order.
pub const SHAPE: usize = 0;

/// Subpixels along each side of a pixel.
const FINE: usize = 4;

/// The radius of the largest sprite, as a share of the image's side: at every place it lies within.
const RADIUS: f64 = 0.25;

/// Factors of `count` sprites, each drawn evenly. Those of sprite `i` depend on `seed` and `i` alone.
///
/// ```
/// use burn_generative::data::sprites;
///
/// let factors = sprites::draw(100, 42);
/// assert!(factors.iter().flatten().zip(sprites::COUNTS.iter().cycle()).all(|(value, count)| value < count));
/// ```
pub fn draw(count: usize, seed: u64) -> Vec<[usize; 5]> {
    (0..count as u64)
        .map(|index| {
            let mut generator = super::generator(seed, index);
            COUNTS.map(|count| generator.random_range(0..count))
        })
        .collect()
}

/// The sprites of these factors, `[count, 1, side, side]`: white, 1, on black, 0, and at an edge the share of a pixel that is
/// covered.
///
/// # Errors
///
/// [`Error::Config`] if the side is below 8 pixels, or a factor has not this value.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::sprites;
///
/// let images = sprites::images(&sprites::draw(10, 42), 32, &Device::default())?;
/// assert_eq!(images.dims(), [10, 1, 32, 32]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn images(factors: &[[usize; 5]], side: usize, device: &Device) -> Result<Tensor<4>> {
    if side < 8 {
        return Err(Error::Config(format!(
            "sprites: a side of {side} pixels has no room for a shape; take 8 at least"
        )));
    }
    let mut pixels = vec![0f32; factors.len() * side * side];
    for (index, (factors, image)) in factors
        .iter()
        .zip(pixels.chunks_mut(side * side))
        .enumerate()
    {
        for ((&value, count), name) in factors.iter().zip(COUNTS).zip(NAMES) {
            if value >= count {
                return Err(Error::Config(format!(
                    "sprites: sprite {index} has the {name} {value}, but there are {count}, from 0 on"
                )));
            }
        }
        paint(*factors, side, image);
    }
    let shape = [factors.len(), 1, side, side];
    Ok(Tensor::from_data(TensorData::new(pixels, shape), device))
}

fn paint([shape, size, angle, x, y]: [usize; 5], side: usize, image: &mut [f32]) {
    let share = |value: usize, count: usize| value as f64 / (count - 1) as f64;
    let full = RADIUS * side as f64;
    let radius = full * (0.5 + 0.5 * share(size, COUNTS[1]));
    let centre = [(x, COUNTS[3]), (y, COUNTS[4])]
        .map(|(value, count)| full + share(value, count) * (side as f64 - 2.0 * full));
    // The last angle is not the first again.
    let (sin, cos) = (TAU * angle as f64 / COUNTS[2] as f64).sin_cos();
    let covered = |column: usize, row: usize| {
        let [dx, dy] = [(column, centre[0]), (row, centre[1])]
            .map(|(fine, centre)| ((fine as f64 + 0.5) / FINE as f64 - centre) / radius);
        is_inside(shape, cos * dx + sin * dy, cos * dy - sin * dx)
    };
    // Pixels that the sprite can reach.
    let [columns, rows] = centre.map(|centre| {
        let first = (centre - radius).max(0.0) as usize;
        first..((centre + radius).ceil() as usize).min(side)
    });
    for row in rows {
        for column in columns.clone() {
            let fine = (0..FINE * FINE)
                .filter(|fine| covered(column * FINE + fine % FINE, row * FINE + fine / FINE));
            image[row * side + column] = fine.count() as f32 / (FINE * FINE) as f32;
        }
    }
}

/// Whether a point, in units of the radius and with y down, is of a shape.
fn is_inside(shape: usize, x: f64, y: f64) -> bool {
    match shape {
        0 => x.abs().max(y.abs()) <= 0.7,
        1 => x * x + 4.0 * y * y <= 1.0,
        _ => {
            // `(x² + y² - 1)³ <= x² y³`, which reaches from -1.14 to 1.14 and from -1 to 1.24.
            let (x, y) = (1.4 * x, 0.1 - 1.4 * y);
            (x * x + y * y - 1.0).powi(3) <= x * x * y.powi(3)
        }
    }
}
