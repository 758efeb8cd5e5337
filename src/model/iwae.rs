use super::{LatentOf, Vae};
use crate::error::{Result, check_at_least_one};
use crate::loss::{BernoulliNll, Losses, watch};
use crate::nn::{frozen_copy, is_trained};
use crate::prior::{StandardNormal, log_sum_exp};
use crate::traits::{
    Batch, Code, Decoder, Draw, Encoder, Evidence, LatentVariableModel, Likelihood, Model,
    Posterior, Prior, Sampler,
};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Configuration of an [`Iwae`].
#[derive(Config, Debug)]
pub struct IwaeConfig {
    /// How many draws of the posterior a bound is made of. With 1 it is a VAE's, with its KL estimated by the draw.
    pub k: usize,
    /// Whether the encoder has the doubly reparameterized gradient, whose noise does not grow over its mean as k does.
    #[config(default = false)]
    pub doubly_reparameterized: bool,
}

impl IwaeConfig {
    /// The importance weighted autoencoder of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if k is 0.
    pub fn init<E, D, P, L>(
        &self,
        encoder: E,
        decoder: D,
        prior: P,
        likelihood: L,
    ) -> Result<Iwae<E, D, P, L>>
    where
        E: Encoder<Code: Posterior>,
        D: Decoder<Latent = LatentOf<E>>,
        P: Prior<Value = LatentOf<E>>,
        L: Likelihood<D::Output, E::Input>,
    {
        check_at_least_one("Iwae", "k, the number of draws,", self.k)?;
        Ok(Iwae {
            vae: Vae::new(encoder, decoder, prior, likelihood),
            k: self.k,
            doubly_reparameterized: self.doubly_reparameterized,
        })
    }
}

/// The importance weighted autoencoder: a [`Vae`] that is trained by the bound of k draws,
/// `losses = -log 1/k sum of p(x | z_i) p(z_i) / q(z_i | x)` with `z_i ~ q(z | x)`, which is nearer to `-log p(x)` the larger
/// k is.
///
/// | term | encoder | decoder | prior |
/// |---|---|---|---|
/// | `bound` | trains, through the draws | trains | trains, if it has parameters |
///
/// The bound knows no weights: no beta, no warm-up. The input is encoded once and decoded k times.
///
/// The encoder's gradient drowns in noise as k grows. With
/// [`doubly_reparameterized`](IwaeConfig::doubly_reparameterized) it is `sum of v_i² d log w_i / d z_i  d z_i / d phi` instead, `v_i`
/// the normalised weights: the same on average, with less noise, at the price of decoding every draw twice. Encoder and
/// decoder are then to be functions of their input, without dropout.
///
/// Rather than a [`Vae`], where a likelihood is the aim, and the posterior that is right on average over k draws may be a poor
/// one by itself.
///
/// [Burda et al. 2016](https://arxiv.org/abs/1509.00519), equations 8 and 14;
/// [Tucker et al. 2019](https://arxiv.org/abs/1810.04152), equation 7.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let mut iwae = IwaeConfig::new(5).with_doubly_reparameterized(true).init(
///     MlpEncoderConfig::new(vec![13], 2).init_gaussian(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     StandardNormal::new(2),
///     GaussianNll::default(),
/// )?;
/// let rows = Tensor::<2>::zeros([8, 13], &device);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (iwae, _) = iwae.learn(&mut optimizer, 1e-3, rows.clone());
/// }
/// assert_eq!(iwae.sample(4, &device).dims(), [4, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Iwae<E, D, P = StandardNormal, L = BernoulliNll> {
    /// The parts.
    pub vae: Vae<E, D, P, L>,
    k: usize,
    doubly_reparameterized: bool,
}

