//! Flows as densities: they integrate to one, their draws are finite, what is counted is counted once.

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::tensor::{DType, Distribution};
use burn_generative::Error;
use burn_generative::distribution::DiagonalGaussian;
use burn_generative::flow::*;
use burn_generative::metric::{Estimate, importance_weighted_bound};
use burn_generative::model::{ConditionalLikelihood, DensityFit};
use burn_generative::nn::{Head, frozen_copy, initialize};
use burn_generative::prelude::*;
use burn_generative::prior::{GaussianMixture, SwissRollConfig, Uniform};
use burn_generative::weights;
use common::{assert_all_close, assert_close, cpu, noise, seeded, tensor, values};

/// Adds random numbers to every parameter that is learned.
struct Shake(f64);

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        param.map(|values| {
            let noise = values.random_like(Distribution::Normal(0.0, self.0));
            (values.detach() + noise).detach().require_grad()
        })
    }
}

fn shake<M: Module>(module: M, scale: f64) -> M {
    initialize(&module);
    module.map(&mut Shake(scale))
}

/// All parameters in another type.
struct In(DType);

impl ModuleMapper for In {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| values.cast(self.0))
    }
}

fn normal() -> StandardNormal {
    StandardNormal::new(2)
}

fn real_nvp(device: &Device) -> Flow<RealNvp, StandardNormal> {
    let config = RealNvpConfig::new(2)
        .with_couplings(4)
        .with_hidden(vec![16]);
    Flow::new(config.init(device).unwrap(), normal())
}

fn spline_flow(device: &Device) -> Flow<SplineFlow, StandardNormal> {
    let config = SplineFlowConfig::new(2)
        .with_couplings(3)
        .with_hidden(vec![16]);
    Flow::new(config.init(device).unwrap(), normal())
}

fn maf(device: &Device) -> Flow<Maf<SplineMap>, StandardNormal> {
    let config = MafConfig::new(2).with_layers(3).with_hidden(vec![16]);
    let bijection = config.init_with_map(SplineMap::default(), device).unwrap();
    Flow::new(bijection, normal())
}

// ---- densities

/// The midpoint rule over so many squares on a side of one that holds all but a rounding error.
fn integrates_to_one<F: Prior<Value = Tensor<2>>>(flow: F, cells: usize, what: &str) {
    let side = 18.0;
    let cell = 2.0 * side / cells as f64;
    let at = |index: usize| (index as f64 + 0.5) * cell - side;
    let rows = 60;
    let mut total = 0.0;
    for block in 0..cells / rows {
        let points = tensor([rows * cells, 2], &cpu(), |i| {
            let point = block * rows * cells + i / 2;
            at([point / cells, point % cells][i % 2])
        });
        total += values(flow.log_prob(points).exp().sum())[0] * cell * cell;
    }
    assert_close(total, 1.0, 5e-3, what);
}

#[test]
fn densities_integrate_to_one() {
    let (device, _turn) = seeded(1);
    integrates_to_one(shake(real_nvp(&device), 0.1).valid(), 600, "RealNVP");
    integrates_to_one(shake(spline_flow(&device), 0.1).valid(), 600, "splines");
    integrates_to_one(shake(maf(&device), 0.1).valid(), 600, "MAF");
    let planar = |_| Planar::new(2, 0, &device).unwrap();
    let planar = Flow::new((0..3).map(planar).collect::<Vec<_>>(), normal());
    integrates_to_one(shake(planar, 0.7).valid(), 240, "planar");
    let radial = |_| Radial::new(2, 0, &device).unwrap();
    let radial = Flow::new((0..3).map(radial).collect::<Vec<_>>(), normal());
    integrates_to_one(shake(radial, 0.7).valid(), 240, "radial");
}

