use super::host::{Matrix, add_to_streams, numbers};
use super::order::{Order, variables};
use super::{Autoregressive, Output, Stepwise, assert_context, assert_streams, density};
use crate::distribution::Levels;
use crate::error::Result;
use crate::flow::MaskedPerceptron;
use crate::kernel::rows;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Configuration of a [`Made`].
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::autoregressive::MadeConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let made = MadeConfig::new(vec![1, 8, 8]).init::<4>(&device)?; // of binary images
/// let mut model = MaximumLikelihood::new(made);
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (model, _) = model.learn(&mut optimizer, 1e-3, Tensor::ones([32, 1, 8, 8], &device));
/// }
/// assert_eq!(model.sample(5, &device).dims(), [5, 1, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MadeConfig {
    /// The shape of an event.
    pub data_shape: Vec<usize>,
    /// The widths of the hidden layers; with none of them the model is an FVSBN, whose likelihood has no local optima.
    #[config(default = "vec![500]")]
    pub hidden: Vec<usize>,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl MadeConfig {
    /// A fully visible sigmoid belief network: logistic regression of each variable on those before it.
    /// [Frey et al. 1996](https://papers.nips.cc/paper/1153).
    pub fn fvsbn(data_shape: Vec<usize>) -> Self {
        Self::new(data_shape).with_hidden(vec![])
    }

    /// A model of variables that are 0 or 1, in raster order.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the shape has not `D - 1` axes or is empty, or a width is 0.
    pub fn init<const D: usize>(&self, device: &Device) -> Result<Made<D>> {
        self.init_in_order(&Order::Raster, device)
    }

    /// A model of variables that are 0 or 1, in this order.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init), and if the order does not name each variable once.
    pub fn init_in_order<const D: usize>(&self, order: &Order, device: &Device) -> Result<Made<D>> {
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
    ) -> Result<Made<D>> {
        let order = order.of(variables::<D>("Made", &self.data_shape)?)?;
        let parameters = output.check("Made")?;
        let network =
            MaskedPerceptron::new(&order, self.context, &self.hidden, parameters, device)?;
        Ok(Made {
            network,
            output,
            shape: self.data_shape.clone(),
        })
    }
}

/// A masked autoencoder for distribution estimation (MADE): a perceptron whose masks let no variable see itself or one after
/// it. It starts with all levels as likely as each other (or as a logistic mixture spreads them). Built by [`MadeConfig`].
///
/// A sample costs as much as one pass of the network: each unit is computed once, as soon as what it sees is known.
///
/// [Germain et al. 2015](https://arxiv.org/abs/1502.03509).
#[derive(Module, Debug)]
pub struct Made<const D: usize = 2> {
    network: MaskedPerceptron,
    #[module(skip)]
    output: Output,
    #[module(skip)]
    shape: Vec<usize>,
}

impl<const D: usize> Autoregressive<D> for Made<D> {
    fn output(&self) -> Output {
        self.output
    }

    fn shape(&self) -> Vec<usize> {
        self.shape.clone()
    }

    fn order(&self, _variables: usize) -> Vec<usize> {
        self.network.order()
    }

    fn parameters(&self, x: Tensor<D>, context: Option<&Tensor<2>>) -> Tensor<3> {
        assert_context(self.network.has_context(), context);
        let x = self.output.levels().centered(rows(x));
        self.network.forward(x, context).swap_dims(1, 2)
    }
}

density!([const D: usize] Made<D>, D);

/// What is known of some streams of a [`Made`].
#[derive(Debug)]
pub struct MadeState {
    layers: Arc<Layers>,
    /// What reaches the units of each layer so far, row by row of the streams; the last are the outputs.
    sums: Vec<Vec<f32>>,
    /// How many variables are known.
    known: usize,
}

/// The layers of a network, on the host.
#[derive(Debug)]
struct Layers {
    weights: Vec<Matrix>,
    /// Which units of each hidden layer are known with each number of variables.
    units: Vec<Vec<Vec<usize>>>,
    order: Vec<usize>,
    levels: Levels,
    parameters: usize,
}

impl MadeState {
    /// Passes on what the units are that are known now, and were not before: from layer to layer, to the outputs.
    fn spread(&mut self) {
        for (layer, units) in self.layers.units.iter().enumerate() {
            let units = &units[self.known];
            let pitch = self.layers.weights[layer].pitch();
            let [from, to] = self
                .sums
                .get_disjoint_mut([layer, layer + 1])
                .unwrap_or_else(|_| unreachable!("a layer after each"));
            let of_stream = from.chunks_exact(pitch);
            let known: Vec<f32> = of_stream
                .flat_map(|sums| units.iter().map(|&unit| sums[unit].max(0.0)))
                .collect();
            self.layers.weights[layer + 1].add_of(units, &known, to);
        }
    }
}

impl<const D: usize> Stepwise<D> for Made<D> {
    type State = MadeState;

    fn start(&self, streams: usize, context: Option<&Tensor<2>>) -> MadeState {
        assert_context(self.network.has_context(), context);
        let steps = self.network.steps(context);
        let order = self.network.order();
        let mut sums = Vec::new();
        let mut weights = Vec::new();
        for (weight, bias) in steps.layers {
            let weight = Matrix::new(weight);
            sums.push(weight.biases(&numbers(bias), streams));
            weights.push(weight);
        }
        if let Some(shift) = steps.shift {
            assert_streams("Made", &shift, streams);
            add_to_streams(&mut sums[0], &numbers(shift), weights[0].pitch(), streams);
        }
        let by_degree = |degrees: &Vec<usize>| {
            let mut units = vec![Vec::new(); order.len() + 1];
            for (unit, &degree) in degrees.iter().enumerate() {
                units[degree].push(unit);
            }
            units
        };
        let mut state = MadeState {
            layers: Arc::new(Layers {
                weights,
                units: steps.degrees.iter().map(by_degree).collect(),
                order,
                levels: self.output.levels(),
                parameters: self.output.parameters(),
            }),
            sums,
            known: 0,
        };
        state.spread(); // units that see a context alone
        state
    }

    fn step(&self, mut state: MadeState, last: &[f32]) -> (Vec<f32>, MadeState) {
        let layers = state.layers.clone();
        if !last.is_empty() {
            let variable = layers.order[state.known];
            let scaled: Vec<f32> = last
                .iter()
                .map(|&value| layers.levels.center(value))
                .collect();
            layers.weights[0].add_of(&[variable], &scaled, &mut state.sums[0]);
            state.known += 1;
            state.spread();
        }
        let last = layers.weights.len() - 1;
        let variable = layers.order[state.known];
        let variables = layers.order.len();
        let of_stream = state.sums[last].chunks_exact(layers.weights[last].pitch());
        let parameters = of_stream.flat_map(|sums| {
            let of_variable = (0..layers.parameters).map(|k| k * variables + variable);
            of_variable.map(|output| sums[output])
        });
        (parameters.collect(), state)
    }
}
