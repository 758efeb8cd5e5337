//! All contracts of the crate, on one page.
//!
//! Three rules hold for every one of them:
//!
//! 1. **Axis 0 is the batch; all other axes are one event.**
//! 2. **Every loss, log-density and divergence is per sample**: a `Tensor<1>` of shape `[batch]`,
//!    summed over the event, in nats. A model takes one mean over the batch, at the very end. So a
//!    mean over pixels cannot meet a sum over latents.
//! 3. **Networks end in logits or means**, never in a squashed or sampled value; the loss knows what
//!    they are. (A generator whose samples a critic judges is the exception: `nn::Squashed`.)
//!
//! | to write your own | implement | methods |
//! |---|---|---|
//! | encoder | [`Encoder`] | `encode` |
//! | decoder, generator | [`Decoder`] | `decode` |
//! | approximate posterior | [`Posterior`] | `rsample`, `rsample_with`, `mode`, `log_prob` |
//! | code of an adversarial autoencoder | [`Code`] | `draw`, `draw_with`, `point`, `detach`, `shape`, `device` |
//! | prior | [`Prior`] | `sample`, `log_prob` |
//! | prior with classes | [`LabeledPrior`] | `num_classes`, `sample_labeled` |
//! | likelihood, reconstruction loss | [`ReconstructionLoss`] | `loss` |
//! | corruption of a denoising model | [`Corruption`] | `noise`, `corrupt_with` |
//! | model that can be judged by its likelihood | [`LatentVariableModel`] | `posterior`, `log_prior`, `log_likelihood` |
//! | critic, discriminator | [`Critic`], [`FeatureCritic`] | `score`, `features` |
//! | critic under a gradient penalty | [`InputGradient`] | `score_and_input_gradient` |
//! | what keeps a critic smooth | [`CriticRegularizer`] | `penalty`, `constrain` |
//! | adversarial objective | [`AdversarialLoss`] | `real`, `fake`, `generator` |
//!
//! A part that holds parameters derives burn's [`Module`](burn::module::Module) as well, so that
//! optimizers, records and devices find them.

use crate::error::{Error, Result};
use crate::kernel::points::is_finite;
use burn::tensor::{Device, Int, Tensor};

/// Maps data to a code: a point, or a posterior over latents.
///
/// With `Code = Tensor<2>` it fits an [`Autoencoder`](crate::model::Autoencoder); with
/// `Code = DiagonalGaussian` (or any other [`Posterior`]) it fits a [`Vae`](crate::model::Vae).
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// Images `[batch, channels, height, width]` to points `[batch, latent]`.
/// #[derive(Module, Debug)]
/// struct Flat { linear: Linear }
///
/// impl Encoder for Flat {
///     type Input = Tensor<4>;
///     type Code = Tensor<2>;
///
///     fn encode(&self, input: Tensor<4>) -> Tensor<2> {
///         self.linear.forward(input.flatten(1, 3))
///     }
/// }
///
/// let device = Device::default();
/// let encoder = Flat { linear: LinearConfig::new(28 * 28, 8).init(&device) };
/// assert_eq!(encoder.encode(Tensor::zeros([2, 1, 28, 28], &device)).dims(), [2, 8]);
/// ```
pub trait Encoder {
    /// What it reads, batch first; a tuple where a label or a condition belongs to the input.
    type Input;
    /// What it returns: a point `[batch, latent]`, or a [`Posterior`].
    type Code;

    /// The codes of a batch.
    fn encode(&self, input: Self::Input) -> Self::Code;
}

/// Maps latents to the parameters of a distribution over data: a GAN's generator is one too.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// #[derive(Module, Debug)]
/// struct Unflat { linear: Linear }
///
/// impl Decoder for Unflat {
///     type Latent = Tensor<2>;
///     type Output = Tensor<4>; // logits, for a Bernoulli likelihood
///
///     fn decode(&self, latent: Tensor<2>) -> Tensor<4> {
///         self.linear.forward(latent).reshape([-1, 1, 28, 28])
///     }
/// }
///
/// let device = Device::default();
/// let decoder = Unflat { linear: LinearConfig::new(8, 28 * 28).init(&device) };
/// assert_eq!(decoder.decode(Tensor::zeros([2, 8], &device)).dims(), [2, 1, 28, 28]);
/// ```
pub trait Decoder {
    /// What it reads, batch first: usually `Tensor<2>`, `[batch, latent]`.
    type Latent;
    /// Logits or means in the shape of the data, or a distribution over it. Squashed only for a critic.
    type Output;

