use super::{Bijection, for_each};
use crate::error::{Result, check_at_least_one};
use crate::traits::Batch;
use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A scale and a shift for each channel of axis 1 (each coordinate of a vector), which start where the first training batch
/// leaves with mean 0 and standard deviation 1: what batch normalisation does for a network, with a Jacobian that does not
/// depend on the batch.
///
/// That start happens once, at the first use [`forward`](Bijection::forward) of a layer that is being trained; evaluation
/// and frozen copies leave it alone. It is saved with the weights. A channel that is constant in the first batch (any, if it
/// has one number in it) is centred, and not scaled.
///
/// [Kingma & Dhariwal 2018](https://arxiv.org/abs/1807.03039), section 3.1.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{ActNorm, Bijection};
///
/// let device = Device::default().autodiff();
/// let norm = ActNorm::new(2, &device)?;
/// let first = Tensor::<2>::from_floats([[10.0, 0.0], [14.0, 0.5]], &device);
/// let (z, _) = norm.forward(first);
/// z.into_data().assert_approx_eq::<f32>(&TensorData::from([[-1.0f32, -1.0], [1.0, 1.0]]), Default::default());
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ActNorm<const D: usize = 2> {
    /// What training makes of the start, `[channels]`.
    shift: Param<Tensor<1>>,
    log_scale: Param<Tensor<1>>,
    /// Means and logarithms of standard deviations of the first batch, and 1 if there was one, `[3, channels]`.
    start: RunningState<Tensor<2>>,
    /// Host copy of that 1, where it has been read: no step waits for the device.
    #[module(skip)]
    started: Arc<AtomicBool>,
}

impl<const D: usize> ActNorm<D> {
    /// A layer of so many channels: the identity until it is trained.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no channels.
    pub fn new(channels: usize, device: &Device) -> Result<Self> {
        check_at_least_one("ActNorm", "channels", channels)?;
        let zeros = || Param::from_tensor(Tensor::zeros([channels], device));
        Ok(Self {
            shift: zeros(),
            log_scale: zeros(),
            start: RunningState::new(Tensor::zeros([3, channels], device)),
            started: Arc::new(AtomicBool::new(false)),
        })
    }

    /// Takes the start from this batch, if it is the first in training.
    fn start_at(&self, x: &Tensor<D>) {
        let trains = x.is_autodiff() && self.log_scale.val().is_require_grad();
        if !trains || self.started.load(Ordering::Relaxed) {
            return;
        }
        let state = self.start.value_sync();
        let is_started = state.clone().narrow(0, 2, 1).max().into_scalar::<f32>() > 0.0;
        if !is_started {
            let channels = x.dims()[1];
            let values = x.clone().without_autodiff().swap_dims(0, 1);
            let values = values.reshape([channels as i64, -1]);
            let mean = values.clone().mean_dim(1);
            let variance = (values - mean.clone()).square().mean_dim(1);
            // Next to its mean a constant's deviation is rounding.
            let least = mean.clone().square() * 1e-10;
            let is_constant = variance.clone().lower_equal(least);
            let log_std = variance.mask_fill(is_constant, 1.0).log() / 2.0;
            let columns = vec![mean.clone(), log_std, mean.ones_like()];
            self.start.update(Tensor::cat(columns, 1).transpose());
            // A record is written of what was synced.
            self.start.value_sync();
        }
        self.started.store(true, Ordering::Relaxed);
    }

    /// Shift and logarithm of the scale, `[1, channels, 1, ..]`, and its sum over the channels: `z = (x - shift) e^scale`.
    fn shift_and_scale(&self, x: &Tensor<D>) -> (Tensor<D>, Tensor<D>, Tensor<1>) {
        let [channels] = self.shift.dims();
        assert!(
            x.dims()[1] == channels,
            "ActNorm: it is over {channels} channels, but the data has {}",
            x.dims()[1]
        );
        // On several devices the state may be where another copy of the module is. It belongs to no step's graph.
        let start = self.start.value_sync().without_autodiff();
        let start = Batch::to_device(&start, &x.device());
        let row = |index| start.clone().narrow(0, index, 1).squeeze_dim::<1>(0);
        let (mean, log_std) = (row(0), row(1));
        let log_scale = self.log_scale.val() - log_std.clone();
        let shift = mean + log_std.exp() * self.shift.val();
        let mut shape = [1; D];
        shape[1] = channels;
        let places = x.dims()[2..].iter().product::<usize>() as f64;
        let log_det = for_each(log_scale.clone().sum() * places, x.dims()[0]);
        (shift.reshape(shape), log_scale.reshape(shape), log_det)
    }
}

impl<const D: usize> Bijection for ActNorm<D> {
    type Input = Tensor<D>;
    type Output = Tensor<D>;

    fn forward(&self, x: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        self.start_at(&x);
        let (shift, log_scale, log_det) = self.shift_and_scale(&x);
        ((x - shift) * log_scale.exp(), log_det)
    }

    fn inverse(&self, z: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        let (shift, log_scale, log_det) = self.shift_and_scale(&z);
        (z * log_scale.neg().exp() + shift, log_det.neg())
    }
}
