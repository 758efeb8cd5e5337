use burn::optim::{AdamConfig, GradientsParams};
use burn::prelude::*;
use burn_generative::prelude::*;

fn main() -> Result<(), burn_generative::Error> {
    let device = Device::default().autodiff();
    let mut vae = VaeConfig::new().init(
        MlpEncoderConfig::new(vec![1, 28, 28], 20).init_gaussian(&device)?,
        MlpDecoderConfig::new(20, vec![1, 28, 28]).init(&device)?,
        StandardNormal::new(20),
        BernoulliNll,
    )?;
    let images = burn_generative::data::digits::generate(128, 1).images(&device);
    let mut optimizer = AdamConfig::new().init();
    for _step in 0..5 {
        let losses = vae.losses(images.clone());
        let gradients = GradientsParams::from_grads(losses.mean().backward(), &vae);
        vae = optimizer.step(1e-3, vae, gradients);
    }
    println!("{}", vae.sample(16, &device)); // logits, [16, 1, 28, 28]
    Ok(())
}
