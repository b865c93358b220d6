//! Whether a response may be stored (RFC 9111 §3), and how long it is fresh.

use std::time::Duration;

use http::header::{AUTHORIZATION, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE, VARY};
use http::{HeaderMap, Method, StatusCode};

use crate::config::CacheRules;
use crate::http::cache_control::{FieldScope, RequestDirectives, ResponseDirectives};
use crate::http::date;
use crate::http::time::Time;
use crate::http::vary::Vary;
use crate::policy::freshness::{Freshness, initial_age};
use crate::policy::lifetime::{Granted, Said, grant};
use crate::policy::semantics::{self, Question};
use crate::policy::status::{cacheable_by_default, never_stored, understood};

/// A request and the final response it got, with the times of the one's sending and the other's arrival.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// As sent to the origin.
    pub method: &'a Method,
    /// As the client sent it: Authorization and Cache-Control are looked at.
    pub request: &'a HeaderMap,
    /// Not an interim one.
    pub status: StatusCode,
    /// As it came, connection fields may be gone.
    pub response: &'a HeaderMap,
    /// When the request was sent.
    pub request_time: Time,
    /// When the head arrived.
    pub response_time: Time,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoStore {
    /// The rules switch the cache off.
    Disabled,
    /// Not GET, nor a POST that says how long it is fresh (RFC 9110 §9.3.3).
    Method,
    /// The client said no-store.
    RequestNoStore,
    /// A status that is never stored, or not understood under must-understand.
    Status,
    /// A 206 is kept as slices or not at all.
    Partial,
    /// `Vary: *`
    VaryAny,
    /// The origin said no-store.
    NoStore,
    /// The origin said private.
    Private,
    /// The request had Authorization and the response does not allow for it (§3.5).
    Authorization,
    /// It sets a cookie and does not say that it may be stored.
    SetCookie,
    /// Stale on arrival, and nothing to validate it with.
    NoFreshness,
}

impl NoStore {
    /// All of them, for tables in metrics.
    pub const ALL: &[NoStore] = &[
        NoStore::Disabled,
        NoStore::Method,
        NoStore::RequestNoStore,
        NoStore::Status,
        NoStore::Partial,
        NoStore::VaryAny,
        NoStore::NoStore,
        NoStore::Private,
        NoStore::Authorization,
        NoStore::SetCookie,
        NoStore::NoFreshness,
    ];

    /// Whether it lies in the request's own fields, so that it says nothing about what others are answered.
    pub const fn is_of_request(self) -> bool {
        matches!(self, NoStore::RequestNoStore | NoStore::Authorization)
    }

    /// The word used in metrics, logs and Cache-Status.
    pub const fn as_str(self) -> &'static str {
        match self {
            NoStore::Disabled => "disabled",
            NoStore::Method => "method",
            NoStore::RequestNoStore => "request_no_store",
            NoStore::Status => "status",
            NoStore::Partial => "partial",
            NoStore::VaryAny => "vary_any",
            NoStore::NoStore => "no_store",
            NoStore::Private => "private",
            NoStore::Authorization => "authorization",
            NoStore::SetCookie => "set_cookie",
            NoStore::NoFreshness => "no_freshness",
        }
    }
}

/// Judges a whole response.
///
/// A POST's is only to be stored, under the GET key, if [`names_target`] holds as well.
///
/// [`names_target`]: crate::policy::invalidate::names_target
pub fn storable(exchange: &Exchange<'_>, rules: &CacheRules) -> Result<Freshness, NoStore> {
    if exchange.status == StatusCode::PARTIAL_CONTENT {
        return Err(NoStore::Partial);
    }
    judge(exchange, rules)
}

/// Judges a 206 that will be kept as slices.
pub fn storable_slice(exchange: &Exchange<'_>, rules: &CacheRules) -> Result<Freshness, NoStore> {
    if exchange.status != StatusCode::PARTIAL_CONTENT {
        return Err(NoStore::Status);
    }
    judge(exchange, rules)
}

