//! One pass over memory on the CPU: what the flex and the ndarray kernels share.
//!
//! An operation is a [`Pointwise`] function, written for one element in `f32`. [`map`] writes what it gives,
//! [`fold`] sums it over each row. Both cut their arguments into tiles that stay in the first-level cache,
//! hand the tiles to rayon where there are enough of them, and run each in code compiled for the processor's
//! widest vectors. f16 and bf16 are widened as a tile is read, and rounded as it is written.

pub(crate) mod backend;
mod categorical;
mod convolution;
mod gate;
mod linear;
mod maps;
mod math;
mod mixture;
mod nade;
mod norm;
mod pointwise;
mod product;
mod simd;

use super::philox;
use burn::tensor::{bf16, f16};
use simd::{Job, Vector};
use std::{
    cell::RefCell,
    mem::MaybeUninit,
    ops::{Deref, DerefMut, Range},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Elements of a tile: with five inputs and four outputs in `f32` still well inside the second-level cache,
/// and enough to make a tile's own cost small.
const TILE: usize = 1024;

/// Elements that are worth handing to another thread; a matrix of fewer than four times as many is left to
/// one.
const ELEMENTS_PER_TASK: usize = 1 << 15;

/// Adds a product of two matrices to a third; see [`super::add_product`].
pub(crate) fn add_product(
    [left, right]: [&[f32]; 2],
    [left_rows, right_rows]: [&[usize]; 2],
    columns: usize,
    sum: &mut [f32],
) {
    struct Product<'a>(product::Factors<'a>, &'a mut [f32]);

    impl Job for Product<'_> {
        #[inline(always)]
        fn run<const FMA: bool, V: Vector>(self) {
            let pitch = self.0.columns;
            // SAFETY: a job runs where the processor has its vectors.
            unsafe { product::add_product::<V>(self.0, self.1, pitch) }
        }
    }

    let factors = product::Factors {
        left,
        left_rows,
        right,
        right_rows,
        columns,
    };
    simd::dispatch(Product(factors, sum));
}

/// A function of one element of each of `IN` inputs, and of the gradient that reaches the element's row
/// (1 where there is none).
pub(crate) trait Pointwise<const IN: usize, const OUT: usize>: Copy + Send + Sync {
    /// `FMA`: see [`math`].
    fn apply<const FMA: bool>(self, gradient: f32, inputs: [f32; IN]) -> [f32; OUT];
}

/// How a tensor keeps its numbers.
pub(crate) trait Storage: Copy + Send + Sync + 'static {
    fn widen(self) -> f32;
    fn narrow(number: f32) -> Self;
    /// The numbers themselves, where they are kept as `f32`.
    fn as_f32(_numbers: &[Self]) -> Option<&[f32]> {
        None
    }
    /// The same of numbers that are still to be written.
    fn as_f32_mut(_numbers: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]> {
        None
    }
}

impl Storage for f32 {
    fn widen(self) -> f32 {
        self
    }
    fn narrow(number: f32) -> Self {
        number
    }
    fn as_f32(numbers: &[Self]) -> Option<&[f32]> {
        Some(numbers)
    }
    fn as_f32_mut(numbers: &mut [MaybeUninit<Self>]) -> Option<&mut [MaybeUninit<f32>]> {
        Some(numbers)
    }
}

impl Storage for f16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(number: f32) -> Self {
        f16::from_f32(number)
    }
}

impl Storage for bf16 {
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(number: f32) -> Self {
        bf16::from_f32(number)
    }
}

/// Where a kernel's numbers come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a, E> {
    /// A matrix somewhere in a buffer, with any strides: 0 repeats, negative runs backwards.
    Strided {
        buffer: &'a [E],
        start: usize,
        strides: [isize; 2],
    },
    /// Standard normal noise of a seed.
    Noise(u64),
}

