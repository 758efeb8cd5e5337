//! Autoregressive models: exact likelihoods of discrete data, a product of one distribution for each variable given those
//! before it; and sampling that does not run the whole network again for every variable.
//!
//! | model | data | network |
//! |---|---|---|
//! | [`Made`] | any shape, in any order | a masked perceptron; without hidden layers a fully visible sigmoid belief network (FVSBN) |
//! | [`Nade`] | any shape, in any order | one hidden layer, whose weights all variables share |
//! | [`PixelCnn`] | images, in raster order, channel after channel | gated masked convolutions, without a blind spot |
//! | [`WaveNet`] | series of any length | gated dilated causal convolutions |
//! | [`Ensemble`] | of its members | the mean of the probabilities of several densities |
//!
//! Each **is a [`Prior`]**: a density of data, which [`MaximumLikelihood`](crate::model::MaximumLikelihood) trains, or a prior of
//! codes. Built with a context, it is instead a [`Decoder`](crate::traits::Decoder) from contexts to distributions
//! ([`Given`]): [`ConditionalLikelihood`](crate::model::ConditionalLikelihood) trains it, and as the decoder of a
//! [`Vae`](crate::model::Vae), with [`Nll`](crate::loss::Nll), it is a PixelVAE.
//!
//! What the numbers of a network say of a variable is its [`Output`]: a bit, a class, or a level. Data are floats that are
//! [`Levels`](crate::distribution::Levels): binary images, pictures in [0, 1], codes, companded sound.
//!
//! [`Autoregressive`] is the contract, [`Stepwise`] what samples fast, [`Sampling`] what one may ask of a sample.

mod ensemble;
mod given;
mod host;
mod made;
mod nade;
mod order;
mod output;
mod pixel_cnn;
mod sampling;
mod wave_net;

pub use ensemble::Ensemble;
pub use given::Given;
pub use made::{Made, MadeConfig, MadeState};
pub use nade::{Nade, NadeConfig, NadeState};
pub use order::Order;
pub use output::Output;
pub use pixel_cnn::{PixelCnn, PixelCnnConfig, PixelCnnState};
pub use sampling::Sampling;
pub use wave_net::{WaveNet, WaveNetConfig, WaveNetState};

use crate::kernel::rows;
use crate::traits::Prior;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Distribution, Tensor};

/// A density of discrete data that is a product of a distribution of each variable given those before it in an order.
///
/// `log p(x) = sum_i log p(x_i | x_1, .., x_(i-1))`, all of them from one pass of a network over `x`, which is masked so
/// that no variable sees itself or what comes after it.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::{Autoregressive, MadeConfig, Sampling, Stepwise};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let model = MadeConfig::new(vec![6]).init::<2>(&device)?;
/// let noise = Tensor::<2>::random([3, 6], burn::tensor::Distribution::Default, &device);
/// let sampling = Sampling::default();
/// let fast = model.sample_with(noise.clone(), &sampling);
/// let slow = model.sample_slowly_with(noise, &sampling); // the whole network for each variable
/// fast.into_data().assert_eq(&slow.into_data(), true);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub trait Autoregressive<const D: usize>: Prior<Value = Tensor<D>> {
    /// What the numbers of a variable mean.
    fn output(&self) -> Output;

    /// The shape of an event, of `D - 1` axes.
    fn shape(&self) -> Vec<usize>;

    /// Which of an event's variables, counted row by row, comes first, which second, and so on.
    fn order(&self, variables: usize) -> Vec<usize> {
        (0..variables).collect()
    }

    /// The numbers that [`output`](Self::output) makes a distribution of, for each variable given those before it, and a
    /// context, `[batch, context]`, if the model was built for one: `[batch, variables, parameters]`, with the variables in
    /// the order of the event.
    ///
    /// # Panics
    ///
    /// If the data has another shape, or the context another width.
    fn parameters(&self, x: Tensor<D>, context: Option<&Tensor<2>>) -> Tensor<3>;

    /// `log p(x | context)` in nats per sample, `[batch]`.
    fn log_prob_given(&self, x: Tensor<D>, context: Option<&Tensor<2>>) -> Tensor<1> {
        let parameters = self.parameters(x.clone(), context);
        self.output().log_prob(parameters, rows(x))
    }

    /// As [`Stepwise::sample_with`], by the whole network for each variable: what every faster way is compared with.
    fn sample_slowly_with(&self, noise: Tensor<2>, sampling: &Sampling<D>) -> Tensor<D> {
        let device = noise.device();
        let [streams, variables] = noise.dims();
        let shape = sampling::shape(self, [streams, variables]);
        sampling::generate(self, noise, sampling, |place, values, _last| {
            let x = sampling::tensor(values.to_vec(), [streams, variables], &device);
            let parameters = self.parameters(x.reshape(shape), sampling.context());
            host::numbers(parameters.narrow(1, place, 1))
        })
    }
}

