//! The contracts hold for families that are no Gaussian VAE on float images: a toy of each, written as a user of the
//! crate would write it, trained a little by the same loop.
//!
//! | family | toy |
//! |---|---|
//! | other latent losses | a maximum mean discrepancy; nothing at all (an autoencoder); codes that are points |
//! | normalizing flows | as a model, as a prior, as a posterior that is never inverted, given a condition |
//! | densities of integers | one that is autoregressive, as a model and as what a decoder returns |
//! | hierarchies | two levels as one posterior over a vector of tensors |
//! | quantised codes | a codebook, and a density over its codes |
//! | other data | pairs of data and label, rows with a mask of what is missing |
//! | GANs without a density | noise that is another data set |

mod common;

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Distribution};
use burn_generative::kernel;
use burn_generative::loss::{Hinge, Unregularized};
use burn_generative::metric::importance_weighted_bound;
use burn_generative::nn::frozen_copy;
use burn_generative::prelude::*;
use common::{assert_all_close, cpu, noise, seeded, tensor, values};

/// Rows of five that lie near a plane.
fn data(device: &Device) -> Tensor<2> {
    let plane = tensor::<2>([64, 2], device, noise(1, 2.0));
    let turn = tensor::<2>([2, 5], device, noise(2, 1.0));
    plane.matmul(turn) + tensor([64, 5], device, noise(3, 0.1)) + 1.0
}

fn linear(inputs: usize, outputs: usize, device: &Device) -> Linear {
    LinearConfig::new(inputs, outputs).init(device)
}

/// Trains a model a little, and fails if it has not learned.
fn learns<M: Model>(mut model: M, input: M::Input) -> M {
    let mut adam = AdamConfig::new().init();
    let mut totals = Vec::new();
    for _step in 0..60 {
        let losses;
        (model, losses) = model.learn(&mut adam, 1e-2, input.clone());
        totals.push(values(losses.mean())[0]);
    }
    let [first, last] = [&totals[..5], &totals[55..]].map(|of| of.iter().sum::<f64>() / 5.0);
    assert!(last < first, "{last}, from {first}");
    model
}

#[derive(Module, Debug)]
struct Enc {
    mean: Linear,
    log_var: Linear,
}

fn enc(inputs: usize, latent: usize, device: &Device) -> Enc {
    Enc {
        mean: linear(inputs, latent, device),
        log_var: linear(inputs, latent, device),
    }
}

impl Encoder for Enc {
    type Input = Tensor<2>;
    type Code = DiagonalGaussian;
    fn encode(&self, x: Tensor<2>) -> DiagonalGaussian {
        DiagonalGaussian::new(self.mean.forward(x.clone()), self.log_var.forward(x))
    }
}

#[derive(Module, Debug)]
struct Dec {
    out: Linear,
}

fn dec(latent: usize, outputs: usize, device: &Device) -> Dec {
    Dec {
        out: linear(latent, outputs, device),
    }
}

impl Decoder for Dec {
    type Latent = Tensor<2>;
    type Output = Tensor<2>;
    fn decode(&self, z: Tensor<2>) -> Tensor<2> {
        self.out.forward(z)
    }
}

/// Codes that are points.
#[derive(Module, Debug)]
struct Points {
    out: Linear,
}

impl Encoder for Points {
    type Input = Tensor<2>;
    type Code = Tensor<2>;
    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        self.out.forward(x)
    }
}

// ---- other latent losses

/// A maximum mean discrepancy of all codes to as many samples of the prior: no density is asked for.
#[derive(Module, Debug)]
struct Mmd;

impl<Q, P> LatentLoss<Q, P> for Mmd
where
    Q: Code<Latent = Tensor<2>>,
    P: Sampler<Value = Tensor<2>>,
{
    fn terms(&self) -> Vec<&'static str> {
        vec!["mmd"]
    }
    fn losses(&self, _: &Q, draw: &Draw<Tensor<2>>, prior: &P) -> Losses {
        let z = draw.z.clone();
        let other = prior.sample(z.len(), &z.device());
        let kernel = |a: Tensor<2>, b: Tensor<2>| {
            let apart = a.unsqueeze_dim::<3>(1) - b.unsqueeze_dim::<3>(0);
            let alike = apart.square().sum_dim(2).squeeze_dim::<2>(2).neg().exp();
            alike.mean_dim(1).squeeze_dim::<1>(1)
        };
        let within = kernel(z.clone(), z.clone()) + kernel(other.clone(), other.clone());
        Losses::of("mmd", within - kernel(z, other) * 2.0)
    }
}

