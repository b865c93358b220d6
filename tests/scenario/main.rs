//! Scenarios: what the client sends, what the origin gets and answers, what the client sees.
//!
//! Each story has its whole world in itself, told by `world`; it names what it shows. Time moves only by
//! `world.advance`, and whatever takes long is held by a `Gate` that the story opens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../world/mod.rs"]
mod world;

mod access_log;
mod broken_origin;
mod cold_and_warm;
mod collapse;
mod conditions;
mod connections;
mod cors;
mod disk;
mod disk_purges;
mod disk_slices;
mod fields;
mod harness;
mod http2;
mod interim;
mod invalidation;
mod keys;
mod large;
mod lengths;
mod methods;
mod odd_parts;
mod operating;
mod pages;
mod parts;
mod posted;
mod preflights;
mod purging;
mod ranges;
mod reason_codes;
mod refused_heads;
mod revalidation;
mod routing;
mod s3;
mod s3_errors;
mod settings;
mod signed;
mod slice_versions;
mod slices;
mod stale;
mod storing;
mod streams;
mod tunnels;
mod variants;
