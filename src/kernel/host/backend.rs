//! The operations on every backend whose tensors this processor can read.

use super::{
    Pointwise, categorical, convolution, gate,
    linear::{self, Right},
    maps,
    mixture::Components,
    nade, norm,
    pointwise::{
        AddScaled, BernoulliNll, BernoulliNllGrad, Elu, EluGrad, GaussianKl, GaussianKlBetween,
        GaussianKlBetweenGrad, GaussianKlGrad, GaussianNll, GaussianNllGrad, LogInterval,
        LogIntervalGrad, Product, Reparameterize, ReparameterizeGrad, Scaled, Sigmoid, SigmoidGrad,
        SoftClamp, SoftClampGrad, SquaredError, SquaredErrorGrad,
    },
};
use crate::kernel::{
    activation::{Activation, ActivationGradients, Activations},
    adam::AdamStep,
    categorical::{ClassNll, ClassNllGradient},
    excitation::{Excitation, ExcitationGradients},
    gate::{Gate, GateGradient},
    interval::{IntervalGradients, Intervals},
    linear::{Dense, DenseGradients},
    log_sum_exp::{LogSumGradients, LogSums},
    maps::{Map, MapGradients, Maps},
    mixture::{Densities, DensitiesGradients},
    nade::{RunningUnits, RunningUnitsGradients},
    norm::{Norm, Normalization, NormalizationGradients},
    ops::{Gradients, Operations, Updates},
    windows::{ConvolutionGradients, Convolutions, Windows},
};
use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};
use std::{borrow::Cow, sync::Arc};

/// An argument of a kernel.
pub(crate) enum Argument<'a, T> {
    Tensor(&'a T),
    /// Standard normal noise of a seed.
    Noise(u64),
}

/// A backend that keeps its tensors in this processor's memory.
///
/// All tensors are `[rows, columns]`, but for a gradient of rows and the result of a fold, which are
/// `[rows]`. The first input is a tensor, and the outputs have its type.
pub(crate) trait HostBackend: Backend {
    /// See [`super::fold`].
    fn fold<const IN: usize>(
        op: impl Pointwise<IN, 1>,
        inputs: [&FloatTensor<Self>; IN],
    ) -> FloatTensor<Self>;

    /// See [`super::map`].
    fn map<const IN: usize, const OUT: usize>(
        op: impl Pointwise<IN, OUT>,
        gradient: Option<&FloatTensor<Self>>,
        inputs: [Argument<FloatTensor<Self>>; IN],
    ) -> [FloatTensor<Self>; OUT];

    /// The numbers of an `f32` tensor, row by row.
    fn numbers(tensor: &FloatTensor<Self>) -> Cow<'_, [f32]>;

    /// The tensor with these numbers.
    fn from_numbers(numbers: Vec<f32>, shape: [usize; 2]) -> FloatTensor<Self>;
}

type T<B> = FloatTensor<B>;

impl<B: HostBackend> Operations for B {
    fn reparameterize(mean: T<B>, log_var: T<B>, noise: T<B>) -> T<B> {
        let [z] = B::map(
            Reparameterize,
            None,
            [&mean, &log_var, &noise].map(Argument::Tensor),
        );
        z
    }

    fn reparameterize_seeded(mean: T<B>, log_var: T<B>, seed: u64) -> T<B> {
        let inputs = [
            Argument::Tensor(&mean),
            Argument::Tensor(&log_var),
            Argument::Noise(seed),
        ];
        let [z] = B::map(Reparameterize, None, inputs);
        z
    }

    fn gaussian_kl(mean: T<B>, log_var: T<B>) -> T<B> {
        B::fold(GaussianKl, [&mean, &log_var])
    }

    fn gaussian_kl_between(mean_q: T<B>, log_var_q: T<B>, mean_p: T<B>, log_var_p: T<B>) -> T<B> {
        B::fold(
            GaussianKlBetween,
            [&mean_q, &log_var_q, &mean_p, &log_var_p],
        )
    }

