//! What waits to be written: bounded, so that a slow disk costs writes and never memory.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::super::entry::Entry;
use super::super::key::KeyHash;
use super::index::{RECOVERED, Ticket};

/// Removals that may wait, for instance while the disk is gone. When they are more, the whole tier is forgotten:
/// that is always right, and cheaper than to remember what is not there any more.
const MOST_REMOVALS: usize = 250_000;

/// Something to do for the writer.
#[derive(Debug)]
pub(super) enum Item {
    Put { hash: KeyHash, ticket: Ticket, entry: Entry },
    Remove { hash: KeyHash, ticket: Ticket },
}

/// Why an entry was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shed {
    /// As much waits as may.
    Queue,
    /// The tier is down.
    Down,
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub items: Vec<Item>,
    /// Forget everything that is on disk, before the items.
    pub forget: bool,
    /// This is the last.
    pub closed: bool,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    removals: usize,
    ticket: Ticket,
    down: bool,
    forget: bool,
    closed: bool,
}

impl Item {
    pub fn ticket(&self) -> Ticket {
        match self {
            Item::Put { ticket, .. } | Item::Remove { ticket, .. } => *ticket,
        }
    }
}

impl Shed {
    pub fn as_str(self) -> &'static str {
        match self {
            Shed::Queue => "queue",
            Shed::Down => "down",
        }
    }
}

impl Queue {
    /// For entries of at most `capacity` bytes together. One that is larger than all of it has to wait alone.
    pub fn new(capacity: usize) -> Self {
        let state = State { ticket: RECOVERED + 1, ..State::default() };
        Self { state: Mutex::new(state), ready: Condvar::new(), capacity }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// There is no room for it, or the tier is down.
    pub fn put(&self, hash: KeyHash, entry: Entry) -> Result<(), Shed> {
        let mut state = self.state.lock();
        if state.down || state.closed {
            return Err(Shed::Down);
        }
        let weight = entry.weight();
        if state.bytes > 0 && state.bytes + weight > self.capacity {
            return Err(Shed::Queue);
        }
        state.bytes += weight;
        state.ticket += 1;
        let ticket = state.ticket;
        state.items.push_back(Item::Put { hash, ticket, entry });
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Adds a removal. `bar` is called with its ticket before the writer can see it, `forget` when there are too
    /// many and everything has to go.
    pub fn remove(&self, hash: KeyHash, bar: impl FnOnce(Ticket), forget: impl FnOnce()) {
        let mut state = self.state.lock();
        state.ticket += 1;
        let ticket = state.ticket;
        bar(ticket);
        if state.removals >= MOST_REMOVALS {
            state.items.clear();
            (state.bytes, state.removals, state.forget) = (0, 0, true);
            forget();
        }
        state.removals += 1;
        state.items.push_back(Item::Remove { hash, ticket });
        drop(state);
        self.ready.notify_one();
    }

    /// Takes what waits; waits at most `wait` for there to be something.
    pub fn take(&self, wait: Duration) -> Batch {
        let mut state = self.state.lock();
        if state.items.is_empty() && !state.closed && !state.forget {
            self.ready.wait_for(&mut state, wait);
        }
        state.bytes = 0;
        state.removals = 0;
        Batch {
            items: std::mem::take(&mut state.items).into(),
            forget: std::mem::take(&mut state.forget),
            closed: state.closed,
        }
    }

    /// Puts removals back that could not be written, in front.
    pub fn give_back(&self, removals: Vec<(KeyHash, Ticket)>, forget: bool) {
        let mut state = self.state.lock();
        state.forget |= forget;
        state.removals += removals.len();
        for (hash, ticket) in removals.into_iter().rev() {
            state.items.push_front(Item::Remove { hash, ticket });
        }
    }

    /// From now on entries are refused, and those that wait are given up; how many those were.
    pub fn down(&self) -> usize {
        let mut state = self.state.lock();
        let before = state.items.len();
        state.down = true;
        state.items.retain(|item| matches!(item, Item::Remove { .. }));
        state.bytes = 0;
        before - state.items.len()
    }

    /// Entries are taken again.
    pub fn up(&self) {
        self.state.lock().down = false;
    }

    /// Nothing comes any more.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.ready.notify_all();
    }

    /// Waits until it is closed, at most for this long; whether it is.
    pub fn wait_closed(&self, wait: Duration) -> bool {
        let deadline = std::time::Instant::now() + wait;
        let mut state = self.state.lock();
        while !state.closed {
            if self.ready.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.closed
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::key::{Key, KeyText};
    use super::super::super::variants::Variants;
    use super::*;
    use std::sync::Arc;

    fn entry() -> Entry {
        Entry::Variants(Arc::new(Variants::new(&Key::new(KeyText::from_slice(&[7; 100])))))
    }

    #[test]
    fn what_does_not_fit_is_shed_but_removals_are_not() {
        let queue = Queue::new(entry().weight() * 2);
        for i in 0..2 {
            queue.put(KeyHash(i), entry()).unwrap();
        }
        assert_eq!(queue.put(KeyHash(2), entry()), Err(Shed::Queue));
        queue.remove(KeyHash(0), |ticket| assert!(ticket > RECOVERED), || ());
        assert_eq!(queue.down(), 2);
        assert_eq!(queue.put(KeyHash(2), entry()), Err(Shed::Down));
        assert!(matches!(queue.take(Duration::ZERO).items[..], [Item::Remove { hash: KeyHash(0), .. }]));
        queue.up();
        queue.put(KeyHash(2), entry()).unwrap();
    }

    #[test]
    fn one_that_is_larger_than_all_may_wait_alone() {
        let queue = Queue::new(1);
        queue.put(KeyHash(1), entry()).unwrap();
        assert_eq!(queue.put(KeyHash(2), entry()), Err(Shed::Queue));
    }

    #[test]
    fn too_many_removals_become_one() {
        let queue = Queue::new(1);
        for i in 0..=MOST_REMOVALS {
            queue.remove(KeyHash(i as u128), |_| (), || ());
        }
        let batch = queue.take(Duration::ZERO);
        assert!(batch.forget);
        assert_eq!(batch.items.len(), 1);
        assert!(!queue.take(Duration::ZERO).forget);
    }
}
