//! Sprites whose factors are known, and scores of disentanglement on codes whose score is known.
#![cfg(feature = "data")]

mod common;

use burn_generative::Result;
use burn_generative::data::sprites;
use burn_generative::metric::Disentanglement;
use common::{assert_close, cpu, tensor, values};

#[track_caller]
fn message<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    }
}

/// All of 3 x 4 x 10 combinations, ten times.
fn factors() -> Vec<[usize; 3]> {
    (0..1200).map(|i| [i % 3, i / 3 % 4, i / 12 % 10]).collect()
}

/// Codes that are a function of the factors and the sample's index.
fn known<const N: usize>(code: impl Fn([f64; 3], usize) -> [f64; N]) -> Disentanglement {
    let factors = factors();
    let codes: Vec<f64> = factors
        .iter()
        .enumerate()
        .flat_map(|(i, factors)| code(factors.map(|value| value as f64), i))
        .collect();
    let codes = tensor::<2>([factors.len(), N], &cpu(), |i| codes[i]);
    Disentanglement::new(codes, &factors).unwrap()
}

/// Numbers that know nothing of the factors.
fn nothing(i: usize) -> f64 {
    (i as f64 * 0.754_877_666).fract() * 3.0
}

#[test]
fn factors_in_coordinates_of_their_own_have_full_scores() {
    // In another order, scaled, turned over, with coordinates that know nothing or do not vary.
    let codes = known(|[a, b, c], i| [0.5 * c, -a, nothing(i), 7.0, 3.0 * b + 1.0]);
    assert_close(
        codes.factor_vae_score(800, 64, 1).unwrap(),
        1.0,
        1e-9,
        "FactorVAE's",
    );
    // The coordinate that knows nothing seems to know a little, by chance.
    assert_close(codes.mutual_information_gap(), 1.0, 0.12, "MIG");
    assert_close(
        codes.separated_predictability(&[]).unwrap(),
        1.0,
        0.03,
        "SAP",
    );
    let clean = known(|[a, b, c], _| [0.5 * c, -a, 7.0, 3.0 * b + 1.0]);
    assert_close(
        clean.mutual_information_gap(),
        1.0,
        1e-9,
        "MIG without noise",
    );
    assert_close(
        clean.separated_predictability(&[]).unwrap(),
        1.0,
        1e-9,
        "SAP without noise",
    );
    // By thresholds the best guess from what knows nothing is right in one of as many as there are values.
    let gap = [2.0 / 3.0, 3.0 / 4.0, 9.0 / 10.0].iter().sum::<f64>() / 3.0;
    let score = clean.separated_predictability(&[0, 1, 2]).unwrap();
    assert_close(score, gap, 1e-9, "SAP of categories");
}

#[test]
fn a_factor_that_two_coordinates_know_has_no_gap() {
    let codes = known(|[a, b, c], _| [a, b, c, -2.0 * a, -2.0 * b, -2.0 * c]);
    assert_close(codes.mutual_information_gap(), 0.0, 1e-9, "MIG");
    assert_close(
        codes.separated_predictability(&[]).unwrap(),
        0.0,
        1e-9,
        "SAP",
    );
    // FactorVAE's score does not mind.
    assert_close(
        codes.factor_vae_score(800, 64, 1).unwrap(),
        1.0,
        1e-9,
        "FactorVAE's",
    );
    // Two of three factors in one coordinate each, the third in two.
    let codes = known(|[a, b, c], _| [a, b, c, 3.0 * c]);
    assert_close(
        codes.mutual_information_gap(),
        2.0 / 3.0,
        1e-9,
        "MIG of two",
    );
}

#[test]
fn factors_that_are_mixed_have_low_scores() {
    // Every coordinate is a sum that all factors have a part in.
    let codes = known(|[a, b, c], _| {
        let [a, b, c] = [a - 1.0, (b - 1.5) / 1.37, (c - 4.5) / 3.52];
        [a + b + c, a - b + c, a + b - c]
    });
    assert!(codes.mutual_information_gap() < 0.1);
    assert!(codes.separated_predictability(&[]).unwrap() < 0.1);
    // The vote is of chance, but for what rounding prefers.
    let score = codes.factor_vae_score(800, 64, 1).unwrap();
    assert!((0.2..0.7).contains(&score), "{score}");
    // Codes that know nothing at all.
    let codes = known(|_, i| [nothing(i), nothing(7 * i + 3), nothing(11 * i + 5)]);
    assert!(codes.mutual_information_gap() < 0.05);
    assert!(codes.separated_predictability(&[]).unwrap() < 0.02);
    let score = codes.factor_vae_score(3000, 64, 1).unwrap();
    assert!((0.25..0.45).contains(&score), "{score}");
}

