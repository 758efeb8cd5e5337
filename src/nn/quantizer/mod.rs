//! Discrete codes of latents: the [quantisers](crate::traits::Quantizer).

mod fsq;
mod grouped;
mod residual;
mod vq;

pub use fsq::Fsq;
pub use grouped::Grouped;
pub use residual::ResidualVq;
pub use vq::{Vq, VqConfig};

use burn::tensor::Tensor;

/// Refuses latents of another width than the quantiser's.
fn assert_width(part: &str, width: usize, latents: &Tensor<2>) {
    let [_, given] = latents.dims();
    assert!(
        given == width,
        "{part}: it quantises latents of {width} coordinates, but those given have {given}"
    );
}
