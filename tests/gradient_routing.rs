//! Which part each loss term reaches, and that it reaches no other: the tables of the models' docs.

mod common;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::{GradientsParams, SgdConfig};
use burn::prelude::*;
use burn::tensor::Gradients;
use burn_generative::loss::{
    GradientPenalty, Hinge, LearnedGaussianNll, Losses, NonSaturating, Wasserstein,
};
use burn_generative::model::{Balance, ReconstructionGanConfig, SemiSupervisedAae};
use burn_generative::nn::{
    GaussianCorruption, GumbelHead, LabeledDecoder, LabeledEncoder, LabeledRowEncoder, MlpCritic,
    MlpCriticConfig, MlpDecoder, MlpEncoder, MlpJointCritic, Squashed, Temperature, VqConfig,
};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, PseudoInputs, UniformCategorical};
use burn_generative::sequence::{SequenceVaeConfig, Unit, Vocabulary};
use common::{assert_all_close, devices, noise, tensor};

/// Whether any parameter of a part has a gradient that is not zero.
fn reached<M: Module>(part: &M, gradients: &Gradients) -> bool {
    let all = common::gradients(part, gradients);
    all.concat().into_iter().any(|gradient| gradient != 0.0)
}

/// Which of a model's parts the gradients reach.
macro_rules! parts {
    ($model:expr => $($part:ident),+) => {{
        let model = &$model;
        move |gradients: &Gradients| [$(reached(&model.$part, gradients)),+]
    }};
}

/// Fails unless each term, of losses drawn anew, reaches the parts that it should: the rows of a model's table.
fn assert_routes<const K: usize>(
    name: &str,
    losses: impl Fn() -> Losses,
    reached: impl Fn(&Gradients) -> [bool; K],
    table: &[(&str, [bool; K])],
) {
    for &(term, expected) in table {
        let gradients = losses().term(term).unwrap().mean().backward();
        assert_eq!(reached(&gradients), expected, "{term} on {name}");
    }
}

/// Fails unless a part has the same gradients from both losses, parameter by parameter. `one` is the total of
/// a model, which routes itself; `own` is the term that the paper has the part minimise, through a graph with
/// nothing detached and nothing frozen.
fn assert_same_gradients<M: Module>(part: &M, one: &Gradients, own: Tensor<1>, what: &str) {
    let own = own.mean().backward();
    let [got, want] = [one, &own].map(|gradients| common::gradients(part, gradients));
    assert!(!want.is_empty(), "{what} has no parameters");
    assert_eq!(got.len(), want.len(), "{what}: gradients of all parameters");
    for (got, want) in got.iter().zip(&want) {
        assert_all_close(got, want, 2e-5, what);
    }
}

/// A prior with a parameter: a Gaussian with learned means.
#[derive(Module, Debug)]
struct LearnedPrior {
    mean: Param<Tensor<1>>,
}

impl Sampler for LearnedPrior {
    type Value = Tensor<2>;

    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let [latent] = self.mean.dims();
        StandardNormal::new(latent).sample(n, device) + self.mean.val().unsqueeze()
    }
}

impl Prior for LearnedPrior {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [latent] = self.mean.dims();
        StandardNormal::new(latent).log_prob(z - self.mean.val().unsqueeze())
    }
}

fn learned_prior(device: &Device) -> LearnedPrior {
    LearnedPrior {
        mean: Param::from_tensor(Tensor::ones([2], device)),
    }
}

/// Wide enough that no draw of the weights leaves every hidden unit at rest.
const HIDDEN: usize = 32;

/// Of rows of 6 to latents of 2.
fn small_encoder() -> MlpEncoderConfig {
    MlpEncoderConfig::new(vec![6], 2).with_hidden(vec![HIDDEN])
}

fn small_decoder() -> MlpDecoderConfig {
    MlpDecoderConfig::new(2, vec![6]).with_hidden(vec![HIDDEN])
}

fn small_critic(width: usize) -> MlpCriticConfig {
    MlpCriticConfig::new(vec![width]).with_hidden(vec![HIDDEN])
}

