use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// Draws the values of all parameters now.
///
/// burn's parameters are lazy: they draw from the device's generator when they are first used, so
/// what a seed leads to depends on what else was drawn until then. Seed, build, initialize: then the
/// weights depend on the seed alone. (`Module::materialize` is something else: it merges adapters.)
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::initialize;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// device.seed(42);
/// let encoder = MlpEncoderConfig::new(vec![13], 2).init::<2>(&device)?;
/// initialize(&encoder);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn initialize<M: Module>(module: &M) {
    struct Touch;
    impl ModuleVisitor for Touch {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            drop(param.val());
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            drop(param.val());
        }
        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            drop(param.val());
        }
    }
    module.visit(&mut Touch);
}
