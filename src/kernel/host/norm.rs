//! Normalisation by groups of channels, or by channels over a batch: a thread has a group at a time, which mostly stays in
//! the second-level cache.

use super::{
    Shared,
    math::sigmoid,
    share,
    simd::{self, Job, Vector},
};
use crate::kernel::norm::{Norm, Over};
use std::ops::Range;

/// Numbers that are summed before the sum goes over to `f64`; they stay in the first-level cache.
const PIECE: usize = 1024;

/// Sums that are carried side by side: the widest vector.
const LANES: usize = 16;

/// Passes over an element that a normalisation is worth, for [`share`].
const WORK: usize = 4;

/// How numbers are divided into groups, and groups into runs: what a channel has in a row.
#[derive(Clone, Copy)]
struct Plan {
    norm: Norm,
    /// Groups of all rows.
    count: usize,
    /// Runs of a group.
    runs: usize,
    /// Numbers of a run.
    pixels: usize,
}

impl Plan {
    fn new(norm: Norm, rows: usize, len: usize) -> Self {
        let (count, runs) = match norm.over {
            Over::Groups(groups) => (rows * groups, norm.channels / groups),
            Over::Batch => (norm.channels, rows),
        };
        let plan = Self {
            norm,
            count,
            runs,
            pixels: len / (rows * norm.channels).max(1),
        };
        assert_eq!(len, plan.count * plan.runs * plan.pixels);
        plan
    }

    /// Numbers of a group.
    fn len(self) -> usize {
        self.runs * self.pixels
    }

    /// Where a run of a group begins, and its channel.
    fn run(self, group: usize, run: usize) -> (usize, usize) {
        let channels = self.norm.channels;
        match self.norm.over {
            Over::Groups(_) => {
                let channel = group * self.runs + run;
                (channel * self.pixels, channel % channels)
            }
            Over::Batch => ((run * channels + group) * self.pixels, group),
        }
    }

    /// What a number less its group's mean is multiplied by, given the variance.
    fn scale(self, variance: f32) -> f32 {
        let variance = f64::from(variance) + f64::from(self.norm.epsilon);
        variance.sqrt().recip() as f32
    }
}

/// The rows of `x`, normalised; and mean and variance of each group.
pub(super) fn apply(
    [x, weight, bias]: [&[f32]; 3],
    norm: Norm,
    rows: usize,
) -> (Vec<f32>, Vec<f32>) {
    let plan = Plan::new(norm, rows, x.len());
    let mut output: Vec<f32> = Vec::with_capacity(x.len());
    let mut moments: Vec<f32> = Vec::with_capacity(2 * plan.count);
    let (shared, shared_moments) = (Shared(output.as_mut_ptr()), Shared(moments.as_mut_ptr()));
    share(plan.count, WORK * x.len(), |groups| {
        simd::dispatch(Apply {
            plan,
            groups,
            x,
            weight,
            bias,
            output: shared,
            moments: shared_moments,
        });
    });
    // SAFETY: the groups cover the rows, and each wrote its own, and its moments.
    unsafe {
        output.set_len(x.len());
        moments.set_len(2 * plan.count);
    }
    (output, moments)
}

/// The gradients of `x`, of the weight and of the bias, from that of the output and the moments of each group.
pub(super) fn gradients(
    gradient: &[f32],
    [x, weight, bias]: [&[f32]; 3],
    moments: &[f32],
    norm: Norm,
    rows: usize,
) -> [Vec<f32>; 3] {
    let plan = Plan::new(norm, rows, x.len());
    assert_eq!(gradient.len(), x.len());
    let mut of_x: Vec<f32> = Vec::with_capacity(x.len());
    // Of each run alone, as threads share no sum.
    let mut of_runs = vec![[0.0; 2]; plan.count * plan.runs];
    let (shared, sums) = (Shared(of_x.as_mut_ptr()), Shared(of_runs.as_mut_ptr()));
    share(plan.count, 2 * WORK * x.len(), |groups| {
        simd::dispatch(Differentiate {
            plan,
            groups,
            gradient,
            x,
            weight,
            bias,
            moments,
            output: shared,
            sums,
        });
    });
    // SAFETY: the groups cover the rows, and each wrote its own.
    unsafe { of_x.set_len(x.len()) };
    let mut totals = [0, 1].map(|_| vec![0.0; norm.channels]);
    for (index, [of_weight, of_bias]) in of_runs.into_iter().enumerate() {
        let (_, channel) = plan.run(index / plan.runs, index % plan.runs);
        totals[0][channel] += of_weight;
        totals[1][channel] += of_bias;
    }
    let [of_weight, of_bias] =
        totals.map(|sums| sums.into_iter().map(|sum: f64| sum as f32).collect());
    [of_x, of_weight, of_bias]
}