/// Nothing holds the codes.
#[derive(Module, Debug)]
struct Free;

impl<Q: Code, P> LatentLoss<Q, P> for Free {
    fn terms(&self) -> Vec<&'static str> {
        Vec::new()
    }
    fn losses(&self, _: &Q, draw: &Draw<Q::Latent>, _: &P) -> Losses {
        Losses::new(Tensor::zeros([draw.z.len()], &draw.z.device()))
    }
}

#[test]
fn one_vae_has_a_slot_for_what_holds_its_codes() {
    let (device, _turn) = seeded(1);
    let prior = || StandardNormal::new(2);
    let points = || Points {
        out: linear(5, 2, &device),
    };
    let model = Vae::with_latent_loss(
        enc(5, 2, &device),
        dec(2, 5, &device),
        prior(),
        SquaredError,
        Mmd,
    );
    let model = learns(model, data(&device));
    assert_eq!(model.terms(), ["reconstruction", "mmd"]);
    assert_eq!(model.sample(3, &device).dims(), [3, 5]); // no likelihood is needed for that
    learns(
        Vae::with_latent_loss(points(), dec(2, 5, &device), prior(), SquaredError, Mmd),
        data(&device),
    );
    learns(
        Vae::with_latent_loss(points(), dec(2, 5, &device), prior(), SquaredError, Free),
        data(&device),
    );
}

// ---- flows

/// Data to noise forward; the log-determinant is that of the direction just computed, `[batch]`.
trait Bijection: Block {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>);
    fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>);
}

/// A shift and a scale of each coordinate.
#[derive(Module, Debug)]
struct Affine {
    shift: Param<Tensor<1>>,
    log_scale: Param<Tensor<1>>,
}

fn affine(width: usize, device: &Device) -> Affine {
    let zeros = || Param::from_tensor(Tensor::zeros([width], device));
    Affine {
        shift: zeros(),
        log_scale: zeros(),
    }
}

impl Bijection for Affine {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let batch = x.len();
        let scale = self.log_scale.val().neg().exp().unsqueeze();
        let log_det = self.log_scale.val().sum().neg().expand([batch]);
        ((x - self.shift.val().unsqueeze()) * scale, log_det)
    }
    fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let batch = z.len();
        let scale = self.log_scale.val().exp().unsqueeze();
        let log_det = self.log_scale.val().sum().expand([batch]);
        (z * scale + self.shift.val().unsqueeze(), log_det)
    }
}

#[derive(Module, Debug)]
struct Flow<B> {
    bijection: B,
    base: StandardNormal,
}

impl<B: Bijection> Sampler for Flow<B> {
    type Value = Tensor<2>;
    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        self.bijection.inverse(self.base.sample(n, device)).0
    }
}

impl<B: Bijection> Prior for Flow<B> {
    fn log_prob(&self, x: Tensor<2>) -> Tensor<1> {
        let (z, log_det) = self.bijection.forward(x);
        self.base.log_prob(z) + log_det
    }
}

fn flow(width: usize, device: &Device) -> Flow<Affine> {
    Flow {
        bijection: affine(width, device),
        base: StandardNormal::new(width),
    }
}

/// A flow on a posterior: a draw brings its density along.
#[derive(Clone, Debug)]
struct FlowPosterior<Q, B> {
    base: Q,
    bijection: B, // noise to code forward
}

impl<Q: Posterior<Latent = Tensor<2>>, B: Bijection> Code for FlowPosterior<Q, B> {
    type Latent = Tensor<2>;
    type Noise = Q::Noise;
    fn noise(&self) -> Q::Noise {
        self.base.noise()
    }
    fn rsample_with(&self, noise: Q::Noise) -> Tensor<2> {
        self.draw_with(noise).z
    }
    fn point(&self) -> Tensor<2> {
        self.bijection.forward(self.base.point()).0
    }
    fn draw_with(&self, noise: Q::Noise) -> Draw<Tensor<2>> {
        let base = self.base.draw_with(noise);
        let density = self.base.log_prob_of(&base);
        let (z, log_det) = self.bijection.forward(base.z);
        Draw {
            z,
            log_prob: Some(density - log_det),
        }
    }
}

