use super::bias;
use crate::kernel;
use burn::nn::Linear;
use burn::nn::activation::Activation;
use burn::tensor::Tensor;

/// What `layer.forward(input)` is, by [`kernel::linear`].
pub(super) fn linear(layer: &Linear, input: Tensor<2>) -> Tensor<2> {
    kernel::linear(input, layer.weight.val(), bias(&layer.bias))
}

/// What `activation.forward(x)` is, by the kernels where there is one.
pub(super) fn activate<const D: usize>(activation: &Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Tanh(_) => kernel::activation::tanh(x),
        Activation::Sigmoid(_) => kernel::activation::sigmoid(x),
        Activation::Elu(elu) if elu.alpha == 1.0 => kernel::activation::elu(x),
        other => other.forward(x),
    }
}