/// Sums of several functions of the same numbers, whose lanes are still to be added.
type Sums<const N: usize> = [[f64; LANES]; N];

/// Adds functions of the numbers that stand side by side in slices of one length.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // what iterators call is not always inlined; see super::write!
fn add_terms<const IN: usize, const N: usize>(
    sums: &mut Sums<N>,
    numbers: [&[f32]; IN],
    terms: impl Fn([f32; IN]) -> [f32; N],
) {
    let len = numbers[0].len();
    let mut start = 0;
    while start < len {
        let end = (start + PIECE).min(len);
        let mut lanes = [[0.0; LANES]; N];
        macro_rules! add {
            ($count:expr) => {{
                let mut blocks = [&numbers[0][..0]; IN];
                for k in 0..IN {
                    blocks[k] = &numbers[k][start..][..$count];
                }
                for lane in 0..$count {
                    let mut side_by_side = [0.0; IN];
                    for k in 0..IN {
                        side_by_side[k] = blocks[k][lane];
                    }
                    let terms = terms(side_by_side);
                    for n in 0..N {
                        lanes[n][lane] += terms[n];
                    }
                }
                start += $count;
            }};
        }
        while start + LANES <= end {
            add!(LANES);
        }
        add!(end - start);
        for n in 0..N {
            for lane in 0..LANES {
                sums[n][lane] += f64::from(lanes[n][lane]);
            }
        }
    }
}

/// The mean and the variance of a group.
#[inline(always)]
fn moments(plan: Plan, x: &[f32], group: usize) -> [f32; 2] {
    let count = plan.len() as f64;
    let mut sums = [[0.0; LANES]];
    for run in 0..plan.runs {
        let (start, _) = plan.run(group, run);
        add_terms(&mut sums, [&x[start..][..plan.pixels]], |[number]| [number]);
    }
    let mean = (sums[0].iter().sum::<f64>() / count) as f32;
    let mut sums = [[0.0; LANES]];
    for run in 0..plan.runs {
        let (start, _) = plan.run(group, run);
        add_terms(&mut sums, [&x[start..][..plan.pixels]], |[number]| {
            [(number - mean) * (number - mean)]
        });
    }
    [mean, (sums[0].iter().sum::<f64>() / count) as f32]
}

struct Apply<'a> {
    plan: Plan,
    groups: Range<usize>,
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    output: Shared<f32>,
    moments: Shared<f32>,
}

impl Job for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        for group in self.groups {
            let [mean, variance] = moments(plan, self.x, group);
            // SAFETY: no two groups have their moments in common.
            let kept = unsafe { self.moments.slice(2 * group, 2) };
            kept[0].write(mean);
            kept[1].write(variance);
            let scale = plan.scale(variance);
            for run in 0..plan.runs {
                let (start, channel) = plan.run(group, run);
                let (factor, bias) = (self.weight[channel] * scale, self.bias[channel]);
                let x = &self.x[start..][..plan.pixels];
                // SAFETY: no two runs have an output in common.
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
    moments: &'a [f32],
    output: Shared<f32>,
    /// The gradients of weight and bias from each run.
    sums: Shared<[f64; 2]>,
}

impl Job for Differentiate<'_> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // as above
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        for group in self.groups {
            let (mean, variance) = (self.moments[2 * group], self.moments[2 * group + 1]);
            let scale = plan.scale(variance);
            // SAFETY: no two groups have a run in common.
            let of_runs = unsafe { self.sums.slice(group * plan.runs, plan.runs) };
            // The gradient that reaches each normalised number, times its weight: its mean, and that with the number.
            let mut means = [0.0f64; 2];
            for (run, of_run) in of_runs.iter_mut().enumerate() {
                let (start, channel) = plan.run(group, run);
                let (weight, bias) = (self.weight[channel], self.bias[channel]);
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
                let mut sums = [[0.0; LANES]; 2];
                add_terms(&mut sums, [before, x], |[before, x]| {
                    [before * ((x - mean) * scale), before]
                });
                let mut totals = [0.0; 2];
                for lane in 0..LANES {
                    totals[0] += sums[0][lane];
                    totals[1] += sums[1][lane];
                }
                of_run.write(totals);
                means[0] += f64::from(weight) * totals[1];
                means[1] += f64::from(weight) * totals[0];
            }
            let [mean_gradient, mean_product] = means.map(|sum| (sum / plan.len() as f64) as f32);
            for run in 0..plan.runs {
                let (start, channel) = plan.run(group, run);
                let weight = self.weight[channel];
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
