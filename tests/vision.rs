//! burn-train's image metrics, and its FID as the reference of our Fréchet distance.
#![cfg(feature = "vision")]

mod common;

use burn_generative::metric::{FeatureStatistics, psnr, ssim};
use burn_train::metric::vision::FidConfig;
use common::{assert_close, cpu, noise, tensor};

#[test]
fn images_beside_their_originals() {
    let device = cpu();
    let image = || tensor([2, 1, 16, 16], &device, |i| 0.5 + noise(1, 0.4)(i));
    // Off by 0.1 everywhere: 20 decibels.
    assert_close(psnr(image() + 0.1, image()).unwrap(), 20.0, 1e-4, "psnr");
    assert_close(ssim(image(), image()).unwrap(), 1.0, 1e-5, "ssim of itself");
    let blurred = ssim(image() * 0.0 + 0.5, image()).unwrap();
    assert!(blurred < 0.5, "{blurred}");

    let other = tensor([2, 1, 16, 15], &device, |_| 0.0);
    let refused = psnr(image(), other).unwrap_err().to_string();
    assert!(refused.contains("originals of [2, 1, 16, 15]"), "{refused}");
    let small = || tensor([2, 1, 8, 8], &device, |_| 0.0);
    let refused = ssim(small(), small()).unwrap_err().to_string();
    assert!(refused.contains("window has 11 pixels"), "{refused}");
}

/// The same features, two implementations; and the Inception network is one of those that a user may pass.
#[test]
fn the_frechet_distance_is_that_of_burn_train() {
    let device = cpu();
    let fid = FidConfig::new().init(&device);
    // No two columns alike: burn-train's root (Newton and Schulz, in f32) is NaN of a singular covariance.
    let wild = |i: usize, seed: usize| ((i * i) as f64 * 0.37 + (i * seed) as f64).sin();
    let a = || tensor([200, 6], &device, |i| wild(i, 1));
    let b = || tensor([200, 6], &device, |i| 2.0 * wild(i, 5) + 0.3 + wild(i, 1));
    let want = common::values(fid.compute_fid(a(), b()))[0];
    let ours = FeatureStatistics::of(a())
        .unwrap()
        .frechet_distance(&FeatureStatistics::of(b()).unwrap())
        .unwrap();
    assert_close(ours, want, 1e-3, "Fréchet distance");

    let images = tensor([2, 3, 75, 75], &device, |i| 0.5 + noise(3, 0.5)(i));
    let mut statistics = FeatureStatistics::new();
    statistics.add(fid.extract_features(images)).unwrap();
    assert_eq!((statistics.samples(), statistics.width()), (2, 2048));
}
