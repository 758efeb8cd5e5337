use super::Causal;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::gated;
use crate::nn::{Conv1d, Conv1dConfig, MAX_REACH};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

/// Configuration of a [`CausalConv`].
#[derive(Config, Debug)]
pub struct CausalConvConfig {
    /// The numbers of an input.
    pub inputs: usize,
    /// The numbers of an output, and the channels of every layer.
    pub width: usize,
    /// The places that a convolution sees, 2 at least.
    #[config(default = 3)]
    pub kernel_size: usize,
    /// How far apart these are, layer by layer. An output sees `1 + (kernel_size - 1) sum(dilations)` places.
    #[config(default = "vec![1, 2, 4, 8]")]
    pub dilations: Vec<usize>,
}

impl CausalConvConfig {
    /// The network.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no layer, a number is 0 or absurd, or the kernel sees one place only.
    pub fn init(&self, device: &Device) -> Result<CausalConv> {
        const PART: &str = "CausalConv";
        check_at_least_one(PART, "the number of layers", self.dilations.len())?;
        if self.kernel_size < 2 {
            return Err(Error::Config(format!(
                "{PART}: kernel_size must be at least 2, or no output sees the past"
            )));
        }
        let past = self
            .dilations
            .iter()
            .copied()
            .fold(0, usize::saturating_add);
        let past = past.saturating_mul(self.kernel_size - 1);
        if past > MAX_REACH {
            return Err(Error::Config(format!(
                "{PART}: dilations of {:?} with a kernel of {} see farther than {MAX_REACH} places",
                self.dilations, self.kernel_size
            )));
        }
        let layer = |&dilation: &usize| {
            check_at_least_one(PART, "a dilation", dilation)?;
            let channels = [self.width, 2 * self.width];
            Ok(Layer {
                conv: Conv1dConfig::causal(channels, self.kernel_size, dilation).init(device)?,
                mix: Conv1dConfig::new(self.width, self.width, 1).init(device)?,
                dilation,
            })
        };
        Ok(CausalConv {
            first: Conv1dConfig::new(self.inputs, self.width, 1).init(device)?,
            layers: self.dilations.iter().map(layer).collect::<Result<_>>()?,
        })
    }
}

/// Dilated causal convolutions, each gated and added to what it reads. [van den Oord et al.
/// 2016](https://arxiv.org/abs/1609.03499), whose layers reach the output one by one besides; here the last one's channels are
/// the output.
///
/// All places are read at once, and of what was read a step needs the last `(kernel_size - 1) dilation` places of every layer.
/// Built by [`CausalConvConfig`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::sequence::{Causal, CausalConvConfig};
///
/// let device = Device::default();
/// let network = CausalConvConfig::new(8, 32).init(&device)?;
/// assert_eq!(network.run(Tensor::zeros([2, 20, 8], &device)).dims(), [2, 20, 32]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct CausalConv {
    first: Conv1d,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    conv: Conv1d,
    mix: Conv1d,
    dilation: usize,
}

impl Layer {
    fn kernel_size(&self) -> usize {
        self.conv.weight.dims()[2]
    }

    /// The places before the one that is read.
    fn past(&self) -> usize {
        (self.kernel_size() - 1) * self.dilation
    }

    /// `[batch, width, places]` to the same shape.
    fn run(&self, x: Tensor<3>) -> Tensor<3> {
        let change = self.mix.forward(gated(self.conv.forward(x.clone())));
        x + change
    }

    /// One place, `[batch, width]`, and the past of the next, from the past `[batch, width, places]`.
    fn step(&self, x: Tensor<2>, past: Tensor<3>) -> (Tensor<2>, Tensor<3>) {
        let seen = Tensor::cat(vec![past, x.clone().unsqueeze_dim(2)], 2);
        let device = x.device();
        let last = self.past() as i64;
        let taps = Tensor::<1, Int>::arange_step(0..last + 1, self.dilation, &device);
        let change = gated(at_one_place(&self.conv, seen.clone().select(2, taps)));
        let change = at_one_place(&self.mix, change.unsqueeze_dim(2));
        (x + change, seen.narrow(2, 1, self.past()))
    }
}

/// What a convolution gives where its kernel lies on this window, `[batch, channels, kernel]`.
fn at_one_place(conv: &Conv1d, window: Tensor<3>) -> Tensor<2> {
    let weight = conv.weight.val().flatten::<2>(1, 2);
    let output = window.flatten::<2>(1, 2).matmul(weight.transpose());
    match &conv.bias {
        Some(bias) => output + bias.val().unsqueeze::<2>(),
        None => output,
    }
}

impl Causal for CausalConv {
    /// What each layer has read last, `[batch, width, places]`.
    type State = Vec<Tensor<3>>;

    fn width(&self) -> usize {
        self.first.weight.dims()[0]
    }

    fn start(&self, batch: usize, device: &Device) -> Vec<Tensor<3>> {
        let past = |layer: &Layer| Tensor::zeros([batch, self.width(), layer.past()], device);
        self.layers.iter().map(past).collect()
    }

    fn step(&self, input: Tensor<2>, state: Vec<Tensor<3>>) -> (Tensor<2>, Vec<Tensor<3>>) {
        let mut x = at_one_place(&self.first, input.unsqueeze_dim(2));
        let mut next = Vec::with_capacity(state.len());
        for (layer, past) in self.layers.iter().zip(state) {
            let past_of_next;
            (x, past_of_next) = layer.step(x, past);
            next.push(past_of_next);
        }
        (x, next)
    }

    fn run(&self, inputs: Tensor<3>) -> Tensor<3> {
        let first = self.first.forward(inputs.swap_dims(1, 2));
        let last = self.layers.iter().fold(first, |x, layer| layer.run(x));
        last.swap_dims(1, 2)
    }
}
