//! Exponential and logarithm without branches or calls, so that a loop over them becomes vector code.
//!
//! `FMA` says whether the code is compiled for a processor with fused multiply-add: there `mul_add` is one
//! instruction, elsewhere a call into libm.

use crate::kernel::series::{EXP, EXP_NEAR, LN, LN_2, SQRT_HALF_BITS};

/// `a * b + c`.
#[inline(always)]
pub(super) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Adding it rounds a small number to the nearest integer, and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `e^x`, within 2 units in the last place; infinity where it overflows, and 0 below the normal numbers.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    exp_and_tail::<FMA>(x).0
}

/// `e^x - 1`, exact near 0.
#[inline(always)]
pub(crate) fn exp_m1<const FMA: bool>(x: f32) -> f32 {
    let (exp, tail) = exp_and_tail::<FMA>(x);
    if x.abs() < EXP_NEAR {
        tail + x
    } else {
        exp - 1.0
    }
}

/// `e^x - 1 - x`, exact near 0, and never negative.
#[inline(always)]
pub(crate) fn exp_excess<const FMA: bool>(x: f32) -> f32 {
    let (exp, tail) = exp_and_tail::<FMA>(x);
    if x.abs() < EXP_NEAR {
        tail
    } else {
        exp - 1.0 - x
    }
}

/// `e^x`, and `e^r - 1 - r` for what is left of `x` in `[-ln(2)/2, ln(2)/2]`, which near 0 is `x` itself.
#[inline(always)]
fn exp_and_tail<const FMA: bool>(x: f32) -> (f32, f32) {
    let shifted = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let rest = fma::<FMA>(whole, -LN_2[0], x);
    let rest = fma::<FMA>(whole, -LN_2[1], rest);
    let mut series = EXP[0];
    for coefficient in &EXP[1..] {
        series = fma::<FMA>(series, rest, *coefficient);
    }
    let tail = series * rest * rest;
    // Times 2^whole: the integer that rounding left in the low bits, added to the exponent.
    let fraction = tail + rest + 1.0;
    let exp = f32::from_bits(fraction.to_bits().wrapping_add(shifted.to_bits() << 23));
    let exp = if x > -87.336_54 { exp } else { 0.0 };
    // A NaN fails both comparisons, and comes out of the sum.
    let exp = if x < 88.722_84 {
        exp
    } else {
        x + f32::INFINITY
    };
    (exp, tail)
}

/// `ln(1 + x)` for `x` in `[0, 1]`, within 2 units in the last place.
#[inline(always)]
pub(crate) fn ln_1p<const FMA: bool>(x: f32) -> f32 {
    // 1 + x, or half of it, in [sqrt(1/2), sqrt(2)].
    let halve = x > std::f32::consts::SQRT_2 - 1.0;
    let rest = if halve { fma::<FMA>(x, 0.5, -0.5) } else { x };
    let offset = if halve { std::f32::consts::LN_2 } else { 0.0 };
    let mut series = LN[0];
    for coefficient in &LN[1..] {
        series = fma::<FMA>(series, rest, *coefficient);
    }
    let square = rest * rest;
    let tail = fma::<FMA>(series, rest * square, -0.5 * square);
    rest + tail + offset
}

/// `ln(x)` of a normal number, within 2 units in the last place (of 1, near 1).
#[inline(always)]
pub(crate) fn ln<const FMA: bool>(x: f32) -> f32 {
    // The mantissa in [sqrt(1/2), sqrt(2)) and its exponent.
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = ((shifted as i32) >> 23) as f32;
    let mantissa = f32::from_bits((shifted & 0x007F_FFFF).wrapping_add(SQRT_HALF_BITS));
    let rest = mantissa - 1.0;
    let mut series = LN[0];
    for coefficient in &LN[1..] {
        series = fma::<FMA>(series, rest, *coefficient);
    }
    let square = rest * rest;
    let tail = fma::<FMA>(series, rest * square, -0.5 * square);
    let ln = fma::<FMA>(
        exponent,
        LN_2[0],
        rest + fma::<FMA>(exponent, LN_2[1], tail),
    );
    // Of 0 minus infinity; of negative numbers, and of NaN, which is neither, NaN.
    let at_end = if x == 0.0 {
        f32::NEG_INFINITY
    } else {
        f32::NAN
    };
    let ln = if x > 0.0 { ln } else { at_end };
    if x < f32::INFINITY { ln } else { x }
}

/// `tanh(x)`.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let decay = exp_m1::<FMA>(-2.0 * x.abs());
    (-decay / (2.0 + decay)).copysign(x)
}

