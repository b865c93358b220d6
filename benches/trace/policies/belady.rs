//! What knows the future: evicts what is not needed for the longest time, and lets in nothing that would be.
//!
//! For objects of one size this is the best there is (Belady 1966). For objects of many sizes the best is not
//! computable in reasonable time; two approximations stand for it. `Farthest` goes by time alone; `FarthestLargest`
//! by time times size, which gains more hits, as it gives up one large object for many small ones. It compares a
//! sample, as each object's product changes with every request.

use std::collections::BTreeSet;

use super::{Policy, Request, Room, Seen};

/// Never asked for again.
pub const NEVER: u32 = u32::MAX;
/// Objects that are compared for an eviction by time and size.
const SAMPLE: usize = 64;

/// What goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farthest {
    /// The largest time to the next request.
    Time,
    /// The largest product of that and the size.
    TimeAndSize,
}

/// A cache that knows the future.
#[derive(Debug)]
pub struct Belady<'a> {
    by: Farthest,
    room: Room,
    /// For each request, which asks for the same object next.
    next: &'a [u32],
    /// When each object is needed, for those that are there.
    due: Vec<u32>,
    /// By time: what is there, by when it is needed.
    ordered: BTreeSet<(u32, u32)>,
    /// By time and size: what is there, in no order.
    there: Vec<u32>,
    random: u64,
}

/// For each request, which asks for the same object next; [`NEVER`] if none does.
pub fn next_uses(requests: &[u32], objects: usize) -> Vec<u32> {
    let mut seen = vec![NEVER; objects];
    let mut next = vec![NEVER; requests.len()];
    for (at, id) in requests.iter().enumerate().rev() {
        next[at] = std::mem::replace(&mut seen[*id as usize], at as u32);
    }
    next
}

impl<'a> Belady<'a> {
    /// An empty one of `capacity` bytes, for ids below `objects`, and a future.
    pub fn new(by: Farthest, capacity: u64, objects: usize, next: &'a [u32]) -> Self {
        let (room, due) = (Room::new(capacity, objects), vec![NEVER; objects]);
        Self { by, room, next, due, ordered: BTreeSet::new(), there: Vec::new(), random: 1 }
    }

    /// What should go first, if it should go before an object of `weight` that is needed at `due`.
    fn victim(&mut self, now: usize, due: u32, weight: u64) -> Option<u32> {
        match self.by {
            Farthest::Time => {
                let (farthest, id) = *self.ordered.last()?;
                (farthest > due).then_some(id)
            }
            Farthest::TimeAndSize => {
                let worth = |due: u32, weight: u64| (u64::from(due) - now as u64) * weight;
                let (mut largest, mut victim) = (worth(due, weight), None);
                let sampled = SAMPLE.min(self.there.len());
                for i in 0..sampled {
                    let at = if sampled < SAMPLE { i } else { self.random() % self.there.len() };
                    let id = self.there[at];
                    let product = worth(self.due[id as usize], self.room.weights[id as usize]);
                    if product > largest {
                        (largest, victim) = (product, Some(at));
                    }
                }
                victim.map(|at| self.there.swap_remove(at))
            }
        }
    }

    /// xorshift64.
    fn random(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as usize
    }

    fn evict(&mut self, id: u32) {
        self.ordered.remove(&(self.due[id as usize], id));
        self.room.evict(id);
    }

    fn let_in(&mut self, id: u32, due: u32, weight: u64) {
        self.room.add(id, weight);
        self.due[id as usize] = due;
        match self.by {
            Farthest::Time => _ = self.ordered.insert((due, id)),
            Farthest::TimeAndSize => self.there.push(id),
        }
    }
}

impl Policy for Belady<'_> {
    fn name(&self) -> &'static str {
        match self.by {
            Farthest::Time => "Belady, by time",
            Farthest::TimeAndSize => "Belady, by time x size",
        }
    }

    fn request(&mut self, Request { at, id, weight }: Request) -> Seen {
        let due = self.next[at];
        if self.room.has(id) {
            if self.by == Farthest::Time {
                self.ordered.remove(&(self.due[id as usize], id));
                self.ordered.insert((due, id));
            }
            self.due[id as usize] = due;
            return Seen::Hit;
        }
        if due == NEVER || weight > self.room.capacity {
            return Seen::Bypassed;
        }
        while !self.room.fits(weight) {
            match self.victim(at, due, weight) {
                Some(victim) => self.evict(victim),
                None => return Seen::Bypassed,
            }
        }
        self.let_in(id, due, weight);
        Seen::Admitted
    }

    fn evicted(&self) -> u64 {
        self.room.evicted
    }
}
