use super::Bijection;
use crate::error::{Result, check_at_least_one, check_positive};
use crate::kernel::{affine_map, affine_map_inverse, sum_event};
use crate::traits::Block;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// An increasing map of one number, with parameters that a network gives: what a [`Coupling`](super::Coupling) or a
/// [`MaskedAutoregressive`](super::MaskedAutoregressive) flow does to each coordinate.
///
/// Numbers are `[batch, coordinates]`, parameters `[batch, parameters, coordinates]` (or `[1, ..]` for all of a batch),
/// and unbounded: the map bounds them itself. With parameters of zero it is the identity.
pub trait ElementwiseMap: Block {
    /// The number of parameters of a coordinate.
    fn parameters(&self) -> usize;

    /// The values, and the logarithms of the slopes there, `[batch, coordinates]` both.
    fn forward(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>);

    /// The numbers that have these values, and the logarithms of the slopes of the inverse there.
    fn inverse(&self, y: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>);
}

/// `y = x e^s + t`, with `s = b tanh(r / b)` from an unbounded `r`: no map stretches by more than `e^b`, so that a flow of
/// some of them stays invertible in `f32` whatever its networks say.
#[derive(Module, Debug)]
pub struct AffineMap {
    bound: f64,
}

impl AffineMap {
    /// A map whose logarithm of the scale stays within `bound` of 0.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the bound is not a positive number.
    pub fn new(bound: f64) -> Result<Self> {
        let bound = check_positive("AffineMap: the bound of the log-scale", bound)?;
        Ok(Self { bound })
    }
}

/// With a bound of 3: a factor of 20.
impl Default for AffineMap {
    fn default() -> Self {
        Self { bound: 3.0 }
    }
}

impl ElementwiseMap for AffineMap {
    fn parameters(&self) -> usize {
        2
    }

    fn forward(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        affine_map(x, parameters, self.bound)
    }

    fn inverse(&self, y: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        affine_map_inverse(y, parameters, self.bound)
    }
}

/// An elementwise map of each coordinate of a vector, `[batch, features]`, with learned parameters that depend on nothing.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Bijection, Elementwise, SplineMap};
///
/// let device = Device::default();
/// let splines = Elementwise::new(3, SplineMap::default(), &device)?;
/// let (z, log_det) = splines.forward(Tensor::full([2, 3], 0.25, &device)); // the identity, as yet
/// assert!((z - 0.25).abs().max().into_scalar::<f32>() < 1e-6);
/// assert_eq!(log_det.dims(), [2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Elementwise<M> {
    map: M,
    /// `[1, parameters, features]`.
    parameters: Param<Tensor<3>>,
}

impl<M: ElementwiseMap> Elementwise<M> {
    /// Maps of so many coordinates, each the identity at first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no coordinates.
    pub fn new(features: usize, map: M, device: &Device) -> Result<Self> {
        check_at_least_one("Elementwise", "features", features)?;
        let parameters = Tensor::zeros([1, map.parameters(), features], device);
        Ok(Self {
            map,
            parameters: Param::from_tensor(parameters),
        })
    }
}

impl<M: ElementwiseMap> Bijection for Elementwise<M> {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (z, log_slope) = self.map.forward(x, self.parameters.val());
        (z, sum_event(log_slope))
    }

    fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (x, log_slope) = self.map.inverse(z, self.parameters.val());
        (x, sum_event(log_slope))
    }
}
