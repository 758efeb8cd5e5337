use super::modes::{Modes, Steps, Whole, column_modes, perturbed};
use super::{Kind, Schema};
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::{activation::sigmoid, bernoulli_nll, sum_event};
use crate::nn::one_hot;
use crate::traits::{Batch, Likelihood, ReconstructionLoss};
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Distribution, Tensor, TensorData};

/// The likelihood of the rows of a table, each column by its kind: `[batch, schema.width()]`, as
/// [`Table::tensor`](super::Table::tensor) makes them, from an output of [`output_width`](Self::output_width) numbers.
///
/// | column | density | the output has |
/// |---|---|---|
/// | numbers | a mixture `sum_k w_k N(x; c_k + s_k d_k, s_k t_k)` | a logit of `w_k` and a shift `d_k` for each mode |
/// | whole numbers | that of an interval, `sum_k w_k P(x - 1/2 < c_k + s_k (d_k + t_k e) < x + 1/2)` with `e` logistic | the same |
/// | categories | categorical | a logit for each |
/// | missing or not | Bernoulli | a logit |
///
/// The modes, with their centres `c` and widths `s`, are a mixture that is fitted to the column alone; `t > 1/100` is
/// learned with the model, one for each mode of each column. A missing value costs what its being missing does, and
/// nothing else. Numbers have a density in units of their column's standard deviation, so the loss may be negative.
///
/// Whole numbers have a probability, as categories have. What lies below the least or above the greatest of the table counts
/// to it, so that the probabilities of those between sum to 1, and no other is drawn; one that another table has is as
/// probable as the interval around it.
///
/// The modes are those of [Xu et al. 2019](https://arxiv.org/abs/1907.00503), who say of each number which one it came
/// from; here the sum over all is taken, which is an exact likelihood. Those of whole numbers are
/// [`DiscretizedLogisticMixture`](crate::distribution::DiscretizedLogisticMixture)'s.
///
/// Built by [`TableVaeConfig`](super::TableVaeConfig), or for another model by [`fit`](Self::fit).
#[derive(Module, Debug)]
pub struct TableNll {
    numbers: Option<Modes>,
    whole: Option<Modes>,
    #[module(skip)]
    places: Vec<Place>,
}

/// More modes than any column has.
const MOST_MODES: usize = 10_000;

/// Where the numbers of a column stand in a row.
#[derive(Clone, Debug)]
struct Place {
    /// Of the column.
    name: String,
    begin: usize,
    values: Values,
    has_missing: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Values {
    Numbers,
    WholeNumbers,
    /// So many categories.
    Categories(usize),
}

impl Place {
    /// How many numbers a value is.
    fn width(&self) -> usize {
        self.categories().unwrap_or(1)
    }

    fn categories(&self) -> Option<usize> {
        match self.values {
            Values::Categories(count) => Some(count),
            Values::Numbers | Values::WholeNumbers => None,
        }
    }

    /// Where 1 stands for a missing value.
    fn indicator(&self) -> Option<usize> {
        self.has_missing.then(|| self.begin + self.width())
    }
}

/// What an output says of each part of a row.
struct Parts {
    /// Logits and shifts of modes, `[batch, columns, modes]`.
    numbers: Option<[Tensor<3>; 2]>,
    whole: Option<[Tensor<3>; 2]>,
    /// Logits of each column of categories.
    categories: Vec<Tensor<2>>,
    /// Logits of values being missing, `[batch, columns that have any]`.
    missing: Option<Tensor<2>>,
}

impl TableNll {
    /// The likelihood of a schema, of this many modes a column, which are fitted to rows `[rows, schema.width()]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no modes; [`Error::Samples`](crate::Error::Samples) if a mixture
    /// cannot be fitted to a column; [`Error::Device`](crate::Error::Device) if the device cannot be read.
    pub fn fit(schema: &Schema, modes: usize, rows: Tensor<2>) -> Result<Self> {
        check_at_least_one("TableNll", "modes", modes)?;
        let device = Tensor::device(&rows);
        let (width, own) = (schema.width(), rows.dims()[1]);
        if own != width {
            return Err(Error::Config(format!(
                "TableNll: rows of {own} numbers, where the schema's columns make {width}"
            )));
        }
        let data = rows.without_autodiff().try_into_data_as::<f64>()?;
        let data: Vec<f64> = data.iter::<f64>().collect();
        let values_of = |place: &Place| -> Vec<f64> {
            let is_there = |row: &&[f64]| place.indicator().is_none_or(|at| row[at] < 0.5);
            let rows = data.chunks_exact(width).filter(is_there);
            rows.map(|row| row[place.begin]).collect()
        };
        Self::build(schema, modes, &device, |place| {
            column_modes(&values_of(place), modes, &device)
        })
    }

