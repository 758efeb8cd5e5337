use crate::unoptimized;
use burn::tensor::Tensor;

/// Every named term of a model's loss, per sample, and their total.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let reconstruction = Tensor::from_floats([80.0, 90.0], &device);
/// let kl = Tensor::from_floats([20.0, 30.0], &device);
/// let losses = Losses::new(reconstruction.clone() + kl.clone())
///     .with_term("reconstruction", reconstruction)
///     .with_term("kl", kl);
/// assert_eq!(losses.mean().into_scalar::<f32>(), 110.0);
/// ```
#[derive(Clone, Debug)]
pub struct Losses {
    /// What is minimised, `[batch]`.
    pub total: Tensor<1>,
    terms: Vec<(&'static str, Tensor<1>)>,
    watched: Vec<(&'static str, Tensor<2>)>,
}

impl Losses {
    /// The name of the total among a model's metrics.
    pub const TOTAL: &'static str = "loss";

    /// The name under which a model lets the means of its posterior be watched, `[batch, latent]`.
    pub const POSTERIOR_MEAN: &'static str = "posterior mean";

    /// The name under which a model lets the KL of each latent coordinate be watched, in nats, `[batch, latent]`.
    pub const COORDINATE_KL: &'static str = "kl of each coordinate";

    /// Losses with this total, `[batch]`, and no terms yet.
    pub fn new(total: Tensor<1>) -> Self {
        Self {
            total,
            terms: Vec::new(),
            watched: Vec::new(),
        }
    }

    /// Losses with this one term, `[batch]`, which is also the total.
    pub fn of(name: &'static str, value: Tensor<1>) -> Self {
        Self::new(value.clone()).with_term(name, value)
    }

    /// Adds another part of the model's losses: its total to the total, and its terms behind the terms.
    pub fn plus(mut self, other: Self) -> Self {
        self.total = self.total + other.total;
        self.terms.extend(other.terms);
        self.watched.extend(other.watched);
        self
    }

    /// The total and every term by a function of them, without what is watched: sums over what belongs to a sample.
    pub(crate) fn map(self, f: impl Fn(Tensor<1>) -> Tensor<1>) -> Self {
        let terms = self.terms.into_iter();
        Self {
            total: f(self.total),
            terms: terms.map(|(name, value)| (name, f(value))).collect(),
            watched: Vec::new(),
        }
    }

    /// The total plus that of others with the same terms, and each term plus that of theirs.
    pub(crate) fn added(self, others: Self) -> Self {
        let terms = self.terms.into_iter().zip(others.terms);
        Self {
            total: self.total + others.total,
            terms: terms
                .map(|((name, value), (_, other))| (name, value + other))
                .collect(),
            watched: Vec::new(),
        }
    }

    /// Adds a named term, `[batch]`.
    pub fn with_term(mut self, name: &'static str, value: Tensor<1>) -> Self {
        self.terms.push((name, value));
        self
    }

    /// Adds something that is no loss and that a metric watches, `[batch, columns]`: see
    /// [`POSTERIOR_MEAN`](Self::POSTERIOR_MEAN). A model adds it in evaluation, not in training.
    pub fn with_watched(mut self, name: &'static str, value: Tensor<2>) -> Self {
        self.watched.push((name, value));
        self
    }

    /// What is watched under this name, `[batch, columns]`.
    pub fn watched(&self, name: &str) -> Option<Tensor<2>> {
        let watched = self.watched.iter().find(|(watched, _)| *watched == name);
        watched.map(|(_, value)| value.clone())
    }

    /// The term of this name, `[batch]`; [`Losses::TOTAL`] names the total.
    pub fn term(&self, name: &str) -> Option<Tensor<1>> {
        self.iter()
            .find(|(term, _)| *term == name)
            .map(|(_, value)| value.clone())
    }

    /// The total and then every term, with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Tensor<1>)> {
        std::iter::once((Self::TOTAL, &self.total))
            .chain(self.terms.iter().map(|(name, value)| (*name, value)))
    }

    /// The objective of a training step: the total's mean over the batch, `[1]`. The only place where
    /// a batch is reduced.
    ///
    /// A training in a build without optimisation says so here, once.
    pub fn mean(&self) -> Tensor<1> {
        if self.total.is_autodiff() {
            unoptimized::warn_once();
        }
        self.total.clone().mean()
    }

    /// The same numbers without their graph, to be logged.
    pub fn without_graph(self) -> Self {
        Self {
            total: self.total.without_autodiff(),
            terms: self
                .terms
                .into_iter()
                .map(|(name, value)| (name, value.without_autodiff()))
                .collect(),
            watched: self
                .watched
                .into_iter()
                .map(|(name, value)| (name, value.without_autodiff()))
                .collect(),
        }
    }
}

#[cfg(feature = "train")]
mod item {
    use super::Losses;
    use burn::tensor::ExecutionError;
    use burn::train::ItemLazy;
    use burn::train::metric::{Adaptor, LossInput};

    impl ItemLazy for Losses {
        /// Nothing to wait for: the terms stay on their device until a metric reads them.
        fn sync(self) -> Result<Self, ExecutionError> {
            Ok(self)
        }
    }

    impl Adaptor<Losses> for Losses {
        fn adapt(&self) -> Losses {
            self.clone()
        }
    }

    /// burn's own `LossMetric`, with the whole batch, so that a short last batch weighs less.
    impl Adaptor<LossInput> for Losses {
        fn adapt(&self) -> LossInput {
            LossInput::new(self.total.clone())
        }
    }
}
