//! The convolutions against plain loops in `f64`, over kernels, strides, paddings, dilations and groups drawn at
//! random, and against burn's own: values and every gradient, on every CPU backend.

mod common;

use burn::module::Param;
use burn::nn::{PaddingConfig1d, PaddingConfig2d, conv as burns};
use burn::prelude::*;
use burn_generative::nn::{
    Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose1dConfig, ConvTranspose2d,
    ConvTranspose2dConfig,
};
use common::{assert_all_close, noise, tensor, values};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The CPU backends. (Elsewhere burn's own convolutions run.)
fn devices() -> impl Iterator<Item = (&'static str, Device)> {
    let devices = common::devices().into_iter();
    devices.filter(|(name, _)| ["flex", "ndarray"].contains(name))
}

/// A convolution, from maps to outputs. A transposed one has the same numbers, from outputs to maps.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    groups: usize,
    /// Channels of map and output in each group.
    channels: usize,
    filters: usize,
    sides: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    /// At the top and left, and at the bottom and right.
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
}

impl Case {
    /// Height and width of the output; none where a window is larger than the map.
    fn positions(&self) -> Option<[usize; 2]> {
        let position = |axis: usize| {
            let room = self.sides[axis] + self.padding[0][axis] + self.padding[1][axis];
            let window = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            Some(room.checked_sub(window)? / self.stride[axis] + 1)
        };
        Some([position(0)?, position(1)?])
    }

    fn map(&self) -> [usize; 4] {
        let [height, width] = self.sides;
        [self.batch, self.groups * self.channels, height, width]
    }

    fn output(&self) -> [usize; 4] {
        let [height, width] = self.positions().expect("windows that fit");
        [self.batch, self.groups * self.filters, height, width]
    }

    fn weight(&self) -> [usize; 4] {
        let [height, width] = self.kernel;
        [self.groups * self.filters, self.channels, height, width]
    }

    /// Every product that a convolution sums: the indices of output, map and weight.
    fn for_each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [_, outputs, rows, columns] = self.output();
        let [_, inputs, height, width] = self.map();
        let [_, _, lines, places] = self.weight();
        let source = |axis: usize, position: usize, element: usize| {
            let padded = position * self.stride[axis] + element * self.dilation[axis];
            let index = padded.checked_sub(self.padding[0][axis])?;
            (index < self.sides[axis]).then_some(index)
        };
        for image in 0..self.batch {
            for filter in 0..outputs {
                for channel in 0..self.channels {
                    let input = filter / self.filters * self.channels + channel;
                    for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                        for (line, place) in
                            (0..lines).flat_map(|line| (0..places).map(move |place| (line, place)))
                        {
                            let (Some(row), Some(column)) =
                                (source(0, y, line), source(1, x, place))
                            else {
                                continue;
                            };
                            visit(
                                ((image * outputs + filter) * rows + y) * columns + x,
                                ((image * inputs + input) * height + row) * width + column,
                                ((filter * self.channels + channel) * lines + line) * places
                                    + place,
                            );
                        }
                    }
                }
            }
        }
    }
}

/// A layer's output, and the gradients of its input, weights and bias for the gradient [`probe`] of the output.
type Results = [Vec<f64>; 4];

const PROBE: usize = 3;

/// The arguments of a case, the same for a layer and for a loop.
struct Arguments {
    input: [usize; 4],
    output: [usize; 4],
    weight: [usize; 4],
    bias: usize,
}

impl Arguments {
    fn convolution(case: &Case) -> Self {
        Self {
            input: case.map(),
            output: case.output(),
            weight: case.weight(),
            bias: case.output()[1],
        }
    }

    fn transposed(case: &Case) -> Self {
        Self {
            input: case.output(),
            output: case.map(),
            weight: case.weight(),
            bias: case.map()[1],
        }
    }

    /// As a tensor has them.
    fn numbers(len: usize, seed: usize) -> Vec<f64> {
        let number = noise(seed, 1.0);
        (0..len).map(|i| f64::from(number(i) as f32)).collect()
    }

