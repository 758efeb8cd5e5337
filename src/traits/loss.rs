use super::{Batch, Block, Code, Draw};
use crate::error::{Error, Result};
use crate::losses::Losses;
use burn::tensor::Tensor;
use std::fmt::Debug;
use std::sync::Arc;

/// How badly an output explains its target, in nats per sample where it is a [`Likelihood`].
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
///     fn point(&self, output: Tensor<D>) -> Tensor<D> {
///         output
///     }
/// }
///
/// let device = Device::default();
/// let output = Tensor::<2>::from_floats([[0.0, 3.0]], &device);
/// let loss = Huber.loss(output, Tensor::from_floats([[1.0, 0.0]], &device));
/// loss.into_data().assert_eq(&TensorData::from([3.0f32]), true); // 1/2 + (1/2 + 2)
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not compare an output `{Output}` with data `{Target}`",
    note = "the loss, the decoder's output and the data must be of one kind; data in integers wants a loss on integers, or `.float()`",
    note = "a decoder that returns a distribution wants `Nll`"
)]
pub trait ReconstructionLoss<Output, Target = Output>: Block {
    /// The loss of each sample, `[batch]`, summed over the event.
    fn loss(&self, output: Output, target: Target) -> Tensor<1>;

    /// The data that an output stands for: the mean of a likelihood, the sigmoid of logits. What models return from
    /// `sample` and `reconstruct`.
    fn point(&self, output: Output) -> Target;

    /// Refuses data that it cannot explain; `what` names it. Nothing by default.
    ///
    /// Reads back from the device, so call it once on a data set, not on every batch: `loss` does not check.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if a value cannot be explained; [`Error::Device`] if the device cannot be read.
    fn check(&self, _target: &Target, _what: &str) -> Result<()> {
        Ok(())
    }
}

/// A reconstruction loss that is minus the logarithm of a probability or density, `loss = -log p(target | output)`:
/// what a bound on `log p(x)` asks for. A plain squared error is none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no likelihood: its loss is not minus a log-probability",
    note = "`GaussianNll` is the density of `SquaredError`, `LaplaceNll` that of `L1Loss`"
)]
pub trait Likelihood<Output, Target = Output>: ReconstructionLoss<Output, Target> {
    /// A draw of the data that an output describes, with noise from the device's generator.
    fn sample(&self, output: Output) -> Target;
}

/// What holds codes to the prior: [`Kl`](crate::loss::Kl) in a VAE. It sees the code of a batch, one draw of it, and the
/// prior.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// Half the squared norm of the codes, whatever the prior: an autoencoder with small codes.
/// #[derive(Module, Debug)]
/// struct Ridge;
///
/// impl<Q: Code<Latent = Tensor<2>>, P> LatentLoss<Q, P> for Ridge {
///     fn terms(&self) -> Vec<&'static str> {
///         vec!["ridge"]
///     }
///     fn losses(&self, _code: &Q, draw: &Draw<Tensor<2>>, _prior: &P) -> Losses {
///         Losses::of("ridge", sum_event(draw.z.clone().square()) * 0.5)
///     }
/// }
///
/// let device = Device::default().autodiff();
/// let autoencoder = Vae::with_latent_loss(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?, // points
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     SquaredError,
///     Ridge,
/// );
/// assert!(autoencoder.losses(Tensor::<2>::zeros([8, 13], &device)).term("ridge").is_some());
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not hold codes `{Q}` to a prior `{P}`",
    note = "`Kl` wants a distribution from the encoder (`init_gaussian`) and a `Prior` with a density over its latents"
)]
pub trait LatentLoss<Q: Code, P>: Block {
    /// The names of its terms.
    fn terms(&self) -> Vec<&'static str>;

    /// Its terms, per sample, and as the total what they add to that of the model. A statistic of the whole batch is
    /// `[batch]` numbers whose mean it is.
    fn losses(&self, code: &Q, draw: &Draw<Q::Latent>, prior: &P) -> Losses;

    /// The same after one training step: what warms up counts here.
    fn advance(self) -> Self {
        self
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
        data.check_finite(what)?;
        let least: f32 = data.clone().min().try_into_scalar()?;
        let greatest: f32 = data.clone().max().try_into_scalar()?;
        if self == Support::Real || (least >= 0.0 && greatest <= 1.0) {
            return Ok(());
        }
        Err(Error::Support {
            what: what.to_string(),
            reason: format!(
                "values lie in [{least}, {greatest}], but this likelihood explains values in [0, 1]; \
                 rescale the data, or choose a Gaussian likelihood"
            ),
        })
    }
}

/// Keeps a critic from growing too steep: by a term that it minimises, or by a bound on its weights.
///
/// None of the methods does anything by default.
pub trait CriticRegularizer<C, Data: Batch>: Block {
    /// The random numbers of a penalty, from the device's generator. By default, where none are drawn, the data itself
    /// stands in their place.
    fn noise(&self, real: &Data) -> Data {
        real.clone()
    }

    /// What the critic minimises besides its objective, from real and (detached) fake data, with these random numbers;
    /// `[batch]`.
    fn penalty_with(&self, _critic: &C, _real: Data, _fake: Data, _noise: Data) -> Option<Tensor<1>> {
        None
    }

    /// [`penalty_with`](Self::penalty_with) fresh random numbers.
    fn penalty(&self, critic: &C, real: Data, fake: Data) -> Option<Tensor<1>> {
        let noise = self.noise(&real);
        self.penalty_with(critic, real, fake, noise)
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
/// #[derive(Debug)]
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
pub trait AdversarialLoss: Debug + Send + Sync {
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

/// For an application that chooses at run time: an `Arc<dyn AdversarialLoss>` is an adversarial loss.
impl<A: AdversarialLoss + ?Sized> AdversarialLoss for Arc<A> {
    fn real(&self, score: Tensor<1>) -> Tensor<1> {
        (**self).real(score)
    }
    fn fake(&self, score: Tensor<1>) -> Tensor<1> {
        (**self).fake(score)
    }
    fn critic(&self, real: Tensor<1>, fake: Tensor<1>) -> Tensor<1> {
        (**self).critic(real, fake)
    }
    fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
        (**self).generator(fake)
    }
    fn encoder(&self, real: Tensor<1>) -> Tensor<1> {
        (**self).encoder(real)
    }
}
