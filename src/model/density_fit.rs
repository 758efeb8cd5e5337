use super::MaximumLikelihood;
use crate::error::{Error, Result, check_at_least_one, check_positive};
use crate::traits::{Batch, Model, Prior};
use burn::config::Config;
use burn::grad_clipping::GradientClippingConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;
use std::f64::consts::PI;

/// Fits any density to data, or to codes, by gradient descent: a [`Flow`](crate::flow::Flow) as the prior from which an
/// autoencoder of any kind can be sampled, as [`MixtureFit`](crate::prior::MixtureFit) fits a mixture.
///
/// Adam with a rate that falls along half a cosine to 0. A share of the data is held out, and the density is kept as it was
/// where it explained that best.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Flow, SplineFlowConfig};
/// use burn_generative::model::{self, DensityFit};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let autoencoder = Autoencoder::new(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     SquaredError,
/// );
/// let data = Tensor::<2>::random([300, 13], burn::tensor::Distribution::Default, &device);
/// let flow = Flow::new(SplineFlowConfig::new(2).init(&device)?, StandardNormal::new(2));
/// let prior = DensityFit::new().with_steps(20).fit(flow, autoencoder.encode(data))?;
/// assert_eq!(model::sample(&prior, &autoencoder.decoder, 10, &device).dims(), [10, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct DensityFit {
    /// The number of steps.
    #[config(default = 2000)]
    pub steps: usize,
    /// The samples of a step.
    #[config(default = 256)]
    pub batch_size: usize,
    /// The learning rate of the first step.
    #[config(default = 1e-3)]
    pub rate: f64,
    /// L2 regularization.
    #[config(default = 0.0)]
    pub weight_decay: f64,
    /// The share of the data that is held out, below 1; with 0 the density is kept as it is at the end.
    #[config(default = 0.1)]
    pub held_out: f64,
    /// Seed of what is held out and of the order of the rest. The noise that a density draws is the device's.
    #[config(default = 0)]
    pub seed: u64,
}

/// How often a fit looks at what is held out.
const CHECKS: usize = 40;

impl DensityFit {
    /// The density after the fit, on the device of the data, without autodiff.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a number of this is 0 or not a number; [`Error::Samples`] if there are fewer than two samples to
    /// train on; [`Error::Support`] if one holds no number; [`Error::Training`] if the loss becomes no number;
    /// [`Error::Device`] if the device cannot be read.
    pub fn fit<P: Prior>(&self, density: P, data: P::Value) -> Result<P> {
        let model = MaximumLikelihood::new(density);
        Ok(self.fit_model(model, data)?.density)
    }

    /// As [`fit`](Self::fit), of any model, by the mean of its total loss.
    ///
    /// # Errors
    ///
    /// Those of [`fit`](Self::fit).
    pub fn fit_model<M: Model>(&self, model: M, data: M::Input) -> Result<M> {
        check_at_least_one("DensityFit", "steps", self.steps)?;
        check_at_least_one("DensityFit", "batch_size", self.batch_size)?;
        check_positive("DensityFit: rate", self.rate)?;
        if !(0.0..1.0).contains(&self.held_out) {
            return Err(Error::Config(format!(
                "DensityFit: the share held out must be at least 0 and below 1, not {}",
                self.held_out
            )));
        }
        data.check_finite("the data of a DensityFit")?;
        let device = data.device().inner();
        let data = data.detach().to_device(&device);
        let mut rng = Pcg64::seed_from_u64(self.seed);
        let mut order: Vec<i64> = (0..data.len() as i64).collect();
        order.shuffle(&mut rng);
        let held_out = (self.held_out * order.len() as f64) as usize;
        let mut training = order.split_off(held_out);
        if training.len() < 2 {
            return Err(Error::Samples(format!(
                "DensityFit: a density is fitted to two samples at least, not {}",
                training.len()
            )));
        }
        let held_out = (held_out > 0).then(|| data.select(indices(&order, &device)));

        let training_device = device.clone().autodiff();
        let mut model = model.valid().to_device(&device).train();
        let mut optimizer = self.optimizer();
        let batch = self.batch_size.min(training.len());
        let every = self.steps.div_ceil(CHECKS);
        let (mut best, mut kept) = (f64::INFINITY, None);
        let mut next = training.len();
        for step in 1..=self.steps {
            if next + batch > training.len() {
                training.shuffle(&mut rng);
                next = 0;
            }
            let chosen = indices(&training[next..next + batch], &device);
            next += batch;
            let items = data.select(chosen).to_device(&training_device);
            let progress = (step - 1) as f64 / self.steps as f64;
            let rate = self.rate * 0.5 * (1.0 + (PI * progress).cos());
            let losses;
            (model, losses) = model.learn(&mut optimizer, rate, items);
            if step % every != 0 && step != self.steps {
                continue;
            }
            let valid = model.valid();
            let nll: f64 = match &held_out {
                Some(items) => valid.losses(items.clone()).mean().try_into_scalar()?,
                None => losses.mean().try_into_scalar()?,
            };
            if !nll.is_finite() {
                return Err(Error::Training(format!(
                    "the loss of a DensityFit became {nll} by step {step}; a smaller rate is the usual \
                     remedy"
                )));
            }
            if nll < best || held_out.is_none() {
                (best, kept) = (nll, Some(valid));
            }
        }
        // Looked at after the last step, and finite there: something was kept.
        Ok(kept.unwrap_or_else(|| model.valid()))
    }

    fn optimizer(&self) -> ModuleOptimizer {
        let adam = AdamConfig::new().with_epsilon(1e-8);
        let adam = adam.with_grad_clipping(Some(GradientClippingConfig::Norm(5.0)));
        let decay =
            (self.weight_decay > 0.0).then(|| WeightDecayConfig::new(self.weight_decay as f32));
        adam.with_weight_decay(decay).init()
    }
}

fn indices(of: &[i64], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(of.to_vec(), [of.len()]), device)
}
