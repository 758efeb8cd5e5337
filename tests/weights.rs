//! Weights from files: what was saved is what is loaded, PyTorch's weights give PyTorch's outputs, and whatever
//! is wrong with a file is said, by name.

mod common;

use burn::config::Config;
use burn::module::{Module, Param};
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

/// A configuration that is the same is accepted however it is written, and with a field more or less.
#[test]
fn a_folder_outlives_the_fields_of_its_configuration() {
    /// The recipe with fields that it has since its second version.
    #[derive(Config, Debug)]
    struct Later {
        encoder: MlpEncoderConfig,
        decoder: MlpDecoderConfig,
        vae: VaeConfig,
        comment: Option<String>,
        #[config(default = 0.25)]
        dropout: f64,
    }
    /// Its second version without the field that has a default.
    #[derive(Config, Debug)]
    struct Optional {
        encoder: MlpEncoderConfig,
        decoder: MlpDecoderConfig,
        vae: VaeConfig,
        comment: Option<String>,
    }
    let device = common::cpu();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let model = small(&device);
    let init = |recipe: &Recipe| recipe.init(&device);
    weights::save_dir(folder, &Recipe::small(), &model).unwrap();
    let file = folder.join("config.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();

    // Written otherwise; with a field more; with a number as another type of numbers.
    let mut more = value.clone();
    more["dropout"] = serde_json::json!(0.5);
    more["vae"]["of_later"] = serde_json::json!(null);
    let mut float = value.clone();
    float["vae"]["beta"] = serde_json::json!(1);
    for text in [value.to_string(), more.to_string(), float.to_string()] {
        std::fs::write(&file, text).unwrap();
        let (_, loaded) = weights::load_dir(folder, init).unwrap();
        assert_eq!(numbers(&loaded), numbers(&model));
    }
    // Read by a configuration that has more.
    std::fs::write(&file, &text).unwrap();
    let (recipe, _) = weights::load_dir(folder, |recipe: &Optional| {
        Recipe::new(
            recipe.encoder.clone(),
            recipe.decoder.clone(),
            recipe.vae.clone(),
        )
        .init(&device)
    })
    .unwrap();
    assert_eq!(recipe.comment, None);
    let init_later = |recipe: &Later| {
        Recipe::new(
            recipe.encoder.clone(),
            recipe.decoder.clone(),
            recipe.vae.clone(),
        )
        .init(&device)
    };
    refuses(
        weights::load_dir(folder, init_later),
        &["config.json", "dropout"],
    );
    let small = Recipe::small();
    // Its own values win over the defaults.
    let defaults = Later::new(
        small.encoder,
        small.decoder,
        small.vae.with_warmup_steps(77),
    );
    let (recipe, loaded) = weights::load_dir_with_defaults(folder, &defaults, init_later).unwrap();
    assert_eq!((recipe.dropout, recipe.vae.warmup_steps), (0.25, 5));
    assert_eq!(numbers(&loaded), numbers(&model));

    // Another value is another configuration, and is named.
    let mut other = value.clone();
    other["decoder"]["output"] = serde_json::json!([SIZE, 1]);
    other["vae"]["beta"] = serde_json::json!(2.0);
    std::fs::write(&file, other.to_string()).unwrap();
    refuses(
        weights::load_dir(folder, init),
        &["saved with", "'vae.beta' is 2.0, and was 1.0"],
    );
}

/// Every kind of parameter, and one that is named as a counter of steps is.
#[derive(Module, Debug)]
struct Mixed {
    layer: burn::nn::Linear,
    counts: Param<Tensor<1, Int>>,
    mask: Param<Tensor<2, Bool>>,
    mistaken: Param<Tensor<1>>,
}

fn mixed(seed: i32, device: &Device) -> Mixed {
    let layer = burn::nn::LinearConfig::new(4, 4).init(device);
    let mistaken = Tensor::random([3], burn::tensor::Distribution::Default, device);
    Mixed {
        layer,
        counts: Param::initialized(
            burn::module::ParamId::new(),
            Tensor::from_ints([seed, 7 - seed], device),
        ),
        mask: Param::initialized(
            burn::module::ParamId::new(),
            Tensor::from_bool(TensorData::from([[seed == 1, true, seed == 2]]), device),
        ),
        mistaken: Param::from_tensor(mistaken),
    }
}

#[test]
fn parameters_of_every_kind_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for (name, device) in devices() {
        let model = mixed(1, &device);
        weights::save(&model, &path).unwrap();
        let loaded = weights::load(mixed(2, &device), &path).unwrap();
        assert_eq!(numbers(&loaded), numbers(&model), "{name}");
        weights::save_dir(folder.path(), &3, &model).unwrap();
        let (_, loaded) =
            weights::load_dir(folder.path(), |_: &i32| Ok(mixed(2, &device))).unwrap();
        assert_eq!(numbers(&loaded), numbers(&model), "{name}");
        // burn's own file.
        let mut store = SafetensorsStore::from_file(&path).overwrite(true);
        model.save_into(&mut store).unwrap();
        let loaded = weights::load(mixed(2, &device), &path).unwrap();
        assert_eq!(numbers(&loaded), numbers(&model), "{name}");
    }
    // Integers of another width are those of the model; another kind is refused by name.
    let device = common::cpu();
    let mut wide = mixed(1, &device);
    let dtype = wide.counts.val().dtype();
    let other = match dtype {
        burn::tensor::DType::I32 => burn::tensor::DType::I64,
        _ => burn::tensor::DType::I32,
    };
    wide.counts = wide.counts.map(|counts| counts.cast(other));
    weights::save(&wide, &path).unwrap();
    let loaded = weights::load(mixed(2, &device), &path).unwrap();
    assert_eq!(loaded.counts.val().dtype(), dtype);
    assert_eq!(
        loaded
            .counts
            .val()
            .into_data()
            .iter::<i64>()
            .collect::<Vec<_>>(),
        [1, 6]
    );
    let names = [
        ("^counts$", "x"),
        ("^mistaken$", "counts"),
        ("^x$", "mistaken"),
    ];
    refuses(
        weights::load_renamed(mixed(2, &device), &path, &names),
        &["does not fit", "counts", "mistaken"],
    );
}

