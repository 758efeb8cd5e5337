//! The networks of many levels: what they reach, what cannot be, batch statistics; and what they are trained with: balanced levels,
//! a price of steepness, the likelihood of colours.
#![cfg(feature = "train")]

mod common;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::prelude::*;
use burn_generative::Error;
use burn_generative::distribution::{DiscretizedLogisticMixture, Levels, PixelLogisticMixture};
use burn_generative::hierarchy::{Cells, Nvae, NvaeConfig, TopDown};
use burn_generative::loss::LogisticMixtureNll;
use burn_generative::metric::importance_weighted_bound;
use burn_generative::model::{HierarchicalVae, Regularized};
use burn_generative::nn::{Conv2dConfig, SpectralPenalty, initialize};
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use common::{assert_all_close, assert_close, cpu, noise, seeded, tensor, values, weights};
use nalgebra::DMatrix;

const RESIDUAL: Cells = Cells::Residual { expansion: 2 };

fn config(groups: Vec<usize>, kind: Cells) -> NvaeConfig {
    let config = NvaeConfig::new([1, 8, 12], groups).with_kind(kind);
    config.with_channels(4).with_latents(2).with_cells(1)
}

fn model(groups: Vec<usize>, kind: Cells, device: &Device) -> HierarchicalVae<Nvae> {
    let model = HierarchicalVae::new(config(groups, kind).init(1, device).unwrap(), BernoulliNll);
    initialize(&model);
    model
}

/// Binary pictures of 8 by 12 pixels.
fn pictures(n: usize, device: &Device) -> Tensor<4> {
    let numbers = tensor([n, 1, 8, 12], device, noise(1, 1.0));
    numbers.greater_elem(0.0).float()
}

#[test]
fn levels_follow_from_scales_and_groups() {
    let (device, _turn) = seeded(1);
    for kind in [RESIDUAL, Cells::Bottleneck] {
        let model = model(vec![1, 2], kind, &device);
        assert_eq!(model.network.num_levels(), 3);
        let codes = model.encode(pictures(5, &device)).point();
        let shapes: Vec<_> = codes.iter().map(|code| code.dims()).collect();
        assert_eq!(shapes, [[5, 2, 2, 3], [5, 2, 4, 6], [5, 2, 4, 6]]);
        assert_eq!(model.sample(3, &device).dims(), [3, 1, 8, 12]);
        assert_eq!(
            model.reconstruct(pictures(1, &device)).dims(),
            [1, 1, 8, 12]
        );
        let one = model.losses(pictures(1, &device));
        assert!(values(one.total)[0].is_finite(), "a batch of one");
    }
    // Without a halving before the lowest scale, and with two.
    for (halvings, want) in [(0, [1, 2, 8, 12]), (2, [1, 2, 2, 3])] {
        let config = config(vec![1], RESIDUAL).with_halvings(halvings);
        let model = HierarchicalVae::new(config.init(1, &device).unwrap(), BernoulliNll);
        let codes = model.encode(pictures(1, &device)).point();
        assert_eq!(codes[0].dims(), want);
        assert_eq!(model.sample(1, &device).dims(), [1, 1, 8, 12]);
    }
}

/// Padding is within the networks: shapes are those of the picture, and a side may be any.
#[test]
fn padded_pictures_are_cut_to_their_size() {
    let (device, _turn) = seeded(11);
    let config = NvaeConfig::new([1, 6, 10], vec![1, 1]).with_padding(1);
    let config = config.with_channels(4).with_latents(2).with_cells(1);
    let model = HierarchicalVae::new(config.init(1, &device).unwrap(), BernoulliNll);
    let pictures = pictures(2, &device).slice([0..2, 0..1, 0..6, 0..10]);
    let codes = model.encode(pictures.clone()).point();
    assert_eq!(codes[1].dims(), [2, 2, 4, 6]);
    assert_eq!(model.reconstruct(pictures).dims(), [2, 1, 6, 10]);
}

