use super::log_density;
use crate::distribution::DiagonalGaussian;
use crate::error::{Error, Result, check_at_least_one};
use crate::traits::{Batch, Code, Encoder, Prior, Sampler};
use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::index;
use rand_pcg::Pcg64;

/// What a [`VampPrior`] encodes: K learned inputs, `[K, ...]`, in the shape of the data. They are any numbers; the paper keeps
/// those of images in [0, 1].
#[derive(Module, Debug)]
pub struct PseudoInputs<const D: usize> {
    values: Param<Tensor<D>>,
}

impl<const D: usize> PseudoInputs<D> {
    /// These, to begin with.
    ///
    /// # Errors
    ///
    /// [`Error::Samples`] if there is none.
    pub fn new(values: Tensor<D>) -> Result<Self> {
        if values.dims()[0] == 0 {
            return Err(Error::Samples(
                "PseudoInputs: at least 1 is needed".to_string(),
            ));
        }
        Ok(Self::of(values))
    }

    fn of(values: Tensor<D>) -> Self {
        Self {
            values: Param::from_tensor(values.detach()),
        }
    }

    /// As many of the data, `[samples, ...]`, chosen by chance without one twice, to begin with.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if it is none, or more than there are data.
    pub fn of_data(data: &Tensor<D>, count: usize, seed: u64) -> Result<Self> {
        check_at_least_one("PseudoInputs", "their number", count)?;
        let samples = data.dims()[0];
        if count > samples {
            return Err(Error::Config(format!(
                "PseudoInputs: {count} cannot be chosen from {samples} samples; take at most as many"
            )));
        }
        let mut rng = Pcg64::seed_from_u64(seed);
        let chosen = index::sample(&mut rng, samples, count).into_iter();
        let chosen: Vec<i64> = chosen.map(|index| index as i64).collect();
        let chosen = Tensor::<1, Int>::from_data(TensorData::new(chosen, [count]), &data.device());
        Self::new(data.clone().select(0, chosen))
    }

    /// The same where this module is: what came from data has to be on its autodiff device to be trained with it.
    pub(crate) fn beside(self, module: &impl Module) -> Self {
        let Some(device) = module.devices().into_iter().next() else {
            return self;
        };
        Self::of(Batch::to_device(&self.values(), &device))
    }

    /// What they are now, `[K, ...]`.
    pub fn values(&self) -> Tensor<D> {
        self.values.val()
    }
}

/// The mixture of the posteriors of K learned pseudo-inputs, `p(z) = 1/K sum of q(z | u_k)`: a prior that follows the
/// aggregate posterior, which is the best prior of a VAE, without as many components as there are data.
///
/// It has the encoder of the model whose prior it is: [`VampVae`](crate::model::VampVae) ties the two anew at each use. Its KL is
/// estimated from the draw.
///
/// [Tomczak & Welling 2018](https://arxiv.org/abs/1705.07120), equation 9.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::{PseudoInputs, VampPrior};
///
/// let device = Device::default();
/// let encoder = MlpEncoderConfig::new(vec![13], 2).init_gaussian::<2>(&device)?;
/// let rows = Tensor::<2>::random([100, 13], burn::tensor::Distribution::Default, &device);
/// let prior = VampPrior::new(encoder, PseudoInputs::of_data(&rows, 10, 1)?);
/// let z = prior.sample(5, &device);
/// assert_eq!(prior.log_prob(z).dims(), [5]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct VampPrior<E, const D: usize> {
    encoder: E,
    pseudo_inputs: PseudoInputs<D>,
}

impl<E, const D: usize> VampPrior<E, D>
where
    E: Encoder<Input = Tensor<D>, Code = DiagonalGaussian>,
{
    /// The mixture of what this encoder makes of these inputs.
    pub fn new(encoder: E, pseudo_inputs: PseudoInputs<D>) -> Self {
        Self {
            encoder,
            pseudo_inputs,
        }
    }

    /// The posteriors of the pseudo-inputs, `[K, latent]`.
    pub fn components(&self) -> DiagonalGaussian {
        self.encoder.encode(self.pseudo_inputs.values())
    }
}

impl<E, const D: usize> Sampler for VampPrior<E, D>
where
    E: Encoder<Input = Tensor<D>, Code = DiagonalGaussian>,
{
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let components = self.components();
        let [means, log_vars] =
            [components.mean(), components.log_var()].map(|part| Batch::to_device(&part, device));
        let count = means.dims()[0];
        let place = Tensor::<1>::random([n], Distribution::Uniform(0.0, count as f64), device);
        // Rounding may make the end of the interval of a number within.
        let chosen = place.int().clamp(0, count as i64 - 1);
        let [means, log_vars] = [means, log_vars].map(|part| part.select(0, chosen.clone()));
        DiagonalGaussian::new(means, log_vars).rsample()
    }
}

impl<E, const D: usize> Prior for VampPrior<E, D>
where
    E: Encoder<Input = Tensor<D>, Code = DiagonalGaussian>,
{
    /// # Panics
    ///
    /// If `z` has another number of coordinates than the encoder's codes.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let components = self.components();
        let (means, log_vars) = (components.mean(), components.log_var());
        let count = means.dims()[0];
        let uniform = Tensor::full([count], -(count as f64).ln(), &means.device());
        log_density(z, uniform, means, log_vars)
    }
}
