use super::{watch, weigh};
use crate::distribution::DiagonalGaussian;
use crate::error::{Error, Result, check_not_negative};
use crate::kernel::reference::LN_2PI;
use crate::losses::Losses;
use crate::nn::Warmup;
use crate::prior::log_sum_exp;
use crate::traits::{Draw, LatentLoss, Posterior, Prior};
use burn::module::Module;
use burn::tensor::Tensor;

/// The latent loss of a beta-TCVAE: the KL of a VAE, of which one part, the total correlation, weighs `beta`. So the
/// coordinates become independent of each other, and a code may still know as much of its data as in a VAE.
///
/// The mean KL is the sum of three terms, here one draw of each:
///
/// | term | mean | draw |
/// |---|---|---|
/// | `mutual_information` | `I(x; z)` | `log q(z \| x) - log q(z)` |
/// | `total_correlation` | `KL(q(z) \|\| prod_d q(z_d))` | `log q(z) - sum_d log q(z_d)` |
/// | `coordinate_kl` | `sum_d KL(q(z_d) \|\| p(z_d))`, if the prior's coordinates are independent | `sum_d log q(z_d) - log p(z)` |
///
/// `q(z)`, the mixture of the posteriors of all N data, is estimated from the B of a batch: with weight `1/N` on the
/// posterior that z was drawn from, which is one of the mixture for certain, and `(N - 1) / (N (B - 1))` on each of the
/// others, which stand for the rest. (These are the stratified weights of the paper, averaged over which of the others stands
/// for more; its code has the `1/N` in the first column in place of the diagonal.)
///
/// The logarithm of an estimate is too small on average, and that of `q(z)` the more so the more coordinates there are: the
/// information comes out too large, and the total correlation too small, maybe negative. With two coordinates and batches of
/// 250 it is right to 0.06 nats. A batch of one has no others: it is the whole mixture, and its first two terms are 0.
///
/// [Chen et al. 2018](https://arxiv.org/abs/1802.04942), equation 4 and appendix C.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::TotalCorrelation;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let images = Tensor::<4>::zeros([128, 1, 28, 28], &device);
/// let vae = Vae::with_latent_loss(
///     MlpEncoderConfig::new(vec![1, 28, 28], 10).init_gaussian(&device)?,
///     MlpDecoderConfig::new(10, vec![1, 28, 28]).init(&device)?,
///     StandardNormal::new(10),
///     BernoulliNll,
///     TotalCorrelation::new(6.0, 60_000)?,
/// );
/// assert_eq!(vae.losses(images).term("total_correlation").unwrap().dims(), [128]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct TotalCorrelation {
    schedule: Option<Warmup>,
    beta: f64,
    data_size: usize,
}

impl TotalCorrelation {
    /// The loss with this weight of the total correlation (with 1 a VAE's), for batches of a data set of so many samples.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if `beta` is negative or not finite, or there are fewer than two samples.
    pub fn new(beta: f64, data_size: usize) -> Result<Self> {
        if data_size < 2 {
            return Err(Error::Config(format!(
                "TotalCorrelation: a mixture needs the size of the data set, at least 2 samples, not {data_size}; give it \
                 the number of items that the batches are drawn from"
            )));
        }
        Ok(Self {
            schedule: None,
            beta: check_not_negative("TotalCorrelation: beta", beta)?,
            data_size,
        })
    }

    /// Multiplies `beta`, in training, with the weight of a schedule.
    pub fn with_schedule(mut self, schedule: Warmup) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// The logarithms of the weights that the posteriors of a batch have for each draw, `[batch, batch]`.
    fn log_weights(&self, like: &Tensor<2>) -> Tensor<2> {
        let [batch, _] = like.dims();
        let eye = Tensor::<2>::eye(batch, &like.device());
        if batch == 1 {
            return eye.zeros_like();
        }
        let data_size = self.data_size as f64;
        let own = -data_size.ln();
        let other = ((data_size - 1.0) / (data_size * (batch - 1) as f64)).ln();
        eye.mul_scalar(own - other).add_scalar(other)
    }

    /// `log q(z)` and `sum_d log q(z_d)` of the mixture, each `[batch]`.
    fn mixture(&self, posterior: &DiagonalGaussian, z: Tensor<2>) -> [Tensor<1>; 2] {
        let [batch, latent] = z.dims();
        let log_weights = self.log_weights(&z);
        let (mean, log_var) = (posterior.mean(), posterior.log_var());
        let (mean, log_var) = (mean.unsqueeze_dim::<3>(0), log_var.unsqueeze_dim::<3>(0));
        let distance = z.unsqueeze_dim::<3>(1) - mean;
        let exponent = distance.square() * log_var.clone().neg().exp() + log_var;
        // Of each draw under each posterior, by coordinate: [batch, batch, latent].
        let log_normal = (exponent + LN_2PI).mul_scalar(-0.5);
        let joint = log_normal.clone().sum_dim(2).squeeze_dim::<2>(2) + log_weights.clone();
        let marginals = log_normal + log_weights.unsqueeze_dim::<3>(2);
        let marginals = marginals.swap_dims(1, 2).reshape([batch * latent, batch]);
        let marginals = log_sum_exp(marginals).reshape([batch, latent]);
        [log_sum_exp(joint), marginals.sum_dim(1).squeeze_dim(1)]
    }
}

impl<P> LatentLoss<DiagonalGaussian, P> for TotalCorrelation
where
    P: Prior<Value = Tensor<2>>,
{
    fn terms(&self) -> Vec<&'static str> {
        vec!["mutual_information", "total_correlation", "coordinate_kl"]
    }

    fn losses(&self, posterior: &DiagonalGaussian, draw: &Draw<Tensor<2>>, prior: &P) -> Losses {
        let z = draw.z.clone();
        let [joint, marginals] = self.mixture(posterior, z.clone());
        let information = posterior.log_prob_of(draw) - joint.clone();
        let correlation = joint - marginals.clone();
        let coordinate_kl = marginals - prior.log_prob(z);
        let weighed = weigh(correlation.clone(), self.beta, &self.schedule);
        let losses = Losses::new(information.clone() + weighed + coordinate_kl.clone())
            .with_term("mutual_information", information)
            .with_term("total_correlation", correlation)
            .with_term("coordinate_kl", coordinate_kl);
        watch(losses, posterior)
    }

    fn advance(self) -> Self {
        Self {
            schedule: self.schedule.map(Warmup::advance),
            ..self
        }
    }
}
