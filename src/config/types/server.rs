//! `[server]` and `[[listener]]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// `[server]`
#[derive(Debug, Clone)]
pub struct Server {
    /// Worker threads, each with its own runtime and listeners; `"auto"` became one per core.
    pub threads: usize,
    /// After SIGTERM, how long it goes on as before but for `/readyz`.
    pub drain_delay: Duration,
    /// How long requests in flight may take to finish after that.
    pub shutdown_timeout: Duration,
    /// This node's name in Cache-Status, Via and the logs: an RFC 9110 token.
    pub server_name: String,
    /// Peers whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `[server.limits]`
    pub limits: Limits,
}

/// `[server.limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open client connections over all listeners; above it new ones wait in the accept queue.
    pub connections: usize,
    /// Open connections of one client address; 0 is no limit.
    pub connections_per_ip: usize,
    /// A request head must have arrived in full by then (408).
    pub header_timeout: Duration,
    /// A keep-alive connection without a request is closed after this.
    pub idle_timeout: Duration,
    /// The longest pause inside a request body (408).
    pub body_timeout: Duration,
    /// The longest time a client may take no byte of a response.
    pub write_timeout: Duration,
    /// Bytes of a request head (431). At least 8 KiB, what hyper needs as a read buffer.
    pub header_bytes: usize,
    /// Header fields in a request (431).
    pub headers: usize,
    /// Bytes of a request target (414).
    pub uri_bytes: usize,
    /// Bytes of a request body (413).
    pub request_body: u64,
}

/// `[[listener]]`
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where to listen.
    pub address: ListenAddress,
    /// Answer every request with 308 to https, at this port: the one that the world knows.
    pub redirect_https: Option<u16>,
    /// `[listener.tls]`; none is plain HTTP.
    pub tls: Option<ListenerTls>,
}

/// A listener's `address`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// `host:port`; port 0 asks the system for a free one.
    Tcp(SocketAddr),
    /// `unix:/path`
    Unix(PathBuf),
}

/// `[listener.tls]`
#[derive(Debug, Clone)]
pub struct ListenerTls {
    /// `"1.2"` or `"1.3"`
    pub min_version: TlsVersion,
    /// Certificate and key files, picked by SNI; the first is the default.
    pub certificates: Vec<CertificateFiles>,
    /// Clients must present a certificate signed by this CA.
    pub client_ca: Option<PathBuf>,
    /// Make a throw-away certificate at start for the hosts of all sites.
    pub self_signed: bool,
}

/// The lowest TLS version a listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3
    V1_2,
    /// TLS 1.3 only
    V1_3,
}

/// One certificate of a listener.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// PEM chain, leaf first.
    pub cert: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}
