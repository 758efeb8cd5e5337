use super::coupling::indices;
use super::network::Perceptron;
use super::{Bijection, ElementwiseMap};
use crate::error::{Result, check_at_least_one, check_order};
use crate::kernel::sum_event;
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

/// A perceptron whose outputs for a coordinate depend on those before it alone, in an order of the coordinates: the network of
/// MADE. Without a hidden layer it is a strictly triangular linear map.
///
/// The masks follow from the order, which is saved with the weights, and are multiplied in at each use: an optimizer may
/// move a weight that is masked, and it stays without effect. A context reaches every hidden unit.
///
/// [Germain et al. 2015](https://arxiv.org/abs/1502.03509).
#[derive(Module, Debug)]
pub struct MaskedPerceptron {
    network: Perceptron,
    /// The place of each coordinate in the order, from 1 on.
    order: Param<Tensor<1>>,
    /// How many coordinates a unit of each hidden layer may depend on.
    degrees: Vec<Tensor<1>>,
    outputs: usize,
}

impl MaskedPerceptron {
    /// A network over as many coordinates as `order` has: `order[i]` says, from 0 on, which coordinate comes `i`th. It has
    /// `outputs` outputs for each coordinate, and a context of `context` numbers, 0 for none.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the order does not name each coordinate once, or a width is 0.
    pub fn new(
        order: &[usize],
        context: usize,
        hidden: &[usize],
        outputs: usize,
        device: &Device,
    ) -> Result<Self> {
        check_at_least_one("MaskedPerceptron", "outputs", outputs)?;
        let features = order.len();
        check_order("MaskedPerceptron", order, features)?;
        let mut places = vec![0.0; features];
        for (place, &coordinate) in order.iter().enumerate() {
            places[coordinate] = place as f64 + 1.0;
        }
        let network = Perceptron::new(features, context, hidden, features * outputs, device)?;
        // A unit of degree 0 sees nothing but the context, one of the last degree is of use to no coordinate.
        let first = if context > 0 { 0 } else { 1 };
        let count = features.saturating_sub(first).max(1);
        // 16 bits hold no places above a few hundred.
        let options = (device, DType::F32);
        let degrees = |&width: &usize| {
            let degrees: Vec<f64> = (0..width)
                .map(|unit| (first + unit % count) as f64)
                .collect();
            Tensor::from_data(TensorData::new(degrees, [width]), options)
        };
        let places = Tensor::from_data(TensorData::new(places, [features]), options);
        Ok(Self {
            network,
            order: Param::from_tensor(places).set_require_grad(false),
            degrees: hidden.iter().map(degrees).collect(),
            outputs,
        })
    }

    /// What of the weights of a layer is masked, `[inputs, outputs]`: coordinates up to a unit's degree reach it, and units up
    /// to it; and units below a coordinate's place reach that.
    fn blocked(&self, layer: usize) -> Tensor<2, Bool> {
        let order = self.order.val();
        let degrees = |layer: usize| self.degrees[layer].clone().cast(order.dtype());
        let inputs = match layer {
            0 => order.clone(),
            _ => degrees(layer - 1),
        };
        let inputs = inputs.unsqueeze_dim::<2>(1);
        if layer == self.degrees.len() {
            let places = order.repeat(&[self.outputs]).unsqueeze_dim::<2>(0);
            return inputs.greater_equal(places);
        }
        inputs.greater(degrees(layer).unsqueeze_dim::<2>(0))
    }

    /// What a step of it needs, on the host: see [`Steps`].
    pub(crate) fn steps(&self, context: Option<&Tensor<2>>) -> Steps {
        let (layers, shift) = self.network.layers(context);
        let mask = |(layer, (weight, bias)): (usize, (Tensor<2>, Tensor<1>))| {
            (weight.mask_fill(self.blocked(layer), 0.0), bias)
        };
        let degrees = self.degrees.iter().cloned();
        Steps {
            layers: layers.into_iter().enumerate().map(mask).collect(),
            shift,
            degrees: degrees.map(whole).collect(),
        }
    }

    /// Whether it was built for a context.
    pub(crate) fn has_context(&self) -> bool {
        self.network.has_context()
    }

