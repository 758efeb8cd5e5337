use super::{Causal, CausalConv, CausalConvConfig, SequenceDecoder, SequenceEncoder};
use crate::error::{Error, Result, check_at_least_one};
use crate::loss::Nll;
use crate::model::{Vae, VaeConfig};
use crate::nn::{GaussianHead, check_layers};
use crate::prior::StandardNormal;
use burn::config::Config;
use burn::nn::{EmbeddingConfig, Gru, GruConfig, LinearConfig, Lstm, LstmConfig};
use burn::tensor::Device;

/// The variational autoencoder of sentences, with a network `C` that reads and another that writes.
/// [Bowman et al. 2016](https://arxiv.org/abs/1511.06349).
///
/// It is a [`Vae`]: `losses = -log p(x | z) + beta KL(q(z | x) || p(z))`, in nats a sentence. A decoder that sees all words
/// before the next explains much without the latent, and the KL may fall to 0 and stay there. What the paper does against it
/// is a warm-up of the KL and word dropout; free bits do the same by a floor. The latent is read at every place, and not only
/// where a sentence begins (a variation that they found to differ little).
///
/// Built by [`SequenceVaeConfig`].
pub type SequenceVae<C> = Vae<SequenceEncoder<C>, SequenceDecoder<C>, StandardNormal, Nll>;

/// Configuration of a [`SequenceVae`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::model::VaeConfig;
/// use burn_generative::sequence::{SequenceVaeConfig, Unit, Vocabulary};
/// use burn_generative::weights;
///
/// let device = Device::default();
/// let vocabulary = Vocabulary::of(Unit::Character, &["one", "two", "three"], 1)?;
/// let config = SequenceVaeConfig::new(vocabulary.len(), 5)
///     .with_word_dropout(0.3)
///     .with_objective(VaeConfig::new().with_warmup_steps(2000).with_free_bits(1.0));
/// let vae = config.init_lstm(&device)?;
///
/// // The vocabulary is saved with the model.
/// let folder = std::env::temp_dir().join(format!("sentences-{}", std::process::id()));
/// weights::save_dir(&folder, &(config, vocabulary.clone()), &vae)?;
/// let init = |(config, _): &(SequenceVaeConfig, Vocabulary)| config.init_lstm(&device);
/// let ((_, saved), vae) = weights::load_dir(&folder, init)?;
/// assert_eq!(saved, vocabulary);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct SequenceVaeConfig {
    /// How many tokens there are, as [`Vocabulary::len`](super::Vocabulary::len) has it.
    pub vocabulary: usize,
    /// The most tokens of a sentence, its end not counted.
    pub max_length: usize,
    /// The number of latent coordinates.
    #[config(default = 16)]
    pub latent_dim: usize,
    /// The numbers that stand for a token, in either network.
    #[config(default = 64)]
    pub embedding: usize,
    /// The width of either network.
    #[config(default = 128)]
    pub hidden: usize,
    /// The probability that the decoder does not read a token in training; at 1 it never reads any.
    #[config(default = 0.0)]
    pub word_dropout: f64,
    /// The weight of the KL, its warm-up, and free bits.
    #[config(default = "VaeConfig::new()")]
    pub objective: VaeConfig,
}

impl SequenceVaeConfig {
    /// The model, with a gated recurrent unit on either side.
    ///
    /// # Errors
    ///
    /// As [`init_with`](Self::init_with).
    pub fn init_gru(&self, device: &Device) -> Result<SequenceVae<Gru>> {
        self.init_with(device, |inputs| {
            Ok(GruConfig::new(inputs, self.hidden, true).init(device))
        })
    }

    /// The model, with a long short-term memory on either side, as in the paper.
    ///
    /// # Errors
    ///
    /// As [`init_with`](Self::init_with).
    pub fn init_lstm(&self, device: &Device) -> Result<SequenceVae<Lstm>> {
        self.init_with(device, |inputs| {
            Ok(LstmConfig::new(inputs, self.hidden, true).init(device))
        })
    }

    /// The model, with causal convolutions on either side, as [`CausalConvConfig`] has them: the encoder sees the last 31
    /// tokens of a sentence. [Yang et al. 2017](https://arxiv.org/abs/1702.08139) on such decoders.
    ///
    /// # Errors
    ///
    /// As [`init_with`](Self::init_with).
    pub fn init_convolutional(&self, device: &Device) -> Result<SequenceVae<CausalConv>> {
        self.init_with(device, |inputs| {
            CausalConvConfig::new(inputs, self.hidden).init(device)
        })
    }

    /// The model, with networks of one's own: made of the numbers that they read a place, of which the encoder's are the
    /// embedding, and the decoder's the embedding and the latent.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number cannot work, and what the networks are refused for.
    pub fn init_with<C: Causal>(
        &self,
        device: &Device,
        network: impl Fn(usize) -> Result<C>,
    ) -> Result<SequenceVae<C>> {
        const PART: &str = "SequenceVae";
        for (name, number) in [
            ("max_length", self.max_length),
            ("latent_dim", self.latent_dim),
            ("embedding", self.embedding),
            ("hidden", self.hidden),
        ] {
            check_at_least_one(PART, name, number)?;
        }
        if self.vocabulary < 3 {
            return Err(Error::Config(format!(
                "{PART}: a vocabulary of {} tokens holds nothing but the end of a sentence and what is unknown",
                self.vocabulary
            )));
        }
        let inputs = self.embedding.saturating_add(self.latent_dim);
        check_layers(PART, &[self.vocabulary, self.embedding, self.hidden])?;
        check_layers(PART, &[inputs, self.hidden, self.hidden, self.vocabulary])?;
        check_layers(PART, &[self.hidden, self.latent_dim])?;
        let embedding = || EmbeddingConfig::new(self.vocabulary, self.embedding).init(device);
        let reader = network(self.embedding)?;
        let encoder = SequenceEncoder {
            embedding: embedding(),
            head: GaussianHead::new(reader.width(), self.latent_dim, device),
            network: reader,
        };
        let writer = network(inputs)?;
        let output = LinearConfig::new(writer.width(), self.vocabulary).init(device);
        let decoder = SequenceDecoder::new(
            embedding(),
            writer,
            output,
            self.max_length,
            self.word_dropout,
        )?;
        let prior = StandardNormal::new(self.latent_dim);
        self.objective.init(encoder, decoder, prior, Nll)
    }
}
