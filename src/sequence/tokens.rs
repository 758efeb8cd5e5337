use super::Vocabulary;
use crate::error::Result;
use crate::traits::Batch;
use burn::tensor::{Bool, Device, Int, Tensor};

/// Sentences of several lengths side by side: their tokens, and how many each has. What stands in a row after its sentence
/// is padding, which changes no number of any part of this module.
///
/// The token that ends a sentence is not among them: a decoder adds it.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::sequence::Tokens;
///
/// let device = Device::default();
/// let tokens = Tensor::<2, Int>::from_ints([[5, 3, 2], [4, 0, 0]], &device);
/// let sentences = Tokens::new(tokens, Tensor::<1, Int>::from_ints([3, 1], &device));
/// assert_eq!(sentences.narrow(1, 1).rows()?, [[4]]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tokens {
    tokens: Tensor<2, Int>,
    lengths: Tensor<1, Int>,
}

impl Tokens {
    /// Sentences of these tokens, `[sentences, places]`, of which the first so many count, `[sentences]`. Padding has to be
    /// tokens of the vocabulary, whichever.
    ///
    /// # Panics
    ///
    /// If there are not as many lengths as sentences, or no places.
    pub fn new(tokens: Tensor<2, Int>, lengths: Tensor<1, Int>) -> Self {
        let (shape, count) = (tokens.dims(), lengths.dims()[0]);
        assert!(
            shape[0] == count && shape[1] > 0,
            "Tokens: tokens of shape {shape:?}, and {count} lengths; each row takes one, and a place at least"
        );
        Self { tokens, lengths }
    }

    /// The tokens, `[sentences, places]`.
    pub fn tokens(&self) -> Tensor<2, Int> {
        self.tokens.clone()
    }

    /// How many tokens each sentence has, `[sentences]`.
    pub fn lengths(&self) -> Tensor<1, Int> {
        self.lengths.clone()
    }

    /// How many places a row has: at least as many as the longest sentence.
    pub fn places(&self) -> usize {
        self.tokens.dims()[1]
    }

    /// Where the sentences are, `[sentences, places]`: true at a token, false at padding.
    pub fn mask(&self) -> Tensor<2, Bool> {
        self.is_before_end(self.places())
    }

    /// The tokens of each sentence.
    ///
    /// # Errors
    ///
    /// [`Error::Device`](crate::Error::Device) if the device cannot be read.
    pub fn rows(&self) -> Result<Vec<Vec<i32>>> {
        let lengths = self.lengths.clone().try_into_data_as::<i32>()?;
        let tokens = self.tokens.clone().try_into_data_as::<i32>()?;
        let tokens: Vec<i32> = tokens.iter::<i32>().collect();
        let row = |(index, length): (usize, i32)| {
            let begin = index * self.places();
            tokens[begin..begin + length as usize].to_vec()
        };
        Ok(lengths.iter::<i32>().enumerate().map(row).collect())
    }

    /// What a network reads: the end of a sentence, where one begins, and then the tokens; `[sentences, places + 1]`.
    pub(super) fn read(&self) -> Tensor<2, Int> {
        Tensor::cat(vec![self.ends(), self.tokens()], 1)
    }

    /// What follows each of what is [read](Self::read): the tokens, and from the end of the sentence on its end.
    pub(super) fn followed_by(&self) -> Tensor<2, Int> {
        let tokens = Tensor::cat(vec![self.tokens(), self.ends()], 1);
        let is_end = self.is_before_end(self.places() + 1).bool_not();
        tokens.mask_fill(is_end, Vocabulary::END)
    }

    /// Which of what is [read](Self::read) is followed by something: all up to the last token; `[sentences, places + 1]`.
    pub(super) fn is_followed(&self) -> Tensor<2, Bool> {
        let place = self.place(self.places() + 1);
        place.lower_equal(self.lengths().unsqueeze_dim::<2>(1))
    }

    fn is_before_end(&self, places: usize) -> Tensor<2, Bool> {
        let place = self.place(places);
        place.lower(self.lengths().unsqueeze_dim::<2>(1))
    }

    /// The number of each place, from 0 on, `[sentences, places]`.
    fn place(&self, places: usize) -> Tensor<2, Int> {
        let options = (&self.device(), self.lengths.dtype());
        let place = Tensor::<1, Int>::arange(0..places as i64, options);
        place.unsqueeze::<2>().repeat_dim(0, self.len())
    }

    fn ends(&self) -> Tensor<2, Int> {
        let first = self.tokens().narrow(1, 0, 1);
        first.full_like(Vocabulary::END)
    }
}

impl Batch for Tokens {
    fn len(&self) -> usize {
        self.tokens.dims()[0]
    }
    fn device(&self) -> Device {
        Batch::device(&self.tokens)
    }
    fn shapes(&self) -> Vec<Vec<usize>> {
        [self.tokens.shapes(), self.lengths.shapes()].concat()
    }
    fn detach(self) -> Self {
        self
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        Self {
            tokens: Batch::select(&self.tokens, indices.clone()),
            lengths: Batch::select(&self.lengths, indices),
        }
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        Self {
            tokens: Batch::narrow(&self.tokens, start, length),
            lengths: Batch::narrow(&self.lengths, start, length),
        }
    }
    fn to_device(&self, device: &Device) -> Self {
        Self {
            tokens: Batch::to_device(&self.tokens, device),
            lengths: Batch::to_device(&self.lengths, device),
        }
    }
    fn check_finite(&self, what: &str) -> Result<()> {
        self.tokens.check_finite(what)
    }
}
