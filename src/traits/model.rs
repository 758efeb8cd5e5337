use super::{Batch, Block, Code, Draw, Posterior};
use crate::losses::Losses;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

/// The latent of an approximate posterior.
type LatentOf<Q> = <Q as Code>::Latent;

/// What can be trained: a module that says what a batch costs it. Every model of this crate is one, and with
/// [`learner!`](crate::learner) burn's `Learner` trains it as it is.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// The nearest of a few points: k-means by gradient descent.
/// #[derive(Module, Debug)]
/// struct Centres { at: burn::module::Param<Tensor<2>> }
///
/// impl Model for Centres {
///     type Input = Tensor<2>;
///
///     fn terms(&self) -> Vec<&'static str> {
///         vec!["distance"]
///     }
///     fn losses(&self, rows: Tensor<2>) -> Losses {
///         let apart = rows.unsqueeze_dim::<3>(1) - self.at.val().unsqueeze::<3>();
///         let nearest = apart.square().sum_dim(2).min_dim(1);
///         Losses::of("distance", nearest.flatten(0, 2))
///     }
/// }
/// # #[cfg(feature = "train")]
/// burn_generative::learner!(Centres);
///
/// let device = Device::default().autodiff();
/// let at = Tensor::from_floats([[0.0, 0.0], [1.0, 1.0]], &device);
/// let mut centres = Centres { at: burn::module::Param::from_tensor(at) };
/// let rows = Tensor::from_floats([[-2.0, 0.0], [3.0, 1.0]], &device);
/// let mut optimizer = AdamConfig::new().init();
/// let mut losses;
/// for _step in 0..3 {
///     (centres, losses) = centres.learn(&mut optimizer, 0.1, rows.clone());
///     assert_eq!(losses.term("distance").unwrap().dims(), [2]);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no model that can be trained",
    note = "if it is built of parts, one of them does not fit the others: try its `new`, which names the part"
)]
pub trait Model: Block {
    /// What it learns from, batch first: a tensor, or a pair of data and label.
    type Input: Batch;

    /// The names of the terms of its losses.
    fn terms(&self) -> Vec<&'static str>;

    /// The terms, per sample, `[batch]`, and the total that is to be minimised.
    fn losses(&self, input: Self::Input) -> Losses;

    /// The same model after one step of an optimizer: what counts steps (a warm-up, a critic's turns) counts here.
    /// [`learn`](Self::learn) and burn's `Learner` call it; a loop that steps an optimizer by hand has to.
    fn advance(self) -> Self {
        self
    }

    /// One training step, at this learning rate: the model after it, and the losses before it, without their graph.
    ///
    /// # Panics
    ///
    /// If the model is not on an autodiff device.
    fn learn(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: f64,
        input: Self::Input,
    ) -> (Self, Losses) {
        let losses = self.losses(input);
        let gradients = GradientsParams::from_grads(losses.mean().backward(), &self);
        let model = optimizer.step(rate, self, gradients).advance();
        (model, losses.without_graph())
    }
}

/// A model that makes its data anew, and shows in a training what it made of them: what a critic of reconstructions looks at
/// ([`ReconstructionGan`](crate::model::ReconstructionGan)).
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// /// Rows through a layer that is narrower than they are.
/// #[derive(Module, Debug)]
/// struct Narrow { first: Linear, second: Linear }
///
/// impl Model for Narrow {
///     type Input = Tensor<2>;
///
///     fn terms(&self) -> Vec<&'static str> {
///         vec!["error"]
///     }
///     fn losses(&self, rows: Tensor<2>) -> Losses {
///         self.losses_and_reconstruction(rows).0
///     }
/// }
///
/// impl AutoencodingModel for Narrow {
///     fn losses_and_reconstruction(&self, rows: Tensor<2>) -> (Losses, Tensor<2>) {
///         let made = self.second.forward(self.first.forward(rows.clone()));
///         (Losses::of("error", sum_event((made.clone() - rows).square())), made)
///     }
/// }
///
/// let device = Device::default();
/// let layer = |inputs, outputs| LinearConfig::new(inputs, outputs).init(&device);
/// let model = Narrow { first: layer(6, 2), second: layer(2, 6) };
/// let (losses, made) = model.losses_and_reconstruction(Tensor::ones([3, 6], &device));
/// assert_eq!((losses.total.dims(), made.dims()), ([3], [3, 6]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` shows no reconstructions in its training",
    note = "`Autoencoder`, `Vae` and `VqVae` do, where their decoder's output can be cloned; one of your own implements \
            `AutoencodingModel`"
)]
pub trait AutoencodingModel: Model {
    /// The [losses](Model::losses) of a batch and the reconstructions that they are of, from one pass: data, with the graph that
    /// leads back to what made them.
    fn losses_and_reconstruction(&self, input: Self::Input) -> (Losses, Self::Input);
}

