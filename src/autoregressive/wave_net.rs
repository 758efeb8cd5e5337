use super::host::{HostConv, add_to_streams, gated_rows, numbers};
use super::{Autoregressive, Output, Stepwise, assert_streams, density};
use crate::distribution::Levels;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::gated;
use crate::nn::{Conv1d, Conv1dConfig, MAX_REACH};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use std::sync::Arc;

/// Configuration of a [`WaveNet`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::autoregressive::{Output, WaveNetConfig};
/// use burn_generative::distribution::Levels;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let output = Output::Categorical(Levels::counting(256)?); // companded sound
/// let config = WaveNetConfig::new(400).with_layers(5).with_stacks(2);
/// assert_eq!(config.receptive_field(), 63);
/// let model = config.init_with(output, &device)?;
/// assert_eq!(model.sample(2, &device).dims(), [2, 400]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct WaveNetConfig {
    /// How long a series is that is drawn; one that is given may have any length from 1 on.
    pub length: usize,
    /// The channels that run through the layers.
    #[config(default = 32)]
    pub channels: usize,
    /// The channels of the paths that lead past the layers to the output.
    #[config(default = 64)]
    pub skip_channels: usize,
    /// The number of layers of a stack.
    #[config(default = 10)]
    pub layers: usize,
    /// The number of stacks, in each of which the dilation starts at 1 again.
    #[config(default = 1)]
    pub stacks: usize,
    /// The elements of each layer's window, at least 2.
    #[config(default = 2)]
    pub kernel: usize,
    /// How many times as far apart the elements of a window are as in the layer before.
    #[config(default = 2)]
    pub dilation_base: usize,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl WaveNetConfig {
    /// A model of series of 0 and 1.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a size is 0, the window holds one element, or the layers see farther than 2^24 elements.
    pub fn init(&self, device: &Device) -> Result<WaveNet> {
        self.init_with(Output::Bernoulli, device)
    }

    /// A model of series of any kind.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init), and if the output has no component.
    pub fn init_with(&self, output: Output, device: &Device) -> Result<WaveNet> {
        const PART: &str = "WaveNet";
        for (name, number) in [
            ("length", self.length),
            ("layers", self.layers),
            ("stacks", self.stacks),
            ("dilation_base", self.dilation_base),
        ] {
            check_at_least_one(PART, name, number)?;
        }
        if self.kernel < 2 {
            return Err(Error::Config(format!(
                "{PART}: a window of {} elements sees no past; it needs at least 2",
                self.kernel
            )));
        }
        let powers = (0..self.layers as u32).try_fold(0usize, |sum, layer| {
            sum.checked_add(self.dilation_base.checked_pow(layer)?)
        });
        let seen = powers
            .and_then(|sum| sum.checked_mul(self.kernel - 1)?.checked_mul(self.stacks))
            .filter(|&seen| seen <= MAX_REACH);
        if seen.is_none() {
            return Err(Error::Config(format!(
                "{PART}: {} layers whose dilation grows by {} see farther than {MAX_REACH} elements; take fewer layers and more stacks",
                self.layers, self.dilation_base
            )));
        }
        let parameters = output.check(PART)?;
        let pointwise = |inputs, outputs| Conv1dConfig::new(inputs, outputs, 1);
        let (channels, skip) = (self.channels, self.skip_channels);
        let layer = |dilation| {
            let context = LinearConfig::new(self.context, 2 * channels).with_bias(false);
            Ok(Layer {
                dilated: Conv1dConfig::causal([channels, 2 * channels], self.kernel, dilation)
                    .init(device)?,
                residual: pointwise(channels, channels).init(device)?,
                skip: pointwise(channels, skip).init(device)?,
                context: (self.context > 0).then(|| context.init(device)),
                dilation,
            })
        };
        let layers: Result<Vec<Layer>> = self.dilations().into_iter().map(layer).collect();
        Ok(WaveNet {
            input: pointwise(1, channels).init(device)?,
            layers: layers?,
            hidden: pointwise(skip, skip).init(device)?,
            last: pointwise(skip, parameters)
                .with_initializer(Initializer::Zeros)
                .init(device)?,
            output,
            length: self.length,
        })
    }

    fn dilations(&self) -> Vec<usize> {
        let of_stack =
            (0..self.layers as u32).map(|layer| self.dilation_base.saturating_pow(layer));
        let of_stack: Vec<usize> = of_stack.collect();
        of_stack.repeat(self.stacks)
    }

    /// How many elements before each its distribution depends on.
    pub fn receptive_field(&self) -> usize {
        let dilations = self.dilations().into_iter();
        let past = dilations.fold(0usize, usize::saturating_add);
        let seen = past.saturating_mul(self.kernel.saturating_sub(1));
        seen.saturating_add(1)
    }
}

