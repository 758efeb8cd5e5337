//! Data in integers for a likelihood of floats.
use burn::prelude::*;
use burn_generative::prelude::*;

#[derive(Module, Debug)]
struct OfIntegers;

impl Encoder for OfIntegers {
    type Input = Tensor<2, Int>;
    type Code = DiagonalGaussian;

    fn encode(&self, input: Tensor<2, Int>) -> DiagonalGaussian {
        DiagonalGaussian::new(input.clone().float(), input.float())
    }
}

fn main() {
    let device = Device::default();
    let decoder = MlpDecoderConfig::new(2, vec![6]).init::<2>(&device).unwrap();
    let _ = Vae::new(OfIntegers, decoder, StandardNormal::new(2), BernoulliNll);
}
