//! Faults: the built edge is killed while it writes, its files are damaged, and it must never serve a wrong body.
//!
//! A few cycles run with the other tests; the long run is
//!
//!     SEAWALL_FAULT_CYCLES=200 cargo test --release --test faults -- --nocapture
//!
//! `SEAWALL_FAULT_SEED` repeats a run's random choices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that fails is a test that fails"
)]

mod client;
mod crash;
mod damage;
mod edge;
mod origin;
mod random;