#[test]
fn vae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let vae = VaeConfig::new()
            .init(
                small_encoder().init_gaussian(&device).unwrap(),
                small_decoder().init(&device).unwrap(),
                learned_prior(&device),
                LearnedGaussianNll::new(&device),
            )
            .unwrap();
        let rows = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        assert_routes(
            name,
            || vae.losses_with(rows(), tensor([4, 2], &device, noise(2, 1.0))),
            parts!(vae => encoder, decoder, prior, likelihood),
            &[
                // term              encoder decoder prior  likelihood
                ("reconstruction", [true, true, false, true]),
                ("kl", [true, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );
        assert!(vae.losses(rows()).term("no such term").is_none());
    }
}

/// As the VAE, with relaxed draws and with one-hot ones.
#[test]
fn vae_of_categories() {
    let (device, _turn) = common::seeded(1);
    for straight_through in [false, true] {
        let temperature = Temperature::constant(0.7, &device).unwrap();
        let head = |features| {
            let head = GumbelHead::new(features, [2, 3], temperature, &device);
            if straight_through {
                head.straight_through()
            } else {
                head
            }
        };
        let encoder = MlpEncoderConfig::new(vec![6], 6).with_hidden(vec![HIDDEN]);
        let decoder = MlpDecoderConfig::new(6, vec![6]).with_hidden(vec![HIDDEN]);
        let vae = Vae::new(
            encoder.init_with_head::<_, 2>(&device, head).unwrap(),
            decoder.init(&device).unwrap(),
            UniformCategorical::new(2, 3).unwrap(),
            LearnedGaussianNll::new(&device),
        );
        assert_routes(
            "a CPU",
            || vae.losses(tensor::<2>([4, 6], &device, noise(1, 1.0))),
            parts!(vae => encoder, decoder, likelihood),
            &[
                // term              encoder decoder likelihood
                ("reconstruction", [true, true, true]),
                ("kl", [true, false, false]),
                ("loss", [true, true, true]),
            ],
        );
    }
}

/// As the VAE, on one backend: sentences differ from rows by their networks alone.
#[test]
fn sequence_vae() {
    let device = common::cpu().autodiff();
    let vocabulary = Vocabulary::of(Unit::Word, &["a b", "b"], 1).unwrap();
    let sentences = vocabulary.batch(&["a b", "b", "b a"], 3, &device).unwrap();
    let vae = SequenceVaeConfig::new(vocabulary.len(), 3).with_latent_dim(2);
    let vae = vae.init_gru(&device).unwrap();
    assert_routes(
        "a CPU",
        || vae.losses_with(sentences.clone(), tensor([3, 2], &device, noise(2, 1.0))),
        parts!(vae => encoder, decoder),
        &[
            // term              encoder decoder
            ("reconstruction", [true, true]),
            ("kl", [true, false]),
            ("loss", [true, true]),
        ],
    );
}

/// As the VAE; and the label reaches encoder and decoder.
#[test]
fn conditional_vae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let encoder = MlpEncoderConfig::new(vec![2, 3, 4], 2).with_hidden(vec![HIDDEN]);
        let decoder = MlpDecoderConfig::new(2 + 3, vec![1, 3, 4]).with_hidden(vec![HIDDEN]);
        let vae = ConditionalVae::new(
            LabeledEncoder::new(encoder.init_gaussian(&device).unwrap(), 3, [3, 4], &device),
            LabeledDecoder::new(decoder.init::<4>(&device).unwrap(), 3),
            learned_prior(&device),
            LearnedGaussianNll::new(&device),
        );
        let images = || tensor::<4>([4, 1, 3, 4], &device, noise(1, 1.0));
        let losses = |labels: [i32; 4]| {
            let labels = Tensor::from_ints(labels, &device);
            vae.losses_with(images(), labels, tensor([4, 2], &device, noise(2, 1.0)))
        };
        assert_routes(
            name,
            || losses([0, 1, 2, 1]),
            parts!(vae.vae => encoder, decoder, prior, likelihood),
            &[
                // term              encoder decoder prior  likelihood
                ("reconstruction", [true, true, false, true]),
                ("kl", [true, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );
        // Another label of the second sample: another KL (the encoder reads it), another decoding, and the
        // others as they were.
        let z = || tensor::<2>([4, 2], &device, noise(3, 1.0));
        let decoded =
            |labels: [i32; 4]| common::values(vae.decode(z(), Tensor::from_ints(labels, &device)));
        let kl = |labels: [i32; 4]| common::values(losses(labels).term("kl").unwrap());
        for (one, other) in [
            (kl([0, 1, 2, 1]), kl([0, 2, 2, 1])),
            (decoded([0, 1, 2, 1]), decoded([0, 2, 2, 1])),
        ] {
            let each = one.len() / 4;
            let differs =
                |i: usize| one[i * each..(i + 1) * each] != other[i * each..(i + 1) * each];
            assert_eq!(
                [0, 1, 2, 3].map(differs),
                [false, true, false, false],
                "{name}"
            );
        }
    }
}

#[test]
fn autoencoder() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let autoencoder = Autoencoder::new(
            MlpEncoderConfig::new(vec![6], 2).init(&device).unwrap(),
            MlpDecoderConfig::new(2, vec![6]).init(&device).unwrap(),
            SquaredError,
        );
        let rows = tensor::<2>([4, 6], &device, noise(1, 1.0));
        let losses = autoencoder.losses(rows);
        let gradients = losses.term("reconstruction").unwrap().mean().backward();
        assert!(
            reached(&autoencoder.encoder, &gradients),
            "encoder on {name}"
        );
        assert!(
            reached(&autoencoder.decoder, &gradients),
            "decoder on {name}"
        );
    }
}

