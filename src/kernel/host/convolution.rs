//! Convolutions, their gradients and transposed convolutions as matrix products, with no matrix of windows.
//!
//! The maps of a channel are laid out as a strip: all rows of all images, one after the other, with as many zeros
//! between two rows, and between two images, as a window may reach over. What one element of the kernel meets in all
//! windows is then a piece of the strip, and what the next element meets is the same piece some places further on. So
//! the rows of the matrix that `im2col` would write lie in the strip already, one over the other; the matrix product
//! reads them there. With a stride of `s`, a channel has a strip for each of the `s^2` phases of a place.
//!
//! A strip is made piece by piece, and each piece is multiplied while it is in the cache.

use super::product::{Dots, Factors, add_product};
use super::simd::{Job, Vector};
use super::{Scratch, Shared, share, simd};
use crate::kernel::windows::Windows;
use std::ops::Range;

/// Floats that the strips of a piece may have together: half of a usual second-level cache.
const PIECE: usize = 1 << 17;

/// The most places of a piece.
const LONGEST: usize = 4096;

/// The most parts that the gradient of the weights is summed in. It does not depend on the number of threads, so that
/// a training gives the same numbers on every machine of a kind.
const PARTS: usize = 8;

/// The fewest filters for which their gradient is a matrix product: below, a vector would be mostly empty.
const FEW: usize = 8;

/// `map`, `[batch, channels, ..sides]`, to `[batch, filters, ..positions]`. The weights are
/// `[filters, channels / groups, ..kernel]`.
pub(crate) fn convolve(map: &[f32], weight: &[f32], bias: &[f32], windows: Windows) -> Vec<f32> {
    let plan = Plan::new(windows);
    plan.check(map.len(), windows.output_len(), weight.len());
    let mut output = Vec::with_capacity(windows.output_len());
    let pieces = plan.pieces(plan.channels() * plan.phases.len() + plan.filters());
    let shared = Shared(output.as_mut_ptr());
    share(pieces.count(), plan.work(), |range| {
        simd::dispatch(Forward {
            map,
            weight,
            bias,
            plan: &plan,
            pieces: pieces.part(range),
            output: shared,
        });
    });
    // SAFETY: the pieces cover the strips, which have a place for every element.
    unsafe { output.set_len(windows.output_len()) };
    output
}

/// The transposed convolution, which is also the gradient of [`convolve`] for its map: `[batch, filters, ..positions]`
/// to `[batch, channels, ..sides]`, with the same weights.
pub(crate) fn convolve_transposed(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    windows: Windows,
) -> Vec<f32> {
    let plan = Plan::new(windows);
    plan.check(windows.map_len(), input.len(), weight.len());
    let transposed: Vec<Vec<f32>> = (0..plan.phases.len())
        .map(|phase| plan.transposed(weight, phase))
        .collect();
    // What no window meets is left as it is: the bias alone.
    let mut map: Vec<f32> = Vec::with_capacity(windows.map_len());
    if plan.covers() {
        // SAFETY: the pieces cover the strips, which have a place for every element, and nothing reads one before.
        #[allow(clippy::uninit_vec)]
        unsafe {
            map.set_len(windows.map_len());
        }
    } else {
        let plane = windows.sides.iter().product::<usize>();
        for channel in 0..windows.batch * windows.channels {
            map.resize((channel + 1) * plane, bias[channel % windows.channels]);
        }
    }
    let pieces = plan.pieces(plan.channels() + plan.filters());
    let shared = Shared(map.as_mut_ptr());
    share(pieces.count(), plan.work(), |range| {
        simd::dispatch(Transposed {
            input,
            weights: &transposed,
            bias,
            plan: &plan,
            pieces: pieces.part(range),
            map: shared,
        });
    });
    map
}

