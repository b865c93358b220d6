//! FIFO and LRU: a queue whose tail goes first.

use super::list::List;
use super::{Policy, Request, Room, Seen};

/// What a hit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Fifo,
    /// It moves the object to the head.
    Lru,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    order: Order,
    room: Room,
    list: List,
}

impl Queue {
    /// An empty one of `capacity` bytes, for ids below `objects`.
    pub fn new(order: Order, capacity: u64, objects: usize) -> Self {
        Self { order, room: Room::new(capacity, objects), list: List::new(objects) }
    }
}

impl Policy for Queue {
    fn name(&self) -> &'static str {
        match self.order {
            Order::Fifo => "FIFO",
            Order::Lru => "LRU",
        }
    }

    fn request(&mut self, Request { id, weight, .. }: Request) -> Seen {
        if self.room.has(id) {
            if self.order == Order::Lru {
                self.list.remove(id);
                self.list.push(id);
            }
            return Seen::Hit;
        }
        if weight > self.room.capacity {
            return Seen::Bypassed;
        }
        while !self.room.fits(weight) {
            let victim = self.list.tail();
            self.list.remove(victim);
            self.room.evict(victim);
        }
        self.list.push(id);
        self.room.add(id, weight);
        Seen::Admitted
    }

    fn evicted(&self) -> u64 {
        self.room.evicted
    }
}
