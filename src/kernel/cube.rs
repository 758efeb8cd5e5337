//! The kernels of every CubeCL backend (wgpu, Vulkan, Metal, CUDA, ROCm).
//!
//! Two kernels, over what they do with one element: [`map_kernel`] writes it, one unit for an element, and
//! [`fold_kernel`] sums it over each row, some units for a row. Both read through strides, so a transposed or
//! broadcast argument is not copied, and compute in `f32` whatever the tensors keep.

use super::{
    adam::AdamStep,
    ops::{Gradients, Operations, Updates},
    philox,
    reference::LN_2PI,
    series,
};
use burn::backend::{TensorMetadata, cubecl::dtype_to_storage_type};
use burn::tensor::Shape;
use burn_cubecl::{CubeBackend, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor};
use cubecl::{calculate_cube_count_elemwise, prelude::*};

/// Units of a cube that sums rows.
const UNITS: u32 = 256;

/// Elements of a row that a unit should have to sum, before a row gets more units.
const ELEMENTS_PER_UNIT: usize = 4;

/// What a kernel does with one element: a function of the gradient that reaches its row (1 where there is
/// none) and of one number of each input.
#[cube]
trait Pointwise: 'static + Send + Sync {
    fn apply(gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32>;
}

/// Writes `P` of every element. With `graded`, the last input is a gradient for each row.
#[cube(launch_unchecked, address_type = "dynamic")]
fn map_kernel<P: Pointwise, F: Float>(
    inputs: &Sequence<OwnedTensor<F>>,
    outputs: &mut Sequence<OwnedTensor<F>>,
    rows: usize,
    columns: usize,
    #[comptime] graded: bool,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= rows * columns {
        terminate!();
    }
    let row = ABSOLUTE_POS / columns;
    let column = ABSOLUTE_POS % columns;
    let count = comptime!(if graded {
        inputs.len() - 1
    } else {
        inputs.len()
    });
    let mut gradient = 1.0f32;
    if comptime!(graded) {
        let gradients = inputs.index(count);
        gradient = f32::cast_from(gradients[row * gradients.stride(0)]);
    }
    let numbers = read::<F>(inputs, row, column, count);
    let results = P::apply(gradient, &numbers);
    #[unroll]
    for k in 0..outputs.len() {
        outputs.index_mut(k)[ABSOLUTE_POS] = F::cast_from(*results.index(k));
    }
}

/// Sums `P` over each row, with `lanes` units (a power of two) for a row.
#[cube(launch_unchecked, address_type = "dynamic")]
fn fold_kernel<P: Pointwise, F: Float>(
    inputs: &Sequence<OwnedTensor<F>>,
    output: &mut Tensor<F>,
    rows: usize,
    columns: usize,
    #[comptime] lanes: u32,
    #[comptime] units: u32,
    #[define(F)] _dtype: ElemType,
) {
    let mut sums = Shared::new_slice(comptime!(units as usize));
    let unit = UNIT_POS as usize;
    let lane = unit % comptime!(lanes as usize);
    let row = CUBE_POS * comptime!((units / lanes) as usize) + unit / comptime!(lanes as usize);

    let mut sum = 0.0f32;
    if row < rows {
        let mut column = lane;
        while column < columns {
            let numbers = read::<F>(inputs, row, column, inputs.len());
            let terms = P::apply(1.0f32, &numbers);
            sum += *terms.index(0);
            column += comptime!(lanes as usize);
        }
    }
    sums[unit] = sum;
    sync_cube();

    let mut width = comptime!((lanes / 2) as usize).runtime();
    while width > 0 {
        if lane < width {
            let other = sums[unit + width];
            sums[unit] += other;
        }
        sync_cube();
        width /= 2;
    }
    if lane == 0 && row < rows {
        output[row] = F::cast_from(sums[unit]);
    }
}

/// The numbers of one element, of the first `count` inputs.
#[cube]
fn read<F: Float>(
    inputs: &Sequence<OwnedTensor<F>>,
    row: usize,
    column: usize,
    #[comptime] count: usize,
) -> Sequence<f32> {
    let mut numbers = Sequence::<f32>::new();
    #[unroll]
    for i in 0..count {
        let input = inputs.index(i);
        let position = row * input.stride(0) + column * input.stride(1);
        numbers.push(f32::cast_from(input[position]));
    }
    numbers
}

