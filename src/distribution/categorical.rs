use super::divergence::categorical;
use crate::error::Result;
use crate::kernel::points::at_least_single;
use crate::kernel::{self, assert_match, sum_event};
use crate::traits::{Code, Family, Posterior};
use burn::tensor::activation::softmax;
use burn::tensor::{Distribution, Int, Tensor};

/// Independent variables each of which is one of K classes, given by unnormalised finite logits. There is one distribution
/// for each sample of a batch, over an event of any rank: values are integers in `0..K`, of `D` axes, and logits have one axis
/// more, the last, for the classes.
///
/// A draw has no gradient.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::Categorical;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let dice = Categorical::<2>::new(Tensor::<3>::zeros([4, 5, 6], &device)); // five of them
/// let thrown: Tensor<2, Int> = dice.rsample();
/// assert_eq!(thrown.dims(), [4, 5]);
/// let nats = dice.log_prob(thrown).into_data();
/// nats.assert_approx_eq::<f32>(&TensorData::from([-5.0 * 6f32.ln(); 4]), Default::default());
/// ```
#[derive(Clone, Debug)]
pub struct Categorical<const D: usize = 2> {
    /// `[batch, variables, classes]`.
    logits: Tensor<3>,
    shape: [usize; D],
}

impl<const D: usize> Categorical<D> {
    /// The distribution with these logits, `[batch, ..., classes]`, of one axis more than values have.
    ///
    /// # Panics
    ///
    /// If they have another number of axes.
    pub fn new<const E: usize>(logits: Tensor<E>) -> Self {
        let (logits, shape) = variables("Categorical", logits);
        Self { logits, shape }
    }

    /// The logits, `[batch, variables, classes]`.
    pub fn logits(&self) -> Tensor<3> {
        self.logits.clone()
    }

    /// The number of classes, K.
    pub fn classes(&self) -> usize {
        self.logits.dims()[2]
    }

    /// The entropy in nats per sample, `[batch]`; at most `ln K` for each variable.
    pub fn entropy(&self) -> Tensor<1> {
        categorical::entropy(self.logits())
    }

    /// `KL(self || other)` in nats per sample, `[batch]`; at least 0.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn kl(&self, other: &Self) -> Tensor<1> {
        assert_match(
            "Categorical::kl",
            ("logits", &self.logits),
            ("those of the other", &other.logits),
        );
        categorical::kl(self.logits(), other.logits())
    }

    /// The classes with each logit divided by `temperature`: below 1 the likely ones are more so.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the temperature is not a positive number. What it tends to as it falls to 0 is
    /// [`point`](Code::point).
    pub fn tempered(self, temperature: f64) -> Result<Self> {
        let temperature =
            crate::error::check_positive("Categorical: the temperature", temperature)?;
        Ok(Self {
            logits: self.logits / temperature,
            shape: self.shape,
        })
    }
}

/// `[batch, ..., parameters]` as `[batch, variables, parameters]`, and the shape of values.
pub(super) fn variables<const E: usize, const D: usize>(
    name: &str,
    parameters: Tensor<E>,
) -> (Tensor<3>, [usize; D]) {
    let dims = parameters.dims();
    assert!(
        E == D + 1 && D >= 1,
        "{name}: parameters of shape {dims:?} for values of {D} axes; they need one axis more, the last"
    );
    let mut shape = [0; D];
    shape.copy_from_slice(&dims[..D]);
    let variables = shape[1..].iter().product();
    (parameters.reshape([dims[0], variables, dims[E - 1]]), shape)
}

/// The class that uniform noise in [0, 1), `[batch, variables, 1]`, falls on, in the same shape.
pub(super) fn class_at(logits: Tensor<3>, noise: Tensor<3>) -> Tensor<3, Int> {
    let classes = logits.dims()[2];
    if classes == 1 {
        return noise.zeros_like().int();
    }
    // Sums of 16 bits are too coarse for classes that are many.
    let below = softmax(at_least_single(logits), 2).cumsum(2);
    // Of their own sum, which rounding leaves a little beside 1.
    let place = at_least_single(noise) * below.clone().narrow(2, classes - 1, 1);
    let passed = below.narrow(2, 0, classes - 1).lower_equal(place);
    passed.int().sum_dim(2)
}

impl<const D: usize> Code for Categorical<D> {
    type Latent = Tensor<D, Int>;
    /// Uniform in [0, 1), a number for each variable, `[batch, variables, 1]`.
    type Noise = Tensor<3>;

    fn noise(&self) -> Tensor<3> {
        // 16 bits would round some of it to 1.
        let one = at_least_single(self.logits.clone().detach().narrow(2, 0, 1));
        one.random_like(Distribution::Default)
    }

    /// By the inverse of the distribution function.
    fn rsample_with(&self, noise: Tensor<3>) -> Tensor<D, Int> {
        let logits = self.logits.clone().detach();
        class_at(logits, noise).reshape(self.shape)
    }

    /// The likeliest class.
    fn point(&self) -> Tensor<D, Int> {
        let logits = self.logits.clone().detach();
        logits.argmax(2).reshape(self.shape)
    }
}

impl<const D: usize> Posterior for Categorical<D> {
    /// `sum ln softmax(l)[value]`, in nats per sample, `[batch]`.
    ///
    /// # Panics
    ///
    /// If the values have another shape.
    fn log_prob(&self, values: Tensor<D, Int>) -> Tensor<1> {
        assert_shape("Categorical", self.shape, values.dims());
        let [batch, variables, classes] = self.logits.dims();
        let rows = batch * variables;
        let logits = self.logits().reshape([rows, classes]);
        let nll = kernel::categorical_nll(logits, values.reshape([rows]));
        sum_event(nll.reshape([batch, variables])).neg()
    }

    fn family(&self) -> Option<Family> {
        let logits = self.logits();
        Some(Family::Categorical { logits })
    }
}

/// Refuses values of another shape than the distribution's.
pub(super) fn assert_shape<const D: usize>(name: &str, shape: [usize; D], given: [usize; D]) {
    assert!(
        given == shape,
        "{name}: it is over values of shape {shape:?}, but those given have shape {given:?}"
    );
}
