use super::host::{HostConv, add_to_streams, gated, gated_rows, numbers, rows_of};
use super::{Autoregressive, Output, Stepwise, assert_streams, density};
use crate::distribution::Levels;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel;
use crate::nn::{Conv2d, Conv2dConfig, MaskedConv2d};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Configuration of a [`PixelCnn`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::{Output, PixelCnnConfig};
/// use burn_generative::distribution::Levels;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let output = Output::Categorical(Levels::counting(17)?); // the levels of 8x8 digits
/// let model = PixelCnnConfig::new([1, 8, 8]).with_layers(3).init_with(output, &device)?;
/// let images = model.sample(2, &device);
/// let nats = model.log_prob(images).into_data();
/// // At first all levels are as likely as each other.
/// nats.assert_approx_eq::<f32>(&TensorData::from([-64.0 * 17f32.ln(); 2]), Default::default());
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct PixelCnnConfig {
    /// Channels, height and width of an image.
    pub image_shape: [usize; 3],
    /// The features of each stack, a multiple of the image's channels.
    #[config(default = 32)]
    pub features: usize,
    /// The number of gated layers.
    #[config(default = 6)]
    pub layers: usize,
    /// The side of the first layer's window, odd.
    #[config(default = 7)]
    pub first_kernel: usize,
    /// The side of the other layers' windows, odd.
    #[config(default = 3)]
    pub kernel: usize,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl PixelCnnConfig {
    /// A model of pixels that are 0 or 1.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is 0, a window is even or one pixel wide, or the features are no multiple of the image's
    /// channels.
    pub fn init(&self, device: &Device) -> Result<PixelCnn> {
        self.init_with(Output::Bernoulli, device)
    }

    /// A model of pixels of any kind.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_with(&self, output: Output, device: &Device) -> Result<PixelCnn> {
        const PART: &str = "PixelCnn";
        let [channels, height, width] = self.image_shape;
        check_at_least_one(PART, "the number of channels of an image", channels)?;
        check_at_least_one(PART, "the height of an image", height)?;
        check_at_least_one(PART, "the width of an image", width)?;
        check_at_least_one(PART, "layers", self.layers)?;
        check_at_least_one(PART, "features", self.features)?;
        if !self.features.is_multiple_of(channels) {
            return Err(Error::Config(format!(
                "{PART}: {} features cannot be divided among the {channels} channels of an image",
                self.features
            )));
        }
        for kernel in [self.first_kernel, self.kernel] {
            if kernel < 3 || kernel.is_multiple_of(2) {
                return Err(Error::Config(format!(
                    "{PART}: a window of side {kernel}; it must be odd, and at least 3 to see a neighbour"
                )));
            }
        }
        let groups = Groups {
            channels,
            features: self.features,
        };
        let layer = |index| self.layer(index, groups, device);
        let pointwise = |outputs, initializer| {
            let config = Conv2dConfig::new([self.features, outputs], [1, 1]);
            config.with_initializer(initializer).init(device)
        };
        let default = Conv2dConfig::new([1, 1], [1, 1]).initializer;
        let parameters = output.check("PixelCnn")?;
        let hidden = pointwise(self.features, default)?;
        let last = pointwise(channels * parameters, Initializer::Zeros)?;
        Ok(PixelCnn {
            layers: (0..self.layers).map(layer).collect::<Result<_>>()?,
            hidden: MaskedConv2d::new(hidden, |[o, i, _, _]| groups.of(i) <= groups.of(o)),
            last: MaskedConv2d::new(last, |[o, i, _, _]| groups.of(i) <= o / parameters),
            output,
            image_shape: self.image_shape,
        })
    }

    fn layer(&self, index: usize, groups: Groups, device: &Device) -> Result<Layer> {
        let features = self.features;
        let is_first = index == 0;
        let (inputs, kernel) = if is_first {
            (groups.channels, self.first_kernel)
        } else {
            (features, self.kernel)
        };
        let margin = kernel / 2;
        // The vertical stack is one row behind from its first layer on.
        let rows = if is_first { margin } else { margin + 1 };
        let vertical = Conv2dConfig::new([inputs, 2 * features], [rows, kernel])
            .with_padding(PaddingConfig2d::Explicit(margin, margin, 0, margin));
        let horizontal = Conv2dConfig::new([inputs, 2 * features], [1, margin + 1])
            .with_padding(PaddingConfig2d::Explicit(0, margin, 0, 0));
        let horizontal = MaskedConv2d::new(horizontal.init(device)?, |[o, i, _, column]| {
            let own = groups.of(o % features);
            let seen = if is_first { i + 1 } else { groups.of(i) };
            column < margin || seen <= own
        });
        let residual = Conv2dConfig::new([features, features], [1, 1]).init(device)?;
        let context = LinearConfig::new(self.context, 4 * features).with_bias(false);
        Ok(Layer {
            vertical: vertical.init(device)?,
            across: Conv2dConfig::new([2 * features, 2 * features], [1, 1]).init(device)?,
            horizontal,
            residual: MaskedConv2d::new(residual, |[o, i, _, _]| groups.of(i) <= groups.of(o)),
            context: (self.context > 0).then(|| context.init(device)),
            is_first,
        })
    }
}

/// Which channel of an image a feature belongs to: it may see the channels up to that one of its own pixel.
#[derive(Clone, Copy)]
struct Groups {
    channels: usize,
    features: usize,
}

impl Groups {
    fn of(self, feature: usize) -> usize {
        feature * self.channels / self.features
    }
}

/// A gated PixelCNN: every pixel given all pixels above it and those to its left, and every channel of a pixel given the
/// channels before it.
///
/// A vertical stack of convolutions sees the rows above, a horizontal one the row's beginning and the vertical stack, so that
/// there is no blind spot. A window is cut to what it may see; a mask is left for the channels of a pixel alone. It
/// starts with all levels as likely as each other (or as a logistic mixture spreads them), and sees pixels as numbers from -1 to 1. Built by [`PixelCnnConfig`].
///
/// Sampling keeps the rows of each layer that a window still needs, and computes each pixel of a layer once for each channel of
/// the image.
///
/// [van den Oord et al. 2016](https://arxiv.org/abs/1606.05328).
#[derive(Module, Debug)]
pub struct PixelCnn {
    layers: Vec<Layer>,
    hidden: MaskedConv2d,
    last: MaskedConv2d,
    #[module(skip)]
    output: Output,
    image_shape: [usize; 3],
}

/// A gated layer of both stacks.
#[derive(Module, Debug)]
struct Layer {
    vertical: Conv2d,
    across: Conv2d,
    horizontal: MaskedConv2d,
    residual: MaskedConv2d,
    /// To both stacks.
    context: Option<Linear>,
    is_first: bool,
}

impl Layer {
    /// The vertical and the horizontal stack.
    fn forward(
        &self,
        [vertical, horizontal]: [Tensor<4>; 2],
        context: Option<&Tensor<2>>,
    ) -> [Tensor<4>; 2] {
        let [_, _, height, _] = vertical.dims();
        let mut above = self.vertical.forward(vertical.clone());
        if self.is_first {
            above = above.narrow(2, 0, height); // the rows before each alone
        }
        let mut beside = self.horizontal.forward(horizontal.clone());
        if let Some(shift) = super::shift(&self.context, context) {
            let [batch, width] = shift.dims();
            let [to_above, to_beside] = [0, 1].map(|half| {
                let part = shift.clone().narrow(1, half * width / 2, width / 2);
                part.reshape([batch, width / 2, 1, 1])
            });
            above = above + to_above;
            beside = beside + to_beside;
        }
        let beside = self
            .residual
            .forward(kernel::gated(beside + self.across.forward(above.clone())));
        let above = kernel::gated(above);
        if self.is_first {
            return [above, beside];
        }
        [vertical + above, horizontal + beside]
    }
}

impl Autoregressive<4> for PixelCnn {
    fn output(&self) -> Output {
        self.output
    }

    fn shape(&self) -> Vec<usize> {
        self.image_shape.to_vec()
    }

    /// Pixel by pixel, and in each the channels.
    fn order(&self, _variables: usize) -> Vec<usize> {
        let [channels, height, width] = self.image_shape;
        let pixels = height * width;
        let variable = |step| step % channels * pixels + step / channels;
        (0..channels * pixels).map(variable).collect()
    }

    fn parameters(&self, x: Tensor<4>, context: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, event @ ..] = x.dims();
        assert!(
            event == self.image_shape,
            "PixelCnn: it is over images of shape {:?}, but those given have shape {event:?}",
            self.image_shape
        );
        let x = self.output.levels().centered(x);
        let layers = self.layers.iter();
        let [_, beside] = layers.fold([x.clone(), x], |stacks, layer| {
            layer.forward(stacks, context)
        });
        let hidden = relu(self.hidden.forward(relu(beside)));
        let [channels, height, width] = self.image_shape;
        let parameters = self.output.parameters();
        let outputs = self.last.forward(hidden);
        outputs
            .reshape([batch, channels, parameters, height * width])
            .swap_dims(2, 3)
            .reshape([batch, channels * height * width, parameters])
    }
}

