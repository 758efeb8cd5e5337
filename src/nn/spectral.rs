use burn::module::{Module, RunningState};
use burn::tensor::{Device, Distribution, Tensor};

/// Divides a matrix by its largest singular value, which it follows by power iteration: a step at each use in
/// training, from where the last one ended.
///
/// The gradient goes through the singular value too: `sigma = u^T W v`, whose vectors are constants.
///
/// [Miyato et al. 2018](https://arxiv.org/abs/1802.05957), algorithm 1.
#[derive(Module, Debug)]
pub(super) struct SpectralNorm {
    /// The estimate of the right singular vector, `[columns]`.
    v: RunningState<Tensor<1>>,
}

impl SpectralNorm {
    /// For a matrix of so many columns.
    pub(super) fn new(columns: usize, device: &Device) -> Self {
        let v = Tensor::random([columns], Distribution::Normal(0.0, 1.0), device);
        Self {
            v: RunningState::new(v),
        }
    }

    /// `weight / sigma`, for a parameter that `as_matrix` lays out as a matrix: which of its sides is the
    /// output does not matter.
    ///
    /// Only a parameter that is being trained moves the estimate: neither evaluation nor a frozen copy do.
    pub(super) fn forward<const D: usize>(
        &self,
        weight: Tensor<D>,
        as_matrix: impl FnOnce(Tensor<D>) -> Tensor<2>,
    ) -> Tensor<2> {
        let (weight, sigma) = self.sigma(weight, as_matrix);
        weight / sigma.clamp_min(1e-6)
    }

    /// The largest singular value, `[1]`, of a parameter as [`forward`](Self::forward) takes it.
    pub(super) fn value<const D: usize>(
        &self,
        weight: Tensor<D>,
        as_matrix: impl FnOnce(Tensor<D>) -> Tensor<2>,
    ) -> Tensor<1> {
        self.sigma(weight, as_matrix).1.flatten(0, 1)
    }

    /// The matrix, and its largest singular value, `[1, 1]`.
    fn sigma<const D: usize>(
        &self,
        weight: Tensor<D>,
        as_matrix: impl FnOnce(Tensor<D>) -> Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let trains = weight.is_require_grad(); // which only a leaf knows
        let weight = as_matrix(weight);
        let matrix = weight.clone().detach();
        // On several devices the state may be where another copy of the module is.
        let v = self.v.value_sync().to_device(&weight.device());
        let v: Tensor<2> = v.unsqueeze_dim(1);
        // Without a gradient already; but burn's tape counts them in, and what outlives a step must not.
        let u = unit(matrix.clone().matmul(v)).detach();
        let v = unit(matrix.transpose().matmul(u.clone())).detach();
        if trains {
            self.v.update(v.clone().squeeze_dim(1).detach());
        }
        let sigma = u.transpose().matmul(weight.clone().matmul(v));
        (weight, sigma)
    }
}

/// A column of length 1. A column of zeros stays one.
fn unit(column: Tensor<2>) -> Tensor<2> {
    let length = column.clone().square().sum_dim(0).sqrt();
    column / length.clamp_min(1e-6)
}
