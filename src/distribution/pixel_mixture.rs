use super::categorical::{assert_shape, class_at};
use super::diagonal_gaussian::bound;
use super::discretized_logistic::{LOG_SCALE, draw, log_probabilities, middles, nearest};
use super::levels::Levels;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::{log_sum_exp, sum_event};
use crate::traits::{Code, Posterior};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Distribution, Tensor, TensorData};

/// Pictures of ordered [`Levels`] whose pixels are independent, each a mixture of components that all its channels share. In a
/// component a channel is a logistic distribution, rounded as in a
/// [`DiscretizedLogisticMixture`](super::DiscretizedLogisticMixture), whose mean moves with the channels before it:
/// `m_c + sum over d < c of tanh(a_cd) x_d`, with levels moved to [-1, 1].
///
/// So red, green and blue of a pixel are drawn together, and a blurred edge is an edge of one colour or another. With one channel
/// it is a mixture for each pixel. Numbers of 0 spread the components over the levels. Log-scales are bounded to [-7, 20]. A draw
/// has no gradient.
///
/// [Salimans et al. 2017](https://arxiv.org/abs/1701.05517) (PixelCNN++), sections 2.1 and 2.2.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::{Levels, PixelLogisticMixture};
/// use burn_generative::prelude::*;
///
/// // What the convolutions of a decoder end with: red, green and blue, of five components.
/// let parameters = PixelLogisticMixture::parameters(3, 5)?;
/// assert_eq!(parameters, 50);
/// let numbers = Tensor::<4>::zeros([2, parameters, 8, 8], &Device::default());
/// let pictures = PixelLogisticMixture::new(numbers, 3, Levels::unit(256)?);
/// let drawn: Tensor<4> = pictures.rsample();
/// assert_eq!(drawn.dims(), [2, 3, 8, 8]);
/// assert_eq!(pictures.log_prob(drawn).dims(), [2]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PixelLogisticMixture {
    /// `[batch, parameters, pixels]`, in blocks of a number for each component: the logits, the means and then the log-scales of
    /// the channels, and `a_10, a_20, a_21, ..`.
    numbers: Tensor<3>,
    components: usize,
    shape: [usize; 4],
    levels: Levels,
}

impl PixelLogisticMixture {
    /// How many numbers a pixel needs.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) without a channel or a component.
    pub fn parameters(channels: usize, components: usize) -> Result<usize> {
        const NAME: &str = "PixelLogisticMixture";
        check_at_least_one(NAME, "the number of channels", channels)?;
        check_at_least_one(NAME, "the number of components", components)?;
        let count = blocks(channels);
        components.checked_mul(count).ok_or_else(|| {
            Error::Config(format!(
                "{NAME}: {components} components of {count} numbers are too many"
            ))
        })
    }

    /// The distribution over pictures of so many channels of these levels, with the numbers of each pixel,
    /// `[batch, parameters, height, width]`.
    ///
    /// # Panics
    ///
    /// If the numbers are not those of so many channels and of some components.
    pub fn new(numbers: Tensor<4>, channels: usize, levels: Levels) -> Self {
        let [batch, count, height, width] = numbers.dims();
        assert!(
            channels > 0 && count > 0 && count % blocks(channels) == 0,
            "PixelLogisticMixture: {count} numbers a pixel for {channels} channels, which take a multiple of {}",
            blocks(channels)
        );
        Self {
            numbers: numbers.reshape([batch, count, height * width]),
            components: count / blocks(channels),
            shape: [batch, channels, height, width],
            levels,
        }
    }

    /// A block of the numbers, `[batch, components, pixels]`.
    fn block(&self, index: usize) -> Tensor<3> {
        let numbers = self.numbers.clone();
        numbers.narrow(1, index * self.components, self.components)
    }

    /// The mean of a channel in each component, given the channels before it, `[batch, 1, pixels]` each (or of each component).
    fn mean(&self, channel: usize, before: &[Tensor<3>]) -> Tensor<3> {
        let channels = self.shape[1];
        let middles = TensorData::new(middles(self.components), [1, self.components, 1]);
        let options = (&self.numbers.device(), self.numbers.dtype());
        let mean = self.block(1 + channel) + Tensor::from_data(middles, options);
        let first = 1 + 2 * channels + channel * channel.saturating_sub(1) / 2;
        let moved = before.iter().enumerate();
        moved.fold(mean, |mean, (index, value)| {
            mean + self.block(first + index).tanh() * value.clone()
        })
    }

