//! Files that are whole or not there, and checksums.

use crate::error::{Error, Result};
use burn::store::burn_pack::AtomicFile;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;

/// Writes a file, in pieces, under another name, syncs it, and renames it when it is whole: a crash or a full
/// disk leaves what was there before.
pub(crate) fn write(path: &Path, pieces: &[&[u8]]) -> Result<()> {
    let refuse = |error: burn::store::burn_pack::Error| Error::record(path, error.to_string());
    let (target, mut file) = AtomicFile::create(path).map_err(refuse)?;
    pieces
        .iter()
        .try_for_each(|piece| file.write_all(piece))
        .and_then(|()| file.sync_all())
        .map_err(Error::io(path))?;
    drop(file);
    target.commit().map_err(refuse)
}

/// The SHA-256 of pieces, and of where each begins.
pub(crate) fn sha256<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let hash = pieces.into_iter().fold(Sha256::new(), |hash, piece| {
        let length = piece.len() as u64;
        hash.chain_update(length.to_le_bytes()).chain_update(piece)
    });
    hash.finalize().into()
}

/// The SHA-256 of bytes, as other tools have it.
#[cfg(feature = "data")]
pub(crate) fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A checksum in hexadecimal digits.
pub(crate) fn hex(digest: [u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