    /// The likelihood of a schema whose modes are all standard: one that weights are loaded into.
    pub(super) fn new(schema: &Schema, modes: usize, device: &Device) -> Result<Self> {
        Self::build(schema, modes, device, |_| Ok(vec![(0.0, 1.0); modes]))
    }

    /// The likelihood of a schema, with the centre and the width of each mode of each column of numbers.
    fn build(
        schema: &Schema,
        modes: usize,
        device: &Device,
        of_column: impl Fn(&Place) -> Result<Vec<(f64, f64)>>,
    ) -> Result<Self> {
        if modes > MOST_MODES {
            return Err(Error::Config(format!(
                "TableNll: {modes} modes of a column are more than {MOST_MODES}"
            )));
        }
        let (mut begin, mut places, mut steps) = (0, Vec::new(), Vec::new());
        for column in schema.columns() {
            let values = match &column.kind {
                &Kind::Number {
                    mean,
                    std,
                    range: Some(range),
                } => {
                    steps.push(Whole { mean, std, range });
                    Values::WholeNumbers
                }
                Kind::Number { range: None, .. } => Values::Numbers,
                Kind::Category { values } => Values::Categories(values.len()),
            };
            let has_missing = column.missing.is_some();
            places.push(Place {
                name: column.name.clone(),
                begin,
                values,
                has_missing,
            });
            begin += column.kind.width() + usize::from(has_missing);
        }
        let steps = (!steps.is_empty()).then(|| Steps::new(&steps, device));
        let modes_of = |kind: Values, steps: Option<Steps>| -> Result<Option<Modes>> {
            let places = places.iter().filter(|place| place.values == kind);
            let of_column = |place: &Place| {
                of_column(place).map_err(|error| match error {
                    Error::Samples(reason) => {
                        Error::Samples(format!("column `{}`: {reason}", place.name))
                    }
                    other => other,
                })
            };
            let columns = places.map(of_column).collect::<Result<Vec<_>>>()?;
            let shape = [columns.len(), modes];
            let (centers, widths): (Vec<f64>, Vec<f64>) = columns.into_iter().flatten().unzip();
            let tensor = |values| Tensor::from_data(TensorData::new(values, shape), device);
            Ok((shape[0] > 0).then(|| Modes::new(tensor(centers), tensor(widths), steps)))
        };
        Ok(Self {
            numbers: modes_of(Values::Numbers, None)?,
            whole: modes_of(Values::WholeNumbers, steps)?,
            places,
        })
    }

    /// The numbers of a row.
    fn width(&self) -> usize {
        let of = |place: &Place| place.width() + usize::from(place.has_missing);
        self.places.iter().map(of).sum()
    }

    /// How many numbers an output has a row: what a decoder is to make.
    pub fn output_width(&self) -> usize {
        let of_modes = |modes: &Modes| 2 * modes.dims().into_iter().product::<usize>();
        let modes = [&self.numbers, &self.whole].into_iter().flatten();
        let of = |place: &Place| place.categories().unwrap_or(0) + usize::from(place.has_missing);
        modes.map(of_modes).sum::<usize>() + self.places.iter().map(of).sum::<usize>()
    }

