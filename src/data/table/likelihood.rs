use super::{Kind, Schema};
use crate::error::{Result, check_at_least_one};
use crate::kernel::reference::LN_2PI;
use crate::kernel::{bernoulli_nll, sum_event};
use crate::nn::one_hot;
use crate::prior::{MixtureFit, gumbel, log_sum_exp};
use crate::traits::{Batch, Likelihood, ReconstructionLoss};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, sigmoid};
use burn::tensor::{Device, Distribution, Tensor, TensorData};

/// The likelihood of the rows of a table, each column by its kind: `[batch, schema.width()]`, as
/// [`Table::tensor`](super::Table::tensor) makes them, from an output of [`output_width`](Self::output_width) numbers.
///
/// | column | density | the output has |
/// |---|---|---|
/// | numbers | a mixture `sum_k w_k N(x; c_k + s_k d_k, s_k t_k)` | a logit of `w_k` and a shift `d_k` for each mode |
/// | categories | categorical | a logit for each |
/// | missing or not | Bernoulli | a logit |
///
/// The modes, with their centres `c` and widths `s`, are a mixture that is fitted to the column alone; `t > 1/100` is
/// learned with the model, one for each mode of each column. A missing value costs what its being missing does, and
/// nothing else. Numbers have a density in units of their column's standard deviation, so the loss may be negative.
///
/// The modes are those of [Xu et al. 2019](https://arxiv.org/abs/1907.00503), who say of each number which one it came
/// from; here the sum over all is taken, which is an exact likelihood.
///
/// Built by [`TableVaeConfig`](super::TableVaeConfig), or for another model by [`fit`](Self::fit).
#[derive(Module, Debug)]
pub struct TableNll {
    modes: Option<Modes>,
    #[module(skip)]
    places: Vec<Place>,
}

/// The share of a mode's width that a deviation has at least: else the density of a number that occurs twice would grow
/// for ever.
const LEAST_DEVIATION: f64 = 0.01;

/// The numbers of a column that its modes are fitted to, at most.
const SEEN: usize = 2000;

/// Where the numbers of a column stand in a row.
#[derive(Clone, Debug)]
struct Place {
    begin: usize,
    /// How many categories; none for a column of numbers.
    categories: Option<usize>,
    has_missing: bool,
}

impl Place {
    fn values(&self) -> usize {
        self.categories.unwrap_or(1)
    }

    /// Where 1 stands for a missing value.
    fn indicator(&self) -> Option<usize> {
        self.has_missing.then(|| self.begin + self.values())
    }
}

/// The modes of all columns of numbers, each `[columns, modes]`.
#[derive(Module, Debug)]
struct Modes {
    centers: Param<Tensor<2>>,
    widths: Param<Tensor<2>>,
    /// Logarithms of deviations, in widths.
    log_deviations: Param<Tensor<2>>,
}

impl Modes {
    fn new(centers: Tensor<2>, widths: Tensor<2>) -> Self {
        let fixed = |values| Param::from_tensor(values).set_require_grad(false);
        Self {
            log_deviations: Param::from_tensor(centers.zeros_like()),
            centers: fixed(centers),
            widths: fixed(widths),
        }
    }

    /// Deviations, `[columns, modes]`.
    fn deviations(&self) -> Tensor<2> {
        let shares = self.log_deviations.val().clamp(-20.0, 20.0).exp() + LEAST_DEVIATION;
        shares * self.widths.val()
    }

    /// Means, `[batch, columns, modes]`, of modes that are shifted by so many widths.
    fn means(&self, shifts: Tensor<3>) -> Tensor<3> {
        shifts * self.widths.val().unsqueeze::<3>() + self.centers.val().unsqueeze::<3>()
    }

    /// `[batch, columns]`, of values of the same shape.
    fn log_prob(&self, values: Tensor<2>, logits: Tensor<3>, shifts: Tensor<3>) -> Tensor<2> {
        let [batch, columns, modes] = logits.dims();
        let deviations = self.deviations().unsqueeze::<3>();
        let distance = values.unsqueeze_dim::<3>(2) - self.means(shifts);
        let distance = distance / deviations.clone();
        let log_density = distance.square() * -0.5 - deviations.log() - 0.5 * LN_2PI;
        let joint = log_softmax(logits, 2) + log_density;
        log_sum_exp(joint.reshape([batch * columns, modes])).reshape([batch, columns])
    }

