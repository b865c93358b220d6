//! What unsafe requests changed lately: a fill from before must not bring it back.
//!
//! An unsafe request that succeeds drops what is stored (RFC 9111 §4.4). What an origin was asked before that may still
//! be on its way, and shows the resource as it was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::cache::key::{Key, KeyHash, Prehashed};
use crate::cache::memory::Slot;
use crate::http::time::Time;

use super::worker::Shared;

/// No fill that began longer ago counts on being told. It takes as long as the slowest body that is still whole.
const REMEMBER: Duration = Duration::from_secs(600);

/// Keys that are remembered at once, at 24 bytes each. When there are more, all fills under way are distrusted once.
const MAX: usize = 4096;

/// When which key was changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// The latest of all, in milliseconds: where nothing changes, nobody takes the lock.
    last: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    at: HashMap<KeyHash, Time, Prehashed>,
    /// Before then anything may have changed.
    floor: Time,
}

impl Changes {
    /// A key was changed.
    pub fn note(&self, key: KeyHash, now: Time) {
        let mut known = self.known.lock();
        if known.at.len() >= MAX && !known.at.contains_key(&key) {
            known.at.retain(|_, at| now.since(*at) < REMEMBER);
            if known.at.len() >= MAX {
                known.floor = now;
                known.at.clear();
            }
        }
        known.at.insert(key, now);
        self.last.fetch_max(now.0, Ordering::Release);
    }

    /// Whether a key was changed after `began`.
    pub fn since(&self, key: KeyHash, began: Time) -> bool {
        if self.last.load(Ordering::Acquire) <= began.0 {
            return false;
        }
        let known = self.known.lock();
        began < known.floor || known.at.get(&key).is_some_and(|at| *at > began)
    }
}

impl Shared {
    /// An unsafe request changed what a key stands for: what is stored goes, and nobody who comes now follows what
    /// was asked for before.
    pub fn change(&self, key: &Key, now: Time) {
        self.changes.note(key.hash(), now);
        let variants = match self.memory.get(key.hash()) {
            Some(Slot::Variants(variants)) => Some(variants),
            _ => None,
        };
        let places = variants.iter().flat_map(|variants| variants.hashes(key));
        for place in std::iter::once(key.hash()).chain(places) {
            if let Some(fill) = self.fills.get(place) {
                self.fills.unlist(place, &fill);
            }
        }
        self.forget(key);
    }

    /// Takes back what was just stored, if it was asked for before the key was changed; says whether it was. Ask
    /// after storing: a change that comes later finds what is stored.
    pub fn is_outrun(&self, key: &Key, asked: Time) -> bool {
        let outrun = self.changes.since(key.hash(), asked);
        if outrun {
            self.forget(key);
        }
        outrun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Time = Time(1_700_000_000_000);

    fn after(millis: u64) -> Time {
        T0.plus(Duration::from_millis(millis))
    }

    #[test]
    fn only_what_began_before_is_outrun() {
        let changes = Changes::default();
        let (key, other) = (KeyHash(1), KeyHash(2));
        assert!(!changes.since(key, T0));
        changes.note(key, after(5));
        assert!(changes.since(key, after(4)));
        assert!(!changes.since(key, after(5)), "what it answered, the client may ask for at once");
        assert!(!changes.since(other, T0));
        changes.note(other, after(9));
        assert!(changes.since(other, after(8)) && !changes.since(key, after(8)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_forgotten_is_distrusted() {
        let changes = Changes::default();
        (0..MAX as u128).for_each(|n| changes.note(KeyHash(n), after(1)));
        assert!(!changes.since(KeyHash(u128::MAX), T0), "all are known");
        changes.note(KeyHash(MAX as u128), after(2));
        assert!(changes.known.lock().at.len() <= MAX);
        assert!(changes.since(KeyHash(0), T0) && changes.since(KeyHash(u128::MAX), T0));
        assert!(!changes.since(KeyHash(0), after(2)) && changes.since(KeyHash(MAX as u128), after(1)));
    }

    #[test]
    fn the_old_make_room() {
        let changes = Changes::default();
        (0..MAX as u128).for_each(|n| changes.note(KeyHash(n), T0));
        let later = T0.plus(REMEMBER);
        changes.note(KeyHash(MAX as u128), later);
        assert_eq!(changes.known.lock().at.len(), 1);
        assert!(!changes.since(KeyHash(u128::MAX), after(1)), "nothing is distrusted for it");
    }
}
