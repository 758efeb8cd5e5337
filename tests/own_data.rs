//! One's own data: folders of pictures, tables, NumPy's arrays; and how everything that is wrong with them is named.
#![cfg(feature = "data")]

mod common;
mod files;

use burn::data::dataloader::DataLoader;
use burn::prelude::*;
use burn_generative::data::idx::Values;
use burn_generative::data::npy::Array;
use burn_generative::data::table::{Kind, Schema, Table, TableConfig};
use burn_generative::data::{
    Channels, ImageFolder, ImageFolderConfig, ImageLoader, TensorLoader, Unreadable,
};
use common::{alone, assert_close, cpu, values};
use files::{gzip, npy, npy_header, npz, raw_png};
use image::{GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use std::fmt::Debug;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Writes a file, with the folders that it lies in.
fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn message<T: Debug>(result: burn_generative::Result<T>) -> String {
    result.unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}

// Pictures.

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(picture: &RgbImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Png)
}

/// A picture of no two pixels alike, so that none is taken for another.
fn wild(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let i = y * width + x;
        Rgb([
            (i * 7 % 256) as u8,
            (i * 13 % 251) as u8,
            (x * y % 256) as u8,
        ])
    })
}

fn flat(colour: [u8; 3]) -> RgbImage {
    RgbImage::from_pixel(9, 7, Rgb(colour))
}

/// The bytes of each channel of the images, which are flat.
fn colours(pictures: &ImageFolder) -> Vec<Vec<u8>> {
    let [channels, height, width] = pictures.shape();
    let images = bytes(pictures);
    assert_eq!(images.len(), pictures.len() * channels * height * width);
    let planes: Vec<u8> = images
        .chunks(height * width)
        .map(|plane| {
            assert!(plane.iter().all(|value| *value == plane[0]), "not flat");
            plane[0]
        })
        .collect();
    planes.chunks(channels).map(<[u8]>::to_vec).collect()
}

/// All images as bytes, in the order of `decode`.
fn bytes(pictures: &ImageFolder) -> Vec<u8> {
    let images = pictures.decode().unwrap().images(&cpu());
    values(images)
        .into_iter()
        .map(|value| (value * 255.0).round() as u8)
        .collect()
}

#[test]
fn pictures_of_all_kinds_become_images_of_one_kind() {
    let folder = folder();
    write(&folder, "b/rgb.png", png(&flat([200, 100, 50])));
    write(
        &folder,
        "b/deep/er/photo.JPEG",
        encoded(&flat([128, 128, 128]), ImageFormat::Jpeg),
    );
    let save = |name: &str, picture: image::DynamicImage| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        write(&folder, name, bytes.into_inner());
    };
    save(
        "a/1 grey.png",
        GrayImage::from_pixel(4, 9, Luma([77])).into(),
    );
    save(
        "a/2 half.png",
        RgbaImage::from_pixel(20, 3, Rgba([255, 0, 0, 51])).into(),
    );
    let deep = ImageBuffer::from_pixel(5, 5, Rgb([0xffff_u16, 0x8080, 0]));
    save("a/3 deep.png", image::DynamicImage::ImageRgb16(deep));
    write(&folder, "a/.hidden.png", "no picture");
    write(&folder, "a/notes.txt", "no picture either");
    fs::create_dir(folder.path().join("empty")).unwrap();

    let config = ImageFolderConfig::new([6, 5]);
    let rgb = config.open(folder.path()).unwrap();
    assert_eq!(rgb.shape(), [3, 6, 5]);
    assert_eq!(rgb.classes(), ["a", "b"]);
    assert_eq!(rgb.labels(), [0, 0, 0, 1, 1]);
    let names: Vec<_> = rgb
        .paths()
        .iter()
        .map(|path| path.file_name().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "1 grey.png",
            "2 half.png",
            "3 deep.png",
            "rgb.png",
            "photo.JPEG"
        ]
    );
    let want = [
        [77, 77, 77],
        [255, 204, 204],
        [255, 128, 0],
        [200, 100, 50],
        [128, 128, 128],
    ];
    assert_eq!(colours(&rgb), want);
    assert_eq!(rgb.decode().unwrap().labels(), [0, 0, 0, 1, 1]);

    let rgba = config
        .clone()
        .with_channels(Channels::Rgba)
        .open(folder.path())
        .unwrap();
    assert_eq!(rgba.shape(), [4, 6, 5]);
    let with_alpha = colours(&rgba);
    assert_eq!(with_alpha[1], [255, 0, 0, 51]);
    assert_eq!(with_alpha[3], [200, 100, 50, 255]);

    let grey = config
        .with_channels(Channels::Grey)
        .with_background([0, 0, 0])
        .open(folder.path())
        .unwrap();
    let grey = colours(&grey);
    assert_eq!((grey[0][0], grey[4][0]), (77, 128));
    // 51/255 of red on black, by the weight that Rec. 709 gives red.
    assert_close(
        grey[1][0].into(),
        51.0 * 0.2126,
        0.1,
        "luminance of dark red",
    );
}

#[test]
fn an_image_of_the_picture_s_own_size_is_the_picture() {
    let folder = folder();
    let picture = wild(13, 8);
    write(&folder, "one.png", png(&picture));
    let images = ImageFolderConfig::new([8, 13]).open(folder.path()).unwrap();
    assert_eq!(
        (images.len(), images.classes()),
        (1, &[".".to_string()][..])
    );
    let want: Vec<u8> = (0..3)
        .flat_map(|channel| picture.pixels().map(move |pixel| pixel.0[channel]))
        .collect();
    assert_eq!(bytes(&images), want);
}

