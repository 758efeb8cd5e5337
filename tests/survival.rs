//! Runs that are killed, interrupted, or find the disk full: the last good checkpoint is whole, and what goes on
//! from it ends as a run that never stopped, to the bit.
#![cfg(all(
    unix,
    feature = "data",
    feature = "flex",
    feature = "plot",
    feature = "train"
))]

mod runs;

use runs::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Epochs of some tens of milliseconds, with checkpoints of two megabytes.
const FLAGS: [&str; 7] = [
    "--generated",
    "--limit",
    "1000",
    "--hidden",
    "128",
    "--latent-dim",
    "4",
];

fn start(out: &Path, epochs: &str) -> Child {
    let mut command = command(out);
    command.args(FLAGS).args(["--epochs", epochs]);
    command.stdout(Stdio::null());
    if out.join("config.json").exists() {
        command.arg("--resume");
    }
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
    const EPOCHS: &str = "12";
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let started = Instant::now();
    finish(&whole, EPOCHS);
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
            let mut child = start(&out, EPOCHS);
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
        finish(&out, EPOCHS);
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
        "continue with --resume",
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
