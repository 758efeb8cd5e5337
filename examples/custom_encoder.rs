//! An encoder of your own: implement one trait, and every model takes it.
//!
//!     cargo run --example custom_encoder
//!
//! Trains a VAE with the convolutional encoder below on generated digits, by a loop of its own.

mod common;

use burn::data::dataloader::DataLoader;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn_generative::data::{TensorLoader, digits};
use burn_generative::device::Devices;
use burn_generative::prelude::*;
use burn_generative::{Error, Result};
use std::process::ExitCode;

/// Two strided convolutions and a Gaussian head: images to posteriors.
#[derive(Module, Debug)]
struct MyEncoder {
    convs: [Conv2d; 2],
    head: GaussianHead,
}

impl MyEncoder {
    fn new(latent_dim: usize, device: &Device) -> Self {
        let conv = |channels| Conv2dConfig::new(channels, [4, 4]).with_stride([3, 3]);
        Self {
            convs: [conv([1, 16]).init(device), conv([16, 32]).init(device)],
            head: GaussianHead::new(32 * 2 * 2, latent_dim, device), // 28 -> 9 -> 2 pixels a side
        }
    }
}

impl Encoder for MyEncoder {
    type Input = Tensor<4>;
    type Code = DiagonalGaussian;

    fn encode(&self, images: Tensor<4>) -> DiagonalGaussian {
        let layer = |x, conv: &Conv2d| relu(conv.forward(x));
        let maps = self.convs.iter().fold(images, layer);
        self.head.forward(maps.flatten(1, 3))
    }
}

fn main() -> ExitCode {
    common::report(run())
}

fn run() -> Result<()> {
    let devices = Devices::named(None)?;
    println!("device: {}", devices.name());
    let device = devices.device();
    device.seed(1);
    let images = digits::generate(6_000, 1).images(&device);
    let loader = TensorLoader::new(images, 64).seed(1).shuffle();

    let training = device.autodiff();
    let mut vae = Vae::new(
        MyEncoder::new(8, &training),
        MlpDecoderConfig::new(8, vec![1, 28, 28]).init(&training)?,
        StandardNormal::new(8),
        BernoulliNll,
    );
    let mut optimizer = AdamConfig::new().init();
    for epoch in 1..=3 {
        let mut losses = Vec::new();
        for batch in loader.iter() {
            let batch = batch.map_err(|error| Error::Training(error.to_string()))?;
            let loss;
            (vae, loss) = vae.learn(&mut optimizer, 1e-3, batch);
            losses.push(loss.total);
        }
        // One read-back an epoch.
        let mean: f32 = Tensor::cat(losses, 0).mean().try_into_scalar()?;
        println!("epoch {epoch}: {mean:.2} nats per image");
    }
    Ok(())
}
