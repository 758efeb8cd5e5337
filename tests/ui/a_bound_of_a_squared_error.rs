//! A bound on log p(x) of a model whose reconstruction loss is no log-probability.
use burn::prelude::*;
use burn_generative::metric::importance_weighted_bound;
use burn_generative::prelude::*;

fn main() {
    let device = Device::default();
    let encoder = MlpEncoderConfig::new(vec![6], 2).init_gaussian::<2>(&device).unwrap();
    let decoder = MlpDecoderConfig::new(2, vec![6]).init::<2>(&device).unwrap();
    let vae = Vae::new(encoder, decoder, StandardNormal::new(2), SquaredError);
    let _ = importance_weighted_bound(&vae, Tensor::zeros([1, 6], &device), 5);
}