    fn bernoulli_nll(logits: T<B>, target: T<B>) -> T<B> {
        B::fold(BernoulliNll, [&logits, &target])
    }

    fn gaussian_nll(mean: T<B>, target: T<B>, log_var: T<B>) -> T<B> {
        B::fold(GaussianNll, [&mean, &target, &log_var])
    }

    fn squared_error(mean: T<B>, target: T<B>) -> T<B> {
        B::fold(SquaredError, [&mean, &target])
    }
}

impl<B: HostBackend> Gradients for B {
    fn reparameterize_grad(gradient: T<B>, z: T<B>, mean: T<B>) -> T<B> {
        let inputs = [&gradient, &z, &mean].map(Argument::Tensor);
        let [log_var] = B::map(ReparameterizeGrad, None, inputs);
        log_var
    }

    fn gaussian_kl_grad(gradient: T<B>, mean: T<B>, log_var: T<B>) -> (T<B>, T<B>) {
        let inputs = [&mean, &log_var].map(Argument::Tensor);
        B::map(GaussianKlGrad, Some(&gradient), inputs).into()
    }

    fn gaussian_kl_between_grad(
        gradient: T<B>,
        mean_q: T<B>,
        log_var_q: T<B>,
        mean_p: T<B>,
        log_var_p: T<B>,
    ) -> (T<B>, T<B>, T<B>, T<B>) {
        let inputs = [&mean_q, &log_var_q, &mean_p, &log_var_p].map(Argument::Tensor);
        B::map(GaussianKlBetweenGrad, Some(&gradient), inputs).into()
    }

    fn bernoulli_nll_grad(gradient: T<B>, logits: T<B>, target: T<B>) -> T<B> {
        let inputs = [&logits, &target].map(Argument::Tensor);
        let [logits] = B::map(BernoulliNllGrad, Some(&gradient), inputs);
        logits
    }

    fn gaussian_nll_grad(gradient: T<B>, mean: T<B>, target: T<B>, log_var: T<B>) -> (T<B>, T<B>) {
        let inputs = [&mean, &target, &log_var].map(Argument::Tensor);
        B::map(GaussianNllGrad, Some(&gradient), inputs).into()
    }

    fn squared_error_grad(gradient: T<B>, mean: T<B>, target: T<B>) -> T<B> {
        let inputs = [&mean, &target].map(Argument::Tensor);
        let [mean] = B::map(SquaredErrorGrad, Some(&gradient), inputs);
        mean
    }
}

impl<B: HostBackend> Updates for B {
    fn adam_step(
        parameter: T<B>,
        gradient: T<B>,
        moment_1: T<B>,
        moment_2: T<B>,
        step: AdamStep,
    ) -> (T<B>, T<B>, T<B>) {
        let inputs = [&parameter, &gradient, &moment_1, &moment_2].map(Argument::Tensor);
        B::map(step, None, inputs).into()
    }
}

impl<B: HostBackend> Activations for B {
    fn activate(x: T<B>, activation: Activation) -> T<B> {
        let inputs = [Argument::Tensor(&x)];
        let [output] = match activation {
            Activation::Elu => B::map(Elu, None, inputs),
            Activation::Sigmoid => B::map(Sigmoid, None, inputs),
            Activation::SoftClamp(bound) => B::map(SoftClamp(bound), None, inputs),
        };
        output
    }
}

impl<B: HostBackend> ActivationGradients for B {
    fn activate_grad(gradient: T<B>, x: T<B>, activation: Activation) -> T<B> {
        let inputs = [&gradient, &x].map(Argument::Tensor);
        let [of_x] = match activation {
            Activation::Elu => B::map(EluGrad, None, inputs),
            Activation::Sigmoid => B::map(SigmoidGrad, None, inputs),
            Activation::SoftClamp(bound) => B::map(SoftClampGrad(bound), None, inputs),
        };
        of_x
    }
}

