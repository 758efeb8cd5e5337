use super::one_hot;
use crate::traits::Encoder;
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// An encoder of rows that is told their labels: it reads the label, one-hot, behind the row.
///
/// Input: rows `[batch, columns]` and labels `[batch]`, in `0..classes`; labels beyond are the caller's to avoid. The inner
/// encoder is built for `columns + classes`. Of images it is [`LabeledEncoder`](super::LabeledEncoder).
/// [`StackedSemiSupervisedVae`](crate::model::StackedSemiSupervisedVae) has an example.
#[derive(Module, Debug)]
pub struct LabeledRowEncoder<E> {
    encoder: E,
    classes: usize,
}

impl<E> LabeledRowEncoder<E> {
    /// Tells `encoder` labels of so many classes.
    pub fn new(encoder: E, classes: usize) -> Self {
        Self { encoder, classes }
    }
}

impl<E: Encoder<Input = Tensor<2>>> Encoder for LabeledRowEncoder<E> {
    type Input = (Tensor<2>, Tensor<1, Int>);
    type Code = E::Code;

    fn encode(&self, (rows, labels): Self::Input) -> E::Code {
        assert!(
            rows.dims()[0] == labels.dims()[0],
            "LabeledRowEncoder: {} rows, but {} labels",
            rows.dims()[0],
            labels.dims()[0],
        );
        let labels = one_hot(labels, self.classes);
        self.encoder.encode(Tensor::cat(vec![rows, labels], 1))
    }
}
