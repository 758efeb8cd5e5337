//! Samples of autoregressive models, by the state that each layer keeps, beside one pass of the whole network, which the slow way
//! runs for every variable; and a training step.
//!
//!     cargo bench --profile dev --bench autoregressive
//!     cargo bench --profile dev --bench autoregressive -- training_step
//!
//! `python benches/autoregressive.py` runs the second line in turn with the same networks in PyTorch.

#[allow(dead_code)] // the benches of the kernels use the rest
mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::autoregressive::{
    Autoregressive, MadeConfig, NadeConfig, Output, PixelCnn, PixelCnnConfig, Sampling, Stepwise,
    WaveNet, WaveNetConfig,
};
use burn_generative::distribution::Levels;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use divan::Bencher;

fn main() {
    common::run();
}

/// A device whose random numbers are the same in every run.
fn device() -> Device {
    let device = common::device();
    device.seed(1);
    device
}

fn noise(samples: usize, variables: usize, device: &Device) -> Tensor<2> {
    Tensor::random([samples, variables], Distribution::Default, device)
}

fn sample<A: Stepwise<D>, const D: usize>(bencher: Bencher, model: A, noise: Tensor<2>) {
    let sampling = Sampling::default();
    bencher.bench_local(|| {
        let samples = model.sample_with(noise.clone(), &sampling);
        samples.into_data()
    });
}

/// What the slow way does for each variable.
fn pass<A: Autoregressive<D>, const D: usize>(bencher: Bencher, model: A, data: Tensor<D>) {
    bencher.bench_local(|| model.parameters(data.clone(), None).into_data());
}

fn pixel_cnn(device: &Device) -> PixelCnn {
    PixelCnnConfig::new([1, 28, 28]).init(device).unwrap()
}

#[divan::bench]
fn pixel_cnn_28x28_16_samples(bencher: Bencher) {
    let device = device();
    sample(bencher, pixel_cnn(&device), noise(16, 784, &device));
}

#[divan::bench]
fn pixel_cnn_28x28_16_images_one_pass_of_784(bencher: Bencher) {
    let device = device();
    pass(
        bencher,
        pixel_cnn(&device),
        Tensor::zeros([16, 1, 28, 28], &device),
    );
}

const SECONDS_2_AT_8_KHZ: usize = 16_000;

fn wave_net(device: &Device) -> WaveNet {
    let output = Output::Categorical(Levels::counting(256).unwrap());
    let config = WaveNetConfig::new(SECONDS_2_AT_8_KHZ).with_stacks(2);
    config.init_with(output, device).unwrap()
}

#[divan::bench(args = [1, 8])]
fn wave_net_10_layers_2_stacks_16000_elements(bencher: Bencher, streams: usize) {
    let device = device();
    let noise = noise(streams, SECONDS_2_AT_8_KHZ, &device);
    sample(bencher, wave_net(&device), noise);
}

#[divan::bench]
fn wave_net_10_layers_2_stacks_one_pass_of_16000(bencher: Bencher) {
    let device = device();
    pass(
        bencher,
        wave_net(&device),
        Tensor::zeros([1, SECONDS_2_AT_8_KHZ], &device),
    );
}

#[divan::bench]
fn made_784_500_16_samples(bencher: Bencher) {
    let device = device();
    let model = MadeConfig::new(vec![784]).init::<2>(&device).unwrap();
    sample(bencher, model, noise(16, 784, &device));
}

#[divan::bench]
fn made_784_500_16_rows_one_pass_of_784(bencher: Bencher) {
    let device = device();
    let model = MadeConfig::new(vec![784]).init::<2>(&device).unwrap();
    pass(bencher, model, Tensor::zeros([16, 784], &device));
}

#[divan::bench]
fn nade_784_500_16_samples(bencher: Bencher) {
    let device = device();
    let model = NadeConfig::new(vec![784]).init::<2>(&device).unwrap();
    sample(bencher, model, noise(16, 784, &device));
}

#[divan::bench]
fn nade_784_500_16_rows_one_pass_of_784(bencher: Bencher) {
    let device = device();
    let model = NadeConfig::new(vec![784]).init::<2>(&device).unwrap();
    pass(bencher, model, Tensor::zeros([16, 784], &device));
}

/// A step of `MaximumLikelihood` with Adam.
fn train<P: Prior>(bencher: Bencher, density: P, device: &Device, data: P::Value) {
    let mut adam = FusedAdamConfig::new().init().unwrap();
    let mut model = Some(MaximumLikelihood::new(density));
    bencher.bench_local(|| {
        let before = model.take().unwrap();
        let (after, losses) = before.learn(&mut adam, 1e-4, data.clone());
        device.sync().unwrap();
        model = Some(after);
        losses
    });
}

mod training_step {
    use super::*;

    fn training() -> Device {
        device().autodiff()
    }

    fn bits<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(shape, Distribution::Bernoulli(0.5), device)
    }

    #[divan::bench]
    fn made_784_500_100_rows(bencher: Bencher) {
        let device = training();
        let model = MadeConfig::new(vec![784]).init::<2>(&device).unwrap();
        train(bencher, model, &device, bits([100, 784], &device));
    }

    #[divan::bench]
    fn nade_784_500_20_rows(bencher: Bencher) {
        let device = training();
        let model = NadeConfig::new(vec![784]).init::<2>(&device).unwrap();
        train(bencher, model, &device, bits([20, 784], &device));
    }

    #[divan::bench]
    fn pixel_cnn_28x28_6_layers_32_features_16_images(bencher: Bencher) {
        let device = training();
        let model = pixel_cnn(&device);
        train(bencher, model, &device, bits([16, 1, 28, 28], &device));
    }

    #[divan::bench]
    fn wave_net_10_layers_2_stacks_4_series_of_4000(bencher: Bencher) {
        let device = training();
        let uniform = Distribution::Uniform(0.0, 256.0);
        let series = Tensor::random([4, 4000], uniform, &device).floor();
        train(bencher, wave_net(&device), &device, series);
    }
}
