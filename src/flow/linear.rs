use super::{Bijection, for_each};
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::points::read;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use nalgebra::{DMatrix, LU};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// An invertible matrix across the channels of axis 1: of a vector's coordinates, or at each pixel (a 1x1 convolution).
///
/// The matrix is kept as `P L U`, of which the permutation and the signs of U's diagonal stay what they are: so the
/// log-determinant is a sum, and no training can make the matrix singular. It is inverted on the host in `f64`, once for
/// each call of [`inverse`](Bijection::inverse).
///
/// [Kingma & Dhariwal 2018](https://arxiv.org/abs/1807.03039), section 3.2.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Bijection, InvertibleLinear};
///
/// let device = Device::default();
/// let rotation = InvertibleLinear::<4>::rotation(3, 7, &device)?;
/// let (z, log_det) = rotation.forward(Tensor::ones([2, 3, 8, 8], &device));
/// assert_eq!(z.dims(), [2, 3, 8, 8]);
/// assert!(log_det.abs().max().into_scalar::<f32>() < 1e-4);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct InvertibleLinear<const D: usize = 2> {
    /// `[channels, channels]`, without gradient.
    permutation: Param<Tensor<2>>,
    /// Below the diagonal: L, whose diagonal is 1. Above it: U. The diagonal is not used.
    factors: Param<Tensor<2>>,
    /// The logarithms of the absolute values of U's diagonal, `[channels]`, of which no more than `BOUND` is used.
    log_scales: Param<Tensor<1>>,
    /// Their signs, without gradient.
    signs: Param<Tensor<1>>,
}

/// The largest logarithm of a scale, so that also a matrix from a file has an inverse.
const BOUND: f64 = 10.0;

impl<const D: usize> InvertibleLinear<D> {
    /// The identity of so many channels.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no channels.
    pub fn new(channels: usize, device: &Device) -> Result<Self> {
        check_at_least_one("InvertibleLinear", "channels", channels)?;
        Self::of(DMatrix::identity(channels, channels), device)
    }

    /// A random rotation, which a seed draws.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no channels.
    pub fn rotation(channels: usize, seed: u64, device: &Device) -> Result<Self> {
        check_at_least_one("InvertibleLinear", "channels", channels)?;
        let mut rng = Pcg64::seed_from_u64(seed);
        // The sum of many uniform numbers has no direction that it prefers by much.
        let mut normal = || (0..12).map(|_| rng.random::<f64>() - 0.5).sum::<f64>();
        let random = DMatrix::from_fn(channels, channels, |_, _| normal());
        Self::of(random.qr().q(), device)
    }

    /// The map `z = x W` of this matrix, `[channels, channels]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the matrix is not square, singular or nearly so, or holds no numbers; [`Error::Device`] if the
    /// device cannot be read.
    pub fn from_matrix(matrix: Tensor<2>) -> Result<Self> {
        let [rows, columns] = matrix.dims();
        if rows != columns || rows == 0 {
            return Err(Error::Config(format!(
                "InvertibleLinear: a matrix of {rows} rows and {columns} columns has no inverse"
            )));
        }
        let device = matrix.device();
        let values = read(matrix)?;
        Self::of(DMatrix::from_row_slice(rows, rows, &values), &device)
    }

    fn of(matrix: DMatrix<f64>, device: &Device) -> Result<Self> {
        let channels = matrix.nrows();
        let lu = LU::new(matrix);
        let (lower, upper) = (lu.l(), lu.u());
        let diagonal: Vec<f64> = upper.diagonal().iter().copied().collect();
        let is_fit = |value: &f64| value.abs().ln().abs() <= BOUND;
        if !diagonal.iter().all(is_fit) {
            return Err(Error::Config(
                "InvertibleLinear: the matrix is singular, or nearly so, or holds values that are no numbers".to_string(),
            ));
        }
        // `lu.p()` moves rows to where L U has them: its transpose moves them back.
        let mut permutation = DMatrix::<f64>::identity(channels, channels);
        lu.p().inv_permute_rows(&mut permutation);
        let factors = lower.lower_triangle() + upper.upper_triangle();
        let square = |matrix: DMatrix<f64>| {
            let rows: Vec<f64> = matrix.transpose().as_slice().to_vec();
            Tensor::<2>::from_data(TensorData::new(rows, [channels, channels]), device)
        };
        let vector = |of: fn(f64) -> f64| {
            let values: Vec<f64> = diagonal.iter().map(|&value| of(value)).collect();
            Tensor::<1>::from_data(TensorData::new(values, [channels]), device)
        };
        Ok(Self {
            permutation: Param::from_tensor(square(permutation)).set_require_grad(false),
            factors: Param::from_tensor(square(factors)),
            log_scales: Param::from_tensor(vector(|value| value.abs().ln())),
            signs: Param::from_tensor(vector(f64::signum)).set_require_grad(false),
        })
    }

