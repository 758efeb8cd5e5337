use super::decoder::drop_words;
use super::{Causal, SequenceDecoder, Tokens, Vocabulary};
use crate::distribution::Categorical;
use crate::error::{Result, check_at_least_one, check_positive};
use crate::kernel::points::at_least_single;
use crate::kernel::{categorical_nll, sum_event};
use crate::traits::{Batch, Code, Posterior};
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, DType, Distribution, Int, Tensor};

/// A distribution over sentences for each latent of a batch: what a [`SequenceDecoder`] returns.
///
/// `log p(x) = sum_i log p(x_i | x_1, .., x_(i-1), z)`, over the tokens and the one that ends them. A sentence of `max_length`
/// tokens ends for certain, so that the probabilities of all sentences up to there sum to 1.
///
/// As a [`Posterior`] it is drawn from by one token after the other, its point has the likeliest token at each place, and
/// neither has a gradient. In training, [`log_prob`](Posterior::log_prob) reads what word dropout leaves.
#[derive(Clone, Debug)]
pub struct Sentences<C: Causal> {
    decoder: SequenceDecoder<C>,
    latent: Tensor<2>,
}

/// What is smaller than every logit.
const LEAST: f64 = -1e9;

impl<C: Causal> Sentences<C> {
    pub(super) fn new(decoder: SequenceDecoder<C>, latent: Tensor<2>) -> Self {
        Self { decoder, latent }
    }

    /// The log-probability of each token and of the end that follows them, in nats, 0 after it; `[batch, places]`, as many as
    /// there are with an end, at most `max_length`.
    ///
    /// # Panics
    ///
    /// If there are not as many sentences as latents, or they have more places than the decoder.
    pub fn log_probs(&self, sentences: &Tokens) -> Tensor<2> {
        self.log_probs_reading(sentences, sentences.read())
    }

    /// [`log_prob`](Posterior::log_prob) where these tokens, `[batch, places]`, are not read: the deterministic twin of word
    /// dropout in training.
    ///
    /// # Panics
    ///
    /// As [`log_probs`](Self::log_probs), or if the shape is not that of the tokens.
    pub fn log_prob_without(&self, sentences: &Tokens, is_dropped: Tensor<2, Bool>) -> Tensor<1> {
        let read = drop_words(sentences.tokens(), is_dropped);
        let read = Tokens::new(read, sentences.lengths()).read();
        sum_event(self.log_probs_reading(sentences, read))
    }

    fn log_probs_reading(&self, sentences: &Tokens, read: Tensor<2, Int>) -> Tensor<2> {
        let (shape, latents) = (sentences.tokens().dims(), self.latent.dims()[0]);
        let max_length = self.decoder.max_length();
        assert!(
            shape[0] == latents && shape[1] <= max_length,
            "Sentences: tokens of shape {shape:?} for {latents} latents and sentences of {max_length} tokens at most"
        );
        // The end of a sentence of the greatest length is certain, and so costs nothing.
        let places = (shape[1] + 1).min(max_length);
        let logits = self
            .decoder
            .logits(self.latent.clone(), read.narrow(1, 0, places));
        let next = sentences.followed_by().narrow(1, 0, places);
        let nll = categorical_nll(logits.flatten(0, 1), next.flatten(0, 1));
        let is_padding = sentences.is_followed().bool_not().narrow(1, 0, places);
        let log_probs = nll.neg().reshape(is_padding.dims());
        log_probs.mask_fill(is_padding, 0.0)
    }

    /// As in evaluation, and without a graph.
    fn frozen(&self) -> Self {
        Self {
            decoder: self.decoder.valid(),
            latent: self.latent.clone().without_autodiff(),
        }
    }

    /// The sentences that noise in [0, 1), `[batch, max_length]`, leads to: of the `i`th number the `i`th token.
    ///
    /// # Panics
    ///
    /// If the noise has another shape.
    pub fn generate_with(&self, sampling: &TokenSampling, noise: Tensor<2>) -> Tokens {
        let (shape, own) = (noise.dims(), self.noise_shape());
        assert!(
            shape == own,
            "Sentences: noise of shape {shape:?}, where {own:?} is wanted"
        );
        self.tokens_by(|logits, place| {
            let noise = noise.clone().narrow(1, place, 1).unsqueeze_dim(2);
            sampling.distribution(logits).rsample_with(noise)
        })
    }

