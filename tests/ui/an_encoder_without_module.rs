//! An encoder of one's own that does not derive `Module`.
use burn::prelude::*;
use burn_generative::prelude::*;

#[derive(Clone, Debug)]
struct Flat;

impl Encoder for Flat {
    type Input = Tensor<2>;
    type Code = DiagonalGaussian;

    fn encode(&self, input: Tensor<2>) -> DiagonalGaussian {
        DiagonalGaussian::new(input.clone(), input)
    }
}

fn main() {}
