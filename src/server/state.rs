//! What a connection is doing: written by its IO, its service and its bodies, read by the one timer it has.
//!
//! All on atomics, so that a request costs a few plain stores: no timer is set for it. The timer wakes up
//! when the deadline it knew has come, and looks here for what the deadline is by now.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::clock::{Clock, millis};
use crate::config::Limits;

/// How long a connection that was told to go may stay when nothing happens on it any more.
const GOING: u64 = 5_000;

/// HTTP/1, while the server drains: how long a connection without a request is kept for one that is on its way. More than
/// the round trip of nearly every client, and little beside `shutdown_timeout`. (nginx: `keepalive_min_timeout`; HAProxy:
/// `idle-close-on-response`.)
pub const LAST_REQUEST: u64 = 2_000;

/// HTTP/2: after so much silence the client is asked whether it is there, and has so long to say anything.
const SILENCE: u64 = 30_000;
const PONG: u64 = 20_000;

/// The limits on time, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    header: u64,
    idle: u64,
    write: u64,
}

impl From<&Limits> for Deadlines {
    fn from(limits: &Limits) -> Self {
        let at_least_one = |span: Duration| millis(span).max(1);
        Self {
            header: at_least_one(limits.header_timeout),
            idle: at_least_one(limits.idle_timeout),
            write: at_least_one(limits.write_timeout),
        }
    }
}

/// What is due when a deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A head began and did not end: 408.
    Head,
    /// Nobody asks for anything: close.
    Idle,
    /// The client takes no bytes, or answered no ping: reset.
    Stalled,
    /// HTTP/2: nothing was heard for long: ping.
    Ping,
    /// It was told to go and did not: drop it.
    Gone,
}

/// The state of one connection. Times are [`Clock`] milliseconds, zero is never.
#[derive(Debug)]
pub struct ConnState {
    clock: Clock,
    deadlines: Deadlines,
    /// Requests whose responses have not ended.
    in_flight: AtomicU32,
    /// Requests that ever reached the service, wrapping.
    begun: AtomicU32,
    /// HTTP/1: the response has ended, its last bytes may still be in hyper's buffer.
    ending: AtomicBool,
    /// Since when there is no request: the end of the last response, or the accept.
    idle_since: AtomicU64,
    /// HTTP/1: since when a head is incomplete.
    head_since: AtomicU64,
    /// No request was ever seen, so the connection's age is bounded like a head's.
    fresh: AtomicBool,
    /// Since when the socket takes nothing.
    blocked_since: AtomicU64,
    /// HTTP/2: writes are gathered and wait for a flush.
    gathered: AtomicBool,
    /// HTTP/2: a flush is meant now, not merely passed by.
    flushing: AtomicBool,
    /// HTTP/2: bodies with bytes that the client's windows have no room for.
    waiting: AtomicU32,
    /// HTTP/2: when one of them began or ended to wait.
    taken_at: AtomicU64,
    /// HTTP/2: when the client last sent anything.
    heard_at: AtomicU64,
    /// HTTP/2: when it was asked whether it is there; nothing was heard since.
    pinged_at: AtomicU64,
    /// HTTP/1: since when the server drains, as far as this connection knows.
    draining_since: AtomicU64,
    /// Since when it has been told to go.
    going_since: AtomicU64,
    /// The driver found a head overdue; the IO answers it.
    overdue: AtomicBool,
    /// The driver gave up on the client; the IO resets.
    abandoned: AtomicBool,
}

impl ConnState {
    /// Of a connection accepted at `accepted`.
    pub fn new(clock: Clock, deadlines: Deadlines, accepted: u64) -> Self {
        Self {
            clock,
            deadlines,
            in_flight: AtomicU32::new(0),
            begun: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            idle_since: AtomicU64::new(accepted),
            head_since: AtomicU64::new(0),
            fresh: AtomicBool::new(true),
            blocked_since: AtomicU64::new(0),
            gathered: AtomicBool::new(false),
            flushing: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            taken_at: AtomicU64::new(0),
            heard_at: AtomicU64::new(0),
            pinged_at: AtomicU64::new(0),
            draining_since: AtomicU64::new(0),
            going_since: AtomicU64::new(0),
            overdue: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
        }
    }

