use super::bias;
use crate::kernel;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// What `layer.forward(input)` is, by [`kernel::linear`].
pub(super) fn linear(layer: &Linear, input: Tensor<2>) -> Tensor<2> {
    kernel::linear(input, layer.weight.val(), bias(&layer.bias))
}