    /// A draw, or the mean of the likeliest mode: `[batch, columns]`.
    fn values(&self, logits: Tensor<3>, shifts: Tensor<3>, is_random: bool) -> Tensor<2> {
        let [batch, ..] = logits.dims();
        let deviations = self.deviations().unsqueeze::<3>().repeat_dim(0, batch);
        let means = self.means(shifts);
        let mode = perturbed(logits, is_random).argmax(2);
        let mean = means.gather(2, mode.clone()).squeeze_dim::<2>(2);
        if !is_random {
            return mean;
        }
        let noise = mean.random_like(Distribution::Normal(0.0, 1.0));
        mean + noise * deviations.gather(2, mode).squeeze_dim::<2>(2)
    }
}

/// The logits, plus Gumbel noise if a draw is asked for: the largest is then a draw of their categorical distribution.
fn perturbed<const D: usize>(logits: Tensor<D>, is_random: bool) -> Tensor<D> {
    if !is_random {
        return logits;
    }
    logits.clone() + gumbel(logits.random_like(Distribution::Default))
}

/// What an output says of each part of a row.
struct Parts {
    /// Logits and shifts of modes, `[batch, columns, modes]`.
    numbers: Option<[Tensor<3>; 2]>,
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
        let width = schema.width();
        let data = rows.without_autodiff().try_into_data_as::<f64>()?;
        let data: Vec<f64> = data.iter::<f64>().collect();
        let (mut centers, mut widths) = (Vec::new(), Vec::new());
        let mut likelihood = Self::new(schema, modes, &device);
        for place in likelihood.numbers() {
            let is_there = |row: &&[f64]| place.indicator().is_none_or(|at| row[at] < 0.5);
            let rows = data.chunks_exact(width).filter(is_there);
            let values: Vec<f64> = rows.map(|row| row[place.begin]).collect();
            for (center, width) in column_modes(&values, modes)? {
                centers.push(center);
                widths.push(width);
            }
        }
        let shape = [centers.len() / modes, modes];
        let tensor = |values| Tensor::from_data(TensorData::new(values, shape), &device);
        likelihood.modes =
            (!centers.is_empty()).then(|| Modes::new(tensor(centers), tensor(widths)));
        Ok(likelihood)
    }

    /// The likelihood of a schema whose modes are all standard normal: one that weights are loaded into.
    pub(super) fn new(schema: &Schema, modes: usize, device: &Device) -> Self {
        let mut begin = 0;
        let mut places = Vec::with_capacity(schema.columns().len());
        for column in schema.columns() {
            let categories = match &column.kind {
                Kind::Number { .. } => None,
                Kind::Category { values } => Some(values.len()),
            };
            let has_missing = column.missing.is_some();
            places.push(Place {
                begin,
                categories,
                has_missing,
            });
            begin += column.kind.width() + usize::from(has_missing);
        }
        let mut likelihood = Self {
            modes: None,
            places,
        };
        let shape = [likelihood.numbers().count(), modes];
        likelihood.modes = (shape[0] > 0)
            .then(|| Modes::new(Tensor::zeros(shape, device), Tensor::ones(shape, device)));
        likelihood
    }

    fn numbers(&self) -> impl Iterator<Item = &Place> {
        let places = self.places.iter();
        places.filter(|place| place.categories.is_none())
    }

    /// The numbers of a row.
    fn width(&self) -> usize {
        let of = |place: &Place| place.values() + usize::from(place.has_missing);
        self.places.iter().map(of).sum()
    }

    /// How many numbers an output has a row: what a decoder is to make.
    pub fn output_width(&self) -> usize {
        let modes = self.modes.as_ref().map_or(0, |modes| {
            let [columns, modes] = modes.centers.dims();
            2 * columns * modes
        });
        let of = |place: &Place| place.categories.unwrap_or(0) + usize::from(place.has_missing);
        modes + self.places.iter().map(of).sum::<usize>()
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
        let numbers = self.modes.as_ref().map(|modes| {
            let [columns, modes] = modes.centers.dims();
            [(); 2].map(|()| take(columns * modes).reshape([batch, columns, modes]))
        });
        let categories = self.places.iter().filter_map(|place| place.categories);
        let categories = categories.map(&mut take).collect();
        let missing = self.places.iter().filter(|place| place.has_missing).count();
        let missing = (missing > 0).then(|| take(missing));
        Parts {
            numbers,
            categories,
            missing,
        }
    }

    /// A value for every column, `[batch, numbers of a value]`: a draw, or the likeliest.
    fn values(&self, parts: &Parts, is_random: bool) -> Vec<Tensor<2>> {
        let numbers = self.modes.as_ref().zip(parts.numbers.clone());
        let numbers =
            numbers.map(|(modes, [logits, shifts])| modes.values(logits, shifts, is_random));
        let mut numbers = numbers.into_iter().flat_map(|numbers| numbers.split(1, 1));
        let mut categories = parts.categories.iter().map(|logits| {
            let [_, count] = logits.dims();
            let chosen = perturbed(logits.clone(), is_random).argmax(1);
            one_hot(chosen.squeeze_dim(1), count)
        });
        let of = |place: &Place| {
            if place.categories.is_some() {
                categories.next()
            } else {
                numbers.next()
            }
        };
        self.places.iter().filter_map(of).collect()
    }

    /// Rows of these values, except where the indicators, a column for every one that has missing values, are 1.
    fn rows(&self, values: Vec<Tensor<2>>, indicators: Option<Tensor<2>>) -> Tensor<2> {
        let indicators = indicators.map(|indicators| indicators.split(1, 1));
        let mut indicators = indicators.into_iter().flatten();
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
        let numbers = self.modes.as_ref().zip(parts.numbers);
        let numbers = numbers.map(|(modes, [logits, shifts])| {
            let values = self.numbers().map(|place| of(place.begin, 1)).collect();
            modes.log_prob(Tensor::cat(values, 1), logits, shifts)
        });
        let mut numbers = numbers.into_iter().flat_map(|numbers| numbers.split(1, 1));
        let mut categories = parts.categories.into_iter();
        let missing = parts.missing.map(|missing| missing.split(1, 1));
        let mut missing = missing.into_iter().flatten();
        let log_prob = |place: &Place| {
            let value = if place.categories.is_some() {
                // All zeros where it is missing, and so no cost.
                let chosen = of(place.begin, place.values());
                let logits = categories.next()?;
                (chosen * log_softmax(logits, 1)).sum_dim(1)
            } else {
                numbers.next()?
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
            let width = place.values() + usize::from(place.has_missing);
            from.clone().narrow(1, place.begin, width)
        };
        Tensor::cat(self.places.iter().zip(is_given).map(of).collect(), 1)
    }

    /// Rows whose missing values are draws of an output, and whose others are as they were.
    pub(super) fn fill(&self, rows: Tensor<2>, output: Tensor<2>) -> Tensor<2> {
        let drawn = self.values(&self.parts(output), true);
        let mut parts = Vec::with_capacity(2 * drawn.len());
        for (place, drawn) in self.places.iter().zip(drawn) {
            let own = rows.clone().narrow(1, place.begin, place.values());
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

/// Centre and width of each mode of a column.
fn column_modes(values: &[f64], modes: usize) -> Result<Vec<(f64, f64)>> {
    let mut distinct = values.to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    if distinct.len() <= modes {
        // Each is a mode of its own, as wide as a quarter of the way to the nearest other.
        let gaps = distinct.windows(2).map(|pair| pair[1] - pair[0]);
        let gap = gaps.reduce(f64::min).unwrap_or(1.0);
        let of = |mode: usize| (distinct.get(mode % distinct.len().max(1)), gap / 4.0);
        let modes = (0..modes).map(of);
        return Ok(modes
            .map(|(center, width)| (center.copied().unwrap_or(0.0), width))
            .collect());
    }
    let every = values.len().div_ceil(SEEN);
    let mut seen: Vec<f64> = values.iter().copied().step_by(every).collect();
    if seen.len() < modes {
        seen = values.to_vec();
    }
    let count = seen.len();
    let codes = Tensor::from_data(TensorData::new(seen, [count, 1]), &Device::default());
    let fit = MixtureFit::new(modes)
        .with_restarts(1)
        .with_iterations(50)
        .fit_diagonal(codes)?;
    let read = |values: Tensor<2>| -> Result<Vec<f64>> {
        Ok(values.try_into_data_as::<f64>()?.iter::<f64>().collect())
    };
    let centers = read(fit.means())?;
    let widths = read(fit.log_vars().mul_scalar(0.5).exp())?;
    Ok(centers.into_iter().zip(widths).collect())
}
