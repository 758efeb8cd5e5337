//! Runs that are killed, interrupted, or find the disk full: the last good checkpoint is whole, and what goes on
//! from it ends as a run that never stopped, to the bit. And folders that are not what a run left.
#![cfg(all(
    unix,
    feature = "data",
    feature = "flex",
    feature = "plot",
    feature = "train"
))]

mod common;
mod runs;

use burn::data::dataloader::DataLoader;
use burn::prelude::*;
use burn_generative::data::{TensorLoader, digits};
use burn_generative::device::Devices;
use burn_generative::prelude::*;
use burn_generative::train::{self, Cosine, Epoch, Fit, FusedAdamConfig, Run, Watch};
use common::alone;
use runs::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The variables that make [`program`] a program: its folder, and its number of epochs.
const OUT: &str = "SURVIVAL_OUT";
const EPOCHS: &str = "SURVIVAL_EPOCHS";

/// What a user of the crate would write: epochs of some tens of milliseconds, with checkpoints of two megabytes. This very
/// test binary is started again with the variables set, to be killed; without them it has nothing to do.
#[test]
fn program() {
    let [Ok(out), Ok(epochs)] = [OUT, EPOCHS].map(std::env::var) else {
        return;
    };
    let train = || -> burn_generative::Result<()> {
        let devices = Devices::named(Some("flex"))?;
        devices.seed(1);
        let [train, test] =
            [1, 2].map(|seed| digits::generate(1000, seed).images(&devices.device()));
        let device = devices.training();
        let pixels = || vec![1, 28, 28];
        let encoder = MlpEncoderConfig::new(pixels(), 4).with_hidden(vec![128]);
        let decoder = MlpDecoderConfig::new(4, pixels()).with_hidden(vec![128]);
        let config = VaeConfig::new();
        let prior = StandardNormal::new(4);
        let vae = config.init(
            encoder.init_gaussian(&device)?,
            decoder.init(&device)?,
            prior,
            BernoulliNll,
        )?;
        let run = Run::open(&out, &config)?;
        let fit = Fit::new(epochs.parse().expect("a number"), 128).seed(1);
        let adam = FusedAdamConfig::new().init()?;
        fit.run(&run, vae, adam, 1e-3, &train, &test).map(drop)
    };
    if let Err(error) = train() {
        eprintln!("error: {error}");
        std::process::exit(if train::interrupted() { 130 } else { 1 });
    }
}

fn start(out: &Path, epochs: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "program", "--nocapture"]);
    command.env(OUT, out).env(EPOCHS, epochs);
    command.env_remove("RUST_BACKTRACE").stdout(Stdio::null());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Lets a run, new or begun, come to its end.
fn finish(out: &Path, epochs: &str) {
    let output = start(out, epochs).wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// The numbers of all epochs, and the names and bytes of all weights.
fn outcome(out: &Path) -> (Vec<Value>, Value, Vec<u8>) {
    let weights = fs::read(out.join("model.safetensors")).unwrap();
    let (length, rest) = weights.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&rest[..length]).unwrap();
    header.as_object_mut().unwrap().remove("__metadata__");
    (epochs(out), header, rest[length..].to_vec())
}

fn wait_for(what: &str, child: &mut Child, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !done() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before {what}"
        );
        assert!(Instant::now() < deadline, "no {what} in two minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_run_that_is_killed_twenty_times_ends_as_if_it_never_was() {
    const TWELVE: &str = "12";
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let started = Instant::now();
    finish(&whole, TWELVE);
    let (length, expected) = (started.elapsed(), outcome(&whole));

    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    println!("seed {seed}, a whole run takes {length:?}");
    let mut state = u64::from(seed);
    let mut random = |below: Duration| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        below.mul_f64((state >> 40) as f64 / (1u64 << 24) as f64)
    };
    let (mut kills, mut runs) = (0, 0);
    while kills < 20 {
        let out = folder.path().join(format!("killed-{runs}"));
        runs += 1;
        // Until one comes to its end before it is killed.
        while kills < 20 {
            let mut child = start(&out, TWELVE);
            std::thread::sleep(random(length));
            match child.try_wait().unwrap() {
                None => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    kills += 1;
                }
                Some(status) => {
                    assert!(status.success(), "{:?}", child.wait_with_output());
                    break;
                }
            }
        }
        finish(&out, TWELVE);
        assert_eq!(outcome(&out), expected, "of {}", out.display());
    }
    println!("{kills} kills of {runs} runs");
}

