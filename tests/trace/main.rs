//! The tests of what `benches/trace.rs` compares Seawall with: a bench without a harness has none of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

#[path = "../../benches/trace/generate.rs"]
mod generate;
#[path = "../../benches/trace/policies/mod.rs"]
mod policies;

mod evicting;
mod generating;