    /// Draws of sentences, with noise from the device's generator.
    pub fn generate(&self, sampling: &TokenSampling) -> Tokens {
        self.generate_with(sampling, self.noise())
    }

    fn noise_shape(&self) -> [usize; 2] {
        [self.latent.dims()[0], self.decoder.max_length()]
    }

    /// Sentences whose tokens are chosen one after the other, by their logits `[batch, vocabulary]` and their place. No step
    /// reads the device, and so all places are gone through.
    fn tokens_by(&self, choose: impl Fn(Tensor<2>, usize) -> Tensor<1, Int>) -> Tokens {
        let Self { decoder, latent } = self.frozen();
        let mut last = ends(&latent);
        let mut is_over = last.clone().not_equal_elem(Vocabulary::END);
        let mut state = decoder.start(latent);
        let mut columns = Vec::with_capacity(decoder.max_length());
        for place in 0..decoder.max_length() {
            let logits;
            (logits, state) = decoder.step(last, state);
            let chosen = choose(logits, place).mask_fill(is_over.clone(), Vocabulary::END);
            is_over = chosen.clone().equal_elem(Vocabulary::END);
            columns.push(chosen.clone().unsqueeze_dim::<2>(1));
            last = chosen;
        }
        ended(Tensor::cat(columns, 1))
    }

    /// The likeliest sentences of each latent that a search finds which goes on with the `width` best beginnings from place
    /// to place: `[batch * width]`, those of a latent one after the other, the likeliest first, and their log-probabilities
    /// in nats, `[batch, width]`. Where there are fewer sentences, the last ones have a log-probability below -1e8.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the width is 0.
    pub fn beam(&self, width: usize) -> Result<(Tokens, Tensor<2>)> {
        check_at_least_one("Sentences::beam", "the width", width)?;
        let Self { decoder, latent } = self.frozen();
        let batch = latent.dims()[0];
        // Of each latent there is one beginning at first.
        let mut scores = first_alone([batch, width], &at_least_single(latent.clone()));
        let rows = latent.unsqueeze_dim::<3>(1).repeat_dim(1, width);
        let rows: Tensor<2> = rows.flatten(0, 1);
        let mut last = ends(&rows);
        let first_row = Tensor::<1, Int>::arange(0..batch as i64, (&last.device(), last.dtype()));
        let first_row = first_row.mul_scalar(width as i64).unsqueeze_dim::<2>(1);
        let mut is_over = last.clone().not_equal_elem(Vocabulary::END);
        let mut state = decoder.start(rows);
        let mut tokens: Option<Tensor<2, Int>> = None;
        for _place in 0..decoder.max_length() {
            let logits;
            (logits, state) = decoder.step(last, state);
            let [_, vocabulary] = logits.dims();
            let log_probs = log_softmax(at_least_single(logits), 1);
            let log_probs = after_the_end(log_probs, is_over.clone());
            let scored = log_probs.reshape([batch, width, vocabulary]) + scores.unsqueeze_dim(2);
            let best;
            (scores, best) = scored
                .reshape([batch, width * vocabulary])
                .topk_with_indices(width, 1);
            let vocabulary = vocabulary as i64;
            let chosen = best.clone().remainder_scalar(vocabulary);
            let beam = (best - chosen.clone()).div_scalar(vocabulary);
            let row: Tensor<1, Int> = (beam + first_row.clone()).flatten(0, 1);
            let chosen: Tensor<1, Int> = chosen.flatten(0, 1);

            state = Batch::select(&state, row.clone());
            is_over = chosen.clone().equal_elem(Vocabulary::END);
            let column = chosen.clone().unsqueeze_dim::<2>(1);
            tokens = Some(match tokens {
                Some(before) => Tensor::cat(vec![before.select(0, row), column], 1),
                None => column,
            });
            last = chosen;
        }
        let tokens = tokens.unwrap_or_else(|| last.unsqueeze_dim(1));
        Ok((ended(tokens), scores))
    }
}

/// The token before the first of each sentence.
fn ends(latent: &Tensor<2>) -> Tensor<1, Int> {
    let one: Tensor<1> = latent.clone().narrow(1, 0, 1).squeeze_dim(1);
    one.zeros_like().int() + Vocabulary::END
}

