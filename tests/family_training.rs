//! Every adversarial model and the denoising autoencoder, trained by burn's `Learner` and by a loop by hand:
//! the same weights after ten steps; and on two handles of one device.
#![cfg(all(feature = "data", feature = "train"))]

mod common;

use burn::data::dataloader::DataLoader;
use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, LearnerModel, MultiDeviceOptim, SupervisedTraining,
    TrainStep, TrainingStrategy,
};
use burn_generative::data::{Items, TensorLoader};
use burn_generative::loss::{
    GradientPenalty, Losses, NonSaturating, Unregularized, Wasserstein, WeightClipping,
};
use burn_generative::nn::{
    GaussianCorruption, JointCritic, MlpCritic, MlpCriticConfig, MlpDecoder, MlpEncoder, Squashed,
    initialize,
};
use burn_generative::prelude::*;
use burn_generative::prior::GaussianMixture;
use burn_generative::train::{Guard, History, ProgressLines, TermMetric};
use common::{cpu, noise, tensor, weights};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The generator of a CPU device is global, so only one of these tests runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const SEED: u64 = 7;
const RATE: f64 = 1e-3;

/// Eighty rows of two.
fn rows() -> Tensor<2> {
    tensor([80, 2], &cpu(), noise(1, 1.0))
}

/// Ten batches of eight.
fn loader<B: Items>(items: &B) -> TensorLoader<B> {
    TensorLoader::new(items.clone(), 8).seed(SEED).shuffle()
}

