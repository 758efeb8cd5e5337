//! The operations, each as a function of one element. The formulas: docs/maths.md.

use super::{
    Pointwise,
    math::{exp, exp_excess, exp_m1, ln, sigmoid, softplus_tail, tanh},
};
use crate::kernel::{adam::AdamStep, reference::LN_2PI};

/// `mean + e^(log_var / 2) noise`.
#[derive(Clone, Copy)]
pub(crate) struct Reparameterize;

impl Pointwise<3, 1> for Reparameterize {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [mean, log_var, noise]: [f32; 3]) -> [f32; 1] {
        [mean + exp::<FMA>(0.5 * log_var) * noise]
    }
}

/// The gradient of the log-variance from the gradient of the sample `z`: `gradient (z - mean) / 2`.
#[derive(Clone, Copy)]
pub(crate) struct ReparameterizeGrad;

impl Pointwise<3, 1> for ReparameterizeGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [gradient, z, mean]: [f32; 3]) -> [f32; 1] {
        [gradient * (0.5 * (z - mean))]
    }
}

/// `(mean^2 + e^log_var - 1 - log_var) / 2`.
#[derive(Clone, Copy)]
pub(crate) struct GaussianKl;

impl Pointwise<2, 1> for GaussianKl {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [mean, log_var]: [f32; 2]) -> [f32; 1] {
        [0.5 * (mean * mean + exp_excess::<FMA>(log_var))]
    }
}

/// Its gradients: of the mean and of the log-variance.
#[derive(Clone, Copy)]
pub(crate) struct GaussianKlGrad;

impl Pointwise<2, 2> for GaussianKlGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, gradient: f32, [mean, log_var]: [f32; 2]) -> [f32; 2] {
        [gradient * mean, gradient * (0.5 * exp_m1::<FMA>(log_var))]
    }
}

/// `(e^r - 1 - r + (mean_q - mean_p)^2 e^-log_var_p) / 2` with `r = log_var_q - log_var_p`.
#[derive(Clone, Copy)]
pub(crate) struct GaussianKlBetween;

impl Pointwise<4, 1> for GaussianKlBetween {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, inputs: [f32; 4]) -> [f32; 1] {
        let [mean_q, log_var_q, mean_p, log_var_p] = inputs;
        let log_ratio = log_var_q - log_var_p;
        let distance = (mean_q - mean_p) * exp::<FMA>(-0.5 * log_var_p);
        [0.5 * (exp_excess::<FMA>(log_ratio) + distance * distance)]
    }
}

/// Its gradients: of both arguments of `q`, then of `p`.
#[derive(Clone, Copy)]
pub(crate) struct GaussianKlBetweenGrad;

impl Pointwise<4, 4> for GaussianKlBetweenGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, gradient: f32, inputs: [f32; 4]) -> [f32; 4] {
        let [mean_q, log_var_q, mean_p, log_var_p] = inputs;
        let excess = exp_m1::<FMA>(log_var_q - log_var_p);
        let precision = exp::<FMA>(-0.5 * log_var_p);
        let distance = (mean_q - mean_p) * precision;
        let slope = distance * precision;
        [
            gradient * slope,
            gradient * (0.5 * excess),
            gradient * -slope,
            gradient * (-0.5 * (excess + distance * distance)),
        ]
    }
}

/// `ln(1 + e^logit) - logit target`.
#[derive(Clone, Copy)]
pub(crate) struct BernoulliNll;

impl Pointwise<2, 1> for BernoulliNll {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [logit, target]: [f32; 2]) -> [f32; 1] {
        // The large parts first, which cancel exactly where the target is sure.
        let positive = if logit > 0.0 { logit } else { 0.0 };
        [(positive - logit * target) + softplus_tail::<FMA>(logit)]
    }
}

/// Its gradient of the logit.
#[derive(Clone, Copy)]
pub(crate) struct BernoulliNllGrad;

