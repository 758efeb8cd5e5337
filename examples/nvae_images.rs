//! A deep hierarchy of latents, an NVAE: of MNIST, binarised, or of any folder of pictures in colour.
//!
//!     cargo run --example nvae_images
//!     cargo run --example nvae_images -- --pictures path/to/pictures --size 64 --groups 1,2,2 --channels 16 --out out/nvae-64
//!     cargo run --example nvae_images -- --help
//!
//! Each of these is a recipe of its own for a GPU, and goes on with what is in its folder:
//!
//!     cargo run --features cuda --example nvae_images -- --padding 2 --halvings 2 --groups 5,10 --channels 32 --latents 20 \
//!         --cells 1 --expansion 6 --batch-size 200 --epochs 400 --warmup 120 --spectral 0.01 --average 0.999 --nll 1000 --out out/nvae-full
//!     cargo run --features cuda --example nvae_images -- --pictures path/to/pictures --size 64 --groups 4,8,16 --channels 30 --cells 2 \
//!         --expansion 6 --components 10 --batch-size 16 --epochs 300 --warmup 90 --spectral 0.1 --average 0.9999 --out out/nvae-colour
//!
//! The first has the groups of Vahdat & Kautz 2020 for MNIST (78.01 nats there, by 1,000 draws). On a CPU, beside the same of a flat
//! model and of a ladder of three by `hvae_mnist`: `--limit 20000 --epochs 8 --nll 1000`.

mod common;

use burn::prelude::*;
use burn_generative::Result;
use burn_generative::device::Devices;
use burn_generative::distribution::Levels;
use burn_generative::hierarchy::{Cells, Nvae, NvaeConfig, TopDown};
use burn_generative::loss::LogisticMixtureNll;
use burn_generative::model::{Augmented, HierarchicalVae, Regularized};
use burn_generative::nn::{Binarization, initialize};
use burn_generative::plot::{self, RunReport};
use burn_generative::prelude::*;
use burn_generative::train::{Cosine, Epoch, Fit, FusedAdamConfig, Run, Trainable};
use clap::Parser;
use common::session::NllArgs;
use common::{DataArgs, Settings, binarized, levels, positive, rate};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Train an NVAE on MNIST or on a folder of pictures.
///
/// Leaves samples by temperature, what each level knows, interpolations, the KL of each group, a report.html, metrics, checkpoints
/// and weights in a folder, and goes on with what is in that folder.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    data: DataArgs,

    /// How often to go through the pictures.
    #[arg(long, default_value_t = 5, value_name = "N")]
    epochs: usize,

    /// What the spread of each level is multiplied by in the samples.
    #[arg(long, default_value_t = 0.8, value_name = "X")]
    temperature: f64,

    /// Levels, counted from 1 on top, whose latents the interpolations move [default: those of the top scale]
    #[arg(long, value_delimiter = ',', value_name = "N")]
    interpolate: Vec<usize>,

    #[command(flatten)]
    nll: NllArgs,

    /// Devices to train on: flex, wgpu, cuda:0,cuda:1, ... [default: the first that is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Folder for what the run leaves behind; one that holds this run is gone on with.
    #[arg(long, default_value = "out/nvae_images", value_name = "DIR")]
    out: PathBuf,
}

/// What defines a run.
#[derive(clap::Args, Clone, Debug, Serialize)]
struct Config {
    /// A folder of PNG and JPEG pictures, in the place of MNIST.
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,

    /// Height and width that the pictures of a folder are brought to.
    #[arg(long, default_value_t = 32, value_name = "N")]
    size: usize,

    /// Share of the pictures of a folder that are kept to test on.
    #[arg(long, default_value_t = 0.1, value_name = "X")]
    test_share: f64,

    /// Use only the first N pictures to train on, and the first N to test on.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Groups of latents of each scale, the top first.
    #[arg(long, value_delimiter = ',', default_value = "2,3", value_name = "N")]
    groups: Vec<usize>,

    /// How often the sides are halved before the lowest scale.
    #[arg(long, default_value_t = 1, value_name = "N")]
    halvings: usize,