#[test]
fn a_million_draws_with_steep_parameters_are_numbers() {
    let (device, _turn) = seeded(2);
    let flow = shake(spline_flow(&device), 2.0).valid();
    let samples = flow.sample(1_000_000, &cpu());
    assert!(values(samples.mul_scalar(0.0).sum()) == [0.0]);
    // Also where the parameters are those of no sane network, in both tails.
    let map = SplineMap::default();
    let parameters = tensor([1000, map.parameters(), 100], &cpu(), noise(3, 1e3));
    let numbers = tensor([1000, 100], &cpu(), noise(4, 8.0));
    let (x, log_slope) = map.inverse(numbers.clone(), parameters.clone());
    let (y, slope) = map.forward(x, parameters);
    for all in [&y, &log_slope, &slope] {
        assert!(values(all.clone().mul_scalar(0.0).sum()) == [0.0]);
    }
    let off = (y - numbers).abs().max().into_scalar::<f32>();
    assert!(off < 1e-2, "{off}");
}

#[test]
fn an_f32_density_is_that_of_f64_after_500_steps() {
    let (device, _turn) = seeded(3);
    let spiral = SwissRollConfig::new().init().unwrap();
    let mut model = MaximumLikelihood::new(spline_flow(&device));
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for _step in 0..500 {
        let rows = spiral.sample(128, &device);
        (model, _) = model.learn(&mut adam, 3e-3, rows);
    }
    let rows = spiral.sample(500, &cpu());
    let single = values(model.valid().log_prob(rows.clone()));
    let double = model.valid().map(&mut In(DType::F64));
    let double = values(double.log_prob(rows.cast(DType::F64)));
    assert_all_close(&single, &double, 1e-4, "log_prob");
}

/// A flow never explains data better than the density that the data comes from, and comes near it.
#[test]
fn a_flow_comes_near_a_known_entropy_from_above() {
    let (device, _turn) = seeded(4);
    let truth = GaussianMixture::ring(3, 2.0, 0.5, &cpu()).unwrap();
    let mut model = MaximumLikelihood::new(spline_flow(&device));
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    for step in 0..600 {
        let rows = truth.sample(256, &cpu()).autodiff();
        let rate = 5e-3 * (1.0 - step as f64 / 600.0);
        (model, _) = model.learn(&mut adam, rate, rows);
    }
    let rows = truth.sample(20_000, &cpu());
    let excess = truth.log_prob(rows.clone()) - model.valid().log_prob(rows);
    let excess = Estimate::of_batch(excess).unwrap();
    assert!(excess.mean > -3.0 * excess.standard_error, "{excess}");
    assert!(excess.mean < 0.1, "{excess}");
}

#[test]
fn a_temperature_draws_samples_together() {
    let (device, _turn) = seeded(5);
    let flow = shake(real_nvp(&device), 0.1).valid();
    let spread = |temperature: f64| {
        let samples = flow.sample_at(4000, temperature, &cpu()).unwrap();
        values(samples.var(0).sum())[0]
    };
    assert!(spread(0.0) < 1e-8);
    let [cold, usual, hot] = [0.5, 1.0, 1.5].map(spread);
    assert!(cold < usual && usual < hot, "{cold}, {usual}, {hot}");
    for temperature in [-0.5, f64::NAN] {
        assert!(matches!(
            flow.sample_at(1, temperature, &cpu()),
            Err(Error::Config(_))
        ));
    }
}

// ---- ActNorm

#[test]
fn act_norm_starts_on_the_first_training_batch_and_once() {
    let (device, _turn) = seeded(6);
    let batch = |seed, shift: f64| tensor::<4>([6, 2, 3, 3], &device, noise(seed, 3.0)) + shift;
    let norm = ActNorm::<4>::new(2, &device).unwrap();

    // Neither evaluation nor a frozen copy is a training.
    let inner = batch(1, 5.0).without_autodiff();
    let (z, _) = norm.valid().forward(inner.clone());
    assert_eq!(values(z), values(inner.clone()));
    let (z, _) = frozen_copy(&norm).forward(batch(1, 5.0));
    assert_eq!(values(z), values(inner));

    let (z, log_det) = norm.forward(batch(1, 5.0));
    let channels = z.swap_dims(0, 1).reshape([2, 54]);
    assert_all_close(
        &values(channels.clone().mean_dim(1)),
        &[0.0; 2],
        1e-5,
        "mean",
    );
    let squares = channels.square().mean_dim(1);
    assert_all_close(&values(squares), &[1.0; 2], 1e-4, "variance");

    // Not on the second, and not after loading.
    let second = batch(2, -7.0);
    let (z, other) = norm.forward(second.clone());
    assert!(values(z.clone().mean())[0] < -3.0);
    assert_eq!(values(other), values(log_det));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("norm.safetensors");
    weights::save(&norm.valid(), &path).unwrap();
    let fresh = ActNorm::<4>::new(2, &device).unwrap();
    let loaded = weights::load(fresh, &path).unwrap();
    assert_eq!(
        values(loaded.forward(second.clone()).0),
        values(z.clone()),
        "SafeTensors"
    );
    let path = folder.path().join("norm.bpk");
    norm.save_file(&path).unwrap();
    let loaded = ActNorm::<4>::new(2, &device)
        .unwrap()
        .try_load_file(&path)
        .unwrap();
    assert_eq!(
        values(loaded.forward(second).0),
        values(z),
        "burn's own format"
    );
}

