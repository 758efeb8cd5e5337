//! NumPy's formats: `.npy`, one array, and `.npz`, a zip archive of several with a name each.
//!
//! | NumPy's type | read as |
//! |---|---|
//! | `uint8`, `bool` | bytes |
//! | `int8` to `int64`, `uint16` to `uint64`, `float32`, `float64` | `f32` |
//!
//! Both byte orders and both memory orders (C and Fortran) are read. An `f32` holds integers up to 2^24 exactly, and
//! larger ones to seven digits. What is no plain array of numbers (text, objects, records, complex numbers) is refused.
//!
//! The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::idx::Values;
use super::reading::{self, read_exact, read_values};
use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// An array of a `.npy` or `.npz` file in memory.
///
/// ```no_run
/// use burn::prelude::*;
/// use burn_generative::data::npy::Array;
///
/// let spectra = Array::open("spectra.npy")?;
/// let spectra: Tensor<2> = spectra.tensor(&Device::default())?;
/// let images = Array::open_npz("galaxies.npz", "images")?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// What its errors name.
    path: PathBuf,
    shape: Vec<usize>,
    values: Values,
}

/// The longest header that is read; NumPy's own limit is 10,000 bytes.
const MAX_HEADER: usize = 1 << 16;

impl Array {
    /// Reads a `.npy` file, raw or gzip-compressed.
    ///
    /// Memory grows with what the file holds, never with what its header claims.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file if it is missing, empty, truncated, too long, corrupt, no `.npy` file, or
    /// one of values that are no numbers.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (shape, values) =
            read(reading::open(path)?).map_err(|reason| Error::data(path, reason))?;
        Ok(Self {
            path: path.to_path_buf(),
            shape,
            values,
        })
    }

    /// Reads one array of a `.npz` file, of `numpy.savez` or `numpy.savez_compressed`. NumPy calls arrays that were
    /// given no name `arr_0`, `arr_1` and so on.
    ///
    /// Memory grows with what the archive holds, never with what a header claims.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); and [`Error::Data`] with the names that there are, if there is no array of this name.
    pub fn open_npz(path: impl AsRef<Path>, name: &str) -> Result<Self> {
        let path = path.as_ref();
        let refuse = |reason: String| Error::data(path, reason);
        let file =
            File::open(path).map_err(|error| refuse(format!("cannot be opened: {error}")))?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            refuse(format!(
                "is no .npz archive, or a truncated one ({error}); a single array, .npy, is read by Array::open"
            ))
        })?;
        let entry = format!("{name}.npy");
        if archive.index_for_name(&entry).is_none() {
            let names: Vec<String> = archive
                .file_names()
                .flatten()
                .map(|entry| entry.trim_end_matches(".npy").to_string())
                .collect();
            return Err(refuse(format!(
                "holds no array `{name}`; it holds: {}",
                names.join(", ")
            )));
        }
        let (shape, values) = archive
            .by_name(&entry)
            .map_err(|error| error.to_string())
            .and_then(read)
            .map_err(|reason| refuse(format!("array `{name}`: {reason}")))?;
        Ok(Self {
            path: path.to_path_buf(),
            shape,
            values,
        })
    }

    /// The size of each axis; of none for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, last axis fastest.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The array as a tensor of `D` axes, its values as they are: bytes are not scaled, so divide pixels by 255.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file if the array has another number of axes, or no values.
    pub fn tensor<const D: usize>(&self, device: &Device) -> Result<Tensor<D>> {
        let Ok(shape) = <[usize; D]>::try_from(&self.shape[..]) else {
            let (axes, shape) = (self.shape.len(), &self.shape);
            let reason = format!("holds an array of {axes} axes, {shape:?}, where {D} are wanted");
            return Err(Error::data(&self.path, reason));
        };
        if shape.contains(&0) {
            let reason = format!("holds no values: its shape is {shape:?}");
            return Err(Error::data(&self.path, reason));
        }
        let floats = match &self.values {
            Values::Bytes(bytes) => bytes.iter().map(|&byte| f32::from(byte)).collect(),
            Values::Floats(floats) => floats.clone(),
        };
        Ok(Tensor::from_data(TensorData::new(floats, shape), device))
    }
}

