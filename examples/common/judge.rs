//! A small classifier of the data at hand, whose features say how samples differ from test images.

use super::in_batches;
use super::session::plain;
use burn::data::dataloader::DataLoader;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::activation::relu;
use burn_generative::data::{LabeledImages, TensorLoader};
use burn_generative::metric::{FeatureStatistics, precision_recall};
use burn_generative::nn::ConvEncoder;
use burn_generative::plot::Measured;
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use burn_generative::{Error, Result};

/// The Fréchet distance needs more test images than these.
pub const FEATURES: usize = 64;
const EPOCHS: usize = 2;
const BATCH: usize = 128;
const SEED: u64 = 1;

#[derive(Module, Debug)]
pub struct Judge {
    encoder: ConvEncoder<Linear>,
    head: Linear,
}

impl Judge {
    /// The judge that was trained on these images and their labels; says how well it knows them.
    /// Always by the same seed: it depends on the data alone, so that runs can be compared.
    pub fn train(images: &LabeledImages, device: &Device) -> Result<Self> {
        let training = device.clone().autodiff();
        training.seed(SEED);
        let classes = images
            .labels()
            .iter()
            .max()
            .map_or(1, |&label| usize::from(label) + 1);
        let encoder = ConvEncoderConfig::new(images.shape(), FEATURES).with_channels(vec![8, 16]);
        let mut judge = Self {
            encoder: encoder.init(&training)?,
            head: LinearConfig::new(FEATURES, classes).init(&training),
        };
        let labels: Vec<i64> = images.labels().iter().map(|&label| label.into()).collect();
        let labels = TensorData::new(labels, [images.len()]);
        let items = (
            images.images(&training),
            Tensor::<1, Int>::from_data(labels, &training),
        );
        let loader = TensorLoader::new(items, BATCH).seed(SEED).shuffle();
        let loss = CrossEntropyLossConfig::new().init(&training);
        let mut optimizer = FusedAdamConfig::new().init()?;
        let (mut right, mut last) = (Tensor::<1>::zeros([1], device), 0);
        for epoch in 1..=EPOCHS {
            for batch in loader.iter() {
                let (batch, labels) = batch.map_err(|error| Error::Training(error.to_string()))?;
                let logits = judge.head.forward(judge.features(batch));
                if epoch == EPOCHS {
                    let guess = logits.clone().argmax(1).squeeze_dim::<1>(1);
                    last += labels.dims()[0];
                    // Stays on the device: no step waits for it.
                    right = right + guess.equal(labels.clone()).float().sum().without_autodiff();
                }
                let gradients = loss.forward(logits, labels).backward();
                let gradients = GradientsParams::from_grads(gradients, &judge);
                judge = optimizer.step(1e-3, judge, gradients);
            }
        }
        println!(
            "judge: a classifier that is right on {:.1}% of the training images",
            100.0 * right.try_into_scalar::<f64>()? / last as f64
        );
        Ok(judge.valid())
    }

    /// The features of images, `[batch, 64]`.
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        relu(self.encoder.encode(images))
    }

    /// How as many samples as there are test images (at most 10,000) differ from these.
    pub fn compare(
        &self,
        test: &LabeledImages,
        sample: impl Fn(usize) -> Tensor<4>,
    ) -> Result<Vec<Measured>> {
        let n = test.len().min(10_000);
        let device = self.head.weight.device();
        let real = test.images(&device).narrow(0, 0, n);
        let real = in_batches(real, |images| self.features(images));
        let sizes = (0..n).step_by(1000).map(|start| 1000.min(n - start));
        let fake = sizes.map(|size| self.features(sample(size)));
        let fake = Tensor::cat(fake.collect(), 0);
        let distance = FeatureStatistics::of(real.clone())?
            .frechet_distance(&FeatureStatistics::of(fake.clone())?)?;
        let shares = precision_recall(real, fake, 3)?;
        Ok(vec![
            plain("Fréchet distance to test images", distance),
            plain("precision of samples", shares.precision),
            plain("recall of test images", shares.recall),
        ])
    }
}
