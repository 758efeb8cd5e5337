use crate::loss::{Losses, SquaredError};
use crate::traits::{Decoder, Encoder, ReconstructionLoss, Support};
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

impl<E, D, L> Autoencoder<E, D, L> {
    /// The autoencoder of these parts.
    pub fn new(encoder: E, decoder: D, reconstruction: L) -> Self {
        Self {
            encoder,
            decoder,
            reconstruction,
        }
    }
}

impl<E, D, L> Autoencoder<E, D, L>
where
    E: Encoder<Input: Clone>,
    D: Decoder<Latent = E::Code>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The term `reconstruction`, per sample, which is also the total.
    pub fn losses(&self, input: E::Input) -> Losses {
        let output = self.decode(self.encode(input.clone()));
        let reconstruction = self.reconstruction.loss(output, input);
        Losses::new(reconstruction.clone()).with_term("reconstruction", reconstruction)
    }

    /// The code of each sample.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.encoder.encode(input)
    }

    /// The decoder's output (logits or means) for each code.
    pub fn decode(&self, code: E::Code) -> D::Output {
        self.decoder.decode(code)
    }

    /// The decoder's output (logits or means) for the code of each sample.
    pub fn reconstruct(&self, input: E::Input) -> D::Output {
        self.decode(self.encode(input))
    }

    /// The values that its reconstruction loss allows in the data.
    pub fn support(&self) -> Support {
        self.reconstruction.support()
    }
}

#[cfg(feature = "train")]
mod steps {
    use super::super::backward;
    use super::*;
    use burn::train::{InferenceStep, TrainOutput, TrainStep};

    impl<E, D, L> TrainStep for Autoencoder<E, D, L>
    where
        Self: Module,
        E: Encoder<Input: Clone + Send + 'static>,
        D: Decoder<Latent = E::Code>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> TrainOutput<Losses> {
            backward(self, self.losses(input))
        }
    }

    impl<E, D, L> InferenceStep for Autoencoder<E, D, L>
    where
        E: Encoder<Input: Clone + Send + 'static>,
        D: Decoder<Latent = E::Code>,
        L: ReconstructionLoss<D::Output, E::Input>,
    {
        type Input = E::Input;
        type Output = Losses;

        fn step(&self, input: E::Input) -> Losses {
            self.losses(input)
        }
    }
}
