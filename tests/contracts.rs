//! The laws that every implementation of a contract keeps: one row for each, on every backend.

mod common;

use burn::prelude::*;
use burn_generative::Error;
use burn_generative::loss::{
    AnyLikelihood, ContinuousBernoulliNll, L1Loss, LaplaceNll, LearnedGaussianNll, Nll,
};
use burn_generative::model::Augmented;
use burn_generative::nn::{
    AnyCorruption, Binarization, GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption,
};
use burn_generative::prelude::*;
use burn_generative::prior::{
    AnyPrior, FullGaussianMixture, GaussianMixture, KernelDensity, SwissRollConfig, Uniform,
};
use common::{assert_all_close, assert_close, cpu, devices, noise, tensor, values};

/// A loss is per sample: `[batch]`, and a batch costs what its samples cost alone. It is a sum over
/// the event: twice the event, twice the loss. It is finite at large outputs.
fn reconstruction_laws<L: ReconstructionLoss<Tensor<4>>>(name: &str, loss: &L, device: &Device) {
    let shape = [3, 2, 4, 5];
    let output = tensor(shape, device, noise(1, 4.0));
    let target = tensor(shape, device, |i| 0.5 + noise(2, 0.5)(i));
    let all = values(loss.loss(output.clone(), target.clone()));
    assert_eq!(all.len(), 3, "{name}");

    let alone: Vec<f64> = (0..3)
        .flat_map(|i| {
            values(loss.loss(
                output.clone().narrow(0, i, 1),
                target.clone().narrow(0, i, 1),
            ))
        })
        .collect();
    assert_all_close(
        &all,
        &alone,
        1e-5,
        &format!("{name}: samples are independent"),
    );

    let twice = |t: &Tensor<4>| Tensor::cat(vec![t.clone(), t.clone()], 3);
    let doubled = values(loss.loss(twice(&output), twice(&target)));
    let want: Vec<f64> = all.iter().map(|one| 2.0 * one).collect();
    assert_all_close(
        &doubled,
        &want,
        1e-5,
        &format!("{name}: a sum over the event"),
    );

    let huge = loss.loss(output.clone() * 25.0, target.clone());
    assert!(
        values(huge).iter().all(|x| x.is_finite()),
        "{name} at large outputs"
    );

    loss.check(&target, name).unwrap();
    let poisoned = target * f64::NAN;
    assert!(loss.check(&poisoned, name).is_err(), "{name}: NaN");
}

#[test]
fn reconstruction_losses() {
    for (name, device) in devices() {
        let law = |loss: &str| format!("{loss} on {name}");
        reconstruction_laws(&law("BernoulliNll"), &BernoulliNll, &device);
        reconstruction_laws(
            &law("ContinuousBernoulliNll"),
            &ContinuousBernoulliNll,
            &device,
        );
        reconstruction_laws(
            &law("GaussianNll"),
            &GaussianNll::new(0.3).unwrap(),
            &device,
        );
        reconstruction_laws(
            &law("LearnedGaussianNll"),
            &LearnedGaussianNll::new(&device),
            &device,
        );
        reconstruction_laws(&law("SquaredError"), &SquaredError, &device);
        reconstruction_laws(&law("L1Loss"), &L1Loss, &device);
        reconstruction_laws(&law("LaplaceNll"), &LaplaceNll::new(0.3).unwrap(), &device);
        let chosen = AnyLikelihood::Gaussian(GaussianNll::new(0.3).unwrap());
        reconstruction_laws(&law("Likelihood"), &chosen, &device);
        reconstruction_laws(&law("heteroscedastic"), &Fixed, &device);
    }
}

/// [`Nll`] of a Gaussian behind one tensor: a log-variance of -1 everywhere.
#[derive(Module, Debug)]
struct Fixed;

impl ReconstructionLoss<Tensor<4>> for Fixed {
    fn loss(&self, mean: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
        let log_var = Tensor::full(mean.shape(), -1.0, &mean.device());
        Nll.loss(DiagonalGaussian::new(mean, log_var), target)
    }
    fn point(&self, mean: Tensor<4>) -> Tensor<4> {
        mean
    }
    fn check(&self, target: &Tensor<4>, what: &str) -> burn_generative::Result<()> {
        target.check_finite(what)
    }
}

