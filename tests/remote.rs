//! Training on devices of other processes, over WebSockets on loopback: the examples `remote_server` and
//! `vae_mnist`, as two hosts would run them.
#![cfg(all(
    feature = "data",
    feature = "flex",
    feature = "plot",
    feature = "remote",
    feature = "train"
))]

mod runs;

use runs::*;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A server process, which ends with the test.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(token: Option<&str>) -> Self {
        let mut command = Command::new(binary("remote_server"));
        command.args(["--device", "flex", "--port", "0"]);
        command.args(token.iter().flat_map(|token| ["--token", token]));
        let mut process = command
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let address = line
            .split_whitespace()
            .find(|word| word.starts_with("ws://"));
        let address = address.unwrap_or_else(|| panic!("no address in: {line}"));
        let address = address.trim_end_matches(';').to_string();
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs to the end, or fails the test after two minutes: a lost connection must not become a hang.
fn finish(mut command: Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("no end in two minutes: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn run_on(device: &str, out: &Path, flags: &[&str]) -> Output {
    let mut command = command(out);
    command.args(SMALL).args(["--device", device]).args(flags);
    finish(command)
}

fn losses(out: &Path) -> Vec<f64> {
    let total = |epoch: &serde_json::Value| epoch["test"]["loss"].as_f64().unwrap();
    epochs(out).iter().map(total).collect()
}

#[test]
fn a_device_of_another_process_computes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    stdout(&run(&here, &[]));

    let server = Server::start(None);
    let printed = stdout(&run_on(&server.address, &there, &[]));
    assert!(
        printed.contains(&format!("device: {}", server.address)),
        "{printed}"
    );
    for (there, here) in losses(&there).iter().zip(losses(&here)) {
        // The server runs the reference, this process the kernels: equal up to rounding.
        assert!(
            (there - here).abs() < 1e-3 * here,
            "{there} there, {here} here"
        );
    }

    // Another server goes on with it, and so does this process.
    drop(server);
    let server = Server::start(None);
    let flags = ["--resume", "--epochs", "3"];
    stdout(&run_on(&server.address, &there, &flags));
    drop(server);
    stdout(&run_on("flex", &there, &["--resume", "--epochs", "4"]));
    assert_eq!(losses(&there).len(), 4);
}

#[test]
fn two_servers_share_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let [a, b] = [(); 2].map(|()| Server::start(None));
    let devices = format!("{},{}", a.address, b.address);
    stdout(&run_on(
        &devices,
        &out,
        &["--limit", "400", "--epochs", "4"],
    ));
    let losses = losses(&out);
    assert!(
        losses.windows(2).all(|pair| pair[1] < pair[0]),
        "{losses:?}"
    );
}

#[test]
fn a_server_that_dies_ends_the_run_which_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let server = Server::start(None);
    let mut command = command(&out);
    command
        .args(SMALL)
        .args(["--device", &server.address, "--epochs", "100000"]);
    let reaper = std::thread::spawn({
        let checkpoint = out.join("checkpoint/scheduler-2.bpk");
        move || {
            let deadline = Instant::now() + Duration::from_secs(60);
            while !checkpoint.exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(server);
        }
    });
    let output = finish(command);
    reaper.join().unwrap();
    assert!(!output.status.success());

    let done = epochs(&out).len();
    assert!(done >= 2);
    let epochs = (done + 1).to_string();
    let printed = stdout(&run_on("flex", &out, &["--resume", "--epochs", &epochs]));
    assert!(printed.contains("resuming after epoch"), "{printed}");
}

#[test]
fn a_server_that_is_not_there_or_wants_a_token_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let nobody = run_on("ws://127.0.0.1:9", &out, &[]);
    assert_says(&nobody, &["no device at ws://127.0.0.1:9"]);

    let server = Server::start(Some("secret"));
    let stranger = run_on(&server.address, &out, &[]);
    assert_says(&stranger, &["no device at", &server.address]);
    assert!(!out.exists());

    let mut command = command(&out);
    command.args(SMALL).args(["--device", &server.address]);
    command.env("BURN_REMOTE_TOKEN", "secret");
    stdout(&finish(command));
}
