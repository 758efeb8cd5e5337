//! The variational family where the answer is known: linear Gaussians, mixtures of few components, and a data set of which
//! every state can be summed.
#![cfg(feature = "data")]

mod common;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::loss::{DipVae, InfoVae, Kl, Mmd, MmdKernel, TotalCorrelation};
use burn_generative::metric::{
    Estimate, elbo, importance_weighted_bound, latent_information, squared_mmd,
};
use burn_generative::model::SecondStage;
use burn_generative::nn::{
    LabeledDecoder, LabeledRowEncoder, MlpDecoder, MlpEncoder, Warmup, frozen_copy, initialize,
};
use burn_generative::prelude::*;
use burn_generative::prior::{Empirical, GaussianMixture, MixtureFit, PseudoInputs};
use burn_generative::{Error, Result};
use common::{assert_all_close, assert_close, cpu, noise, tensor, values};
use std::f64::consts::TAU;
use std::io::Read;
use std::path::PathBuf;
use std::sync::MutexGuard;

/// A CPU with its generator seeded, which all tests of this file share: those that draw from it take turns.
fn seeded() -> (Device, MutexGuard<'static, ()>) {
    let turn = common::alone();
    let device = cpu();
    device.seed(7);
    (device, turn)
}

fn normal(shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

fn mean<const D: usize>(of: Tensor<D>) -> f64 {
    values(of.mean())[0]
}

#[track_caller]
fn message<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

/// Codes that are what they are: posteriors around the rows, all of one log-variance.
#[derive(Module, Debug)]
struct Around {
    log_var: f64,
}

impl Encoder for Around {
    type Input = Tensor<2>;
    type Code = DiagonalGaussian;
    fn encode(&self, rows: Tensor<2>) -> DiagonalGaussian {
        let log_vars = rows.full_like(self.log_var);
        DiagonalGaussian::new(rows, log_vars)
    }
}

impl Decoder for Around {
    type Latent = Tensor<2>;
    type Output = Tensor<2>;
    fn decode(&self, latent: Tensor<2>) -> Tensor<2> {
        latent
    }
}

/// Linear encoder and decoder, without biases.
fn linear(
    features: usize,
    latent: usize,
    device: &Device,
) -> (MlpEncoder<GaussianHead, 2>, MlpDecoder<Linear, 2>) {
    let encoder = MlpEncoderConfig::new(vec![features], latent).with_hidden(vec![]);
    let decoder = MlpDecoderConfig::new(latent, vec![features]).with_hidden(vec![]);
    (
        encoder.init_gaussian(device).unwrap(),
        decoder.init(device).unwrap(),
    )
}

/// Trains on fresh batches, with a rate that falls to 0 over the second half.
fn train<M: Model>(mut model: M, steps: usize, rate: f64, batch: impl Fn() -> M::Input) -> M {
    let mut optimizer = AdamConfig::new().with_beta_1(0.9).init();
    for step in 0..steps {
        let left = 2.0 * (1.0 - step as f64 / steps as f64);
        (model, _) = model.learn(&mut optimizer, rate * left.min(1.0), batch());
    }
    model
}

// ---- schedules

#[test]
fn a_capacity_draws_the_kl_to_it_and_rises() {
    let (device, _turn) = seeded();
    let training = device.autodiff();
    let kl = Kl::new(3.0)
        .unwrap()
        .with_capacity(4.0, 2, &training)
        .unwrap();
    let posterior = Around { log_var: 0.0 }.encode(tensor([2, 1], &training, |i| [2.0, 4.0][i])); // 2 and 8 nats
    let total = |kl: &Kl| {
        let losses = kl.losses(&posterior, &posterior.draw(), &StandardNormal::new(1));
        assert_all_close(
            &values(losses.term("kl").unwrap()),
            &[2.0, 8.0],
            1e-5,
            "the KL itself",
        );
        mean(losses.total)
    };
    assert_close(total(&kl), 3.0 * 5.0, 1e-5, "from 0");
    let advance = LatentLoss::<DiagonalGaussian, StandardNormal>::advance;
    let kl = advance(kl);
    assert_close(total(&kl), 3.0 * (5.0 - 2.0), 1e-5, "half way");
    let kl = advance(advance(kl));
    assert_close(total(&kl), 3.0 * (5.0 - 4.0), 1e-5, "at the end");
    // From below too.
    let kl = Kl::new(3.0)
        .unwrap()
        .with_capacity(9.0, 0, &training)
        .unwrap();
    assert_close(total(&kl), 3.0 * 4.0, 1e-5, "above the KL");
    assert!(message(Kl::default().with_capacity(-1.0, 3, &training)).contains("Kl: capacity"));
}

#[test]
fn a_schedule_weighs_any_loss_in_training_alone() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let half_way = || Warmup::new(2, &device).advance();
    let kernels = || MmdKernel::inverse_multiquadrics(2);
    fn shares<R>(loss: R, term: &str, training: &Device) -> [f64; 2]
    where
        R: LatentLoss<DiagonalGaussian, StandardNormal>,
    {
        let posterior = |device: &Device| {
            Around { log_var: -1.0 }.encode(tensor([6, 2], device, noise(1, 2.0)))
        };
        [training.clone(), training.clone().without_autodiff()].map(|device| {
            device.seed(3);
            let posterior = posterior(&device);
            let losses = loss.losses(&posterior, &posterior.draw(), &StandardNormal::new(2));
            let others = losses.iter().skip(1).filter(|(name, _)| *name != term);
            let others: f64 = others.map(|(_, value)| mean(value.clone())).sum();
            (mean(losses.total.clone()) - others) / mean(losses.term(term).unwrap())
        })
    }
    let kl = Kl::new(3.0).unwrap().with_schedule(half_way());
    assert_all_close(&shares(kl, "kl", &training), &[1.5, 3.0], 1e-4, "Kl");
    let mmd = Mmd::new(3.0, kernels()).unwrap().with_schedule(half_way());
    assert_all_close(&shares(mmd, "mmd", &training), &[1.5, 3.0], 1e-4, "Mmd");
    let tc = TotalCorrelation::new(3.0, 100)
        .unwrap()
        .with_schedule(half_way());
    let share = shares(tc, "total_correlation", &training);
    assert_all_close(&share, &[1.5, 3.0], 1e-3, "TotalCorrelation");
    let dip = DipVae::type_one(3.0, 3.0)
        .unwrap()
        .with_schedule(half_way());
    let [half, whole] = [&training, &device].map(|device| {
        let posterior = Around { log_var: -1.0 }.encode(tensor([6, 2], device, noise(1, 2.0)));
        let losses = dip.losses(&posterior, &posterior.draw(), &StandardNormal::new(2));
        mean(losses.total.clone()) - mean(losses.term("kl").unwrap())
    });
    assert_close(2.0 * half, whole, 1e-4, "DipVae");
    assert!(message(Warmup::cyclical(3, 2, &device)).contains("a period of 2 steps"));
}

