//! Normalisation by groups of channels.

use super::{assert_compatible, reference};
use burn::tensor::Tensor;

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, with the mean and the variance of each of so many groups of
/// channels (axis 1) of each sample, and a weight and a bias for each channel.
///
/// [Wu & He 2018](https://arxiv.org/abs/1803.08494), equation 3.
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
/// let normalised = group_norm(x, weight, bias, 2, 0.0 + 1e-12);
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
    assert!(D >= 2, "group_norm: a tensor of one axis has no channels");
    let channels = x.dims()[1];
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "group_norm: {channels} channels cannot be divided into {groups} groups"
    );
    for (name, numbers) in [("the weight", &weight), ("the bias", &bias)] {
        assert!(
            numbers.dims() == [channels],
            "group_norm: {name} has shape {:?}, where x, of shape {:?}, has {channels} channels",
            numbers.dims(),
            x.dims()
        );
        assert_compatible("group_norm", (name, numbers), ("x", &x));
    }
    reference::group_norm(x, weight, bias, groups, epsilon)
}