density!([] PixelCnn, 4);

/// What is known of some streams of a [`PixelCnn`].
#[derive(Debug)]
pub struct PixelCnnState {
    network: Arc<Network>,
    streams: usize,
    /// What the context adds to the vertical and to the horizontal stack of each layer, for each stream.
    shifts: Vec<[Vec<f32>; 2]>,
    /// The rows above that the vertical stack of each layer sees, the oldest first: pixels with a margin on both sides.
    above: Vec<Vec<Vec<f32>>>,
    /// What the horizontal stack of each layer gets from above, for the pixels of this row.
    from_above: Vec<Vec<f32>>,
    /// This row of the input of each horizontal layer, and of the head: pixels with a margin on the left.
    beside: Vec<Vec<f32>>,
    /// How many variables are known.
    known: usize,
}

/// The weights of a network, on the host.
#[derive(Debug)]
struct Network {
    layers: Vec<HostLayer>,
    hidden: HostConv,
    last: HostConv,
    image_shape: [usize; 3],
    levels: Levels,
    parameters: usize,
}

#[derive(Debug)]
struct HostLayer {
    vertical: HostConv,
    across: HostConv,
    horizontal: HostConv,
    residual: HostConv,
    inputs: usize,
    margin: usize,
    features: usize,
    is_first: bool,
}

