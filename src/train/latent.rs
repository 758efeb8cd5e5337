use crate::kernel::points::at_least_single;
use crate::loss::Losses;
use crate::metric::ACTIVE_VARIANCE;
use burn::tensor::{Tensor, TensorReadError};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use std::sync::Arc;

/// How many latent coordinates carry information: those whose posterior mean varies over the data, with a variance
/// above [`ACTIVE_VARIANCE`]. [Burda et al. 2016](https://arxiv.org/abs/1509.00519).
///
/// A metric of evaluation (`metric_valid_numeric`), for models that let the means of their posterior be
/// [watched](Losses::POSTERIOR_MEAN). Its sums stay on the device until the epoch ends.
#[derive(Clone, Default)]
pub struct ActiveUnits {
    sums: Option<Sums>,
    count: Option<f64>,
}

/// Of the posterior means, less those of the first sample: what keeps the variance exact far from 0.
#[derive(Clone)]
struct Sums {
    first: Tensor<2>,
    samples: usize,
    sum: Tensor<2>,
    squares: Tensor<2>,
}

impl ActiveUnits {
    /// A metric named [`ActiveUnits::NAME`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The name among the metrics of an epoch.
    pub const NAME: &'static str = "active units";

    fn add(&mut self, mean: Tensor<2>) {
        let samples = mean.dims()[0];
        if samples == 0 {
            return;
        }
        let first = match &self.sums {
            Some(sums) => sums.first.clone(),
            None => mean.clone().narrow(0, 0, 1),
        };
        let centred = mean - first.clone();
        let (sum, squares) = (centred.clone().sum_dim(0), centred.square().sum_dim(0));
        self.sums = Some(match self.sums.take() {
            Some(sums) => Sums {
                samples: sums.samples + samples,
                sum: sums.sum + sum,
                squares: sums.squares + squares,
                ..sums
            },
            None => Sums {
                first,
                samples,
                sum,
                squares,
            },
        });
    }
}

impl Metric for ActiveUnits {
    type Input = Losses;

    fn update(
        &mut self,
        losses: &Losses,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        if let Some(mean) = losses.watched(Losses::POSTERIOR_MEAN) {
            self.add(at_least_single(mean));
        }
        Ok(SerializedEntry::not_available(None))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let Some(sums) = &self.sums else {
            return Ok(SerializedEntry::not_available(None));
        };
        let n = sums.samples as f64;
        let mean = sums.sum.clone() / n;
        let variance = sums.squares.clone() / n - mean.square();
        let active = variance.greater_elem(ACTIVE_VARIANCE).int().sum();
        let count = active.try_into_scalar::<f64>()?;
        self.count = Some(count);
        let width = sums.sum.dims()[1];
        let value = NumericEntry::Final(count);
        Ok(SerializedEntry::new(
            format!("{count} of {width}"),
            value.serialize(),
        ))
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn name(&self) -> MetricName {
        Arc::new(Self::NAME.to_string())
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes {
            unit: None,
            higher_is_better: true,
        }
        .into()
    }
}

impl Numeric for ActiveUnits {
    fn value(&self) -> Option<NumericEntry> {
        None
    }

    fn running_value(&self) -> Option<NumericEntry> {
        None
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.count.unwrap_or(f64::NAN))
    }
}

/// The mean KL of each latent coordinate in nats, the largest first, as text: `3.10 2.25 0.00`.
///
/// A metric of evaluation (`metric_valid`), as [`ActiveUnits`].
#[derive(Clone, Default)]
pub struct KlPerCoordinate {
    samples: usize,
    sum: Option<Tensor<2>>,
}

impl KlPerCoordinate {
    /// A metric named "kl per coordinate".
    pub fn new() -> Self {
        Self::default()
    }
}

impl Metric for KlPerCoordinate {
    type Input = Losses;

    fn update(
        &mut self,
        losses: &Losses,
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        if let Some(kl) = losses.watched(Losses::COORDINATE_KL) {
            self.samples += kl.dims()[0];
            let sum = at_least_single(kl).sum_dim(0);
            self.sum = Some(match self.sum.take() {
                Some(before) => before + sum,
                None => sum,
            });
        }
        Ok(SerializedEntry::not_available(Some("nats")))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        let Some(sum) = &self.sum else {
            return Ok(SerializedEntry::not_available(Some("nats")));
        };
        let mean = sum.clone() / self.samples as f64;
        let mut values: Vec<f64> = mean.try_into_data_as::<f64>()?.iter::<f64>().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("{:.2}", value.max(0.0)))
            .collect();
        let text = values.join(" ");
        Ok(SerializedEntry::new(text.clone(), text))
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn name(&self) -> MetricName {
        Arc::new("kl per coordinate".to_string())
    }
}
