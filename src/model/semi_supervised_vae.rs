use super::{ConditionalVae, LatentOf};
use crate::error::{Error, Result, check_at_least_one, check_not_negative};
use crate::kernel::points::read;
use crate::loss::{BernoulliNll, Losses};
use crate::nn::{Warmup, one_hot};
use crate::prior::StandardNormal;
use crate::traits::{Batch, Code, Decoder, Encoder, Model, Posterior, Prior, ReconstructionLoss};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

/// Configuration of a [`SemiSupervisedVae`].
#[derive(Config, Debug)]
pub struct SemiSupervisedVaeConfig {
    /// The number of classes, K.
    pub classes: usize,
    /// The weight of the classifier's cross-entropy on a labelled sample, beside bounds in nats. The paper's, alpha, is 0.1
    /// divided by the share of samples that have a label.
    #[config(default = "1.0")]
    pub classification_weight: f64,
    /// Training steps over which what unlabelled data teach the classifier rises from nothing, in a straight line. Before the
    /// networks know the classes, the bounds under them differ by accident, and by more than labels weigh: a classifier that
    /// follows them learns its labels late.
    #[config(default = 0)]
    pub warmup_steps: usize,
}

impl SemiSupervisedVaeConfig {
    /// The semi-supervised VAE of these parts. Encoder and decoder read a label too, as in a [`ConditionalVae`]; the classifier
    /// maps data to logits, `[batch, K]`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no classes, or the weight is negative or not finite.
    pub fn init<E, D, C, P, L, X>(
        &self,
        encoder: E,
        decoder: D,
        classifier: C,
        prior: P,
        likelihood: L,
    ) -> Result<SemiSupervisedVae<E, D, C, P, L>>
    where
        X: Batch,
        E: Encoder<Input = (X, Tensor<1, Int>), Code: Posterior<Noise: Batch>>,
        D: Decoder<Latent = (LatentOf<E>, Tensor<1, Int>)>,
        C: Encoder<Input = X, Code = Tensor<2>>,
        P: Prior<Value = LatentOf<E>>,
        L: ReconstructionLoss<D::Output, X>,
    {
        check_at_least_one("SemiSupervisedVae", "classes", self.classes)?;
        let weight = self.classification_weight;
        let device = encoder.devices().first().cloned().unwrap_or_default();
        let device = device.without_autodiff();
        let warmup = (self.warmup_steps > 0).then(|| Warmup::new(self.warmup_steps, &device));
        Ok(SemiSupervisedVae {
            vae: ConditionalVae::new(encoder, decoder, prior, likelihood),
            classifier,
            classes: self.classes,
            classification_weight: check_not_negative(
                "SemiSupervisedVae: classification_weight",
                weight,
            )?,
            warmup,
        })
    }
}

/// The semi-supervised VAE, "M2": a [`ConditionalVae`] of data and label whose labels may be unknown. A classifier `q(y | x)`
/// then stands for them, and learns from both kinds of data; all classes are equally likely.
///
/// With `J(x, y) = -log p(x | z, y) + KL(q(z | x, y) || p(z)) + ln K`, minus the bound on `log p(x, y)`, a sample costs
///
/// - with its label, `J(x, y) - weight log q(y | x)`;
/// - without, `sum over y of q(y | x) J(x, y) - H(q(y | x))`, minus the bound on `log p(x)`: all classes are gone through, with a
///   draw of the posterior of each. The draws of a sample share their noise, so that its classes differ by what they mean and
///   not by luck; no mean changes by that.
///
/// | term | | encoder | decoder | classifier | prior |
/// |---|---|---|---|---|---|
/// | `reconstruction` | mean over `q(y \| x)` | trains | trains | trains, where unlabelled | - |
/// | `kl` | the same | trains | - | the same | trains, if it has parameters |
/// | `label_kl` | `KL(q(y \| x) \|\| 1/K)`; with a label `ln K` | - | - | the same | - |
/// | `classification` | `-log q(y \| x)`; without a label 0 | - | - | trains, times the weight | - |
///
/// A label is in `0..K`, or K for "unknown". A step decodes the batch K times.
///
/// Rather than a [`SemiSupervisedAae`](super::SemiSupervisedAae), where data is to be classified or its probability known.
/// On codes of a VAE in the place of data it classifies better: [`StackedSemiSupervisedVae`](super::StackedSemiSupervisedVae).
///
/// [Kingma et al. 2014](https://arxiv.org/abs/1406.5298), equations 6 to 9.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::{LabeledDecoder, LabeledEncoder};
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let (classes, latent) = (10, 8);
/// let encoder = MlpEncoderConfig::new(vec![2, 28, 28], latent).init_gaussian(&device)?;
/// let decoder = MlpDecoderConfig::new(latent + classes, vec![1, 28, 28]).init(&device)?;
/// let model = SemiSupervisedVaeConfig::new(classes).with_classification_weight(10.0).init(
///     LabeledEncoder::new(encoder, classes, [28, 28], &device),
///     LabeledDecoder::new(decoder, classes),
///     MlpEncoderConfig::new(vec![1, 28, 28], classes).init(&device)?,
///     StandardNormal::new(latent),
///     BernoulliNll,
/// )?;
/// let images = Tensor::<4>::zeros([3, 1, 28, 28], &device);
/// let labels = Tensor::from_ints([7, 0, 10], &device); // the third is unknown
/// let gradients = model.losses((images.clone(), labels)).mean().backward();
/// assert_eq!(model.classify(images).dims(), [3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct SemiSupervisedVae<E, D, C, P = StandardNormal, L = BernoulliNll> {
    /// The model of data and label.
    pub vae: ConditionalVae<E, D, P, L>,
    /// Maps data to the logits of its label.
    pub classifier: C,
    classes: usize,
    classification_weight: f64,
    warmup: Option<Warmup>,
}

