use crate::error::{Result, check_not_negative, check_positive};
use crate::kernel::sum_event;
use crate::traits::{Batch, CriticRegularizer, InputGradient};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Distribution, Tensor};

/// Nothing that keeps a critic smooth.
#[derive(Module, Debug, Default)]
pub struct Unregularized;

impl<C, Data: Batch> CriticRegularizer<C, Data> for Unregularized {}

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
    weight: f64,
}

impl GradientPenalty {
    /// A penalty of this weight; the paper has 10.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is negative or not finite.
    pub fn new(weight: f64) -> Result<Self> {
        let weight = check_not_negative("GradientPenalty: weight", weight)?;
        Ok(Self { weight })
    }

    /// The penalty's weight, lambda in the paper.
    pub fn weight(&self) -> f64 {
        self.weight
    }
}

impl<C, const D: usize> CriticRegularizer<C, Tensor<D>> for GradientPenalty
where
    C: InputGradient<Input = Tensor<D>>,
{
    /// One `e` for each sample, `[batch, 1, ..]`.
    fn noise(&self, real: &Tensor<D>) -> Tensor<D> {
        let mut one_each = [1; D];
        one_each[0] = real.dims()[0];
        let options = (&real.device(), real.dtype());
        Tensor::random(one_each, Distribution::Default, options)
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
        // In f16 the squares would leave its range on both sides.
        let (dtype, single) = (gradient.dtype(), DType::F32);
        let gradient = match dtype {
            DType::F16 | DType::BF16 => gradient.cast(single),
            _ => gradient,
        };
        let norm = sum_event(gradient.square()).add_scalar(1e-12).sqrt();
        let penalty = norm.sub_scalar(1.0).square().mul_scalar(self.weight);
        Some(match dtype {
            DType::F16 | DType::BF16 => penalty.cast(dtype),
            _ => penalty,
        })
    }
}

/// Keeps every weight of the critic in `[-bound, bound]`, after each of its steps.
///
/// [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875), algorithm 1.
#[derive(Module, Debug)]
pub struct WeightClipping {
    bound: f64,
}

impl WeightClipping {
    /// Clips to `[-bound, bound]`; the paper has 0.01.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if it is not a positive number.
    pub fn new(bound: f64) -> Result<Self> {
        let bound = check_positive("WeightClipping: bound", bound)?;
        Ok(Self { bound })
    }

    /// The largest absolute weight, c in the paper.
    pub fn bound(&self) -> f64 {
        self.bound
    }
}

impl<C: Module, Data: Batch> CriticRegularizer<C, Data> for WeightClipping {
    fn constrain(&self, critic: C) -> C {
        struct Clip(f64);
        impl ModuleMapper for Clip {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weights| {
                    if weights.is_require_grad() {
                        weights.clamp(-self.0, self.0).detach().require_grad()
                    } else {
                        weights // running statistics and the like
                    }
                })
            }
        }
        critic.map(&mut Clip(self.bound))
    }
}

/// The regularizers of a critic, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum AnyRegularizer {
    /// [`Unregularized`].
    Unregularized(Unregularized),
    /// [`GradientPenalty`].
    GradientPenalty(GradientPenalty),
    /// [`WeightClipping`].
    WeightClipping(WeightClipping),
}

impl<C, const D: usize> CriticRegularizer<C, Tensor<D>> for AnyRegularizer
where
    C: InputGradient<Input = Tensor<D>>,
{
    fn noise(&self, real: &Tensor<D>) -> Tensor<D> {
        match self {
            Self::GradientPenalty(penalty) => {
                CriticRegularizer::<C, Tensor<D>>::noise(penalty, real)
            }
            _ => real.clone(),
        }
    }

    fn penalty_with(
        &self,
        critic: &C,
        real: Tensor<D>,
        fake: Tensor<D>,
        mix: Tensor<D>,
    ) -> Option<Tensor<1>> {
        match self {
            Self::GradientPenalty(penalty) => penalty.penalty_with(critic, real, fake, mix),
            _ => None,
        }
    }

    fn constrain(&self, critic: C) -> C {
        match self {
            Self::WeightClipping(clipping) => {
                CriticRegularizer::<C, Tensor<D>>::constrain(clipping, critic)
            }
            _ => critic,
        }
    }
}
