//! Normalizing flows: densities of data by invertible maps, exact, and sampled as fast or as slowly as the map is inverted.
//!
//! A [`Bijection`] maps data to noise forward, and noise to data inverse; a [`Flow`] is one before a base distribution, and
//! **is a [`Prior`]**: a density of data, which [`MaximumLikelihood`](crate::model::MaximumLikelihood) trains, or a prior of
//! latents. A [`FlowPosterior`] is one behind a posterior: of an encoder, or what a decoder returns.
//!
//! | bijection | over | forward | inverse | context |
//! |---|---|---|---|---|
//! | [`Coupling`] | vectors, images | one pass of its network | one pass | yes |
//! | [`MaskedAutoregressive`] | vectors | one pass | a small step for each coordinate | yes |
//! | [`Elementwise`] | vectors | no network | no network | - |
//! | [`Planar`], [`Radial`], [`Householder`] | vectors | closed form | by bisection, closed form, closed form | yes |
//! | [`ActNorm`], [`Affine`] | vectors, images | a scale and a shift for each channel | the same | - |
//! | [`InvertibleLinear`] | vectors, images | a matrix product | the same, with a matrix that the host inverts | - |
//! | [`Permute`], [`Squeeze`] | vectors; images | moves numbers | moves numbers | - |
//! | [`Logit`] | anything in [0, 1] | closed form | closed form | - |
//! | [`MultiScale`] | images, to vectors | its levels | its levels | as its levels |
//! | [`Chain`], [`Inverse`], a `Vec` of bijections of one type | anything | one after the other; the other direction | | passed on |
//!
//! What a coupling or an autoregressive flow does to each coordinate is an [`ElementwiseMap`]: [`AffineMap`] or
//! [`SplineMap`]. What is ready-made: [`RealNvpConfig`], [`SplineFlowConfig`], [`MafConfig`], [`IafConfig`], [`GlowConfig`].
//!
//! An inverse autoregressive flow (IAF) is the [`Inverse`] of a masked autoregressive one: fast to sample, slow to ask for
//! the density of a given point.
//!
//! Data of integers has no density; [`Dequantize`] makes a bound on its likelihood of a flow's density.

mod act_norm;
mod affine;
mod autoregressive;
mod chain;
mod config;
mod coupling;
mod dequantize;
mod elementwise;
mod head;
mod linear;
mod logit;
mod network;
mod permute;
mod planar;
mod posterior;
mod rqs;
mod split;
mod squeeze;

pub use act_norm::ActNorm;
pub use affine::Affine;
pub use autoregressive::{MaskedAutoregressive, MaskedPerceptron};
pub use chain::{Chain, Inverse};
pub use config::{
    Glow, GlowConfig, GlowStep, Iaf, IafConfig, Maf, MafConfig, RealNvp, RealNvpConfig, SplineFlow,
    SplineFlowConfig,
};
pub use coupling::Coupling;
pub use dequantize::{
    Dequantize, Dequantizer, UniformDequantizer, VariationalDequantizer, bits_per_dimension,
};
pub use elementwise::{AffineMap, Elementwise, ElementwiseMap};
pub use head::FlowHead;
pub use linear::InvertibleLinear;
pub use logit::Logit;
pub(crate) use network::shift;
pub use network::{Conditioner, ConvNetwork, Perceptron};
pub use permute::Permute;
pub use planar::{Householder, Planar, Radial};
pub use posterior::{FlowPosterior, Repeated};
pub use rqs::SplineMap;
pub use split::MultiScale;
pub use squeeze::Squeeze;

use crate::error::{Result, check_not_negative};
use crate::traits::{Batch, Block, Decoder, Prior, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// An invertible map: **forward from data to noise**, inverse from noise to data.
///
/// Either direction returns with its result the logarithm of the absolute determinant of *its own* Jacobian, per sample,
/// `[batch]`, in nats. So `log p(x) = log p(z) + log_det` with `(z, log_det) = forward(x)`, and the log-determinant of
/// the inverse at `z` is minus that of the forward direction at `x`.
///
/// A bijection may depend on a context, `[batch, context]`: a class, a latent, what an encoder saw. One that knows of none
/// leaves the two methods for it as they are.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Bijection, Flow};
/// use burn_generative::prelude::*;
///
/// /// `z = sinh(x)`: tails that are heavier than a Gaussian's lose their weight.
/// #[derive(Module, Debug)]
/// struct Arsinh;
///
/// impl Bijection for Arsinh {
///     type Input = Tensor<2>;
///     type Output = Tensor<2>;
///
///     fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
///         let root = x.clone().square().add_scalar(1.0).sqrt();
///         let log_det = sum_event(root.clone().log()).neg();
///         ((x.clone().abs() + root).log() * x.sign(), log_det)
///     }
///     fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
///         let x = (z.clone().exp() - z.clone().neg().exp()) / 2.0;
///         let log_det = sum_event(x.clone().square().add_scalar(1.0).log() / 2.0);
///         (x, log_det)
///     }
/// }
///
/// let flow = Flow::new(Arsinh, StandardNormal::new(3));
/// let x = flow.sample(4, &Device::default());
/// assert_eq!(flow.log_prob(x).dims(), [4]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no bijection",
    note = "implement `Bijection` for it: `forward` from data to noise, `inverse` back, each with its own log-determinant"
)]
pub trait Bijection: Block {
    /// The data, batch first.
    type Input: Batch;
    /// The noise, batch first.
    type Output: Batch;

