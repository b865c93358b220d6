//! What an HTTP/2 connection is doing: many streams at a time, each with a window, and small writes that wait for a flush.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::super::state::{self, Core, Deadline, Due, earlier, never};
use super::super::streams::pump::Windows;

/// After so much silence the client is asked whether it is there, and has so long to say anything.
const SILENCE: u64 = 30_000;
const PONG: u64 = 20_000;

/// Nothing was heard for long: ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence;

/// The state of one connection. Times are milliseconds of the core's clock, zero is never.
#[derive(Debug)]
pub struct State {
    core: Core,
    /// Writes are gathered and wait for a flush.
    gathered: AtomicBool,
    /// A flush is meant now, not merely passed by.
    flushing: AtomicBool,
    /// Bodies with bytes that the client's windows have no room for.
    waiting: AtomicU32,
    /// When one of them began or ended to wait.
    taken_at: AtomicU64,
    /// When the client last sent anything.
    heard_at: AtomicU64,
    /// When it was asked whether it is there; nothing was heard since.
    pinged_at: AtomicU64,
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
            gathered: AtomicBool::new(false),
            flushing: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            taken_at: AtomicU64::new(0),
            heard_at: AtomicU64::new(0),
            pinged_at: AtomicU64::new(0),
        }
    }

    /// Whether writes are gathered and wait for a flush.
    pub fn gathered(&self) -> bool {
        self.gathered.load(Relaxed)
    }

    /// Writes are gathered, or no longer.
    pub fn set_gathered(&self, gathered: bool) {
        self.gathered.store(gathered, Relaxed);
    }

    /// Whether a flush may be passed by: h2 flushes after each DATA frame, the connection once per poll. Before
    /// the first request it may not: while h2 waits for the client's preface, the connection's poll does not flush.
    pub fn flush_can_wait(&self) -> bool {
        self.gathered() && !self.flushing.load(Relaxed) && !self.fresh()
    }

    /// A flush is meant from now on, or no longer.
    pub fn set_flushing(&self, flushing: bool) {
        self.flushing.store(flushing, Relaxed);
    }

    /// The client has sent something, or just arrived.
    pub fn heard(&self) {
        self.heard_at.store(self.clock().now(), Relaxed);
        if self.pinged_at.load(Relaxed) != 0 {
            self.pinged_at.store(0, Relaxed);
        }
    }

    /// The client was asked whether it is there.
    pub fn pinged(&self) {
        self.pinged_at.store(self.clock().now(), Relaxed);
    }

    /// The deadline of a client that says nothing.
    fn silent(&self) -> Deadline<Silence> {
        match (self.heard_at.load(Relaxed), self.pinged_at.load(Relaxed)) {
            (0, 0) => never(),
            (heard, 0) => (heard.saturating_add(SILENCE), Due::Own(Silence)),
            (_, pinged) => (pinged.saturating_add(PONG), Due::Stalled),
        }
    }

    /// The deadline of streams that are not taken.
    fn untaken(&self) -> Deadline<Silence> {
        match self.waiting.load(Relaxed) {
            0 => never(),
            _ => (self.taken_at.load(Relaxed).saturating_add(self.deadlines().write), Due::Stalled),
        }
    }
}

impl state::State for State {
    type Due = Silence;

    fn begin(&self) {
        self.core.enter();
    }

    fn end(&self) {
        self.core.leave(self.clock().now());
    }

    fn next(&self) -> Deadline<Silence> {
        let rest = if self.in_flight() == 0 { self.at_rest() } else { never() };
        earlier(earlier(rest, self.stalled()), earlier(self.silent(), self.untaken()))
    }
}

impl Windows for State {
    fn given(&self) {
        self.waiting.fetch_add(1, Relaxed);
        self.taken_at.store(self.clock().now(), Relaxed);
    }

    fn taken(&self) {
        self.waiting.fetch_sub(1, Relaxed);
        self.taken_at.store(self.clock().now(), Relaxed);
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
    fn silence_is_asked_about_once_and_must_then_end() {
        let state = state();
        state.begin();
        state.heard();
        let (at, due) = state.next();
        assert!(due == Due::Own(Silence) && at > SILENCE);
        state.pinged();
        let (at, due) = state.next();
        assert!(due == Due::Stalled && at > PONG && at < SILENCE);
        state.heard();
        assert_eq!(state.next().1, Due::Own(Silence));
    }

    #[test]
    fn a_stream_that_is_not_taken_is_stalled() {
        let state = state();
        state.begin();
        state.given();
        assert_eq!(state.next().1, Due::Stalled);
        state.taken();
        assert_eq!(state.next().0, u64::MAX);
    }
}
