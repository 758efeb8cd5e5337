//! Normalisation by groups of channels: the numbers of a group lie side by side, and a thread has a group at a time.

use super::{
    Shared,
    math::sigmoid,
    share,
    simd::{self, Job, Vector},
};
use crate::kernel::norm::Norm;
use std::ops::Range;

/// Numbers that are summed before the sum goes over to `f64`; they stay in the first-level cache.
const PIECE: usize = 1024;

/// Sums that are carried side by side: the widest vector.
const LANES: usize = 16;

/// Passes over an element that a normalisation is worth, for [`share`].
const WORK: usize = 4;

/// How numbers are divided into groups, and groups into channels.
#[derive(Clone, Copy)]
struct Plan {
    norm: Norm,
    /// Groups of all rows.
    count: usize,
    /// Channels of a group.
    channels: usize,
    /// Numbers of a channel.
    pixels: usize,
}

impl Plan {
    fn new(norm: Norm, rows: usize, len: usize) -> Self {
        let plan = Self {
            norm,
            count: rows * norm.groups,
            channels: norm.channels / norm.groups,
            pixels: len / (rows * norm.channels).max(1),
        };
        assert_eq!(len, plan.count * plan.channels * plan.pixels);
        plan
    }

    /// Where the channels of a group begin among those of its row.
    fn first(self, group: usize) -> usize {
        group % self.norm.groups * self.channels
    }
}

/// The rows of `x`, normalised.
pub(super) fn apply(x: &[f32], weight: &[f32], bias: &[f32], norm: Norm, rows: usize) -> Vec<f32> {
    let plan = Plan::new(norm, rows, x.len());
    let mut output: Vec<f32> = Vec::with_capacity(x.len());
    let shared = Shared(output.as_mut_ptr());
    share(plan.count, WORK * x.len(), |groups| {
        simd::dispatch(Apply {
            plan,
            groups,
            x,
            weight,
            bias,
            output: shared,
        });
    });
    // SAFETY: the groups cover the rows, and each wrote its own.
    unsafe { output.set_len(x.len()) };
    output
}

/// The gradients of `x`, of the weight and of the bias, from that of the output.
pub(super) fn gradients(
    gradient: &[f32],
    [x, weight, bias]: [&[f32]; 3],
    norm: Norm,
    rows: usize,
) -> [Vec<f32>; 3] {
    let plan = Plan::new(norm, rows, x.len());
    assert_eq!(gradient.len(), x.len());
    let mut of_x: Vec<f32> = Vec::with_capacity(x.len());
    // Of each row alone, as threads share no sum.
    let mut of_channels = vec![[0.0; 2]; rows * norm.channels];
    let shared = Shared(of_x.as_mut_ptr());
    let sums = Shared(of_channels.as_mut_ptr());
    share(plan.count, 2 * WORK * x.len(), |groups| {
        simd::dispatch(Differentiate {
            plan,
            groups,
            gradient,
            x,
            weight,
            bias,
            output: shared,
            sums,
        });
    });
    // SAFETY: the groups cover the rows, and each wrote its own.
    unsafe { of_x.set_len(x.len()) };
    let mut totals = [0, 1].map(|_| vec![0.0; norm.channels]);
    for row in of_channels.chunks(norm.channels) {
        for (channel, [of_weight, of_bias]) in row.iter().enumerate() {
            totals[0][channel] += of_weight;
            totals[1][channel] += of_bias;
        }
    }
    let [of_weight, of_bias] = totals;
    [of_x, of_weight, of_bias]
}

/// The sum of a function of each of the numbers.
#[inline(always)]
fn sum(numbers: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut total = 0.0;
    for piece in numbers.chunks(PIECE) {
        let (vectors, rest) = piece.as_chunks::<LANES>();
        let mut lanes = [0.0; LANES];
        for vector in vectors {
            for (lane, &number) in lanes.iter_mut().zip(vector) {
                *lane += term(number);
            }
        }
        for (lane, &number) in lanes.iter_mut().zip(rest) {
            *lane += term(number);
        }
        for lane in lanes {
            total += f64::from(lane);
        }
    }
    total
}

