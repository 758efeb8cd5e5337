use crate::error::{Result, check_at_least_one};
use crate::kernel::linear;
use crate::traits::Block;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// What tells a [`Coupling`](super::Coupling) how to move the channels that it moves: a network of those that it keeps, and
/// of a context where there is one. Channels are axis 1: the coordinates of a vector.
pub trait Conditioner<const D: usize>: Block {
    /// The parameters, `[batch, parameters * moved channels, ...]`: the first parameter of each channel, then the second.
    fn parameters(&self, kept: Tensor<D>, context: Option<&Tensor<2>>) -> Tensor<D>;
}

/// A multi-layer perceptron with rectified linear units, whose last layer starts at zero; without a hidden layer it is a
/// linear map.
///
/// Its context enters as the shift of the first layer.
#[derive(Module, Debug)]
pub struct Perceptron {
    layers: Vec<Linear>,
    context: Option<Linear>,
}

impl Perceptron {
    /// A network from `inputs` numbers and a context of `context` (0 for none) to `outputs`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if a width is 0.
    pub fn new(
        inputs: usize,
        context: usize,
        hidden: &[usize],
        outputs: usize,
        device: &Device,
    ) -> Result<Self> {
        const PART: &str = "Perceptron";
        check_at_least_one(PART, "the number of inputs", inputs)?;
        check_at_least_one(PART, "the number of outputs", outputs)?;
        for &width in hidden {
            check_at_least_one(PART, "a hidden width", width)?;
        }
        let widths = [&[inputs], hidden].concat();
        let hidden_layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        let mut layers: Vec<Linear> = widths.windows(2).map(hidden_layer).collect();
        let last = LinearConfig::new(widths[hidden.len()], outputs);
        layers.push(last.with_initializer(Initializer::Zeros).init(device));
        let enter = |context| {
            let first = hidden.first().copied().unwrap_or(outputs);
            let config = LinearConfig::new(context, first).with_bias(false);
            let is_last = hidden.is_empty();
            let config = if is_last {
                config.with_initializer(Initializer::Zeros)
            } else {
                config
            };
            config.init(device)
        };
        Ok(Self {
            layers,
            context: (context > 0).then(|| enter(context)),
        })
    }

    pub(super) fn has_context(&self) -> bool {
        self.context.is_some()
    }

    /// The weights of each layer, `[inputs, outputs]`, and its biases; and what the context adds to the first, `[batch,
    /// outputs]`.
    pub(super) fn layers(
        &self,
        context: Option<&Tensor<2>>,
    ) -> (Vec<(Tensor<2>, Tensor<1>)>, Option<Tensor<2>>) {
        let of = |layer: &Linear| {
            let weight = layer.weight.val();
            let bias = layer.bias.as_ref().map(|bias| bias.val());
            let none = || Tensor::zeros([weight.dims()[1]], &weight.device());
            let bias = bias.unwrap_or_else(none);
            (weight, bias)
        };
        let layers = self.layers.iter().map(of).collect();
        (layers, shift(&self.context, context))
    }

    /// The network, with its weights as `weight` makes them of those of each layer, `[inputs, outputs]`.
    pub(super) fn forward(
        &self,
        input: Tensor<2>,
        context: Option<&Tensor<2>>,
        weight: impl Fn(usize, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let last = self.layers.len() - 1;
        let layers = self.layers.iter().enumerate();
        layers.fold(input, |x, (index, layer)| {
            let bias = layer.bias.as_ref().map(|bias| bias.val());
            let mut output = linear(x, weight(index, layer.weight.val()), bias);
            if index == 0
                && let Some(shift) = shift(&self.context, context)
            {
                output = output + shift;
            }
            if index == last { output } else { relu(output) }
        })
    }
}

impl Conditioner<2> for Perceptron {
    fn parameters(&self, kept: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<2> {
        self.forward(kept, context, |_, weight| weight)
    }
}

/// What a context makes of a layer for it, if the network was built with one.
///
/// # Panics
///
/// If it was and none is given, or one of another width.
pub(crate) fn shift(layer: &Option<Linear>, context: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    let layer = layer.as_ref()?;
    let [width, _] = layer.weight.dims();
    let given = context.map_or(0, |context| context.dims()[1]);
    assert!(
        given == width,
        "a network that was built for a context of {width} numbers is given one of {given}; a flow with a context is asked \
         by `forward_given`, `inverse_given` or `Flow::decode`, an autoregressive model by `log_prob_given`, `decode` or \
         `Sampling::with_context`"
    );
    context.map(|context| layer.forward(context.clone()))
}

/// Three convolutions, 3x3, 1x1 and 3x3, with rectified linear units, of which the last starts at zero: the network of Glow.
///
/// A context enters as the shift of the first hidden channels.
#[derive(Module, Debug)]
pub struct ConvNetwork {
    first: Conv2d,
    second: Conv2d,
    last: Conv2d,
    context: Option<Linear>,
}

impl ConvNetwork {
    /// A network from `inputs` channels and a context of `context` numbers (0 for none) to `outputs` channels.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if a number of channels is 0.
    pub fn new(
        inputs: usize,
        context: usize,
        hidden: usize,
        outputs: usize,
        device: &Device,
    ) -> Result<Self> {
        for (name, channels) in [("inputs", inputs), ("hidden", hidden), ("outputs", outputs)] {
            check_at_least_one("ConvNetwork", name, channels)?;
        }
        let wide = |channels| {
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            Conv2dConfig::new(channels, [3, 3]).with_padding(padding)
        };
        let enter = |context| {
            let config = LinearConfig::new(context, hidden).with_bias(false);
            config.init(device)
        };
        let last = wide([hidden, outputs]).with_initializer(Initializer::Zeros);
        Ok(Self {
            first: wide([inputs, hidden]).init(device),
            second: Conv2dConfig::new([hidden, hidden], [1, 1]).init(device),
            last: last.init(device),
            context: (context > 0).then(|| enter(context)),
        })
    }
}

impl Conditioner<4> for ConvNetwork {
    fn parameters(&self, kept: Tensor<4>, context: Option<&Tensor<2>>) -> Tensor<4> {
        let mut hidden = self.first.forward(kept);
        if let Some(shift) = shift(&self.context, context) {
            let [batch, channels] = shift.dims();
            hidden = hidden + shift.reshape([batch, channels, 1, 1]);
        }
        let hidden = relu(self.second.forward(relu(hidden)));
        self.last.forward(hidden)
    }
}