/// The gradient of [`convolve`] for its weights, from that of its output.
pub(crate) fn weight_gradient(map: &[f32], gradient: &[f32], windows: Windows) -> Vec<f32> {
    let plan = Plan::new(windows);
    let weights = windows.weight_len();
    plan.check(map.len(), gradient.len(), weights);
    let strips = plan.channels() * plan.phases.len() + 2 * plan.filters();
    let pieces = plan.pieces_of(plan.longest(strips));
    // Not more than 64 MiB of sums, nor a part for less than a thousand places.
    let parts = PARTS
        .min(plan.places().div_ceil(1024))
        .min(((1 << 24) / weights.max(1)).max(2))
        .clamp(1, pieces.count().max(1));
    let mut sums = vec![0.0; parts * weights];
    let shared = Shared(sums.as_mut_ptr());
    share(parts, plan.work(), |range| {
        for part in range {
            let count = pieces.count();
            simd::dispatch(Weights {
                map,
                gradient,
                plan: &plan,
                pieces: pieces.part(part * count / parts..(part + 1) * count / parts),
                sums: shared,
                first: part * weights,
            });
        }
    });
    let (first, others) = sums.split_at_mut(weights);
    for part in others.chunks_exact(weights.max(1)) {
        for (sum, number) in first.iter_mut().zip(part) {
            *sum += number;
        }
    }
    sums.truncate(weights);
    sums
}

/// The gradient of a bias: the sum over batch and places of each of `channels`.
pub(crate) fn bias_gradient(gradient: &[f32], batch: usize, channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; channels];
    let shared = Shared(sums.as_mut_ptr());
    let plane = gradient.len() / (batch * channels).max(1);
    share(channels, gradient.len(), |channels| {
        simd::dispatch(Sums {
            gradient,
            batch,
            plane,
            channels,
            sums: shared,
        });
    });
    sums
}

/// One axis of a map and of its windows, in the strips.
struct Axis {
    /// The places from a row to the next: its numbers, and the zeros that it shares with the next.
    pitch: usize,
    /// The phase of each element of the kernel (an index into `phases`), and its shift.
    taps: Vec<[usize; 2]>,
    /// The largest shift.
    reach: usize,
    phases: Vec<Phase>,
}

/// The numbers of a row whose places have one remainder.
struct Phase {
    /// The place of the first number.
    place: usize,
    /// The index of the first number in the row.
    first: usize,
    count: usize,
}

impl Axis {
    fn new(windows: &Windows, axis: usize) -> Self {
        let [side, positions, kernel, stride, padding, dilation] = [
            windows.sides,
            windows.positions,
            windows.kernel,
            windows.stride,
            windows.padding,
            windows.dilation,
        ]
        .map(|sizes| sizes[axis]);
        let offsets = || (0..kernel).map(|tap| tap * dilation);
        let mut remainders: Vec<usize> = offsets().map(|offset| offset % stride).collect();
        remainders.sort_unstable();
        remainders.dedup();
        let reach = offsets().map(|offset| offset / stride).max().unwrap_or(0);
        let phase = |&remainder: &usize| {
            let place = padding.saturating_sub(remainder).div_ceil(stride);
            let first = place * stride + remainder - padding;
            let count = side.saturating_sub(first).div_ceil(stride);
            Phase {
                place,
                first,
                count: count.min((positions + reach).saturating_sub(place)),
            }
        };
        let phases: Vec<Phase> = remainders.iter().map(phase).collect();
        // A window that reaches over the end of a row must meet zeros only: those before the next row's numbers.
        let pitch = |phase: &Phase| match phase.count {
            0 => positions,
            count => (positions + reach - phase.place).max(phase.place + count),
        };
        Self {
            pitch: phases.iter().map(pitch).fold(positions, usize::max),
            taps: offsets()
                .map(|offset| {
                    let phase = remainders.partition_point(|&other| other < offset % stride);
                    [phase, offset / stride]
                })
                .collect(),
            reach,
            phases,
        }
    }
}

/// An element of the kernel: the phase that it meets, and how far on.
#[derive(Clone, Copy)]
struct Tap {
    phase: usize,
    shift: usize,
}

/// Where maps lie in strips.
struct Place {
    /// The place of the first number of an image.
    first: usize,
    rows: usize,
    columns: usize,
    /// The index of that number in its channel, and the steps to the next row and column.
    source: usize,
    steps: [usize; 2],
}

/// Numbers that lie in a row in a strip.
struct Run {
    place: usize,
    source: usize,
    len: usize,
}

impl Run {
    /// Whether another one follows in the strip and in the map.
    fn goes_on_as(&self, next: &Self) -> bool {
        next.place == self.place + self.len && next.source == self.source + self.len
    }
}

