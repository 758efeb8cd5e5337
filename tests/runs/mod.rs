//! Runs of the examples as processes, for the tests that look at them from outside.
#![allow(dead_code)] // each test file uses its own part

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The example that a plain `cargo test` builds beside this test (`cargo test --test cli` does not:
/// run `cargo build --examples` before it).
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path = target
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples`",
        path.display()
    );
    path
}

/// Runs the example on a few generated digits, into `out`. A flag that is given again counts as given
/// last.
pub fn run(out: &Path, flags: &[&str]) -> Output {
    command(out).args(SMALL).args(flags).output().unwrap()
}

pub const SMALL: [&str; 9] = [
    "--generated",
    "--limit",
    "200",
    "--hidden",
    "32",
    "--latent-dim",
    "4",
    "--epochs",
    "2",
];

pub fn command(out: &Path) -> Command {
    command_of("vae_mnist", out)
}

/// An example, on flex and into `out`, whatever the environment says.
pub fn command_of(name: &str, out: &Path) -> Command {
    let mut command = Command::new(binary(name));
    command
        .env_remove("BURN_DEVICE")
        .env_remove("MNIST_DIR")
        .env_remove("RUST_BACKTRACE");
    command.args(["--device", "flex", "--out"]).arg(out);
    command
}

pub fn stdout(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// The error line of a run that must fail: one line, exit status 1 (2 from clap), no panic.
#[track_caller]
pub fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        matches!(output.status.code(), Some(1 | 2)),
        "status {:?}: {text}",
        output.status
    );
    assert!(text.starts_with("error: "), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[track_caller]
pub fn assert_says(output: &Output, parts: &[&str]) {
    let text = refused(output);
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

pub fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Epochs without their times, which differ from run to run.
pub fn epochs(out: &Path) -> Vec<Value> {
    let mut epochs = json(&out.join("metrics.json"))["epochs"]
        .as_array()
        .unwrap()
        .clone();
    for epoch in &mut epochs {
        assert!(epoch["seconds"].as_f64().unwrap() > 0.0);
        epoch.as_object_mut().unwrap().remove("seconds");
    }
    epochs
}

pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![(path.clone(), fs::read(&path).unwrap())],
        })
        .collect();
    all.sort();
    all
}
