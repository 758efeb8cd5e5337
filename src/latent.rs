//! Ways through a latent space: interpolations, traversals, walks over a plane, and arithmetic with codes. Each gives
//! latents, to be decoded in one batch.
//!
//! ```
//! use burn::prelude::*;
//! use burn_generative::latent;
//! use burn_generative::prelude::*;
//!
//! let device = Device::default();
//! let decoder = MlpDecoderConfig::new(20, vec![1, 28, 28]).init(&device)?;
//! let codes = StandardNormal::new(20).sample(2, &device);
//! let [from, to] = [0, 1].map(|i| codes.clone().narrow(0, i, 1));
//! let between: Tensor<4> = decoder.decode(latent::spherical(from, to, 8));
//! assert_eq!(between.dims(), [8, 1, 28, 28]);
//! # Ok::<(), burn_generative::Error>(())
//! ```

use burn::tensor::{Device, Distribution, Tensor, TensorCreationOptions, TensorData};

/// `steps` latents on the straight line between each pair of `from` and `to`, both included: `[pairs, latent]` to
/// `[pairs * steps, latent]`, pair by pair.
///
/// # Panics
///
/// If the shapes differ, or there are fewer than two steps.
pub fn linear(from: Tensor<2>, to: Tensor<2>, steps: usize) -> Tensor<2> {
    let share = shares("linear", &from, &to, steps);
    let (from, to) = (from.unsqueeze_dim::<3>(1), to.unsqueeze_dim::<3>(1));
    (from.clone() + (to - from) * share).flatten(0, 1)
}

/// As [`linear`], but turning along the great circle, while the length goes evenly from the one to the other. Halfway
/// between two samples of a standard normal the straight line is too near the origin for the decoder to know.
/// [White 2016](https://arxiv.org/abs/1609.04468).
///
/// Where both point in the same or in opposite directions, or one is 0, there is no one great circle, and the line is
/// straight.
///
/// # Panics
///
/// As [`linear`].
pub fn spherical(from: Tensor<2>, to: Tensor<2>, steps: usize) -> Tensor<2> {
    let share = shares("spherical", &from, &to, steps);
    let straight = linear(from.clone(), to.clone(), steps);
    let length = |z: &Tensor<2>| z.clone().square().sum_dim(1).sqrt();
    let lengths = [&from, &to].map(|z| length(z).clamp_min(1e-12));
    let [from_unit, to_unit] =
        [(&from, &lengths[0]), (&to, &lengths[1])].map(|(z, length)| z.clone() / length.clone());
    let cosine = (from_unit.clone() * to_unit.clone()).sum_dim(1);
    let angle = cosine.clamp(-1.0, 1.0).acos().unsqueeze_dim::<3>(1);
    let sine = angle.clone().sin();
    let at_origin = |length: &Tensor<2>| length.clone().lower_elem(1e-6).unsqueeze_dim::<3>(1);
    let no_circle = sine
        .clone()
        .lower_elem(1e-3)
        .bool_or(at_origin(&lengths[0]))
        .bool_or(at_origin(&lengths[1]));
    let weight = |share: Tensor<3>| (angle.clone() * share).sin() / sine.clone();
    let rest = share.clone().neg().add_scalar(1.0);
    let arc = from_unit.unsqueeze_dim::<3>(1) * weight(rest.clone())
        + to_unit.unsqueeze_dim::<3>(1) * weight(share.clone());
    // Of length 1 but for the error of the angle, which a GPU knows to some 1e-4.
    let unit = arc.clone() / arc.square().sum_dim(2).sqrt();
    let [from_length, to_length] = lengths.map(|length| length.unsqueeze_dim::<3>(1));
    let arc = unit * (from_length * rest + to_length * share);
    let [pairs, latent] = from.dims();
    let no_circle = no_circle.expand([pairs, steps, latent]);
    let straight = straight.reshape([pairs, steps, latent]);
    arc.mask_where(no_circle, straight).flatten(0, 1)
}

/// From 0 to 1 in `steps` steps, `[1, steps, 1]`.
fn shares(what: &str, from: &Tensor<2>, to: &Tensor<2>, steps: usize) -> Tensor<3> {
    assert!(
        from.dims() == to.dims(),
        "{what}: cannot go from latents of shape {:?} to latents of {:?}",
        from.dims(),
        to.dims(),
    );
    even(what, [0.0, 1.0], steps, (&from.device(), from.dtype())).reshape([1, steps, 1])
}

