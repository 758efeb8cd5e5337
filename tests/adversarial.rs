//! The parts of adversarial models: their losses, the exact gradient penalty, clipping, whose turn it is.

mod common;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::{DType, Distribution};
use burn_generative::loss::{
    Adversarial, GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Unregularized,
    Wasserstein, WeightClipping,
};
use burn_generative::nn::{MlpCritic, MlpCriticConfig, frozen_copy, initialize};
use burn_generative::prelude::*;
use common::{assert_all_close, assert_close, cpu, derivative, devices, noise, tensor, values};

fn sp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn adversarial_losses_are_their_formulas() {
    type Formula = fn(f64) -> f64;
    let rows: [(&str, Adversarial, [Formula; 3]); 5] = [
        (
            "non-saturating",
            Adversarial::NonSaturating(NonSaturating),
            [|d| sp(-d), sp, |d| sp(-d)],
        ),
        (
            "minimax",
            Adversarial::Minimax(Minimax),
            [|d| sp(-d), sp, |d| -sp(d)],
        ),
        (
            "least squares",
            Adversarial::LeastSquares(LeastSquares),
            [
                |d| 0.5 * (d - 1.0).powi(2),
                |d| 0.5 * d * d,
                |d| 0.5 * (d - 1.0).powi(2),
            ],
        ),
        (
            "hinge",
            Adversarial::Hinge(Hinge),
            [|d| (1.0 - d).max(0.0), |d| (1.0 + d).max(0.0), |d| -d],
        ),
        (
            "Wasserstein",
            Adversarial::Wasserstein(Wasserstein),
            [|d| -d, |d| d, |d| -d],
        ),
    ];
    let scores = [-100.0, -3.0, -0.7, 0.0, 0.4, 2.5, 100.0];
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for (name, loss, formulas) in &rows {
            for (side, formula) in ["real", "fake", "generator"].iter().zip(formulas) {
                let score = tensor([scores.len()], &device, |i| scores[i]).require_grad();
                let got = match *side {
                    "real" => loss.real(score.clone()),
                    "fake" => loss.fake(score.clone()),
                    _ => loss.generator(score.clone()),
                };
                let what = format!("{name}, {side}, on {device_name}");
                assert_all_close(&values(got.clone()), &scores.map(formula), 1e-5, &what);
                let gradient = values(score.grad(&got.sum().backward()).unwrap());
                let want = scores.map(|score| derivative(formula, score));
                assert_all_close(&gradient, &want, 1e-4, &format!("{what}, gradient"));
            }
        }
    }
}

/// All parameters in double precision, so that finite differences of them are exact to many digits.
struct Double;

impl ModuleMapper for Double {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| weights.cast(DType::F64).detach().require_grad())
    }
}

/// Adds `step` to the `element`-th number of the `parameter`-th parameter.
struct Nudge {
    parameter: usize,
    element: usize,
    step: f64,
    at: usize,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let here = self.at == self.parameter;
        self.at += 1;
        if !here {
            return param;
        }
        param.map(|weights| {
            let mut numbers: Vec<f64> = values(weights.clone().detach());
            numbers[self.element] += self.step;
            let data = TensorData::new(numbers, weights.dims());
            Tensor::from_data(data, (&weights.device(), DType::F64)).require_grad()
        })
    }
}

struct Sizes(Vec<usize>);

impl ModuleVisitor for Sizes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().shape().num_elements());
    }
}

fn double(shape: [usize; 3], seed: usize, device: &Device) -> Tensor<3> {
    let numbers: Vec<f64> = (0..shape.iter().product()).map(noise(seed, 1.0)).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F64))
}

const SHAPE: [usize; 3] = [4, 2, 3];

fn critic(device: &Device) -> MlpCritic<3> {
    device.seed(3);
    let critic = MlpCriticConfig::new(vec![2, 3])
        .with_hidden(vec![5, 4])
        .init(device)
        .unwrap();
    initialize(&critic);
    critic.map(&mut Double)
}

#[test]
fn the_input_gradient_of_a_critic_is_the_derivative_of_its_score() {
    let device = cpu().autodiff();
    let critic = critic(&device);
    let input = double(SHAPE, 5, &device);
    let (score, gradient) = critic.score_and_input_gradient(input.clone());
    assert_all_close(
        &values(score),
        &values(critic.score(input.clone())),
        1e-12,
        "score",
    );
    // By autodiff, which knows the first order.
    let leaf = input.clone().require_grad();
    let gradients = critic.score(leaf.clone()).sum().backward();
    let want = values(leaf.grad(&gradients).unwrap());
    assert_all_close(&values(gradient), &want, 1e-12, "gradient");
    assert!(
        want.iter().any(|x| x.abs() > 1e-3),
        "a flat critic shows nothing"
    );
}

