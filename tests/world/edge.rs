//! The edge under test: the only file of the world that knows how it is started and stopped.

use std::net::SocketAddr;

use seawall::cli::serve::{self, Running};
use seawall::config::Config;
use seawall::edge::clock::Clock;

fn load(toml: &str) -> Config {
    let config = seawall::config::load_from(toml, "edge.toml", std::iter::empty::<(String, String)>());
    config.unwrap_or_else(|errors| panic!("{errors}\nin\n{toml}"))
}

/// A running edge, stopped when dropped.
pub struct Edge {
    running: Option<Running>,
    toml: String,
    listeners: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Edge {
    /// Starts it from the text of an `edge.toml`; the environment of the test process plays no part.
    pub async fn start(toml: String, clock: Clock) -> Self {
        let config = load(&toml);
        // Starting binds sockets and starts threads; the origins of this world must not stand still meanwhile.
        let running = tokio::task::spawn_blocking(move || serve::start(config, clock));
        let running = running.await.expect("start does not panic");
        let running = running.unwrap_or_else(|error| panic!("the edge did not start: {error:#}"));
        let mut listeners = running.addresses();
        listeners.sort_by_key(|bound| bound.listener);
        let listeners = listeners.into_iter().map(|bound| bound.address).collect();
        let admin = running.admin_address().expect("the world's edge.toml has an admin listener");
        Self { running: Some(running), toml, listeners, admin }
    }

    /// Gives it other settings while it runs: those of its `edge.toml` as `change` leaves it. Listeners, pools and the cache
    /// stay as they are.
    pub fn replace_settings(&self, change: impl FnOnce(&str) -> String) {
        let config = load(&change(&self.toml));
        self.running.as_ref().expect("it runs").built().replace_settings(&config).expect("settings");
    }

    /// Where the listener with this index in `edge.toml` listens.
    pub fn listener(&self, index: usize) -> SocketAddr {
        self.listeners[index]
    }

    /// Where the admin listener listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Drains and stops, without standing in the way of the world's origins and clients.
    pub fn stop(&mut self) -> tokio::task::JoinHandle<bool> {
        let running = self.running.take().expect("stopped once");
        tokio::task::spawn_blocking(move || running.stop())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // A test has seen all it wants; nothing waits for the drain.
            std::thread::spawn(move || running.stop());
        }
    }
}
