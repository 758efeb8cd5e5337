use crate::distribution::logistic;
use crate::error::Result;
use crate::kernel::{log_interval, log_mixture, points::at_least_single, reference::LN_2PI};
use crate::prior::{MixtureFit, gumbel};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Tensor, TensorData};

/// The share of a mode's width that a deviation has at least: else the density of a number that occurs twice would grow
/// for ever.
const LEAST_DEVIATION: f64 = 0.01;

/// The numbers of a column that its modes are fitted to, at most.
const SEEN: usize = 2000;

/// The width of the one mode of a column whose values are all the same, as a share of them: draws differ in digits that no
/// table is written with.
const ALONE: f64 = 1e-8;

/// So many deviations from a mode are as far as more are.
const FARTHEST: f64 = 1e18;

/// The modes of several columns of numbers, each `[columns, modes]`: normal, or logistic where the numbers are whole.
#[derive(Module, Debug)]
pub(super) struct Modes {
    centers: Param<Tensor<2>>,
    widths: Param<Tensor<2>>,
    /// Logarithms of deviations, in widths.
    log_deviations: Param<Tensor<2>>,
    steps: Option<Steps>,
}

/// The whole numbers of several columns, each `[columns, 1]`, as they stand in a row: in deviations from the mean.
#[derive(Module, Debug)]
pub(super) struct Steps {
    /// Half the distance of two.
    half: Param<Tensor<2>>,
    least: Param<Tensor<2>>,
    greatest: Param<Tensor<2>>,
}

fn fixed(values: Tensor<2>) -> Param<Tensor<2>> {
    Param::from_tensor(values).set_require_grad(false)
}

/// What the whole numbers of a column are.
pub(super) struct Whole {
    pub mean: f64,
    pub std: f64,
    pub range: [i64; 2],
}

impl Steps {
    /// Those of these columns.
    pub(super) fn new(columns: &[Whole], device: &Device) -> Self {
        let of = |value: fn(&Whole) -> f64| {
            let values: Vec<f64> = columns.iter().map(value).collect();
            let shape = [values.len(), 1];
            fixed(Tensor::from_data(TensorData::new(values, shape), device))
        };
        Self {
            half: of(|column| 0.5 / column.std),
            least: of(|column| (column.range[0] as f64 - column.mean) / column.std),
            greatest: of(|column| (column.range[1] as f64 - column.mean) / column.std),
        }
    }

    /// `[batch, columns, modes]`, of how far values `[batch, columns, 1]` are from means. A value beyond the least or the
    /// greatest has the interval around it alone.
    fn log_mass(&self, values: Tensor<3>, distance: Tensor<3>, scales: Tensor<3>) -> Tensor<3> {
        let [half, least, greatest] =
            [&self.half, &self.least, &self.greatest].map(|part| part.val().unsqueeze::<3>());
        let is_at = |edge: Tensor<3>| (values.clone() - edge).abs().lower(half.clone());
        let is_edge = [is_at(least), is_at(greatest)];
        log_interval(distance, half, scales.recip(), is_edge)
    }

    /// The whole number of the range that is nearest, `[batch, columns]`.
    fn nearest(&self, values: Tensor<2>) -> Tensor<2> {
        let [half, least, greatest] =
            [&self.half, &self.least, &self.greatest].map(|part| part.val().transpose());
        let step = half * 2.0;
        let values = values.min_pair(greatest.clone()).max_pair(least.clone());
        // Rounding can leave the sum a step beyond the greatest where numbers are millions.
        (((values - least.clone()) / step.clone()).round() * step + least).min_pair(greatest)
    }
}

impl Modes {
    /// Modes with these centres and widths.
    pub(super) fn new(centers: Tensor<2>, widths: Tensor<2>, steps: Option<Steps>) -> Self {
        Self {
            log_deviations: Param::from_tensor(centers.zeros_like()),
            centers: fixed(centers),
            widths: fixed(widths),
            steps,
        }
    }

    /// How many columns there are, and modes of each.
    pub(super) fn dims(&self) -> [usize; 2] {
        self.centers.dims()
    }

    /// Deviations, or the scales of logistic modes, `[columns, modes]`.
    fn deviations(&self) -> Tensor<2> {
        let shares = self.log_deviations.val().clamp(-20.0, 20.0).exp() + LEAST_DEVIATION;
        shares * self.widths.val()
    }

