//! Decisions over values: what RFC 9111 and RFC 9110 say, as functions of a head and a time.

pub mod conditional;
pub mod cors;
pub mod decide;
pub mod freshness;
pub mod invalidate;
pub mod key;
mod lifetime;
pub mod outcome;
pub mod preflight;
mod semantics;
mod status;
pub mod storable;
pub mod stored_head;
pub mod update;

#[cfg(any(test, fuzzing))]
pub(crate) mod testing {
    use std::time::Duration;

    use crate::config::{CacheRules, QueryKey};

    /// The defaults of `edge.toml`, but for `status_ttl`, which is empty.
    pub(crate) fn rules() -> CacheRules {
        CacheRules {
            enabled: true,
            default_ttl: None,
            min_ttl: None,
            max_ttl: None,
            override_ttl: None,
            status_ttl: Vec::new(),
            stale_while_revalidate: None,
            stale_if_error: None,
            query: QueryKey::All,
            sort_query: true,
            headers: Vec::new(),
            cookies: Vec::new(),
            ignore_request_no_cache: true,
            slice: 1 << 20,
            collapse: true,
            collapse_timeout: Duration::from_secs(10),
        }
    }
}
