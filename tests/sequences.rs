//! Sentences: vocabularies, causal networks, the distribution that a decoder returns, and their variational autoencoder.

mod common;

use burn::module::Module;
use burn::nn::{EmbeddingConfig, GruConfig, LinearConfig, LstmConfig};
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::metric::{elbo, importance_weighted_bound};
use burn_generative::prelude::*;
use burn_generative::sequence::{
    Causal, CausalConvConfig, SequenceDecoder, SequenceVae, SequenceVaeConfig, TokenSampling,
    Tokens, Unit, Vocabulary,
};
use burn_generative::weights;
use common::{assert_all_close, cpu, seeded, values};

/// Sentences of three tokens at most, of three kinds: small enough to go through all.
fn small() -> SequenceVaeConfig {
    SequenceVaeConfig::new(4, 3)
        .with_latent_dim(2)
        .with_embedding(3)
        .with_hidden(5)
}

/// All sentences of the small model, the empty one among them.
fn all() -> Vec<Vec<i32>> {
    let mut sentences = vec![vec![]];
    for length in 1..=3u32 {
        let of_length = (0..3i32.pow(length)).map(|number| {
            let digit = |place| number / 3i32.pow(place) % 3 + 1;
            (0..length).map(digit).collect()
        });
        sentences.extend(of_length);
    }
    sentences
}

/// Sentences with padding that is not their end.
fn padded(sentences: &[Vec<i32>], places: usize, padding: i32) -> Tokens {
    let rows = sentences.iter().flat_map(|sentence| {
        let mut row = sentence.clone();
        row.resize(places, padding);
        row
    });
    let rows: Vec<i32> = rows.collect();
    let lengths: Vec<i32> = sentences.iter().map(|row| row.len() as i32).collect();
    let count = sentences.len();
    Tokens::new(
        Tensor::from_data(TensorData::new(rows, [count, places]), &cpu()),
        Tensor::from_data(TensorData::new(lengths, [count]), &cpu()),
    )
}

/// As many rows of one latent.
fn latents(count: usize) -> Tensor<2> {
    Tensor::<2>::from_floats([[0.7, -1.2]], &cpu()).repeat_dim(0, count)
}

/// A law, for a small model of each network.
macro_rules! of_each_network {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let (_, _turn) = seeded(3);
            laws::$name(small().init_gru(&cpu()).unwrap());
            laws::$name(small().init_lstm(&cpu()).unwrap());
            laws::$name(small().init_convolutional(&cpu()).unwrap());
        }
    )*};
}

of_each_network! {
    probabilities_sum_to_one
    steps_are_the_run
    padding_changes_nothing
    draws_have_their_probabilities
    a_wide_beam_finds_the_likeliest
    bounds_are_bounds
    is_saved_and_loaded
}

mod laws {
    use super::*;

