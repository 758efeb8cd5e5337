use super::network::shift;
use super::{Bijection, no_change};
use crate::error::{Result, check_at_least_one};
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::softplus;
use burn::tensor::{Device, Distribution, Tensor};

/// The parameters of a map: learned, plus what a linear layer makes of a context, where there is one.
#[derive(Module, Debug)]
struct Parameters {
    /// `[1, parameters]`.
    own: Param<Tensor<2>>,
    context: Option<Linear>,
}

impl Parameters {
    fn new(part: &str, start: Tensor<2>, features: usize, context: usize) -> Result<Self> {
        check_at_least_one(part, "features", features)?;
        let [_, count] = start.dims();
        let layer = LinearConfig::new(context, count).with_bias(false);
        let layer = layer.with_initializer(Initializer::Zeros);
        let device = start.device();
        Ok(Self {
            own: Param::from_tensor(start),
            context: (context > 0).then(|| layer.init(&device)),
        })
    }

    /// `[1, parameters]`, or with a context `[batch, parameters]`.
    fn given(&self, context: Option<&Tensor<2>>) -> Tensor<2> {
        let own = self.own.val();
        match shift(&self.context, context) {
            Some(shift) => own + shift,
            None => own,
        }
    }
}

/// Small numbers to start from, so that the flows of a chain differ.
fn small(count: usize, device: &Device) -> Tensor<2> {
    Tensor::random([1, count], Distribution::Normal(0.0, 0.01), device)
}

/// Refuses data of another width than the map's.
fn check_features(part: &str, expected: usize, data: &Tensor<2>) {
    let [_, features] = data.dims();
    assert!(
        features == expected,
        "{part}: it is over {expected} coordinates, but the data has {features}"
    );
}

/// `x · w` of each row, `[batch, 1]`.
fn dot(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    (x * w).sum_dim(1)
}

/// A planar flow, `x = z + u tanh(w · z + b)`: it moves noise along one direction. Its parameters may depend on a context.
///
/// In the sense of the papers it maps noise to data; here that is the **inverse** direction, which has a closed form. The
/// forward direction solves one equation per sample by bisection, to the precision of the type, with an exact gradient.
///
/// [Rezende & Mohamed 2015](https://arxiv.org/abs/1505.05770), section 4.1 and appendix A.1 (`u · w > -1` keeps it invertible).
#[derive(Module, Debug)]
pub struct Planar {
    /// `u`, `w` and `b`.
    parameters: Parameters,
    features: usize,
}

impl Planar {
    /// A flow over so many coordinates, near the identity, with a context of `context` numbers, 0 for none.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no coordinates.
    pub fn new(features: usize, context: usize, device: &Device) -> Result<Self> {
        let start = small(2 * features + 1, device);
        let parameters = Parameters::new("Planar", start, features, context)?;
        Ok(Self {
            parameters,
            features,
        })
    }

    /// `u` so moved along `w` that the map is invertible, `w`, `b` and `u · w`.
    fn vectors(&self, context: Option<&Tensor<2>>) -> [Tensor<2>; 4] {
        let all = self.parameters.given(context);
        let part = |start, length| all.clone().narrow(1, start, length);
        let (u, w) = (part(0, self.features), part(self.features, self.features));
        let bias = part(2 * self.features, 1);
        let product = dot(u.clone(), w.clone());
        let allowed = softplus(product.clone(), 1.0) - 1.0;
        let length = dot(w.clone(), w.clone()) + 1e-12;
        let u = u + w.clone() * ((allowed - product) / length);
        let product = dot(u.clone(), w.clone());
        [u, w, bias, product]
    }

    fn to_data(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        check_features("Planar", self.features, &z);
        let [u, w, bias, product] = self.vectors(context);
        let bend = (dot(z.clone(), w) + bias).tanh();
        let log_det = log_slope(bend.clone(), product);
        (z + u * bend, log_det)
    }

    fn to_noise(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        check_features("Planar", self.features, &x);
        let [u, w, bias, product] = self.vectors(context);
        // a = w · z solves a + (u · w) tanh(a + b) = w · x, whose left side rises.
        let target = dot(x.clone(), w);
        let [goal, offset, factor] = [&target, &bias, &product].map(|part| part.clone().detach());
        let reach = factor.clone().abs() + 1e-6;
        let (mut low, mut high) = (goal.clone() - reach.clone(), goal.clone() + reach);
        for _halving in 0..60 {
            let middle = (low.clone() + high.clone()) / 2.0;
            let value = middle.clone() + factor.clone() * (middle.clone() + offset.clone()).tanh();
            let is_above = value.greater(goal.clone());
            low = middle.clone().mask_where(is_above.clone(), low);
            high = high.mask_where(is_above, middle);
        }
        let near = (low + high) / 2.0;
        // One Newton step carries the gradient: the implicit function theorem.
        let bend = (near.clone() + bias.clone()).tanh();
        let slope = bend.clone().square().neg().add_scalar(1.0) * product.clone() + 1.0;
        let value = near.clone() + product.clone() * bend;
        let solution = near + (target - value) / slope.detach();
        let bend = (solution + bias).tanh();
        let log_det = log_slope(bend.clone(), product);
        (x - u * bend, log_det.neg())
    }
}

/// `log(1 + (u · w) (1 - tanh^2))`, `[batch]`.
fn log_slope(bend: Tensor<2>, product: Tensor<2>) -> Tensor<1> {
    let slope = bend.square().neg().add_scalar(1.0);
    (slope * product).log1p().squeeze_dim(1)
}

