use super::TopDown;
use super::cell::{Cell, Cells, convolution};
use crate::distribution::DiagonalGaussian;
use crate::error::{Error, Result, check_at_least_one};
use crate::kernel::activation::{elu, soft_clamp};
use crate::nn::{Conv2d, check_layers, event_size};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::tensor::{Device, Distribution, Tensor};

/// Configuration of an [`Nvae`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::hierarchy::NvaeConfig;
///
/// let config = NvaeConfig::new([3, 30, 30], vec![1, 2]);
/// let error = config.init(3, &Device::default()).unwrap_err().to_string();
/// assert!(error.contains("to be halved 2 times"), "{error}");
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct NvaeConfig {
    /// Channels, height and width of one picture.
    pub shape: [usize; 3],
    /// The number of groups of latents at each scale, the top (and smallest) first.
    pub groups: Vec<usize>,
    /// How often height and width are halved between the picture and the lowest scale.
    #[config(default = "1")]
    pub halvings: usize,
    /// Black pixels on each side of a picture within the networks; what they say there is cut off.
    #[config(default = "0")]
    pub padding: usize,
    /// The channels of maps as large as the picture; they double where height and width halve.
    #[config(default = "32")]
    pub channels: usize,
    /// The channels of a group of latents.
    #[config(default = "20")]
    pub latents: usize,
    /// The residual cells of each group, on the way up and on the way down, and of each halving.
    #[config(default = "2")]
    pub cells: usize,
    /// What these are.
    #[config(default = "Cells::Residual { expansion: 6 }")]
    pub kind: Cells,
}

impl NvaeConfig {
    /// The networks, which say so many numbers of each pixel: the channels of the picture for
    /// [`BernoulliNll`](crate::loss::BernoulliNll), say.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] without a scale, if a scale has no group, a size is zero or absurd, or height and width cannot be halved
    /// as often as there are scales and halvings.
    pub fn init(&self, outputs: usize, device: &Device) -> Result<Nvae> {
        let plan = self.plan(outputs)?;
        let levels = plan.len();
        let latents = self.latents;
        let [channels, ..] = self.shape;
        let width = |halvings: usize| self.channels << halvings;
        let up = |halvings| -> Result<Vec<Cell>> {
            let cell = |_| Cell::up(self.kind, width(halvings), levels, device);
            (0..self.cells).map(cell).collect()
        };
        let down = |halvings| -> Result<Vec<Cell>> {
            let cell = |_| Cell::down(self.kind, width(halvings), levels, device);
            (0..self.cells).map(cell).collect()
        };
        let halve = |halvings: usize| {
            let config = convolution([width(halvings - 1), width(halvings)], 3);
            let config = config.with_stride([2, 2]);
            let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
            config.with_padding(padding).init(device)
        };
        let flat = |from, to| convolution([from, to], 1).init(device);

        let entry = (0..self.halvings).map(|halvings| {
            Ok(Rung {
                cells: up(halvings)?,
                halve: Some(halve(halvings + 1)?),
            })
        });
        let entry = entry.collect::<Result<_>>()?;
        // On the way up the first rung is that of the lowest level.
        let rung = |level: usize| {
            let halvings = plan[level];
            let is_last_of_scale = level > 0 && plan[level - 1] != halvings;
            Ok(Rung {
                cells: up(halvings)?,
                halve: is_last_of_scale.then(|| halve(halvings + 1)).transpose()?,
            })
        };
        let rungs = (0..levels).rev().map(rung).collect::<Result<_>>()?;
        let group = |level: usize| {
            let halvings = plan[level];
            let maps = width(halvings);
            let is_top = level == 0;
            let below = plan.get(level + 1).copied();
            let grows = below.is_some_and(|below| below != halvings);
            Ok(Group {
                prior: (!is_top).then(|| flat(maps, 2 * latents)).transpose()?,
                above: (!is_top).then(|| flat(maps, maps)).transpose()?,
                posterior: convolution([maps, 2 * latents], 3).init(device)?,
                absorb: flat(maps + latents, maps)?,
                double: grows.then(|| flat(maps, width(halvings - 1))).transpose()?,
                cells: match below {
                    Some(below) => down(below)?,
                    None => Vec::new(),
                },
            })
        };
        let groups = (0..levels).map(group).collect::<Result<_>>()?;
        let exit = (0..self.halvings).rev().map(|halvings| {
            Ok(Exit {
                double: flat(width(halvings + 1), width(halvings))?,
                cells: down(halvings)?,
            })
        });
        let exit = exit.collect::<Result<_>>()?;
        let [height, across] = self.sides().map(|side| side >> plan[0]);
        let start = Tensor::random(
            [width(plan[0]), height, across],
            Distribution::Normal(0.0, 1.0),
            device,
        );
        Ok(Nvae {
            stem: convolution([channels, width(0)], 3).init(device)?,
            entry,
            rungs,
            start: Param::from_tensor(start),
            groups,
            exit,
            output: convolution([width(0), outputs], 3).init(device)?,
            latents,
            padding: self.padding,
        })
    }

