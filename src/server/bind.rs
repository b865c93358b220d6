//! Binds all sockets and loads all certificates, so that what can fail has failed before anything is served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::accept::Socket;
use super::clock::Clock;
use super::drain::Drain;
use super::metrics::ServerMetrics;
use super::per_ip::PerIp;
use super::socket;
use super::tls::watch::Watch;
use super::tls::{self, TlsError};
use super::worker::{Listener, Shared};
use crate::config::{Config, ListenAddress};

/// What kept the server from listening.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Socket {
        /// As configured.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Its certificates are of no use.
    #[error("listener {address}: {source}")]
    Tls {
        /// As configured.
        address: String,
        /// Why.
        source: Box<TlsError>,
    },
    /// No thread to watch certificates.
    #[error("watching certificates: {0}")]
    Watch(#[source] io::Error),
}

/// What to do about an address that cannot be had, if that is known.
pub fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; a port below 1024 takes the capability CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrInUse => "; another process listens there",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

/// Where a listener listens by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundAddress {
    /// Index into `Config::listeners`.
    pub listener: usize,
    /// With the port that port 0 became.
    pub to: BoundTo,
    /// It terminates TLS.
    pub tls: bool,
}

/// An address that is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundTo {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for BoundTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BoundTo::Tcp(addr) => addr.fmt(f),
            BoundTo::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl BoundTo {
    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            BoundTo::Tcp(addr) => Some(*addr),
            BoundTo::Unix(_) => None,
        }
    }
}

/// All sockets, bound and listening, nothing accepted yet.
#[derive(Debug)]
pub struct Bound {
    /// In the order of `Config::listeners`.
    pub addresses: Vec<BoundAddress>,
    /// For each worker, its sockets by listener.
    pub(super) sockets: Vec<Vec<Socket>>,
    pub(super) listeners: Vec<Arc<Listener>>,
    pub(super) shared: Arc<Shared>,
    pub(super) watch: Watch,
}

/// Binds each listener once for each worker and loads TLS; nothing is served yet.
///
/// # Errors
/// [`BindError`] names the listener.
pub fn bind(config: &Config, metrics: ServerMetrics) -> Result<Bound, BindError> {
    let workers = config.server.threads.max(1);
    let limits = Arc::new(config.server.limits.clone());
    let mut sockets: Vec<Vec<Socket>> = std::iter::repeat_with(Vec::new).take(workers).collect();
    let (mut addresses, mut loaded) = (Vec::new(), Vec::new());
    for (index, listener) in config.listeners.iter().enumerate() {
        let address = name(&listener.address);
        let tls = listener.tls.as_ref().map(|tls| tls::load(tls, &config.sites)).transpose();
        loaded.push(tls.map_err(|source| {
            let source = Box::new(source);
            BindError::Tls { address: address.clone(), source }
        })?);
        let (own, to) =
            sockets_of(&listener.address, workers).map_err(|source| BindError::Socket { address, source })?;
        own.into_iter().zip(&mut sockets).for_each(|(socket, worker)| worker.push(socket));
        addresses.push(BoundAddress { listener: index, to, tls: listener.tls.is_some() });
    }
    let watched: Vec<_> = loaded.iter().flatten().map(|(_, certificates)| certificates.clone()).collect();
    let watch = Watch::start(&watched, metrics.clone()).map_err(BindError::Watch)?;
    let listeners = config.listeners.iter().zip(loaded).enumerate().map(|(index, (listener, tls))| {
        Arc::new(Listener {
            index,
            name: name(&listener.address),
            tls: tls.map(|(config, _)| config),
            redirect: listener.redirect_https,
            metrics: metrics.listener(&name(&listener.address)),
        })
    });
    let per_ip = Some(limits.connections_per_ip).filter(|&limit| limit > 0).map(PerIp::new);
    let slots = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    Ok(Bound {
        addresses,
        sockets,
        listeners: listeners.collect(),
        shared: Arc::new(Shared {
            limits,
            server_name: config.server.server_name.as_str().into(),
            clock: Clock::start(),
            drain: Drain::default(),
            slots,
            per_ip,
            metrics,
        }),
        watch,
    })
}

/// As in the file; the `listener` label.
fn name(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(addr) => addr.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn sockets_of(address: &ListenAddress, workers: usize) -> io::Result<(Vec<Socket>, BoundTo)> {
    match address {
        ListenAddress::Tcp(addr) => {
            let (sockets, addr) = socket::tcp(*addr, workers)?;
            Ok((sockets.into_iter().map(Socket::Tcp).collect(), BoundTo::Tcp(addr)))
        }
        ListenAddress::Unix(path) => {
            let socket = socket::unix(path)?;
            let mut sockets = Vec::new();
            for _ in 1..workers {
                sockets.push(Socket::Unix(socket.try_clone()?));
            }
            sockets.push(Socket::Unix(socket));
            Ok((sockets, BoundTo::Unix(path.clone())))
        }
    }
}
