//! How old a stored response is and how old it may become (RFC 9111 §4.2).

use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, DATE};

use crate::http::date;
use crate::http::directive::seconds;
use crate::http::list::elements;
use crate::http::time::Time;

/// What is kept of a response's caching fields: numbers only, so that a hit parses nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Freshness {
    /// When the response's head arrived.
    pub response_time: Time,
    /// Its age then: `corrected_initial_age` of §4.2.3.
    pub initial_age: Duration,
    /// The age at which it becomes stale.
    pub lifetime: Duration,
    /// How long past that it may be served while it is refreshed (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// How long past that it may be served when the origin fails (RFC 5861 §4); zero is unsaid.
    pub stale_if_error: Duration,
    /// Must not be served stale for any reason: must-revalidate, proxy-revalidate, s-maxage (§4.2.4).
    pub revalidate: bool,
    /// Must not be served without asking the origin, however fresh: no-cache (§5.2.2.4).
    pub always_validate: bool,
    /// The lifetime is a guess (§4.2.2).
    pub heuristic: bool,
}

impl Freshness {
    /// `current_age` (§4.2.3); what Age says, in whole seconds.
    pub fn age(&self, now: Time) -> Duration {
        self.initial_age.saturating_add(now.since(self.response_time))
    }

    /// Whole seconds until it becomes stale, rounded down; negative once it is.
    pub fn ttl(&self, now: Time) -> i64 {
        let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        millis(self.lifetime).saturating_sub(millis(self.age(now))).div_euclid(1000)
    }

    /// §4.2: lifetime exceeds age. Whether it may be served unasked is another matter: `always_validate`.
    pub fn is_fresh(&self, now: Time) -> bool {
        self.lifetime > self.age(now)
    }

    /// How long it has been stale; `None` while it is fresh.
    pub fn staleness(&self, now: Time) -> Option<Duration> {
        self.age(now).checked_sub(self.lifetime)
    }

    /// Makes it stale from `now` on, if it is not yet (soft purge). What it may be served for when stale stays.
    pub fn expire(&mut self, now: Time) {
        self.lifetime = self.lifetime.min(self.age(now));
    }

    /// Demands validation before any further use (§4.4, "invalidate").
    pub fn invalidate(&mut self) {
        self.always_validate = true;
    }
}

/// `corrected_initial_age` (§4.2.3): the larger of what the clocks say and what Age plus the delay says.
pub fn initial_age(response: &HeaderMap, request_time: Time, response_time: Time) -> Duration {
    // Date has whole seconds: a finer difference would be noise of up to a second.
    let apparent = date::field(response, &DATE)
        .map_or(Duration::ZERO, |date| Time::from_secs(response_time.secs()).since(date));
    let corrected = age_value(response).saturating_add(response_time.since(request_time));
    apparent.max(corrected)
}

/// `age_value`: the first member of Age, zero if that is no number (§5.1).
fn age_value(response: &HeaderMap) -> Duration {
    elements(response, &AGE).next().and_then(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const T0: Time = Time(1_700_000_000_000);

    fn fresh(initial_age: u64, lifetime: u64) -> Freshness {
        Freshness {
            response_time: T0,
            initial_age: Duration::from_secs(initial_age),
            lifetime: Duration::from_secs(lifetime),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            revalidate: false,
            always_validate: false,
            heuristic: false,
        }
    }

    fn after(millis: u64) -> Time {
        T0.plus(Duration::from_millis(millis))
    }

    #[test]
    fn the_life_of_a_response() {
        let f = fresh(10, 60);
        let cases = [
            // after ms, age ms, ttl s, fresh, stale for ms
            (0, 10_000, 50, true, None),
            (49_999, 59_999, 0, true, None),
            (50_000, 60_000, 0, false, Some(0)),
            (50_001, 60_001, -1, false, Some(1)),
            (52_000, 62_000, -2, false, Some(2000)),
        ];
        for (at, age, ttl, is_fresh, stale) in cases {
            let now = after(at);
            let got = (f.age(now), f.ttl(now), f.is_fresh(now), f.staleness(now));
            let expected = (Duration::from_millis(age), ttl, is_fresh, stale.map(Duration::from_millis));
            assert_eq!(got, expected, "{at} ms");
        }
    }

    #[test]
    fn a_clock_that_went_back_makes_nothing_older() {
        assert_eq!(fresh(10, 60).age(Time(0)), Duration::from_secs(10));
    }

    #[test]
    fn expire_only_shortens() {
        let mut f = fresh(0, 60);
        f.expire(after(5_000));
        assert_eq!(
            (f.is_fresh(after(5_000)), f.staleness(after(6_000))),
            (false, Some(Duration::from_secs(1)))
        );
        let mut stale = fresh(0, 60);
        stale.expire(after(90_000));
        assert_eq!(stale, fresh(0, 60));
    }

    #[test]
    fn invalidated_is_asked_about() {
        let mut f = fresh(0, 60);
        f.invalidate();
        assert!(f.always_validate);
    }

    #[test]
    fn initial_ages() {
        let date = |back: u64| date::format(Time::from_secs(T0.secs() - back)).to_str().unwrap().to_owned();
        type Field = (&'static str, String);
        let cases: [(&[Field], u64, u64); 23] = [
            // fields, delay in ms, age in ms
            (&[], 0, 0),
            (&[], 5_000, 5_000),
            (&[("date", date(0))], 0, 0),
            (&[("date", date(7200))], 0, 7_200_000),
            (&[("date", date(7200))], 5_000, 7_200_000),
            (&[("date", "foo".into())], 250, 250),
            (&[("date", date(1)), ("date", date(2))], 0, 0),
            (&[("age", "30".into())], 2_000, 32_000),
            (&[("age", "30".into()), ("date", date(10))], 0, 30_000),
            (&[("age", "5".into()), ("date", date(10))], 0, 10_000),
            (&[("age", "2147483648".into())], 0, 2_147_483_648_000),
            (&[("age", "99999999999999999999".into())], 0, 2_147_483_648_000),
            (&[("age", "7200, 0".into())], 0, 7_200_000),
            (&[("age", "0, 7200".into())], 0, 0),
            (&[("age", "0".into()), ("age", "7200".into())], 0, 0),
            (&[("age", "7200".into()), ("age", "0".into())], 0, 7_200_000),
            (&[("age", "abc".into())], 0, 0),
            (&[("age", "-7200".into())], 0, 0),
            (&[("age", "7200.0".into())], 0, 0),
            (&[("age", "7200;foo=bar".into())], 0, 0),
            (&[("age", ", 7200".into())], 0, 7_200_000),
            (&[("age", "".into()), ("age", "7200".into())], 0, 7_200_000),
            (&[("age", "\"7200\"".into())], 0, 0),
        ];
        for (fields, delay, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            let got = initial_age(&headers, Time(T0.0 - delay), T0);
            assert_eq!(got, Duration::from_millis(expected), "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn never_fresh_and_stale(initial in 0u64..1 << 33, lifetime in 0u64..1 << 33, now in any::<u64>()) {
            let f = fresh(initial, lifetime);
            let now = Time(now);
            prop_assert_eq!(f.is_fresh(now), f.staleness(now).is_none());
            prop_assert!(f.is_fresh(now) == (f.ttl(now) >= 0) || f.staleness(now) == Some(Duration::ZERO));
        }
    }
}
