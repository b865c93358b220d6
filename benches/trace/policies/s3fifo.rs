//! S3-FIFO (Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023, algorithm 1), weighed in bytes.
//!
//! New objects go through a small queue of a tenth of the bytes. Those asked for more than once meanwhile go on to
//! the main queue; the others leave, and a ghost queue remembers as many bytes of them as the main queue holds. What
//! is in the ghost queue when it is asked for again goes to the main queue at once. There, what was asked for since
//! is put in again.

use std::collections::VecDeque;

use super::list::List;
use super::{Policy, Request, Room, Seen};

/// Asked for so often in the small queue, an object goes on to the main queue.
const TO_MAIN: u8 = 2;
/// Requests are counted up to this.
const MOST: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Nothing,
    Small,
    Main,
}

/// A queue of ids, and their bytes.
#[derive(Debug, Default)]
struct Fifo {
    ids: VecDeque<(u32, u64)>,
    bytes: u64,
}

impl Fifo {
    fn push(&mut self, id: u32, weight: u64) {
        self.ids.push_back((id, weight));
        self.bytes += weight;
    }

    fn pop(&mut self) -> Option<(u32, u64)> {
        let (id, weight) = self.ids.pop_front()?;
        self.bytes -= weight;
        Some((id, weight))
    }
}

/// The three queues.
#[derive(Debug)]
pub struct S3Fifo {
    room: Room,
    small: Fifo,
    main: Fifo,
    ghost: Ghost,
    place: Vec<In>,
    asked: Vec<u8>,
}

/// What left the small queue lately.
#[derive(Debug)]
struct Ghost {
    list: List,
    room: Room,
}

impl Ghost {
    fn remember(&mut self, id: u32, weight: u64) {
        self.list.push(id);
        self.room.add(id, weight);
        while self.room.used > self.room.capacity {
            self.forget(self.list.tail());
        }
    }

    /// Whether it was known.
    fn forget(&mut self, id: u32) -> bool {
        let known = self.room.has(id);
        if known {
            self.list.remove(id);
            self.room.evict(id);
        }
        known
    }
}

impl S3Fifo {
    /// An empty one of `capacity` bytes, for ids below `objects`.
    pub fn new(capacity: u64, objects: usize) -> Self {
        Self {
            room: Room::new(capacity, objects),
            small: Fifo::default(),
            main: Fifo::default(),
            ghost: Ghost { list: List::new(objects), room: Room::new(capacity - capacity / 10, objects) },
            place: vec![In::Nothing; objects],
            asked: vec![0; objects],
        }
    }

    fn small_capacity(&self) -> u64 {
        self.room.capacity / 10
    }

    fn evict(&mut self) {
        if self.small.bytes >= self.small_capacity() || self.main.bytes == 0 {
            self.evict_small();
        } else {
            self.evict_main();
        }
    }

    fn evict_small(&mut self) {
        while let Some((id, weight)) = self.small.pop() {
            if self.asked[id as usize] >= TO_MAIN {
                self.enter_main(id, weight);
            } else {
                self.place[id as usize] = In::Nothing;
                self.room.evict(id);
                self.ghost.remember(id, weight);
                return;
            }
        }
    }

    fn evict_main(&mut self) {
        while let Some((id, weight)) = self.main.pop() {
            let asked = &mut self.asked[id as usize];
            if *asked == 0 {
                self.place[id as usize] = In::Nothing;
                return self.room.evict(id);
            }
            *asked -= 1;
            self.main.push(id, weight);
        }
    }

    fn enter_main(&mut self, id: u32, weight: u64) {
        self.main.push(id, weight);
        self.place[id as usize] = In::Main;
        self.asked[id as usize] = 0;
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> &'static str {
        "S3-FIFO"
    }

    fn request(&mut self, Request { id, weight, .. }: Request) -> Seen {
        if self.place[id as usize] != In::Nothing {
            let asked = &mut self.asked[id as usize];
            *asked = (*asked + 1).min(MOST);
            return Seen::Hit;
        }
        let known = self.ghost.forget(id);
        if weight > if known { self.room.capacity } else { self.small_capacity() } {
            return Seen::Bypassed;
        }
        while !self.room.fits(weight) {
            self.evict();
        }
        self.room.add(id, weight);
        if known {
            self.enter_main(id, weight);
        } else {
            self.small.push(id, weight);
            self.place[id as usize] = In::Small;
            self.asked[id as usize] = 0;
        }
        Seen::Admitted
    }

    fn evicted(&self) -> u64 {
        self.room.evicted
    }
}
