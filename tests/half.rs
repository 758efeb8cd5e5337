//! On a device whose numbers have 16 bits, what is summed up over steps or samples has more.
#![cfg(all(feature = "data", feature = "flex", feature = "train"))]

mod common;

use burn::optim::{AdamState, GradientsParams, Optimizer};
use burn::prelude::*;
use burn::tensor::{DType, FloatDType};
use burn_generative::autoregressive::{Autoregressive, MadeConfig, NadeConfig};
use burn_generative::data::table::{Table, TableVaeConfig};
use burn_generative::loss::Losses;
use burn_generative::metric::{
    MmdKernel, active_units, elbo, importance_weighted_bound, kl_per_coordinate, mmd_test,
    precision_recall,
};
use burn_generative::model::DensityFit;
use burn_generative::nn::{GumbelHead, Temperature, VqConfig, Warmup};
use burn_generative::prelude::*;
use burn_generative::prior::{KernelDensity, MixtureFit, UniformCategorical};
use burn_generative::sequence::{SequenceVaeConfig, TokenSampling, Unit, Vocabulary};
use burn_generative::train::FusedAdamConfig;
use burn_generative::weights;
use common::{assert_close, noise, values};
use std::sync::Once;

/// The device of this process, with `bf16` for its floats.
fn device() -> Device {
    static CONFIGURED: Once = Once::new();
    let mut device = Device::flex();
    CONFIGURED.call_once(|| {
        device
            .configure(FloatDType::BF16)
            .expect("nothing has used it before");
    });
    device
}

fn rows(seed: usize, shape: [usize; 2]) -> Tensor<2> {
    let noise = noise(seed, 1.5);
    let numbers: Vec<f32> = (0..shape[0] * shape[1]).map(|i| noise(i) as f32).collect();
    Tensor::from_data(TensorData::new(numbers, shape), &device())
}

#[test]
fn a_warm_up_counts_to_its_end() {
    let mut warmup = Warmup::new(10_000, &device());
    for _ in 0..5_000 {
        warmup = warmup.advance();
    }
    assert_eq!(warmup.weight().dtype(), DType::BF16);
    assert_eq!(values(warmup.weight()), [0.5]);
}

type SmallVae = Vae<
    burn_generative::nn::MlpEncoder<GaussianHead, 2>,
    burn_generative::nn::MlpDecoder<burn::nn::Linear, 2>,
    StandardNormal,
    GaussianNll,
>;

fn vae(device: &Device) -> SmallVae {
    VaeConfig::new()
        .with_warmup_steps(1000)
        .init(
            MlpEncoderConfig::new(vec![6], 2)
                .with_hidden(vec![8])
                .init_gaussian(device)
                .unwrap(),
            MlpDecoderConfig::new(2, vec![6])
                .with_hidden(vec![8])
                .init(device)
                .unwrap(),
            StandardNormal::new(2),
            GaussianNll::new(0.5).unwrap(),
        )
        .unwrap()
}

