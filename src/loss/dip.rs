use super::{Kl, weigh};
use crate::distribution::DiagonalGaussian;
use crate::error::{Result, check_not_negative};
use crate::losses::Losses;
use crate::nn::Warmup;
use crate::traits::{Draw, LatentLoss, Prior};
use burn::module::Module;
use burn::tensor::Tensor;

/// The latent loss of a DIP-VAE: the KL of a VAE, and what draws the covariance of the codes to the identity, so that the
/// coordinates are uncorrelated.
///
/// | term | | weight |
/// |---|---|---|
/// | `kl` | `KL(q(z \| x) \|\| p(z))` | 1 |
/// | `correlation` | `sum over i and j other than i of C_ij²` | `off_diagonal` |
/// | `variance` | `sum over i of (C_ii - 1)²` | `diagonal` |
///
/// `C` is the covariance over the batch: of the posteriors' means in type I, of the codes that are drawn from the posteriors
/// in type II (the same, and the mean of the posteriors' variances on the diagonal). The last two terms are statistics of the
/// batch, the same number for each of its samples.
///
/// [Kumar et al. 2018](https://arxiv.org/abs/1711.00848), equations 6 and 7.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::DipVae;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let vae = Vae::with_latent_loss(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     GaussianNll::default(),
///     DipVae::type_two(5.0, 5.0)?,
/// );
/// let losses = vae.losses(Tensor::<2>::zeros([8, 13], &device));
/// assert_eq!(losses.term("correlation").unwrap().dims(), [8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct DipVae {
    kl: Kl,
    schedule: Option<Warmup>,
    off_diagonal: f64,
    diagonal: f64,
    of_draws: bool,
}

impl DipVae {
    /// DIP-VAE-I: of the posteriors' means, with these weights. The paper takes `diagonal = 10 off_diagonal`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if a weight is negative or not finite.
    pub fn type_one(off_diagonal: f64, diagonal: f64) -> Result<Self> {
        Self::new(off_diagonal, diagonal, false)
    }

    /// DIP-VAE-II: of the codes that are drawn, with these weights. The paper takes them equal.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if a weight is negative or not finite.
    pub fn type_two(off_diagonal: f64, diagonal: f64) -> Result<Self> {
        Self::new(off_diagonal, diagonal, true)
    }

    fn new(off_diagonal: f64, diagonal: f64, of_draws: bool) -> Result<Self> {
        Ok(Self {
            kl: Kl::default(),
            schedule: None,
            off_diagonal: check_not_negative("DipVae: off_diagonal", off_diagonal)?,
            diagonal: check_not_negative("DipVae: diagonal", diagonal)?,
            of_draws,
        })
    }

    /// Multiplies both weights, in training, with that of a schedule.
    pub fn with_schedule(mut self, schedule: Warmup) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// The covariance of the codes, `[latent, latent]`.
    fn covariance(&self, posterior: &DiagonalGaussian) -> Tensor<2> {
        let mean = posterior.mean();
        let [batch, latent] = mean.dims();
        let centred = mean.clone() - mean.mean_dim(0);
        let covariance = centred
            .clone()
            .transpose()
            .matmul(centred)
            .div_scalar(batch as f64);
        if !self.of_draws {
            return covariance;
        }
        let variance = posterior.log_var().exp().mean_dim(0);
        covariance + Tensor::eye(latent, &variance.device()) * variance
    }
}

impl<P> LatentLoss<DiagonalGaussian, P> for DipVae
where
    P: Prior<Value = Tensor<2>>,
{
    fn terms(&self) -> Vec<&'static str> {
        vec!["kl", "correlation", "variance"]
    }

    fn losses(&self, posterior: &DiagonalGaussian, draw: &Draw<Tensor<2>>, prior: &P) -> Losses {
        let covariance = self.covariance(posterior);
        let [latent, _] = covariance.dims();
        let [batch, _] = draw.z.dims();
        let eye = Tensor::<2>::eye(latent, &covariance.device());
        // Off the diagonal the distance from the identity is the covariance itself.
        let squares = (covariance - eye.clone()).square();
        let of_batch = |squares: Tensor<2>| squares.sum().expand([batch]);
        let variance = of_batch(squares.clone() * eye.clone());
        let correlation = of_batch(squares * eye.neg().add_scalar(1.0));
        let penalties = weigh(correlation.clone(), self.off_diagonal, &self.schedule)
            + weigh(variance.clone(), self.diagonal, &self.schedule);
        let penalties = Losses::new(penalties)
            .with_term("correlation", correlation)
            .with_term("variance", variance);
        self.kl.losses(posterior, draw, prior).plus(penalties)
    }

    fn advance(self) -> Self {
        Self {
            schedule: self.schedule.map(Warmup::advance),
            ..self
        }
    }
}
