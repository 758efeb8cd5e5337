//! The KL of a diagonal Gaussian to the standard normal and to another one.
//!
//!     cargo bench --profile dev --bench gaussian_kl
//!     python benches/pytorch_twin.py gaussian_kl gaussian_kl_between

mod common;

use common::latents;

fn main() {
    common::run();
}

kernel_benches!(gaussian_kl, crate::latents(), tracked 2, |[mean, log_var], kernel| {
    kernel::gaussian_kl(mean, log_var)
});

kernel_benches!(gaussian_kl_between, crate::latents(), tracked 4, |[mq, lq, mp, lp], kernel| {
    kernel::gaussian_kl_between(mq, lq, mp, lp)
});

copy_bench!(latents());
