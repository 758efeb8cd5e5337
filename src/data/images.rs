use super::idx::{Idx, Values};
use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;
use std::path::Path;

/// Images of one size with a label each, in host memory.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::digits;
///
/// let digits = digits::generate(10, 42);
/// assert_eq!(digits.len(), 10);
/// assert_eq!(digits.images(&Device::default()).dims(), [10, 1, 28, 28]);
/// ```
#[derive(Clone, Debug)]
pub struct LabeledImages {
    /// Channels, height and width.
    shape: [usize; 3],
    /// Image after image; bytes where the source has bytes: a quarter of the memory.
    pixels: Pixels,
    labels: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

impl LabeledImages {
    /// Grey images from bytes, one after another, of `height` by `width` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are not `height * width` bytes for every label.
    pub fn from_bytes(
        pixels: Vec<u8>,
        labels: Vec<u8>,
        [height, width]: [usize; 2],
    ) -> Result<Self> {
        if pixels.len() != labels.len() * height * width {
            return Err(Error::Config(format!(
                "LabeledImages: {} bytes do not make {} images of {height}x{width}",
                pixels.len(),
                labels.len(),
            )));
        }
        Ok(Self::of_shape([1, height, width], pixels, labels))
    }

    /// Images from bytes that are as many as their labels and this shape ask for.
    pub(super) fn of_shape(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        Self {
            shape,
            pixels: Pixels::Bytes(pixels),
            labels,
        }
    }

    /// Grey images and their labels from two IDX files, raw or gzip-compressed.
    ///
    /// Bytes are scaled to `[0, 1]`; other types are taken as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file that is missing, corrupt, not what it should be, or that does
    /// not belong to the other.
    pub fn open(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self> {
        let (images_path, labels_path) = (images.as_ref(), labels.as_ref());
        let (images, kind) = Idx::open_typed(images_path)?;
        let [count, height, width] = images.shape[..] else {
            let reason = format!(
                "holds {kind} of shape {:?}, where images have three axes{}",
                images.shape,
                swapped(images.shape.len() == 1)
            );
            return Err(Error::data(images_path, reason));
        };
        if images.shape.contains(&0) {
            let reason = format!("holds no images: its shape is {:?}", images.shape);
            return Err(Error::data(images_path, reason));
        }

        let (labels, kind) = Idx::open_typed(labels_path)?;
        let (&[label_count], Values::Bytes(labels)) = (&labels.shape[..], labels.values) else {
            let reason = format!(
                "holds {kind} of shape {:?}, where labels are one axis of unsigned bytes, a class each{}",
                labels.shape,
                swapped(labels.shape.len() == 3)
            );
            return Err(Error::data(labels_path, reason));
        };
        if label_count != count {
            return Err(Error::data(
                labels_path,
                format!(
                    "holds {label_count} labels, but {} holds {count} images",
                    images_path.display()
                ),
            ));
        }

        let pixels = match images.values {
            Values::Bytes(bytes) => Pixels::Bytes(bytes),
            Values::Floats(floats) => Pixels::Floats(floats),
        };
        Ok(Self {
            shape: [1, height, width],
            pixels,
            labels,
        })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Channels, height and width of one image.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The label of each image.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// All images as one tensor, `[len, channels, height, width]`, with bytes scaled to `[0, 1]`.
    pub fn images(&self, device: &Device) -> Tensor<4> {
        let mut floats = Vec::new();
        self.append(0..self.len(), &mut floats);
        Tensor::from_data(TensorData::new(floats, self.shape_of(self.len())), device)
    }

    /// The shape of a batch of `n` images.
    pub(super) fn shape_of(&self, n: usize) -> [usize; 4] {
        let [channels, height, width] = self.shape;
        [n, channels, height, width]
    }

    /// Appends the numbers of a range of images, bytes scaled to `[0, 1]`.
    pub(super) fn append(&self, images: Range<usize>, numbers: &mut Vec<f32>) {
        let size = self.shape.iter().product::<usize>();
        let places = images.start * size..images.end * size;
        match &self.pixels {
            Pixels::Bytes(bytes) => numbers.extend(scaled(&bytes[places])),
            Pixels::Floats(floats) => numbers.extend_from_slice(&floats[places]),
        }
    }

    /// The images whose label is wanted: all but one class, say, for what is to find that class strange.
    pub fn with_labels(mut self, wanted: impl Fn(u8) -> bool) -> Self {
        let size = self.shape.iter().product::<usize>();
        match &mut self.pixels {
            Pixels::Bytes(bytes) => *bytes = chosen(bytes, &self.labels, size, &wanted),
            Pixels::Floats(floats) => *floats = chosen(floats, &self.labels, size, &wanted),
        }
        self.labels.retain(|&label| wanted(label));
        self
    }

    /// The first `n` images, or all if there are fewer.
    pub fn take(mut self, n: usize) -> Self {
        let n = n.min(self.len());
        let pixels = n * self.shape.iter().product::<usize>();
        match &mut self.pixels {
            Pixels::Bytes(bytes) => bytes.truncate(pixels),
            Pixels::Floats(floats) => floats.truncate(pixels),
        }
        self.labels.truncate(n);
        self
    }
}

/// Bytes scaled to `[0, 1]`.
pub(super) fn scaled(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.iter().map(|&byte| f32::from(byte) / 255.0)
}

/// What to ask where a file looks like its neighbour.
fn swapped(looks_so: bool) -> &'static str {
    if looks_so {
        ": were the files swapped?"
    } else {
        ""
    }
}

/// The pixels of the images whose label is wanted.
fn chosen<T: Copy>(
    pixels: &[T],
    labels: &[u8],
    size: usize,
    wanted: &impl Fn(u8) -> bool,
) -> Vec<T> {
    let images = pixels.chunks_exact(size.max(1)).zip(labels);
    images
        .filter(|(_, label)| wanted(**label))
        .flat_map(|(image, _)| image.iter().copied())
        .collect()
}
