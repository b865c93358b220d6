//! What purges leave of an object: asked before a stored response is used, and before a fetched one is stored.
//!
//! When nothing was purged since the object was last looked at, that is one load and one comparison.

use std::sync::Arc;

use super::store::Store;
use crate::cache::fill::Fill;
use crate::cache::invalidation::{Seen, Subject, Verdict};
use crate::cache::key::{Key, KeyHash};
use crate::cache::object::{Meta, Object};

/// What becomes of a response.
enum After {
    /// No purge means it.
    Same,
    /// It is not there.
    Gone,
    /// It is less fresh than it was.
    Changed(Box<Meta>),
}

impl Store {
    /// A stored object as the purges leave it; `None` if they leave nothing. `place` is where it is kept: there it is
    /// replaced, or dropped to give its space back.
    #[inline]
    pub(super) fn still_good(
        &self,
        key: &Key,
        site: u64,
        place: KeyHash,
        object: Arc<Object>,
    ) -> Option<Arc<Object>> {
        if self.purges.is_current(&object.meta.seen) {
            return Some(object);
        }
        self.judged(key, site, place, object)
    }

    #[cold]
    fn judged(&self, key: &Key, site: u64, place: KeyHash, object: Arc<Object>) -> Option<Arc<Object>> {
        match self.after_purges(key, site, &object.meta) {
            After::Same => Some(object),
            After::Gone => {
                self.purges.count_purged_hit();
                self.drop_purged(place, &object);
                None
            }
            After::Changed(meta) => {
                self.purges.count_purged_hit();
                let changed = Arc::new(Object { meta: *meta, body: object.body.clone() });
                self.memory.replace(place, &object, Some(Arc::clone(&changed)));
                Some(changed)
            }
        }
    }

    /// What the purges that a response has not seen make of it.
    fn after_purges(&self, key: &Key, site: u64, meta: &Meta) -> After {
        let (verdict, sequence) =
            self.purges.judge(&meta.seen, Subject { key, site, tags: Some(&meta.tags) });
        let changed = |change: &dyn Fn(&mut Meta)| {
            let mut meta = meta.clone();
            meta.seen = Seen::new(sequence);
            change(&mut meta);
            After::Changed(Box::new(meta))
        };
        match verdict {
            Verdict::Current => After::Same,
            Verdict::Gone => After::Gone,
            Verdict::Stale(since) => changed(&|meta| meta.freshness.expire(since)),
            Verdict::Suspect => changed(&|meta| meta.freshness.invalidate()),
        }
    }

    /// What is to be stored of what a fill brought. Stale by a soft purge, it does not take the place of what was fetched
    /// since. A purge after this look is found at the first hit: the object has not seen it.
    pub(super) fn as_purged(&self, key: &Key, site: u64, object: Arc<Object>) -> Option<Arc<Object>> {
        if self.purges.is_current(&object.meta.seen) {
            return Some(object);
        }
        match self.after_purges(key, site, &object.meta) {
            After::Same => Some(object),
            After::Gone => None,
            After::Changed(_) if self.has(key, object.place(key)) => None,
            After::Changed(meta) => Some(Arc::new(Object { meta: *meta, body: object.body.clone() })),
        }
    }

    /// Whether a purge means what a fill is bringing, as far as its key tells: its tags are not known yet.
    pub fn is_overtaken(&self, fill: &Fill, key: &Key, site: u64) -> bool {
        let Some(seen) = fill.began().map(Seen::new) else { return false };
        if self.purges.is_current(&seen) {
            return false;
        }
        self.purges.judge(&seen, Subject { key, site, tags: None }).0 != Verdict::Current
    }

    /// Whether a purge means a response that is still coming, so that a request made after it must not get it.
    pub fn is_outdated(&self, meta: &Meta, key: &Key, site: u64) -> bool {
        !self.purges.is_current(&meta.seen) && !matches!(self.after_purges(key, site, meta), After::Same)
    }

    /// Gives back the space of an object that was found purged, unless another has taken its place. Where it is
    /// overlooked, it is found purged again.
    fn drop_purged(&self, place: KeyHash, object: &Arc<Object>) {
        self.memory.replace(place, object, None);
        if let Some(tier) = self.behind.as_ref().filter(|tier| tier.contains(place))
            && !self.memory.contains(place)
        {
            tier.remove(place);
        }
    }
}
