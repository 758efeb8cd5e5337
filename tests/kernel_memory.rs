//! What the kernels allocate: nothing of an argument's size but what they return.

#![cfg(feature = "flex")]

mod common;
mod counting;

use burn::prelude::*;
use burn_generative::kernel::{self, reference};
use counting::{NOW, PEAK};
use std::sync::atomic::Ordering::Relaxed;

const SHAPE: [usize; 2] = [1024, 1024];

/// The peak of forward + backward over what there was before, in tensors of the arguments' size.
/// The argument `constant` has no gradient.
fn peak<const N: usize, const D: usize>(
    constant: Option<usize>,
    operation: impl Fn([Tensor<2>; N]) -> Tensor<D>,
) -> f64 {
    let device = Device::flex().autodiff();
    let arguments: [Tensor<2>; N] = std::array::from_fn(|k| {
        let argument = common::tensor(SHAPE, &device, common::noise(k, 1.0));
        match constant == Some(k) {
            true => argument,
            false => argument.require_grad(),
        }
    });
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let output = operation(arguments.clone());
    let gradients = output.backward();
    let returned = arguments
        .each_ref()
        .map(|argument| argument.grad(&gradients));
    let peak = PEAK.load(Relaxed) - before;
    drop(returned);
    peak as f64 / (4 * SHAPE[0] * SHAPE[1]) as f64
}

/// One test, since others in the same process would be counted too.
#[test]
fn a_kernel_allocates_what_it_returns_and_no_more() {
    // What is returned: the gradients, and for a sample z itself and the gradient that reaches it, which
    // burn makes and which is the mean's gradient as well.
    let rows = [
        (
            "reparameterize, noise without a gradient",
            3.0,
            peak(Some(2), |[m, l, n]| kernel::reparameterize(m, l, n)),
            peak(Some(2), |[m, l, n]| reference::reparameterize(m, l, n)),
        ),
        (
            "reparameterize_seeded",
            3.0,
            peak(None, |[m, l]| kernel::reparameterize_seeded(m, l, 1)),
            peak(None, |[m, l]| reference::reparameterize_seeded(m, l, 1)),
        ),
        (
            "gaussian_kl",
            2.0,
            peak(None, |[m, l]| kernel::gaussian_kl(m, l)),
            peak(None, |[m, l]| reference::gaussian_kl(m, l)),
        ),
        (
            "gaussian_kl_between",
            4.0,
            peak(None, |[a, b, c, d]| kernel::gaussian_kl_between(a, b, c, d)),
            peak(None, |[a, b, c, d]| {
                reference::gaussian_kl_between(a, b, c, d)
            }),
        ),
        (
            "bernoulli_nll, target without a gradient",
            1.0,
            peak(Some(1), |[l, x]| kernel::bernoulli_nll(l, x)),
            peak(Some(1), |[l, x]| reference::bernoulli_nll(l, x)),
        ),
        (
            "gaussian_nll, target without a gradient",
            2.0,
            peak(Some(1), |[m, x, l]| kernel::gaussian_nll(m, x, l)),
            peak(Some(1), |[m, x, l]| reference::gaussian_nll(m, x, l)),
        ),
        (
            "squared_error, target without a gradient",
            1.0,
            peak(Some(1), |[m, x]| kernel::squared_error(m, x)),
            peak(Some(1), |[m, x]| reference::squared_error(m, x)),
        ),
    ];
    println!(
        "peak of forward + backward, in tensors of the arguments' size: returned, kernel, composition"
    );
    for (name, returned, kernel, composition) in rows {
        println!("{name}: {returned}, {kernel:.2}, {composition:.2}");
    }
    for (name, returned, kernel, _) in rows {
        // One per cent for the sums, the graph and the threads.
        assert!(
            kernel < returned + 0.05,
            "{name}: {kernel} tensors, {returned} returned"
        );
    }
}