/// What one draw of the posterior says of a batch, each `[batch]`, in nats per sample.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// `log p(x | z)`.
    pub log_likelihood: Tensor<1>,
    /// `log p(x | z) + log p(z) - log q(z | x)`: unbiased for the evidence lower bound.
    pub log_weight: Tensor<1>,
    /// `KL(q(z | x) || p(z))`, in closed form where one is known, or as estimated by this draw.
    pub kl: Tensor<1>,
}

/// A model of data by latents, `p(x) = integral of p(x | z) p(z)`, with an approximate posterior `q(z | x)`: what
/// [`metric::importance_weighted_bound`](crate::metric::importance_weighted_bound) and the other likelihoods of
/// [`metric`](crate::metric) are told of.
///
/// [`Vae`](crate::model::Vae) and [`ConditionalVae`](crate::model::ConditionalVae) are such models, if their
/// reconstruction loss is a [`Likelihood`](super::Likelihood); so is an adversarial autoencoder with a stochastic encoder
/// ([`Aae::as_vae`](crate::model::Aae::as_vae)). [`VaeGan`](crate::model::VaeGan) is none: what its critic sees is no
/// likelihood of the data.
///
/// No weight of a training enters: not a VAE's `beta`, nor free bits.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::DiagonalGaussian;
/// use burn_generative::metric::importance_weighted_bound;
/// use burn_generative::prelude::*;
///
/// /// `x = z + noise`, both standard normal; so `z` given `x` is normal with mean `x / 2` and variance `1 / 2`.
/// struct Noisy;
///
/// impl LatentVariableModel for Noisy {
///     type Input = Tensor<2>;
///     type Posterior = DiagonalGaussian;
///
///     fn posterior(&self, x: Tensor<2>) -> DiagonalGaussian {
///         let log_var = x.full_like(0.5f64.ln());
///         DiagonalGaussian::new(x / 2.0, log_var)
///     }
///
///     fn evidence_of(&self, x: Tensor<2>, q: &DiagonalGaussian, draw: Draw<Tensor<2>>) -> Evidence {
///         let prior = StandardNormal::new(x.dims()[1]);
///         let log_likelihood = GaussianNll::default().loss(draw.z.clone(), x).neg();
///         let kl = prior.kl(q, &draw);
///         let log_weight = log_likelihood.clone() + prior.log_prob(draw.z.clone()) - q.log_prob(draw.z);
///         Evidence { log_likelihood, log_weight, kl }
///     }
/// }
///
/// // With the true posterior the bound is exact: the log-density of 0 under variance 2.
/// let bound = importance_weighted_bound(&Noisy, Tensor::zeros([1, 1], &Device::default()), 3)?;
/// let exact = -0.5 * (4.0 * std::f32::consts::PI).ln();
/// assert!((bound.log_prob.into_scalar::<f32>() - exact).abs() < 1e-5);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no likelihood of its data, so that no bound on it can be computed",
    note = "its encoder must return a distribution, its prior must have a density, and its reconstruction loss must be a \
            `Likelihood`: `GaussianNll` in place of `SquaredError`, `LaplaceNll` in place of `L1Loss`"
)]
pub trait LatentVariableModel {
    /// The data, batch first.
    type Input: Batch;
    /// The approximate posterior of a batch.
    type Posterior: Posterior;

    /// `q(z | x)`.
    fn posterior(&self, input: Self::Input) -> Self::Posterior;

    /// What this draw of the posterior says of the data.
    fn evidence_of(
        &self,
        input: Self::Input,
        posterior: &Self::Posterior,
        draw: Draw<LatentOf<Self::Posterior>>,
    ) -> Evidence;

    /// What a fresh draw of the posterior says of the data.
    fn evidence(&self, input: Self::Input, posterior: &Self::Posterior) -> Evidence {
        self.evidence_of(input, posterior, posterior.draw())
    }
}
