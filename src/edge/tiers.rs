//! The two tiers as one: what is looked for in which order, what is kept where, and how both forget.
//!
//! ```text
//!            memory                      disk
//! look       first, on the spot          when memory has nothing, and only if the disk's index lists it
//! found      served                      put into memory, served
//! stored     always                      all: at once; second-hit: when its key was stored lately, else with its first hit
//! replaced   always                      if it is there
//! removed    before and after the disk   in between
//! ```
//!
//! A removal may come between a look and what follows from it. So who puts into memory what was on disk looks
//! afterwards whether the disk still has it, and who puts on disk what is in memory looks whether memory still has
//! it. With removals in that order, one of the two always notices.

use std::sync::Arc;

use crate::cache::disk::{Entry, Stored};
use crate::cache::key::{Key, KeyHash};
use crate::cache::memory::Slot;
use crate::cache::object::Object;
use crate::http::time::Time;
use crate::policy::freshness::Freshness;

use super::keyed::Keyed;
use super::lookup::{Found, Lookup, lookup};
use super::worker::Shared;

/// A body up to this size is written again when only its head has changed.
const SMALL: u64 = 64 * 1024;

impl Shared {
    /// Whether it is worth asking the disk after memory did not have what is wanted. Looks in RAM only.
    pub fn may_be_on_disk(&self, keyed: &Keyed, looked: &Lookup) -> bool {
        match (&self.disk, &looked.found) {
            (Some(disk), Found::Nothing) => disk.contains(keyed.key.hash()),
            (Some(_), Found::OtherVariants) => true,
            _ => false,
        }
    }

    /// As [`lookup`], on disk: reads at most the list of variants and one of those that the request selects.
    pub async fn look_on_disk(&self, keyed: &Keyed, looked: Lookup, now: Time) -> Lookup {
        let key = &keyed.key;
        let mut looked = looked;
        if let Found::Nothing = looked.found {
            match self.promote(key, key.hash()).await {
                Some(Slot::Object(object)) => {
                    return Lookup { found: Found::Object(object), place: key.hash() };
                }
                Some(Slot::Variants(_)) => looked = lookup(keyed, &self.memory, now),
                _ => return looked,
            }
        }
        if let Found::OtherVariants = looked.found
            && let Some(Slot::Variants(variants)) = self.memory.get(key.hash())
        {
            for place in variants.select(key, &keyed.request.incoming().headers) {
                if let Some(Slot::Object(object)) = self.promote(key, place).await {
                    return Lookup { found: Found::Object(object), place };
                }
            }
        }
        looked
    }

    /// Reads what is for `key` at `place` on disk, and puts it into memory.
    async fn promote(&self, key: &Key, place: KeyHash) -> Option<Slot> {
        let disk = self.disk.as_ref().filter(|disk| disk.contains(place))?;
        let stored = disk.get(place).await?;
        let slot = slot(&stored, key)?;
        let slot = self.memory.promote(place, slot);
        if !disk.is_current(place, &stored) {
            // Removed or replaced meanwhile; what replaced it may be in memory already, and is found there.
            self.memory.demote(place, &slot);
            return None;
        }
        Some(slot)
    }

    /// Keeps a response that was just stored.
    pub fn keep(&self, key: &Key, object: Arc<Object>) {
        self.memory.store(key, Arc::clone(&object));
        let Some(disk) = &self.disk else { return };
        let place = place(key, &object);
        if disk.admits(place) {
            self.write(key, place, object);
        } else if place != key.hash() && disk.contains(key.hash()) {
            self.write_variants(key);
        }
    }

    /// Keeps a stored response whose head was brought up to date.
    pub fn keep_updated(&self, key: &Key, old: &Object, updated: Arc<Object>) {
        self.memory.store(key, Arc::clone(&updated));
        let Some(disk) = &self.disk else { return };
        let place = place(key, &updated);
        // What is on disk may stay as it is while it is the stricter of the two: it is stale sooner, and is
        // brought up to date again then. A large body is not written anew for a few seconds more.
        let is_stricter = is_stricter(&updated.meta.freshness, &old.meta.freshness);
        if disk.contains(place) && (updated.body.len() <= SMALL || is_stricter) {
            self.write(key, place, updated);
        }
    }

    /// A response was served from the cache: with the first hit it has been asked for twice, and is worth writing.
    pub fn hit(&self, key: &Key, object: &Arc<Object>) {
        let Some(disk) = &self.disk else { return };
        if !object.meta.touched.first() {
            return;
        }
        let place = place(key, object);
        if disk.contains(place) {
            return;
        }
        self.write(key, place, Arc::clone(object));
        if !matches!(self.memory.get(place), Some(Slot::Object(now)) if Arc::ptr_eq(&now, object)) {
            // Removed between the look that found it and now.
            disk.remove(place);
        }
    }

    /// Forgets all responses of `key`.
    pub fn forget(&self, key: &Key) {
        let Some(disk) = &self.disk else { return self.memory.remove(key) };
        let variants = match self.memory.get(key.hash()) {
            Some(Slot::Variants(variants)) => Some(variants),
            _ => None,
        };
        self.memory.remove(key);
        // Without its list of variants, none of them is found: they need no removal of their own then.
        disk.remove(key.hash());
        variants.iter().for_each(|variants| variants.hashes(key).for_each(|place| disk.remove(place)));
        self.memory.remove(key);
    }

    /// Has an object written, and with it the list that leads to it.
    fn write(&self, key: &Key, place: KeyHash, object: Arc<Object>) {
        let Some(disk) = &self.disk else { return };
        object.meta.touched.first();
        disk.put(place, Entry::Object(object));
        if place != key.hash() {
            self.write_variants(key);
        }
    }

    fn write_variants(&self, key: &Key) {
        if let (Some(disk), Some(Slot::Variants(variants))) = (&self.disk, self.memory.get(key.hash())) {
            disk.put(key.hash(), Entry::Variants(variants));
        }
    }
}

/// Where an object is kept.
fn place(key: &Key, object: &Object) -> KeyHash {
    object.meta.variant.as_ref().map_or(key.hash(), |variant| key.variant(&variant.selecting))
}

/// Whether `new` forbids something that `old` allows.
fn is_stricter(new: &Freshness, old: &Freshness) -> bool {
    let stale_at = |f: &Freshness| f.response_time.plus(f.lifetime.saturating_sub(f.initial_age));
    stale_at(new) < stale_at(old)
        || new.stale_while_revalidate < old.stale_while_revalidate
        || new.stale_if_error < old.stale_if_error
        || (new.revalidate && !old.revalidate)
        || (new.always_validate && !old.always_validate)
}

/// What was read, if it is for `key`.
fn slot(stored: &Stored, key: &Key) -> Option<Slot> {
    match &stored.entry {
        Entry::Object(object) if object.meta.is_for(key) => Some(Slot::Object(Arc::clone(object))),
        Entry::Variants(variants) if *variants.key == *key.text() => {
            Some(Slot::Variants(Arc::clone(variants)))
        }
        _ => None,
    }
}
