use super::{Causal, Tokens};
use crate::nn::{GaussianHead, Head};
use crate::traits::{Batch, Encoder};
use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::Tensor;

/// Sentences to codes: what a network knows when it has read the last token, and a head that makes a code of it.
///
/// Built by [`SequenceVaeConfig`](super::SequenceVaeConfig), or of one's own parts.
///
/// ```
/// use burn::nn::{EmbeddingConfig, LinearConfig, LstmConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::sequence::{SequenceEncoder, Tokens};
///
/// let device = Device::default();
/// let encoder = SequenceEncoder {
///     embedding: EmbeddingConfig::new(30, 8).init(&device), // of 30 tokens
///     network: LstmConfig::new(8, 32, true).init(&device),
///     head: LinearConfig::new(32, 4).init(&device), // points
/// };
/// let tokens = Tensor::<2, Int>::ones([2, 10], &device);
/// let codes = encoder.encode(Tokens::new(tokens, Tensor::<1, Int>::from_ints([10, 3], &device)));
/// assert_eq!(codes.dims(), [2, 4]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SequenceEncoder<C, H = GaussianHead> {
    /// A vector for each token.
    pub embedding: Embedding,
    /// What reads these.
    pub network: C,
    /// What makes a code of its last output.
    pub head: H,
}

impl<C: Causal, H: Head> Encoder for SequenceEncoder<C, H> {
    type Input = Tokens;
    type Code = H::Code;

    fn encode(&self, input: Tokens) -> H::Code {
        let outputs = self.network.run(self.embedding.forward(input.read()));
        let (batch, width) = (input.len(), self.network.width());
        // The token that begins a sentence is read first, so that its last token is read at the place of its length.
        let last = input.lengths().reshape([batch, 1, 1]);
        let features: Tensor<3> = outputs.gather(1, last.repeat_dim(2, width));
        self.head.forward(features.squeeze_dim(1))
    }
}