/// It trains, with the weight of its KL as it should be; the count survives a file; and what cannot be right in 16 bits
/// is refused.
#[test]
fn a_vae_trains_and_is_judged() {
    let training = device().autodiff();
    training.seed(1);
    let mut vae = vae(&training);
    let mut optimizer = FusedAdamConfig::new().init().unwrap();
    let data = || rows(1, [32, 6]).autodiff();
    let mut means = Vec::new();
    for _ in 0..400 {
        let losses = vae.losses(data());
        means.push(values(losses.mean())[0]);
        let gradients = GradientsParams::from_grads(losses.mean().backward(), &vae);
        vae = optimizer.step(3e-3, vae, gradients).advance();
    }
    assert!(means.iter().all(|mean| mean.is_finite()), "{means:?}");
    let of = |range: std::ops::Range<usize>| means[range].iter().sum::<f64>() / 20.0;
    assert!(
        of(380..400) < of(0..20) - 0.5,
        "{} to {}",
        of(0..20),
        of(380..400)
    );
    let weight = |vae: &SmallVae| {
        let losses = vae.losses(data());
        let mean = |name: &str| values(losses.term(name).unwrap().cast(DType::F32).mean())[0];
        (mean(Losses::TOTAL) - mean("reconstruction")) / mean("kl")
    };
    let found = weight(&vae);
    assert!(
        (found - 0.4).abs() < 0.03,
        "the weight of the KL is {found}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    weights::save(&vae, &path).unwrap();
    let copy = weights::load(self::vae(&training), &path).unwrap();
    assert!((weight(&copy) - 0.4).abs() < 0.03, "the count was rounded");

    let evaluated = burn::module::Module::valid(&vae);
    let refused = importance_weighted_bound(&evaluated, rows(1, [32, 6]), 3).unwrap_err();
    assert!(refused.to_string().contains("of BF16"), "{refused}");
    assert!(elbo(&evaluated, rows(1, [32, 6]), 3).is_err());
}

/// Discrete codes and categorical latents are learned too: their averages and noise have more bits.
#[test]
fn codes_and_categories_are_learned() {
    fn learns<M: Model<Input = Tensor<2>>>(mut model: M) {
        let mut optimizer = FusedAdamConfig::new().init().unwrap();
        let mut means = Vec::new();
        for _ in 0..400 {
            let losses;
            (model, losses) = model.learn(&mut optimizer, 1e-3, rows(1, [32, 6]).autodiff());
            means.push(values(losses.mean())[0]);
        }
        assert!(means.iter().all(|mean| mean.is_finite()), "{means:?}");
        let of = |range: std::ops::Range<usize>| means[range].iter().sum::<f64>() / 20.0;
        assert!(of(380..400) < of(0..20) - 0.5, "{means:?}");
    }
    let training = device().autodiff();
    training.seed(2);
    let encoder = MlpEncoderConfig::new(vec![6], 6).with_hidden(vec![8]);
    let decoder = MlpDecoderConfig::new(6, vec![6]).with_hidden(vec![8]);
    for gradient in [false, true] {
        let quantizer = VqConfig::new(16, 6).with_gradient(gradient).init(&training);
        learns(VqVae::new(
            encoder.init(&training).unwrap(),
            decoder.init(&training).unwrap(),
            quantizer.unwrap(),
            SquaredError,
        ));
    }
    let temperature = Temperature::constant(0.7, &training).unwrap();
    let head = |features| GumbelHead::new(features, [2, 3], temperature, &training);
    let vae = Vae::new(
        encoder.init_with_head::<_, 2>(&training, head).unwrap(),
        decoder.init(&training).unwrap(),
        UniformCategorical::new(2, 3).unwrap(),
        GaussianNll::new(0.5).unwrap(),
    );
    learns(vae);
}

/// A parameter of 0 after one more step with a learning rate of 1: the step itself.
fn step(dtype: DType, gradient: f64, state: Option<AdamState<1>>) -> (f64, Option<AdamState<1>>) {
    let adam = FusedAdamConfig::new().build().unwrap();
    let options = (&device(), dtype);
    let (zero, gradient) = (
        Tensor::zeros([3], options),
        Tensor::full([3], gradient, options),
    );
    let (moved, state) = adam.step(1.0, zero, gradient, state);
    assert_eq!(moved.dtype(), dtype);
    (-values(moved)[0], state)
}

/// A gradient that stays the same is stepped along by one learning rate, and a large one is forgotten.
#[test]
fn adams_moments_are_kept() {
    for dtype in [DType::F16, DType::BF16, DType::F32] {
        let (mut moved, mut state) = step(dtype, 1e-3, None);
        for _ in 1..3_000 {
            (moved, state) = step(dtype, 1e-3, state);
        }
        assert_close(moved, 1.0, 0.01, &format!("{dtype:?}"));

        let (_, mut state) = step(dtype, 30.0, None);
        for _ in 0..6_000 {
            (moved, state) = step(dtype, 1e-2, state);
        }
        assert!((moved - 0.207).abs() < 0.003, "{moved} in {dtype:?}");
        let moments = state.unwrap().momentum;
        assert_eq!(moments.moment_2.dtype(), DType::F32);
    }
}

/// Steps of a fortieth of the distance to the next number of `bf16`: they add up to what they are on average, where rounding
/// to the nearest would lose each of them.
#[test]
fn steps_smaller_than_a_unit_are_not_lost() {
    let (dtype, unit) = (DType::BF16, 1.0 / 256.0);
    let adam = FusedAdamConfig::new().build().unwrap();
    let options = (&device(), dtype);
    let mut parameter = Tensor::<1>::full([2000], 0.9, options);
    let start = values(parameter.clone())[0];
    let mut state = None;
    for _ in 0..200 {
        let gradient = Tensor::ones([2000], options);
        (parameter, state) = adam.step(unit / 40.0, parameter, gradient, state);
    }
    let moved = start - values(parameter.cast(DType::F32).mean())[0];
    // The mean of 2,000 walks of at most 200 steps, each of a variance of unit^2 / 40.
    let error = unit * (200.0_f64 / 40.0 / 2000.0).sqrt();
    assert!(
        (moved / unit - 5.0).abs() < 4.0 * error / unit,
        "{moved} in {dtype:?}"
    );
}

/// Metrics compute in `f32` what comes in 16 bits.
#[test]
fn metrics_and_fits() {
    let (a, b) = (rows(2, [300, 2]), rows(3, [300, 2]) + 0.4);
    let single = |x: &Tensor<2>| x.clone().cast(DType::F32);
    let kernel = MmdKernel::Rbf { variance: 1.0 };
    let [half, whole] = [(a.clone(), b.clone()), (single(&a), single(&b))]
        .map(|(a, b)| mmd_test(a, b, kernel, 99, 1).unwrap());
    assert_eq!(half, whole);
    let [half, whole] = [(a.clone(), b.clone()), (single(&a), single(&b))]
        .map(|(a, b)| precision_recall(a, b, 3).unwrap());
    assert_eq!(half, whole);
    // 300 sums of 16 bits would end at 256.
    assert_eq!(active_units(a.clone()).unwrap(), 2);
    let posterior = DiagonalGaussian::new(a.clone(), a.zeros_like());
    assert_eq!(kl_per_coordinate(&posterior).unwrap().len(), 2);

    // A fit is in the type of the codes, and as good as one in `f32`.
    let fit = MixtureFit::new(2).fit_full(a.clone()).unwrap();
    assert_eq!(fit.sample(5, &device()).dtype(), DType::BF16);
    let single_fit = MixtureFit::new(2).fit_full(single(&a)).unwrap();
    let mean = |log_prob: Tensor<1>| values(log_prob.cast(DType::F32).mean())[0];
    let [half, whole] = [
        mean(fit.log_prob(a.clone())),
        mean(single_fit.log_prob(single(&a))),
    ];
    assert!((half - whole).abs() < 0.1, "{half} and {whole}");
    assert_eq!(
        KernelDensity::fit(a).unwrap().sample(5, &device()).dtype(),
        DType::BF16
    );
}

/// A table of every kind of column and sentences are learned from and drawn; what is drawn has a place in the table.
#[test]
fn tables_and_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let lines = (0..64).map(|row| {
        let colour = ["red", "blue"][row % 2];
        format!("{}.25,{},{colour}\n", row % 5, row % 4)
    });
    let text = "size,visits,colour\n".to_string() + &lines.collect::<String>() + "?,?,red\n";
    std::fs::write(&path, text).unwrap();
    let table = Table::open(path).unwrap();
    let device = device();
    let config = TableVaeConfig::new()
        .with_latent_dim(2)
        .with_hidden(vec![8])
        .with_modes(3)
        .with_components(2)
        .with_training(DensityFit::new().with_steps(40).with_batch_size(16));
    let model = config.fit(&table, &device).unwrap();
    let drawn = model.sample(200, &device).unwrap();
    let rows = drawn.schema().rows(drawn.tensor(&device)).unwrap();
    for row in rows.iter().filter(|row| row[1] != "?") {
        assert!(["0", "1", "2", "3"].contains(&&row[1][..]), "{row:?}");
    }
    assert_eq!(model.impute(&table, &device).unwrap().len(), table.len());
    let refused = model.scores(&table, 2, &device).unwrap_err();
    assert!(refused.to_string().contains("of BF16"), "{refused}");

    let sentences = ["a b a", "b", "b b a a"];
    let vocabulary = Vocabulary::of(Unit::Word, &sentences, 1).unwrap();
    let training = device.clone().autodiff();
    let batch = vocabulary.batch(&sentences, 4, &training).unwrap();
    let config = SequenceVaeConfig::new(vocabulary.len(), 4).with_latent_dim(2);
    let mut vae = config.with_hidden(8).init_gru(&training).unwrap();
    let mut optimizer = FusedAdamConfig::new().init().unwrap();
    let mut means = Vec::new();
    for _ in 0..60 {
        let losses;
        (vae, losses) = vae.learn(&mut optimizer, 1e-2, batch.clone());
        means.push(values(losses.mean())[0]);
    }
    assert!(means[59] < means[0] - 0.5, "{means:?}");
    let vae = burn::module::Module::valid(&vae);
    let drawn = vae.decode(vae.prior.sample(5, &device));
    let drawn = drawn.generate(&TokenSampling::new());
    assert_eq!(vocabulary.sentences(&drawn).unwrap().len(), 5);
}

/// Places of more than a few hundred variables are no numbers of 16 bits.
#[test]
fn an_order_is_whole_in_half_precision() {
    let device = device();
    let nade = NadeConfig::new(vec![700]).with_hidden(2);
    let nade = nade.init::<2>(&device).unwrap();
    let raster: Vec<usize> = (0..700).collect();
    assert_eq!(nade.order(700), raster);
    let made = MadeConfig::new(vec![700]).init::<2>(&device).unwrap();
    assert_eq!(made.order(700), raster);
}
