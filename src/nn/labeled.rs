use crate::traits::{Decoder, Encoder};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Int, Tensor};

/// An encoder of images that is told their labels: it reads one more channel, on which a learned picture of the label
/// is drawn.
///
/// Input: images `[batch, channels, height, width]` and labels `[batch]`, in `0..classes`; labels beyond are the
/// caller's to avoid. The inner encoder is built for `channels + 1`.
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
/// Input: latents `[batch, latent]` and labels `[batch]`, in `0..classes`; labels beyond are the caller's to avoid. The
/// inner decoder is built for `latent + classes` coordinates.
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