impl<B: HostBackend> Intervals for B {
    fn log_interval(distance: T<B>, half: T<B>, inverse_scale: T<B>, edge: T<B>) -> T<B> {
        let inputs = [&distance, &half, &inverse_scale, &edge].map(Argument::Tensor);
        let [output] = B::map(LogInterval, None, inputs);
        output
    }
}

impl<B: HostBackend> IntervalGradients for B {
    fn log_interval_grad(
        gradient: T<B>,
        distance: T<B>,
        half: T<B>,
        inverse_scale: T<B>,
        edge: T<B>,
    ) -> (T<B>, T<B>) {
        let inputs = [&gradient, &distance, &half, &inverse_scale, &edge].map(Argument::Tensor);
        B::map(LogIntervalGrad, None, inputs).into()
    }
}

impl<B: HostBackend> LogSums for B {
    fn row_log_sum_exp(x: T<B>) -> T<B> {
        let [rows, terms] = x.shape().dims();
        B::from_numbers(categorical::log_sums(&B::numbers(&x), terms), [rows, 1])
    }
}

impl<B: HostBackend> LogSumGradients for B {
    fn row_log_sum_exp_grad(gradient: T<B>, x: T<B>) -> T<B> {
        let shape = x.shape().dims();
        let [gradient, x] = [&gradient, &x].map(B::numbers);
        B::from_numbers(categorical::log_sums_gradient(&gradient, &x), shape)
    }
}

impl<B: HostBackend> Excitation for B {
    fn row_means(x: T<B>) -> T<B> {
        let [_, width] = x.shape().dims();
        B::fold(Scaled(1.0 / width as f32), [&x])
    }

    fn add_scaled(x: T<B>, y: T<B>, scale: T<B>, share: f32) -> T<B> {
        let inputs = [&x, &y].map(Argument::Tensor);
        let [output] = B::map(AddScaled(share), Some(&scale), inputs);
        output
    }
}

impl<B: HostBackend> ExcitationGradients for B {
    fn add_scaled_grad(gradient: T<B>, y: T<B>, scale: T<B>, share: f32) -> (T<B>, T<B>) {
        let [of_y] = B::map(Scaled(share), Some(&scale), [Argument::Tensor(&gradient)]);
        (of_y, B::fold(Product(share), [&gradient, &y]))
    }
}

impl<B: HostBackend> Convolutions for B {
    fn convolve(map: T<B>, weight: T<B>, bias: T<B>, windows: Windows) -> T<B> {
        let [map, weight, bias] = [&map, &weight, &bias].map(B::numbers);
        let output = convolution::convolve(&map, &weight, &bias, windows);
        B::from_numbers(output, windows.output_shape())
    }

    fn convolve_transposed(input: T<B>, weight: T<B>, bias: T<B>, windows: Windows) -> T<B> {
        let [input, weight, bias] = [&input, &weight, &bias].map(B::numbers);
        let map = convolution::convolve_transposed(&input, &weight, &bias, windows);
        B::from_numbers(map, windows.map_shape())
    }
}

impl<B: HostBackend> ConvolutionGradients for B {
    fn weight_gradient(map: T<B>, output: T<B>, windows: Windows) -> T<B> {
        let [map, output] = [&map, &output].map(B::numbers);
        let weight = convolution::weight_gradient(&map, &output, windows);
        B::from_numbers(weight, windows.weight_shape())
    }

    fn bias_gradient(output: T<B>, channels: usize) -> T<B> {
        let [batch, _] = output.shape().dims();
        let bias = convolution::bias_gradient(&B::numbers(&output), batch, channels);
        B::from_numbers(bias, [1, channels])
    }
}

impl<B: HostBackend> Maps for B {
    fn elementwise(numbers: T<B>, parameters: T<B>, map: Map) -> T<B> {
        let [batch, coordinates] = numbers.shape().dims();
        let [numbers, parameters] = [&numbers, &parameters].map(B::numbers);
        let both = maps::apply(map, [batch, coordinates], &numbers, &parameters);
        B::from_numbers(both, [batch, 2 * coordinates])
    }
}

