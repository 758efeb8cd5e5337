use crate::kernel::softplus;
use crate::traits::AdversarialLoss;
use burn::tensor::{Tensor, activation::relu};

/// The cross-entropy of real against fake; the generator minimises `sp(-D(G(z)))`, whose gradient does not
/// vanish where the critic is sure.
///
/// [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661), section 3.
#[derive(Clone, Copy, Debug, Default)]
pub struct NonSaturating;

impl AdversarialLoss for NonSaturating {
    fn real(&self, score: Tensor<1>) -> Tensor<1> {
        softplus(score.neg())
    }
    fn fake(&self, score: Tensor<1>) -> Tensor<1> {
        softplus(score)
    }
    fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
        softplus(fake.neg())
    }
}

/// As [`NonSaturating`] for the critic; the generator minimises `-sp(D(G(z)))`, the game as it is played on
/// paper.
///
/// [Goodfellow et al. 2014](https://arxiv.org/abs/1406.2661), equation 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Minimax;

impl AdversarialLoss for Minimax {
    fn real(&self, score: Tensor<1>) -> Tensor<1> {
        softplus(score.neg())
    }
    fn fake(&self, score: Tensor<1>) -> Tensor<1> {
        softplus(score)
    }
    fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
        softplus(fake).neg()
    }
}

/// Half the squared distance of a score from its label, 1 for real and 0 for fake.
///
/// [Mao et al. 2017](https://arxiv.org/abs/1611.04076), equation 9.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastSquares;

impl AdversarialLoss for LeastSquares {
    fn real(&self, score: Tensor<1>) -> Tensor<1> {
        score.sub_scalar(1.0).square().mul_scalar(0.5)
    }
    fn fake(&self, score: Tensor<1>) -> Tensor<1> {
        score.square().mul_scalar(0.5)
    }
    fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
        self.real(fake)
    }
    fn encoder(&self, real: Tensor<1>) -> Tensor<1> {
        self.fake(real)
    }
}

/// `max(0, 1 - D(x))` and `max(0, 1 + D(G(z)))`; the generator raises the score.
///
/// [Lim & Ye 2017](https://arxiv.org/abs/1705.02894).
#[derive(Clone, Copy, Debug, Default)]
pub struct Hinge;

impl AdversarialLoss for Hinge {
    fn real(&self, score: Tensor<1>) -> Tensor<1> {
        relu(score.neg().add_scalar(1.0))
    }
    fn fake(&self, score: Tensor<1>) -> Tensor<1> {
        relu(score.add_scalar(1.0))
    }
    fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
        fake.neg()
    }
}

/// The difference of the scores: the Wasserstein-1 distance, if the critic is 1-Lipschitz. It is kept so by
/// a [`GradientPenalty`](super::GradientPenalty) or by [`WeightClipping`](super::WeightClipping), which a
/// [`Gan`](crate::model::Gan) takes, or by spectral normalisation of the critic, which every model may have; without any of
/// them its scores grow without bound.
///
/// [Arjovsky et al. 2017](https://arxiv.org/abs/1701.07875).
#[derive(Clone, Copy, Debug, Default)]
pub struct Wasserstein;

impl AdversarialLoss for Wasserstein {
    fn real(&self, score: Tensor<1>) -> Tensor<1> {
        score.neg()
    }
    fn fake(&self, score: Tensor<1>) -> Tensor<1> {
        score
    }
    fn generator(&self, fake: Tensor<1>) -> Tensor<1> {
        fake.neg()
    }
}