    /// What a loop over the products gives: `visit` hands it the indices of output, input and weight.
    fn of_loop(&self, for_each: impl Fn(&mut dyn FnMut(usize, usize, usize))) -> Results {
        let len = |shape: [usize; 4]| shape.iter().product::<usize>();
        let input = Self::numbers(len(self.input), 0);
        let weight = Self::numbers(len(self.weight), 1);
        let bias = Self::numbers(self.bias, 2);
        let probe = Self::numbers(len(self.output), PROBE);
        let plane = self.output[2] * self.output[3];
        let channel = |index: usize| index / plane % self.bias;
        let mut output: Vec<f64> = (0..probe.len()).map(|i| bias[channel(i)]).collect();
        let mut gradients = [&input, &weight, &bias].map(|numbers| vec![0.0; numbers.len()]);
        let [input_gradient, weight_gradient, bias_gradient] = &mut gradients;
        for_each(&mut |o, i, w| {
            output[o] += input[i] * weight[w];
            input_gradient[i] += probe[o] * weight[w];
            weight_gradient[w] += probe[o] * input[i];
        });
        for (index, probe) in probe.iter().enumerate() {
            bias_gradient[channel(index)] += probe;
        }
        let [input, weight, bias] = gradients;
        [output, input, weight, bias]
    }

    /// What a layer gives, with these weights in place of its own.
    fn of_layer<const D: usize>(
        &self,
        device: &Device,
        forward: impl Fn(Tensor<D>, Tensor<D>, Tensor<1>) -> Tensor<D>,
    ) -> Results {
        // A line has no height.
        let shape = |shape: [usize; 4]| -> [usize; D] {
            let axes = shape.iter().enumerate();
            let axes = axes.filter(|&(axis, _)| D == 4 || axis != 2);
            axes.map(|(_, &size)| size)
                .collect::<Vec<_>>()
                .try_into()
                .expect("the rank")
        };
        let device = device.clone().autodiff();
        let input = tensor(shape(self.input), &device, noise(0, 1.0)).require_grad();
        let weight = tensor(shape(self.weight), &device, noise(1, 1.0)).require_grad();
        let bias = tensor([self.bias], &device, noise(2, 1.0)).require_grad();
        let output = forward(input.clone(), weight.clone(), bias.clone());
        assert_eq!(output.dims(), shape(self.output), "another shape");
        let probe = tensor(shape(self.output), &device, noise(PROBE, 1.0));
        let gradients = (output.clone() * probe).sum().backward();
        [
            values(output),
            values(input.grad(&gradients).expect("of the input")),
            values(weight.grad(&gradients).expect("of the weights")),
            values(bias.grad(&gradients).expect("of the bias")),
        ]
    }
}

/// Fails unless both are the same but for rounding, whose error grows with the root of how many products of about one an
/// element sums.
fn assert_same(case: &Case, ours: &Results, others: &Results, what: &str) {
    let names = ["output", "input", "weight", "bias"];
    let mut products = ours[0].len();
    case.for_each(|_, _, _| products += 1);
    for ((ours, others), name) in ours.iter().zip(others).zip(names) {
        let root = (products as f64 / others.len().max(1) as f64)
            .sqrt()
            .max(1.0);
        let scaled = |numbers: &[f64]| numbers.iter().map(|x| x / root).collect::<Vec<_>>();
        let what = format!("{what}, {case:?}: {name}");
        assert_all_close(&scaled(ours), &scaled(others), 4e-6, &what);
    }
}

fn convolution(case: &Case, device: &Device) -> Conv2d {
    let [[top, left], [bottom, right]] = case.padding;
    let config = Conv2dConfig::new([case.map()[1], case.output()[1]], case.kernel)
        .with_stride(case.stride)
        .with_dilation(case.dilation)
        .with_groups(case.groups)
        .with_padding(PaddingConfig2d::Explicit(top, left, bottom, right));
    config.init(device).expect("a case that can be built")
}

/// The transposed convolution back to the maps of a case, if its options can say so.
fn transposed(case: &Case, device: &Device) -> Option<ConvTranspose2d> {
    let [rows, columns] = case.positions()?;
    let mut extra = [0; 2];
    for (axis, positions) in [rows, columns].into_iter().enumerate() {
        let window = (case.kernel[axis] - 1) * case.dilation[axis] + 1;
        let whole = (positions - 1) * case.stride[axis] + window;
        extra[axis] = (case.sides[axis] + 2 * case.padding[0][axis]).checked_sub(whole)?;
    }
    let config = ConvTranspose2dConfig::new([case.output()[1], case.map()[1]], case.kernel)
        .with_stride(case.stride)
        .with_dilation(case.dilation)
        .with_groups(case.groups)
        .with_padding(case.padding[0])
        .with_padding_out(extra);
    Some(config.init(device).expect("a case that can be built"))
}

