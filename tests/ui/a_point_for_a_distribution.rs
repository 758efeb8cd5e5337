//! `init` in the place of `init_gaussian`: codes are points, and a VAE wants distributions.
use burn::prelude::*;
use burn_generative::prelude::*;

fn main() {
    let device = Device::default();
    let encoder = MlpEncoderConfig::new(vec![6], 2).init::<2>(&device).unwrap();
    let decoder = MlpDecoderConfig::new(2, vec![6]).init::<2>(&device).unwrap();
    let _ = Vae::new(encoder, decoder, StandardNormal::new(2), BernoulliNll);
}
