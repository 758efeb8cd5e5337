//! The seam to the backends: the operations on backend tensors, all laid out as rows `[batch, event]`.
//!
//! `backend_extension` makes the dispatch over the backends that a tensor may live on at run time, and lets
//! the lazy Fusion backend know the outputs' shapes. [`Operations`] is differentiable (autodiff.rs), its
//! gradients are [`Gradients`]. Only [`super::has_kernel`] may be trusted to call a backend that is here.

use super::adam::AdamStep;
use burn::backend::{Backend, backend_extension, tensor::FloatTensor};

/// The operations. See the functions of the same names in [`crate::kernel`].
#[backend_extension(
    Cube: cfg(feature = "_gpu"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
    Fusion: cfg(feature = "_gpu"),
)]
pub trait Operations: Backend {
    #[fusion(dtype = mean, shape = mean)]
    fn reparameterize(
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
        noise: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = mean, shape = mean)]
    fn reparameterize_seeded(
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
        seed: u64,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = mean, shape = batch(mean))]
    fn gaussian_kl(mean: FloatTensor<Self>, log_var: FloatTensor<Self>) -> FloatTensor<Self>;

    #[fusion(dtype = mean_q, shape = batch(mean_q))]
    fn gaussian_kl_between(
        mean_q: FloatTensor<Self>,
        log_var_q: FloatTensor<Self>,
        mean_p: FloatTensor<Self>,
        log_var_p: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = logits, shape = batch(logits))]
    fn bernoulli_nll(logits: FloatTensor<Self>, target: FloatTensor<Self>) -> FloatTensor<Self>;

    #[fusion(dtype = mean, shape = batch(mean))]
    fn gaussian_nll(
        mean: FloatTensor<Self>,
        target: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    #[fusion(dtype = mean, shape = batch(mean))]
    fn squared_error(mean: FloatTensor<Self>, target: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The gradients of [`Operations`]: `gradient` is that of the output, and what is returned are those of the
/// inputs, in their order.
#[backend_extension(
    Cube: cfg(feature = "_gpu"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Fusion: cfg(feature = "_gpu"),
)]
pub trait Gradients: Backend {
    /// Of the log-variance, from the sample `z`; the mean's is `gradient` itself.
    #[fusion(dtype = gradient, shape = gradient)]
    fn reparameterize_grad(
        gradient: FloatTensor<Self>,
        z: FloatTensor<Self>,
        mean: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    #[fusion(meta = |_gradient, mean, log_var| (mean.clone(), log_var.clone()))]
    fn gaussian_kl_grad(
        gradient: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    #[fusion(meta = |_gradient, mean_q, log_var_q, mean_p, log_var_p| {
        (mean_q.clone(), log_var_q.clone(), mean_p.clone(), log_var_p.clone())
    })]
    #[allow(clippy::type_complexity)]
    fn gaussian_kl_between_grad(
        gradient: FloatTensor<Self>,
        mean_q: FloatTensor<Self>,
        log_var_q: FloatTensor<Self>,
        mean_p: FloatTensor<Self>,
        log_var_p: FloatTensor<Self>,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    );

    /// Of the logits.
    #[fusion(dtype = logits, shape = logits)]
    fn bernoulli_nll_grad(
        gradient: FloatTensor<Self>,
        logits: FloatTensor<Self>,
        target: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Of the mean (the target's is its negative) and of the log-variance.
    #[fusion(meta = |_gradient, mean, _target, log_var| (mean.clone(), log_var.clone()))]
    fn gaussian_nll_grad(
        gradient: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        target: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Of the mean (the target's is its negative).
    #[fusion(dtype = mean, shape = mean)]
    fn squared_error_grad(
        gradient: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        target: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// What an optimizer does with one parameter. No graph goes through it.
#[backend_extension(
    Cube: cfg(feature = "_gpu"),
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Fusion: cfg(feature = "_gpu"),
)]
pub trait Updates: Backend {
    /// The parameter and its two moments after the step.
    #[fusion(meta = |parameter, _gradient, moment_1, moment_2, _step| {
        (parameter.clone(), moment_1.clone(), moment_2.clone())
    })]
    fn adam_step(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// One number for each row.
#[cfg(feature = "_gpu")]
fn batch(rows: &burn::tensor::Shape) -> burn::tensor::Shape {
    [rows[0]].into()
}
