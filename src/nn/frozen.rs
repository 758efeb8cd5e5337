use super::initialize;
use burn::module::Module;

/// A copy of a module whose parameters have no gradients: what passes through it reaches its input, and not
/// its weights. The copy shares the weights' memory, and does not follow them.
///
/// This is how one player of an adversarial game is judged by the other. `clone().no_grad()` does the same
/// only for a module that was used before: on a fresh one, whose parameters are still to be drawn, it writes
/// the cell that both share, and the original stops training without a word. Here every parameter is
/// drawn first.
///
/// Only the gradients stop. A layer with running statistics (batch normalisation) works on as in training, and
/// moves the statistics that it shares with the original; burn's `freeze` stops those as well.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::prelude::*;
/// use burn_generative::nn::frozen_copy;
///
/// let device = Device::default().autodiff();
/// let layer = LinearConfig::new(2, 1).init(&device);
/// let frozen = frozen_copy(&layer);
/// let input = Tensor::<2>::ones([1, 2], &device).require_grad();
/// let gradients = frozen.forward(input.clone()).sum().backward();
/// assert!(input.grad(&gradients).is_some());
/// assert!(layer.weight.val().grad(&gradients).is_none());
/// assert!(layer.weight.val().is_require_grad()); // and goes on learning
/// ```
pub fn frozen_copy<M: Module>(module: &M) -> M {
    initialize(module);
    module.clone().no_grad()
}
