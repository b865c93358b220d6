//! What to do with a request: the heart of the cache (RFC 9111 §4), readable as a table from top to bottom.

use std::time::Duration;

use crate::config::CacheRules;
use crate::http::cache_control::{MaxStale, RequestDirectives};
use crate::http::time::Time;
use crate::policy::freshness::Freshness;

/// How long past its lifetime a response may stand in for an origin nobody can reach, when neither the origin
/// nor `stale_if_error` says. §4.2.4 allows it without a limit while "disconnected"; a day is a limit.
const DISCONNECTED: Duration = Duration::from_secs(24 * 3600);

/// What a lookup found: a stored response that the request selects.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// How fresh it is.
    pub freshness: &'a Freshness,
    /// It has an ETag or Last-Modified, so the origin can be asked whether it is still good.
    pub has_validator: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Serve what is stored.
    Serve,
    /// Serve what is stored although it is stale.
    ServeStale {
        /// Refresh it in the background.
        refresh: bool,
    },
    /// Ask the origin whether what is stored is still good, and wait for the answer.
    Revalidate,
    /// Ask the origin for a new response.
    Fetch,
    /// `only-if-cached`, and nothing stored will do: 504 (§5.2.1.7).
    GatewayTimeout,
}

/// Decides. On a fresh hit without request directives it is a handful of branches.
///
/// With `ignore_request_no_cache` a client can widen what it takes (max-stale) or refuse the origin
/// (only-if-cached), but not force an origin fetch: no-cache, max-age and min-fresh have no say. A no-store
/// request may be served from the cache (§5.2.1.5: it does not apply to a response already stored); that its
/// own response is not stored is [`storable`]'s matter.
///
/// [`storable`]: crate::policy::storable::storable
pub fn decide(
    stored: Option<Stored<'_>>,
    request: &RequestDirectives,
    rules: &CacheRules,
    now: Time,
) -> Decision {
    let ask_origin = match stored {
        _ if request.only_if_cached => Decision::GatewayTimeout,
        Some(Stored { has_validator: true, .. }) => Decision::Revalidate,
        _ => Decision::Fetch,
    };
    let Some(Stored { freshness, .. }) = stored else { return ask_origin };

    if freshness.always_validate {
        return ask_origin;
    }
    if !rules.ignore_request_no_cache && demands_fresher(freshness, request, now) {
        return ask_origin;
    }
    let Some(staleness) = freshness.staleness(now) else { return Decision::Serve };
    if freshness.revalidate {
        return ask_origin;
    }
    if staleness < freshness.stale_while_revalidate && !refuses_stale(request, rules) {
        // What a no-store request brings may not be kept, so that it would be fetched in vain.
        return Decision::ServeStale { refresh: !request.no_store };
    }
    match request.max_stale {
        Some(MaxStale::Any) => Decision::ServeStale { refresh: false },
        Some(MaxStale::Within(most)) if staleness <= most => Decision::ServeStale { refresh: false },
        _ => ask_origin,
    }
}

/// Whether what is stored may stand in for an error: the origin failed to answer, or answered 500, 502, 503 or
/// 504, and origin, operator or client allow for it (RFC 5861 §4).
pub fn may_serve_on_error(stored: &Freshness, request: &RequestDirectives, now: Time) -> bool {
    let window = stored.stale_if_error.max(request.stale_if_error.unwrap_or_default());
    may_stand_in(stored, window, now)
}

/// Whether what is stored may stand in for an origin that could not be reached at all: no connection, a
/// timeout, a connection closed without an answer (§4.2.4, "disconnected"). Wider than [`may_serve_on_error`]
/// only where neither the origin nor the operator named a window.
pub fn may_serve_disconnected(
    stored: &Freshness,
    request: &RequestDirectives,
    rules: &CacheRules,
    now: Time,
) -> bool {
    let unsaid = stored.stale_if_error.is_zero() && rules.stale_if_error.is_none();
    may_serve_on_error(stored, request, now) || (unsaid && may_stand_in(stored, DISCONNECTED, now))
}

/// §4.2.4: never against no-cache, must-revalidate, proxy-revalidate or s-maxage.
fn may_stand_in(stored: &Freshness, window: Duration, now: Time) -> bool {
    if stored.always_validate {
        return false;
    }
    match stored.staleness(now) {
        None => true,
        Some(staleness) => !stored.revalidate && staleness < window,
    }
}

/// §5.2.1.1, §5.2.1.3, §5.2.1.4
fn demands_fresher(freshness: &Freshness, request: &RequestDirectives, now: Time) -> bool {
    let age = freshness.age(now);
    request.no_cache
        || request.max_age.is_some_and(|most| age > most)
        || request.min_fresh.is_some_and(|least| age.saturating_add(least) > freshness.lifetime)
}

