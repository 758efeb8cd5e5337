//! The loss functions alone: forward, and forward + backward, beside a plain copy of the same bytes.
//!
//!     cargo bench --profile dev --bench losses
//!     python benches/pytorch_twin.py losses
//!
//! Sizes are in the names: the default VAE's batch (128 images of 784 pixels, 20 latents), and one
//! that leaves the caches.

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::kernel;
use divan::Bencher;
use divan::counter::BytesCount;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const PIXELS: [[usize; 2]; 2] = [[128, 784], [4096, 784]];
const LATENTS: [[usize; 2]; 2] = [[128, 20], [4096, 512]];

/// Two tensors of this shape in `[0, 1]`, and the bytes that one of them holds.
fn inputs(shape: [usize; 2], gradients: bool) -> ([Tensor<2>; 2], BytesCount) {
    let device = Device::flex();
    device.seed(1);
    let device = if gradients { device.autodiff() } else { device };
    let draw = || {
        let tensor = Tensor::random(shape, Distribution::Default, &device);
        if gradients {
            tensor.require_grad()
        } else {
            tensor
        }
    };
    (
        [draw(), draw()],
        BytesCount::of_many::<f32>(shape[0] * shape[1]),
    )
}

fn forward(
    bencher: Bencher,
    shape: [usize; 2],
    loss: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1> + Sync,
) {
    let ([a, b], bytes) = inputs(shape, false);
    // Flex computes at once; reading the result keeps the work from being dropped.
    bencher
        .counter(bytes)
        .bench_local(|| loss(a.clone(), b.clone()).into_data());
}

fn backward(
    bencher: Bencher,
    shape: [usize; 2],
    loss: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1> + Sync,
) {
    let ([a, b], bytes) = inputs(shape, true);
    bencher.counter(bytes).bench_local(|| {
        let gradients = loss(a.clone(), b.clone()).sum().backward();
        a.grad(&gradients).expect("a gradient")
    });
}

macro_rules! benches {
    ($($name:ident, $sizes:expr, $loss:expr;)*) => {$(
        mod $name {
            use super::*;

            #[divan::bench(args = $sizes)]
            fn forward(bencher: Bencher, shape: [usize; 2]) {
                super::forward(bencher, shape, $loss);
            }

            #[divan::bench(args = $sizes)]
            fn forward_backward(bencher: Bencher, shape: [usize; 2]) {
                super::backward(bencher, shape, $loss);
            }
        }
    )*};
}

benches! {
    bernoulli_nll, PIXELS, kernel::bernoulli_nll;
    gaussian_nll_fixed, PIXELS, |mean, target| kernel::gaussian_nll_fixed(mean, target, 1.0);
    gaussian_kl, LATENTS, kernel::gaussian_kl;
    reparameterize_with_noise, LATENTS, |mean: Tensor<2>, log_var| {
        let noise = mean.clone().detach();
        kernel::sum_event(kernel::reparameterize(mean, log_var, noise))
    };
}

/// The limit: the bytes of one tensor, read and written once.
#[divan::bench(args = [[128, 20], [128, 784], [4096, 512], [4096, 784]])]
fn copy(bencher: Bencher, shape: [usize; 2]) {
    let ([a, _], bytes) = inputs(shape, false);
    let source: Vec<f32> = a.into_data().try_to_vec::<f32>().expect("f32");
    let mut target = vec![0f32; source.len()];
    bencher
        .counter(bytes)
        .bench_local(|| divan::black_box(&mut target).copy_from_slice(divan::black_box(&source)));
}
