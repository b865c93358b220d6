//! Interim responses (1xx) on their way to an HTTP/1.1 client, which hyper's server has no way to send.
//!
//! They are written below hyper, and only between messages: after hyper has flushed all it had when the request
//! came, and before the first byte of the final response. While a handler works on a request without a body,
//! hyper has nothing to write, so that is the whole of that time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use crate::http::hop_by_hop;

/// The most that one request's interim responses may have in all: an origin can send any number of them.
const MOST: usize = 16 * 1024;

/// A connection's place for interim responses. One request at a time is answered on it.
#[derive(Debug, Clone, Default)]
pub struct Interim(Arc<Shared>);

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
pub struct Hints {
    interim: Interim,
    turn: u32,
}

impl Interim {
    /// A handler begins to work on a request.
    pub(super) fn begin(&self) {
        let mut queue = self.0.queue.lock();
        queue.turn = queue.turn.wrapping_add(1);
        queue.clean = false;
        queue.taken = 0;
        self.0.open.store(true, Relaxed);
    }

    /// It has a response: nothing more is taken, and what is there goes out before it.
    pub(super) fn end(&self) {
        // Under the lock, so that who is about to queue has done so or will not.
        let _queue = self.0.queue.lock();
        self.0.open.store(false, Relaxed);
    }

    /// hyper has nothing left to write. `waker` is of the task that flushes again.
    pub(super) fn flushed(&self, waker: &Waker) {
        if !self.0.open.load(Relaxed) {
            return;
        }
        let mut queue = self.0.queue.lock();
        queue.clean = true;
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
    }

    /// What is to be written before anything else, if there is something.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        if !self.0.pending.swap(false, Relaxed) {
            return None;
        }
        Some(std::mem::take(&mut self.0.queue.lock().bytes))
    }

    /// For the request that is worked on now; none if it takes no interim responses.
    pub fn hints(&self) -> Option<Hints> {
        let turn = self.0.queue.lock().turn;
        self.0.open.load(Relaxed).then(|| Hints { interim: self.clone(), turn })
    }
}

impl Hints {
    /// Sends an interim response, unless it comes too late, or there were too many. Fields of the hop stay behind.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        // 101 ends HTTP, and 100 answers an Expect that was not ours.
        if !status.is_informational() || status.as_u16() <= 101 {
            return;
        }
        let head = head(status, headers);
        let shared = &*self.interim.0;
        let mut queue = shared.queue.lock();
        let in_time = shared.open.load(Relaxed) && queue.turn == self.turn && queue.clean;
        if !in_time || queue.taken + head.len() > MOST {
            return;
        }
        queue.taken += head.len();
        queue.bytes.extend_from_slice(&head);
        shared.pending.store(true, Relaxed);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

/// As HTTP/1.1. The fields were parsed as HTTP, so there is no line break in them.
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut headers = headers.clone();
    hop_by_hop::strip_response(&mut headers);
    // There is no body that it could tell the length of (RFC 9110 §8.6).
    headers.remove(http::header::CONTENT_LENGTH);
    let reason = status.canonical_reason().unwrap_or("Interim");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &headers {
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
