use super::divergence::categorical;
use crate::kernel::{self, activation::sigmoid, assert_match};
use crate::traits::{Code, Family, Posterior};
use burn::tensor::{Distribution, Tensor};

/// Independent variables that are 0 or 1, given by the logits of the ones: `p(1) = sigmoid(l)`. There is one distribution
/// for each sample of a batch, over an event of any rank.
///
/// Values are floats, so that a decoder which returns it, with [`Nll`](crate::loss::Nll), takes the place of one that returns
/// logits with [`BernoulliNll`](crate::loss::BernoulliNll). A draw has no gradient.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::Bernoulli;
/// use burn_generative::prelude::*;
///
/// let fair = Bernoulli::new(Tensor::<2>::zeros([3, 10], &Device::default()));
/// let bits = fair.log_prob(fair.rsample()).into_data();
/// bits.assert_approx_eq::<f32>(&TensorData::from([-10.0 * 2f32.ln(); 3]), Default::default());
/// ```
#[derive(Clone, Debug)]
pub struct Bernoulli<const D: usize = 2> {
    logits: Tensor<D>,
}

impl<const D: usize> Bernoulli<D> {
    /// The distribution with these finite logits, `[batch, ...]`.
    pub fn new(logits: Tensor<D>) -> Self {
        Self { logits }
    }

    /// The logits, `[batch, ...]`.
    pub fn logits(&self) -> Tensor<D> {
        self.logits.clone()
    }

    /// The entropy in nats per sample, `[batch]`.
    pub fn entropy(&self) -> Tensor<1> {
        categorical::entropy(self.classes())
    }

    /// `KL(self || other)` in nats per sample, `[batch]`; at least 0.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn kl(&self, other: &Self) -> Tensor<1> {
        assert_match(
            "Bernoulli::kl",
            ("logits", &self.logits),
            ("those of the other", &other.logits),
        );
        categorical::kl(self.classes(), other.classes())
    }

    /// The same variables with the classes 0 and 1, `[batch, variables, 2]`.
    fn classes(&self) -> Tensor<3> {
        let ones = kernel::rows(self.logits()).unsqueeze_dim::<3>(2);
        Tensor::cat(vec![ones.zeros_like(), ones], 2)
    }
}

impl<const D: usize> Code for Bernoulli<D> {
    type Latent = Tensor<D>;
    /// Uniform in [0, 1).
    type Noise = Tensor<D>;

    fn noise(&self) -> Tensor<D> {
        self.logits.random_like(Distribution::Default)
    }

    /// 1 where the noise is below the probability of it, else 0.
    fn rsample_with(&self, noise: Tensor<D>) -> Tensor<D> {
        let dtype = self.logits.dtype();
        noise.lower(sigmoid(self.logits())).float().cast(dtype)
    }

    /// The mean, `sigmoid(l)`.
    fn point(&self) -> Tensor<D> {
        sigmoid(self.logits())
    }
}

impl<const D: usize> Posterior for Bernoulli<D> {
    fn log_prob(&self, values: Tensor<D>) -> Tensor<1> {
        kernel::bernoulli_nll(self.logits(), values).neg()
    }

    /// Categorical, of the classes 0 and 1.
    fn family(&self) -> Option<Family> {
        let logits = self.classes();
        Some(Family::Categorical { logits })
    }
}