    fn log_scales(&self) -> Tensor<1> {
        self.log_scales.val().clamp(-BOUND, BOUND)
    }

    /// `W = P L U`, `[channels, channels]`.
    fn matrix(&self) -> Tensor<2> {
        let factors = self.factors.val();
        let [channels, _] = factors.dims();
        let options = (&factors.device(), factors.dtype());
        let identity = Tensor::<2>::eye(channels, options.0).cast(options.1);
        let diagonal = (self.log_scales().exp() * self.signs.val()).unsqueeze::<2>();
        let lower = factors.clone().tril(-1) + identity.clone();
        let upper = factors.triu(1) + identity * diagonal;
        self.permutation.val().matmul(lower.matmul(upper))
    }

    /// The inverse of the matrix, without its graph, as the host has it in `f64`.
    fn inverse_matrix(&self, matrix: &Tensor<2>) -> Tensor<2> {
        let [channels, _] = matrix.dims();
        let values: Vec<f64> = matrix.to_data().iter::<f64>().collect();
        let inverse = DMatrix::from_row_slice(channels, channels, &values).try_inverse();
        // Weights that are no numbers make samples that are none.
        let inverse =
            inverse.unwrap_or_else(|| DMatrix::from_element(channels, channels, f64::NAN));
        let rows = TensorData::new(
            inverse.transpose().as_slice().to_vec(),
            [channels, channels],
        );
        Tensor::from_data(rows, (&matrix.device(), matrix.dtype()))
    }

    /// A product with a matrix of the channels at every place.
    fn apply(x: Tensor<D>, product: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<D> {
        let shape = x.dims();
        let (batch, channels) = (shape[0], shape[1]);
        let places = shape[2..].iter().product::<usize>();
        let rows = x.reshape([batch, channels, places]).swap_dims(1, 2);
        let rows = product(rows.reshape([batch * places, channels]));
        let x = rows.reshape([batch, places, channels]).swap_dims(1, 2);
        x.reshape(shape)
    }

    fn check(&self, channels: usize) {
        let [expected] = self.signs.dims();
        assert!(
            channels == expected,
            "InvertibleLinear: it is over {expected} channels, but the data has {channels}"
        );
    }
}

/// How often the map is applied to a sample: at each place behind the channels.
fn places<const D: usize>(x: &Tensor<D>) -> f64 {
    x.dims()[2..].iter().product::<usize>() as f64
}

impl<const D: usize> Bijection for InvertibleLinear<D> {
    type Input = Tensor<D>;
    type Output = Tensor<D>;

    fn forward(&self, x: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        self.check(x.dims()[1]);
        let log_det = self.log_scales().sum() * places(&x);
        let log_det = for_each(log_det, x.dims()[0]);
        let matrix = self.matrix();
        (Self::apply(x, |rows| rows.matmul(matrix)), log_det)
    }

    fn inverse(&self, z: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        self.check(z.dims()[1]);
        let log_det = self.log_scales().sum().neg() * places(&z);
        let log_det = for_each(log_det, z.dims()[0]);
        let matrix = self.matrix();
        let inverse = self.inverse_matrix(&matrix);
        let x = Self::apply(z, |rows| {
            // One Newton step: it corrects what rounding left, and carries the gradient of the inverse.
            let near = rows.clone().detach().matmul(inverse.clone());
            near.clone() + (rows - near.matmul(matrix)).matmul(inverse)
        });
        (x, log_det)
    }
}
