//! Priors that are fitted to codes: they find what is known, and models are sampled from them.

mod common;

use burn::module::Module;
use burn::prelude::*;
use burn_generative::model;
use burn_generative::Error;
use burn_generative::prelude::*;
use burn_generative::prior::{FullGaussianMixture, GaussianMixture, KernelDensity, MixtureFit};
use common::{assert_all_close, assert_close, cpu, devices, noise, tensor, values};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const MEANS: [[f64; 2]; 3] = [[0.0, 0.0], [4.0, 1.0], [-1.0, 5.0]];
/// Lower Cholesky factors: variances and a correlation.
const FACTORS: [[f64; 3]; 3] = [[0.6, 0.4, 0.5], [1.0, -0.5, 0.3], [0.3, 0.0, 0.9]];
const SHARES: [f64; 3] = [0.5, 0.3, 0.2];

/// Codes of a mixture with these components; uncorrelated ones on request.
fn codes(n: usize, correlated: bool, device: &Device) -> Tensor<2> {
    let mut rng = Pcg64::seed_from_u64(3);
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let mut all = Vec::new();
    for k in 0..3 {
        for _ in 0..(n as f64 * SHARES[k]) as usize {
            let (x, y) = (normal(), normal());
            let [a, b, c] = FACTORS[k];
            let b = if correlated { b } else { 0.0 };
            all.extend([MEANS[k][0] + a * x, MEANS[k][1] + b * x + c * y]);
        }
    }
    tensor([all.len() / 2, 2], device, |i| all[i])
}

/// Which of the fitted means is the known one.
fn order(means: &[f64]) -> Vec<usize> {
    MEANS
        .iter()
        .map(|known| {
            let distance = |k: &usize| (means[2 * k] - known[0]).hypot(means[2 * k + 1] - known[1]);
            (0..3)
                .min_by(|a, b| distance(a).total_cmp(&distance(b)))
                .unwrap()
        })
        .collect()
}

#[test]
fn a_full_mixture_finds_known_components_from_every_seed() {
    for (name, device) in devices() {
        let n = if name == "wgpu" { 1500 } else { 6000 };
        let codes = codes(n, true, &device);
        let seeds = if name == "wgpu" { 1 } else { 5 };
        for seed in 0..seeds {
            let what = format!("seed {seed} on {name}");
            let fit = MixtureFit::new(3).with_seed(seed);
            let mixture = fit.fit_full(codes.clone()).unwrap();
            let (means, weights) = (values(mixture.means()), values(mixture.weights()));
            let covariances = values(mixture.covariances());
            for (known, k) in order(&means).into_iter().enumerate() {
                assert_close(weights[k], SHARES[known], 0.02, &what);
                assert_all_close(&means[2 * k..2 * k + 2], &MEANS[known], 0.12, &what);
                let [a, b, c] = FACTORS[known];
                let want = [a * a, a * b, a * b, b * b + c * c];
                assert_all_close(&covariances[4 * k..4 * k + 4], &want, 0.1, &what);
            }
        }
    }
}

#[test]
fn a_diagonal_mixture_finds_known_components() {
    for (name, device) in devices() {
        let n = if name == "wgpu" { 1500 } else { 6000 };
        let mixture = MixtureFit::new(3)
            .fit_diagonal(codes(n, false, &device))
            .unwrap();
        let (means, weights) = (values(mixture.means()), values(mixture.weights()));
        let log_vars = values(mixture.log_vars());
        for (known, k) in order(&means).into_iter().enumerate() {
            assert_close(weights[k], SHARES[known], 0.02, name);
            assert_all_close(&means[2 * k..2 * k + 2], &MEANS[known], 0.12, name);
            let [a, _, c] = FACTORS[known];
            assert_all_close(
                &log_vars[2 * k..2 * k + 2],
                &[2.0 * a.ln(), 2.0 * c.ln()],
                0.15,
                name,
            );
        }
    }
}