    pub fn probabilities_sum_to_one<C: Causal>(vae: SequenceVae<C>) {
        let sentences = all();
        let log_probs = vae
            .decode(latents(sentences.len()))
            .log_prob(padded(&sentences, 3, 0));
        let sum: f64 = values(log_probs).iter().map(|l| l.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    /// From place to place, of the network and of the decoder around it; and no output sees what comes later.
    pub fn steps_are_the_run<C: Causal>(vae: SequenceVae<C>) {
        let decoder = &vae.decoder;
        let read = Tensor::<2, Int>::from_ints([[0, 2, 3, 1, 2], [0, 3, 3, 2, 1]], &cpu());
        let logits = decoder.logits(latents(2), read.clone());
        let mut state = decoder.start(latents(2));
        for place in 0..5 {
            let at_place;
            let last = read.clone().narrow(1, place, 1).squeeze_dim(1);
            (at_place, state) = decoder.step(last, state);
            let expected = logits.clone().narrow(1, place, 1);
            assert_all_close(&values(at_place), &values(expected), 1e-5, "step and run");
        }
        let other = Tensor::<2, Int>::from_ints([[0, 2, 3, 2, 2], [0, 3, 3, 1, 1]], &cpu());
        let other = decoder.logits(latents(2), other);
        let [before, before_other] =
            [&logits, &other].map(|logits| values(logits.clone().narrow(1, 0, 3)));
        assert_eq!(before, before_other, "what comes later is seen");
        let [after, after_other] = [logits, other].map(|logits| values(logits.narrow(1, 3, 1)));
        assert_ne!(after, after_other, "what is read is not seen");
    }

    /// Neither how much there is nor what: in the losses and in every gradient.
    pub fn padding_changes_nothing<C: Causal>(vae: SequenceVae<C>) {
        let device = cpu().autodiff();
        let model = vae.train();
        let sentences = [vec![2], vec![3, 1], vec![2, 2]];
        let noise = Tensor::<2>::random([3, 2], Distribution::Normal(0.0, 1.0), &device);
        let of = |tokens: Tokens| {
            let losses = model.losses_with(tokens.to_device(&device), noise.clone());
            let gradients = losses.mean().backward();
            let gradients = common::gradients(&model, &gradients).concat();
            (values(losses.total), gradients)
        };
        let (losses, gradients) = of(padded(&sentences, 2, 0));
        for (places, padding) in [(2, 3), (3, 0), (3, 2)] {
            let (padded_losses, padded_gradients) = of(padded(&sentences, places, padding));
            assert_all_close(&padded_losses, &losses, 1e-6, "losses");
            assert_all_close(&padded_gradients, &gradients, 1e-6, "gradients");
        }
    }

    pub fn draws_have_their_probabilities<C: Causal>(vae: SequenceVae<C>) {
        let sentences = all();
        let some = padded(&sentences, 3, 0);
        // What each sampling makes of the logits of a token, and so of a sentence.
        let read = Tensor::cat(
            vec![some.tokens().narrow(1, 0, 1).zeros_like(), some.tokens()],
            1,
        );
        let logits = vae.decoder.logits(latents(40), read.narrow(1, 0, 3));
        let logits = values(logits);
        let probability = |index: usize, temperature: f64, k: usize| {
            let sentence = &sentences[index];
            let token = |place: usize| {
                let begin = (3 * index + place) * 4;
                let logits = &logits[begin..begin + 4];
                let mut sorted = logits.to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                let weight = |logit: f64| {
                    let is_chosen = logit >= sorted[k - 1];
                    f64::from(u8::from(is_chosen)) * (logit / temperature).exp()
                };
                let next = sentence.get(place).copied().unwrap_or(0) as usize;
                let sum: f64 = logits.iter().map(|&logit| weight(logit)).sum();
                weight(logits[next]) / sum
            };
            (0..3.min(sentence.len() + 1)).map(token).product::<f64>()
        };
        let draws = 5000;
        for (temperature, k) in [(1.0, 4), (0.6, 4), (1.5, 2)] {
            let sampling = TokenSampling::new().with_temperature(temperature);
            let sampling = sampling.unwrap().with_top_k(k).unwrap();
            let drawn = vae.decode(latents(draws)).generate(&sampling);
            let drawn = drawn.rows().unwrap();
            let apart: f64 = (0..40)
                .map(|index| {
                    let count = drawn.iter().filter(|row| **row == sentences[index]).count();
                    (count as f64 / draws as f64 - probability(index, temperature, k)).abs()
                })
                .sum();
            // 40 shares are apart by 0.07 on average.
            assert!(apart < 0.14, "{apart} at {temperature}, {k}");
        }
        let greedy = vae.decode(latents(3)).point().rows().unwrap();
        for sampling in [
            TokenSampling::new().with_top_k(1).unwrap(),
            TokenSampling::new().with_temperature(1e-3).unwrap(),
        ] {
            let drawn = vae.decode(latents(3)).generate(&sampling);
            assert_eq!(drawn.rows().unwrap(), greedy);
        }
    }

    pub fn a_wide_beam_finds_the_likeliest<C: Causal>(vae: SequenceVae<C>) {
        let latents = StandardNormal::new(2).sample(2, &cpu());
        let sentences = vae.decode(latents.clone());
        let (found, log_probs) = sentences.beam(40).unwrap();
        let found = found.rows().unwrap();
        let log_probs = values(log_probs);
        for of in 0..2 {
            let latent = latents.clone().narrow(0, of, 1).repeat_dim(0, 40);
            let exact = vae.decode(latent).log_prob(padded(&all(), 3, 0));
            let mut exact: Vec<(f64, Vec<i32>)> = values(exact).into_iter().zip(all()).collect();
            exact.sort_by(|a, b| b.0.total_cmp(&a.0));
            let range = 40 * of..40 * (of + 1);
            let (of_found, mut of_all) = (&found[range.clone()], all());
            // Each is the one of its rank, but for the order of those that rounding alone tells apart.
            for (sentence, log_prob) in of_found.iter().zip(&log_probs[range.clone()]) {
                let own = exact.iter().find(|(_, other)| other == sentence);
                let own = own.expect("a sentence").0;
                assert!(
                    (own - log_prob).abs() < 1e-5,
                    "{sentence:?}: {own}, {log_prob}"
                );
            }
            let mut of_found = of_found.to_vec();
            of_found.sort();
            of_all.sort();
            assert_eq!(of_found, of_all);
            let (expected, ranked): (Vec<f64>, Vec<Vec<i32>>) = exact.into_iter().unzip();
            assert_all_close(
                &log_probs[range.clone()],
                &expected,
                1e-5,
                "log-probabilities",
            );
            assert_eq!(found[range.start], ranked[0]);
        }
        let (narrow, _) = sentences.beam(1).unwrap();
        assert_eq!(narrow.rows().unwrap(), sentences.point().rows().unwrap());
    }

    /// The mean weight of a draw is the probability of a sentence, and so those of all sum to 1; what bounds the logarithm
    /// sums to less.
    pub fn bounds_are_bounds<C: Causal>(vae: SequenceVae<C>) {
        let sentences = padded(&all(), 3, 0);
        let sum = |log_probs: Tensor<1>| values(log_probs).iter().map(|l| l.exp()).sum::<f64>();
        let weighted = importance_weighted_bound(&vae, sentences.clone(), 300).unwrap();
        let total = sum(weighted.log_prob);
        assert!((total - 1.0).abs() < 0.03, "{total}");
        let total = sum(elbo(&vae, sentences, 300).unwrap().total());
        assert!(total < 1.0, "{total}");
    }

    pub fn is_saved_and_loaded<C: Causal>(vae: SequenceVae<C>) {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::of(Unit::Character, &["ab"], 1).unwrap();
        weights::save_dir(folder.path(), &vocabulary, &vae).unwrap();
        let fresh = vae.clone().map(&mut Zero);
        let (saved, loaded): (Vocabulary, _) =
            weights::load_dir(folder.path(), |_| Ok(fresh)).unwrap();
        assert_eq!(saved, vocabulary);
        assert_eq!(common::weights(&loaded), common::weights(&vae));
    }

    /// Forgets all weights.
    struct Zero;

    impl burn::module::ModuleMapper for Zero {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            param.map(|values| values.zeros_like())
        }
    }
}

#[test]
fn recurrent_networks_are_those_of_burn() {
    let (_, _turn) = seeded(1);
    let inputs = Tensor::<3>::random([2, 6, 3], Distribution::Normal(0.0, 1.0), &cpu());
    let gru = GruConfig::new(3, 5, true).init(&cpu());
    let expected = values(gru.forward(inputs.clone(), None));
    assert_all_close(&values(gru.run(inputs.clone())), &expected, 1e-6, "Gru");
    let lstm = LstmConfig::new(3, 5, true).init(&cpu());
    let expected = values(lstm.forward(inputs.clone(), None).0);
    assert_all_close(&values(lstm.run(inputs)), &expected, 1e-6, "Lstm");
}

/// Also where the past is longer than what was read.
#[test]
fn steps_of_dilated_convolutions_are_their_run() {
    let (_, _turn) = seeded(1);
    let network = CausalConvConfig::new(2, 4).with_kernel_size(2);
    let network = network.with_dilations(vec![1, 3, 8]).init(&cpu()).unwrap();
    let inputs = Tensor::<3>::random([2, 20, 2], Distribution::Normal(0.0, 1.0), &cpu());
    let outputs = network.run(inputs.clone());
    let mut state = network.start(2, &cpu());
    for place in 0..20 {
        let output;
        (output, state) = network.step(inputs.clone().narrow(1, place, 1).squeeze_dim(1), state);
        let expected = values(outputs.clone().narrow(1, place, 1));
        assert_all_close(&values(output), &expected, 1e-5, "place");
    }
    // What is seen is 1 + 1 + 3 + 8 places, and not one more.
    let other = |from: usize| {
        let start = inputs.clone().narrow(1, 0, from + 1) + 1.0;
        let changed = Tensor::cat(
            vec![start, inputs.clone().narrow(1, from + 1, 19 - from)],
            1,
        );
        values(network.run(changed).narrow(1, 19, 1))
    };
    let last = values(outputs.narrow(1, 19, 1));
    assert_eq!(other(6), last);
    assert_ne!(other(7), last);
}

/// A decoder alone, told nothing by its latent.
#[derive(Module, Debug)]
struct Alone<C> {
    decoder: SequenceDecoder<C>,
}

impl<C: Causal> Model for Alone<C> {
    type Input = Tokens;