/// Value from the formula, gradient from finite differences of every parameter.
#[test]
fn the_gradient_penalty_is_exact_to_the_second_order() {
    let device = cpu().autodiff();
    let critic = critic(&device);
    let (real, fake) = (double(SHAPE, 7, &device), double(SHAPE, 8, &device));
    let mix = double([4, 1, 1], 9, &device).abs();
    let penalty = GradientPenalty::new(10.0).unwrap();
    let of = |critic: &MlpCritic<3>| {
        penalty
            .penalty_with(critic, real.clone(), fake.clone(), mix.clone())
            .unwrap()
    };

    let between = mix.clone() * real.clone() + (1.0 - mix.clone()) * fake.clone();
    let (_, slope) = critic.score_and_input_gradient(between);
    let want: Vec<f64> = values(slope)
        .chunks_exact(6)
        .map(|row| 10.0 * (row.iter().map(|x| x * x).sum::<f64>().sqrt() - 1.0).powi(2))
        .collect();
    assert_all_close(&values(of(&critic)), &want, 1e-9, "value");

    let gradients = of(&critic).sum().backward();
    let got = common::gradients(&critic, &gradients);
    let mut sizes = Sizes(Vec::new());
    critic.visit(&mut sizes);
    // The last bias moves no slope, so it has no gradient at all; the others' is zero.
    let (mut compared, mut largest) = (0, 0f64);
    let mut of_weights = got.iter();
    for (parameter, &size) in sizes.0.iter().enumerate() {
        let numeric: Vec<f64> = (0..size)
            .map(|element| {
                let moved = |step| {
                    let nudge = Nudge {
                        parameter,
                        element,
                        step,
                        at: 0,
                    };
                    values(of(&critic.clone().map(&mut { nudge })))
                        .iter()
                        .sum::<f64>()
                };
                (moved(1e-6) - moved(-1e-6)) / 2e-6
            })
            .collect();
        if numeric.iter().all(|x| x.abs() < 1e-8) {
            continue; // a bias
        }
        let exact = of_weights
            .find(|gradient| gradient.len() == size && gradient.iter().any(|&x| x != 0.0))
            .expect("a gradient for every weight");
        assert_all_close(exact, &numeric, 1e-6, &format!("parameter {parameter}"));
        compared += size;
        largest = numeric.iter().fold(largest, |m, x| m.max(x.abs()));
    }
    assert_eq!(compared, 6 * 5 + 5 * 4 + 4, "all weights");
    assert!(largest > 0.1, "{largest}");
}

#[test]
fn a_critic_that_is_flat_has_a_finite_penalty_and_gradient() {
    let device = cpu().autodiff();
    let critic: MlpCritic<2> = MlpCriticConfig::new(vec![2]).init(&device).unwrap();
    initialize(&critic);
    struct Zero;
    impl ModuleMapper for Zero {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weights| weights.zeros_like().require_grad())
        }
    }
    let critic = critic.map(&mut Zero);
    let rows = Tensor::<2>::ones([3, 2], &device);
    let penalty = GradientPenalty::new(10.0).unwrap();
    let penalty = penalty.penalty(&critic, rows.clone(), rows).unwrap();
    assert_all_close(
        &values(penalty.clone()),
        &[10.0; 3],
        1e-4,
        "weight (0 - 1)^2",
    );
    let gradients = common::gradients(&critic, &penalty.sum().backward());
    assert!(gradients.iter().flatten().all(|x| x.is_finite()));
}

