//! The operations as nodes of burn's autodiff graph: one node each, whose backward pass is one kernel.
//!
//! A node keeps its inputs (and a sample its output), which live as long anyway; nothing else.

use super::ops::{Gradients, Operations};
use burn::backend::{Autodiff, Backend, TensorMetadata, tensor::FloatTensor};
use burn::tensor::Shape;
use burn_autodiff::{
    NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients as Tape,
    ops::{Backward, Ops, OpsKind},
};

/// A differentiable operation: its name, the arguments it keeps (after the ones whose nodes it tracks), and
/// its backward pass, which gives a gradient for each tracked argument that asks for one.
macro_rules! backward {
    ($name:ident<$B:ident, $parents:literal>, $state:ty, |$gradient:ident, $kept:pat_param, $wanted:ident| $body:expr) => {
        #[derive(Debug)]
        struct $name;

        impl<$B: Backend + Gradients> Backward<$B, $parents> for $name {
            type State = $state;

            fn backward(
                self,
                ops: Ops<Self::State, $parents>,
                tape: &mut Tape,
                _checkpointer: &mut Checkpointer,
            ) {
                let $gradient = tape.consume::<$B>(&ops.node);
                let $kept = ops.state;
                let $wanted = ops.parents.each_ref().map(Option::is_some);
                let gradients: [Option<FloatTensor<$B>>; $parents] = $body;
                let parents = ops.parents.map(|parent| parent.map(|node| node.id));
                register::<$B, $parents>(tape, parents, gradients);
            }
        }
    };
}

/// Hands each parent that wants one its gradient.
fn register<B: Backend, const N: usize>(
    tape: &mut Tape,
    parents: [Option<NodeId>; N],
    gradients: [Option<FloatTensor<B>>; N],
) {
    for (parent, gradient) in parents.into_iter().zip(gradients) {
        if let (Some(parent), Some(gradient)) = (parent, gradient) {
            tape.register::<B>(parent, gradient);
        }
    }
}

/// `[batch]` as a column, to multiply rows with.
fn column<B: Backend>(gradient: FloatTensor<B>) -> FloatTensor<B> {
    let batch = gradient.shape()[0];
    B::float_reshape(gradient, Shape::from([batch, 1]))
}

type T<B> = FloatTensor<B>;

