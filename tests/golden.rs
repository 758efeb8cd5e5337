//! Golden numbers from PyTorch (tests/golden/*.py): with the same weights, images and noise, every
//! loss term and every gradient agrees, on every backend.

mod common;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_generative::loss::{
    AnyLikelihood, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Unregularized,
    Wasserstein,
};
use burn_generative::nn::{ConvCriticConfig, GaussianCorruption, MlpCriticConfig, Squashed};
use burn_generative::prelude::*;
use burn_generative::prior::GaussianMixture;
use common::{Fixed, assert_all_close, devices, noise, tensor, values};
use serde_json::Value;
use std::sync::Arc;

/// The sum and the norm of each parameter's gradient, and its product with a wave, which sees where its elements lie.
fn summaries<M: Module>(module: &M, gradients: &Gradients) -> Vec<f64> {
    let wave = noise(3000, 1.0);
    let summary = |gradient: Vec<f64>| {
        let squares: f64 = gradient.iter().map(|x| x * x).sum();
        let product = gradient.iter().enumerate().map(|(i, x)| x * wave(i)).sum();
        [gradient.iter().sum(), squares.sqrt(), product]
    };
    let all = common::gradients(module, gradients);
    all.into_iter().flat_map(summary).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        one => vec![one.as_f64().expect("a number")],
    }
}

fn compare<E, D>(what: &str, init: impl Fn(&Device) -> (E, D))
where
    E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
{
    let golden: Value = serde_json::from_str(include_str!("golden/vae.json")).unwrap();
    for (name, device) in devices() {
        let tolerance = if name == "wgpu" { 1e-4 } else { 1e-5 };
        let device = device.autodiff();
        for (kind, likelihood) in [
            ("bernoulli", AnyLikelihood::Bernoulli(BernoulliNll)),
            (
                "gaussian",
                AnyLikelihood::Gaussian(GaussianNll::new(0.25).unwrap()),
            ),
        ] {
            let (encoder, decoder) = init(&device);
            let vae = VaeConfig::new()
                .with_beta(2.0)
                .init(encoder, decoder, StandardNormal::new(3), likelihood)
                .unwrap()
                .map(&mut Fixed(0, 0.3));
            let images = tensor([6, 1, 12, 10], &device, noise(1004, 0.5)) + 0.5;
            let losses = vae.losses_with(images, tensor([6, 3], &device, noise(1005, 1.5)));

            let want = &golden[&format!("{what}-{kind}")];
            let what = format!("{what}, {kind}, on {name}");
            for term in ["reconstruction", "kl"] {
                let got = values(losses.term(term).unwrap());
                let what = format!("{term} of {what}");
                assert_all_close(&got, &numbers(&want[term]), tolerance, &what);
            }
            let got = summaries(&vae, &losses.mean().backward());
            let want = numbers(&want["gradients"]);
            assert_all_close(&got, &want, tolerance, &format!("gradients of {what}"));
        }
    }
}

#[test]
fn multi_layer_perceptron() {
    compare("mlp", common::mlp);
}

#[test]
fn convolutions() {
    compare("conv", common::conv);
}

/// What tests/golden/adversarial.py computed for a model: the terms in it, then all gradients.
fn compare_terms<M: Module>(
    golden: &Value,
    what: &str,
    device_name: &str,
    model: &M,
    losses: burn_generative::loss::Losses,
) {
    let tolerance = if device_name == "wgpu" { 1e-4 } else { 1e-5 };
    let want = &golden[what];
    let what = format!("{what} on {device_name}");
    for (term, numbers_of) in want.as_object().expect("numbers for the model") {
        if term != "gradients" {
            let got = values(losses.term(term).unwrap());
            assert_all_close(
                &got,
                &numbers(numbers_of),
                tolerance,
                &format!("{term} of {what}"),
            );
        }
    }
    let got = summaries(model, &losses.mean().backward());
    let want = numbers(&want["gradients"]);
    assert_all_close(&got, &want, tolerance, &format!("gradients of {what}"));
}

fn golden_of_the_family() -> Value {
    serde_json::from_str(include_str!("golden/adversarial.json")).unwrap()
}

const WIDTH: usize = 8;
const LATENT: usize = 3;

fn rows(seed: usize, scale: f64, width: usize, device: &Device) -> Tensor<2> {
    tensor([6, width], device, noise(seed, scale))
}

