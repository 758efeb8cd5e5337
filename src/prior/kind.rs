use super::{
    FullGaussianMixture, GaussianMixture, KernelDensity, StandardNormal, SwissRoll, Uniform,
};
use crate::traits::{Posterior, Prior};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// The priors over vectors, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum PriorKind {
    /// [`StandardNormal`].
    StandardNormal(StandardNormal),
    /// [`GaussianMixture`].
    GaussianMixture(GaussianMixture),
    /// [`SwissRoll`].
    SwissRoll(SwissRoll),
    /// [`Uniform`].
    Uniform(Uniform),
    /// [`FullGaussianMixture`].
    FullGaussianMixture(FullGaussianMixture),
    /// [`KernelDensity`].
    KernelDensity(KernelDensity),
}

impl Prior for PriorKind {
    type Latent = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        match self {
            Self::StandardNormal(prior) => prior.sample(n, device),
            Self::GaussianMixture(prior) => prior.sample(n, device),
            Self::SwissRoll(prior) => prior.sample(n, device),
            Self::Uniform(prior) => prior.sample(n, device),
            Self::FullGaussianMixture(prior) => prior.sample(n, device),
            Self::KernelDensity(prior) => prior.sample(n, device),
        }
    }

    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        match self {
            Self::StandardNormal(prior) => prior.log_prob(z),
            Self::GaussianMixture(prior) => prior.log_prob(z),
            Self::SwissRoll(prior) => prior.log_prob(z),
            Self::Uniform(prior) => prior.log_prob(z),
            Self::FullGaussianMixture(prior) => prior.log_prob(z),
            Self::KernelDensity(prior) => prior.log_prob(z),
        }
    }

    fn kl<Q>(&self, posterior: &Q, z: Tensor<2>) -> Tensor<1>
    where
        Q: Posterior<Latent = Tensor<2>>,
    {
        match self {
            Self::StandardNormal(prior) => prior.kl(posterior, z),
            Self::GaussianMixture(prior) => prior.kl(posterior, z),
            Self::SwissRoll(prior) => prior.kl(posterior, z),
            Self::Uniform(prior) => prior.kl(posterior, z),
            Self::FullGaussianMixture(prior) => prior.kl(posterior, z),
            Self::KernelDensity(prior) => prior.kl(posterior, z),
        }
    }
}
