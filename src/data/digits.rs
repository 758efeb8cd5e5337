//! Generated handwritten-looking digits: a stand-in for MNIST that needs no file and no network.
//!
//! Ten stroke templates, each drawn with its control points jittered, bent by a smooth elastic field,
//! rotated, sheared and scaled, then inked with a pen of random thickness and softness, and centred
//! by mass as MNIST's digits are. Good enough to develop, test and document on; no benchmark.

use super::LabeledImages;
use rand::RngExt;
use rand_pcg::Pcg64;
use std::f32::consts::TAU;

/// The side of an image, in pixels.
pub const SIDE: usize = 28;

/// `count` labelled digits of 28x28 grey pixels, with all classes about equally often.
///
/// Digit `i` depends on `seed` and `i` alone, so a longer data set starts with a shorter one.
///
/// ```
/// use burn_generative::data::digits;
///
/// let digits = digits::generate(100, 42);
/// assert_eq!(digits.shape(), [1, 28, 28]);
/// assert!(digits.labels().iter().all(|&label| label < 10));
/// ```
pub fn generate(count: usize, seed: u64) -> LabeledImages {
    const PIXELS: usize = SIDE * SIDE;
    let mut pixels = vec![0; count * PIXELS];
    let mut labels = vec![0; count];

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let chunks = pixels
            .chunks_mut(share * PIXELS)
            .zip(labels.chunks_mut(share));
        for (chunk, (pixels, labels)) in chunks.enumerate() {
            scope.spawn(move || {
                let images = pixels.chunks_exact_mut(PIXELS).zip(labels);
                for (offset, (image, label)) in images.enumerate() {
                    let index = (chunk * share + offset) as u64;
                    let mut generator = super::generator(seed, index);
                    *label = generator.random_range(0..10);
                    draw(*label, &mut generator, image);
                }
            });
        }
    });
    LabeledImages::from_bytes(pixels, labels, [SIDE, SIDE]).expect("as many pixels as were made")
}

type Point = [f32; 2];

/// One stroke: a smooth curve through these points, in a unit square with y down.
type Stroke = &'static [Point];

/// The strokes of each digit, in one or more ways of writing it.
#[rustfmt::skip] // a picture of each digit, not a column of numbers
const TEMPLATES: [&[&[Stroke]]; 10] = [
    &[&[&[
        [0.55, 0.02], [0.25, 0.18], [0.15, 0.55], [0.3, 0.92], [0.55, 0.98], [0.8, 0.75],
        [0.85, 0.38], [0.7, 0.08], [0.5, 0.03],
    ]]],
    &[
        &[&[[0.55, 0.02], [0.52, 0.5], [0.5, 0.98]]],
        &[&[[0.34, 0.24], [0.56, 0.03]], &[[0.56, 0.03], [0.53, 0.5], [0.5, 0.98]]],
    ],
    &[
        &[
            &[[0.2, 0.25], [0.36, 0.05], [0.64, 0.05], [0.76, 0.28], [0.56, 0.6], [0.18, 0.95]],
            &[[0.18, 0.95], [0.5, 0.9], [0.86, 0.94]],
        ],
        &[&[
            [0.22, 0.2], [0.45, 0.02], [0.75, 0.2], [0.58, 0.58], [0.28, 0.9], [0.2, 0.76],
            [0.42, 0.78], [0.62, 0.93], [0.88, 0.88],
        ]],
    ],
    &[&[
        &[[0.2, 0.12], [0.5, 0.02], [0.74, 0.2], [0.62, 0.42], [0.4, 0.48]],
        &[[0.4, 0.48], [0.72, 0.56], [0.8, 0.78], [0.52, 0.98], [0.17, 0.88]],
    ]],
    &[
        &[
            &[[0.28, 0.05], [0.2, 0.48], [0.5, 0.58], [0.84, 0.53]],
            &[[0.74, 0.04], [0.68, 0.5], [0.64, 0.98]],
        ],
        &[
            &[[0.62, 0.02], [0.38, 0.34], [0.14, 0.66]],
            &[[0.14, 0.66], [0.5, 0.66], [0.9, 0.64]],
            &[[0.62, 0.02], [0.62, 0.5], [0.62, 0.98]],
        ],
    ],
    &[&[
        &[[0.8, 0.05], [0.55, 0.05], [0.33, 0.07]],
        &[[0.33, 0.07], [0.27, 0.44]],
        &[[0.27, 0.44], [0.55, 0.39], [0.79, 0.62], [0.66, 0.92], [0.4, 0.98], [0.17, 0.88]],
    ]],
    &[&[&[
        [0.68, 0.03], [0.38, 0.3], [0.22, 0.68], [0.4, 0.96], [0.7, 0.88], [0.75, 0.62],
        [0.52, 0.5], [0.26, 0.68],
    ]]],
    &[
        &[
            &[[0.17, 0.08], [0.5, 0.09], [0.83, 0.06]],
            &[[0.83, 0.06], [0.58, 0.5], [0.42, 0.98]],
        ],
        &[
            &[[0.17, 0.09], [0.5, 0.08], [0.83, 0.06]],
            &[[0.83, 0.06], [0.58, 0.5], [0.44, 0.98]],
            &[[0.32, 0.52], [0.8, 0.48]],
        ],
    ],
    &[&[&[
        [0.74, 0.14], [0.5, 0.02], [0.27, 0.18], [0.46, 0.43], [0.72, 0.66], [0.66, 0.92],
        [0.42, 0.97], [0.26, 0.76], [0.46, 0.5], [0.72, 0.3], [0.73, 0.13],
    ]]],
    &[&[
        &[
            [0.76, 0.24], [0.54, 0.03], [0.27, 0.2], [0.36, 0.46], [0.62, 0.42], [0.76, 0.2],
        ],
        &[[0.76, 0.2], [0.73, 0.55], [0.6, 0.98]],
    ]],
];