/// `mean + e^(log_var / 2) noise`, one unit for the four elements of a counter of the generator.
#[cube(launch_unchecked, address_type = "dynamic")]
fn reparameterize_seeded_kernel<F: Float>(
    mean: &Tensor<F>,
    log_var: &Tensor<F>,
    output: &mut Tensor<F>,
    rows: usize,
    columns: usize,
    seed_low: u32,
    seed_high: u32,
    #[define(F)] _dtype: ElemType,
) {
    // The number of counters, and not the first element of one, which wraps just below 2^32 elements.
    if ABSOLUTE_POS > (rows * columns - 1) / comptime!(philox::WORDS) {
        terminate!();
    }
    let first = ABSOLUTE_POS * comptime!(philox::WORDS);
    let noise = normal_group(u32::cast_from(ABSOLUTE_POS), seed_low, seed_high);
    #[unroll]
    for i in 0..comptime!(philox::WORDS) {
        let position = first + i;
        if position < rows * columns {
            let row = position / columns;
            let column = position % columns;
            let mean = f32::cast_from(mean[row * mean.stride(0) + column * mean.stride(1)]);
            let log_var = log_var[row * log_var.stride(0) + column * log_var.stride(1)];
            let std = (f32::cast_from(log_var) * 0.5f32).exp();
            output[position] = F::cast_from(mean + std * *noise.index(i));
        }
    }
}

/// [`philox::normal_group`], for counters below `2^32`.
#[cube]
fn normal_group(group: u32, seed_low: u32, seed_high: u32) -> Sequence<f32> {
    let mut a = group;
    let mut b = 0u32.runtime();
    let mut c = 0u32.runtime();
    let mut d = 0u32.runtime();
    let mut key_a = seed_low;
    let mut key_b = seed_high;
    #[unroll]
    for round in 0..comptime!(philox::ROUNDS) {
        if comptime!(round > 0) {
            key_a += comptime!(philox::KEY_STEPS[0]);
            key_b += comptime!(philox::KEY_STEPS[1]);
        }
        let high_a = u32::mul_hi(a, comptime!(philox::MULTIPLIERS[0]));
        let low_a = a * comptime!(philox::MULTIPLIERS[0]);
        let high_c = u32::mul_hi(c, comptime!(philox::MULTIPLIERS[1]));
        let low_c = c * comptime!(philox::MULTIPLIERS[1]);
        a = high_c ^ b ^ key_a;
        b = low_c;
        c = high_a ^ d ^ key_b;
        d = low_a;
    }
    let mut numbers = Sequence::<f32>::new();
    box_muller(a, b, &mut numbers);
    box_muller(c, d, &mut numbers);
    numbers
}

/// [`philox::box_muller`].
#[cube]
fn box_muller(word_a: u32, word_b: u32, numbers: &mut Sequence<f32>) {
    let radius = (ln_of_fraction(word_a) * -2.0f32).sqrt();

    let turned = word_b + comptime!(1u32 << 29);
    let quarter = turned >> 30u32;
    let rest = i32::cast_from(turned & 0x3FFF_FFFFu32) - comptime!(1i32 << 29);
    let x = f32::cast_from(rest) * comptime!(std::f32::consts::TAU / 4_294_967_296.0);
    let square = x * x;
    let sin = (((comptime!(series::SIN[0]) * square + comptime!(series::SIN[1])) * square)
        + comptime!(series::SIN[2]))
        * square
        * x
        + x;
    let cos = (((comptime!(series::COS[0]) * square + comptime!(series::COS[1])) * square)
        + comptime!(series::COS[2]))
        * square
        * square
        - square * 0.5f32
        + 1.0f32;

    let odd = (quarter & 1u32) == 1u32;
    let near = select(odd, sin, cos);
    let far = select(odd, cos, sin);
    let near_is_negative = quarter == 1u32 || quarter == 2u32;
    let near = select(near_is_negative, -near, near);
    let far = select(quarter >= 2u32, -far, far);
    numbers.push(radius * near);
    numbers.push(radius * far);
}

/// `ln((word + 1) / 2^32)`.
#[cube]
fn ln_of_fraction(word: u32) -> f32 {
    let number = f32::cast_from(word) + 1.0f32;
    let shifted = u32::reinterpret(number) - comptime!(series::SQRT_HALF_BITS);
    let exponent = f32::cast_from((i32::reinterpret(shifted) >> 23i32) - 32i32);
    let mantissa = (shifted & 0x007F_FFFFu32) + comptime!(series::SQRT_HALF_BITS);
    let x = f32::reinterpret(mantissa) - 1.0f32;
    ln_series(x) + exponent * comptime!(series::LN_2[1]) + exponent * comptime!(series::LN_2[0])
}

