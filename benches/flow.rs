//! Flows over vectors: a training step of 512 rows, and 10,000 samples; and what a step costs against the number of
//! coordinates and of layers.
//!
//!     cargo bench --profile dev --bench flow
//!     cargo bench --profile dev --bench flow -- training_step samples
//!
//! `python benches/flow.py` runs the second line in turn with three libraries on PyTorch.

#[allow(dead_code)] // the benches of the kernels use the rest
mod common;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::Result;
use burn_generative::flow::{Bijection, Flow, MafConfig, RealNvpConfig, SplineFlowConfig};
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use divan::Bencher;

const FEATURES: usize = 43;
const BATCH: usize = 512;
const SAMPLES: usize = 10_000;

fn main() {
    common::run();
}

/// 5 layers of 2x512 units each.
fn maf() -> MafConfig {
    MafConfig::new(FEATURES).with_hidden(vec![512, 512])
}

/// 10 couplings of 2x256 units each.
fn real_nvp() -> RealNvpConfig {
    let config = RealNvpConfig::new(FEATURES).with_couplings(10);
    config.with_hidden(vec![256, 256])
}

/// The same, with 8 bins.
fn spline() -> SplineFlowConfig {
    let config = SplineFlowConfig::new(FEATURES).with_couplings(10);
    config.with_hidden(vec![256, 256]).with_bins(8)
}

/// A step of `MaximumLikelihood` with Adam.
fn train<B>(bencher: Bencher, features: usize, init: impl FnOnce(&Device) -> Result<B>)
where
    B: Bijection<Input = Tensor<2>, Output = Tensor<2>>,
{
    let device = common::device().autodiff();
    device.seed(1);
    let rows = Tensor::random([BATCH, features], Distribution::Normal(0.0, 1.0), &device);
    let flow = Flow::new(init(&device).expect("sizes"), StandardNormal::new(features));
    let mut adam = FusedAdamConfig::new().init().expect("betas");
    let mut model = Some(MaximumLikelihood::new(flow));
    bencher.bench_local(|| {
        let before = model.take().expect("put back below");
        let (after, losses) = before.learn(&mut adam, 1e-4, rows.clone());
        device.sync().expect("the work is done");
        model = Some(after);
        losses
    });
}

/// Samples, without a graph.
fn sample<B>(bencher: Bencher, init: impl FnOnce(&Device) -> Result<B>)
where
    B: Bijection<Input = Tensor<2>, Output = Tensor<2>>,
{
    let device = common::device();
    device.seed(1);
    let flow = Flow::new(init(&device).expect("sizes"), StandardNormal::new(FEATURES));
    bencher.bench_local(|| {
        let samples = flow.sample(SAMPLES, &device);
        device.sync().expect("the work is done");
        samples
    });
}

mod training_step {
    use super::*;

    #[divan::bench]
    fn maf(bencher: Bencher) {
        train(bencher, FEATURES, |device| super::maf().init(device));
    }
    #[divan::bench]
    fn real_nvp(bencher: Bencher) {
        train(bencher, FEATURES, |device| super::real_nvp().init(device));
    }
    #[divan::bench]
    fn spline(bencher: Bencher) {
        train(bencher, FEATURES, |device| super::spline().init(device));
    }
}

mod samples {
    use super::*;

    #[divan::bench]
    fn maf(bencher: Bencher) {
        sample(bencher, |device| super::maf().init(device));
    }
    #[divan::bench]
    fn real_nvp(bencher: Bencher) {
        sample(bencher, |device| super::real_nvp().init(device));
    }
    #[divan::bench]
    fn spline(bencher: Bencher) {
        sample(bencher, |device| super::spline().init(device));
    }
}

/// A training step against the number of coordinates.
mod step_against_features {
    use super::*;

    const FEATURES: [usize; 4] = [8, 32, 128, 512];

    #[divan::bench(args = FEATURES)]
    fn maf(bencher: Bencher, features: usize) {
        let config = MafConfig {
            features,
            ..super::maf()
        };
        train(bencher, features, |device| config.init(device));
    }
    #[divan::bench(args = FEATURES)]
    fn real_nvp(bencher: Bencher, features: usize) {
        let config = RealNvpConfig {
            features,
            ..super::real_nvp()
        };
        train(bencher, features, |device| config.init(device));
    }
    #[divan::bench(args = FEATURES)]
    fn spline(bencher: Bencher, features: usize) {
        let config = SplineFlowConfig {
            features,
            ..super::spline()
        };
        train(bencher, features, |device| config.init(device));
    }
}

/// And against the number of maps.
mod step_against_layers {
    use super::*;

    const LAYERS: [usize; 4] = [2, 4, 8, 16];

    #[divan::bench(args = LAYERS)]
    fn maf(bencher: Bencher, layers: usize) {
        let config = super::maf().with_layers(layers);
        train(bencher, FEATURES, |device| config.init(device));
    }
    #[divan::bench(args = LAYERS)]
    fn real_nvp(bencher: Bencher, couplings: usize) {
        let config = super::real_nvp().with_couplings(couplings);
        train(bencher, FEATURES, |device| config.init(device));
    }
    #[divan::bench(args = LAYERS)]
    fn spline(bencher: Bencher, couplings: usize) {
        let config = super::spline().with_couplings(couplings);
        train(bencher, FEATURES, |device| config.init(device));
    }
}