/// 0 in the first column and [`LEAST`] in the others, where `like` is.
fn first_alone([rows, columns]: [usize; 2], like: &Tensor<2>) -> Tensor<2> {
    let column = Tensor::<1, Int>::arange(0..columns as i64, &like.device());
    let is_other = column.not_equal_elem(0).unsqueeze::<2>();
    let zeros = Tensor::<2>::zeros([rows, columns], (&like.device(), like.dtype()));
    zeros.mask_fill(is_other.repeat_dim(0, rows), LEAST)
}

/// Log-probabilities, `[rows, vocabulary]`, where what is over stays as it is: its end, the first token, follows for certain.
fn after_the_end(log_probs: Tensor<2>, is_over: Tensor<1, Bool>) -> Tensor<2> {
    let [rows, vocabulary] = log_probs.dims();
    let stays = first_alone([rows, vocabulary], &log_probs);
    let is_over = is_over.unsqueeze_dim::<2>(1).repeat_dim(1, vocabulary);
    log_probs.mask_where(is_over, stays)
}

/// Sentences of tokens whose first end is followed by nothing else.
fn ended(tokens: Tensor<2, Int>) -> Tokens {
    let is_token = tokens.clone().not_equal_elem(Vocabulary::END);
    let lengths = is_token
        .int()
        .cast(tokens.dtype())
        .sum_dim(1)
        .squeeze_dim(1);
    Tokens::new(tokens, lengths)
}

impl<C: Causal> Code for Sentences<C> {
    type Latent = Tokens;
    /// Uniform in [0, 1), `[batch, max_length]`.
    type Noise = Tensor<2>;

    fn noise(&self) -> Tensor<2> {
        let device = self.latent.device().inner();
        let options = (&device, DType::F32); // 16 bits would round some of it to 1
        Tensor::random(self.noise_shape(), Distribution::Default, options)
    }

    fn rsample_with(&self, noise: Tensor<2>) -> Tokens {
        self.generate_with(&TokenSampling::new(), noise)
    }

    /// The likeliest token at each place, given those before it.
    fn point(&self) -> Tokens {
        self.tokens_by(|logits, _place| logits.argmax(1).squeeze_dim(1))
    }
}

impl<C: Causal> Posterior for Sentences<C> {
    /// # Panics
    ///
    /// As [`Sentences::log_probs`].
    fn log_prob(&self, sentences: Tokens) -> Tensor<1> {
        let is_training = self.latent.device().is_autodiff();
        if self.decoder.word_dropout() == 0.0 || !is_training {
            return sum_event(self.log_probs(&sentences));
        }
        let is_dropped = self.decoder.dropped(&sentences.tokens());
        self.log_prob_without(&sentences, is_dropped)
    }
}

/// How tokens are drawn: at a temperature, and of the likeliest alone; as the model has them by default.
///
/// ```
/// use burn_generative::sequence::TokenSampling;
///
/// let careful = TokenSampling::new().with_temperature(0.7)?.with_top_k(10)?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenSampling {
    temperature: f64,
    top_k: Option<usize>,
}

impl Default for TokenSampling {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenSampling {
    /// Tokens by their probabilities.
    pub fn new() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
        }
    }

    /// Divides the logits by this: below 1 the likely tokens are more so. What it tends to as it falls to 0 is
    /// [`Sentences::point`](Code::point).
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is not a positive number.
    pub fn with_temperature(mut self, temperature: f64) -> Result<Self> {
        self.temperature = check_positive("TokenSampling: the temperature", temperature)?;
        Ok(self)
    }

    /// Draws of the `k` likeliest tokens alone. [Fan et al. 2018](https://arxiv.org/abs/1805.04833), section 5.1.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is 0.
    pub fn with_top_k(mut self, k: usize) -> Result<Self> {
        check_at_least_one("TokenSampling", "top_k", k)?;
        self.top_k = Some(k);
        Ok(self)
    }

    /// What a token is drawn from, by its logits `[batch, vocabulary]`.
    fn distribution(&self, logits: Tensor<2>) -> Categorical<1> {
        // Beside the largest, which is 0 then, and by what leaves all others finite.
        let logits = at_least_single(logits);
        let logits = (logits.clone() - logits.max_dim(1)) / self.temperature.max(1e-30);
        let [_, vocabulary] = logits.dims();
        let Some(k) = self.top_k.filter(|&k| k < vocabulary) else {
            return Categorical::new(logits);
        };
        let least = logits.clone().topk(k, 1).narrow(1, k - 1, 1);
        let is_less = logits.clone().lower(least.repeat_dim(1, vocabulary));
        Categorical::new(logits.mask_fill(is_less, LEAST))
    }
}