/// `ln(1 + x)` on `[sqrt(1/2) - 1, sqrt(2) - 1]`.
#[cube]
fn ln_series(x: f32) -> f32 {
    let mut sum = comptime!(series::LN[0]).runtime();
    #[unroll]
    for i in 1..comptime!(series::LN.len()) {
        sum = sum * x + comptime!(series::LN[i]);
    }
    let square = x * x;
    x + (sum * x * square - square * 0.5f32)
}

/// `e^x - 1 - x` near 0.
#[cube]
fn exp_series(x: f32) -> f32 {
    let mut sum = comptime!(series::EXP[0]).runtime();
    #[unroll]
    for i in 1..comptime!(series::EXP.len()) {
        sum = sum * x + comptime!(series::EXP[i]);
    }
    sum * x * x
}

/// `e^x - 1 - x`.
#[cube]
fn exp_excess(x: f32) -> f32 {
    let near = x.abs() < comptime!(series::EXP_NEAR);
    select(near, exp_series(x), x.exp() - 1.0f32 - x)
}

/// `e^x - 1`.
#[cube]
fn exp_m1(x: f32) -> f32 {
    let near = x.abs() < comptime!(series::EXP_NEAR);
    select(near, exp_series(x) + x, x.exp() - 1.0f32)
}

/// `ln(1 + e^-|x|)`: what softplus has beyond `max(x, 0)`.
#[cube]
fn softplus_tail(x: f32) -> f32 {
    let small = (-x.abs()).exp();
    let halve = small > comptime!(std::f32::consts::SQRT_2 - 1.0);
    let rest = select(halve, small * 0.5f32 - 0.5f32, small);
    let offset = select(
        halve,
        comptime!(std::f32::consts::LN_2).runtime(),
        0.0f32.runtime(),
    );
    ln_series(rest) + offset
}

/// `1 / (1 + e^-x)`.
#[cube]
fn sigmoid(x: f32) -> f32 {
    let small = (-x.abs()).exp();
    select(x >= 0.0f32, 1.0f32.runtime(), small) / (small + 1.0f32)
}

/// [`AdamStep`], one unit for an element.
#[cube(launch_unchecked, address_type = "dynamic")]
fn adam_kernel<F: Float>(
    inputs: &Sequence<OwnedTensor<F>>,
    outputs: &mut Sequence<OwnedTensor<F>>,
    rows: usize,
    columns: usize,
    beta_1: f32,
    beta_2: f32,
    rate: f32,
    epsilon: f32,
    l2: f32,
    keep: f32,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= rows * columns {
        terminate!();
    }
    let numbers = read::<F>(
        inputs,
        ABSOLUTE_POS / columns,
        ABSOLUTE_POS % columns,
        4usize,
    );
    let parameter = *numbers.index(0);
    let gradient = *numbers.index(1) + l2 * parameter;
    let moment_1 = beta_1 * *numbers.index(2) + (1.0f32 - beta_1) * gradient;
    let moment_2 = beta_2 * *numbers.index(3) + (1.0f32 - beta_2) * (gradient * gradient);
    let delta = rate * moment_1 / (moment_2.sqrt() + epsilon);
    outputs.index_mut(0)[ABSOLUTE_POS] = F::cast_from(keep * parameter - delta);
    outputs.index_mut(1)[ABSOLUTE_POS] = F::cast_from(moment_1);
    outputs.index_mut(2)[ABSOLUTE_POS] = F::cast_from(moment_2);
}

// The operations. The formulas: docs/maths.md.

struct Reparameterize;

#[cube]
impl Pointwise for Reparameterize {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let std = (*inputs.index(1) * 0.5f32).exp();
        let mut results = Sequence::<f32>::new();
        results.push(*inputs.index(0) + std * *inputs.index(2));
        results
    }
}

struct ReparameterizeGrad;

#[cube]
impl Pointwise for ReparameterizeGrad {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let mut results = Sequence::<f32>::new();
        results.push(*inputs.index(0) * ((*inputs.index(1) - *inputs.index(2)) * 0.5f32));
        results
    }
}

struct GaussianKl;

#[cube]
impl Pointwise for GaussianKl {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let mean = *inputs.index(0);
        let mut results = Sequence::<f32>::new();
        results.push((mean * mean + exp_excess(*inputs.index(1))) * 0.5f32);
        results
    }
}

