//! What a model must reach where the answer is known: the likelihood of probabilistic PCA, the error
//! of PCA, and its own objective, term by term.
mod common;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::loss::LearnedGaussianNll;
use burn_generative::metric::Pca;
use burn_generative::prelude::*;
use common::{assert_all_close, assert_close, cpu, noise, tensor, values};
use std::f64::consts::PI;

const FEATURES: usize = 6;
const LATENT: usize = 2;

/// Rows around a plane in `FEATURES` dimensions, plus noise; fixed numbers.
fn rows(count: usize, spread: f64) -> Vec<Vec<f64>> {
    let (loadings, offset) = (noise(11, 1.3), noise(12, 0.8));
    // Sums of incommensurable sines are close enough to normal, and need no generator.
    let normal = |seed: usize, i: usize| {
        (0..6).map(|k| noise(seed + 7 * k, 1.0)(i)).sum::<f64>() / 3f64.sqrt()
    };
    (0..count)
        .map(|i| {
            let z = [normal(101, i), normal(203, i)];
            (0..FEATURES)
                .map(|f| {
                    let plane: f64 = (0..LATENT).map(|k| loadings(LATENT * f + k) * z[k]).sum();
                    plane + offset(f) + spread * normal(307 + f, i)
                })
                .collect()
        })
        .collect()
}

fn to_tensor(rows: &[Vec<f64>], device: &Device) -> Tensor<2> {
    tensor([rows.len(), rows[0].len()], device, |i| {
        rows[i / rows[0].len()][i % rows[0].len()]
    })
}

/// The two largest eigenvalues of the covariance, and the sum of the others.
fn spectrum(rows: &[Vec<f64>]) -> ([f64; 2], f64) {
    let pca = Pca::fit(to_tensor(rows, &cpu())).unwrap();
    // Of the most probable Gaussian: the biased estimate.
    let biased = (rows.len() - 1) as f64 / rows.len() as f64;
    let kept = [0, 1].map(|k| biased * pca.variances()[k]);
    (kept, biased * pca.variances()[2..].iter().sum::<f64>())
}

/// The greatest mean log-likelihood that probabilistic PCA with two components reaches on its own
/// data (Tipping & Bishop 1999, equation 8 at its maximum).
fn ppca_log_likelihood(rows: &[Vec<f64>]) -> f64 {
    let (kept, rest) = spectrum(rows);
    let d = FEATURES as f64;
    let free = d - LATENT as f64;
    let sigma2 = rest / free;
    let log_det = kept.iter().map(|value| value.ln()).sum::<f64>() + free * sigma2.ln();
    -0.5 * (d * (2.0 * PI).ln() + log_det + d)
}

#[test]
fn a_linear_vae_reaches_the_likelihood_of_probabilistic_pca() {
    let device = cpu().autodiff();
    let rows = rows(400, 0.5);
    let exact = -ppca_log_likelihood(&rows);
    let data = to_tensor(&rows, &device);
    device.seed(1);
    let mut vae = VaeConfig::new()
        .init(
            MlpEncoderConfig::new(vec![FEATURES], LATENT)
                .with_hidden(vec![])
                .init_gaussian(&device)
                .unwrap(),
            MlpDecoderConfig::new(LATENT, vec![FEATURES])
                .with_hidden(vec![])
                .init(&device)
                .unwrap(),
            StandardNormal::new(LATENT),
            LearnedGaussianNll::new(&device),
        )
        .unwrap();

    // With a linear decoder the loss is quadratic in the noise, so the mean over these 2k points
    // (plus and minus sqrt(k) along each axis) is its exact expectation.
    let points: Vec<Tensor<2>> = (0..2 * LATENT)
        .map(|p| {
            let size = if p % 2 == 0 { 1.0 } else { -1.0 } * (LATENT as f64).sqrt();
            tensor([rows.len(), LATENT], &device, |i| {
                if i % LATENT == p / 2 { size } else { 0.0 }
            })
        })
        .collect();
    let batch = Tensor::cat(vec![data.clone(); points.len()], 0);
    let noise = Tensor::cat(points, 0);

    let mut optimizer = AdamConfig::new().init();
    let steps = 4000;
    for step in 0..steps {
        let rate = 2e-2 * 0.5 * (1.0 + (PI * f64::from(step) / f64::from(steps)).cos());
        let loss = vae.losses_with(batch.clone(), noise.clone()).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &vae);
        vae = optimizer.step(rate, vae, gradients);
    }
    let reached = values(vae.losses_with(batch, noise).mean())[0];
    println!("negative ELBO {reached:.5}, exact negative log-likelihood {exact:.5}");
    assert!(
        reached >= exact - 1e-3,
        "the ELBO {reached} is above the likelihood {exact}"
    );
    assert!(
        reached <= exact + 0.01,
        "the ELBO {reached} is more than 0.01 nats from {exact}"
    );
}