/// The mean of a group, and one over its standard deviation.
#[inline(always)]
fn moments(numbers: &[f32], epsilon: f32) -> [f32; 2] {
    let count = numbers.len() as f64;
    let mean = (sum(numbers, |number| number) / count) as f32;
    let square = |number: f32| (number - mean) * (number - mean);
    let variance = sum(numbers, square) / count;
    [mean, (variance + f64::from(epsilon)).sqrt().recip() as f32]
}

struct Apply<'a> {
    plan: Plan,
    groups: Range<usize>,
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    output: Shared<f32>,
}

impl Job for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let width = plan.channels * plan.pixels;
        for group in self.groups {
            let [mean, scale] = moments(&self.x[group * width..][..width], plan.norm.epsilon);
            for channel in 0..plan.channels {
                let of_row = plan.first(group) + channel;
                let (factor, bias) = (self.weight[of_row] * scale, self.bias[of_row]);
                let start = group * width + channel * plan.pixels;
                let x = &self.x[start..][..plan.pixels];
                // SAFETY: no two channels have an output in common.
                let output = unsafe { self.output.slice(start, plan.pixels) };
                if plan.norm.silu {
                    for i in 0..plan.pixels {
                        let y = (x[i] - mean) * factor + bias;
                        output[i].write(y * sigmoid::<FMA>(y));
                    }
                } else {
                    for i in 0..plan.pixels {
                        output[i].write((x[i] - mean) * factor + bias);
                    }
                }
            }
        }
    }
}

struct Differentiate<'a> {
    plan: Plan,
    groups: Range<usize>,
    gradient: &'a [f32],
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    output: Shared<f32>,
    /// The gradients of weight and bias from each channel of each row.
    sums: Shared<[f32; 2]>,
}

impl Job for Differentiate<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let width = plan.channels * plan.pixels;
        for group in self.groups {
            let [mean, scale] = moments(&self.x[group * width..][..width], plan.norm.epsilon);
            // SAFETY: no two groups have a channel of a row in common.
            let sums = unsafe { self.sums.slice(group * plan.channels, plan.channels) };
            // The gradient that reaches each normalised number, times its weight: its mean, and that with the number.
            let mut means = [0.0f64; 2];
            for (channel, sums) in sums.iter_mut().enumerate() {
                let of_row = plan.first(group) + channel;
                let (weight, bias) = (self.weight[of_row], self.bias[of_row]);
                let start = group * width + channel * plan.pixels;
                let x = &self.x[start..][..plan.pixels];
                let gradient = &self.gradient[start..][..plan.pixels];
                // SAFETY: as above; it holds the gradient before the activation until the group's means are known.
                let output = unsafe { self.output.slice(start, plan.pixels) };
                if plan.norm.silu {
                    for i in 0..plan.pixels {
                        let y = (x[i] - mean) * (weight * scale) + bias;
                        let gate = sigmoid::<FMA>(y);
                        output[i].write(gradient[i] * gate * (1.0 + y * (1.0 - gate)));
                    }
                } else {
                    for i in 0..plan.pixels {
                        output[i].write(gradient[i]);
                    }
                }
                // SAFETY: all of it was just written.
                let before = unsafe { output.assume_init_ref() };
                let of_bias = sum(before, |number| number);
                let mut of_weight = 0.0;
                for (before, x) in before.chunks(PIECE).zip(x.chunks(PIECE)) {
                    let mut products = [0.0; PIECE];
                    let products = &mut products[..x.len()];
                    for i in 0..products.len() {
                        products[i] = before[i] * ((x[i] - mean) * scale);
                    }
                    of_weight += sum(products, |number| number);
                }
                sums.write([of_weight as f32, of_bias as f32]);
                means[0] += f64::from(weight) * of_bias;
                means[1] += f64::from(weight) * of_weight;
            }
            let [mean_gradient, mean_product] = means.map(|sum| (sum / width as f64) as f32);
            for channel in 0..plan.channels {
                let weight = self.weight[plan.first(group) + channel];
                let start = group * width + channel * plan.pixels;
                let x = &self.x[start..][..plan.pixels];
                // SAFETY: it was written above, by this thread.
                let output = unsafe { self.output.slice(start, plan.pixels).assume_init_mut() };
                for i in 0..plan.pixels {
                    let normalised = (x[i] - mean) * scale;
                    let centred = weight * output[i] - mean_gradient - normalised * mean_product;
                    output[i] = scale * centred;
                }
            }
        }
    }
}