impl<Q: Posterior<Latent = Tensor<2>>, B: Bijection> Posterior for FlowPosterior<Q, B> {
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let (base, log_det) = self.bijection.inverse(z);
        self.base.log_prob(base) + log_det
    }
}

/// An affine map that may not be inverted.
#[derive(Module, Debug)]
struct OneWay {
    affine: Affine,
}

impl Bijection for OneWay {
    fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.affine.forward(x)
    }
    fn inverse(&self, _: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        panic!("a posterior was inverted for a number that its draw had")
    }
}

#[derive(Module, Debug)]
struct FlowEnc<B> {
    base: Enc,
    bijection: B,
}

impl<B: Bijection> Encoder for FlowEnc<B> {
    type Input = Tensor<2>;
    type Code = FlowPosterior<DiagonalGaussian, B>;
    fn encode(&self, x: Tensor<2>) -> Self::Code {
        FlowPosterior {
            base: self.base.encode(x),
            bijection: self.bijection.clone(),
        }
    }
}

#[test]
fn a_flow_is_a_model_a_prior_and_a_posterior() {
    let (device, _turn) = seeded(1);
    let model = learns(MaximumLikelihood::new(flow(5, &device)), data(&device));
    assert_eq!(model.sample(3, &device).dims(), [3, 5]);

    let vae = Vae::new(
        enc(5, 2, &device),
        dec(2, 5, &device),
        flow(2, &device),
        GaussianNll::default(),
    );
    learns(vae, data(&device));

    let encoder = FlowEnc {
        base: enc(5, 2, &device),
        bijection: OneWay {
            affine: affine(2, &device),
        },
    };
    let prior = StandardNormal::new(2);
    let vae = Vae::new(encoder, dec(2, 5, &device), prior, GaussianNll::default());
    let vae = learns(vae, data(&device)).valid();
    let bound = importance_weighted_bound(&vae, data(&cpu()), 20).unwrap();
    assert!(values(bound.log_prob).iter().all(|b| b.is_finite()));

    // What the draw says of its density is what the inverse says.
    let encoder = FlowEnc {
        base: enc(5, 2, &device),
        bijection: affine(2, &device),
    };
    let posterior = encoder.encode(data(&device));
    let draw = posterior.draw();
    let known = values(draw.log_prob.clone().unwrap());
    assert_all_close(&known, &values(posterior.log_prob(draw.z)), 1e-4, "density");
}

/// A flow whose shift depends on a condition is what a decoder returns: `Nll` trains it, no contract knows of it.
#[derive(Module, Debug)]
struct FlowDec {
    mean: Linear,
    bijection: Affine,
}

impl Decoder for FlowDec {
    type Latent = Tensor<2>;
    type Output = FlowPosterior<DiagonalGaussian, Affine>;
    fn decode(&self, z: Tensor<2>) -> Self::Output {
        let mean = self.mean.forward(z);
        FlowPosterior {
            base: DiagonalGaussian::new(mean.clone(), mean.zeros_like()),
            bijection: self.bijection.clone(),
        }
    }
}

#[test]
fn a_conditional_flow_is_what_a_decoder_returns() {
    let (device, _turn) = seeded(1);
    let decoder = FlowDec {
        mean: linear(2, 5, &device),
        bijection: affine(5, &device),
    };
    let vae = Vae::new(enc(5, 2, &device), decoder, StandardNormal::new(2), Nll);
    let vae = learns(vae, data(&device)).valid();
    assert_eq!(vae.sample(3, &device).dims(), [3, 5]);
    let output = vae.decode(Tensor::zeros([3, 2], &cpu()));
    assert_eq!(Likelihood::sample(&Nll, output).dims(), [3, 5]);
}

// ---- densities of integers

/// A fully visible sigmoid belief network over bits: each given those before it.
#[derive(Module, Debug)]
struct BeliefNet {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

fn belief_net(bits: usize, device: &Device) -> BeliefNet {
    BeliefNet {
        weight: Param::from_tensor(Tensor::zeros([bits, bits], device)),
        bias: Param::from_tensor(Tensor::zeros([bits], device)),
    }
}

impl BeliefNet {
    /// All logits at once, from all bits.
    fn logits(&self, x: Tensor<2, Int>) -> Tensor<2> {
        x.float().matmul(self.weight.val().triu(1)) + self.bias.val().unsqueeze()
    }

