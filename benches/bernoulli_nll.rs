//! The Bernoulli likelihood of images.
//!
//!     cargo bench --profile dev --bench bernoulli_nll
//!     python benches/pytorch_twin.py bernoulli_nll

mod common;

use common::pixels;

fn main() {
    common::run();
}

kernel_benches!(bernoulli_nll, crate::pixels(), tracked 1, |[logits, target], kernel| {
    kernel::bernoulli_nll(logits, target)
});

copy_bench!(pixels());