/// No mixture of the family is more probable on the codes than the fitted one: not the one they were drawn from either.
/// And more components explain more.
#[test]
fn a_fit_is_at_least_as_probable_as_the_truth() {
    let device = cpu();
    let codes = codes(3000, true, &device);
    let truth = FullGaussianMixture::new(
        tensor([3], &device, |k| SHARES[k].ln()),
        tensor([3, 2], &device, |i| MEANS[i / 2][i % 2]),
        tensor([3, 2, 2], &device, |i| {
            let [a, b, c] = FACTORS[i / 4];
            [a * a, a * b, a * b, b * b + c * c][i % 4]
        }),
    )
    .unwrap();
    let score = |prior: &FullGaussianMixture| values(prior.log_prob(codes.clone()).mean())[0];
    let fits = [1, 2, 3, 6].map(|k| score(&MixtureFit::new(k).fit_full(codes.clone()).unwrap()));
    assert!(
        fits[2] > score(&truth) - 1e-3,
        "{} against {}",
        fits[2],
        score(&truth)
    );
    for pair in fits.windows(2) {
        assert!(pair[1] > pair[0] - 1e-3, "{fits:?}");
    }
}

/// Each coordinate has its own scale: clusters are found in a narrow one beside a wide one. (Not on wgpu, which here is a
/// slow CPU: twelve starts.)
#[test]
fn a_fit_sees_narrow_coordinates() {
    for (name, device) in devices().into_iter().filter(|(name, _)| *name != "wgpu") {
        let wide = noise(3, 1000.0);
        let codes = tensor([600, 2], &device, |i| match i % 2 {
            0 => wide(i / 2),
            _ => [-2.0, 2.0][(i / 2) % 2] + noise(4, 0.4)(i / 2),
        });
        let mixture = MixtureFit::new(2)
            .with_regularization(1e-3)
            .with_restarts(12);
        let mixture = mixture.with_tolerance(1e-6).fit_diagonal(codes).unwrap();
        let variances = values(mixture.log_vars());
        for k in 0..2 {
            let narrow = variances[2 * k + 1].exp();
            assert!(
                narrow < 5.0,
                "the ridge of the wide coordinate: {narrow} on {name}"
            );
        }
    }
    // Nor is there a coordinate too narrow beside another.
    let codes = tensor([400, 2], &cpu(), |i| noise(5, 1.0)(i) * [1.0, 1e-5][i % 2]);
    let own = values(codes.clone().var_bias(0));
    let mixture = MixtureFit::new(1).fit_diagonal(codes).unwrap();
    for (fitted, own) in values(mixture.log_vars()).into_iter().zip(own) {
        assert_close(fitted.exp() / own, 1.0, 1e-3, "variance");
    }
}

