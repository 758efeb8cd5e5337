use crate::distribution::{Levels, PixelLogisticMixture};
use crate::error::Result;
use crate::traits::{Code, Likelihood, Posterior, ReconstructionLoss};
use burn::module::Module;
use burn::tensor::Tensor;

/// The likelihood of pictures of discrete levels, grey or in colour: a [`PixelLogisticMixture`] of the numbers that a decoder gives
/// for each pixel, `[batch, parameters, height, width]`.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::Levels;
/// use burn_generative::loss::LogisticMixtureNll;
/// use burn_generative::prelude::*;
///
/// let likelihood = LogisticMixtureNll::new(3, Levels::unit(256)?, 5)?;
/// let numbers = Tensor::zeros([2, likelihood.parameters(), 8, 8], &Device::default());
/// let pictures = Tensor::<4>::ones([2, 3, 8, 8], &Device::default());
/// likelihood.check(&pictures, "pictures")?;
/// assert_eq!(likelihood.loss(numbers, pictures.clone()).dims(), [2]);
/// assert!(likelihood.check(&(pictures / 3.1), "pictures").is_err()); // between two bytes
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct LogisticMixtureNll {
    channels: usize,
    parameters: usize,
    #[module(skip)]
    levels: Levels,
}

impl LogisticMixtureNll {
    /// The likelihood of pictures of so many channels of these levels, by so many components (the paper's has 10).
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) without a channel or a component.
    pub fn new(channels: usize, levels: Levels, components: usize) -> Result<Self> {
        Ok(Self {
            channels,
            parameters: PixelLogisticMixture::parameters(channels, components)?,
            levels,
        })
    }

    /// How many numbers a pixel needs: the channels that a decoder ends with.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    fn pictures(&self, numbers: Tensor<4>) -> PixelLogisticMixture {
        PixelLogisticMixture::new(numbers, self.channels, self.levels)
    }
}

impl ReconstructionLoss<Tensor<4>> for LogisticMixtureNll {
    fn loss(&self, numbers: Tensor<4>, pictures: Tensor<4>) -> Tensor<1> {
        self.pictures(numbers).log_prob(pictures).neg()
    }

    fn point(&self, numbers: Tensor<4>) -> Tensor<4> {
        self.pictures(numbers).point()
    }

    fn check(&self, pictures: &Tensor<4>, what: &str) -> Result<()> {
        self.levels.check(pictures, what)
    }
}

impl Likelihood<Tensor<4>> for LogisticMixtureNll {
    fn sample(&self, numbers: Tensor<4>) -> Tensor<4> {
        self.pictures(numbers).rsample()
    }
}
