//! The counter-based generator behind [`reparameterize_seeded`](super::reparameterize_seeded).
//!
//! Element `i` of a tensor takes word `i % 4` of Philox4x32-10 (Salmon et al. 2011, "Parallel random
//! numbers: as easy as 1, 2, 3") under the key `seed` and the counter `i / 4`; two words make two normal
//! numbers (Box & Muller 1958). So a number depends on the seed and on the element's index alone: not on
//! the backend, the number of threads or the order of the work.
//!
//! The logarithm, sine and cosine are spelled out as polynomials: a GPU's own are coarse (WGSL promises
//! eleven bits of a sine), and the noise is to be the same everywhere.

use super::series::{COS, LN, LN_2, SIN, SQRT_HALF_BITS};

/// Words that one counter yields.
pub(crate) const WORDS: usize = 4;

/// Rounds of the generator.
pub(crate) const ROUNDS: usize = 10;

/// Multipliers of the two halves of a round.
pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// What a round adds to the key.
pub(crate) const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Both halves of a 64-bit number, the low one first.
pub(crate) fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// Philox4x32-10.
#[inline(always)]
pub(crate) fn philox(mut counter: [u32; WORDS], mut key: [u32; 2]) -> [u32; WORDS] {
    for round in 0..ROUNDS {
        if round > 0 {
            key[0] = key[0].wrapping_add(KEY_STEPS[0]);
            key[1] = key[1].wrapping_add(KEY_STEPS[1]);
        }
        let a = u64::from(counter[0]) * u64::from(MULTIPLIERS[0]);
        let b = u64::from(counter[2]) * u64::from(MULTIPLIERS[1]);
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
    }
    counter
}

/// Two words to two independent standard normal numbers.
///
/// The radius is `sqrt(-2 ln u)` with `u = (word + 1) / 2^32` in `(0, 1]`, so at most 6.66; the angle is
/// the other word as a fraction of the circle, reduced to an octant in integers, hence exactly.
#[inline(always)]
pub(crate) fn box_muller(words: [u32; 2]) -> [f32; 2] {
    let radius = (-2.0 * ln_of_fraction(words[0])).sqrt();

    // The nearest quarter of the circle, and what is left, in [-1/8, 1/8) of it.
    let turned = words[1].wrapping_add(1 << 29);
    let quarter = turned >> 30;
    let rest = ((turned & 0x3FFF_FFFF) as i32).wrapping_sub(1 << 29);
    let x = rest as f32 * (std::f32::consts::TAU / 4_294_967_296.0);
    let square = x * x;
    let sin = ((SIN[0] * square + SIN[1]) * square + SIN[2]) * square * x + x;
    let cos = ((COS[0] * square + COS[1]) * square + COS[2]) * square * square - 0.5 * square + 1.0;

    let odd = quarter & 1 == 1;
    let (near, far) = (if odd { sin } else { cos }, if odd { cos } else { sin });
    // cos(x + k pi/2) and sin(x + k pi/2).
    let cos_sign = if quarter == 1 || quarter == 2 {
        -1.0
    } else {
        1.0
    };
    let sin_sign = if quarter >= 2 { -1.0 } else { 1.0 };
    [radius * (cos_sign * near), radius * (sin_sign * far)]
}

/// `ln((word + 1) / 2^32)`.
#[inline(always)]
fn ln_of_fraction(word: u32) -> f32 {
    // In [1, 2^32], rounded to 24 bits; the largest word rounds to 2^32 itself.
    let number = word as f32 + 1.0;
    let bits = number.to_bits();
    // The mantissa in [sqrt(1/2), sqrt(2)) and its exponent.
    let shifted = bits.wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i32) >> 23;
    let x = f32::from_bits((shifted & 0x007F_FFFF).wrapping_add(SQRT_HALF_BITS)) - 1.0;
    let mut series = LN[0];
    for coefficient in &LN[1..] {
        series = series * x + coefficient;
    }
    let exponent = exponent.wrapping_sub(32) as f32;
    let square = x * x;
    let tail = series * x * square + exponent * LN_2[1] - 0.5 * square;
    x + tail + exponent * LN_2[0]
}

/// The standard normal numbers of the elements from `4 * group` on, four for each group.
#[inline(always)]
pub(crate) fn normal_group(seed: u64, group: u64) -> [f32; WORDS] {
    let [low, high] = halves(group);
    let words = philox([low, high, 0, 0], halves(seed));
    let [a, b] = box_muller([words[0], words[1]]);
    let [c, d] = box_muller([words[2], words[3]]);
    [a, b, c, d]
}

/// The first `len` standard normal numbers of a seed.
pub(crate) fn normal(seed: u64, len: usize) -> Vec<f32> {
    let groups = len.div_ceil(WORDS) as u64;
    let mut numbers: Vec<f32> = (0..groups)
        .flat_map(|group| normal_group(seed, group))
        .collect();
    numbers.truncate(len);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with Random123.
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]
        );
        assert_eq!(
            philox(
                [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
                [0xA409_3822, 0x299F_31D0]
            ),
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1]
        );
    }

    /// Against the same formula in f64, over words that cover every octant and both ends.
    #[test]
    fn box_muller_is_the_formula() {
        let ends = [0, 1, 2, 1 << 29, 1 << 30, 1 << 31, u32::MAX - 1, u32::MAX];
        let words = |i: u64| halves(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let pairs = ends
            .iter()
            .flat_map(|&a| ends.iter().map(move |&b| [a, b]))
            .chain((0..100_000).map(words));
        for pair in pairs {
            let radius = (-2.0 * ((f64::from(pair[0]) + 1.0) / 4_294_967_296.0).ln()).sqrt();
            let angle = f64::from(pair[1]) / 4_294_967_296.0 * std::f64::consts::TAU;
            let [cos, sin] = box_muller(pair);
            // Words near the top are rounded to 24 bits before the logarithm: an error of 2^-25 in u,
            // which is one of sqrt(2^-25) in a radius that is itself near 0.
            let bound = 1e-6 + 6e-8 / radius.max(1.7e-4);
            assert!(
                (f64::from(cos) - radius * angle.cos()).abs() < bound,
                "{pair:?}: {cos}"
            );
            assert!(
                (f64::from(sin) - radius * angle.sin()).abs() < bound,
                "{pair:?}: {sin}"
            );
        }
    }
}
