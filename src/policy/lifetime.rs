//! How long a response is fresh: the origin's word, the rules of `edge.toml`, or a guess.

use std::time::Duration;

use http::StatusCode;

use crate::config::CacheRules;

/// No guess is longer, however long ago the resource changed: nobody asked us to keep it for a year.
const HEURISTIC_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// What of a response decides which rules apply to it.
#[derive(Clone, Copy)]
pub(super) struct Said {
    /// A lifetime is named, be it zero or nonsense (§4.2.1).
    pub explicit: bool,
    /// A Set-Cookie would be stored.
    pub sets_cookie: bool,
}

/// Where a lifetime comes from.
#[derive(Clone, Copy)]
pub(super) enum Granted {
    /// The origin names it; `at_least` counts from arrival.
    Origin { lifetime: Duration, at_least: Duration },
    /// `override_ttl`, from arrival.
    Override(Duration),
    /// `status_ttl` or `default_ttl`, from arrival.
    Rule(Duration),
    /// A tenth of the time since the last change (§4.2.2).
    Heuristic(Duration),
}

impl Granted {
    /// As an age. Rules speak of how long this cache keeps something, whatever age it came with.
    pub fn lifetime(self, initial_age: Duration, rules: &CacheRules) -> Duration {
        let lifetime = match self {
            Granted::Origin { lifetime, at_least: Duration::ZERO } => lifetime,
            Granted::Origin { lifetime, at_least } => lifetime.max(initial_age.saturating_add(at_least)),
            Granted::Override(ttl) | Granted::Rule(ttl) => initial_age.saturating_add(ttl),
            Granted::Heuristic(lifetime) => lifetime.min(HEURISTIC_LIMIT),
        };
        match rules.max_ttl {
            Some(max) => lifetime.min(initial_age.saturating_add(max)),
            None => lifetime,
        }
    }
}

/// Weighs what the origin says against the rules of `edge.toml`.
///
/// `asked` is what the origin's fields give, `None` where the response may not be stored without a rule for its status.
pub(super) fn grant(
    status: StatusCode,
    said: Said,
    asked: Option<Duration>,
    rules: &CacheRules,
) -> Option<Granted> {
    // A rule that prolongs is meant for content: not for errors, and not for a cookie's owner to lose it.
    let prolong = status.as_u16() < 400 && !said.sets_cookie;
    let by_status = rules.status_ttl.iter().find(|(code, _)| *code == status.as_u16());
    if let (Some(ttl), Some(_), true) = (rules.override_ttl, asked, prolong) {
        return Some(Granted::Override(ttl));
    }
    if said.explicit {
        let at_least = rules.min_ttl.filter(|_| prolong).unwrap_or_default();
        return asked.map(|lifetime| Granted::Origin { lifetime, at_least });
    }
    if let (Some((_, ttl)), false) = (by_status, said.sets_cookie) {
        return Some(Granted::Rule(*ttl));
    }
    let heuristic = asked?;
    match (rules.default_ttl, prolong) {
        (Some(ttl), true) => Some(Granted::Rule(ttl)),
        _ => Some(Granted::Heuristic(heuristic)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::rules;

    fn secs(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    /// The lifetime in seconds of a response that came with an age of 10.
    fn lifetime(
        status: u16,
        said: Said,
        asked: Option<u64>,
        change: impl FnOnce(&mut CacheRules),
    ) -> Option<u64> {
        let mut rules = rules();
        change(&mut rules);
        let status = StatusCode::from_u16(status).unwrap();
        let granted = grant(status, said, asked.map(Duration::from_secs), &rules)?;
        Some(granted.lifetime(Duration::from_secs(10), &rules).as_secs())
    }

    const SAID: Said = Said { explicit: true, sets_cookie: false };
    const UNSAID: Said = Said { explicit: false, sets_cookie: false };

    #[test]
    fn the_origin_decides() {
        assert_eq!(lifetime(200, SAID, Some(60), |_| {}), Some(60));
        assert_eq!(lifetime(200, SAID, Some(60), |r| r.default_ttl = secs(5)), Some(60));
        assert_eq!(
            lifetime(404, SAID, Some(60), |r| r.status_ttl = vec![(404, Duration::from_secs(5))]),
            Some(60)
        );
        assert_eq!(lifetime(200, UNSAID, Some(60), |_| {}), Some(60));
        assert_eq!(lifetime(200, UNSAID, None, |_| {}), None);
    }

    #[test]
    fn rules_count_from_arrival() {
        assert_eq!(lifetime(200, SAID, Some(60), |r| r.override_ttl = secs(5)), Some(15));
        assert_eq!(lifetime(200, UNSAID, Some(60), |r| r.override_ttl = secs(5)), Some(15));
        assert_eq!(lifetime(200, UNSAID, Some(60), |r| r.default_ttl = secs(5)), Some(15));
        assert_eq!(lifetime(200, SAID, Some(0), |r| r.min_ttl = secs(5)), Some(15));
        assert_eq!(lifetime(200, SAID, Some(60), |r| r.min_ttl = secs(5)), Some(60));
        assert_eq!(lifetime(200, SAID, Some(60), |r| r.max_ttl = secs(5)), Some(15));
        assert_eq!(lifetime(200, SAID, Some(12), |r| r.max_ttl = secs(5)), Some(12));
        assert_eq!(
            lifetime(200, UNSAID, Some(60), |r| (r.default_ttl, r.max_ttl) = (secs(50), secs(5))),
            Some(15)
        );
    }

    #[test]
    fn status_ttl_makes_a_status_storable() {
        let with = |r: &mut CacheRules| {
            r.status_ttl = vec![(404, Duration::from_secs(5)), (502, Duration::from_secs(1))]
        };
        assert_eq!(lifetime(404, UNSAID, Some(0), with), Some(15));
        assert_eq!(lifetime(502, UNSAID, None, with), Some(11));
        assert_eq!(lifetime(500, UNSAID, None, with), None);
    }

    #[test]
    fn rules_do_not_prolong_errors_or_cookies() {
        let all = |r: &mut CacheRules| {
            (r.override_ttl, r.min_ttl, r.default_ttl) = (secs(500), secs(500), secs(500));
            r.status_ttl = vec![(200, Duration::from_secs(500))];
        };
        let cookie = |explicit| Said { explicit, sets_cookie: true };
        assert_eq!(lifetime(404, SAID, Some(60), all), Some(60));
        assert_eq!(lifetime(404, UNSAID, Some(60), all), Some(60));
        assert_eq!(lifetime(200, cookie(true), Some(60), all), Some(60));
        assert_eq!(lifetime(200, cookie(false), Some(60), all), Some(60));
        assert_eq!(lifetime(200, UNSAID, None, |r| r.override_ttl = secs(5)), None);
    }

    #[test]
    fn a_guess_has_a_limit() {
        assert_eq!(lifetime(200, UNSAID, Some(1 << 30), |_| {}), Some(HEURISTIC_LIMIT.as_secs()));
        assert_eq!(lifetime(200, SAID, Some(1 << 30), |_| {}), Some(1 << 30));
    }
}