    /// The clock all times here are read from.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether writes are gathered and wait for a flush.
    pub fn gathered(&self) -> bool {
        self.gathered.load(Relaxed)
    }

    /// Writes are gathered, or no longer.
    pub fn set_gathered(&self, gathered: bool) {
        self.gathered.store(gathered, Relaxed);
    }

    /// HTTP/2: whether a flush may be passed by: h2 flushes after each DATA frame, the driver once per poll. Before
    /// the first request it may not: while h2 waits for the client's preface, the driver's poll does not flush.
    pub fn flush_can_wait(&self) -> bool {
        self.gathered() && !self.flushing.load(Relaxed) && !self.fresh.load(Relaxed)
    }

    /// Requests whose responses have not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// A flush is meant from now on, or no longer.
    pub fn set_flushing(&self, flushing: bool) {
        self.flushing.store(flushing, Relaxed);
    }

    /// A request has reached the service.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.begun.fetch_add(1, Relaxed);
        self.ending.store(false, Relaxed);
        if self.fresh.load(Relaxed) {
            self.fresh.store(false, Relaxed);
        }
    }

    /// A response has ended, or will never come.
    pub fn end(&self) {
        let now = self.clock.now();
        self.idle_since.store(now, Relaxed);
        // A head that was pipelined behind this request could not be read on: its time begins now.
        if self.head_since.load(Relaxed) != 0 {
            self.head_since.store(now, Relaxed);
        }
        self.ending.store(true, Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// HTTP/1: all that was to be written is written. True if that was the end of a response.
    pub fn flushed(&self) -> bool {
        if self.ending.load(Relaxed) && self.in_flight.load(Relaxed) == 0 {
            self.ending.store(false, Relaxed);
            return true;
        }
        false
    }

    /// HTTP/1: no request is in flight and no byte of a response is pending, so what is written now is not a
    /// handler's.
    pub fn quiet(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && !self.ending.load(Relaxed)
    }

    /// HTTP/1: the responses to so many requests are all written.
    pub fn answered(&self, heads: u32) -> bool {
        self.quiet() && self.begun.load(Relaxed) == heads
    }

    /// HTTP/1: bytes have arrived, after which a head is incomplete or is not.
    pub fn head(&self, incomplete: bool) {
        match (incomplete, self.head_since.load(Relaxed)) {
            (true, 0) => {
                // The first head's time began at the accept.
                let since = match self.fresh.load(Relaxed) {
                    true => self.idle_since.load(Relaxed),
                    false => self.clock.now(),
                };
                self.head_since.store(since, Relaxed);
            }
            (false, since) if since != 0 => self.head_since.store(0, Relaxed),
            _ => {}
        }
    }

    /// The socket took nothing.
    pub fn blocked(&self) {
        if self.blocked_since.load(Relaxed) == 0 {
            self.blocked_since.store(self.clock.now(), Relaxed);
        }
    }

    /// The socket took something.
    pub fn unblocked(&self) {
        if self.blocked_since.load(Relaxed) != 0 {
            self.blocked_since.store(0, Relaxed);
        }
    }

    /// HTTP/2: the client has sent something, or just arrived.
    pub fn heard(&self) {
        self.heard_at.store(self.clock.now(), Relaxed);
        if self.pinged_at.load(Relaxed) != 0 {
            self.pinged_at.store(0, Relaxed);
        }
    }

    /// HTTP/2: the client was asked whether it is there.
    pub fn pinged(&self) {
        self.pinged_at.store(self.clock.now(), Relaxed);
    }

    /// HTTP/2: bytes of a body wait for the client's window.
    pub fn given(&self) {
        self.waiting.fetch_add(1, Relaxed);
        self.taken_at.store(self.clock.now(), Relaxed);
    }

    /// HTTP/2: some of them were taken, or the body is gone.
    pub fn taken(&self) {
        self.waiting.fetch_sub(1, Relaxed);
        self.taken_at.store(self.clock.now(), Relaxed);
    }

    /// HTTP/1: the server drains. A request that is on its way is still answered.
    pub fn drain(&self) {
        if self.draining_since.load(Relaxed) == 0 {
            self.draining_since.store(self.clock.now(), Relaxed);
        }
    }

    /// The connection was told to go.
    pub fn go(&self) {
        if self.going_since.load(Relaxed) == 0 {
            self.going_since.store(self.clock.now(), Relaxed);
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

    /// The client is given up.
    pub fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
    }

    /// Whether the client was given up.
    pub fn abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// The earliest deadline there is by now, and what is due then.
    pub fn next(&self) -> (u64, Due) {
        let quiet = self.in_flight.load(Relaxed) == 0;
        let mut next = (u64::MAX, Due::Idle);
        let mut consider = |at: u64, due| {
            if at < next.0 {
                next = (at, due);
            }
        };
        if quiet {
            let idle = self.idle_since.load(Relaxed);
            let head = self.head_since.load(Relaxed);
            let going = self.going_since.load(Relaxed);
            let patience = if self.fresh.load(Relaxed) { self.deadlines.header } else { self.deadlines.idle };
            if going != 0 {
                consider(going.max(idle).saturating_add(GOING), Due::Gone);
            } else if head != 0 {
                consider(head.saturating_add(self.deadlines.header), Due::Head);
            } else if !self.overdue() {
                consider(idle.saturating_add(patience), Due::Idle);
                let draining = self.draining_since.load(Relaxed);
                if draining != 0 {
                    consider(draining.max(idle).saturating_add(LAST_REQUEST), Due::Idle);
                }
            }
        }
        let blocked = self.blocked_since.load(Relaxed);
        if blocked != 0 {
            consider(blocked.saturating_add(self.deadlines.write), Due::Stalled);
        }
        let (heard, pinged) = (self.heard_at.load(Relaxed), self.pinged_at.load(Relaxed));
        if pinged != 0 {
            consider(pinged.saturating_add(PONG), Due::Stalled);
        } else if heard != 0 {
            consider(heard.saturating_add(SILENCE), Due::Ping);
        }
        if self.waiting.load(Relaxed) != 0 {
            let at = self.taken_at.load(Relaxed).saturating_add(self.deadlines.write);
            consider(at, Due::Stalled);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Deadlines = Deadlines { header: 10_000, idle: 75_000, write: 60_000 };

    fn state() -> ConnState {
        ConnState::new(Clock::start(), D, 1)
    }

    #[test]
    fn each_phase_has_its_deadline() {
        let state = state();
        assert_eq!(state.next(), (10_001, Due::Idle), "a new connection");
        state.head(true);
        assert_eq!(state.next(), (10_001, Due::Head), "the first head's time began at the accept");
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
        assert_eq!(state.next().1, Due::Head);
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
        assert_eq!(state.next().1, Due::Head, "a head that has begun may arrive in its time");
    }

    #[test]
    fn a_head_pipelined_behind_a_request_has_no_deadline_until_it_can_be_read() {
        let state = state();
        state.begin();
        state.head(true);
        assert_eq!(state.next().0, u64::MAX);
        state.end();
        assert_eq!(state.next().1, Due::Head);
    }

    #[test]
    fn silence_is_asked_about_once_and_must_then_end() {
        let state = state();
        state.begin();
        state.heard();
        let (at, due) = state.next();
        assert!(due == Due::Ping && at > SILENCE);
        state.pinged();
        let (at, due) = state.next();
        assert!(due == Due::Stalled && at > PONG && at < SILENCE);
        state.heard();
        assert_eq!(state.next().1, Due::Ping);
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