    fn parts(&self, output: Tensor<2>) -> Parts {
        let [batch, width] = output.dims();
        assert!(
            width == self.output_width(),
            "TableNll: an output of shape {:?}, where its columns take {} numbers a row",
            [batch, width],
            self.output_width()
        );
        let mut at = 0;
        let mut take = |count: usize| {
            at += count;
            output.clone().narrow(1, at - count, count)
        };
        let [numbers, whole] = [&self.numbers, &self.whole].map(|modes| {
            let [columns, modes] = modes.as_ref()?.dims();
            Some([(); 2].map(|()| take(columns * modes).reshape([batch, columns, modes])))
        });
        let categories = self.places.iter().filter_map(Place::categories);
        let categories = categories.map(&mut take).collect();
        let missing = self.places.iter().filter(|place| place.has_missing).count();
        let missing = (missing > 0).then(|| take(missing));
        Parts {
            numbers,
            whole,
            categories,
            missing,
        }
    }

    /// A value for every column, `[batch, numbers of a value]`: a draw, or the likeliest.
    fn values(&self, parts: &Parts, is_random: bool) -> Vec<Tensor<2>> {
        let of_modes = |modes: &Option<Modes>, parts: &Option<[Tensor<3>; 2]>| {
            let both = modes.as_ref().zip(parts.clone());
            columns(both.map(|(modes, [logits, shifts])| modes.values(logits, shifts, is_random)))
        };
        let mut numbers = of_modes(&self.numbers, &parts.numbers);
        let mut whole = of_modes(&self.whole, &parts.whole);
        let mut categories = parts.categories.iter().map(|logits| {
            let [_, count] = logits.dims();
            let chosen = perturbed(logits.clone(), is_random).argmax(1);
            one_hot(chosen.squeeze_dim(1), count)
        });
        let of = |place: &Place| match place.values {
            Values::Numbers => numbers.next(),
            Values::WholeNumbers => whole.next(),
            Values::Categories(_) => categories.next(),
        };
        self.places.iter().filter_map(of).collect()
    }

    /// Rows of these values, except where the indicators, a column for every one that has missing values, are 1.
    fn rows(&self, values: Vec<Tensor<2>>, indicators: Option<Tensor<2>>) -> Tensor<2> {
        let mut indicators = columns(indicators);
        let mut parts = Vec::with_capacity(2 * values.len());
        for (place, value) in self.places.iter().zip(values) {
            let indicator = place.has_missing.then(|| indicators.next()).flatten();
            match indicator {
                Some(indicator) => {
                    parts.push(value * (indicator.clone().neg() + 1.0));
                    parts.push(indicator);
                }
                None => parts.push(value),
            }
        }
        Tensor::cat(parts, 1)
    }

    fn row(&self, output: Tensor<2>, is_random: bool) -> Tensor<2> {
        let parts = self.parts(output);
        let values = self.values(&parts, is_random);
        let indicators = parts.missing.map(|logits| {
            let probability = sigmoid(logits);
            if is_random {
                let uniform = probability.random_like(Distribution::Default);
                uniform.lower(probability).float()
            } else {
                probability.greater_elem(0.5).float()
            }
        });
        self.rows(values, indicators)
    }

