use crate::loss::{Losses, SquaredError};
use crate::nn::{GaussianCorruption, is_trained};
use crate::traits::{Corruption, Decoder, Encoder, Model, ReconstructionLoss};
use burn::module::Module;

/// A denoising autoencoder: `losses = R(dec(enc(corrupt(x))), x)`, whose target is always the clean `x`.
///
/// | term | encoder | decoder |
/// |---|---|---|
/// | `reconstruction` | trains | trains |
///
/// The corruption is drawn anew at every step. On a device without autodiff (in evaluation) the input is
/// corrupted too, since removing noise is what the model is for; [`with_corrupt_at_evaluation`](Self::with_corrupt_at_evaluation)
/// turns that off. [`reconstruct`](Self::reconstruct) never corrupts: it takes what is noisy already.
///
/// Rather than an [`Autoencoder`](super::Autoencoder), where inputs will be noisy or incomplete, or where codes are wanted
/// that do not hang on single pixels.
///
/// [Vincent et al. 2008](https://doi.org/10.1145/1390156.1390294),
/// [2010](https://www.jmlr.org/papers/v11/vincent10a.html).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::GaussianCorruption;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let model = DenoisingAutoencoder::new(
///     MlpEncoderConfig::new(vec![13], 4).init(&device)?,
///     MlpDecoderConfig::new(4, vec![13]).init(&device)?,
///     GaussianCorruption::new(0.5)?,
///     SquaredError,
/// );
/// let rows = Tensor::<2>::zeros([8, 13], &device);
/// let gradients = model.losses(rows.clone()).mean().backward();
/// assert_eq!(model.reconstruct(model.corrupt(rows)).dims(), [8, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct DenoisingAutoencoder<E, D, C = GaussianCorruption, L = SquaredError> {
    /// Maps corrupted data to codes.
    pub encoder: E,
    /// Maps codes to clean data.
    pub decoder: D,
    /// What is done to the input.
    pub corruption: C,
    /// What a reconstruction of the clean data costs.
    pub reconstruction: L,
    corrupt_at_evaluation: bool,
}

impl<E, D, C, L> DenoisingAutoencoder<E, D, C, L>
where
    E: Encoder,
    D: Decoder<Latent = E::Code>,
    C: Corruption<E::Input>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    /// The denoising autoencoder of these parts.
    pub fn new(encoder: E, decoder: D, corruption: C, reconstruction: L) -> Self {
        Self {
            encoder,
            decoder,
            corruption,
            reconstruction,
            corrupt_at_evaluation: true,
        }
    }

    /// Sets whether `losses` corrupts on a device without autodiff as well; it does unless this is set.
    pub fn with_corrupt_at_evaluation(mut self, corrupt: bool) -> Self {
        self.corrupt_at_evaluation = corrupt;
        self
    }

    /// The deterministic twin of [`losses`](Model::losses): with this noise, as
    /// [`Corruption::noise`] draws it.
    pub fn losses_with(&self, clean: E::Input, noise: E::Input) -> Losses {
        let corrupted = self.corruption.corrupt_with(clean.clone(), noise);
        self.losses_of(corrupted, clean)
    }

    fn losses_of(&self, corrupted: E::Input, clean: E::Input) -> Losses {
        let output = self.decode(self.encode(corrupted));
        Losses::of("reconstruction", self.reconstruction.loss(output, clean))
    }

    /// A batch with fresh noise on it.
    pub fn corrupt(&self, clean: E::Input) -> E::Input {
        self.corruption.corrupt(clean)
    }

    /// The code of each sample, as it is.
    pub fn encode(&self, input: E::Input) -> E::Code {
        self.encoder.encode(input)
    }

    /// The decoder's output (logits or means) for each code.
    pub fn decode(&self, code: E::Code) -> D::Output {
        self.decoder.decode(code)
    }

    /// What the model makes of each noisy sample: data, from its code.
    pub fn reconstruct(&self, noisy: E::Input) -> E::Input {
        self.reconstruction.point(self.decode(self.encode(noisy)))
    }
}

impl<E, D, C, L> Model for DenoisingAutoencoder<E, D, C, L>
where
    E: Encoder,
    D: Decoder<Latent = E::Code>,
    C: Corruption<E::Input>,
    L: ReconstructionLoss<D::Output, E::Input>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        vec!["reconstruction"]
    }

    /// The data is corrupted first.
    fn losses(&self, clean: E::Input) -> Losses {
        if is_trained(self) || self.corrupt_at_evaluation {
            self.losses_of(self.corrupt(clean.clone()), clean)
        } else {
            self.losses_of(clean.clone(), clean)
        }
    }
}
crate::learner!(DenoisingAutoencoder<E, D, C, L>);
