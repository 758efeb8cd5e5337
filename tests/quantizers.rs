//! Discrete codes of latents.

mod common;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::DType;
use burn_generative::Error;
use burn_generative::metric::CodeUsage;
use burn_generative::nn::{
    Fsq, Grouped, ResidualDecoderConfig, ResidualEncoderConfig, Vq, VqConfig,
};
use burn_generative::prelude::*;
use common::{assert_all_close, assert_close, noise, seeded, tensor, values};

fn integers<const D: usize>(indices: Tensor<D, Int>) -> Vec<i64> {
    indices.into_data().iter::<i64>().collect()
}

#[test]
fn index_and_code_are_a_bijection() {
    let device = Device::default();
    for levels in [vec![8, 6, 5], vec![2], vec![3, 2, 7], vec![256, 255]] {
        let quantizer = Fsq::new(levels.clone()).unwrap();
        let codes = quantizer.codes() as i64;
        assert_eq!(codes as usize, levels.iter().product::<usize>());
        let indices = Tensor::<1, Int>::arange(0..codes, &device).unsqueeze_dim(1);
        let all = quantizer.lookup(indices);
        let want: Vec<i64> = (0..codes).collect();
        assert_eq!(integers(quantizer.indices(all.clone())), want, "{levels:?}");
        // Where values are stored in 16 bits, an index is still the same, and never the number of codes.
        let stored = all.cast(DType::BF16);
        assert_eq!(
            integers(quantizer.indices(stored)),
            want,
            "{levels:?} in bf16"
        );
    }
}

#[test]
fn every_code_is_reached_and_none_beyond() {
    let device = Device::default();
    for count in [2, 3, 5, 8] {
        let quantizer = Fsq::new([count]).unwrap();
        let latents = tensor([4001, 1], &device, |i| (i as f64 - 2000.0) / 100.0);
        let mut reached = integers(quantizer.quantize(latents).indices);
        assert!(reached.is_sorted());
        reached.dedup();
        assert_eq!(reached, (0..count as i64).collect::<Vec<_>>());
    }
    let quantizer = Fsq::new([8, 5, 2]).unwrap();
    let origin = quantizer.quantize(Tensor::zeros([1, 3], &device)).vectors;
    assert_all_close(&values(origin), &[0.0; 3], 1e-6, "zero stays zero");
}

#[test]
fn the_gradient_is_that_of_the_bound() {
    let device = Device::default().autodiff();
    let quantizer = Fsq::new([8, 5]).unwrap();
    let latents = tensor([6, 2], &device, noise(1, 1.0)).require_grad();
    let vectors = quantizer.quantize(latents.clone()).vectors;
    let gradients = vectors.sum().backward();
    let got = values(latents.grad(&gradients).unwrap());
    // d/dz of h tanh(z + s) / floor(L / 2), in closed form.
    for (i, z) in values(latents).into_iter().enumerate() {
        let (reach, offset, half) = [(3.5035, 0.5, 4.0), (2.002, 0.0, 2.0)][i % 2];
        let bound = (z + f64::atanh(offset / reach)).tanh();
        assert_close(
            got[i],
            reach * (1.0 - bound * bound) / half,
            1e-4,
            "gradient",
        );
    }
}