struct GaussianKlGrad;

#[cube]
impl Pointwise for GaussianKlGrad {
    fn apply(gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let mut results = Sequence::<f32>::new();
        results.push(gradient * *inputs.index(0));
        results.push(gradient * (exp_m1(*inputs.index(1)) * 0.5f32));
        results
    }
}

struct GaussianKlBetween;

#[cube]
impl Pointwise for GaussianKlBetween {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let log_var_p = *inputs.index(3);
        let distance = (*inputs.index(0) - *inputs.index(2)) * (log_var_p * -0.5f32).exp();
        let mut results = Sequence::<f32>::new();
        results.push((exp_excess(*inputs.index(1) - log_var_p) + distance * distance) * 0.5f32);
        results
    }
}

struct GaussianKlBetweenGrad;

#[cube]
impl Pointwise for GaussianKlBetweenGrad {
    fn apply(gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let log_var_p = *inputs.index(3);
        let excess = exp_m1(*inputs.index(1) - log_var_p);
        let precision = (log_var_p * -0.5f32).exp();
        let distance = (*inputs.index(0) - *inputs.index(2)) * precision;
        let slope = distance * precision;
        let mut results = Sequence::<f32>::new();
        results.push(gradient * slope);
        results.push(gradient * (excess * 0.5f32));
        results.push(gradient * -slope);
        results.push(gradient * ((excess + distance * distance) * -0.5f32));
        results
    }
}

struct BernoulliNll;

#[cube]
impl Pointwise for BernoulliNll {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let logit = *inputs.index(0);
        let mut results = Sequence::<f32>::new();
        let positive = select(logit > 0.0f32, logit, 0.0f32.runtime());
        results.push((positive - logit * *inputs.index(1)) + softplus_tail(logit));
        results
    }
}

struct BernoulliNllGrad;

#[cube]
impl Pointwise for BernoulliNllGrad {
    fn apply(gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let mut results = Sequence::<f32>::new();
        results.push(gradient * (sigmoid(*inputs.index(0)) - *inputs.index(1)));
        results
    }
}

struct GaussianNll;

#[cube]
impl Pointwise for GaussianNll {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let log_var = *inputs.index(2);
        let distance = (*inputs.index(1) - *inputs.index(0)) * (log_var * -0.5f32).exp();
        let squared = distance * distance;
        let mut results = Sequence::<f32>::new();
        results.push((squared + (log_var + comptime!(LN_2PI as f32))) * 0.5f32);
        results
    }
}

struct GaussianNllGrad;

#[cube]
impl Pointwise for GaussianNllGrad {
    fn apply(gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let precision = (*inputs.index(2) * -0.5f32).exp();
        let distance = (*inputs.index(0) - *inputs.index(1)) * precision;
        let slope = distance * precision;
        let mut results = Sequence::<f32>::new();
        results.push(gradient * slope);
        results.push(gradient * ((1.0f32 - distance * distance) * 0.5f32));
        results
    }
}

struct SquaredError;

#[cube]
impl Pointwise for SquaredError {
    fn apply(_gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let distance = *inputs.index(0) - *inputs.index(1);
        let mut results = Sequence::<f32>::new();
        results.push(distance * distance);
        results
    }
}

struct SquaredErrorGrad;

#[cube]
impl Pointwise for SquaredErrorGrad {
    fn apply(gradient: f32, inputs: &Sequence<f32>) -> Sequence<f32> {
        let mut results = Sequence::<f32>::new();
        results.push(gradient * ((*inputs.index(0) - *inputs.index(1)) * 2.0f32));
        results
    }
}

// The launches.

/// Writes `P` of every element of `[rows, columns]` tensors, into as many new ones as `OUT`. A gradient is
/// one number for each row.
fn map<P: Pointwise, const IN: usize, const OUT: usize>(
    gradient: Option<CubeTensor>,
    inputs: [CubeTensor; IN],
) -> [CubeTensor; OUT] {
    let first = &inputs[0];
    let (client, dtype) = (first.client.clone(), first.dtype);
    let [rows, columns]: [usize; 2] = first.shape().dims();
    let outputs: [CubeTensor; OUT] = std::array::from_fn(|_| empty(first, [rows, columns].into()));
    let elements = rows * columns;
    if elements == 0 {
        return outputs;
    }
    let graded = gradient.is_some();
    let inputs: Vec<CubeTensor> = inputs.into_iter().chain(gradient).collect();
    let address = address_type(inputs.iter().chain(&outputs));
    let cube_dim = CubeDim::new(&client, elements);
    let cube_count = calculate_cube_count_elemwise(&client, elements, cube_dim);
    // SAFETY: a unit past the last element ends at once, and the strides are the tensors' own.
    unsafe {
        map_kernel::launch_unchecked::<P>(
            &client,
            cube_count,
            cube_dim,
            address,
            inputs
                .into_iter()
                .map(CubeTensor::into_tensor_arg)
                .collect(),
            outputs
                .iter()
                .map(|output| output.clone().into_tensor_arg())
                .collect(),
            rows,
            columns,
            graded,
            dtype_to_storage_type(dtype),
        );
    }
    outputs
}

