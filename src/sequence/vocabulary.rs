use super::Tokens;
use crate::error::{Error, Result, check_at_least_one};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a sentence is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Unicode characters, spaces among them.
    Character,
    /// What stands between spaces; a sentence that is made of words has one space between two.
    Word,
}

impl Unit {
    /// The units of a sentence, in order.
    fn cut(self, sentence: &str) -> Vec<&str> {
        match self {
            Self::Character => {
                let places = sentence
                    .char_indices()
                    .map(|(at, one)| at..at + one.len_utf8());
                places.map(|place| &sentence[place]).collect()
            }
            Self::Word => sentence.split_whitespace().collect(),
        }
    }

    /// How many units a sentence has.
    pub fn count(self, sentence: &str) -> usize {
        match self {
            Self::Character => sentence.chars().count(),
            Self::Word => sentence.split_whitespace().count(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Word => "word",
        }
    }
}

/// The units that sentences are made of, each with a number, its token. It is saved beside a model, as JSON, for instance in
/// the configuration of [`weights::save_dir`](crate::weights::save_dir).
///
/// Two tokens are no units: [`END`](Self::END) and [`UNKNOWN`](Self::UNKNOWN).
///
/// ```
/// use burn_generative::sequence::{Unit, Vocabulary};
///
/// let vocabulary = Vocabulary::of(Unit::Word, &["the cat sat", "the dog sat"], 1)?;
/// assert_eq!(vocabulary.tokens("the dog")?, [5, 3]); // 2 is cat, 4 sat
/// assert_eq!(vocabulary.text(&[5, 3]), "the dog");
/// assert!(vocabulary.tokens("the bird").unwrap_err().to_string().contains("`bird`"));
///
/// // What occurs once is unknown, and so may be what is new.
/// let vocabulary = Vocabulary::of(Unit::Word, &["the cat sat", "the dog sat"], 2)?;
/// assert_eq!(vocabulary.tokens("the bird sat")?, [3, Vocabulary::UNKNOWN, 2]);
///
/// let json = serde_json::to_string(&vocabulary).unwrap();
/// assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), vocabulary);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct Vocabulary {
    unit: Unit,
    has_unknown: bool,
    /// In order, each once.
    units: Vec<String>,
}

/// What a file holds, before it is checked.
#[derive(Deserialize)]
struct Saved {
    unit: Unit,
    has_unknown: bool,
    units: Vec<String>,
}

impl TryFrom<Saved> for Vocabulary {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        if let Some(pair) = saved.units.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!(
                "a vocabulary whose units are out of order: `{}` stands before `{}`",
                pair[0], pair[1]
            ));
        }
        Ok(Self {
            unit: saved.unit,
            has_unknown: saved.has_unknown,
            units: saved.units,
        })
    }
}

impl Vocabulary {
    /// The token that ends a sentence. A decoder reads it also where a sentence begins.
    pub const END: i32 = 0;

    /// The token of what the vocabulary does not hold, and of a word that a decoder was not let see.
    pub const UNKNOWN: i32 = 1;

    /// The tokens that are no units.
    const SPECIAL: usize = 2;

    /// The vocabulary of sentences: their units that occur so often at least. With 1 it holds all, and a sentence with another
    /// unit is refused; with more, what is left out is learned as one unknown unit, and others are taken for it later.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the count is 0; [`Error::Samples`] if no unit occurs so often.
    pub fn of<S: AsRef<str>>(unit: Unit, sentences: &[S], least_count: usize) -> Result<Self> {
        check_at_least_one("Vocabulary", "least_count", least_count)?;
        let mut counts = BTreeMap::<&str, usize>::new();
        for sentence in sentences {
            for one in unit.cut(sentence.as_ref()) {
                *counts.entry(one).or_default() += 1;
            }
        }
        let frequent = counts.iter().filter(|(_, count)| **count >= least_count);
        let units: Vec<String> = frequent.map(|(one, _)| one.to_string()).collect();
        if units.is_empty() {
            return Err(Error::Samples(format!(
                "Vocabulary: no {} occurs {least_count} times in {} sentences; lower the least count",
                unit.name(),
                sentences.len()
            )));
        }
        Ok(Self {
            unit,
            has_unknown: units.len() < counts.len(),
            units,
        })
    }

