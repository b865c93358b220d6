//! A response's body on its way from a member: paced, counted, and never ending well when it did not.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::breaker::Verdict;
use super::connection::{Connection, Connections};
use super::error::BodyError;
use super::gate::Place;
use super::member::Attempt;

/// So much of a body speaks for its member, whatever comes after it.
const CONVINCING: usize = 64 * 1024;
/// So does a body that still comes after this.
const LONG: Duration = Duration::from_millis(500);

/// Frames of an origin's response, trailers included. The size hint is exact when the length was announced.
///
/// A body that ends early, is reset, or pauses for longer than `pool.timeouts.idle` ends in an error. Read to
/// its end, its connection serves the next request unless its own end was that end; dropped before, the connection is
/// closed.
pub struct OriginBody(Inner);

enum Inner {
    /// Made here, and not yet handed on.
    Once(Option<Bytes>),
    Live(Box<Live>),
}

struct Live {
    incoming: Incoming,
    idle: Duration,
    pause: Pin<Box<Sleep>>,
    /// Whether `pause` runs: a body that flows never touches the timer.
    waiting: bool,
    since: Instant,
    received: usize,
    /// Frames that were read before anybody asked for them.
    ahead: VecDeque<Frame<Bytes>>,
    failed: bool,
    /// None once it is over.
    hold: Option<Hold>,
}

/// What is held until the last byte.
pub(super) struct Hold {
    pub leave: Attempt,
    pub connection: Connection,
    pub home: Arc<Connections>,
    /// Whether the connection can carry another response after this one.
    pub reusable: bool,
    /// One of `pool.max_requests`.
    pub place: Option<Place>,
}

impl OriginBody {
    /// No bytes.
    pub(super) fn empty() -> Self {
        Self(Inner::Once(None))
    }

    /// These bytes, which no member has sent.
    pub(super) fn once(bytes: Bytes) -> Self {
        Self(Inner::Once(Some(bytes)))
    }

    fn live(&mut self) -> Option<&mut Live> {
        match &mut self.0 {
            Inner::Once(_) => None,
            Inner::Live(live) => Some(live),
        }
    }

    pub(super) fn new(incoming: Incoming, idle: Duration, hold: Hold) -> Self {
        let pause = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut live = Live {
            incoming,
            idle,
            pause,
            since: Instant::now(),
            received: 0,
            ahead: VecDeque::new(),
            waiting: false,
            failed: false,
            hold: Some(hold),
        };
        live.release_at_end();
        Self(Inner::Live(Box::new(live)))
    }

    /// Reads the body of up to `most` bytes now, if its length is known and it comes within `patience`: until its
    /// head is handed on, a body that breaks off can be asked for again, and nobody the wiser.
    ///
    /// # Errors
    /// The body broke off. What is late is no error.
    pub(super) async fn read_ahead(&mut self, most: u64, patience: Duration) -> Result<(), BodyError> {
        let Some(live) = self.live() else { return Ok(()) };
        tokio::time::timeout(patience, live.read_whole(most)).await.unwrap_or(Ok(()))
    }

    /// The first `most` bytes, as far as they come within `patience`. They stay where they are.
    pub(super) async fn peek(&mut self, most: usize, patience: Duration) -> Vec<u8> {
        let Some(live) = self.live() else { return Vec::new() };
        // Late is as good as cut off: what has come counts.
        let _ = tokio::time::timeout(patience, live.read_some(most)).await;
        let mut seen = Vec::new();
        for data in live.ahead.iter().filter_map(Frame::data_ref) {
            seen.extend_from_slice(&data[..data.len().min(most - seen.len())]);
        }
        seen
    }

    /// Gives `place` up with the last byte, or now if that has come.
    pub(super) fn keep(&mut self, place: Place) {
        if let Some(hold) = self.live().and_then(|live| live.hold.as_mut()) {
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
        if let Some(mut hold) = self.hold.take() {
            if !hold.leave.is_settled() {
                hold.leave.settle(Verdict::Success);
            }
            if hold.reusable {
                hold.home.give_back(hold.connection);
            }
        }
    }

    /// The member is to blame: counted, and the connection closed.
    fn fail(&mut self, error: BodyError) -> BodyError {
        self.failed = true;
        if let Some(mut hold) = self.hold.take() {
            hold.leave.member().origin.metrics.failed(error.as_str());
            hold.leave.answered_badly();
        }
        error
    }

    fn count(&mut self, bytes: usize) {
        let Some(hold) = &mut self.hold else { return };
        hold.leave.member().origin.metrics.bytes.inc_by(bytes as u64);
        self.received += bytes;
        // A stream may have no end; what has come so far, or for so long, is good.
        if !hold.leave.is_settled() && (self.received >= CONVINCING || self.since.elapsed() >= LONG) {
            hold.leave.settle(Verdict::Success);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                self.count(frame.data_ref().map_or(0, Bytes::len));
                self.release_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.fail(body_error(&error))))),
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if !self.waiting {
                    self.waiting = true;
                    self.pause.as_mut().reset(Instant::now() + self.idle);
                }
                ready!(self.pause.as_mut().poll(cx));
                Poll::Ready(Some(Err(self.fail(BodyError::Idle))))
            }
        }
    }

    /// Reads until the end, which `most` bytes are enough for.
    async fn read_whole(&mut self, most: u64) -> Result<(), BodyError> {
        if self.incoming.size_hint().exact().is_none_or(|length| length > most) {
            return Ok(());
        }
        self.read_some(usize::MAX).await
    }

    /// Reads until the end, or until `most` bytes are there.
    async fn read_some(&mut self, most: usize) -> Result<(), BodyError> {
        let mut there: usize = self.ahead.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        while there < most && !self.incoming.is_end_stream() {
            let Some(frame) = std::future::poll_fn(|cx| self.poll_incoming(cx)).await else { break };
            let frame = frame?;
            there += frame.data_ref().map_or(0, Bytes::len);
            self.ahead.push_back(frame);
        }
        Ok(())
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let live = match &mut self.get_mut().0 {
            Inner::Once(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Live(live) => live,
        };
        if live.failed {
            return Poll::Ready(None);
        }
        if let Some(frame) = live.ahead.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        live.poll_incoming(cx)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Once(bytes) => bytes.is_none(),
            Inner::Live(live) => live.failed || (live.ahead.is_empty() && live.incoming.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let live = match &self.0 {
            Inner::Once(bytes) => return SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Live(live) => live,
        };
        let ahead: usize = live.ahead.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let rest = live.incoming.size_hint();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + ahead as u64),
            None => rest,
        }
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