// ---- maximum mean discrepancy

/// The mean of the rows is the statistic that the metric computes, by another way, and each row is a sum over its pairs.
#[test]
fn the_rows_of_the_discrepancy_are_those_of_the_u_statistic() {
    let (device, _turn) = seeded();
    let n = 40;
    let codes = normal([n, 3], &device) * 1.4 + 0.3;
    let prior = StandardNormal::new(3);
    device.seed(11);
    let samples = prior.sample(n, &device);
    for kernel in [
        MmdKernel::Rbf { variance: 2.0 },
        MmdKernel::InverseMultiquadric { scale: 6.0 },
    ] {
        device.seed(11);
        let loss = Mmd::new(2.0, vec![kernel]).unwrap();
        let losses = loss.losses(&codes, &codes.draw(), &prior);
        let rows = values(losses.term("mmd").unwrap());
        let want = squared_mmd(codes.clone(), samples.clone(), kernel).unwrap();
        assert_close(rows.iter().sum::<f64>() / n as f64, want, 1e-5, "the mean");
        let (z, p) = (values(codes.clone()), values(samples.clone()));
        let k = |a: &[f64], b: &[f64]| {
            let d: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
            match kernel {
                MmdKernel::Rbf { variance } => (-d / (2.0 * variance)).exp(),
                MmdKernel::InverseMultiquadric { scale } => scale / (scale + d),
                _ => unreachable!(),
            }
        };
        let point = |all: &[f64], i: usize| all[3 * i..3 * i + 3].to_vec();
        for i in [0, 7] {
            let row: f64 = (0..n)
                .map(|j| {
                    let across = k(&point(&z, i), &point(&p, j)) + k(&point(&p, i), &point(&z, j));
                    let within = k(&point(&z, i), &point(&z, j)) + k(&point(&p, i), &point(&p, j));
                    let within = if i == j { 0.0 } else { within / (n - 1) as f64 };
                    within - across / n as f64
                })
                .sum();
            assert_close(rows[i], row, 1e-4, "a row");
        }
        assert_close(mean(losses.total), 2.0 * want, 1e-5, "the total");
    }
}

#[test]
fn a_batch_of_one_has_no_pairs() {
    let (device, _turn) = seeded();
    let device = device.autodiff();
    let posterior = Around { log_var: -1.0 }.encode(tensor([1, 2], &device, noise(1, 1.0)));
    let (draw, prior) = (posterior.draw(), StandardNormal::new(2));
    let mmd = Mmd::new(1.0, MmdKernel::inverse_multiquadrics(2)).unwrap();
    assert_eq!(values(mmd.losses(&posterior, &draw, &prior).total), [0.0]);
    let losses = TotalCorrelation::new(6.0, 100)
        .unwrap()
        .losses(&posterior, &draw, &prior);
    for term in ["mutual_information", "total_correlation"] {
        assert!(mean(losses.term(term).unwrap()).abs() < 1e-5, "{term}");
    }
    let want = posterior.log_prob(draw.z.clone()) - prior.log_prob(draw.z.clone());
    assert_close(mean(losses.total), mean(want), 1e-5, "one draw of the KL");
    let dip = DipVae::type_two(1.0, 1.0)
        .unwrap()
        .losses(&posterior, &draw, &prior);
    assert!(mean(dip.total).is_finite());
}

#[test]
fn weights_that_cannot_be_are_refused() {
    let kernels = || MmdKernel::inverse_multiquadrics(2);
    let refused = message(InfoVae::new(0.5, 0.4, kernels()));
    assert!(
        refused.contains("lambda must be at least 0.5, not 0.4"),
        "{refused}"
    );
    assert!(message(InfoVae::new(1.5, 2.0, kernels())).contains("alpha must be"));
    assert!(message(InfoVae::new(f64::NAN, 2.0, kernels())).contains("alpha must be"));
    assert!(message(Mmd::new(-1.0, kernels())).contains("Mmd: weight"));
    assert!(message(Mmd::new(1.0, vec![])).contains("at least 1 kernel"));
    let kernel = MmdKernel::Rbf { variance: 0.0 };
    assert!(message(Mmd::new(1.0, vec![kernel])).contains("variance"));
    assert!(message(TotalCorrelation::new(1.0, 0)).contains("the size of the data set"));
    assert!(message(TotalCorrelation::new(-1.0, 10)).contains("beta"));
    assert!(message(DipVae::type_one(1.0, -1.0)).contains("diagonal"));
}

/// Data that is a Gaussian far from the prior is coded as the prior, by no density: as points, and by posteriors.
#[test]
fn a_discrepancy_alone_finds_the_prior() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let mix = || tensor::<2>([2, 2], &training, |i| [1.5, 0.9, 0.0, 0.5][i]);
    let data = |n: usize| normal([n, 2], &training).matmul(mix()) + 2.0;
    let is_the_prior = |codes: Tensor<2>| {
        let (centre, covariance) = moments(codes.without_autodiff());
        assert_all_close(&centre, &[0.0, 0.0], 0.06, "the mean");
        assert_all_close(&covariance, &[1.0, 0.0, 0.0, 1.0], 0.08, "the covariance");
    };
    let kernels = || MmdKernel::inverse_multiquadrics(2);

    let encoder = MlpEncoderConfig::new(vec![2], 2).with_hidden(vec![]);
    let wae = Vae::with_latent_loss(
        encoder.init::<2>(&training).unwrap(),
        linear(2, 2, &training).1,
        StandardNormal::new(2),
        SquaredError,
        Mmd::new(10.0, kernels()).unwrap(),
    );
    let wae = train(wae, 2000, 0.02, || data(128));
    is_the_prior(wae.encode(data(20_000)));

    let (encoder, decoder) = linear(2, 2, &training);
    let mmd_vae = Vae::with_latent_loss(
        encoder,
        decoder,
        StandardNormal::new(2),
        SquaredError,
        InfoVae::new(1.0, 10.0, kernels()).unwrap(),
    );
    let mmd_vae = train(mmd_vae, 2000, 0.02, || data(128));
    is_the_prior(mmd_vae.encode(data(20_000)).rsample());
}

/// The mean and the covariance of rows.
fn moments(rows: Tensor<2>) -> (Vec<f64>, Vec<f64>) {
    let n = rows.dims()[0] as f64;
    let centre = rows.clone().mean_dim(0);
    let centred = rows - centre.clone();
    let covariance = centred.clone().transpose().matmul(centred) / n;
    (values(centre), values(covariance))
}