#[test]
fn levels_that_cannot_work_are_named() {
    for (levels, word) in [
        (vec![], "at least one"),
        (vec![8, 1], "coordinate 1 has 1 levels"),
        (vec![0], "coordinate 0 has 0 levels"),
        (vec![257], "257 levels"),
        (vec![256; 4], "more codes"),
    ] {
        let error = Fsq::new(levels).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// The laws of every quantiser, on latents in training.
fn keeps_the_laws<Q: Quantizer>(quantizer: &Q, device: &Device) {
    let latents = tensor([24, quantizer.width()], device, noise(3, 1.5)).require_grad();
    quantizer.quantize(latents.clone()); // whatever starts at the first latents
    let quantizer = quantizer.valid();
    let plain = latents.clone().without_autodiff();
    let quantized = quantizer.quantize(plain.clone());
    let indices = quantized.indices;
    assert_eq!(indices.dims(), [24, quantizer.depth()]);
    let within = 0..quantizer.codes() as i64;
    assert!(integers(indices.clone()).iter().all(|i| within.contains(i)));
    let vectors = quantizer.lookup(indices.clone());
    assert_eq!(values(vectors.clone()), values(quantized.vectors));
    // In evaluation nothing follows the latents.
    let again = quantizer.quantize(plain);
    assert_eq!(integers(again.indices), integers(indices));
    assert_eq!(values(again.vectors), values(vectors));

    let names: Vec<&str> = quantized.losses.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [vec![Losses::TOTAL], quantizer.terms()].concat());
    for (name, term) in quantized.losses.iter() {
        assert_eq!(term.dims(), [24], "{name}");
    }
}

#[test]
fn vectors_are_those_of_their_indices() {
    let (device, _turn) = seeded(1);
    let config = VqConfig::new(7, 3);
    keeps_the_laws(&Fsq::new([8, 5, 2]).unwrap(), &device);
    keeps_the_laws(&config.init(&device).unwrap(), &device);
    let by_gradient = config.clone().with_gradient(true);
    keeps_the_laws(&by_gradient.init(&device).unwrap(), &device);
    keeps_the_laws(&by_gradient.init_residual(3, &device).unwrap(), &device);
    let parts = || Grouped::new((0..2).map(|_| config.init(&device).unwrap()).collect());
    keeps_the_laws(&parts().unwrap(), &device);
    // Groups of residual quantisers: two indices each.
    let stages = (0..2).map(|_| config.init_residual(2, &device).unwrap());
    keeps_the_laws(&Grouped::new(stages.collect()).unwrap(), &device);
}

/// A gradient of what is made of the vectors reaches the latents once, whatever the number of stages or groups.
#[test]
fn a_gradient_passes_straight_through() {
    fn reaches_once(quantizer: &impl Quantizer, device: &Device) {
        let latents = tensor([6, quantizer.width()], device, noise(1, 2.0)).require_grad();
        let weights = tensor([6, quantizer.width()], device, noise(2, 1.0));
        let vectors = quantizer.quantize(latents.clone()).vectors;
        let gradients = (vectors * weights.clone()).sum().backward();
        let got = values(latents.grad(&gradients).unwrap());
        assert_all_close(&got, &values(weights), 1e-6, "straight through");
        assert!(common::gradients(quantizer, &gradients).is_empty());
    }
    let (device, _turn) = seeded(2);
    let config = VqConfig::new(5, 4).with_gradient(true);
    reaches_once(&config.init(&device).unwrap(), &device);
    reaches_once(&config.init_residual(3, &device).unwrap(), &device);
    let parts = (0..2).map(|_| config.init(&device).unwrap());
    reaches_once(&Grouped::new(parts.collect()).unwrap(), &device);
}

/// The rows of each code, by the indices that a quantiser gave them: sums and numbers.
fn counted(rows: &[f64], width: usize, indices: &[i64], codes: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut sums, mut counts) = (vec![0.0; codes * width], vec![0.0; codes]);
    for (row, &index) in rows.chunks(width).zip(indices) {
        counts[index as usize] += 1.0;
        for (sum, number) in sums[index as usize * width..].iter_mut().zip(row) {
            *sum += number;
        }
    }
    (sums, counts)
}

/// A codebook of four points and the quantiser that starts there: that many latents are its first.
fn started(config: VqConfig, device: &Device) -> Vq {
    let quantizer = config.init(device).unwrap();
    let corners = [[3.0, 3.0], [3.0, -3.0], [-3.0, 3.0], [-3.0, -3.0]];
    quantizer.quantize(Tensor::from_floats(corners, device));
    quantizer
}

