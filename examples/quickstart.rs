//! A whole program: a model, its training in a folder, its report. Stop it with Ctrl-C or kill it, start it again, and it
//! goes on where it was.
//!
//!     cargo run --example quickstart

use burn_generative::data::digits;
use burn_generative::device::Devices;
use burn_generative::plot::RunReport;
use burn_generative::prelude::*;
use burn_generative::train::{Fit, FusedAdamConfig, PosteriorWatch, Run};

fn main() -> burn_generative::Result<()> {
    let devices = Devices::named(None)?; // or BURN_DEVICE=wgpu
    devices.seed(1);
    // Yours: any tensor in [0, 1], a folder of pictures (`ImageFolder`), a table ...
    let [train, test] = [1, 2].map(|seed| digits::generate(2000, seed).images(&devices.device()));
    let config = VaeConfig::new();
    let vae = config.init(
        MlpEncoderConfig::new(vec![1, 28, 28], 10).init_gaussian(&devices.training())?,
        MlpDecoderConfig::new(10, vec![1, 28, 28]).init(&devices.training())?,
        StandardNormal::new(10),
        BernoulliNll,
    )?;

    let run = Run::open("out/digits", &config)?; // new, or to be resumed
    let fit = Fit::new(5, 64).seed(1).watch(PosteriorWatch::new(10));
    let adam = FusedAdamConfig::new().init()?;
    let (vae, _epochs) = fit.run(&run, vae, adam, 1e-3, &train, &test)?;

    let mut report = RunReport::new(&run, "Digits", "nats/image");
    let samples = vae.sample(72, &devices.device());
    report.images("samples.png", "Samples", "Draws of the prior.", samples)?;
    report.save()
}