    fn terms(&self) -> Vec<&'static str> {
        vec!["nll"]
    }
    fn losses(&self, input: Tokens) -> Losses {
        let zeros = Tensor::zeros([input.len(), 1], &cpu().autodiff());
        Losses::of("nll", self.decoder.decode(zeros).log_prob(input).neg())
    }
}

/// Two sentences that alternate: whoever reads the word before needs one bit, and whoever does not one for each place.
#[test]
fn without_words_and_latent_the_bound_is_that_of_unigrams() {
    let (device, _turn) = seeded(5);
    let sentences = padded(&[vec![2, 3, 2, 3], vec![3, 2, 3, 2]], 4, 0);
    let trained = |word_dropout: f64| {
        let decoder = SequenceDecoder::new(
            EmbeddingConfig::new(4, 4).init(&device),
            GruConfig::new(5, 12, true).init(&device),
            LinearConfig::new(12, 4).init(&device),
            4,
            word_dropout,
        );
        let mut model = Alone {
            decoder: decoder.unwrap(),
        };
        let mut optimizer = AdamConfig::new().init();
        let mut least = f64::INFINITY;
        for _step in 0..250 {
            let losses;
            (model, losses) = model.learn(&mut optimizer, 0.02, sentences.clone());
            least = least.min(losses.mean().into_scalar::<f64>());
        }
        // In evaluation too.
        let log_prob = model.valid().decoder.decode(Tensor::zeros([2, 1], &cpu()));
        let nll = -values(log_prob.log_prob(sentences.clone()))
            .iter()
            .sum::<f64>()
            / 2.0;
        (least, nll)
    };
    let bit = 2f64.ln();
    let (least, nll) = trained(1.0);
    assert!(least > 4.0 * bit - 1e-4, "{least}");
    assert!((4.0 * bit..4.04 * bit).contains(&(nll + 1e-5)), "{nll}");
    let (_, nll) = trained(0.0);
    assert!((bit..1.1 * bit).contains(&(nll + 1e-5)), "{nll}");
}

