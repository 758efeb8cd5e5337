use crate::error::{Error, Result};
use crate::traits::{Prior, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Several densities of one kind of data, each as likely as another to be what a sample comes from: `p(x) = mean_k p_k(x)`.
///
/// It averages probabilities of whole events. (An average of the logits of networks with other orders is no likelihood: each
/// sees what another must not.)
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::{Ensemble, MadeConfig, Order};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let member = |seed| MadeConfig::new(vec![6]).init_in_order::<2>(&Order::Drawn { seed }, &device);
/// let model = Ensemble::new(vec![member(1)?, member(2)?])?;
/// assert_eq!(model.log_prob(model.sample(5, &device)).dims(), [5]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Ensemble<P> {
    members: Vec<P>,
}

impl<P: Prior> Ensemble<P> {
    /// The ensemble of these densities.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] without a member.
    pub fn new(members: Vec<P>) -> Result<Self> {
        if members.is_empty() {
            return Err(Error::Config(
                "Ensemble: it needs at least one member".into(),
            ));
        }
        Ok(Self { members })
    }

    /// The densities.
    pub fn members(&self) -> &[P] {
        &self.members
    }
}

impl<P: Prior<Value = Tensor<D>>, const D: usize> Sampler for Ensemble<P> {
    type Value = Tensor<D>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<D> {
        let device = device.clone().inner();
        let count = self.members.len();
        // Which member each sample is of; a member draws its own at once.
        let of = Tensor::<1>::random(
            [n],
            burn::tensor::Distribution::Uniform(0.0, count as f64),
            &device,
        );
        let of: Vec<usize> = of
            .into_data()
            .iter::<f32>()
            .map(|k| (k as usize).min(count - 1))
            .collect();
        let mut places = Vec::new();
        let mut samples = Vec::new();
        for (k, member) in self.members.iter().enumerate() {
            let own: Vec<i32> = (0..n).filter(|&i| of[i] == k).map(|i| i as i32).collect();
            if !own.is_empty() {
                samples.push(member.sample(own.len(), &device));
                places.extend(own);
            }
        }
        if samples.is_empty() {
            return self.members[0].sample(0, &device);
        }
        let places = Tensor::<1, burn::tensor::Int>::from_ints(places.as_slice(), &device);
        Tensor::cat(samples, 0).select(0, places.argsort(0))
    }
}

impl<P: Prior<Value = Tensor<D>>, const D: usize> Prior for Ensemble<P> {
    fn log_prob(&self, x: Tensor<D>) -> Tensor<1> {
        let log_p = self.members.iter().map(|member| member.log_prob(x.clone()));
        let log_p: Tensor<2> = Tensor::stack(log_p.collect(), 1);
        let most = log_p.clone().detach().max_dim(1);
        let mean = (log_p - most.clone()).exp().mean_dim(1);
        (mean.log() + most).squeeze_dim(1)
    }
}