impl<E, D, C, P, L, X> SemiSupervisedVae<E, D, C, P, L>
where
    X: Batch,
    E: Encoder<Input = (X, Tensor<1, Int>), Code: Posterior<Noise: Batch>>,
    D: Decoder<Latent = (LatentOf<E>, Tensor<1, Int>)>,
    C: Encoder<Input = X, Code = Tensor<2>>,
    P: Prior<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
{
    /// The number of classes, K.
    pub fn num_classes(&self) -> usize {
        self.classes
    }

    /// [`losses`](Model::losses) with the noise of each sample's draws given, as [`Code::noise`] draws it.
    ///
    /// # Panics
    ///
    /// If there is not one for each sample.
    pub fn losses_with(
        &self,
        input: X,
        labels: Tensor<1, Int>,
        noise: <E::Code as Code>::Noise,
    ) -> Losses {
        assert!(
            noise.len() == input.len(),
            "SemiSupervisedVae: noise for {} samples, but there are {}",
            noise.len(),
            input.len(),
        );
        self.losses_of(input, labels, |_code| noise)
    }

    /// The losses, where the noise is drawn from the codes of all samples under all classes, `[batch K, ..]`.
    fn losses_of(
        &self,
        input: X,
        labels: Tensor<1, Int>,
        noise: impl FnOnce(&E::Code) -> <E::Code as Code>::Noise,
    ) -> Losses {
        let (batch, classes, device) = (input.len(), self.classes, input.device());
        assert!(
            labels.len() == batch,
            "SemiSupervisedVae: {} labels for {batch} samples",
            labels.len(),
        );
        let log_probabilities = self.log_probabilities(input.clone());
        // The first sample under all classes, then the second: one pass.
        let counted = |n: usize| Tensor::<1, Int>::arange(0..n as i64, &device);
        let rows = counted(batch).unsqueeze_dim::<2>(1);
        let rows = rows.repeat_dim(1, classes).reshape([batch * classes]);
        let class = counted(classes).repeat_dim(0, batch);
        let inputs = input.select(rows.clone());
        let code = self.vae.encode(inputs.clone(), class.clone());
        let draw = code.draw_with(noise(&code).select(rows));
        let by_class = self.vae.losses_of_draw(inputs, class, code, draw);
        let given = one_hot(labels, self.classes);
        let unknown = given.clone().sum_dim(1).neg().add_scalar(1.0);
        // How probable each class is: certain, or as the classifier has it.
        let judged = self.warmed_up(log_probabilities.clone());
        let probabilities = given.clone() + judged.clone().exp() * unknown.clone();
        let over_classes = |name| {
            let term = by_class.term(name).expect("a VAE has it");
            row_sums(probabilities.clone() * term.reshape([batch, classes]))
        };
        let [reconstruction, kl, bound] = ["reconstruction", "kl", Losses::TOTAL].map(over_classes);
        let negative_entropy = judged.clone().exp() * judged * unknown;
        let label_kl = row_sums(negative_entropy) + (self.classes as f64).ln();
        let classification = row_sums(given * log_probabilities).neg();
        let weighed = classification
            .clone()
            .mul_scalar(self.classification_weight);
        Losses::new(bound + label_kl.clone() + weighed)
            .with_term("reconstruction", reconstruction)
            .with_term("kl", kl)
            .with_term("label_kl", label_kl)
            .with_term("classification", classification)
    }

    /// What the classifier says, with the gradient that unlabelled data are to have of it by now.
    fn warmed_up(&self, log_probabilities: Tensor<2>) -> Tensor<2> {
        match &self.warmup {
            Some(warmup) if log_probabilities.device().is_autodiff() => {
                let value = log_probabilities.clone().detach();
                value.clone() + (log_probabilities - value) * warmup.weight().unsqueeze()
            }
            _ => log_probabilities,
        }
    }

    /// `log q(y | x)`, `[batch, K]`.
    ///
    /// # Panics
    ///
    /// If the classifier has not a logit for each class.
    pub fn log_probabilities(&self, input: X) -> Tensor<2> {
        let logits = self.classifier.encode(input);
        assert!(
            logits.dims()[1] == self.classes,
            "SemiSupervisedVae: the classifier has {} logits, but there are {} classes",
            logits.dims()[1],
            self.classes,
        );
        log_softmax(logits, 1)
    }

    /// The most probable class of each sample, `[batch]`. From a trained model, take `model.valid()`.
    pub fn classify(&self, input: X) -> Tensor<1, Int> {
        self.log_probabilities(input).argmax(1).squeeze_dim(1)
    }

    /// A sample of each label: data, from a draw of the prior, on the labels' device; without gradients and as in evaluation.
    /// Labels beyond the classes are the caller's to avoid.
    pub fn sample_labeled(&self, labels: Tensor<1, Int>) -> X {
        self.vae.sample(labels)
    }

    /// Checks that all labels are classes, or K for "unknown", and that there is one of each class at least. Labels may all be
    /// known.
    ///
    /// Reads back from the device, so call it once on a data set, not on every batch.
    ///
    /// # Errors
    ///
    /// [`Error::Support`] if one is not, or a class has none; [`Error::Device`] if the device cannot be read.
    pub fn check_labels(&self, labels: &Tensor<1, Int>) -> Result<()> {
        let refused = |reason| Error::Support {
            what: "labels".to_string(),
            reason,
        };
        let classes = self.classes;
        let mut counts = vec![0usize; classes + 1];
        for (sample, label) in read(labels.clone().float())?.into_iter().enumerate() {
            if !(0.0..=classes as f64).contains(&label) {
                return Err(refused(format!(
                    "sample {sample} has {label}, but there are {classes} classes, from 0 on ({classes} stands for an \
                     unknown label)"
                )));
            }
            counts[label as usize] += 1;
        }
        if let Some(class) = counts[..classes].iter().position(|&count| count == 0) {
            return Err(refused(format!(
                "no sample is known to be of class {class}: the model would have no way to tell which class that is; \
                 label one, or leave the class out"
            )));
        }
        Ok(())
    }
}

