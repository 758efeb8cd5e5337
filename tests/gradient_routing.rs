//! Which part each loss term reaches, and that it reaches no other: the tables of the models' docs.

mod common;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::{GradientsParams, SgdConfig};
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_generative::loss::{GradientPenalty, LearnedGaussianNll, NonSaturating, Wasserstein};
use burn_generative::nn::{
    GaussianCorruption, JointCritic, MlpCriticConfig, MlpDecoder, MlpEncoder,
};
use burn_generative::prelude::*;
use common::{devices, noise, tensor};

/// Whether any parameter of a part has a gradient that is not zero.
fn reached<M: Module>(part: &M, gradients: &Gradients) -> bool {
    let all = common::gradients(part, gradients);
    all.concat().into_iter().any(|gradient| gradient != 0.0)
}

/// A prior with a parameter: a Gaussian with learned means.
#[derive(Module, Debug)]
struct LearnedPrior {
    mean: Param<Tensor<1>>,
}

impl Prior for LearnedPrior {
    type Latent = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let [latent] = self.mean.dims();
        StandardNormal::new(latent).sample(n, device) + self.mean.val().unsqueeze()
    }
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [latent] = self.mean.dims();
        StandardNormal::new(latent).log_prob(z - self.mean.val().unsqueeze())
    }
}

#[test]
fn vae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        // Wide enough that no draw of the weights leaves every hidden unit at rest.
        let hidden = vec![32];
        let vae = VaeConfig::new()
            .init(
                MlpEncoderConfig::new(vec![6], 2)
                    .with_hidden(hidden.clone())
                    .init_gaussian(&device)
                    .unwrap(),
                MlpDecoderConfig::new(2, vec![6])
                    .with_hidden(hidden)
                    .init(&device)
                    .unwrap(),
                LearnedPrior {
                    mean: Param::from_tensor(Tensor::ones([2], &device)),
                },
                LearnedGaussianNll::new(&device),
            )
            .unwrap();
        let rows = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        //        term              encoder decoder prior  likelihood
        for (term, expected) in [
            ("reconstruction", [true, true, false, true]),
            ("kl", [true, false, true, false]),
            ("loss", [true, true, true, true]),
        ] {
            let losses = vae.losses_with(rows(), tensor([4, 2], &device, noise(2, 1.0)));
            let gradients = losses.term(term).unwrap().mean().backward();
            let got = [
                reached(&vae.encoder, &gradients),
                reached(&vae.decoder, &gradients),
                reached(&vae.prior, &gradients),
                reached(&vae.likelihood, &gradients),
            ];
            assert_eq!(got, expected, "{term} on {name}");
        }
        assert!(vae.losses(rows()).term("no such term").is_none());
    }
}

#[test]
fn autoencoder() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let autoencoder = Autoencoder::new(
            MlpEncoderConfig::new(vec![6], 2).init(&device).unwrap(),
            MlpDecoderConfig::new(2, vec![6]).init(&device).unwrap(),
            SquaredError,
        );
        let rows = tensor::<2>([4, 6], &device, noise(1, 1.0));
        let losses = autoencoder.losses(rows);
        let gradients = losses.term("reconstruction").unwrap().mean().backward();
        assert!(
            reached(&autoencoder.encoder, &gradients),
            "encoder on {name}"
        );
        assert!(
            reached(&autoencoder.decoder, &gradients),
            "decoder on {name}"
        );
    }
}

#[test]
fn denoising_autoencoder() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = DenoisingAutoencoder::new(
            MlpEncoderConfig::new(vec![6], 2).init(&device).unwrap(),
            MlpDecoderConfig::new(2, vec![6]).init(&device).unwrap(),
            GaussianCorruption::new(0.5).unwrap(),
            SquaredError,
        );
        let rows = tensor::<2>([4, 6], &device, noise(1, 1.0));
        let losses = model.losses_with(rows, tensor([4, 6], &device, noise(2, 1.0)));
        let gradients = losses.term("reconstruction").unwrap().mean().backward();
        assert!(reached(&model.encoder, &gradients), "encoder on {name}");
        assert!(reached(&model.decoder, &gradients), "decoder on {name}");
    }
}

