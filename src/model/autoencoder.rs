use crate::loss::{Losses, SquaredError};
use crate::traits::{AutoencodingModel, Decoder, Encoder, Model, ReconstructionLoss};
use burn::module::Module;

/// An autoencoder: `losses = R(dec(enc(x)), x)`.
///
/// | term | encoder | decoder |
/// |---|---|---|
/// | `reconstruction` | trains | trains |
///
/// For compression, denoising and features; its latents have no distribution, so it has no `sample`:
/// use a [`Vae`](crate::model::Vae) to generate.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let autoencoder = Autoencoder::new(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     SquaredError,
/// );
/// let rows = Tensor::<2>::zeros([8, 13], &device);
/// let gradients = autoencoder.losses(rows.clone()).mean().backward();
/// assert_eq!(autoencoder.reconstruct(rows).dims(), [8, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Autoencoder<E, D, L = SquaredError> {
    /// Maps data to points.
    pub encoder: E,
    /// Maps points back to data.
    pub decoder: D,
    /// What a reconstruction costs.
    pub reconstruction: L,
}

impl<E, D, L> Autoencoder<E, D, L>
where
    E: Encoder,
    D: Decoder<Latent = E::Code>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The autoencoder of these parts.
    pub fn new(encoder: E, decoder: D, reconstruction: L) -> Self {
        Self {
            encoder,
            decoder,
            reconstruction,
        }
    }

    /// The code of each sample.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.encoder.encode(input)
    }

    /// The decoder's output (logits or means) for each code.
    pub fn decode(&self, code: E::Code) -> D::Output {
        self.decoder.decode(code)
    }

    /// What the model makes of each sample: data, from its code.
    pub fn reconstruct(&self, input: E::Input) -> E::Input {
        self.reconstruction.point(self.decode(self.encode(input)))
    }
}

impl<E, D, L> Model for Autoencoder<E, D, L>
where
    E: Encoder,
    D: Decoder<Latent = E::Code>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        vec!["reconstruction"]
    }

    fn losses(&self, input: E::Input) -> Losses {
        let output = self.decode(self.encode(input.clone()));
        Losses::of("reconstruction", self.reconstruction.loss(output, input))
    }
}
crate::learner!(Autoencoder<E, D, L>);

impl<E, D, L> AutoencodingModel for Autoencoder<E, D, L>
where
    E: Encoder,
    D: Decoder<Latent = E::Code, Output: Clone>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    fn losses_and_reconstruction(&self, input: E::Input) -> (Losses, E::Input) {
        let output = self.decode(self.encode(input.clone()));
        let reconstruction = self.reconstruction.point(output.clone());
        let loss = self.reconstruction.loss(output, input);
        (Losses::of("reconstruction", loss), reconstruction)
    }
}
