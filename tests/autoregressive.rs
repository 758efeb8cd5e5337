//! Autoregressive models against numbers that are known: a unique optimum, entropies, frequencies; ensembles, decoders, bad
//! input.
#![cfg(all(feature = "data", feature = "train"))]

mod common;

use burn::prelude::*;
use burn_generative::Error;
use burn_generative::autoregressive::*;
use burn_generative::distribution::Levels;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use common::{assert_all_close, assert_close, cpu, noise, seeded, tensor, values};
use std::collections::BTreeMap;
use std::io::Read;

/// The different rows of a part of NLTCS, 16 binary variables, and the share of each.
fn nltcs(part: &str, device: &Device) -> Option<(Tensor<2>, Tensor<1>)> {
    let Some(folder) = std::env::var_os("DATA_DIR") else {
        eprintln!("skipped: DATA_DIR is not set, so that there is no NLTCS");
        return None;
    };
    let path = std::path::PathBuf::from(folder).join(format!("binary/nltcs.{part}.data.gz"));
    let mut text = String::new();
    let file = std::fs::File::open(&path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in text.lines() {
        *counts.entry(row).or_default() += 1;
    }
    let all = text.lines().count() as f32;
    let shares: Vec<f32> = counts.values().map(|&count| count as f32 / all).collect();
    let bits = counts.keys().flat_map(|row| row.split(','));
    let bits: Vec<f32> = bits.map(|bit| bit.parse().unwrap()).collect();
    let rows = shares.len();
    let bits = Tensor::from_data(TensorData::new(bits, [rows, 16]), device);
    Some((
        bits,
        Tensor::from_data(TensorData::new(shares, [rows]), device),
    ))
}

/// A density of rows that count as much as they say.
#[derive(Module, Debug)]
struct Weighted<A> {
    density: A,
}

impl<A: Prior<Value = Tensor<2>>> Model for Weighted<A> {
    type Input = (Tensor<2>, Tensor<1>);

    fn terms(&self) -> Vec<&'static str> {
        vec!["nll"]
    }

    fn losses(&self, (rows, shares): Self::Input) -> Losses {
        let count = rows.dims()[0] as f64;
        Losses::of("nll", self.density.log_prob(rows) * shares * -count)
    }
}

/// A density after some steps on all of the data, with a rate that falls to 0.
fn fitted<A: Prior<Value = Tensor<2>>>(density: A, data: &Tensor<2>, steps: usize, rate: f64) -> A {
    let data = data.clone().autodiff();
    let model = MaximumLikelihood::new(density);
    trained(model, &data, steps, rate).density
}

fn trained<M: Model>(mut model: M, data: &M::Input, steps: usize, rate: f64) -> M {
    let mut adam = FusedAdamConfig::new().init().unwrap();
    for step in 0..steps {
        let fraction = step as f64 / steps as f64;
        let rate = rate * 0.5 * (1.0 + (std::f64::consts::PI * fraction).cos());
        (model, _) = model.learn(&mut adam, rate, data.clone());
    }
    model.valid()
}

/// Logistic regressions have one optimum, and Newton's method found it: `-6.0285` on the rows that it was fitted to, `-6.0354`
/// on the others. All 65,536 states together are certain.
#[test]
fn an_fvsbn_of_nltcs_lands_on_its_optimum() {
    let device = cpu();
    let (Some(train), Some(test)) = (nltcs("train", &device), nltcs("test", &device)) else {
        return;
    };
    let density = MadeConfig::fvsbn(vec![16]).init::<2>(&device.clone().autodiff());
    let density = density.unwrap();
    let rows = (train.0.clone().autodiff(), train.1.clone().autodiff());
    let model = trained(Weighted { density }, &rows, 800, 0.1).density;
    let mean =
        |(rows, shares): (Tensor<2>, Tensor<1>)| values((model.log_prob(rows) * shares).sum())[0];
    assert_close(mean(train), -6.0285, 1e-4, "train");
    assert_close(mean(test), -6.0354, 1e-4, "test");
    let all = tensor([1 << 16, 16], &device, |i| {
        ((i / 16) >> (i % 16) & 1) as f64
    });
    let total: f64 = values(model.log_prob(all).exp()).iter().sum();
    assert_close(total, 1.0, 1e-4, "all states");
}

