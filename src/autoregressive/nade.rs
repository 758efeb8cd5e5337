use super::host::{Matrix, numbers};
use super::order::{Order, variables};
use super::{Autoregressive, Output, Stepwise, assert_streams, density};
use crate::distribution::Levels;
use crate::error::{Result, check_at_least_one};
use crate::kernel::{self, rows};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use std::sync::Arc;

/// Configuration of a [`Nade`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::NadeConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let nade = NadeConfig::new(vec![16]).with_hidden(64).init::<2>(&device)?;
/// assert_eq!(nade.log_prob(nade.sample(5, &device)).dims(), [5]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct NadeConfig {
    /// The shape of an event.
    pub data_shape: Vec<usize>,
    /// The number of hidden units.
    #[config(default = 500)]
    pub hidden: usize,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl NadeConfig {
    /// A model of variables that are 0 or 1, in raster order.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the shape has not `D - 1` axes or is empty, or there is no hidden unit.
    pub fn init<const D: usize>(&self, device: &Device) -> Result<Nade<D>> {
        self.init_in_order(&Order::Raster, device)
    }

    /// A model of variables that are 0 or 1, in this order.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init), and if the order does not name each variable once.
    pub fn init_in_order<const D: usize>(&self, order: &Order, device: &Device) -> Result<Nade<D>> {
        self.init_with(Output::Bernoulli, order, device)
    }

    /// A model of variables of any kind, in this order.
    ///
    /// # Errors
    ///
    /// As [`init_in_order`](Self::init_in_order), and if the output has no component.
    pub fn init_with<const D: usize>(
        &self,
        output: Output,
        order: &Order,
        device: &Device,
    ) -> Result<Nade<D>> {
        let count = variables::<D>("Nade", &self.data_shape)?;
        check_at_least_one("Nade", "hidden", self.hidden)?;
        let order = order.of(count)?;
        let order: Vec<f32> = order.into_iter().map(|variable| variable as f32).collect();
        // 16 bits hold no places above a few hundred.
        let options = (device, DType::F32);
        let order = Tensor::from_data(TensorData::new(order, [count]), options);
        let zeros = Initializer::Zeros;
        let enter = |context| {
            let config = LinearConfig::new(context, self.hidden).with_bias(false);
            config.init(device)
        };
        let bound = 1.0 / (count as f64).sqrt();
        let uniform = Initializer::Uniform {
            min: -bound,
            max: bound,
        };
        let parameters = output.check("Nade")?;
        Ok(Nade {
            weight: uniform.init([count, self.hidden], device),
            hidden_bias: zeros.init([self.hidden], device),
            output_weight: zeros.init([count, parameters, self.hidden], device),
            output_bias: zeros.init([count, parameters], device),
            context: (self.context > 0).then(|| enter(self.context)),
            order: Param::from_tensor(order).set_require_grad(false),
            output,
            shape: self.data_shape.clone(),
        })
    }
}

/// A neural autoregressive distribution estimator (NADE): a hidden layer for each variable, all with the same weights,
///
/// `h_i = relu(c + sum_(j < i) x_j W_j)`, `parameters_i = b_i + V_i h_i`,
///
/// so that the sum runs on from variable to variable. It starts with all levels as likely as each other (or as a logistic mixture spreads them). Built by
/// [`NadeConfig`].
///
/// [Larochelle & Murray 2011](https://proceedings.mlr.press/v15/larochelle11a.html); rectified linear units as of
/// [Uria et al. 2016](https://arxiv.org/abs/1605.02226).
#[derive(Module, Debug)]
pub struct Nade<const D: usize = 2> {
    /// What each variable adds to the hidden units, `[variables, hidden]`.
    weight: Param<Tensor<2>>,
    hidden_bias: Param<Tensor<1>>,
    /// `[variables, parameters, hidden]`.
    output_weight: Param<Tensor<3>>,
    /// `[variables, parameters]`.
    output_bias: Param<Tensor<2>>,
    context: Option<Linear>,
    /// Which variable comes first, which second, and so on.
    order: Param<Tensor<1>>,
    #[module(skip)]
    output: Output,
    #[module(skip)]
    shape: Vec<usize>,
}

