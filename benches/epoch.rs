//! Training epochs on the CPU, timed: generated digits of 784 pixels, batches of 128, Adam.
//!
//!     cargo bench --profile dev --bench epoch -- mlp --images 60000 --epochs 3
//!
//! prints one line of JSON: the seconds of each epoch and of 100,000 samples, the memory after each epoch, and the
//! most there was. `benches/epoch.py` runs it in turn with the same model in PyTorch.

use burn::data::dataloader::DataLoader;
use burn::nn::BatchNormConfig;
use burn::nn::norm::NormalizationConfig;
use burn::prelude::*;
use burn_generative::data::{TensorLoader, digits};
use burn_generative::device::Devices;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use burn_generative::traits::Model as _; // beside the flag of this name
use clap::{Parser, ValueEnum};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Args {
    model: Model,

    #[arg(long, default_value_t = 60_000)]
    images: usize,

    #[arg(long, default_value_t = 128)]
    batch: usize,

    /// The width of the MLP's layers.
    #[arg(long, default_value_t = 400)]
    width: usize,

    #[arg(long, default_value_t = 3)]
    epochs: usize,

    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    /// The VAE of the PyTorch examples: 784-400-20.
    Mlp,
    /// The convolutional VAE of the Keras recipe: 32 and 64 filters, a dense layer of 16, no normalisation.
    Conv,
    /// The same with 8 and 16 filters, batch normalisation and dense layers of 400: `vae_mnist --arch conv`.
    ConvNorm,
}

fn main() {
    let args = Args::parse();
    let device = devices().training();
    let conv = |filters: Vec<usize>, hidden, norm: NormalizationConfig| {
        let shape = [1, 28, 28];
        let encoder = ConvEncoderConfig::new(shape, 20)
            .with_channels(filters.clone())
            .with_hidden(hidden)
            .with_normalization(norm.clone());
        let decoder = ConvDecoderConfig::new(20, shape)
            .with_channels(filters)
            .with_hidden(hidden)
            .with_normalization(norm);
        let encoder = encoder.init_gaussian(&device).expect("sizes");
        vae(encoder, decoder.init(&device).expect("sizes"))
    };
    match args.model {
        Model::Mlp => {
            let pixels = vec![1, 28, 28];
            let encoder = MlpEncoderConfig::new(pixels.clone(), 20).with_hidden(vec![args.width]);
            let decoder = MlpDecoderConfig::new(20, pixels).with_hidden(vec![args.width]);
            let encoder = encoder.init_gaussian(&device).expect("sizes");
            run(&args, vae(encoder, decoder.init(&device).expect("sizes")));
        }
        Model::Conv => {
            let none = NormalizationConfig::Identity;
            run(&args, conv(vec![32, 64], 16, none));
        }
        Model::ConvNorm => {
            let norm = NormalizationConfig::Batch(BatchNormConfig::new(0));
            run(&args, conv(vec![8, 16], 400, norm));
        }
    }
}

/// That in BURN_DEVICE, or the first that was built in.
fn devices() -> Devices {
    Devices::named(None).expect("BURN_DEVICE")
}

fn vae<E, D>(encoder: E, decoder: D) -> Vae<E, D>
where
    E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian> + Module,
    D: Decoder<Latent = Tensor<2>, Output = Tensor<4>> + Module,
{
    VaeConfig::new()
        .init(encoder, decoder, StandardNormal::new(20), BernoulliNll)
        .expect("plain settings")
}

fn run<E, D>(args: &Args, mut vae: Vae<E, D>)
where
    E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian>,
    D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
{
    let device = devices().device();
    device.seed(1);
    let images = digits::generate(args.images, 1).images(&device.clone().autodiff());
    let loader = TensorLoader::new(images, args.batch).seed(1).shuffle();
    let mut optimizer = FusedAdamConfig::new().init().expect("defaults");
    let (mut seconds, mut resident) = (Vec::new(), Vec::new());
    let mut loss = f64::NAN;
    for _ in 0..args.epochs {
        let start = Instant::now();
        let mut total = Tensor::<1>::zeros([1], &device);
        for batch in loader.iter() {
            let losses;
            let batch = batch.expect("it is in memory");
            (vae, losses) = vae.learn(&mut optimizer, 1e-3, batch);
            total = total + losses.total.sum();
        }
        // Waits for the device.
        loss = f64::from(total.into_scalar::<f32>()) / args.images as f64;
        seconds.push(start.elapsed().as_secs_f64());
        resident.push(kib("VmRSS:"));
    }
    let start = Instant::now();
    for _ in 0..100 {
        let samples = vae.sample(1000, &device);
        device.sync().expect("the device works");
        drop(samples);
    }
    let sampling = start.elapsed().as_secs_f64();
    println!(
        "{{\"seconds\": {seconds:?}, \"sampling\": {sampling}, \"resident_kib\": {resident:?}, \
         \"peak_kib\": {}, \"loss\": {loss}}}",
        kib("VmHWM:")
    );
}

/// A size that Linux gives for this process, in KiB: `VmRSS:`, what it has in memory, or `VmHWM:`, the most it
/// had; 0 where the system does not say.
fn kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
