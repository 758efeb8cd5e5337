//! diffusers' autoencoder: its weights in every dialect give its outputs, whole and by tiles; what is wrong with a file or
//! a configuration is said by name; and it is trained as any model is.

mod common;

use burn::prelude::*;
use burn_generative::loss::{L1Loss, NonSaturating};
use burn_generative::model::{AutoencoderKl, AutoencoderKlConfig};
use burn_generative::nn::{ConvCriticConfig, initialize};
use burn_generative::prelude::*;
use burn_generative::{Result, weights};
use common::{cpu, noise, seeded, tensor, values};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Names the folder of larger models that `tests/golden/autoencoder_kl.py FOLDER` writes.
const LARGER: &str = "AUTOENCODER_KL_DIR";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/autoencoder_kl")
        .join(name)
}

fn open(folder: &Path, file: &str) -> AutoencoderKl {
    let config = AutoencoderKlConfig::open(folder.join("config.json")).unwrap();
    let model = config.init(&cpu()).unwrap();
    weights::load_autoencoder_kl(model, folder.join(file)).unwrap()
}

/// The images that the script encodes, and what diffusers makes of them.
fn images(wanted: &Value) -> Tensor<4> {
    let [height, width] = [0, 1].map(|axis| wanted["sides"][axis].as_u64().unwrap() as usize);
    tensor([1, 3, height, width], &cpu(), noise(1, 1.0))
}

/// The largest difference from what diffusers computed.
fn difference(wanted: &Value, got: [(&str, Tensor<4>); 3]) -> f64 {
    let differences = got.into_iter().map(|(name, got)| {
        let got = values(got);
        let wanted = wanted[name].as_array().unwrap();
        assert_eq!(got.len(), wanted.len(), "{name}");
        let pairs = got.iter().zip(wanted);
        pairs
            .map(|(got, wanted)| (got - wanted.as_f64().unwrap()).abs())
            .fold(0.0, f64::max)
    });
    differences.fold(0.0, f64::max)
}

