use crate::error::{Error, Result, check_not_negative};
use crate::traits::Corruption;
use burn::module::Module;
use burn::tensor::{Distribution, Tensor};

/// Adds independent Gaussian noise to every element.
///
/// [Vincent et al. 2010](https://www.jmlr.org/papers/v11/vincent10a.html), section 4.3.
#[derive(Module, Debug)]
pub struct GaussianCorruption {
    std: f64,
}

impl GaussianCorruption {
    /// Noise of this standard deviation.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is negative or not finite.
    pub fn new(std: f64) -> Result<Self> {
        let std = check_not_negative("GaussianCorruption: std", std)?;
        Ok(Self { std })
    }

    /// The noise's standard deviation.
    pub fn std(&self) -> f64 {
        self.std
    }
}

impl<const D: usize> Corruption<Tensor<D>> for GaussianCorruption {
    /// Standard normal.
    fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
        clean.random_like(Distribution::Normal(0.0, 1.0))
    }

    fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
        clean + noise.mul_scalar(self.std)
    }
}

/// Sets each element to 0 with a probability, independently.
///
/// [Vincent et al. 2008](https://doi.org/10.1145/1390156.1390294), section 2.3.
#[derive(Module, Debug)]
pub struct MaskingCorruption {
    probability: f64,
}

impl MaskingCorruption {
    /// Loses elements with this probability.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is not in `[0, 1]`.
    pub fn new(probability: f64) -> Result<Self> {
        check_probability("MaskingCorruption", probability)?;
        Ok(Self { probability })
    }

    /// The probability that an element is lost.
    pub fn probability(&self) -> f64 {
        self.probability
    }
}

impl<const D: usize> Corruption<Tensor<D>> for MaskingCorruption {
    /// Uniform in `[0, 1)`.
    fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
        clean.random_like(Distribution::Default)
    }

    fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
        clean.mask_fill(noise.lower_elem(self.probability), 0.0)
    }
}

/// Sets each element to 0 or to 1 with a probability, half of it for either.
///
/// [Vincent et al. 2010](https://www.jmlr.org/papers/v11/vincent10a.html), section 4.3.
#[derive(Module, Debug)]
pub struct SaltAndPepperCorruption {
    probability: f64,
}

impl SaltAndPepperCorruption {
    /// Loses elements with this probability.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is not in `[0, 1]`.
    pub fn new(probability: f64) -> Result<Self> {
        check_probability("SaltAndPepperCorruption", probability)?;
        Ok(Self { probability })
    }

    /// The probability that an element is lost to one or the other.
    pub fn probability(&self) -> f64 {
        self.probability
    }
}

impl<const D: usize> Corruption<Tensor<D>> for SaltAndPepperCorruption {
    /// Uniform in `[0, 1)`: its lower end is pepper, what follows is salt.
    fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
        clean.random_like(Distribution::Default)
    }

    fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
        let salted = clean.mask_fill(noise.clone().lower_elem(self.probability), 1.0);
        salted.mask_fill(noise.lower_elem(0.5 * self.probability), 0.0)
    }
}

/// Replaces each element of `[0, 1]` by 1 with that probability, and by 0 else: grey images as means of binary ones.
///
/// The usual likelihoods of binarised MNIST draw training images anew at every step, as an [`Augmented`](crate::model::Augmented)
/// model does, and test images once.
///
/// [Salakhutdinov & Murray 2008](https://doi.org/10.1145/1390156.1390266), section 4.2.
#[derive(Module, Debug, Default)]
pub struct Binarization;

impl<const D: usize> Corruption<Tensor<D>> for Binarization {
    /// Uniform in `[0, 1)`.
    fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
        clean.random_like(Distribution::Default)
    }

    fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
        let is_one = noise.lower(clean.clone());
        clean.zeros_like().mask_fill(is_one, 1.0)
    }
}

/// The corruptions, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum AnyCorruption {
    /// [`GaussianCorruption`].
    Gaussian(GaussianCorruption),
    /// [`MaskingCorruption`].
    Masking(MaskingCorruption),
    /// [`SaltAndPepperCorruption`].
    SaltAndPepper(SaltAndPepperCorruption),
}

impl<const D: usize> Corruption<Tensor<D>> for AnyCorruption {
    fn noise(&self, clean: &Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gaussian(corruption) => corruption.noise(clean),
            Self::Masking(corruption) => corruption.noise(clean),
            Self::SaltAndPepper(corruption) => corruption.noise(clean),
        }
    }

    fn corrupt_with(&self, clean: Tensor<D>, noise: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gaussian(corruption) => corruption.corrupt_with(clean, noise),
            Self::Masking(corruption) => corruption.corrupt_with(clean, noise),
            Self::SaltAndPepper(corruption) => corruption.corrupt_with(clean, noise),
        }
    }
}

fn check_probability(part: &str, probability: f64) -> Result<()> {
    match (0.0..=1.0).contains(&probability) {
        true => Ok(()),
        false => Err(Error::Config(format!(
            "{part}: probability must be in [0, 1], not {probability}"
        ))),
    }
}
