//! RFC 9111 as a whole, over any two heads and times: what forbids storing wins, times never overflow, and what is
//! served unasked is fresh.

use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, Method, StatusCode};

use super::input::Input;
use crate::config::CacheRules;
use crate::http::cache_control::{FieldScope, RequestDirectives, ResponseDirectives};
use crate::http::time::Time;
use crate::policy::decide::{Decision, Stored, decide, may_serve_disconnected, may_serve_on_error};
use crate::policy::freshness::Freshness;
use crate::policy::storable::{Exchange, storable};
use crate::policy::stored_head::{stored_head, withheld};
use crate::policy::testing;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [status, request_time, took, later, flags, ttl, max_ttl] = input.numbers();
    let method = Method::from_bytes(input.line()).unwrap_or(Method::GET);
    let (request, response) = (input.fields(), input.fields());
    let response_time = Time(request_time.saturating_add(took));
    let exchange = Exchange {
        method: &method,
        request: &request,
        status: StatusCode::from_u16((status % 1000) as u16).unwrap_or(StatusCode::OK),
        response: &response,
        request_time: Time(request_time),
        response_time,
    };
    let rules = rules(flags, ttl, max_ttl);
    let Ok(freshness) = storable(&exchange, &rules) else { return };
    let said = ResponseDirectives::parse(&response);
    may_be_shared(&exchange, &said, &rules);
    let now = Time(response_time.0.saturating_add(later));
    ages(&freshness, &rules, response_time, now);
    decisions(&freshness, &request, &rules, now);

    let head = stored_head(&response, &said);
    for name in said.private.fields().iter().chain(said.no_cache.fields()) {
        assert!(!head.contains_key(name), "{name} is for one client, and stored");
    }
    let kept_back = withheld(&response, &said);
    assert!(kept_back.keys().all(|name| !head.contains_key(name)));
    assert!(!head.contains_key("connection") && !head.contains_key("age"));
}

fn rules(flags: u64, ttl: u64, max_ttl: u64) -> CacheRules {
    let ttl = Some(Duration::from_millis(ttl));
    let given = |bit: u64| if flags & bit == 0 { None } else { ttl };
    CacheRules {
        default_ttl: given(1),
        min_ttl: given(2),
        override_ttl: given(4),
        max_ttl: if flags & 8 == 0 { None } else { Some(Duration::from_millis(max_ttl)) },
        status_ttl: given(16).map(|ttl| (404, ttl)).into_iter().collect(),
        stale_while_revalidate: given(32),
        stale_if_error: given(64),
        ignore_request_no_cache: flags & 128 == 0,
        ..testing::rules()
    }
}

/// No prohibition is overlooked: asked of the parsed directives, and of the raw lines.
fn may_be_shared(exchange: &Exchange<'_>, said: &ResponseDirectives, rules: &CacheRules) {
    let (method, response) = (exchange.method, exchange.response);
    assert!(method == Method::GET || method == Method::POST, "stored for {method}");
    assert!(!exchange.status.is_informational() && exchange.status != StatusCode::PARTIAL_CONTENT);
    assert!(exchange.status != StatusCode::NOT_MODIFIED, "a 304 is no response of its own");
    assert!(said.private != FieldScope::All, "private, and stored");
    assert!(!said.no_store || said.must_understand, "no-store, and stored");
    assert!(!RequestDirectives::parse(exchange.request).no_store);
    let plain = |name: &[u8]| {
        let mut lines = response.get_all(CACHE_CONTROL).iter();
        lines.any(|line| !line.as_bytes().contains(&b'"') && lists(line.as_bytes(), name))
    };
    if !said.targeted && !said.must_understand {
        assert!(!plain(b"no-store") && !plain(b"private"), "forbidden in so many words");
    }
    let any = response.get_all(VARY).iter().any(|line| lists(line.as_bytes(), b"*"));
    assert!(!any, "Vary: * and stored");
    if exchange.request.contains_key(AUTHORIZATION) {
        assert!(said.public || said.must_revalidate || said.s_maxage.is_some(), "authorised, and stored");
    }
    if response.contains_key(SET_COOKIE) && rules.override_ttl.is_none() {
        let named = [&said.private, &said.no_cache].iter().any(|scope| scope.fields().contains(&SET_COOKIE));
        let explicit = said.max_age.is_some() || said.s_maxage.is_some() || response.contains_key("expires");
        assert!(named || said.public || explicit, "somebody's cookie, stored on a guess");
    }
}

fn lists(line: &[u8], name: &[u8]) -> bool {
    line.split(|&byte| byte == b',').any(|member| member.trim_ascii().eq_ignore_ascii_case(name))
}

fn ages(freshness: &Freshness, rules: &CacheRules, stored: Time, now: Time) {
    let age = freshness.age(now);
    assert!(age >= freshness.initial_age && age >= now.since(stored));
    assert!(freshness.age(Time(0)) == freshness.initial_age, "a clock that went back makes nothing younger");
    assert_eq!(freshness.is_fresh(now), freshness.staleness(now).is_none());
    assert_eq!(freshness.is_fresh(now), freshness.lifetime > age);
    assert!(!freshness.is_fresh(now) || freshness.ttl(now) >= 0);
    if let Some(most) = rules.max_ttl {
        assert!(freshness.lifetime <= freshness.initial_age.saturating_add(most));
    }
    let mut expired = freshness.clone();
    expired.expire(now);
    assert!(!expired.is_fresh(now), "a soft purge leaves nothing fresh");
}

fn decisions(freshness: &Freshness, request: &HeaderMap, rules: &CacheRules, now: Time) {
    let asked = RequestDirectives::parse(request);
    for has_validator in [true, false] {
        let stored = Stored { freshness, has_validator };
        let decision = decide(Some(stored), &asked, rules, now);
        match decision {
            Decision::Serve => {
                assert!(freshness.is_fresh(now) && !freshness.always_validate);
                let young = asked.max_age.is_none_or(|most| freshness.age(now) <= most);
                assert!(rules.ignore_request_no_cache || (!asked.no_cache && young));
            }
            Decision::ServeStale { .. } => {
                assert!(!freshness.is_fresh(now) && !freshness.always_validate && !freshness.revalidate);
            }
            Decision::Revalidate => assert!(has_validator && !asked.only_if_cached),
            Decision::Fetch => assert!(!has_validator && !asked.only_if_cached),
            Decision::GatewayTimeout => assert!(asked.only_if_cached),
        }
        let nothing = decide(None, &asked, rules, now);
        assert!(matches!(nothing, Decision::Fetch | Decision::GatewayTimeout));
    }
    let on_error = may_serve_on_error(freshness, &asked, now);
    assert!(!on_error || may_serve_disconnected(freshness, &asked, rules, now));
    if freshness.always_validate || (freshness.revalidate && !freshness.is_fresh(now)) {
        assert!(!may_serve_disconnected(freshness, &asked, rules, now));
    }
}
