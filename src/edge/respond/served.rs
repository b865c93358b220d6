//! How a response came to be.

use http::HeaderValue;

use super::repeated;
use crate::http::cache_status::{CacheStatus, Fwd};
use crate::policy::outcome::Outcome;

/// How a response came to be, for Cache-Status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Fresh, from the cache.
    Hit,
    /// Stale, from the cache: while it is refreshed, or since the client takes stale ones.
    Stale,
    /// Stale, from the cache: the origin failed, with this status if it answered.
    StaleIfError(Option<u16>),
    /// Confirmed by the origin.
    Revalidated {
        /// Another request had asked the origin.
        collapsed: bool,
    },
    /// From the cache, but for some bytes that had to be fetched.
    Partial,
    /// Fetched and being stored.
    Filled {
        /// Why the cache could not answer.
        reason: Fwd,
        /// Another request had asked the origin.
        collapsed: bool,
    },
}

impl Served {
    /// The word for metrics.
    pub const fn outcome(self) -> Outcome {
        match self {
            Served::Hit => Outcome::Hit,
            Served::Stale | Served::StaleIfError(_) => Outcome::Stale,
            Served::Revalidated { .. } => Outcome::Revalidated,
            Served::Partial | Served::Filled { .. } => Outcome::Miss,
        }
    }

    /// The value of Cache-Status that says so.
    pub(super) fn status(self, cache: &str, ttl: i64) -> HeaderValue {
        let status = match self {
            Served::Hit => return repeated::hit_status(cache, ttl),
            Served::Stale => CacheStatus::hit(cache).ttl(ttl),
            Served::StaleIfError(None) => CacheStatus::hit(cache).ttl(ttl).detail("stale-if-error"),
            Served::StaleIfError(Some(code)) => {
                CacheStatus::forwarded(cache, Fwd::Stale).fwd_status(code).ttl(ttl).detail("stale-if-error")
            }
            Served::Revalidated { collapsed } => {
                let status = CacheStatus::forwarded(cache, Fwd::Stale).fwd_status(304).stored().ttl(ttl);
                if collapsed { status.collapsed() } else { status }
            }
            Served::Partial => CacheStatus::forwarded(cache, Fwd::Partial).stored().ttl(ttl),
            Served::Filled { reason, collapsed } => {
                let status = CacheStatus::forwarded(cache, reason).stored();
                if collapsed { status.collapsed() } else { status }
            }
        };
        status.to_value()
    }
}
