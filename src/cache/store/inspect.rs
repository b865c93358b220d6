//! What operators ask: what is stored for a key, and how much in all.

use std::sync::Arc;

use super::store::Store;
use crate::cache::entry::Entry;
use crate::cache::key::{Key, KeyHash};
use crate::cache::memory::Slot;
use crate::cache::object::Object;
use crate::http::time::Time;

/// What is stored for a key.
#[derive(Debug)]
pub struct Inspected {
    /// Requests don't queue for a response: lately it could not be stored.
    pub uncacheable: bool,
    /// Stored responses, each with the first tier that has it; several where they vary.
    pub objects: Vec<(&'static str, Arc<Object>)>,
}

impl Store {
    /// Looks into all tiers, and changes nothing but to drop what a purge means.
    pub async fn inspect(&self, key: &Key, site: u64, now: Time) -> Inspected {
        let places: Vec<KeyHash> = match self.peek(key, key.hash()).await {
            Some((_, Entry::Object(_))) => vec![key.hash()],
            Some((_, Entry::Variants(variants))) => variants.hashes(key).collect(),
            _ => Vec::new(),
        };
        let slot = self.memory.slot(key.hash());
        let uncacheable = matches!(slot, Some(Slot::Uncacheable(until)) if now < until);
        let mut objects = Vec::new();
        for place in places {
            if let Some((tier, Entry::Object(object))) = self.peek(key, place).await
                && let Some(object) = self.still_good(key, site, place, object)
            {
                objects.push((tier, object));
            }
        }
        Inspected { uncacheable, objects }
    }

    /// What is for `key` at `place` in the first tier that has it; changes none.
    async fn peek(&self, key: &Key, place: KeyHash) -> Option<(&'static str, Entry)> {
        if let Some(entry) = self.memory.get(place) {
            return entry.is_for(key).then_some(("memory", entry));
        }
        let tier = self.behind.as_ref().filter(|tier| tier.contains(place))?;
        let held = tier.get(place).await?;
        held.entry.is_for(key).then_some((tier.name(), held.entry))
    }

    /// Bytes in memory, as weighed, and entries.
    pub fn memory_usage(&self) -> (u64, u64) {
        self.memory.usage()
    }
}