/// How the strips of a convolution lie.
struct Plan {
    windows: Windows,
    /// The places of a row, and of an image.
    pitch: usize,
    area: usize,
    /// The largest shift.
    reach: usize,
    taps: Vec<Tap>,
    /// The map's, one for each phase.
    phases: Vec<Place>,
    /// The output's.
    output: Place,
    covers: bool,
}

/// A range of places, cut into pieces of one length.
#[derive(Clone)]
struct Pieces {
    places: Range<usize>,
    len: usize,
}

impl Pieces {
    fn count(&self) -> usize {
        self.places.len().div_ceil(self.len)
    }

    /// The pieces of these indices.
    fn part(&self, pieces: Range<usize>) -> Self {
        let place = |piece: usize| (self.places.start + piece * self.len).min(self.places.end);
        Self {
            places: place(pieces.start)..place(pieces.end),
            len: self.len,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (len, end) = (self.len, self.places.end);
        self.places
            .clone()
            .step_by(len)
            .map(move |start| start..(start + len).min(end))
    }
}

impl Plan {
    fn new(windows: Windows) -> Self {
        let [vertical, horizontal] = [0, 1].map(|axis| Axis::new(&windows, axis));
        let pitch = horizontal.pitch;
        let taps = vertical.taps.iter().flat_map(|&[phase_y, y]| {
            horizontal
                .taps
                .iter()
                .map(move |&[phase_x, x]| [phase_y, y, phase_x, x])
        });
        let taps = taps
            .map(|[phase_y, y, phase_x, x]| Tap {
                phase: phase_y * horizontal.phases.len() + phase_x,
                shift: y * pitch + x,
            })
            .collect();
        let [_, width] = windows.sides;
        let place = |y: &Phase, x: &Phase| Place {
            first: y.place * pitch + x.place,
            rows: y.count,
            columns: x.count,
            source: y.first * width + x.first,
            steps: [windows.stride[0] * width, windows.stride[1]],
        };
        let phases = vertical.phases.iter();
        let phases = phases.flat_map(|y| horizontal.phases.iter().map(move |x| place(y, x)));
        let [rows, columns] = windows.positions;
        let whole = |(axis, side): (&Axis, usize)| {
            axis.phases.iter().map(|phase| phase.count).sum::<usize>() == side
        };
        Self {
            windows,
            pitch,
            area: pitch * vertical.pitch,
            reach: vertical.reach * pitch + horizontal.reach,
            taps,
            phases: phases.collect(),
            output: Place {
                first: 0,
                rows,
                columns,
                source: 0,
                steps: [columns, 1],
            },
            covers: [&vertical, &horizontal]
                .into_iter()
                .zip(windows.sides)
                .all(whole),
        }
    }

    /// Channels and filters of a group.
    fn channels(&self) -> usize {
        self.windows.channels / self.windows.groups
    }
    fn filters(&self) -> usize {
        self.windows.filters / self.windows.groups
    }

    /// The weights of one filter.
    fn depth(&self) -> usize {
        self.channels() * self.taps.len()
    }

    /// Whether every element of the map is in a window.
    fn covers(&self) -> bool {
        self.covers
    }

    /// Places of a strip.
    fn places(&self) -> usize {
        self.windows.batch * self.area
    }

    /// Elements of a pass over memory that takes as long.
    fn work(&self) -> usize {
        self.places() * self.windows.filters * self.depth() / 16
    }

    fn check(&self, map: usize, output: usize, weight: usize) {
        let windows = &self.windows;
        assert!(
            map == windows.map_len()
                && output == windows.output_len()
                && weight == windows.weight_len(),
            "the tensors of {windows:?} have other sizes: {map}, {output} and {weight}"
        );
    }

    /// The length of a piece of which there are so many strips.
    fn longest(&self, strips: usize) -> usize {
        // One that windows reach far beyond is mostly laid out for its neighbours.
        let len = (PIECE / strips.max(1)).max(self.reach.min(LONGEST));
        len.clamp(48, LONGEST).next_multiple_of(48)
    }

