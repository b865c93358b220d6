//! The tests of what `benches/trace.rs` compares Seawall with: a bench without a harness has none of its own.

#[path = "../../benches/trace/generate.rs"]
mod generate;
#[path = "../../benches/trace/policies/mod.rs"]
mod policies;

mod evicting;
mod generating;
