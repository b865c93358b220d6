//! Which keys unsafe requests have changed, so that a response from before is not kept after (RFC 9111 §4.4).
//!
//! A response that was asked for before a POST succeeded may show what the POST has changed, and what is stored is
//! removed when it succeeds: too early for a response that is still on its way. Keys are counted together in groups.
//! Two that share one cost each other a response that is not kept, which is fetched again.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache::key::Key;
use crate::cache::memory::Slot;

use super::worker::Shared;

/// A fill that takes a second while a thousand unsafe requests a second succeed has a chance of 1 in 66 of not being
/// kept for nothing. In 256 KiB.
const GROUPS: usize = 1 << 16;

/// How often the keys of a group were changed.
#[derive(Debug)]
pub struct Changes(Box<[AtomicU32]>);

/// A moment in the life of a key, as far as changes tell moments apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(u32);

impl Moment {
    /// The one after the next change.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Why what came is not kept, though it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OvertakenBy {
    /// A purge means it.
    Purge,
    /// An unsafe request for the same has succeeded meanwhile.
    Change,
}

impl OvertakenBy {
    /// As metrics say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            OvertakenBy::Purge => "purged",
            OvertakenBy::Change => "changed",
        }
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self((0..GROUPS).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Changes {
    /// Which moment it is for `key`.
    pub fn now(&self, key: &Key) -> Moment {
        Moment(self.group(key).load(Ordering::SeqCst))
    }

    fn count(&self, key: &Key) {
        self.group(key).fetch_add(1, Ordering::SeqCst);
    }

    fn group(&self, key: &Key) -> &AtomicU32 {
        // The remainder of a division by their number is one of them.
        &self.0[(key.hash().0 >> 64) as usize % GROUPS]
    }
}

impl Shared {
    /// Forgets what is stored for `key`, and sees to it that nothing is stored, nor followed by requests to come, that
    /// was asked for before.
    pub fn changed(&self, key: &Key) {
        self.changes.count(key);
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

    /// Stores by `store` what was asked for, or came, at a moment, unless the key was changed since.
    ///
    /// # Errors
    /// What has overtaken it: a change, or a purge if `store` says that it stored nothing.
    pub fn unless_changed(
        &self,
        key: &Key,
        since: Moment,
        store: impl FnOnce() -> bool,
    ) -> Result<(), OvertakenBy> {
        if self.changes.now(key) != since {
            return Err(OvertakenBy::Change);
        }
        if !store() {
            return Err(OvertakenBy::Purge);
        }
        // A change is counted before it forgets: seen here or not, one of the two removes what is stored.
        if self.changes.now(key) == since {
            return Ok(());
        }
        self.forget(key);
        Err(OvertakenBy::Change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::KeyText;
    use crate::edge::worker::testing;

    fn key(text: &str) -> Key {
        Key::new(KeyText::from_slice(text.as_bytes()))
    }

    #[test]
    fn what_was_asked_for_before_a_change_is_not_stored_after_it() {
        let (shared, _) = testing::worker(1 << 20);
        let (one, other) = (key("a.example/1"), key("a.example/2"));
        let since = shared.changes.now(&one);
        assert_eq!(shared.unless_changed(&one, since, || true), Ok(()));
        assert_eq!(shared.unless_changed(&one, since, || false), Err(OvertakenBy::Purge));
        let during = shared.unless_changed(&one, since, || {
            shared.changed(&one);
            true
        });
        assert_eq!(during, Err(OvertakenBy::Change));
        let before = shared.unless_changed(&one, since, || panic!("it was changed before"));
        assert_eq!(before, Err(OvertakenBy::Change));
        assert_eq!(shared.unless_changed(&one, since.next(), || true), Ok(()));
        assert_eq!(shared.unless_changed(&other, shared.changes.now(&other), || true), Ok(()));
    }
}
