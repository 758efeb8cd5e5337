use super::Estimate;
use crate::error::{Error, Result};

/// How well a score tells two classes apart: the probability that a positive has a higher score than a negative (ties
/// count half), with its standard error. 1 is perfect, 0.5 is chance; this is the area under the ROC curve.
///
/// The error is that of [DeLong et al. 1988](https://doi.org/10.2307/2531595). It is 0 where the classes do not overlap,
/// which a small sample says little of, and too small near there: [`auroc_interval`] has an interval that holds.
///
/// # Errors
///
/// [`Error::Samples`] if one of the classes is empty, or a score is NaN.
///
/// ```
/// use burn_generative::metric::auroc;
///
/// let (normal, anomalous) = ([1.0, 2.0, 3.0, 4.0], [3.5, 5.0]);
/// assert_eq!(auroc(&normal, &anomalous)?.mean, 7.0 / 8.0);
/// assert!(auroc(&normal, &[]).is_err()); // one class alone
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn auroc(negatives: &[f64], positives: &[f64]) -> Result<Estimate> {
    if negatives.is_empty() || positives.is_empty() {
        return Err(Error::Samples(format!(
            "auroc: both classes are needed, but there are {} negatives and {} positives",
            negatives.len(),
            positives.len()
        )));
    }
    let sorted = |scores: &[f64]| -> Result<Vec<f64>> {
        if scores.iter().any(|score| score.is_nan()) {
            return Err(Error::Samples("auroc: a score is NaN".to_string()));
        }
        let mut scores = scores.to_vec();
        scores.sort_by(f64::total_cmp);
        Ok(scores)
    };
    let (negatives, positives) = (sorted(negatives)?, sorted(positives)?);
    let beaten: Vec<f64> = positives
        .iter()
        .map(|&score| share_below(&negatives, score))
        .collect();
    let beating: Vec<f64> = negatives
        .iter()
        .map(|&score| 1.0 - share_below(&positives, score))
        .collect();
    let (beaten, beating) = (Estimate::of(&beaten)?, Estimate::of(&beating)?);
    Ok(Estimate {
        standard_error: beaten.standard_error.hypot(beating.standard_error),
        samples: beaten.samples + beating.samples,
        ..beaten
    })
}

/// A 95% interval of the area that [`auroc`] estimates, from its lower to its upper end: of all areas of which the
/// estimate is at most 1.96 standard errors away, with the error that the estimate would have of *that* area. So it
/// stays within 0 and 1, is lopsided near them, and has a width where the classes do not overlap: of 20 and 20 scores in
/// perfect order it is 0.90 to 1.
///
/// [Newcombe 2006](https://doi.org/10.1002/sim.2324), method 5, with the variance of
/// [Hanley & McNeil 1982](https://doi.org/10.1148/radiology.143.1.7063747).
///
/// # Errors
///
/// As [`auroc`].
///
/// ```
/// use burn_generative::metric::{auroc, auroc_interval};
///
/// let (normal, anomalous) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
/// assert_eq!(auroc(&normal, &anomalous)?.standard_error, 0.0);
/// let [low, high] = auroc_interval(&normal, &anomalous)?;
/// assert!(low < 0.6 && high == 1.0); // of three a side, anything may be
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn auroc_interval(negatives: &[f64], positives: &[f64]) -> Result<[f64; 2]> {
    let area = auroc(negatives, positives)?.mean;
    let pairs = (negatives.len() * positives.len()) as f64;
    let others = (negatives.len() + positives.len()) as f64 / 2.0 - 1.0;
    let is_near = |of: f64| {
        let dependence = (1.0 - of) / (2.0 - of) + of / (1.0 + of);
        let variance = of * (1.0 - of) / pairs * (1.0 + others * dependence);
        (area - of).abs() <= NORMAL_95 * variance.sqrt()
    };
    // By bisection between the estimate and an end, to the last digit.
    let end = |outermost: f64| {
        let (mut near, mut far) = (area, outermost);
        for _ in 0..f64::MANTISSA_DIGITS {
            let middle = 0.5 * (near + far);
            if is_near(middle) {
                near = middle;
            } else {
                far = middle;
            }
        }
        near
    };
    Ok([end(0.0), end(1.0)])
}

/// A standard normal number is no larger than this, with either sign, 95% of the time.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// The share of sorted scores below this one; those equal to it count half.
fn share_below(sorted: &[f64], score: f64) -> f64 {
    let below = sorted.partition_point(|&other| other < score);
    let up_to = sorted.partition_point(|&other| other <= score);
    (below + up_to) as f64 / (2 * sorted.len()) as f64
}

/// The value below which this share of the values lies, between two of them interpolated: with 0.95 of the scores of
/// normal data, the threshold that calls one in twenty of them an anomaly.
///
/// # Errors
///
/// [`Error::Samples`] if there is no value or one is NaN; [`Error::Config`] if the share is not from 0 to 1.
///
/// ```
/// use burn_generative::metric::quantile;
///
/// assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.75)?, 2.5);
/// # Ok::<(), burn_generative::Error>(())
/// ```
pub fn quantile(values: &[f64], share: f64) -> Result<f64> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::Config(format!(
            "quantile: a share lies between 0 and 1, not at {share}"
        )));
    }
    if values.is_empty() || values.iter().any(|value| value.is_nan()) {
        return Err(Error::Samples(
            "quantile: at least one value is needed, and none may be NaN".to_string(),
        ));
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    // Not between equals: an infinite one has no distance to itself. And what lies above minus infinity is infinitely
    // far from it.
    let exact = low == high || at.fract() == 0.0 || low == f64::NEG_INFINITY;
    Ok(match exact {
        true => low,
        false => low + (high - low) * at.fract(),
    })
}
