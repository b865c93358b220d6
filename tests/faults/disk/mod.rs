//! The built edge is killed while it writes, its files are damaged, and it must never serve a wrong body.
//!
//! A few cycles run with the other tests; the long run is
//!
//!     SEAWALL_FAULT_CYCLES=200 cargo test --release --test faults disk -- --nocapture
//!
//! `SEAWALL_FAULT_SEED` repeats a run's random choices.

mod client;
mod crash;
mod damage;
pub mod edge;
mod origin;
mod purge;
mod random;