fn judge(exchange: &Exchange<'_>, rules: &CacheRules) -> Result<Freshness, NoStore> {
    let mut directives = ResponseDirectives::parse(exchange.response);
    let expires = !directives.targeted && exchange.response.contains_key(EXPIRES);
    let explicit = directives.max_age.is_some() || directives.s_maxage.is_some() || expires;
    let said = Said { explicit, sets_cookie: sets_cookie(exchange.response, &directives) };
    refuse(exchange, rules, &mut directives, said)?;

    let response_time = exchange.response_time;
    let asked = semantics::ask(&Question {
        method: exchange.method,
        authorized: exchange.request.contains_key(AUTHORIZATION),
        status_cacheable: explicit || directives.public || cacheable_by_default(exchange.status),
        directives: &directives,
        expires: expires.then(|| date::field(exchange.response, &EXPIRES)),
        date: date::field(exchange.response, &DATE).unwrap_or(response_time),
        last_modified: date::field(exchange.response, &LAST_MODIFIED),
    });
    let initial_age = initial_age(exchange.response, exchange.request_time, response_time);
    let granted = grant(exchange.status, said, asked, rules).ok_or(NoStore::NoFreshness)?;
    let mut freshness = Freshness {
        response_time,
        initial_age,
        lifetime: granted.lifetime(initial_age, rules),
        stale_while_revalidate: or_default(directives.stale_while_revalidate, rules.stale_while_revalidate),
        stale_if_error: or_default(directives.stale_if_error, rules.stale_if_error),
        // §5.2.2.10: s-maxage has the meaning of proxy-revalidate in it.
        revalidate: directives.must_revalidate
            || directives.proxy_revalidate
            || directives.s_maxage.is_some(),
        always_validate: directives.no_cache == FieldScope::All,
        heuristic: matches!(granted, Granted::Heuristic(_)),
    };
    if matches!(granted, Granted::Override(_)) {
        freshness.always_validate = false;
    }
    if useful(&freshness, exchange.response) { Ok(freshness) } else { Err(NoStore::NoFreshness) }
}

/// The prohibitions of §3, in the order a reader of a log would want to hear them.
fn refuse(
    exchange: &Exchange<'_>,
    rules: &CacheRules,
    directives: &mut ResponseDirectives,
    said: Said,
) -> Result<(), NoStore> {
    if !rules.enabled {
        return Err(NoStore::Disabled);
    }
    let post = exchange.method == Method::POST && exchange.status == StatusCode::OK && said.explicit;
    if exchange.method != Method::GET && !post {
        return Err(NoStore::Method);
    }
    if RequestDirectives::parse(exchange.request).no_store {
        return Err(NoStore::RequestNoStore);
    }
    if never_stored(exchange.status) {
        return Err(NoStore::Status);
    }
    if directives.must_understand {
        // §5.2.2.3: a status we understand lifts the no-store that is there for caches who do not.
        if !understood(exchange.status) {
            return Err(NoStore::Status);
        }
        directives.no_store = false;
    }
    if directives.no_store {
        return Err(NoStore::NoStore);
    }
    if directives.private == FieldScope::All {
        return Err(NoStore::Private);
    }
    if varies_on_anything(exchange.response) {
        return Err(NoStore::VaryAny);
    }
    let shared = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
    if exchange.request.contains_key(AUTHORIZATION) && !shared {
        return Err(NoStore::Authorization);
    }
    // §7.3 leaves this to the origin's Cache-Control. A guess of ours or a rule meant for other responses must
    // not hand one visitor's session to the next; an origin that names a lifetime has decided.
    if said.sets_cookie && !said.explicit && !directives.public {
        return Err(NoStore::SetCookie);
    }
    Ok(())
}

/// Whether anything could ever be served from it.
fn useful(freshness: &Freshness, response: &HeaderMap) -> bool {
    let validator = response.contains_key(ETAG) || response.contains_key(LAST_MODIFIED);
    let windows = [freshness.lifetime, freshness.stale_while_revalidate, freshness.stale_if_error];
    validator || (!freshness.always_validate && windows.iter().any(|window| !window.is_zero()))
}

fn or_default(said: Option<Duration>, rule: Option<Duration>) -> Duration {
    said.or(rule).unwrap_or_default()
}

fn sets_cookie(response: &HeaderMap, directives: &ResponseDirectives) -> bool {
    response.contains_key(SET_COOKIE)
        && !directives.private.fields().contains(&SET_COOKIE)
        && !directives.no_cache.fields().contains(&SET_COOKIE)
}

