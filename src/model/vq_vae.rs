use super::fitted_prior::encoded;
use crate::error::{Error, Result};
use crate::loss::{Losses, SquaredError};
use crate::traits::{
    AutoencodingModel, Batch, Block, Decoder, Encoder, Model, Prior, Quantized, Quantizer,
    ReconstructionLoss, Sampler,
};
use burn::module::Module;
use burn::tensor::kind::Basic;
use burn::tensor::{DType, Device, Int, Tensor};

/// An autoencoder whose latents are quantised: discrete codes, without a prior in its training.
///
/// | term | encoder | quantiser | decoder |
/// |---|---|---|---|
/// | `reconstruction` | trains, straight through | - | trains |
/// | `codebook`, if a gradient moves the vectors | - | trains | - |
/// | `commitment`, of vectors that are learned | trains | - | - |
///
/// A quantiser's terms are summed over the latents of a sample, as a reconstruction is over its pixels, so that neither the
/// batch nor the size of an image weighs one against the other. The code of an encoder has its coordinates along axis 1:
/// `[batch, width]`, or `[batch, width, height, width]` for maps, whose every place is a latent of its own. Indices are
/// `[batch, depth, ..]`, with the other axes of the code.
///
/// A density of the indices makes it a generative model: [`with_fitted_prior`](Self::with_fitted_prior), after the training.
///
/// [van den Oord et al. 2017](https://arxiv.org/abs/1711.00937).
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::autoregressive::{Output, PixelCnnConfig};
/// use burn_generative::distribution::Levels;
/// use burn_generative::model::{DensityFit, VqVae};
/// use burn_generative::nn::{Fsq, ResidualDecoderConfig, ResidualEncoderConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let mut model = VqVae::new(
///     ResidualEncoderConfig::new([1, 8, 8], 2).with_features(4).init(&device)?,
///     ResidualDecoderConfig::new(2, [1, 8, 8]).with_features(4).init(&device)?,
///     Fsq::new([5, 4])?,
///     SquaredError,
/// );
/// let images = Tensor::<4>::zeros([16, 1, 8, 8], &device);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (model, _) = model.learn(&mut optimizer, 1e-3, images.clone());
/// }
/// assert_eq!(model.encode(images.clone()).dims(), [16, 1, 2, 2]);
///
/// // Then a density of the codes, which are the levels 0 to 19 of an image of 2x2.
/// let model = model.with_fitted_prior(images, |codes| {
///     let output = Output::Categorical(Levels::counting(20)?);
///     let prior = PixelCnnConfig::new([1, 2, 2]).with_features(4).with_layers(1);
///     DensityFit::new().with_steps(5).fit(prior.init_with(output, &device)?, codes)
/// })?;
/// assert_eq!(model.sample(3, &device).dims(), [3, 1, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct VqVae<E, D, Q, L = SquaredError, P = Unfitted> {
    /// Maps data to points.
    pub encoder: E,
    /// Maps quantised points back to data.
    pub decoder: D,
    /// What makes codes of points.
    pub quantizer: Q,
    /// What a reconstruction costs.
    pub reconstruction: L,
    /// The density of the codes, once it was fitted.
    pub prior: P,
}

/// In the place of a density of codes that is yet to be fitted: [`VqVae::with_fitted_prior`].
#[derive(Module, Debug, Default)]
pub struct Unfitted;

impl<E, D, Q, L, const R: usize> VqVae<E, D, Q, L>
where
    E: Encoder<Code = Tensor<R>>,
    D: Decoder<Latent = Tensor<R>>,
    Q: Quantizer,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The model of these parts.
    pub fn new(encoder: E, decoder: D, quantizer: Q, reconstruction: L) -> Self {
        Self {
            encoder,
            decoder,
            quantizer,
            reconstruction,
            prior: Unfitted,
        }
    }
}