/// Every file of weights in a folder computes what diffusers does, and in tiles what it does in tiles.
fn computes_what_diffusers_does(folder: &Path) -> f64 {
    let text = fs::read_to_string(folder.join("golden.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let (mut files, mut worst) = (0, 0f64);
    for file in ["diffusion_pytorch_model", "older", "original"] {
        let file = format!("{file}.safetensors");
        if !folder.join(&file).exists() {
            continue;
        }
        let model = open(folder, &file);
        files += 1;
        for way in ["whole", "tiled"] {
            let Some(wanted) = golden.get(way) else {
                continue;
            };
            let images = images(wanted);
            let tile = model.config().sample_size;
            let posterior = match way {
                "whole" => model.encode(images),
                _ => model.encode_tiled(images, tile),
            };
            let posterior = posterior.unwrap();
            let latents = posterior.mean();
            let decoded = match way {
                "whole" => model.decode(latents),
                _ => model.decode_tiled(latents, tile),
            };
            let got = [
                ("mean", posterior.mean()),
                ("log_var", posterior.log_var()),
                ("decoded", decoded.unwrap()),
            ];
            let difference = difference(wanted, got);
            println!("{}: {file}, {way}: {difference:.1e}", folder.display());
            assert!(difference < 1e-4, "{file}, {way}: {difference}");
            worst = worst.max(difference);
        }
    }
    assert!(files >= 2, "{files} files in {}", folder.display());
    worst
}

#[test]
fn every_dialect_computes_what_diffusers_does() {
    computes_what_diffusers_does(&golden("plain"));
    computes_what_diffusers_does(&golden("shifted"));
}

#[test]
fn the_sizes_that_are_published_compute_what_diffusers_does() {
    let Some(folder) = std::env::var_os(LARGER).filter(|name| !name.is_empty()) else {
        eprintln!("skipped: {LARGER} is not set, so there are no larger models to read");
        return;
    };
    for model in fs::read_dir(folder).unwrap() {
        computes_what_diffusers_does(&model.unwrap().path());
    }
}

#[test]
fn a_tile_larger_than_the_picture_is_the_plain_way() {
    let model = open(&golden("plain"), "older.safetensors");
    let images = tensor([1, 3, 24, 16], &cpu(), noise(2, 1.0));
    let whole = model.encode(images.clone()).unwrap();
    let tiled = model.encode_tiled(images.clone(), 32).unwrap();
    assert_eq!(values(tiled.mean()), values(whole.mean()));
    let [whole, tiled] = [whole, tiled].map(|posterior| posterior.mean());
    let decoded = model.decode_tiled(tiled, 32).unwrap();
    assert_eq!(values(decoded), values(model.decode(whole).unwrap()));
    for tile in [0, 24] {
        let refused = model.encode_tiled(images.clone(), tile).map(drop);
        refuses(refused, &["a tile of", "must be a multiple of 16"]);
    }
}

#[test]
fn latents_are_scaled_as_the_configuration_says_and_back() {
    let config = AutoencoderKlConfig::new()
        .with_block_out_channels(vec![2])
        .with_norm_num_groups(1)
        .with_latent_channels(2)
        .with_scaling_factor(0.5);
    let shifted = config.clone().with_shift_factor(Some(3.0));
    let by_channel = config
        .clone()
        .with_latents_mean(Some(vec![1.0, -1.0]))
        .with_latents_std(Some(vec![2.0, 4.0]));
    for (config, wanted) in [
        (config, [2.5, 3.5]),
        (shifted, [1.0, 2.0]),
        (by_channel, [1.0, 1.0]),
    ] {
        let model = config.init(&cpu()).unwrap();
        let latents = tensor([1, 2, 1, 1], &cpu(), |channel| [5.0, 7.0][channel]);
        let scaled = model.scale(latents.clone());
        assert_eq!(values(scaled.clone()), wanted);
        assert_eq!(values(model.unscale(scaled)), values(latents));
    }
}

fn small() -> AutoencoderKlConfig {
    AutoencoderKlConfig::new()
        .with_block_out_channels(vec![4, 6])
        .with_norm_num_groups(2)
        .with_latent_channels(2)
}

#[test]
fn what_is_saved_for_diffusers_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let model = small().with_shift_factor(Some(0.1)).init(&cpu()).unwrap();
    weights::save_autoencoder_kl(folder.path(), &model).unwrap();
    let config = AutoencoderKlConfig::open(path("config.json")).unwrap();
    assert_eq!(config.to_json(), model.config().to_json());
    let again = open(folder.path(), "diffusion_pytorch_model.safetensors");
    assert_eq!(common::weights(&again), common::weights(&model));

    // A file that diffusers wrote, once more: the same tensors under the same names.
    let original = golden("plain").join("diffusion_pytorch_model.safetensors");
    weights::save_autoencoder_kl(
        folder.path(),
        &open(&golden("plain"), "diffusion_pytorch_model.safetensors"),
    )
    .unwrap();
    let [ours, theirs] = [&path("diffusion_pytorch_model.safetensors"), &original].map(tensors);
    assert_eq!(ours, theirs);
}

/// Name, type, shape and bytes of each tensor of a SafeTensors file, sorted.
type Tensors = Vec<(String, Value, Value, Vec<u8>)>;

fn tensors(path: impl AsRef<Path>) -> Tensors {
    let content = fs::read(path).unwrap();
    let length = u64::from_le_bytes(content[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&content[8..8 + length]).unwrap();
    let numbers = &content[8 + length..];
    let mut tensors: Tensors = header
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, tensor)| {
            let at = |end: usize| tensor["data_offsets"][end].as_u64().unwrap() as usize;
            let bytes = numbers[at(0)..at(1)].to_vec();
            let (dtype, shape) = (tensor["dtype"].clone(), tensor["shape"].clone());
            (name.clone(), dtype, shape, bytes)
        })
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    tensors
}

fn write(path: &Path, tensors: &Tensors) {
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let start = numbers.len();
        numbers.extend(bytes);
        let offsets = [start, numbers.len()];
        let tensor = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
        header.insert(name.clone(), tensor);
    }
    let header = Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), &numbers].concat()).unwrap();
}