/// The mean squared error per row that an autoencoder reaches.
fn train_autoencoder(data: Tensor<2>, hidden: Vec<usize>, latent: usize, steps: u32) -> f64 {
    use burn::nn::activation::ActivationConfig;
    let device = data.device();
    let features = data.dims()[1];
    let mut autoencoder = Autoencoder::new(
        MlpEncoderConfig::new(vec![features], latent)
            .with_hidden(hidden.clone())
            .with_activation(ActivationConfig::Tanh)
            .init(&device)
            .unwrap(),
        MlpDecoderConfig::new(latent, vec![features])
            .with_hidden(hidden)
            .with_activation(ActivationConfig::Tanh)
            .init(&device)
            .unwrap(),
        SquaredError,
    );
    let mut optimizer = AdamConfig::new().init();
    for step in 0..steps {
        let rate = 3e-2 * 0.5 * (1.0 + (PI * f64::from(step) / f64::from(steps)).cos());
        let loss = autoencoder.losses(data.clone()).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &autoencoder);
        autoencoder = optimizer.step(rate, autoencoder, gradients);
    }
    values(autoencoder.losses(data).mean())[0]
}

#[test]
fn a_linear_autoencoder_reaches_the_error_of_pca() {
    let device = cpu().autodiff();
    let rows = rows(400, 0.5);
    let (_, pca) = spectrum(&rows);
    let reached = train_autoencoder(to_tensor(&rows, &device), vec![], LATENT, 8000);
    println!("linear autoencoder {reached:.5}, PCA {pca:.5}");
    assert!(
        reached >= pca * (1.0 - 1e-3),
        "{reached} is below PCA's {pca}: it is not linear"
    );
    assert!(
        reached <= pca * (1.0 + 2e-3),
        "{reached} is above PCA's {pca}"
    );
}

#[test]
fn a_nonlinear_autoencoder_goes_below_the_error_of_pca() {
    let device = cpu().autodiff();
    // Most of a circle, which two directions hold exactly and one does not.
    let circle = |i: usize| -> Vec<f64> {
        let angle = 4.5 * i as f64 / 200.0;
        vec![
            2.0 * angle.cos(),
            2.0 * angle.sin(),
            0.5 * (2.0 * angle).cos(),
        ]
    };
    let rows: Vec<Vec<f64>> = (0..200).map(circle).collect();
    let ([_, second], rest) = spectrum(&rows);
    let pca = second + rest;
    let reached = train_autoencoder(to_tensor(&rows, &device), vec![24], 1, 2000);
    println!("nonlinear autoencoder {reached:.5}, PCA with one component {pca:.5}");
    assert!(reached < 0.25 * pca, "{reached} against PCA's {pca}");
}

type SmallVae = Vae<
    burn_generative::nn::MlpEncoder<GaussianHead, 2>,
    burn_generative::nn::MlpDecoder<burn::nn::Linear, 2>,
>;

fn small(config: VaeConfig, device: &Device) -> SmallVae {
    config
        .init(
            MlpEncoderConfig::new(vec![5], 2)
                .with_hidden(vec![8])
                .init_gaussian(device)
                .unwrap(),
            MlpDecoderConfig::new(2, vec![5])
                .with_hidden(vec![8])
                .init(device)
                .unwrap(),
            StandardNormal::new(2),
            BernoulliNll,
        )
        .unwrap()
}

fn terms(losses: &Losses) -> [Vec<f64>; 3] {
    ["loss", "reconstruction", "kl"].map(|term| values(losses.term(term).unwrap()))
}

/// `reconstruction + weight * kl`.
fn weighed([_, reconstruction, kl]: &[Vec<f64>; 3], weight: f64) -> Vec<f64> {
    reconstruction
        .iter()
        .zip(kl)
        .map(|(r, k)| r + weight * k)
        .collect()
}

#[test]
fn beta_weighs_the_kl_in_training_and_in_evaluation_alike() {
    let device = cpu().autodiff();
    let vae = small(VaeConfig::new().with_beta(3.5), &device);
    let noise = tensor([4, 2], &device, noise(3, 1.0));
    let training = terms(&vae.losses_with(Tensor::ones([4, 5], &device), noise.clone()));
    let plain = device.clone().inner();
    let evaluation = terms(
        &vae.valid()
            .losses_with(Tensor::ones([4, 5], &plain), noise.without_autodiff()),
    );
    assert_all_close(&training[0], &weighed(&training, 3.5), 1e-6, "training");
    assert_all_close(&evaluation[0], &training[0], 1e-6, "evaluation");
}

