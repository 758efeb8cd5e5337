//! Normalisation by groups of channels, or by channels over a batch: where the processor's memory holds the tensor, one kernel
//! forward and one backward. Elsewhere the [`reference`](super::reference) runs.

use super::convolution::is_here;
use super::{assert_compatible, from_rows, reference, rows};
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, backend_extension, tensor::FloatTensor,
};
use burn::tensor::Tensor;
use burn::tensor::module::BatchNormTrainOutput;
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, with the mean and the variance of each of so many groups of
/// channels (axis 1) of each sample, and a weight and a bias for each channel. It keeps nothing for the backward pass but its
/// arguments, and those moments.
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
    let norm = norm(
        "group_norm",
        [&weight, &bias],
        &x,
        Over::Groups(groups),
        epsilon,
    );
    match normalised(&x, [&weight, &bias], norm) {
        Some((normalised, _)) => normalised,
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
    let norm = norm(
        "group_norm_silu",
        [&weight, &bias],
        &x,
        Over::Groups(groups),
        epsilon,
    );
    match normalised(&x, [&weight, &bias], norm.with_silu()) {
        Some((normalised, _)) => normalised,
        None => reference::group_norm_silu(x, weight, bias, groups, epsilon),
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, with the mean and the (biased) variance of each channel (axis 1) over
/// the whole batch, which it returns too, without gradients: `[channels]`, for running statistics. It keeps nothing for the
/// backward pass but its arguments, and those moments.
///
/// [Ioffe & Szegedy 2015](https://arxiv.org/abs/1502.03167), algorithm 1.
///
/// # Panics
///
/// If weight or bias are not as many as channels, and as [every kernel](super) does.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::kernel::batch_norm;
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[1.0, 5.0], [3.0, 5.0]], &device);
/// let normalised = batch_norm(x, Tensor::ones([2], &device), Tensor::zeros([2], &device), 1e-12);
/// normalised.mean.into_data().assert_eq(&TensorData::from([2f32, 5.0]), true);
/// let want = TensorData::from([[-1f32, 0.0], [1.0, 0.0]]);
/// normalised.output.into_data().assert_approx_eq::<f32>(&want, Default::default());
/// ```
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrainOutput<D> {
    let norm = norm("batch_norm", [&weight, &bias], &x, Over::Batch, epsilon);
    match normalised(&x, [&weight, &bias], norm) {
        Some(normalised) => with_moments(normalised),
        None => reference::batch_norm(x, weight, bias, epsilon),
    }
}

/// `y sigmoid(y)` of the output `y` of [`batch_norm`], in the same passes.
///
/// # Panics
///
/// As [`batch_norm`].
pub fn batch_norm_silu<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> BatchNormTrainOutput<D> {
    let norm = norm(
        "batch_norm_silu",
        [&weight, &bias],
        &x,
        Over::Batch,
        epsilon,
    );
    match normalised(&x, [&weight, &bias], norm.with_silu()) {
        Some(normalised) => with_moments(normalised),
        None => reference::batch_norm_silu(x, weight, bias, epsilon),
    }
}

/// What burn's own returns, from the output and the moments of each channel.
fn with_moments<const D: usize>(
    (output, moments): (Tensor<D>, Tensor<2>),
) -> BatchNormTrainOutput<D> {
    let [channels, _] = moments.dims();
    let [mean, variance] =
        [0, 1].map(|moment| moments.clone().narrow(1, moment, 1).reshape([channels]));
    BatchNormTrainOutput {
        output,
        mean,
        variance,
    }
}

