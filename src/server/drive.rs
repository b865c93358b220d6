//! Drives one connection: polls it, and keeps the one timer it has.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::drain::Drain;
use super::state::{ConnState, Due};

/// A connection that can be told to take no new requests.
pub trait Connection: Future {
    /// Whether [`Connection::go`] loses no request that is on its way: HTTP/2 says up to which it answers (GOAWAY).
    /// HTTP/1 has only the head of a response to say it with, so it waits for one.
    const SAYS_GOODBYE: bool;

    /// Finish what is in flight, then end.
    fn go(self: Pin<&mut Self>);

    /// HTTP/2: nothing was heard for long, so ask whether somebody is there.
    fn ping(self: Pin<&mut Self>) {}
}

/// How a connection ended.
#[derive(Debug)]
pub enum End<T> {
    /// By itself, or because it was told to.
    Done(T),
    /// The client took no bytes for too long, answered no ping, or stayed when told to go.
    Stalled,
}

/// Runs `connection` to its end.
pub async fn drive<C: Connection>(
    mut connection: Pin<&mut C>,
    state: &ConnState,
    drain: &Drain,
) -> End<C::Output> {
    let mut word = pin!(drain.notified());
    word.as_mut().enable();
    let sleep = pin!(tokio::time::sleep(Duration::ZERO));
    let mut timer = Timer { sleep, armed: u64::MAX };
    let mut registered = false;
    let mut going = false;
    std::future::poll_fn(|cx| {
        if !registered {
            registered = true;
            // For the waker; the flag below is what counts.
            let _ = word.as_mut().poll(cx);
        }
        loop {
            if !going && drain.is_draining() {
                if C::SAYS_GOODBYE {
                    going = true;
                    state.go();
                    connection.as_mut().go();
                } else {
                    state.drain();
                }
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(End::Done(result));
            }
            if state.gathered() {
                // All that was ready is gathered: now it is written, in one piece.
                state.set_flushing(true);
                let polled = connection.as_mut().poll(cx);
                state.set_flushing(false);
                if let Poll::Ready(result) = polled {
                    return Poll::Ready(End::Done(result));
                }
            }
            match timer.due(cx, state) {
                None => return Poll::Pending,
                Some(Due::Head) => state.set_overdue(),
                Some(Due::Ping) => {
                    state.pinged();
                    connection.as_mut().ping();
                }
                Some(Due::Idle) if !going => {
                    going = true;
                    state.go();
                    connection.as_mut().go();
                }
                Some(Due::Idle | Due::Gone | Due::Stalled) => {
                    state.abandon();
                    return Poll::Ready(End::Stalled);
                }
            }
        }
    })
    .await
}

/// A timer that is set when a deadline comes closer, and only looks again when it moves away.
struct Timer<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// When it goes off, in the state's milliseconds.
    armed: u64,
}

impl Timer<'_> {
    /// What is due by now; otherwise the task is woken when something may be.
    fn due(&mut self, cx: &mut Context<'_>, state: &ConnState) -> Option<Due> {
        loop {
            let (at, due) = state.next();
            if at >= self.armed && !self.sleep.is_elapsed() {
                return None;
            }
            if at == u64::MAX {
                self.armed = u64::MAX;
                return None;
            }
            let now = state.clock().now();
            if now >= at {
                self.armed = u64::MAX;
                return Some(due);
            }
            self.armed = at;
            self.sleep.as_mut().reset(Instant::now() + Duration::from_millis(at - now));
            if self.sleep.as_mut().poll(cx).is_pending() {
                return None;
            }
        }
    }
}
