use crate::distribution::divergence::categorical;
use crate::distribution::one_hot_of_largest;
use crate::error::{Error, Result, check_at_least_one};
use crate::traits::{Family, Posterior, Prior, Sampler};
use burn::module::Module;
use burn::tensor::{DType, Device, Distribution, Tensor};

/// Independent categorical variables, every class as likely as the others: the prior of one-hot latents,
/// `[batch, variables * classes]`, as those of a [`GumbelSoftmax`](crate::distribution::GumbelSoftmax) are.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::UniformCategorical;
///
/// let prior = UniformCategorical::new(30, 10)?;
/// let z = prior.sample(4, &Device::default());
/// let nats = prior.log_prob(z).into_data();
/// nats.assert_approx_eq::<f32>(&TensorData::from([-30.0 * 10f32.ln(); 4]), Default::default());
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct UniformCategorical {
    variables: usize,
    classes: usize,
}

impl UniformCategorical {
    /// The prior of so many variables of so many classes each.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] without a variable, or with fewer than two classes.
    pub fn new(variables: usize, classes: usize) -> Result<Self> {
        check_at_least_one("UniformCategorical", "variables", variables)?;
        if classes < 2 {
            return Err(Error::Config(format!(
                "UniformCategorical: a variable of {classes} classes says nothing; it needs at least 2"
            )));
        }
        Ok(Self { variables, classes })
    }

    /// The log-probability of a latent, whichever it is, in nats.
    fn nats(&self) -> f64 {
        -(self.variables as f64) * (self.classes as f64).ln()
    }
}

impl Sampler for UniformCategorical {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let shape = [n, self.variables, self.classes];
        let noise = Tensor::<3>::random(shape, Distribution::Default, (device, DType::F32));
        one_hot_of_largest(noise).cast(device.settings().float_dtype)
    }
}

/// # Panics
///
/// If the latents, or the variables of a posterior, are others.
impl Prior for UniformCategorical {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [batch, coordinates] = z.dims();
        assert!(
            coordinates == self.variables * self.classes,
            "UniformCategorical: it is over {} variables of {} classes, but the latents have {coordinates} coordinates",
            self.variables,
            self.classes,
        );
        Tensor::full([batch], self.nats(), (&z.device(), z.dtype()))
    }

    fn exact_kl<Q>(&self, posterior: &Q) -> Option<Tensor<1>>
    where
        Q: Posterior<Latent = Tensor<2>>,
    {
        let Family::Categorical { logits } = posterior.family()? else {
            return None;
        };
        let [_, variables, classes] = logits.dims();
        assert!(
            [variables, classes] == [self.variables, self.classes],
            "UniformCategorical: it is over {} variables of {} classes, but the posteriors are over {variables} of {classes}",
            self.variables,
            self.classes,
        );
        Some(categorical::kl(logits.clone(), logits.zeros_like()))
    }
}