    /// Which coordinate comes first, which second, and so on.
    pub(crate) fn order(&self) -> Vec<usize> {
        let places = whole(self.order.val());
        Units::new(&places, places.len()).indices
    }

    /// The outputs for each coordinate, `[batch, outputs, coordinates]`.
    pub fn forward(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> Tensor<3> {
        let [batch, features] = x.dims();
        self.check(features);
        let weight = |layer, weight: Tensor<2>| weight.mask_fill(self.blocked(layer), 0.0);
        let outputs = self.network.forward(x, context, weight);
        outputs.reshape([batch, self.outputs, features])
    }

    /// The coordinates one after the other, in their order, `[batch, coordinates]`: `next` makes each of its index and of its
    /// outputs, `[batch, outputs, 1]`, which depend on those before.
    ///
    /// Each unit is computed once, as soon as the coordinates that it sees are known, so that all steps together multiply no
    /// more than one pass does.
    fn unroll(
        &self,
        batch: usize,
        context: Option<&Tensor<2>>,
        mut next: impl FnMut(usize, Tensor<3>) -> Tensor<2>,
    ) -> Tensor<2> {
        let device = self.order.val().device();
        let places = whole(self.order.val());
        let features = places.len();
        let of_places = Units::new(&places, features);
        let coordinates = of_places.indices.clone();
        // What each layer reads and writes: its inputs, its hidden units, and the outputs.
        let mut units = vec![of_places];
        for degrees in &self.degrees {
            units.push(Units::new(&whole(degrees.clone()), features));
        }
        units.push(Units::new(&places.repeat(self.outputs), features));
        let (layers, of_context) = self.network.layers(context);
        let in_order = |((weight, bias), units): ((Tensor<2>, Tensor<1>), &[Units])| {
            let [reads, writes] = [0, 1].map(|side: usize| units[side].tensor(&device));
            let weight = weight.select(0, reads).select(1, writes.clone());
            (weight, bias.select(0, writes))
        };
        let layers: Vec<_> = layers
            .into_iter()
            .zip(units.windows(2))
            .map(in_order)
            .collect();
        let of_context = of_context.map(|shift| shift.select(1, units[1].tensor(&device)));

        // What is known of the coordinates, and of each layer of hidden units, in the order of the degrees.
        let mut known: Vec<Option<Tensor<2>>> = vec![None; layers.len()];
        let append = |known: &mut Option<Tensor<2>>, new: Tensor<2>| {
            *known = Some(match known.take() {
                Some(old) => Tensor::cat(vec![old, new], 1),
                None => new,
            });
        };
        let last = layers.len() - 1;
        for (degree, coordinate) in coordinates.into_iter().enumerate() {
            for layer in 0..=last {
                let writes = if layer == last { degree + 1 } else { degree };
                let (start, length) = units[layer + 1].of_degree(writes);
                if length == 0 {
                    continue;
                }
                let (weight, bias) = &layers[layer];
                let weight = weight.clone().narrow(1, start, length);
                let mut output = match &known[layer] {
                    Some(inputs) => {
                        let [_, reads] = inputs.dims();
                        inputs.clone().matmul(weight.narrow(0, 0, reads))
                    }
                    None => Tensor::zeros([batch, length], (&device, weight.dtype())),
                };
                output = bias.clone().narrow(0, start, length).unsqueeze::<2>() + output;
                if layer == 0
                    && let Some(of_context) = &of_context
                {
                    output = output + of_context.clone().narrow(1, start, length);
                }
                if layer < last {
                    append(&mut known[layer + 1], relu(output));
                } else {
                    let outputs = output.reshape([batch, self.outputs, 1]);
                    append(&mut known[0], next(coordinate, outputs));
                }
            }
        }
        let back: Vec<usize> = places.iter().map(|place| place - 1).collect();
        let in_order = known.swap_remove(0).expect("a coordinate");
        in_order.select(1, indices(&back, &device))
    }

    fn check(&self, features: usize) {
        let [expected] = self.order.dims();
        assert!(
            features == expected,
            "MaskedPerceptron: it is over {expected} coordinates, but the data has {features}"
        );
    }
}

/// The units of a layer in the order of their degrees.
struct Units {
    indices: Vec<usize>,
    /// How many have each degree or a lower one.
    up_to: Vec<usize>,
}

impl Units {
    fn new(degrees: &[usize], largest: usize) -> Self {
        let mut indices: Vec<usize> = (0..degrees.len()).collect();
        indices.sort_by_key(|&unit| degrees[unit]);
        let up_to = |degree| degrees.iter().filter(|&&of_unit| of_unit <= degree).count();
        Self {
            indices,
            up_to: (0..=largest).map(up_to).collect(),
        }
    }

