use super::density::{assert_fits, by_blocks, identity, log_sum_exp};
use super::gaussian_mixture::{draw, known_or_drawn};
use crate::error::{Error, Result};
use crate::kernel::points::{is_finite, read};
use crate::kernel::reference::LN_2PI;
use crate::traits::{LabeledSampler, Prior, Sampler};
use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Device, Distribution, FloatDType, Int, Tensor, TensorData};
use nalgebra::{Cholesky, DMatrix};

/// A mixture of Gaussians with full covariances: what [`MixtureFit`](super::MixtureFit) fits to codes. It is not
/// learned by gradients.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::MixtureFit;
///
/// let device = Device::default();
/// let codes = StandardNormal::new(2).sample(500, &device);
/// let mixture = MixtureFit::new(3).fit_full(codes)?;
/// assert_eq!(mixture.sample(100_000, &device).dims(), [100_000, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct FullGaussianMixture {
    /// Logarithms of the weights, up to a constant: `[components]`.
    logits: Param<Tensor<1>>,
    /// `[components, latent]`.
    means: Param<Tensor<2>>,
    /// Transposed Cholesky factors of the covariances, `[components, latent, latent]`: noise times one is a sample.
    spread: Param<Tensor<3>>,
    /// Their inverses: a sample less its mean, times one, is noise.
    whiten: Param<Tensor<3>>,
}

impl FullGaussianMixture {
    /// The mixture of these components: `logits` (the weights are their softmax) `[components]`, `means`
    /// `[components, latent]`, `covariances` `[components, latent, latent]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the shapes do not agree, a covariance is not symmetric or not positive definite, or a value
    /// is no number; [`Error::Device`] if the device cannot be read.
    pub fn new(logits: Tensor<1>, means: Tensor<2>, covariances: Tensor<3>) -> Result<Self> {
        let [components, latent] = means.dims();
        let empty = components * latent == 0;
        if empty
            || logits.dims() != [components]
            || covariances.dims() != [components, latent, latent]
        {
            return Err(Error::Config(format!(
                "FullGaussianMixture: logits of shape {:?}, means of {:?} and covariances of {:?} do not make components",
                logits.dims(),
                means.dims(),
                covariances.dims()
            )));
        }
        if !is_finite(&logits)? || !is_finite(&means)? || !is_finite(&covariances)? {
            return Err(Error::Config(
                "FullGaussianMixture: logits, means or covariances hold NaN or infinite values"
                    .to_string(),
            ));
        }
        let covariances = matrices(covariances)?;
        match covariances.iter().position(|matrix| !is_symmetric(matrix)) {
            Some(k) => Err(refused(k, "symmetric")),
            None => Self::of_components(logits, means, covariances),
        }
    }

    /// As [`new`](Self::new), of what is known to fit: a step of a fit need not look.
    pub(super) fn of_components(
        logits: Tensor<1>,
        means: Tensor<2>,
        covariances: Vec<DMatrix<f64>>,
    ) -> Result<Self> {
        let ([components, latent], device, dtype) = (means.dims(), means.device(), means.dtype());
        let (mut spread, mut whiten) = (Vec::new(), Vec::new());
        for (k, covariance) in covariances.into_iter().enumerate() {
            let (factor, inverse) =
                factors(covariance).ok_or_else(|| refused(k, "positive definite"))?;
            // Column by column, they are what rows multiply from the left.
            spread.extend_from_slice(factor.as_slice());
            whiten.extend_from_slice(inverse.as_slice());
        }
        let tensor = |values: Vec<f64>| {
            Tensor::from_data(
                TensorData::new(values, [components, latent, latent]),
                (&device, dtype),
            )
        };
        let mixture = Self {
            logits: Param::from_tensor(logits),
            means: Param::from_tensor(means),
            spread: Param::from_tensor(tensor(spread)),
            whiten: Param::from_tensor(tensor(whiten)),
        };
        Ok(mixture.no_grad())
    }

    /// The mixture with each coordinate multiplied by its unit and moved by an offset, in a float type.
    pub(super) fn scaled(self, units: &[f64], offsets: &[f64], dtype: DType) -> Self {
        let (latent, means) = (units.len(), self.means());
        let numbers = |numbers: &[f64], shape: [usize; 3]| {
            let data = TensorData::new(numbers.to_vec(), shape);
            Tensor::<3>::from_data(data, (&means.device(), means.dtype()))
        };
        let row = |of: &[f64]| numbers(of, [1, 1, latent]).squeeze_dim::<2>(0);
        let mixture = Self {
            logits: Param::from_tensor(self.logits.val().cast(dtype)),
            means: Param::from_tensor((means.clone() * row(units) + row(offsets)).cast(dtype)),
            spread: self
                .spread
                .map(|spread| (spread * numbers(units, [1, 1, latent])).cast(dtype)),
            whiten: self
                .whiten
                .map(|whiten| (whiten / numbers(units, [1, latent, 1])).cast(dtype)),
        };
        mixture.no_grad()
    }

