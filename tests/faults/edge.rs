//! The edge under test, with settings that are sensible for origins that answer within milliseconds.

use std::net::SocketAddr;
use std::process::Child;
use std::time::Duration;

use seawall::cli::serve::{self, Running};
use seawall::edge::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::disk::edge::serve as serve_binary;
use super::origin::Origin;

/// `pool.breaker.open_for` of [`QUICK`].
pub const OPEN_FOR: Duration = Duration::from_millis(500);

/// For origins that answer within milliseconds, and tests that do not want to wait.
pub const QUICK: &str = r#"
[pool.timeouts]
connect = "500ms"
first_byte = "2s"
idle = "2s"
[pool.retry]
backoff = "10ms"
hedge_after = "50ms"
[pool.breaker]
open_for = "500ms"
[pool.health]
path = "/health"
interval = "500ms"
timeout = "400ms"
unhealthy_after = 2
healthy_after = 1
"#;

/// A running edge.
pub struct Edge {
    running: Running,
    /// Its listener.
    pub address: SocketAddr,
    admin: SocketAddr,
}

impl Edge {
    /// Over these origins, with `pool` as further settings of their pool.
    pub async fn start(origins: &[Origin], pool: &str) -> Self {
        let toml = toml(origins, pool, "error");
        let config = seawall::config::load_from(&toml, "edge.toml", std::iter::empty::<(String, String)>());
        let config = config.unwrap_or_else(|errors| panic!("{errors}\nin\n{toml}"));
        let start = tokio::task::spawn_blocking(move || serve::start(config, Clock::system()));
        let running = start.await.unwrap().unwrap();
        let (address, admin) = (running.addresses()[0].address, running.admin_address().unwrap());
        Self { running, address, admin }
    }

    /// A scrape.
    pub async fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Drains and stops it.
    pub async fn stop(self) {
        tokio::task::spawn_blocking(move || self.running.stop()).await.unwrap();
    }
}

fn toml(origins: &[Origin], pool: &str, level: &str) -> String {
    let members: Vec<_> =
        origins.iter().map(|origin| format!("{{ url = \"http://{}\" }}", origin.address)).collect();
    format!(
        r#"
[server]
threads = 2
shutdown_timeout = "2s"
[[listener]]
address = "127.0.0.1:0"
[[pool]]
name = "origin"
members = [{}]
{pool}
[[site]]
hosts = ["faults.example"]
pool = "origin"
[admin]
address = "127.0.0.1:0"
[log]
level = "{level}"
format = "json"
"#,
        members.join(", ")
    )
}

/// The built edge as a process of its own; killed when dropped.
pub struct Process {
    child: Child,
    /// Its listener.
    pub address: SocketAddr,
}

impl Process {
    /// Over these origins.
    pub async fn start(origins: &[Origin]) -> Self {
        let text = toml(origins, "", "info");
        let start = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("edge.toml");
            std::fs::write(&path, text).unwrap();
            serve_binary(&path)
        });
        let (child, address, _) = start.await.unwrap();
        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
