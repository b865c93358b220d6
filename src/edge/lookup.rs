//! Stage 5: what the cache has for a key.

use std::sync::Arc;

use crate::cache::key::KeyHash;
use crate::cache::memory::Slot;
use crate::cache::object::Object;
use crate::http::time::Time;

use super::keyed::Keyed;
use super::purged;
use super::selecting::{expected_place, place_of_site, selecting, suits};
use super::slicing::part;
use super::worker::Shared;

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

/// What the cache has for a request, and where a response to it would be kept.
#[derive(Debug)]
pub struct Lookup {
    /// What was found.
    pub found: Found,
    /// Where a fill for this request is listed.
    pub place: KeyHash,
}

/// Looks in the memory tier: one look for a key that does not vary, two for one that does.
pub fn lookup(keyed: &Keyed, shared: &Shared, now: Time) -> Lookup {
    let (key, memory, route) = (&keyed.key, &shared.memory, keyed.request.route());
    let at_key = |found| Lookup { found, place: key.hash() };
    match memory.get(key.hash()) {
        Some(Slot::Object(object)) if object.meta.is_for(key) => {
            match purged::still_good(shared, key, route, key.hash(), object) {
                Some(object) if !suits(&object.meta, keyed) => {
                    Lookup { found: Found::OtherVariants, place: place_of_site(keyed, shared) }
                }
                Some(object) if part::answers(&object, keyed) => at_key(Found::Object(object)),
                _ => at_key(Found::Nothing),
            }
        }
        Some(Slot::Variants(variants)) if *variants.key == *key.text() => {
            let found = variants
                .select(key, |names| selecting(keyed, shared, names))
                .into_iter()
                .find_map(|place| {
                    let object = memory.object(place, key)?;
                    let object = purged::still_good(shared, key, route, place, object)?;
                    suits(&object.meta, keyed).then_some((place, object))
                })
                .filter(|(_, object)| part::answers(object, keyed));
            match found {
                Some((place, object)) => Lookup { found: Found::Object(object), place },
                None => {
                    Lookup { found: Found::OtherVariants, place: expected_place(keyed, shared, &variants) }
                }
            }
        }
        Some(Slot::Uncacheable(until)) if now < until => at_key(Found::Uncacheable),
        _ => at_key(Found::Nothing),
    }
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
