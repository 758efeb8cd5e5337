//! Coefficients of the polynomials that the kernels compute functions with, the highest power first.
//! From Cephes (Moshier), where the errors are given: all below one unit in the last place of an `f32`.

/// `(e^x - 1 - x) / x^2` on `[-ln(2)/2, ln(2)/2]`.
pub(crate) const EXP: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    5e-1,
];

/// `(ln(1 + x) - x + x^2 / 2) / x^3` on `[sqrt(1/2) - 1, sqrt(2) - 1]`.
pub(crate) const LN: [f32; 9] = [
    7.037_683_6e-2,
    -1.151_461e-1,
    1.167_699_9e-1,
    -1.242_014_1e-1,
    1.424_932_3e-1,
    -1.666_805_7e-1,
    2.000_071_5e-1,
    -2.499_999_4e-1,
    3.333_333e-1,
];

/// `(sin(x) / x - 1) / x^2` on `[-pi/4, pi/4]`, in powers of `x^2`.
pub(crate) const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];

/// `(cos(x) - 1 + x^2 / 2) / x^4` on `[-pi/4, pi/4]`, in powers of `x^2`.
pub(crate) const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];

/// `ln(2)` in two parts: the first has so few bits that its product with an exponent is exact.
pub(crate) const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// Half the width of the interval around 0 where the series of the exponential holds without reduction.
pub(crate) const EXP_NEAR: f32 = 0.34;

/// The float whose bits split a number into a mantissa in `[sqrt(1/2), sqrt(2))` and an exponent.
pub(crate) const SQRT_HALF_BITS: u32 = 0x3F35_04F3;
