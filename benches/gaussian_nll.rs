//! The Gaussian likelihood of images, with a variance for each element and with a fixed one.
//!
//!     cargo bench --profile dev --bench gaussian_nll
//!     python benches/pytorch_twin.py gaussian_nll gaussian_nll_fixed

mod common;

use common::pixels;

fn main() {
    common::run();
}

// The order of arguments is that of the gradients: those of the mean and of the log-variance.
kernel_benches!(gaussian_nll, crate::pixels(), tracked 2, |[mean, log_var, target], kernel| {
    kernel::gaussian_nll(mean, target, log_var)
});

kernel_benches!(gaussian_nll_fixed, crate::pixels(), tracked 1, |[mean, target], kernel| {
    kernel::gaussian_nll_fixed(mean, target, 1.0)
});

copy_bench!(pixels());