/// One coordinate with variance 1, a linear decoder with the fixed variance v, codes that are held to the prior: then the loss
/// is `ln v / 2 + t / 2v - (1 - alpha) / 2 ln t`, with `t` the variance of a posterior, and the information at its minimum
/// `1/2 ln(1 / ((1 - alpha) v))`: alpha buys half a nat of it for every factor of e.
#[test]
fn the_information_of_an_info_vae_is_the_closed_form() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let variance = 0.25f64;
    for alpha in [-1.0, 0.0, 0.5] {
        let (encoder, decoder) = linear(1, 1, &training);
        let model = Vae::with_latent_loss(
            encoder,
            decoder,
            StandardNormal::new(1),
            GaussianNll::new(variance).unwrap(),
            InfoVae::new(alpha, 30.0, vec![MmdKernel::Rbf { variance: 1.0 }]).unwrap(),
        );
        let model = train(model, 2000, 0.02, || normal([128, 1], &training)).valid();
        let posterior = model.encode(normal([4000, 1], &device));
        let information = latent_information(&posterior, &StandardNormal::new(1)).unwrap();
        let want = 0.5 * (1.0 / ((1.0 - alpha) * variance)).ln();
        let got = information.mutual_information;
        assert_close(got.mean, want, 0.05, &format!("alpha {alpha}: {got}"));
        assert!(
            information.marginal_kl.mean.abs() < 0.02,
            "{}",
            information.marginal_kl
        );
    }
}

// ---- total correlation

/// Means whose mixture of posteriors has this covariance, `[[1, c], [c, 1]]`.
fn correlated_means(n: usize, c: f64, log_var: f64, device: &Device) -> Tensor<2> {
    let rest = 1.0 - log_var.exp();
    let (a, b) = (rest.sqrt(), c / rest.sqrt());
    let factor = tensor::<2>([2, 2], device, |i| [a, b, 0.0, (rest - b * b).sqrt()][i]);
    normal([n, 2], device).matmul(factor)
}

#[test]
fn the_total_correlation_of_a_correlated_gaussian_is_the_closed_form() {
    let (device, _turn) = seeded();
    let prior = StandardNormal::new(2);
    for c in [0.0, 0.6] {
        let want = -0.5 * (1.0f64 - c * c).ln();
        let all = correlated_means(4000, c, -1.5, &device);
        let loss = TotalCorrelation::new(6.0, 4000).unwrap();
        let of = |means: Tensor<2>| {
            let posterior = Around { log_var: -1.5 }.encode(means);
            loss.losses(&posterior, &posterior.draw(), &prior)
        };
        // All of the data at once, and in batches: an estimate of a mixture has a logarithm that is a little too small.
        let whole = of(all.clone());
        let correlation = Estimate::of_batch(whole.term("total_correlation").unwrap()).unwrap();
        assert_close(correlation.mean, want, 0.03, &format!("{c}: {correlation}"));
        let information = Estimate::of_batch(whole.term("mutual_information").unwrap()).unwrap();
        let det = 1.0 - c * c;
        let exact = 0.5 * (det.ln() + 3.0);
        assert_close(
            information.mean,
            exact,
            0.05,
            &format!("{c}: {information}"),
        );
        assert!(mean(whole.term("coordinate_kl").unwrap()).abs() < 0.03);

        let batches = (0..4000 / 250).map(|k| of(all.clone().narrow(0, 250 * k, 250)));
        let correlations = batches.map(|losses| losses.term("total_correlation").unwrap());
        let correlation = mean(Tensor::cat(correlations.collect(), 0));
        assert_close(correlation, want, 0.06, "in batches of 250");
    }
}

/// The three terms are one draw of the KL, and weigh as they should; the mixture is the one with 1/N on the diagonal, the rest
/// spread over the others.
#[test]
fn the_mixture_has_stratified_weights() {
    let (device, _turn) = seeded();
    let (batch, latent, n) = (5, 3, 40);
    let means = tensor::<2>([batch, latent], &device, noise(1, 1.0));
    let log_vars = tensor::<2>([batch, latent], &device, noise(2, 0.7));
    let posterior = DiagonalGaussian::new(means.clone(), log_vars.clone());
    let draw = posterior.draw();
    let prior = StandardNormal::new(latent);
    let losses = TotalCorrelation::new(4.0, n)
        .unwrap()
        .losses(&posterior, &draw, &prior);

    let [z, m, lv] = [draw.z.clone(), means, log_vars].map(values);
    let weight = |i: usize, j: usize| match i == j {
        true => 1.0 / n as f64,
        false => (n - 1) as f64 / (n * (batch - 1)) as f64,
    };
    let density = |i: usize, j: usize, d: usize| {
        let (mean, log_var) = (m[j * latent + d], lv[j * latent + d]);
        let exponent = (z[i * latent + d] - mean).powi(2) / log_var.exp();
        (-0.5 * exponent).exp() / (TAU * log_var.exp()).sqrt()
    };
    let rows = |i: usize| (0..batch).map(move |j| (j, weight(i, j)));
    let term = |name| values(losses.term(name).unwrap());
    let (information, correlation) = (term("mutual_information"), term("total_correlation"));
    for i in 0..batch {
        assert_close(rows(i).map(|(_, w)| w).sum(), 1.0, 1e-12, "the weights");
        let whole = |j: usize| (0..latent).map(|d| density(i, j, d)).product::<f64>();
        let joint: f64 = rows(i).map(|(j, w)| w * whole(j)).sum();
        let marginal = |d| rows(i).map(|(j, w)| w * density(i, j, d)).sum::<f64>().ln();
        let marginals: f64 = (0..latent).map(marginal).sum();
        assert_close(
            information[i],
            whole(i).ln() - joint.ln(),
            1e-4,
            "information",
        );
        assert_close(correlation[i], joint.ln() - marginals, 1e-4, "correlation");
    }
    let kl = posterior.log_prob(draw.z.clone()) - prior.log_prob(draw.z);
    let extra = losses.term("total_correlation").unwrap() * 3.0;
    assert_all_close(
        &values(losses.total.clone()),
        &values(kl + extra),
        1e-4,
        "the total",
    );
}

#[test]
fn a_critic_finds_the_total_correlation_of_a_gaussian() {
    let (device, _turn) = seeded();
    let training = device.autodiff();
    for c in [0.0, 0.7] {
        let want = -0.5 * (1.0f64 - c * c).ln();
        let critic = MlpCriticConfig::new(vec![2]).with_hidden(vec![32, 32]);
        let model = FactorVaeConfig::new()
            .init(
                Around { log_var: -1.5 },
                Around { log_var: 0.0 },
                critic.init::<2>(&training).unwrap(),
                StandardNormal::new(2),
                SquaredError,
            )
            .unwrap();
        let model = train(model, 600, 5e-3, || {
            correlated_means(256, c, -1.5, &training)
        })
        .valid();
        let losses = model.losses(correlated_means(20_000, c, -1.5, &training.clone().inner()));
        let got = mean(losses.term("total_correlation").unwrap());
        assert_close(got, want, 0.05, &format!("correlation {c}"));
    }
    let refused = FactorVaeConfig::new().with_gamma(-1.0).init(
        Around { log_var: 0.0 },
        Around { log_var: 0.0 },
        MlpCriticConfig::new(vec![2]).init::<2>(&training).unwrap(),
        StandardNormal::new(2),
        SquaredError,
    );
    assert!(message(refused).contains("FactorVae: gamma"));
}

