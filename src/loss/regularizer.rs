use crate::error::{Error, Result};
use crate::kernel::sum_event;
use crate::traits::{CriticRegularizer, InputGradient};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Distribution, Tensor};

/// Nothing that keeps a critic smooth.
#[derive(Module, Debug, Default)]
pub struct Unregularized;

impl<C, Data> CriticRegularizer<C, Data> for Unregularized {}

/// The gradient penalty of WGAN-GP: `weight (norm of dD/dx at xi - 1)^2` with `xi = e x + (1 - e) G(z)`, one
/// `e` from `U[0, 1]` for each sample, and the norm over all axes but the batch.
///
/// It is exact: the critic's [`InputGradient`] is written in ordinary operations, which burn's first-order
/// autodiff then differentiates. The square root has `1e-12` added under it, so that its gradient is finite
/// at 0.
///
/// [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028), algorithm 1.
#[derive(Module, Debug)]
pub struct GradientPenalty {
    /// The penalty's weight, lambda in the paper.
    pub weight: f64,
}

impl GradientPenalty {
    /// A penalty of this weight; the paper has 10.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is negative or not finite.
    pub fn new(weight: f64) -> Result<Self> {
        match weight >= 0.0 && weight.is_finite() {
            true => Ok(Self { weight }),
            false => Err(Error::Config(format!(
                "GradientPenalty: weight must be finite and not negative, not {weight}"
            ))),
        }
    }
}

impl<C, const D: usize> CriticRegularizer<C, Tensor<D>> for GradientPenalty
where
    C: InputGradient<Input = Tensor<D>>,
{
    fn penalty(&self, critic: &C, real: Tensor<D>, fake: Tensor<D>) -> Option<Tensor<1>> {
        let mut one_each = [1; D];
        one_each[0] = real.dims()[0];
        let mix = Tensor::random(one_each, Distribution::Default, &real.device());
        self.penalty_with(critic, real, fake, mix)
    }

    fn penalty_with(
        &self,
        critic: &C,
        real: Tensor<D>,
        fake: Tensor<D>,
        mix: Tensor<D>,
    ) -> Option<Tensor<1>> {
        let between = mix.clone() * real + mix.neg().add_scalar(1.0) * fake;
        let (_, gradient) = critic.score_and_input_gradient(between);
        let norm = sum_event(gradient.square()).add_scalar(1e-12).sqrt();
        Some(norm.sub_scalar(1.0).square().mul_scalar(self.weight))
    }
}

/// Keeps every weight of the critic in `[-bound, bound]`, after each of its steps.
///
/// [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875), algorithm 1.
#[derive(Module, Debug)]
pub struct WeightClipping {
    /// The largest absolute weight, c in the paper.
    pub bound: f64,
}

impl WeightClipping {
    /// Clips to `[-bound, bound]`; the paper has 0.01.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is not a positive number.
    pub fn new(bound: f64) -> Result<Self> {
        match bound > 0.0 && bound.is_finite() {
            true => Ok(Self { bound }),
            false => Err(Error::Config(format!(
                "WeightClipping: bound must be a positive number, not {bound}"
            ))),
        }
    }
}

impl<C: Module, Data> CriticRegularizer<C, Data> for WeightClipping {
    fn constrain(&self, critic: C) -> C {
        struct Clip(f64);
        impl ModuleMapper for Clip {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weights| {
                    let tracked = weights.is_require_grad();
                    let clipped = weights.clamp(-self.0, self.0).detach();
                    if tracked {
                        clipped.require_grad()
                    } else {
                        clipped
                    }
                })
            }
        }
        critic.map(&mut Clip(self.bound))
    }
}