    /// Height and width of the widest maps.
    fn sides(&self) -> [usize; 2] {
        let [_, height, width] = self.shape;
        [height, width].map(|side| side.saturating_add(self.padding.saturating_mul(2)))
    }

    /// How often the picture has been halved at each level, the top first.
    fn plan(&self, outputs: usize) -> Result<Vec<usize>> {
        const PART: &str = "Nvae";
        event_size(PART, &self.shape)?;
        check_at_least_one(PART, "the number of scales", self.groups.len())?;
        for (scale, &groups) in self.groups.iter().enumerate() {
            let what = format!("the number of groups of scale {scale}");
            check_at_least_one(PART, &what, groups)?;
        }
        let counts = [
            ("the channels", self.channels),
            ("the channels of a group of latents", self.latents),
            ("the cells of a group", self.cells),
            ("the numbers of a pixel", outputs),
        ];
        for (what, count) in counts {
            check_at_least_one(PART, what, count)?;
        }
        if let Cells::Residual { expansion } = self.kind {
            check_at_least_one(PART, "the expansion of the cells", expansion)?;
        }
        let most = self.halvings.saturating_add(self.groups.len() - 1);
        for side in self.sides() {
            let divisor = u32::try_from(most)
                .ok()
                .and_then(|most| 1usize.checked_shl(most));
            let divides = divisor.is_some_and(|divisor| side % divisor == 0);
            if !divides {
                let multiple = match divisor {
                    Some(divisor) => divisor.to_string(),
                    None => format!("2^{most}"),
                };
                return Err(Error::Config(format!(
                    "{PART}: a side of {side} pixels (with a `padding` of {}) must be a multiple of {multiple} to be halved {most} times \
                     (`halvings` {}, and {} scales); pad it, resize the pictures, or take fewer",
                    self.padding,
                    self.halvings,
                    self.groups.len()
                )));
            }
        }
        let levels = self
            .groups
            .iter()
            .fold(0, |sum, &groups| groups.saturating_add(sum));
        if levels.max(self.cells) > MOST {
            return Err(Error::Config(format!(
                "{PART}: {levels} groups of {} cells are more than {MOST}",
                self.cells
            )));
        }
        // The widest layer there is, and the widest and the smallest maps.
        let expansion = match self.kind {
            Cells::Residual { expansion } => expansion,
            _ => 1,
        };
        let widest = self.channels.saturating_mul(1 << most);
        check_layers(
            PART,
            &[widest.saturating_mul(9), widest.saturating_mul(expansion)],
        )?;
        let [height, width] = self.sides();
        event_size(PART, &[self.channels, height, width])?;
        event_size(PART, &[widest, height >> most, width >> most])?;
        let scales = self.groups.iter().enumerate();
        let levels = scales.flat_map(|(scale, &groups)| vec![most - scale; groups]);
        Ok(levels.collect())
    }
}

