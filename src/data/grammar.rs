//! Sentences of a grammar whose entropy is known: what a model of sentences can be measured by, since no code is shorter.
//!
//! A sentence is of one of four topics, which chooses its nouns and verbs, in the singular or the plural, which chooses its
//! articles and endings: so what is said late depends on what was said first. It has 3 to 8 words of 86.
//!
//! ```
//! use burn_generative::data::grammar;
//!
//! assert_eq!(grammar::draw(2, 42).len(), 2); // "some small boats cross the bay in autumn", say
//! let nats = grammar::entropy(); // of a sentence
//! assert!((8.5..9.5).contains(&nats));
//! ```

use rand::RngExt;
use std::collections::HashMap;

/// What belongs to a topic.
struct Topic {
    weight: f64,
    nouns: [&'static str; 4],
    /// Without the ending of the singular.
    verbs: [&'static str; 3],
    objects: [&'static str; 4],
}

const TOPICS: [Topic; 4] = [
    Topic {
        weight: 0.4,
        nouns: ["cat", "dog", "cow", "hen"],
        verbs: ["follow", "watch", "hear"],
        objects: ["farmer", "fence", "barn", "wolf"],
    },
    Topic {
        weight: 0.3,
        nouns: ["boat", "sailor", "ferry", "swimmer"],
        verbs: ["cross", "leave", "reach"],
        objects: ["bay", "island", "river", "harbour"],
    },
    Topic {
        weight: 0.2,
        nouns: ["cook", "guest", "baker", "waiter"],
        verbs: ["taste", "serve", "order"],
        objects: ["soup", "bread", "fish", "cake"],
    },
    Topic {
        weight: 0.1,
        nouns: ["singer", "band", "choir", "drummer"],
        verbs: ["play", "record", "rehearse"],
        objects: ["song", "march", "waltz", "hymn"],
    },
];

const ADJECTIVES: [&str; 4] = ["small", "grey", "quiet", "hungry"];
const TIMES: [&str; 4] = ["today", "at night", "in autumn", "every day"];

/// A sentence, each of whose choices is made by a function of the weights of what there is to choose from.
fn sentence(choose: &mut impl FnMut(&[f64]) -> usize) -> String {
    let topic = &TOPICS[choose(&TOPICS.map(|topic| topic.weight))];
    let is_plural = choose(&[0.5, 0.5]) == 1;
    let article = if is_plural { "some" } else { "a" };
    let mut words = vec![[article, "the"][choose(&[0.5, 0.5])].to_string()];
    if choose(&[0.5, 0.5]) == 1 {
        words.push(ADJECTIVES[choose(&[0.25; 4])].to_string());
    }
    let noun = topic.nouns[choose(&[0.4, 0.3, 0.2, 0.1])];
    words.push(match (noun, is_plural) {
        ("ferry", true) => "ferries".to_string(),
        (noun, true) => format!("{noun}s"),
        (noun, false) => noun.to_string(),
    });
    let verb = topic.verbs[choose(&[0.5, 0.25, 0.25])];
    words.push(match (verb, is_plural) {
        (verb, true) => verb.to_string(),
        ("watch" | "cross" | "reach", false) => format!("{verb}es"),
        (verb, false) => format!("{verb}s"),
    });
    if choose(&[0.3, 0.7]) == 1 {
        words.push("the".to_string());
        words.push(topic.objects[choose(&[0.25; 4])].to_string());
    }
    if choose(&[0.6, 0.4]) == 1 {
        words.push(TIMES[choose(&[0.25; 4])].to_string());
    }
    words.join(" ")
}

/// `count` sentences, each by its probability. Sentence `i` depends on `seed` and `i` alone.
pub fn draw(count: usize, seed: u64) -> Vec<String> {
    (0..count as u64)
        .map(|index| {
            let mut generator = super::generator(seed, index);
            sentence(&mut |weights| {
                let mut rest = generator.random::<f64>();
                let chosen = weights.iter().position(|weight| {
                    rest -= weight;
                    rest < 0.0
                });
                // Rounding may leave a little.
                chosen.unwrap_or(weights.len() - 1)
            })
        })
        .collect()
}

/// All sentences, and the logarithm of the probability of each, in nats.
pub fn log_probs() -> HashMap<String, f64> {
    let mut sentences = HashMap::new();
    // What was chosen, and of how many: the next sentence differs in the last choice that has something left.
    let mut choices: Vec<[usize; 2]> = Vec::new();
    loop {
        let (mut place, mut log_prob) = (0, 0.0);
        let text = sentence(&mut |weights| {
            if place == choices.len() {
                choices.push([0, weights.len()]);
            }
            let chosen = choices[place][0];
            place += 1;
            log_prob += weights[chosen].ln();
            chosen
        });
        sentences.insert(text, log_prob);
        while choices
            .pop_if(|[chosen, count]| *chosen + 1 == *count)
            .is_some()
        {}
        match choices.last_mut() {
            Some([chosen, _]) => *chosen += 1,
            None => return sentences,
        }
    }
}

/// The entropy of a sentence in nats: what no model's negative log-likelihood of new sentences is below, on average.
pub fn entropy() -> f64 {
    let log_probs = log_probs();
    log_probs.values().map(|l| -l * l.exp()).sum()
}
