//! What is saved is what is loaded: weights in burn's format and in SafeTensors, configs as JSON.

mod common;

use burn::config::Config;
use burn::module::Module;
use burn::prelude::*;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn_generative::loss::{LearnedGaussianNll, Likelihood};
use burn_generative::nn::{ConvDecoder, ConvEncoder};
use burn_generative::prelude::*;
use common::{devices, noise, tensor, values};

type ImageVae = Vae<ConvEncoder<GaussianHead>, ConvDecoder, StandardNormal, Likelihood>;

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
            Likelihood::LearnedGaussian(LearnedGaussianNll::new(device)),
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
}
