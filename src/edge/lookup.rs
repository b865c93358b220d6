//! Stage 5: what the cache has for a key.

use std::sync::Arc;

use crate::cache::key::KeyHash;
use crate::cache::memory::Slot;
use crate::cache::object::Object;
use crate::http::time::Time;

use super::keyed::Keyed;
use super::purged;
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
            let object = purged::still_good(shared, key, route, key.hash(), object);
            at_key(match object {
                Some(object) if part::answers(&object, keyed) => Found::Object(object),
                _ => Found::Nothing,
            })
        }
        Some(Slot::Variants(variants)) if *variants.key == *key.text() => {
            let headers = &keyed.request.incoming().headers;
            let found = variants
                .select(key, headers)
                .into_iter()
                .find_map(|place| {
                    let object = memory.object(place, key)?;
                    Some((place, purged::still_good(shared, key, route, place, object)?))
                })
                .filter(|(_, object)| part::answers(object, keyed));
            match found {
                Some((place, object)) => Lookup { found: Found::Object(object), place },
                None => {
                    let place = variants.expected(key, headers).unwrap_or(key.hash());
                    Lookup { found: Found::OtherVariants, place }
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
