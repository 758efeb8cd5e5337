//! The hidden layers of a NADE, a few rows of the batch at a time: their units stay in the cache while the variables pass, and a
//! backward pass computes them anew.

use super::{
    add,
    math::fma,
    share,
    simd::{self, Job, Vector},
};
use std::{borrow::Cow, ops::Range, sync::Mutex};

/// Rows of the batch that pass the weights of a variable together.
const ROWS: usize = 4;

/// Variables between two that the backward pass knows the sums before.
const SEGMENT: usize = 32;

/// Parts of the batch, at most, whose gradients of the weights are summed up apart: so many that threads have work, and as many
/// on every machine, for the same sums.
const GROUPS: usize = 8;

/// Numbers that all those gradients may have together.
const BUDGET: usize = 1 << 25;

/// Products at a time: loops over so many become vector code.
const LANES: usize = 32;

/// The arguments of the kernel, rows in memory.
#[derive(Clone, Copy)]
pub(super) struct Layers<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    start: &'a [f32],
    readout: &'a [f32],
    order: &'a [usize],
    hidden: usize,
    outputs: usize,
}

/// The gradients of the arguments.
pub(super) struct LayersGradients {
    pub(super) x: Vec<f32>,
    pub(super) weight: Vec<f32>,
    pub(super) start: Vec<f32>,
    pub(super) readout: Vec<f32>,
}

/// `[batch, variables x outputs]`.
pub(super) fn apply(layers: Layers) -> Vec<f32> {
    let width = layers.order.len() * layers.outputs;
    let mut output = vec![0.0; layers.batch() * width];
    let pieces: Vec<_> = output.chunks_mut(ROWS * width).map(Mutex::new).collect();
    share(pieces.len(), layers.work(), |units| {
        for unit in units {
            let mut output = pieces[unit].lock().expect("no thread panics with it");
            simd::dispatch(Apply {
                layers,
                first: unit * ROWS,
                output: &mut output,
            });
        }
    });
    drop(pieces);
    output
}

/// From the gradient of the outputs; that of `x` is 0 where nobody asks for it.
pub(super) fn gradients(layers: Layers, gradient: &[f32], asks_for_x: bool) -> LayersGradients {
    let (batch, variables, hidden) = (layers.batch(), layers.order.len(), layers.hidden);
    let of_group = layers.weight.len() + layers.readout.len();
    let groups = GROUPS.min(BUDGET / of_group).max(1);
    let rows = batch.div_ceil(groups).next_multiple_of(ROWS);
    let (mut x, mut start) = (vec![0.0; layers.x.len()], vec![0.0; layers.start.len()]);
    let of_rows = x
        .chunks_mut(rows * variables)
        .zip(start.chunks_mut(rows * hidden));
    let groups: Vec<_> = of_rows
        .map(|(x, start)| Mutex::new((x, start, Vec::new(), Vec::new())))
        .collect();
    share(groups.len(), 4 * layers.work(), |units| {
        for unit in units {
            let mut group = groups[unit].lock().expect("no thread panics with it");
            let (x, start, weight, readout) = &mut *group;
            weight.resize(layers.weight.len(), 0.0);
            readout.resize(layers.readout.len(), 0.0);
            let first = unit * rows;
            simd::dispatch(Differentiate {
                layers,
                gradient,
                asks_for_x,
                rows: first..(first + rows).min(batch),
                x,
                start,
                weight,
                readout,
            });
        }
    });
    let groups = groups.into_iter();
    let sums = groups.map(|group| group.into_inner().expect("no thread panics with it"));
    let sums = sums.map(|(_, _, weight, readout)| (weight, readout));
    let (weight, readout) = sums
        .reduce(|(mut weight, mut readout), (other_weight, other_readout)| {
            add(&mut weight, &other_weight);
            add(&mut readout, &other_readout);
            (weight, readout)
        })
        .unwrap_or_default();
    LayersGradients {
        x,
        weight,
        start,
        readout,
    }
}

impl<'a> Layers<'a> {
    /// Of `x`, the weight, the start and the readout.
    pub(super) fn new(
        [x, weight, start, readout]: &'a [Cow<'a, [f32]>; 4],
        order: &'a [usize],
        hidden: usize,
    ) -> Self {
        Self {
            outputs: readout.len() / (order.len() * hidden),
            x,
            weight,
            start,
            readout,
            order,
            hidden,
        }
    }

    fn batch(&self) -> usize {
        self.start.len() / self.hidden
    }

    /// In passes over an element, for [`share`].
    fn work(&self) -> usize {
        self.x.len() * self.hidden * (1 + self.outputs) / 4
    }

    #[inline(always)]
    fn weight_of(&self, variable: usize) -> &'a [f32] {
        &self.weight[variable * self.hidden..][..self.hidden]
    }

    /// Where the weights of an output begin.
    #[inline(always)]
    fn readout_at(&self, variable: usize, output: usize) -> usize {
        (variable * self.outputs + output) * self.hidden
    }

    #[inline(always)]
    fn start_of(&self, row: usize) -> &'a [f32] {
        &self.start[row * self.hidden..][..self.hidden]
    }

    #[inline(always)]
    fn x_at(&self, row: usize, variable: usize) -> f32 {
        self.x[row * self.order.len() + variable]
    }
}

/// `sum += factor * numbers`.
#[inline(always)]
fn add_times<const FMA: bool>(sum: &mut [f32], factor: f32, numbers: &[f32]) {
    for (sum, number) in sum.iter_mut().zip(numbers) {
        *sum = fma::<FMA>(factor, *number, *sum);
    }
}

