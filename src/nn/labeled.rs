use crate::error::{Error, Result};
use crate::traits::{Batch, Decoder, Encoder};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Int, Tensor};

/// What stands for a label that is not known, where a model allows for that; no class has this number.
pub const UNKNOWN: i64 = -1;

/// Refuses labels that are no classes, `0..classes`; or, with `or_unknown`, [`UNKNOWN`].
///
/// Reads back from the device, so call it once on a data set, not on every batch: no model does, and a label that is no class
/// makes an error in the backend's words, or a picture of nothing.
///
/// # Errors
///
/// [`Error::Support`] if there is no label, or one is no class; [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::check_labels;
///
/// let letters = Tensor::<1, Int>::from_ints([1, 26], &Device::default());
/// let refused = check_labels(&letters, 26, false).unwrap_err().to_string();
/// assert!(refused.contains("lie in [1, 26], but there are 26 classes, from 0 to 25"));
/// check_labels(&(letters - 1), 26, false)?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn check_labels(labels: &Tensor<1, Int>, classes: usize, or_unknown: bool) -> Result<()> {
    labels.check_finite("labels")?;
    let least: i64 = labels.clone().min().try_into_scalar()?;
    let greatest: i64 = labels.clone().max().try_into_scalar()?;
    let lowest = if or_unknown { UNKNOWN } else { 0 };
    if least >= lowest && greatest < classes as i64 {
        return Ok(());
    }
    let unknown = if or_unknown {
        format!(" ({UNKNOWN} stands for an unknown label)")
    } else {
        String::new()
    };
    Err(Error::Support {
        what: "labels".to_string(),
        reason: format!(
            "lie in [{least}, {greatest}], but there are {classes} classes, from 0 to {}{unknown}; number them from 0, or \
             make the model for more classes",
            classes as i64 - 1
        ),
    })
}

/// An encoder of images that is told their labels: it reads one more channel, on which a learned picture of the label
/// is drawn.
///
/// Input: images `[batch, channels, height, width]` and labels `[batch]`, in `0..classes`
/// ([`check_labels`] refuses others, once). The inner encoder is built for `channels + 1`.
/// [`ConditionalVae`](crate::model::ConditionalVae) has an example.
#[derive(Module, Debug)]
pub struct LabeledEncoder<E> {
    labels: Embedding,
    encoder: E,
    size: [usize; 2],
}

impl<E> LabeledEncoder<E> {
    /// Tells `encoder` labels of so many classes, on images of this height and width.
    pub fn new(encoder: E, classes: usize, size: [usize; 2], device: &Device) -> Self {
        let pixels = size[0] * size[1];
        Self {
            labels: EmbeddingConfig::new(classes, pixels).init(device),
            encoder,
            size,
        }
    }
}

impl<E: Encoder<Input = Tensor<4>>> Encoder for LabeledEncoder<E> {
    type Input = (Tensor<4>, Tensor<1, Int>);
    type Code = E::Code;

    fn encode(&self, (images, labels): Self::Input) -> E::Code {
        let [batch, _, height, width] = images.dims();
        assert!(
            [height, width] == self.size && labels.dims() == [batch],
            "LabeledEncoder: it is for images of {:?} with a label each; these have {:?}, the labels {:?}",
            self.size,
            images.dims(),
            labels.dims(),
        );
        let plane = self.labels.forward(labels.unsqueeze_dim::<2>(1));
        let plane = plane.reshape([batch, 1, height, width]);
        self.encoder.encode(Tensor::cat(vec![images, plane], 1))
    }
}

/// A decoder that is told the label of what it is to make: it reads the label, one-hot, behind the latent.
///
/// Input: latents `[batch, latent]` and labels `[batch]`, in `0..classes` ([`check_labels`] refuses others,
/// once). The inner decoder is built for `latent + classes` coordinates.
/// [`ConditionalVae`](crate::model::ConditionalVae) has an example.
#[derive(Module, Debug)]
pub struct LabeledDecoder<D> {
    decoder: D,
    classes: usize,
}

impl<D> LabeledDecoder<D> {
    /// Tells `decoder` labels of so many classes.
    pub fn new(decoder: D, classes: usize) -> Self {
        Self { decoder, classes }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }
}

impl<D: Decoder<Latent = Tensor<2>>> Decoder for LabeledDecoder<D> {
    type Latent = (Tensor<2>, Tensor<1, Int>);
    type Output = D::Output;

    fn decode(&self, (latent, labels): Self::Latent) -> D::Output {
        assert!(
            latent.dims()[0] == labels.dims()[0],
            "LabeledDecoder: {} latents, but {} labels",
            latent.dims()[0],
            labels.dims()[0],
        );
        let labels = one_hot(labels, self.classes);
        self.decoder.decode(Tensor::cat(vec![latent, labels], 1))
    }
}

/// `[batch, classes]`, 1 at each label and 0 elsewhere; burn's own reads the labels back to check them.
pub(crate) fn one_hot(labels: Tensor<1, Int>, classes: usize) -> Tensor<2> {
    let (batch, device) = (labels.dims()[0], labels.device());
    let each = Tensor::<1, Int>::arange(0..classes as i64, &device).unsqueeze::<2>();
    labels
        .unsqueeze_dim::<2>(1)
        .repeat_dim(1, classes)
        .equal(each.repeat_dim(0, batch))
        .float()
}