/// An [`Autoregressive`] model that gives the distribution of one variable after the other, without running its network
/// again over what is known.
///
/// The law: the numbers of step `i` are those of [`parameters`](Autoregressive::parameters) for the `i`th variable.
/// The state is a value that goes in and comes out, so that streams do not share anything, and a model need not be reset. It
/// holds what the host computes with: a step builds no graph, and runs no operation of a device.
pub trait Stepwise<const D: usize>: Autoregressive<D> {
    /// What is known of some streams.
    type State;

    /// The state of streams before their first variable, given a context for each, `[streams, context]`, if the model was built
    /// for one.
    fn start(&self, streams: usize, context: Option<&Tensor<2>>) -> Self::State;

    /// The numbers of the next variable, `[streams, parameters]` row by row, and the state after it; given the values of the
    /// variable before it, one for each stream, or none at first.
    ///
    /// # Panics
    ///
    /// If there is no next variable (a [`WaveNet`] always has one), or another number of values than of streams.
    fn step(&self, state: Self::State, last: &[f32]) -> (Vec<f32>, Self::State);

    /// A sample for each row of noise in [0, 1), `[samples, variables]`; a [`WaveNet`] takes any number of variables. Variable
    /// `i` is drawn by the `i`th number of its row.
    ///
    /// # Panics
    ///
    /// If there is another number of variables, or what is [known](Sampling::with_known), or the context, is of another
    /// number of samples.
    fn sample_with(&self, noise: Tensor<2>, sampling: &Sampling<D>) -> Tensor<D> {
        let mut state = Some(self.start(noise.dims()[0], sampling.context()));
        sampling::generate(self, noise, sampling, |_place, _values, last| {
            let before = state.take().expect("put back after each step");
            let (parameters, after) = self.step(before, last);
            state = Some(after);
            parameters
        })
    }

    /// `n` samples, with noise from the device's generator.
    fn sample_as(&self, n: usize, sampling: &Sampling<D>, device: &Device) -> Tensor<D> {
        let variables = self.shape().iter().product();
        self.sample_with(noise([n, variables], device), sampling)
    }

    /// What is known of some samples, and the rest of each drawn: where `known` is true the value stays. It is a draw from the
    /// model's conditional distribution if what is known comes first in the order, and else knows of what comes later no
    /// more than the order allows.
    ///
    /// # Panics
    ///
    /// If the shapes are not those of the model's events.
    fn sample_given(&self, partial: Tensor<D>, known: Tensor<D, Bool>) -> Tensor<D> {
        let device = partial.device();
        let shape = partial.dims();
        let noise = noise([shape[0], shape[1..].iter().product()], &device);
        self.sample_with(noise, &Sampling::default().with_known(partial, known))
    }
}

/// What a context adds to a layer that was built for one.
///
/// # Panics
///
/// If there is a layer and no context, or the other way round, or the context has another width.
fn shift(layer: &Option<Linear>, context: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    assert_context(layer.is_some(), context);
    crate::flow::shift(layer, context)
}

/// Refuses a context for a model without: it would say nothing, and nobody would notice.
fn assert_context(has_context: bool, context: Option<&Tensor<2>>) {
    assert!(
        has_context || context.is_none(),
        "a model that was built without a context is given one; build it with `with_context`"
    );
}

/// Refuses contexts for another number of samples than are asked for.
fn assert_streams(part: &str, contexts: &Tensor<2>, streams: usize) {
    let [rows, _] = contexts.dims();
    assert!(
        rows == streams,
        "{part}: contexts for {rows} samples, but {streams} are asked for"
    );
}

/// Uniform noise for the variables of some samples, on the device without its gradients.
fn noise(shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::random(shape, Distribution::Default, &device.clone().inner())
}

/// Makes a stepwise model a density and a decoder.
macro_rules! density {
    ([$($generics:tt)*] $model:ty, $event:tt) => {
        impl<$($generics)*> crate::traits::Sampler for $model {
            type Value = burn::tensor::Tensor<$event>;

            fn sample(
                &self,
                n: usize,
                device: &burn::tensor::Device,
            ) -> burn::tensor::Tensor<$event> {
                use crate::autoregressive::{Sampling, Stepwise};
                self.sample_as(n, &Sampling::default(), device)
            }
        }

        /// Exact.
        impl<$($generics)*> crate::traits::Prior for $model {
            fn log_prob(&self, x: burn::tensor::Tensor<$event>) -> burn::tensor::Tensor<1> {
                use crate::autoregressive::Autoregressive;
                self.log_prob_given(x, None)
            }
        }

        /// From contexts, `[batch, context]`, to distributions of data.
        impl<$($generics)*> crate::traits::Decoder for $model {
            type Latent = burn::tensor::Tensor<2>;
            type Output = crate::autoregressive::Given<Self, $event>;

            fn decode(&self, context: burn::tensor::Tensor<2>) -> Self::Output {
                crate::autoregressive::Given::new(self.clone(), context)
            }
        }
    };
}
use density;