#[test]
fn the_warm_up_rises_with_the_steps_and_spares_evaluation() {
    let device = cpu().autodiff();
    let mut vae = small(
        VaeConfig::new().with_beta(2.0).with_warmup_steps(4),
        &device,
    );
    for weight in [0.0, 0.5, 1.0, 1.5, 2.0, 2.0] {
        let now = terms(&vae.losses(Tensor::ones([4, 5], &device)));
        assert_all_close(&now[0], &weighed(&now, weight), 1e-6, "training");
        let evaluated = terms(
            &vae.valid()
                .losses(Tensor::ones([4, 5], &device.clone().inner())),
        );
        assert_all_close(&evaluated[0], &weighed(&evaluated, 2.0), 1e-6, "evaluation");
        vae = vae.advance();
    }
    // The count is saved with the weights, so that a resumed run goes on where it was.
    let restored = small(
        VaeConfig::new().with_beta(2.0).with_warmup_steps(4),
        &device,
    )
    .load_record(vae.into_record());
    let now = terms(&restored.losses(Tensor::ones([4, 5], &device)));
    assert_all_close(&now[0], &weighed(&now, 2.0), 1e-6, "restored");
}

#[test]
fn free_bits_stop_the_push_below_the_floor_and_nowhere_else() {
    let device = cpu().autodiff();
    let rows = || Tensor::<2>::ones([4, 5], &device);
    let noise = || tensor([4, 2], &device, noise(3, 1.0));
    let kl = values(
        small(VaeConfig::new(), &device)
            .losses(rows())
            .term("kl")
            .unwrap(),
    );
    assert!(
        kl.iter().sum::<f64>() / 4.0 < 5.0,
        "a fresh encoder is near the prior"
    );

    // Far below the floor: the total counts the floor, and the encoder's log-variance feels no KL.
    let floored = small(VaeConfig::new().with_free_bits(50.0), &device);
    let losses = floored.losses_with(rows(), noise());
    let now = terms(&losses);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert_close(
        mean(&now[0]),
        mean(&now[1]) + 50.0,
        1e-5,
        "total below the floor",
    );
    let pushed = (losses.total - losses_term(&floored, rows(), noise()))
        .sum()
        .backward();
    assert!(
        largest_gradient(&floored, &pushed) < 1e-6,
        "the KL still pushes below the floor"
    );

    // Above it: nothing changes.
    let free = small(VaeConfig::new().with_free_bits(1e-9), &device);
    let now = terms(&free.losses_with(rows(), noise()));
    assert_all_close(&now[0], &weighed(&now, 1.0), 1e-6, "total above the floor");

    // ... and the gradients are those without free bits.
    let none = small(VaeConfig::new(), &device).load_record(free.clone().into_record());
    let gradient = |vae: &SmallVae| {
        let gradients = vae.losses_with(rows(), noise()).mean().backward();
        largest_gradient(vae, &gradients)
    };
    assert_close(
        gradient(&free),
        gradient(&none),
        1e-6,
        "gradient above the floor",
    );
    assert!(gradient(&none) > 1e-4);

    // Evaluation reports the true bound.
    let plain = device.clone().inner();
    let now = terms(&floored.valid().losses(Tensor::ones([4, 5], &plain)));
    assert_all_close(&now[0], &weighed(&now, 1.0), 1e-6, "evaluation");
}

fn losses_term(vae: &SmallVae, rows: Tensor<2>, noise: Tensor<2>) -> Tensor<1> {
    vae.losses_with(rows, noise).term("reconstruction").unwrap()
}

fn largest_gradient(vae: &SmallVae, gradients: &burn::tensor::Gradients) -> f64 {
    let all = common::gradients(&vae.encoder, gradients);
    all.concat()
        .into_iter()
        .fold(0.0, |most, gradient| gradient.abs().max(most))
}

/// A sample must not depend on its batch mates, with batch normalisation and in training too.
#[test]
fn samples_do_not_depend_on_their_batch() {
    let device = cpu().autodiff();
    let vae = VaeConfig::new()
        .init(
            ConvEncoderConfig::new([1, 8, 8], 2)
                .init_gaussian(&device)
                .unwrap(),
            ConvDecoderConfig::new(2, [1, 8, 8]).init(&device).unwrap(),
            Fixed,
            BernoulliNll,
        )
        .unwrap();
    // Running statistics that differ from those of any batch.
    for _ in 0..3 {
        vae.losses(Tensor::random(
            [16, 1, 8, 8],
            Distribution::Default,
            &device,
        ));
    }
    let one = values(vae.sample(1, &device));
    let many = values(vae.sample(9, &device).narrow(0, 0, 1));
    assert_all_close(&many, &one, 1e-5, "sample");
}

/// "Samples" that are the same points for every batch: only the decoder is under test.
#[derive(Module, Debug)]
struct Fixed;

impl Sampler for Fixed {
    type Value = Tensor<2>;
    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        tensor([n, 2], device, |i| i as f64 * 0.3 - 1.0)
    }
}

impl Prior for Fixed {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        StandardNormal::new(2).log_prob(z)
    }
}
