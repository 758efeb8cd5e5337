//! Tables: CSV files as tensors, and back; a variational autoencoder of mixed columns ([`TableVae`]).
//!
//! ```
//! use burn::prelude::*;
//! use burn_generative::data::table::{Schema, Table};
//!
//! let path = std::env::temp_dir().join(format!("table-{}.csv", std::process::id()));
//! std::fs::write(&path, "age,colour\n20,red\n40,blue\n?,red\n").unwrap();
//!
//! let table = Table::open(&path)?;
//! // The age in standard deviations, whether it is missing, and the colour one-hot (blue, red).
//! let rows = table.tensor(&Device::default());
//! assert_eq!(rows.dims(), [3, 4]);
//!
//! // What a model makes, as rows of the same table; the schema is saved beside the model (weights::save_dir).
//! let json = serde_json::to_string(table.schema()).unwrap();
//! let schema: Schema = serde_json::from_str(&json).unwrap();
//! assert_eq!(schema.rows(rows)?, [["20", "red"], ["40", "blue"], ["?", "red"]]);
//! # std::fs::remove_file(path).unwrap();
//! # Ok::<(), burn_generative::Error>(())
//! ```

mod likelihood;
mod modes;
mod schema;
mod sheet;
mod vae;

pub use likelihood::TableNll;
pub use schema::{Column, Kind, Schema};
pub use vae::{TableNetworks, TableVae, TableVaeConfig};

use crate::error::{Error, Result};
use burn::config::Config;
use burn::tensor::{Device, Tensor, TensorData};
use schema::{Cell, text};
use sheet::Sheet;
use std::path::Path;

/// How a CSV file is read.
///
/// A column whose values are all numbers is a column of numbers, also if they are few: of whole numbers, if all are (and at most
/// 2^22 apart) and the column is not named in [`measured`](Self::measured). If most values are numbers but not all, the file
/// is refused, and the error names the first that is none: it is a slip, a missing value under a name of its own
/// ([`missing`](Self::missing)), or else a name of categories that look like numbers ([`categories`](Self::categories)). Any
/// other column is one of categories, of at most 256 unless it is named in `categories`: one of more is likely to be text, and
/// to be left out ([`ignored`](Self::ignored)).
#[derive(Config, Debug, PartialEq)]
pub struct TableConfig {
    /// Whether the first line has the names of the columns; they are `1`, `2` and so on if not.
    #[config(default = "true")]
    pub header: bool,
    /// What stands between two values: one ASCII character.
    #[config(default = "','")]
    pub separator: char,
    /// The names of columns of categories, whatever they look like: class numbers, say.
    #[config(default = "vec![]")]
    pub categories: Vec<String>,
    /// The names of columns of numbers between which there are others, although the table happens to have whole ones alone.
    #[config(default = "vec![]")]
    pub measured: Vec<String>,
    /// The names of columns to leave out: row numbers, free text.
    #[config(default = "vec![]")]
    pub ignored: Vec<String>,
    /// What stands for a missing value, besides nothing at all.
    #[config(
        default = r#"["NA", "N/A", "NaN", "nan", "NULL", "null", "?"].map(String::from).to_vec()"#
    )]
    pub missing: Vec<String>,
}

/// The most categories of a column that was not said to be one of categories.
const MAX_CATEGORIES: usize = 256;