/// Convolutional networks of any number of scales, and groups of latents at each: a way up that reads the picture, and a way down
/// that starts from learned maps.
///
/// The prior of the top group is standard normal, that of each other a Gaussian given the maps above it. A posterior is the prior
/// [moved](DiagonalGaussian::moved_by) by what the picture says, so that a group without news costs nothing. Means are bounded to
/// `±5` by `5 tanh(x / 5)`, the log-scales in the same way, and what moves them; a scale is `e^s + 0.01`. A latent enters the maps by
/// a 1x1 convolution of both; then come the [cells](Cells) of the next group. Between two scales the maps double by the nearest
/// pixel, and halve by a 3x3 convolution.
///
/// Of the paper's it has not the weight normalisation, for which [`Regularized`](crate::model::Regularized) may stand, and no flow
/// in the posterior. Shapes: `[batch, channels, height, width]` to latents of the same order, `[batch, latents, ..]`, and numbers
/// `[batch, outputs, height, width]`. [Vahdat & Kautz 2020](https://arxiv.org/abs/2007.03898). Built by [`NvaeConfig`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::distribution::Levels;
/// use burn_generative::hierarchy::{Cells, NvaeConfig};
/// use burn_generative::loss::LogisticMixtureNll;
/// use burn_generative::model::HierarchicalVae;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let likelihood = LogisticMixtureNll::new(3, Levels::unit(256)?, 5)?;
/// let nvae = NvaeConfig::new([3, 8, 8], vec![1, 2]) // one group of 2x2 latents, two of 4x4
///     .with_channels(8)
///     .with_latents(4)
///     .with_cells(1)
///     .with_kind(Cells::Residual { expansion: 2 })
///     .init(likelihood.parameters(), &device)?;
/// let model = HierarchicalVae::new(nvae, likelihood);
/// let losses = model.losses(Tensor::<4>::zeros([2, 3, 8, 8], &device));
/// assert_eq!(losses.term("kl_3").unwrap().dims(), [2]);
/// assert_eq!(model.sample(2, &device).dims(), [2, 3, 8, 8]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Nvae {
    stem: Conv2d,
    /// From the picture to the lowest scale.
    entry: Vec<Rung>,
    /// From the lowest level up.
    rungs: Vec<Rung>,
    /// The maps above all levels, `[channels, height, width]`.
    start: Param<Tensor<3>>,
    /// From the top level down.
    groups: Vec<Group>,
    /// From the lowest scale to the picture.
    exit: Vec<Exit>,
    output: Conv2d,
    latents: usize,
    padding: usize,
}

/// What the way up adds: cells, and behind the last of a scale a convolution to the next.
#[derive(Module, Debug)]
struct Rung {
    cells: Vec<Cell>,
    halve: Option<Conv2d>,
}

/// A level on the way down.
#[derive(Module, Debug)]
struct Group {
    /// None for the top, which has no state to read.
    prior: Option<Conv2d>,
    /// What the posterior is told of the maps above, beside the picture; nothing at the top.
    above: Option<Conv2d>,
    posterior: Conv2d,
    absorb: Conv2d,
    /// To the channels of the next scale, before the maps double.
    double: Option<Conv2d>,
    /// Those of the level below.
    cells: Vec<Cell>,
}

/// What leads from a scale to one twice as large, without a latent.
#[derive(Module, Debug)]
struct Exit {
    double: Conv2d,
    cells: Vec<Cell>,
}

fn through(cells: &[Cell], x: Tensor<4>) -> Tensor<4> {
    cells.iter().fold(x, |maps, cell| cell.forward(maps))
}

/// Each pixel four times: twice the height and the width.
fn doubled(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let pixels: Tensor<6> = x.reshape([batch, channels, height, 1, width, 1]);
    let four = pixels.expand([batch, channels, height, 2, width, 2]);
    four.reshape([batch, channels, 2 * height, 2 * width])
}

/// More groups, or cells of one, than any network has.
const MOST: usize = 1000;

/// The bound of means and log-scales.
const BOUND: f64 = 5.0;

impl Nvae {
    /// Height and width of a picture.
    fn picture(&self) -> [usize; 2] {
        let halved = self.rungs.iter().filter(|rung| rung.halve.is_some());
        let halvings = self.entry.len() + halved.count();
        let [_, height, width] = self.start.val().dims();
        [height, width].map(|side| (side << halvings) - 2 * self.padding)
    }

