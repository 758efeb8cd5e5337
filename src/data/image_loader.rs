use super::{LabeledImages, loader::Epochs};
use crate::error::Result;
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// A data loader over images that the training device has no room for: a thread assembles the next batches while the
/// device works on one.
///
/// The images are in host memory ([`new`](ImageLoader::new)), where bytes stay bytes until they are in a batch: a
/// quarter of the memory that a [`TensorLoader`](super::TensorLoader) takes on the device. Or they are in files that
/// are decoded again in every epoch, on all cores ([`ImageFolder::loader`](super::ImageFolder::loader)). Batches,
/// order and noise are those of a `TensorLoader` with the same seed.
///
/// An item is a batch of images, or with [`labeled`](ImageLoader::labeled) a pair of images and labels. After an image
/// that cannot be read any more comes an `Err` that names it, and the epoch ends.
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
pub struct ImageLoader<B = Tensor<4>> {
    source: Arc<dyn Images>,
    /// The images that it goes through.
    range: Range<usize>,
    batch_size: usize,
    device: Device,
    epochs: Epochs,
    /// Makes an item of images on the device and their labels.
    batch: fn(Tensor<4>, Vec<i32>) -> B,
}

/// Where a loader has its images from.
pub(super) trait Images: Debug + Send + Sync + 'static {
    /// The number of images.
    fn len(&self) -> usize;

    /// Channels, height and width of one image.
    fn shape(&self) -> [usize; 3];

    /// The label of an image.
    fn label(&self, image: usize) -> i32;

    /// Appends the numbers of these images, bytes scaled to `[0, 1]`.
    fn append(&self, images: &[usize], numbers: &mut Vec<f32>) -> Result<()>;
}

impl Images for LabeledImages {
    fn len(&self) -> usize {
        self.labels().len()
    }

    fn shape(&self) -> [usize; 3] {
        self.shape()
    }

    fn label(&self, image: usize) -> i32 {
        self.labels()[image].into()
    }

    fn append(&self, images: &[usize], numbers: &mut Vec<f32>) -> Result<()> {
        for &image in images {
            self.append(image..image + 1, numbers);
        }
        Ok(())
    }
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
        Self::of(images, batch_size, device)
    }

    /// As [`new`](Self::new), from any source.
    pub(super) fn of(source: impl Images, batch_size: usize, device: &Device) -> Self {
        assert!(batch_size > 0, "ImageLoader: batch_size must be at least 1");
        Self {
            range: 0..source.len(),
            source: Arc::new(source),
            batch_size,
            device: device.clone(),
            epochs: Epochs::default(),
            batch: |images, _labels| images,
        }
    }

    /// Items that are pairs, of images and of their labels as numbers, `[batch]`: the input of a
    /// [`ConditionalVae`](crate::model::ConditionalVae).
    pub fn labeled(self) -> ImageLoader<(Tensor<4>, Tensor<1, Int>)> {
        ImageLoader {
            source: self.source,
            range: self.range,
            batch_size: self.batch_size,
            device: self.device,
            epochs: self.epochs,
            batch: |images, labels| {
                let labels = Tensor::from_data(&labels[..], &images.device());
                (images, labels)
            },
        }
    }
}

impl<B> ImageLoader<B> {
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

impl<B: 'static> DataLoader<B> for ImageLoader<B> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<B> + 'a> {
        let order = self.epochs.next(self.range.len(), &self.device);
        let order = order.unwrap_or_else(|| (0..self.range.len() as i32).collect());
        let (source, first, size) = (self.source.clone(), self.range.start, self.batch_size);
        let (sender, batches) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            for batch in order.chunks(size) {
                let images: Vec<usize> = batch.iter().map(|&i| first + i as usize).collect();
                let batch = HostBatch::of(&*source, &images);
                let is_last = batch.is_err();
                // A batch that cannot be sent is one that nobody waits for: the epoch was broken off.
                if sender.send(batch).is_err() || is_last {
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

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<B>> {
        Arc::new(Self {
            source: self.source.clone(),
            range: self.range.clone(),
            batch_size: self.batch_size,
            device: device.clone(),
            epochs: self.epochs.clone(),
            batch: self.batch,
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<B>> {
        Arc::new(Self {
            source: self.source.clone(),
            range: self.range.start + start..self.range.start + end,
            batch_size: self.batch_size,
            device: self.device.clone(),
            epochs: self.epochs.shard(start),
            batch: self.batch,
        })
    }
}

/// A batch in host memory.
struct HostBatch {
    images: TensorData,
    labels: Vec<i32>,
}

impl HostBatch {
    fn of(source: &dyn Images, images: &[usize]) -> Result<Self> {
        let mut numbers = Vec::new();
        source.append(images, &mut numbers)?;
        let [channels, height, width] = source.shape();
        Ok(Self {
            images: TensorData::new(numbers, [images.len(), channels, height, width]),
            labels: images.iter().map(|&image| source.label(image)).collect(),
        })
    }
}

struct Batches<'a, B> {
    loader: &'a ImageLoader<B>,
    batches: Receiver<Result<HostBatch>>,
    done: usize,
}

impl<B: 'static> Iterator for Batches<'_, B> {
    type Item = Result<B, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let items = self.loader.num_items();
        match self.batches.recv() {
            Ok(Ok(batch)) => {
                self.done += batch.labels.len();
                let images = Tensor::from_data(batch.images, &self.loader.device);
                Some(Ok((self.loader.batch)(images, batch.labels)))
            }
            Ok(Err(error)) => {
                self.done = items;
                Some(Err(DatasetError::new(error)))
            }
            Err(_) => (self.done < items).then(|| {
                let reason = format!("the batches ended after {} of {items} images", self.done);
                self.done = items;
                Err(DatasetError::new(std::io::Error::other(reason)))
            }),
        }
    }
}

impl<B: 'static> DataLoaderIterator<B> for Batches<'_, B> {
    fn progress(&self) -> Progress {
        let unit = Some("items".to_string());
        Progress::new(self.done, self.loader.num_items(), unit)
    }
}
