use super::image_loader::{ImageLoader, Images};
use super::{LabeledImages, images, reading};
use crate::error::{Error, Result};
use burn::config::Config;
use burn::tensor::{Device, Tensor};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The colours of a picture in a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channels {
    /// One channel: the luminance.
    Grey,
    /// Red, green and blue.
    Rgb,
    /// Red, green, blue and opacity.
    Rgba,
}

impl Channels {
    fn count(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
            Channels::Rgba => 4,
        }
    }
}

/// What becomes of a picture that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unreadable {
    /// An error names it.
    Refuse,
    /// It is left out, with a warning in the log: [`ImageFolder::skipped`].
    Skip,
}

/// How a folder of pictures becomes images of one size.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::{Channels, ImageFolderConfig};
/// use image::{Rgb, RgbImage};
///
/// let folder = std::env::temp_dir().join(format!("pictures-{}", std::process::id()));
/// for (class, colour) in [("cats", [255, 0, 0]), ("dogs", [0, 0, 255])] {
///     std::fs::create_dir_all(folder.join(class)).unwrap();
///     let picture = RgbImage::from_pixel(40, 30, Rgb(colour));
///     picture.save(folder.join(class).join("1.png")).unwrap();
/// }
///
/// let pictures = ImageFolderConfig::new([16, 16]).with_channels(Channels::Rgb).open(&folder)?;
/// assert_eq!((pictures.classes(), pictures.labels()), (&["cats".into(), "dogs".into()][..], &[0, 1][..]));
/// let images = pictures.decode()?.images(&Device::default()); // or pictures.loader(64, &device)
/// assert_eq!(images.dims(), [2, 3, 16, 16]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct ImageFolderConfig {
    /// Height and width of the images, 1 to 16,384 each. A picture is scaled until it covers them, its aspect kept, and
    /// what then stands out is cut off, as much on either side.
    pub size: [usize; 2],
    /// The channels of the images, whatever those of the pictures.
    #[config(default = "Channels::Rgb")]
    pub channels: Channels,
    /// The ground, red, green and blue, that transparent pictures are laid on, unless [`Channels::Rgba`] is asked for.
    #[config(default = "[255, 255, 255]")]
    pub background: [u8; 3],
    /// What becomes of a picture that cannot be read.
    #[config(default = "Unreadable::Refuse")]
    pub unreadable: Unreadable,
}

/// The longest side of an image.
const MAX_SIDE: usize = 1 << 14;

impl ImageFolderConfig {
    /// Finds the pictures in a folder, and decodes each once, on all cores, to see that it can be read: what is wrong
    /// with a data set is said before a training, not in the middle of it.
    ///
    /// Pictures are PNG and JPEG files, known by their content. Each folder in `folder` is a class, labelled by its
    /// place among their sorted names, and its pictures are all that it holds however deep, in the order of their
    /// paths. If `folder` has no such folders, the pictures in it are one class, `.`. Hidden files and files that are no
    /// pictures by their name are left alone; pictures of other formats count as unreadable. A photo is turned as its
    /// camera noted.
    ///
    /// A picture is decoded into at most 256 MiB (a photo of 89 million pixels), and at most 33,000 times what its file
    /// holds, which no picture needs more than; what claims to be larger is refused before memory is taken for it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if an image would have no pixel, or too many. [`Error::Data`] naming the folder if it cannot be
    /// read, holds no pictures, or pictures beside folders of pictures; and naming a picture that cannot be read, unless
    /// such are skipped and others are left.
    pub fn open(&self, folder: impl AsRef<Path>) -> Result<ImageFolder> {
        let [height, width] = self.size;
        if self.size.iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(Error::Config(format!(
                "ImageFolder: images of {height}x{width}; each side must be between 1 and {MAX_SIDE}"
            )));
        }
        let folder = folder.as_ref();
        let mut pictures = ImageFolder::find(self.clone(), folder)?;
        let mut refused = pictures.check();
        if refused.is_empty() {
            return Ok(pictures);
        }
        match self.unreadable {
            Unreadable::Refuse => {
                let (picture, reason) = refused.swap_remove(0);
                let others = match refused.len() {
                    0 => String::new(),
                    others => format!(" ({others} other pictures cannot be read either)"),
                };
                let remedy = "repair or remove it, or leave such out with Unreadable::Skip";
                Err(Error::data(picture, format!("{reason}; {remedy}{others}")))
            }
            Unreadable::Skip => {
                let (count, all) = (refused.len(), pictures.len());
                let (first, reason) = &refused[0];
                let first = format!("the first, {}, {reason}", first.display());
                if count == all {
                    let reason = format!("holds no picture that can be read, of {all}; {first}");
                    return Err(Error::data(folder, reason));
                }
                let folder = folder.display();
                log::warn!("{folder}: {count} of {all} pictures are left out; {first}");
                pictures.leave_out(refused);
                Ok(pictures)
            }
        }
    }

    /// A folder to train on and another to test on. Both must have the same classes, or a label would mean one thing
    /// here and another there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); and [`Error::Data`] naming the class that only one of them has.
    pub fn open_pair(
        &self,
        train: impl AsRef<Path>,
        test: impl AsRef<Path>,
    ) -> Result<(ImageFolder, ImageFolder)> {
        let (train, test) = (self.open(train)?, self.open(test)?);
        for (here, there) in [(&train, &test), (&test, &train)] {
            let only_here = |class: &&String| !there.classes.contains(class);
            if let Some(class) = here.classes.iter().find(only_here) {
                let reason = format!(
                    "holds no pictures of the class `{class}`, which {} has",
                    here.folder.display()
                );
                return Err(Error::data(&there.folder, reason));
            }
        }
        Ok((train, test))
    }
}