/// Whether the checkpoint of an epoch after the first is whole.
fn has_checkpoint(out: &Path) -> bool {
    let entries = fs::read_dir(out.join("checkpoint")).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.starts_with("scheduler-"))
        .any(|name| {
            let epoch = name
                .strip_prefix("scheduler-")
                .unwrap()
                .strip_suffix(".bpk");
            epoch.and_then(|epoch| epoch.parse::<usize>().ok()) >= Some(2)
        })
}

#[test]
fn an_interrupt_ends_the_batch_and_exits_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, stopped] = ["whole", "stopped"].map(|name| folder.path().join(name));
    let mut child = start(&stopped, "100000");
    wait_for("second checkpoint", &mut child, || has_checkpoint(&stopped));
    let signal = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signal.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{errors}");
    let said = [
        "stopping after this batch",
        "by Ctrl-C",
        "resume it to go on",
    ];
    assert!(said.iter().all(|part| errors.contains(part)), "{errors}");

    let length = (epochs(&stopped).len() + 1).to_string();
    finish(&stopped, &length);
    finish(&whole, &length);
    assert_eq!(outcome(&stopped), outcome(&whole));
}

/// A file system of its own, which is gone at the end.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// `None` where this process may not mount one.
    fn new(path: &'a Path, megabytes: usize) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let size = format!("size={megabytes}m");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path);
        let status = command.stderr(Stdio::null()).status();
        status
            .is_ok_and(|status| status.success())
            .then_some(Self(path))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, small] = ["whole", "small"].map(|name| folder.path().join(name));
    let Some(_disk) = Disk::new(&small, 64) else {
        println!("SKIPPED: a file system for this test can only be mounted by root");
        return;
    };
    // What is left has room for one checkpoint, and a part of the next.
    let ballast = small.join("ballast");
    fs::write(&ballast, vec![1; 60 << 20]).unwrap();
    let out = small.join("run");
    let output = start(&out, "6").wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let said = [
        "the checkpoint of epoch 2 cannot be saved",
        "-2.bpk",
        "No space left on device",
        "keeps the checkpoint of epoch 1",
    ];
    assert!(said.iter().all(|part| errors.contains(part)), "{errors}");
    assert!(!errors.contains("panicked"), "{errors}");

    fs::remove_file(ballast).unwrap();
    finish(&out, "6");
    finish(&whole, "6");
    assert_eq!(outcome(&out), outcome(&whole));
}

