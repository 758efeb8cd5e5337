//! Devices by name: of a backend that was built in, or of a server.

use crate::error::{Error, Result};
use burn::tensor::{Device, Tensor};
use std::sync::{Mutex, PoisonError};

/// The backends that this crate was built with, in burn's own order of preference: GPUs first.
pub const BACKENDS: &[&str] = &[
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "metal")]
    "metal",
    #[cfg(feature = "rocm")]
    "rocm",
    #[cfg(feature = "vulkan")]
    "vulkan",
    #[cfg(feature = "webgpu")]
    "webgpu",
    #[cfg(feature = "wgpu")]
    "wgpu",
    #[cfg(feature = "cpu")]
    "cpu",
    #[cfg(feature = "tch")]
    "tch",
    #[cfg(feature = "flex")]
    "flex",
    #[cfg(feature = "ndarray")]
    "ndarray",
];

/// One device or several, by name: where a model and its data are, and where the steps of a training are computed.
///
/// A name is that of a backend (`flex`, `ndarray`, `wgpu`, `cuda`, ...), with or without an index (`cuda:1`), an index alone
/// (of the first backend that was built in), or with the feature `remote` the address of a server (`ws://HOST:PORT`, or
/// `ws://HOST:PORT#1` for its second device; the token is in `BURN_REMOTE_TOKEN`). Several are separated by commas.
///
/// ```
/// use burn_generative::device::Devices;
///
/// let devices = Devices::named(Some("flex"))?;
/// assert_eq!(devices.name(), "flex");
/// assert!(devices.training().is_autodiff());
/// assert!(Devices::named(Some("abacus")).unwrap_err().to_string().contains("built in: "));
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Devices {
    name: String,
    /// At least one.
    all: Vec<Device>,
}

impl Devices {
    /// The devices of these names; without any those in the environment variable `BURN_DEVICE`, or else the first backend
    /// that was built in.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] naming the device that is unknown, was not built in, or does not start.
    pub fn named(names: Option<&str>) -> Result<Self> {
        let variable = std::env::var("BURN_DEVICE").ok();
        let variable = variable.as_deref().filter(|name| !name.is_empty());
        let first = BACKENDS.first().copied();
        let Some(names) = names.or(variable).or(first) else {
            return Err(Error::Config(
                "no backend was built in: add the feature `flex`".to_string(),
            ));
        };
        let all = names.split(',').map(|name| open(name.trim()));
        Ok(Self {
            all: all.collect::<Result<_>>()?,
            name: names.to_string(),
        })
    }

    /// This device, under a name of one's own.
    pub fn of(device: Device, name: &str) -> Self {
        Self {
            name: name.to_string(),
            all: vec![device],
        }
    }

    /// What they were named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one that holds the model and the data: the first.
    pub fn device(&self) -> Device {
        self.all[0].clone()
    }

    /// The same with gradients: where a model is made that is to be trained.
    pub fn training(&self) -> Device {
        self.device().autodiff()
    }

    /// Seeds the generator of all of them: before a model is made, whose weights are drawn from it.
    pub fn seed(&self, seed: u64) {
        self.all.iter().for_each(|device| device.seed(seed));
    }

    /// Training steps of an epoch: in each every device takes a batch of its own part of the items.
    ///
    /// # Panics
    ///
    /// If the batch size is 0.
    pub fn steps(&self, items: usize, batch_size: usize) -> usize {
        let count = self.all.len();
        // burn gives what is left over to the last part.
        (items / count + items % count).div_ceil(batch_size)
    }

    /// All of them.
    pub fn all(&self) -> &[Device] {
        &self.all
    }
}

/// A device by its name.
fn open(name: &str) -> Result<Device> {
    if name.starts_with("ws://") {
        return remote(name);
    }
    let (backend, index) = match (name.parse(), name.split_once(':')) {
        (Ok(index), _) => (BACKENDS.first().copied().unwrap_or_default(), index),
        (_, Some((backend, index))) => match index.parse() {
            Ok(index) => (backend, index),
            Err(_) => {
                return Err(Error::Config(format!(
                    "'{name}' names no device: '{index}' is no index, as in `cuda:1`"
                )));
            }
        },
        (_, None) => (name, 0),
    };
    if index > 0 && ["cpu", "tch", "flex", "ndarray"].contains(&backend.to_lowercase().as_str()) {
        return Err(Error::Config(format!(
            "'{name}' names no device: there is one CPU, `{backend}`"
        )));
    }
    // A backend may still find no hardware (wgpu without a driver): its start then panics, which is not to be shown.
    let open = || {
        by_name(&backend.to_lowercase(), index)
            .inspect(|device| drop(Tensor::<1>::zeros([1], device).into_data()))
    };
    let opened = {
        // Two that change the hook at once would leave the silent one.
        static HOOK: Mutex<()> = Mutex::new(());
        let _turn = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let opened = std::panic::catch_unwind(open);
        std::panic::set_hook(hook);
        opened
    };
    match opened {
        Ok(Some(device)) => Ok(device),
        Ok(None) => Err(Error::Config(format!(
            "the device '{name}' is unknown or was not built in; built in: {}; for another, build with \
             the feature `{backend}`",
            BACKENDS.join(", ")
        ))),
        Err(_) => Err(Error::Config(format!(
            "the device '{name}' does not exist on this machine, or its driver does not start; try \
             `flex`"
        ))),
    }
}

/// A device that a server lends, the first or that behind a `#`.
#[cfg(feature = "remote")]
fn remote(address: &str) -> Result<Device> {
    log::info!("connecting to {address}");
    let (server, index) = address.split_once('#').unwrap_or((address, "0"));
    let Ok(index) = index.parse::<usize>() else {
        return Err(Error::Config(format!(
            "{address} names no device: '{index}' is no index, as in `ws://HOST:PORT#1`"
        )));
    };
    let host = burn::remote::RemoteHost::websocket(server);
    let host = match std::env::var("BURN_REMOTE_TOKEN") {
        Ok(token) => host.with_credential(token),
        Err(_) => host,
    };
    let device = Device::remote_options(&host).device_index(index).init();
    device.map_err(|error| Error::Config(format!("no device at {address}: {error}")))
}

#[cfg(not(feature = "remote"))]
fn remote(address: &str) -> Result<Device> {
    Err(Error::Config(format!(
        "for the device at {address}, build with the feature `remote`"
    )))
}

#[allow(deprecated)] // NdArray and LibTorch, which burn keeps for now
#[allow(unused_variables)] // a CPU has no index
fn by_name(name: &str, index: usize) -> Option<Device> {
    #[cfg(feature = "wgpu")]
    let gpu = || match index {
        0 => Default::default(),
        index => burn::tensor::DeviceKind::DiscreteGpu(index),
    };
    match name {
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(index)),
        #[cfg(feature = "rocm")]
        "rocm" => Some(Device::rocm(index)),
        #[cfg(feature = "metal")]
        "metal" => Some(Device::metal(gpu())),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(gpu())),
        #[cfg(feature = "webgpu")]
        "webgpu" => Some(Device::webgpu(gpu())),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(gpu())),
        #[cfg(feature = "cpu")]
        "cpu" => Some(Device::cpu()),
        #[cfg(feature = "tch")]
        "tch" => Some(Device::libtorch()),
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "ndarray")]
        "ndarray" => Some(Device::ndarray()),
        _ => None,
    }
}
