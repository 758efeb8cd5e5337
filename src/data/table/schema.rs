use super::{TableConfig, number};
use crate::error::{Error, Result};
use crate::file;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// So many standard deviations from the mean a number is none that a model can be asked about: the square of more leaves `f32`.
const FARTHEST: f64 = 1e15;

/// What the columns of a table are: how its rows become numbers, and numbers become rows.
///
/// It is serialised beside a model, which means nothing without it:
/// [`save_dir`](crate::weights::save_dir) takes it alone or as a part of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Schema {
    /// How the file was read, as those of the same columns will be.
    config: TableConfig,
    columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the header, or its number, counted from 1, in a file without one.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// What stands for a missing value in it (the first such, if there are several); none if no value is missing.
    pub missing: Option<String>,
}

/// What the values of a column are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// Numbers.
    Number {
        /// Their mean.
        mean: f64,
        /// Their standard deviation, over all n; of numbers that are all the same, their size, or 1 if they are 0.
        std: f64,
        /// The least and the greatest, of a column of whole numbers (counts, marks, bytes): new rows have whole numbers there.
        #[serde(default)]
        range: Option<[i64; 2]>,
    },
    /// Words of a list.
    Category {
        /// Those that occur, sorted as text.
        values: Vec<String>,
    },
}

/// A value of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    Missing,
    Number(f64),
    /// The place among the column's categories.
    Category(usize),
}

impl Kind {
    /// That of a column of these numbers, which may be whole ones if they all are.
    pub(super) fn of_numbers(numbers: &[f64], may_be_whole: bool) -> Self {
        let first = numbers[0];
        let range = may_be_whole.then(|| whole_range(numbers)).flatten();
        if numbers.iter().all(|&number| number == first) {
            return Kind::Number {
                mean: first,
                std: if first == 0.0 { 1.0 } else { first.abs() },
                range,
            };
        }
        let count = numbers.len() as f64;
        let mean = numbers.iter().map(|number| number / count).sum::<f64>();
        let squares = numbers.iter().map(|number| (number - mean).powi(2) / count);
        Kind::Number {
            mean: rounded(mean),
            std: rounded(squares.sum::<f64>().sqrt()),
            range,
        }
    }

    /// That of a column of these words.
    pub(super) fn of_categories<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let values: BTreeSet<&str> = words.collect();
        Kind::Category {
            values: values.into_iter().map(String::from).collect(),
        }
    }

    /// How many numbers a value becomes.
    pub(super) fn width(&self) -> usize {
        match self {
            Kind::Number { .. } => 1,
            Kind::Category { values } => values.len(),
        }
    }
}

/// How far apart whole numbers may be, for 32 bits to tell them from their neighbours.
const WIDEST: f64 = 4_194_304.0;

/// The least and the greatest, if all are whole.
fn whole_range(numbers: &[f64]) -> Option<[i64; 2]> {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Beyond 2^53 no f64 has a fraction.
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
    let is_range = greatest - least <= WIDEST && numbers.iter().all(is_whole);
    is_range.then_some([least as i64, greatest as i64])
}

/// The number to 15 digits, which JSON gives back as they were.
fn rounded(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}

impl Column {
    fn width(&self) -> usize {
        self.kind.width() + usize::from(self.missing.is_some())
    }
}

