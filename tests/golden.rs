//! Golden numbers from PyTorch (tests/golden/vae.py): with the same weights, images and noise, every
//! loss term and every gradient agrees, on every backend.

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_generative::loss::Likelihood;
use burn_generative::prelude::*;
use common::{assert_all_close, devices, noise, tensor, values};
use serde_json::Value;

/// Sets the k-th parameter that is visited to `noise(k, 0.3)`.
struct Fixed(usize);

impl ModuleMapper for Fixed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = noise(self.0, 0.3);
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

/// The sum and the norm of each parameter's gradient.
fn summaries<M: Module>(module: &M, gradients: &Gradients) -> Vec<f64> {
    let summary = |gradient: Vec<f64>| {
        let squares: f64 = gradient.iter().map(|x| x * x).sum();
        [gradient.iter().sum(), squares.sqrt()]
    };
    let all = common::gradients(module, gradients);
    all.into_iter().flat_map(summary).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        one => vec![one.as_f64().expect("a number")],
    }
}

fn compare<E, D>(what: &str, init: impl Fn(&Device) -> (E, D))
where
    E: Encoder<Input = Tensor<4>, Code = DiagonalGaussian> + Module,
    D: Decoder<Latent = Tensor<2>, Output = Tensor<4>>,
    Vae<E, D, StandardNormal, Likelihood>: Module,
{
    let golden: Value = serde_json::from_str(include_str!("golden/vae.json")).unwrap();
    for (name, device) in devices() {
        let tolerance = if name == "wgpu" { 1e-4 } else { 1e-5 };
        let device = device.autodiff();
        for (kind, likelihood) in [
            ("bernoulli", Likelihood::Bernoulli(BernoulliNll)),
            ("gaussian", Likelihood::Gaussian(GaussianNll::new(0.25))),
        ] {
            let (encoder, decoder) = init(&device);
            let vae = VaeConfig::new()
                .with_beta(2.0)
                .init(encoder, decoder, StandardNormal::new(3), likelihood)
                .unwrap()
                .map(&mut Fixed(0));
            let images = tensor([6, 1, 12, 10], &device, noise(1004, 0.5)) + 0.5;
            let losses = vae.losses_with(images, tensor([6, 3], &device, noise(1005, 1.5)));

            let want = &golden[&format!("{what}-{kind}")];
            let what = format!("{what}, {kind}, on {name}");
            for term in ["reconstruction", "kl"] {
                let got = values(losses.term(term).unwrap());
                let what = format!("{term} of {what}");
                assert_all_close(&got, &numbers(&want[term]), tolerance, &what);
            }
            let got = summaries(&vae, &losses.mean().backward());
            let want = numbers(&want["gradients"]);
            assert_all_close(&got, &want, tolerance, &format!("gradients of {what}"));
        }
    }
}

#[test]
fn multi_layer_perceptron() {
    compare("mlp", common::mlp);
}

#[test]
fn convolutions() {
    compare("conv", common::conv);
}
