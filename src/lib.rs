//! Seawall: a caching CDN edge.
//!
//! One line per module, in the order a request meets them; ARCHITECTURE.md tells the whole story.

pub mod server; // sockets, TLS, HTTP/1 and HTTP/2 connections, limits, drain
pub mod edge; // the eight stages of a request, and the service that runs them
pub mod signed; // who may see a resource: signed URLs
pub mod cache; // objects, the memory tier, fills, the log of purges
pub mod origin; // pools of members on a ring, connections, retries, S3
pub mod policy; // pure: what RFC 9111 and RFC 9110 say about values
pub mod http; // pure: the grammar of HTTP fields
pub mod sigv4; // pure: AWS Signature Version 4
pub mod metrics; // how metrics are made and registered
pub mod config; // edge.toml and the environment, validated
pub mod telemetry; // metrics, access log, tracing
pub mod admin; // the operator's listener: metrics, health, purges, what is cached
pub mod cli; // serve, check, sign, purge, completions

#[cfg(any(test, fuzzing))]
pub mod fuzzing; // what the fuzzers run, and the tests too
