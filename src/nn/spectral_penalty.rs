use super::spectral::SpectralNorm;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use std::slice::Iter;

/// How steep a network may be, as a number to be kept small: the sum of the largest singular values of its convolutions, each
/// as a matrix `[outputs, the rest]` (of a transposed one `[inputs, the rest]`), and of the largest scale of each normalisation in absolute value.
///
/// A singular value is followed by power iteration, a step at each use in training. Convolutions of two axes are looked at (the
/// parameters of four axes), and what normalisations call `gamma`.
///
/// [Vahdat & Kautz 2020](https://arxiv.org/abs/2007.03898), section 3.2, equation 4. Rather than
/// [spectral normalisation](super::ConvCriticConfig), where a network may be as steep as it likes if that pays.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{Conv2dConfig, SpectralPenalty};
///
/// let conv = Conv2dConfig::new([1, 1], [1, 2]).with_initializer(burn::nn::Initializer::Constant { value: 3.0 });
/// let conv = conv.init(&Device::default())?;
/// let penalty = SpectralPenalty::new(&conv);
/// let steepness = penalty.of(&conv).into_scalar::<f32>();
/// assert!((steepness - 18f32.sqrt()).abs() < 1e-4); // of a row of two numbers 3
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SpectralPenalty {
    norms: Vec<SpectralNorm>,
}

impl SpectralPenalty {
    /// The penalty of a module of this form.
    pub fn new<M: Module>(module: &M) -> Self {
        struct Matrices(Vec<SpectralNorm>);
        impl ModuleVisitor for Matrices {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if D == 4 {
                    let columns = param.lazy_shape()[1..].iter().product();
                    let device: Device = param.lazy_device();
                    self.0.push(SpectralNorm::new(columns, &device));
                }
            }
        }
        let mut matrices = Matrices(Vec::new());
        module.visit(&mut matrices);
        Self { norms: matrices.0 }
    }

    /// The penalty, `[1]`.
    ///
    /// # Panics
    ///
    /// If the module has not the form of the one that this was made for.
    pub fn of<M: Module>(&self, module: &M) -> Tensor<1> {
        let mut sum = Sum {
            norms: self.norms.iter(),
            path: Vec::new(),
            parts: Vec::new(),
        };
        module.visit(&mut sum);
        assert!(
            sum.norms.len() == 0,
            "SpectralPenalty: it was made for a module of more convolutions"
        );
        let parts = sum.parts.into_iter();
        let total = parts.reduce(|sum, part| sum + part);
        total.unwrap_or_else(|| {
            let device = module.devices().into_iter().next().unwrap_or_default();
            Tensor::zeros([1], &device)
        })
    }
}

struct Sum<'a> {
    norms: Iter<'a, SpectralNorm>,
    path: Vec<String>,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Sum<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 4 {
            let norm = self.norms.next();
            let norm =
                norm.expect("SpectralPenalty: it was made for a module of fewer convolutions");
            let sigma = norm.value(param.val(), |weight| weight.flatten(1, D - 1));
            self.parts.push(sigma);
        } else if self.path.last().is_some_and(|name| name == "gamma") {
            self.parts.push(param.val().abs().max());
        }
    }
}