    /// The weights, `[components]`, which sum to 1.
    pub fn weights(&self) -> Tensor<1> {
        softmax(self.logits.val(), 0)
    }

    /// The means, `[components, latent]`.
    pub fn means(&self) -> Tensor<2> {
        self.means.val()
    }

    /// The covariances, `[components, latent, latent]`.
    pub fn covariances(&self) -> Tensor<3> {
        let spread = self.spread.val();
        spread.clone().swap_dims(1, 2).matmul(spread)
    }

    /// The log-density of each of `z` under each component, weight included: `[batch, components]`. Its softmax is
    /// how probable it is that a point is of a component.
    ///
    /// # Panics
    ///
    /// If `z` has another number of coordinates.
    pub fn log_joint(&self, z: Tensor<2>) -> Tensor<2> {
        let [components, latent] = self.means.dims();
        assert_fits(&z, latent);
        let noise_log_prob = |k: usize| {
            let mean = self.means().narrow(0, k, 1);
            let noise = (z.clone() - mean).matmul(self.matrix(&self.whiten, k));
            noise.square().sum_dim(1).mul_scalar(-0.5)
        };
        let of_noise = Tensor::cat((0..components).map(noise_log_prob).collect(), 1);
        let diagonals = self.whiten.val() * identity(latent, &z).unsqueeze();
        let log_scales = diagonals
            .sum_dim(1)
            .log()
            .sum_dim(2)
            .reshape([1, components]);
        let log_weights = log_softmax(self.logits.val(), 0).unsqueeze();
        of_noise + log_scales + log_weights - 0.5 * latent as f64 * LN_2PI
    }

    fn matrix(&self, of: &Param<Tensor<3>>, k: usize) -> Tensor<2> {
        of.val().narrow(0, k, 1).squeeze_dim(0)
    }

    fn sample_of(&self, components: Tensor<1, Int>) -> Tensor<2> {
        let [count, latent] = self.means.dims();
        let n = components.dims()[0];
        let normal = Distribution::Normal(0.0, 1.0);
        let means = self.means().select(0, components.clone());
        let dtype = means.dtype();
        let noise = Tensor::<2>::random([n, latent], normal, (&means.device(), dtype));
        let components = components.unsqueeze_dim::<2>(1);
        // Each component's matrix in turn: a matrix a sample would fill the memory.
        (0..count).fold(means, |samples, k| {
            let own = components.clone().equal_elem(k as i64);
            let own = own.cast(FloatDType::from(dtype));
            samples + noise.clone().matmul(self.matrix(&self.spread, k)) * own
        })
    }
}

/// Square matrices, `[count, size, size]`, on the host.
pub(super) fn matrices(tensor: Tensor<3>) -> Result<Vec<DMatrix<f64>>> {
    let [_, rows, columns] = tensor.dims();
    let values = read(tensor)?;
    let matrices = values.chunks(rows * columns);
    Ok(matrices
        .map(|matrix| DMatrix::from_row_slice(rows, columns, matrix))
        .collect())
}

fn refused(component: usize, reason: &str) -> Error {
    Error::Config(format!(
        "FullGaussianMixture: the covariance of component {component} is not {reason}"
    ))
}

/// But for what rounding in `f32` leaves of a sum of products.
fn is_symmetric(covariance: &DMatrix<f64>) -> bool {
    let scales = covariance.diagonal().map(|variance| variance.abs().sqrt());
    let asymmetry = (covariance - covariance.transpose()).abs();
    let allowed = &scales * scales.transpose() * 1e-4;
    asymmetry
        .iter()
        .zip(&allowed)
        .all(|(asymmetry, allowed)| asymmetry <= allowed)
}

/// The Cholesky factor of a covariance, and its inverse transposed.
fn factors(covariance: DMatrix<f64>) -> Option<(DMatrix<f64>, DMatrix<f64>)> {
    let factor = Cholesky::new(covariance)?.unpack();
    let inverse = factor.clone().try_inverse()?;
    // As in `spread`, the slice is read column by column: this becomes the inverse's transpose.
    Some((factor, inverse))
}

impl Sampler for FullGaussianMixture {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        self.sample_of(draw(self.logits.val(), n, device))
    }
}

impl Prior for FullGaussianMixture {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let latent = self.means.dims()[1];
        by_blocks(z, latent, |block| log_sum_exp(self.log_joint(block)))
    }
}

impl LabeledSampler for FullGaussianMixture {
    fn num_classes(&self) -> usize {
        self.logits.dims()[0]
    }

    fn sample_labeled(&self, labels: Tensor<1, Int>) -> Tensor<2> {
        self.sample_of(known_or_drawn(labels, self.logits.val()))
    }
}
