//! Pictures: grids of images, maps of a latent space, curves.
//!
//! A picture is an `image::RgbImage`, to be saved in any format that the crate `image` was built
//! with (PNG here), or to be looked at by a test. [`save`] names the file when it cannot.

mod chart;
mod grid;
mod pca;

pub use chart::{Series, curves, scatter, scatter_groups};
pub use grid::grid;
pub use pca::principal_components;

pub use image::RgbImage;

use crate::error::{Error, Result};
use std::path::Path;

/// Writes a picture, in the format that the file's extension names.
///
/// # Errors
///
/// [`Error::Plot`] naming the file if it cannot be written.
pub fn save(picture: &RgbImage, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    picture
        .save(path)
        .map_err(|error| Error::Plot(format!("{}: {error}", path.display())))
}
