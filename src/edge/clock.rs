//! What time it is, for everything that counts freshness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::http::time::Time;

/// How often a system clock is read. TTLs are whole seconds nearly always; a request reads the time as one load.
const TICK: Duration = Duration::from_millis(5);

fn system_time() -> Time {
    SystemTime::now().into()
}

/// A shared reading of the time.
#[derive(Debug, Clone)]
pub struct Clock {
    now: Arc<AtomicU64>,
    system: bool,
}

impl Clock {
    /// The system's time, read by a task every few milliseconds once [`Clock::tick`] runs.
    pub fn system() -> Self {
        Self { now: Arc::new(AtomicU64::new(system_time().0)), system: true }
    }

    /// A time that stands still until it is told to move.
    pub fn manual(at: Time) -> Self {
        Self { now: Arc::new(AtomicU64::new(at.0)), system: false }
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        Time(self.now.load(Ordering::Relaxed))
    }

    /// Moves a manual clock on; a system clock takes no advice.
    pub fn advance(&self, by: Duration) {
        if !self.system {
            self.now.store(self.now().plus(by).0, Ordering::Relaxed);
        }
    }

    /// Keeps a system clock going; never returns. One such task serves the whole process.
    pub async fn tick(self) {
        if !self.system {
            return std::future::pending().await;
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.now.store(system_time().0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_when_told_and_its_clones_with_it() {
        let clock = Clock::manual(Time::from_secs(100));
        let other = clock.clone();
        clock.advance(Duration::from_millis(1500));
        assert_eq!(other.now(), Time(101_500));
    }

    #[test]
    fn a_system_clock_takes_no_advice() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(Duration::from_secs(60));
        assert_eq!(clock.now(), before);
    }
}