#[test]
fn act_norm_of_a_constant_channel_or_of_one_row_stays_finite() {
    let (device, _turn) = seeded(7);
    let first = Tensor::<2>::from_floats([[3.0, 1.0], [3.0, 2.0]], &device);
    let (z, log_det) = ActNorm::new(2, &device).unwrap().forward(first.clone());
    assert_all_close(
        &values(z),
        &[0.0, -1.0, 0.0, 1.0],
        1e-5,
        "a constant channel",
    );
    assert_close(values(log_det)[0], 2f64.ln(), 1e-5, "its volume");
    let one = first.narrow(0, 0, 1);
    let (z, log_det) = ActNorm::new(2, &device).unwrap().forward(one);
    assert_eq!(values(z), [0.0, 0.0]);
    assert_eq!(values(log_det), [0.0]);
}

// ---- orders and masks

/// Each output depends on what comes before it in the order, on nothing else, and on all of that.
#[test]
fn a_masked_perceptron_sees_what_comes_before() {
    let (device, _turn) = seeded(8);
    for order in [vec![0, 1, 2, 3], vec![3, 1, 0, 2], vec![2, 3, 1, 0]] {
        let network = MaskedPerceptron::new(&order, 0, &[12, 13], 2, &device).unwrap();
        let network = shake(network, 1.0);
        for (place, &coordinate) in order.iter().enumerate() {
            let x = tensor::<2>([5, 4], &device, noise(1, 1.0)).require_grad();
            let outputs = network.forward(x.clone(), None);
            let own = outputs.narrow(2, coordinate, 1).square().sum();
            let gradient = x.grad(&own.backward());
            let gradient = gradient.map_or([0.0; 4].to_vec(), |g| values(g.abs().sum_dim(0)));
            let seen = |other: &usize| gradient[*other] > 0.0;
            let want: Vec<bool> = (0..4)
                .map(|other| order[..place].contains(&other))
                .collect();
            let got: Vec<bool> = (0..4).map(|other| seen(&other)).collect();
            assert_eq!(got, want, "coordinate {coordinate} in {order:?}");
        }
    }
}

