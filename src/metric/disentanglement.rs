use super::{ACTIVE_VARIANCE, finite};
use crate::error::{Error, Result, check_at_least_one};
use burn::tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// How many bins of one width a coordinate is cut into where it is counted:
/// [Locatello et al. 2019](https://arxiv.org/abs/1811.12359), appendix C.
const BINS: usize = 20;

/// Codes of data whose factors of variation are known, and scores of how far each factor is in a coordinate of its own.
///
/// The codes are points, as the means of posteriors. Every score lies in [0, 1], and says nothing of coordinates that know no
/// factor.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::Disentanglement;
///
/// // Two factors, each in a coordinate of its own; the third coordinate knows nothing.
/// let factors: Vec<[usize; 2]> = (0..60).map(|i| [i % 3, i / 3 % 4]).collect();
/// let code = |[a, b]: [usize; 2]| [b as f32, -2.0 * a as f32, 0.0];
/// let codes: Vec<f32> = factors.iter().flat_map(|&factors| code(factors)).collect();
/// let codes = Tensor::<2>::from_data(TensorData::new(codes, [60, 3]), &Device::default());
/// let known = Disentanglement::new(codes, &factors)?;
/// assert!((known.mutual_information_gap() - 1.0).abs() < 1e-9);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Disentanglement {
    /// Coordinate by coordinate.
    codes: Vec<Vec<f64>>,
    /// Factor by factor.
    factors: Vec<Vec<usize>>,
}

impl Disentanglement {
    /// Codes, `[samples, latent]`, and the factors of each sample, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there are not as many codes as samples, a code is no number, or a factor is the same in all
    /// samples, as in one sample they are; [`Error::Device`] if the device cannot be read.
    pub fn new<const K: usize>(codes: Tensor<2>, factors: &[[usize; K]]) -> Result<Self> {
        let [samples, latent] = codes.dims();
        if samples != factors.len() || latent == 0 {
            return Err(Error::Samples(format!(
                "Disentanglement: codes of shape {:?} do not belong to {} samples",
                codes.dims(),
                factors.len()
            )));
        }
        let values = finite("the codes", codes)?;
        let coordinate = |j: usize| values.iter().skip(j).step_by(latent).copied().collect();
        let factor = |k: usize| factors.iter().map(|factors| factors[k]).collect::<Vec<_>>();
        let factors: Vec<_> = (0..K).map(factor).collect();
        let same = |factor: &Vec<usize>| factor.iter().all(|value| Some(value) == factor.first());
        if let Some(k) = factors.iter().position(same) {
            return Err(Error::Samples(format!(
                "Disentanglement: factor {k} is the same in all samples; leave it out, or draw more"
            )));
        }
        Ok(Self {
            codes: (0..latent).map(coordinate).collect(),
            factors,
        })
    }

    /// The mutual information gap: for each factor, by how much the coordinate that knows most of it knows more than the
    /// second, as a share of the factor's entropy; the mean over the factors. 1 where each factor is in one coordinate, and
    /// wholly; 0 where two know it equally well.
    ///
    /// The mutual information is that of counts, with each coordinate cut into 20 bins of one width: it is too large by about
    /// `19 (values - 1) / 2n` nats where a coordinate knows nothing, and cannot exceed `ln 20`, so that a factor of more values
    /// has a gap of less than 1 at best.
    ///
    /// [Chen et al. 2018](https://arxiv.org/abs/1802.04942), section 4.1; the counts are those of
    /// [Locatello et al. 2019](https://arxiv.org/abs/1811.12359).
    pub fn mutual_information_gap(&self) -> f64 {
        let binned: Vec<_> = self.codes.iter().map(|code| bins(code)).collect();
        let gaps = self.factors.iter().map(|factor| {
            let informed = binned.iter().map(|bins| mutual_information(bins, factor));
            gap(informed.collect()) / mutual_information(factor, factor)
        });
        mean(gaps)
    }

