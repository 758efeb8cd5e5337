//! Files that are made byte by byte, so that they can be wrong.
#![allow(dead_code)] // each test file uses its own part

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::{Cursor, Write};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A PNG of these sides, eight bits a channel, whose pixels are these bytes deflated.
pub fn raw_png(width: u32, height: u32, colour_type: u8, pixels: &[u8]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        file.extend((data.len() as u32).to_be_bytes());
        file.extend(kind);
        file.extend(data);
        file.extend(crc.sum().to_be_bytes());
    };
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(b"IHDR", &[&sides[..], &[8, colour_type, 0, 0, 0]].concat());
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::best());
    deflated.write_all(pixels).unwrap();
    chunk(b"IDAT", &deflated.finish().unwrap());
    chunk(b"IEND", &[]);
    file
}

pub fn npy_header(version: u8, text: &str) -> Vec<u8> {
    let length = text.len();
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend((length as u16).to_le_bytes());
    } else {
        bytes.extend((length as u32).to_le_bytes());
    }
    bytes.extend(text.as_bytes());
    bytes
}

/// A `.npy` file as NumPy writes it.
pub fn npy(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let padding = 64 - (text.len() + 11) % 64;
    let mut bytes = npy_header(1, &format!("{text}{}\n", " ".repeat(padding)));
    bytes.extend(values);
    bytes
}

/// A `.npz` file of arrays, deflated or stored.
pub fn npz(method: zip::CompressionMethod, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in arrays {
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
