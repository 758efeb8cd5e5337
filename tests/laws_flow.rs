//! The laws that every bijection keeps: a row of the table for each, with random parameters, in f64.
//!
//! 1. Where it says so, it is the identity at first, and changes no volume, exactly.
//! 2. The inverse of forward is where it started, on both sides and in both tails.
//! 3. The log-determinant of the inverse is minus that of forward, and both are that of a Jacobian by finite differences.
//! 4. A sample's noise does not depend on its batch mates.
//! 5. Gradients by the data and by all parameters are those of finite differences, in both directions.
//! 6. In f32 values, log-determinants and gradients are finite at knots, at bounds and at 1e3, with extreme parameters too.
//! 7. Saved and loaded into another one, it is the same to the bit.

mod common;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::{DType, Gradients};
use burn_generative::flow::*;
use burn_generative::weights;
use common::{assert_all_close, assert_close, cpu, noise, seeded, values};
use nalgebra::DMatrix;

/// Numbers of this type on the device of the type.
fn tensor<const D: usize>(
    shape: [usize; D],
    (device, dtype): (&Device, DType),
    value: impl Fn(usize) -> f64,
) -> Tensor<D> {
    let numbers: Vec<f64> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (device, dtype))
}

/// Adds `scale` times fixed numbers to every parameter that is learned, and keeps all of them in this type.
struct Shake {
    scale: f64,
    seed: usize,
    dtype: DType,
}

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.seed += 1;
        let is_learned = param.is_require_grad();
        param.map(|values| {
            let values = values.detach().cast(self.dtype);
            if !is_learned {
                return values;
            }
            let options = (&values.device(), self.dtype);
            let shift = tensor(values.dims(), options, noise(self.seed, self.scale));
            (values + shift).detach().require_grad()
        })
    }
}

fn shake<M: Module>(module: M, scale: f64, dtype: DType) -> M {
    let seed = 100;
    module.map(&mut Shake { scale, seed, dtype })
}

/// How a number changes with the parameters along what [`Shake`] adds.
struct Along<'a> {
    gradients: &'a Gradients,
    seed: usize,
    sum: f64,
}

impl ModuleVisitor for Along<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.seed += 1;
        let Some(gradient) = param.val().grad(self.gradients) else {
            return;
        };
        let shift = noise(self.seed, 1.0);
        let terms = values(gradient).into_iter().enumerate();
        self.sum += terms.map(|(i, gradient)| gradient * shift(i)).sum::<f64>();
    }
}

/// What a row of the table says of its bijection.
struct Row<const I: usize> {
    /// One event of its data.
    event: [usize; I],
    /// Whether it is the identity at first.
    is_identity: bool,
    /// Whether its data is in (0, 1).
    is_unit: bool,
}

impl<const I: usize> Row<I> {
    fn shape(&self, batch: usize) -> [usize; I] {
        let mut shape = self.event;
        shape[0] = batch;
        shape
    }

    /// Data on both sides of 0, `scale` far away at most.
    fn data(&self, batch: usize, scale: f64, options: (&Device, DType)) -> Tensor<I> {
        let numbers = noise(7, 1.0);
        let data = tensor(self.shape(batch), options, numbers);
        if self.is_unit {
            data * 0.49 + 0.5
        } else {
            data * scale
        }
    }
}

/// A direction of a bijection, and one number that both of its results enter.
fn score<const D: usize>((values, log_det): (Tensor<D>, Tensor<1>)) -> Tensor<1> {
    let weights = tensor(
        values.dims(),
        (&values.device(), values.dtype()),
        noise(8, 1.0),
    );
    let of_batch = noise(9, 1.0);
    let of_batch = tensor(
        log_det.dims(),
        (&log_det.device(), log_det.dtype()),
        of_batch,
    );
    (values * weights).sum() + (log_det * of_batch).sum()
}

fn number(tensor: Tensor<1>) -> f64 {
    values(tensor)[0]
}

