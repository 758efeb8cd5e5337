use super::one_hot;
use crate::traits::Encoder;
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// An encoder that is told the label of each sample: it reads the label, one-hot, behind the sample's numbers, as a row.
///
/// Input: samples of any shape, `[batch, ...]`, and labels `[batch]`, in `0..classes`; labels beyond are the caller's to avoid.
/// The inner encoder reads rows, and is built for as many numbers as a sample has, and `classes`. For convolutions over images
/// there is [`LabeledEncoder`](super::LabeledEncoder).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::LabeledRowEncoder;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let (pixels, classes) = (28 * 28, 10);
/// let rows = MlpEncoderConfig::new(vec![pixels + classes], 2).init::<2>(&device)?;
/// let encoder = LabeledRowEncoder::new(rows, classes);
/// let images = Tensor::<4>::ones([3, 1, 28, 28], &device);
/// let codes = encoder.encode((images, Tensor::from_ints([7, 7, 0], &device)));
/// let [first, second, third] = [0, 1, 2].map(|i| codes.clone().narrow(0, i, 1).into_data());
/// assert_eq!(first, second);
/// assert_ne!(first, third);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct LabeledRowEncoder<E, const D: usize = 2> {
    encoder: E,
    classes: usize,
}

impl<E, const D: usize> LabeledRowEncoder<E, D> {
    /// Tells `encoder` labels of so many classes.
    pub fn new(encoder: E, classes: usize) -> Self {
        Self { encoder, classes }
    }
}

impl<E: Encoder<Input = Tensor<2>>, const D: usize> Encoder for LabeledRowEncoder<E, D> {
    type Input = (Tensor<D>, Tensor<1, Int>);
    type Code = E::Code;

    fn encode(&self, (samples, labels): Self::Input) -> E::Code {
        assert!(
            samples.dims()[0] == labels.dims()[0],
            "LabeledRowEncoder: {} samples, but {} labels",
            samples.dims()[0],
            labels.dims()[0],
        );
        let rows = samples.flatten::<2>(1, D - 1);
        let labels = one_hot(labels, self.classes);
        self.encoder.encode(Tensor::cat(vec![rows, labels], 1))
    }
}