/// Independent symbols have nothing to be learned of, and a model that looked at what it predicts would find less than their
/// entropy.
#[test]
fn no_model_finds_less_than_the_entropy_of_independent_symbols() {
    let (device, _turn) = seeded(3);
    let three = Levels::counting(3).unwrap();
    let length = 12;
    let draw = |rows: usize| {
        let uniform =
            Tensor::<2>::random([rows, length], burn::tensor::Distribution::Default, &device);
        let [above_half, above] = [0.5, 0.8].map(|edge| uniform.clone().greater_elem(edge).float());
        above_half + above // 0, 1 and 2 with probabilities 0.5, 0.3 and 0.2
    };
    let entropy = -(length as f64) * [0.5, 0.3, 0.2f64].map(|p| p * p.ln()).iter().sum::<f64>();
    let (train, test) = (draw(512), draw(4000));
    let output = Output::Categorical(three);
    let training = device.clone().autodiff();
    let wave_net = WaveNetConfig::new(length).with_channels(8).with_layers(3);
    let made = MadeConfig::new(vec![length]).with_hidden(vec![32]);
    let order = Order::Drawn { seed: 1 };
    let wave_net = fitted(
        wave_net.init_with(output, &training).unwrap(),
        &train,
        60,
        0.01,
    );
    let made = made.init_with::<2>(output, &order, &training).unwrap();
    let made = fitted(made, &train, 60, 0.01);
    for nll in [wave_net.log_prob(test.clone()), made.log_prob(test)] {
        let nll = values(nll.neg());
        let mean = nll.iter().sum::<f64>() / nll.len() as f64;
        // The standard error of a mean of 4,000 rows is 0.04.
        assert!(
            mean > entropy - 0.12 && mean < entropy + 0.6,
            "{mean} for an entropy of {entropy}"
        );
    }
}

/// The frequencies of many samples are the probabilities of the model; a temperature and `top_k` change them as they say.
#[test]
fn samples_have_the_probabilities_of_the_model() {
    let (device, _turn) = seeded(5);
    let model = MadeConfig::new(vec![2]).with_hidden(vec![16]);
    let three = Levels::counting(3).unwrap();
    let model = model
        .init_with::<2>(Output::Categorical(three), &Order::Raster, &device)
        .unwrap();
    // One update towards something uneven.
    let training = model.train();
    let data = tensor([6, 2], &device, |i| {
        [0.0, 1.0, 2.0, 2.0, 0.0, 2.0, 1.0, 1.0][i % 8]
    });
    let model = fitted(training, &data, 5, 0.2);

    let all = tensor([9, 2], &device, |i| [i / 2 % 3, i / 6][i % 2] as f64);
    let p = values(model.log_prob(all).exp());
    let count = 40_000;
    let frequencies = |sampling: &Sampling<2>| {
        let drawn = values(model.sample_as(count, sampling, &device));
        let mut of = [0.0; 9];
        for pair in drawn.chunks_exact(2) {
            of[pair[0] as usize + 3 * pair[1] as usize] += 1.0 / count as f64;
        }
        of
    };
    assert_all_close(&frequencies(&Sampling::default()), &p, 0.01, "as it is");

    // By hand: the first variable's probabilities, then the second's given it.
    let first = [0, 1, 2].map(|a| p[a] + p[a + 3] + p[a + 6]);
    let changed = |change: &dyn Fn([f64; 3]) -> [f64; 3]| {
        let normal = |p: [f64; 3]| p.map(|x| x / p.iter().sum::<f64>());
        let of_first = normal(change(first));
        let mut want = [0.0; 9];
        for a in 0..3 {
            let second = normal(change([p[a], p[a + 3], p[a + 6]].map(|x| x / first[a])));
            for b in 0..3 {
                want[a + 3 * b] = of_first[a] * second[b];
            }
        }
        want
    };
    let cold = Sampling::default().with_temperature(0.5).unwrap();
    let want = changed(&|p| p.map(|x| x * x));
    assert_all_close(&frequencies(&cold), &want, 0.01, "temperature");
    let two = Sampling::default().with_top_k(2).unwrap();
    let want = changed(&|p| {
        let least = p.iter().copied().fold(f64::INFINITY, f64::min);
        p.map(|x| if x == least { 0.0 } else { x })
    });
    assert_all_close(&frequencies(&two), &want, 0.01, "top k");
}

