//! One training epoch of the default VAE on the CPU (flex): 60,000 images of 784 pixels, batches of
//! 128, Adam.
//!
//!     cargo bench --profile dev --bench vae_epoch
//!     python benches/pytorch_twin.py vae_epoch

use burn::data::dataloader::DataLoader;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn_generative::data::{TensorLoader, digits};
use burn_generative::prelude::*;
use divan::Bencher;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn mlp_784_400_20_batch_128_images_60000(bencher: Bencher) {
    let device = Device::flex();
    device.seed(1);
    let images = digits::generate(60_000, 1).images(&device);
    let loader = TensorLoader::new(images, 128).seed(1).shuffle();
    let device = device.autodiff();
    let mut vae = VaeConfig::new()
        .init(
            MlpEncoderConfig::new(vec![1, 28, 28], 20)
                .init_gaussian(&device)
                .expect("sizes"),
            MlpDecoderConfig::new(20, vec![1, 28, 28])
                .init(&device)
                .expect("sizes"),
            StandardNormal::new(20),
            BernoulliNll,
        )
        .expect("plain settings");
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    bencher.bench_local(|| {
        let mut total = Tensor::<1>::zeros([1], &Device::flex());
        for batch in loader.iter() {
            let losses = vae.losses(batch.expect("it is in memory"));
            let gradients = GradientsParams::from_grads(losses.mean().backward(), &vae);
            vae = optimizer.step(1e-3, vae.clone(), gradients);
            total = total + losses.without_graph().total.sum();
        }
        total.into_scalar::<f32>() / 60_000.0
    });
}