    /// Means, `[batch, columns, modes]`, of modes that are shifted by so many widths.
    fn means(&self, shifts: Tensor<3>) -> Tensor<3> {
        shifts * self.widths.val().unsqueeze::<3>() + self.centers.val().unsqueeze::<3>()
    }

    /// `[batch, columns]`, of values of the same shape.
    pub(super) fn log_prob(
        &self,
        values: Tensor<2>,
        logits: Tensor<3>,
        shifts: Tensor<3>,
    ) -> Tensor<2> {
        let deviations = self.deviations().unsqueeze::<3>();
        let values = values.unsqueeze_dim::<3>(2);
        let distance = values.clone() - self.means(shifts);
        let log_p = match &self.steps {
            Some(steps) => steps.log_mass(values, distance, deviations),
            None => {
                // The square of what is further out is no number.
                let distance = (distance / deviations.clone()).clamp(-FARTHEST, FARTHEST);
                distance.square() * -0.5 - deviations.log() - 0.5 * LN_2PI
            }
        };
        log_mixture(logits, log_p).squeeze_dim(2)
    }

    /// A draw, or the mean of the likeliest mode: `[batch, columns]`.
    pub(super) fn values(
        &self,
        logits: Tensor<3>,
        shifts: Tensor<3>,
        is_random: bool,
    ) -> Tensor<2> {
        let [batch, ..] = logits.dims();
        let deviations = self.deviations().unsqueeze::<3>().repeat_dim(0, batch);
        let means = self.means(shifts);
        let mode = perturbed(logits, is_random).argmax(2);
        let mut values = means.gather(2, mode.clone()).squeeze_dim::<2>(2);
        if is_random {
            let noise = match &self.steps {
                Some(_) => logistic(uniform(&values)).cast(values.dtype()),
                None => values.random_like(Distribution::Normal(0.0, 1.0)),
            };
            values = values + noise * deviations.gather(2, mode).squeeze_dim::<2>(2);
        }
        match &self.steps {
            Some(steps) => steps.nearest(values),
            None => values,
        }
    }
}

/// The logits, plus Gumbel noise if a draw is asked for: the largest is then a draw of their categorical distribution.
pub(super) fn perturbed<const D: usize>(logits: Tensor<D>, is_random: bool) -> Tensor<D> {
    if !is_random {
        return logits;
    }
    at_least_single(logits.clone()) + gumbel(uniform(&logits))
}

/// Uniform noise in [0, 1), in `f32` at least: 16 bits round some of it to 1, where the noise made of it is infinite.
pub(super) fn uniform<const D: usize>(like: &Tensor<D>) -> Tensor<D> {
    at_least_single(like.clone()).random_like(Distribution::Default)
}

/// The different values, in rising order.
fn distinct(values: &[f64]) -> Vec<f64> {
    let mut distinct = values.to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    distinct
}

/// Centre and width of each mode of a column, fitted on a device.
pub(super) fn column_modes(
    values: &[f64],
    modes: usize,
    device: &Device,
) -> Result<Vec<(f64, f64)>> {
    let few = distinct(values);
    if few.len() <= modes {
        // Each is a mode of its own, as wide as a quarter of the way to the nearest other.
        let width = |at: usize| {
            let before = at.checked_sub(1).map(|before| few[at] - few[before]);
            let after = few.get(at + 1).map(|after| after - few[at]);
            let gap = before.into_iter().chain(after).reduce(f64::min);
            gap.map_or(ALONE, |gap| gap / 4.0)
        };
        let of = |at: usize| {
            few.get(at)
                .map_or((0.0, ALONE), |&center| (center, width(at)))
        };
        return Ok((0..modes).map(|mode| of(mode % few.len().max(1))).collect());
    }
    let every = values.len().div_ceil(SEEN);
    let mut seen: Vec<f64> = values.iter().copied().step_by(every).collect();
    // What is rare may not be among them: a column of noughts and a few amounts.
    if distinct(&seen).len() <= modes {
        seen = values.to_vec();
    }
    let count = seen.len();
    let options = (&device.clone().without_autodiff(), DType::F32);
    let codes = Tensor::from_data(TensorData::new(seen, [count, 1]), options);
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