#[test]
fn an_ensemble_is_a_density() {
    let (device, _turn) = seeded(6);
    let rows = tensor([8, 7], &device, |i| (noise(2, 1.0)(i) > 0.0) as u8 as f64);
    let member = |seed| {
        let config = MadeConfig::new(vec![7]).with_hidden(vec![16]);
        let order = Order::Drawn { seed };
        let made = config.init_in_order::<2>(&order, &device.clone().autodiff());
        fitted(made.unwrap(), &rows, 5 * seed as usize, 0.05)
    };
    let ensemble = Ensemble::new(vec![member(1), member(2), member(3)]).unwrap();
    let all = tensor([128, 7], &device, |i| ((i / 7) >> (i % 7) & 1) as f64);
    let p = values(ensemble.log_prob(all.clone()).exp());
    assert_close(p.iter().sum(), 1.0, 1e-5, "all states");
    let of_members = ensemble.members().iter();
    let of_members = of_members.map(|member| values(member.log_prob(all.clone()).exp()));
    let mean = of_members.fold(vec![0.0; 128], |sum, p| {
        sum.iter().zip(p).map(|(sum, p)| sum + p / 3.0).collect()
    });
    assert_all_close(&p, &mean, 1e-6, "the mean");

    let drawn = ensemble.sample(20_000, &device);
    let ones = values(drawn.mean_dim(0));
    let want: Vec<f64> = (0..7)
        .map(|bit| {
            (0..128)
                .filter(|state| (state >> bit) & 1 == 1)
                .map(|state| p[state])
                .sum()
        })
        .collect();
    assert_all_close(&ones, &want, 0.015, "samples");
    assert!(Ensemble::<Made>::new(vec![]).is_err());
}

/// In a VAE the loss of the decoder reaches the latent, and so the encoder.
#[test]
fn a_pixel_vae_is_a_composition() {
    let (device, _turn) = seeded(8);
    let device = device.autodiff();
    let decoder = PixelCnnConfig::new([1, 4, 4])
        .with_features(8)
        .with_layers(2)
        .with_context(3);
    let vae = Vae::new(
        MlpEncoderConfig::new(vec![1, 4, 4], 3)
            .init_gaussian(&device)
            .unwrap(),
        decoder.init(&device).unwrap(),
        StandardNormal::new(3),
        Nll,
    );
    let images = tensor([6, 1, 4, 4], &device, |i| {
        (noise(2, 1.0)(i) > 0.0) as u8 as f64
    });
    let mut adam = FusedAdamConfig::new().init().unwrap();
    let (vae, _) = vae.learn(&mut adam, 1e-2, images.clone()); // the head starts at 0
    let losses = vae.losses(images);
    let gradients = losses.total.sum().backward();
    let reached = common::gradients(&vae.encoder, &gradients);
    assert!(reached.iter().flatten().any(|&number| number != 0.0));
    let samples = vae.sample(2, &device);
    assert_eq!(samples.dims(), [2, 1, 4, 4]);
    Levels::BINARY.check(&samples, "samples").unwrap();
}

fn refused<T>(result: Result<T, Error>, word: &str) {
    match result {
        Ok(_) => panic!("accepted, but for its {word}"),
        Err(error) => assert!(error.to_string().contains(word), "{error}"),
    }
}

#[test]
fn bad_configurations_are_refused() {
    let device = cpu();
    let made = MadeConfig::new(vec![4]);
    refused(
        made.clone().with_hidden(vec![0]).init::<2>(&device),
        "hidden",
    );
    refused(made.init::<4>(&device), "[4]");
    refused(MadeConfig::new(vec![0]).init::<2>(&device), "[0]");
    refused(
        MadeConfig::new(vec![1 << 40]).init::<2>(&device),
        "too many",
    );
    for (order, says) in [
        (vec![0, 1, 1, 3], "this one has 1 twice"),
        (vec![0, 1, 2, 4], "there is no 4"),
        (vec![0, 1, 2], "this one lacks 3"),
    ] {
        let order = Order::Given(order);
        refused(made.init_in_order::<2>(&order, &device), says);
        let nade = NadeConfig::new(vec![4]);
        refused(nade.init_in_order::<2>(&order, &device), says);
    }
    let levels = Levels::BINARY;
    let none = Output::LogisticMixture {
        levels,
        components: 0,
    };
    let raster = Order::Raster;
    refused(made.init_with::<2>(none, &raster, &device), "components");
    let nade = NadeConfig::new(vec![4]);
    refused(nade.init_with::<2>(none, &raster, &device), "components");
    let pixel_cnn = PixelCnnConfig::new([1, 4, 4]);
    refused(pixel_cnn.init_with(none, &device), "components");
    let wave_net = WaveNetConfig::new(8);
    refused(wave_net.init_with(none, &device), "components");
    let nade = NadeConfig::new(vec![4]).with_hidden(0);
    refused(nade.init::<2>(&device), "hidden");

    let pixel = || PixelCnnConfig::new([3, 4, 4]);
    refused(pixel().with_features(32).init(&device), "32 features");
    refused(pixel().with_features(0).init(&device), "features");
    refused(
        pixel().with_features(6).with_layers(0).init(&device),
        "layers",
    );
    refused(pixel().with_features(6).with_kernel(4).init(&device), "odd");
    refused(
        pixel().with_features(6).with_first_kernel(1).init(&device),
        "at least 3",
    );
    refused(PixelCnnConfig::new([1, 0, 4]).init(&device), "height");

    let wave = || WaveNetConfig::new(8);
    refused(WaveNetConfig::new(0).init(&device), "length");
    refused(wave().with_layers(0).init(&device), "layers");
    refused(wave().with_layers(40).init(&device), "40 layers");
    refused(wave().with_layers(90).init(&device), "90 layers");
    refused(wave().with_kernel(1).init(&device), "window");
    refused(wave().with_channels(0).init(&device), "channels");

    refused(Output::logistic_mixture(Levels::BINARY, 0), "components");
    refused(
        Sampling::<2>::default().with_temperature(-1.0),
        "temperature",
    );
    refused(
        Sampling::<2>::default().with_temperature(f64::NAN),
        "temperature",
    );
    refused(Sampling::<2>::default().with_top_k(0), "top_k");
}

