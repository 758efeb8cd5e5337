//! The reparameterized sample, with noise that is given and with noise that the kernel draws.
//!
//!     cargo bench --profile dev --bench reparameterize
//!     python benches/pytorch_twin.py reparameterize reparameterize_seeded

mod common;

use common::latents;

fn main() {
    common::run();
}

kernel_benches!(reparameterize, crate::latents(), tracked 2, |[mean, log_var, noise], kernel| {
    kernel::reparameterize(mean, log_var, noise)
});

kernel_benches!(reparameterize_seeded, crate::latents(), tracked 2, |[mean, log_var], kernel| {
    kernel::reparameterize_seeded(mean, log_var, 1)
});

copy_bench!(latents());
