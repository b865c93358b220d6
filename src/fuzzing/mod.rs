//! What is fuzzed: for each parser of foreign bytes a function that feeds it and asserts what must hold.
//!
//! Compiled for fuzzing (`fuzz/`, `--cfg fuzzing`) and for tests only, so that the crate's own surface does not grow. The
//! same functions run twice: under libFuzzer for as long as one likes, and in every `cargo test` over the seeds of
//! `fuzz/seeds/` and mutations of them (`replay`). Targets for what is private stand in its module
//! (`server::fuzzing`, `cache::disk::fuzzing`, …). `fuzz/README.md` says how to run and how to add one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a broken assertion is what is looked for"
)]

mod accept_encoding;
mod cache_control;
mod cache_status;
mod conditional;
mod config;
mod date;
mod etag;
mod forwarded;
mod hop_by_hop;
mod host;
pub(crate) mod input;
mod invalidate;
mod key;
mod list;
mod multipart;
mod policy;
mod range;
#[cfg(test)]
mod replay;
mod sanitize;
mod sigv4;
mod structured;
mod token;
mod update;
mod uri;
mod vary;

/// Takes any bytes; panics when something that must hold does not.
pub type Target = fn(&[u8]);

/// All of them, by the names of their folders in `fuzz/seeds/` and their files in `fuzz/fuzz_targets/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("accept_encoding", accept_encoding::run),
    ("admin_json", crate::admin::fuzzing::run),
    ("cache_control", cache_control::run),
    ("cache_status", cache_status::run),
    ("conditional", conditional::run),
    ("config", config::run),
    ("date", date::run),
    ("disk_entry", crate::cache::disk::fuzzing::entry),
    ("disk_record", crate::cache::disk::fuzzing::record),
    ("etag", etag::run),
    ("forwarded", forwarded::run),
    ("hop_by_hop", hop_by_hop::run),
    ("host", host::run),
    ("http1", crate::server::fuzzing::http1),
    ("invalidate", invalidate::run),
    ("key", key::run),
    ("list", list::run),
    ("multipart", multipart::run),
    ("policy", policy::run),
    ("purge_log", crate::cache::invalidation::fuzzing::run),
    ("range", range::run),
    ("s3_answer", crate::origin::s3::fuzzing::answer),
    ("s3_credentials", crate::origin::s3::fuzzing::credentials),
    ("s3_redirect", crate::origin::s3::fuzzing::redirect),
    ("sanitize", sanitize::run),
    ("scan", crate::server::fuzzing::scan),
    ("sigv4", sigv4::run),
    ("structured", structured::run),
    ("token", token::run),
    ("update", update::run),
    ("uri", uri::run),
    ("vary", vary::run),
];

/// Runs the target of this name; panics if there is none.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(data);
}
