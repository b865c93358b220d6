//! When an origin has been silent for too long: the first-byte clock of a request whose body may take its time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::error::BoxError;

/// Runs while the origin has to move: it has the whole request, or does not take the next piece. Stands still
/// while we wait for the client's next bytes.
#[derive(Debug, Clone)]
pub(super) struct Clock(Arc<State>);

#[derive(Debug)]
struct State {
    since: Mutex<Instant>,
    waiting_for_client: AtomicBool,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self(Arc::new(State {
            since: Mutex::new(Instant::now()),
            waiting_for_client: AtomicBool::new(false),
        }))
    }

    fn turn(&self, client: bool) {
        *self.0.since.lock() = Instant::now();
        self.0.waiting_for_client.store(client, Ordering::Relaxed);
    }

    /// Ends when the origin had the turn for `limit` without using it.
    pub(super) async fn expired(&self, limit: Duration) {
        loop {
            let since = *self.0.since.lock();
            tokio::time::sleep_until(since + limit).await;
            if since == *self.0.since.lock() && !self.0.waiting_for_client.load(Ordering::Relaxed) {
                return;
            }
            if self.0.waiting_for_client.load(Ordering::Relaxed) {
                tokio::time::sleep(limit).await;
            }
        }
    }
}

/// A request's body that keeps the clock. An error of its own is remembered: it is not the origin's.
pub(super) struct Paced {
    inner: BoxBody<Bytes, BoxError>,
    clock: Clock,
    broke: Arc<Mutex<Option<String>>>,
}

/// A request's body as hyper gets it.
pub(super) enum Outgoing {
    Empty,
    Stream(Paced),
}

impl Outgoing {
    pub(super) fn stream(
        inner: BoxBody<Bytes, BoxError>,
        clock: Clock,
        broke: Arc<Mutex<Option<String>>>,
    ) -> Self {
        Self::Stream(Paced { inner, clock, broke })
    }

    /// The body as it was given, for another try; only good if it was never polled.
    pub(super) fn into_stream(self) -> Option<BoxBody<Bytes, BoxError>> {
        match self {
            Outgoing::Empty => None,
            Outgoing::Stream(paced) => Some(paced.inner),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Outgoing::Stream(paced) = self.get_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(&mut paced.inner).poll_frame(cx);
        paced.clock.turn(polled.is_pending());
        if let Poll::Ready(Some(Err(error))) = &polled {
            *paced.broke.lock() = Some(error.to_string());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Empty => true,
            Outgoing::Stream(paced) => paced.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Empty => SizeHint::with_exact(0),
            Outgoing::Stream(paced) => paced.inner.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_clock_stands_still_while_the_client_is_slow() {
        let clock = Clock::start();
        let limit = Duration::from_millis(20);
        clock.turn(true);
        assert!(tokio::time::timeout(limit * 4, clock.expired(limit)).await.is_err());
        clock.turn(false);
        assert!(tokio::time::timeout(limit * 50, clock.expired(limit)).await.is_ok());
    }
}