#[test]
fn losses_have_their_closed_form_values() {
    for (name, device) in devices() {
        let (output, target) = (
            tensor([1, 2], &device, |i| [1.0, -2.0][i]),
            Tensor::zeros([1, 2], &device),
        );
        let one = |loss: Tensor<1>| values(loss)[0];
        assert_close(
            one(SquaredError.loss(output.clone(), target.clone())),
            5.0,
            1e-6,
            name,
        );
        assert_close(
            one(L1Loss.loss(output.clone(), target.clone())),
            3.0,
            1e-6,
            name,
        );
        // A unit Gaussian is half the squared error and ln(2 pi) for two elements.
        let want = 2.5 + (2.0 * std::f64::consts::PI).ln();
        let unit = GaussianNll::default().loss(output.clone(), target.clone());
        assert_close(one(unit), want, 1e-6, name);
        let learned = LearnedGaussianNll::new(&device).loss(output, target);
        assert_close(one(learned), want, 1e-6, name);
    }
}

/// A prior's samples have the moments its density says; the KL of a posterior that equals the prior
/// is zero on average.
#[test]
fn standard_normal() {
    for (name, device) in devices() {
        let prior = StandardNormal::new(4);
        let z = prior.sample(5000, &device);
        let all = values(z.clone());
        let n = all.len() as f64;
        let mean = all.iter().sum::<f64>() / n;
        let variance = all.iter().map(|z| z * z).sum::<f64>() / n;
        assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean} on {name}");
        assert!(
            (variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
            "variance {variance} on {name}"
        );

        let want: Vec<f64> = all
            .chunks(4)
            .map(|z| {
                -z.iter()
                    .map(|z| 0.5 * (z * z + (2.0 * std::f64::consts::PI).ln()))
                    .sum::<f64>()
            })
            .collect();
        assert_all_close(&values(prior.log_prob(z)), &want, 1e-5, name);

        let maps = StandardNormal::<4>::with_event(&[2, 3, 3]);
        assert_eq!(maps.sample(5, &device).dims(), [5, 2, 3, 3]);
    }
}

/// A density over the plane integrates to 1, and says which share of the samples falls into a rectangle.
fn prior_laws(what: &str, prior: &impl Prior<Value = Tensor<2>>, device: &Device) {
    const SIDE: usize = 120;
    let (low, step) = (-6.0, 0.1);
    let centre = |i: usize| low + (i as f64 + 0.5) * step;
    let grid = tensor([SIDE * SIDE, 2], device, |i| match i % 2 {
        0 => centre(i / 2 / SIDE),
        _ => centre(i / 2 % SIDE),
    });
    // A tenth at a time: few launches, and a density with a thousand nodes still fits.
    const PART: usize = SIDE * SIDE / 10;
    let part = |i: usize| prior.log_prob(grid.clone().narrow(0, i * PART, PART));
    let mass: Vec<f64> = (0..10)
        .flat_map(|i| values(part(i)))
        .map(|log_density| log_density.exp() * step * step)
        .collect();
    assert_close(mass.iter().sum(), 1.0, 2e-3, &format!("integral of {what}"));

    let n = 20_000;
    let samples = values(prior.sample(n, device));
    let inside = |x: f64, y: f64| (-0.5..2.0).contains(&x) && (-1.0..1.5).contains(&y);
    let got = samples.chunks(2).filter(|z| inside(z[0], z[1])).count() as f64 / n as f64;
    let of_cell = |(i, mass): (usize, &f64)| match inside(centre(i / SIDE), centre(i % SIDE)) {
        true => *mass,
        false => 0.0,
    };
    let want: f64 = mass.iter().enumerate().map(of_cell).sum();
    assert!(want > 0.02 && want < 0.98, "{what}: {want} shows nothing");
    let error = (want * (1.0 - want) / n as f64).sqrt();
    assert!(
        (got - want).abs() < 5.0 * error + 2e-3,
        "{what}: {got} of the samples, {want} of the mass"
    );
}