/// §5.2.1.1: a client that names a max-age and no max-stale takes nothing stale.
fn refuses_stale(request: &RequestDirectives, rules: &CacheRules) -> bool {
    !rules.ignore_request_no_cache && request.max_age.is_some() && request.max_stale.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;
    use Decision::*;

    const NOW: Time = Time(1_700_000_000_000);

    /// Lifetime 100, aged so that it has `ttl` seconds to go.
    fn aged(ttl: i64) -> Freshness {
        Freshness {
            response_time: NOW,
            initial_age: Duration::from_secs(u64::try_from(100 - ttl).unwrap()),
            lifetime: Duration::from_secs(100),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            revalidate: false,
            always_validate: false,
            heuristic: false,
        }
    }

    fn request(value: &'static str) -> RequestDirectives {
        let mut headers = http::HeaderMap::new();
        headers.insert("cache-control", http::HeaderValue::from_static(value));
        RequestDirectives::parse(&headers)
    }

    fn decided(freshness: &Freshness, value: &'static str, obey: bool) -> Decision {
        let mut rules = rules();
        rules.ignore_request_no_cache = !obey;
        decide(Some(Stored { freshness, has_validator: true }), &request(value), &rules, NOW)
    }

    #[test]
    fn nothing_stored() {
        assert_eq!(decide(None, &RequestDirectives::NONE, &rules(), NOW), Fetch);
        assert_eq!(decide(None, &request("only-if-cached"), &rules(), NOW), GatewayTimeout);
    }

    #[test]
    fn without_validator_there_is_nothing_to_ask() {
        let stale = aged(-1);
        let stored = Some(Stored { freshness: &stale, has_validator: false });
        assert_eq!(decide(stored, &RequestDirectives::NONE, &rules(), NOW), Fetch);
    }

    #[test]
    fn what_the_response_says() {
        let swr = |ttl| Freshness { stale_while_revalidate: Duration::from_secs(10), ..aged(ttl) };
        let cases = [
            (aged(1), Serve),
            (aged(0), Revalidate),
            (aged(-1), Revalidate),
            (Freshness { always_validate: true, ..aged(50) }, Revalidate),
            (Freshness { revalidate: true, ..aged(50) }, Serve),
            (swr(1), Serve),
            (swr(0), ServeStale { refresh: true }),
            (swr(-9), ServeStale { refresh: true }),
            (swr(-10), Revalidate),
            (Freshness { revalidate: true, ..swr(-1) }, Revalidate),
            (Freshness { always_validate: true, ..swr(-1) }, Revalidate),
            (Freshness { stale_if_error: Duration::from_secs(10), ..aged(-1) }, Revalidate),
        ];
        for (freshness, expected) in cases {
            assert_eq!(decided(&freshness, "", false), expected, "{freshness:?}");
        }
    }

    #[test]
    fn what_the_request_says() {
        let swr = Freshness { stale_while_revalidate: Duration::from_secs(10), ..aged(-1) };
        let strict = Freshness { revalidate: true, ..aged(-1) };
        let cases = [
            // stored, request, when ignoring no-cache, when obeying it
            (aged(50), "no-cache", Serve, Revalidate),
            (aged(50), "max-age=0", Serve, Revalidate),
            (aged(50), "max-age=49", Serve, Revalidate),
            (aged(50), "max-age=50", Serve, Serve),
            (aged(50), "min-fresh=50", Serve, Serve),
            (aged(50), "min-fresh=51", Serve, Revalidate),
            (aged(50), "no-store", Serve, Serve),
            (aged(50), "only-if-cached", Serve, Serve),
            (aged(50), "only-if-cached, no-cache", Serve, GatewayTimeout),
            (aged(-5), "only-if-cached", GatewayTimeout, GatewayTimeout),
            (aged(-5), "max-stale", ServeStale { refresh: false }, ServeStale { refresh: false }),
            (aged(-5), "max-stale=5", ServeStale { refresh: false }, ServeStale { refresh: false }),
            (aged(-5), "max-stale=4", Revalidate, Revalidate),
            (
                aged(-5),
                "max-stale=5, only-if-cached",
                ServeStale { refresh: false },
                ServeStale { refresh: false },
            ),
            (aged(-5), "max-stale=5, max-age=10", ServeStale { refresh: false }, Revalidate),
            (strict, "max-stale", Revalidate, Revalidate),
            (swr.clone(), "no-store", ServeStale { refresh: false }, ServeStale { refresh: false }),
            (swr.clone(), "max-age=200", ServeStale { refresh: true }, Revalidate),
            (swr, "max-age=200, max-stale", ServeStale { refresh: true }, ServeStale { refresh: true }),
        ];
        for (freshness, value, ignoring, obeying) in cases {
            assert_eq!(decided(&freshness, value, false), ignoring, "{value}");
            assert_eq!(decided(&freshness, value, true), obeying, "{value}, obeyed");
        }
    }

    #[test]
    fn when_the_origin_fails() {
        let none = RequestDirectives::NONE;
        let sie = |secs, ttl| Freshness { stale_if_error: Duration::from_secs(secs), ..aged(ttl) };
        let day = 24 * 3600;
        let cases = [
            // stored, on an error answer, when disconnected
            (aged(1), true, true),
            (aged(-1), false, true),
            (aged(1 - day), false, true),
            (aged(-day), false, false),
            (sie(10, -9), true, true),
            (sie(10, -10), false, false),
            (Freshness { revalidate: true, ..sie(10, -1) }, false, false),
            (Freshness { revalidate: true, ..aged(1) }, true, true),
            (Freshness { always_validate: true, ..sie(10, 1) }, false, false),
        ];
        for (freshness, on_error, disconnected) in cases {
            let got = (
                may_serve_on_error(&freshness, &none, NOW),
                may_serve_disconnected(&freshness, &none, &rules(), NOW),
            );
            assert_eq!(got, (on_error, disconnected), "{freshness:?}");
        }
    }

    #[test]
    fn the_client_or_the_operator_may_name_the_window() {
        assert!(may_serve_on_error(&aged(-9), &request("stale-if-error=10"), NOW));
        assert!(!may_serve_on_error(&aged(-10), &request("stale-if-error=10"), NOW));
        let mut never = rules();
        never.stale_if_error = Some(Duration::ZERO);
        assert!(!may_serve_disconnected(&aged(-1), &RequestDirectives::NONE, &never, NOW));
    }
}