    /// One logit after the other: `next` holds those that are still to come.
    fn step(&self, i: usize, next: Tensor<2>, last: Option<Tensor<1, Int>>) -> Tensor<2> {
        match last {
            Some(bit) => {
                let row = self.weight.val().triu(1).narrow(0, i - 1, 1);
                next + bit.float().unsqueeze_dim::<2>(1).matmul(row)
            }
            None => next,
        }
    }
}

impl Sampler for BeliefNet {
    type Value = Tensor<2, Int>;
    fn sample(&self, n: usize, device: &Device) -> Tensor<2, Int> {
        let [bits] = self.bias.dims();
        let mut next = self.bias.val().unsqueeze::<2>().expand([n, bits]);
        let (mut last, mut all) = (None, Vec::new());
        for i in 0..bits {
            next = self.step(i, next, last);
            let p = sigmoid(next.clone().narrow(1, i, 1).squeeze_dim::<1>(1));
            let bit = Tensor::<1>::random([n], Distribution::Default, device).lower(p);
            all.push(bit.clone().int());
            last = Some(bit.int());
        }
        Tensor::stack(all, 1)
    }
}

impl Prior for BeliefNet {
    fn log_prob(&self, x: Tensor<2, Int>) -> Tensor<1> {
        kernel::bernoulli_nll(self.logits(x.clone()), x.float()).neg()
    }
}

fn bits(device: &Device) -> Tensor<2, Int> {
    data(device).greater_elem(1.0).int()
}

#[test]
fn an_autoregressive_density_of_integers_is_a_model() {
    let (device, _turn) = seeded(1);
    let model = learns(
        MaximumLikelihood::new(belief_net(5, &device)),
        bits(&device),
    );
    let net = model.density.valid();
    assert_eq!(net.sample(7, &cpu()).dims(), [7, 5]);

    // Step by step it says what it says at once.
    let x = bits(&cpu());
    let at_once = net.logits(x.clone());
    let mut next = net.bias.val().unsqueeze::<2>().expand([x.len(), 5]);
    for i in 0..5 {
        let last = (i > 0).then(|| x.clone().narrow(1, i - 1, 1).squeeze_dim(1));
        next = net.step(i, next, last);
        let [got, want] = [&next, &at_once].map(|all| values(all.clone().narrow(1, i, 1)));
        assert_all_close(&got, &want, 1e-5, "a step");
    }

    // Its probabilities of all 32 rows sum to one.
    let rows = (0..32).flat_map(|row| (0..5).map(move |bit| (row >> bit) & 1));
    let rows = TensorData::new(rows.collect::<Vec<i32>>(), [32, 5]);
    let total: f64 = values(net.log_prob(Tensor::from_data(rows, &cpu())).exp())
        .iter()
        .sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
}

/// Bits given a latent and the bits before: the distribution holds the network that reads the data.
#[derive(Clone, Debug)]
struct ConditionalBits {
    shift: Tensor<2>,
    net: BeliefNet,
}

impl Code for ConditionalBits {
    type Latent = Tensor<2, Int>;
    type Noise = Tensor<2>;
    fn noise(&self) -> Tensor<2> {
        self.shift.random_like(Distribution::Default)
    }
    fn rsample_with(&self, noise: Tensor<2>) -> Tensor<2, Int> {
        noise.lower(sigmoid(self.shift.clone())).int()
    }
    fn point(&self) -> Tensor<2, Int> {
        self.shift.clone().greater_elem(0.0).int()
    }
}

impl Posterior for ConditionalBits {
    fn log_prob(&self, x: Tensor<2, Int>) -> Tensor<1> {
        let logits = self.net.logits(x.clone()) + self.shift.clone();
        kernel::bernoulli_nll(logits, x.float()).neg()
    }
}

#[derive(Module, Debug)]
struct BitsEnc {
    enc: Enc,
}

impl Encoder for BitsEnc {
    type Input = Tensor<2, Int>;
    type Code = DiagonalGaussian;
    fn encode(&self, x: Tensor<2, Int>) -> DiagonalGaussian {
        self.enc.encode(x.float())
    }
}

#[derive(Module, Debug)]
struct BitsDec {
    out: Linear,
    net: BeliefNet,
}

impl Decoder for BitsDec {
    type Latent = Tensor<2>;
    type Output = ConditionalBits;
    fn decode(&self, z: Tensor<2>) -> ConditionalBits {
        ConditionalBits {
            shift: self.out.forward(z),
            net: self.net.clone(),
        }
    }
}

#[test]
fn a_decoder_may_return_a_density_that_reads_the_data() {
    let (device, _turn) = seeded(1);
    let encoder = BitsEnc {
        enc: enc(5, 2, &device),
    };
    let decoder = BitsDec {
        out: linear(2, 5, &device),
        net: belief_net(5, &device),
    };
    let vae = Vae::new(encoder, decoder, StandardNormal::new(2), Nll);
    let vae = learns(vae, bits(&device)).valid();
    let samples: Tensor<2, Int> = vae.sample(3, &device);
    assert_eq!(samples.dims(), [3, 5]);
    let bound = importance_weighted_bound(&vae, bits(&cpu()), 10).unwrap();
    assert!(values(bound.log_prob).iter().all(|&b| b < 0.0));
}

// ---- hierarchies

/// Two levels as one posterior: the lower depends on the draw of the upper.
#[derive(Clone, Debug)]
struct TwoLevels {
    top: DiagonalGaussian,
    bottom_up: Tensor<2>,
    down: Linear,
}

impl TwoLevels {
    fn lower(&self, top: Tensor<2>) -> DiagonalGaussian {
        let mean = self.down.forward(top) + self.bottom_up.clone();
        DiagonalGaussian::new(mean.clone(), mean.zeros_like())
    }
}

impl Code for TwoLevels {
    type Latent = Vec<Tensor<2>>;
    type Noise = [Tensor<2>; 2];
    fn noise(&self) -> [Tensor<2>; 2] {
        let normal = |t: &Tensor<2>| t.random_like(Distribution::Normal(0.0, 1.0));
        [normal(&self.top.mean()), normal(&self.bottom_up)]
    }
    fn rsample_with(&self, [upper, lower]: [Tensor<2>; 2]) -> Vec<Tensor<2>> {
        let top = self.top.rsample_with(upper);
        let low = self.lower(top.clone()).rsample_with(lower);
        vec![top, low]
    }
    fn point(&self) -> Vec<Tensor<2>> {
        let top = self.top.point();
        vec![top.clone(), self.lower(top).point()]
    }
}

impl Posterior for TwoLevels {
    fn log_prob(&self, z: Vec<Tensor<2>>) -> Tensor<1> {
        self.top.log_prob(z[0].clone()) + self.lower(z[0].clone()).log_prob(z[1].clone())
    }
}

#[derive(Module, Debug)]
struct LadderEnc {
    enc: Enc,
    up: Linear,
    down: Linear,
}

impl Encoder for LadderEnc {
    type Input = Tensor<2>;
    type Code = TwoLevels;
    fn encode(&self, x: Tensor<2>) -> TwoLevels {
        TwoLevels {
            top: self.enc.encode(x.clone()),
            bottom_up: self.up.forward(x),
            down: self.down.clone(),
        }
    }
}

#[derive(Module, Debug)]
struct LadderPrior {
    top: StandardNormal,
    down: Linear,
}

impl LadderPrior {
    fn lower(&self, top: Tensor<2>) -> DiagonalGaussian {
        let mean = self.down.forward(top);
        DiagonalGaussian::new(mean.clone(), mean.zeros_like())
    }
}

impl Sampler for LadderPrior {
    type Value = Vec<Tensor<2>>;
    fn sample(&self, n: usize, device: &Device) -> Vec<Tensor<2>> {
        let top = self.top.sample(n, device);
        vec![top.clone(), self.lower(top).rsample()]
    }
}

impl Prior for LadderPrior {
    fn log_prob(&self, z: Vec<Tensor<2>>) -> Tensor<1> {
        self.top.log_prob(z[0].clone()) + self.lower(z[0].clone()).log_prob(z[1].clone())
    }
}

#[derive(Module, Debug)]
struct LadderDec {
    out: Linear,
}

impl Decoder for LadderDec {
    type Latent = Vec<Tensor<2>>;
    type Output = Tensor<2>;
    fn decode(&self, z: Vec<Tensor<2>>) -> Tensor<2> {
        self.out.forward(z[1].clone())
    }
}

#[test]
fn two_levels_are_one_posterior_under_one_bound() {
    let (device, _turn) = seeded(1);
    let vae = Vae::new(
        LadderEnc {
            enc: enc(5, 2, &device),
            up: linear(5, 3, &device),
            down: linear(2, 3, &device),
        },
        LadderDec {
            out: linear(3, 5, &device),
        },
        LadderPrior {
            top: StandardNormal::new(2),
            down: linear(2, 3, &device),
        },
        GaussianNll::default(),
    );
    let vae = learns(vae, data(&device)).valid();
    let [one, many] = [1, 50].map(|k| {
        let bound = importance_weighted_bound(&vae, data(&cpu()), k).unwrap();
        values(bound.log_prob.mean())[0]
    });
    assert!(many > one, "{many} from 50 draws, {one} from 1");
}

// ---- quantised codes

/// A codebook: each code is the nearest of its entries, with the gradient of the identity.
#[derive(Module, Debug)]
struct Codebook {
    entries: Param<Tensor<2>>,
}

impl Codebook {
    /// The indices of the nearest entries, `[batch]`.
    fn codes(&self, z: Tensor<2>) -> Tensor<1, Int> {
        let apart = z.unsqueeze_dim::<3>(1) - self.entries.val().unsqueeze::<3>();
        let distance = apart.square().sum_dim(2).squeeze_dim::<2>(2);
        distance.argmin(1).squeeze_dim(1)
    }
}

/// What an encoder with a codebook returns: a point, and the point that it was drawn to.
#[derive(Clone, Debug)]
struct Quantised {
    z: Tensor<2>,
    entry: Tensor<2>,
}

impl Code for Quantised {
    type Latent = Tensor<2>;
    type Noise = ();
    fn noise(&self) {}
    fn rsample_with(&self, (): ()) -> Tensor<2> {
        self.z.clone() + (self.entry.clone() - self.z.clone()).detach()
    }
    fn point(&self) -> Tensor<2> {
        self.entry.clone()
    }
}

#[derive(Module, Debug)]
struct QuantisedEnc {
    out: Linear,
    codebook: Codebook,
}

impl Encoder for QuantisedEnc {
    type Input = Tensor<2>;
    type Code = Quantised;
    fn encode(&self, x: Tensor<2>) -> Quantised {
        let z = self.out.forward(x);
        let codes = self.codebook.codes(z.clone());
        let entry = self.codebook.entries.val().select(0, codes);
        Quantised { z, entry }
    }
}

/// The two losses of a VQ-VAE: codebook and commitment.
#[derive(Module, Debug)]
struct Commitment;

impl<P> LatentLoss<Quantised, P> for Commitment {
    fn terms(&self) -> Vec<&'static str> {
        vec!["codebook", "commitment"]
    }
    fn losses(&self, code: &Quantised, _: &Draw<Tensor<2>>, _: &P) -> Losses {
        let (z, entry) = (code.z.clone(), code.entry.clone());
        let codebook = kernel::squared_error(entry.clone(), z.clone().detach());
        let commitment = kernel::squared_error(z, entry.detach());
        Losses::new(codebook.clone() + commitment.clone() * 0.25)
            .with_term("codebook", codebook)
            .with_term("commitment", commitment)
    }
}