#[test]
fn the_covariances_of_a_dip_vae_are_those_of_means_and_of_draws() {
    let device = cpu();
    let means = tensor::<2>([6, 3], &device, noise(1, 1.5));
    let log_vars = tensor::<2>([6, 3], &device, noise(2, 0.7));
    let posterior = DiagonalGaussian::new(means.clone(), log_vars.clone());
    let draw = posterior.draw();
    let prior = StandardNormal::new(3);
    let (_, of_means) = moments(means);
    let variances = values(log_vars.exp().mean_dim(0));
    let kl = mean(posterior.kl_to_standard_normal());
    for (loss, of_draws) in [
        (DipVae::type_one(2.0, 20.0).unwrap(), 0.0),
        (DipVae::type_two(2.0, 20.0).unwrap(), 1.0),
    ] {
        let losses = loss.losses(&posterior, &draw, &prior);
        let (mut correlation, mut variance) = (0.0, 0.0);
        for i in 0..3 {
            for j in 0..3 {
                match i == j {
                    true => variance += (of_means[4 * i] + of_draws * variances[i] - 1.0).powi(2),
                    false => correlation += of_means[3 * i + j].powi(2),
                }
            }
        }
        let term = |name| values(losses.term(name).unwrap());
        assert_all_close(&term("correlation"), &[correlation; 6], 1e-5, "correlation");
        assert_all_close(&term("variance"), &[variance; 6], 1e-5, "variance");
        let total = kl + 2.0 * correlation + 20.0 * variance;
        assert_close(mean(losses.total), total, 1e-5, "the total");
    }
}

// ---- importance weighted autoencoder

const SLOPE: f64 = 0.8;
const VARIANCE: f64 = 0.5;

/// The decoder `x = 0.8 z` of one coordinate, and the encoder that has the true posterior, or that times `share`.
#[derive(Module, Debug)]
struct Known {
    share: Param<Tensor<1>>,
    slope: Param<Tensor<1>>,
}

fn known(share: f64, device: &Device) -> Known {
    let one = |value: f64| Param::from_tensor(Tensor::full([1], value, device));
    Known {
        share: one(share),
        slope: one(SLOPE),
    }
}

impl Encoder for Known {
    type Input = Tensor<2>;
    type Code = DiagonalGaussian;
    fn encode(&self, x: Tensor<2>) -> DiagonalGaussian {
        let precision = 1.0 + SLOPE * SLOPE / VARIANCE;
        let means = x.mul_scalar(SLOPE / VARIANCE / precision) * self.share.val().unsqueeze();
        let log_vars = means.full_like(-precision.ln());
        DiagonalGaussian::new(means, log_vars)
    }
}

impl Decoder for Known {
    type Latent = Tensor<2>;
    type Output = Tensor<2>;
    fn decode(&self, z: Tensor<2>) -> Tensor<2> {
        z * self.slope.val().unsqueeze()
    }
}

type KnownIwae = Iwae<Known, Known, StandardNormal, GaussianNll>;

fn known_iwae(k: usize, share: f64, doubly: bool, device: &Device) -> KnownIwae {
    let config = IwaeConfig::new(k).with_doubly_reparameterized(doubly);
    let likelihood = GaussianNll::new(VARIANCE).unwrap();
    config
        .init(
            known(share, device),
            known(1.0, device),
            StandardNormal::new(1),
            likelihood,
        )
        .unwrap()
}

#[test]
fn the_bound_of_an_iwae_rises_to_the_exact_log_probability() {
    let (device, _turn) = seeded();
    let x = normal([2000, 1], &device);
    let total = SLOPE * SLOPE + VARIANCE;
    let log_p = |x: f64| -0.5 * (x * x / total + (TAU * total).ln());
    let exact = values(x.clone()).into_iter().map(log_p).sum::<f64>() / 2000.0;
    let bound = |k| -mean(known_iwae(k, 0.3, false, &device).losses(x.clone()).total);
    let bounds = [1, 5, 50, 500].map(bound);
    for pair in bounds.windows(2) {
        assert!(pair[0] < pair[1], "{bounds:?} do not rise");
    }
    assert!(
        bounds[0] < exact - 0.1 && bounds[3] < exact + 0.005,
        "{bounds:?}, {exact}"
    );
    assert_close(bounds[3], exact, 0.01, "500 draws");
    // With the true posterior one draw is exact.
    let one = -mean(known_iwae(1, 1.0, false, &device).losses(x).total);
    assert_close(one, exact, 1e-4, "the true posterior");
    let parts = known(1.0, &device);
    let none = IwaeConfig::new(0).init(
        parts.clone(),
        parts,
        StandardNormal::new(1),
        GaussianNll::default(),
    );
    assert!(message(none).contains("k, the number of draws, must be at least 1"));
}

/// The gradients of the encoder's and of the decoder's parameter, of draws by this noise.
fn gradients(model: &KnownIwae, x: &Tensor<2>, noise: Vec<Tensor<2>>) -> [f64; 2] {
    let losses = model.losses_with(x.clone(), noise);
    let gradients = losses.mean().backward();
    [&model.vae.encoder.share, &model.vae.decoder.slope]
        .map(|param| values(param.val().grad(&gradients).unwrap())[0])
}

