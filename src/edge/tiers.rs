//! The two tiers as one: what is looked for in which order, what is kept where, and how both forget.
//!
//! ```text
//!            memory                      disk
//! look       first, on the spot          when memory has nothing, and only if the disk's index lists it
//! found      served                      put into memory, judged by the purges since, served
//! stored     always                      all: at once; second-hit: when its key was stored lately, else with its first hit
//! replaced   always                      if it is there
//! removed    before and after the disk   in between
//! ```
//!
//! Slices are entries of their own and go the same way. They are not removed: nobody looks for those whose
//! manifest is gone. A body that is known in part is kept in memory only.
//!
//! A removal may come between a look and what follows from it. So who puts into memory what was on disk looks
//! afterwards whether the disk still has it, and who puts on disk what is in memory looks whether memory still has
//! it. With removals in that order, one of the two always notices.

use std::sync::Arc;

use crate::cache::disk::{Entry, Stored};
use crate::cache::key::{Key, KeyHash};
use crate::cache::memory::Slot;
use crate::cache::object::{Content, Meta, Object, Touched};
use crate::cache::slice::{Manifest, Slice};
use crate::cache::variants::Variants;
use crate::policy::freshness::Freshness;

use super::keyed::Keyed;
use super::lookup::{Found, Lookup};
use super::purged;
use super::selecting::{answers, expected_place, selecting};
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

    /// As [`lookup`](super::lookup::lookup), on disk: reads at most the list of variants and those that the request
    /// selects.
    pub async fn look_on_disk(&self, keyed: &Keyed, looked: Lookup) -> Lookup {
        let key = &keyed.key;
        let slot = match looked.found {
            Found::Nothing => self.promote(key, key.hash()).await,
            Found::OtherVariants => self.memory.get(key.hash()),
            Found::Object(_) | Found::Uncacheable => None,
        };
        match slot {
            Some(Slot::Object(object)) => match self.usable(keyed, key.hash(), object) {
                Some(object) => Lookup { found: Found::Object(object), place: key.hash() },
                None => looked,
            },
            Some(Slot::Variants(variants)) if *variants.key == *key.text() => {
                self.look_for_variant(keyed, &variants).await
            }
            _ => looked,
        }
    }

    async fn look_for_variant(&self, keyed: &Keyed, variants: &Variants) -> Lookup {
        let key = &keyed.key;
        for place in variants.select(key, |names| selecting(keyed, self, names)) {
            let slot = match self.memory.get(place) {
                Some(slot) => Some(slot),
                None => self.promote(key, place).await,
            };
            if let Some(Slot::Object(object)) = slot
                && let Some(object) = self.usable(keyed, place, object)
            {
                return Lookup { found: Found::Object(object), place };
            }
        }
        Lookup { found: Found::OtherVariants, place: expected_place(keyed, self, variants) }
    }

    /// What a request may be answered from: what was purged while it lay on disk is not.
    fn usable(&self, keyed: &Keyed, place: KeyHash, object: Arc<Object>) -> Option<Arc<Object>> {
        let (key, route) = (&keyed.key, keyed.request.route());
        let object = Some(object).filter(|object| object.meta.is_for(key))?;
        let object = purged::still_good(self, key, route, place, object)?;
        answers(&object, keyed).then_some(object)
    }

    /// What is for `key` at `place` in either tier, and which that is; changes neither.
    pub async fn find(&self, key: &Key, place: KeyHash) -> Option<(&'static str, Slot)> {
        if let Some(slot) = self.memory.get(place).filter(|slot| !matches!(slot, Slot::Uncacheable(_))) {
            return Some(("memory", slot));
        }
        let disk = self.disk.as_ref().filter(|disk| disk.contains(place))?;
        Some(("disk", slot(&disk.get(place).await?, key)?))
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
        let place = object.place(key);
        if let Content::Part(_) = object.body {
            // What is there, or waits to be written, is older.
            disk.remove(place);
        } else if disk.admits(place) {
            self.write(key, place, object);
        } else if place != key.hash() && disk.contains(key.hash()) {
            self.write_variants(key);
        }
    }

    /// Keeps a stored response whose head was brought up to date.
    pub fn keep_updated(&self, key: &Key, old: &Object, updated: Arc<Object>) {
        self.memory.store(key, Arc::clone(&updated));
        let Some(disk) = &self.disk else { return };
        let place = updated.place(key);
        // What is on disk may stay as it is while it is the stricter of the two: it is stale sooner, and is
        // brought up to date again then. A large body is not written anew for a few seconds more.
        let is_small = match &updated.body {
            Content::Whole(whole) => whole.len() <= SMALL,
            Content::Sliced(_) => true,
            Content::Part(_) => return,
        };
        // What was hit is there, or waits to be written.
        let is_there = old.meta.touched.is_set() || disk.contains(place);
        if is_there && (is_small || is_stricter(&updated.meta, &old.meta)) {
            self.write(key, place, updated);
        }
    }

    /// A response was served from the cache: with the first hit it has been asked for twice, and is worth writing.
    pub fn hit(&self, key: &Key, object: &Arc<Object>) {
        let is_first = object.meta.touched.first();
        let Some(disk) = self.disk.as_ref().filter(|_| is_first) else { return };
        if let Content::Part(_) = object.body {
            return;
        }
        let place = object.place(key);
        if disk.contains(place) {
            return;
        }
        self.write(key, place, Arc::clone(object));
        if !matches!(self.memory.get(place), Some(Slot::Object(now)) if Arc::ptr_eq(&now, object)) {
            // Removed between the look that found it and now.
            disk.remove(place);
        }
    }

    /// Whether something is kept for `key` at `place`.
    pub fn has(&self, key: &Key, place: KeyHash) -> bool {
        self.memory.object(place, key).is_some()
            || self.disk.as_ref().is_some_and(|disk| disk.contains(place))
    }

    /// Gives back the space of an object that was found purged, unless another has taken its place. Where it is
    /// overlooked, it is found purged again.
    pub fn drop_purged(&self, place: KeyHash, object: &Arc<Object>) {
        self.memory.replace(place, object, None);
        if let Some(disk) = self.disk.as_ref().filter(|disk| disk.contains(place))
            && !self.memory.contains(place)
        {
            disk.remove(place);
        }
    }

    /// Forgets an object in slices that was found to have changed, unless another has taken its place.
    pub fn forget_changed(&self, key: &Key, object: &Object) {
        let place = object.place(key);
        self.memory.forget(key, object);
        if let Some(disk) = &self.disk
            && !self.memory.contains(place)
        {
            disk.remove(place);
            self.memory.forget(key, object);
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
        object.meta.touched.set();
        disk.put(place, Entry::Object(object));
        if place != key.hash() {
            self.write_variants(key);
        }
    }

    /// Keeps a slice that was just brought.
    pub fn keep_slice(&self, slice: Arc<Slice>) {
        self.memory.store_slice(Arc::clone(&slice));
        let Some(disk) = &self.disk else { return };
        let place = slice.of.place(slice.index);
        if disk.admits(place) {
            slice.touched.set();
            disk.put(place, Entry::Slice(slice));
        }
    }

    /// A slice in memory, for a reader.
    pub fn slice(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        let slice = self.memory.slice(manifest, index)?;
        if let Some(disk) = &self.disk
            && slice.touched.first()
        {
            let place = manifest.place(index);
            if !disk.contains(place) {
                disk.put(place, Entry::Slice(Arc::clone(&slice)));
            }
        }
        Some(slice)
    }

    /// Whether a slice seems to be on disk. Looks in RAM only.
    pub fn slice_on_disk(&self, manifest: &Manifest, index: u64) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.contains(manifest.place(index)))
    }

    /// Whether a slice seems to be in either tier; to ask does not count as a use.
    pub fn has_slice(&self, manifest: &Manifest, index: u64) -> bool {
        self.memory.has_slice(manifest, index) || self.slice_on_disk(manifest, index)
    }

    /// Reads a slice from disk, and puts it into memory.
    pub async fn promote_slice(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        let stored = self.disk.as_ref()?.get(manifest.place(index)).await?;
        let Entry::Slice(read) = &stored.entry else { return None };
        let slice = read.is(manifest, index).then(|| {
            // All slices in memory share one manifest.
            let (of, body) = (Arc::clone(manifest), read.body.clone());
            Arc::new(Slice { of, index, body, touched: Touched::yes() })
        })?;
        self.memory.store_slice(Arc::clone(&slice));
        Some(slice)
    }

    fn write_variants(&self, key: &Key) {
        if let (Some(disk), Some(Slot::Variants(variants))) = (&self.disk, self.memory.get(key.hash())) {
            disk.put(key.hash(), Entry::Variants(variants));
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