/// In training the words that are not read are drawn; which they are can be said.
#[test]
fn word_dropout_is_of_what_is_read_in_training() {
    let (device, _turn) = seeded(2);
    let vae = small().with_word_dropout(0.5).init_gru(&device).unwrap();
    let sentences = padded(&vec![vec![2, 3, 2]; 50], 3, 0);
    let of = |latent: Tensor<2>, vae: &SequenceVae<_>| {
        values(vae.decode(latent).log_prob(sentences.clone()))
    };
    let training = of(latents(50).to_device(&device).autodiff(), &vae);
    // The last token is followed by a certain end, and need not be read: there are four ways.
    let mut kinds = training.clone();
    kinds.sort_by(f64::total_cmp);
    kinds.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    let valid = vae.valid();
    let evaluation = of(latents(50), &valid);
    assert!(evaluation.iter().all(|l| (l - evaluation[0]).abs() < 1e-6));
    for dropped in [[false, false, true], [true, true, false]] {
        let dropped: Tensor<2, Bool> = Tensor::from_data(TensorData::from([dropped]), &cpu());
        let sentences = sentences.narrow(0, 1);
        let one = valid
            .decode(latents(1))
            .log_prob_without(&sentences, dropped);
        let one = values(one)[0];
        assert!(
            kinds.iter().any(|kind| (kind - one).abs() < 1e-5),
            "{one} {kinds:?}"
        );
    }
}