#[test]
fn an_order_is_saved_with_the_weights() {
    let (device, _turn) = seeded(9);
    let maf = |order: &[usize]| {
        let maf = MaskedAutoregressive::new(order, 0, &[8], AffineMap::default(), &device);
        shake(maf.unwrap(), 0.5).valid()
    };
    let (saved, other) = (maf(&[2, 0, 1]), maf(&[0, 1, 2]));
    let x = tensor([4, 3], &cpu(), noise(1, 1.0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maf.safetensors");
    weights::save(&saved, &path).unwrap();
    let loaded = weights::load(other, &path).unwrap();
    assert_eq!(
        values(loaded.forward(x.clone()).0),
        values(saved.forward(x).0)
    );
}

/// No weights make the matrix singular, those of a file neither.
#[test]
fn a_linear_map_is_never_singular() {
    let (device, _turn) = seeded(10);
    struct Flatten;
    impl ModuleMapper for Flatten {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let is_scales = D == 1 && param.is_require_grad();
            param.map(|values| {
                if is_scales {
                    values.full_like(-1e9)
                } else {
                    values
                }
            })
        }
    }
    let map = InvertibleLinear::<2>::rotation(3, 1, &device).unwrap();
    let map = map.map(&mut Flatten).valid();
    let z = tensor::<2>([5, 3], &cpu(), noise(1, 1.0));
    let (x, log_det) = map.inverse(z.clone());
    assert!(values(log_det).iter().all(|number| number.is_finite()));
    assert!(values(x).iter().all(|number| number.is_finite()));

    let singular = Tensor::<2>::from_floats([[1.0, 2.0], [2.0, 4.0]], &cpu());
    let error = InvertibleLinear::<2>::from_matrix(singular).unwrap_err();
    assert!(error.to_string().contains("singular"), "{error}");
    // And the matrix is the one that was given.
    let matrix = Tensor::<2>::from_floats([[0.0, 2.0], [-3.0, 1.0]], &cpu());
    let map = InvertibleLinear::<2>::from_matrix(matrix.clone()).unwrap();
    let rows = tensor::<2>([4, 2], &cpu(), noise(1, 1.0));
    let want = values(rows.clone().matmul(matrix));
    let (z, log_det) = map.forward(rows);
    assert_all_close(&values(z), &want, 1e-5, "the matrix");
    assert_close(values(log_det)[0], 6f64.ln(), 1e-5, "its determinant");
}

// ---- images

/// A squeeze only moves numbers, and keeps each patch of 2x2 pixels of a channel in four channels side by side.
#[test]
fn a_squeeze_keeps_patches_together() {
    let images = tensor::<4>([1, 2, 4, 4], &cpu(), |i| i as f64);
    let (z, _) = Squeeze.forward(images);
    assert_eq!(z.dims(), [1, 8, 2, 2]);
    let patch = |channel: usize, row: usize, column: usize| -> Vec<f64> {
        let all = values(z.clone());
        (0..4)
            .map(|k| all[(4 * channel + k) * 4 + 2 * row + column])
            .collect()
    };
    assert_eq!(patch(0, 0, 0), [0.0, 1.0, 4.0, 5.0]);
    assert_eq!(patch(1, 1, 0), [24.0, 25.0, 28.0, 29.0]);
}

#[test]
fn levels_survive_a_dequantisation_and_a_uniform_density_takes_eight_bits() {
    let (_, _turn) = seeded(11);
    // A density whose sample is what it was last asked about.
    let levels = tensor::<2>([256, 40], &cpu(), |i| (i / 40) as f64);
    let model = Dequantize::new(Uniform::new(40, 0.0, 1.0).unwrap(), 256).unwrap();
    let (u, log_noise) = model.noise.draw(&levels, 256);
    let log_prob = model.log_prob_with(levels.clone(), u.clone(), log_noise);
    let bits = values(bits_per_dimension(log_prob, 40));
    assert_all_close(&bits, &[8.0; 256], 1e-6, "bits");
    let again = ((levels.clone() + u) / 256.0 * 256.0).floor();
    assert_eq!(values(again), values(levels));
    let samples = values(model.sample(1000, &cpu()));
    assert!(
        samples
            .iter()
            .all(|level| (0.0..256.0).contains(level) && level.fract() == 0.0)
    );
}

/// The bound on a discrete law is not above its probability: here an even flow over a die with four sides.
#[test]
fn a_dequantised_bound_stays_below() {
    let (device, _turn) = seeded(12);
    let shares = [0.5, 0.25, 0.2, 0.05];
    let entropy: f64 = shares.iter().map(|p: &f64| -p * p.ln()).sum();
    let levels = tensor::<2>([2000, 1], &cpu(), |i| {
        let share = (i as f64 + 0.5) / 2000.0;
        let sums = shares.iter().scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        });
        sums.take_while(|&sum| sum < share).count() as f64
    });
    let splines = Elementwise::new(1, SplineMap::new(16, 8.0).unwrap(), &device).unwrap();
    let bijection = Chain::new(Logit::<2>::new(0.001).unwrap(), splines);
    let flow = Flow::new(bijection, StandardNormal::new(1));
    let mut model = MaximumLikelihood::new(Dequantize::new(flow, 4).unwrap());
    let mut adam = AdamConfig::new().init();
    for _step in 0..300 {
        (model, _) = model.learn(&mut adam, 2e-2, levels.clone().autodiff());
    }
    let nll = model.valid().losses(levels.repeat(&[20, 1])).total;
    let nll = Estimate::of_batch(nll).unwrap();
    assert!(
        nll.mean > entropy - 3.0 * nll.standard_error,
        "{nll} and {entropy}"
    );
    assert!(nll.mean < entropy + 0.1, "{nll} and {entropy}");
}

