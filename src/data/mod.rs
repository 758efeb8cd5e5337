//! Data: IDX files, MNIST, generated digits, and a loader that keeps a data set on its device.

pub mod digits;
pub mod idx;
pub mod mnist;

mod images;
mod loader;

pub use images::LabeledImages;
pub use loader::{Items, TensorLoader};

use rand::SeedableRng;
use rand_pcg::Pcg64;

/// The generator of item `index` under a seed: unrelated to that of every other index and seed.
fn generator(seed: u64, index: u64) -> Pcg64 {
    // Steps of the golden ratio spread neighbours over all bits before the seed is hashed.
    Pcg64::seed_from_u64(seed ^ (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
