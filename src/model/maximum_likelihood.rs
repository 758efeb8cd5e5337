use crate::loss::Losses;
use crate::traits::{Model, Prior, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// A density of data that is fitted to it by maximum likelihood: `losses = -log p(x)`.
///
/// | term | density |
/// |---|---|
/// | `nll` | trains |
///
/// Any [`Prior`] is such a density: a mixture, or one of your own.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::GaussianMixture;
///
/// let device = Device::default().autodiff();
/// let mut model = MaximumLikelihood::new(GaussianMixture::ring(3, 1.0, 0.5, &device)?);
/// let rows = Tensor::<2>::random([64, 2], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (model, _) = model.learn(&mut optimizer, 1e-2, rows.clone());
/// }
/// assert_eq!(model.sample(5, &device).dims(), [5, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct MaximumLikelihood<P> {
    /// The density.
    pub density: P,
}

impl<P: Prior> MaximumLikelihood<P> {
    /// The model that fits this density.
    pub fn new(density: P) -> Self {
        Self { density }
    }

    /// `log p(x)` in nats per sample, `[batch]`.
    pub fn log_prob(&self, data: P::Value) -> Tensor<1> {
        self.density.log_prob(data)
    }
}

impl<P: Prior> Model for MaximumLikelihood<P> {
    type Input = P::Value;

    fn terms(&self) -> Vec<&'static str> {
        vec!["nll"]
    }

    fn losses(&self, data: P::Value) -> Losses {
        Losses::of("nll", self.density.log_prob(data).neg())
    }
}
crate::learner!(MaximumLikelihood<P>);

/// Samples are those of the density, without gradients and as in evaluation.
impl<P: Prior> Sampler for MaximumLikelihood<P> {
    type Value = P::Value;

    fn sample(&self, n: usize, device: &Device) -> P::Value {
        self.density.valid().sample(n, &device.clone().inner())
    }
}
