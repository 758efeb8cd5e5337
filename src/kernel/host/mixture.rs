//! Densities of points under Gaussians, many components at a time.

use super::{
    add,
    math::{exp, fma},
    share,
    simd::{self, Job, Vector},
};
use crate::kernel::reference::LN_2PI;
use std::sync::Mutex;

/// Components at a time: loops over so many become vector code.
const LANES: usize = 32;

type Lanes = [f32; LANES];

/// Points that pass the same components together.
const ROWS: usize = 16;

/// Parts of the components, at most, whose gradients of the points are summed up apart: as many on every machine, for the same sums.
const GROUPS: usize = 8;

/// Components, laid out in blocks of [`LANES`]: of each block first all components' first coordinates. What fills the last block up
/// has a mean of 0 and the precision 0.
pub(super) struct Components {
    means: Vec<Lanes>,
    /// One over the deviations.
    scales: Vec<Lanes>,
    /// The log-density at the mean.
    constants: Vec<Lanes>,
    count: usize,
    latent: usize,
}

/// The gradients of the arguments.
pub(super) struct ComponentsGradients {
    pub(super) z: Vec<f32>,
    pub(super) means: Vec<f32>,
    pub(super) log_vars: Vec<f32>,
}

impl Components {
    /// Of means and log-variances `[count, latent]`, neither of them 0.
    pub(super) fn new([means, log_vars]: [&[f32]; 2], [count, latent]: [usize; 2]) -> Self {
        let mut scales = blocks(log_vars, [count, latent], f32::INFINITY);
        let constants = scales.chunks_exact(latent).map(|block| {
            std::array::from_fn(|lane| {
                let log_vars = block.iter().map(|log_vars| f64::from(log_vars[lane]));
                (-0.5 * (log_vars.sum::<f64>() + latent as f64 * LN_2PI)) as f32
            })
        });
        let constants = constants.collect();
        simd::dispatch(Scales(&mut scales));
        Self {
            means: blocks(means, [count, latent], 0.0),
            scales,
            constants,
            count,
            latent,
        }
    }

    /// The log-density of each point under each component, `[batch, count]`.
    pub(super) fn log_densities(&self, z: &[f32]) -> Vec<f32> {
        let batch = z.len() / self.latent;
        let mut output = vec![0.0; batch * self.count];
        let pieces = output.chunks_mut(ROWS * self.count).map(Mutex::new);
        let pieces: Vec<_> = pieces.collect();
        share(pieces.len(), self.work(batch), |units| {
            for unit in units {
                let mut output = pieces[unit].lock().expect("no thread panics with it");
                simd::dispatch(LogDensities {
                    components: self,
                    z: &z[unit * ROWS * self.latent..],
                    output: &mut output,
                });
            }
        });
        drop(pieces);
        output
    }

    /// From the gradient of the log-densities.
    pub(super) fn gradients(&self, z: &[f32], gradient: &[f32]) -> ComponentsGradients {
        let blocks = self.constants.len();
        let each = blocks.div_ceil(GROUPS);
        let mut of_means = vec![[0.0; LANES]; self.means.len()];
        let mut of_log_vars = of_means.clone();
        let groups = of_means
            .chunks_mut(each * self.latent)
            .zip(of_log_vars.chunks_mut(each * self.latent));
        let groups: Vec<_> = groups
            .map(|(means, log_vars)| Mutex::new((vec![0.0; z.len()], means, log_vars)))
            .collect();
        share(
            groups.len(),
            3 * self.work(z.len() / self.latent),
            |units| {
                for unit in units {
                    let mut group = groups[unit].lock().expect("no thread panics with it");
                    let (of_z, means, log_vars) = &mut *group;
                    simd::dispatch(Differentiate {
                        components: self,
                        z,
                        gradient,
                        first: unit * each,
                        of_z,
                        means,
                        log_vars,
                    });
                }
            },
        );
        let sums = groups.into_iter();
        let sums = sums.map(|group| group.into_inner().expect("no thread panics with it").0);
        let of_z = sums.reduce(|mut sum, other| {
            add(&mut sum, &other);
            sum
        });
        ComponentsGradients {
            z: of_z.unwrap_or_default(),
            means: self.rows(&of_means),
            log_vars: self.rows(&of_log_vars),
        }
    }

    /// In passes over an element, for [`share`].
    fn work(&self, batch: usize) -> usize {
        batch * self.means.len() * LANES / 4
    }