/// Straight pieces between two points of a stroke.
const PIECES: usize = 6;

fn draw(digit: u8, generator: &mut Pcg64, image: &mut [u8]) {
    let ways = TEMPLATES[usize::from(digit)];
    let strokes = ways[generator.random_range(0..ways.len())];
    let mut around = |spread: f32| generator.random_range(-spread..spread);

    let angle = around(0.22);
    let shear = around(0.28);
    let (width, height) = (16.5 + around(3.0), 18.5 + around(1.5));
    // Two waves across the image bend the strokes: a smooth elastic field.
    let waves: [[f32; 4]; 2] =
        [0, 1].map(|_| [around(0.045), around(1.2), around(1.2), around(TAU / 2.0)]);
    let warp = |[x, y]: Point| {
        let [dx, dy] =
            waves.map(|[size, fx, fy, phase]| size * (TAU * (fx * x + fy * y) + phase).sin());
        let (x, y) = ((x + dx - 0.5) * width, (y + dy - 0.5) * height);
        let x = x - shear * y;
        let (sin, cos) = angle.sin_cos();
        [cos * x - sin * y, sin * x + cos * y]
    };

    let mut segments = Vec::new();
    for &stroke in strokes {
        let jittered: Vec<Point> = stroke
            .iter()
            .map(|&[x, y]| [x + around(0.03), y + around(0.03)])
            .collect();
        let curve: Vec<Point> = smooth(&jittered).into_iter().map(warp).collect();
        segments.extend(curve.windows(2).map(|pair| [pair[0], pair[1]]));
    }

    let pen = Pen {
        radius: 1.25 + around(0.55),
        softness: 0.75 + around(0.2),
    };
    let centre = SIDE as f32 / 2.0 - 0.5;
    let [x, y] = centre_of_mass(&segments);
    for segment in &segments {
        pen.ink(
            segment.map(|point| [point[0] - x + centre, point[1] - y + centre]),
            image,
        );
    }
}

/// A Catmull-Rom curve through the points, as a polygon.
fn smooth(points: &[Point]) -> Vec<Point> {
    let last = points.len() - 1;
    let mut curve = vec![points[0]];
    for i in 0..last {
        let [a, b, c, d] = [
            points[i.saturating_sub(1)],
            points[i],
            points[i + 1],
            points[(i + 2).min(last)],
        ];
        for step in 1..=PIECES {
            let t = step as f32 / PIECES as f32;
            curve.push(core::array::from_fn(|k| {
                let linear = c[k] - a[k];
                let square = 2.0 * a[k] - 5.0 * b[k] + 4.0 * c[k] - d[k];
                let cubic = 3.0 * (b[k] - c[k]) + d[k] - a[k];
                b[k] + 0.5 * t * (linear + t * (square + t * cubic))
            }));
        }
    }
    curve
}

fn centre_of_mass(segments: &[[Point; 2]]) -> Point {
    let mut sum = [0.0; 2];
    let mut weight = 0.0;
    for [a, b] in segments {
        let length = (b[0] - a[0]).hypot(b[1] - a[1]);
        weight += length;
        for k in 0..2 {
            sum[k] += length * (a[k] + b[k]) / 2.0;
        }
    }
    sum.map(|sum| sum / weight)
}

struct Pen {
    /// Half the thickness, in pixels.
    radius: f32,
    /// Half the width of the soft edge, in pixels: the blur.
    softness: f32,
}

impl Pen {
    /// Draws one segment; where strokes cross, the darker ink stays.
    fn ink(&self, [a, b]: [Point; 2], image: &mut [u8]) {
        let reach = self.radius + self.softness;
        let range = |k: usize| {
            let pixel = |at: f32| at.clamp(0.0, SIDE as f32) as usize;
            let low = pixel((a[k].min(b[k]) - reach).floor());
            let high = pixel((a[k].max(b[k]) + reach).ceil() + 1.0);
            low..high
        };
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let square = (dx * dx + dy * dy).max(1e-9);
        for row in range(1) {
            for column in range(0) {
                let (px, py) = (column as f32 - a[0], row as f32 - a[1]);
                let along = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                let edge = ((reach - distance) / (2.0 * self.softness)).clamp(0.0, 1.0);
                let ink = (255.0 * edge * edge * (3.0 - 2.0 * edge)) as u8;
                let pixel = &mut image[row * SIDE + column];
                *pixel = ink.max(*pixel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_digit_depends_on_its_seed_and_index_alone() {
        let pixels = |count, seed| generate(count, seed).images(&Device::default()).into_data();
        let long = generate(50, 7)
            .take(20)
            .images(&Device::default())
            .into_data();
        assert_eq!(pixels(20, 7), long);
        assert_ne!(pixels(20, 7), pixels(20, 8));
    }

    #[test]
    fn every_class_is_drawn_inside_the_image_and_with_ink() {
        let digits = generate(2000, 1);
        let images: Vec<f32> = digits
            .images(&Device::default())
            .into_data()
            .try_to_vec()
            .unwrap();
        let mut seen = [0; 10];
        for (image, &label) in images.chunks(SIDE * SIDE).zip(digits.labels()) {
            seen[usize::from(label)] += 1;
            let ink: f32 = image.iter().sum();
            assert!(
                (15.0..250.0).contains(&ink),
                "a {label} has {ink} pixels of ink"
            );
            let border = image[..SIDE].iter().sum::<f32>();
            assert!(border < 0.05 * ink, "a {label} leaves the image");
        }
        assert!(seen.iter().all(|&count| count > 140), "{seen:?}");
    }
}
