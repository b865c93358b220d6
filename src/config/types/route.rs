//! What a request is handled by.

use std::time::Duration;

use http::HeaderName;
use http::HeaderValue;

use super::pattern::wildcard;
use super::{PoolId, Signed};

/// What a request is handled by once its site and rule are known.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// Where misses go.
    pub pool: PoolId,
    /// Follows from the pool's kind.
    pub origin: OriginKind,
    /// `[site.cache]`
    pub cache: CacheRules,
    /// `[site.headers]`
    pub headers: HeaderRules,
    /// `[[site.signed]]`; empty is public, otherwise one of them must be satisfied.
    pub signed: Vec<Signed>,
}

/// What kind of pool answers. It decides when two paths name the same resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginKind {
    /// Paths are the same if they are spelled alike once they are normalised: to RFC 3986 §2.2 `+` and `%2B` differ.
    Http,
    /// Paths are the same if they decode to the same bytes, which are the object's key.
    S3,
}

/// `[site.cache]`
#[derive(Debug, Clone)]
pub struct CacheRules {
    /// False: everything passes.
    pub enabled: bool,
    /// When the origin says nothing; none is the RFC 9111 heuristic.
    pub default_ttl: Option<Duration>,
    /// Raise what the origin says.
    pub min_ttl: Option<Duration>,
    /// Lower what the origin says.
    pub max_ttl: Option<Duration>,
    /// Ignore what the origin says (never for no-store or private).
    pub override_ttl: Option<Duration>,
    /// For responses without explicit freshness, by status code.
    pub status_ttl: Vec<(u16, Duration)>,
    /// When the origin does not say.
    pub stale_while_revalidate: Option<Duration>,
    /// When the origin does not say.
    pub stale_if_error: Option<Duration>,
    /// Which of the query is in the key.
    pub query: QueryKey,
    /// Whether parameters are sorted in the key.
    pub sort_query: bool,
    /// Request headers in the key beyond Vary.
    pub headers: Vec<HeaderName>,
    /// Cookies in the key.
    pub cookies: Vec<String>,
    /// A client's no-cache does not force an origin fetch.
    pub ignore_request_no_cache: bool,
    /// Size of a slice in bytes: a power of two, 64 KiB to 64 MiB.
    pub slice: u64,
    /// Concurrent misses of one key make one origin request.
    pub collapse: bool,
    /// A waiting request goes on its own after that.
    pub collapse_timeout: Duration,
}

/// `site.cache.query`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryKey {
    /// All parameters.
    All,
    /// None of them.
    None,
    /// Only those whose name matches one of the patterns (`*` is any run of characters).
    Include(Vec<String>),
    /// All but those.
    Exclude(Vec<String>),
}

impl QueryKey {
    /// Whether a parameter of this name, percent-decoded, is part of the key.
    pub fn counts(&self, name: &[u8]) -> bool {
        let listed = |patterns: &[String]| patterns.iter().any(|pattern| wildcard(pattern.as_bytes(), name));
        match self {
            QueryKey::All => true,
            QueryKey::None => false,
            QueryKey::Include(patterns) => listed(patterns),
            QueryKey::Exclude(patterns) => !listed(patterns),
        }
    }
}

/// `[site.headers]`
#[derive(Debug, Clone, Default)]
pub struct HeaderRules {
    /// Set on the way to the origin; `None` removes.
    pub request: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Set on the way to the client; `None` removes.
    pub response: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Adds Server-Timing and X-Cache-Key.
    pub debug: bool,
}