/// `sum of a * b`, of equally many.
#[inline(always)]
fn product<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] = fma::<FMA>(a[lane], b[lane], sums[lane]);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.into_iter().chain(rest).sum()
}

#[inline(always)]
fn rectify(units: &mut [f32], sums: &[f32]) {
    for (unit, sum) in units.iter_mut().zip(sums) {
        // A NaN stays one.
        *unit = if *sum <= 0.0 { 0.0 } else { *sum };
    }
}

struct Apply<'a> {
    layers: Layers<'a>,
    first: usize,
    /// Of some rows, from the first on.
    output: &'a mut [f32],
}

impl Job for Apply<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let layers = self.layers;
        let width = layers.order.len() * layers.outputs;
        let rows = self.output.len() / width;
        let hidden = layers.hidden;
        let mut units = vec![0.0; hidden];
        let mut sums = layers.start[self.first * hidden..][..rows * hidden].to_vec();
        for &variable in layers.order {
            let weight = layers.weight_of(variable);
            for (row, sums) in sums.chunks_exact_mut(hidden).enumerate() {
                rectify(&mut units, sums);
                for output in 0..layers.outputs {
                    let readout = &layers.readout[layers.readout_at(variable, output)..][..hidden];
                    self.output[row * width + variable * layers.outputs + output] =
                        product::<FMA>(&units, readout);
                }
                let x = layers.x_at(self.first + row, variable);
                if x != 0.0 {
                    add_times::<FMA>(sums, x, weight);
                }
            }
        }
    }
}

struct Differentiate<'a> {
    layers: Layers<'a>,
    gradient: &'a [f32],
    asks_for_x: bool,
    rows: Range<usize>,
    /// Of these rows.
    x: &'a mut [f32],
    start: &'a mut [f32],
    /// What these rows add.
    weight: &'a mut [f32],
    readout: &'a mut [f32],
}

impl Job for Differentiate<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let layers = self.layers;
        let (variables, hidden, outputs) = (layers.order.len(), layers.hidden, layers.outputs);
        let segments = variables.div_ceil(SEGMENT);
        // Of each row: the sums before every segment, and before every variable of one.
        let mut before = vec![0.0; ROWS * segments * hidden];
        let mut within = vec![0.0; ROWS * SEGMENT * hidden];
        let mut units = vec![0.0; hidden];
        let mut gradient_of_units = vec![0.0; hidden];
        let mut first = self.rows.start;
        while first < self.rows.end {
            let rows = ROWS.min(self.rows.end - first);
            for (row, before) in
                (first..first + rows).zip(before.chunks_exact_mut(segments * hidden))
            {
                let mut sums = layers.start_of(row).to_vec();
                for (place, &variable) in layers.order.iter().enumerate() {
                    if place % SEGMENT == 0 {
                        before[place / SEGMENT * hidden..][..hidden].copy_from_slice(&sums);
                    }
                    let x = layers.x_at(row, variable);
                    if x != 0.0 {
                        add_times::<FMA>(&mut sums, x, layers.weight_of(variable));
                    }
                }
            }
            // Of the sums behind the variable that is looked at: at the end, of the start.
            let own = first - self.rows.start;
            let behind = &mut self.start[own * hidden..][..rows * hidden];
            for segment in (0..segments).rev() {
                let places = segment * SEGMENT..((segment + 1) * SEGMENT).min(variables);
                let order = &layers.order[places];
                for row in 0..rows {
                    let within = &mut within[row * SEGMENT * hidden..][..SEGMENT * hidden];
                    within[..hidden]
                        .copy_from_slice(&before[(row * segments + segment) * hidden..][..hidden]);
                    for (place, &variable) in order[..order.len() - 1].iter().enumerate() {
                        let (known, next) = within[place * hidden..].split_at_mut(hidden);
                        let x = layers.x_at(first + row, variable);
                        let numbers = known.iter().zip(layers.weight_of(variable));
                        for (next, (known, weight)) in next.iter_mut().zip(numbers) {
                            *next = fma::<FMA>(x, *weight, *known);
                        }
                    }
                }
                for (place, &variable) in order.iter().enumerate().rev() {
                    let weight = layers.weight_of(variable);
                    let of_weight = &mut self.weight[variable * hidden..][..hidden];
                    for row in 0..rows {
                        let behind = &mut behind[row * hidden..][..hidden];
                        let x = layers.x_at(first + row, variable);
                        if self.asks_for_x {
                            self.x[(own + row) * variables + variable] =
                                product::<FMA>(behind, weight);
                        }
                        if x != 0.0 {
                            add_times::<FMA>(of_weight, x, behind);
                        }
                        let sums = &within[(row * SEGMENT + place) * hidden..][..hidden];
                        rectify(&mut units, sums);
                        gradient_of_units.fill(0.0);
                        for output in 0..outputs {
                            let at = ((first + row) * variables + variable) * outputs + output;
                            let gradient = self.gradient[at];
                            let readout = layers.readout_at(variable, output);
                            add_times::<FMA>(
                                &mut self.readout[readout..][..hidden],
                                gradient,
                                &units,
                            );
                            let readout = &layers.readout[readout..][..hidden];
                            add_times::<FMA>(&mut gradient_of_units, gradient, readout);
                        }
                        let of_units = gradient_of_units.iter().zip(&units);
                        for (behind, (gradient, unit)) in behind.iter_mut().zip(of_units) {
                            *behind += if *unit <= 0.0 { 0.0 } else { *gradient };
                        }
                    }
                }
            }
            first += rows;
        }
    }
}
