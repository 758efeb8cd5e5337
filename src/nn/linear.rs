use super::bias;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// What `layer.forward(input)` is, with the bias on the left of the sum. In that order burn-flex adds it in vectors even
/// where crates are compiled without link-time optimisation between their units, as in this crate's own profile.
pub(super) fn linear(layer: &Linear, input: Tensor<2>) -> Tensor<2> {
    let output = input.matmul(layer.weight.val());
    match bias(&layer.bias) {
        Some(bias) => bias.unsqueeze::<2>() + output,
        None => output,
    }
}
