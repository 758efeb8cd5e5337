//! Lends devices of this machine to trainings on other machines.
//!
//!     cargo run --example remote_server --features remote -- --host 0.0.0.0
//!     cargo run --example vae_mnist --features remote -- --device ws://THIS_HOST:3000   # over there
//!
//! The connection is not encrypted, and who connects may compute what they like: keep it inside a network that
//! you trust, or in a tunnel, and give it a --token.

mod common;

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn_generative::device::Devices;
use burn_generative::{Error, Result};
use clap::Parser;
use std::net::TcpListener;
use std::process::ExitCode;

/// Lend devices of this machine to trainings on other machines.
#[derive(Parser, Debug)]
#[command(version, args_override_self = true)]
struct Args {
    /// The device to lend: flex, wgpu, cuda:1, ...; or several of one backend, separated by commas
    /// [default: the first that is built in, GPUs first]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// The address to listen on; 0.0.0.0 is every network that this machine is in.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// The port to listen on; 0 lets the system choose one.
    #[arg(long, default_value_t = 3000)]
    port: u16,

    /// What a client must know to connect (its BURN_REMOTE_TOKEN).
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
}

fn main() -> ExitCode {
    common::report(run(Args::parse()))
}

fn run(args: Args) -> Result<()> {
    let devices = Devices::named(args.device.as_deref())?;
    let refuse = |what: &str, error: &dyn std::fmt::Display| {
        Error::Config(format!("{what} {}:{}: {error}", args.host, args.port))
    };
    let listener = TcpListener::bind((args.host.as_str(), args.port))
        .map_err(|error| refuse("cannot listen on", &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| refuse("cannot listen on", &error))?;
    let mut server = RemoteServer::new(devices.all().to_vec());
    if let Some(token) = args.token.clone() {
        let authorizer = TokenAuthorizer::new(token)
            .map_err(|error| Error::Config(format!("--token: {error}")))?;
        server = server.with_authorizer(authorizer);
    }
    println!(
        "lending {} at ws://{address}; Ctrl-C ends it",
        devices.name()
    );
    server
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|error| refuse("stopped serving on", &error))
}
