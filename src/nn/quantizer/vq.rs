use super::{ResidualVq, assert_width};
use crate::error::{Error, Result, check_at_least_one, check_not_negative};
use crate::kernel::points::{nearest, sums};
use crate::kernel::{straight_through, sum_event};
use crate::losses::Losses;
use crate::nn::check_layers;
use crate::traits::{Batch, Quantized, Quantizer};
use burn::config::Config;
use burn::module::{Flag, Module, Param, RunningState};
use burn::tensor::{DType, Device, Distribution, Int, Tensor};
use std::sync::atomic::{AtomicBool, Ordering};

/// Configuration of a [`Vq`].
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::nn::VqConfig;
/// use burn_generative::prelude::*;
///
/// let device = Device::default();
/// let quantizer = VqConfig::new(512, 64).init(&device)?;
/// let quantized = quantizer.quantize(Tensor::zeros([49, 64], &device)); // 7x7 latents of an image
/// assert_eq!(quantized.indices.dims(), [49, 1]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct VqConfig {
    /// The number of vectors in the codebook.
    pub codes: usize,
    /// The coordinates of each.
    pub width: usize,
    /// Whether the codebook is a parameter that a gradient moves, in the place of moving averages.
    #[config(default = false)]
    pub gradient: bool,
    /// The share of a moving average that is kept in a step, below 1: of how often a code is used, and of its vectors.
    #[config(default = 0.99)]
    pub decay: f64,
    /// The weight of the term that draws latents to their vectors.
    #[config(default = 0.25)]
    pub commitment: f64,
    /// A code is dead, and starts anew at a latent of the batch, where it is used less than this share of what it would be
    /// if all were used evenly; 0 for never.
    #[config(default = 0.03)]
    pub dead_share: f64,
}

impl VqConfig {
    /// A codebook of small random vectors, which starts anew at the first batch in training.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with fewer than two codes, without coordinates, if the decay or the share of the dead is not from 0
    /// on and below 1, or the commitment is negative.
    pub fn init(&self, device: &Device) -> Result<Vq> {
        if self.codes < 2 {
            return Err(Error::Config(format!(
                "Vq: a codebook of {} says nothing of a latent; it needs at least 2 codes",
                self.codes
            )));
        }
        check_at_least_one("Vq", "width", self.width)?;
        check_layers("Vq", &[self.codes, self.width])?;
        for (name, share) in [("decay", self.decay), ("dead_share", self.dead_share)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::Config(format!(
                    "Vq: {name} must be at least 0 and below 1, not {share}"
                )));
            }
        }
        let reach = 1.0 / self.codes as f64;
        let plain = device.clone().without_autodiff();
        let vectors = Tensor::<2>::random(
            [self.codes, self.width],
            Distribution::Uniform(-reach, reach),
            (&plain, DType::F32),
        );
        let usage = Tensor::zeros([self.codes, 1], (&plain, DType::F32));
        let moved = || Param::from_tensor(Tensor::zeros([self.codes, self.width], device));
        Ok(Vq {
            moved: self.gradient.then(moved),
            state: RunningState::new(Tensor::cat(vec![vectors, usage], 1)),
            training: Param::from_bool(true),
            started: Started::default(),
            decay: self.decay,
            commitment: check_not_negative("Vq: commitment", self.commitment)?,
            dead_share: self.dead_share,
        })
    }

    /// So many quantisers, each of what those before it have left over.
    ///
    /// # Errors
    ///
    /// Those of [`init`](Self::init), or without a stage.
    pub fn init_residual(&self, stages: usize, device: &Device) -> Result<ResidualVq> {
        check_at_least_one("ResidualVq", "stages", stages)?;
        let stages = (0..stages).map(|_| self.init(device));
        Ok(ResidualVq::new(stages.collect::<Result<_>>()?))
    }
}