#[test]
fn priors_over_the_plane() {
    for (name, device) in devices() {
        device.seed(9);
        let law = |prior: &str| format!("{prior} on {name}");
        let mixture = || GaussianMixture::ring(5, 2.0, 0.4, &device).unwrap();
        let roll = SwissRollConfig::new().with_sigma(0.3).init().unwrap();
        let uniform = || Uniform::new(2, -2.0, 3.0).unwrap();
        prior_laws(&law("StandardNormal"), &StandardNormal::new(2), &device);
        prior_laws(&law("GaussianMixture"), &mixture(), &device);
        prior_laws(&law("SwissRoll"), &roll, &device);
        prior_laws(&law("Uniform"), &uniform(), &device);
        let nowhere = tensor([2, 2], &device, |i| [0.0, f64::NAN, 3.0, 0.0][i]);
        let density = values(uniform().log_prob(nowhere));
        assert_eq!(density, [f64::NEG_INFINITY; 2], "Uniform on {name}");
        let uneven = GaussianMixture::new(
            tensor([3], &device, |i| [0.0, 1.0, -1.0][i]),
            tensor([3, 2], &device, noise(1, 2.0)),
            tensor([3, 2], &device, noise(2, 1.0)),
        );
        prior_laws(&law("uneven mixture"), &uneven, &device);
        let full = || {
            let logits = tensor([2], &device, |i| [0.0, 0.7][i]);
            let means = tensor([2, 2], &device, noise(1, 1.5));
            let covariances = tensor([2, 2, 2], &device, |i| {
                [0.8, 0.5, 0.5, 0.6, 0.3, -0.2, -0.2, 1.0][i]
            });
            FullGaussianMixture::new(logits, means, covariances).unwrap()
        };
        prior_laws(&law("FullGaussianMixture"), &full(), &device);
        let codes = || tensor([40, 2], &device, noise(5, 2.0));
        let density = || KernelDensity::with_width(codes(), 0.3).unwrap();
        prior_laws(&law("KernelDensity"), &density(), &device);
        for kind in [
            AnyPrior::StandardNormal(StandardNormal::new(2)),
            AnyPrior::GaussianMixture(mixture()),
            AnyPrior::SwissRoll(roll.clone()),
            AnyPrior::Uniform(uniform()),
            AnyPrior::FullGaussianMixture(full()),
            AnyPrior::KernelDensity(density()),
        ] {
            let z = tensor([4, 2], &device, noise(3, 2.0));
            let want = match &kind {
                AnyPrior::StandardNormal(prior) => prior.log_prob(z.clone()),
                AnyPrior::GaussianMixture(prior) => prior.log_prob(z.clone()),
                AnyPrior::SwissRoll(prior) => prior.log_prob(z.clone()),
                AnyPrior::Uniform(prior) => prior.log_prob(z.clone()),
                AnyPrior::FullGaussianMixture(prior) => prior.log_prob(z.clone()),
                AnyPrior::KernelDensity(prior) => prior.log_prob(z.clone()),
                _ => unreachable!("the six above"),
            };
            assert_eq!(values(kind.log_prob(z)), values(want), "{name}");
            assert_eq!(kind.sample(7, &device).dims(), [7, 2], "{name}");
        }
    }
}

/// Far from every component the density underflows, and its logarithm does not.
#[test]
fn a_mixture_has_a_log_density_and_a_gradient_far_away() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let mixture = GaussianMixture::ring(3, 2.0, 0.5, &device).unwrap();
        let z = Tensor::<2>::from_floats([[1000.0, 0.0]], &device).require_grad();
        let log_prob = mixture.log_prob(z.clone());
        // The nearest component alone: (2, 0).
        let sigma = 0.5f64;
        let constant = 3f64.ln() + (2.0 * std::f64::consts::PI * sigma * sigma).ln();
        let want = -0.5 * (998.0 / sigma).powi(2) - constant;
        assert_close(values(log_prob.clone())[0], want, 1e-5, name);
        let gradient = values(z.grad(&log_prob.sum().backward()).unwrap());
        assert_close(gradient[0], -998.0 / (sigma * sigma), 1e-4, name);
    }
}

