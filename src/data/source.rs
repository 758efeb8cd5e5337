use super::{ImageFolder, ImageLoader, LabeledImages, TensorLoader};
use crate::traits::Batch;
use burn::data::dataloader::DataLoader;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// What a training goes through: tensors on their device, images in memory, pictures in a folder, or a loader of burn's.
///
/// | data | its batches |
/// |---|---|
/// | any [`Batch`] | of itself, by a [`TensorLoader`] |
/// | [`LabeledImages`] | images, by an [`ImageLoader`] |
/// | [`ImageFolder`] | images, decoded as they are wanted |
/// | `Arc<dyn DataLoader<B>>`, from burn's `DataLoaderBuilder` or one's own | as it cuts them |
pub trait Source<B: Batch> {
    /// How many items it has.
    fn items(&self) -> usize;

    /// The shapes of its tensors, all items in them; empty where nobody knows.
    fn shapes(&self) -> Vec<Vec<usize>>;

    /// How many batches of this size an epoch has; `None` where nobody knows.
    fn batches(&self, batch_size: usize) -> Option<usize> {
        Some(self.items().div_ceil(batch_size))
    }

    /// A loader of its batches.
    fn loader(&self, cut: &Cut) -> Arc<dyn DataLoader<B>>;
}

/// How a [`Source`] is cut into batches.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Items in a batch.
    pub batch_size: usize,
    /// The seed that order and noise of every epoch derive from.
    pub seed: u64,
    /// Whether every epoch has an order of its own.
    pub shuffle: bool,
    /// The number of the first epoch, from 1: one more than a resumed run has done.
    pub first_epoch: usize,
    /// Where the batches go.
    pub device: Device,
}

impl<B: Batch> Source<B> for B {
    fn items(&self) -> usize {
        self.len()
    }

    fn shapes(&self) -> Vec<Vec<usize>> {
        Batch::shapes(self)
    }

    fn loader(&self, cut: &Cut) -> Arc<dyn DataLoader<B>> {
        let data = self.to_device(&cut.device);
        let loader = TensorLoader::new(data, cut.batch_size)
            .seed(cut.seed)
            .first_epoch(cut.first_epoch);
        Arc::new(if cut.shuffle {
            loader.shuffle()
        } else {
            loader
        })
    }
}

impl Source<Tensor<4>> for LabeledImages {
    fn items(&self) -> usize {
        self.len()
    }

    fn shapes(&self) -> Vec<Vec<usize>> {
        shapes(self.len(), self.shape())
    }

    fn loader(&self, cut: &Cut) -> Arc<dyn DataLoader<Tensor<4>>> {
        cut.apply(ImageLoader::new(self.clone(), cut.batch_size, &cut.device))
    }
}

impl Source<Tensor<4>> for ImageFolder {
    fn items(&self) -> usize {
        self.len()
    }

    fn shapes(&self) -> Vec<Vec<usize>> {
        shapes(self.len(), self.shape())
    }

    fn loader(&self, cut: &Cut) -> Arc<dyn DataLoader<Tensor<4>>> {
        cut.apply(ImageFolder::loader(self, cut.batch_size, &cut.device))
    }
}

fn shapes(items: usize, image: [usize; 3]) -> Vec<Vec<usize>> {
    vec![[vec![items], image.to_vec()].concat()]
}

impl Cut {
    fn apply(&self, loader: ImageLoader) -> Arc<dyn DataLoader<Tensor<4>>> {
        let loader = loader.seed(self.seed).first_epoch(self.first_epoch);
        Arc::new(if self.shuffle {
            loader.shuffle()
        } else {
            loader
        })
    }
}

/// Its batches, order and seed are its own. A run on it is resumed to the bit only if its epochs depend on nothing but
/// their number.
impl<B: Batch> Source<B> for Arc<dyn DataLoader<B>> {
    fn items(&self) -> usize {
        self.num_items()
    }

    fn shapes(&self) -> Vec<Vec<usize>> {
        Vec::new()
    }

    fn batches(&self, _batch_size: usize) -> Option<usize> {
        None
    }

    fn loader(&self, _cut: &Cut) -> Arc<dyn DataLoader<B>> {
        self.clone()
    }
}