/// By the same draws: the same bound and the same gradient of the decoder; of the encoder the same on average and with less
/// noise, and none at all where the posterior is the true one.
#[test]
fn the_doubly_reparameterized_gradient_is_unbiased_and_less_noisy() {
    let (device, _turn) = seeded();
    let device = device.autodiff();
    let k = 8;
    let x = tensor::<2>([16, 1], &device, noise(1, 2.0));
    let noise = || (0..k).map(|_| normal([16, 1], &device)).collect::<Vec<_>>();
    let [plain, doubly] = [false, true].map(|doubly| known_iwae(k, 0.5, doubly, &device));
    let (mut of_plain, mut of_doubly) = (Vec::new(), Vec::new());
    for _ in 0..1500 {
        let noise = noise();
        let ([a, of_decoder], [b, same]) = (
            gradients(&plain, &x, noise.clone()),
            gradients(&doubly, &x, noise),
        );
        assert_close(same, of_decoder, 1e-4, "the decoder's");
        of_plain.push(a);
        of_doubly.push(b);
    }
    let [plain_mean, doubly_mean] = [of_plain, of_doubly].map(|all| Estimate::of(&all).unwrap());
    let apart = (plain_mean.mean - doubly_mean.mean).abs();
    let error = plain_mean.standard_error.hypot(doubly_mean.standard_error);
    assert!(apart < 4.0 * error, "{plain_mean} against {doubly_mean}");
    assert!(
        plain_mean.mean.abs() > 20.0 * plain_mean.standard_error,
        "{plain_mean} is nothing"
    );
    assert!(doubly_mean.standard_error < plain_mean.standard_error);

    let noise = noise();
    let [plain, doubly] = [false, true].map(|doubly| {
        let model = known_iwae(k, 0.5, doubly, &device);
        values(model.losses_with(x.clone(), noise.clone()).total)
    });
    assert_all_close(&doubly, &plain, 1e-5, "the bound");

    let [plain, doubly] = [false, true].map(|doubly| {
        let model = known_iwae(k, 1.0, doubly, &device);
        gradients(&model, &x, noise.clone())[0].abs()
    });
    assert!(
        doubly < 1e-5 && plain > 1e-3,
        "{doubly}, and {plain} of the plain one"
    );
}

// ---- priors

#[test]
fn a_vamp_prior_of_one_pseudo_input_is_its_posterior() {
    let (device, _turn) = seeded();
    let (encoder, decoder) = linear(3, 2, &device);
    let u = tensor::<2>([1, 3], &device, noise(1, 1.0));
    let vae = VampVae::new(
        encoder.clone(),
        decoder,
        PseudoInputs::new(u.clone()).unwrap(),
        GaussianNll::default(),
    );
    let component = encoder.encode(u);
    let z = normal([7, 2], &device);
    let each = z
        .clone()
        .split(1, 0)
        .into_iter()
        .map(|z| component.log_prob(z));
    let want = values(Tensor::cat(each.collect(), 0));
    assert_all_close(&values(vae.prior().log_prob(z)), &want, 1e-4, "the density");

    let x = tensor::<2>([1, 3], &device, noise(2, 1.0)).repeat_dim(0, 20_000);
    let kl = Estimate::of_batch(vae.losses(x.clone()).term("kl").unwrap()).unwrap();
    let exact = values(encoder.encode(x.narrow(0, 0, 1)).kl(&component))[0];
    assert!(
        (kl.mean - exact).abs() < 4.0 * kl.standard_error,
        "{kl}, exactly {exact}"
    );
    let samples = vae.prior().sample(20_000, &device);
    assert_all_close(
        &moments(samples).0,
        &values(component.mean()),
        0.05,
        "samples",
    );
}

#[test]
fn a_vamp_prior_is_a_density_and_learns_with_the_encoder() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let data = normal([50, 3], &training);
    let (encoder, decoder) = linear(3, 2, &training);
    let pseudo_inputs = PseudoInputs::of_data(&data, 5, 3).unwrap();
    let vae = VampVae::new(encoder, decoder, pseudo_inputs, GaussianNll::default());
    let prior = vae.prior().valid();
    let (side, step) = (160, 0.08);
    let at = |i: usize| (i as f64 - side as f64 / 2.0 + 0.5) * step;
    let grid = tensor::<2>([side * side, 2], &device, |i| {
        [at(i / 2 / side), at(i / 2 % side)][i % 2]
    });
    let total: f64 = values(prior.log_prob(grid).exp()).iter().sum::<f64>() * step * step;
    assert_close(total, 1.0, 1e-3, "the integral");

    // The prior reaches encoder and pseudo-inputs: the KL has the gradient of both uses.
    let eps = || tensor::<2>([50, 2], &training, noise(4, 1.0));
    let kl = vae.losses_with(data.clone(), eps()).term("kl").unwrap();
    let gradients = kl.mean().backward();
    assert!(vae.pseudo_inputs.values().grad(&gradients).is_some());
    let got = common::gradients(&vae.encoder, &gradients);
    let posterior = |frozen: bool| {
        let encoder = if frozen {
            frozen_copy(&vae.encoder)
        } else {
            vae.encoder.clone()
        };
        let prior = if frozen {
            vae.prior()
        } else {
            frozen_copy(&vae.prior())
        };
        let posterior = encoder.encode(data.clone());
        let kl = prior.kl(&posterior, &posterior.draw_with(eps()));
        common::gradients(&vae.encoder, &kl.mean().backward())
    };
    let (as_prior, as_posterior) = (posterior(true), posterior(false));
    for ((got, a), b) in got.iter().zip(&as_prior).zip(&as_posterior) {
        let want: Vec<f64> = a.iter().zip(b).map(|(a, b)| a + b).collect();
        assert_all_close(got, &want, 1e-4, "both uses");
        assert!(a.iter().any(|&a| a != 0.0));
    }

    let refused = message(PseudoInputs::of_data(&data, 51, 1));
    assert!(
        refused.contains("51 cannot be chosen from 50 samples"),
        "{refused}"
    );
    assert!(message(PseudoInputs::of_data(&data, 0, 1)).contains("at least 1"));
    let chosen = PseudoInputs::of_data(&data, 50, 1).unwrap().values();
    let [mut all, mut chosen] = [data, chosen].map(values);
    all.sort_by(f64::total_cmp);
    chosen.sort_by(f64::total_cmp);
    assert_eq!(all, chosen);
}

#[test]
fn points_are_drawn_evenly() {
    let (device, _turn) = seeded();
    let points = tensor::<2>([4, 1], &device, |i| i as f64);
    let prior = Empirical::new(points).unwrap();
    let samples = values(prior.sample(20_000, &device));
    for point in 0..4 {
        let share = samples.iter().filter(|&&x| x == point as f64).count() as f64 / 20_000.0;
        assert_close(share, 0.25, 0.02, "a share");
    }
    assert!(prior.sample(3, &device.clone().autodiff()).is_autodiff());
    let none = Tensor::<2>::zeros([0, 2], &device);
    assert!(message(Empirical::new(none)).contains("hold none"));
}

