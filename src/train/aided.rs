use super::gradient::global_norm;
use super::{SkippedSteps, Trainable};
use crate::losses::Losses;
use crate::traits::Model;
use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Bool, DType, Device, Int, Tensor};
use burn::train::{InferenceStep, TrainOutput, TrainStep};
use std::any::Any;
use std::collections::VecDeque;
use std::fmt::{Display, Formatter};

/// A model in training, and what helps it: a moving average of its weights, which is what evaluation sees, and a norm of the
/// gradient above which no step is taken.
///
/// The model's parameters keep their paths, so that the groups of an optimizer and the readers of a checkpoint find them; those
/// of the average stand behind [`AVERAGE`].
#[derive(Clone, Debug)]
pub(super) struct Aided<M> {
    model: M,
    average: Option<Average<M>>,
    skip_above: Option<f64>,
}

/// What the path of an average's parameter has before that of the model's own.
/// No field of a model can be called so.
const AVERAGE: &str = "moving average";

/// Weights that follow a model's, on the device without autodiff.
#[derive(Clone, Debug)]
struct Average<M> {
    weights: M,
    decay: f64,
}

impl<M: Module> Aided<M> {
    /// A model at the start, whose average is what it is.
    pub(super) fn new(model: M, decay: Option<f64>, skip_above: Option<f64>) -> Self {
        let average = decay.map(|decay| Average {
            weights: model.valid(),
            decay,
        });
        Self {
            model,
            average,
            skip_above,
        }
    }

    /// The model that is trained.
    pub(super) fn model(&self) -> &M {
        &self.model
    }

    /// What evaluation sees: the average, if there is one.
    pub(super) fn into_evaluated(self) -> M {
        match self.average {
            Some(average) => average.weights,
            None => self.model,
        }
    }

    /// The same after a step of the model, which the average follows.
    fn after(self, step: impl FnOnce(M) -> M) -> Self {
        let model = step(self.model);
        let average = self.average.map(|average| average.after(&model));
        Self {
            model,
            average,
            ..self
        }
    }

    /// Whether the gradient is too large for a step, or no number.
    fn skips(&self, gradients: &GradientsParams) -> bool {
        let is_below = |above: f64| global_norm(&self.model, gradients) <= above;
        self.skip_above.is_some_and(|above| !is_below(above))
    }
}

impl<M: Module> Average<M> {
    /// `decay average + (1 - decay) weights`, of what a gradient trains; of all else (counts, running statistics) what the model
    /// has.
    fn after(self, model: &M) -> Self {
        let follow = Follow {
            model: Values::of(model),
            share: 1.0 - self.decay,
        };
        self.mapped(follow)
    }

    /// The same weights, and all else as the model has it.
    fn beside(self, model: &M) -> Self {
        let follow = Follow {
            model: Values::of(model),
            share: 0.0,
        };
        self.mapped(follow)
    }

    fn mapped(self, mut follow: Follow) -> Self {
        Self {
            weights: self.weights.map(&mut follow),
            ..self
        }
    }
}

/// How many parameters a module has, of any kind.
pub(super) fn num_tensors<M: Module>(module: &M) -> usize {
    Values::of(module).0.len()
}

/// The parameters of a module in the order of a visit, and whether each has a gradient.
struct Values(VecDeque<(Box<dyn Any>, bool)>);

impl Values {
    fn of<M: Module>(module: &M) -> Self {
        let mut values = Self(VecDeque::new());
        module.visit(&mut values);
        values
    }

    fn next<T: 'static>(&mut self) -> (T, bool) {
        let (value, is_trained) = self.0.pop_front().expect("an average has the model's form");
        let value = value.downcast().expect("an average has the model's types");
        (*value, is_trained)
    }
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let is_trained = value.is_require_grad();
        let value = Box::new(value.without_autodiff());
        self.0.push_back((value, is_trained));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let value = Box::new(param.val().without_autodiff());
        self.0.push_back((value, false));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let value = Box::new(param.val().without_autodiff());
        self.0.push_back((value, false));
    }
}

