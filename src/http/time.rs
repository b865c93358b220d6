//! A point in time as the cache counts it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch. HTTP dates have whole seconds; TTLs from `edge.toml` may be finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

impl Time {
    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier`; zero if it was not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Later by `by`; stops at the end of time rather than wrapping.
    pub const fn plus(self, by: Duration) -> Self {
        let by = by.as_millis();
        let by = if by > u64::MAX as u128 { u64::MAX } else { by as u64 };
        Self(self.0.saturating_add(by))
    }
}

impl From<SystemTime> for Time {
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Time> for SystemTime {
    fn from(at: Time) -> Self {
        UNIX_EPOCH + Duration::from_millis(at.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds() {
        assert_eq!(Time::from_secs(3), Time(3000));
        assert_eq!(Time(3999).secs(), 3);
        assert_eq!(Time::from_secs(u64::MAX), Time(u64::MAX));
        assert_eq!(Time(5).since(Time(2)), Duration::from_millis(3));
        assert_eq!(Time(2).since(Time(5)), Duration::ZERO);
        assert_eq!(Time(2).plus(Duration::from_micros(3999)), Time(5));
        assert_eq!(Time(2).plus(Duration::MAX), Time(u64::MAX));
    }

    #[test]
    fn the_systems_clock_and_back() {
        let at = Time(1_700_000_000_123);
        assert_eq!(Time::from(SystemTime::from(at)), at);
        assert_eq!(Time::from(UNIX_EPOCH - Duration::from_secs(1)), Time(0), "before the epoch is the epoch");
        assert!(Time::from(SystemTime::now()) > at);
    }
}
