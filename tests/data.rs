//! IDX files and MNIST: what is read, and how everything that is wrong with a file is named.
#![cfg(feature = "data")]

mod common;

use burn_generative::data::LabeledImages;
use burn_generative::data::idx::{Idx, Values};
use burn_generative::data::mnist::{MNIST_DIR, Mnist, Origin};
use common::cpu;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

fn idx(kind: u8, shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The message of the error that a file leads to.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "some-file", bytes);
    let message = Idx::open(&path).unwrap_err().to_string();
    assert!(
        message.contains("some-file"),
        "the file is not named: {message}"
    );
    message
}

#[test]
fn every_value_type_is_read_raw_and_gzipped() {
    let folder = tempfile::tempdir().unwrap();
    let floats = |xs: &[f32]| Values::Floats(xs.to_vec());
    for (kind, bytes, want) in [
        (0x08, vec![0, 255], Values::Bytes(vec![0, 255])),
        (0x09, vec![0xff, 1], floats(&[-1.0, 1.0])),
        (0x0b, vec![0xff, 0xfe, 1, 0], floats(&[-2.0, 256.0])),
        (
            0x0c,
            [(-3i32).to_be_bytes(), 70_000i32.to_be_bytes()].concat(),
            floats(&[-3.0, 70_000.0]),
        ),
        (
            0x0d,
            [1.5f32.to_be_bytes(), (-0.25f32).to_be_bytes()].concat(),
            floats(&[1.5, -0.25]),
        ),
        (
            0x0e,
            [2.5f64.to_be_bytes(), (-4.0f64).to_be_bytes()].concat(),
            floats(&[2.5, -4.0]),
        ),
    ] {
        let raw = idx(kind, &[2, 1], &bytes);
        for file in [raw.clone(), gzip(&raw)] {
            let read = Idx::open(write(&folder, "values", &file)).unwrap();
            assert_eq!((read.shape, read.values), (vec![2, 1], want.clone()));
        }
    }
}

/// Memory is measured by one test and used by another.
static MEMORY: Mutex<()> = Mutex::new(());

#[test]
fn a_header_that_claims_the_world_costs_nothing() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let before = resident_bytes();
    let most = u32::MAX;
    for header in [
        idx(8, &[most, 28, 28], &[1, 2, 3]),
        idx(8, &[most, most, most, most, most], &[1, 2, 3]),
        idx(8, &[60_000, 28, 28], &[0; 100]),
        gzip(&idx(8, &[most, 28, 28], &[1, 2, 3])),
    ] {
        let message = refused(&header);
        assert!(
            message.contains("truncated") || message.contains("more than any file"),
            "{message}"
        );
    }
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        assert!(
            after < before + (64 << 20),
            "memory grew from {before} to {after}"
        );
    }
}

/// The peak of the process's memory, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[test]
fn what_is_no_idx_file_is_refused_by_name() {
    assert!(refused(b"").contains("is empty"));
    assert!(refused(&[0, 0]).contains("truncated"));
    assert!(refused(b"PK\x03\x04 a zip file").contains("is no IDX file"));
    assert!(refused(&[0, 0, 0x77, 1, 0, 0, 0, 1, 0]).contains("value type is 0x77"));
    assert!(refused(&[0, 0, 8, 0]).contains("claims 0 axes"));
    assert!(refused(&[0, 0, 8, 200]).contains("claims 200 axes"));
    assert!(refused(&idx(8, &[4], &[1, 2, 3])).contains("is truncated"));
    assert!(refused(&idx(8, &[2], &[1, 2, 3])).contains("is longer than its header claims"));

    let whole = gzip(&idx(
        8,
        &[2000],
        &(0..2000).map(|i| (i * i % 251) as u8).collect::<Vec<_>>(),
    ));
    assert!(refused(&whole[..whole.len() / 2]).contains("truncated"));
    let mut corrupt = whole.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0xff;
    corrupt[middle + 1] ^= 0xff;
    let message = refused(&corrupt);
    assert!(
        message.contains("corrupt gzip") || message.contains("truncated"),
        "{message}"
    );
    // The values are whole, but the checksum at the end is not theirs.
    let mut wrong_sum = whole.clone();
    let last = wrong_sum.len() - 6;
    wrong_sum[last] ^= 0xff;
    assert!(refused(&wrong_sum).contains("corrupt gzip"));

    // Whole, and followed by what fills a block, as `tar` and some mirrors leave it; and by another member.
    let folder = tempfile::tempdir().unwrap();
    for zeros in [1, 2, 17, 20_000] {
        let padded = [whole.clone(), vec![0; zeros]].concat();
        let path = write(&folder, "padded", &padded);
        assert_eq!(
            Idx::open(&path).unwrap().shape,
            [2000],
            "{zeros} zero bytes"
        );
    }
    let two = [gzip(&[0, 0, 8, 1, 0, 0, 0]), gzip(&[2, 4, 5])].concat();
    let path = write(&folder, "two", &two);
    assert_eq!(Idx::open(&path).unwrap().values, Values::Bytes(vec![4, 5]));
    let followed = [whole.clone(), b"\0\0and something else".to_vec()].concat();
    assert!(refused(&followed).contains("corrupt gzip"));

    let missing = Idx::open("no/such/file").unwrap_err().to_string();
    assert!(
        missing.contains("no/such/file: cannot be opened"),
        "{missing}"
    );
}

const NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// A folder with a small data set of 6 training and 3 test images of 4x5.
fn data_set(suffix: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let images = |n: u32| idx(8, &[n, 4, 5], &vec![51; n as usize * 20]);
    let labels = |n: u32| idx(8, &[n], &vec![7; n as usize]);
    for (name, bytes) in NAMES
        .iter()
        .zip([images(6), labels(6), images(3), labels(3)])
    {
        let bytes = if suffix == ".gz" { gzip(&bytes) } else { bytes };
        write(&folder, &format!("{name}{suffix}"), &bytes);
    }
    folder
}

fn message(folder: &Path) -> String {
    Mnist::open(folder).unwrap_err().to_string()
}

#[test]
fn a_data_set_of_any_image_size_is_read() {
    for suffix in ["", ".gz"] {
        let folder = data_set(suffix);
        let data = Mnist::open(folder.path()).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (6, 3));
        assert_eq!(data.train.shape(), [1, 4, 5]);
        assert_eq!(data.train.labels(), [7; 6]);
        assert_eq!(data.origin, Origin::Mnist(folder.path().to_path_buf()));
        let images = data.test.images(&cpu());
        assert_eq!(images.dims(), [3, 1, 4, 5]);
        assert!(
            images
                .into_data()
                .iter::<f32>()
                .all(|pixel| (pixel - 0.2).abs() < 1e-6)
        );
    }
}

#[test]
fn a_folder_that_is_wrong_is_named() {
    assert!(message(Path::new("no/such/folder")).contains("no/such/folder: is no folder"));
    let empty = tempfile::tempdir().unwrap();
    assert!(message(empty.path()).contains("holds no train-images-idx3-ubyte"));

    let swapped = data_set("");
    let [images, labels] = [NAMES[0], NAMES[1]].map(|name| swapped.path().join(name));
    fs::rename(&images, swapped.path().join("x")).unwrap();
    fs::rename(&labels, &images).unwrap();
    fs::rename(swapped.path().join("x"), &labels).unwrap();
    let swapped = message(swapped.path());
    assert!(
        swapped.contains("train-images") && swapped.contains("swapped"),
        "{swapped}"
    );

    let fewer = data_set("");
    write(&fewer, NAMES[1], &idx(8, &[5], &[0; 5]));
    let fewer = message(fewer.path());
    assert!(
        fewer.contains("train-labels") && fewer.contains("holds 5 labels"),
        "{fewer}"
    );

    let none = data_set("");
    write(&none, NAMES[0], &idx(8, &[0, 4, 5], &[]));
    assert!(message(none.path()).contains("holds no images"));

    let other_size = data_set("");
    write(&other_size, NAMES[2], &idx(8, &[3, 5, 4], &[0; 60]));
    assert!(message(other_size.path()).contains("but the training images are [1, 4, 5]"));

    let gone = data_set("");
    fs::remove_file(gone.path().join(NAMES[3])).unwrap();
    assert!(message(gone.path()).contains("holds no t10k-labels-idx1-ubyte"));
}