#[test]
fn learned_noise_is_a_bound_too_and_trains() {
    let (device, _turn) = seeded(13);
    let levels = tensor::<2>([64, 3], &device, |i| (i * 7 % 5) as f64);
    let encoder = MlpEncoderConfig::new(vec![3], 3).with_hidden(vec![8]);
    let encoder = encoder.init_gaussian::<2>(&device).unwrap();
    let noise = VariationalDequantizer::new(encoder);
    let flow = Flow::new(
        Chain::new(
            Logit::<2>::new(0.01).unwrap(),
            RealNvpConfig::new(3)
                .with_couplings(2)
                .init(&device)
                .unwrap(),
        ),
        StandardNormal::new(3),
    );
    let mut model = MaximumLikelihood::new(Dequantize::with_noise(flow, noise, 5).unwrap());
    let (u, log_noise) = model.density.noise.draw(&levels, 5);
    assert!(values(u).iter().all(|u| (0.0..1.0).contains(u)));
    assert_eq!(log_noise.dims(), [64]);
    let before = common::weights(&model.density.noise);
    let mut adam = AdamConfig::new().init();
    for _step in 0..3 {
        (model, _) = model.learn(&mut adam, 1e-2, levels.clone());
    }
    assert_ne!(common::weights(&model.density.noise), before);
}

// ---- posteriors and conditions

/// A head with random weights: its flow bends.
fn iaf_head(device: &Device) -> FlowHead<Iaf> {
    let iaf = IafConfig::new(2).with_hidden(vec![8]).with_context(3);
    shake(
        FlowHead::new(2, 2, 3, iaf.init(device).unwrap(), device),
        0.5,
    )
}

/// What a draw says of its density is what the inverse says.
#[test]
fn a_draw_of_a_flow_posterior_knows_its_density() {
    let (device, _turn) = seeded(14);
    let features = || tensor::<2>([6, 2], &cpu(), noise(1, 1.0));
    let iaf = iaf_head(&device).valid().forward(features());
    let planar = |context: usize| {
        let flows: Vec<Planar> = (0..3)
            .map(|_| Planar::new(2, context, &device).unwrap())
            .collect();
        shake(FlowHead::new(2, 2, context, flows, &device), 0.5).valid()
    };
    let householder: Vec<Householder> = (0..2)
        .map(|_| Householder::new(2, 3, &device).unwrap())
        .collect();
    let householder = shake(FlowHead::new(2, 2, 3, householder, &device), 0.5).valid();
    fn check<Q: Posterior<Latent = Tensor<2>>>(posterior: Q, what: &str) {
        let draw = posterior.draw();
        let known = values(draw.log_prob.clone().unwrap());
        assert_all_close(&known, &values(posterior.log_prob(draw.z)), 1e-3, what);
        assert_eq!(posterior.point().dims(), [6, 2]);
    }
    check(iaf, "IAF");
    check(planar(0).forward(features()), "planar");
    check(planar(3).forward(features()), "planar, given features");
    check(householder.forward(features()), "Householder");
}

/// `x = z + noise`, both standard normal, with a posterior that is a flow and not the true one.
struct Noisy {
    head: FlowHead<Iaf>,
}

impl LatentVariableModel for Noisy {
    type Input = Tensor<2>;
    type Posterior = FlowPosterior<DiagonalGaussian, Iaf>;

    fn posterior(&self, x: Tensor<2>) -> Self::Posterior {
        self.head.forward(x)
    }

    fn evidence_of(&self, x: Tensor<2>, q: &Self::Posterior, draw: Draw<Tensor<2>>) -> Evidence {
        let prior = normal();
        let log_likelihood = GaussianNll::default().loss(draw.z.clone(), x).neg();
        let kl = prior.kl(q, &draw);
        let log_q = q.log_prob_of(&draw);
        let log_weight = log_likelihood.clone() + prior.log_prob(draw.z) - log_q;
        Evidence {
            log_likelihood,
            log_weight,
            kl,
        }
    }
}