/// One PNG or JPEG picture as an image of its own size, `[1, channels, height, width]` in `[0, 1]`. What is transparent is laid on
/// white, unless [`Channels::Rgba`] is asked for.
///
/// # Errors
///
/// [`Error::Data`] naming the file if it cannot be read, or is no picture that [`ImageFolderConfig::open`] would take.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::data::{Channels, picture};
/// use image::{Rgba, RgbaImage};
///
/// let file = std::env::temp_dir().join(format!("picture-{}.png", std::process::id()));
/// RgbaImage::from_pixel(4, 3, Rgba([255, 0, 0, 0])).save(&file).unwrap(); // of glass
/// let image = picture(&file, Channels::Rgb, &Device::default())?;
/// assert_eq!(image.dims(), [1, 3, 3, 4]);
/// assert_eq!(image.min().into_scalar::<f32>(), 1.0);
/// # std::fs::remove_file(file).unwrap();
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn picture(path: impl AsRef<Path>, channels: Channels, device: &Device) -> Result<Tensor<4>> {
    let path = path.as_ref();
    let decoded = read(path).map_err(|reason| Error::data(path, reason))?;
    let [height, width] = [decoded.height(), decoded.width()].map(|side| side as usize);
    let shape = [channels.count(), height, width];
    let mut pixels = vec![0; shape.iter().product()];
    let config = ImageFolderConfig::new([height, width]).with_channels(channels);
    config.fit(decoded, &mut pixels);
    Ok(LabeledImages::of_shape(shape, pixels, vec![0]).images(device))
}

/// Pictures in a folder, to be decoded into images of one size: all of them at once ([`decode`](Self::decode)), or batch
/// by batch in every epoch ([`loader`](Self::loader)). It is opened by [`ImageFolderConfig`].
#[derive(Clone, Debug)]
pub struct ImageFolder {
    config: ImageFolderConfig,
    folder: PathBuf,
    classes: Vec<String>,
    paths: Vec<PathBuf>,
    /// The class of each picture.
    labels: Vec<usize>,
    skipped: Vec<(PathBuf, String)>,
}