impl Schema {
    /// That of these columns, if they can be one.
    pub(super) fn new(config: TableConfig, columns: Vec<Column>) -> Result<Self> {
        let refuse = |reason: String| Err(Error::Config(format!("Schema: {reason}")));
        if columns.is_empty() {
            return refuse("there is no column, or none is left".to_string());
        }
        for (index, Column { name, kind, .. }) in columns.iter().enumerate() {
            if columns[..index].iter().any(|other| other.name == *name) {
                return refuse(format!("two columns `{name}`"));
            }
            match kind {
                Kind::Number { mean, std, .. }
                    if !(mean.is_finite() && std.is_normal() && *std > 0.0) =>
                {
                    return refuse(format!(
                        "column `{name}` has a mean of {mean} and a deviation of {std}: its numbers are too large or \
                         too small to compute with"
                    ));
                }
                Kind::Number {
                    range: Some([least, greatest]),
                    ..
                } if least > greatest => {
                    return refuse(format!(
                        "column `{name}` has whole numbers from {least} to {greatest}, which is none"
                    ));
                }
                Kind::Category { values }
                    if values.is_empty() || !values.is_sorted_by(|a, b| a < b) =>
                {
                    return refuse(format!(
                        "column `{name}` needs categories, sorted and different"
                    ));
                }
                Kind::Number { .. } | Kind::Category { .. } => {}
            }
        }
        Ok(Self { config, columns })
    }

    /// How the file was read.
    pub(super) fn config(&self) -> &TableConfig {
        &self.config
    }

    /// The columns, in the order of the file.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many numbers a row becomes.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Column::width).sum()
    }

    /// A value of a column; the error says why it is none.
    pub(super) fn cell(&self, column: &Column, value: &str) -> Result<Cell, String> {
        if self.config.is_missing(value) {
            return if column.missing.is_some() {
                Ok(Cell::Missing)
            } else {
                Err(format!(
                    "its value is missing ({value:?}), and no value was where the schema comes from"
                ))
            };
        }
        match &column.kind {
            Kind::Number { mean, std, range } => {
                let number = number(value).ok_or_else(|| format!("{value:?} is no number"))?;
                if ((number - mean) / std).abs() > FARTHEST {
                    return Err(format!(
                        "{value} lies {:.0e} standard deviations from the mean; leave it out, or name it as missing, if it stands \
                         for that (TableConfig::with_missing)",
                        ((number - mean) / std).abs()
                    ));
                }
                if range.is_some() && number.fract() != 0.0 {
                    return Err(format!(
                        "{value:?} is no whole number, as all were where the schema comes from; name the column there, if it \
                         is one of measurements (TableConfig::with_measured)"
                    ));
                }
                Ok(Cell::Number(number))
            }
            Kind::Category { values } => values
                .binary_search_by(|known| known.as_str().cmp(value))
                .map(Cell::Category)
                .map_err(|_| {
                    let first = values[..values.len().min(8)].join(", ");
                    let others = if values.len() > 8 { ", ..." } else { "" };
                    format!("{value:?} is no category of the schema ({first}{others})")
                }),
        }
    }

    /// Appends the numbers of a row.
    pub(super) fn encode(&self, row: &[Cell], numbers: &mut Vec<f32>) {
        for (column, cell) in self.columns.iter().zip(row) {
            let begin = numbers.len();
            numbers.resize(begin + column.width(), 0.0);
            match (cell, &column.kind) {
                (Cell::Missing, kind) => numbers[begin + kind.width()] = 1.0,
                (Cell::Number(number), Kind::Number { mean, std, .. }) => {
                    numbers[begin] = ((number - mean) / std) as f32;
                }
                (Cell::Category(place), _) => numbers[begin + place] = 1.0,
                (Cell::Number(_), Kind::Category { .. }) => {} // no such cell is made
            }
        }
    }

    /// Numbers, `[rows, width]`, as rows of the table: what [`Table::tensor`](super::Table::tensor) made of them, or a
    /// model drew. A value is missing where its indicator is above 0.5; a category is the one with the largest number; a
    /// number has the digits that are known, six or seven of its distance from the mean, or is the nearest whole one.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the rows have another width, [`Error::Samples`] naming row and column where a number is NaN or
    /// infinite, [`Error::Device`] if the device cannot be read.
    pub fn rows(&self, rows: Tensor<2>) -> Result<Vec<Vec<String>>> {
        let [_, width] = rows.dims();
        if width != self.width() {
            return Err(Error::Config(format!(
                "Schema: rows of {width} numbers, where its columns make {}",
                self.width()
            )));
        }
        let data = rows.try_into_data_as::<f32>()?;
        let numbers: Vec<f32> = data.iter::<f32>().collect();
        let rows = numbers.chunks_exact(width).enumerate();
        rows.map(|(row, numbers)| self.decode(row, numbers))
            .collect()
    }

    fn decode(&self, row: usize, mut numbers: &[f32]) -> Result<Vec<String>> {
        let mut values = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let (own, rest) = numbers.split_at(column.width());
            numbers = rest;
            if let Some(number) = own.iter().find(|number| !number.is_finite()) {
                let (row, name) = (row + 1, &column.name);
                let reason = format!("row {row}, column `{name}`: {number} is no value of a table");
                return Err(Error::Samples(reason));
            }
            let (own, indicator) = own.split_at(column.kind.width());
            values.push(match (&column.missing, &column.kind) {
                (Some(missing), _) if indicator[0] > 0.5 => missing.clone(),
                (_, Kind::Number { mean, std, range }) => {
                    if range.is_some() {
                        let number = mean + std * f64::from(own[0]);
                        format!("{}", number.round() as i64)
                    } else {
                        written(own[0], *mean, *std)
                    }
                }
                (_, Kind::Category { values }) => {
                    let likelier = |best: usize, place: usize| {
                        if own[place] > own[best] { place } else { best }
                    };
                    values[(1..own.len()).fold(0, likelier)].clone()
                }
            });
        }
        Ok(values)
    }

    /// Writes [`rows`](Self::rows) into a CSV file as that which the schema comes from, with its separator and, if it had
    /// one, a header. The file is whole or not there.
    ///
    /// # Errors
    ///
    /// Those of [`rows`](Self::rows), and [`Error::Record`] or [`Error::Io`] naming the file if it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, rows: Tensor<2>) -> Result<()> {
        self.write_rows(path.as_ref(), self.rows(rows)?)
    }

    /// Writes rows of values.
    pub(super) fn write_rows(
        &self,
        path: &Path,
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<()> {
        let refuse = |error: csv::Error| Error::record(path, error.to_string());
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.config.separator_byte()?)
            .from_writer(Vec::new());
        if self.config.header {
            let names = self.columns.iter().map(|column| &column.name);
            writer.write_record(names).map_err(refuse)?;
        }
        for row in rows {
            writer.write_record(row).map_err(refuse)?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Error::record(path, error.to_string()))?;
        file::write(path, &[&bytes])
    }
}

