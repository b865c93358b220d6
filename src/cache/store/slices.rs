//! Slices of large bodies: entries of their own, under a hash of all that says which bytes they are.

use std::sync::Arc;

use super::store::Store;
use crate::cache::entry::Entry;
use crate::cache::flight::Flights;
use crate::cache::object::Touched;
use crate::cache::slice::{Manifest, Slice};

impl Store {
    /// Slices on their way.
    pub fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// Keeps a slice that was just brought.
    pub fn keep_slice(&self, slice: Arc<Slice>) {
        self.metrics.stores.inc();
        self.memory.store_slice(Arc::clone(&slice));
        let Some(tier) = &self.behind else { return };
        let place = slice.of.place(slice.index);
        if tier.admits(place) {
            slice.touched.set();
            tier.put(place, Entry::Slice(slice));
        }
    }

    /// A slice in memory, for a reader who uses it again: the first time, it is worth keeping behind memory as well.
    pub fn slice_again(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        let slice = self.slice(manifest, index)?;
        if let Some(tier) = &self.behind
            && slice.touched.first()
        {
            let place = manifest.place(index);
            if !tier.contains(place) {
                tier.put(place, Entry::Slice(Arc::clone(&slice)));
            }
        }
        Some(slice)
    }

    /// A slice in memory, for the reader who had it fetched.
    pub fn slice(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        self.memory.slice(manifest, index)
    }

    /// Whether a slice seems to be in memory; to ask does not count as a use.
    pub fn slice_is_in_memory(&self, manifest: &Manifest, index: u64) -> bool {
        self.memory.has_slice(manifest, index)
    }

    /// Whether a slice seems to be behind memory. Looks in RAM only.
    pub fn slice_is_behind(&self, manifest: &Manifest, index: u64) -> bool {
        self.behind.as_ref().is_some_and(|tier| tier.contains(manifest.place(index)))
    }

    /// Whether a slice seems to be in any tier; to ask does not count as a use.
    pub fn has_slice(&self, manifest: &Manifest, index: u64) -> bool {
        self.slice_is_in_memory(manifest, index) || self.slice_is_behind(manifest, index)
    }

    /// Reads a slice from behind memory, and puts it into memory.
    pub async fn promote_slice(&self, manifest: &Arc<Manifest>, index: u64) -> Option<Arc<Slice>> {
        let held = self.behind.as_ref()?.get(manifest.place(index)).await?;
        let Entry::Slice(read) = &held.entry else { return None };
        let slice = read.is(manifest, index).then(|| {
            // All slices in memory share one manifest.
            let (of, body) = (Arc::clone(manifest), read.body.clone());
            Arc::new(Slice { of, index, body, touched: Touched::yes() })
        })?;
        self.memory.store_slice(Arc::clone(&slice));
        Some(slice)
    }
}
