//! The laws that every autoregressive model keeps: a row of the table for each, with random parameters.
//!
//! 1. At first all levels are as likely as each other.
//! 2. The numbers of step `i` are those of `parameters` for the `i`th variable.
//! 3. The probabilities of all events sum to 1.
//! 4. By gradients, the numbers of a variable depend on those before it that its row says, and on no other: nothing is missing,
//!    and nothing extra.
//! 5. By the same noise, the fast and the slow way give the same samples; and what is known stays.
//! 6. The log-density of a sample depends neither on its batch mates nor on what is not given: a context changes it.
//! 7. Saved and loaded into another one, drawn with another seed, it is the same to the bit.

mod common;

use burn::module::{ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::Bool;
use burn_generative::autoregressive::*;
use burn_generative::distribution::Levels;
use burn_generative::weights;
use common::{assert_all_close, assert_close, cpu, noise, seeded, tensor, values};

/// Adds fixed numbers to every parameter that is learned.
struct Shake {
    seed: usize,
}

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.seed += 1;
        if !param.is_require_grad() {
            return param;
        }
        param.map(|values| {
            let shift = tensor(values.dims(), &values.device(), noise(self.seed, 0.6));
            (values + shift).detach().require_grad()
        })
    }
}

/// What a row of the table says of its model.
struct Row {
    /// The width of its context.
    context: usize,
    /// How many variables before it one depends on: all of them, if as many as there are.
    reach: usize,
}

/// All events of some variables of so many levels, from number `first` on.
fn events(
    first: usize,
    count: usize,
    variables: usize,
    levels: Levels,
    device: &Device,
) -> Tensor<2> {
    let base = levels.count();
    let digit = |i: usize| (first + i / variables) / base.pow((i % variables) as u32) % base;
    levels.values(tensor([count, variables], device, |i| digit(i) as f64).int())
}

