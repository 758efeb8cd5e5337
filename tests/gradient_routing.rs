//! Which part each loss term reaches, and that it reaches no other: the tables of the models' docs.

mod common;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_generative::loss::LearnedGaussianNll;
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