/// What no run is begun or resumed in is refused by name, and stays as it was.
#[test]
fn a_folder_that_is_not_the_runs_own_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let config = VaeConfig::new();
    let message = |result: burn_generative::Result<Run>| result.unwrap_err().to_string();
    let refused = message(Run::resume(&out, &config));
    assert!(refused.contains("there is no run to resume"), "{refused}");
    assert!(!out.exists());

    let run = Run::begin(&out, &config).unwrap();
    let twice = message(Run::resume(&out, &config));
    assert!(twice.contains("is open in another run"), "{twice}");
    drop(run);
    let again = message(Run::begin(&out, &config));
    assert!(again.contains("already holds a run"), "{again}");
    let other = message(Run::resume(&out, &config.clone().with_beta(4.0)));
    assert!(other.contains("beta is 1.0 there, 4.0 here"), "{other}");
    // What was stopped before it left anything else may begin anew with other settings.
    let renewed = Run::open(&out, &config.clone().with_beta(4.0)).unwrap();
    assert!(!renewed.is_resumed());
    drop(renewed);
    assert!(
        Run::resume(&out, &config.clone().with_beta(4.0))
            .unwrap()
            .is_resumed()
    );
    drop(Run::open(&out, &config).unwrap());
    fs::create_dir(out.join("checkpoint")).unwrap();
    // Of another kind of model, and of a version that knew more.
    let other = message(Run::open(&out, &GanConfig::new()));
    assert!(other.contains("it does not name critic_steps"), "{other}");
    fs::write(
        out.join("config.json"),
        r#"{"beta": 1.0, "warmup_steps": 0, "free_bits": 0.0, "more": 1}"#,
    )
    .unwrap();
    let newer = message(Run::resume(&out, &config));
    assert!(
        newer.contains("settings that this version does not know"),
        "{newer}"
    );
    fs::write(out.join("config.json"), "{").unwrap();
    let corrupt = message(Run::resume(&out, &config));
    assert!(corrupt.contains("config.json: is corrupt"), "{corrupt}");

    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("thesis.txt"), "years").unwrap();
    let refused = message(Run::begin(&full, &config));
    assert!(refused.contains("is not an empty folder"), "{refused}");
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
}

/// The settings of a training that cannot work, or do not fit the model or the run, are refused before anything is trained.
#[test]
fn a_fit_that_cannot_work_is_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    let device = devices.training();
    let data = |n: usize| digits::generate(n, 1).images(&devices.device());
    let fit = |name: &str, fit: Fit, rates: Cosine, [train, test]: [usize; 2]| {
        let encoder = MlpEncoderConfig::new(vec![1, 28, 28], 2).with_hidden(vec![4]);
        let decoder = MlpDecoderConfig::new(2, vec![1, 28, 28]).with_hidden(vec![4]);
        let vae = Vae::new(
            encoder.init_gaussian(&device).unwrap(),
            decoder.init(&device).unwrap(),
            StandardNormal::new(2),
            BernoulliNll,
        );
        let run = Run::open(folder.path().join(name), &VaeConfig::new())?;
        let (fit, adam) = (fit.quiet(), FusedAdamConfig::new().init()?);
        fit.run(&run, vae, adam, rates, &data(train), &data(test))
    };
    let refused = |one: Fit, rates: Cosine, data: [usize; 2]| match fit("new", one, rates, data) {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.to_string(),
    };
    let (two, cosine, some) = (Fit::new(2, 8), Cosine::new(1e-3), [16, 16]);
    let unknown =
        "waits for the term 'elbo', which the model has not; it has loss, reconstruction, kl";
    for (one, words) in [
        (Fit::new(0, 8), "the number of epochs must be at least 1"),
        (Fit::new(1, 0), "the batch size must be at least 1"),
        (two.clone().stop_early("elbo", 2), unknown),
        (
            two.clone().stop_early("kl", 0),
            "patience of the early stopping must be at least 1",
        ),
        (
            two.clone().clip_gradients(-1.0),
            "must be a positive number, not -1",
        ),
    ] {
        let said = refused(one, cosine, some);
        assert!(said.contains(words), "{said}");
    }
    let said = refused(two.clone(), cosine.with_warmup(4), some);
    assert!(said.contains("the run has 4 steps"), "{said}");
    let said = refused(two.clone(), Cosine::new(f64::NAN), some);
    assert!(
        said.contains("the learning rate must be a positive number"),
        "{said}"
    );
    for (data, what) in [
        ([0, 16], "no data to train on"),
        ([16, 0], "no data to test on"),
    ] {
        let said = refused(two.clone(), cosine, data);
        assert!(said.contains(what), "{said}");
    }

    // On data of another size a run does not go on; with its own it does, along the same cosine.
    fit("run", Fit::new(1, 8), cosine, some).unwrap();
    let said = fit("run", two.clone(), cosine, [24, 16])
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(said.contains("a run on other data"), "{said}");
    let said = fit("run", Fit::new(2, 4), cosine, some)
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(said.contains("batch_size is 8 there, 4 here"), "{said}");
    let (_, epochs) = fit("run", two, cosine, some).unwrap();
    assert_eq!(epochs.len(), 2);
}