#[test]
fn quantised_codes_are_points_with_a_loss_of_their_own() {
    let (device, _turn) = seeded(1);
    let encoder = QuantisedEnc {
        out: linear(5, 2, &device),
        codebook: Codebook {
            entries: Param::from_tensor(tensor([8, 2], &device, noise(4, 1.0))),
        },
    };
    // Where no prior is asked for, whatever samples latents stands in its place.
    let prior = StandardNormal::new(2);
    let model = Vae::with_latent_loss(encoder, dec(2, 5, &device), prior, SquaredError, Commitment);
    let model = learns(model, data(&device)).valid();
    let codes = model
        .encoder
        .codebook
        .codes(model.encoder.out.forward(data(&cpu())));
    assert!(
        codes
            .into_data()
            .iter::<i64>()
            .all(|code| (0..8).contains(&code))
    );
}

// ---- other data

/// A classifier of pairs: the label is a part of what the model reads.
#[derive(Module, Debug)]
struct Logistic {
    out: Linear,
}

impl Model for Logistic {
    type Input = (Tensor<2>, Tensor<1, Int>);
    fn terms(&self) -> Vec<&'static str> {
        vec!["nll"]
    }
    fn losses(&self, (rows, labels): Self::Input) -> Losses {
        let logits = self.out.forward(rows);
        let nll = kernel::bernoulli_nll(logits, labels.float().unsqueeze_dim::<2>(1));
        Losses::of("nll", nll)
    }
}