/// Writes the outputs of `op` for a `[rows, columns]` matrix, each row by row.
pub(crate) fn map<P, E, const IN: usize, const OUT: usize>(
    op: P,
    shape: [usize; 2],
    gradient: Option<Source<E>>,
    inputs: [Source<E>; IN],
) -> [Vec<E>; OUT]
where
    P: Pointwise<IN, OUT>,
    E: Storage,
{
    let tiling = Tiling::new(shape);
    let mut outputs: [Vec<E>; OUT] = std::array::from_fn(|_| Vec::with_capacity(tiling.elements()));
    let pointers = outputs.each_mut().map(|output| Shared(output.as_mut_ptr()));
    tiling.run(|tiles| {
        simd::dispatch(MapJob {
            op,
            tiling,
            tiles,
            gradient,
            inputs,
            outputs: pointers,
        });
    });
    for output in &mut outputs {
        // SAFETY: the tiles cover the matrix, and each wrote all its elements.
        unsafe { output.set_len(tiling.elements()) };
    }
    outputs
}

/// Sums `op` over each row of a `[rows, columns]` matrix.
pub(crate) fn fold<P, E, const IN: usize>(
    op: P,
    shape: [usize; 2],
    inputs: [Source<E>; IN],
) -> Vec<E>
where
    P: Pointwise<IN, 1>,
    E: Storage,
{
    let tiling = Tiling::new(shape);
    // A row wider than a tile has one partial sum for each of its tiles.
    let partials = tiling.rows * tiling.tiles_across();
    let mut sums: Vec<f32> = Vec::with_capacity(partials);
    let pointer = Shared(sums.as_mut_ptr());
    tiling.run(|tiles| {
        simd::dispatch(FoldJob {
            op,
            tiling,
            tiles,
            inputs,
            sums: pointer,
        });
    });
    // SAFETY: every tile wrote the partial sums of its rows, and the tiles cover the matrix.
    unsafe { sums.set_len(partials) };
    sums.chunks_exact(tiling.tiles_across())
        .map(|parts| E::narrow(parts.iter().map(|&part| f64::from(part)).sum::<f64>() as f32))
        .collect()
}

/// A matrix cut into tiles: some whole rows, or a part of one row.
#[derive(Clone, Copy)]
struct Tiling {
    rows: usize,
    columns: usize,
    rows_of_tile: usize,
    columns_of_tile: usize,
}

struct Tile {
    row: usize,
    rows: usize,
    column: usize,
    columns: usize,
}

impl Tile {
    fn len(&self) -> usize {
        self.rows * self.columns
    }
}

impl Tiling {
    fn new([rows, columns]: [usize; 2]) -> Self {
        assert!(columns > 0, "a kernel needs at least one column");
        // Also keeps every index below from wrapping: an expanded tensor may be larger than any memory.
        let elements = rows.checked_mul(columns);
        assert!(
            elements.is_some_and(|elements| elements <= isize::MAX as usize / 8),
            "a kernel of {rows} x {columns} elements is beyond this machine's address space",
        );
        Self {
            rows,
            columns,
            rows_of_tile: (TILE / columns).max(1),
            columns_of_tile: columns.min(TILE),
        }
    }

    fn elements(&self) -> usize {
        self.rows * self.columns
    }

    fn tiles_across(&self) -> usize {
        self.columns.div_ceil(self.columns_of_tile)
    }

    fn tile(&self, index: usize) -> Tile {
        let row = index / self.tiles_across() * self.rows_of_tile;
        let column = index % self.tiles_across() * self.columns_of_tile;
        Tile {
            row,
            rows: self.rows_of_tile.min(self.rows - row),
            column,
            columns: self.columns_of_tile.min(self.columns - column),
        }
    }

    /// Calls `work` with ranges that cover all tiles, from several threads where that pays.
    fn run(&self, work: impl Fn(Range<usize>) + Sync) {
        let tiles = self.rows.div_ceil(self.rows_of_tile) * self.tiles_across();
        share(tiles, self.elements(), work);
    }
}

/// Calls `work` with ranges that cover `0..units`, from several threads where there are elements enough.
fn share(units: usize, elements: usize, work: impl Fn(Range<usize>) + Sync) {
    let tasks = elements / ELEMENTS_PER_TASK;
    let threads = rayon::current_num_threads().min(tasks / 2);
    if threads < 2 {
        return work(0..units);
    }
    // The calling thread takes tasks too, from the first moment on: rayon's own threads may be asleep,
    // and waking them takes as long as a small matrix.
    let tasks = tasks.min(8 * threads);
    let next = AtomicUsize::new(0);
    let take = || {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                break;
            }
            work(units * task / tasks..units * (task + 1) / tasks);
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| take());
        }
        take();
    });
}

