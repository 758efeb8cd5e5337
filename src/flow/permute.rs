use super::{Bijection, no_change};
use crate::error::{Result, check_at_least_one, check_order};
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

/// A permutation of the coordinates of a vector, `[batch, features]`. It is saved with the weights.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Bijection, Permute};
///
/// let device = Device::default();
/// let permute = Permute::new(&[2, 0, 1], &device)?; // the third comes first
/// let (z, _) = permute.forward(Tensor::from_floats([[1.0, 2.0, 3.0]], &device));
/// z.into_data().assert_eq(&TensorData::from([[3.0f32, 1.0, 2.0]]), true);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Permute {
    /// Where each coordinate of the noise comes from, and each of the data: `[2, features]`. Floats, as records keep
    /// nothing else.
    orders: Param<Tensor<2>>,
}

impl Permute {
    /// The permutation whose `i`th coordinate of the noise is coordinate `order[i]` of the data.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the order does not name each coordinate once.
    pub fn new(order: &[usize], device: &Device) -> Result<Self> {
        let features = order.len();
        check_at_least_one("Permute", "features", features)?;
        check_order("Permute", order, features)?;
        let mut back = vec![0.0; features];
        for (place, &coordinate) in order.iter().enumerate() {
            back[coordinate] = place as f64;
        }
        let orders = order
            .iter()
            .map(|&coordinate| coordinate as f64)
            .chain(back);
        let orders = TensorData::new(orders.collect::<Vec<f64>>(), [2, features]);
        let orders = Tensor::from_data(orders, device);
        Ok(Self {
            orders: Param::from_tensor(orders).set_require_grad(false),
        })
    }

    /// The coordinates from last to first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are none.
    pub fn reverse(features: usize, device: &Device) -> Result<Self> {
        let order: Vec<usize> = (0..features).rev().collect();
        Self::new(&order, device)
    }

    /// A permutation that a seed draws.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no coordinates.
    pub fn random(features: usize, seed: u64, device: &Device) -> Result<Self> {
        let mut order: Vec<usize> = (0..features).collect();
        order.shuffle(&mut Pcg64::seed_from_u64(seed));
        Self::new(&order, device)
    }

    fn apply(&self, values: Tensor<2>, direction: usize) -> (Tensor<2>, Tensor<1>) {
        let [_, features] = self.orders.dims();
        assert!(
            values.dims()[1] == features,
            "Permute: it is over {features} coordinates, but the data has {}",
            values.dims()[1]
        );
        let order = self.orders.val().narrow(0, direction, 1);
        let order: Tensor<1, Int> = order.squeeze_dim::<1>(0).int();
        let log_det = no_change(&values);
        (values.select(1, order), log_det)
    }
}

impl Bijection for Permute {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.apply(x, 0)
    }

    fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.apply(z, 1)
    }
}
