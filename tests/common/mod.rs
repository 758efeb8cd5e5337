//! What the tests share.
#![allow(dead_code)] // each test file uses its own part

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_generative::nn::{ConvDecoder, ConvEncoder, MlpDecoder, MlpEncoder};
use burn_generative::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Every backend that this test binary was built with, by name.
#[allow(deprecated)] // NdArray, which burn keeps for now
pub fn devices() -> Vec<(&'static str, Device)> {
    vec![
        #[cfg(feature = "flex")]
        ("flex", Device::flex()),
        #[cfg(feature = "ndarray")]
        ("ndarray", Device::ndarray()),
        #[cfg(feature = "wgpu")]
        ("wgpu", Device::wgpu(Default::default())),
    ]
}

/// The first of them: a CPU, for what is long and does not depend on the backend.
pub fn cpu() -> Device {
    devices().swap_remove(0).1
}

/// The generator of a CPU device is one for the whole process, so that the tests that draw from it take turns: whoever holds
/// this is the only one.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A CPU with gradients whose generator is seeded, for the one whose turn it is.
pub fn seeded(seed: u64) -> (Device, MutexGuard<'static, ()>) {
    let turn = alone();
    let device = cpu().autodiff();
    device.seed(seed);
    (device, turn)
}

/// A tensor of this shape from a function of the element's index.
pub fn tensor<const D: usize>(
    shape: [usize; D],
    device: &Device,
    value: impl Fn(usize) -> f64,
) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|i| value(i) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The values of a tensor, row by row.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// All weights of a module, in the order of its parameters.
pub fn weights<M: Module>(module: &M) -> Vec<f64> {
    struct Visitor(Vec<f64>);
    impl ModuleVisitor for Visitor {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(values(param.val()));
        }
    }
    let mut visitor = Visitor(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

/// The gradient of each parameter of a module that has one, in the order of its parameters.
pub fn gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<Vec<f64>> {
    struct Visitor<'a>(&'a Gradients, Vec<Vec<f64>>);
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.0) {
                self.1.push(values(gradient));
            }
        }
    }
    let mut visitor = Visitor(gradients, Vec::new());
    module.visit(&mut visitor);
    visitor.1
}

/// A small perceptron for images of 1x12x10 and 3 latents; tests/golden/vae.py has the same.
pub fn mlp(device: &Device) -> (MlpEncoder<GaussianHead, 4>, MlpDecoder<Linear, 4>) {
    let encoder = MlpEncoderConfig::new(vec![1, 12, 10], 3).with_hidden(vec![16]);
    let decoder = MlpDecoderConfig::new(3, vec![1, 12, 10]).with_hidden(vec![16]);
    (
        encoder.init_gaussian(device).unwrap(),
        decoder.init(device).unwrap(),
    )
}

/// Small convolutions for images of 1x12x10 and 3 latents; tests/golden/vae.py has the same.
pub fn conv(device: &Device) -> (ConvEncoder<GaussianHead>, ConvDecoder) {
    let encoder = ConvEncoderConfig::new([1, 12, 10], 3).with_channels(vec![4, 6]);
    let decoder = ConvDecoderConfig::new(3, [1, 12, 10]).with_channels(vec![4, 6]);
    (
        encoder.init_gaussian(device).unwrap(),
        decoder.init(device).unwrap(),
    )
}

/// Fixed numbers that look random, in `[-scale, scale]`.
pub fn noise(seed: usize, scale: f64) -> impl Fn(usize) -> f64 {
    move |i| scale * (((i + 1) * (seed * 31 + 17)) as f64 * 0.754_877_666).sin()
}

/// Sets the k-th parameter that is visited to `noise(k, scale)`, from 0 on.
pub struct Fixed(pub usize, pub f64);

impl ModuleMapper for Fixed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = noise(self.0, self.1);
        self.0 += 1;
        param.map(|old| {
            let new = tensor(old.dims(), &old.device(), value);
            match old.is_require_grad() {
                true => new.require_grad(),
                false => new,
            }
        })
    }
}

/// Fails unless `got` is `want` to a relative tolerance (absolute below one).
#[track_caller]
pub fn assert_close(got: f64, want: f64, tolerance: f64, what: &str) {
    let bound = tolerance * want.abs().max(1.0);
    assert!(
        (got - want).abs() <= bound,
        "{what}: got {got}, want {want} to {bound:.1e}"
    );
}

/// As [`assert_close`], for every pair.
#[track_caller]
pub fn assert_all_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: another number of values");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        assert_close(got, want, tolerance, &format!("{what}[{i}]"));
    }
}

/// The derivative of `f` at `x`, by central differences of fourth order.
pub fn derivative(f: impl Fn(f64) -> f64, x: f64) -> f64 {
    let h = 1e-3 * x.abs().max(1.0);
    (8.0 * (f(x + h) - f(x - h)) - (f(x + 2.0 * h) - f(x - 2.0 * h))) / (12.0 * h)
}

/// `integral of f from a to b`, by Simpson's rule.
pub fn integrate(f: impl Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    let n = 20_000;
    let h = (b - a) / n as f64;
    let inner: f64 = (1..n)
        .map(|i| f(a + i as f64 * h) * if i % 2 == 1 { 4.0 } else { 2.0 })
        .sum();
    (f(a) + inner + f(b)) * h / 3.0
}
