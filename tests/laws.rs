//! The laws that every model keeps: a row of the table for each. (Which part each of its terms reaches is a row of
//! tests/gradient_routing.rs.)
//!
//! 1. Its losses are finite and `[batch]`, and it names their terms.
//! 2. Two epochs of burn's `Learner` equal as many `learn`s, up to the order in which gradients are added.
//! 3. Spread over two devices, all of its parts learn.
//! 4. Saved and loaded, it is the same to the bit, in files of this crate and of burn.
//! 5. Stopped and resumed, it ends where it would have, to the bit.
//! 6. What it samples is finite.
#![cfg(all(feature = "data", feature = "train"))]

mod common;

use burn::data::dataloader::DataLoader;
use burn::nn::Linear;
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::train::{
    ExecutionStrategy, InferenceStep, Learner, LearnerModel, MultiDeviceOptim, SupervisedTraining,
    TrainStep, TrainingStrategy,
};
use burn_generative::data::TensorLoader;
use burn_generative::data::table::{Table, TableVaeConfig};
use burn_generative::flow::{FlowHead, IafConfig, MafConfig, RealNvpConfig, SplineFlowConfig};
use burn_generative::hierarchy::{Cells, Ladder, LadderConfig, Nvae, NvaeConfig};
use burn_generative::loss::{
    BernoulliNll, DipVae, GradientPenalty, Hinge, InfoVae, L1Loss, LearnedGaussianNll, Mmd,
    MmdKernel, TotalCorrelation, Unregularized, Wasserstein, WeightClipping,
};
use burn_generative::model::{
    Augmented, AutoencoderKl, AutoencoderKlConfig, Balance, ConditionalLikelihood, HierarchicalVae,
    ReconstructionGanConfig, Regularized,
};
use burn_generative::nn::{
    Fsq, GaussianCorruption, GumbelHead, LabeledDecoder, LabeledEncoder, LabeledRowEncoder,
    MlpCritic, MlpDecoder, MlpEncoder, PatchCriticConfig, Temperature, VqConfig, Warmup,
    initialize,
};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, PseudoInputs, UniformCategorical};
use burn_generative::sequence::{SequenceVaeConfig, Tokens, Unit, Vocabulary};
use burn_generative::train::{Checkpoints, Guard, History, ProgressLines, TermMetric};
use burn_generative::weights;
use common::{alone, cpu, noise, tensor, values};
use std::sync::Arc;
use std::time::Duration;

const SEED: u64 = 7;
const RATE: f64 = 1e-3;

/// Eighty rows of two.
fn rows() -> Tensor<2> {
    tensor([80, 2], &cpu(), noise(1, 1.0))
}

/// As many labels, of `classes` classes.
fn labels(classes: i32) -> Tensor<1, Int> {
    let labels = (0..80).map(|i| i % classes).collect::<Vec<i32>>();
    Tensor::from_data(TensorData::new(labels, [80]), &cpu())
}

/// As many sentences, of two words.
fn sentences() -> Tokens {
    let sentences: Vec<&str> = ["a b", "b", "a a b", "b a"].repeat(20);
    let vocabulary = Vocabulary::of(Unit::Word, &sentences, 1).unwrap();
    vocabulary.batch(&sentences, 3, &cpu()).unwrap()
}

