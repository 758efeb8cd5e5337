//! Ready-made networks. Their sizes follow from the shape of the data, and are checked when they are
//! built.
//!
//! | network | data | code or output |
//! |---|---|---|
//! | [`MlpEncoder`] | any shape | a point, or a [`DiagonalGaussian`](crate::distribution::DiagonalGaussian) |
//! | [`MlpDecoder`] | any shape | logits or means, or a [`DiagonalGaussian`](crate::distribution::DiagonalGaussian) over the data |
//! | [`ConvEncoder`] | images, any channels and size | as [`MlpEncoder`] |
//! | [`ConvDecoder`] | images, any channels and size | logits or means |

mod conv;
mod head;
mod initialize;
mod mlp;
mod warmup;

pub use conv::{ConvDecoder, ConvDecoderConfig, ConvEncoder, ConvEncoderConfig};
pub use head::{GaussianHead, Head};
pub use initialize::initialize;
pub use mlp::{MlpDecoder, MlpDecoderConfig, MlpEncoder, MlpEncoderConfig};
pub use warmup::Warmup;

use crate::error::{Error, Result};

/// The number of elements of an event, or an error that names the part and the size that is wrong.
fn event_size(part: &str, shape: &[usize]) -> Result<usize> {
    if shape.is_empty() {
        return Err(Error::Config(format!("{part}: the data shape has no axes")));
    }
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .filter(|&size| (1..=MAX_WIDTH).contains(&size))
        .ok_or_else(|| {
            Error::Config(format!(
                "{part}: a data shape of {shape:?} holds no elements, or too many"
            ))
        })
}

/// Refuses a width of zero, and one that is surely a typing error.
fn check_width(part: &str, name: &str, width: usize) -> Result<()> {
    match width {
        0 => Err(Error::Config(format!("{part}: {name} must be at least 1"))),
        1..=MAX_WIDTH => Ok(()),
        _ => Err(Error::Config(format!(
            "{part}: {name} is {width}, more than {MAX_WIDTH}"
        ))),
    }
}

/// The widest layer that a configuration may ask for: 2^26 elements.
const MAX_WIDTH: usize = 1 << 26;