/// A model on another device than the training's, or a rate that depends on a length that nobody knows, is refused; and a
/// second training in an open run goes on from the first.
#[test]
fn what_does_not_fit_together_is_refused_and_a_second_fit_goes_on() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    let data = digits::generate(16, 1).images(&devices.device());
    let ours = |device: &Device| {
        device.seed(1);
        let encoder = MlpEncoderConfig::new(vec![1, 28, 28], 2).with_hidden(vec![4]);
        let decoder = MlpDecoderConfig::new(2, vec![1, 28, 28]).with_hidden(vec![4]);
        Autoencoder::new(
            encoder.init(device).unwrap(),
            decoder.init(device).unwrap(),
            BernoulliNll,
        )
    };
    let adam = || FusedAdamConfig::new().init().unwrap();
    let fit = |epochs| Fit::new(epochs, 8).devices(&devices).quiet();
    let run = Run::open(folder.path().join("run"), &"autoencoder").unwrap();

    let loader: Arc<dyn DataLoader<Tensor<4>>> = Arc::new(TensorLoader::new(data.clone(), 4));
    let model = ours(&devices.training());
    let cosine = fit(1).run(&run, model, adam(), Cosine::new(1e-3), &loader, &loader);
    let said = cosine.map(drop).unwrap_err().to_string();
    assert!(said.contains("does not say how many steps"), "{said}");
    #[cfg(feature = "ndarray")]
    {
        let elsewhere = Devices::named(Some("ndarray")).unwrap().training();
        let refused = fit(1).run(&run, ours(&elsewhere), adam(), 1e-3, &data, &data);
        let said = refused.map(drop).unwrap_err().to_string();
        assert!(
            said.contains("make the model on `devices.training()`"),
            "{said}"
        );
    }
    let said = Devices::named(Some("flex:1"))
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(said.contains("there is one CPU"), "{said}");

    let train = |run: &Run, epochs| {
        let model = ours(&devices.training());
        fit(epochs)
            .run(run, model, adam(), 1e-3, &data, &data)
            .unwrap()
            .1
    };
    assert_eq!(train(&run, 1).len(), 1);
    let first = fs::read(run.path("checkpoint/model-1.bpk")).unwrap();
    let two = train(&run, 2);
    assert_eq!(fs::read(run.path("checkpoint/model-1.bpk")).unwrap(), first);
    let whole = Run::open(folder.path().join("whole"), &"autoencoder").unwrap();
    let losses = |epochs: &[Epoch]| [0, 1].map(|epoch| epochs[epoch].test["loss"]);
    assert_eq!(losses(&two), losses(&train(&whole, 2)));
}

