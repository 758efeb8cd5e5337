use super::{Tempered, no_change};
use crate::error::{Error, Result};
use crate::kernel::activation::sigmoid;
use crate::kernel::sum_event;
use crate::traits::{Block, Code, Encoder, Posterior, Prior, Sampler};
use burn::module::Module;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Distribution, Tensor};

/// A density over [0, 1) as a model of levels `0, 1, .., levels - 1` (of floats): noise in [0, 1) is added to the levels and
/// the sum divided by their number, so that `log_prob` is **a bound** on the logarithm of the probability of the levels,
///
/// `log P(x) >= E_u [log p((x + u) / levels) - log q(u | x)] - n log(levels)`,
///
/// of which each call draws `u` anew. Uniform noise has `log q = 0`; a [`VariationalDequantizer`] learns it, and tightens the
/// bound. Images in [0, 1] are levels after `images * 255.0`.
///
/// [Theis et al. 2016](https://arxiv.org/abs/1511.01844), section 3.1; [Ho et al. 2019](https://arxiv.org/abs/1902.00275).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Dequantize, bits_per_dimension};
/// use burn_generative::prelude::*;
/// use burn_generative::prior::Uniform;
///
/// // A uniform density takes exactly eight bits for a byte.
/// let model = Dequantize::new(Uniform::new(3, 0.0, 1.0)?, 256)?;
/// let bytes = Tensor::<2>::from_floats([[0.0, 17.0, 255.0]], &Device::default());
/// let bits = bits_per_dimension(model.log_prob(bytes), 3);
/// assert!((bits.into_scalar::<f32>() - 8.0).abs() < 1e-5);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Dequantize<P, Q = UniformDequantizer> {
    /// The density over [0, 1).
    pub density: P,
    /// Where the noise comes from.
    pub noise: Q,
    levels: usize,
}

impl<P> Dequantize<P> {
    /// A model of so many levels, with uniform noise.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than two levels.
    pub fn new<const D: usize>(density: P, levels: usize) -> Result<Self>
    where
        P: Prior<Value = Tensor<D>>,
    {
        Self::with_noise(density, UniformDequantizer, levels)
    }
}

impl<P, Q> Dequantize<P, Q> {
    /// A model of so many levels, with noise of a dequantizer.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than two levels.
    pub fn with_noise<const D: usize>(density: P, noise: Q, levels: usize) -> Result<Self>
    where
        P: Prior<Value = Tensor<D>>,
        Q: Dequantizer<D>,
    {
        if levels < 2 {
            return Err(Error::Config(format!(
                "Dequantize: data of {levels} levels says nothing; it needs at least 2"
            )));
        }
        Ok(Self {
            density,
            noise,
            levels,
        })
    }

    /// The bound with this noise in [0, 1), whose log-density is `log_noise`, `[batch]`.
    pub fn log_prob_with<const D: usize>(
        &self,
        levels: Tensor<D>,
        noise: Tensor<D>,
        log_noise: Tensor<1>,
    ) -> Tensor<1>
    where
        P: Prior<Value = Tensor<D>>,
    {
        let numbers = levels.dims()[1..].iter().product::<usize>() as f64;
        let count = self.levels as f64;
        let log_prob = self.density.log_prob((levels + noise) / count);
        log_prob - log_noise - numbers * count.ln()
    }

    /// The level that each number of [0, 1) is of; what lies outside is of the nearest.
    fn quantize<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        let count = self.levels as f64;
        (values * count).floor().clamp(0.0, count - 1.0)
    }
}

impl<P, Q, const D: usize> Sampler for Dequantize<P, Q>
where
    P: Prior<Value = Tensor<D>>,
    Q: Block,
{
    type Value = Tensor<D>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<D> {
        self.quantize(self.density.sample(n, device))
    }
}

impl<P, Q, const D: usize> Tempered for Dequantize<P, Q>
where
    P: Prior<Value = Tensor<D>> + Tempered,
    Q: Block,
{
    fn sample_scaled(&self, n: usize, scale: f64, device: &Device) -> Tensor<D> {
        self.quantize(self.density.sample_scaled(n, scale, device))
    }
}

impl<P, Q, const D: usize> Prior for Dequantize<P, Q>
where
    P: Prior<Value = Tensor<D>>,
    Q: Dequantizer<D>,
{
    /// A bound, with fresh noise.
    fn log_prob(&self, levels: Tensor<D>) -> Tensor<1> {
        let (noise, log_noise) = self.noise.draw(&levels, self.levels);
        self.log_prob_with(levels, noise, log_noise)
    }
}

/// What fills the gap between one level and the next.
pub trait Dequantizer<const D: usize>: Block {
    /// Noise in [0, 1) for levels of which there are `count`, and its log-density in nats per sample, `[batch]`.
    fn draw(&self, levels: &Tensor<D>, count: usize) -> (Tensor<D>, Tensor<1>);
}

/// Uniform noise.
#[derive(Module, Debug)]
pub struct UniformDequantizer;

impl<const D: usize> Dequantizer<D> for UniformDequantizer {
    fn draw(&self, levels: &Tensor<D>, _count: usize) -> (Tensor<D>, Tensor<1>) {
        let noise = levels.random_like(Distribution::Default);
        (noise, no_change(levels))
    }
}

/// Noise that an encoder learns: the sigmoid of a draw of its posterior. With a [`FlowHead`](super::FlowHead) the noise is
/// a flow.
#[derive(Module, Debug)]
pub struct VariationalDequantizer<E> {
    encoder: E,
}

impl<E> VariationalDequantizer<E> {
    /// Noise from an encoder that reads levels divided by their number.
    pub fn new(encoder: E) -> Self {
        Self { encoder }
    }
}

impl<E, const D: usize> Dequantizer<D> for VariationalDequantizer<E>
where
    E: Encoder<Input = Tensor<D>>,
    E::Code: Posterior<Latent = Tensor<2>>,
{
    fn draw(&self, levels: &Tensor<D>, count: usize) -> (Tensor<D>, Tensor<1>) {
        let posterior = self.encoder.encode(levels.clone() / count as f64);
        let draw = posterior.draw();
        let log_prob = posterior.log_prob_of(&draw);
        let log_slope = log_sigmoid(draw.z.clone()) + log_sigmoid(draw.z.clone().neg());
        (
            sigmoid(draw.z).reshape(levels.dims()),
            log_prob - sum_event(log_slope),
        )
    }
}

/// `-log_prob / (numbers ln 2)`: how many bits a number of data takes, of which each sample has `numbers`.
pub fn bits_per_dimension(log_prob: Tensor<1>, numbers: usize) -> Tensor<1> {
    log_prob / (-(numbers as f64) * std::f64::consts::LN_2)
}