impl<B: Operations + Gradients, C: CheckpointStrategy> Operations for Autodiff<B, C> {
    fn reparameterize(mean: T<Self>, log_var: T<Self>, noise: T<Self>) -> T<Self> {
        // The log-variance is kept for the gradient of the noise alone, which hardly anyone asks for.
        backward!(Reparameterize<B, 3>, (T<B>, T<B>, Option<T<B>>), |gradient, (z, mean, log_var), wanted| {
            let log_var_gradient =
                wanted[1].then(|| B::reparameterize_grad(gradient.clone(), z, mean));
            let noise_gradient = log_var.map(|log_var| {
                let std = B::float_exp(B::float_mul_scalar(log_var, 0.5.into()));
                B::float_mul(gradient.clone(), std)
            });
            [Some(gradient), log_var_gradient, noise_gradient]
        });

        let nodes = [mean.node(), log_var.node(), noise.node()];
        let noise_tracked = noise.is_tracked();
        let (mean, log_var, noise) = (
            mean.into_primitive(),
            log_var.into_primitive(),
            noise.into_primitive(),
        );
        let z = B::reparameterize(mean.clone(), log_var.clone(), noise);
        match Reparameterize
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                prep.finish((z.clone(), mean, noise_tracked.then_some(log_var)), z)
            }
            OpsKind::UnTracked(prep) => prep.finish(z),
        }
    }

    fn reparameterize_seeded(mean: T<Self>, log_var: T<Self>, seed: u64) -> T<Self> {
        backward!(ReparameterizeSeeded<B, 2>, (T<B>, T<B>), |gradient, (z, mean), wanted| {
            let log_var_gradient =
                wanted[1].then(|| B::reparameterize_grad(gradient.clone(), z, mean));
            [Some(gradient), log_var_gradient]
        });

        let nodes = [mean.node(), log_var.node()];
        let (mean, log_var) = (mean.into_primitive(), log_var.into_primitive());
        let z = B::reparameterize_seeded(mean.clone(), log_var, seed);
        match ReparameterizeSeeded
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((z.clone(), mean), z),
            OpsKind::UnTracked(prep) => prep.finish(z),
        }
    }

    fn gaussian_kl(mean: T<Self>, log_var: T<Self>) -> T<Self> {
        backward!(GaussianKl<B, 2>, (T<B>, T<B>), |gradient, (mean, log_var), _wanted| {
            let (mean, log_var) = B::gaussian_kl_grad(gradient, mean, log_var);
            [Some(mean), Some(log_var)]
        });

        let nodes = [mean.node(), log_var.node()];
        let (mean, log_var) = (mean.into_primitive(), log_var.into_primitive());
        let kl = B::gaussian_kl(mean.clone(), log_var.clone());
        match GaussianKl.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((mean, log_var), kl),
            OpsKind::UnTracked(prep) => prep.finish(kl),
        }
    }

    fn gaussian_kl_between(
        mean_q: T<Self>,
        log_var_q: T<Self>,
        mean_p: T<Self>,
        log_var_p: T<Self>,
    ) -> T<Self> {
        backward!(GaussianKlBetween<B, 4>, [T<B>; 4], |gradient, [mean_q, log_var_q, mean_p, log_var_p], _wanted| {
            let (mean_q, log_var_q, mean_p, log_var_p) =
                B::gaussian_kl_between_grad(gradient, mean_q, log_var_q, mean_p, log_var_p);
            [mean_q, log_var_q, mean_p, log_var_p].map(Some)
        });

        let inputs = [mean_q, log_var_q, mean_p, log_var_p];
        let nodes = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let [mean_q, log_var_q, mean_p, log_var_p] = inputs.clone();
        let kl = B::gaussian_kl_between(mean_q, log_var_q, mean_p, log_var_p);
        match GaussianKlBetween
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish(inputs, kl),
            OpsKind::UnTracked(prep) => prep.finish(kl),
        }
    }

    fn bernoulli_nll(logits: T<Self>, target: T<Self>) -> T<Self> {
        backward!(BernoulliNll<B, 2>, (T<B>, T<B>), |gradient, (logits, target), wanted| {
            let target_gradient = wanted[1].then(|| {
                B::float_neg(B::float_mul(column::<B>(gradient.clone()), logits.clone()))
            });
            let logits_gradient =
                wanted[0].then(|| B::bernoulli_nll_grad(gradient, logits, target));
            [logits_gradient, target_gradient]
        });

        let nodes = [logits.node(), target.node()];
        let (logits, target) = (logits.into_primitive(), target.into_primitive());
        let nll = B::bernoulli_nll(logits.clone(), target.clone());
        match BernoulliNll.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((logits, target), nll),
            OpsKind::UnTracked(prep) => prep.finish(nll),
        }
    }

    fn gaussian_nll(mean: T<Self>, target: T<Self>, log_var: T<Self>) -> T<Self> {
        backward!(GaussianNll<B, 3>, (T<B>, T<B>, T<B>), |gradient, (mean, target, log_var), wanted| {
            let (mean, log_var) = B::gaussian_nll_grad(gradient, mean, target, log_var);
            let target = wanted[1].then(|| B::float_neg(mean.clone()));
            [Some(mean), target, Some(log_var)]
        });

        let nodes = [mean.node(), target.node(), log_var.node()];
        let (mean, target, log_var) = (
            mean.into_primitive(),
            target.into_primitive(),
            log_var.into_primitive(),
        );
        let nll = B::gaussian_nll(mean.clone(), target.clone(), log_var.clone());
        match GaussianNll.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((mean, target, log_var), nll),
            OpsKind::UnTracked(prep) => prep.finish(nll),
        }
    }

    fn squared_error(mean: T<Self>, target: T<Self>) -> T<Self> {
        backward!(SquaredError<B, 2>, (T<B>, T<B>), |gradient, (mean, target), wanted| {
            let mean = B::squared_error_grad(gradient, mean, target);
            let target = wanted[1].then(|| B::float_neg(mean.clone()));
            [Some(mean), target]
        });

        let nodes = [mean.node(), target.node()];
        let (mean, target) = (mean.into_primitive(), target.into_primitive());
        let error = B::squared_error(mean.clone(), target.clone());
        match SquaredError.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((mean, target), error),
            OpsKind::UnTracked(prep) => prep.finish(error),
        }
    }
}
