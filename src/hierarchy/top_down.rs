use super::Level;
use crate::error::{Error, Result, check_positive};
use crate::traits::{Batch, Block, Code, Draw};
use burn::tensor::{Device, Tensor};
use std::convert::Infallible;
use std::fmt::Debug;

/// The latent of one level.
pub(super) type LatentOf<T> = <<T as TopDown>::Level as Code>::Latent;
/// The noise of one level.
pub(super) type NoiseOf<T> = <<T as TopDown>::Level as Code>::Noise;

/// The networks of a hierarchy of latents, level 0 on top.
///
/// A pass down carries a state: what the levels above have said. The prior of a level reads the state; its posterior reads
/// also the prior and the features that a pass up has found in the data; the latent, whichever of the two it came from,
/// enters the state. So both share what the state went through, as in the papers.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::hierarchy::TopDown;
/// use burn_generative::model::HierarchicalVae;
/// use burn_generative::prelude::*;
///
/// /// `z_1`, and `z_2 = z_1 + noise`, and `x = z_2 + noise`, all noise standard normal. The posterior knows no better than
/// /// to halve the distance to the data.
/// #[derive(Module, Debug)]
/// struct Walk { levels: usize }
///
/// impl TopDown for Walk {
///     type Input = Tensor<2>;
///     type Features = Tensor<2>;
///     type State = Tensor<2>;
///     type Level = DiagonalGaussian;
///     type Output = Tensor<2>;
///
///     fn num_levels(&self) -> usize {
///         self.levels
///     }
///     fn bottom_up(&self, x: Tensor<2>) -> Tensor<2> {
///         x
///     }
///     fn start(&self, n: usize, device: &Device) -> Tensor<2> {
///         Tensor::zeros([n, 1], device)
///     }
///     fn prior(&self, _level: usize, above: &Tensor<2>) -> DiagonalGaussian {
///         DiagonalGaussian::new(above.clone(), above.zeros_like())
///     }
///     fn posterior(
///         &self,
///         _level: usize,
///         _above: &Tensor<2>,
///         prior: &DiagonalGaussian,
///         x: &Tensor<2>,
///     ) -> DiagonalGaussian {
///         prior.product(&DiagonalGaussian::new(x.clone(), x.zeros_like()))
///     }
///     fn absorb(&self, _level: usize, _above: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
///         z
///     }
///     fn output(&self, lowest: Tensor<2>) -> Tensor<2> {
///         lowest
///     }
/// }
///
/// let model = HierarchicalVae::new(Walk { levels: 2 }, GaussianNll::default());
/// assert_eq!(model.sample(3, &Device::default()).dims(), [3, 1]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no hierarchy of latents",
    note = "implement `hierarchy::TopDown` for it, or take a `hierarchy::Ladder`"
)]
pub trait TopDown: Block {
    /// The data, batch first.
    type Input: Batch;
    /// What a pass up finds in the data, for all levels.
    type Features: Clone + Debug;
    /// What the levels above have said.
    type State;
    /// What a latent is drawn from.
    type Level: Level;
    /// Logits or means in the shape of the data, or a distribution over it.
    type Output;

    /// The number of levels, at least 1.
    fn num_levels(&self) -> usize;

    /// What the data say to all levels.
    fn bottom_up(&self, input: Self::Input) -> Self::Features;

    /// The state above all levels, of `n` samples.
    fn start(&self, n: usize, device: &Device) -> Self::State;

    /// The prior of a level, given what is above it.
    fn prior(&self, level: usize, above: &Self::State) -> Self::Level;

    /// The posterior of a level, given what is above it, its prior, and the features.
    fn posterior(
        &self,
        level: usize,
        above: &Self::State,
        prior: &Self::Level,
        features: &Self::Features,
    ) -> Self::Level;

    /// The state below a level whose latent is `z`.
    fn absorb(&self, level: usize, above: Self::State, z: LatentOf<Self>) -> Self::State;

    /// What the state below all levels says of the data.
    fn output(&self, lowest: Self::State) -> Self::Output;
}

/// Where the latent of a level comes from when data are drawn.
#[derive(Clone, Debug)]
pub enum Take<Z> {
    /// From the prior, at this temperature; 1 for the prior itself.
    Prior(f64),
    /// From the caller: the latent, batch first.
    Given(Z),
}

/// One level of a pass down with data: both distributions, and the latent.
#[derive(Clone, Debug)]
pub struct Visit<Q: Code> {
    /// The prior, given the levels above.
    pub prior: Q,
    /// The posterior, given the levels above and the data.
    pub posterior: Q,
    /// The latent, and what is known of its density under the posterior.
    pub draw: Draw<Q::Latent>,
}