    /// The score of FactorVAE: how often the coordinate that varies least, over samples that have one factor in common, tells
    /// which factor that is. 1 where each factor is in coordinates of its own; by guessing, one over their number.
    ///
    /// A vote is the coordinate of least variance, relative to that over all data, over `size` samples that agree in a factor
    /// drawn by chance; coordinates whose variance is below [`ACTIVE_VARIANCE`] have no vote. Each coordinate stands for the
    /// factor that most of the first half of the votes have, and the score is the share of the second half that this is right
    /// for. The paper has 800 votes.
    ///
    /// [Kim & Mnih 2018](https://arxiv.org/abs/1802.05983), section 4.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no votes or a vote has fewer than two samples; [`Error::Samples`] if no coordinate varies.
    pub fn factor_vae_score(&self, votes: usize, size: usize, seed: u64) -> Result<f64> {
        check_at_least_one("factor_vae_score", "votes", votes)?;
        if size < 2 {
            return Err(Error::Config(format!(
                "factor_vae_score: the variance of a vote needs at least 2 samples, not {size}"
            )));
        }
        let spread = self
            .codes
            .iter()
            .map(|code| (code, variance(code.iter().copied())));
        let active: Vec<_> = spread
            .filter(|(_, variance)| *variance > ACTIVE_VARIANCE)
            .collect();
        if active.is_empty() {
            return Err(Error::Samples(format!(
                "factor_vae_score: no coordinate has a variance above {ACTIVE_VARIANCE}"
            )));
        }
        let alike: Vec<_> = self.factors.iter().map(|factor| by_value(factor)).collect();
        let mut rng = Pcg64::seed_from_u64(seed);
        let mut vote = || {
            let k = rng.random_range(0..self.factors.len());
            // Of the values that there are, as often as they are.
            let sample = rng.random_range(0..self.factors[k].len());
            let members = &alike[k][self.factors[k][sample]];
            let chosen: Vec<usize> = (0..size)
                .map(|_| members[rng.random_range(0..members.len())])
                .collect();
            let relative = active.iter().map(|(code, over_all)| {
                variance(chosen.iter().map(|&sample| code[sample])) / over_all
            });
            (least(relative), k)
        };
        let mut counts = vec![vec![0usize; self.factors.len()]; active.len()];
        for _ in 0..votes {
            let (coordinate, factor) = vote();
            counts[coordinate][factor] += 1;
        }
        let stands_for: Vec<usize> = counts.iter().map(|counts| most(counts)).collect();
        let right = (0..votes).filter(|_| {
            let (coordinate, factor) = vote();
            stands_for[coordinate] == factor
        });
        Ok(right.count() as f64 / votes as f64)
    }