/// Four topics of two words each, and sentences of three words of a topic: `ln 4 + 3 ln 2`. The first word tells the topic,
/// so that a decoder needs no latent: word dropout and a floor under the KL let it use one, at hardly any cost.
#[test]
fn bound_comes_down_to_the_entropy_and_the_latent_is_used() {
    let (device, _turn) = seeded(1);
    let sentences: Vec<Vec<i32>> = (0..32)
        .map(|number| {
            let word = |place: i32| 2 + 2 * (number / 8) + (number >> place & 1);
            (0..3).map(word).collect()
        })
        .collect();
    let tokens = padded(&sentences, 3, 0);
    let config = SequenceVaeConfig::new(10, 3)
        .with_latent_dim(2)
        .with_embedding(8)
        .with_hidden(16)
        .with_word_dropout(0.2)
        .with_objective(VaeConfig::new().with_free_bits(0.4));
    let mut vae = config.init_gru(&device).unwrap();
    let mut optimizer = AdamConfig::new().init();
    for _step in 0..400 {
        (vae, _) = vae.learn(&mut optimizer, 0.02, tokens.clone());
    }
    let bound = elbo(&vae.valid(), tokens, 200).unwrap();
    let mean = |terms: Tensor<1>| values(terms).iter().sum::<f64>() / 32.0;
    let (kl, spent) = (mean(bound.kl.clone()), -mean(bound.total()));
    let entropy = 4f64.ln() + 3.0 * 2f64.ln();
    assert!(
        (entropy - 0.01..1.05 * entropy).contains(&spent),
        "{spent} {entropy}"
    );
    assert!(kl > 0.3, "{kl}");
}

#[test]
fn vocabularies_go_there_and_back() {
    let sentences = ["größe  und\tform", "form"];
    let characters = Vocabulary::of(Unit::Character, &sentences, 1).unwrap();
    for sentence in sentences {
        let tokens = characters.tokens(sentence).unwrap();
        assert_eq!(tokens.len(), sentence.chars().count());
        assert_eq!(characters.text(&tokens), sentence);
    }
    let words = Vocabulary::of(Unit::Word, &sentences, 1).unwrap();
    assert_eq!(words.len(), 3 + 2);
    let tokens = words.tokens(sentences[0]).unwrap();
    assert_eq!(words.text(&tokens), "größe und form");

    // Batches, with what is rare unknown.
    let words = Vocabulary::of(Unit::Word, &sentences, 2).unwrap();
    let batch = words.batch(&sentences, 4, &cpu()).unwrap();
    assert_eq!((batch.len(), batch.places()), (2, 4));
    assert_eq!(
        values(batch.mask().float()),
        [1., 1., 1., 0., 1., 0., 0., 0.]
    );
    let texts = words.sentences(&batch).unwrap();
    assert_eq!(texts, ["\u{FFFD} \u{FFFD} form", "form"]);
    let second = Batch::select(&batch, Tensor::from_ints([1], &cpu()));
    assert_eq!(words.sentences(&second).unwrap(), ["form"]);
    assert_eq!(words.text(&[-1, 99]), "\u{FFFD} \u{FFFD}");
}

