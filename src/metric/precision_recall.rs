use super::{check_alike, not_finite};
use crate::error::{Error, Result};
use crate::kernel::points::{
    RESOLVED, about_mean, at_least_single, is_constant, is_finite, read, squared_distances,
};
use burn::tensor::Tensor;

/// How good samples are, and how much of the data they cover, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// The share of the samples that lie where data lies: their quality.
    pub precision: f64,
    /// The share of the data that lies where samples lie: their variety. A generator that has lost modes has a high
    /// precision and a low recall.
    pub recall: f64,
}

/// Precision and recall of samples, from features of data and samples, `[samples, features]`, of any network: a point
/// lies where others lie if it is no further from one of them than that one's k-th neighbour is.
///
/// k = 3 is usual; take equally many of both, some thousands: the time grows with their square (two times ten thousand
/// take some seconds).
///
/// [Kynkäänniemi et al. 2019](https://arxiv.org/abs/1904.06991).
///
/// # Errors
///
/// [`Error::Config`] if k is 0; [`Error::Samples`] if either side has not more than k points, all its features are
/// constant, a feature is no number, or both have another number of features; [`Error::Device`] if the device cannot
/// be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::precision_recall;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// device.seed(1);
/// let draw = || StandardNormal::new(2).sample(500, &device);
/// let narrow = precision_recall(draw(), draw() * 0.1, 3)?; // one of many modes
/// assert!(narrow.precision > 0.5 && narrow.recall < 0.3);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn precision_recall(real: Tensor<2>, fake: Tensor<2>, k: usize) -> Result<PrecisionRecall> {
    check_alike("precision_recall", &real, &fake)?;
    for (name, features) in [("data", &real), ("samples", &fake)] {
        check(name, features, k)?;
    }
    let (real, fake) = (at_least_single(real), at_least_single(fake));
    Ok(PrecisionRecall {
        precision: share_within(&fake, &real, k)?,
        recall: share_within(&real, &fake, k)?,
    })
}

/// How far each of `points` is from the nearest of `data`, both `[rows, features]`: whether a generator copies what it was trained
/// on. Copies are at 0 exactly; samples that are not are about as far as data that were held out.
///
/// # Errors
///
/// [`Error::Samples`] if either side is empty, a feature is no number, or both have another number of features;
/// [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::nearest_distances;
///
/// let device = Device::default();
/// let data = Tensor::<2>::from_floats([[0.0, 0.0], [3.0, 4.0]], &device);
/// let samples = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, -1.0]], &device);
/// assert_eq!(nearest_distances(samples, data)?, [0.0, 1.0]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn nearest_distances(points: Tensor<2>, data: Tensor<2>) -> Result<Vec<f64>> {
    check_alike("nearest_distances", &data, &points)?;
    for rows in [&points, &data] {
        if rows.dims()[0] == 0 {
            return Err(Error::Samples(
                "nearest_distances: no rows to compare".to_string(),
            ));
        }
        if !is_finite(rows)? {
            return Err(not_finite("the features"));
        }
    }
    let (points, data) = (at_least_single(points), at_least_single(data));
    let (points, data) = (Points::new(&points, &data)?, Points::new(&data, &data)?);
    let mut nearest = Vec::new();
    data.for_each_row_of(&points, |distances| {
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        nearest.push(least.sqrt());
    })?;
    Ok(nearest)
}

/// The share of `points` that lie within the k-th neighbour's distance of one of `others`.
fn share_within(points: &Tensor<2>, others: &Tensor<2>, k: usize) -> Result<f64> {
    let (points, others) = (Points::new(points, others)?, Points::new(others, others)?);
    let mut radii = Vec::new();
    others.for_each_row_of(&others, |distances| {
        // The nearest is the point itself.
        radii.push(*distances.select_nth_unstable_by(k, f64::total_cmp).1);
    })?;
    let mut within = 0;
    others.for_each_row_of(&points, |distances| {
        let near = distances
            .iter()
            .zip(&radii)
            .any(|(distance, radius)| distance <= radius);
        within += usize::from(near);
    })?;
    Ok(within as f64 / points.squares.len() as f64)
}

/// Points on the device, and on the host.
struct Points {
    /// About a mean.
    centred: Tensor<2>,
    /// The square of each of these.
    squares: Vec<f64>,
    /// All numbers as they came.
    numbers: Vec<f64>,
}

impl Points {
    /// Points, on the device about the mean of others.
    fn new(points: &Tensor<2>, others: &Tensor<2>) -> Result<Self> {
        let centred = about_mean(points, others);
        Ok(Self {
            squares: read(centred.clone().square().sum_dim(1))?,
            centred,
            numbers: read(points.clone())?,
        })
    }

    fn row(&self, i: usize) -> &[f64] {
        let width = self.centred.dims()[1];
        &self.numbers[i * width..(i + 1) * width]
    }

    /// The squared distances of each of `points` to all of these, some points at a time. Those in which the product of the
    /// device leaves too few digits (of a point to itself, and in clusters that are narrow beside their distance) are
    /// computed anew.
    fn for_each_row_of(&self, points: &Self, mut row: impl FnMut(&mut [f64])) -> Result<()> {
        let count = self.squares.len();
        let mut at = 0;
        for block in points.centred.clone().split((1 << 22) / count + 1, 0) {
            let mut distances = read(squared_distances(&block, &self.centred))?;
            for distances in distances.chunks_mut(count) {
                for (j, distance) in distances.iter_mut().enumerate() {
                    if *distance < RESOLVED * (points.squares[at] + self.squares[j]) {
                        let pairs = points.row(at).iter().zip(self.row(j));
                        *distance = pairs.map(|(a, b)| (a - b).powi(2)).sum();
                    }
                }
                row(distances);
                at += 1;
            }
        }
        Ok(())
    }
}

fn check(name: &str, features: &Tensor<2>, k: usize) -> Result<()> {
    let samples = features.dims()[0];
    if k == 0 {
        return Err(Error::Config(
            "precision_recall: k, the number of neighbours, must be at least 1; 3 is usual"
                .to_string(),
        ));
    }
    if samples <= k {
        return Err(Error::Samples(format!(
            "precision_recall: for the neighbour number {k}, at least {} {name} are needed, not {samples}",
            k + 1
        )));
    }
    if !is_finite(features)? {
        return Err(not_finite("the features"));
    }
    if is_constant(features)? {
        return Err(Error::Samples(format!(
            "precision_recall: all {samples} {name} have the same features; a network that sees no difference \
             measures none"
        )));
    }
    Ok(())
}