/// `ln(1 + e^-|x|)`: what softplus has beyond `max(x, 0)`.
#[inline(always)]
pub(crate) fn softplus_tail<const FMA: bool>(x: f32) -> f32 {
    ln_1p::<FMA>(exp::<FMA>(-x.abs()))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let small = exp::<FMA>(-x.abs());
    (if x >= 0.0 { 1.0 } else { small }) / (1.0 + small)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest error in units in the last place, over a grid that includes both ends.
    fn worst(
        range: std::ops::RangeInclusive<f32>,
        ours: impl Fn(f32) -> f32,
        exact: impl Fn(f64) -> f64,
    ) -> f64 {
        const STEPS: usize = 1_000_000;
        (0..=STEPS)
            .map(|i| {
                let x = range.start() + (range.end() - range.start()) * i as f32 / STEPS as f32;
                let exact = exact(f64::from(x));
                let unit = (exact as f32).abs().max(f32::MIN_POSITIVE);
                let unit = f64::from(f32::from_bits(unit.to_bits() + 1) - unit);
                (f64::from(ours(x)) - exact).abs() / unit
            })
            .fold(0.0, f64::max)
    }

    fn each_is_as_exact_as_it_says<const FMA: bool>() {
        // A difference of two numbers near 1 costs exp_m1 what exp has rounded.
        let checks = [
            ("exp", 2.0, worst(-87.0..=88.7, exp::<FMA>, f64::exp)),
            (
                "exp_m1",
                4.0,
                worst(-87.0..=88.7, exp_m1::<FMA>, f64::exp_m1),
            ),
            (
                "exp_m1 near 0",
                4.0,
                worst(-0.5..=0.5, exp_m1::<FMA>, f64::exp_m1),
            ),
            ("ln_1p", 2.0, worst(0.0..=1.0, ln_1p::<FMA>, f64::ln_1p)),
            ("ln", 2.0, worst(1e-6..=0.7, ln::<FMA>, f64::ln)),
            ("ln, large", 2.0, worst(1.5..=1e6, ln::<FMA>, f64::ln)),
            ("tanh", 5.0, worst(-20.0..=20.0, tanh::<FMA>, f64::tanh)),
            (
                "softplus_tail",
                3.0,
                worst(-80.0..=80.0, softplus_tail::<FMA>, |x| {
                    (-x.abs()).exp().ln_1p()
                }),
            ),
            (
                "sigmoid",
                3.0,
                worst(-80.0..=80.0, sigmoid::<FMA>, |x| 1.0 / (1.0 + (-x).exp())),
            ),
        ];
        for (name, units, error) in checks {
            assert!(
                error <= units,
                "{name} with FMA {FMA}: {error} units in the last place"
            );
        }
    }

    #[test]
    fn functions_are_as_exact_as_they_say() {
        each_is_as_exact_as_it_says::<false>();
        each_is_as_exact_as_it_says::<true>();
    }

    /// `e^x - 1 - x` from its series, which a subtraction of numbers near 1 cannot give.
    #[test]
    fn excess_of_the_exponential_is_exact_near_zero_and_never_negative() {
        for i in -1000..=1000 {
            let x = i as f32 * 1e-3;
            let exact: f64 = (2..20)
                .rev()
                .fold(0.0, |sum, n| (sum + 1.0) * f64::from(x) / f64::from(n))
                * f64::from(x);
            let ours = f64::from(exp_excess::<true>(x));
            assert!((ours - exact).abs() <= 4e-6 * exact, "{x}: {ours}, {exact}");
            assert!(ours >= 0.0, "{x}: {ours}");
        }
    }

    #[test]
    fn functions_keep_their_limits() {
        assert_eq!(exp::<true>(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp::<true>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<true>(100.0), f32::INFINITY);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(exp::<true>(-100.0), 0.0);
        assert!(exp::<true>(f32::from_bits(0x7FFF_FFFF)).is_nan(), "any NaN");
        assert!(exp::<true>(f32::NAN).is_nan());
        assert!(exp::<true>(-f32::NAN).is_nan());
        assert!(exp_m1::<true>(f32::NAN).is_nan());
        assert!(exp_excess::<true>(f32::NAN).is_nan());
        assert_eq!(ln::<true>(1.0), 0.0);
        assert_eq!(ln::<true>(0.0), f32::NEG_INFINITY);
        assert_eq!(ln::<true>(f32::INFINITY), f32::INFINITY);
        assert!(ln::<true>(-1.0).is_nan());
        assert!(ln::<true>(f32::NAN).is_nan());
        assert_eq!(tanh::<true>(f32::INFINITY), 1.0);
        assert_eq!(tanh::<true>(f32::NEG_INFINITY), -1.0);
        assert!(tanh::<true>(f32::NAN).is_nan());
        assert_eq!(softplus_tail::<true>(f32::INFINITY), 0.0);
        assert_eq!(softplus_tail::<true>(f32::NEG_INFINITY), 0.0);
        assert!(softplus_tail::<true>(f32::NAN).is_nan());
        assert_eq!(sigmoid::<true>(f32::INFINITY), 1.0);
        assert_eq!(sigmoid::<true>(f32::NEG_INFINITY), 0.0);
        assert!(sigmoid::<true>(f32::NAN).is_nan());
    }
}
