use crate::error::{Error, Result};
use crate::kernel::points::at_least_single;
use burn::data::dataloader::Progress;
use burn::tensor::{Tensor, TensorReadError};
use burn_train::metric::vision::{
    PsnrInput, PsnrMetric, PsnrMetricConfig, SsimInput, SsimMetric, SsimMetricConfig,
};
use burn_train::metric::{Metric, MetricMetadata, Numeric};

/// The peak signal-to-noise ratio of images to their originals in decibels, the mean over the images: burn-train's.
///
/// Both `[batch, channels, height, width]`, with values in `[0, 1]`.
///
/// # Errors
///
/// [`Error::Samples`] if the shapes differ; [`Error::Device`] if the device cannot be read.
pub fn psnr(images: Tensor<4>, originals: Tensor<4>) -> Result<f64> {
    check("psnr", &images, &originals)?;
    let metric = PsnrMetric::new(PsnrMetricConfig::new(1.0));
    value(
        metric,
        PsnrInput::new(at_least_single(images), at_least_single(originals)),
    )
}

/// The structural similarity of images to their originals, the mean over the images: burn-train's, with the window of
/// 11 pixels of [Wang et al. 2004](https://doi.org/10.1109/TIP.2003.819861).
///
/// Both `[batch, channels, height, width]`, with values in `[0, 1]`.
///
/// # Errors
///
/// [`Error::Samples`] if the shapes differ, or the images are smaller than the window; [`Error::Device`] if the device
/// cannot be read.
pub fn ssim(images: Tensor<4>, originals: Tensor<4>) -> Result<f64> {
    check("ssim", &images, &originals)?;
    let [_, _, height, width] = images.dims();
    if height.min(width) < 11 {
        return Err(Error::Samples(format!(
            "ssim: its window has 11 pixels, but the images have {height}x{width}"
        )));
    }
    let metric = SsimMetric::new(SsimMetricConfig::new(1.0));
    value(
        metric,
        SsimInput::new(at_least_single(images), at_least_single(originals)),
    )
}

fn check(what: &str, images: &Tensor<4>, originals: &Tensor<4>) -> Result<()> {
    match images.dims() == originals.dims() {
        true => Ok(()),
        false => Err(Error::Samples(format!(
            "{what}: images of shape {:?}, but originals of {:?}",
            images.dims(),
            originals.dims()
        ))),
    }
}

fn value<M: Metric + Numeric>(mut metric: M, input: M::Input) -> Result<f64> {
    // Outside a training there is nothing to tell.
    let metadata = MetricMetadata {
        progress: Progress {
            items_processed: 1,
            items_total: 1,
            unit: None,
        },
        iteration: None,
        lr: None,
    };
    let mut update = || -> std::result::Result<f64, TensorReadError> {
        metric.update(&input, &metadata)?;
        metric.compute()?;
        Ok(metric.final_value().current())
    };
    Ok(update()?)
}
