//! Entropy, cross-entropy, Kullback-Leibler and Jensen-Shannon divergence as pure functions, in nats
//! per sample.
//!
//! | | [`categorical`] | [`gaussian`] |
//! |---|---|---|
//! | entropy `H(p)` | exact | exact |
//! | cross-entropy `H(p, q)` | exact | exact |
//! | `KL(p \|\| q) = H(p, q) - H(p)` | exact | exact |
//! | `JS(p, q)`, between 0 and ln 2 | exact | Monte Carlo: the mixture has no closed form |
//!
//! [Lin 1991](https://doi.org/10.1109/18.61115) for the Jensen-Shannon divergence,
//! `JS(p, q) = 1/2 KL(p || m) + 1/2 KL(q || m)` with `m = (p + q) / 2`.

/// Categorical distributions, given by unnormalised finite logits: the last axis holds the classes.
///
/// Every axis between the batch and the classes is a further, independent variable of the event, and
/// is summed over: logits `[batch, variables, classes]` give one number per sample, `[batch]`.
///
/// The functions panic if the logits have no axis but one, which would be both.
pub mod categorical {
    use crate::kernel::reference::exp_excess;
    use crate::kernel::{assert_match, sum_event};
    use burn::tensor::{Tensor, activation::log_softmax};

    /// `H(p) = -sum p ln p`, `[batch]`; at most `ln(classes)` for each variable.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::distribution::divergence::categorical;
    ///
    /// let fair = Tensor::<2>::zeros([1, 6], &Device::default());
    /// let entropy = categorical::entropy(fair).into_scalar::<f32>();
    /// assert!((entropy - 6f32.ln()).abs() < 1e-6);
    /// ```
    pub fn entropy<const D: usize>(logits: Tensor<D>) -> Tensor<1> {
        let log_p = log_probabilities(logits);
        expectation(log_p.clone(), log_p).neg()
    }

    /// `H(p, q) = -sum p ln q`, `[batch]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn cross_entropy<const D: usize>(logits_p: Tensor<D>, logits_q: Tensor<D>) -> Tensor<1> {
        let (log_p, log_q) = pair("cross_entropy", logits_p, logits_q);
        expectation(log_p, log_q).neg()
    }

    /// `KL(p || q) = sum p ln(p / q)`, `[batch]`; at least 0.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn kl<const D: usize>(logits_p: Tensor<D>, logits_q: Tensor<D>) -> Tensor<1> {
        let (log_p, log_q) = pair("kl", logits_p, logits_q);
        relative(log_p, log_q)
    }

    /// `JS(p, q)`, `[batch]`: symmetric, and between 0 and `ln 2` for each variable.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn js<const D: usize>(logits_p: Tensor<D>, logits_q: Tensor<D>) -> Tensor<1> {
        let dims = logits_p.dims();
        let (log_p, log_q) = pair("js", logits_p, logits_q);
        let log_m = super::log_mean_exp(log_p.clone(), log_q.clone());
        let from_both = relative(log_p, log_m.clone()) + relative(log_q, log_m);
        let variables: usize = dims[1..D - 1].iter().product();
        let most = variables as f64 * core::f64::consts::LN_2;
        from_both.mul_scalar(0.5).clamp_max(most)
    }

    /// Normalised log-probabilities, finite even where a probability underflows: `0 ln 0` is 0.
    fn log_probabilities<const D: usize>(logits: Tensor<D>) -> Tensor<D> {
        assert!(
            D >= 2,
            "categorical: logits of shape {:?} need an axis for the batch and one for the classes",
            logits.dims(),
        );
        log_softmax(logits, D - 1)
    }

    fn pair<const D: usize>(name: &str, p: Tensor<D>, q: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
        assert_match(name, ("logits_p", &p), ("logits_q", &q));
        (log_probabilities(p), log_probabilities(q))
    }

    /// `sum p ln(p / q) = sum p (e^r - 1 - r)` with `r = ln(q / p)`: no term is negative, so neither is the sum, and near 0
    /// it has all its digits.
    fn relative<const D: usize>(log_p: Tensor<D>, log_q: Tensor<D>) -> Tensor<1> {
        let log_ratio = log_q.clone() - log_p.clone();
        let near = log_ratio.clone().abs().lower_elem(0.3);
        // `p e^r` is `q`, which stays finite where `e^r` does not.
        let (p, q) = (log_p.exp(), log_q.exp());
        let apart = q - p.clone() - p.clone() * log_ratio.clone();
        let close = p * exp_excess(log_ratio.mask_fill(near.clone().bool_not(), 0.0));
        sum_event(apart.mask_where(near, close))
    }

    /// `sum p f`, from `log p`.
    fn expectation<const D: usize>(log_p: Tensor<D>, f: Tensor<D>) -> Tensor<1> {
        sum_event(log_p.exp() * f)
    }
}

