//! The RAM tier: moka with a byte weigher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::key::{Key, KeyHash, Prehashed};
use super::metrics::CacheMetrics;
use super::object::{Content, Meta, Object, Touched, Variant};
use super::slice::{Manifest, Slice};
use super::variants::Variants;
use crate::http::time::Time;
use crate::http::vary;
use crate::policy::cors;

/// What moka needs for an entry beyond key and value: measured with `benches/memory_overhead`.
const ENTRY_OVERHEAD: usize = 320;

/// Bytes that may come before moka is made to evict. By itself it does so after some dozens of entries, whatever
/// their weight: of large bodies that is more than many a tier's capacity.
const UNSETTLED: u64 = 4 << 20;

/// What is kept under a hash.
#[derive(Debug, Clone)]
pub enum Slot {
    /// A stored response.
    Object(Arc<Object>),
    /// The key's responses vary; each is kept under a hash of its own.
    Variants(Arc<Variants>),
    /// A piece of a large body.
    Slice(Arc<Slice>),
    /// Responses of this key could not be stored lately, so requests do not queue for one until then.
    Uncacheable(Time),
}

impl Slot {
    /// Whether both are the same entry, not merely equal ones.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Slot::Object(a), Slot::Object(b)) => Arc::ptr_eq(a, b),
            (Slot::Variants(a), Slot::Variants(b)) => Arc::ptr_eq(a, b),
            (Slot::Slice(a), Slot::Slice(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Slot::Object(object) => object.weight(),
            Slot::Variants(variants) => variants.weight(),
            Slot::Slice(slice) => slice.weight(),
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

    /// What is kept under `hash`.
    pub fn get(&self, hash: KeyHash) -> Option<Slot> {
        self.entries.get(&hash)
    }

    /// The object under `hash`, if it is one for `key`.
    pub fn object(&self, hash: KeyHash, key: &Key) -> Option<Arc<Object>> {
        match self.entries.get(&hash) {
            Some(Slot::Object(object)) if object.meta.is_for(key) => Some(object),
            _ => None,
        }
    }

    /// Stores `object` as the newest response of `key`, and as a variant of it if it varies.
    pub fn store(&self, key: &Key, object: Arc<Object>) {
        let weight = object.weight();
        self.put(key, object);
        self.settle(weight);
    }

    fn put(&self, key: &Key, object: Arc<Object>) {
        let Some(variant) = object.meta.variant.clone() else {
            self.entries.insert(key.hash(), Slot::Object(object));
            return;
        };
        self.entries.insert(key.variant(&variant.selecting), Slot::Object(object));
        let mut older = None;
        self.entries.entry(key.hash()).and_compute_with(|entry| {
            let known = match entry.map(moka::Entry::into_value) {
                Some(Slot::Variants(known)) if *known.key == *key.text() => known.with(variant),
                Some(Slot::Object(before)) if before.meta.is_for(key) => {
                    older = as_sibling(&before, &variant);
                    let older = older.iter().filter_map(|older| older.meta.variant.clone());
                    older.fold(Variants::new(key), |variants, older| variants.with(older)).with(variant)
                }
                _ => Variants::new(key).with(variant),
            };
            Op::Put(Slot::Variants(Arc::new(known)))
        });
        if let Some(older) = older {
            self.entries.insert(older.place(key), Slot::Object(Arc::new(older)));
        }
    }

    /// Whether something is kept under `hash`; to ask does not count as a use.
    pub fn contains(&self, hash: KeyHash) -> bool {
        self.entries.contains_key(&hash)
    }

    /// Takes in what another tier has, unless something is here by now; what is here then.
    pub fn promote(&self, hash: KeyHash, slot: Slot) -> Slot {
        let mut here = slot.clone();
        self.entries.entry(hash).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            None | Some(Slot::Uncacheable(_)) => Op::Put(slot),
            Some(known) => {
                here = known;
                Op::Nop
            }
        });
        self.settle(here.weight());
        here
    }

    /// Forgets what was promoted, unless something else has taken its place.
    pub fn demote(&self, hash: KeyHash, promoted: &Slot) {
        self.entries.entry(hash).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            Some(known) if known.is(promoted) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// A slice, if it is here.
    pub fn slice(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        match self.entries.get(&manifest.place(index)) {
            Some(Slot::Slice(slice)) if slice.is(manifest, index) => Some(slice),
            _ => None,
        }
    }

    /// Whether a slice seems to be here; to ask does not count as a use.
    pub fn has_slice(&self, manifest: &Manifest, index: u64) -> bool {
        self.entries.contains_key(&manifest.place(index))
    }

    /// Keeps a slice. A full tier may refuse it.
    pub fn store_slice(&self, slice: Arc<Slice>) {
        let weight = slice.weight();
        self.entries.insert(slice.of.place(slice.index), Slot::Slice(slice));
        self.settle(weight);
    }

    /// Forgets the object in slices that was found to have changed, unless another has taken its place.
    pub fn forget(&self, key: &Key, object: &Object) {
        self.entries.entry(object.place(key)).and_compute_with(|entry| {
            match entry.map(moka::Entry::into_value) {
                Some(Slot::Object(now)) if same_manifest(&now.body, &object.body) => Op::Remove,
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
        self.entries.entry(place).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            Some(Slot::Object(there)) if Arc::ptr_eq(&there, old) => {
                new.map_or(Op::Remove, |new| Op::Put(Slot::Object(new)))
            }
            _ => Op::Nop,
        });
    }

    /// Forgets all responses of `key`.
    pub fn remove(&self, key: &Key) {
        if let Some(Slot::Variants(variants)) = self.entries.remove(&key.hash()) {
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

fn same_manifest(a: &Content, b: &Content) -> bool {
    matches!((a, b), (Content::Sliced(a), Content::Sliced(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyText;
    use super::super::object::Whole;
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
