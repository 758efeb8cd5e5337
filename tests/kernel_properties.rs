//! The kernels against their references in `f64`: values and every gradient, on every backend, over shapes,
//! memory layouts and magnitudes drawn at random. (tests/kernels.rs checks them against formulas and finite
//! differences at fixed arguments.)

mod common;

use burn::prelude::*;
use burn::tensor::module::BatchNormTrainOutput;
use burn::tensor::{DType, bf16, f16};
use burn_generative::kernel::{self, reference};
use common::{devices, values};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A matrix as a kernel may meet it: some numbers, and how they lie in memory.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    /// The event's axes.
    event: Vec<usize>,
    layouts: Vec<Layout>,
    /// Numbers for every argument, enough for the largest layout.
    numbers: Vec<Vec<f32>>,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    Contiguous,
    /// The batch is the last axis in memory.
    Transposed,
    /// A window of a larger tensor.
    Sliced,
    /// One event for the whole batch.
    Repeated,
}

impl Case {
    fn elements(&self) -> usize {
        self.batch * self.event.iter().product::<usize>()
    }

    /// The argument `k`, laid out as drawn.
    fn argument<const D: usize>(&self, k: usize, device: &Device, dtype: DType) -> Tensor<D> {
        let shape: [usize; D] = std::iter::once(self.batch)
            .chain(self.event.iter().copied())
            .collect::<Vec<_>>()
            .try_into()
            .expect("the rank of the case");
        let fill = |shape: [usize; D]| -> Tensor<D> {
            let numbers = &self.numbers[k];
            let numbers: Vec<f32> = (0..shape.iter().product())
                .map(|i| numbers[i % numbers.len()])
                .collect();
            Tensor::from_data(TensorData::new(numbers, shape), (device, dtype))
        };
        let mut axes: [isize; D] = std::array::from_fn(|axis| axis as isize);
        match self.layouts[k] {
            Layout::Contiguous => fill(shape),
            Layout::Transposed => {
                let mut turned = shape;
                turned.rotate_left(1);
                axes.rotate_right(1);
                fill(turned).permute(axes)
            }
            Layout::Sliced => {
                let wider = shape.map(|n| n + 2);
                let window: [std::ops::Range<usize>; D] = shape.map(|n| 1..n + 1);
                fill(wider).slice(window)
            }
            // burn expands to no empty shape.
            Layout::Repeated if self.batch == 0 => fill(shape),
            Layout::Repeated => {
                let mut one = shape;
                one[0] = 1;
                fill(one).expand(shape)
            }
        }
    }
}

/// What log-variances, means and logits are drawn from: mostly of the size they have in training, sometimes
/// at the ends of what a model can make of them.
fn number(end: f32) -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -3.0f32..3.0,
        1 => Just(0.0f32),
        1 => Just(end),
        1 => Just(-end),
        1 => -1e-3f32..1e-3,
    ]
}

fn case(ends: Vec<f32>) -> impl Strategy<Value = Case> {
    let batch = prop_oneof![1 => Just(0usize), 8 => 1usize..9, 1 => Just(130)];
    let event = prop_oneof![
        4 => prop::collection::vec(1usize..40, 1..2),
        2 => prop::collection::vec(1usize..8, 2..3),
        2 => prop::collection::vec(1usize..6, 3..4),
        // Around the tile of the CPU kernels, and beyond it.
        1 => (1000usize..1100).prop_map(|n| vec![n]),
        1 => (2000usize..3100).prop_map(|n| vec![n]),
    ];
    let layout = || {
        prop_oneof![
            3 => Just(Layout::Contiguous),
            1 => Just(Layout::Transposed),
            1 => Just(Layout::Sliced),
            1 => Just(Layout::Repeated),
        ]
    };
    let layouts: Vec<_> = ends.iter().map(|_| layout()).collect();
    // A prime number of them, so that no row repeats another.
    let numbers: Vec<_> = ends
        .iter()
        .map(|&end| prop::collection::vec(number(end), 211..212))
        .collect();
    (batch, event, layouts, numbers).prop_map(|(batch, event, layouts, numbers)| Case {
        batch,
        event,
        layouts,
        numbers,
    })
}

/// An operation with its reference, for one rank; the kernel returns anything per element or per sample.
type Operation<const D: usize, const N: usize> = fn([Tensor<D>; N]) -> Tensor<1>;

/// The value, and the gradient of every argument.
fn run<const D: usize, const N: usize>(
    case: &Case,
    device: &Device,
    dtype: DType,
    operation: Operation<D, N>,
) -> (Vec<f64>, [Vec<f64>; N]) {
    let device = device.clone().autodiff();
    let arguments: [Tensor<D>; N] =
        std::array::from_fn(|k| case.argument::<D>(k, &device, dtype).require_grad());
    let output = operation(arguments.clone());
    // A weight for each output, so that a gradient that lands on another one is seen.
    let weights: Vec<f32> = (0..output.dims()[0])
        .map(|i| 1.0 - (i % 7) as f32 / 4.0)
        .collect();
    let weights = Tensor::<1>::from_data(TensorData::from(&weights[..]), (&device, dtype));
    let gradients = (output.clone() * weights).sum().backward();
    let gradients = arguments.map(|argument| {
        values(
            argument
                .grad(&gradients)
                .expect("every argument has a gradient"),
        )
    });
    (values(output), gradients)
}

/// Fails unless every number is the oracle's, to `tolerance` times its size or that of the terms it is a
/// difference of (`scale`).
fn agree(
    got: &[f64],
    want: &[f64],
    tolerance: f64,
    scale: f64,
    what: &str,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), want.len(), "{}", what);
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let bound = tolerance * want.abs().max(scale);
        prop_assert!(
            (got - want).abs() <= bound,
            "{}[{}]: got {}, want {}",
            what,
            i,
            got,
            want
        );
    }
    Ok(())
}