/// The samples of a label lie where its class does; those of "unknown" everywhere.
#[test]
fn labeled_priors() {
    for (name, device) in devices() {
        device.seed(2);
        let labels = |n: usize, label: i32| {
            Tensor::<1, Int>::from_data(TensorData::new(vec![label; n], [n]), &device)
        };
        let ring = GaussianMixture::ring(4, 3.0, 0.2, &device).unwrap();
        assert_eq!(ring.num_classes(), 4);
        let centres = [[3.0, 0.0], [0.0, 3.0], [-3.0, 0.0], [0.0, -3.0]];
        let near = |z: &[f64], centre: &[f64; 2]| {
            (z[0] - centre[0]).hypot(z[1] - centre[1]) < 1.2 // six sigma
        };
        for (label, centre) in centres.iter().enumerate() {
            let z = values(ring.sample_labeled(labels(50, label as i32)));
            assert!(z.chunks(2).all(|z| near(z, centre)), "{label} on {name}");
        }
        let n = 4000;
        let z = values(ring.sample_labeled(labels(n, -1)));
        for centre in &centres {
            let share = z.chunks(2).filter(|z| near(z, centre)).count() as f64 / n as f64;
            assert!((share - 0.25).abs() < 0.035, "{share} on {name}");
        }

        // A class of the roll is a piece of the spiral: its distance from the origin says which.
        let roll = SwissRollConfig::new().with_sigma(0.02).init().unwrap();
        assert_eq!(roll.num_classes(), 10);
        for label in [0, 3, 9] {
            let z = values(roll.sample_labeled(labels(50, label)));
            let [from, to] = [label, label + 1].map(|k| 4.0 * (f64::from(k) / 10.0).sqrt());
            let within = z.chunks(2).all(|z| {
                let distance = z[0].hypot(z[1]);
                distance > from - 0.15 && distance < to + 0.15
            });
            assert!(within, "{label} on {name}");
        }
        let z = values(roll.sample_labeled(labels(1000, -1)));
        let far = z
            .chunks(2)
            .filter(|z| z[0].hypot(z[1]) > 8f64.sqrt())
            .count();
        assert!((400..600).contains(&far), "half of it: {far} on {name}");
    }
}

#[test]
fn priors_that_cannot_work_are_refused_by_name() {
    let device = cpu();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    let ring =
        |n, radius, sigma| message(GaussianMixture::ring(n, radius, sigma, &device).map(drop));
    assert!(ring(0, 1.0, 1.0).contains("at least one component"));
    assert!(ring(3, -1.0, 1.0).contains("positive radius"));
    assert!(ring(3, 1.0, f64::NAN).contains("NaN"));
    assert!(message(Uniform::new(2, 1.0, 1.0).map(drop)).contains("from 1 to 1 is empty"));
    let roll = SwissRollConfig::new();
    let refused = |config: SwissRollConfig| message(config.init().map(drop));
    assert!(refused(roll.clone().with_classes(0)).contains("must be positive"));
    assert!(refused(roll.with_sigma(1e-5)).contains("too small"));
}

/// A posterior without a closed form: the standard normal falls back to one sample of it.
#[test]
fn a_posterior_without_a_closed_form_is_estimated() {
    struct Opaque(DiagonalGaussian);
    impl Code for Opaque {
        type Latent = Tensor<2>;
        type Noise = Tensor<2>;
        fn noise(&self) -> Tensor<2> {
            self.0.noise()
        }
        fn rsample_with(&self, noise: Tensor<2>) -> Tensor<2> {
            self.0.rsample_with(noise)
        }
        fn point(&self) -> Tensor<2> {
            self.0.point()
        }
    }
    impl Posterior for Opaque {
        fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
            self.0.log_prob(z)
        }
    }
    let device = cpu();
    let q = DiagonalGaussian::new(
        Tensor::full([20_000, 3], 0.7, &device),
        Tensor::full([20_000, 3], -0.5, &device),
    );
    let exact = values(q.kl_to_standard_normal())[0];
    let opaque = Opaque(q);
    let estimate = values(StandardNormal::new(3).kl(&opaque, &opaque.draw()));
    let mean = estimate.iter().sum::<f64>() / estimate.len() as f64;
    assert!((mean - exact).abs() < 0.05, "{mean} against {exact}");
}

