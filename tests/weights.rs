//! Weights from files: what was saved is what is loaded, PyTorch's weights give PyTorch's outputs, and whatever
//! is wrong with a file is said, by name.

mod common;

use burn::config::Config;
use burn::module::Module;
use burn::prelude::*;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn_generative::nn::{ConvDecoder, ConvEncoder, MlpDecoder, MlpEncoder};
use burn_generative::prelude::*;
use burn_generative::weights;
use common::{devices, values};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Of one width throughout: a matrix read the wrong way round would fit.
const SIZE: usize = 8;

type SmallVae = Vae<MlpEncoder<GaussianHead, 2>, MlpDecoder<burn::nn::Linear, 2>>;
type ConvVae = Vae<ConvEncoder<GaussianHead>, ConvDecoder>;

#[derive(Config, Debug)]
struct Recipe {
    encoder: MlpEncoderConfig,
    decoder: MlpDecoderConfig,
    vae: VaeConfig,
}

impl Recipe {
    fn small() -> Self {
        let hidden = vec![SIZE];
        Self::new(
            MlpEncoderConfig::new(vec![SIZE], SIZE).with_hidden(hidden.clone()),
            MlpDecoderConfig::new(SIZE, vec![SIZE]).with_hidden(hidden),
            VaeConfig::new().with_warmup_steps(5),
        )
    }

    fn init(&self, device: &Device) -> burn_generative::Result<SmallVae> {
        let encoder = self.encoder.init_gaussian(device)?;
        let decoder = self.decoder.init(device)?;
        self.vae
            .init(encoder, decoder, StandardNormal::new(SIZE), BernoulliNll)
    }
}

fn small(device: &Device) -> SmallVae {
    Recipe::small().init(device).unwrap()
}

fn conv(device: &Device) -> ConvVae {
    let shape = [1, 8, 8];
    let encoder = ConvEncoderConfig::new(shape, 2)
        .with_channels(vec![2, 3])
        .with_hidden(5);
    let decoder = ConvDecoderConfig::new(2, shape)
        .with_channels(vec![2, 3])
        .with_hidden(5);
    let (encoder, decoder) = (
        encoder.init_gaussian(device).unwrap(),
        decoder.init(device).unwrap(),
    );
    VaeConfig::new()
        .init(encoder, decoder, StandardNormal::new(2), BernoulliNll)
        .unwrap()
}

const NAMES: [(&str, &str); 5] = [
    (r"^fc1\.", "encoder.body.layers.0."),
    (r"^fc21\.", "encoder.head.mean."),
    (r"^fc22\.", "encoder.head.log_var."),
    (r"^fc3\.", "decoder.body.layers.0."),
    (r"^fc4\.", "decoder.head."),
];

const CONV_NAMES: [(&str, &str); 12] = [
    (r"^conv1\.", "encoder.convs.0."),
    (r"^conv2\.", "encoder.convs.1."),
    (r"^bn1\.", "encoder.norms.0."),
    (r"^bn2\.", "encoder.norms.1."),
    (r"^fc1\.", "encoder.dense."),
    (r"^fc21\.", "encoder.head.mean."),
    (r"^fc22\.", "encoder.head.log_var."),
    (r"^fc3\.", "decoder.dense.0."),
    (r"^fc4\.", "decoder.dense.1."),
    (r"^up1\.", "decoder.convs.0."),
    (r"^up2\.", "decoder.convs.1."),
    (r"^bn3\.", "decoder.norms.0."),
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/interchange")
        .join(name)
}

/// What PyTorch's model was given, and gave.
struct Golden {
    numbers: BTreeMap<String, Vec<f64>>,
    device: Device,
}

impl Golden {
    fn new(name: &str, device: &Device) -> Self {
        let text = std::fs::read_to_string(fixture(name)).unwrap();
        Self {
            numbers: serde_json::from_str(&text).unwrap(),
            device: device.clone(),
        }
    }

    fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Tensor<D> {
        let numbers = &self.numbers[name];
        common::tensor(shape, &self.device, |i| numbers[i])
    }