    /// The outputs for a batch of latents.
    fn decode(&self, latent: Self::Latent) -> Self::Output;
}

/// A distribution over latents, one for each sample of a batch, that can be sampled with gradients.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// A Laplace posterior: three methods and a twin, and it works in every VAE.
/// #[derive(Clone, Debug)]
/// struct Laplace { mean: Tensor<2>, log_scale: Tensor<2> }
///
/// impl Posterior for Laplace {
///     type Latent = Tensor<2>;
///
///     fn rsample(&self) -> Tensor<2> {
///         // Uniform noise in (-1/2, 1/2), which `rsample_with` maps to a Laplace variable.
///         self.rsample_with(self.mean.random_like(burn::tensor::Distribution::Uniform(-0.4999, 0.4999)))
///     }
///     fn rsample_with(&self, noise: Tensor<2>) -> Tensor<2> {
///         let tail = noise.clone().abs().mul_scalar(-2.0).log1p();
///         self.mean.clone() - self.log_scale.clone().exp() * noise.sign() * tail
///     }
///     fn mode(&self) -> Tensor<2> {
///         self.mean.clone()
///     }
///     fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
///         let distance = (z - self.mean.clone()).abs() / self.log_scale.clone().exp();
///         sum_event(distance + self.log_scale.clone() + 2f64.ln()).neg()
///     }
/// }
///
/// let device = Device::default();
/// let q = Laplace { mean: Tensor::zeros([4, 2], &device), log_scale: Tensor::zeros([4, 2], &device) };
/// let z = q.rsample();
/// // No closed form is known, so the prior falls back to one Monte-Carlo sample.
/// assert_eq!(StandardNormal::new(2).kl(&q, z).dims(), [4]);
/// ```
pub trait Posterior {
    /// What it is a distribution over, batch first: `Tensor<2>`, `[batch, latent]`, or any rank.
    type Latent;

    /// One sample, differentiable in the parameters, with noise from the device's generator.
    fn rsample(&self) -> Self::Latent;

    /// The sample that a given noise leads to: the deterministic twin of [`rsample`](Self::rsample).
    fn rsample_with(&self, noise: Self::Latent) -> Self::Latent;

    /// The most probable point: what to encode with when nothing should be random.
    fn mode(&self) -> Self::Latent;

    /// `log q(z)` in nats per sample, `[batch]`.
    fn log_prob(&self, z: Self::Latent) -> Tensor<1>;

    /// `KL(q || N(0, I))` in nats per sample, `[batch]`, if it has a closed form.
    ///
    /// With `None`, the default, [`StandardNormal`](crate::prior::StandardNormal) estimates it from
    /// a sample, as every other prior does.
    fn kl_to_standard_normal(&self) -> Option<Tensor<1>> {
        None
    }

    /// What can be watched of each latent coordinate, if there are any: none by default.
    fn coordinates(&self) -> Option<Coordinates> {
        None
    }
}

/// What a posterior says of each latent coordinate, for each sample of a batch: what tells coordinates that carry
/// information from those that do not.
#[derive(Clone, Debug)]
pub struct Coordinates {
    /// The means, `[batch, latent]`.
    pub mean: Tensor<2>,
    /// `KL(q(z_i) || N(0, 1))` in nats, `[batch, latent]`.
    pub kl: Tensor<2>,
}

/// A code that a model may take as a point: a point itself, or a posterior, of which it takes a sample.
///
/// Implemented for tensors (which ignore the noise) and for
/// [`DiagonalGaussian`](crate::distribution::DiagonalGaussian); one line a method for a [`Posterior`] of your
/// own. So one [`Aae`](crate::model::Aae) has a deterministic or a stochastic encoder.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let point = Tensor::<2>::ones([3, 2], &Device::default());
/// assert_eq!(point.draw().dims(), [3, 2]); // the same
/// let posterior = DiagonalGaussian::new(point.clone(), point.zeros_like());
/// assert_eq!(posterior.draw().dims(), [3, 2]); // a sample
/// ```
pub trait Code {
    /// The point, batch first.
    type Latent: Clone;

    /// A point, differentiable in the code.
    fn draw(&self) -> Self::Latent;

    /// The point that a given noise leads to.
    fn draw_with(&self, noise: Self::Latent) -> Self::Latent;