#[test]
fn a_picture_covers_its_image_and_is_cut_from_its_middle() {
    let thirds = |place: u32, side: u32| {
        Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][(3 * place / side) as usize])
    };
    for scale in [1, 4] {
        for tall in [false, true] {
            let folder = folder();
            let (long, short) = (30 * scale, 10 * scale);
            let picture = if tall {
                RgbImage::from_fn(short, long, |_, y| thirds(y, long))
            } else {
                RgbImage::from_fn(long, short, |x, _| thirds(x, long))
            };
            write(&folder, "wide.png", png(&picture));
            let images = ImageFolderConfig::new([10, 10])
                .open(folder.path())
                .unwrap();
            assert_eq!(
                colours(&images),
                [[0, 255, 0]],
                "scale {scale}, tall {tall}"
            );
        }
    }
    // Enlarged, and of any aspect: a gradient stays one, and costs no more than the picture.
    let folder = folder();
    let ramp = RgbImage::from_fn(3, 3000, |x, _| Rgb([100 * x as u8; 3]));
    write(&folder, "strip.png", png(&ramp));
    let images = ImageFolderConfig::new([1, 64]).open(folder.path()).unwrap();
    let row = bytes(&images)[..64].to_vec();
    assert!(row.is_sorted() && row[0] < 10 && row[63] > 190, "{row:?}");
}

#[test]
fn what_is_not_seen_lends_no_colour() {
    let folder = folder();
    let picture = RgbaImage::from_fn(40, 40, |x, _| match x {
        0..19 => Rgba([250, 0, 0, 255]),
        _ => Rgba([0, 250, 0, 0]),
    });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).unwrap();
    write(&folder, "half.png", file.into_inner());
    let config = ImageFolderConfig::new([7, 7]).with_channels(Channels::Rgba);
    let image = bytes(&config.open(folder.path()).unwrap());
    let mut edges = 0;
    for pixel in 0..49 {
        let [red, green, _, alpha] = [0, 1, 2, 3].map(|channel| image[channel * 49 + pixel]);
        assert_eq!(green, 0);
        assert!(alpha < 8 || red > 230, "red {red} of opacity {alpha}");
        edges += usize::from((8..248).contains(&alpha));
    }
    assert!(
        edges > 0,
        "no pixel is half transparent, so nothing was tested"
    );
}

/// A camera that was held upright notes so, and the picture is turned.
#[test]
fn a_photo_is_turned_as_its_camera_noted() {
    let halves = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 0 } else { 255 }; 3]));
    let jpeg = encoded(&halves, ImageFormat::Jpeg);
    let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let turned = [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat();
    let folder = folder();
    write(&folder, "photo.jpg", turned);
    let config = ImageFolderConfig::new([32, 16]).with_channels(Channels::Grey);
    let image = bytes(&config.open(folder.path()).unwrap());
    // A quarter turn clockwise: what was left is above.
    assert!(image[..15 * 16].iter().all(|&value| value < 30));
    assert!(image[17 * 16..].iter().all(|&value| value > 225));
}

#[test]
fn a_picture_that_claims_the_world_is_refused() {
    for (width, height, colour_type) in [
        (20_000, 20_000, 2),
        (20_000, 20_000, 0),
        (u32::MAX >> 1, u32::MAX >> 1, 6),
        (9_000, 9_000, 2),
        (2_000, 2_000, 2),
    ] {
        let folder = folder();
        let file = raw_png(width, height, colour_type, &[0; 30]);
        assert!(file.len() < 100);
        write(&folder, "bomb.png", file);
        let refused = message(ImageFolderConfig::new([8, 8]).open(folder.path()));
        assert_says(&refused, &["bomb.png"]);
        assert!(
            refused.contains("claims to be") || refused.contains("cannot be decoded"),
            "{refused}"
        );
    }
    // An honest picture of one colour is as small as a file of its size can be, and is read.
    let folder = folder();
    let side = 1500;
    write(
        &folder,
        "white.png",
        raw_png(side, side, 2, &vec![0; (side * (3 * side + 1)) as usize]),
    );
    let images = ImageFolderConfig::new([8, 8]).open(folder.path()).unwrap();
    assert_eq!(colours(&images), [[0, 0, 0]]);
}

#[test]
fn what_is_no_picture_is_refused_by_name_or_left_out() {
    let whole = encoded(&wild(64, 64), ImageFormat::Jpeg);
    let cut = |share: usize| whole[..whole.len() * share / 100].to_vec();
    let whole_png = png(&wild(64, 64));
    let cases = [
        ("text.png", b"not a picture".to_vec(), "no PNG or JPEG"),
        ("empty.jpg", Vec::new(), "is empty"),
        (
            "other.webp",
            b"RIFF\x04\0\0\0WEBP".to_vec(),
            "no PNG or JPEG",
        ),
        ("cut.jpg", cut(90), "truncated"),
        ("half.jpg", cut(50), "truncated"),
        ("start.jpg", whole[..20].to_vec(), "truncated"),
        (
            "cut.png",
            whole_png[..whole_png.len() / 2].to_vec(),
            "cannot be decoded",
        ),
        ("start.png", whole_png[..20].to_vec(), "cannot be decoded"),
    ];
    let config = ImageFolderConfig::new([8, 8]);
    for (name, content, reason) in &cases {
        let folder = folder();
        write(&folder, "good/1.png", png(&flat([1, 2, 3])));
        let path = write(&folder, &format!("good/{name}"), content);
        let refused = message(config.open(folder.path()));
        assert_says(&refused, &[name, reason, "Unreadable::Skip"]);

        let skipping = config.clone().with_unreadable(Unreadable::Skip);
        let pictures = skipping.open(folder.path()).unwrap();
        assert_eq!((pictures.len(), pictures.labels()), (1, &[0][..]));
        let [(skipped, why)] = pictures.skipped() else {
            panic!("{:?}", pictures.skipped());
        };
        assert_eq!(*skipped, path);
        assert_says(why, &[reason]);
        assert_eq!(colours(&pictures), [[1, 2, 3]]);
    }

    let all_bad = folder();
    for (name, content, _) in &cases {
        write(&all_bad, name, content);
    }
    let refused = message(config.open(all_bad.path()));
    assert_says(&refused, &["cut.jpg", "7 other pictures"]);
    let skipping = config.clone().with_unreadable(Unreadable::Skip);
    assert_says(
        &message(skipping.open(all_bad.path())),
        &["no picture that can be read, of 8", "cut.jpg"],
    );
}