/// What a header says.
struct Header {
    /// NumPy's name of the numbers' type, the byte order left out: `f8`.
    number: String,
    /// Bytes a number.
    width: usize,
    big_endian: bool,
    /// Whether the first axis is the fastest, not the last.
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Reads an uncompressed stream to its end; the error says what is wrong with it.
fn read(mut reader: impl Read) -> Result<(Vec<usize>, Values), String> {
    let mut magic = [0; 8];
    read_exact(&mut reader, &mut magic)?;
    let length = match magic {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => {
            let mut length = [0; 2];
            read_exact(&mut reader, &mut length)?;
            usize::from(u16::from_le_bytes(length))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _] => {
            let mut length = [0; 4];
            read_exact(&mut reader, &mut length)?;
            u32::from_le_bytes(length) as usize
        }
        [b'P', b'K', ..] => {
            return Err(
                "is a zip archive: if it is an .npz file, read it by Array::open_npz".into(),
            );
        }
        _ => return Err("is no .npy file of version 1, 2 or 3".to_string()),
    };
    if length > MAX_HEADER {
        return Err(format!(
            "claims a header of {length} bytes; at most {MAX_HEADER} are read"
        ));
    }
    let mut header = vec![0; length];
    read_exact(&mut reader, &mut header)?;
    let header = Header::parse(&String::from_utf8_lossy(&header))?;

    let mut bytes = read_values(reader, &header.shape, header.width)?;
    if header.big_endian {
        for value in bytes.chunks_exact_mut(header.width) {
            value.reverse();
        }
    }
    let mut values = values(&header.number, bytes);
    if header.fortran_order {
        values = match values {
            Values::Bytes(bytes) => Values::Bytes(last_axis_fastest(&bytes, &header.shape)),
            Values::Floats(floats) => Values::Floats(last_axis_fastest(&floats, &header.shape)),
        };
    }
    Ok((header.shape, values))
}

impl Header {
    /// Reads Python's text of a dictionary: `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str) -> Result<Self, String> {
        let entry = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}':"))?;
            Some(rest.trim_start())
        };
        let corrupt = || format!("is no .npy file, or a corrupt one: its header is {text:?}");

        let descr = entry("descr").ok_or_else(corrupt)?;
        if descr.starts_with('[') {
            return Err(
                "holds records of several fields: save each field as an array of its own".into(),
            );
        }
        let descr = descr.split('\'').nth(1).ok_or_else(corrupt)?;
        let number = descr.trim_start_matches(['<', '>', '|', '=']);
        let width = number_width(number).ok_or_else(|| {
            let what = match number.chars().next() {
                Some('O') => "Python objects",
                Some('U' | 'S' | 'a') => "text",
                Some('M' | 'm') => "dates or times",
                Some('c') => "complex numbers",
                _ => "values of a type that is not read",
            };
            format!("holds {what} ({descr:?}): save it from NumPy as numbers, x.astype('float32')")
        })?;

        let fortran_order = entry("fortran_order").ok_or_else(corrupt)?;
        let shape = entry("shape").ok_or_else(corrupt)?;
        let (shape, _) = shape
            .strip_prefix('(')
            .and_then(|shape| shape.split_once(')'))
            .ok_or_else(corrupt)?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|size| !size.is_empty())
            .map(|size| size.parse().map_err(|_| corrupt()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            number: number.to_string(),
            width,
            big_endian: descr.starts_with('>'),
            fortran_order: fortran_order.starts_with("True"),
            shape,
        })
    }
}

fn number_width(number: &str) -> Option<usize> {
    match number {
        "b1" | "u1" | "i1" => Some(1),
        "u2" | "i2" => Some(2),
        "u4" | "i4" | "f4" => Some(4),
        "u8" | "i8" | "f8" => Some(8),
        _ => None,
    }
}

/// The values of little-endian bytes.
fn values(number: &str, bytes: Vec<u8>) -> Values {
    fn convert<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Values {
        let (chunks, _) = bytes.as_chunks::<N>();
        Values::Floats(chunks.iter().map(|&chunk| value(chunk)).collect())
    }
    match number {
        "i1" => convert(&bytes, |b| f32::from(i8::from_le_bytes(b))),
        "u2" => convert(&bytes, |b| f32::from(u16::from_le_bytes(b))),
        "i2" => convert(&bytes, |b| f32::from(i16::from_le_bytes(b))),
        "u4" => convert(&bytes, |b| u32::from_le_bytes(b) as f32),
        "i4" => convert(&bytes, |b| i32::from_le_bytes(b) as f32),
        "f4" => convert(&bytes, f32::from_le_bytes),
        "u8" => convert(&bytes, |b| u64::from_le_bytes(b) as f32),
        "i8" => convert(&bytes, |b| i64::from_le_bytes(b) as f32),
        "f8" => convert(&bytes, |b| f64::from_le_bytes(b) as f32),
        _ => Values::Bytes(bytes),
    }
}

/// Values that lie with the first axis fastest, with the last axis fastest.
fn last_axis_fastest<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut steps = Vec::with_capacity(shape.len());
    let mut step = 1;
    for size in shape {
        steps.push(step);
        step *= size;
    }
    let mut index = vec![0; shape.len()];
    let mut place = 0;
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        ordered.push(values[place]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            place += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            place -= steps[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    ordered
}
