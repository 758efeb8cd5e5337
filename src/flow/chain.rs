use super::{Bijection, no_change};
use crate::traits::Batch;
use burn::module::Module;
use burn::tensor::Tensor;

/// One bijection and then another: from data by `first` and `second` to noise.
///
/// A `Vec` of bijections of one type is their chain, too.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Bijection, Chain, Logit, Permute};
///
/// let device = Device::default();
/// let chain = Chain::new(Logit::new(0.05)?, Permute::reverse(3, &device)?);
/// let (z, _) = chain.forward(Tensor::<2>::full([1, 3], 0.5, &device));
/// z.into_data().assert_eq(&TensorData::from([[0.0f32; 3]]), true);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Chain<A, B> {
    first: A,
    second: B,
}

impl<A: Bijection, B: Bijection<Input = A::Output>> Chain<A, B> {
    /// The chain of these two.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: Bijection, B: Bijection<Input = A::Output>> Bijection for Chain<A, B> {
    type Input = A::Input;
    type Output = B::Output;

    fn forward(&self, x: A::Input) -> (B::Output, Tensor<1>) {
        let (between, first) = self.first.forward(x);
        let (z, second) = self.second.forward(between);
        (z, first + second)
    }

    fn inverse(&self, z: B::Output) -> (A::Input, Tensor<1>) {
        let (between, second) = self.second.inverse(z);
        let (x, first) = self.first.inverse(between);
        (x, first + second)
    }

    fn forward_given(&self, x: A::Input, context: &Tensor<2>) -> (B::Output, Tensor<1>) {
        let (between, first) = self.first.forward_given(x, context);
        let (z, second) = self.second.forward_given(between, context);
        (z, first + second)
    }

    fn inverse_given(&self, z: B::Output, context: &Tensor<2>) -> (A::Input, Tensor<1>) {
        let (between, second) = self.second.inverse_given(z, context);
        let (x, first) = self.first.inverse_given(between, context);
        (x, first + second)
    }
}

/// A value that passes some steps, and the sum of their log-determinants.
fn pass<'a, T: Batch, B: 'a>(
    value: T,
    steps: impl Iterator<Item = &'a B>,
    step: impl Fn(&'a B, T) -> (T, Tensor<1>),
) -> (T, Tensor<1>) {
    let start = (value, None);
    let (value, log_det) = steps.fold(start, |(value, sum), bijection| {
        let (value, log_det) = step(bijection, value);
        let sum = match sum {
            Some(sum) => sum + log_det,
            None => log_det,
        };
        (value, Some(sum))
    });
    let log_det =
        log_det.unwrap_or_else(|| no_change(&Tensor::<1>::zeros([value.len()], &value.device())));
    (value, log_det)
}

/// The first is nearest to the data. An empty one changes nothing.
impl<T: Batch, B: Bijection<Input = T, Output = T>> Bijection for Vec<B> {
    type Input = T;
    type Output = T;

    fn forward(&self, x: T) -> (T, Tensor<1>) {
        pass(x, self.iter(), |bijection, x| bijection.forward(x))
    }

    fn inverse(&self, z: T) -> (T, Tensor<1>) {
        pass(z, self.iter().rev(), |bijection, z| bijection.inverse(z))
    }

    fn forward_given(&self, x: T, context: &Tensor<2>) -> (T, Tensor<1>) {
        pass(x, self.iter(), |bijection, x| {
            bijection.forward_given(x, context)
        })
    }

    fn inverse_given(&self, z: T, context: &Tensor<2>) -> (T, Tensor<1>) {
        pass(z, self.iter().rev(), |bijection, z| {
            bijection.inverse_given(z, context)
        })
    }
}

/// A bijection the other way round: what is fast forward becomes fast inverse. The inverse of a
/// [`MaskedAutoregressive`](super::MaskedAutoregressive) flow is an inverse autoregressive flow (IAF).
#[derive(Module, Debug)]
pub struct Inverse<B> {
    bijection: B,
}

impl<B: Bijection> Inverse<B> {
    /// The inverse of this bijection.
    pub fn new(bijection: B) -> Self {
        Self { bijection }
    }
}

impl<B: Bijection> Bijection for Inverse<B> {
    type Input = B::Output;
    type Output = B::Input;

    fn forward(&self, x: B::Output) -> (B::Input, Tensor<1>) {
        self.bijection.inverse(x)
    }

    fn inverse(&self, z: B::Input) -> (B::Output, Tensor<1>) {
        self.bijection.forward(z)
    }

    fn forward_given(&self, x: B::Output, context: &Tensor<2>) -> (B::Input, Tensor<1>) {
        self.bijection.inverse_given(x, context)
    }

    fn inverse_given(&self, z: B::Input, context: &Tensor<2>) -> (B::Output, Tensor<1>) {
        self.bijection.forward_given(z, context)
    }
}
