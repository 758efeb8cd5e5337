//! How good a model is, in numbers; means over data or draws come with their standard errors.
//!
//! | question | answer |
//! |---|---|
//! | How probable is the data? | [`importance_weighted_bound`] and [`elbo`], for every [`LatentVariableModel`](crate::traits::LatentVariableModel) |
//! | What does the latent carry? | [`active_units`], [`kl_per_coordinate`], [`latent_information`] |
//! | How much of a codebook is in use? | [`CodeUsage`] |
//! | Is each factor of variation in a coordinate of its own? | [`Disentanglement`] |
//! | Are two samples of one distribution? | [`squared_mmd`], [`mmd_test`] |
//! | Do samples look like data, to a network of your choice? | [`FeatureStatistics::frechet_distance`], [`extrapolated_frechet_distance`], [`precision_recall`] |
//! | Are samples copies of data? | [`nearest_distances`] |
//! | Does a score tell anomalies? | [`auroc`] and [`auroc_interval`], with [`quantile`] for a threshold |
//! | What would a linear model do? | [`Pca`] |
#![cfg_attr(
    feature = "vision",
    doc = "| How close are images to each other? | [`psnr`], [`ssim`] |"
)]
//!
//! All of them want the model as in evaluation: from a trained one, take burn's `model.valid()`. What changes as a
//! training goes on is in `train`, as metrics of burn's `Learner`.
//!
//! They compute in the float type of their arguments, and in `f32` where that has 16 bits; what sums up log-densities of
//! a model ([`importance_weighted_bound`], [`elbo`]) refuses a model of 16 bits, whose log-densities have no digits to
//! sum.

mod auroc;
mod bound;
mod code_usage;
mod disentanglement;
mod estimate;
mod frechet;
mod latent;
mod mmd;
mod pca;
mod precision_recall;
#[cfg(feature = "vision")]
mod vision;

use crate::error::{Error, Result};
use crate::kernel::points::read;
use burn::tensor::Tensor;

pub use crate::loss::MmdKernel;
pub use auroc::{auroc, auroc_interval, quantile};
pub use bound::{Elbo, ImportanceWeighted, elbo, importance_weighted_bound};
pub use code_usage::CodeUsage;
pub use disentanglement::Disentanglement;
pub use estimate::Estimate;
pub use frechet::{FeatureStatistics, extrapolated_frechet_distance};
pub use latent::{
    ACTIVE_VARIANCE, LatentInformation, active_units, kl_per_coordinate, latent_information,
};
pub use mmd::{MmdTest, mmd_test, squared_mmd};
pub use pca::Pca;
pub use precision_recall::{PrecisionRecall, nearest_distances, precision_recall};
#[cfg(feature = "vision")]
pub use vision::{psnr, ssim};

/// All values of a tensor, row by row, or an error that names what holds a value that is no number.
pub(crate) fn finite<const D: usize>(what: &str, tensor: Tensor<D>) -> Result<Vec<f64>> {
    let values = read(tensor)?;
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(values),
        false => Err(not_finite(what)),
    }
}

fn not_finite(what: &str) -> Error {
    Error::Samples(format!("{what} hold NaN or infinite values"))
}

/// Refuses samples of different width or float type.
fn check_alike(what: &str, a: &Tensor<2>, b: &Tensor<2>) -> Result<()> {
    if a.dims()[1] != b.dims()[1] {
        return Err(Error::Samples(format!(
            "{what}: the samples have {} and {} coordinates; both must be of one space",
            a.dims()[1],
            b.dims()[1]
        )));
    }
    if a.dtype() != b.dtype() {
        return Err(Error::Samples(format!(
            "{what}: the samples are of {:?} and {:?}; convert one with `cast`",
            a.dtype(),
            b.dtype()
        )));
    }
    Ok(())
}
