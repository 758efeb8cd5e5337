use super::{LabeledImages, loader::Epochs};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// A data loader over images in host memory, for data sets that the training device has no room for: a thread
/// assembles the next batches while the device works on one.
///
/// Images of bytes stay bytes until they are in a batch: a quarter of the memory that a
/// [`TensorLoader`](super::TensorLoader) takes on the device. Batches, order and noise are those of a
/// `TensorLoader` with the same seed.
///
/// ```
/// use burn::data::dataloader::DataLoader;
/// use burn::prelude::*;
/// use burn_generative::data::{ImageLoader, digits};
///
/// let device = Device::default();
/// let loader = ImageLoader::new(digits::generate(10, 1), 4, &device).seed(42).shuffle();
/// let sizes: Vec<usize> = loader.iter().map(|batch| batch.unwrap().dims()[0]).collect();
/// assert_eq!(sizes, [4, 4, 2]);
/// ```
#[derive(Debug)]
pub struct ImageLoader {
    images: Arc<LabeledImages>,
    /// Those that it goes through.
    range: Range<usize>,
    batch_size: usize,
    device: Device,
    epochs: Epochs,
}

/// How many batches lie ready.
const AHEAD: usize = 2;

impl ImageLoader {
    /// Batches of images on `device`, `[batch, channels, height, width]`, in order; the last may be smaller.
    ///
    /// # Panics
    ///
    /// If `batch_size` is 0.
    pub fn new(images: LabeledImages, batch_size: usize, device: &Device) -> Self {
        assert!(batch_size > 0, "ImageLoader: batch_size must be at least 1");
        Self {
            range: 0..images.len(),
            images: Arc::new(images),
            batch_size,
            device: device.clone(),
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

impl DataLoader<Tensor<4>> for ImageLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Tensor<4>> + 'a> {
        let order = self.epochs.next(self.range.len(), &self.device);
        let order = order.unwrap_or_else(|| (0..self.range.len() as i32).collect());
        let (images, first, size) = (self.images.clone(), self.range.start, self.batch_size);
        let (sender, batches) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            for batch in order.chunks(size) {
                let mut numbers = Vec::new();
                for &index in batch {
                    let image = first + index as usize;
                    images.append(image..image + 1, &mut numbers);
                }
                let batch = TensorData::new(numbers, images.shape_of(batch.len()));
                // Nobody waits for it any more: the epoch was broken off.
                if sender.send(batch).is_err() {
                    break;
                }
            }
        });
        Box::new(Batches {
            loader: self,
            batches,
            done: 0,
        })
    }

    fn num_items(&self) -> usize {
        self.range.len()
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Tensor<4>>> {
        Arc::new(Self {
            images: self.images.clone(),
            range: self.range.clone(),
            batch_size: self.batch_size,
            device: device.clone(),
            epochs: self.epochs.clone(),
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Tensor<4>>> {
        Arc::new(Self {
            images: self.images.clone(),
            range: self.range.start + start..self.range.start + end,
            batch_size: self.batch_size,
            device: self.device.clone(),
            epochs: self.epochs.shard(start),
        })
    }
}

struct Batches<'a> {
    loader: &'a ImageLoader,
    batches: Receiver<TensorData>,
    done: usize,
}

impl Iterator for Batches<'_> {
    type Item = Result<Tensor<4>, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Ok(batch) = self.batches.recv() else {
            let items = self.loader.num_items();
            return (self.done < items).then(|| {
                let reason = format!("the batches ended after {} of {items} images", self.done);
                self.done = items;
                Err(DatasetError::new(std::io::Error::other(reason)))
            });
        };
        self.done += batch.shape()[0];
        Some(Ok(Tensor::from_data(batch, &self.loader.device)))
    }
}

impl DataLoaderIterator<Tensor<4>> for Batches<'_> {
    fn progress(&self) -> Progress {
        let unit = Some("items".to_string());
        Progress::new(self.done, self.loader.num_items(), unit)
    }
}
