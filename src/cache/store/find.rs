//! What is stored for a request.

use std::sync::Arc;

use http::HeaderName;
use http::header::ORIGIN;

use super::store::Store;
use crate::cache::entry::Entry;
use crate::cache::key::{Key, KeyHash};
use crate::cache::memory::Slot;
use crate::cache::object::{Meta, Object};
use crate::cache::variants::Variants;
use crate::http::time::Time;
use crate::http::vary::SelectingKey;

/// A request, as far as the store has to know it: which stored responses can answer it.
pub trait Selection {
    /// What it is for.
    fn key(&self) -> &Key;

    /// Its site, as [`site`](crate::cache::invalidation::site) says it.
    fn site(&self) -> u64;

    /// The canonical bytes of its values of the fields that choose a response (RFC 9111 §4.1).
    fn selecting(&self, names: &[HeaderName]) -> SelectingKey;

    /// Whether a response that Vary allows for is for it.
    fn suits(&self, meta: &Meta) -> bool;

    /// Whether an object has the bytes that it asks for.
    fn is_answered_by(&self, object: &Object) -> bool;

    /// Where a response for this request's Origin alone is kept, and listed while it is on its way.
    fn place_by_origin(&self) -> KeyHash {
        self.key().variant(&self.selecting(&[ORIGIN]))
    }
}

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// A stored response that this request selects, fresh or stale.
    Object(Arc<Object>),
    /// Responses are stored, but none that this request selects.
    OtherVariants,
    /// Responses of this key could not be stored lately: don't queue for one.
    Uncacheable,
    /// Nothing.
    Nothing,
}

impl Found {
    /// The stored response, if there is one.
    pub fn object(&self) -> Option<&Arc<Object>> {
        match self {
            Found::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// What the store has for a request, and where a response to it would be kept.
#[derive(Debug)]
pub struct Lookup {
    /// What was found.
    pub found: Found,
    /// Where a fill for this request is listed.
    pub place: KeyHash,
}

impl Store {
    /// Looks in memory: once for a key that does not vary, twice for one that does.
    pub fn find(&self, request: &impl Selection, now: Time) -> Lookup {
        let key = request.key();
        let at_key = |found| Lookup { found, place: key.hash() };
        match self.memory.slot(key.hash()) {
            Some(Slot::Kept(Entry::Object(object))) if object.meta.is_for(key) => {
                match self.still_good(key, request.site(), key.hash(), object) {
                    Some(object) if !request.suits(&object.meta) => {
                        Lookup { found: Found::OtherVariants, place: request.place_by_origin() }
                    }
                    Some(object) if request.is_answered_by(&object) => at_key(Found::Object(object)),
                    _ => at_key(Found::Nothing),
                }
            }
            Some(Slot::Kept(Entry::Variants(variants))) if variants.is_for(key) => {
                let selected = variants.select(key, |names| request.selecting(names));
                let found = selected
                    .into_iter()
                    .find_map(|place| {
                        let object = self.memory.object(place, key)?;
                        let object = self.still_good(key, request.site(), place, object)?;
                        request.suits(&object.meta).then_some((place, object))
                    })
                    .filter(|(_, object)| request.is_answered_by(object));
                match found {
                    Some((place, object)) => Lookup { found: Found::Object(object), place },
                    None => Lookup { found: Found::OtherVariants, place: expected_place(request, &variants) },
                }
            }
            Some(Slot::Uncacheable(until)) if now < until => at_key(Found::Uncacheable),
            _ => at_key(Found::Nothing),
        }
    }

    /// Whether it is worth waiting for the tier behind memory, which did not have what is wanted. Looks in RAM only.
    pub fn may_be_behind(&self, key: &Key, looked: &Lookup) -> bool {
        match (&self.behind, &looked.found) {
            (Some(tier), Found::Nothing) => tier.contains(key.hash()),
            (Some(_), Found::OtherVariants) => true,
            _ => false,
        }
    }

    /// As [`Store::find`], behind memory: reads at most the list of variants and those that the request selects.
    pub async fn find_behind(&self, request: &(impl Selection + Sync), looked: Lookup) -> Lookup {
        let key = request.key();
        let entry = match looked.found {
            Found::Nothing => self.promote(key, key.hash()).await,
            Found::OtherVariants => self.memory.get(key.hash()),
            Found::Object(_) | Found::Uncacheable => None,
        };
        match entry {
            Some(Entry::Object(object)) => match self.usable(request, key.hash(), object) {
                Some(object) => Lookup { found: Found::Object(object), place: key.hash() },
                None => looked,
            },
            Some(Entry::Variants(variants)) if variants.is_for(key) => {
                self.find_variant_behind(request, &variants).await
            }
            _ => looked,
        }
    }

    async fn find_variant_behind(&self, request: &(impl Selection + Sync), variants: &Variants) -> Lookup {
        let key = request.key();
        for place in variants.select(key, |names| request.selecting(names)) {
            let entry = match self.memory.get(place) {
                Some(entry) => Some(entry),
                None => self.promote(key, place).await,
            };
            if let Some(Entry::Object(object)) = entry
                && let Some(object) = self.usable(request, place, object)
            {
                return Lookup { found: Found::Object(object), place };
            }
        }
        Lookup { found: Found::OtherVariants, place: expected_place(request, variants) }
    }

    /// What a request may be answered from: what was purged while it lay behind memory is not.
    fn usable(&self, request: &impl Selection, place: KeyHash, object: Arc<Object>) -> Option<Arc<Object>> {
        let key = request.key();
        let object = Some(object).filter(|object| object.meta.is_for(key))?;
        let object = self.still_good(key, request.site(), place, object)?;
        (request.suits(&object.meta) && request.is_answered_by(&object)).then_some(object)
    }

    /// Reads what is for `key` at `place` behind memory, and puts it into memory.
    async fn promote(&self, key: &Key, place: KeyHash) -> Option<Entry> {
        let tier = self.behind.as_ref().filter(|tier| tier.contains(place))?;
        let held = tier.get(place).await?;
        let entry = Some(held.entry.clone()).filter(|entry| entry.is_for(key))?;
        let entry = self.memory.promote(place, entry);
        if !tier.is_current(place, &held) {
            // Removed or replaced meanwhile; what replaced it may be in memory already, and is found there.
            self.memory.demote(place, &entry);
            return None;
        }
        Some(entry)
    }
}

/// Where a response that varies as the newest of a key did would be kept for this request.
fn expected_place(request: &impl Selection, variants: &Variants) -> KeyHash {
    let newest = variants.newest_names();
    newest.map_or(request.key().hash(), |names| request.key().variant(&request.selecting(names)))
}
