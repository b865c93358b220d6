//! The RAM tier: moka with a byte weigher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::derived::Derived;
use super::entry::Entry;
use super::key::{Key, KeyHash, Prehashed};
use super::metrics::CacheMetrics;
use super::object::{Content, Meta, Object, Touched, Variant, Whole};
use super::slice::{Manifest, Slice};
use super::store::tier::{Held, Reading, Tier};
use super::variants::Variants;
use crate::http::time::Time;
use crate::http::vary;
use crate::policy::cors;

/// What moka needs for an entry beyond key and value: measured with `benches/memory_overhead`.
const ENTRY_OVERHEAD: usize = 320;

/// Bytes that may come before moka is made to evict. By itself it does so after some dozens of entries, whatever
/// their weight: of large bodies that is more than many a tier's capacity.
const UNSETTLED: u64 = 4 << 20;

/// What is known of a hash.
#[derive(Debug, Clone)]
pub enum Slot {
    /// What is kept.
    Kept(Entry),
    /// Responses of this key could not be stored lately, so requests do not queue for one until then.
    Uncacheable(Time),
}

impl Slot {
    /// What is kept.
    pub fn kept(self) -> Option<Entry> {
        match self {
            Slot::Kept(entry) => Some(entry),
            Slot::Uncacheable(_) => None,
        }
    }

    fn object(self) -> Option<Arc<Object>> {
        match self {
            Slot::Kept(Entry::Object(object)) => Some(object),
            _ => None,
        }
    }

    fn weight(&self) -> usize {
        match self {
            // Slices in RAM share their manifest with the object.
            Slot::Kept(Entry::Slice(slice)) => slice.weight(),
            Slot::Kept(entry) => entry.weight(),
            Slot::Uncacheable(_) => 0,
        }
    }
}

/// Objects in RAM, at most `capacity` bytes with heads and bookkeeping, evicted by moka's TinyLFU.
#[derive(Debug, Clone)]
pub struct MemoryTier {
    entries: Cache<KeyHash, Slot, Prehashed>,
    capacity: u64,
    /// Bytes that came since moka was last made to evict.
    unsettled: Arc<AtomicU64>,
}