/// Diagonal Gaussian distributions.
pub mod gaussian {
    use crate::distribution::DiagonalGaussian;
    use crate::kernel::softplus;
    use crate::traits::{Code, Posterior};
    use burn::tensor::{Distribution, Tensor};

    /// `H(p) = 1/2 sum(ln(2 pi e) + log_var)`, `[batch]`. It may be negative: it is a density's.
    pub fn entropy<const D: usize>(p: &DiagonalGaussian<D>) -> Tensor<1> {
        p.entropy()
    }

    /// `H(p, q) = H(p) + KL(p || q)`, `[batch]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn cross_entropy<const D: usize>(
        p: &DiagonalGaussian<D>,
        q: &DiagonalGaussian<D>,
    ) -> Tensor<1> {
        p.entropy() + p.kl(q)
    }

    /// `KL(p || q)`, `[batch]`; at least 0.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn kl<const D: usize>(p: &DiagonalGaussian<D>, q: &DiagonalGaussian<D>) -> Tensor<1> {
        p.kl(q)
    }

    /// `JS(p, q)`, `[batch]`, estimated from `samples` draws of each: unbiased, and never above
    /// `ln 2`, though one estimate may fall a little below 0 where the true value is near it.
    ///
    /// # Panics
    ///
    /// If the shapes differ, or `samples` is 0.
    ///
    /// ```
    /// use burn::prelude::*;
    /// use burn_generative::distribution::{DiagonalGaussian, divergence::gaussian};
    ///
    /// let device = Device::default();
    /// let zeros = || Tensor::<2>::zeros([1, 2], &device);
    /// let near = DiagonalGaussian::new(zeros(), zeros());
    /// let far = DiagonalGaussian::new(zeros() + 100.0, zeros());
    /// let js = gaussian::js(&near, &far, 4).into_scalar::<f32>();
    /// assert!((js - 2f32.ln()).abs() < 1e-6);
    /// ```
    pub fn js<const D: usize>(
        p: &DiagonalGaussian<D>,
        q: &DiagonalGaussian<D>,
        samples: usize,
    ) -> Tensor<1> {
        assert!(samples > 0, "js: needs at least one sample");
        let noise =
            |of: &DiagonalGaussian<D>| of.mean().random_like(Distribution::Normal(0.0, 1.0));
        (0..samples)
            .map(|_| js_with(p, q, noise(p), noise(q)))
            .reduce(|sum, one| sum + one)
            .expect("at least one sample")
            .div_scalar(samples as f64)
    }

    /// The one-sample estimate of [`js`] that given standard normal noise leads to.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn js_with<const D: usize>(
        p: &DiagonalGaussian<D>,
        q: &DiagonalGaussian<D>,
        noise_p: Tensor<D>,
        noise_q: Tensor<D>,
    ) -> Tensor<1> {
        let (x, y) = (p.rsample_with(noise_p), q.rsample_with(noise_q));
        // `ln p - ln m = ln 2 - softplus(ln q - ln p)`, which rounding cannot lift above ln 2.
        let from_p = softplus(q.log_prob(x.clone()) - p.log_prob(x));
        let from_q = softplus(p.log_prob(y.clone()) - q.log_prob(y));
        let both = (from_p + from_q).mul_scalar(-0.5);
        both.add_scalar(core::f64::consts::LN_2)
    }
}

use burn::tensor::Tensor;

/// `ln((e^a + e^b) / 2)`, without overflow. The larger of the two is a constant here, so that the
/// gradient is right where they are equal too (one half each).
fn log_mean_exp<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let larger = a.clone().detach().max_pair(b.clone().detach());
    let sum = (a - larger.clone()).exp() + (b - larger.clone()).exp();
    sum.log() + larger.sub_scalar(core::f64::consts::LN_2)
}
