//! Whether, when and how often a request is tried again.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Method, StatusCode, header};
use parking_lot::Mutex;

/// An origin that wants a longer wait is not asked again: a client is waiting too.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(2);
/// No backoff is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// Retries that are always possible in a burst, so that a pool with little traffic can retry at all.
const FLOOR: f64 = 10.0;
/// How fast the floor fills again, per second.
const FLOOR_PER_SECOND: f64 = 10.0;
/// The most that requests can save up.
const SAVINGS: f64 = 100.0;

/// Whether repeating the request does no harm (RFC 9110 §9.2.2) and it can be repeated.
pub(super) fn is_replayable(method: &Method, body_is_empty: bool) -> bool {
    let idempotent = method.is_safe() || *method == Method::PUT || *method == Method::DELETE;
    idempotent && body_is_empty
}

/// Whether another attempt may do better than this answer. S3's 500 (InternalError) asks to be retried; of other
/// members it may be one's own trouble, and asking another costs nothing but the budget.
pub(super) const fn is_retryable_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502..=504)
}

/// How long to wait before attempt `n` (the first retry is 1): full jitter over a doubling range.
pub(super) fn backoff(base: Duration, n: u32) -> Duration {
    let range =
        base.saturating_mul(1u32.checked_shl(n.saturating_sub(1)).unwrap_or(u32::MAX)).min(MAX_BACKOFF);
    range.mul_f64(random_share())
}

/// When an origin wants to be asked again (RFC 9110 §10.2.3: seconds or a date).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    /// After this, which a client can wait for.
    In(Duration),
    /// Later than that.
    TooLate,
}

/// What a response's Retry-After says.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<RetryAfter> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(if wait > MAX_RETRY_AFTER { RetryAfter::TooLate } else { RetryAfter::In(wait) })
}

/// Evenly spread 64 bits; not for secrets.
pub(super) fn random() -> u64 {
    static SEED: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(0)));
    // splitmix64
    let mut z = SEED.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn random_share() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

/// Holds retries to a share of requests: each request pays in the share, each retry takes out 1.
#[derive(Debug)]
pub(super) struct Budget {
    share: f64,
    state: Mutex<(f64, Instant)>,
}

impl Budget {
    /// A share of 0 means no retries at all, not even the floor.
    pub(super) fn new(share: f64, now: Instant) -> Self {
        Self { share, state: Mutex::new((FLOOR, now)) }
    }

    /// A request came; how many retries there are now.
    pub(super) fn deposit(&self) -> f64 {
        let mut state = self.state.lock();
        state.0 = (state.0 + self.share).min(SAVINGS);
        state.0
    }

    /// Whether a retry may be made now.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        if self.share <= 0.0 {
            return false;
        }
        let mut state = self.state.lock();
        let (saved, since) = *state;
        let passed = now.saturating_duration_since(since).as_secs_f64();
        let filled = if saved < FLOOR { (saved + passed * FLOOR_PER_SECOND).min(FLOOR) } else { saved };
        let granted = filled >= 1.0;
        *state = (if granted { filled - 1.0 } else { filled }, now);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_repeated() {
        for (method, empty, yes) in [
            (Method::GET, true, true),
            (Method::HEAD, true, true),
            (Method::OPTIONS, true, true),
            (Method::PUT, true, true),
            (Method::DELETE, true, true),
            (Method::POST, true, false),
            (Method::PATCH, true, false),
            (Method::GET, false, false),
            (Method::PUT, false, false),
        ] {
            assert_eq!(is_replayable(&method, empty), yes, "{method} {empty}");
        }
        for (status, yes) in [(200, false), (404, false), (500, true), (501, false), (502, true), (504, true)]
        {
            assert_eq!(is_retryable_status(StatusCode::from_u16(status).unwrap()), yes, "{status}");
        }
    }

    #[test]
    fn backoff_doubles_and_stays_below_its_range() {
        let base = Duration::from_millis(50);
        let longest = |n| (0..200).map(|_| backoff(base, n)).max().unwrap();
        assert!(longest(1) <= base && longest(1) > base / 2);
        assert!(longest(3) <= base * 4 && longest(3) > base * 2);
        assert!(longest(40) <= MAX_BACKOFF);
        assert_eq!(backoff(Duration::ZERO, 3), Duration::ZERO);
    }

    #[test]
    fn retry_after_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |seconds| Some(RetryAfter::In(Duration::from_secs(seconds)));
        for (value, wait) in [
            ("1", after(1)),
            ("0", after(0)),
            ("2", after(2)),
            ("3", Some(RetryAfter::TooLate)),
            ("18446744073709551615", Some(RetryAfter::TooLate)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", after(1)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", after(0)),
            ("Sun, 06 Nov 1994 09:49:37 GMT", Some(RetryAfter::TooLate)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), wait, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn the_budget_is_a_share_above_a_floor() {
        let now = Instant::now();
        let budget = Budget::new(0.2, now);
        let granted = |n: usize, at| (0..n).filter(|_| budget.withdraw(at)).count();
        assert_eq!(granted(50, now), 10, "the floor");
        (0..100).for_each(|_| {
            budget.deposit();
        });
        let saved = granted(50, now);
        assert!((19..=20).contains(&saved), "{saved} of 100 requests at 0.2");
        assert_eq!(granted(50, now + Duration::from_secs(3600)), 10, "the floor fills again");
        (0..10_000).for_each(|_| {
            budget.deposit();
        });
        assert_eq!(granted(1000, now + Duration::from_secs(3600)), 100, "savings end");
        assert!(!Budget::new(0.0, now).withdraw(now));
    }
}
