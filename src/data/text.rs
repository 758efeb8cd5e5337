use super::reading;
use crate::error::{Error, Result};
use crate::sequence::{Tokens, Unit, Vocabulary, padded};
use burn::tensor::Device;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The sentences of a text file, one a line: a list of words, names or formulas, a corpus. The file is UTF-8, raw or
/// gzip-compressed; an error names the line.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::Text;
/// use burn_generative::sequence::{Unit, Vocabulary};
///
/// let path = std::env::temp_dir().join(format!("names-{}.txt", std::process::id()));
/// std::fs::write(&path, "Ada\nAlan\nGrace\n").unwrap();
/// let text = Text::open(&path)?;
/// let vocabulary = Vocabulary::of(Unit::Character, text.sentences(), 1)?;
/// let longest = text.longest(Unit::Character);
/// let tokens = text.tokens(&vocabulary, longest, &Device::default())?;
/// assert_eq!(vocabulary.sentences(&tokens)?, ["Ada", "Alan", "Grace"]);
///
/// let refused = text.tokens(&vocabulary, 4, &Device::default()).unwrap_err().to_string();
/// assert!(refused.contains("line 3 is 5 characters long"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Text {
    path: PathBuf,
    sentences: Vec<String>,
}

impl Text {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] that names the file, and the line where there is one, if it cannot be read, is empty, is not UTF-8, or
    /// holds a line without a sentence.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        reading::open(path)?
            .read_to_end(&mut bytes)
            .map_err(|error| Error::data(path, reading::describe(error)))?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let lines = bytes.split(|&byte| byte == b'\n').enumerate();
        let sentence = |(index, line): (usize, &[u8])| {
            let refuse = |reason: &str| Error::data(path, format!("line {} {reason}", index + 1));
            let line = std::str::from_utf8(line).map_err(|_| {
                refuse("is not UTF-8; convert the file, by `iconv -f LATIN1 -t UTF-8` for instance")
            })?;
            if line.trim().is_empty() {
                return Err(refuse("is empty, where each line is a sentence; remove it"));
            }
            Ok(line.trim_end_matches('\r').to_string())
        };
        Ok(Self {
            path: path.to_path_buf(),
            sentences: lines.map(sentence).collect::<Result<_>>()?,
        })
    }

    /// The sentences, in order.
    pub fn sentences(&self) -> &[String] {
        &self.sentences
    }

    /// How many units the longest sentence has.
    pub fn longest(&self, unit: Unit) -> usize {
        let lengths = self.sentences.iter().map(|sentence| unit.count(sentence));
        lengths.max().unwrap_or(0)
    }

    /// The sentences as a batch, `[sentences, max_length]`.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] that names file and line, if a sentence is longer than `max_length` units, or holds what the vocabulary
    /// does not and nothing was unknown when it was made.
    pub fn tokens(
        &self,
        vocabulary: &Vocabulary,
        max_length: usize,
        device: &Device,
    ) -> Result<Tokens> {
        let rows = self.sentences.iter().enumerate().map(|(index, sentence)| {
            let row = vocabulary.encode_within(sentence, max_length);
            row.map_err(|reason| Error::data(&self.path, format!("line {} {reason}", index + 1)))
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(padded(&rows, max_length, device))
    }
}