    /// Pieces of which there are so many strips, enough of them for all threads.
    fn pieces(&self, strips: usize) -> Pieces {
        let share = self.places() / (4 * rayon::current_num_threads());
        self.pieces_of(
            self.longest(strips)
                .min(share.next_multiple_of(48).max(192)),
        )
    }

    fn pieces_of(&self, len: usize) -> Pieces {
        Pieces {
            places: 0..self.places(),
            len,
        }
    }

    /// The numbers of maps of `image` elements each that lie in some places of a strip, from `start` on. (A strip has
    /// nothing before its first place.)
    fn runs(&self, place: &Place, image: usize, start: isize, len: usize) -> Vec<Run> {
        let end = usize::try_from(start + len as isize).unwrap_or(0);
        let begin = usize::try_from(start).unwrap_or(0);
        let images = begin / self.area..end.div_ceil(self.area).min(self.windows.batch);
        let mut runs: Vec<Run> = Vec::new();
        for index in images {
            let base = index * self.area + place.first;
            for row in begin.saturating_sub(base) / self.pitch..place.rows {
                let first = base + row * self.pitch;
                let (from, to) = (first.max(begin), (first + place.columns).min(end));
                if from < to {
                    let source = place.source + row * place.steps[0];
                    let run = Run {
                        place: (from as isize - start) as usize,
                        source: index * image + source + (from - first) * place.steps[1],
                        len: to - from,
                    };
                    match runs.last_mut() {
                        // Rows without zeros in between.
                        Some(last) if place.steps[1] == 1 && last.goes_on_as(&run) => {
                            last.len += run.len;
                        }
                        _ => runs.push(run),
                    }
                } else if first >= end {
                    break;
                }
            }
        }
        runs
    }

    /// Where the numbers that a group's filter meets begin in the strips of its channels, which are `window` long.
    fn window_rows(&self, window: usize) -> Vec<usize> {
        let start = |channel: usize, tap: &Tap| {
            (channel * self.phases.len() + tap.phase) * window + tap.shift
        };
        let taps = |channel| self.taps.iter().map(move |tap| start(channel, tap));
        (0..self.channels()).flat_map(taps).collect()
    }

    /// Lays the map of a group out from `start` on: strips of `window` places, by channel and phase.
    #[inline(always)]
    fn lay_map_out<V: Vector>(
        &self,
        map: &[f32],
        group: usize,
        runs: &[Vec<Run>],
        strips: &mut [f32],
    ) {
        let window = strips.len() / (self.channels() * self.phases.len()).max(1);
        let mut strips = strips.chunks_exact_mut(window.max(1));
        let plane = self.windows.sides.iter().product::<usize>();
        for channel in 0..self.channels() {
            let first = (group * self.channels() + channel) * plane;
            for ((place, runs), strip) in self.phases.iter().zip(runs).zip(&mut strips) {
                lay_out::<V>(&map[first..], runs, place.steps[1], strip);
            }
        }
    }

    /// The same for the output.
    #[inline(always)]
    fn lay_output_out<V: Vector>(
        &self,
        output: &[f32],
        group: usize,
        runs: &[Run],
        strips: &mut [f32],
    ) {
        let window = strips.len() / self.filters().max(1);
        let plane = self.windows.positions.iter().product::<usize>();
        let strips = strips.chunks_exact_mut(window.max(1));
        for (filter, strip) in strips.enumerate() {
            let first = (group * self.filters() + filter) * plane;
            lay_out::<V>(&output[first..], runs, 1, strip);
        }
    }

    /// The runs of every phase of the map.
    fn map_runs(&self, start: usize, len: usize) -> Vec<Vec<Run>> {
        let image = self.windows.map_len() / self.windows.batch.max(1);
        let runs = |place| self.runs(place, image, start as isize, len);
        self.phases.iter().map(runs).collect()
    }

    fn output_runs(&self, start: isize, len: usize) -> Vec<Run> {
        let image = self.windows.output_len() / self.windows.batch.max(1);
        self.runs(&self.output, image, start, len)
    }

    /// The taps of a phase.
    fn taps_of(&self, phase: usize) -> impl Iterator<Item = (usize, Tap)> {
        let taps = self.taps.iter().copied().enumerate();
        taps.filter(move |(_, tap)| tap.phase == phase)
    }

