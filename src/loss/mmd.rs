use super::weigh;
use crate::error::{Error, Result, check_not_negative, check_positive};
use crate::kernel::points::squared_distances;
use crate::losses::Losses;
use crate::nn::{Warmup, frozen_copy};
use crate::traits::{Code, Draw, LatentLoss, Sampler};
use burn::module::Module;
use burn::tensor::Tensor;

/// How alike two points are, by their squared distance d².
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MmdKernel {
    /// `exp(-d² / (2 variance))`: blind to what is much further apart than its width.
    Rbf {
        /// The square of its width.
        variance: f64,
    },
    /// `scale / (scale + d²)`: with heavy tails, so that it also feels outliers. For a d-dimensional latent with a
    /// standard normal prior, [Tolstikhin et al. 2018](https://arxiv.org/abs/1711.01558) take `scale = 2 d`.
    InverseMultiquadric {
        /// The squared distance at which it has fallen to a half.
        scale: f64,
    },
}

impl MmdKernel {
    /// The seven inverse multiquadrics that the code of [Tolstikhin et al. 2018](https://arxiv.org/abs/1711.01558) adds
    /// up for a standard normal prior over so many coordinates: `2 d` times 0.1, 0.2, 0.5, 1, 2, 5 and 10.
    pub fn inverse_multiquadrics(latent_dim: usize) -> Vec<Self> {
        let near = 2.0 * latent_dim as f64;
        let scales = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0].map(|share| share * near);
        scales
            .map(|scale| Self::InverseMultiquadric { scale })
            .to_vec()
    }

    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Rbf { variance } => check_positive("MmdKernel: variance", variance)?,
            Self::InverseMultiquadric { scale } => check_positive("MmdKernel: scale", scale)?,
        };
        Ok(())
    }

    pub(crate) fn of(self, squared_distance: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Rbf { variance } => squared_distance.div_scalar(-2.0 * variance).exp(),
            Self::InverseMultiquadric { scale } => {
                squared_distance.add_scalar(scale).recip().mul_scalar(scale)
            }
        }
    }
}

/// The squared maximum mean discrepancy of the codes of a batch to as many samples of the prior, times a weight: what makes
/// a Wasserstein autoencoder (WAE-MMD) of an autoencoder, whose codes may be points. It asks for no density, so that any
/// [`Sampler`] will do as a prior.
///
/// The term `mmd` is the unbiased estimate (the U-statistic) as one number for each sample, whose mean it is:
///
/// `1/(n-1) sum_j k(z_i, z_j) + 1/(n-1) sum_j k(p_i, p_j) - 1/n sum_j k(z_i, p_j) - 1/n sum_j k(p_i, z_j)`
///
/// with `j` other than `i` in the first two sums, and the kernel the sum of all that were given. It is 0 on average where
/// codes and prior are of one distribution, and may be negative. The prior's samples have no gradient. A batch of one has
/// no pairs: its term is 0.
///
/// [Tolstikhin et al. 2018](https://arxiv.org/abs/1711.01558), algorithm 2; the statistic of
/// [Gretton et al. 2012](https://jmlr.org/papers/v13/gretton12a.html), equation 3.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::loss::{Mmd, MmdKernel};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let wae = Vae::with_latent_loss(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?, // points
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     SquaredError,
///     Mmd::new(10.0, MmdKernel::inverse_multiquadrics(2))?,
/// );
/// let losses = wae.losses(Tensor::<2>::zeros([8, 13], &device));
/// assert_eq!(losses.term("mmd").unwrap().dims(), [8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Mmd {
    #[module(skip)]
    kernels: Vec<MmdKernel>,
    schedule: Option<Warmup>,
    weight: f64,
}

impl Mmd {
    /// The discrepancy by the sum of these kernels, times a weight: the paper's lambda.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the weight is negative or not finite, there is no kernel, or a kernel's parameter is not
    /// positive.
    pub fn new(weight: f64, kernels: Vec<MmdKernel>) -> Result<Self> {
        if kernels.is_empty() {
            return Err(Error::Config(
                "Mmd: at least 1 kernel is needed; `MmdKernel::inverse_multiquadrics` has the usual ones".to_string(),
            ));
        }
        kernels.iter().try_for_each(|kernel| kernel.check())?;
        Ok(Self {
            kernels,
            schedule: None,
            weight: check_not_negative("Mmd: weight", weight)?,
        })
    }

    /// Multiplies the weight, in training, with that of a schedule.
    pub fn with_schedule(mut self, schedule: Warmup) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// How alike each of `a` is to each of `b`, `[a, b]`.
    fn similarity(&self, a: &Tensor<2>, b: &Tensor<2>) -> Tensor<2> {
        let distances = squared_distances(a, b);
        let none = distances.zeros_like();
        let by_kernel = self
            .kernels
            .iter()
            .map(|kernel| kernel.of(distances.clone()));
        by_kernel.fold(none, |sum, similarity| sum + similarity)
    }

    /// The rows' shares of the U-statistic of two samples of one size, `[n]`.
    fn rows(&self, codes: Tensor<2>, samples: Tensor<2>) -> Tensor<1> {
        let [n, _] = codes.dims();
        if n < 2 {
            return Tensor::zeros([n], &codes.device());
        }
        let others = Tensor::<2>::eye(n, &codes.device()).neg().add_scalar(1.0);
        let within = |points: &Tensor<2>| {
            let similarity = self.similarity(points, points) * others.clone();
            similarity.sum_dim(1).div_scalar((n - 1) as f64)
        };
        let across = self.similarity(&codes, &samples);
        let across = across.clone().mean_dim(1) + across.mean_dim(0).transpose();
        (within(&codes) + within(&samples) - across).squeeze_dim(1)
    }
}

impl<Q, P> LatentLoss<Q, P> for Mmd
where
    Q: Code<Latent = Tensor<2>>,
    P: Sampler<Value = Tensor<2>>,
{
    fn terms(&self) -> Vec<&'static str> {
        vec!["mmd"]
    }

    /// # Panics
    ///
    /// If the prior's samples have another number of coordinates than the codes.
    fn losses(&self, _code: &Q, draw: &Draw<Tensor<2>>, prior: &P) -> Losses {
        let codes = draw.z.clone();
        let [n, latent] = codes.dims();
        let samples = frozen_copy(prior).sample(n, &codes.device());
        assert!(
            samples.dims() == [n, latent],
            "Mmd: the codes have shape {:?}, but the prior's samples {:?}; give both the same number of latent coordinates",
            codes.dims(),
            samples.dims(),
        );
        let mmd = self.rows(codes, samples);
        Losses::new(weigh(mmd.clone(), self.weight, &self.schedule)).with_term("mmd", mmd)
    }

    fn advance(self) -> Self {
        Self {
            schedule: self.schedule.map(Warmup::advance),
            ..self
        }
    }
}
