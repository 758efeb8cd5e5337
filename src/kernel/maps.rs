//! The elementwise maps of flows: where the processor's memory holds the tensors, a pass is one kernel, and its backward pass
//! another. Elsewhere the [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::{assert_compatible, reference, rows};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// `y = x e^s + t` with `s = bound tanh(r / bound)`, and the logarithms of the slopes, `s`: both `[batch, coordinates]`, as `x`.
///
/// The parameters, `[batch, 2, coordinates]` (or `[1, ..]` for all of a batch), are `t` and `r`.
///
/// # Panics
///
/// If the parameters have another shape, and as [every kernel](super) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::affine_map;
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0], [2.0]], &device);
/// let shift_only = Tensor::<3>::from_floats([[[0.5], [0.0]]], &device);
/// let (y, log_slope) = affine_map(x, shift_only, 3.0);
/// y.into_data().assert_eq(&TensorData::from([[1.5f32], [2.5]]), true);
/// log_slope.into_data().assert_eq(&TensorData::from([[0f32], [0.0]]), true);
/// ```
pub fn affine_map(x: Tensor<2>, parameters: Tensor<3>, bound: f64) -> (Tensor<2>, Tensor<2>) {
    match elementwise(&x, &parameters, Kind::Affine, bound, false) {
        Some(result) => result,
        None => reference::affine_map(x, parameters, bound),
    }
}

/// The inverse of [`affine_map`], and the logarithms of *its* slopes, `-s`.
///
/// # Panics
///
/// As [`affine_map`].
pub fn affine_map_inverse(
    y: Tensor<2>,
    parameters: Tensor<3>,
    bound: f64,
) -> (Tensor<2>, Tensor<2>) {
    match elementwise(&y, &parameters, Kind::Affine, bound, true) {
        Some(result) => result,
        None => reference::affine_map_inverse(y, parameters, bound),
    }
}

/// A monotonic rational-quadratic spline over `[-bound, bound]`, the identity outside, and the logarithms of its slopes:
/// both `[batch, coordinates]`, as `x`. [Durkan et al. 2019](https://arxiv.org/abs/1906.04032).
///
/// The parameters, `[batch, 3 bins - 1, coordinates]` (or `[1, ..]` for all of a batch), are the widths of the bins, as logits,
/// then their heights, then the logarithms of the slopes at the knots between, which are bounded to a factor of 1000. At zero
/// it is the identity.
///
/// # Panics
///
/// If the parameters have another shape, there are fewer than two bins, and as [every kernel](super) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::{spline_map, spline_map_inverse};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[-7.0, 0.5]], &device);
/// let parameters = Tensor::<3>::random([1, 11, 2], burn::tensor::Distribution::Default, &device);
/// let (y, _) = spline_map(x.clone(), parameters.clone(), 4.0); // 4 bins
/// let (again, _) = spline_map_inverse(y, parameters, 4.0);
/// assert!((again - x).abs().max().into_scalar::<f32>() < 1e-5);
/// ```
pub fn spline_map(x: Tensor<2>, parameters: Tensor<3>, bound: f64) -> (Tensor<2>, Tensor<2>) {
    match elementwise(&x, &parameters, Kind::Spline, bound, false) {
        Some(result) => result,
        None => reference::spline_map(x, parameters, bound),
    }
}

/// The inverse of [`spline_map`], and the logarithms of *its* slopes.
///
/// # Panics
///
/// As [`spline_map`].
pub fn spline_map_inverse(
    y: Tensor<2>,
    parameters: Tensor<3>,
    bound: f64,
) -> (Tensor<2>, Tensor<2>) {
    match elementwise(&y, &parameters, Kind::Spline, bound, true) {
        Some(result) => result,
        None => reference::spline_map_inverse(y, parameters, bound),
    }
}

