//! Memory for what is on its way into the cache: so much, and no more.
//!
//! A fill reserves what it is going to hold before it does. One that gets nothing is not kept, and needs no memory
//! then: a burst of large misses costs hits later, never the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that may be held by fills together.
#[derive(Debug)]
pub struct Budget {
    left: AtomicU64,
}

impl Budget {
    /// Of so many bytes.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { left: bytes.into() })
    }

    /// Takes so many bytes, unless that is more than is left.
    pub fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        self.take(bytes).then(|| Reserved { of: Arc::clone(self), bytes })
    }

    fn take(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// A part of a budget; given back when dropped.
#[derive(Debug)]
pub struct Reserved {
    of: Arc<Budget>,
    bytes: u64,
}

impl Reserved {
    /// Has at least `bytes`; false if there are not so many.
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let grown = more == 0 || self.of.take(more);
        self.bytes += if grown { more } else { 0 };
        grown
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_not_there_for_others_until_it_is_dropped() {
        let budget = Budget::new(100);
        let mut first = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        assert!(first.grow_to(100) && !first.grow_to(101) && first.grow_to(50));
        assert!(budget.reserve(1).is_none());
        drop(first);
        let _all = budget.reserve(100).unwrap();
    }
}
