//! A scripted world around the real edge: origins that say what a test tells them to, clients that send exact bytes
//! and read strictly, and a clock that only moves when a test moves it. After Varnish's vtc.
//!
//! Shared by several test binaries with `#[path]`; none of them uses all of it.
#![allow(dead_code, unused_imports, reason = "each test binary uses its own part of the world")]

mod answer;
mod builder;
mod cache_status;
mod client;
mod date;
mod edge;
mod gate;
mod h2;
mod metrics;
mod origin;
mod received;
mod seen;
mod tls;
mod wire;

pub use answer::Answer;
pub use builder::{START, World, WorldBuilder};
pub use client::{Client, Connection, Request, Streaming};
pub use date::http_date;
pub use gate::{Gate, PATIENCE, within};
pub use h2::H2;
pub use metrics::Metrics;
pub use origin::{DeadMember, Expect, Origin};
pub use received::Received;
pub use seen::Seen;
pub use wire::Broken;
