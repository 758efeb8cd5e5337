//! Trains the autoencoder of latent diffusion on pictures, with a critic of their patches, and saves it as diffusers reads it.
//!
//!     cargo run --example train_autoencoder_kl -- --pictures path/to/pictures --size 64
//!     cargo run --example train_autoencoder_kl -- --loss l2 --critic-weight 0.05
//!     cargo run --example train_autoencoder_kl -- --help
//!
//! What it saves is what `autoencoder_kl --weights out/train_autoencoder_kl/vae/diffusion_pytorch_model.safetensors` encodes with.

mod common;

use burn::prelude::*;
use burn_generative::loss::{Hinge, L1Loss};
use burn_generative::model::{AutoencoderKl, AutoencoderKlConfig, ReconstructionGanConfig};
use burn_generative::nn::{PatchCriticConfig, initialize};
use burn_generative::prelude::*;
use burn_generative::train::FusedAdamConfig;
use burn_generative::{Result, weights};
use clap::{Parser, ValueEnum};
use common::session::{
    PictureArgs, RunArgs, Session, TrainingArgs, gradient_energy, named, plain, unit_interval,
};
use common::{in_batches_of, squared_error};
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Train the autoencoder of latent diffusion on a folder of pictures, or on MNIST.
///
/// Leaves reconstructions and a report.html in a folder, with metrics, checkpoints and weights, and in its folder vae the
/// config.json and the weights that diffusers reads.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
#[command(mut_arg("batch_size", |size| size.default_value("8")))]
#[command(mut_arg("lr", |lr| lr.default_value("5e-4")))]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    run: RunArgs,
}

/// What defines a run: two runs with the same values are the same run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    #[command(flatten)]
    #[serde(flatten)]
    pictures: PictureArgs,

    /// Channels at each size, from the picture to the latent; from each to the next, height and width are halved.
    #[arg(long, value_delimiter = ',', default_values_t = [32, 64, 64], value_name = "N,N,...")]
    channels: Vec<usize>,

    /// Groups that channels are normalised in.
    #[arg(long, default_value_t = 8, value_name = "N")]
    groups: usize,

    /// Residual blocks at each size.
    #[arg(long, default_value_t = 1, value_name = "N")]
    layers: usize,

    /// Channels of the latent.
    #[arg(long, default_value_t = 4, value_name = "N")]
    latent_channels: usize,

    /// What a reconstruction costs: absolute errors, or squared ones.
    #[arg(long, default_value = "l1")]
    loss: Kind,

    /// Weight of the KL.
    #[arg(long, default_value_t = 1e-6, value_name = "X")]
    kl_weight: f64,

    /// Training steps before the critic joins in; with more than the run has, there is none.
    #[arg(long, default_value_t = 0, value_name = "N")]
    critic_start: usize,

    /// Weight of looking real to the critic, beside the error of a value of a picture.
    #[arg(long, default_value_t = 0.1, value_name = "X")]
    critic_weight: f64,

    /// Learning rate of the critic.
    #[arg(long, default_value_t = 5e-4, value_name = "X")]
    critic_lr: f64,

    /// Channels of the critic's first maps.
    #[arg(long, default_value_t = 32, value_name = "N")]
    critic_features: usize,

    /// How often the critic halves height and width: patches of 16, 34 or 70 pixels a side with one, two or three.
    #[arg(long, default_value_t = 2, value_name = "N")]
    critic_halvings: usize,

    #[command(flatten)]
    #[serde(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    L1,
    L2,
}

const TERMS: [&str; 4] = ["reconstruction", "kl", "generator", "critic"];

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = args.config;
    let summary = |terms: &BTreeMap<String, f64>| named(terms, TERMS);
    let data = |run: &RunArgs| config.pictures.load(&run.data, &config.training);
    let session = Session::open_on(
        data,
        "train_autoencoder_kl",
        args.run,
        &config.training,
        &config,
        summary,
    )?
    .without_unit();
    match config.loss {
        Kind::L1 => fit(&session, &config, L1Loss),
        Kind::L2 => fit(&session, &config, SquaredError),
    }
}

/// Trains the autoencoder, says how near its reconstructions are and how sharp, and saves it.
fn fit<L>(session: &Session<Config>, config: &Config, reconstruction: L) -> Result<()>
where
    L: ReconstructionLoss<Tensor<4>> + 'static,
{
    let rates = session.rates(config.critic_lr)?;
    let device = session.devices.training();
    let shape = session.data.train.shape();
    let [channels, height, width] = shape;
    let architecture = AutoencoderKlConfig::new()
        .with_in_channels(channels)
        .with_out_channels(channels)
        .with_block_out_channels(config.channels.clone())
        .with_layers_per_block(config.layers)
        .with_latent_channels(config.latent_channels)
        .with_norm_num_groups(config.groups)
        .with_sample_size(height);
    let prior = StandardNormal::<4>::with_event(&architecture.latent_shape([height, width])?);
    let AutoencoderKl {
        encoder, decoder, ..
    } = architecture.init(&device)?;
    let vae = VaeConfig::new().with_beta(config.kl_weight);
    let vae = vae.init(encoder, decoder, prior, reconstruction)?;
    let critic = PatchCriticConfig::new(shape)
        .with_features(config.critic_features)
        .with_halvings(config.critic_halvings);
    // The error of a picture is a sum over its values.
    let values = shape.iter().product::<usize>() as f64;
    let model = ReconstructionGanConfig::new(config.critic_weight * values)
        .with_start(config.critic_start)
        .init(vae, critic.init(&device)?, Hinge)?;
    initialize(&model);
    let [train, test] = session.images(unit_interval)?.map(signed);
    let adam = FusedAdamConfig::new().with_beta_1(0.5).with_beta_2(0.9);
    let data = [&train, &test];
    let (model, epochs) = session.train(&session.fit(), model, adam.init()?, rates, data)?;

    let vae = model.model;
    let reconstruct = |pictures: Tensor<4>| {
        in_batches_of(AT_ONCE, pictures, |part| {
            unit(vae.reconstruct(signed(part)))
        })
    };
    let pictures = unit(test);
    session.save_reconstructions(&pictures, reconstruct)?;
    let error = squared_error(&pictures, reconstruct)? / values;
    let psnr = plain("peak signal-to-noise ratio, in dB", -10.0 * error.log10());
    session.measured(psnr)?;
    let energy = gradient_energy(reconstruct(pictures.clone()))? / gradient_energy(pictures)?;
    let name = "gradient energy of reconstructions, as a share of the pictures'";
    session.measured(plain(name, energy))?;

    // What a diffusion model reads has about unit variance.
    let some = train.dims()[0].min(1000);
    let latents = in_batches_of(AT_ONCE, train.narrow(0, 0, some), |part| {
        vae.encode(part).mean()
    });
    let std: f64 = latents.flatten::<1>(0, 3).var(0).sqrt().try_into_scalar()?;
    let autoencoder = architecture
        .with_scaling_factor(1.0 / std)
        .init(&session.device())?
        .with_networks(vae.encoder, vae.decoder);
    session.write(|run| weights::save_autoencoder_kl(run.path("vae"), &autoencoder))?;
    session.finish(&epochs)
}

/// Pictures at a time: of all their maps at once no machine has room.
const AT_ONCE: usize = 50;

/// From `[0, 1]` to what diffusers encodes, `[-1, 1]`.
fn signed(pictures: Tensor<4>) -> Tensor<4> {
    pictures * 2.0 - 1.0
}

/// And back.
fn unit(pictures: Tensor<4>) -> Tensor<4> {
    ((pictures + 1.0) / 2.0).clamp(0.0, 1.0)
}
