use super::check_alike;
use crate::error::{Error, Result};
use crate::kernel::points::{
    RESOLVED, about_mean, at_least_single, squared_differences, squared_distances_down_to,
    squared_products,
};
use crate::loss::MmdKernel;
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

impl MmdKernel {
    /// The Gaussian kernel whose width is the median distance between two points of both samples: the usual choice
    /// where nothing is known of their scale. Of at most 2,000 points, the first of each.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if most pairs of points are the same point twice, a sample is empty or holds NaN, or the
    /// samples are of different spaces; [`Error::Device`] if the device cannot be read.
    pub fn rbf_median(a: &Tensor<2>, b: &Tensor<2>) -> Result<Self> {
        check_alike("MmdKernel::rbf_median", a, b)?;
        if a.dims()[0] * b.dims()[0] == 0 {
            return Err(Error::Samples(
                "MmdKernel::rbf_median: a sample has no points".to_string(),
            ));
        }
        let first = |x: &Tensor<2>| x.clone().narrow(0, 0, x.dims()[0].min(1000));
        let points = pooled(first(a), first(b));
        let centred = about_mean(&points, &points);
        let (mut median, largest) = median_and_largest(squared_products(&centred, &centred))?;
        // Of the same point twice, the product leaves some rounding.
        if median < RESOLVED * largest {
            (median, _) = median_and_largest(squared_differences(&points, &points))?;
        }
        if median > 0.0 {
            return Ok(Self::Rbf { variance: median });
        }
        Err(Error::Samples(
            "MmdKernel::rbf_median: most pairs of points are the same point twice, so that they have no scale; \
             give the kernel a variance"
                .to_string(),
        ))
    }

    /// The squared distance at which points begin to look different.
    fn finest(self) -> f64 {
        match self {
            Self::Rbf { variance } => variance,
            Self::InverseMultiquadric { scale } => scale,
        }
    }

    /// The kernel less 1: a discrepancy does not change with it, and a wide kernel, which is 1 but for its last digits,
    /// has all digits of what it is less.
    fn less_one(self, squared_distance: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Rbf { variance } => exp_m1(squared_distance.div_scalar(-2.0 * variance)),
            Self::InverseMultiquadric { scale } => {
                squared_distance.clone().neg() / squared_distance.add_scalar(scale)
            }
        }
    }
}

/// `e^x - 1` of numbers that are at most 0, exact near 0.
fn exp_m1(x: Tensor<2>) -> Tensor<2> {
    let near = x.clone().greater_elem(-0.1);
    let series = [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0]
        .into_iter()
        .fold(x.zeros_like(), |sum, coefficient| {
            (sum + coefficient) * x.clone()
        });
    x.exp().sub_scalar(1.0).mask_where(near, series)
}

/// The median of the distances between different points, and the largest of them.
fn median_and_largest(distances: Tensor<2>) -> Result<(f64, f64)> {
    let n = distances.dims()[0];
    let all = super::finite("the samples", distances)?;
    let mut between: Vec<f64> = (0..n)
        .flat_map(|i| all[i * n + i + 1..(i + 1) * n].to_vec())
        .collect();
    if between.is_empty() {
        return Ok((0.0, 0.0));
    }
    let middle = between.len() / 2;
    let median = *between.select_nth_unstable_by(middle, f64::total_cmp).1;
    Ok((median, between.into_iter().fold(0.0, f64::max)))
}

/// The squared maximum mean discrepancy of two samples, `[m, d]` and `[n, d]`: 0 on average if they are of one
/// distribution, and larger the less alike they are. The unbiased estimate, which may be negative.
///
/// `E k(a, a') + E k(b, b') - 2 E k(a, b)` over pairs of different points. The kernel of all pairs must fit in
/// memory some four times, each `4 (m + n)^2` bytes.
///
/// [Gretton et al. 2012](https://jmlr.org/papers/v13/gretton12a.html), equation 3.
///
/// # Errors
///
/// [`Error::Samples`] if a sample has fewer than two points or holds NaN, or the samples are of different spaces;
/// [`Error::Config`] if the kernel's parameter is not positive; [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::{MmdKernel, squared_mmd};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let prior = StandardNormal::new(2);
/// let (a, b) = (prior.sample(500, &device), prior.sample(500, &device) + 2.0);
/// let kernel = MmdKernel::rbf_median(&a, &b)?;
/// assert!(squared_mmd(a, b, kernel)? > 0.1);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn squared_mmd(a: Tensor<2>, b: Tensor<2>, kernel: MmdKernel) -> Result<f64> {
    let pairs = Pairs::new(a, b, kernel)?;
    let observed = pairs.observed();
    Ok(pairs.squared_mmd(observed)?[0])
}

/// What equal discrepancies may differ by, as a share of the kernel's own size: in discrete data many are equal, and
/// count. What chance makes of discrepancies is larger, twice that size by the number of points.
const ROUNDING: f64 = 1e-5;

/// What [`mmd_test`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MmdTest {
    /// The squared maximum mean discrepancy, as [`squared_mmd`].
    pub squared_mmd: f64,
    /// How probable a discrepancy of at least this is, if both samples are of one distribution.
    pub p_value: f64,
}