#[test]
fn gans_with_every_objective_and_the_exact_penalty() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = vec![7, 5];
        let parts = || {
            let generator = MlpDecoderConfig::new(LATENT, vec![WIDTH]).with_hidden(hidden.clone());
            let critic = MlpCriticConfig::new(vec![WIDTH]).with_hidden(hidden.clone());
            (
                generator.init::<2>(&device).unwrap(),
                critic.init::<2>(&device).unwrap(),
            )
        };
        let real = || rows(2001, 1.0, WIDTH, &device);
        let latent = || rows(2002, 1.5, LATENT, &device);
        let mix = || rows(2003, 0.5, 1, &device) + 0.5;
        let objectives: [(&str, Arc<dyn AdversarialLoss>); 5] = [
            ("gan-non-saturating", Arc::new(NonSaturating)),
            ("gan-minimax", Arc::new(Minimax)),
            ("gan-least-squares", Arc::new(LeastSquares)),
            ("gan-hinge", Arc::new(Hinge)),
            ("gan-wasserstein", Arc::new(Wasserstein)),
        ];
        for (what, objective) in objectives {
            let (generator, critic) = parts();
            let prior = StandardNormal::new(LATENT);
            let gan = GanConfig::new()
                .init(generator, critic, prior, objective, Unregularized)
                .unwrap()
                .map(&mut Fixed(0, 0.9));
            let losses = gan.losses_with(real(), latent(), mix());
            compare_terms(&golden, what, name, &gan, losses);
        }
        let (generator, critic) = parts();
        let (prior, penalty) = (
            StandardNormal::new(LATENT),
            GradientPenalty::new(10.0).unwrap(),
        );
        let gan = GanConfig::new()
            .init(generator, critic, prior, Wasserstein, penalty)
            .unwrap()
            .map(&mut Fixed(0, 0.9));
        let losses = gan.losses_with(real(), latent(), mix());
        compare_terms(&golden, "wgan-gp", name, &gan, losses);
    }
}

#[test]
fn ali() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = vec![7, 5];
        let encoder = MlpEncoderConfig::new(vec![WIDTH], LATENT).with_hidden(hidden.clone());
        let decoder = MlpDecoderConfig::new(LATENT, vec![WIDTH]).with_hidden(hidden.clone());
        let critic = MlpCriticConfig::new(vec![WIDTH]).with_hidden(hidden);
        let ali = Ali::new(
            encoder.init_gaussian::<2>(&device).unwrap(),
            decoder.init::<2>(&device).unwrap(),
            critic.init_joint::<2>(LATENT, &device).unwrap(),
            StandardNormal::new(LATENT),
            NonSaturating,
        )
        .map(&mut Fixed(0, 0.6));
        let losses = ali.losses_with(
            rows(2001, 1.0, WIDTH, &device),
            rows(2004, 1.5, LATENT, &device),
            rows(2002, 1.5, LATENT, &device),
        );
        compare_terms(&golden, "ali", name, &ali, losses);
    }
}

#[test]
fn adversarial_autoencoder() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = vec![7, 5];
        let encoder = MlpEncoderConfig::new(vec![WIDTH], LATENT).with_hidden(hidden.clone());
        let decoder = MlpDecoderConfig::new(LATENT, vec![WIDTH]).with_hidden(hidden.clone());
        let critic = MlpCriticConfig::new(vec![LATENT]).with_hidden(hidden);
        let aae = AaeConfig::new()
            .with_adversarial_weight(3.0)
            .init(
                encoder.init_gaussian::<2>(&device).unwrap(),
                decoder.init::<2>(&device).unwrap(),
                critic.init::<2>(&device).unwrap(),
                StandardNormal::new(LATENT),
                SquaredError,
                NonSaturating,
            )
            .unwrap()
            .map(&mut Fixed(0, 0.6));
        let losses = aae.losses_with(
            rows(2001, 1.0, WIDTH, &device),
            rows(2004, 1.5, LATENT, &device),
            rows(2002, 1.5, LATENT, &device),
        );
        compare_terms(&golden, "aae", name, &aae, losses);
    }
}

