use super::{check_alike, finite};
use crate::error::{Error, Result};
use burn::tensor::{Int, Tensor, TensorData};
use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// Mean and covariance of features, gathered batch by batch, in double precision on the host: what the Fréchet
/// distance is made of.
///
/// The features are of any network: an [`Encoder`](crate::traits::Encoder) of yours, a
/// [`FeatureCritic`](crate::traits::FeatureCritic), a layer of a classifier of the data at hand, or the Inception
/// network of burn-train's `Fid::extract_features`, whose distance then is the FID
/// ([Heusel et al. 2017](https://arxiv.org/abs/1706.08500)). Distances of different networks cannot be compared.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::FeatureStatistics;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let network = MlpEncoderConfig::new(vec![13], 4).init(&device)?;
/// let of = |data: Tensor<2>| -> burn_generative::Result<FeatureStatistics> {
///     let mut statistics = FeatureStatistics::new();
///     for batch in data.split(100, 0) {
///         statistics.add(network.encode(batch))?;
///     }
///     Ok(statistics)
/// };
/// let data = || Tensor::random([500, 13], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
/// let (near, far) = (of(data())?.frechet_distance(&of(data())?)?, of(data())?.frechet_distance(&of(data() + 3.0)?)?);
/// assert!(near < far);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FeatureStatistics {
    samples: usize,
    /// The first feature vector, about which the sums are taken: they stay exact far from 0.
    origin: DVector<f64>,
    sum: DVector<f64>,
    products: DMatrix<f64>,
}

impl FeatureStatistics {
    /// Of no samples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of these features, `[samples, features]`.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn of(features: Tensor<2>) -> Result<Self> {
        let mut statistics = Self::new();
        statistics.add(features)?;
        Ok(statistics)
    }

    /// Of moments that were computed elsewhere, of so many samples: a mean, and a covariance matrix row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than two samples, the covariance is not square of the mean's size or not
    /// symmetric, or a value is no number. (That no variance is negative in any direction is not checked.)
    pub fn from_moments(samples: usize, mean: &[f64], covariance: &[Vec<f64>]) -> Result<Self> {
        let width = mean.len();
        if samples < 2 {
            return Err(Error::Config(format!(
                "FeatureStatistics: {samples} samples have no covariance; at least 2 are needed"
            )));
        }
        if covariance.len() != width || covariance.iter().any(|row| row.len() != width) {
            return Err(Error::Config(format!(
                "FeatureStatistics: a mean of {width} features needs a covariance of {width} by {width}"
            )));
        }
        let covariance = DMatrix::from_fn(width, width, |i, j| covariance[i][j]);
        let asymmetry = (&covariance - covariance.transpose()).amax();
        let symmetric = asymmetry <= 1e-9 * covariance.amax();
        let mut moments = mean.iter().chain(covariance.iter());
        if !symmetric || moments.any(|value| !value.is_finite()) {
            return Err(Error::Config(
                "FeatureStatistics: a covariance must be symmetric, and all moments numbers"
                    .to_string(),
            ));
        }
        Ok(Self {
            samples,
            origin: DVector::from_column_slice(mean),
            sum: DVector::zeros(width),
            products: covariance * (samples - 1) as f64,
        })
    }

    /// Adds the features of a batch, `[batch, features]`.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if a feature is no number, or there are another number of features than before;
    /// [`Error::Device`] if the device cannot be read.
    pub fn add(&mut self, features: Tensor<2>) -> Result<()> {
        let [samples, width] = features.dims();
        let values = finite("the features", features)?;
        if samples == 0 {
            return Ok(());
        }
        if self.samples == 0 {
            self.origin = DVector::from_column_slice(&values[..width]);
            self.sum = DVector::zeros(width);
            self.products = DMatrix::zeros(width, width);
        }
        if width != self.width() {
            return Err(Error::Samples(format!(
                "FeatureStatistics: a batch has {width} features, those before had {}",
                self.width()
            )));
        }
        // A column a sample.
        let mut centred = DMatrix::from_vec(width, samples, values);
        for mut column in centred.column_iter_mut() {
            column -= &self.origin;
        }
        self.sum += centred.column_sum();
        self.products += &centred * centred.transpose();
        self.samples += samples;
        Ok(())
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The number of features.
    pub fn width(&self) -> usize {
        self.origin.len()
    }

    /// The mean of each feature.
    pub fn mean(&self) -> Vec<f64> {
        self.moments().0.as_slice().to_vec()
    }

    /// The covariance matrix, row by row; unbiased.
    pub fn covariance(&self) -> Vec<Vec<f64>> {
        let covariance = self.moments().1;
        covariance
            .row_iter()
            .map(|row| row.iter().copied().collect())
            .collect()
    }

    pub(super) fn moments(&self) -> (DVector<f64>, DMatrix<f64>) {
        let n = self.samples as f64;
        let mean = &self.sum / n;
        let covariance = (&self.products - &mean * mean.transpose() * n) / (n - 1.0).max(1.0);
        (mean + &self.origin, covariance)
    }

    /// The squared Fréchet distance of the Gaussians with these moments:
    /// `|mean_a - mean_b|² + tr(A + B - 2 (A B)^(1/2))`. It is exact for Gaussians, and at least 0.
    ///
    /// **For few samples it is too large, and not by a little**: of `n` samples on either side of one round Gaussian in `d`
    /// dimensions by about `(d²/2 + 5 d/2) / n` times the variance, where it should be 0. That is 1.1 for 64 features and
    /// 2,000 samples, and 3.5 for 640. So take many times more samples than features, compare only numbers of equally
    /// many, or take [`extrapolated_frechet_distance`].
    ///
    /// [Dowson & Landau 1982](https://doi.org/10.1016/0047-259X(82)90077-X).
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there are not more samples than features (their covariance would be singular), all
    /// features are constant, or both have another number of features.
    pub fn frechet_distance(&self, other: &Self) -> Result<f64> {
        let (a, b) = (self.determined_moments()?, other.determined_moments()?);
        if self.width() != other.width() {
            return Err(Error::Samples(format!(
                "frechet_distance: {} features on one side, {} on the other; both must be of one network",
                self.width(),
                other.width()
            )));
        }
        Ok(frechet_distance_of(a, b))
    }

    fn determined_moments(&self) -> Result<(DVector<f64>, DMatrix<f64>)> {
        let (samples, width) = (self.samples, self.width());
        if samples <= width || samples < 2 {
            return Err(Error::Samples(format!(
                "frechet_distance: the covariance of {width} features needs at least {} samples, not {samples}; \
                 take more samples, or a layer with fewer features",
                (width + 1).max(2)
            )));
        }
        let moments = self.moments();
        if moments.1.trace() <= 0.0 {
            return Err(Error::Samples(format!(
                "frechet_distance: all {samples} samples have the same features; a network that sees no difference \
                 measures none"
            )));
        }
        Ok(moments)
    }
}