/// Adds to each sum a number.
fn add(sums: &mut [f32], numbers: &[f32]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += number;
    }
}

/// Numbers to work on, of any values: those that a job of this thread has left, or new ones. So no job waits for pages that the
/// operating system clears, nor clears them itself.
struct Scratch {
    numbers: Vec<f32>,
    len: usize,
}

thread_local! {
    static LEFT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    fn new(len: usize) -> Self {
        let left = LEFT.with_borrow_mut(|left| left.pop());
        let mut numbers = left.unwrap_or_default();
        if numbers.len() < len {
            numbers = vec![0.0; len];
        }
        Self { numbers, len }
    }
}

/// How many numbers a buffer may have that a thread keeps: no job on large maps holds memory for ever.
const KEPT: usize = 1 << 21;

impl Drop for Scratch {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        if numbers.len() > KEPT {
            return;
        }
        // (At its end a thread has no place for them.)
        let _ = LEFT.try_with(|left| left.borrow_mut().push(numbers));
    }
}

impl Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.numbers[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[..self.len]
    }
}

/// The start of an output that several threads write, each to places of its own.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: tiles do not overlap, and a tile writes only to its own elements.
unsafe impl<T: Send> Send for Shared<T> {}
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// # Safety
    ///
    /// The range must lie inside the allocation, and no other thread may touch it.
    #[inline(always)]
    unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [MaybeUninit<T>] {
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start).cast(), len) }
    }
}

struct MapJob<'a, P, E, const IN: usize, const OUT: usize> {
    op: P,
    tiling: Tiling,
    tiles: Range<usize>,
    gradient: Option<Source<'a, E>>,
    inputs: [Source<'a, E>; IN],
    outputs: [Shared<E>; OUT],
}

impl<P, E, const IN: usize, const OUT: usize> Job for MapJob<'_, P, E, IN, OUT>
where
    P: Pointwise<IN, OUT>,
    E: Storage,
{
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let mut staged = [[0.0; TILE]; IN];
        let mut gradients = [1.0; TILE];
        let mut results = [[MaybeUninit::uninit(); TILE]; OUT];
        for index in self.tiles {
            let tile = self.tiling.tile(index);
            let len = tile.len();
            if let Some(source) = &self.gradient {
                for row in 0..tile.rows {
                    let gradient = source.at(tile.row + row);
                    gradients[row * tile.columns..][..tile.columns].fill(gradient);
                }
            }
            let mut inputs: [&[f32]; IN] = [&[]; IN];
            for ((input, source), stage) in inputs.iter_mut().zip(&self.inputs).zip(&mut staged) {
                *input = source.load(&self.tiling, &tile, stage);
            }
            let start = tile.row * self.tiling.columns + tile.column;
            // SAFETY: the elements of this tile, which no other tile has.
            let mut outputs = self
                .outputs
                .map(|output| unsafe { output.slice(start, len) });
            // Straight to where they belong, or rounded on the way.
            let mut direct: [&mut [MaybeUninit<f32>]; OUT] = std::array::from_fn(|_| &mut [][..]);
            let mut is_direct = true;
            for (output, direct) in outputs.iter_mut().zip(&mut direct) {
                match E::as_f32_mut(output) {
                    Some(output) => *direct = output,
                    None => is_direct = false,
                }
            }
            if is_direct {
                evaluate::<FMA, P, IN, OUT>(self.op, &gradients[..len], inputs, direct);
                continue;
            }
            let staged = results.each_mut().map(|result| &mut result[..len]);
            evaluate::<FMA, P, IN, OUT>(self.op, &gradients[..len], inputs, staged);
            for (output, results) in outputs.iter_mut().zip(&results) {
                for (output, result) in output.iter_mut().zip(results) {
                    // SAFETY: `evaluate` wrote it.
                    output.write(E::narrow(unsafe { result.assume_init() }));
                }
            }
        }
    }
}