impl<B: HostBackend> MapGradients for B {
    fn elementwise_grad(gradient: T<B>, x: T<B>, parameters: T<B>, map: Map) -> (T<B>, T<B>) {
        let [batch, twice] = gradient.shape().dims();
        let shape = [batch, twice / 2];
        let parameters_shape = parameters.shape().dims();
        let [gradient, x, parameters] = [&gradient, &x, &parameters].map(B::numbers);
        let (numbers, parameters) = maps::gradients(map, shape, &gradient, &x, &parameters);
        (
            B::from_numbers(numbers, shape),
            B::from_numbers(parameters, parameters_shape),
        )
    }
}

impl<B: HostBackend> Gate for B {
    fn gate(x: T<B>) -> T<B> {
        let [rows, width] = x.shape().dims();
        B::from_numbers(gate::apply(&B::numbers(&x), rows), [rows, width / 2])
    }
}

impl<B: HostBackend> GateGradient for B {
    fn gate_grad(gradient: T<B>, x: T<B>) -> T<B> {
        let [rows, width] = x.shape().dims();
        let [gradient, x] = [&gradient, &x].map(B::numbers);
        B::from_numbers(gate::gradient(&gradient, &x, rows), [rows, width])
    }
}

impl<B: HostBackend> Dense for B {
    fn dense(x: T<B>, weight: T<B>, bias: T<B>) -> T<B> {
        let ([m, k], [_, n]) = (x.shape().dims(), weight.shape().dims());
        let [x, weight, bias] = [&x, &weight, &bias].map(B::numbers);
        let output = linear::product(&x, Right::Rows(&weight), Some(&bias), [m, k, n]);
        B::from_numbers(output, [m, n])
    }
}

impl<B: HostBackend> DenseGradients for B {
    fn dense_grad(gradient: T<B>, weight: T<B>) -> T<B> {
        let ([m, n], [k, _]) = (gradient.shape().dims(), weight.shape().dims());
        let [gradient, weight] = [&gradient, &weight].map(B::numbers);
        let of_x = linear::product(&gradient, Right::Columns(&weight), None, [m, n, k]);
        B::from_numbers(of_x, [m, k])
    }

    fn dense_weight_grad(gradient: T<B>, x: T<B>) -> T<B> {
        let ([m, n], [_, k]) = (gradient.shape().dims(), x.shape().dims());
        let [gradient, x] = [&gradient, &x].map(B::numbers);
        let x = linear::transpose(&x, m, k);
        let of_weight = linear::product(&x, Right::Rows(&gradient), None, [k, m, n]);
        B::from_numbers(of_weight, [k, n])
    }

    fn dense_bias_grad(gradient: T<B>) -> T<B> {
        let [_, n] = gradient.shape().dims();
        B::from_numbers(linear::column_sums(&B::numbers(&gradient), n), [1, n])
    }
}

impl<B: HostBackend> Densities for B {
    fn log_densities(z: T<B>, means: T<B>, log_vars: T<B>) -> T<B> {
        let arguments = [z, means, log_vars];
        let [[batch, _], shape, _] = shapes::<B, 3>(&arguments);
        let [z, means, log_vars] = arguments.each_ref().map(B::numbers);
        let components = Components::new([&means, &log_vars], shape);
        B::from_numbers(components.log_densities(&z), [batch, shape[0]])
    }
}

impl<B: HostBackend> DensitiesGradients for B {
    fn log_densities_grad(
        gradient: T<B>,
        z: T<B>,
        means: T<B>,
        log_vars: T<B>,
    ) -> (T<B>, T<B>, T<B>) {
        let arguments = [z, means, log_vars];
        let [of_points, shape, _] = shapes::<B, 3>(&arguments);
        let [z, means, log_vars] = arguments.each_ref().map(B::numbers);
        let components = Components::new([&means, &log_vars], shape);
        let of = components.gradients(&z, &B::numbers(&gradient));
        (
            B::from_numbers(of.z, of_points),
            B::from_numbers(of.means, shape),
            B::from_numbers(of.log_vars, shape),
        )
    }
}

