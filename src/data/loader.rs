use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{Rng, seq::SliceRandom};
use rand_pcg::Pcg64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A data loader for burn's `Learner` over one tensor that stays on the training device: no batch is
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
pub struct TensorLoader<const D: usize> {
    data: Tensor<D>,
    batch_size: usize,
    seed: u64,
    shuffle: bool,
    epoch: AtomicUsize,
}

impl<const D: usize> TensorLoader<D> {
    /// Batches of `data`, `[items, ...]`, in order; the last may be smaller.
    ///
    /// # Panics
    ///
    /// If `batch_size` is 0.
    pub fn new(data: Tensor<D>, batch_size: usize) -> Self {
        assert!(
            batch_size > 0,
            "TensorLoader: batch_size must be at least 1"
        );
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

    fn with_data(&self, data: Tensor<D>) -> Arc<dyn DataLoader<Tensor<D>>> {
        Arc::new(Self {
            data,
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

impl<const D: usize> DataLoader<Tensor<D>> for TensorLoader<D> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Tensor<D>> + 'a> {
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
        self.data.dims()[0]
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Tensor<D>>> {
        let data = self.data.clone().to_device(device);
        // On an autodiff device the batches are part of it, as layers ask their input whether they
        // are trained.
        self.with_data(match device.is_autodiff() {
            true => data.autodiff(),
            false => data.without_autodiff(),
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Tensor<D>>> {
        self.with_data(self.data.clone().narrow(0, start, end - start))
    }
}

struct Batches<'a, const D: usize> {
    loader: &'a TensorLoader<D>,
    order: Option<Tensor<1, Int>>,
    next: usize,
}

impl<const D: usize> Iterator for Batches<'_, D> {
    type Item = Result<Tensor<D>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (start, total) = (self.next, self.loader.num_items());
        if start == total {
            return None;
        }
        let length = self.loader.batch_size.min(total - start);
        self.next += length;
        let data = self.loader.data.clone();
        Some(Ok(match &self.order {
            Some(order) => data.select(0, order.clone().narrow(0, start, length)),
            None => data.narrow(0, start, length),
        }))
    }
}

impl<const D: usize> DataLoaderIterator<Tensor<D>> for Batches<'_, D> {
    fn progress(&self) -> Progress {
        let unit = Some("items".to_string());
        Progress::new(self.next, self.loader.num_items(), unit)
    }
}
