//! `edge.toml` and the environment, read once into validated types.

mod types;

pub use types::*;
