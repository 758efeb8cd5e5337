//! What is saved is what is loaded: weights in burn's format and in SafeTensors, configs as JSON.

mod common;

use burn::config::Config;
use burn::module::Module;
use burn::prelude::*;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn_generative::loss::{AnyLikelihood, LearnedGaussianNll, NonSaturating};
use burn_generative::model::{Balance, ConditionalVae};
use burn_generative::nn::{
    ConvCriticConfig, ConvDecoder, ConvEncoder, LabeledDecoder, LabeledEncoder, MlpCriticConfig,
    Squashed,
};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, SwissRollConfig};
use common::{devices, noise, tensor, values};

type ImageVae = Vae<ConvEncoder<GaussianHead>, ConvDecoder, StandardNormal, AnyLikelihood>;

/// A model with everything that has state: batch normalisation, a warm-up, a learned variance.
fn model(device: &Device) -> ImageVae {
    VaeConfig::new()
        .with_warmup_steps(3)
        .init(
            ConvEncoderConfig::new([1, 8, 8], 2)
                .init_gaussian(device)
                .unwrap(),
            ConvDecoderConfig::new(2, [1, 8, 8]).init(device).unwrap(),
            StandardNormal::new(2),
            AnyLikelihood::LearnedGaussian(LearnedGaussianNll::new(device)),
        )
        .unwrap()
}

fn losses(model: &ImageVae, device: &Device) -> Vec<f64> {
    let images = tensor([4, 1, 8, 8], device, noise(1, 1.0));
    values(
        model
            .losses_with(images, tensor([4, 2], device, noise(2, 1.0)))
            .total,
    )
}

#[test]
fn weights() {
    let folder = tempfile::tempdir().unwrap();
    for (name, device) in devices() {
        let trained = {
            let model = model(&device.clone().autodiff());
            // Moves the running statistics away from where they start.
            model
                .losses(tensor([8, 1, 8, 8], &device.clone().autodiff(), noise(9, 3.0)).autodiff());
            model.valid()
        };
        let want = losses(&trained, &device);
        assert_ne!(
            losses(&model(&device), &device),
            want,
            "{name}: a fresh model is another"
        );

        let path = folder.path().join("weights.bpk");
        trained.clone().save_file(&path).unwrap();
        let loaded = model(&device).try_load_file(&path).unwrap();
        assert_eq!(losses(&loaded, &device), want, "burnpack on {name}");

        let path = folder.path().join("weights.safetensors");
        trained
            .save_into(&mut SafetensorsStore::from_file(&path).overwrite(true))
            .unwrap();
        let mut loaded = model(&device);
        loaded
            .load_from(&mut SafetensorsStore::from_file(&path))
            .unwrap();
        assert_eq!(losses(&loaded, &device), want, "SafeTensors on {name}");
    }
}

/// The picture of each label is a weight too.
#[test]
fn a_conditional_model() {
    let folder = tempfile::tempdir().unwrap();
    for (name, device) in devices() {
        let model = || {
            let encoder = MlpEncoderConfig::new(vec![2, 3, 4], 2).with_hidden(vec![8]);
            let decoder = MlpDecoderConfig::new(5, vec![1, 3, 4]).with_hidden(vec![8]);
            ConditionalVae::new(
                    LabeledEncoder::new(
                        encoder.init_gaussian(&device).unwrap(),
                        3,
                        [3, 4],
                        &device,
                    ),
                    LabeledDecoder::new(decoder.init::<4>(&device).unwrap(), 3),
                    StandardNormal::new(2),
                    BernoulliNll,
                )
        };
        let losses = |model: &ConditionalVae<_, _>| {
            let images = tensor::<4>([4, 1, 3, 4], &device, noise(1, 1.0));
            let labels = Tensor::from_ints([0, 1, 2, 1], &device);
            let noise = tensor([4, 2], &device, noise(2, 1.0));
            values(model.losses_with(images, labels, noise).total)
        };
        let (one, other) = (model(), model());
        let want = losses(&one);
        assert_ne!(losses(&other), want, "{name}");
        let path = folder.path().join("weights.safetensors");
        burn_generative::weights::save(&one, &path).unwrap();
        let other = burn_generative::weights::load(other, &path).unwrap();
        assert_eq!(losses(&other), want, "{name}");
    }
}

