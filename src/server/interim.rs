//! Interim responses (1xx) on their way to a client.
//!
//! On HTTP/1.1, which hyper's server has no way to send them on, they are written below hyper, and only between
//! messages: after hyper has flushed all it had when the request came, and before the first byte of the final
//! response. While a handler works on a request without a body, hyper has nothing to write, so that is the whole of
//! that time. On HTTP/2 each stream's task sends its own ([`StreamHints`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use super::h2::{Desk, StreamHints};
use crate::http::hop_by_hop;

/// The most that one request's interim responses may have in all: an origin can send any number of them.
const MOST: usize = 16 * 1024;

/// A connection's place for interim responses.
#[derive(Debug, Clone)]
pub struct Interim(Place);

#[derive(Debug, Clone)]
enum Place {
    /// One request at a time is answered.
    OneByOne(Arc<Shared>),
    PerStream(Desk),
}

#[derive(Debug, Default)]
struct Shared {
    /// A handler is working on a request that may get some.
    open: AtomicBool,
    /// There are bytes to write.
    pending: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Which request of the connection is answered, wrapping.
    turn: u32,
    /// hyper has written all that was before this request's response.
    clean: bool,
    bytes: Vec<u8>,
    /// Bytes queued for this request.
    taken: usize,
    /// The connection's task.
    waker: Option<Waker>,
}

/// Leave to send interim responses to one request.
#[derive(Debug, Clone)]
pub struct Hints(Leave);

#[derive(Debug, Clone)]
enum Leave {
    Turn(Arc<Shared>, u32),
    Stream(StreamHints),
}

impl Default for Interim {
    fn default() -> Self {
        Self(Place::OneByOne(Arc::default()))
    }
}

impl Interim {
    /// Of an HTTP/2 connection.
    pub(super) fn per_stream() -> Self {
        Self(Place::PerStream(Desk::default()))
    }

    fn one_by_one(&self) -> Option<&Arc<Shared>> {
        match &self.0 {
            Place::OneByOne(shared) => Some(shared),
            Place::PerStream(_) => None,
        }
    }

    /// HTTP/1: a handler begins to work on a request.
    pub(super) fn begin(&self) {
        let Some(shared) = self.one_by_one() else { return };
        let mut queue = shared.queue.lock();
        queue.turn = queue.turn.wrapping_add(1);
        queue.clean = false;
        queue.taken = 0;
        shared.open.store(true, Relaxed);
    }

    /// HTTP/1: it has a response: nothing more is taken, and what is there goes out before it.
    pub(super) fn end(&self) {
        let Some(shared) = self.one_by_one() else { return };
        // Under the lock, so that who is about to queue has done so or will not.
        let _queue = shared.queue.lock();
        shared.open.store(false, Relaxed);
    }

    /// HTTP/1: hyper has nothing left to write. `waker` is of the task that flushes again.
    pub(super) fn flushed(&self, waker: &Waker) {
        let Some(shared) = self.one_by_one().filter(|shared| shared.open.load(Relaxed)) else { return };
        let mut queue = shared.queue.lock();
        queue.clean = true;
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
    }

    /// HTTP/1: what is to be written before anything else, if there is something.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let shared = self.one_by_one()?;
        if !shared.pending.swap(false, Relaxed) {
            return None;
        }
        Some(std::mem::take(&mut shared.queue.lock().bytes))
    }

    /// HTTP/2: a handler's future is about to be polled, for the stream that has these.
    pub(super) fn lend(&self, hints: Option<StreamHints>) {
        if let Place::PerStream(desk) = &self.0 {
            desk.lend(hints);
        }
    }

    /// HTTP/2: it was polled; those that the stream has now.
    pub(super) fn take_back(&self) -> Option<StreamHints> {
        match &self.0 {
            Place::OneByOne(_) => None,
            Place::PerStream(desk) => desk.take_back(),
        }
    }

    /// For the request that is worked on now; none if it takes no interim responses. To be asked while the handler's
    /// future is polled.
    pub fn hints(&self) -> Option<Hints> {
        match &self.0 {
            Place::OneByOne(shared) => {
                let turn = shared.queue.lock().turn;
                shared.open.load(Relaxed).then(|| Hints(Leave::Turn(Arc::clone(shared), turn)))
            }
            Place::PerStream(desk) => desk.hints().map(|hints| Hints(Leave::Stream(hints))),
        }
    }
}

impl Hints {
    /// Sends an interim response, unless it comes too late, or there were too many. Fields of the hop stay behind.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        // 101 ends HTTP, and 100 answers an Expect that was not ours.
        if !status.is_informational() || status.as_u16() <= 101 {
            return;
        }
        let mut headers = headers.clone();
        hop_by_hop::strip_response(&mut headers);
        // There is no body that it could tell the length of (RFC 9110 §8.6).
        headers.remove(http::header::CONTENT_LENGTH);
        match &self.0 {
            Leave::Turn(shared, turn) => shared.queue(*turn, &head(status, &headers)),
            Leave::Stream(hints) => hints.send(status, headers, MOST),
        }
    }
}

impl Shared {
    fn queue(&self, turn: u32, head: &[u8]) {
        let mut queue = self.queue.lock();
        let in_time = self.open.load(Relaxed) && queue.turn == turn && queue.clean;
        if !in_time || queue.taken + head.len() > MOST {
            return;
        }
        queue.taken += head.len();
        queue.bytes.extend_from_slice(head);
        self.pending.store(true, Relaxed);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

/// As HTTP/1.1. The fields were parsed as HTTP, so there is no line break in them.
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Interim");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn link() -> HeaderMap {
        let fields = [("link", "</a.css>"), ("connection", "x-hop"), ("x-hop", "1"), ("content-length", "5")];
        fields.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_between_messages_and_only_for_its_own_request() {
        let interim = Interim::default();
        assert!(interim.hints().is_none(), "nobody asks");
        interim.begin();
        let hints = interim.hints().unwrap();
        hints.send(StatusCode::EARLY_HINTS, &link());
        assert_eq!(interim.take(), None, "the response before it may not be written yet");
        interim.flushed(Waker::noop());
        for status in [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
            hints.send(status, &link());
        }
        assert_eq!(interim.take(), None);
        hints.send(StatusCode::EARLY_HINTS, &link());
        let written = interim.take().unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
        interim.end();
        hints.send(StatusCode::EARLY_HINTS, &link());
        assert_eq!(interim.take(), None, "its response has begun");
        interim.begin();
        interim.flushed(Waker::noop());
        hints.send(StatusCode::EARLY_HINTS, &link());
        assert_eq!(interim.take(), None, "another request's turn");
    }

    #[test]
    fn an_origin_can_not_send_them_without_end() {
        let interim = Interim::default();
        interim.begin();
        interim.flushed(Waker::noop());
        let hints = interim.hints().unwrap();
        let mut written = 0;
        for _ in 0..10_000 {
            hints.send(StatusCode::PROCESSING, &HeaderMap::new());
            written += interim.take().map_or(0, |bytes| bytes.len());
        }
        assert!((MOST - 100..=MOST).contains(&written), "{written}");
    }
}