struct FoldJob<'a, P, E, const IN: usize> {
    op: P,
    tiling: Tiling,
    tiles: Range<usize>,
    inputs: [Source<'a, E>; IN],
    sums: Shared<f32>,
}

impl<P, E, const IN: usize> Job for FoldJob<'_, P, E, IN>
where
    P: Pointwise<IN, 1>,
    E: Storage,
{
    #[inline(always)]
    fn run<const FMA: bool, V: Vector>(self) {
        let mut staged = [[0.0; TILE]; IN];
        let mut results = [MaybeUninit::uninit(); TILE];
        for index in self.tiles {
            let tile = self.tiling.tile(index);
            let len = tile.len();
            let mut inputs: [&[f32]; IN] = [&[]; IN];
            for ((input, source), stage) in inputs.iter_mut().zip(&self.inputs).zip(&mut staged) {
                *input = source.load(&self.tiling, &tile, stage);
            }
            let terms = &mut results[..len];
            evaluate::<FMA, P, IN, 1>(self.op, &ONES[..len], inputs, [terms]);
            // SAFETY: `evaluate` wrote all of them.
            let terms = unsafe { &*(&raw const results[..len] as *const [f32]) };
            let across = self.tiling.tiles_across();
            let first = tile.row * across + tile.column / self.tiling.columns_of_tile;
            // SAFETY: one sum for each row of this tile (a tile of several rows is all of them), which no
            // other tile has.
            let sums = unsafe { self.sums.slice(first, tile.rows) };
            for (sum, terms) in sums.iter_mut().zip(terms.chunks_exact(tile.columns)) {
                sum.write(total(terms));
            }
        }
    }
}

/// The gradient of a row that has none.
static ONES: [f32; TILE] = [1.0; TILE];

/// Writes `op` of every element of a tile.
#[inline(always)]
fn evaluate<const FMA: bool, P: Pointwise<IN, OUT>, const IN: usize, const OUT: usize>(
    op: P,
    gradients: &[f32],
    inputs: [&[f32]; IN],
    outputs: [&mut [MaybeUninit<f32>]; OUT],
) {
    // One slice for each argument of a function: so the compiler knows that none overlaps with another,
    // which is what lets it make vector code. (Of slices in an array it does not.)
    let mut outputs = outputs.into_iter();
    let mut next = || outputs.next().expect("as many as counted");
    match OUT {
        1 => write_1::<FMA, P, IN, OUT>(op, gradients, inputs, next()),
        2 => write_2::<FMA, P, IN, OUT>(op, gradients, inputs, next(), next()),
        3 => write_3::<FMA, P, IN, OUT>(op, gradients, inputs, next(), next(), next()),
        4 => write_4::<FMA, P, IN, OUT>(op, gradients, inputs, next(), next(), next(), next()),
        _ => unreachable!("a kernel has one to four outputs"),
    }
}

macro_rules! write {
    ($name:ident, $($k:literal: $output:ident),*) => {
        #[inline(always)]
        #[allow(clippy::needless_range_loop)] // see below
        fn $name<const FMA: bool, P: Pointwise<IN, OUT>, const IN: usize, const OUT: usize>(
            op: P,
            gradients: &[f32],
            inputs: [&[f32]; IN],
            $($output: &mut [MaybeUninit<f32>],)*
        ) {
            // All of one length, so that no access needs a check.
            let len = gradients.len();
            let inputs = inputs.map(|input| &input[..len]);
            $(let $output = &mut $output[..len];)*
            for i in 0..len {
                // (What `array::from_fn` calls is inlined only if it lies in the same unit of code generation.)
                let mut element = [0.0; IN];
                for k in 0..IN {
                    element[k] = inputs[k][i];
                }
                let result = op.apply::<FMA>(gradients[i], element);
                $($output[i].write(result[$k]);)*
            }
        }
    };
}

write!(write_1, 0: a);
write!(write_2, 0: a, 1: b);
write!(write_3, 0: a, 1: b, 2: c);
write!(write_4, 0: a, 1: b, 2: c, 3: d);