    /// Black pixels around a picture within the networks.
    #[arg(long, default_value_t = 0, value_name = "N")]
    padding: usize,

    /// Channels of maps as large as the picture.
    #[arg(long, default_value_t = 12, value_name = "N")]
    channels: usize,

    /// Channels of a group of latents.
    #[arg(long, default_value_t = 8, value_name = "N")]
    latents: usize,

    /// Cells of a group.
    #[arg(long, default_value_t = 1, value_name = "N")]
    cells: usize,

    /// How many times the channels the depthwise convolutions have; 0 for bottleneck cells without normalisation.
    #[arg(long, default_value_t = 3, value_name = "N")]
    expansion: usize,

    /// Components of the mixture that a colour is drawn from.
    #[arg(long, default_value_t = 5, value_name = "N")]
    components: usize,

    /// Epochs in which the weight of the KL rises to 1, its levels balanced.
    #[arg(long, default_value_t = 2, value_name = "N")]
    warmup: usize,

    /// Weight of the networks' steepness.
    #[arg(long, default_value_t = 0.01, value_name = "X")]
    spectral: f64,

    /// Decay of the moving average of the weights.
    #[arg(long, default_value_t = 0.99, value_name = "X")]
    average: f64,

    /// Norm of the gradient above which a step is skipped.
    #[arg(long, default_value_t = 1e5, value_name = "X")]
    skip_above: f64,

    /// Pictures in a training step.
    #[arg(long, default_value_t = 64, value_name = "N")]
    batch_size: usize,

    /// Learning rate of Adam at its start; it falls to 0 along a cosine.
    #[arg(long, default_value_t = 1e-3, value_name = "X")]
    lr: f64,

    /// Seed of the weights, the order of the pictures, and the noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let config = &args.config;
    positive("--epochs", args.epochs)?;
    positive("--batch-size", config.batch_size)?;
    rate("--lr", config.lr)?;
    rate("--temperature", args.temperature)?;
    let levels = config
        .groups
        .iter()
        .fold(0, |sum, &groups| groups.saturating_add(sum));
    levels::check(&args.interpolate, levels)?;
    args.nll.check()?;
    let devices = Devices::named(args.device.as_deref())?;
    devices.seed(config.seed);
    println!("device: {}", devices.name());
    let device = devices.device();
    let source = (config.pictures.as_deref(), config.size, config.test_share);
    let ([train, test], data) = args
        .data
        .pictures_or_mnist(source, config.seed, config.limit)?;
    let settings = Settings {
        config: config.clone(),
        data,
    };
    let shape = train.shape();
    let [train, test] = [train, test].map(|images| images.images(&device));
    if config.pictures.is_some() {
        let likelihood = LogisticMixtureNll::new(shape[0], Levels::unit(256)?, config.components)?;
        likelihood.check(&train, "the pictures to train on")?;
        let network = network(config, shape, likelihood.parameters(), &devices)?;
        let model = model(config, network, likelihood, train.dims()[0], &devices)?;
        return fit(
            &args,
            &settings,
            &devices,
            model,
            |model| model.model,
            [train, test],
        );
    }
    let test = binarized(test, &device, config.seed);
    let network = network(config, shape, shape[0], &devices)?;
    let model = model(config, network, BernoulliNll, train.dims()[0], &devices)?;
    let model = Augmented::new(model, Binarization);
    fit(
        &args,
        &settings,
        &devices,
        model,
        |model| model.model.model,
        [train, test],
    )
}

fn network(config: &Config, shape: [usize; 3], outputs: usize, devices: &Devices) -> Result<Nvae> {
    let kind = match config.expansion {
        0 => Cells::Bottleneck,
        expansion => Cells::Residual { expansion },
    };
    let network = NvaeConfig::new(shape, config.groups.clone())
        .with_halvings(config.halvings)
        .with_padding(config.padding)
        .with_channels(config.channels)
        .with_latents(config.latents)
        .with_cells(config.cells)
        .with_kind(kind);
    network.init(outputs, &devices.training())
}