#[test]
fn a_folder_that_is_no_data_set_is_refused_by_name() {
    let config = ImageFolderConfig::new([8, 8]);
    assert_says(
        &message(config.open("no/such/folder")),
        &["no/such/folder", "is no folder"],
    );
    let empty = folder();
    write(&empty, "inner/readme.txt", "nothing to see");
    let name = empty.path().file_name().unwrap().to_str().unwrap();
    assert_says(
        &message(config.open(empty.path())),
        &[name, "holds no pictures"],
    );

    let mixed = folder();
    write(&mixed, "a/1.png", png(&flat([0; 3])));
    write(&mixed, "stray.png", png(&flat([0; 3])));
    assert_says(
        &message(config.open(mixed.path())),
        &["stray.png", "beside folders"],
    );

    for size in [[0, 8], [8, 1 << 20]] {
        let refused = message(ImageFolderConfig::new(size).open(mixed.path()));
        assert_says(&refused, &["each side must be between 1 and 16384"]);
    }

    #[cfg(unix)]
    {
        let looped = folder();
        write(&looped, "a/1.png", png(&flat([0; 3])));
        std::os::unix::fs::symlink(looped.path(), looped.path().join("a/again")).unwrap();
        assert_says(
            &message(config.open(looped.path())),
            &["a/again", "leads back"],
        );
    }
}

#[test]
fn pictures_are_split_by_a_seed_or_by_folders() {
    let all = folder();
    for i in 0..20_u8 {
        write(
            &all,
            &format!("{}/{i:02}.png", ["x", "y"][usize::from(i % 2)]),
            png(&flat([i; 3])),
        );
    }
    let config = ImageFolderConfig::new([4, 4]).with_channels(Channels::Grey);
    let pictures = config.open(all.path()).unwrap();
    let (train, test) = pictures.split(0.25, 7).unwrap();
    assert_eq!((train.len(), test.len()), (15, 5));
    let mut both = [train.paths(), test.paths()].concat();
    both.sort();
    assert_eq!(both, pictures.paths());
    assert!(train.paths().is_sorted() && test.paths().is_sorted());
    for part in [&train, &test] {
        assert_eq!(part.classes(), ["x", "y"]);
        for (label, colour) in part.labels().iter().zip(colours(part)) {
            assert_eq!(*label, usize::from(colour[0] % 2));
        }
    }
    assert_eq!(pictures.split(0.25, 7).unwrap().1.paths(), test.paths());
    assert_ne!(pictures.split(0.25, 8).unwrap().1.paths(), test.paths());
    for share in [0.0, 0.001, 0.999, 1.0, -1.0, f64::NAN] {
        assert_says(
            &message(pictures.split(share, 1)),
            &["of 20 pictures", "both parts need a picture"],
        );
    }

    let [x, y] = ["x", "y"].map(|class| png(&flat([class.len() as u8; 3])));
    let (train, test) = (folder(), folder());
    for folder in [&train, &test] {
        write(folder, "x/1.png", &x);
    }
    let (a, b) = config.open_pair(train.path(), test.path()).unwrap();
    assert_eq!(a.classes(), b.classes());
    write(&train, "y/1.png", &y);
    let test_name = test.path().to_str().unwrap();
    for refused in [
        message(config.open_pair(train.path(), test.path())),
        message(config.open_pair(test.path(), train.path())),
    ] {
        assert_says(
            &refused,
            &[&format!("{test_name}: holds no pictures of the class `y`")],
        );
    }
}

#[test]
fn more_classes_than_a_byte_counts_are_streamed() {
    let _alone = alone();
    let many = folder();
    let picture = png(&RgbImage::new(1, 1));
    for class in 0..257 {
        write(&many, &format!("{class:03}/1.png"), &picture);
    }
    let pictures = ImageFolderConfig::new([1, 1]).open(many.path()).unwrap();
    let refused = message(pictures.decode().map(|_| ()));
    assert_says(
        &refused,
        &["257 classes", "at most 256", "ImageFolder::loader"],
    );
    let loader = pictures.loader(100, &cpu()).labeled();
    let labels: Vec<f64> = loader
        .iter()
        .flat_map(|batch| values(batch.unwrap().1.float()))
        .collect();
    assert_eq!(labels, (0..257).map(f64::from).collect::<Vec<_>>());
}

/// Each batch of an epoch with the noise that a model would draw on it.
fn epoch(loader: &dyn DataLoader<Tensor<4>>) -> Vec<Vec<f64>> {
    let batches = loader.iter().map(|batch| {
        let batch = batch.unwrap();
        let noise = batch.random_like(burn::tensor::Distribution::Default);
        values((batch + noise).flatten::<1>(0, 3))
    });
    batches.collect()
}