/// Both terms are `|z - e|^2`; the one moves vectors alone, the other latents alone, as their gradients in closed form say.
#[test]
fn each_term_reaches_its_own() {
    let (device, _turn) = seeded(3);
    let config = VqConfig::new(4, 2).with_gradient(true).with_dead_share(0.0);
    let quantizer = started(config, &device);
    let codebook = values(quantizer.codebook());
    let latents = || tensor([9, 2], &device, noise(5, 4.0)).require_grad();
    let terms = |latents: Tensor<2>| quantizer.quantize(latents);

    let z = latents();
    let quantized = terms(z.clone());
    let (rows, indices) = (values(z.clone()), integers(quantized.indices.clone()));
    let nearest: Vec<f64> = indices
        .iter()
        .flat_map(|&i| codebook[2 * i as usize..][..2].to_vec())
        .collect();
    let squares: Vec<f64> = rows
        .iter()
        .zip(&nearest)
        .map(|(z, e)| (z - e).powi(2))
        .collect();
    let distances: Vec<f64> = squares.chunks(2).map(|pair| pair.iter().sum()).collect();
    for name in ["codebook", "commitment"] {
        let term = values(quantized.losses.term(name).unwrap());
        assert_all_close(&term, &distances, 1e-5, name);
    }
    let total: Vec<f64> = distances.iter().map(|d| 1.25 * d).collect();
    assert_all_close(&values(quantized.losses.total), &total, 1e-5, "total");

    let z = latents();
    let term = terms(z.clone()).losses.term("commitment").unwrap();
    let gradients = term.sum().backward();
    let got = values(z.grad(&gradients).unwrap());
    let want: Vec<f64> = rows
        .iter()
        .zip(&nearest)
        .map(|(z, e)| 2.0 * (z - e))
        .collect();
    assert_all_close(&got, &want, 1e-5, "commitment");
    assert!(common::gradients(&quantizer, &gradients).is_empty());

    let z = latents();
    let term = terms(z.clone()).losses.term("codebook").unwrap();
    let gradients = term.sum().backward();
    assert!(z.grad(&gradients).is_none());
    let (sums, counts) = counted(&rows, 2, &indices, 4);
    let want: Vec<f64> = (0..8)
        .map(|at| 2.0 * (counts[at / 2] * codebook[at] - sums[at]))
        .collect();
    let got = common::gradients(&quantizer, &gradients).concat();
    assert_all_close(&got, &want, 1e-5, "codebook");
}

/// The gradient of the codebook's term is zero at the mean of a code's latents: Newton's step from anywhere ends there, and so
/// do moving averages that keep nothing.
#[test]
fn a_gradient_leads_where_counted_averages_are() {
    let (device, _turn) = seeded(4);
    let latents = || tensor([40, 2], &device, noise(7, 5.0));
    let config = VqConfig::new(4, 2).with_dead_share(0.0);

    let by_gradient = started(config.clone().with_gradient(true), &device);
    let before = values(by_gradient.codebook());
    let quantized = by_gradient.quantize(latents());
    let indices = integers(quantized.indices);
    let gradients = quantized.losses.term("codebook").unwrap().sum().backward();
    let slopes = common::gradients(&by_gradient, &gradients).concat();
    let (sums, counts) = counted(&values(latents()), 2, &indices, 4);
    assert!(counts.iter().all(|&count| count > 0.0), "{counts:?}");
    let step = |at: usize| before[at] - slopes[at] / (2.0 * counts[at / 2]);
    let stepped: Vec<f64> = (0..8).map(step).collect();
    let means: Vec<f64> = (0..8).map(|at| sums[at] / counts[at / 2]).collect();
    assert_all_close(&stepped, &means, 1e-5, "a step of the gradient");

    let by_averages = started(config.with_decay(0.0), &device);
    let indices = integers(by_averages.quantize(latents()).indices);
    let (sums, counts) = counted(&values(latents()), 2, &indices, 4);
    let means: Vec<f64> = (0..8).map(|at| sums[at] / counts[at / 2]).collect();
    assert_all_close(&values(by_averages.codebook()), &means, 1e-5, "averages");
}

