//! The one error type of the crate.

use std::path::{Path, PathBuf};

/// What can go wrong that a user can cause, each with the thing it names and the way out.
///
/// A shape bug in the calling code is not here: it panics, as burn's own layers do, with a message
/// that names both shapes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that cannot work: a size of zero, an image too small for its convolutions.
    #[error("invalid configuration: {0}")]
    Config(String),

    /// A data file that is missing, truncated, corrupt, or not what it should be.
    #[error("{}: {reason}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do about it.
        reason: String,
    },

    /// Values that a likelihood cannot explain, or that are no numbers at all.
    #[error("{what}: {reason}")]
    Support {
        /// The tensor that was looked at, in the caller's words.
        what: String,
        /// What is wrong with its values, and what to do about it.
        reason: String,
    },

    /// A weight file or checkpoint that is missing, corrupt, or belongs to another model.
    #[error("{}: {reason}", path.display())]
    Record {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do about it.
        reason: String,
    },

    /// Training that could not go on.
    #[error("training stopped: {0}")]
    Training(String),

    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word on it.
        source: std::io::Error,
    },

    /// Samples that do not determine what is asked of them: too few of them, all the same, or no numbers.
    #[error("{0}")]
    Samples(String),

    /// A picture that cannot be drawn.
    #[error("picture: {0}")]
    Plot(String),

    /// A tensor that could not be read back from its device.
    #[error("device: {0}")]
    Device(String),
}

impl Error {
    /// An [`Error::Data`] about `path`.
    pub fn data(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Data {
            path: path.as_ref().to_path_buf(),
            reason: reason.into(),
        }
    }

    /// An [`Error::Record`] about `path`.
    pub fn record(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Record {
            path: path.as_ref().to_path_buf(),
            reason: reason.into(),
        }
    }

    /// An [`Error::Io`] about `path`; for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }
}

impl From<burn::tensor::TensorReadError> for Error {
    fn from(error: burn::tensor::TensorReadError) -> Self {
        Self::Device(error.to_string())
    }
}

/// Refuses a number of 0 of a part that needs one.
pub(crate) fn check_at_least_one(part: &str, name: &str, number: usize) -> Result<()> {
    match number {
        0 => Err(Error::Config(format!("{part}: {name} must be at least 1"))),
        _ => Ok(()),
    }
}

/// Refuses an order that does not name each of so many variables once.
pub(crate) fn check_order(part: &str, order: &[usize], variables: usize) -> Result<()> {
    let mut is_named = vec![false; variables];
    for &variable in order {
        let Some(is_named) = is_named.get_mut(variable) else {
            return Err(Error::Config(format!(
                "{part}: an order of {variables} variables names each of 0 to {}, and there is no {variable}",
                variables.saturating_sub(1)
            )));
        };
        if std::mem::replace(is_named, true) {
            return Err(Error::Config(format!(
                "{part}: an order names each variable once, and this one has {variable} twice"
            )));
        }
    }
    match is_named.iter().position(|is_named| !is_named) {
        Some(missing) => Err(Error::Config(format!(
            "{part}: an order of {variables} variables names each of them, and this one lacks {missing}"
        ))),
        None => Ok(()),
    }
}

/// The value, if it is a positive number; `what` names it.
pub(crate) fn check_positive(what: &str, value: f64) -> Result<f64> {
    match value > 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(Error::Config(format!(
            "{what} must be a positive number, not {value}"
        ))),
    }
}

/// The value, if it is finite and not negative; `what` names it.
pub(crate) fn check_not_negative(what: &str, value: f64) -> Result<f64> {
    match value >= 0.0 && value.is_finite() {
        true => Ok(value),
        false => Err(Error::Config(format!(
            "{what} must be finite and not negative, not {value}"
        ))),
    }
}

/// A `Result` whose error is [`enum@Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;
