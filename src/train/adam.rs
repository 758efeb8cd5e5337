use super::GradientNorm;
use crate::error::{Error, Result};
use crate::kernel::adam::{AdamStep, adam_step};
use crate::kernel::points::at_least_single;
use burn::config::Config;
use burn::optim::{AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

/// Configuration of [`FusedAdam`].
///
/// ```
/// use burn_generative::train::FusedAdamConfig;
///
/// let adam_w = FusedAdamConfig::new().with_weight_decay(0.01).init()?;
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct FusedAdamConfig {
    /// Decay of the gradient's running mean.
    #[config(default = "0.9")]
    pub beta_1: f32,
    /// Decay of the squared gradient's running mean.
    #[config(default = "0.999")]
    pub beta_2: f32,
    /// What keeps the division finite: 1e-8, the paper's and PyTorch's (burn's own Adam has 1e-5).
    #[config(default = "1e-8")]
    pub epsilon: f32,
    /// Weight decay beside the gradient, as a share of the learning rate:
    /// [AdamW](https://arxiv.org/abs/1711.05101).
    #[config(default = "0.0")]
    pub weight_decay: f32,
    /// Weight decay as a part of the gradient: the gradient of `l2 / 2` times the squared parameter.
    #[config(default = "0.0")]
    pub l2: f32,
}

impl FusedAdamConfig {
    /// The bare optimizer, which `ModuleOptimizer::with_group` takes for one group of parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a beta is not in `[0, 1)`, epsilon is not positive, or a decay is negative or not a
    /// number.
    pub fn build(&self) -> Result<FusedAdam> {
        for (name, beta) in [("beta_1", self.beta_1), ("beta_2", self.beta_2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::Config(format!(
                    "FusedAdam: {name} is {beta}; it must be at least 0 and below 1"
                )));
            }
        }
        crate::error::check_positive("FusedAdam: epsilon", f64::from(self.epsilon))?;
        let rest = [("weight_decay", self.weight_decay), ("l2", self.l2)];
        for (name, value) in rest {
            crate::error::check_not_negative(&format!("FusedAdam: {name}"), f64::from(value))?;
        }
        Ok(FusedAdam {
            config: self.clone(),
            norm: None,
        })
    }

    /// An optimizer of a whole module.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn init(&self) -> Result<ModuleOptimizer> {
        Ok(self.build()?.into())
    }
}

/// [Adam](https://arxiv.org/abs/1412.6980) and [AdamW](https://arxiv.org/abs/1711.05101) in one pass over a
/// parameter, where burn's own takes some ten.
///
/// For step `t`, learning rate `a` and gradient `g` (with `l2 p` added):
///
/// ```text
/// m = beta_1 m + (1 - beta_1) g            v = beta_2 v + (1 - beta_2) g^2
/// p = (1 - a weight_decay) p - a (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)
/// ```
///
/// Equal to burn's `Adam` and `AdamW` to float tolerance, and its state is theirs: a run that was begun with
/// either goes on with the other. Of parameters of 16 bits the moments are kept in `f32`, where burn's own keeps them in
/// 16, in which `v` underflows or stalls; such a run goes on with this optimizer only. (For AMSGrad and cautious weight decay take burn's.) On backends without
/// this crate's kernels it is the same in plain tensor operations.
#[derive(Clone)]
pub struct FusedAdam {
    config: FusedAdamConfig,
    norm: Option<GradientNorm>,
}

impl Optimizer for FusedAdam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let (time, moments) = match state.map(|state| state.momentum) {
            Some(state) => (state.time, [state.moment_1, state.moment_2]),
            None => {
                let zeros = at_least_single(grad.zeros_like());
                (0, [zeros.clone(), zeros])
            }
        };
        let time = time + 1;
        if let Some(norm) = &self.norm {
            norm.see(time, &grad);
        }
        let (tensor, [moment_1, moment_2]) =
            adam_step(tensor, grad, moments, self.numbers(lr, time));
        let momentum = AdaptiveMomentumState::new(time, moment_1, moment_2);
        (tensor, Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(mut state: AdamState<D>, device: &Device) -> AdamState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

impl FusedAdam {
    /// Lets a metric see the gradients that this optimizer steps along.
    pub fn watched_by(self, norm: &GradientNorm) -> Self {
        Self {
            norm: Some(norm.clone()),
            ..self
        }
    }

    /// The numbers of step `time`, which counts from 1.
    fn numbers(&self, lr: LearningRate, time: usize) -> AdamStep {
        let config = &self.config;
        let bias = |beta: f32| 1.0 - f64::from(beta).powf(time as f64);
        let spread = bias(config.beta_2).sqrt();
        AdamStep {
            beta_1: config.beta_1,
            beta_2: config.beta_2,
            rate: (lr * spread / bias(config.beta_1)) as f32,
            epsilon: (f64::from(config.epsilon) * spread) as f32,
            l2: config.l2,
            keep: (1.0 - lr * f64::from(config.weight_decay)) as f32,
        }
    }
}
