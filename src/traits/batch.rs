use crate::error::{Error, Result};
use crate::kernel::points::is_finite;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Bool, Device, Int, Tensor};
use std::fmt::Debug;

/// What every part of a model is: a burn module that can be printed. Implemented for each that derives
/// [`Module`](burn::module::Module), parameters or none, so that optimizers, records and devices find them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no part of a model, as it is no burn module",
    note = "add `#[derive(Module, Debug)]` to it"
)]
pub trait Block: Module + ModuleDisplay {}
impl<T: Module + ModuleDisplay> Block for T {}

/// Items side by side along axis 0: a tensor of floats, integers or booleans, a pair, or a vector of such (the levels
/// of a hierarchy) of as many items each. What models read, latents are, and loaders cut into batches.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let images = Tensor::<4>::zeros([3, 1, 8, 8], &device);
/// let labels = Tensor::<1, Int>::from_ints([7, 0, 1], &device);
/// let both = (images, labels);
/// assert_eq!(both.len(), 3);
/// assert_eq!(Batch::narrow(&both, 1, 2).shapes(), [vec![2, 1, 8, 8], vec![2]]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no batch of items",
    note = "a batch is a `Tensor` of floats, `Int` or `Bool` with the items along axis 0, a pair of batches, or a `Vec` of them"
)]
pub trait Batch: Clone + Debug + Send + Sync + 'static {
    /// How many items there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where they are.
    fn device(&self) -> Device;

    /// The shape of each tensor, batch first: one, or as many as there are in a pair or a vector.
    fn shapes(&self) -> Vec<Vec<usize>>;

    /// The same values without their graph.
    fn detach(self) -> Self;

    /// The items at these indices.
    fn select(&self, indices: Tensor<1, Int>) -> Self;

    /// `length` items from `start` on.
    fn narrow(&self, start: usize, length: usize) -> Self;

    /// The same on a device; on an autodiff device they are part of it, as layers ask their input whether
    /// they are trained.
    fn to_device(&self, device: &Device) -> Self;

    /// Refuses data that holds nothing, or floats that are no numbers; `what` names it.
    ///
    /// Reads back from the device, so call it once on a data set, not on every batch.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if there is no value, or a float is NaN or infinite; [`Error::Device`] if the device cannot
    /// be read.
    fn check_finite(&self, what: &str) -> Result<()>;
}

/// Refuses data without any value.
fn check_some(what: &str, values: usize) -> Result<()> {
    if values > 0 {
        return Ok(());
    }
    Err(Error::Support {
        what: what.to_string(),
        reason: "holds no values".to_string(),
    })
}

impl<const D: usize> Batch for Tensor<D> {
    fn len(&self) -> usize {
        self.dims()[0]
    }
    fn device(&self) -> Device {
        Tensor::device(self)
    }
    fn shapes(&self) -> Vec<Vec<usize>> {
        vec![self.dims().to_vec()]
    }
    fn detach(self) -> Self {
        Tensor::detach(self)
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        self.clone().select(0, indices)
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        self.clone().narrow(0, start, length)
    }
    fn to_device(&self, device: &Device) -> Self {
        let moved = self.clone().to_device(device);
        if device.is_autodiff() {
            moved.autodiff()
        } else {
            moved.without_autodiff()
        }
    }
    fn check_finite(&self, what: &str) -> Result<()> {
        check_some(what, self.shape().num_elements())?;
        if is_finite(self)? {
            return Ok(());
        }
        Err(Error::Support {
            what: what.to_string(),
            reason: "holds NaN or infinite values; clean the data before training on it"
                .to_string(),
        })
    }
}

macro_rules! batch_without_gradient {
    ($($kind:ty),*) => {$(
        impl<const D: usize> Batch for Tensor<D, $kind> {
            fn len(&self) -> usize {
                self.dims()[0]
            }
            fn device(&self) -> Device {
                Tensor::device(self)
            }
            fn shapes(&self) -> Vec<Vec<usize>> {
                vec![self.dims().to_vec()]
            }
            fn detach(self) -> Self {
                self
            }
            fn select(&self, indices: Tensor<1, Int>) -> Self {
                self.clone().select(0, indices)
            }
            fn narrow(&self, start: usize, length: usize) -> Self {
                self.clone().narrow(0, start, length)
            }
            fn to_device(&self, device: &Device) -> Self {
                self.clone().to_device(device)
            }
            fn check_finite(&self, what: &str) -> Result<()> {
                check_some(what, self.shape().num_elements())
            }
        }
    )*};
}
batch_without_gradient!(Int, Bool);

/// # Panics
///
/// `len`, and with it a loader, if one has more items than the other.
impl<A: Batch, B: Batch> Batch for (A, B) {
    fn len(&self) -> usize {
        let (first, second) = (self.0.len(), self.1.len());
        assert!(
            first == second,
            "Batch: a pair of {first} and {second} items; both must be as many"
        );
        first
    }
    fn device(&self) -> Device {
        self.0.device()
    }
    fn shapes(&self) -> Vec<Vec<usize>> {
        [self.0.shapes(), self.1.shapes()].concat()
    }
    fn detach(self) -> Self {
        (self.0.detach(), self.1.detach())
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        (self.0.select(indices.clone()), self.1.select(indices))
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        (self.0.narrow(start, length), self.1.narrow(start, length))
    }
    fn to_device(&self, device: &Device) -> Self {
        (self.0.to_device(device), self.1.to_device(device))
    }
    fn check_finite(&self, what: &str) -> Result<()> {
        self.0.check_finite(what)?;
        self.1.check_finite(what)
    }
}

/// # Panics
///
/// `len` and `device` of a vector without any; `len` if they are not as many items each.
impl<A: Batch> Batch for Vec<A> {
    fn len(&self) -> usize {
        let lengths: Vec<usize> = self.iter().map(A::len).collect();
        assert!(
            !lengths.is_empty() && lengths.iter().all(|&length| length == lengths[0]),
            "Batch: a vector of {lengths:?} items; it must hold at least one batch, and all must be as many"
        );
        lengths[0]
    }
    fn device(&self) -> Device {
        let first = self.first();
        first
            .map(A::device)
            .expect("Batch: a vector must hold at least one batch")
    }
    fn shapes(&self) -> Vec<Vec<usize>> {
        self.iter().flat_map(A::shapes).collect()
    }
    fn detach(self) -> Self {
        self.into_iter().map(A::detach).collect()
    }
    fn select(&self, indices: Tensor<1, Int>) -> Self {
        self.iter()
            .map(|batch| batch.select(indices.clone()))
            .collect()
    }
    fn narrow(&self, start: usize, length: usize) -> Self {
        self.iter()
            .map(|batch| batch.narrow(start, length))
            .collect()
    }
    fn to_device(&self, device: &Device) -> Self {
        self.iter().map(|batch| batch.to_device(device)).collect()
    }
    fn check_finite(&self, what: &str) -> Result<()> {
        self.iter().try_for_each(|batch| batch.check_finite(what))
    }
}
