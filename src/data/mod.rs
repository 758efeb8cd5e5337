//! Data: IDX files, MNIST, generated digits, and loaders: one keeps a data set on its device, one
//! assembles batches of images ahead, on a thread.

pub mod digits;
pub mod idx;
pub mod mnist;

mod image_loader;
mod images;
mod loader;

pub use image_loader::ImageLoader;
pub use images::LabeledImages;
pub use loader::{Items, TensorLoader};

use rand::SeedableRng;
use rand_pcg::Pcg64;

/// Every bit of a number spread over all others ([Steele et al. 2014](https://doi.org/10.1145/2660193.2660195)).
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The generator of item `index` under a seed: unrelated to that of every other index and seed.
fn generator(seed: u64, index: u64) -> Pcg64 {
    // Steps of the golden ratio spread neighbours over all bits before the seed is hashed.
    Pcg64::seed_from_u64(seed ^ (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}
