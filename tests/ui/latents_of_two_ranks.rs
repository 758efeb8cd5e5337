//! A prior over maps for codes that are vectors.
use burn::prelude::*;
use burn_generative::prelude::*;

fn main() {
    let device = Device::default();
    let encoder = MlpEncoderConfig::new(vec![6], 2).init_gaussian::<2>(&device).unwrap();
    let decoder = MlpDecoderConfig::new(2, vec![6]).init::<2>(&device).unwrap();
    let prior = StandardNormal::<4>::with_event(&[2, 4, 4]);
    let _ = Vae::new(encoder, decoder, prior, BernoulliNll);
}