/// The ready-made networks keep the batch apart and return the shapes they promise, for any shape of
/// the data.
#[test]
fn networks_derive_their_sizes_from_the_data() {
    for (name, device) in devices() {
        for shape in [[1, 28, 28], [3, 17, 30], [2, 4, 5], [1, 3, 2]] {
            let [c, h, w] = shape;
            let images = tensor([3, c, h, w], &device, noise(7, 1.0));
            let encoder = ConvEncoderConfig::new(shape, 6).with_channels(vec![4, 3]);
            let encoder = match h.min(w) {
                2 => encoder.with_channels(vec![4]),
                _ => encoder,
            };
            let decoder = ConvDecoderConfig::new(6, shape).with_channels(encoder.channels.clone());
            let encoder = encoder.init_gaussian(&device).unwrap();
            let decoder = decoder.init(&device).unwrap();
            let z = encoder.encode(images.clone()).point();
            assert_eq!(z.dims(), [3, 6], "{name}");
            assert_eq!(decoder.decode(z.clone()).dims(), [3, c, h, w], "{name}");
            let alone = encoder.encode(images.clone().narrow(0, 1, 1)).point();
            assert_all_close(&values(z.narrow(0, 1, 1)), &values(alone), 1e-4, name);

            let encoder = MlpEncoderConfig::new(shape.to_vec(), 6)
                .init(&device)
                .unwrap();
            let decoder = MlpDecoderConfig::new(6, shape.to_vec())
                .init_gaussian(&device)
                .unwrap();
            let z = encoder.encode(images);
            assert_eq!(z.dims(), [3, 6], "{name}");
            assert_eq!(decoder.decode(z).mean().dims(), [3, c, h, w], "{name}");
        }
        let rows = tensor([4, 13], &device, noise(3, 1.0));
        let encoder = MlpEncoderConfig::new(vec![13], 2)
            .with_hidden(vec![])
            .init_gaussian(&device)
            .unwrap();
        let decoder = MlpDecoderConfig::new(2, vec![13])
            .with_hidden(vec![5, 7])
            .init(&device)
            .unwrap();
        let output: Tensor<2> = decoder.decode(encoder.encode(rows).point());
        assert_eq!(output.dims(), [4, 13], "{name}");
    }
}

/// What a decoder starts at is its output of a code that says nothing.
#[test]
fn a_decoder_starts_where_it_is_told() {
    let device = cpu();
    let start = tensor::<4>([1, 1, 2, 3], &device, |i| i as f64 - 2.0);
    let decoder = MlpDecoderConfig::new(2, vec![1, 2, 3]).with_hidden(Vec::new());
    let decoder = decoder.init::<4>(&device).unwrap();
    let decoder = decoder.with_output_bias(start.clone());
    let outputs = decoder.decode(Tensor::zeros([2, 2], &device));
    assert_eq!(values(outputs), values(start.repeat_dim(0, 2)));
}

#[test]
fn sizes_that_cannot_work_are_refused_by_name() {
    let device = cpu();
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    let mlp = |shape: Vec<usize>, latent: usize, hidden: usize| {
        let config = MlpEncoderConfig::new(shape, latent).with_hidden(vec![hidden]);
        message(config.init::<4>(&device).map(drop))
    };
    assert!(mlp(vec![1, 28, 28], 0, 10).contains("latent_dim must be at least 1"));
    assert!(mlp(vec![1, 28, 28], 2, 0).contains("a hidden width must be at least 1"));
    assert!(mlp(vec![1, 0, 28], 2, 10).contains("[1, 0, 28] holds no elements"));
    assert!(mlp(vec![784], 2, 10).contains("rank 4"));
    assert!(
        mlp(vec![1, 28, 28], usize::MAX, 10)
            .contains("from 10 to 18446744073709551615 features has more than")
    );
    assert!(mlp(vec![usize::MAX, 28, 28], 2, 10).contains("or too many"));

    let conv = |shape, channels| {
        let config = ConvEncoderConfig::new(shape, 2).with_channels(channels);
        message(config.init_gaussian(&device).map(drop))
    };
    let small = conv([1, 4, 9], vec![2, 2, 2]);
    assert!(
        small.contains("an image of 4x9 is too small for 3 halvings"),
        "{small}"
    );
    assert!(
        small.contains("convolution 3 would work on 1x3 pixels"),
        "{small}"
    );
    assert!(conv([1, 28, 28], vec![]).contains("at least one convolution"));
    assert!(conv([1, 28, 28], vec![0]).contains("a number of filters must be at least 1"));
    let decoder = ConvDecoderConfig::new(0, [1, 28, 28])
        .init(&device)
        .map(drop);
    assert!(message(decoder).contains("ConvDecoder: latent_dim"));

    let vae = |config: VaeConfig| {
        let encoder = MlpEncoderConfig::new(vec![4], 2)
            .init_gaussian::<2>(&device)
            .unwrap();
        let decoder = MlpDecoderConfig::new(2, vec![4])
            .init::<2>(&device)
            .unwrap();
        message(
            config
                .init(encoder, decoder, StandardNormal::new(2), BernoulliNll)
                .map(drop),
        )
    };
    assert!(vae(VaeConfig::new().with_beta(-1.0)).contains("beta must be"));
    assert!(vae(VaeConfig::new().with_beta(f64::NAN)).contains("beta must be"));
    assert!(vae(VaeConfig::new().with_free_bits(f64::INFINITY)).contains("free_bits must be"));
}

