use crate::error::{Error, Result};
use burn::tensor::{Int, Tensor};

/// How a quantiser's codebook is used: which of its codes data reach, and how evenly.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::metric::CodeUsage;
///
/// let indices = Tensor::<1, Int>::from_ints([0, 3, 3, 0], &Device::default());
/// let usage = CodeUsage::of(indices, 4)?;
/// assert_eq!(usage.in_use(), 2);
/// assert!((usage.perplexity() - 2.0).abs() < 1e-12);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeUsage {
    counts: Vec<usize>,
}

impl CodeUsage {
    /// Counts each of `codes` codes among `indices`, one for each quantised latent.
    ///
    /// # Errors
    ///
    /// Without an index, with one outside `0..codes`, or where the device cannot be read.
    pub fn of(indices: Tensor<1, Int>, codes: usize) -> Result<Self> {
        let data = indices.try_into_data_as::<i64>()?;
        let mut counts = vec![0; codes];
        for (at, index) in data.iter::<i64>().enumerate() {
            let count = usize::try_from(index).ok().and_then(|i| counts.get_mut(i));
            let count = count.ok_or_else(|| {
                Error::Samples(format!(
                    "CodeUsage: index {at} is {index}; of {codes} codes it has to be below {codes}, and not negative"
                ))
            })?;
            *count += 1;
        }
        if counts.iter().all(|&count| count == 0) {
            return Err(Error::Samples(
                "CodeUsage: at least one index is needed".to_string(),
            ));
        }
        Ok(Self { counts })
    }

    /// How often each code occurs.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The number of codes that occur.
    pub fn in_use(&self) -> usize {
        self.counts.iter().filter(|&&count| count > 0).count()
    }

    /// The entropy `-sum f ln f` of the frequencies of the codes, in nats a latent; no code of one symbol after another,
    /// that knows these frequencies alone, is shorter.
    pub fn entropy(&self) -> f64 {
        let total = self.counts.iter().sum::<usize>() as f64;
        let used = self.counts.iter().filter(|&&count| count > 0);
        used.map(|&count| count as f64 / total)
            .map(|frequency| frequency * frequency.recip().ln())
            .sum()
    }

    /// The perplexity, `exp(entropy)`: the number of codes that, used evenly, would have this entropy.
    pub fn perplexity(&self) -> f64 {
        self.entropy().exp()
    }
}
