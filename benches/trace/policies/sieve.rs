//! SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024, algorithm 1): a FIFO queue in which a hand goes from
//! tail to head, spares what was visited since it came by, and stays where it evicted.

use super::list::{List, NONE};
use super::{Policy, Request, Room, Seen};

/// The queue.
#[derive(Debug)]
pub struct Sieve {
    room: Room,
    list: List,
    visited: Vec<bool>,
    /// What it looks at next; [`NONE`] for the tail.
    hand: u32,
}

impl Sieve {
    /// An empty one of `capacity` bytes, for ids below `objects`.
    pub fn new(capacity: u64, objects: usize) -> Self {
        let visited = vec![false; objects];
        Self { room: Room::new(capacity, objects), list: List::new(objects), visited, hand: NONE }
    }

    fn evict(&mut self) {
        let at = |hand: u32, list: &List| if hand == NONE { list.tail() } else { hand };
        let mut hand = at(self.hand, &self.list);
        while std::mem::take(&mut self.visited[hand as usize]) {
            hand = at(self.list.newer(hand), &self.list);
        }
        self.hand = self.list.newer(hand);
        self.list.remove(hand);
        self.room.evict(hand);
    }
}

impl Policy for Sieve {
    fn name(&self) -> &'static str {
        "SIEVE"
    }

    fn request(&mut self, Request { id, weight, .. }: Request) -> Seen {
        if self.room.has(id) {
            self.visited[id as usize] = true;
            return Seen::Hit;
        }
        if weight > self.room.capacity {
            return Seen::Bypassed;
        }
        while !self.room.fits(weight) {
            self.evict();
        }
        self.list.push(id);
        self.room.add(id, weight);
        Seen::Admitted
    }

    fn evicted(&self) -> u64 {
        self.room.evicted
    }
}