#[test]
fn a_support_names_what_lies_outside() {
    for (name, device) in devices() {
        let check = |values: &[f64], support: Support| {
            let data = tensor([values.len(), 1], &device, |i| values[i]);
            support
                .check(&data, "pixels")
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&[0.0, 1.0], Support::UnitInterval), Ok(()), "{name}");
        assert_eq!(check(&[-5.0, 300.0], Support::Real), Ok(()), "{name}");
        let outside = check(&[0.5, 1.5], Support::UnitInterval).unwrap_err();
        assert!(
            outside.contains("pixels: values lie in [0.5, 1.5]"),
            "{outside} on {name}"
        );
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for support in [Support::UnitInterval, Support::Real] {
                let error = check(&[0.5, bad, 0.1], support).unwrap_err();
                assert!(error.contains("NaN or infinite"), "{error} on {name}");
            }
        }
        assert!(
            check(&[], Support::Real)
                .unwrap_err()
                .contains("holds no values"),
            "{name}"
        );
    }
}

/// What a corruption does: nothing at level 0, on average what its level says, to every sample alone, and
/// anew at every call.
#[test]
fn corruptions() {
    type Rows = Tensor<2>;
    let shape = [200, 500];
    for (name, device) in devices() {
        device.seed(4);
        let clean: Rows = Tensor::full(shape, 0.3, &device);
        let share = |rows: &Rows, value: f64| {
            let hits = values(
                rows.clone()
                    .sub_scalar(value)
                    .abs()
                    .lower_elem(1e-6)
                    .float()
                    .mean(),
            );
            hits[0]
        };

        let gaussian = GaussianCorruption::new(0.5).unwrap();
        let noise = values(gaussian.corrupt(clean.clone()) - clean.clone());
        let mean = noise.iter().sum::<f64>() / noise.len() as f64;
        let variance = noise.iter().map(|x| x * x).sum::<f64>() / noise.len() as f64;
        assert!(mean.abs() < 5.0 * 0.5 / 1e5f64.sqrt(), "{name}: {mean}");
        assert_close(variance, 0.25, 0.01, name);

        let masked = MaskingCorruption::new(0.2).unwrap().corrupt(clean.clone());
        assert_close(share(&masked, 0.0), 0.2, 0.01, name);
        assert_close(share(&masked, 0.3), 0.8, 0.01, name);

        let salted = SaltAndPepperCorruption::new(0.2)
            .unwrap()
            .corrupt(clean.clone());
        for (value, want) in [(0.0, 0.1), (1.0, 0.1), (0.3, 0.8)] {
            assert_close(share(&salted, value), want, 0.01, name);
        }

        let binary = Binarization.corrupt(clean.clone());
        for (value, want) in [(0.0, 0.7), (1.0, 0.3)] {
            assert_close(share(&binary, value), want, 0.01, name);
        }
        let extremes: Rows = tensor([2, 3], &device, |i| f64::from(u8::from(i % 2 == 0)));
        let same = values(Binarization.corrupt(extremes.clone()));
        assert_eq!(same, values(extremes), "{name}: what is binary stays");

        let kinds = |level: f64| {
            [
                AnyCorruption::Gaussian(GaussianCorruption::new(level).unwrap()),
                AnyCorruption::Masking(MaskingCorruption::new(level).unwrap()),
                AnyCorruption::SaltAndPepper(SaltAndPepperCorruption::new(level).unwrap()),
            ]
        };
        for corruption in kinds(0.0) {
            let same = values(corruption.corrupt(clean.clone()));
            assert_all_close(&same, &values(clean.clone()), 1e-7, name);
        }
        for corruption in kinds(0.5) {
            let [once, again] = [0, 1].map(|_| values(corruption.corrupt(clean.clone())));
            assert_ne!(once, again, "{name}: drawn anew");
            let noise = corruption.noise(&clean);
            let twin = |_| values(corruption.corrupt_with(clean.clone(), noise.clone()));
            let [once, again] = [0, 1].map(twin);
            assert_eq!(once, again, "{name}: the noise is all that is random");
        }
    }
    for level in [-0.1, 1.1, f64::NAN] {
        assert!(MaskingCorruption::new(level).is_err(), "{level}");
        assert!(SaltAndPepperCorruption::new(level).is_err(), "{level}");
    }
    let error = GaussianCorruption::new(-1.0).unwrap_err();
    assert!(error.to_string().contains("not -1"), "{error}");
}