/// Runs an operation and its reference over drawn cases, on every backend.
fn holds<const N: usize>(
    name: &str,
    ends: [f32; N],
    // The operation at the ranks that cases have.
    ours: (Operation<2, N>, Operation<3, N>, Operation<4, N>),
    plain: (Operation<2, N>, Operation<3, N>, Operation<4, N>),
) {
    let exact = common::cpu();
    for (device_name, device) in devices() {
        // Software Vulkan takes its time; the layouts and sizes are all seen in as many cases.
        let (cases, tolerance) = if device_name == "wgpu" {
            (12, 1e-4)
        } else {
            (96, 1e-5)
        };
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let result = runner.run(&case(ends.to_vec()), |case| {
            let (got, want) = match case.event.len() {
                1 => (
                    run(&case, &device, DType::F32, ours.0),
                    run(&case, &exact, DType::F64, plain.0),
                ),
                2 => (
                    run(&case, &device, DType::F32, ours.1),
                    run(&case, &exact, DType::F64, plain.1),
                ),
                _ => (
                    run(&case, &device, DType::F32, ours.2),
                    run(&case, &exact, DType::F64, plain.2),
                ),
            };
            let what = format!("{name} on {device_name}");
            let per_output = (case.elements() / got.0.len().max(1)) as f64;
            agree(&got.0, &want.0, tolerance, per_output, &what)?;
            for k in 0..N {
                let what = format!("{what}, gradient {k}");
                // A repeated argument's gradient is a sum over the batch.
                let terms = match case.layouts[k] {
                    Layout::Repeated => case.batch.max(1) as f64,
                    _ => 1.0,
                };
                agree(&got.1[k], &want.1[k], tolerance, terms, &what)?;
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}

/// The property for one operation: its name, the largest magnitude of each argument, how the kernel and the
/// reference are called.
macro_rules! property {
    ($test:ident, [$($end:literal),*], |$arguments:pat_param, $module:ident| $body:expr) => {
        #[test]
        fn $test() {
            #[allow(unused_braces)] // rustfmt's
            fn ours<const D: usize>($arguments: [Tensor<D>; [$($end),*].len()]) -> Tensor<1> {
                use kernel as $module;
                $body
            }
            #[allow(unused_braces)]
            fn plain<const D: usize>($arguments: [Tensor<D>; [$($end),*].len()]) -> Tensor<1> {
                use reference as $module;
                $body
            }
            holds(
                stringify!($test),
                [$($end),*],
                (ours::<2>, ours::<3>, ours::<4>),
                (plain::<2>, plain::<3>, plain::<4>),
            );
        }
    };
}

/// All elements of a tensor, so that one that is not per sample goes through the same checks.
fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let elements = tensor.shape().num_elements();
    tensor.reshape([elements])
}

property!(
    reparameterize,
    [10.0, 30.0, 4.0],
    |[mean, log_var, noise], module| { flat(module::reparameterize(mean, log_var, noise)) }
);
property!(
    reparameterize_seeded,
    [10.0, 30.0],
    |[mean, log_var], module| {
        flat(module::reparameterize_seeded(
            mean,
            log_var,
            0x0123_4567_89AB_CDEF,
        ))
    }
);
property!(gaussian_kl, [30.0, 30.0], |[mean, log_var], module| {
    module::gaussian_kl(mean, log_var)
});
property!(
    gaussian_kl_between,
    [10.0, 30.0, 10.0, 30.0],
    |[mq, lq, mp, lp], module| { module::gaussian_kl_between(mq, lq, mp, lp) }
);
property!(bernoulli_nll, [100.0, 1.0], |[logits, target], module| {
    module::bernoulli_nll(logits, target)
});
property!(
    gaussian_nll,
    [10.0, 10.0, 30.0],
    |[mean, target, log_var], module| { module::gaussian_nll(mean, target, log_var) }
);
property!(
    gaussian_nll_fixed,
    [10.0, 10.0],
    |[mean, target], module| { module::gaussian_nll_fixed(mean, target, 0.1) }
);
property!(squared_error, [10.0, 10.0], |[mean, target], module| {
    module::squared_error(mean, target)
});

/// NaN in, NaN out: in that sample, and nowhere else.
#[test]
fn a_nan_stays_in_its_sample() {
    const SHAPE: [usize; 2] = [6, 37];
    const ROW: usize = 4;
    type Kernel = fn([Tensor<2>; 4]) -> Tensor<1>;
    let kernels: [(&str, usize, Kernel); 6] = [
        ("reparameterize", 3, |[m, l, n, _]| {
            kernel::sum_event(kernel::reparameterize(m, l, n))
        }),
        ("gaussian_kl", 2, |[m, l, _, _]| kernel::gaussian_kl(m, l)),
        ("gaussian_kl_between", 4, |[a, b, c, d]| {
            kernel::gaussian_kl_between(a, b, c, d)
        }),
        ("bernoulli_nll", 2, |[l, x, _, _]| {
            kernel::bernoulli_nll(l, x)
        }),
        ("gaussian_nll", 3, |[m, x, l, _]| {
            kernel::gaussian_nll(m, x, l)
        }),
        ("squared_error", 2, |[m, x, _, _]| {
            kernel::squared_error(m, x)
        }),
    ];
    for (device_name, device) in devices() {
        for (name, arguments, kernel) in kernels {
            let tensors = |nan: Option<usize>| -> [Tensor<2>; 4] {
                std::array::from_fn(|k| {
                    common::tensor(SHAPE, &device, |i| {
                        match nan == Some(k) && i == ROW * SHAPE[1] + 20 {
                            true => f64::NAN,
                            false => common::noise(k, 1.0)(i),
                        }
                    })
                })
            };
            let clean = values(kernel(tensors(None)));
            for argument in 0..arguments {
                let output = values(kernel(tensors(Some(argument))));
                for (row, (got, want)) in output.iter().zip(&clean).enumerate() {
                    let what =
                        format!("{name} on {device_name}, NaN in argument {argument}, row {row}");
                    match row == ROW {
                        true => assert!(got.is_nan(), "{what}: {got}"),
                        false => assert_eq!(got, want, "{what}"),
                    }
                }
            }
        }
    }
}

/// More rows than one dimension of a GPU's grid has cubes: one cube a row in the fold, and 256 elements a cube
/// in the map. All rows are one, repeated, so that the arguments take no memory.
#[test]
fn batches_beyond_the_size_of_a_grid_are_right() {
    const ROWS: usize = 70_001;
    for (device_name, device) in devices() {
        let row =
            |k: usize, event: usize| common::tensor([1, event], &device, common::noise(k, 1.0));
        let kl = |rows: usize, event: usize| {
            let repeated = |k: usize| row(k, event).expand([rows, event]);
            values(kernel::gaussian_kl(repeated(1), repeated(2)))
        };
        let (got, want) = (kl(ROWS, 513), kl(1, 513)[0]);
        assert_eq!(got.len(), ROWS);
        assert!(
            got.iter().all(|kl| (kl - want).abs() <= 1e-5 * want),
            "{device_name}"
        );

        let z = |rows: usize| {
            let repeated = |k: usize| row(k, 241).expand([rows, 241]);
            kernel::reparameterize(repeated(1), repeated(2), repeated(3))
        };
        let difference = z(ROWS) - z(1);
        let largest = values(difference.abs().max())[0];
        assert!(largest <= 1e-6, "{device_name}: {largest}");
    }
}

/// A matrix that no memory holds, as a view of one number: refused, not wrapped around.
#[cfg(feature = "flex")]
#[test]
fn a_view_beyond_the_address_space_is_refused() {
    let one = Tensor::<2>::zeros([1, 1], &Device::flex());
    for shape in [[1usize << 32, 1 << 32], [1 << 42, 1 << 32]] {
        let huge = || one.clone().expand(shape);
        let fold = std::panic::catch_unwind(|| kernel::gaussian_kl(huge(), huge()));
        let map = std::panic::catch_unwind(|| kernel::reparameterize(huge(), huge(), huge()));
        for panic in [fold.err().unwrap(), map.err().unwrap()] {
            let said = panic.downcast_ref::<String>().expect("a message");
            assert!(said.contains("address space"), "{said}");
        }
    }
}

/// Where the target agrees with a large logit, next to nothing is left, and it is right to a few digits more
/// than a sum of large parts would be. (Relative: an absolute bound would not see it.)
#[test]
fn a_sure_and_right_prediction_keeps_its_digits() {
    let cases = [
        (15.0f64, 1.0),
        (12.0, 1.0),
        (5.0, 1.0),
        (-5.0, 0.0),
        (-15.0, 0.0),
        (30.0, 1.0),
    ];
    for (name, device) in devices() {
        let logits = common::tensor([cases.len(), 1], &device, |i| cases[i].0);
        let target = common::tensor([cases.len(), 1], &device, |i| cases[i].1);
        for (got, (logit, _)) in values(kernel::bernoulli_nll(logits, target))
            .iter()
            .zip(cases)
        {
            let want = (-logit.abs()).exp().ln_1p();
            assert!(
                (got - want).abs() <= 1e-5 * want,
                "{logit} on {name}: {got}, {want}"
            );
        }
    }
}

/// No infinity times zero where the means agree and a variance is next to none: one for each element, for each sample, for
/// all of them, and one that is fixed.
#[test]
fn a_tiny_variance_at_the_mean_is_finite() {
    let want = 0.5 * 3.0 * (std::f64::consts::TAU.ln() - 100.0);
    for (name, device) in devices() {
        for shape in [[2, 3], [1, 3], [2, 1], [1, 1]] {
            let ones = || Tensor::<2>::ones([2, 3], &device);
            let log_var = Tensor::<2>::full(shape, -100.0, &device);
            for nll in [
                kernel::gaussian_nll(ones(), ones(), log_var.clone()),
                reference::gaussian_nll(ones(), ones(), log_var),
                kernel::gaussian_nll_fixed(ones(), ones(), (-100f64).exp()),
                reference::gaussian_nll_fixed(ones(), ones(), (-100f64).exp()),
            ] {
                common::assert_all_close(&values(nll), &[want; 2], 1e-5, name);
            }
        }
        let device = device.autodiff();
        let mean = Tensor::<2>::ones([2, 3], &device).require_grad();
        let log_var = Tensor::<2>::full([2, 3], -100.0, &device).require_grad();
        let shared = Tensor::<2>::full([1, 1], -100.0, &device).require_grad();
        let loss = kernel::gaussian_nll(mean.clone(), mean.clone().detach(), shared.clone());
        let gradients = loss.sum().backward();
        assert_eq!(values(shared.grad(&gradients).unwrap()), [3.0], "{name}");
        for loss in [
            kernel::gaussian_nll(mean.clone(), mean.clone().detach(), log_var.clone()),
            kernel::gaussian_kl_between(
                mean.clone(),
                log_var.clone(),
                mean.clone().detach(),
                log_var.clone().detach(),
            ),
        ] {
            assert!(values(loss.clone()).iter().all(|x| x.is_finite()), "{name}");
            let gradients = loss.sum().backward();
            for argument in [&mean, &log_var] {
                let gradient = values(argument.grad(&gradients).unwrap());
                assert!(
                    gradient.iter().all(|x| x.is_finite()),
                    "{name}: {gradient:?}"
                );
            }
        }
    }
}

#[test]
fn a_variance_that_is_none_is_refused() {
    let ones = || Tensor::<2>::ones([2, 3], &common::cpu());
    type Fixed = fn(Tensor<2>, Tensor<2>, f64) -> Tensor<1>;
    let both: [Fixed; 2] = [kernel::gaussian_nll_fixed, reference::gaussian_nll_fixed];
    for nll in both {
        for variance in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let refused = std::panic::catch_unwind(|| nll(ones(), ones(), variance));
            let message = *refused.unwrap_err().downcast::<String>().unwrap();
            assert!(message.contains("must be a positive number"), "{message}");
        }
    }
}

/// Every way in which noise and a log-variance may broadcast, values and gradients.
#[test]
fn broadcast_arguments_have_the_gradients_of_the_reference() {
    let exact = common::cpu();
    let fill = |k: usize, shape: [usize; 3], device: &Device, dtype: DType| -> Tensor<3> {
        let numbers: Vec<f32> = (0..shape.iter().product())
            .map(|i| common::noise(k, 1.0)(i) as f32)
            .collect();
        Tensor::from_data(TensorData::new(numbers, shape), (device, dtype)).require_grad()
    };
    for (name, device) in devices() {
        let tolerance = if name == "wgpu" { 1e-4 } else { 1e-5 };
        for small in [
            [1, 2, 3],
            [4, 1, 1],
            [1, 1, 3],
            [4, 2, 1],
            [1, 1, 1],
            [4, 2, 3],
        ] {
            for (which, kernel, plain) in [
                (
                    "reparameterize",
                    (|a, b, c| flat(kernel::reparameterize(a, b, c))) as fn(_, _, _) -> _,
                    (|a, b, c| flat(reference::reparameterize(a, b, c))) as fn(_, _, _) -> _,
                ),
                (
                    "gaussian_nll",
                    kernel::gaussian_nll::<3>,
                    reference::gaussian_nll::<3>,
                ),
            ] {
                let run =
                    |device: &Device,
                     dtype: DType,
                     of: fn(Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<1>| {
                        let device = device.clone().autodiff();
                        let arguments = [
                            fill(1, [4, 2, 3], &device, dtype),
                            fill(2, [4, 2, 3], &device, dtype),
                            fill(3, small, &device, dtype),
                        ];
                        let [a, b, c] = arguments.clone();
                        let output = of(a, b, c);
                        let gradients = output.clone().square().sum().backward();
                        let mut all = values(output);
                        for argument in arguments {
                            all.extend(values(argument.grad(&gradients).expect("a gradient")));
                        }
                        all
                    };
                let got = run(&device, DType::F32, kernel);
                let want = run(&exact, DType::F64, plain);
                let what = format!("{which} with {small:?} on {name}");
                common::assert_all_close(&got, &want, 4.0 * tolerance, &what);
            }
        }
    }
}

/// Half precision: kept in 16 bits, computed in `f32`, so that a sum over 3000 elements is as exact as its
/// one rounding at the end.
#[cfg(feature = "flex")]
#[test]
fn half_precision_is_rounded_only_where_it_is_kept() {
    let device = Device::flex();
    let exact = |dtype: DType, tensor: Tensor<2>| tensor.cast(dtype).cast(DType::F64);
    for (dtype, unit) in [
        (DType::F16, f64::from(f16::EPSILON.to_f32())),
        (DType::BF16, f64::from(bf16::EPSILON.to_f32())),
    ] {
        let fill = |k: usize| common::tensor([3, 3000], &device, common::noise(k, 1.0));
        let got = kernel::gaussian_kl(fill(1).cast(dtype), fill(2).cast(dtype));
        assert_eq!(got.dtype(), dtype);
        let want = reference::gaussian_kl(exact(dtype, fill(1)), exact(dtype, fill(2)));
        common::assert_all_close(&values(got), &values(want), unit, &format!("{dtype:?}"));

        let autodiff = device.clone().autodiff();
        let inner = |t: Tensor<2>| {
            Tensor::<2>::from_inner(t)
                .to_device(&autodiff)
                .require_grad()
        };
        let (mean, log_var) = (inner(fill(1).cast(dtype)), inner(fill(2).cast(dtype)));
        let z = kernel::reparameterize_seeded(mean.clone(), log_var.clone(), 3);
        let wanted =
            reference::reparameterize_seeded(exact(dtype, fill(1)), exact(dtype, fill(2)), 3);
        common::assert_all_close(&values(z.clone()), &values(wanted.clone()), unit, "z");
        let gradient = log_var.grad(&z.sum().backward()).unwrap();
        assert_eq!(gradient.dtype(), dtype);
        let want = (wanted - exact(dtype, fill(1))).mul_scalar(0.5);
        // The gradient inherits the rounding of z.
        common::assert_all_close(&values(gradient), &values(want), 4.0 * unit, "gradient");
    }
}

/// A sum of squares beyond the largest `f16`, in a likelihood that is not.
#[cfg(feature = "flex")]
#[test]
fn half_precision_does_not_overflow_on_the_way() {
    let device = Device::flex();
    let fill = |x: f64| Tensor::<2>::full([2, 784], x, (&device, DType::F16));
    let want = 0.5 * 784.0 * ((2.0 * std::f64::consts::PI).ln() + 5.0 + 100.0 * (-5.0f64).exp());
    let shared = Tensor::<2>::full([1, 1], 5.0, (&device, DType::F16));
    for got in [
        kernel::gaussian_nll(fill(0.0), fill(10.0), shared),
        kernel::gaussian_nll_fixed(fill(0.0), fill(10.0), 5.0f64.exp()),
    ] {
        common::assert_all_close(&values(got), &[want; 2], 2e-3, "f16");
    }
}

/// `f64` goes to the reference, at full precision.
#[cfg(feature = "flex")]
#[test]
fn double_precision_keeps_its_digits() {
    let device = Device::flex();
    let fill = |k: usize| {
        let numbers: Vec<f64> = (0..12).map(common::noise(k, 1.0)).collect();
        Tensor::<2>::from_data(TensorData::new(numbers, [3, 4]), (&device, DType::F64))
    };
    let kl = kernel::gaussian_kl(fill(1), fill(2));
    assert_eq!(kl.dtype(), DType::F64);
    let formula = |i: usize| {
        let (mean, log_var) = (common::noise(1, 1.0)(i), common::noise(2, 1.0)(i));
        0.5 * (mean * mean + log_var.exp() - 1.0 - log_var)
    };
    for (row, got) in values(kl).into_iter().enumerate() {
        let want: f64 = (4 * row..4 * row + 4).map(formula).sum();
        assert!((got - want).abs() < 1e-13, "{got}, {want}");
    }
}

/// An elementwise map of flows, by its kernel or plain: values and logarithms of slopes.
type ElementwiseMap = fn(Tensor<2>, Tensor<3>, f64) -> (Tensor<2>, Tensor<2>);

/// The elementwise maps of flows, in both directions: values, slopes, and the gradients of the numbers and of every
/// parameter, for rows shorter and longer than a vector, for parameters of their own and repeated ones.
#[test]
fn elementwise_maps_are_those_of_the_reference() {
    const BOUND: f64 = 3.0;
    let maps: [(&str, bool, ElementwiseMap, ElementwiseMap); 4] = [
        (
            "affine_map",
            false,
            kernel::affine_map,
            reference::affine_map,
        ),
        (
            "affine_map_inverse",
            false,
            kernel::affine_map_inverse,
            reference::affine_map_inverse,
        ),
        (
            "spline_map",
            true,
            kernel::spline_map,
            reference::spline_map,
        ),
        (
            "spline_map_inverse",
            true,
            kernel::spline_map_inverse,
            reference::spline_map_inverse,
        ),
    ];
    let case = (
        prop_oneof![8 => 1usize..9, 1 => Just(130)],
        prop_oneof![3 => 1usize..16, 3 => 16usize..40, 1 => Just(200)],
        2usize..12,
        any::<bool>(),
        prop::collection::vec(-4.0f32..4.0, 307..308),
        prop::collection::vec(number(8.0), 211..212),
    );
    for (device_name, device) in devices() {
        // A backend without the kernel runs the reference.
        let cases = if device_name == "wgpu" { 2 } else { 64 };
        for (name, is_spline, ours, plain) in maps {
            let config = Config {
                cases,
                failure_persistence: None,
                ..Config::default()
            };
            let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
            let mut runner = TestRunner::new_with_rng(config, rng);
            let result = runner.run(
                &case,
                |(batch, coordinates, bins, is_repeated, numbers, raw)| {
                    let count = if is_spline { 3 * bins - 1 } else { 2 };
                    let run = |device: &Device, dtype: DType, map: ElementwiseMap| {
                        let device = device.clone().autodiff();
                        let fill = |from: &[f32], len: usize| -> Vec<f32> {
                            (0..len).map(|i| from[i % from.len()]).collect()
                        };
                        let shape = [batch, coordinates];
                        let numbers = TensorData::new(fill(&numbers, batch * coordinates), shape);
                        let numbers =
                            Tensor::<2>::from_data(numbers, (&device, dtype)).require_grad();
                        let shape = [if is_repeated { 1 } else { batch }, count, coordinates];
                        let parameters = TensorData::new(fill(&raw, shape.iter().product()), shape);
                        let parameters =
                            Tensor::<3>::from_data(parameters, (&device, dtype)).require_grad();
                        let (value, slope) = map(numbers.clone(), parameters.clone(), BOUND);
                        let weights = |k| {
                            common::tensor::<2>(
                                [batch, coordinates],
                                &device,
                                common::noise(k, 1.0),
                            )
                            .cast(dtype)
                        };
                        let score = value.clone() * weights(5) + slope.clone() * weights(6);
                        let gradients = score.sum().backward();
                        [
                            values(value),
                            values(slope),
                            values(numbers.grad(&gradients).expect("a gradient")),
                            values(parameters.grad(&gradients).expect("a gradient")),
                        ]
                    };
                    let got = run(&device, DType::F32, ours);
                    let want = run(&common::cpu(), DType::F64, plain);
                    // In narrow bins a number in f32 is only so exact: the kernel's is next to the reference's own.
                    let rounded = run(&common::cpu(), DType::F32, plain);
                    let parts = ["value", "slope", "gradient", "gradients of parameters"];
                    for (k, part) in parts.into_iter().enumerate() {
                        let largest = |numbers: &mut dyn Iterator<Item = f64>| -> f64 {
                            numbers.fold(0.0, |all, one| all.max(one.abs()))
                        };
                        let off = |got: &[f64]| {
                            largest(&mut got.iter().zip(&want[k]).map(|(got, want)| got - want))
                        };
                        let size = largest(&mut want[k].iter().copied()).max(1.0);
                        let (error, bound) = (off(&got[k]), 4.0 * off(&rounded[k]) + 1e-4 * size);
                        let what = format!("{name} on {device_name}, {part}");
                        prop_assert!(error <= bound, "{}: {} of {}", what, error, size);
                        prop_assert_eq!(got[k].len(), want[k].len(), "{}", what);
                    }
                    Ok(())
                },
            );
            if let Err(error) = result {
                panic!("{error}");
            }
        }
    }
}

/// Values and gradients, also of rows of several pieces, of views, and where either half is saturated.
#[test]
fn the_gated_activation_is_that_of_the_reference() {
    type Gated = fn(Tensor<3>) -> Tensor<3>;
    for (name, device) in devices() {
        for shape in [[1, 2, 1], [3, 4, 5], [2, 6, 1500], [70, 8, 33]] {
            let device = device.clone().autodiff();
            let count = shape.iter().product::<usize>();
            let numbers = |seed: usize, scale: f32| -> Vec<f32> {
                let fraction = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0;
                (0..count).map(|i| scale * fraction(i)).collect()
            };
            for scale in [1e-3, 1.0, 30.0] {
                let run = |gated: Gated| {
                    let [batch, channels, length] = shape;
                    let x = TensorData::new(numbers(1, scale), [batch, length, channels]);
                    let x = Tensor::<3>::from_data(x, &device).require_grad();
                    let y = gated(x.clone().swap_dims(1, 2));
                    let weights = TensorData::new(numbers(2, 1.0), [count]);
                    let weights = Tensor::<1>::from_data(weights, &device).narrow(0, 0, count / 2);
                    let weighed = y.clone() * weights.reshape(y.dims());
                    let gradients = weighed.sum().backward();
                    [y.into_data(), x.grad(&gradients).unwrap().into_data()]
                };
                let (ours, plain) = (run(kernel::gated), run(reference::gated));
                for (ours, plain) in ours.iter().zip(&plain) {
                    let pairs = ours.iter::<f32>().zip(plain.iter::<f32>());
                    for (ours, plain) in pairs {
                        assert!(
                            (ours - plain).abs() <= 1e-6 * (scale.min(1.0) + plain.abs()),
                            "{name}, {shape:?}, {scale}: {ours} and {plain}"
                        );
                    }
                }
            }
        }
    }
}

/// Values, moments and gradients are those of the reference in `f64`: of one channel and of several, of one pixel and of more
/// than a piece, far from zero, of views, for one thread and for several.
#[test]
fn the_normalisation_of_a_batch_is_that_of_the_reference() {
    type Normalise = fn(Tensor<3>, [Tensor<1>; 2]) -> BatchNormTrainOutput<3>;
    let pairs: [[Normalise; 2]; 2] = [
        [
            |x, [weight, bias]| kernel::batch_norm(x, weight, bias, 1e-3),
            |x, [weight, bias]| reference::batch_norm(x, weight, bias, 1e-3),
        ],
        [
            |x, [weight, bias]| kernel::batch_norm_silu(x, weight, bias, 1e-3),
            |x, [weight, bias]| reference::batch_norm_silu(x, weight, bias, 1e-3),
        ],
    ];
    let exact = common::cpu().autodiff();
    let number =
        |index: usize, seed: usize| ((index * 7919 + seed * 104_729) % 1009) as f64 / 504.5 - 1.0;
    let run = |normalise: Normalise,
               [batch, channels, pixels]: [usize; 3],
               offset: f64,
               to: (&Device, DType)| {
        let tensor = |seed: usize, count: usize| {
            let numbers: Vec<f64> = (0..count).map(|index| number(index, seed)).collect();
            Tensor::<1>::from_data(TensorData::new(numbers, [count]), to)
        };
        let x = tensor(1, batch * channels * pixels) + offset;
        // (Channels last in memory.)
        let x = x.reshape([batch, pixels, channels]).require_grad();
        let parameters = [2, 3].map(|seed| (tensor(seed, channels) + 0.5).require_grad());
        let normalised = normalise(x.clone().swap_dims(1, 2), parameters.clone());
        let probe = tensor(4, batch * channels * pixels).reshape([batch, channels, pixels]);
        let gradients = (normalised.output.clone() * probe).sum().backward();
        let [weight, bias] =
            parameters.map(|parameter| values(parameter.grad(&gradients).expect("one")));
        [
            values(normalised.output),
            values(normalised.mean),
            values(normalised.variance),
            values(x.grad(&gradients).expect("one")),
            weight,
            bias,
        ]
    };
    // (On wgpu the reference runs, and each shape would take seconds.)
    for (name, device) in devices().into_iter().filter(|(name, _)| *name != "wgpu") {
        let device = device.autodiff();
        for shape in [
            [5, 1, 1],
            [2, 3, 7],
            [3, 2, 49],
            [2, 1, 2500],
            [64, 12, 196],
        ] {
            for offset in [0.0, 30.0] {
                for [kernel, reference] in pairs {
                    let ours = run(kernel, shape, offset, (&device, DType::F32));
                    let exact = run(reference, shape, offset, (&exact, DType::F64));
                    for (ours, exact) in ours.iter().zip(&exact) {
                        let size = exact
                            .iter()
                            .fold(1.0, |size: f64, number| size.max(number.abs()));
                        for (ours, exact) in ours.iter().zip(exact) {
                            assert!(
                                (ours - exact).abs() <= 3e-5 * size * (1.0 + offset / 3.0),
                                "{name}, {shape:?}, {offset}: {ours} and {exact}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// What is no number makes its channel none, and no other; an empty batch stays one.
#[test]
fn the_normalisation_of_a_batch_keeps_what_is_no_number() {
    // (On a GPU it is burn's.)
    for (name, device) in devices().into_iter().filter(|(name, _)| *name != "wgpu") {
        let parameters = || [Tensor::<1>::ones([2], &device), Tensor::zeros([2], &device)];
        let mut numbers = vec![0.5f32; 2 * 2 * 20];
        numbers[7] = f32::NAN;
        let x = Tensor::<3>::from_data(TensorData::new(numbers, [2, 2, 20]), &device);
        let [weight, bias] = parameters();
        let normalised = kernel::batch_norm_silu(x, weight, bias, 1e-3);
        for (index, number) in values(normalised.output).into_iter().enumerate() {
            assert_eq!(
                number.is_nan(),
                index / 20 % 2 == 0,
                "{name}: {index}, {number}"
            );
        }
        let [weight, bias] = parameters();
        let empty = kernel::batch_norm(Tensor::<3>::zeros([0, 2, 20], &device), weight, bias, 1e-3);
        assert_eq!(empty.output.dims(), [0, 2, 20]);
    }
}

/// Values and gradients, of more variables than a segment and of fewer, of one output and of several, in an order of their own.
#[test]
fn the_layers_of_a_nade_are_those_of_the_reference() {
    type Nade =
        fn(Tensor<2>, Tensor<2>, Tensor<2>, Tensor<3>, Tensor<1, burn::tensor::Int>) -> Tensor<3>;
    for (name, device) in devices() {
        for [batch, variables, hidden, outputs] in
            [[1, 2, 1, 1], [5, 3, 4, 2], [9, 70, 33, 3], [64, 100, 64, 1]]
        {
            let device = device.clone().autodiff();
            let numbers = |seed: usize, count: usize| {
                let fraction = |i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0;
                let numbers: Vec<f32> = (0..count).map(fraction).collect();
                TensorData::new(numbers, [count])
            };
            let tensor =
                |seed: usize, count: usize| Tensor::<1>::from_data(numbers(seed, count), &device);
            // Every third number is 0, as binary data often is.
            let x = tensor(1, batch * variables).reshape([batch, variables]);
            let x = x.clone().mask_fill(x.lower_elem(-0.3), 0.0);
            let weight = tensor(2, variables * hidden).reshape([variables, hidden]);
            let start = tensor(3, batch * hidden).reshape([batch, hidden]);
            let readout = tensor(4, variables * outputs * hidden);
            let readout = readout.reshape([variables, outputs, hidden]);
            let order = tensor(5, variables).argsort(0);
            let run = |nade: Nade| {
                let [x, weight, start] =
                    [&x, &weight, &start].map(|tensor| tensor.clone().detach().require_grad());
                let readout = readout.clone().detach().require_grad();
                let y = nade(
                    x.clone(),
                    weight.clone(),
                    start.clone(),
                    readout.clone(),
                    order.clone(),
                );
                let weights = tensor(6, batch * variables * outputs).reshape(y.dims());
                let gradients = (y.clone() * weights).sum().backward();
                let mut all = vec![y.into_data()];
                all.extend([x, weight, start].map(|t| t.grad(&gradients).unwrap().into_data()));
                all.push(readout.grad(&gradients).unwrap().into_data());
                all
            };
            for (index, (ours, plain)) in run(kernel::nade)
                .iter()
                .zip(&run(reference::nade))
                .enumerate()
            {
                assert_eq!(ours.shape(), plain.shape());
                let largest = plain
                    .iter::<f32>()
                    .fold(0.0f32, |most, x| most.max(x.abs()));
                for (ours, plain) in ours.iter::<f32>().zip(plain.iter::<f32>()) {
                    assert!(
                        (ours - plain).abs() <= 1e-5 * (largest + plain.abs()),
                        "{name}, {:?}, result {index}: {ours} and {plain}",
                        [batch, variables, hidden, outputs]
                    );
                }
            }
        }
        // No rows, one start for all, and a weight that is no number.
        let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &device);
        let order = Tensor::<1, burn::tensor::Int>::from_ints([1, 0], &device);
        let readout = Tensor::<3>::ones([2, 1, 3], &device);
        let run = |rows: usize, weight: Tensor<2>| {
            let x = zeros([rows, 2]) + 1.0;
            kernel::nade(x, weight, zeros([1, 3]), readout.clone(), order.clone())
        };
        assert_eq!(run(0, zeros([2, 3])).dims(), [0, 2, 1]);
        let lost = run(2, zeros([2, 3]) + f32::NAN).into_data();
        let lost: Vec<f32> = lost.iter().collect();
        assert!(lost[0].is_nan() && lost[1] == 0.0, "{name}: {lost:?}");
    }
}

/// Values and gradients, of rows shorter and longer than a vector, of logits that overflow, are masked, or no numbers.
#[test]
fn the_likelihood_of_classes_is_that_of_the_reference() {
    type Nll = fn(Tensor<2>, Tensor<1, burn::tensor::Int>) -> Tensor<1>;
    for (name, device) in devices() {
        for [rows, classes] in [[1, 1], [7, 3], [5, 16], [33, 257], [700, 40]] {
            let device = device.clone().autodiff();
            let logits: Vec<f32> = (0..rows * classes)
                .map(|i| match (i * 7919) % 1009 {
                    1 if classes > 1 => f32::NEG_INFINITY,
                    2 => 300.0,
                    rest => (rest as f32 / 504.5 - 1.0) * 9.0,
                })
                .collect();
            // At the ends, and between.
            let class: Vec<i64> = (0..rows)
                .map(|row| [0, classes - 1, row % classes][row % 3] as i64)
                .collect();
            let run = |nll: Nll| {
                let logits = TensorData::new(logits.clone(), [rows, classes]);
                let logits = Tensor::<2>::from_data(logits, &device).require_grad();
                let class = TensorData::new(class.clone(), [rows]);
                let nll = nll(logits.clone(), Tensor::from_data(class, &device));
                let weights: Vec<f32> = (0..rows).map(|row| row as f32 / 3.0 - 1.0).collect();
                let weights = Tensor::from_data(TensorData::new(weights, [rows]), &device);
                let weighed = nll.clone().clamp_max(1e4) * weights;
                let gradients = weighed.sum().backward();
                [
                    nll.into_data(),
                    logits.grad(&gradients).unwrap().into_data(),
                ]
            };
            let (ours, plain) = (
                run(kernel::categorical_nll),
                run(reference::categorical_nll),
            );
            for (ours, plain) in ours.iter().zip(&plain) {
                for (ours, plain) in ours.iter::<f32>().zip(plain.iter::<f32>()) {
                    assert!(
                        ours == plain || (ours - plain).abs() <= 2e-6 * (1.0 + plain.abs()),
                        "{name}, {rows} x {classes}: {ours} and {plain}"
                    );
                }
            }
        }
        let lost = Tensor::<2>::from_floats([[1.0, f32::NAN], [0.0, 0.0]], &device);
        let class = Tensor::<1, burn::tensor::Int>::from_ints([0, 0], &device);
        let nll: Vec<f32> = kernel::categorical_nll(lost, class)
            .into_data()
            .iter()
            .collect();
        assert!(
            nll[0].is_nan() && (nll[1] - 2f32.ln()).abs() < 1e-6,
            "{name}"
        );
    }
}

/// Values and gradients against sums in `f64`: of one number and of several units of work, with and without a bias, of views.
#[test]
fn a_dense_layer_is_the_product_of_its_matrices() {
    let fraction =
        |seed: usize, i: usize| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0;
    // A matrix [rows, columns], its element in `f64`, and the tensor: transposed in memory where it is asked for.
    let element = |seed: usize, columns: usize, row: usize, column: usize| {
        f64::from(fraction(seed, row * columns + column))
    };
    let matrix = |seed: usize, [rows, columns]: [usize; 2], turned: bool, device: &Device| {
        let at = |row: usize, column: usize| element(seed, columns, row, column) as f32;
        if turned {
            let numbers = (0..columns).flat_map(|c| (0..rows).map(move |r| at(r, c)));
            let data = TensorData::new(numbers.collect::<Vec<f32>>(), [columns, rows]);
            return Tensor::<2>::from_data(data, device).transpose();
        }
        let numbers = (0..rows).flat_map(|r| (0..columns).map(move |c| at(r, c)));
        let data = TensorData::new(numbers.collect::<Vec<f32>>(), [rows, columns]);
        Tensor::<2>::from_data(data, device)
    };
    // Elsewhere the product is burn's: it holds there too, after five minutes on software Vulkan.
    let hosts = ["flex", "ndarray"];
    for (name, device) in devices()
        .into_iter()
        .filter(|(name, _)| hosts.contains(name))
    {
        let device = device.autodiff();
        for [batch, inputs, outputs] in [
            [1, 3, 2],
            [4, 1, 1],
            [5, 20, 15],
            [7, 200, 17],
            [130, 48, 33],
            [128, 400, 200],
            [300, 9, 100],
        ] {
            for (turned, biased) in [(false, true), (true, false)] {
                let parameter =
                    |seed, shape| matrix(seed, shape, turned, &device).detach().require_grad();
                let x = parameter(1, [batch, inputs]);
                let weight = parameter(2, [inputs, outputs]);
                let bias = matrix(3, [1, outputs], false, &device).reshape([outputs]);
                let bias = bias.detach().require_grad();
                let y = kernel::linear(x.clone(), weight.clone(), biased.then(|| bias.clone()));
                let slope = matrix(4, [batch, outputs], turned, &device);
                let gradients = (y.clone() * slope).sum().backward();
                // The sum, and that of the absolute values, which bounds what rounding may do.
                let check =
                    |what: &str, ours: TensorData, sum: &dyn Fn(usize, usize) -> [f64; 2]| {
                        let columns = ours.shape()[1];
                        for (i, ours) in ours.iter::<f32>().enumerate() {
                            let [exact, size] = sum(i / columns, i % columns);
                            assert!(
                                (f64::from(ours) - exact).abs() <= 1e-6 * size,
                                "{name}, {:?}, {what} {i}: {ours} and {exact}",
                                [batch, inputs, outputs]
                            );
                        }
                    };
                let total = |count: usize, term: &dyn Fn(usize) -> f64| {
                    (0..count).fold([0.0, 0.0], |[sum, size], i| {
                        [sum + term(i), size + term(i).abs()]
                    })
                };
                check("output", y.into_data(), &|row, column| {
                    let [sum, size] = total(inputs, &|i| {
                        element(1, inputs, row, i) * element(2, outputs, i, column)
                    });
                    let bias = if biased {
                        element(3, outputs, 0, column)
                    } else {
                        0.0
                    };
                    [sum + bias, size + bias.abs()]
                });
                let of_x = x.grad(&gradients).unwrap().into_data();
                check("gradient of x", of_x, &|row, column| {
                    total(outputs, &|i| {
                        element(4, outputs, row, i) * element(2, outputs, column, i)
                    })
                });
                let of_weight = weight.grad(&gradients).unwrap().into_data();
                check("gradient of the weight", of_weight, &|row, column| {
                    total(batch, &|i| {
                        element(1, inputs, i, row) * element(4, outputs, i, column)
                    })
                });
                if biased {
                    let of_bias = bias.grad(&gradients).unwrap().unsqueeze::<2>();
                    check("gradient of the bias", of_bias.into_data(), &|_, column| {
                        total(batch, &|i| element(4, outputs, i, column))
                    });
                }
            }
        }
        // None of a batch.
        let none = kernel::linear(
            Tensor::zeros([0, 3], &device),
            Tensor::zeros([3, 2], &device),
            None,
        );
        assert_eq!(none.dims(), [0, 2]);
        // And no outputs.
        let none = kernel::linear(
            Tensor::zeros([5, 3], &device),
            Tensor::zeros([3, 0], &device),
            None,
        );
        assert_eq!(none.dims(), [5, 0]);
    }
}

/// A row of a dense layer's output is the same to the last digit with whatever other rows it comes, three at least, and by whatever
/// thread, and what is no number stays in its row and is not met again where memory is used anew.
#[test]
fn a_row_of_a_dense_layer_knows_no_other() {
    let hosts = ["flex", "ndarray"];
    for (name, device) in devices()
        .into_iter()
        .filter(|(name, _)| hosts.contains(name))
    {
        let matrix = |shape: [usize; 2]| {
            let fraction = |i: usize| (i * 7919 % 1009) as f32 / 504.5 - 1.0;
            let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(fraction).collect();
            Tensor::<2>::from_data(TensorData::new(numbers, shape), &device)
        };
        let rows = |x: Tensor<2>| -> Vec<f32> {
            let y = kernel::linear(x, matrix([150, 100]), None);
            y.into_data().iter().collect()
        };
        let x = matrix([260, 150]);
        let whole = rows(x.clone());
        let parts =
            [(0, 100), (100, 160)].map(|(start, len)| rows(x.clone().narrow(0, start, len)));
        assert!(parts.concat() == whole, "{name}: rows depend on others");
        let lost = rows(x.clone().slice_fill([3..4, 7..8], f32::NAN));
        for (i, (lost, whole)) in lost.iter().zip(&whole).enumerate() {
            assert!(
                if i / 100 == 3 {
                    lost.is_nan()
                } else {
                    lost == whole
                },
                "{name}: {i}, {lost} and {whole}"
            );
        }
        assert!(rows(x) == whole, "{name}: memory is not clean");
    }
}

/// Quantised weights, which burn multiplies, go to burn.
#[cfg(feature = "flex")]
#[test]
fn a_dense_layer_takes_quantised_weights() {
    use burn::tensor::quantization::QuantScheme;

    let device = Device::flex();
    let matrix = |shape: [usize; 2]| {
        let fraction = |i: usize| (i * 7919 % 1009) as f32 / 1009.0;
        let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(fraction).collect();
        Tensor::<2>::from_data(TensorData::new(numbers, shape), &device)
    };
    let (x, weight) = (matrix([8, 64]), matrix([64, 32]));
    let exact = kernel::linear(x.clone(), weight.clone(), None);
    let quantised = kernel::linear(x, weight.quantize_dynamic(&QuantScheme::default()), None);
    let error = (quantised - exact.clone()).abs().max() / exact.max();
    assert!(error.into_scalar::<f32>() < 0.02);
}
