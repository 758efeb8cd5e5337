//! Normalisation by groups of channels: where the processor's memory holds the tensor, one kernel forward and one backward.
//! Elsewhere the [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::{assert_compatible, from_rows, reference, rows};
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, with the mean and the variance of each of so many groups of
/// channels (axis 1) of each sample, and a weight and a bias for each channel. It keeps nothing for the backward pass but its
/// arguments.
///
/// [Wu & He 2018](https://arxiv.org/abs/1803.08494), equations 1 to 6.
///
/// # Panics
///
/// If the groups do not divide the channels, or weight or bias are not as many, and as [every kernel](super) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::group_norm;
///
/// let device = Device::default();
/// let x = Tensor::<3>::from_floats([[[1.0], [3.0], [5.0], [5.0]]], &device);
/// let (weight, bias) = (Tensor::ones([4], &device), Tensor::zeros([4], &device));
/// let normalised = group_norm(x, weight, bias, 2, 1e-12);
/// let want = TensorData::from([[[-1f32], [1.0], [0.0], [0.0]]]);
/// normalised.into_data().assert_approx_eq::<f32>(&want, Default::default());
/// ```
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<D> {
    assert_fits(&x, &weight, &bias, groups);
    match normalised(&x, &weight, &bias, groups, epsilon, false) {
        Some(normalised) => normalised,
        None => reference::group_norm(x, weight, bias, groups, epsilon),
    }
}

/// `y sigmoid(y)` of the output `y` of [`group_norm`], in the same passes.
///
/// # Panics
///
/// As [`group_norm`].
pub fn group_norm_silu<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    epsilon: f64,
) -> Tensor<D> {
    assert_fits(&x, &weight, &bias, groups);
    match normalised(&x, &weight, &bias, groups, epsilon, true) {
        Some(normalised) => normalised,
        None => reference::group_norm_silu(x, weight, bias, groups, epsilon),
    }
}

fn assert_fits<const D: usize>(x: &Tensor<D>, weight: &Tensor<1>, bias: &Tensor<1>, groups: usize) {
    assert!(D >= 2, "group_norm: a tensor of one axis has no channels");
    let channels = x.dims()[1];
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "group_norm: {channels} channels cannot be divided into {groups} groups"
    );
    for (name, numbers) in [("the weight", weight), ("the bias", bias)] {
        assert!(
            numbers.dims() == [channels],
            "group_norm: {name} has shape {:?}, where x, of shape {:?}, has {channels} channels",
            numbers.dims(),
            x.dims()
        );
        assert_compatible("group_norm", (name, numbers), ("x", x));
    }
}

/// What the kernel makes of rows, where there is one for them.
fn normalised<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    groups: usize,
    epsilon: f64,
    silu: bool,
) -> Option<Tensor<D>> {
    let shape = x.shape();
    if shape.num_elements() == 0 || !is_here(x) {
        return None;
    }
    let norm = Norm {
        channels: shape[1],
        groups,
        epsilon: epsilon as f32,
        silu,
    };
    let [weight, bias] = [weight, bias].map(|numbers| {
        let numbers = numbers.clone().reshape([1, norm.channels]);
        numbers.into_dispatch()
    });
    let x = rows(x.clone()).into_dispatch();
    Some(from_rows(
        Dispatch::group_norm(x, weight, bias, norm),
        shape,
    ))
}

/// How rows, of channel after channel, are normalised.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Channels of a row.
    pub channels: usize,
    /// Groups of a row.
    pub groups: usize,
    /// What is added to a variance.
    pub epsilon: f32,
    /// Whether the result goes through a SiLU.
    pub silu: bool,
}

/// The normalisation on backend tensors, as rows; weight and bias are `[1, channels]`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait GroupNorm: Backend {
    /// The rows normalised.
    fn group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self>;
}

