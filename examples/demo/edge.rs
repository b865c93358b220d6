//! The edge, started inside this process from the text of its `edge.toml`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use seawall::cli::serve;
use seawall::config::{Config, ListenAddress};
use seawall::edge::clock::Clock;

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The plain listener.
    pub http: SocketAddr,
    /// The TLS listener.
    pub https: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
}

impl Addresses {
    /// Those of the configuration.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let listener = |tls: bool| {
            let mut listeners = config.listeners.iter().filter(|listener| listener.tls.is_some() == tls);
            let address = listeners.find_map(|listener| match &listener.address {
                ListenAddress::Tcp(address) => Some(*address),
                ListenAddress::Unix(_) => None,
            });
            address.context("edge.toml needs a plain and a TLS listener")
        };
        let admin = config.admin.address.context("edge.toml needs an admin listener")?;
        Ok(Self { http: listener(false)?, https: listener(true)?, admin })
    }

    /// The site over TLS, without a slash at the end.
    pub fn site(&self) -> String {
        format!("https://localhost:{}", self.https.port())
    }
}

/// Reads the text with the environment given.
pub fn configure(text: &str, file: &Path, environment: Vec<(String, String)>) -> anyhow::Result<Config> {
    Ok(seawall::config::load_from(text, &file.to_string_lossy(), environment.into_iter())?)
}

/// Starts the edge; it serves when this returns.
pub fn start(config: Config) -> anyhow::Result<serve::Running> {
    serve::start(config, Clock::system())
}