    #[track_caller]
    fn assert<const D: usize>(&self, name: &str, ours: Tensor<D>) {
        let ours = values(ours.flatten::<1>(0, D - 1));
        let theirs = &self.numbers[name];
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let error = (ours - theirs).abs();
            assert!(
                error <= 1e-5 * (1.0 + theirs.abs()),
                "{name}: {ours}, not {theirs}"
            );
        }
    }
}

/// The files that this build can read.
fn formats() -> Vec<&'static str> {
    vec![
        "safetensors",
        #[cfg(feature = "pytorch")]
        "pt",
    ]
}

#[test]
fn pytorchs_weights_give_pytorchs_outputs() {
    for (_, device) in devices() {
        for format in formats() {
            let golden = Golden::new("vae.json", &device);
            let path = fixture(&format!("vae.{format}"));
            let vae = weights::load_pytorch(small(&device), path, &NAMES).unwrap();
            let posterior = vae.encode(golden.tensor("x", [3, SIZE]));
            golden.assert("mean", posterior.mean());
            golden.assert("log_var", posterior.log_var());
            golden.assert("decoded", vae.decode(golden.tensor("z", [3, SIZE])));

            let golden = Golden::new("conv.json", &device);
            let path = fixture(&format!("conv.{format}"));
            let vae = weights::load_pytorch(conv(&device), path, &CONV_NAMES).unwrap();
            let posterior = vae.encode(golden.tensor("x", [4, 1, 8, 8]));
            golden.assert("mean", posterior.mean());
            golden.assert("log_var", posterior.log_var());
            golden.assert("decoded", vae.decode(golden.tensor("z", [4, 2])));
        }
    }
}

/// All numbers of a model, by name.
fn numbers<M: Module>(model: &M) -> Vec<(String, Vec<u8>)> {
    let tensors = model.collect(None, None, false);
    let mut numbers: Vec<_> = tensors
        .iter()
        .map(|tensor| (tensor.name.clone(), tensor.to_bytes().unwrap().to_vec()))
        .collect();
    numbers.sort();
    numbers
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for (_, device) in devices() {
        let model = conv(&device);
        weights::save(&model, &path).unwrap();
        let first = std::fs::read(&path).unwrap();
        let loaded = weights::load(conv(&device), &path).unwrap();
        assert_eq!(numbers(&loaded), numbers(&model));
        weights::save(&loaded, &path).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            first,
            "equal weights, equal files"
        );

        // What burn writes by itself is read too.
        let mut store = SafetensorsStore::from_file(&path).overwrite(true);
        model.save_into(&mut store).unwrap();
        let loaded = weights::load(conv(&device), &path).unwrap();
        assert_eq!(numbers(&loaded), numbers(&model));
    }
}

/// To rename one is to break every file that was ever saved.
#[test]
fn names_are_stable() {
    let device = common::cpu();
    let names = |numbers: Vec<(String, Vec<u8>)>| -> Vec<String> {
        numbers.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(numbers(&small(&device))),
        [
            "decoder.body.layers.0.bias",
            "decoder.body.layers.0.weight",
            "decoder.head.bias",
            "decoder.head.weight",
            "encoder.body.layers.0.bias",
            "encoder.body.layers.0.weight",
            "encoder.head.log_var.bias",
            "encoder.head.log_var.weight",
            "encoder.head.mean.bias",
            "encoder.head.mean.weight",
            "latent_loss.warmup.taken",
        ]
    );
    let conv = names(numbers(&conv(&device)));
    for name in [
        "encoder.convs.1.weight",
        "encoder.norms.1.Batch.running_var",
        "encoder.dense.weight",
        "decoder.dense.1.bias",
        "decoder.norms.0.Batch.gamma",
        "decoder.convs.1.weight",
    ] {
        assert!(conv.iter().any(|known| known == name), "{name} in {conv:?}");
    }
}