/// Sums `P` over each row of `[rows, columns]` tensors.
fn fold<P: Pointwise, const IN: usize>(inputs: [CubeTensor; IN]) -> CubeTensor {
    let first = &inputs[0];
    let (client, dtype) = (first.client.clone(), first.dtype);
    let [rows, columns]: [usize; 2] = first.shape().dims();
    let output = empty(first, [rows].into());
    if rows == 0 {
        return output;
    }
    let address = address_type(inputs.iter().chain([&output]));
    let units = UNITS.min(client.properties().hardware.max_units_per_cube);
    let units = 1 << units.ilog2();
    let wanted = columns.div_ceil(ELEMENTS_PER_UNIT).next_power_of_two();
    let lanes = wanted.min(units as usize) as u32;
    // Counted in units, of which a cube has `units`: as many cubes as the rows need, in three dimensions
    // where one is too short for them.
    let cube_dim = CubeDim::new_1d(units);
    let cube_count = calculate_cube_count_elemwise(&client, rows * lanes as usize, cube_dim);
    // SAFETY: a unit past the last row reads and writes nothing, and the strides are the tensors' own.
    unsafe {
        fold_kernel::launch_unchecked::<P>(
            &client,
            cube_count,
            cube_dim,
            address,
            inputs
                .into_iter()
                .map(CubeTensor::into_tensor_arg)
                .collect(),
            output.clone().into_tensor_arg(),
            rows,
            columns,
            lanes,
            units,
            dtype_to_storage_type(dtype),
        );
    }
    output
}

/// Without gaps between rows (which CUDA's own layout of a matrix has): outputs are written by position.
fn empty(like: &CubeTensor, shape: Shape) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, like.dtype)
}

/// 32-bit indices unless a tensor needs more.
fn address_type<'a>(tensors: impl Iterator<Item = &'a CubeTensor>) -> AddressType {
    tensors
        .map(CubeTensor::required_address_type)
        .max()
        .unwrap_or_default()
}

impl Operations for CubeBackend {
    fn reparameterize(mean: CubeTensor, log_var: CubeTensor, noise: CubeTensor) -> CubeTensor {
        let [z] = map::<Reparameterize, 3, 1>(None, [mean, log_var, noise]);
        z
    }

    fn reparameterize_seeded(mean: CubeTensor, log_var: CubeTensor, seed: u64) -> CubeTensor {
        let (client, dtype) = (mean.client.clone(), mean.dtype);
        let [rows, columns]: [usize; 2] = mean.shape().dims();
        let output = empty(&mean, [rows, columns].into());
        let groups = (rows * columns).div_ceil(philox::WORDS);
        if groups == 0 {
            return output;
        }
        assert!(
            u32::try_from(groups - 1).is_ok(),
            "reparameterize_seeded: {rows} x {columns} elements; on this device there is noise for 2^34 at a \
             time; split the batch, with a seed for each part",
        );
        let address = address_type([&mean, &log_var, &output].into_iter());
        let cube_dim = CubeDim::new(&client, groups);
        let cube_count = calculate_cube_count_elemwise(&client, groups, cube_dim);
        let [low, high] = philox::halves(seed);
        // SAFETY: a unit past the last element ends at once, and the strides are the tensors' own.
        unsafe {
            reparameterize_seeded_kernel::launch_unchecked(
                &client,
                cube_count,
                cube_dim,
                address,
                mean.into_tensor_arg(),
                log_var.into_tensor_arg(),
                output.clone().into_tensor_arg(),
                rows,
                columns,
                low,
                high,
                dtype_to_storage_type(dtype),
            );
        }
        output
    }

    fn gaussian_kl(mean: CubeTensor, log_var: CubeTensor) -> CubeTensor {
        fold::<GaussianKl, 2>([mean, log_var])
    }