#[test]
fn vq_vae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let quantizer = VqConfig::new(3, 2).with_gradient(true).init(&device);
        let model = VqVae::new(
            small_encoder().init(&device).unwrap(),
            small_decoder().init(&device).unwrap(),
            quantizer.unwrap(),
            SquaredError,
        );
        let rows = || tensor::<2>([5, 6], &device, noise(1, 1.0));
        // At the start vectors are the means of their latents, where the term has no gradient.
        model.losses(tensor::<2>([5, 6], &device, noise(2, 1.0)));
        assert_routes(
            name,
            || model.losses(rows()),
            parts!(model => encoder, quantizer, decoder),
            &[
                // term              encoder quantizer decoder
                ("reconstruction", [true, false, true]),
                ("codebook", [false, true, false]),
                ("commitment", [true, false, false]),
                ("loss", [true, true, true]),
            ],
        );
    }
}

#[test]
fn denoising_autoencoder() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = DenoisingAutoencoder::new(
            MlpEncoderConfig::new(vec![6], 2).init(&device).unwrap(),
            MlpDecoderConfig::new(2, vec![6]).init(&device).unwrap(),
            GaussianCorruption::new(0.5).unwrap(),
            SquaredError,
        );
        let rows = tensor::<2>([4, 6], &device, noise(1, 1.0));
        let losses = model.losses_with(rows, tensor([4, 6], &device, noise(2, 1.0)));
        let gradients = losses.term("reconstruction").unwrap().mean().backward();
        assert!(reached(&model.encoder, &gradients), "encoder on {name}");
        assert!(reached(&model.decoder, &gradients), "decoder on {name}");
    }
}

/// The sign too: a step of the generator along its gradient raises the critic's score of its fakes.
#[test]
fn gan() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let gan = GanConfig::new()
            .init(
                small_decoder().init::<2>(&device).unwrap(),
                small_critic(6).init::<2>(&device).unwrap(),
                learned_prior(&device),
                Wasserstein,
                GradientPenalty::new(10.0).unwrap(),
            )
            .unwrap();
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let losses = || {
            let mix = tensor([4, 1], &device, |i| 0.1 + 0.2 * i as f64);
            gan.losses_with(tensor([4, 6], &device, noise(1, 1.0)), latent(), mix)
        };
        let drawn = || gan.losses(tensor([4, 6], &device, noise(1, 1.0)));
        assert_routes(
            name,
            drawn,
            parts!(gan => generator, critic, prior),
            &[
                // term         generator critic prior
                ("generator", [true, false, true]),
                ("critic", [false, true, false]),
                ("penalty", [false, true, false]),
                ("loss", [true, true, true]),
            ],
        );

        let one = losses().mean().backward();
        let fake = || gan.generator.decode(latent());
        let real = || tensor([4, 6], &device, noise(1, 1.0));
        let raise = gan.critic.score(fake()).neg();
        assert_same_gradients(&gan.generator, &one, raise, &format!("generator on {name}"));
        let mix = tensor([4, 1], &device, |i| 0.1 + 0.2 * i as f64);
        let penalty = gan
            .regularizer
            .penalty_with(&gan.critic, real(), fake(), mix);
        let separate = gan.critic.score(fake()) - gan.critic.score(real()) + penalty.unwrap();
        assert_same_gradients(&gan.critic, &one, separate, &format!("critic on {name}"));

        let score = |generator: &_| {
            let fake = Decoder::decode(generator, latent());
            common::values(gan.critic.score(fake).mean())[0]
        };
        let gradients = losses().term("generator").unwrap().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &gan.generator);
        let mut descent = SgdConfig::new().init();
        let after = descent.step(1e-2, gan.generator.clone(), gradients);
        assert!(score(&after) > score(&gan.generator), "on {name}");
    }
}