    /// The log-scale of a channel in each component.
    fn log_scale(&self, channel: usize) -> Tensor<3> {
        let block = self.block(1 + self.shape[1] + channel);
        bound(block - (self.components as f64).ln(), LOG_SCALE)
    }

    /// The same without a gradient.
    fn detached(&self) -> Self {
        let numbers = self.numbers.clone().detach();
        Self {
            numbers,
            ..self.clone()
        }
    }

    /// A picture of channels whose levels have these indices, `[batch, 1, pixels]` each.
    fn picture(&self, channels: Vec<Tensor<3>>) -> Tensor<4> {
        (Tensor::cat(channels, 1) * self.levels.step()).reshape(self.shape)
    }

    /// Levels moved to [-1, 1], by their index.
    fn centered(&self, index: Tensor<3>) -> Tensor<3> {
        index * (2.0 / (self.levels.count() - 1) as f64) - 1.0
    }
}

/// The numbers of a component of a pixel: a logit, means and log-scales, and what ties each pair of channels.
fn blocks(channels: usize) -> usize {
    1 + 2 * channels + channels * channels.saturating_sub(1) / 2
}

impl Code for PixelLogisticMixture {
    type Latent = Tensor<4>;
    /// Uniform in [0, 1), `[batch, 1 + channels, pixels]`: what chooses the component, and what each channel is drawn by.
    type Noise = Tensor<3>;

    fn noise(&self) -> Tensor<3> {
        let [batch, channels, height, width] = self.shape;
        let of = self.numbers.clone().detach().narrow(1, 0, 1);
        of.expand([batch, 1 + channels, height * width])
            .random_like(Distribution::Default)
    }

    /// By the inverse of the distribution function; each channel given the levels that were drawn before it.
    fn rsample_with(&self, noise: Tensor<3>) -> Tensor<4> {
        let numbers = self.detached();
        let row = |index: usize| noise.clone().narrow(1, index, 1);
        let logits = numbers.block(0).swap_dims(1, 2);
        let component = class_at(logits, row(0).swap_dims(1, 2)).swap_dims(1, 2);
        let (mut drawn, mut indices) = (Vec::new(), Vec::new());
        for channel in 0..self.shape[1] {
            let of_component = |block: Tensor<3>| block.gather(1, component.clone());
            let mean = of_component(numbers.mean(channel, &drawn));
            let log_scale = of_component(numbers.log_scale(channel));
            let index = nearest(draw(mean, log_scale, row(1 + channel)), self.levels);
            drawn.push(self.centered(index.clone()));
            indices.push(index);
        }
        self.picture(indices)
    }

    /// The level that is nearest to the mean of the components' means, of each channel given those before it.
    fn point(&self) -> Tensor<4> {
        let numbers = self.detached();
        let weight = softmax(numbers.block(0), 1);
        let (mut means, mut indices) = (Vec::new(), Vec::new());
        for channel in 0..self.shape[1] {
            // In each component, whose channels belong together.
            let mean = numbers.mean(channel, &means).clamp(-1.0, 1.0);
            let of_all = (weight.clone() * mean.clone()).sum_dim(1);
            indices.push(nearest(of_all, self.levels));
            means.push(mean);
        }
        self.picture(indices)
    }
}

impl Posterior for PixelLogisticMixture {
    /// In nats per sample, `[batch]`; a number between levels counts as the nearest of them.
    ///
    /// # Panics
    ///
    /// If the pictures have another shape.
    fn log_prob(&self, pictures: Tensor<4>) -> Tensor<1> {
        assert_shape("PixelLogisticMixture", self.shape, pictures.dims());
        let [batch, channels, height, width] = self.shape;
        let index = self.levels.index(pictures);
        let index = index.reshape([batch, channels, height * width]);
        let of_channel = |channel| index.clone().narrow(1, channel, 1);
        let value = |channel| {
            let index = of_channel(channel).float().cast(self.numbers.dtype());
            self.centered(index)
        };
        let values: Vec<_> = (0..channels).map(value).collect();
        let mut joint = log_softmax(self.block(0), 1);
        for channel in 0..channels {
            let mean = self.mean(channel, &values[..channel]);
            let log_scale = self.log_scale(channel);
            joint = joint + log_probabilities(of_channel(channel), mean, log_scale, self.levels);
        }
        sum_event(log_sum_exp(joint, 1))
    }
}
