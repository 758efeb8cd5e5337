//! Ready-made networks. Their sizes follow from the shape of the data, and are checked when they are
//! built.
//!
//! | network | data | code or output |
//! |---|---|---|
//! | [`MlpEncoder`] | any shape | a point, or a [`DiagonalGaussian`](crate::distribution::DiagonalGaussian) |
//! | [`MlpDecoder`] | any shape | logits or means, or a [`DiagonalGaussian`](crate::distribution::DiagonalGaussian) over the data |
//! | [`ConvEncoder`] | images, any channels and size | as [`MlpEncoder`] |
//! | [`ConvDecoder`] | images, any channels and size | logits or means |
//! | [`ResidualEncoder`], [`ResidualDecoder`] | images whose sides can be halved | maps of points; logits or means |
//! | [`MlpCritic`] | any shape | a logit |
//! | [`ConvCritic`] | images, any channels and size | a logit |
//! | [`PatchCritic`] | images, any channels and size | a logit for each patch |
//! | [`MlpJointCritic`] | any shape, and a latent | a logit |
//! | [`ConvJointCritic`] | images, and a latent | a logit |
//!
//! [`LabeledEncoder`] (of images), [`LabeledRowEncoder`] (of any shape, read as rows) and [`LabeledDecoder`] tell a network that
//! knows no labels the label of each sample.
//! [`Squashed`] puts a sigmoid or a tanh behind a decoder whose output a critic is to see.
//!
//! What one builds networks of one's own from: convolutions with burn's configuration, and its names and shapes of
//! parameters, which are matrix products on a CPU.
//!
//! | layer | data | of burn's |
//! |---|---|---|
//! | [`Conv1d`] | `[batch, channels, length]` | [`burn::nn::conv::Conv1d`] |
//! | [`Conv2d`] | `[batch, channels, height, width]` | [`burn::nn::conv::Conv2d`] |
//! | [`ConvTranspose1d`] | `[batch, channels, length]` | [`burn::nn::conv::ConvTranspose1d`] |
//! | [`ConvTranspose2d`] | `[batch, channels, height, width]` | [`burn::nn::conv::ConvTranspose2d`] |
//!
//! [`MaskedConv2d`] holds some of its weights at zero, [`Conv1dConfig::causal`] sees the past alone, and
//! [`kernel::gated`](crate::kernel::gated) is the activation between them: what autoregressive networks are made of.
//!
//! What makes discrete codes of latents, a [`Quantizer`](crate::traits::Quantizer):
//!
//! | quantiser | codebook | indices of a latent |
//! |---|---|---|
//! | [`Fsq`] | all combinations of a few levels in each coordinate; not learned | 1 |
//! | [`Vq`] | vectors, learned by moving averages or by a gradient | 1 |
//! | [`ResidualVq`] | of each stage, for what those before it have left over | as many as stages |
//! | [`Grouped`] | of each group of coordinates | those of all groups |
//!
//! And what a denoising model does to its input: [`GaussianCorruption`], [`MaskingCorruption`],
//! [`SaltAndPepperCorruption`]; [`Binarization`] makes binary images of grey ones.

mod batch_norm;
mod conv;
mod conv_critic;
mod convolution;
mod corruption;
mod critic;
mod frozen;
mod gradient;
mod gumbel_head;
mod head;
mod initialize;
mod labeled;
mod labeled_rows;
mod linear;
mod maps;
mod masked;
mod mlp;
mod patch_critic;
mod quantizer;
mod residual;
mod spectral;
mod spectral_penalty;
mod squashed;
mod step_count;
mod trained;
mod warmup;

pub(crate) use batch_norm::{batch_norm, batch_norm_silu};
pub use conv::{ConvDecoder, ConvDecoderConfig, ConvEncoder, ConvEncoderConfig};
pub use conv_critic::{ConvCritic, ConvCriticConfig, ConvJointCritic};
pub use convolution::{
    Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose1d, ConvTranspose1dConfig,
    ConvTranspose2d, ConvTranspose2dConfig,
};
pub use corruption::{
    AnyCorruption, Binarization, GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption,
};
pub use critic::{MlpCritic, MlpCriticConfig, MlpJointCritic};
pub use frozen::frozen_copy;
pub use gradient::scale_gradient;
pub use gumbel_head::{GumbelHead, Temperature};
pub use head::{GaussianHead, Head};
pub use initialize::initialize;
pub(crate) use labeled::one_hot;
pub use labeled::{LabeledDecoder, LabeledEncoder, UNKNOWN, check_labels};
pub use labeled_rows::LabeledRowEncoder;
pub use masked::MaskedConv2d;
pub(crate) use mlp::{Mlp, check_rank};
pub use mlp::{MlpDecoder, MlpDecoderConfig, MlpEncoder, MlpEncoderConfig};
pub use patch_critic::{PatchCritic, PatchCriticConfig};
pub use quantizer::{Fsq, Grouped, ResidualVq, Vq, VqConfig};
pub use residual::{
    ResidualDecoder, ResidualDecoderConfig, ResidualEncoder, ResidualEncoderConfig,
};
pub use spectral_penalty::SpectralPenalty;
pub use squashed::Squashed;
pub(crate) use step_count::StepCount;
pub(crate) use trained::is_trained;
pub use warmup::Warmup;

use crate::error::{Error, Result};
use burn::module::Param;
use burn::tensor::Tensor;

/// The most weights that one layer may ask for: 2^28, a gibibyte in f32. More is a typing error.
const MAX_WEIGHTS: usize = 1 << 28;

/// The farthest that an element of a series may see; more is a typing error.
pub(crate) const MAX_REACH: usize = 1 << 24;

/// The number of elements of an event, or an error that names the part and the size that is wrong.
pub(crate) fn event_size(part: &str, shape: &[usize]) -> Result<usize> {
    if shape.is_empty() {
        return Err(Error::Config(format!("{part}: the data shape has no axes")));
    }
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .filter(|size| (1..=MAX_WEIGHTS).contains(size))
        .ok_or_else(|| {
            Error::Config(format!(
                "{part}: a data shape of {shape:?} holds no elements, or too many"
            ))
        })
}

/// Refuses a chain of layers one of which is absurdly large.
pub(crate) fn check_layers(part: &str, widths: &[usize]) -> Result<()> {
    for pair in widths.windows(2) {
        let weights = pair[0].checked_mul(pair[1]);
        if weights.is_none_or(|weights| weights > MAX_WEIGHTS) {
            return Err(Error::Config(format!(
                "{part}: a layer from {} to {} features has more than {MAX_WEIGHTS} weights",
                pair[0], pair[1]
            )));
        }
    }
    Ok(())
}

/// The bias of a layer, where it has one.
fn bias(bias: &Option<Param<Tensor<1>>>) -> Option<Tensor<1>> {
    bias.as_ref().map(|bias| bias.val())
}
