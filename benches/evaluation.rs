//! What evaluating a model costs: the bound on log p(x), distances of samples to data, samplers.
//!
//!     cargo bench --profile dev --bench evaluation
//!
//! prints one line of JSON, the seconds of each task; the result is read back within them. `benches/evaluation.py`
//! runs it in turn with PyTorch, scikit-learn and SciPy.

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_generative::Error;
use burn_generative::data::digits;
use burn_generative::metric::{
    FeatureStatistics, MmdKernel, Pca, importance_weighted_bound, latent_information, mmd_test,
    precision_recall,
};
use burn_generative::model;
use burn_generative::prelude::*;
use burn_generative::prior::{KernelDensity, MixtureFit};
use std::collections::BTreeMap;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let device = Device::default();
    device.seed(1);
    let vae = VaeConfig::new().init(
        MlpEncoderConfig::new(vec![1, 28, 28], 20).init_gaussian(&device)?,
        MlpDecoderConfig::new(20, vec![1, 28, 28]).init(&device)?,
        StandardNormal::new(20),
        BernoulliNll,
    )?;
    let images = digits::generate(10_000, 1).images(&device);
    let normal = |rows: usize, width: usize| {
        Tensor::<2>::random([rows, width], Distribution::Normal(0.0, 1.0), &device)
    };
    let read = |tensor: Tensor<1>| {
        tensor.sum().into_scalar::<f32>();
    };
    // Threads and allocator are awake.
    read(importance_weighted_bound(&vae, images.clone().narrow(0, 0, 500), 2)?.log_prob);

    let mut seconds = BTreeMap::new();
    let mut time = |name: &'static str, task: &dyn Fn() -> Result<(), Error>| {
        let start = Instant::now();
        task()?;
        seconds.insert(name, start.elapsed().as_secs_f64());
        Ok::<(), Error>(())
    };
    time("bound 10000x200", &|| {
        for batch in images.clone().split(500, 0) {
            read(importance_weighted_bound(&vae, batch, 200)?.log_prob);
        }
        Ok(())
    })?;
    let posterior = vae.encode(images.clone());
    time("information 10000", &|| {
        latent_information(&posterior, &vae.prior).map(drop)
    })?;
    let (real, fake) = (normal(10_000, 64), normal(10_000, 64));
    time("frechet 10000x64", &|| {
        let [real, fake] = [&real, &fake].map(|x| FeatureStatistics::of(x.clone()));
        real?.frechet_distance(&fake?).map(drop)
    })?;
    time("precision_recall 10000x64", &|| {
        precision_recall(real.clone(), fake.clone(), 3).map(drop)
    })?;
    let points = |x: &Tensor<2>| x.clone().narrow(0, 0, 1000);
    time("mmd_test 1000x64", &|| {
        let kernel = MmdKernel::Rbf { variance: 64.0 };
        mmd_test(points(&real), points(&fake), kernel, 1000, 1).map(drop)
    })?;
    let rows = images.clone().flatten::<2>(1, 3);
    time("pca 10000x784", &|| Pca::fit(rows.clone()).map(drop))?;
    let codes = normal(15_000, 20);
    let fit = MixtureFit::new(10)
        .with_restarts(1)
        .with_iterations(20)
        .with_tolerance(0.0);
    time("mixture 15000x20, 10 full, 20 steps", &|| {
        fit.fit_full(codes.clone()).map(drop)
    })?;
    let mixture = fit.fit_full(codes.clone())?;
    let density = KernelDensity::fit(codes.clone())?;
    let images_of = |latents: Tensor<2>| {
        for latents in latents.split(1000, 0) {
            read(vae.decode(latents).flatten::<1>(0, 3).narrow(0, 0, 1));
        }
    };
    time("100000 samples, mixture", &|| {
        images_of(mixture.sample(100_000, &device));
        Ok(())
    })?;
    time("100000 samples, kernel density", &|| {
        images_of(density.sample(100_000, &device));
        Ok(())
    })?;
    time("100000 samples, own prior", &|| {
        for _ in 0..100 {
            let samples = model::sample(&vae.prior, &vae.decoder, 1000, &device);
            read(samples.flatten::<1>(0, 3).narrow(0, 0, 1));
        }
        Ok(())
    })?;
    let times: Vec<String> = seconds
        .iter()
        .map(|(name, time)| format!("{name:?}: {time}"))
        .collect();
    println!("{{{}}}", times.join(", "));
    Ok(())
}