    /// The weights of the taps of a phase, `[channels, taps, filters of a group]`.
    fn transposed(&self, weight: &[f32], phase: usize) -> Vec<f32> {
        let (channels, filters) = (self.channels(), self.filters());
        let mut numbers = Vec::new();
        for channel in 0..self.windows.channels {
            let group = channel / channels;
            for (tap, _) in self.taps_of(phase) {
                numbers.extend((0..filters).map(|filter| {
                    let row = (group * filters + filter) * channels + channel % channels;
                    weight[row * self.taps.len() + tap]
                }));
            }
        }
        numbers
    }
}

/// Writes runs of numbers, and zeros everywhere else.
#[inline(always)]
fn lay_out<V: Vector>(numbers: &[f32], runs: &[Run], step: usize, strip: &mut [f32]) {
    let mut end = 0;
    for run in runs {
        fill::<V>(strip, end..run.place, 0.0);
        end = run.place + run.len;
        let strip = &mut strip[run.place..][..run.len];
        let numbers = &numbers[run.source..][..(run.len - 1) * step + 1];
        match step {
            1 => copy::<V>(numbers, strip),
            // So common that the compiler should make vector code of it.
            2 => {
                let (pairs, last) = numbers.as_chunks();
                for (place, [number, _]) in strip.iter_mut().zip(pairs) {
                    *place = *number;
                }
                strip[run.len - 1] = last[0];
            }
            _ => {
                for (place, number) in strip.iter_mut().zip(numbers.iter().step_by(step)) {
                    *place = *number;
                }
            }
        }
    }
    fill::<V>(strip, end..strip.len(), 0.0);
}

/// Writes a number to some places, and perhaps to those behind them, which are to be written.
#[inline(always)]
fn fill<V: Vector>(strip: &mut [f32], places: Range<usize>, number: f32) {
    let mut place = places.start;
    while place < places.end {
        if place + V::LANES > strip.len() {
            return strip[place..].fill(number);
        }
        V::splat(number).store(&mut strip[place..]);
        place += V::LANES;
    }
}

/// Copies numbers, of which there are mostly few: the rows of an image are too short to call a function for each.
#[inline(always)]
fn copy<V: Vector>(from: &[f32], to: &mut [f32]) {
    /// At least one vector of them, and at most four; the last one may lie over the one before.
    #[inline(always)]
    fn copy_few<V: Vector>(from: &[f32], to: &mut [f32]) {
        let last = from.len() - V::LANES;
        for first in [0, V::LANES, 2 * V::LANES] {
            if first < last {
                V::load(&from[first..]).store(&mut to[first..]);
            }
        }
        V::load(&from[last..]).store(&mut to[last..]);
    }
    let (from, len) = (&from[..to.len()], to.len());
    if len > 4 * V::LANES {
        to.copy_from_slice(from);
    } else if len >= V::LANES {
        copy_few::<V>(from, to);
    } else if len >= 4 {
        copy_few::<[f32; 4]>(from, to);
    } else if len > 0 {
        for index in [0, len / 2, len - 1] {
            to[index] = from[index];
        }
    }
}

/// Writes the numbers of a strip to where they belong, from element `first` on.
///
/// # Safety
///
/// The runs must lie in the allocation, and no other thread may touch their elements.
#[inline(always)]
unsafe fn take_back<V: Vector>(
    strip: &[f32],
    runs: &[Run],
    step: usize,
    output: Shared<f32>,
    first: usize,
) {
    for run in runs {
        let numbers = &strip[run.place..][..run.len];
        let output = output.0.wrapping_add(first + run.source);
        if step == 1 {
            // SAFETY: as the caller says.
            copy::<V>(numbers, unsafe {
                std::slice::from_raw_parts_mut(output, run.len)
            });
        } else {
            let mut output = output;
            for &number in numbers {
                // SAFETY: as the caller says.
                unsafe { output.write(number) };
                output = output.wrapping_add(step);
            }
        }
    }
}

struct Forward<'a> {
    map: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    plan: &'a Plan,
    pieces: Pieces,
    output: Shared<f32>,
}