/// The sum, in lanes that the compiler can keep in vectors.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn total(terms: &[f32]) -> f32 {
    let mut lanes = [[0.0; 16]; 2];
    let mut first = 0;
    while first + 32 <= terms.len() {
        let pair = &terms[first..][..32];
        for half in 0..2 {
            for i in 0..16 {
                lanes[half][i] += pair[16 * half + i];
            }
        }
        first += 32;
    }
    let [mut lanes, others] = lanes;
    for i in 0..16 {
        lanes[i] += others[i];
    }
    if first + 16 <= terms.len() {
        let chunk = &terms[first..][..16];
        for i in 0..16 {
            lanes[i] += chunk[i];
        }
        first += 16;
    }
    let mut rest = 0.0;
    while first < terms.len() {
        rest += terms[first];
        first += 1;
    }
    for i in 0..8 {
        lanes[i] += lanes[i + 8];
    }
    for i in 0..4 {
        lanes[i] += lanes[i + 4];
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

impl<E: Storage> Source<'_, E> {
    /// The number of one row, of a source with one column.
    #[inline(always)]
    fn at(&self, row: usize) -> f32 {
        match *self {
            Source::Strided {
                buffer,
                start,
                strides,
            } => buffer[start.wrapping_add_signed(row as isize * strides[0])].widen(),
            Source::Noise(seed) => {
                philox::normal_group(seed, (row / philox::WORDS) as u64)[row % philox::WORDS]
            }
        }
    }

    /// The numbers of a tile, row by row: where they lie if they lie so, otherwise gathered into `stage`.
    #[inline(always)]
    fn load<'b>(&'b self, tiling: &Tiling, tile: &Tile, stage: &'b mut [f32; TILE]) -> &'b [f32] {
        match *self {
            Source::Strided {
                buffer,
                start,
                strides,
            } => {
                let first = start
                    .wrapping_add_signed(tile.row as isize * strides[0])
                    .wrapping_add_signed(tile.column as isize * strides[1]);
                let rows_follow = tile.rows == 1 || strides[0] == tile.columns as isize;
                if strides[1] == 1 && rows_follow {
                    let numbers = &buffer[first..first + tile.len()];
                    if let Some(numbers) = E::as_f32(numbers) {
                        return numbers;
                    }
                    for (stage, number) in stage.iter_mut().zip(numbers) {
                        *stage = number.widen();
                    }
                } else {
                    for (row, stage) in stage[..tile.len()]
                        .chunks_exact_mut(tile.columns)
                        .enumerate()
                    {
                        let first = first.wrapping_add_signed(row as isize * strides[0]);
                        for (column, stage) in stage.iter_mut().enumerate() {
                            *stage = buffer
                                [first.wrapping_add_signed(column as isize * strides[1])]
                            .widen();
                        }
                    }
                }
            }
            Source::Noise(seed) => {
                let first = tile.row * tiling.columns + tile.column;
                noise(seed, first, &mut stage[..tile.len()]);
            }
        }
        &stage[..tile.len()]
    }
}

/// The standard normal numbers of the elements from `first` on.
#[inline(always)]
fn noise(seed: u64, first: usize, numbers: &mut [f32]) {
    /// Counters at a time, so that the generator runs in vectors.
    const GROUPS: usize = 16;
    const SPAN: usize = GROUPS * philox::WORDS;

    let mut done = 0;
    while done < numbers.len() {
        let group = (first + done) / philox::WORDS;
        let skip = (first + done) % philox::WORDS;
        let mut words = [[0.0; GROUPS]; philox::WORDS];
        for i in 0..GROUPS {
            let normal = philox::normal_group(seed, (group + i) as u64);
            for (words, normal) in words.iter_mut().zip(normal) {
                words[i] = normal;
            }
        }
        let mut span = [0.0; SPAN];
        for (i, number) in span.iter_mut().enumerate() {
            *number = words[i % philox::WORDS][i / philox::WORDS];
        }
        let count = (SPAN - skip).min(numbers.len() - done);
        numbers[done..done + count].copy_from_slice(&span[skip..skip + count]);
        done += count;
    }
}