/// Codes of two clusters, which a standard normal does not have: a fitted prior samples them, and so does a second stage.
#[test]
fn a_fitted_prior_samples_what_the_codes_are() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let signs = Tensor::<2>::random([1000, 1], Distribution::Default, &device);
    let signs = signs.greater_elem(0.5).float() * 2.0 - 1.0;
    let data = signs.clone() * 3.0 + normal([1000, 2], &device) * 0.3;
    let vae = Vae::new(
        Around { log_var: -4.0 },
        Around { log_var: 0.0 },
        StandardNormal::new(2),
        SquaredError,
    );
    let near = |samples: Tensor<2>| {
        let inside = samples.abs().sub_scalar(3.0).abs().lower_elem(1.5).float();
        mean(inside)
    };
    assert!(near(vae.sample(4000, &device)) < 0.2);
    let fitted = vae
        .with_fitted_prior(data.clone(), |codes| {
            assert_eq!(codes.dims(), [1000, 2]);
            assert!((mean((codes.clone() - data.clone()).square()) - (-4f64).exp()).abs() < 2e-3);
            MixtureFit::new(2).fit_full(codes)
        })
        .unwrap();
    assert!(near(fitted.sample(4000, &device)) > 0.99);
    let staged = vae.with_fitted_prior(data.clone(), |codes| {
        let second = Vae::new(
            MlpEncoderConfig::new(vec![2], 2)
                .with_hidden(vec![32])
                .init_gaussian(&training)?,
            MlpDecoderConfig::new(2, vec![2])
                .with_hidden(vec![32])
                .init_gaussian(&training)?,
            StandardNormal::new(2),
            Nll,
        );
        let codes = codes.autodiff();
        let second = train(second, 1000, 1e-2, || codes.clone());
        Ok(SecondStage::new(second.valid()))
    });
    let samples = staged.unwrap().sample(4000, &device);
    assert!(near(samples.clone()) > 0.8, "{}", near(samples));
    let failed = vae.with_fitted_prior(data, |_| -> Result<StandardNormal> {
        Err(Error::Samples("no fit".to_string()))
    });
    assert_eq!(message(failed), "no fit");
}

// ---- labels

/// Logits that do not depend on the data.
#[derive(Module, Debug)]
struct Table {
    logits: Param<Tensor<2>>,
}

impl Encoder for Table {
    type Input = Tensor<2>;
    type Code = Tensor<2>;
    fn encode(&self, _rows: Tensor<2>) -> Tensor<2> {
        self.logits.val()
    }
}

type SmallM2 = SemiSupervisedVae<
    LabeledRowEncoder<MlpEncoder<GaussianHead, 2>>,
    LabeledDecoder<MlpDecoder<Linear, 2>>,
    Table,
    StandardNormal,
    GaussianNll,
>;

const CLASSES: usize = 3;

fn small_m2(logits: Tensor<2>, device: &Device) -> SmallM2 {
    let encoder = MlpEncoderConfig::new(vec![4 + CLASSES], 2).with_hidden(vec![9]);
    let decoder = MlpDecoderConfig::new(2 + CLASSES, vec![4]).with_hidden(vec![9]);
    SemiSupervisedVaeConfig::new(CLASSES)
        .with_classification_weight(5.0)
        .init(
            LabeledRowEncoder::new(encoder.init_gaussian(device).unwrap(), CLASSES),
            LabeledDecoder::new(decoder.init(device).unwrap(), CLASSES),
            Table {
                logits: Param::from_tensor(logits),
            },
            StandardNormal::new(2),
            GaussianNll::default(),
        )
        .unwrap()
}

/// With the classifier that is exact, the bound of an unlabelled sample is the logarithm of the sum of the labelled ones, and
/// with any other it is worse.
#[test]
fn the_unlabelled_bound_is_the_sum_of_the_labelled_ones() {
    let (device, _turn) = seeded();
    let batch = 5;
    let rows = || tensor::<2>([batch, 4], &device, noise(1, 1.0));
    let eps = || tensor::<2>([batch, 2], &device, noise(2, 1.0));
    let model = small_m2(Tensor::zeros([batch, CLASSES], &device), &device);
    let all = |label: usize| Tensor::<1, Int>::full([batch], label as i64, &device);
    let bounds = (0..CLASSES).map(|y| {
        let losses = model.losses_with(rows(), all(y), eps());
        let classification = losses.term("classification").unwrap();
        assert_all_close(
            &values(classification.clone()),
            &[3f64.ln(); 5],
            1e-5,
            "an even guess",
        );
        assert_all_close(
            &values(losses.term("label_kl").unwrap()),
            &[3f64.ln(); 5],
            1e-5,
            "ln K",
        );
        // The labelled bound is that of the conditional model, and the label's.
        let conditional = model.vae.losses_with(rows(), all(y), eps()).total + 3f64.ln();
        let bound = losses.total - classification * 5.0;
        assert_all_close(
            &values(bound.clone()),
            &values(conditional),
            1e-4,
            "labelled",
        );
        values(bound.neg())
    });
    let bounds: Vec<Vec<f64>> = bounds.collect();
    let want: Vec<f64> = (0..batch)
        .map(|i| (0..CLASSES).map(|y| bounds[y][i].exp()).sum::<f64>().ln())
        .collect();

    let exact = tensor::<2>([batch, CLASSES], &device, |i| {
        bounds[i % CLASSES][i / CLASSES]
    });
    let mut knowing = model.clone();
    knowing.classifier.logits = Param::from_tensor(exact);
    let unknown = knowing.losses_with(rows(), all(CLASSES), eps());
    assert_all_close(
        &values(unknown.total.clone().neg()),
        &want,
        1e-4,
        "the exact classifier",
    );
    assert_all_close(
        &values(unknown.term("classification").unwrap()),
        &[0.0; 5],
        0.0,
        "no label",
    );
    let guessing = values(model.losses_with(rows(), all(CLASSES), eps()).total.neg());
    assert!(
        guessing
            .iter()
            .zip(&want)
            .all(|(guess, exact)| guess < exact)
    );
    // A batch of both kinds is both, row by row.
    let mixed = Tensor::from_ints([0, 3, 2, 3, 1], &device);
    let mixed = values(knowing.losses_with(rows(), mixed, eps()).total);
    let known = |y: usize| values(knowing.losses_with(rows(), all(y), eps()).total);
    let by_row = [
        known(0)[0],
        known(3)[1],
        known(2)[2],
        known(3)[3],
        known(1)[4],
    ];
    assert_all_close(&mixed, &by_row, 1e-4, "a mixed batch");
    let classes = values(knowing.classify(rows()).float());
    let largest = |i: usize| (0..CLASSES).max_by(|&a, &b| bounds[a][i].total_cmp(&bounds[b][i]));
    assert_eq!(
        classes,
        (0..batch)
            .map(|i| largest(i).unwrap() as f64)
            .collect::<Vec<_>>()
    );
}

