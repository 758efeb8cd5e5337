use super::{Batch, Block};
use burn::tensor::{Device, Int, Tensor};

/// What generates: a prior, and every generative model. What a critic compares codes with need be no more.
///
/// ```
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use burn_generative::prelude::*;
///
/// /// Points of a circle: no density over the plane, and an adversarial autoencoder can match it.
/// #[derive(Module, Debug)]
/// struct Circle { radius: f64 }
///
/// impl Sampler for Circle {
///     type Value = Tensor<2>;
///
///     fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
///         let angle = Tensor::<2>::random([n, 1], Distribution::Uniform(0.0, 6.2832), device);
///         Tensor::cat(vec![angle.clone().cos(), angle.sin()], 1) * self.radius
///     }
/// }
///
/// assert_eq!(Circle { radius: 2.0 }.sample(5, &Device::default()).dims(), [5, 2]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sampled",
    note = "a prior implements `Sampler` (and `Prior`, where it has a density); are prior and likelihood in each other's place?",
    note = "a model can be sampled if its prior and its reconstruction loss fit its decoder"
)]
pub trait Sampler: Block {
    /// What it draws, batch first.
    type Value: Batch;

    /// `n` samples, with noise from the device's generator.
    fn sample(&self, n: usize, device: &Device) -> Self::Value;
}

/// A distribution of its own, with a density: what latents come from, or a model of the data itself. It may be
/// learned.
///
/// Two methods make a prior, one of them [`Sampler`]'s:
///
/// ```
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use burn_generative::prelude::*;
///
/// /// Independent logistic coordinates: heavier tails than a Gaussian's.
/// #[derive(Module, Debug)]
/// struct Logistic { latent_dim: usize }
///
/// impl Sampler for Logistic {
///     type Value = Tensor<2>;
///
///     fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
///         let u = Tensor::random([n, self.latent_dim], Distribution::Uniform(1e-6, 1.0 - 1e-6), device);
///         u.clone().log() - u.neg().log1p()
///     }
/// }
///
/// impl Prior for Logistic {
///     fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
///         use burn::tensor::activation::log_sigmoid;
///         sum_event(log_sigmoid(z.clone()) + log_sigmoid(z.neg()))
///     }
/// }
///
/// // It works in a VAE as the built-in priors do.
/// let device = Device::default().autodiff();
/// let vae = Vae::new(
///     MlpEncoderConfig::new(vec![1, 8, 8], 3).init_gaussian(&device)?,
///     MlpDecoderConfig::new(3, vec![1, 8, 8]).init(&device)?,
///     Logistic { latent_dim: 3 },
///     BernoulliNll,
/// );
/// let losses = vae.losses(Tensor::<4>::zeros([5, 1, 8, 8], &device));
/// assert_eq!(losses.term("kl").unwrap().dims(), [5]);
/// assert_eq!(vae.sample(2, &device).dims(), [2, 1, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no density",
    note = "a prior implements `Sampler` and `Prior`; are prior and likelihood in each other's place?"
)]
pub trait Prior: Sampler {
    /// `log p(value)` in nats per sample, `[batch]`.
    fn log_prob(&self, value: Self::Value) -> Tensor<1>;

    /// `KL(posterior || self)` in nats per sample, `[batch]`, where it has a closed form: by the posterior's
    /// [`family`](Posterior::family). `None` by default.
    fn exact_kl<Q>(&self, _posterior: &Q) -> Option<Tensor<1>>
    where
        Q: Posterior<Latent = Self::Value>,
    {
        None
    }

    /// `KL(posterior || self)` in nats per sample, `[batch]`: in closed form, or else the estimate
    /// `log q(z) - log p(z)` from this draw, which is right on average and may be negative for a sample.
    fn kl<Q>(&self, posterior: &Q, draw: &Draw<Self::Value>) -> Tensor<1>
    where
        Q: Posterior<Latent = Self::Value>,
    {
        self.exact_kl(posterior)
            .unwrap_or_else(|| posterior.log_prob_of(draw) - self.log_prob(draw.z.clone()))
    }
}

/// A sampler that is cut into classes, of which one can be sampled alone: what a semi-supervised model matches
/// labelled data to. [`GaussianMixture`](crate::prior::GaussianMixture) is one.
pub trait LabeledSampler: Sampler {
    /// The number of classes, K.
    fn num_classes(&self) -> usize;

    /// A sample of the class of each label, `[batch]` in `0..K`; a label below 0 ([`UNKNOWN`](crate::nn::UNKNOWN)) gets a
    /// sample of the whole prior.
    ///
    /// Other labels are the caller's to avoid, by [`check_labels`](crate::nn::check_labels): a check here would read them
    /// back from the device each time.
    fn sample_labeled(&self, labels: Tensor<1, Int>) -> Self::Value;
}

/// A draw, and its log-density where whoever drew it had the number anyway.
#[derive(Clone, Debug)]
pub struct Draw<Z> {
    /// The point, batch first.
    pub z: Z,
    /// `log q(z)`, `[batch]`, if it is known: a flow fills it in, and so need not be inverted.
    pub log_prob: Option<Tensor<1>>,
}