impl TableConfig {
    /// Reads a table, and what its columns are.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the separator is no ASCII character, or a quote or line break. [`Error::Data`] naming the
    /// file, and the row, line and column where there is one: a file that is missing, empty, no UTF-8 text, or a corrupt
    /// gzip file; a header without rows, or with a name twice; a row of more or fewer values than the header; a quote
    /// that is never closed; a column without values, or one that is neither numbers nor categories by the rule above; a
    /// column named here that is not there.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Table> {
        let sheet = Sheet::open(path.as_ref(), self)?;
        let schema = self.infer(&sheet)?;
        Table::read(&sheet, schema)
    }

    /// What the columns of a table are.
    fn infer(&self, sheet: &Sheet) -> Result<Schema> {
        let named = self.categories.iter().chain(&self.measured);
        for name in named.chain(&self.ignored) {
            sheet.column(name)?;
        }
        let columns = sheet
            .names()
            .iter()
            .enumerate()
            .filter(|(_, name)| !self.ignored.contains(name))
            .map(|(index, name)| self.infer_column(sheet, index, name))
            .collect::<Result<_>>()?;
        Schema::new(self.clone(), columns)
            .map_err(|error| Error::data(sheet.path(), error.to_string()))
    }

    fn infer_column(&self, sheet: &Sheet, index: usize, name: &str) -> Result<Column> {
        let (missing, present): (Vec<_>, Vec<_>) = sheet
            .values(index)
            .enumerate()
            .partition(|(_, value)| self.is_missing(value));
        let refuse =
            |reason: String| Error::data(sheet.path(), format!("column `{name}`: {reason}"));
        if present.is_empty() {
            let remedy = "leave it out, TableConfig::with_ignored";
            return Err(refuse(format!("has no values: {remedy}")));
        }

        let is_asked_for = self.categories.iter().any(|category| category == name);
        let numbers: Vec<f64> = present
            .iter()
            .filter_map(|(_, value)| number(value))
            .collect();
        let kind = if numbers.len() == present.len() && !is_asked_for {
            Kind::of_numbers(&numbers, !self.measured.iter().any(|own| own == name))
        } else {
            let words = present.len() - numbers.len();
            let first_word = present.iter().find(|(_, value)| number(value).is_none());
            if let Some(&(row, word)) = first_word
                && numbers.len() > words
                && !is_asked_for
            {
                let reason = format!(
                    "{word:?} is no number, as {} of its {} values are: correct it, or name what stands for a missing \
                     value (TableConfig::with_missing) or the column, if it is one of categories \
                     (TableConfig::with_categories)",
                    numbers.len(),
                    present.len()
                );
                return Err(sheet.refuse(row, name, reason));
            }
            let kind = Kind::of_categories(present.iter().map(|(_, value)| *value));
            let count = kind.width();
            if count > MAX_CATEGORIES && !is_asked_for {
                return Err(refuse(format!(
                    "has {count} different values that are no numbers, more than {MAX_CATEGORIES}: leave it out \
                     (TableConfig::with_ignored), or say that it is one of categories (TableConfig::with_categories)"
                )));
            }
            kind
        };
        Ok(Column {
            name: name.to_string(),
            kind,
            missing: missing.first().map(|(_, value)| value.to_string()),
        })
    }

    fn is_missing(&self, value: &str) -> bool {
        value.is_empty() || self.missing.iter().any(|missing| missing == value)
    }

    /// The separator as the byte it is.
    fn separator_byte(&self) -> Result<u8> {
        u8::try_from(self.separator)
            .ok()
            .filter(|byte| byte.is_ascii() && !b"\"\r\n".contains(byte))
            .ok_or_else(|| {
                Error::Config(format!(
                    "TableConfig: separator {:?}; it must be one ASCII character, no quote and no line break",
                    self.separator
                ))
            })
    }
}

/// The value, if it is a finite number.
fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A CSV file in memory, raw or gzip-compressed on disk.
///
/// Spaces around values are no part of them. A value in quotes may hold separators, line breaks and, doubled, quotes.
/// Empty lines are passed over.
#[derive(Clone, Debug)]
pub struct Table {
    schema: Schema,
    /// Row after row.
    cells: Vec<Cell>,
}

