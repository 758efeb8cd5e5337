//! Everything that takes a tensor works in the tensor's own float type, whatever the device's default is.

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::DType;
use burn_generative::distribution::divergence::{categorical, gaussian};
use burn_generative::latent;
use burn_generative::loss::{
    AnyLikelihood, ContinuousBernoulliNll, GradientPenalty, Hinge, LaplaceNll, LeastSquares,
    Minimax, Wasserstein,
};
use burn_generative::metric::{
    Estimate, FeatureStatistics, MmdKernel, Pca, active_units, elbo, extrapolated_frechet_distance,
    importance_weighted_bound, kl_per_coordinate, latent_information, mmd_test, precision_recall,
    squared_mmd,
};
use burn_generative::prelude::*;
use burn_generative::prior::{
    FullGaussianMixture, GaussianMixture, KernelDensity, MixtureFit, SwissRollConfig, Uniform,
};
use burn_generative::traits::CriticRegularizer;
use common::{assert_all_close, assert_close, cpu, noise, tensor, values};

const TYPES: [DType; 2] = [DType::F32, DType::F64];

/// Numbers that look random, in a float type.
fn rows<const D: usize>(seed: usize, shape: [usize; D], dtype: DType) -> Tensor<D> {
    tensor(shape, &cpu(), noise(seed, 1.5)).cast(dtype)
}

/// Fails unless a computation gives the same in both types, each in its own.
#[track_caller]
fn both<const D: usize>(what: &str, compute: impl Fn(DType) -> Tensor<D>) {
    let [single, double] = TYPES.map(|dtype| {
        let result = compute(dtype);
        assert_eq!(result.dtype(), dtype, "{what}");
        values(result)
    });
    assert!(double.iter().all(|x| x.is_finite()), "{what}: {double:?}");
    assert_all_close(&single, &double, 1e-4, what);
}

#[track_caller]
fn both_numbers(what: &str, compute: impl Fn(DType) -> f64) {
    let [single, double] = TYPES.map(compute);
    assert_close(single, double, 1e-4, what);
}

#[test]
fn metrics() {
    let samples = |dtype| (rows(1, [60, 3], dtype), rows(2, [70, 3], dtype) + 0.3);
    both_numbers("squared_mmd", |dtype| {
        let (a, b) = samples(dtype);
        let kernel = MmdKernel::rbf_median(&a, &b).unwrap();
        squared_mmd(a, b, kernel).unwrap()
    });
    both_numbers("mmd_test", |dtype| {
        let (a, b) = samples(dtype);
        let kernel = MmdKernel::InverseMultiquadric { scale: 6.0 };
        mmd_test(a, b, kernel, 99, 1).unwrap().p_value
    });
    both_numbers("precision_recall", |dtype| {
        let (a, b) = samples(dtype);
        let found = precision_recall(a, b, 3).unwrap();
        found.precision + 10.0 * found.recall
    });
    both_numbers("frechet_distance", |dtype| {
        let (a, b) = samples(dtype);
        let of = |features| FeatureStatistics::of(features).unwrap();
        of(a).frechet_distance(&of(b)).unwrap()
    });
    both_numbers("extrapolated_frechet_distance", |dtype| {
        let (a, b) = samples(dtype);
        extrapolated_frechet_distance(a, b, 1).unwrap()
    });
    both_numbers("active_units", |dtype| {
        active_units(samples(dtype).0).unwrap() as f64
    });
    let posterior = |dtype| DiagonalGaussian::new(rows(1, [60, 3], dtype), rows(3, [60, 3], dtype));
    both_numbers("kl_per_coordinate", |dtype| {
        kl_per_coordinate(&posterior(dtype)).unwrap()[1].mean
    });
    for dtype in TYPES {
        let parts = latent_information(&posterior(dtype), &StandardNormal::new(3)).unwrap();
        assert!(parts.mutual_information.mean > 0.5, "{dtype:?}");
    }
    both("Pca", |dtype| {
        let data = samples(dtype).0;
        let pca = Pca::fit(data.clone()).unwrap();
        let code = pca.project(data, 2);
        assert_eq!(code.dtype(), dtype);
        pca.reconstruct(code)
    });
    both_numbers("Estimate", |dtype| {
        Estimate::of_batch(rows(1, [9], dtype)).unwrap().mean
    });
    let refused = squared_mmd(
        rows(1, [9, 2], DType::F32),
        rows(1, [9, 2], DType::F64),
        MmdKernel::Rbf { variance: 1.0 },
    );
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("F32 and F64"), "{refused}");
}

/// All parameters in double precision.
struct Double;

impl ModuleMapper for Double {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| weights.cast(DType::F64))
    }
}

#[test]
fn bounds() {
    let device = cpu();
    let vae = VaeConfig::new()
        .init(
            MlpEncoderConfig::new(vec![6], 2)
                .init_gaussian::<2>(&device)
                .unwrap(),
            MlpDecoderConfig::new(2, vec![6])
                .init::<2>(&device)
                .unwrap(),
            StandardNormal::new(2),
            GaussianNll::new(0.5).unwrap(),
        )
        .unwrap();
    let data = rows(4, [8, 6], DType::F64);
    let mean = |vae: &Vae<_, _, _, GaussianNll>, data: Tensor<2>| {
        let bound = importance_weighted_bound(vae, data.clone(), 2000).unwrap();
        let elbo = elbo(vae, data, 2000).unwrap();
        [bound.log_prob, elbo.total()].map(|all| values(all.mean())[0])
    };
    let single = mean(&vae, data.clone().cast(DType::F32));
    let double = mean(&vae.map(&mut Double), data);
    for (single, double) in single.into_iter().zip(double) {
        assert!((single - double).abs() < 0.1, "{single} and {double}");
    }
}

