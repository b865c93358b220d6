//! Which keys unsafe requests have changed, so that a response from before is not kept after (RFC 9111 §4.4).
//!
//! A response that was asked for before a POST succeeded may show what the POST has changed, and what is stored is
//! removed when it succeeds: too early for a response that is still on its way. Keys are counted together in groups.
//! Two that share one cost each other a response that is not kept, which is fetched again.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache::invalidation::Seen;
use crate::cache::key::Key;

/// A fill that takes a second while a thousand unsafe requests a second succeed has a chance of 1 in 66 of not being
/// kept for nothing. In 256 KiB.
const GROUPS: usize = 1 << 16;

/// How often the keys of a group were changed.
#[derive(Debug)]
pub(super) struct Changes(Box<[AtomicU32]>);

/// A moment in the life of a key: the last purge, and the last unsafe request for it that succeeded. Taken before an
/// origin is asked, it tells whether the answer may still be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub(super) purge: u64,
    pub(super) changes: u32,
}

impl Moment {
    /// The one after the next unsafe request for the key.
    pub fn after_change(self) -> Self {
        Self { changes: self.changes.wrapping_add(1), ..self }
    }

    /// The sequence of the last purge.
    pub fn purge(self) -> u64 {
        self.purge
    }

    /// The last purge, as what is asked for now will have seen it.
    pub fn seen(self) -> Seen {
        Seen::new(self.purge)
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self((0..GROUPS).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Changes {
    pub(super) fn of(&self, key: &Key) -> u32 {
        self.group(key).load(Ordering::SeqCst)
    }

    pub(super) fn count(&self, key: &Key) {
        self.group(key).fetch_add(1, Ordering::SeqCst);
    }

    fn group(&self, key: &Key) -> &AtomicU32 {
        // The remainder of a division by their number is one of them.
        &self.0[(key.hash().0 >> 64) as usize % GROUPS]
    }
}