impl<B: HostBackend> RunningUnits for B {
    fn nade(x: T<B>, weight: T<B>, start: T<B>, readout: T<B>, order: Arc<[usize]>) -> T<B> {
        let arguments = [x, weight, start, readout];
        let [[batch, _], _, [_, hidden], [variables, width]] = shapes::<B, 4>(&arguments);
        let numbers = arguments.each_ref().map(B::numbers);
        let output = nade::apply(nade::Layers::new(&numbers, &order, hidden));
        B::from_numbers(output, [batch, variables * width / hidden])
    }
}

/// The rows and columns of each.
fn shapes<B: HostBackend, const N: usize>(tensors: &[T<B>; N]) -> [[usize; 2]; N] {
    tensors.each_ref().map(|tensor| tensor.shape().dims())
}

impl<B: HostBackend> RunningUnitsGradients for B {
    fn nade_grad(
        gradient: T<B>,
        x: T<B>,
        weight: T<B>,
        start: T<B>,
        readout: T<B>,
        order: Arc<[usize]>,
        asks: bool,
    ) -> (T<B>, T<B>, T<B>, T<B>) {
        let arguments = [x, weight, start, readout];
        let shapes = shapes::<B, 4>(&arguments);
        let numbers = arguments.each_ref().map(B::numbers);
        let layers = nade::Layers::new(&numbers, &order, shapes[2][1]);
        let of = nade::gradients(layers, &B::numbers(&gradient), asks);
        (
            B::from_numbers(of.x, shapes[0]),
            B::from_numbers(of.weight, shapes[1]),
            B::from_numbers(of.start, shapes[2]),
            B::from_numbers(of.readout, shapes[3]),
        )
    }
}

impl<B: HostBackend> ClassNll for B {
    fn class_nll(logits: T<B>, class: Arc<[usize]>) -> T<B> {
        B::from_numbers(
            categorical::apply(&B::numbers(&logits), &class),
            [class.len(), 1],
        )
    }
}

impl<B: HostBackend> ClassNllGradient for B {
    fn class_nll_grad(gradient: T<B>, logits: T<B>, class: Arc<[usize]>) -> T<B> {
        let shape = logits.shape().dims();
        let [gradient, logits] = [&gradient, &logits].map(B::numbers);
        B::from_numbers(categorical::gradient(&gradient, &logits, &class), shape)
    }
}

impl<B: HostBackend> Normalization for B {
    fn normalize(x: T<B>, weight: T<B>, bias: T<B>, norm: Norm) -> (T<B>, T<B>) {
        let [rows, width] = x.shape().dims();
        let [x, weight, bias] = [&x, &weight, &bias].map(B::numbers);
        let (output, moments) = norm::apply([&x, &weight, &bias], norm, rows);
        let groups = moments.len() / 2;
        (
            B::from_numbers(output, [rows, width]),
            B::from_numbers(moments, [groups, 2]),
        )
    }
}

impl<B: HostBackend> NormalizationGradients for B {
    fn normalize_grad(
        gradient: T<B>,
        x: T<B>,
        weight: T<B>,
        bias: T<B>,
        moments: T<B>,
        norm: Norm,
    ) -> (T<B>, T<B>, T<B>) {
        let [rows, width] = x.shape().dims();
        let arguments = [&x, &weight, &bias].map(B::numbers);
        let arguments = arguments.each_ref().map(|numbers| &**numbers);
        let [gradient, moments] = [&gradient, &moments].map(B::numbers);
        let [of_x, of_weight, of_bias] =
            norm::gradients(&gradient, arguments, &moments, norm, rows);
        let [of_weight, of_bias] =
            [of_weight, of_bias].map(|numbers| B::from_numbers(numbers, [1, norm.channels]));
        (B::from_numbers(of_x, [rows, width]), of_weight, of_bias)
    }
}