/// `[batch]`.
fn row_sums(rows: Tensor<2>) -> Tensor<1> {
    rows.sum_dim(1).squeeze_dim(1)
}

/// The input is the pair of data and its labels, `[batch]`.
impl<E, D, C, P, L, X> Model for SemiSupervisedVae<E, D, C, P, L>
where
    X: Batch,
    E: Encoder<Input = (X, Tensor<1, Int>), Code: Posterior<Noise: Batch>>,
    D: Decoder<Latent = (LatentOf<E>, Tensor<1, Int>)>,
    C: Encoder<Input = X, Code = Tensor<2>>,
    P: Prior<Value = LatentOf<E>>,
    L: ReconstructionLoss<D::Output, X>,
{
    type Input = (X, Tensor<1, Int>);

    fn terms(&self) -> Vec<&'static str> {
        vec!["reconstruction", "kl", "label_kl", "classification"]
    }

    /// # Panics
    ///
    /// If there are not as many labels as samples, or the classifier has not a logit for each class.
    fn losses(&self, (input, labels): Self::Input) -> Losses {
        let batch = input.len();
        self.losses_of(input, labels, |code| code.noise().narrow(0, batch))
    }

    fn advance(self) -> Self {
        Self {
            vae: self.vae.advance(),
            warmup: self.warmup.map(Warmup::advance),
            ..self
        }
    }
}
crate::learner!(SemiSupervisedVae<E, D, C, P, L>);
