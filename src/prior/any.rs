use super::{
    FullGaussianMixture, GaussianMixture, KernelDensity, StandardNormal, SwissRoll, Uniform,
};
use crate::traits::{Posterior, Prior, Sampler};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// The priors over vectors, for an application that chooses at run time.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum AnyPrior {
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

/// An expression of whichever prior it is.
macro_rules! each {
    ($any:expr, $prior:ident => $value:expr) => {
        match $any {
            AnyPrior::StandardNormal($prior) => $value,
            AnyPrior::GaussianMixture($prior) => $value,
            AnyPrior::SwissRoll($prior) => $value,
            AnyPrior::Uniform($prior) => $value,
            AnyPrior::FullGaussianMixture($prior) => $value,
            AnyPrior::KernelDensity($prior) => $value,
        }
    };
}

impl Sampler for AnyPrior {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        each!(self, prior => prior.sample(n, device))
    }
}

impl Prior for AnyPrior {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        each!(self, prior => prior.log_prob(z))
    }

    fn exact_kl<Q>(&self, posterior: &Q) -> Option<Tensor<1>>
    where
        Q: Posterior<Latent = Tensor<2>>,
    {
        each!(self, prior => prior.exact_kl(posterior))
    }
}