    /// The separated attribute predictability: for each factor, by how much the coordinate that predicts it best predicts it
    /// better than the second; the mean over the factors.
    ///
    /// A factor whose values have an order is predicted by a straight line, and the prediction judged by its share of the
    /// variance (the squared correlation). Those at the indices `categorical` are predicted by thresholds: each of 20 bins of
    /// the coordinate says what is most frequent in it, every class weighing the same, and the share of right answers, the
    /// mean over the classes, judges.
    ///
    /// [Kumar et al. 2018](https://arxiv.org/abs/1711.00848), section 3.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no factor of an index in `categorical`.
    pub fn separated_predictability(&self, categorical: &[usize]) -> Result<f64> {
        if let Some(index) = categorical
            .iter()
            .find(|&&index| index >= self.factors.len())
        {
            return Err(Error::Config(format!(
                "separated_predictability: there is no factor {index}; there are {}, counted from 0",
                self.factors.len()
            )));
        }
        let gaps = self.factors.iter().enumerate().map(|(k, factor)| {
            let score = |code: &Vec<f64>| {
                if categorical.contains(&k) {
                    balanced_accuracy(&bins(code), factor)
                } else {
                    squared_correlation(code, factor)
                }
            };
            gap(self.codes.iter().map(score).collect())
        });
        Ok(mean(gaps))
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The largest less the second, or all of it where it is the only one.
fn gap(mut scores: Vec<f64>) -> f64 {
    scores.sort_by(f64::total_cmp);
    let largest = scores.pop().unwrap_or(0.0);
    largest - scores.pop().unwrap_or(0.0)
}

/// The index of the smallest.
fn least(values: impl Iterator<Item = f64>) -> usize {
    let smaller = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
    values
        .enumerate()
        .min_by(smaller)
        .map_or(0, |(index, _)| index)
}

/// The index of the largest, the first of several.
fn most(counts: &[usize]) -> usize {
    let largest = counts.iter().copied().max().unwrap_or(0);
    counts
        .iter()
        .position(|&count| count == largest)
        .unwrap_or(0)
}

fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let centre = values.clone().sum::<f64>() / count;
    values.map(|value| (value - centre).powi(2)).sum::<f64>() / count
}

/// The bin of each value: 20 of one width, from the least to the greatest.
fn bins(code: &[f64]) -> Vec<usize> {
    let lowest = code.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = code.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = (highest - lowest) / BINS as f64;
    let bin = |value: &f64| {
        if width > 0.0 {
            (((value - lowest) / width) as usize).min(BINS - 1)
        } else {
            0
        }
    };
    code.iter().map(bin).collect()
}

/// The samples of each value.
fn by_value(factor: &[usize]) -> Vec<Vec<usize>> {
    let values = factor
        .iter()
        .copied()
        .max()
        .map_or(0, |largest| largest + 1);
    let mut samples = vec![Vec::new(); values];
    for (sample, &value) in factor.iter().enumerate() {
        samples[value].push(sample);
    }
    samples
}

/// How often each pair of values is met.
fn joint_counts(a: &[usize], b: &[usize]) -> Vec<Vec<f64>> {
    let values = |of: &[usize]| of.iter().copied().max().map_or(0, |largest| largest + 1);
    let mut counts = vec![vec![0.0; values(b)]; values(a)];
    for (&a, &b) in a.iter().zip(b) {
        counts[a][b] += 1.0;
    }
    counts
}

/// In nats, of counts; of something with itself its entropy.
fn mutual_information(a: &[usize], b: &[usize]) -> f64 {
    let counts = joint_counts(a, b);
    let n = a.len() as f64;
    let of_b = |b: usize| counts.iter().map(|row| row[b]).sum::<f64>();
    let of_b: Vec<f64> = (0..counts[0].len()).map(of_b).collect();
    let term = |count: f64, of_a: f64, of_b: f64| {
        if count > 0.0 {
            count / n * (count * n / (of_a * of_b)).ln()
        } else {
            0.0
        }
    };
    let row = |row: &Vec<f64>| {
        let of_a: f64 = row.iter().sum();
        row.iter()
            .zip(&of_b)
            .map(|(&count, &of_b)| term(count, of_a, of_b))
            .sum::<f64>()
    };
    counts.iter().map(row).sum()
}

/// The mean over the classes of how many of a class the bins name right, each naming the class of which it has the largest
/// share.
fn balanced_accuracy(bins: &[usize], classes: &[usize]) -> f64 {
    let counts = joint_counts(classes, bins);
    let shares = counts.iter().map(|row| (row, row.iter().sum::<f64>()));
    let shares: Vec<Vec<f64>> = shares
        .filter(|(_, size)| *size > 0.0)
        .map(|(row, size)| row.iter().map(|count| count / size).collect())
        .collect();
    let named = |bin: usize| shares.iter().map(|row| row[bin]).fold(0.0, f64::max);
    (0..counts[0].len()).map(named).sum::<f64>() / shares.len() as f64
}

fn squared_correlation(code: &[f64], factor: &[usize]) -> f64 {
    let factor: Vec<f64> = factor.iter().map(|&value| value as f64).collect();
    let centre = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (of_code, of_factor) = (centre(code), centre(&factor));
    let products = code
        .iter()
        .zip(&factor)
        .map(|(a, b)| (a - of_code) * (b - of_factor));
    let covariance = products.sum::<f64>() / code.len() as f64;
    let variances = variance(code.iter().copied()) * variance(factor.iter().copied());
    if variances > 0.0 {
        covariance.powi(2) / variances
    } else {
        0.0
    }
}