/// Fails unless it is refused in one line with these words in it.
#[track_caller]
fn refuses<T>(result: Result<T>, words: &[&str]) {
    let Err(error) = result else {
        panic!("accepted, and not refused with {words:?}");
    };
    let error = error.to_string();
    assert!(error.lines().count() == 1 && error.len() < 1500, "{error}");
    for word in words {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_refused_by_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let config = AutoencoderKlConfig::open(golden("plain").join("config.json")).unwrap();
    let load = |config: &AutoencoderKlConfig| {
        weights::load_autoencoder_kl(config.init(&cpu()).unwrap(), &path)
    };
    refuses(load(&config), &["weights.safetensors", "cannot be read"]);

    let whole = tensors(golden("plain").join("diffusion_pytorch_model.safetensors"));
    let mut missing = whole.clone();
    missing.retain(|(name, ..)| name != "encoder.mid_block.attentions.0.to_k.weight");
    write(&path, &missing);
    let words = [
        "does not fit",
        "it lacks encoder.mid_block.attentions.0.to_k.weight",
    ];
    refuses(load(&config), &words);

    let mut more = whole.clone();
    let extra = (
        "decoder.up_blocks.9.scale".into(),
        json!("F32"),
        json!([1]),
        vec![0; 4],
    );
    more.push(extra);
    write(&path, &more);
    let words = ["it has beyond the model decoder.up_blocks.9.scale"];
    refuses(load(&config), &words);

    // Two dialects of one tensor.
    let mut twice = whole.clone();
    let name = "decoder.mid_block.attentions.0.to_q.bias";
    let mut again = twice
        .iter()
        .find(|tensor| tensor.0 == name)
        .unwrap()
        .clone();
    again.0 = name.replace("to_q", "query");
    twice.push(again);
    write(&path, &twice);
    refuses(
        load(&config),
        &["to_q.bias", "where another tensor is already"],
    );

    // Another architecture, and what was saved by this crate for itself.
    let other = MlpDecoderConfig::new(2, vec![4]).init::<2>(&cpu()).unwrap();
    weights::save(&other, &path).unwrap();
    refuses(load(&config), &["not written by PyTorch"]);
    write(
        &path,
        &vec![("fc1.weight".into(), json!("F32"), json!([1]), vec![0; 4])],
    );
    refuses(load(&config), &["holds no AutoencoderKL"]);

    // Configurations that contradict the weights.
    write(&path, &whole);
    load(&config).unwrap();
    let wider = config.clone().with_block_out_channels(vec![8, 8, 16]);
    refuses(
        load(&wider),
        &["does not fit", "Shape mismatch", "and 138 more"],
    );
    let without = config.clone().with_use_quant_conv(false);
    refuses(load(&without), &["beyond the model encoder.quant_conv"]);
    let deeper = config.with_layers_per_block(2);
    refuses(load(&deeper), &["it lacks decoder.up_blocks.0.resnets.2"]);
}

#[test]
fn a_configuration_that_cannot_be_is_refused_by_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let open = |text: &str| {
        fs::write(&path, text).unwrap();
        AutoencoderKlConfig::open(&path)
    };
    let config = open("{}").unwrap();
    assert_eq!((config.scaling_factor, config.stride()), (0.18215, 1));
    let two = r#""block_out_channels": [32, 64]"#;
    for (text, words) in [
        ("{", &["config.json", "is no JSON"][..]),
        ("[]", &["is no JSON object"]),
        (r#"{"_class_name": "VQModel"}"#, &["describes \"VQModel\""]),
        (r#"{"depth": 3}"#, &["a field `depth`"]),
        (
            r#"{"layers_per_block": "two"}"#,
            &["`layers_per_block`", "\"two\""],
        ),
        (
            r#"{"latent_channels": 0}"#,
            &["latent_channels must be at least 1"],
        ),
        (r#"{"block_out_channels": []}"#, &["0 sizes"]),
        (
            r#"{"block_out_channels": [48]}"#,
            &["48", "`norm_num_groups`, 32"],
        ),
        (
            r#"{"scaling_factor": 0}"#,
            &["scaling_factor must be a positive number"],
        ),
        (r#"{"act_fn": "relu"}"#, &["`act_fn` is \"relu\""]),
        (r#"{"latents_mean": [0, 0, 0, 0]}"#, &["come together"]),
        (
            r#"{"latents_std": [1]}"#,
            &["`latents_std`", "4 `latent_channels`"],
        ),
        (
            &format!(r#"{{{two}, "down_block_types": ["DownEncoderBlock2D"]}}"#),
            &["`down_block_types` has 1 blocks", "has 2"],
        ),
        (
            r#"{"up_block_types": ["AttnUpDecoderBlock2D"]}"#,
            &["has \"AttnUpDecoderBlock2D\""],
        ),
    ] {
        refuses(open(text), words);
    }
    fs::remove_file(&path).unwrap();
    refuses(
        AutoencoderKlConfig::open(&path),
        &["config.json", "cannot be read"],
    );
}

#[test]
fn images_that_the_strides_do_not_divide_are_refused() {
    let model = small().init(&cpu()).unwrap();
    let encode = |shape| model.encode(Tensor::zeros(shape, &cpu())).map(drop);
    encode([1, 3, 4, 6]).unwrap();
    refuses(encode([1, 3, 5, 6]), &["5x6", "bring it to 4x6"]);
    refuses(encode([1, 4, 4, 6]), &["images have 4 channels", "has 3"]);
    let latents = Tensor::zeros([1, 3, 2, 2], &cpu());
    refuses(model.decode(latents), &["latents have 3 channels"]);
}

/// As encoder and decoder of a `Vae` and of a `VaeGan`: all of their weights get a gradient, and the loss falls.
#[test]
fn it_is_trained_as_any_encoder_and_decoder_are() {
    let (device, _turn) = seeded(3);
    let model = small().init(&device).unwrap();
    initialize(&model);
    let prior = || StandardNormal::<4>::with_event(&small().latent_shape([8, 8]).unwrap());
    let images = tensor([4, 3, 8, 8], &device, noise(5, 0.8));
    let vae = VaeConfig::new().with_beta(1e-3);
    let mut vae = vae
        .init(
            model.encoder.clone(),
            model.decoder.clone(),
            prior(),
            L1Loss,
        )
        .unwrap();
    let gradients = vae.losses(images.clone()).mean().backward();
    let reached = common::gradients(&vae, &gradients);
    let parameters = tensors_of(&model);
    assert_eq!(reached.len(), parameters, "weights without a gradient");
    let mut optimizer = burn::optim::AdamConfig::new().init();
    let mut course = Vec::new();
    for _step in 0..30 {
        let losses;
        (vae, losses) = vae.learn(&mut optimizer, 3e-3, images.clone());
        course.push(losses.mean().into_scalar::<f32>());
    }
    assert!(course[29] < 0.8 * course[0], "{course:?}");
    let learned = model.with_networks(vae.encoder, vae.decoder).valid();
    let posterior = learned.encode(images.clone().without_autodiff()).unwrap();
    assert_eq!(posterior.mean().dims(), [4, 2, 4, 4]);

    let critic = ConvCriticConfig::new([3, 8, 8]).with_channels(vec![4]);
    let vae_gan = VaeGanConfig::new()
        .init(
            learned.encoder.train(),
            Squashed::tanh(learned.decoder.train()),
            critic.init(&device).unwrap(),
            prior(),
            NonSaturating,
        )
        .unwrap();
    let gradients = vae_gan.losses(images).mean().backward();
    let [encoder, decoder] = [
        common::gradients(&vae_gan.encoder, &gradients).len(),
        common::gradients(&vae_gan.decoder, &gradients).len(),
    ];
    assert_eq!(encoder + decoder, parameters);
}

/// How many tensors of weights a model has.
fn tensors_of<M: Module>(model: &M) -> usize {
    struct Count(usize);
    impl burn::module::ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _: &burn::module::Param<Tensor<D>>) {
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    model.visit(&mut count);
    count.0
}
