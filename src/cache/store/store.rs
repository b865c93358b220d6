//! The store: what is kept, and when it is let go.

use std::sync::Arc;

use super::changes::{Changes, Moment};
use super::tier::Tier;
use crate::cache::budget::Budget;
use crate::cache::entry::Entry;
use crate::cache::fill::Fills;
use crate::cache::flight::Flights;
use crate::cache::invalidation::{Appended, InvalidationLog, Mode, NotDurable, Selector};
use crate::cache::key::{Key, KeyHash};
use crate::cache::memory::MemoryTier;
use crate::cache::metrics::CacheMetrics;
use crate::cache::object::{Content, Meta, Object};
use crate::cache::reason::Overtaken;
use crate::cache::variants::Variants;
use crate::http::time::Time;
use crate::policy::freshness::Freshness;

/// A body up to this size is written again when only its head has changed.
const SMALL: u64 = 64 * 1024;

/// What a [`Store`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// Objects in RAM.
    pub memory: MemoryTier,
    /// Objects behind those: on disk.
    pub behind: Option<Arc<dyn Tier>>,
    /// The log of purges.
    pub purges: Arc<InvalidationLog>,
    /// Memory for bodies that are on their way and kept whole.
    pub budget: Arc<Budget>,
    /// What is counted.
    pub metrics: CacheMetrics,
}

/// All that is stored, and what is on its way to be. It lives as long as the process, whatever becomes of settings.
#[derive(Debug)]
pub struct Store {
    pub(super) memory: MemoryTier,
    pub(super) behind: Option<Arc<dyn Tier>>,
    pub(super) purges: Arc<InvalidationLog>,
    pub(super) changes: Changes,
    pub(super) fills: Arc<Fills>,
    pub(super) flights: Arc<Flights>,
    pub(super) metrics: CacheMetrics,
    budget: Arc<Budget>,
}

impl Store {
    /// With nothing on its way.
    pub fn new(parts: Parts) -> Self {
        let Parts { memory, behind, purges, budget, metrics } = parts;
        let (changes, fills, flights) = Default::default();
        Self { memory, behind, purges, changes, fills, flights, metrics, budget }
    }

    /// Origin fetches that requests wait for.
    pub fn fills(&self) -> &Arc<Fills> {
        &self.fills
    }

    /// Memory for bodies that are on their way.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The sequence of the last purge.
    pub fn purge_head(&self) -> u64 {
        self.purges.head()
    }

    /// What is counted.
    pub fn metrics(&self) -> &CacheMetrics {
        &self.metrics
    }

    /// Keeps a response that was asked for at a moment, unless it was purged or changed since.
    ///
    /// # Errors
    /// What has overtaken it; it is counted as not stored.
    pub fn keep(&self, key: &Key, site: u64, asked: Moment, object: Arc<Object>) -> Result<(), Overtaken> {
        let kept = self.unless_changed(key, asked, || {
            self.as_purged(key, site, object).map(|object| self.put(key, object)).is_some()
        });
        match kept {
            Ok(()) => self.metrics.stores.inc(),
            Err(by) => self.metrics.not_stored(by.into()),
        }
        kept
    }

    fn put(&self, key: &Key, object: Arc<Object>) {
        self.memory.store(key, Arc::clone(&object));
        let Some(tier) = &self.behind else { return };
        let place = object.place(key);
        if let Content::Part(_) = object.body {
            // What is there, or waits to be written, is older.
            tier.remove(place);
        } else if tier.admits(place) {
            self.write(key, place, object);
        } else if place != key.hash() && tier.contains(key.hash()) {
            self.write_variants(key);
        }
    }

    /// Keeps a stored response whose head was brought up to date by an answer that was asked for at a moment.
    ///
    /// # Errors
    /// As [`Store::keep`].
    pub fn update(
        &self,
        key: &Key,
        site: u64,
        asked: Moment,
        old: &Object,
        updated: Arc<Object>,
    ) -> Result<(), Overtaken> {
        let kept = self.unless_changed(key, asked, || {
            self.as_purged(key, site, updated).map(|updated| self.put_updated(key, old, updated)).is_some()
        });
        if let Err(by) = kept {
            self.metrics.not_stored(by.into());
        }
        kept
    }

    fn put_updated(&self, key: &Key, old: &Object, updated: Arc<Object>) {
        self.memory.store(key, Arc::clone(&updated));
        let Some(tier) = &self.behind else { return };
        let place = updated.place(key);
        // What is behind memory may stay as it is while it is the stricter of the two: it is stale sooner, and is
        // brought up to date again then. A large body is not written anew for a few seconds more.
        let is_small = match &updated.body {
            Content::Whole(whole) => whole.len() <= SMALL,
            Content::Sliced(_) => true,
            Content::Part(_) => return,
        };
        // What was hit is there, or waits to be written.
        let is_there = old.meta.touched.is_set() || tier.contains(place);
        if is_there && (is_small || is_stricter(&updated.meta, &old.meta)) {
            self.write(key, place, updated);
        }
    }

    /// A response was served from the cache: with the first hit it has been asked for twice, and is worth writing.
    pub fn hit(&self, key: &Key, object: &Arc<Object>) {
        let is_first = object.meta.touched.first();
        let Some(tier) = self.behind.as_ref().filter(|_| is_first) else { return };
        if let Content::Part(_) = object.body {
            return;
        }
        let place = object.place(key);
        if tier.contains(place) {
            return;
        }
        self.write(key, place, Arc::clone(object));
        if !matches!(self.memory.get(place), Some(Entry::Object(now)) if Arc::ptr_eq(&now, object)) {
            // Removed between the look that found it and now.
            tier.remove(place);
        }
    }

