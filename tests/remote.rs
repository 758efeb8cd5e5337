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
    fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(binary("remote_server"));
        command
            .args(["--device", "flex", "--port", "0"])
            .args(flags);
        command.env("RUST_LOG", "error");
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = Self {
            process: command.spawn().unwrap(),
            address: String::new(),
        };
        let mut output = BufReader::new(server.process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let mut words = line.split_whitespace();
        let address = words.find(|word| word.starts_with("ws://"));
        let address = address.unwrap_or_else(|| panic!("no address in: {line}"));
        server.address = address.trim_end_matches(';').to_string();
        // What else it says goes nowhere, and never fills the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        server
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
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let process = child.id().to_string();
    let (sender, output) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = output.recv_timeout(Duration::from_secs(120)) {
        return output.unwrap();
    }
    let _ = Command::new("kill").args(["-9", &process]).status();
    panic!("no end in two minutes: {:?}", output.recv());
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

    let server = Server::start(&[]);
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
    let server = Server::start(&[]);
    let flags = ["--resume", "--epochs", "3"];
    stdout(&run_on(&server.address, &there, &flags));
    drop(server);
    stdout(&run_on("flex", &there, &["--resume", "--epochs", "4"]));
    assert_eq!(losses(&there).len(), 4);
}

#[test]
fn two_devices_of_a_server_share_every_step() {
    let server = Server::start(&["--device", "flex,flex"]);
    share(&[&server.address, &format!("{}#1", server.address)]);
}

#[test]
#[ignore = "burn 0.22.1 loses a wake-up now and then when two servers exchange tensors, and waits for ever"]
fn two_servers_share_every_step() {
    let [a, b] = [(); 2].map(|()| Server::start(&[]));
    share(&[&a.address, &b.address]);
}

/// Trains on several devices, each with its part of every step.
fn share(devices: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let devices = devices.join(",");
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
    let server = Server::start(&[]);
    let mut command = command(&out);
    command
        .args(SMALL)
        .args(["--device", &server.address, "--epochs", "100000"]);
    let reaper = std::thread::spawn({
        let out = out.clone();
        move || {
            let deadline = Instant::now() + Duration::from_secs(60);
            let done = || out.join("metrics.json").exists() && epochs(&out).len() >= 4;
            while !done() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(server);
        }
    });
    let output = finish(command);
    reaper.join().unwrap();
    assert!(!output.status.success());

    let done = epochs(&out).len();
    assert!(done >= 4);
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

    let server = Server::start(&["--token", "secret"]);
    let stranger = run_on(&server.address, &out, &[]);
    assert_says(&stranger, &["no device at", &server.address]);
    assert!(!out.exists());

    let mut command = command(&out);
    command.args(SMALL).args(["--device", &server.address]);
    command.env("BURN_REMOTE_TOKEN", "secret");
    stdout(&finish(command));
}