impl MemoryTier {
    /// An empty tier of `capacity` bytes.
    pub fn new(capacity: u64, metrics: &CacheMetrics) -> Self {
        let evicted = metrics.evictions.clone();
        let evicted_bytes = metrics.evicted_bytes.clone();
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_: &KeyHash, slot: &Slot| {
                u32::try_from(slot.weight() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .eviction_listener(move |_, slot: Slot, cause| {
                if cause == RemovalCause::Size {
                    evicted.inc();
                    evicted_bytes.inc_by(slot.weight() as u64);
                }
            })
            .build_with_hasher(Prehashed);
        Self { entries, capacity, unsettled: Arc::default() }
    }

    /// So many bytes are about to come, or have just come.
    fn settle(&self, weight: usize) {
        let unsettled = self.unsettled.fetch_add(weight as u64, Ordering::Relaxed) + weight as u64;
        if unsettled >= UNSETTLED.min(self.capacity / 16) {
            self.unsettled.store(0, Ordering::Relaxed);
            self.entries.run_pending_tasks();
        }
    }

    /// What is known of `hash`.
    pub fn slot(&self, hash: KeyHash) -> Option<Slot> {
        self.entries.get(&hash)
    }

    /// What is kept under `hash`.
    pub fn get(&self, hash: KeyHash) -> Option<Entry> {
        self.entries.get(&hash)?.kept()
    }

    /// The object under `hash`, if it is one for `key`.
    pub fn object(&self, hash: KeyHash, key: &Key) -> Option<Arc<Object>> {
        self.get(hash)?.into_object(key)
    }

    /// The list of the variants of `key`, if it has some.
    pub fn variants(&self, key: &Key) -> Option<Arc<Variants>> {
        self.get(key.hash())?.into_variants(key)
    }

    /// Stores `object` as the newest response of `key`, and as a variant of it if it varies.
    pub fn store(&self, key: &Key, object: Arc<Object>) {
        let weight = object.weight();
        self.list(key, object);
        self.settle(weight);
    }

    fn list(&self, key: &Key, object: Arc<Object>) {
        let Some(variant) = object.meta.variant.clone() else {
            self.insert(key.hash(), Entry::Object(object));
            return;
        };
        self.insert(key.variant(&variant.selecting), Entry::Object(object));
        let mut older = None;
        self.entries.entry(key.hash()).and_compute_with(|entry| {
            let known = match entry.and_then(|entry| entry.into_value().kept()) {
                Some(Entry::Variants(known)) if known.is_for(key) => known.with(variant),
                Some(Entry::Object(before)) if before.meta.is_for(key) => {
                    older = as_sibling(&before, &variant);
                    let older = older.iter().filter_map(|older| older.meta.variant.clone());
                    older.fold(Variants::new(key), |variants, older| variants.with(older)).with(variant)
                }
                _ => Variants::new(key).with(variant),
            };
            Op::Put(Slot::Kept(Entry::Variants(Arc::new(known))))
        });
        if let Some(older) = older {
            self.insert(older.place(key), Entry::Object(Arc::new(older)));
        }
    }

    fn insert(&self, place: KeyHash, entry: Entry) {
        self.entries.insert(place, Slot::Kept(entry));
    }

    /// Keeps an entry as it is, whatever it is part of.
    pub fn put(&self, place: KeyHash, entry: Entry) {
        let slot = Slot::Kept(entry);
        let weight = slot.weight();
        self.entries.insert(place, slot);
        self.settle(weight);
    }

    /// Hangs `derived` on the body it was made from, if that is still what is kept there. What is kept then.
    pub fn derive(&self, place: KeyHash, from: &Whole, derived: Derived) -> Option<Arc<Object>> {
        let mut now = None;
        self.entries.entry(place).and_compute_with(|entry| {
            let object = entry.and_then(|entry| entry.into_value().object());
            match object.as_deref().map(|object| (object, &object.body)) {
                Some((object, Content::Whole(whole))) if whole.is(from) => {
                    let body = Content::Whole(whole.with_derived(derived));
                    let object = now.insert(Arc::new(Object { meta: object.meta.clone(), body }));
                    Op::Put(Slot::Kept(Entry::Object(Arc::clone(object))))
                }
                _ => Op::Nop,
            }
        });
        if let Some(object) = &now {
            self.settle(object.weight());
        }
        now
    }

    /// Whether something is kept under `hash`; to ask does not count as a use.
    pub fn contains(&self, hash: KeyHash) -> bool {
        self.entries.contains_key(&hash)
    }

    /// Takes in what another tier has, unless something is here by now; what is here then.
    pub fn promote(&self, hash: KeyHash, entry: Entry) -> Entry {
        let mut here = entry.clone();
        self.entries.entry(hash).and_compute_with(|known| match known.and_then(|k| k.into_value().kept()) {
            None => Op::Put(Slot::Kept(entry)),
            Some(known) => {
                here = known;
                Op::Nop
            }
        });
        self.settle(here.weight());
        here
    }

    /// Forgets what was promoted, unless something else has taken its place.
    pub fn demote(&self, hash: KeyHash, promoted: &Entry) {
        self.entries.entry(hash).and_compute_with(|known| match known.and_then(|k| k.into_value().kept()) {
            Some(known) if known.is(promoted) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// A slice, if it is here.
    pub fn slice(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        match self.get(manifest.place(index)) {
            Some(Entry::Slice(slice)) if slice.is(manifest, index) => Some(slice),
            _ => None,
        }
    }

    /// Whether a slice seems to be here; to ask does not count as a use.
    pub fn has_slice(&self, manifest: &Manifest, index: u64) -> bool {
        self.entries.contains_key(&manifest.place(index))
    }

    /// Keeps a slice. A full tier may refuse it.
    pub fn store_slice(&self, slice: Arc<Slice>) {
        self.put(slice.of.place(slice.index), Entry::Slice(slice));
    }

    /// Forgets the object in slices that was found to have changed, unless another has taken its place.
    pub fn forget(&self, key: &Key, object: &Object) {
        self.entries.entry(object.place(key)).and_compute_with(|entry| {
            match entry.and_then(|entry| entry.into_value().object()) {
                Some(now) if same_manifest(&now.body, &object.body) => Op::Remove,
                _ => Op::Nop,
            }
        });
    }

    /// Remembers until `until` that responses of `key` can't be stored. A stored response is not forgotten for it.
    pub fn remember_uncacheable(&self, key: &Key, until: Time) {
        self.entries.entry(key.hash()).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            None | Some(Slot::Uncacheable(_)) => Op::Put(Slot::Uncacheable(until)),
            Some(_) => Op::Nop,
        });
    }

    /// Puts another object in the place of `old`, or nothing, unless something else stands there by now.
    pub fn replace(&self, place: KeyHash, old: &Arc<Object>, new: Option<Arc<Object>>) {
        self.entries.entry(place).and_compute_with(|entry| {
            match entry.and_then(|entry| entry.into_value().object()) {
                Some(there) if Arc::ptr_eq(&there, old) => {
                    new.map_or(Op::Remove, |new| Op::Put(Slot::Kept(Entry::Object(new))))
                }
                _ => Op::Nop,
            }
        });
    }

    /// Forgets all responses of `key`.
    pub fn remove(&self, key: &Key) {
        if let Some(Entry::Variants(variants)) = self.entries.remove(&key.hash()).and_then(Slot::kept) {
            variants.hashes(key).for_each(|hash| self.entries.invalidate(&hash));
        }
    }

    /// Bytes it may hold.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes held, as weighed, and entries. Counts what is pending first.
    pub fn usage(&self) -> (u64, u64) {
        self.entries.run_pending_tasks();
        (self.entries.weighted_size(), self.entries.entry_count())
    }
}

/// The response that was stored before the first that names Origin in Vary: it was asked for without, and is for
/// requests without, as S3 would have said.
fn as_sibling(before: &Object, variant: &Variant) -> Option<Object> {
    if before.meta.variant.is_some() || !cors::only_tell_sites_apart(&variant.names) {
        return None;
    }
    let selecting = vary::selecting_key(&variant.names, &HeaderMap::new())[..].into();
    let older = Variant { names: variant.names.clone(), selecting };
    (older != *variant).then(|| {
        // In this place it is not on disk yet.
        let meta = Meta { variant: Some(older), touched: Touched::default(), ..before.meta.clone() };
        Object { meta, body: before.body.clone() }
    })
}

impl Tier for MemoryTier {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn contains(&self, place: KeyHash) -> bool {
        MemoryTier::contains(self, place)
    }

    fn get(&self, place: KeyHash) -> Reading<'_> {
        let held = MemoryTier::get(self, place).map(|entry| Held { version: 0, entry });
        Box::pin(std::future::ready(held))
    }

    fn is_current(&self, place: KeyHash, held: &Held) -> bool {
        MemoryTier::get(self, place).is_some_and(|entry| entry.is(&held.entry))
    }

    fn admits(&self, _: KeyHash) -> bool {
        true
    }

    fn put(&self, place: KeyHash, entry: Entry) {
        MemoryTier::put(self, place, entry);
    }

    fn remove(&self, place: KeyHash) {
        self.entries.invalidate(&place);
    }
}

fn same_manifest(a: &Content, b: &Content) -> bool {
    matches!((a, b), (Content::Sliced(a), Content::Sliced(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyText;
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;
    use std::sync::atomic::AtomicBool;

    /// A slice of 256 KiB that says when it is let go.
    fn slice(index: u64) -> Arc<Slice> {
        let key = Key::new(KeyText::from_slice(b"h/a"));
        let etag = HeaderValue::from_static("\"a\"");
        let size = 256 * 1024;
        let of = Arc::new(Manifest::new(&key, None, Some(&etag), size * 10_000, size, 0).unwrap());
        let body = Whole::from_pieces(vec![Bytes::from(vec![7; size as usize])]).unwrap();
        Arc::new(Slice { of, index, body, touched: Default::default() })
    }

    #[test]
    fn large_bodies_do_not_wait_to_be_evicted() {
        let metrics = CacheMetrics::register(&prometheus::Registry::new()).unwrap();
        let tier = MemoryTier::new(2 << 20, &metrics);
        let mut known = Vec::new();
        let over = AtomicBool::new(false);
        for index in 0..100 {
            let slice = slice(index);
            known.push(Arc::downgrade(&slice));
            tier.store_slice(slice);
            let held = known.iter().filter(|slice| slice.strong_count() > 0).count();
            over.fetch_or(held * 256 * 1024 > (2 << 20) + 256 * 1024, Ordering::Relaxed);
        }
        assert!(!over.into_inner(), "more than its capacity was held");
    }
}