/// Tests whether two samples are of one distribution: how often is the discrepancy as large when it is chance that
/// says which point belongs to which sample? Exact for any sample size: under the null hypothesis, `p_value <= 0.05`
/// happens at most once in twenty times (just so with 999 permutations). It sees through a kernel of any width; what
/// a kernel much wider than the data compares is little more than the means.
///
/// [Gretton et al. 2012](https://jmlr.org/papers/v13/gretton12a.html); the p-value of
/// [Phipson & Smyth 2010](https://arxiv.org/abs/1603.05766), which counts the sample itself and is never 0.
///
/// # Errors
///
/// As [`squared_mmd`]; and [`Error::Config`] if there are no permutations.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::{MmdKernel, mmd_test};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let prior = StandardNormal::new(2);
/// let (a, b) = (prior.sample(100, &device), prior.sample(100, &device) + 2.0);
/// let kernel = MmdKernel::rbf_median(&a, &b)?;
/// assert!(mmd_test(a, b, kernel, 999, 1)?.p_value <= 0.05);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn mmd_test(
    a: Tensor<2>,
    b: Tensor<2>,
    kernel: MmdKernel,
    permutations: usize,
    seed: u64,
) -> Result<MmdTest> {
    if permutations == 0 {
        return Err(Error::Config(
            "mmd_test: at least 1 permutation is needed; 1000 are usual".to_string(),
        ));
    }
    let pairs = Pairs::new(a, b, kernel)?;
    let observed = pairs.squared_mmd(pairs.observed())?[0];
    let rounding = ROUNDING * pairs.size()?;
    let (mut rng, mut as_large) = (Pcg64::seed_from_u64(seed), 1);
    // In blocks, so that the memory does not grow with their number.
    for start in (0..permutations).step_by(256) {
        let count = 256.min(permutations - start);
        let permuted = pairs.squared_mmd(pairs.permuted(count, &mut rng))?;
        let ties_too = |value: &&f64| **value >= observed - rounding;
        as_large += permuted.iter().filter(ties_too).count();
    }
    Ok(MmdTest {
        squared_mmd: observed,
        p_value: as_large as f64 / (permutations + 1) as f64,
    })
}

/// The points of both samples.
fn pooled(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    at_least_single(Tensor::cat(vec![a, b], 0))
}

/// The kernel of all pairs of different points of both samples.
struct Pairs {
    /// `[m + n, m + n]`, with a diagonal of zeros. Off it less its mean, which changes no discrepancy and keeps the digits
    /// of small numbers.
    kernel: Tensor<2>,
    sizes: [usize; 2],
}

impl Pairs {
    fn new(a: Tensor<2>, b: Tensor<2>, kernel: MmdKernel) -> Result<Self> {
        kernel.check()?;
        check_alike("squared_mmd", &a, &b)?;
        let sizes = [a.dims()[0], b.dims()[0]];
        if sizes.iter().any(|&size| size < 2) {
            return Err(Error::Samples(format!(
                "squared_mmd: each sample needs at least 2 points; they have {} and {}",
                sizes[0], sizes[1]
            )));
        }
        let n = sizes[0] + sizes[1];
        let points = pooled(a, b);
        let distances = squared_distances_down_to(kernel.finest(), &points)?;
        let same = Tensor::<2>::eye(n, &points.device()).cast(points.dtype());
        let others = same.neg().add_scalar(1.0);
        let similarity = kernel.less_one(distances) * others.clone();
        let mean = similarity.clone().sum() / (n as f64 * (n - 1) as f64);
        let kernel = similarity - others * mean.unsqueeze();
        Ok(Self { kernel, sizes })
    }

    /// Which points belong to the first sample, `[m + n, 1]`.
    fn observed(&self) -> Tensor<2> {
        let [m, n] = self.sizes;
        let options = (&self.kernel.device(), self.kernel.dtype());
        Tensor::cat(
            vec![
                Tensor::ones([m, 1], options),
                Tensor::zeros([n, 1], options),
            ],
            0,
        )
    }

    /// The root mean square of the kernel between different points.
    fn size(&self) -> Result<f64> {
        let n = self.kernel.dims()[0] as f64;
        // As a share of the largest, whose square may leave the range of `f32`.
        let largest: f64 = self.kernel.clone().abs().max().try_into_scalar()?;
        if largest == 0.0 {
            return Ok(0.0);
        }
        let squares = self.kernel.clone().div_scalar(largest).square().sum_dim(1);
        let sum: f64 = squares.sum().try_into_scalar()?;
        Ok(largest * (sum / (n * (n - 1.0))).sqrt())
    }

    /// As many points by chance, in each of `count` columns.
    fn permuted(&self, count: usize, rng: &mut Pcg64) -> Tensor<2> {
        let [m, n] = self.sizes;
        let mut order: Vec<usize> = (0..m + n).collect();
        let mut columns = vec![0f32; (m + n) * count];
        for column in 0..count {
            order.shuffle(rng);
            for &row in &order[..m] {
                columns[row * count + column] = 1.0;
            }
        }
        let columns = TensorData::new(columns, [m + n, count]);
        Tensor::from_data(columns, (&self.kernel.device(), self.kernel.dtype()))
    }

    /// The discrepancy of each column's two samples.
    fn squared_mmd(&self, members: Tensor<2>) -> Result<Vec<f64>> {
        let similar = self.kernel.clone().matmul(members.clone());
        let outside = members.clone().neg().add_scalar(1.0);
        let [m, n] = self.sizes.map(|size| size as f64);
        let within = (members * similar.clone()).sum_dim(0);
        let across = (outside * similar.clone()).sum_dim(0);
        let total = self.kernel.clone().sum().unsqueeze::<2>();
        let others = total - within.clone() - across.clone().mul_scalar(2.0);
        let discrepancy =
            within / (m * (m - 1.0)) + others / (n * (n - 1.0)) - across.mul_scalar(2.0 / (m * n));
        super::finite("the samples", discrepancy)
    }
}
