//! Eviction policies to compare with: each keeps ids of objects, at most so many bytes of them.
//!
//! | file | idea |
//! |---|---|
//! | `queue` | FIFO and LRU |
//! | `s3fifo` | S3-FIFO (Yang et al., SOSP 2023) |
//! | `sieve` | SIEVE (Zhang et al., NSDI 2024) |
//! | `belady` | what knows the future |
//! | `list` | the linked list that they share |

mod belady;
mod list;
mod queue;
mod s3fifo;
mod sieve;

pub use belady::{Belady, Farthest, next_uses};
pub use queue::{Order, Queue};
pub use s3fifo::S3Fifo;
pub use sieve::Sieve;

/// A request for an object.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Which request of the trace it is.
    pub at: usize,
    /// The object, a small number.
    pub id: u32,
    /// Bytes that the object takes in the cache; the same each time.
    pub weight: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The object was there.
    Hit,
    /// It was not, and is now.
    Admitted,
    /// It was not, and is not now.
    Bypassed,
}

/// A cache that is full of ids.
pub trait Policy {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Asks for an object, and lets it in if it is not there.
    fn request(&mut self, request: Request) -> Seen;

    /// How many objects were put out so far.
    fn evicted(&self) -> u64;
}

/// The bytes of a cache, and what is in it.
#[derive(Debug)]
struct Room {
    capacity: u64,
    used: u64,
    evicted: u64,
    /// By id; 0 for what is not there.
    weights: Vec<u64>,
}

impl Room {
    fn new(capacity: u64, objects: usize) -> Self {
        Self { capacity, used: 0, evicted: 0, weights: vec![0; objects] }
    }

    fn has(&self, id: u32) -> bool {
        self.weights[id as usize] > 0
    }

    fn fits(&self, weight: u64) -> bool {
        self.used + weight <= self.capacity
    }

    fn add(&mut self, id: u32, weight: u64) {
        self.used += weight;
        self.weights[id as usize] = weight;
    }

    fn evict(&mut self, id: u32) {
        self.used -= std::mem::take(&mut self.weights[id as usize]);
        self.evicted += 1;
    }
}
