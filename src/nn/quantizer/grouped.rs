use super::assert_width;
use crate::error::{Error, Result};
use crate::traits::{Quantized, Quantizer};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// A quantiser for each group of a latent's coordinates, the first of the first: product quantisation. So `g` codebooks of K
/// vectors tell `K^g` latents apart, at the cost of looking for `g K`.
///
/// The terms are the sums of those of the groups.
///
/// [Jégou et al. 2011](https://doi.org/10.1109/TPAMI.2010.57).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{Fsq, Grouped};
/// use burn_generative::prelude::*;
///
/// let quantizer = Grouped::new(vec![Fsq::new([8, 6, 5])?, Fsq::new([8, 6, 5])?])?;
/// assert_eq!((quantizer.width(), quantizer.codes(), quantizer.depth()), (6, 240, 2));
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Grouped<Q> {
    groups: Vec<Q>,
}

impl<Q: Quantizer> Grouped<Q> {
    /// The quantiser of these, a group of coordinates each.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] without a group, or if one has other terms or another number of codes than the first.
    pub fn new(groups: Vec<Q>) -> Result<Self> {
        let Some(first) = groups.first() else {
            return Err(Error::Config(
                "Grouped: at least one group is needed".to_string(),
            ));
        };
        for (at, group) in groups.iter().enumerate() {
            if (group.codes(), group.terms()) != (first.codes(), first.terms()) {
                return Err(Error::Config(format!(
                    "Grouped: group {at} has {} codes and the terms {:?}, but the first {} and {:?}; one density of the \
                     indices is to fit all",
                    group.codes(),
                    group.terms(),
                    first.codes(),
                    first.terms()
                )));
            }
        }
        Ok(Self { groups })
    }

    /// The quantisers, one for each group.
    pub fn groups(&self) -> &[Q] {
        &self.groups
    }
}

impl<Q: Quantizer> Quantizer for Grouped<Q> {
    fn width(&self) -> usize {
        self.groups.iter().map(Q::width).sum()
    }

    fn codes(&self) -> usize {
        self.groups[0].codes()
    }

    fn depth(&self) -> usize {
        self.groups.iter().map(Q::depth).sum()
    }

    fn terms(&self) -> Vec<&'static str> {
        self.groups[0].terms()
    }

    fn quantize(&self, latents: Tensor<2>) -> Quantized {
        assert_width("Grouped", self.width(), &latents);
        let widths = self.groups.iter().map(Q::width);
        let parts = latents.split_with_sizes(widths.collect(), 1);
        let groups = self.groups.iter().zip(parts);
        let quantized = groups.map(|(group, part)| group.quantize(part));
        let together = quantized.reduce(|one, other| Quantized {
            vectors: Tensor::cat(vec![one.vectors, other.vectors], 1),
            indices: Tensor::cat(vec![one.indices, other.indices], 1),
            losses: one.losses.added(other.losses),
        });
        together.expect("at least one group")
    }

    fn lookup(&self, indices: Tensor<2, Int>) -> Tensor<2> {
        let depths = self.groups.iter().map(Q::depth);
        let parts = indices.split_with_sizes(depths.collect(), 1);
        let groups = self.groups.iter().zip(parts);
        let vectors = groups.map(|(group, part)| group.lookup(part));
        Tensor::cat(vectors.collect(), 1)
    }
}
