//! The same weights and the same noise give the same losses and the same gradients on every backend.

mod common;

use burn::prelude::*;
use burn::store::ModuleRecord;
use burn_generative::prelude::*;
use common::{assert_all_close, devices, gradients, noise, tensor, values};

/// Runs one step of a VAE of these networks on every backend, with the weights of the first.
fn agree<E, D>(what: &str, networks: impl Fn(&Device) -> (E, D))
where
    E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian> + Module,
    D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
    Vae<E, D>: Module,
{
    let init = |device: &Device| {
        let (encoder, decoder) = networks(device);
        let prior = StandardNormal::new(3);
        VaeConfig::new()
            .init(encoder, decoder, prior, BernoulliNll)
            .unwrap()
    };
    let devices = devices();
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.bpk");
    init(&devices[0].1.clone().autodiff())
        .save_file(&weights)
        .unwrap();

    let results = devices.iter().map(|(name, device)| {
        let device = device.clone().autodiff();
        let vae = init(&device).load_record(ModuleRecord::load(&weights).unwrap());
        let images = tensor([6, 1, 12, 10], &device, |i| 0.5 + noise(4, 0.5)(i));
        let losses = vae.losses_with(images, tensor([6, 3], &device, noise(5, 1.5)));
        let terms: Vec<f64> = losses
            .iter()
            .flat_map(|(_, term)| values(term.clone()))
            .collect();
        let gradients = gradients(&vae, &losses.mean().backward()).concat();
        (*name, terms, gradients)
    });
    let results: Vec<_> = results.collect();
    let (_, first_terms, first_gradients) = &results[0];
    assert!(first_gradients.len() > 100);
    for (name, terms, gradients) in &results[1..] {
        assert_all_close(
            terms,
            first_terms,
            1e-4,
            &format!("{what}: losses on {name}"),
        );
        assert_all_close(
            gradients,
            first_gradients,
            1e-4,
            &format!("{what}: gradients on {name}"),
        );
    }
    let names: Vec<_> = results.iter().map(|(name, ..)| *name).collect();
    println!("{what}: {} agree", names.join(", "));
}

#[test]
fn a_multi_layer_perceptron_agrees() {
    agree("mlp", common::mlp);
}

#[test]
fn convolutions_agree() {
    agree("conv", common::conv);
}
