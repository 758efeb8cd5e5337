use super::{Estimate, finite};
use crate::distribution::{DiagonalGaussian, coordinate_kl};
use crate::error::{Error, Result};
use crate::kernel::points::at_least_single;
use crate::prior::log_density;
use crate::traits::{Code, Family, Posterior, Prior};
use burn::tensor::Tensor;

/// The variance over the data above which a posterior mean is active:
/// [Burda et al. 2016](https://arxiv.org/abs/1509.00519), section 5.
pub const ACTIVE_VARIANCE: f64 = 0.01;

/// How many latent coordinates carry information: those whose posterior mean, `[samples, latent]`, has a variance
/// above [`ACTIVE_VARIANCE`] over the data. [Burda et al. 2016](https://arxiv.org/abs/1509.00519).
///
/// # Errors
///
/// [`Error::Samples`] if there are fewer than two samples or a mean is no number; [`Error::Device`] if the device cannot be
/// read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::active_units;
///
/// let means = Tensor::<2>::from_floats([[1.0, 0.3, 7.0], [-1.0, -0.3, 7.0]], &Device::default());
/// assert_eq!(active_units(means)?, 2); // the third is the same for all data
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn active_units(means: Tensor<2>) -> Result<usize> {
    let samples = means.dims()[0];
    if samples < 2 {
        return Err(Error::Samples(format!(
            "active_units: a variance needs at least 2 samples, not {samples}"
        )));
    }
    let width = means.dims()[1];
    let values = finite("the means", means)?;
    let active =
        (0..width).filter(|&k| variance(values.iter().skip(k).step_by(width)) > ACTIVE_VARIANCE);
    Ok(active.count())
}

/// The variance of some numbers, however far from 0 they are.
fn variance<'a>(values: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / n
}

/// What each latent coordinate costs, the mean of its KL to the standard normal in nats, in the order of the
/// coordinates; of posteriors that are diagonal Gaussians.
///
/// # Errors
///
/// [`Error::Samples`] if the posteriors are not of that family, there is no sample, or a value is no number;
/// [`Error::Device`] if the device cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::kl_per_coordinate;
/// use burn_generative::prelude::*;
///
/// let means = Tensor::<2>::from_floats([[2.0, 0.0], [-2.0, 0.0]], &Device::default());
/// let posterior = DiagonalGaussian::new(means.clone(), means.zeros_like());
/// let costs = kl_per_coordinate(&posterior)?;
/// assert_eq!([costs[0].mean, costs[1].mean], [2.0, 0.0]); // 2^2 / 2, and nothing
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn kl_per_coordinate<Q: Posterior>(posterior: &Q) -> Result<Vec<Estimate>> {
    let Some(Family::Gaussian { mean, log_var }) = posterior.family() else {
        return Err(Error::Samples(
            "kl_per_coordinate: these posteriors are no diagonal Gaussians".to_string(),
        ));
    };
    let [_, latent] = mean.dims();
    let costs = finite("the coordinates' KL", coordinate_kl(mean, log_var))?;
    let of_coordinate = |i| costs.iter().skip(i).step_by(latent).copied().collect();
    (0..latent)
        .map(|i| {
            let of_one: Vec<f64> = of_coordinate(i);
            Estimate::of(&of_one)
        })
        .collect()
}

/// What the latent knows of the data: the two parts of the mean KL, in nats per sample.
#[derive(Clone, Copy, Debug)]
pub struct LatentInformation {
    /// `I(x; z)`, the mutual information of data and latent.
    pub mutual_information: Estimate,
    /// `KL(q(z) || p(z))`, of the aggregate posterior to the prior: what keeps samples of the prior from being what
    /// the decoder was trained on.
    pub marginal_kl: Estimate,
}

/// Splits the KL of posteriors into what the latent knows of the data, and how far the codes as a whole are from the
/// prior: `E KL(q(z | x) || p(z)) = I(x; z) + KL(q(z) || p(z))`, with `q(z)` the mixture of all n posteriors.
///
/// One draw of each posterior is held against all of them, n^2 densities: a thousand samples take a moment, ten
/// thousand some seconds. **The mutual information cannot exceed ln n** (9.2 nats for ten thousand), and near it
/// says only that it is at least that; the marginal KL is then too large by as much.
///
/// [Hoffman & Johnson 2016](http://approximateinference.org/accepted/HoffmanJohnson2016.pdf), "ELBO surgery".
///
/// # Errors
///
/// [`Error::Samples`] if there are fewer than two samples or a value is no number; [`Error::Device`] if the device
/// cannot be read.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::latent_information;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// // Posteriors that are all the prior know nothing, and are together the prior.
/// let blind = DiagonalGaussian::new(Tensor::<2>::zeros([64, 3], &device), Tensor::zeros([64, 3], &device));
/// let information = latent_information(&blind, &StandardNormal::new(3))?;
/// assert!(information.mutual_information.mean.abs() < 1e-4);
/// assert!(information.marginal_kl.mean.abs() < 1e-4);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn latent_information<P>(posterior: &DiagonalGaussian, prior: &P) -> Result<LatentInformation>
where
    P: Prior<Value = Tensor<2>>,
{
    let n = posterior.mean().dims()[0];
    if n < 2 {
        return Err(Error::Samples(format!(
            "latent_information: the posteriors of at least 2 samples are needed, not of {n}"
        )));
    }
    // n^2 densities would make a graph of that size.
    let dtype = posterior.mean().dtype();
    let parameters = [posterior.mean(), posterior.log_var()];
    let [mean, log_var] = parameters.map(|tensor| at_least_single(tensor.without_autodiff()));
    let posterior = DiagonalGaussian::new(mean, log_var);
    let z = posterior.rsample();
    let uniform = Tensor::full([n], -(n as f64).ln(), (&z.device(), z.dtype()));
    let aggregate = log_density(z.clone(), uniform, posterior.mean(), posterior.log_var());
    let known = posterior.log_prob(z.clone()) - aggregate.clone();
    let gap = aggregate - at_least_single(prior.log_prob(z.cast(dtype)));
    Ok(LatentInformation {
        mutual_information: Estimate::of_batch(known)?,
        marginal_kl: Estimate::of_batch(gap)?,
    })
}
