use super::FeatureStatistics;
use crate::error::{Error, Result};
use crate::kernel::points::at_least_single;
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Principal component analysis: the linear map to fewer dimensions that loses least in squared error. What a
/// non-linear autoencoder is to be compared with.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::Pca;
///
/// let device = Device::default();
/// // Points of a line in space.
/// let t = Tensor::<2>::from_floats([[-1.0], [0.0], [1.0], [2.0]], &device);
/// let points = t.matmul(Tensor::from_floats([[1.0, 2.0, 2.0]], &device));
/// let pca = Pca::fit(points.clone())?;
/// assert!((pca.explained(1) - 1.0).abs() < 1e-9);
/// let error = (pca.reconstruct(pca.project(points.clone(), 1)) - points).abs().max();
/// assert!(error.into_scalar::<f32>() < 1e-5);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pca {
    /// `[1, width]`.
    mean: Tensor<2>,
    /// A column a component, the most important first: `[width, width]`.
    components: Tensor<2>,
    variances: Vec<f64>,
}

impl Pca {
    /// The components of data, `[samples, width]`; computed in double precision on the host.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there are fewer than two samples or no coordinates, or a value is no number;
    /// [`Error::Device`] if the device cannot be read.
    pub fn fit(data: Tensor<2>) -> Result<Self> {
        let (device, dtype) = (data.device(), at_least_single(data.clone()).dtype());
        let mut statistics = FeatureStatistics::new();
        for batch in data.split(4096, 0) {
            statistics.add(batch)?;
        }
        Self::of_type(&statistics, (&device, dtype))
    }

    /// The components of the data that was gathered.
    ///
    /// # Errors
    ///
    /// As [`fit`](Self::fit).
    pub fn of(statistics: &FeatureStatistics, device: &Device) -> Result<Self> {
        // Not in 16 bits, which the data need not have.
        let dtype = match device.settings().float_dtype.into() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        Self::of_type(statistics, (device, dtype))
    }

    fn of_type(statistics: &FeatureStatistics, options: (&Device, DType)) -> Result<Self> {
        let samples = statistics.samples();
        if samples < 2 {
            return Err(Error::Samples(format!(
                "Pca: at least 2 samples are needed, not {samples}"
            )));
        }
        let width = statistics.width();
        if width == 0 {
            return Err(Error::Samples(
                "Pca: the data has no coordinates".to_string(),
            ));
        }
        let (mean, covariance) = statistics.moments();
        let eigen = covariance.symmetric_eigen();
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
        let components: Vec<f64> = (0..width)
            .flat_map(|row| order.iter().map(move |&column| (row, column)))
            .map(|at| eigen.eigenvectors[at])
            .collect();
        Ok(Self {
            mean: Tensor::from_data(
                TensorData::new(mean.as_slice().to_vec(), [1, width]),
                options,
            ),
            components: Tensor::from_data(TensorData::new(components, [width, width]), options),
            // Rounding makes what is 0 a little negative.
            variances: order
                .iter()
                .map(|&i| eigen.eigenvalues[i].max(0.0))
                .collect(),
        })
    }

    /// The variance along each component, in falling order.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The share of the variance that the first `k` components explain, from 0 to 1.
    pub fn explained(&self, k: usize) -> f64 {
        let total: f64 = self.variances.iter().sum();
        let first: f64 = self.variances.iter().take(k).sum();
        first / total.max(f64::MIN_POSITIVE)
    }

    /// The coordinates along the first `k` components, `[samples, k]`; along all, if there are no more.
    ///
    /// # Panics
    ///
    /// If the data has another width, or k is 0.
    pub fn project(&self, data: Tensor<2>, k: usize) -> Tensor<2> {
        let width = self.variances.len();
        assert!(k > 0, "Pca: to project on 0 components leaves nothing");
        assert!(
            data.dims()[1] == width,
            "Pca: it was fitted to {width} coordinates, but the data has {}",
            data.dims()[1],
        );
        let (dtype, data) = (data.dtype(), at_least_single(data));
        let [mean, first] = [self.mean.clone(), self.first(k)].map(|own| own.cast(data.dtype()));
        (data - mean).matmul(first).cast(dtype)
    }

    /// The data that these coordinates stand for: `[samples, k]` to `[samples, width]`.
    ///
    /// # Panics
    ///
    /// If there are more coordinates than components.
    pub fn reconstruct(&self, coordinates: Tensor<2>) -> Tensor<2> {
        let (k, width) = (coordinates.dims()[1], self.variances.len());
        assert!(
            k <= width,
            "Pca: there are {width} components, but {k} coordinates"
        );
        let (dtype, coordinates) = (coordinates.dtype(), at_least_single(coordinates));
        let own = [self.mean.clone(), self.first(k)];
        let [mean, first] = own.map(|own| own.cast(coordinates.dtype()));
        (coordinates.matmul(first.transpose()) + mean).cast(dtype)
    }

    fn first(&self, k: usize) -> Tensor<2> {
        self.components
            .clone()
            .narrow(1, 0, k.min(self.variances.len()))
    }
}