impl<Q: Level> Visit<Q> {
    /// `KL(q || p)` of this level, given the latents above it, in closed form; in nats per sample, `[batch]`.
    pub fn kl(&self) -> Tensor<1> {
        self.posterior.kl(&self.prior)
    }

    /// `log q(z)` of this level in nats per sample, `[batch]`.
    pub fn log_posterior(&self) -> Tensor<1> {
        self.posterior.log_prob_of(&self.draw)
    }

    /// `log p(z)` of this level in nats per sample, `[batch]`.
    pub fn log_prior(&self) -> Tensor<1> {
        self.prior.log_prob(self.draw.z.clone())
    }
}

/// A pass down with data: each level from the top, and what the latents say of the data.
pub struct Descent<T: TopDown> {
    /// The levels, the top first.
    pub levels: Vec<Visit<T::Level>>,
    /// Logits or means, or a distribution over the data.
    pub output: T::Output,
}

impl<T: TopDown> Descent<T> {
    /// The sum over all levels of a number `[batch]` of each.
    pub fn sum(&self, number: impl Fn(&Visit<T::Level>) -> Tensor<1>) -> Tensor<1> {
        let numbers = self.levels.iter().map(number);
        let sum = numbers.reduce(|sum, of_level| sum + of_level);
        sum.expect("a hierarchy has at least 1 level")
    }

    /// The latents, the top first.
    pub fn latents(&self) -> Vec<LatentOf<T>> {
        let latents = self.levels.iter().map(|visit| visit.draw.z.clone());
        latents.collect()
    }
}

/// The pass down, of which there is one: `visit` says what each level's latent is, and what is to be kept of it.
fn descend<T: TopDown, V, E>(
    network: &T,
    (n, device): (usize, &Device),
    mut visit: impl FnMut(usize, &T::State) -> std::result::Result<(LatentOf<T>, V), E>,
) -> std::result::Result<(Vec<V>, T::Output), E> {
    let levels = network.num_levels();
    assert!(levels > 0, "TopDown: a hierarchy has at least 1 level");
    let mut state = network.start(n, device);
    let mut visits = Vec::with_capacity(levels);
    for level in 0..levels {
        let (z, kept) = visit(level, &state)?;
        state = network.absorb(level, state, z);
        visits.push(kept);
    }
    Ok((visits, network.output(state)))
}

/// A pass down with the features of so many samples on a device; `draw` takes each level's latent from its posterior.
pub(super) fn infer<T: TopDown>(
    network: &T,
    features: &T::Features,
    samples: (usize, &Device),
    mut draw: impl FnMut(usize, &T::Level) -> Draw<LatentOf<T>>,
) -> Descent<T> {
    let visit = |level: usize, above: &T::State| {
        let prior = network.prior(level, above);
        let posterior = network.posterior(level, above, &prior, features);
        let draw = draw(level, &posterior);
        let z = draw.z.clone();
        let visit = Visit {
            prior,
            posterior,
            draw,
        };
        Ok::<_, Infallible>((z, visit))
    };
    let Ok((levels, output)) = descend(network, samples, visit);
    Descent { levels, output }
}

/// A pass down without data: `n` outputs, whose latents come from where `levels` says, the top first.
///
/// # Errors
///
/// [`Error::Config`] if there are not as many as levels, a temperature is not positive, or a given latent has another shape
/// than the level's.
pub(crate) fn generate<T: TopDown>(
    network: &T,
    samples: (usize, &Device),
    levels: &[Take<LatentOf<T>>],
) -> Result<T::Output> {
    if levels.len() != network.num_levels() {
        return Err(Error::Config(format!(
            "a hierarchy of {} levels was told where to take {} from; say it of every level, the top first",
            network.num_levels(),
            levels.len()
        )));
    }
    let visit = |level: usize, above: &T::State| {
        let prior = network.prior(level, above);
        let z = match &levels[level] {
            Take::Prior(temperature) => {
                let what = format!("the temperature of level {level}");
                prior
                    .tempered(check_positive(&what, *temperature)?)
                    .rsample()
            }
            Take::Given(z) => {
                let (expected, shapes) = (prior.point().shapes(), z.shapes());
                if shapes != expected {
                    return Err(Error::Config(format!(
                        "the latent given for level {level} has shape {shapes:?}, and the level's is {expected:?}"
                    )));
                }
                z.clone()
            }
        };
        Ok((z, ()))
    };
    let (_, output) = descend(network, samples, visit)?;
    Ok(output)
}

/// Refuses another number of anything than of levels.
pub(super) fn assert_count<T: TopDown>(what: &str, count: usize, network: &T) {
    let levels = network.num_levels();
    assert!(
        count == levels,
        "TopDown: {count} {what} for a hierarchy of {levels} levels"
    );
}
