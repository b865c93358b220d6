//! The question put to `http-cache-semantics` once a fill: storable, and for how long?
//!
//! The crate implements RFC 7234 over the fields as they came. It gets ours instead: one Cache-Control rebuilt
//! from parsed directives, dates rewritten as IMF-fixdate, a status that is either cacheable or not. What is
//! left out of the question on purpose, because the crate would answer it otherwise than RFC 9111:
//! * `no-cache` and `proxy-revalidate`, which it takes for a lifetime of zero (§5.2.2.4, §5.2.2.8);
//! * `immutable`, which it takes for a day of freshness (RFC 8246 names none);
//! * Age, which belongs to age and not to lifetime (§4.2.1);
//! * Set-Cookie and Vary, which `storable` judges;
//! * status codes it does not know: any final one may be stored if the response says so (§3).

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderValue, Method, StatusCode};
use http_cache_semantics::{CacheOptions, CachePolicy};

use crate::http::cache_control::{FieldScope, ResponseDirectives};
use crate::http::date;
use crate::http::time::Time;

/// What the crate is asked about.
pub(super) struct Question<'a> {
    /// GET or POST.
    pub method: &'a Method,
    /// The request carried Authorization.
    pub authorized: bool,
    /// Whether the status may be stored on the response's word or by default.
    pub status_cacheable: bool,
    /// With `no_store` as it counts after must-understand.
    pub directives: &'a ResponseDirectives,
    /// `Some(None)` is an Expires that is no date.
    pub expires: Option<Option<Time>>,
    /// Date, or when the response arrived.
    pub date: Time,
    /// If it is a date.
    pub last_modified: Option<Time>,
}

/// The freshness lifetime, or `None` if the response must not be stored.
pub(super) fn ask(question: &Question<'_>) -> Option<Duration> {
    let mut request = http::Request::new(());
    *request.method_mut() = question.method.clone();
    if question.authorized {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("present"));
    }
    let mut response = http::Response::new(());
    if !question.status_cacheable {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    let headers = response.headers_mut();
    headers.insert(DATE, date::format(question.date));
    if let Ok(directives) = HeaderValue::try_from(cache_control(question.directives)) {
        headers.insert(CACHE_CONTROL, directives);
    }
    if let Some(expires) = question.expires {
        headers.insert(EXPIRES, expires.map_or(HeaderValue::from_static("0"), date::format));
    }
    if let Some(modified) = question.last_modified {
        headers.insert(LAST_MODIFIED, date::format(modified));
    }
    let at = question.date.into();
    let policy = CachePolicy::new_options(&request, &response, at, CacheOptions::default());
    policy.is_storable().then(|| policy.time_to_live(at))
}

fn cache_control(directives: &ResponseDirectives) -> String {
    let mut line = String::new();
    let flags = [
        (directives.no_store, "no-store"),
        (directives.private == FieldScope::All, "private"),
        (directives.public, "public"),
        (directives.must_revalidate, "must-revalidate"),
    ];
    for (_, flag) in flags.into_iter().filter(|(set, _)| *set) {
        line.push_str(flag);
        line.push(',');
    }
    for (name, value) in [("max-age", directives.max_age), ("s-maxage", directives.s_maxage)] {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(line, "{name}={},", value.as_secs());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut Question<'_>, &mut ResponseDirectives)) -> Option<u64> {
        let unused = ResponseDirectives::default();
        let mut directives = ResponseDirectives::default();
        let mut question = Question {
            method: &Method::GET,
            authorized: false,
            status_cacheable: true,
            directives: &unused,
            expires: None,
            date: Time::from_secs(1_700_000_000),
            last_modified: None,
        };
        change(&mut question, &mut directives);
        ask(&Question { directives: &directives, ..question }).map(|lifetime| lifetime.as_secs())
    }

    fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    #[test]
    fn the_crate_reads_what_we_write() {
        assert_eq!(asked(|_, _| {}), Some(0));
        assert_eq!(asked(|_, d| d.max_age = secs(60)), Some(60));
        assert_eq!(asked(|_, d| d.max_age = secs(1 << 31)), Some(1 << 31));
        assert_eq!(asked(|_, d| (d.max_age, d.s_maxage) = (secs(60), secs(30))), Some(30));
        assert_eq!(asked(|q, _| q.expires = Some(Some(Time::from_secs(1_700_000_090)))), Some(90));
        assert_eq!(asked(|q, _| q.expires = Some(Some(Time::from_secs(1_600_000_000)))), Some(0));
        assert_eq!(asked(|q, _| q.expires = Some(None)), Some(0));
        assert_eq!(asked(|q, _| q.last_modified = Some(Time::from_secs(1_699_913_600))), Some(8640));
        assert_eq!(asked(|q, _| q.last_modified = Some(Time::from_secs(1_700_000_009))), Some(0));
        let both = |q: &mut Question<'_>, d: &mut ResponseDirectives| {
            q.expires = Some(Some(Time::from_secs(1_700_000_090)));
            d.max_age = secs(7);
        };
        assert_eq!(asked(both), Some(7));
    }

    #[test]
    fn the_crate_refuses() {
        assert_eq!(asked(|_, d| d.no_store = true), None);
        assert_eq!(asked(|_, d| d.private = FieldScope::All), None);
        assert_eq!(asked(|q, _| q.status_cacheable = false), None);
        assert_eq!(asked(|q, d| (q.authorized, d.max_age) = (true, secs(60))), None);
        assert_eq!(asked(|q, d| (q.authorized, d.s_maxage) = (true, secs(60))), Some(60));
        assert_eq!(asked(|q, d| (q.authorized, d.must_revalidate) = (true, true)), Some(0));
        assert_eq!(asked(|q, d| (q.authorized, d.public) = (true, true)), Some(0));
        assert_eq!(asked(|q, _| q.method = &Method::POST), None);
        assert_eq!(asked(|q, d| (q.method, d.max_age) = (&Method::POST, secs(5))), Some(5));
    }
}