/// The gradients of [`GroupNorm`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait GroupNormGradients: Backend {
    /// Those of `x`, of the weight and of the bias, from that of the output.
    fn group_norm_grad(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The normalisation as a node of the graph.
#[derive(Debug)]
struct Normalised;

impl<B: GroupNorm + GroupNormGradients> Backward<B, 3> for Normalised {
    type State = ([FloatTensor<B>; 3], Norm);

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let ([x, weight, bias], norm) = ops.state;
        let (x, weight, bias) = B::group_norm_grad(gradient, x, weight, bias, norm);
        for (parent, gradient) in ops.parents.into_iter().zip([x, weight, bias]) {
            if let Some(parent) = parent {
                tape.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: GroupNorm + GroupNormGradients, C: CheckpointStrategy> GroupNorm for Autodiff<B, C> {
    fn group_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let arguments = [x, weight, bias].map(|argument| argument.into_primitive());
        let [x, weight, bias] = arguments.clone();
        let output = B::group_norm(x, weight, bias, norm);
        match Normalised.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((arguments, norm), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}

#[cfg(all(test, feature = "_host"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, FloatDType, Int, TensorData, Tolerance};

    /// Numbers without a pattern that a wrong index would keep.
    fn numbers<const D: usize>(shape: [usize; D], seed: f64, device: &Device) -> Tensor<D> {
        let count = shape.iter().product::<usize>() as i64;
        let index = Tensor::<1, Int>::arange(0..count, device).float();
        index.mul_scalar(0.7).add_scalar(seed).sin().reshape(shape)
    }

    /// The output of a function of `x`, weight and bias, and its gradients for them.
    fn with_gradients(
        shape: [usize; 4],
        offset: f64,
        device: &Device,
        function: impl Fn(Tensor<4>, Tensor<1>, Tensor<1>) -> Tensor<4>,
    ) -> Vec<TensorData> {
        let x = (numbers(shape, 1.0, device) + offset).require_grad();
        let [weight, bias] = [2.0, 3.0].map(|seed| {
            let numbers = numbers([shape[1]], seed, device) + 0.5;
            numbers.require_grad()
        });
        let output = function(x.clone(), weight.clone(), bias.clone());
        let probe = numbers(shape, 4.0, device);
        let gradients = (output.clone() * probe).sum().backward();
        vec![
            output.into_data(),
            x.grad(&gradients).unwrap().into_data(),
            weight.grad(&gradients).unwrap().into_data(),
            bias.grad(&gradients).unwrap().into_data(),
        ]
    }

    #[allow(deprecated)] // ndarray, which burn keeps for now
    fn devices() -> Vec<Device> {
        vec![
            #[cfg(feature = "flex")]
            Device::flex().autodiff(),
            #[cfg(feature = "ndarray")]
            Device::ndarray().autodiff(),
        ]
    }

    /// In one group and in as many as channels, of one pixel, of more than a piece, far from zero, and for several threads.
    #[test]
    fn values_and_gradients_are_the_references() {
        for device in devices() {
            for (shape, groups, offset) in [
                ([2, 6, 3, 5], 2, 0.0),
                ([3, 4, 2, 2], 1, 10.0),
                ([2, 5, 4, 3], 5, -1.0),
                ([3, 8, 1, 1], 2, 0.0),
                ([1, 4, 41, 67], 2, 0.5),
                ([2, 8, 64, 64], 4, 0.0),
            ] {
                let both = [
                    with_gradients(shape, offset, &device, |x, weight, bias| {
                        group_norm(x, weight, bias, groups, 1e-3)
                    }),
                    with_gradients(shape, offset, &device, |x, weight, bias| {
                        reference::group_norm(x, weight, bias, groups, 1e-3)
                    }),
                    with_gradients(shape, offset, &device, |x, weight, bias| {
                        group_norm_silu(x, weight, bias, groups, 1e-3)
                    }),
                    with_gradients(shape, offset, &device, |x, weight, bias| {
                        reference::group_norm_silu(x, weight, bias, groups, 1e-3)
                    }),
                ];
                for pair in both.chunks(2) {
                    for (ours, reference) in pair[0].iter().zip(&pair[1]) {
                        let tolerance = Tolerance::rel_abs(1e-4, 1e-4);
                        ours.assert_approx_eq::<f32>(reference, tolerance);
                    }
                }
            }
        }
    }

    /// In 16 bits the sum over a group would be infinite.
    #[test]
    fn numbers_of_16_bits_are_summed_in_more() {
        let half = FloatDType::F16;
        for device in devices() {
            if !device.supports_dtype(half) {
                println!("skipped: {device:?} has no numbers of 16 bits");
                continue;
            }
            let x = numbers([1, 4, 32, 32], 1.0, &device) * 100.0 + 500.0;
            let [weight, bias] = [2.0, 3.0].map(|seed| numbers([4], seed, &device));
            let wanted = group_norm(x.clone(), weight.clone(), bias.clone(), 2, 1e-6);
            let got = group_norm(x.cast(half), weight.cast(half), bias.cast(half), 2, 1e-6);
            let error = (got.cast(FloatDType::F32) - wanted).abs().max();
            assert!(error.into_scalar::<f32>() < 0.02);
        }
    }

    /// Gradients of a part of the arguments alone are those of all of them.
    #[test]
    fn an_argument_that_is_not_trained_takes_no_gradient() {
        for device in devices() {
            let x = numbers([2, 4, 3, 3], 1.0, &device);
            let weight = numbers([4], 2.0, &device).require_grad();
            let bias = numbers([4], 3.0, &device);
            let output = group_norm_silu(x.clone(), weight.clone(), bias, 2, 1e-6);
            let gradients = output.sum().backward();
            assert!(weight.grad(&gradients).is_some() && x.grad(&gradients).is_none());
        }
    }
}