/// The classes of a sample share their noise: under each there is the draw that the first one's leads to.
#[test]
fn the_classes_of_a_sample_share_their_noise() {
    let (device, _turn) = seeded();
    let rows = tensor::<2>([4, 4], &device, noise(1, 1.0));
    let model = small_m2(Tensor::zeros([4, CLASSES], &device), &device);
    initialize(&model);
    let known = || Tensor::from_ints([0, 2, 1, 0], &device);
    let every_row = rows.clone().repeat_dim(0, CLASSES);
    let code = model
        .vae
        .encode(every_row, Tensor::zeros([4 * CLASSES], &device));
    let drawn_alike = || {
        device.seed(3);
        let drawn = values(model.losses((rows.clone(), known())).total);
        // What is drawn is as much as classes of their own noise would take.
        device.seed(3);
        let of_the_first = code.noise().narrow(0, 0, 4);
        let want = values(model.losses_with(rows.clone(), known(), of_the_first).total);
        drawn.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-4)
    };
    // (A test that takes no turn may draw from the same generator in between; alike by chance they never are.)
    assert!((0..50).any(|_| drawn_alike()));
}

/// In a warm-up the classifier feels so much of what is not labelled as the warm-up says, and all of what is; nothing else does.
#[test]
fn a_warm_up_holds_back_what_unlabelled_data_teach_the_classifier() {
    let (device, _turn) = seeded();
    let device = device.autodiff();
    let rows = || tensor::<2>([4, 4], &device, noise(1, 1.0));
    let eps = || tensor::<2>([4, 2], &device, noise(2, 1.0));
    let logits = tensor::<2>([4, CLASSES], &device, noise(3, 1.0));
    let plain = small_m2(logits, &device);
    let vae = plain.vae.vae.clone();
    let config = SemiSupervisedVaeConfig::new(CLASSES).with_classification_weight(5.0);
    let rising = config.with_warmup_steps(4).init(
        vae.encoder,
        vae.decoder,
        plain.classifier.clone(),
        vae.prior,
        vae.likelihood,
    );
    let rising = rising.unwrap();
    let gradients = |model: &SmallM2| {
        let labels = Tensor::from_ints([3, 1, 3, 3], &device);
        let losses = model.losses_with(rows(), labels, eps());
        let total = values(losses.total.clone());
        let gradients = losses.mean().backward();
        let classifier = common::gradients(&model.classifier, &gradients).concat();
        let networks = common::gradients(&model.vae, &gradients).concat();
        (total, networks, classifier)
    };
    let (total, networks, classifier) = gradients(&plain);
    let mut model = rising;
    for share in [0.0, 0.25, 0.5, 0.75, 1.0, 1.0] {
        let (risen_total, risen_networks, risen) = gradients(&model);
        assert_all_close(&risen_total, &total, 1e-6, "the losses");
        assert_all_close(&risen_networks, &networks, 1e-6, "the networks");
        let of_sample = |(i, &all): (usize, &f64)| if i / CLASSES == 1 { all } else { share * all };
        let want: Vec<f64> = classifier.iter().enumerate().map(of_sample).collect();
        assert_all_close(&risen, &want, 1e-5, "the classifier");
        model = model.advance();
    }
}

#[test]
fn labels_that_teach_nothing_are_refused() {
    let (device, _turn) = seeded();
    let model = small_m2(Tensor::zeros([1, CLASSES], &device), &device);
    let check = |labels: &[i32]| {
        let labels = TensorData::new(labels.to_vec(), [labels.len()]);
        model.check_labels(&Tensor::from_data(labels, &device))
    };
    check(&[0, 1, 2, 3, 3]).unwrap();
    check(&[0, 1, 2]).unwrap(); // all labelled
    let refused = message(check(&[0, 1, 4]));
    assert!(
        refused.contains("sample 2 has 4, but there are 3 classes"),
        "{refused}"
    );
    assert!(message(check(&[0, -1, 2])).contains("sample 1 has -1"));
    let refused = message(check(&[0, 2, 3, 3]));
    assert!(
        refused.contains("no sample is known to be of class 1"),
        "{refused}"
    );
}

/// Three clusters with one label each: both models find the rest.
#[test]
fn a_label_a_cluster_is_enough() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let n = 300;
    let angle = |i: usize| TAU * (i % CLASSES) as f64 / CLASSES as f64;
    let centres = tensor::<2>([n, 4], &device, |i| {
        let (row, column) = (i / 4, i % 4);
        [2.0 * angle(row).cos(), 2.0 * angle(row).sin(), 0.0, 0.0][column]
    });
    let rows = centres + normal([n, 4], &device) * 0.3;
    let truth: Vec<i64> = (0..n).map(|i| (i % CLASSES) as i64).collect();
    let told = |i: usize| {
        if i < 2 * CLASSES {
            truth[i]
        } else {
            CLASSES as i64
        }
    };
    let told = TensorData::new((0..n).map(told).collect::<Vec<_>>(), [n]);
    let labels = Tensor::<1, Int>::from_data(told, &device);
    let input = || (rows.clone().autodiff(), labels.clone().to_device(&training));
    let right = |classes: Tensor<1, Int>| {
        let classes = classes.into_data();
        let right = classes.iter::<i64>().zip(&truth).filter(|(a, b)| a == *b);
        right.count() as f64 / n as f64
    };
    let m2 = |features: usize| {
        let encoder = MlpEncoderConfig::new(vec![features + CLASSES], 1).with_hidden(vec![16]);
        let decoder = MlpDecoderConfig::new(1 + CLASSES, vec![features]).with_hidden(vec![16]);
        SemiSupervisedVaeConfig::new(CLASSES)
            .with_classification_weight(50.0)
            .init(
                LabeledRowEncoder::new(encoder.init_gaussian(&training)?, CLASSES),
                LabeledDecoder::new(decoder.init(&training)?, CLASSES),
                MlpEncoderConfig::new(vec![features], CLASSES)
                    .with_hidden(vec![16])
                    .init(&training)?,
                StandardNormal::new(1),
                GaussianNll::new(0.2)?,
            )
    };
    let model = m2(4).unwrap();
    model.check_labels(&labels).unwrap();
    let model = train(model, 250, 1e-2, input).valid();
    let share = right(model.classify(rows.clone()));
    assert!(share > 0.97, "M2: {share}");

    let first = Vae::new(
        MlpEncoderConfig::new(vec![4], 2)
            .init_gaussian(&training)
            .unwrap(),
        MlpDecoderConfig::new(2, vec![4]).init(&training).unwrap(),
        StandardNormal::new(2),
        GaussianNll::new(0.1).unwrap(),
    );
    let first = train(first, 200, 1e-2, || rows.clone().autodiff());
    let before = common::weights(&first);
    let stacked = StackedSemiSupervisedVae::new(first, m2(2).unwrap());
    let stacked = train(stacked, 250, 1e-2, input);
    assert_eq!(before, common::weights(&stacked.first));
    let stacked = stacked.valid();
    let share = right(stacked.classify(rows.clone()));
    assert!(share > 0.97, "M1+M2: {share}");
    let samples = stacked.sample_labeled(Tensor::from_ints([1; 200], &device));
    let centre = moments(samples).0;
    assert!((centre[0] - 2.0 * angle(1).cos()).hypot(centre[1] - 2.0 * angle(1).sin()) < 0.7);
}

