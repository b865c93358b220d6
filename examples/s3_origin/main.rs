//! A private S3 bucket on loopback, full of things to cache.
//!
//!     cargo run --example s3_origin -- 127.0.0.1:9000

use std::io::Write;
use std::net::TcpListener;

use anyhow::Context;

#[path = "../common/mod.rs"]
mod common;

use common::origin::{Keys, Origin};
use common::{objects, signals};

const BUCKET: &str = "photos";

fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".into());
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
    let keys = Keys {
        access_key: variable("SEAWALL_S3_ACCESS_KEY", "demo-access-key"),
        secret_key: variable("SEAWALL_S3_SECRET_KEY", "demo-secret-key"),
    };
    let stop = signals::Signals::install()?;
    let listener = TcpListener::bind(&address).with_context(|| address.clone())?;
    let origin = Origin::start(listener, BUCKET, &keys, objects::all()?)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "bucket {BUCKET:?} at http://{}/{BUCKET}/ for access key {:?}",
        origin.address(),
        keys.access_key
    )?;
    if let Some(etag) = origin.etag(objects::LARGE) {
        writeln!(out, "{} is {} bytes, ETag {etag}", objects::LARGE, objects::LARGE_BYTES)?;
    }
    writeln!(out, "ready; Ctrl-C stops it and removes its folder")?;

    stop.wait();
    writeln!(out, "\n{} requests were answered", origin.requests())?;
    Ok(())
}