impl PixelCnn {
    fn network(&self) -> Network {
        let host = |weight: Tensor<4>, conv: &Conv2d| {
            let [outputs, inputs, height, width] = weight.dims();
            let bias = conv.bias.as_ref().map(|bias| bias.val());
            HostConv::new(weight.reshape([outputs, inputs, height * width]), bias)
        };
        let of = |conv: &Conv2d| host(conv.weight.val(), conv);
        let of_masked = |conv: &MaskedConv2d| host(conv.weight(), &conv.conv);
        let layer = |layer: &Layer| {
            let [features, inputs, _, kernel] = layer.vertical.weight.dims();
            HostLayer {
                vertical: of(&layer.vertical),
                across: of(&layer.across),
                horizontal: of_masked(&layer.horizontal),
                residual: of_masked(&layer.residual),
                inputs,
                margin: kernel / 2,
                features: features / 2,
                is_first: layer.is_first,
            }
        };
        Network {
            layers: self.layers.iter().map(layer).collect(),
            hidden: of_masked(&self.hidden),
            last: of_masked(&self.last),
            image_shape: self.image_shape,
            levels: self.output.levels(),
            parameters: self.output.parameters(),
        }
    }
}

impl PixelCnnState {
    /// All rows of both stacks that a new row of pixels needs, from those above it.
    fn begin_row(&mut self) {
        let network = self.network.clone();
        let [_, _, width] = network.image_shape;
        let pixels = self.streams * width;
        for (index, layer) in network.layers.iter().enumerate() {
            let [to_above, to_beside] = &self.shifts[index];
            let mut sums = layer.vertical.start(pixels);
            add_to_streams(&mut sums, to_above, layer.vertical.pitch(), self.streams);
            let kernel = 2 * layer.margin + 1;
            for (tap, matrix) in layer.vertical.taps.iter().enumerate() {
                let row = &self.above[index][tap / kernel];
                let line = width + 2 * layer.margin;
                let starts = rows_of(self.streams, width, line, tap % kernel, layer.inputs);
                matrix.add(row, &starts, &mut sums);
            }
            let mut from_above = layer.horizontal.start(pixels);
            for (sum, bias) in from_above
                .chunks_exact_mut(layer.horizontal.pitch())
                .flat_map(|row| row.iter_mut().zip(&layer.across.bias))
            {
                *sum += bias;
            }
            add_to_streams(
                &mut from_above,
                to_beside,
                layer.horizontal.pitch(),
                self.streams,
            );
            let pitch = layer.vertical.pitch();
            let starts: Vec<usize> = (0..pixels).map(|pixel| pixel * pitch).collect();
            layer.across.taps[0].add(&sums, &starts, &mut from_above);
            self.from_above[index] = from_above;
            self.beside[index].fill(0.0);

            // What the next layer sees of this row.
            let Some(next) = network.layers.get(index + 1) else {
                break;
            };
            let features = layer.features;
            let line = width + 2 * next.margin;
            let mut row = vec![0.0; self.streams * line * features];
            for pixel in 0..pixels {
                let (stream, column) = (pixel / width, pixel % width);
                let to = &mut row[(stream * line + next.margin + column) * features..][..features];
                gated(&sums[pixel * pitch..][..2 * features], to);
                if !layer.is_first {
                    let own = width + 2 * layer.margin;
                    let at = (stream * own + layer.margin + column) * features;
                    let before = &self.above[index][layer.margin][at..][..features];
                    for (to, before) in to.iter_mut().zip(before) {
                        *to += before;
                    }
                }
            }
            push_row(&mut self.above[index + 1], row);
        }
        if let Some(beside) = self.beside.last_mut() {
            beside.fill(0.0);
        }
    }