impl Pointwise<2, 1> for BernoulliNllGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, gradient: f32, [logit, target]: [f32; 2]) -> [f32; 1] {
        [gradient * (sigmoid::<FMA>(logit) - target)]
    }
}

/// `(ln(2 pi) + log_var + (target - mean)^2 e^-log_var) / 2`.
#[derive(Clone, Copy)]
pub(crate) struct GaussianNll;

impl Pointwise<3, 1> for GaussianNll {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [mean, target, log_var]: [f32; 3]) -> [f32; 1] {
        let distance = (target - mean) * exp::<FMA>(-0.5 * log_var);
        [0.5 * (distance * distance + (log_var + LN_2PI as f32))]
    }
}

/// Its gradients: of the mean and of the log-variance.
#[derive(Clone, Copy)]
pub(crate) struct GaussianNllGrad;

impl Pointwise<3, 2> for GaussianNllGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, gradient: f32, [mean, target, log_var]: [f32; 3]) -> [f32; 2] {
        let precision = exp::<FMA>(-0.5 * log_var);
        let distance = (mean - target) * precision;
        let slope = distance * precision;
        [
            gradient * slope,
            gradient * (0.5 * (1.0 - distance * distance)),
        ]
    }
}

/// `(mean - target)^2`.
#[derive(Clone, Copy)]
pub(crate) struct SquaredError;

impl Pointwise<2, 1> for SquaredError {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [mean, target]: [f32; 2]) -> [f32; 1] {
        let distance = mean - target;
        [distance * distance]
    }
}

/// Its gradient of the mean.
#[derive(Clone, Copy)]
pub(crate) struct SquaredErrorGrad;

impl Pointwise<2, 1> for SquaredErrorGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, gradient: f32, [mean, target]: [f32; 2]) -> [f32; 1] {
        [gradient * (2.0 * (mean - target))]
    }
}

/// `x`, or `e^x - 1` where it is not positive.
#[derive(Clone, Copy)]
pub(crate) struct Elu;

impl Pointwise<1, 1> for Elu {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [x]: [f32; 1]) -> [f32; 1] {
        [if x > 0.0 { x } else { exp_m1::<FMA>(x) }]
    }
}

/// Its gradient, from that of the output.
#[derive(Clone, Copy)]
pub(crate) struct EluGrad;

impl Pointwise<2, 1> for EluGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [gradient, x]: [f32; 2]) -> [f32; 1] {
        [gradient * if x > 0.0 { 1.0 } else { exp::<FMA>(x) }]
    }
}

/// `1 / (1 + e^-x)`.
#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;

impl Pointwise<1, 1> for Sigmoid {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [x]: [f32; 1]) -> [f32; 1] {
        [sigmoid::<FMA>(x)]
    }
}

/// Its gradient, from that of the output.
#[derive(Clone, Copy)]
pub(crate) struct SigmoidGrad;

impl Pointwise<2, 1> for SigmoidGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [gradient, x]: [f32; 2]) -> [f32; 1] {
        let share = sigmoid::<FMA>(x);
        [gradient * share * (1.0 - share)]
    }
}

/// See [`log_interval`](crate::kernel::log_interval).
#[derive(Clone, Copy)]
pub(crate) struct LogInterval;

impl Pointwise<4, 1> for LogInterval {
    #[inline(always)]
    fn apply<const FMA: bool>(
        self,
        _: f32,
        [distance, half, inverse_scale, edge]: [f32; 4],
    ) -> [f32; 1] {
        let log_sigmoid = |x: f32| x.min(0.0) - softplus_tail::<FMA>(x);
        let upper = log_sigmoid((distance + half) * inverse_scale);
        let lower = log_sigmoid((half - distance) * inverse_scale);
        let width = ln::<FMA>(-exp_m1::<FMA>(-2.0 * half * inverse_scale));
        let upper = if edge >= 2.0 { 0.0 } else { upper };
        let lower = if edge == 1.0 || edge == 3.0 {
            0.0
        } else {
            lower
        };
        [upper + lower + if edge == 0.0 { width } else { 0.0 }]
    }
}

