//! Which keys unsafe requests have changed, so that a response from before is not kept after (RFC 9111 §4.4).
//!
//! A response that was asked for before a POST succeeded may show what the POST has changed, and what is stored is
//! removed when it succeeds: too early for a response that is still on its way. Keys are counted together in groups.
//! Two that share one cost each other a response that is not kept, which is fetched again.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache::key::Key;

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
        if let Some(fill) = self.fills.get(key.hash()) {
            self.fills.unlist(key.hash(), &fill);
        }
        self.forget(key);
    }

    /// Stores by `store` what was asked for, or came, at a moment, unless the key was changed since. Says whether it is
    /// stored.
    pub fn unless_changed(&self, key: &Key, since: Moment, store: impl FnOnce() -> bool) -> bool {
        if self.changes.now(key) != since || !store() {
            return false;
        }
        // A change is counted before it forgets: seen here or not, one of the two removes what is stored.
        let unchanged = self.changes.now(key) == since;
        if !unchanged {
            self.forget(key);
        }
        unchanged
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
        assert!(shared.unless_changed(&one, since, || true));
        assert!(!shared.unless_changed(&one, since, || false));
        assert!(!shared.unless_changed(&one, since, || {
            shared.changed(&one);
            true
        }));
        assert!(!shared.unless_changed(&one, since, || panic!("it was changed before")));
        assert!(shared.unless_changed(&one, since.next(), || true));
        assert!(shared.unless_changed(&other, shared.changes.now(&other), || true));
    }
}