impl<E, D, P, L> Iwae<E, D, P, L>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Value = LatentOf<E>>,
    L: Likelihood<D::Output, E::Input>,
{
    /// The number of draws.
    pub fn k(&self) -> usize {
        self.k
    }

    /// [`losses`](Model::losses) with the noise of each draw given, as [`Code::noise`] draws it; as many draws as there are.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn losses_with(&self, input: E::Input, noise: Vec<<E::Code as Code>::Noise>) -> Losses {
        assert!(!noise.is_empty(), "Iwae: a bound needs at least 1 draw");
        let posterior = self.vae.encode(input.clone());
        let draws = noise.into_iter().map(|noise| posterior.draw_with(noise));
        let draws = draws.collect();
        self.losses_of(input, &posterior, draws)
    }

    fn losses_of(
        &self,
        input: E::Input,
        posterior: &E::Code,
        draws: Vec<Draw<LatentOf<E>>>,
    ) -> Losses {
        let losses = if self.doubly_reparameterized && is_trained(&self.vae) {
            self.doubly_reparameterized_losses(input, draws)
        } else {
            let log_weight = |draw| self.log_weight(input.clone(), posterior, draw);
            let log_weights = stack(draws.into_iter().map(log_weight));
            Losses::of("bound", log_mean_exp(log_weights).neg())
        };
        watch(losses, posterior)
    }

    fn log_weight(
        &self,
        input: E::Input,
        posterior: &E::Code,
        draw: Draw<LatentOf<E>>,
    ) -> Tensor<1> {
        self.vae.evidence_of(input, posterior, draw).log_weight
    }

    /// The bound, once as the decoder and the prior see it, of detached draws, and once as the encoder does, of frozen
    /// copies: the two reach disjoint parameters.
    fn doubly_reparameterized_losses(
        &self,
        input: E::Input,
        draws: Vec<Draw<LatentOf<E>>>,
    ) -> Losses {
        let frozen = Self {
            vae: frozen_copy(&self.vae),
            ..self.clone()
        };
        // The posterior's density has a gradient in the point, and none in the encoder's parameters.
        let posterior = frozen.vae.encode(input.clone());
        let without_density = |z| Draw { z, log_prob: None };
        let of_decoder = draws.iter().map(|draw| {
            let draw = without_density(draw.z.clone().detach());
            self.log_weight(input.clone(), &posterior, draw)
        });
        let of_decoder = stack(of_decoder);
        let of_encoder = draws
            .into_iter()
            .map(|draw| frozen.log_weight(input.clone(), &posterior, without_density(draw.z)));
        let squared_weights = softmax(of_decoder.clone().detach(), 1).square();
        let encoder = (stack(of_encoder) * squared_weights)
            .sum_dim(1)
            .squeeze_dim::<1>(1)
            .neg();
        let bound = log_mean_exp(of_decoder).neg();
        // The value of the bound, with both gradients.
        Losses::of("bound", bound + (encoder.clone() - encoder.detach()))
    }
}

/// Side by side, `[batch, k]`.
fn stack(log_weights: impl Iterator<Item = Tensor<1>>) -> Tensor<2> {
    Tensor::stack(log_weights.collect(), 1)
}

/// `log 1/k sum of exp` over the draws, `[batch]`.
fn log_mean_exp(log_weights: Tensor<2>) -> Tensor<1> {
    let [_, k] = log_weights.dims();
    log_sum_exp(log_weights) - (k as f64).ln()
}

impl<E, D, P, L> Model for Iwae<E, D, P, L>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Value = LatentOf<E>>,
    L: Likelihood<D::Output, E::Input>,
{
    type Input = E::Input;

    fn terms(&self) -> Vec<&'static str> {
        vec!["bound"]
    }

    fn losses(&self, input: E::Input) -> Losses {
        let posterior = self.vae.encode(input.clone());
        let draws = (0..self.k).map(|_| posterior.draw()).collect();
        self.losses_of(input, &posterior, draws)
    }
}
crate::learner!(Iwae<E, D, P, L>);

/// Samples are those of the [`Vae`].
impl<E, D, P, L> Sampler for Iwae<E, D, P, L>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Value = LatentOf<E>>,
    L: Likelihood<D::Output, E::Input>,
{
    type Value = E::Input;

    fn sample(&self, n: usize, device: &Device) -> E::Input {
        self.vae.sample(n, device)
    }
}

/// That of the [`Vae`]: one draw of the posterior, whatever k is.
impl<E, D, P, L> LatentVariableModel for Iwae<E, D, P, L>
where
    E: Encoder<Code: Posterior>,
    D: Decoder<Latent = LatentOf<E>>,
    P: Prior<Value = LatentOf<E>>,
    L: Likelihood<D::Output, E::Input>,
{
    type Input = E::Input;
    type Posterior = E::Code;

    fn posterior(&self, input: E::Input) -> E::Code {
        self.vae.posterior(input)
    }

    fn evidence_of(
        &self,
        input: E::Input,
        posterior: &E::Code,
        draw: Draw<LatentOf<E>>,
    ) -> Evidence {
        self.vae.evidence_of(input, posterior, draw)
    }
}
