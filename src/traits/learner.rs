/// What [`learner!`](crate::learner) names, in the code of whoever uses it.
#[cfg(feature = "train")]
pub mod steps {
    pub use crate::losses::Losses;
    pub use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
    pub use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
    pub use burn::train::{InferenceStep, TrainOutput, TrainStep};
}

/// Lets burn's `Learner` train a [`Model`](crate::traits::Model): writes burn-train's `TrainStep` (one backward pass
/// through the total, and [`advance`](crate::traits::Model::advance) after each step of the optimizer) and
/// `InferenceStep` for it. For a model of one's own it is one line, `learner!(MyModel);`, or with generic parts
/// `learner!(MyModel<E, D>);`.
///
/// (A blanket implementation for all models is what Rust's orphan rule forbids.)
#[cfg(feature = "train")]
#[macro_export]
macro_rules! learner {
    ($model:ident $(<$($part:ident),* $(,)?>)?) => {
        impl $(<$($part),*>)? $crate::traits::steps::TrainStep for $model $(<$($part),*>)?
        where
            Self: $crate::traits::Model,
        {
            type Input = <Self as $crate::traits::Model>::Input;
            type Output = $crate::traits::steps::Losses;

            fn step(
                &self,
                input: Self::Input,
            ) -> $crate::traits::steps::TrainOutput<$crate::traits::steps::Losses> {
                let losses = $crate::traits::Model::losses(self, input);
                let gradients = losses.mean().backward();
                $crate::traits::steps::TrainOutput::new(self, gradients, losses.without_graph())
            }

            fn optimize(
                self,
                optimizer: &mut $crate::traits::steps::ModuleOptimizer,
                rate: $crate::traits::steps::ModuleLearningRate,
                gradients: $crate::traits::steps::GradientsParams,
            ) -> Self {
                $crate::traits::Model::advance(optimizer.step(rate, self, gradients))
            }

            fn optimize_multi(
                self,
                optimizer: &mut $crate::traits::steps::ModuleOptimizer,
                rate: $crate::traits::steps::ModuleLearningRate,
                gradients: $crate::traits::steps::MultiGradientsParams,
            ) -> Self {
                $crate::traits::Model::advance(optimizer.step_multi(rate, self, gradients))
            }
        }

        impl $(<$($part),*>)? $crate::traits::steps::InferenceStep for $model $(<$($part),*>)?
        where
            Self: $crate::traits::Model,
        {
            type Input = <Self as $crate::traits::Model>::Input;
            type Output = $crate::traits::steps::Losses;

            fn step(&self, input: Self::Input) -> $crate::traits::steps::Losses {
                $crate::traits::Model::losses(self, input)
            }
        }
    };
}

/// Without the feature `train` there is no `Learner` to train a model with.
#[cfg(not(feature = "train"))]
#[macro_export]
macro_rules! learner {
    ($($model:tt)*) => {};
}