impl<const D: usize> Nade<D> {
    /// What the hidden units start from, `[batch or 1, hidden]`.
    fn start(&self, context: Option<&Tensor<2>>) -> Tensor<2> {
        let bias = self.hidden_bias.val().unsqueeze::<2>();
        match super::shift(&self.context, context) {
            Some(shift) => bias + shift,
            None => bias,
        }
    }
}

impl<const D: usize> Autoregressive<D> for Nade<D> {
    fn output(&self) -> Output {
        self.output
    }

    fn shape(&self) -> Vec<usize> {
        self.shape.clone()
    }

    fn order(&self, _variables: usize) -> Vec<usize> {
        let order = numbers(self.order.val());
        order
            .into_iter()
            .map(|variable| variable as usize)
            .collect()
    }

    fn parameters(&self, x: Tensor<D>, context: Option<&Tensor<2>>) -> Tensor<3> {
        let x = self.output.levels().scaled(rows(x));
        let [batch, variables] = x.dims();
        let weight = self.weight.val();
        let [expected, hidden] = weight.dims();
        assert!(
            variables == expected,
            "Nade: it is over {expected} variables, but the data has {variables}"
        );
        let start = self.start(context).expand([batch, hidden]);
        let order: Tensor<1, Int> = self.order.val().int();
        let outputs = kernel::nade(x, weight, start, self.output_weight.val(), order);
        outputs + self.output_bias.val().unsqueeze_dim::<3>(0)
    }
}

density!([const D: usize] Nade<D>, D);

/// What is known of some streams of a [`Nade`].
#[derive(Debug)]
pub struct NadeState {
    layers: Arc<Layers>,
    /// What reaches the hidden units so far, row by row of the streams.
    sums: Vec<f32>,
    /// How many variables are known.
    known: usize,
}

#[derive(Debug)]
struct Layers {
    weight: Matrix,
    /// `[variables * parameters, hidden]`.
    output_weight: Matrix,
    output_bias: Vec<f32>,
    order: Vec<usize>,
    levels: Levels,
    parameters: usize,
}

impl<const D: usize> Stepwise<D> for Nade<D> {
    type State = NadeState;

    fn start(&self, streams: usize, context: Option<&Tensor<2>>) -> NadeState {
        let weight = Matrix::new(self.weight.val());
        let start = self.start(context);
        let [rows, hidden] = start.dims();
        let sums = if rows == 1 {
            weight.biases(&numbers(start), streams)
        } else {
            assert_streams("Nade", &start, streams);
            Matrix::new(start).into_rows()
        };
        let output_weight = self.output_weight.val();
        let [variables, parameters, _] = output_weight.dims();
        NadeState {
            sums,
            layers: Arc::new(Layers {
                weight,
                output_weight: Matrix::new(output_weight.reshape([variables * parameters, hidden])),
                output_bias: numbers(self.output_bias.val()),
                order: self.order(variables),
                levels: self.output.levels(),
                parameters,
            }),
            known: 0,
        }
    }

    fn step(&self, mut state: NadeState, last: &[f32]) -> (Vec<f32>, NadeState) {
        let layers = state.layers.clone();
        if !last.is_empty() {
            let scaled: Vec<f32> = last
                .iter()
                .map(|&value| layers.levels.scale(value))
                .collect();
            let variable = layers.order[state.known];
            layers.weight.add_of(&[variable], &scaled, &mut state.sums);
            state.known += 1;
        }
        let first = layers.order[state.known] * layers.parameters;
        let of_stream = state.sums.chunks_exact(layers.weight.pitch());
        let parameters = of_stream.flat_map(|sums| {
            let layers = &layers;
            (first..first + layers.parameters).map(move |row| {
                let weights = layers.output_weight.row(row).iter();
                let products = weights.zip(sums).map(|(weight, sum)| weight * sum.max(0.0));
                layers.output_bias[row] + products.sum::<f32>()
            })
        });
        (parameters.collect(), state)
    }
}