/// As many rows of a table of every kind of column.
fn table() -> Table {
    let text = ["size,visits,colour\n".to_string()].into_iter();
    let lines = (0..80).map(|row| match row % 7 {
        0 => "?,3,red\n".to_string(),
        _ => format!("{}.5,{},{}\n", row % 9, row % 5, ["blue", "red"][row % 2]),
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, text.chain(lines).collect::<String>()).unwrap();
    Table::open(path).unwrap()
}

/// Ten batches of eight.
fn loader<B: Batch>(items: &B, first_epoch: usize) -> TensorLoader<B> {
    let loader = TensorLoader::new(items.clone(), 8).seed(SEED).shuffle();
    loader.first_epoch(first_epoch)
}

/// Trains by burn's `Learner` up to an epoch, after the one whose checkpoint is in a folder, if one is asked for.
fn learner_until<M>(
    model: M,
    items: &<M as Model>::Input,
    epochs: usize,
    folder: &std::path::Path,
    after: Option<usize>,
    strategy: Option<TrainingStrategy<M>>,
) -> M
where
    M: Model + LearnerModel,
    M: TrainStep<Input = <M as Model>::Input, Output = Losses>,
    M: InferenceStep<Input = <M as Model>::Input, Output = Losses>,
{
    let terms = [vec![Losses::TOTAL], model.terms()].concat();
    let (guard, history) = (Guard::new(), History::new(Vec::new()));
    let first = after.map_or(1, |epoch| epoch + 1);
    let mut training = SupervisedTraining::new(
        folder,
        Arc::new(loader(items, first)),
        Arc::new(loader(items, first)),
    )
    .with_metric_logger(history.clone())
    .with_interrupter(guard.interrupter())
    .with_application_logger(None)
    .renderer(Box::new(ProgressLines::new(Duration::from_secs(60))))
    .num_epochs(epochs);
    for term in &terms {
        training = training
            .metric_train_numeric(TermMetric::new(term, &guard))
            .metric_valid_numeric(TermMetric::new(term, &guard));
    }
    if let Some(strategy) = strategy {
        training = training.with_training_strategy(strategy);
    }
    training = Checkpoints::new(folder.join("checkpoint")).register(training, &guard);
    if let Some(epoch) = after {
        training = training.checkpoint(epoch);
    }
    let result = training.launch(Learner::new(model, AdamConfig::new().init(), RATE));
    assert!(
        result.error.is_none() && guard.reason().is_none(),
        "{:?}",
        guard.reason()
    );
    for term in &terms {
        assert!(history.epochs()[0].train[*term].is_finite(), "{term}");
        assert!(history.epochs()[0].test[*term].is_finite(), "{term}");
    }
    result.model
}

/// All laws but the last, for the model that `init` makes on a device, on these items.
fn keeps_the_laws<M>(items: &<M as Model>::Input, init: impl Fn(&Device) -> M)
where
    M: Model + LearnerModel,
    M: TrainStep<Input = <M as Model>::Input, Output = Losses>,
    M: InferenceStep<Input = <M as Model>::Input, Output = Losses>,
{
    let _alone = alone();
    let fresh = || {
        let device = cpu().autodiff();
        device.seed(SEED);
        let model = init(&device);
        initialize(&model);
        model
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);

    // 1
    let model = fresh();
    let batch = items.narrow(0, 5).to_device(&cpu().autodiff());
    let losses = model.losses(batch);
    let names: Vec<&str> = losses.iter().map(|(name, _)| name).collect();
    assert_eq!(names, [vec![Losses::TOTAL], model.terms()].concat());
    for (name, term) in losses.iter() {
        assert_eq!(term.dims(), [5], "{name}");
        assert!(values(term.clone()).iter().all(|x| x.is_finite()), "{name}");
    }

    // 2
    let before = common::weights(&fresh());
    let learned = learner_until(fresh(), items, 2, &path("whole"), None, None);
    let (mut by_hand, mut optimizer) = (fresh(), AdamConfig::new().init());
    let epochs = loader(items, 1);
    for _epoch in 0..2 {
        for batch in epochs.iter() {
            let batch = batch.unwrap().to_device(&cpu().autodiff());
            (by_hand, _) = by_hand.learn(&mut optimizer, RATE, batch);
        }
    }
    let want = common::weights(&learned);
    assert_ne!(before, want);
    // Not to the bit: where a weight is used several times, its gradients may be added up in another order.
    let by_hand = common::weights(&by_hand.valid());
    common::assert_all_close(&by_hand, &want, 1e-6, "Learner and learn");

    // 3
    let device = || cpu().autodiff();
    let devices =
        ExecutionStrategy::MultiDevice(vec![device(), device()], MultiDeviceOptim::OptimMainDevice);
    let strategy = TrainingStrategy::Default(devices);
    let spread = learner_until(fresh(), items, 1, &path("spread"), None, Some(strategy));
    let spread = common::weights(&spread);
    // All players learn: hardly a weight stays where it was.
    let unchanged = before.iter().zip(&spread).filter(|(a, b)| a == b).count();
    assert!(
        unchanged * 2 < before.len(),
        "{unchanged} of {} stand still",
        before.len()
    );
    assert!(spread.iter().all(|weight| weight.is_finite()));

    // 4
    weights::save(&learned, path("model.safetensors")).unwrap();
    let loaded = weights::load(fresh().valid(), path("model.safetensors")).unwrap();
    assert_eq!(common::weights(&loaded), want, "SafeTensors");
    learned.clone().save_file(path("model.bpk")).unwrap();
    let loaded = fresh().valid().try_load_file(path("model.bpk")).unwrap();
    assert_eq!(common::weights(&loaded), want, "burn's own format");

    // 5
    learner_until(fresh(), items, 1, &path("stopped"), None, None);
    let resumed = learner_until(fresh(), items, 2, &path("stopped"), Some(1), None);
    assert_eq!(common::weights(&resumed), want, "stopped and resumed");
}

/// The last law: samples are finite, one a row, and on the device that was asked for.
fn samples_are_finite<S: Sampler<Value = Tensor<2>>>(init: impl Fn(&Device) -> S) {
    let _alone = alone();
    let samples = init(&cpu().autodiff()).sample(3, &cpu().autodiff());
    assert_eq!(samples.dims(), [3, 2]);
    assert!(!samples.device().is_autodiff());
    assert!(values(samples).iter().all(|x| x.is_finite()));
}

fn encoder_config(latent: usize) -> MlpEncoderConfig {
    MlpEncoderConfig::new(vec![2], latent).with_hidden(vec![9])
}

fn encoder(device: &Device) -> MlpEncoder<Linear, 2> {
    encoder_config(3).init(device).unwrap()
}

fn gaussian_encoder(device: &Device) -> MlpEncoder<GaussianHead, 2> {
    encoder_config(3).init_gaussian(device).unwrap()
}

fn decoder(device: &Device) -> MlpDecoder<Linear, 2> {
    let config = MlpDecoderConfig::new(3, vec![2]).with_hidden(vec![9]);
    config.init(device).unwrap()
}

fn critic_config(width: usize) -> MlpCriticConfig {
    MlpCriticConfig::new(vec![width]).with_hidden(vec![9])
}

fn critic(device: &Device) -> MlpCritic<2> {
    critic_config(2).init(device).unwrap()
}

/// A VAE whose codes are held to the prior by this loss.
fn held_by<R>(
    loss: R,
    device: &Device,
) -> Vae<MlpEncoder<GaussianHead, 2>, MlpDecoder<Linear, 2>, StandardNormal, GaussianNll, R>
where
    R: LatentLoss<DiagonalGaussian, StandardNormal>,
{
    let (encoder, decoder) = (gaussian_encoder(device), decoder(device));
    Vae::with_latent_loss(
        encoder,
        decoder,
        StandardNormal::new(3),
        GaussianNll::default(),
        loss,
    )
}

/// Half of them after seven steps, and again.
fn cycle(device: &Device) -> Warmup {
    Warmup::cyclical(3, 7, &device.clone().without_autodiff()).unwrap()
}

type SmallSemiSupervisedVae = SemiSupervisedVae<
    LabeledRowEncoder<MlpEncoder<GaussianHead, 2>>,
    LabeledDecoder<MlpDecoder<Linear, 2>>,
    MlpEncoder<Linear, 2>,
    StandardNormal,
    GaussianNll,
>;

/// A semi-supervised VAE of rows of so many columns and three classes.
fn small_semi_supervised_vae(columns: usize, device: &Device) -> SmallSemiSupervisedVae {
    let encoder = MlpEncoderConfig::new(vec![columns + 3], 2).with_hidden(vec![9]);
    let decoder = MlpDecoderConfig::new(2 + 3, vec![columns]).with_hidden(vec![9]);
    let classifier = MlpEncoderConfig::new(vec![columns], 3).with_hidden(vec![9]);
    SemiSupervisedVaeConfig::new(3)
        .with_warmup_steps(7)
        .init(
            LabeledRowEncoder::new(encoder.init_gaussian(device).unwrap(), 3),
            LabeledDecoder::new(decoder.init(device).unwrap(), 3),
            classifier.init(device).unwrap(),
            StandardNormal::new(2),
            GaussianNll::default(),
        )
        .unwrap()
}

/// The table: a model of these parts on a device, and what it learns from, with the last law where it can be sampled alone.
macro_rules! laws {
    ($($name:ident $(, $law:ident)?: |$device:ident| $model:expr, $items:expr;)*) => {$(
        #[test]
        fn $name() {
            let init = |$device: &Device| $model;
            keeps_the_laws(&$items, init);
            $($law(init);)?
        }
    )*};
}

/// A ladder of two levels over rows of two columns.
fn ladder(device: &Device) -> Ladder<MlpDecoder<Linear, 2>, 2> {
    let config = LadderConfig::new(vec![2], vec![2, 3], vec![7, 9]);
    config.init(decoder(device), device).unwrap()
}

/// The autoencoder of diffusion at two sizes, for images of one channel.
fn autoencoder_kl(device: &Device) -> AutoencoderKl {
    let config = AutoencoderKlConfig::new()
        .with_in_channels(1)
        .with_out_channels(1)
        .with_block_out_channels(vec![2, 4])
        .with_latent_channels(1)
        .with_norm_num_groups(2);
    config.init(device).unwrap()
}

/// Eighty pictures of four by four pixels.
fn pictures() -> Tensor<4> {
    tensor([80, 1, 4, 4], &cpu(), |i| (i * i % 3) as f64 / 2.0)
}

/// Two levels over pictures, with batch statistics.
fn nvae(device: &Device) -> Nvae {
    let config = NvaeConfig::new([1, 4, 4], vec![1, 1]).with_channels(2);
    let config = config.with_kind(Cells::Residual { expansion: 2 });
    config
        .with_latents(1)
        .with_cells(1)
        .init(1, device)
        .unwrap()
}

laws! {
    autoencoder: |device| Autoencoder::new(encoder(device), decoder(device), SquaredError), rows();
    denoising_autoencoder: |device| {
        let corruption = GaussianCorruption::new(0.3).unwrap();
        DenoisingAutoencoder::new(encoder(device), decoder(device), corruption, SquaredError)
    }, rows();
    augmented, samples_are_finite: |device| {
        let vae = Vae::new(
            gaussian_encoder(device),
            decoder(device),
            StandardNormal::new(3),
            GaussianNll::default(),
        );
        Augmented::new(vae, GaussianCorruption::new(0.3).unwrap())
    }, rows();
    hierarchical_vae, samples_are_finite: |device| {
        let kl = Kl::default().with_warmup(7, device).with_free_bits(0.1).unwrap();
        HierarchicalVae::with_kl(ladder(device), GaussianNll::default(), kl)
    }, rows();
    nvae_in_balance_and_regularized: |device| {
        let kl = Kl::default().with_warmup(7, device);
        let model = HierarchicalVae::with_kl(nvae(device), BernoulliNll, kl);
        Regularized::new(model.balanced_in_warmup(), 0.1).unwrap()
    }, pictures();
    vae, samples_are_finite: |device| {
        VaeConfig::new().with_warmup_steps(7).with_free_bits(0.1).init(
            gaussian_encoder(device),
            decoder(device),
            StandardNormal::new(3),
            LearnedGaussianNll::new(device),
        ).unwrap()
    }, rows();
    vae_of_cycles_and_a_capacity, samples_are_finite: |device| {
        let kl = Kl::default().with_schedule(cycle(device));
        held_by(kl.with_capacity(2.0, 9, device).unwrap(), device)
    }, rows();
    wae, samples_are_finite: |device| {
        let kernels = MmdKernel::inverse_multiquadrics(3);
        held_by(Mmd::new(10.0, kernels).unwrap().with_schedule(cycle(device)), device)
    }, rows();
    info_vae, samples_are_finite: |device| {
        let kernels = MmdKernel::inverse_multiquadrics(3);
        held_by(InfoVae::new(0.5, 10.0, kernels).unwrap().with_schedule(cycle(device)), device)
    }, rows();
    beta_tc_vae, samples_are_finite: |device| {
        held_by(TotalCorrelation::new(6.0, 80).unwrap().with_schedule(cycle(device)), device)
    }, rows();
    dip_vae, samples_are_finite: |device| {
        held_by(DipVae::type_two(5.0, 5.0).unwrap().with_schedule(cycle(device)), device)
    }, rows();
    iwae, samples_are_finite: |device| {
        IwaeConfig::new(3).init(
            gaussian_encoder(device),
            decoder(device),
            StandardNormal::new(3),
            LearnedGaussianNll::new(device),
        ).unwrap()
    }, rows();
    doubly_reparameterized_iwae, samples_are_finite: |device| {
        IwaeConfig::new(3).with_doubly_reparameterized(true).init(
            gaussian_encoder(device),
            decoder(device),
            StandardNormal::new(3),
            LearnedGaussianNll::new(device),
        ).unwrap()
    }, rows();
    factor_vae, samples_are_finite: |device| {
        FactorVaeConfig::new().with_gamma(5.0).init(
            gaussian_encoder(device),
            decoder(device),
            critic_config(3).init::<2>(device).unwrap(),
            StandardNormal::new(3),
            GaussianNll::default(),
        ).unwrap().with_schedule(cycle(device))
    }, rows();
    vamp_vae, samples_are_finite: |device| {
        let pseudo_inputs = PseudoInputs::of_data(&rows().to_device(device), 5, 1).unwrap();
        VampVae::new(gaussian_encoder(device), decoder(device), pseudo_inputs, GaussianNll::default())
    }, rows();
    semi_supervised_vae: |device| small_semi_supervised_vae(2, device), (rows(), labels(4));
    stacked_semi_supervised_vae: |device| {
        let first = Vae::new(
            encoder_config(1).with_hidden(vec![2]).init_gaussian::<2>(device).unwrap(),
            MlpDecoderConfig::new(1, vec![2]).with_hidden(vec![2]).init::<2>(device).unwrap(),
            StandardNormal::new(1),
            GaussianNll::default(),
        );
        StackedSemiSupervisedVae::new(first, small_semi_supervised_vae(1, device))
    }, (rows(), labels(4));
    conditional_vae: |device| {
        // Rows as images of one line, for a label is a plane of an image.
        let encoder = MlpEncoderConfig::new(vec![2, 1, 2], 3).with_hidden(vec![9]);
        let decoder = MlpDecoderConfig::new(3 + 4, vec![1, 1, 2]).with_hidden(vec![9]);
        ConditionalVae::new(
            LabeledEncoder::new(encoder.init_gaussian(device).unwrap(), 4, [1, 2], device),
            LabeledDecoder::new(decoder.init(device).unwrap(), 4),
            StandardNormal::new(3),
            BernoulliNll,
        )
    }, (rows().reshape([80, 1, 1, 2]), labels(4));
    aae, samples_are_finite: |device| {
        AaeConfig::new().init(
            gaussian_encoder(device),
            decoder(device),
            critic_config(3).init::<2>(device).unwrap(),
            StandardNormal::new(3),
            SquaredError,
            NonSaturating,
        ).unwrap()
    }, rows();
    semi_supervised_aae: |device| {
        let decoder = MlpDecoderConfig::new(2, vec![2]).with_hidden(vec![9]);
        SemiSupervisedAae::new(
            encoder_config(2).init::<2>(device).unwrap(),
            decoder.init::<2>(device).unwrap(),
            critic_config(2).init_joint::<2>(4, device).unwrap(),
            GaussianMixture::ring(3, 4.0, 0.5, device).unwrap(),
            SquaredError,
            NonSaturating,
        )
    }, (rows(), labels(4) - 1); // the first is unknown
    vae_gan, samples_are_finite: |device| {
        VaeGanConfig::new().init(
            gaussian_encoder(device),
            Squashed::tanh(decoder(device)),
            critic(device),
            StandardNormal::new(3),
            NonSaturating,
        ).unwrap()
    }, rows();
    vae_gan_in_balance, samples_are_finite: |device| {
        VaeGanConfig::new().with_balance(Some(Balance::new())).init(
            gaussian_encoder(device),
            Squashed::tanh(decoder(device)),
            critic(device),
            StandardNormal::new(3),
            NonSaturating,
        ).unwrap()
    }, rows();
    gan, samples_are_finite: |device| {
        GanConfig::new().init(
            decoder(device),
            critic(device),
            StandardNormal::new(3),
            NonSaturating,
            Unregularized,
        ).unwrap()
    }, rows();
    wgan_with_clipped_weights, samples_are_finite: |device| {
        GanConfig::new().with_critic_steps(3).init(
            decoder(device),
            critic(device),
            StandardNormal::new(3),
            Wasserstein,
            WeightClipping::new(0.05).unwrap(),
        ).unwrap()
    }, rows();
    wgan_with_the_gradient_penalty, samples_are_finite: |device| {
        GanConfig::new().with_critic_steps(3).init(
            decoder(device),
            critic(device),
            StandardNormal::new(3),
            Wasserstein,
            GradientPenalty::new(10.0).unwrap(),
        ).unwrap()
    }, rows();
    // The state of the power iteration is the same by both ways.
    gan_with_spectral_normalisation, samples_are_finite: |device| {
        GanConfig::new().init(
            decoder(device),
            critic_config(2).with_spectral_norm(true).init::<2>(device).unwrap(),
            StandardNormal::new(3),
            NonSaturating,
            Unregularized,
        ).unwrap()
    }, rows();
    ali, samples_are_finite: |device| {
        Ali::new(
            gaussian_encoder(device),
            decoder(device),
            critic_config(2).init_joint::<2>(3, device).unwrap(),
            StandardNormal::new(3),
            NonSaturating,
        )
    }, rows();
    // The temperature falls, and is resumed where it was.
    vae_of_categories, samples_are_finite: |device| {
        let temperature = Temperature::annealed(1.0, 0.5, 0.05, device).unwrap();
        let head = |features| GumbelHead::new(features, [2, 3], temperature, device);
        let decoder = MlpDecoderConfig::new(6, vec![2]).with_hidden(vec![9]);
        Vae::new(
            encoder_config(6).init_with_head::<_, 2>(device, head).unwrap(),
            decoder.init(device).unwrap(),
            UniformCategorical::new(2, 3).unwrap(),
            GaussianNll::default(),
        )
    }, rows();
    // k-means, averages and what starts anew draw the same latents by both ways.
    vq_vae_by_averages: |device| {
        let quantizer = VqConfig::new(6, 3).with_decay(0.9).init(device).unwrap();
        VqVae::new(encoder(device), decoder(device), quantizer, SquaredError)
    }, rows();
    vq_vae_by_gradient: |device| {
        let stages = VqConfig::new(4, 3).with_gradient(true).init_residual(2, device).unwrap();
        VqVae::new(encoder(device), decoder(device), stages, SquaredError)
    }, rows();
    vq_vae_of_finite_scalars: |device| {
        let quantizer = Fsq::new([3, 2, 2]).unwrap();
        VqVae::new(encoder(device), decoder(device), quantizer, SquaredError)
    }, rows();
    maximum_likelihood, samples_are_finite: |device| {
        MaximumLikelihood::new(GaussianMixture::ring(3, 1.0, 0.5, device).unwrap())
    }, rows();
    // Its ActNorm starts on the first batch by both ways, and stays started.
    maximum_likelihood_of_a_flow, samples_are_finite: |device| {
        let flow = SplineFlowConfig::new(2).with_couplings(2).with_hidden(vec![9]);
        MaximumLikelihood::new(Flow::new(flow.init(device).unwrap(), StandardNormal::new(2)))
    }, rows();
    vae_with_a_flow_prior_and_posterior, samples_are_finite: |device| {
        let iaf = IafConfig::new(3).with_hidden(vec![9]).with_context(4).init(device).unwrap();
        let head = |features| FlowHead::new(features, 3, 4, iaf, device);
        let prior = MafConfig::new(3).with_layers(2).with_hidden(vec![9]).init(device).unwrap();
        Vae::new(
            encoder_config(3).init_with_head::<_, 2>(device, head).unwrap(),
            decoder(device),
            Flow::new(prior, StandardNormal::new(3)),
            GaussianNll::default(),
        )
    }, rows();
    autoencoder_kl_in_a_vae: |device| {
        let AutoencoderKl { encoder, decoder, .. } = autoencoder_kl(device);
        Vae::new(encoder, decoder, StandardNormal::<4>::with_event(&[1, 2, 2]), L1Loss)
    }, tensor([80, 1, 4, 4], &cpu(), noise(1, 1.0));
    reconstruction_gan, samples_are_finite: |device| {
        let vae = Vae::new(
            gaussian_encoder(device),
            decoder(device),
            StandardNormal::new(3),
            SquaredError,
        );
        let config = ReconstructionGanConfig::new(2.0).with_start(3);
        config.init(vae, critic(device), Hinge).unwrap()
    }, rows();
    // Its critic begins in the second epoch, which a run is resumed in.
    autoencoder_kl_with_a_critic_of_patches: |device| {
        let AutoencoderKl { encoder, decoder, .. } = autoencoder_kl(device);
        let prior = StandardNormal::<4>::with_event(&[1, 2, 2]);
        let critic = PatchCriticConfig::new([1, 4, 4]).with_features(2).with_halvings(0);
        let config = ReconstructionGanConfig::new(2.0).with_start(12);
        let vae = Vae::new(encoder, decoder, prior, L1Loss);
        config.init(vae, critic.init(device).unwrap(), Hinge).unwrap()
    }, tensor([80, 1, 4, 4], &cpu(), noise(1, 1.0));
    // The words that are not read are drawn in the same order by both ways.
    sequence_vae: |device| {
        let config = SequenceVaeConfig::new(4, 3).with_latent_dim(2).with_embedding(3);
        config.with_hidden(5).with_word_dropout(0.3).init_gru(device).unwrap()
    }, sentences();
    table_vae: |device| {
        let config = TableVaeConfig::new().with_latent_dim(2).with_hidden(vec![9]).with_modes(2);
        config.init(&table(), device).unwrap().vae().clone()
    }, table().tensor(&cpu());
    conditional_likelihood: |device| {
        let flow = RealNvpConfig::new(2).with_couplings(2).with_hidden(vec![9]).with_context(2);
        ConditionalLikelihood::new(Flow::new(flow.init(device).unwrap(), StandardNormal::new(2)))
    }, (rows(), rows());
}