impl Job for Forward<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let (filters, depth) = (plan.filters(), plan.depth());
        let columns = self.pieces.len.next_multiple_of(V::LANES);
        let window = columns + plan.reach;
        let mut strips = Scratch::new(plan.channels() * plan.phases.len() * window);
        let mut sums = Scratch::new(filters * columns);
        let right_rows = plan.window_rows(window);
        let plane = plan.windows.positions.iter().product::<usize>();
        for piece in self.pieces.iter() {
            let map_runs = plan.map_runs(piece.start, window);
            let output_runs = plan.output_runs(piece.start as isize, piece.len());
            let columns = piece.len().next_multiple_of(V::LANES);
            for group in 0..plan.windows.groups {
                plan.lay_map_out::<V>(self.map, group, &map_runs, &mut strips);
                let first = group * filters;
                for (filter, sums) in sums.chunks_exact_mut(columns).take(filters).enumerate() {
                    fill::<V>(sums, 0..columns, self.bias[first + filter]);
                }
                let left_rows: Vec<usize> = (0..filters).map(|f| (first + f) * depth).collect();
                let factors = Factors {
                    left: self.weight,
                    left_rows: &left_rows,
                    right: &strips,
                    right_rows: &right_rows,
                    columns,
                };
                // SAFETY: this job runs where these vectors are.
                unsafe { add_product::<V>(factors, &mut sums, columns) };
                for (filter, sums) in sums.chunks_exact(columns).take(filters).enumerate() {
                    let first = (first + filter) * plane;
                    // SAFETY: the elements of this piece's places, which no other has.
                    unsafe { take_back::<V>(sums, &output_runs, 1, self.output, first) };
                }
            }
        }
    }
}

struct Transposed<'a> {
    input: &'a [f32],
    /// By phase.
    weights: &'a [Vec<f32>],
    bias: &'a [f32],
    plan: &'a Plan,
    pieces: Pieces,
    map: Shared<f32>,
}

impl Job for Transposed<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let (channels, filters) = (plan.channels(), plan.filters());
        let columns = self.pieces.len.next_multiple_of(V::LANES);
        let window = columns + plan.reach;
        let mut strips = Scratch::new(filters * window);
        let mut sums = Scratch::new(channels * columns);
        let right_rows: Vec<Vec<usize>> = (0..plan.phases.len())
            .map(|phase| {
                let start = |shift: usize, filter: usize| filter * window + plan.reach - shift;
                plan.taps_of(phase)
                    .flat_map(|(_, tap)| (0..filters).map(move |f| start(tap.shift, f)))
                    .collect()
            })
            .collect();
        let plane = plan.windows.sides.iter().product::<usize>();
        for piece in self.pieces.iter() {
            let start = piece.start as isize - plan.reach as isize;
            let output_runs = plan.output_runs(start, window);
            let map_runs = plan.map_runs(piece.start, piece.len());
            let columns = piece.len().next_multiple_of(V::LANES);
            for group in 0..plan.windows.groups {
                plan.lay_output_out::<V>(self.input, group, &output_runs, &mut strips);
                let first = group * channels;
                for (phase, place) in plan.phases.iter().enumerate() {
                    for (channel, sums) in sums.chunks_exact_mut(columns).take(channels).enumerate()
                    {
                        fill::<V>(sums, 0..columns, self.bias[first + channel]);
                    }
                    let depth = right_rows[phase].len();
                    let left_rows: Vec<usize> =
                        (0..channels).map(|c| (first + c) * depth).collect();
                    let factors = Factors {
                        left: &self.weights[phase],
                        left_rows: &left_rows,
                        right: &strips,
                        right_rows: &right_rows[phase],
                        columns,
                    };
                    // SAFETY: this job runs where these vectors are.
                    unsafe { add_product::<V>(factors, &mut sums, columns) };
                    for (channel, sums) in sums.chunks_exact(columns).take(channels).enumerate() {
                        let first = (first + channel) * plane;
                        // SAFETY: the elements of this piece's places, which no other has.
                        unsafe {
                            take_back::<V>(sums, &map_runs[phase], place.steps[1], self.map, first)
                        };
                    }
                }
            }
        }
    }
}