    fn gaussian_kl_between(
        mean_q: CubeTensor,
        log_var_q: CubeTensor,
        mean_p: CubeTensor,
        log_var_p: CubeTensor,
    ) -> CubeTensor {
        fold::<GaussianKlBetween, 4>([mean_q, log_var_q, mean_p, log_var_p])
    }

    fn bernoulli_nll(logits: CubeTensor, target: CubeTensor) -> CubeTensor {
        fold::<BernoulliNll, 2>([logits, target])
    }

    fn gaussian_nll(mean: CubeTensor, target: CubeTensor, log_var: CubeTensor) -> CubeTensor {
        fold::<GaussianNll, 3>([mean, target, log_var])
    }

    fn squared_error(mean: CubeTensor, target: CubeTensor) -> CubeTensor {
        fold::<SquaredError, 2>([mean, target])
    }
}

impl Gradients for CubeBackend {
    fn reparameterize_grad(gradient: CubeTensor, z: CubeTensor, mean: CubeTensor) -> CubeTensor {
        let [log_var] = map::<ReparameterizeGrad, 3, 1>(None, [gradient, z, mean]);
        log_var
    }

    fn gaussian_kl_grad(
        gradient: CubeTensor,
        mean: CubeTensor,
        log_var: CubeTensor,
    ) -> (CubeTensor, CubeTensor) {
        map::<GaussianKlGrad, 2, 2>(Some(gradient), [mean, log_var]).into()
    }

    fn gaussian_kl_between_grad(
        gradient: CubeTensor,
        mean_q: CubeTensor,
        log_var_q: CubeTensor,
        mean_p: CubeTensor,
        log_var_p: CubeTensor,
    ) -> (CubeTensor, CubeTensor, CubeTensor, CubeTensor) {
        let inputs = [mean_q, log_var_q, mean_p, log_var_p];
        map::<GaussianKlBetweenGrad, 4, 4>(Some(gradient), inputs).into()
    }

    fn bernoulli_nll_grad(
        gradient: CubeTensor,
        logits: CubeTensor,
        target: CubeTensor,
    ) -> CubeTensor {
        let [logits] = map::<BernoulliNllGrad, 2, 1>(Some(gradient), [logits, target]);
        logits
    }

    fn gaussian_nll_grad(
        gradient: CubeTensor,
        mean: CubeTensor,
        target: CubeTensor,
        log_var: CubeTensor,
    ) -> (CubeTensor, CubeTensor) {
        map::<GaussianNllGrad, 3, 2>(Some(gradient), [mean, target, log_var]).into()
    }

    fn squared_error_grad(
        gradient: CubeTensor,
        mean: CubeTensor,
        target: CubeTensor,
    ) -> CubeTensor {
        let [mean] = map::<SquaredErrorGrad, 2, 1>(Some(gradient), [mean, target]);
        mean
    }
}

impl Updates for CubeBackend {
    fn adam_step(
        parameter: CubeTensor,
        gradient: CubeTensor,
        moment_1: CubeTensor,
        moment_2: CubeTensor,
        step: AdamStep,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let (client, dtype) = (parameter.client.clone(), parameter.dtype);
        let [rows, columns]: [usize; 2] = parameter.shape().dims();
        let outputs: [CubeTensor; 3] =
            std::array::from_fn(|_| empty(&parameter, [rows, columns].into()));
        let elements = rows * columns;
        if elements > 0 {
            let inputs = [parameter, gradient, moment_1, moment_2];
            let address = address_type(inputs.iter().chain(&outputs));
            let cube_dim = CubeDim::new(&client, elements);
            let cube_count = calculate_cube_count_elemwise(&client, elements, cube_dim);
            // SAFETY: a unit past the last element ends at once, and the strides are the tensors' own.
            unsafe {
                adam_kernel::launch_unchecked(
                    &client,
                    cube_count,
                    cube_dim,
                    address,
                    inputs
                        .into_iter()
                        .map(CubeTensor::into_tensor_arg)
                        .collect(),
                    outputs
                        .iter()
                        .map(|output| output.clone().into_tensor_arg())
                        .collect(),
                    rows,
                    columns,
                    step.beta_1,
                    step.beta_2,
                    step.rate,
                    step.epsilon,
                    step.l2,
                    step.keep,
                    dtype_to_storage_type(dtype),
                );
            }
        }
        outputs.into()
    }
}