/// The sign too: a step of the encoder along its term raises the critic's score of its codes.
#[test]
fn aae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let aae = AaeConfig::new()
            .with_adversarial_weight(3.0)
            .init(
                small_encoder().init::<2>(&device).unwrap(),
                small_decoder().init::<2>(&device).unwrap(),
                small_critic(2).init::<2>(&device).unwrap(),
                learned_prior(&device),
                SquaredError,
                NonSaturating,
            )
            .unwrap();
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let prior = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let losses = || aae.losses_with(data(), (), prior());
        assert_routes(
            name,
            || aae.losses(data()),
            parts!(aae => encoder, decoder, critic, prior),
            &[
                // term              encoder decoder critic prior
                ("reconstruction", [true, true, false, false]),
                ("critic", [false, false, true, false]),
                ("encoder", [true, false, false, false]),
                ("loss", [true, true, true, false]),
            ],
        );

        let one = losses().mean().backward();
        let code = || aae.encoder.encode(data());
        let repair = || SquaredError.loss(aae.decoder.decode(code()), data());
        let fool = NonSaturating.generator(aae.critic.score(code()));
        let of = |part: &str| format!("{part} on {name}");
        assert_same_gradients(&aae.encoder, &one, repair() + fool * 3.0, &of("encoder"));
        assert_same_gradients(&aae.decoder, &one, repair(), &of("decoder"));
        let judge = NonSaturating.critic(aae.critic.score(prior()), aae.critic.score(code()));
        assert_same_gradients(&aae.critic, &one, judge, &of("critic"));

        let score = |encoder: &MlpEncoder<Linear, 2>| {
            common::values(aae.critic.score(encoder.encode(data())).mean())[0]
        };
        let gradients = losses().term("encoder").unwrap().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &aae.encoder);
        let after = SgdConfig::new()
            .init()
            .step(1e-3, aae.encoder.clone(), gradients);
        assert!(score(&after) > score(&aae.encoder), "on {name}");
    }
}

type SmallAli =
    Ali<MlpEncoder<GaussianHead, 2>, MlpDecoder<Linear, 2>, MlpJointCritic<2>, LearnedPrior>;

/// Both players' signs: a step of the decoder raises the score of its pairs, one of the encoder lowers that
/// of its own.
#[test]
fn ali() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let ali = Ali::new(
            small_encoder().init_gaussian::<2>(&device).unwrap(),
            small_decoder().init::<2>(&device).unwrap(),
            small_critic(6).init_joint::<2>(2, &device).unwrap(),
            learned_prior(&device),
            NonSaturating,
        );
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let losses = || ali.losses_with(data(), tensor([4, 2], &device, noise(3, 1.0)), latent());
        assert_routes(
            name,
            || ali.losses(data()),
            parts!(ali => encoder, decoder, critic, prior),
            &[
                // term       encoder decoder critic prior
                ("encoder", [true, false, false, false]),
                ("decoder", [false, true, false, false]),
                ("critic", [false, false, true, false]),
                ("loss", [true, true, true, false]),
            ],
        );

        let one = losses().mean().backward();
        let eps = || tensor([4, 2], &device, noise(3, 1.0));
        let of_data = || {
            let code = ali.encoder.encode(data()).rsample_with(eps());
            ali.critic.score((data(), code))
        };
        let of_made = || ali.critic.score((ali.decoder.decode(latent()), latent()));
        let of = |part: &str| format!("{part} on {name}");
        let judge = NonSaturating.real(of_data()) + NonSaturating.fake(of_made());
        assert_same_gradients(&ali.critic, &one, judge, &of("critic"));
        let flip = || NonSaturating.fake(of_data()) + NonSaturating.real(of_made());
        assert_same_gradients(&ali.encoder, &one, flip(), &of("encoder"));
        assert_same_gradients(&ali.decoder, &one, flip(), &of("decoder"));

        let gradients = losses().mean().backward();
        let gradients = GradientsParams::from_grads(gradients, &ali);
        let after = SgdConfig::new().init().step(1e-3, ali.clone(), gradients);
        let made = |model: &SmallAli| {
            let score = ali.critic.score((model.decode(latent()), latent()));
            common::values(score.mean())[0]
        };
        let coded = |model: &SmallAli| {
            let code = model
                .encode(data())
                .rsample_with(tensor([4, 2], &device, noise(3, 1.0)));
            common::values(ali.critic.score((data(), code)).mean())[0]
        };
        assert!(made(&after) > made(&ali), "decoder on {name}");
        assert!(coded(&after) < coded(&ali), "encoder on {name}");
    }
}