/// A value as it is written.
pub(super) fn text(column: &Column, cell: &Cell) -> String {
    match (cell, &column.kind) {
        (Cell::Missing, _) => column.missing.clone().unwrap_or_default(),
        (&Cell::Category(place), Kind::Category { values }) => values[place].clone(),
        (Cell::Number(number), _) => {
            let text = number.to_string();
            if text.len() > 24 {
                format!("{number:e}")
            } else {
                text
            }
        }
        (Cell::Category(place), Kind::Number { .. }) => place.to_string(), // no such cell is made
    }
}

/// The number that lies so many standard deviations from the mean, to the digits that are known: an `f32` has the
/// distance to one part in 2^24, and digits below that would be noise.
fn written(deviations: f32, mean: f64, std: f64) -> String {
    let distance = std * f64::from(deviations);
    let step = 2.0 * f64::from(f32::EPSILON) * distance.abs().max(std);
    let number = mean + distance;
    let decimals = -step.log10().ceil();
    if decimals > 17.0 {
        return format!("{number:e}");
    }
    let text = format!("{number:.*}", decimals.max(0.0) as usize);
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" { "0" } else { text }.to_string()
}

/// A schema as it lies in a file.
#[derive(Deserialize)]
struct Unchecked {
    config: TableConfig,
    columns: Vec<Column>,
}

impl TryFrom<Unchecked> for Schema {
    type Error = Error;

    fn try_from(schema: Unchecked) -> Result<Self> {
        Schema::new(schema.config, schema.columns)
    }
}