#[test]
fn networks_that_cannot_be_are_refused_by_name() {
    let says = |config: NvaeConfig, words: &str| {
        let error = config.init(1, &cpu()).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let of = |groups: Vec<usize>| config(groups, RESIDUAL);
    says(of(vec![]), "the number of scales must be at least 1");
    says(
        of(vec![1, 0]),
        "the number of groups of scale 1 must be at least 1",
    );
    says(
        of(vec![1; 3]),
        "a side of 12 pixels (with a `padding` of 0) must be a multiple of 8",
    );
    says(of(vec![1; 70]), "must be a multiple of 2^70");
    says(
        of(vec![1; 200]).with_halvings(0),
        "must be a multiple of 2^199",
    );
    says(of(vec![1]).with_channels(0), "the channels must");
    says(
        of(vec![1]).with_latents(0),
        "the channels of a group of latents",
    );
    says(of(vec![1]).with_cells(0), "the cells of a group");
    says(of(vec![1]).with_channels(1 << 40), "more than");
    let flat = Cells::Residual { expansion: 0 };
    says(of(vec![1]).with_kind(flat), "the expansion of the cells");
    let error = of(vec![1]).init(0, &cpu()).unwrap_err().to_string();
    assert!(error.contains("the numbers of a pixel"), "{error}");
    let empty = NvaeConfig::new([1, 0, 8], vec![1]);
    says(empty, "holds no elements");
}

/// How many parameters have a gradient.
fn trained<M: Module>(module: &M) -> usize {
    struct Count(usize);
    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += usize::from(param.is_require_grad());
        }
    }
    let mut count = Count(0);
    module.visit(&mut count);
    count.0
}

/// With one scale and one group the maps that all begins with are the one state there is, and they learn.
#[test]
fn every_parameter_is_reached() {
    let (device, _turn) = seeded(2);
    for (groups, kind) in [(vec![1], RESIDUAL), (vec![2, 1], Cells::Bottleneck)] {
        let model = model(groups, kind, &device);
        let losses = model.losses(pictures(4, &device));
        let gradients = common::gradients(&model, &losses.mean().backward());
        let parameters = trained(&model);
        assert_eq!(gradients.len(), parameters);
        let is_reached = |gradient: &Vec<f64>| gradient.iter().any(|&g| g != 0.0);
        // But for biases before a normalisation, which takes them away, hardly one is 0.
        let reached = gradients.iter().filter(|gradient| is_reached(gradient));
        assert!(reached.count() * 10 > parameters * 9);
        assert!(gradients.iter().flatten().all(|g| g.is_finite()));
    }
}

/// Sets all numbers of the posteriors to zero.
#[derive(Default)]
struct Unmoved(Vec<String>);

impl ModuleMapper for Unmoved {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.0.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.0.iter().any(|name| name == "posterior") {
            return param.map(|tensor| tensor.zeros_like());
        }
        param
    }
}

#[test]
fn a_posterior_that_is_moved_by_nothing_is_its_prior() {
    let (device, _turn) = seeded(3);
    let model = model(vec![1, 2], RESIDUAL, &device).valid();
    let mut unmoved = Unmoved::default();
    let model = model.map(&mut unmoved);
    let pictures = pictures(2, &device.inner());
    // A prior that is not standard: of a posterior that does not start from it the divergence would be seen.
    let start = model.network.start(2, &Tensor::device(&pictures));
    let z = model.network.prior(0, &start).rsample();
    let below = model.network.prior(1, &model.network.absorb(0, start, z));
    assert!(values(below.mean().abs().max())[0] > 1e-3);
    let losses = model.losses(pictures);
    for level in ["kl_1", "kl_2", "kl_3"] {
        assert_all_close(&values(losses.term(level).unwrap()), &[0.0; 2], 1e-6, level);
    }
}