#[test]
fn semi_supervised_adversarial_autoencoder() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = vec![7, 5];
        let classes = 2;
        let encoder = MlpEncoderConfig::new(vec![WIDTH], LATENT).with_hidden(hidden.clone());
        let decoder = MlpDecoderConfig::new(LATENT, vec![WIDTH]).with_hidden(hidden.clone());
        let critic = MlpCriticConfig::new(vec![LATENT]).with_hidden(hidden);
        let of_components = || Tensor::zeros([classes, LATENT], &device);
        let aae = SemiSupervisedAae::new(
            encoder.init::<2>(&device).unwrap(),
            decoder.init::<2>(&device).unwrap(),
            critic.init_joint::<2>(classes + 1, &device).unwrap(),
            GaussianMixture::new(
                Tensor::zeros([classes], &device),
                of_components(),
                of_components(),
            ),
            SquaredError,
            NonSaturating,
        )
        .with_adversarial_weight(3.0)
        .unwrap()
        .map(&mut Fixed(0, 0.6));
        let prior = rows(2002, 1.5, LATENT, &device);
        let losses = aae.losses_with(
            rows(2001, 1.0, WIDTH, &device),
            Tensor::from_ints([0, 1, -1, -1, 1, 0], &device),
            (),
            prior,
        );
        compare_terms(&golden, "semi-supervised-aae", name, &aae, losses);
    }
}

/// The script has a backward pass for each player, without a detached tensor or a frozen weight.
#[test]
fn vae_gan() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = vec![7, 5];
        let encoder = MlpEncoderConfig::new(vec![WIDTH], LATENT).with_hidden(hidden.clone());
        let decoder = MlpDecoderConfig::new(LATENT, vec![WIDTH]).with_hidden(hidden.clone());
        let critic = MlpCriticConfig::new(vec![WIDTH])
            .with_hidden(hidden)
            .with_feature_layer(Some(0));
        let vae_gan = VaeGanConfig::new()
            .with_gamma(0.3)
            .init(
                encoder.init_gaussian::<2>(&device).unwrap(),
                Squashed::sigmoid(decoder.init::<2>(&device).unwrap()),
                critic.init::<2>(&device).unwrap(),
                StandardNormal::new(LATENT),
                NonSaturating,
            )
            .unwrap()
            .map(&mut Fixed(0, 0.6));
        let losses = vae_gan.losses_with(
            rows(2001, 1.0, WIDTH, &device),
            rows(2004, 1.5, LATENT, &device),
            rows(2002, 1.5, LATENT, &device),
        );
        compare_terms(&golden, "vae-gan", name, &vae_gan, losses);
    }
}

#[test]
fn a_convolutional_critic_under_the_exact_penalty() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        for (what, spectral) in [("wgan-gp-conv", false), ("wgan-gp-conv-spectral", true)] {
            let generator = MlpDecoderConfig::new(LATENT, vec![1, 12, 10]).with_hidden(vec![7, 5]);
            let critic = ConvCriticConfig::new([1, 12, 10])
                .with_channels(vec![4, 6])
                .with_spectral_norm(spectral);
            let gan = GanConfig::new()
                .init(
                    generator.init::<4>(&device).unwrap(),
                    critic.init(&device).unwrap(),
                    StandardNormal::new(LATENT),
                    Wasserstein,
                    GradientPenalty::new(10.0).unwrap(),
                )
                .unwrap()
                .map(&mut Fixed(0, 0.3));
            let real = || tensor([6, 1, 12, 10], &device, noise(2006, 1.0));
            if spectral {
                // The power iteration takes a step at each use; the script has the singular values.
                for _step in 0..300 {
                    values(gan.critic.score(real()));
                }
            }
            let mix = tensor([6, 1, 1, 1], &device, noise(2003, 0.5)) + 0.5;
            let losses = gan.losses_with(real(), rows(2002, 1.5, LATENT, &device), mix);
            compare_terms(&golden, what, name, &gan, losses);
        }
    }
}

#[test]
fn denoising_autoencoder() {
    let golden = golden_of_the_family();
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = vec![7, 5];
        let encoder = MlpEncoderConfig::new(vec![WIDTH], LATENT).with_hidden(hidden.clone());
        let decoder = MlpDecoderConfig::new(LATENT, vec![WIDTH]).with_hidden(hidden);
        let model = DenoisingAutoencoder::new(
            encoder.init::<2>(&device).unwrap(),
            decoder.init::<2>(&device).unwrap(),
            GaussianCorruption::new(0.5).unwrap(),
            SquaredError,
        )
        .map(&mut Fixed(0, 0.9));
        let losses = model.losses_with(
            rows(2001, 1.0, WIDTH, &device),
            rows(2005, 1.5, WIDTH, &device),
        );
        compare_terms(&golden, "denoising", name, &model, losses);
    }
}
