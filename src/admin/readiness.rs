//! Named reasons not to send traffic here, of which ready is to have none; and what is impaired while it serves.

use std::borrow::Cow;
use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Why this edge is not ready, shared by all who know a reason.
#[derive(Debug)]
pub struct Readiness {
    reasons: Mutex<BTreeSet<&'static str>>,
    impaired: Mutex<BTreeSet<Cow<'static, str>>>,
}

impl Readiness {
    /// Set until the listeners serve.
    pub const STARTING: &'static str = "starting";
    /// Set from SIGTERM on, while requests in flight finish.
    pub const DRAINING: &'static str = "draining";
    /// Impaired while the disk tier can't be used: hits come from RAM, everything else from the origin.
    pub const DISK_CACHE: &'static str = "disk_cache";
    /// Impaired while purges can't be written: they are in effect, and would not outlive a restart.
    pub const PURGE_LOG: &'static str = "purge_log";
    /// Impaired while a certificate in use is not valid, or its renewed files could not be taken.
    pub const CERTIFICATES: &'static str = "certificates";

    /// Impaired while no member of this pool can be reached: what is in the cache is served.
    pub fn pool(name: &str) -> Cow<'static, str> {
        format!("pool:{name}").into()
    }

    /// Not ready, because it is [`STARTING`](Self::STARTING): who opens the listeners clears that.
    pub fn new() -> Self {
        Self { reasons: Mutex::new([Self::STARTING].into()), impaired: Mutex::default() }
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

    /// Sets (`true`) or clears something that does not work as it should while requests are served: traffic that
    /// went elsewhere for it would be worse off there if all edges had it.
    pub fn impair(&self, what: impl Into<Cow<'static, str>>, holds: bool) {
        let mut impaired = self.impaired.lock();
        if holds {
            impaired.insert(what.into());
        } else {
            impaired.remove(&what.into());
        }
    }

    /// What is impaired, in alphabetical order.
    pub fn impaired(&self) -> Vec<Cow<'static, str>> {
        self.impaired.lock().iter().cloned().collect()
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

    #[test]
    fn what_is_impaired_does_not_turn_traffic_away() {
        let readiness = Readiness::new();
        readiness.set(Readiness::STARTING, false);
        readiness.impair(Readiness::DISK_CACHE, true);
        assert_eq!((readiness.reasons(), readiness.impaired()), (vec![], vec!["disk_cache".into()]));
        readiness.impair(Readiness::DISK_CACHE, false);
        assert!(readiness.impaired().is_empty());
    }
}
