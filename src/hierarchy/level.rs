use crate::distribution::DiagonalGaussian;
use crate::traits::Posterior;
use burn::tensor::Tensor;
use std::fmt::Debug;

/// What a level of a hierarchy is drawn from: a distribution whose divergence to another of its kind is known, and that can be
/// narrowed. [`DiagonalGaussian`] is one, of any rank: codes or feature maps.
pub trait Level: Posterior + Clone + Debug {
    /// `KL(self || other)` in nats per sample, `[batch]`.
    fn kl(&self, other: &Self) -> Tensor<1>;

    /// The same at a temperature, a positive number: narrower below 1, wider above.
    fn tempered(&self, temperature: f64) -> Self;
}

impl<const D: usize> Level for DiagonalGaussian<D> {
    fn kl(&self, other: &Self) -> Tensor<1> {
        DiagonalGaussian::kl(self, other)
    }

    /// The standard deviation times the temperature.
    fn tempered(&self, temperature: f64) -> Self {
        let log_var = self.log_var().add_scalar(2.0 * temperature.ln());
        Self::new(self.mean(), log_var)
    }
}