    /// The log-density of each column of each row, `[batch, columns]`.
    pub(super) fn log_probs(&self, output: Tensor<2>, target: Tensor<2>) -> Tensor<2> {
        let ([rows, width], own) = (target.dims(), self.width());
        assert!(
            width == own && output.dims()[0] == rows,
            "TableNll: rows of shape {:?} and an output of shape {:?}, where its columns make {own} numbers a row",
            [rows, width],
            output.dims()
        );
        let of = |at: usize, count: usize| target.clone().narrow(1, at, count);
        let parts = self.parts(output);
        let of_modes = |modes: &Option<Modes>, parts: Option<[Tensor<3>; 2]>, kind: Values| {
            let log_prob = |(modes, [logits, shifts]): (&Modes, [Tensor<3>; 2])| {
                let places = self.places.iter().filter(|place| place.values == kind);
                let values = places.map(|place| of(place.begin, 1)).collect();
                modes.log_prob(Tensor::cat(values, 1), logits, shifts)
            };
            columns(modes.as_ref().zip(parts).map(log_prob))
        };
        let mut numbers = of_modes(&self.numbers, parts.numbers, Values::Numbers);
        let mut whole = of_modes(&self.whole, parts.whole, Values::WholeNumbers);
        let mut categories = parts.categories.into_iter();
        let mut missing = columns(parts.missing);
        let log_prob = |place: &Place| {
            let value = match place.values {
                Values::Numbers => numbers.next()?,
                Values::WholeNumbers => whole.next()?,
                Values::Categories(count) => {
                    // All zeros where it is missing, and so no cost.
                    let chosen = of(place.begin, count);
                    (chosen * log_softmax(categories.next()?, 1)).sum_dim(1)
                }
            };
            let Some(at) = place.indicator() else {
                return Some(value);
            };
            let indicator = of(at, 1);
            let of_missing = bernoulli_nll(missing.next()?, indicator.clone()).neg();
            let is_there = indicator.neg() + 1.0;
            Some(value * is_there + of_missing.unsqueeze_dim::<2>(1))
        };
        Tensor::cat(self.places.iter().filter_map(log_prob).collect(), 1)
    }

    /// Rows whose given columns are as they were, and whose others are draws of an output.
    pub(super) fn complete(
        &self,
        rows: Tensor<2>,
        output: Tensor<2>,
        is_given: &[bool],
    ) -> Tensor<2> {
        let drawn = self.row(output, true);
        let of = |(place, &is_given): (&Place, &bool)| {
            let from = if is_given { &rows } else { &drawn };
            let width = place.width() + usize::from(place.has_missing);
            from.clone().narrow(1, place.begin, width)
        };
        Tensor::cat(self.places.iter().zip(is_given).map(of).collect(), 1)
    }

    /// Rows whose missing values are draws of an output, and whose others are as they were.
    pub(super) fn fill(&self, rows: Tensor<2>, output: Tensor<2>) -> Tensor<2> {
        let drawn = self.values(&self.parts(output), true);
        let mut parts = Vec::with_capacity(2 * drawn.len());
        for (place, drawn) in self.places.iter().zip(drawn) {
            let own = rows.clone().narrow(1, place.begin, place.width());
            match place.indicator() {
                Some(at) => {
                    let indicator = rows.clone().narrow(1, at, 1);
                    parts.push(own + drawn * indicator.clone());
                    parts.push(indicator.zeros_like());
                }
                None => parts.push(own),
            }
        }
        Tensor::cat(parts, 1)
    }
}

impl ReconstructionLoss<Tensor<2>> for TableNll {
    fn loss(&self, output: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
        sum_event(self.log_probs(output, target)).neg()
    }

    /// The likeliest category, the mean of the likeliest mode, and missing where that is likelier than not.
    fn point(&self, output: Tensor<2>) -> Tensor<2> {
        self.row(output, false)
    }

    fn check(&self, target: &Tensor<2>, what: &str) -> Result<()> {
        target.check_finite(what)
    }
}

impl Likelihood<Tensor<2>> for TableNll {
    fn sample(&self, output: Tensor<2>) -> Tensor<2> {
        self.row(output, true)
    }
}

/// The columns one by one, `[batch, 1]` each.
fn columns(all: Option<Tensor<2>>) -> impl Iterator<Item = Tensor<2>> {
    all.into_iter().flat_map(|all| all.split(1, 1))
}