    /// The two halves of the numbers of a group, bounded.
    fn halves(&self, numbers: Tensor<4>) -> [Tensor<4>; 2] {
        let numbers = soft_clamp(numbers, BOUND);
        [0, 1].map(|half| numbers.clone().narrow(1, half * self.latents, self.latents))
    }
}

impl TopDown for Nvae {
    type Input = Tensor<4>;
    /// The maps of each level, the lowest first.
    type Features = Vec<Tensor<4>>;
    /// The maps above.
    type State = Tensor<4>;
    type Level = DiagonalGaussian<4>;
    type Output = Tensor<4>;

    fn num_levels(&self) -> usize {
        self.groups.len()
    }

    fn bottom_up(&self, pictures: Tensor<4>) -> Vec<Tensor<4>> {
        let [_, _, height, width] = pictures.dims();
        let sides = self.picture();
        assert!(
            [height, width] == sides,
            "Nvae: it is made for pictures of {sides:?}, and these have {:?}",
            [height, width]
        );
        let sides = (self.padding, self.padding, self.padding, self.padding);
        let pictures = match self.padding {
            0 => pictures,
            _ => pictures.pad(sides, 0.0),
        };
        let mut maps = self.stem.forward(pictures * 2.0 - 1.0);
        let mut features = Vec::with_capacity(self.rungs.len());
        for (index, rung) in self.entry.iter().chain(&self.rungs).enumerate() {
            maps = through(&rung.cells, maps);
            if index >= self.entry.len() {
                features.push(maps.clone());
            }
            if let Some(halve) = &rung.halve {
                maps = halve.forward(maps);
            }
        }
        features
    }

    fn start(&self, n: usize, _device: &Device) -> Tensor<4> {
        let start = self.start.val();
        let [channels, height, width] = start.dims();
        start.unsqueeze::<4>().expand([n, channels, height, width])
    }

    fn prior(&self, level: usize, above: &Tensor<4>) -> DiagonalGaussian<4> {
        let Some(prior) = &self.groups[level].prior else {
            let [batch, _, height, width] = above.dims();
            let shape = [batch, self.latents, height, width];
            let zeros = Tensor::zeros(shape, (&above.device(), above.dtype()));
            return DiagonalGaussian::new(zeros.clone(), zeros);
        };
        let [mean, log_scale] = self.halves(prior.forward(elu(above.clone())));
        let scale = log_scale.exp() + 0.01;
        DiagonalGaussian::new(mean, scale.log() * 2.0)
    }

    fn posterior(
        &self,
        level: usize,
        above: &Tensor<4>,
        prior: &DiagonalGaussian<4>,
        features: &Vec<Tensor<4>>,
    ) -> DiagonalGaussian<4> {
        let group = &self.groups[level];
        let mut maps = features[features.len() - 1 - level].clone();
        if let Some(of_above) = &group.above {
            maps = maps + of_above.forward(above.clone());
        }
        let [mean, log_scale] = self.halves(group.posterior.forward(elu(maps)));
        prior.moved_by(mean, log_scale * 2.0)
    }

    fn absorb(&self, level: usize, above: Tensor<4>, z: Tensor<4>) -> Tensor<4> {
        let group = &self.groups[level];
        let mut maps = group.absorb.forward(Tensor::cat(vec![above, z], 1));
        if let Some(double) = &group.double {
            maps = doubled(double.forward(maps));
        }
        through(&group.cells, maps)
    }

    fn output(&self, lowest: Tensor<4>) -> Tensor<4> {
        let widen =
            |maps: Tensor<4>, exit: &Exit| through(&exit.cells, doubled(exit.double.forward(maps)));
        let maps = self.exit.iter().fold(lowest, widen);
        let numbers = self.output.forward(elu(maps));
        let [batch, outputs, height, width] = numbers.dims();
        let [rows, columns] = [height, width].map(|side| self.padding..side - self.padding);
        numbers.slice([0..batch, 0..outputs, rows, columns])
    }
}