/// A WaveNet: every element of a series given those before it, by stacks of gated causal convolutions whose dilation grows
/// from layer to layer, with residual paths through the layers and skip paths past them.
///
/// It starts with all levels as likely as each other (or as a logistic mixture spreads them), and sees levels as numbers from -1 to 1. Built by [`WaveNetConfig`].
///
/// Sampling keeps of each layer's input a ring as long as its window, so that the state has one size, however long the
/// series.
///
/// [van den Oord et al. 2016](https://arxiv.org/abs/1609.03499); sampling as
/// [Le Paine et al. 2016](https://arxiv.org/abs/1611.09482).
#[derive(Module, Debug)]
pub struct WaveNet {
    input: Conv1d,
    layers: Vec<Layer>,
    hidden: Conv1d,
    last: Conv1d,
    #[module(skip)]
    output: Output,
    length: usize,
}

#[derive(Module, Debug)]
struct Layer {
    dilated: Conv1d,
    residual: Conv1d,
    skip: Conv1d,
    context: Option<Linear>,
    dilation: usize,
}

impl Autoregressive<2> for WaveNet {
    fn output(&self) -> Output {
        self.output
    }

    /// The length of what is drawn; other lengths may be given.
    fn shape(&self) -> Vec<usize> {
        vec![self.length]
    }

    fn parameters(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, length] = x.dims();
        assert!(length > 0, "WaveNet: a series without elements");
        let x = self.output.levels().centered(x).reshape([batch, 1, length]);
        // Each element sees those before it: one step later.
        let mut past = x.clone().zeros_like().narrow(2, 0, 1);
        if length > 1 {
            past = Tensor::cat(vec![past, x.narrow(2, 0, length - 1)], 2);
        }
        let mut running = self.input.forward(past);
        let mut skips: Option<Tensor<3>> = None;
        for layer in &self.layers {
            let mut sums = layer.dilated.forward(running.clone());
            if let Some(shift) = super::shift(&layer.context, context) {
                sums = sums + shift.unsqueeze_dim::<3>(2);
            }
            let units = gated(sums);
            running = running + layer.residual.forward(units.clone());
            let skip = layer.skip.forward(units);
            skips = Some(match skips {
                Some(sum) => sum + skip,
                None => skip,
            });
        }
        let skips = skips.unwrap_or_else(|| unreachable!("a WaveNet has at least one layer"));
        let hidden = relu(self.hidden.forward(relu(skips)));
        self.last.forward(hidden).swap_dims(1, 2)
    }
}

density!([] WaveNet, 2);

/// What is known of some streams of a [`WaveNet`]: its size does not depend on how long they are.
#[derive(Debug)]
pub struct WaveNetState {
    network: Arc<Network>,
    streams: usize,
    /// What the context adds to each layer, for each stream.
    shifts: Vec<Vec<f32>>,
    /// The past of each layer's input, as far as its window reaches.
    rings: Vec<Vec<f32>>,
    /// How many elements are known.
    known: usize,
}

#[derive(Debug)]
struct Network {
    input: HostConv,
    layers: Vec<HostLayer>,
    hidden: HostConv,
    last: HostConv,
    channels: usize,
    levels: Levels,
}

#[derive(Debug)]
struct HostLayer {
    dilated: HostConv,
    residual: HostConv,
    skip: HostConv,
    dilation: usize,
}

impl HostLayer {
    /// How many elements a window spans.
    fn span(&self) -> usize {
        (self.dilated.taps.len() - 1) * self.dilation + 1
    }
}