impl ImageFolder {
    /// Finds pictures by their names.
    fn find(config: ImageFolderConfig, folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            let reason = "is no folder; name the one that holds the pictures";
            return Err(Error::data(folder, reason));
        }
        let mut found = Self {
            config,
            folder: folder.to_path_buf(),
            classes: Vec::new(),
            paths: Vec::new(),
            labels: Vec::new(),
            skipped: Vec::new(),
        };
        let (folders, pictures) = reading::entries(folder, &EXTENSIONS)?;
        let lie_beside = !pictures.is_empty();
        found.add_class(".".to_string(), pictures);
        for class in folders {
            let mut pictures = Vec::new();
            reading::walk(
                &class,
                &EXTENSIONS,
                &mut vec![reading::resolved(folder)?],
                &mut pictures,
            )?;
            if lie_beside && !pictures.is_empty() {
                let reason = format!(
                    "holds pictures, as {}, beside folders of pictures, as {}: move them into a folder of their class",
                    found.paths[0].display(),
                    class.display()
                );
                return Err(Error::data(folder, reason));
            }
            let name = class.file_name().unwrap_or_default();
            found.add_class(name.to_string_lossy().into_owned(), pictures);
        }
        if found.is_empty() {
            let reason = "holds no pictures: no file in it, or in a folder in it, ends in .png, .jpg or .jpeg";
            return Err(Error::data(folder, reason));
        }
        Ok(found)
    }

    /// Adds a class, if there is a picture of it.
    fn add_class(&mut self, name: String, pictures: Vec<PathBuf>) {
        if !pictures.is_empty() {
            self.labels.extend(vec![self.classes.len(); pictures.len()]);
            self.paths.extend(pictures);
            self.classes.push(name);
        }
    }

    /// The pictures that cannot be read, and why.
    fn check(&self) -> Vec<(PathBuf, String)> {
        let mut reasons = vec![None; self.len()];
        on_all_cores(self.paths.iter().zip(&mut reasons), |(path, reason)| {
            *reason = read(path).err();
        });
        let refused = self.paths.iter().zip(reasons);
        refused
            .filter_map(|(path, reason)| Some((path.clone(), reason?)))
            .collect()
    }

    /// Leaves these pictures out, which are some of its own in its order.
    fn leave_out(&mut self, pictures: Vec<(PathBuf, String)>) {
        let mut refused = pictures.iter().map(|(path, _)| path).peekable();
        let kept: Vec<usize> = (0..self.len())
            .filter(|&picture| refused.next_if_eq(&&self.paths[picture]).is_none())
            .collect();
        *self = self.subset(&kept);
        self.skipped = pictures;
    }

    /// The number of pictures.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Channels, height and width of the images.
    pub fn shape(&self) -> [usize; 3] {
        let [height, width] = self.config.size;
        [self.config.channels.count(), height, width]
    }

    /// The names of the classes, sorted.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of each picture, as its place in [`classes`](Self::classes).
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The file of each picture.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The pictures that could not be read, and why; none unless [`Unreadable::Skip`] was asked for.
    pub fn skipped(&self) -> &[(PathBuf, String)] {
        &self.skipped
    }

    /// Pictures to train on, and the share of them to test on, drawn by the seed. Both keep their order and all
    /// classes.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the share is not between 0 and 1, or leaves one of them without a picture.
    pub fn split(&self, test_share: f64, seed: u64) -> Result<(Self, Self)> {
        let test_count = (test_share * self.len() as f64).round() as usize;
        if !(0.0..1.0).contains(&test_share) || !(1..self.len()).contains(&test_count) {
            return Err(Error::Config(format!(
                "ImageFolder: a share of {test_share} of {} pictures for testing; both parts need a picture",
                self.len()
            )));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut super::generator(seed, 0));
        let (test, train) = order.split_at_mut(test_count);
        test.sort_unstable();
        train.sort_unstable();
        Ok((self.subset(train), self.subset(test)))
    }

    /// These pictures alone.
    fn subset(&self, pictures: &[usize]) -> Self {
        Self {
            config: self.config.clone(),
            folder: self.folder.clone(),
            classes: self.classes.clone(),
            paths: pictures.iter().map(|&i| self.paths[i].clone()).collect(),
            labels: pictures.iter().map(|&i| self.labels[i]).collect(),
            skipped: self.skipped.clone(),
        }
    }

    /// All pictures as images in host memory, a byte a number, decoded on all cores.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming a picture that can no longer be read, or the folder if it has more than 256 classes, which
    /// is all that [`LabeledImages`] counts.
    pub fn decode(&self) -> Result<LabeledImages> {
        let labels = self
            .labels
            .iter()
            .map(|&label| {
                u8::try_from(label).map_err(|_| {
                    let reason = format!(
                        "has {} classes, and LabeledImages at most 256: stream them with ImageFolder::loader, which \
                         counts on",
                        self.classes.len()
                    );
                    Error::data(&self.folder, reason)
                })
            })
            .collect::<Result<_>>()?;
        let all: Vec<usize> = (0..self.len()).collect();
        Ok(LabeledImages::of_shape(
            self.shape(),
            self.pixels(&all)?,
            labels,
        ))
    }

    /// A data loader that decodes the pictures anew in every epoch, ahead of the training and on all cores, for more than
    /// the memory holds. Its batches, their order and their noise are those of a [`TensorLoader`](super::TensorLoader)
    /// over the decoded images with the same seed.
    ///
    /// A picture that has become unreadable leads to an `Err` that names it, and ends the epoch.
    ///
    /// # Panics
    ///
    /// If `batch_size` is 0.
    pub fn loader(&self, batch_size: usize, device: &Device) -> ImageLoader {
        ImageLoader::of(self.clone(), batch_size, device)
    }

    /// The bytes of these images, decoded on all cores.
    fn pixels(&self, pictures: &[usize]) -> Result<Vec<u8>> {
        let size = self.shape().iter().product::<usize>();
        let mut pixels = vec![0; pictures.len() * size];
        let mut outcomes: Vec<Result<()>> = pictures.iter().map(|_| Ok(())).collect();
        let places = pixels.chunks_exact_mut(size).zip(&mut outcomes);
        on_all_cores(
            pictures.iter().zip(places),
            |(&picture, (place, outcome))| {
                let path = &self.paths[picture];
                *outcome = read(path)
                    .map(|decoded| self.config.fit(decoded, place))
                    .map_err(|reason| Error::data(path, reason));
            },
        );
        outcomes.into_iter().collect::<Result<()>>()?;
        Ok(pixels)
    }
}