    /// What sentences are cut into.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The number of tokens, those that are no units among them: what a network is to tell apart.
    pub fn len(&self) -> usize {
        self.units.len() + Self::SPECIAL
    }

    /// Never: there are [`END`](Self::END) and [`UNKNOWN`](Self::UNKNOWN).
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The tokens of a sentence, without the one that ends it.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if the sentence is empty, or a unit is unknown where none was in training.
    pub fn tokens(&self, sentence: &str) -> Result<Vec<i32>> {
        self.encode(sentence).map_err(|reason| Error::Support {
            what: format!("the sentence `{sentence}`"),
            reason,
        })
    }

    /// The tokens of a sentence, or why there are none.
    fn encode(&self, sentence: &str) -> Result<Vec<i32>, String> {
        if sentence.trim().is_empty() {
            return Err("is empty; leave it out, for a sentence holds something".to_string());
        }
        let token = |one: &str| {
            let place = self.units.binary_search_by(|unit| unit.as_str().cmp(one));
            match place {
                Ok(place) => Ok((place + Self::SPECIAL) as i32),
                Err(_) if self.has_unknown => Ok(Self::UNKNOWN),
                Err(_) => Err(format!(
                    "holds the {} `{one}`, which the vocabulary does not: leave it out, or make vocabulary and model anew \
                     with it (or with a least count of 2, which makes rare ones unknown)",
                    self.unit.name()
                )),
            }
        };
        self.unit.cut(sentence).into_iter().map(token).collect()
    }

    /// The tokens of a sentence of so many at most, or why there are none.
    pub(crate) fn encode_within(
        &self,
        sentence: &str,
        max_length: usize,
    ) -> Result<Vec<i32>, String> {
        let tokens = self.encode(sentence)?;
        if tokens.len() <= max_length {
            return Ok(tokens);
        }
        Err(format!(
            "is {} {}s long, where the model takes {max_length}; shorten it, or make a model of a greater max_length",
            tokens.len(),
            self.unit.name()
        ))
    }

    /// Sentences as a batch, `[sentences, max_length]`, of which the rest is filled up.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no sentences; [`Error::Support`] that names the sentence, counted from 1, if one is
    /// empty, longer than `max_length` units, or holds what is unknown where nothing was in training.
    pub fn batch<S: AsRef<str>>(
        &self,
        sentences: &[S],
        max_length: usize,
        device: &Device,
    ) -> Result<Tokens> {
        check_at_least_one("Vocabulary", "the number of sentences", sentences.len())?;
        let rows = sentences.iter().enumerate().map(|(index, sentence)| {
            self.encode_within(sentence.as_ref(), max_length)
                .map_err(|reason| Error::Support {
                    what: format!("sentence {} (`{}`)", index + 1, sentence.as_ref()),
                    reason,
                })
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(padded(&rows, max_length, device))
    }

    /// The sentence of these tokens; what is unknown is the character U+FFFD.
    pub fn text(&self, tokens: &[i32]) -> String {
        let unit = |&token: &i32| {
            let place = usize::try_from(token).ok()?.checked_sub(Self::SPECIAL)?;
            self.units.get(place).map(String::as_str)
        };
        let units = tokens.iter().map(|token| unit(token).unwrap_or("\u{FFFD}"));
        let units: Vec<&str> = units.collect();
        units.join(match self.unit {
            Unit::Character => "",
            Unit::Word => " ",
        })
    }

    /// The sentences of a batch.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] if the device cannot be read.
    pub fn sentences(&self, tokens: &Tokens) -> Result<Vec<String>> {
        let rows = tokens.rows()?;
        Ok(rows.iter().map(|tokens| self.text(tokens)).collect())
    }
}

/// Sentences side by side, each filled up to so many places.
pub(crate) fn padded(rows: &[Vec<i32>], places: usize, device: &Device) -> Tokens {
    let mut tokens = Vec::with_capacity(rows.len() * places);
    for row in rows {
        tokens.extend_from_slice(row);
        tokens.resize(tokens.len() + places - row.len(), Vocabulary::END);
    }
    let lengths: Vec<i32> = rows.iter().map(|row| row.len() as i32).collect();
    let count = rows.len();
    Tokens::new(
        Tensor::<2, Int>::from_data(TensorData::new(tokens, [count, places]), device),
        Tensor::<1, Int>::from_data(TensorData::new(lengths, [count]), device),
    )
}
