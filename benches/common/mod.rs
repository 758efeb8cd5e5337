//! What the benches of the kernels share: an operation beside its plain composition, forward and forward +
//! backward, and a plain copy, which is the limit.
//!
//! Flex unless `BENCH_DEVICE` names another backend that was built in: `wgpu`, `cuda`, ...

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::device::Devices;
use divan::{Bencher, Divan};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub type Shape = [usize; 2];

/// Runs the benches of a file.
pub fn run() {
    Divan::from_args().max_time(Duration::from_secs(2)).main();
}

/// Batches of latents: the default VAE's, and up to what fills a memory.
#[allow(dead_code)] // each bench file uses its own sizes
pub fn latents() -> Vec<Shape> {
    let mut shapes = vec![[128, 20], [512, 128], [4096, 512], [65536, 256]];
    if std::env::var_os("BENCH_DEVICE").is_some_and(|name| name != "flex" && name != "ndarray") {
        shapes.push([1_048_576, 256]);
    }
    shapes
}

/// Batches of images of 784 pixels, and a batch of latents' size that leaves every cache.
#[allow(dead_code)]
pub fn pixels() -> Vec<Shape> {
    vec![[128, 784], [4096, 784], [65536, 256]]
}

pub fn device() -> Device {
    let name = std::env::var("BENCH_DEVICE").unwrap_or("flex".into());
    let devices = Devices::named(Some(&name)).expect("BENCH_DEVICE");
    devices.device()
}

/// `N` matrices in `[0, 1]`, the same in every run.
fn matrices<const N: usize>(shape: Shape, device: &Device) -> [Tensor<2>; N] {
    device.seed(1);
    std::array::from_fn(|_| Tensor::random(shape, Distribution::Default, device))
}

/// An operation on `N` matrices, of which the first `TRACKED` have gradients.
pub fn forward<const N: usize, const D: usize>(
    bencher: Bencher,
    shape: Shape,
    operation: impl Fn([Tensor<2>; N]) -> Tensor<D>,
) {
    let device = device();
    let arguments = matrices(shape, &device);
    device.sync().expect("the device is ready");
    bencher.bench_local(|| {
        let output = operation(arguments.clone());
        device.sync().expect("the work is done");
        output
    });
}

pub fn forward_backward<const TRACKED: usize, const N: usize, const D: usize>(
    bencher: Bencher,
    shape: Shape,
    operation: impl Fn([Tensor<2>; N]) -> Tensor<D>,
) {
    let device = device();
    let autodiff = device.clone().autodiff();
    let mut k = 0;
    let arguments: [Tensor<2>; N] = matrices(shape, &device).map(|matrix: Tensor<2>| {
        k += 1;
        let argument = Tensor::from_inner(matrix).to_device(&autodiff);
        if k <= TRACKED {
            argument.require_grad()
        } else {
            argument
        }
    });
    device.sync().expect("the device is ready");
    bencher.bench_local(|| {
        let gradients = operation(arguments.clone()).backward();
        let gradients: [_; TRACKED] =
            std::array::from_fn(|k| arguments[k].grad(&gradients).expect("a gradient"));
        device.sync().expect("the work is done");
        gradients
    });
}

/// One matrix read and written once.
pub fn copy(bencher: Bencher, shape: Shape) {
    let device = device();
    let [matrix] = matrices(shape, &device);
    if device == Device::flex() {
        let source: Vec<f32> = matrix.into_data().try_to_vec::<f32>().expect("f32");
        let mut target = vec![0f32; source.len()];
        bencher.bench_local(|| {
            divan::black_box(&mut target).copy_from_slice(divan::black_box(&source));
        });
    } else {
        // The cheapest kernel that reads and writes.
        bencher.bench_local(|| {
            let output = matrix.clone().neg();
            device.sync().expect("the work is done");
            output
        });
    }
}

/// Benches of one operation: `ours` and `plain` are functions of an array of matrices.
#[macro_export]
macro_rules! kernel_benches {
    ($operation:ident, $sizes:expr, tracked $tracked:literal, |$arguments:pat_param, $module:ident| $body:expr) => {
        mod $operation {
            use burn_generative::kernel;
            use divan::Bencher;

            #[divan::bench(args = $sizes)]
            fn ours_forward(bencher: Bencher, shape: $crate::common::Shape) {
                use kernel as $module;
                $crate::common::forward(bencher, shape, |$arguments| $body);
            }

            #[divan::bench(args = $sizes)]
            fn plain_forward(bencher: Bencher, shape: $crate::common::Shape) {
                use kernel::reference as $module;
                $crate::common::forward(bencher, shape, |$arguments| $body);
            }

            #[divan::bench(args = $sizes)]
            fn ours_forward_backward(bencher: Bencher, shape: $crate::common::Shape) {
                use kernel as $module;
                $crate::common::forward_backward::<$tracked, _, _>(bencher, shape, |$arguments| {
                    $body
                });
            }

            #[divan::bench(args = $sizes)]
            fn plain_forward_backward(bencher: Bencher, shape: $crate::common::Shape) {
                use kernel::reference as $module;
                $crate::common::forward_backward::<$tracked, _, _>(bencher, shape, |$arguments| {
                    $body
                });
            }
        }
    };
}

/// The limit, for a file's sizes.
#[macro_export]
macro_rules! copy_bench {
    ($sizes:expr) => {
        #[divan::bench(args = $sizes)]
        fn copy(bencher: divan::Bencher, shape: common::Shape) {
            common::copy(bencher, shape);
        }
    };
}