/// Vector quantisation: a latent `z` becomes the vector `e` of a learned codebook that is nearest to it. Built by
/// [`VqConfig`].
///
/// | term | latents | codebook |
/// |---|---|---|
/// | what is made of the vectors | trains, straight through | - |
/// | `codebook`, `|sg(z) - e|^2` | - | trains |
/// | `commitment`, `|z - sg(e)|^2` | trains, with its weight | - |
///
/// `sg` stops a gradient. By default the vectors are no parameters, but moving averages of their latents, and there is no
/// term `codebook`, whose minimum that is: `N <- d N + (1 - d) n` counts the latents of a code, and `e` moves by
/// `(1 - d) (sum z - n e) / N`, so that `N e` is the moving average of `sum z`. Latents are quantised before they move it.
///
/// The codebook starts at the centres that k-means (from latents at random) finds in the first batch of a training. Has that
/// fewer latents than there are codes, then some codes are the same, and the later of them are dead: they start anew at other
/// latents, as all do that fall out of use. Usage, the start and averages are saved with the weights. burn's `freeze` stops
/// them; [`frozen_copy`](crate::nn::frozen_copy), which stops gradients, only those of a parameter.
///
/// Distances, averages and the codebook are in `f32`, whatever the latents are.
///
/// [van den Oord et al. 2017](https://arxiv.org/abs/1711.00937), with the averages of its appendix A.1.
#[derive(Module, Debug)]
pub struct Vq {
    /// What gradients add to the vectors, `[codes, width]`, if they move them.
    moved: Option<Param<Tensor<2>>>,
    /// Each vector and the moving average of its usage, which is 0 for all before the start, `[codes, width + 1]`.
    state: RunningState<Tensor<2>>,
    training: Param<Flag>,
    /// Host copy of whether there was a start, where it has been read: no step waits for the device.
    #[module(skip)]
    started: Started,
    decay: f64,
    commitment: f64,
    dead_share: f64,
}

/// A copy may get another state, and asks for itself.
#[derive(Debug, Default)]
struct Started(AtomicBool);

impl Clone for Started {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Steps that move the codes of a start to the middle of what is nearest to them.
const LLOYD: usize = 10;

/// Less than one latent adds to a moving average of usage: what keeps an unused code's quotient a number.
const LEAST_USAGE: f64 = 1e-6;

impl Vq {
    /// The codebook, `[codes, width]`.
    pub fn codebook(&self) -> Tensor<2> {
        let state = self.state.value_sync();
        let device = match &self.moved {
            Some(moved) => moved.val().device(),
            None => state.device(),
        };
        self.codebook_on(&device)
    }

    /// The codebook on a device, with the graph of what gradients move.
    fn codebook_on(&self, device: &Device) -> Tensor<2> {
        let (vectors, _) = self.vectors_and_usage(device);
        match &self.moved {
            Some(moved) => vectors + moved.val().cast(DType::F32),
            None => vectors,
        }
    }

    /// `[codes, width]` and `[codes, 1]`, which belong to no step's graph.
    fn vectors_and_usage(&self, device: &Device) -> (Tensor<2>, Tensor<2>) {
        let state = self.state.value_sync().without_autodiff();
        // On several devices the state may be where another copy of the module is.
        let state = Batch::to_device(&state, device);
        let width = self.width();
        (state.clone().narrow(1, 0, width), state.narrow(1, width, 1))
    }

    /// What gradients have added to the vectors, without its graph, `[codes, width]`.
    fn added(&self, like: &Tensor<2>) -> Tensor<2> {
        match &self.moved {
            Some(moved) => {
                let moved = moved.val().without_autodiff().cast(DType::F32);
                moved.to_device(&like.device())
            }
            None => like.zeros_like(),
        }
    }

    fn trains(&self, latents: &Tensor<2>) -> bool {
        let moves = |moved: &Param<Tensor<2>>| moved.val().is_require_grad();
        let is_training = latents.is_autodiff() && latents.dims()[0] > 0;
        is_training && self.training.is_enabled() && self.moved.as_ref().is_none_or(moves)
    }

    fn set(&self, vectors: Tensor<2>, usage: Tensor<2>) {
        self.state.update(Tensor::cat(vec![vectors, usage], 1));
        // A record is written of what was synced.
        self.state.value_sync();
    }