/// A VAE of rows of which some values are missing: the mask goes in with them, and the loss leaves them out.
#[derive(Module, Debug)]
struct MaskedEnc {
    enc: Enc,
}

impl Encoder for MaskedEnc {
    type Input = (Tensor<2>, Tensor<2, Bool>);
    type Code = DiagonalGaussian;
    fn encode(&self, (rows, known): Self::Input) -> DiagonalGaussian {
        self.enc.encode(rows * known.float())
    }
}

#[derive(Module, Debug)]
struct MaskedNll;

impl ReconstructionLoss<Tensor<2>, (Tensor<2>, Tensor<2, Bool>)> for MaskedNll {
    fn loss(&self, mean: Tensor<2>, (rows, known): (Tensor<2>, Tensor<2, Bool>)) -> Tensor<1> {
        let known = known.float();
        kernel::gaussian_nll_fixed(mean * known.clone(), rows * known, 1.0)
    }
    fn point(&self, mean: Tensor<2>) -> (Tensor<2>, Tensor<2, Bool>) {
        let all = mean.ones_like().greater_elem(0.0);
        (mean, all)
    }
}

#[test]
fn data_may_be_pairs_with_labels_and_masks() {
    let (device, _turn) = seeded(1);
    let labels = || {
        data(&device)
            .sum_dim(1)
            .greater_elem(5.0)
            .int()
            .squeeze_dim(1)
    };
    let model = Logistic {
        out: linear(5, 1, &device),
    };
    learns(model, (data(&device), labels()));

    let known = || tensor::<2>([64, 5], &device, noise(5, 1.0)).greater_elem(-0.5);
    let encoder = MaskedEnc {
        enc: enc(5, 2, &device),
    };
    let vae = Vae::new(
        encoder,
        dec(2, 5, &device),
        StandardNormal::new(2),
        MaskedNll,
    );
    let vae = learns(vae, (data(&device), known()));
    let (rows, all) = vae.sample(3, &device);
    assert_eq!((rows.dims(), all.dims()), ([3, 5], [3, 5]));
    // What is missing has no influence.
    let input = (data(&device), known());
    let poisoned = data(&device).mask_fill(known().bool_not(), 7.0);
    let vae = vae.valid();
    let noise = || tensor::<2>([64, 2], &cpu(), noise(6, 1.0));
    let inner = |(rows, known): (Tensor<2>, Tensor<2, Bool>)| (rows.without_autodiff(), known);
    let [clean, other] = [input, (poisoned, known())]
        .map(|input| values(vae.losses_with(inner(input), noise()).total));
    assert_all_close(&clean, &other, 1e-6, "masked");
}

