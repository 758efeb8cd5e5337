//! Data: MNIST, generated digits, and one's own; and loaders, which make batches of them.
//!
//! | I have | to take | then |
//! |---|---|---|
//! | nothing yet | [`digits`], [`mnist`], [`sprites`] with their factors | `TensorLoader` |
//! | nothing yet, and want sentences | [`grammar`], of known entropy | [`Vocabulary::batch`](crate::sequence::Vocabulary::batch) |
//! | a tensor, or a pair of tensors | | [`TensorLoader`]: it stays on the device |
//! | images in the format of MNIST (Fashion-MNIST, EMNIST) | [`Mnist::open`](mnist::Mnist::open), [`LabeledImages::open`], [`idx`] | `TensorLoader`, or [`ImageLoader`] if the device has no room |
//! | a folder of PNG and JPEG pictures | [`ImageFolderConfig`] | [`ImageFolder::decode`], and one of the above; [`ImageFolder::loader`] if the memory has no room |
//! | a CSV file | [`table::Table`] | `TensorLoader` of [`Table::tensor`](table::Table::tensor); [`Schema::rows`](table::Schema::rows) makes rows of samples |
//! | a text file, a sentence a line | [`Text`] | `TensorLoader` of [`Text::tokens`] |
//! | NumPy's `.npy` or `.npz` | [`npy::Array`] | `TensorLoader` of [`Array::tensor`](npy::Array::tensor) |
#![cfg_attr(
    feature = "sound",
    doc = "| WAV files | [`sound::Sounds`] | `TensorLoader` of [`Sounds::pieces`](sound::Sounds::pieces), or of their levels |"
)]
//! | a data set of burn (`burn::data::dataset`), or anything else | a batcher | burn's `DataLoaderBuilder` |
//!
//! [`Fit`](crate::train::Fit) takes all of them, as a [`Source`]. A model asks for no type of this module: it is trained by any `DataLoader<B>` of burn whose batch `B` is the model's
//! input, `Tensor<4>` for one of images, `Tensor<2>` for one of rows, a pair with `Tensor<1, Int>` for a conditional
//! one. So a `Dataset` of burn needs a `Batcher` that makes that tensor:
//!
//! ```
//! use burn::data::dataloader::{DataLoader, DataLoaderBuilder, batcher::Batcher};
//! use burn::data::dataset::InMemDataset;
//! use burn::prelude::*;
//! use std::sync::Arc;
//!
//! struct Rows;
//! impl Batcher<[f32; 3], Tensor<2>> for Rows {
//!     fn batch(&self, items: Vec<[f32; 3]>, device: &Device) -> Tensor<2> {
//!         let count = items.len();
//!         Tensor::from_data(TensorData::new(items.concat(), [count, 3]), device)
//!     }
//! }
//!
//! let dataset = InMemDataset::new(vec![[1.0, 2.0, 3.0]; 10]);
//! let loader: Arc<dyn DataLoader<Tensor<2>>> = DataLoaderBuilder::new(Rows)
//!     .batch_size(4)
//!     .shuffle(42)
//!     .set_device(Device::default())
//!     .build(dataset);
//! assert_eq!(loader.iter().next().unwrap().unwrap().dims(), [4, 3]);
//! ```
//!
//! The loaders of this module do two things that burn's does not: an epoch's order and noise follow from the seed and its
//! number alone, so that a resumed training equals one that never stopped, and nothing is copied that need not be.

pub mod digits;
pub mod grammar;
pub mod idx;
pub mod mnist;
pub mod npy;
#[cfg(feature = "sound")]
pub mod sound;
pub mod sprites;
pub mod table;

mod image_folder;
mod image_loader;
mod images;
mod loader;
mod reading;
mod source;
mod text;

pub use image_folder::{Channels, ImageFolder, ImageFolderConfig, Unreadable, picture};
pub use image_loader::ImageLoader;
pub use images::LabeledImages;
pub use loader::TensorLoader;
pub use source::{Cut, Source};
pub use text::Text;

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
