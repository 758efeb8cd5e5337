use super::{Vq, assert_width};
use crate::kernel::straight_through;
use crate::traits::{Quantized, Quantizer};
use burn::module::Module;
use burn::tensor::{Int, Tensor};

/// Vector quantisation in stages: each quantises what those before it have left over, and the vectors are added up. So `d`
/// codebooks of K vectors tell `K^d` latents apart. Built by [`VqConfig::init_residual`](super::VqConfig::init_residual).
///
/// The terms are the sums of those of the stages, each of which knows its own rest alone; a gradient of the sum of the vectors
/// reaches the latents once, and not once for each stage.
///
/// [Zeghidour et al. 2021](https://arxiv.org/abs/2107.03312), [Lee et al. 2022](https://arxiv.org/abs/2203.01941).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::VqConfig;
/// use burn_generative::prelude::*;
///
/// let quantizer = VqConfig::new(16, 8).init_residual(3, &Device::default())?;
/// let quantized = quantizer.quantize(Tensor::zeros([5, 8], &Device::default()));
/// assert_eq!(quantized.indices.dims(), [5, 3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ResidualVq {
    /// At least one, of the same shape.
    stages: Vec<Vq>,
}

impl ResidualVq {
    pub(super) fn new(stages: Vec<Vq>) -> Self {
        Self { stages }
    }

    /// The quantisers, of which each sees what those before it have left over.
    pub fn stages(&self) -> &[Vq] {
        &self.stages
    }
}

impl Quantizer for ResidualVq {
    fn width(&self) -> usize {
        self.stages[0].width()
    }

    fn codes(&self) -> usize {
        self.stages[0].codes()
    }

    fn depth(&self) -> usize {
        self.stages.len()
    }

    fn terms(&self) -> Vec<&'static str> {
        self.stages[0].terms()
    }

    fn quantize(&self, latents: Tensor<2>) -> Quantized {
        assert_width("ResidualVq", self.width(), &latents);
        let (first, others) = (&self.stages[0], &self.stages[1..]);
        let Quantized {
            vectors,
            indices,
            mut losses,
        } = first.quantize(latents.clone());
        let (mut sum, mut indices) = (vectors.detach(), vec![indices]);
        let mut rest = latents.clone() - sum.clone();
        for stage in others {
            let quantized = stage.quantize(rest.clone());
            let vectors = quantized.vectors.detach();
            rest = rest - vectors.clone();
            sum = sum + vectors;
            indices.push(quantized.indices);
            losses = losses.added(quantized.losses);
        }
        Quantized {
            vectors: straight_through(latents, sum),
            indices: Tensor::cat(indices, 1),
            losses,
        }
    }

    fn lookup(&self, indices: Tensor<2, Int>) -> Tensor<2> {
        let column = |at: usize| indices.clone().narrow(1, at, 1);
        let first = self.stages[0].lookup(column(0));
        let others = self.stages.iter().enumerate().skip(1);
        others.fold(first, |sum, (at, stage)| sum + stage.lookup(column(at)))
    }
}
