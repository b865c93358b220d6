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
            shared.drop_purged(place, &object);
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
    let stored = to_store(shared, key, route, object);
    // A purge between the look above and here finds it at its first hit: it has not seen that purge.
    stored.map(|object| shared.keep(key, object)).is_some()
}

/// The same for a stored object whose head was brought up to date.
pub fn store_updated(shared: &Shared, key: &Key, route: &Route, old: &Object, updated: Arc<Object>) -> bool {
    let stored = to_store(shared, key, route, updated);
    stored.map(|updated| shared.keep_updated(key, old, updated)).is_some()
}

fn to_store(shared: &Shared, key: &Key, route: &Route, object: Arc<Object>) -> Option<Arc<Object>> {
    if shared.purges.is_current(&object.meta.seen) {
        return Some(object);
    }
    match after(shared, key, route, &object.meta) {
        After::Same => Some(object),
        After::Gone => None,
        After::Changed(_) if shared.has(key, object.place(key)) => None,
        After::Changed(meta) => Some(Arc::new(Object { meta: *meta, body: object.body.clone() })),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::invalidation::{Mode, Selector, Tags};
    use crate::cache::key::KeyText;
    use crate::cache::object::{Touched, WholeBuilder};
    use crate::edge::worker::testing;
    use crate::http::time::Time;
    use crate::policy::freshness::Freshness;
    use http::{HeaderMap, StatusCode};
    use std::time::{Duration, Instant};

    fn key(n: usize) -> Key {
        Key::new(KeyText::from_slice(format!("a.example/{n}").as_bytes()))
    }

    fn object(key: &Key, tag: &str, seen: u64, now: Time) -> Arc<Object> {
        let hour = Duration::from_secs(3600);
        let meta = Meta {
            key: key.text().into(),
            variant: None,
            status: StatusCode::OK,
            head: HeaderMap::new(),
            upstream_status: None,
            held_back: None,
            freshness: Freshness {
                response_time: now,
                initial_age: Duration::ZERO,
                lifetime: hour,
                stale_while_revalidate: hour,
                stale_if_error: hour,
                revalidate: false,
                always_validate: false,
                heuristic: false,
            },
            modified: None,
            dated: None,
            tags: Tags::restore(std::iter::once(tag.as_bytes()), false),
            seen: Seen::new(seen),
            touched: Touched::default(),
        };
        let mut body = WholeBuilder::new(None);
        body.push(b"hello");
        Arc::new(Object { meta, body: crate::cache::object::Content::Whole(body.finish()) })
    }

    fn route(shared: &Shared) -> Arc<Route> {
        Arc::clone(shared.sites.route_of("a.example", "/").unwrap())
    }

    fn look(shared: &Shared, key: &Key) -> Option<Arc<Object>> {
        still_good(shared, key, &route(shared), key.hash(), shared.memory.object(key.hash(), key)?)
    }

    /// A hundred thousand objects of one tag: the purge takes no look at them, each goes when it is asked for.
    #[test]
    fn a_purge_is_one_append_and_its_space_comes_back_when_it_is_seen() {
        const OBJECTS: usize = 100_000;
        let (shared, _) = testing::worker(1 << 30);
        let now = shared.clock.now();
        let keys: Vec<Key> = (0..OBJECTS).map(key).collect();
        keys.iter().for_each(|key| shared.memory.store(key, object(key, "t", 0, now)));
        // The best of a few, since other tests share the machine.
        let purge = || {
            let begun = Instant::now();
            shared.purges.append(&[Selector::tag(b"t")], Mode::Hard, now).unwrap();
            begun.elapsed()
        };
        let took = (0..5).map(|_| purge()).min().unwrap();
        assert!(took < Duration::from_millis(10), "{took:?}");
        assert_eq!(shared.memory.usage().1, OBJECTS as u64, "nothing was touched");
        assert!(keys.iter().all(|key| look(&shared, key).is_none()));
        assert_eq!(shared.memory.usage(), (0, 0));
    }

    #[test]
    fn a_soft_purge_changes_what_is_stored_once() {
        let (shared, _) = testing::worker(1 << 20);
        let (key, now) = (key(1), shared.clock.now());
        shared.memory.store(&key, object(&key, "t", 0, now));
        let before = look(&shared, &key).unwrap();
        shared.purges.append(&[Selector::tag(b"t")], Mode::Soft, now).unwrap();
        let stale = look(&shared, &key).unwrap();
        assert!(before.meta.freshness.is_fresh(now) && !stale.meta.freshness.is_fresh(now));
        assert!(Arc::ptr_eq(&stale, &look(&shared, &key).unwrap()), "and then it is current");
        shared.purges.append(&[Selector::tag(b"other")], Mode::Hard, now).unwrap();
        assert!(Arc::ptr_eq(&stale, &look(&shared, &key).unwrap()));
    }

    #[test]
    fn a_fill_that_a_purge_has_overtaken_is_not_stored_as_fresh() {
        let (shared, _) = testing::worker(1 << 20);
        let (route, now) = (route(&shared), shared.clock.now());
        let (gone, soft, new) = (key(1), key(2), key(3));
        shared.purges.append(&[Selector::url(gone.text())], Mode::Hard, now).unwrap();
        shared.purges.append(&[Selector::url(soft.text())], Mode::Soft, now).unwrap();
        assert!(!store(&shared, &gone, &route, object(&gone, "t", 0, now)));
        assert!(store(&shared, &soft, &route, object(&soft, "t", 0, now)));
        assert!(store(&shared, &new, &route, object(&new, "t", 0, now)));
        assert!(look(&shared, &gone).is_none());
        assert!(!look(&shared, &soft).unwrap().meta.freshness.is_fresh(now));
        assert!(look(&shared, &new).unwrap().meta.freshness.is_fresh(now));

        let fetched = object(&soft, "t", shared.purges.head(), now);
        assert!(store(&shared, &soft, &route, Arc::clone(&fetched)));
        assert!(
            !store(&shared, &soft, &route, object(&soft, "t", 0, now)),
            "nor in the place of a newer one"
        );
        assert!(Arc::ptr_eq(&fetched, &look(&shared, &soft).unwrap()));
    }

    #[test]
    fn a_replaced_object_is_not_replaced_again() {
        let (shared, _) = testing::worker(1 << 20);
        let (key, now) = (key(1), shared.clock.now());
        let (old, new) = (object(&key, "t", 0, now), object(&key, "t", 0, now));
        shared.memory.store(&key, Arc::clone(&old));
        shared.memory.store(&key, Arc::clone(&new));
        shared.memory.replace(key.hash(), &old, None);
        assert!(Arc::ptr_eq(&new, &shared.memory.object(key.hash(), &key).unwrap()));
    }
}
