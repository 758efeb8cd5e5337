use crate::loss::Losses;
use crate::traits::{Batch, Code, Decoder, Model, Posterior};
use burn::module::Module;
use burn::tensor::Tensor;

/// A density of data given a condition that is fitted by maximum likelihood: `losses = -log p(x | condition)`, from pairs
/// of both.
///
/// | term | decoder |
/// |---|---|
/// | `nll` | trains |
///
/// The density is what any [`Decoder`] makes of the condition that returns a distribution: a [`Flow`](crate::flow::Flow) with
/// a context, or a network with a Gaussian head.
///
/// ```
/// use burn::optim::AdamConfig;
/// use burn::prelude::*;
/// use burn_generative::flow::{Flow, RealNvpConfig};
/// use burn_generative::model::ConditionalLikelihood;
/// use burn_generative::prelude::*;
///
/// let device = Device::default().autodiff();
/// let bijection = RealNvpConfig::new(2).with_context(3).init(&device)?; // one of three classes, one-hot
/// let mut model = ConditionalLikelihood::new(Flow::new(bijection, StandardNormal::new(2)));
/// let rows = Tensor::<2>::random([6, 2], burn::tensor::Distribution::Normal(0.0, 1.0), &device);
/// let classes = Tensor::<1, Int>::from_ints([0, 1, 2, 0, 1, 2], &device).one_hot::<2>(3).float();
/// let mut optimizer = AdamConfig::new().init();
/// for _step in 0..3 {
///     (model, _) = model.learn(&mut optimizer, 1e-3, (rows.clone(), classes.clone()));
/// }
/// assert_eq!(model.decoder.decode(classes).rsample().dims(), [6, 2]); // one of each class
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ConditionalLikelihood<D> {
    /// From conditions to distributions of data.
    pub decoder: D,
}

/// What the distributions of a decoder are over.
type DataOf<D> = <<D as Decoder>::Output as Code>::Latent;

impl<D> ConditionalLikelihood<D>
where
    D: Decoder<Output: Posterior>,
{
    /// The model that fits this decoder.
    pub fn new(decoder: D) -> Self {
        Self { decoder }
    }

    /// `log p(x | condition)` in nats per sample, `[batch]`.
    pub fn log_prob(&self, data: DataOf<D>, condition: D::Latent) -> Tensor<1> {
        self.decoder.decode(condition).log_prob(data)
    }
}

impl<D> Model for ConditionalLikelihood<D>
where
    D: Decoder<Output: Posterior>,
    DataOf<D>: Batch,
{
    /// Data and conditions.
    type Input = (DataOf<D>, D::Latent);

    fn terms(&self) -> Vec<&'static str> {
        vec!["nll"]
    }

    fn losses(&self, (data, condition): Self::Input) -> Losses {
        Losses::of("nll", self.log_prob(data, condition).neg())
    }
}
crate::learner!(ConditionalLikelihood<D>);