/// The Wasserstein distance of `N(0, 1)` and `N(3, 1)` is 3, and a critic under the penalty finds it, but for
/// what a soft penalty lets through: the slope `s` that maximises `3 s - weight (s - 1)^2` is
/// `1 + 3 / (2 weight)`.
#[test]
fn a_wasserstein_critic_finds_the_distance_of_two_gaussians() {
    let device = cpu();
    device.seed(1);
    let training = device.autodiff();
    let mut critic: MlpCritic<2> = MlpCriticConfig::new(vec![1])
        .with_hidden(vec![32, 32])
        .init(&training)
        .unwrap();
    let weight = 30.0;
    let penalty = GradientPenalty::new(weight).unwrap();
    let draw = |mean: f64, n: usize, device: &Device| -> Tensor<2> {
        Tensor::random([n, 1], Distribution::Normal(mean, 1.0), device)
    };
    let mut optimizer = AdamConfig::new().with_beta_1(0.5).with_beta_2(0.9).init();
    for _ in 0..400 {
        let (real, fake) = (draw(3.0, 128, &training), draw(0.0, 128, &training));
        let scores = (critic.score(real.clone()), critic.score(fake.clone()));
        let loss =
            Wasserstein.critic(scores.0, scores.1) + penalty.penalty(&critic, real, fake).unwrap();
        let gradients = GradientsParams::from_grads(loss.mean().backward(), &critic);
        critic = optimizer.step(2e-3, critic, gradients);
    }
    let critic = critic.valid();
    let mean = |mean: f64| values(critic.score(draw(mean, 20_000, &cpu())).mean())[0];
    let want = 3.0 * (1.0 + 3.0 / (2.0 * weight));
    assert_close(mean(3.0) - mean(0.0), want, 0.05, "the distance");
}

fn small_gan<A: AdversarialLoss, R>(
    device: &Device,
    critic_steps: usize,
    objective: A,
    regularizer: R,
) -> Gan<burn_generative::nn::MlpDecoder<burn::nn::Linear, 2>, MlpCritic<2>, StandardNormal, A, R> {
    GanConfig::new()
        .with_critic_steps(critic_steps)
        .init(
            MlpDecoderConfig::new(2, vec![2])
                .with_hidden(vec![16])
                .init(device)
                .unwrap(),
            MlpCriticConfig::new(vec![2])
                .with_hidden(vec![16])
                .init(device)
                .unwrap(),
            StandardNormal::new(2),
            objective,
            regularizer,
        )
        .unwrap()
}

#[test]
fn the_generator_takes_the_last_of_every_critic_steps() {
    let device = cpu().autodiff();
    let mut gan = small_gan(&device, 3, NonSaturating, Unregularized);
    initialize(&gan);
    let mut optimizer = AdamConfig::new().init();
    let mut turns = Vec::new();
    for _ in 0..7 {
        let before = common::weights(&gan.generator);
        let critic = common::weights(&gan.critic);
        let losses = gan.losses(Tensor::ones([8, 2], &device));
        assert_eq!(
            losses.term("generator").unwrap().dims(),
            [8],
            "shown at every step"
        );
        let gradients = GradientsParams::from_grads(losses.mean().backward(), &gan);
        gan = optimizer.step(1e-2, gan, gradients).advance();
        assert_ne!(
            critic,
            common::weights(&gan.critic),
            "the critic trains at every step"
        );
        turns.push(before != common::weights(&gan.generator));
    }
    assert_eq!(turns, [false, false, true, false, false, true, false]);
    let zero = GanConfig::new().with_critic_steps(0);
    let error = zero.init((), (), (), (), ()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("critic_steps must be at least 1"),
        "{error}"
    );
}

#[test]
fn weights_are_clipped_after_the_step_and_go_on_learning() {
    let device = cpu().autodiff();
    let mut gan = small_gan(&device, 1, Wasserstein, WeightClipping::new(0.01).unwrap());
    let mut optimizer = AdamConfig::new().init();
    for _ in 0..3 {
        let before = common::weights(&gan.critic);
        let losses = gan.losses(Tensor::ones([8, 2], &device));
        let gradients = GradientsParams::from_grads(losses.mean().backward(), &gan);
        gan = optimizer.step(1e-3, gan, gradients).advance();
        let after = common::weights(&gan.critic);
        assert!(
            after.iter().all(|w| w.abs() <= 0.01 + 1e-9),
            "within the bound after the step"
        );
        assert_ne!(before, after);
    }
    for bound in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(WeightClipping::new(bound).is_err(), "{bound}");
    }
}

/// The trap: a module that was never used draws its parameters in a cell that its clones share.
#[test]
fn a_frozen_copy_of_a_fresh_module_leaves_the_original_to_learn() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let critic: MlpCritic<2> = MlpCriticConfig::new(vec![2]).init(&device).unwrap();
        let frozen = frozen_copy(&critic);
        let input = Tensor::<2>::ones([3, 2], &device).require_grad();
        let gradients = frozen.score(input.clone()).sum().backward();
        assert!(common::gradients(&frozen, &gradients).is_empty(), "{name}");
        assert!(input.grad(&gradients).is_some(), "{name}");
        let gradients = critic.score(input).sum().backward();
        assert_eq!(
            common::gradients(&critic, &gradients).len(),
            6,
            "{name}: 3 layers"
        );
    }
}