    /// From data to noise, and `log |det dz/dx|`, `[batch]`.
    fn forward(&self, x: Self::Input) -> (Self::Output, Tensor<1>);

    /// From noise to data, and `log |det dx/dz|`, `[batch]`.
    fn inverse(&self, z: Self::Output) -> (Self::Input, Tensor<1>);

    /// [`forward`](Self::forward), given a context, `[batch, context]`.
    fn forward_given(&self, x: Self::Input, _context: &Tensor<2>) -> (Self::Output, Tensor<1>) {
        self.forward(x)
    }

    /// [`inverse`](Self::inverse), given a context, `[batch, context]`.
    fn inverse_given(&self, z: Self::Output, _context: &Tensor<2>) -> (Self::Input, Tensor<1>) {
        self.inverse(z)
    }
}

/// `log_det` per sample where it is the same number for all, `[1]`: `[batch]`.
fn for_each(log_det: Tensor<1>, batch: usize) -> Tensor<1> {
    log_det.expand([batch])
}

/// No change of volume, `[batch]`, on the device and of the type of `like`.
fn no_change<const D: usize>(like: &Tensor<D>) -> Tensor<1> {
    Tensor::zeros([like.dims()[0]], (&like.device(), like.dtype()))
}

/// What can be sampled nearer to its middle, or farther from it, than its density says: the noise of a flow's base is
/// multiplied by a temperature. Samples below 1 are more alike, and often better to look at.
/// [Kingma & Dhariwal 2018](https://arxiv.org/abs/1807.03039), section 6.
pub trait Tempered: Sampler {
    /// `n` samples whose noise is multiplied by `scale`, which is not looked at.
    fn sample_scaled(&self, n: usize, scale: f64, device: &Device) -> Self::Value;

    /// `n` samples at a temperature: 1 is as [`sample`](Sampler::sample), 0 gives the image of the base's middle `n` times.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the temperature is negative or no number.
    fn sample_at(&self, n: usize, temperature: f64, device: &Device) -> Result<Self::Value> {
        let scale = check_not_negative("the temperature", temperature)?;
        Ok(self.sample_scaled(n, scale, device))
    }
}

/// A bijection before a base distribution: `log p(x) = log p_base(f(x)) + log |det df/dx|`.
///
/// It is a [`Prior`], and so a density of data, a VAE's prior, or one that is fitted to codes
/// ([`DensityFit`](crate::model::DensityFit)). With a bijection that depends on a context it is also a [`Decoder`] from
/// contexts to distributions, which [`ConditionalLikelihood`](crate::model::ConditionalLikelihood) trains.
///
/// [Rezende & Mohamed 2015](https://arxiv.org/abs/1505.05770); a review is
/// [Papamakarios et al. 2021](https://arxiv.org/abs/1912.02762).
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::flow::{Flow, RealNvpConfig, Tempered};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let flow = Flow::new(RealNvpConfig::new(2).init(&device)?, StandardNormal::new(2));
/// let mut model = MaximumLikelihood::new(flow);
/// let rows = Tensor::<2>::random([64, 2], burn::tensor::Distribution::Normal(3.0, 1.0), &device);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (model, _) = model.learn(&mut optimizer, 1e-3, rows.clone());
/// }
/// let flow = model.density.valid();
/// assert_eq!(flow.sample_at(5, 0.7, &Device::default())?.dims(), [5, 2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Flow<B, P> {
    /// The bijection, from data to noise.
    pub bijection: B,
    /// What the noise is distributed as.
    pub base: P,
}

impl<B, P> Flow<B, P>
where
    B: Bijection,
    P: Prior<Value = B::Output>,
{
    /// The flow of this bijection before this base.
    pub fn new(bijection: B, base: P) -> Self {
        Self { bijection, base }
    }
}

impl<B, P> Sampler for Flow<B, P>
where
    B: Bijection,
    P: Prior<Value = B::Output>,
{
    type Value = B::Input;

    fn sample(&self, n: usize, device: &Device) -> B::Input {
        self.bijection.inverse(self.base.sample(n, device)).0
    }
}

impl<B, P> Prior for Flow<B, P>
where
    B: Bijection,
    P: Prior<Value = B::Output>,
{
    fn log_prob(&self, x: B::Input) -> Tensor<1> {
        let (z, log_det) = self.bijection.forward(x);
        self.base.log_prob(z) + log_det
    }
}

impl<B, P> Tempered for Flow<B, P>
where
    B: Bijection,
    P: Prior<Value = B::Output> + Tempered,
{
    fn sample_scaled(&self, n: usize, scale: f64, device: &Device) -> B::Input {
        let noise = self.base.sample_scaled(n, scale, device);
        self.bijection.inverse(noise).0
    }
}

/// From contexts, `[batch, context]`, to distributions of data.
impl<B, P> Decoder for Flow<B, P>
where
    B: Bijection,
    P: Prior<Value = B::Output> + Tempered,
{
    type Latent = Tensor<2>;
    type Output = FlowPosterior<Repeated<P>, B>;

    fn decode(&self, context: Tensor<2>) -> Self::Output {
        let base = Repeated::new(self.base.clone(), context.dims()[0], &context.device());
        FlowPosterior::new(base, self.bijection.clone()).with_context(context)
    }
}
