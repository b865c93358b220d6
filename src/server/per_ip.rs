//! How many connections each client address has open.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

const SHARDS: usize = 16;

/// The counts, for all workers.
#[derive(Debug)]
pub struct PerIp {
    limit: usize,
    hasher: RandomState,
    shards: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
}

impl PerIp {
    /// `limit` connections for each address.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, hasher: RandomState::new(), shards: Default::default() })
    }

    fn shard(&self, addr: &IpAddr) -> &Mutex<HashMap<IpAddr, usize>> {
        let hash = usize::try_from(self.hasher.hash_one(addr) % SHARDS as u64).unwrap_or(0);
        &self.shards[hash]
    }

    /// One more of `addr`, until it is dropped; none if that would be too many.
    pub fn enter(self: &Arc<Self>, addr: IpAddr) -> Option<Entry> {
        let mut shard = self.shard(&addr).lock();
        let count = shard.entry(addr).or_insert(0);
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Entry { counts: self.clone(), addr })
    }
}

/// One connection that is counted.
#[derive(Debug)]
pub struct Entry {
    counts: Arc<PerIp>,
    addr: IpAddr,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut shard = self.counts.shard(&self.addr).lock();
        if let Some(count) = shard.get_mut(&self.addr) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.addr);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_address_and_forgets_it() {
        let counts = PerIp::new(2);
        let [a, b] = ["10.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let first = counts.enter(a).unwrap();
        let second = counts.enter(a).unwrap();
        assert!(counts.enter(a).is_none());
        assert!(counts.enter(b).is_some());
        drop(first);
        let third = counts.enter(a).unwrap();
        drop((second, third));
        assert!(counts.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
