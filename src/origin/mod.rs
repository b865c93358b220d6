//! Pools of origin servers.
//!
//! `origins` sets the pools up; `client` is the way in, one per thread. A request's way: `gate` lets it in; of its
//! `attempts`, `pool` chooses a `member`
//! by the `ring` and its `breaker`; a `template` becomes a head for it; `exchange` takes an idle `connection` or lets `connect` make one, sends, and
//! has `framing` check the head; `skew` looks at its clock; `retry` says whether that was enough; `body` carries the rest. Beside it run `resolve` and
//! `health`. `single` is a request outside of pools. `s3` makes requests for a bucket and keeps S3's error pages to itself.

mod attempts;
mod body;
mod breaker;
mod client;
mod connect;
mod connection;
mod error;
mod exchange;
mod framing;
mod gate;
mod health;
mod maker;
mod member;
mod metrics;
mod origins;
mod pace;
mod pool;
mod request;
mod resolve;
mod retry;
pub mod ring;
pub(crate) mod s3;
pub mod single;
mod skew;
mod template;
mod tls;
mod trip;
mod tunnel;
mod wire;

#[cfg(test)]
mod tests;

pub use body::OriginBody;
pub use client::Client;
pub use error::{BodyError, BoxError, Failed, FetchError, OriginSetupError, TlsFault};
pub use metrics::OriginMetrics;
pub use origins::Origins;
pub use pool::PoolHandle;
pub use request::{OnInformational, OriginRequest, OriginResponse, RequestBody};
pub use trip::Trip;
pub use tunnel::{Activity, OriginTunnel};
