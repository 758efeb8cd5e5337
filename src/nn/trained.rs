use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Whether any parameter of a module is on a device with autodiff: whether it is being trained, wherever its
/// input is.
pub(crate) fn is_trained<M: Module>(module: &M) -> bool {
    struct Seek(bool);
    impl ModuleVisitor for Seek {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= param.val().device().is_autodiff();
        }
    }
    let mut seek = Seek(false);
    module.visit(&mut seek);
    seek.0
}
