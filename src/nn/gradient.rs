use burn::tensor::Tensor;

/// The same tensor, whose gradient is `factor` times what arrives at it: `detach(x) + factor (x - detach(x))`.
///
/// So two players can share one term under weights of their own.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::scale_gradient;
///
/// let device = Device::default().autodiff();
/// let x = Tensor::<1>::from_floats([2.0, -1.0], &device).require_grad();
/// let same = scale_gradient(x.clone(), 0.25);
/// same.clone().into_data().assert_eq(&TensorData::from([2.0f32, -1.0]), true);
/// let gradients = same.sum().backward();
/// x.grad(&gradients).unwrap().into_data().assert_eq(&TensorData::from([0.25f32, 0.25]), true);
/// ```
pub fn scale_gradient<const D: usize>(x: Tensor<D>, factor: f64) -> Tensor<D> {
    let value = x.clone().detach();
    value.clone() + (x - value).mul_scalar(factor)
}
