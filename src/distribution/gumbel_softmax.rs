use crate::kernel::{straight_through, sum_event};
use crate::traits::{Code, Family, Posterior};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{DType, Distribution, Tensor};

/// Independent categorical variables as one-hot vectors, whose draws have a gradient in training: of Gumbel noise on the
/// logits, a softmax at a temperature in the place of the largest. What a [`GumbelHead`](crate::nn::GumbelHead) returns.
///
/// A latent is `[batch, variables * classes]`, the classes of a variable side by side. In evaluation, on a device without
/// autodiff, every draw is one-hot, and so a draw of the categorical distribution itself; in training it is relaxed, or one-hot
/// with the gradient of the relaxed one ([straight through](Self::straight_through)). Family and log-probability are those of
/// the categorical distribution always: a divergence is not one of the relaxed draw.
///
/// [Jang et al. 2017](https://arxiv.org/abs/1611.01144), [Maddison et al. 2017](https://arxiv.org/abs/1611.00712).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::GumbelSoftmax;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let dice = |device: &Device| {
///     let half = Tensor::<1>::from_floats([0.5], device);
///     GumbelSoftmax::new(Tensor::zeros([4, 5, 6], device), half) // five of them
/// };
/// let relaxed = dice(&device).rsample().reshape([20, 6]);
/// relaxed.sum_dim(1).into_data().assert_approx_eq::<f32>(&TensorData::from([[1.0]; 20]), Default::default());
/// let thrown = dice(&device.inner()).rsample().reshape([20, 6]);
/// thrown.max_dim(1).into_data().assert_eq(&TensorData::from([[1.0f32]; 20]), true);
/// ```
#[derive(Clone, Debug)]
pub struct GumbelSoftmax {
    /// `[batch, variables, classes]`.
    logits: Tensor<3>,
    /// `[1]`.
    temperature: Tensor<1>,
    is_straight_through: bool,
}

impl GumbelSoftmax {
    /// The variables with these unnormalised finite logits, `[batch, variables, classes]`, relaxed at a positive temperature,
    /// `[1]`.
    pub fn new(logits: Tensor<3>, temperature: Tensor<1>) -> Self {
        Self {
            logits,
            temperature,
            is_straight_through: false,
        }
    }

    /// The same, whose draws in training are one-hot, with the gradient of relaxed ones.
    pub fn straight_through(self) -> Self {
        Self {
            is_straight_through: true,
            ..self
        }
    }

    /// The logits, `[batch, variables, classes]`.
    pub fn logits(&self) -> Tensor<3> {
        self.logits.clone()
    }

    /// The temperature, `[1]`.
    pub fn temperature(&self) -> Tensor<1> {
        self.temperature.clone()
    }
}

/// Standard Gumbel noise of uniform noise in `[0, 1)`: the largest of logits with such noise is distributed as their softmax.
pub(crate) fn gumbel<const D: usize>(uniform: Tensor<D>) -> Tensor<D> {
    uniform.log().neg().log().neg()
}

/// 1 at the largest number of each variable and 0 elsewhere, `[batch, variables * classes]` of `[batch, variables, classes]`.
pub(crate) fn one_hot_of_largest(numbers: Tensor<3>) -> Tensor<2> {
    let [_, _, classes] = numbers.dims();
    let largest = numbers.clone().detach().argmax(2).repeat_dim(2, classes);
    let each = Tensor::arange(0..classes as i64, &numbers.device());
    let each = each.reshape([1, 1, classes]).expand(largest.dims());
    let chosen = largest.equal(each);
    let one_hot = numbers.zeros_like().mask_fill(chosen, 1.0);
    one_hot.flatten(1, 2)
}

impl Code for GumbelSoftmax {
    type Latent = Tensor<2>;
    /// Uniform in [0, 1), `[batch, variables, classes]`, in `f32` whatever the logits are.
    type Noise = Tensor<3>;

    fn noise(&self) -> Tensor<3> {
        let options = (&self.logits.device(), DType::F32);
        Tensor::random(self.logits.dims(), Distribution::Default, options)
    }

    fn rsample_with(&self, noise: Tensor<3>) -> Tensor<2> {
        let dtype = self.logits.dtype();
        let noise = gumbel(noise.clamp_min(f32::MIN_POSITIVE));
        let noisy = self.logits().cast(DType::F32) + noise;
        let hard = one_hot_of_largest(noisy.clone()).cast(dtype);
        if !noisy.is_autodiff() {
            return hard;
        }
        let temperature = self.temperature.clone().cast(DType::F32).unsqueeze();
        let soft = softmax(noisy / temperature, 2).flatten::<2>(1, 2);
        let soft = soft.cast(dtype);
        if self.is_straight_through {
            straight_through(soft, hard)
        } else {
            soft
        }
    }

    /// The likeliest class of each variable, one-hot.
    fn point(&self) -> Tensor<2> {
        one_hot_of_largest(self.logits())
    }
}

impl Posterior for GumbelSoftmax {
    /// `sum z ln softmax(l)` in nats per sample, `[batch]`: of one-hot latents, the log-probability of their classes.
    ///
    /// # Panics
    ///
    /// If the latents have another number of coordinates.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [_, variables, classes] = self.logits.dims();
        let [_, coordinates] = z.dims();
        assert!(
            coordinates == variables * classes,
            "GumbelSoftmax: it is over {variables} variables of {classes} classes, but the latents have {coordinates} \
             coordinates"
        );
        sum_event(z * log_softmax(self.logits(), 2).flatten(1, 2))
    }

    fn family(&self) -> Option<Family> {
        let logits = self.logits();
        Some(Family::Categorical { logits })
    }
}
