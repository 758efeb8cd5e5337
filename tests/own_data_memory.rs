//! Reading a file takes memory for what it holds, not for what its header claims.
#![cfg(feature = "data")]

mod counting;
mod files;

use burn_generative::data::ImageFolderConfig;
use burn_generative::data::idx::Idx;
use burn_generative::data::npy::Array;
use counting::{NOW, PEAK};
use files::{gzip, npy, npz, raw_png};
use image::{ImageFormat, RgbImage};
use std::fs;
use std::io::Cursor;
use std::sync::atomic::Ordering::Relaxed;
use zip::CompressionMethod;

/// A JPEG of 16x16 pixels that claims to be of these sides.
fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(16, 16, image::Rgb([9, 99, 199]));
    picture.write_to(&mut file, ImageFormat::Jpeg).unwrap();
    let mut file = file.into_inner();
    let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]);
    let sides = frame.unwrap() + 5;
    file[sides..sides + 4].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
    file
}

/// One test, since others in the same process would be counted too.
#[test]
fn a_file_takes_the_memory_of_what_it_holds() {
    let vast = npy("<f8", false, "(1099511627776,)", &[0; 800]);
    let fortran = npy("<f8", true, "(1073741824, 8)", &[0; 800]);
    let idx = [
        &[0, 0, 8, 2, 255, 255, 255, 255, 0, 0, 0, 255][..],
        &[0; 800],
    ]
    .concat();
    let zip = |method| npz(method, &[("x", vast.clone())]);
    let cases = [
        ("20000.png", raw_png(20_000, 20_000, 2, &[0; 30])),
        ("20000 grey.png", raw_png(20_000, 20_000, 0, &[0; 30])),
        (
            "endless.png",
            raw_png(u32::MAX >> 1, u32::MAX >> 1, 6, &[0; 30]),
        ),
        ("9000.png", raw_png(9_000, 9_000, 2, &[0; 30])),
        ("65000.jpg", jpeg(65_000, 65_000)),
        ("8000.jpg", jpeg(8_000, 8_000)),
        ("vast.npy", vast.clone()),
        ("vast.npy.gz", gzip(&vast)),
        ("fortran.npy", fortran),
        ("stored.npz", zip(CompressionMethod::Stored)),
        ("deflated.npz", zip(CompressionMethod::Deflated)),
        ("some-idx", idx),
    ];
    let config = ImageFolderConfig::new([8, 8]);
    for (name, bytes) in cases {
        assert!(bytes.len() < 2_000, "{name}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let before = NOW.load(Relaxed);
        PEAK.store(before, Relaxed);
        let refused = match name.rsplit_once('.') {
            Some((_, "png" | "jpg")) => config.open(folder.path()).map(|_| ()),
            Some((_, "npy" | "gz")) => Array::open(&path).map(|_| ()),
            Some((_, "npz")) => Array::open_npz(&path, "x").map(|_| ()),
            _ => Idx::open(&path).map(|_| ()),
        };
        let taken = PEAK.load(Relaxed) - before;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(name), "{refused}");
        assert!(taken < 4 << 20, "{name}: {taken} bytes; {refused}");
    }
}