fn keeps_the_laws<B, const I: usize, const O: usize>(row: Row<I>, init: impl Fn(&Device) -> B)
where
    B: Bijection<Input = Tensor<I>, Output = Tensor<O>>,
{
    let (device, turn) = seeded(1);
    let fresh = init(&device);
    burn_generative::nn::initialize(&fresh);
    let another = init(&device);
    burn_generative::nn::initialize(&another);
    drop(turn);
    let double = (&cpu(), DType::F64);
    let numbers = row.event[1..].iter().product::<usize>();

    // 1
    if row.is_identity {
        let x = row.data(4, 6.0, (&cpu(), DType::F32));
        let (z, log_det) = fresh.valid().forward(x.clone());
        assert_all_close(&values(z), &values(x), 2e-6, "identity");
        assert_all_close(&values(log_det), &[0.0; 4], 1e-5, "its volume");
    }

    // 2, 3 and 4
    for (scale, parameters) in [(1.0, 0.3), (8.0, 0.3), (4.0, 1.0)] {
        let flow = shake(fresh.clone(), parameters, DType::F64).valid();
        let x = row.data(3, scale, double);
        let (z, log_det) = flow.forward(x.clone());
        let (back, inverse_log_det) = flow.inverse(z.clone());
        // Steep maps after one another multiply what rounding leaves.
        let tolerance = if parameters > 0.5 { 1e-4 } else { 1e-8 };
        let (got, want) = (values(back), values(x.clone()));
        assert_all_close(&got, &want, tolerance, "inverse of forward");
        let [log_det, inverse_log_det] = [log_det, inverse_log_det].map(values);
        for (sample, &got) in log_det.iter().enumerate() {
            assert_close(
                -inverse_log_det[sample],
                got,
                1e-5,
                "log_det of the inverse",
            );
            let one = x.clone().narrow(0, sample, 1);
            let (alone, _) = flow.forward(one.clone());
            let among = z.clone().narrow(0, sample, 1);
            assert_all_close(
                &values(alone),
                &values(among),
                1e-9,
                "alone and among others",
            );
            if parameters > 0.5 {
                continue; // too steep for finite differences
            }

            let h = 1e-6;
            let steps = tensor([2 * numbers, numbers], double, |i| {
                let (probe, coordinate) = (i / numbers, i % numbers);
                let sign = if probe % 2 == 0 { 1.0 } else { -1.0 };
                if probe / 2 == coordinate {
                    sign * h
                } else {
                    0.0
                }
            });
            let around = steps.reshape(row.shape(2 * numbers)) + one;
            let moved = values(flow.forward(around).0);
            let jacobian = DMatrix::from_fn(numbers, numbers, |i, j| {
                let at = |probe: usize| moved[probe * numbers + i];
                (at(2 * j) - at(2 * j + 1)) / (2.0 * h)
            });
            let want = jacobian.determinant().abs().ln();
            assert_close(got, want, 2e-5, "log_det and the Jacobian");
        }
    }

    // 5
    let flow = shake(fresh.clone(), 0.3, DType::F64);
    let x = row.data(3, 2.0, (&device, DType::F64));
    flow.forward(x.clone()); // an ActNorm takes its start
    let z = flow
        .valid()
        .forward(x.clone().without_autodiff())
        .0
        .autodiff();
    let h = 1e-6;
    let nudged = |sign: f64| shake(flow.clone(), sign * h, DType::F64).valid();
    let (above, below) = (nudged(1.0), nudged(-1.0));
    {
        let x = x.clone().detach().require_grad();
        let gradients = score(flow.forward(x.clone())).backward();
        let (seed, sum) = (100, 0.0);
        let mut along = Along {
            gradients: &gradients,
            seed,
            sum,
        };
        flow.visit(&mut along);
        let inner = x.clone().without_autodiff();
        let forward = |flow: &B, x: Tensor<I>| number(score(flow.forward(x)));
        let want = (forward(&above, inner.clone()) - forward(&below, inner.clone())) / (2.0 * h);
        assert_close(along.sum, want, 1e-5, "forward by parameters");
        let step = tensor(x.dims(), double, noise(11, h));
        let flow = flow.valid();
        let want = forward(&flow, inner.clone() + step.clone()) - forward(&flow, inner - step);
        let gradient = values(x.grad(&gradients).unwrap());
        let terms = gradient
            .iter()
            .enumerate()
            .map(|(i, g)| g * noise(11, 1.0)(i));
        assert_close(terms.sum(), want / (2.0 * h), 1e-5, "forward by the data");
    }
    {
        let z = z.detach().require_grad();
        let gradients = score(flow.inverse(z.clone())).backward();
        let (seed, sum) = (100, 0.0);
        let mut along = Along {
            gradients: &gradients,
            seed,
            sum,
        };
        flow.visit(&mut along);
        let inner = z.clone().without_autodiff();
        let inverse = |flow: &B, z: Tensor<O>| number(score(flow.inverse(z)));
        let want = (inverse(&above, inner.clone()) - inverse(&below, inner.clone())) / (2.0 * h);
        assert_close(along.sum, want, 1e-5, "inverse by parameters");
        let step = tensor(z.dims(), double, noise(11, h));
        let flow = flow.valid();
        let want = inverse(&flow, inner.clone() + step.clone()) - inverse(&flow, inner - step);
        let gradient = values(z.grad(&gradients).unwrap());
        let terms = gradient
            .iter()
            .enumerate()
            .map(|(i, g)| g * noise(11, 1.0)(i));
        assert_close(terms.sum(), want / (2.0 * h), 1e-5, "inverse by the data");
    }

    // 6
    let special = [0.0, 1.25, -2.5, 5.0, -5.0, 4.0, -4.0, 1e3, -1e3, 1e-6];
    for parameters in [0.0, 0.3, 2.0] {
        let flow = shake(fresh.clone(), parameters, DType::F32);
        let x = tensor(row.shape(10), (&device, DType::F32), |i| {
            special[i / numbers]
        });
        let x = if row.is_unit { x.clamp(0.0, 1.0) } else { x };
        let x = x.require_grad();
        let gradients = score(flow.forward(x.clone())).backward();
        let finite = |numbers: Vec<f64>, what: &str| {
            let all = numbers.iter().all(|number| number.is_finite());
            assert!(all, "{what} with parameters of {parameters}: {numbers:?}");
        };
        finite(values(x.grad(&gradients).unwrap()), "gradient of the data");
        for gradient in common::gradients(&flow, &gradients) {
            finite(gradient, "gradient of a parameter");
        }
        let z = tensor([10, numbers], (&device, DType::F32), |i| {
            special[i / numbers]
        });
        let shape = flow
            .valid()
            .forward(row.data(10, 1.0, (&cpu(), DType::F32)))
            .0
            .dims();
        let z = z.reshape(shape).require_grad();
        let (back, log_det) = flow.inverse(z.clone());
        finite(values(back.clone()), "inverse");
        finite(values(log_det.clone()), "its log_det");
        let gradients = score((back, log_det)).backward();
        finite(values(z.grad(&gradients).unwrap()), "gradient of the noise");
    }

    // 7
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.safetensors");
    let flow = shake(fresh, 0.3, DType::F32).valid();
    let x = row.data(3, 2.0, (&cpu(), DType::F32));
    let want = flow.forward(x.clone());
    if common::weights(&flow).is_empty() {
        return;
    }
    weights::save(&flow, &path).unwrap();
    let loaded = weights::load(another.valid(), &path).unwrap();
    let got = loaded.forward(x);
    assert_eq!(values(got.0), values(want.0), "after loading");
    assert_eq!(values(got.1), values(want.1), "after loading");
}

