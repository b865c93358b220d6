//! `[admin]` and `[log]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::Secret;

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// None: no admin listener.
    pub address: Option<SocketAddr>,
    /// Bearer token for what changes state.
    pub token: Option<Secret>,
    /// Bearer token for what shows keys; `token` opens that too.
    pub read_token: Option<Secret>,
    /// Whether `/metrics` asks for a token as well.
    pub guarded_metrics: bool,
    /// Networks that may send the PURGE method to the listeners.
    pub purge_from: Vec<IpNet>,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or a `tracing_subscriber::EnvFilter` directive list (already checked).
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Where the access log goes.
    pub access: AccessLog,
    /// Share of successful requests in the access log, 0 to 1.
    pub sample: f64,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// Text on a terminal, JSON elsewhere.
    Auto,
}

/// `log.access`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// No access log.
    Off,
    /// To standard output.
    Stdout,
    /// Appended to a file, reopened on SIGUSR1.
    File(PathBuf),
}
