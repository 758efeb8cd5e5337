//! Ways through a latent space.

mod common;

use burn::prelude::*;
use burn_generative::latent;
use common::{assert_all_close, assert_close, devices, noise, tensor, values};

#[test]
fn interpolations_begin_and_end_where_they_should() {
    for (name, device) in devices() {
        let (from, to) = (
            tensor([3, 4], &device, noise(1, 2.0)),
            tensor([3, 4], &device, noise(2, 2.0)),
        );
        for walk in [latent::linear, latent::spherical] {
            let path = walk(from.clone(), to.clone(), 5);
            assert_eq!(path.dims(), [15, 4], "{name}");
            let path = path.reshape([3, 5, 4]);
            let step = |i: usize| values(path.clone().narrow(1, i, 1));
            assert_all_close(&step(0), &values(from.clone()), 1e-5, name);
            assert_all_close(&step(4), &values(to.clone()), 1e-5, name);
        }
        let middle = latent::linear(from.clone(), to.clone(), 3)
            .reshape([3, 3, 4])
            .narrow(1, 1, 1);
        let want = values((from + to) * 0.5);
        assert_all_close(&values(middle), &want, 1e-5, name);
    }
}

#[test]
fn a_great_circle_keeps_the_length() {
    for (name, device) in devices() {
        let from = tensor([1, 3], &device, |i| [2.0, 0.0, 0.0][i]);
        let to = tensor([1, 3], &device, |i| [0.0, 2.0, 0.0][i]);
        let path = values(latent::spherical(from.clone(), to, 4));
        for (i, z) in path.chunks(3).enumerate() {
            let angle = std::f64::consts::FRAC_PI_2 * i as f64 / 3.0;
            assert_all_close(z, &[2.0 * angle.cos(), 2.0 * angle.sin(), 0.0], 1e-5, name);
        }
        // Of other lengths and at a wide angle, no latent between is longer than both or shorter.
        let wide = tensor([1, 3], &device, |i| {
            let angle = 170f64.to_radians();
            [angle.cos(), angle.sin(), 0.0][i]
        });
        let path = values(latent::spherical(from.clone(), wide, 5));
        for (i, z) in path.chunks(3).enumerate() {
            let (length, angle) = (z[0].hypot(z[1]), z[1].atan2(z[0]).to_degrees());
            assert_close(length, 2.0 - 0.25 * i as f64, 1e-4, name);
            // WGSL promises an arccosine to 7e-5 radians, 0.004 degrees.
            let off = (angle - 42.5 * i as f64).abs();
            assert!(off < 0.015, "{angle} at step {i} on {name}");
        }
        // Where there is no one circle, the line is straight: the same point, the opposite one, the origin.
        for scale in [1.0, 3.0, -1.0, 0.0] {
            let path = values(latent::spherical(from.clone(), from.clone() * scale, 3));
            assert_close(path[3], 1.0 + scale, 1e-3, name);
            assert!(path.iter().all(|z| z.is_finite()), "{name}");
        }
    }
}

#[test]
fn traversals_walks_and_attributes() {
    for (name, device) in devices() {
        let z = tensor([1, 3], &device, |i| i as f64);
        let got = values(latent::traversal(z, &[2, 0], [-1.0, 1.0], 2));
        let want = [0.0, 1.0, -1.0, 0.0, 1.0, 1.0, -1.0, 1.0, 2.0, 1.0, 1.0, 2.0];
        assert_all_close(&got, &want, 1e-6, name);

        // The first coordinate rises to the right, the second upwards.
        let got = values(latent::plane(2.0, 2, &device));
        assert_all_close(
            &got,
            &[-2.0, 2.0, 2.0, 2.0, -2.0, -2.0, 2.0, -2.0],
            1e-6,
            name,
        );

        let z = tensor([1, 3], &device, |i| i as f64);
        let around = latent::around(z.clone(), &[0.5, 2.0], 4);
        assert_eq!(around.dims(), [8, 3], "{name}");
        let distances = values((around - z).square().sum_dim(1).sqrt());
        assert_all_close(&distances, &[[0.5; 4], [2.0; 4]].concat(), 1e-5, name);

        let with = tensor([2, 2], &device, |i| [1.0, 4.0, 3.0, 0.0][i]);
        let without = tensor([1, 2], &device, |i| [1.0, 1.0][i]);
        assert_all_close(
            &values(latent::attribute(with, without)),
            &[1.0, 1.0],
            1e-6,
            name,
        );
    }
}

#[test]
#[should_panic(expected = "it needs a coordinate to move along")]
fn a_traversal_moves_along_something() {
    let _ = latent::traversal(
        Tensor::zeros([1, 3], &Device::default()),
        &[],
        [-1.0, 1.0],
        3,
    );
}

#[test]
#[should_panic(expected = "it needs a radius")]
fn what_is_around_has_a_distance() {
    let _ = latent::around(Tensor::zeros([1, 3], &Device::default()), &[], 3);
}

#[test]
#[should_panic(expected = "shape [2, 3] to latents of [2, 4]")]
fn latents_of_two_spaces_have_nothing_between_them() {
    let device = Device::default();
    let _ = latent::linear(
        Tensor::zeros([2, 3], &device),
        Tensor::zeros([2, 4], &device),
        3,
    );
}
