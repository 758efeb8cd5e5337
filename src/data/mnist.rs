//! MNIST, wherever it can be found.

use super::{LabeledImages, digits};
use crate::error::{Error, Result};
use crate::file;
use flate2::read::GzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder that the environment names, for a data set that is already on the machine.
pub const MNIST_DIR: &str = "MNIST_DIR";

/// Training and test images, and where they came from.
#[derive(Clone, Debug)]
pub struct Mnist {
    /// 60,000 images to learn from (or as many as the source holds).
    pub train: LabeledImages,
    /// 10,000 images to test on.
    pub test: LabeledImages,
    /// Where they came from.
    pub origin: Origin,
}

/// Where a data set came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Files that were found or downloaded.
    Mnist(PathBuf),
    /// No files: [`digits`] were generated. Holds the reason.
    Generated(String),
}

impl Origin {
    /// `mnist` or `generated`.
    pub fn name(&self) -> &'static str {
        match self {
            Origin::Mnist(_) => "mnist",
            Origin::Generated(_) => "generated",
        }
    }
}

impl Mnist {
    /// The number of training and of test images in MNIST.
    pub const SIZE: [usize; 2] = [60_000, 10_000];

    /// The first of these that is there:
    ///
    /// 1. the files in `dir`, or in the folder that the variable `MNIST_DIR` names,
    /// 2. burn-dataset's cache in the user's cache folder,
    /// 3. a download into that cache, with a progress bar,
    /// 4. generated digits; [`Mnist::origin`] then holds the reason, to be shown to the user.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file if the folder of step 1 or the cache of step 2 is there but
    /// holds a file that is missing, truncated, corrupt or swapped. A failing download is no error.
    pub fn load(dir: Option<&Path>) -> Result<Self> {
        let named = std::env::var_os(MNIST_DIR).filter(|name| !name.is_empty());
        if let Some(dir) = dir.map(PathBuf::from).or(named.map(PathBuf::from)) {
            return Self::open(dir);
        }
        let Some(cache) = dirs::cache_dir() else {
            let reason = "there is no cache folder to download it to".to_string();
            return Ok(Self::generate(Self::SIZE, 0, reason));
        };
        let cache = cache.join("burn-dataset").join("mnist");
        match download(MIRROR, &FILES, &cache) {
            Ok(()) => Self::open(cache),
            Err(reason) => Ok(Self::generate(Self::SIZE, 0, reason)),
        }
    }

    /// The data set in a folder: four IDX files under their usual names (`train-images-idx3-ubyte` or
    /// `train-images.idx3-ubyte`), raw or `.gz`, side by side
    /// or in the sub-folders `train` and `test`. Other data sets in this format work as well, of any
    /// image size.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the folder or file that is missing, empty, truncated, corrupt or
    /// swapped.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        if !dir.is_dir() {
            let reason = "is no folder; name the one that holds the four IDX files of MNIST";
            return Err(Error::data(dir, reason));
        }
        let [train_images, train_labels, test_images, test_labels] =
            FILES.map(|file| file.find(dir));
        let train = LabeledImages::open(train_images?, train_labels?)?;
        let (test_images, test_labels) = (test_images?, test_labels?);
        let test = LabeledImages::open(&test_images, test_labels)?;
        if train.shape() != test.shape() {
            let reason = format!(
                "holds images of {:?}, but the training images are {:?}",
                test.shape(),
                train.shape()
            );
            return Err(Error::data(test_images, reason));
        }
        Ok(Self {
            train,
            test,
            origin: Origin::Mnist(dir.to_path_buf()),
        })
    }

    /// Generated digits in the place of MNIST, so many for training and for testing, and why.
    pub fn generate(size: [usize; 2], seed: u64, reason: String) -> Self {
        // Training and test digits come from two streams of one seed.
        let [train, test] = [0, 1].map(|split: usize| {
            digits::generate(size[split], seed.wrapping_mul(2).wrapping_add(split as u64))
        });
        Self {
            train,
            test,
            origin: Origin::Generated(reason),
        }
    }
}

struct SourceFile<'a> {
    split: &'static str,
    name: &'static str,
    /// The SHA-256 of what a download holds when it is unpacked.
    sha256: &'a str,
}

