//! Training leaves nothing behind: whatever takes part in a step and is not trained by it (a prior, a player
//! that sits out) keeps no graph of it.

#![cfg(feature = "flex")]

mod common;
mod counting;

use burn::optim::AdamConfig;
use burn::prelude::*;
use burn_generative::flow::SplineFlowConfig;
use burn_generative::loss::{Mmd, MmdKernel, NonSaturating, Unregularized};
use burn_generative::model::Balance;
use burn_generative::nn::{LabeledDecoder, LabeledRowEncoder, MlpCriticConfig};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, PseudoInputs};
use counting::NOW;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes more after 120 steps than after 20.
fn growth<M: Model>(mut model: M, input: M::Input) -> isize {
    let mut optimizer = AdamConfig::new().init();
    let mut after = [0; 2];
    for (bytes, steps) in after.iter_mut().zip([20, 100]) {
        for _step in 0..steps {
            (model, _) = model.learn(&mut optimizer, 1e-3, input.clone());
        }
        *bytes = NOW.load(Relaxed) as isize;
    }
    after[1] - after[0]
}

/// One test, since others in the same process would be counted too.
#[test]
fn a_step_leaves_nothing_behind() {
    let device = Device::flex().autodiff();
    let hidden = || vec![32];
    let encoder = || MlpEncoderConfig::new(vec![6], 2).with_hidden(hidden());
    let decoder = || {
        let config = MlpDecoderConfig::new(2, vec![6]).with_hidden(hidden());
        config.init::<2>(&device).unwrap()
    };
    let critic = |width: usize| MlpCriticConfig::new(vec![width]).with_hidden(hidden());
    let mixture = || GaussianMixture::ring(3, 2.0, 0.5, &device).unwrap();
    let rows = || common::tensor::<2>([64, 6], &device, common::noise(1, 1.0));

    let aae = AaeConfig::new()
        .init(
            encoder().init::<2>(&device).unwrap(),
            decoder(),
            critic(2).init::<2>(&device).unwrap(),
            mixture(),
            SquaredError,
            NonSaturating,
        )
        .unwrap();
    let semi_supervised = SemiSupervisedAae::new(
        encoder().init::<2>(&device).unwrap(),
        decoder(),
        critic(2).init_joint::<2>(4, &device).unwrap(),
        mixture(),
        SquaredError,
        NonSaturating,
    );
    let labels = || Tensor::<1, Int>::zeros([64], &device);
    let ali = Ali::new(
        encoder().init_gaussian::<2>(&device).unwrap(),
        decoder(),
        critic(6).init_joint::<2>(2, &device).unwrap(),
        mixture(),
        NonSaturating,
    );
    let gan = GanConfig::new()
        .with_critic_steps(1000)
        .init(
            decoder(),
            critic(6).init::<2>(&device).unwrap(),
            mixture(),
            NonSaturating,
            Unregularized,
        )
        .unwrap();
    // With an equilibrium of 0 the decoder always sits out, with one of 5 the critic.
    let vae_gan = |equilibrium| {
        let balance = Balance::new()
            .with_equilibrium(equilibrium)
            .with_margin(0.1);
        VaeGanConfig::new()
            .with_balance(Some(balance))
            .init(
                encoder().init_gaussian::<2>(&device).unwrap(),
                decoder(),
                critic(6).init::<2>(&device).unwrap(),
                mixture(),
                NonSaturating,
            )
            .unwrap()
    };
    let posteriors = || encoder().init_gaussian::<2>(&device).unwrap();
    let kernels = MmdKernel::inverse_multiquadrics(2);
    let wae = Vae::with_latent_loss(
        posteriors(),
        decoder(),
        mixture(),
        SquaredError,
        Mmd::new(10.0, kernels).unwrap(),
    );
    let iwae = |doubly| {
        let config = IwaeConfig::new(3).with_doubly_reparameterized(doubly);
        let likelihood = GaussianNll::default();
        config
            .init(posteriors(), decoder(), mixture(), likelihood)
            .unwrap()
    };
    let factor_vae = FactorVaeConfig::new()
        .init(
            posteriors(),
            decoder(),
            critic(2).init::<2>(&device).unwrap(),
            mixture(),
            SquaredError,
        )
        .unwrap();
    let pseudo_inputs = PseudoInputs::of_data(&rows(), 5, 1).unwrap();
    let vamp_vae = VampVae::new(posteriors(), decoder(), pseudo_inputs, SquaredError);
    let few = |columns: usize| {
        let encoder = MlpEncoderConfig::new(vec![columns + 3], 2).with_hidden(hidden());
        let decoder = MlpDecoderConfig::new(2 + 3, vec![columns]).with_hidden(hidden());
        let classifier = MlpEncoderConfig::new(vec![columns], 3).with_hidden(hidden());
        SemiSupervisedVaeConfig::new(3)
            .init(
                LabeledRowEncoder::new(encoder.init_gaussian::<2>(&device).unwrap(), 3),
                LabeledDecoder::new(decoder.init::<2>(&device).unwrap(), 3),
                classifier.init::<2>(&device).unwrap(),
                mixture(),
                SquaredError,
            )
            .unwrap()
    };
    let first = Vae::new(posteriors(), decoder(), mixture(), SquaredError);
    let stacked = StackedSemiSupervisedVae::new(first, few(2));
    // Its ActNorms keep what they took from the first batch.
    let flow = SplineFlowConfig::new(6).with_couplings(2);
    let flow = Flow::new(flow.init(&device).unwrap(), StandardNormal::new(6));
    let rows_of = [
        ("wae", growth(wae, rows())),
        ("iwae", growth(iwae(false), rows())),
        ("doubly reparameterized iwae", growth(iwae(true), rows())),
        ("factor vae", growth(factor_vae, rows())),
        ("vamp vae", growth(vamp_vae, rows())),
        ("semi-supervised vae", growth(few(6), (rows(), labels()))),
        ("stacked vae", growth(stacked, (rows(), labels()))),
        ("aae", growth(aae, rows())),
        (
            "semi-supervised aae",
            growth(semi_supervised, (rows(), labels())),
        ),
        ("ali", growth(ali, rows())),
        ("gan", growth(gan, rows())),
        ("vae-gan, decoder out", growth(vae_gan(0.0), rows())),
        ("vae-gan, critic out", growth(vae_gan(5.0), rows())),
        ("flow", growth(MaximumLikelihood::new(flow), rows())),
    ];
    for (name, bytes) in rows_of {
        println!("{name}: {bytes} bytes in 100 steps");
    }
    // One activation of one step is 8 kB.
    for (name, bytes) in rows_of {
        assert!(bytes < 64_000, "{name} keeps {bytes} bytes of 100 steps");
    }
}