    /// Where those of a degree begin, and how many they are.
    fn of_degree(&self, degree: usize) -> (usize, usize) {
        let start = if degree == 0 {
            0
        } else {
            self.up_to[degree - 1]
        };
        (start, self.up_to[degree] - start)
    }

    fn tensor(&self, device: &Device) -> Tensor<1, Int> {
        indices(&self.indices, device)
    }
}

/// Whole numbers that are kept as floats.
fn whole(numbers: Tensor<1>) -> Vec<usize> {
    let numbers = numbers.to_data();
    numbers
        .iter::<f64>()
        .map(|number| number as usize)
        .collect()
}

/// The layers of a [`MaskedPerceptron`], and when each of its units is known.
pub(crate) struct Steps {
    /// Masked weights, `[inputs, outputs]`, and biases.
    pub(crate) layers: Vec<(Tensor<2>, Tensor<1>)>,
    /// What the context adds to the first layer, `[batch, outputs]`.
    pub(crate) shift: Option<Tensor<2>>,
    /// The place, from 0 on, with which each unit of each hidden layer is known.
    pub(crate) degrees: Vec<Vec<usize>>,
}

/// A masked autoregressive flow (MAF): an elementwise map of each coordinate, whose parameters a [`MaskedPerceptron`] gives
/// from those before it.
///
/// **Forward, and so the density, is fast**: one pass of the network. **Inverse, and so a sample, is slow**: one coordinate after
/// the other, each a small step (all of them together multiply no more than a pass does). Its [`Inverse`](super::Inverse), an inverse autoregressive flow (IAF), has it the other way round.
///
/// [Papamakarios et al. 2017](https://arxiv.org/abs/1705.07057), [Kingma et al. 2016](https://arxiv.org/abs/1606.04934).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{AffineMap, Bijection, MaskedAutoregressive, SplineMap};
///
/// let device = Device::default();
/// let maf = MaskedAutoregressive::new(&[2, 0, 1], 0, &[32], AffineMap::default(), &device)?;
/// let (z, _) = maf.forward(Tensor::ones([5, 3], &device));
/// assert_eq!(maf.inverse(z).0.dims(), [5, 3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct MaskedAutoregressive<M> {
    network: MaskedPerceptron,
    map: M,
}

impl<M: ElementwiseMap> MaskedAutoregressive<M> {
    /// A flow over as many coordinates as `order` has, which says which of them comes first, second and so on; with a
    /// context of `context` numbers, 0 for none. It is the identity at first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the order does not name each coordinate once, or a width is 0.
    pub fn new(
        order: &[usize],
        context: usize,
        hidden: &[usize],
        map: M,
        device: &Device,
    ) -> Result<Self> {
        let network = MaskedPerceptron::new(order, context, hidden, map.parameters(), device)?;
        Ok(Self { network, map })
    }

    fn to_noise(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let parameters = self.network.forward(x.clone(), context);
        let (z, log_slope) = self.map.forward(x, parameters);
        (z, sum_event(log_slope))
    }

    fn to_data(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let [batch, features] = z.dims();
        self.network.check(features);
        let mut log_slopes = Vec::with_capacity(features);
        let x = self
            .network
            .unroll(batch, context, |coordinate, parameters| {
                let z = z.clone().narrow(1, coordinate, 1);
                let (x, log_slope) = self.map.inverse(z, parameters);
                log_slopes.push(log_slope);
                x
            });
        (x, sum_event(Tensor::cat(log_slopes, 1)))
    }
}

impl<M: ElementwiseMap> Bijection for MaskedAutoregressive<M> {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.to_noise(x, None)
    }

    fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.to_data(z, None)
    }

    fn forward_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.to_noise(x, Some(context))
    }

    fn inverse_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.to_data(z, Some(context))
    }
}