/// The error, in words.
fn refused<T: std::fmt::Debug>(result: burn_generative::Result<T>, parts: &[&str]) {
    let error = result.unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

#[test]
fn bad_sentences_and_numbers_are_refused() {
    let words = ["ab", "ba"];
    let vocabulary = Vocabulary::of(Unit::Character, &words, 1).unwrap();
    let batch = |sentences: &[&str]| vocabulary.batch(sentences, 3, &cpu());
    refused(
        batch(&["ab", "  "]),
        &["sentence 2", "is empty; leave it out"],
    );
    refused(
        batch(&["abba"]),
        &[
            "sentence 1 (`abba`)",
            "4 characters",
            "takes 3",
            "max_length",
        ],
    );
    refused(
        batch(&["a", "axb"]),
        &["sentence 2", "`x`", "least count of 2"],
    );
    refused(batch(&[]), &["number of sentences"]);
    refused(vocabulary.tokens(""), &["is empty"]);
    refused(
        Vocabulary::of(Unit::Word, &words, 0),
        &["least_count must be at least 1"],
    );
    refused(
        Vocabulary::of(Unit::Word, &words, 2),
        &["no word occurs 2 times in 2 sentences"],
    );
    let none: [&str; 0] = [];
    refused(Vocabulary::of(Unit::Word, &none, 1), &["0 sentences"]);
    let swapped = r#"{"unit": "word", "has_unknown": false, "units": ["b", "a"]}"#;
    let error = serde_json::from_str::<Vocabulary>(swapped).unwrap_err();
    assert!(error.to_string().contains("`b` stands before `a`"));

    let init = |config: SequenceVaeConfig| config.init_gru(&cpu());
    refused(
        init(SequenceVaeConfig::new(2, 3)),
        &["a vocabulary of 2 tokens"],
    );
    refused(
        init(SequenceVaeConfig::new(9, 0)),
        &["max_length must be at least 1"],
    );
    refused(
        init(SequenceVaeConfig::new(9, 1 << 40)),
        &["max_length of 1099511627776", "16777216"],
    );
    refused(init(small().with_hidden(usize::MAX)), &["weights"]);
    refused(
        init(small().with_word_dropout(1.5)),
        &["word_dropout must be in [0, 1]"],
    );
    let network = CausalConvConfig::new(3, 3);
    refused(
        network.clone().with_kernel_size(1).init(&cpu()),
        &["at least 2"],
    );
    refused(
        network.clone().with_dilations(vec![]).init(&cpu()),
        &["number of layers"],
    );
    refused(
        network
            .clone()
            .with_dilations(vec![1, usize::MAX])
            .init(&cpu()),
        &["see farther than 16777216 places"],
    );
    refused(
        network.with_dilations(vec![0]).init(&cpu()),
        &["a dilation"],
    );
    refused(TokenSampling::new().with_temperature(0.0), &["temperature"]);
    refused(TokenSampling::new().with_top_k(0), &["top_k"]);
    let vae = init(small()).unwrap();
    refused(
        vae.decode(latents(1)).beam(0),
        &["width must be at least 1"],
    );
}

#[cfg(feature = "data")]
mod files {
    use super::*;
    use burn_generative::data::{Text, grammar};
    use std::path::PathBuf;

    fn written(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sequences-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn lines_are_sentences() {
        let path = written("good", "\u{FEFF}one two\r\nthree\r\n".as_bytes());
        let text = Text::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(text.sentences(), ["one two", "three"]);
        assert_eq!(
            (text.longest(Unit::Word), text.longest(Unit::Character)),
            (2, 7)
        );
    }

    #[test]
    fn bad_lines_are_named() {
        let of = |name: &str, bytes: &[u8]| {
            let path = written(name, bytes);
            let text = Text::open(&path);
            std::fs::remove_file(path).unwrap();
            text
        };
        refused(of("empty", b""), &["is empty"]);
        refused(
            of("blank", b"one\n\ntwo\n"),
            &["line 2 is empty", "remove it"],
        );
        refused(of("newline", b"\n"), &["line 1 is empty"]);
        refused(
            of("latin", b"one\ntwo\nth\xe9\n"),
            &["line 3 is not UTF-8", "iconv"],
        );
        refused(Text::open("/no/such/file"), &["/no/such/file"]);

        let text = of("words", b"one\ntwo three\n").unwrap();
        let vocabulary = Vocabulary::of(Unit::Word, text.sentences(), 1).unwrap();
        let long = text.tokens(&vocabulary, 1, &cpu());
        refused(long, &["words: line 2 is 2 words long", "takes 1"]);
        let other = of("other", b"one\nfour\n").unwrap();
        refused(
            other.tokens(&vocabulary, 2, &cpu()),
            &["line 2", "word `four`"],
        );
    }

    #[test]
    fn grammar_has_the_entropy_that_it_says() {
        let log_probs = grammar::log_probs();
        let total: f64 = log_probs.values().map(|l| l.exp()).sum();
        assert!((total - 1.0).abs() < 1e-9, "{total}"); // also: no two ways to a sentence
        let drawn = grammar::draw(20_000, 7);
        let spent: Vec<f64> = drawn.iter().map(|sentence| -log_probs[sentence]).collect();
        let spent = burn_generative::metric::Estimate::of(&spent).unwrap();
        let apart = (spent.mean - grammar::entropy()).abs();
        assert!(
            apart < 4.0 * spent.standard_error,
            "{spent} {}",
            grammar::entropy()
        );

        let all: Vec<&String> = log_probs.keys().collect();
        let vocabulary = Vocabulary::of(Unit::Word, &all, 1).unwrap();
        let lengths = || all.iter().map(|sentence| Unit::Word.count(sentence));
        let range = (lengths().min(), lengths().max());
        assert_eq!((vocabulary.len(), range), (88, (Some(3), Some(8))));
        assert_eq!(grammar::draw(3, 7), drawn[..3]);
    }
}