/// One epoch by burn's `Learner`.
fn learn<M, B>(
    model: M,
    items: &B,
    terms: &[&'static str],
    strategy: Option<TrainingStrategy<M>>,
) -> M
where
    B: Items,
    M: LearnerModel,
    M: TrainStep<Input = B, Output = Losses>,
    M: InferenceStep<Input = B, Output = Losses>,
{
    let folder = tempfile::tempdir().unwrap();
    let (guard, history) = (Guard::new(), History::new(Vec::new()));
    let mut training = SupervisedTraining::new(
        folder.path(),
        Arc::new(loader(items)),
        Arc::new(loader(items)),
    )
    .with_metric_logger(history.clone())
    .with_interrupter(guard.interrupter())
    .with_application_logger(None)
    .renderer(Box::new(ProgressLines::new(Duration::from_secs(60))))
    .num_epochs(1);
    for term in terms {
        training = training
            .metric_train_numeric(TermMetric::new(term, &guard))
            .metric_valid_numeric(TermMetric::new(term, &guard));
    }
    if let Some(strategy) = strategy {
        training = training.with_training_strategy(strategy);
    }
    let result = training.launch(Learner::new(model, AdamConfig::new().init(), RATE));
    assert!(
        result.error.is_none() && guard.reason().is_none(),
        "{:?}",
        guard.reason()
    );
    for term in terms {
        assert!(history.epochs()[0].train[*term].is_finite(), "{term}");
        assert!(history.epochs()[0].test[*term].is_finite(), "{term}");
    }
    result.model
}

/// The same epoch by hand; `advance` is what a model wants after a step.
fn by_hand<M: Module, B: Items>(
    mut model: M,
    items: &B,
    losses: impl Fn(&M, B) -> Losses,
    advance: impl Fn(M) -> M,
) -> M {
    let mut optimizer = AdamConfig::new().init();
    for batch in loader(items).iter() {
        let gradients = losses(&model, batch.unwrap()).mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = advance(optimizer.step(RATE, model, gradients));
    }
    model.valid()
}

/// All of it for one model.
fn check<M>(
    init: impl Fn(&Device) -> M,
    terms: &[&'static str],
    losses: impl Fn(&M, Tensor<2>) -> Losses,
    advance: impl Fn(M) -> M,
) where
    M: LearnerModel,
    M: TrainStep<Input = Tensor<2>, Output = Losses>,
    M: InferenceStep<Input = Tensor<2>, Output = Losses>,
{
    check_on(&rows(), init, terms, losses, advance);
}

/// As [`check`], on other items than rows.
fn check_on<M, B>(
    items: &B,
    init: impl Fn(&Device) -> M,
    terms: &[&'static str],
    losses: impl Fn(&M, B) -> Losses,
    advance: impl Fn(M) -> M,
) where
    B: Items,
    M: LearnerModel,
    M: TrainStep<Input = B, Output = Losses>,
    M: InferenceStep<Input = B, Output = Losses>,
{
    let _alone = alone();
    let fresh = || {
        let device = cpu().autodiff();
        device.seed(SEED);
        let model = init(&device);
        initialize(&model);
        model
    };
    let before = weights(&fresh());
    let learned = weights(&learn(fresh(), items, terms, None));
    assert_ne!(before, learned);
    assert_eq!(learned, weights(&by_hand(fresh(), items, losses, advance)));

    let device = || cpu().autodiff();
    let devices =
        ExecutionStrategy::MultiDevice(vec![device(), device()], MultiDeviceOptim::OptimMainDevice);
    let spread = weights(&learn(
        fresh(),
        items,
        terms,
        Some(TrainingStrategy::Default(devices)),
    ));
    // All players learn: hardly a weight stays where it was.
    let still = before.iter().zip(&spread).filter(|(a, b)| a == b).count();
    assert!(
        still * 2 < before.len(),
        "{still} of {} stand still",
        before.len()
    );
    assert!(spread.iter().all(|weight| weight.is_finite()));
}

fn encoder(device: &Device) -> MlpEncoder<burn::nn::Linear, 2> {
    let config = MlpEncoderConfig::new(vec![2], 3).with_hidden(vec![9]);
    config.init(device).unwrap()
}

fn decoder(device: &Device) -> MlpDecoder<burn::nn::Linear, 2> {
    let config = MlpDecoderConfig::new(3, vec![2]).with_hidden(vec![9]);
    config.init(device).unwrap()
}

fn critic(device: &Device) -> MlpCritic<2> {
    let config = MlpCriticConfig::new(vec![2]).with_hidden(vec![9]);
    config.init(device).unwrap()
}

#[test]
fn denoising_autoencoder() {
    check(
        |device| {
            let corruption = GaussianCorruption::new(0.3).unwrap();
            DenoisingAutoencoder::new(encoder(device), decoder(device), corruption, SquaredError)
        },
        &["loss", "reconstruction"],
        DenoisingAutoencoder::losses,
        |model| model,
    );
}

#[test]
fn gan() {
    check(
        |device| {
            GanConfig::new()
                .init(
                    decoder(device),
                    critic(device),
                    StandardNormal::new(3),
                    NonSaturating,
                    Unregularized,
                )
                .unwrap()
        },
        &["loss", "critic", "generator"],
        Gan::losses,
        Gan::advance,
    );
}

#[test]
fn wgan_with_clipped_weights() {
    check(
        |device| {
            let clipping = WeightClipping::new(0.05).unwrap();
            GanConfig::new()
                .with_critic_steps(3)
                .init(
                    decoder(device),
                    critic(device),
                    StandardNormal::new(3),
                    Wasserstein,
                    clipping,
                )
                .unwrap()
        },
        &["loss", "critic", "generator"],
        Gan::losses,
        Gan::advance,
    );
}

#[test]
fn wgan_with_the_gradient_penalty() {
    check(
        |device| {
            let penalty = GradientPenalty::new(10.0).unwrap();
            GanConfig::new()
                .with_critic_steps(3)
                .init(
                    decoder(device),
                    critic(device),
                    StandardNormal::new(3),
                    Wasserstein,
                    penalty,
                )
                .unwrap()
        },
        &["loss", "critic", "penalty", "generator"],
        Gan::losses,
        Gan::advance,
    );
}

#[test]
fn aae() {
    check(
        |device| {
            let critic = MlpCriticConfig::new(vec![3]).with_hidden(vec![9]);
            let encoder = MlpEncoderConfig::new(vec![2], 3).with_hidden(vec![9]);
            AaeConfig::new()
                .init(
                    encoder.init_gaussian::<2>(device).unwrap(),
                    decoder(device),
                    critic.init::<2>(device).unwrap(),
                    StandardNormal::new(3),
                    SquaredError,
                    NonSaturating,
                )
                .unwrap()
        },
        &["loss", "reconstruction", "critic", "encoder"],
        Aae::losses,
        |model| model,
    );
}

#[test]
fn ali() {
    check(
        |device| {
            let critic: JointCritic<2> = MlpCriticConfig::new(vec![2])
                .with_hidden(vec![9])
                .init_joint(3, device)
                .unwrap();
            let encoder = MlpEncoderConfig::new(vec![2], 3).with_hidden(vec![9]);
            Ali::new(
                encoder.init_gaussian::<2>(device).unwrap(),
                decoder(device),
                critic,
                StandardNormal::new(3),
                NonSaturating,
            )
        },
        &["loss", "critic", "encoder", "decoder"],
        Ali::losses,
        |model| model,
    );
}

#[test]
fn vae_gan() {
    check(
        |device| {
            let encoder = MlpEncoderConfig::new(vec![2], 3).with_hidden(vec![9]);
            VaeGanConfig::new()
                .init(
                    encoder.init_gaussian::<2>(device).unwrap(),
                    Squashed::tanh(decoder(device)),
                    critic(device),
                    StandardNormal::new(3),
                    NonSaturating,
                )
                .unwrap()
        },
        &["loss", "kl", "features", "decoder", "critic"],
        VaeGan::losses,
        |model| model,
    );
}

/// The state of the power iteration is the same by both ways.
#[test]
fn gan_with_spectral_normalisation() {
    check(
        |device| {
            let critic = MlpCriticConfig::new(vec![2])
                .with_hidden(vec![9])
                .with_spectral_norm(true);
            GanConfig::new()
                .init(
                    decoder(device),
                    critic.init::<2>(device).unwrap(),
                    StandardNormal::new(3),
                    NonSaturating,
                    Unregularized,
                )
                .unwrap()
        },
        &["loss", "critic", "generator"],
        Gan::losses,
        Gan::advance,
    );
}

#[test]
fn semi_supervised_aae() {
    let labels = (0..80).map(|i| i % 4).collect::<Vec<i32>>();
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [80]), &cpu());
    check_on(
        &(rows(), labels),
        |device| {
            let encoder = MlpEncoderConfig::new(vec![2], 2).with_hidden(vec![9]);
            let decoder = MlpDecoderConfig::new(2, vec![2]).with_hidden(vec![9]);
            let critic = MlpCriticConfig::new(vec![2]).with_hidden(vec![9]);
            AaeConfig::new()
                .init_semi_supervised(
                    encoder.init::<2>(device).unwrap(),
                    decoder.init::<2>(device).unwrap(),
                    critic.init_joint::<2>(4, device).unwrap(),
                    GaussianMixture::ring(3, 4.0, 0.5, device).unwrap(),
                    SquaredError,
                    NonSaturating,
                )
                .unwrap()
        },
        &["loss", "reconstruction", "critic", "encoder"],
        |model, (rows, labels)| model.losses(rows, labels),
        |model| model,
    );
}