fn check(case: &Case, device: &Device, name: &str) {
    let arguments = Arguments::convolution(case);
    let layer = convolution(case, device);
    let ours = arguments.of_layer(device, |x, weight, bias| {
        let mut layer = layer.clone();
        layer.weight = Param::from_tensor(weight);
        layer.bias = Some(Param::from_tensor(bias));
        layer.forward(x)
    });
    let plain = arguments.of_loop(|visit| case.for_each(visit));
    assert_same(case, &ours, &plain, &format!("{name}, convolution"));

    let Some(layer) = transposed(case, device) else {
        return;
    };
    let arguments = Arguments::transposed(case);
    let ours = arguments.of_layer(device, |x, weight, bias| {
        let mut layer = layer.clone();
        layer.weight = Param::from_tensor(weight);
        layer.bias = Some(Param::from_tensor(bias));
        layer.forward(x)
    });
    let plain = arguments.of_loop(|visit| case.for_each(|o, m, w| visit(m, o, w)));
    assert_same(case, &ours, &plain, &format!("{name}, transposed"));
}

fn cases() -> impl Strategy<Value = Case> {
    let pair = |sizes: std::ops::Range<usize>| prop::array::uniform2(sizes);
    let channels = (
        prop_oneof![2 => Just(1usize), 1 => 2usize..4],
        // Around the height of a block, and around the fewest filters of a matrix product.
        prop_oneof![3 => 1usize..6, 1 => 7usize..11],
        prop_oneof![3 => 1usize..6, 1 => 7usize..20],
    );
    let sides =
        prop_oneof![4 => pair(1..12), 1 => (Just(1usize), 1usize..90).prop_map(|(h, w)| [h, w])];
    let paddings = prop::array::uniform2(pair(0..4));
    let windows = (pair(1..6), pair(1..4), paddings, pair(1..4));
    let fits = |case: &Case| case.positions().is_some();
    (0usize..4, channels, sides, windows)
        .prop_map(
            |(batch, (groups, channels, filters), sides, windows)| Case {
                batch,
                groups,
                channels,
                filters,
                sides,
                kernel: windows.0,
                stride: windows.1,
                padding: windows.2,
                dilation: windows.3,
            },
        )
        .prop_filter("a window that fits", fits)
}

