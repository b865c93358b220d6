//! What a connection is doing, as far as every protocol has it: written by its IO, its service and its bodies, read by
//! the one timer it has. What only one protocol has is in `h1/state.rs` and `h2/state.rs`, around a [`Core`].
//!
//! All on atomics, so that a request costs a few plain stores: no timer is set for it. The timer wakes up
//! when the deadline it knew has come, and looks here for what the deadline is by now.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::clock::{Clock, millis};
use crate::config::Limits;

/// How long a connection that was told to go may stay when nothing happens on it any more.
const GOING: u64 = 5_000;

/// The limits on time, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    pub(super) header: u64,
    pub(super) idle: u64,
    pub(super) write: u64,
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
pub enum Due<P> {
    /// Nobody asks for anything: close.
    Idle,
    /// The client takes no bytes, or answered no ping: reset.
    Stalled,
    /// It was told to go and did not: drop it.
    Gone,
    /// What only this protocol has.
    Own(P),
}

/// A deadline in [`Clock`] milliseconds, and what is due then.
pub type Deadline<P> = (u64, Due<P>);

/// No deadline at all.
pub const fn never<P>() -> Deadline<P> {
    (u64::MAX, Due::Idle)
}

/// The earlier of two; the first, when they are at the same time.
pub fn earlier<P>(first: Deadline<P>, second: Deadline<P>) -> Deadline<P> {
    if second.0 < first.0 { second } else { first }
}

/// The state of one connection, by its protocol.
pub trait State: Deref<Target = Core> + Debug + Send + Sync + 'static {
    /// What can be due on this protocol only.
    type Due: Debug;

    /// A request has reached the service.
    fn begin(&self);

    /// A response has ended, or will never come.
    fn end(&self);

    /// The earliest deadline there is by now.
    fn next(&self) -> Deadline<Self::Due>;
}

/// What the connections of all protocols have. Times are [`Clock`] milliseconds, zero is never.
#[derive(Debug)]
pub struct Core {
    clock: Clock,
    deadlines: Deadlines,
    /// Requests whose responses have not ended.
    in_flight: AtomicU32,
    /// Since when there is no request: the end of the last response, or the accept.
    idle_since: AtomicU64,
    /// No request was ever seen, so the connection's age is bounded like a head's.
    fresh: AtomicBool,
    /// Since when the socket takes nothing.
    blocked_since: AtomicU64,
    /// Since when it has been told to go.
    going_since: AtomicU64,
    /// The driver gave up on the client; the IO resets.
    abandoned: AtomicBool,
}

impl Core {
    /// Of a connection accepted at `accepted`.
    pub fn new(clock: Clock, deadlines: Deadlines, accepted: u64) -> Self {
        Self {
            clock,
            deadlines,
            in_flight: AtomicU32::new(0),
            idle_since: AtomicU64::new(accepted),
            fresh: AtomicBool::new(true),
            blocked_since: AtomicU64::new(0),
            going_since: AtomicU64::new(0),
            abandoned: AtomicBool::new(false),
        }
    }

    /// The clock all times here are read from.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The limits on time.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Requests whose responses have not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// One more request is in flight.
    pub fn enter(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        if self.fresh.load(Relaxed) {
            self.fresh.store(false, Relaxed);
        }
    }

    /// One fewer is, since `now`.
    pub fn leave(&self, now: u64) {
        self.idle_since.store(now, Relaxed);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether no request was ever seen.
    pub fn fresh(&self) -> bool {
        self.fresh.load(Relaxed)
    }

    /// Since when there is no request, if there is none.
    pub fn idle_since(&self) -> u64 {
        self.idle_since.load(Relaxed)
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

    /// The connection was told to go.
    pub fn go(&self) {
        if self.going_since.load(Relaxed) == 0 {
            self.going_since.store(self.clock.now(), Relaxed);
        }
    }

    /// Whether it was.
    pub fn is_going(&self) -> bool {
        self.going_since.load(Relaxed) != 0
    }

    /// The client is given up.
    pub fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
    }

    /// Whether the client was given up.
    pub fn abandoned(&self) -> bool {
        self.abandoned.load(Relaxed)
    }

    /// The deadline of a connection without a request.
    pub fn at_rest<P>(&self) -> Deadline<P> {
        let (idle, going) = (self.idle_since(), self.going_since.load(Relaxed));
        if going != 0 {
            return (going.max(idle).saturating_add(GOING), Due::Gone);
        }
        let patience = if self.fresh() { self.deadlines.header } else { self.deadlines.idle };
        (idle.saturating_add(patience), Due::Idle)
    }

    /// The deadline of a socket that takes nothing.
    pub fn stalled<P>(&self) -> Deadline<P> {
        match self.blocked_since.load(Relaxed) {
            0 => never(),
            since => (since.saturating_add(self.deadlines.write), Due::Stalled),
        }
    }
}