/// Batch statistics belong to training: in evaluation a sample does not see its batch mates, and nothing moves.
#[test]
fn evaluation_knows_no_batch() {
    let (device, _turn) = seeded(4);
    let model = model(vec![1, 1], RESIDUAL, &device);
    let before = weights(&model.valid());
    for _pass in 0..3 {
        drop(model.losses(pictures(6, &device)));
    }
    let moved = weights(&model.valid());
    assert_ne!(before, moved, "running statistics");
    let valid = model.valid();
    let images = pictures(3, &device.clone().inner());
    let means = |images: Tensor<4>| values(valid.reconstruct(images));
    let apart = (0..3).flat_map(|i| means(images.clone().narrow(0, i, 1)));
    assert_all_close(
        &means(images.clone()),
        &apart.collect::<Vec<_>>(),
        1e-5,
        "means",
    );
    assert_eq!(weights(&model.valid()), moved);
    let bound = importance_weighted_bound(&valid, images, 3).unwrap();
    assert!(values(bound.log_prob).iter().all(|bound| bound.is_finite()));
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (device, _turn) = seeded(5);
    let model = model(vec![1, 1], RESIDUAL, &device);
    let x = || tensor([3, 1, 8, 12], &device, |i| (i % 3) as f64 / 2.0);
    let noise = model.encode(x()).noise();
    let total = |x: Tensor<4>| model.losses_with(x, noise.clone()).total.sum();
    let at = x().require_grad();
    let gradient = at.grad(&total(at.clone()).backward()).unwrap();
    let direction = |scale: f64| tensor([3, 1, 8, 12], &device, common::noise(8, scale));
    let along = values((gradient * direction(1.0).inner()).sum())[0];
    let step = |size: f64| values(total(x() + direction(size)))[0];
    let want = (step(0.01) - step(-0.01)) / 0.02;
    assert_close(along, want, 2e-2, "directional derivative");
}

#[test]
fn both_kinds_of_cells_learn() {
    let (device, _turn) = seeded(6);
    for kind in [RESIDUAL, Cells::Bottleneck] {
        let mut model = Regularized::new(model(vec![1, 1], kind, &device), 1e-3).unwrap();
        let mut adam = FusedAdamConfig::new().init().unwrap();
        let mut means = Vec::new();
        for _step in 0..25 {
            let (next, losses) = model.learn(&mut adam, 1e-2, pictures(8, &device));
            means.push(values(losses.total.mean())[0]);
            model = next;
        }
        assert!(means[24] < 0.95 * means[0], "{kind:?}: {means:?}");
    }
}

/// The weights of the levels while that of the KL rises, by hand, and that they are gone after it and in evaluation.
#[test]
fn levels_are_balanced_in_the_warmup_alone() {
    let (device, _turn) = seeded(7);
    let network = config(vec![1, 1], RESIDUAL).init(1, &device).unwrap();
    let kl = Kl::default().with_warmup(2, &device);
    let mut model = HierarchicalVae::with_kl(network, BernoulliNll, kl).balanced_in_warmup();
    // 2x3 and 4x6 latents of two channels.
    let coordinates = [12.0, 48.0];
    for weight in [0.0, 0.5, 1.0] {
        let losses = model.losses(pictures(4, &device));
        let term = |name: &str| values(losses.term(name).unwrap());
        let kls = ["kl_1", "kl_2"].map(term);
        let mean = |kl: &[f64]| kl.iter().sum::<f64>() / 4.0;
        let rates = [0, 1].map(|level| (mean(&kls[level]) + 0.01) / coordinates[level]);
        let share = |level: usize| match weight < 1.0 {
            true => 2.0 * rates[level] / (rates[0] + rates[1]),
            false => 1.0,
        };
        let reconstruction = term("reconstruction");
        let total = |i: usize| {
            let kl = share(0) * kls[0][i] + share(1) * kls[1][i];
            reconstruction[i] + weight * kl
        };
        let want: Vec<f64> = (0..4).map(total).collect();
        assert_all_close(&values(losses.total.clone()), &want, 1e-5, "total");
        let gradients = losses.mean().backward();
        assert!(!common::gradients(&model, &gradients).is_empty());
        let valid = model.valid().losses(pictures(4, &device.clone().inner()));
        let sum = valid.term("reconstruction").unwrap() + valid.term("kl").unwrap();
        assert_all_close(
            &values(valid.total.clone()),
            &values(sum),
            1e-6,
            "evaluation",
        );
        model = model.advance();
    }
}

