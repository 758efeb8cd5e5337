use super::linear::{activate, linear};
use super::{GaussianHead, Head, check_layers, event_size};
use crate::distribution::DiagonalGaussian;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::rows;
use crate::traits::{Batch, Decoder, Encoder};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::activation::{Activation, ActivationConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Configuration of an [`MlpEncoder`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// // Images to a posterior, for a VAE.
/// let encoder = MlpEncoderConfig::new(vec![1, 28, 28], 20).init_gaussian(&device)?;
/// let posterior = encoder.encode(Tensor::<4>::zeros([2, 1, 28, 28], &device));
/// assert_eq!(posterior.mean().dims(), [2, 20]);
/// // Rows of a table to points, for an autoencoder.
/// let encoder = MlpEncoderConfig::new(vec![13], 2).with_hidden(vec![64, 32]).init(&device)?;
/// assert_eq!(encoder.encode(Tensor::<2>::zeros([2, 13], &device)).dims(), [2, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MlpEncoderConfig {
    /// The shape of one sample, the batch axis left out: `[1, 28, 28]`, or `[features]`.
    pub shape: Vec<usize>,
    /// The number of latent coordinates.
    pub latent_dim: usize,
    /// The widths of the hidden layers, from the data to the code; may be empty.
    #[config(default = "vec![400]")]
    pub hidden: Vec<usize>,
    /// The activation after every hidden layer.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
}

impl MlpEncoderConfig {
    /// An encoder to points, `[batch, latent_dim]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, or the shape has not `D - 1` axes.
    pub fn init<const D: usize>(&self, device: &Device) -> Result<MlpEncoder<Linear, D>> {
        self.init_with_head(device, |features| {
            LinearConfig::new(features, self.latent_dim).init(device)
        })
    }

    /// An encoder to posteriors: a [`DiagonalGaussian`] over `[batch, latent_dim]`.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_gaussian<const D: usize>(
        &self,
        device: &Device,
    ) -> Result<MlpEncoder<GaussianHead, D>> {
        self.init_with_head(device, |features| {
            GaussianHead::new(features, self.latent_dim, device)
        })
    }

    /// An encoder that ends in a head of your own, made from the number of features it reads.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_with_head<H, const D: usize>(
        &self,
        device: &Device,
        head: impl FnOnce(usize) -> H,
    ) -> Result<MlpEncoder<H, D>> {
        const PART: &str = "MlpEncoder";
        check_rank::<D>(PART, &self.shape)?;
        check_at_least_one(PART, "latent_dim", self.latent_dim)?;
        let features = event_size(PART, &self.shape)?;
        let body = Mlp::new(PART, features, &self.hidden, &self.activation, device)?;
        check_layers(PART, &[body.width(), self.latent_dim])?;
        let head = head(body.width());
        Ok(MlpEncoder { body, head })
    }
}

/// A multi-layer perceptron from data of any shape to a code, which its head `H` makes.
///
/// Shapes: `[batch, ...shape]` to `[batch, latent_dim]`. Built by [`MlpEncoderConfig`].
#[derive(Module, Debug)]
pub struct MlpEncoder<H, const D: usize> {
    body: Mlp,
    head: H,
}

impl<H: Head, const D: usize> Encoder for MlpEncoder<H, D> {
    type Input = Tensor<D>;
    type Code = H::Code;

    fn encode(&self, input: Tensor<D>) -> H::Code {
        self.head.forward(self.body.forward(rows(input)))
    }
}

/// Configuration of an [`MlpDecoder`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let decoder = MlpDecoderConfig::new(20, vec![3, 32, 32]).init(&device)?;
/// let logits: Tensor<4> = decoder.decode(Tensor::zeros([2, 20], &device));
/// assert_eq!(logits.dims(), [2, 3, 32, 32]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MlpDecoderConfig {
    /// The number of latent coordinates.
    pub latent_dim: usize,
    /// The shape of one sample, the batch axis left out: `[1, 28, 28]`, or `[features]`.
    pub shape: Vec<usize>,
    /// The widths of the hidden layers, from the code to the data; may be empty.
    #[config(default = "vec![400]")]
    pub hidden: Vec<usize>,
    /// The activation after every hidden layer.
    #[config(default = "ActivationConfig::Relu")]
    pub activation: ActivationConfig,
}

impl MlpDecoderConfig {
    /// A decoder to logits or means, `[batch, ...shape]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is zero or absurd, or the shape has not `D - 1` axes.
    pub fn init<const D: usize>(&self, device: &Device) -> Result<MlpDecoder<Linear, D>> {
        let (body, features) = self.body::<D>(device)?;
        let head = LinearConfig::new(body.width(), features).init(device);
        Ok(self.with_head(body, head))
    }

    /// A decoder to a [`DiagonalGaussian`] over `[batch, ...shape]`, with a variance of its own for
    /// every element; its loss is
    /// [`Nll`](crate::loss::Nll).
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_gaussian<const D: usize>(
        &self,
        device: &Device,
    ) -> Result<MlpDecoder<GaussianHead, D>> {
        let (body, features) = self.body::<D>(device)?;
        let head = GaussianHead::new(body.width(), features, device);
        Ok(self.with_head(body, head))
    }

