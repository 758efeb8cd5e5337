use super::coordinate::Coordinate;
use super::density::{identity, log_sum_exp};
use super::full_gaussian_mixture::matrices;
use super::{FullGaussianMixture, GaussianMixture};
use crate::error::{Error, Result, check_at_least_one, check_not_negative};
use crate::kernel::points::{at_least_single, read, squared_distances};
use burn::config::Config;
use burn::tensor::activation::softmax;
use burn::tensor::{DType, FloatDType, Tensor, TensorData};
use rand::distr::{Distribution, weighted::WeightedIndex};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Fits a mixture of Gaussians to codes, `[samples, latent]`, by expectation-maximisation
/// ([Dempster et al. 1977](https://doi.org/10.1111/j.2517-6161.1977.tb01600.x)): a prior from which an autoencoder of
/// any kind can be sampled.
///
/// Each start is a k-means++ ([Arthur & Vassilvitskii 2007](https://dl.acm.org/doi/10.5555/1283383.1283494));
/// of several starts the most probable mixture is kept.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::model;
/// use burn_generative::prelude::*;
/// use burn_generative::prior::MixtureFit;
///
/// let device = Device::default();
/// let autoencoder = Autoencoder::new(
///     MlpEncoderConfig::new(vec![13], 2).init(&device)?,
///     MlpDecoderConfig::new(2, vec![13]).init(&device)?,
///     SquaredError,
/// );
/// let data = Tensor::<2>::random([300, 13], burn::tensor::Distribution::Default, &device);
/// let mixture = MixtureFit::new(4).fit_full(autoencoder.encode(data))?;
/// assert_eq!(model::sample(&mixture, &autoencoder.decoder, 10, &device).dims(), [10, 13]);
/// # Ok::<(), burn_generative::Error>(())
/// ```
#[derive(Config, Debug)]
pub struct MixtureFit {
    /// The number of Gaussians.
    pub components: usize,
    /// Steps of a start at most.
    #[config(default = 200)]
    pub iterations: usize,
    /// A start ends when a step raises the mean log-density by less than this, in nats per sample.
    #[config(default = 1e-4)]
    pub tolerance: f64,
    /// What is added to the variance of each coordinate, as a share of the codes' own along it (of the bulk of them, where
    /// a few lie far out): keeps a component from collapsing onto one point. At least 1e-7.
    #[config(default = 1e-4)]
    pub regularization: f64,
    /// Starts from other centres.
    #[config(default = 4)]
    pub restarts: usize,
    /// Seed of the centres.
    #[config(default = 0)]
    pub seed: u64,
}

/// The least share of its variance that is added to a coordinate's: what an `f32` feels.
const LEAST_SHARE: f64 = 1e-7;

/// The share of its own variance that a component's covariance has on top: what the rounding of sums in `f32` may take
/// from its smallest eigenvalue.
const JITTER: f64 = 1e-6;

/// Codes that lie further out than so many deviations leave the range of `f32` when they are squared and summed up.
const FARTHEST: f64 = 1e15;

/// Steps that move the centres of a start to the middle of what is nearest to them.
const LLOYD: usize = 10;

impl MixtureFit {
    /// A mixture with full covariances: what codes usually want.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there are no components, steps or starts, or a number is negative; [`Error::Samples`] if
    /// there are fewer codes than components, all are the same, one is no number, or lies 1e15 deviations from the
    /// others; [`Error::Device`] if the device cannot be read. With next to no regularization, also [`Error::Config`] if a component collapses.
    pub fn fit_full(&self, codes: Tensor<2>) -> Result<FullGaussianMixture> {
        self.fit(codes)
    }

    /// A mixture with diagonal covariances, which a training may go on to learn after burn's `train()`, which puts it on
    /// the autodiff device.
    ///
    /// # Errors
    ///
    /// As [`fit_full`](Self::fit_full).
    pub fn fit_diagonal(&self, codes: Tensor<2>) -> Result<GaussianMixture> {
        self.fit(codes)
    }

    fn fit<M: Mixture>(&self, codes: Tensor<2>) -> Result<M> {
        // Neither a graph nor a parameter of a model that is trained.
        let codes = codes.without_autodiff();
        self.check(&codes)?;
        let codes = Codes::new(codes, self.regularization.max(LEAST_SHARE))?;
        let mut rng = Pcg64::seed_from_u64(self.seed);
        let mut start = || {
            let centres = self.centres(&codes.in_one_unit, &mut rng)?;
            self.climb::<M>(&codes, centres)
        };
        let (mut score, mut mixture) = start()?;
        for _ in 1..self.restarts {
            let (other_score, other) = start()?;
            if other_score > score {
                (score, mixture) = (other_score, other);
            }
        }
        Ok(mixture.in_units(&codes))
    }

