//! Sockets and connections: binding, TLS, HTTP/1.1 by hyper, HTTP/2 over h2, limits, drain.
//!
//! In the order a connection meets them: [`bind`] makes the sockets, [`serve`] the worker threads, `accept`
//! takes connections in, `connection` finds out what they speak, and the folder of that protocol serves them: `h1`, or
//! `h2` and what it shares with any protocol of streams, `streams`. In both, `connection` is the life of one, `io` has its
//! bytes, `state` says what it is doing, and `serving` (in `h1` with `reply`) calls the [`Handler`] by way of `service`.

mod accept;
mod bind;
pub mod body;
mod clock;
mod connection;
mod drain;
mod drive;
mod glimpse;
mod h1;
mod h2;
mod handler;
mod handshake;
mod interim;
mod link;
pub mod metrics;
mod opened;
mod per_ip;
mod response;
mod serve;
mod service;
mod socket;
mod state;
mod stream;
mod streams;
mod takeover;
pub mod tls;
mod worker;

#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
pub(crate) use h1::fuzzing;

pub use bind::{BindError, Bound, BoundAddress, BoundTo, bind, hint};
pub use glimpse::Glimpse;
pub use handler::{BoxError, Handled, Handler, Peer, PeerAddr, TlsInfo};
pub use interim::{Hints, Interim};
pub use metrics::ServerMetrics;
pub use serve::{Running, ServeError};
pub use takeover::{Duplex, Takeover};