#[test]
fn a_penalty_is_the_sum_of_largest_singular_values_and_scales() {
    let (device, _turn) = seeded(8);
    #[derive(Module, Debug)]
    struct Two {
        conv: burn_generative::nn::Conv2d,
        norm: burn::nn::BatchNorm,
    }
    let two = Two {
        conv: Conv2dConfig::new([2, 4], [3, 3]).init(&device).unwrap(),
        norm: burn::nn::BatchNormConfig::new(4).init(&device),
    };
    let penalty = SpectralPenalty::new(&two);
    for _use in 0..200 {
        drop(penalty.of(&two));
    }
    let weight = values(two.conv.weight.val());
    let largest = DMatrix::from_row_slice(4, 18, &weight).singular_values()[0];
    assert_close(
        values(penalty.of(&two))[0],
        largest + 1.0,
        1e-4,
        "steepness",
    );
    // The gradient of a singular value by its matrix is `u v^T`, of norm 1.
    let gradients = penalty.of(&two).backward();
    let gradient = two.conv.weight.val().grad(&gradients).unwrap();
    assert_close(values(gradient.square().sum())[0], 1.0, 1e-4, "norm");
}

#[test]
fn steepness_has_a_price_in_training_alone() {
    let (device, _turn) = seeded(9);
    let plain = || model(vec![1, 1], RESIDUAL, &device);
    let mut costly = Regularized::new(plain(), 10.0).unwrap();
    let mut sgd = FusedAdamConfig::new().init().unwrap();
    let mut steepness = Vec::new();
    for _step in 0..12 {
        let (next, losses) = costly.learn(&mut sgd, 1e-2, pictures(4, &device));
        let spectral = values(losses.term("spectral").unwrap())[0];
        let own = values(losses.term("reconstruction").unwrap() + losses.term("kl").unwrap());
        assert_close(
            values(losses.total)[0],
            own[0] + 10.0 * spectral,
            1e-4,
            "total",
        );
        steepness.push(spectral);
        costly = next;
    }
    // The first steps follow estimates that are still to settle.
    assert!(steepness[11] < 0.95 * steepness[3], "{steepness:?}");
    let losses = costly.valid().losses(pictures(4, &device.clone().inner()));
    let own = values(losses.term("reconstruction").unwrap() + losses.term("kl").unwrap());
    assert_all_close(&values(losses.total), &own, 1e-5, "evaluation");
    for weight in [-1.0, f64::NAN] {
        let error = Regularized::new(plain(), weight).unwrap_err().to_string();
        assert!(error.contains("Regularized: the weight"), "{error}");
    }
}

/// All pictures of one pixel of three channels of four levels.
fn colours() -> Tensor<4> {
    let colour = |i: usize| {
        let (colour, channel) = (i / 3, i % 3);
        (colour / 4usize.pow(channel as u32) % 4) as f64 / 3.0
    };
    tensor([64, 3, 1, 1], &cpu(), colour)
}

#[test]
fn the_probabilities_of_all_colours_sum_to_one() {
    let levels = Levels::unit(4).unwrap();
    let count = PixelLogisticMixture::parameters(3, 2).unwrap();
    for (seed, scale) in [(1, 1.0), (2, 3.0), (3, 8.0)] {
        let numbers = tensor([1, count, 1, 1], &cpu(), noise(seed, scale));
        let pixel = PixelLogisticMixture::new(numbers.repeat_dim(0, 64), 3, levels);
        let p = values(pixel.log_prob(colours()).exp());
        assert_close(p.iter().sum(), 1.0, 1e-5, "sum");
    }
}