impl Images for ImageFolder {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn shape(&self) -> [usize; 3] {
        self.shape()
    }

    fn label(&self, image: usize) -> i32 {
        self.labels[image] as i32
    }

    fn append(&self, images: &[usize], numbers: &mut Vec<f32>) -> Result<()> {
        numbers.extend(images::scaled(&self.pixels(images)?));
        Ok(())
    }
}

/// What pictures are called. Those of formats that are not read are among them, so that they are not passed over in
/// silence.
const EXTENSIONS: [&str; 10] = [
    "png", "jpg", "jpeg", "avif", "bmp", "gif", "heic", "tif", "tiff", "webp",
];

/// Does work on each item, on as many threads as there are cores.
fn on_all_cores<T>(items: impl ExactSizeIterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(items.len());
    let items = Mutex::new(items);
    // The lock is held while an item is taken, not while it is worked on.
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}

/// The most bytes that a picture may be decoded into.
const MAX_DECODED: u64 = 256 << 20;
/// The most bytes that a picture may be decoded into for each byte of its file: deflate packs at most 1,032 bytes into
/// one, of which a palette of two colours makes 32 times as many. A JPEG stays far below.
const MAX_EXPANSION: u64 = 1032 * 32;

/// Decodes a picture as it is; the error says what is wrong with it.
fn read(path: &Path) -> Result<DynamicImage, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.is_empty() {
        return Err("is empty".to_string());
    }
    let format = match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        _ => return Err("is no PNG or JPEG picture, whatever its name says".to_string()),
    };
    if format == ImageFormat::Jpeg && !has_end_marker(&bytes) {
        return Err("is truncated: it breaks off before the end of its JPEG stream".to_string());
    }

    let most = MAX_DECODED.min(MAX_EXPANSION * bytes.len() as u64);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most);
    let mut reader = ImageReader::with_format(Cursor::new(&bytes), format);
    reader.limits(limits);
    let corrupt = |error| format!("cannot be decoded: {error}");
    let mut decoder = reader.into_decoder().map_err(corrupt)?;
    let (width, height) = decoder.dimensions();
    let decoded = decoder.total_bytes();
    if decoded > most {
        return Err(format!(
            "claims to be a picture of {width}x{height} pixels, {decoded} bytes; {most} are the most that a file of {} \
             bytes is decoded into",
            bytes.len()
        ));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(corrupt)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Whether a JPEG has its end marker. The decoder fills up with grey what is not there, and so do not we.
fn has_end_marker(bytes: &[u8]) -> bool {
    let is_marker = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    let mut place = 2; // behind the start marker
    loop {
        // The data of a scan are passed over too: they have no marker but those of a restart.
        let rest = bytes.get(place..).unwrap_or_default();
        let Some(offset) = rest.windows(2).position(is_marker) else {
            return false;
        };
        if rest[offset + 1] == 0xd9 {
            return true;
        }
        let Some(&[high, low]) = rest.get(offset + 2..offset + 4) else {
            return false;
        };
        place += offset + 2 + usize::from(u16::from_be_bytes([high, low]));
    }
}

impl ImageFolderConfig {
    /// Writes a picture as an image of the size and the channels asked for, channel after channel.
    fn fit(&self, picture: DynamicImage, bytes: &mut [u8]) {
        let [height, width] = self.size.map(|side| side as u32);
        let picture = match (self.channels, cut(picture, height, width)) {
            (Channels::Grey, picture) => {
                DynamicImage::ImageLuma8(self.on_background(picture).into_luma8())
            }
            (Channels::Rgb, picture) => {
                DynamicImage::ImageRgb8(self.on_background(picture).into_rgb8())
            }
            (Channels::Rgba, picture) => DynamicImage::ImageRgba8(picture.into_rgba8()),
        };
        let interleaved = scale(picture, height, width).into_bytes();

        let channels = self.channels.count();
        let planes = bytes.chunks_exact_mut(bytes.len() / channels);
        for (channel, plane) in planes.enumerate() {
            let values = interleaved[channel..].iter().step_by(channels);
            for (place, &value) in plane.iter_mut().zip(values) {
                *place = value;
            }
        }
    }

    /// The picture without transparency.
    fn on_background(&self, picture: DynamicImage) -> DynamicImage {
        if !picture.color().has_alpha() {
            return picture;
        }
        let picture = picture.into_rgba8();
        DynamicImage::ImageRgb8(RgbImage::from_fn(
            picture.width(),
            picture.height(),
            |x, y| {
                let [colour @ .., alpha] = picture.get_pixel(x, y).0;
                let alpha = u32::from(alpha);
                image::Rgb(std::array::from_fn(|channel| {
                    let [above, below] = [colour[channel], self.background[channel]].map(u32::from);
                    ((above * alpha + below * (255 - alpha) + 127) / 255) as u8
                }))
            },
        ))
    }
}

/// The largest part of a picture that has the aspect asked for, to a pixel, from its middle.
fn cut(picture: DynamicImage, height: u32, width: u32) -> DynamicImage {
    let (own_width, own_height) = (picture.width(), picture.height());
    // The side that `other` has at `side`, if `own` and `wanted` are to have the same aspect.
    let matching = |own: u32, wanted: u32, other: u32| {
        let side = f64::from(own) * f64::from(other) / f64::from(wanted);
        (side.round() as u32).max(1)
    };
    let cut_width = matching(own_height, height, width).min(own_width);
    let cut_height = matching(own_width, width, height).min(own_height);
    if (cut_width, cut_height) == (own_width, own_height) {
        return picture;
    }
    let (x, y) = ((own_width - cut_width) / 2, (own_height - cut_height) / 2);
    picture.crop_imm(x, y, cut_width, cut_height)
}

/// The picture scaled by bicubic interpolation, which averages where it gets smaller. A pixel counts as much as it is
/// opaque, so that no colour comes from behind what cannot be seen.
fn scale(picture: DynamicImage, height: u32, width: u32) -> DynamicImage {
    if (picture.width(), picture.height()) == (width, height) {
        return picture;
    }
    let resize =
        |picture: DynamicImage| picture.resize_exact(width, height, FilterType::CatmullRom);
    let DynamicImage::ImageRgba8(mut picture) = picture else {
        return resize(picture);
    };
    for pixel in picture.pixels_mut() {
        let [colour @ .., alpha] = &mut pixel.0;
        for value in colour {
            *value = ((u32::from(*value) * u32::from(*alpha) + 127) / 255) as u8;
        }
    }
    let mut scaled = resize(DynamicImage::ImageRgba8(picture)).into_rgba8();
    for pixel in scaled.pixels_mut() {
        let [colour @ .., alpha] = &mut pixel.0;
        let alpha = u32::from(*alpha).max(1);
        for value in colour {
            *value = ((u32::from(*value) * 255 + alpha / 2) / alpha).min(255) as u8;
        }
    }
    DynamicImage::ImageRgba8(scaled)
}