/// The check of a map's parameters.
pub(super) fn assert_parameters(
    operation: &str,
    numbers: &Tensor<2>,
    parameters: &Tensor<3>,
    count: usize,
) {
    let [batch, coordinates] = numbers.dims();
    let [repeated, parts, across] = parameters.dims();
    assert!(
        (repeated == batch || repeated == 1) && parts == count && across == coordinates,
        "{operation}: the numbers have shape {:?}, and their parameters {:?} in the place of {:?}",
        numbers.dims(),
        parameters.dims(),
        [batch, count, coordinates],
    );
    assert!(
        operation != "spline_map" || count >= 5,
        "{operation}: parameters of shape {:?} are those of less than two bins",
        parameters.dims(),
    );
}

/// Which map.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Affine,
    Spline,
}

/// A map and its direction.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    pub(super) kind: Kind,
    pub(super) bound: f32,
    /// The number of parameters of a coordinate.
    pub(super) parameters: usize,
    pub(super) is_inverse: bool,
}

/// A map by its kernel, if there is one for these tensors.
fn elementwise(
    numbers: &Tensor<2>,
    parameters: &Tensor<3>,
    kind: Kind,
    bound: f64,
    is_inverse: bool,
) -> Option<(Tensor<2>, Tensor<2>)> {
    let [batch, coordinates] = numbers.dims();
    let [repeated, count, _] = parameters.dims();
    // (burn expands to no empty shape.)
    if batch == 0 || !is_here(numbers) || !is_here(parameters) {
        return None;
    }
    let (name, wanted) = match kind {
        Kind::Affine => ("affine_map", 2),
        Kind::Spline => ("spline_map", 3 * count.div_ceil(3) - 1),
    };
    assert_parameters(name, numbers, parameters, wanted);
    assert_compatible(
        name,
        ("parameters", &rows(parameters.clone())),
        ("numbers", numbers),
    );
    let parameters = if repeated == batch {
        parameters.clone()
    } else {
        parameters.clone().expand([batch, count, coordinates])
    };
    let map = Map {
        kind,
        bound: bound as f32,
        parameters: count,
        is_inverse,
    };
    let [numbers, parameters] = [numbers.clone(), rows(parameters)].map(Tensor::into_dispatch);
    let both = Tensor::<2>::from_dispatch(Dispatch::elementwise(numbers, parameters, map));
    let part = |index| both.clone().narrow(1, index * coordinates, coordinates);
    Some((part(0), part(1)))
}

/// The maps on backend tensors, all as rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Maps: Backend {
    /// `[batch, 2 coordinates]`: values, and behind them the logarithms of the slopes, of `[batch, coordinates]` numbers
    /// with `[batch, parameters x coordinates]` parameters.
    fn elementwise(
        numbers: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        map: Map,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`Maps`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait MapGradients: Backend {
    /// Those of the numbers and of the parameters. `x` begins with the numbers on the side of the data, whatever the
    /// direction.
    fn elementwise_grad(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        map: Map,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// A map as a node of the graph.
#[derive(Debug)]
struct Elementwise;

impl<B: Maps + MapGradients> Backward<B, 2> for Elementwise {
    type State = (FloatTensor<B>, FloatTensor<B>, Map);

    fn backward(self, ops: Ops<Self::State, 2>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let (x, parameters, map) = ops.state;
        let (numbers, parameters) = B::elementwise_grad(gradient, x, parameters, map);
        for (parent, gradient) in ops.parents.into_iter().zip([numbers, parameters]) {
            if let Some(parent) = parent {
                tape.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: Maps + MapGradients, C: CheckpointStrategy> Maps for Autodiff<B, C> {
    fn elementwise(
        numbers: FloatTensor<Self>,
        parameters: FloatTensor<Self>,
        map: Map,
    ) -> FloatTensor<Self> {
        let nodes = [numbers.node(), parameters.node()];
        let (numbers, parameters) = (numbers.into_primitive(), parameters.into_primitive());
        let both = B::elementwise(numbers.clone(), parameters.clone(), map);
        match Elementwise.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let x = if map.is_inverse {
                    both.clone()
                } else {
                    numbers
                };
                prep.finish((x, parameters, map), both)
            }
            OpsKind::UnTracked(prep) => prep.finish(both),
        }
    }
}