fn keeps_the_laws<A, const D: usize>(row: Row, init: impl Fn(&Device) -> A)
where
    A: Stepwise<D>,
{
    let device = cpu();
    let (drawn, turn) = seeded(1);
    let fresh = init(&drawn);
    burn_generative::nn::initialize(&fresh);
    let another = init(&drawn);
    burn_generative::nn::initialize(&another);
    drop(turn);
    let output = fresh.output();
    let levels = output.levels();
    let variables: usize = fresh.shape().iter().product();
    let shape = |batch: usize| -> [usize; D] {
        let event = fresh.shape();
        std::array::from_fn(|axis| if axis == 0 { batch } else { event[axis - 1] })
    };
    let context = |batch: usize| {
        (row.context > 0).then(|| tensor([batch, row.context], &device, noise(3, 1.0)))
    };
    let data = |batch: usize| -> Tensor<D> {
        let random = tensor([batch, variables], &device, noise(5, 1e3)).abs();
        let levels_of = random.int().remainder_scalar(levels.count() as i64);
        levels.values(levels_of).reshape(shape(batch))
    };

    // 1
    let log_p = fresh.log_prob_given(data(3), context(3).as_ref());
    if !matches!(output, Output::LogisticMixture { .. }) {
        let uniform = -(variables as f64) * (levels.count() as f64).ln();
        assert_all_close(&values(log_p), &[uniform; 3], 1e-5, "at first");
    }
    let model = fresh.clone().map(&mut Shake { seed: 40 });

    // 2
    let x = data(4);
    let given = context(4);
    let parameters = model.parameters(x.clone(), given.as_ref());
    let order = model.order(variables);
    let mut state = model.start(4, given.as_ref());
    let mut last = Vec::new();
    let flat: Tensor<2> = x.clone().reshape([4, variables]);
    for (step, &variable) in order.iter().enumerate() {
        let (numbers, after) = model.step(state, &last);
        state = after;
        let want = values(parameters.clone().narrow(1, variable, 1));
        let got: Vec<f64> = numbers.into_iter().map(f64::from).collect();
        assert_all_close(&got, &want, 2e-4, &format!("step {step}"));
        let known = values(flat.clone().narrow(1, variable, 1));
        last = known.into_iter().map(|value| value as f32).collect();
    }

    // 3
    let count = levels.count().pow(variables as u32);
    assert!(count <= 4096, "{count} events are too many to sum over");
    let all = events(0, count, variables, levels, &device).reshape(shape(count));
    let one = context(1).map(|context| context.expand([count, row.context]));
    let total = values(model.log_prob_given(all, one.as_ref()).exp().sum())[0];
    assert_close(total, 1.0, 1e-4, "all events");

    // 4
    let trained = model.clone().train();
    for (step, &variable) in order.iter().enumerate() {
        let leaf = Tensor::<D>::from_inner(data(16)).require_grad();
        let given = context(16).map(Tensor::from_inner);
        let numbers = trained.parameters(leaf.clone(), given.as_ref());
        let sum = numbers.narrow(1, variable, 1).sum();
        let gradient = leaf.grad(&sum.backward());
        let gradient = gradient.unwrap_or_else(|| Tensor::zeros(shape(16), &device));
        let gradient: Tensor<2> = gradient.reshape([16, variables]);
        let seen = values(gradient.abs().max_dim(0));
        for (place, &other) in order.iter().enumerate() {
            let is_past = place < step && step - place <= row.reach;
            assert_eq!(
                seen[other] > 0.0,
                is_past,
                "{:?}: step {step} and step {place}: {}",
                fresh.shape(),
                seen[other]
            );
        }
    }

    // 5
    let uniform = tensor([5, variables], &device, |i| 0.5 + noise(9, 0.499)(i));
    let sampling = || match context(5) {
        Some(context) => Sampling::default().with_context(context),
        None => Sampling::default(),
    };
    let known: Tensor<D, Bool> = data(5).greater_elem(0.0);
    let partial = data(5);
    for sampling in [
        sampling(),
        sampling().with_temperature(0.5).unwrap(),
        sampling().with_temperature(0.0).unwrap(),
        sampling().with_top_k(1).unwrap(),
        sampling().with_known(partial.clone(), known.clone()),
    ] {
        let fast = model.sample_with(uniform.clone(), &sampling);
        let slow = model.sample_slowly_with(uniform.clone(), &sampling);
        levels.check(&fast, "samples").unwrap();
        assert_eq!(fast.dims(), shape(5));
        fast.into_data().assert_eq(&slow.into_data(), true);
    }
    if row.context == 0 {
        let completed = model.sample_given(partial.clone(), known.clone());
        let kept = completed.equal(partial).bool_or(known.bool_not());
        assert!(kept.all().into_scalar::<bool>(), "what is known stays");
        assert_eq!(model.sample(2, &device).dims(), shape(2));
        let exact = values(model.log_prob(data(2)));
        assert_all_close(
            &exact,
            &values(model.log_prob_given(data(2), None)),
            0.0,
            "log_prob",
        );
    }

    // 6
    let (x, given) = (data(4), context(4));
    let together = values(model.log_prob_given(x.clone(), given.as_ref()));
    let alone = x.clone().narrow(0, 2, 1);
    let its_own = given.clone().map(|context| context.narrow(0, 2, 1));
    let alone = values(model.log_prob_given(alone, its_own.as_ref()));
    assert_close(alone[0], together[2], 1e-4, "alone");
    if let Some(given) = given {
        let other = values(model.log_prob_given(x, Some(&(given + 1.0))));
        assert!((other[0] - together[0]).abs() > 1e-3, "a context counts");
    }

    // 7
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    weights::save(&model, &file).unwrap();
    let loaded = weights::load(another, &file).unwrap();
    assert_eq!(loaded.order(variables), model.order(variables));
    let same = |model: &A| model.parameters(data(3), context(3).as_ref()).into_data();
    same(&loaded).assert_eq(&same(&model), true);
}

const NONE: usize = 0;
const ALL: usize = usize::MAX;

fn row(context: usize, reach: usize) -> Row {
    Row { context, reach }
}