/// A bijection with a context, which is the same for all samples.
#[derive(Module, Debug)]
struct Given<B> {
    bijection: B,
}

/// What the context is.
fn context<const D: usize>(data: &Tensor<D>) -> Tensor<2> {
    let options = (&data.device(), data.dtype());
    let row: Tensor<2> = tensor([1, 2], options, |i| 0.7 - i as f64);
    row.expand([data.dims()[0], 2])
}

impl<B, const I: usize, const O: usize> Bijection for Given<B>
where
    B: Bijection<Input = Tensor<I>, Output = Tensor<O>>,
{
    type Input = Tensor<I>;
    type Output = Tensor<O>;

    fn forward(&self, x: Tensor<I>) -> (Tensor<O>, Tensor<1>) {
        let context = context(&x);
        self.bijection.forward_given(x, &context)
    }

    fn inverse(&self, z: Tensor<O>) -> (Tensor<I>, Tensor<1>) {
        let context = context(&z);
        self.bijection.inverse_given(z, &context)
    }
}

fn given<B>(bijection: B) -> Given<B> {
    Given { bijection }
}

fn spline() -> SplineMap {
    SplineMap::new(4, 4.0).unwrap()
}

/// The table: a bijection on a device, one event of its data, and whether it is the identity at first.
macro_rules! laws {
    ($($name:ident: |$device:ident| $bijection:expr, $event:expr, $is_identity:expr, $is_unit:expr;)*) => {$(
        #[test]
        fn $name() {
            let row = Row { event: $event, is_identity: $is_identity, is_unit: $is_unit };
            keeps_the_laws(row, |$device: &Device| $bijection);
        }
    )*};
}