type SmallVaeGan = VaeGan<
    MlpEncoder<GaussianHead, 2>,
    Squashed<MlpDecoder<Linear, 2>>,
    MlpCritic<2>,
    LearnedPrior,
>;

fn small_vae_gan(config: VaeGanConfig, device: &Device) -> SmallVaeGan {
    let encoder = small_encoder();
    let decoder = small_decoder();
    let critic = small_critic(6);
    config
        .init(
            encoder.init_gaussian::<2>(device).unwrap(),
            Squashed::sigmoid(decoder.init::<2>(device).unwrap()),
            critic.init::<2>(device).unwrap(),
            learned_prior(device),
            NonSaturating,
        )
        .unwrap()
}

/// The signs too: a step of the decoder along its adversarial term raises the critic's score of both its
/// fakes, and one along the features brings the reconstruction nearer.
#[test]
fn vae_gan() {
    let gamma = 0.3;
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = small_vae_gan(VaeGanConfig::new().with_gamma(gamma), &device);
        let data = || tensor::<2>([4, 6], &device, |i| 0.5 + noise(1, 0.5)(i));
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        let eps = || tensor::<2>([4, 2], &device, noise(3, 1.0));
        let losses = || model.losses_with(data(), eps(), latent());
        assert_routes(
            name,
            losses,
            parts!(model => encoder, decoder, critic, prior),
            &[
                // term       encoder decoder critic prior
                ("kl", [true, false, false, true]),
                ("features", [true, true, false, false]),
                ("decoder", [false, true, false, false]),
                ("critic", [false, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );

        // Algorithm 1, a player at a time.
        let one = losses().mean().backward();
        let posterior = || model.encoder.encode(data());
        let code = || posterior().rsample_with(eps());
        let kl = || model.prior.kl(&posterior(), &posterior().draw_with(eps()));
        let made = || [code(), latent()].map(|z| model.decoder.decode(z));
        let features = || {
            let [reconstruction, _] = made();
            GaussianNll::new(1.0).unwrap().loss(
                model.critic.features(reconstruction),
                model.critic.features(data()),
            )
        };
        let fool = || {
            let [a, b] = made().map(|fake| NonSaturating.generator(model.critic.score(fake)));
            a + b
        };
        let judge = || {
            let [a, b] = made().map(|fake| NonSaturating.fake(model.critic.score(fake)));
            NonSaturating.real(model.critic.score(data())) + a + b
        };
        let of = |part: &str| format!("{part} on {name}");
        assert_same_gradients(&model.encoder, &one, kl() + features(), &of("encoder"));
        let decoder = features() * gamma + fool();
        assert_same_gradients(&model.decoder, &one, decoder, &of("decoder"));
        assert_same_gradients(&model.critic, &one, judge(), &of("critic"));
        assert_same_gradients(&model.prior, &one, kl(), &of("prior"));

        let scores = |decoder: &Squashed<MlpDecoder<Linear, 2>>| {
            [code(), latent()]
                .map(|z| common::values(model.critic.score(decoder.decode(z)).mean())[0])
        };
        let along = |term: &str| {
            let gradients = losses().term(term).unwrap().mean().backward();
            let gradients = GradientsParams::from_grads(gradients, &model.decoder);
            SgdConfig::new()
                .init()
                .step(1e-3, model.decoder.clone(), gradients)
        };
        let (before, after) = (scores(&model.decoder), scores(&along("decoder")));
        assert!(after[0] > before[0], "reconstructions on {name}");
        assert!(after[1] > before[1], "samples on {name}");

        let distance = |decoder: &Squashed<MlpDecoder<Linear, 2>>| {
            let seen = [decoder.decode(code()), data()].map(|x| model.critic.features(x));
            let [made, real] = seen;
            common::values(sum_event((made - real).square()).mean())[0]
        };
        assert!(
            distance(&along("features")) < distance(&model.decoder),
            "on {name}"
        );
    }
}

/// Who sits a step out has no gradient at all, so that an optimizer leaves it alone; the encoder always
/// trains.
#[test]
fn vae_gan_in_balance() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let data = || tensor::<2>([4, 6], &device, |i| 0.5 + noise(1, 0.5)(i));
        let latent = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        // Fresh networks: the critic pays about ln 2 for each kind. (What happens if neither would train is
        // a unit test of `Balance`: it needs exact costs.)
        for (equilibrium, margin, trains) in [
            (0.68, 0.4, [true, true]),
            (5.0, 0.4, [true, false]),
            (0.0, 0.1, [false, true]),
        ] {
            let balance = Balance::new()
                .with_equilibrium(equilibrium)
                .with_margin(margin);
            let config = VaeGanConfig::new().with_balance(Some(balance));
            let model = small_vae_gan(config, &device);
            let gradients = model
                .losses_with(data(), latent(), latent())
                .mean()
                .backward();
            let got = [
                common::gradients(&model.encoder, &gradients).len(),
                common::gradients(&model.decoder, &gradients).len(),
                common::gradients(&model.critic, &gradients).len(),
            ]
            .map(|count| count > 0);
            let expected = [true, trains[0], trains[1]];
            assert_eq!(got, expected, "{equilibrium} +- {margin} on {name}");
        }
    }
}