// ---- a data set whose every state can be summed

/// The rows of a file of NLTCS, 16 binary variables.
fn nltcs(part: &str) -> Option<Vec<f32>> {
    let Some(folder) = std::env::var_os("DATA_DIR") else {
        eprintln!("skipped: DATA_DIR is not set, so that there is no NLTCS");
        return None;
    };
    let path = PathBuf::from(folder).join(format!("binary/nltcs.{part}.data.gz"));
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    Some(
        text.lines()
            .flat_map(|row| row.split(',').map(|bit| bit.parse::<f32>().unwrap()))
            .collect(),
    )
}

const BITS: usize = 16;

fn bits(rows: &[f32], device: &Device) -> Tensor<2> {
    let count = rows.len() / BITS;
    Tensor::from_data(TensorData::new(rows.to_vec(), [count, BITS]), device)
}

/// `log p(x)` of each row under a decoder of two latents: the integral over z by a grid.
fn exact_log_prob<D>(decoder: &D, rows: Tensor<2>) -> Vec<f64>
where
    D: Decoder<Latent = Tensor<2>, Output = Tensor<2>>,
{
    let device = rows.device();
    let (side, step) = (41, 0.3);
    let at = |i: usize| (i as f64 - (side / 2) as f64) * step;
    let grid = tensor::<2>([side * side, 2], &device, |i| {
        [at(i / 2 / side), at(i / 2 % side)][i % 2]
    });
    let log_weights = StandardNormal::new(2).log_prob(grid.clone()) + 2.0 * f64::ln(step);
    let logits = decoder.decode(grid);
    // `log p(x | z) = x l - sum of log(1 + e^l)`.
    let nothing = BernoulliNll.loss(logits.clone(), logits.zeros_like()).neg();
    let constant = (nothing + log_weights).unsqueeze::<2>();
    let of_block = |rows: Tensor<2>| {
        let joint = rows.matmul(logits.clone().transpose()) + constant.clone();
        let largest = joint.clone().max_dim(1);
        let sum = (joint - largest.clone()).exp().sum_dim(1);
        values(sum.log() + largest)
    };
    rows.split(2048, 0).into_iter().flat_map(of_block).collect()
}

#[test]
fn the_gap_of_a_vae_on_nltcs_is_exact() {
    let (Some(train_rows), Some(test_rows)) = (nltcs("train"), nltcs("test")) else {
        return;
    };
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let data = bits(&train_rows, &training);
    let [count, _] = data.dims();
    let batch = || {
        let place = Tensor::<1>::random([250], Distribution::Uniform(0.0, count as f64), &training);
        data.clone()
            .select(0, place.int().clamp(0, count as i64 - 1))
    };
    let parts = || {
        let encoder = MlpEncoderConfig::new(vec![BITS], 2).with_hidden(vec![64]);
        let decoder = MlpDecoderConfig::new(2, vec![BITS]).with_hidden(vec![64]);
        (
            encoder.init_gaussian::<2>(&training).unwrap(),
            decoder.init::<2>(&training).unwrap(),
        )
    };
    let prior = || StandardNormal::new(2);
    let (encoder, decoder) = parts();
    let vae = train(
        Vae::new(encoder, decoder, prior(), BernoulliNll),
        800,
        4e-3,
        batch,
    )
    .valid();
    let (encoder, decoder) = parts();
    let iwae = IwaeConfig::new(5)
        .init(encoder, decoder, prior(), BernoulliNll)
        .unwrap();
    let iwae = train(iwae, 800, 4e-3, batch).valid();

    let states: Vec<f32> = (0..1 << BITS)
        .flat_map(|state: u32| (0..BITS).map(move |bit| (state >> bit & 1) as f32))
        .collect();
    let test = bits(&test_rows, &device);
    let judge = |vae: &Vae<_, MlpDecoder<Linear, 2>, _, _>, name: &str| {
        let total: f64 = exact_log_prob(&vae.decoder, bits(&states, &device))
            .iter()
            .map(|p| p.exp())
            .sum();
        assert_close(
            total,
            1.0,
            1e-3,
            &format!("{name}: the probabilities of all states"),
        );
        let exact = exact_log_prob(&vae.decoder, test.clone());
        let exact = exact.iter().sum::<f64>() / exact.len() as f64;
        let lower = mean(elbo(vae, test.clone(), 50).unwrap().total());
        let tight = mean(
            importance_weighted_bound(vae, test.clone(), 200)
                .unwrap()
                .log_prob,
        );
        eprintln!(
            "NLTCS, test, nats: {name} exact {exact:.4}, k = 200 {tight:.4}, k = 1 {lower:.4}"
        );
        assert!(
            lower < exact && tight < exact + 0.005,
            "{name}: {lower}, {tight}, {exact}"
        );
        assert_close(tight, exact, 0.01, &format!("{name}: 200 draws"));
        [exact, exact - lower]
    };
    let [of_vae, vae_gap] = judge(&vae, "VAE");
    let [of_iwae, iwae_gap] = judge(&iwae.vae, "IWAE 5");
    // Independent variables reach -9.23, a tree -6.76.
    assert!(of_vae > -6.6 && of_iwae > -6.6, "{of_vae}, {of_iwae}");
    // The gap is no constant of the data: the posterior of an IWAE may be worse, its likelihood is not.
    assert!(of_iwae > of_vae - 0.03, "{of_iwae} against {of_vae}");
    assert!(vae_gap > 0.0 && iwae_gap > 0.0);
}

// ---- a learned mixture

/// The KL of a VAE trains a mixture's weights, means and variances until it is the aggregate posterior.
#[test]
fn a_mixture_is_learned_by_the_kl() {
    let (device, _turn) = seeded();
    let training = device.clone().autodiff();
    let mixture = GaussianMixture::new(
        Tensor::zeros([2], &training),
        tensor([2, 1], &training, |i| [-0.5, 0.5][i]),
        Tensor::zeros([2, 1], &training),
    );
    let data = || {
        let right =
            Tensor::<2>::random([256, 1], Distribution::Default, &training).lower_elem(0.25);
        right.float() * 6.0 - 3.0
    };
    let vae = Vae::new(
        Around { log_var: -1.0 },
        Around { log_var: 0.0 },
        mixture,
        SquaredError,
    );
    let prior = train(vae, 600, 0.03, data).prior.valid();
    assert_all_close(&values(prior.weights()), &[0.75, 0.25], 0.05, "the weights");
    assert_all_close(&values(prior.means()), &[-3.0, 3.0], 0.05, "the means");
    assert_all_close(
        &values(prior.log_vars()),
        &[-1.0, -1.0],
        0.1,
        "the variances",
    );
}