    /// The point without randomness: itself, or the mode.
    fn point(&self) -> Self::Latent;

    /// A point without its graph.
    fn detach(latent: Self::Latent) -> Self::Latent;

    /// The shape of a batch of points, batch first.
    fn shape(latent: &Self::Latent) -> Vec<usize>;

    /// Where it is.
    fn device(latent: &Self::Latent) -> Device;
}

impl<const D: usize> Code for Tensor<D> {
    type Latent = Tensor<D>;

    fn draw(&self) -> Tensor<D> {
        self.clone()
    }
    fn draw_with(&self, _noise: Tensor<D>) -> Tensor<D> {
        self.clone()
    }
    fn point(&self) -> Tensor<D> {
        self.clone()
    }
    fn detach(latent: Tensor<D>) -> Tensor<D> {
        latent.detach()
    }
    fn shape(latent: &Tensor<D>) -> Vec<usize> {
        latent.dims().to_vec()
    }
    fn device(latent: &Tensor<D>) -> Device {
        latent.device()
    }
}

/// A distribution over latents that does not depend on the data; it may be learned.
///
/// Two methods make a prior:
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
/// impl Prior for Logistic {
///     type Latent = Tensor<2>;
///
///     fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
///         let u = Tensor::random([n, self.latent_dim], Distribution::Uniform(1e-6, 1.0 - 1e-6), device);
///         u.clone().log() - u.neg().log1p()
///     }
///     fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
///         use burn::tensor::activation::log_sigmoid;
///         sum_event(log_sigmoid(z.clone()) + log_sigmoid(z.neg()))
///     }
/// }
///
/// // It works in a VAE as the built-in priors do.
/// let device = Device::default().autodiff();
/// let vae = VaeConfig::new().init(
///     MlpEncoderConfig::new(vec![1, 8, 8], 3).init_gaussian(&device)?,
///     MlpDecoderConfig::new(3, vec![1, 8, 8]).init(&device)?,
///     Logistic { latent_dim: 3 },
///     BernoulliNll,
/// )?;
/// let losses = vae.losses(Tensor::<4>::zeros([5, 1, 8, 8], &device));
/// assert_eq!(losses.term("kl").unwrap().dims(), [5]);
/// assert_eq!(vae.sample(2, &device).dims(), [2, 1, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub trait Prior {
    /// What it is a distribution over, batch first.
    type Latent: Clone;

    /// `n` samples, with noise from the device's generator.
    fn sample(&self, n: usize, device: &Device) -> Self::Latent;

    /// `log p(z)` in nats per sample, `[batch]`.
    fn log_prob(&self, z: Self::Latent) -> Tensor<1>;

    /// `KL(posterior || self)` in nats per sample, `[batch]`, where `z` is a sample of `posterior`.
    ///
    /// By default the one-sample estimate `log q(z) - log p(z)`, which is right on average and may be
    /// negative for a sample. A prior that knows a closed form overrides it and ignores `z`.
    fn kl<Q>(&self, posterior: &Q, z: Self::Latent) -> Tensor<1>
    where
        Q: Posterior<Latent = Self::Latent>,
    {
        posterior.log_prob(z.clone()) - self.log_prob(z)
    }
}

/// A prior that is cut into classes, of which one can be sampled alone: what a semi-supervised model matches
/// labelled data to. [`GaussianMixture`](crate::prior::GaussianMixture) is one.
pub trait LabeledPrior: Prior {
    /// The number of classes, K.
    fn num_classes(&self) -> usize;

    /// A sample of the class of each label, `[batch]` in `0..K`; the label K stands for "unknown", and gets a
    /// sample of the whole prior.
    ///
    /// Labels beyond K are the caller's to avoid: a check would read them back from the device each time.
    fn sample_labeled(&self, labels: Tensor<1, Int>) -> Self::Latent;
}

