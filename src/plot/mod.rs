//! Pictures: grids of images, maps of a latent space, curves, histograms, animations, and a page with all of them.
//!
//! | to show | take |
//! |---|---|
//! | images, samples, traversals | [`grid`] |
//! | reconstructions beside originals | [`rows`] |
//! | codes, coloured by label | [`latent_map`], [`scatter`], [`scatter_groups`] |
//! | losses over epochs; an error over a size | [`curves`]; [`lines`] |
//! | scores of two classes and a threshold | [`histogram`] |
//! | a number for each of some things | [`bars`] |
//! | samples over epochs | [`save_gif`] |
//! | a whole run | [`RunReport`]; [`Report`] for a page of one's own |
//!
//! A picture is an `image::RgbImage`, to be saved in any format that the crate `image` was built
//! with (PNG and GIF here), or to be looked at by a test. [`save`] names the file when it cannot.
//! The colours stay apart for the colour-blind, and in grey.

mod chart;
mod gif;
mod grid;
mod report;
#[cfg(all(feature = "data", feature = "train"))]
mod run;

pub use chart::{Series, bars, curves, histogram, latent_map, lines, scatter, scatter_groups};
pub use gif::save_gif;
pub use grid::{grid, rows};
pub use report::Report;
#[cfg(all(feature = "data", feature = "train"))]
pub use run::{Measured, RunReport};

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
