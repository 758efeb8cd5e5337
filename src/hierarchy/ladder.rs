use super::TopDown;
use crate::distribution::DiagonalGaussian;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::rows;
use crate::nn::{GaussianHead, Head, Mlp, MlpEncoder, MlpEncoderConfig, check_rank, event_size};
use crate::traits::{Decoder, Encoder};
use burn::config::Config;
use burn::module::Module;
use burn::nn::activation::ActivationConfig;
use burn::tensor::{Device, Tensor};

/// Configuration of a [`Ladder`].
#[derive(Config, Debug)]
pub struct LadderConfig {
    /// The shape of one sample, the batch axis left out: `[1, 28, 28]`, or `[features]`.
    pub shape: Vec<usize>,
    /// The number of latent coordinates of each level, the top first.
    pub latents: Vec<usize>,
    /// The widths of the hidden layers at each level, the top first: on the way up, and of the prior that the level below has
    /// of it.
    pub hidden: Vec<usize>,
    /// The activation after every hidden layer.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
}

impl LadderConfig {
    /// The ladder that ends in this decoder, which reads the lowest latent.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] without a level, if there are not as many widths as levels, if a size is zero or absurd, or the shape
    /// has not `D - 1` axes.
    pub fn init<Dec, const D: usize>(&self, decoder: Dec, device: &Device) -> Result<Ladder<Dec, D>>
    where
        Dec: Decoder<Latent = Tensor<2>>,
    {
        const PART: &str = "Ladder";
        check_rank::<D>(PART, &self.shape)?;
        check_at_least_one(PART, "the number of levels", self.latents.len())?;
        if self.hidden.len() != self.latents.len() {
            return Err(Error::Config(format!(
                "{PART}: {} levels of latents, but {} hidden widths; give one for each level",
                self.latents.len(),
                self.hidden.len()
            )));
        }
        // On the way up the first rung is the lowest.
        let mut rungs = Vec::new();
        let mut features = event_size(PART, &self.shape)?;
        for (&latent, &width) in self.latents.iter().zip(&self.hidden).rev() {
            check_at_least_one(PART, "the latents of a level", latent)?;
            let widths = [width, width];
            let body = Mlp::new(PART, features, &widths, &self.activation, device)?;
            let head = GaussianHead::new(width, latent, device);
            rungs.push(Rung { body, head });
            features = width;
        }
        let below = |(level, pair): (usize, &[usize])| {
            MlpEncoderConfig::new(vec![pair[0]], pair[1])
                .with_hidden(vec![self.hidden[level]; 2])
                .with_activation(self.activation.clone())
                .init_gaussian(device)
        };
        let priors = self.latents.windows(2).enumerate().map(below);
        Ok(Ladder {
            priors: priors.collect::<Result<_>>()?,
            rungs,
            decoder,
            top: self.latents[0],
        })
    }
}

/// A ladder of perceptrons: the prior of each level reads the latent above, the posterior is the product of that prior and of
/// what the data say on the way up, and the decoder reads the lowest latent.
///
/// The data's word is weighed by its precision, so that a level which the data say nothing to follows its prior.
/// Of the paper's networks it has no batch normalisation; and at the top, too, the posterior is a product with the prior, where
/// the paper's is what the data say. Shapes: `[batch, ...shape]` to latents `[batch, coordinates]`.
/// [Sønderby et al. 2016](https://arxiv.org/abs/1602.02282).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::hierarchy::LadderConfig;
/// use burn_generative::model::HierarchicalVae;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let decoder = MlpDecoderConfig::new(32, vec![1, 28, 28]).init(&device)?;
/// let ladder = LadderConfig::new(vec![1, 28, 28], vec![8, 32], vec![64, 128]).init(decoder, &device)?;
/// let model = HierarchicalVae::new(ladder, BernoulliNll);
/// let losses = model.losses(Tensor::<4>::zeros([3, 1, 28, 28], &device));
/// assert_eq!(losses.term("kl_2").unwrap().dims(), [3]); // of the lower level
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Ladder<Dec, const D: usize> {
    /// From the data up.
    rungs: Vec<Rung>,
    /// From the top down: of each level but the first.
    priors: Vec<MlpEncoder<GaussianHead, 2>>,
    decoder: Dec,
    top: usize,
}

/// What a level adds on the way up.
#[derive(Module, Debug)]
struct Rung {
    body: Mlp,
    head: GaussianHead,
}

impl<Dec: Decoder<Latent = Tensor<2>>, const D: usize> TopDown for Ladder<Dec, D> {
    type Input = Tensor<D>;
    /// What the data say of each level, the lowest first.
    type Features = Vec<DiagonalGaussian>;
    /// The latent above.
    type State = Tensor<2>;
    type Level = DiagonalGaussian;
    type Output = Dec::Output;

    fn num_levels(&self) -> usize {
        self.rungs.len()
    }

    fn bottom_up(&self, input: Tensor<D>) -> Vec<DiagonalGaussian> {
        let mut features = rows(input);
        let mut climb = |rung: &Rung| {
            features = rung.body.forward(features.clone());
            rung.head.forward(features.clone())
        };
        self.rungs.iter().map(&mut climb).collect()
    }

    fn start(&self, n: usize, device: &Device) -> Tensor<2> {
        Tensor::zeros([n, self.top], device)
    }

    fn prior(&self, level: usize, above: &Tensor<2>) -> DiagonalGaussian {
        match level {
            0 => DiagonalGaussian::new(above.clone(), above.zeros_like()),
            _ => self.priors[level - 1].encode(above.clone()),
        }
    }

    fn posterior(
        &self,
        level: usize,
        _above: &Tensor<2>,
        prior: &DiagonalGaussian,
        features: &Vec<DiagonalGaussian>,
    ) -> DiagonalGaussian {
        prior.product(&features[features.len() - 1 - level])
    }

    fn absorb(&self, _level: usize, _above: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        z
    }

    fn output(&self, lowest: Tensor<2>) -> Dec::Output {
        self.decoder.decode(lowest)
    }
}
