//! What the server knows of the rest: something that turns requests into responses.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::body::ClientBody;
use super::glimpse::Glimpse;
use super::interim::Interim;
use crate::http::protocol::Protocol;
use crate::http::refusal::Refusal;

/// An error of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer, or the promise of one. What is known at once costs no future: a hit is a function call.
pub enum Handled<B> {
    /// Here it is.
    Now(http::Response<B>),
    /// It takes waiting.
    Later(Pin<Box<dyn Future<Output = http::Response<B>> + Send>>),
}

/// Answers requests. Each worker thread has its own value and clones it for each connection.
pub trait Handler: Clone + Send + Sync + 'static {
    /// What its responses carry. Dropped when the last byte was handed to the connection, or when the client
    /// is gone.
    type Body: http_body::Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static;

    /// Answers one request, whose head is within the limits: at once, or by a future that is dropped if the
    /// client goes away.
    fn handle(&self, request: http::Request<ClientBody>, peer: &Arc<Peer>) -> Handled<Self::Body>;

    /// The server has answered by itself with `status`, and not to refuse: count it, log it.
    fn answered(&self, request: &http::Request<ClientBody>, status: http::StatusCode, peer: &Arc<Peer>);

    /// The server has refused by itself what never was a request for [`handle`](Self::handle): count it, log it.
    fn refuse(&self, refusal: Refusal, seen: &Glimpse, peer: &Arc<Peer>);

    /// A head began and broke off, and nobody was there to be answered: count it, log it.
    fn cut_off(&self, seen: &Glimpse, peer: &Arc<Peer>);

    /// The server answers with this in place of a handler's response, which was counted: count the reason.
    fn replaced(&self, refusal: Refusal, peer: &Arc<Peer>);
}

/// The other end of a connection, and how it came to be.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Who it is.
    pub addr: PeerAddr,
    /// The address it connected to; none on a unix socket.
    pub local: Option<SocketAddr>,
    /// Index into `Config::listeners`.
    pub listener: usize,
    /// What TLS agreed on; none on a plain connection.
    pub tls: Option<TlsInfo>,
    /// What it speaks; HTTP/1 until that is known.
    pub protocol: Protocol,
    /// The way for interim responses.
    pub interim: Interim,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAddr {
    /// An address; IPv4 is IPv4 even on an IPv6 socket.
    Tcp(SocketAddr),
    /// A process on this machine.
    Unix,
    /// This process itself, which fills its cache ahead of clients.
    Prefetch,
}

impl std::fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PeerAddr::Tcp(addr) => addr.fmt(f),
            PeerAddr::Unix => f.write_str("unix"),
            PeerAddr::Prefetch => f.write_str("prefetch"),
        }
    }
}

impl PeerAddr {
    /// The IP address, if it has one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            PeerAddr::Tcp(addr) => Some(addr.ip()),
            PeerAddr::Unix | PeerAddr::Prefetch => None,
        }
    }
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// The server name the client asked for, in lower case.
    pub sni: Option<String>,
    /// `"TLSv1.3"` or `"TLSv1.2"`.
    pub version: &'static str,
    /// The client proved itself by a certificate.
    pub client_certificate: bool,
}
