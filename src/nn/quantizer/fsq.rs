use super::assert_width;
use crate::error::{Error, Result};
use crate::kernel::straight_through;
use crate::losses::Losses;
use crate::traits::{Quantized, Quantizer};
use burn::module::Module;
use burn::tensor::{DType, Device, Int, Tensor};

/// Finite scalar quantisation: every coordinate of a latent is bounded and rounded to one of its levels, so that the codebook
/// is the product of the levels and nothing about it is learned
/// ([Mentzer et al. 2023](https://arxiv.org/abs/2309.15505)).
///
/// Coordinate `i` with `L` levels is `round(h tanh(z + s) - o)`, with `h = (L - 1) (1 + 0.001) / 2`, `o = 1/2` for an even
/// `L` and `0` for an odd one, and `s = atanh(o / h)` so that a latent of zero stays zero. The gradient passes the rounding
/// as if it were not there. The values are divided by `floor(L / 2)`, and lie in `[-1, 1]`. The first coordinate runs fastest in
/// an index. There is no term: nothing needs to be drawn to anything.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::Fsq;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let quantizer = Fsq::new([8, 6, 5])?;
/// assert_eq!(quantizer.codes(), 240);
/// let quantized = quantizer.quantize(Tensor::zeros([4, 3], &device));
/// assert_eq!(quantized.indices.dims(), [4, 1]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug, PartialEq, Eq)]
pub struct Fsq {
    #[module(skip)]
    levels: Vec<usize>,
    codes: usize,
}

impl Fsq {
    /// A quantiser of so many levels in each coordinate.
    ///
    /// # Errors
    ///
    /// Without a coordinate, with fewer than 2 or more than 256 levels in one, or with more codes than an index of 32 bits
    /// counts.
    pub fn new(levels: impl Into<Vec<usize>>) -> Result<Self> {
        let levels = levels.into();
        if levels.is_empty() {
            return Err(Error::Config(
                "Fsq: at least one coordinate is needed".to_string(),
            ));
        }
        // Rounding happens in 32 bits, but the values may be stored in bf16, which holds integers up to 256.
        if let Some(at) = levels.iter().position(|l| !(2..=256).contains(l)) {
            return Err(Error::Config(format!(
                "Fsq: coordinate {at} has {} levels; it needs 2 to 256",
                levels[at]
            )));
        }
        let codes = levels
            .iter()
            .try_fold(1i32, |codes, &l| codes.checked_mul(l as i32))
            .ok_or_else(|| {
                Error::Config(format!(
                    "Fsq: levels of {levels:?} make more codes than an index counts; take fewer coordinates"
                ))
            })?;
        Ok(Self {
            levels,
            codes: codes as usize,
        })
    }

    /// The levels of each coordinate.
    pub fn levels(&self) -> &[usize] {
        &self.levels
    }

    /// The index in `0..codes` of each row of quantised latents, `[latents, coordinates]` to `[latents, 1]`.
    ///
    /// # Panics
    ///
    /// Where the latents have another number of coordinates than the levels.
    pub fn indices(&self, quantized: Tensor<2>) -> Tensor<2, Int> {
        assert_width("Fsq", self.width(), &quantized);
        let device = quantized.device();
        let half = self.row(half, &device);
        let digits = (quantized.detach().cast(DType::F32) * half.clone() + half).round();
        // Each digit is exact in a float; their weighted sum is not, beyond 2^24 codes.
        let strides = Tensor::<1, Int>::from_ints(self.strides().as_slice(), &device).unsqueeze();
        (digits.int() * strides).sum_dim(1)
    }

    fn strides(&self) -> Vec<i32> {
        let before = self.levels.iter().scan(1, |stride, &l| {
            let this = *stride;
            *stride *= l as i32;
            Some(this)
        });
        before.collect()
    }

    fn row(&self, of: fn(f64) -> f64, device: &Device) -> Tensor<2> {
        let row: Vec<f32> = self.levels.iter().map(|&l| of(l as f64) as f32).collect();
        Tensor::<1>::from_floats(row.as_slice(), device).unsqueeze()
    }
}

impl Quantizer for Fsq {
    fn width(&self) -> usize {
        self.levels.len()
    }

    /// The product of the levels.
    fn codes(&self) -> usize {
        self.codes
    }

    fn quantize(&self, latents: Tensor<2>) -> Quantized {
        assert_width("Fsq", self.width(), &latents);
        let dtype = latents.dtype();
        let device = latents.device();
        let row = |of| self.row(of, &device);
        let bounded = (latents.cast(DType::F32) + row(shift)).tanh() * row(reach) - row(offset);
        let rounded = bounded.clone().round();
        let vectors = straight_through(bounded, rounded) / row(half);
        let nothing = Tensor::zeros([vectors.dims()[0]], (&device, dtype));
        Quantized {
            indices: self.indices(vectors.clone()),
            vectors: vectors.cast(dtype),
            losses: Losses::new(nothing),
        }
    }

    fn lookup(&self, indices: Tensor<2, Int>) -> Tensor<2> {
        let columns = self.strides().into_iter().zip(&self.levels);
        let columns = columns.map(|(stride, &levels)| {
            let digit = indices.clone().div_scalar(stride);
            let half = half(levels as f64);
            (digit.remainder_scalar(levels as i32).float() - half) / half
        });
        Tensor::cat(columns.collect(), 1)
    }
}

fn reach(levels: f64) -> f64 {
    (levels - 1.0) * 1.001 / 2.0
}

fn offset(levels: f64) -> f64 {
    if levels % 2.0 == 0.0 { 0.5 } else { 0.0 }
}

fn shift(levels: f64) -> f64 {
    (offset(levels) / reach(levels)).atanh()
}

fn half(levels: f64) -> f64 {
    (levels / 2.0).floor()
}