/// The mean weight is `p(x)`: were a log-determinant that of another point, or of another sign, it would not be.
#[test]
fn the_weights_of_a_flow_posterior_average_to_the_evidence() {
    let (device, _turn) = seeded(15);
    let head = FlowHead::new(
        2,
        2,
        3,
        IafConfig::new(2)
            .with_hidden(vec![8])
            .with_context(3)
            .init(&device)
            .unwrap(),
        &device,
    );
    let model = Noisy {
        head: shake(head, 0.15).valid(),
    };
    // Each of five points many times, so that few calls make many draws.
    let x = tensor::<2>([5, 2], &cpu(), noise(2, 1.0)).repeat(&[400, 1]);
    let bound = importance_weighted_bound(&model, x.clone(), 50).unwrap();
    let double = x.full_like(2f64.ln());
    let exact = DiagonalGaussian::new(x.zeros_like(), double).log_prob(x);
    let share = (bound.log_prob - exact).exp().reshape([400, 5]);
    assert_all_close(&values(share.mean_dim(0)), &[1.0; 5], 0.05, "of p(x)");
}

#[test]
fn a_flow_prior_trains_in_a_vae_and_is_fitted_to_codes() {
    let (device, _turn) = seeded(16);
    let rows = tensor::<2>([64, 5], &device, noise(1, 1.0));
    let encoder = MlpEncoderConfig::new(vec![5], 2).with_hidden(vec![8]);
    let decoder = MlpDecoderConfig::new(2, vec![5]).with_hidden(vec![8]);
    let mut vae = Vae::new(
        encoder.init_gaussian(&device).unwrap(),
        decoder.init(&device).unwrap(),
        real_nvp(&device),
        GaussianNll::default(),
    );
    let before = common::weights(&vae.prior);
    let mut adam = AdamConfig::new().init();
    for _step in 0..3 {
        (vae, _) = vae.learn(&mut adam, 1e-2, rows.clone());
    }
    assert_ne!(common::weights(&vae.prior), before);
    assert_eq!(vae.sample(3, &device).dims(), [3, 5]);

    // Codes on a spiral: a flow explains them better than one Gaussian does.
    let codes = SwissRollConfig::new().init().unwrap().sample(1000, &cpu());
    let fit = DensityFit::new().with_steps(300).with_rate(5e-3);
    let flow = fit.fit(spline_flow(&device), codes.clone()).unwrap();
    assert!(!flow.sample(1, &cpu()).device().is_autodiff());
    let score = |log_prob: Tensor<1>| values(log_prob.mean())[0];
    let variance = codes.clone().var(0).log().repeat(&[1000, 1]);
    let mean = codes.clone().mean_dim(0).repeat(&[1000, 1]);
    let gaussian = score(DiagonalGaussian::new(mean, variance).log_prob(codes.clone()));
    let flow = score(flow.log_prob(codes));
    assert!(flow > gaussian + 0.3, "{flow} and {gaussian}");
}

/// Classes as a condition: what is drawn for a class lies where the class does.
#[test]
fn a_flow_given_a_class_draws_of_that_class() {
    let (device, _turn) = seeded(17);
    let classes = |device: &Device| {
        let labels = (0..90).map(|i| i % 3).collect::<Vec<i32>>();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [90]), device);
        labels.one_hot::<2>(3).float()
    };
    let rows = |seed| {
        let centre = |i: usize| [[4.0, 0.0], [-4.0, 4.0], [0.0, -5.0]][i / 2 % 3][i % 2];
        let jitter = noise(seed, 0.5);
        tensor::<2>([90, 2], &device, |i| centre(i) + jitter(i))
    };
    let bijection = RealNvpConfig::new(2)
        .with_couplings(4)
        .with_hidden(vec![16]);
    let bijection = bijection.with_context(3).init(&device).unwrap();
    let mut model = ConditionalLikelihood::new(Flow::new(bijection, normal()));
    let mut adam = AdamConfig::new().init();
    for step in 0..300 {
        (model, _) = model.learn(&mut adam, 1e-2, (rows(step % 7), classes(&device)));
    }
    let samples = model.decoder.valid().decode(classes(&cpu())).rsample();
    let apart = samples - rows(1).without_autodiff();
    let near = apart
        .square()
        .sum_dim(1)
        .sqrt()
        .lower_elem(2.0)
        .float()
        .mean();
    assert!(values(near)[0] > 0.9);
}