/// `N e` is the moving average of the sums of a code's latents; and latents are quantised before they move it.
#[test]
fn averages_follow_after_the_lookup() {
    let (device, _turn) = seeded(5);
    let decay = 0.9;
    let quantizer = started(
        VqConfig::new(4, 2).with_decay(decay).with_dead_share(0.0),
        &device,
    );
    let mut totals = values(quantizer.codebook());
    let mut usage = [1.0; 4]; // a latent each, and again in the first step
    for seed in 0..3 {
        let latents = tensor([30, 2], &device, noise(seed + 8, 5.0));
        let before = values(quantizer.codebook());
        let quantized = quantizer.quantize(latents.clone());
        let indices = integers(quantized.indices);
        let chosen: Vec<f64> = indices
            .iter()
            .flat_map(|&i| before[2 * i as usize..][..2].to_vec())
            .collect();
        assert_eq!(values(quantized.vectors), chosen);
        let (sums, counts) = counted(&values(latents), 2, &indices, 4);
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = decay * *total + (1.0 - decay) * sum;
        }
        for (usage, count) in usage.iter_mut().zip(counts) {
            *usage = decay * *usage + (1.0 - decay) * count;
        }
        let want: Vec<f64> = (0..8).map(|at| totals[at] / usage[at / 2]).collect();
        assert_all_close(
            &values(quantizer.codebook()),
            &want,
            1e-5,
            "moving averages",
        );
    }
}

/// A first batch of fewer latents than codes is coded without an error; what it leaves without a latent starts anew, until
/// all that comes is coded without an error.
#[test]
fn a_start_from_few_latents_fills_up_later() {
    let (device, _turn) = seeded(6);
    for gradient in [false, true] {
        let config = VqConfig::new(16, 3).with_gradient(gradient).with_decay(0.9);
        let quantizer = config.init(&device).unwrap();
        let error = |rows: usize| {
            let latents = tensor([rows, 3], &device, noise(2, 10.0));
            let losses = quantizer.quantize(latents).losses;
            values(losses.term("commitment").unwrap().mean())[0]
        };
        error(5);
        assert_close(error(5), 0.0, 1e-6, "five latents, sixteen codes");
        let before = error(16);
        for _batch in 0..400 {
            error(16);
        }
        let after = error(16);
        assert!(before > 1.0 && after < 0.01, "{before} to {after}");
    }
}

/// k-means: each code is the mean of the latents that are nearest to it, and tells a tenth of their variance at most.
#[test]
fn a_start_is_that_of_k_means() {
    let (device, _turn) = seeded(7);
    let config = VqConfig::new(32, 2).with_decay(0.0).with_dead_share(0.0);
    let quantizer = config.init(&device).unwrap();
    let latents = || tensor([400, 2], &device, noise(3, 1.0));
    let variance = values(latents().square().sum_dim(1).mean())[0];
    let first = quantizer.quantize(latents());
    let error = values(first.losses.term("commitment").unwrap().mean())[0];
    assert!(error < 0.1 * variance, "{error} of {variance}");
}

#[test]
fn what_is_frozen_or_evaluated_does_not_follow() {
    let (device, _turn) = seeded(8);
    let quantizer = started(VqConfig::new(4, 2), &device);
    let before = values(quantizer.codebook());
    let latents = tensor([30, 2], &device, noise(1, 5.0));
    quantizer
        .valid()
        .quantize(latents.clone().without_autodiff());
    let frozen = quantizer.clone().freeze();
    frozen.quantize(latents.clone());
    assert_eq!(values(quantizer.codebook()), before);
    let unused = VqConfig::new(4, 2).init(&device).unwrap();
    let random = values(unused.codebook());
    unused.valid().quantize(latents.clone().without_autodiff());
    assert_eq!(values(unused.codebook()), random, "no start on test data");
    quantizer.quantize(latents);
    assert_ne!(values(quantizer.codebook()), before);
}