/// The sign too: a step of the generator along its gradient raises the critic's score of its fakes.
#[test]
fn gan() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let gan = GanConfig::new()
            .init(
                MlpDecoderConfig::new(2, vec![6])
                    .with_hidden(vec![32])
                    .init::<2>(&device)
                    .unwrap(),
                MlpCriticConfig::new(vec![6])
                    .with_hidden(vec![32])
                    .init::<2>(&device)
                    .unwrap(),
                StandardNormal::new(2),
                Wasserstein,
                GradientPenalty::new(10.0).unwrap(),
            )
            .unwrap();
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let losses = || {
            let mix = tensor([4, 1], &device, |i| 0.1 + 0.2 * i as f64);
            gan.losses_with(tensor([4, 6], &device, noise(1, 1.0)), latent(), mix)
        };
        //        term         generator critic
        for (term, expected) in [
            ("generator", [true, false]),
            ("critic", [false, true]),
            ("penalty", [false, true]),
            ("loss", [true, true]),
        ] {
            let gradients = losses().term(term).unwrap().mean().backward();
            let got = [
                reached(&gan.generator, &gradients),
                reached(&gan.critic, &gradients),
            ];
            assert_eq!(got, expected, "{term} on {name}");
        }

        let score = |generator: &_| {
            let fake = Decoder::decode(generator, latent());
            common::values(gan.critic.score(fake).mean())[0]
        };
        let gradients = losses().term("generator").unwrap().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &gan.generator);
        let mut descent = SgdConfig::new().init();
        let after = descent.step(1e-2, gan.generator.clone(), gradients);
        assert!(score(&after) > score(&gan.generator), "on {name}");
    }
}

/// The sign too: a step of the encoder along its term raises the critic's score of its codes.
#[test]
fn aae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let aae = AaeConfig::new()
            .init(
                MlpEncoderConfig::new(vec![6], 2)
                    .with_hidden(vec![32])
                    .init::<2>(&device)
                    .unwrap(),
                MlpDecoderConfig::new(2, vec![6])
                    .with_hidden(vec![32])
                    .init::<2>(&device)
                    .unwrap(),
                MlpCriticConfig::new(vec![2])
                    .with_hidden(vec![32])
                    .init::<2>(&device)
                    .unwrap(),
                StandardNormal::new(2),
                SquaredError,
                NonSaturating,
            )
            .unwrap();
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let prior = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let losses = || aae.losses_with(data(), prior(), prior());
        //        term              encoder decoder critic
        for (term, expected) in [
            ("reconstruction", [true, true, false]),
            ("critic", [false, false, true]),
            ("encoder", [true, false, false]),
            ("loss", [true, true, true]),
        ] {
            let gradients = losses().term(term).unwrap().mean().backward();
            let got = [
                reached(&aae.encoder, &gradients),
                reached(&aae.decoder, &gradients),
                reached(&aae.critic, &gradients),
            ];
            assert_eq!(got, expected, "{term} on {name}");
        }

        let score = |encoder: &MlpEncoder<Linear, 2>| {
            common::values(aae.critic.score(encoder.encode(data())).mean())[0]
        };
        let gradients = losses().term("encoder").unwrap().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &aae.encoder);
        let after = SgdConfig::new()
            .init()
            .step(1e-3, aae.encoder.clone(), gradients);
        assert!(score(&after) > score(&aae.encoder), "on {name}");
    }
}

type SmallAli = Ali<
    MlpEncoder<GaussianHead, 2>,
    MlpDecoder<Linear, 2>,
    JointCritic<2>,
    StandardNormal,
    NonSaturating,
>;

/// Both players' signs: a step of the decoder raises the score of its pairs, one of the encoder lowers that
/// of its own.
#[test]
fn ali() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let ali = Ali::new(
            MlpEncoderConfig::new(vec![6], 2)
                .with_hidden(vec![32])
                .init_gaussian::<2>(&device)
                .unwrap(),
            MlpDecoderConfig::new(2, vec![6])
                .with_hidden(vec![32])
                .init::<2>(&device)
                .unwrap(),
            MlpCriticConfig::new(vec![6])
                .with_hidden(vec![32])
                .init_joint::<2>(2, &device)
                .unwrap(),
            StandardNormal::new(2),
            NonSaturating,
        );
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let losses = || ali.losses_with(data(), tensor([4, 2], &device, noise(3, 1.0)), latent());
        //        term       encoder decoder critic
        for (term, expected) in [
            ("encoder", [true, false, false]),
            ("decoder", [false, true, false]),
            ("critic", [false, false, true]),
            ("loss", [true, true, true]),
        ] {
            let gradients = losses().term(term).unwrap().mean().backward();
            let got = [
                reached(&ali.encoder, &gradients),
                reached(&ali.decoder, &gradients),
                reached(&ali.critic, &gradients),
            ];
            assert_eq!(got, expected, "{term} on {name}");
        }

        let gradients = losses().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &ali);
        let after = SgdConfig::new().init().step(1e-3, ali.clone(), gradients);
        let made = |model: &SmallAli| {
            let score = ali.critic.score((model.decode(latent()), latent()));
            common::values(score.mean())[0]
        };
        let coded = |model: &SmallAli| {
            let code = model
                .encode(data())
                .rsample_with(tensor([4, 2], &device, noise(3, 1.0)));
            common::values(ali.critic.score((data(), code)).mean())[0]
        };
        assert!(made(&after) > made(&ali), "decoder on {name}");
        assert!(coded(&after) < coded(&ali), "encoder on {name}");
    }
}
