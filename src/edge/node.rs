//! What an edge is to those it speaks to, whatever site they ask for.

use ipnet::IpNet;

use crate::config::{Config, Limits};
use crate::http::forwarded::Via;

/// The part of the settings that belongs to no site. Every [`Route`](super::request::route::Route) has it, so that a
/// request that holds its route holds all settings that apply to it.
#[derive(Debug)]
pub struct Node {
    /// Its name in Cache-Status.
    pub name: String,
    /// Its member of Via, made once.
    pub via: Via,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes of a body that is kept whole.
    pub max_object: u64,
    /// What is bounded of a request.
    pub limits: Limits,
}

impl Node {
    /// From `[server]` and `[cache.memory]`.
    ///
    /// # Errors
    /// The name can't be a pseudonym in Via.
    pub fn new(config: &Config) -> Result<Self, http::header::InvalidHeaderValue> {
        Ok(Self {
            name: config.server.server_name.clone(),
            via: Via::new(&config.server.server_name)?,
            trusted_proxies: config.server.trusted_proxies.clone(),
            max_object: config.cache.memory.max_object,
            limits: config.server.limits.clone(),
        })
    }
}