    /// Whether something is kept for `key` at `place`.
    pub fn has(&self, key: &Key, place: KeyHash) -> bool {
        self.memory.object(place, key).is_some()
            || self.behind.as_ref().is_some_and(|tier| tier.contains(place))
    }

    /// The variants of `key`, if it has some in memory.
    pub fn variants(&self, key: &Key) -> Option<Arc<Variants>> {
        self.memory.variants(key)
    }

    /// Remembers until `until` that responses of `key` can't be stored. A stored response is not forgotten for it.
    pub fn remember_uncacheable(&self, key: &Key, until: Time) {
        self.memory.remember_uncacheable(key, until);
    }

    /// Forgets an object in slices that was found to have changed, unless another has taken its place.
    pub fn forget_changed(&self, key: &Key, object: &Object) {
        let place = object.place(key);
        self.memory.forget(key, object);
        if let Some(tier) = &self.behind
            && !self.memory.contains(place)
        {
            tier.remove(place);
            self.memory.forget(key, object);
        }
    }

    /// Forgets all responses of `key`.
    pub fn forget(&self, key: &Key) {
        let Some(tier) = &self.behind else { return self.memory.remove(key) };
        let variants = self.memory.variants(key);
        self.memory.remove(key);
        // Without its list of variants, none of them is found: they need no removal of their own then.
        tier.remove(key.hash());
        variants.iter().for_each(|variants| variants.hashes(key).for_each(|place| tier.remove(place)));
        self.memory.remove(key);
    }

    /// Purges; in effect for the next request when it returns. Must be called on a runtime.
    ///
    /// # Errors
    /// It is in effect, but not on disk.
    pub async fn purge(
        &self,
        selectors: Vec<Selector>,
        mode: Mode,
        now: Time,
    ) -> Result<Appended, NotDurable> {
        let waiting = Arc::clone(&self.purges);
        // It waits for the disk, and a runtime's thread must not.
        match tokio::task::spawn_blocking(move || waiting.append(&selectors, mode, now)).await {
            Ok(result) => {
                let tidied = Arc::clone(&self.purges);
                // Nobody waits for this, nor does the next purge.
                drop(tokio::task::spawn_blocking(move || {
                    if let Err(error) = tidied.tidy() {
                        tracing::warn!(%error, "the log of purges is not written anew");
                    }
                }));
                result
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going, and who waits here with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Which moment it is for `key`.
    pub fn moment(&self, key: &Key) -> Moment {
        Moment { purge: self.purges.head(), changes: self.changes.of(key) }
    }

    /// An unsafe request for `key` has succeeded: forgets what is stored for it, and sees to it that nothing is stored,
    /// nor followed by requests to come, that was asked for before.
    pub fn change(&self, key: &Key) {
        self.changes.count(key);
        let variants = self.memory.variants(key);
        let places = variants.iter().flat_map(|variants| variants.hashes(key));
        for place in std::iter::once(key.hash()).chain(places) {
            if let Some(fill) = self.fills.get(place) {
                self.fills.unlist(place, &fill);
            }
        }
        self.forget(key);
    }

    /// Stores by `store` what was asked for, or came, at a moment, unless the key was changed since. `store` says
    /// whether a purge let it.
    fn unless_changed(
        &self,
        key: &Key,
        since: Moment,
        store: impl FnOnce() -> bool,
    ) -> Result<(), Overtaken> {
        if self.changes.of(key) != since.changes {
            return Err(Overtaken::Change);
        }
        if !store() {
            return Err(Overtaken::Purge);
        }
        // A change is counted before it forgets: seen here or not, one of the two removes what is stored.
        if self.changes.of(key) == since.changes {
            return Ok(());
        }
        self.forget(key);
        Err(Overtaken::Change)
    }

    /// Has an object written behind memory, and with it the list that leads to it.
    fn write(&self, key: &Key, place: KeyHash, object: Arc<Object>) {
        let Some(tier) = &self.behind else { return };
        object.meta.touched.set();
        tier.put(place, Entry::Object(object));
        if place != key.hash() {
            self.write_variants(key);
        }
    }

    fn write_variants(&self, key: &Key) {
        if let (Some(tier), Some(variants)) = (&self.behind, self.memory.variants(key)) {
            tier.put(key.hash(), Entry::Variants(variants));
        }
    }
}

/// Whether `new` forbids something that `old` allows, or can be purged by what `old` can't.
fn is_stricter(new: &Meta, old: &Meta) -> bool {
    if new.tags != old.tags {
        return true;
    }
    let (new, old) = (&new.freshness, &old.freshness);
    let stale_at = |f: &Freshness| f.response_time.plus(f.lifetime.saturating_sub(f.initial_age));
    stale_at(new) < stale_at(old)
        || new.stale_while_revalidate < old.stale_while_revalidate
        || new.stale_if_error < old.stale_if_error
        || (new.revalidate && !old.revalidate)
        || (new.always_validate && !old.always_validate)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, store};
    use super::*;

    #[test]
    fn what_was_asked_for_before_a_change_is_not_stored_after_it() {
        let store = store(1 << 20);
        let (one, other) = (key("a.example/1"), key("a.example/2"));
        let since = store.moment(&one);
        assert_eq!(store.unless_changed(&one, since, || true), Ok(()));
        assert_eq!(store.unless_changed(&one, since, || false), Err(Overtaken::Purge));
        let during = store.unless_changed(&one, since, || {
            store.change(&one);
            true
        });
        assert_eq!(during, Err(Overtaken::Change));
        let before = store.unless_changed(&one, since, || panic!("it was changed before"));
        assert_eq!(before, Err(Overtaken::Change));
        assert_eq!(store.unless_changed(&one, since.after_change(), || true), Ok(()));
        assert_eq!(store.unless_changed(&other, store.moment(&other), || true), Ok(()));
    }
}