/// Evenly spaced numbers, both ends included.
fn even(
    what: &str,
    [low, high]: [f64; 2],
    steps: usize,
    options: impl Into<TensorCreationOptions>,
) -> Tensor<1> {
    assert!(
        steps >= 2,
        "{what}: at least 2 steps are needed, not {steps}"
    );
    let step = (high - low) / (steps - 1) as f64;
    let values: Vec<f64> = (0..steps).map(|i| low + step * i as f64).collect();
    Tensor::from_data(TensorData::new(values, [steps]), options)
}

/// Each coordinate in turn goes through `range` in `steps` steps, while the others stay as they are in `z`,
/// `[1, latent]`: `[coordinates * steps, latent]`, coordinate by coordinate.
///
/// # Panics
///
/// If `z` is not one latent, it has no such coordinate, no coordinate is named, or there are fewer than two steps.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::latent;
///
/// let z = Tensor::<2>::zeros([1, 3], &Device::default());
/// let latents = latent::traversal(z, &[2], [-3.0, 3.0], 3);
/// latents.into_data().assert_eq(&TensorData::from([[0f32, 0., -3.], [0., 0., 0.], [0., 0., 3.]]), true);
/// ```
pub fn traversal(z: Tensor<2>, coordinates: &[usize], range: [f64; 2], steps: usize) -> Tensor<2> {
    let [count, latent] = z.dims();
    assert!(
        count == 1,
        "traversal: it starts from one latent, not from {count}"
    );
    assert!(
        !coordinates.is_empty(),
        "traversal: it needs a coordinate to move along"
    );
    let values = even("traversal", range, steps, (&z.device(), z.dtype())).reshape([steps, 1]);
    let of_coordinate = |&coordinate: &usize| {
        assert!(
            coordinate < latent,
            "traversal: there is no coordinate {coordinate} among {latent}"
        );
        z.clone()
            .repeat_dim(0, steps)
            .slice_assign([0..steps, coordinate..coordinate + 1], values.clone())
    };
    Tensor::cat(coordinates.iter().map(of_coordinate).collect(), 0)
}

/// Latents around `z`, `[1, latent]`, in random directions, at each of these distances in turn: `[radii * each, latent]`.
/// The noise is of the device's generator.
///
/// # Panics
///
/// If `z` is not one latent, or there is no radius.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::latent;
///
/// let z = Tensor::<2>::zeros([1, 8], &Device::default());
/// assert_eq!(latent::around(z, &[0.5, 1.0, 2.0], 10).dims(), [30, 8]);
/// ```
pub fn around(z: Tensor<2>, radii: &[f64], each: usize) -> Tensor<2> {
    let [count, latent] = z.dims();
    assert!(
        count == 1,
        "around: it starts from one latent, not from {count}"
    );
    assert!(!radii.is_empty(), "around: it needs a radius");
    let at = |&radius: &f64| {
        let normal = Distribution::Normal(0.0, 1.0);
        let direction = Tensor::<2>::random([each, latent], normal, (&z.device(), z.dtype()));
        let length = direction.clone().square().sum_dim(1).sqrt();
        z.clone() + direction / length.clamp_min(1e-12) * radius
    };
    Tensor::cat(radii.iter().map(at).collect(), 0)
}

/// A walk over the plane of two coordinates: `side * side` latents row by row, the first coordinate rising to the right
/// and the second upwards, over `[-range, range]`.
///
/// # Panics
///
/// If the side is less than 2.
///
/// ```
/// use burn::prelude::*;
/// use burn_generative::latent;
///
/// let latents = latent::plane(1.0, 2, &Device::default());
/// latents.into_data().assert_eq(&TensorData::from([[-1f32, 1.], [1., 1.], [-1., -1.], [1., -1.]]), true);
/// ```
pub fn plane(range: f64, side: usize, device: &Device) -> Tensor<2> {
    let values = even("plane", [-range, range], side, device);
    let right = values.clone().unsqueeze_dim::<2>(0).repeat_dim(0, side);
    let up = values.flip([0]).unsqueeze_dim::<2>(1).repeat_dim(1, side);
    Tensor::stack::<3>(vec![right, up], 2).flatten(0, 1)
}

/// What sets the codes `with` an attribute apart from those `without`: the difference of their means, `[1, latent]`.
/// Added to a code, it adds the attribute: `king - man + woman`.
///
/// # Panics
///
/// If either is empty, or they have different widths.
pub fn attribute(with: Tensor<2>, without: Tensor<2>) -> Tensor<2> {
    assert!(
        with.dims()[0] * without.dims()[0] > 0 && with.dims()[1] == without.dims()[1],
        "attribute: codes of shape {:?} and of {:?} have no difference of means",
        with.dims(),
        without.dims(),
    );
    // Less one of them first: what lies far from 0 keeps its digits.
    let first = with.clone().narrow(0, 0, 1);
    (with - first.clone()).mean_dim(0) - (without - first).mean_dim(0)
}
