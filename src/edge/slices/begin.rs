//! A response that begins an object in slices: what is told to those who wait, and what is left to bring.

use std::sync::Arc;

use crate::cache::fill::Sliced;
use crate::cache::flight::AHEAD;
use crate::cache::key::Key;
use crate::cache::object::{Content, Meta, Object};
use crate::cache::slice::Manifest;
use crate::cache::store::Store;
use crate::edge::request::outgoing::Outgoing;
use crate::edge::slices::producer::Producer;

/// Which bytes a response brings.
#[derive(Debug, Clone, Copy)]
pub struct Brings {
    /// Offset of the first.
    pub at: u64,
    /// Offset behind the last.
    pub end: u64,
    /// Offset that somebody waits for; what lies before it is nobody's hurry.
    pub wanted: u64,
}

/// An object in slices, begun.
pub struct Begun {
    /// What to tell.
    pub sliced: Arc<Sliced>,
    /// What brings the slices, and the offset the body begins at. None if all it could bring is here.
    pub producer: Option<(Producer, u64)>,
}

/// Stores the manifest, so that whoever comes finds it, and claims the first slices.
pub fn begin(
    store: &Arc<Store>,
    key: &Key,
    outgoing: &Outgoing,
    meta: Meta,
    manifest: Manifest,
    brings: Brings,
) -> Begun {
    let manifest = Arc::new(manifest);
    let object = Arc::new(Object { meta, body: Content::Sliced(Arc::clone(&manifest)) });
    let mut indices = manifest.within(brings.at, brings.end);
    indices.start = indices.start.max(manifest.index(brings.wanted));
    // Claimed before anybody can know of it.
    let producer = (!indices.is_empty()).then(|| Producer::claim(store, &manifest, indices, AHEAD + 1));
    let producer = producer.flatten();
    // Overtaken, it is served to those who wait, and found by nobody else.
    let _ = store.keep(key, outgoing.route.site_id, outgoing.asked, Arc::clone(&object));
    let interest = producer.as_ref().map(Producer::interest);
    Begun {
        sliced: Arc::new(Sliced { object, interest }),
        producer: producer.map(|producer| (producer, brings.at)),
    }
}
