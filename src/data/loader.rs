use crate::traits::Batch;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{Rng, seq::SliceRandom};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A data loader for burn's `Learner` over items that stay on the training device: no batch is
/// built on the host, and no epoch copies the data.
///
/// Its epochs are reproducible one by one. Epoch `k` depends on the seed and on `k` alone: the loader
/// draws its order from them, and seeds the device's generator (the noise of the model) from them. So
/// a run that was stopped and resumed equals one that never was.
///
/// For images that do not fit the device there is [`ImageLoader`](super::ImageLoader), for other data burn's own
/// `DataLoaderBuilder`.
///
/// ```
/// use burn::data::dataloader::DataLoader;
/// use burn::prelude::*;
/// use burn_generative::data::TensorLoader;
///
/// let rows = Tensor::<2>::zeros([10, 3], &Device::default());
/// let loader = TensorLoader::new(rows, 4).seed(42).shuffle();
/// let sizes: Vec<usize> = loader.iter().map(|batch| batch.unwrap().dims()[0]).collect();
/// assert_eq!(sizes, [4, 4, 2]);
/// ```
#[derive(Debug)]
pub struct TensorLoader<T> {
    data: T,
    batch_size: usize,
    epochs: Epochs,
}

/// What each epoch of a loader draws, from a seed and the epoch's number alone.
#[derive(Debug)]
pub(super) struct Epochs {
    pub(super) seed: u64,
    pub(super) shuffle: bool,
    next: AtomicUsize,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            seed: 0,
            shuffle: false,
            next: AtomicUsize::new(1),
        }
    }
}

impl Clone for Epochs {
    fn clone(&self) -> Self {
        Self {
            next: AtomicUsize::new(self.next.load(Ordering::Relaxed)),
            ..*self
        }
    }
}

impl Epochs {
    /// The same from this epoch on.
    pub(super) fn from(self, epoch: usize) -> Self {
        self.next.store(epoch, Ordering::Relaxed);
        self
    }

    /// Those of the shard that begins at an item: each has an order and a noise of its own, and the first those
    /// of the whole.
    pub(super) fn shard(&self, start: usize) -> Self {
        Self {
            seed: match start {
                0 => self.seed,
                // Of both together: what an epoch is combined with must not be undone by it.
                start => super::mixed(self.seed ^ super::mixed(start as u64)),
            },
            ..self.clone()
        }
    }

    /// Begins the next epoch: seeds the device's generator, and gives the order of `items`, where it is drawn.
    ///
    /// The shuffled and the ordered loader of one seed draw different numbers, so that training and test noise
    /// are not the same.
    pub(super) fn next(&self, items: usize, device: &Device) -> Option<Vec<i32>> {
        let epoch = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        let mut generator = super::generator(self.seed, 2 * epoch + u64::from(self.shuffle));
        device.seed(generator.next_u64());
        self.shuffle.then(|| {
            let mut order: Vec<i32> = (0..items as i32).collect();
            order.shuffle(&mut generator);
            order
        })
    }
}

impl<T: Batch> TensorLoader<T> {
    /// Batches of `data`, `[items, ...]`, in order; the last may be smaller.
    ///
    /// # Panics
    ///
    /// If `batch_size` is 0, or `data` is a pair of tensors of different lengths.
    pub fn new(data: T, batch_size: usize) -> Self {
        assert!(
            batch_size > 0,
            "TensorLoader: batch_size must be at least 1"
        );
        data.len(); // which refuses a pair that does not match
        Self {
            data,
            batch_size,
            epochs: Epochs::default(),
        }
    }

    /// Sets the seed that all epochs derive from; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.epochs.seed = seed;
        self
    }

    /// Draws a new order in every epoch.
    pub fn shuffle(mut self) -> Self {
        self.epochs.shuffle = true;
        self
    }

    /// The number of the first epoch, 1 by default: one more than the epochs a resumed run has done.
    pub fn first_epoch(mut self, epoch: usize) -> Self {
        self.epochs = self.epochs.from(epoch);
        self
    }
}

impl<T: Batch> DataLoader<T> for TensorLoader<T> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<T> + 'a> {
        let device = self.data.device();
        let order = self.epochs.next(self.num_items(), &device).map(|order| {
            let length = order.len();
            Tensor::from_data(TensorData::new(order, [length]), &device)
        });
        Box::new(Batches {
            loader: self,
            order,
            next: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.data.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<T>> {
        Arc::new(Self {
            data: self.data.to_device(device),
            batch_size: self.batch_size,
            epochs: self.epochs.clone(),
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<T>> {
        Arc::new(Self {
            data: self.data.narrow(start, end - start),
            batch_size: self.batch_size,
            epochs: self.epochs.shard(start),
        })
    }
}

struct Batches<'a, T> {
    loader: &'a TensorLoader<T>,
    order: Option<Tensor<1, Int>>,
    next: usize,
}

impl<T: Batch> Iterator for Batches<'_, T> {
    type Item = Result<T, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (start, total) = (self.next, self.loader.num_items());
        if start == total {
            return None;
        }
        let length = self.loader.batch_size.min(total - start);
        self.next += length;
        let data = &self.loader.data;
        Some(Ok(match &self.order {
            Some(order) => data.select(order.clone().narrow(0, start, length)),
            None => data.narrow(start, length),
        }))
    }
}

impl<T: Batch> DataLoaderIterator<T> for Batches<'_, T> {
    fn progress(&self) -> Progress {
        let unit = Some("items".to_string());
        Progress::new(self.next, self.loader.num_items(), unit)
    }
}
