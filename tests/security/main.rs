//! Hostile clients: what they send is refused with a reason, nothing of it reaches the origin, and the edge goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../world/mod.rs"]
mod world;

mod limits;
mod malformed;
mod origin_framing;
mod poisoning;
mod smuggling;
mod tls;
