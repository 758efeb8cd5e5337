use super::{Kl, Mmd, MmdKernel};
use crate::error::{Error, Result};
use crate::losses::Losses;
use crate::nn::Warmup;
use crate::traits::{Draw, LatentLoss, Posterior, Prior};
use burn::module::Module;
use burn::tensor::Tensor;

/// The latent loss of an InfoVAE, `(1 - alpha) KL(q(z | x) || p(z)) + (alpha + lambda - 1) MMD²(q(z), p(z))`: it says apart
/// how much a code is to know of its data, and how near the codes as a whole are to be to the prior.
///
/// As the mean KL is `I(x; z) + KL(q(z) || p(z))`, alpha is what the mutual information is paid: with 0 it costs what it does
/// in a VAE, with 1 (the MMD-VAE) nothing. The terms are those of [`Kl`] and [`Mmd`], `kl` and `mmd`.
///
/// [Zhao et al. 2017](https://arxiv.org/abs/1706.02262), equation 7.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::{InfoVae, MmdKernel};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let kernels = MmdKernel::inverse_multiquadrics(2);
/// let info_vae = Vae::with_latent_loss(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     GaussianNll::default(),
///     InfoVae::new(0.5, 100.0, kernels.clone())?,
/// );
/// let losses = info_vae.losses(Tensor::<2>::zeros([8, 13], &device));
/// assert_eq!(losses.term("mmd").unwrap().dims(), [8]);
/// let error = InfoVae::new(0.5, 0.2, kernels).unwrap_err().to_string();
/// assert!(error.contains("lambda must be at least 0.5"), "{error}");
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct InfoVae {
    kl: Kl,
    mmd: Mmd,
}

impl InfoVae {
    /// The loss with these weights, and an MMD by the sum of these kernels.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if alpha is above 1, as the KL would have a negative weight, `alpha + lambda` is below 1, as the MMD
    /// would, or as [`Mmd::new`].
    pub fn new(alpha: f64, lambda: f64, kernels: Vec<MmdKernel>) -> Result<Self> {
        if !(alpha <= 1.0 && alpha.is_finite()) {
            return Err(Error::Config(format!(
                "InfoVae: alpha must be a number of at most 1, not {alpha}: 1 - alpha is the weight of the KL"
            )));
        }
        let least = 1.0 - alpha;
        if !(lambda >= least && lambda.is_finite()) {
            return Err(Error::Config(format!(
                "InfoVae: with alpha = {alpha}, lambda must be at least {least}, not {lambda}: alpha + lambda - 1 is the \
                 weight of the MMD"
            )));
        }
        Ok(Self {
            kl: Kl::new(1.0 - alpha)?,
            mmd: Mmd::new(lambda - least, kernels)?,
        })
    }

    /// Multiplies both weights, in training, with that of a schedule.
    pub fn with_schedule(self, schedule: Warmup) -> Self {
        Self {
            kl: self.kl.with_schedule(schedule.clone()),
            mmd: self.mmd.with_schedule(schedule),
        }
    }
}

impl<Q, P> LatentLoss<Q, P> for InfoVae
where
    Q: Posterior<Latent = Tensor<2>>,
    P: Prior<Value = Tensor<2>>,
{
    fn terms(&self) -> Vec<&'static str> {
        vec!["kl", "mmd"]
    }

    fn losses(&self, posterior: &Q, draw: &Draw<Tensor<2>>, prior: &P) -> Losses {
        let kl = self.kl.losses(posterior, draw, prior);
        kl.plus(self.mmd.losses(posterior, draw, prior))
    }

    fn advance(self) -> Self {
        Self {
            kl: LatentLoss::<Q, P>::advance(self.kl),
            mmd: LatentLoss::<Q, P>::advance(self.mmd),
        }
    }
}
