use crate::distribution::{Bernoulli, Categorical, DiscretizedLogisticMixture, LOG_SCALE, Levels};
use crate::error::{Result, check_at_least_one};
use crate::traits::Posterior;
use burn::tensor::{Tensor, TensorData};

/// What the numbers that a network gives for a variable say of it.
///
/// ```
/// use burn_generative::autoregressive::Output;
/// use burn_generative::distribution::Levels;
///
/// assert_eq!(Output::Bernoulli.parameters(), 1);
/// assert_eq!(Output::Categorical(Levels::counting(17)?).parameters(), 17);
/// assert_eq!(Output::logistic_mixture(Levels::unit(256)?, 10)?.parameters(), 30);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// The logit of a variable that is 0 or 1; see [`Bernoulli`].
    Bernoulli,
    /// The logits of all levels, of which no order is known; see [`Categorical`].
    Categorical(Levels),
    /// The logits, means and log-scales of the components of a [`DiscretizedLogisticMixture`]. Numbers of 0 spread the
    /// components over the levels: from one point they could not part. See [`Output::logistic_mixture`].
    LogisticMixture {
        /// What the data consists of.
        levels: Levels,
        /// The number of components, at least 1.
        components: usize,
    },
}

impl Output {
    /// [`Output::LogisticMixture`].
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) without a component.
    pub fn logistic_mixture(levels: Levels, components: usize) -> Result<Self> {
        check_at_least_one("Output::logistic_mixture", "components", components)?;
        Ok(Self::LogisticMixture { levels, components })
    }

    /// How many numbers a variable needs.
    pub fn parameters(&self) -> usize {
        match self {
            Self::Bernoulli => 1,
            Self::Categorical(levels) => levels.count(),
            Self::LogisticMixture { components, .. } => 3 * components,
        }
    }

    /// How many numbers a variable needs: at least one, which a mixture made by hand need not have.
    pub(super) fn check(&self, part: &str) -> Result<usize> {
        let parameters = self.parameters();
        check_at_least_one(part, "the parameters of a variable", parameters)?;
        Ok(parameters)
    }

    /// What the data consists of.
    pub fn levels(&self) -> Levels {
        match *self {
            Self::Bernoulli => Levels::BINARY,
            Self::Categorical(levels) | Self::LogisticMixture { levels, .. } => levels,
        }
    }

    /// `log p(x)` in nats per sample, `[batch]`, given the numbers of each variable, `[batch, variables, parameters]`, and
    /// the variables, `[batch, variables]`.
    ///
    /// The variables are to be [`levels`](Self::levels), which [`Levels::check`] looks at once for a data set: a number
    /// between two counts as the nearest, and for a Bernoulli output makes a cross-entropy of the likelihood.
    ///
    /// # Panics
    ///
    /// If there is another number of parameters or of variables.
    pub fn log_prob(&self, parameters: Tensor<3>, x: Tensor<2>) -> Tensor<1> {
        let [_, _, given] = parameters.dims();
        assert!(
            given == self.parameters(),
            "Output: {given} numbers for a variable that needs {}",
            self.parameters()
        );
        match *self {
            Self::Bernoulli => Bernoulli::new(parameters.squeeze_dim::<2>(2)).log_prob(x),
            Self::Categorical(levels) => {
                Categorical::<2>::new(parameters).log_prob(levels.index(x))
            }
            Self::LogisticMixture { levels, components } => {
                let part = |index| -> Tensor<3> {
                    parameters.clone().narrow(2, index * components, components)
                };
                let options = (&parameters.device(), parameters.dtype());
                let middle = TensorData::new(middles(components), [1, 1, components]);
                let mean = part(1) + Tensor::from_data(middle, options);
                let log_scale = part(2) - (components as f64).ln();
                DiscretizedLogisticMixture::<2>::new(part(0), mean, log_scale, levels).log_prob(x)
            }
        }
    }

    /// The logarithms of the probabilities of all levels, up to a constant, from the numbers of a variable.
    pub(super) fn log_probabilities(&self, parameters: &[f32], log_p: &mut Vec<f64>) {
        log_p.clear();
        match *self {
            Self::Bernoulli => log_p.extend([0.0, f64::from(parameters[0])]),
            Self::Categorical(_) => log_p.extend(parameters.iter().map(|&logit| f64::from(logit))),
            Self::LogisticMixture { levels, components } => {
                let number = |index: usize| f64::from(parameters[index]);
                let logits = || (0..components).map(number);
                let most = logits().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = logits().map(|logit| (logit - most).exp()).sum();
                let half = 1.0 / (levels.count() - 1) as f64;
                log_p.resize(levels.count(), 0.0);
                for (component, middle) in middles(components).into_iter().enumerate() {
                    let weight = (number(component) - most).exp() / total;
                    let mean = number(components + component) + f64::from(middle);
                    let log_scale = number(2 * components + component) - (components as f64).ln();
                    let scale = log_scale.clamp(LOG_SCALE[0], LOG_SCALE[1]).exp();
                    let mut below = 0.0;
                    for (level, p) in log_p.iter_mut().enumerate() {
                        let edge = 2.0 * half * (level as f64 + 0.5) - 1.0;
                        let is_last = level + 1 == levels.count();
                        let up_to = if is_last {
                            1.0
                        } else {
                            1.0 / (1.0 + ((mean - edge) / scale).exp())
                        };
                        *p += weight * (up_to - below);
                        below = up_to;
                    }
                }
                for p in log_p.iter_mut() {
                    *p = p.ln();
                }
            }
        }
    }

    /// The level of an index, as a number of the data.
    pub(super) fn value(&self, index: usize) -> f32 {
        (index as f64 * self.levels().step()) as f32
    }
}

/// The middles of equal parts of [-1, 1].
fn middles(parts: usize) -> Vec<f32> {
    let middle = |part| (2 * part + 1) as f32 / parts as f32 - 1.0;
    (0..parts).map(middle).collect()
}
