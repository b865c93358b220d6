//! A response that begins an object in slices: what is told to those who wait, and what is left to bring.

use std::sync::Arc;

use super::producer::Producer;
use crate::cache::fill::Sliced;
use crate::cache::flight::AHEAD;
use crate::cache::object::{Content, Meta, Object};
use crate::cache::slice::Manifest;
use crate::edge::filling::Plan;
use crate::edge::purged;
use crate::edge::worker::Shared;

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
pub fn begin(shared: &Arc<Shared>, plan: &Plan, meta: Meta, manifest: Manifest, brings: Brings) -> Begun {
    let manifest = Arc::new(manifest);
    let object = Arc::new(Object { meta, body: Content::Sliced(Arc::clone(&manifest)) });
    let mut indices = manifest.within(brings.at, brings.end);
    indices.start = indices.start.max(manifest.index(brings.wanted));
    // Claimed before anybody can know of it.
    let producer = (!indices.is_empty()).then(|| Producer::claim(shared, &manifest, indices, AHEAD + 1));
    let producer = producer.flatten();
    let store = || purged::store(shared, &plan.key, &plan.outgoing.route, Arc::clone(&object));
    match shared.unless_changed(&plan.key, plan.outgoing.since, store) {
        Ok(()) => shared.cache_metrics.stores.inc(),
        Err(by) => shared.cache_metrics.not_stored.with_label_values(&[by.as_str()]).inc(),
    }
    let interest = producer.as_ref().map(Producer::interest);
    Begun {
        sliced: Arc::new(Sliced { object, interest }),
        producer: producer.map(|producer| (producer, brings.at)),
    }
}