    /// The numbers of all channels of a pixel of this row, `[streams, channels * parameters]`, of which those of the channels
    /// up to the first unknown one are right.
    fn pixel(&mut self, column: usize) -> Vec<f32> {
        let network = self.network.clone();
        let [_, _, width] = network.image_shape;
        let streams = self.streams;
        for (index, layer) in network.layers.iter().enumerate() {
            let pitch = layer.horizontal.pitch();
            let from_above = self.from_above[index].chunks_exact(pitch);
            let of_column = from_above.skip(column).step_by(width);
            let mut sums: Vec<f32> = of_column.flatten().copied().collect();
            let line = width + layer.margin;
            for (tap, matrix) in layer.horizontal.taps.iter().enumerate() {
                let starts = rows_of(streams, 1, line, column + tap, layer.inputs);
                matrix.add(&self.beside[index], &starts, &mut sums);
            }
            let features = layer.features;
            let units = gated_rows(&sums, pitch, features);
            let outputs = layer.residual.pointwise(&units, features, streams);
            let next_margin = network.layers.get(index + 1).map_or(0, |next| next.margin);
            let next_line = width + next_margin;
            let [from, to] = self
                .beside
                .get_disjoint_mut([index, index + 1])
                .unwrap_or_else(|_| unreachable!("an input of each layer, and of the head"));
            for (stream, output) in outputs.chunks_exact(layer.residual.pitch()).enumerate() {
                let at = (stream * next_line + next_margin + column) * features;
                to[at..at + features].copy_from_slice(&output[..features]);
                if !layer.is_first {
                    let at_own = (stream * line + layer.margin + column) * features;
                    for (to, from) in to[at..at + features].iter_mut().zip(&from[at_own..]) {
                        *to += from;
                    }
                }
            }
        }
        let features = network.hidden.taps[0].inputs();
        let lines = self.beside[network.layers.len()].chunks_exact(width * features);
        let units = lines.flat_map(|line| &line[column * features..][..features]);
        let units: Vec<f32> = units.map(|unit| unit.max(0.0)).collect();
        let mut hidden = network.hidden.pointwise(&units, features, streams);
        for unit in &mut hidden {
            *unit = unit.max(0.0);
        }
        network
            .last
            .pointwise(&hidden, network.hidden.pitch(), streams)
    }
}

