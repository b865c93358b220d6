//! Sockets and connections: binding, TLS, HTTP/1.1 by hyper, HTTP/2 over h2, limits, drain.
//!
//! In the order a connection meets them: [`bind`] makes the sockets, [`serve`] the worker threads, `accept`
//! takes connections in, `connection` finds out what they speak and drives them, `io` guards their bytes,
//! `service` calls the [`Handler`].

mod accept;
mod bind;
pub mod body;
mod clock;
mod connection;
mod drain;
mod drive;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod h2;
mod glimpse;
mod handler;
mod handshake;
mod interim;
mod io;
pub mod metrics;
mod per_ip;
mod response;
mod scan;
mod serve;
mod service;
mod socket;
mod state;
mod stream;
mod takeover;
pub mod tls;

#[cfg(test)]
mod tests;

pub use bind::{BindError, Bound, BoundAddress, BoundTo, bind, hint};
pub use glimpse::Glimpse;
pub use handler::{BoxError, Handled, Handler, Peer, PeerAddr, TlsInfo};
pub use interim::{Hints, Interim};
pub use metrics::ServerMetrics;
pub use serve::{Running, ServeError};
pub use takeover::{Duplex, Takeover};