fn model<L>(
    config: &Config,
    network: Nvae,
    likelihood: L,
    pictures: usize,
    devices: &Devices,
) -> Result<Regularized<HierarchicalVae<Nvae, L>>>
where
    L: Likelihood<Tensor<4>>,
{
    let steps = devices.steps(pictures, config.batch_size);
    let kl = Kl::default().with_warmup(config.warmup.saturating_mul(steps), &devices.training());
    let model = HierarchicalVae::with_kl(network, likelihood, kl).balanced_in_warmup();
    Regularized::new(model, config.spectral)
}

/// Trains a model, which `hierarchy` makes bare, and draws what there is to see.
fn fit<M, L>(
    args: &Args,
    settings: &Settings<Config>,
    devices: &Devices,
    model: M,
    hierarchy: impl Fn(M) -> HierarchicalVae<Nvae, L>,
    [train, test]: [Tensor<4>; 2],
) -> Result<()>
where
    M: Trainable + Model<Input = Tensor<4>>,
    L: Likelihood<Tensor<4>>,
{
    initialize(&model);
    println!("parameters: {}", Module::num_params(&model));
    let config = &args.config;
    let run = Run::open(&args.out, settings)?;
    let fit = Fit::new(args.epochs, config.batch_size)
        .seed(config.seed)
        .devices(devices)
        .average_weights(config.average)
        .skip_steps_above(config.skip_above)
        .summary(|terms| {
            let term = |name: &str| format!("{name} {:.2}", terms[name]);
            ["loss", "reconstruction", "kl"].map(term).join(", ")
        });
    let adam = FusedAdamConfig::new().init()?;
    let (model, epochs) = fit.run(&run, model, adam, Cosine::new(config.lr), &train, &test)?;
    let model = hierarchy(model);

    let device = devices.device();
    let mut report = RunReport::new(&run, "nvae_images", "nats/picture");
    args.nll
        .measure(&model, test.clone(), config.seed, &mut report)?;
    device.seed(config.seed);
    let samples = levels::sample(&model, 72, args.temperature, &device)?;
    let text = format!(
        "Draws at a temperature of {}, none chosen.",
        args.temperature
    );
    report.images("samples.png", "Samples", &text, samples)?;
    let text = "The same noise, times 0.4, 0.6, 0.8 and 1.";
    let picture = levels::temperatures(&model, &device, config.seed)?;
    report.pixels(
        "temperatures.png",
        "Samples by temperature",
        text,
        picture,
        2,
    )?;
    let text = "Test pictures; below, the latents of the top levels are kept and the rest drawn, of more levels a row.";
    let picture = levels::known(&model, &test)?;
    report.pixels("levels.png", "What each level knows", text, picture, 2)?;
    let top = (1..=config.groups[0]).collect();
    let moved = if args.interpolate.is_empty() {
        top
    } else {
        args.interpolate.clone()
    };
    let text = format!(
        "From a test picture to another in the latents of level {moved:?}, with the rest of the first."
    );
    let picture = levels::between(&model, &test, &moved)?;
    report.pixels("interpolations.png", "Interpolations", &text, picture, 2)?;
    if let Some(epoch) = epochs.last() {
        let picture = kl_of_groups(epoch, model.network.num_levels())?;
        let text = "Of the test pictures, after the last epoch.";
        report.chart("kl.png", "KL of each group", text, picture)?;
    }
    report.save()?;
    println!(
        "wrote report.html, pictures, metrics and weights to {}",
        args.out.display()
    );
    Ok(())
}

fn kl_of_groups(epoch: &Epoch, levels: usize) -> Result<plot::RgbImage> {
    let bar = |level: usize| {
        let nats = epoch.test.get(&format!("kl_{level}"));
        (level.to_string(), nats.copied().unwrap_or(f64::NAN))
    };
    let bars: Vec<_> = (1..=levels).map(bar).collect();
    plot::bars("KL of each group", ["group, the top first", "nats"], &bars)
}