impl<E, D, Q, L, P, const R: usize> VqVae<E, D, Q, L, P>
where
    E: Encoder<Code = Tensor<R>>,
    D: Decoder<Latent = Tensor<R>>,
    Q: Quantizer,
    L: ReconstructionLoss<D::Output, E::Input>,
    P: Block,
{
    /// The vectors of each sample, in the shape of the encoder's code, their indices, and the quantiser's terms for each.
    fn quantize(&self, input: E::Input) -> (Tensor<R>, Tensor<R, Int>, Losses) {
        let code = self.encoder.encode(input);
        let shape = code.dims();
        let Quantized {
            vectors,
            indices,
            losses,
        } = self.quantizer.quantize(to_rows(code));
        let places = shape[2..].iter().product();
        let of_sample = |of_latent: Tensor<1>| {
            let of_latent = of_latent.reshape([shape[0], places]);
            of_latent.sum_dim(1).squeeze_dim(1)
        };
        let losses = losses.map(of_sample);
        (from_rows(vectors, shape), from_rows(indices, shape), losses)
    }

    /// The codes of each sample, `[batch, depth, ..]`, as in evaluation: the codebook does not follow.
    pub fn encode(&self, input: E::Input) -> Tensor<R, Int> {
        let input = input.to_device(&input.device().without_autodiff());
        let (_, indices, _) = self.valid().quantize(input);
        indices
    }

    /// The decoder's output (logits or means) for codes, `[batch, depth, ..]`.
    pub fn decode(&self, codes: Tensor<R, Int>) -> D::Output {
        let shape = codes.dims();
        let vectors = self.quantizer.lookup(to_rows(codes));
        self.decoder.decode(from_rows(vectors, shape))
    }

    /// What the model makes of each sample: data, from its codes, as in evaluation.
    pub fn reconstruct(&self, input: E::Input) -> E::Input {
        let output = self.valid().decode(self.encode(input));
        self.reconstruction.point(output)
    }

    /// The same autoencoder, trained as it is, with a density that is fitted to the codes of the data, in the order of the
    /// data: integers as floats, `[batch, depth, ..]`, the levels of
    /// [`Levels::counting`](crate::distribution::Levels::counting). (A device whose floats have 16 bits tells no more than 256
    /// codes apart, those of `f16` 2,048.)
    ///
    /// The fit is any function of the codes: a [`DensityFit`](super::DensityFit), a training of one's own, weights of a file.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are more codes than floats of the device tell apart; what the fit returns.
    pub fn with_fitted_prior<F>(
        &self,
        data: E::Input,
        fit: impl FnOnce(Tensor<R>) -> Result<F>,
    ) -> Result<VqVae<E, D, Q, L, F>>
    where
        F: Sampler<Value = Tensor<R>>,
    {
        let model = self.valid();
        let codes = encoded(data, |batch| model.encode(batch).float());
        let counted = match codes.dtype() {
            DType::BF16 => 1 << 8,
            DType::F16 => 1 << 11,
            _ => usize::MAX,
        };
        if self.quantizer.codes() > counted {
            return Err(Error::Config(format!(
                "VqVae: floats of 16 bits tell no more than {counted} codes apart, and there are {}; fit the density in 32 bits",
                self.quantizer.codes()
            )));
        }
        let prior = fit(codes)?;
        Ok(VqVae {
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            quantizer: self.quantizer.clone(),
            reconstruction: self.reconstruction.clone(),
            prior,
        })
    }

    /// What the codes of each sample cost by their density, `-log p(codes)` in nats, `[batch]`: the rate of a compression with
    /// this model.
    pub fn rate(&self, input: E::Input) -> Tensor<1>
    where
        P: Prior<Value = Tensor<R>>,
    {
        self.prior.log_prob(self.encode(input).float()).neg()
    }
}

impl<E, D, Q, L, P, const R: usize> Model for VqVae<E, D, Q, L, P>
where
    E: Encoder<Code = Tensor<R>>,
    D: Decoder<Latent = Tensor<R>>,
    Q: Quantizer,
    L: ReconstructionLoss<D::Output, E::Input>,
    P: Block,
{
    type Input = E::Input;

    /// `reconstruction`, and those of the quantiser.
    fn terms(&self) -> Vec<&'static str> {
        [vec!["reconstruction"], self.quantizer.terms()].concat()
    }

    fn losses(&self, input: E::Input) -> Losses {
        let (vectors, _, of_quantizer) = self.quantize(input.clone());
        let output = self.decoder.decode(vectors);
        let reconstruction = self.reconstruction.loss(output, input);
        Losses::of("reconstruction", reconstruction).plus(of_quantizer)
    }
}
crate::learner!(VqVae<E, D, Q, L, P>);

/// Gradients of a reconstruction reach the encoder straight through its codes.
impl<E, D, Q, L, P, const R: usize> AutoencodingModel for VqVae<E, D, Q, L, P>
where
    E: Encoder<Code = Tensor<R>>,
    D: Decoder<Latent = Tensor<R>, Output: Clone>,
    Q: Quantizer,
    L: ReconstructionLoss<D::Output, E::Input>,
    P: Block,
{
    fn losses_and_reconstruction(&self, input: E::Input) -> (Losses, E::Input) {
        let (vectors, _, of_quantizer) = self.quantize(input.clone());
        let output = self.decoder.decode(vectors);
        let reconstruction = self.reconstruction.point(output.clone());
        let loss = self.reconstruction.loss(output, input);
        let losses = Losses::of("reconstruction", loss).plus(of_quantizer);
        (losses, reconstruction)
    }
}

/// Samples are data, the [point](ReconstructionLoss::point) of what the decoder makes of codes that the density drew; without
/// gradients and as in evaluation.
impl<E, D, Q, L, P, const R: usize> Sampler for VqVae<E, D, Q, L, P>
where
    E: Encoder<Code = Tensor<R>>,
    D: Decoder<Latent = Tensor<R>>,
    Q: Quantizer,
    L: ReconstructionLoss<D::Output, E::Input>,
    P: Sampler<Value = Tensor<R>>,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        let model = self.valid();
        let codes = model.prior.sample(n, &device.clone().inner());
        let output = model.decode(codes.round().int());
        model.reconstruction.point(output)
    }
}

/// `[batch, columns, ..]` as rows, `[batch and places, columns]`.
fn to_rows<const R: usize, K: Basic>(maps: Tensor<R, K>) -> Tensor<2, K> {
    let shape = maps.dims();
    let rows = shape[0] * shape[2..].iter().product::<usize>();
    maps.movedim(1, R - 1).reshape([rows, shape[1]])
}

/// Rows back in maps of this shape, but for their number of columns.
fn from_rows<const R: usize, K: Basic>(rows: Tensor<2, K>, mut shape: [usize; R]) -> Tensor<R, K> {
    shape[1..].rotate_left(1);
    shape[R - 1] = rows.dims()[1];
    rows.reshape(shape).movedim(R - 1, 1)
}