/// A radial flow, `x = z + beta / (alpha + r) (z - c)` with `r = |z - c|`: it moves noise towards a point or away from it. Its
/// parameters may depend on a context. As in [`Planar`], that is the inverse direction here; both have a closed form.
///
/// [Rezende & Mohamed 2015](https://arxiv.org/abs/1505.05770), section 4.1 and appendix A.2 (`beta > -alpha`).
#[derive(Module, Debug)]
pub struct Radial {
    /// `c`, and what `alpha` and `beta` are made of.
    parameters: Parameters,
    features: usize,
}

impl Radial {
    /// A flow over so many coordinates, near the identity, with a context of `context` numbers, 0 for none.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no coordinates.
    pub fn new(features: usize, context: usize, device: &Device) -> Result<Self> {
        let start = small(features + 2, device);
        let parameters = Parameters::new("Radial", start, features, context)?;
        Ok(Self {
            parameters,
            features,
        })
    }

    /// `c`, `alpha` and `beta`.
    fn numbers(&self, context: Option<&Tensor<2>>) -> [Tensor<2>; 3] {
        let all = self.parameters.given(context);
        let part = |start, length| all.clone().narrow(1, start, length);
        let alpha = softplus(part(self.features, 1), 1.0) + 1e-3;
        // 0 at a parameter of 0, and always above -alpha.
        let beta = alpha.clone() * (part(self.features + 1, 1).tanh() * 3.0).exp() - alpha.clone();
        [part(0, self.features), alpha, beta]
    }

    /// `log |det|` from noise to data at a distance `r` of the noise.
    fn log_det(&self, r: Tensor<2>, alpha: Tensor<2>, beta: Tensor<2>) -> Tensor<1> {
        let inverse = (alpha.clone() + r).recip();
        let tangent = (beta.clone() * inverse.clone()).log1p();
        let along = (beta * alpha * inverse.square()).log1p();
        let log_det = tangent * (self.features as f64 - 1.0) + along;
        log_det.squeeze_dim(1)
    }

    fn to_data(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        check_features("Radial", self.features, &z);
        let [centre, alpha, beta] = self.numbers(context);
        let away = z.clone() - centre;
        let r = length(away.clone());
        let factor = beta.clone() / (alpha.clone() + r.clone());
        (z + away * factor, self.log_det(r, alpha, beta))
    }

    fn to_noise(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        check_features("Radial", self.features, &x);
        let [centre, alpha, beta] = self.numbers(context);
        let away = x - centre.clone();
        let distance = length(away.clone());
        // r (1 + beta / (alpha + r)) = distance is r^2 + p r - alpha distance = 0: its positive root.
        let p = alpha.clone() + beta.clone() - distance.clone();
        let product = alpha.clone() * distance;
        let root = (p.clone().square() + product.clone() * 4.0).sqrt();
        let is_negative = p.clone().detach().lower_elem(0.0);
        let small = product * 2.0 / (root.clone() + p.clone().abs());
        let r = small.mask_where(is_negative, (root - p) / 2.0);
        let factor = (beta.clone() / (alpha.clone() + r.clone()) + 1.0).recip();
        let log_det = self.log_det(r, alpha, beta).neg();
        (centre + away * factor, log_det)
    }
}

/// The length of each row, `[batch, 1]`, with a gradient also at 0.
fn length(rows: Tensor<2>) -> Tensor<2> {
    (rows.square().sum_dim(1) + 1e-12).sqrt()
}

/// A reflection, `z = x - 2 v (v · x) / |v|^2`: its own inverse, and without a change of volume. Some of them in a row, with
/// vectors from an encoder, give a posterior with a full covariance.
///
/// [Tomczak & Welling 2016](https://arxiv.org/abs/1611.09630).
#[derive(Module, Debug)]
pub struct Householder {
    vector: Parameters,
    features: usize,
}

impl Householder {
    /// A reflection of so many coordinates, with a context of `context` numbers, 0 for none.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if there are no coordinates.
    pub fn new(features: usize, context: usize, device: &Device) -> Result<Self> {
        // Of no particular length: only the direction counts.
        let start = Tensor::random([1, features], Distribution::Normal(0.0, 1.0), device);
        let vector = Parameters::new("Householder", start, features, context)?;
        Ok(Self { vector, features })
    }

    fn reflect(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        check_features("Householder", self.features, &x);
        let v = self.vector.given(context);
        let square = dot(v.clone(), v.clone()) + 1e-12;
        let log_det = no_change(&x);
        (x.clone() - v.clone() * (dot(x, v) * 2.0 / square), log_det)
    }
}

macro_rules! bijection_by_context {
    ($($flow:ident: $forward:ident, $inverse:ident;)*) => {$(
        impl Bijection for $flow {
            type Input = Tensor<2>;
            type Output = Tensor<2>;

            fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                self.$forward(x, None)
            }

            fn inverse(&self, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                self.$inverse(z, None)
            }

            fn forward_given(&self, x: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                self.$forward(x, Some(context))
            }

            fn inverse_given(&self, z: Tensor<2>, context: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
                self.$inverse(z, Some(context))
            }
        }
    )*};
}
bijection_by_context! {
    Planar: to_noise, to_data;
    Radial: to_noise, to_data;
    Householder: reflect, reflect;
}
