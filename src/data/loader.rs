use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{Rng, seq::SliceRandom};
use rand_pcg::Pcg64;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Items side by side along axis 0: a tensor, or a pair of them (images and labels) of as many items each.
pub trait Items: Clone + Debug + Send + Sync + Sized + 'static {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where they are.
    fn device(&self) -> Device;

    /// The items at these indices.
    fn select(&self, indices: Tensor<1, Int>) -> Self;

    /// `length` items from `start` on.
    fn narrow(&self, start: usize, length: usize) -> Self;

    /// The same on a device; on an autodiff device they are part of it, as layers ask their input whether
    /// they are trained.
    fn to_device(&self, device: &Device) -> Self;
}

impl<const D: usize> Items for Tensor<D> {
    fn len(&self) -> usize {
        self.dims()[0]
    }
    fn device(&self) -> Device {
        self.device()
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        self.clone().select(0, indices)
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        self.clone().narrow(0, start, length)
    }
    fn to_device(&self, device: &Device) -> Self {
        let moved = self.clone().to_device(device);
        match device.is_autodiff() {
            true => moved.autodiff(),
            false => moved.without_autodiff(),
        }
    }
}

impl<const D: usize> Items for Tensor<D, Int> {
    fn len(&self) -> usize {
        self.dims()[0]
    }
    fn device(&self) -> Device {
        self.device()
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        self.clone().select(0, indices)
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        self.clone().narrow(0, start, length)
    }
    fn to_device(&self, device: &Device) -> Self {
        self.clone().to_device(device)
    }
}

/// # Panics
///
/// `len`, and with it a [`TensorLoader`], if one has more items than the other.
impl<A: Items, B: Items> Items for (A, B) {
    fn len(&self) -> usize {
        let (first, second) = (self.0.len(), self.1.len());
        assert!(
            first == second,
            "Items: a pair of {first} and {second} items; both must be as many"
        );
        first
    }
    fn device(&self) -> Device {
        self.0.device()
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        (self.0.select(indices.clone()), self.1.select(indices))
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        (self.0.narrow(start, length), self.1.narrow(start, length))
    }
    fn to_device(&self, device: &Device) -> Self {
        (self.0.to_device(device), self.1.to_device(device))
    }
}

/// A data loader for burn's `Learner` over [`Items`] that stay on the training device: no batch is
/// built on the host, and no epoch copies the data.
///
/// Its epochs are reproducible one by one. Epoch `k` depends on the seed and on `k` alone: the loader
/// draws its order from them, and seeds the device's generator (the noise of the model) from them. So
/// a run that was stopped and resumed equals one that never was.
///
/// For data that does not fit the device, use burn's own `DataLoaderBuilder`.
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
    seed: u64,
    shuffle: bool,
    epoch: AtomicUsize,
}

impl<T: Items> TensorLoader<T> {
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
            seed: 0,
            shuffle: false,
            epoch: AtomicUsize::new(1),
        }
    }

    /// Sets the seed that all epochs derive from; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Draws a new order in every epoch.
    pub fn shuffle(mut self) -> Self {
        self.shuffle = true;
        self
    }

    /// The number of the first epoch, 1 by default: one more than the epochs a resumed run has done.
    pub fn first_epoch(self, epoch: usize) -> Self {
        self.epoch.store(epoch, Ordering::Relaxed);
        self
    }

    fn with(&self, data: T, seed: u64) -> Arc<dyn DataLoader<T>> {
        Arc::new(Self {
            data,
            seed,
            epoch: AtomicUsize::new(self.epoch.load(Ordering::Relaxed)),
            ..*self
        })
    }

    /// The generator of an epoch. The shuffled and the ordered loader of one seed draw different
    /// numbers, so that training and test noise are not the same.
    fn generator(&self, epoch: usize) -> Pcg64 {
        super::generator(self.seed, 2 * epoch as u64 + u64::from(self.shuffle))
    }
}

impl<T: Items> DataLoader<T> for TensorLoader<T> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<T> + 'a> {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed);
        let mut generator = self.generator(epoch);
        let device = self.data.device();
        device.seed(generator.next_u64());

        let order = self.shuffle.then(|| {
            let mut order: Vec<i32> = (0..self.num_items() as i32).collect();
            order.shuffle(&mut generator);
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
        self.with(self.data.to_device(device), self.seed)
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<T>> {
        // The shards of several devices have each their own order and noise.
        let seed = self.seed ^ (start as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.with(self.data.narrow(start, end - start), seed)
    }
}

struct Batches<'a, T> {
    loader: &'a TensorLoader<T>,
    order: Option<Tensor<1, Int>>,
    next: usize,
}

impl<T: Items> Iterator for Batches<'_, T> {
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

impl<T: Items> DataLoaderIterator<T> for Batches<'_, T> {
    fn progress(&self) -> Progress {
        let unit = Some("items".to_string());
        Progress::new(self.next, self.loader.num_items(), unit)
    }
}
