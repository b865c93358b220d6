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

    /// The system's clock. For the rim and for tests; the pure stages get `now` as an argument.
    pub fn system() -> Self {
        SystemTime::now().into()
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
