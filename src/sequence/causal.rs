use crate::traits::{Batch, Block};
use burn::nn::{Gru, Lstm, LstmState};
use burn::tensor::{Device, Tensor};

/// A network over places in order, whose output at each place depends on the inputs up to there: burn's [`Gru`] and [`Lstm`],
/// and [`CausalConv`](super::CausalConv).
///
/// What it has read is a value, its state, that goes in and comes out: so a prefix is never read again, a search may go on
/// from one state in several ways, and there is nothing to reset. The law: what [`step`](Self::step) by step gives is what
/// [`run`](Self::run) gives.
///
/// ```
/// use burn::module::Param;
/// use burn::prelude::*;
/// use burn_generative::sequence::Causal;
///
/// /// The mean of all inputs so far, but for a factor that is learned.
/// #[derive(Module, Debug)]
/// struct Mean { factor: Param<Tensor<1>> }
///
/// impl Causal for Mean {
///     /// The sum so far, and how many they were.
///     type State = (Tensor<2>, Tensor<2>);
///
///     fn width(&self) -> usize {
///         self.factor.dims()[0]
///     }
///     fn start(&self, batch: usize, device: &Device) -> Self::State {
///         (Tensor::zeros([batch, self.width()], device), Tensor::zeros([batch, 1], device))
///     }
///     fn step(&self, input: Tensor<2>, (sum, count): Self::State) -> (Tensor<2>, Self::State) {
///         let (sum, count) = (sum + input, count + 1.0);
///         let output = sum.clone() / count.clone() * self.factor.val().unsqueeze::<2>();
///         (output, (sum, count))
///     }
/// }
///
/// let device = Device::default();
/// let mean = Mean { factor: Param::from_tensor(Tensor::ones([1], &device)) };
/// let outputs = mean.run(Tensor::from_floats([[[2.0], [4.0], [9.0]]], &device));
/// outputs.into_data().assert_eq(&TensorData::from([[[2f32], [3.], [5.]]]), true);
/// ```
pub trait Causal: Block {
    /// What is known of the places that were read, a row for each sequence.
    type State: Batch;

    /// The numbers of an output.
    fn width(&self) -> usize;

    /// The state of so many sequences before their first place.
    fn start(&self, batch: usize, device: &Device) -> Self::State;

    /// Reads one place, `[batch, inputs]`: the output there, `[batch, width]`, and the state after it.
    fn step(&self, input: Tensor<2>, state: Self::State) -> (Tensor<2>, Self::State);

    /// Reads all places, `[batch, places, inputs]` to `[batch, places, width]`; by steps, where there is nothing faster.
    fn run(&self, inputs: Tensor<3>) -> Tensor<3> {
        let [batch, places, _] = inputs.dims();
        let mut state = self.start(batch, &inputs.device());
        let mut outputs = Vec::with_capacity(places);
        for place in 0..places {
            let input = inputs.clone().narrow(1, place, 1).squeeze_dim(1);
            let output;
            (output, state) = self.step(input, state);
            outputs.push(output.unsqueeze_dim(1));
        }
        Tensor::cat(outputs, 1)
    }
}

impl Causal for Gru {
    /// `[batch, width]`.
    type State = Tensor<2>;

    fn width(&self) -> usize {
        self.d_hidden
    }

    fn start(&self, batch: usize, device: &Device) -> Tensor<2> {
        Tensor::zeros([batch, self.d_hidden], device)
    }

    fn step(&self, input: Tensor<2>, hidden: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let hidden = self.forward(input.unsqueeze_dim(1), Some(hidden));
        let hidden = hidden.squeeze_dim::<2>(1);
        (hidden.clone(), hidden)
    }
}

/// One that reads its input in order, batch first, as burn builds it by default.
impl Causal for Lstm {
    /// The cells and the hidden units, each `[batch, width]`.
    type State = (Tensor<2>, Tensor<2>);

    fn width(&self) -> usize {
        self.d_hidden
    }

    fn start(&self, batch: usize, device: &Device) -> Self::State {
        let zeros = Tensor::zeros([batch, self.d_hidden], device);
        (zeros.clone(), zeros)
    }

    fn step(&self, input: Tensor<2>, (cell, hidden): Self::State) -> (Tensor<2>, Self::State) {
        let state = LstmState::new(cell, hidden);
        let (_, state) = self.forward(input.unsqueeze_dim(1), Some(state));
        (state.hidden.clone(), (state.cell, state.hidden))
    }
}
