//! The edge, started inside this process from the text of its `edge.toml`.

use std::net::SocketAddr;
use std::path::Path;

use seawall::config::Config;

/// A running edge.
pub struct Edge {
    /// Its configuration, with the demo's secrets.
    pub config: Config,
    /// The plain listener.
    pub http: SocketAddr,
    /// The TLS listener.
    pub https: SocketAddr,
    /// The admin listener.
    pub admin: SocketAddr,
    stop: Box<dyn FnOnce()>,
}

impl Edge {
    /// Finishes what is in flight and stops.
    pub fn stop(self) {
        (self.stop)();
    }
}

/// Reads the text with the environment given and starts the edge.
pub fn start(text: &str, file: &Path, environment: Vec<(String, String)>) -> anyhow::Result<Edge> {
    use anyhow::Context;
    use seawall::cli::serve;
    use seawall::edge::clock::Clock;

    let config = seawall::config::load_from(text, &file.to_string_lossy(), environment.into_iter())?;
    let running = serve::start(config.clone(), Clock::system())?;
    let listener = |tls: bool| {
        let bound = running.addresses().into_iter().find(|bound| bound.tls == tls);
        bound.map(|bound| bound.address).context("edge.toml needs a plain and a TLS listener")
    };
    Ok(Edge {
        http: listener(false)?,
        https: listener(true)?,
        admin: running.admin_address().context("edge.toml needs an admin listener")?,
        config,
        stop: Box::new(move || _ = running.stop()),
    })
}
