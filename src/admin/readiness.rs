//! Named reasons not to send traffic here; ready is to have none.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Why this edge is not ready, shared by all who know a reason.
#[derive(Debug)]
pub struct Readiness {
    reasons: Mutex<BTreeSet<&'static str>>,
}

impl Readiness {
    /// Set until the listeners serve.
    pub const STARTING: &'static str = "starting";
    /// Set from SIGTERM on, while requests in flight finish.
    pub const DRAINING: &'static str = "draining";

    /// Not ready, because it is [`STARTING`](Self::STARTING): who opens the listeners clears that.
    pub fn new() -> Self {
        Self { reasons: Mutex::new([Self::STARTING].into()) }
    }

    /// Sets (`true`) or clears a reason not to be ready.
    pub fn set(&self, reason: &'static str, holds: bool) {
        let mut reasons = self.reasons.lock();
        if holds {
            reasons.insert(reason);
        } else {
            reasons.remove(reason);
        }
    }

    /// Why not, in alphabetical order; empty is ready.
    pub fn reasons(&self) -> Vec<&'static str> {
        self.reasons.lock().iter().copied().collect()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_to_have_no_reason_not_to_be() {
        let readiness = Readiness::new();
        assert_eq!(readiness.reasons(), ["starting"]);
        readiness.set(Readiness::STARTING, false);
        readiness.set("never set", false);
        assert!(readiness.reasons().is_empty());
        readiness.set("purge_log_behind", true);
        readiness.set(Readiness::DRAINING, true);
        readiness.set(Readiness::DRAINING, true);
        assert_eq!(readiness.reasons(), ["draining", "purge_log_behind"]);
        readiness.set(Readiness::DRAINING, false);
        assert_eq!(readiness.reasons(), ["purge_log_behind"]);
    }
}