/// How badly an output explains its target, in nats per sample where it is a likelihood.
///
/// `Output` is what the decoder returns, `Target` what the data is; for most losses both are one
/// tensor type.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// The Huber loss with threshold 1.
/// #[derive(Module, Debug)]
/// struct Huber;
///
/// impl<const D: usize> ReconstructionLoss<Tensor<D>> for Huber {
///     fn loss(&self, output: Tensor<D>, target: Tensor<D>) -> Tensor<1> {
///         let distance = (output - target).abs();
///         let near = distance.clone().clamp_max(1.0);
///         sum_event(near.clone().square() * 0.5 + (distance - near))
///     }
/// }
///
/// let device = Device::default();
/// let output = Tensor::<2>::from_floats([[0.0, 3.0]], &device);
/// let loss = Huber.loss(output, Tensor::from_floats([[1.0, 0.0]], &device));
/// loss.into_data().assert_eq(&TensorData::from([3.0f32]), true); // 1/2 + (1/2 + 2)
/// ```
pub trait ReconstructionLoss<Output, Target = Output> {
    /// The loss of each sample, `[batch]`, summed over the event.
    fn loss(&self, output: Output, target: Target) -> Tensor<1>;

    /// The values a target may have. Checking them on every batch would cost a read-back each time,
    /// so `loss` does not: check the data once, with [`Support::check`].
    fn support(&self) -> Support {
        Support::Real
    }
}

/// A model of data by latents, `p(x) = integral of p(x | z) p(z)`, with an approximate posterior `q(z | x)`: what
/// [`metric::importance_weighted_bound`](crate::metric::importance_weighted_bound) and the other likelihoods of
/// [`metric`](crate::metric) are told of.
///
/// [`Vae`](crate::model::Vae), [`ConditionalVae`](crate::model::ConditionalVae) and, with a stochastic encoder,
/// [`Aae`](crate::model::Aae) and [`SemiSupervisedAae`](crate::model::SemiSupervisedAae) are such models.
/// [`VaeGan`](crate::model::VaeGan) is none: what its critic sees is no likelihood of the data. Neither is a model whose reconstruction loss is none (a plain squared error).
///
/// No weight of a training enters: not a VAE's `beta`, nor free bits.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::DiagonalGaussian;
/// use burn_generative::metric::importance_weighted_bound;
/// use burn_generative::prelude::*;
///
/// /// `x = z + noise`, both standard normal; so `z` given `x` is normal with mean `x / 2` and variance `1 / 2`.
/// struct Noisy;
///
/// impl LatentVariableModel for Noisy {
///     type Input = Tensor<2>;
///     type Posterior = DiagonalGaussian;
///
///     fn posterior(&self, x: Tensor<2>) -> DiagonalGaussian {
///         let log_var = x.full_like(0.5f64.ln());
///         DiagonalGaussian::new(x / 2.0, log_var)
///     }
///
///     fn log_prior(&self, z: Tensor<2>) -> Tensor<1> {
///         StandardNormal::new(z.dims()[1]).log_prob(z)
///     }
///
///     fn log_likelihood(&self, x: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
///         GaussianNll::new(1.0).loss(z, x).neg()
///     }
/// }
///
/// // With the true posterior the bound is exact: the log-density of 0 under variance 2.
/// let bound = importance_weighted_bound(&Noisy, Tensor::zeros([1, 1], &Device::default()), 3)?;
/// let exact = -0.5 * (4.0 * std::f32::consts::PI).ln();
/// assert!((bound.log_prob.into_scalar::<f32>() - exact).abs() < 1e-5);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub trait LatentVariableModel {
    /// The data, batch first.
    type Input: Clone;
    /// The approximate posterior of a batch.
    type Posterior: Posterior<Latent: Clone>;

    /// `q(z | x)`.
    fn posterior(&self, input: Self::Input) -> Self::Posterior;

    /// `log p(z)` in nats per sample, `[batch]`.
    fn log_prior(&self, z: <Self::Posterior as Posterior>::Latent) -> Tensor<1>;

    /// `log p(x | z)` in nats per sample, `[batch]`.
    fn log_likelihood(
        &self,
        input: Self::Input,
        z: <Self::Posterior as Posterior>::Latent,
    ) -> Tensor<1>;

    /// `KL(q(z | x) || p(z))` in nats per sample, `[batch]`, where `z` is a sample of `posterior`: by default the
    /// estimate from this one sample.
    fn kl(
        &self,
        posterior: &Self::Posterior,
        z: <Self::Posterior as Posterior>::Latent,
    ) -> Tensor<1> {
        posterior.log_prob(z.clone()) - self.log_prior(z)
    }
}

/// The values a likelihood can explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Support {
    /// Every finite number.
    Real,
    /// The closed interval from 0 to 1.
    UnitInterval,
}

