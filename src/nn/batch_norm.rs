use crate::kernel;
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use burn::tensor::module::BatchNormTrainOutput;

/// [`BatchNorm::forward`], where it trains by the [kernel](kernel::batch_norm).
///
/// Shapes: `[batch, channels, ..]` to the same.
pub(crate) fn batch_norm<const D: usize>(norm: &BatchNorm, x: Tensor<D>) -> Tensor<D> {
    if !trains(norm, &x) {
        return norm.forward(x);
    }
    let (weight, bias) = (norm.gamma.val(), norm.beta.val());
    keep(norm, kernel::batch_norm(x, weight, bias, norm.epsilon))
}

/// `y sigmoid(y)` of the output `y` of [`batch_norm`].
pub(crate) fn batch_norm_silu<const D: usize>(norm: &BatchNorm, x: Tensor<D>) -> Tensor<D> {
    if !trains(norm, &x) {
        return silu(norm.forward(x));
    }
    let (weight, bias) = (norm.gamma.val(), norm.beta.val());
    keep(norm, kernel::batch_norm_silu(x, weight, bias, norm.epsilon))
}

/// Whether it normalises by the batch, as burn decides it.
fn trains<const D: usize>(norm: &BatchNorm, x: &Tensor<D>) -> bool {
    x.device().is_autodiff() && norm.training.is_enabled()
}

/// The output; its moments move the running ones.
fn keep<const D: usize>(norm: &BatchNorm, normalised: BatchNormTrainOutput<D>) -> Tensor<D> {
    let device = normalised.output.device();
    let running = [&norm.running_mean, &norm.running_var];
    for (running, of_batch) in running
        .into_iter()
        .zip([normalised.mean, normalised.variance])
    {
        let before = running.value_sync().to_device(&device);
        let after = before * (1.0 - norm.momentum) + of_batch * norm.momentum;
        running.update(after.detach());
    }
    normalised.output
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;
    use burn::nn::BatchNormConfig;
    use burn::tensor::{Device, Distribution, Tolerance};

    /// Output, gradients and running moments of two steps are burn's, with and without the activation; and what it says
    /// afterwards, in evaluation and frozen, when nothing moves them.
    #[test]
    fn it_is_burns() {
        let device = Device::default().autodiff();
        device.seed(1);
        let layer = || BatchNormConfig::new(3).with_momentum(0.05).init(&device);
        let x: Tensor<4> = Tensor::random([4, 3, 5, 5], Distribution::Normal(2.0, 3.0), &device);
        for with_silu in [false, true] {
            let run = |is_ours: bool| {
                let norm = layer();
                let forward = |norm: &BatchNorm, x: Tensor<4>| match (is_ours, with_silu) {
                    (true, false) => batch_norm(norm, x),
                    (true, true) => batch_norm_silu(norm, x),
                    (false, false) => norm.forward(x),
                    (false, true) => silu(norm.forward(x)),
                };
                let first = forward(&norm, x.clone().require_grad());
                let x = (x.clone() * 0.5).require_grad();
                let second = forward(&norm, x.clone());
                let gradients = (first * second.clone()).square().sum().backward();
                let evaluated = forward(&norm.clone().valid(), x.clone().inner());
                let frozen = forward(&norm.clone().freeze(), x.clone());
                [
                    second.into_data(),
                    x.grad(&gradients).unwrap().into_data(),
                    norm.gamma.grad(&gradients).unwrap().into_data(),
                    norm.running_mean.value_sync().into_data(),
                    norm.running_var.value_sync().into_data(),
                    evaluated.into_data(),
                    frozen.into_data(),
                ]
            };
            for (ours, burns) in run(true).iter().zip(&run(false)) {
                ours.assert_approx_eq::<f32>(burns, Tolerance::rel_abs(1e-4, 1e-4));
            }
        }
    }
}
