//! The built edge is killed while it writes, its files are damaged, and it must never serve a wrong body.
//!
//! A few cycles run with the other tests; the long run is
//!
//!     SEAWALL_FAULT_CYCLES=200 cargo test --release --test faults disk -- --nocapture
//!
//! `limits` measures instead: how much memory it takes, how soon it is ready, how long a purge of everything takes.
//! `SEAWALL_LIMITS_OBJECTS=100000` (or 1000000) with it is the long run.
//!
//! `SEAWALL_FAULT_SEED` repeats a run's random choices.

pub mod client;
mod crash;
mod damage;
pub mod edge;
mod limits;
pub mod origin;
mod purge;
mod random;
