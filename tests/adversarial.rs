//! The parts of adversarial models: their losses, the exact gradient penalty, clipping, whose turn it is.

mod common;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::Linear;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::{DType, Distribution};
use burn_generative::Error;
use burn_generative::loss::{
    GradientPenalty, Hinge, LeastSquares, Minimax, NonSaturating, Unregularized, Wasserstein,
    WeightClipping,
};
use burn_generative::model::{Balance, ReconstructionGanConfig};
use burn_generative::nn::{
    ConvCritic, ConvCriticConfig, MlpCritic, MlpCriticConfig, MlpDecoder, MlpEncoder, PatchCritic,
    PatchCriticConfig, frozen_copy, initialize,
};
use burn_generative::prelude::*;
use burn_generative::prior::GaussianMixture;
use common::{
    Fixed, assert_all_close, assert_close, cpu, derivative, devices, noise, tensor, values,
};
use std::sync::Arc;

fn sp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn adversarial_losses_are_their_formulas() {
    type Formula = fn(f64) -> f64;
    let rows: [(&str, Arc<dyn AdversarialLoss>, [Formula; 4]); 5] = [
        (
            "non-saturating",
            Arc::new(NonSaturating),
            [|d| sp(-d), sp, |d| sp(-d), sp],
        ),
        (
            "minimax",
            Arc::new(Minimax),
            [|d| sp(-d), sp, |d| -sp(d), |d| -sp(-d)],
        ),
        (
            "least squares",
            Arc::new(LeastSquares),
            [
                |d| 0.5 * (d - 1.0).powi(2),
                |d| 0.5 * d * d,
                |d| 0.5 * (d - 1.0).powi(2),
                |d| 0.5 * d * d,
            ],
        ),
        (
            "hinge",
            Arc::new(Hinge),
            [
                |d| (1.0 - d).max(0.0),
                |d| (1.0 + d).max(0.0),
                |d| -d,
                |d| d,
            ],
        ),
        (
            "Wasserstein",
            Arc::new(Wasserstein),
            [|d| -d, |d| d, |d| -d, |d| d],
        ),
    ];
    let scores = [-100.0, -3.0, -0.7, 0.0, 0.4, 2.5, 100.0];
    for (device_name, device) in devices() {
        let device = device.autodiff();
        for (name, loss, formulas) in &rows {
            for (side, formula) in ["real", "fake", "generator", "encoder"]
                .iter()
                .zip(formulas)
            {
                let score = tensor([scores.len()], &device, |i| scores[i]).require_grad();
                let got = match *side {
                    "real" => loss.real(score.clone()),
                    "fake" => loss.fake(score.clone()),
                    "generator" => loss.generator(score.clone()),
                    _ => loss.encoder(score.clone()),
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

/// A game that one side has won outright still has losses and gradients: to the last digit of `f32` where the critic is
/// sure, on every backend, and in the reference.
#[test]
fn a_saturated_objective_is_exact() {
    for (name, device) in devices() {
        let device = device.autodiff();
        for dtype in [DType::F32, DType::F64] {
            if name == "wgpu" && dtype == DType::F64 {
                continue;
            }
            let scores = [-80.0, -40.0, -17.0, -16.0, -12.0, 0.0, 12.0, 17.0, 80.0];
            let score = Tensor::<1>::from_floats(scores, &device).cast(dtype);
            let score = score.detach().require_grad();
            let loss = NonSaturating.fake(score.clone());
            let gradient = values(score.grad(&loss.clone().sum().backward()).unwrap());
            let tolerance = if name == "wgpu" { 1e-4 } else { 1e-6 };
            let unit = |got: f64, want: f64, what: &str| {
                let off = (got / want - 1.0).abs();
                assert!(
                    off < tolerance,
                    "{what}: {got}, not {want}, in {dtype:?} on {name}"
                );
            };
            for (i, loss) in values(loss).into_iter().enumerate() {
                let d: f64 = scores[i];
                unit(loss, sp(d), "loss");
                unit(gradient[i], 1.0 / (1.0 + (-d).exp()), "gradient");
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

fn double<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    let numbers: Vec<f64> = (0..shape.iter().product()).map(noise(seed, 1.0)).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (device, DType::F64))
}

/// A critic with weights in double precision.
fn in_double<C: Module>(device: &Device, init: impl Fn(&Device) -> C) -> C {
    device.seed(3);
    let critic = init(device);
    initialize(&critic);
    critic.map(&mut Double)
}

fn mlp_critic(device: &Device) -> MlpCritic<3> {
    let config = MlpCriticConfig::new(vec![2, 3]).with_hidden(vec![5, 4]);
    in_double(device, |device| config.init(device).unwrap())
}

/// Odd and even sides, so that the way back has pixels to add and not to add.
fn conv_critic(device: &Device) -> ConvCritic {
    let config = ConvCriticConfig::new([2, 5, 6]).with_channels(vec![3, 2]);
    in_double(device, |device| config.init(device).unwrap())
}

#[test]
fn the_input_gradient_of_a_critic_is_the_derivative_of_its_score() {
    fn check<C: InputGradient<Input = Tensor<D>>, const D: usize>(critic: C, input: Tensor<D>) {
        let (score, gradient) = critic.score_and_input_gradient(input.clone());
        assert_all_close(
            &values(score),
            &values(critic.score(input.clone())),
            1e-12,
            "score",
        );
        // By autodiff, which knows the first order.
        let leaf = input.require_grad();
        let gradients = critic.score(leaf.clone()).sum().backward();
        let want = values(leaf.grad(&gradients).unwrap());
        assert_all_close(&values(gradient), &want, 1e-12, "gradient");
        assert!(
            want.iter().any(|x| x.abs() > 1e-3),
            "a flat critic shows nothing"
        );
    }
    let device = cpu().autodiff();
    check(mlp_critic(&device), double([4, 2, 3], 5, &device));
    check(conv_critic(&device), double([4, 2, 5, 6], 5, &device));
}

/// Value from the formula, gradient from finite differences of every parameter.
#[test]
fn the_gradient_penalty_is_exact_to_the_second_order() {
    let device = cpu().autodiff();
    let weights = 6 * 5 + 5 * 4 + 4;
    check_penalty(mlp_critic(&device), [4, 2, 3], weights, &device);
    let weights = 3 * 2 * 9 + 2 * 3 * 9 + 2 * 2 * 2;
    check_penalty(conv_critic(&device), [4, 2, 5, 6], weights, &device);
}

fn check_penalty<C, const D: usize>(critic: C, shape: [usize; D], weights: usize, device: &Device)
where
    C: InputGradient<Input = Tensor<D>> + Module,
{
    let (real, fake) = (double(shape, 7, device), double(shape, 8, device));
    let mut one_each = [1; D];
    one_each[0] = shape[0];
    let mix = double(one_each, 9, device).abs();
    let penalty = GradientPenalty::new(10.0).unwrap();
    let of = |critic: &C| {
        penalty
            .penalty_with(critic, real.clone(), fake.clone(), mix.clone())
            .unwrap()
    };

    let between = mix.clone() * real.clone() + (1.0 - mix.clone()) * fake.clone();
    let (_, slope) = critic.score_and_input_gradient(between);
    let event = shape[1..].iter().product();
    let want: Vec<f64> = values(slope)
        .chunks_exact(event)
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
    assert_eq!(compared, weights, "all weights");
    assert!(largest > 0.1, "{largest}");
}

/// Large weights, and no input along which the score changes faster than the input: the largest singular
/// value of every layer has become 1.
#[test]
fn spectral_normalisation_makes_a_critic_lipschitz() {
    struct Larger;
    impl ModuleMapper for Larger {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|weights| (weights * 20.0).detach().require_grad())
        }
    }
    let steepest = |spectral: bool, device: &Device| {
        let critic = MlpCriticConfig::new(vec![6])
            .with_hidden(vec![32, 32])
            .with_spectral_norm(spectral)
            .with_negative_slope(1.0); // linear, so that a product of norms bounds it
        let critic = critic.init::<2>(device).unwrap();
        initialize(&critic);
        let critic = critic.map(&mut Larger);
        let input = || tensor([64, 6], device, noise(1, 1.0));
        for _step in 0..50 {
            critic.score(input());
        }
        let (_, gradient) = critic.score_and_input_gradient(input());
        values(sum_event(gradient.square()).max())[0].sqrt()
    };
    for (name, device) in devices() {
        let device = device.autodiff();
        let norm = steepest(true, &device);
        assert!(norm <= 1.0 + 1e-4 && norm > 0.01, "{norm} on {name}");
        assert!(steepest(false, &device) > 10.0, "on {name}");
    }
}

/// Training moves the power iteration, evaluation and frozen copies do not, and a record has it.
#[test]
fn only_training_moves_the_power_iteration() {
    let device = cpu().autodiff();
    let config = ConvCriticConfig::new([1, 6, 6])
        .with_channels(vec![3, 4])
        .with_spectral_norm(true);
    let critic = config.init(&device).unwrap();
    initialize(&critic);
    let images = || tensor([2, 1, 6, 6], &device, noise(1, 1.0));
    // The second use commits what the first one found.
    let state = || common::weights(&critic);
    let use_twice = |critic: &ConvCritic, images: &dyn Fn() -> Tensor<4>| {
        critic.score(images());
        critic.score(images())
    };
    let before = state();
    use_twice(&frozen_copy(&critic), &images);
    let evaluated = use_twice(&critic.valid(), &|| images().without_autodiff());
    assert_eq!(before, state());
    let trained = use_twice(&critic, &images);
    assert_ne!(before, state());
    assert_ne!(values(trained), values(evaluated));

    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("critic.bpk");
    critic.valid().save_file(&path).unwrap();
    let loaded = config.init(&cpu()).unwrap().load_file(&path);
    let scores = |critic: &ConvCritic| values(critic.score(images().without_autodiff()));
    assert_eq!(scores(&loaded), scores(&critic.valid()));
}

#[test]
fn a_feature_layer_is_chosen_or_refused() {
    let device = cpu();
    let mlp = MlpCriticConfig::new(vec![6]).with_hidden(vec![5, 4, 3]);
    let rows = || tensor::<2>([2, 6], &device, noise(1, 1.0));
    for (layer, width) in [(None, 3), (Some(0), 5), (Some(1), 4), (Some(2), 3)] {
        let config = mlp.clone().with_feature_layer(layer);
        let critic = config.init::<2>(&device).unwrap();
        assert_eq!(critic.features(rows()).dims(), [2, width]);
    }
    let conv = ConvCriticConfig::new([1, 12, 10]).with_channels(vec![4, 6]);
    let images = || tensor::<4>([2, 1, 12, 10], &device, noise(1, 1.0));
    for (layer, shape) in [(None, [2, 6, 3, 3]), (Some(0), [2, 4, 6, 5])] {
        let config = conv.clone().with_feature_layer(layer);
        let critic = config.init(&device).unwrap();
        assert_eq!(critic.features(images()).dims(), shape);
    }
    let refused = |error: Error| {
        let message = error.to_string();
        assert!(message.contains("does not exist"), "{message}");
    };
    refused(
        mlp.with_feature_layer(Some(3))
            .init::<2>(&device)
            .unwrap_err(),
    );
    refused(
        conv.with_feature_layer(Some(2))
            .init(&device)
            .map(drop)
            .unwrap_err(),
    );
}

/// The label of a class is a place of the prior, and a wrong one is named.
#[test]
fn labels_out_of_range_are_refused_by_name() {
    let device = cpu();
    let model = SemiSupervisedAae::new(
        MlpEncoderConfig::new(vec![6], 2)
            .init::<2>(&device)
            .unwrap(),
        MlpDecoderConfig::new(2, vec![6])
            .init::<2>(&device)
            .unwrap(),
        MlpCriticConfig::new(vec![2])
            .init_joint::<2>(4, &device)
            .unwrap(),
        GaussianMixture::ring(3, 4.0, 0.5, &device).unwrap(),
        SquaredError,
        NonSaturating,
    );
    let check = |labels: [i32; 2]| {
        model
            .check_labels(&Tensor::from_ints(labels, &device))
            .map_err(|error| error.to_string())
    };
    assert_eq!(check([2, -1]), Ok(())); // -1 is unknown
    for labels in [[0, 3], [-2, 2]] {
        let message = check(labels).unwrap_err();
        assert!(
            message.contains("there are 3 classes, from 0 to 2 (-1 stands for"),
            "{message}"
        );
    }
}

/// A shape bug of the caller: a panic that names both shapes, before anything is trained on it.
#[test]
fn a_prior_of_another_dimension_is_refused_by_its_shape() {
    let device = cpu();
    let encoder = || MlpEncoderConfig::new(vec![6], 2).with_hidden(vec![4]);
    let decoder = || {
        let config = MlpDecoderConfig::new(2, vec![6]).with_hidden(vec![4]);
        config.init::<2>(&device).unwrap()
    };
    let critic = |width: usize| MlpCriticConfig::new(vec![width]).with_hidden(vec![4]);
    let rows = || Tensor::<2>::ones([5, 6], &device);
    let message = |work: &dyn Fn()| {
        let work = std::panic::AssertUnwindSafe(work);
        let panic = std::panic::catch_unwind(work).unwrap_err();
        panic.downcast_ref::<String>().expect("a message").clone()
    };

    let aae = AaeConfig::new()
        .init(
            encoder().init::<2>(&device).unwrap(),
            decoder(),
            critic(2).init::<2>(&device).unwrap(),
            StandardNormal::new(3),
            SquaredError,
            NonSaturating,
        )
        .unwrap();
    let ali = Ali::new(
        encoder().init_gaussian::<2>(&device).unwrap(),
        decoder(),
        critic(6).init_joint::<2>(2, &device).unwrap(),
        StandardNormal::new(3),
        NonSaturating,
    );
    let vae_gan = VaeGanConfig::new()
        .init(
            encoder().init_gaussian::<2>(&device).unwrap(),
            decoder(),
            critic(6).init::<2>(&device).unwrap(),
            StandardNormal::new(3),
            NonSaturating,
        )
        .unwrap();
    for (name, said) in [
        ("Aae", message(&|| drop(aae.losses(rows())))),
        ("Ali", message(&|| drop(ali.losses(rows())))),
        ("VaeGan", message(&|| drop(vae_gan.losses(rows())))),
    ] {
        let want = format!(
            "{name}: the encoder's codes have shape [5, 2], but the prior's samples [5, 3]"
        );
        assert!(said.starts_with(&want), "{said}");
    }

    // A closed form would not have noticed.
    let posterior = DiagonalGaussian::new(
        Tensor::<2>::zeros([5, 2], &device),
        Tensor::zeros([5, 2], &device),
    );
    let said = message(&|| drop(StandardNormal::new(3).kl(&posterior, &posterior.draw())));
    assert!(
        said.contains("events of shape [3], but the posteriors have 2 coordinates"),
        "{said}"
    );

    let gan = small_gan(&device, 1, NonSaturating, Unregularized);
    let said = message(&|| drop(gan.losses(Tensor::ones([5, 3], &device))));
    assert!(
        said.contains("the generator makes [5, 2], but the real data is [5, 3]"),
        "{said}"
    );
}

#[test]
fn numbers_that_cannot_work_are_refused_by_name() {
    let parts = || {
        let device = cpu();
        (
            MlpEncoderConfig::new(vec![6], 2)
                .init_gaussian::<2>(&device)
                .unwrap(),
            MlpDecoderConfig::new(2, vec![6])
                .init::<2>(&device)
                .unwrap(),
            MlpCriticConfig::new(vec![6]).init::<2>(&device).unwrap(),
        )
    };
    let vae_gan = |config: VaeGanConfig| {
        let (encoder, decoder, critic) = parts();
        let prior = StandardNormal::new(2);
        let result = config.init(encoder, decoder, critic, prior, NonSaturating);
        result.map(drop).unwrap_err().to_string()
    };
    for gamma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = vae_gan(VaeGanConfig::new().with_gamma(gamma));
        assert!(message.contains("gamma must be a positive"), "{message}");
    }
    let balance = Balance::new().with_margin(-0.1);
    let message = vae_gan(VaeGanConfig::new().with_balance(Some(balance)));
    assert!(message.contains("balance.margin"), "{message}");

    let (_, generator, critic) = parts();
    let result = GanConfig::new().with_critic_steps(0).init(
        generator,
        critic,
        StandardNormal::new(2),
        NonSaturating,
        Unregularized,
    );
    let message = result.map(drop).unwrap_err().to_string();
    assert!(
        message.contains("critic_steps must be at least 1"),
        "{message}"
    );
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

/// The Wasserstein distance of `N(0, I)` and `N((3, 0), I)` is 3, and a critic under the penalty finds it, but
/// for what a soft penalty lets through: the slope `s` that maximises `3 s - weight (s - 1)^2` is
/// `1 + 3 / (2 weight)`. (In the plane, where a slope that starts the wrong way can turn round; on a line the
/// penalty holds it there.)
#[test]
fn a_wasserstein_critic_finds_the_distance_of_two_gaussians() {
    let device = cpu();
    device.seed(1);
    let training = device.autodiff();
    let mut critic: MlpCritic<2> = MlpCriticConfig::new(vec![2])
        .with_hidden(vec![32, 32])
        .init(&training)
        .unwrap();
    // So soft that what it lets through is seen: 15% of the distance.
    let weight = 10.0;
    let penalty = GradientPenalty::new(weight).unwrap();
    let draw = |mean: f64, n: usize, device: &Device| -> Tensor<2> {
        let noise = Tensor::random([n, 2], Distribution::Normal(0.0, 1.0), device);
        noise + Tensor::<2>::from_floats([[mean, 0.0]], device)
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

fn small_gan<R: CriticRegularizer<MlpCritic<2>, Tensor<2>>>(
    device: &Device,
    critic_steps: usize,
    objective: impl AdversarialLoss + 'static,
    regularizer: R,
) -> Gan<burn_generative::nn::MlpDecoder<burn::nn::Linear, 2>, MlpCritic<2>, StandardNormal, R> {
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
    let Gan {
        generator, critic, ..
    } = gan;
    let prior = StandardNormal::new(2);
    let error = zero
        .init(generator, critic, prior, NonSaturating, Unregularized)
        .unwrap_err();
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

/// Running statistics are no weights: a variance that is clipped to 0.01 would ruin the critic's evaluation.
#[test]
fn clipping_leaves_running_statistics_alone() {
    #[derive(Module, Debug)]
    struct Normalised {
        norm: burn::nn::BatchNorm,
        score: burn::nn::Linear,
    }
    let device = cpu().autodiff();
    let critic = Normalised {
        norm: burn::nn::BatchNormConfig::new(3).init(&device),
        score: burn::nn::LinearConfig::new(3, 1).init(&device),
    };
    let clipping = WeightClipping::new(0.01).unwrap();
    let critic = CriticRegularizer::<_, Tensor<2>>::constrain(&clipping, critic);
    assert_eq!(values(critic.norm.running_var.value()), [1.0; 3]);
    let clipped = [
        &critic.norm.gamma.val().into_data(),
        &critic.score.weight.val().into_data(),
    ];
    for weights in clipped {
        assert!(weights.iter::<f64>().all(|w| w.abs() <= 0.01 + 1e-9));
    }
}

/// Whose turn it is survives a record, and evaluation shows all terms, whoever's turn it is.
#[test]
fn the_turn_is_part_of_a_record() {
    let device = cpu().autodiff();
    let fresh = |device: &Device| small_gan(device, 3, NonSaturating, Unregularized);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gan.bpk");
    let mut gan = fresh(&device);
    for turn in [false, false, true, false, false, true] {
        assert_eq!(gan.is_generators_turn(), turn);
        gan.clone().save_file(&path).unwrap();
        let loaded = fresh(&device).try_load_file(&path).unwrap();
        assert_eq!(loaded.is_generators_turn(), turn, "after loading");
        assert_eq!(
            loaded.advance().is_generators_turn(),
            gan.clone().advance().is_generators_turn()
        );

        let losses = gan.valid().losses(Tensor::ones([8, 2], &cpu()));
        let sum: f64 = losses
            .iter()
            .skip(1)
            .map(|(_, term)| values(term.clone())[0])
            .sum();
        assert_close(
            values(losses.total)[0],
            sum,
            1e-5,
            "the total in evaluation",
        );
        gan = gan.advance();
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

/// Of grey images of so many pixels a side.
fn patch_critic(side: usize, halvings: usize) -> PatchCriticConfig {
    let config = PatchCriticConfig::new([1, side, side]).with_features(3);
    config.with_halvings(halvings)
}

/// Along both axes, the gradient of one logit is nowhere zero within its patch, and zero everywhere else.
#[test]
fn a_score_sees_its_patch_and_nothing_more() {
    const SIDE: usize = 48;
    let device = cpu().autodiff();
    for (halvings, patch) in [(0, 7), (1, 16), (2, 34)] {
        let config = patch_critic(SIDE, halvings);
        assert_eq!(config.patch(), patch);
        let critic = config.init(&device).unwrap();
        let image = tensor::<4>([1, 1, SIDE, SIDE], &device, noise(1, 1.0)).require_grad();
        let scores = critic.patch_scores(image.clone());
        let patches = (SIDE >> halvings) - 2;
        assert_eq!(scores.dims(), [1, patches * patches]);

        let place = [5, 4];
        let score = scores.narrow(1, place[0] * patches + place[1], 1);
        let gradient = image.grad(&score.sum().backward()).unwrap();
        let seen = place.map(|place| {
            let first = ((place - 3) << halvings) + 1;
            first..first + patch
        });
        for (pixel, slope) in values(gradient).into_iter().enumerate() {
            let [row, column] = [pixel / SIDE, pixel % SIDE];
            let within = seen[0].contains(&row) && seen[1].contains(&column);
            assert_eq!(slope != 0.0, within, "{halvings} halvings, {row}, {column}");
        }
    }
    assert_eq!(patch_critic(SIDE, 3).patch(), 70); // as the paper calls it
}

#[test]
fn a_critic_of_patches_refuses_what_has_none() {
    let refused = |config: PatchCriticConfig, word: &str| {
        let error = config.init(&cpu()).unwrap_err();
        let Error::Config(reason) = error else {
            panic!("{error:?}")
        };
        assert!(reason.contains(word), "{reason}");
    };
    patch_critic(24, 3).init(&cpu()).unwrap();
    refused(patch_critic(23, 3), "23x23 is too small for 3 halvings");
    refused(patch_critic(23, 64), "too small for 64 halvings");
    refused(patch_critic(24, 3).with_features(0), "features");
    refused(patch_critic(24, 3).with_features(usize::MAX), "weights");
    refused(patch_critic(0, 3), "no elements");
}

/// An autoencoder of images of 8x8, and a critic of its 36 patches.
fn reconstructing(
    device: &Device,
) -> (
    Autoencoder<MlpEncoder<Linear, 4>, MlpDecoder<Linear, 4>, SquaredError>,
    PatchCritic,
) {
    let shape = vec![1, 8, 8];
    let encoder = MlpEncoderConfig::new(shape.clone(), 2).with_hidden(vec![9]);
    let decoder = MlpDecoderConfig::new(2, shape).with_hidden(vec![9]);
    let autoencoder = Autoencoder::new(
        encoder.init(device).unwrap(),
        decoder.init(device).unwrap(),
        SquaredError,
    );
    (autoencoder, patch_critic(8, 0).init(device).unwrap())
}

/// The hinge of each patch and then the mean, which is not the hinge of the mean; and a model shows the reconstruction that its
/// losses are of, that of a draw too.
#[test]
fn an_objective_sees_every_patch() {
    let device = cpu();
    let (autoencoder, critic) = reconstructing(&device);
    let images = || tensor::<4>([3, 1, 8, 8], &device, noise(1, 20.0));
    let encoder = MlpEncoderConfig::new(vec![1, 8, 8], 2).init_gaussian(&device);
    let vae = Vae::new(
        encoder.unwrap(),
        autoencoder.decoder.clone(),
        StandardNormal::new(2),
        SquaredError,
    );
    let model = ReconstructionGanConfig::new(5.0).init(autoencoder, critic, Hinge);
    let model = model.unwrap().map(&mut Fixed(0, 0.5));

    let (drawn, made) = vae.losses_and_reconstruction(images());
    let error = SquaredError.loss(made, images());
    assert_eq!(values(drawn.term("reconstruction").unwrap()), values(error));

    let losses = model.losses(images());
    let (own, made) = model.model.losses_and_reconstruction(images());
    assert_eq!(
        values(own.total.clone()),
        values(model.model.losses(images()).total)
    );
    let error = SquaredError.loss(made.clone(), images());
    assert_eq!(values(own.term("reconstruction").unwrap()), values(error));

    let [real, fake] = [images(), made].map(|images| model.critic.patch_scores(images));
    assert_eq!(real.dims(), [3, 36]);
    let mean = |costs: Tensor<2>| costs.mean_dim(1).squeeze_dim::<1>(1);
    let hinge = |scores: Tensor<2>| (scores + 1.0).clamp_min(0.0);
    let critic = mean(hinge(-real.clone()) + hinge(fake.clone()));
    let generator = mean(-fake.clone());
    let term = |name: &str| values(losses.term(name).unwrap());
    assert_all_close(&term("critic"), &values(critic.clone()), 1e-5, "critic");
    assert_all_close(
        &term("generator"),
        &values(generator.clone()),
        1e-5,
        "generator",
    );
    let total = own.total + generator * 5.0 + critic;
    assert_all_close(&term("loss"), &values(total), 1e-5, "total");
    assert_all_close(
        &values(mean(real.clone())),
        &values(model.critic.score(images())),
        1e-5,
        "score",
    );
    let of_mean = values(Hinge.critic(mean(real), mean(fake)));
    assert!((of_mean[0] - term("critic")[0]).abs() > 0.01, "{of_mean:?}");
}

/// To the bit; and at the start both players move.
#[test]
fn before_its_start_a_critic_changes_nothing() {
    const START: usize = 3;
    let device = cpu().autodiff();
    let (mut alone, critic) = reconstructing(&device);
    initialize(&alone);
    initialize(&critic);
    let critics = common::weights(&critic);
    let config = ReconstructionGanConfig::new(5.0).with_start(START);
    let mut game = config.init(alone.clone(), critic, Hinge).unwrap();
    let optimizer = || AdamConfig::new().init();
    let (mut of_alone, mut of_game) = (optimizer(), optimizer());
    let images = || tensor::<4>([4, 1, 8, 8], &device, noise(1, 1.0));
    for step in 0..2 * START {
        (alone, _) = alone.learn(&mut of_alone, 1e-2, images());
        let losses;
        (game, losses) = game.learn(&mut of_game, 1e-2, images());
        let waits = step < START;
        let model = common::weights(&game.model);
        assert_eq!(model == common::weights(&alone), waits, "{step}");
        assert_eq!(common::weights(&game.critic) == critics, waits, "{step}");
        for term in ["generator", "critic"] {
            let of_images = values(losses.term(term).unwrap());
            assert_eq!(of_images == [0.0; 4], waits, "{term} at {step}");
        }
    }

    for weight in [-1.0, f64::NAN] {
        let (autoencoder, critic) = reconstructing(&device);
        let refused = ReconstructionGanConfig::new(weight).init(autoencoder, critic, Hinge);
        assert!(matches!(refused, Err(Error::Config(_))));
    }
}
