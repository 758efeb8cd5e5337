use super::TableConfig;
use crate::data::reading;
use crate::error::{Error, Result};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The values of a CSV file as text, as many in each row.
pub(super) struct Sheet {
    path: PathBuf,
    names: Vec<String>,
    rows: Vec<StringRecord>,
    /// The line that each row begins on, counted from 1.
    lines: Vec<usize>,
}

impl Sheet {
    pub(super) fn open(path: &Path, config: &TableConfig) -> Result<Self> {
        let separator = config.separator_byte()?;
        let refuse = |reason: String| Error::data(path, reason);
        let text = read(path)?;
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .from_reader(text.as_bytes());

        let (mut rows, mut lines) = (Vec::new(), Vec::new());
        let mut record = StringRecord::new();
        let (mut begin, mut line) = (0, 1);
        while reader
            .read_record(&mut record)
            .map_err(|error| refuse(error.to_string()))?
        {
            let end = (reader.position().byte() as usize).min(text.len());
            let raw = &text[begin..end];
            // Empty lines before it are no part of it.
            let own = raw.trim_start_matches(['\r', '\n']);
            line += newlines(&raw[..raw.len() - own.len()]);
            if end == text.len() && ends_in_quotes(own, separator) {
                let reason = format!("line {line}: a quote is opened and never closed");
                return Err(refuse(reason));
            }
            rows.push(record.clone());
            lines.push(line);
            (begin, line) = (end, line + newlines(own));
        }
        if rows.is_empty() {
            return Err(refuse("is empty".to_string()));
        }

        let columns = rows[0].len();
        let names: Vec<String> = if config.header {
            lines.remove(0);
            rows.remove(0).iter().map(String::from).collect()
        } else {
            (1..=columns).map(|number| number.to_string()).collect()
        };
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(refuse(format!(
                    "has two columns `{name}`: rename one, or say that the first line is no header \
                     (TableConfig::with_header)"
                )));
            }
        }
        if rows.is_empty() {
            return Err(refuse(
                "has a header and no rows; if its only line is no header, say so (TableConfig::with_header)".into(),
            ));
        }
        for (row, (record, line)) in rows.iter().zip(&lines).enumerate() {
            if record.len() != columns {
                return Err(refuse(format!(
                    "row {} (line {line}) has {} values, where the first line has {columns}; is {:?} what separates \
                     them?",
                    row + 1,
                    record.len(),
                    config.separator
                )));
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            names,
            rows,
            lines,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The place of a column.
    pub(super) fn column(&self, name: &str) -> Result<usize> {
        let place = self.names.iter().position(|own| own == name);
        place.ok_or_else(|| {
            let reason = format!("has no column `{name}`; it has: {}", self.names.join(", "));
            Error::data(&self.path, reason)
        })
    }

    pub(super) fn value(&self, row: usize, column: usize) -> &str {
        &self.rows[row][column]
    }

    /// The values of a column.
    pub(super) fn values(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| &row[column])
    }

    /// The error about one value. Rows are counted from 1, the header left out.
    pub(super) fn refuse(&self, row: usize, column: &str, reason: String) -> Error {
        let (number, line) = (row + 1, self.lines[row]);
        let reason = format!("row {number} (line {line}), column `{column}`: {reason}");
        Error::data(&self.path, reason)
    }
}

/// The text of a file, unpacked.
fn read(path: &Path) -> Result<String> {
    let refuse = |reason: String| Error::data(path, reason);
    let mut bytes = Vec::new();
    reading::open(path)?
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(reading::describe(error)))?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        refuse(format!(
            "is no UTF-8 text, first on line {line}: save it as UTF-8"
        ))
    })?;
    // Some spreadsheets mark UTF-8 so.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Whether the last value of a row is in quotes that are not closed.
fn ends_in_quotes(row: &str, separator: u8) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Place {
        Begin,
        Quoted,
        /// After a quote that closes, or, if another follows, stands for one.
        Closed,
        /// Of a value without quotes, where a quote is a character as any other.
        Within,
    }
    use Place::{Begin, Closed, Quoted, Within};
    let last = row.bytes().fold(Begin, |place, byte| match (place, byte) {
        (Begin | Closed, b'"') => Quoted,
        (Quoted, b'"') => Closed,
        (Quoted, _) => Quoted,
        (_, byte) if byte == separator => Begin,
        _ => Within,
    });
    last == Quoted
}

fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}
