use super::{Bijection, Conditioner, ElementwiseMap};
use crate::error::{Error, Result};
use crate::kernel::sum_event;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// A coupling: of the channels of axis 1 (the coordinates of a vector) some are kept, and a network of them says by which
/// elementwise map each of the others is moved. Both directions take one pass of the network.
///
/// Any mask of channels does. A checkerboard of pixels is one between [`Squeeze`](super::Squeeze) and its inverse.
///
/// [Dinh et al. 2017](https://arxiv.org/abs/1605.08803), section 3.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{AffineMap, Bijection, Coupling, Perceptron};
///
/// let device = Device::default();
/// let network = Perceptron::new(2, 0, &[16], 2, &device)?; // from the two that are kept to a shift and a scale
/// let coupling = Coupling::new(&[true, false, true], network, AffineMap::default(), &device)?;
/// let (z, log_det) = coupling.forward(Tensor::<2>::ones([5, 3], &device));
/// assert_eq!((z.dims(), log_det.dims()), ([5, 3], [5]));
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Coupling<N, M, const D: usize = 2> {
    network: N,
    map: M,
    kept: Channels,
    moved: Channels,
    /// Where each channel is when the moved ones lie behind the kept ones, if it is not there already.
    back: Option<Tensor<1, Int>>,
}

impl<N: Conditioner<D>, M: ElementwiseMap, const D: usize> Coupling<N, M, D> {
    /// A coupling that keeps the channels where the mask is true.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the mask leaves nothing to keep or nothing to move.
    pub fn new(mask: &[bool], network: N, map: M, device: &Device) -> Result<Self> {
        let channels = |kept: bool| -> Vec<usize> {
            (0..mask.len())
                .filter(|&channel| mask[channel] == kept)
                .collect()
        };
        let (kept, moved) = (channels(true), channels(false));
        if kept.is_empty() || moved.is_empty() {
            return Err(Error::Config(format!(
                "Coupling: of {} channels it keeps {} and moves {}; it needs at least one to keep and one to move",
                mask.len(),
                kept.len(),
                moved.len()
            )));
        }
        let order = [kept.clone(), moved.clone()].concat();
        let in_order = order.is_sorted();
        let mut back = vec![0; order.len()];
        for (place, &channel) in order.iter().enumerate() {
            back[channel] = place;
        }
        Ok(Self {
            network,
            map,
            kept: Channels::new(kept, device),
            moved: Channels::new(moved, device),
            back: (!in_order).then(|| indices(&back, device)),
        })
    }

    fn apply(
        &self,
        input: Tensor<D>,
        context: Option<&Tensor<2>>,
        map: impl Fn(&M, Tensor<2>, Tensor<3>) -> (Tensor<2>, Tensor<2>),
    ) -> (Tensor<D>, Tensor<1>) {
        let channels = self.kept.length + self.moved.length;
        assert!(
            input.dims()[1] == channels,
            "Coupling: its mask is over {channels} channels, but the data has {}",
            input.dims()[1]
        );
        let kept = self.kept.of(&input);
        let moved = self.moved.of(&input);
        let shape = moved.dims();
        let moved = moved.flatten::<2>(1, D - 1);
        let [batch, coordinates] = moved.dims();
        let parameters = self.network.parameters(kept.clone(), context);
        let wanted = self.map.parameters() * self.moved.length;
        assert!(
            parameters.dims()[1] == wanted,
            "Coupling: {} channels are moved, by {} parameters each, but its network has {} outputs in the place of \
             {wanted}",
            self.moved.length,
            self.map.parameters(),
            parameters.dims()[1]
        );
        let parameters = parameters.reshape([batch, self.map.parameters(), coordinates]);
        let (moved, log_slope) = map(&self.map, moved, parameters);
        let output = Tensor::cat(vec![kept, moved.reshape(shape)], 1);
        let output = match &self.back {
            Some(back) => output.select(1, back.clone()),
            None => output,
        };
        (output, sum_event(log_slope))
    }
}

impl<N: Conditioner<D>, M: ElementwiseMap, const D: usize> Bijection for Coupling<N, M, D> {
    type Input = Tensor<D>;
    type Output = Tensor<D>;

    fn forward(&self, x: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        self.apply(x, None, M::forward)
    }

    fn inverse(&self, z: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
        self.apply(z, None, M::inverse)
    }

    fn forward_given(&self, x: Tensor<D>, context: &Tensor<2>) -> (Tensor<D>, Tensor<1>) {
        self.apply(x, Some(context), M::forward)
    }

    fn inverse_given(&self, z: Tensor<D>, context: &Tensor<2>) -> (Tensor<D>, Tensor<1>) {
        self.apply(z, Some(context), M::inverse)
    }
}

/// Some of the channels, in order.
#[derive(Module, Debug)]
struct Channels {
    start: usize,
    length: usize,
    /// Their indices, where they do not lie side by side.
    scattered: Option<Tensor<1, Int>>,
}

impl Channels {
    fn new(channels: Vec<usize>, device: &Device) -> Self {
        let (start, length) = (channels[0], channels.len());
        let side_by_side = channels[length - 1] - start + 1 == length;
        Self {
            start,
            length,
            scattered: (!side_by_side).then(|| indices(&channels, device)),
        }
    }

    fn of<const D: usize>(&self, all: &Tensor<D>) -> Tensor<D> {
        match &self.scattered {
            Some(indices) => all.clone().select(1, indices.clone()),
            None => all.clone().narrow(1, self.start, self.length),
        }
    }
}

/// Indices on a device.
pub(super) fn indices(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}