/// Squared norms of these latents, and numbers of them, are beyond `f16`.
#[test]
fn nothing_is_infinite_in_half_precision() {
    let (device, _turn) = seeded(9);
    for gradient in [false, true] {
        let config = VqConfig::new(64, 16).with_gradient(gradient);
        let quantizer = config.init(&device).unwrap();
        // Eight points, 500 times each, with a little noise.
        let latents = tensor([4000, 16], &device, |i| {
            let point = i / 16 % 8;
            300.0 * noise(point + 1, 1.0)(i % 16) + noise(1, 1.0)(i)
        });
        for _batch in 0..30 {
            quantizer.quantize(latents.clone().cast(DType::F16));
        }
        let quantized = quantizer.quantize(latents.clone().cast(DType::F16));
        assert_eq!(quantized.vectors.dtype(), DType::F16);
        let error = (quantized.vectors.cast(DType::F32) - latents.clone())
            .abs()
            .max();
        let error = values(error)[0];
        assert!(error < 3.0, "{error}");
        for (name, term) in quantized.losses.iter() {
            assert_eq!(term.dtype(), DType::F16);
            assert!(values(term.clone()).iter().all(|x| x.is_finite()), "{name}");
        }
    }
}

#[test]
fn codebooks_that_cannot_work_are_named() {
    let device = Device::default();
    let config = VqConfig::new(4, 2);
    let refused: [(VqConfig, &str); 7] = [
        (VqConfig::new(1, 2), "a codebook of 1"),
        (VqConfig::new(0, 2), "a codebook of 0"),
        (VqConfig::new(4, 0), "width must be at least 1"),
        (VqConfig::new(1 << 20, 1 << 20), "more than"),
        (config.clone().with_decay(1.0), "decay must be"),
        (
            config.clone().with_dead_share(f64::NAN),
            "dead_share must be",
        ),
        (config.clone().with_commitment(-1.0), "commitment must be"),
    ];
    for (config, word) in refused {
        let error = config.init(&device).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let says = |error: Error, word: &str| {
        let error = error.to_string();
        assert!(error.contains(word), "{error}");
    };
    says(config.init_residual(0, &device).unwrap_err(), "stages");
    says(Grouped::<Fsq>::new(vec![]).unwrap_err(), "at least one");
    let unlike = [[4, 4], [4, 5]].map(|levels| Fsq::new(levels).unwrap());
    says(Grouped::new(unlike.to_vec()).unwrap_err(), "group 1 has 20");
}

#[test]
fn sides_that_cannot_be_halved_are_named() {
    let device = Device::default();
    let encoder = ResidualEncoderConfig::new([1, 28, 30], 4);
    let error = encoder.init(&device).unwrap_err().to_string();
    assert!(error.contains("28x30 cannot be halved 2 times"), "{error}");
    assert!(error.contains("multiples of 4"), "{error}");
    let decoder = ResidualDecoderConfig::new(4, [1, 28, 28]).with_halvings(3);
    let error = decoder.init(&device).unwrap_err().to_string();
    assert!(error.contains("multiples of 8"), "{error}");
    let odd = ResidualEncoderConfig::new([1, 8, 8], 4).with_features(7);
    let error = odd.init(&device).unwrap_err().to_string();
    assert!(error.contains("even number"), "{error}");
}

/// Images that are their own latents.
#[derive(Module, Debug)]
struct Identity;

impl Encoder for Identity {
    type Input = Tensor<4>;
    type Code = Tensor<4>;
    fn encode(&self, input: Tensor<4>) -> Tensor<4> {
        input
    }
}

impl Decoder for Identity {
    type Latent = Tensor<4>;
    type Output = Tensor<4>;
    fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        latent
    }
}

