//! The same weights and the same noise give the same losses and the same gradients on every backend.

mod common;

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use burn::store::ModuleRecord;
use burn_generative::loss::{GradientPenalty, NonSaturating, Wasserstein};
use burn_generative::nn::{ConvCriticConfig, ConvDecoder, Squashed};
use burn_generative::prelude::*;
use common::{assert_all_close, devices, gradients, noise, tensor, values};

/// Runs one step of a model on every backend, with the weights of the first.
fn agree<M: Module>(
    what: &str,
    init: impl Fn(&Device) -> M,
    losses: impl Fn(&M, &Device) -> Losses,
) {
    let devices = devices();
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.bpk");
    init(&devices[0].1.clone().autodiff())
        .save_file(&weights)
        .unwrap();

    let results = devices.iter().map(|(name, device)| {
        let device = device.clone().autodiff();
        let model = init(&device).load_record(ModuleRecord::load(&weights).unwrap());
        let losses = losses(&model, &device);
        let terms: Vec<f64> = losses
            .iter()
            .flat_map(|(_, term)| values(term.clone()))
            .collect();
        let gradients = gradients(&model, &losses.mean().backward()).concat();
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

fn images(device: &Device) -> Tensor<4> {
    tensor([6, 1, 12, 10], device, |i| 0.5 + noise(4, 0.5)(i))
}

fn latents(seed: usize, device: &Device) -> Tensor<2> {
    tensor([6, 3], device, noise(seed, 1.5))
}

/// A VAE of these networks.
fn vae_agrees<E, D>(what: &str, networks: impl Fn(&Device) -> (E, D))
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
    agree(what, init, |vae, device| {
        vae.losses_with(images(device), latents(5, device))
    });
}

#[test]
fn a_multi_layer_perceptron_agrees() {
    vae_agrees("mlp", common::mlp);
}

#[test]
fn convolutions_agree() {
    vae_agrees("conv", common::conv);
}

/// A generator of grey images: its last convolution has one channel, whose output Fusion misreads in a chain
/// of elementwise operations if it is not laid out anew.
fn generator(device: &Device) -> Squashed<ConvDecoder> {
    let decoder = ConvDecoderConfig::new(3, [1, 12, 10])
        .with_channels(vec![4, 6])
        .with_hidden(0)
        .with_normalize_code(true);
    Squashed::sigmoid(decoder.init(device).unwrap())
}

#[test]
fn a_gan_of_grey_images_under_the_penalty_agrees() {
    let init = |device: &Device| {
        let critic = ConvCriticConfig::new([1, 12, 10])
            .with_channels(vec![4, 6])
            .with_spectral_norm(true);
        let (critic, prior) = (critic.init(device).unwrap(), StandardNormal::new(3));
        let penalty = GradientPenalty::new(10.0).unwrap();
        GanConfig::new()
            .init(generator(device), critic, prior, Wasserstein, penalty)
            .unwrap()
    };
    agree("gan", init, |gan, device| {
        let mix = tensor([6, 1, 1, 1], device, noise(6, 0.5)) + 0.5;
        gan.losses_with(images(device), latents(5, device), mix)
    });
}

#[test]
fn a_vae_gan_of_grey_images_agrees() {
    let init = |device: &Device| {
        let (encoder, _) = common::conv(device);
        let critic = ConvCriticConfig::new([1, 12, 10]).with_channels(vec![4, 6]);
        let (critic, prior) = (critic.init(device).unwrap(), StandardNormal::new(3));
        VaeGanConfig::new()
            .init(encoder, generator(device), critic, prior, NonSaturating)
            .unwrap()
    };
    agree("vae-gan", init, |model, device| {
        model.losses_with(images(device), latents(5, device), latents(7, device))
    });
}

#[test]
fn ali_on_grey_images_agrees() {
    let init = |device: &Device| {
        let (encoder, _) = common::conv(device);
        let critic = ConvCriticConfig::new([1, 12, 10])
            .with_channels(vec![4, 6])
            .init_joint(3, 8, device)
            .unwrap();
        let prior = StandardNormal::new(3);
        Ali::new(encoder, generator(device), critic, prior, NonSaturating)
    };
    agree("ali", init, |model, device| {
        model.losses_with(images(device), latents(5, device), latents(7, device))
    });
}

/// What Fusion misreads when it comes out of the convolution as it is: see docs/architecture.md.
#[test]
fn the_output_of_a_decoder_of_grey_images_can_be_computed_with() {
    let mut results = devices().into_iter().map(|(name, device)| {
        let decoder = ConvDecoderConfig::new(3, [1, 12, 10]).with_channels(vec![4, 6]);
        let decoder = decoder.init(&device).unwrap().map(&mut Fixed(0));
        let other = tensor([6, 1, 12, 10], &device, noise(8, 1.0));
        let chain = (decoder.decode(latents(5, &device)) * other).neg().exp();
        (name, values(chain))
    });
    let (_, first) = results.next().unwrap();
    for (name, chain) in results {
        assert_all_close(&chain, &first, 1e-4, name);
    }
}

/// Sets every parameter to numbers of its own.
struct Fixed(usize);

impl ModuleMapper for Fixed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let value = noise(self.0, 0.5);
        param.map(|old| tensor(old.dims(), &old.device(), value).abs())
    }
}