type SmallSemiSupervised = SemiSupervisedAae<
    MlpEncoder<Linear, 2>,
    MlpDecoder<Linear, 2>,
    MlpJointCritic<2>,
    GaussianMixture,
    SquaredError,
>;

/// The prior learns nothing, although it could: it is what the others are measured by.
#[test]
fn semi_supervised_aae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let encoder = small_encoder();
        let decoder = small_decoder();
        let critic = small_critic(2);
        let model: SmallSemiSupervised = SemiSupervisedAae::new(
            encoder.init(&device).unwrap(),
            decoder.init(&device).unwrap(),
            critic.init_joint(4, &device).unwrap(),
            GaussianMixture::ring(3, 4.0, 0.5, &device).unwrap(),
            SquaredError,
            NonSaturating,
        );
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let labels = || Tensor::from_ints([0, 2, -1, 1], &device);
        let losses = || model.losses((data(), labels()));
        assert_routes(
            name,
            losses,
            parts!(model.aae => encoder, decoder, critic, prior),
            &[
                // term              encoder decoder critic prior
                ("reconstruction", [true, true, false, false]),
                ("critic", [false, false, true, false]),
                ("encoder", [true, false, false, false]),
                ("loss", [true, true, true, false]),
            ],
        );

        // The critic reads the label: another one, another score.
        let scores = |label: [i32; 4]| {
            let losses = model.losses_with(
                data(),
                Tensor::from_ints(label, &device),
                (),
                tensor([4, 2], &device, noise(2, 1.0)),
            );
            common::values(losses.term("encoder").unwrap())
        };
        assert_ne!(scores([0, 2, -1, 1]), scores([1, 2, -1, 1]), "on {name}");
    }
}

#[test]
fn iwae() {
    for (name, device) in devices() {
        for doubly in [false, true] {
            let device = device.clone().autodiff();
            let config = IwaeConfig::new(3).with_doubly_reparameterized(doubly);
            let iwae = config
                .init(
                    small_encoder().init_gaussian(&device).unwrap(),
                    small_decoder().init(&device).unwrap(),
                    learned_prior(&device),
                    LearnedGaussianNll::new(&device),
                )
                .unwrap();
            let rows = || tensor::<2>([4, 6], &device, noise(1, 1.0));
            assert_routes(
                name,
                || iwae.losses(rows()),
                parts!(iwae.vae => encoder, decoder, prior, likelihood),
                // term     encoder decoder prior likelihood
                &[("bound", [true, true, true, true])],
            );
        }
    }
}