    fn check(&self, codes: &Tensor<2>) -> Result<()> {
        for (name, value) in [
            ("components", self.components),
            ("iterations", self.iterations),
            ("restarts", self.restarts),
        ] {
            check_at_least_one("MixtureFit", name, value)?;
        }
        check_not_negative("MixtureFit: tolerance", self.tolerance)?;
        check_not_negative("MixtureFit: regularization", self.regularization)?;
        let samples = codes.dims()[0];
        if samples < self.components {
            return Err(Error::Samples(format!(
                "MixtureFit: {} components need at least as many codes, not {samples}",
                self.components
            )));
        }
        Ok(())
    }

    /// Whose codes are nearest to which of the centres of a start: `[samples, components]`, 0 or 1. The centres are
    /// those of k-means++, moved by a few of Lloyd's steps.
    fn centres(&self, codes: &Tensor<2>, rng: &mut Pcg64) -> Result<Tensor<2>> {
        let samples = codes.dims()[0];
        let code = |chosen: usize| codes.clone().narrow(0, chosen, 1);
        let mut centres = vec![code(rng.random_range(0..samples))];
        let mut nearest = squared_distances(codes, &centres[0]);
        for _ in 1..self.components {
            let chosen = match WeightedIndex::new(read(nearest.clone())?) {
                Ok(weighted) => weighted.sample(rng),
                // Fewer different codes than components: all lie on a centre.
                Err(_) => rng.random_range(0..samples),
            };
            let centre = code(chosen);
            nearest = nearest.min_pair(squared_distances(codes, &centre));
            centres.push(centre);
        }
        let members = |centres: &Tensor<2>| {
            let nearest = squared_distances(codes, centres).argmin(1);
            let dtype = FloatDType::from(codes.dtype());
            let own =
                (0..self.components).map(|k| nearest.clone().equal_elem(k as i64).cast(dtype));
            Tensor::cat(own.collect(), 1)
        };
        let mut centres = Tensor::cat(centres, 0);
        for _ in 0..LLOYD {
            let members = members(&centres);
            let kept = members.clone().sum_dim(0).transpose().greater_elem(0.0);
            let (_, means) = sizes_and_means(codes, &members);
            // A centre that has lost its last code stays where it is.
            centres = centres.mask_where(kept.expand(means.dims()), means);
        }
        Ok(members(&centres))
    }

    /// Expectation-maximisation from these memberships: the mean log-density, and the mixture.
    fn climb<M: Mixture>(&self, codes: &Codes, start: Tensor<2>) -> Result<(f64, M)> {
        let (codes, ridge) = (&codes.standard, &codes.ridge);
        let mut mixture = M::maximise(codes, start, ridge)?;
        let mut score = f64::NEG_INFINITY;
        for _ in 0..self.iterations {
            let joint = mixture.joint(codes.clone());
            let before = score;
            // On the host: a sum of many in `f32` is less exact than the tolerance.
            let log_probs = read(log_sum_exp(joint.clone()))?;
            score = log_probs.iter().sum::<f64>() / log_probs.len() as f64;
            if score - before < self.tolerance {
                break;
            }
            mixture = M::maximise(codes, softmax(joint, 1), ridge)?;
        }
        Ok((score, mixture))
    }
}

/// The codes of a fit, each coordinate about its median and in a unit of about its deviation: neither an offset nor a
/// scale costs digits. Units are powers of two, and the medians are numbers of codes, so that the way there and back
/// rounds nothing.
struct Codes {
    /// `[samples, latent]`.
    standard: Tensor<2>,
    /// What is added to the variance of each coordinate, `[1, latent]`.
    ridge: Tensor<2>,
    /// The same codes with the largest unit for all coordinates, in which they are as far from each other as they were
    /// but for a factor.
    in_one_unit: Tensor<2>,
    medians: Vec<f64>,
    units: Vec<f64>,
    /// The float type that the codes came in.
    dtype: DType,
}

