//! Sequences: sentences of tokens, networks that read and write them place by place, and the variational autoencoder of
//! sentences ([`SequenceVae`]).
//!
//! | part | what it is |
//! |---|---|
//! | [`Vocabulary`] | the characters or words that sentences are made of, as numbers |
//! | [`Tokens`] | sentences of several lengths, a [`Batch`](crate::traits::Batch) |
//! | [`Causal`] | a network over places in order: burn's `Gru` and `Lstm`, and [`CausalConv`] |
//! | [`SequenceEncoder`] | sentences to codes |
//! | [`SequenceDecoder`] | latents to [`Sentences`], a distribution over sentences for each |
//! | [`SequenceVae`] | both together, built by [`SequenceVaeConfig`] |
//!
//! A decoder returns a distribution, and so the loss is [`Nll`](crate::loss::Nll): a bound on the log-probability of a
//! sentence, samplers, warm-up and free bits of the KL, and trainings are those of every other [`Vae`](crate::model::Vae).
//!
//! ```
//! use burn::optim::AdamConfig;
//! use burn::prelude::*;
//! use burn_generative::prelude::*;
//! use burn_generative::sequence::{SequenceVaeConfig, TokenSampling, Unit, Vocabulary};
//!
//! let device = Device::default().autodiff();
//! let words = ["apple", "pear", "plum", "peach"];
//! let vocabulary = Vocabulary::of(Unit::Character, &words, 1)?;
//! let longest = 8;
//! let tokens = vocabulary.batch(&words, longest, &device)?;
//!
//! let config = SequenceVaeConfig::new(vocabulary.len(), longest).with_hidden(16);
//! let mut vae = config.init_gru(&device)?;
//! let mut optimizer = AdamConfig::new().init();
//! for _step in 0..3 {
//!     let losses; // reconstruction, kl: nats a sentence
//!     (vae, losses) = vae.learn(&mut optimizer, 1e-3, tokens.clone());
//!     println!("{:.2}", losses.mean().into_scalar::<f32>());
//! }
//!
//! let vae = vae.valid();
//! let drawn = vocabulary.sentences(&vae.sample(5, &device))?; // the likeliest token at each place
//! assert_eq!(drawn.len(), 5);
//! let sentences = vae.decode(StandardNormal::new(16).sample(3, &Device::default()));
//! let bold = TokenSampling::new().with_temperature(0.8)?.with_top_k(5)?;
//! assert_eq!(vocabulary.sentences(&sentences.generate(&bold))?.len(), 3);
//! let (likeliest, log_prob) = sentences.beam(4)?; // the four best of each, best first
//! assert_eq!((likeliest.len(), log_prob.dims()), (12, [3, 4]));
//! # Ok::<(), burn_generative::Error>(())
//! ```

mod causal;
mod causal_conv;
mod decoder;
mod encoder;
mod sentences;
mod tokens;
mod vae;
mod vocabulary;

pub use causal::Causal;
pub use causal_conv::{CausalConv, CausalConvConfig};
pub use decoder::SequenceDecoder;
pub use encoder::SequenceEncoder;
pub use sentences::{Sentences, TokenSampling};
pub use tokens::Tokens;
pub use vae::{SequenceVae, SequenceVaeConfig};
#[cfg(feature = "data")]
pub(crate) use vocabulary::padded;
pub use vocabulary::{Unit, Vocabulary};
