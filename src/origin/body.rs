//! A response's body on its way from a member: paced, counted, and never ending well when it did not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::breaker::{Admission, Verdict};
use super::connection::{Connection, Connections};
use super::error::BodyError;
use super::gate::Place;
use super::member::InFlight;

/// Frames of an origin's response, trailers included. The size hint is exact when the length was announced.
///
/// A body that ends early, is reset, or pauses for longer than `pool.timeouts.idle` ends in an error. Read to
/// its end, its connection serves the next request; dropped before, the connection is closed.
pub struct OriginBody(Option<Box<Live>>);

struct Live {
    incoming: Incoming,
    idle: Duration,
    pause: Pin<Box<Sleep>>,
    /// Whether `pause` runs: a body that flows never touches the timer.
    waiting: bool,
    failed: bool,
    /// None once it is over.
    hold: Option<Hold>,
}

/// What is held until the last byte.
pub(super) struct Hold {
    pub in_flight: Option<InFlight>,
    pub connection: Connection,
    pub home: Arc<Connections>,
    /// One of `pool.max_requests`.
    pub place: Option<Place>,
}

impl OriginBody {
    /// No bytes.
    pub(super) fn empty() -> Self {
        Self(None)
    }

    pub(super) fn new(incoming: Incoming, idle: Duration, hold: Hold) -> Self {
        let pause = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut live = Live { incoming, idle, pause, waiting: false, failed: false, hold: Some(hold) };
        live.release_at_end();
        Self(Some(Box::new(live)))
    }

    /// Gives `place` up with the last byte, or now if that has come.
    pub(super) fn keep(&mut self, place: Place) {
        if let Some(hold) = self.0.as_mut().and_then(|live| live.hold.as_mut()) {
            hold.place = Some(place);
        }
    }
}

impl Live {
    /// A body of known length is at its end with its last byte; nobody has to ask for one more frame.
    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.home.give_back(hold.connection);
        }
    }

    /// The member is to blame: counted, and the connection closed.
    fn fail(&mut self, error: BodyError) -> BodyError {
        self.failed = true;
        if let Some(in_flight) = self.hold.take().and_then(|hold| hold.in_flight) {
            let member = in_flight.member();
            member.origin.metrics.failed(error.as_str());
            member.record(Admission::Free, Verdict::Failure);
        }
        error
    }

    fn count(&self, bytes: usize) {
        if let Some(in_flight) = self.hold.as_ref().and_then(|hold| hold.in_flight.as_ref()) {
            in_flight.member().origin.metrics.bytes.inc_by(bytes as u64);
        }
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(live) = self.get_mut().0.as_deref_mut() else { return Poll::Ready(None) };
        if live.failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut live.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                live.waiting = false;
                live.count(frame.data_ref().map_or(0, Bytes::len));
                live.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(live.fail(body_error(&error))))),
            Poll::Ready(None) => {
                live.release();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if !live.waiting {
                    live.waiting = true;
                    live.pause.as_mut().reset(Instant::now() + live.idle);
                }
                ready!(live.pause.as_mut().poll(cx));
                Poll::Ready(Some(Err(live.fail(BodyError::Idle))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|live| live.failed || live.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |live| live.incoming.size_hint())
    }
}

impl std::fmt::Debug for OriginBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}

/// hyper tells an early end as an incomplete message, or as the I/O error of a decoder that wanted more.
fn body_error(error: &hyper::Error) -> BodyError {
    if error.is_incomplete_message() {
        return BodyError::Truncated;
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::UnexpectedEof
        {
            return BodyError::Truncated;
        }
        source = cause.source();
    }
    BodyError::Broken(describe(error))
}

/// An error with its causes: hyper's own text names only the stage.
pub(super) fn describe(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
