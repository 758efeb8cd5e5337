//! Log-densities of mixtures, which several priors share.

use crate::kernel::{
    self,
    mixture::{log_densities, numbers_of_pair},
};
use burn::tensor::kind::Basic;
use burn::tensor::{FloatDType, Tensor};

/// How many numbers a block of points times components may take: some megabytes, whatever the sizes.
const BLOCK: usize = 1 << 20;

/// The log-density of a mixture of diagonal Gaussians at each of `z`: from log-weights `[components]`, means and
/// log-variances `[components, latent]`.
pub(crate) fn log_density(
    z: Tensor<2>,
    log_weights: Tensor<1>,
    means: Tensor<2>,
    log_vars: Tensor<2>,
) -> Tensor<1> {
    let each = means.dims()[0] * numbers_of_pair(&z);
    let of_block = |block: Tensor<2>| {
        log_sum_exp(log_joint(
            block,
            log_weights.clone(),
            means.clone(),
            log_vars.clone(),
        ))
    };
    by_blocks(z, each, of_block)
}

/// The log-density of each of `z` under each component, weight included: `[batch, components]`.
pub(super) fn log_joint(
    z: Tensor<2>,
    log_weights: Tensor<1>,
    means: Tensor<2>,
    log_vars: Tensor<2>,
) -> Tensor<2> {
    assert_fits(&z, means.dims()[1]);
    log_densities(z, means, log_vars) + log_weights.unsqueeze()
}

/// A function of points that gives each a number, on as many of them at a time as there is room for, if one takes
/// `each` numbers.
pub(super) fn by_blocks<K: Basic>(
    z: Tensor<2, K>,
    each: usize,
    of_block: impl Fn(Tensor<2, K>) -> Tensor<1>,
) -> Tensor<1> {
    let rows = BLOCK / each.max(1) + 1;
    match z.dims()[0] <= rows {
        true => of_block(z),
        false => Tensor::cat(z.split(rows, 0).into_iter().map(of_block).collect(), 0),
    }
}

/// `log sum of exp` over the second axis.
pub(crate) fn log_sum_exp(joint: Tensor<2>) -> Tensor<1> {
    // A point so far away that all densities are 0 has a log-density nevertheless.
    kernel::log_sum_exp(joint, 1).squeeze_dim(1)
}

/// The identity matrix, of the float type of another tensor, and where that is.
pub(super) fn identity<const D: usize>(size: usize, like: &Tensor<D>) -> Tensor<2> {
    Tensor::<2>::eye(size, &like.device()).cast(FloatDType::from(like.dtype()))
}

/// Refuses latents of another width than the mixture's.
pub(super) fn assert_fits(z: &Tensor<2>, latent: usize) {
    assert!(
        z.dims()[1] == latent,
        "mixture: its components have {latent} coordinates, but the latents have {}",
        z.dims()[1],
    );
}