/// Every place of a map has the index of its own latent, and a sample's terms are the sums of those of its places.
#[test]
fn a_map_is_quantised_place_by_place() {
    let (device, _turn) = seeded(10);
    let quantizer = started(VqConfig::new(4, 2), &device).valid();
    let codebook = values(quantizer.codebook());
    let model = VqVae::new(Identity, Identity, quantizer, SquaredError);
    let plain = device.clone().inner();
    let images = tensor([3, 2, 4, 5], &plain, noise(4, 4.0));
    let pixels = values(images.clone());
    let codes = model.encode(images.clone());
    assert_eq!(codes.dims(), [3, 1, 4, 5]);
    let indices = integers(codes.clone());
    let mut distances = [0.0; 3];
    for (place, &index) in indices.iter().enumerate() {
        let (sample, at) = (place / 20, place % 20);
        let latent = [0, 1].map(|channel| pixels[(2 * sample + channel) * 20 + at]);
        let squares = (0..4).map(|code| {
            let vector = &codebook[2 * code..][..2];
            (latent[0] - vector[0]).powi(2) + (latent[1] - vector[1]).powi(2)
        });
        let squares: Vec<f64> = squares.collect();
        let least = squares.iter().copied().fold(f64::INFINITY, f64::min);
        assert_close(squares[index as usize], least, 1e-6, "nearest");
        distances[sample] += least;
    }
    let losses = model.losses(images.clone());
    let commitment = values(losses.term("commitment").unwrap());
    assert_all_close(&commitment, &distances, 1e-5, "commitment");
    let total: Vec<f64> = distances.iter().map(|distance| 1.25 * distance).collect();
    assert_all_close(&values(losses.total), &total, 1e-5, "total");
    let decoded = values(model.decode(codes));
    assert_eq!(decoded, values(model.reconstruct(images)));
}

/// Codes of a density that knows nothing cost `ln K` a place; samples are what the decoder makes of codes.
#[test]
fn a_density_of_codes_makes_it_generate() {
    use burn_generative::autoregressive::{Output, PixelCnnConfig};
    use burn_generative::distribution::Levels;

    let (device, _turn) = seeded(11);
    let plain = device.clone().inner();
    let quantizer = Grouped::new([[3, 2]; 2].map(|l| Fsq::new(l).unwrap()).to_vec()).unwrap();
    let model = VqVae::new(Identity, Identity, quantizer, SquaredError);
    let images = tensor([1100, 4, 2, 3], &plain, noise(4, 2.0));
    let expected = integers(model.encode(images.clone()));
    let mut seen = Vec::new();
    let fitted = model.with_fitted_prior(images.clone(), |codes| {
        assert_eq!(codes.dims(), [1100, 2, 2, 3]);
        let levels = Levels::counting(6)?;
        levels.check(&codes, "codes")?;
        seen = integers(levels.index(codes));
        let pixel_cnn = PixelCnnConfig::new([2, 2, 3])
            .with_features(4)
            .with_layers(1);
        pixel_cnn.init_with(Output::Categorical(levels), &plain)
    });
    assert_eq!(seen, expected, "of all data, in its order");
    let fitted = fitted.unwrap();
    let rate = values(fitted.rate(images.narrow(0, 0, 5)));
    assert_all_close(&rate, &[12.0 * 6f64.ln(); 5], 1e-5, "rate");
    let samples = fitted.sample(7, &device);
    assert_eq!(samples.dims(), [7, 4, 2, 3]);
    for (at, value) in values(samples).into_iter().enumerate() {
        let levels: &[f64] = if at / 6 % 2 == 0 {
            &[-1.0, 0.0, 1.0]
        } else {
            &[-1.0, 0.0]
        };
        assert!(levels.contains(&value), "{value} at {at}");
    }
}

#[test]
fn usage_is_that_of_known_frequencies() {
    let device = Device::default();
    let usage = |indices: &[i32], codes| CodeUsage::of(Tensor::from_ints(indices, &device), codes);

    let even = usage(&[4, 1, 0, 3, 2, 2, 3, 0, 4, 1], 7).unwrap();
    assert_eq!(even.counts(), [2, 2, 2, 2, 2, 0, 0]);
    assert_eq!(even.in_use(), 5);
    assert_close(even.perplexity(), 5.0, 1e-12, "five codes, evenly");

    // Frequencies 1/2, 1/4, 1/4 have an entropy of 1.5 bits.
    let uneven = usage(&[0, 1, 0, 2], 3).unwrap();
    let bits = uneven.entropy() / std::f64::consts::LN_2;
    assert_close(bits, 1.5, 1e-12, "entropy");

    assert_eq!(usage(&[0, 0], 1).unwrap().perplexity(), 1.0);
    for (indices, word) in [
        (&[0, 5][..], "index 1 is 5"),
        (&[-1][..], "index 0 is -1"),
        (&[][..], "at least one index"),
    ] {
        let error = usage(indices, 5).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