struct Weights<'a> {
    map: &'a [f32],
    gradient: &'a [f32],
    plan: &'a Plan,
    pieces: Pieces,
    /// Where the sums of this part begin.
    sums: Shared<f32>,
    first: usize,
}

impl Job for Weights<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let plan = self.plan;
        let (filters, depth) = (plan.filters(), plan.depth());
        let columns = self.pieces.len.next_multiple_of(V::LANES);
        let window = columns + plan.reach;
        let mut strips = Scratch::new(plan.channels() * plan.phases.len() * window);
        let mut gradients = Scratch::new(filters * columns);
        let left_rows = plan.window_rows(window);
        // Filters side by side, and weights as rows: `[groups, depth, width]`.
        let product = filters >= FEW;
        let width = filters.next_multiple_of(V::LANES.max(8));
        let mut transposed = Scratch::new(if product { columns * width } else { 0 });
        let right_rows: Vec<usize> = (0..columns).map(|place| place * width).collect();
        let groups = plan.windows.groups;
        let mut products = vec![0.0; if product { groups * depth * width } else { 0 }];
        // SAFETY: the sums of this part, which no other task has, and which are all zeros.
        let sums = unsafe {
            self.sums
                .slice(self.first, plan.windows.weight_len())
                .assume_init_mut()
        };
        for piece in self.pieces.iter() {
            let map_runs = plan.map_runs(piece.start, window);
            let output_runs = plan.output_runs(piece.start as isize, piece.len());
            for group in 0..groups {
                plan.lay_map_out::<V>(self.map, group, &map_runs, &mut strips);
                plan.lay_output_out::<V>(self.gradient, group, &output_runs, &mut gradients);
                if product {
                    transpose(&gradients, columns, &mut transposed, width);
                    let factors = Factors {
                        left: &strips,
                        left_rows: &left_rows,
                        right: &transposed,
                        right_rows: &right_rows,
                        columns: width,
                    };
                    let products = &mut products[group * depth * width..][..depth * width];
                    // SAFETY: this job runs where these vectors are.
                    unsafe { add_product::<V>(factors, products, width) };
                    continue;
                }
                for (filter, gradients) in gradients.chunks_exact(columns).enumerate() {
                    let sums = &mut sums[(group * filters + filter) * depth..][..depth];
                    let dots = Dots {
                        numbers: &strips,
                        starts: &left_rows,
                        row: gradients,
                        sums,
                    };
                    // SAFETY: this job runs where these vectors are.
                    unsafe { V::run(dots) };
                }
            }
        }
        if product {
            for (filter, sums) in sums.chunks_exact_mut(depth).enumerate() {
                let first = filter / filters * depth * width + filter % filters;
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = products[first + k * width];
                }
            }
        }
    }
}

/// Rows of `columns` elements as the columns of a matrix that is `width` wide.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // what iterators call is not always inlined; see super::write!
fn transpose(rows: &[f32], columns: usize, transposed: &mut [f32], width: usize) {
    const ROWS: usize = 8;
    let count = rows.len() / columns;
    let mut first = 0;
    while first < count {
        let here = ROWS.min(count - first);
        let mut lines = [&rows[..0]; ROWS];
        for row in 0..ROWS {
            // The last block repeats its last row, in columns that are no one's.
            lines[row] = &rows[(first + row.min(here - 1)) * columns..][..columns];
        }
        for column in 0..columns {
            let line = &mut transposed[column * width + first..][..ROWS];
            for row in 0..ROWS {
                line[row] = lines[row][column];
            }
        }
        first += ROWS;
    }
}

struct Sums<'a> {
    gradient: &'a [f32],
    batch: usize,
    plane: usize,
    channels: Range<usize>,
    sums: Shared<f32>,
}

impl Job for Sums<'_> {
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let image = self.gradient.len() / self.batch.max(1);
        // SAFETY: the sums of these channels, which no other task has.
        let sums = unsafe { self.sums.slice(self.channels.start, self.channels.len()) };
        for (sum, channel) in sums.iter_mut().zip(self.channels) {
            let mut total = 0.0;
            for index in 0..self.batch {
                let first = index * image + channel * self.plane;
                total += f64::from(super::total(&self.gradient[first..][..self.plane]));
            }
            sum.write(total as f32);
        }
    }
}