const FILES: [SourceFile<'static>; 4] = [
    SourceFile {
        split: "train",
        name: "train-images-idx3-ubyte",
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    SourceFile {
        split: "train",
        name: "train-labels-idx1-ubyte",
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    SourceFile {
        split: "test",
        name: "t10k-images-idx3-ubyte",
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    SourceFile {
        split: "test",
        name: "t10k-labels-idx1-ubyte",
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

impl SourceFile<'_> {
    fn find(&self, dir: &Path) -> Result<PathBuf> {
        // A common mirror has a dot before the type.
        let dotted = self.name.replacen("-idx", ".idx", 1);
        let names = [self.name, &dotted].map(|name| [name.to_string(), format!("{name}.gz")]);
        let names = names.concat();
        [dir.to_path_buf(), dir.join(self.split)]
            .iter()
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
            .find(|path| path.exists())
            .ok_or_else(|| Error::data(dir, format!("holds no {}", names.join(", nor "))))
    }

    fn cached(&self, cache: &Path) -> PathBuf {
        cache.join(self.split).join(self.name)
    }
}

/// The mirror that burn-dataset downloads from. By plain HTTP: what comes is known by its checksum, and a TLS library
/// would be the longest to compile of all that `data` needs.
const MIRROR: &str = "http://storage.googleapis.com/cvdf-datasets/mnist";

/// Far more than any of the files holds, compressed or not.
const MAX_BYTES: u64 = 1 << 28;

/// Puts the files that are not there yet into burn-dataset's cache, or says why it cannot.
fn download(mirror: &str, files: &[SourceFile], cache: &Path) -> std::result::Result<(), String> {
    for file in files {
        let target = file.cached(cache);
        if !target.exists() {
            fetch(mirror, file, &target)
                .map_err(|error| format!("it is not on this machine, and {mirror}: {error}"))?;
        }
    }
    Ok(())
}

fn fetch(mirror: &str, file: &SourceFile, target: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let name = file.name;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(20)))
        .timeout_recv_body(Some(Duration::from_secs(300)))
        .build()
        .into();
    let mut response = agent.get(format!("{mirror}/{name}.gz")).call()?;
    let body = response.body_mut();

    let bar = ProgressBar::new(body.content_length().unwrap_or(0)).with_message(name.to_string());
    let style = "{msg} {wide_bar} {bytes}/{total_bytes}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut bytes = Vec::new();
    let compressed = bar.wrap_read(body.as_reader().take(MAX_BYTES));
    GzDecoder::new(compressed)
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)?;
    bar.finish_and_clear();
    if file::hex(file::sha256_of(&bytes)) != file.sha256 {
        return Err(format!("{name}.gz does not hold what MNIST does").into());
    }

    // Written beside the target and renamed, so that a broken download never looks like the file.
    let folder = target.parent().ok_or("the cache has no parent folder")?;
    std::fs::create_dir_all(folder)?;
    let part = target.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A mirror on this machine that answers each request with what `answer` makes of its path.
    fn mirror(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.next().unwrap().unwrap();
                while !lines.next().unwrap().unwrap().is_empty() {}
                let path = request.split(' ').nth(1).unwrap();
                stream.write_all(&answer(path)).unwrap();
            }
        });
        format!("http://{address}")
    }

    fn ok(body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    /// A small file of the kind that a path of the mirror names.
    fn content(path: &str) -> Vec<u8> {
        if path.contains("images") {
            let head = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3];
            [&head[..], &[7; 6]].concat()
        } else {
            vec![0, 0, 8, 1, 0, 0, 0, 2, 4, 5]
        }
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What the mirror above holds, with its checksums.
    fn with_files(test: impl FnOnce(&[SourceFile])) {
        let sums = ["images", "labels"].map(|kind| file::hex(file::sha256_of(&content(kind))));
        let [images, labels] = sums.each_ref();
        let [a, b, c, d] = FILES;
        test(&[
            SourceFile {
                sha256: images,
                ..a
            },
            SourceFile {
                sha256: labels,
                ..b
            },
            SourceFile {
                sha256: images,
                ..c
            },
            SourceFile {
                sha256: labels,
                ..d
            },
        ]);
    }

    #[test]
    fn the_checksums_are_those_of_mnist() {
        let Some(dir) = std::env::var_os(MNIST_DIR) else {
            println!("skipped: {MNIST_DIR} names no folder");
            return;
        };
        for file in &FILES {
            let path = file.find(Path::new(&dir)).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            if path.extension().is_some_and(|extension| extension == "gz") {
                let packed = std::mem::take(&mut bytes);
                GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
            }
            assert_eq!(
                file::hex(file::sha256_of(&bytes)),
                file.sha256,
                "{}",
                file.name
            );
        }
    }

    fn files(folder: &Path) -> usize {
        let list = |folder: &Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
        list(&folder.join("train")) + list(&folder.join("test"))
    }

    #[test]
    fn a_download_fills_the_cache_with_what_can_be_read() {
        let cache = tempfile::tempdir().unwrap();
        let mirror = mirror(|path| ok(&packed(&content(path))));
        with_files(|list| {
            download(&mirror, list, cache.path()).unwrap();
            assert_eq!(files(cache.path()), 4);
            let data = Mnist::open(cache.path()).unwrap();
            assert_eq!((data.train.len(), data.test.labels()), (2, &[4, 5][..]));
            // What is there is not asked for again.
            download("http://127.0.0.1:9", list, cache.path()).unwrap();
        });
    }

    #[test]
    fn a_download_that_breaks_leaves_nothing_that_looks_like_a_file() {
        type Answer = fn(&str) -> Vec<u8>;
        let answers: [Answer; 4] = [
            |_| {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            },
            |path| ok(&packed(&content(path))[..12]),
            |_| ok(b"<html>a login page</html>"),
            // Well formed, and not what was asked for.
            |path| {
                ok(&packed(
                    &content(path)
                        .iter()
                        .map(|byte| byte ^ (byte >> 2 & 1))
                        .collect::<Vec<u8>>(),
                ))
            },
        ];
        for answer in answers {
            let cache = tempfile::tempdir().unwrap();
            let mirror = mirror(answer);
            with_files(|list| {
                let reason = download(&mirror, list, cache.path()).unwrap_err();
                assert!(reason.contains("not on this machine"), "{reason}");
                assert_eq!(files(cache.path()), 0, "{reason}");
            });
        }
        let cache = tempfile::tempdir().unwrap();
        assert!(download("http://127.0.0.1:9", &FILES, cache.path()).is_err());
    }
}