impl Table {
    /// Reads a table with a header, of values between commas, and what its columns are; [`TableConfig::open`] reads
    /// others.
    ///
    /// # Errors
    ///
    /// Those of [`TableConfig::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        TableConfig::new().open(path)
    }

    /// Reads a table of the columns of a schema, by name and in any order: what a model is tested on, with the means,
    /// deviations and categories of what it was trained on. Other columns are left out, with a warning in the log. A file
    /// without a header, of as many columns as the schema, has the schema's in their order, as [`write`](Self::write) makes it; where
    /// columns were left out, a warning says so.
    ///
    /// # Errors
    ///
    /// Those of [`TableConfig::open`] about the file itself; and [`Error::Data`] naming file, row, line and column if a
    /// column is not there, or a value is an unknown category, no number where the schema has numbers, or missing where
    /// the schema knows of no missing values.
    pub fn open_with(path: impl AsRef<Path>, schema: &Schema) -> Result<Self> {
        let sheet = Sheet::open(path.as_ref(), schema.config())?;
        Self::read(&sheet, schema.clone())
    }

    fn read(sheet: &Sheet, schema: Schema) -> Result<Self> {
        let columns = schema.columns();
        // What a schema without a header has written has the columns that were not left out, in their order.
        let own = !schema.config().header && sheet.names().len() == columns.len();
        let place = |(at, column): (usize, &Column)| match own {
            true => Ok(at),
            false => sheet.column(&column.name),
        };
        let places = columns.iter().enumerate().map(place);
        let places = places.collect::<Result<Vec<_>>>()?;
        let path = sheet.path().display();
        if own
            && columns
                .iter()
                .zip(sheet.names())
                .any(|(column, name)| column.name != *name)
        {
            log::warn!(
                "{path}: has no header, and as many columns as the schema: they are taken to be those, in their order"
            );
        }
        let is_known = |name: &String| {
            own || schema.config().ignored.contains(name)
                || columns.iter().any(|column| column.name == *name)
        };
        if let Some(name) = sheet.names().iter().find(|name| !is_known(name)) {
            log::warn!(
                "{path}: column `{name}`, and any other that the schema has not, is left out"
            );
        }

        let mut cells = Vec::with_capacity(sheet.len() * columns.len());
        for row in 0..sheet.len() {
            for (column, &place) in columns.iter().zip(&places) {
                let cell = schema
                    .cell(column, sheet.value(row, place))
                    .map_err(|reason| sheet.refuse(row, &column.name, reason))?;
                cells.push(cell);
            }
        }
        Ok(Self { schema, cells })
    }

    /// Numbers, `[rows, schema.width()]`, as a table: what [`tensor`](Self::tensor) made of one, or a model drew.
    ///
    /// # Errors
    ///
    /// Those of [`Schema::rows`], by whose rules numbers become values.
    pub fn from_tensor(schema: &Schema, rows: Tensor<2>) -> Result<Self> {
        let mut cells = Vec::with_capacity(rows.dims()[0] * schema.columns().len());
        for (row, values) in schema.rows(rows)?.iter().enumerate() {
            for (column, value) in schema.columns().iter().zip(values) {
                let name = &column.name;
                cells.push(schema.cell(column, value).map_err(|reason| {
                    Error::Samples(format!("row {}, column `{name}`: {reason}", row + 1))
                })?);
            }
        }
        let schema = schema.clone();
        Ok(Self { schema, cells })
    }

    /// Writes the table into a CSV file as that which its schema comes from, with its separator and, if it had one, a header:
    /// what was read is written as it was, to the last digit of a number. The file is whole or not there.
    ///
    /// # Errors
    ///
    /// [`Error::Record`] or [`Error::Io`] naming the file if it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let columns = self.schema.columns();
        let texts = |row: &[Cell]| {
            let cells = columns.iter().zip(row);
            cells.map(|(column, cell)| text(column, cell)).collect()
        };
        let rows = self.cells.chunks_exact(columns.len()).map(texts);
        self.schema.write_rows(path.as_ref(), rows)
    }

    /// This table with the values of another of as many rows wherever `is_open` says so of a row, a column and the value.
    fn filled(mut self, other: &Self, is_open: impl Fn(usize, Cell) -> bool) -> Self {
        let width = self.schema.columns().len();
        for (at, (cell, new)) in self.cells.iter_mut().zip(&other.cells).enumerate() {
            if is_open(at % width, *cell) {
                *cell = *new;
            }
        }
        self
    }

    /// Whether of each row nothing is known.
    fn is_empty_row(&self) -> Vec<bool> {
        let rows = self.cells.chunks_exact(self.schema.columns().len());
        rows.map(|row| row.iter().all(|cell| matches!(cell, Cell::Missing)))
            .collect()
    }

    /// What the columns are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.cells.len() / self.schema.columns().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The rows as numbers, `[len, schema.width()]`, column after column: a number in standard deviations from its mean,
    /// a category one-hot, and for a column with missing values one more number, 1 where the value is missing and 0
    /// elsewhere. A missing number is 0, its mean; a missing category is all zeros.
    pub fn tensor(&self, device: &Device) -> Tensor<2> {
        let width = self.schema.width();
        let mut numbers = Vec::with_capacity(self.len() * width);
        for row in self.cells.chunks_exact(self.schema.columns().len()) {
            self.schema.encode(row, &mut numbers);
        }
        Tensor::from_data(TensorData::new(numbers, [self.len(), width]), device)
    }
}