    /// Starts at these latents, if they are the first in training.
    fn start_at(&self, latents: &Tensor<2>) {
        if self.started.0.load(Ordering::Relaxed) {
            return;
        }
        let (vectors, usage) = self.vectors_and_usage(&latents.device());
        let total: f32 = usage.clone().sum().into_scalar();
        if total == 0.0 {
            let (codes, rows) = (self.codes(), latents.dims()[0]);
            let keys = Tensor::<1>::random(
                [rows],
                Distribution::Default,
                (&latents.device(), DType::F32),
            );
            let order = keys.argsort(0).repeat_dim(0, codes.div_ceil(rows));
            let mut centres = latents.clone().select(0, order.narrow(0, 0, codes));
            let mut counts = usage;
            for _ in 0..LLOYD {
                let own;
                (own, counts) = sums(latents, nearest(latents, &centres), codes);
                // A centre without a latent stays where it is.
                let without = counts.clone().equal_elem(0.0).expand(own.dims());
                let means = own / counts.clone().clamp_min(1.0);
                centres = means.mask_where(without, centres);
            }
            self.set(centres - self.added(&vectors), counts);
        }
        self.started.0.store(true, Ordering::Relaxed);
    }

    /// Counts the codes of latents, lets averages follow them, and has the dead start anew.
    fn follow(&self, latents: &Tensor<2>, indices: Tensor<1, Int>) {
        let (vectors, usage) = self.vectors_and_usage(&latents.device());
        let (own, counts) = sums(latents, indices, self.codes());
        let gain = 1.0 - self.decay;
        let mut usage = usage * self.decay + counts.clone() * gain;
        let mut vectors = match self.moved {
            Some(_) => vectors,
            None => {
                let behind = own - counts * vectors.clone();
                vectors + behind * gain / usage.clone().clamp_min(LEAST_USAGE)
            }
        };
        if self.dead_share > 0.0 {
            let (codes, rows) = (self.codes(), latents.dims()[0]);
            let places = Distribution::Uniform(0.0, rows as f64);
            let places = Tensor::<1>::random([codes], places, (&latents.device(), DType::F32));
            let chosen = places.int().clamp(0, rows as i64 - 1);
            let alive = usage.clone().mean_dim(0).mul_scalar(self.dead_share);
            let alive = alive.expand([codes, 1]);
            let is_dead = usage.clone().lower(alive.clone());
            let fresh = latents.clone().select(0, chosen) - self.added(&vectors);
            vectors = vectors.mask_where(is_dead.clone().expand(fresh.dims()), fresh);
            usage = usage.mask_where(is_dead, alive);
        }
        self.set(vectors, usage);
    }
}

impl Quantizer for Vq {
    fn width(&self) -> usize {
        self.state.value().dims()[1] - 1
    }

    fn codes(&self) -> usize {
        self.state.value().dims()[0]
    }

    fn terms(&self) -> Vec<&'static str> {
        match self.moved {
            Some(_) => vec!["codebook", "commitment"],
            None => vec!["commitment"],
        }
    }

    fn quantize(&self, latents: Tensor<2>) -> Quantized {
        assert_width("Vq", self.width(), &latents);
        let dtype = latents.dtype();
        let latents = latents.cast(DType::F32);
        let trains = self.trains(&latents);
        let plain = latents.clone().without_autodiff();
        if trains {
            self.start_at(&plain);
        }
        let codebook = self.codebook_on(&latents.device());
        let indices = nearest(&plain, &codebook.clone().without_autodiff());
        let chosen = Batch::to_device(&indices, &latents.device());
        let vectors = codebook.select(0, chosen.clone());
        if trains {
            self.follow(&plain, indices);
        }
        let distance = |latents: Tensor<2>, vectors: Tensor<2>| {
            sum_event((latents - vectors).square()).cast(dtype)
        };
        let commitment = distance(latents.clone(), vectors.clone().detach());
        let mut losses = Losses::new(commitment.clone() * self.commitment);
        if self.moved.is_some() {
            let codebook = distance(latents.clone().detach(), vectors.clone());
            losses = losses.plus(Losses::of("codebook", codebook));
        }
        Quantized {
            vectors: straight_through(latents, vectors).cast(dtype),
            indices: chosen.unsqueeze_dim(1),
            losses: losses.with_term("commitment", commitment),
        }
    }

    fn lookup(&self, indices: Tensor<2, Int>) -> Tensor<2> {
        let codebook = self.codebook_on(&indices.device());
        let dtype = indices.device().settings().float_dtype;
        codebook.select(0, indices.flatten(0, 1)).cast(dtype)
    }
}
