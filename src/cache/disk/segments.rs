//! The segments there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::segment::Segment;

/// The segments there are, by id.
#[derive(Debug, Default)]
pub(super) struct Segments(RwLock<BTreeMap<u32, Arc<Segment>>>);

impl Segments {
    pub fn get(&self, id: u32) -> Option<Arc<Segment>> {
        self.0.read().get(&id).cloned()
    }

    pub fn add(&self, segment: Arc<Segment>) {
        self.0.write().insert(segment.id(), segment);
    }

    pub fn oldest(&self) -> Option<Arc<Segment>> {
        self.0.read().values().next().cloned()
    }

    pub fn newest(&self) -> Option<Arc<Segment>> {
        self.0.read().values().next_back().cloned()
    }

    pub fn bytes(&self) -> u64 {
        self.0.read().values().map(|segment| u64::from(segment.len())).sum()
    }

    pub fn remove(&self, id: u32) {
        self.0.write().remove(&id);
    }

    /// Takes all of them out.
    pub fn clear(&self) -> Vec<u32> {
        std::mem::take(&mut *self.0.write()).into_keys().collect()
    }
}