/// Each loader refuses what the other's writer wrote, and says which to take: a square matrix would fit either way.
#[test]
fn files_of_the_other_writer_are_refused() {
    let device = common::cpu();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    weights::save(&small(&device), &path).unwrap();
    refuses(
        weights::load_pytorch(small(&device), &path, &[]),
        &["not written by PyTorch", "take `load`"],
    );
    let mut store = SafetensorsStore::from_file(&path).overwrite(true);
    small(&device).save_into(&mut store).unwrap();
    refuses(
        weights::load_pytorch(small(&device), &path, &[]),
        &["not written by PyTorch", "take `load`"],
    );
    let torch = fixture("vae.safetensors");
    refuses(
        weights::load(small(&device), torch),
        &["take `load_pytorch`"],
    );
    // Neither.
    for (content, found) in [
        (&b""[..], "it is empty"),
        (b"{}", "it has 2 bytes and begins with [7b, 7d]"),
    ] {
        std::fs::write(&path, content).unwrap();
        refuses(weights::load(small(&device), &path), &[found]);
        refuses(weights::load_pytorch(small(&device), &path, &[]), &[found]);
    }
}

/// A state dict as PyTorch writes it: what the model has not is left out by name, and what only looks like a counter must
/// be there.
#[test]
fn names_choose_what_is_loaded() {
    let device = common::cpu();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    // The encoder alone out of PyTorch's whole VAE.
    let golden = Golden::new("vae.json", &device);
    let config = Recipe::small().encoder;
    let names = [
        (r"^fc[34]\..*", ""),
        (r"^fc1\.", "body.layers.0."),
        (r"^fc21\.", "head.mean."),
        (r"^fc22\.", "head.log_var."),
    ];
    let encoder = config.init_gaussian::<2>(&device).unwrap();
    let encoder = weights::load_pytorch(encoder, fixture("vae.safetensors"), &names).unwrap();
    golden.assert("mean", encoder.encode(golden.tensor("x", [3, SIZE])).mean());
    // And out of a file of ours, with its state of training left out.
    let model = small(&device);
    weights::save(&model, &path).unwrap();
    let names = [(r"^encoder\.", ""), (r"^(decoder|latent_loss)\..*", "")];
    let encoder = weights::load_renamed(config.init_gaussian::<2>(&device).unwrap(), &path, &names);
    assert_eq!(numbers(&encoder.unwrap()), numbers(&model.encoder));
    refuses(
        weights::load_renamed(small(&device), &path, &[(r"^decoder\..*", "")]),
        &["it lacks decoder.body.layers.0"],
    );

    // The weights out of the checkpoint of a training: there is the optimizer's state beside them.
    #[cfg(feature = "pytorch")]
    {
        let path = fixture("vae-checkpoint.pt");
        refuses(
            weights::load_pytorch(small(&device), &path, &NAMES),
            &["it has beyond the model loss, model_state_dict.fc1.bias"],
        );
        let names: Vec<_> = [
            (r"^(epoch|loss|optimizer_state_dict\..*)$", ""),
            (r"^model_state_dict\.", ""),
        ]
        .into_iter()
        .chain(NAMES)
        .collect();
        let vae = weights::load_pytorch(small(&device), &path, &names).unwrap();
        golden.assert("decoded", vae.decode(golden.tensor("z", [3, SIZE])));
    }

    // A file of a state dict that lacks a parameter whose name ends as a counter's does.
    let without_metadata = |tensors: &[&str]| {
        let mut store = SafetensorsStore::from_file(&path)
            .clear_metadata()
            .metadata("format", "pt")
            .with_full_paths(tensors.iter().map(ToString::to_string).collect::<Vec<_>>())
            .overwrite(true);
        mixed(1, &device).save_into(&mut store).unwrap();
    };
    without_metadata(&["layer.weight", "layer.bias", "counts", "mask"]);
    refuses(
        weights::load_pytorch(mixed(2, &device), &path, &[]),
        &["it lacks mistaken"],
    );
    without_metadata(&["layer.weight", "layer.bias", "counts", "mask", "mistaken"]);
    let loaded = weights::load_pytorch(mixed(2, &device), &path, &[]).unwrap();
    assert_eq!(
        loaded
            .counts
            .val()
            .into_data()
            .iter::<i64>()
            .collect::<Vec<_>>(),
        [1, 6]
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
            "decoder.convs.0.weight",
            "and 18 more",
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