// ---- a GAN without a density

/// Rows of another data set.
#[derive(Module, Debug)]
struct Empirical {
    rows: Param<Tensor<2>>,
}

impl Sampler for Empirical {
    type Value = Tensor<2>;
    fn sample(&self, n: usize, device: &Device) -> Tensor<2> {
        let [rows, _] = self.rows.dims();
        let uniform = Distribution::Uniform(0.0, rows as f64);
        let chosen = Tensor::<1>::random([n], uniform, device).int();
        self.rows.val().select(0, chosen)
    }
}

#[test]
fn a_gan_may_start_from_another_data_set() {
    let (device, _turn) = seeded(1);
    let rows = Param::from_tensor(data(&device).narrow(1, 0, 2).detach()).set_require_grad(false);
    let critic = MlpCriticConfig::new(vec![5]).init::<2>(&device).unwrap();
    let gan = GanConfig::new().init(
        dec(2, 5, &device),
        critic,
        Empirical { rows },
        Hinge,
        Unregularized,
    );
    let mut gan = gan.unwrap();
    let before = common::weights(&gan.generator);
    let mut adam = AdamConfig::new().init();
    for _step in 0..10 {
        (gan, _) = gan.learn(&mut adam, 1e-2, data(&device));
    }
    assert_ne!(before, common::weights(&gan.generator));
    assert_eq!(frozen_copy(&gan).sample(3, &device).dims(), [3, 5]);
}
