//! What an HTTP/1 connection is doing: one request at a time, heads that take time to arrive, responses that are over
//! only when their last byte is flushed.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::super::drain::LAST_REQUEST;
use super::super::state::{self, Core, Deadline, Due, earlier, never};

/// A head began and did not end in time: 408.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateHead;

/// The state of one connection. Times are milliseconds of the core's clock, zero is never.
#[derive(Debug)]
pub struct State {
    core: Core,
    /// Requests that ever reached the service, wrapping.
    begun: AtomicU32,
    /// The response has ended, its last bytes may still be in hyper's buffer.
    ending: AtomicBool,
    /// Since when a head is incomplete.
    head_since: AtomicU64,
    /// Since when the server drains, as far as this connection knows.
    draining_since: AtomicU64,
    /// The driver found a head overdue; the IO answers it.
    overdue: AtomicBool,
}

impl Deref for State {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl State {
    /// Of a connection on which nothing was said yet.
    pub fn new(core: Core) -> Self {
        Self {
            core,
            begun: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            head_since: AtomicU64::new(0),
            draining_since: AtomicU64::new(0),
            overdue: AtomicBool::new(false),
        }
    }

    /// All that was to be written is written. True if that was the end of a response.
    pub fn flushed(&self) -> bool {
        if self.ending.load(Relaxed) && self.in_flight() == 0 {
            self.ending.store(false, Relaxed);
            return true;
        }
        false
    }

    /// No request is in flight and no byte of a response is pending, so what is written now is not a handler's.
    pub fn quiet(&self) -> bool {
        self.in_flight() == 0 && !self.ending.load(Relaxed)
    }

    /// The responses to so many requests are all written.
    pub fn answered(&self, heads: u32) -> bool {
        self.quiet() && self.begun.load(Relaxed) == heads
    }

    /// Bytes have arrived, after which a head is incomplete or is not.
    pub fn head(&self, incomplete: bool) {
        match (incomplete, self.head_since.load(Relaxed)) {
            (true, 0) => {
                // The first head's time began at the accept.
                let since = if self.fresh() { self.idle_since() } else { self.clock().now() };
                self.head_since.store(since, Relaxed);
            }
            (false, since) if since != 0 => self.head_since.store(0, Relaxed),
            _ => {}
        }
    }

    /// The server drains. A request that is on its way is still answered.
    pub fn drain(&self) {
        if self.draining_since.load(Relaxed) == 0 {
            self.draining_since.store(self.clock().now(), Relaxed);
        }
    }

    /// The head is overdue.
    pub fn set_overdue(&self) {
        self.head_since.store(0, Relaxed);
        self.overdue.store(true, Relaxed);
    }

    /// Whether the head is overdue.
    pub fn overdue(&self) -> bool {
        self.overdue.load(Relaxed)
    }

    /// The deadline while there is no request.
    fn between_requests(&self) -> Deadline<LateHead> {
        if self.is_going() {
            return self.at_rest();
        }
        let head = self.head_since.load(Relaxed);
        if head != 0 {
            return (head.saturating_add(self.deadlines().header), Due::Own(LateHead));
        }
        if self.overdue() {
            return never();
        }
        match self.draining_since.load(Relaxed) {
            0 => self.at_rest(),
            draining => {
                let last = draining.max(self.idle_since()).saturating_add(LAST_REQUEST);
                earlier(self.at_rest(), (last, Due::Idle))
            }
        }
    }
}

impl state::State for State {
    type Due = LateHead;

    fn begin(&self) {
        self.core.enter();
        self.begun.fetch_add(1, Relaxed);
        self.ending.store(false, Relaxed);
    }

    fn end(&self) {
        let now = self.clock().now();
        // A head that was pipelined behind this request could not be read on: its time begins now.
        if self.head_since.load(Relaxed) != 0 {
            self.head_since.store(now, Relaxed);
        }
        self.ending.store(true, Relaxed);
        self.core.leave(now);
    }

    fn next(&self) -> Deadline<LateHead> {
        let rest = if self.in_flight() == 0 { self.between_requests() } else { never() };
        earlier(rest, self.stalled())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::clock::Clock;
    use super::super::super::state::{Deadlines, State as _};
    use super::*;

    const D: Deadlines = Deadlines { header: 10_000, idle: 75_000, write: 60_000 };

    fn state() -> State {
        State::new(Core::new(Clock::start(), D, 1))
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let state = state();
        assert_eq!(state.next(), (10_001, Due::Idle), "a new connection");
        state.head(true);
        assert_eq!(state.next(), (10_001, Due::Own(LateHead)), "the first head's time began at the accept");
        state.head(false);
        state.begin();
        assert_eq!(state.next(), (u64::MAX, Due::Idle), "a request may take its time");
        assert!(!state.quiet());
        state.blocked();
        assert_eq!(state.next().1, Due::Stalled);
        state.unblocked();
        state.end();
        assert!(!state.quiet(), "its last bytes are not written");
        assert!(state.flushed() && state.quiet() && !state.flushed());
        let (at, due) = state.next();
        assert!(due == Due::Idle && at >= 75_000);
        state.head(true);
        assert_eq!(state.next().1, Due::Own(LateHead));
        state.set_overdue();
        assert!(state.overdue());
        assert_eq!(state.next().0, u64::MAX);
        state.go();
        assert_eq!(state.next().1, Due::Gone);
    }

    #[test]
    fn a_draining_connection_waits_a_moment_for_a_last_request() {
        let state = state();
        state.begin();
        state.drain();
        assert_eq!(state.next(), (u64::MAX, Due::Idle), "a request may take its time");
        state.end();
        let (at, due) = state.next();
        assert!(due == Due::Idle && (LAST_REQUEST..75_000).contains(&at), "{at}");
        state.head(true);
        assert_eq!(state.next().1, Due::Own(LateHead), "a head that has begun may arrive in its time");
    }

    #[test]
    fn a_head_pipelined_behind_a_request_has_no_deadline_until_it_can_be_read() {
        let state = state();
        state.begin();
        state.head(true);
        assert_eq!(state.next().0, u64::MAX);
        state.end();
        assert_eq!(state.next().1, Due::Own(LateHead));
    }
}