/// A reason says what was found, and asks about a swap only where the file looks like one.
#[test]
fn labels_of_another_kind_are_described() {
    let folder = data_set("");
    for (bytes, found) in [
        (idx(0x0c, &[6], &[0; 24]), "holds i32 of shape [6]"),
        (idx(0x0c, &[6, 8], &[0; 192]), "holds i32 of shape [6, 8]"),
        (idx(8, &[6, 10], &[0; 60]), "holds u8 of shape [6, 10]"),
        (idx(0x0d, &[6], &[0; 24]), "holds f32 of shape [6]"),
    ] {
        write(&folder, NAMES[1], &bytes);
        let reason = message(folder.path());
        assert!(
            reason.contains("train-labels") && reason.contains(found),
            "{reason}"
        );
        assert!(!reason.contains("swapped"), "{reason}");
    }
    write(&folder, NAMES[1], &idx(8, &[6, 4, 5], &[0; 120]));
    let reason = message(folder.path());
    assert!(
        reason.contains("u8 of shape [6, 4, 5]") && reason.contains("swapped"),
        "{reason}"
    );
    write(&folder, NAMES[0], &idx(0x0b, &[6, 4], &[0; 48]));
    let reason = message(folder.path());
    assert!(reason.contains("holds i16 of shape [6, 4]"), "{reason}");
}

/// The names of a common mirror.
#[test]
fn files_with_a_dot_in_their_names_are_found() {
    let folder = data_set("");
    for name in NAMES {
        let dotted = name.replace("-idx", ".idx");
        fs::rename(folder.path().join(name), folder.path().join(dotted)).unwrap();
    }
    assert_eq!(Mnist::open(folder.path()).unwrap().train.len(), 6);
}

#[test]
fn images_and_labels_must_match() {
    assert!(LabeledImages::from_bytes(vec![0; 24], vec![1, 2], [3, 4]).is_ok());
    let error = LabeledImages::from_bytes(vec![0; 23], vec![1, 2], [3, 4]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("23 bytes do not make 2 images of 3x4")
    );
}

/// Bytes and floats alike: the chosen images keep their pixels and their order.
#[test]
fn images_are_chosen_by_label() {
    let bytes: Vec<u8> = (0..5 * 6).collect();
    let labels = vec![1, 0, 2, 1, 0];
    let images = LabeledImages::from_bytes(bytes, labels.clone(), [2, 3]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let floats: Vec<u8> = (0..5 * 6)
        .flat_map(|i| (i as f32 / 255.0).to_be_bytes())
        .collect();
    let pixels = write(&folder, "images", &idx(13, &[5, 2, 3], &floats));
    let names = write(&folder, "labels", &idx(8, &[5], &labels));
    for images in [images, LabeledImages::open(&pixels, &names).unwrap()] {
        let chosen = images.clone().with_labels(|label| label != 0);
        assert_eq!(chosen.labels(), [1, 2, 1]);
        let got: Vec<f32> = chosen.images(&cpu()).into_data().iter::<f32>().collect();
        let want = [0..6, 12..18, 18..24].into_iter().flatten();
        let want: Vec<f32> = want.map(|i| i as f32 / 255.0).collect();
        assert_eq!(got, want);
        assert!(images.with_labels(|_| false).is_empty());
    }
}

#[test]
fn mnist_is_mnist() {
    let Some(folder) = std::env::var_os(MNIST_DIR).filter(|name| !name.is_empty()) else {
        println!("skipped: {MNIST_DIR} is not set, so there is no MNIST to read");
        return;
    };
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let data = Mnist::open(folder).unwrap();
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    assert_eq!(data.train.shape(), [1, 28, 28]);
    assert_eq!(data.train.labels()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(data.test.labels()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
    let pixels: Vec<f32> = data
        .train
        .images(&cpu())
        .into_data()
        .iter::<f32>()
        .collect();
    let mean = pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / pixels.len() as f64;
    assert!((mean - 0.1307).abs() < 1e-4, "the mean pixel is {mean}");
}
