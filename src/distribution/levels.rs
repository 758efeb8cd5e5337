use crate::error::{Error, Result};
use crate::traits::Batch;
use burn::tensor::{Int, Tensor};

/// The numbers that discrete data consists of, evenly spaced from 0 on.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::Levels;
///
/// let device = Device::default();
/// let bytes = Levels::unit(256)?; // pictures: 0, 1/255, .., 1
/// let pictures = Tensor::<2>::from_floats([[0.0, 0.2, 1.0]], &device);
/// bytes.check(&pictures, "pictures")?;
/// let indices = bytes.index(pictures);
/// assert_eq!(indices.into_data().convert::<i64>(), TensorData::from([[0i64, 51, 255]]));
///
/// let refused = Levels::counting(17)?.check(&Tensor::<1>::from_floats([0.0, 17.0], &device), "digits");
/// assert!(refused.unwrap_err().to_string().contains("17 levels, 0 to 16"));
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    count: usize,
    /// From a level to the next.
    step: f64,
}

impl Levels {
    /// 0 and 1.
    pub const BINARY: Self = Self {
        count: 2,
        step: 1.0,
    };

    /// The levels `0, 1, .., count - 1`: codes, classes, small numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than two, or more than 2^16.
    pub fn counting(count: usize) -> Result<Self> {
        if !(2..=1 << 16).contains(&count) {
            return Err(Error::Config(format!(
                "Levels: data has 2 to 65536 levels, not {count}"
            )));
        }
        Ok(Self { count, step: 1.0 })
    }

    /// The levels `0, 1 / (count - 1), .., 1`: pictures.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than two, or more than 2^16.
    pub fn unit(count: usize) -> Result<Self> {
        let counting = Self::counting(count)?;
        Ok(Self {
            step: 1.0 / (count - 1) as f64,
            ..counting
        })
    }

    /// How many levels there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The last level as a number, of which the first is 0.
    fn last(&self) -> f64 {
        (self.count - 1) as f64
    }

    /// The index of the level that is nearest to each number, from 0 on.
    pub fn index<const D: usize>(&self, values: Tensor<D>) -> Tensor<D, Int> {
        let index = (values.detach() / self.step).round();
        index.clamp(0.0, self.last()).int()
    }

    /// The numbers of the levels with these indices, of the float type of the device.
    pub fn values<const D: usize>(&self, index: Tensor<D, Int>) -> Tensor<D> {
        index.float() * self.step
    }

    /// The greatest level, as a number of the data.
    fn greatest(&self) -> f64 {
        self.step * self.last()
    }

    /// Numbers scaled so that the levels lie in [0, 1].
    pub(crate) fn scaled<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        if self.greatest() == 1.0 {
            return values;
        }
        values / self.greatest()
    }

    /// [`scaled`](Self::scaled), of one number.
    pub(crate) fn scale(&self, value: f32) -> f32 {
        value / self.greatest() as f32
    }

    /// Numbers moved so that the levels lie in [-1, 1].
    pub(crate) fn centered<const D: usize>(&self, values: Tensor<D>) -> Tensor<D> {
        values * (2.0 / self.greatest()) - 1.0
    }

    /// [`centered`](Self::centered), of one number.
    pub(crate) fn center(&self, value: f32) -> f32 {
        value * (2.0 / self.greatest()) as f32 - 1.0
    }

    /// From a level to the next.
    pub(crate) fn step(&self) -> f64 {
        self.step
    }

    /// Refuses data that does not consist of these levels; `what` names it. For one call on a data set, as it reads back from
    /// the device.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if there is no value, or one is no level; [`Error::Device`] if the device cannot be read.
    pub fn check<const D: usize>(&self, values: &Tensor<D>, what: &str) -> Result<()> {
        values.check_finite(what)?;
        let numbers = values.clone().detach();
        let least: f64 = numbers.clone().min().try_into_scalar()?;
        let greatest: f64 = numbers.clone().max().try_into_scalar()?;
        let index = numbers / self.step;
        let distance = (index.clone() - index.round()).abs().max();
        let between: f64 = distance.try_into_scalar()?;
        let is_inside = least > -1e-3 * self.step && greatest < (self.last() + 1e-3) * self.step;
        if is_inside && between < 0.01 {
            return Ok(());
        }
        let found = if is_inside {
            "has values between them".to_string()
        } else {
            format!("lies in [{least}, {greatest}]")
        };
        Err(Error::Support {
            what: what.to_string(),
            reason: format!(
                "this is a model of {} levels, 0 to {}, and the data {found}; round the data to the levels, or make the model \
                 for its own (`Levels::unit` for pictures in [0, 1], `Levels::counting` for integers)",
                self.count,
                self.greatest()
            ),
        })
    }
}