/// It ends when the test loss has not fallen for as long as it waits, gives back the weights of the best epoch, and is over
/// when it is resumed.
#[test]
fn early_stopping_gives_back_the_best_epoch() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    let device = devices.training();
    // Few images to train on, so that the test loss rises again.
    let [train, test] =
        [(8, 1), (64, 2)].map(|(n, seed)| digits::generate(n, seed).images(&devices.device()));
    let run = || Run::open(folder.path().join("run"), &"autoencoder");
    let fit_in = |run: &Run, epochs| {
        let autoencoder = Autoencoder::new(
            MlpEncoderConfig::new(vec![1, 28, 28], 8)
                .init(&device)
                .unwrap(),
            MlpDecoderConfig::new(8, vec![1, 28, 28])
                .init(&device)
                .unwrap(),
            BernoulliNll,
        );
        let adam = FusedAdamConfig::new().init().unwrap();
        let fit = Fit::new(epochs, 8).seed(1).stop_early("loss", 3).quiet();
        fit.run(run, autoencoder, adam, 1e-2, &train, &test)
    };
    let fit = |epochs| fit_in(&run().unwrap(), epochs).unwrap();
    let refused = |run: &Run| fit_in(run, 300).map(drop).unwrap_err().to_string();
    let (model, epochs) = fit(300);
    assert!(epochs.len() < 300, "it stopped");
    let losses: Vec<f64> = epochs.iter().map(|epoch| epoch.test["loss"]).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let best = losses.iter().position(|&loss| loss == lowest).unwrap();
    assert_eq!(best + 1 + 3, losses.len(), "{losses:?}");
    let loss =
        |model: &Autoencoder<_, _, _>| model.losses(test.clone()).mean().into_scalar::<f64>();
    assert!(
        (loss(&model) - lowest).abs() < 1e-3 * lowest,
        "{} is not {lowest}",
        loss(&model)
    );
    let (again, epochs_again) = fit(300);
    assert_eq!(epochs_again, epochs, "it was over");
    assert_eq!(loss(&again), loss(&model));
    let run = run().unwrap();
    assert_eq!(run.epoch_of_weights().unwrap(), Some(best + 1));

    // What lost the checkpoint of its best epoch, or its metrics, is not gone on with, and loses nothing more.
    let names = |run: &Run| {
        let entries = fs::read_dir(run.path("checkpoint")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let part = run.path(&format!("checkpoint/scheduler-{}.bpk", best + 1));
    fs::rename(&part, run.path("elsewhere")).unwrap();
    let left = names(&run);
    let said = refused(&run);
    assert!(said.contains("whose checkpoint was not kept"), "{said}");
    fs::rename(run.path("elsewhere"), part).unwrap();
    fs::remove_file(run.path("metrics.json")).unwrap();
    let said = refused(&run);
    assert!(said.contains("metrics.json"), "{said}");
    assert!(
        said.contains("lacks the epochs of the checkpoints"),
        "{said}"
    );
    assert_eq!(names(&run).len(), left.len() + 1);
}

/// Looks at an epoch for longer than a step and a checkpoint take, and then for that checkpoint.
#[derive(Clone, Debug, Default)]
struct SlowWatch {
    folder: PathBuf,
    was_ahead: Arc<AtomicBool>,
}

impl Watch for SlowWatch {
    fn look(&self, epoch: &Epoch, _steps: usize) -> Option<String> {
        std::thread::sleep(Duration::from_millis(300));
        let checkpoint = self.folder.join(format!("model-{}.bpk", epoch.epoch));
        self.was_ahead
            .fetch_or(checkpoint.exists(), Ordering::SeqCst);
        None
    }
}

#[test]
fn no_checkpoint_is_ahead_of_its_metrics() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::named(Some("flex")).unwrap();
    let images = digits::generate(8, 1).images(&devices.device());
    let encoder = MlpEncoderConfig::new(vec![1, 28, 28], 2);
    let decoder = MlpDecoderConfig::new(2, vec![1, 28, 28]);
    let autoencoder = Autoencoder::new(
        encoder.init(&devices.training()).unwrap(),
        decoder.init(&devices.training()).unwrap(),
        BernoulliNll,
    );
    let run = Run::open(folder.path().join("run"), &"autoencoder").unwrap();
    let adam = FusedAdamConfig::new().init().unwrap();
    let watch = SlowWatch {
        folder: run.path("checkpoint"),
        ..SlowWatch::default()
    };
    let fit = Fit::new(9, 8)
        .stop_early("loss", 1)
        .quiet()
        .watch(watch.clone());
    // Steps too small to be felt: no epoch is better than the first.
    let (_, epochs) = fit
        .run(&run, autoencoder, adam, 1e-30, &images, &images)
        .unwrap();
    assert_eq!(epochs.len(), 2);
    assert!(run.path("checkpoint/model-2.bpk").exists());
    assert!(!watch.was_ahead.load(Ordering::SeqCst));
}