/// A normalisation of `x`, whose groups, weight and bias are checked.
fn norm<const D: usize>(
    operation: &str,
    [weight, bias]: [&Tensor<1>; 2],
    x: &Tensor<D>,
    over: Over,
    epsilon: f64,
) -> Norm {
    assert!(D >= 2, "{operation}: a tensor of one axis has no channels");
    let channels = x.dims()[1];
    if let Over::Groups(groups) = over {
        assert!(
            groups > 0 && channels.is_multiple_of(groups),
            "{operation}: {channels} channels cannot be divided into {groups} groups"
        );
    }
    for (name, numbers) in [("the weight", weight), ("the bias", bias)] {
        assert!(
            numbers.dims() == [channels],
            "{operation}: {name} has shape {:?}, where x, of shape {:?}, has {channels} channels",
            numbers.dims(),
            x.dims()
        );
        assert_compatible(operation, (name, numbers), ("x", x));
    }
    Norm {
        channels,
        over,
        epsilon: epsilon as f32,
        silu: false,
    }
}

/// What the kernel makes of rows, where there is one for them; and the moments.
fn normalised<const D: usize>(
    x: &Tensor<D>,
    [weight, bias]: [&Tensor<1>; 2],
    norm: Norm,
) -> Option<(Tensor<D>, Tensor<2>)> {
    let shape = x.shape();
    if shape.num_elements() == 0 || !is_here(x) {
        return None;
    }
    let [weight, bias] = [weight, bias].map(|numbers| {
        let numbers = numbers.clone().reshape([1, norm.channels]);
        numbers.into_dispatch()
    });
    let x = rows(x.clone()).into_dispatch();
    let (output, moments) = Dispatch::normalize(x, weight, bias, norm);
    Some((from_rows(output, shape), Tensor::from_dispatch(moments)))
}

/// How rows, of channel after channel, are normalised.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    /// Channels of a row.
    pub channels: usize,
    /// What has one mean and one variance.
    pub over: Over,
    /// What is added to a variance.
    pub epsilon: f32,
    /// Whether the result goes through a SiLU.
    pub silu: bool,
}

impl Norm {
    fn with_silu(self) -> Self {
        Self { silu: true, ..self }
    }
}

/// What has one mean and one variance: a group.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    /// Some channels of a row, which are divided into so many groups.
    Groups(usize),
    /// A channel of all rows.
    Batch,
}

/// The normalisation on backend tensors, as rows; weight and bias are `[1, channels]`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub trait Normalization: Backend {
    /// The rows normalised, and mean and variance of each group, `[groups of all rows, 2]`, which have no gradient.
    fn normalize(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The gradients of [`Normalization`].
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
)]
pub trait NormalizationGradients: Backend {
    /// Those of `x`, of the weight and of the bias, from that of the output and the moments.
    fn normalize_grad(
        gradient: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The normalisation as a node of the graph.
#[derive(Debug)]
struct Normalised;

impl<B: Normalization + NormalizationGradients> Backward<B, 3> for Normalised {
    /// The arguments, and the moments.
    type State = ([FloatTensor<B>; 4], Norm);

    fn backward(self, ops: Ops<Self::State, 3>, tape: &mut Tape, _checkpointer: &mut Checkpointer) {
        let gradient = tape.consume::<B>(&ops.node);
        let ([x, weight, bias, moments], norm) = ops.state;
        let (x, weight, bias) = B::normalize_grad(gradient, x, weight, bias, moments, norm);
        for (parent, gradient) in ops.parents.into_iter().zip([x, weight, bias]) {
            if let Some(parent) = parent {
                tape.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B, C> Normalization for Autodiff<B, C>
where
    B: Normalization + NormalizationGradients,
    C: CheckpointStrategy,
{
    fn normalize(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        norm: Norm,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [x.node(), weight.node(), bias.node()];
        let [x, weight, bias] = [x, weight, bias].map(|argument| argument.into_primitive());
        let (output, moments) = B::normalize(x.clone(), weight.clone(), bias.clone(), norm);
        let state = ([x, weight, bias, moments.clone()], norm);
        let output: FloatTensor<Self> =
            match Normalised.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(state, output),
                OpsKind::UnTracked(prep) => prep.finish(output),
            };
        (output, Self::from_inner(moments))
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
