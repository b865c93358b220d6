//! What purges leave of an object: asked before a stored response is used, and before a fetched one is stored.
//!
//! When nothing was purged since the object was last looked at, that is one load and one comparison.

use std::sync::Arc;

use crate::cache::invalidation::{Seen, Subject, Verdict};
use crate::cache::key::{Key, KeyHash};
use crate::cache::object::{Meta, Object};

use super::keyed::Keyed;
use super::route::Route;
use super::worker::Shared;

/// A stored object as the purges leave it; `None` if they leave nothing. `place` is where it is kept: there it is
/// replaced, or dropped to give its space back.
#[inline]
pub fn still_good(
    shared: &Shared,
    key: &Key,
    route: &Route,
    place: KeyHash,
    object: Arc<Object>,
) -> Option<Arc<Object>> {
    if shared.purges.is_current(&object.meta.seen) {
        return Some(object);
    }
    judged(shared, key, route, place, object)
}

#[cold]
fn judged(
    shared: &Shared,
    key: &Key,
    route: &Route,
    place: KeyHash,
    object: Arc<Object>,
) -> Option<Arc<Object>> {
    match after(shared, key, route, &object.meta) {
        After::Same => Some(object),
        After::Gone => {
            shared.purges.count_purged_hit();
            shared.memory.replace(place, &object, None);
            None
        }
        After::Changed(meta) => {
            shared.purges.count_purged_hit();
            let changed = Arc::new(Object { meta: *meta, body: object.body.clone() });
            shared.memory.replace(place, &object, Some(Arc::clone(&changed)));
            Some(changed)
        }
    }
}

/// What becomes of a response.
pub enum After {
    /// No purge means it.
    Same,
    /// It is not there.
    Gone,
    /// It is less fresh than it was.
    Changed(Box<Meta>),
}

/// What the purges that a response has not seen make of it.
pub fn after(shared: &Shared, key: &Key, route: &Route, meta: &Meta) -> After {
    let subject = Subject { key, site: route.site_id, tags: Some(&meta.tags) };
    let (verdict, sequence) = shared.purges.judge(&meta.seen, subject);
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

/// Stores what a fill brought, unless it was purged while it came. Stale by a soft purge, it does not take the place
/// of what was fetched since. Says whether it was stored.
pub fn store(shared: &Shared, key: &Key, route: &Route, object: Arc<Object>) -> bool {
    let object = if shared.purges.is_current(&object.meta.seen) {
        object
    } else {
        match after(shared, key, route, &object.meta) {
            After::Same => object,
            After::Gone => return false,
            After::Changed(meta) => {
                let place = object.meta.variant.as_ref().map_or(key.hash(), |v| key.variant(&v.selecting));
                if shared.memory.object(place, key).is_some() {
                    return false;
                }
                Arc::new(Object { meta: *meta, body: object.body.clone() })
            }
        }
    };
    // A purge between the look above and here finds it at its first hit: it has not seen that purge.
    shared.memory.store(key, object);
    true
}

/// Whether a purge means a fill that began at `began`, as far as its key tells: its tags are not known yet.
pub fn overtaken(shared: &Shared, keyed: &Keyed, began: u64) -> bool {
    let seen = Seen::new(began);
    if shared.purges.is_current(&seen) {
        return false;
    }
    let subject = Subject { key: &keyed.key, site: keyed.request.route().site_id, tags: None };
    shared.purges.judge(&seen, subject).0 != Verdict::Current
}

/// Whether a purge means a response that is still coming, so that a request made after it must not get it.
pub fn outdated(shared: &Shared, keyed: &Keyed, meta: &Meta) -> bool {
    !shared.purges.is_current(&meta.seen)
        && !matches!(after(shared, &keyed.key, keyed.request.route(), meta), After::Same)
}
