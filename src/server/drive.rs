//! Drives one connection: polls it, and keeps the one timer it has.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::drain::Drain;
use super::state::{Due, State};

/// A connection that can be told to take no new requests.
pub trait Driven: Future {
    /// Where it notes what it is doing.
    type State: State;

    /// The server drains. True if the connection may be told to [`go`](Self::go) at once, and loses no request that is on
    /// its way: HTTP/2 says up to which it answers (GOAWAY). HTTP/1 has only the head of a response to say it with, so it
    /// waits for one.
    fn drain(state: &Self::State) -> bool;

    /// Finish what is in flight, then end.
    fn go(self: Pin<&mut Self>);

    /// What only this protocol has is due.
    fn due(self: Pin<&mut Self>, due: <Self::State as State>::Due, state: &Self::State);
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
pub async fn drive<C: Driven>(
    mut connection: Pin<&mut C>,
    state: &C::State,
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
            if !going && drain.is_draining() && C::drain(state) {
                going = true;
                state.go();
                connection.as_mut().go();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(End::Done(result));
            }
            match timer.due(cx, state) {
                None => return Poll::Pending,
                Some(Due::Own(due)) => connection.as_mut().due(due, state),
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
    fn due<S: State>(&mut self, cx: &mut Context<'_>, state: &S) -> Option<Due<S::Due>> {
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