    /// Blocks as rows again.
    fn rows(&self, blocks: &[Lanes]) -> Vec<f32> {
        let mut rows = vec![0.0; self.count * self.latent];
        for (component, row) in rows.chunks_exact_mut(self.latent).enumerate() {
            let block = &blocks[component / LANES * self.latent..][..self.latent];
            for (number, lanes) in row.iter_mut().zip(block) {
                *number = lanes[component % LANES];
            }
        }
        rows
    }
}

/// Rows as blocks, filled up by a number.
fn blocks(rows: &[f32], [count, latent]: [usize; 2], filling: f32) -> Vec<Lanes> {
    let mut blocks = vec![[filling; LANES]; count.div_ceil(LANES) * latent];
    for (component, row) in rows.chunks_exact(latent).enumerate() {
        let block = &mut blocks[component / LANES * latent..][..latent];
        for (lanes, number) in block.iter_mut().zip(row) {
            lanes[component % LANES] = *number;
        }
    }
    blocks
}

/// Makes one over the deviations of log-variances.
struct Scales<'a>(&'a mut [Lanes]);

impl Job for Scales<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        for number in self.0.as_flattened_mut() {
            *number = exp::<FMA>(-0.5 * *number);
        }
    }
}

struct LogDensities<'a> {
    components: &'a Components,
    /// From the first of these points on.
    z: &'a [f32],
    output: &'a mut [f32],
}

impl Job for LogDensities<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let Components {
            means,
            scales,
            constants,
            count,
            latent,
        } = self.components;
        for (block, constants) in constants.iter().enumerate() {
            let means = &means[block * latent..][..*latent];
            let scales = &scales[block * latent..][..*latent];
            let here = LANES.min(count - block * LANES);
            let rows = self.output.chunks_exact_mut(*count);
            for (row, z) in rows.zip(self.z.chunks_exact(*latent)) {
                let mut sums = [0.0; LANES];
                for ((mean, scale), z) in means.iter().zip(scales).zip(z) {
                    for lane in 0..LANES {
                        let unit = (z - mean[lane]) * scale[lane];
                        sums[lane] = fma::<FMA>(unit, unit, sums[lane]);
                    }
                }
                for lane in 0..LANES {
                    sums[lane] = fma::<FMA>(-0.5, sums[lane], constants[lane]);
                }
                row[block * LANES..][..here].copy_from_slice(&sums[..here]);
            }
        }
    }
}

struct Differentiate<'a> {
    components: &'a Components,
    z: &'a [f32],
    gradient: &'a [f32],
    /// The first block, of as many as there is room for.
    first: usize,
    of_z: &'a mut [f32],
    means: &'a mut [Lanes],
    log_vars: &'a mut [Lanes],
}

impl Job for Differentiate<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let (count, latent) = (self.components.count, self.components.latent);
        let of_blocks = self.means.chunks_exact_mut(latent);
        let of_blocks = of_blocks.zip(self.log_vars.chunks_exact_mut(latent));
        for (block, (of_means, of_log_vars)) in (self.first..).zip(of_blocks) {
            let means = &self.components.means[block * latent..][..latent];
            let scales = &self.components.scales[block * latent..][..latent];
            let here = LANES.min(count - block * LANES);
            let mut total = [0.0; LANES];
            let points = self.z.chunks_exact(latent);
            let points = points.zip(self.of_z.chunks_exact_mut(latent));
            let mut gradient = [0.0; LANES];
            for ((z, of_z), row) in points.zip(self.gradient.chunks_exact(count)) {
                gradient[..here].copy_from_slice(&row[block * LANES..][..here]);
                for lane in 0..LANES {
                    total[lane] += gradient[lane];
                }
                for l in 0..latent {
                    let (mean, scale) = (&means[l], &scales[l]);
                    let (of_mean, of_log_var) = (&mut of_means[l], &mut of_log_vars[l]);
                    let mut pulls = [0.0; LANES];
                    for lane in 0..LANES {
                        let unit = (z[l] - mean[lane]) * scale[lane];
                        let weighed = gradient[lane] * unit;
                        pulls[lane] = weighed * scale[lane];
                        of_mean[lane] += pulls[lane];
                        of_log_var[lane] = fma::<FMA>(weighed, unit, of_log_var[lane]);
                    }
                    of_z[l] -= sum(pulls);
                }
            }
            for of_log_var in of_log_vars {
                for lane in 0..LANES {
                    of_log_var[lane] = 0.5 * (of_log_var[lane] - total[lane]);
                }
            }
        }
    }
}

/// By halves.
#[inline(always)]
fn sum(mut numbers: Lanes) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            numbers[lane] += numbers[lane + half];
        }
        half /= 2;
    }
    numbers[0]
}