    fn body<const D: usize>(&self, device: &Device) -> Result<(Mlp, usize)> {
        const PART: &str = "MlpDecoder";
        check_rank::<D>(PART, &self.shape)?;
        check_at_least_one(PART, "latent_dim", self.latent_dim)?;
        let features = event_size(PART, &self.shape)?;
        let body = Mlp::new(
            PART,
            self.latent_dim,
            &self.hidden,
            &self.activation,
            device,
        )?;
        check_layers(PART, &[body.width(), features])?;
        Ok((body, features))
    }

    fn with_head<H, const D: usize>(&self, body: Mlp, head: H) -> MlpDecoder<H, D> {
        MlpDecoder {
            body,
            head,
            shape: self.shape.clone(),
        }
    }
}

/// A multi-layer perceptron from latents to data of any shape.
///
/// Shapes: `[batch, latent_dim]` to `[batch, ...shape]`. Built by [`MlpDecoderConfig`].
#[derive(Module, Debug)]
pub struct MlpDecoder<H, const D: usize> {
    body: Mlp,
    head: H,
    #[module(skip)]
    shape: Vec<usize>,
}

impl<const D: usize> MlpDecoder<Linear, D> {
    /// The same decoder, whose outputs start around these, `[1, ...shape]`: the logits or the mean of the data. Else the first
    /// steps, which agree for all samples, go through the code as well, and can leave an encoder saturated that nothing holds
    /// to its prior: one under a warm-up, or whose prior learns.
    ///
    /// [Burda et al. 2016](https://arxiv.org/abs/1509.00519), section 5.
    ///
    /// # Panics
    ///
    /// If there are not as many as outputs.
    pub fn with_output_bias(mut self, outputs: Tensor<D>) -> Self {
        let features: usize = self.shape.iter().product();
        let dims = outputs.dims();
        assert!(
            dims.iter().product::<usize>() == features,
            "MlpDecoder: a bias of shape {dims:?} for outputs of shape {:?}",
            self.shape
        );
        // Where the weights are: in a training, what came from data has to be put on the autodiff device to be trained.
        let bias = outputs.reshape([features]);
        let bias = Batch::to_device(&bias, &self.head.weight.lazy_device());
        self.head.bias = Some(Param::from_tensor(bias.detach()));
        self
    }
}

impl<H, const D: usize> MlpDecoder<H, D> {
    /// `[batch, ...shape]`.
    fn output_shape(&self, batch: usize) -> [usize; D] {
        core::array::from_fn(|axis| {
            if axis == 0 {
                batch
            } else {
                self.shape[axis - 1]
            }
        })
    }
}

impl<const D: usize> Decoder for MlpDecoder<Linear, D> {
    type Latent = Tensor<2>;
    type Output = Tensor<D>;

    fn decode(&self, latent: Tensor<2>) -> Tensor<D> {
        let shape = self.output_shape(latent.dims()[0]);
        Head::forward(&self.head, self.body.forward(latent)).reshape(shape)
    }
}

impl<const D: usize> Decoder for MlpDecoder<GaussianHead, D> {
    type Latent = Tensor<2>;
    type Output = DiagonalGaussian<D>;

    fn decode(&self, latent: Tensor<2>) -> DiagonalGaussian<D> {
        let shape = self.output_shape(latent.dims()[0]);
        let features = self.body.forward(latent);
        self.head.over_data(features).reshape(shape)
    }
}

/// The hidden layers of both, and the rungs of a ladder: linear, activation, and again.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    layers: Vec<Linear>,
    activation: Activation,
    input: usize,
}

impl Mlp {
    pub(crate) fn new(
        part: &str,
        input: usize,
        hidden: &[usize],
        activation: &ActivationConfig,
        device: &Device,
    ) -> Result<Self> {
        for &width in hidden {
            check_at_least_one(part, "a hidden width", width)?;
        }
        let widths: Vec<usize> = [input].iter().chain(hidden).copied().collect();
        check_layers(part, &widths)?;
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        Ok(Self {
            layers: widths.windows(2).map(layer).collect(),
            activation: activation.init(device),
            input,
        })
    }

    /// The number of features it ends with.
    pub(crate) fn width(&self) -> usize {
        let last = self.layers.last();
        last.map_or(self.input, |layer| layer.weight.shape().dims::<2>()[1])
    }

    pub(crate) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let layer = |x, layer: &Linear| activate(&self.activation, linear(layer, x));
        self.layers.iter().fold(input, layer)
    }
}

pub(crate) fn check_rank<const D: usize>(part: &str, shape: &[usize]) -> Result<()> {
    if shape.len() + 1 == D {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{part}: it works on tensors of rank {D}, so the shape of a sample has {} axes, but {shape:?} \
         has {}",
        D - 1,
        shape.len()
    )))
}
