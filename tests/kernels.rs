//! The kernels against scalar formulas in f64, their gradients against finite differences of those
//! formulas, on every backend; and their behaviour at the extremes.

mod common;

use burn::prelude::*;
use burn_generative::kernel;
use common::{assert_all_close, assert_close, derivative, devices, noise, tensor, values};

/// Per-element formulas in f64: what the kernels sum.
mod formula {
    pub fn kl(mean: f64, log_var: f64) -> f64 {
        0.5 * (mean * mean + log_var.exp() - 1.0 - log_var)
    }
    pub fn kl_between(mq: f64, lq: f64, mp: f64, lp: f64) -> f64 {
        0.5 * (lp - lq + (lq - lp).exp() + (mq - mp).powi(2) * (-lp).exp() - 1.0)
    }
    pub fn bernoulli(logit: f64, target: f64) -> f64 {
        logit.max(0.0) + (-logit.abs()).exp().ln_1p() - logit * target
    }
    pub fn gaussian(mean: f64, target: f64, log_var: f64) -> f64 {
        let ln_2pi = (2.0 * std::f64::consts::PI).ln();
        0.5 * (ln_2pi + log_var + (target - mean).powi(2) * (-log_var).exp())
    }
    pub fn reparameterize(mean: f64, log_var: f64, noise: f64) -> f64 {
        mean + (0.5 * log_var).exp() * noise
    }
}

const SHAPE: [usize; 3] = [5, 3, 7];
const ELEMENTS: usize = 5 * 3 * 7;
const EVENT: usize = 3 * 7;

/// Checks a kernel of `N` tensors against its formula: value per sample, and the gradient of every
/// argument. The arguments are `noise(k, scale)`, shifted for those named in `unit` to `[0, 1]`.
fn check<const N: usize>(
    name: &str,
    kernel: impl Fn([Tensor<3>; N]) -> Tensor<1>,
    formula: impl Fn([f64; N]) -> f64,
    unit: Option<usize>,
) {
    let argument = |k: usize, i: usize| match unit == Some(k) {
        true => 0.5 + noise(k, 0.5)(i),
        false => noise(k, 2.5)(i),
    };
    // What f32 makes of them is what both sides see.
    let at = |i: usize| -> [f64; N] { core::array::from_fn(|k| f64::from(argument(k, i) as f32)) };
    for (device_name, device) in devices() {
        let device = device.autodiff();
        let inputs: [Tensor<3>; N] =
            core::array::from_fn(|k| tensor(SHAPE, &device, |i| argument(k, i)).require_grad());
        let output = kernel(inputs.clone());
        let expected: Vec<f64> = (0..SHAPE[0])
            .map(|row| {
                (row * EVENT..(row + 1) * EVENT)
                    .map(|i| formula(at(i)))
                    .sum()
            })
            .collect();
        assert_all_close(
            &values(output.clone()),
            &expected,
            1e-5,
            &format!("{name} on {device_name}"),
        );

        // Samples are weighed apart, so that a gradient that crosses samples is seen.
        let weights = tensor([SHAPE[0]], &device, |row| 1.0 + row as f64);
        let gradients = (output * weights).sum().backward();
        for k in 0..N {
            let got = values(
                inputs[k]
                    .grad(&gradients)
                    .expect("every argument has a gradient"),
            );
            let want: Vec<f64> = (0..ELEMENTS)
                .map(|i| {
                    let along = |x: f64| {
                        let mut arguments = at(i);
                        arguments[k] = x;
                        formula(arguments)
                    };
                    (1.0 + (i / EVENT) as f64) * derivative(along, at(i)[k])
                })
                .collect();
            assert_all_close(
                &got,
                &want,
                2e-5,
                &format!("{name}, gradient {k} on {device_name}"),
            );
        }
    }
}

#[test]
fn gaussian_kl_is_its_formula() {
    check(
        "gaussian_kl",
        |[m, l]| kernel::gaussian_kl(m, l),
        |[m, l]| formula::kl(m, l),
        None,
    );
}

#[test]
fn gaussian_kl_between_is_its_formula() {
    check(
        "gaussian_kl_between",
        |[mq, lq, mp, lp]| kernel::gaussian_kl_between(mq, lq, mp, lp),
        |[mq, lq, mp, lp]| formula::kl_between(mq, lq, mp, lp),
        None,
    );
}

#[test]
fn bernoulli_nll_is_its_formula() {
    check(
        "bernoulli_nll",
        |[l, x]| kernel::bernoulli_nll(l, x),
        |[l, x]| formula::bernoulli(l, x),
        Some(1),
    );
}

#[test]
fn gaussian_nll_is_its_formula() {
    check(
        "gaussian_nll",
        |[m, x, l]| kernel::gaussian_nll(m, x, l),
        |[m, x, l]| formula::gaussian(m, x, l),
        None,
    );
    let variance = 0.37f64;
    check(
        "gaussian_nll_fixed",
        |[m, x]| kernel::gaussian_nll_fixed(m, x, variance),
        |[m, x]| formula::gaussian(m, x, variance.ln()),
        None,
    );
}