impl Support {
    /// Checks that all of `data` lies in the support; `what` names it in the message.
    ///
    /// Reads back from the device, so call it once on a data set, not on every batch.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if there is no value, or one is NaN, infinite or outside; [`Error::Device`] if the device
    /// cannot be read.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::prelude::*;
    ///
    /// let bytes = Tensor::<2>::from_floats([[0.0, 255.0]], &Device::default());
    /// let error = Support::UnitInterval.check(&bytes, "training images").unwrap_err();
    /// assert!(error.to_string().contains("[0, 255]"));
    /// Support::UnitInterval.check(&(bytes / 255.0), "training images").unwrap();
    /// ```
    pub fn check<const D: usize>(self, data: &Tensor<D>, what: &str) -> Result<()> {
        let refuse = |reason| {
            Err(Error::Support {
                what: what.to_string(),
                reason,
            })
        };
        if data.shape().num_elements() == 0 {
            return refuse("holds no values".to_string());
        }
        if !is_finite(data)? {
            return refuse(
                "holds NaN or infinite values; clean the data before training on it".to_string(),
            );
        }
        let least: f32 = data.clone().min().try_into_scalar()?;
        let greatest: f32 = data.clone().max().try_into_scalar()?;
        match self {
            Support::UnitInterval if least < 0.0 || greatest > 1.0 => refuse(format!(
                "values lie in [{least}, {greatest}], but this likelihood explains values in [0, 1]; \
                 rescale the data, or choose a Gaussian likelihood"
            )),
            _ => Ok(()),
        }
    }
}

/// Damages data, for a [`DenoisingAutoencoder`](crate::model::DenoisingAutoencoder) to repair.
///
/// ```
/// use burn::prelude::*;
/// use burn::tensor::Distribution;
/// use burn_generative::prelude::*;
///
/// /// Multiplies every element with noise around 1.
/// #[derive(Module, Debug)]
/// struct Speckle;
///
/// impl<const D: usize> Corruption<Tensor<D>> for Speckle {
///     fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
///         clean.random_like(Distribution::Normal(1.0, 0.2))
///     }
///     fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
///         clean * noise
///     }
/// }
///
/// let ones = Tensor::<2>::ones([4, 6], &Device::default());
/// assert_eq!(Speckle.corrupt(ones).dims(), [4, 6]);
/// ```
pub trait Corruption<Data> {
    /// Noise for a batch, from its device's generator.
    fn noise(&self, clean: &Data) -> Data;

    /// What this noise makes of a batch: the deterministic twin of [`corrupt`](Self::corrupt).
    fn corrupt_with(&self, clean: Data, noise: Data) -> Data;

    /// A batch with fresh noise on it.
    fn corrupt(&self, clean: Data) -> Data {
        let noise = self.noise(&clean);
        self.corrupt_with(clean, noise)
    }
}

/// Scores how real a sample looks: a GAN's discriminator, a Wasserstein critic, a latent critic.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// #[derive(Module, Debug)]
/// struct LatentCritic { hidden: Linear, score: Linear }
///
/// impl Critic for LatentCritic {
///     type Input = Tensor<2>;
///
///     fn score(&self, input: Tensor<2>) -> Tensor<1> {
///         self.score.forward(self.features(input)).squeeze_dim(1)
///     }
/// }
///
/// impl FeatureCritic for LatentCritic {
///     type Features = Tensor<2>;
///
///     fn features(&self, input: Tensor<2>) -> Tensor<2> {
///         burn::tensor::activation::relu(self.hidden.forward(input))
///     }
/// }
///
/// let device = Device::default();
/// let critic = LatentCritic {
///     hidden: LinearConfig::new(8, 16).init(&device),
///     score: LinearConfig::new(16, 1).init(&device),
/// };
/// assert_eq!(critic.score(Tensor::zeros([3, 8], &device)).dims(), [3]);
/// ```
pub trait Critic {
    /// What it judges, batch first; a tuple for a joint critic.
    type Input;

    /// Raw logits, `[batch]`: the larger, the more real.
    fn score(&self, input: Self::Input) -> Tensor<1>;
}

/// A critic that also shows what it sees: the learned similarity of VAE-GAN and feature matching.
/// [`Critic`] has an example.
pub trait FeatureCritic: Critic {
    /// The activations of one of its layers, batch first.
    type Features;

    /// The features of a batch.
    fn features(&self, input: Self::Input) -> Self::Features;
}

