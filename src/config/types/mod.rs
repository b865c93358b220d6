//! The validated configuration: what every other module reads.
//!
//! Nothing here is parsed later: durations are `Duration`, sizes are bytes, patterns are compiled,
//! pool names are indices. A value of these types exists only if the whole file was right.

mod server;
mod cache;
mod pool;
mod secret;
mod site;
mod pattern;
mod route;
mod signed;
mod operate;

pub use cache::*;
pub use operate::*;
pub use pattern::*;
pub use pool::*;
pub use route::*;
pub use secret::*;
pub use server::*;
pub use signed::*;
pub use site::*;

/// Everything `edge.toml` and the environment said.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[[listener]]`, in file order; at least one.
    pub listeners: Vec<Listener>,
    /// `[cache]`
    pub cache: Cache,
    /// `[[pool]]`, in file order; a [`PoolId`] is an index into it.
    pub pools: Vec<Pool>,
    /// `[[site]]`, in file order; at least one.
    pub sites: Vec<Site>,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
}