impl Codes {
    fn new(codes: Tensor<2>, share: f64) -> Result<Self> {
        let ([samples, latent], dtype) = (codes.dims(), codes.dtype());
        let (coordinates, mut numbers) = Coordinate::of_each("MixtureFit", &codes)?;
        let unit = |coordinate: &Coordinate| coordinate.deviation.log2().round().exp2();
        let largest = coordinates.iter().map(unit).fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(Error::Samples(
                "MixtureFit: all codes are the same point".to_string(),
            ));
        }
        // A coordinate without a deviation has no unit, nor a share of it; any will do.
        let (units, ridge): (Vec<f64>, Vec<f64>) = coordinates
            .iter()
            .map(|coordinate| match unit(coordinate) {
                0.0 => (largest, LEAST_SHARE),
                unit => (unit, share * (coordinate.deviation / unit).powi(2)),
            })
            .unzip();
        for (at, number) in numbers.iter_mut().enumerate() {
            let (code, k) = (at / latent, at % latent);
            *number = (*number - coordinates[k].median) / units[k];
            if number.abs() > FARTHEST {
                return Err(Error::Samples(format!(
                    "MixtureFit: code {code} lies {:.0e} deviations from the others along coordinate {k}; leave it out",
                    number.abs()
                )));
            }
        }
        let like = at_least_single(codes);
        let (device, working) = (like.device(), like.dtype());
        let tensor = |numbers: Vec<f64>, shape| {
            Tensor::<2>::from_data(TensorData::new(numbers, shape), (&device, working))
        };
        let shares = units.iter().map(|unit| unit / largest).collect();
        let standard = tensor(numbers, [samples, latent]);
        Ok(Self {
            in_one_unit: standard.clone() * tensor(shares, [1, latent]),
            standard,
            ridge: tensor(ridge, [1, latent]),
            medians: coordinates.into_iter().map(|one| one.median).collect(),
            units,
            dtype,
        })
    }
}

/// A family of mixtures that the fit can maximise over.
trait Mixture: Sized {
    /// The most probable mixture, if each code belongs to each component by so much, `[samples, components]`; with
    /// `ridge`, `[1, latent]`, added to the variances.
    fn maximise(codes: &Tensor<2>, members: Tensor<2>, ridge: &Tensor<2>) -> Result<Self>;

    /// Log-densities, weight included, `[samples, components]`.
    fn joint(&self, codes: Tensor<2>) -> Tensor<2>;

    /// The mixture of the codes as they came, in their float type.
    fn in_units(self, codes: &Codes) -> Self;
}

/// The sizes, `[1, components]`, and means, `[components, latent]`, of the components.
fn sizes_and_means(codes: &Tensor<2>, members: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    // A component that has lost its last code stays a number.
    let sizes = members.clone().sum_dim(0).clamp_min(1e-6);
    let sums = members.clone().transpose().matmul(codes.clone());
    (sizes.clone(), sums / sizes.transpose())
}

/// The codes less the mean of each component in turn, times the root of their membership.
fn deviations<'a>(
    codes: &'a Tensor<2>,
    members: &'a Tensor<2>,
    means: &'a Tensor<2>,
) -> impl Iterator<Item = Tensor<2>> + 'a {
    (0..means.dims()[0]).map(move |k| {
        let root = members.clone().narrow(1, k, 1).sqrt();
        (codes.clone() - means.clone().narrow(0, k, 1)) * root
    })
}

fn logits(sizes: Tensor<2>) -> Tensor<1> {
    sizes.log().squeeze_dim(0)
}

impl Mixture for GaussianMixture {
    fn maximise(codes: &Tensor<2>, members: Tensor<2>, ridge: &Tensor<2>) -> Result<Self> {
        let (sizes, means) = sizes_and_means(codes, &members);
        let squares = deviations(codes, &members, &means).map(|own| own.square().sum_dim(0));
        let variances = Tensor::cat(squares.collect(), 0) / sizes.clone().transpose();
        let log_vars = (variances + ridge.clone()).log();
        Ok(Self::new(logits(sizes), means, log_vars))
    }

    fn joint(&self, codes: Tensor<2>) -> Tensor<2> {
        self.log_joint(codes)
    }

    fn in_units(self, codes: &Codes) -> Self {
        self.scaled(&codes.units, &codes.medians, codes.dtype)
    }
}

impl Mixture for FullGaussianMixture {
    fn maximise(codes: &Tensor<2>, members: Tensor<2>, ridge: &Tensor<2>) -> Result<Self> {
        let [components, latent] = [members.dims()[1], codes.dims()[1]];
        let (sizes, means) = sizes_and_means(codes, &members);
        let scatter = deviations(codes, &members, &means)
            .map(|own| own.clone().transpose().matmul(own).unsqueeze_dim::<3>(0));
        let scatter = Tensor::cat(scatter.collect(), 0);
        let covariances = scatter / sizes.clone().reshape([components, 1, 1]);
        let ridge = identity(latent, codes) * ridge.clone();
        let mut covariances = matrices(covariances + ridge.unsqueeze())?;
        for covariance in &mut covariances {
            for k in 0..latent {
                covariance[(k, k)] *= 1.0 + JITTER;
            }
        }
        Self::of_components(logits(sizes), means, covariances)
    }

    fn joint(&self, codes: Tensor<2>) -> Tensor<2> {
        self.log_joint(codes)
    }

    fn in_units(self, codes: &Codes) -> Self {
        self.scaled(&codes.units, &codes.medians, codes.dtype)
    }
}
