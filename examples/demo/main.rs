//! Seawall on one machine: a private bucket, the edge of `edge.toml` in front of it, and lines to paste.
//!
//!     cargo run --release --example demo

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use anyhow::Context;
use seawall::cli::serve::Running;
use seawall::config::Config;

#[path = "../common/mod.rs"]
mod common;
mod edge; // the edge, in this process
mod environment; // the secrets that edge.toml asks for
mod home; // the page at /
mod lines; // what to paste
mod ports; // other ports where the usual ones are taken

use common::origin::{Keys, Origin};
use common::{objects, signals};
use edge::Addresses;

const BUCKET: &str = "photos";

fn main() -> anyhow::Result<()> {
    let stop = signals::Signals::install()?;
    let mut out = std::io::stdout();
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("edge.toml");
    let file = std::env::args_os().nth(1).map_or(default, Into::into);
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;

    let bucket = ports::listen(ports::ORIGIN)?;
    let (text, moved) = ports::settle(&text, bucket.local_addr()?)?;
    for line in moved {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "drawing pictures and filling the bucket ...")?;
    let demo = Demo::start(bucket, &text, &file)?;
    lines::write(&mut out, &demo.config, &demo.at, &demo.origin)?;

    stop.wait();
    // The terminal may be gone; the folder goes all the same.
    let _ = writeln!(out, "\nstopping: requests in flight are finished first");
    let Demo { edge, origin, .. } = demo;
    edge.stop();
    let _ = writeln!(out, "the origin answered {} requests; its folder is removed", origin.requests());
    drop(origin);
    Ok(())
}

/// The bucket and the edge in front of it, both running.
struct Demo {
    config: Config,
    at: Addresses,
    edge: Running,
    origin: Origin,
}

impl Demo {
    fn start(bucket: TcpListener, text: &str, file: &Path) -> anyhow::Result<Self> {
        let environment = environment::with_secrets()?;
        let keys = Keys {
            access_key: environment::value(&environment, environment::ACCESS_KEY)?,
            secret_key: environment::value(&environment, environment::SECRET_KEY)?,
        };
        let config = edge::configure(text, file, environment)?;
        let at = Addresses::of(&config)?;
        let mut objects = objects::all()?;
        objects.retain(|object| object.key != home::KEY);
        objects.push(home::object(&config, &at, std::time::SystemTime::now().into())?);
        let origin = Origin::start(bucket, BUCKET, &keys, objects)?;
        let edge = edge::start(config.clone())?;
        Ok(Self { config, at, edge, origin })
    }
}

#[cfg(test)]
mod tests;