#[test]
fn drawn_colours_are_as_frequent_as_they_are_probable() {
    let (device, _turn) = seeded(10);
    let device = device.inner();
    let levels = Levels::unit(4).unwrap();
    let count = PixelLogisticMixture::parameters(3, 2).unwrap();
    let numbers = |n| tensor::<4>([1, count, 1, 1], &device, noise(5, 1.5)).repeat_dim(0, n);
    let p = PixelLogisticMixture::new(numbers(64), 3, levels).log_prob(colours());
    let draws = 40_000;
    let drawn = PixelLogisticMixture::new(numbers(draws), 3, levels).rsample();
    levels.check(&drawn, "draws").unwrap();
    let mut counts = vec![0.0; 64];
    for colour in values(drawn).chunks(3) {
        let index = colour
            .iter()
            .rev()
            .fold(0, |index, &c| index * 4 + (c * 3.0).round() as usize);
        counts[index] += 1.0 / draws as f64;
    }
    for (count, p) in counts.iter().zip(values(p.exp())) {
        let error = (p * (1.0 - p) / draws as f64).sqrt();
        assert!((count - p).abs() < 5.0 * error + 1e-4, "{count} for {p}");
    }
}

#[test]
fn grey_pixels_are_the_mixture_of_one_channel() {
    let levels = Levels::unit(256).unwrap();
    let numbers = tensor::<4>([2, 9, 2, 3], &cpu(), noise(1, 2.0));
    let grey = tensor::<4>([2, 1, 2, 3], &cpu(), |i| (i * 37 % 256) as f64) / 255.0;
    let pixels = PixelLogisticMixture::new(numbers.clone(), 1, levels);
    let part = |index: usize| -> Tensor<3> {
        let part = numbers.clone().narrow(1, 3 * index, 3).reshape([2, 3, 6]);
        part.swap_dims(1, 2)
    };
    let middles = Tensor::<3>::from_floats([[[-2.0 / 3.0, 0.0, 2.0 / 3.0]]], &cpu());
    let log_scale = part(2) - 3f64.ln();
    let mixture =
        DiscretizedLogisticMixture::<2>::new(part(0), part(1) + middles, log_scale, levels);
    let want = values(mixture.log_prob(grey.clone().reshape([2, 6])));
    assert_all_close(&values(pixels.log_prob(grey)), &want, 1e-5, "log p");
    let point = values(mixture.point());
    assert_all_close(&values(pixels.point()), &point, 1e-6, "point");
}

#[test]
fn extreme_numbers_keep_finite_gradients() {
    let device = cpu().autodiff();
    let levels = Levels::unit(256).unwrap();
    let likelihood = LogisticMixtureNll::new(3, levels, 2).unwrap();
    for scale in [1.0, 30.0, 1e3] {
        let shape = [2, likelihood.parameters(), 4, 4];
        let numbers = tensor(shape, &device, noise(3, scale)).require_grad();
        let pixel = |i: usize| (i * 91 % 256) as f64 / 255.0;
        let pictures = tensor([2, 3, 4, 4], &device, pixel);
        let loss = likelihood.loss(numbers.clone(), pictures);
        assert!(values(loss.clone()).iter().all(|loss| loss.is_finite()));
        let gradient = numbers.grad(&loss.mean().backward()).unwrap();
        assert!(values(gradient).iter().all(|g| g.is_finite()), "at {scale}");
    }
}

#[test]
fn pictures_without_levels_or_of_wrong_numbers_are_refused() {
    let likelihood = LogisticMixtureNll::new(3, Levels::unit(256).unwrap(), 2).unwrap();
    let says = |value: f64, words: &str| {
        let pictures = Tensor::<4>::full([1, 3, 2, 2], value, &cpu());
        let error = likelihood.check(&pictures, "the pictures").unwrap_err();
        assert!(matches!(error, Error::Support { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    says(0.501, "has values between them");
    says(1.5, "lies in");
    for (channels, components) in [(0, 2), (3, 0)] {
        let levels = Levels::unit(256).unwrap();
        let error = LogisticMixtureNll::new(channels, levels, components);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("must be at least 1")
        );
    }
}

#[test]
#[should_panic(expected = "19 numbers a pixel for 3 channels, which take a multiple of 10")]
fn numbers_that_do_not_fit_the_channels_panic() {
    let numbers = Tensor::zeros([1, 19, 2, 2], &cpu());
    PixelLogisticMixture::new(numbers, 3, Levels::unit(256).unwrap());
}