/// What a model may take as a code: a point, or a distribution of which it takes a draw.
///
/// A tensor is a point, which needs no noise. So one model has a deterministic or a stochastic encoder.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let point = Tensor::<2>::ones([3, 2], &Device::default());
/// assert_eq!(point.rsample().dims(), [3, 2]); // the same
/// let posterior = DiagonalGaussian::new(point.clone(), point.zeros_like());
/// assert_eq!(posterior.rsample().dims(), [3, 2]); // a sample
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no code",
    note = "an encoder returns a point, `Tensor<2>`, or a distribution that implements `Code` and `Posterior`"
)]
pub trait Code {
    /// The point, batch first: usually `Tensor<2>`, `[batch, latent]`.
    type Latent: Batch;

    /// What makes a draw of it a function: standard normal numbers in the shape of the latent, say.
    type Noise;

    /// Noise from the device's generator.
    fn noise(&self) -> Self::Noise;

    /// The point that this noise leads to, differentiable in the code: the deterministic twin of
    /// [`rsample`](Self::rsample).
    fn rsample_with(&self, noise: Self::Noise) -> Self::Latent;

    /// A point, differentiable in the code.
    fn rsample(&self) -> Self::Latent {
        self.rsample_with(self.noise())
    }

    /// The point without randomness, to encode with: itself, or a mode or mean.
    fn point(&self) -> Self::Latent;

    /// [`rsample_with`](Self::rsample_with), and what is known of the density of that draw.
    fn draw_with(&self, noise: Self::Noise) -> Draw<Self::Latent> {
        Draw {
            z: self.rsample_with(noise),
            log_prob: None,
        }
    }

    /// [`rsample`](Self::rsample), and what is known of the density of that draw.
    fn draw(&self) -> Draw<Self::Latent> {
        self.draw_with(self.noise())
    }
}

impl<const D: usize> Code for Tensor<D> {
    type Latent = Tensor<D>;
    type Noise = ();

    fn noise(&self) {}
    fn rsample_with(&self, (): ()) -> Tensor<D> {
        self.clone()
    }
    fn point(&self) -> Tensor<D> {
        self.clone()
    }
}

/// A distribution for each sample of a batch, which can be sampled with gradients: what an encoder returns for
/// latents, or a decoder for data.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// A Laplace posterior: it works in every VAE.
/// #[derive(Clone, Debug)]
/// struct Laplace { mean: Tensor<2>, log_scale: Tensor<2> }
///
/// impl Code for Laplace {
///     type Latent = Tensor<2>;
///     type Noise = Tensor<2>;
///
///     /// Uniform in (-1/2, 1/2), which `rsample_with` maps to a Laplace variable.
///     fn noise(&self) -> Tensor<2> {
///         self.mean.random_like(burn::tensor::Distribution::Uniform(-0.4999, 0.4999))
///     }
///     fn rsample_with(&self, noise: Tensor<2>) -> Tensor<2> {
///         let tail = noise.clone().abs().mul_scalar(-2.0).log1p();
///         self.mean.clone() - self.log_scale.clone().exp() * noise.sign() * tail
///     }
///     fn point(&self) -> Tensor<2> {
///         self.mean.clone()
///     }
/// }
///
/// impl Posterior for Laplace {
///     fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
///         let distance = (z - self.mean.clone()).abs() / self.log_scale.clone().exp();
///         sum_event(distance + self.log_scale.clone() + 2f64.ln()).neg()
///     }
/// }
///
/// let device = Device::default();
/// let q = Laplace { mean: Tensor::zeros([4, 2], &device), log_scale: Tensor::zeros([4, 2], &device) };
/// // No closed form is known, so the prior estimates its KL from the draw.
/// assert_eq!(StandardNormal::new(2).kl(&q, &q.draw()).dims(), [4]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a point, not a distribution",
    note = "build the encoder with `init_gaussian`, or give one of your own `Code = DiagonalGaussian`",
    note = "for codes that are points there are `Autoencoder` and `Aae`"
)]
pub trait Posterior: Code {
    /// `log q(z)` in nats per sample, `[batch]`.
    fn log_prob(&self, z: Self::Latent) -> Tensor<1>;

    /// `log q` of a draw in nats per sample, `[batch]`: known, or computed.
    fn log_prob_of(&self, draw: &Draw<Self::Latent>) -> Tensor<1> {
        let known = draw.log_prob.clone();
        known.unwrap_or_else(|| self.log_prob(draw.z.clone()))
    }

    /// What it is, for whoever knows a closed form: priors, latent losses, metrics. `None` by default.
    fn family(&self) -> Option<Family> {
        None
    }
}

/// The families of distributions that closed forms are known of, with their parameters.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant)] // it is matched on at once, and stored nowhere
pub enum Family {
    /// Independent Gaussian coordinates.
    Gaussian {
        /// The means, `[batch, coordinates]`.
        mean: Tensor<2>,
        /// The logarithms of the variances, `[batch, coordinates]`.
        log_var: Tensor<2>,
    },
    /// Independent categorical variables.
    Categorical {
        /// Unnormalised log-probabilities, `[batch, variables, classes]`.
        logits: Tensor<3>,
    },
}