/// A critic that can tell how its score changes with its input: what a gradient penalty is made of.
///
/// burn's autodiff is of first order: a gradient that it computed has no gradient itself. So the critic
/// writes the derivative of its score down in ordinary operations (transposed weights, slopes of its
/// activations), through which autodiff then reaches the critic's parameters. The ready-made critics do so
/// ([`MlpCritic`](crate::nn::MlpCritic)); here is one of your own:
///
/// ```
/// use burn::module::Param;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// `D(x) = sum(w x^2)`.
/// #[derive(Module, Debug)]
/// struct Quadratic { w: Param<Tensor<2>> }
///
/// impl Critic for Quadratic {
///     type Input = Tensor<2>;
///     fn score(&self, input: Tensor<2>) -> Tensor<1> {
///         sum_event(input.square() * self.w.val())
///     }
/// }
///
/// impl InputGradient for Quadratic {
///     fn score_and_input_gradient(&self, input: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
///         let gradient = input.clone() * self.w.val() * 2.0;
///         (self.score(input), gradient)
///     }
/// }
/// ```
pub trait InputGradient: Critic {
    /// The scores, `[batch]`, and the derivative of each with respect to its own sample, in the shape of the
    /// input. Both are differentiable in the critic's parameters.
    fn score_and_input_gradient(&self, input: Self::Input) -> (Tensor<1>, Self::Input);
}

/// Keeps a critic from growing too steep: by a term that it minimises, or by a bound on its weights.
///
/// None of the methods does anything by default.
pub trait CriticRegularizer<C, Data> {
    /// What the critic minimises besides its objective, from real and (detached) fake data; `[batch]`.
    fn penalty(&self, _critic: &C, _real: Data, _fake: Data) -> Option<Tensor<1>> {
        None
    }

    /// The deterministic twin of [`penalty`](Self::penalty), with the random numbers that it would draw; to be written
    /// where that draws any.
    fn penalty_with(&self, critic: &C, real: Data, fake: Data, _random: Data) -> Option<Tensor<1>> {
        self.penalty(critic, real, fake)
    }

    /// The critic after a step of its optimizer.
    fn constrain(&self, critic: C) -> C {
        critic
    }
}

/// The two sides of an adversarial game, on a critic's raw logits.
///
/// ```
/// use burn::prelude::*;
/// use burn::tensor::activation::softplus;
/// use burn_generative::prelude::*;
///
/// /// Goodfellow et al. 2014, with the generator's non-saturating form.
/// struct NonSaturating;
///
/// impl AdversarialLoss for NonSaturating {
///     fn real(&self, score: Tensor<1>) -> Tensor<1> {
///         softplus(score.neg(), 1.0)
///     }
///     fn fake(&self, score: Tensor<1>) -> Tensor<1> {
///         softplus(score, 1.0)
///     }
///     fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
///         softplus(fake.neg(), 1.0)
///     }
/// }
///
/// let device = Device::default();
/// let unsure = || Tensor::<1>::zeros([4], &device);
/// let loss = NonSaturating.critic(unsure(), unsure()).mean().into_scalar::<f32>();
/// assert!((loss - 2.0 * 2f32.ln()).abs() < 1e-6);
/// assert_eq!(NonSaturating.generator(unsure()).dims(), [4]);
/// ```
pub trait AdversarialLoss {
    /// What the critic minimises on real samples, from its logits; `[batch]`.
    fn real(&self, score: Tensor<1>) -> Tensor<1>;

    /// What the critic minimises on fake samples, from its logits; `[batch]`. A model with several
    /// kinds of fakes (VAE-GAN) adds one such term for each.
    fn fake(&self, score: Tensor<1>) -> Tensor<1>;

    /// What the critic minimises on a pair of a real and a fake sample: the sum of the two.
    /// A relativistic loss, which looks at both at once, overrides it.
    fn critic(&self, real: Tensor<1>, fake: Tensor<1>) -> Tensor<1> {
        self.real(real) + self.fake(fake)
    }

    /// What the generator minimises, from the critic's logits on its samples; `[batch]`.
    fn generator(&self, fake: Tensor<1>) -> Tensor<1>;

    /// What an encoder minimises whose pairs the critic takes for real (ALI): the generator's game with the
    /// sign of the score turned. A loss whose labels are not mirror images of each other overrides it.
    fn encoder(&self, real: Tensor<1>) -> Tensor<1> {
        self.generator(real.neg())
    }
}