/// Moves an average towards a model by a share of the way.
struct Follow {
    model: Values,
    share: f64,
}

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (value, is_trained) = self.model.next::<Tensor<D>>();
        param.map(|average| {
            if is_trained {
                // A constant stays what it is, to the bit.
                average.clone() + (value - average).mul_scalar(self.share)
            } else {
                value
            }
        })
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let (value, _) = self.model.next();
        param.map(|_| value)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let (value, _) = self.model.next();
        param.map(|_| value)
    }
}

/// Whether a model keeps a float in 16 bits.
pub(super) fn has_half<M: Module>(model: &M) -> bool {
    struct Half(bool);
    impl ModuleVisitor for Half {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= matches!(param.val().dtype(), DType::F16 | DType::BF16);
        }
    }
    let mut half = Half(false);
    model.visit(&mut half);
    half.0
}

impl<M: Module> Module for Aided<M> {
    /// Those of the model, beside which the average is.
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        self.each(|model| model.fork(device), |average| average.fork(&plain))
    }

    fn to_device(self, device: &Device) -> Self {
        let plain = device.clone().without_autodiff();
        let to_plain = |average: M| average.to_device(&plain);
        self.each(|model| model.to_device(device), to_plain)
    }

    fn train(self) -> Self {
        self.each(Module::train, |average| average)
    }

    /// With the running statistics of now beside the average, which are whole once the model has been asked.
    fn valid(&self) -> Self {
        let model = self.model.valid();
        let average = self.average.clone();
        Self {
            average: average.map(|average| average.beside(&self.model)),
            model,
            skip_above: self.skip_above,
        }
    }

    fn materialize(self) -> Self {
        self.each(Module::materialize, Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
        if let Some(average) = &self.average {
            visitor.enter_module(AVERAGE, "Struct:Average");
            average.weights.visit(visitor);
            visitor.exit_module(AVERAGE, "Struct:Average");
        }
    }

    fn map<P: ModuleMapper>(self, mapper: &mut P) -> Self {
        let model = self.model.map(mapper);
        let average = self.average.map(|average| {
            mapper.enter_module(AVERAGE, "Struct:Average");
            let weights = average.weights.map(mapper);
            mapper.exit_module(AVERAGE, "Struct:Average");
            Average { weights, ..average }
        });
        Self {
            model,
            average,
            ..self
        }
    }
}

impl<M> Aided<M> {
    fn each(self, of_model: impl FnOnce(M) -> M, of_average: impl FnOnce(M) -> M) -> Self {
        let average = self.average.map(|average| Average {
            weights: of_average(average.weights),
            ..average
        });
        Self {
            model: of_model(self.model),
            average,
            ..self
        }
    }
}

impl<M: Display> Display for Aided<M> {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        self.model.fmt(f)
    }
}

impl<M: Trainable> TrainStep for Aided<M> {
    type Input = <M as Model>::Input;
    type Output = Losses;

    /// A step that is to be skipped has no gradients, and its losses say so.
    fn step(&self, input: Self::Input) -> TrainOutput<Losses> {
        let output = TrainStep::step(&self.model, input);
        if !self.skips(&output.grads) {
            return output;
        }
        let told = Tensor::ones([1, 1], &output.item.total.device());
        TrainOutput {
            grads: GradientsParams::new(),
            item: output.item.with_watched(SkippedSteps::NAME, told),
        }
    }

    fn optimize(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: GradientsParams,
    ) -> Self {
        if self.skip_above.is_some() && gradients.is_empty() {
            return self;
        }
        self.after(|model| TrainStep::optimize(model, optimizer, rate, gradients))
    }

    fn optimize_multi(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        gradients: MultiGradientsParams,
    ) -> Self {
        let are_empty = gradients.grads.iter().all(|(of_one, _)| of_one.is_empty());
        if self.skip_above.is_some() && are_empty {
            return self;
        }
        self.after(|model| TrainStep::optimize_multi(model, optimizer, rate, gradients))
    }
}

impl<M: Trainable> InferenceStep for Aided<M> {
    type Input = <M as Model>::Input;
    type Output = Losses;

    fn step(&self, input: Self::Input) -> Losses {
        let average = self.average.as_ref().map(|average| &average.weights);
        InferenceStep::step(average.unwrap_or(&self.model), input)
    }
}
