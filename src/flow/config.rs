use super::split::level_shapes;
use super::{
    ActNorm, AffineMap, Chain, ConvNetwork, Coupling, ElementwiseMap, Inverse, InvertibleLinear,
    MaskedAutoregressive, MultiScale, Perceptron, SplineMap,
};
use crate::error::{Error, Result, check_at_least_one};
use burn::config::Config;
use burn::tensor::Device;

/// A [`RealNvpConfig`]'s bijection.
pub type RealNvp = Vec<Chain<ActNorm, Coupling<Perceptron, AffineMap>>>;
/// A [`SplineFlowConfig`]'s bijection.
pub type SplineFlow = Vec<Chain<Chain<ActNorm, InvertibleLinear>, Coupling<Perceptron, SplineMap>>>;
/// A [`MafConfig`]'s bijection, by the map of each coordinate.
pub type Maf<M = AffineMap> = Vec<Chain<ActNorm, MaskedAutoregressive<M>>>;
/// An [`IafConfig`]'s bijection.
pub type Iaf = Vec<Inverse<MaskedAutoregressive<AffineMap>>>;
/// A [`GlowConfig`]'s bijection.
pub type Glow = MultiScale<Vec<GlowStep>>;
/// One step of a [`Glow`].
pub type GlowStep =
    Chain<Chain<ActNorm<4>, InvertibleLinear<4>>, Coupling<ConvNetwork, AffineMap, 4>>;

/// Refuses a vector that cannot be split in two.
fn check_splits(part: &str, features: usize) -> Result<()> {
    if features >= 2 {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{part}: a coupling keeps some coordinates and moves others, and needs at least 2, not {features}; for one, take \
         MafConfig"
    )))
}

/// A coupling that keeps one half of the coordinates: the first, or the second.
fn half_coupling<M: ElementwiseMap>(
    features: usize,
    keeps_first: bool,
    context: usize,
    hidden: &[usize],
    map: M,
    device: &Device,
) -> Result<Coupling<Perceptron, M>> {
    let mask: Vec<bool> = (0..features)
        .map(|at| (at < features / 2) == keeps_first)
        .collect();
    let kept = mask.iter().filter(|&&is_kept| is_kept).count();
    let outputs = map.parameters() * (features - kept);
    let network = Perceptron::new(kept, context, hidden, outputs, device)?;
    Coupling::new(&mask, network, map, device)
}

/// Configuration of a RealNVP over vectors: affine couplings that keep one half of the coordinates and then the other, each
/// behind an [`ActNorm`]. [Dinh et al. 2017](https://arxiv.org/abs/1605.08803).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Flow, RealNvpConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let flow = Flow::new(RealNvpConfig::new(6).init(&device)?, StandardNormal::new(6));
/// assert_eq!(flow.sample(3, &device).dims(), [3, 6]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct RealNvpConfig {
    /// The number of coordinates, at least 2.
    pub features: usize,
    /// The number of couplings.
    #[config(default = 8)]
    pub couplings: usize,
    /// The widths of the hidden layers of each network.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl RealNvpConfig {
    /// The bijection, whose couplings are the identity at first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than 2 coordinates, no couplings, or a width is 0.
    pub fn init(&self, device: &Device) -> Result<RealNvp> {
        const PART: &str = "RealNvp";
        check_splits(PART, self.features)?;
        check_at_least_one(PART, "couplings", self.couplings)?;
        let step = |index: usize| {
            let norm = ActNorm::new(self.features, device)?;
            let keeps_first = index.is_multiple_of(2);
            let map = AffineMap::default();
            let coupling = half_coupling(
                self.features,
                keeps_first,
                self.context,
                &self.hidden,
                map,
                device,
            )?;
            Ok(Chain::new(norm, coupling))
        };
        (0..self.couplings).map(step).collect()
    }
}