#[test]
fn streamed_epochs_are_those_of_a_tensor_loader() {
    let _alone = alone();
    let folder = folder();
    for i in 0..23 {
        let picture = wild(10 + i, 30 - i);
        let format = if i % 3 == 0 {
            ImageFormat::Jpeg
        } else {
            ImageFormat::Png
        };
        write(
            &folder,
            &format!("{}/{i:02}.{}", i % 4, format.extensions_str()[0]),
            encoded(&picture, format),
        );
    }
    let pictures = ImageFolderConfig::new([9, 12]).open(folder.path()).unwrap();
    let decoded = pictures.decode().unwrap();
    let stream = pictures.loader(5, &cpu()).seed(3).shuffle();
    let memory = ImageLoader::new(decoded.clone(), 5, &cpu())
        .seed(3)
        .shuffle();
    let tensor = TensorLoader::new(decoded.images(&cpu()), 5)
        .seed(3)
        .shuffle();
    let first = epoch(&tensor);
    assert_eq!(first.len(), 5);
    assert!(epoch(&stream) == first, "the first epoch is another");
    assert!(
        epoch(&memory) == first,
        "the first epoch from memory is another"
    );
    let second = epoch(&tensor);
    assert!(
        second != first && epoch(&stream) == second,
        "the second epoch is another"
    );
    let resumed = pictures.loader(5, &cpu()).seed(3).shuffle().first_epoch(2);
    assert!(epoch(&resumed) == second, "a resumed epoch is another");
    let [stream, tensor] = [stream.slice(4, 17), tensor.slice(4, 17)];
    assert!(epoch(&*stream) == epoch(&*tensor), "a shard is another");

    // With labels: the same images, and each its own label.
    let labels: Vec<i32> = decoded.labels().iter().map(|&label| label.into()).collect();
    let labels: Tensor<1, Int> = Tensor::from_data(&labels[..], &cpu());
    let tensor = TensorLoader::new((decoded.images(&cpu()), labels), 5)
        .seed(3)
        .shuffle();
    let pairs = |loader: &dyn DataLoader<(Tensor<4>, Tensor<1, Int>)>| -> Vec<_> {
        let batches = loader.iter().map(|batch| batch.unwrap());
        batches
            .map(|(images, labels)| (values(images), values(labels.float())))
            .collect()
    };
    let want = pairs(&tensor);
    assert!(pairs(&pictures.loader(5, &cpu()).labeled().seed(3).shuffle()) == want);
    assert!(
        pairs(
            &ImageLoader::new(decoded, 5, &cpu())
                .seed(3)
                .shuffle()
                .labeled()
        ) == want
    );
}

#[test]
fn a_picture_that_goes_away_ends_the_epoch_with_an_error() {
    let _alone = alone();
    let folder = folder();
    for i in 0..12 {
        write(&folder, &format!("{i:02}.png"), png(&wild(8, 8)));
    }
    let pictures = ImageFolderConfig::new([8, 8]).open(folder.path()).unwrap();
    let loader = pictures.loader(4, &cpu());
    fs::remove_file(folder.path().join("06.png")).unwrap();
    for _epoch in 0..2 {
        let mut batches = loader.iter();
        assert_eq!(batches.next().unwrap().unwrap().dims(), [4, 3, 8, 8]);
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert_says(&error, &["06.png", "cannot be read"]);
        assert!(batches.next().is_none());
        assert_eq!(batches.progress().items_processed, 12);
    }
    assert_says(&message(pictures.decode().map(|_| ())), &["06.png"]);
    // An epoch that is broken off leaves nothing behind that the next waits for.
    drop(loader.iter());
    assert!(loader.iter().next().unwrap().is_ok());
}

// Tables.

/// A table in a file of this text.
fn table(text: impl AsRef<[u8]>) -> burn_generative::Result<Table> {
    configured(&TableConfig::new(), text)
}

fn configured(config: &TableConfig, text: impl AsRef<[u8]>) -> burn_generative::Result<Table> {
    let folder = folder();
    config.open(write(&folder, "table.csv", text))
}

