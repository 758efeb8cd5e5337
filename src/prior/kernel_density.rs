use super::density::{assert_fits, by_blocks, log_sum_exp};
use crate::error::{Error, Result, check_positive};
use crate::kernel::points::{read, squared_distances};
use crate::kernel::reference::LN_2PI;
use crate::traits::{Prior, Sampler};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Tensor};

/// A kernel density estimate: a diagonal Gaussian on every code, all alike and equally likely. Its samples are codes with
/// some noise. It is not learned by gradients; its density costs time in proportion to the number of codes, and in `f32`
/// is right to about `1e-7 latent / width^2` nats, so take no width far below 0.01 for it.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::KernelDensity;
///
/// let device = Device::default();
/// let codes = StandardNormal::new(2).sample(500, &device);
/// let density = KernelDensity::fit(codes.clone())?;
/// assert_eq!(density.sample(1000, &device).dims(), [1000, 2]);
/// assert_eq!(density.log_prob(codes).dims(), [500]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct KernelDensity {
    /// The codes in units of their widths, less their mean: `[codes, latent]`.
    points: Param<Tensor<2>>,
    /// The mean of the codes, `[1, latent]`.
    mean: Param<Tensor<2>>,
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

    /// The density of codes, `[codes, latent]`, with kernels of this width, in standard deviations of each coordinate.
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
        let deviation = codes.clone().var(0).sqrt();
        let range = codes.clone().max_dim(0) - codes.clone().min_dim(0);
        let (deviations, ranges) = (read(deviation.clone())?, read(range)?);
        for (k, (deviation, range)) in deviations.into_iter().zip(ranges).enumerate() {
            let reason = match (deviation.is_finite(), range) {
                (false, _) => "holds NaN or infinite values",
                (true, 0.0) => "is the same in all codes; leave it out",
                _ => continue,
            };
            let reason = format!("KernelDensity: coordinate {k} {reason}");
            return Err(Error::Samples(reason));
        }
        let widths = deviation * width;
        let mean = codes.clone().mean_dim(0);
        let density = Self {
            points: Param::from_tensor((codes - mean.clone()) / widths.clone()),
            mean: Param::from_tensor(mean),
            widths: Param::from_tensor(widths),
        };
        Ok(density.no_grad())
    }
}

impl Sampler for KernelDensity {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let [codes, latent] = self.points.dims();
        let uniform = Tensor::<1>::random([n], Distribution::Uniform(0.0, codes as f64), device);
        let chosen = uniform.int().clamp(0, codes as i64 - 1);
        let noise = Tensor::<2>::random([n, latent], Distribution::Normal(0.0, 1.0), device);
        (self.points.val().select(0, chosen) + noise) * self.widths.val() + self.mean.val()
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
        let constant =
            self.widths.val().log().sum() + ((codes as f64).ln() + 0.5 * latent as f64 * LN_2PI);
        let z = (z - self.mean.val()) / self.widths.val();
        let of_block =
            |block: Tensor<2>| log_sum_exp(squared_distances(&block, &points).mul_scalar(-0.5));
        by_blocks(z, codes, of_block) - constant
    }
}
