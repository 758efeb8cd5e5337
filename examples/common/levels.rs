//! Pictures of what the levels of a hierarchy hold.

use burn::prelude::*;
use burn_generative::hierarchy::{Take, TopDown};
use burn_generative::model::HierarchicalVae;
use burn_generative::plot::{self, RgbImage};
use burn_generative::prelude::*;
use burn_generative::{Error, Result};

/// Images in a row.
const COLUMNS: usize = 12;

/// Samples at four temperatures, a row each, of the same noise.
pub fn temperatures<T, L, const D: usize>(
    model: &HierarchicalVae<T, L>,
    device: &Device,
    seed: u64,
) -> Result<RgbImage>
where
    T: TopDown<Input = Tensor<4>, Level = DiagonalGaussian<D>>,
    L: ReconstructionLoss<T::Output, Tensor<4>>,
{
    let rows = [0.4, 0.6, 0.8, 1.0].map(|temperature| {
        device.seed(seed);
        sample(model, COLUMNS, temperature, device)
    });
    let rows = rows.into_iter().collect::<Result<Vec<_>>>()?;
    plot::grid(Tensor::cat(rows, 0), COLUMNS, 2)
}

/// Samples of all levels at one temperature.
pub fn sample<T, L, const D: usize>(
    model: &HierarchicalVae<T, L>,
    n: usize,
    temperature: f64,
    device: &Device,
) -> Result<Tensor<4>>
where
    T: TopDown<Input = Tensor<4>, Level = DiagonalGaussian<D>>,
    L: ReconstructionLoss<T::Output, Tensor<4>>,
{
    let levels = vec![Take::Prior(temperature); model.network.num_levels()];
    model.sample_levels(n, device, &levels)
}

/// Images, and below each what is drawn when the latents of the first levels are kept: in at most eight rows more and more of
/// them.
pub fn known<T, L, const D: usize>(
    model: &HierarchicalVae<T, L>,
    images: &Tensor<4>,
) -> Result<RgbImage>
where
    T: TopDown<Input = Tensor<4>, Level = DiagonalGaussian<D>>,
    L: ReconstructionLoss<T::Output, Tensor<4>>,
{
    let images = images.clone().narrow(0, 0, COLUMNS.min(images.dims()[0]));
    let (count, device) = (images.dims()[0], images.device());
    let codes = model.encode(images.clone()).point();
    let shown = codes.len().min(8);
    let mut rows = vec![images];
    for row in 1..=shown {
        let kept = row * codes.len() / shown;
        let level = |(level, code): (usize, &Tensor<D>)| {
            if level < kept {
                Take::Given(code.clone())
            } else {
                Take::Prior(1.0)
            }
        };
        let levels: Vec<_> = codes.iter().enumerate().map(level).collect();
        rows.push(model.sample_levels(count, &device, &levels)?);
    }
    plot::grid(Tensor::cat(rows, 0), count, 2)
}

/// Refuses levels, counted from 1 on top, that are not there.
pub fn check(moved: &[usize], levels: usize) -> Result<()> {
    match moved.iter().find(|level| !(1..=levels).contains(*level)) {
        Some(level) => Err(Error::Config(format!(
            "there is no level {level}: the levels are 1, on top, to {levels}"
        ))),
        None => Ok(()),
    }
}

/// From an image to the next in equal steps, a row for each of at most six pairs: the latents of these levels, counted from 1 on
/// top, go from those of one to those of the other, and the rest are those of the first.
pub fn between<T, L, const D: usize>(
    model: &HierarchicalVae<T, L>,
    images: &Tensor<4>,
    moved: &[usize],
) -> Result<RgbImage>
where
    T: TopDown<Input = Tensor<4>, Level = DiagonalGaussian<D>>,
    L: ReconstructionLoss<T::Output, Tensor<4>>,
{
    let available = images.dims()[0];
    let pairs = (available / 2).clamp(1, 6);
    let shown = images.clone().narrow(0, 0, available.min(2 * pairs));
    let second = shown.dims()[0] - pairs;
    let codes = model.encode(shown).point();
    let device = images.device();
    let columns = (0..COLUMNS).map(|step| {
        let share = step as f64 / (COLUMNS - 1) as f64;
        let level = |(level, code): (usize, &Tensor<D>)| {
            let [from, to] = [0, second].map(|first| code.clone().narrow(0, first, pairs));
            Take::Given(if moved.contains(&(level + 1)) {
                from.clone() + (to - from) * share
            } else {
                from
            })
        };
        let levels: Vec<_> = codes.iter().enumerate().map(level).collect();
        model.sample_levels(pairs, &device, &levels)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let [_, channels, height, width] = columns[0].dims();
    let pictures: Tensor<5> = Tensor::stack(columns, 1); // a pair, a step
    let pictures = pictures.reshape([pairs * COLUMNS, channels, height, width]);
    plot::grid(pictures, COLUMNS, 2)
}
