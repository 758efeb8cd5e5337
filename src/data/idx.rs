//! The IDX format of MNIST and its relatives: a header of big-endian sizes, and the values.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0, 1 | zero |
//! | 2 | type of the values: `08` u8, `09` i8, `0B` i16, `0C` i32, `0D` f32, `0E` f64 |
//! | 3 | number of axes |
//! | 4 for each axis | its size, big-endian |
//! | the rest | the values, big-endian, last axis fastest |
//!
//! A file may be gzip-compressed; that is told by its content, not by its name.

use super::reading::{self, read_exact, read_values};
use crate::error::{Error, Result};
use std::io::Read;
use std::path::Path;

/// An IDX file in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// The values, last axis fastest.
    pub values: Values,
}

/// The values of an IDX file, or of a [NumPy array](super::npy::Array).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Unsigned bytes: grey pixels, labels; NumPy's truth values, as 0 and 1.
    Bytes(Vec<u8>),
    /// Any other type of the format, as `f32`.
    Floats(Vec<f32>),
}

/// The most axes that a file may claim.
const MAX_AXES: usize = 8;

impl Idx {
    /// Reads a file, raw or gzip-compressed.
    ///
    /// Memory grows with what the file holds, never with what its header claims.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file if it is missing, empty, truncated, too long, corrupt, or no
    /// IDX file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_typed(path.as_ref()).map(|(idx, _)| idx)
    }

    /// A file, and what it calls the type of its values.
    pub(super) fn open_typed(path: &Path) -> Result<(Self, &'static str)> {
        Self::read(reading::open(path)?).map_err(|reason| Error::data(path, reason))
    }

    /// Reads an uncompressed stream to its end; the error says what is wrong with it.
    fn read(mut reader: impl Read) -> Result<(Self, &'static str), String> {
        let mut magic = [0; 4];
        read_exact(&mut reader, &mut magic)?;
        let [0, 0, kind, axes] = magic else {
            return Err(format!(
                "is no IDX file: it starts with {magic:02x?}, not with two zero bytes"
            ));
        };
        let Some((width, type_name)) = value_type(kind) else {
            return Err(format!("is no IDX file: its value type is {kind:#04x}"));
        };
        let axes = usize::from(axes);
        if !(1..=MAX_AXES).contains(&axes) {
            return Err(format!("claims {axes} axes; at most {MAX_AXES} are read"));
        }

        let mut shape = Vec::with_capacity(axes);
        for _ in 0..axes {
            let mut size = [0; 4];
            read_exact(&mut reader, &mut size)?;
            shape.push(u32::from_be_bytes(size) as usize);
        }
        let bytes = read_values(reader, &shape, width)?;
        let values = values(kind, bytes);
        Ok((Self { shape, values }, type_name))
    }
}

/// The bytes of a value, and the name of its type.
fn value_type(kind: u8) -> Option<(usize, &'static str)> {
    match kind {
        0x08 => Some((1, "u8")),
        0x09 => Some((1, "i8")),
        0x0b => Some((2, "i16")),
        0x0c => Some((4, "i32")),
        0x0d => Some((4, "f32")),
        0x0e => Some((8, "f64")),
        _ => None,
    }
}

fn values(kind: u8, bytes: Vec<u8>) -> Values {
    fn convert<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Values {
        let (chunks, _) = bytes.as_chunks::<N>();
        Values::Floats(chunks.iter().map(|&chunk| value(chunk)).collect())
    }
    match kind {
        0x09 => convert(&bytes, |b| f32::from(i8::from_be_bytes(b))),
        0x0b => convert(&bytes, |b| f32::from(i16::from_be_bytes(b))),
        0x0c => convert(&bytes, |b| i32::from_be_bytes(b) as f32),
        0x0d => convert(&bytes, f32::from_be_bytes),
        0x0e => convert(&bytes, |b| f64::from_be_bytes(b) as f32),
        _ => Values::Bytes(bytes),
    }
}