#[test]
fn priors() {
    let device = cpu();
    let z = |dtype| rows(5, [7, 2], dtype);
    let roll = SwissRollConfig::new().init().unwrap();
    both("SwissRoll", |dtype| roll.log_prob(z(dtype)));
    both("StandardNormal", |dtype| {
        StandardNormal::new(2).log_prob(z(dtype))
    });
    both("Uniform", |dtype| {
        Uniform::new(2, -2.0, 2.0).unwrap().log_prob(z(dtype))
    });
    let codes = |dtype| rows(6, [200, 2], dtype);
    let drawn = |z: Tensor<2>, dtype: DType| {
        assert_eq!(z.dtype(), dtype);
        assert!(values(z).iter().all(|x| x.is_finite()));
    };
    both("fit_full", |dtype| {
        let mixture: FullGaussianMixture = MixtureFit::new(2).fit_full(codes(dtype)).unwrap();
        drawn(mixture.sample(5, &device), dtype);
        drawn(
            mixture.sample_labeled(Tensor::from_ints([0, 1, -1], &device)),
            dtype,
        );
        mixture.log_prob(z(dtype))
    });
    both("fit_diagonal", |dtype| {
        let mixture: GaussianMixture = MixtureFit::new(2).fit_diagonal(codes(dtype)).unwrap();
        drawn(mixture.sample(5, &device), dtype);
        drawn(
            mixture.sample_labeled(Tensor::from_ints([0, 1, -1], &device)),
            dtype,
        );
        mixture.log_prob(z(dtype))
    });
    both("KernelDensity", |dtype| {
        let density = KernelDensity::fit(codes(dtype)).unwrap();
        drawn(density.sample(5, &device), dtype);
        density.log_prob(z(dtype))
    });
    both("leave_one_out", |dtype| {
        KernelDensity::fit(codes(dtype)).unwrap().leave_one_out()
    });
}

#[test]
fn ways_through_a_latent_space() {
    let pair = |dtype| (rows(7, [3, 4], dtype), rows(8, [3, 4], dtype));
    both("linear", |dtype| {
        latent::linear(pair(dtype).0, pair(dtype).1, 5)
    });
    both("spherical", |dtype| {
        latent::spherical(pair(dtype).0, pair(dtype).1, 5)
    });
    both("traversal", |dtype| {
        latent::traversal(rows(7, [1, 4], dtype), &[1, 3], [-2.0, 2.0], 3)
    });
    both("attribute", |dtype| {
        latent::attribute(pair(dtype).0, pair(dtype).1)
    });
    for dtype in TYPES {
        let around = latent::around(rows(7, [1, 4], dtype), &[0.5], 6);
        assert_eq!(around.dtype(), dtype);
    }
}

#[test]
fn penalties_and_objectives() {
    let critic: burn_generative::nn::MlpCritic<2> =
        MlpCriticConfig::new(vec![2]).init(&cpu()).unwrap();
    let penalty = GradientPenalty::new(10.0).unwrap();
    for dtype in TYPES {
        let critic = match dtype {
            DType::F64 => critic.clone().map(&mut Double),
            _ => critic.clone(),
        };
        let (real, fake) = (rows(9, [5, 2], dtype), rows(10, [5, 2], dtype));
        let penalty = penalty.penalty(&critic, real, fake).unwrap();
        assert_eq!((penalty.dtype(), penalty.dims()), (dtype, [5]));
        assert!(values(penalty).iter().all(|x| x.is_finite()));
    }
    let objectives: [&dyn AdversarialLoss; 5] = [
        &NonSaturating,
        &Minimax,
        &LeastSquares,
        &Hinge,
        &Wasserstein,
    ];
    for objective in objectives {
        both(&format!("{objective:?}"), |dtype| {
            let scores = |seed| rows(seed, [6], dtype);
            objective.critic(scores(11), scores(12)) + objective.generator(scores(13))
        });
    }
}

#[test]
fn likelihoods_and_divergences() {
    let pair = |dtype| (rows(14, [4, 6], dtype), rows(15, [4, 6], dtype) * 0.3 + 0.5);
    for likelihood in [
        AnyLikelihood::Bernoulli(BernoulliNll),
        AnyLikelihood::ContinuousBernoulli(ContinuousBernoulliNll),
        AnyLikelihood::Gaussian(GaussianNll::new(0.3).unwrap()),
        AnyLikelihood::Laplace(LaplaceNll::new(0.3).unwrap()),
    ] {
        both(&format!("{likelihood:?}"), |dtype| {
            likelihood.loss(pair(dtype).0, pair(dtype).1)
        });
    }
    both("entropy", |dtype| categorical::entropy(pair(dtype).0));
    both("kl", |dtype| categorical::kl(pair(dtype).0, pair(dtype).1));
    both("js", |dtype| categorical::js(pair(dtype).0, pair(dtype).1));
    both("gaussian js", |dtype| {
        let of =
            |seed| DiagonalGaussian::new(rows(seed, [4, 6], dtype), rows(seed + 1, [4, 6], dtype));
        gaussian::js_with(
            &of(1),
            &of(3),
            rows(5, [4, 6], dtype),
            rows(6, [4, 6], dtype),
        )
    });
}