/// The squared Fréchet distance ([`FeatureStatistics::frechet_distance`]) of the features of data and of samples, each
/// `[samples, features]`, as it would be of infinitely many of both: what it is too large by falls with one over their
/// number, so it is taken of all of them and of random halves, and extrapolated.
///
/// Right on average, and so a little below 0 at times, where there is no distance. The line is straight where there are
/// some ten times more samples than features.
///
/// After [Chong & Forsyth 2020](https://arxiv.org/abs/1911.07023), who lay a line through more numbers of samples of a
/// generator; here both sides are halved, since both are finite.
///
/// # Errors
///
/// [`Error::Samples`] if half of the samples of either side are not more than the features, and as
/// [`FeatureStatistics::frechet_distance`]; [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::{FeatureStatistics, extrapolated_frechet_distance};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// device.seed(1);
/// let draw = || StandardNormal::new(16).sample(400, &device);
/// let (data, samples) = (draw(), draw()); // of one distribution
/// let extrapolated = extrapolated_frechet_distance(data.clone(), samples.clone(), 1)?;
/// let plain = FeatureStatistics::of(data)?.frechet_distance(&FeatureStatistics::of(samples)?)?;
/// assert!(plain > 0.2 && extrapolated.abs() < 0.2);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn extrapolated_frechet_distance(
    data: Tensor<2>,
    samples: Tensor<2>,
    seed: u64,
) -> Result<f64> {
    check_alike("extrapolated_frechet_distance", &data, &samples)?;
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut halves = |features: Tensor<2>| -> Result<[FeatureStatistics; 3]> {
        let mut order: Vec<i64> = (0..features.dims()[0] as i64).collect();
        order.shuffle(&mut rng);
        let half = order.len() / 2;
        let of = |rows: &[i64]| {
            let rows = TensorData::new(rows.to_vec(), [rows.len()]);
            let rows = Tensor::<1, Int>::from_data(rows, &features.device());
            features.clone().select(0, rows)
        };
        let (first, second) = (of(&order[..half]), of(&order[half..2 * half]));
        let mut all = FeatureStatistics::of(first.clone())?;
        all.add(second.clone())?;
        Ok([
            all,
            FeatureStatistics::of(first)?,
            FeatureStatistics::of(second)?,
        ])
    };
    let (data, samples) = (halves(data)?, halves(samples)?);
    let distance = |k: usize| data[k].frechet_distance(&samples[k]);
    Ok(2.0 * distance(0)? - 0.5 * (distance(1)? + distance(2)?))
}

/// Of two Gaussians: `tr (A B)^(1/2)` is the sum of the roots of the eigenvalues of `A^(1/2) B A^(1/2)`, which is
/// symmetric.
fn frechet_distance_of(
    (mean_a, a): (DVector<f64>, DMatrix<f64>),
    (mean_b, b): (DVector<f64>, DMatrix<f64>),
) -> f64 {
    let traces = a.trace() + b.trace();
    let a = a.symmetric_eigen();
    // Rounding makes what is 0 a little negative.
    let root = a.eigenvalues.map(|value| value.max(0.0).sqrt());
    let root = &a.eigenvectors * DMatrix::from_diagonal(&root) * a.eigenvectors.transpose();
    let inner = &root * b * &root;
    let inner = (&inner + inner.transpose()) * 0.5;
    let cross: f64 = inner
        .symmetric_eigenvalues()
        .iter()
        .map(|value| value.max(0.0).sqrt())
        .sum();
    let distance = (mean_a - mean_b).norm_squared() + traces - 2.0 * cross;
    distance.max(0.0)
}
