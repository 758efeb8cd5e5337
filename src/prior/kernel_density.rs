use super::coordinate::Coordinate;
use super::density::{assert_fits, by_blocks, log_sum_exp};
use crate::error::{Error, Result, check_positive};
use crate::kernel::points::{products_resolve, read, squared_differences, squared_products};
use crate::kernel::reference::LN_2PI;
use crate::traits::{Prior, Sampler};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};

/// A kernel density estimate: a diagonal Gaussian on every code, all alike and equally likely. Its samples are codes with
/// some noise. It is not learned by gradients; its density costs time in proportion to the number of codes, and some times
/// as much where the kernels are so narrow that a matrix product does not resolve them (under some 0.05 in 20 dimensions).
///
/// **Its density at a code that it was made of is too high**, the more so the narrower its kernels: one of them lies there.
/// To compare it with another prior, take other codes, or [`leave_one_out`](Self::leave_one_out).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::KernelDensity;
///
/// let device = Device::default();
/// let codes = StandardNormal::new(2).sample(500, &device);
/// let density = KernelDensity::fit(codes)?;
/// assert_eq!(density.sample(1000, &device).dims(), [1000, 2]);
/// let other_codes = StandardNormal::new(2).sample(100, &device);
/// assert_eq!(density.log_prob(other_codes).dims(), [100]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct KernelDensity {
    /// The codes in units of their widths, about their centre: `[codes, latent]`.
    points: Param<Tensor<2>>,
    /// The median of the codes along each coordinate, `[1, latent]`.
    centre: Param<Tensor<2>>,
    /// The kernel's standard deviation along each coordinate, `[1, latent]`.
    widths: Param<Tensor<2>>,
}

impl KernelDensity {
    /// The density of codes, `[codes, latent]`, with the width that
    /// [Scott 1992](https://doi.org/10.1002/9780470316849) gives: `n^(-1 / (latent + 4))` standard deviations of each
    /// coordinate. That is wide where the codes have several modes: try [`with_width`](Self::with_width) of less.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there are fewer than two codes, a coordinate is constant, or a code is no number;
    /// [`Error::Device`] if the device cannot be read.
    pub fn fit(codes: Tensor<2>) -> Result<Self> {
        let [samples, latent] = codes.dims();
        Self::with_width(codes, (samples as f64).powf(-1.0 / (latent as f64 + 4.0)))
    }

    /// The density of codes, `[codes, latent]`, with kernels of this width, in standard deviations of each coordinate: of
    /// the bulk of the codes, where a few that lie far out make more than half of the standard deviation.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit), and [`Error::Config`] if the width is not positive.
    pub fn with_width(codes: Tensor<2>, width: f64) -> Result<Self> {
        let codes = codes.without_autodiff();
        let samples = codes.dims()[0];
        if samples < 2 {
            return Err(Error::Samples(format!(
                "KernelDensity: at least 2 codes are needed, not {samples}"
            )));
        }
        check_positive("KernelDensity: width", width)?;
        let (coordinates, mut numbers) = Coordinate::of_each("KernelDensity", &codes)?;
        if let Some(k) = coordinates.iter().position(|one| one.deviation == 0.0) {
            return Err(Error::Samples(format!(
                "KernelDensity: coordinate {k} is the same in all codes; leave it out"
            )));
        }
        let latent = coordinates.len();
        let options = (&codes.device(), codes.dtype());
        let row = |number: fn(&Coordinate) -> f64| {
            let numbers: Vec<f64> = coordinates.iter().map(number).collect();
            Tensor::<2>::from_data(TensorData::new(numbers, [1, latent]), options)
        };
        let (centre, widths) = (row(|one| one.median), row(|one| one.deviation) * width);
        // On the host, and with the widths as they were rounded: codes far from 0 keep their digits.
        let rounded_widths = read(widths.clone())?;
        for (at, number) in numbers.iter_mut().enumerate() {
            let k = at % latent;
            *number = (*number - coordinates[k].median) / rounded_widths[k];
        }
        let points = TensorData::new(numbers, [samples, latent]);
        let density = Self {
            points: Param::from_tensor(Tensor::from_data(points, options)),
            centre: Param::from_tensor(centre),
            widths: Param::from_tensor(widths),
        };
        Ok(density.no_grad())
    }

    /// The log-density of each code under the kernels of the others, `[codes]`: what the density is worth where it has not
    /// looked. With two codes or more, as [`fit`](Self::fit) asks.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::prelude::*;
    /// use burn_generative::prior::KernelDensity;
    ///
    /// let device = Device::default();
    /// let codes = StandardNormal::new(2).sample(500, &device);
    /// let density = KernelDensity::fit(codes.clone())?;
    /// let (own, others) = (density.log_prob(codes).mean(), density.leave_one_out().mean());
    /// assert!(own.into_scalar::<f32>() > others.into_scalar::<f32>());
    /// # Ok::<(), burn_generative::Error>(())
    /// ```
    pub fn leave_one_out(&self) -> Tensor<1> {
        let points = self.points.val();
        let (codes, distances) = (points.dims()[0], distances_between(&points));
        let numbers = Tensor::<1, Int>::arange(0..codes as i64, &points.device());
        let rows = by_blocks(
            numbers.clone().unsqueeze_dim::<2>(1),
            codes,
            |own: Tensor<2, Int>| {
                let block = points.clone().select(0, own.clone().squeeze_dim(1));
                let exponents = distances(&block, &points).mul_scalar(-0.5);
                let same = own.equal(numbers.clone().unsqueeze_dim::<2>(0));
                log_sum_exp(exponents.mask_fill(same, f64::NEG_INFINITY))
            },
        );
        rows - self.constant(codes - 1)
    }

    /// What the density has beside the sum over so many kernels.
    fn constant(&self, kernels: usize) -> Tensor<1> {
        let latent = self.points.dims()[1];
        self.widths.val().log().sum() + ((kernels as f64).ln() + 0.5 * latent as f64 * LN_2PI)
    }
}

/// A squared distance, in widths of the kernels, of which an error of a thousandth is one of a hundredth of a nat.
const FINEST: f64 = 30.0;

/// How squared distances to these points, in widths of their kernels, have the digits that a density needs.
fn distances_between(points: &Tensor<2>) -> fn(&Tensor<2>, &Tensor<2>) -> Tensor<2> {
    // A device that cannot be read says so where the density is read.
    if products_resolve(FINEST, points).unwrap_or(true) {
        squared_products
    } else {
        squared_differences
    }
}

impl Sampler for KernelDensity {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let [codes, latent] = self.points.dims();
        let points = self.points.val();
        // In 16 bits most codes have no number of their own.
        let uniform = Distribution::Uniform(0.0, codes as f64);
        let uniform = Tensor::<1>::random([n], uniform, (device, DType::F32));
        let chosen = uniform.int().clamp(0, codes as i64 - 1);
        let normal = Distribution::Normal(0.0, 1.0);
        let noise = Tensor::<2>::random([n, latent], normal, (device, points.dtype()));
        (points.select(0, chosen) + noise) * self.widths.val() + self.centre.val()
    }
}

impl Prior for KernelDensity {
    /// # Panics
    ///
    /// If `z` has another number of coordinates.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [codes, latent] = self.points.dims();
        assert_fits(&z, latent);
        let points = self.points.val();
        let z = (z - self.centre.val()) / self.widths.val();
        let distances = distances_between(&points);
        let of_block = |block: Tensor<2>| log_sum_exp(distances(&block, &points).mul_scalar(-0.5));
        by_blocks(z, codes, of_block) - self.constant(codes)
    }
}