/// Its gradients, of the distance and of the inverse scale.
#[derive(Clone, Copy)]
pub(crate) struct LogIntervalGrad;

impl Pointwise<5, 2> for LogIntervalGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(
        self,
        _: f32,
        [gradient, distance, half, inverse_scale, edge]: [f32; 5],
    ) -> [f32; 2] {
        let [to_upper, to_lower] = [distance + half, half - distance];
        let upper = sigmoid::<FMA>(-to_upper * inverse_scale);
        let lower = sigmoid::<FMA>(-to_lower * inverse_scale);
        let upper = if edge >= 2.0 { 0.0 } else { upper };
        let lower = if edge == 1.0 || edge == 3.0 {
            0.0
        } else {
            lower
        };
        // Of `ln(1 - e^-2w)`: `2 e^-2w / (1 - e^-2w)`.
        let missing = exp_m1::<FMA>(-2.0 * half * inverse_scale);
        let width = 2.0 * half * (1.0 + missing) / -missing;
        let width = if edge == 0.0 { width } else { 0.0 };
        let of_inverse_scale = upper * to_upper + lower * to_lower + width;
        [
            gradient * (upper - lower) * inverse_scale,
            gradient * of_inverse_scale,
        ]
    }
}

/// `bound tanh(x / bound)`.
#[derive(Clone, Copy)]
pub(crate) struct SoftClamp(pub(crate) f32);

impl Pointwise<1, 1> for SoftClamp {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [x]: [f32; 1]) -> [f32; 1] {
        [self.0 * tanh::<FMA>(x / self.0)]
    }
}

/// Its gradient, from that of the output.
#[derive(Clone, Copy)]
pub(crate) struct SoftClampGrad(pub(crate) f32);

impl Pointwise<2, 1> for SoftClampGrad {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [gradient, x]: [f32; 2]) -> [f32; 1] {
        let share = tanh::<FMA>(x / self.0);
        [gradient * (1.0 - share * share)]
    }
}

/// `x + share scale y`, with the row's scale in the place of a gradient.
#[derive(Clone, Copy)]
pub(crate) struct AddScaled(pub(crate) f32);

impl Pointwise<2, 1> for AddScaled {
    #[inline(always)]
    fn apply<const FMA: bool>(self, scale: f32, [x, y]: [f32; 2]) -> [f32; 1] {
        [x + self.0 * scale * y]
    }
}

/// A share of `x`, times the row's number.
#[derive(Clone, Copy)]
pub(crate) struct Scaled(pub(crate) f32);

impl Pointwise<1, 1> for Scaled {
    #[inline(always)]
    fn apply<const FMA: bool>(self, scale: f32, [x]: [f32; 1]) -> [f32; 1] {
        [self.0 * scale * x]
    }
}

/// A share of a product.
#[derive(Clone, Copy)]
pub(crate) struct Product(pub(crate) f32);

impl Pointwise<2, 1> for Product {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, [x, y]: [f32; 2]) -> [f32; 1] {
        [self.0 * x * y]
    }
}

impl Pointwise<4, 3> for AdamStep {
    #[inline(always)]
    fn apply<const FMA: bool>(self, _: f32, inputs: [f32; 4]) -> [f32; 3] {
        let [parameter, gradient, moment_1, moment_2] = inputs;
        let gradient = gradient + self.l2 * parameter;
        let moment_1 = self.beta_1 * moment_1 + (1.0 - self.beta_1) * gradient;
        let moment_2 = self.beta_2 * moment_2 + (1.0 - self.beta_2) * (gradient * gradient);
        let delta = self.rate * moment_1 / (moment_2.sqrt() + self.epsilon);
        [self.keep * parameter - delta, moment_1, moment_2]
    }
}
