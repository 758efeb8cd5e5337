use super::{Causal, Sentences, Vocabulary};
use crate::error::{Error, Result, check_at_least_one};
use crate::nn::MAX_REACH;
use crate::traits::Decoder;
use burn::module::Module;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Bool, Distribution, Int, Tensor};

/// Latents to distributions over sentences ([`Sentences`]): a network reads the tokens so far, each beside the latent, and
/// says which comes next.
///
/// *Word dropout* ([Bowman et al. 2016](https://arxiv.org/abs/1511.06349), section 3.2): in training each token is read as
/// [`UNKNOWN`](Vocabulary::UNKNOWN) with this probability, so that the decoder has to ask the latent. It is a matter of what is
/// read, never of what is to be said. At 1, the inputless decoder, no token is read at any time, in evaluation neither.
///
/// Built by [`SequenceVaeConfig`](super::SequenceVaeConfig), or of one's own parts.
#[derive(Module, Debug)]
pub struct SequenceDecoder<C> {
    embedding: Embedding,
    network: C,
    output: Linear,
    max_length: usize,
    word_dropout: f64,
}

impl<C: Causal> SequenceDecoder<C> {
    /// The decoder of these parts: a vector for each token, a network that reads one beside a latent, and a layer from its
    /// output to a logit for each token; for sentences of `max_length` tokens at most.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `max_length` is 0 or absurd, or `word_dropout` is not in [0, 1].
    pub fn new(
        embedding: Embedding,
        network: C,
        output: Linear,
        max_length: usize,
        word_dropout: f64,
    ) -> Result<Self> {
        check_at_least_one("SequenceDecoder", "max_length", max_length)?;
        if max_length > MAX_REACH {
            return Err(Error::Config(format!(
                "SequenceDecoder: a max_length of {max_length} tokens is more than {MAX_REACH}"
            )));
        }
        if !(0.0..=1.0).contains(&word_dropout) {
            return Err(Error::Config(format!(
                "SequenceDecoder: word_dropout must be in [0, 1], not {word_dropout}"
            )));
        }
        Ok(Self {
            embedding,
            network,
            output,
            max_length,
            word_dropout,
        })
    }

    /// The most tokens of a sentence, its end not counted.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The probability that a token is not read in training.
    pub fn word_dropout(&self) -> f64 {
        self.word_dropout
    }

    /// The logits of what comes after each of the tokens that are read, `[batch, places]`, given a latent, `[batch, latent]`:
    /// `[batch, places, vocabulary]`. What is read begins with [`END`](Vocabulary::END).
    pub fn logits(&self, latent: Tensor<2>, read: Tensor<2, Int>) -> Tensor<3> {
        let [_, places] = read.dims();
        let embedded = self.embedding.forward(self.seen(read));
        let latent = latent.unsqueeze_dim::<3>(1).repeat_dim(1, places);
        let outputs = self.network.run(Tensor::cat(vec![embedded, latent], 2));
        self.output.forward(outputs)
    }

    /// What is known of sentences before their first token, given a latent each: the latents, and the network's state.
    pub fn start(&self, latent: Tensor<2>) -> (Tensor<2>, C::State) {
        let state = self.network.start(latent.dims()[0], &latent.device());
        (latent, state)
    }

    /// Reads one token of each sentence, `[batch]`, at first [`END`](Vocabulary::END): the logits of the next,
    /// `[batch, vocabulary]`, and what is known then. They are those of [`logits`](Self::logits).
    pub fn step(
        &self,
        last: Tensor<1, Int>,
        (latent, state): (Tensor<2>, C::State),
    ) -> (Tensor<2>, (Tensor<2>, C::State)) {
        let embedded = self.embedding.forward(self.seen(last.unsqueeze_dim(1)));
        let input = Tensor::cat(vec![embedded.squeeze_dim(1), latent.clone()], 1);
        let (output, state) = self.network.step(input, state);
        (self.output.forward(output), (latent, state))
    }

    /// What is seen of what is read: all, unless no token ever is.
    fn seen(&self, read: Tensor<2, Int>) -> Tensor<2, Int> {
        if self.word_dropout < 1.0 {
            return read;
        }
        let all = read.clone().equal(read.clone());
        drop_words(read, all)
    }

    /// Which tokens are not read in training, drawn by the decoder's word dropout.
    pub(super) fn dropped(&self, read: &Tensor<2, Int>) -> Tensor<2, Bool> {
        let uniform = Tensor::<2>::random(read.dims(), Distribution::Default, &read.device());
        uniform.lower_elem(self.word_dropout)
    }
}

/// Tokens some of which are unknown; that which begins a sentence stays.
pub(super) fn drop_words(read: Tensor<2, Int>, is_dropped: Tensor<2, Bool>) -> Tensor<2, Int> {
    let is_token = read.clone().not_equal_elem(Vocabulary::END);
    read.mask_fill(is_dropped.bool_and(is_token), Vocabulary::UNKNOWN)
}

impl<C: Causal> Decoder for SequenceDecoder<C> {
    /// `[batch, latent]`.
    type Latent = Tensor<2>;
    type Output = Sentences<C>;

    fn decode(&self, latent: Tensor<2>) -> Sentences<C> {
        Sentences::new(self.clone(), latent)
    }
}
