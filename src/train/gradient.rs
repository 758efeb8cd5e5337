use crate::kernel::points::at_least_single;
use crate::loss::Losses;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorReadError};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The norm of the gradient of all parameters that one [`FusedAdam`](super::FusedAdam) steps, as a metric of
/// training (`metric_train_numeric`): the mean over the epoch of the steps it looks at.
///
/// The optimizer is where the gradients are, so that is where they are watched, and nothing of a model or its
/// losses has to know. The parameters must all be stepped together: a step is told by their own count. For a norm
/// per player, give each player's group an optimizer and a metric of its own.
///
/// ```
/// use burn_generative::train::{FusedAdamConfig, GradientNorm};
///
/// let norm = GradientNorm::new("gradient norm", 50); // every 50th step
/// let optimizer = FusedAdamConfig::new().build()?.watched_by(&norm);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone)]
pub struct GradientNorm {
    name: MetricName,
    every: usize,
    seen: Arc<Mutex<BTreeMap<usize, Vec<Tensor<1>>>>>,
    sum: f64,
    steps: usize,
}

/// The root of a sum of squares, each a number `[1]`.
fn norm_of(squares: Vec<Tensor<1>>) -> Result<f64, TensorReadError> {
    let Some(device) = squares.first().map(Tensor::device) else {
        return Ok(0.0);
    };
    // Several devices may hold the parameters.
    let squares = squares.into_iter().map(|square| square.to_device(&device));
    let total = Tensor::cat(squares.collect(), 0).sum();
    Ok(total.try_into_scalar::<f64>()?.sqrt())
}

/// The square of one parameter's gradient, `[1]`.
fn square_of<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    at_least_single(gradient).square().sum()
}

/// The norm of the gradient of all parameters of a module; no number if the device cannot be read.
pub(super) fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Squares<'a> {
        gradients: &'a GradientsParams,
        of_parameters: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.gradients.get::<D>(param.id);
            self.of_parameters.extend(gradient.map(square_of));
        }
    }
    let mut squares = Squares {
        gradients,
        of_parameters: Vec::new(),
    };
    module.visit(&mut squares);
    norm_of(squares.of_parameters).unwrap_or(f64::NAN)
}

/// How many steps wait to be read at most.
const MOST: usize = 10_000;

impl GradientNorm {
    /// A metric of this name that looks at every `every`-th step (a pass over all gradients each).
    ///
    /// # Panics
    ///
    /// If `every` is 0.
    pub fn new(name: &str, every: usize) -> Self {
        assert!(every > 0, "GradientNorm: `every` must be at least 1");
        Self {
            name: Arc::new(name.to_string()),
            every,
            seen: Arc::default(),
            sum: 0.0,
            steps: 0,
        }
    }

    /// The gradient of one parameter in step `time`.
    pub(super) fn see<const D: usize>(&self, time: usize, gradient: &Tensor<D>) {
        // The first step, and every so many after it.
        if time % self.every == 1 % self.every {
            let square = square_of(gradient.clone());
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.entry(time).or_default().push(square);
            // Nobody reads one that is not registered.
            while seen.len() > MOST {
                seen.pop_first();
            }
        }
    }

    fn entry(&self) -> SerializedEntry {
        match self.running_value() {
            Some(value) => {
                SerializedEntry::new(format!("{:.3e}", value.current()), value.serialize())
            }
            None => SerializedEntry::not_available(None),
        }
    }
}

impl Metric for GradientNorm {
    type Input = Losses;

    fn update(
        &mut self,
        _losses: &Losses,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        Ok(SerializedEntry::not_available(None))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        for squares in seen.into_values() {
            self.sum += norm_of(squares)?;
            self.steps += 1;
        }
        Ok(self.entry())
    }

    fn clear(&mut self) {
        (self.sum, self.steps) = (0.0, 0);
    }

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: false,
        }
        .into()
    }
}

impl Numeric for GradientNorm {
    fn value(&self) -> Option<NumericEntry> {
        None
    }

    fn running_value(&self) -> Option<NumericEntry> {
        (self.steps > 0).then(|| NumericEntry::Final(self.sum / self.steps as f64))
    }

    /// Of an epoch with no step that was looked at: 0.
    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.sum / self.steps.max(1) as f64)
    }
}