// ---- bad input

#[test]
fn what_cannot_work_is_refused_by_name() {
    let device = cpu();
    fn refused<T: std::fmt::Debug>(result: burn_generative::Result<T>, name: &str) {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let network = || Perceptron::new(2, 0, &[4], 4, &device).unwrap();
    for mask in [[true; 3], [false; 3]] {
        let coupling = Coupling::<_, _, 2>::new(&mask, network(), AffineMap::default(), &device);
        refused(coupling, "Coupling: of 3 channels");
    }
    refused(RealNvpConfig::new(1).init(&device), "RealNvp");
    refused(SplineFlowConfig::new(1).init(&device), "MafConfig");
    refused(SplineFlowConfig::new(2).with_bins(1).init(&device), "bins");
    refused(
        SplineFlowConfig::new(2).with_bound(-1.0).init(&device),
        "bound",
    );
    refused(
        RealNvpConfig::new(2).with_couplings(0).init(&device),
        "couplings",
    );
    refused(
        RealNvpConfig::new(2).with_hidden(vec![0]).init(&device),
        "hidden",
    );
    refused(MafConfig::new(0).init(&device), "features");
    refused(
        GlowConfig::new([1, 28, 28]).with_levels(3).init(&device),
        "only 2",
    );
    refused(GlowConfig::new([1, 27, 28]).init(&device), "only 0");
    refused(GlowConfig::new([0, 8, 8]).init(&device), "[0, 8, 8]");
    refused(Permute::new(&[0, 0, 1], &device), "0 twice");
    let repeated = MaskedPerceptron::new(&[1, 1], 0, &[4], 1, &device);
    refused(repeated, "1 twice");
    refused(AffineMap::new(f64::NAN), "AffineMap");
    refused(Logit::<2>::new(0.5), "Logit");
    refused(Dequantize::new(normal(), 1), "levels");
    let rows = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 2.0]], &device);
    refused(Affine::standardizing(&rows), "coordinate 1");
    refused(
        Logit::<2>::new(0.1).unwrap().check(&rows, "the rows"),
        "the rows: holds values from 1 to 3",
    );
    let fit = |rows| DensityFit::new().with_steps(1).fit(real_nvp(&device), rows);
    refused(fit(rows.clone().narrow(0, 0, 1)), "two samples");
    refused(fit(rows / 0.0), "NaN");
}

#[test]
#[should_panic(expected = "built for a context of 3 numbers is given one of 2")]
fn a_context_of_another_width_is_refused() {
    let device = cpu();
    let network = Perceptron::new(1, 3, &[4], 2, &device).unwrap();
    let coupling = Coupling::<_, _, 2>::new(&[true, false], network, AffineMap::default(), &device);
    let rows = Tensor::zeros([5, 2], &device);
    coupling
        .unwrap()
        .forward_given(rows, &Tensor::zeros([5, 2], &device));
}

#[test]
#[should_panic(expected = "given one of 0")]
fn a_flow_with_a_context_asks_for_it() {
    let device = cpu();
    let flow = RealNvpConfig::new(2).with_context(3).init(&device).unwrap();
    flow.forward(Tensor::zeros([5, 2], &device));
}

#[test]
#[should_panic(expected = "sides of an image must be even, not 3 and 4")]
fn a_squeeze_of_an_odd_side_is_refused() {
    Squeeze.forward(Tensor::zeros([1, 1, 3, 4], &cpu()));
}

#[test]
fn an_empty_chain_changes_nothing() {
    let x = tensor::<2>([3, 2], &cpu(), noise(1, 1.0));
    let (z, log_det) = Vec::<Permute>::new().forward(x.clone());
    assert_eq!(values(z), values(x));
    assert_eq!(values(log_det), [0.0; 3]);
}
