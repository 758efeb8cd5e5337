use crate::error::{Result, check_not_negative, check_positive};
use crate::kernel::sum_event;
use crate::traits::{CriticRegularizer, InputGradient};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Distribution, Tensor};

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
    /// [`Error::Config`](crate::Error::Config) if it is negative or not finite.
    pub fn new(weight: f64) -> Result<Self> {
        let weight = check_not_negative("GradientPenalty: weight", weight)?;
        Ok(Self { weight })
    }
}

impl<C, const D: usize> CriticRegularizer<C, Tensor<D>> for GradientPenalty
where
    C: InputGradient<Input = Tensor<D>>,
{
    fn penalty(&self, critic: &C, real: Tensor<D>, fake: Tensor<D>) -> Option<Tensor<1>> {
        let mut one_each = [1; D];
        one_each[0] = real.dims()[0];
        let options = (&real.device(), real.dtype());
        let mix = Tensor::random(one_each, Distribution::Default, options);
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
    /// The largest absolute weight, c in the paper.
    pub bound: f64,
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
}

impl<C: Module, Data> CriticRegularizer<C, Data> for WeightClipping {
    fn constrain(&self, critic: C) -> C {
        struct Clip(f64);
        impl ModuleMapper for Clip {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|weights| match weights.is_require_grad() {
                    true => weights.clamp(-self.0, self.0).detach().require_grad(),
                    // Running statistics and the like are no weights.
                    false => weights,
                })
            }
        }
        critic.map(&mut Clip(self.bound))
    }
}

/// The regularizers of a critic, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum Regularizer {
    /// [`Unregularized`].
    Unregularized(Unregularized),
    /// [`GradientPenalty`].
    GradientPenalty(GradientPenalty),
    /// [`WeightClipping`].
    WeightClipping(WeightClipping),
}

impl Regularizer {
    fn chosen<C, const D: usize>(&self) -> &dyn CriticRegularizer<C, Tensor<D>>
    where
        C: InputGradient<Input = Tensor<D>> + Module,
    {
        match self {
            Self::Unregularized(regularizer) => regularizer,
            Self::GradientPenalty(regularizer) => regularizer,
            Self::WeightClipping(regularizer) => regularizer,
        }
    }
}

impl<C, const D: usize> CriticRegularizer<C, Tensor<D>> for Regularizer
where
    C: InputGradient<Input = Tensor<D>> + Module,
{
    fn penalty(&self, critic: &C, real: Tensor<D>, fake: Tensor<D>) -> Option<Tensor<1>> {
        self.chosen().penalty(critic, real, fake)
    }

    fn penalty_with(
        &self,
        critic: &C,
        real: Tensor<D>,
        fake: Tensor<D>,
        mix: Tensor<D>,
    ) -> Option<Tensor<1>> {
        self.chosen().penalty_with(critic, real, fake, mix)
    }

    fn constrain(&self, critic: C) -> C {
        self.chosen().constrain(critic)
    }
}