/// `*`, or something that is no field name: then nobody can say which requests it is for.
fn varies_on_anything(response: &HeaderMap) -> bool {
    response.contains_key(VARY) && Vary::of(response) == Vary::Any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;
    use http::{HeaderName, HeaderValue};

    const NOW: Time = Time(1_700_000_000_000);
    type Lines<'a> = &'a [(&'static str, &'a str)];

    fn headers(lines: Lines<'_>) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn judge_with(
        method: Method,
        status: u16,
        request: Lines<'_>,
        response: Lines<'_>,
        rules: &CacheRules,
    ) -> Result<Freshness, NoStore> {
        let exchange = Exchange {
            method: &method,
            request: &headers(request),
            status: StatusCode::from_u16(status).unwrap(),
            response: &headers(response),
            request_time: NOW,
            response_time: NOW,
        };
        storable(&exchange, rules)
    }

    fn get(status: u16, response: Lines<'_>) -> Result<Freshness, NoStore> {
        judge_with(Method::GET, status, &[], response, &rules())
    }

    fn cc(value: &str) -> Result<Freshness, NoStore> {
        get(200, &[("cache-control", value)])
    }

    /// An HTTP date so many seconds from now.
    fn date(offset: i64) -> String {
        date::format(Time::from_secs(NOW.secs().saturating_add_signed(offset))).to_str().unwrap().to_owned()
    }

    fn ttl(verdict: Result<Freshness, NoStore>) -> Result<i64, NoStore> {
        verdict.map(|freshness| freshness.ttl(NOW))
    }

    #[test]
    fn lifetimes() {
        let (now, past, future, changed) = (date(0), date(-7200), date(90), date(-86400));
        let cases: [(Lines<'_>, Result<i64, NoStore>); 19] = [
            (&[], Err(NoStore::NoFreshness)),
            (&[("cache-control", "max-age=0")], Err(NoStore::NoFreshness)),
            (&[("cache-control", "max-age=-1")], Err(NoStore::NoFreshness)),
            (&[("cache-control", "max-age=0"), ("etag", "\"a\"")], Ok(0)),
            (&[("cache-control", "max-age=60")], Ok(60)),
            (&[("cache-control", "max-age=60"), ("age", "70")], Ok(-10)),
            (&[("cache-control", "max-age=60"), ("date", &past)], Ok(60 - 7200)),
            (&[("cache-control", "max-age=60"), ("expires", &past)], Ok(60)),
            (&[("cache-control", "max-age=60"), ("expires", "0")], Ok(60)),
            (&[("cache-control", "max-age=0"), ("expires", &future)], Err(NoStore::NoFreshness)),
            (&[("cache-control", "max-age=1, s-maxage=60"), ("expires", &past)], Ok(60)),
            (&[("expires", &future)], Ok(90)),
            (&[("expires", &future), ("date", "foo")], Ok(90)),
            (&[("expires", &future), ("date", &past)], Ok(90)),
            (&[("expires", &now), ("date", &now)], Err(NoStore::NoFreshness)),
            (&[("expires", "0"), ("last-modified", &changed)], Ok(0)),
            (&[("expires", &future), ("expires", &now)], Err(NoStore::NoFreshness)),
            (&[("last-modified", &changed), ("date", &now)], Ok(8640)),
            (&[("last-modified", &changed), ("pragma", "no-cache")], Ok(8640)),
        ];
        for (response, expected) in cases {
            assert_eq!(ttl(get(200, response)), expected, "{response:?}");
        }
        assert!(get(200, &[("last-modified", &changed)]).unwrap().heuristic);
        assert!(!cc("max-age=5").unwrap().heuristic);
    }

    #[test]
    fn status_codes() {
        let changed = date(-86400);
        for code in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599]
        {
            assert_eq!(ttl(get(code, &[("cache-control", "max-age=60")])), Ok(60), "{code}");
        }
        for code in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 451, 501] {
            assert_eq!(ttl(get(code, &[("last-modified", &changed)])), Ok(8640), "{code}");
        }
        for code in [201, 202, 302, 307, 403, 500, 502, 503, 504, 599] {
            assert_eq!(get(code, &[("last-modified", &changed)]), Err(NoStore::NoFreshness), "{code}");
            let public = [("last-modified", changed.as_str()), ("cache-control", "public")];
            assert_eq!(ttl(get(code, &public)), Ok(8640), "{code}");
        }
        for code in [101, 304, 412, 416, 428, 429, 431, 511, 600, 999] {
            assert_eq!(get(code, &[("cache-control", "max-age=60, public")]), Err(NoStore::Status), "{code}");
        }
        assert_eq!(get(206, &[("cache-control", "max-age=60")]), Err(NoStore::Partial));
    }

    #[test]
    fn what_the_origin_forbids() {
        assert_eq!(cc("max-age=60, No-StOrE"), Err(NoStore::NoStore));
        assert_eq!(cc("private, max-age=60"), Err(NoStore::Private));
        assert_eq!(ttl(cc("private=\"set-cookie\", max-age=60")), Ok(60));
        assert_eq!(ttl(cc("max-age=60, no-store, must-understand")), Ok(60));
        let unknown = [("cache-control", "max-age=60, must-understand")];
        assert_eq!(get(599, &unknown), Err(NoStore::Status));
        for vary in ["*", "*, *", ", *", "*, Foo", "Foo,*"] {
            assert_eq!(
                get(200, &[("cache-control", "max-age=60"), ("vary", vary)]),
                Err(NoStore::VaryAny),
                "{vary}"
            );
        }
        let lines = [("cache-control", "max-age=60"), ("vary", "foo"), ("vary", "*")];
        assert_eq!(get(200, &lines), Err(NoStore::VaryAny));
        assert_eq!(ttl(get(200, &[("cache-control", "max-age=60"), ("vary", "foo, x*")])), Ok(60));
    }

    #[test]
    fn what_must_be_asked_about() {
        let flags = |value| {
            get(200, &[("cache-control", value), ("etag", "\"a\"")])
                .map(|f| (f.always_validate, f.revalidate))
        };
        assert_eq!(flags("no-cache"), Ok((true, false)));
        assert_eq!(flags("max-age=60, no-cache"), Ok((true, false)));
        assert_eq!(flags("max-age=60, no-cache=\"a\""), Ok((false, false)));
        assert_eq!(flags("max-age=60, must-revalidate"), Ok((false, true)));
        assert_eq!(flags("max-age=60, proxy-revalidate"), Ok((false, true)));
        assert_eq!(flags("s-maxage=60"), Ok((false, true)));
        assert_eq!(flags("max-age=60, immutable"), Ok((false, false)));
        assert_eq!(cc("no-cache, max-age=60"), Err(NoStore::NoFreshness), "nothing to validate it with");
        assert_eq!(ttl(cc("proxy-revalidate, max-age=60")), Ok(60));
    }

    #[test]
    fn targeted_fields() {
        let future = date(90);
        let cases: [(Lines<'_>, Result<i64, NoStore>); 8] = [
            (&[("cdn-cache-control", "max-age=60"), ("cache-control", "no-store")], Ok(60)),
            (&[("cdn-cache-control", "max-age=60"), ("expires", "0")], Ok(60)),
            (&[("cdn-cache-control", "max-age=0"), ("expires", &future)], Err(NoStore::NoFreshness)),
            (&[("cdn-cache-control", "foo"), ("expires", &future)], Err(NoStore::NoFreshness)),
            (&[("cdn-cache-control", "private"), ("cache-control", "max-age=60")], Err(NoStore::Private)),
            (&[("cdn-cache-control", "max-age=60, &"), ("cache-control", "no-store")], Err(NoStore::NoStore)),
            (&[("surrogate-control", "max-age=60"), ("cache-control", "no-store")], Ok(60)),
            (&[("surrogate-control", "no-store"), ("cache-control", "max-age=60")], Err(NoStore::NoStore)),
        ];
        for (response, expected) in cases {
            assert_eq!(ttl(get(200, response)), expected, "{response:?}");
        }
    }

    #[test]
    fn requests() {
        let with = |request: Lines<'_>, value| {
            ttl(judge_with(Method::GET, 200, request, &[("cache-control", value)], &rules()))
        };
        assert_eq!(with(&[("cache-control", "no-store")], "max-age=60"), Err(NoStore::RequestNoStore));
        assert_eq!(with(&[("cache-control", "no-cache")], "max-age=60"), Ok(60));
        let authorization = [("authorization", "FOO")];
        assert_eq!(with(&authorization, "max-age=60"), Err(NoStore::Authorization));
        assert_eq!(with(&authorization, "max-age=60, proxy-revalidate"), Err(NoStore::Authorization));
        for allowed in ["max-age=60, public", "max-age=60, must-revalidate", "s-maxage=60"] {
            assert_eq!(with(&authorization, allowed), Ok(60), "{allowed}");
        }
    }

    #[test]
    fn methods() {
        let explicit: Lines<'_> = &[("cache-control", "max-age=60")];
        let changed = date(-86400);
        let cases: [(Method, u16, Lines<'_>, Result<i64, NoStore>); 5] = [
            (Method::HEAD, 200, explicit, Err(NoStore::Method)),
            (Method::PUT, 200, explicit, Err(NoStore::Method)),
            (Method::POST, 200, explicit, Ok(60)),
            (Method::POST, 201, explicit, Err(NoStore::Method)),
            (Method::POST, 200, &[("last-modified", &changed)], Err(NoStore::Method)),
        ];
        for (method, status, response, expected) in cases {
            assert_eq!(
                ttl(judge_with(method.clone(), status, &[], response, &rules())),
                expected,
                "{method} {status}"
            );
        }
    }

    #[test]
    fn cookies() {
        let changed = date(-86400);
        let cookie = ("set-cookie", "a=b");
        assert_eq!(ttl(get(200, &[cookie, ("cache-control", "max-age=60")])), Ok(60));
        assert_eq!(
            ttl(get(200, &[cookie, ("cache-control", "public"), ("last-modified", &changed)])),
            Ok(8640)
        );
        assert_eq!(get(200, &[cookie, ("last-modified", &changed)]), Err(NoStore::SetCookie));
        let kept_out = ("cache-control", "private=\"set-cookie\"");
        assert_eq!(ttl(get(200, &[cookie, kept_out, ("last-modified", &changed)])), Ok(8640));
        let mut rules = rules();
        rules.default_ttl = Some(Duration::from_secs(60));
        rules.override_ttl = Some(Duration::from_secs(60));
        assert_eq!(judge_with(Method::GET, 200, &[], &[cookie], &rules), Err(NoStore::SetCookie));
    }

    #[test]
    fn rules_apply() {
        let mut with = rules();
        with.override_ttl = Some(Duration::from_secs(500));
        with.stale_if_error = Some(Duration::from_secs(7));
        with.stale_while_revalidate = Some(Duration::from_secs(8));
        let judged =
            |value, rules: &CacheRules| judge_with(Method::GET, 200, &[], &[("cache-control", value)], rules);
        let freshness = judged("no-cache, max-age=0, stale-if-error=9", &with).unwrap();
        let windows = (freshness.stale_if_error.as_secs(), freshness.stale_while_revalidate.as_secs());
        assert_eq!((freshness.always_validate, freshness.ttl(NOW), windows), (false, 500, (9, 8)));
        assert_eq!(judged("no-store", &with), Err(NoStore::NoStore));
        assert_eq!(judged("private", &with), Err(NoStore::Private));
        with.enabled = false;
        assert_eq!(judged("max-age=5", &with), Err(NoStore::Disabled));
    }

    #[test]
    fn slices() {
        let with = |status: StatusCode| {
            let exchange = Exchange {
                method: &Method::GET,
                request: &HeaderMap::new(),
                status,
                response: &headers(&[("cache-control", "max-age=60")]),
                request_time: NOW,
                response_time: NOW,
            };
            ttl(storable_slice(&exchange, &rules()))
        };
        assert_eq!(with(StatusCode::PARTIAL_CONTENT), Ok(60));
        assert_eq!(with(StatusCode::OK), Err(NoStore::Status));
    }

    #[test]
    fn words_are_distinct() {
        let words: std::collections::HashSet<_> = NoStore::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), NoStore::ALL.len());
        let of_request: Vec<_> = NoStore::ALL.iter().filter(|reason| reason.is_of_request()).collect();
        assert_eq!(of_request, [&NoStore::RequestNoStore, &NoStore::Authorization]);
    }
}