laws! {
    elementwise_affine: |device| Elementwise::new(3, AffineMap::default(), device).unwrap(), [1, 3], true, false;
    elementwise_spline: |device| Elementwise::new(3, spline(), device).unwrap(), [1, 3], true, false;
    affine_coupling: |device| {
        let network = Perceptron::new(2, 0, &[8], 6, device).unwrap();
        let mask = [false, true, false, true, false];
        Coupling::new(&mask, network, AffineMap::default(), device).unwrap()
    }, [1, 5], true, false;
    spline_coupling: |device| {
        let network = Perceptron::new(2, 0, &[8], 22, device).unwrap();
        Coupling::new(&[false, false, true, true], network, spline(), device).unwrap()
    }, [1, 4], true, false;
    coupling_given: |device| {
        let network = Perceptron::new(2, 2, &[8], 22, device).unwrap();
        given(Coupling::new(&[true, true, false, false], network, spline(), device).unwrap())
    }, [1, 4], true, false;
    coupling_of_images: |device| {
        let network = ConvNetwork::new(2, 0, 4, 4, device).unwrap();
        let mask = [true, false, false, true];
        Coupling::<_, _, 4>::new(&mask, network, AffineMap::default(), device).unwrap()
    }, [1, 4, 2, 3], true, false;
    coupling_of_images_given: |device| {
        let network = ConvNetwork::new(2, 2, 4, 22, device).unwrap();
        given(Coupling::<_, _, 4>::new(&[true, false, true, false], network, spline(), device).unwrap())
    }, [1, 4, 2, 3], true, false;
    maf: |device| {
        MaskedAutoregressive::new(&[2, 0, 3, 1], 0, &[9, 7], AffineMap::default(), device).unwrap()
    }, [1, 4], true, false;
    maf_of_splines: |device| {
        MaskedAutoregressive::new(&[2, 0, 1], 0, &[9], spline(), device).unwrap()
    }, [1, 3], true, false;
    maf_given: |device| {
        given(MaskedAutoregressive::new(&[2, 0, 1], 2, &[9, 8], spline(), device).unwrap())
    }, [1, 3], true, false;
    maf_of_one_coordinate: |device| {
        MaskedAutoregressive::new(&[0], 0, &[3], spline(), device).unwrap()
    }, [1, 1], true, false;
    maf_of_one_coordinate_given: |device| {
        given(MaskedAutoregressive::new(&[0], 2, &[3], spline(), device).unwrap())
    }, [1, 1], true, false;
    inverse_maf: |device| {
        Inverse::new(MaskedAutoregressive::new(&[1, 0, 2], 0, &[9], AffineMap::default(), device).unwrap())
    }, [1, 3], true, false;
    planar: |device| Planar::new(3, 0, device).unwrap(), [1, 3], false, false;
    planar_given: |device| given(Planar::new(3, 2, device).unwrap()), [1, 3], false, false;
    radial: |device| Radial::new(3, 0, device).unwrap(), [1, 3], false, false;
    radial_given: |device| given(Radial::new(2, 2, device).unwrap()), [1, 2], false, false;
    householder: |device| Householder::new(3, 0, device).unwrap(), [1, 3], false, false;
    householder_given: |device| given(Householder::new(3, 2, device).unwrap()), [1, 3], false, false;
    act_norm: |device| ActNorm::<2>::new(3, device).unwrap(), [1, 3], true, false;
    act_norm_of_images: |device| ActNorm::<4>::new(2, device).unwrap(), [1, 2, 3, 2], true, false;
    fixed_affine: |device| {
        let numbers = |numbers: [f32; 3]| Tensor::from_floats(numbers, device);
        Affine::new(numbers([1.0, -2.0, 0.0]), numbers([3.0, 0.25, 1.0])).unwrap()
    }, [1, 3], false, false;
    permutation: |device| Permute::new(&[2, 0, 3, 1], device).unwrap(), [1, 4], false, false;
    linear: |device| InvertibleLinear::<2>::rotation(4, 3, device).unwrap(), [1, 4], false, false;
    linear_identity: |device| InvertibleLinear::<2>::new(3, device).unwrap(), [1, 3], true, false;
    linear_of_images: |device| InvertibleLinear::<4>::rotation(3, 4, device).unwrap(), [1, 3, 2, 2], false, false;
    squeeze: |_device| Squeeze, [1, 2, 4, 2], false, false;
    logit: |_device| Logit::<2>::new(0.01).unwrap(), [1, 3], false, true;
    chain: |device| {
        let logit = Logit::new(0.05).unwrap();
        Chain::new(logit, Chain::new(Permute::reverse(3, device).unwrap(), Elementwise::new(3, spline(), device).unwrap()))
    }, [1, 3], false, true;
    real_nvp: |device| RealNvpConfig::new(3).with_couplings(3).with_hidden(vec![8]).init(device).unwrap(), [1, 3], true, false;
    real_nvp_given: |device| {
        given(RealNvpConfig::new(3).with_couplings(2).with_hidden(vec![8]).with_context(2).init(device).unwrap())
    }, [1, 3], true, false;
    spline_flow: |device| {
        SplineFlowConfig::new(3).with_couplings(2).with_hidden(vec![8]).init(device).unwrap()
    }, [1, 3], false, false;
    maf_config: |device| MafConfig::new(3).with_layers(2).with_hidden(vec![8]).init(device).unwrap(), [1, 3], true, false;
    iaf_config: |device| IafConfig::new(3).with_hidden(vec![8]).init(device).unwrap(), [1, 3], true, false;
    glow: |device| {
        GlowConfig::new([1, 4, 4]).with_steps(2).with_hidden(4).init(device).unwrap()
    }, [1, 1, 4, 4], false, false;
    glow_given: |device| {
        given(GlowConfig::new([2, 2, 2]).with_levels(1).with_steps(1).with_hidden(4).with_context(2).init(device).unwrap())
    }, [1, 2, 2, 2], false, false;
}