#[test]
fn reparameterize_is_its_formula() {
    // Squared and summed, so that the gradient with respect to every element of z differs.
    check(
        "reparameterize",
        |[m, l, n]| kernel::sum_event(kernel::reparameterize(m, l, n).square()),
        |[m, l, n]| formula::reparameterize(m, l, n).powi(2),
        None,
    );
}

#[test]
fn one_variance_can_be_shared_by_all_elements() {
    for (name, device) in devices() {
        let mean = tensor(SHAPE, &device, noise(1, 2.0));
        let target = tensor(SHAPE, &device, noise(2, 2.0));
        let shared = kernel::gaussian_nll(
            mean.clone(),
            target.clone(),
            Tensor::full([1; 3], -0.7, &device),
        );
        let fixed = kernel::gaussian_nll_fixed(mean, target, (-0.7f64).exp());
        assert_all_close(&values(shared), &values(fixed), 1e-5, name);
    }
}

#[test]
fn the_extremes_are_finite_and_right() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let row = |xs: &[f64]| tensor([xs.len(), 1], &device, |i| xs[i]).require_grad();

        let extremes = [-30.0, 0.0, 30.0];
        let (mean, log_var) = (row(&[1.0; 3]), row(&extremes));
        let kl = kernel::gaussian_kl(mean.clone(), log_var.clone());
        let want = extremes.map(|l| formula::kl(1.0, l));
        assert_all_close(&values(kl.clone()), &want, 1e-5, &format!("kl on {name}"));
        let gradient = log_var.grad(&kl.sum().backward()).unwrap();
        let want = extremes.map(|l: f64| 0.5 * (l.exp() - 1.0));
        assert_all_close(
            &values(gradient),
            &want,
            1e-5,
            &format!("kl gradient on {name}"),
        );

        let logits = [-100.0, -20.0, 0.0, 0.0, 20.0, 100.0];
        let targets = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        let (l, x) = (row(&logits), row(&targets));
        let nll = kernel::bernoulli_nll(l.clone(), x);
        let want: Vec<f64> = logits
            .iter()
            .zip(targets)
            .map(|(&l, x)| formula::bernoulli(l, x))
            .collect();
        assert_all_close(&values(nll.clone()), &want, 1e-5, &format!("nll on {name}"));
        let gradient = values(l.grad(&nll.sum().backward()).unwrap());
        // sigmoid(l) - x: at l = 0 it is 1/2 - x, where a max(l, 0) formula has -x.
        let want: Vec<f64> = logits
            .iter()
            .zip(targets)
            .map(|(&l, x)| 1.0 / (1.0 + (-l).exp()) - x)
            .collect();
        assert_all_close(&gradient, &want, 1e-5, &format!("nll gradient on {name}"));
    }
}

#[test]
fn a_nan_stays_in_its_own_sample() {
    for (name, device) in devices() {
        let mean = tensor([3, 4], &device, |i| if i == 5 { f64::NAN } else { 0.5 });
        let kl = values(kernel::gaussian_kl(mean.clone(), mean.zeros_like()));
        assert!(kl[1].is_nan(), "{name}: a NaN was lost");
        assert_close(kl[0], 0.5, 1e-6, name);
        assert_close(kl[2], 0.5, 1e-6, name);
    }
}

#[test]
fn strided_views_and_empty_batches_work() {
    for (name, device) in devices() {
        let wide = tensor([6, 8], &device, noise(3, 1.0));
        let view = wide.clone().transpose().slice([1..7, 1..5]);
        let copy: Tensor<2> = Tensor::from_data(view.clone().into_data(), &device);
        let [of_view, of_copy] = [view, copy].map(|t| values(kernel::gaussian_kl(t.clone(), t)));
        assert_all_close(&of_view, &of_copy, 1e-6, name);
    }
    // An empty batch is a tensor like any other on the CPU backends.
    #[cfg(feature = "flex")]
    {
        let empty = Tensor::<2>::zeros([0, 4], &Device::flex());
        assert_eq!(kernel::gaussian_kl(empty.clone(), empty).dims(), [0]);
    }
}

/// What a caller's mistake says; before anything runs.
#[track_caller]
fn message(mistake: impl FnOnce() -> Tensor<1>) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(mistake)).err();
    let panic = panic.expect("the mistake went through");
    *panic
        .downcast::<String>()
        .expect("a message with what differs in it")
}