#[test]
#[should_panic(expected = "over 4 coordinates, but the data has 5")]
fn rows_of_another_width_are_named() {
    let device = cpu();
    let made = MadeConfig::new(vec![4]).init::<2>(&device).unwrap();
    made.log_prob(Tensor::zeros([2, 5], &device));
}

#[test]
#[should_panic(expected = "built for a context of 3 numbers is given one of 0")]
fn a_context_that_is_missing_is_named() {
    let device = cpu();
    let config = WaveNetConfig::new(6).with_layers(2).with_context(3);
    config.init(&device).unwrap().sample(2, &device);
}

#[test]
#[should_panic(expected = "built without a context is given one")]
fn a_context_that_would_be_ignored_is_named() {
    let device = cpu();
    let made = MadeConfig::new(vec![4]).init::<2>(&device).unwrap();
    made.decode(Tensor::zeros([2, 3], &device)).rsample();
}

#[test]
#[should_panic(expected = "noise for 5 variables, but the model is over events of shape [4]")]
fn noise_of_another_width_is_named() {
    let device = cpu();
    let made = MadeConfig::new(vec![4]).init::<2>(&device).unwrap();
    made.sample_with(Tensor::zeros([2, 5], &device), &Sampling::default());
}

#[test]
#[should_panic(
    expected = "noise for 12 variables, but the model is over events of shape [1, 4, 4]"
)]
fn noise_for_another_image_is_named() {
    let device = cpu();
    let pixel_cnn = PixelCnnConfig::new([1, 4, 4]).init(&device).unwrap();
    pixel_cnn.sample_with(Tensor::zeros([2, 12], &device), &Sampling::default());
}

#[test]
fn no_samples_are_none() {
    let device = cpu();
    let made = MadeConfig::new(vec![4]).init::<2>(&device).unwrap();
    assert_eq!(made.sample(0, &device).dims(), [0, 4]);
    let nade = NadeConfig::new(vec![4]).init::<2>(&device).unwrap();
    assert_eq!(nade.sample(0, &device).dims(), [0, 4]);
    let pixel_cnn = PixelCnnConfig::new([1, 4, 4]).init(&device).unwrap();
    assert_eq!(pixel_cnn.sample(0, &device).dims(), [0, 1, 4, 4]);
    let wave_net = WaveNetConfig::new(6).with_layers(2).init(&device).unwrap();
    assert_eq!(wave_net.sample(0, &device).dims(), [0, 6]);
}

#[test]
#[should_panic(expected = "images of shape [1, 4, 4], but those given have shape [1, 4, 5]")]
fn images_of_another_shape_are_named() {
    let device = cpu();
    let model = PixelCnnConfig::new([1, 4, 4]).init(&device).unwrap();
    model.log_prob(Tensor::zeros([2, 1, 4, 5], &device));
}

/// A continuation of any length has a state of one size, and goes on as the network says.
#[test]
fn a_series_goes_on_for_as_long_as_one_likes() {
    let (device, _turn) = seeded(9);
    let config = WaveNetConfig::new(8).with_channels(8).with_layers(3);
    let model = config.init(&device).unwrap();
    let data = tensor([4, 30], &device, |i| (i / 2 % 2) as f64);
    let model = fitted(model.train(), &data, 20, 0.02);
    let length = 500; // beyond the length of the model, and what it sees
    let beginning = data.clone().narrow(0, 0, 1).slice([0..1, 0..20]);
    let partial = Tensor::cat(
        vec![beginning.clone(), Tensor::zeros([1, length - 20], &device)],
        1,
    );
    let known = Tensor::<1, Int>::arange(0..length as i64, &device).lower_elem(20);
    let series = model.sample_given(partial, known.unsqueeze::<2>());
    assert_eq!(series.dims(), [1, length]);
    let kept = series.clone().slice([0..1, 0..20]);
    kept.into_data().assert_eq(&beginning.into_data(), true);
    let log_p = values(model.log_prob(series))[0];
    assert!(log_p > -(length as f64) * 2f64.ln(), "{log_p}");
}