/// The newest row in the place of the oldest.
fn push_row(rows: &mut Vec<Vec<f32>>, row: Vec<f32>) {
    rows.remove(0);
    rows.push(row);
}

impl Stepwise<4> for PixelCnn {
    type State = PixelCnnState;

    fn start(&self, streams: usize, context: Option<&Tensor<2>>) -> PixelCnnState {
        let network = self.network();
        let [_, _, width] = self.image_shape;
        let shift = |layer: &Layer| match super::shift(&layer.context, context) {
            None => [vec![], vec![]],
            Some(shift) => {
                assert_streams("PixelCnn", &shift, streams);
                let [_, features] = shift.dims();
                let half = |at| shift.clone().narrow(1, at * features / 2, features / 2);
                [0, 1].map(|at| numbers(half(at)))
            }
        };
        let above = |layer: &HostLayer| {
            let rows = layer.vertical.taps.len() / (2 * layer.margin + 1);
            let line = width + 2 * layer.margin;
            vec![vec![0.0; streams * line * layer.inputs]; rows]
        };
        let beside = |layer: &HostLayer| vec![0.0; streams * (width + layer.margin) * layer.inputs];
        let head = vec![0.0; streams * width * network.hidden.taps[0].inputs()];
        let layers = network.layers.iter();
        PixelCnnState {
            streams,
            shifts: self.layers.iter().map(shift).collect(),
            above: layers.clone().map(above).collect(),
            from_above: vec![vec![]; network.layers.len()],
            beside: layers.map(beside).chain([head]).collect(),
            network: Arc::new(network),
            known: 0,
        }
    }

    fn step(&self, mut state: PixelCnnState, last: &[f32]) -> (Vec<f32>, PixelCnnState) {
        let network = state.network.clone();
        let [channels, _, width] = network.image_shape;
        if !last.is_empty() {
            let margin = network.layers[0].margin;
            let (pixel, channel) = (state.known / channels, state.known % channels);
            let column = pixel % width;
            for (stream, value) in last.iter().enumerate() {
                let at = (stream * (width + margin) + margin + column) * channels + channel;
                state.beside[0][at] = network.levels.center(*value);
            }
            state.known += 1;
            if state.known.is_multiple_of(channels * width) {
                let mut row = vec![0.0; state.streams * (width + 2 * margin) * channels];
                let lines = row.chunks_exact_mut((width + 2 * margin) * channels);
                let known = state.beside[0].chunks_exact((width + margin) * channels);
                for (line, known) in lines.zip(known) {
                    line[..known.len()].copy_from_slice(known);
                }
                push_row(&mut state.above[0], row);
            }
        }
        if state.known.is_multiple_of(channels * width) {
            state.begin_row();
        }
        let outputs = state.pixel(state.known / channels % width);
        let first = state.known % channels * network.parameters;
        let of_stream = outputs.chunks_exact(network.last.pitch());
        let of_channel = of_stream.flat_map(|row| &row[first..first + network.parameters]);
        (of_channel.copied().collect(), state)
    }
}