#[test]
fn any_convolution_is_the_plain_sum() {
    for (name, device) in devices() {
        let config = Config {
            cases: 128,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
        let result = TestRunner::new_with_rng(config, rng).run(&cases(), |case| {
            check(&case, &device, name);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}

/// What the sizes of pieces and blocks divide: several pieces, threads and parts; one pixel; nothing.
fn fixed_cases() -> Vec<Case> {
    let case = |batch, groups, [channels, filters]: [usize; 2], sides, kernel| Case {
        batch,
        groups,
        channels,
        filters,
        sides,
        kernel: [kernel, kernel],
        stride: [1, 1],
        padding: [[kernel / 2; 2]; 2],
        dilation: [1, 1],
    };
    vec![
        case(33, 1, [8, 16], [14, 14], 3),
        case(2, 1, [24, 40], [28, 28], 3),
        case(3, 1, [20, 24], [11, 9], 1),
        case(16, 24, [1, 1], [28, 28], 3),
        case(4, 8, [2, 1], [28, 28], 5),
        case(2, 1, [1, 1], [1, 1], 3),
        case(0, 1, [3, 4], [5, 5], 3),
        case(0, 3, [1, 1], [5, 5], 3),
        Case {
            stride: [2, 2],
            ..case(40, 1, [16, 8], [14, 14], 4)
        },
        // Elements that no window meets.
        Case {
            stride: [3, 3],
            ..case(2, 2, [3, 3], [11, 12], 1)
        },
        Case {
            kernel: [1, 2],
            padding: [[0, 512], [0, 0]],
            dilation: [1, 512],
            ..case(2, 1, [24, 24], [1, 9000], 1)
        },
    ]
}

#[test]
fn sizes_that_are_cut_into_pieces() {
    for (name, device) in devices() {
        for case in fixed_cases() {
            check(&case, &device, name);
        }
    }
}

/// burn's own layers of the same configuration, with the same weights.
#[test]
fn layers_are_burns() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let same = |[ours, theirs]: [Vec<f64>; 2], what: &str| {
            assert_all_close(&ours, &theirs, 1e-5, &format!("{name}, {what}"));
        };
        let x = tensor([3, 4, 9, 10], &device, noise(0, 1.0));

        let theirs = burns::Conv2dConfig::new([4, 6], [3, 4])
            .with_stride([2, 1])
            .with_groups(2)
            .with_padding(PaddingConfig2d::Same)
            .init(&device);
        let mut ours = Conv2dConfig::new([4, 6], [3, 4])
            .with_stride([2, 1])
            .with_groups(2)
            .with_padding(PaddingConfig2d::Same)
            .init(&device)
            .unwrap();
        (ours.weight, ours.bias) = (theirs.weight.clone(), theirs.bias.clone());
        let outputs = [ours.forward(x.clone()), theirs.forward(x.clone())];
        same(outputs.map(values), "Conv2d");

        let theirs = burns::ConvTranspose2dConfig::new([4, 6], [3, 4])
            .with_stride([2, 3])
            .with_padding([1, 2])
            .with_padding_out([1, 1])
            .with_groups(2)
            .init(&device);
        let mut ours = ConvTranspose2dConfig::new([4, 6], [3, 4])
            .with_stride([2, 3])
            .with_padding([1, 2])
            .with_padding_out([1, 1])
            .with_groups(2)
            .init(&device)
            .unwrap();
        (ours.weight, ours.bias) = (theirs.weight.clone(), theirs.bias.clone());
        same(
            [ours.forward(x.clone()), theirs.forward(x)].map(values),
            "ConvTranspose2d",
        );

        let x = tensor([3, 4, 50], &device, noise(0, 1.0));
        let theirs = burns::Conv1dConfig::new(4, 5, 2)
            .with_dilation(8)
            .with_padding(PaddingConfig1d::Explicit(8, 0))
            .with_bias(false)
            .init(&device);
        let mut ours = Conv1dConfig::new(4, 5, 2)
            .with_dilation(8)
            .with_padding(PaddingConfig1d::Explicit(8, 0))
            .with_bias(false)
            .init(&device)
            .unwrap();
        ours.weight = theirs.weight.clone();
        same(
            [ours.forward(x.clone()), theirs.forward(x.clone())].map(values),
            "Conv1d",
        );

        let theirs = burns::ConvTranspose1dConfig::new([4, 6], 5)
            .with_stride(3)
            .with_padding(1)
            .with_groups(2)
            .init(&device);
        let mut ours = ConvTranspose1dConfig::new([4, 6], 5)
            .with_stride(3)
            .with_padding(1)
            .with_groups(2)
            .init(&device)
            .unwrap();
        (ours.weight, ours.bias) = (theirs.weight.clone(), theirs.bias.clone());
        same(
            [ours.forward(x.clone()), theirs.forward(x)].map(values),
            "ConvTranspose1d",
        );
    }
}

/// The gradients of burn's own operation, for one case of each kind.
#[test]
fn gradients_are_burns() {
    use burn::tensor::module::{conv_transpose2d, conv2d};
    use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

    let case = Case {
        batch: 3,
        groups: 2,
        channels: 3,
        filters: 4,
        sides: [9, 7],
        kernel: [3, 2],
        stride: [2, 1],
        padding: [[1, 1], [1, 1]],
        dilation: [1, 2],
    };
    for (name, device) in devices() {
        let arguments = Arguments::convolution(&case);
        let theirs = arguments.of_layer(&device, |x, weight, bias| {
            let options = ConvOptions::new(case.stride, case.padding[0], case.dilation, 2);
            conv2d(x, weight, Some(bias), options)
        });
        let plain = arguments.of_loop(|visit| case.for_each(visit));
        assert_same(
            &case,
            &theirs,
            &plain,
            &format!("{name}, burn's convolution"),
        );
        let arguments = Arguments::transposed(&case);
        let theirs = arguments.of_layer(&device, |x, weight, bias| {
            let options =
                ConvTransposeOptions::new(case.stride, case.padding[0], [0, 0], case.dilation, 2);
            conv_transpose2d(x, weight, Some(bias), options)
        });
        let plain = arguments.of_loop(|visit| case.for_each(|o, m, w| visit(m, o, w)));
        assert_same(
            &case,
            &theirs,
            &plain,
            &format!("{name}, burn's transposed convolution"),
        );
        check(&case, &device, name);
    }
}

/// Padding that keeps the size, whatever kernel, stride and dilation.
#[test]
fn same_keeps_the_size() {
    let (_, device) = devices().next().expect("a CPU backend");
    for (kernel, stride, dilation) in [(3, 1, 1), (2, 1, 3), (5, 2, 1), (4, 3, 2), (1, 2, 1)] {
        for side in [1usize, 7, 10] {
            let layer = Conv2dConfig::new([1, 2], [kernel, kernel])
                .with_stride([stride, stride])
                .with_dilation([dilation, dilation])
                .with_padding(PaddingConfig2d::Same)
                .init(&device)
                .unwrap();
            let output = layer.forward(Tensor::zeros([2, 1, side, side], &device));
            let kept = side.div_ceil(stride);
            assert_eq!(
                output.dims(),
                [2, 2, kept, kept],
                "{kernel} {stride} {dilation}"
            );
        }
    }
}

/// Sums in the same order, so that two runs with a seed are equal; whatever a larger convolution has left in the memory that they
/// work in.
#[test]
fn gradients_are_equal_to_the_bit() {
    for (name, device) in devices() {
        let other = Conv2dConfig::new([16, 24], [5, 5]);
        let other = other.init(&device.clone().autodiff()).unwrap();
        let leave_nothing_valid = || {
            let x = Tensor::<4>::full([8, 16, 30, 30], f32::NAN, &device.clone().autodiff());
            other.forward(x.require_grad()).sum().backward();
        };
        let case = &fixed_cases()[0];
        let layer = convolution(case, &device);
        let run = || {
            Arguments::convolution(case).of_layer(&device, |x, weight, bias| {
                let mut layer = layer.clone();
                layer.weight = Param::from_tensor(weight);
                layer.bias = Some(Param::from_tensor(bias));
                layer.forward(x)
            })
        };
        let first = run();
        for _ in 0..5 {
            leave_nothing_valid();
            assert!(run() == first, "{name}: another sum");
        }
    }
}

/// A step of a map that lies in memory in another order.
#[test]
fn maps_may_lie_transposed() {
    for (name, device) in devices() {
        let layer = Conv2dConfig::new([3, 2], [3, 3]).init(&device).unwrap();
        let x = tensor([2, 6, 5, 3], &device, noise(0, 1.0)).permute([0, 3, 1, 2]);
        let copied = Tensor::<4>::from_data(x.clone().into_data(), &device);
        let [ours, plain] = [x, copied].map(|x| values(layer.forward(x)));
        assert_all_close(&ours, &plain, 0.0, name);
    }
}

#[test]
fn sizes_that_cannot_work_are_named() {
    let (_, device) = devices().next().expect("a CPU backend");
    let says = |error: burn_generative::Error, words: &str| {
        assert!(error.to_string().contains(words), "{error}");
    };
    let config = |channels| Conv2dConfig::new(channels, [3, 3]);
    says(
        config([3, 4]).with_groups(2).init(&device).unwrap_err(),
        "3 channels",
    );
    says(
        config([0, 4]).init(&device).unwrap_err(),
        "channels must be at least 1",
    );
    says(
        config([4, 4]).with_groups(0).init(&device).unwrap_err(),
        "groups",
    );
    says(
        config([4, 4])
            .with_stride([1, 0])
            .init(&device)
            .unwrap_err(),
        "stride",
    );
    says(
        config([1 << 20, 1 << 20]).init(&device).unwrap_err(),
        "weights",
    );
    let line = Conv1dConfig::new(2, 3, 0);
    says(line.init(&device).unwrap_err(), "Conv1d: kernel_size");
    let line = ConvTranspose1dConfig::new([2, 3], 2).with_groups(2);
    says(
        line.init(&device).unwrap_err(),
        "ConvTranspose1d: 3 channels",
    );
    let plane = ConvTranspose2dConfig::new([2, 2], [2, 2]).with_dilation([0, 1]);
    says(plane.init(&device).unwrap_err(), "ConvTranspose2d");
}

#[test]
#[should_panic(expected = "has 2 channels, weights of shape [4, 3, 3, 3] take 3")]
fn other_channels_are_refused() {
    let (_, device) = devices().next().expect("a CPU backend");
    let layer = Conv2dConfig::new([3, 4], [3, 3]).init(&device).unwrap();
    layer.forward(Tensor::zeros([1, 2, 5, 5], &device));
}

#[test]
#[should_panic(expected = "is larger than a map of shape [1, 3, 5, 2]")]
fn a_map_that_is_too_small_is_refused() {
    let (_, device) = devices().next().expect("a CPU backend");
    let layer = Conv2dConfig::new([3, 4], [3, 3]).init(&device).unwrap();
    layer.forward(Tensor::zeros([1, 3, 5, 2], &device));
}
