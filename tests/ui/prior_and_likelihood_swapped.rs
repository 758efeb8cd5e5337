//! Prior and likelihood in each other's place.
use burn::prelude::*;
use burn_generative::prelude::*;

fn main() {
    let device = Device::default();
    let encoder = MlpEncoderConfig::new(vec![6], 2).init_gaussian::<2>(&device).unwrap();
    let decoder = MlpDecoderConfig::new(2, vec![6]).init::<2>(&device).unwrap();
    let _ = Vae::new(encoder, decoder, BernoulliNll, StandardNormal::new(2));
}