/// Configuration of a neural spline flow over vectors: an [`ActNorm`], a linear map in LU form and a coupling by
/// rational-quadratic splines, and again. [Durkan et al. 2019](https://arxiv.org/abs/1906.04032).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Flow, SplineFlowConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let flow = Flow::new(SplineFlowConfig::new(6).init(&device)?, StandardNormal::new(6));
/// assert_eq!(flow.sample(3, &device).dims(), [3, 6]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct SplineFlowConfig {
    /// The number of coordinates, at least 2.
    pub features: usize,
    /// The number of couplings.
    #[config(default = 6)]
    pub couplings: usize,
    /// The widths of the hidden layers of each network.
    #[config(default = "vec![64, 64]")]
    pub hidden: Vec<usize>,
    /// The number of bins of each spline.
    #[config(default = 8)]
    pub bins: usize,
    /// The splines are over `[-bound, bound]`.
    #[config(default = 4.0)]
    pub bound: f64,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
    /// Seed of the rotations that the linear maps start from.
    #[config(default = 0)]
    pub seed: u64,
}

impl SplineFlowConfig {
    /// The bijection, whose couplings are the identity at first, and whose linear maps are rotations.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are fewer than 2 coordinates, no couplings, a width is 0, or the bins or their bound are none
    /// that a [`SplineMap`] can have.
    pub fn init(&self, device: &Device) -> Result<SplineFlow> {
        const PART: &str = "SplineFlow";
        check_splits(PART, self.features)?;
        check_at_least_one(PART, "couplings", self.couplings)?;
        let step = |index: usize| {
            let norm = ActNorm::new(self.features, device)?;
            let seed = self.seed.wrapping_add(index as u64);
            let linear = InvertibleLinear::rotation(self.features, seed, device)?;
            let map = SplineMap::new(self.bins, self.bound)?;
            let coupling =
                half_coupling(self.features, true, self.context, &self.hidden, map, device)?;
            Ok(Chain::new(Chain::new(norm, linear), coupling))
        };
        (0..self.couplings).map(step).collect()
    }
}

/// Configuration of a masked autoregressive flow: an [`ActNorm`] and a [`MaskedAutoregressive`] map, in the order of the
/// coordinates and then against it, and again. [Papamakarios et al. 2017](https://arxiv.org/abs/1705.07057).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Flow, MafConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let flow = Flow::new(MafConfig::new(6).init(&device)?, StandardNormal::new(6));
/// assert_eq!(flow.log_prob(Tensor::zeros([3, 6], &device)).dims(), [3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MafConfig {
    /// The number of coordinates.
    pub features: usize,
    /// The number of autoregressive maps.
    #[config(default = 5)]
    pub layers: usize,
    /// The widths of the hidden layers of each network.
    #[config(default = "vec![128, 128]")]
    pub hidden: Vec<usize>,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl MafConfig {
    /// The bijection by affine maps, the identity at first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no coordinates or layers, or a width is 0.
    pub fn init(&self, device: &Device) -> Result<Maf> {
        self.init_with_map(AffineMap::default(), device)
    }

    /// The bijection by maps of one's own: with a [`SplineMap`] an autoregressive neural spline flow.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_with_map<M: ElementwiseMap>(&self, map: M, device: &Device) -> Result<Maf<M>> {
        const PART: &str = "Maf";
        check_at_least_one(PART, "features", self.features)?;
        check_at_least_one(PART, "layers", self.layers)?;
        let step = |index| {
            let norm = ActNorm::new(self.features, device)?;
            let order = order(self.features, index);
            let map = map.clone();
            let maf = MaskedAutoregressive::new(&order, self.context, &self.hidden, map, device)?;
            Ok(Chain::new(norm, maf))
        };
        (0..self.layers).map(step).collect()
    }
}

/// The coordinates in order, and every other time against it.
fn order(features: usize, layer: usize) -> Vec<usize> {
    if layer.is_multiple_of(2) {
        (0..features).collect()
    } else {
        (0..features).rev().collect()
    }
}

