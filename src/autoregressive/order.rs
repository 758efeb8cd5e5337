use crate::error::{Error, Result};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// Which variable comes first, which second, and so on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// As they stand, row by row.
    #[default]
    Raster,
    /// `order[i]` comes `i`th; each variable once.
    Given(Vec<usize>),
    /// At random.
    Drawn {
        /// Of the generator that draws it.
        seed: u64,
    },
}

impl Order {
    /// Which of so many variables comes `i`th.
    pub(super) fn of(&self, variables: usize) -> Result<Vec<usize>> {
        match self {
            Self::Raster => Ok((0..variables).collect()),
            Self::Given(order) => {
                let mut is_named = vec![false; variables];
                for &variable in order {
                    match is_named.get_mut(variable) {
                        Some(named) if !*named => *named = true,
                        _ => {
                            return Err(Error::Config(format!(
                                "an order of {variables} variables names each of 0 to {} once, but {variable} is twice in it, \
                                 or too large",
                                variables - 1
                            )));
                        }
                    }
                }
                if order.len() == variables {
                    return Ok(order.clone());
                }
                Err(Error::Config(format!(
                    "an order of {variables} variables names each of them once, but this one names {}",
                    order.len()
                )))
            }
            Self::Drawn { seed } => {
                let mut order: Vec<usize> = (0..variables).collect();
                order.shuffle(&mut Pcg64::seed_from_u64(*seed));
                Ok(order)
            }
        }
    }
}

/// The number of variables of an event, which has `D - 1` axes, none of them empty.
pub(super) fn variables<const D: usize>(part: &str, shape: &[usize]) -> Result<usize> {
    if shape.len() + 1 != D {
        return Err(Error::Config(format!(
            "{part}: a data shape of {shape:?} has {} axes, but the model is over events of {}",
            shape.len(),
            D.saturating_sub(1)
        )));
    }
    let variables = shape
        .iter()
        .try_fold(1usize, |n, &side| n.checked_mul(side));
    variables
        .filter(|n| (1..=1 << 24).contains(n))
        .ok_or_else(|| {
            Error::Config(format!(
                "{part}: a data shape of {shape:?} holds no variable, or too many"
            ))
        })
}
