use super::Block;
use crate::losses::Losses;
use burn::tensor::{Int, Tensor};

/// Makes discrete codes of latents: each becomes a vector of a codebook, and the indices that this vector is found by.
///
/// A latent is a row, of which an image has many: [`VqVae`](crate::model::VqVae) turns maps into rows, and back.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::straight_through;
/// use burn_generative::prelude::*;
///
/// /// The sign of each coordinate: lookup-free quantisation.
/// #[derive(Module, Debug)]
/// struct Signs { width: usize }
///
/// impl Quantizer for Signs {
///     fn width(&self) -> usize {
///         self.width
///     }
///     fn codes(&self) -> usize {
///         2
///     }
///     fn depth(&self) -> usize {
///         self.width
///     }
///     fn quantize(&self, latents: Tensor<2>) -> Quantized {
///         let indices = latents.clone().greater_elem(0.0).int();
///         let nothing = latents.clone().detach().sum_dim(1).squeeze_dim(1).zeros_like();
///         Quantized {
///             vectors: straight_through(latents, self.lookup(indices.clone())),
///             indices,
///             losses: Losses::new(nothing),
///         }
///     }
///     fn lookup(&self, indices: Tensor<2, Int>) -> Tensor<2> {
///         indices.float() * 2.0 - 1.0
///     }
/// }
///
/// let latents = Tensor::<2>::from_floats([[0.3, -2.0]], &Device::default());
/// let quantized = Signs { width: 2 }.quantize(latents);
/// quantized.vectors.into_data().assert_eq(&TensorData::from([[1f32, -1.0]]), true);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no quantiser",
    note = "`Fsq`, `Vq`, `ResidualVq` and `Grouped` are; one of your own implements `Quantizer`, and derives burn's `Module`"
)]
pub trait Quantizer: Block {
    /// The number of coordinates of a latent.
    fn width(&self) -> usize;

    /// The number of codes, K: an index is one of `0..K`.
    fn codes(&self) -> usize;

    /// The number of indices of a latent: 1, unless several quantisers share it.
    fn depth(&self) -> usize {
        1
    }

    /// The names of its terms: none, where nothing about it is learned.
    fn terms(&self) -> Vec<&'static str> {
        vec![]
    }

    /// The vectors and indices of latents, `[latents, width]`. What follows the latents (a moving average, say) follows them
    /// here, in training alone, and after they were quantised.
    ///
    /// # Panics
    ///
    /// If the latents have another width.
    fn quantize(&self, latents: Tensor<2>) -> Quantized;

    /// The vectors, `[latents, width]`, of indices, `[latents, depth]`: to the bit those that the indices came with.
    fn lookup(&self, indices: Tensor<2, Int>) -> Tensor<2>;
}

/// Latents after a [`Quantizer`].
#[derive(Clone, Debug)]
pub struct Quantized {
    /// Vectors of the codebook, `[latents, width]`, through which a gradient passes to the latents.
    pub vectors: Tensor<2>,
    /// Their indices, `[latents, depth]`.
    pub indices: Tensor<2, Int>,
    /// The quantiser's own terms, and as the total what they add to that of a model, each `[latents]`.
    pub losses: Losses,
}