#[test]
fn shapes_that_differ_are_named() {
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &Device::default());
    let (a, b) = ([2, 3], [2, 4]);
    let said = [
        message(|| kernel::gaussian_kl(zeros(a), zeros(b))),
        message(|| kernel::gaussian_kl_between(zeros(a), zeros(a), zeros(a), zeros(b))),
        message(|| kernel::bernoulli_nll(zeros(a), zeros(b))),
        message(|| kernel::gaussian_nll(zeros(a), zeros(b), zeros(a))),
        message(|| kernel::gaussian_nll(zeros(a), zeros(a), zeros(b))),
        message(|| kernel::gaussian_nll_fixed(zeros(a), zeros(b), 1.0)),
        message(|| kernel::squared_error(zeros(a), zeros(b))),
        message(|| kernel::sum_event(kernel::reparameterize(zeros(a), zeros(b), zeros(a)))),
        message(|| kernel::sum_event(kernel::reparameterize(zeros(a), zeros(a), zeros(b)))),
        message(|| kernel::sum_event(kernel::reparameterize_seeded(zeros(a), zeros(b), 1))),
    ];
    for said in said {
        assert!(said.contains("[2, 3]") && said.contains("[2, 4]"), "{said}");
    }
    let said = message(|| kernel::gaussian_kl(zeros(a), zeros(b)));
    assert!(
        said.starts_with("gaussian_kl: mean has shape [2, 3], log_var has shape [2, 4]"),
        "{said}"
    );
}

#[test]
fn an_empty_event_is_refused() {
    let empty = || Tensor::<3>::zeros([4, 0, 3], &Device::default());
    for said in [
        message(|| kernel::gaussian_kl(empty(), empty())),
        message(|| kernel::bernoulli_nll(empty(), empty())),
        message(|| kernel::sum_event(kernel::reparameterize_seeded(empty(), empty(), 1))),
    ] {
        assert!(
            said.contains("[4, 0, 3]") && said.contains("at least one element"),
            "{said}"
        );
    }
}

#[test]
fn float_types_that_differ_are_named() {
    let device = Device::default();
    let single = Tensor::<2>::zeros([2, 3], &device);
    let double = single.clone().cast(burn::tensor::DType::F64);
    let said = message(|| kernel::gaussian_kl(single, double));
    assert!(
        said.contains("F32") && said.contains("F64") && said.contains("cast"),
        "{said}"
    );
}

#[cfg(all(feature = "flex", feature = "ndarray"))]
#[test]
fn devices_that_differ_are_named() {
    let devices = devices();
    let on = |i: usize| Tensor::<2>::zeros([2, 3], &devices[i].1);
    let said = message(|| kernel::gaussian_kl(on(0), on(1)));
    assert!(said.contains("Flex") && said.contains("NdArray"), "{said}");
    assert!(
        said.contains("mean is on") && said.contains("to_device"),
        "{said}"
    );
}

/// A device with autodiff and the same one without go together: data has no gradients.
#[test]
fn a_constant_needs_no_autodiff_device() {
    for (name, device) in devices() {
        let logits = tensor([2, 3], &device.clone().autodiff(), noise(1, 1.0)).require_grad();
        let target = tensor([2, 3], &device, |i| (i % 2) as f64);
        let nll = kernel::bernoulli_nll(logits.clone(), target);
        let gradient = values(logits.grad(&nll.sum().backward()).unwrap());
        let logit = noise(1, 1.0)(0) as f32;
        assert_close(
            gradient[0],
            f64::from(1.0 / (1.0 + (-logit).exp())),
            1e-6,
            name,
        );
    }
}

/// burn 0.22.1 under Fusion reads the wrong elements in a chain of elementwise operations on the
/// output of a convolution with one channel; the kernels step around it.
#[test]
fn the_output_of_a_convolution_with_one_channel_is_read_right() {
    use burn::nn::conv::ConvTranspose2dConfig;
    for (name, device) in devices() {
        let convolution = ConvTranspose2dConfig::new([4, 1], [3, 3])
            .with_stride([2, 2])
            .init(&device);
        let maps = convolution.forward(tensor([6, 4, 6, 5], &device, noise(1, 1.0)));
        let shape = maps.dims();
        let copy = Tensor::<4>::from_data(maps.clone().into_data(), &device);
        let target = || tensor(shape, &device, |i| 0.5 + noise(4, 0.5)(i));
        for (what, kernel) in [
            (
                "bernoulli",
                kernel::bernoulli_nll as fn(Tensor<4>, Tensor<4>) -> Tensor<1>,
            ),
            ("kl", kernel::gaussian_kl),
            // A chain of elementwise operations, which Fusion fuses.
            ("plain bernoulli", kernel::reference::bernoulli_nll),
            ("plain kl", kernel::reference::gaussian_kl),
        ] {
            // A convolution of its own for each, so that the kernel is its only reader.
            let fresh = convolution.forward(tensor([6, 4, 6, 5], &device, noise(1, 1.0)));
            let got = values(kernel(fresh, target()));
            let want = values(kernel(copy.clone(), target()));
            assert_all_close(&got, &want, 1e-5, &format!("{what} on {name}"));
        }
    }
}