fn levels(count: usize) -> Levels {
    Levels::counting(count).unwrap()
}

#[test]
fn fvsbn() {
    keeps_the_laws(row(NONE, ALL), |device| {
        MadeConfig::fvsbn(vec![10]).init::<2>(device).unwrap()
    });
    keeps_the_laws(row(2, ALL), |device| {
        let order = Order::Given(vec![3, 0, 2, 1]);
        let config = MadeConfig::fvsbn(vec![2, 2]).with_context(2);
        config.init_in_order::<3>(&order, device).unwrap()
    });
}

#[test]
fn made() {
    let config = MadeConfig::new(vec![1, 3, 3]).with_hidden(vec![64, 48]);
    keeps_the_laws(row(NONE, ALL), |device| config.init::<4>(device).unwrap());
    let config = MadeConfig::new(vec![6]).with_hidden(vec![64]);
    keeps_the_laws(row(3, ALL), |device| {
        let order = Order::Drawn { seed: 7 };
        let config = config.clone().with_context(3);
        config
            .init_with::<2>(Output::Categorical(levels(3)), &order, device)
            .unwrap()
    });
    keeps_the_laws(row(NONE, ALL), |device| {
        let mixture = Output::logistic_mixture(Levels::unit(5).unwrap(), 2).unwrap();
        let config = MadeConfig::new(vec![4]).with_hidden(vec![64]);
        config
            .init_with::<2>(mixture, &Order::Raster, device)
            .unwrap()
    });
}

#[test]
fn nade() {
    let config = NadeConfig::new(vec![10]).with_hidden(48);
    keeps_the_laws(row(NONE, ALL), |device| config.init::<2>(device).unwrap());
    keeps_the_laws(row(2, ALL), |device| {
        let config = NadeConfig::new(vec![2, 3]).with_hidden(48).with_context(2);
        let order = Order::Drawn { seed: 3 };
        config
            .init_with::<3>(Output::Categorical(levels(3)), &order, device)
            .unwrap()
    });
    keeps_the_laws(row(NONE, ALL), |device| {
        NadeConfig::new(vec![1]).init::<2>(device).unwrap()
    });
}

#[test]
fn pixel_cnn() {
    // Of so many that units which are dead hide nothing: few are of a channel.
    let config = |shape: [usize; 3]| PixelCnnConfig::new(shape).with_features(16 * shape[0]);
    keeps_the_laws(row(NONE, ALL), |device| {
        config([1, 4, 3]).with_layers(3).init(device).unwrap()
    });
    keeps_the_laws(row(2, ALL), |device| {
        let config = config([1, 3, 3]).with_layers(2).with_context(2);
        config.init(device).unwrap()
    });
    keeps_the_laws(row(NONE, ALL), |device| {
        let mixture = Output::logistic_mixture(levels(4), 3).unwrap();
        let config = config([3, 1, 2]).with_layers(2);
        config.init_with(mixture, device).unwrap()
    });
    keeps_the_laws(row(NONE, ALL), |device| {
        config([3, 2, 2]).with_layers(2).init(device).unwrap()
    });
    keeps_the_laws(row(NONE, ALL), |device| {
        config([1, 1, 1]).with_layers(2).init(device).unwrap()
    });
}

#[test]
fn wave_net() {
    let config = |length| {
        WaveNetConfig::new(length)
            .with_channels(12)
            .with_skip_channels(20)
    };
    keeps_the_laws(row(NONE, 8), |device| {
        config(11).with_layers(3).init(device).unwrap()
    });
    keeps_the_laws(row(2, ALL), |device| {
        let config = config(7).with_layers(2).with_stacks(2).with_kernel(3);
        let output = Output::Categorical(levels(3));
        config.with_context(2).init_with(output, device).unwrap()
    });
    keeps_the_laws(row(NONE, 5), |device| {
        let config = config(9)
            .with_layers(2)
            .with_dilation_base(1)
            .with_kernel(3);
        config.init(device).unwrap()
    });
}