/// Configuration of an inverse autoregressive flow, for a posterior: fast to draw from, with the density of a draw.
/// [Kingma et al. 2016](https://arxiv.org/abs/1606.04934). [`FlowHead`](super::FlowHead) has an example.
#[derive(Config, Debug)]
pub struct IafConfig {
    /// The number of coordinates.
    pub features: usize,
    /// The number of autoregressive maps.
    #[config(default = 2)]
    pub layers: usize,
    /// The widths of the hidden layers of each network.
    #[config(default = "vec![128]")]
    pub hidden: Vec<usize>,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
}

impl IafConfig {
    /// The bijection, the identity at first.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no coordinates or layers, or a width is 0.
    pub fn init(&self, device: &Device) -> Result<Iaf> {
        const PART: &str = "Iaf";
        check_at_least_one(PART, "features", self.features)?;
        check_at_least_one(PART, "layers", self.layers)?;
        let step = |index| {
            let order = order(self.features, index);
            let map = AffineMap::default();
            let maf = MaskedAutoregressive::new(&order, self.context, &self.hidden, map, device)?;
            Ok(Inverse::new(maf))
        };
        (0..self.layers).map(step).collect()
    }
}

/// Configuration of a Glow over images: at each of its scales some steps of an [`ActNorm`], a 1x1 convolution in LU form and
/// an affine coupling by convolutions. [Kingma & Dhariwal 2018](https://arxiv.org/abs/1807.03039).
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::flow::{Dequantize, Flow, GlowConfig};
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let glow = GlowConfig::new([1, 8, 8]).with_levels(2).with_steps(2).with_hidden(8).init(&device)?;
/// let model = Dequantize::new(Flow::new(glow, StandardNormal::new(64)), 256)?;
/// assert_eq!(model.log_prob(Tensor::zeros([3, 1, 8, 8], &device)).dims(), [3]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct GlowConfig {
    /// The shape of an image, `[channels, height, width]`.
    pub shape: [usize; 3],
    /// The number of scales: each halves both sides.
    #[config(default = 2)]
    pub levels: usize,
    /// The number of steps of a level.
    #[config(default = 8)]
    pub steps: usize,
    /// The hidden channels of each network.
    #[config(default = 64)]
    pub hidden: usize,
    /// The width of a context, 0 for none.
    #[config(default = 0)]
    pub context: usize,
    /// Seed of the rotations that the linear maps start from.
    #[config(default = 0)]
    pub seed: u64,
}

impl GlowConfig {
    /// The bijection, whose couplings are the identity at first, and whose linear maps are rotations.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the sides cannot be halved so often, or a number is 0.
    pub fn init(&self, device: &Device) -> Result<Glow> {
        check_at_least_one("Glow", "steps", self.steps)?;
        let shapes = level_shapes(self.shape, self.levels)?;
        let map = AffineMap::default();
        let step = |level: usize, index: usize, channels: usize| {
            let seed = (level * self.steps + index) as u64;
            let half = channels / 2;
            let norm = ActNorm::new(channels, device)?;
            let linear =
                InvertibleLinear::rotation(channels, self.seed.wrapping_add(seed), device)?;
            let outputs = map.parameters() * (channels - half);
            let network = ConvNetwork::new(half, self.context, self.hidden, outputs, device)?;
            let mask: Vec<bool> = (0..channels).map(|channel| channel < half).collect();
            let coupling = Coupling::new(&mask, network, map.clone(), device)?;
            Ok(Chain::new(Chain::new(norm, linear), coupling))
        };
        let level = |(level, [channels, ..]): (usize, [usize; 3])| {
            (0..self.steps)
                .map(|index| step(level, index, channels))
                .collect()
        };
        let levels = shapes.into_iter().enumerate().map(level);
        MultiScale::new(self.shape, levels.collect::<Result<_>>()?)
    }
}
