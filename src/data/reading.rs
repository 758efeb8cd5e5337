//! What the readers of files share.

use crate::error::{Error, Result};
use flate2::bufread::GzDecoder;
use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Opens a file that holds something, unpacked if it is gzip-compressed; that is told by its content, not by its
/// name.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path)
        .map_err(|error| Error::data(path, format!("cannot be opened: {error}")))?;
    let mut reader = BufReader::new(file);
    let start = reader
        .fill_buf()
        .map_err(|error| Error::data(path, format!("cannot be read: {error}")))?;
    match start {
        [] => Err(Error::data(path, "is empty")),
        [0x1f, 0x8b, ..] => Ok(Box::new(Unpacked::new(reader))),
        _ => Ok(Box::new(reader)),
    }
}

/// What a gzip file holds: of all its members, one after the other, and up to the zero bytes that some writers fill the
/// last block with.
struct Unpacked<R>(Option<GzDecoder<R>>);

impl<R: BufRead> Unpacked<R> {
    fn new(reader: R) -> Self {
        Self(Some(GzDecoder::new(reader)))
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(mut member) = self.0.take() {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                self.0 = Some(member);
                return Ok(count);
            }
            let mut rest = member.into_inner();
            if skip_zeros(&mut rest)? {
                self.0 = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Goes past zero bytes; says whether anything follows them.
fn skip_zeros(reader: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        let start = reader.fill_buf()?;
        let zeros = start.iter().take_while(|&&byte| byte == 0).count();
        if zeros == 0 {
            return Ok(!start.is_empty());
        }
        reader.consume(zeros);
    }
}

/// Fills a part of a header.
pub(super) fn read_exact(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), String> {
    reader.read_exact(buffer).map_err(describe)
}

/// The bytes of values of this shape, `width` bytes each, which end the stream. Memory grows with what the stream
/// holds, never with the shape.
pub(super) fn read_values(
    reader: impl Read,
    shape: &[usize],
    width: usize,
) -> Result<Vec<u8>, String> {
    let claimed = shape
        .iter()
        .try_fold(width as u64, |bytes, &size| bytes.checked_mul(size as u64))
        .ok_or_else(|| format!("claims a shape of {shape:?}, more than any file can hold"))?;

    // One byte more than claimed is asked for, so that a longer file is noticed.
    let mut bytes = Vec::new();
    reader
        .take(claimed.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(describe)?;
    match (bytes.len() as u64).cmp(&claimed) {
        Ordering::Less => Err(format!(
            "is truncated: its header claims {shape:?}, {claimed} bytes of values, but it holds {}",
            bytes.len()
        )),
        Ordering::Greater => Err(format!(
            "is longer than its header claims ({shape:?}, {claimed} bytes of values): it is corrupt, or \
             another file"
        )),
        Ordering::Equal => Ok(bytes),
    }
}

/// What a failure to read says of a file.
pub(super) fn describe(error: std::io::Error) -> String {
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            "is truncated: it ends within its header, or its compressed stream \
                                     breaks off"
                .to_string()
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            format!("is a corrupt gzip or zip file: {error}")
        }
        _ => format!("cannot be read: {error}"),
    }
}

/// The folders in a folder, and the files that end in one of the extensions, sorted; what is hidden left out.
pub(super) fn entries(folder: &Path, extensions: &[&str]) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let refuse = |error: std::io::Error| Error::data(folder, format!("cannot be read: {error}"));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let (folders, mut files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    files.retain(|path| {
        let extension = path.extension().unwrap_or_default();
        extensions
            .iter()
            .any(|name| extension.eq_ignore_ascii_case(name))
    });
    Ok((folders, files))
}

/// Appends the files of a folder and of all folders in it that end in one of the extensions; `above` has those that lead to
/// it, links resolved.
pub(super) fn walk(
    folder: &Path,
    extensions: &[&str],
    above: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> Result<()> {
    let own = resolved(folder)?;
    if above.contains(&own) {
        let reason = "leads back to a folder above it: remove this link";
        return Err(Error::data(folder, reason));
    }
    let (folders, mut found) = entries(folder, extensions)?;
    files.append(&mut found);
    above.push(own);
    for inner in folders {
        walk(&inner, extensions, above, files)?;
    }
    above.pop();
    Ok(())
}

/// The path without links.
pub(super) fn resolved(folder: &Path) -> Result<PathBuf> {
    fs::canonicalize(folder)
        .map_err(|error| Error::data(folder, format!("cannot be read: {error}")))
}