fn opened_with(schema: &Schema, text: &str) -> burn_generative::Result<Table> {
    let folder = folder();
    Table::open_with(write(&folder, "other.csv", text), schema)
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

const PEOPLE: &str =
    "age,colour,city\n20,red,Rome\n40, blue ,Oslo\n,red,?\n30,\"green, dark\",Oslo\n";

#[test]
fn a_table_is_numbers_and_comes_back() {
    for content in [PEOPLE.as_bytes().to_vec(), gzip(PEOPLE.as_bytes())] {
        let table = table(content).unwrap();
        let schema = table.schema();
        let std = (200.0_f64 / 3.0).sqrt();
        let [age, colour, city] = schema.columns() else {
            panic!("{schema:?}");
        };
        let Kind::Number {
            mean,
            std: found,
            range,
        } = age.kind
        else {
            panic!("{age:?}");
        };
        assert_eq!(range, Some([20, 40]));
        assert_close(mean, 30.0, 1e-12, "mean");
        assert_close(found, std, 1e-12, "std");
        assert_eq!(age.missing.as_deref(), Some(""));
        assert_eq!(
            colour.kind,
            Kind::Category {
                values: strings(&["blue", "green, dark", "red"])
            }
        );
        assert_eq!(colour.missing, None);
        assert_eq!(city.missing.as_deref(), Some("?"));
        assert_eq!((table.len(), schema.width()), (4, 2 + 3 + 3));

        let z = 10.0 / std;
        #[rustfmt::skip]
        let want = [
            -z, 0., 0., 0., 1., 0., 1., 0.,
            z, 0., 1., 0., 0., 1., 0., 0.,
            0., 1., 0., 0., 1., 0., 0., 1.,
            0., 0., 0., 1., 0., 1., 0., 0.,
        ];
        let tensor = table.tensor(&cpu());
        common::assert_all_close(&values(tensor.clone()), &want, 1e-6, "rows");

        let json = serde_json::to_string(schema).unwrap();
        let schema: Schema = serde_json::from_str(&json).unwrap();
        assert_eq!(schema, *table.schema());
        let rows = schema.rows(tensor.clone()).unwrap();
        assert_eq!(rows[1], ["40", "blue", "Oslo"]);
        assert_eq!(rows[2], ["", "red", "?"]);
        assert_eq!(rows[3], ["30", "green, dark", "Oslo"]);

        let folder = folder();
        let path = folder.path().join("made.csv");
        schema.write(&path, tensor.clone()).unwrap();
        let again = Table::open_with(&path, &schema).unwrap();
        assert_eq!(values(again.tensor(&cpu())), values(tensor));
        assert!(
            fs::read_to_string(path)
                .unwrap()
                .starts_with("age,colour,city\n20,red,Rome\n")
        );
    }
}

#[test]
fn a_table_is_read_as_it_is_configured() {
    let config = TableConfig::new()
        .with_header(false)
        .with_separator(';')
        .with_categories(strings(&["2"]))
        .with_ignored(strings(&["3"]))
        .with_missing(strings(&["-999"]));
    let table = configured(&config, "1.5;7;x;NA\n-999;8;y;b\n2.5;7;z;NA\n").unwrap();
    let schema = table.schema();
    let names: Vec<&str> = schema
        .columns()
        .iter()
        .map(|column| &column.name[..])
        .collect();
    assert_eq!(names, ["1", "2", "4"]);
    assert_eq!(schema.columns()[0].missing.as_deref(), Some("-999"));
    assert_eq!(
        schema.columns()[1].kind,
        Kind::Category {
            values: strings(&["7", "8"])
        }
    );
    // `NA` is a word where the table does not say otherwise.
    assert_eq!(
        schema.columns()[2].kind,
        Kind::Category {
            values: strings(&["NA", "b"])
        }
    );
    let rows = table.schema().rows(table.tensor(&cpu())).unwrap();
    assert_eq!(
        rows,
        [["1.5", "7", "NA"], ["-999", "8", "b"], ["2.5", "7", "NA"]]
    );
    // What it writes has no third column, and is read back.
    let folder = folder();
    let path = folder.path().join("made.csv");
    table.write(&path).unwrap();
    let again = Table::open_with(&path, schema).unwrap();
    assert_eq!(schema.rows(again.tensor(&cpu())).unwrap(), rows);

    // Few whole numbers are numbers, unless asked for; a constant column is one of zeros.
    let table = self::table("class,always\n1,5\n2,5\n1,5\n").unwrap();
    assert_eq!(table.schema().width(), 2);
    let always = table.tensor(&cpu()).narrow(1, 1, 1);
    assert_eq!(values(always), [0.0; 3]);
    let named = configured(
        &TableConfig::new().with_categories(strings(&["class"])),
        "class\n2\n1\n",
    )
    .unwrap();
    assert_eq!(values(named.tensor(&cpu())), [0.0, 1.0, 1.0, 0.0]);

    for separator in ['"', '\n', 'é'] {
        let refused = message(configured(
            &TableConfig::new().with_separator(separator),
            "a\n1\n",
        ));
        assert_says(&refused, &["TableConfig: separator", "one ASCII character"]);
    }
    let misnamed = TableConfig::new().with_categories(strings(&["Class"]));
    assert_says(
        &message(configured(&misnamed, "class\n1\n")),
        &["table.csv", "no column `Class`; it has: class"],
    );
    let nothing = TableConfig::new().with_ignored(strings(&["a"]));
    assert_says(
        &message(configured(&nothing, "a\n1\n")),
        &["table.csv", "none is left"],
    );
}

#[test]
fn what_is_wrong_with_a_table_is_named() {
    let latin = b"name,age\nAnna,3\nJos\xe9,4\n".to_vec();
    let whole = gzip("a,b\n1,2\n".repeat(999).as_bytes());
    let cases: [(Vec<u8>, &[&str]); 16] = [
        (b"".to_vec(), &["is empty"]),
        (b"\n\n".to_vec(), &["is empty"]),
        (b"a,b\n".to_vec(), &["a header and no rows", "with_header"]),
        (
            b"a,b\n1,2\n3\n".to_vec(),
            &["row 2 (line 3) has 1 values, where the first line has 2"],
        ),
        (b"a,b\n1,2,3\n".to_vec(), &["row 1 (line 2) has 3 values"]),
        (
            b"a,b,a\n1,2,3\n".to_vec(),
            &["two columns `a`", "with_header"],
        ),
        (
            b"a,b\n1,\n2,NA\n".to_vec(),
            &["column `b`: has no values", "with_ignored"],
        ),
        (
            b"a,b\n1,2\n2,\"x\n3,4\n".to_vec(),
            &["line 3: a quote is opened and never closed"],
        ),
        (
            b"a,b\n1,x\n2,\"y\n".to_vec(),
            &["line 3: a quote is opened and never closed"],
        ),
        (
            b"a,b\n1,x\n2,\"y\"\"".to_vec(),
            &["line 3: a quote is opened and never closed"],
        ),
        (latin, &["no UTF-8 text, first on line 3"]),
        (
            b"a\n1\n2\ninf\n".to_vec(),
            &["row 3 (line 4), column `a`: \"inf\" is no number"],
        ),
        (
            b"a\n1e300\n-1e308\n1e308\n".to_vec(),
            &["column `a`", "too large"],
        ),
        (whole[..whole.len() / 2].to_vec(), &["truncated"]),
        (
            b"a,b\n\n1,2\n\n\n\"x\ny\",3\n2,3\n4,5\n".to_vec(),
            &["row 2 (line 6), column `a`: \"x\\ny\""],
        ),
        (
            b"a,b\n\"x\ny\",2\n\"x\nz\",2\nx,word\nx,5\n".to_vec(),
            &["row 3 (line 6), column `b`: \"word\""],
        ),
    ];
    for (content, parts) in cases {
        let refused = message(table(&content));
        assert_says(&refused, &["table.csv"]);
        assert_says(&refused, parts);
    }
    assert_says(
        &message(Table::open("no/such.csv")),
        &["no/such.csv", "cannot be opened"],
    );
    // Quotes that are closed, or are characters of a value that began without one.
    for last in ["2,5\" pipe", "2,\"x, \"\"y\"\"\"", "2,\"\"", "\"2\",x\n"] {
        let table = table(format!("a,b\n1,x\n{last}")).unwrap();
        assert_eq!(table.len(), 2, "{last}");
    }
    // A mark of UTF-8, and Windows' line ends.
    let marked = table("\u{feff}a,b\r\n1,2\r\n3,4\r\n").unwrap();
    assert_eq!(
        (marked.len(), &marked.schema().columns()[0].name[..]),
        (2, "a")
    );
}

#[test]
fn a_word_among_numbers_is_a_slip_and_not_a_category() {
    let mut text = "id,x\n".to_string();
    for row in 1..=40_005 {
        let x = if row == 40_001 {
            "abc".to_string()
        } else {
            format!("{}", row % 977)
        };
        text += &format!("{row},{x}\n");
    }
    let refused = message(table(&text));
    assert_says(
        &refused,
        &[
            "row 40001 (line 40002), column `x`: \"abc\"",
            "40004 of its 40005",
            "with_missing",
            "with_categories",
        ],
    );
    // The ways out that it names.
    let missing = TableConfig::new().with_missing(strings(&["abc"]));
    assert_eq!(configured(&missing, &text).unwrap().schema().width(), 3);
    let categories = TableConfig::new().with_categories(strings(&["x"]));
    assert_eq!(
        configured(&categories, &text).unwrap().schema().width(),
        1 + 978
    );

    let words = (0..300).fold("word\n".to_string(), |text, i| text + &format!("w{i}\n"));
    let refused = message(table(&words));
    assert_says(
        &refused,
        &[
            "column `word`: has 300 different values",
            "with_ignored",
            "with_categories",
        ],
    );
    let asked = TableConfig::new().with_categories(strings(&["word"]));
    assert_eq!(configured(&asked, &words).unwrap().schema().width(), 300);
}

#[test]
fn another_file_is_read_with_the_schema_of_the_first() {
    let people = table(PEOPLE).unwrap();
    let schema = people.schema();
    let other = opened_with(
        schema,
        "height,city,colour,age\n1,Rome,red,40\n2,?,blue,NA\n",
    )
    .unwrap();
    let want = opened_with(schema, "age,colour,city\n40,red,Rome\n,blue,\n").unwrap();
    assert_eq!(other.schema(), schema);
    assert_eq!(values(other.tensor(&cpu())), values(want.tensor(&cpu())));

    for (text, parts) in [
        (
            "age,city\n1,Rome\n",
            ["no column `colour`", "it has: age, city"],
        ),
        (
            "age,colour,city\n1,red,Rome\n1,pink,Rome\n",
            [
                "row 2 (line 3), column `colour`: \"pink\"",
                "(blue, green, dark, red)",
            ],
        ),
        (
            "age,colour,city\nold,red,Rome\n",
            ["row 1 (line 2), column `age`: \"old\"", "is no number"],
        ),
        (
            "age,colour,city\n1,,Rome\n",
            ["row 1 (line 2), column `colour`", "is missing"],
        ),
    ] {
        let refused = message(opened_with(schema, text));
        assert_says(&refused, &["other.csv"]);
        assert_says(&refused, &parts);
    }

    let narrow = Tensor::<2>::zeros([1, 3], &cpu());
    assert_says(
        &message(schema.rows(narrow)),
        &["rows of 3 numbers", "make 8"],
    );
    let nan = Tensor::<2>::zeros([2, 8], &cpu()) / Tensor::<2>::zeros([2, 8], &cpu());
    assert_says(&message(schema.rows(nan)), &["row 1, column `age`: NaN"]);

    let json = serde_json::to_value(schema).unwrap();
    for (pointer, value) in [
        ("/columns/0/kind/Number/std", serde_json::json!(0.0)),
        ("/columns/1/kind/Category/values", serde_json::json!([])),
        ("/columns/1/name", serde_json::json!("age")),
        ("/columns", serde_json::json!([])),
    ] {
        let mut broken = json.clone();
        *broken.pointer_mut(pointer).unwrap() = value;
        let refused = serde_json::from_value::<Schema>(broken)
            .unwrap_err()
            .to_string();
        assert_says(&refused, &["Schema: "]);
    }
}

#[test]
fn tables_come_back_as_they_were() {
    let Some(folder) = std::env::var_os("DATA_DIR").filter(|name| !name.is_empty()) else {
        eprintln!("skipped: DATA_DIR is not set, so there are no tables to read");
        return;
    };
    let folder = Path::new(&folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.join("tables"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 10, "only {paths:?}");
    let digits = folder.join("digits/digits.csv.gz");
    let with_header = paths.iter().map(|path| (path, TableConfig::new()));
    for (path, config) in with_header.chain([(&digits, TableConfig::new().with_header(false))]) {
        let table = config.open(path).unwrap();
        let json = serde_json::to_string_pretty(table.schema()).unwrap();
        let schema: Schema = serde_json::from_str(&json).unwrap();
        assert_eq!(schema, *table.schema(), "{}", path.display());

        let file = flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap());
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(config.header)
            .from_reader(file);
        let rows = schema.rows(table.tensor(&cpu())).unwrap();
        assert_eq!(rows.len(), table.len());
        let mut count = 0;
        for (row, (want, got)) in reader.records().zip(&rows).enumerate() {
            let want = want.unwrap();
            assert_eq!(want.len(), got.len());
            for (want, got) in want.iter().zip(got) {
                let what = || format!("{}, row {}", path.display(), row + 1);
                match (want.parse::<f64>(), got.parse::<f64>()) {
                    (Ok(want), Ok(got)) => {
                        assert!(
                            (want - got).abs() <= 1e-4 * want.abs(),
                            "{}: {want}, {got}",
                            what()
                        );
                    }
                    _ => assert_eq!(want, got, "{}", what()),
                }
            }
            count += 1;
        }
        assert_eq!(count, table.len());
    }
}

// Arrays.

fn array(bytes: impl AsRef<[u8]>) -> burn_generative::Result<Array> {
    let folder = folder();
    Array::open(write(&folder, "array.npy", bytes))
}

#[test]
fn arrays_of_every_type_and_order_are_read() {
    let floats = |numbers: &[f32]| Values::Floats(numbers.to_vec());
    let cases: Vec<(&str, Vec<u8>, Values)> = vec![
        ("|b1", vec![0, 1], Values::Bytes(vec![0, 1])),
        ("|u1", vec![0, 255], Values::Bytes(vec![0, 255])),
        ("|i1", vec![255, 1], floats(&[-1.0, 1.0])),
        ("<u2", vec![1, 2, 255, 255], floats(&[513.0, 65535.0])),
        ("<i2", vec![0xfe, 0xff, 0, 1], floats(&[-2.0, 256.0])),
        (
            "<u4",
            [70_000_u32, 3].map(u32::to_le_bytes).concat(),
            floats(&[70_000.0, 3.0]),
        ),
        (
            "<i4",
            [-70_000_i32, 3].map(i32::to_le_bytes).concat(),
            floats(&[-70_000.0, 3.0]),
        ),
        (
            "<u8",
            [1_u64 << 40, 3].map(u64::to_le_bytes).concat(),
            floats(&[(1_u64 << 40) as f32, 3.0]),
        ),
        (
            "<i8",
            [-5_i64, 3].map(i64::to_le_bytes).concat(),
            floats(&[-5.0, 3.0]),
        ),
        (
            "<f4",
            [1.5_f32, -0.25].map(f32::to_le_bytes).concat(),
            floats(&[1.5, -0.25]),
        ),
        (
            "<f8",
            [2.5_f64, -4.0].map(f64::to_le_bytes).concat(),
            floats(&[2.5, -4.0]),
        ),
    ];
    for (descr, bytes, want) in cases {
        let little = npy(descr, false, "(2,)", &bytes);
        let mut reversed = bytes.clone();
        reversed
            .chunks_mut(bytes.len() / 2)
            .for_each(<[u8]>::reverse);
        let big = npy(&descr.replace('<', ">"), false, "(2,)", &reversed);
        for file in [&little, &big, &gzip(&little)] {
            let array = array(file).unwrap();
            assert_eq!(
                (array.shape(), array.values()),
                (&[2][..], &want),
                "{descr}"
            );
        }
    }

    // 0 to 23 in Fortran's order: the first axis runs fastest.
    let numbers: Vec<u8> = (0..24).collect();
    let c = array(npy("|u1", false, "(2, 3, 4)", &numbers)).unwrap();
    let fortran = array(npy("|u1", true, "(2, 3, 4)", &numbers)).unwrap();
    let transposed = array(npy("|u1", false, "(4, 3, 2)", &numbers)).unwrap();
    let transposed: Tensor<3> = transposed.tensor(&cpu()).unwrap();
    let fortran: Tensor<3> = fortran.tensor(&cpu()).unwrap();
    assert_eq!(values(fortran), values(transposed.permute([2, 1, 0])));
    let c: Tensor<3> = c.tensor(&cpu()).unwrap();
    assert_eq!(values(c), (0..24).map(f64::from).collect::<Vec<_>>());

    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n";
    for version in [1, 2, 3] {
        let single = [npy_header(version, header), 7.0_f32.to_le_bytes().to_vec()].concat();
        let single = array(single).unwrap();
        assert_eq!(
            (single.shape(), single.values()),
            (&[][..], &floats(&[7.0]))
        );
        assert_says(
            &message(single.tensor::<1>(&cpu())),
            &["array.npy", "0 axes", "where 1 are wanted"],
        );
    }
    let none = array(npy("<f4", false, "(0, 3)", &[])).unwrap();
    assert_says(
        &message(none.tensor::<2>(&cpu())),
        &["array.npy", "no values"],
    );
}

#[test]
fn what_is_no_array_of_numbers_is_refused_by_name() {
    let whole = npy("<f4", false, "(2,)", &[0; 8]);
    let records = npy_header(
        1,
        "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }\n",
    );
    let long = npy_header(2, &" ".repeat(70_000));
    let cases: [(Vec<u8>, &str); 16] = [
        (Vec::new(), "is empty"),
        (b"\x93NUM".to_vec(), "truncated"),
        (b"a,b\n1,2\n3,4\n".to_vec(), "no .npy file"),
        (b"PK\x03\x04 and so on".to_vec(), "Array::open_npz"),
        (whole[..20].to_vec(), "truncated"),
        (whole[..whole.len() - 1].to_vec(), "truncated"),
        ([&whole[..], &[0]].concat(), "longer than its header claims"),
        (npy("|O", false, "(2,)", &[0; 8]), "Python objects"),
        (npy("<U5", false, "(2,)", &[0; 8]), "text"),
        (npy("<c8", false, "(1,)", &[0; 8]), "complex numbers"),
        (npy("<M8[ns]", false, "(1,)", &[0; 8]), "dates"),
        (npy("<f2", false, "(4,)", &[0; 8]), "astype('float32')"),
        (records, "records of several fields"),
        (
            npy_header(1, "{'descr': '<f4', 'shape': (2,), }"),
            "corrupt",
        ),
        (npy("<f4", false, "(2, -1)", &[0; 8]), "corrupt"),
        (long, "claims a header of 70000 bytes"),
    ];
    for (content, reason) in cases {
        assert_says(&message(array(content)), &["array.npy", reason]);
    }
    for shape in [
        "(1099511627776,)",
        "(1099511627776, 1099511627776)",
        "(1073741824, 8)",
    ] {
        for fortran in [false, true] {
            let file = npy("<f8", fortran, shape, &[0; 8]);
            let refused = message(array(&file));
            assert!(
                refused.contains("truncated") || refused.contains("more than any file"),
                "{refused}"
            );
        }
    }
    assert_says(
        &message(Array::open("no/such.npy")),
        &["no/such.npy", "cannot be opened"],
    );
}

#[test]
fn arrays_of_an_archive_are_read_by_name() {
    let ramp: Vec<u8> = (0..200).collect();
    let arrays = [
        ("images", npy("|u1", false, "(2, 10, 10)", &ramp)),
        (
            "labels",
            npy("<i4", false, "(2,)", &[3, 0, 0, 0, 9, 0, 0, 0]),
        ),
        ("names", npy("|O", false, "(2,)", &[0; 8])),
        ("vast", npy("<f8", false, "(1099511627776,)", &[0; 8])),
    ];
    for method in [
        zip::CompressionMethod::Stored,
        zip::CompressionMethod::Deflated,
    ] {
        let folder = folder();
        let whole = npz(method, &arrays);
        let path = write(&folder, "data.npz", &whole);
        let images = Array::open_npz(&path, "images").unwrap();
        assert_eq!(
            (images.shape(), images.values()),
            (&[2, 10, 10][..], &Values::Bytes(ramp.clone()))
        );
        let labels: Tensor<1> = Array::open_npz(&path, "labels")
            .unwrap()
            .tensor(&cpu())
            .unwrap();
        assert_eq!(values(labels), [3.0, 9.0]);

        let refused = |name: &str| message(Array::open_npz(&path, name));
        assert_says(
            &refused("pixels"),
            &[
                "data.npz",
                "no array `pixels`; it holds: images, labels, names, vast",
            ],
        );
        assert_says(
            &refused("names"),
            &["data.npz", "array `names`", "Python objects"],
        );
        assert_says(&refused("vast"), &["data.npz", "array `vast`", "truncated"]);
        assert_says(
            &message(Array::open(&path)),
            &["data.npz", "Array::open_npz"],
        );

        let cut = write(&folder, "cut.npz", &whole[..whole.len() / 2]);
        assert_says(
            &message(Array::open_npz(cut, "images")),
            &["cut.npz", "truncated"],
        );
        let mut flipped = whole.clone();
        flipped[150] ^= 0xff; // in the pixels, or their deflated form
        let flipped = write(&folder, "flipped.npz", flipped);
        assert_says(
            &message(Array::open_npz(flipped, "images")),
            &["flipped.npz", "array `images`"],
        );
    }
    let folder = folder();
    let single = write(&folder, "single.npz", npy("|u1", false, "(2,)", &[1, 2]));
    assert_says(
        &message(Array::open_npz(single, "x")),
        &["single.npz", "Array::open"],
    );
    assert_says(
        &message(Array::open_npz("no/such.npz", "x")),
        &["no/such.npz", "cannot be opened"],
    );
}

// What other programs wrote; tests/golden/own_data.py.

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/own_data")
        .join(name)
}