/// Codes that lie in a line, or on few points, have a fit that is finite.
#[test]
fn a_fit_is_regular_where_the_codes_are_not() {
    for (name, device) in devices() {
        let line = tensor([300, 3], &device, |i| {
            (i / 3) as f64 * [1.0, 2.0, 0.0][i % 3] / 100.0
        });
        let points = tensor([300, 2], &device, |i| {
            [1.0, 2.0, 5.0][(i / 2) % 3] * (i % 2) as f64
        });
        for codes in [line, points] {
            let fit = MixtureFit::new(4).with_iterations(10).with_restarts(1);
            let full = fit.fit_full(codes.clone()).unwrap();
            let diagonal = fit.fit_diagonal(codes.clone()).unwrap();
            let near = values(full.log_prob(codes.clone()));
            assert!(near.iter().all(|p| p.is_finite()), "full on {name}");
            let near = values(diagonal.log_prob(codes.clone()));
            assert!(near.iter().all(|p| p.is_finite()), "diagonal on {name}");
            let drawn = values(full.sample(50, &device));
            assert!(drawn.iter().all(|z| z.is_finite()), "samples on {name}");
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_refused_by_name() {
    let device = cpu();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    let codes = || tensor([20, 2], &device, noise(1, 1.0));
    let full = |fit: MixtureFit, codes| message(fit.fit_full(codes).map(drop));
    assert!(full(MixtureFit::new(0), codes()).contains("components must be at least 1"));
    assert!(full(MixtureFit::new(2).with_restarts(0), codes()).contains("restarts"));
    assert!(full(MixtureFit::new(2).with_regularization(-1.0), codes()).contains("regularization"));
    assert!(full(MixtureFit::new(21), codes()).contains("at least as many codes, not 20"));
    // Not a number whose mean is exact.
    let same = || Tensor::<2>::full([1000, 2], 0.1, &device);
    assert!(full(MixtureFit::new(2), same()).contains("the same point"));
    let poisoned = Tensor::<2>::full([20, 2], f64::NAN, &device);
    assert!(full(MixtureFit::new(2), poisoned).contains("NaN"));

    let density = |codes| message(KernelDensity::fit(codes).map(drop));
    assert!(density(codes().narrow(0, 0, 1)).contains("at least 2 codes"));
    assert!(density(same()).contains("coordinate 0 is the same in all codes"));
    assert!(message(KernelDensity::with_width(codes(), 0.0).map(drop)).contains("width must be"));

    let indefinite = tensor([1, 2, 2], &device, |i| [1.0, 2.0, 2.0, 1.0][i]);
    let mixture = FullGaussianMixture::new(
        Tensor::zeros([1], &device),
        Tensor::zeros([1, 2], &device),
        indefinite,
    );
    assert!(message(mixture.map(drop)).contains("component 0 is not positive definite"));
    for (entries, fault) in [
        ([1.0, 0.5, 0.0, 1.0], "component 0 is not symmetric"),
        ([1.0, f64::NAN, 0.0, 1.0], "hold NaN"),
    ] {
        let mixture = FullGaussianMixture::new(
            Tensor::zeros([1], &device),
            Tensor::zeros([1, 2], &device),
            tensor([1, 2, 2], &device, |i| entries[i]),
        );
        assert!(message(mixture.map(drop)).contains(fault));
    }
    for [components, latent] in [[0, 2], [2, 0]] {
        let empty = FullGaussianMixture::new(
            Tensor::zeros([components], &device),
            Tensor::zeros([components, latent], &device),
            Tensor::zeros([components, latent, latent], &device),
        );
        assert!(message(empty.map(drop)).contains("do not make components"));
    }
}

/// An encoder-decoder of any kind is sampled from a prior that was fitted to its codes; the prior is a module, with
/// weights that are saved and never trained.
#[test]
fn models_are_sampled_from_fitted_priors() {
    for (name, device) in devices() {
        let training = device.clone().autodiff();
        let autoencoder = Autoencoder::new(
            MlpEncoderConfig::new(vec![6], 2).init(&training).unwrap(),
            MlpDecoderConfig::new(2, vec![6]).init(&training).unwrap(),
            SquaredError,
        );
        let rows = tensor::<2>([60, 6], &training, noise(1, 1.0));
        let codes = autoencoder.encode(rows);
        let full = MixtureFit::new(2).fit_full(codes.clone()).unwrap();
        let diagonal = MixtureFit::new(2).fit_diagonal(codes.clone()).unwrap();
        let density = KernelDensity::fit(codes).unwrap();
        let made = [
            model::sample(&full, &autoencoder.decoder, 7, &training),
            model::sample(&diagonal, &autoencoder.decoder, 7, &training),
            model::sample(&density, &autoencoder.decoder, 7, &training),
        ];
        for made in made {
            assert_eq!(made.dims(), [7, 6], "{name}");
            assert!(values(made).iter().all(|x| x.is_finite()), "{name}");
        }
        let probe = tensor::<2>([5, 2], &device, noise(2, 1.0));
        let record = full.clone().into_record();
        let blank = MixtureFit::new(2)
            .with_seed(9)
            .fit_full(probe.clone())
            .unwrap();
        let copy = blank.load_record(record);
        assert_eq!(
            values(copy.log_prob(probe.clone())),
            values(full.log_prob(probe)),
            "{name}"
        );
        // A mixture that a training may go on with, once it is told so: the KL's gradient reaches it.
        let prior: GaussianMixture = diagonal.train();
        let z = tensor::<2>([5, 2], &training, noise(3, 1.0));
        let gradients = prior.log_prob(z).sum().backward();
        let reached = common::gradients(&prior, &gradients).concat();
        assert!(reached.iter().any(|&gradient| gradient != 0.0), "{name}");
    }
}