#[test]
fn configs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    macro_rules! same {
        ($config:expr, $kind:ty) => {
            let config = $config;
            config.save(&path).unwrap();
            assert_eq!(
                <$kind>::load(&path).unwrap().to_string(),
                config.to_string()
            );
        };
    }
    same!(
        VaeConfig::new()
            .with_beta(4.0)
            .with_free_bits(0.5)
            .with_warmup_steps(9),
        VaeConfig
    );
    same!(
        MlpEncoderConfig::new(vec![3, 4], 2).with_hidden(vec![7, 8]),
        MlpEncoderConfig
    );
    same!(MlpDecoderConfig::new(2, vec![3, 4]), MlpDecoderConfig);
    same!(
        ConvEncoderConfig::new([3, 9, 8], 2).with_channels(vec![4]),
        ConvEncoderConfig
    );
    same!(ConvDecoderConfig::new(2, [3, 9, 8]), ConvDecoderConfig);
    same!(GanConfig::new().with_critic_steps(5), GanConfig);
    same!(AaeConfig::new().with_adversarial_weight(3.0), AaeConfig);
    same!(
        VaeGanConfig::new().with_balance(Some(Balance::new().with_margin(0.3))),
        VaeGanConfig
    );
    same!(
        MlpCriticConfig::new(vec![3, 4]).with_feature_layer(Some(1)),
        MlpCriticConfig
    );
    same!(
        ConvCriticConfig::new([3, 9, 8]).with_spectral_norm(true),
        ConvCriticConfig
    );
    same!(SwissRollConfig::new().with_turns(3.0), SwissRollConfig);
}

/// The state of a power iteration, statistics of a generator, a learned prior: all of it by name.
#[test]
fn an_adversarial_model() {
    let init = |device: &Device| {
        let critic = ConvCriticConfig::new([1, 8, 8])
            .with_channels(vec![4, 6])
            .with_spectral_norm(true);
        let decoder = ConvDecoderConfig::new(2, [1, 8, 8])
            .with_hidden(0)
            .with_normalize_code(true);
        VaeGanConfig::new()
            .init(
                ConvEncoderConfig::new([1, 8, 8], 2)
                    .init_gaussian(device)
                    .unwrap(),
                Squashed::sigmoid(decoder.init(device).unwrap()),
                critic.init(device).unwrap(),
                GaussianMixture::ring(3, 2.0, 0.5, device).unwrap(),
                NonSaturating,
            )
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, device) in devices() {
        let images = || tensor::<4>([4, 1, 8, 8], &device, |i| 0.5 + noise(1, 0.5)(i));
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let trained = {
            let model = init(&device.clone().autodiff());
            for _step in 0..2 {
                model.losses(images().autodiff());
            }
            model.valid()
        };
        let of = |model: &VaeGan<_, _, _, _>| {
            let losses = model.losses_with(images(), latent(), latent());
            losses
                .iter()
                .flat_map(|(_, term)| values(term.clone()))
                .collect::<Vec<f64>>()
        };
        let want = of(&trained);
        assert_ne!(of(&init(&device)), want, "{name}: a fresh model is another");

        let path = folder.path().join(format!("{name}.bpk"));
        trained.clone().save_file(&path).unwrap();
        assert_eq!(
            of(&init(&device).try_load_file(&path).unwrap()),
            want,
            "{name}"
        );

        let path = folder.path().join(format!("{name}.safetensors"));
        let mut store = SafetensorsStore::from_file(&path);
        trained.save_into(&mut store).unwrap();
        let mut loaded = init(&device);
        loaded.load_from(&mut store).unwrap();
        assert_eq!(of(&loaded), want, "SafeTensors on {name}");
    }
}
