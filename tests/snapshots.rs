//! What others build on, as texts that are checked in, so that a change of it shows in a diff: the public API
//! (`snapshots/api.txt`) and the names and shapes of every model's parameters (`snapshots/parameters.txt`), by which
//! weights are saved and loaded. `UPDATE_SNAPSHOTS=1` writes them anew.

use burn::module::{ModuleVisitor, Param};
use burn::prelude::*;
use burn_generative::loss::{LearnedGaussianNll, NonSaturating, SquaredError};
use burn_generative::model::ConditionalVae;
use burn_generative::nn::{
    ConvCriticConfig, LabeledDecoder, LabeledEncoder, MlpCriticConfig, Squashed,
};
use burn_generative::prelude::*;
use burn_generative::prior::GaussianMixture;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn snapshot(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name)
}

/// Fails with the lines that are new and those that are gone, or writes the text anew.
fn compare(name: &str, text: &str) {
    let path = snapshot(name);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    let missing = |of: &str, from: &str, sign: &str| -> String {
        let from: std::collections::HashSet<_> = from.lines().collect();
        of.lines()
            .filter(|line| !from.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    let difference = missing(&kept, text, "-") + &missing(text, &kept, "+");
    assert!(
        kept == text,
        "{} is not what the code says (or in another order):\n{difference}if that is meant, write it anew with \
         UPDATE_SNAPSHOTS=1",
        path.display()
    );
}

/// `.ci/run` makes rustdoc's JSON, which is not stable: its format is that of Rust 1.95.
#[test]
fn the_public_api_is_the_one_that_is_written_down() {
    let Some(json) = env::var_os("API_JSON") else {
        println!("skipped: API_JSON names no JSON of rustdoc's (`.ci/run` makes one)");
        return;
    };
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap();
    compare("api.txt", &format!("{api}\n"));
}

/// A line a parameter: its name, kind and shape.
struct Parameters {
    text: String,
    path: Vec<String>,
}

impl Parameters {
    fn add<M: Module>(&mut self, model: &str, module: &M) {
        self.text += &format!("{model}\n");
        module.visit(self);
    }

    fn line(&mut self, kind: &str, shape: &[usize]) {
        let name = self.path.join(".");
        self.text += &format!("    {name}: {kind} {shape:?}\n");
    }
}

impl ModuleVisitor for Parameters {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.line("float", &param.val().dims());
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.line("int", &param.val().dims());
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.line("bool", &param.val().dims());
    }
}

#[test]
fn parameters_keep_their_names() -> burn_generative::Result<()> {
    let device = &Device::default();
    let encoder = || MlpEncoderConfig::new(vec![6], 2).with_hidden(vec![8, 7]);
    let decoder = || MlpDecoderConfig::new(2, vec![6]).with_hidden(vec![8, 7]);
    let critic = |width| MlpCriticConfig::new(vec![width]).with_hidden(vec![8]);
    let mixture = || GaussianMixture::ring(3, 4.0, 0.5, device);
    let mut list = Parameters {
        text: String::new(),
        path: Vec::new(),
    };

    let autoencoder = Autoencoder::new(
        encoder().init::<2>(device)?,
        decoder().init::<2>(device)?,
        SquaredError,
    );
    list.add("Autoencoder of perceptrons", &autoencoder);
    let denoising = DenoisingAutoencoder::new(
        encoder().init::<2>(device)?,
        decoder().init::<2>(device)?,
        burn_generative::nn::GaussianCorruption::new(0.5)?,
        SquaredError,
    );
    list.add("DenoisingAutoencoder of perceptrons", &denoising);
    let vae = VaeConfig::new().with_warmup_steps(9).init(
        encoder().init_gaussian::<2>(device)?,
        decoder().init_gaussian::<2>(device)?,
        mixture()?,
        burn_generative::loss::Nll,
    )?;
    list.add(
        "Vae of perceptrons, with a mixture for its prior, a variance for each element, a warm-up",
        &vae,
    );
    let vae = VaeConfig::new().init(
        ConvEncoderConfig::new([3, 12, 10], 2)
            .with_channels(vec![4, 6])
            .init_gaussian(device)?,
        ConvDecoderConfig::new(2, [3, 12, 10])
            .with_channels(vec![4, 6])
            .init(device)?,
        StandardNormal::new(2),
        LearnedGaussianNll::new(device),
    )?;
    list.add("Vae of convolutions, with a learned variance", &vae);
    let labeled = ConditionalVae::new(
        LabeledEncoder::new(
            MlpEncoderConfig::new(vec![2, 3, 4], 2).init_gaussian::<4>(device)?,
            5,
            [3, 4],
            device,
        ),
        LabeledDecoder::new(
            MlpDecoderConfig::new(2 + 5, vec![1, 3, 4]).init::<4>(device)?,
            5,
        ),
        StandardNormal::new(2),
        BernoulliNll,
    );
    list.add("ConditionalVae", &labeled);
    let aae = AaeConfig::new().init(
        encoder().init_gaussian::<2>(device)?,
        decoder().init::<2>(device)?,
        critic(2).init::<2>(device)?,
        mixture()?,
        SquaredError,
        NonSaturating,
    )?;
    list.add("Aae", &aae);
    let aae = SemiSupervisedAae::new(
        encoder().init::<2>(device)?,
        decoder().init::<2>(device)?,
        critic(2).init_joint::<2>(4, device)?,
        mixture()?,
        SquaredError,
        NonSaturating,
    );
    list.add("SemiSupervisedAae", &aae);
    let gan = GanConfig::new().with_critic_steps(3).init(
        ConvDecoderConfig::new(2, [3, 12, 10])
            .with_channels(vec![4])
            .init(device)?,
        ConvCriticConfig::new([3, 12, 10])
            .with_channels(vec![4])
            .with_spectral_norm(true)
            .init(device)?,
        StandardNormal::new(2),
        NonSaturating,
        burn_generative::loss::Unregularized,
    )?;
    list.add("Gan of convolutions, with spectral normalisation", &gan);
    let ali = Ali::new(
        encoder().init_gaussian::<2>(device)?,
        decoder().init::<2>(device)?,
        critic(6).init_joint::<2>(2, device)?,
        StandardNormal::new(2),
        NonSaturating,
    );
    list.add("Ali", &ali);
    let vae_gan = VaeGanConfig::new().init(
        encoder().init_gaussian::<2>(device)?,
        Squashed::sigmoid(decoder().init::<2>(device)?),
        critic(6).init::<2>(device)?,
        StandardNormal::new(2),
        NonSaturating,
    )?;
    list.add("VaeGan", &vae_gan);

    compare("parameters.txt", &list.text);
    Ok(())
}
