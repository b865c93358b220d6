//! What a client says: Cache-Control in a request (RFC 9111 §5.2.1), or Pragma where there is none.

use std::time::Duration;

use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};

use crate::http::directive::{Directive, for_each};

/// How stale a client takes a response (§5.2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxStale {
    /// However stale.
    Any,
    /// At most so long past its lifetime.
    Within(Duration),
}

/// What a client says about caching (§5.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestDirectives {
    /// §5.2.1.4, or `Pragma: no-cache` without Cache-Control (§5.4).
    pub no_cache: bool,
    /// §5.2.1.5
    pub no_store: bool,
    /// §5.2.1.7
    pub only_if_cached: bool,
    /// §5.2.1.6
    pub no_transform: bool,
    /// §5.2.1.1. A value that is no number is zero.
    pub max_age: Option<Duration>,
    /// §5.2.1.3
    pub min_fresh: Option<Duration>,
    /// §5.2.1.2. A value that is no number is nothing.
    pub max_stale: Option<MaxStale>,
    /// RFC 5861 §4
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// A request that says nothing.
    pub const NONE: Self = Self {
        no_cache: false,
        no_store: false,
        only_if_cached: false,
        no_transform: false,
        max_age: None,
        min_fresh: None,
        max_stale: None,
        stale_if_error: None,
    };

    /// Two lookups and no more when neither Cache-Control nor Pragma is there.
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut directives = Self::NONE;
        if headers.contains_key(CACHE_CONTROL) {
            for line in headers.get_all(CACHE_CONTROL) {
                for_each(line.as_bytes(), |directive| directives.set(&directive));
            }
        } else {
            for line in headers.get_all(PRAGMA) {
                for_each(line.as_bytes(), |directive| directives.no_cache |= directive.is("no-cache"));
            }
        }
        directives
    }

    fn set(&mut self, directive: &Directive<'_>) {
        match directive.lowercase().as_slice() {
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"no-transform" => self.no_transform = true,
            b"max-age" => {
                self.max_age = self.max_age.or_else(|| Some(directive.seconds().unwrap_or_default()));
            }
            b"min-fresh" => self.min_fresh = self.min_fresh.or_else(|| directive.seconds()),
            b"max-stale" => {
                let taken = match directive.argument {
                    None => Some(MaxStale::Any),
                    Some(_) => directive.seconds().map(MaxStale::Within),
                };
                self.max_stale = self.max_stale.or(taken);
            }
            b"stale-if-error" => self.stale_if_error = self.stale_if_error.or_else(|| directive.seconds()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn requests() {
        let none = RequestDirectives::NONE;
        let cases = [
            (vec![], none.clone()),
            (vec![("cache-control", "nothing-to-see-here")], none.clone()),
            (vec![("cache-control", "no-cache")], RequestDirectives { no_cache: true, ..none.clone() }),
            (vec![("pragma", "no-cache")], RequestDirectives { no_cache: true, ..none.clone() }),
            (vec![("pragma", "foo")], none.clone()),
            (vec![("pragma", "no-cache"), ("cache-control", "x")], none.clone()),
            (
                vec![("cache-control", "no-store, Only-If-Cached, no-transform")],
                RequestDirectives {
                    no_store: true,
                    only_if_cached: true,
                    no_transform: true,
                    ..none.clone()
                },
            ),
            (
                vec![("cache-control", "max-age=1, min-fresh=2, max-stale=3, stale-if-error=4")],
                RequestDirectives {
                    max_age: secs(1),
                    min_fresh: secs(2),
                    max_stale: Some(MaxStale::Within(Duration::from_secs(3))),
                    stale_if_error: secs(4),
                    ..none.clone()
                },
            ),
            (
                vec![("cache-control", "max-stale, max-stale=3")],
                RequestDirectives { max_stale: Some(MaxStale::Any), ..none.clone() },
            ),
            (
                vec![("cache-control", "max-age=x, min-fresh=x, max-stale=x, stale-if-error=x")],
                RequestDirectives { max_age: secs(0), ..none },
            ),
        ];
        for (lines, expected) in cases {
            assert_eq!(RequestDirectives::parse(&headers(&lines)), expected, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in proptest::collection::vec(prop_oneof![32u8..127, 128u8..=255], 0..64)) {
            let mut map = HeaderMap::new();
            map.insert(PRAGMA, HeaderValue::from_bytes(&line).unwrap());
            let _ = RequestDirectives::parse(&map);
            map.insert(CACHE_CONTROL, HeaderValue::from_bytes(&line).unwrap());
            let _ = RequestDirectives::parse(&map);
        }
    }
}