#[test]
fn a_folder_gives_back_configuration_and_model() {
    let device = common::cpu();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("new/vae");
    let model = small(&device);
    weights::save_dir(&folder, &Recipe::small(), &model).unwrap();
    let init = |recipe: &Recipe| recipe.init(&device);
    let (recipe, loaded) = weights::load_dir(&folder, init).unwrap();
    assert_eq!(numbers(&loaded), numbers(&model));
    assert_eq!(recipe.vae.warmup_steps, 5);

    // Another configuration beside the same weights, as a crash between the two would leave it.
    let config = folder.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("\"warmup_steps\": 5", "\"warmup_steps\": 6"),
    )
    .unwrap();
    refuses(
        weights::load_dir(&folder, init),
        &["config.json", "saved with"],
    );
    std::fs::write(&config, "{}").unwrap();
    refuses(
        weights::load_dir(&folder, init),
        &["config.json", "is not this configuration", "encoder"],
    );
    std::fs::remove_file(&config).unwrap();
    refuses(
        weights::load_dir(&folder, init),
        &["config.json", "cannot be read"],
    );
}

#[track_caller]
fn refuses<T>(result: burn_generative::Result<T>, parts: &[&str]) {
    let Err(error) = result else {
        panic!("not refused: {parts:?}");
    };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_refused() {
    let device = common::cpu();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let init = || small(&device);

    refuses(
        weights::load(init(), &path),
        &["weights.safetensors", "cannot be read"],
    );
    refuses(weights::load(init(), folder.path()), &["cannot be read"]);
    std::fs::write(&path, b"\x89PNG\r\n\x1a\n and so on").unwrap();
    refuses(weights::load(init(), &path), &["is no SafeTensors file"]);
    refuses(weights::load_pytorch(init(), &path, &NAMES), &["is no"]);

    // Of another model, larger or smaller.
    weights::save(&conv(&device), &path).unwrap();
    refuses(
        weights::load(init(), &path),
        &[
            "does not fit",
            "it lacks",
            "it has beyond the model",
            "encoder.convs.0.weight",
        ],
    );
    let narrow = MlpDecoderConfig::new(2, vec![3]).with_hidden(vec![4]);
    weights::save(&narrow.init::<2>(&device).unwrap(), &path).unwrap();
    let wide = MlpDecoderConfig::new(2, vec![3]).with_hidden(vec![5]);
    refuses(
        weights::load(wide.init::<2>(&device).unwrap(), &path),
        &["does not fit", "body.layers.0.weight", "[2, 5]", "[2, 4]"],
    );

    // PyTorch's, without a map, without a part, with two of one name, with a bad pattern.
    let torch = fixture("vae.safetensors");
    refuses(weights::load(init(), &torch), &["take `load_pytorch`"]);
    refuses(
        weights::load_pytorch(init(), &torch, &[]),
        &["it lacks", "fc1.weight"],
    );
    refuses(
        weights::load_pytorch(init(), &torch, &NAMES[1..]),
        &["it lacks encoder.body.layers.0", "beyond the model fc1"],
    );
    let doubled: Vec<_> = NAMES
        .into_iter()
        .chain([(r"head\.mean", "head.log_var")])
        .collect();
    refuses(
        weights::load_pytorch(init(), &torch, &doubled),
        &["where another tensor is already"],
    );
    refuses(
        weights::load_pytorch(init(), &torch, &[("(", "")]),
        &["invalid configuration"],
    );
    #[cfg(not(feature = "pytorch"))]
    refuses(
        weights::load_pytorch(init(), fixture("vae.pt"), &NAMES),
        &["--features pytorch"],
    );
}

/// Flipped, cut or longer anywhere: refused, or equal; never a panic, never another model.
#[test]
fn a_file_changed_anywhere_is_refused() {
    let device = common::cpu();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let model = conv(&device);
    weights::save(&model, &path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let expected = numbers(&model);
    let mut generator = Pcg64::seed_from_u64(3);
    let mut refused = 0;
    for round in 0..200 {
        // The header is a good part of the file; the numbers are the rest.
        let place = generator.random_range(0..whole.len());
        let mut broken = whole.clone();
        match round % 3 {
            0 => broken[place] ^= 1 << generator.random_range(0..8),
            1 => broken.truncate(place),
            _ => broken.insert(place, 0x20),
        }
        std::fs::write(&path, &broken).unwrap();
        match weights::load(conv(&device), &path) {
            Ok(loaded) => assert_eq!(numbers(&loaded), expected, "round {round} at {place}"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("weights.safetensors"), "{error}");
            }
        }
    }
    // A space more in the header's JSON changes nothing but its length, which is then wrong.
    assert!(refused > 190, "only {refused} of 200 were refused");
}