impl Stepwise<2> for WaveNet {
    type State = WaveNetState;

    fn start(&self, streams: usize, context: Option<&Tensor<2>>) -> WaveNetState {
        let host = |conv: &Conv1d| {
            HostConv::new(conv.weight.val(), conv.bias.as_ref().map(|bias| bias.val()))
        };
        let layer = |layer: &Layer| HostLayer {
            dilated: host(&layer.dilated),
            residual: host(&layer.residual),
            skip: host(&layer.skip),
            dilation: layer.dilation,
        };
        let shift = |layer: &Layer| match super::shift(&layer.context, context) {
            None => vec![],
            Some(shift) => {
                assert_streams("WaveNet", &shift, streams);
                numbers(shift)
            }
        };
        let layers: Vec<HostLayer> = self.layers.iter().map(layer).collect();
        let [channels, _, _] = self.input.weight.dims();
        let ring = |layer: &HostLayer| vec![0.0; layer.span() * streams * channels];
        WaveNetState {
            streams,
            shifts: self.layers.iter().map(shift).collect(),
            rings: layers.iter().map(ring).collect(),
            network: Arc::new(Network {
                input: host(&self.input),
                layers,
                hidden: host(&self.hidden),
                last: host(&self.last),
                channels,
                levels: self.output.levels(),
            }),
            known: 0,
        }
    }

    fn step(&self, mut state: WaveNetState, last: &[f32]) -> (Vec<f32>, WaveNetState) {
        let network = state.network.clone();
        let (streams, channels) = (state.streams, network.channels);
        let mut past = vec![0.0; streams];
        if !last.is_empty() {
            for (past, value) in past.iter_mut().zip(last) {
                *past = network.levels.center(*value);
            }
            state.known += 1;
        }
        let now = state.known;
        let input = network.input.pointwise(&past, 1, streams);
        let pitch = network.input.pitch();
        let mut running = rows(&input, pitch, channels);
        let mut skips: Option<Vec<f32>> = None;
        for (index, layer) in network.layers.iter().enumerate() {
            let span = layer.span();
            let size = streams * channels;
            let ring = &mut state.rings[index];
            ring[now % span * size..][..size].copy_from_slice(&running);
            let pitch = layer.dilated.pitch();
            let mut sums = layer.dilated.start(streams);
            for (tap, matrix) in layer.dilated.taps.iter().rev().enumerate() {
                let slot = (now + span - tap * layer.dilation) % span;
                let start = |stream| slot * size + stream * channels;
                let starts: Vec<usize> = (0..streams).map(start).collect();
                matrix.add(ring, &starts, &mut sums);
            }
            add_to_streams(&mut sums, &state.shifts[index], pitch, streams);
            let units = gated_rows(&sums, pitch, channels);
            let residual = layer.residual.pointwise(&units, channels, streams);
            let residual = rows(&residual, layer.residual.pitch(), channels);
            for (running, residual) in running.iter_mut().zip(residual) {
                *running += residual;
            }
            let skip = layer.skip.pointwise(&units, channels, streams);
            match &mut skips {
                Some(sum) => {
                    for (sum, skip) in sum.iter_mut().zip(skip) {
                        *sum += skip;
                    }
                }
                None => skips = Some(skip),
            }
        }
        let rectified = |mut units: Vec<f32>| {
            for unit in &mut units {
                *unit = unit.max(0.0);
            }
            units
        };
        let skips = rectified(skips.unwrap_or_default());
        let pitch = network.layers[0].skip.pitch();
        let hidden = rectified(network.hidden.pointwise(&skips, pitch, streams));
        let outputs = network
            .last
            .pointwise(&hidden, network.hidden.pitch(), streams);
        let last = &network.last;
        (rows(&outputs, last.pitch(), last.bias.len()), state)
    }
}

/// The first `columns` of rows that begin `pitch` after each other.
fn rows(numbers: &[f32], pitch: usize, columns: usize) -> Vec<f32> {
    let rows = numbers.chunks_exact(pitch);
    rows.flat_map(|row| &row[..columns]).copied().collect()
}
