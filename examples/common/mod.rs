//! What the examples share: data and its flags, runs on images, a judge of samples.
#![allow(dead_code)] // each example uses its own part

#[cfg(all(feature = "data", feature = "plot", feature = "train"))]
pub mod judge;
#[cfg(feature = "plot")]
pub mod levels;
#[cfg(all(feature = "data", feature = "plot", feature = "train"))]
pub mod session;
pub mod speech;

use burn::prelude::*;
use burn_generative::data::mnist::{Mnist, Origin};
use burn_generative::data::table::TableConfig;
use burn_generative::data::{Channels, ImageFolder, ImageFolderConfig, LabeledImages};
use burn_generative::distribution::Levels;
use burn_generative::loss::SquaredError;
use burn_generative::nn::Binarization;
use burn_generative::traits::{Corruption, ReconstructionLoss};
use burn_generative::{Error, Result, train};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The allocator matters for large temporaries on the CPU; a binary chooses it, a library must not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs an example: an error becomes one line on stderr and a non-zero exit.
pub fn report(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if train::interrupted() {
                ExitCode::from(130) // as a shell reports a SIGINT
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// What tells one data set from another: a run is resumed on the data that it was started on.
#[derive(Clone, Debug, Serialize)]
pub struct DataIdentity {
    kind: &'static str,
    shape: [usize; 3],
    train: usize,
    test: usize,
    labels: String,
}

impl DataIdentity {
    /// The identity of a data set; its labels stand for its content.
    pub fn of(data: &Mnist) -> Self {
        // FNV-1a: the same on every machine.
        let hash = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let labels = data.train.labels().iter().chain(data.test.labels());
        Self {
            kind: data.origin.name(),
            shape: data.train.shape(),
            train: data.train.len(),
            test: data.test.len(),
            labels: format!("{:016x}", labels.fold(0xcbf2_9ce4_8422_2325, hash)),
        }
    }
}

/// Flags that choose the data.
#[derive(clap::Args, Debug)]
pub struct DataArgs {
    /// Folder with the four IDX files of MNIST (or of a data set in its format), raw or gzip.
    /// Without it: the folder in MNIST_DIR, burn-dataset's cache, a download into that cache.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Train on generated digits, and look for no MNIST.
    #[arg(long, conflicts_with = "data_dir")]
    generated: bool,
}

impl DataArgs {
    /// The images, at most `limit` to train and to test on; says where they come from.
    pub fn load(&self, limit: Option<usize>) -> Result<Mnist> {
        let limit = limit.unwrap_or(usize::MAX);
        positive("--limit", limit)?;
        let mut data = if self.generated {
            let sizes = Mnist::SIZE.map(|n| n.min(limit));
            Mnist::generate(sizes, 0, "asked for".to_string())
        } else {
            Mnist::load(self.data_dir.as_deref())?
        };
        data.train = data.train.take(limit);
        data.test = data.test.take(limit);
        match &data.origin {
            Origin::Mnist(folder) => println!("data: {}", folder.display()),
            Origin::Generated(reason) => {
                println!("data: training on generated digits, not on MNIST ({reason})");
            }
        }
        Ok(data)
    }

    /// The images to train and to test on, at most `limit` of either: of a folder, if there is one, in colour and brought to a
    /// size, of which a share is tested on; or as [`load`](Self::load), with what tells them from others.
    pub fn pictures_or_mnist(
        &self,
        (folder, size, test_share): (Option<&Path>, usize, f64),
        seed: u64,
        limit: Option<usize>,
    ) -> Result<([LabeledImages; 2], Option<DataIdentity>)> {
        let Some(folder) = folder else {
            let data = self.load(limit)?;
            let identity = DataIdentity::of(&data);
            return Ok(([data.train, data.test], Some(identity)));
        };
        let pictures = ImageFolderConfig::new([size; 2])
            .with_channels(Channels::Rgb)
            .open(folder)?;
        let pictures = split_pictures(&pictures, test_share, seed, limit)?;
        Ok((pictures, None))
    }
}

/// What `config.json` holds: enough to build the model again, and to know its data.
#[derive(Clone, Serialize)]
pub struct Settings<C> {
    #[serde(flatten)]
    pub config: C,
    /// None of a folder, whose path the configuration has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataIdentity>,
}

/// A file of rows of levels without a header, raw or gzip-compressed, of which some columns are left out (by number, from 1
/// on): `[rows, columns]`.
pub fn levels(
    file: &Path,
    levels: Levels,
    ignored: &[usize],
    device: &Device,
) -> Result<Tensor<2>> {
    let ignored = ignored.iter().map(usize::to_string).collect();
    let read = TableConfig::new().with_header(false).with_ignored(ignored);
    let table = read.open(file)?;
    let text = table.schema().rows(table.tensor(&Device::default()))?;
    let columns = text.first().map_or(0, Vec::len);
    let values: Vec<f64> = text
        .iter()
        .flatten()
        .filter_map(|text| text.parse().ok())
        .collect();
    if values.len() != columns * text.len() {
        return Err(Error::data(file, "holds cells that are no numbers"));
    }
    let values = TensorData::new(values, [text.len(), columns]);
    let rows = Tensor::from_data(values, device);
    levels.check(&rows, &file.display().to_string())?;
    Ok(levels.values(levels.index(rows)))
}

/// Pixels of scikit-learn's digits, and their levels of grey.
pub const PIXELS: usize = 64;
pub const LEVELS: usize = 17;

/// The file of scikit-learn's `load_digits`, 64 levels and a label a row without a header: `[rows, 64]`.
pub fn digits(file: &Path, device: &Device) -> Result<Tensor<2>> {
    let rows = levels(file, Levels::counting(LEVELS)?, &[PIXELS + 1], device)?;
    let [count, columns] = rows.dims();
    if columns == PIXELS && count >= 1_400 {
        return Ok(rows);
    }
    Err(Error::data(
        file,
        "does not hold at least 1,400 rows of 64 levels and a label",
    ))
}

/// What `work` makes of all images, in batches that any machine has room for.
pub fn in_batches<const D: usize>(
    images: Tensor<4>,
    work: impl Fn(Tensor<4>) -> Tensor<D>,
) -> Tensor<D> {
    in_batches_of(1000, images, work)
}

/// As [`in_batches`], of so many images.
pub fn in_batches_of<const D: usize>(
    size: usize,
    images: Tensor<4>,
    work: impl Fn(Tensor<4>) -> Tensor<D>,
) -> Tensor<D> {
    Tensor::cat(images.split(size, 0).into_iter().map(work).collect(), 0)
}

/// Test images, binarised once and the same for every run; from here on the device's generator is at the run's seed.
pub fn binarized(images: Tensor<4>, device: &Device, seed: u64) -> Tensor<4> {
    device.seed(0);
    let binary = Binarization.corrupt(images);
    device.seed(seed);
    binary
}

/// Pictures of a folder to train and to test on, at most `limit` of either; says how many there are.
pub fn split_pictures(
    pictures: &ImageFolder,
    test_share: f64,
    seed: u64,
    limit: Option<usize>,
) -> Result<[LabeledImages; 2]> {
    let (train, test) = pictures.split(test_share, seed)?;
    let limit = limit.unwrap_or(usize::MAX);
    positive("--limit", limit)?;
    println!("data: {} pictures, {} to test on", train.len(), test.len());
    Ok([train.decode()?.take(limit), test.decode()?.take(limit)])
}

/// The mean squared error of reconstructions, an image.
pub fn squared_error(
    images: &Tensor<4>,
    reconstruct: impl Fn(Tensor<4>) -> Tensor<4>,
) -> Result<f64> {
    let mut sum = 0.0;
    for batch in images.clone().split(1000, 0) {
        let cost = SquaredError.loss(reconstruct(batch.clone()), batch);
        sum += cost.sum().try_into_scalar::<f64>()?;
    }
    Ok(sum / images.dims()[0] as f64)
}

/// Refuses a zero.
pub fn positive(flag: &str, value: usize) -> Result<()> {
    if value > 0 {
        return Ok(());
    }
    Err(Error::Config(format!("{flag} must be at least 1")))
}

/// Refuses what is no share of a whole, neither nothing nor all of it.
pub fn share(flag: &str, value: f64) -> Result<()> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{flag} must lie between 0 and 1, not {value}"
    )))
}

/// A learning rate, or an error that names its flag.
pub fn rate(flag: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::Config(format!(
        "{flag} must be a positive number, not {value}"
    )))
}
