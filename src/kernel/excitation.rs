//! What squeeze-and-excitation does with whole maps, one pass each where the processor's memory holds them: the means of their
//! channels, and a sum with maps whose channels are scaled. Elsewhere the plain composition runs.

use super::convolution::is_here;
use super::{assert_compatible, assert_match};
use burn::backend::{
    Autodiff, Backend, Dispatch, Scalar, TensorMetadata, backend_extension, tensor::FloatTensor,
};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// The mean of each channel of each sample: `[batch, channels, height, width]` to `[batch, channels]`.
pub(crate) fn channel_means(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, _, _] = x.dims();
    if !has_kernel(&x) {
        return x.mean_dims(&[2, 3]).reshape([batch, channels]);
    }
    let means = Dispatch::row_means(channel_rows(x).into_dispatch());
    Tensor::<1>::from_dispatch(means).reshape([batch, channels])
}

/// `x + share scale y`, with a scale for each channel of each sample, `[batch, channels]`.
///
/// # Panics
///
/// If the shapes do not match.
pub(crate) fn add_scaled(x: Tensor<4>, y: Tensor<4>, scale: Tensor<2>, share: f64) -> Tensor<4> {
    const NAME: &str = "add_scaled";
    assert_match(NAME, ("x", &x), ("y", &y));
    assert_compatible(NAME, ("the scale", &scale), ("x", &x));
    let shape = x.dims();
    let [batch, channels, _, _] = shape;
    assert!(
        scale.dims() == [batch, channels],
        "{NAME}: the scale has shape {:?}, x has shape {shape:?}; it must be one for each channel",
        scale.dims()
    );
    if !has_kernel(&x) {
        return x + y * (scale * share).reshape([batch, channels, 1, 1]);
    }
    let scale = scale.reshape([batch * channels]).into_dispatch();
    let [x, y] = [x, y].map(|maps| channel_rows(maps).into_dispatch());
    Tensor::<2>::from_dispatch(Dispatch::add_scaled(x, y, scale, share as f32)).reshape(shape)
}

fn has_kernel(x: &Tensor<4>) -> bool {
    x.shape().num_elements() > 0 && is_here(x)
}

/// A row for each channel of each sample.
fn channel_rows(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch * channels, height * width])
}

/// The passes on backend tensors: of rows, and numbers of rows, `[rows]`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Excitation: Backend {
    /// The mean of each row.
    fn row_means(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `x + share scale y`.
    fn add_scaled(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        share: f32,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`Excitation`] that are no plain operation.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait ExcitationGradients: Backend {
    /// Those of `y` and of the scale, from that of the output.
    fn add_scaled_grad(
        gradient: FloatTensor<Self>,
        y: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        share: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// [`Excitation::row_means`] as a node of the graph.
#[derive(Debug)]
struct RowMeans;

impl<B: Backend> Backward<B, 1> for RowMeans {
    type State = [usize; 2];

    fn backward(self, ops: Ops<Self::State, 1>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let [rows, width] = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            let each = B::float_mul_scalar(gradient, Scalar::Float(1.0 / width as f64));
            let column = B::float_reshape(each, [rows, 1].into());
            tape.register::<B>(parent.id, B::float_expand(column, [rows, width].into()));
        }
    }
}

/// [`Excitation::add_scaled`] as a node of the graph.
#[derive(Debug)]
struct AddScaled;

impl<B: Excitation + ExcitationGradients> Backward<B, 3> for AddScaled {
    type State = (FloatTensor<B>, FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let (y, scale, share) = ops.state;
        let [of_x, of_y, of_scale] = ops.parents;
        if of_y.is_some() || of_scale.is_some() {
            let (y, scale) = B::add_scaled_grad(gradient.clone(), y, scale, share);
            for (parent, gradient) in [(of_y, y), (of_scale, scale)] {
                if let Some(parent) = parent {
                    tape.register::<B>(parent.id, gradient);
                }
            }
        }
        if let Some(parent) = of_x {
            tape.register::<B>(parent.id, gradient);
        }
    }
}

impl<B: Excitation + ExcitationGradients, C: CheckpointStrategy> Excitation for Autodiff<B, C> {
    fn row_means(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node()];
        let x = x.into_primitive();
        let shape = x.shape().dims();
        let output = B::row_means(x);
        match RowMeans.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(shape, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn add_scaled(
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        share: f32,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), y.node(), scale.node()];
        let [x, y, scale] = [x, y, scale].map(|argument| argument.into_primitive());
        let output = B::add_scaled(x, y.clone(), scale.clone(), share);
        match AddScaled.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((y, scale, share), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tolerance};

    /// Values and gradients of both, of one pixel and of many, for one thread and several.
    #[test]
    fn they_are_the_compositions() {
        let device = Device::default().autodiff();
        device.seed(1);
        for shape in [[2, 3, 1, 1], [3, 2, 5, 4], [16, 24, 14, 14]] {
            let [batch, channels, _, _] = shape;
            let draw = || Tensor::<4>::random(shape, Distribution::Normal(0.5, 1.0), &device);
            let (x, y, probe) = (draw(), draw(), draw());
            let run = |is_ours: bool| {
                let (x, y) = (x.clone().require_grad(), y.clone().require_grad());
                let output = if is_ours {
                    add_scaled(x.clone(), y.clone(), channel_means(y.clone()).tanh(), 0.1)
                } else {
                    let means = y.clone().mean_dims(&[2, 3]);
                    x.clone() + y.clone() * means.tanh() * 0.1
                };
                let gradients = (output.clone() * probe.clone()).sum().backward();
                [
                    output.into_data(),
                    x.grad(&gradients).unwrap().into_data(),
                    y.grad(&gradients).unwrap().into_data(),
                    channel_means(y).into_data(),
                ]
            };
            let [ours, mut composed] = [true, false].map(run);
            let means = y.clone().mean_dims(&[2, 3]).reshape([batch, channels]);
            composed[3] = means.into_data();
            for (ours, composed) in ours.iter().zip(&composed) {
                ours.assert_approx_eq::<f32>(composed, Tolerance::rel_abs(1e-5, 1e-5));
            }
        }
    }
}
