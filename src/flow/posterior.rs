use super::{Bijection, Tempered};
use crate::traits::{Code, Draw, Posterior, Prior};
use burn::tensor::{Device, Tensor};

/// A flow behind a distribution of which there is one for each sample: a draw of the base, through the bijection's inverse.
/// It is a posterior, or what a decoder returns (its loss is [`Nll`](crate::loss::Nll)).
///
/// A draw brings its density along, so that nothing is inverted in a training: with the [`Inverse`](super::Inverse) of a
/// [`MaskedAutoregressive`](super::MaskedAutoregressive) flow (an IAF) all that a VAE asks of it is fast.
/// [`FlowHead`](super::FlowHead) puts one behind an encoder.
///
/// [Rezende & Mohamed 2015](https://arxiv.org/abs/1505.05770), [Kingma et al. 2016](https://arxiv.org/abs/1606.04934).
#[derive(Clone, Debug)]
pub struct FlowPosterior<Q, B> {
    base: Q,
    bijection: B,
    context: Option<Tensor<2>>,
}

impl<Q: Posterior, B: Bijection<Output = Q::Latent>> FlowPosterior<Q, B> {
    /// The flow from this base, by the inverse of this bijection.
    pub fn new(base: Q, bijection: B) -> Self {
        Self {
            base,
            bijection,
            context: None,
        }
    }

    /// The same with a context for the bijection, `[batch, context]`.
    pub fn with_context(mut self, context: Tensor<2>) -> Self {
        self.context = Some(context);
        self
    }

    fn push(&self, noise: Q::Latent) -> (B::Input, Tensor<1>) {
        match &self.context {
            Some(context) => self.bijection.inverse_given(noise, context),
            None => self.bijection.inverse(noise),
        }
    }
}

impl<Q: Posterior, B: Bijection<Output = Q::Latent>> Code for FlowPosterior<Q, B> {
    type Latent = B::Input;
    type Noise = Q::Noise;

    fn noise(&self) -> Q::Noise {
        self.base.noise()
    }

    fn rsample_with(&self, noise: Q::Noise) -> B::Input {
        self.push(self.base.rsample_with(noise)).0
    }

    /// The image of the base's point, which is neither mode nor mean.
    fn point(&self) -> B::Input {
        self.push(self.base.point()).0
    }

    fn draw_with(&self, noise: Q::Noise) -> Draw<B::Input> {
        let base = self.base.draw_with(noise);
        let log_prob = self.base.log_prob_of(&base);
        let (z, log_det) = self.push(base.z);
        Draw {
            z,
            log_prob: Some(log_prob - log_det),
        }
    }
}

impl<Q: Posterior, B: Bijection<Output = Q::Latent>> Posterior for FlowPosterior<Q, B> {
    /// By the bijection's forward direction: with an IAF one coordinate after the other. A
    /// [`draw`](Code::draw) has the number already.
    fn log_prob(&self, z: B::Input) -> Tensor<1> {
        let (noise, log_det) = match &self.context {
            Some(context) => self.bijection.forward_given(z, context),
            None => self.bijection.forward(z),
        };
        self.base.log_prob(noise) + log_det
    }
}

/// One distribution for all samples of a batch, as if each had its own: the base of a flow that a context alone tells apart.
#[derive(Clone, Debug)]
pub struct Repeated<P> {
    distribution: P,
    batch: usize,
    device: Device,
}

impl<P> Repeated<P> {
    /// The same distribution for each of a batch.
    pub fn new(distribution: P, batch: usize, device: &Device) -> Self {
        Self {
            distribution,
            batch,
            device: device.clone(),
        }
    }
}

impl<P: Prior + Tempered> Code for Repeated<P> {
    type Latent = P::Value;
    /// A draw of the distribution.
    type Noise = P::Value;

    fn noise(&self) -> P::Value {
        self.distribution.sample(self.batch, &self.device)
    }

    fn rsample_with(&self, noise: P::Value) -> P::Value {
        noise
    }

    /// The middle of the distribution: a sample at temperature 0.
    fn point(&self) -> P::Value {
        self.distribution
            .sample_scaled(self.batch, 0.0, &self.device)
    }
}

impl<P: Prior + Tempered> Posterior for Repeated<P> {
    fn log_prob(&self, z: P::Value) -> Tensor<1> {
        self.distribution.log_prob(z)
    }
}
