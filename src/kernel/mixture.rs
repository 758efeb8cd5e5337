//! Densities under the components of a mixture: where the processor's memory holds the tensors, no number of a point, a component
//! and a coordinate is written to memory, neither forward nor backward. Elsewhere the composition runs.

use super::convolution::is_here;
use super::reference::LN_2PI;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// The log-density of each of `z`, `[batch, latent]`, under each of the diagonal Gaussians with these means and log-variances,
/// `[components, latent]`: `[batch, components]`.
pub(crate) fn log_densities(z: Tensor<2>, means: Tensor<2>, log_vars: Tensor<2>) -> Tensor<2> {
    let fits = [&means, &log_vars].map(|tensor| is_here(tensor) && tensor.device() == z.device());
    let numbers = [&z, &means].map(|tensor| tensor.shape().num_elements());
    if !is_here(&z) || fits.contains(&false) || numbers.contains(&0) {
        return composed(z, means, log_vars);
    }
    let [z, means, log_vars] = [z, means, log_vars].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::log_densities(z, means, log_vars))
}

/// How many numbers there are in memory for each pair of a point and a component.
pub(crate) fn numbers_of_pair(z: &Tensor<2>) -> usize {
    if is_here(z) { 1 } else { z.dims()[1] }
}

fn composed(z: Tensor<2>, means: Tensor<2>, log_vars: Tensor<2>) -> Tensor<2> {
    let (means, log_vars) = (means.unsqueeze_dim::<3>(0), log_vars.unsqueeze_dim::<3>(0));
    let distance = z.unsqueeze_dim::<3>(1) - means;
    // Divided by the deviation before it is squared: either may leave the range of floats where the quotient does not.
    let distance = distance * log_vars.clone().mul_scalar(-0.5).exp();
    let exponent = distance.square() + log_vars;
    let log_normal = (exponent + LN_2PI).sum_dim(2).mul_scalar(-0.5);
    log_normal.squeeze_dim::<2>(2)
}

/// The densities on backend tensors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Densities: Backend {
    fn log_densities(
        z: FloatTensor<Self>,
        means: FloatTensor<Self>,
        log_vars: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`Densities`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait DensitiesGradients: Backend {
    /// Those of the points, the means and the log-variances.
    fn log_densities_grad(
        gradient: FloatTensor<Self>,
        z: FloatTensor<Self>,
        means: FloatTensor<Self>,
        log_vars: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The densities as a node of the graph.
#[derive(Debug)]
struct Node;

impl<B: Densities + DensitiesGradients> Backward<B, 3> for Node {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let [z, means, log_vars] = ops.state;
        let (z, means, log_vars) = B::log_densities_grad(gradient, z, means, log_vars);
        for (parent, gradient) in ops.parents.into_iter().zip([z, means, log_vars]) {
            if let Some(parent) = parent {
                tape.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: Densities + DensitiesGradients, C: CheckpointStrategy> Densities for Autodiff<B, C> {
    fn log_densities(
        z: FloatTensor<Self>,
        means: FloatTensor<Self>,
        log_vars: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let arguments = [z, means, log_vars];
        let nodes = arguments.each_ref().map(|tensor| tensor.node());
        let arguments = arguments.map(|tensor| tensor.into_primitive());
        let [z, means, log_vars] = arguments.clone();
        let output = B::log_densities(z, means, log_vars);
        match Node.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(arguments, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    /// Values and gradients are the composition's: of one component and of several blocks of them, of several threads too, of
    /// views, and of a point that is no number, or as far away as numbers go.
    #[test]
    fn densities_and_gradients_are_the_compositions() {
        let numbers = |[rows, columns]: [usize; 2], seed: usize| {
            let number = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 252.0 - 2.0;
            TensorData::new((0..rows * columns).map(number).collect(), [rows, columns])
        };
        #[allow(deprecated)] // ndarray, which burn keeps for now
        let devices = [
            #[cfg(feature = "flex")]
            Device::flex(),
            #[cfg(feature = "ndarray")]
            Device::ndarray(),
        ];
        for device in devices.map(Device::autodiff) {
            for ([batch, components, latent], astray) in [
                ([1, 1, 1], false),
                ([3, 33, 2], false),
                ([17, 10, 5], false),
                ([5, 270, 3], false),
                ([17, 10, 5], true),
                ([130, 500, 50], false),
                ([130, 500, 50], true),
            ] {
                let of = |function: fn(Tensor<2>, Tensor<2>, Tensor<2>) -> Tensor<2>| {
                    let mut points: Vec<f32> = numbers([batch, latent], 1).to_vec().unwrap();
                    if astray {
                        points[0] = f32::NAN;
                        points[latent] = 1e25;
                    }
                    let z = TensorData::new(points, [batch, latent]);
                    let z = Tensor::<2>::from_data(z, &device).require_grad();
                    let [means, log_vars] = [2, 3].map(|seed| {
                        let data = numbers([latent, components], seed);
                        Tensor::<2>::from_data(data, &device).require_grad()
                    });
                    let (turned_means, turned_log_vars) =
                        (means.clone().transpose(), log_vars.clone().transpose());
                    let output = function(z.clone(), turned_means, turned_log_vars);
                    let slope = numbers([batch, components], 4);
                    let slope = Tensor::<2>::from_data(slope, &device);
                    let gradients = (output.clone() * slope).sum().backward();
                    let of_z = z.grad(&gradients).unwrap();
                    if astray {
                        // What is no number is in every sum over points, and in no other point's gradient.
                        let others = of_z.narrow(0, 2, batch - 2);
                        return vec![output.into_data(), others.into_data()];
                    }
                    let [of_means, of_log_vars] =
                        [means, log_vars].map(|of| of.grad(&gradients).unwrap().into_data());
                    vec![output.into_data(), of_z.into_data(), of_means, of_log_vars]
                };
                let (ours, composed) = (of(log_densities), of(composed));
                for (ours, composed) in ours.iter().zip(&composed) {
                    ours.assert_approx_eq::<f32>(composed, Tolerance::rel_abs(2e-5, 1e-4));
                }
            }
        }
    }
}