/// A model learns from what is changed, and is judged on what is not; the likelihood is the model's own.
#[test]
fn an_augmented_model_is_judged_on_data_as_they_are() {
    #[derive(Module, Debug)]
    struct Ones;
    impl Corruption<Tensor<2>> for Ones {
        fn noise(&self, clean: &Tensor<2>) -> Tensor<2> {
            clean.ones_like()
        }
        fn corrupt_with(&self, _clean: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
            noise
        }
    }
    let device = cpu().autodiff();
    let autoencoder = Autoencoder::new(
        MlpEncoderConfig::new(vec![3], 2).init(&device).unwrap(),
        MlpDecoderConfig::new(2, vec![3]).init(&device).unwrap(),
        SquaredError,
    );
    let model = Augmented::new(autoencoder.clone(), Ones);
    let rows = tensor::<2>([2, 3], &device, |i| i as f64 * 0.1);
    let total = |losses: Losses| values(losses.total);
    assert_eq!(model.terms(), autoencoder.terms());
    assert_eq!(
        total(model.losses(rows.clone())),
        total(autoencoder.losses(rows.ones_like()))
    );
    let rows = rows.inner();
    let judged = total(model.valid().losses(rows.clone()));
    assert_eq!(judged, total(autoencoder.valid().losses(rows.clone())));
    assert_ne!(judged, total(autoencoder.valid().losses(rows.ones_like())));
}

/// The target of a denoising autoencoder is the clean input; in evaluation it corrupts if it is asked to.
#[test]
fn a_denoising_autoencoder_is_judged_on_the_clean_input() {
    #[derive(Module, Debug)]
    struct Same;
    impl Encoder for Same {
        type Input = Tensor<2>;
        type Code = Tensor<2>;
        fn encode(&self, input: Tensor<2>) -> Tensor<2> {
            input
        }
    }
    impl Decoder for Same {
        type Latent = Tensor<2>;
        type Output = Tensor<2>;
        fn decode(&self, latent: Tensor<2>) -> Tensor<2> {
            latent
        }
    }
    for (name, device) in devices() {
        let model = DenoisingAutoencoder::new(
            Same,
            Same,
            GaussianCorruption::new(2.0).unwrap(),
            SquaredError,
        );
        let clean = tensor([3, 5], &device, noise(1, 1.0));
        let given = tensor([3, 5], &device, noise(2, 1.0));
        let got = values(model.losses_with(clean.clone(), given.clone()).total);
        let want = values(sum_event((given * 2.0).square()));
        assert_all_close(&got, &want, 1e-5, name); // the loss is the noise itself

        assert!(
            values(model.losses(clean.clone()).total)
                .iter()
                .all(|&loss| loss > 0.0)
        );
        let model = model.with_corrupt_at_evaluation(false);
        assert_eq!(values(model.losses(clean).total), [0.0; 3], "{name}");
    }
}