#[test]
fn numpy_s_own_files_are_read() {
    let archive = golden("arrays.npz");
    let read = |name: &str| Array::open_npz(&archive, name).unwrap();
    let ramp: Vec<f64> = (0..24).map(f64::from).collect();
    let bytes = read("bytes");
    assert_eq!(
        (bytes.shape(), bytes.values()),
        (&[2, 3, 4][..], &Values::Bytes((0..24).collect()))
    );
    let eighths: Vec<f64> = ramp.iter().map(|number| number / 8.0).collect();
    assert_eq!(values(read("big").tensor::<2>(&cpu()).unwrap()), eighths);
    assert_eq!(values(read("fortran").tensor::<3>(&cpu()).unwrap()), ramp);
    let single = Array::open(golden("fortran.npy")).unwrap();
    assert_eq!(values(single.tensor::<2>(&cpu()).unwrap()), ramp);
    let truth = read("truth");
    assert_eq!(truth.values(), &Values::Bytes([1, 0].repeat(12)));
    let refused = |name: &str| message(Array::open_npz(&archive, name));
    assert_says(&refused("objects"), &["arrays.npz", "Python objects"]);
    assert_says(&refused("records"), &["arrays.npz", "records"]);
}

#[test]
fn pictures_are_what_pillow_makes_of_them() {
    let text = fs::read_to_string(golden("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    // JPEG decoders round differently; a PNG has one meaning.
    for (file, size, name, tolerance) in [
        ("palette.png", [31, 53], "palette.png", 0),
        ("progressive.jpg", [31, 53], "progressive.jpg", 3),
        ("picture.png", [10, 12], "smaller", 1),
        ("picture.png", [41, 37], "larger", 1),
    ] {
        let folder = folder();
        write(&folder, file, fs::read(golden(file)).unwrap());
        let got = bytes(&ImageFolderConfig::new(size).open(folder.path()).unwrap());
        let want: Vec<u8> = serde_json::from_value(expected[name].clone()).unwrap();
        assert_eq!(got.len(), want.len(), "{name}");
        let furthest = got
            .iter()
            .zip(&want)
            .map(|(got, want)| got.abs_diff(*want))
            .max();
        assert!(furthest <= Some(tolerance), "{name}: off by {furthest:?}");
    }
}