#[test]
fn factor_vae() {
    let gamma = 3.0;
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = FactorVaeConfig::new()
            .with_gamma(gamma)
            .init(
                small_encoder().init_gaussian::<2>(&device).unwrap(),
                small_decoder().init::<2>(&device).unwrap(),
                small_critic(2).init::<2>(&device).unwrap(),
                learned_prior(&device),
                SquaredError,
            )
            .unwrap();
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let eps = || tensor::<2>([4, 2], &device, noise(2, 1.0));
        // The second coordinate of each code is that of the sample before.
        let ranks = || tensor([4, 2], &device, |i| [0, 1, 1, 2, 2, 3, 3, 0][i] as f64);
        let losses = || model.losses_with(data(), eps(), ranks());
        let reached_parts = |gradients: &Gradients| {
            [
                reached(&model.vae.encoder, gradients),
                reached(&model.vae.decoder, gradients),
                reached(&model.critic, gradients),
                reached(&model.vae.prior, gradients),
            ]
        };
        assert_routes(
            name,
            losses,
            reached_parts,
            &[
                // term                encoder decoder critic prior
                ("reconstruction", [true, true, false, false]),
                ("kl", [true, false, false, true]),
                ("total_correlation", [true, false, false, false]),
                ("critic", [false, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );

        // Algorithm 2, a player at a time.
        let one = losses().mean().backward();
        let code = || model.vae.encode(data()).rsample_with(eps());
        let own = || {
            let posterior = model.vae.encode(data());
            let kl = model.vae.prior.kl(&posterior, &posterior.draw_with(eps()));
            SquaredError.loss(model.vae.decode(code()), data()) + kl
        };
        let with_correlation = own() + model.critic.score(code()) * gamma;
        let of = |part: &str| format!("{part} on {name}");
        assert_same_gradients(&model.vae.encoder, &one, with_correlation, &of("encoder"));
        assert_same_gradients(&model.vae.decoder, &one, own(), &of("decoder"));
        let (first, second) = (code().narrow(1, 0, 1), code().narrow(1, 1, 1));
        let last_first = vec![second.clone().narrow(0, 3, 1), second.narrow(0, 0, 3)];
        let before = Tensor::cat(last_first, 0);
        let shuffled = Tensor::cat(vec![first, before], 1);
        let judge = NonSaturating.real(model.critic.score(code()))
            + NonSaturating.fake(model.critic.score(shuffled));
        assert_same_gradients(&model.critic, &one, judge, &of("critic"));
    }
}

#[test]
fn vamp_vae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let rows = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let vae = VampVae::new(
            small_encoder().init_gaussian(&device).unwrap(),
            small_decoder().init(&device).unwrap(),
            PseudoInputs::of_data(&rows(), 3, 1).unwrap(),
            LearnedGaussianNll::new(&device),
        );
        assert_routes(
            name,
            || vae.losses(rows()),
            parts!(vae => encoder, decoder, pseudo_inputs, likelihood),
            &[
                // term              encoder decoder pseudo-inputs likelihood
                ("reconstruction", [true, true, false, true]),
                ("kl", [true, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );
    }
}

/// What is known needs no classifier, but to teach it.
#[test]
fn semi_supervised_vae() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let encoder = MlpEncoderConfig::new(vec![6 + 3], 2).with_hidden(vec![HIDDEN]);
        let decoder = MlpDecoderConfig::new(2 + 3, vec![6]).with_hidden(vec![HIDDEN]);
        let classifier = MlpEncoderConfig::new(vec![6], 3).with_hidden(vec![HIDDEN]);
        let model = SemiSupervisedVaeConfig::new(3)
            .init(
                LabeledRowEncoder::new(encoder.init_gaussian::<2>(&device).unwrap(), 3),
                LabeledDecoder::new(decoder.init::<2>(&device).unwrap(), 3),
                classifier.init::<2>(&device).unwrap(),
                learned_prior(&device),
                SquaredError,
            )
            .unwrap();
        let rows = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let reached_parts = |gradients: &Gradients| {
            let vae = &model.vae.vae;
            [
                reached(&vae.encoder, gradients),
                reached(&vae.decoder, gradients),
                reached(&model.classifier, gradients),
                reached(&vae.prior, gradients),
            ]
        };
        assert_routes(
            name,
            || model.losses((rows(), Tensor::from_ints([3, 3, 3, 3], &device))),
            reached_parts,
            &[
                // term              encoder decoder classifier prior
                ("reconstruction", [true, true, true, false]),
                ("kl", [true, false, true, true]),
                ("label_kl", [false, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );
        assert_routes(
            name,
            || model.losses((rows(), Tensor::from_ints([0, 1, 2, 1], &device))),
            reached_parts,
            &[
                ("reconstruction", [true, true, false, false]),
                ("kl", [true, false, false, true]),
                ("classification", [false, false, true, false]),
                ("loss", [true, true, true, true]),
            ],
        );
    }
}

/// The sign too: a step of the decoder along the generator's term raises the critic's score of reconstructions.
#[test]
fn reconstruction_gan() {
    let weight = 3.0;
    for (name, device) in devices() {
        let device = device.autodiff();
        let critic = || small_critic(6).init::<2>(&device).unwrap();
        let data = || tensor::<2>([4, 6], &device, noise(1, 1.0));
        let config = ReconstructionGanConfig::new(weight);
        let vae = Vae::new(
            small_encoder().init_gaussian(&device).unwrap(),
            small_decoder().init(&device).unwrap(),
            learned_prior(&device),
            LearnedGaussianNll::new(&device),
        );
        let model = config.init(vae, critic(), Hinge).unwrap();
        let reached_parts = |gradients: &Gradients| {
            [
                reached(&model.model.encoder, gradients),
                reached(&model.model.decoder, gradients),
                reached(&model.model.prior, gradients),
                reached(&model.model.likelihood, gradients),
                reached(&model.critic, gradients),
            ]
        };
        assert_routes(
            name,
            || model.losses(data()),
            reached_parts,
            &[
                // term              encoder decoder prior likelihood critic
                ("reconstruction", [true, true, false, true, false]),
                ("kl", [true, false, true, false, false]),
                ("generator", [true, true, false, false, false]),
                ("critic", [false, false, false, false, true]),
                ("loss", [true, true, true, true, true]),
            ],
        );

        // A player at a time, of a model without noise.
        let autoencoder = Autoencoder::new(
            small_encoder().init(&device).unwrap(),
            small_decoder().init(&device).unwrap(),
            SquaredError,
        );
        let model = config.init(autoencoder, critic(), Hinge).unwrap();
        let one = model.losses(data()).mean().backward();
        let made = || model.model.reconstruct(data());
        let fool = || Hinge.generator(model.critic.score(made()));
        let own = || SquaredError.loss(made(), data()) + fool() * weight;
        let judge = Hinge.critic(model.critic.score(data()), model.critic.score(made()));
        let of = |part: &str| format!("{part} on {name}");
        assert_same_gradients(&model.model.encoder, &one, own(), &of("encoder"));
        assert_same_gradients(&model.model.decoder, &one, own(), &of("decoder"));
        assert_same_gradients(&model.critic, &one, judge, &of("critic"));

        let score = |decoder: &MlpDecoder<Linear, 2>| {
            let made = decoder.decode(model.model.encode(data()));
            common::values(model.critic.score(made).mean())[0]
        };
        let losses = model.losses(data());
        let gradients = losses.term("generator").unwrap().mean().backward();
        let decoder = &model.model.decoder;
        let gradients = GradientsParams::from_grads(gradients, decoder);
        let mut descent = SgdConfig::new().init();
        let after = descent.step(1e-3, decoder.clone(), gradients);
        assert!(score(&after) > score(decoder), "on {name}");
    }
}

/// The critic of a VQGAN reaches the encoder straight through its codes, and no vector of the codebook.
#[test]
fn reconstruction_gan_of_codes() {
    let device = common::cpu().autodiff();
    let quantizer = VqConfig::new(3, 2).with_gradient(true).init(&device);
    let vq_vae = VqVae::new(
        small_encoder().init(&device).unwrap(),
        small_decoder().init(&device).unwrap(),
        quantizer.unwrap(),
        SquaredError,
    );
    let critic = small_critic(6).init::<2>(&device).unwrap();
    let model = ReconstructionGanConfig::new(3.0).init(vq_vae, critic, Hinge);
    let model = model.unwrap();
    // At the start vectors are the means of their latents, where the codebook's term has no gradient.
    model.losses(tensor::<2>([5, 6], &device, noise(2, 1.0)));
    let reached_parts = |gradients: &Gradients| {
        [
            reached(&model.model.encoder, gradients),
            reached(&model.model.quantizer, gradients),
            reached(&model.model.decoder, gradients),
            reached(&model.critic, gradients),
        ]
    };
    assert_routes(
        "a CPU",
        || model.losses(tensor::<2>([5, 6], &device, noise(1, 1.0))),
        reached_parts,
        &[
            // term              encoder quantizer decoder critic
            ("reconstruction", [true, false, true, false]),
            ("codebook", [false, true, false, false]),
            ("commitment", [true, false, false, false]),
            ("generator", [true, false, true, false]),
            ("critic", [false, false, false, true]),
            ("loss", [true, true, true, true]),
        ],
    );
}