/// One coordinate that is the sum of two factors of two values: by hand.
#[test]
fn a_gap_by_hand() {
    let factors: Vec<[usize; 2]> = (0..400).map(|i| [i % 2, i / 2 % 2]).collect();
    let codes = tensor::<2>([400, 2], &cpu(), |i| {
        let [a, b] = factors[i / 2];
        [(a + b) as f64, a as f64][i % 2]
    });
    let score = Disentanglement::new(codes, &factors).unwrap();
    // The sum has H = 3/2 ln 2 and, given one of its factors, ln 2: it knows 1/2 ln 2 of each; the copy all of the first.
    assert_close(
        score.mutual_information_gap(),
        (0.5 + 0.5) / 2.0,
        1e-9,
        "MIG",
    );
    // The squared correlation of the sum with either is 1/2.
    assert_close(
        score.separated_predictability(&[]).unwrap(),
        0.5,
        1e-9,
        "SAP",
    );
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let codes = |rows: usize| tensor::<2>([rows, 2], &cpu(), |i| i as f64);
    let few = message(Disentanglement::new(codes(3), &factors()));
    assert!(
        few.contains("[3, 2] do not belong to 1200 samples"),
        "{few}"
    );
    let same = message(Disentanglement::new(codes(3), &[[0, 5], [1, 5], [2, 5]]));
    assert!(
        same.contains("factor 1 is the same in all samples"),
        "{same}"
    );
    assert!(Disentanglement::new(codes(0), &[] as &[[usize; 2]]).is_err());
    let poisoned = tensor::<2>([2, 1], &cpu(), |i| [1.0, f64::NAN][i]);
    assert!(message(Disentanglement::new(poisoned, &[[0], [1]])).contains("NaN"));
    let fine = known(|[a, b, c], _| [a, b, c]);
    assert!(message(fine.factor_vae_score(0, 64, 1)).contains("votes"));
    assert!(message(fine.factor_vae_score(10, 1, 1)).contains("at least 2 samples"));
    assert!(message(fine.separated_predictability(&[3])).contains("no factor 3"));
    let still = known(|_, _| [1.0]);
    assert!(message(still.factor_vae_score(10, 10, 1)).contains("no coordinate"));
}

// ---- sprites

/// The ink of an image and its centre, in shares of the side.
fn ink(factors: [usize; 5], side: usize) -> [f64; 3] {
    let image = values(sprites::images(&[factors], side, &cpu()).unwrap());
    let all: f64 = image.iter().sum();
    let moment = |axis: fn(usize, usize) -> usize| {
        let weighed = image
            .iter()
            .enumerate()
            .map(|(i, ink)| ink * (axis(i, side) as f64 + 0.5));
        weighed.sum::<f64>() / all / side as f64
    };
    let (x, y) = (moment(|i, side| i % side), moment(|i, side| i / side));
    [all / (side * side) as f64, x, y]
}

#[test]
fn a_sprite_is_what_its_factors_say() {
    for side in [16, 32, 64] {
        // The edges of a shape fall on subpixels, of which there are four in a pixel.
        let rough = 1.6 / side as f64;
        for shape in 0..3 {
            // Moved by as many steps it is as far to the right, and as far down.
            let [area, left, top] = ink([shape, 3, 7, 0, 0], side);
            let [same, right, bottom] = ink([shape, 3, 7, 31, 31], side);
            assert_close(same, area, 0.01, "the area");
            assert_close(right - left, 0.5, 0.01, "to the right");
            assert_close(bottom - top, 0.5, 0.01, "down");
            // Twice as large, and four times the area; turned by a quarter, the same.
            let area = |size: usize, angle: usize| ink([shape, size, angle, 16, 16], side)[0];
            assert_close(area(5, 0) / area(0, 0), 4.0, 2.0 * rough, "the size");
            assert_close(area(5, 10) / area(5, 0), 1.0, rough, "the angle");
            // The largest, wherever it is and however turned, is whole.
            let whole = area(5, 0);
            for angle in 0..40 {
                for corner in [[0, 0], [31, 0], [0, 31], [31, 31]] {
                    let [area, ..] = ink([shape, 5, angle, corner[0], corner[1]], side);
                    assert_close(area / whole, 1.0, rough, "at the edge");
                }
            }
        }
        // A square's area is known: its side 1.4 radii, and those a quarter of the image.
        let [area, ..] = ink([0, 5, 0, 10, 10], side);
        assert_close(area / (1.4f64 * 0.25).powi(2), 1.0, rough, "a square");
        let [area, ..] = ink([1, 5, 3, 10, 10], side);
        let ellipse = std::f64::consts::PI * 0.25 * 0.125;
        assert_close(area / ellipse, 1.0, rough, "an ellipse");
    }
}

#[test]
fn factors_are_drawn_evenly_and_from_the_seed() {
    let drawn = sprites::draw(12_000, 5);
    assert_eq!(drawn[..100], sprites::draw(100, 5));
    assert_ne!(drawn[..100], sprites::draw(100, 6));
    for (factor, count) in sprites::COUNTS.into_iter().enumerate() {
        for value in 0..count {
            let share = drawn
                .iter()
                .filter(|factors| factors[factor] == value)
                .count() as f64;
            let want = 12_000.0 / count as f64;
            assert!(
                (share - want).abs() < 5.0 * want.sqrt(),
                "{factor} {value}: {share}"
            );
        }
    }
    assert_eq!(sprites::COUNTS.iter().product::<usize>(), 737_280);
}

#[test]
fn a_sprite_that_is_none_is_refused() {
    let refused = message(sprites::images(&[[0; 5], [0, 0, 40, 0, 0]], 16, &cpu()));
    assert!(
        refused.contains("sprite 1 has the angle 40, but there are 40"),
        "{refused}"
    );
    assert!(message(sprites::images(&[[0; 5]], 7, &cpu())).contains("a side of 7 pixels"));
    let none = sprites::images(&[], 16, &cpu()).unwrap();
    assert_eq!(none.dims(), [0, 1, 16, 16]);
}
